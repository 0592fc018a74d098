"""Graphs of ONNX files: of both of torch's exporters, with bodies and functions, and of files that mean harm."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxscript")

import tallyboard as tb  # noqa: E402
from tallyboard.core.graph import Graph, Node  # noqa: E402
from tallyboard.integrations.onnx import graph  # noqa: E402
from tallyboard.integrations.torch.graph import graph as torch_graph  # noqa: E402

from .conftest import Log  # noqa: E402
from .test_torch_graph import base, behind, flows, of_capture  # noqa: E402

nn = torch.nn


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc, self.norm = nn.Linear(4, 4), nn.LayerNorm(4)

    def forward(self, x: Any) -> Any:
        return torch.relu(self.norm(self.fc(x))) + x


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem, self.blocks, self.head = nn.Linear(4, 4), nn.ModuleList([Block(), Block()]), nn.Linear(4, 2)

    def forward(self, x: Any) -> Any:
        x = self.stem(x)
        for block in self.blocks:
            x = block(x)
        return self.head(x)


def net(*, alike: bool = False) -> Any:
    """Both blocks normalise with the same numbers, or each with its own."""
    torch.manual_seed(0)
    model = Net().eval()
    if not alike:
        for number, weight in enumerate(model.parameters()):
            nn.init.normal_(weight, number)
    return model


@pytest.fixture(scope="module", params=["dynamo", "torchscript"])
def exported(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of one of torch's exporters."""
    path = tmp_path_factory.mktemp("onnx") / f"{request.param}.onnx"
    options: dict[str, Any] = {"dynamo": True, "verbose": False} if request.param == "dynamo" else {"dynamo": False}
    export(net(), path, **options)
    return path


def export(model: Any, path: Path, **options: Any) -> None:
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the exporters, on themselves
        torch.onnx.export(model, (torch.ones(3, 4),), str(path), input_names=["x"], output_names=["y"], **options)


def check(found: Graph) -> dict[str, Node]:
    """Names are unique and no scope, and every edge leads from a node before."""
    names = [node.name for node in found.nodes]
    scopes = {"/".join(one.split("/")[:i]) for one in names for i in range(1, one.count("/") + 1)}
    assert len(set(names)) == len(names)
    assert not scopes & set(names)
    for place, node in enumerate(found.nodes):
        assert {base(one) for one in node.inputs} <= set(names[:place])
    return {node.name: node for node in found.nodes}


def test_scopes_are_those_of_the_modules(exported: Path) -> None:
    """Both exporters' operations lie in the modules that they come from, with weights, shapes and types."""
    nodes = check(graph(exported))

    assert [(name, node.op, node.shapes) for name, node in nodes.items()] == [
        ("input/x", "Placeholder", ((3, 4),)),
        ("stem/Gemm", "Gemm", ((3, 4),)),
        *[
            (f"blocks/{i}/{name}", name.rpartition("/")[2], ((3, 4),))
            for i in (0, 1)
            for name in ("fc/Gemm", "norm/LayerNormalization", "Relu", "Add")
        ],
        ("head/Gemm", "Gemm", ((3, 2),)),
        ("output/y", "Identity", ((3, 2),)),
    ]
    add = nodes["blocks/1/Add"]
    assert (add.inputs, add.dtypes) == (("blocks/1/Relu", "blocks/0/Add"), ("float32",))
    fc = nodes["blocks/1/fc/Gemm"]
    assert fc.attributes["weights"] == "blocks.1.fc.weight blocks.1.fc.bias"
    assert fc.attributes["weight_shapes"] == "float32[4, 4] float32[4]"
    assert sum(node.parameters for node in nodes.values()) == sum(one.numel() for one in net().parameters())
    if exported.stem == "dynamo":
        assert (fc.module, nodes["blocks/0/Add"].module) == ("blocks.1.fc: Linear", "blocks.0: Block")
        assert Path(fc.source.rpartition(":")[0]).name == "test_onnx.py"


def test_what_flows_into_what_is_as_in_the_model(exported: Path) -> None:
    """Module by module, what depends on what is as in the graph of a call of the model."""
    found, called = graph(exported), torch_graph(net(), torch.ones(3, 4), mode="capture")
    ends = {"Placeholder": "<in>", "Identity": "<out>"}
    labels = of_capture(found)
    for node in found.nodes:
        labels[node.name] |= {ends[node.op]} if node.op in ends else set()

    assert flows(found, labels, {}) == flows(called, of_capture(called), {})


def test_weights_that_are_shared_are_not_passed_on(tmp_path: Path) -> None:
    """What the exporter writes as the identity of another weight is no operation: each module tells its own."""
    export(net(alike=True), tmp_path / "m.onnx", dynamo=False)
    written = {node.op_type for node in onnx.load(tmp_path / "m.onnx").graph.node}
    nodes = check(graph(tmp_path / "m.onnx"))

    assert "Identity" in written
    assert {name for name, node in nodes.items() if node.op == "Identity"} == {"output/y"}
    assert nodes["blocks/1/norm/LayerNormalization"].attributes["weights"] == "blocks.1.norm.weight blocks.1.norm.bias"


