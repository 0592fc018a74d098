"""Adapters, one file or folder for each framework, and `auto_log`, which finds the right one.

An adapter is a module named after its framework's top package that has

    attach(model, writer, **options) -> detach

`detach()` leaves the model as it was; a `detach.log(values)` takes what `Handle.log` is given. A module may
also have `rank() -> int`, the place of this process in a distributed training; all but rank 0 then write nothing.
One without `attach` is for a framework that is watched through an object of its own; `ATTACH_HINT` says how, in
the error that `auto_log` raises. Packages elsewhere join in by an entry point of the group `tallyboard.adapters`,
whose name is the framework's top package and whose object is such a module.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import os
import pkgutil
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import entry_points
from types import FunctionType, MethodType, ModuleType, TracebackType
from typing import TYPE_CHECKING, Any

from tallyboard.core.errors import TallyboardError, UnsupportedModel
from tallyboard.core.hparams import ended_well, passed_through
from tallyboard.core.summary import Event
from tallyboard.core.writer import SummaryWriter

if TYPE_CHECKING:
    from torch import nn

    from .system import SystemMonitor
    from .torch.distributions import Distributions

__all__ = ["ALIASES", "Handle", "auto_log", "system_monitor", "unwatch", "watch"]

ALIASES = {"lightning_fabric": "lightning", "pytorch_lightning": "lightning", "tf_keras": "keras"}
ALIASES |= dict.fromkeys(("equinox", "flax", "haiku", "jaxlib", "optax"), "jax")
"""The adapter of a package that has none of its own name."""
_FUNCTIONS = (FunctionType, MethodType, functools.partial)
_GROUP = "tallyboard.adapters"


class Handle:
    """What `auto_log` returns: the way to stop. As a context manager it detaches at the end of the block.

    It need not be kept: logging goes on without it, to the end of the program or of the model.
    """

    def __init__(
        self,
        writer: SummaryWriter,
        detach: Callable[[], None],
        *,
        owns_writer: bool,
        monitor: SystemMonitor | None = None,
    ) -> None:
        self._writer = writer
        self._detach: Callable[[], None] | None = detach
        self._call: Callable[..., Any] | None = getattr(detach, "call", None)
        self._owns_writer = owns_writer
        self._monitor = monitor

    @property
    def writer(self) -> SummaryWriter:
        """Where the values go; open to everything else that belongs to the same run."""
        return self._writer

    def log(self, **values: object) -> None:
        """Logs values of your own beside the found ones, at the training step they belong to.

        Args:
            values: one number each (or a tensor of one element, which is read later and waits for no device).
                `loss=` takes the place of the loss that was found.

        Raises:
            InvalidSummary: a value is not one number.
            TallyboardError: the handle is detached, or its adapter takes no values.
        """
        if self._detach is None:
            raise TallyboardError(
                "handle.log: this handle is detached; log before detach(), or through a SummaryWriter"
            )
        log: Callable[[Mapping[str, object]], None] | None = getattr(self._detach, "log", None)
        if log is None:
            raise TallyboardError("handle.log: this adapter takes no values; use handle.writer.add_scalar")
        log(values)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Calls the step function that JAX's adapter watches; once detached, the function alone.

        Raises:
            TallyboardError: the model is none, and is called as ever.
        """
        if self._call is None:
            raise TallyboardError("handle(): this handle stands for no function; call the model itself, as before")
        return self._call(*args, **kwargs)

    def detach(self) -> None:
        """Stops: writes what is still on its way and leaves the model as it was. A second call does nothing.

        Closes the writer if `auto_log` made it; one that was passed in stays open.
        """
        self._end(passed_through(sys._getframe(1)))  # pyright: ignore[reportPrivateUsage]

    def _end(self, failed: bool) -> None:
        detach, self._detach = self._detach, None
        if detach is None:
            return
        detach()
        if self._monitor is not None:
            self._monitor.close()
        if self._owns_writer:
            self._writer.close(failed=failed)

    def __enter__(self) -> Handle:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end(not ended_well(error))

    def __repr__(self) -> str:
        return f"<auto_log handle, {'attached' if self._detach else 'detached'}, writing to {self._writer!r}>"


class _Nowhere:
    """The sink of the processes that write nothing."""

    def write(self, event: Event, /) -> None:
        pass

    def flush(self) -> None:
        pass

    def close(self) -> None:
        pass


