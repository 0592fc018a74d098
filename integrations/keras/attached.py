"""`auto_log(model)`: the `fit` of one model is logged, as if the callback had been given to it."""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tallyboard.core.errors import UnsupportedModel
from tallyboard.core.writer import SummaryWriter

from .callback import Hooks, TallyboardCallback
from .models import is_keras_2

__all__ = ["attach", "callback_for"]


def attach(
    model: object,
    writer: SummaryWriter,
    *,
    histogram_freq: int = 0,
    write_graph: bool = True,
    write_images: bool = False,
    write_steps_per_second: bool = False,
    update_freq: str | int = "epoch",
    profile_batch: int | str | Sequence[int] = 0,
    embeddings_freq: int = 0,
    embeddings_metadata: str | Mapping[str, str] | None = None,
    histograms: str | Sequence[str] = ("weights",),
    validation_data: Any = None,
    hparams: bool | Mapping[str, Any] = True,
    evaluation: bool | Sequence[str] = False,
    prediction_images: Callable[[Any, int], Any] | None = None,
    resume: bool = False,
) -> Callable[[], None]:
    """Logs every `fit` of a model below a writer's directory, until the result is called.

    Args:
        model: a `keras.Model`, or one of `tf_keras`. It is not kept alive.
        writer: of the directory that has the hyperparameters; runs `train` and `validation` are made below it.
        histogram_freq: every how many epochs weights become histograms; 0 for never. This and all that follows is as of
            `TallyboardCallback`.
        write_graph: writes the model's graph.
        write_images: also writes the weights as pictures.
        write_steps_per_second: logs steps per second.
        update_freq: `"epoch"`, `"batch"`, or a number of batches.
        profile_batch: the batch to profile, or the first and the last; 0 for none.
        embeddings_freq: every how many epochs embeddings are written; 0 for never.
        embeddings_metadata: a file with their labels, or one by a layer's name.
        histograms: what they are of.
        validation_data: in place of `fit`'s, for gradients, activations and the evaluation.
        hparams: logs hyperparameters; a mapping adds to those found.
        evaluation: logs a confusion matrix and precision-recall curves.
        prediction_images: a function of the model and the epoch that gives pictures by tag.
        resume: counts batches on from the optimizer's iterations.

    Raises:
        UnsupportedModel: it has no `fit`.
        ValueError, TypeError: as of `TallyboardCallback`.
    """
    kept: Any = model
    if not callable(getattr(model, "fit", None)) or not hasattr(model, "compile"):
        raise UnsupportedModel(
            f"auto_log expected a keras.Model, got {type(model).__module__}.{type(model).__qualname__}, which has no "
            "fit; pass the model, or give a fit callbacks=[tallyboard.integrations.keras.TallyboardCallback('runs')]"
        )
    callback = callback_for(kept)(
        writer.log_dir,
        histogram_freq,
        write_graph,
        write_images,
        write_steps_per_second,
        update_freq,
        profile_batch,
        embeddings_freq,
        embeddings_metadata,
        histograms=histograms,
        validation_data=validation_data,
        hparams=hparams,
        evaluation=evaluation,
        prediction_images=prediction_images,
        resume=resume,
    )
    callback._runs.take(writer)
    return _Attached(kept, callback)


def callback_for(model: Any) -> type[Any]:
    """The callback's class for a model: of Keras 3, or of `tf_keras` (Keras 2)."""
    return _of_tf_keras() if is_keras_2(model) else TallyboardCallback


@functools.cache
def _of_tf_keras() -> type[Any]:
    import tf_keras  # type: ignore[import-not-found,unused-ignore]

    return type("TallyboardCallback", (Hooks, tf_keras.callbacks.Callback), {"__doc__": TallyboardCallback.__doc__})


class _Attached:
    """What takes the logging away again."""

    def __init__(self, model: Any, callback: Any) -> None:
        self._model = weakref.ref(model)
        self._callback = callback
        self._before = vars(model).get("fit")
        self._fit = _Fit(weakref.ref(model), callback, self._before)
        vars(model)["fit"] = self._fit

    def __call__(self) -> None:
        model = self._model()
        if model is not None and vars(model).get("fit") is self._fit:
            del vars(model)["fit"]
            if self._before is not None:
                vars(model)["fit"] = self._before
        self._fit.off = True
        self._callback._end(failed=False)


class _Fit:
    """A model's `fit`, with the callback among its callbacks."""

    def __init__(self, model: Callable[[], Any], callback: Any, before: Any) -> None:
        self._model, self._callback, self._before = model, callback, before
        self.off = False

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        model = self._model()
        fit = self._before or functools.partial(type(model).fit, model)
        if self.off:
            return fit(*args, **kwargs)
        given = args[5] if len(args) > 5 else kwargs.get("callbacks")
        if type(given).__name__ == "CallbackList":
            if self._callback not in given.callbacks:
                given.append(self._callback)
        else:
            theirs = [] if given is None else list(given) if isinstance(given, list | tuple) else [given]
            theirs.append(self._callback)
            if len(args) > 5:
                args = (*args[:5], theirs, *args[6:])
            else:
                kwargs["callbacks"] = theirs
        try:
            return fit(*args, **kwargs)
        except BaseException:
            self._callback._end(failed=True)
            raise
