"""`tf_summary` beside `tf.summary`, outside of functions: the same calls, read back by TensorBoard's own code."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tallyboard as tb
from tallyboard.integrations import tf_summary as summary

tf = pytest.importorskip("tensorflow")

Read = Callable[[Path], list[Any]]
Calls = Callable[[Any], object]


@pytest.fixture
def same(tmp_path: Path, written: Read) -> Callable[[Calls], list[Any]]:
    """Makes the same calls of both, compares what was written, and returns it."""

    def compare(calls: Calls) -> list[Any]:
        theirs, ours = (run(api, calls, tmp_path / name) for api, name in ((tf.summary, "tf"), (summary, "ours")))
        assert same_points(written(ours), written(theirs))
        return written(ours)

    return compare


def run(api: Any, calls: Calls, folder: Path) -> Path:
    writer = api.create_file_writer(str(folder))
    with writer.as_default():
        calls(api)
    writer.close()
    return folder


def same_points(ours: list[Any], theirs: list[Any]) -> bool:
    """Compared one by one, so that a difference shows; NaN equals NaN."""
    assert [point[:2] for point in ours] == [point[:2] for point in theirs]
    for mine, other in zip(ours, theirs, strict=True):
        assert mine[2:5] == other[2:5], mine[0]
        np.testing.assert_equal(mine[5], other[5], err_msg=mine[0])
    return True


RNG = np.random.default_rng(0)
SCALARS = {
    "python": 0.1,
    "whole": 7,
    "bool": True,
    "nan": float("nan"),
    "inf": -np.inf,
    "float64": np.float64(1e300),
    "int64": np.int64(2**40),
    "array": np.array(1.5, np.float16),
    "tensor": tf.constant(2.5, tf.float64),
    "half": tf.constant(0.1, tf.bfloat16),
    "tensor of int": tf.constant(3),
}


@pytest.mark.parametrize("data", SCALARS.values(), ids=SCALARS)
def test_scalars(same: Any, data: Any) -> None:
    """A number of any kind becomes the tensor that TensorFlow writes; steps may be of any kind of integer."""

    def calls(api: Any) -> None:
        api.scalar("plain", data, 3)
        api.scalar("described", data, step=np.int64(2**40), description="*what* it is")
        api.scalar("stepped", data, step=tf.constant(5, tf.int64))
        api.scalar("stepped", data, step=tf.Variable(6, dtype=tf.int64))

    assert len(same(calls)) == 4


HISTOGRAMS = {
    "normal": RNG.normal(size=(100, 30)).astype(np.float32),
    "float64": RNG.normal(size=5000) * 1e-3,
    "many": RNG.exponential(size=200_000).astype(np.float32),
    "whole": RNG.integers(-5, 5, 1000),
    "bytes": RNG.integers(0, 255, 1000).astype(np.uint8),
    "bool": RNG.random(100) > 0.3,
    "half": RNG.normal(size=1000).astype(np.float16),
    "equal": np.full(17, 0.3, np.float32),
    "one": np.array(2.0),
    "none": np.zeros(0, np.float32),
    "two": [1.0, 2.0],
    "far": np.array([-1e38, 0, 1e38], np.float32),
    "tensor": tf.random.stateless_normal((50, 7), seed=(1, 2)),
}


@pytest.mark.parametrize("buckets", [None, 1, 7, 0, -3], ids=lambda n: f"buckets={n}")
@pytest.mark.parametrize("data", HISTOGRAMS.values(), ids=HISTOGRAMS)
def test_histograms(same: Any, data: Any, buckets: int | None) -> None:
    """Edges and counts are TensorFlow's to the last bit, with any number of buckets and for any values."""
    (point,) = same(lambda api: api.histogram("h", data, step=1, buckets=buckets, description="d"))
    assert point[4] == (30 if buckets is None else max(0, buckets), 3)


def test_histogram_of_nan(tmp_path: Path, written: Read) -> None:
    """NaN and infinity are in no bucket and change no edge; the description says how many there were."""
    data = np.array([1, np.nan, 2, np.inf, 3, -np.inf, -np.inf], np.float32)
    folder = run(summary, lambda api: api.histogram("h", data, step=0, description="mine"), tmp_path)
    ((_, _, metadata, _, _, rows),) = written(folder)
    assert (rows[0][0], rows[-1][1], sum(row[2] for row in rows)) == (1, 3, 3)
    assert metadata.summary_description == "mine\n\nIn no bucket: 1 NaN, 1 +Inf, 2 -Inf, of 7 values."


