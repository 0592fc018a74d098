"""Correlations and importance are what SciPy and scikit-learn say of the same tables."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from tallyboard.core.associations import column, correlation_ratio, cramers_v, pearson, ranks, spearman
from tallyboard.core.forest import importance

Floats = NDArray[np.float64]


def tables(count: int = 30) -> list[tuple[Floats, Floats]]:
    """Pairs of columns of many sizes, with ties in half of them."""
    random = np.random.default_rng(0)
    found: list[tuple[Floats, Floats]] = []
    for i in range(count):
        x, y = random.normal(size=(2, 3 + 7 * i)) * 10.0 ** random.integers(-6, 6)
        found.append((x, np.round(y + x, 1)) if i % 2 else (np.round(x, 1), np.round(y)))
    return found


def test_pearson_and_spearman_are_scipys() -> None:
    """To twelve digits, ties and all."""
    stats = pytest.importorskip("scipy.stats")
    for x, y in tables():
        if len(set(x)) > 1 and len(set(y)) > 1:
            assert pearson(x, y) == pytest.approx(stats.pearsonr(x, y).statistic, abs=1e-12)
            assert spearman(x, y) == pytest.approx(stats.spearmanr(x, y).statistic, abs=1e-12)
        np.testing.assert_array_equal(ranks(x), stats.rankdata(x))


def test_cramers_v_is_scipys() -> None:
    """V of two columns of categories is that of their table of counts."""
    stats = pytest.importorskip("scipy.stats")
    random = np.random.default_rng(1)
    for rows in (5, 40, 300):
        x, y = random.integers(0, 3, rows).astype(float), random.integers(0, 4, rows).astype(float)
        y = np.where(random.random(rows) < 0.5, x, y)
        counts = stats.contingency.crosstab(x, y).count
        assert cramers_v(x, y) == pytest.approx(stats.contingency.association(counts, method="cramer"), abs=1e-12)


def test_the_correlation_ratio_follows_from_f() -> None:
    """Eta squared is what the F of an analysis of variance says: F (k-1) / (F (k-1) + n-k)."""
    stats = pytest.importorskip("scipy.stats")
    random = np.random.default_rng(2)
    for rows in (6, 50, 400):
        codes = np.arange(rows) % 3
        y = random.normal(size=rows) + codes * 0.7
        f = stats.f_oneway(*(y[codes == code] for code in range(3))).statistic
        expected = math.sqrt(f * 2 / (f * 2 + rows - 3))
        assert correlation_ratio(codes.astype(float), y) == pytest.approx(expected, abs=1e-12)


def test_what_has_no_correlation_has_none() -> None:
    """One row, one value, one category, or a category for each row: NaN, and no warning."""
    one, two, same = np.array([1.0]), np.array([1.0, 2.0]), np.array([3.0, 3.0])
    nothing = np.empty(0)
    for x, y in ((nothing, nothing), (one, one), (two, same), (same, two), (same, same)):
        assert math.isnan(pearson(x, y))
        assert math.isnan(spearman(x, y))
        assert math.isnan(cramers_v(x, y)) or x is y is two
        assert math.isnan(correlation_ratio(x, y))
    assert math.isnan(correlation_ratio(two, two))
    assert pearson(two * 1e300, two * 1e-300) == pytest.approx(1.0)


def test_columns_are_numbers_or_categories() -> None:
    """Flags count as numbers; one text makes a column one of categories; what is not finite is no value."""
    numbers = column("a", [1, 2.5, True, None, math.inf, 10**400])
    np.testing.assert_array_equal(numbers.values, [1.0, 2.5, 1.0, math.nan, math.nan, math.nan])
    assert numbers.numeric
    assert numbers.distinct == 2
    mixed = column("b", ["x", 2.0, True, None, "x"])
    assert (mixed.numeric, mixed.labels) == (False, ("2", "true", "x"))
    np.testing.assert_array_equal(mixed.values, [2.0, 0.0, 1.0, math.nan, 2.0])


def made(rows: int) -> tuple[Floats, list[str], Floats]:
    """Six columns of which two tell, one of categories that tells, and the target."""
    random = np.random.default_rng(3)
    table = random.random((rows, 6))
    words = [str(word) for word in random.choice(["adam", "sgd", "lion"], rows)]
    target = 3 * table[:, 0] + np.sin(6 * table[:, 3]) + 1.5 * (np.array(words) == "sgd")
    return table, words, target + 0.1 * random.normal(size=rows)


def test_importance_is_of_what_the_target_was_made_of() -> None:
    """The columns that made the target lead by far, and R² is near that of scikit-learn's forest of the same kind."""
    ensemble = pytest.importorskip("sklearn.ensemble")
    table, words, target = made(300)
    columns = [column(f"x{i}", table[:, i].tolist()) for i in range(6)] + [column("opt", words)]
    found = importance(columns, target)

    told = [i for i, share in enumerate(found.of) if share > 0.05]
    assert told == [0, 3, 6]
    assert found.of[0] == max(found.of)
    beside = ensemble.ExtraTreesRegressor(100, bootstrap=True, oob_score=True, min_samples_leaf=2, random_state=0)
    hot = np.column_stack([table, *(np.array(words) == word for word in ("adam", "sgd", "lion"))])
    beside.fit(hot, target)
    assert found.r2 == pytest.approx(beside.oob_score_, abs=0.05)
    assert importance(columns, target) == found


def test_importance_knows_when_there_is_nothing() -> None:
    """Of noise nothing is explained; a logarithm or a huge factor changes nothing; gaps are values of their own."""
    random = np.random.default_rng(4)
    noise = [column(f"x{i}", random.random(200).tolist()) for i in range(4)]
    assert importance(noise, random.random(200)).r2 < 0.05

    table, _, target = made(200)
    plain = importance([column("a", table[:, 0].tolist()), noise[0]], target)
    bent = importance([column("a", np.exp(9 * table[:, 0]).tolist()), noise[0]], target * 2.0**900)
    assert bent.of == pytest.approx(plain.of)

    gaps = [None if value > 1 else value for value in (target - target.mean()).tolist()]
    assert importance([column("gaps", gaps), noise[0]], (target > target.mean() + 1).astype(float)).r2 > 0.9
