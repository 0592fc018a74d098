"""The thread that keeps the store up to date, whatever happens to the files."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from tallyboard.core.reader import LogdirReader

SHORTEST_PAUSE = 0.2
"""Seconds after a first failure before the next try."""

LONGEST_PAUSE = 5.0
"""Seconds between two tries at what keeps failing."""

_log = logging.getLogger("tallyboard.viewer")


class Poller(Protocol):
    """What is polled; `core.follow.Follower` is one."""

    def poll(self) -> bool: ...
    def wait(self, stopping: threading.Event) -> None: ...
    def close(self) -> None: ...


class Timed:
    """Looks at a logdir now and then, or once, and hears of nothing in between.

    Args:
        reader: reads what is found.
        interval: seconds between two looks; 0 for one look alone.
    """

    def __init__(self, reader: LogdirReader, interval: float) -> None:
        self._reader = reader
        self._interval = interval
        self._saved = False

    def poll(self) -> bool:
        """Reads what is new."""
        changed = self._reader.poll()
        if not self._saved and self._reader.unsaved:  # the rest is saved at the end
            self._saved = self._reader.save()
        return changed

    def wait(self, stopping: threading.Event) -> None:
        """Returns when the time is over, or `stopping` is set."""
        stopping.wait(self._interval or None)

    def close(self) -> None:
        """Saves what no index has yet."""
        if self._reader.unsaved:
            self._reader.save()
        self._reader.close()


class InTurn:
    """One of several that read into one store: only one of them reads at a time, all of them wait.

    Args:
        poller: reads.
        turn: held while one of them reads.
    """

    def __init__(self, poller: Poller, turn: threading.Lock) -> None:
        self._poller = poller
        self._turn = turn
        self.wait = poller.wait

    def poll(self) -> bool:
        """Reads when it is its turn."""
        with self._turn:
            return self._poller.poll()

    def close(self) -> None:
        """Ends when it is its turn."""
        with self._turn:
            self._poller.close()


class Indexing:
    """Follows a logdir in a daemon thread.

    A poll that raises is logged, counted and tried again, ever more slowly up to `LONGEST_PAUSE`; the thread
    ends only by `stop`.

    Args:
        open_reader: makes the reader, inside the thread, so that importing it delays no answer.
    """

    def __init__(self, open_reader: Callable[[], Poller]) -> None:
        self._open_reader = open_reader
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="tallyboard-indexing", daemon=True)
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
            try:
                reader = reader or self._open_reader()
                reader.poll()
                self.polls += 1
                failed_in_a_row = 0
                reader.wait(self._stopping)
            except Exception as raised:  # whatever a file does, polling goes on
                failed_in_a_row += 1
                self._note(raised)
                self._stopping.wait(min(LONGEST_PAUSE, SHORTEST_PAUSE * 2 ** min(failed_in_a_row - 1, 8)))
        if reader is not None:
            reader.close()

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