IMAGES = {
    "float": RNG.random((2, 5, 7, 3), np.float32) * 1.4 - 0.2,
    "float64": RNG.random((1, 4, 4, 1)),
    "half": RNG.random((1, 4, 4, 3)).astype(np.float16),
    "uint8": RNG.integers(0, 256, (5, 3, 2, 4)).astype(np.uint8),
    "int8": RNG.integers(-128, 128, (1, 16, 16, 1)).astype(np.int8),
    "uint16": RNG.integers(0, 2**16, (1, 8, 8, 3)).astype(np.uint16),
    "int16": RNG.integers(-(2**15), 2**15, (1, 8, 8, 3)).astype(np.int16),
    "int32": RNG.integers(-(2**31), 2**31, (1, 8, 8, 2)).astype(np.int32),
    "int64": RNG.integers(0, 2**62, (1, 8, 8, 3)),
    "list": [RNG.random((3, 3, 3)).astype(np.float32), tf.ones((3, 3, 3))],
    "tensor": tf.random.stateless_uniform((4, 6, 5, 3), seed=(3, 4)),
    "no pictures": np.zeros((0, 5, 6, 3), np.float32),
}


@pytest.mark.parametrize("data", IMAGES.values(), ids=IMAGES)
def test_images(tmp_path: Path, written: Read, data: Any) -> None:
    """The first pictures of a batch have TensorFlow's sizes, metadata and, decoded, every pixel."""

    def calls(api: Any) -> None:
        api.image("pictures", data, step=2, description="d")
        api.image("fewer", data, step=2, max_outputs=1)
        api.image("counted", data, step=2, max_outputs=tf.constant(2))
        api.image("none", data, step=2, max_outputs=0)

    theirs, ours = (written(run(api, calls, tmp_path / name)) for api, name in ((tf.summary, "tf"), (summary, "ours")))
    assert [point[:5] for point in ours] == [point[:5] for point in theirs]
    for mine, other in zip(ours, theirs, strict=True):
        assert mine[5][:2] == other[5][:2]
        for png, expected in zip(mine[5][2:], other[5][2:], strict=True):
            assert np.array_equal(tf.image.decode_png(png), tf.image.decode_png(expected))


SOUNDS = {
    "mono": RNG.normal(size=(2, 100, 1)).astype(np.float32),
    "stereo": RNG.normal(size=(5, 33, 2)).astype(np.float32) / 3,
    "steps": (np.arange(-40000, 40000, 7)[None, :, None] / np.float32(65536)).astype(np.float32),
    "loud": np.array([[[1.0], [-1.0], [2.0], [-2.0], [0.49999997], [np.inf]]], np.float32),
    "no clips": np.zeros((0, 10, 1), np.float32),
    "no frames": np.zeros((1, 0, 1), np.float32),
    "tensor": tf.random.stateless_uniform((4, 60, 1), seed=(3, 4), minval=-1),
}


@pytest.mark.parametrize("data", SOUNDS.values(), ids=SOUNDS)
def test_sounds(same: Any, data: Any) -> None:
    """WAV files, labels and metadata are TensorFlow's, byte for byte."""

    def calls(api: Any) -> None:
        api.audio("sounds", data, 8000, step=2, description="d")
        api.audio("first", data, tf.constant(44100), step=3, max_outputs=1, encoding="wav")

    assert len(same(calls)) == 2


TEXTS = {
    "text": "# title\nwörds",
    "bytes": b"\xff\x00end\x00",
    "empty": "",
    "list": ["a", "bb"],
    "table": [["a", "b"], ["c", "d"], ["é", ""]],
    "array": np.array(["x", "yy"]),
    "objects": np.array([["x"], [b"yy"]], dtype=object),
    "none": np.zeros((0, 2), dtype=object),
    "tensor": tf.constant([["t"], ["u"]]),
    "scalar tensor": tf.constant("t"),
    "tensors": [tf.constant("t"), tf.constant("u")],
    "cube": [[["a", "b"]], [["c", "d"]]],
}


@pytest.mark.parametrize("data", TEXTS.values(), ids=TEXTS)
def test_texts(same: Any, data: Any) -> None:
    """Strings of any kind and shape are written under their own tag."""
    same(lambda api: api.text("t", data if np.size(data) else tf.zeros((0, 2), tf.string), step=1, description="d"))


TENSORS = {
    **{
        name: tf.cast(tf.constant([[0, 1], [1, 3]]), name)
        for name in (
            "bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float16", "float32",
            "float64", "bfloat16", "complex64", "complex128",
        )
    },
    "scalar": tf.constant(1.5),
    "empty": tf.zeros((3, 0)),
    "strings": tf.constant([b"\x00\xff", b""]),
    "string": "text",
    "array": np.arange(6).reshape(2, 3),
    "list": [1.0, 2.0],
    "number": 3,
    "variable": tf.Variable([1.0, 2.0]),
}  # fmt: skip


