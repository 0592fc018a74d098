"""`/api/profile_ranks`: processes that trained together, from the traces of all of them.

- `GET /api/profile_ranks?run=&trace=&step=&compat=` -> JSON, see `profile_ranks.ranks_told`. The traces of the
  directory are read, or of the runs beside this one where each process has a run of its own. Without `step` the mean
  step is meant; `compat=tb_plugin` counts as that plugin did.
- `GET /api/profile_ranks/table?...&table=operations|collectives|stragglers&q=&regex=&sort=&offset=&limit=` -> JSON, as
  `/api/profile_tables`.
- `GET /api/profile_ranks/file?...&format=csv|json|parquet` -> the same as a file.

Failures are `{"error": sentence}`: 400 for a question that makes no sense, 404 where there is no such profile, 422
where one of them cannot be read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

from ..context import CONTEXT
from ..profile_keeping import wise
from ..profile_ranks import ranks_of, ranks_told, sheet
from ..profile_sheets import TYPES, BadQuestion, Question, answer, file
from ..profiles import asked
from ..responses import dump_json

if TYPE_CHECKING:
    from tallyboard.core.profiles.ranks import Ranks

routes = web.RouteTableDef()


@routes.get("/api/profile_ranks")
async def get_ranks(request: web.Request) -> web.StreamResponse:
    """Each rank's step."""
    return await wise(request, lambda: dump_json(ranks_told(*_ranks(request), request.query.get("step", ""))))


@routes.get("/api/profile_ranks/table")
async def get_table(request: web.Request) -> web.StreamResponse:
    """Some rows of what they said."""
    table = request.query.get("table", "operations")
    return await wise(request, lambda: answer(sheet(_ranks(request)[0], table), Question.of(request.query)))


@routes.get("/api/profile_ranks/file")
async def get_file(request: web.Request) -> web.StreamResponse:
    """All of it, as a file."""
    table, form = request.query.get("table", "operations"), request.query.get("format", "csv")
    return await wise(
        request,
        lambda: file(sheet(_ranks(request)[0], table), Question.of(request.query), form),
        TYPES.get(form, "text/plain"),
    )


def _ranks(request: web.Request) -> tuple[Ranks, list[str]]:
    compat = request.query.get("compat", "")
    if compat not in ("", "tb_plugin"):
        raise BadQuestion(f"compat={compat!r} is not tb_plugin")
    return ranks_of(request.app[CONTEXT], asked(request), "tb_plugin" if compat else None)
