"""`/api/picture`: one picture of one step, as it was written, once it is known that a browser can be given it."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any, NamedTuple, cast
from urllib.parse import quote

from aiohttp import web

from tallyboard.core.errors import CorruptRecord
from tallyboard.core.unpack import Found, image

from ..context import CONTEXT
from ..pictures import NoPicture, look
from ..responses import error
from ..values import value_at
from .values import SANDBOXED

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tallyboard.core.kinds import Image

    from ..context import Context
    from ..pictures import Picture

PIXELS = 1 << 26
"""Most pixels of a picture that is sent unasked, 8192 x 8192: decoded they take 256 MiB of a browser's memory."""

PIXELS_EVER = 1 << 28
"""Most pixels of one that is sent when somebody insists, 16384 x 16384."""

SIDE_EVER = 32_767
"""Longest side that browsers draw."""

routes = web.RouteTableDef()


class Asked(NamedTuple):
    """Which picture: of the value of a step that was written at a time, the n-th."""

    run: str
    tag: str
    step: float
    wall: float
    n: int


class Refusal(Exception):
    """Why there is no picture: a status, a sentence, and what is known all the same."""

    def __init__(self, status: int, sentence: str, known: Mapping[str, str] | None = None) -> None:
        super().__init__(sentence)
        self.status = status
        self.known = dict(known or {})


@routes.get("/api/picture")
async def get_picture(request: web.Request) -> web.StreamResponse:
    """A picture by `of`: run, tag, step, wall time and number in the step, in JSON; `large=1` insists on a large one.

    What its header and its event say of it is in `Picture-Size`, `Picture-Count` and `Picture-Flaw`.
    """
    asked = _asked(request.query.get("of", ""))
    if asked is None:
        return error(400, "of is not [run, tag, step, wall_time, number]")
    insisting = request.query.get("large") == "1"
    try:
        data, picture, known = await asyncio.to_thread(_found, request.app[CONTEXT], asked, insisting)
    except Refusal as refusal:
        return error(refusal.status, str(refusal), refusal.known)
    return web.Response(body=data, content_type=picture.kind, headers={**SANDBOXED, **known})


def _asked(text: str) -> Asked | None:
    try:
        said: Any = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(said, list) or len(parts := cast("list[Any]", said)) != 5:
        return None
    fits = all(isinstance(part, str) for part in parts[:2]) and all(type(part) in (int, float) for part in parts[2:4])
    if not fits or type(parts[4]) is not int or not abs(parts[2]) < 1 << 64:
        return None
    return Asked(*parts)


def _found(context: Context, asked: Asked, insisting: bool) -> tuple[bytes, Picture, dict[str, str]]:
    """Waits for the disk."""
    value = _value(context, asked)
    known = {"Picture-Count": str(len(value.pictures))}
    if not 0 <= asked.n < len(value.pictures):
        raise Refusal(404, f"this step has {len(value.pictures) or 'no'} pictures, none of number {asked.n + 1}", known)
    data = value.pictures[asked.n]
    try:
        picture = look(data)
    except NoPicture as no:
        raise Refusal(422, str(no), known) from None
    known["Picture-Size"] = f"{picture.width},{picture.height}"
    flaws = [picture.flaw] if picture.flaw else []
    if (value.width, value.height) not in ((picture.width, picture.height), (0, 0)):
        flaws.append(
            f"the event says {value.width} x {value.height} pixels, the picture is {picture.width} x {picture.height}"
        )
    if flaws:
        known["Picture-Flaw"] = quote("; ".join(flaws))
    _bounded(picture, insisting, known)
    return data, picture, known


def _value(context: Context, asked: Asked) -> Image:
    try:
        message = value_at(context, "images", asked.run, asked.tag, asked.step, asked.wall)
        if message is None:
            raise Refusal(404, "it is not there any more: another value has taken its place, or its run is gone")
        return image(Found(int(asked.step), asked.wall, message, message.metadata))
    except CorruptRecord as corrupt:
        raise Refusal(422, f"its event cannot be read: {corrupt}") from None


def _bounded(picture: Picture, insisting: bool, known: dict[str, str]) -> None:
    possible = picture.pixels <= PIXELS_EVER and max(picture.width, picture.height) <= SIDE_EVER
    if possible and (insisting or picture.pixels <= PIXELS):
        return
    if possible:
        known["Picture-Possible"] = "1"
    bound = f"{SIDE_EVER} on a side" if picture.pixels <= PIXELS else f"{PIXELS // 10**6} million"
    sentence = f"its header declares {picture.width} x {picture.height} pixels; more than {bound} are not decoded"
    raise Refusal(413, sentence, known)
