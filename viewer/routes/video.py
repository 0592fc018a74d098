"""`/api/video` and what belongs to it: videos in pieces, what is known of each, and which pictures move."""

from __future__ import annotations

import asyncio
import json
import re
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from aiohttp import web

from tallyboard.core.errors import CorruptRecord

from ..context import CONTEXT, Context
from ..films import NoFilm, examine, moves
from ..responses import dump_json, error
from ..safety import reads
from ..values import SIZES, blobs_in, read_value, value_at
from .values import SANDBOXED

if TYPE_CHECKING:
    from ..films import Film

PIXELS = 1 << 25
"""Most pixels of a frame: those of 7680 x 4320. Decoded, one takes 128 MiB of a browser's memory."""

MOST_SERIES = 10_000

_RANGE = re.compile(r"bytes=(\d{1,18})?-(\d{1,18})?")

routes = web.RouteTableDef()


class Asked(NamedTuple):
    """Which video: of the value of a step that was written at a time, the n-th; `plugin` is `video` or `images`."""

    plugin: str
    run: str
    tag: str
    step: float
    wall: float
    n: int


class Refusal(Exception):
    """Why there is none: a status and a sentence."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


@routes.get("/api/video")
async def get_video(request: web.Request) -> web.StreamResponse:
    """A video by `of`, whole or the range of bytes that is asked for, under the type that its bytes tell."""
    asked = _asked(request.query.get("of", ""))
    if asked is None:
        return error(400, "of is not [plugin, run, tag, step, wall_time, number]")
    try:
        data, film, _ = await asyncio.to_thread(_found, request.app[CONTEXT], asked)
    except Refusal as refusal:
        return error(refusal.status, str(refusal))
    headers = {**SANDBOXED, "Accept-Ranges": "bytes"}
    span = _span(request.headers.get("Range", ""), len(data))
    if span is None:
        return web.Response(body=data, content_type=film.kind, headers=headers)
    start, end = span
    if start >= end:
        return error(416, "The video ends before that.", {"Content-Range": f"bytes */{len(data)}"})
    headers["Content-Range"] = f"bytes {start}-{end - 1}/{len(data)}"
    return web.Response(status=206, body=data[start:end], content_type=film.kind, headers=headers)


@routes.get("/api/video/facts")
async def get_facts(request: web.Request) -> web.Response:
    """What a video says of itself: its kind, size, length, frames, codec and flaw, and how many the step has."""
    asked = _asked(request.query.get("of", ""))
    if asked is None:
        return error(400, "of is not [plugin, run, tag, step, wall_time, number]")
    try:
        data, film, count = await asyncio.to_thread(_found, request.app[CONTEXT], asked)
    except Refusal as refusal:
        return error(refusal.status, str(refusal))
    facts = {
        "type": film.kind,
        "container": film.container,
        "width": film.width,
        "height": film.height,
        "seconds": film.seconds,
        "frames": film.frames,
        "rate": film.rate,
        "codec": film.codec,
        "sound": film.sound,
        "delays": film.delays,
        "flaw": film.flaw,
        "bytes": len(data),
        "count": count,
    }
    headers = {"Cache-Control": SANDBOXED["Cache-Control"]}
    return web.Response(body=dump_json(facts), content_type="application/json", headers=headers)


@routes.post("/api/video/moving")
@reads
async def post_moving(request: web.Request) -> web.Response:
    """Which of the series of pictures named in the body move, by the last value of each."""
    try:
        said: Any = json.loads(await request.read())
        series = [(str(one["run"]), str(one["tag"])) for one in said["series"]]
    except (ValueError, TypeError, KeyError, RecursionError):
        return error(400, "the body is not {series: [{run, tag}]}")
    if len(series) > MOST_SERIES:
        return error(400, f"{len(series)} series were asked for at once; {MOST_SERIES} are the most")
    context = request.app[CONTEXT]
    found = await asyncio.to_thread(lambda: [_moves(context, run, tag) for run, tag in series])
    return web.Response(
        body=dump_json({"moving": found}), content_type="application/json", headers={"Cache-Control": "no-store"}
    )


def _asked(text: str) -> Asked | None:
    try:
        said: Any = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(said, list) or len(parts := cast("list[Any]", said)) != 6:
        return None
    fits = all(isinstance(part, str) for part in parts[:3]) and all(type(part) in (int, float) for part in parts[3:5])
    if not fits or type(parts[5]) is not int or not abs(parts[3]) < 1 << 64 or parts[0] not in ("video", "images"):
        return None
    return Asked(*parts)


def _found(context: Context, asked: Asked) -> tuple[bytes, Film, int]:
    """Waits for the disk."""
    blobs = context.reels.blobs(asked[:5], lambda: _read(context, asked))
    if not 0 <= asked.n < len(blobs):
        raise Refusal(404, f"this step has {len(blobs) or 'no'} videos, none of number {asked.n + 1}")
    data = blobs[asked.n]
    try:
        film = context.reels.known(asked, lambda: examine(data))
    except NoFilm as no:
        raise Refusal(422, str(no)) from None
    if film.width * film.height > PIXELS:
        sentence = f"its header declares {film.width} x {film.height} pixels; more than {PIXELS // 10**6} million"
        raise Refusal(413, f"{sentence} are not decoded")
    return data, film, len(blobs)


def _read(context: Context, asked: Asked) -> list[bytes]:
    try:
        value = value_at(context, asked.plugin, asked.run, asked.tag, asked.step, asked.wall)
    except CorruptRecord as corrupt:
        raise Refusal(422, f"its event cannot be read: {corrupt}") from None
    if value is None:
        raise Refusal(404, "it is not there any more: another value has taken its place, or its run is gone")
    blobs = blobs_in(value)
    if asked.plugin == "images":
        return blobs[SIZES:]
    if len(blobs) != 2:  # its media type, which is not believed, and the file
        raise Refusal(422, f"its event has {len(blobs)} strings, not the two of a video")
    return blobs[1:]


def _moves(context: Context, run: str, tag: str) -> bool:
    """Of a value of several pictures, by the first."""
    stored = context.store.blobs("images", run, tag, superseded=True)
    if stored is None or not len(stored):
        return False
    ref = stored.ref[-1]

    def find() -> bool:
        try:
            return any(moves(data) for data in blobs_in(read_value(context.fetch, ref, tag))[SIZES : SIZES + 1])
        except CorruptRecord:
            return False

    return context.reels.known((ref, tag), find)


def _span(header: str, size: int) -> tuple[int, int] | None:
    """Where a single range begins and ends; None for all, as for what is no range (RFC 9110, section 14.2)."""
    said = _RANGE.fullmatch(header.strip())
    if said is None or said.group(1, 2) == (None, None):
        return None
    first, last = said.group(1, 2)
    if first is None:
        return max(0, size - int(last)), size
    if last is not None and int(last) < int(first):
        return None
    return int(first), size if last is None else min(size, int(last) + 1)
