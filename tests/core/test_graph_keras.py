"""The JSON of Keras models, of all kinds that Keras 3.15 and Keras 2 write, is read as a graph of their layers.

The files in `keras_models` are what `model.to_json()` gave of small models, one for each kind.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tallyboard.core.errors import CorruptRecord
from tallyboard.core.graph import Graph
from tallyboard.core.graph_edges import edges_of
from tallyboard.core.graph_keras import graph_from_keras, keras_graph_def

MODELS = Path(__file__).with_name("keras_models")

FLOW: dict[str, dict[str, tuple[str, ...]]] = {
    "sequential": {"input_layer": (), "dense": ("input_layer",), "dense_1": ("dense",)},
    "functional": {"a": (), "b": (), "d": ("a",), "e": ("b",), "c": ("d", "e"), "o": ("c",)},
    "nested": {
        "i": (),
        "s/input_layer_1": ("i",),
        "s/dense_2": ("s/input_layer_1",),
        "s/dense_3": ("s/dense_2",),
        "m": ("s/dense_3",),
        "sub/si": ("m",),
        "sub/sd": ("sub/si",),
        "o": ("sub/sd",),
    },
    "shared": {
        "x": (),
        "y": (),
        "enc/i": ("x",),
        "enc/d1": ("enc/i",),
        "enc/d2": ("enc/d1",),
        "enc_call1/i": ("y",),
        "enc_call1/d1": ("enc_call1/i",),
        "enc_call1/d2": ("enc_call1/d1",),
        "c": ("enc/d2", "enc_call1/d2"),
    },
    "operations": {
        "i": (),
        "multiply": ("i",),
        "add": ("multiply",),
        "relu": ("add",),
        "greater": ("relu",),
        "negative": ("relu",),
        "where": ("greater", "relu", "negative"),
        "o": ("where",),
    },
    "attention": {"q": (), "v": (), "m": ("q", "v")},
    "sequential_of_models": {
        "input_layer_2": (),
        "s/input_layer_3": ("input_layer_2",),
        "s/dense_4": ("s/input_layer_3",),
        "s/dense_5": ("s/dense_4",),
        "ff/fi": ("s/dense_5",),
        "ff/fd": ("ff/fi",),
        "dense_6": ("ff/fd",),
    },
    "subclassed": {"sub": ()},
}


def read(name: str) -> Graph:
    return graph_from_keras((MODELS / f"{name}.json").read_bytes(), name)


@pytest.mark.parametrize("name", FLOW)
def test_layers_read_what_they_are_called_with(name: str) -> None:
    """Each call of a layer is a node that reads what it was called with, through models within models."""
    graph = read(name)
    assert {node.name: node.inputs for node in graph.nodes} == FLOW[name]
    assert not edges_of(graph).dangling
    assert bool(graph.notes) == (name == "subclassed")


def test_what_is_known_of_a_layer() -> None:
    """A node has the layer's class, shape and type where the file says them, settings, and constants of its call."""
    nodes = {node.name: node for node in read("operations").nodes}
    assert (nodes["i"].op, nodes["i"].shapes, nodes["i"].dtypes) == ("InputLayer", ((-1, 4),), ("float32",))
    assert (nodes["greater"].op, nodes["greater"].dtypes) == ("Greater", ("bool",))
    assert nodes["multiply"].attributes["argument 2"] == 2.0
    dense = {node.name: node for node in read("nested").nodes}["s/dense_2"]
    assert (dense.attributes["units"], dense.attributes["activation"]) == (3, "relu")
    assert dense.attributes["kernel_initializer"] == "GlorotUniform"
    assert (dense.shapes, dense.module) == (((-1, 3),), "s.dense_2: Dense")
    shared = {node.name: node for node in read("shared").nodes}
    assert shared["enc/d2"].shapes == shared["enc_call1/d2"].shapes == ((-1, 2),)


