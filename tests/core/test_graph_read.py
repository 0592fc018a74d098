"""A graph's message is read as the neutral graph, whoever wrote it, and hostile bytes are a named error."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import tallyboard as tb
from tallyboard.core.errors import CorruptRecord
from tallyboard.core.graph import Graph, Node, graph_summaries
from tallyboard.core.graph_edges import edges_of
from tallyboard.core.graph_files import function_graph
from tallyboard.core.graph_functions import MOST_ADDED
from tallyboard.core.graph_measured import measured_in, run_metadata_message, with_measures
from tallyboard.core.graph_read import MOST_NODES, count_nodes, graph_from, graph_from_bytes
from tallyboard.core.proto import event_pb2, graph_pb2
from tallyboard.core.summary import DataClass, Event, Summary
from tallyboard.core.values import Message

OURS = Graph(
    (
        Node("inputs/x", "Input", (), ((-1, 4),), device="/device:CPU:0", dtypes=("float32",)),
        Node(
            *("body/0/linear", "linear", ("inputs/x",), ((-1, 2), ())),
            {"bias": True, "eps": 0.5, "n": 3, "weights": "w b"},
            *("/device:CUDA:0", ("float32", "int64"), "body.0: Linear(4, 2)", "model.py:12", 10, 80, 5_000),
        ),
        Node("outputs/y", "Output", ("body/0/linear:1", "^inputs/x"), ((),)),
    ),
    ("The path taken by one batch.",),
)


def messages(graph: Graph) -> list[bytes]:
    found = [summary.value for summary in graph_summaries(graph)]
    return [value.data for value in found if isinstance(value, Message)]


def test_what_is_written_is_read() -> None:
    """Every field of every node of a graph that we write comes back, times by the record beside it."""
    data, record = messages(OURS)
    read = with_measures(graph_from_bytes(data, "the graph"), measured_in(run_metadata_message(record, "the record")))
    assert read.notes == OURS.notes
    for mine, theirs in zip(OURS.nodes, read.nodes, strict=True):
        for name in ("name", "op", "inputs", "shapes", "device", "dtypes", "module", "source", "parameters", "flops"):
            assert getattr(theirs, name) == getattr(mine, name), (mine.name, name)
        assert dict(theirs.attributes) == dict(mine.attributes)
        assert theirs.nanoseconds == mine.nanoseconds
    assert count_nodes(data) == 3


def test_edges_by_number() -> None:
    """An edge has the places of its nodes, the slot it leaves by and the port it enters; a control edge is marked."""
    edges = edges_of(Graph((*OURS.nodes, Node("z", "Z", ("body/0/linear", "gone:2", "^no", "x:y")))))
    assert (edges.source, edges.slot) == ([0, 1, 0, 1], [0, 1, 0, 0])
    assert (edges.target, edges.port) == ([1, 2, 2, 3], [0, 0, 1, 0])
    assert edges.control == [False, False, True, False]
    assert edges.dangling == [(3, "gone:2"), (3, "^no"), (3, "x:y")]


def graph_def(*nodes: tuple[str, str, list[str]]) -> graph_pb2.GraphDef:
    return graph_pb2.GraphDef(node=[graph_pb2.NodeDef(name=name, op=op, input=inputs) for name, op, inputs in nodes])


def test_no_name_is_a_scope_or_there_twice() -> None:
    """A node named as a scope becomes `a/(a)`, the second of a name is numbered, and inputs follow."""
    read = graph_from(
        graph_def(
            ("a", "A", []), ("a/b", "B", ["a", "a:1", "^a"]), ("a/b/c", "C", ["a/b"]), ("a", "D", []), ("", "E", ["a"])
        )
    )
    assert [(node.name, node.inputs) for node in read.nodes] == [
        ("a/(a)", ()),
        ("a/b/(b)", ("a/(a)", "a/(a):1", "^a/(a)")),
        ("a/b/c", ("a/b/(b)",)),
        ("a_1", ()),
        ("(no name)", ("a/(a)",)),
    ]
    assert read.notes == ("1 nodes have a name that another one has too; they are numbered here.",)


def function(name: str, inputs: list[str], outputs: dict[str, str], *nodes: tuple[str, str, list[str]]) -> Any:
    made = graph_pb2.FunctionDef(node_def=graph_def(*nodes).node, ret=outputs)
    made.signature.name = name
    for one in inputs:
        made.signature.input_arg.add(name=one, type=event_pb2.DT_FLOAT)
    for one in outputs:
        made.signature.output_arg.add(name=one, type=event_pb2.DT_FLOAT)
    return made


def calling(op: str, attr: dict[str, str], inputs: list[str], name: str = "call") -> graph_pb2.NodeDef:
    node = graph_pb2.NodeDef(name=name, op=op, input=inputs)
    for key, called in attr.items():
        node.attr[key].func.name = called
    return node


def test_a_call_is_the_scope_of_what_its_function_does() -> None:
    """Arguments read what the call was given, and those who read the call read the function's outputs."""
    message = graph_def(("x", "Placeholder", []))
    message.node.append(calling("PartitionedCall", {"f": "double"}, ["x", "^x"]))
    message.node.add(name="y", op="Use", input=["call", "call:1"])
    message.library.function.append(
        function("double", ["a"], {"out": "add:z:0", "same": "a"}, ("add", "Add", ["a", "a"]))
    )
    message.library.function.append(function("idle", [], {}))
    read = graph_from(message)
    assert [(node.name, node.op, node.inputs) for node in read.nodes] == [
        ("x", "Placeholder", ()),
        ("call/a", "Arg", ("x", "^x")),
        ("call/add", "Add", ("call/a", "call/a")),
        ("call/outputs/out", "Retval", ("call/add",)),
        ("call/outputs/same", "Retval", ("call/a",)),
        ("y", "Use", ("call/outputs/out", "call/outputs/same")),
    ]
    assert read.nodes[1].dtypes == ("float32",)
    assert read.notes == ("1 function that nothing calls are not drawn: idle.",)


