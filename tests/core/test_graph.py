"""add_graph and its likes: what is in the GraphDef, beside torch's, and what must not happen to training."""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys
import types
from pathlib import Path
from typing import Any

import pytest

import tallyboard as tb
from tallyboard.core.graph import Graph, Node

event_accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
graph_pb2 = pytest.importorskip("tensorboard.compat.proto.graph_pb2")


def read(folder: Path) -> Any:
    """The GraphDef of a run, as TensorBoard has it."""
    accumulator = event_accumulator.EventAccumulator(str(folder))
    accumulator.Reload()
    return graph_pb2.GraphDef.FromString(accumulator.Graph().SerializeToString())


def plain(graph: Any, dangling: bool = False) -> dict[str, Any]:
    """Op, inputs (without those that are no node), attributes and shapes of each node by name.

    Values without a name have a number from torch, which depends on how often it copied the graph: here their own.
    """
    numbered = [node.name for node in graph.node if node.name.rpartition("/")[2].isdecimal()]
    names = {node.name: node.name for node in graph.node}
    assert len(names) == len(graph.node)
    names |= {name: f"{name.rpartition('/')[0]}/#{i}" for i, name in enumerate(numbered)}
    return {
        names[node.name]: (
            node.op,
            [names.get(name, name) for name in node.input if dangling or name in names],
            node.attr["attr"].s,
            [[dim.size for dim in shape.dim] for shape in node.attr["_output_shapes"].list.shape],
        )
        for node in graph.node
    }


def models() -> dict[str, Any]:
    torch = pytest.importorskip("torch")
    nn = torch.nn

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.norm = nn.Conv2d(3, 3, 3, padding=1), nn.BatchNorm2d(3)
            self.scale = nn.Parameter(torch.ones(3, 1, 1))

        def forward(self, x: Any) -> Any:
            return x + self.scale * torch.relu(self.norm(self.conv(x)))

    class Pair(nn.Module):
        def forward(self, a: Any, b: Any) -> Any:
            return a @ b, {"sum": a.sum()}["sum"]

    image = torch.zeros(1, 3, 8, 8)
    return {
        "mlp": (nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Dropout(), nn.Linear(8, 2)), torch.zeros(5, 4)),
        "nested": (nn.Sequential(Block(), nn.Sequential(Block(), nn.Flatten())), image),
        "pair": (Pair(), (torch.zeros(2, 3), torch.zeros(3, 4))),
        "lstm": (nn.LSTM(3, 4, 2), torch.zeros(5, 1, 3)),
    }


@pytest.mark.parametrize("name", ["mlp", "nested", "pair", "lstm"])
def test_equals_torch(name: str, tmp_path: Path) -> None:
    """By jit, names, ops, inputs, attributes and shapes are torch's; shapes that it invents for non-tensors are left
    out."""
    torch_writer = pytest.importorskip("torch.utils.tensorboard").SummaryWriter
    model, given = models()[name]
    with tb.SummaryWriter(tmp_path / "ours") as writer:
        writer.add_graph(model, given, mode="jit")
    with torch_writer(str(tmp_path / "torch")) as writer:
        writer.add_graph(model, given)

    ours, theirs = (plain(read(tmp_path / folder)) for folder in ("ours", "torch"))

    assert len(ours) > 3
    assert {key: value[:3] for key, value in ours.items()} == {key: value[:3] for key, value in theirs.items()}
    shapes = {key: (value[3], theirs[key][3]) for key, value in ours.items()}
    assert {key: pair for key, pair in shapes.items() if pair[0] != pair[1] and pair != ([], [[1]])} == {}
    assert read(tmp_path / "ours").versions == read(tmp_path / "torch").versions
    assert plain(read(tmp_path / "ours"), dangling=True) == ours


