"""Arithmetic on columns: resampling, and bands over runs. Knows no files."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from .errors import InvalidSummary
from .summary import kind_of

__all__ = [
    "Aligned",
    "BandKind",
    "How",
    "Steps",
    "align",
    "band_of",
    "by_step",
    "median_of",
    "resample",
    "student_t_975",
]

I64 = NDArray[np.int64]
F64 = NDArray[np.float64]

How = Literal["linear", "previous", "nearest", "mean", "min", "max", "first", "last", "sum", "count"]
Steps = Literal["interpolate", "union", "common"]
BandKind = Literal["std", "sem", "ci95", "minmax"]

_POINTWISE = ("linear", "previous", "nearest")


def by_step(step: I64, *columns: NDArray[Any]) -> tuple[NDArray[Any], ...]:
    """Columns in the order of steps, one row for each step: the one written last."""
    if len(step) < 2 or bool((step[1:] > step[:-1]).all()):
        return (step, *columns)
    order = np.argsort(step, kind="stable")
    ordered = step[order]
    order = order[np.append(ordered[1:] != ordered[:-1], True)]
    return tuple(column[order] for column in (step, *columns))


def resample(
    step: I64, wall_time: F64, value: NDArray[Any], at: int | Sequence[int] | I64, how: How
) -> tuple[I64, F64, F64]:
    """A series at other steps; see `Series.resample`."""
    if how not in get_args(How):
        raise InvalidSummary(f"resample: how={how!r} is none of {', '.join(map(repr, get_args(How)))}")
    if not len(step):
        return step[:0], wall_time[:0], np.empty(0, np.float64)
    if how in _POINTWISE:
        step, wall_time, value = by_step(step, wall_time, value)
        wanted = _targets(int(step[0]), int(step[-1]), at, buckets=False)
        return wanted, _at(step, wall_time, wanted, how), _at(step, value.astype(np.float64), wanted, how)
    order = np.argsort(step, kind="stable")
    step, wall_time, value = step[order], wall_time[order], value[order].astype(np.float64)
    starts = _targets(int(step[0]), int(step[-1]), at, buckets=True)
    edges = np.searchsorted(step, starts, side="left")
    counts = np.diff(np.append(edges, len(step)))
    filled = np.flatnonzero(counts > 0)
    times = np.full(len(starts), np.nan)
    times[filled] = wall_time[edges[filled] + counts[filled] - 1]
    return starts, times, _reduced(value, edges, counts, filled, how)


def _reduced(value: F64, edges: I64, counts: I64, filled: I64, how: How) -> F64:
    if how == "count":
        return counts.astype(np.float64)
    out = np.full(len(edges), np.nan)
    if not len(filled):
        return out
    firsts = edges[filled]
    inside = value[: int(firsts[-1] + counts[filled][-1])]
    if how in ("first", "last"):
        out[filled] = value[firsts if how == "first" else firsts + counts[filled] - 1]
    elif how in ("min", "max"):
        out[filled] = (np.minimum if how == "min" else np.maximum).reduceat(inside, firsts)
    else:
        total = np.add.reduceat(inside, firsts)
        out[filled] = total if how == "sum" else total / counts[filled]
    return out


def _targets(first: int, last: int, at: int | Sequence[int] | I64, buckets: bool) -> I64:
    """The steps asked for, ascending; for a number, that many between the first and the last."""
    if isinstance(at, int | np.integer) and not isinstance(at, bool):
        if at < 1:
            raise InvalidSummary(f"resample({at}): expected at least 1 point")
        n = int(at)
        if buckets:
            return np.unique(np.array([first + (last - first + 1) * i // n for i in range(n)], np.int64))
        return np.unique(np.array([first + round((last - first) * i / max(n - 1, 1)) for i in range(n)], np.int64))
    wanted = np.asarray(at)
    if wanted.ndim != 1 or wanted.dtype.kind not in "iu":
        raise InvalidSummary(f"resample: expected a number of points or a list of whole steps, got {kind_of(at)}")
    wanted = wanted.astype(np.int64)
    if bool((wanted[1:] <= wanted[:-1]).any()):
        raise InvalidSummary("resample: the steps have to ascend; sort them, each once")
    return wanted


def _at(step: I64, column: F64, wanted: I64, how: How) -> F64:
    """A column at some steps; NaN before the first and, but for "previous", behind the last."""
    right = np.searchsorted(step, wanted, side="left")
    exact = (right < len(step)) & (step[np.minimum(right, len(step) - 1)] == wanted)
    before = np.where(exact, right, right - 1)
    inside = (before >= 0) & ((right < len(step)) | (how == "previous"))
    low = np.clip(before, 0, len(step) - 1)
    high = np.minimum(right, len(step) - 1)
    if how == "previous":
        return np.where(inside, column[low], np.nan)
    far_low, far_high = (wanted - step[low]).astype(np.float64), (step[high] - wanted).astype(np.float64)
    if how == "nearest":
        return np.where(inside, np.where(far_low <= far_high, column[low], column[high]), np.nan)
    share = np.divide(far_low, far_low + far_high, out=np.zeros(len(wanted)), where=~exact & inside)
    with np.errstate(invalid="ignore"):  # an infinity on one side
        between = column[low] * (1 - share) + column[high] * share
    return np.where(inside, np.where(share == 0, column[low], between), np.nan)


@dataclass(frozen=True, slots=True)
class Aligned:
    """Several runs on the same steps: `value` and `there` of shape [runs, steps]."""

    step: I64
    value: F64
    there: NDArray[np.bool_]


def align(series: Sequence[tuple[I64, NDArray[Any]]], steps: Steps | Sequence[int] | I64 = "interpolate") -> Aligned:
    """Several (step, value) on the same steps.

    Args:
        series: at least one.
        steps: "interpolate": all steps that any of them has, each interpolated between its own neighbours but never
            beyond its own first and last step. "union": the same steps, each counted only where it has that step.
            "common": only the steps that all of them have. A list of steps: interpolated there.

    Raises:
        InvalidSummary: `steps` is none of these.
    """
    columns = [by_step(step, value.astype(np.float64)) for step, value in series]
    all_steps = [step for step, _ in columns]
    if isinstance(steps, str):
        if steps not in get_args(Steps):
            raise InvalidSummary(
                f"aggregate: steps={steps!r} is none of {', '.join(map(repr, get_args(Steps)))}, nor a list of steps"
            )
        grid = np.unique(np.concatenate(all_steps))
        if steps == "common":
            for one in all_steps:
                grid = np.intersect1d(grid, one, assume_unique=True)
    else:
        grid = _targets(0, 0, np.asarray(steps), buckets=False)
    value = np.empty((len(columns), len(grid)))
    there = np.empty((len(columns), len(grid)), np.bool_)
    for i, (step, column) in enumerate(columns):
        if not len(step):
            value[i], there[i] = np.nan, False
            continue
        value[i] = _at(step, column, grid, "linear")
        if isinstance(steps, str) and steps == "union":
            there[i] = np.isin(grid, step, assume_unique=True)
        else:
            there[i] = (grid >= step[0]) & (grid <= step[-1])
    return Aligned(grid, value, there)


def band_of(aligned: Aligned, kind: BandKind) -> tuple[F64, F64, F64, I64]:
    """Mean, lower and upper edge and number of runs at each step; formulas in `aggregate`."""
    if kind not in get_args(BandKind):
        raise InvalidSummary(f"aggregate: band={kind!r} is none of {', '.join(map(repr, get_args(BandKind)))}")
    count = aligned.there.sum(axis=0).astype(np.int64)
    value = np.where(aligned.there, aligned.value, 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = value.sum(axis=0) / count
        if kind == "minmax":
            lower = np.where(aligned.there, aligned.value, np.inf).min(axis=0)
            upper = np.where(aligned.there, aligned.value, -np.inf).max(axis=0)
            return mean, lower, upper, count
        squares = np.where(aligned.there, (aligned.value - mean) ** 2, 0.0).sum(axis=0)
        half = np.sqrt(squares / np.where(count > 1, count - 1, np.nan))
        if kind != "std":
            half = half / np.sqrt(count)
        if kind == "ci95":
            quantiles = {int(n): student_t_975(int(n) - 1) for n in np.unique(count) if n > 1}
            half = half * np.array([quantiles.get(n, math.nan) for n in count.tolist()], np.float64)
    return mean, mean - half, mean + half, count


def median_of(aligned: Aligned) -> F64:
    """The median at each step, as numpy has it: of an even number the mean of the middle two, NaN where one is NaN."""
    count = aligned.there.sum(axis=0)
    ordered = np.sort(np.where(aligned.there, aligned.value, np.nan), axis=0)  # NaN comes last
    low, high = (np.take_along_axis(ordered, np.maximum(at, 0)[None], 0)[0] for at in ((count - 1) // 2, count // 2))
    with np.errstate(invalid="ignore", over="ignore"):  # of infinities
        middle = np.asarray(np.where(low == high, low, (low + high) / 2), np.float64)
    odd = (aligned.there & np.isnan(aligned.value)).any(axis=0) | (count == 0)
    return np.where(odd, np.nan, middle)


_T_975 = (
    12.706204736174694, 4.302652729749462, 3.1824463052837078, 2.7764451051977934, 2.5705818356363146,
    2.4469118511449786, 2.364624251592784, 2.306004135204166, 2.262157162798205, 2.228138851986274,
    2.200985160091639, 2.1788128296672284, 2.1603686564627913, 2.144786687917804, 2.131449545559776,
    2.1199052992212546, 2.1098155778333156, 2.1009220402410382, 2.0930240544083087, 2.085963447265864,
)  # fmt: skip


def student_t_975(degrees: int) -> float:
    """The 97.5 % quantile of Student's t distribution.

    From a table up to 20 degrees of freedom, and beyond by the expansion 26.7.5 of Abramowitz and Stegun, Handbook of
    Mathematical Functions, whose error there is below 1e-6.

    Args:
        degrees: of freedom, 1 or more.
    """
    if degrees <= len(_T_975):
        return _T_975[degrees - 1]
    x = 1.959963984540054  # the normal distribution's
    terms = (
        (x**3 + x) / 4,
        (5 * x**5 + 16 * x**3 + 3 * x) / 96,
        (3 * x**7 + 19 * x**5 + 17 * x**3 - 15 * x) / 384,
        (79 * x**9 + 776 * x**7 + 1482 * x**5 - 1920 * x**3 - 945 * x) / 92160,
    )
    return x + sum(term / degrees ** (i + 1) for i, term in enumerate(terms))
