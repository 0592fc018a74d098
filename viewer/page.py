"""The built page's files, and the headers that every answer has: what is said of them needs no server."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .access import Access

__all__ = ["CONTENT_SECURITY_POLICY", "CONTENT_TYPES", "HEADERS", "STATIC", "headers_for", "kept_for", "load", "locate"]

STATIC = Path(__file__).resolve().parent / "static"

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

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'self'",
        "script-src 'self'",
        "worker-src 'self'",  # holds the one stream of news for all tabs
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

_HASHED = re.compile(r"assets/.*-[A-Za-z0-9_-]{7,}\.[a-z0-9.]+")


def headers_for(access: Access) -> dict[str, str]:
    """The security headers of every answer."""
    headers = dict(HEADERS)
    if access.frames:  # the older header can name no origin; browsers that know the policy pass it over
        del headers["X-Frame-Options"]
        headers["Content-Security-Policy"] = " ".join((CONTENT_SECURITY_POLICY, *access.frames))
    return headers


def kept_for(name: str) -> str:
    """The Cache-Control of a file: for ever when its name holds a hash of its content, else until the next visit."""
    return "public, max-age=31536000, immutable" if _HASHED.match(name) else "no-cache"


def load(root: Path, name: str) -> tuple[bytes, str, str] | None:
    """A file's content, ETag and Content-Type; None where `locate` finds none.

    Args:
        root: resolved directory of the built page.
        name: see `locate`.
    """
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