def test_step_record_equals_torch(tmp_path: Path) -> None:
    """Beside the graph there is torch's record of one step, under its tag."""
    torch_writer = pytest.importorskip("torch.utils.tensorboard").SummaryWriter
    model, given = models()["mlp"]
    got: list[Any] = []
    for folder, make, more in (("ours", tb.SummaryWriter, {"mode": "jit"}), ("torch", torch_writer, {})):
        with make(str(tmp_path / folder)) as writer:
            writer.add_graph(model, given, **more)
        accumulator = event_accumulator.EventAccumulator(str(tmp_path / folder))
        accumulator.Reload()
        got.append((accumulator.Tags()["run_metadata"], accumulator.RunMetadata("step1")))

    assert got[0] == got[1]


@pytest.mark.parametrize("mode", ["auto", "jit"])
def test_model_is_left_as_it_was(mode: str) -> None:
    """No module's mode, weight, statistic or gradient, and no random number that training draws, is another."""
    torch = pytest.importorskip("torch")
    model, given = models()["nested"]
    model.train()
    model[1].eval()  # frozen in part, as fine-tuning does
    before = {name: value.clone() for name, value in model.state_dict().items()}
    modes = [module.training for module in model.modules()]
    state = torch.get_rng_state()
    with tb.SummaryWriter(sink=tb.MemorySink()) as writer:
        writer.add_graph(model, given, mode=mode)

    assert [module.training for module in model.modules()] == modes
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert torch.equal(torch.get_rng_state(), state)
    assert all(parameter.grad is None for parameter in model.parameters())


def test_inputs_by_name_and_dict_outputs(tmp_path: Path) -> None:
    """A model with named inputs and a dict for its output, which torch refuses, has its graph."""
    torch = pytest.importorskip("torch")

    class Model(torch.nn.Module):
        def forward(self, ids: Any, mask: Any) -> Any:
            return {"logits": ids * mask}

    with tb.SummaryWriter(tmp_path) as writer:
        writer.add_graph(Model(), {"mask": torch.ones(2), "ids": torch.ones(2)})

    assert "mul" in {node.op for node in read(tmp_path).node}


def test_scripted_model(tmp_path: Path) -> None:
    """A model that torch.jit made needs no input."""
    torch = pytest.importorskip("torch")
    with tb.SummaryWriter(tmp_path) as writer:
        writer.add_graph(torch.jit.script(torch.nn.Linear(2, 3)))

    assert "aten::linear" in {node.op for node in read(tmp_path).node}


def test_untraceable_model_warns_once() -> None:
    """A model that fails when called warns, once; its modules are the graph, and training goes on."""
    torch = pytest.importorskip("torch")

    class Broken(torch.nn.Module):
        def forward(self, x: Any) -> Any:
            raise RuntimeError("no such layer")

    sink = tb.MemorySink()
    with tb.SummaryWriter(sink=sink) as writer:
        with pytest.warns(tb.TallyboardWarning, match="no such layer"):
            writer.add_graph(Broken(), torch.ones(1))
        writer.add_graph(Broken(), torch.ones(1))  # a second warning would be an error here
        writer.add_scalar("after", 1.0, 1)

    assert [event.summary.tag for event in sink.events] == ["__run_graph__", "step1", "__run_graph__", "step1", "after"]


def test_wrong_calls_raise() -> None:
    """No model, no input where one is needed, or something that is no model, is an error at the call."""
    torch = pytest.importorskip("torch")
    with tb.SummaryWriter(sink=tb.MemorySink()) as writer:
        with pytest.raises(tb.InvalidSummary, match="None"):
            writer.add_graph(None)
        with pytest.raises(tb.InvalidSummary, match="input_to_model"):
            writer.add_graph(torch.nn.Linear(1, 1), mode="jit")
        with pytest.raises(tb.UnsupportedModel, match="instance"):
            writer.add_graph(torch.nn.Linear)
        with pytest.raises(tb.UnsupportedModel, match="ONNX"):
            writer.add_graph("model")
        with pytest.raises(tb.UnsupportedModel, match="pathlib"):
            writer.add_graph(Path("x"))


