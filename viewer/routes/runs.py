"""`/api/runs`: which runs there are, and which series they hold."""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING

from aiohttp import web

from ..context import CONTEXT
from ..listing import Listing, tag_of
from ..responses import error, is_fresh, revalidated

if TYPE_CHECKING:
    from tallyboard.core.store import Store

LONGEST_WAIT = 2.0
"""Seconds that an answer waits at most for the first pass over the logdir."""

_LOOK = 0.01
"""Seconds between two looks at how far that is."""

routes = web.RouteTableDef()


@routes.get("/api/runs")
async def get_runs(request: web.Request) -> web.StreamResponse:
    """The runs, their warnings, and every series with its number of points."""
    context = request.app[CONTEXT]
    store = context.store
    try:
        wait = float(request.query.get("wait", "0"))
    except ValueError:
        wait = math.nan
    if not 0 <= wait <= LONGEST_WAIT:
        return error(400, f'The query\'s "wait" must be a number of seconds from 0 to {LONGEST_WAIT:g}.')
    await _is_read(store, wait)
    etag = tag_of(context.boot, store)
    body = None
    if not is_fresh(request, etag):
        overview = await asyncio.to_thread(store.overview)
        etag = tag_of(context.boot, overview)
        listing = Listing(lambda: store, context.logdir, context.title, context.writable, context.boot)
        body = await asyncio.to_thread(listing.describe, overview)
    return revalidated(request, etag, body, content_type="application/json")


async def _is_read(store: Store, wait: float) -> None:
    """Returns when the first pass is done, or was waited for so many seconds."""
    loop = asyncio.get_running_loop()
    end = loop.time() + wait
    while store.state == "loading" and loop.time() < end:
        await asyncio.sleep(_LOOK)
