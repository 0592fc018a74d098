"""A graph's message, whoever wrote it, as the neutral graph.

Names stay as they are written, but for three cases that no reader could tell apart: a node that is named as a scope of
others, `a` beside `a/b`, is `a/(a)`, which is also TensorBoard's name for it; the second of two nodes of one name is
numbered; and what a function does stands below the operation that calls it (graph_functions.py).

Source of the formats: graph.proto, node_def.proto, attr_value.proto, function.proto and config.proto of TensorFlow,
and how TensorBoard 2.21 draws them (tf_graph_common: graph.ts, hierarchy.ts).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from .errors import CorruptRecord
from .graph import Graph, Node, Shape
from .graph_functions import Library, Written
from .graph_values import SHAPES, Attributes, shape_of, type_name

if TYPE_CHECKING:
    from .proto import graph_pb2

__all__ = [
    "MOST_BYTES",
    "MOST_NODES",
    "below",
    "count_nodes",
    "distinct_names",
    "graph_from",
    "graph_from_bytes",
    "graph_message",
]

MOST_BYTES: Final = 1 << 29
"""Of a message that is read: half a gigabyte."""

MOST_NODES: Final = 200_000
"""Of a graph that is read."""

_TYPES = (
    *("output_types", "Tout", "_output_types", "component_types", "out_type", "output_type", "DstT", "out_idx"),
    *("dtype", "T"),
)
_TRUTHS = frozenset(
    (
        *("Less", "LessEqual", "Greater", "GreaterEqual", "Equal", "NotEqual", "IsNan", "IsInf", "IsFinite"),
        *("VarIsInitializedOp", "InTopK", "InTopKV2"),
    )
)
_TORCH_SCOPE = re.compile(r"([^/\[\]]+)\[([^/\[\]]+)\](?=/)")  # as many as there are parts, none of them read twice
_NOTHING = ("Assign", "Apply", "NoOp", "ScatterUpdate", "Assert")  # in the names of operations that have no outputs


def graph_from_bytes(data: bytes, what: str) -> Graph:
    """The graph in the bytes of a GraphDef.

    Args:
        data: the message.
        what: what it is, for the text of an error: `the graph of run 'a'`.

    Raises:
        CorruptRecord: they are no such message, or too much of it.
    """
    return graph_from(graph_message(data, what), what)


def graph_message(data: bytes, what: str) -> graph_pb2.GraphDef:
    """The bytes of a GraphDef as a message.

    Raises:
        CorruptRecord: they are no such message, or too many.
    """
    from google.protobuf.message import DecodeError

    from .proto.graph_pb2 import GraphDef

    if len(data) > MOST_BYTES:
        raise CorruptRecord(f"{what} has {len(data):,} bytes; {MOST_BYTES:,} are the most that are read")
    try:
        return GraphDef.FromString(data)
    except DecodeError as error:
        raise CorruptRecord(f"{what} cannot be decoded: {error}") from None


def graph_from(message: graph_pb2.GraphDef, what: str = "the graph") -> Graph:
    """A GraphDef as the neutral graph.

    Raises:
        CorruptRecord: it has more nodes than are read.
    """
    if len(message.node) > MOST_NODES:
        raise CorruptRecord(f"{what} has {len(message.node):,} nodes; {MOST_NODES:,} are the most that are read")
    library = Library(message.library.function, MOST_NODES - len(message.node))
    nodes = [_node(written) for written in library.read(message.node)]
    notes = [*_notes(message), *library.notes]
    return distinct_names(Graph(tuple(nodes), tuple(notes)))


def _notes(message: graph_pb2.GraphDef) -> Iterator[str]:
    if message.node and "notes" in message.node[0].attr:
        text = message.node[0].attr["notes"].s.decode("utf-8", "replace")
        if text:
            yield text


def _node(written: Written) -> Node:
    entry, attr = written.entry, written.entry.attr
    shapes = _shapes(attr[SHAPES].list) if SHAPES in attr else written.shapes
    return Node(
        written.name,
        written.op,
        written.inputs,
        shapes,
        Attributes(attr),
        entry.device,
        _dtypes(written.op, attr, len(shapes)) or written.dtypes,
        _text(attr, "module") or _torch_module(written.name, written.op),
        _text(attr, "source"),
        _number(attr, "parameters"),
        _number(attr, "flops"),
    )


def _torch_module(name: str, op: str) -> str:
    """The module that torch.jit names in a scope: `Net/Sequential[l1]/Block[0]/relu` is of `l1.0: Block`."""
    if "[" not in name or not op.startswith(("aten::", "prim::")):
        return ""
    parts = _TORCH_SCOPE.findall(name)
    return f"{'.'.join(part for _, part in parts)}: {parts[-1][0]}" if parts else ""


def _text(attr: Mapping[str, graph_pb2.AttrValue], key: str) -> str:
    return attr[key].s.decode("utf-8", "replace") if key in attr else ""


def _number(attr: Mapping[str, graph_pb2.AttrValue], key: str) -> int:
    return max(0, attr[key].i) if key in attr else 0


def _shapes(listed: graph_pb2.AttrValue.ListValue) -> tuple[Shape | None, ...]:
    return tuple(shape_of(shape) for shape in listed.shape[:])


def _dtypes(op: str, attr: Mapping[str, graph_pb2.AttrValue], outputs: int) -> tuple[str, ...]:
    """The types of the outputs: ours as a text, TensorFlow's by the attributes that its operations have for that."""
    if op in _TRUTHS:
        return ("bool",) * max(1, outputs)
    if op == "VarHandleOp" or (not outputs and any(word in op for word in _NOTHING)):
        return ("resource",) if op == "VarHandleOp" else ()
    for key in _TYPES:
        if key not in attr:
            continue
        value = attr[key]
        kind = value.WhichOneof("value")
        if kind == "s" and key == "dtype":
            return tuple(value.s.decode("utf-8", "replace").split(","))
        if kind == "list" and len(value.list.type) == (outputs or len(value.list.type)):
            return tuple(type_name(number) for number in value.list.type)
        if kind == "type":
            return (type_name(value.type),) * max(1, outputs)
    return ()


