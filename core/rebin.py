"""Distributions in one kind of buckets, counted anew in another; and what lies below which share of them.

Both take each bucket to be evenly filled, and one whose edges are the same number to be that number. Knows no files.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from .errors import CorruptRecord

__all__ = ["SHARES", "ascending", "percentiles", "rebinned"]

F64 = NDArray[np.float64]

SHARES: Final = (0.0, 0.0668, 0.1587, 0.3085, 0.5, 0.6915, 0.8413, 0.9332, 1.0)
"""The median, and half, one and one and a half standard deviations of a normal distribution around it."""

_SLACK: Final = 1e-6
"""Edges may go back by so much of what they span: a smallest value that was rounded on its way."""

_FAR: Final = 2.0**1000
"""Numbers beyond have differences beyond what a float holds."""


def ascending(edges: F64, counts: F64) -> F64:
    """The edges of a distribution, of shape [k + 1]: never descending.

    Args:
        edges: float64 of shape [k + 1].
        counts: float64 of shape [k].

    Raises:
        CorruptRecord: edges or counts are none that a distribution can have; it says which and why.
    """
    if len(edges) != len(counts) + 1:
        raise CorruptRecord(f"{len(edges)} edges do not make {len(counts)} buckets")
    odd = np.flatnonzero(~np.isfinite(edges))
    if len(odd):
        raise CorruptRecord(f"edge {int(odd[0])} of {len(edges)} is {float(edges[odd[0]])}: NaN or Inf was counted")
    odd = np.flatnonzero(~(counts >= 0) | np.isinf(counts))
    if len(odd):
        raise CorruptRecord(f"bucket {int(odd[0])} of {len(counts)} holds {float(counts[odd[0]]):g} values")
    if not np.isfinite(counts.sum()):
        raise CorruptRecord("the buckets hold more values than a number can say")
    back = np.flatnonzero(np.diff(edges) < 0)
    if not len(back):
        return edges
    near, far = float(edges.min()), float(edges.max())
    at = int(back[0])
    if float(edges[at]) / 2 - float(edges[at + 1]) / 2 > _SLACK * (far / 2 - near / 2):
        raise CorruptRecord(
            f"edges descend from {float(edges[at]):g} to {float(edges[at + 1]):g} at bucket {at} of {len(counts)}"
        )
    return np.maximum.accumulate(edges)


def rebinned(edges: F64, counts: F64, at: F64) -> F64:
    """How many values lie below, between and above other edges.

    What lies on an edge belongs to the bucket on its right, and on the last one to the bucket on its left, as
    numpy.histogram has it. The sum of the answer, added in any order, is exactly the sum of whole counts: places on the
    way up are rounded to multiples of a number of which all of them have few enough.

    Args:
        edges: float64 of shape [k + 1], never descending and finite.
        counts: float64 of shape [k], none negative.
        at: float64 of shape [n + 1], ascending and finite, n at least 1.

    Returns:
        float64 of shape [n + 2]: below the first edge, in each bucket, above the last edge.
    """
    if not len(counts):
        return np.zeros(len(at) + 1)
    if max(abs(edges[0]), abs(edges[-1]), abs(at[0]), abs(at[-1])) > _FAR:
        edges, at = edges * 2.0**-10, at * 2.0**-10
    total = float(np.cumsum(counts)[-1])
    point = np.diff(edges) <= 0
    wide = np.where(point, 0.0, counts)
    reached = np.asarray(np.interp(at, edges, np.concatenate(([0.0], np.cumsum(wide)))), np.float64)
    if point.any():
        places, held = edges[:-1][point], np.concatenate(([0.0], np.cumsum(counts[point])))
        reached += held[np.searchsorted(places, at, side="left")]
        reached[-1] += held[np.searchsorted(places, at[-1], side="right")] - held[np.searchsorted(places, at[-1])]
    quantum = np.ldexp(1.0, int(np.frexp(total)[1]) - 53)
    if quantum:
        reached[:] = np.round(reached / quantum) * quantum
        np.maximum.accumulate(reached, out=reached)
        np.clip(reached, 0.0, total, out=reached)
    return np.diff(reached, prepend=0.0, append=total)


def percentiles(edges: F64, counts: F64, shares: tuple[float, ...] = SHARES) -> F64:
    """The numbers below which some shares of a distribution lie; NaN of an empty one.

    Where nothing lies between two filled buckets, the share that the first completes is reached where the second
    begins. Source of the formula: `compress_histogram_proto` of TensorBoard's compressor.py.

    Args:
        edges: float64 of shape [k + 1], never descending.
        counts: float64 of shape [k], none negative.
        shares: from 0 to 1.

    Returns:
        float64 of the shape of `shares`.
    """
    filled = np.flatnonzero(counts > 0)
    if not len(filled):
        return np.full(len(shares), np.nan)
    left, right, held = edges[filled], edges[filled + 1], counts[filled]
    reached = np.cumsum(held)
    wanted = np.asarray(shares, np.float64) * float(reached[-1])
    i = np.minimum(np.searchsorted(reached, wanted, side="right"), len(filled) - 1)
    part = np.asarray((wanted - (reached[i] - held[i])) / held[i], np.float64)
    np.clip(part, 0.0, 1.0, out=part)
    return left[i] * (1 - part) + right[i] * part
