"""What a local server owes its user: no other site may read it, steer it, or frame it.

The server listens on loopback unless told otherwise, but a browser on the same machine visits the whole web. Three
doors are closed here: DNS rebinding (a foreign name that resolves to 127.0.0.1) by the Host header, cross-site requests
by Origin, Content-Type and Sec-Fetch-Site, and injected script by the Content-Security-Policy. A fourth, beyond
loopback, is closed by the token that access.py knows.

Every route but those of GET, HEAD and OPTIONS counts as one that writes, and is closed where the server was started
with `--read_only`. A handler that only reads, though it is asked by POST because its question is long, is marked so:

    @routes.post("/api/scalars")
    @reads
    async def post_scalars(request): ...

Forgetting the mark closes a route that might have stayed open, never the other way round. What it stands for is asked
of a request by `only_reads`; handlers find in `Context.writable` whether anything may be written at all.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from .access import Access
from .page import headers_for
from .responses import error

MAX_BODY = 1 << 20
"""Most bytes a request's body may have."""

_READ_ONLY = ("GET", "HEAD")

_JSON = ("application/json",)
_FILES = ("application/octet-stream",)  # no other site's page sends it without asking first, which is refused
_FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")

_READS: Final = "tallyboard_only_reads"

_log = logging.getLogger("tallyboard.viewer")


_LOCKED = b"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>tallyboard: token needed</title></head>
<body style="font:16px/1.5 system-ui,sans-serif;max-width:40em;margin:4em auto;padding:0 1em">
<h1>This viewer needs its token</h1>
<p>Open the address that it printed when it was started: it ends with <code>?token=</code> and the token.
After that, this browser is known.</p>
</body></html>
"""


def reads(handler: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> Handler:
    """Mark a handler of POST that changes nothing: it stays open with `--read_only`.

    Below `/data/` it takes forms, too, as TensorBoard's clients send them: another site would not see the answer.
    """
    setattr(handler, _READS, True)
    return handler


def only_reads(request: web.Request) -> bool:
    """Tell whether nothing is changed by `request`: by its method, or because its handler is marked by `reads`."""
    return request.method in (*_READ_ONLY, "OPTIONS") or getattr(request.match_info.handler, _READS, False) is True


def refusal(request: web.Request, access: Access, path: str) -> web.Response | None:
    """Return the answer that turns `request` away, or None when it may go on to its handler.

    Args:
        request: what came.
        access: whom the server answers.
        path: the request's path below the server's prefix.
    """
    hosts = request.headers.getall("Host", [])
    if len(hosts) != 1 or not access.answers_to(hosts[0]):
        return error(403, _host_sentence(access))
    site = request.headers.get("Sec-Fetch-Site", "same-origin")
    if path.startswith(("/api/", "/data/")) and site not in ("same-origin", "none"):
        return error(403, "Another site's page may not ask this server for data.")
    if request.method not in _READ_ONLY:
        forms = path.startswith("/data/") and only_reads(request)
        types = (*_JSON, *(_FORMS if forms else ()), *(_FILES if only_reads(request) else ()))
        if (answer := _foreign_writing(request, hosts[0], site, types)) is not None:
            return answer
    # the prefix alone is answered with the page's address, which asks
    if access.token is not None and path and (answer := _without_token(request, access, path)) is not None:
        return answer
    if not access.writable and not only_reads(request):
        return error(403, "This viewer was started with --read_only: nothing can be changed through it.")
    return None


def _host_sentence(access: Access) -> str:
    if not access.beyond and not access.names:
        return "This server answers only to localhost, 127.0.0.1 and [::1] in the Host header."
    return (
        "This server does not answer to that name in the Host header; "
        "use its address, or start it with --allow_host and the name."
    )


def _foreign_writing(request: web.Request, host: str, site: str, types: tuple[str, ...]) -> web.Response | None:
    origin = request.headers.get("Origin")
    if origin is None and site != "same-origin":
        return error(403, "A request that is not a GET must come from this server's own page.")
    if origin is not None and origin.lower() != f"{request.scheme}://{host}".lower():
        return error(403, "The Origin header names another site; only this server's own page may send this.")
    # Not `request.content_type`, which is octet-stream where the header is absent.
    if request.headers.get("Content-Type", "").partition(";")[0].strip().lower() in types:
        return None
    return error(415, "The request's Content-Type must be application/json.")


def _without_token(request: web.Request, access: Access, path: str) -> web.Response | None:
    if access.has_cookie(request.headers.get("Cookie", "")):
        return None
    asked = request.query.get("token") if path == "/" and request.method == "GET" else None
    scheme, _, bearer = request.headers.get("Authorization", "").partition(" ")
    said = asked if asked is not None else bearer.strip() if scheme.lower() == "bearer" else None
    address = request.remote or ""
    if said is not None:
        if access.guesses.exhausted(address):
            wait = {"Retry-After": str(round(access.guesses.window))}
            return error(429, "Too many wrong tokens came from this address; wait a minute.", wait)
        if access.is_token(said):
            return None if asked is None else _known_from_now_on(request, access)
        access.guesses.note(address)
    if path == "/":
        return web.Response(status=401, body=_LOCKED, content_type="text/html", charset="utf-8")
    return error(401, "This server needs its token, as a cookie or in an Authorization: Bearer header.")


def _known_from_now_on(request: web.Request, access: Access) -> web.Response:
    """Sends the browser to the same address without the token, which so stays out of its history and its referrers."""
    kept = [(name, value) for name, value in request.query.items() if name != "token"]
    place = request.rel_url.with_query(kept)
    response = web.Response(status=303, headers={"Location": str(place), "Cache-Control": "no-store"})
    response.set_cookie(
        access.cookie_name,
        access.cookie_value,
        path=request.path,
        httponly=True,
        samesite="Lax",
        secure=request.scheme == "https",
        max_age=30 * 86_400,
    )
    return response


def guard(access: Access, prefix: str) -> Middleware:
    """Make the middleware that turns away what `refusal` names, and answers every failure with one JSON sentence.

    Args:
        access: whom the server answers.
        prefix: of every path; empty, or such as `/board`.
    """

    @web.middleware
    async def guarded(request: web.Request, handler: Handler) -> web.StreamResponse:
        path = request.path.removeprefix(prefix)
        if (answer := refusal(request, access, path)) is not None:
            return answer
        return await _answer(request, handler)

    return guarded


async def _answer(request: web.Request, handler: Handler) -> web.StreamResponse:
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


def add_headers(access: Access) -> Callable[[web.Request, web.StreamResponse], Awaitable[None]]:
    """Make the `on_response_prepare` signal that puts the security headers on every answer, streams included.

    An answer that has a policy of its own keeps it: what came from a training is under a stricter one. Who may frame it
    is the same for all.
    """
    headers = headers_for(access)
    policy = "Content-Security-Policy"
    ancestors = " ".join(("frame-ancestors 'self'", *access.frames))

    async def added(_request: web.Request, response: web.StreamResponse) -> None:
        if own := response.headers.get(policy):
            response.headers[policy] = f"{own}; {ancestors}"
        for name, value in headers.items():
            response.headers.setdefault(name, value)

    return added
