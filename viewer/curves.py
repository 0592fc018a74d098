"""What is shown of a logged curve: its counts at each threshold, and the areas under it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tallyboard.core import unpack
from tallyboard.core.errors import CorruptRecord
from tallyboard.core.proto import event_pb2 as pb

from .routes.tensorboard.values import head
from .values import value_at

if TYPE_CHECKING:
    from tallyboard.core.kinds import Curve

    from .context import Context

__all__ = ["PLUGIN", "NamedCurve", "areas", "told"]

PLUGIN: Final = "pr_curves"
_MOST: Final = 1_001
"""Thresholds that one answer holds; of more, so many of them evenly."""

F64 = NDArray[np.float64]


class NamedCurve(NamedTuple):
    """Which curve: `step` and `wall` as the page knows them."""

    run: str
    tag: str
    step: float
    wall: float


def told(context: Context, named: NamedCurve) -> dict[str, Any]:
    """What the page shows of a curve, or `{"problem"}`."""
    try:
        value = value_at(context, PLUGIN, *named)
    except CorruptRecord:
        return {"problem": "This value cannot be read any more: its file is damaged, or not what it was."}
    if value is None:
        return {"problem": "This value is not there any more."}
    about = head(context, PLUGIN, named.run, named.tag)
    metadata = pb.SummaryMetadata()
    metadata.plugin_data.content = about.content
    try:
        curve = unpack.curve(unpack.Found(int(named.step), named.wall, value, metadata))
        return _answer(curve)
    except CorruptRecord as damaged:
        return {"problem": f"This curve is damaged: {damaged}."}


def _answer(curve: Curve) -> dict[str, Any]:
    tp, fp, tn, fn = _counts(curve)
    ap, auc = areas(curve)
    size = len(curve.thresholds)
    picked = np.unique(np.linspace(0, size - 1, min(size, _MOST)).round().astype(np.int64))
    columns = {
        "threshold": curve.thresholds,
        "precision": curve.precision,
        "recall": curve.recall,
        "fpr": curve.false_positive_rate,
        "tp": tp,
        "fp": fp,
        "tn": tn,
        "fn": fn,
    }
    return {
        "kind": curve.kind,
        "thresholds": size,
        "ap": ap,
        "auc": auc,
        "exact": curve.area is not None,
        **{name: _plain(np.asarray(column, np.float64)[picked]) for name, column in columns.items()},
    }


def _counts(curve: Curve) -> tuple[F64, F64, F64, F64]:
    """True and false positives, true and false negatives.

    Raises:
        CorruptRecord: they are no counts.
    """
    counts = [
        np.asarray(one, np.float64)
        for one in (curve.true_positives, curve.false_positives, curve.true_negatives, curve.false_negatives)
    ]
    if not all(np.isfinite(one).all() and (one >= 0).all() for one in counts):
        raise CorruptRecord("its counts are negative, NaN or infinite")
    return counts[0], counts[1], counts[2], counts[3]


def areas(curve: Curve) -> tuple[float | None, float | None]:
    """Average precision and the area under the ROC curve; None where there are no positives, or no negatives.

    Both are those of scikit-learn's `average_precision_score` and `roc_auc_score` for predictions rounded down to the
    thresholds: the sum of (R_n - R_(n-1)) P_n over falling thresholds, and the trapezoids between them. A ROC curve of
    ours has its area written, that of the predictions themselves.

    Args:
        curve: whose counts are none or more.
    """
    tp, fp, tn, fn = _counts(curve)
    positives, negatives = float((tp + fn)[0]), float((fp + tn)[0])
    rates = tp[::-1] / positives if positives else None
    ap = auc = None
    if rates is not None:
        predicted = tp + fp
        precision = np.divide(tp, predicted, out=np.zeros(len(tp)), where=predicted > 0)[::-1]
        ap = float((np.diff(rates, prepend=0.0) * precision).sum())
    if rates is not None and negatives:
        true, false = np.concatenate(([0.0], rates)), np.concatenate(([0.0], fp[::-1] / negatives))
        auc = float((np.diff(false) * (true[1:] + true[:-1]) / 2).sum())
    if curve.area is not None:
        auc = curve.area if np.isfinite(curve.area) else None
    return ap, auc


def _plain(column: F64) -> list[float | None]:
    """Numbers as JSON can say them."""
    if np.isfinite(column).all():
        return column.tolist()
    return [number if np.isfinite(number) else None for number in column.tolist()]
