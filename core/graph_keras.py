"""The conceptual graph of a Keras model: its layers, from the JSON that `model.to_json()` gives.

Each call of a layer is a node of its own, `dense`, `dense_call1`, …, as each may read something else; a model within a
model is a scope, once for each call. Keras 2 and 3, functional and sequential models, and operations of `keras.ops`
with their constants are read; of a subclassed model JSON has nothing but its name.

Source of the format: keras/src/models/functional.py and sequential.py of Keras 3.15, keras/engine/functional.py of
Keras 2.15; and the summary that keras.callbacks.TensorBoard puts it into (plugin `graph_keras_model`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

from .errors import CorruptRecord
from .graph import Attribute, Graph, Node, Shape
from .graph_values import cut

if TYPE_CHECKING:
    from .proto import graph_pb2

__all__ = ["MOST_BYTES", "graph_from_keras", "is_keras", "keras_graph_def"]

MOST_BYTES: Final = 1 << 25
"""Of JSON that is read: 32 MB."""

_MOST_NODES: Final = 50_000
_DEEPEST: Final = 50  # models within models, and lists within the arguments of a call
_TENSOR: Final = "__keras_tensor__"
_HIDDEN: Final = frozenset({"name", "layers", "input_layers", "output_layers", "dtype", "batch_input_shape"})
_SEQUENTIAL: Final = "Sequential"


class _Reference(NamedTuple):
    """An output: number `tensor` of call number `call` of the layer of this name."""

    layer: str
    call: int
    tensor: int
    shape: Shape | None = None
    dtype: str = ""


class _Call(NamedTuple):
    """What a layer is called with: outputs of others, and constants by the argument's name or number."""

    inputs: list[_Reference]
    constants: dict[str, Attribute]


@dataclass(slots=True)
class _Layer:
    """A layer, or a model: `layers` is None for what is none; `built` is the shape that it was built for."""

    name: str
    kind: str
    config: Mapping[str, Any]
    calls: list[_Call]
    built: Shape | None = None
    layers: list[_Layer] | None = None
    inputs: list[_Reference] = field(default_factory=list[_Reference])
    outputs: list[_Reference] = field(default_factory=list[_Reference])
    by_name: dict[str, _Layer] = field(default_factory=dict[str, "_Layer"])


def is_keras(said: Any) -> bool:
    """Whether JSON is that of a Keras model."""
    return isinstance(said, dict) and {"class_name", "config"} <= cast("dict[str, Any]", said).keys()


def graph_from_keras(data: bytes, what: str) -> Graph:
    """The layers of a Keras model.

    Args:
        data: JSON as `model.to_json()` has it.
        what: what it is, for the text of an error.

    Raises:
        CorruptRecord: it is no such JSON, or too much of it.
    """
    root, drawing = _drawn(data, what)
    note = f"{root.kind} says nothing of the layers that it is made of: it is a class of its own."
    return Graph(tuple(drawing.nodes()), (note,) if root.layers is None else ())


def keras_graph_def(data: bytes, what: str) -> graph_pb2.GraphDef:
    """The layers of a Keras model as TensorBoard's routes give them: below the model's name, each layer once.

    Source of the form: keras_util.py of TensorBoard 2.21.

    Raises:
        CorruptRecord: it is no JSON of a Keras model, or too much of it.
    """
    from .proto.event_pb2 import DataType
    from .proto.graph_pb2 import GraphDef, NodeDef

    root, drawing = _drawn(data, what)
    message, made = GraphDef(), dict[str, NodeDef]()
    scope = "" if root.layers is None else f"{root.name}/"
    for layer, name, inputs in drawing.once():
        node = made.get(name)
        if node is None:
            node = made[name] = message.node.add(name=scope + name)
            node.attr["keras_class"].s = layer.kind.encode()
            if (number := _type_number(_dtype(layer), DataType)) is not None:
                node.attr["dtype"].type = number
            node.input.extend(scope + one for one in inputs)
        else:
            node.input.extend(scope + one for one in inputs if scope + one not in node.input)
    return message


def _type_number(name: str, types: Any) -> Any:
    known = {"float32": "FLOAT", "float64": "DOUBLE", "float16": "HALF"}.get(name, name.upper())
    return types.Value(f"DT_{known}") if f"DT_{known}" in types.keys() else None  # noqa: SIM118  (a message's enum)


def _drawn(data: bytes, what: str) -> tuple[_Layer, _Drawing]:
    if len(data) > MOST_BYTES:
        raise CorruptRecord(f"{what} has {len(data):,} bytes; {MOST_BYTES:,} are the most that are read")
    try:
        said: Any = json.loads(data)
        if not is_keras(said):
            raise CorruptRecord(f"{what} is no Keras model: JSON with class_name and config was expected")
        root = _layer(said, 0)
        drawing = _Drawing()
        if root.layers is None:
            drawing.put(root, root.name, [], {})
        else:
            drawing.draw(root, "", [])
    except (ValueError, RecursionError) as error:  # ValueError: of JSON, and bytes that are no text
        raise CorruptRecord(f"{what} cannot be read: {error}") from None
    return root, drawing


# Reading


