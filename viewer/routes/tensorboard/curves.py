"""`/data/plugin/pr_curves/`: precision and recall at each threshold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from aiohttp import web

from tallyboard.core.errors import CorruptRecord

from .answers import Asked, Refused, answering, json_answer, plain
from .values import names, tensor_in, values

if TYPE_CHECKING:
    from .values import Value

routes = web.RouteTableDef()

_COUNTS = ("true_positives", "false_positives", "true_negatives", "false_negatives")


@routes.get("/data/plugin/pr_curves/tags")
@answering
def get_tags(asked: Asked) -> web.Response:
    """Display name and description by run and tag."""
    return json_answer(names(asked.context, "pr_curves"))


@routes.get("/data/plugin/pr_curves/pr_curves")
@answering
def get_pr_curves(asked: Asked) -> web.Response:
    """The curves of one tag, by run; `run` may be given again."""
    runs, tag = asked.fields.get("run", []), asked.one("tag")
    if not runs:
        raise Refused(400, "No runs were given to fetch curves of.")
    if not tag:
        raise Refused(400, "No tag was given to fetch curves of.")
    found: dict[str, list[dict[str, Any]]] = {}
    for run in runs:
        curves = values(asked.context, "pr_curves", run, tag)
        if curves is None:
            raise Refused(400, f"There are no curves of run {run!r} and tag {tag!r}.")
        found[run] = [entry for curve in curves if (entry := _entry(curve)) is not None]
    return json_answer(plain(found))


def _entry(curve: Value) -> dict[str, Any] | None:
    """One curve; thresholds at its end that nothing reaches have no precision, and are left out."""
    try:
        rows = tensor_in(curve.message)
    except CorruptRecord:
        return None
    if rows.ndim != 2 or len(rows) < 6 or not rows.shape[1] or rows.dtype == object:
        return None
    with np.errstate(invalid="ignore"):
        counts = rows[:4].astype(np.int64)
    reached = np.flatnonzero(counts[0] + counts[1])
    end = int(reached[-1]) + 1 if len(reached) else 1
    return {
        "wall_time": curve.wall_time,
        "step": curve.step,
        "precision": rows[4, :end].tolist(),
        "recall": rows[5, :end].tolist(),
        **{name: counts[at, :end].tolist() for at, name in enumerate(_COUNTS)},
        "thresholds": np.linspace(0.0, 1.0, rows.shape[1])[:end].tolist(),
    }
