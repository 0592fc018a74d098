"""Principal components, and nearest neighbours.

Components are exact up to `EXACT` dimensions or rows (eigenvectors of the covariance, or of the rows' products where
there are fewer rows than dimensions), and found by a randomised range beyond (Halko, Martinsson, Tropp: Finding
Structure with Randomness, SIAM Review 53, 2011, algorithms 4.4 and 5.1).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

__all__ = ["EXACT", "Components", "Metric", "centred", "components", "nearest", "sphered"]

EXACT = 2_000
"""Dimensions, or rows, up to which components are exact: a covariance of 32 MB."""

_AT_ONCE = 1 << 22
"""Numbers of a tensor that are worked on at once."""

_MORE = 10  # random directions beyond those wanted
_ROUNDS = 4

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
Metric = Literal["cosine", "euclidean"]


@dataclass(frozen=True, slots=True)
class Components:
    """Points along their principal components.

    Attributes:
        points: float32 of shape [rows, k], NaN where a row has a NaN or an infinity; k is at most what there is.
        fractions: float64 of shape [k], of the variance.
        left_out: rows without a place.
    """

    points: F32
    fractions: F64
    left_out: int


def components(array: F32, count: int, sphereize: bool = False) -> Components:
    """Points along the principal components; of each component, the direction of its greatest entry is positive.

    Args:
        array: float32 of shape [rows, columns].
        count: of components, at least 1.
        sphereize: whether rows are moved to a sphere before, as `sphered` does.
    """
    finite = np.isfinite(array).all(axis=1)
    whole = bool(finite.all())
    rows, unit = _centred(array if whole else array[finite])
    if sphereize:
        rows, unit = _centred(_of_length_one(rows))
    count = min(count, *rows.shape)
    places, fractions = _places(rows, count) if count else (np.zeros((len(rows), 0), np.float32), np.zeros(0))
    with np.errstate(over="ignore"):
        places *= np.float32(min(unit, 3e38))
    points = places if whole else np.full((len(array), count), np.nan, np.float32)
    if not whole:
        points[finite] = places
    return Components(points, fractions, int(len(array) - finite.sum()))


def sphered(rows: F32) -> F32:
    """Rows less their mean, each then of length 1: what TensorBoard calls to sphereize the data."""
    return _of_length_one(centred(rows))


def centred(rows: F32) -> F32:
    """Rows less their mean, none of their numbers beyond 1: what is far away keeps its digits, what is great its
    square."""
    return _centred(rows)[0]


def _centred(rows: F32) -> tuple[F32, float]:
    """The same, and what they were divided by."""
    if not len(rows):
        return rows, 1.0
    mean = rows.mean(axis=0, dtype=np.float64)
    greatest = max(float(np.abs(rows).max()), float(np.abs(mean).max()), 1e-38)
    out = np.empty_like(rows)
    for part in _parts(rows):
        out[part] = rows[part].astype(np.float64) / greatest - mean / greatest
    spread = float(np.abs(out).max(initial=0))
    if spread:
        out /= np.float32(spread)
    return out, greatest * (spread or 1.0)


def _of_length_one(rows: F32) -> F32:
    lengths = np.sqrt(np.einsum("ij,ij->i", rows, rows, dtype=np.float64))
    return (rows / np.where(lengths > 0, lengths, 1.0)[:, None]).astype(np.float32)


def _places(rows: F32, count: int) -> tuple[F32, F64]:
    """Places along `count` components of rows whose mean is 0, and their fractions of the variance."""
    total = sum(float(np.einsum("ij,ij->", rows[part], rows[part], dtype=np.float64)) for part in _parts(rows))
    if not total:
        return np.zeros((len(rows), count), np.float32), np.zeros(count)
    if min(rows.shape) > EXACT:
        directions, values = _by_chance(rows, count)
    elif rows.shape[1] <= rows.shape[0]:
        values, vectors = np.linalg.eigh(_products(rows))
        directions, values = vectors[:, ::-1][:, :count], values[::-1][:count]
    else:
        values, vectors = np.linalg.eigh(rows.astype(np.float64) @ rows.T)
        values, vectors = values[::-1][:count], vectors[:, ::-1][:, :count]
        directions = rows.T @ vectors / np.sqrt(np.maximum(values, 1e-30 * total))
    signs = np.sign(directions[np.abs(directions).argmax(axis=0), np.arange(count)])
    directions = (directions * np.where(signs, signs, 1.0)).astype(np.float32)
    return rows @ directions, np.clip(values / total, 0.0, 1.0)


def _products(rows: F32) -> F64:
    """The sum of all rows' products with themselves, float64 of shape [columns, columns]."""
    found = np.zeros((rows.shape[1], rows.shape[1]))
    for part in _parts(rows):
        found += rows[part].T @ rows[part]
    return found


def _by_chance(rows: F32, count: int) -> tuple[F64, NDArray[np.float64]]:
    """Directions and sums of squares along them, of the greatest `count`."""
    wanted = min(count + _MORE, *rows.shape)
    found = rows.T @ (rows @ np.random.default_rng(0).standard_normal((rows.shape[1], wanted), np.float32))
    for _ in range(_ROUNDS):
        basis = np.linalg.qr(found)[0]
        found = rows.T @ (rows @ basis)
    basis = np.linalg.qr(found)[0].astype(np.float32)
    seen = rows @ basis
    values, turned = np.linalg.eigh(_products(seen))
    return basis.astype(np.float64) @ turned[:, ::-1][:, :count], values[::-1][:count]


def nearest(array: F32, row: int, count: int, metric: Metric) -> tuple[NDArray[np.int64], F64]:
    """The rows nearest to a row, the nearest first, and their distances; ties by number.

    Args:
        array: float32 of shape [rows, columns]. Rows with a NaN or an infinity are near to none.
        row: which; it is not its own neighbour.
        count: of neighbours, at most.
        metric: `cosine` is 1 less the cosine of the angle, of which a row of zeros has none; or `euclidean`.
    """
    one = array[row].astype(np.float64)
    far = np.empty(len(array))
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        for part in _parts(array):
            rows = array[part].astype(np.float64)
            if metric == "euclidean":
                rows -= one
                far[part] = np.sqrt(np.einsum("ij,ij->i", rows, rows))
            else:
                lengths = np.sqrt(np.einsum("ij,ij->i", rows, rows) * (one @ one))
                far[part] = 1.0 - np.clip(rows @ one / lengths, -1.0, 1.0)
    far[row] = np.nan
    far[~np.isfinite(far)] = np.inf
    there = int(np.isfinite(far).sum())
    count = min(count, there)
    if count == 0:
        return np.zeros(0, np.int64), np.zeros(0)
    bound = np.partition(far, count - 1)[count - 1]
    near = np.flatnonzero(far <= bound)
    near = near[np.argsort(far[near], kind="stable")][:count]
    return near, far[near]


def _parts(rows: F32) -> list[slice]:
    """Some rows after the others, so that no copy of all is made."""
    step = max(1, _AT_ONCE // max(1, rows.shape[1]))
    return [slice(at, at + step) for at in range(0, len(rows), step)]
