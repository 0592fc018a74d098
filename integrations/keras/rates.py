"""Learning rates and iterations of a model's optimizers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .values import number_of

__all__ = ["iterations_of", "learning_rates"]


def iterations_of(model: Any) -> int | None:
    """How many steps a model's optimizer has made; None where it does not say."""
    iterations = getattr(getattr(model, "optimizer", None), "iterations", None)
    return None if iterations is None else int(number_of(iterations))


def learning_rates(model: Any) -> dict[str, float]:
    """`learning_rate`, or one for each of several optimizers, by name; a schedule's is that of the step reached.

    The rules are those of keras.callbacks.TensorBoard (`_collect_learning_rate` of Keras 3.15).
    """
    return {name: number_of(rate) for name, rate in _rates(getattr(model, "optimizer", None))}


def _rates(optimizer: Any) -> Iterator[tuple[str, Any]]:
    optimizer = getattr(optimizer, "inner_optimizer", optimizer)  # inside a LossScaleOptimizer
    if hasattr(optimizer, "optimizers"):
        for one in optimizer.optimizers:
            yield f"learning_rate_{one.name}", one.learning_rate
    elif optimizer is not None and getattr(optimizer, "learning_rate", None) is not None:
        yield "learning_rate", optimizer.learning_rate
