"""The page is told every graph of every run, column by column, and what is wrong with one."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import tallyboard as tb
from tallyboard.core.graph import Graph, Node
from tallyboard.core.proto import graph_pb2
from tallyboard.core.summary import DataClass, Event, Summary
from tallyboard.core.values import Message

from .boards import Board, viewer_on

GRAPH = Graph(
    (
        Node("inputs/x", "Input", (), ((-1, 4),), device="/device:CPU:0", dtypes=("float32",)),
        Node(
            *("body/0/linear", "linear", ("inputs/x", "gone"), ((-1, 2),), {"bias": True, "eps": 0.5}),
            *("/device:CPU:0", ("float32",), "body.0: Linear(4, 2)", "model.py:12", 10, 80, 5_000),
        ),
        Node("outputs/y", "Output", ("body/0/linear", "^inputs/x"), (None,)),
    ),
    ("The path taken by one batch.",),
)


def traced() -> bytes:
    """The bytes of a summary as `tf.summary.trace_export` writes it: a graph, and what was measured of it."""
    from tallyboard.core.proto import event_pb2

    record = graph_pb2.RunMetadata()
    record.function_graphs.add().pre_optimization_graph.node.add(name="MatMul", op="MatMul")
    record.step_stats.dev_stats.add(device="/gpu:0").node_stats.add(node_name="MatMul", all_end_rel_micros=7)
    summary = event_pb2.Summary()
    keras = Path(__file__).parents[1] / "core" / "keras_models" / "functional.json"
    for plugin, tag, data in (
        ("graph_run_metadata", "profiled", record.SerializeToString()),
        ("graph_run_metadata_graph", "traced", record.SerializeToString()),
        ("graph_keras_model", "keras", keras.read_bytes()),
        ("graph_keras_model", "no json", b"{"),
    ):
        value = summary.value.add(tag=tag)
        value.metadata.plugin_data.plugin_name, value.metadata.plugin_data.content = plugin, b"1"
        value.tensor.dtype = event_pb2.DT_STRING
        value.tensor.string_val.append(data)
    return summary.SerializeToString()


def write(logdir: Path) -> None:
    with tb.SummaryWriter(logdir / "a") as writer:
        writer.add_graph(Graph((Node("old", "Old"),)), step=1)
        writer.add_graph(GRAPH, step=2)
        for tag in ("gradients/norm/body.0", "weights/norm/body.0", "activations/dead/body.1", "gradients/norm"):
            writer.add_scalar(tag, 1.0, 0)
    with tb.SummaryWriter(logdir / "traced") as writer:
        writer.write(Event(3, 5.0, Summary("t", "graph_run_metadata", DataClass.BLOBS, Message("summary", traced()))))
    with tb.SummaryWriter(logdir / "broken") as writer:
        writer.write(Event(0, 5.0, Summary("t", "graphs", DataClass.BLOBS, Message("graph_def", b"\xff" * 9))))
    with tb.SummaryWriter(logdir / "none") as writer:
        writer.add_scalar("loss", 1.0, 0)


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Board]:
    logdir = tmp_path_factory.mktemp("graphs")
    write(logdir)
    with viewer_on(logdir) as started:
        yield started


def test_every_graph_is_listed(board: Board) -> None:
    """The list has runs' own graphs and traced ones, with their nodes, the latest step, and records."""
    listed = {(one["run"], one["tag"]): one for one in board.get("/api/graphs")["graphs"]}
    assert sorted(listed) == [
        *(("a", ""), ("broken", ""), ("traced", "keras"), ("traced", "no json"), ("traced", "profiled")),
        ("traced", "traced"),
    ]
    one = listed["traced", "keras"]
    assert (one["kind"], one["nodes"], one["records"]) == ("conceptual", 6, [])
    one = listed["a", ""]
    assert (one["kind"], one["nodes"], one["step"], one["records"]) == ("run", 3, 2, ["step1"])
    assert {**listed["traced", "profiled"], "wall_time": 0} == {
        "run": "traced",
        "tag": "profiled",
        "kind": "function",
        "nodes": 1,
        "step": 3,
        "wall_time": 0,
        "records": ["profiled"],
        "versions": [],
    }
    assert listed["traced", "traced"]["records"] == []


