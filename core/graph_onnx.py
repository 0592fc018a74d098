"""The graph of an ONNX model, from the message of the package `onnx` or from ours, which has the same names.

Source of the format: onnx.proto of ONNX 1.23; of the metadata, the exporters of PyTorch 2.13.
"""

from __future__ import annotations

import ast
import contextlib
import math
import re
from collections import ChainMap
from collections.abc import Iterable, MutableMapping
from dataclasses import dataclass, field
from typing import Any, Final

from .errors import CorruptRecord
from .graph import Attribute, Graph, Node, Shape
from .graph_values import cut

__all__ = ["graph_from_onnx", "graph_from_onnx_bytes"]

_MOST_NODES: Final = 200_000  # functions that call each other twice each would make any number of them
_DEEPEST: Final = 32  # functions within functions, and bodies within bodies
_TYPES: Final = (
    *("", "float32", "uint8", "int8", "uint16", "int16", "int32", "int64", "string", "bool", "float16", "float64"),
    *("uint32", "uint64", "complex64", "complex128", "bfloat16", "float8e4m3fn", "float8e4m3fnuz", "float8e5m2"),
    *("float8e5m2fnuz", "uint4", "int4", "float4e2m1", "float8e8m0", "uint2", "int2"),
)
"""Types by their number, as PyTorch and NumPy name them."""

_NOT_LEARNT: Final = frozenset({"int64", "int32", "bool", "string"})
_MOST_NUMBERS: Final = 1 << 48  # of a weight, so that their sum is an integer of 64 bits whatever a file says
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
    """The operations, inputs and outputs of an ONNX model, in the modules that it was exported from.

    The scope of an operation is told by torch's exporter in its metadata (`namespace`), by the older one in the
    operation's name, and where neither is, by the names of its weights; names of others nest by `/`. Weights are no
    nodes: the operation that reads them names and counts them, and what an `Identity` passes on of a weight is that
    weight. Bodies of `If`, `Loop` and `Scan`, and functions of the model, lie in a scope of their own.

    Args:
        model: an `onnx.ModelProto`, or a message with its fields.
        what: what it is, for the text of an error.

    Raises:
        CorruptRecord: it has more operations than are read.
    """
    reading = _Reading(model, what)
    reading.read_model(model.graph)
    return Graph(tuple(_named(reading.drafts)))


@dataclass(eq=False)
class _Draft:
    """A node that has no name yet.

    Attributes:
        wanted: the name that it has if no other has it.
        inputs: the drafts that it reads, and which output of each.
    """

    wanted: str
    op: str
    inputs: list[tuple[_Draft, int]] = field(default_factory=list["tuple[_Draft, int]"])
    shapes: tuple[Shape | None, ...] = ()
    dtypes: tuple[str, ...] = ()
    attributes: dict[str, Attribute] = field(default_factory=dict[str, Attribute])
    module: str = ""
    source: str = ""
    parameters: int = 0


@dataclass(frozen=True, slots=True)
class _Weight:
    """A tensor that stands in the file, or beside it."""

    name: str
    shape: Shape
    dtype: str

    @property
    def learnt(self) -> int:
        """How many numbers it has, if these are ones that are learnt: not a shape, nor a place in an array."""
        return 0 if self.dtype in _NOT_LEARNT else min(max(math.prod(self.shape), 0), _MOST_NUMBERS)


_Made = tuple[_Draft, int] | _Weight
_Scope = MutableMapping[str, _Made]  # by a tensor's name: what made it. Bodies see what is around them


