"""Videos that are being watched, kept between requests: a browser asks for one in many pieces."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import TypeVar, cast

__all__ = ["Reels"]

T = TypeVar("T")

BYTES_KEPT = 96 << 20
"""What all kept videos may hold; the ones not asked for longest go first. A larger one is read anew for each piece."""

ANSWERS_KEPT = 20_000
"""Values of which it is remembered what was found out about them."""


class Reels:
    """Keeps what was read last; may be asked by several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[object, Sequence[bytes]] = OrderedDict()
        self._known: OrderedDict[object, object] = OrderedDict()
        self._bytes = 0

    def blobs(self, key: object, read: Callable[[], Sequence[bytes]]) -> Sequence[bytes]:
        """The blobs of a value: as kept, or else read now.

        Args:
            key: names the value for good.
            read: reads it.
        """
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        blobs = read()
        size = sum(map(len, blobs))
        with self._lock:
            if size <= BYTES_KEPT and key not in self._kept:
                self._kept[key] = blobs
                self._bytes += size
            while self._bytes > BYTES_KEPT:
                _, oldest = self._kept.popitem(last=False)
                self._bytes -= sum(map(len, oldest))
        return blobs

    def known(self, key: object, find: Callable[[], T]) -> T:
        """What is known of a value: as remembered, or else found out now.

        Args:
            key: names the value, and what is asked of it.
            find: finds it out; what it raises is not remembered.
        """
        with self._lock:
            if key in self._known:
                self._known.move_to_end(key)
                return cast("T", self._known[key])
        found = find()
        with self._lock:
            self._known[key] = found
            if len(self._known) > ANSWERS_KEPT:
                self._known.popitem(last=False)
        return found
