"""The monitor: a callback that logs what goes on inside a training, beside what the module logs itself.

    Trainer(logger=TallyboardLogger("runs"), callbacks=[TallyboardMonitor()])

Steps are those that Lightning logs at: the first is 0, and batches whose gradients are accumulated count as one. At
each step that Lightning logs (`log_every_n_steps`):

============================ ===================================================================================
`train/lr`, `train/momentum`, of each optimizer as the step was made: `train/lr/optimizer1` is the second one's,
`train/weight_decay`         `train/lr/group0` of a group. What has always been 0 is left out
`time/step_ms`               milliseconds a step, mean since the last one logged; from the wait for the batch to its
                             end, without validation, checkpoints and loggers
`time/data_wait_ms`, `share` how much of it was spent waiting for the data, in milliseconds and as a part
`time/samples_per_second`    by the first size of the first tensor of each batch
`trainer/global_step`        steps of all optimizers, which Lightning names checkpoints by
============================ ===================================================================================

At the first step and at each `every`-th:

============================ ===================================================================================
`gradients/norm`             before clipping, in all and by module; `gradients/norm_clipped` after it, where there
                             is clipping; `gradients/nonfinite`, how many parameters have NaN or infinity in it
`weights/norm`,              likewise of the weights before the step, and how far it moved them as a part of that
`weights/update_ratio`
`activations/mean/...`       and `std` of what a module gave out, `dead` the share of units that gave 0 for all
============================ ===================================================================================

Every ten seconds `system/...` tells what the machine does. The sanity check before training leaves nothing but its
duration, `time/sanity_check_s`. Nothing waits for a device: values are written a step late, with their own time.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from lightning_utilities.core.rank_zero import rank_zero_only

from tallyboard.core.errors import InvalidSummary, warn_once
from tallyboard.core.summary import as_step
from tallyboard.core.writer import SummaryWriter

from ..system import SystemMonitor
from ..torch.profiling import Recording, recorded_steps
from .logger import Recorder
from .measuring import Measuring, Wanted
from .pictures import pictures_of

__all__ = ["Monitoring"]

Images = bool | Callable[..., Any]


def guarded(hook: Callable[..., None]) -> Callable[..., None]:
    """A hook of the callback from which no exception reaches the training; the first one is told in a warning."""

    @functools.wraps(hook)
    def run(self: Monitoring, *args: Any, **named: Any) -> None:
        try:
            hook(self, *args, **named)
        except Exception as error:  # whatever it is, training goes on
            warn_once(
                ("lightning monitor", id(self)),
                f"TallyboardMonitor: a value could not be logged ({type(error).__name__}: {error}). "
                "Training goes on; further failures are not reported.",
            )

    return run


class Monitoring:
    """Logs gradients, weights, activations, learning rates, times and the machine, into the trainer's TallyboardLogger.

    On other ranks than zero, and where there is no such logger, nothing is measured.

    Args:
        every: steps between two that are looked at closely; the first one is, too.
        activations: looks at what modules give out.
        histograms: steps between two whose weights and gradients become histograms; None for none.
        images: pictures of the first batch of each epoch, `train/images` and `val/images`: True takes the first
            tensor of the batch that looks like pictures; a function gets the batch and what the step returned, and
            gives pictures as `add_images` takes them, or a mapping of them by name, or None.
        profile: records steps of the training as `auto_log(profile=)` does: `"once"`, a number of steps, or how many
            pass, warm up and are recorded.
        system: seconds between two looks at the machine; None for none.

    Raises:
        InvalidSummary: a number of steps is none, or `profile` is none of these.
        TypeError: `images` is neither a function nor a bool.
        ValueError: `system` is no positive number.
    """

    _package: ClassVar[str]

    def __init__(
        self,
        every: int = 50,
        *,
        activations: bool = True,
        histograms: int | None = None,
        images: Images = False,
        profile: str | int | tuple[int, int, int] | None = None,
        system: float | None = 10.0,
    ) -> None:
        super().__init__()
        for name, value in (("every", every), ("histograms", histograms)):
            if value is not None and as_step(value, "TallyboardMonitor", name) < 1:
                raise InvalidSummary(f"TallyboardMonitor({name}={value}): expected a number of steps, at least 1")
        if not isinstance(images, bool) and not callable(images):
            raise TypeError(f"TallyboardMonitor(images=...): expected a function, got {type(images).__qualname__}")
        if system is not None and (isinstance(system, bool) or not system > 0):
            raise ValueError(f"TallyboardMonitor(system={system!r}): expected seconds above 0, or None")
        self._wanted = Wanted(every, activations, histograms or 0)
        self._images, self._profile, self._system = images, recorded_steps(profile), system
        self._measuring: Measuring | None = None
        self._recording: Recording | None = None
        self._watching: SystemMonitor | None = None
        self._sanity_began: float | None = None
        self._sanity_took: float | None = None

    def __getstate__(self) -> dict[str, Any]:
        gone = dict.fromkeys(("_measuring", "_recording", "_watching"))
        return {**self.__dict__, **gone}

    def _writer(self, trainer: Any) -> SummaryWriter | None:
        """Where the values of this process go; None for nowhere."""
        if rank_zero_only.rank > 0 or trainer.fast_dev_run:
            return None
        loggers = [logger for logger in trainer.loggers if isinstance(logger, Recorder)]
        if not loggers and not any(type(logger).__name__ == "DummyLogger" for logger in trainer.loggers):
            warn_once(
                ("lightning monitor", "no logger"),
                "TallyboardMonitor: the Trainer has no TallyboardLogger, so nothing is measured; give it one, "
                "Trainer(logger=TallyboardLogger('runs'))",
            )
        return loggers[0].experiment if loggers else None

    # ---- hooks of Lightning's, in the order of a training

    @guarded
    def on_sanity_check_start(self, trainer: Any, pl_module: Any) -> None:  # noqa: ARG002
        """Begins to measure how long the sanity check takes."""
        self._sanity_began = time.perf_counter()

    @guarded
    def on_sanity_check_end(self, trainer: Any, pl_module: Any) -> None:  # noqa: ARG002
        """Keeps how long it took."""
        began, self._sanity_began = self._sanity_began, None
        self._sanity_took = None if began is None else time.perf_counter() - began

    @guarded
    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Begins to measure."""
        self._end()
        writer = self._writer(trainer)
        if writer is None:
            return
        measuring = self._measuring = Measuring(trainer, pl_module, writer, self._wanted)
        if self._sanity_took is not None:
            writer.add_scalar("time/sanity_check_s", self._sanity_took, measuring.step)
            self._sanity_took = None
        if self._profile is not None:
            self._recording = Recording(writer.log_dir, self._profile)
        if self._system is not None:
            self._watching = SystemMonitor(writer, self._system, lambda: measuring.step)

    @guarded
    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:  # noqa: ARG002
        """Looks at the batch, and at the forward pass that begins if it is to be."""
        if self._measuring is not None:
            self._measuring.batch_begins(batch)

    @guarded
    def on_before_backward(self, trainer: Any, pl_module: Any, loss: Any) -> None:  # noqa: ARG002
        """The forward pass is over."""
        if self._measuring is not None:
            self._measuring.backward_begins()

    @guarded
    def on_before_optimizer_step(self, trainer: Any, pl_module: Any, optimizer: Any) -> None:  # noqa: ARG002
        """Looks at gradients and weights if they are to be."""
        if self._measuring is not None:
            self._measuring.step_begins(optimizer)

    @guarded
    def on_train_batch_end(
        self,
        trainer: Any,  # noqa: ARG002
        pl_module: Any,  # noqa: ARG002
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Takes what the batch has shown."""
        if self._measuring is None:
            return
        self._measuring.batch_ends(outputs)
        if self._recording is not None:
            self._recording.step()
        self._draw("train", batch, outputs, batch_idx)

    @guarded
    def on_validation_batch_end(
        self,
        trainer: Any,
        pl_module: Any,  # noqa: ARG002
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Draws the first batch of a validation, but not of the sanity check."""
        if self._measuring is not None and not trainer.sanity_checking and not dataloader_idx:
            self._draw("val", batch, outputs, batch_idx)

    def _draw(self, stage: str, batch: Any, outputs: Any, batch_idx: int) -> None:
        measuring = self._measuring
        if measuring is None or self._images is False or batch_idx:
            return
        found = pictures_of(batch) if self._images is True else self._images(batch, outputs)  # type: ignore[operator]
        if found is None:
            return
        for name, pictures in (found if isinstance(found, Mapping) else {"images": found}).items():
            measuring.writer.add_images(f"{stage}/{name}", pictures, measuring.step)

    @guarded
    def on_train_end(self, trainer: Any, pl_module: Any) -> None:  # noqa: ARG002
        """Writes what is left."""
        self._end()

    @guarded
    def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:  # noqa: ARG002
        """Writes what is left of a training that failed."""
        self._end()

    def _end(self) -> None:
        measuring, self._measuring = self._measuring, None
        recording, self._recording = self._recording, None
        watching, self._watching = self._watching, None
        if watching is not None:
            watching.close()
        if recording is not None:
            recording.close()
        if measuring is not None:
            measuring.close()
