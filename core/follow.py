"""Keeps a store up to date, at a cost that depends on what happens in the logdir, not on what is in it.

Where the system tells of changes, only what it names is looked at, within a tenth of a second. Where nobody tells,
the files that grew last are looked at again and again, and the whole logdir as often as it can be done cheaply. Either
way all of it is looked through now and then: news can be lost, and a file that is written through a mapping makes none.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from .watching import Stopping, Watch, warn_unheard

if TYPE_CHECKING:
    from .reader import LogdirReader

__all__ = ["Follower"]

SHORTEST_PAUSE = 0.2  # seconds between two looks where nobody tells of changes
LONGEST_PAUSE = 5.0
WHOLE_LOOK = 10.0  # seconds between two looks at everything, at least, where the system tells of changes
LONGEST_WHOLE_LOOK = 60.0  # and at most where nobody does
SHARE = 20  # a look, quick or whole, is followed by so many times its own length of rest
WATCHED_SHARE = 100  # the same for whole looks where the system tells
AGAIN = (0.3, 1.5)  # seconds after which a new directory is looked at again: it was there before its watch was
SAVE_PAUSE = 30.0  # seconds between two savings of the index, at least
SAVE_SHARE = 100  # saving takes at most this part of the time
TRIES = 3  # how often within so many seconds news may break off before they are done without
PATIENCE = 60.0
THERE_PAUSE = 1.0  # seconds between two looks at whether the logdir is still the same directory


class Follower:
    """Follows a logdir: `poll`, `wait`, and so on.

    Args:
        reader: reads what is found, into its store.
        watching: False does without the system's news.
        clock: seconds, monotonic.
    """

    def __init__(
        self, reader: LogdirReader, *, watching: bool = True, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.reader = reader
        self._clock = clock
        self._wanted = watching
        self._watching = watching
        self._watch: Watch | None = None
        self._there: int | str | None = None
        self._news: set[str] = set()
        self._again: list[tuple[float, str]] = []
        self._broken: list[float] = []  # when news broke off
        self._whole_look_due = self._save_due = clock()
        self._pause = SHORTEST_PAUSE

    @property
    def watched(self) -> bool:
        """Whether the system tells of changes."""
        return self._watch is not None

    def poll(self) -> bool:
        """Reads what is new, and publishes it. Returns whether anything changed."""
        changed = self._look()
        if self.reader.unsaved and self._clock() >= self._save_due:
            began = self._clock()
            self.reader.save()
            ended = self._clock()
            self._save_due = ended + max(SAVE_PAUSE, SAVE_SHARE * (ended - began))
        return changed

    def _look(self) -> bool:
        now = self._clock()
        there = self.reader.place.there()
        if there != self._there:
            self._end_watch()
            self._there = there
            self._watching = self._wanted
            self._whole_look_due = now
        if now >= self._whole_look_due:
            return self._look_at_all()
        paths, self._news = self._news, set()
        paths.update(path for due, path in self._again if due <= now)
        self._again = [(due, path) for due, path in self._again if due > now]
        if self._watch is None:
            paths.update(self.reader.recent)
        if not paths:
            return False
        fresh = self.reader.new_folders
        fresh.clear()
        changed = self.reader.poll(paths)
        self._again += [(now + later, path) for path in fresh for later in AGAIN]
        self._pause = min(LONGEST_PAUSE, max(SHORTEST_PAUSE, SHARE * self.reader.look_seconds))
        self._renew_stale_watch()
        return changed

    def wait(self, stopping: Stopping) -> None:
        """Returns when there is reason to poll again, or `stopping` is set."""
        while not stopping.is_set():
            dues = [self._whole_look_due, *(due for due, _ in self._again)]
            due = min([*dues, self._save_due] if self.reader.unsaved else dues) - self._clock()
            if due <= 0:
                return
            if self._watch is None:
                stopping.wait(min(due, self._pause))
                return
            try:
                news = self._watch.news(stopping, min(due, THERE_PAUSE))
            except (OSError, RuntimeError) as error:  # a name that is not UTF-8, no watch left, a thread that died
                self._break_off(error)
                return
            if news is None:
                self._whole_look_due = self._clock()
            elif news:
                self._news |= news
                return
            elif self.reader.place.there() != self._there:
                return

    def close(self) -> None:
        """Ends following, and saves what no index has yet; the store keeps what was read."""
        self._end_watch()
        if self.reader.unsaved:
            self.reader.save()
        self.reader.close()

    def _look_at_all(self) -> bool:
        self._news.clear()
        self._again.clear()
        changed = self.reader.poll()
        took = self.reader.look_seconds
        now = self._clock()
        if self._there is None:
            self._pause, self._whole_look_due = SHORTEST_PAUSE, now + SHORTEST_PAUSE
            return changed
        self._whole_look_due = now + (
            max(WHOLE_LOOK, WATCHED_SHARE * took)
            if self._watch is not None
            else min(LONGEST_WHOLE_LOOK, max(SHORTEST_PAUSE, SHARE * took))
        )
        if self._watch is None and self._watching:
            self._begin_watch()
        self._renew_stale_watch()
        return changed

    def _begin_watch(self) -> None:
        self._watch = self.reader.place.watch()
        if self._watch is None:
            self._watching = False
        else:
            self._whole_look_due = self._clock()  # what came between the last look and the watch

    def _renew_stale_watch(self) -> None:
        if self._watch is not None and self._watch.stale():
            self._watch.close()
            self._begin_watch()

    def _break_off(self, error: Exception) -> None:
        """News are over: they are heard anew, unless that happens again and again."""
        now = self._clock()
        self._broken = [when for when in self._broken if when > now - PATIENCE] + [now]
        if len(self._broken) > TRIES:
            warn_unheard(self.reader.logdir, error)
            self._watching = False
        self._end_watch()
        self._whole_look_due = now

    def _end_watch(self) -> None:
        if self._watch is not None:
            self._watch.close()
            self._watch = None
