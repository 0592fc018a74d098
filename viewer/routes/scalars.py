"""`/api/scalars`: the points of many series in one frame."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import numpy as np
from aiohttp import web
from numpy.typing import NDArray

from tallyboard.core.downsample import ROOM, bucketed

from ..context import CONTEXT
from ..frame import Bucketed, Frame, Part, encode_frame
from ..packing import chosen, far, packer
from ..responses import error
from ..safety import reads
from ..wishes import Axis, BadRequest, Span, Wanted, parse

if TYPE_CHECKING:
    from tallyboard.core.store import Series, Store

    from ..lines import Lines

MOST_POINTS = 1 << 24
"""Points one answer holds; a series cut short by it (since + n < total) is asked for again from there."""

_FEW_SERIES = 100
_FEW_POINTS = 50_000
_SMALL = 1 << 20

routes = web.RouteTableDef()


@routes.post("/api/scalars")
@reads
async def post_scalars(request: web.Request) -> web.StreamResponse:
    """Points of the series named in the body, as a TLY1 frame."""
    try:
        wanted = parse(await request.read())
    except BadRequest as bad:
        return error(bad.status, str(bad))
    context = request.app[CONTEXT]
    found = look_up(context.store, wanted)
    work = sum(len(series) for want, series in found if series and (want.buckets or want.smooth))
    if len(wanted) <= _FEW_SERIES and work <= _FEW_POINTS:
        parts = collect(found, context.lines)
    else:
        parts = await asyncio.to_thread(collect, found, context.lines)
    if sum(len(part.value) for part in parts) * 20 + len(wanted) * 200 <= _SMALL:
        return _whole(encode_frame(parts))
    frame = await asyncio.to_thread(encode_frame, parts)
    return _whole(frame) if frame.size <= _SMALL else await _in_pieces(request, frame)


def look_up(store: Store, wanted: list[Wanted]) -> list[tuple[Wanted, Series | None]]:
    """Find each series in `store`."""
    return [(want, store.scalars(want.run, want.tag, superseded=want.superseded)) for want in wanted]


def collect(found: list[tuple[Wanted, Series | None]], lines: Lines) -> list[Part]:
    """Cut out of each series what is wanted; an unknown one has no points."""
    room = MOST_POINTS
    parts: list[Part] = []
    for want, series in found:
        if series is None:
            none = np.empty(0)
            part = Part(want.run, want.tag, 0, 0, np.empty(0, np.int64), none, none)
        else:
            part = _part(want, series, room, lines)
        room -= len(part.value)
        parts.append(part)
    return parts


def _part(want: Wanted, series: Series, room: int, lines: Lines) -> Part:
    total = len(series)
    # a restart may have hidden points that were counted, or a shorter series may have taken this one's place
    # (with those that were hidden, a series only grows)
    valid = want.since <= total and (want.superseded or want.generation in (None, series.generation))
    since = want.since if valid else 0
    span, smooth = want.buckets, want.smooth
    few = ROOM * span.count if span else total
    if span and not (span.whole and total - since <= few):
        return _bucketed(want, span, series, room, lines)
    cut = slice(since, min(total, since + room))
    columns = (series.step[cut], series.wall_time[cut], series.value[cut])
    line = None
    if smooth and (span is None or total > few):
        line = lines.at(want, smooth, series, np.arange(cut.start, cut.stop))
    return Part(want.run, want.tag, since, total, *columns, series.generation, line)


def _bucketed(want: Wanted, span: Span, series: Series, room: int, lines: Lines) -> Part:
    x = _along(span.x, series)
    low = _first_end(x, np.min) if span.low is None else span.low
    high = _first_end(x, np.max) if span.high is None else span.high
    kept = bucketed(x, series.value, low, max(low, high), span.count, log=span.log)
    if len(kept.row) > room:
        none = slice(0, 0)
        return Part(want.run, want.tag, 0, len(series), series.step[none], series.wall_time[none], series.value[none])
    row = kept.row
    columns = (series.step[row], series.wall_time[row], series.value[row])
    line = lines.at(want, want.smooth, series, row) if want.smooth else None
    start, points, odd = (column.astype(np.uint32) for column in (kept.start, kept.points, kept.odd))
    mean = kept.mean.astype(series.value.dtype)
    shape = Bucketed(span.x, low, high, span.count, span.log, kept.exact, start, points, mean, odd)
    return Part(want.run, want.tag, 0, len(series), *columns, series.generation, line, shape)


def _along(axis: Axis, series: Series) -> NDArray[Any]:
    if axis == "step":
        return series.step
    return series.wall_time if axis == "wall" else series.wall_time - series.wall_time[0]


def _first_end(x: NDArray[Any], least_or_greatest: Any) -> float:
    finite = x if x.dtype.kind == "i" or bool(np.isfinite(x).all()) else x[np.isfinite(x)]
    return float(least_or_greatest(finite)) if len(finite) else 0.0


_HEADERS = {"Content-Type": "application/octet-stream", "Cache-Control": "no-store"}


def _whole(frame: Frame) -> web.Response:
    return web.Response(body=bytes(frame), headers=_HEADERS)


async def _in_pieces(request: web.Request, frame: Frame) -> web.StreamResponse:
    response = web.StreamResponse(headers=_HEADERS)
    coding = chosen(request.headers.get("Accept-Encoding", "")) if far(request) else None
    pack = packer(coding) if coding else None
    if coding:
        response.headers["Content-Encoding"] = coding
        response.headers["Vary"] = "Accept-Encoding"
    else:
        response.content_length = frame.size
    await response.prepare(request)
    for piece in frame.pieces():
        # waits for the client, so a slow one holds one piece
        await response.write(await asyncio.to_thread(pack.compress, piece) if pack else piece)
    await response.write_eof(pack.flush() if pack else b"")
    return response
