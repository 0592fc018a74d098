"""PyTorch: what `tb.auto_log(model)` logs of a training loop that it does not change.

    handle = tb.auto_log(model, "runs/first")
    for x, y in tb.data(loader):
        ...                                 # forward, loss.backward(), optimizer.step(): as ever

A step is one `optimizer.step()` that was carried out; the first is step 1. At each:

=====================  ==========================================================================================
`train/loss`           the number whose `backward()` ran. Several backward passes for one step are summed, as their
                       gradients are: with `(loss / n).backward()` n times that is the mean. Gradients that were
                       zeroed unused take their loss with them; with a closure (LBFGS) it is the first evaluation
`train/lr`             the learning rate of the step; `train/lr/group0`, ... where there are several groups
`train/momentum`       and `train/weight_decay`, likewise, where not always 0; of Adam's kind, the first beta
`time/step_ms`         milliseconds between the ends of this step and the one before, on the host's clock (from the
                       second step on, like the next two)
`time/samples_per_second` samples by the first size of the first tensor that the model is called with
`time/data_wait_ms`    how much of it went into waiting for data: exactly, when the loop runs over `tb.data(loader)`;
                       else the time from the end of a step or backward pass to the next call of the model, which
                       is all that the loop does in between
`time/data_wait_share` the same, as a part (0 to 1) of the step's time
=====================  ==========================================================================================

At the first step and at each whose number `every` divides, as the optimizer finds them (armed.py):

=====================  ==========================================================================================
`gradients/norm`       Euclidean norm of all gradients, and `gradients/norm/<module>` of each module's own
`weights/norm`         likewise of the weights, before the step
`weights/update_ratio` how far the step moved the weights, as a part of that norm
`activations/mean/...` and `std` of what a module gave out, `dead` the share of units that gave 0 for all samples
`*/nonfinite`          parameters with NaN or infinity among `gradients` and `weights`; a text names them
`*/histogram/...`      on request (`histograms=`): of the `gradients` and `weights` of each parameter
=====================  ==========================================================================================

A second optimizer of the same model counts its own steps, as `train/loss/optimizer1` and `train/lr/optimizer1`.
Values are written one step late with their own step and time, so that nothing waits for a device: copies are
started without waiting and read when they are done. `handle.log(loss=...)` replaces the loss that was found: it
goes to the step under way, which begins with a forward pass that records gradients, or else to the latest one.

Found are losses through `Tensor.backward` (not `torch.autograd.backward`) and optimizers that hold a parameter of
the model or are given as `optimizer=`. A loss scaled by `torch.amp.GradScaler` is logged unscaled, and a step that
the scaler skips is none. Steps replayed from a CUDA graph run no Python and are not seen. While anything is
watched, `Tensor.backward` and `GradScaler.scale` are wrapped; the originals are back after the last `detach()`,
unless somebody else has wrapped them in between: then ours stays beneath theirs and does nothing.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from tallyboard.core.errors import InvalidSummary, MissingDependency, UnsupportedModel
from tallyboard.core.hparams import hparams_of
from tallyboard.core.summary import as_step
from tallyboard.core.writer import SummaryWriter

try:
    import torch
except ModuleNotFoundError as error:
    if error.name != "torch":  # torch is there, and something that it needs is not: its own text says what
        raise
    raise MissingDependency("tallyboard.integrations.torch needs PyTorch: pip install 'tallyboard[torch]'") from error

from torch import nn
from torch.optim import Optimizer

from . import hooks
from .gradients import log_gradients
from .nonfinite import NAN
from .profiling import profile as profile
from .profiling import recorded_steps, tensorboard_trace_handler, trace_handler
from .rates import LearningRateLogger
from .watch import Settings, Watch

__all__ = [
    "LearningRateLogger",
    "attach",
    "log_gradients",
    "profile",
    "rank",
    "tensorboard_trace_handler",
    "trace_handler",
]


def attach(
    model: object,
    writer: SummaryWriter,
    *,
    optimizer: Optimizer | Iterable[Optimizer] | None = None,
    start_step: int = 0,
    every: int = 50,
    nan: str | None = "next",
    graph: bool = True,
    hparams: bool | Mapping[str, object] = True,
    histograms: int | bool | None = None,
    profile: str | int | tuple[int, int, int] | None = None,
) -> Callable[[], None]:
    """Logs the training of a module to `writer`, as described above, until the result is called.

    The model is not kept alive, and the result need not be kept. It also has `log(values)`, which
    `Handle.log` calls.

    Args:
        model: a `torch.nn.Module`.
        writer: gets the values; it is not closed.
        optimizer: the optimizers whose steps count; by default those that hold a parameter of the model.
        start_step: steps made before, by a run that is being resumed; the first one logged is the next.
        every: steps between two that are looked at closely: gradients, weights, activations.
        nan: how the module is found that makes a loss NaN or infinite: by looking at each in the step after that is
            known (`"next"`), in every step (`"trace"`, which names it at the very step and costs all along), or
            not at all (None), and nothing is said.
        graph: draws the model's first pass that records gradients, while it runs.
        hparams: logs what the optimizers were told as hyperparameters; False where the program calls `add_hparams`
            itself; a mapping adds to them, such as `{"dropout": 0.1}`.
        histograms: steps between two whose weights and gradients are written as histograms, one of each parameter
            that is trained; the first step has them, too. True for the steps that are looked at closely, None for
            none. The training's thread copies the numbers, and another one counts them.
        profile: records some of the first steps with `torch.profiler`, into the run's directory, where
            `tb.read_profile` finds them: `"once"` is step 3 to 5; a number records so many from step 3 on; three
            numbers are how many steps pass, warm up and are recorded.

    Raises:
        UnsupportedModel: `model` is no module.
        TypeError: `optimizer` is none.
        InvalidSummary: `start_step`, `every` or `histograms` is no integer, or one of the latter is below 1,
            `hparams` is no mapping, or `profile` is none of these.
        ValueError: `nan` is none of these.
    """
    if not isinstance(model, nn.Module):
        raise UnsupportedModel(f"auto_log expected a torch.nn.Module, got {type(model).__qualname__}; pass the model")
    if not isinstance(hparams, bool):
        hparams = hparams_of(hparams)
    first, apart = as_step(start_step, "auto_log", "start_step"), as_step(every, "auto_log", "every")
    if apart < 1:
        raise InvalidSummary(f"auto_log(every={every}): expected a number of steps, at least 1")
    drawn = 0
    if histograms is True:
        drawn = apart
    elif histograms is not None and histograms is not False:
        drawn = as_step(histograms, "auto_log", "histograms")
        if drawn < 1:
            raise InvalidSummary(
                f"auto_log(histograms={histograms}): expected a number of steps, at least 1, or None for no histograms"
            )
    settings = Settings(first, apart, nan, bool(graph), hparams, drawn, recorded_steps(profile))
    if nan not in NAN:
        raise ValueError(f"auto_log(nan={nan!r}): expected 'next', 'trace' or None")
    optimizers = None if optimizer is None else [_unwrapped(one) for one in _listed(optimizer)]
    while hooks.orphans:
        hooks.orphans.pop()()
    return Watch(model, writer, optimizers, settings)


def rank() -> int:
    """The place of this process in a distributed training; 0 outside of one."""
    distributed = torch.distributed
    if distributed.is_available() and distributed.is_initialized():
        return distributed.get_rank()
    text = os.environ.get("RANK", "0")  # set by torchrun, before a process group exists
    return int(text) if text.isdigit() else 0


def _listed(optimizer: Any) -> list[Any]:
    return list(optimizer) if isinstance(optimizer, list | tuple | set) else [optimizer]


def _unwrapped(optimizer: Any) -> Optimizer:
    """The optimizer that really steps: Accelerate and Fabric hand out wrappers, which have it as `.optimizer`."""
    inner = optimizer
    while isinstance(getattr(inner, "optimizer", None), Optimizer):
        inner = inner.optimizer
    if not isinstance(inner, Optimizer):
        raise TypeError(
            f"auto_log(optimizer=...): expected a torch.optim.Optimizer, got {type(optimizer).__qualname__}"
        )
    return inner
