"""The readers of the logdirs, from before the server is there until the end."""

from __future__ import annotations

import threading
import time
from functools import partial
from typing import TYPE_CHECKING, Self

from .indexing import Indexing, InTurn, Timed
from .records import Records

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tallyboard.core.store import Store

    from .indexing import Poller
    from .logdirs import Logdir

__all__ = ["Reading"]

_FAREWELL = 0.5
"""Seconds in all that reading threads have to come to their end, once all are asked to."""

_LOOK = 0.002
"""Seconds between two looks at whether all has been read."""


def _looked(indexing: Indexing) -> bool:
    return indexing.polls + indexing.failures > 0


class Reading:
    """Follows logdirs within `with`, in threads of its own, so that the server may be loaded meanwhile.

    Args:
        logdirs: need not exist yet.
        cache: the directory of the index, see `cache_folder`.
        interval: seconds between two looks, 0 for one alone; None to hear of what happens.
    """

    def __init__(self, logdirs: Sequence[Logdir], *, cache: str | None = None, interval: float | None = None) -> None:
        self.logdirs = logdirs
        self.records = Records(logdirs)
        self._cache = cache
        self._interval = interval
        self._turn = threading.Lock()
        self._store: Store | None = None
        self._failure: BaseException | None = None
        self._indexings: list[Indexing] = []
        # No daemon: an early end waits for it, rather than cutting off a library's own start.
        self._beginning = threading.Thread(target=self._begin, name="tallyboard-beginning")

    def __enter__(self) -> Self:
        self._beginning.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._beginning.join()
        for indexing in self._indexings:
            indexing.stop(0)
        for indexing in self._indexings:
            indexing.stop(_FAREWELL / len(self._indexings))

    @property
    def store(self) -> Store:
        """What is read into; waits until it is there."""
        self._beginning.join()
        if self._store is None:
            raise RuntimeError("reading did not begin") from self._failure
        return self._store

    @property
    def begun(self) -> Store | None:
        """What is read into; None while it is not there yet."""
        return self._store

    def settle(self, patience: float) -> None:
        """Wait until all logdirs have been looked through once, at most so many seconds."""
        end = time.monotonic() + patience
        while time.monotonic() < end and (self._beginning.is_alive() or not all(map(_looked, self._indexings))):
            time.sleep(_LOOK)

    def _begin(self) -> None:
        try:
            from tallyboard.core.store import Store

            store = Store()
            if len(self.logdirs) > 1:
                store.expect(each.name for each in self.logdirs)
            self._store = store
            for each in self.logdirs:
                self._indexings.append(Indexing(partial(self._open, each, store)))
                self._indexings[-1].start()
        except BaseException as failure:  # told by whoever asks for the store
            self._failure = failure

    def _open(self, logdir: Logdir, store: Store) -> Poller:
        from tallyboard.core.follow import Follower
        from tallyboard.core.index import cache_folder
        from tallyboard.core.reader import LogdirReader

        cache = cache_folder(self._cache)
        reader = self.records.opened(LogdirReader(logdir.path, store, name=logdir.name, cache=cache))
        poller = Follower(reader) if self._interval is None else Timed(reader, self._interval)
        return InTurn(poller, self._turn) if logdir.name else poller
