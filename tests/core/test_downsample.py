"""Buckets cover what all points would: no spike, end or mean is lost, whatever the values and their order."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from tallyboard.core.downsample import bucketed

spots = st.floats(-1e9, 1e9)
values = st.floats(width=64)


def test_one_spike_in_a_million_is_kept() -> None:
    """A single point above a million others is the greatest of its bucket, at full height."""
    y = np.zeros(1_000_000, np.float32)
    y[123_456] = 1.0
    out = bucketed(np.arange(1_000_000), y, 0, 999_999, 800)

    assert len(out) == 800
    assert out.greatest.max() == 1.0
    assert np.flatnonzero(out.greatest).tolist() == [123_456 * 800 // 999_999]
    assert out.x[out.greatest > 0] <= 123_456 <= out.x_end[out.greatest > 0]
    assert out.points.sum() == 1_000_000


def test_a_small_example() -> None:
    """Every column by hand: five points in two buckets, one of them NaN."""
    out = bucketed(np.array([0, 1, 2, 8, 10]), np.array([1.0, 5.0, np.nan, -2.0, 4.0]), 0, 10, 2)

    assert out.x.tolist() == [0, 8]
    assert out.x_end.tolist() == [2, 10]
    assert (out.first.tolist(), out.last.tolist()) == ([1, -2], [5, 4])
    assert (out.least.tolist(), out.greatest.tolist()) == ([1, -2], [5, 4])
    assert (out.mean.tolist(), out.points.tolist(), out.odd.tolist()) == ([3, 1], [3, 2], [1, 0])


def test_points_outside_are_left_out() -> None:
    """Both ends of the range belong to it, and nothing beyond."""
    out = bucketed(np.arange(10), np.arange(10), 3, 6, 100)

    assert out.x.tolist() == [3, 4, 5, 6]


def test_no_points() -> None:
    """Where there is nothing, there are no buckets."""
    assert len(bucketed(np.empty(0), np.empty(0), 0, 1, 10)) == 0
    assert len(bucketed(np.array([5]), np.array([1.0]), 0, 1, 10)) == 0


@pytest.mark.parametrize(("low", "high", "count"), [(1, 0, 10), (math.nan, 1, 10), (0, math.inf, 10), (0, 1, 0)])
def test_no_range_is_an_error(low: float, high: float, count: int) -> None:
    """A range that is none, or no bucket at all, is the caller's mistake."""
    with pytest.raises(ValueError, match=r"is none|at least one"):
        bucketed(np.arange(3), np.arange(3), low, high, count)


@given(
    st.integers(1, 60).flatmap(
        lambda n: st.tuples(arrays.arrays(np.float64, n, elements=spots), arrays.arrays(np.float64, n, elements=values))
    ),
    spots,
    spots,
    st.integers(1, 20),
    st.booleans(),
)
def test_buckets_are_what_their_points_are(
    points: tuple[np.ndarray, np.ndarray], one: float, two: float, count: int, ordered: bool
) -> None:
    """For any points: each lies in one bucket, and a bucket's extremes, ends and counts are those of its points."""
    x, y = points
    x = np.sort(x) if ordered else x
    low, high = min(one, two), max(one, two)
    out = bucketed(x, y, low, high, count)
    inside = (x >= low) & (x <= high)

    assert len(out) <= count
    assert out.points.sum() == inside.sum()
    assert out.odd.sum() == (~np.isfinite(y[inside])).sum()
    finite = y[inside & np.isfinite(y)]
    if len(finite):
        assert np.nanmin(out.least) == finite.min()
        assert np.nanmax(out.greatest) == finite.max()
    has = out.points > out.odd
    assert np.isnan(out.mean[~has]).all()
    assert ((out.least[has] <= out.mean[has]) & (out.mean[has] <= out.greatest[has])).all()
    if ordered:
        left = 0
        for i in range(len(out)):
            part = np.flatnonzero(inside)[left : left + out.points[i]]
            good = y[part][np.isfinite(y[part])]
            assert (out.x[i], out.x_end[i]) == (x[part[0]], x[part[-1]])
            if len(good):
                assert (out.first[i], out.last[i]) == (good[0], good[-1])
                assert (out.least[i], out.greatest[i]) == (good.min(), good.max())
            left += out.points[i]
