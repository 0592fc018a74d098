"""Counting a distribution anew loses nothing and invents nothing, and its percentiles are TensorBoard's."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallyboard.core.errors import CorruptRecord
from tallyboard.core.kinds import Histogram
from tallyboard.core.rebin import SHARES, ascending, percentiles, rebinned

numbers = st.floats(-1e9, 1e9, width=32)
wild = st.floats(allow_nan=False, allow_infinity=False)
counts_of = st.integers(0, 1 << 40)


def distribution(draw: st.DrawFn, number: st.SearchStrategy[float]) -> tuple[np.ndarray, np.ndarray]:
    counts = draw(st.lists(counts_of, min_size=1, max_size=30))
    edges = sorted(draw(st.lists(number, min_size=len(counts) + 1, max_size=len(counts) + 1)))
    return np.array(edges), np.array(counts, np.float64)


@st.composite
def cases(draw: st.DrawFn, number: st.SearchStrategy[float]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    edges, counts = distribution(draw, number)
    some = st.sampled_from(edges.tolist()) | number  # other edges often lie on the distribution's own
    at = sorted(draw(st.lists(some, min_size=2, max_size=20, unique=True)))
    return edges, counts, np.array(at)


def overlapped(edges: np.ndarray, counts: np.ndarray, at: np.ndarray) -> list[Fraction]:
    """The definition, in rational numbers, one bucket at a time."""
    out = [Fraction(0)] * (len(at) + 1)
    bounds = [Fraction(one) for one in at.tolist()]
    for left, right, count in zip(edges[:-1].tolist(), edges[1:].tolist(), counts.tolist(), strict=True):
        low, high, held = Fraction(left), Fraction(right), Fraction(count)
        if low == high:
            place = sum(bound <= low for bound in bounds)
            out[place - 1 if low == bounds[-1] else place] += held
            continue
        inner = [min(max(bound, low), high) for bound in bounds]
        for i, (a, b) in enumerate(zip([low, *inner], [*inner, high], strict=True)):
            out[i] += held * (b - a) / (high - low)
    return out


@given(cases(numbers))
def test_each_bucket_gets_its_part(case: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    """What lies below, between and above other edges is what rational arithmetic finds bucket by bucket."""
    edges, counts, at = case
    expected = [float(one) for one in overlapped(edges, counts, at)]
    np.testing.assert_allclose(rebinned(edges, counts, at), expected, rtol=0, atol=1e-12 * max(counts.sum(), 1))


@given(cases(wild), st.randoms())
def test_no_value_is_lost(case: tuple[np.ndarray, np.ndarray, np.ndarray], random: object) -> None:
    """The sum is exactly that of the counts, added in any order, whatever the edges; nothing is negative."""
    edges, counts, at = case
    out = rebinned(edges, counts, at)
    shuffled = out.tolist()
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert sum(shuffled) == float(out.sum()) == float(counts.sum())
    assert bool((out >= 0).all())


@given(st.data())
def test_coarser_buckets_are_numpys(data: st.DataObject) -> None:
    """Of edges that the fine buckets had, the counts are those of numpy.histogram over the values themselves."""
    fine = np.array(sorted(data.draw(st.lists(st.integers(-50, 50), min_size=3, max_size=40, unique=True))), float)
    values = data.draw(st.lists(st.floats(fine[0], fine[-1]) | st.sampled_from(fine.tolist()), max_size=60))
    chosen = data.draw(st.lists(st.sampled_from(fine[1:-1].tolist()), unique=True, max_size=len(fine) - 2))
    coarse = np.array([fine[0], *sorted(chosen), fine[-1]])
    counts = np.histogram(values, fine)[0].astype(float)
    out = rebinned(fine, counts, coarse)
    assert out[1:-1].tolist() == np.histogram(values, coarse)[0].tolist()
    assert (out[0], out[-1]) == (0, 0)


def test_equal_values_stay_together() -> None:
    """A bucket without width is one number: all of it lands where that number belongs, the last edge included."""
    one = np.array([2.0, 2.0]), np.array([7.0])
    assert rebinned(*one, np.array([0.0, 1.0, 2.0])).tolist() == [0, 0, 7, 0]
    assert rebinned(*one, np.array([0.0, 2.0, 4.0])).tolist() == [0, 0, 7, 0]
    assert rebinned(*one, np.array([2.5, 3.0])).tolist() == [7, 0, 0]
    assert rebinned(np.empty(0), np.empty(0), np.array([0.0, 1.0])).tolist() == [0, 0, 0]


def test_the_widest_buckets() -> None:
    """Edges at the ends of what a float holds: torch's outermost bucket limits, in older files."""
    most = np.finfo(np.float64).max
    out = rebinned(np.array([-most, 0.0, most]), np.array([4.0, 4.0]), np.array([-most / 2, 0.0, most / 2]))
    assert out.tolist() == [2, 2, 2, 2]


