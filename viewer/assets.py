"""The built page: `index.html`, its hashed assets, and a plain answer when it was never built."""

from __future__ import annotations

import asyncio
import hashlib
import re
from pathlib import Path

from aiohttp import web

from .responses import error, revalidated

STATIC = Path(__file__).resolve().parent / "static"
STATIC_DIR = web.AppKey("static_dir", Path)

# Named here rather than asked of the system's own table, which may call a .js file text/plain: a browser told
# not to sniff would then refuse it.
CONTENT_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".ico": "image/x-icon",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".map": "application/json",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".wasm": "application/wasm",
    ".webmanifest": "application/manifest+json",
    ".woff2": "font/woff2",
}

_HASHED = re.compile(r"-[A-Za-z0-9_-]{8,}\.[a-z0-9.]+")
_FOREVER = "public, max-age=31536000, immutable"

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
    if (answer := await _answer(request, "index.html", "no-cache")) is not None:
        return answer
    return web.Response(status=503, body=_NOT_BUILT, content_type="text/html", charset="utf-8")


@routes.get("/assets/{name:.+}")
async def get_asset(request: web.Request) -> web.StreamResponse:
    """A file the page names; cached for ever when its name holds a hash of its content."""
    name = request.match_info["name"]
    cache_control = _FOREVER if _HASHED.search(name) else "no-cache"
    return await _found(request, f"assets/{name}", cache_control)


@routes.get("/{name}")
async def get_file(request: web.Request) -> web.StreamResponse:
    """A file beside index.html, such as the icon."""
    return await _found(request, request.match_info["name"], "no-cache")


async def _found(request: web.Request, name: str, cache_control: str) -> web.Response:
    answer = await _answer(request, name, cache_control)
    # Not `or`: an answer is a mapping in older aiohttp, and an empty mapping is false.
    return error(404, f"There is no {request.path} here.") if answer is None else answer


async def _answer(request: web.Request, name: str, cache_control: str) -> web.Response | None:
    found = await asyncio.to_thread(_load, request.app[STATIC_DIR], name)
    if found is None:
        return None
    body, etag, content_type = found
    return revalidated(request, etag, body, content_type=content_type, cache_control=cache_control)


def _load(root: Path, name: str) -> tuple[bytes, str, str] | None:
    if (path := locate(root, name)) is None:
        return None
    try:
        body = path.read_bytes()
    except OSError:
        return None
    # Of the content, not of time and size: a new index.html often has the length of the old one, and
    # installers set whatever time they like.
    return body, hashlib.sha256(body).hexdigest()[:32], CONTENT_TYPES[path.suffix]


def locate(root: Path, name: str) -> Path | None:
    """Return the file `name` below `root`, or None when it is not a page's file or not really inside.

    Args:
        root: resolved directory.
        name: decoded path of a request, relative to `root`; anything at all.
    """
    segments = name.split("/")
    if "\\" in name or "\0" in name or any(not part or part.startswith(".") for part in segments):
        return None
    try:
        path = root.joinpath(*segments).resolve()
        inside = path.is_relative_to(root) and path.is_file()
    except (OSError, ValueError, RuntimeError):  # a name too long, unencodable, or a loop of links
        return None
    return path if inside and path.suffix in CONTENT_TYPES else None
