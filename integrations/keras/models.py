"""What kind of a model it is: of Keras 3 on its backend, or of Keras 2, which is TensorFlow's."""

from __future__ import annotations

from typing import Any

import keras

__all__ = ["backend_of", "is_keras_2", "steps_per_call"]


def is_keras_2(model: object) -> bool:
    """Whether a model is of the package `tf_keras`."""
    return any(kind.__module__.partition(".")[0] == "tf_keras" for kind in type(model).__mro__)


def backend_of(model: object) -> str:
    """What computes for a model."""
    return "tensorflow" if is_keras_2(model) else str(keras.backend.backend())


def steps_per_call(model: Any) -> int:
    """How many batches make one call of the hooks for batches."""
    steps = getattr(model, "steps_per_execution", None) or getattr(model, "_steps_per_execution", None)
    try:
        return max(1, int(1 if steps is None else steps))
    except (TypeError, ValueError):
        return 1
