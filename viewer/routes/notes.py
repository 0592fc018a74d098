"""`/api/sidecar`: what people say of runs and keep beside them."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import asdict
from typing import TYPE_CHECKING

from aiohttp import web

from ..context import CONTEXT
from ..responses import dump_json, error, revalidated
from ..sidecar import NotKept
from ..statements import BadPatch, parse_json

if TYPE_CHECKING:
    from ..context import Context
    from ..sidecar import Told

routes = web.RouteTableDef()


@routes.get("/api/sidecar")
async def get_sidecar(request: web.Request) -> web.StreamResponse:
    """Where notes are kept, and all of them."""
    context = request.app[CONTEXT]
    told = await asyncio.to_thread(context.sidecar.told)
    context.hub.tell_sidecar(told.version)  # somebody may have changed the file meanwhile
    body = await asyncio.to_thread(_body, told)
    etag = hashlib.blake2b(body, digest_size=12).hexdigest()
    return revalidated(request, etag, body, content_type="application/json")


@routes.patch("/api/sidecar")
async def patch_sidecar(request: web.Request) -> web.StreamResponse:
    """Merge a change into the notes."""
    context = request.app[CONTEXT]
    try:
        change = parse_json(await request.read())
    except ValueError:
        return error(400, "The request's body is not JSON.")
    # shielded: a client that goes away does not stop a change halfway, and the others hear of it
    return await asyncio.shield(asyncio.ensure_future(_keep(context, change)))


async def _keep(context: Context, change: object) -> web.Response:
    try:
        told = await asyncio.to_thread(context.sidecar.patch, change)
    except BadPatch as bad:
        return error(400, str(bad))
    except NotKept as not_kept:
        return error(409, str(not_kept))
    context.hub.tell_sidecar(told.version)
    return web.Response(body=_body(told), content_type="application/json", headers={"Cache-Control": "no-store"})


def _body(told: Told) -> bytes:
    return dump_json(asdict(told))