def auto_log(
    model: object,
    logdir: str | os.PathLike[str] | None = None,
    *,
    writer: SummaryWriter | None = None,
    optimizer: object = None,
    system: bool | None = None,
    **options: Any,
) -> Handle:
    """Watches a model and logs its training, until `detach()` or the end of the program.

        handle = tb.auto_log(model)          # before the training loop, and the loop stays as it is

    The most specific framework among the model's classes decides which adapter watches it. Of a `torch.nn.Module`
    are logged, each step of its optimizer being a step (`tallyboard.integrations.torch` says what each is exactly):

    - at every step `train/loss`, `train/lr`, `train/momentum`, `train/weight_decay`, `time/step_ms`,
      `time/samples_per_second`, `time/data_wait_ms` and `time/data_wait_share`, without waiting for a device;
    - every 50 steps `gradients/norm`, `weights/norm` and `weights/update_ratio`, in all and by module
      (`gradients/norm/layers.0`), `gradients/nonfinite` and `weights/nonfinite`, and by module `activations/mean/...`,
      `activations/std/...` and `activations/dead/...`;
    - every 10 seconds `system/...`, where no writer is given;
    - once the graph, the tables `auto_log/parameters` and `auto_log/environment`, and hyperparameters;
    - when a loss is NaN or infinite the texts `nonfinite/loss` and `nonfinite/module`.

    Of a `LightningModule` are logged what it logs itself, its hyperparameters and graph, and what `TallyboardMonitor`
    measures, by whatever trainer it meets (`tallyboard.integrations.lightning.attach` has the options).

    Of a step function of JAX, `step = tb.auto_log(train_step)`, which is then called in its place, are logged the
    metrics that it returns, the learning rate, times, and the weights by module (`tallyboard.integrations.jax.attach`).

    Args:
        model: the model; with JAX the function that makes a step, or what holds the weights.
        logdir: the run's directory; by default a new one below `runs`, as `SummaryWriter` names it.
        writer: a writer to use instead; it is not closed.
        optimizer: the optimizer, or several, where the adapter cannot find them.
        system: also logs what the machine does (`system_monitor`), until the handle is detached; by default where
            no writer is given.
        options: further options of the adapter. Of a `torch.nn.Module`: `every=50`, steps between two that are looked
            at closely; `histograms=None`, steps between two whose weights and gradients become histograms
            (`gradients/histogram/<parameter>`, `weights/histogram/<parameter>`); `graph=True`, draws the model's first
            pass; `hparams=True`, logs what the optimizers were told, beside a mapping of your own if it is one;
            `profile=None`, records some of the first steps for `tb.read_profile`: `"once"`, a number of them, or how
            many pass, warm up and are recorded;
            `nan="next"`, names the module that made a loss NaN in the step after, `"trace"` in the very step at the
            cost of a look at every result, None says nothing; `start_step=0`, steps that a resumed run has made.

    Returns:
        A handle: `detach()` ends it, `log(name=number)` adds numbers of your own at the step they belong to.

    Raises:
        UnsupportedModel: no adapter for this object, or one that is used in another way, which the text names.
        TypeError: both `logdir` and `writer`, or an option that the adapter does not have.
    """
    if logdir is not None and writer is not None:
        raise TypeError("auto_log: both logdir and writer were given; the writer has a directory already, keep one")
    adapter = _adapter_for(model)
    if optimizer is not None:
        options["optimizer"] = optimizer
    _check_options(adapter, options)
    owns_writer = writer is None
    system = owns_writer if system is None else system
    rank = getattr(adapter, "rank", None)
    if rank is not None and rank() > 0:
        writer, owns_writer, system = SummaryWriter(sink=_Nowhere()), True, False
    elif writer is None:
        writer = SummaryWriter(logdir)
    try:
        detach = adapter.attach(model, writer, **options)
    except BaseException:
        if owns_writer:
            writer.close()
        raise
    return Handle(writer, detach, owns_writer=owns_writer, monitor=system_monitor(writer) if system else None)


def system_monitor(
    writer: SummaryWriter, every: float = 10.0, *, step: Callable[[], int] | None = None
) -> SystemMonitor:
    """Logs what the machine does, from a thread, until the writer is closed, or `close()` of what this returns.

        tb.system_monitor(writer)

    The tags (`system/cpu`, `system/gpu/0/utilization`, ...) stand in `tallyboard.integrations.system`.

    Args:
        writer: gets the values; it is not closed.
        every: seconds between two samples.
        step: gives the step of each sample, from another thread than the one that trains; by default the seconds
            since now.

    Raises:
        TypeError: `writer` cannot be written to, or `step` cannot be called.
        ValueError: `every` is no positive number.
    """
    from .system import SystemMonitor

    return SystemMonitor(writer, every, step)