def test_loops_and_branches_are_scopes_beside_their_operation() -> None:
    """`While` and `If` stand in the scope of their functions, which read what they are given; so do their readers."""
    message = graph_def(("x", "Placeholder", []), ("y", "Use", ["loop:0", "choice:1"]))
    message.node.append(calling("While", {"cond": "c", "body": "b"}, ["x"], "loop"))
    message.node.append(calling("If", {"then_branch": "b", "else_branch": "b"}, ["x", "loop"], "choice"))
    message.library.function.append(function("b", ["i"], {"o": "n:y:0"}, ("n", "Neg", ["i"])))
    message.library.function.append(function("c", ["i"], {"o": "i"}))
    nodes = {node.name: node for node in graph_from(message).nodes}
    assert nodes["loop/body/i"].inputs == nodes["loop/cond/i"].inputs == ("x",)
    assert nodes["loop/While"].inputs == ("x", "loop/body/outputs/o", "loop/cond/outputs/o")
    assert nodes["choice/then_branch/i"].inputs == ("loop/While",)  # the first of a branching's inputs only decides
    assert nodes["y"].inputs == ("loop/While", "choice/If:1")
    assert not edges_of(Graph(tuple(nodes.values()))).dangling


def test_calls_of_themselves_and_too_much_stay_closed() -> None:
    """A function that calls itself, and one that doubles thirty times, are drawn closed, and a note names them."""
    message = graph_pb2.GraphDef(node=[calling("PartitionedCall", {"f": "me"}, [])])
    body = function("me", [], {})
    body.node_def.append(calling("PartitionedCall", {"f": "me"}, [], "again"))
    message.library.function.append(body)
    read = graph_from(message)
    assert [node.name for node in read.nodes] == ["call/again"]
    assert read.notes == ("Calls of these functions are drawn closed, to keep the graph small: me.",)
    message = graph_pb2.GraphDef(node=[calling("PartitionedCall", {"f": "f0"}, [])])
    for depth in range(30):
        body = function(f"f{depth}", [], {})
        for i in range(2):
            body.node_def.append(calling("PartitionedCall", {"f": f"f{depth + 1}"}, [], f"c{i}"))
        message.library.function.append(body)
    read = graph_from(message)
    assert 1_000 < len(read.nodes) <= MOST_ADDED
    assert "drawn closed" in read.notes[0]


def test_traced_functions_stand_side_by_side() -> None:
    """Several graphs of one record are told apart by `graph_1/`, `graph_2/`, as TensorBoard has it."""
    record = graph_pb2.RunMetadata()
    for _ in range(2):
        record.function_graphs.add().pre_optimization_graph.CopyFrom(graph_def(("a", "A", []), ("b", "B", ["a", "^a"])))
    read = function_graph(record.SerializeToString(), "the record")
    assert [(node.name, node.inputs) for node in read.nodes] == [
        ("graph_1/a", ()),
        ("graph_1/b", ("graph_1/a", "^graph_1/a")),
        ("graph_2/a", ()),
        ("graph_2/b", ("graph_2/a", "^graph_2/a")),
    ]


def test_what_tensorflow_writes_has_types_and_measures() -> None:
    """Types come from TensorFlow's attributes, times and memory from a record, by the name that a node had there."""
    message = graph_def(("v", "VarHandleOp", []), ("v/less", "Less", ["v"]), ("cast", "Cast", []), ("do", "NoOp", []))
    for node, key in zip(message.node, ("dtype", "T", "DstT", "T"), strict=True):
        node.attr[key].type = event_pb2.DT_HALF
    message.node[2].attr["_output_shapes"].list.shape.add(unknown_rank=True)
    record = graph_pb2.RunMetadata()
    for device, start, took, memory in (("/gpu:0", 5, 2, 64), ("/gpu:1", 6, 4, 16)):
        stats = record.step_stats.dev_stats.add(device=device).node_stats.add(node_name="v")
        stats.all_start_micros, stats.all_end_rel_micros = start, took
        stats.memory.add(total_bytes=memory)
    read = with_measures(graph_from(message), measured_in(record))
    assert [node.dtypes for node in read.nodes] == [("resource",), ("bool",), ("float16",), ()]
    assert read.nodes[2].shapes == (None,)
    assert (read.nodes[0].name, read.nodes[0].device) == ("v/(v)", "/gpu:1")
    assert (read.nodes[0].nanoseconds, read.nodes[0].memory) == (5_000, 64)


