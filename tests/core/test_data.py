"""tb.data: how long a loop waits, counted by a clock under the test's control."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

import tallyboard as tb
from tallyboard.core import data as data_module
from tallyboard.core.data import current
from tallyboard.core.sink import MemorySink


class Clock:
    """Time that passes only when told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def perf_counter(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(data_module, "time", SimpleNamespace(perf_counter=clock.perf_counter))
    return clock


def slow(clock: Clock, waits: list[float]) -> Iterator[int]:
    for i, wait in enumerate(waits):
        clock.now += wait
        yield i


def test_waiting_and_working_are_told_apart(clock: Clock) -> None:
    """Seconds spent in the iterable are waiting, seconds spent in the loop are work."""
    measured = tb.data(slow(clock, [1.0, 2.0, 4.0]))
    waits: list[float] = []
    for _ in measured:
        waits.append(measured.last_wait)
        clock.now += 0.5

    assert waits == [1.0, 2.0, 4.0]
    assert (measured.batches, measured.wait_seconds, measured.busy_seconds) == (3, 7.0, 1.5)
    assert measured.wait_share == 7.0 / 8.5


def test_items_and_length_are_the_iterables() -> None:
    """It hands out the very items, has the iterable's length, and can be iterated again."""
    items = [object(), object()]
    measured = tb.data(items)

    assert list(measured) == items
    assert list(measured) == items
    assert (len(measured), measured.batches) == (2, 4)
    with pytest.raises(TypeError):
        len(tb.data(iter(items)))


def test_no_loop_no_share() -> None:
    """Before anything was iterated the share is 0."""
    assert tb.data([]).wait_share == 0.0


def test_writer_gets_averages(clock: Clock) -> None:
    """A writer gets milliseconds a batch and the share, over the latest batches, at the batch count."""
    sink = MemorySink()
    with tb.SummaryWriter(sink=sink) as writer:
        for _ in tb.data(slow(clock, [1.0] * 5), writer=writer, every=2):
            clock.now += 3.0

    got = [(event.summary.tag, event.step, event.summary.value) for event in sink.events]
    assert got == [
        ("data/wait_ms", 2, 1000.0),
        ("data/wait_share", 2, 2 / 5),
        ("data/wait_ms", 4, 1000.0),
        ("data/wait_share", 4, 2 / 8),
    ]


def test_every_must_be_positive() -> None:
    """every=0 is a clear error at the call."""
    with pytest.raises(ValueError, match=r"data\(every=0\): expected a number of batches"):
        tb.data([], every=0)


def test_current_is_the_loop_that_ran_last() -> None:
    """current() is this thread's measured loop, the outer one again after a nested one, and none when it is gone."""
    outer, inner = tb.data([1, 2]), tb.data([3])
    seen: list[object] = []
    for _ in outer:
        seen.append(current())
        seen.extend(current() for _ in inner)

    assert seen == [outer, inner, outer, inner]
    seen.clear()
    del outer, inner
    gc.collect()
    assert current() is None
