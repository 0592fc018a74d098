"""`/api/graphs` and `/api/graph`: the graphs of runs, and those of files that somebody looks at.

- `GET /api/graphs` -> JSON `{"graphs": [{"run", "tag", "kind", "nodes", "step", "wall_time", "records", "versions"}]}`.
  `kind` is "run" for a run's own graph, which has no tag; "conceptual" for a Keras model; "function" for what
  TensorFlow traced. `nodes` is null where counting them would take too long. `records` are tags of what was measured
  of steps. `versions` are empty of one graph; of several, `{"number", "step", "wall_time"}` each, oldest first.
- `GET /api/graph?run=&tag=&kind=&record=&number=` -> JSON, a column for each thing that is known: see
  `graph_columns.columns`. Without `number` the latest graph is meant. Without `record` the latest is joined (of those
  before the next graph), with an empty one none. Besides the columns it has `run, tag, kind, record, title, notes` and
  `health`: scalar tags of the same run by what they tell and by the module's path.
- `GET /api/graph/node?run=&tag=&kind=&record=&number=&name=` -> JSON, all that is known of one node.
- `POST /api/graph/read?name=` with a file as the body (`application/octet-stream`) -> JSON as `/api/graph` has it,
  without a run. Nothing is kept.

Failures are `{"error": sentence}`: 404 where there is no such graph, 422 where it cannot be read (the sentence names
run and tag), 413 for a file that is too large.
"""

from __future__ import annotations

import asyncio
import hashlib
from typing import TYPE_CHECKING

from aiohttp import web

from tallyboard.core.errors import CorruptRecord
from tallyboard.core.graph_files import load_graph

from ..context import CONTEXT
from ..graph_columns import columns, encoded, node_told
from ..graphs import Graphs, NoGraph, Which, health
from ..responses import dump_json, error, revalidated
from ..safety import reads

if TYPE_CHECKING:
    from collections.abc import Callable

    from tallyboard.core.graph import Graph

MOST_UPLOADED = 256 << 20
"""Bytes of a file that is looked at."""

routes = web.RouteTableDef()

_graphs = Graphs()


@routes.get("/api/graphs")
async def get_graphs(request: web.Request) -> web.StreamResponse:
    """Every graph of every run."""
    context = request.app[CONTEXT]
    return await _answered(request, lambda: dump_json({"graphs": _graphs.listed(context)}))


@routes.get("/api/graph")
async def get_graph(request: web.Request) -> web.StreamResponse:
    """One graph, column by column."""
    context, which = request.app[CONTEXT], _which(request)

    def answer() -> bytes:
        found = _graphs.read(context, which)
        title = " · ".join(part for part in (which.run, which.tag) if part)
        return _told(which._replace(record=found.record), title, found.graph, health(context, which.run))

    return await _answered(request, answer)


@routes.get("/api/graph/node")
async def get_node(request: web.Request) -> web.StreamResponse:
    """One node, with everything that is known of it."""
    context, which, name = request.app[CONTEXT], _which(request), request.query.get("name", "")

    def answer() -> bytes:
        found = _graphs.read(context, which)
        node = next((node for node in found.graph.nodes if node.name == name), None)
        if node is None:
            raise NoGraph(f"the graph has no node {name!r}")
        return dump_json(node_told(node))

    return await _answered(request, answer)


@routes.post("/api/graph/read")
@reads
async def post_graph(request: web.Request) -> web.StreamResponse:
    """The graph in a file that somebody dropped on the page."""
    name = request.query.get("name", "")
    data = bytearray()
    async for chunk in request.content.iter_chunked(1 << 16):
        data += chunk
        if len(data) > MOST_UPLOADED:
            return error(
                413, f"The file has more than {MOST_UPLOADED >> 20} MB, which are the most that are looked at."
            )

    def answer() -> bytes:
        return _told(Which("", kind="file", record=""), name, load_graph(bytes(data), name), {})

    return await _answered(request, answer)


def _told(which: Which, title: str, graph: Graph, healthy: dict[str, dict[str, str]]) -> bytes:
    about = {"run": which.run, "tag": which.tag, "kind": which.kind, "record": which.record, "title": title}
    return encoded({**about, **columns(graph), "health": healthy})


def _which(request: web.Request) -> Which:
    query = request.query
    said = query.get("number", "")
    number = int(said) if said.isascii() and said.isdecimal() and len(said) < 10 else -1  # -1: there is none
    return Which(
        query.get("run", ""),
        query.get("tag", ""),
        query.get("kind", "run"),
        query.get("record"),
        number if said else None,
    )


async def _answered(request: web.Request, answer: Callable[[], bytes]) -> web.StreamResponse:
    try:
        body = await asyncio.to_thread(answer)
    except NoGraph as missing:
        return error(404, f"{missing}.")
    except CorruptRecord as damaged:
        return error(422, f"{damaged}.")
    etag = hashlib.blake2b(body, digest_size=12).hexdigest()
    return revalidated(request, etag, body, content_type="application/json")
