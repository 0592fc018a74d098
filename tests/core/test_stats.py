"""Resampling and bands are the formulas that their docstrings give."""

from __future__ import annotations

import numpy as np
import pytest

from tallyboard.core.errors import InvalidSummary
from tallyboard.core.stats import align, band_of, by_step, resample, student_t_975


def test_one_row_for_each_step() -> None:
    """Rows come in the order of steps, and of equal steps the one written last is kept."""
    step, value = by_step(np.array([3, 1, 3, 2, 1]), np.array([1.0, 2.0, 3.0, 4.0, 5.0]))
    assert step.tolist() == [1, 2, 3]
    assert value.tolist() == [5.0, 4.0, 3.0]


STEP = np.array([0, 10, 20, 40])
TIME = np.array([100.0, 101.0, 102.0, 104.0])
VALUE = np.array([0.0, 1.0, 3.0, -1.0], np.float32)
NAN = float("nan")


@pytest.mark.parametrize(
    ("how", "at", "steps", "values"),
    [
        ("linear", [-1, 0, 5, 10, 30, 41], [-1, 0, 5, 10, 30, 41], [NAN, 0, 0.5, 1, 1, NAN]),
        ("nearest", [-1, 4, 5, 6, 39, 41], [-1, 4, 5, 6, 39, 41], [NAN, 0, 0, 1, -1, NAN]),
        ("previous", [-1, 0, 9, 39, 99], [-1, 0, 9, 39, 99], [NAN, 0, 0, 3, -1]),
        ("linear", 3, [0, 20, 40], [0, 3, -1]),
        ("linear", 1, [0], [0]),
        ("mean", [0, 20, 30], [0, 20, 30], [0.5, 3, -1]),
        ("mean", [5, 25, 30], [5, 25, 30], [2, NAN, -1]),
        ("min", [0], [0], [-1]),
        ("max", [0, 40, 50], [0, 40, 50], [3, -1, NAN]),
        ("first", [5], [5], [1]),
        ("last", [0, 15], [0, 15], [1, -1]),
        ("sum", 2, [0, 20], [1, 2]),
        ("count", [0, 15, 45], [0, 15, 45], [2, 2, 0]),
        ("count", 100, list(range(41)), [1.0 if i in (0, 10, 20, 40) else 0.0 for i in range(41)]),
    ],
)
def test_resampling(how: str, at: object, steps: list[int], values: list[float]) -> None:
    """Every way of resampling, on values that can be worked out by hand."""
    step, time, value = resample(STEP, TIME, VALUE, at, how)  # type: ignore[arg-type]
    assert step.tolist() == steps
    np.testing.assert_array_equal(value, values)
    assert len(time) == len(step)


def test_resampling_keeps_the_times() -> None:
    """Between points the wall time is interpolated like the value; of a bucket it is the last point's."""
    assert resample(STEP, TIME, VALUE, [5, 30], "linear")[1].tolist() == [100.5, 103.0]
    np.testing.assert_array_equal(resample(STEP, TIME, VALUE, [0, 15, 45], "mean")[1], [101.0, 104.0, NAN])


def test_resampling_of_unordered_steps() -> None:
    """Points written out of order are put in order first; of one step the last counts where one point is wanted."""
    step, value = np.array([10, 0, 10]), np.array([1.0, 0.0, 3.0])
    assert resample(step, step * 1.0, value, [5], "linear")[2].tolist() == [1.5]
    assert resample(step, step * 1.0, value, [10], "mean")[2].tolist() == [2.0]


def test_resampling_nothing() -> None:
    """A series without points stays one."""
    assert [len(c) for c in resample(STEP[:0], TIME[:0], VALUE[:0], 5, "mean")] == [0, 0, 0]


