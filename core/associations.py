"""How two columns of a table go together: numbers with numbers, numbers with categories, categories with categories.

Pearson, K. (1895): the product-moment correlation; Spearman, C. (1904): the same of ranks, ties having their mean rank;
Pearson, K. (1905): the correlation ratio; Cramér, H. (1946): V, from the chi-square of a table of counts.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Column", "column", "correlation_ratio", "cramers_v", "pearson", "ranks", "spearman"]

Floats = NDArray[np.float64]
Plain = bool | int | float | str | None


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table.

    Attributes:
        name: what it is called.
        numeric: whether its values are numbers, else they are categories.
        values: float64, a row each; of categories their numbers in `labels`. NaN where a row has none.
        labels: the categories, sorted; empty for numbers.
    """

    name: str
    numeric: bool
    values: Floats
    labels: tuple[str, ...] = ()

    @property
    def distinct(self) -> int:
        """How many different values there are."""
        return len(np.unique(self.values[~np.isnan(self.values)]))


def column(name: str, values: Sequence[Plain]) -> Column:
    """Make a column of numbers, where all values are (True is 1), or else of categories.

    Args:
        name: what it is called.
        values: one for each row; None, NaN and infinities are no value. Among texts, a number is the text of it.
    """
    finite = [None if isinstance(value, float) and not math.isfinite(value) else value for value in values]
    if not any(isinstance(value, str) for value in finite):
        numbers = [math.nan if value is None else _number(value) for value in finite]
        return Column(name, True, np.array(numbers, np.float64))
    texts = [None if value is None else value if isinstance(value, str) else _text(value) for value in finite]
    labels = tuple(sorted({text for text in texts if text is not None}))
    code = {label: float(i) for i, label in enumerate(labels)}
    return Column(name, False, np.array([math.nan if text is None else code[text] for text in texts]), labels)


def _number(value: Plain) -> float:
    try:
        return float(value)  # type: ignore[arg-type]  # the caller keeps texts out
    except OverflowError:
        return math.nan


def _text(value: bool | float) -> str:
    return str(value).lower() if isinstance(value, bool) else f"{value:.15g}"


def pearson(x: Floats, y: Floats) -> float:
    """The correlation of two columns of the same rows, -1 to 1; NaN where it has none.

    It has none for fewer than two rows, and where either column has the same value throughout.
    """
    if len(x) < 2 or (x == x[0]).all() or (y == y[0]).all():
        return math.nan
    # scaled first: squares of very large or small numbers leave the range of float64
    x, y = x / np.abs(x).max(), y / np.abs(y).max()
    x, y = x - x.mean(), y - y.mean()
    root = math.sqrt(float(x @ x)) * math.sqrt(float(y @ y))
    return math.nan if root == 0 else max(-1.0, min(1.0, float(x @ y) / root))


def ranks(values: Floats) -> Floats:
    """The rank of each value, from 1; equal values have the mean of theirs."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return ((2 * last - counts + 1) / 2)[inverse]


def spearman(x: Floats, y: Floats) -> float:
    """The correlation of the ranks of two columns, -1 to 1; NaN as for `pearson`."""
    return pearson(ranks(x), ranks(y))


def correlation_ratio(codes: Floats, y: Floats) -> float:
    """Eta: the root of the share of a column's variance that lies between categories, 0 to 1.

    Args:
        codes: the category of each row.
        y: numbers of the same rows.

    Returns:
        NaN where there is one category or one number only, and where each row has a category of its own: then it
        would be 1 whatever the numbers are.
    """
    _, which = np.unique(codes, return_inverse=True)
    count = np.bincount(which) if len(which) else np.empty(0, np.int64)
    if len(count) < 2 or len(count) == len(y) or (y == y[0]).all():
        return math.nan
    y = y / np.abs(y).max()
    y = y - y.mean()
    means = np.bincount(which, weights=y) / count
    total = float(y @ y)
    return math.nan if total == 0 else math.sqrt(min(1.0, float(count @ means**2) / total))


def cramers_v(x: Floats, y: Floats) -> float:
    """Cramér's V of two columns of categories, 0 to 1, without a correction for bias; NaN where either has only one."""
    _, i = np.unique(x, return_inverse=True)
    _, j = np.unique(y, return_inverse=True)
    rows, columns = int(i.max(initial=-1)) + 1, int(j.max(initial=-1)) + 1
    if min(rows, columns) < 2:
        return math.nan
    seen = np.bincount(i * columns + j, minlength=rows * columns).reshape(rows, columns)
    expected = np.outer(seen.sum(1), seen.sum(0)) / len(x)
    chi_square = float(((seen - expected) ** 2 / expected).sum())
    return math.sqrt(min(1.0, chi_square / (len(x) * (min(rows, columns) - 1))))
