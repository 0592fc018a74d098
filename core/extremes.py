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


class Extremes:
    """Figures of a store's scalars. May be asked by any thread."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._tags: OrderedDict[str, dict[str, _Seen]] = OrderedDict()

    def of(self, tag: str) -> Figures:
        """The figures of a tag in every run that has it, in the order in which the runs were found."""
        with self._lock:
            before = self._tags.pop(tag, {})
            now: dict[str, _Seen] = {}
            figures = Figures()
            for run, track, shown in self._store.tracks_of(tag):
                if not shown.count:
                    continue
                seen = before.get(run)
                if seen is None or seen.track is not track or seen.generation != shown.generation:
                    seen = _Seen(track, shown.generation)
                if shown.count > seen.n:
                    seen.take(shown)
                now[run] = seen
                seen.tell(run, figures)
            if now:
                self._tags[tag] = now
                while len(self._tags) > KEPT:
                    self._tags.popitem(last=False)
            return figures


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

    def tell(self, run: str, figures: Figures) -> None:
        """Adds a row."""
        figures.run.append(run)
        figures.n.append(self.n)
        figures.non_finite.append(self.non_finite)
        figures.first.append(self.first)
        figures.last.append(self.last)
        figures.min.append(self.min)
        figures.max.append(self.max)
        figures.min_step.append(self.min_step)
        figures.max_step.append(self.max_step)
        figures.last_step.append(self.last_step)


def _number(value: Any) -> float:
    """A float32 as the shortest decimal number that stands for it, a float64 as it is."""
    return float(str(value)) if value.dtype == np.float32 else float(value)