def test_weights_beside_the_file_are_not_read(tmp_path: Path, exported: Path, log: Log) -> None:
    """A file whose weights lie elsewhere, and are not there, has the same graph."""
    model = onnx.load(exported)
    onnx.save(model, tmp_path / "m.onnx", save_as_external_data=True, location="weights", size_threshold=0)
    (tmp_path / "weights").unlink()
    log.writer.add_onnx_graph(tmp_path / "m.onnx")

    assert graph(tmp_path / "m.onnx").nodes == graph(exported).nodes
    assert "__run_graph__" in log.tags()


def parsed(text: str) -> Any:
    return onnx.parser.parse_model('<ir_version: 10, opset_import: ["" : 21, "own" : 1]>\n' + text)


def test_bodies() -> None:
    """What a Loop repeats and an If chooses lies within its scope; values flow in from outside, and out to it."""
    found = graph(
        parsed("""agraph (float[2] x, bool which) => (float[2] y) <float[2] bias = {1, 2}> {
            times = Constant <value_int = 3> ()
            go = Constant <value = bool {1}> ()
            looped = Loop (times, go, x) <body = one (int64 i, bool c, float[2] v) => (bool again, float[2] w) {
                again = Identity (c)
                w = Add (v, bias)
            }>
            y = If (which) <
                then_branch = yes () => (float[2] a) { a = Relu (looped) },
                else_branch = no () => (float[2] a) { a = Neg (looped) }
            >
        }""")
    )
    nodes = check(found)
    inputs = {name: node.inputs for name, node in nodes.items()}

    assert inputs["looped/body/w"] == ("input/x",)
    assert nodes["looped/body/w"].attributes["weights"] == "bias"
    assert inputs["looped/(looped)"] == ("times", "go", "input/x", "looped/body/again", "looped/body/w")
    assert inputs["y/then_branch/a"] == inputs["y/else_branch/a"] == ("looped/(looped)",)
    assert inputs["y/(y)"] == ("input/which", "y/then_branch/a", "y/else_branch/a")
    assert behind(found)["output/y"] == set(nodes)


def test_functions() -> None:
    """A function of the model is drawn where it is called, each time with what it is given."""
    nodes = check(
        graph(
            parsed("""agraph (float[2] x) => (float[2] y) <float[2] w = {1, 2}> {
                h = own.Twice (x, w)
                y = own.Twice (h, w)
            }
            <opset_import: ["" : 21, "own" : 1], domain: "own">
            Twice (a, b) => (c) { d = Mul (a, b)  c = own.Inner (d) }
            <opset_import: ["" : 21], domain: "own">
            Inner (a) => (b) { b = Tanh (a) }""")
        )
    )
    assert {name: node.inputs for name, node in nodes.items()} == {
        "input/x": (),
        "h/d": ("input/x",),
        "h/c/b": ("h/d",),
        "y/d": ("h/c/b",),
        "y/c/b": ("y/d",),
        "output/y": ("y/c/b",),
    }
    assert nodes["y/d"].attributes["weights"] == "w"


def test_functions_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Functions that call themselves, or each other any number of times, come to an end: an error says that."""
    monkeypatch.setattr("tallyboard.core.graph_onnx._MOST_NODES", 1000)
    with pytest.raises(tb.InvalidSummary, match="more than 1,000 nodes"):
        graph(
            parsed("""agraph (float[2] x) => (float[2] y) { y = own.Ever (x) }
            <opset_import: ["" : 21, "own" : 1], domain: "own">
            Ever (a) => (c) { b = own.Ever (a)  c = own.Ever (b) }""")
        )


def test_names_without_scopes() -> None:
    """Where an exporter told no scopes, the names of weights do; a weight that is an output itself has a node."""
    model = parsed("""agraph (float[2] x) => (float[2] y, float[2] kept)
    <float[2] scale = {1, 2}, float[2] kept = {3, 4}, int64[1] axis = {0}> {
        h = Mul (x, scale)
        y = Squeeze (h, axis)
    }""")
    model.graph.node[0].name = "Mul_0"
    model.graph.node[0].input[1] = model.graph.initializer[0].name = "body.0.scale"
    nodes = check(graph(model))

    assert nodes["body/0/Mul_0"].parameters == 2
    assert (nodes["y"].inputs, nodes["y"].parameters) == (("body/0/Mul_0",), 0)
    assert nodes["y"].attributes["constants"] == "axis"
    assert nodes["output/kept"].inputs == ("kept",)
    assert nodes["kept"].op == "Const"
    with tb.SummaryWriter(sink=tb.MemorySink()) as writer:
        writer.add_onnx_graph(model)
