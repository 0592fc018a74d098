"""What the backend makes of a model: TensorFlow's graph of a training step, JAX's jaxpr of the model's call."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from typing import Any, Final

import keras

from tallyboard.core.graph import graph_summaries
from tallyboard.core.summary import DataClass, Summary
from tallyboard.core.values import Message

from .jaxpr import graph_of_jaxpr
from .values import for_inference, tensor_of

__all__ = ["conceptual", "jax_graph", "tensorflow_graph"]

_MOST_BYTES: Final = 1 << 28
_DEEPEST: Final = 5  # functions within functions


def conceptual(model: Any) -> Summary | None:
    """The JSON of a functional or sequential model for TensorBoard's conceptual graph; None where it cannot read it.

    Source of the form: `keras_model_summary` of keras/src/callbacks/tensorboard.py. What TensorBoard 2.21 fails at
    (keras_util.py): numbers among the arguments of operations, and models within sequential ones.
    """
    from tallyboard.core.proto.event_pb2 import Summary as Written

    if type(model).__name__ not in ("Functional", "Sequential"):
        return None
    try:
        text = model.to_json()
        config: dict[str, Any] = json.loads(text)["config"]
    except Exception:  # a layer of the user's own may have no configuration
        return None
    if not _readable(config, type(model).__name__ == "Sequential"):
        return None
    written = Written()
    value = written.value.add(tag="keras")
    value.metadata.plugin_data.plugin_name, value.metadata.plugin_data.content = "graph_keras_model", b"1"
    value.tensor.dtype = 7  # DT_STRING
    value.tensor.tensor_shape.SetInParent()
    value.tensor.string_val.append(text.encode())
    return Summary("keras", "graph_keras_model", DataClass.BLOBS, Message("summary", written.SerializeToString()))


def _readable(config: Any, in_sequence: bool) -> bool:
    for layer in config.get("layers") or ():
        inner = layer.get("config") or {}
        if "layers" in inner and (in_sequence or not _readable(inner, layer.get("class_name") == "Sequential")):
            return False
        for call in layer.get("inbound_nodes") or ():
            arguments = call.get("args") or [] if isinstance(call, dict) else []
            if any(isinstance(one, int | float) for one in arguments):
                return False
    return True


def tensorflow_graph(model: Any) -> Callable[[], Summary | None]:
    """The graph of the function that a training on TensorFlow runs, once it has run.

    Returns:
        What makes the summary, for another thread.
    """
    functions = list(_functions(getattr(model, "train_function", None), 0))
    traced = [one for function in functions for one in function._list_all_concrete_functions()]

    def make() -> Summary | None:
        if not traced:
            return None
        data = traced[0].graph.as_graph_def(add_shapes=True).SerializeToString()
        return _traced("train_function", data) if len(data) <= _MOST_BYTES else None

    return make


def _functions(function: Any, depth: int) -> Iterator[Any]:
    """The `tf.function`s that a Python function has hold of, the outermost first."""
    if hasattr(function, "_list_all_concrete_functions"):
        yield function
        return
    for cell in (getattr(function, "__closure__", None) or ()) if depth < _DEEPEST else ():
        try:
            inner = cell.cell_contents
        except ValueError:  # it is empty
            continue
        if callable(inner) and not isinstance(inner, type):
            yield from _functions(inner, depth + 1)


def jax_graph(model: Any, inputs: Any) -> Summary:
    """The jaxpr of the model's call, as for inference, each of its equations a node in the scope of its layer.

    Args:
        model: built.
        inputs: tensors without numbers (`keras.KerasTensor`).
    """
    jax: Any = sys.modules["jax"]

    def shaped(one: Any) -> Any:
        sizes = tuple(2 if size is None else int(size) for size in one.shape)
        return jax.ShapeDtypeStruct(sizes, keras.backend.standardize_dtype(one.dtype))

    def call(trained: Any, others: Any, x: Any) -> Any:
        return model.stateless_call(trained, others, x, **for_inference(model))[0]

    names = [str(one.path) for one in (*model.trainable_variables, *model.non_trainable_variables)]
    closed = jax.make_jaxpr(call)(
        [shaped(tensor_of(one)) for one in model.trainable_variables],
        [shaped(tensor_of(one)) for one in model.non_trainable_variables],
        keras.tree.map_structure(shaped, inputs),
    )
    drawn = graph_of_jaxpr(closed, names)
    message = graph_summaries(drawn)[0].value
    assert isinstance(message, Message)
    return _traced("jaxpr", message.data)


def _traced(tag: str, graph: bytes) -> Summary:
    """A graph beside the run's own, as `tf.summary.trace_export` writes one."""
    from tallyboard.core.proto.event_pb2 import Summary as Written
    from tallyboard.core.proto.graph_pb2 import RunMetadata

    record = RunMetadata()
    record.function_graphs.add().pre_optimization_graph.MergeFromString(graph)
    written = Written()
    value = written.value.add(tag=tag)
    value.metadata.plugin_data.plugin_name, value.metadata.plugin_data.content = "graph_run_metadata_graph", b"1"
    value.tensor.dtype = 7  # DT_STRING
    value.tensor.tensor_shape.SetInParent()
    value.tensor.string_val.append(record.SerializeToString())
    data = Message("summary", written.SerializeToString())
    return Summary(tag, "graph_run_metadata_graph", DataClass.BLOBS, data)
