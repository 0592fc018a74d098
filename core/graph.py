"""A model's graph, whatever made it: nodes and edges, and the message that TensorBoard's graph dashboard reads.

A graph source is a function `graph(thing, ...) -> Graph`. It lives in the module
`tallyboard.integrations.<package>.graph`, or is the attribute `graph` of `tallyboard.integrations.<package>`, where
`<package>` is the top package of one of the thing's classes; or it is an entry point of that name in the group
`tallyboard.graphs`. One that is called `graph_source` goes before it, and is asked for the graphs of plain functions,
too, when they are called with values of its package. Core imports none of them before one is asked for.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from types import FunctionType, MethodType
from typing import Any, cast

from .errors import UnsupportedModel
from .summary import DataClass, Summary, kind_of
from .values import Message

__all__ = ["Graph", "Node", "graph_summaries", "source_for", "source_named"]

Shape = tuple[int, ...]
Attribute = str | bytes | bool | int | float
TEXT_MAX = 1000  # characters of an attribute: TensorBoard leaves out those above 1,024 bytes
DEVICE = "/device:CPU:0"
PRODUCER = 22  # the GraphDef version that torch.utils.tensorboard declares
GROUP = "tallyboard.graphs"
_FUNCTIONS = (FunctionType, MethodType, functools.partial)


@dataclass(frozen=True, slots=True)
class Node:
    """One operation, parameter, input or output.

    Attributes:
        name: unique in its graph; `/` separates the scopes that it lies in from each other and from itself.
        op: what it does, such as `aten::linear`.
        inputs: names of the nodes that it reads, `name:1` for the second output of one.
        shapes: of its outputs, -1 for a size that varies; None where unknown.
        attributes: what else is to be shown of it.
        device: where it runs, such as `/device:CPU:0`.
        dtypes: of its outputs, such as `float32`.
        module: the path of the model's part that it belongs to, and what that is: `body.0: Linear(in_features=4, …)`.
        source: the line of the program that asks for it, `file:line`.
        parameters: how many numbers that are learnt it reads.
        flops: floating-point operations of one call; 0 where they are not counted.
        nanoseconds: that one call took on the host; 0 where unknown.
        memory: bytes that one call was given for its outputs and what it computes with; 0 where unknown.
    """

    name: str
    op: str
    inputs: tuple[str, ...] = ()
    shapes: tuple[Shape | None, ...] = ()
    attributes: Mapping[str, Attribute] = field(default_factory=dict[str, Attribute])
    device: str = ""
    dtypes: tuple[str, ...] = ()
    module: str = ""
    source: str = ""
    parameters: int = 0
    flops: int = 0
    nanoseconds: int = 0
    memory: int = 0


@dataclass(frozen=True, slots=True)
class Graph:
    """Nodes in an order in which they may run.

    Attributes:
        nodes: the nodes.
        notes: what a reader has to know of the whole, a sentence each.
    """

    nodes: tuple[Node, ...]
    notes: tuple[str, ...] = ()


def graph_summaries(graph: Graph) -> list[Summary]:
    """The graph, and a record of one step: how long each node took, as far as that is known.

    What is known of nodes beyond TensorFlow's own fields stands in their attributes (`dtype`, `module`, `source`,
    `parameters`, `flops`), and the notes in the attribute `notes` of the first node.
    Source of the format: graph.proto, node_def.proto, attr_value.proto and step_stats.proto of TensorFlow; the record,
    empty where no time is known, is the one that torch.utils.tensorboard writes beside each graph.
    """
    from .proto import graph_pb2 as pb

    message = pb.GraphDef(versions=pb.VersionDef(producer=PRODUCER))
    for node in graph.nodes:
        entry = message.node.add(name=node.name, op=node.op, input=node.inputs, device=node.device)
        for key, value in (*node.attributes.items(), *_known(node)):
            _set(entry.attr[key], value)
        if node.shapes and None not in node.shapes:
            shapes = entry.attr["_output_shapes"].list.shape
            for shape in node.shapes:
                added = shapes.add()
                for size in shape or ():
                    added.dim.add(size=size)
    if graph.notes and message.node:
        _set(message.node[0].attr["notes"], " ".join(graph.notes)[:TEXT_MAX])
    stats = _stats(graph)
    return [
        Summary("__run_graph__", "graphs", DataClass.BLOBS, Message("graph_def", message.SerializeToString())),
        Summary(
            "step1",
            "graph_tagged_run_metadata",
            DataClass.BLOBS,
            Message("tagged_run_metadata", stats.SerializeToString()),
        ),
    ]


def _known(node: Node) -> list[tuple[str, Attribute]]:
    said: list[tuple[str, Attribute]] = [
        ("dtype", ",".join(node.dtypes)[:TEXT_MAX]),
        ("module", node.module[:TEXT_MAX]),
        ("source", node.source[:TEXT_MAX]),
        ("parameters", node.parameters),
        ("flops", node.flops),
    ]
    return [(key, value) for key, value in said if value]


def _stats(graph: Graph) -> Any:
    """How long each node took, by device: nodes begin when those before them have ended."""
    from .proto import graph_pb2 as pb

    stats = pb.RunMetadata()
    devices: dict[str, Any] = {}
    clock: dict[str, int] = {}
    for node in graph.nodes:
        device = node.device or DEVICE
        if not node.nanoseconds:
            continue
        if device not in devices:
            devices[device] = stats.step_stats.dev_stats.add(device=device)
        start, took = clock.get(device, 0), max(1, round(node.nanoseconds / 1_000))
        devices[device].node_stats.add(
            node_name=node.name, all_start_micros=start, op_end_rel_micros=took, all_end_rel_micros=took
        )
        clock[device] = start + took
    if not devices:
        stats.step_stats.dev_stats.add(device=DEVICE)
    return stats


def _set(message: Any, value: Attribute) -> None:
    if isinstance(value, bool):
        message.b = value
    elif isinstance(value, int):
        message.i = value
    elif isinstance(value, float):
        message.f = value
    else:
        message.s = value if isinstance(value, bytes) else value.encode("utf-8", "replace")


def source_for(thing: object, inputs: object = None) -> Callable[..., Graph]:
    """The graph source of the most specific class of `thing` that has one.

    A function belongs to no framework. It has the source of what it is given, where that takes functions.

    Args:
        thing: a model, or a function.
        inputs: what it is called with.

    Raises:
        UnsupportedModel: there is none.
    """
    names = ("graph_source", "graph")
    packages = _packages(type(thing))
    if isinstance(thing, _FUNCTIONS):
        names = ("graph_source",)
        packages = dict.fromkeys(package for leaf in _leaves(inputs, 4) for package in _packages(type(leaf)))
    for package in packages:
        source = source_named(package, names)
        if source is not None:
            return source
    cure = "pass an instance of it, not the class" if isinstance(thing, type) else "pass the model itself"
    came = kind_of(cast("object", thing))
    raise UnsupportedModel(
        f"add_graph: no graph source for {came}; looked for ones named {', '.join(packages) or 'nothing'}. "
        f"{cure[0].upper()}{cure[1:]}, or export the model to ONNX and use add_onnx_graph"
    )


def _packages(kind: type) -> dict[str, None]:
    found = dict.fromkeys(cls.__module__.partition(".")[0] for cls in kind.__mro__)
    found.pop("builtins", None)
    return found


def _leaves(thing: object, depth: int) -> Iterator[object]:
    """What lies in mappings and sequences, these with it."""
    yield thing
    if depth and isinstance(thing, Mapping | list | tuple):
        branch = cast("Mapping[object, object] | Sequence[object]", thing)
        for value in branch.values() if isinstance(branch, Mapping) else branch:
            yield from _leaves(value, depth - 1)


def source_named(package: str, names: tuple[str, ...] = ("graph_source", "graph")) -> Callable[..., Graph] | None:
    """The graph source of a package or a file format, None where there is none.

    Args:
        package: its name, or one that an adapter of another name stands for.
        names: the attributes that it may be.
    """
    package = importlib.import_module("tallyboard.integrations").ALIASES.get(package, package)
    for place in (f"tallyboard.integrations.{package}.graph", f"tallyboard.integrations.{package}"):
        try:
            found = importlib.util.find_spec(place) is not None
        except ModuleNotFoundError:  # its parent is no package, or is not there
            found = False
        module = importlib.import_module(place) if found else None
        for name in names:
            source: object = getattr(module, name, None)
            if callable(source):
                return source  # pyright: ignore[reportReturnType]  # that is the protocol
    for entry_point in entry_points(group=GROUP, name=package):
        return entry_point.load()
    return None
