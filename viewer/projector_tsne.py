"""t-SNE by openTSNE, in a process of its own: `main` reads a question from stdin, and writes points to stdout as they
move.

Early exaggeration by 12, begun at the principal components (D. Kobak, P. Berens: The art of using t-SNE, Nature
Communications 10, 2019); what pushes points apart is summed by a tree, or by a grid in the plane from `GRID` points on.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import sys
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from tallyboard.core.errors import MissingDependency

from .projector_reduce import centred, components, sphered

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Settings", "check_installed", "laid_out", "main"]

EXAGGERATION = 12.0
EXAGGERATED = 250
GRID = 10_000
PAUSE = 0.2
"""Least seconds between two pictures of how the points lie."""

_OFTEN = 5  # iterations between two looks at the clock

F32 = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Settings:
    """How points are laid out.

    Attributes:
        dimensions: 2 or 3.
        perplexity: how many neighbours a point has, roughly; lowered to a third of the points where there are few.
        learning_rate: as scikit-learn counts it; 0 for a 48th of the number of points, and at least 50.
        iterations: of the descent, the exaggerated ones among them.
        seed: of whatever is left to chance: the same one gives the same points.
        sphereize: whether rows are moved to a sphere before.
    """

    dimensions: int = 2
    perplexity: float = 30.0
    learning_rate: float = 0.0
    iterations: int = 750
    seed: int = 0
    sphereize: bool = False


def check_installed() -> None:
    """See that there is what lays points out.

    Raises:
        MissingDependency: openTSNE is not installed.
    """
    if importlib.util.find_spec("openTSNE") is None:
        raise MissingDependency("t-SNE needs openTSNE on the server: pip install 'tallyboard[projector]'")


def laid_out(rows: F32, settings: Settings, tell: Callable[[int, float, F32], None]) -> None:
    """Lays rows out.

    Args:
        rows: float32 of shape [points, columns], finite; at least 4 points.
        settings: how.
        tell: called now and then, and at the end, with the number of iterations that are done, the divergence of
            Kullback and Leibler, and the points, float32 of shape [points, dimensions].
    """
    library: Any = importlib.import_module("openTSNE")
    affinity: Any = importlib.import_module("openTSNE.affinity")
    rows = sphered(rows) if settings.sphereize else centred(rows)
    count, dimensions = len(rows), settings.dimensions
    early = min(EXAGGERATED, settings.iterations // 3)
    done = 0

    def watch(iteration: int, error: float, points: Any) -> bool:
        if done + iteration < settings.iterations:
            tell(done + iteration, float(error), np.asarray(points, np.float32))
        return False

    perplexity = max(1.0, min(settings.perplexity, (count - 1) / 3))
    near = affinity.PerplexityBasedNN(rows.astype(np.float64), perplexity, n_jobs=1, random_state=settings.seed)
    points = library.TSNEEmbedding(
        _begun(rows, settings),
        near,
        negative_gradient_method="fft" if dimensions == 2 and count >= GRID else "bh",
        n_jobs=1,
        random_state=settings.seed,
        callbacks=[watch],
        callbacks_every_iters=_OFTEN,
        learning_rate=4 * settings.learning_rate or "auto",
    )
    points.optimize(early, exaggeration=EXAGGERATION, momentum=0.5, inplace=True)
    done = early
    points.optimize(settings.iterations - early, momentum=0.8, inplace=True)
    tell(settings.iterations, float(points.kl_divergence), np.asarray(points, np.float32))


def _begun(rows: F32, settings: Settings) -> NDArray[np.float64]:
    """Where points lie at first: at their principal components, very near to each other."""
    found = components(rows, settings.dimensions).points
    points = np.zeros((len(rows), settings.dimensions))
    points[:, : found.shape[1]] = found
    points *= 1e-4 / max(float(points[:, 0].std()), 1e-30)
    return points + 1e-6 * np.random.default_rng(settings.seed).standard_normal(points.shape)


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
        laid_out(rows, settings, _teller(settings, taken))
    except BrokenPipeError:  # nobody waits any more
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _ended_with_parent(given: BinaryIO) -> None:
    """Nothing more is said on stdin: what comes is its end."""
    given.read(1)
    os._exit(0)


def _teller(settings: Settings, taken: BinaryIO) -> Callable[[int, float, F32], None]:
    told = -1.0

    def tell(iteration: int, kl: float, points: F32) -> None:
        nonlocal told
        now = time.monotonic()
        if now - told < PAUSE and iteration < settings.iterations:
            return
        told = now
        taken.write(json.dumps({"iteration": iteration, "kl": kl if np.isfinite(kl) else None}).encode() + b"\n")
        taken.write(points.astype("<f4").tobytes())
        taken.flush()

    return tell
