"""Graphs of Keras models, of every way to make one, on each backend."""

from __future__ import annotations

import importlib.util
import json
import os
from typing import TYPE_CHECKING, Any

os.environ.setdefault("KERAS_BACKEND", "jax")

import keras
import numpy as np
import pytest

import tallyboard as tb
from tallyboard.core.errors import UnsupportedModel
from tallyboard.core.proto.event_pb2 import Summary
from tallyboard.integrations.keras import TallyboardCallback
from tallyboard.integrations.keras.graph import graph
from tallyboard.integrations.keras.op_graph import conceptual

if TYPE_CHECKING:
    from pathlib import Path

    from tallyboard.core.graph import Graph

BACKEND = keras.backend.backend()
layers = keras.layers


def edges(found: Graph) -> dict[str, tuple[str, ...]]:
    return {node.name: node.inputs for node in found.nodes}


def test_sequential() -> None:
    """A sequential model is a line of its layers, with shapes, types, parameters and settings."""
    model = keras.Sequential(
        [keras.Input((4,), name="x"), layers.Dense(3, "relu", name="a"), layers.Dense(2, name="b")]
    )
    found = graph(model)
    assert edges(found) == {"x": (), "a": ("x",), "b": ("a",)}
    first = found.nodes[1]
    assert (first.op, first.shapes, first.dtypes, first.parameters) == ("Dense", ((-1, 3),), ("float32",), 15)
    assert first.attributes["units"] == 3
    assert first.attributes["activation"] == "relu"


def test_shared_submodel_several_inputs_and_outputs() -> None:
    """A model that is called twice is there twice, each with what it reads; every input and output is drawn."""
    inner_in = keras.Input((4,), name="inner_in")
    inner = keras.Model(inner_in, layers.Dense(3, name="d1")(inner_in), name="enc")
    x, y = keras.Input((4,), name="x"), keras.Input((4,), name="y")
    both = layers.Concatenate(name="both")([inner(x), inner(y)])
    model = keras.Model([x, y], [layers.Dense(1, name="left")(both), layers.Dense(2, name="right")(both)])
    assert edges(graph(model)) == {
        "x": (),
        "y": (),
        "enc/d1": ("x",),
        "enc_call1/d1": ("y",),
        "both": ("enc/d1", "enc_call1/d1"),
        "left": ("both",),
        "right": ("both",),
    }


def test_operations_and_their_constants() -> None:
    """Operations of `keras.ops` are nodes, and the numbers that they were given are told."""
    x = keras.Input((4,), name="x")
    model = keras.Model(x, keras.ops.relu(layers.Dense(2, name="d")(x) * 2.0))
    found = graph(model)
    assert [node.op for node in found.nodes] == ["InputLayer", "Dense", "Multiply", "Relu"]
    assert 2.0 in found.nodes[2].attributes.values()


class Residual(layers.Layer):
    """A layer made of layers, joined by an operation."""

    def __init__(self, **more: Any) -> None:
        super().__init__(**more)
        self.inner = layers.Dense(4, name="inner")

    def build(self, shape: Any) -> None:
        self.inner.build(shape)

    def call(self, x: Any) -> Any:
        return x + self.inner(x)


class Own(keras.Model):
    """A model that is a class of its own."""

    def __init__(self) -> None:
        super().__init__(name="own")
        self.block = Residual(name="block")
        self.head = layers.Dense(2, name="head")

    def call(self, x: Any) -> Any:
        return self.head(self.block(x))


