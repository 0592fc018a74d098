"""Each way to smooth is its formula, for any values, and for long series as for short ones."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallyboard.core import smoothing
from tallyboard.core.errors import InvalidSummary
from tallyboard.core.series import Series
from tallyboard.core.smoothing import Averages, Smoother, smoothed

KINDS: tuple[Smoother, ...] = get_args(Smoother)


def tensorboards(values: list[float], weight: float, _: list[float]) -> list[float]:
    """What TensorBoard's page computes, step by step."""
    out: list[float] = []
    last = 0.0
    for count, value in enumerate(values, 1):
        last = last * weight + (1 - weight) * value
        out.append(last / (1 - weight**count))
    return out


def by_distance(values: list[float], weight: float, x: list[float]) -> list[float]:
    """The time-weighted average, step by step."""
    out: list[float] = []
    far = max(x) - min(x)
    last = weights = 0.0
    for i, value in enumerate(values):
        gap = max(0.0, x[i] - x[i - 1]) if i else 0.0
        decay = min(math.sqrt(weight), 0.999) ** (gap / far * 1000) if far else 1.0
        last, weights = last * decay + value, weights * decay + 1
        out.append(last / weights)
    return out


def windows(of: Callable[[list[float]], float]) -> Callable[[list[float], float, list[float]], list[float]]:
    def smooth(values: list[float], weight: float, _: list[float]) -> list[float]:
        half = math.floor(weight / (1 - weight) + 0.5)
        return [of(values[max(0, i - half) : i + half + 1]) for i in range(len(values))]

    return smooth


def bell(values: list[float], weight: float, _: list[float]) -> list[float]:
    deviation = weight / (1 - weight) / 2
    reach = math.ceil(3 * deviation)
    out: list[float] = []
    for i in range(len(values)):
        near = range(max(0, i - reach), min(len(values), i + reach + 1))
        weights = [math.exp(-0.5 * ((j - i) / deviation) ** 2) for j in near]
        out.append(sum(w * values[j] for w, j in zip(weights, near, strict=True)) / sum(weights))
    return out


LOOPS: dict[Smoother, Callable[[list[float], float, list[float]], list[float]]] = {
    "ema": tensorboards,
    "time": by_distance,
    "mean": windows(lambda some: sum(some) / len(some)),
    "gauss": bell,
    "median": windows(lambda some: float(np.median(some))),
}


def loop(kind: Smoother, values: list[float], weight: float, x: list[float]) -> list[float]:
    """The plain loop, around what is not finite."""
    finite = [i for i, value in enumerate(values) if math.isfinite(value)]
    if not finite or all(value == values[0] for value in values):
        return values
    out = list(values)
    smooth = LOOPS[kind]([values[i] for i in finite], weight, [x[i] for i in finite])
    for i, value in zip(finite, smooth, strict=True):
        out[i] = value
    return out


number = st.floats(-1e6, 1e6)


@pytest.mark.parametrize("kind", KINDS)
@given(
    points=st.lists(
        st.tuples(number | st.sampled_from([math.nan, math.inf, -math.inf]), st.integers(-50, 1000)),
        min_size=1,
        max_size=50,
    ),
    weight=st.floats(0.01, 0.99),
    some=st.lists(st.integers(0, 49)),
)
def test_it_is_the_plain_loop(kind: Smoother, points: list[tuple[float, int]], weight: float, some: list[int]) -> None:
    """Any values at any steps, also around NaN and infinity; the values at some places are those of the whole."""
    values, x = [value for value, _ in points], [step for _, step in points]
    got = smoothed(np.array(values), weight, kind, np.array(x))
    np.testing.assert_allclose(got, loop(kind, values, weight, [float(s) for s in x]), rtol=1e-9, atol=1e-8)
    assert got.dtype == np.float64
    at = np.array([i for i in some if i < len(values)], np.int64)
    np.testing.assert_allclose(smoothed(np.array(values), weight, kind, np.array(x), at), got[at], rtol=1e-9, atol=1e-8)


