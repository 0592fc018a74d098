"""`/api/runs`: which runs there are, and which series they hold."""

from __future__ import annotations

import asyncio
import math
from typing import Any

from aiohttp import web

from ..context import CONTEXT, Context
from ..responses import dump_json, is_fresh, revalidated

routes = web.RouteTableDef()


@routes.get("/api/runs")
async def get_runs(request: web.Request) -> web.StreamResponse:
    """The runs, their warnings, and every series with its number of points."""
    context = request.app[CONTEXT]
    # Read before the content: what is published in between is then news to this client, never lost on it.
    version, state = context.store.version, context.store.state
    etag = f"{context.boot}-{version}-{state}"
    body = None
    if not is_fresh(request, etag):
        body = await asyncio.to_thread(describe, context, version, state)
    return revalidated(request, etag, body, content_type="application/json")


def describe(context: Context, version: int, state: str) -> bytes:
    """Encode the answer; series name their run by its index in "runs"."""
    runs = context.store.runs()
    index = {run.name: at for at, run in enumerate(runs)}
    answer: dict[str, Any] = {
        "version": version,
        "logdir": context.logdir,
        "state": state,
        "title": context.title,
        "runs": [
            {
                "name": run.name,
                "first_wall_time": _finite(run.first_wall_time),
                "last_wall_time": _finite(run.last_wall_time),
                "warnings": [
                    {"kind": warned.kind, "count": warned.count, "message": warned.message} for warned in run.warnings
                ],
            }
            for run in runs
        ],
        "series": {
            plugin: {
                # A run seen by tags() and not yet by runs() was published in between: the next change names
                # it.
                tag: [[index[run], points] for run, points in counts.items() if run in index]
                for tag, counts in tags.items()
            }
            for plugin, tags in context.store.tags().items()
        },
    }
    return dump_json(answer)


def _finite(number: float | None) -> float | None:
    return number if number is not None and math.isfinite(number) else None
