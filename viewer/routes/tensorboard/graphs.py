"""`/data/plugin/graphs/`: which runs have a graph, the graph, and what was measured of its steps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeVar

from aiohttp import web

from tallyboard.core.errors import CorruptRecord
from tallyboard.core.graph_keras import keras_graph_def
from tallyboard.core.graph_measured import run_metadata_message
from tallyboard.core.graph_read import graph_message
from tallyboard.core.wire import decode_event

from ...graphs import RUN_GRAPH, TAGGED, tagged_bytes
from .answers import Asked, Refused, answering, invalid, json_answer, missing, text_answer
from .values import head, tags_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from tallyboard.core.proto.graph_pb2 import GraphDef

    from ...context import Context

routes = web.RouteTableDef()

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
        if tag == RUN_GRAPH:
            of_run(run)["run_graph"] = True
    for run, tag in tags_of(context, TAGGED):
        of_tag(run, tag)["profile"] = True
    return json_answer(found)


@routes.get("/data/plugin/graphs/graph")
@answering
def get_graph(asked: Asked) -> web.Response:
    """A graph as text; attributes above `limit_attr_size` bytes are only named, under `large_attrs_key`."""
    run = asked.one("run")
    if run is None:
        raise Refused(400, 'query parameter "run" is required')
    limit = asked.integer("limit_attr_size", 0) if asked.one("limit_attr_size") is not None else None
    tag = asked.one("tag")
    if asked.one("conceptual") == "true":
        graph = _conceptual(asked.context, run, tag or "")
    else:
        graph = _run_graph(asked.context, run) if tag is None else _op_graph(asked.context, run, tag)
    if limit is not None:
        _leave_out(graph, limit, asked.one("large_attrs_key"))
    return text_answer(str(graph), "text/x-protobuf")


def _run_graph(context: Context, run: str) -> GraphDef:
    stored = context.store.blobs("graphs", run, RUN_GRAPH)
    if stored is None:
        raise missing(f"there is no graph of run={run!r}")
    return _read(
        lambda: graph_message(decode_event(context.fetch(stored.ref[-1])).graph_def, f"the graph of run={run!r}")
    )


def _conceptual(context: Context, run: str, tag: str) -> GraphDef:
    what = f"the Keras model under tag={tag!r} of run={run!r}"
    data = _summary(context, ("graph_keras_model",), run, tag)
    if data is None:
        raise missing(f"there is no Keras model under tag={tag!r} of run={run!r}")
    return _read(lambda: keras_graph_def(data, what))


def _op_graph(context: Context, run: str, tag: str) -> GraphDef:
    """The graphs of the functions that were traced, as one."""
    data = _summary(context, ("graph_run_metadata", "graph_run_metadata_graph"), run, tag)
    if data is None:
        raise missing(f"there is no graph under tag={tag!r} of run={run!r}")
    message = _read(lambda: run_metadata_message(data, f"the graph under tag={tag!r} of run={run!r}"))
    return _merged([one.pre_optimization_graph for one in message.function_graphs])


def _merged(graphs: list[GraphDef]) -> GraphDef:
    """Several graphs as one, each below a name of its own; inputs that only order are named as TensorBoard has them."""
    from tallyboard.core.proto.graph_pb2 import GraphDef

    if len(graphs) == 1:
        return graphs[0]
    merged = GraphDef()
    if graphs and graphs[0].versions.producer:
        merged.versions.CopyFrom(graphs[0].versions)
    for number, graph in enumerate(graphs, 1):
        if graph.versions.producer != merged.versions.producer:
            raise invalid("the graphs are of different versions, and cannot be shown as one")
        _add(merged, graph, f"graph_{number}")
    return merged


def _add(merged: GraphDef, graph: GraphDef, prefix: str) -> None:
    for node in graph.node:
        added = merged.node.add()
        added.CopyFrom(node)
        added.name = f"{prefix}/{node.name}"
        added.input[:] = [f"{prefix}/{one}" for one in node.input]
        if node.op == "PartitionedCall":
            added.attr["f"].func.name = f"{prefix}_{node.attr['f'].func.name}"
    for function in graph.library.function:
        copy = merged.library.function.add()
        copy.CopyFrom(function)
        copy.signature.name = f"{prefix}_{function.signature.name}"
    for gradient in graph.library.gradient:
        merged.library.gradient.add(
            function_name=f"{prefix}_{gradient.function_name}", gradient_func=f"{prefix}_{gradient.gradient_func}"
        )


def _summary(context: Context, plugins: tuple[str, ...], run: str, tag: str) -> bytes | None:
    """What the first of these plugins has under a tag, as one string."""
    for plugin in plugins:
        stored = context.store.blobs(plugin, run, tag)
        if stored is not None and len(stored):
            return tagged_bytes(context, stored.ref[-1], tag)
    return None


T = TypeVar("T")


def _read(read: Callable[[], T]) -> T:
    try:
        return read()
    except CorruptRecord as damaged:
        raise missing(str(damaged)) from None


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
    run, tag = asked.one("run"), asked.one("tag")
    if tag is None or run is None:
        raise Refused(400, f'query parameter "{"tag" if tag is None else "run"}" is required')
    context, what = asked.context, f"what was measured under tag={tag!r} of run={run!r}"
    stored = context.store.blobs(TAGGED, run, tag)
    if stored is not None:
        data = decode_event(context.fetch(stored.ref[-1])).tagged_run_metadata.run_metadata
    else:
        data = _summary(context, ("graph_run_metadata",), run, tag)
    if data is None:
        raise missing(f"nothing was measured under tag={tag!r} of run={run!r}")
    found = data
    return text_answer(str(_read(lambda: run_metadata_message(found, what))), "text/x-protobuf")