@given(
    st.lists(st.floats(-1e6, 1e6) | st.just(float("nan")) | st.just(float("inf")), min_size=1, max_size=50),
    st.floats(0.01, 0.999),
)
def test_the_average_is_tensorboards(values: list[float], weight: float) -> None:
    """The average is TensorBoard's for any values, also around NaN and infinity."""
    got = smoothed(np.array(values), weight)
    np.testing.assert_allclose(got, loop("ema", values, weight, [0.0] * len(values)), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("uneven", [False, True])
def test_a_long_series_is_smoothed_as_a_short_one(kind: Smoother, uneven: bool) -> None:
    """20,000 points with one spike of 1e30 among them: what is long is done many at a time, with the same result."""
    random = np.random.default_rng(3)
    values = random.normal(size=20_001)
    values[700] = 1e30
    values[5000] = np.nan
    x = np.cumsum(random.integers(0, 5, len(values))) if uneven else np.arange(len(values))
    got = smoothed(values, 0.9, kind, x)
    expected = loop(kind, values.tolist(), 0.9, x.astype(float).tolist())
    np.testing.assert_allclose(got, expected, rtol=1e-9, atol=1e-9)


def test_tensorboards_average_by_hand() -> None:
    """With weight 0.5 the values 1, 2, 4 become 1, (0.25 + 1) / 0.75 and (0.625 + 2) / 0.875."""
    assert smoothed(np.array([1, 2, 4], np.float32), 0.5).tolist() == [1.0, 1.25 / 0.75, 2.625 / 0.875]
    assert smoothed(np.array([1, 2, 4], np.float32), 0).tolist() == [1.0, 2.0, 4.0]
    assert smoothed(np.empty(0), 0.9).tolist() == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_constant_stays_what_it_is(kind: Smoother) -> None:
    """0.1 over and over is 0.1 to the last bit, and infinities alone are left alone."""
    assert smoothed(np.array([0.1] * 50), 0.9, kind, np.arange(50)).tolist() == [0.1] * 50
    assert smoothed(np.array([np.inf, -np.inf]), 0.9, kind, np.arange(2)).tolist() == [np.inf, -np.inf]


def test_a_growing_series_goes_on_where_it_stopped() -> None:
    """In parts, whatever their lengths, TensorBoard's average is that of the whole."""
    values = np.random.default_rng(1).normal(size=30_000)
    averages = Averages(0.97)
    parts = [averages.extend(part) for part in np.split(values, [1, 2, 50, 9_000, 9_000, 25_000])]
    np.testing.assert_allclose(np.concatenate(parts), smoothed(values, 0.97), rtol=1e-12, atol=1e-12)


# The page's own smoothing has the same numbers in viewer/web/tests/smooth.test.ts.
VALUES = [3, 1, 4, 1, math.nan, 5, 9, 2, math.inf, 6, 5, 3, 5]
STEPS = [0, 1, 2, 3, 4, 6, 7, 10, 11, 12, 20, 21, 30]
NAN, INF = math.nan, math.inf
GOLDEN: list[tuple[Smoother, float, list[float]]] = [
    ("ema", 0.75, [3.0, 1.85714285714, 2.78378378378, 2.13142857143, NAN, 3.07170294494, 4.87466587467, 4.04529125872,
                   INF, 4.58833403985, 4.69960529735, 4.24934842607, 4.44528680358]),
    ("time", 0.99, [3.0, 1.91644248219, 2.72998194663, 2.18357546549, NAN, 3.14958831518,
                    4.83759973853, 3.92131879435, INF, 4.56781928015, 4.80246165133, 4.09776996169, 4.67374856833]),
    ("mean", 0.75, [2.25, 2.8, 3.83333333333, 3.57142857143, NAN, 4.0, 4.57142857143, 4.42857142857, INF, 5.0, 5.0,
                    4.2, 4.75]),
    ("gauss", 0.75, [2.41977767476, 2.50216559969, 2.83692423741, 3.53792897148, NAN, 4.43672138463, 5.01329813668,
                     5.03931603455, INF, 4.81267701685, 4.58006096011, 4.40867221887, 4.3543613391]),
    ("median", 0.75, [2.0, 3.0, 3.5, 3.0, NAN, 4.0, 5.0, 5.0, INF, 5.0, 5.0, 5.0, 5.0]),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "weight", "expected"), GOLDEN, ids=KINDS)
def test_golden_numbers(kind: Smoother, weight: float, expected: list[float]) -> None:
    """The server's lines and the page's are the same numbers; these are checked by the plain loops, too."""
    got = smoothed(np.array(VALUES), weight, kind, np.array(STEPS))
    np.testing.assert_allclose(got, expected, rtol=1e-11)
    np.testing.assert_allclose(loop(kind, list(VALUES), weight, [float(s) for s in STEPS]), expected, rtol=1e-11)


def test_series_smooth_themselves() -> None:
    """`Series.smooth` takes the kinds by name, and measures distance in steps."""
    at = np.array(STEPS)
    series = Series("run", "tag", at, at.astype(float), np.array(VALUES, np.float32))
    for kind, weight, expected in GOLDEN:
        np.testing.assert_allclose(series.smooth(weight, kind).value, expected, rtol=1e-11)
    np.testing.assert_array_equal(series.smooth(0.75).value, series.smooth(0.75, "ema").value)


@pytest.mark.parametrize("weight", [-0.1, 1, 1.5, float("nan"), "0.9", True, None])
def test_wrong_weights(weight: object) -> None:
    """A weight outside 0 to below 1 is refused."""
    with pytest.raises(InvalidSummary, match=r"smooth\(.*: the weight goes from 0 \(as it is\) to below 1"):
        smoothed(np.arange(3.0), weight)  # type: ignore[arg-type]


def test_wrong_kinds() -> None:
    """An unknown kind is refused with the known ones, and "time" without an x with what it lacks."""
    with pytest.raises(InvalidSummary, match=r"kind='sma' is none of 'ema', 'time', 'mean', 'gauss', 'median'"):
        smoothed(np.arange(3.0), 0.5, "sma")  # type: ignore[arg-type]
    with pytest.raises(InvalidSummary, match='kind="time" weighs by distance and needs x'):
        smoothed(np.arange(3.0), 0.5, "time")


def test_medians_are_looked_at_a_bounded_number_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows that do not fit together are taken one lot after the other, with the same result."""
    values = np.random.default_rng(2).normal(size=300)
    whole = {kind: smoothed(values, 0.9, kind, at=np.arange(300)) for kind in ("mean", "gauss", "median")}
    monkeypatch.setattr(smoothing, "_AT_ONCE", 100)
    for kind, expected in whole.items():
        np.testing.assert_allclose(smoothed(values, 0.9, kind, at=np.arange(300)), expected, rtol=1e-12)
