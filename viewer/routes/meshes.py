"""`/api/mesh`: one mesh of one step, as the page draws it."""

from __future__ import annotations

import asyncio
import json
from typing import Any, cast

from aiohttp import web

from ..context import CONTEXT
from ..meshes import Named, NoMesh, framed
from ..responses import error
from .values import SANDBOXED

MOST_PARTS = 3
"""Vertices, faces and colours."""

_SMALL = 1 << 20
"""Bytes of an answer that is sent as one piece."""

routes = web.RouteTableDef()


@routes.get("/api/mesh")
async def get_mesh(request: web.Request) -> web.StreamResponse:
    """A mesh by `of`: run, number in the batch, and tag, step and wall time of each of its parts, in JSON.

    The address names values for good, so that the answer never changes.
    """
    named = _named(request.query.get("of", ""))
    if named is None:
        return error(400, "of is not [run, number, [[tag, step, wall_time], ...]]")
    try:
        frame = await asyncio.to_thread(framed, request.app[CONTEXT], named)
    except NoMesh as no:
        return error(no.status, str(no))
    headers = {**SANDBOXED, "Content-Type": "application/octet-stream"}
    if frame.size <= _SMALL:
        return web.Response(body=bytes(frame), headers=headers)
    response = web.StreamResponse(headers=headers)
    response.content_length = frame.size
    await response.prepare(request)
    for piece in frame.pieces():
        await response.write(piece)
    await response.write_eof()
    return response


def _named(text: str) -> Named | None:
    try:
        said: Any = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(said, list) or len(asked := cast("list[Any]", said)) != 3:
        return None
    run, number, parts = asked
    if type(run) is not str or type(number) is not int or not isinstance(parts, list):
        return None
    each = cast("list[Any]", parts)
    if not 0 < len(each) <= MOST_PARTS or not all(_is_part(one) for one in each):
        return None
    return Named(run, number, tuple((tag, float(step), float(wall)) for tag, step, wall in each))


def _is_part(one: Any) -> bool:
    if not isinstance(one, list) or len(part := cast("list[Any]", one)) != 3:
        return False
    tag, step, wall = part
    numbers = type(step) in (int, float) and type(wall) in (int, float)
    return type(tag) is str and numbers and abs(step) < 1 << 64 and abs(wall) < 1 << 64
