"""What the page may ask: one module a subject; each module's `routes` is mounted, no list is kept."""

from __future__ import annotations

import pkgutil
from functools import cache
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


_ELSEWHERE = {"blob": "values"}
"""Routes that stand in a module of another name than `/api/NAME`."""


def module_of(path: str) -> str:
    """The module of its own that a path such as `/api/histograms/export` has, loaded or not; empty for none."""
    parts = path.split("/")
    name = parts[2] if len(parts) > 2 and parts[1] == "api" else ""
    name = _ELSEWHERE.get(name, name)
    return f"{__name__}.{name}" if name in _names() else ""


@cache
def _names() -> frozenset[str]:
    return frozenset(module.name for module in pkgutil.iter_modules(__path__))


def of(module: str) -> list[web.RouteTableDef]:
    """Those of one module alone."""
    return list(_tables([module]))


def _tables(names: list[str]) -> Iterator[web.RouteTableDef]:
    for name in names:
        routes = getattr(import_module(name), "routes", None)
        if isinstance(routes, web.RouteTableDef):
            yield routes
