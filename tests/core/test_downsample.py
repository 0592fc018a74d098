"""Buckets have what a plain loop finds in them, and a line through what is kept looks like the line through all."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallyboard.core.downsample import MOST_BUCKETS, Buckets, bucketed
from tallyboard.core.errors import InvalidSummary


def loop(x: list[float], y: list[float], edges: list[float], high: float) -> list[list[int]]:
    """The points of each bucket that has some, as the definition says, of rising x."""
    buckets: list[list[int]] = [[] for _ in edges]
    for i, at in enumerate(x):
        if edges[0] <= at <= high:
            buckets[sum(edge <= at for edge in edges) - 1].append(i)
    return [bucket for bucket in buckets if bucket]


def described(bucket: list[int], y: list[float]) -> tuple[Any, ...]:
    finite = [i for i in bucket if math.isfinite(y[i])]
    least = min(finite, key=lambda i: (y[i], i), default=-1)
    greatest = min(finite, key=lambda i: (-y[i], i), default=-1)
    mean = math.fsum(y[i] for i in finite) / len(finite) if finite else math.nan
    return bucket[0], bucket[-1], least, greatest, len(bucket), len(bucket) - len(finite), mean


def rows(bucket: list[int], y: list[float]) -> set[int]:
    first, last, least, greatest, *_ = described(bucket, y)
    odd = [next((i for i in bucket if test(y[i])), -1) for test in (math.isnan, math.inf.__eq__, (-math.inf).__eq__)]
    return {first, last, least, greatest, *odd} - {-1}


def check(got: Buckets, buckets: list[list[int]], y: list[float]) -> None:
    """Every number of `got` is the loop's."""
    expected = [described(bucket, y) for bucket in buckets]
    columns = (got.first, got.last, got.least, got.greatest, got.points, got.odd, got.mean)
    for column, wanted in zip(columns, zip(*expected, strict=True), strict=True):
        np.testing.assert_allclose(column, wanted, rtol=1e-6, atol=1e-6)
    ends = [*got.start.tolist()[1:], len(got.row)]
    kept = [got.row[a:b].tolist() for a, b in zip(got.start.tolist(), ends, strict=True)]
    assert kept == [sorted(rows(bucket, y)) for bucket in buckets]


steps = st.integers(-1000, 1000)
values = st.floats(-1e6, 1e6, width=32) | st.sampled_from([math.nan, math.inf, -math.inf])


@given(
    points=st.lists(st.tuples(steps, values), min_size=1, max_size=60),
    low=st.integers(-1100, 1000),
    wide=st.integers(0, 2200),
    count=st.integers(1, 20),
    type_=st.sampled_from([np.int64, np.float64]),
    log=st.booleans(),
)
def test_of_rising_steps_each_bucket_is_what_a_loop_finds(
    points: list[tuple[int, float]], low: int, wide: int, count: int, type_: Any, log: bool
) -> None:
    """First, last, least, greatest, mean and the numbers of points, with a neighbour on each side of the range."""
    points = sorted(points, key=lambda point: point[0])
    x, y = [float(p[0]) for p in points], [p[1] for p in points]
    high = low + wide
    got = bucketed(np.array(x).astype(type_), np.array(y, np.float32), low, high, count, log=log, room=0)
    if log:
        a, b = (math.copysign(math.log1p(abs(end)), end) for end in (low, high))
        bent = [a + (b - a) * i / count for i in range(count)]
        edges = [float(low), *(math.copysign(math.expm1(abs(one)), one) for one in bent[1:])]
        if any(abs(edge - at) < 1e-6 for edge in edges[1:] for at in x):
            return  # on an edge to the last bit, where two ways to compute it may differ
    else:
        edges = np.linspace(low, high, count, endpoint=False).tolist()
    buckets = loop(x, y, edges, high)
    inside = [i for bucket in buckets for i in bucket]
    if not inside:
        assert len(got.row) <= 2
        return
    before, after = [min(inside) - 1], [max(inside) + 1]
    around = ([before] if before[0] >= 0 else []) + buckets + ([after] if after[0] < len(x) else [])
    check(got, around, y)


