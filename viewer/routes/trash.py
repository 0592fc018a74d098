"""`/api/trash`: runs are deleted by moving them to a trash folder, and can be had back, or deleted for good."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, TypeGuard, cast

from aiohttp import web

from ..context import CONTEXT
from ..responses import dump_json, error
from ..statements import parse_json
from .facts import PATIENCE

if TYPE_CHECKING:
    from ..context import Context
    from ..trash import Outcome

MOST_RUNS = 10_000
"""Runs that one request may name."""

_ALLOW = "Runs cannot be deleted here; start the viewer with --allow-delete to allow it."

routes = web.RouteTableDef()


@routes.get("/api/trash")
async def get_trash(request: web.Request) -> web.StreamResponse:
    """Whether runs may be deleted, and what is in the trash."""
    context = request.app[CONTEXT]
    entries = await asyncio.to_thread(context.trash.entries) if context.trash is not None else []
    allowed = context.trash is not None and context.writable
    reason = None if allowed else _ALLOW if context.trash is None else "This viewer was started with --read_only."
    body = dump_json({"allowed": allowed, "reason": reason, "entries": [asdict(entry) for entry in entries]})
    return web.Response(body=body, content_type="application/json", headers={"Cache-Control": "no-store"})


@routes.post("/api/trash")
async def post_trash(request: web.Request) -> web.StreamResponse:
    """Move runs to the trash."""
    context = request.app[CONTEXT]
    trash = context.trash
    if trash is None:
        return error(403, _ALLOW)
    asked = _object(await request.read())
    runs, running = asked.get("runs"), asked.get("running", False)
    if not _are_names(runs) or not isinstance(running, bool):
        return error(400, 'The request\'s body must be an object with "runs", a list of names, and maybe "running".')
    return await _done(asyncio.to_thread(_move, context, runs, running))


@routes.post("/api/trash/restore")
async def post_restore(request: web.Request) -> web.StreamResponse:
    """Move runs back from the trash."""
    trash = request.app[CONTEXT].trash
    if trash is None:
        return error(403, _ALLOW)
    asked = _object(await request.read())
    stamp, runs = asked.get("id"), asked.get("runs")
    if not isinstance(stamp, str) or not (runs is None or _are_names(runs)):
        return error(400, 'The request\'s body must be an object with "id", and maybe "runs", a list of names.')
    return await _done(asyncio.to_thread(trash.restore, stamp, runs))


@routes.post("/api/trash/purge")
async def post_purge(request: web.Request) -> web.StreamResponse:
    """Delete runs that are in the trash for good."""
    trash = request.app[CONTEXT].trash
    if trash is None:
        return error(403, _ALLOW)
    asked = _object(await request.read())
    stamp, runs = asked.get("id"), asked.get("runs")
    if not isinstance(stamp, str) or not (runs is None or _are_names(runs)) or asked.get("for_good") is not True:
        return error(
            400,
            'The request\'s body must be an object with "id" and "for_good": true, for nothing comes back, and maybe '
            '"runs", a list of names.',
        )
    return await _done(asyncio.to_thread(trash.purge, stamp, runs))


def _move(context: Context, runs: list[str], running: bool) -> Outcome:
    assert context.trash is not None
    known = context.facts.gather(PATIENCE).runs
    busy = {run for run in runs if run in known and known[run].status == "running" and not running}
    outcome = context.trash.move([run for run in runs if run in known], busy)
    return outcome.without([run for run in runs if run not in known])


async def _done(moving: Any) -> web.Response:
    # shielded: a client that goes away does not stop it halfway
    outcome: Outcome = await asyncio.shield(asyncio.ensure_future(moving))
    body = dump_json(asdict(outcome))
    return web.Response(body=body, content_type="application/json", headers={"Cache-Control": "no-store"})


def _object(body: bytes) -> dict[str, Any]:
    try:
        asked = parse_json(body)
    except ValueError:
        return {}
    return cast("dict[str, Any]", asked) if isinstance(asked, dict) else {}


def _are_names(runs: Any) -> TypeGuard[list[str]]:
    names = cast("list[Any]", runs) if isinstance(runs, list) else [None]
    return len(names) <= MOST_RUNS and all(isinstance(name, str) for name in names)
