"""The graph of an ONNX model, from the message of the package `onnx` or from ours, which has the same names.

Source of the format: onnx.proto of ONNX 1.23.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from .errors import CorruptRecord
from .graph import Attribute, Graph, Node, Shape
from .graph_values import cut

__all__ = ["graph_from_onnx", "graph_from_onnx_bytes"]

_MOST_NODES: Final = 200_000
_TYPES: Final = (
    *(
        "undefined",
        "float",
        "uint8",
        "int8",
        "uint16",
        "int16",
        "int32",
        "int64",
        "string",
        "bool",
        "float16",
        "double",
    ),
    *("uint32", "uint64", "complex64", "complex128", "bfloat16", "float8e4m3fn", "float8e4m3fnuz", "float8e5m2"),
    *("float8e5m2fnuz", "uint4", "int4", "float4e2m1", "float8e8m0", "uint2", "int2"),
)
"""Types by their number."""

_LISTS: Final = (6, 7, 8, 9, 10)  # kinds of attributes


def graph_from_onnx_bytes(data: bytes, what: str) -> Graph:
    """The graph in an ONNX file. Shapes are those that the file states.

    Args:
        data: the file.
        what: what it is, for the text of an error.

    Raises:
        CorruptRecord: it is no ONNX model, or too large.
    """
    from google.protobuf.message import DecodeError

    from .proto.onnx_pb2 import ModelProto

    try:
        model = ModelProto.FromString(data)
    except DecodeError as error:
        raise CorruptRecord(f"{what} cannot be decoded: {error}") from None
    if not model.graph.node:
        raise CorruptRecord(f"{what} has no operations; is the file whole, and an ONNX model?")
    return graph_from_onnx(model, what)


def graph_from_onnx(model: Any, what: str = "the model") -> Graph:
    """The operations, inputs, outputs and weights of an ONNX model.

    An operation has its own name where the exporter gave one, else its first output's; both nest by `/`. Weights are
    nodes too, nested by the dots in their names; what an operation repeats (`If`, `Loop`) lies within it.

    Args:
        model: an `onnx.ModelProto`, or a message with its fields.
        what: what it is, for the text of an error.

    Raises:
        CorruptRecord: it has more operations than are read.
    """
    reading = _Reading(what)
    reading.read(model.graph, "")
    return Graph(tuple(reading.nodes))


class _Reading:
    """One pass over a graph and those within its operations."""

    def __init__(self, what: str) -> None:
        self.nodes: list[Node] = []
        self._what = what
        self._taken: set[str] = set()
        self._sources: dict[str, str] = {}  # by a tensor's name: the node that makes it, and which output it is
        self._shapes: dict[str, Shape] = {}

    def read(self, graph: Any, scope: str) -> None:
        """Adds a graph's nodes below a scope."""
        for info in (*graph.input, *graph.value_info, *graph.output):
            shape = _shape_of(info)
            if shape is not None:
                self._shapes[info.name] = shape
        weights = {weight.name for weight in graph.initializer}
        for weight in graph.initializer:
            self._shapes[weight.name] = tuple(weight.dims)
            self._add_value(weight.name, scope + weight.name.replace(".", "/"), "Const", _type_of(weight.data_type))
        for info in graph.input:
            if info.name not in weights:
                elements = _type_of(info.type.tensor_type.elem_type)
                self._add_value(info.name, f"{scope}input/{info.name}", "Placeholder", elements)
        for number, node in enumerate(graph.node):
            self._read_node(node, number, scope)
        for info in graph.output:
            name = self._free(f"{scope}output/{info.name}")
            self.nodes.append(Node(name, "Identity", self._inputs([info.name]), self._shapes_of([info.name])))

    def _read_node(self, node: Any, number: int, scope: str) -> None:
        if len(self.nodes) >= _MOST_NODES:
            raise CorruptRecord(f"{self._what} has more than {_MOST_NODES:,} nodes, which are the most that are read")
        outputs = [output for output in node.output if output]
        name = self._free(scope + (node.name or (outputs[0] if outputs else f"{node.op_type}_{number}")))
        for i, output in enumerate(node.output):
            self._sources[output] = f"{name}:{i}" if i else name
        attributes: dict[str, Attribute] = {"domain": node.domain} if node.domain else {}
        inner: list[tuple[str, Any]] = []
        for attribute in node.attribute:
            if attribute.HasField("g"):
                inner.append((attribute.name, attribute.g))
            elif attribute.graphs:
                inner += [(f"{attribute.name}_{i}", each) for i, each in enumerate(attribute.graphs)]
            else:
                attributes[attribute.name] = _plain(attribute)
        self.nodes.append(Node(name, node.op_type, self._inputs(node.input), self._shapes_of(outputs), attributes))
        for key, body in inner:
            self.read(body, f"{name}/{key}/")

    def _add_value(self, tensor: str, wanted: str, op: str, elements: str) -> None:
        name = self._free(wanted)
        self._sources[tensor] = name
        self.nodes.append(Node(name, op, (), self._shapes_of([tensor]), {"dtype": elements}))

    def _inputs(self, tensors: Iterable[str]) -> tuple[str, ...]:
        return tuple(self._sources[tensor] for tensor in tensors if tensor in self._sources)

    def _shapes_of(self, tensors: Iterable[str]) -> tuple[Shape | None, ...]:
        return tuple(self._shapes.get(tensor) for tensor in tensors)

    def _free(self, wanted: str) -> str:
        """A name that no node has, without what means something in a reference to one."""
        base = "/".join(part for part in wanted.replace(":", "_").replace("^", "_").split("/") if part) or "node"
        name, number = base, 1
        while name in self._taken:
            name, number = f"{base}_{number}", number + 1
        self._taken.add(name)
        return name


def _shape_of(info: Any) -> Shape | None:
    kind = info.type.tensor_type
    if not kind.HasField("shape"):
        return None
    return tuple(dim.dim_value if dim.HasField("dim_value") else -1 for dim in kind.shape.dim)


def _type_of(number: int) -> str:
    return _TYPES[number] if 0 <= number < len(_TYPES) else f"type {number}"


def _plain(attribute: Any) -> Attribute:
    for field in ("f", "i", "s"):
        if attribute.HasField(field):
            return getattr(attribute, field)
    if attribute.HasField("t"):
        return f"{_type_of(attribute.t.data_type)}{list(attribute.t.dims)}"
    for field in ("floats", "ints", "strings"):
        if items := list(getattr(attribute, field)[:1000]):
            said = [item.decode("utf-8", "replace") if isinstance(item, bytes) else item for item in items]
            return cut(str(said))
    if attribute.tensors:
        return f"{len(attribute.tensors)} tensors"
    return "[]" if attribute.type in _LISTS else ""
