"""The tensors in what modules and operations take and give, each with the path that leads to it."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import torch

__all__ = ["leaves"]

_DEEP = 6
"""Levels that are looked into: caches of transformers hold lists of layers that hold tensors."""
_MOST = 10_000
"""Values that are looked at, so that a long list of numbers, or an object that holds a data set, costs little."""
_PLAIN = (str, bytes, int, float, complex, type(None), torch.dtype, torch.device, torch.nn.Module, type)


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, torch.Tensor]]:
    """Yield each tensor in a value with its path, such as `batch/ids` or `1/0`.

    Lists, tuples (named ones by their names), dicts, dataclasses and the attributes of other objects are looked into,
    as far as these are not deeper or more than any model has them.
    """
    yield from _leaves(value, path, 0, set(), iter(range(_MOST)))


def _leaves(
    value: Any, path: str, deep: int, above: set[int], left: Iterator[int]
) -> Iterator[tuple[str, torch.Tensor]]:
    if isinstance(value, torch.Tensor):
        yield path, value
        return
    if isinstance(value, _PLAIN) or deep > _DEEP or id(value) in above or callable(value):
        return
    above.add(id(value))
    for name, one in _items(value):
        if next(left, None) is None:
            break
        yield from _leaves(one, f"{path}/{name}" if path else str(name), deep + 1, above, left)
    above.discard(id(value))


def _items(value: Any) -> Iterable[tuple[Any, Any]]:
    if isinstance(value, Mapping):
        return list(itertools.islice(value.items(), _MOST))
    if isinstance(value, tuple) and (fields := getattr(value, "_fields", None)):
        return list(zip(fields, value, strict=False))
    if isinstance(value, list | tuple | set | frozenset):
        return enumerate(list(itertools.islice(value, _MOST)))
    if dataclasses.is_dataclass(value):
        return [(field.name, getattr(value, field.name, None)) for field in dataclasses.fields(value)]
    return list(getattr(value, "__dict__", {}).items())
