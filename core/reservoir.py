"""A sample of a stream, by TensorBoard's method and with its names, so that both keep the same items."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any, Generic, TypeVar

__all__ = ["Reservoir"]

T = TypeVar("T")


class _Bucket(Generic[T]):
    def __init__(self, seed: int) -> None:
        self.items: list[T] = []
        self.seen = 0
        self.random = random.Random(seed)


class Reservoir(Generic[T]):
    """Items by key, at most so many of each: each item that came has the same chance to be among them.

    The source of the method, down to the numbers drawn, is TensorBoard's reservoir.py.

    Args:
        size: how many of a key; 0 for all.
        seed: of the random numbers, anew for each key.
        always_keep_last: the newest item is always the last one.

    Raises:
        ValueError: the size is no whole number from 0 on.
    """

    def __init__(self, size: int, seed: int = 0, always_keep_last: bool = True) -> None:
        if size < 0 or size % 1:
            raise ValueError(f"Reservoir: the size is {size!r}; give a whole number, 0 to keep everything")
        self.size = size
        self.always_keep_last = always_keep_last
        self._seed = seed
        self._buckets: dict[str, _Bucket[T]] = {}
        self._lock = threading.Lock()

    def Keys(self) -> list[str]:  # noqa: N802
        """The keys there are."""
        with self._lock:
            return list(self._buckets)

    def Items(self, key: str) -> list[T]:  # noqa: N802
        """The items of a key.

        Raises:
            KeyError: there is no such key.
        """
        with self._lock:
            if key not in self._buckets:
                raise KeyError(f"Key {key} was not found in Reservoir")
            return list(self._buckets[key].items)

    def AddItem(self, key: str, item: Any, f: Callable[[Any], T] | None = None) -> None:  # noqa: N802
        """One more item; `f` makes of it what is kept, and is called only if it is."""
        with self._lock:
            bucket = self._buckets.get(key)
            if bucket is None:
                bucket = self._buckets[key] = _Bucket(self._seed)
            if self.size == 0 or len(bucket.items) < self.size:
                bucket.items.append(item if f is None else f(item))
            else:
                place = bucket.random.randint(0, bucket.seen)
                if place < self.size:
                    bucket.items.pop(place)
                    bucket.items.append(item if f is None else f(item))
                elif self.always_keep_last:
                    bucket.items[-1] = item if f is None else f(item)
            bucket.seen += 1

    def add_items(self, key: str, items: Iterator[T], count: int) -> None:
        """Many items of a key, as `AddItem` one by one; an iterator of so many."""
        with self._lock:
            bucket = self._buckets.get(key)
            if bucket is None:
                bucket = self._buckets[key] = _Bucket(self._seed)
            room = count if self.size == 0 else min(count, max(0, self.size - len(bucket.items)))
            bucket.items.extend(islice(items, room))
            bucket.seen += room
        for item in items:
            self.AddItem(key, item)

    def FilterItems(self, filterFn: Callable[[T], bool], key: str | None = None) -> int:  # noqa: N802, N803
        """Drops the items for which the function is false, of one key or of all; returns how many.

        How many were ever seen shrinks by the same share, because the ones not kept cannot be asked.
        """
        with self._lock:
            names = list(self._buckets) if key is None else [key] if key in self._buckets else []
            buckets = [self._buckets[name] for name in names]
            dropped = 0
            for bucket in buckets:
                before = len(bucket.items)
                bucket.items = [item for item in bucket.items if filterFn(item)]
                dropped += before - len(bucket.items)
                bucket.seen = round(bucket.seen * (len(bucket.items) / before)) if before else 0
            return dropped