def distinct_names(graph: Graph) -> Graph:
    """The same graph in which no name is that of another node, or of a scope."""
    scopes: set[str] = set()
    for node in graph.nodes:
        at = node.name.rfind("/")
        while at > 0 and (scope := node.name[:at]) not in scopes:
            scopes.add(scope)
            at = node.name.rfind("/", 0, at)
    given = Counter(node.name for node in graph.nodes)
    renamed: dict[str, str] = {}
    taken: set[str] = set(given) | scopes
    names: list[str] = []
    seen: set[str] = set()
    again = 0
    for node in graph.nodes:
        name = node.name
        if name in scopes or not name:
            name = _free(f"{name}/({name.rpartition('/')[2]})" if name else "(no name)", taken)
        if node.name in seen:
            again += 1
            name = _free(node.name, taken)
        elif name != node.name:
            renamed[node.name] = name
        seen.add(node.name)
        names.append(name)
    notes = graph.notes
    if again:
        notes = (*notes, f"{again:,} nodes have a name that another one has too; they are numbered here.")
    if not renamed and not again:
        return graph
    nodes = (
        replace(node, name=name, inputs=tuple(_moved(one, renamed, given) for one in node.inputs))
        for node, name in zip(graph.nodes, names, strict=True)
    )
    return Graph(tuple(nodes), notes)


def below(node: Node, prefix: str) -> Node:
    """The node in a scope of its own, its inputs too."""
    inputs = (f"^{prefix}{one[1:]}" if one.startswith("^") else prefix + one for one in node.inputs)
    return replace(node, name=prefix + node.name, inputs=tuple(inputs))


def count_nodes(data: bytes) -> int:
    """How many nodes the bytes of a GraphDef have, functions apart, without reading them; 0 where they are none."""
    at, count, end = 0, 0, len(data)
    while at < end:
        key, at = _varint(data, at)
        if key & 7 == 0:
            _, at = _varint(data, at)
        elif key & 7 == 2:
            length, at = _varint(data, at)
            at += length
            count += key == 10
        else:
            at += {1: 8, 5: 4}.get(key & 7, end)
    return count if at == end else 0


def _varint(data: bytes, at: int) -> tuple[int, int]:
    found, shift = 0, 0
    while at < len(data) and shift < 70:
        byte = data[at]
        at += 1
        found |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return found, at
    return 0, len(data) + 1


def _free(wanted: str, taken: set[str]) -> str:
    name, number = wanted, 0
    while name in taken:
        number += 1
        name = f"{wanted}_{number}"
    taken.add(name)
    return name


def _moved(reference: str, renamed: Mapping[str, str], known: Mapping[str, int]) -> str:
    control = "^" if reference.startswith("^") else ""
    name = reference[len(control) :]
    if name in renamed:
        return control + renamed[name]
    base, colon, slot = name.rpartition(":")
    if colon and name not in known and slot.isdigit() and base in renamed:
        return f"{control}{renamed[base]}:{slot}"
    return reference
