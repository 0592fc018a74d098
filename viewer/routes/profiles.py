"""`/api/profiles`: the profiles of runs, what each says in short, and the files themselves.

- `GET /api/profiles` -> JSON `{"profiles": [{"run", "trace", "bytes", "recorded", "worker", "format"}]}`, the newest of
  a run first. `trace` is the path of the file below the run's directory; `recorded` seconds since 1970, or null where
  its path does not say; `format` "chrome" or "xspace".
- `GET /api/profiles/state?run=&trace=` -> JSON `{"state", "seconds", "bytes"}`: whether it is "unread", "reading" for
  so many seconds, "ready" or "failed".
- `GET /api/profiles/overview?run=&trace=` -> JSON, see `profile_overview.overview`. Without `trace` the run's newest is
  meant, here and below. The first who asks waits until the trace is read.
- `GET /api/profiles/steps?run=&trace=&compat=` -> JSON, a column each, see `profile_overview.step_columns`.

Failures are `{"error": sentence}`: 404 where there is no such profile, 422 where it cannot be read.
"""

from __future__ import annotations

from aiohttp import web

from ..context import CONTEXT
from ..profile_overview import overview, step_columns
from ..profiles import answered, asked, profiles
from ..responses import dump_json

routes = web.RouteTableDef()


@routes.get("/api/profiles")
async def get_profiles(request: web.Request) -> web.StreamResponse:
    """Every trace of every run."""
    context = request.app[CONTEXT]
    return await answered(request, lambda: dump_json({"profiles": profiles.listed(context)}))


@routes.get("/api/profiles/state")
async def get_state(request: web.Request) -> web.StreamResponse:
    """How far reading is."""
    context = request.app[CONTEXT]
    return await answered(request, lambda: dump_json(profiles.state(context, asked(request))))


@routes.get("/api/profiles/overview")
async def get_overview(request: web.Request) -> web.StreamResponse:
    """The verdict, and where the time went."""
    context = request.app[CONTEXT]

    def answer() -> bytes:
        which = asked(request)
        told = profiles.derived(context, which, "profiles.overview", overview)
        return dump_json({**which._asdict(), **told})

    return await answered(request, answer)


@routes.get("/api/profiles/steps")
async def get_steps(request: web.Request) -> web.StreamResponse:
    """Each step, and where its time went."""
    context = request.app[CONTEXT]
    compat = "tb_plugin" if request.query.get("compat") == "tb_plugin" else None

    def answer() -> bytes:
        made = profiles.derived(
            context, asked(request), ("profiles.steps", compat), lambda one: step_columns(one, compat)
        )
        return dump_json(made)

    return await answered(request, answer)
