"""`/data/plugin/histograms/` and `/data/plugin/distributions/`: buckets, and what lies below which share of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
from aiohttp import web
from numpy.typing import NDArray

from tallyboard.core.errors import CorruptRecord
from tallyboard.core.event_accumulator import HistogramValue, compressed

from .answers import Asked, answering, json_answer, missing, plain
from .values import names, tensor_in, values

if TYPE_CHECKING:
    from ...context import Context

__all__ = ["rows_of"]

routes = web.RouteTableDef()

BASIS_POINTS: Final = (0, 668, 1587, 3085, 5000, 6915, 8413, 9332, 10000)
"""Hundredths of a percent: the median, and half, one and one and a half standard deviations around it."""


def rows_of(context: Context, run: str, tag: str, limited_as: str) -> list[tuple[float, int, NDArray[Any]]] | None:
    """Wall time, step and rows of left edge, right edge and count of each histogram; None where there are none."""
    found = values(context, "histograms", run, tag, limited_as)
    if found is None:
        return None
    out: list[tuple[float, int, NDArray[Any]]] = []
    for value in found:
        try:
            rows = tensor_in(value.message)
        except CorruptRecord:
            continue
        if rows.ndim == 2 and rows.shape[1] == 3 and rows.dtype != object:
            out.append((value.wall_time, value.step, rows))
    return out


@routes.get("/data/plugin/histograms/tags")
@answering
def get_tags(asked: Asked) -> web.Response:
    """Display name and description by run and tag."""
    return json_answer(names(asked.context, "histograms"))


@routes.get("/data/plugin/histograms/histograms")
@answering
def get_histograms(asked: Asked) -> web.Response:
    """Wall time, step and buckets of each histogram of one series."""
    return json_answer(plain([(wall, step, rows.tolist()) for wall, step, rows in _needed(asked, "histograms")]))


@routes.get("/data/plugin/distributions/tags")
@answering
def get_distribution_tags(asked: Asked) -> web.Response:
    """The histograms' tags: distributions are another view of them."""
    return json_answer(names(asked.context, "histograms"))


@routes.get("/data/plugin/distributions/distributions")
@answering
def get_distributions(asked: Asked) -> web.Response:
    """Wall time, step, and pairs of basis points and values, of each histogram of one series."""
    return json_answer(plain([(wall, step, shares(rows)) for wall, step, rows in _needed(asked, "distributions")]))


def _needed(asked: Asked, limited_as: str) -> list[tuple[float, int, NDArray[Any]]]:
    run, tag = asked.run_and_tag()
    found = rows_of(asked.context, run, tag, limited_as)
    if found is None:
        raise missing(f"there is no histogram of run={run!r}, tag={tag!r}")
    return found


def shares(rows: NDArray[Any]) -> list[tuple[float, float]]:
    """Basis points, and the value that so much of the distribution lies below."""
    if not len(rows):
        return [(point, 0.0) for point in BASIS_POINTS]
    rows = rows.astype(np.float64)
    limits, counts = rows[:, 1].tolist(), rows[:, 2].tolist()
    return compressed(HistogramValue(float(rows[0, 0]), limits[-1], 1.0, 0.0, 0.0, limits, counts), BASIS_POINTS)
