"""What is measured of a step that is looked at closely: gradients, weights, and how far the step moved them.

Everything is computed where the tensors are, and read together with the step's loss, when it has come. Of large
models the move is computed from a sample of the weights, so that no copy of them is needed: at least 256 evenly
spaced values of each parameter, a hundredth of all in large models, 65,536 in all where that is more.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from itertools import islice

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.optim import Optimizer

from .named import Named, dense
from .norms import norms_of

__all__ = ["Armed", "Found"]

SAMPLE = 65_536
OF_EACH = 256
FEW_BITS = (torch.float16, torch.bfloat16)


class Found:
    """What numbers that have come say: points by tag, and words by tag."""

    def __init__(self) -> None:
        self.points: dict[str, float] = {}
        self.words: dict[str, str] = {}
        self.bad_weights: list[str] = []  # parameters that are not finite
        self.culprit: tuple[str, str] | None = None  # the first module whose result is not: its path and class


@functools.cache
def _apart(count: int, last: int, every: int) -> int:
    """How far apart the values of a sample lie, of a parameter of `count` values in rows of `last`."""
    every = max(1, min(every, count // OF_EACH))
    while every > 1 and math.gcd(every, last) > 1:  # else only some columns would be looked at
        every += 1
    return every


def _in_memory_order(tensor: Tensor) -> Tensor:
    """The numbers in one dimension, without a copy where there is such a view."""
    if not tensor.is_contiguous():
        tensor = tensor.permute(sorted(range(tensor.dim()), key=tensor.stride, reverse=True))
    return tensor.reshape(-1)


class _Samples:
    """Samples of the parameters of one device and dtype, as they were, in one tensor."""

    def __init__(self) -> None:
        self._parameters: list[Tensor] = []
        self._apart: list[int] = []
        self.places: list[int] = []
        self.scales: list[float] = []  # of sums over each sample
        self._sizes: list[int] = []
        self._parts: list[Tensor] = []

    def add(self, place: int, parameter: Tensor, weight: Tensor, every: int) -> None:
        """Takes one more, which is looked at when all are there."""
        count = weight.numel()
        apart = _apart(count, weight.shape[-1] if weight.dim() else 1, every)
        size = -(-count // apart)
        self._parameters.append(parameter)
        self._apart.append(apart)
        self.places.append(place)
        self.scales.append(count / size)
        self._sizes.append(size)
        self._parts.append(_in_memory_order(weight)[::apart] if apart > 1 else _in_memory_order(weight))

    def keep(self) -> Tensor:
        """Copies them; gives their norms."""
        kept = torch.cat(self._parts)
        self._device, self._dtype = kept.device, kept.dtype
        self._kept = list((kept.float() if kept.dtype in FEW_BITS else kept).split(self._sizes))
        self._parts = []
        return norms_of(self._kept)

    def moved(self) -> Tensor:
        """The norms of how far each sample has moved. Parameters that have become something else count for nothing."""
        now: list[Tensor] = []
        for i, (parameter, apart, kept) in enumerate(zip(self._parameters, self._apart, self._kept, strict=True)):
            weight = dense(parameter)
            sample = kept if weight is None else _in_memory_order(weight)[::apart]
            same = sample.shape == kept.shape and sample.device == self._device
            if weight is None or not same or weight.dtype != self._dtype:
                sample, self.scales[i] = kept, 0.0
            now.append(sample)
        torch._foreach_sub_(self._kept, now)  # pyright: ignore[reportPrivateImportUsage]
        return norms_of(self._kept)


class Armed:
    """The measurement of one step of one optimizer."""

    def __init__(self, model: nn.Module | None, optimizer: Optimizer, suffix: str, known: Named | None = None) -> None:
        """Looks at the weights before the step.

        Args:
            model: names the parameters; those of the optimizer that it has not are named by their group.
            optimizer: about to make its step.
            suffix: of the tags of the totals.
            known: `named` of an earlier measurement of this optimizer.
        """
        self._suffix = suffix
        self._optimizer = optimizer
        parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
        self.named = known if known is not None and known.are(parameters) else Named(model, optimizer)
        self.notes = f"Gradients and weights: {self.named.said}." if self.named.said else ""
        self._parameters = parameters
        weights = [(i, weight) for i, one in enumerate(parameters) if (weight := dense(one)) is not None]
        self._weight_norms = norms_of([weight for _, weight in weights])
        self._weighed = [i for i, _ in weights]
        total = sum(weight.numel() for _, weight in weights)
        every = -(-total // max(SAMPLE, total // 100)) if total else 1
        alike: dict[tuple[torch.device, torch.dtype], _Samples] = {}
        for i, weight in weights:
            key = weight.device, weight.dtype
            if (samples := alike.get(key)) is None:
                samples = alike[key] = _Samples()
            samples.add(i, parameters[i], weight, every)
        self._samples = list(alike.values())
        self._bases = [samples.keep() for samples in self._samples]
        self._moves = [place for samples in self._samples for place in samples.places]
        self.tensors: list[Tensor] = []
        self.look_at_gradients()

    def look_at_gradients(self) -> None:
        """Looks at the gradients as they are: when the step begins, and when its closure has made new ones."""
        found = [(i, gradient) for i, one in enumerate(self._parameters) if (gradient := dense(one.grad)) is not None]
        self._gradient_norms = norms_of([gradient for _, gradient in found])
        self._graded = [i for i, _ in found]
        scale = getattr(self._optimizer, "grad_scale", None)  # lent by GradScaler to optimizers that unscale themselves
        self._grad_scale = scale.detach() if isinstance(scale, Tensor) else None

    def step_made(self) -> None:
        """Looks at the weights after the step; then `tensors` are the numbers of all this."""
        moves = [samples.moved() for samples in self._samples]
        self._scales = [scale for samples in self._samples for scale in samples.scales]
        scales = [] if self._grad_scale is None else [self._grad_scale]
        self.tensors = [*scales, self._gradient_norms, self._weight_norms, *moves, *self._bases]
        self._scaled = len(scales)
        self._samples, self._parameters, self._bases = [], [], []
        del self._optimizer, self._grad_scale, self._gradient_norms, self._weight_norms

    # ---- what the numbers say

    def found(self, numbers: Iterator[float], into: Found) -> None:
        """Adds what the numbers of `tensors` say, when they have come."""

        def squares(count: int, scale: float = 1.0) -> NDArray[np.float64]:
            return (np.fromiter(islice(numbers, count), np.float64, count) / scale) ** 2

        with np.errstate(all="ignore"):
            scale = next(numbers) if self._scaled else 1.0
            self._say("gradients", self._graded, squares(len(self._graded), scale), into)
            self._say("weights", self._weighed, squares(len(self._weighed)), into)
            factors = np.array(self._scales)
            moves = factors * squares(len(self._moves))
            self._ratios(moves, factors * squares(len(self._moves)), into)

    def _say(self, what: str, places: list[int], squares: NDArray[np.float64], into: Found) -> None:
        if not places:
            return
        bad = [self.named.names[places[i]] for i in np.flatnonzero(~np.isfinite(squares))]
        into.points[f"{what}/norm{self._suffix}"] = math.sqrt(squares.sum())
        into.points[f"{what}/nonfinite{self._suffix}"] = float(len(bad))
        if bad:
            if what == "weights":
                into.bad_weights = bad
            listed = "\n".join(f"- `{name}`" for name in bad[:100])
            rest = f"\n- and {len(bad) - 100} more" if len(bad) > 100 else ""
            into.words[f"nonfinite/{what}"] = f"NaN or infinity in the {what} of\n\n{listed}{rest}"
        for path, norm in self.named.by_module(places, squares):
            into.points[f"{what}/norm/{path}"] = norm

    def _ratios(self, moves: NDArray[np.float64], against: NDArray[np.float64], into: Found) -> None:
        if not self._moves:
            return
        total = math.sqrt(against.sum())
        if total > 0:
            into.points[f"weights/update_ratio{self._suffix}"] = math.sqrt(moves.sum()) / total
        bases = self.named.by_module(self._moves, against)
        for (path, move), (_, base) in zip(self.named.by_module(self._moves, moves), bases, strict=True):
            if base > 0:
                into.points[f"weights/update_ratio/{path}"] = move / base
