"""Graphs in the page: what a node is and what leads to it, whoever wrote it; compared, searched, saved, brought."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

import tallyboard as tb
from tallyboard.core.proto import event_pb2, graph_pb2, onnx_pb2
from tallyboard.core.proto.graph_pb2 import GraphDef
from tallyboard.core.summary import DataClass, Event, Summary
from tallyboard.core.values import Message

from .readable import check, check_both
from .waiting import becomes

HOSTILE = {
    "markup": "<img src=x onerror=window.hit=1>",
    "right to left": "\u202egnihton\u2067\u200f",
    "long": "x" * 10_000,
    "above": "../../etc",
    "newline": "one\ntwo\t\x00three",
}
OP = "</title><script>window.hit=1</script>"
KERAS = Path(__file__).parents[1] / "core" / "keras_models" / "functional.json"


def hostile() -> GraphDef:
    """A graph with names that are no names, a loop, an input that is nowhere, and a node that waits."""
    names = [f"a/{name}" for name in HOSTILE.values()]
    graph = GraphDef()
    graph.node.add(name="__proto__/constructor", op=OP, input=["a/end"])
    for name in names:
        graph.node.add(name=name, op="Op", input=["__proto__/constructor"])
    graph.node.add(name="a/end", op="End", input=[*names, "nowhere:3"])
    graph.node.add(name="last", op="NoOp", input=["^a/end"])
    return graph


def keras() -> bytes:
    """A summary as the Keras callback writes one for a model."""
    summary = event_pb2.Summary()
    value = summary.value.add(tag="keras")
    value.metadata.plugin_data.plugin_name, value.metadata.plugin_data.content = "graph_keras_model", b"1"
    value.tensor.dtype = event_pb2.DT_STRING
    value.tensor.string_val.append(KERAS.read_bytes())
    return summary.SerializeToString()


def onnx() -> bytes:
    """A model of two operations."""
    made = onnx_pb2.ModelProto(ir_version=8)
    made.graph.input.add(name="x")
    made.graph.node.add(op_type="Gelu", name="/body/act/Gelu", input=["x"], output=["y"])
    made.graph.node.add(op_type="Softmax", name="/head/Softmax", input=["y"], output=["z"])
    made.graph.output.add(name="z")
    return made.SerializeToString()


def model(classes: int, deeper: bool = False) -> Any:
    """Two blocks that are built alike, and a head: 16 * 16 + 16 weights in each layer of a block."""
    nn = pytest.importorskip("torch").nn

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.up, self.down = nn.Linear(16, 16), nn.Linear(16, 16)

        def forward(self, x: Any) -> Any:
            return x + self.down(self.up(x).relu())

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.blocks = nn.Sequential(*(Block() for _ in range(3 if deeper else 2)))
            self.head = nn.Linear(16, classes)

        def forward(self, x: Any) -> Any:
            return self.head(self.blocks(x))

    return Net()


@pytest.fixture(scope="module")
def logdir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("graphs")


@pytest.fixture(scope="module")
def runs(logdir: Path, serve_module: Callable[..., Any]) -> Any:
    torch = pytest.importorskip("torch")
    other = pytest.importorskip("torch.utils.tensorboard").SummaryWriter
    tf = pytest.importorskip("tensorflow")
    jax = pytest.importorskip("jax")
    numbers = jax.numpy.ones((3, 4))

    @jax.jit
    def layer(weights: Any, x: Any) -> Any:
        with jax.named_scope("dense"):
            return jax.nn.relu(x @ weights["kernel"])

    with tb.SummaryWriter(logdir / "jax") as writer:
        writer.add_graph(layer, ({"kernel": numbers}, jax.ShapeDtypeStruct((5, 3), "float32")))
    with tb.SummaryWriter(logdir / "ours") as writer:
        writer.add_graph(model(4), torch.ones(2, 16))
        for path, value in (("blocks.0.up", 1.5), ("blocks.1.up", 6.0), ("head", 3.0)):
            writer.add_scalar(f"gradients/norm/{path}", 2 * value, 0)
            writer.add_scalar(f"gradients/norm/{path}", value, 50)
    with tb.SummaryWriter(logdir / "later") as writer:
        writer.add_graph(model(4), torch.ones(2, 16), step=0)
        writer.add_graph(model(7, deeper=True), torch.ones(2, 16), step=900)
    with other(str(logdir / "torch")) as writer:
        writer.add_graph(model(4), torch.ones(2, 16))
    weights = tf.Variable(tf.ones((3, 5)), name="weights")

    @tf.function
    def score(x: Any) -> Any:
        return tf.nn.relu(tf.matmul(x, weights), name="positive")

    with tf.summary.create_file_writer(str(logdir / "tf")).as_default():
        tf.summary.trace_on(graph=True)
        score(tf.ones((2, 3)))
        tf.summary.trace_export("traced", step=0)
        tf.summary.graph(score.get_concrete_function(tf.TensorSpec((2, 3))).graph)
    for run, tag, plugin, message in (
        ("hostile", "g", "graphs", Message("graph_def", hostile().SerializeToString())),
        ("keras", "keras", "graph_keras_model", Message("summary", keras())),
    ):
        with tb.SummaryWriter(logdir / run) as writer:
            writer.write(Event(0, 9.0, Summary(tag, plugin, DataClass.BLOBS, message)))
    with tb.SummaryWriter(logdir / "plain") as writer:
        writer.add_scalar("loss", 1.0, 0)
    grow(logdir, 0, 2.0)
    return serve_module(logdir)


def grow(logdir: Path, step: int, value: float) -> None:
    """Another step of a training whose graph was logged at its first."""
    torch = pytest.importorskip("torch")
    with tb.SummaryWriter(logdir / "live") as writer:
        if step == 0:
            writer.add_graph(model(4), torch.ones(2, 16))
        for path in ("blocks.0.down", "blocks.1.down"):
            writer.add_scalar(f"gradients/norm/{path}", value, step)
            writer.add_scalar(f"activations/std/{path}", value / 10, step)


def state(run: str, tag: str = "", kind: str = "run", **more: str) -> str:
    """The address of a graph."""
    which = json.dumps({"run": run, "tag": tag, "kind": kind, "record": ""}, separators=(",", ":"))
    return "&".join(["dash=graphs", f"gfgraph={which}", *(f"{key}={value}" for key, value in more.items())])


def fact(page: Page, name: str) -> str:
    """What the panel tells of the chosen node, or of the graph, under a title."""
    return page.locator("aside dl > div", has=page.get_by_text(name, exact=True)).locator("dd").first.inner_text()


def drawn(page: Page, key: str) -> str:
    """What the picture says of itself."""
    found: str = page.locator("canvas[data-drawn]").get_attribute(f"data-{key}") or ""
    return found


def links(page: Page, title: str) -> list[str]:
    return page.get_by_role("list", name=title, exact=True).get_by_role("button").all_inner_texts()


def test_a_node_says_what_it_is(runs: Any, open_page: Callable[..., Page]) -> None:
    """Found by its name, a layer tells its weights, shape, module and inputs; its block, the sum of its layers."""
    page = open_page(runs, state("ours"))
    page.get_by_label("Find in the graph").fill("1/UP")
    expect(page.get_by_role("list", name="Found").get_by_role("button")).to_have_count(1)
    page.keyboard.press("Enter")
    expect(page.get_by_role("navigation", name="Where the chosen node is")).to_have_text(
        re.compile(r"blocks\s*/\s*1\s*/\s*up")
    )
    page.get_by_role("radio", name="Node").check(force=True)
    becomes(lambda: fact(page, "Parameters"), "272")
    assert fact(page, "FLOPs") == "1,024"
    assert fact(page, "Output") == "float32[2,16]"
    assert fact(page, "Module").startswith("blocks.1.up: Linear(")
    assert fact(page, "weights") == "blocks.1.up.weight blocks.1.up.bias"
    assert links(page, "Inputs") == ["blocks/0/add"]
    assert links(page, "Outputs") == ["blocks/1/relu"]
    page.get_by_role("button", name="blocks/0/add").click()
    becomes(lambda: links(page, "Outputs"), ["blocks/1/up/linear", "blocks/1/add"])
    page.get_by_role("navigation").get_by_role("button", name="0", exact=True).click()
    becomes(lambda: fact(page, "Parameters"), "544")
    assert fact(page, "Nodes") == "4"
    becomes(lambda: links(page, "Built alike"), ["blocks/1"])


def test_paths_stand_out(runs: Any, open_page: Callable[..., Page]) -> None:
    """All that a node depends on, all that depends on it, both, and what lies between two: counted by hand."""
    page = open_page(runs, state("ours", gfnode="blocks/1/add"))
    page.locator("canvas[data-drawn]").wait_for()
    page.keyboard.press("i")  # x, four nodes of each block
    becomes(lambda: drawn(page, "lit"), "9")
    expect(page.get_by_role("status").filter(has_text="stand out")).to_have_text("9 of 11 nodes stand out")
    page.keyboard.press("u")  # and the head and the output
    becomes(lambda: drawn(page, "lit"), "11")
    page.keyboard.press("i")
    becomes(lambda: drawn(page, "lit"), "3")
    between = open_page(runs, state("ours", gfnode="blocks/0/relu", gfto="blocks/1/relu"))
    # relu, down, add, up, relu
    becomes(lambda: drawn(between, "lit"), "5")


def test_what_is_opened_stays_in_its_place(runs: Any, open_page: Callable[..., Page]) -> None:
    """A double click opens a namespace whose middle and top do not move, and the address keeps that it is open."""
    page = open_page(runs, state("ours", gfnode="blocks/1/", gfopen="blocks"))
    becomes(lambda: drawn(page, "boxes"), "6")
    becomes(lambda: len(drawn(page, "chosen").split()), 4)
    x, y, width, _ = map(float, drawn(page, "chosen").split())
    box = page.locator("canvas[data-drawn]").bounding_box()
    assert box is not None
    page.mouse.dblclick(box["x"] + x + width / 2, box["y"] + y + 30)
    becomes(lambda: drawn(page, "boxes"), "10")
    left, top, wide, _ = map(float, drawn(page, "chosen").split())
    assert (left + wide / 2, top) == (pytest.approx(x + width / 2, abs=1), pytest.approx(y, abs=1))
    expect(page).to_have_url(re.compile(r"gfopen=blocks%281%29"))
    page.get_by_role("button", name="Close all").click()
    page.keyboard.press("Escape")


@pytest.mark.parametrize(
    ("run", "tag", "kind", "node", "facts"),
    [
        ("torch", "", "run", "Linear[head]/71|Net/Linear[head]", {}),
        ("tf", "", "run", "MatMul", {"Operation": "MatMul", "Output": "float32[2,5]"}),
        ("tf", "traced", "function", "positive", {"Operation": "Relu"}),
        ("jax", "", "run", "dense/dot_general", {"Operation": "dot_general", "Output": "float32[5,4]", "FLOPs": "120"}),
    ],
)
def test_others_graphs_are_read(
    runs: Any, open_page: Callable[..., Page], run: str, tag: str, kind: str, node: str, facts: dict[str, str]
) -> None:
    """Graphs of torch's own writer, tf.summary.graph, a trace and a function of JAX are shown with what they say
    of their nodes."""
    page = open_page(runs, state(run, tag, kind))
    page.locator("canvas[data-drawn]").wait_for()
    if run == "torch":
        page.get_by_label("Find in the graph").fill("aten::linear")
        expect(page.get_by_role("list", name="Found").get_by_role("button")).to_have_count(5)
        return
    page.get_by_label("Find in the graph").fill(node)
    page.get_by_role("list", name="Found").get_by_role("button").filter(has_text=facts["Operation"]).last.click()
    page.get_by_role("radio", name="Node").check(force=True)
    for title, text in facts.items():
        becomes(lambda title=title: fact(page, title), text)


def test_two_graphs_are_compared(runs: Any, open_page: Callable[..., Page]) -> None:
    """A block that only one graph has is marked, and so is the head, which says in what it differs."""
    other = json.dumps({"run": "ours", "tag": "", "kind": "run", "record": ""})
    page = open_page(runs, state("later", gfwith=other, gfcolour="difference", gftab="changes", gfopen="blocks(2)"))
    changed = page.get_by_role("list", name="Changed nodes").get_by_role("button")
    expect(changed).to_have_count(6)
    expect(page.get_by_role("group", name="Colours")).to_contain_text(
        re.compile(r"only here\s*4.*other\s*0.*changed\s*2")
    )
    changed.filter(has_text="head").click()
    page.get_by_role("radio", name="Node").check(force=True)
    told = page.get_by_role("list", name="Changes").get_by_role("listitem")
    changes = {
        "shapes: float32[2,7], was float32[2,4]",
        "inputs: blocks/2/add, was blocks/1/add",
        "parameters: 119, was 68",
    }
    becomes(lambda: changes & set(told.all_inner_texts()), changes)


def test_graphs_of_a_run_are_chosen_among(runs: Any, open_page: Callable[..., Page]) -> None:
    """Of several graphs the latest is shown; the former ones are offered by their steps, and to be compared with."""
    page = open_page(runs, state("later"))
    becomes(lambda: fact(page, "Nodes"), "15")
    page.get_by_role("combobox", name="Graph", exact=True).select_option(label="later · step 0")
    becomes(lambda: fact(page, "Nodes"), "11")
    expect(page).to_have_url(re.compile("number%22%3A0"))
    page.reload()
    becomes(lambda: fact(page, "Nodes"), "11")
    page.get_by_label("Compare with").select_option(label="later · step 900")
    expect(page.get_by_role("group", name="Colours")).to_contain_text(
        re.compile(r"only here\s*0.*other\s*4.*changed\s*2")
    )


def test_gradients_colour_the_graph(runs: Any, open_page: Callable[..., Page]) -> None:
    """Each module has its newest norm, or that of a step; a namespace the greatest within it."""
    page = open_page(runs, state("ours", gfcolour="gradients", gfnode="blocks/0/up/linear"))
    becomes(lambda: fact(page, "Gradient norm"), "1.5")
    legend = page.get_by_role("group", name="Colours")
    expect(legend).to_contain_text(re.compile(r"0.*6"))
    page.get_by_role("group", name="Step of the values").get_by_role("button", name="Previous step").click()
    becomes(lambda: fact(page, "Gradient norm"), "3")
    expect(legend).to_contain_text("at step 0")
    page.get_by_role("navigation").get_by_role("button", name="blocks").click()
    becomes(lambda: fact(page, "Gradient norm"), "12")


def test_colours_follow_a_training(runs: Any, logdir: Path, open_page: Callable[..., Page]) -> None:
    """While a run is logged its graph takes the colours of its newest values, without a click."""
    page = open_page(runs, state("live", gfcolour="gradients", gfnode="blocks/1/down"))
    becomes(lambda: fact(page, "Gradient norm"), "2")
    for step, value in ((50, "7"), (100, "9")):
        grow(logdir, step, float(value))
        becomes(lambda value=value: fact(page, "Gradient norm"), value)
        expect(page.get_by_role("group", name="Colours")).to_contain_text(value)
    page.get_by_label("Colour by").select_option(label="Activation health")
    becomes(lambda: fact(page, "Activation health"), "0.9")


def test_names_are_text(runs: Any, open_page: Callable[..., Page]) -> None:
    """Names of any kind are shown and not run, found and chosen; a loop is laid out; an input from nowhere is told."""
    page = open_page(runs, state("hostile", gfopen="a"))
    becomes(lambda: drawn(page, "boxes"), str(3 + 1 + len(HOSTILE)))
    expect(page.get_by_role("list", name="Notes")).to_contain_text("1 input names no node")
    for said in ("img", "gnihton", "xxxx", "etc", "three"):
        page.get_by_label("Find in the graph").fill(said)
        expect(page.get_by_role("list", name="Found").get_by_role("button")).to_have_count(1)
        page.keyboard.press("Enter")
        page.get_by_role("radio", name="Node").check(force=True)
        becomes(lambda: links(page, "Inputs"), ["__proto__/constructor"])
        becomes(lambda: fact(page, "Operation"), "Op")
    page.get_by_role("button", name="__proto__/constructor").click()
    becomes(lambda: fact(page, "Operation"), OP)
    page.get_by_role("button", name="a/end").first.click()
    expect(page.get_by_role("list", name="Inputs that name no node")).to_have_text("nowhere:3")
    page.get_by_role("button", name="Download the graph").click()
    with page.expect_download() as found:
        page.get_by_role("menuitem", name="SVG").click()
    svg = found.value.path().read_text(encoding="utf-8")
    assert "<img" not in svg
    assert "<script" not in svg
    assert page.evaluate("() => window.hit") is None


DROP = """(where, [name, bytes]) => {
    const dataTransfer = new DataTransfer();
    dataTransfer.items.add(new File([Uint8Array.from(atob(bytes), (one) => one.charCodeAt(0))], name));
    for (const kind of ["dragenter", "dragover", "drop"])
        where.dispatchEvent(new DragEvent(kind, { dataTransfer, bubbles: true, cancelable: true }));
}"""


def test_files_are_dropped(runs: Any, open_page: Callable[..., Page]) -> None:
    """A GraphDef as bytes and as text, ONNX and a Keras model are shown when dropped, even where no graph is."""
    graph = graph_pb2.GraphDef(
        node=[{"name": "a/one", "op": "Odd"}, {"name": "a/two", "op": "Even", "input": ["a/one"]}]
    )
    text = b'node { name: "b/one" op: "Text" } node { name: "b/two" op: "Last" input: "b/one" }'
    page = open_page(runs, "dash=graphs&runs=plain")
    expect(page.get_by_text("No graphs in the ticked runs")).to_be_visible()
    for name, data, nodes, op in (
        ("some.pb", graph.SerializeToString(), "2", "Even"),
        ("some.pbtxt", text, "2", "Last"),
        ("some.onnx", onnx(), "4", "Softmax"),
        ("some.json", KERAS.read_bytes(), "6", "Concatenate"),
    ):
        page.get_by_role("main").locator(".graphs").evaluate(DROP, [name, base64.b64encode(data).decode()])
        becomes(lambda: fact(page, "Nodes"), nodes)
        page.get_by_label("Find in the graph").fill(op)
        expect(page.get_by_role("list", name="Found").get_by_role("button")).to_have_count(1)
        page.get_by_label("Find in the graph").fill("")
        expect(page.get_by_role("combobox", name="Graph", exact=True)).to_have_value("file")
    page.get_by_label("Filter runs").fill("keras")
    page.get_by_role("combobox", name="Graph", exact=True).select_option(label="keras · keras · Keras model")
    becomes(lambda: fact(page, "Nodes"), "6")
    expect(page).to_have_url(re.compile("conceptual"))


def test_the_graph_is_taken_away(runs: Any, open_page: Callable[..., Page]) -> None:
    """The SVG has the names, weights and shapes that are open on the page, and the PNG is twice its size."""
    page = open_page(runs, state("ours", gfopen="blocks"))
    becomes(lambda: drawn(page, "boxes"), "6")
    sizes = []
    for kind in ("SVG", "PNG"):
        page.get_by_role("button", name="Download the graph").click()
        with page.expect_download() as found:
            page.get_by_role("menuitem", name=kind).click()
        data = found.value.path().read_bytes()
        if kind == "SVG":
            texts = re.findall(r"<text[^>]*>([^<]*)</text>", data.decode())
            size = re.search(rb'width="([\d.]+)" height="([\d.]+)"', data)
            assert size is not None
            sizes.append([float(side) for side in size.groups()])
            assert {"blocks", "0", "1", "head", "linear", "2×16", "2×4"} <= set(texts)
            assert any(text.startswith("4 nodes") for text in texts)
        else:
            assert data[:8] == b"\x89PNG\r\n\x1a\n"
            sizes.append([int.from_bytes(data[at : at + 4], "big") for at in (16, 20)])
    assert sizes[1] == [pytest.approx(2 * side, abs=2) for side in sizes[0]]


def test_files_are_shown(runs: Any, open_page: Callable[..., Page], tmp_path: Path) -> None:
    """A GraphDef from a file stands in place of the run's; one that is none is refused by name, and the rest stays."""
    graph = GraphDef()
    graph.node.add(name="from/file", op="Weird")
    graph.node.add(name="from/end", op="Odd", input=["from/file"])
    (tmp_path / "some.pb").write_bytes(graph.SerializeToString())
    (tmp_path / "other.onnx").write_bytes(b"\xff\xff no model")
    page = open_page(runs, state("ours"))
    page.locator("canvas[data-drawn]").wait_for()
    page.locator("input[type=file]").set_input_files(tmp_path / "other.onnx")
    expect(page.get_by_role("alert").filter(has_text="other.onnx")).to_be_visible()
    assert fact(page, "Nodes") == "11"
    page.locator("input[type=file]").set_input_files(tmp_path / "some.pb")
    becomes(lambda: fact(page, "Nodes"), "2")
    page.get_by_label("Find in the graph").fill("odd")
    page.keyboard.press("Enter")
    page.get_by_role("radio", name="Node").check(force=True)
    assert links(page, "Inputs") == ["from/file"]


