"""First, last, least and greatest value of a scalar in every run, kept up to date at the cost of what is new."""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from .store import Store
from .tracks import Shown, Track

__all__ = ["Extremes", "Figures"]

KEPT: Final = 200
"""Tags whose figures are kept; the one that nobody has asked for longest goes first."""


@dataclass(slots=True)
class Figures:
    """One tag in all runs that have it, as columns of one length. Only points that stand count.

    Attributes:
        run: names.
        n: how many points there are.
        non_finite: how many of them are NaN or infinite.
        first, min, max: of the finite values, NaN where there are none; where a value was stored as float32, the
            shortest decimal number that stands for it (0.9 and not 0.8999999762), as it was most likely meant.
        last: the value written last, finite or not.
        min_step, max_step: the first step at which these stand, None where there is none.
        last_step: of `last`.
    """

    run: list[str] = field(default_factory=list[str])
    n: list[int] = field(default_factory=list[int])
    non_finite: list[int] = field(default_factory=list[int])
    first: list[float] = field(default_factory=list[float])
    last: list[float] = field(default_factory=list[float])
    min: list[float] = field(default_factory=list[float])
    max: list[float] = field(default_factory=list[float])
    min_step: list[int | None] = field(default_factory=list[int | None])
    max_step: list[int | None] = field(default_factory=list[int | None])
    last_step: list[int] = field(default_factory=list[int])

    def columns(self) -> dict[str, list[Any]]:
        """The columns by their names."""
        return {name: getattr(self, name) for name in self.__slots__}

    def copy(self) -> Figures:
        """Columns of its own."""
        return Figures(*(list(column) for column in self.columns().values()))

    def put(self, row: int, values: tuple[Any, ...]) -> None:
        """Sets a row, or adds it behind the last."""
        for column, value in zip(self.columns().values(), values, strict=True):
            if row < len(column):
                column[row] = value
            else:
                column.append(value)


class Extremes:
    """Figures of a store's scalars. May be asked by any thread."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._tags: OrderedDict[str, _Tag] = OrderedDict()

    def of(self, tag: str) -> Figures:
        """The figures of a tag in every run that has it, in the order in which they were found; not to be changed.

        The same object as before where nothing changed.
        """
        with self._lock:
            known = self._tags.pop(tag, None) or _Tag()
            known.catch_up(tag, self._store)
            if known.figures.run:
                self._tags[tag] = known
                while len(self._tags) > KEPT:
                    self._tags.popitem(last=False)
            return known.figures


class _Tag:
    """What was seen of one tag so far: in which run, in which row, and all rows as they were told last."""

    def __init__(self) -> None:
        self.version: int = -1
        self.dropped: int = 0
        self.seen: dict[str, _Seen] = {}
        self.rows: dict[str, int] = {}
        self.figures = Figures()

    def catch_up(self, tag: str, store: Store) -> None:
        """Looks at what changed since."""
        version, dropped, tracks = store.tracks_of(tag, self.version)
        if dropped != self.dropped and self.version >= 0:
            version, dropped, tracks = store.tracks_of(tag, -1)
            self.rows.clear()
        self.version, self.dropped = version, dropped
        figures = self.figures.copy() if self.rows else Figures()
        before, self.seen = self.seen, self.seen if self.rows else {}
        changed = len(figures.run) != len(self.figures.run)
        for run, track, shown in tracks:
            seen = before.get(run)
            if track is None or shown is None or not shown.count:
                if run in self.rows:  # read anew, and no longer there
                    self._forget()
                    return self.catch_up(tag, store)
                continue
            if seen is None or seen.track is not track or seen.generation != shown.generation:
                seen = _Seen(track, shown.generation)
            elif seen.n == shown.count and run in self.rows:
                continue
            if shown.count > seen.n:
                seen.take(shown)
            self.seen[run] = seen
            row = self.rows.setdefault(run, len(figures.run))
            figures.put(row, (run, *seen.told()))
            changed = True
        if changed:
            self.figures = figures
        return None

    def _forget(self) -> None:
        self.version = -1
        self.rows.clear()
        self.seen = {}


class _Seen:
    """What was seen of one series so far."""

    __slots__ = (
        "first",
        "generation",
        "last",
        "last_step",
        "max",
        "max_step",
        "min",
        "min_step",
        "n",
        "non_finite",
        "track",
    )

    def __init__(self, track: Track, generation: int) -> None:
        self.track = track
        self.generation = generation
        self.n = self.non_finite = self.last_step = 0
        self.first = self.last = self.min = self.max = math.nan
        self.min_step: int | None = None
        self.max_step: int | None = None

    def take(self, shown: Shown) -> None:
        """Looks at the points that came since."""
        new = slice(shown.start + self.n, shown.start + shown.count)
        step, _, value = (column[new] for column in shown.columns)
        self.n = shown.count
        self.last, self.last_step = _number(value[-1]), int(step[-1])
        finite = np.isfinite(value)
        if not finite.all():
            self.non_finite += int(len(value) - np.count_nonzero(finite))
            step, value = step[finite], value[finite]
            if not len(value):
                return
        if math.isnan(self.first):
            self.first = _number(value[0])
        self._compare(step, value)

    def _compare(self, step: NDArray[Any], value: NDArray[Any]) -> None:
        low, high = int(value.argmin()), int(value.argmax())
        least, greatest = _number(value[low]), _number(value[high])
        if self.min_step is None or least < self.min:
            self.min, self.min_step = least, int(step[low])
        if self.max_step is None or greatest > self.max:
            self.max, self.max_step = greatest, int(step[high])

    def told(self) -> tuple[Any, ...]:
        """A row but for its run, in the order of `Figures`."""
        numbers = (self.first, self.last, self.min, self.max)
        return self.n, self.non_finite, *numbers, self.min_step, self.max_step, self.last_step


def _number(value: Any) -> float:
    """A float32 as the shortest decimal number that stands for it, a float64 as it is."""
    return float(str(value)) if value.dtype == np.float32 else float(value)
