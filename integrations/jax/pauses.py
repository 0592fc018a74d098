"""The thread that writes what is kept when no next call does: in a pause of a loop, and after its end.

It runs while something is kept, looks no oftener than what is kept asks for, and sleeps otherwise.
"""

from __future__ import annotations

import contextlib
import threading
import time
from typing import Protocol

__all__ = ["see_to"]

_MOST, _LEAST = 0.25, 0.02  # seconds between two looks


class Keeper(Protocol):
    """What keeps values for a while."""

    def look(self) -> float | None:
        """Writes what has waited long enough, waits for nothing, and gives the seconds until the next look.

        None when nothing is kept: then nobody looks before `see_to` is called again.
        """
        ...


_keepers: set[Keeper] = set()
_wake = threading.Event()
_started = threading.Lock()


def see_to(keeper: Keeper) -> None:
    """Has the thread look at what is kept, until nothing is."""
    _keepers.add(keeper)
    if _started.acquire(blocking=False):
        threading.Thread(target=_run, name="tallyboard-jax-pauses", daemon=True).start()
    _wake.set()


def _run() -> None:
    pause = _MOST
    while True:
        if not _keepers:
            _wake.wait()
        _wake.clear()
        time.sleep(min(max(pause, _LEAST), _MOST))
        pause = _MOST
        for keeper in _keepers.copy():
            _keepers.discard(keeper)  # first: one that asks for a look from now on is taken up again
            with contextlib.suppress(Exception):  # it warns itself, and warnings may be errors
                left = keeper.look()
                if left is not None:
                    _keepers.add(keeper)
                    pause = min(pause, left)
