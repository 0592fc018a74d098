"""`/api/text`: logged texts as the page shows them, the frames of figures, and a search in all of them."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

from aiohttp import web

from tallyboard.core.errors import CorruptRecord

from ..context import CONTEXT, Context
from ..plotly_frame import plotly_page
from ..responses import dump_json, error
from ..safety import reads
from ..text_search import BadSearch, Search, search
from ..texts import FIGURES, PLUGINS, Named, figure, source, strings, told

if TYPE_CHECKING:
    from collections.abc import Callable

MOST_VALUES = 100
"""Values that one request may name."""

_FRAME = "; ".join(
    (
        "sandbox allow-scripts",  # an origin of its own, that nothing of this server's is open to
        "default-src 'none'",
        "script-src 'unsafe-inline' 'unsafe-eval' blob: data:",
        "style-src 'unsafe-inline' data:",
        "img-src data: blob:",
        "font-src data:",
        "media-src data: blob:",
        "worker-src blob:",
        "base-uri 'none'",
        "form-action 'none'",
    )
)

routes = web.RouteTableDef()


@routes.post("/api/text")
@reads
async def post_text(request: web.Request) -> web.Response:
    """What is shown of each value named in the body: `{"values": [{plugin, run, tag, step, wall, start}]}`."""
    try:
        asked = _asked(await request.read())
    except ValueError as bad:
        return error(400, str(bad))
    context = request.app[CONTEXT]
    body = await asyncio.to_thread(lambda: dump_json({"values": [told(context, *one) for one in asked]}))
    return web.Response(body=body, content_type="application/json", headers={"Cache-Control": "no-store"})


def _asked(body: bytes) -> list[tuple[Named, int]]:
    try:
        values: Any = json.loads(body)["values"]
        asked = [(_named(one), one.get("start", 0)) for one in values]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise ValueError("the body is not {values: [{plugin, run, tag, step, wall, start}]}") from None
    if len(asked) > MOST_VALUES:
        raise ValueError(f"{len(asked)} values were asked for at once; {MOST_VALUES} are the most")
    if any(type(start) is not int or start < 0 for _, start in asked):
        raise ValueError("start is the number of a row, from 0 on")
    return asked


def _named(said: Any) -> Named:
    """Which value an object or a query names.

    Raises:
        ValueError, KeyError, TypeError: it names none.
    """
    plugin, run, tag = said["plugin"], said["run"], said["tag"]
    if plugin not in PLUGINS or type(run) is not str or type(tag) is not str:
        raise ValueError("no such plugin")
    return Named(plugin, run, tag, float(said["step"]), float(said["wall"]))


@routes.get("/api/text/frame")
async def get_frame(request: web.Request) -> web.Response:
    """A figure as a page of its own, which has nothing of this one's rights and reaches nothing but itself."""
    return await _found(request, _framed, headers={"Content-Security-Policy": _FRAME})


@routes.get("/api/text/source")
async def get_source(request: web.Request) -> web.Response:
    """A value as it was written, whole, for a file."""
    return await _found(request, _source, headers={"Content-Disposition": 'attachment; filename="text.txt"'})


async def _found(
    request: web.Request, read: Callable[[Context, Named], tuple[str, str]], headers: dict[str, str]
) -> web.Response:
    try:
        named = _named(request.query)
    except (ValueError, KeyError):
        return error(400, "The address names no value: plugin, run, tag, step and wall.")
    try:
        content_type, text = await asyncio.to_thread(read, request.app[CONTEXT], named)
    except CorruptRecord as problem:
        return error(410, str(problem))
    return web.Response(text=text, content_type=content_type, headers={"Cache-Control": "no-store", **headers})


def _framed(context: Context, named: Named) -> tuple[str, str]:
    if named.plugin not in FIGURES:
        raise CorruptRecord("This is no figure.")
    text = figure(context, named)
    return "text/html", plotly_page(text) if named.plugin == "plotly" else text


def _source(context: Context, named: Named) -> tuple[str, str]:
    return "text/plain", figure(context, named) if named.plugin in FIGURES else source(strings(context, named))


@routes.post("/api/text/search")
@reads
async def post_search(request: web.Request) -> web.Response:
    """Where a pattern is found in the texts of runs; the answer's `next` goes on where this one stopped."""
    try:
        wanted = Search.parsed(await request.read())
        found = await asyncio.to_thread(search, request.app[CONTEXT], wanted)
    except BadSearch as bad:
        return error(400, str(bad))
    return web.Response(
        body=dump_json(found),
        content_type="application/json",
        headers={"Cache-Control": "no-store"},
    )