def test_the_outline_is_walked_by_keys(runs: Any, open_page: Callable[..., Page]) -> None:
    """Arrow keys go through the outline and open namespaces, in the picture as well; Enter chooses."""
    page = open_page(runs, state("ours", gftab="outline", gfopen=""))
    rows = page.get_by_role("list", name="Outline of the graph").get_by_role("button", include_hidden=False)
    expect(rows).to_have_count(4)
    rows.first.focus()
    page.keyboard.press("ArrowDown")
    expect(page.locator(":focus")).to_have_text(re.compile("blocks"))
    page.keyboard.press("ArrowRight")
    becomes(lambda: drawn(page, "boxes"), "6")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    expect(page.get_by_role("navigation", name="Where the chosen node is")).to_have_text(re.compile(r"blocks\s*/\s*0"))


def test_notes_cover_no_node(runs: Any, open_page: Callable[..., Page]) -> None:
    """On a narrow screen a graph is shown below its notes, not under them."""
    page = open_page(runs, state("jax"), width=390, height=844)
    notes = page.get_by_role("list", name="Notes")
    expect(notes).to_contain_text("XLA counts")
    becomes(lambda: len(drawn(page, "camera").split()), 3)
    below = "(one) => one.getBoundingClientRect().bottom - one.closest('section').getBoundingClientRect().top"
    _, y, zoom = map(float, drawn(page, "camera").split())
    assert 8 < notes.evaluate(below) < -y * zoom
    assert notes.bounding_box()["width"] > 300  # type: ignore[index]


@pytest.mark.parametrize("width", [1280, 390])
def test_graphs_are_for_everybody(runs: Any, open_page: Callable[..., Page], axe: str, width: int) -> None:
    """axe finds no serious fault in either theme, and each text has its contrast: node, matches, outline, settings."""
    page = open_page(runs, state("ours", gfnode="blocks/0/up/linear", gftrace="up", gfcolour="parameters"), width=width)
    becomes(lambda: drawn(page, "lit"), "2")
    check_both(page, axe, "a node")
    page.get_by_label("Find in the graph").fill("up")
    check(page, axe, "matches")
    page.get_by_role("radio", name="Outline").check(force=True)
    check(page, axe, "outline")
    page.get_by_role("button", name="Graph settings").click()
    check(page, axe, "settings")