def test_a_graph_is_columns(board: Board) -> None:
    """The latest graph of a run, with its edges by number, the record's times, and series of its modules."""
    answer = board.get("/api/graph?run=a")
    assert answer == {
        "run": "a",
        "tag": "",
        "kind": "run",
        "record": "step1",
        "title": "a",
        "notes": ["The path taken by one batch."],
        "name": ["inputs/x", "body/0/linear", "outputs/y"],
        "op": ["Input", "linear", "Output"],
        "from": [0, 1, 0],
        "slot": [0, 0, 0],
        "to": [1, 2, 2],
        "port": [0, 0, 1],
        "control": [0, 0, 1],
        "dangling": [[1, "gone"]],
        "devices": ["/device:CPU:0"],
        "device": [0, 0, -1],
        "shapes": [["float32[?,4]"], ["float32[?,2]"], []],
        "parameters": [0, 10, 0],
        "flops": [0, 80, 0],
        "nanoseconds": [0, 5000, 0],
        "bytes": None,
        "modules": ["body.0: Linear(4, 2)"],
        "module": [-1, 0, -1],
        "sources": ["model.py:12"],
        "source": [-1, 0, -1],
        "health": {
            "gradients": {"body.0": "gradients/norm/body.0"},
            "weights": {"body.0": "weights/norm/body.0"},
            "updates": {},
            "activations": {},
            "dead": {"body.1": "activations/dead/body.1"},
        },
    }
    assert board.get("/api/graph?run=a&record=")["nanoseconds"] is None


def test_several_graphs_of_a_run_are_kept(board: Board) -> None:
    """The list has each that was logged, oldest first; by its number each is told with what was measured of it."""
    (one,) = [one for one in board.get("/api/graphs")["graphs"] if one["run"] == "a"]
    assert [(version["number"], version["step"]) for version in one["versions"]] == [(0, 1), (1, 2)]
    assert one["versions"][1]["wall_time"] == one["wall_time"]
    old = board.get("/api/graph?run=a&number=0")
    assert (old["name"], old["nanoseconds"], old["record"]) == (["old"], None, "step1")
    latest, second = board.get("/api/graph?run=a"), board.get("/api/graph?run=a&number=1")
    assert second == latest
    assert board.get("/api/graph/node?run=a&number=0&name=old")["op"] == "Old"
    for number in ("2", "-1", "x", "9" * 99):
        answer = board.ask(f"/api/graph?run=a&number={number}")
        assert (answer.status, answer.json()["error"][:24]) == (404, "run 'a' has no graph num")


def test_a_node_is_told_in_full(board: Board) -> None:
    """One node has its attributes as text, its inputs by name, control apart, and its outputs."""
    told = board.get("/api/graph/node?run=a&name=body/0/linear")
    assert told["attributes"] == [["bias", "true"], ["eps", "0.5"]]
    assert (told["inputs"], told["control"]) == (["inputs/x", "gone"], [])
    assert told["outputs"] == [{"shape": [-1, 2], "dtype": "float32"}]
    assert (told["module"], told["nanoseconds"]) == ("body.0: Linear(4, 2)", 5000)
    assert board.get("/api/graph/node?run=a&name=outputs/y")["control"] == ["inputs/x"]


def test_a_traced_function_has_its_own_record(board: Board) -> None:
    """What `tf.summary.trace_export` measured is joined to the graph beside it."""
    told = board.get("/api/graph?run=traced&tag=profiled&kind=function")
    assert (told["name"], told["nanoseconds"], told["devices"]) == (["MatMul"], [7000], ["/gpu:0"])
    assert told["title"] == "traced · profiled"
    assert board.get("/api/graph?run=traced&tag=traced&kind=function")["nanoseconds"] is None


