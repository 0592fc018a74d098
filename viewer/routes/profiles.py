"""`/api/profiles`: the profiles of runs, what each says in short, and the files themselves.

- `GET /api/profiles` -> JSON `{"profiles": [{"run", "trace", "bytes", "recorded", "worker", "format"}]}`, the newest of
  a run first. `trace` is the path of the file below the run's directory; `recorded` seconds since 1970, or null where
  its path does not say; `format` "chrome" or "xspace".
- `GET /api/profiles/state?run=&trace=` -> JSON `{"state", "seconds", "bytes"}`: whether it is "unread", "reading" for
  so many seconds, "ready" or "failed".
- `GET /api/profiles/overview?run=&trace=` -> JSON, see `profile_overview.overview`. Without `trace` the run's newest is
  meant, here and below. The first who asks waits until the trace is read.
- `GET /api/profiles/steps?run=&trace=&compat=` -> JSON, a column each, see `profile_overview.step_columns`.
- `GET /api/profiles/file?run=&trace=&as=` -> the file, byte for byte; with `as=chrome` a Chrome trace in any case: of
  an XSpace the one beside it, if there is one, or one made of what was read.

Failures are `{"error": sentence}`: 404 where there is no such profile, 422 where it cannot be read.
"""

from __future__ import annotations

from urllib.parse import quote

from aiohttp import web

from tallyboard.core.errors import CorruptRecord, MissingDependency

from ..context import CONTEXT
from ..profile_files import opened
from ..profile_overview import overview, step_columns
from ..profiles import NoProfile, answered, asked, profiles, refused, worked_out
from ..responses import dump_json
from .values import SANDBOXED

routes = web.RouteTableDef()


@routes.get("/api/profiles")
async def get_profiles(request: web.Request) -> web.StreamResponse:
    """Every trace of every run."""
    context = request.app[CONTEXT]
    return await answered(request, lambda: dump_json({"profiles": profiles.listed(context)}), waits=False)


@routes.get("/api/profiles/state")
async def get_state(request: web.Request) -> web.StreamResponse:
    """How far reading is."""
    context = request.app[CONTEXT]
    return await answered(request, lambda: dump_json(profiles.state(context, asked(request))), waits=False)


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


@routes.get("/api/profiles/file")
async def get_file(request: web.Request) -> web.StreamResponse:
    """The trace as it was recorded; with `as=chrome` what any viewer of Chrome traces reads."""
    context = request.app[CONTEXT]
    chrome = request.query.get("as") == "chrome"
    try:
        found = await worked_out(lambda: opened(context, asked(request), chrome))
    except (NoProfile, CorruptRecord, MissingDependency) as why:
        return refused(why)
    named = f"attachment; filename*=UTF-8''{quote(found.name)}"
    headers = {**SANDBOXED, "Cache-Control": "no-store", "Content-Disposition": named}
    response = web.StreamResponse(headers={**headers, "Content-Type": "application/octet-stream"})
    response.content_length = found.size
    try:
        await response.prepare(request)
        while piece := await worked_out(found.read):
            await response.write(piece)
        await response.write_eof()
    finally:
        found.close()
    return response