class _Reading:
    """One pass over a graph and those within its operations."""

    def __init__(self, model: Any, what: str) -> None:
        self.drafts: list[_Draft] = []
        self._what = what
        self._functions = {_function_key(one): one for one in model.functions}
        self._read = 0
        self._shapes: dict[str, tuple[Shape | None, str]] = {}  # and dtypes

    def read_model(self, graph: Any) -> None:
        """Adds the nodes of the outermost graph."""
        made: _Scope = {}
        self._learn(graph, made)
        weights = {weight.name for weight in graph.initializer}
        for info in graph.input:
            if info.name not in weights:
                draft = self._draft(f"input/{info.name}", "Placeholder", [info.name])
                self.drafts.append(draft)
                made[info.name] = draft, 0
        self._read_nodes(graph.node, made, "", 0)
        for info in graph.output:
            draft = self._draft(f"output/{info.name}", "Identity", [info.name])
            source = made.get(info.name)
            if isinstance(source, _Weight):  # which nothing else reads
                constant = self._draft(_path_of(source.name), "Const", [source.name])
                self.drafts.append(constant)
                source = constant, 0
            draft.inputs = [] if source is None else [source]
            self.drafts.append(draft)

    def _learn(self, graph: Any, made: _Scope) -> None:
        """Takes in a graph's weights, and what it says of shapes."""
        for info in (*graph.input, *graph.value_info, *graph.output):
            self._shapes[info.name] = _shape_of(info), _type_of(info.type.tensor_type.elem_type)
        for weight in graph.initializer:
            made[weight.name] = _Weight(weight.name, tuple(weight.dims), _type_of(weight.data_type))
            self._shapes[weight.name] = tuple(weight.dims), _type_of(weight.data_type)
        for sparse in getattr(graph, "sparse_initializer", ()):
            name = sparse.values.name
            made[name] = _Weight(name, tuple(sparse.dims), _type_of(sparse.values.data_type))

    def _read_nodes(self, nodes: Iterable[Any], made: _Scope, scope: str, deep: int) -> None:
        for number, node in enumerate(nodes):
            self._read += 1
            if self._read > _MOST_NODES:
                raise CorruptRecord(
                    f"{self._what} has more than {_MOST_NODES:,} nodes, which are the most that are read"
                )
            known = made.get(node.input[0]) if node.op_type == "Identity" and node.input else None
            if isinstance(known, _Weight) and not node.domain:
                name = node.output[0]
                made[name] = known if "::" in name else _Weight(name, known.shape, known.dtype)
                continue
            function = self._functions.get(_call_key(node))
            if function is not None and deep < _DEEPEST:
                self._read_call(node, function, number, made, scope, deep)
            else:
                self._read_node(node, number, made, scope, deep)

    def _read_node(self, node: Any, number: int, made: _Scope, scope: str, deep: int) -> None:
        outputs = [output for output in node.output if output]
        inside, module = _scope_of(node, made)
        name = scope + inside + _word_of(node, number, inside)
        draft = self._draft(name, node.op_type, outputs)
        draft.module, draft.source = module, _source_of(node)
        draft.attributes |= {"domain": node.domain} if node.domain else {}
        bodies = [(one.name, one.g) for one in node.attribute if one.HasField("g")]
        bodies += [(f"{one.name}_{i}", body) for one in node.attribute for i, body in enumerate(one.graphs)]
        for attribute in node.attribute:
            if not attribute.HasField("g") and not attribute.graphs:
                draft.attributes[attribute.name] = _plain(attribute)
        self._join(draft, [made.get(one) for one in node.input if one])
        for key, body in bodies:
            self._read_body(node, body, draft, made, f"{name}/{key}/", deep)
        if bodies:
            draft.wanted = f"{name}/({name.rpartition('/')[2]})"  # as TensorBoard has it: a scope is no node
        self.drafts.append(draft)
        for place, output in enumerate(node.output):
            made[output] = draft, place

    def _read_body(self, node: Any, body: Any, draft: _Draft, around: _Scope, scope: str, deep: int) -> None:
        """Adds what an operation repeats or chooses: what comes in flows to it, and what comes out to the operation."""
        if deep >= _DEEPEST:
            raise CorruptRecord(f"{self._what} has bodies within bodies, more than {_DEEPEST} levels of them")
        made: _Scope = ChainMap({}, around)  # type: ignore[arg-type]
        self._learn(body, made)
        for place, info in enumerate(body.input):  # of Loop and Scan, in the order of the operation's own
            given = around.get(node.input[place]) if place < len(node.input) else None
            if given is not None:
                made[info.name] = given
        self._read_nodes(body.node, made, scope, deep + 1)
        self._join(draft, [made.get(info.name) for info in body.output])

    def _read_call(self, node: Any, function: Any, number: int, around: _Scope, scope: str, deep: int) -> None:
        """Adds the operations of a function, in a scope where it is called."""
        inside, _ = _scope_of(node, around)
        place = f"{scope}{inside}{_word_of(node, number, inside)}"
        made: _Scope = {}
        for inner, outer in zip(function.input, node.input, strict=False):
            if outer in around:
                made[inner] = around[outer]
        self._read_nodes(function.node, made, f"{place}/", deep + 1)
        for inner, outer in zip(function.output, node.output, strict=False):
            if inner in made:
                around[outer] = made[inner]

    def _join(self, draft: _Draft, sources: Iterable[_Made | None]) -> None:
        """Has a draft read these; weights among them are told by its attributes."""
        seen = {(id(one), place) for one, place in draft.inputs}
        weights: dict[str, _Weight] = {}
        for source in sources:
            if isinstance(source, _Weight):
                weights[source.name] = source
            elif source is not None and (key := (id(source[0]), source[1])) not in seen:
                seen.add(key)
                draft.inputs.append(source)
        learnt = [one for one in weights.values() if one.learnt]
        rest = [one for one in weights.values() if not one.learnt]
        for key, group in (("weights", learnt), ("constants", rest)):
            if group:
                draft.attributes[key] = cut(" ".join(one.name for one in group))
                draft.attributes[f"{key[:-1]}_shapes"] = cut(" ".join(f"{one.dtype}{list(one.shape)}" for one in group))
        draft.parameters += sum(one.learnt for one in learnt)

    def _draft(self, wanted: str, op: str, outputs: list[str]) -> _Draft:
        found = [self._shapes.get(output, (None, "")) for output in outputs]
        dtypes = tuple(dtype for _, dtype in found)
        return _Draft(wanted, op, shapes=tuple(shape for shape, _ in found), dtypes=dtypes if all(dtypes) else ())


def _function_key(function: Any) -> tuple[str, str, str]:
    return function.domain, function.name, getattr(function, "overload", "")


