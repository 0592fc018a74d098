"""`/api/seeds`: runs that belong together as one line with a band, worked out on all of their points."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
from aiohttp import web

from ..context import CONTEXT
from ..frame import Part, encode_frame
from ..responses import error
from ..safety import reads
from ..seeds import Group, Seeds, TooMuch, parse, shown
from ..wishes import BadRequest

if TYPE_CHECKING:
    from ..context import Context

AT_ONCE = 2
"""Requests that are worked on side by side; each may take hundreds of megabytes for a moment."""

_COLUMNS = ("centre", "low", "high", "count", "place")

routes = web.RouteTableDef()
_seeds = Seeds()
_workers = ThreadPoolExecutor(AT_ONCE, "tallyboard-seeds")


@routes.post("/api/seeds")
@reads
async def post_seeds(request: web.Request) -> web.StreamResponse:
    """The groups named in the body, as a TLY1 frame of five series each."""
    try:
        groups = parse(await request.read())
    except BadRequest as bad:
        return error(bad.status, str(bad))
    try:
        body = await asyncio.get_running_loop().run_in_executor(_workers, _answer, request.app[CONTEXT], groups)
    except TooMuch as much:
        return error(413, str(much))
    return web.Response(body=body, content_type="application/octet-stream", headers={"Cache-Control": "no-store"})


def _answer(context: Context, groups: list[Group]) -> bytes:
    return bytes(encode_frame(part for group in groups for part in _parts(context, group)))


def _parts(context: Context, group: Group) -> list[Part]:
    line = _seeds.of(context.store, group, context.boot)
    if line is None:
        none = np.empty(0)
        return [Part(name, group.tag, 0, 0, np.empty(0, np.int64), none, none) for name in _COLUMNS]
    total = len(line.step)
    line, smooth = shown(line, group)
    return [
        Part(
            name,
            group.tag,
            0,
            total,
            line.step,
            line.wall,
            getattr(line, name),
            line=smooth if name == "centre" else None,
        )
        for name in _COLUMNS
    ]
