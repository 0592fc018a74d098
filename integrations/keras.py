"""Keras: one callback that logs a `fit`, on every backend, without TensorFlow.

    from tallyboard.integrations.keras import TallyboardCallback

    model.fit(x, y, validation_data=(x_val, y_val), callbacks=[TallyboardCallback("runs/first")])

Runs, tags, steps and values are those of `keras.callbacks.TensorBoard`, of which this is the scalar part;
the class is also exported as `TensorBoard`, so that changing the import is the whole migration.
"""

# ruff: noqa: ARG002  (hooks take what Keras passes)

from __future__ import annotations

import functools
import operator
import os
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, Concatenate, ParamSpec

from tallyboard.core.errors import (
    InvalidLogdir,
    InvalidSummary,
    MissingDependency,
    TallyboardWarning,
    warn_once,
)
from tallyboard.core.writer import SummaryWriter

try:
    import keras
except ModuleNotFoundError as error:
    if error.name != "keras":  # keras is there but its backend is not: its own text says which
        raise
    raise MissingDependency("tallyboard.integrations.keras needs Keras 3: pip install 'tallyboard[keras]'") from error

__all__ = ["TallyboardCallback", "TensorBoard"]

_P = ParamSpec("_P")
_Logs = Mapping[str, Any] | None

TRAIN, VALIDATION = "train", "validation"
BATCH_END_HOOKS = ("on_batch_end", "on_train_batch_end", "on_test_batch_end", "on_predict_batch_end")


def _never_raises(
    hook: Callable[Concatenate[TallyboardCallback, _P], None],
) -> Callable[Concatenate[TallyboardCallback, _P], None]:
    """A hook whose failure ends the logging, with one warning, and not the training."""

    @functools.wraps(hook)
    def guarded(self: TallyboardCallback, /, *args: _P.args, **kwargs: _P.kwargs) -> None:
        if self._broken:
            return
        try:
            hook(self, *args, **kwargs)
        except Exception as error:  # whatever it is, it must not reach the training
            self._broken = True
            with suppress(Exception):
                self._close_writers()
            warn_once(
                ("keras", self.log_dir),
                f"TallyboardCallback({self.log_dir!r}): logging stopped in {hook.__name__}, "
                f"training goes on: {type(error).__name__}: {error}",
            )

    return guarded