@given(st.lists(st.tuples(steps, values), min_size=1, max_size=60), st.integers(1, 5))
def test_unordered_steps_are_put_in_order(points: list[tuple[int, float]], count: int) -> None:
    """Whatever the order: either in the order written with a bucket for each visit, or sorted; no extreme is lost."""
    x, y = np.array([p[0] for p in points]), np.array([p[1] for p in points], np.float32)
    got = bucketed(x, y, int(x.min()), int(x.max()), count, room=0)
    assert got.points.sum() == len(x)
    assert got.odd.sum() == np.count_nonzero(~np.isfinite(y))
    finite = y[np.isfinite(y)]
    kept = y[got.row][np.isfinite(y[got.row])]
    if len(finite):
        assert (kept.min(), kept.max()) == (finite.min(), finite.max())
    written = bool((np.diff(got.row) > 0).all())
    assert written or bool((np.diff(x[got.row]) >= 0).all())


def test_a_spike_of_one_point_in_a_million_is_kept() -> None:
    """Up or down, wherever it is, in 4,096 points or fewer of a million; so is one NaN."""
    y = np.random.default_rng(0).normal(size=1_000_000).astype(np.float32)
    y[123_456], y[654_321], y[777_777] = 50, -50, np.nan
    got = bucketed(np.arange(1_000_000), y, 0, 999_999, 1024)
    assert {123_456, 654_321, 777_777, 0, 999_999} <= set(got.row.tolist())
    assert len(got.row) <= 4 * 1024 + 1
    assert (got.points.sum(), got.odd.sum(), got.exact) == (1_000_000, 1, False)
    bucket = int(np.searchsorted(got.first, 777_777, "right")) - 1
    inside = y[got.first[bucket] : got.last[bucket] + 1]
    assert got.mean[bucket] == pytest.approx(np.nanmean(inside, dtype=np.float64), rel=1e-6)


def test_a_restart_is_drawn_as_it_was_written() -> None:
    """Steps that go back once: points stay in the order written, and buckets passed twice are two."""
    x = np.concatenate([np.arange(60_000), np.arange(40_000, 100_000)])
    y = np.where(np.arange(120_000) < 60_000, 1.0, 2.0).astype(np.float32)
    got = bucketed(x, y, 0, 99_999, 100)
    assert (np.diff(got.row) > 0).all()
    assert len(got.start) == 120
    assert got.mean.tolist() == [1.0] * 60 + [2.0] * 60


def test_a_series_in_no_order_is_sorted() -> None:
    """A million points in a random order cost one sort, and give the buckets of the sorted series."""
    x = np.random.default_rng(1).permutation(100_000)
    got = bucketed(x, x.astype(np.float64), 0, 99_999, 100)
    assert x[got.first].tolist() == list(range(0, 100_000, 1000))
    assert x[got.greatest].tolist() == list(range(999, 100_000, 1000))


def test_few_points_are_kept_whole() -> None:
    """Up to four points for each bucket in the range, all are there, with one more on each side."""
    x, y = np.arange(1000), np.zeros(1000, np.float32)
    got = bucketed(x, y, 100, 199, 25)
    assert (got.row.tolist(), got.exact) == (list(range(99, 201)), True)
    assert not bucketed(x, y, 100, 200, 25).exact
    assert bucketed(x, y, 2000, 3000, 25).row.tolist() == [999]


def test_no_points_and_points_nowhere() -> None:
    """An empty series has nothing, and times that are NaN stand nowhere."""
    assert bucketed(np.empty(0), np.empty(0), 0, 1, 5).row.tolist() == []
    nowhere = np.array([math.nan, 1.0, math.nan, 2.0, math.inf])
    assert bucketed(nowhere, np.zeros(5), 0, 5, 1).row.tolist() == [1, 3]
    assert bucketed(np.full(9, math.nan), np.zeros(9), 0, 5, 1).row.tolist() == []


def test_steps_at_the_ends_of_what_they_can_be() -> None:
    """int64's own ends are a range like any other."""
    x = np.array([-(2**63), -1, 0, 1, 2**63 - 1])
    got = bucketed(x, np.arange(5.0), float(x[0]), float(x[-1]), 2, room=0)
    assert (got.first.tolist(), got.last.tolist()) == ([0, 2], [1, 4])


@pytest.mark.parametrize("count", [0, -1, MOST_BUCKETS + 1])
def test_a_wrong_count_is_refused(count: int) -> None:
    """With the bounds in the sentence."""
    with pytest.raises(InvalidSummary, match=f"count={count} is not from 1 to 8,192"):
        bucketed(np.arange(3), np.zeros(3), 0, 2, count)


@pytest.mark.parametrize(("low", "high"), [(1, 0), (math.nan, 1), (0, math.inf)])
def test_a_wrong_range_is_refused(low: float, high: float) -> None:
    """Ends in the wrong order, or not finite."""
    with pytest.raises(InvalidSummary, match="is no range"):
        bucketed(np.arange(3), np.zeros(3), low, high, 1)