def watch(
    models: nn.Module | Sequence[nn.Module],
    criterion: object = None,
    log: str | None = "gradients",
    log_freq: int = 1000,
    idx: int | None = None,
    log_graph: bool = False,
    *,
    writer: SummaryWriter | None = None,
    logdir: str | os.PathLike[str] | None = None,
) -> tuple[Distributions, ...]:
    """Logs histograms of a PyTorch model's gradients, parameters or both, as wandb's function of this name.

        tb.watch(model, log="all", log_freq=100, writer=writer)

    The tags are `gradients/<name>` and `parameters/<name>`; the step is the number of batches, which are calls of the
    model that record gradients.

    Args:
        models: a `torch.nn.Module`, or several.
        criterion: accepted as wandb has it; nothing is logged of a loss function.
        log: `"gradients"`, `"parameters"`, `"all"`, or None for neither.
        log_freq: how many batches lie between two that are logged.
        idx: a number for the names, `gradients/graph_<idx><name>`; several models are numbered by themselves.
        log_graph: writes the model's graph, too, with the inputs of the first batch.
        writer: gets the values; by default a new one, closed by `unwatch` or at the program's end.
        logdir: the directory of that new one; by default one below `runs`, as `SummaryWriter` names it.

    Returns:
        One handle a model, each with `close()`, which leaves the model as it was.

    Raises:
        UnsupportedModel: a model is no `torch.nn.Module`.
        ValueError: `log` is none of these, or `log_freq` is below 1.
        TypeError: both `logdir` and `writer`.
    """
    from .torch.distributions import watch

    return watch(models, criterion, log, log_freq, idx, log_graph, writer=writer, logdir=logdir)


def unwatch(models: nn.Module | Sequence[nn.Module] | None = None) -> None:
    """Ends what `watch` began.

    Args:
        models: these; by default all.
    """
    from .torch.distributions import unwatch

    unwatch(models)


def _adapter_for(model: object) -> ModuleType:
    """The adapter of the most specific class of `model` that has one; imports nothing before a match."""
    packages = [cls.__module__.partition(".")[0] for cls in type(model).__mro__]
    names = [ALIASES.get(name, name) for name in dict.fromkeys(packages) if name != "builtins"]
    if isinstance(model, _FUNCTIONS) and "jax" in sys.modules:  # a step that calls compiled functions
        names = ["jax"]
    for name in names:
        module = _find(name)
        if module is None:
            continue
        if hasattr(module, "attach"):
            return module
        hint = getattr(module, "ATTACH_HINT", f"use {', or '.join(module.__all__)}, of {module.__name__}")
        raise UnsupportedModel(f"auto_log does not take a {_described(model)}: {hint}")
    there_are = ", ".join(sorted(module.name for module in pkgutil.iter_modules(__path__)))
    looked_for = f"looked for adapters named {', '.join(names)}" if names else "it belongs to no framework"
    cure = "pass an instance of it, not the class" if isinstance(model, type) else "pass the model itself"
    raise UnsupportedModel(
        f"auto_log: no adapter for {_described(model)}; {looked_for}, there are {there_are}. "
        f"{cure[0].upper()}{cure[1:]}, or log with tb.SummaryWriter"
    )


def _find(name: str) -> ModuleType | None:
    if any(name == module.name for module in pkgutil.iter_modules(__path__)):
        return importlib.import_module(f"{__name__}.{name}")
    for entry_point in entry_points(group=_GROUP, name=name):
        return entry_point.load()
    return None


def _check_options(adapter: ModuleType, options: Mapping[str, object]) -> None:
    parameters = inspect.signature(adapter.attach).parameters
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
        return
    known = [name for name, parameter in parameters.items() if parameter.kind is parameter.KEYWORD_ONLY]
    if unknown := sorted(set(options) - set(known)):
        raise TypeError(
            f"auto_log: {adapter.__name__} has no option {', '.join(unknown)}; "
            f"it has {', '.join(known) if known else 'none'}"
        )


def _described(model: object) -> str:
    kind = model if isinstance(model, type) else type(model)
    return f"{'the class ' if isinstance(model, type) else ''}{kind.__module__}.{kind.__qualname__}"
