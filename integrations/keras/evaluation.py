"""How well a classifier does on validation data: a confusion matrix, and a precision-recall curve for each class."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

import keras
import numpy as np
from numpy.typing import NDArray

from tallyboard.core.arrays import as_array
from tallyboard.core.writer import SummaryWriter

__all__ = ["predicted"]

_MOST_SAMPLES: Final = 10_000
_MOST_CURVES: Final = 20
_BATCH: Final = 256


def predicted(model: Any, data: Any, classes: tuple[str, ...] | None) -> Callable[[SummaryWriter, int], None]:
    """Has a model predict the first 10,000 samples of validation data.

    Args:
        model: a classifier with one output.
        data: as `fit` takes them; they are read once more.
        classes: names.

    Returns:
        What writes the matrix and the curves, for another thread.

    Raises:
        ValueError: there are no data, no targets, or these are no classes.
    """
    labels, scores = [], []
    known = 0
    for x, y in _batches(data):
        labels.append(as_array(y, "TallyboardCallback(evaluation=)", "the targets", copy=False))
        scores.append(np.asarray(model.predict_on_batch(x)))
        known += len(labels[-1])
        if known >= _MOST_SAMPLES:
            break
    if not labels:
        raise ValueError("there are no validation data that can be read again; give fit validation_data=")
    right, given = _as_classes(np.concatenate(labels), np.concatenate(scores))

    def write(writer: SummaryWriter, epoch: int) -> None:
        names = list(classes) if classes else None
        writer.add_confusion_matrix("evaluation/confusion_matrix", right, given.argmax(1), epoch, class_names=names)
        for number in range(1 if given.shape[1] == 2 else 0, min(given.shape[1], _MOST_CURVES)):
            name = names[number] if names and number < len(names) else str(number)
            writer.add_pr_curve(f"evaluation/pr_curve/{name}", right == number, given[:, number], epoch)

    return write


def _batches(data: Any) -> Iterator[tuple[Any, Any]]:
    if data is None or (hasattr(data, "__next__") and not isinstance(data, tuple | list)):
        return
    if isinstance(data, tuple | list):
        x, y = (*data, None)[:2]
        size = len(keras.tree.flatten(x)[0])
        for start in range(0, size, _BATCH):
            part = slice(start, start + _BATCH)
            yield keras.tree.map_structure(lambda one, part=part: one[part], x), _target(y)[part]
        return
    sized = hasattr(data, "__getitem__") and hasattr(data, "__len__")
    for batch in (data[i] for i in range(len(data))) if sized else data:
        x, y = (*batch, None)[:2] if isinstance(batch, tuple | list) else (batch, None)
        yield x, _target(y)


def _target(y: Any) -> Any:
    if y is None or isinstance(y, dict | tuple | list):
        raise ValueError("the validation data have no targets, or several")
    return y


def _as_classes(labels: NDArray[Any], scores: NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The right class of each sample, and the probability of each class."""
    scores = scores.astype(np.float64)
    if scores.ndim != 2:
        raise ValueError(f"one score for each class was expected of each sample, got shape {scores.shape[1:]}")
    if scores.shape[1] == 1:  # two classes, of which the score is the second one's
        if scores.min() < 0 or scores.max() > 1:
            scores = 0.5 * (1 + np.tanh(scores / 2))
        scores = np.concatenate([1 - scores, scores], axis=1)
    elif scores.min() < 0 or scores.max() > 1 or not np.allclose(scores.sum(1), 1, atol=1e-2):
        scores = np.exp(scores - scores.max(1, keepdims=True))
        scores /= scores.sum(1, keepdims=True)
    if labels.ndim == 2 and labels.shape[1] == scores.shape[1] and labels.shape[1] > 1:
        return labels.argmax(1), scores
    labels = labels.reshape(-1)
    if len(labels) != len(scores) or not np.array_equal(labels, labels.astype(np.int64)):
        raise ValueError("the targets are no classes: integers from 0, or a row of 0 and 1 for each sample")
    if labels.min() < 0 or labels.max() >= scores.shape[1]:
        raise ValueError(
            f"the targets go from {labels.min()} to {labels.max()}, and there are {scores.shape[1]} scores"
        )
    return labels.astype(np.int64), scores
