"""t-SNE, in a process of its own: `main` reads a question from stdin, and writes points to stdout as they move.

L. van der Maaten, G. Hinton: Visualizing Data using t-SNE, JMLR 9, 2008, with the neighbours of each point alone (exact
ones, three times as many as the perplexity), early exaggeration by 12, gains and momentum, and begun at the principal
components (D. Kobak, P. Berens: The art of using t-SNE, Nature Communications 10, 2019). What pushes all points apart
is summed exactly up to `EXACT` points and in space, and in the plane beyond that by a grid and its Fourier transform
(as G. Linderman et al.: Fast interpolation-based t-SNE, Nature Methods 16, 2019, but with the splines of U. Essmann et
al.: A smooth particle mesh Ewald method, J. Chem. Phys. 103, 1995).
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from .projector_reduce import centred, components, sphered

__all__ = ["Affinities", "Settings", "affinities", "begun", "descent", "main", "perplexity_within"]

EXACT = 2_500
EXAGGERATION = 12.0
EXAGGERATED = 250
PAUSE = 0.2
"""Least seconds between two pictures of how the points lie."""

_APART = 0.35
"""What two nodes of the grid are apart; the kernel is 1 wide."""

_FEWEST = 128  # nodes along the points
_MARGIN = 4  # nodes beyond them
_BLOCK = 1 << 21

F32 = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Settings:
    """How points are laid out.

    Attributes:
        dimensions: 2 or 3.
        perplexity: how many neighbours a point has, roughly; lowered to a third of the points where there are few.
        learning_rate: as scikit-learn counts it; 0 for a 48th of the number of points, and at least 50.
        iterations: of the descent, the exaggerated ones among them.
        seed: of the noise that tells equal points apart.
        sphereize: whether rows are moved to a sphere before.
    """

    dimensions: int = 2
    perplexity: float = 30.0
    learning_rate: float = 0.0
    iterations: int = 750
    seed: int = 0
    sphereize: bool = False


@dataclass(frozen=True, slots=True)
class Affinities:
    """How near points are to each other: symmetric, of sum 1, sparse, sorted by row.

    Attributes:
        row, column: int64 of shape [pairs].
        value: float32 of shape [pairs].
        start: int64 of shape [points], where each row begins.
    """

    row: NDArray[np.int64]
    column: NDArray[np.int64]
    value: F32
    start: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Step:
    """Where points lie after an iteration, float32 of shape [points, dimensions], and how far from what is wanted."""

    iteration: int
    kl: float
    points: F32


def perplexity_within(perplexity: float, points: int) -> float:
    """The perplexity that is used for so many points: each has to have three times as many neighbours."""
    return max(1.0, min(perplexity, (points - 1) / 3))


def affinities(rows: F32, perplexity: float) -> Affinities:
    """Affinities of rows, each with so many neighbours as the perplexity says.

    Args:
        rows: float32 of shape [points, columns], finite; at least 4 points.
        perplexity: as `perplexity_within` gives it.
    """
    count = len(rows)
    near, square = _neighbours(rows, min(count - 1, int(3 * perplexity)))
    square -= square[:, :1]
    scale = square.mean(axis=1, keepdims=True)
    square /= np.where(scale > 0, scale, 1.0)
    share = _conditional(square, np.log(perplexity))
    here = np.repeat(np.arange(count), near.shape[1])
    there = near.ravel().astype(np.int64)
    key = np.concatenate((here * count + there, there * count + here))
    order = np.argsort(key, kind="stable")
    key = key[order]
    first = np.flatnonzero(np.concatenate(([True], key[1:] != key[:-1])))
    value = np.add.reduceat(np.concatenate((share.ravel(), share.ravel()))[order], first) / (2 * count)
    row, column = np.divmod(key[first], count)
    return Affinities(row, column, value.astype(np.float32), np.searchsorted(row, np.arange(count)))


def _neighbours(rows: F32, count: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The nearest rows of each and the squares of their distances, the nearest first; no row is its own neighbour."""
    total = len(rows)
    squares = np.einsum("ij,ij->i", rows, rows)
    near = np.empty((total, count), np.int64)
    far = np.empty((total, count))
    step = max(1, _BLOCK // total)
    for at in range(0, total, step):
        part = np.arange(at, min(at + step, total))
        found = squares - 2 * (rows[part] @ rows.T)
        found[np.arange(len(part)), part] = np.inf
        chosen = np.argpartition(found, count - 1, axis=1)[:, :count]
        apart = rows[part][:, None] - rows[chosen] if count * rows.shape[1] < 1 << 16 else None
        if apart is None:
            exact = np.maximum(np.take_along_axis(found, chosen, 1) + squares[part][:, None], 0).astype(np.float64)
        else:  # near rows' squares alone would cancel out
            exact = np.einsum("ijk,ijk->ij", apart, apart).astype(np.float64)
        order = np.argsort(exact, axis=1, kind="stable")
        near[part] = np.take_along_axis(chosen, order, 1)
        far[part] = np.take_along_axis(exact, order, 1)
    return near, far


def _conditional(square: NDArray[np.float64], entropy: float) -> NDArray[np.float64]:
    """For each row the shares of its neighbours whose entropy is the one wanted, by halving."""
    low, high = np.zeros(len(square)), np.full(len(square), np.inf)
    beta = np.ones(len(square))
    share = np.empty_like(square)
    for _ in range(64):
        np.exp(-square * beta[:, None], out=share)
        total = share.sum(axis=1)
        found = np.log(total) + beta * (square * share).sum(axis=1) / total
        wide = found > entropy
        low, high = np.where(wide, beta, low), np.where(wide, high, beta)
        if bool((np.abs(found - entropy) < 1e-5).all()):
            break
        beta = np.where(np.isinf(high), np.minimum(beta * 2, 1e30), (low + high) / 2)
    return share / share.sum(axis=1, keepdims=True)


class _Pull:
    """What draws neighbours together."""

    def __init__(self, near: Affinities, dimensions: int) -> None:
        self._near = near
        self._dimensions = dimensions
        self._own = float((near.value * np.log(np.maximum(near.value, 1e-30))).sum(dtype=np.float64))

    def __call__(self, points: F32, exaggeration: float) -> tuple[F32, F32]:
        """The pull on each point, and 1 and the squared distance of each pair."""
        near = self._near
        apart = [np.take(points[:, d], near.row) - np.take(points[:, d], near.column) for d in range(self._dimensions)]
        square = np.ones_like(near.value)
        for each in apart:
            square += each * each
        weight = near.value / square
        if exaggeration != 1.0:
            weight *= np.float32(exaggeration)
        pull = np.stack([np.add.reduceat(weight * each, near.start) for each in apart], axis=1)
        return pull, square

    def divergence(self, square: F32, total: float) -> float:
        """Kullback and Leibler's, of where the points lie from what is wanted."""
        log = float((self._near.value * np.log(square)).sum(dtype=np.float64))
        return self._own + log + float(np.log(total))


def _pushed(points: F32) -> tuple[F32, float]:
    """What pushes each point away from all others, before it is divided by the second: the sum over all pairs."""
    count, dimensions = points.shape
    push = np.empty_like(points)
    total = 0.0
    squares = np.einsum("ij,ij->i", points, points) + np.float32(0.5)
    ours = np.concatenate((points * np.float32(-2), np.ones((count, 1), np.float32), squares[:, None]), axis=1)
    theirs = np.concatenate((points, squares[:, None], np.ones((count, 1), np.float32)), axis=1).T.copy()
    with_one = np.concatenate((points, np.ones((count, 1), np.float32)), axis=1)
    step = max(1, _BLOCK // count)
    for at in range(0, count, step):
        kernel = ours[at : at + step] @ theirs
        np.maximum(kernel, 1, out=kernel)
        np.reciprocal(kernel, out=kernel)
        total += float(kernel.sum(dtype=np.float64))
        np.multiply(kernel, kernel, out=kernel)
        sums = kernel @ with_one
        push[at : at + step] = points[at : at + step] * sums[:, dimensions:] - sums[:, :dimensions]
    return push, total - count


class _Grid:
    """The same in the plane, by way of a grid: each point's charge is spread over 16 nodes by cubic B-splines, and
    what the grid has is read back the same way; the kernel's transform makes good for both. Off by some thousandths."""

    def __init__(self) -> None:
        self._key: tuple[float, int] | None = None
        self._kernel: F32 = np.zeros((0, 0), np.float32)

    def __call__(self, points: F32) -> tuple[F32, float]:
        low = points.min(axis=0)
        span = float((points.max(axis=0) - low).max())
        apart = _APART * min(1.0, 2.0 ** np.ceil(np.log2(max(span, 1e-20) / (_APART * _FEWEST))))
        side = _smooth(int(span / apart) + 4 * _MARGIN)
        if self._key != (apart, side):
            self._key, self._kernel = (apart, side), _transformed(apart, side)
        nodes, weight = _spread((points - low) / np.float32(apart) + np.float32(_MARGIN), side)
        middle = points - points.mean(axis=0)
        squares = np.einsum("ij,ij->i", middle, middle)
        flat = nodes.ravel()
        found: list[NDArray[np.float64]] = []
        for charge in (np.ones(len(points), np.float32), middle[:, 0], middle[:, 1], squares):
            grid = np.bincount(flat, (weight * charge[:, None]).ravel(), side * side).astype(np.float32)
            # by hand, because rows that hold nothing need no transform
            spectrum = np.fft.fft(np.fft.rfft(grid.reshape(side, side), 2 * side, axis=1), 2 * side, axis=0)
            spectrum *= self._kernel
            rows = np.fft.ifft(spectrum, axis=0)[:side]
            field = np.fft.irfft(rows, 2 * side, axis=1)[:, :side].ravel()
            found.append((field[nodes] * weight).sum(axis=1).astype(np.float64))
        one, x, y, square = found
        total = float(((1 + squares) * one - 2 * (middle[:, 0] * x + middle[:, 1] * y) + square).sum()) - len(points)
        push = middle * one[:, None] - np.stack((x, y), axis=1)
        return push.astype(np.float32), max(total, 1e-12)


def _spread(place: F32, side: int) -> tuple[NDArray[np.int64], F32]:
    """The 16 nodes around each place of the grid, and the weight of each by cubic B-splines."""
    box = place.astype(np.int64)
    t = place - box
    weights = np.stack(((1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3), axis=-1) / 6
    along = box[:, :, None] + np.arange(-1, 3)
    nodes = (along[:, 0] * side)[:, :, None] + along[:, 1][:, None, :]
    weight = weights[:, 0][:, :, None] * weights[:, 1][:, None, :]
    return nodes.reshape(len(place), -1), weight.reshape(len(place), -1).astype(np.float32)


def _transformed(apart: float, side: int) -> F32:
    """The transform of (1 + d^2)^-2 on a grid of twice as many nodes, which closes, less that of two B-splines."""
    count = 2 * side
    along = np.minimum(np.arange(count), count - np.arange(count)) * apart
    kernel = np.fft.rfft2((1 + along[:, None] ** 2 + along[None, :] ** 2) ** -2.0).real
    splines = np.sinc(np.fft.fftfreq(count))[:, None] * np.sinc(np.fft.rfftfreq(count))[None, :]
    return (kernel / splines**8).astype(np.float32)


def _smooth(least: int) -> int:
    """A number from `least` on of which Fourier transforms are fast, and not one of every few."""
    return next((size for size in _SIZES if size >= least), least)


_SIZES = sorted({2**a * 3**b * 5**c for a in range(3, 13) for b in range(3) for c in range(2)})


def descent(near: Affinities, start: F32, settings: Settings) -> Iterator[Step]:
    """Where points lie, after each iteration; the divergence is NaN where it was not asked for.

    Args:
        near: what is wanted.
        start: float32 of shape [points, dimensions].
        settings: all of them but perplexity and seed.
    """
    points = start.astype(np.float32)
    pull = _Pull(near, points.shape[1])
    push: Callable[[F32], tuple[F32, float]] = _pushed if points.shape[1] == 3 or len(points) <= EXACT else _Grid()
    rate = np.float32(settings.learning_rate or max(len(points) / EXAGGERATION / 4, 50.0))
    gains, moved = np.ones_like(points), np.zeros_like(points)
    early = min(EXAGGERATED, settings.iterations // 3)
    for iteration in range(1, settings.iterations + 1):
        pulled, square = pull(points, EXAGGERATION if iteration <= early else 1.0)
        pushed, total = push(points)
        gradient = np.float32(4) * (pulled - pushed / np.float32(total))
        np.copyto(gains, np.where(np.signbit(gradient) != np.signbit(moved), gains + 0.2, gains * 0.8))
        np.maximum(gains, 0.01, out=gains)
        moved *= np.float32(0.5 if iteration <= early else 0.8)
        moved -= rate * gains * gradient
        points = points + moved
        points -= points.mean(axis=0)
        last = iteration == settings.iterations
        kl = pull.divergence(square, total) if last or iteration % 10 == 0 else float("nan")
        yield Step(iteration, kl, points)


def begun(rows: F32, settings: Settings) -> F32:
    """Where points lie at first: at their principal components, very near to each other."""
    found = components(rows, settings.dimensions).points
    points = np.zeros((len(rows), settings.dimensions), np.float32)
    points[:, : found.shape[1]] = found
    points *= np.float32(1e-4 / max(float(points[:, 0].std()), 1e-30))
    noise = np.random.default_rng(settings.seed).standard_normal(points.shape, np.float32)
    return (points + np.float32(1e-6) * noise).astype(np.float32)


def main() -> None:
    """Answers one question: a line of JSON `{"rows", "columns", "settings"}` and float32 numbers on stdin.

    Each answer is a line of JSON `{"iteration", "kl"}` and the points' float32 numbers. The process ends with its
    parent, whose end of the pipe is then closed.
    """
    os.nice(10)
    given, taken = sys.stdin.buffer, sys.stdout.buffer
    asked = json.loads(given.readline())
    shape = (asked["rows"], asked["columns"])
    rows = np.frombuffer(given.read(4 * shape[0] * shape[1]), "<f4").reshape(shape)
    settings = Settings(**asked["settings"])
    threading.Thread(target=_ended_with_parent, args=(given,), daemon=True).start()
    try:
        _answer(rows, settings, taken)
    except BrokenPipeError:  # nobody waits any more
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _ended_with_parent(given: BinaryIO) -> None:
    """Nothing more is said on stdin: what comes is its end."""
    given.read(1)
    os._exit(0)


def _answer(rows: F32, settings: Settings, taken: BinaryIO) -> None:
    rows = sphered(rows) if settings.sphereize else centred(rows)
    near = affinities(rows, perplexity_within(settings.perplexity, len(rows)))
    told, kl = -1.0, None
    for step in descent(near, begun(rows, settings), settings):
        kl = kl if np.isnan(step.kl) else step.kl
        now = time.monotonic()
        if now - told < PAUSE and step.iteration < settings.iterations:
            continue
        told = now
        taken.write(json.dumps({"iteration": step.iteration, "kl": kl}).encode() + b"\n")
        taken.write(step.points.astype("<f4").tobytes())
        taken.flush()
