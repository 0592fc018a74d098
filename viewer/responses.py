"""The few shapes of answer: JSON, an error with one clear sentence, a body the browser may revalidate."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

from .listing import dump_json

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["dump_json", "error", "is_fresh", "revalidated"]


def error(status: int, sentence: str, headers: Mapping[str, str] | None = None) -> web.Response:
    """Answer `{"error": sentence}` with `status`; never anything of the exception behind it."""
    return web.Response(
        status=status,
        body=dump_json({"error": sentence}),
        content_type="application/json",
        headers={"Cache-Control": "no-store", **(headers or {})},
    )


def revalidated(
    request: web.Request, etag: str, body: bytes | None, *, content_type: str, cache_control: str = "no-cache"
) -> web.Response:
    """Answer with `body` under `etag`, or 304 when the browser has it already.

    Args:
        request: read for its If-None-Match.
        etag: opaque value without quotes.
        body: may be None when `is_fresh(request, etag)` is known to hold, so that it is never computed.
        content_type: full Content-Type of the body.
        cache_control: Cache-Control of both answers.
    """
    headers = {"ETag": f'"{etag}"', "Cache-Control": cache_control}
    if body is None or is_fresh(request, etag):
        return web.Response(status=304, headers=headers)
    return web.Response(body=body, headers={**headers, "Content-Type": content_type})


def is_fresh(request: web.Request, etag: str) -> bool:
    """Tell whether the request's If-None-Match names `etag` (weak comparison, RFC 9110 section 13.1.2)."""
    return any(known.value in (etag, "*") for known in request.if_none_match or ())
