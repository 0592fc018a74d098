"""The hooks that Keras calls, and what each of them has logged."""

# ruff: noqa: ARG002  (hooks take what Keras passes)

from __future__ import annotations

import functools
import os
import time
import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Concatenate, ParamSpec

import keras

from tallyboard.core.errors import warn_once
from tallyboard.core.summary import Event
from tallyboard.core.writer import SummaryWriter

from .arguments import checked
from .background import Background
from .batches import Batches
from .ending import Ending, rank
from .frames import arguments_of_fit, list_of_callbacks
from .models import backend_of, steps_per_call
from .rates import iterations_of, learning_rates
from .runs import TRAIN, VALIDATION, Runs

__all__ = ["Hooks", "TallyboardCallback"]

_P = ParamSpec("_P")
_Logs = Mapping[str, Any] | None
_BATCH_END_HOOKS = ("on_batch_end", "on_train_batch_end", "on_test_batch_end", "on_predict_batch_end")


def _never_raises(hook: Callable[Concatenate[Hooks, _P], None]) -> Callable[Concatenate[Hooks, _P], None]:
    """A hook whose failure ends the logging, with one warning, and not the training."""

    @functools.wraps(hook)
    def guarded(self: Hooks, /, *args: _P.args, **kwargs: _P.kwargs) -> None:
        if self._broken:
            return
        try:
            hook(self, *args, **kwargs)
        except Exception as error:  # whatever it is, it must not reach the training
            self._broken = True
            with suppress(Exception):
                self._close(failed=False)
            warn_once(
                ("keras", self.log_dir),
                f"TallyboardCallback({self.log_dir!r}): logging stopped in {hook.__name__}, "
                f"training goes on: {type(error).__name__}: {error}",
            )

    return guarded


def _nothing() -> None:
    """In place of a reference to a model: there is none."""


