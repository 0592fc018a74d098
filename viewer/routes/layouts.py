"""`/api/layouts`: the charts that trainings laid out with `add_custom_scalars`."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Any

from aiohttp import web

from ..context import CONTEXT, Context
from ..patterns import PATIENCE, TookTooLong, matching
from ..responses import dump_json, is_fresh, revalidated
from .tensorboard.custom_scalars import merged_layout

if TYPE_CHECKING:
    from tallyboard.core.proto.plugin_pb2 import Chart

MOST_CHARTS = 1_000
"""Charts that one answer holds."""

_MOST_SLOW = 2

routes = web.RouteTableDef()


@routes.get("/api/layouts")
async def get_layouts(request: web.Request) -> web.StreamResponse:
    """The layouts of all runs as one, with the tags that their expressions match."""
    context = request.app[CONTEXT]
    etag = f"{context.boot}-{context.store.version}"
    if is_fresh(request, etag):
        return revalidated(request, etag, None, content_type="application/json")
    body = await asyncio.to_thread(describe, context)
    return revalidated(request, etag, body, content_type="application/json")


def describe(context: Context) -> bytes:
    """Encode the answer."""
    layout = merged_layout(context)
    tags = sorted(context.store.overview().tags.get("scalars", {}))
    search = _Search(tags)
    room = MOST_CHARTS
    categories: list[dict[str, Any]] = []
    for category in layout.category if layout is not None else ():
        charts = [_chart(chart, search) for chart in category.chart[:room]]
        room -= len(charts)
        categories.append({"title": category.title, "closed": category.closed, "charts": charts})
    return dump_json({"categories": categories})


class _Search:
    """Which tags expressions match, until too many of them took too long."""

    def __init__(self, tags: list[str]) -> None:
        self._tags = tags
        self._slow = 0

    def __call__(self, expression: str) -> list[str]:
        """The tags at whose start it matches.

        Raises:
            ValueError: it cannot be searched for; the text says why.
        """
        if self._slow >= _MOST_SLOW:
            raise ValueError("other expressions of the layouts took too long")
        try:
            return matching(expression, self._tags)
        except re.error as broken:
            raise ValueError(f"{expression!r} is no regular expression: {broken}") from None
        except TookTooLong:
            self._slow += 1
            raise ValueError(f"the search for {expression!r} was given up after {PATIENCE:g} seconds") from None


def _chart(chart: Chart, search: _Search) -> dict[str, Any]:
    if chart.WhichOneof("content") == "margin":
        margins = [{"value": one.value, "lower": one.lower, "upper": one.upper} for one in chart.margin.series]
        return {"title": chart.title, "margins": margins}
    lines: dict[str, None] = {}
    problems: list[str] = []
    for expression in chart.multiline.tag:
        try:
            lines |= dict.fromkeys(search(expression))
        except ValueError as problem:
            problems.append(str(problem))
    return {"title": chart.title, "lines": list(lines), **({"problem": "; ".join(problems)} if problems else {})}