def _layer(said: Any, depth: int) -> _Layer:
    if depth > _DEEPEST or not isinstance(said, dict):
        raise ValueError("a layer is no object" if depth <= _DEEPEST else "models within models go too deep")
    entry = cast("dict[str, Any]", said)
    kind, given = str(entry.get("class_name", "")), entry.get("config")
    if isinstance(given, list):  # the first Keras had a sequential model's layers for its configuration
        given = {"layers": cast("list[Any]", given)}
    config = cast("dict[str, Any]", given) if isinstance(given, dict) else {}
    name = str(entry.get("name") or config.get("name") or kind.lower() or "layer")
    calls = [_Call(list(_references(call, 0)), dict(_constants(call))) for call in _listed(entry.get("inbound_nodes"))]
    layers = config.get("layers")
    made = _Layer(name, kind, config, calls, _shape(_in(entry.get("build_config"), "input_shape")))
    if isinstance(layers, list):
        made.layers = [_layer(one, depth + 1) for one in cast("list[Any]", layers)]
        made.by_name = {one.name: one for one in made.layers}
        made.inputs = list(_references(config.get("input_layers"), 0))
        made.outputs = list(_references(config.get("output_layers"), 0))
    return made


def _listed(said: Any) -> list[Any]:
    return cast("list[Any]", said) if isinstance(said, list) else []


def _constants(call: Any) -> Iterator[tuple[str, Attribute]]:
    """Numbers and words among the arguments of a call, as Keras 3 has them."""
    for number, value in enumerate(_listed(_in(call, "args"))):
        if isinstance(value, bool | int | float | str) and (plain := _plain(value)) is not None:
            yield f"argument {number + 1}", plain
    named = _in(call, "kwargs")
    for key, value in cast("dict[str, Any]", named).items() if isinstance(named, dict) else ():
        if isinstance(value, bool | int | float | str) and (plain := _plain(value)) is not None:
            yield key, plain


def _references(said: Any, depth: int) -> Iterator[_Reference]:
    """The outputs that arguments of a call name, however deep they lie in lists and dicts."""
    if depth > _DEEPEST:
        raise ValueError("the arguments of a call go too deep")
    if isinstance(said, dict):
        entry = cast("dict[str, Any]", said)
        if entry.get("class_name") == _TENSOR:
            yield from _history(entry.get("config"))
            return
        for value in entry.values():
            yield from _references(value, depth + 1)
    elif isinstance(said, list):
        items = cast("list[Any]", said)
        if len(items) >= 3 and isinstance(items[0], str) and type(items[1]) is int and type(items[2]) is int:
            if items[1] >= 0:  # -1 where a constant stands in the place of a layer
                yield _Reference(items[0], items[1], max(0, items[2]))
            items = items[3:]
        for item in items:
            if isinstance(item, list | dict):
                yield from _references(item, depth + 1)


def _history(config: Any) -> Iterator[_Reference]:
    if not isinstance(config, dict):
        return
    entry = cast("dict[str, Any]", config)
    for one in _references(entry.get("keras_history"), 0):
        dtype = entry.get("dtype")
        yield one._replace(shape=_shape(entry.get("shape")), dtype=dtype if isinstance(dtype, str) else "")


def _shape(said: Any) -> Shape | None:
    if not isinstance(said, list):
        return None
    return tuple(one if type(one) is int and 0 <= one < 1 << 62 else -1 for one in cast("list[Any]", said))


# Drawing


