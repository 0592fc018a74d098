"""What the page may ask: one module a subject; each module's `routes` is mounted, no list is kept."""

from __future__ import annotations

import pkgutil
from importlib import import_module
from typing import TYPE_CHECKING

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Iterator

FIRST = frozenset(f"{__name__}.{name}" for name in ("live", "notes", "runs", "scalars"))
"""What a page asks before it has drawn anything. All other modules are loaded once something of theirs is asked for."""


def found() -> Iterator[web.RouteTableDef]:
    """Yield `routes` of every module in this folder and below it that has one, in the order of their names."""
    yield from _tables(sorted(module.name for module in pkgutil.walk_packages(__path__, f"{__name__}.")))


def first() -> Iterator[web.RouteTableDef]:
    """Those of `found` that are asked for at once."""
    yield from _tables(sorted(FIRST))


def rest() -> list[web.RouteTableDef]:
    """All others."""
    soon = {id(table) for table in first()}
    return [table for table in found() if id(table) not in soon]


def _tables(names: list[str]) -> Iterator[web.RouteTableDef]:
    for name in names:
        routes = getattr(import_module(name), "routes", None)
        if isinstance(routes, web.RouteTableDef):
            yield routes