@pytest.mark.parametrize(
    ("asked", "status", "sentence"),
    [
        ("run=none", 404, "run 'none' has no graph of kind 'run'."),
        ("run=a&kind=x", 404, "there is no kind of graph 'x'; there are run, conceptual, function."),
        ("run=a&tag=t&kind=function", 404, "run 'a' has no graph of kind 'function' under tag 't'."),
        ("run=a&record=r", 404, "there is no record 'r' of run 'a'."),
        (
            *("run=traced&tag=no json&kind=conceptual".replace(" ", "%20"), 422),
            "the graph of run 'traced', tag 'no json' cannot be read",
        ),
        ("run=broken", 422, "the graph of run 'broken' cannot be decoded"),
    ],
)
def test_what_is_not_there_or_damaged_is_said(board: Board, asked: str, status: int, sentence: str) -> None:
    """The answer names run and tag and what is wrong; so for a node of it."""
    for path in ("/api/graph", "/api/graph/node"):
        answer = board.ask(f"{path}?{asked}")
        assert (answer.status, answer.json()["error"][: len(sentence)]) == (status, sentence)


def test_a_keras_model_is_its_layers(board: Board) -> None:
    """The conceptual graph of a Keras model has its layers by name."""
    told = board.get("/api/graph?run=traced&tag=keras&kind=conceptual")
    assert told["name"] == ["a", "b", "d", "e", "c", "o"]
    assert told["op"][4] == "Concatenate"
    assert list(zip(told["from"], told["to"], strict=True)) == [(0, 2), (1, 3), (2, 4), (3, 4), (4, 5)]


def read(board: Board, name: str, data: bytes, **headers: str) -> tuple[int, Any]:
    """What is answered to a file; as the page sends it unless told otherwise."""
    given = {"Content-Type": "application/octet-stream", "Origin": board.url, **headers}
    url = f"{board.url}/api/graph/read?name={name}"
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data, given), timeout=60) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, json.loads(refused.read())


def test_a_file_is_looked_at(board: Board) -> None:
    """The graph in a file is told as one of a run is; what is no graph is a 422 that names the file."""
    message = graph_pb2.GraphDef(node=[{"name": "a", "op": "A"}, {"name": "b", "op": "B", "input": ["a"]}])
    status, told = read(board, "graph.pb", message.SerializeToString())
    assert (status, told["kind"], told["title"], told["name"], told["from"]) == (
        200,
        "file",
        "graph.pb",
        ["a", "b"],
        [0],
    )
    assert told.keys() == board.get("/api/graph?run=a").keys()
    status, told = read(board, "x.pb", b"<html>")
    assert (status, told["error"][:31]) == (422, "the file 'x.pb' cannot be decod")


def test_a_file_comes_from_the_page(board: Board) -> None:
    """Another site cannot have a file read, nor may a form send one."""
    assert read(board, "a.pb", b"", Origin="http://elsewhere.example")[0] == 403
    assert read(board, "a.pb", b"", **{"Content-Type": "text/plain"})[0] == 415


def test_an_answer_is_sent_once(board: Board) -> None:
    """A browser that has the graph is answered 304."""
    url = f"{board.url}/api/graph?run=a"
    with urllib.request.urlopen(url) as answer:
        etag, whole = answer.headers["ETag"], json.loads(answer.read())
    assert len(whole["name"]) == 3
    asked = urllib.request.Request(url, headers={"If-None-Match": etag})
    with pytest.raises(urllib.error.HTTPError) as raised:
        urllib.request.urlopen(asked)
    with raised.value as again:
        assert again.code == 304


def test_no_node_of_that_name(board: Board) -> None:
    """A node that is not there is a 404 that names it."""
    answer: Any = board.ask("/api/graph/node?run=a&name=nope")
    assert (answer.status, answer.json()) == (404, {"error": "the graph has no node 'nope'."})
