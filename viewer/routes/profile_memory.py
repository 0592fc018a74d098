"""`/api/profile_memory`: what a device's memory held over time.

- `GET /api/profile_memory?run=&trace=&device=&lo=&hi=&pixels=` -> JSON, see `profile_memory.curve_told`. The tables of
  memory, by operator and of each piece, are among `/api/profile_tables`.

Failures are `{"error": sentence}`: 400 for a question that makes no sense, 404 where there is no such profile, 422
where it cannot be read.
"""

from __future__ import annotations

from aiohttp import web

from ..context import CONTEXT
from ..profile_keeping import keeper, wise
from ..profile_memory import curve_told
from ..profiles import asked, profiles
from ..responses import dump_json

routes = web.RouteTableDef()


@routes.get("/api/profile_memory")
async def get_memory(request: web.Request) -> web.StreamResponse:
    """The curve of one device, and what there is of the others."""
    context = request.app[CONTEXT]

    def answer() -> bytes:
        which = asked(request)
        profile = profiles.read(context, which)
        return dump_json(curve_told(profile, keeper(context, which), request.query))

    return await wise(request, answer)
