"""`/api/profile_tables`: operators, kernels and the other tables of a profile, a window of rows at a time.

- `GET /api/profile_tables?run=&trace=&table=&q=&regex=&sort=&offset=&limit=` -> JSON, see `profile_sheets.answer`;
  below 200 KB, so there may be fewer rows than were asked for. `table` is one of `profile_tables.TABLES`; `by=shapes`
  tells operators apart by the shapes of their inputs, `device=` is whose memory, `at=` a time in nanoseconds: what was
  in memory then; `levels=` and `turned=` say which rows of a tree are open.
- `GET /api/profile_tables/row?...&row=` -> JSON, all of one row: stacks, kernels, launches.
- `GET /api/profile_tables/file?...&format=csv|json|parquet` -> every row that `q` leaves, as a file.

Failures are `{"error": sentence}`: 400 for a question that makes no sense, 404 where there is no such profile,
422 where it cannot be read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

from ..context import CONTEXT
from ..profile_keeping import keeper, wise
from ..profile_sheets import TYPES, BadQuestion, Question, answer, file
from ..profile_tables import asked_table, row_told, sheet
from ..profiles import asked, profiles
from ..responses import dump_json

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..profile_sheets import Sheet
    from ..profiles import Which

routes = web.RouteTableDef()


@routes.get("/api/profile_tables")
async def get_table(request: web.Request) -> web.StreamResponse:
    """Some rows."""
    return await _told(request, lambda _, table: answer(table(), Question.of(request.query)))


@routes.get("/api/profile_tables/row")
async def get_row(request: web.Request) -> web.StreamResponse:
    """One row, with all that is known of it."""
    context = request.app[CONTEXT]

    def told(which: Which, table: Callable[[], Sheet]) -> bytes:
        said = request.query.get("row", "")
        if not (said.isascii() and said.isdecimal() and len(said) < 16):
            raise BadQuestion(f"row={said!r} is no row's number")
        name, _ = asked_table(request.query)
        profile = profiles.read(context, which)
        return dump_json(row_told(profile, keeper(context, which), name, table(), int(said)))

    return await _told(request, told)


@routes.get("/api/profile_tables/file")
async def get_file(request: web.Request) -> web.StreamResponse:
    """All rows, as a file."""
    form = request.query.get("format", "csv")
    return await _told(
        request, lambda _, table: file(table(), Question.of(request.query), form), TYPES.get(form, "text/plain")
    )


async def _told(
    request: web.Request,
    make: Callable[[Which, Callable[[], Sheet]], bytes],
    content_type: str = "application/json",
) -> web.StreamResponse:
    context = request.app[CONTEXT]

    def body() -> bytes:
        name, options = asked_table(request.query)
        which = asked(request)

        def table() -> Sheet:
            keep = keeper(context, which)
            return keep(("tables", name, options), lambda one: sheet(one, keep, name, dict(options)))

        return make(which, table)

    return await wise(request, body, content_type)
