"""A series as its pixels show it: for each pixel the first, the last, the least and the greatest point, and the mean.

A line drawn through these points is the line drawn through all of them: no extreme is lost, whatever their number.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .distinct import distinct
from .errors import InvalidSummary

__all__ = ["MOST_BUCKETS", "ROOM", "Buckets", "bucketed"]

I64 = NDArray[np.int64]
F64 = NDArray[np.float64]

MOST_BUCKETS = 8192
ROOM = 4
"""So many points a bucket may have on average, and all are kept: that costs no more than naming four of each."""

_RUNS = 8
_EDGE_OF_INT64 = float(2**63)
_LEAST, _GREATEST = -(2**63), 2**63 - 1


@dataclass(frozen=True, slots=True)
class Buckets:
    """What is left of a series.

    Attributes:
        row: int64[r], indices of the points kept, in the order in which a line goes through them: of each bucket the
            first, last, least and greatest and the first NaN, +Inf and -Inf; and one point before the range and one
            after it, each a bucket of its own, for the line to come from and go to.
        start: int64[b], where in `row` each bucket with points begins.
        first, last: int64[b], the indices of its first and last point.
        least, greatest: int64[b], the indices of the first of its smallest and of its greatest finite values; -1 where
            it has none.
        points: int64[b], points in it.
        odd: int64[b], those of them that are not finite.
        mean: float64[b], of its finite values; NaN where it has none.
        exact: whether `row` has every point of the range; each is then a bucket of its own.
    """

    row: I64
    start: I64
    first: I64
    last: I64
    least: I64
    greatest: I64
    points: I64
    odd: I64
    mean: F64
    exact: bool


def bucketed(
    x: NDArray[Any], y: NDArray[Any], low: float, high: float, count: int, *, log: bool = False, room: int = ROOM
) -> Buckets:
    """Divide a range of x into buckets of equal width and keep what their points look like.

    Where x goes back only here and there (a restart), points stay in the order they were written, and a bucket that
    the line comes to twice is two. Where it is in no order at all, points are put in order first.

    Args:
        x: shape [n], any order.
        y: shape [n], float32 or float64; NaN and infinities are counted and kept.
        low, high: the range of x, both ends in it; points whose x is NaN are nowhere.
        count: of buckets, 1 to `MOST_BUCKETS`.
        log: whether buckets are of equal width once x is bent by sign(x) log(1 + |x|).
        room: up to `room * count` points in the range, all are kept.

    Raises:
        InvalidSummary: the range is none, or the count is outside.
    """
    if not 1 <= count <= MOST_BUCKETS:
        raise InvalidSummary(f"bucketed: count={count!r} is not from 1 to {MOST_BUCKETS:,}")
    if not (np.isfinite(low) and np.isfinite(high) and low <= high):
        raise InvalidSummary(f"bucketed: from {low!r} to {high!r} is no range")
    if bool((x[1:] >= x[:-1]).all()) and not (x.dtype.kind == "f" and len(x) and np.isnan(x[:1]).any()):
        return _of_rising(x, y, _edges(x, low, high, count, log), high, room * count)
    return _of_any(x, y, _edges(x, low, high, count, log), high, room * count)


def _edges(x: NDArray[Any], low: float, high: float, count: int, log: bool) -> NDArray[Any]:
    """Where each bucket begins, in the type of x: what is not below it is in the bucket or in a later one."""
    if log:
        ends = [math.copysign(math.log1p(abs(end)), end) for end in (low, high)]
        bent: F64 = np.linspace(ends[0], ends[1], count, endpoint=False)
        edges = np.sign(bent) * np.expm1(np.abs(bent))
        edges[0] = low
    else:  # halved, because a range may be longer than a double can say
        edges = np.linspace(low / 2, high / 2, count, endpoint=False) * 2
    if x.dtype.kind != "i":
        return edges
    edges = np.ceil(edges)
    inside = (edges > -_EDGE_OF_INT64) & (edges < _EDGE_OF_INT64)
    whole = np.where(inside, edges, 0.0).astype(np.int64)
    return np.where(inside, whole, np.where(edges < 0, _LEAST, _GREATEST))


def _end(x: NDArray[Any], high: float) -> float | int:
    """`high` in the type of x."""
    if x.dtype.kind != "i":
        return high
    if abs(high) < _EDGE_OF_INT64:
        return int(np.floor(high))
    return _GREATEST if high > 0 else _LEAST


def _of_rising(x: NDArray[Any], y: NDArray[Any], edges: NDArray[Any], high: float, room: int) -> Buckets:
    cuts = np.searchsorted(x, edges, "left")
    begin, end = int(cuts[0]), int(np.searchsorted(x, _end(x, high), "right"))
    before, after = max(0, begin - 1), min(len(x), end + 1)
    if end - begin <= room:
        return _all(np.arange(before, after))
    starts = distinct(np.concatenate(([before], cuts[cuts < end], [after - 1] if after > end else [])).astype(np.int64))
    return _summed(y[before:after], starts - before, np.arange(before, after))


def _of_any(x: NDArray[Any], y: NDArray[Any], edges: NDArray[Any], high: float, room: int) -> Buckets:
    inside = np.flatnonzero((x >= edges[0]) & (x <= _end(x, high)))
    if len(inside) <= room:
        return _all(inside)
    which = np.searchsorted(edges, x[inside], "right")
    # a bucket left and come back to is two, and so is one that the line leaves the range from
    new = np.flatnonzero((which[1:] != which[:-1]) | (inside[1:] != inside[:-1] + 1)) + 1
    if len(new) > _RUNS * len(edges):
        order = np.argsort(x[inside], kind="stable")
        inside, which = inside[order], which[order]
        new = np.flatnonzero(which[1:] != which[:-1]) + 1
    return _summed(y[inside], np.concatenate(([0], new)), inside)


def _all(row: I64) -> Buckets:
    each = np.arange(len(row))
    one = np.ones(len(row), np.int64)
    return Buckets(row, each, row, row, row, row, one, one * 0, np.empty(0), True)


def _summed(y: NDArray[Any], starts: I64, index: I64) -> Buckets:
    """Look at runs of `y` that begin at `starts`; `index` says which points they are."""
    points = np.diff(starts, append=len(y))
    finite = np.isfinite(y)
    clean = bool(finite.all())
    odd = np.zeros(len(starts), np.int64) if clean else np.add.reduceat((~finite).astype(np.int64), starts)
    low = y if clean else np.where(finite, y, np.inf)
    high = y if clean else np.where(finite, y, -np.inf)
    least = _firsts(low == np.repeat(np.minimum.reduceat(low, starts), points), starts, points)
    greatest = _firsts(high == np.repeat(np.maximum.reduceat(high, starts), points), starts, points)
    some = points > odd
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        mean = np.add.reduceat(y if clean else np.where(finite, y, 0), starts, dtype=np.float64) / (points - odd)
    least, greatest = np.where(some, least, -1), np.where(some, greatest, -1)
    first, last = starts, starts + points - 1
    picked = [first, last, least, greatest]
    if not clean:
        picked += [_firsts(kind, starts, points) for kind in (np.isnan(y), y == np.inf, y == -np.inf)]
    kept = distinct(np.concatenate(picked))
    kept = kept[kept >= 0]
    row, start = index[kept], np.searchsorted(kept, starts)

    def at(place: I64) -> I64:
        return np.where(place >= 0, index[place], -1)

    return Buckets(row, start, at(first), at(last), at(least), at(greatest), points, odd, mean, exact=False)


def _firsts(hit: NDArray[np.bool_], starts: I64, points: I64) -> I64:
    """The first hit within each run; -1 where there is none."""
    hits = np.append(np.flatnonzero(hit), len(hit))
    found = hits[np.searchsorted(hits, starts)]
    return np.where(found < starts + points, found, -1)
