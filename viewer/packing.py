"""Answers packed for the way: zstd where this Python has it and the browser takes it, else gzip at its quickest.

What is short goes as it is: below a packet's length there is nothing to gain. A packed answer is a variant of the same
content, so its ETag is weak, and caches are told what it depends on.
"""

from __future__ import annotations

import asyncio
import importlib
import zlib
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, Protocol, cast

from aiohttp import hdrs, web

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from aiohttp.typedefs import Middleware

    Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

LEAST = 1_400
"""Bytes from which on an answer is packed."""

_AT_ONCE = 32 << 10
"""Bytes that are packed without leaving the event loop: sooner done than another thread is started."""

_TYPES = ("application/json", "application/octet-stream", "image/svg+xml", "text/")


class Packer(Protocol):
    """Packs a stream piece by piece."""

    def compress(self, data: bytes, /) -> bytes: ...
    def flush(self) -> bytes: ...


def _found(*names: str) -> Any:
    for name in names:
        try:
            return importlib.import_module(name)
        except ImportError:
            continue
    return None


_ZSTD = _found("compression.zstd", "zstandard")
_ISAL = _found("isal.isal_zlib")


def _gzip() -> Packer:
    maker: Any = _ISAL or zlib
    return cast("Packer", maker.compressobj(1, zlib.DEFLATED, 31))


def _zstd() -> Packer:
    return _Zstd()


class _Zstd:
    """zstandard's and the standard library's compressors differ in how they are made."""

    def __init__(self) -> None:
        made: Any = _ZSTD.ZstdCompressor(level=3)
        self._packer: Any = made.compressobj() if hasattr(made, "compressobj") else made

    def compress(self, data: bytes, /) -> bytes:
        return cast("bytes", self._packer.compress(data))

    def flush(self) -> bytes:
        return cast("bytes", self._packer.flush())


def chosen(accepted: str) -> str | None:
    """The content coding for an Accept-Encoding header (RFC 9110 section 12.5.3): "zstd", "gzip", or None for none."""
    takes: set[str] = set()
    for part in accepted.lower().split(","):
        coding, *parameters = (piece.strip() for piece in part.split(";"))
        weight = next((one[2:] for one in parameters if one.startswith("q=")), "1")
        try:
            wanted = float(weight) > 0
        except ValueError:
            wanted = False
        if wanted:
            takes.add(coding)
    if _ZSTD is not None and "zstd" in takes:
        return "zstd"
    return "gzip" if "gzip" in takes else None


def packer(coding: str) -> Packer:
    """A new packer for what `chosen` chose."""
    return _zstd() if coding == "zstd" else _gzip()


def far(request: web.Request) -> bool:
    """Whether an answer crosses a network: on one machine packing a long one takes longer than sending it."""
    if "X-Forwarded-For" in request.headers or "Forwarded" in request.headers:
        return True
    try:
        return not ip_address((request.remote or "").split("%")[0]).is_loopback
    except ValueError:
        return False


def packing() -> Middleware:
    """Middleware that packs the answers that are worth it."""

    @web.middleware
    async def pack(request: web.Request, handler: Handler) -> web.StreamResponse:
        response = await handler(request)
        if not isinstance(response, web.Response) or not _worth(response):
            return response
        response.headers.add(hdrs.VARY, hdrs.ACCEPT_ENCODING)
        coding = chosen(request.headers.get(hdrs.ACCEPT_ENCODING, ""))
        if coding:
            data = cast("bytes", response.body)
            whole = len(data) <= _AT_ONCE
            response.body = _all(coding, data) if whole else await asyncio.to_thread(_all, coding, data)
            response.headers[hdrs.CONTENT_ENCODING] = coding
            etag = response.headers.get(hdrs.ETAG)
            if etag and not etag.startswith("W/"):
                response.headers[hdrs.ETAG] = f"W/{etag}"
        return response

    return pack


def _worth(response: web.Response) -> bool:
    body = response.body
    return (
        isinstance(body, bytes)
        and len(body) >= LEAST
        and hdrs.CONTENT_ENCODING not in response.headers
        and response.content_type.startswith(_TYPES)
    )


def _all(coding: str, data: bytes) -> bytes:
    made = packer(coding)
    return made.compress(data) + made.flush()
