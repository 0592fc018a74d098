"""What a local server owes its user: no other site may read it, steer it, or frame it.

The server listens on loopback only, but a browser on the same machine visits the whole web. Three doors are
closed here: DNS rebinding (a foreign name that resolves to 127.0.0.1) by the Host header, cross-site requests
by Origin, Content-Type and Sec-Fetch-Site, and injected script by the Content-Security-Policy.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Awaitable, Callable

from aiohttp import web

from .responses import error

MAX_BODY = 1 << 20
"""Most bytes a request's body may have."""

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'self'",
        "script-src 'self'",
        "style-src 'self' 'unsafe-inline'",  # the page sets colours and sizes of elements from data
        "img-src 'self' data: blob:",
        "connect-src 'self'",
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'self'",
    )
)

HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "SAMEORIGIN",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}

_LOCAL = re.compile(r"(?:localhost|127\.0\.0\.1|\[::1\])(?::[0-9]{1,5})?", re.IGNORECASE)
_READ_ONLY = ("GET", "HEAD")

_log = logging.getLogger("tallyboard.viewer")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def refusal(request: web.Request) -> web.Response | None:
    """Return the answer that turns `request` away, or None when it may go on to its handler."""
    hosts = request.headers.getall("Host", [])
    if len(hosts) != 1 or not _LOCAL.fullmatch(hosts[0]):
        return error(403, "This server answers only to localhost, 127.0.0.1 and [::1] in the Host header.")
    site = request.headers.get("Sec-Fetch-Site", "same-origin")
    if request.path.startswith("/api/") and site not in ("same-origin", "none"):
        return error(403, "Another site's page may not ask this server for data.")
    if request.method in _READ_ONLY:
        return None
    origin = request.headers.get("Origin")
    if origin is None and site != "same-origin":
        return error(403, "A request that is not a GET must come from this server's own page.")
    if origin is not None and origin.lower() != f"{request.scheme}://{hosts[0]}".lower():
        return error(403, "The Origin header names another site; only this server's own page may send this.")
    if request.content_type != "application/json":  # absent, it is octet-stream
        return error(415, "The request's Content-Type must be application/json.")
    return None


@web.middleware
async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn away what `refusal` names, and answer every failure with one JSON sentence."""
    if (answer := refusal(request)) is not None:
        return answer
    try:
        return await handler(request)
    except web.HTTPException as raised:
        return _explain(request, raised)
    except ConnectionError:
        raise  # the client went away; there is nobody to tell
    except Exception:  # the client is told one sentence, the log the rest
        _log.exception("%s %r failed", request.method, request.path)
        if request.writer.output_size and request.transport is not None:
            # A status line now would land inside the body already under way: a cut connection is the honest
            # end.
            request.transport.abort()
            raise ConnectionResetError("the answer broke off") from None
        return error(500, "The server failed on this request; its log says why.")


def _explain(request: web.Request, raised: web.HTTPException) -> web.StreamResponse:
    if isinstance(raised, web.HTTPMethodNotAllowed):
        allowed = ", ".join(sorted(raised.allowed_methods))
        sentence = f"{request.path} does not take {request.method}, only {allowed}."
        return error(405, sentence, {"Allow": allowed})
    if raised.status == 404:
        return error(404, f"There is no {request.path} here.")
    if raised.status == 413:
        return error(413, f"The request's body is larger than {MAX_BODY:,} bytes; ask in several requests.")
    return error(raised.status, f"{raised.reason}.")


async def add_headers(_request: web.Request, response: web.StreamResponse) -> None:
    """Put the security headers on every answer, streams included (an `on_response_prepare` signal)."""
    response.headers.update(HEADERS)