@pytest.mark.parametrize(
    ("at", "how", "text"),
    [
        (3, "median", "how='median' is none of 'linear'"),
        (0, "mean", r"resample\(0\): expected at least 1 point"),
        ([1.5], "mean", "expected a number of points or a list of whole steps, got list"),
        ([2, 1], "mean", "the steps have to ascend"),
    ],
)
def test_wrong_resampling(at: object, how: str, text: str) -> None:
    """A wrong call says what is wanted."""
    with pytest.raises(InvalidSummary, match=text):
        resample(STEP, TIME, VALUE, at, how)  # type: ignore[arg-type]


def of(*pairs: tuple[int, float]) -> tuple[np.ndarray, np.ndarray]:
    return np.array([step for step, _ in pairs], np.int64), np.array([value for _, value in pairs], np.float64)


ONE, TWO = of((0, 0), (10, 10), (20, 20)), of((0, 2), (20, 4), (30, 9))


@pytest.mark.parametrize(
    ("steps", "grid", "mean", "count"),
    [
        ("interpolate", [0, 10, 20, 30], [1, 6.5, 12, 9], [2, 2, 2, 1]),
        ("union", [0, 10, 20, 30], [1, 10, 12, 9], [2, 1, 2, 1]),
        ("common", [0, 20], [1, 12], [2, 2]),
        ([5, 25, 99], [5, 25, 99], [3.75, 6.5, NAN], [2, 1, 0]),
    ],
)
def test_unequal_steps(steps: object, grid: list[int], mean: list[float], count: list[int]) -> None:
    """Runs that logged at different steps are put together in the way that was asked for."""
    aligned = align([ONE, TWO], steps)  # type: ignore[arg-type]
    got, _, _, number = band_of(aligned, "std")
    assert aligned.step.tolist() == grid
    np.testing.assert_array_equal(got, mean)
    assert number.tolist() == count


def test_bands_are_their_formulas() -> None:
    """Of 1, 2, 6: mean 3, s = sqrt(7), sem = s / sqrt(3), ci95 = 4.3026527... times that."""
    aligned = align([of((0, 1)), of((0, 2)), of((0, 6))])
    s = 7**0.5
    for kind, half in (("std", s), ("sem", s / 3**0.5), ("ci95", 4.302652729749462 * s / 3**0.5)):
        mean, lower, upper, _ = band_of(aligned, kind)  # type: ignore[arg-type]
        np.testing.assert_allclose([mean[0], lower[0], upper[0]], [3, 3 - half, 3 + half], rtol=1e-14)
    assert [c.tolist() for c in band_of(aligned, "minmax")] == [[3.0], [1.0], [6.0], [3]]


def test_bands_of_one_run_and_of_nan() -> None:
    """One run has no spread, which is NaN and not zero; a NaN in a run is not left out."""
    mean, lower, upper, count = band_of(align([of((0, 5))]), "std")
    assert (mean.tolist(), count.tolist()) == ([5.0], [1])
    assert np.isnan([lower[0], upper[0]]).all()
    mean, _, _, count = band_of(align([of((0, 5), (1, 1)), of((0, NAN), (1, 3))]), "sem")
    np.testing.assert_array_equal(mean, [NAN, 2])
    assert count.tolist() == [2, 2]


def test_quantiles_are_those_of_scipy() -> None:
    """The quantile of Student's distribution is right to 1e-6 for any number of runs."""
    t = pytest.importorskip("scipy.stats").t
    got = [student_t_975(n) for n in range(1, 500)]
    np.testing.assert_allclose(got, t.ppf(0.975, np.arange(1, 500)), atol=1e-6, rtol=0)
    assert got == sorted(got, reverse=True)


def test_wrong_bands() -> None:
    """An unknown band or way of putting steps together says what there is."""
    with pytest.raises(InvalidSummary, match="band='iqr' is none of 'std', 'sem', 'ci95', 'minmax'"):
        band_of(align([ONE]), "iqr")  # type: ignore[arg-type]
    with pytest.raises(InvalidSummary, match="steps='all' is none of 'interpolate', 'union', 'common'"):
        align([ONE], "all")  # type: ignore[arg-type]
