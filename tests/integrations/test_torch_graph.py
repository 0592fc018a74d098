"""Graphs of PyTorch models: every kind has one, it joins what the model joins, and the model is as it was."""

from __future__ import annotations

import re
from typing import Any

import pytest

torch = pytest.importorskip("torch")

import tallyboard as tb  # noqa: E402
from tallyboard.core.graph import Graph, Node  # noqa: E402
from tallyboard.integrations.torch.graph import graph  # noqa: E402

from .torch_models import MODELS, Convolutional, Written  # noqa: E402

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]

LOOKS_AT_DATA = {"Branches", "Experts", "Loops", "Packed", "ThroughNumpy", "Translator"}
UNUSED = {"Branches": {"high.weight", "high.bias"}}
"""Weights that the call does not come to."""
NOT_EXPORTED = {
    "Branches": "a branch by the data",
    "Dataclasses": "its output is no registered container",
    "Loops": "a loop by the data",
    "Packed": "lengths are data",
    "ScriptedByKeywords": "a scripted part is opaque",
    "ScriptedPart": "a scripted part is opaque",
    "ThroughNumpy": "numpy",
    "Translator": "a mask is compared with the causal one, by its data",
}
NOT_TRACED = {
    "Dataclasses": "its output is no tensor, list or dict",
    "Translator": "in evaluation mode a layer of the encoder is one fused operation to it",
}


def base(name: str) -> str:
    return re.sub(r":\d+$", "", name)


def behind(found: Graph) -> dict[str, set[str]]:
    """By node, all that it depends on, itself among it."""
    inputs = {node.name: [base(one) for one in node.inputs] for node in found.nodes}
    reached: dict[str, set[str]] = {}
    for node in found.nodes:
        ahead, seen = [node.name], set[str]()
        while ahead:
            if (one := ahead.pop()) not in seen:
                seen.add(one)
                ahead += inputs[one]
        reached[node.name] = seen
    return reached


def of_capture(found: Graph) -> dict[str, set[str]]:
    """By node, the modules whose weights it reads, and `<in>` or `<out>`."""
    read: dict[str, set[str]] = {}
    for node in found.nodes:
        weights = str(node.attributes.get("weights", "")).replace("_orig_mod.", "").split()
        read[node.name] = {one.rpartition(".")[0] for one in weights}
        if node.op in ("Input", "Output"):
            read[node.name].add("<in>" if node.op == "Input" else "<out>")
    return read


def of_jit(found: Graph) -> dict[str, set[str]]:
    read: dict[str, set[str]] = {node.name: set() for node in found.nodes}
    weights = {
        node.name: ".".join(re.findall(r"\[([^\]]*)\]", node.name))
        for node in found.nodes
        if node.op == "prim::GetAttr"
    }
    for node in found.nodes:
        if node.op == "IO Node":
            read[node.name].add("<in>" if node.name.startswith("input/") else "<out>")
        if node.op not in ("prim::ListConstruct", "prim::GetAttr"):
            for one in node.inputs:
                read[node.name] |= {weights[one]} if one in weights else set()
    lists = {node.name: node.inputs for node in found.nodes if node.op == "prim::ListConstruct"}
    for node in found.nodes:
        for one in node.inputs:
            read[node.name] |= {weights[part] for part in lists.get(one, ()) if part in weights}
    return read


def flows(found: Graph, labels: dict[str, set[str]], tied: dict[str, str]) -> set[tuple[str, str]]:
    """Which module's weights act on what another's read, from inputs to outputs."""
    pairs: set[tuple[str, str]] = set()
    for name, above in behind(found).items():
        for one in above - {name}:
            pairs |= {(tied.get(a, a), tied.get(b, b)) for a in labels[one] for b in labels[name]}
    return pairs


def check_connected(found: Graph) -> None:
    """Names are unique and no scope, edges lead to nodes, outputs come from inputs, and every input is used."""
    names = {node.name for node in found.nodes}
    scopes = {"/".join(one.split("/")[:i]) for one in names for i in range(1, one.count("/") + 1)}
    assert len(names) == len(found.nodes)
    assert not names & scopes
    assert {base(one) for node in found.nodes for one in node.inputs} <= names
    reached = behind(found)
    outputs = [node.name for node in found.nodes if node.op == "Output"]
    assert outputs
    assert [one for one in outputs if not any(above.startswith("inputs/") for above in reached[one])] == []
    inputs = {node.name for node in found.nodes if node.op == "Input"}
    assert inputs == {one for node in found.nodes for one in map(base, node.inputs) if one.startswith("inputs/")}


