"""Lightning: a logger where `TensorBoardLogger` stood, a callback and a profiler that look closer, or all by one line.

    from tallyboard.integrations.lightning import TallyboardLogger, TallyboardMonitor

    trainer = Trainer(logger=TallyboardLogger("runs", name="first"), callbacks=[TallyboardMonitor()])

Directories, versions, tags, steps, values and hyperparameters of the logger are those of `TensorBoardLogger` (Lightning
2.6); it is exported under that name too, so that changing the import is the whole migration. It serves
`Fabric(loggers=...)` likewise. `tb.auto_log(module)` needs neither: logger and monitor join the trainer that the
module meets.

`pytorch_lightning` and `lightning.pytorch` are two packages, each with base classes of its own. The names here give
classes for the one which the program has imported; where that does not decide, `lightning.pytorch` comes first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from tallyboard.core.errors import MissingDependency, UnsupportedModel
from tallyboard.core.writer import SummaryWriter

try:
    from lightning_utilities.core.rank_zero import rank_zero_only  # comes with each of Lightning's packages
except ModuleNotFoundError as error:
    raise MissingDependency(
        "tallyboard.integrations.lightning needs Lightning: pip install 'tallyboard[lightning]'"
    ) from error

from .classes import class_named, in_use

if TYPE_CHECKING:
    from pytorch_lightning.callbacks.callback import Callback
    from pytorch_lightning.loggers.logger import Logger
    from pytorch_lightning.profilers.profiler import Profiler

    from .logger import Recorder
    from .monitor import Monitoring
    from .profiler import Profiling

    class TallyboardLogger(Recorder, Logger):
        """What type checkers see of the classes made in classes.py."""

    class TallyboardMonitor(Monitoring, Callback):
        """Likewise."""

    class TallyboardProfiler(Profiling, Profiler):
        """Likewise."""

    TensorBoardLogger = TallyboardLogger

__all__ = ["TallyboardLogger", "TallyboardMonitor", "TallyboardProfiler", "TensorBoardLogger", "attach", "rank"]

_PARTS = {
    "TallyboardLogger": "Logger",
    "TallyboardMonitor": "Monitor",
    "TallyboardProfiler": "Profiler",
    "TensorBoardLogger": "Logger",
}


def __getattr__(name: str) -> Any:
    found = class_named(in_use(_PARTS[name]) if name in _PARTS else name)
    if found is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return found


def attach(
    model: object,
    writer: SummaryWriter,
    *,
    every: int = 50,
    activations: bool = True,
    graph: bool = True,
    hparams: bool | Mapping[str, object] = True,
    histograms: int | None = None,
    images: bool | Callable[..., Any] = False,
    profile: str | int | tuple[int, int, int] | None = None,
) -> Callable[[], None]:
    """Logs what a module does in any trainer, until the result is called: what it logs itself, its hyperparameters and
    graph, checkpoints, `train/loss` unless it logs that, and what `TallyboardMonitor` measures.

    A logger and a callback join the trainer when it fits, validates or tests, beside its own, and leave it at the end.
    Where the trainer has no logger, its checkpoints lie where they would without this one.

    Args:
        model: a `LightningModule`.
        writer: gets the values; it is not closed.
        every: steps between two that are looked at closely.
        activations: looks at what modules give out.
        graph: writes the graph of the first batch.
        hparams: logs the module's hyperparameters and what the optimizers were told; a mapping adds to them; False
            leaves out what the module has not saved.
        histograms: steps between two whose weights and gradients become histograms.
        images: as of `TallyboardMonitor`.
        profile: as of `TallyboardMonitor`.

    Raises:
        UnsupportedModel: `model` is no `LightningModule`.
        InvalidSummary: a number of steps is none, or `profile` or `hparams` are of no such kind.
        TypeError: `images` is neither a function nor a bool.
    """
    if not callable(getattr(model, "configure_callbacks", None)):
        raise UnsupportedModel(
            f"auto_log expected a LightningModule, got {type(model).__qualname__}; pass the module, or give the "
            "Trainer a logger: Trainer(logger=tallyboard.integrations.lightning.TallyboardLogger('runs'))"
        )
    from .automatic import attached

    options = {
        "every": every,
        "activations": activations,
        "histograms": histograms,
        "images": images,
        "profile": profile,
        "system": None,
    }
    return attached(model, writer, graph, hparams, options)


def rank() -> int:
    """The place of this process in a distributed training, as Lightning knows it; 0 outside of one."""
    return int(getattr(rank_zero_only, "rank", 0))