class Hooks:
    """The callback, whichever Keras's `Callback` stands beside it; see `TallyboardCallback`."""

    model: Any
    _model: Any

    def __init__(
        self,
        log_dir: str | os.PathLike[str] = "logs",
        histogram_freq: int = 0,
        write_graph: bool = True,
        write_images: bool = False,
        write_steps_per_second: bool = False,
        update_freq: str | int = "epoch",
        profile_batch: int | str | Sequence[int] = 0,
        embeddings_freq: int = 0,
        embeddings_metadata: str | Mapping[str, str] | None = None,
        *,
        histograms: str | Sequence[str] = ("weights",),
        validation_data: Any = None,
        hparams: bool | Mapping[str, Any] = True,
        system: bool = False,
        evaluation: bool | Sequence[str] = False,
        prediction_images: Callable[[Any, int], Any] | None = None,
        resume: bool = False,
    ) -> None:
        super().__init__()
        self._settings = checked(
            histogram_freq=histogram_freq,
            write_graph=write_graph,
            write_images=write_images,
            write_steps_per_second=write_steps_per_second,
            update_freq=update_freq,
            profile_batch=profile_batch,
            embeddings_freq=embeddings_freq,
            embeddings_metadata=embeddings_metadata,
            histograms=histograms,
            validation_data=validation_data,
            hparams=hparams,
            system=system,
            evaluation=evaluation,
            prediction_images=prediction_images,
            resume=resume,
        )
        self.log_dir = os.fspath(log_dir)
        self.update_freq = self._settings.update_freq
        self.write_steps_per_second = self._settings.write_steps_per_second
        self._prepare()

    def _prepare(self) -> None:
        """What is known of no training yet."""
        self._runs = Runs(self.log_dir, silent=rank() > 0)
        self._background = Background(self._cannot)
        self._ending: Ending | None = None
        self._batches: Batches | None = None
        self._broken = False
        self._in_fit = False
        self._batch_began = 0.0
        self._epoch_began = 0.0
        self._epoch_first_iteration = 0
        self._fit: Mapping[str, Any] = {}
        self._forwarding: Any = None
        self._global_tested = 0
        self._profiling: Any = None
        self._drawn: Callable[[], Any] = _nothing
        self._wants_step_graph = False

    @property
    def async_safe(self) -> bool:
        """Asked by Keras: may batches end in another thread, when their logs are there? Then training waits for none.

        Yes if nobody here reads them, and on JAX, whose numbers never change, also if they are written. A subclass with
        batch hooks of its own is not spoken for.
        """
        mine = all(getattr(type(self), hook) is getattr(TallyboardCallback, hook) for hook in _BATCH_END_HOOKS)
        timed = self._settings.profile is not None or self.write_steps_per_second
        return mine and (self.update_freq == "epoch" or keras.backend.backend() == "jax") and not timed

    def writer(self, run: str = TRAIN) -> SummaryWriter:
        """The writer of a run, for what else is to be logged there; it is closed when the `fit` under way ends.

        Args:
            run: `"train"` or `"validation"`.

        Raises:
            InvalidLogdir: the run's directory cannot be made.
        """
        return self._runs.writer(run)

    @_never_raises
    def _start_over(self) -> None:
        self._close(failed=self._in_fit)

    def set_model(self, model: Any) -> None:
        """Called by Keras when a `fit` or an `evaluate` of its own begins: logging starts with new files.

        Raises:
            ValueError: `embeddings_metadata` names a layer that the model does not have.
        """
        super().set_model(model)  # type: ignore[misc]  # Keras's Callback stands beside this class
        self._model = model  # of which Keras 2 has no such name
        self._broken = False
        self._start_over()
        self._in_fit = False
        if self._settings.embeddings_freq:
            from .embeddings import check_metadata

            check_metadata(model, self._settings.embeddings_metadata)

    @_never_raises
    def on_train_begin(self, logs: _Logs = None) -> None:
        """A `fit` begins."""
        self._in_fit = True
        self._fit = arguments_of_fit(self._model)
        resumed = (iterations_of(self.model) or 0) if self._settings.resume else 0
        every = 1 if self.update_freq == "epoch" else int(self.update_freq)
        self._batches = Batches(self._runs, every, resumed)
        self._runs.writer(TRAIN)  # opened now, so that a bad directory is known before the first epoch is over
        callbacks = list_of_callbacks()
        self._ending = Ending(self._runs, self._background, callbacks)
        self._begin_others(getattr(callbacks, "callbacks", ()))

    def _begin_others(self, callbacks: Iterable[Any]) -> None:
        """What is done once, when a training begins; the callbacks are all of this `fit`."""
        from .beginning import Beginning, warn_of_another

        warn_of_another(self, callbacks)
        begun = Beginning(self._settings, self._runs, self._cannot)
        self._forwarding = begun.forwarding(self._model, self._ending)
        self._profiling = begun.profiling(self._model, self._ending)
        begun.tell(self.model, self._fit)
        if self._settings.system and self._batches is not None:
            begun.watch_machine(self._batches)
        if self._settings.write_graph and self._drawn() is not self._model:
            from .drawn import write_structure

            write_structure(self.model, self._fit.get("x"), self._runs.writer(TRAIN), self._cannot)
            self._drawn = weakref.ref(self._model)
            self._wants_step_graph = True

    def _write_step_graph(self) -> None:
        """The graph of what the backend runs, after the first epoch: then all is compiled."""
        if self._wants_step_graph:
            from .drawn import step_graph

            self._wants_step_graph = False
            make, writer = step_graph(self.model, self._fit.get("x")), self._runs.writer(TRAIN)

            def write() -> None:
                if make is not None and (summary := make()) is not None:
                    writer.write(Event(0, time.time(), summary))

            self._background.do("graph of a step", write)

    @_never_raises
    def on_train_end(self, logs: _Logs = None) -> None:
        """A `fit` ended well."""
        self._in_fit = False
        self._close(failed=False)

    @_never_raises
    def on_train_batch_begin(self, batch: int, logs: _Logs = None) -> None:
        """A batch begins."""
        if self._batches is not None:
            self._batches.begin(batch, steps_per_call(self._model))
            if self._forwarding is not None:
                self._forwarding.batch(TRAIN, self._batches.begun, int(self.update_freq))
            if self._profiling is not None:
                self._profile(self._profiling.batch_begins)
        self._batch_began = time.perf_counter()

    @_never_raises
    def on_train_batch_end(self, batch: int, logs: _Logs = None) -> None:
        """A batch ended; its logs are the running averages of the epoch."""
        if self._profiling is not None:
            self._profile(self._profiling.batch_ends)
        if self.update_freq == "epoch" or self._batches is None:
            return
        told = dict(logs or {})
        if self.write_steps_per_second and (seconds := time.perf_counter() - self._batch_began):
            told["steps_per_second"] = 1 / seconds
        self._batches.end(batch, told)

    def _profile(self, tell: Callable[[int], None]) -> None:
        try:
            tell(self._batches.here if self._batches is not None else 0)
        except Exception as error:  # a profiler that another one hinders
            self._profiling = None
            self._cannot("profile", error)

    @_never_raises
    def on_test_begin(self, logs: _Logs = None) -> None:
        """A validation begins, or an `evaluate` of its own."""
        if self._forwarding is not None:
            self._forwarding.enter(VALIDATION)

    @_never_raises
    def on_test_batch_begin(self, batch: int, logs: _Logs = None) -> None:
        """A batch of a validation begins."""
        if self._forwarding is not None:
            self._global_tested += 1
            self._forwarding.batch(VALIDATION, self._global_tested, int(self.update_freq))

    @_never_raises
    def on_epoch_begin(self, epoch: int, logs: _Logs = None) -> None:
        """An epoch begins."""
        if self._batches is not None:
            self._batches.begin_epoch()
        if self.write_steps_per_second:
            self._epoch_first_iteration = iterations_of(self.model) or 0
            self._epoch_began = time.perf_counter()

    @_never_raises
    def on_epoch_end(self, epoch: int, logs: _Logs = None) -> None:
        """An epoch ended, and its validation."""
        if self._batches is not None:
            self._batches.flush()
        if logs:
            self._log_metrics(epoch, logs)
        self._log_weights(epoch)
        self._write_step_graph()

    def _log_metrics(self, epoch: int, logs: Mapping[str, Any]) -> None:
        of_training = {name: value for name, value in logs.items() if not name.startswith("val_")}
        of_training |= learning_rates(self.model)
        if self.write_steps_per_second and (iterations := iterations_of(self.model)) is not None:
            seconds = time.perf_counter() - self._epoch_began
            of_training["steps_per_second"] = (iterations - self._epoch_first_iteration) / seconds
        for name, value in of_training.items():
            self._runs.scalar(TRAIN, f"epoch_{name}", value, epoch)
        for name, value in logs.items():
            if name.startswith("val_"):
                self._runs.scalar(VALIDATION, f"epoch_{name.removeprefix('val_')}", value, epoch)

    def _log_weights(self, epoch: int) -> None:
        """Histograms, pictures and embeddings, in the epochs for which they are wanted."""
        settings = self._settings
        jobs: list[tuple[str, Callable[[SummaryWriter, int], None]]] = []
        if settings.histogram_freq and epoch % settings.histogram_freq == 0:
            from .weights import collect

            wanted = settings.histograms
            sample = self._sample() if wanted & {"activations", "gradients"} else None
            jobs.append(("histograms", collect(self.model, wanted, sample, settings.write_images, self._cannot)))
        if settings.embeddings_freq and epoch % settings.embeddings_freq == 0:
            from .embeddings import collect_embeddings

            folders = [self.log_dir, self._runs.folder(TRAIN), os.curdir]
            jobs.append(("embeddings", collect_embeddings(self.model, settings.embeddings_metadata, folders)))
        for what, job in jobs:
            self._background.do(what, functools.partial(job, self._runs.writer(TRAIN), epoch))
        self._log_predictions(epoch)

    def _log_predictions(self, epoch: int) -> None:
        """What the model makes of validation data: a confusion matrix and curves, and pictures of the user's."""
        settings = self._settings
        if settings.evaluation:
            from .evaluation import predicted

            try:
                job = predicted(self.model, self._validation_data(), settings.classes)
            except Exception as error:  # no classifier, no data
                self._cannot("evaluation", error)
            else:
                self._background.do("evaluation", functools.partial(job, self._runs.writer(VALIDATION), epoch))
        if settings.prediction_images is not None:
            try:
                found = settings.prediction_images(self.model, epoch)
                found = found if isinstance(found, Mapping) or found is None else {"predictions": found}
                for tag, pictures in (found or {}).items():
                    self._runs.writer(VALIDATION).add_images(tag, pictures, epoch, dataformats="NHWC")
            except Exception as error:  # the user's, which shall not end the training
                self._cannot("pictures of predictions", error)

    def _sample(self) -> Any:
        """A batch of validation data, or None with a warning."""
        from .sample import first_batch

        sample = first_batch(self._validation_data()) if backend_of(self._model) == keras.backend.backend() else None
        if sample is None:
            warn_once(
                ("keras sample", self.log_dir),
                f"TallyboardCallback({self.log_dir!r}): histograms of activations and gradients need validation data "
                "that can be read again, and there are none; give fit validation_data= of arrays or a dataset, or "
                "the callback validation_data=",
            )
        return sample

    def _validation_data(self) -> Any:
        given = self._settings.validation_data
        return self._fit.get("validation_data") if given is None else given

    @_never_raises
    def on_test_end(self, logs: _Logs = None) -> None:
        """A validation ended, or an `evaluate` of its own."""
        if (iterations := iterations_of(self.model)) is not None:
            for name, value in (logs or {}).items():
                self._runs.scalar(VALIDATION, f"evaluation_{name}_vs_iterations", value, iterations)
        if self._forwarding is not None:
            self._forwarding.leave()
        if not self._in_fit:  # an evaluate of its own: no later hook will close the file
            self._close(failed=False)

    def _cannot(self, what: str, error: Exception) -> None:
        text = str(error).strip().partition("\n")[0]
        warn_once(
            ("keras", self.log_dir, what),
            f"TallyboardCallback({self.log_dir!r}): no {what} ({type(error).__name__}: {text}); training goes on",
        )

    @_never_raises
    def _end(self, failed: bool) -> None:
        self._in_fit = False
        self._close(failed)

    def _close(self, failed: bool) -> None:
        self._fit = {}
        self._forwarding = self._profiling = None
        if self._batches is not None:
            self._batches.flush()
            self._batches = None
        ending, self._ending = self._ending, None
        if ending is None:
            self._background.wait()
            self._runs.close(failed)
        else:
            ending.end(failed)


