"""`/api/profile_diff`: what changed from one profile to another.

- `GET /api/profile_diff?run=&trace=&base_run=&base_trace=` -> JSON, see `profile_diff.difference_told`. Without
  `base_trace` the newest of that run is meant.
- `GET /api/profile_diff/table?...&table=operators|kernels&by=&q=&regex=&sort=&offset=&limit=` -> JSON, as
  `/api/profile_tables`; sorted by the size of a change with `~` before a column's name.
- `GET /api/profile_diff/file?...&format=csv|json|parquet` -> the same as a file.

Failures are `{"error": sentence}`: 400 for a question that makes no sense, 404 where there is no such profile, 422
where it cannot be read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from aiohttp import web

from ..context import CONTEXT
from ..profile_diff import difference_told, sheet
from ..profile_keeping import wise
from ..profile_sheets import TYPES, BadQuestion, Question, answer, file
from ..profiles import Which, asked, profiles
from ..responses import dump_json

if TYPE_CHECKING:
    from collections.abc import Callable

    from tallyboard.core.profiles.model import Profile

    from ..profile_sheets import Sheet

T = TypeVar("T")

routes = web.RouteTableDef()


@routes.get("/api/profile_diff")
async def get_difference(request: web.Request) -> web.StreamResponse:
    """Sentences, verdicts and parts."""

    def make(base: Profile) -> bytes:
        return _kept(request, "told", lambda now: dump_json(difference_told(now.compare(base))))

    return await wise(request, lambda: make(_base(request)))


@routes.get("/api/profile_diff/table")
async def get_table(request: web.Request) -> web.StreamResponse:
    """Some operators or kernels, with both sides."""
    return await wise(request, lambda: answer(_sheet(request), Question.of(request.query)))


@routes.get("/api/profile_diff/file")
async def get_file(request: web.Request) -> web.StreamResponse:
    """All of them, as a file."""
    form = request.query.get("format", "csv")
    return await wise(
        request, lambda: file(_sheet(request), Question.of(request.query), form), TYPES.get(form, "text/plain")
    )


def _sheet(request: web.Request) -> Sheet:
    table, by = request.query.get("table", "operators"), request.query.get("by", "name")
    base = _base(request)
    return _kept(request, (table, by), lambda now: sheet(base, now, table, by))


def _base_of(request: web.Request) -> Which:
    run, trace = request.query.get("base_run"), request.query.get("base_trace", "")
    if run is None:
        raise BadQuestion("base_run is missing: name the run that it is to be compared with")
    return Which(run, trace) if trace else profiles.newest(request.app[CONTEXT], run)


def _base(request: web.Request) -> Profile:
    return profiles.read(request.app[CONTEXT], _base_of(request))


def _kept(request: web.Request, key: object, make: Callable[[Profile], T]) -> T:
    """What is made of the profile that is looked at, kept beside it for as long as the other one stays."""
    context, base = request.app[CONTEXT], _base_of(request)
    stamp = profiles.file(context, base).stamp
    return profiles.derived(context, asked(request), ("diff", base, stamp, key), make)
