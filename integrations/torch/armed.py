"""What is measured of a step that is looked at closely: gradients, weights, and how far the step moved them.

Everything is computed where the tensors are, and read together with the step's loss, when it has come. Of large
models the move is computed from a sample of the weights, so that no copy of them is needed: at least 256 evenly
spaced values of each parameter, a hundredth of all in large models, 65,536 in all where that is more.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from .groups import by_module, cut_paths, own_name, plain_name, unwrapped
from .norms import l2_norms

__all__ = ["Armed", "Found", "dense", "parameter_names"]

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


def parameter_names(model: nn.Module | None) -> dict[int, str]:
    """The names of a model's parameters by their identity: the first name of those that are shared."""
    if model is None:
        return {}
    return {id(one): plain_name(name) for name, one in unwrapped(model).named_parameters()}


def dense(tensor: Tensor | None) -> Tensor | None:
    """The numbers of a tensor, as an ordinary one; None if there are none to be had.

    Of a tensor that is spread over processes it is this process's part: asking the others would stop where one of
    them does not ask. Of a sparse one it is what is not zero.
    """
    if tensor is None:
        return None
    tensor = tensor.detach()
    local = getattr(tensor, "to_local", None)
    if local is not None:
        tensor = local()
    if tensor.is_sparse:
        tensor = tensor.coalesce().values()
    strange = tensor.is_meta or tensor.layout is not torch.strided or not tensor.dtype.is_floating_point
    return None if strange or not tensor.numel() else tensor