@given(st.data())
def test_percentiles_are_tensorboards(data: st.DataObject) -> None:
    """The nine numbers of its page of distributions, for distributions with gaps too."""
    compressor = pytest.importorskip("tensorboard.plugins.distribution.compressor")
    held = data.draw(st.lists(st.sampled_from([0, 0, 1, 2, 5, 1000]), min_size=1, max_size=20).filter(any))
    edges = np.array(sorted(data.draw(st.lists(st.integers(-99, 99), min_size=len(held) + 1, max_size=len(held) + 1))))
    edges, counts = edges.astype(float) + np.arange(len(edges)) / 64, np.array(held, float)
    first, last = np.flatnonzero(counts)[[0, -1]]
    edges, counts = edges[first : last + 2], counts[first : last + 1]  # as what reads them has it
    rows = np.stack((edges[:-1], edges[1:], counts), axis=1).tolist()
    points = [round(share * 10_000) for share in SHARES]
    expected = np.array([value for _, value in compressor.compress_histogram(rows, points)])
    reached = np.cumsum(counts) / counts.sum()
    # where a bucket is full to the last value the next may begin far away, and rounding decides which of both it is
    sure = np.array([share in (0, 1) or np.abs(reached - share).min() > 1e-9 for share in SHARES])
    np.testing.assert_allclose(percentiles(edges, counts)[sure], expected[sure], rtol=1e-9, atol=1e-9)


def test_a_gap_between_filled_buckets_holds_no_percentile() -> None:
    """Half of the values lie from 0 to 1 and half from 2 to 3: three quarters are reached at 2.5."""
    edges, counts = np.array([0.0, 1.0, 2.0, 3.0]), np.array([1.0, 0.0, 1.0])
    assert percentiles(edges, counts, (0.25, 0.75, 1.0)).tolist() == [0.5, 2.5, 3.0]
    assert Histogram(0, 0.0, edges, counts, 0.0, 3.0, 2.0).quantile(0.75) == 2.5


def test_percentiles_of_nothing() -> None:
    """An empty distribution has none: NaN, and no error."""
    assert np.isnan(percentiles(np.empty(0), np.empty(0))).all()
    assert np.isnan(percentiles(np.array([0.0, 1.0]), np.array([0.0]))).all()


@pytest.mark.parametrize(
    ("edges", "counts", "said"),
    [
        ([0, math.nan, 2], [1, 1], "edge 1 of 3 is nan"),
        ([0, 1, math.inf], [1, 1], "edge 2 of 3 is inf"),
        ([0, 1, 2], [1, -3], "bucket 1 of 2 holds -3 values"),
        ([0, 1, 2], [math.nan, 1], "bucket 0 of 2 holds nan values"),
        ([0, 2, 1, 3], [1, 1, 1], "edges descend from 2 to 1 at bucket 1 of 3"),
        ([0, 1], [1, 1], "2 edges do not make 2 buckets"),
        ([0, 1, 2], [1e308, 1e308], "more values than a number can say"),
    ],
)
@pytest.mark.filterwarnings("ignore:overflow:RuntimeWarning")
def test_what_is_no_distribution_is_named(edges: list[float], counts: list[float], said: str) -> None:
    """Which edge or bucket is wrong, and how."""
    with pytest.raises(CorruptRecord, match=said):
        ascending(np.array(edges, float), np.array(counts, float))


def test_edges_that_were_rounded_are_mended() -> None:
    """A least value that was rounded beyond the first limit is no reason to show nothing."""
    out = ascending(np.array([1.0000001, 1.0, 2.0]), np.array([1.0, 1.0]))
    assert out.tolist() == [1.0000001, 1.0000001, 2.0]
