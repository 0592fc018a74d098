"""What Keras does not hand to callbacks, read off the call that is under way: the data of a `fit`, and when it ends."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from types import FrameType
from typing import Any, Final

__all__ = ["arguments_of_fit", "list_of_callbacks"]

_NAMES: Final = ("x", "y", "sample_weight", "validation_data", "batch_size", "epochs", "initial_epoch")
_DEEPEST: Final = 60


def _frames() -> Iterator[FrameType]:
    frame: FrameType | None = sys._getframe(2)
    for _ in range(_DEEPEST):
        if frame is None:
            return
        yield frame
        frame = frame.f_back


def arguments_of_fit(model: object) -> Mapping[str, Any]:
    """The arguments of the innermost `fit` of a model that is under way, `validation_split` already carried out.

    Args:
        model: whose.

    Returns:
        By name; empty where there is none.
    """
    for frame in _frames():
        known = frame.f_locals if frame.f_code.co_name == "fit" else {}
        if "validation_data" in known and known.get("self") is model:
            return {name: known[name] for name in _NAMES if name in known}
    return {}


def list_of_callbacks() -> object | None:
    """The list that calls the hook under way. It goes when the `fit` that made it does, however that ends."""
    for frame in _frames():
        owner = frame.f_locals.get("self")
        if type(owner).__name__ == "CallbackList":
            return owner
    return None
