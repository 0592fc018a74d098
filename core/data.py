"""`data`: how long does training wait for its data? Works around any iterable, in any loop."""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Generic, TypeVar

from .marks import DATA, marked

if TYPE_CHECKING:
    from .writer import SummaryWriter

__all__ = ["Data", "current", "data"]

Item = TypeVar("Item")

_here = threading.local()


class _Ended:
    """What stands for an item when there is none left."""


_ENDED = _Ended()


class Data(Generic[Item]):
    """An iterable that measures. Iterating it again goes on counting.

    Attributes:
        batches: how many items it has handed out.
        wait_seconds: time spent waiting for them, in all.
        busy_seconds: time that the loop spent between receiving an item and asking for the next.
        last_wait: seconds that the latest item took to come.
    """

    def __init__(self, iterable: Iterable[Item], *, writer: SummaryWriter | None = None, every: int = 50) -> None:
        if every < 1:
            raise ValueError(f"data(every={every}): expected a number of batches, at least 1")
        self._iterable = iterable
        self._writer = writer
        self._every = every
        self.batches = 0
        self.wait_seconds = 0.0
        self.busy_seconds = 0.0
        self.last_wait = 0.0

    @property
    def wait_share(self) -> float:
        """The part of the loop's time, between 0 and 1, that went into waiting for data."""
        whole = self.wait_seconds + self.busy_seconds
        return self.wait_seconds / whole if whole else 0.0

    def __iter__(self) -> Iterator[Item]:
        clock = time.perf_counter
        _here.current = weakref.ref(self)
        asked = clock()
        since = (self.wait_seconds, self.busy_seconds)
        iterator = iter(self._iterable)
        while True:
            with marked(DATA):
                item = next(iterator, _ENDED)
            if isinstance(item, _Ended):
                return
            came = clock()
            self.last_wait = came - asked
            self.wait_seconds += self.last_wait
            self.batches += 1
            _here.current = weakref.ref(self)  # a nested loop (validation) may have taken the place
            if self._writer is not None and self.batches % self._every == 0:
                since = self._log(since)
            yield item
            asked = clock()
            self.busy_seconds += asked - came

    def _log(self, since: tuple[float, float]) -> tuple[float, float]:
        waited, busy = self.wait_seconds - since[0], self.busy_seconds - since[1]
        if self._writer is not None and waited + busy > 0:
            self._writer.add_scalar("data/wait_ms", 1000 * waited / self._every, self.batches)
            self._writer.add_scalar("data/wait_share", waited / (waited + busy), self.batches)
        return self.wait_seconds, self.busy_seconds

    def __len__(self) -> int:
        return len(self._iterable)  # type: ignore[arg-type]  # as the iterable itself: a TypeError when it has none


def data(iterable: Iterable[Item], *, writer: SummaryWriter | None = None, every: int = 50) -> Data[Item]:
    """Measures how long a training loop waits for its data.

        for batch in tb.data(loader):
            train(batch)

    `auto_log` finds the loop by itself and reports its wait at every step; a profile of PyTorch's, JAX's or
    TensorFlow's that is recorded meanwhile has the wait as spans named `tallyboard.data`. In any other loop read
    `wait_seconds`, `busy_seconds` and `wait_share`, or give a writer.

    Args:
        iterable: a DataLoader, a tf.data.Dataset, a generator: anything to iterate.
        writer: gets `data/wait_ms` (milliseconds a batch) and `data/wait_share` (0 to 1), each over the
            latest `every` batches, at the number of batches as step.
        every: how many batches lie between two of them.

    Raises:
        ValueError: `every` is below 1.
    """
    return Data(iterable, writer=writer, every=every)


def current() -> Data[object] | None:
    """The measured loop that this thread is in: the one that handed out an item last."""
    reference = getattr(_here, "current", None)
    return None if reference is None else reference()