def test_own_graph(tmp_path: Path) -> None:
    """A graph of one's own is written with its attributes by type, its devices and its shapes."""
    nodes = (
        Node("a", "Input", shapes=((2, -1),)),
        Node("b/c", "Add", ("a", "a:1"), ((1,), None), {"i": 3, "f": 0.5, "b": True, "s": "x"}, "/device:GPU:0"),
    )
    with tb.SummaryWriter(tmp_path) as writer:
        writer.add_graph(Graph(nodes))

    first, second = read(tmp_path).node
    assert [dim.size for dim in first.attr["_output_shapes"].list.shape[0].dim] == [2, -1]
    assert (second.name, second.op, list(second.input), second.device) == (
        "b/c", "Add", ["a", "a:1"], "/device:GPU:0",
    )  # fmt: skip
    assert (second.attr["i"].i, second.attr["f"].f, second.attr["b"].b, second.attr["s"].s) == (3, 0.5, True, b"x")
    assert "_output_shapes" not in second.attr


def test_source_by_entry_point(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A package that tallyboard does not know brings its own source, by entry point."""
    module = types.ModuleType("acme_nets")
    module.Net = type("Net", (), {"__module__": "acme_nets"})  # type: ignore[attr-defined]
    module.find = lambda model, given, **_: Graph((Node("net", "Acme", shapes=((given,),)),))  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "acme_nets", module)
    point = importlib.metadata.EntryPoint("acme_nets", "acme_nets:find", "tallyboard.graphs")
    monkeypatch.setattr(
        "tallyboard.core.graph.entry_points", lambda group, name: [point] if name == "acme_nets" else []
    )
    with tb.SummaryWriter(tmp_path) as writer:
        writer.add_graph(module.Net(), 7)

    assert [(node.name, node.op) for node in read(tmp_path).node] == [("net", "Acme")]


def test_core_imports_no_framework_for_graphs() -> None:
    """A graph of one's own, and refusing an object of no framework, import no framework."""
    program = (
        "import sys, tallyboard as tb\n"
        "from tallyboard.core.graph import Graph, Node\n"
        "w = tb.SummaryWriter(sink=tb.MemorySink()); w.add_graph(Graph((Node('a', 'b'),)))\n"
        "try: w.add_graph(object())\n"
        "except tb.UnsupportedModel: pass\n"
        "w.close()\n"
        "assert not {'torch', 'tensorflow', 'jax', 'keras', 'onnx'} & set(sys.modules), sorted(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)

    assert done.returncode == 0, done.stderr


def onnx_model() -> Any:
    onnx = pytest.importorskip("onnx")
    helper, numpy_helper = onnx.helper, onnx.numpy_helper
    import numpy as np

    x = helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, ["batch", 4])
    y = helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, ["batch", 2])
    weights = [
        numpy_helper.from_array(np.ones((4, 2), np.float32), "layer.fc.weight"),
        numpy_helper.from_array(np.ones(2, np.float32), "layer.fc.bias"),
    ]
    nodes = [
        helper.make_node(
            "Gemm", ["x", *(w.name for w in weights)], ["h:0"], name="/layer/fc/Gemm", alpha=0.5, transB=0
        ),
        helper.make_node("Split", ["h:0"], ["s0", "s1"], axis=1, num_outputs=2),
        helper.make_node("Concat", ["s1", "s0"], ["y"], name="/layer/fc/Gemm", axis=1),
    ]
    graph = helper.make_graph(nodes, "g", [x], [y], weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])


