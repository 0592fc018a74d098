"""`LearningRateLogger`: what an optimizer was told to do at each step."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from torch import Tensor, nn
from torch.optim import Optimizer

from tallyboard.core.errors import warn_once
from tallyboard.core.writer import SummaryWriter

from .late import Late, Number, read

__all__ = ["LearningRateLogger", "rates_of"]


def rates_of(optimizer: Optimizer) -> dict[str, Number]:
    """Learning rate, momentum and weight decay of each group, by the end of their tags; read without a wait."""
    found: dict[str, Number] = {}
    several = len(optimizer.param_groups) > 1
    for index, group in enumerate(optimizer.param_groups):
        betas = group.get("betas")
        momentum = betas[0] if betas is not None else group.get("momentum")
        values = {"lr": group.get("lr"), "momentum": momentum, "weight_decay": group.get("weight_decay")}
        for name, value in values.items():
            if value is not None:
                end = f"{name}/{group.get('name', f'group{index}')}" if several else name
                found[end] = Late(value) if isinstance(value, Tensor) else float(value)
    return found


class LearningRateLogger:
    """Logs learning rate, momentum and weight decay at each step of the optimizers, by a hook on them.

        rates = LearningRateLogger(optimizer, writer)

    The tags are `train/lr`, `train/momentum` (the first beta of Adam's kind) and `train/weight_decay`; with several
    groups `train/lr/group0`, or the group's own `name`; the second optimizer's end in `/optimizer1`. What is told is
    what the step was made with; the first is step 1.

    Args:
        optimizers: an optimizer or a scheduler, or several of them.
        writer: gets the values.
        every: how many steps lie between two that are logged.
        tag: what the tags begin with.
        start_step: steps made before, by a run that is being resumed.

    Raises:
        TypeError: something is neither an optimizer nor a scheduler.
        ValueError: `every` is below 1.
    """

    def __init__(
        self,
        optimizers: object,
        writer: SummaryWriter,
        *,
        every: int = 1,
        tag: str = "train",
        start_step: int = 0,
    ) -> None:
        if every < 1:
            raise ValueError(f"LearningRateLogger(every={every}): expected a number of steps, at least 1")
        found = [_optimizer(one) for one in (optimizers if _listed(optimizers) else [optimizers])]  # type: ignore[union-attr]
        self._writer = writer
        self._every = every
        self._tag = tag
        self._steps = [start_step] * len(found)
        self._handles: list[Any] = []
        for place, optimizer in enumerate(dict.fromkeys(found)):
            suffix = f"/optimizer{place}" if place else ""
            self._handles.append(optimizer.register_step_post_hook(self._hook(place, suffix)))

    def _hook(self, place: int, suffix: str) -> Any:
        def stepped(optimizer: Optimizer, *_: object) -> None:
            try:
                self._steps[place] += 1
                if self._steps[place] % self._every == 0:
                    self._log(optimizer, suffix, self._steps[place])
            except Exception as error:  # whatever it is, training goes on
                warn_once(
                    ("LearningRateLogger", id(self)),
                    f"LearningRateLogger: a rate could not be logged ({type(error).__name__}: {error})",
                )

        return stepped

    def _log(self, optimizer: Optimizer, suffix: str, step: int) -> None:
        for end, value in rates_of(optimizer).items():
            name, *group = end.split("/", 1)
            tag = "/".join([f"{self._tag}/{name}{suffix}", *group])
            self._writer.add_scalar(tag, read(value), step)

    def close(self) -> None:
        """Takes the hooks off the optimizers."""
        while self._handles:
            self._handles.pop().remove()

    def __enter__(self) -> LearningRateLogger:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _listed(value: object) -> bool:
    return isinstance(value, Iterable) and not isinstance(value, str | bytes | nn.Module)


def _optimizer(value: Any) -> Optimizer:
    """The optimizer that really steps, of a scheduler's or of a wrapper's such as Accelerate's."""
    inner = value
    while not isinstance(inner, Optimizer) or isinstance(getattr(inner, "optimizer", None), Optimizer):
        following = getattr(inner, "optimizer", None)
        if following is None:
            raise TypeError(
                f"LearningRateLogger expected optimizers or schedulers, got {type(value).__qualname__}; pass those"
            )
        inner = following
    return inner
