"""`/api/runs`: which runs there are, and which series they hold."""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING, Any

from aiohttp import web

from ..context import CONTEXT, Context
from ..responses import dump_json, error, is_fresh, revalidated

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tallyboard.core.store import Overview, Store

LONGEST_WAIT = 2.0
"""Seconds that an answer waits at most for the first pass over the logdir."""

_LOOK = 0.01
"""Seconds between two looks at how far that is."""

routes = web.RouteTableDef()


@routes.get("/api/runs")
async def get_runs(request: web.Request) -> web.StreamResponse:
    """The runs, their warnings, and every series with its number of points."""
    context = request.app[CONTEXT]
    store = context.store
    try:
        wait = float(request.query.get("wait", "0"))
    except ValueError:
        wait = math.nan
    if not 0 <= wait <= LONGEST_WAIT:
        return error(400, f'The query\'s "wait" must be a number of seconds from 0 to {LONGEST_WAIT:g}.')
    await _is_read(store, wait)
    etag = f"{context.boot}-{store.version}-{store.state}"
    body = None
    if not is_fresh(request, etag):
        overview = await asyncio.to_thread(store.overview)
        etag = f"{context.boot}-{overview.version}-{overview.state}"
        body = await asyncio.to_thread(describe, context, overview)
    return revalidated(request, etag, body, content_type="application/json")


async def _is_read(store: Store, wait: float) -> None:
    """Returns when the first pass is done, or was waited for so many seconds."""
    loop = asyncio.get_running_loop()
    end = loop.time() + wait
    while store.state == "loading" and loop.time() < end:
        await asyncio.sleep(_LOOK)


def describe(context: Context, overview: Overview) -> bytes:
    """Encode the answer; series name their run by its index in "runs", and their generation unless it is 0."""
    runs = overview.runs
    index = {run.name: at for at, run in enumerate(runs)}
    generations = overview.generations

    def entries(plugin: str, tag: str, counts: Mapping[str, int]) -> list[list[int]]:
        """Those of a tag in the order of "runs", whatever the order in which they were found."""
        found: list[list[int]] = []
        for run, points in counts.items():
            generation = generations.get((run, tag), 0) if plugin == "scalars" else 0
            found.append([index[run], points, generation] if generation else [index[run], points])
        return sorted(found)

    answer: dict[str, Any] = {
        "version": overview.version,
        "logdir": context.logdir,
        "state": overview.state,
        "title": context.title,
        "writable": context.writable,
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
            plugin: {tag: entries(plugin, tag, counts) for tag, counts in tags.items()}
            for plugin, tags in overview.tags.items()
        },
    }
    configured = [[index[run.name], 1] for run in runs if any(asset.kind == "projector" for asset in run.assets)]
    if configured:  # they are files beside those of events, and the page knows by this that there are some
        answer["series"]["projector"] = {"projector_config.pbtxt": configured}
    if overview.voided:
        answer["voided"] = {
            plugin: {tag: entries(plugin, tag, counts) for tag, counts in tags.items()}
            for plugin, tags in overview.voided.items()
        }
    return dump_json(answer)


def _finite(number: float | None) -> float | None:
    return number if number is not None and math.isfinite(number) else None
