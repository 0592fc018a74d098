"""Sets of times as sorted, disjoint spans: float64 arrays of shape (n, 2), nanoseconds, each row [start, end)."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["NONE", "Spans", "clip", "common", "length", "length_within", "union", "without"]

Spans = NDArray[np.float64]

NONE: Final[Spans] = np.empty((0, 2))


def union(start: NDArray[np.float64], end: NDArray[np.float64]) -> Spans:
    """The times that any of these spans covers. They may overlap, come in any order, and be empty."""
    if not len(start):
        return NONE
    order = np.argsort(start, kind="stable")
    starts, ends = start[order], end[order]
    reached = np.maximum.accumulate(ends)
    first = np.flatnonzero(np.concatenate(([True], starts[1:] > reached[:-1])))
    last = np.concatenate((first[1:] - 1, [len(starts) - 1]))
    joined = np.column_stack((starts[first], reached[last]))
    return joined[joined[:, 1] > joined[:, 0]]


def common(one: Spans, other: Spans) -> Spans:
    """The times in both."""
    if not len(one) or not len(other):
        return NONE
    low = np.searchsorted(other[:, 1], one[:, 0], "right")
    high = np.searchsorted(other[:, 0], one[:, 1], "left")
    many = np.maximum(high - low, 0)
    left = np.repeat(np.arange(len(one)), many)
    right = np.arange(int(many.sum())) - np.repeat(np.cumsum(many) - many, many) + np.repeat(low, many)
    return np.column_stack((np.maximum(one[left, 0], other[right, 0]), np.minimum(one[left, 1], other[right, 1])))


def without(one: Spans, other: Spans) -> Spans:
    """The times of the first that are not in the second."""
    if not len(one) or not len(other):
        return one
    edges = np.concatenate(([-np.inf], other.ravel(), [np.inf])).reshape(-1, 2)
    left = common(one, edges)
    return left[left[:, 1] > left[:, 0]]


def length(spans: Spans) -> float:
    """How long they are together, in nanoseconds."""
    return float((spans[:, 1] - spans[:, 0]).sum())


def clip(spans: Spans, low: float, high: float) -> Spans:
    """What of them lies between two times."""
    return common(spans, np.array([[low, high]]))


def length_within(spans: Spans, windows: Spans) -> NDArray[np.float64]:
    """How long they are within each window; the windows may overlap."""
    covered = np.concatenate(([0.0], np.cumsum(spans[:, 1] - spans[:, 0])))

    def before(times: NDArray[np.float64]) -> NDArray[np.float64]:
        at = np.searchsorted(spans[:, 0], times, "right")  # the spans that begin before, or there
        inside = np.minimum(times, spans[np.maximum(at - 1, 0), 1]) - spans[np.maximum(at - 1, 0), 0]
        return np.where(at > 0, covered[np.maximum(at - 1, 0)] + inside, 0.0)

    if not len(spans):
        return np.zeros(len(windows))
    return before(windows[:, 1]) - before(windows[:, 0])
