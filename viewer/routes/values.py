"""`/api/values` and `/api/blob`: which values stay on disk, and each blob of theirs."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from aiohttp import web

from tallyboard.core.errors import CorruptRecord

from ..context import CONTEXT, Context
from ..responses import dump_json, error
from ..safety import reads
from ..values import SIZES, blobs_in, finite, media_type, value_at

if TYPE_CHECKING:
    from tallyboard.core.store import Store

__all__ = ["SANDBOXED"]

MOST_SERIES = 10_000

SANDBOXED = {
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "private, max-age=31536000, immutable",
}
"""Headers of data that came from a training: it is never run, and never changes."""

routes = web.RouteTableDef()


class _Ask(NamedTuple):
    run: str
    tag: str
    since: int
    generation: int
    wall: float


@routes.post("/api/values")
@reads
async def post_values(request: web.Request) -> web.Response:
    """Steps and wall times of the series named in the body, each from the value on that it says."""
    try:
        plugin, asks, superseded = _parsed(await request.read())
    except ValueError as bad:
        return error(400, str(bad))
    store = request.app[CONTEXT].store
    body = await asyncio.to_thread(
        lambda: dump_json({"series": [_tail(store, plugin, ask, superseded) for ask in asks]})
    )
    return web.Response(body=body, content_type="application/json", headers={"Cache-Control": "no-store"})


def _parsed(body: bytes) -> tuple[str, list[_Ask], bool]:
    shape = "the body is not {plugin, series: [{run, tag, since, generation, wall}], superseded}"
    try:
        said: Any = json.loads(body)
        plugin, series, superseded = said["plugin"], said["series"], bool(said.get("superseded", False))
        asks = [
            _Ask(one["run"], one["tag"], one.get("since", 0), one.get("generation", 0), float(one.get("wall", 0)))
            for one in series
        ]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise ValueError(shape) from None
    kinds = (str, str, int, int, float)
    if not isinstance(plugin, str) or any(tuple(map(type, ask)) != kinds or ask.since < 0 for ask in asks):
        raise ValueError(shape)
    if len(asks) > MOST_SERIES:
        raise ValueError(f"{len(asks)} series were asked for at once; {MOST_SERIES} are the most")
    return plugin, asks, superseded


def _tail(store: Store, plugin: str, ask: _Ask, superseded: bool) -> dict[str, Any]:
    stored = store.blobs(plugin, ask.run, ask.tag, superseded=superseded)
    if stored is None:
        return {"since": 0, "step": [], "wall": [], "generation": 0}
    wall = finite(stored.wall_time)
    # what is known holds while it is the beginning of what is there; of those that were voided too, none ever goes
    holds = 0 < ask.since <= len(stored) and wall[ask.since - 1] == ask.wall
    since = ask.since if holds and (superseded or ask.generation == stored.generation) else 0
    step = stored.step[since:].tolist()
    return {"since": since, "step": step, "wall": wall[since:].tolist(), "generation": stored.generation}


@routes.get("/api/blob")
async def get_blob(request: web.Request) -> web.Response:
    """A blob by `of`: plugin, run, tag, step, wall time and its number among the value's blobs, in JSON."""
    named = _named(request.query.get("of", ""))
    if named is None:
        return error(400, "of is not [plugin, run, tag, step, wall_time, number]")
    try:
        blobs = await asyncio.to_thread(_blobs, request.app[CONTEXT], *named[:5])
    except CorruptRecord:
        return error(410, "The value cannot be read any more: its file is not what it was.")
    if not 0 <= named[5] < len(blobs):
        return error(404, "There is no such value.")
    data = blobs[named[5]]
    headers = {**SANDBOXED, "Blob-Count": str(len(blobs))}
    return web.Response(body=data, content_type=media_type(data), headers=headers)


def _named(text: str) -> tuple[str, str, str, float, float, int] | None:
    try:
        said: Any = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(said, list) or len(parts := cast("list[Any]", said)) != 6:
        return None
    fits = all(isinstance(part, str) for part in parts[:3]) and all(type(part) in (int, float) for part in parts[3:5])
    if not fits or type(parts[5]) is not int or abs(parts[3]) >= 1 << 64:
        return None
    return cast("tuple[str, str, str, float, float, int]", tuple(parts))


def _blobs(context: Context, plugin: str, run: str, tag: str, step: float, wall: float) -> list[bytes]:
    value = value_at(context, plugin, run, tag, step, wall)
    return [] if value is None else blobs_in(value)[SIZES if plugin == "images" else 0 :]
