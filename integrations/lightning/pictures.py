"""Pictures in a batch, for the monitor."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ..torch.leaves import leaves

__all__ = ["pictures_of"]

MOST = 16
LARGEST = 4096


def pictures_of(batch: Any) -> NDArray[Any] | None:
    """The first pictures of a batch, 16 at most.

    They are the first tensor of shape [N, C, H, W] with 1, 3 or 4 channels. Numbers outside 0 to 1, as of pictures
    that were normalised, are spread over that range, all channels alike.

    Args:
        batch: what a loader gives.

    Returns:
        uint8 as they are, else float32 from 0 to 1; None where there are no such tensors.
    """
    for _, tensor in leaves(batch):
        if _shows(tensor):
            taken = tensor.detach()[:MOST]
            values = (taken if str(taken.dtype) == "torch.uint8" else taken.float()).cpu().numpy()
            return values if values.dtype == np.uint8 else _spread(values)
    return None


def _shows(tensor: Tensor) -> bool:
    return tensor.dim() == 4 and tensor.shape[1] in (1, 3, 4) and 0 < min(tensor.shape) <= max(tensor.shape) <= LARGEST


def _spread(values: NDArray[np.float32]) -> NDArray[np.float32]:
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    if low >= 0 and high <= 1:
        return values
    return (values - low) / ((high - low) or 1.0)
