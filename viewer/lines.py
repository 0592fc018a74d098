"""Smoothed lines of long series, kept between requests so that a point more costs a point."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tallyboard.core.smoothing import Averages, smoothed

if TYPE_CHECKING:
    from tallyboard.core.store import Series

    from .wishes import Smoothing, Wanted

BYTES_KEPT = 64 << 20
"""What all kept lines may hold; the ones not asked for longest go first."""

_WINDOWS = ("mean", "gauss", "median")


@dataclass(slots=True)
class _Line:
    """A line as far as it was needed; `ends` are the first and last point it was made of, which tell a series
    that grew from another one."""

    averages: Averages
    out: NDArray[Any]
    n: int = 0
    ends: tuple[int, float, float, str] | None = None


class Lines:
    """Smooths series on all of their points; may be asked by several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[Any, ...], _Line] = OrderedDict()
        self._bytes = 0

    def at(self, want: Wanted, wish: Smoothing, series: Series, row: NDArray[np.int64]) -> NDArray[Any]:
        """The smoothed values at some points of a series, in the type of its values.

        Args:
            want: which series this is.
            wish: how to smooth.
            series: all of its points.
            row: int64[r], indices of the points.
        """
        value = series.value
        if wish.weight == 0 or bool((value == value[0]).all()):
            return value[row]
        if wish.kind in _WINDOWS:
            return smoothed(value, wish.weight, wish.kind, at=row).astype(value.dtype)
        with self._lock:
            key = (want.run, want.tag, want.superseded, wish)
            line = self._kept.pop(key, None) or _Line(Averages(wish.weight), np.empty(0, value.dtype))
            self._bytes -= line.out.nbytes
            line = self._by_time(line, wish, series) if wish.kind == "time" else self._grown(line, wish, series)
            self._keep(key, line)
            return line.out[row]

    def _by_time(self, line: _Line, wish: Smoothing, series: Series) -> _Line:
        if line.n != len(series) or line.ends != _ends(series, line.n):
            x = series.step if wish.x == "step" else series.wall_time
            line.out = smoothed(series.value, wish.weight, "time", x).astype(series.value.dtype)
            line.n, line.ends = len(series), _ends(series, len(series))
        return line

    def _grown(self, line: _Line, wish: Smoothing, series: Series) -> _Line:
        total, value = len(series), series.value
        if line.n > total or line.out.dtype != value.dtype or line.ends != _ends(series, line.n):
            line = _Line(Averages(wish.weight), np.empty(0, value.dtype))
        if line.n == total:
            return line
        if len(line.out) < total:
            bigger = np.empty(total if not line.n else max(total, line.n + line.n // 8), value.dtype)
            bigger[: line.n] = line.out[: line.n]
            line.out = bigger
        new = value[line.n : total]
        finite = np.isfinite(new)
        out = line.out[line.n : total]
        out[:] = new
        out[finite] = line.averages.extend(new[finite].astype(np.float64))
        line.n, line.ends = total, _ends(series, total)
        return line

    def _keep(self, key: tuple[Any, ...], line: _Line) -> None:
        self._kept[key] = line
        self._bytes += line.out.nbytes
        while self._bytes > BYTES_KEPT and len(self._kept) > 1:
            _, gone = self._kept.popitem(last=False)
            self._bytes -= gone.out.nbytes


def _ends(series: Series, n: int) -> tuple[int, float, float, str] | None:
    """What tells whether the first `n` points are still the same; None of no points."""
    if not n or n > len(series):
        return None
    last = n - 1
    return series.generation, float(series.wall_time[0]), float(series.wall_time[last]), repr(float(series.value[last]))