def test_onnx_graph(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An ONNX file gives operations, inputs and outputs in scopes, joined, with weights and shapes, and no print."""
    onnx = pytest.importorskip("onnx")
    onnx.save(onnx_model(), tmp_path / "m.onnx")
    with tb.SummaryWriter(tmp_path / "run") as writer:
        writer.add_onnx_graph(tmp_path / "m.onnx")

    graph = read(tmp_path / "run")
    got = {node.name: (node.op, list(node.input)) for node in graph.node}
    assert got == {
        "input/x": ("Placeholder", []),
        "layer/fc/Gemm": ("Gemm", ["input/x"]),
        "s0": ("Split", ["layer/fc/Gemm"]),
        "layer/fc/Gemm_1": ("Concat", ["s0:1", "s0"]),
        "output/y": ("Identity", ["layer/fc/Gemm_1"]),
    }
    nodes = {node.name: node for node in graph.node}
    shapes = nodes["s0"].attr["_output_shapes"].list.shape
    assert [[dim.size for dim in shape.dim] for shape in shapes] == [[-1, 1], [-1, 1]]
    assert nodes["layer/fc/Gemm"].attr["alpha"].f == 0.5
    assert nodes["layer/fc/Gemm"].attr["dtype"].s == b"float32"
    assert nodes["layer/fc/Gemm"].attr["weights"].s == b"layer.fc.weight layer.fc.bias"
    assert nodes["layer/fc/Gemm"].attr["weight_shapes"].s == b"float32[4, 2] float32[2]"
    assert nodes["layer/fc/Gemm"].attr["parameters"].i == 10
    assert capsys.readouterr().out == ""


def test_onnx_refuses(tmp_path: Path) -> None:
    """A missing file, one that is no ONNX model, and a value that is neither, are named."""
    pytest.importorskip("onnx")
    (tmp_path / "bad.onnx").write_bytes(b"\xff" * 40)
    (tmp_path / "empty.onnx").write_bytes(b"")
    with tb.SummaryWriter(sink=tb.MemorySink()) as writer:
        with pytest.raises(tb.InvalidSummary, match="no file"):
            writer.add_onnx_graph(str(tmp_path / "none.onnx"))
        with pytest.raises(tb.InvalidSummary, match="no ONNX model"):
            writer.add_onnx_graph(tmp_path / "bad.onnx")
        with pytest.raises(tb.InvalidSummary, match="no operations"):
            writer.add_onnx_graph(onnx_model_file=tmp_path / "empty.onnx")
        with pytest.raises(tb.InvalidSummary, match="int"):
            writer.add_onnx_graph(3)


def test_missing_onnx_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without onnx the text has the command that installs it."""
    monkeypatch.setitem(sys.modules, "onnx", None)
    (tmp_path / "m.onnx").write_bytes(b"")
    with (
        tb.SummaryWriter(sink=tb.MemorySink()) as writer,
        pytest.raises(tb.MissingDependency, match=r"tallyboard\[onnx\]"),
    ):
        writer.add_onnx_graph(tmp_path / "m.onnx")


OPENVINO = """<net name="m" version="11"><layers>
<layer id="0" name="in" type="Parameter"><data shape="1,3" element_type="f32"/><output><port id="0"><dim>1</dim><dim>3</dim></port></output></layer>
<layer id="1" name="w" type="Const"><output><port id="0"><dim>3</dim></port></output></layer>
<layer id="2" name="body/mul" type="Multiply"><output><port id="2"><dim>1</dim><dim>3</dim></port></output></layer>
</layers><edges><edge from-layer="1" from-port="0" to-layer="2" to-port="1"/>
<edge from-layer="0" from-port="0" to-layer="2" to-port="0"/></edges></net>"""  # noqa: E501


def test_openvino_graph(tmp_path: Path) -> None:
    """An OpenVINO model gives each layer once, with its type, all its inputs in order, and shapes."""
    (tmp_path / "m.xml").write_text(OPENVINO)
    (tmp_path / "bad.xml").write_text("<net>")
    (tmp_path / "other.xml").write_text("<html/>")
    with tb.SummaryWriter(tmp_path / "run") as writer:
        writer.add_openvino_graph(tmp_path / "m.xml")
        for name, says in (("bad.xml", "no XML"), ("other.xml", "layers"), ("none.xml", "no file")):
            with pytest.raises(tb.InvalidSummary, match=says):
                writer.add_openvino_graph(tmp_path / name)

    got = {node.name: (node.op, list(node.input)) for node in read(tmp_path / "run").node}
    assert got == {"in": ("Parameter", []), "w": ("Const", []), "body/mul": ("Multiply", ["in", "w"])}