def joined_weights(model: Any) -> dict[str, str]:
    """By module that shares a weight with another, the one that stands for both."""
    tied: dict[str, str] = {}
    first: dict[int, str] = {}
    for path, weight in getattr(model, "module", model).named_parameters(remove_duplicate=False):
        owner = path.replace("_orig_mod.", "").rpartition(".")[0]
        tied[owner] = tied.get(first.setdefault(id(weight), owner), first[id(weight)])
    return tied


@pytest.mark.parametrize("name", MODELS)
def test_every_kind_has_a_connected_graph(name: str) -> None:
    """Names are unique and no scope, edges lead to nodes, outputs come from inputs, and every weight used is told."""
    model, given = MODELS[name]()
    found = graph(model, given, mode="capture")
    check_connected(found)

    inner = getattr(model, "module", model)
    weights = {name.replace("_orig_mod.", "") for name, _ in inner.named_parameters()}
    told = {
        one.replace("_orig_mod.", "") for node in found.nodes for one in str(node.attributes.get("weights", "")).split()
    }
    if not name.startswith("Scripted"):  # whose weights are counted, not named
        assert told == weights - UNUSED.get(name, set())
    assert (found.notes != ()) == (name in LOOKS_AT_DATA)
    assert all(node.source for node in found.nodes if node.op not in ("Input", "Output", "RecursiveScriptModule"))


@pytest.mark.parametrize("name", MODELS)
def test_what_flows_into_what_equals_torch_export_or_jit(name: str) -> None:
    """Module by module, what depends on what is as in torch.export's graph, or in jit's where that fails."""
    model, given = MODELS[name]()
    tied = joined_weights(model)
    captured = graph(model, given, mode="capture")
    fused = [read for read in of_capture(captured).values() if len(read) > 1]
    for read in fused:  # one operation with the weights of two modules: attention
        tied |= {one: tied.get(min(read), min(read)) for one in read}
    ours = flows(captured, of_capture(captured), tied)
    assert ("<in>", "<out>") in ours
    if name not in NOT_EXPORTED:
        other = graph(model, given, mode="export")
        theirs = flows(other, of_capture(other), tied)
        assert ours == theirs - {(min(read), min(read)) for read in fused}
    elif name not in NOT_TRACED:
        other = graph(model, given, mode="jit")
        assert ours == flows(other, of_jit(other), tied)


@pytest.mark.parametrize("name", NOT_EXPORTED)
def test_what_is_not_compared_with_torch_export_cannot_be(name: str) -> None:
    """The models that the comparison leaves out are those that torch.export refuses."""
    model, given = MODELS[name]()
    with pytest.raises(Exception):  # noqa: B017  # each is refused in another way
        graph(model, given, mode="export")


def test_views_and_parts_that_are_written() -> None:
    """Writing by index or through a view changes what is read from the whole afterwards: the nodes, one by one."""
    found = graph(Written(), MODELS["Written"]()[1])
    assert [(node.name, node.op, node.inputs, node.shapes) for node in found.nodes] == [
        ("inputs/x", "Input", (), ((2, 4),)),
        ("zeros", "zeros", (), ((2, 4),)),
        ("left/linear", "linear", ("inputs/x",), ((2, 2),)),
        ("setitem", "setitem", ("zeros", "left/linear"), ((2, 4),)),
        ("getitem", "getitem", ("setitem",), ((2, 2),)),
        ("right/linear", "linear", ("inputs/x",), ((2, 2),)),
        ("add", "add", ("getitem", "right/linear", "setitem"), ((2, 2),)),
        ("out/linear", "linear", ("add",), ((2, 1),)),
        ("outputs/output", "Output", ("out/linear",), ((2, 1),)),
    ]
    left = found.nodes[2]
    assert (left.module, left.attributes["weights"]) == (
        "left: Linear(in_features=4, out_features=2, bias=True)", "left.weight left.bias",
    )  # fmt: skip
    assert (left.parameters, left.flops, left.dtypes, left.device) == (10, 2 * 2 * 4 * 2, ("float32",), "/device:CPU:0")
    assert re.search(r"torch_models\.py:\d+$", left.source)


