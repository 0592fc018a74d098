"""The tensors in what modules and operations take and give, each with the path that leads to it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import torch

__all__ = ["leaves"]

_DEEP = 6
"""Levels that are looked into: caches of transformers hold lists of layers that hold tensors."""
_PLAIN = (str, bytes, int, float, complex, type(None), torch.dtype, torch.device, torch.nn.Module, type)


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, torch.Tensor]]:
    """Yield each tensor in a value with its path, such as `batch/ids` or `1/0`.

    Lists, tuples (named ones by their names), dicts, dataclasses and the attributes of other objects are looked into.
    """
    yield from _leaves(value, path, 0, set())


def _leaves(value: Any, path: str, deep: int, above: set[int]) -> Iterator[tuple[str, torch.Tensor]]:
    if isinstance(value, torch.Tensor):
        yield path, value
        return
    if isinstance(value, _PLAIN) or deep > _DEEP or id(value) in above or callable(value):
        return
    above.add(id(value))
    for name, one in _items(value):
        yield from _leaves(one, f"{path}/{name}" if path else str(name), deep + 1, above)
    above.discard(id(value))


def _items(value: Any) -> Iterable[tuple[Any, Any]]:
    if isinstance(value, Mapping):
        return list(value.items())
    if isinstance(value, tuple) and (fields := getattr(value, "_fields", None)):
        return list(zip(fields, value, strict=False))
    if isinstance(value, list | tuple | set | frozenset):
        return list(enumerate(value))
    if dataclasses.is_dataclass(value):
        return [(field.name, getattr(value, field.name, None)) for field in dataclasses.fields(value)]
    return list(getattr(value, "__dict__", {}).items())
