"""Scopes for modules that name none: while a function is traced, each call of an nnx or equinox module is a scope."""

from __future__ import annotations

import contextlib
import functools
import sys
import threading
from collections.abc import Generator, Iterator
from typing import Any

from .framework import jax

__all__ = ["module_scopes"]

_lock = threading.RLock()
_calls = threading.local()


@contextlib.contextmanager
def module_scopes() -> Generator[None]:
    """Calls of modules inside are scopes, by the name that each has in the module that calls it.

    The classes are given a `__call__` of ours for so long, and have their own again after it. What is compiled
    meanwhile keeps the names, which profiles then show, and computes the same.
    """
    with _lock:
        wrapped: list[tuple[type, Any]] = []
        try:
            for kind in _classes():
                call = vars(kind).get("__call__")
                if callable(call) and not kind.__name__.startswith("_"):  # those wrap functions: equinox' filter_jit
                    type.__setattr__(kind, "__call__", _named(call))
                    wrapped.append((kind, call))
            yield
        finally:
            for kind, call in wrapped:
                type.__setattr__(kind, "__call__", call)


def _classes() -> Iterator[type]:
    """The classes of modules that are loaded, of nnx and equinox."""
    for package in ("flax.nnx", "equinox"):
        found = sys.modules.get(package)
        base = getattr(found, "Module", None)
        if base is not None:
            yield from _below(base, set())


def _below(kind: type, seen: set[type]) -> Iterator[type]:
    for child in type.__subclasses__(kind):
        if child not in seen:
            seen.add(child)
            yield child
            yield from _below(child, seen)


def _named(call: Any) -> Any:
    @functools.wraps(call)
    def named(self: Any, *arguments: Any, **more: Any) -> Any:
        above: list[Any] = _calls.__dict__.setdefault("stack", [])
        if above and above[-1] is self:  # a subclass that calls what it inherits
            return call(self, *arguments, **more)
        name = _name(self, above)
        above.append(self)
        try:
            with jax.named_scope(name):
                return call(self, *arguments, **more)
        finally:
            above.pop()

    return named


def _name(module: Any, above: list[Any]) -> str:
    """The path of a module in the innermost of those that call it and hold it, or its class."""
    for i in range(len(above) - 1, -1, -1):
        path = _path(module, above[i], 3)
        if path is not None:
            return path
    return type(module).__name__


def _path(module: Any, holder: Any, depth: int) -> str | None:
    if isinstance(holder, dict):
        items = list(holder.items())
    elif isinstance(holder, list | tuple):
        items = list(enumerate(holder))
    else:
        try:
            items = list(vars(holder).items())
        except TypeError:
            return None
    for name, value in items:
        if value is module:
            return str(name)
    if depth:
        for name, value in items:
            package = type(value).__module__.partition(".")[0]
            is_holder = isinstance(value, dict | list | tuple) or package in ("flax", "equinox")
            if is_holder and not str(name).startswith("_pytree"):
                path = _path(module, value, depth - 1)
                if path is not None:
                    return f"{name}/{path}"
    return None
