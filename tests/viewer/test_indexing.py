"""The thread that reads: it goes on whatever happens, rests as it should, and ends when asked."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any

import pytest

from tallyboard.viewer import indexing
from tallyboard.viewer.indexing import LONGEST_PAUSE, SHORTEST_PAUSE, Indexing


class Script:
    """A reader whose polls do what the test says, one after the other; the last goes on for ever."""

    def __init__(self, *polls: Callable[[], Any]) -> None:
        self.polls = list(polls)
        self.polled = 0
        self.rest = 0.001
        self.closed = False

    def poll(self) -> bool:
        self.polled += 1
        return bool((self.polls.pop(0) if len(self.polls) > 1 else self.polls[0])())

    def wait(self, stopping: threading.Event) -> None:
        if len(self.polls) == 1 and isinstance(stopping, threading.Event):
            stopping.wait(self.rest)

    def close(self) -> None:
        self.closed = True


def fail(text: str) -> Callable[[], Any]:
    def poll() -> None:
        raise OSError(text)

    return poll


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(indexing, "SHORTEST_PAUSE", 0.001)
    monkeypatch.setattr(indexing, "LONGEST_PAUSE", 0.01)


@pytest.mark.usefixtures("quick")
def test_a_poll_that_fails_is_tried_again(until: Any, caplog: pytest.LogCaptureFixture) -> None:
    """An error is logged and counted, and the polling goes on; the same error again is not logged again."""
    caplog.set_level(logging.INFO, "tallyboard.viewer")
    reader = Script(fail("disk on fire"), fail("disk on fire"), fail("disk gone"), lambda: True)
    thread = Indexing(lambda: reader)
    thread.start()

    until(lambda: reader.polled > 6)
    assert thread.failures == 3
    assert thread.stop(60.0)
    assert reader.closed
    assert [record.getMessage() for record in caplog.records] == [
        "reading the logdir failed (failure 1), trying again: disk on fire",
        "reading the logdir failed (failure 3), trying again: disk gone",
    ]


@pytest.mark.usefixtures("quick")
def test_a_reader_that_cannot_be_opened_is_tried_again(until: Any) -> None:
    """Also when making the reader is what fails."""
    reader = Script(lambda: True)
    attempts: list[int] = []

    def open_reader() -> Script:
        attempts.append(1)
        if len(attempts) < 3:
            raise PermissionError("not yours")
        return reader

    thread = Indexing(open_reader)
    thread.start()
    until(lambda: reader.polled > 2)
    assert (len(attempts), thread.failures) == (3, 2)
    assert thread.stop(60.0)


def test_failures_are_tried_ever_more_slowly() -> None:
    """A disk that is gone for good is not asked five times a second, and never given up; success forgets it all."""
    waited: list[float] = []
    done = threading.Event()

    class Stopping:
        def is_set(self) -> bool:
            return done.is_set()

        def set(self) -> None:
            done.set()

        def wait(self, seconds: float) -> None:
            waited.append(seconds)

    reader = Script(*[fail("no")] * 11, lambda: True, fail("no"), done.set)
    thread = Indexing(lambda: reader)
    thread._stopping = Stopping()  # type: ignore[assignment]
    thread.start()
    assert done.wait(60)
    assert thread.stop(60)

    assert waited[:5] == [0.2, 0.4, 0.8, 1.6, 3.2]
    assert waited[5:11] == [LONGEST_PAUSE] * 6
    assert waited[11:] == [SHORTEST_PAUSE]


def test_stop_wakes_a_resting_thread(until: Any) -> None:
    """Ending does not wait for the pause to pass, nor for a thread never started."""
    reader = Script(lambda: True)
    reader.rest = 3600.0
    thread = Indexing(lambda: reader)
    assert thread.stop(0.0)

    thread = Indexing(lambda: reader)
    thread.start()
    until(lambda: thread.polls > 0)
    assert thread.stop(60.0)


def test_stop_does_not_wait_for_a_poll_that_hangs(until: Any) -> None:
    """A network drive that hangs does not hold up the end of the program."""
    hang = threading.Event()
    reader = Script(lambda: hang.wait(120))
    thread = Indexing(lambda: reader)
    thread.start()
    until(lambda: reader.polled == 1)

    assert not thread.stop(0.01)
    hang.set()
    assert thread.stop(60.0)
