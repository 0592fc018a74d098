"""What the page may ask: one module a subject; each module's `routes` is mounted, no list is kept."""

from __future__ import annotations

import pkgutil
from importlib import import_module
from typing import TYPE_CHECKING

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Iterator


def found() -> Iterator[web.RouteTableDef]:
    """Yield `routes` of every module in this folder and below it that has one, in the order of their names."""
    for name in sorted(module.name for module in pkgutil.walk_packages(__path__, f"{__name__}.")):
        routes = getattr(import_module(name), "routes", None)
        if isinstance(routes, web.RouteTableDef):
            yield routes
