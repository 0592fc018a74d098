"""`/data/plugin/graphs/`: which runs have a graph, the graph, and what was measured of its steps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from aiohttp import web

from tallyboard.core.wire import decode_event

from .answers import Asked, Refused, answering, invalid, json_answer, missing, text_answer
from .values import head, tags_of

if TYPE_CHECKING:
    from tallyboard.core.proto.graph_pb2 import GraphDef

    from ...context import Context

routes = web.RouteTableDef()

_RUN_GRAPH: Final = "__run_graph__"
_TAGGED: Final = "graph_tagged_run_metadata"
_SUMMARIES: Final = {  # plugins of summaries, and what each says that a tag has
    "graph_run_metadata_graph": ("op_graph",),
    "graph_run_metadata": ("profile", "op_graph"),
    "graph_keras_model": ("conceptual_graph",),
}
_VERSION: Final = b"1"


@routes.get("/data/plugin/graphs/info")
@answering
def get_info(asked: Asked) -> web.Response:
    """What there is of graphs, by run and tag."""
    found: dict[str, dict[str, Any]] = {}

    def of_run(run: str) -> dict[str, Any]:
        return found.setdefault(run, {"run": run, "tags": {}, "run_graph": False})

    def of_tag(run: str, tag: str) -> dict[str, Any]:
        nothing = {"tag": tag, "conceptual_graph": False, "op_graph": False, "profile": False}
        return of_run(run)["tags"].setdefault(tag, nothing)

    context = asked.context
    for plugin, parts in _SUMMARIES.items():
        for run, tag in tags_of(context, plugin):
            if head(context, plugin, run, tag).content == _VERSION:
                of_tag(run, tag).update(dict.fromkeys(parts, True))
    for run, tag in tags_of(context, "graphs"):
        if tag == _RUN_GRAPH:
            of_run(run)["run_graph"] = True
    for run, tag in tags_of(context, _TAGGED):
        of_tag(run, tag)["profile"] = True
    return json_answer(found)


@routes.get("/data/plugin/graphs/graph")
@answering
def get_graph(asked: Asked) -> web.Response:
    """The graph of a run as text; attributes above `limit_attr_size` bytes are only named, under `large_attrs_key`."""
    run = asked.one("run")
    if run is None:
        raise Refused(400, 'query parameter "run" is required')
    if asked.one("tag") is not None or asked.one("conceptual") == "true":
        raise missing("graphs of tags are not served; the run's own is, without a tag")
    limit = asked.integer("limit_attr_size", 0) if asked.one("limit_attr_size") is not None else None
    graph = _run_graph(asked.context, run)
    if limit is not None:
        _leave_out(graph, limit, asked.one("large_attrs_key"))
    return text_answer(str(graph), "text/x-protobuf")


def _run_graph(context: Context, run: str) -> GraphDef:
    from google.protobuf.message import DecodeError

    from tallyboard.core.proto.graph_pb2 import GraphDef

    stored = context.store.blobs("graphs", run, _RUN_GRAPH)
    if stored is None:
        raise missing(f"there is no graph of run={run!r}")
    try:
        return GraphDef.FromString(decode_event(context.fetch(stored.ref[-1])).graph_def)
    except DecodeError:
        raise missing(f"the graph of run={run!r} is damaged") from None


def _leave_out(graph: GraphDef, limit: int, name: str | None) -> None:
    """Leaves out large attributes; their names are kept in an attribute of this name."""
    if name is None or limit < 1:
        raise invalid("limit_attr_size must be 1 or more, and goes with large_attrs_key")
    for node in graph.node:
        for key in list(node.attr):
            if node.attr[key].ByteSize() > limit:
                del node.attr[key]
                node.attr[name].list.s.append(key.encode())


@routes.get("/data/plugin/graphs/run_metadata")
@answering
def get_run_metadata(asked: Asked) -> web.Response:
    """What was measured of one step, as text."""
    from google.protobuf.message import DecodeError

    from tallyboard.core.proto.graph_pb2 import RunMetadata

    run, tag = asked.one("run"), asked.one("tag")
    if tag is None or run is None:
        raise Refused(400, f'query parameter "{"tag" if tag is None else "run"}" is required')
    stored = asked.context.store.blobs(_TAGGED, run, tag)
    if stored is None:
        raise missing(f"nothing was measured under tag={tag!r} of run={run!r}")
    try:
        found = RunMetadata.FromString(
            decode_event(asked.context.fetch(stored.ref[-1])).tagged_run_metadata.run_metadata
        )
    except DecodeError:
        raise missing(f"what was measured under tag={tag!r} of run={run!r} is damaged") from None
    return text_answer(str(found), "text/x-protobuf")
