"""Ways to smooth a column: moving averages that look back, and windows that look both ways.

With w the weight, from 0 (nothing changes) to below 1, and v the finite values in the order they were written:

* "ema", TensorBoard's: a(0) = 0, a(i) = w a(i-1) + (1 - w) v(i), shown as a(i) / (1 - w**i). It knows nothing of the
  distance between points. Source: `_smoothData` of TensorBoard's line-chart.ts.
* "time", Weights & Biases' time-weighted average: with s the smaller of sqrt(w) and 0.999, and
  d(i) = s ** (1000 (x(i) - x(i-1)) / (greatest x - least x)), it is y(i) / n(i) for y(i) = d(i) y(i-1) + v(i) and
  n(i) = d(i) n(i-1) + 1. Points far apart in x forget more of what was before; a step back counts as no distance.
  Source: "Smooth line plots" in their documentation.
* "mean", "gauss" and "median" look at the points before and after as well. With h = w / (1 - w), how far "ema" lags
  behind, in points: the mean and the median of the 2 round(h) + 1 points around, and the mean by a normal distribution
  with a standard deviation of h / 2 points, cut off at three of these. At the ends of the series the window is cut.

In all of them a value that is not finite stays where it is and counts for nothing, and a series whose values are all
the same is given back as it is.
"""

from __future__ import annotations

import math
from itertools import accumulate
from typing import Any, Literal, cast, get_args

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from .errors import InvalidSummary

__all__ = ["Averages", "Smoother", "check_smoothing", "smoothed", "time_averages"]

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]

Smoother = Literal["ema", "time", "mean", "gauss", "median"]

_SPAN = 1000
_MOST_DECAY = 0.999
_FEW = 8192  # up to so many values, one after the other is as quick as many at a time
_AT_ONCE = 1 << 22  # values of all windows that are looked at together


def check_smoothing(weight: object, kind: object, caller: str = "smooth") -> None:
    """Raise InvalidSummary unless `weight` is a number from 0 to below 1 and `kind` one of `Smoother`."""
    if isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 <= weight < 1:
        raise InvalidSummary(
            f"{caller}({weight!r}): the weight goes from 0 (as it is) to below 1; take 0.9, for example"
        )
    if kind not in get_args(Smoother):
        raise InvalidSummary(f"{caller}: kind={kind!r} is none of {', '.join(map(repr, get_args(Smoother)))}")


def smoothed(
    value: NDArray[Any], weight: float, kind: Smoother = "ema", x: NDArray[Any] | None = None, at: I64 | None = None
) -> F64:
    """A column smoothed, as float64; the formulas are the module's.

    Args:
        value: shape [n].
        weight: 0 to below 1.
        kind: which way.
        x: shape [n], what the distances of "time" are measured in; needed by it alone.
        at: the indices wanted; all by default. For windows, few cost little.

    Raises:
        InvalidSummary: the weight or the kind is none, or "time" has no `x`.
    """
    check_smoothing(weight, kind)
    wanted = value if at is None else value[at]
    out = wanted.astype(np.float64)
    if weight == 0 or not len(out) or bool((value == value[0]).all()):
        return out
    finite = np.isfinite(value)
    if bool(finite.all()):
        return _of_finite(value.astype(np.float64), weight, kind, x, at)
    there = np.isfinite(out)
    place = np.cumsum(finite) - 1 if at is not None else None
    numbers = value[finite].astype(np.float64)
    where = None if place is None or at is None else place[at[there]].astype(np.int64)
    out[there] = _of_finite(numbers, weight, kind, None if x is None else x[finite], where)
    return out


def _of_finite(value: F64, weight: float, kind: Smoother, x: NDArray[Any] | None, at: I64 | None) -> F64:
    if not len(value):
        return value
    if kind == "ema":
        whole = Averages(weight).extend(value)
    elif kind == "time":
        if x is None:
            raise InvalidSummary('smooth: kind="time" weighs by distance and needs x')
        whole = time_averages(x, value, weight)
    elif kind == "mean":
        if at is not None:
            return _sums(value, np.ones(2 * _half(weight) + 1), at)
        whole = _means(value, _half(weight))
    elif kind == "median":
        return _medians(value, _half(weight), np.arange(len(value)) if at is None else at)
    else:
        deviation = weight / (1 - weight) / 2
        reach = math.ceil(3 * deviation)
        return _sums(value, np.exp(-0.5 * (np.arange(-reach, reach + 1) / deviation) ** 2), at)
    return whole if at is None else whole[at]


def _half(weight: float) -> int:
    """How many points a window reaches to each side."""
    return math.floor(weight / (1 - weight) + 0.5)


class Averages:
    """TensorBoard's moving average of a series that grows: it keeps where it stopped."""

    def __init__(self, weight: float) -> None:
        self._weight = weight
        self._last = 0.0
        self._counted = 0

    def extend(self, value: F64) -> F64:
        """The averages at these finite values, which come after those given before."""
        if not len(value):
            return value
        weight = self._weight
        biased = _recurrence(weight, (1 - weight) * value, self._last)
        few = max(0, min(len(value), _fades(weight) - self._counted))
        count = np.arange(self._counted + 1, self._counted + few + 1, dtype=np.float64)
        self._last = float(biased[-1])
        self._counted += len(value)
        biased[:few] /= 1 - np.power(weight, count)
        return biased