def _call_key(node: Any) -> tuple[str, str, str]:
    return node.domain, node.op_type, getattr(node, "overload", "")


def _scope_of(node: Any, made: _Scope) -> tuple[str, str]:
    """Where a node lies, ending with `/` unless that is nowhere, and its module, `path: Class`, where that is known."""
    metadata = {one.key: one.value for one in getattr(node, "metadata_props", ())}
    namespace = metadata.get("namespace", "")
    if ": " in namespace:  # torch.onnx.export(dynamo=True): `: net.Net/body.0: torch.nn.Linear/linear: aten.linear`
        parts = [part.partition(": ") for part in namespace.split("/")]
        path, _, kind = parts[-2] if len(parts) > 1 else ("", "", "")
        with contextlib.suppress(ValueError, SyntaxError, IndexError, TypeError):
            path = str(ast.literal_eval(metadata["pkg.torch.onnx.name_scopes"])[-2])
        inside = _path_of(path.replace("@", "_call"))
        return (f"{inside}/" if inside else ""), f"{path}: {kind.rpartition('.')[2]}" if path else ""
    if node.name.startswith("/"):  # torch.onnx.export(dynamo=False): `/body.0/Gemm`
        inside = _path_of("/".join(node.name.split("/")[:-1]))
        return (f"{inside}/" if inside else ""), ""
    if "/" in node.name:
        return "", ""
    owners = {one.name.rpartition(".")[0] for one in map(made.get, node.input) if isinstance(one, _Weight)}
    owner = next(iter(owners)) if len(owners) == 1 else ""
    return (f"{_path_of(owner)}/" if owner else ""), ""


def _word_of(node: Any, number: int, inside: str) -> str:
    """What a node is called in its scope."""
    if node.name.startswith("/"):
        return node.name.rpartition("/")[2] or node.op_type
    if any(one.key == "namespace" for one in getattr(node, "metadata_props", ())):
        return node.op_type  # its name is `node_linear_7`, and layers are to look alike
    outputs = [output for output in node.output if output]
    return node.name or (node.op_type if inside else outputs[0] if outputs else f"{node.op_type}_{number}")


def _path_of(name: str) -> str:
    """A module's or a weight's path, with `/` for the dots."""
    return "/".join(part for part in re.split(r"[./]", name) if part)


def _source_of(node: Any) -> str:
    """The line of the program that asked for a node, as torch's exporter tells it in a stack trace."""
    for one in getattr(node, "metadata_props", ()):
        if one.key == "pkg.torch.onnx.stack_trace":
            lines = re.findall(r'^\s*File "([^"\n]+)", line (\d+)', one.value, re.MULTILINE)
            own = [line for line in lines if "/torch/" not in line[0].replace("\\", "/")] or lines
            return f"{own[-1][0]}:{own[-1][1]}" if own else ""
    return ""


def _named(drafts: list[_Draft]) -> list[Node]:
    """The nodes, each with a name of its own that is no scope and has nothing that means something in a reference."""
    wanted = {id(draft): _safe(draft.wanted) for draft in drafts}
    taken: set[str] = set()
    for name in wanted.values():
        parts = name.split("/")
        taken.update("/".join(parts[:i]) for i in range(1, len(parts)))
    names: dict[int, str] = {}
    numbers: dict[str, int] = {}
    for draft in drafts:
        name = base = wanted[id(draft)]
        while name in taken:
            numbers[base] = numbers.get(base, 0) + 1
            name = f"{base}_{numbers[base]}"
        taken.add(name)
        names[id(draft)] = name
    return [_node(draft, names) for draft in drafts]


def _node(draft: _Draft, names: dict[int, str]) -> Node:
    inputs = tuple(f"{names[id(one)]}:{i}" if i else names[id(one)] for one, i in draft.inputs if id(one) in names)
    return Node(
        names[id(draft)], draft.op, inputs, draft.shapes, draft.attributes, dtypes=draft.dtypes, module=draft.module,
        source=draft.source, parameters=draft.parameters,
    )  # fmt: skip


def _safe(name: str) -> str:
    return "/".join(part for part in name.replace(":", "_").replace("^", "_").split("/") if part) or "node"


def _shape_of(info: Any) -> Shape | None:
    kind = info.type.tensor_type
    if not kind.HasField("shape"):
        return None
    return tuple(dim.dim_value if dim.HasField("dim_value") else -1 for dim in kind.shape.dim)


def _type_of(number: int) -> str:
    return _TYPES[number] if 0 <= number < len(_TYPES) else f"type {number}"


def _plain(attribute: Any) -> Attribute:
    for kind in ("f", "i", "s"):
        if attribute.HasField(kind):
            return getattr(attribute, kind)
    if attribute.HasField("t"):
        return f"{_type_of(attribute.t.data_type)}{list(attribute.t.dims)}"
    for kind in ("floats", "ints", "strings"):
        if items := list(getattr(attribute, kind)[:1000]):
            said = [item.decode("utf-8", "replace") if isinstance(item, bytes) else item for item in items]
            return cut(str(said))
    if attribute.tensors:
        return f"{len(attribute.tensors)} tensors"
    return "[]" if attribute.type in _LISTS else ""