class _Kept:
    """A sample of a parameter, as it was."""

    __slots__ = ("before", "every", "parameter", "scale")

    def __init__(self, parameter: Tensor, weight: Tensor, every: int) -> None:
        self.parameter = parameter
        last = weight.shape[-1] if weight.dim() else 1
        every = max(1, min(every, weight.numel() // OF_EACH))
        while every > 1 and math.gcd(every, last) > 1:  # else only some columns would be looked at
            every += 1
        self.every = every
        self.before = _in_memory_order(weight)[:: self.every].clone()
        self.scale = weight.numel() / self.before.numel()  # of sums over the sample

    def now(self) -> Tensor | None:
        """The same sample as it is; None if the parameter has become something else."""
        weight = dense(self.parameter)
        if weight is None:
            return None
        sample = _in_memory_order(weight)[:: self.every]
        same = sample.shape == self.before.shape and sample.device == self.before.device
        return sample if same and sample.dtype == self.before.dtype else None


def _in_memory_order(tensor: Tensor) -> Tensor:
    """The numbers in one dimension, without a copy where there is such a view."""
    if not tensor.is_contiguous():
        tensor = tensor.permute(sorted(range(tensor.dim()), key=tensor.stride, reverse=True))
    return tensor.reshape(-1)


class Armed:
    """The measurement of one step of one optimizer."""

    def __init__(self, model: nn.Module | None, optimizer: Optimizer, suffix: str) -> None:
        """Looks at the weights before the step.

        Args:
            model: names the parameters; those of the optimizer that it has not are named by their group.
            optimizer: about to make its step.
            suffix: of the tags of the totals.
        """
        self._suffix = suffix
        self.notes = ""
        self._optimizer = optimizer
        names = parameter_names(model)
        self._parameters: list[Tensor] = []
        self.names: list[str] = []
        self._in_model: list[bool] = []
        for number, group in enumerate(optimizer.param_groups):
            for place, parameter in enumerate(group["params"]):
                name = names.get(id(parameter))
                self._parameters.append(parameter)
                self.names.append(name or f"parameter {place} of group {number}")
                self._in_model.append(name is not None)
        self._weights = [(i, weight) for i, one in enumerate(self._parameters) if (weight := dense(one)) is not None]
        self._weight_norms = l2_norms([weight for _, weight in self._weights])
        total = sum(weight.numel() for _, weight in self._weights)
        every = -(-total // max(SAMPLE, total // 100)) if total else 1
        self._kept = [(i, _Kept(self._parameters[i], weight, every)) for i, weight in self._weights]
        del self._weights
        self._weighed = [i for i, _ in self._kept]
        self._gradients: list[tuple[int, Tensor]] = []
        self._moves: list[tuple[int, float]] = []
        self.tensors: list[Tensor] = []
        self.look_at_gradients()

    def look_at_gradients(self) -> None:
        """Looks at the gradients as they are: when the step begins, and when its closure has made new ones."""
        found = [(i, gradient) for i, one in enumerate(self._parameters) if (gradient := dense(one.grad)) is not None]
        self._gradient_norms = l2_norms([gradient for _, gradient in found])
        self._graded = [i for i, _ in found]
        scale = getattr(self._optimizer, "grad_scale", None)  # lent by GradScaler to optimizers that unscale themselves
        self._grad_scale = scale.detach() if isinstance(scale, Tensor) else None

    def step_made(self) -> None:
        """Looks at the weights after the step; then `tensors` are the numbers of all this."""
        after, before = [], []
        for i, kept in self._kept:
            if (sample := kept.now()) is not None:
                after.append(sample)
                before.append(kept.before)
                self._moves.append((i, kept.scale))
        moved = [
            now.float() - then if now.dtype in FEW_BITS else now - then for now, then in zip(after, before, strict=True)
        ]
        scales = [] if self._grad_scale is None else [self._grad_scale]
        self.tensors = [*scales, self._gradient_norms, self._weight_norms, l2_norms(moved), l2_norms(before)]
        self._scaled = len(scales)
        self._kept, self._parameters = [], []
        del self._optimizer, self._grad_scale, self._gradient_norms, self._weight_norms

    # ---- what the numbers say

    def found(self, numbers: Iterator[float], into: Found) -> None:
        """Adds what the numbers of `tensors` say, when they have come."""
        scale = next(numbers) if self._scaled else 1.0
        gradients = [(i, next(numbers) / scale) for i in self._graded]
        weights = [(i, next(numbers)) for i in self._weighed]
        moves = [(i, factor, next(numbers)) for i, factor in self._moves]
        bases = [next(numbers) for _ in self._moves]
        self._say("gradients", gradients, into)
        self._say("weights", weights, into)
        squares = {i: factor * norm * norm for i, factor, norm in moves}
        against = {i: factor * norm * norm for (i, factor, _), norm in zip(moves, bases, strict=True)}
        self._ratios(squares, against, into)

    def _say(self, what: str, values: list[tuple[int, float]], into: Found) -> None:
        if not values:
            return
        bad = [self.names[i] for i, norm in values if not math.isfinite(norm)]
        into.points[f"{what}/norm{self._suffix}"] = math.sqrt(sum(norm * norm for _, norm in values))
        into.points[f"{what}/nonfinite{self._suffix}"] = float(len(bad))
        if bad:
            if what == "weights":
                into.bad_weights = bad
            listed = "\n".join(f"- `{name}`" for name in bad[:100])
            rest = f"\n- and {len(bad) - 100} more" if len(bad) > 100 else ""
            into.words[f"nonfinite/{what}"] = f"NaN or infinity in the {what} of\n\n{listed}{rest}"
        squares = [(self.names[i], norm * norm) for i, norm in values if self._in_model[i]]
        for path, norm in self._modules(squares):
            into.points[f"{what}/norm/{path}"] = norm

    def _ratios(self, moves: dict[int, float], against: dict[int, float], into: Found) -> None:
        if not moves:
            return
        total = math.sqrt(sum(against.values()))
        if total > 0:
            into.points[f"weights/update_ratio{self._suffix}"] = math.sqrt(sum(moves.values())) / total
        bases = dict(self._modules([(self.names[i], square) for i, square in against.items() if self._in_model[i]]))
        for path, move in self._modules([(self.names[i], square) for i, square in moves.items() if self._in_model[i]]):
            if bases[path] > 0:
                into.points[f"weights/update_ratio/{path}"] = move / bases[path]

    def _modules(self, squares: list[tuple[str, float]]) -> Iterator[tuple[str, float]]:
        names = [name for name, known in zip(self.names, self._in_model, strict=True) if known]
        cut, said = cut_paths(own_name(name) for name in names)
        if said:
            self.notes = f"Gradients and weights: {said}."
        if len({name.rpartition(".")[0] for name in names}) > 1:  # of a single module the totals say it all
            yield from by_module(squares, cut)
