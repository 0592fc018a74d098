"""Histograms and pictures of a model: copied in the thread that trains, counted and drawn in another."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from tallyboard.core.arrays import as_array
from tallyboard.core.writer import SummaryWriter

from .filters import picture
from .sample import Sample, activations, gradients
from .values import path_of, snapshot, tensor_of

__all__ = ["collect"]

_NO_MOMENTS = ("iteration", "iterations", "learning_rate", "dynamic_scale", "step_counter")


def weights_of(model: Any) -> Iterator[Any]:
    """Each weight once: those of the layers in their order, then those that are the model's own."""
    seen: set[int] = set()
    groups = [layer.weights for layer in getattr(model, "layers", ())]
    for weight in [weight for group in (*groups, model.weights) for weight in group]:
        if id(weight) not in seen:
            seen.add(id(weight))
            yield weight


def collect(
    model: Any,
    kinds: frozenset[str],
    sample: Sample | None,
    write_images: bool,
    says: Callable[[str, Exception], None],
) -> Callable[[SummaryWriter, int], None]:
    """Takes what is wanted of a model as it is now.

    Args:
        model: between two steps of its training.
        kinds: of histograms.
        sample: what activations and gradients are of.
        write_images: whether the weights are also drawn.
        says: told what cannot be had, and why.

    Returns:
        What writes it, for another thread.
    """
    copies = [(path_of(weight), snapshot(weight)) for weight in weights_of(model)]
    taken = [(f"{path}/histogram", copy) for path, copy in copies] if "weights" in kinds else []
    if "moments" in kinds and getattr(model, "optimizer", None) is not None:
        taken += [(f"optimizer/{path}/histogram", copy) for path, copy in _moments(model.optimizer)]
    if sample is not None:
        taken += _of_sample(model, kinds, sample, says)

    def write(writer: SummaryWriter, epoch: int) -> None:
        for tag, copy in taken:
            numbers = as_array(copy, "TallyboardCallback", tag, copy=False)
            if numbers.size:
                writer.add_histogram(tag, numbers, epoch)
        for path, copy in copies if write_images else ():
            drawn = picture(as_array(copy, "TallyboardCallback", path, copy=False))
            if drawn is not None:
                writer.add_image(f"{path}/image", drawn, epoch, dataformats="HWC")

    return write


def _of_sample(
    model: Any, kinds: frozenset[str], sample: Sample, says: Callable[[str, Exception], None]
) -> list[tuple[str, Any]]:
    taken: list[tuple[str, Any]] = []
    try:
        if "activations" in kinds:
            taken += [(f"activations/{path}/histogram", value) for path, value in activations(model, sample)]
    except Exception as error:  # a model that is not called so
        says("histograms of activations", error)
    try:
        if "gradients" in kinds:
            found = gradients(model, sample)
            taken += [(f"gradients/{path_of(weight)}/histogram", value) for weight, value in found]
    except Exception as error:  # a model that has no loss of its own
        says("histograms of gradients", error)
    return [(tag, value.detach() if hasattr(value, "detach") else value) for tag, value in taken]


def _moments(optimizer: Any) -> Iterator[tuple[str, Any]]:
    """What an optimizer keeps of each weight."""
    variables: Any = optimizer.variables() if callable(optimizer.variables) else optimizer.variables
    for variable in variables:
        if len(np.shape(tensor_of(variable))) and not path_of(variable).endswith(_NO_MOMENTS):
            yield path_of(variable), snapshot(variable)