@pytest.mark.parametrize("data", TENSORS.values(), ids=TENSORS)
def test_write(same: Any, data: Any) -> None:
    """Any tensor keeps type and shape, with metadata of any class, as bytes, or none."""
    metadata = tf.compat.v1.SummaryMetadata(display_name="shown", summary_description="said")
    metadata.plugin_data.plugin_name = "mine"
    metadata.plugin_data.content = b"\x01\x02"

    def calls(api: Any) -> None:
        api.write("t", data, step=1, metadata=metadata)
        api.write("t", data, 2, metadata.SerializeToString())
        api.write("bare", data, step=3, name="operation")
        api.write(tf.constant("tag"), lambda: data, step=4)

    assert len(same(calls)) == 4


def test_write_takes_tensorboards_metadata(tmp_path: Path, written: Read) -> None:
    """Messages of TensorBoard's own classes are taken."""
    from tensorboard.plugins.scalar import metadata as scalars

    metadata = scalars.create_summary_metadata("name", "description")
    folder = run(summary, lambda api: api.write("a", np.float32(1), step=1, metadata=metadata), tmp_path)
    ((tag, _, found, *_),) = written(folder)
    assert (tag, found.SerializeToString()) == ("a", metadata.SerializeToString())


def test_raw_messages(same: Any) -> None:
    """`write_raw_pb` writes the messages it is given, one or several."""
    messages = [
        tf.compat.v1.Summary(value=[tf.compat.v1.Summary.Value(tag=tag, simple_value=0.5)]).SerializeToString()
        for tag in "ab"
    ]

    def calls(api: Any) -> None:
        api.experimental.write_raw_pb(messages[0], step=1)
        api.experimental.write_raw_pb(tf.constant(messages[1]), step=2, name="operation")

    assert len(same(calls)) == 2


def test_raw_messages_of_ours(tmp_path: Path, written: Read) -> None:
    """`write_raw_pb` takes a message as well as its bytes, and refuses what is none."""
    message = summary.hparams.hparams_pb({"lr": 0.5}, start_time_secs=1)

    def calls(api: Any) -> None:
        api.experimental.write_raw_pb(message, step=4)
        with pytest.raises(tb.InvalidSummary, match="no Summary message"):
            api.experimental.write_raw_pb(b"\xff\xff", step=4)

    assert [point[:2] for point in written(run(summary, calls, tmp_path))] == [("_hparams_/session_start_info", 4)]


def test_graphs(tmp_path: Path, written: Read) -> None:
    """Graphs of functions, TensorFlow's older graphs and messages are written as TensorFlow writes them."""

    @tf.function
    def double(x: Any) -> Any:
        return x * 2

    older = tf.Graph()
    with older.as_default():
        tf.constant(30.0, name="c")
    graphs = [double.get_concrete_function(tf.constant(1.0)).graph, older, older.as_graph_def()]

    def calls(api: Any) -> None:
        for graph in graphs:
            assert api.graph(graph)

    theirs, ours = (written(run(api, calls, tmp_path / name)) for api, name in ((tf.summary, "tf"), (summary, "ours")))
    assert len(ours) == 3
    for (_, step, data), (_, expected_step, expected) in zip(ours, theirs, strict=True):
        graph = tf.compat.v1.GraphDef.FromString(data)
        assert (step, graph) == (expected_step, tf.compat.v1.GraphDef.FromString(expected))


# What holds while writing -------------------------------------------------------------------------------------------


def test_default_steps(same: Any, tmp_path: Path) -> None:
    """Default steps are numbers, variables or tensors; `as_default(step)` and `set_step` set and give them back."""

    def calls(api: Any) -> None:
        api.experimental.set_step(None)
        variable = tf.Variable(10, dtype=tf.int64)
        api.experimental.set_step(variable)
        api.scalar("variable", 1.0)
        variable.assign_add(5)
        api.scalar("variable", 1.0)
        other = api.create_file_writer(tf.constant(str(tmp_path / "unused")))
        with other.as_default(step=99):
            assert api.experimental.get_step() == 99
        assert api.experimental.get_step() is variable
        api.experimental.set_step(tf.constant(7, tf.int64))
        api.histogram("h", [1.0])
        api.scalar("explicit", 1.0, step=1)
        api.experimental.set_step(None)
        assert api.experimental.get_step() is None

    assert [point[1] for point in same(calls)] == [10, 15, 7, 1]


def test_step_by_function(tmp_path: Path, written: Read) -> None:
    """A default step may be a function, called whenever something is written."""
    steps = iter(range(3, 9))

    def calls(api: Any) -> None:
        with api.create_file_writer(tmp_path / "other").as_default(step=lambda: next(steps)):
            api.scalar("a", 1.0)
            api.scalar("a", 1.0)

    run(summary, calls, tmp_path / "ours")
    summary.flush()
    assert written(tmp_path / "ours") == []
    deadline = threading.Event()
    for _ in range(1200):
        if len(written(tmp_path / "other")) == 2:
            break
        deadline.wait(0.05)
    assert [point[1] for point in written(tmp_path / "other")] == [3, 4]


