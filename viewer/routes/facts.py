"""`/api/facts` and `/api/metrics`: what a table says of each run, and how far its scalars went."""

from __future__ import annotations

import asyncio
import hashlib
import math
from typing import TYPE_CHECKING, Any

from aiohttp import web

from tallyboard.core.extremes import KEPT

from ..context import CONTEXT, Context
from ..responses import dump_json, error, is_fresh, revalidated

if TYPE_CHECKING:
    from tallyboard.core.extremes import Figures
    from tallyboard.core.facts import Fact

MOST_TAGS = 50
"""Tags that one request for metrics may name."""

PATIENCE = 0.5
"""Seconds for hyperparameters that were not read yet; what is left comes with the next answer."""

_FIELDS = ("status", "started", "ended", "hparams", "last_step")

routes = web.RouteTableDef()


@routes.get("/api/facts")
async def get_facts(request: web.Request) -> web.StreamResponse:
    """Status, times, directory, hyperparameters and last step of every run."""
    context = request.app[CONTEXT]
    body = await asyncio.to_thread(describe, context)
    etag = hashlib.blake2b(body, digest_size=12).hexdigest()  # a status changes with the time, without news
    return revalidated(request, etag, body, content_type="application/json")


def describe(context: Context) -> bytes:
    """Encode the answer; what is said of a run that did not change is not encoded again."""
    gathered = context.facts.gather(PATIENCE)
    known = context.encoded_facts
    encoded: dict[str, tuple[Fact, bytes]] = {}
    for name, fact in gathered.runs.items():
        before = known.get(name)
        encoded[name] = before if before is not None and before[0] is fact else (fact, _encode(context, name, fact))
    known.clear()
    known.update(encoded)
    runs = b",".join([entry for _, entry in encoded.values()])
    return b'{"version":%d,"pending":%d,"runs":{%b}}' % (gathered.version, gathered.pending, runs)


def _encode(context: Context, name: str, fact: Fact) -> bytes:
    said: dict[str, Any] = {field: getattr(fact, field) for field in _FIELDS}
    if fact.hparams_of is not None:
        said["hparams_of"] = fact.hparams_of
    return dump_json(name) + b":" + dump_json({**said, "path": context.locate(name)})


@routes.get("/api/metrics")
async def get_metrics(request: web.Request) -> web.StreamResponse:
    """First, last, least and greatest value of some tags in every run."""
    context = request.app[CONTEXT]
    tags = list(dict.fromkeys(request.query.getall("tag", [])))
    if not tags:
        return error(400, 'The query names no tag; ask as in /api/metrics?tag=loss, with one "tag" for each.')
    if len(tags) > MOST_TAGS:
        return error(413, f"At most {MOST_TAGS} tags fit in one request; this one names {len(tags):,}.")
    etag = f"{context.boot}-{context.store.version}"
    if is_fresh(request, etag):
        return revalidated(request, etag, None, content_type="application/json")
    body = await asyncio.to_thread(_metrics, context, tags)
    return revalidated(request, etag, body, content_type="application/json")


def _metrics(context: Context, tags: list[str]) -> bytes:
    # the version first: what is published meanwhile is in the answer, and is asked for again
    version = context.store.version
    entries = [dump_json(tag) + b":" + _encoded(context, tag) for tag in tags]
    return b'{"version":%d,"metrics":{%b}}' % (version, b",".join(entries))


def _encoded(context: Context, tag: str) -> bytes:
    figures = context.extremes.of(tag)
    known = context.encoded_figures.get(tag)
    if known is not None and known[0] is figures:
        return known[1]
    encoded = dump_json(_columns(figures))
    if len(context.encoded_figures) > KEPT:
        context.encoded_figures.clear()
    if figures.run:
        context.encoded_figures[tag] = figures, encoded
    return encoded


def _columns(figures: Figures) -> dict[str, list[Any]]:
    columns = figures.columns()
    for name in ("first", "last", "min", "max"):
        if not all(map(math.isfinite, columns[name])):
            columns[name] = [_sayable(number) for number in columns[name]]
    return columns


def _sayable(number: float) -> float | str:
    """JSON has no word for NaN and infinities; JavaScript's Number() reads these."""
    if math.isfinite(number):
        return number
    return "NaN" if math.isnan(number) else "Infinity" if number > 0 else "-Infinity"