def test_attributes_as_text() -> None:
    """Attributes are read when they are looked at, as short texts, whatever they hold."""
    node = graph_pb2.NodeDef(name="a", op="A")
    node.attr["shape"].shape.dim.add(size=-1)
    node.attr["types"].list.type.extend([event_pb2.DT_FLOAT, 999])
    node.attr["long"].list.i.extend(range(60))
    node.attr["value"].tensor.CopyFrom(
        event_pb2.TensorProto(dtype=event_pb2.DT_INT32, int_val=[7], tensor_shape={"dim": [{"size": 2}]})
    )
    node.attr["huge"].tensor.CopyFrom(
        event_pb2.TensorProto(dtype=event_pb2.DT_INT32, int_val=[7], tensor_shape={"dim": [{"size": 1 << 60}]})
    )
    node.attr["bytes"].s = b"\xff\x00"
    node.attr["text"].s = b"x" * 5_000
    node.attr["none"].SetInParent()
    read = graph_from(graph_pb2.GraphDef(node=[node])).nodes[0].attributes
    assert (read["shape"], read["types"], read["value"]) == ("[?]", "[float32, type 999]", "int32[2] 7, 7")
    assert read["huge"] == f"int32[{1 << 60}]"
    assert str(read["long"]).endswith("49, and 10 more]")
    assert (read["bytes"], len(str(read["text"])), read["none"]) == ("\\xff\\x00", 1_000, "")
    assert list(read) == sorted(read)


@pytest.mark.parametrize("data", [b"\x0a\x05abc", b"\xff" * 40, b"events"])
def test_other_bytes_are_a_named_error(data: bytes) -> None:
    """Bytes that are no graph raise CorruptRecord, which says what they should have been."""
    with pytest.raises(CorruptRecord, match="the graph of run 'a'"):
        graph_from_bytes(data, "the graph of run 'a'")


def test_too_many_nodes_are_refused() -> None:
    """A graph of more nodes than are read is an error that gives both numbers."""
    message = graph_pb2.GraphDef(node=[graph_pb2.NodeDef()] * (MOST_NODES + 1))
    with pytest.raises(CorruptRecord, match="200,001 nodes; 200,000 are the most"):
        graph_from(message, "the graph")


def test_modules_of_torchs_own_graphs() -> None:
    """The scopes that torch.jit gives name a module's path; what is no such scope names none."""
    wanted = {
        "Net/Sequential[l1]/Block[0]/Conv2d[c1]/weight/weight.3": "l1.0.c1: Conv2d",
        "Net/Linear[head]/547": "head: Linear",
        "Net/12": "",
        "input/x[0]": "",
    }
    read = graph_from(graph_def(*((name, "aten::relu", []) for name in wanted)))
    assert [node.module for node in read.nodes] == list(wanted.values())


def test_weights_of_torchs_own_graphs_miss_nothing() -> None:
    """A weight is read from a module, which is no node; another operation without its input is told."""
    nodes = [("weight", "prim::GetAttr", ["Net/module"]), ("y", "aten::linear", ["weight", "gone"])]
    edges = edges_of(graph_from(graph_def(*nodes)))
    assert (edges.dangling, edges.source, edges.target) == ([(1, "gone")], [0], [1])


def test_a_run_gives_all_its_graphs(tmp_path: Path) -> None:
    """`run.graphs()` has the run's own graph, with times, and each that was logged under a tag."""
    models = Path(__file__).with_name("keras_models")
    record = graph_pb2.RunMetadata()
    record.function_graphs.add().pre_optimization_graph.CopyFrom(graph_def(("a", "A", [])))
    summary = event_pb2.Summary()
    for plugin, tag, data in (
        ("graph_keras_model", "keras", (models / "functional.json").read_bytes()),
        ("graph_run_metadata_graph", "traced", record.SerializeToString()),
    ):
        value = summary.value.add(tag=tag, tensor={"dtype": event_pb2.DT_STRING, "string_val": [data]})
        value.metadata.plugin_data.plugin_name = plugin
    with tb.SummaryWriter(tmp_path) as writer:
        writer.add_graph(Graph((Node("old", "Old"),)))
        writer.add_graph(OURS)
        message = Message("summary", summary.SerializeToString())
        writer.write(Event(0, 1.0, Summary("x", "graph_keras_model", DataClass.BLOBS, message)))
    graphs = tb.read(tmp_path)["."].graphs()
    assert sorted(graphs) == ["", "keras", "traced"]
    assert [node.name for node in graphs[""].nodes] == [node.name for node in OURS.nodes]
    assert graphs[""].nodes[1].nanoseconds == 5_000
    assert [node.op for node in graphs["keras"].nodes][4:] == ["Concatenate", "Dense"]
    assert graphs["traced"].nodes[0].name == "a"
