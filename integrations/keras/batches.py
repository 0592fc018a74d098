"""The running averages of batches, written in the order of batches in whatever order they are told.

Keras tells JAX's from threads of its own, so that the one that trains need not wait for the device.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from typing import Any

from .runs import TRAIN, Runs

__all__ = ["Batches"]


class Batches:
    """Counts batches from 1, and writes what is told of each `every`th.

    Args:
        runs: where to.
        every: a number of batches.
        first: how many went before, in a training that is resumed.
    """

    def __init__(self, runs: Runs, every: int, first: int = 0) -> None:
        self._runs = runs
        self._every = every
        self.begun = first
        self._first = first
        self._epoch: tuple[int, int] | None = None  # the count, and Keras's number, of the epoch's first batch
        self._calls = 1  # by how much Keras's number grows from one call to the next
        self._told: dict[int, tuple[Mapping[str, Any], float]] = {}
        self._next = first + 1
        self._lock = threading.Lock()

    @property
    def here(self) -> int:
        """How many batches have begun in this training."""
        return self.begun - self._first

    def begin_epoch(self) -> None:
        """The next batch is the first of an epoch."""
        self._epoch = None

    def begin(self, batch: int, calls: int) -> None:
        """A batch begins.

        Args:
            batch: Keras's number of it, in its epoch.
            calls: how many batches make one call of the hooks (`steps_per_execution`).
        """
        self.begun += 1
        if self._epoch is None:
            self._epoch, self._calls = (self.begun, batch), max(1, calls)

    def end(self, batch: int, logs: Mapping[str, Any]) -> None:
        """What is told of a batch, in any thread.

        Args:
            batch: Keras's number of it, or of its last where several make one call.
            logs: names and numbers.
        """
        count = self.count_of(batch)
        told = (logs if count % self._every == 0 else {}, time.time())
        with self._lock:
            self._told[count] = told
            while self._next in self._told:
                self._write(self._next)
                self._next += 1

    def count_of(self, batch: int) -> int:
        """The count of a batch of this epoch."""
        if self._epoch is None:
            return self.begun
        count, number = self._epoch
        return count + (batch - number) // self._calls

    def flush(self) -> None:
        """Writes what waits for a batch of which nothing was told."""
        with self._lock:
            for count in sorted(self._told):
                self._write(count)
            self._next = self.begun + 1

    def _write(self, count: int) -> None:
        logs, wall_time = self._told.pop(count)
        for name, value in logs.items():
            self._runs.scalar(TRAIN, f"batch_{name}", value, count, wall_time)
