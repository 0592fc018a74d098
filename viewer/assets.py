"""The built page: `index.html`, its hashed assets, and a plain answer when it was never built."""

from __future__ import annotations

import asyncio
from pathlib import Path

from aiohttp import web

from .page import kept_for, load
from .responses import error, revalidated

STATIC_DIR = web.AppKey("static_dir", Path)

_NOT_BUILT = b"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>tallyboard: the page is not built</title></head>
<body style="font:16px/1.5 system-ui,sans-serif;max-width:40em;margin:4em auto;padding:0 1em">
<h1>The page is not built</h1>
<p>The server runs and reads your logdir, but this installation holds no page to show it with.</p>
<p>In a clone of the repository, build it:</p><pre>nox -s web</pre>
<p>Otherwise install again without <code>TALLYBOARD_SKIP_WEB</code> in the environment:</p>
<pre>pip install --force-reinstall --no-deps tallyboard</pre>
<p>The data is at <a href="./api/runs">api/runs</a>.</p>
</body></html>
"""

routes = web.RouteTableDef()


@routes.get("/")
async def get_index(request: web.Request) -> web.StreamResponse:
    """The page."""
    if (answer := await _answer(request, "index.html")) is not None:
        return answer
    return web.Response(status=503, body=_NOT_BUILT, content_type="text/html", charset="utf-8")


@routes.get("/assets/{name:.+}")
async def get_asset(request: web.Request) -> web.StreamResponse:
    """A file the page names; cached for ever when its name holds a hash of its content."""
    return await _found(request, f"assets/{request.match_info['name']}")


@routes.get("/{name}")
async def get_file(request: web.Request) -> web.StreamResponse:
    """A file beside index.html, such as the icon."""
    return await _found(request, request.match_info["name"])


async def _found(request: web.Request, name: str) -> web.Response:
    answer = await _answer(request, name)
    # Not `or`: an answer is a mapping in older aiohttp, and an empty mapping is false.
    return error(404, f"There is no {request.path} here.") if answer is None else answer


async def _answer(request: web.Request, name: str) -> web.Response | None:
    found = await asyncio.to_thread(load, request.app[STATIC_DIR], name)
    if found is None:
        return None
    body, etag, content_type = found
    return revalidated(request, etag, body, content_type=content_type, cache_control=kept_for(name))
