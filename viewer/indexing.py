"""The thread that keeps the store up to date, whatever happens to the files."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

SHORTEST_PAUSE = 0.2
"""Seconds between two polls of a logdir that is quick to look through."""

LONGEST_PAUSE = 5.0
"""Seconds between two polls of one that is not, or that keeps failing."""

_SHARE = 5
"""Pauses per second of polling: looking through an idle logdir takes at most a sixth of one core."""

_log = logging.getLogger("tallyboard.viewer")


class Poller(Protocol):
    """What is polled; `core.reader.LogdirReader` is one."""

    def poll(self) -> bool: ...
    def close(self) -> None: ...


class Indexing:
    """Polls a logdir in a daemon thread.

    A poll that raises is logged, counted and tried again, ever more slowly up to `LONGEST_PAUSE`; the thread
    ends only by `stop`.

    Args:
        open_reader: makes the reader, inside the thread, so that importing it delays no answer.
        clock: seconds, monotonic.
    """

    def __init__(self, open_reader: Callable[[], Poller], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._open_reader = open_reader
        self._clock = clock
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="tallyboard-indexing", daemon=True)
        self._recent: deque[float] = deque(maxlen=4)
        self._last_said = ""
        self.polls = 0
        self.failures = 0

    def start(self) -> None:
        """Begin polling."""
        self._thread.start()

    def stop(self, timeout: float = 0.5) -> bool:
        """Ask the thread to end, wait up to `timeout` seconds for it, and tell whether it has."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join(timeout)
        return not self._thread.is_alive()

    def _run(self) -> None:
        reader: Poller | None = None
        failed_in_a_row = 0
        while not self._stopping.is_set():
            began = self._clock()
            try:
                reader = reader or self._open_reader()
                reader.poll()
                failed_in_a_row = 0
            except Exception as raised:  # whatever a file does, polling goes on
                failed_in_a_row += 1
                self._note(raised)
            self.polls += 1
            self._stopping.wait(self._pause(self._clock() - began, failed_in_a_row))
        if reader is not None:
            reader.close()

    def _pause(self, took: float, failed_in_a_row: int) -> float:
        """Seconds to wait after a poll that took `took` seconds.

        The quickest of the last few polls is what looking costs when there is little to read: one long read
        of new data (the first pass above all) must not put off the next look.
        """
        self._recent.append(took if self.polls > 1 else 0.0)
        after_failures = SHORTEST_PAUSE * 2 ** min(failed_in_a_row, 8) / 2
        return min(LONGEST_PAUSE, max(SHORTEST_PAUSE, _SHARE * min(self._recent), after_failures))

    def _note(self, raised: Exception) -> None:
        self.failures += 1
        said = repr(raised)
        # The same failure five times a second would bury the log; a different one is news.
        _log.log(
            logging.DEBUG if said == self._last_said else logging.ERROR,
            "reading the logdir failed (failure %d), trying again: %s",
            self.failures,
            raised,
            exc_info=raised,
        )
        self._last_said = said