class TallyboardCallback(keras.callbacks.Callback):
    """Logs the losses, metrics and learning rate of `fit` and `evaluate`.

    Written to `<log_dir>/train` and `<log_dir>/validation`, as `keras.callbacks.TensorBoard` does
    (keras/src/callbacks/tensorboard.py of Keras 3.15):

    - at the end of each epoch, step = epoch from 0: `epoch_<metric>` in both runs, and in `train`
      `epoch_learning_rate` (`epoch_learning_rate_<optimizer>` for each of several optimizers);
    - every `update_freq` batches, step = batch from 1 since `fit` began: `batch_<metric>` in `train`, the
      running averages of the epoch so far;
    - after each validation or `evaluate`, step = `optimizer.iterations`: `evaluation_<metric>_vs_iterations`.

    Unlike the peer, an integer `update_freq` thins out only the batches: the peer then also loses the epoch
    and evaluation values of every epoch whose last batch is no multiple of it.

    No hook raises: when logging fails, one `TallyboardWarning` says why and training goes on. The values are
    the floats that Keras hands to its callbacks. With `update_freq="epoch"` nothing waits for a batch's
    results; Keras itself makes them into floats, and waits for the device, when batches are logged.

    Args:
        log_dir: directory that holds the two runs.
        histogram_freq: only 0: histograms are not written yet. Like the other arguments so marked, another
            value is accepted with a `TallyboardWarning` that names what will be missing.
        write_graph: only False: the graph is not written yet.
        write_images: only False: images of weights are not written yet.
        write_steps_per_second: also log `epoch_steps_per_second` and, where batches are logged,
            `batch_steps_per_second`.
        update_freq: `"epoch"`, `"batch"` (the same as 1), or a number of batches.
        profile_batch: only 0: profiles are not written yet.
        embeddings_freq: only 0: embeddings are not written yet.
        embeddings_metadata: only None, for the same reason.

    Raises:
        ValueError: `update_freq` is neither of the two words nor a positive integer.
        InvalidLogdir: `log_dir` is a file.
    """

    def __init__(
        self,
        log_dir: str | os.PathLike[str] = "logs",
        histogram_freq: int = 0,
        write_graph: bool = False,
        write_images: bool = False,
        write_steps_per_second: bool = False,
        update_freq: str | int = "epoch",
        profile_batch: int | str | tuple[int, int] = 0,
        embeddings_freq: int = 0,
        embeddings_metadata: str | Mapping[str, str] | None = None,
    ) -> None:
        super().__init__()
        self.log_dir = os.fspath(log_dir)
        if Path(self.log_dir).exists() and not Path(self.log_dir).is_dir():
            raise InvalidLogdir(f"log_dir={self.log_dir!r} is a file; give the name of a directory")
        self.write_steps_per_second = write_steps_per_second
        self.update_freq = _checked_update_freq(update_freq)
        _warn_of_missing(
            histogram_freq=histogram_freq,
            write_graph=write_graph,
            write_images=write_images,
            profile_batch=profile_batch,
            embeddings_freq=embeddings_freq,
            embeddings_metadata=embeddings_metadata,
        )
        self._writers: dict[str, SummaryWriter] = {}
        self._broken = False
        self._in_fit = False
        self._batch = 0
        self._batch_began = 0.0
        self._epoch_began = 0.0
        self._epoch_first_iteration = 0

    @property
    def async_safe(self) -> bool:
        """Asked by Keras: may batches end before their logs are there? Yes if nobody here reads them.

        A subclass with batch hooks of its own is not spoken for.
        """
        mine = all(getattr(type(self), hook) is getattr(TallyboardCallback, hook) for hook in BATCH_END_HOOKS)
        return mine and self.update_freq == "epoch"

    @_never_raises
    def _start_over(self) -> None:
        self._close_writers()

    def set_model(self, model: Any) -> None:
        """Called by Keras when a `fit` or an `evaluate` of its own begins: logging starts with new files."""
        super().set_model(model)
        self._broken = False
        self._in_fit = False
        self._start_over()

    @_never_raises
    def on_train_begin(self, logs: _Logs = None) -> None:
        self._in_fit = True
        self._batch = 0
        self._writer(TRAIN)  # opened now, so that a bad directory is known before the first epoch is over

    @_never_raises
    def on_train_end(self, logs: _Logs = None) -> None:
        self._in_fit = False
        self._close_writers()

    @_never_raises
    def on_train_batch_begin(self, batch: int, logs: _Logs = None) -> None:
        self._batch += 1
        self._batch_began = time.perf_counter()

    @_never_raises
    def on_train_batch_end(self, batch: int, logs: _Logs = None) -> None:
        if self.update_freq == "epoch" or self._batch % int(self.update_freq):
            return
        if self.write_steps_per_second and (seconds := time.perf_counter() - self._batch_began):
            self._write(TRAIN, "batch_steps_per_second", 1 / seconds, self._batch)
        for name, value in (logs or {}).items():
            self._write(TRAIN, f"batch_{name}", value, self._batch)

    @_never_raises
    def on_epoch_begin(self, epoch: int, logs: _Logs = None) -> None:
        if self.write_steps_per_second:
            self._epoch_first_iteration = self._iterations() or 0
            self._epoch_began = time.perf_counter()

    @_never_raises
    def on_epoch_end(self, epoch: int, logs: _Logs = None) -> None:
        if not logs:
            return
        of_training = {name: value for name, value in logs.items() if not name.startswith("val_")}
        of_training |= self._learning_rates()
        if self.write_steps_per_second and (iterations := self._iterations()) is not None:
            seconds = time.perf_counter() - self._epoch_began
            of_training["steps_per_second"] = (iterations - self._epoch_first_iteration) / seconds
        for name, value in of_training.items():
            self._write(TRAIN, f"epoch_{name}", value, epoch)
        for name, value in logs.items():
            if name.startswith("val_"):
                self._write(VALIDATION, f"epoch_{name.removeprefix('val_')}", value, epoch)

    @_never_raises
    def on_test_end(self, logs: _Logs = None) -> None:
        if (iterations := self._iterations()) is not None:
            for name, value in (logs or {}).items():
                self._write(VALIDATION, f"evaluation_{name}_vs_iterations", value, iterations)
        if not self._in_fit:  # an evaluate of its own: no later hook will close the file
            self._close_writers()

    def _iterations(self) -> int | None:
        iterations = getattr(self.model.optimizer, "iterations", None)
        return None if iterations is None else int(keras.ops.convert_to_numpy(iterations))

    def _learning_rates(self) -> dict[str, float]:
        return {name: float(keras.ops.convert_to_numpy(rate)) for name, rate in self._rates_of_optimizers()}

    def _rates_of_optimizers(self) -> Iterator[tuple[str, Any]]:
        optimizer = self.model.optimizer
        optimizer = getattr(optimizer, "inner_optimizer", optimizer)  # inside a LossScaleOptimizer
        if hasattr(optimizer, "optimizers"):
            for one in optimizer.optimizers:
                yield f"learning_rate_{one.name}", one.learning_rate
        elif isinstance(optimizer, keras.optimizers.Optimizer):
            yield "learning_rate", optimizer.learning_rate

    def _write(self, run: str, tag: str, value: object, step: int) -> None:
        try:
            self._writer(run).add_scalar(tag, value, step)
        except InvalidSummary as error:  # this metric is no number; the others are
            warn_once(
                ("keras", self.log_dir, tag),
                f"TallyboardCallback({self.log_dir!r}) leaves out a metric: {error}",
            )

    def _writer(self, run: str) -> SummaryWriter:
        if run not in self._writers:
            directory = os.path.join(self.log_dir, run)  # a Path would break the // of a URL
            self._writers[run] = SummaryWriter(directory)
        return self._writers[run]

    def _close_writers(self) -> None:
        writers, self._writers = self._writers, {}
        with ExitStack() as stack:  # closes all of them, also when one fails
            for writer in writers.values():
                stack.callback(writer.close)


TensorBoard = TallyboardCallback


def _checked_update_freq(update_freq: object) -> str | int:
    if update_freq == "epoch":
        return "epoch"
    if update_freq == "batch":
        return 1
    try:
        number = operator.index(update_freq)  # type: ignore[arg-type]  # whatever has __index__: that is the test
    except TypeError:
        number = 0
    if number < 1 or isinstance(update_freq, bool):
        raise ValueError(f"update_freq={update_freq!r}: give 'epoch', 'batch', or a number of batches from 1")
    return number


def _warn_of_missing(**arguments: object) -> None:
    active = [f"{name}={value!r}" for name, value in arguments.items() if value]
    if active:
        warnings.warn(
            f"TallyboardCallback writes scalars; it does not yet write what {', '.join(active)} asks for. "
            "Leave it out to silence this warning.",
            TallyboardWarning,
            stacklevel=3,
        )
