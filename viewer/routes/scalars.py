"""`/api/scalars`: the points of many series in one frame."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from aiohttp import web

from ..context import CONTEXT
from ..frame import Frame, Part, encode_frame
from ..responses import error
from ..safety import reads

if TYPE_CHECKING:
    from tallyboard.core.store import Store

MOST_SERIES = 5_000
"""Series one request may name."""

MOST_POINTS = 1 << 24
"""Points one answer holds; a series cut short by it (since + n < total) is asked for again from there."""

_FEW_SERIES = 100
_SMALL = 1 << 20

routes = web.RouteTableDef()


@dataclass(frozen=True, slots=True)
class Wanted:
    """One series asked for, from the point with index `since` on, which is an index into that `generation`.

    `superseded` asks for the points that a restart has voided as well.
    """

    run: str
    tag: str
    since: int
    generation: int | None = None
    superseded: bool = False


class BadRequest(Exception):
    """The body is not what /api/scalars takes; the text is for the client, `status` is the answer's."""

    def __init__(self, sentence: str, status: int = 400) -> None:
        super().__init__(sentence)
        self.status = status


@routes.post("/api/scalars")
@reads
async def post_scalars(request: web.Request) -> web.StreamResponse:
    """Points of the series named in the body, as a TLY1 frame."""
    try:
        wanted = parse(await request.read())
    except BadRequest as bad:
        return error(bad.status, str(bad))
    store = request.app[CONTEXT].store
    if len(wanted) <= _FEW_SERIES:
        parts = collect(store, wanted)
    else:
        parts = await asyncio.to_thread(collect, store, wanted)
    if sum(len(part.value) for part in parts) * 20 + len(wanted) * 200 <= _SMALL:
        return _whole(encode_frame(parts))
    frame = await asyncio.to_thread(encode_frame, parts)
    return _whole(frame) if frame.size <= _SMALL else await _in_pieces(request, frame)


def parse(body: bytes) -> list[Wanted]:
    """Read the body of a request.

    Raises:
        BadRequest: it is not `{"series": [{"run": str, "tag": str, "since": int >= 0, "generation": int,
            "superseded": bool}, ...]}`, where all but run and tag may be left out, or names more than `MOST_SERIES`
            series.
    """
    try:
        asked: Any = json.loads(body)
    except (ValueError, RecursionError):
        raise BadRequest("The request's body is not JSON.") from None
    series: Any = cast("dict[str, Any]", asked).get("series") if isinstance(asked, dict) else None
    if not isinstance(series, list):
        raise BadRequest('The request\'s body must be an object with a list "series".')
    entries = cast("list[Any]", series)
    if len(entries) > MOST_SERIES:
        sentence = f"At most {MOST_SERIES:,} series fit in one request; this one names {len(entries):,}."
        raise BadRequest(sentence, 413)
    return [_entry(at, entry) for at, entry in enumerate(entries)]


def _entry(at: int, entry: Any) -> Wanted:
    if not isinstance(entry, dict):
        raise BadRequest(f'series[{at}] must be an object with "run", "tag" and "since".')
    fields = cast("dict[str, Any]", entry)
    run, tag, since = fields.get("run"), fields.get("tag"), fields.get("since", 0)
    if not isinstance(run, str) or not isinstance(tag, str):
        raise BadRequest(f'series[{at}] needs "run" and "tag", both text.')
    if not isinstance(since, int) or isinstance(since, bool) or since < 0:
        raise BadRequest(f'series[{at}] has a "since" that is not an integer of 0 or more.')
    generation = fields.get("generation")
    if generation is not None and (not isinstance(generation, int) or isinstance(generation, bool)):
        raise BadRequest(f'series[{at}] has a "generation" that is not an integer.')
    superseded = fields.get("superseded", False)
    if not isinstance(superseded, bool):
        raise BadRequest(f'series[{at}] has a "superseded" that is neither true nor false.')
    return Wanted(run, tag, since, generation, superseded)


def collect(store: Store, wanted: list[Wanted]) -> list[Part]:
    """Look up each series in `store`; an unknown one has no points."""
    room = MOST_POINTS
    parts: list[Part] = []
    for want in wanted:
        series = store.scalars(want.run, want.tag, superseded=want.superseded)
        if series is None:
            none = np.empty(0)
            parts.append(Part(want.run, want.tag, 0, 0, np.empty(0, np.int64), none, none))
            continue
        total = len(series)
        # a restart may have hidden points that were counted, or a shorter series may have taken this one's place
        # (with those that were hidden, a series only grows)
        valid = want.since <= total and (want.superseded or want.generation in (None, series.generation))
        since = want.since if valid else 0
        end = min(total, since + room)
        room -= end - since
        cut = slice(since, end)
        columns = (series.step[cut], series.wall_time[cut], series.value[cut])
        parts.append(Part(want.run, want.tag, since, total, *columns, series.generation))
    return parts


_HEADERS = {"Content-Type": "application/octet-stream", "Cache-Control": "no-store"}


def _whole(frame: Frame) -> web.Response:
    return web.Response(body=bytes(frame), headers=_HEADERS)


async def _in_pieces(request: web.Request, frame: Frame) -> web.StreamResponse:
    response = web.StreamResponse(headers=_HEADERS)
    response.content_length = frame.size
    await response.prepare(request)
    for piece in frame.pieces():
        await response.write(piece)  # waits for the client, so a slow one holds one piece
    await response.write_eof()
    return response