def _fades(decay: float) -> int:
    """After how many steps nothing that a double could show is left."""
    return math.ceil(-40 / math.log(decay)) if decay > 0 else 1


def time_averages(x: NDArray[Any], value: F64, weight: float) -> F64:
    """The average whose memory fades with distance, of finite values.

    Args:
        x: shape [n], a step or a time.
        value: shape [n].
        weight: 0 to below 1.
    """
    far = float(x.max()) - float(x.min())
    gaps = np.zeros(len(value))
    if 0 < far < math.inf:
        gaps[1:] = np.maximum(np.diff(x.astype(np.float64)), 0.0) / far * _SPAN
    kept = min(math.sqrt(weight), _MOST_DECAY)
    if len(gaps) > 1 and bool((gaps[1:] == gaps[1]).all()):
        decay = kept ** float(gaps[1])
    else:
        decay = np.exp(gaps * math.log(kept))
    return _recurrence(decay, value, 0.0) / _recurrence(decay, np.ones(len(value)), 0.0)


def _recurrence(decay: F64 | float, term: F64, start: float) -> F64:
    """y(i) = decay(i) y(i-1) + term(i) from y(-1) = start.

    A long one is cut into lanes that are walked side by side, each as if nothing came before it; what did is added
    afterwards.
    """
    n = len(term)
    constant = isinstance(decay, float | int)
    if n <= _FEW:
        steps: list[tuple[float, float]] = list(
            zip([decay] * n if constant else decay.tolist(), term.tolist(), strict=True)
        )
        walk = accumulate(steps, lambda last, step: (0.0, last[1] * step[0] + step[1]), initial=(0.0, start))
        return np.fromiter((y for _, y in walk), np.float64, n + 1)[1:]
    lanes = math.isqrt(n)
    length = n // lanes
    whole = lanes * length
    out = np.empty(n)
    y = np.ascontiguousarray(term[:whole].reshape(lanes, length).T)
    if constant:
        kept = np.power(float(cast("float", decay)), np.arange(1.0, length + 1))[:, None]
        for t in range(1, length):
            y[t] += decay * y[t - 1]
    else:
        kept = np.ascontiguousarray(decay[:whole].reshape(lanes, length).T)
        for t in range(1, length):
            y[t] += kept[t] * y[t - 1]
            kept[t] *= kept[t - 1]
    ends = zip(np.broadcast_to(kept[-1], lanes).tolist(), y[-1].tolist(), strict=True)
    carried = list(accumulate(ends, lambda last, end: last * end[0] + end[1], initial=start))
    reach = min(length, _fades(float(cast("float", decay)))) if constant and decay < 1 else length
    y[:reach] += kept[:reach] * np.array(carried[:-1])
    out[:whole] = y.T.reshape(-1)
    rest = decay if constant else decay[whole:]
    if whole < n:
        out[whole:] = _recurrence(rest, term[whole:], carried[-1])
    return out


def _means(value: F64, half: int) -> F64:
    """Means over windows: each is the end of one block and the start of the next, so no sum holds what lies outside.

    (A sum over all that came before would lose what is small behind one large value.)
    """
    n = len(value)
    half = min(half, n - 1)
    size = 2 * half + 1
    blocks = np.zeros((n + 2 * half + size - 1) // size * size)
    blocks[half : half + n] = value
    rows = blocks.reshape(-1, size)
    before = np.cumsum(rows, axis=1).reshape(-1)
    after = np.cumsum(rows[:, ::-1], axis=1)[:, ::-1].reshape(-1)
    sums = after[:n] + before[size - 1 : size - 1 + n]
    sums[::size] = after[:n:size]
    i = np.arange(n)
    return sums / (np.minimum(i, half) + np.minimum(n - 1 - i, half) + 1)


def _medians(value: F64, half: int, at: I64) -> F64:
    n = len(value)
    size = 2 * half + 1
    out = np.empty(len(at))
    whole = (at >= half) & (at < n - half)
    for i in np.flatnonzero(~whole).tolist():
        out[i] = np.median(value[max(0, at[i] - half) : at[i] + half + 1])
    if n >= size:
        windows = sliding_window_view(value, size)
        inner = np.flatnonzero(whole)
        step = max(1, _AT_ONCE // size)
        for first in range(0, len(inner), step):
            some = inner[first : first + step]
            out[some] = np.partition(windows[at[some] - half], half, axis=1)[:, half]
    return out


def _sums(value: F64, bell: F64, at: I64 | None) -> F64:
    """Means weighted by a bell that stands over each point; near the ends by what of it stands over the series."""
    n, reach = len(value), len(bell) // 2
    up_to = np.concatenate(([0.0], np.cumsum(bell)))
    where = np.arange(n) if at is None else at
    weights = up_to[np.minimum(2 * reach, reach + n - 1 - where) + 1] - up_to[np.maximum(0, reach - where)]
    padded = np.zeros(n + 2 * reach)
    padded[reach : reach + n] = value
    if at is None:
        return np.convolve(padded, bell, "valid") / weights
    windows = sliding_window_view(padded, 2 * reach + 1)
    out = np.empty(len(at))
    step = max(1, _AT_ONCE // len(bell))
    for first in range(0, len(at), step):
        out[first : first + step] = windows[at[first : first + step]] @ bell
    return out / weights
