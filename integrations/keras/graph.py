"""The layers of a Keras model as a graph: every call of each, with shapes, and what layers are made of within them.

A functional model is drawn as it is. What Keras does not know the inside of (a model or a layer that is a class of its
own) is called with tensors that have shapes and no numbers, which Keras's own operations note down; what that adds to
the layers is taken away again. Where a class computes with anything else, its layers alone are drawn.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import keras

from tallyboard.core.errors import UnsupportedModel
from tallyboard.core.graph import Attribute, Graph, Node
from tallyboard.core.graph_read import distinct_names

__all__ = ["graph", "inputs_like", "known_inputs"]

_DEEPEST: Final = 12  # layers within layers
_LONGEST: Final = 200  # characters of a setting


def graph(model: Any, input_to_model: Any = None, *, verbose: bool = False, use_strict_trace: bool = True) -> Graph:
    """The layers of a model that is built.

    Args:
        model: a `keras.Model`, or a layer.
        input_to_model: what it may be called with: arrays or `keras.KerasTensor`s, as its `call` takes them. Needed of
            a model that is a class of its own and was never called.
        verbose, use_strict_trace: without effect; torch's.

    Raises:
        UnsupportedModel: it is no layer, or is not built and no input is given.
    """
    del verbose, use_strict_trace
    if not isinstance(model, keras.layers.Layer):
        raise UnsupportedModel(f"add_graph expected a keras.Model, got {type(model).__qualname__}; pass the model")
    inputs = None if input_to_model is None else _symbols(input_to_model)
    if not model.built and inputs is None:
        raise UnsupportedModel(
            f"add_graph: the model {model.name!r} is not built yet, so that its layers are not known; call "
            "model.build(input_shape), or give an input: add_graph(model, x)"
        )
    drawing = _Drawing()
    with _left_as_it_was(model):
        drawing.draw_root(model, inputs if inputs is not None else _inputs_of(model))
    return distinct_names(Graph(tuple(drawing.nodes), tuple(dict.fromkeys(drawing.notes))))


def inputs_like(x: Any) -> Any:
    """Tensors without numbers like what a `fit` is given: of arrays and of `tf.data`; None where that does not tell."""
    spec = getattr(x, "element_spec", None)
    if isinstance(spec, tuple):
        x = spec[0]
    elif spec is not None:
        x = spec
    try:
        leaves = keras.tree.flatten(x)
        known = bool(leaves) and all(hasattr(one, "shape") and hasattr(one, "dtype") for one in leaves)
        return _symbols(x) if known else None
    except Exception:  # shapes that are not known, types that Keras does not have
        return None


def known_inputs(model: Any) -> Any:
    """The inputs that a functional or sequential model was made with; None of others."""
    function = _function(model)
    return None if function is None else getattr(function, "_inputs_struct", list(function.inputs))


def _symbols(given: Any) -> Any:
    """Tensors without numbers, of the shapes and types of those given; the first size is any."""
    return keras.tree.map_structure(_symbol, given)


def _symbol(tensor: Any) -> Any:
    shape = tuple(tensor.shape)
    dtype = keras.backend.standardize_dtype(tensor.dtype)
    return keras.KerasTensor((None, *shape[1:]) if shape else shape, dtype)


def _inputs_of(model: Any) -> Any:
    """What a model was built for, as far as it has kept that."""
    known = getattr(model, "_build_shapes_dict", None)
    if not known:
        return None
    shapes = list(known.values())
    if len(shapes) != 1 or not shapes[0]:
        return None
    shape = shapes[0]
    if isinstance(shape, dict):
        return {name: keras.KerasTensor(tuple(one), "float32") for name, one in shape.items()}
    if isinstance(shape[0], tuple | list):
        return [keras.KerasTensor(tuple(one), "float32") for one in shape]
    return keras.KerasTensor(tuple(shape), "float32")


@contextmanager
def _left_as_it_was(model: Any) -> Iterator[None]:
    """Forgets what calls within `with` add to the notes that layers keep of their calls."""
    known = [(layer, _noted(layer)) for layer in model._flatten_layers()]
    try:
        yield
    finally:
        for layer, (inbound, outbound) in known:
            if hasattr(layer, "_inbound_nodes"):
                del layer._inbound_nodes[inbound:]
                del layer._outbound_nodes[outbound:]


def _noted(layer: Any) -> tuple[int, int]:
    return len(getattr(layer, "_inbound_nodes", ())), len(getattr(layer, "_outbound_nodes", ()))


class _Drawing:
    """Nodes while they are found."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self.notes: list[str] = []
        self._calls: dict[str, int] = {}
        self._sources: dict[int, str] = {}  # by the identity of a tensor without numbers: the output that it is
        self._kept: list[Any] = []  # those tensors, so that no other one gets their identity

    def draw_root(self, model: Any, inputs: Any) -> None:
        """Draws a model: as it was put together, or as it computes with these inputs."""
        function = _function(model)
        if function is not None:
            self._name_inputs(function.inputs, "")
            self._draw_to(list(function.outputs), "")
            return
        first, second, third = len(self.nodes), dict(self._sources), dict(self._calls)
        try:
            if inputs is None:
                raise TypeError("the shapes of its inputs are not known")
            self._name_inputs(keras.tree.flatten(inputs), "")
            self._draw_to(self._outputs(model, (inputs,), {}), "")
        except Exception as error:  # a class may compute with anything
            del self.nodes[first:]
            self._sources, self._calls = second, third
            self._draw_tree(model, error)

    def _name_inputs(self, tensors: Sequence[Any], scope: str) -> None:
        for number, tensor in enumerate(tensors):
            history = getattr(tensor, "_keras_history", None)
            operation = getattr(history, "operation", None)
            wanted = operation.name if operation is not None else f"input_{number}" if number else "input"
            name = self._named(scope + wanted)
            self._tell(tensor, name)
            self.nodes.append(Node(name, "InputLayer", shapes=(_shape(tensor),), dtypes=(_dtype(tensor),)))

    def _draw_to(self, outputs: list[Any], scope: str, depth: int = 0) -> None:
        """Draws everything that these tensors need and that has no name yet, what is needed first."""
        ahead = [(tensor, False) for tensor in reversed(outputs)]
        done: set[int] = set()
        while ahead:
            tensor, ready = ahead.pop()
            history = getattr(tensor, "_keras_history", None)
            if id(tensor) in self._sources or history is None or history.operation is None:
                continue
            node = history.operation._inbound_nodes[history.node_index]
            if ready:
                if id(node) not in done:
                    done.add(id(node))
                    self._draw_call(node, scope, depth)
                continue
            ahead.append((tensor, True))
            ahead.extend((one, False) for one in reversed(node.input_tensors))

    def _draw_call(self, node: Any, scope: str, depth: int) -> None:
        operation = node.operation
        name = self._named(scope + operation.name)
        outputs = list(node.output_tensors)
        if depth < _DEEPEST and node.input_tensors and self._draw_within(node, f"{name}/", outputs, depth + 1):
            return
        inputs = [self._sources[id(one)] for one in node.input_tensors if id(one) in self._sources]
        self.nodes.append(
            Node(
                name,
                type(operation).__name__,
                tuple(inputs),
                tuple(_shape(one) for one in outputs),
                {**_settings(operation), **_constants(node)},
                dtypes=tuple(_dtype(one) for one in outputs),
                module=f"{getattr(operation, 'path', None) or operation.name}: {type(operation).__name__}",
                parameters=_parameters(operation),
            )
        )
        for number, tensor in enumerate(outputs):
            self._tell(tensor, f"{name}:{number}" if number else name)

    def _draw_within(self, node: Any, scope: str, outputs: list[Any], depth: int) -> bool:
        """Draws what a layer is made of, where it is made of layers and that can be found out."""
        operation = node.operation
        function = _function(operation)
        if function is None and not any(True for _ in _parts(operation)):
            return False
        first, known, calls = len(self.nodes), dict(self._sources), dict(self._calls)
        try:
            if function is not None:
                inner = list(function.outputs)
                for tensor, given in zip(function.inputs, node.input_tensors, strict=True):
                    self._tell(tensor, self._sources[id(given)])
            else:
                fresh: dict[int, Any] = {}
                args, kwargs = node.arguments.convert(lambda one: self._renamed(one, fresh))
                inner = self._outputs(operation, args, kwargs)
            self._draw_to(inner, scope, depth)
            if len(inner) != len(outputs) or any(id(one) not in self._sources for one in inner):
                raise TypeError("what it returns is not known")
            if sum(one.parameters for one in self.nodes[first:]) < _parameters(operation):
                raise TypeError("it uses weights of its own")
            results = [self._sources[id(one)] for one in inner]
        except Exception:  # it computes with something else
            del self.nodes[first:]
            self._sources, self._calls = known, calls
            return False
        self._sources = {**known, **{id(outer): one for outer, one in zip(outputs, results, strict=True)}}
        self._kept.extend(outputs)
        return len(self.nodes) > first

    def _renamed(self, one: Any, fresh: dict[int, Any]) -> Any:
        if not isinstance(one, keras.KerasTensor):
            return one
        if id(one) not in fresh:
            fresh[id(one)] = keras.KerasTensor(one.shape, one.dtype)
            self._tell(fresh[id(one)], self._sources[id(one)])
        return fresh[id(one)]

    def _outputs(self, layer: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[Any]:
        """What a layer's own code makes of tensors without numbers."""
        found = keras.tree.flatten(layer.call(*args, **kwargs))
        if not found or not all(isinstance(one, keras.KerasTensor) for one in found):
            raise TypeError("it returns no tensors")
        self._kept.extend(found)
        return found

    def _draw_tree(self, model: Any, error: Exception) -> None:
        text = str(error).strip().partition("\n")[0][:200]
        self.notes.append(
            f"{type(model).__name__} is a class of its own that cannot be called without numbers ({text}): its layers "
            "alone are drawn, without what leads from one to the other."
        )

        def draw(layer: Any, scope: str, depth: int) -> None:
            for part in layer._flatten_layers(include_self=False, recursive=False):
                name = self._named(scope + part.name)
                inner = any(True for _ in _parts(part)) and depth < _DEEPEST
                if inner:
                    draw(part, f"{name}/", depth + 1)
                else:
                    kind = type(part).__name__
                    self.nodes.append(
                        Node(name, kind, attributes=_settings(part), module=f"{part.name}: {kind}",
                             parameters=_parameters(part))
                    )  # fmt: skip

        draw(model, "", 0)

    def _tell(self, tensor: Any, source: str) -> None:
        self._sources[id(tensor)] = source
        self._kept.append(tensor)

    def _named(self, wanted: str) -> str:
        """A name, and for the second call of the same layer another: `dense_call1`."""
        count = self._calls.get(wanted, 0)
        self._calls[wanted] = count + 1
        return f"{wanted}_call{count}" if count else wanted


def _function(layer: Any) -> Any:
    """What knows the inside of a functional or sequential model; None of anything else."""
    inner = getattr(layer, "_functional", None) if isinstance(layer, keras.Sequential) else layer
    return inner if type(inner).__name__ == "Functional" or _is_functional(inner) else None


def _is_functional(layer: Any) -> bool:
    return layer is not None and hasattr(layer, "_nodes_by_depth") and bool(getattr(layer, "outputs", None))


def _parts(layer: Any) -> Iterator[Any]:
    flatten = getattr(layer, "_flatten_layers", None)
    return iter(()) if flatten is None else iter(flatten(include_self=False, recursive=False))


def _shape(tensor: Any) -> tuple[int, ...]:
    return tuple(-1 if size is None else int(size) for size in tensor.shape)


def _dtype(tensor: Any) -> str:
    return str(keras.backend.standardize_dtype(tensor.dtype))


def _parameters(operation: Any) -> int:
    variables: list[Any] = list(getattr(operation, "trainable_variables", ()) or ())
    total = 0
    for variable in variables:
        size = 1
        for one in variable.shape:
            size *= int(one or 0)
        total += size
    return total


def _settings(operation: Any) -> dict[str, Attribute]:
    """What a layer was told: numbers, words, and the names of what it was given."""
    try:
        config: dict[str, Any] = operation.get_config()
    except Exception:  # many classes of users have none
        return {}
    found: dict[str, Attribute] = {}
    for key, value in config.items():
        if key in ("name", "layers", "dtype") or value is None:
            continue
        if isinstance(value, dict):
            value = value.get("class_name")
        if isinstance(value, bool | int | float | str):
            found[key] = value[:_LONGEST] if isinstance(value, str) else value
        elif isinstance(value, list | tuple) and len(value) <= 8:
            found[key] = str(list(value))[:_LONGEST]
    return found


def _constants(node: Any) -> dict[str, Attribute]:
    """Numbers and words that a call was given beside tensors, by name or place."""
    arguments = [
        *((f"argument{i}", value) for i, value in enumerate(node.arguments.args)),
        *node.arguments.kwargs.items(),
    ]
    return {key: value for key, value in arguments if isinstance(value, bool | int | float | str)}
