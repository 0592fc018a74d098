"""A scalar as a tensor, which is the form that `tf.summary.scalar` writes."""

from __future__ import annotations

import numpy as np

from .values import Tensor

__all__ = ["scalar_tensor"]


def scalar_tensor(value: float, double: bool) -> Tensor:
    """One number as a tensor without dimensions, of float64 or float32 (beyond which is infinity)."""
    with np.errstate(over="ignore"):
        return Tensor(np.asarray(value, np.float64 if double else np.float32))