# `model` is a property of Keras 3's callbacks and an attribute of Keras 2's: Hooks says only that it is there.
class TallyboardCallback(Hooks, keras.callbacks.Callback):  # pyright: ignore[reportIncompatibleMethodOverride]
    """Logs a `fit` or an `evaluate` of Keras.

    Written to `<log_dir>/train` and `<log_dir>/validation`, as `keras.callbacks.TensorBoard` does
    (keras/src/callbacks/tensorboard.py of Keras 3.15):

    - at the end of each epoch, step = epoch from 0: `epoch_<metric>` in both runs, and in `train`
      `epoch_learning_rate` (`epoch_learning_rate_<optimizer>` for each of several optimizers);
    - every `update_freq` batches, step = batch from 1 since `fit` began: `batch_<metric>` in `train`, the
      running averages of the epoch so far;
    - after each validation or `evaluate`, step = `optimizer.iterations`: `evaluation_<metric>_vs_iterations`.

    Unlike the peer, an integer `update_freq` thins out only the batches: the peer then also loses the epoch
    and evaluation values of every epoch whose last batch is no multiple of it.

    No hook raises: when logging fails, one `TallyboardWarning` says why and training goes on. Nothing waits for a
    batch's results, but on TensorFlow and PyTorch where batches are logged. Histograms are counted, and pictures
    drawn, in another thread than the one that trains, which copies the weights.

    Args:
        log_dir: directory that holds the two runs, or its URL.
        histogram_freq: every how many epochs, from the first on, histograms are written; 0 for never.
        write_graph: writes the model's graph.
        write_images: at the same epochs also writes the weights as pictures, `<weight>/image`.
        write_steps_per_second: also log `epoch_steps_per_second` and, where batches are logged,
            `batch_steps_per_second`.
        update_freq: `"epoch"`, `"batch"` (the same as 1), or a number of batches.
        profile_batch: the batch to profile, counted from 1, or the first and the last as a pair, a list or
            `"10,20"`; 0 for none.
        embeddings_freq: every how many epochs, from the first on, the vectors of every Embedding layer are written for
            the projector; 0 for never.
        embeddings_metadata: a file with a line for each row (columns by tabs, then with a header), of all Embedding
            layers, or one by a layer's name; its name is relative to `log_dir` or to where the program runs.
        histograms: what they are of: `"weights"` (tag `<weight>/histogram`), `"gradients"` of the loss of a batch of
            validation data (`gradients/...`), `"activations"` of each layer for that batch (`activations/...`),
            `"moments"` that the optimizer keeps (`optimizer/...`); some of these, or `"all"`.
        validation_data: what that batch comes from, by default `fit`'s validation data.
        hparams: logs hyperparameters; a mapping adds to those found.
        system: also logs what the machine does.
        evaluation: logs a confusion matrix and precision-recall curves of the validation data; names of the classes
            may be given.
        prediction_images: a function of the model and the epoch, which gives a dict from tags to batches of pictures
            [N, H, W, C].
        resume: counts batches on from the optimizer's iterations.

    Raises:
        ValueError: a frequency, `profile_batch`, `histograms` or `evaluation` is none.
        TypeError: `embeddings_metadata` or `prediction_images` is none.
        InvalidLogdir: `log_dir` is a file, or a URL that cannot be written to.
    """