class ByNumbers(keras.Model):
    """A model whose call looks at numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.head = layers.Dense(2, name="head")

    def call(self, x: Any) -> Any:
        if isinstance(x, keras.KerasTensor):
            raise TypeError("only numbers")
        return self.head(x)


def test_a_class_of_its_own_is_drawn_as_it_computes() -> None:
    """Layers within layers are scopes, operations between them nodes; the layers are left without traces of that."""
    model = Own()
    model(np.zeros((2, 4), "float32"))
    before = [len(one._inbound_nodes) for one in model._flatten_layers()]
    found = edges(graph(model))
    assert [len(one._inbound_nodes) for one in model._flatten_layers()] == before
    assert found["block/inner"] == ("input",)
    [added] = [name for name in found if name.startswith("block/add")]
    assert found[added] == ("input", "block/inner")
    assert found["head"] == (added,)


def test_a_class_that_wants_numbers_has_its_layers_drawn() -> None:
    """A model that cannot be called without numbers has its layers drawn, and a note says why nothing joins them."""
    model = ByNumbers()
    model(np.zeros((2, 4), "float32"))
    found = graph(model)
    assert edges(found) == {"head": ()}
    assert found.nodes[0].parameters == 10
    assert "cannot be called without numbers (only numbers)" in found.notes[0]


def test_attention_is_opened() -> None:
    """A layer of Keras that is made of layers shows them in a scope of its own."""
    x = keras.Input((5, 8), name="x")
    found = edges(graph(keras.Model(x, layers.MultiHeadAttention(2, 4, name="mha")(x, x))))
    assert found["mha/query"] == found["mha/key"] == found["mha/value"] == ("x",)
    [joined] = found["mha/attention_output"]
    assert joined.startswith("mha/")


def test_an_unbuilt_model(tmp_path: Path) -> None:
    """A model that is not built is an error that says what to do; with an input its graph is drawn."""
    model = Own()
    with tb.SummaryWriter(tmp_path) as writer:
        with pytest.raises(UnsupportedModel, match=r"not built yet.*or give an input: add_graph\(model, x\)"):
            writer.add_graph(model)
        model(np.zeros((1, 4), "float32"))
        writer.add_graph(model, np.zeros((3, 4), "float32"))
    found = tb.read(tmp_path)["."].graphs()[""]
    assert {"block/inner", "head"} <= {node.name for node in found.nodes}


def test_what_a_training_writes(tmp_path: Path) -> None:
    """The run has the graph of layers, the JSON of the model, and TensorFlow's graph of a step or JAX's jaxpr; a second
    `fit` of the same model does not write them again."""
    model = keras.Sequential([keras.Input((4,), name="x"), layers.Dense(3, name="a"), layers.Dense(2, name="b")])
    model.compile("sgd", "mse")
    callback = TallyboardCallback(tmp_path)
    for _ in range(2):
        model.fit(np.ones((8, 4), "float32"), np.ones((8, 2), "float32"), verbose=0, callbacks=[callback])
    run = tb.read(tmp_path)["train"]
    found = run.graphs()
    others = {"tensorflow": {"train_function"}, "jax": {"jaxpr"}}.get(BACKEND, set())
    assert set(found) == {"", "keras"} | others
    assert edges(found[""]) == {"x": (), "a": ("x",), "b": ("a",)}
    assert len(run.messages("graph_keras_model", "keras")) == 1
    if BACKEND == "tensorflow":
        assert any(node.op == "MatMul" for node in found["train_function"].nodes)
    if BACKEND == "jax":
        scoped = {node.name.rpartition("/")[0] for node in found["jaxpr"].nodes if node.op == "dot_general"}
        assert {scope.rpartition("/")[2] for scope in scoped} == {"a", "b"}


def test_the_conceptual_graph_is_one_that_tensorboard_reads() -> None:
    """The JSON is written where TensorBoard's own code reads it, and not where that fails: at numbers among the
    arguments of operations, and at models in a sequential one."""
    x = keras.Input((4,), name="x")
    inner = keras.Model(x, layers.Dense(2, name="d")(x), name="inner")
    assert conceptual(keras.Model(x, inner(x) * 2.0)) is None
    assert conceptual(keras.Sequential([keras.Input((4,)), inner])) is None
    summary = conceptual(keras.Model(x, layers.Add()([inner(x), layers.Dense(2, name="e")(x)])))
    assert summary is not None
    if importlib.util.find_spec("tensorboard"):
        from tensorboard.plugins.graph.keras_util import keras_model_to_graph_def

        written = json.loads(Summary.FromString(summary.value.data).value[0].tensor.string_val[0])
        names = {node.name.rpartition("/")[2] for node in keras_model_to_graph_def(written).node}
        assert {"x", "d", "e"} <= names


def test_a_class_of_its_own_in_a_training(tmp_path: Path) -> None:
    """A model that Keras's JSON says nothing of has its graph in the run, too, and its training is as without it."""
    model = Own()
    model.compile("sgd", "mse")
    callback = TallyboardCallback(tmp_path)
    model.fit(np.ones((8, 4), "float32"), np.ones((8, 2), "float32"), verbose=0, callbacks=[callback])
    found = tb.read(tmp_path)["train"].graphs()
    assert "keras" not in found
    assert {"block/inner", "head"} <= {node.name for node in found[""].nodes}


def test_no_graph(tmp_path: Path) -> None:
    """`write_graph=False` writes none."""
    model = keras.Sequential([keras.Input((4,)), layers.Dense(2)])
    model.compile("sgd", "mse")
    callback = TallyboardCallback(tmp_path, write_graph=False)
    model.fit(np.ones((8, 4), "float32"), np.ones((8, 2), "float32"), verbose=0, callbacks=[callback])
    assert tb.read(tmp_path)["train"].graphs() == {}