def test_what_is_counted_and_timed_is_in_the_file() -> None:
    """The numbers of a node are its attributes in the GraphDef, and its time is in the record of the step."""
    from tallyboard.core.proto import graph_pb2 as pb

    model = Convolutional()
    sink = tb.MemorySink()
    with tb.SummaryWriter(sink=sink) as writer:
        writer.add_graph(model, MODELS["Convolutional"]()[1])
    drawn, stats = (event.summary.value.data for event in sink.events)
    nodes = {node.name: node for node in pb.GraphDef.FromString(drawn).node}
    stem = nodes["stem/conv2d"]
    assert (stem.attr["flops"].i, stem.attr["parameters"].i) == (2 * 2 * 4 * 6 * 6 * 3 * 3 * 3, 4 * 3 * 3 * 3 + 4)
    assert stem.attr["dtype"].s == b"float32"
    assert sum(node.attr["parameters"].i for node in nodes.values()) == sum(one.numel() for one in model.parameters())
    assert [dim.size for dim in stem.attr["_output_shapes"].list.shape[0].dim] == [2, 4, 6, 6]
    timed = {
        one.node_name: one.all_end_rel_micros
        for one in pb.RunMetadata.FromString(stats).step_stats.dev_stats[0].node_stats
    }
    assert set(timed) == {name for name in nodes if not name.startswith(("inputs/", "outputs/"))}
    assert min(timed.values()) >= 1


@pytest.mark.parametrize("mode", ["auto", "fake", "export", "onnx"])
def test_the_model_is_as_it_was(mode: str) -> None:
    """No mode, weight, buffer, gradient, hook or random number is another afterwards."""
    if mode == "onnx":
        pytest.importorskip("onnx")

    class Counting(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer, self.drop = torch.nn.Linear(2, 2), torch.nn.Dropout()
            self.register_buffer("calls", torch.zeros(()))

        def forward(self, x: Any) -> Any:
            self.calls.add_(1)
            return self.drop(self.layer(x)) + torch.rand(2)

    model = Counting()
    model.layer.eval()
    x = torch.ones(1, 2)
    state, hooks = torch.get_rng_state(), len(torch.nn.modules.module._global_forward_pre_hooks)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    assert len(graph(model, x, mode=mode).nodes) > 2

    assert [module.training for module in model.modules()] == [True, False, True]
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert torch.equal(torch.get_rng_state(), state)
    assert all(parameter.grad is None for parameter in model.parameters())
    assert len(torch.nn.modules.module._global_forward_pre_hooks) == hooks
    assert not any(module._forward_pre_hooks or module._forward_hooks for module in model.modules())


def test_no_inputs_gives_the_modules_alone() -> None:
    """Without the inputs that it needs, a model's modules are the graph; a warning says so and names them."""
    model = MODELS["Recurrent"]()[0]
    sink = tb.MemorySink()
    with (
        tb.SummaryWriter(sink=sink) as writer,
        pytest.warns(tb.TallyboardWarning, match=r"Recurrent .*needs inputs \(ids\)"),
    ):
        writer.add_graph(model)
    found = graph(model, mode="tree")
    assert [(node.name, node.op, node.parameters) for node in found.nodes] == [
        ("words", "Embedding", 80),
        ("cells", "LSTM", sum(one.numel() for one in model.cells.parameters())),
        ("head", "Linear", 39),
    ]
    assert [event.summary.tag for event in sink.events] == ["__run_graph__", "step1"]


def test_a_model_that_needs_too_much_memory_is_drawn_without_any() -> None:
    """What cannot be computed here is drawn by shapes alone."""

    class Vast(torch.nn.Module):
        def forward(self, x: Any) -> Any:
            return x.new_empty(1 << 24, 1 << 24).sum() + x

    found = graph(Vast(), torch.ones(2))
    assert [(node.name, node.shapes, node.nanoseconds) for node in found.nodes[:2]] == [
        ("inputs/x", ((2,),), 0), ("new_empty", ((1 << 24, 1 << 24),), 0),
    ]  # fmt: skip
    with torch.device("meta"):
        model = torch.nn.Sequential(torch.nn.Linear(1 << 20, 1 << 20), torch.nn.ReLU())
    found = graph(model, torch.ones(1, 1 << 20))
    assert [node.name for node in found.nodes] == ["inputs/input", "0/linear", "1/relu", "outputs/output"]
    assert found.nodes[1].device == "/device:META:0"


def test_a_failing_model_warns_with_module_and_line() -> None:
    """The text names module, line and error; the modules are drawn; only a mode that is asked for by name raises."""

    class Inner(torch.nn.Module):
        def forward(self, x: Any) -> Any:
            return x @ torch.ones(3, 3)

    model = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Sequential(Inner()))
    with pytest.warns(
        tb.TallyboardWarning, match=r"RuntimeError in 1/0 \(.*test_torch_graph\.py:\d+\): mat1"
    ) as caught:
        found = graph(model, torch.ones(1, 2))
    assert len(caught) == 1
    assert [node.name for node in found.nodes] == ["0", "1/0"]
    with pytest.raises(Exception, match="mat1"):
        graph(model, torch.ones(1, 2), mode="capture")


