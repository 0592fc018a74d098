"""`/api/hparams/`: what a table of runs tells, which hyperparameters matter and what goes together.

The page sends the table that it shows, with its filters, groups and joined runs: the answer is about just that.
"""

from __future__ import annotations

import asyncio
import json
import math
from itertools import combinations
from typing import TYPE_CHECKING, Any, Final, cast

import numpy as np
from aiohttp import web

from tallyboard.core.associations import Column, column, correlation_ratio, cramers_v, pearson, spearman

from ..responses import dump_json, error
from ..safety import reads
from ..wishes import BadRequest

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

LEAST_ROWS: Final = 10
"""Rows with a value of the target below which nothing is said of importance."""
MOST_ROWS: Final = 2_000
"""Rows that a forest grows on; of more, as many are drawn with a fixed seed."""
MOST_COLUMNS: Final = 60
TREES, FEWER_TREES, MANY_CELLS = 100, 40, 40_000
"""Trees of a forest, and of one on a table with so many values."""
MOST_CATEGORIES: Final = 100
"""Categories of a column: one with more is a name, and is left out."""

routes = web.RouteTableDef()


@routes.post("/api/hparams/importance")
@reads
async def post_importance(request: web.Request) -> web.StreamResponse:
    """How much each column of a table tells of another, by a forest of random trees."""
    return await _answered(request, _importance)


@routes.post("/api/hparams/correlation")
@reads
async def post_correlation(request: web.Request) -> web.StreamResponse:
    """How the columns of a table go together, each with each."""
    return await _answered(request, _correlation)


async def _answered(request: web.Request, answer: Callable[[bytes], dict[str, Any]]) -> web.StreamResponse:
    body = await request.read()
    try:
        found = await asyncio.to_thread(answer, body)
    except BadRequest as bad:
        return error(bad.status, str(bad))
    return web.Response(body=dump_json(found), content_type="application/json", headers={"Cache-Control": "no-store"})


def _importance(body: bytes) -> dict[str, Any]:
    from tallyboard.core import forest  # here, as a viewer starts sooner without

    columns, fields = _table(body)
    name = fields.get("target")
    target = next((each for each in columns if each.name == name), None)
    if target is None:
        raise BadRequest("'target' must be the name of one of the columns.")
    if not target.numeric:
        raise BadRequest("The target must be a column of numbers.")
    there = np.flatnonzero(~np.isnan(target.values))
    rows, values = len(there), target.values[there]
    told: dict[str, Any] = {"rows": rows, "used": rows, "trees": 0, "r2": None, "columns": [], "left_out": []}
    if rows < LEAST_ROWS:
        return {**told, "problem": f"needs at least {LEAST_ROWS} rows with a value of the target, and there are {rows}"}
    if (values == values[0]).all():
        return {**told, "problem": "the target has the same value in all rows"}
    if rows > MOST_ROWS:
        there = np.sort(np.random.default_rng(0).choice(there, MOST_ROWS, replace=False))
        values = target.values[there]
    kept: list[Column] = []
    for each in columns:
        if each is target:
            continue
        cut = Column(each.name, each.numeric, each.values[there], each.labels)
        if reason := _unfit(cut):
            told["left_out"].append({"name": each.name, "reason": reason})
        else:
            kept.append(cut)
    if not kept:
        return {**told, "problem": "no column differs between the rows"}
    trees = TREES if len(kept) * len(values) <= MANY_CELLS else FEWER_TREES
    found = forest.importance(kept, values, trees=trees)
    told["columns"] = [
        {"name": each.name, "importance": share, **_pair(each, Column("", True, values))}
        for each, share in zip(kept, found.of, strict=True)
    ]
    return {**told, "used": len(values), "trees": trees, "r2": found.r2}


def _unfit(column: Column) -> str:
    """Why nothing can be learnt from a column, or nothing honest."""
    if len(column.labels) > MOST_CATEGORIES:
        return f"more than {MOST_CATEGORIES} categories"
    missing = bool(np.isnan(column.values).any())
    return "the same in all rows" if column.distinct + missing < 2 else ""


def _correlation(body: bytes) -> dict[str, Any]:
    columns, _ = _table(body)
    pairs = [{"of": [i, j], **_pair(columns[i], columns[j])} for i, j in combinations(range(len(columns)), 2)]
    return {"columns": [{"name": each.name, "numeric": each.numeric} for each in columns], "pairs": pairs}


def _pair(one: Column, other: Column) -> dict[str, Any]:
    """Measures of two columns, over the rows that have both; None where there is none."""
    there = ~(np.isnan(one.values) | np.isnan(other.values))
    x, y = one.values[there], other.values[there]
    told: dict[str, Any] = {"n": len(x), "pearson": None, "spearman": None, "eta": None, "v": None}
    if one.numeric and other.numeric:
        return {**told, "pearson": _said(pearson, x, y), "spearman": _said(spearman, x, y)}
    if one.numeric or other.numeric:
        codes, numbers = (y, x) if one.numeric else (x, y)
        return {**told, "eta": _said(correlation_ratio, codes, numbers)}
    return {**told, "v": _said(cramers_v, x, y)}


def _said(
    measure: Callable[[NDArray[np.float64], NDArray[np.float64]], float], x: NDArray[np.float64], y: NDArray[np.float64]
) -> float | None:
    value = measure(x, y)
    return value if math.isfinite(value) else None


def _table(body: bytes) -> tuple[list[Column], dict[str, Any]]:
    """The columns in a body, and whatever else is in it.

    Raises:
        BadRequest: it is no such table.
    """
    try:
        fields: Any = json.loads(body)
    except (ValueError, RecursionError):
        raise BadRequest("The body must be an object of JSON.") from None
    given = cast("dict[str, Any]", fields).get("columns") if isinstance(fields, dict) else None
    if not isinstance(given, list) or not given:
        raise BadRequest("'columns' must be a list of objects with 'name' and 'values'.")
    listed = cast("list[Any]", given)
    if len(listed) > MOST_COLUMNS:
        raise BadRequest(f"At most {MOST_COLUMNS} columns fit in one request; this one has {len(listed):,}.", 413)
    columns = [_column(each) for each in listed]
    if len({len(each.values) for each in columns}) > 1:
        raise BadRequest("All columns must have as many values.")
    if len({each.name for each in columns}) < len(columns):
        raise BadRequest("No two columns may have one name.")
    return columns, cast("dict[str, Any]", fields)


def _column(given: Any) -> Column:
    fields = cast("dict[str, Any]", given) if isinstance(given, dict) else {}
    name, values = fields.get("name"), fields.get("values")
    if not isinstance(name, str) or not isinstance(values, list):
        raise BadRequest("Each column must have a 'name', a text, and 'values', a list.")
    listed = cast("list[Any]", values)
    if not all(value is None or isinstance(value, (bool, int, float, str)) for value in listed):
        raise BadRequest("A value must be a number, a text, true, false or null.")
    return column(name, listed)