class _Drawing:
    """Nodes while they are found, and what their readers say of their outputs."""

    def __init__(self) -> None:
        self._drafts: dict[str, tuple[_Layer, list[str], dict[str, Attribute]]] = {}
        self._outputs: dict[str, dict[int, tuple[Shape | None, str]]] = {}
        self._put = 0
        self._plain: dict[str, str] = {"": ""}  # names as they would be if each layer were called once

    def draw(self, model: _Layer, prefix: str, given: list[str]) -> None:
        """Draws a model's layers below a prefix; `given` are what it is called with."""
        if model.kind == _SEQUENTIAL or not (model.inputs or model.outputs):
            self._draw_in_turn(model, prefix, given)
            return
        self._plain.setdefault(prefix, prefix)
        places = {one.layer: i for i, one in enumerate(model.inputs)}
        for layer in model.layers or ():
            for number, call in enumerate(layer.calls or [_Call([], {})]):
                inputs = [self._source(model, prefix, one) for one in call.inputs]
                place = places.get(layer.name)
                if place is not None and not inputs and place < len(given):
                    inputs = [given[place]]
                name = prefix + _called(layer.name, number)
                self._plain[name] = self._plain[prefix] + layer.name
                self._plain[f"{name}/"] = f"{self._plain[name]}/"
                self._draw_one(layer, name, inputs, call.constants)

    def _draw_in_turn(self, model: _Layer, prefix: str, given: list[str]) -> None:
        for layer in model.layers or ():
            name = prefix + layer.name
            self._plain[name] = self._plain.get(prefix, prefix) + layer.name
            self._plain[f"{name}/"] = f"{self._plain[name]}/"
            if len(given) == 1:
                self._tell(given[0], layer.built)
            self._draw_one(layer, name, given, {})
            given = self._results(layer, name) or given

    def _draw_one(self, layer: _Layer, name: str, inputs: list[str], constants: dict[str, Attribute]) -> None:
        if layer.layers:
            self.draw(layer, f"{name}/", inputs)
        else:
            self.put(layer, name, inputs, constants)

    def put(self, layer: _Layer, name: str, inputs: list[str], constants: dict[str, Attribute]) -> None:
        """Adds a node."""
        self._put += 1
        if self._put > _MOST_NODES:
            raise ValueError(f"it has more than {_MOST_NODES:,} layers, counted once for each call")
        self._drafts.setdefault(name, (layer, inputs, constants))
        shape = _shape(layer.config.get("batch_shape") or layer.config.get("batch_input_shape"))
        if shape is not None and layer.kind == "InputLayer":
            self._tell(name, shape)

    def _source(self, model: _Layer, prefix: str, one: _Reference) -> str:
        """The node, and its output, that a reference in a model's configuration stands for."""
        layer = model.by_name.get(one.layer)
        if layer is None:
            return prefix + one.layer
        name = prefix + _called(one.layer, min(one.call, max(0, len(layer.calls) - 1)))
        if layer.layers:
            found = self._result(layer, name, one.tensor)
        else:
            found = f"{name}:{one.tensor}" if one.tensor else name
        self._tell(found, one.shape, one.dtype)
        return found

    def _results(self, layer: _Layer, name: str) -> list[str]:
        """What stands for the outputs of a layer: of a model those of its layers."""
        count = len(layer.outputs) if layer.layers and layer.kind != _SEQUENTIAL else 1
        return [self._result(layer, name, number) for number in range(max(1, count))]

    def _result(self, layer: _Layer, name: str, number: int) -> str:
        if not layer.layers:
            return name
        if layer.kind != _SEQUENTIAL and layer.outputs:
            return self._source(layer, f"{name}/", layer.outputs[min(number, len(layer.outputs) - 1)])
        return self._result(layer.layers[-1], f"{name}/{layer.layers[-1].name}", 0)

    def _tell(self, source: str, shape: Shape | None, dtype: str = "") -> None:
        """Keeps what a reader of an output says of it; who says nothing leaves what others said."""
        name, _, number = source.rpartition(":")
        known = self._outputs.setdefault(name or source, {})
        place = int(number) if name else 0
        before = known.get(place, (None, ""))
        known[place] = (before[0] if shape is None else shape, dtype or before[1])

    def once(self) -> Iterator[tuple[_Layer, str, list[str]]]:
        """Each call with its layer's name and those of the layers that it reads."""
        for name, (layer, inputs, _) in self._drafts.items():
            sources = (one if one in self._plain else one.rpartition(":")[0] for one in inputs)
            yield layer, self._plain.get(name, name), [self._plain.get(one, one) for one in sources]

    def nodes(self) -> Iterator[Node]:
        """The nodes, with what is known of their outputs."""
        for name, (layer, inputs, constants) in self._drafts.items():
            said = self._outputs.get(name, {})
            told = [said.get(i, (None, "")) for i in range(min(64, max(said, default=-1) + 1))]
            dtype = _dtype(layer)
            path = name.replace("/", ".")
            yield Node(
                *(name, layer.kind or "Layer", tuple(inputs), tuple(shape for shape, _ in told)),
                attributes=_attributes(layer) | constants,
                dtypes=tuple(told_dtype or dtype for _, told_dtype in told) or ((dtype,) if dtype else ()),
                module=cut(f"{path}: {layer.kind}"),
            )


def _called(name: str, number: int) -> str:
    return f"{name}_call{number}" if number else name


def _dtype(layer: _Layer) -> str:
    said: Any = layer.config.get("dtype")
    if isinstance(said, dict):  # a policy, of which `compute_dtype` is what comes out
        said = _in(_in(said, "config"), "name")
        said = said.removeprefix("mixed_") if isinstance(said, str) else ""
    return said[:40] if isinstance(said, str) else ""


def _in(said: Any, key: str) -> Any:
    return cast("dict[str, Any]", said).get(key) if isinstance(said, dict) else None


def _attributes(layer: _Layer) -> dict[str, Attribute]:
    found: dict[str, Attribute] = {}
    for key, value in layer.config.items():
        text = _plain(value)
        if text is not None and key not in _HIDDEN:
            found[key] = text
    return found


def _plain(value: Any) -> Attribute | None:
    """A setting as a node shows it: an object by its class's name; None for what says nothing."""
    if value is None:
        return None
    if isinstance(value, bool | float | str):
        return cut(value) if isinstance(value, str) else value
    if isinstance(value, int):
        return value if -(1 << 63) <= value < 1 << 63 else str(value)[:40]
    if isinstance(value, dict):
        named = _in(value, "class_name")
        inner = _in(_in(value, "config"), "name")
        return cut(f"{named}({inner})" if isinstance(inner, str) else named) if isinstance(named, str) else None
    return cut(json.dumps(value)) if len(cast("list[Any]", value)) <= 16 else f"{len(cast('list[Any]', value))} values"
