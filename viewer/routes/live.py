"""`/api/live`: what changed, as it changes."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

from aiohttp import web

from ..context import CONTEXT
from ..responses import error

PATIENCE = 30.0
"""Seconds a client may leave an event untaken before it is dropped; a browser resumes by itself."""

MOST_STREAMS = 2_000
"""Streams open at once; the page shares one among the tabs of a browser."""

_HEADERS = {"Content-Type": "text/event-stream", "Cache-Control": "no-store", "X-Accel-Buffering": "no"}

routes = web.RouteTableDef()


@routes.get("/api/live", allow_head=False)
async def get_live(request: web.Request) -> web.StreamResponse:
    """Server-sent events: hello, then a change whenever series grow, appear or go."""
    context = request.app[CONTEXT]
    try:
        since = _since(request, context.boot)
    except ValueError:
        return error(400, 'The query\'s "since" must be a version: an integer of 0 or more.')
    if context.hub.streams >= MOST_STREAMS:
        return error(503, f"{MOST_STREAMS:,} streams are open, which is all there are.", {"Retry-After": "30"})
    response = web.StreamResponse(headers=_HEADERS)
    await response.prepare(request)
    async with aclosing(context.hub.events(since, boot=context.boot)) as events:
        async for event in events:
            try:
                async with asyncio.timeout(PATIENCE):
                    await response.write(event)
            except TimeoutError:
                if request.transport is not None:
                    request.transport.abort()
                break
    return response


def _since(request: web.Request, boot: str) -> int | None:
    """The version the client knows; -1 when it knows one of another process."""
    if (last := request.headers.get("Last-Event-ID")) is not None:
        told_by, _, version = last.rpartition("-")
        return int(version) if told_by == boot and _is_version(version) else -1
    if (since := request.query.get("since")) is None:
        return None
    if not _is_version(since):
        raise ValueError(since)
    return int(since)


def _is_version(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) < 20
