"""How much each column tells of a number: permutation importance in a forest of random trees.

Bagged trees with random cuts (Breiman 2001, "Random Forests"; Geurts, Ernst and Wehenkel 2006, "Extremely randomized
trees"): each tree grows on a bootstrap sample; at every node each column is cut once at random between the least and
the greatest value there, and the cut that leaves the least variance is taken. Numbers are cut by their ranks, so that a
logarithm changes nothing; the categories of a column stand in another random order in each tree.

A row is predicted by those trees that have not seen it ("out of bag"), and R² is of these predictions. A column's
importance is how much of R² is lost when its values are shuffled among the rows.

All trees grow together, level by level, in arrays over (tree, row): numpy alone is fast enough so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from .associations import Column

__all__ = ["Importance", "importance"]

_LEAF: Final = 2  # rows of its sample that a leaf has at least
_DEPTH: Final = 24

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Importance:
    """What a forest found.

    Attributes:
        r2: the share of the target's variance that out-of-bag predictions explain; below 0 where they are worse than
            the mean.
        of: for each column how much of `r2` is lost when it is shuffled.
    """

    r2: float
    of: tuple[float, ...]


def importance(columns: Sequence[Column], target: Floats, *, trees: int = 100, seed: int = 0) -> Importance:
    """Grow a forest and shuffle one column after the other.

    Args:
        columns: what the target is predicted from; a missing value counts as one below all others, or as a category.
        target: float64, a row each, all finite and not all equal.
        trees: how many.
        seed: of all chance in it: the same table gives the same answer.
    """
    random = np.random.default_rng(seed)
    scaled = target / (np.abs(target).max() or 1.0)  # squares of very large or small numbers leave the range of float64
    scaled = (scaled - scaled.mean()) / (scaled.std() or 1.0)
    forest = _Forest(columns, len(target), trees, random)
    forest.grow(scaled, random)
    everything = forest.explained(scaled, None, random)
    lost = [everything - forest.explained(scaled, j, random) for j in range(len(columns))]
    return Importance(everything, tuple(lost))


class _Forest:
    """Trees as columns: of each node what is cut, where, and which node is on its left; the right one comes next."""

    def __init__(self, columns: Sequence[Column], rows: int, trees: int, random: np.random.Generator) -> None:
        self.trees = trees
        codes = [_codes(each) for each in columns]
        self.code = np.array([code for code, _ in codes], np.int64).reshape(len(columns), rows)
        levels = np.array([count for _, count in codes], np.int64)
        self.offset = np.concatenate([[0], np.cumsum(levels)[:-1]]).astype(np.int64)
        self.place = np.empty((trees, int(levels.sum())), np.int32)
        for each, at, count in zip(columns, self.offset.tolist(), levels.tolist(), strict=True):
            self.place[:, at : at + count] = np.arange(count)
            if not each.numeric:
                random.permuted(self.place[:, at : at + count], axis=1, out=self.place[:, at : at + count])
        drawn = random.integers(0, rows, (trees, rows)) + np.arange(trees)[:, None] * rows
        self.weight = np.bincount(drawn.ravel(), minlength=trees * rows).reshape(trees, rows)
        self.cut_of = np.full(trees, -1, np.int64)
        self.cut_at = np.zeros(trees, np.int64)
        self.left = np.zeros(trees, np.int64)
        self.value = np.zeros(trees)

    def grow(self, target: Floats, random: np.random.Generator) -> None:
        """Cuts all nodes of a level, then those of the next."""
        tree, row = np.nonzero(self.weight)
        node = tree.copy()
        for _ in range(_DEPTH):
            order = np.argsort(node, kind="stable")
            tree, row, node = tree[order], row[order], node[order]
            starts = np.flatnonzero(np.diff(node, prepend=-1))
            weight = self.weight[tree, row].astype(np.float64)
            level = _Level(node[starts], starts, weight, weight * target[row])
            self.value[level.ids] = level.means
            self._choose(level, tree, row, random)
            inner = self.cut_of[node] >= 0
            tree, row, node = tree[inner], row[inner], node[inner]
            if len(node) == 0:
                return
            node = self._below(node, tree, row)
        self._end(node, tree, row, target)

    def _choose(self, level: _Level, tree: Ints, row: Ints, random: np.random.Generator) -> None:
        """The best of one random cut of each column, for every node of a level; nodes that have one get children."""
        best = np.full(len(level.ids), 1e-12)
        for j in range(len(self.code)):
            place = self.place[tree, self.offset[j] + self.code[j, row]].astype(np.int64)
            lo, hi = np.minimum.reduceat(place, level.starts), np.maximum.reduceat(place, level.starts)
            cut = lo + (random.random(len(lo)) * (hi - lo)).astype(np.int64)
            gain = level.gain(place <= np.repeat(cut, level.counts))
            better = (hi > lo) & (gain > best)
            best[better] = gain[better]
            self.cut_of[level.ids[better]] = j
            self.cut_at[level.ids[better]] = cut[better]
        inner = level.ids[self.cut_of[level.ids] >= 0]
        first = len(self.value)
        self.left[inner] = first + 2 * np.arange(len(inner))
        more = 2 * len(inner)
        self.cut_of = np.concatenate([self.cut_of, np.full(more, -1, np.int64)])
        self.cut_at = np.concatenate([self.cut_at, np.zeros(more, np.int64)])
        self.left = np.concatenate([self.left, np.zeros(more, np.int64)])
        self.value = np.concatenate([self.value, np.zeros(more)])

    def _end(self, node: Ints, tree: Ints, row: Ints, target: Floats) -> None:
        """What is left at the greatest depth are leaves."""
        weight = self.weight[tree, row]
        total = np.bincount(node, weights=weight, minlength=len(self.value))
        sums = np.bincount(node, weights=weight * target[row], minlength=len(self.value))
        there = total > 0
        self.value[there] = sums[there] / total[there]

    def _below(self, node: Ints, tree: Ints, row: Ints) -> Ints:
        """The child that each row falls to."""
        cut_of = self.cut_of[node]
        place = self.place[tree, self.offset[cut_of] + self.code[cut_of, row]]
        return self.left[node] + (place > self.cut_at[node])

    def explained(self, target: Floats, shuffled: int | None, random: np.random.Generator) -> float:
        """R² out of bag, with one column shuffled, in each tree anew, or none."""
        tree, row = np.nonzero(self.weight == 0)
        other = np.argsort(random.random(self.weight.shape), axis=1)[tree, row] if shuffled is not None else row
        node = tree.copy()
        on = np.arange(len(node))
        while len(on):
            on = on[self.cut_of[node[on]] >= 0]
            seen = row[on] if shuffled is None else np.where(self.cut_of[node[on]] == shuffled, other[on], row[on])
            node[on] = self._below(node[on], tree[on], seen)
        count = np.bincount(row, minlength=len(target))
        sums = np.bincount(row, weights=self.value[node], minlength=len(target))
        there = count > 0
        kept = target[there]
        spread = float(((kept - kept.mean()) ** 2).sum())
        missed = float(((kept - sums[there] / count[there]) ** 2).sum())
        return 1.0 - missed / spread if spread > 0 else 0.0


class _Level:
    """The nodes of one level; rows are sorted by them."""

    def __init__(self, ids: Ints, starts: Ints, weight: Floats, sums: Floats) -> None:
        self.ids = ids
        self.starts = starts
        self.counts = np.diff(starts, append=len(weight))
        self.weight = weight
        self.sums = sums
        self.total = np.add.reduceat(weight, starts)
        self.whole = np.add.reduceat(sums, starts)
        self.means = self.whole / self.total

    def gain(self, is_left: NDArray[np.bool_]) -> Floats:
        """How much less variance a cut leaves, times the rows; 0 where a side would be too small."""
        weight = np.add.reduceat(np.where(is_left, self.weight, 0.0), self.starts)
        sums = np.add.reduceat(np.where(is_left, self.sums, 0.0), self.starts)
        rest = self.total - weight
        fits = (weight >= _LEAF) & (rest >= _LEAF)
        weight, rest = np.where(fits, weight, 1.0), np.where(fits, rest, 1.0)
        gain = sums**2 / weight + (self.whole - sums) ** 2 / rest - self.whole**2 / self.total
        return np.where(fits, gain, 0.0)


def _codes(column: Column) -> tuple[Ints, int]:
    """Dense ranks of a column's values, and how many there are; what is missing is below all."""
    missing = np.isnan(column.values)
    values, code = np.unique(np.where(missing, -np.inf, column.values), return_inverse=True)
    return code.astype(np.int64), len(values)
