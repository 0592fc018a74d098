"""The graph in an ONNX file. Needs the package `onnx`.

    writer.add_onnx_graph("model.onnx")

`graph` gives the neutral form that is written; it reads the file alone, not the weights that lie beside it.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from typing import Any

from tallyboard.core.errors import InvalidSummary, MissingDependency
from tallyboard.core.graph import Attribute, Graph, Node, Shape
from tallyboard.core.summary import kind_of

__all__ = ["graph"]

ATTACH_HINT = "an ONNX model does not train; log its graph with SummaryWriter.add_onnx_graph"


def graph(model: Any) -> Graph:
    """The operations, inputs, outputs and weights of an ONNX model.

    An operation has its own name where the exporter gave one, else its first output's; both nest by `/`. Weights are
    nodes too, nested by the dots in their names; what an operation repeats (`If`, `Loop`) lies within it.

    Args:
        model: a path, or an `onnx.ModelProto`.

    Raises:
        InvalidSummary: it is neither, or the file holds no ONNX model.
        MissingDependency: `onnx` is not installed.
    """
    try:
        import onnx
    except ImportError as error:
        raise MissingDependency("add_onnx_graph needs onnx: pip install 'tallyboard[onnx]'") from error
    if isinstance(model, str | os.PathLike):
        try:
            model = onnx.load(model, load_external_data=False)
        except Exception as error:
            raise InvalidSummary(f"add_onnx_graph: {os.fspath(model)!r} is no ONNX model ({error})") from None
    if not isinstance(model, onnx.ModelProto):
        raise InvalidSummary(f"add_onnx_graph: expected a path or an onnx.ModelProto, got {kind_of(model)}")
    if not model.graph.node:
        raise InvalidSummary("add_onnx_graph: the model has no operations; is the file whole, and an ONNX model?")
    with contextlib.suppress(Exception):  # operators of others; the shapes that the file states remain
        model = onnx.shape_inference.infer_shapes(model)
    reading = _Reading()
    reading.read(model.graph, "")
    return Graph(tuple(reading.nodes))


class _Reading:
    """One pass over a graph and those within its operations."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []
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
        outputs = [output for output in node.output if output]
        name = self._free(scope + (node.name or (outputs[0] if outputs else f"{node.op_type}_{number}")))
        for i, output in enumerate(node.output):
            self._sources[output] = f"{name}:{i}" if i else name
        attributes: dict[str, Attribute] = {"domain": node.domain} if node.domain else {}
        inner: list[tuple[str, Any]] = []
        for attribute in node.attribute:
            if attribute.HasField("g"):
                inner.append((attribute.name, attribute.g))
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
    import onnx

    return onnx.TensorProto.DataType.Name(number).lower()


def _plain(attribute: Any) -> Attribute:
    import onnx

    value = onnx.helper.get_attribute_value(attribute)
    if isinstance(value, bool | int | float | str | bytes):
        return value
    if isinstance(value, onnx.TensorProto):
        return f"{_type_of(value.data_type)}{list(value.dims)}"
    if isinstance(value, Iterable):
        items = [item.decode("utf-8", "replace") if isinstance(item, bytes) else item for item in value]
        return str(items)[:1000]
    return str(value)[:1000]