def test_no_step(tmp_path: Path, written: Read) -> None:
    """Without a step every function raises TensorFlow's ValueError, whose text has a cure; nothing is written."""
    for api, name in ((tf.summary, "tf"), (summary, "ours")):
        before = api.experimental.get_step()
        api.experimental.set_step(None)
        writer = api.create_file_writer(str(tmp_path / name))
        with writer.as_default():
            with pytest.raises(ValueError, match="No step set"):
                api.scalar("a", 1.0)
            with pytest.raises(ValueError, match="No step set"):
                api.write("a", 1.0)
            with pytest.raises(ValueError, match="No step set"):
                api.experimental.write_raw_pb(b"")
        api.experimental.set_step(before)
        writer.close()
        assert written(tmp_path / name) == []


def test_no_writer() -> None:
    """Without a default writer nothing is written and nothing raises, even where the step is missing."""
    png = np.zeros((1, 2, 2, 1))
    assert summary.should_record_summaries() is False
    for done in (
        summary.scalar("a", 1.0),
        summary.histogram("a", [1.0]),
        summary.image("a", png),
        summary.audio("a", png[0], 8000),
        summary.text("a", "b"),
        summary.write("a", 1.0),
        summary.graph(tf.Graph()),
        summary.experimental.write_raw_pb(b""),
        summary.hparams.hparams({"a": 1}),
    ):
        assert done is False
    assert summary.flush() is None


def test_conditions(same: Any) -> None:
    """`record_if` takes bools, tensors, variables and functions, nests, and is evaluated at each write."""

    def calls(api: Any) -> None:
        step = tf.Variable(0, dtype=tf.int64)
        with api.record_if(lambda: tf.equal(step % 2, 0)):
            for _ in range(4):
                assert bool(api.should_record_summaries()) == (int(step) % 2 == 0)
                assert bool(api.scalar("even", 1.0, step=step)) == (int(step) % 2 == 0)
                step.assign_add(1)
            with api.record_if(False):
                api.scalar("never", 1.0, step=0)
                api.scalar("never without a step", 1.0)
                api.write("never called", lambda: 1 / 0, step=0)
            api.scalar("even again", 1.0, step=step)
        for name, condition in {"tensor": tf.constant(True), "not": tf.constant(False), "true": True}.items():
            with api.record_if(condition):
                api.text(name, "x", step=1)

    assert [point[:2] for point in same(calls)] == [
        ("even", 0),
        ("even", 2),
        ("even again", 4),
        ("tensor", 1),
        ("true", 1),
    ]


def test_scopes(same: Any) -> None:
    """Name scopes come before names, TensorFlow's and those of `summary_scope`; a name left out has a default."""

    def calls(api: Any) -> None:
        with tf.name_scope("outer"):
            api.scalar("a", 1.0, step=0)
            with tf.name_scope("inner"):
                api.histogram("b", [1.0], step=0)
            with api.experimental.summary_scope("my own: kind", "default") as (tag, scope):
                assert (tag, scope) == ("outer/my own: kind", "outer/myownkind/")
                api.write(tag, 1.0, step=0)
                api.text("nested", "x", step=0)
            with api.experimental.summary_scope("", values=[1]) as (tag, scope):
                assert (tag, scope) == ("outer/summary", "outer/summary/")
        api.scalar("weird name: ü/é", 1.0, step=0)
        for call, data in ((api.scalar, 1.0), (api.histogram, [1.0]), (api.text, "x")):
            call("", data, step=0)

    found = [point[0] for point in same(calls)]
    assert found[:2] == ["outer/a", "outer/inner/b"]
    assert found[-3:] == ["scalar_summary", "histogram_summary", "text_summary"]


def test_own_scopes_with_tensorflow(tmp_path: Path, written: Read) -> None:
    """`name_scope` of ours is TensorFlow's where that is loaded."""

    def calls(api: Any) -> None:
        with api.name_scope("a"), tf.name_scope("b"), api.name_scope("c"):
            api.scalar("x", 1.0, step=0)

    assert [point[0] for point in written(run(summary, calls, tmp_path))] == ["a/b/c/x"]


def test_threads_have_their_own_defaults(tmp_path: Path) -> None:
    """Writer, step and condition belong to the thread that set them."""
    seen: list[Any] = []

    def look() -> None:
        seen.extend((summary.experimental.get_step(), summary.scalar("a", 1.0, step=1)))

    with summary.create_file_writer(tmp_path).as_default(step=5), summary.record_if(True):
        thread = threading.Thread(target=look)
        thread.start()
        thread.join()
    assert seen == [None, False]
