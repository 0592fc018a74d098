"""A graph's file is read in whatever form it has, and any bytes at all are read or refused with a named error."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import hypothesis
import pytest
from google.protobuf import text_format
from hypothesis import strategies

from tallyboard.core.errors import CorruptRecord
from tallyboard.core.graph import Node
from tallyboard.core.graph_edges import edges_of
from tallyboard.core.graph_files import load_graph
from tallyboard.core.proto import graph_pb2, onnx_pb2

GRAPH = graph_pb2.GraphDef(node=[{"name": "a", "op": "A"}, {"name": "b/c", "op": "B", "input": ["a:1"]}])
NODES = [("a", "A", ()), ("b/c", "B", ("a:1",))]


def said(data: bytes, name: str) -> list[tuple[str, str, tuple[str, ...]]]:
    return [(node.name, node.op, node.inputs) for node in load_graph(data, name).nodes]


@pytest.mark.parametrize("name", ["graph.pb", "graph", ""])
def test_a_graph_def(name: str) -> None:
    """Bytes of a GraphDef, whatever the file is called."""
    assert said(GRAPH.SerializeToString(), name) == NODES


@pytest.mark.parametrize("name", ["graph.pbtxt", "graph.prototxt", "graph"])
def test_a_graph_def_as_text(name: str) -> None:
    """Protobuf's text; fields that nobody knows are passed over."""
    text = f"{text_format.MessageToString(GRAPH)}\nodd_field {{ x: 1 }}\n"
    assert said(text.encode(), name) == NODES


def test_a_saved_model() -> None:
    """A SavedModel's graph; of several each below a name of its own."""
    model = graph_pb2.SavedModel(saved_model_schema_version=1, meta_graphs=[{"graph_def": GRAPH}])
    assert said(model.SerializeToString(), "saved_model.pb") == NODES
    model.meta_graphs.add().graph_def.CopyFrom(GRAPH)
    names = [name for name, _, _ in said(model.SerializeToString(), "saved_model.pb")]
    assert names == ["graph_1/a", "graph_1/b/c", "graph_2/a", "graph_2/b/c"]


def test_keras_files() -> None:
    """JSON, the archive that Keras 3 saves, and the file of TensorFlow.js hold the same model."""
    data = (Path(__file__).parent / "keras_models" / "functional.json").read_bytes()
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("metadata.json", "{}")
        archive.writestr("config.json", data)
    expected = said(data, "model.json")
    assert len(expected) == 6
    assert said(packed.getvalue(), "model.keras") == expected
    assert said(b'{"modelTopology": {"model_config": %s}}' % data, "model.json") == expected


def onnx_model() -> onnx_pb2.ModelProto:
    model = onnx_pb2.ModelProto(ir_version=8, producer_name="p")
    graph = model.graph
    graph.input.add(name="x").type.tensor_type.elem_type = 1
    graph.input[0].type.tensor_type.shape.dim.add(dim_param="n")
    graph.initializer.add(name="body.w", dims=[4, 2], data_type=1)
    node = graph.node.add(input=["x", "body.w"], output=["y", "z"], name="/body/MatMul", op_type="MatMul")
    node.attribute.add(name="alpha", f=0.5, type=1)
    node.attribute.add(name="axes", ints=[1, 2], type=7)
    branch = graph.node.add(input=["y"], output=["o"], op_type="If")
    branch.attribute.add(name="then_branch", type=5).g.node.add(input=["z"], output=["t"], op_type="Relu")
    branch.attribute[0].g.output.add(name="t")
    graph.output.add(name="o")
    return model


@pytest.mark.parametrize("name", ["model.onnx", "model", "model.pb"])
def test_an_onnx_file(name: str) -> None:
    """Operations, weights, inputs and outputs of an ONNX file, without the package onnx."""
    graph = load_graph(onnx_model().SerializeToString(), name)
    nodes: dict[str, Node] = {node.name: node for node in graph.nodes}
    assert {name: node.inputs for name, node in nodes.items()} == {
        "input/x": (),
        "body/MatMul": ("input/x",),
        "o/then_branch/t": ("body/MatMul:1",),
        "o/(o)": ("body/MatMul", "o/then_branch/t"),
        "output/o": ("o/(o)",),
    }
    told = {"alpha": 0.5, "axes": "[1, 2]", "weights": "body.w", "weight_shapes": "float32[4, 2]"}
    assert nodes["body/MatMul"].attributes == told
    assert nodes["body/MatMul"].parameters == 8
    assert nodes["input/x"].shapes == ((-1,),)
    assert not edges_of(graph).dangling


@pytest.mark.parametrize(
    ("data", "name", "sentence"),
    [
        (b"", "a.pb", "'a.pb' is empty"),
        (b"<html>", "a.pb", "'a.pb' cannot be decoded"),
        (b"node { name: ", "a.pbtxt", "'a.pbtxt' is no GraphDef as text"),
        (b"\x08\x01", "saved_model.pb", "'saved_model.pb' has no operations"),
        (b"{}", "a.json", "'a.json' is no Keras model"),
        (b"PK\x03\x04....", "a.keras", "'a.keras' is no Keras file"),
        (b"abc", "a.onnx", "'a.onnx' cannot be decoded"),
        (b"\x22\x00", "a.pb", "'a.pb' has no nodes"),
    ],
)
def test_what_is_no_graph_is_said(data: bytes, name: str, sentence: str) -> None:
    """The error names the file and what is wrong with it."""
    with pytest.raises(CorruptRecord, match=sentence):
        load_graph(data, name)


def test_any_bytes_are_read_or_refused() -> None:
    """No bytes, by whatever name, do anything but give a graph whose edges are in order, or raise CorruptRecord."""
    whole = [GRAPH.SerializeToString(), onnx_model().SerializeToString(), text_format.MessageToString(GRAPH).encode()]
    whole.append((Path(__file__).parent / "keras_models" / "shared.json").read_bytes())

    def damaged(parts: tuple[bytes, int, bytes]) -> bytes:
        data, at, put = parts
        at %= len(data)
        return data[:at] + put + data[at + len(put) :]

    some = strategies.tuples(strategies.sampled_from(whole), strategies.integers(0), strategies.binary(max_size=6))
    names = strategies.sampled_from(["a.pb", "a.onnx", "a.pbtxt", "a.json", "a.keras", "a"])

    @hypothesis.settings(max_examples=300, deadline=None, database=None)
    @hypothesis.given(strategies.one_of(strategies.binary(max_size=60), some.map(damaged)), names)
    def check(data: bytes, name: str) -> None:
        try:
            graph = load_graph(data, name)
        except CorruptRecord:
            return
        names = [node.name for node in graph.nodes]
        assert len(set(names)) == len(names)
        assert all(source < len(names) for source in edges_of(graph).source)
        assert all(isinstance(key, str) for node in graph.nodes for key in dict(node.attributes))

    check()
