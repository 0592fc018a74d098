"""What a classifier got right: precision and recall, ROC, and the confusion matrix."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .arrays import as_array
from .errors import InvalidSummary
from .proto.plugin_pb2 import PrCurvePluginData
from .summary import DataClass, Summary, as_tag, kind_of
from .tables import MAX_CELLS, string_table
from .values import Tensor

__all__ = ["confusion_matrix", "pr_curve", "pr_curve_raw", "roc_curve"]

_MINIMUM_COUNT = 1e-7  # TensorBoard's, in place of a division by zero
_BLOCK = 65_536  # values whose weights numpy.histogram adds up at a time: float sums depend on it
_SLACK = 1e-6  # how far outside 0 to 1 a rounded probability may lie


def pr_curve(tag: str, labels: Any, predictions: Any, num_thresholds: Any = 127, weights: Any = None) -> Summary:
    """A precision-recall curve at thresholds i / (num_thresholds - 1).

    The formula is that of TensorBoard's pr_curve/summary.py, which torch and tensorboardX have too. A prediction that
    is NaN or infinite is counted in no threshold; the description says how many are.

    Args:
        tag: its name.
        labels: 1 or True for what belongs to the class, 0 for what does not; any shape.
        predictions: the probability given to the class, 0 to 1; as many.
        num_thresholds: how many thresholds, at least 2.
        weights: of each label, or one number for all.

    Raises:
        InvalidSummary: they are not as many, or lie outside 0 to 1.
    """
    name = as_tag(tag, "add_pr_curve")
    call = f"add_pr_curve({name!r})"
    number = _thresholds(call, num_thresholds)
    judged = _Judged(call, labels, predictions, weights)
    data = _precision_recall(judged, number)
    content = PrCurvePluginData(num_thresholds=number).SerializeToString()
    return Summary(name, "pr_curves", DataClass.TENSOR, Tensor(data), judged.description, content=content)


def pr_curve_raw(tag: str, columns: dict[str, Any]) -> Summary:
    """A precision-recall curve that was made elsewhere.

    Args:
        tag: its name.
        columns: the arrays of true positives, false positives, true negatives, false negatives, precision and recall,
            in this order, by the names of the arguments they came from; each of shape [thresholds].

    Raises:
        InvalidSummary: they are not as long as each other.
    """
    name = as_tag(tag, "add_pr_curve_raw")
    call = f"add_pr_curve_raw({name!r})"
    arrays = {argument: _real(call, argument, value) for argument, value in columns.items()}
    for argument, array in arrays.items():
        if array.size != max(array.shape, default=1):
            raise InvalidSummary(
                f"{call}: expected {argument} to be one number for each threshold, got shape {array.shape}; "
                "log one class a call"
            )
    rows = [array.reshape(-1) for array in arrays.values()]
    sizes = {argument: len(row) for argument, row in zip(columns, rows, strict=True)}
    if len(set(sizes.values())) != 1 or not len(rows[0]):
        raise InvalidSummary(
            f"{call}: expected one number for each threshold in every argument, got "
            + ", ".join(f"{size} in {argument}" for argument, size in sizes.items())
        )
    data = np.stack([row.astype(np.float32) for row in rows])
    content = PrCurvePluginData(num_thresholds=data.shape[1]).SerializeToString()
    return Summary(name, "pr_curves", DataClass.TENSOR, Tensor(data), content=content)


def roc_curve(tag: str, labels: Any, predictions: Any, num_thresholds: Any = 127, weights: Any = None) -> Summary:
    """A receiver operating characteristic at thresholds i / (num_thresholds - 1), with the area under it.

    A float64 tensor of shape [8, num_thresholds], whose rows are true positives, false positives, true negatives,
    false negatives, true positive rate, false positive rate, threshold, and the area in every column. TensorBoard has
    no such plugin: it takes the first six rows for a precision-recall curve and draws the fifth over the sixth, which
    is the ROC curve. The area is exact: that over all distinct predictions, whatever the thresholds (the share of pairs
    of a positive and a negative in which the positive has the higher prediction, ties counting half); NaN when one of
    the classes is absent.

    Args, Raises: as for `pr_curve`.
    """
    name = as_tag(tag, "add_roc_curve")
    call = f"add_roc_curve({name!r})"
    number = _thresholds(call, num_thresholds)
    judged = _Judged(call, labels, predictions, weights)
    tp, fp, tn, fn = _counts(judged, number)
    rates = [tp / max(_MINIMUM_COUNT, tp[0]), fp / max(_MINIMUM_COUNT, fp[0])]
    thresholds = np.arange(number) / (number - 1)
    data = np.stack([tp, fp, tn, fn, *rates, thresholds, np.full(number, _area(judged))])
    content = PrCurvePluginData(num_thresholds=number, kind="roc").SerializeToString()
    said = f"ROC curve: false positive rate to the right, true positive rate upwards. {judged.description}".rstrip()
    shown = f"{name} (ROC: true over false positive rate)"
    return Summary(name, "pr_curves", DataClass.TENSOR, Tensor(data), said, shown, content)


def confusion_matrix(
    tag: str,
    labels: Any = None,
    predictions: Any = None,
    class_names: Sequence[str] | None = None,
    matrix: Any = None,
) -> Summary:
    """How often each class was taken for each: a table of strings whose first row and column are the classes.

    Args:
        tag: its name.
        labels: the right class of each, integers from 0, shape [n].
        predictions: the class predicted for each, integers of shape [n]; or scores of shape [n, classes].
        class_names: the names of classes 0, 1, ...
        matrix: in place of labels and predictions, the counts: shape [classes, classes], a row for each right class.

    Raises:
        InvalidSummary: labels and predictions are not as many, no classes, or more than there are names.
    """
    name = as_tag(tag, "add_confusion_matrix")
    call = f"add_confusion_matrix({name!r})"
    if (matrix is None) == (labels is None and predictions is None):
        raise InvalidSummary(f"{call}: give labels and predictions, or matrix, and not both")
    if matrix is None:
        counts = _confusion(call, labels, predictions, None if class_names is None else len(class_names))
    else:
        counts = _real(call, "matrix", matrix)
        if counts.ndim != 2 or counts.shape[0] != counts.shape[1] or not counts.size:
            raise InvalidSummary(f"{call}: expected matrix to be of shape (classes, classes), got {kind_of(matrix)}")
    names = [str(i) for i in range(len(counts))] if class_names is None else [str(each) for each in class_names]
    if len(names) != len(counts):
        raise InvalidSummary(f"{call}: got {len(names)} class_names for a matrix of {len(counts)} classes")
    rows = [["true \\ predicted", *names]]
    rows += [[row_name, *map(str, row)] for row_name, row in zip(names, counts.tolist(), strict=True)]
    return string_table(name, call, rows, "confusion_matrix")


class _Judged:
    """Labels with predictions and weights, checked: one dimension, finite predictions only."""

    def __init__(self, call: str, labels: Any, predictions: Any, weights: Any) -> None:
        truth, scores = _real(call, "labels", labels), _real(call, "predictions", predictions)
        if truth.size != scores.size or np.squeeze(truth).shape != np.squeeze(scores).shape or not truth.size:
            raise InvalidSummary(
                f"{call}: expected as many labels as predictions, at least one, got {kind_of(truth)} and "
                f"{kind_of(scores)}; call it once for each class with the labels and predictions of that class"
            )
        shape, truth = truth.shape, truth.reshape(-1).astype(np.float64)
        if not ((truth >= 0) & (truth <= 1)).all():
            raise InvalidSummary(
                f"{call}: expected labels of 0 and 1, got {_range(truth)}; compare them with the class: labels == 3"
            )
        scores = scores.reshape(-1)
        if scores.dtype.kind != "f":  # products of small integers would overflow
            scores = scores.astype(np.float64)
        finite = np.isfinite(scores)
        if not ((scores >= -_SLACK) & (scores <= 1 + _SLACK))[finite].all():
            raise InvalidSummary(
                f"{call}: expected predictions from 0 to 1, got {_range(scores[finite])}; "
                "apply a sigmoid or a softmax first"
            )
        self.weights: NDArray[np.float64] | float = self._weights(call, weights, shape)
        self.description = ""
        if not finite.all():
            left_out = len(scores) - int(finite.sum())
            self.description = f"{left_out} of {len(scores)} predictions are NaN or infinite and not counted."
            truth, scores = truth[finite], scores[finite]
            if isinstance(self.weights, np.ndarray):
                self.weights = self.weights[finite]
        self.labels, self.predictions = truth, np.clip(scores, 0, 1)

    def _weights(self, call: str, weights: Any, shape: tuple[int, ...]) -> NDArray[np.float64] | float:
        if weights is None:
            return 1.0
        array = _real(call, "weights", weights).astype(np.float64)
        if array.size == 1:
            return float(array.reshape(-1)[0])
        try:
            return np.broadcast_to(array, shape).reshape(-1)
        except ValueError:
            raise InvalidSummary(
                f"{call}: expected one of weights for each label, or one number, got {kind_of(array)} "
                f"for labels of shape {shape}"
            ) from None


def _real(call: str, argument: str, value: Any) -> NDArray[Any]:
    """An array of real numbers; half becomes float32, whose products do not round a value over the next threshold."""
    array = as_array(value, call, argument, copy=False)
    if array.dtype.kind == "c":
        raise InvalidSummary(f"{call}: expected {argument} to be real numbers, got {kind_of(value)}; take its .real")
    return array.astype(np.float32) if array.dtype == np.float16 else array


def _range(values: NDArray[Any]) -> str:
    if np.isnan(values).any():
        return "NaN among them"
    return f"values from {values.min():g} to {values.max():g}"


def _thresholds(call: str, num_thresholds: Any) -> int:
    try:
        number = operator.index(num_thresholds)
    except TypeError:
        number = 0
    if not 2 <= number <= 1_000_000:
        raise InvalidSummary(
            f"{call}: expected num_thresholds to be an integer from 2 to 1,000,000, got {num_thresholds!r}"
        )
    return number


def _counts(judged: _Judged, number: int) -> tuple[NDArray[np.float64], ...]:
    """True positives, false positives, true negatives and false negatives at each threshold."""
    places = np.floor(judged.predictions * (number - 1)).astype(np.int64)
    tp = _at_or_above(places, judged.labels * judged.weights, number)
    fp = _at_or_above(places, (1.0 - judged.labels) * judged.weights, number)
    return tp, fp, fp[0] - fp, tp[0] - tp


def _at_or_above(places: NDArray[np.int64], weights: NDArray[np.float64], number: int) -> NDArray[np.float64]:
    total = np.zeros(number)
    for start in range(0, len(places), _BLOCK):
        block = slice(start, start + _BLOCK)
        total += np.bincount(places[block], weights[block], number)
    return np.cumsum(total[::-1])[::-1]


def _precision_recall(judged: _Judged, number: int) -> NDArray[np.float32]:
    tp, fp, tn, fn = _counts(judged, number)
    precision = tp / np.maximum(_MINIMUM_COUNT, tp + fp)
    recall = tp / np.maximum(_MINIMUM_COUNT, tp + fn)
    return np.stack((tp, fp, tn, fn, precision, recall)).astype(np.float32)


def _area(judged: _Judged) -> float:
    """The area under the ROC curve through every distinct prediction."""
    _, groups = np.unique(judged.predictions, return_inverse=True)
    positive = np.bincount(groups, judged.labels * judged.weights)
    negative = np.bincount(groups, (1.0 - judged.labels) * judged.weights)
    pairs = positive.sum() * negative.sum()
    if not pairs > 0:
        return float("nan")
    below = np.cumsum(negative) - negative
    return float((positive * (below + negative / 2)).sum() / pairs)


def _confusion(call: str, labels: Any, predictions: Any, classes: int | None) -> NDArray[np.intp]:
    truth, guess = _real(call, "labels", labels), _real(call, "predictions", predictions)
    if guess.ndim == 2 and guess.shape[1] > 1 and truth.ndim < 2:
        classes = max(guess.shape[1], classes or 0)
        guess = guess.argmax(1)
    truth, guess = truth.reshape(-1), guess.reshape(-1)
    if len(truth) != len(guess) or not len(truth):
        raise InvalidSummary(
            f"{call}: expected a prediction for each of the labels, at least one, got {len(truth)} labels "
            f"and {len(guess)} predictions"
        )
    both = np.concatenate((truth.astype(np.float64), guess.astype(np.float64)))
    if not (both == np.floor(both)).all() or both.min() < 0:
        raise InvalidSummary(f"{call}: expected labels and predictions to be classes 0, 1, ..., got {_range(both)}")
    most = int(both.max()) + 1
    if classes is not None and most > classes:
        raise InvalidSummary(f"{call}: got class {most - 1}, but there are only {classes} classes")
    size = classes if classes is not None else most
    if (size + 1) ** 2 > MAX_CELLS:
        raise InvalidSummary(f"{call}: a matrix of {size} classes has more than {MAX_CELLS} cells; group the classes")
    flat = np.bincount(truth.astype(np.int64) * size + guess.astype(np.int64), minlength=size * size)
    return flat.reshape(size, size)