def test_keras_2() -> None:
    """References of Keras 2 are lists, with constants in the place of layers, and a sequential model may be a list."""
    dense = {"class_name": "Dense", "config": {"name": "d", "units": 3}, "name": "d"}
    layers = [
        {
            "class_name": "InputLayer",
            "name": "i",
            "inbound_nodes": [],
            "config": {"batch_input_shape": [None, 4], "dtype": "float32", "name": "i"},
        },
        {**dense, "inbound_nodes": [[["i", 0, 0, {}]], [["t", 0, 0, {}]]]},
        {
            "class_name": "TFOpLambda",
            "config": {"name": "t"},
            "name": "t",
            "inbound_nodes": [["d", 0, 0, {"y": ["i", 0, 0], "z": ["_CONSTANT_VALUE", -1, 2.0]}]],
        },
    ]
    config = {"name": "m", "layers": layers, "input_layers": [["i", 0, 0]], "output_layers": [["d", 1, 0]]}
    graph = graph_from_keras(json.dumps({"class_name": "Functional", "config": config}).encode(), "the model")
    assert {node.name: node.inputs for node in graph.nodes} == {
        "i": (),
        "d": ("i",),
        "d_call1": ("t",),
        "t": ("d", "i"),
    }
    assert graph.nodes[0].shapes == ((-1, 4),)
    oldest = {"class_name": "Sequential", "config": [dense, {**dense, "config": {"name": "e"}, "name": "e"}]}
    assert [node.inputs for node in graph_from_keras(json.dumps(oldest).encode(), "").nodes] == [(), ("d",)]


@pytest.mark.parametrize("name", FLOW)
def test_equal_to_tensorboard(name: str) -> None:
    """Where TensorBoard's own reading works and is right, `keras_graph_def` is equal to it."""
    theirs = pytest.importorskip("tensorboard.plugins.graph.keras_util")
    data = (MODELS / f"{name}.json").read_bytes()
    ours = keras_graph_def(data, name)
    if name in ("operations", "sequential_of_models"):
        with pytest.raises((AttributeError, UnboundLocalError)):
            theirs.keras_model_to_graph_def(json.loads(data))
        return
    expected: Any = theirs.keras_model_to_graph_def(json.loads(data))
    lost = {"shared": {"sh/enc/i": ["sh/y"]}, "attention": {"mh/m": ["mh/v"]}}.get(name, {})
    for mine, other in zip(ours.node, expected.node, strict=True):
        missed = lost.get(mine.name, [])
        assert [one for one in dict.fromkeys(mine.input) if one not in missed] == list(dict.fromkeys(other.input))
        assert sorted(missed) == sorted(set(mine.input) - set(other.input))
        del mine.input[:], other.input[:]
        assert str(mine) == str(other)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "cannot be read"),
        (b"[1]", "is no Keras model"),
        (b"\xff\xfe", "cannot be read"),
        (b'{"class_name": 1, "config": ' + b"[" * 100_000, "cannot be read"),
        (b'{"class_name": "S", "config": {"layers": [3]}}', "a layer is no object"),
    ],
)
def test_other_bytes_are_a_named_error(data: bytes, said: str) -> None:
    """What is no model raises CorruptRecord with what it should have been."""
    with pytest.raises(CorruptRecord, match=said):
        graph_from_keras(data, "the model 'a'")


def test_models_that_grow_without_end_are_refused() -> None:
    """Models within models that each call the next twice are cut off with an error, and at once."""
    said: Any = {"class_name": "Dense", "name": "l", "config": {}}
    for _ in range(16):
        inner = {**said, "inbound_nodes": [[["l", 0, 0]], [["l", 0, 0]]]}
        said = {"class_name": "Functional", "name": "l", "config": {"layers": [inner], "output_layers": [["l", 0, 0]]}}
        said["config"]["output_layers"] *= 2
    with pytest.raises(CorruptRecord, match="50,000 layers"):
        graph_from_keras(json.dumps(said).encode(), "the model")
    for _ in range(60):
        said = {"class_name": "Sequential", "name": "l", "config": {"layers": [said]}}
    with pytest.raises(CorruptRecord, match="too deep"):
        graph_from_keras(json.dumps(said).encode(), "the model")
