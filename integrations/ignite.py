"""PyTorch Ignite: a logger that stands where its `TensorboardLogger` stood.

    from tallyboard.integrations.ignite import TallyboardLogger

    logger = TallyboardLogger("runs/first")
    logger.attach_output_handler(trainer, Events.ITERATION_COMPLETED, "train", output_transform=lambda x: {"loss": x})

It is one of Ignite's loggers, and takes Ignite's handlers, which are here too: tags, steps and values are theirs. The
class is also exported as `TensorboardLogger`, so that changing the import is the whole migration.
"""

from __future__ import annotations

from typing import Any

from tallyboard.core.errors import MissingDependency
from tallyboard.core.writer import SummaryWriter

try:
    from ignite.handlers import tensorboard_logger as handlers
except ImportError as error:
    raise MissingDependency(
        "tallyboard.integrations.ignite needs PyTorch Ignite: pip install 'tallyboard[ignite]'"
    ) from error

from ignite.handlers.tensorboard_logger import (
    GradsScalarHandler,
    OptimizerParamsHandler,
    OutputHandler,
    WeightsScalarHandler,
    global_step_from_engine,
)

__all__ = [
    "GradsHistHandler",
    "GradsScalarHandler",
    "OptimizerParamsHandler",
    "OutputHandler",
    "TallyboardLogger",
    "TensorboardLogger",
    "WeightsHistHandler",
    "WeightsScalarHandler",
    "global_step_from_engine",
]

ATTACH_HINT = "attach a TallyboardLogger to its Engine instead: logger.attach(engine, handler, event)"


class TallyboardLogger(handlers.TensorboardLogger):
    """Logs what handlers tell of an engine. As a context manager it is closed at the end of the block.

    Args:
        arguments, options: those of `tb.SummaryWriter`, first of all `log_dir`.
        writer: one to use instead. It is not closed.

    Raises:
        TypeError: both.
        InvalidLogdir: `log_dir` is a file.
    """

    def __init__(self, *arguments: Any, writer: SummaryWriter | None = None, **options: Any) -> None:
        if writer is not None and (arguments or options):
            raise TypeError("TallyboardLogger: both a writer and arguments for one were given; keep one of them")
        self._owns_writer = writer is None
        self.writer = SummaryWriter(*arguments, **options) if writer is None else writer

    def __getattr__(self, name: str) -> Any:
        if name == "writer":  # asked for before there is one, by copy and pickle
            raise AttributeError(name)
        return getattr(self.writer, name)

    def close(self) -> None:
        """Closes the writer that was made here."""
        if self._owns_writer:
            self.writer.close()


TensorboardLogger = TallyboardLogger


class WeightsHistHandler(handlers.WeightsHistHandler):
    """Ignite's handler of this name, for weights of every dtype: NumPy has no bfloat16."""

    def __call__(self, engine: Any, logger: Any, event_name: Any) -> None:
        """Writes a histogram of each weight, as `weights/<name>`."""
        step = engine.state.get_event_attrib_value(event_name)
        for name, weight in self.weights:
            logger.writer.add_histogram(_tag(self.tag, "weights", name), weight.detach(), step)


class GradsHistHandler(handlers.GradsHistHandler):
    """Ignite's handler of this name, for gradients of every dtype."""

    def __call__(self, engine: Any, logger: Any, event_name: Any) -> None:
        """Writes a histogram of each gradient there is, as `grads/<name>`."""
        step = engine.state.get_event_attrib_value(event_name)
        for name, weight in self.weights:
            if weight.grad is not None:
                logger.writer.add_histogram(_tag(self.tag, "grads", name), weight.grad, step)


def _tag(start: str | None, kind: str, name: str) -> str:
    path = name.replace(".", "/")
    return f"{start}/{kind}/{path}" if start else f"{kind}/{path}"
