"""Scalars over time as users have them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any, Literal, NamedTuple, overload

import numpy as np
from numpy.typing import NDArray

from .dataframes import Columns, Table
from .errors import InvalidSummary
from .smoothing import Smoother, smoothed
from .stats import How, resample

__all__ = ["Point", "Series", "extent"]


class Point(NamedTuple):
    """One value: its step, its wall time in seconds since 1970, and itself."""

    step: int
    wall_time: float
    value: float


@dataclass(frozen=True, slots=True, eq=False)
class Series(Table):
    """One scalar of one run over time, every point, in the order written.

    Attributes:
        run, tag: which.
        step: int64 of shape [n].
        wall_time: seconds since 1970, float64 of shape [n].
        value: float32 of shape [n]; float64 where the file has more than float32's precision.
        restarts: int64 of shape [r]: the points with which a restarted run went on. Not kept by slices, masks and
            `resample`.
    """

    run: str
    tag: str
    step: NDArray[np.int64]
    wall_time: NDArray[np.float64]
    value: NDArray[np.float32] | NDArray[np.float64]
    restarts: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))

    def __len__(self) -> int:
        return len(self.step)

    @overload
    def __getitem__(self, at: int) -> Point: ...

    @overload
    def __getitem__(self, at: slice | NDArray[Any]) -> Series: ...

    def __getitem__(self, at: int | slice | NDArray[Any]) -> Point | Series:
        """One point by its position, or the series of a slice or of a mask such as `series.step >= 100`."""
        if isinstance(at, slice | np.ndarray):
            return Series(self.run, self.tag, self.step[at], self.wall_time[at], self.value[at])
        return Point(int(self.step[at]), float(self.wall_time[at]), float(self.value[at]))

    @property
    def last(self) -> Point:
        """The point written last.

        Raises:
            IndexError: there is none.
        """
        return self[-1]

    @property
    def min(self) -> Point:
        """The first point with the smallest value; NaN counts only where there is nothing else."""
        return self[self._extreme(np.nanargmin)]

    @property
    def max(self) -> Point:
        """The first point with the largest value; NaN counts only where there is nothing else."""
        return self[self._extreme(np.nanargmax)]

    def _extreme(self, find: Callable[[NDArray[Any]], Any]) -> int:
        if not len(self):
            raise IndexError(f"{self!r} has no points")
        return 0 if np.isnan(self.value).all() else int(find(self.value))

    def best(self, goal: Literal["min", "max"]) -> Point:
        """`min` or `max`, by a name that may come from a configuration.

        Raises:
            InvalidSummary: the goal is neither.
        """
        if goal not in ("min", "max"):
            raise InvalidSummary(f"best({goal!r}): say 'min' or 'max'")
        return self.min if goal == "min" else self.max

    def smooth(self, weight: float = 0.6, kind: Smoother = "ema") -> Series:
        """The series smoothed, as float64; all formulas are in `core/smoothing.py`.

        Args:
            weight: 0 (nothing changes) to below 1.
            kind: "ema", the exponential moving average that TensorBoard draws; "time", one that weighs by the distance
                in steps, as Weights & Biases'; "mean", "gauss" or "median" over a window around each point, which with
                h = weight / (1 - weight) is 2 round(h) + 1 points wide, or has a standard deviation of h / 2.

        Raises:
            InvalidSummary: the weight or the kind is none.
        """
        value = smoothed(self.value, weight, kind, self.step)
        return Series(self.run, self.tag, self.step, self.wall_time, value, self.restarts)

    def resample(self, at: int | Sequence[int] | NDArray[np.int64], how: How = "linear") -> Series:
        """The series at other steps, as float64.

        Args:
            at: the steps, ascending; or how many, evenly between the first and the last.
            how: "linear" interpolates between the neighbours, "nearest" takes the nearer one (the earlier of two),
                "previous" the last one at or before. Outside the series' own steps that is NaN, but "previous" holds
                the last value. Of several points of one step the last one counts.
                "mean", "min", "max", "first", "last", "sum" and "count" are over all points from one of the steps up
                to before the next (the last one has no end; points before the first are left out). A bucket without
                points is NaN. Its wall time is that of its last point.

        Raises:
            InvalidSummary: `at` or `how` is none of these.
        """
        return Series(self.run, self.tag, *resample(self.step, self.wall_time, self.value, at, how))

    def _columns(self) -> Columns:
        return {"step": self.step, "wall_time": self.wall_time, "value": self.value}

    def __repr__(self) -> str:
        return f"Series(run={self.run!r}, tag={self.tag!r}: {extent(self.step)}{self._now()})"

    def _now(self) -> str:
        return f", last value {self.value[-1]:.6g}" if len(self) else ""

    def _repr_html_(self) -> str:
        return f"<b>{escape(self.tag)}</b> of <b>{escape(self.run)}</b>: {extent(self.step)}{self._now()}"


def extent(step: NDArray[np.int64]) -> str:
    """How many points and which steps, for people."""
    if not len(step):
        return "no points"
    points = "1 point" if len(step) == 1 else f"{len(step):,} points"
    return f"{points}, steps {step.min()} to {step.max()}"