def test_wrong_modes_and_missing_inputs() -> None:
    """An unknown mode, and one that needs inputs without any, are errors that say what there is."""
    with tb.SummaryWriter(sink=tb.MemorySink()) as writer:
        with pytest.raises(tb.InvalidSummary, match="auto, capture, fake, export, jit, onnx, tree, got 'dot'"):
            writer.add_graph(torch.nn.Linear(1, 1), torch.ones(1), mode="dot")
        for mode in ("capture", "fake", "export", "jit", "onnx"):
            with pytest.raises(tb.InvalidSummary, match="input_to_model"):
                writer.add_graph(torch.nn.Linear(1, 1), mode=mode)


def test_onnx_as_a_source() -> None:
    """What torch exports to ONNX is drawn with ONNX's operations and weights."""
    pytest.importorskip("onnx")
    found = graph(MODELS["Perceptron"]()[0], MODELS["Perceptron"]()[1], mode="onnx")
    by_op: dict[str, list[Node]] = {}
    for node in found.nodes:
        by_op.setdefault(node.op, []).append(node)
    assert len(by_op["Gemm"]) == 2
    assert by_op["Gemm"][0].shapes == ((3, 8),)


def test_export_has_sizes_operations_and_sources() -> None:
    """An exported graph tells ATen's operations in their modules, with shapes, weights and lines."""
    found = graph(*MODELS["Skips"](), mode="export")
    deep = next(node for node in found.nodes if node.name.startswith("deep/"))
    assert (deep.op, deep.shapes, deep.attributes["weights"]) == (
        "aten.conv2d.default", ((1, 4, 4, 4),), "deep.weight deep.bias",
    )  # fmt: skip
    assert re.search(r"torch_models\.py:\d+$", deep.source)


def test_scripted_parts_leave_no_hook_of_the_process() -> None:
    """Scripted parts are seen by hooks of the process, none of which is left; called by keywords they are joined."""
    every = torch.nn.modules.module
    before = len(every._global_forward_hooks), len(every._global_forward_hooks_with_kwargs)
    found = graph(*MODELS["ScriptedByKeywords"](), mode="capture")

    assert (len(every._global_forward_hooks), len(every._global_forward_hooks_with_kwargs)) == before
    assert {"first/linear", "inputs/scale"} <= behind(found)["last/linear"]


def test_frozen_scripted_parts() -> None:
    """A frozen scripted part, which has neither a mode nor weights of its own, is drawn like any other."""
    model, given = MODELS["ScriptedPart"]()
    model.scripted = torch.jit.freeze(model.eval().scripted)
    check_connected(graph(model, given))


def test_parts_that_python_does_not_see() -> None:
    """A module whose operations nobody sees is one node, joined with what it was given by place and by keyword."""

    class Hidden(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = torch.nn.Parameter(torch.ones(4))

        def forward(self, x: Any, *, scale: Any) -> Any:
            with torch._C.DisableTorchFunction():
                return x * self.weight * scale

    class Outer(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.hidden = torch.nn.Linear(4, 4), Hidden()

        def forward(self, x: Any, scale: Any) -> Any:
            return self.hidden(self.first(x), scale=scale) + 1

    found = graph(Outer(), (torch.ones(2, 4), torch.tensor(2.0)), mode="capture")
    check_connected(found)
    (part,) = (node for node in found.nodes if node.op == "Hidden")
    assert (set(part.inputs), part.parameters) == ({"first/linear", "inputs/scale"}, 4)


def test_long_values_are_not_searched_to_their_end() -> None:
    """Of a value of more than ten thousand parts the first are looked into, and the rest costs nothing."""
    from tallyboard.integrations.torch.leaves import leaves

    tensor = torch.ones(1)
    endless: dict[str, Any] = {"first": tensor, "numbers": list(range(1_000_000)), "last": tensor}
    assert [path for path, _ in leaves(endless)] == ["first"]
    assert len(list(leaves([[tensor] * 100] * 50))) == 5000


def test_other_threads_and_other_models_are_not_drawn() -> None:
    """What runs in another thread, or in a module of another model, during the call, is not in the graph's scopes."""
    import threading

    other = torch.nn.Linear(2, 2)

    class Busy(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = torch.nn.Linear(2, 2)

        def forward(self, x: Any) -> Any:
            thread = threading.Thread(target=lambda: (self.layer(x), other(x)))
            thread.start()
            thread.join()
            return self.layer(x)

    found = graph(Busy(), torch.ones(1, 2))
    assert [node.name for node in found.nodes] == ["inputs/x", "layer/linear", "outputs/output"]


def test_verbose_prints_nodes(capsys: pytest.CaptureFixture[str]) -> None:
    """`verbose` prints each node with what it reads."""
    graph(*MODELS["Tied"](), verbose=True)
    assert "layer_call1/linear = linear(layer/linear)\n" in capsys.readouterr().out
