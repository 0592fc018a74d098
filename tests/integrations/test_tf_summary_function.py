"""`tf_summary` within `tf.function`, beside `tf.summary`: what the graph writes whenever it runs."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tallyboard as tb
from tallyboard.integrations import tf_summary as summary
from tallyboard.integrations.tf_summary.defaults import defaults

tf = pytest.importorskip("tensorflow")

Read = Callable[[Path], list[Any]]
Program = Callable[[Any], object]


@pytest.fixture(autouse=True)
def _no_defaults_left() -> Iterator[None]:
    """No test leaves a default behind, neither ours nor TensorFlow's."""
    before = tf.summary.experimental.get_step()
    yield
    assert (defaults.writer, defaults.step, defaults.condition, defaults.scope) == (None, None, None, "")
    assert tf.summary.experimental.get_step() is before


@pytest.fixture
def same(tmp_path: Path, written: Read) -> Callable[[Program], list[Any]]:
    """Runs a program with both, compares what was written, pictures by their pixels, and returns it."""

    def compare(program: Program) -> list[Any]:
        found: list[list[Any]] = []
        for api, name in ((tf.summary, "tf"), (summary, "ours")):
            writer = api.create_file_writer(str(tmp_path / name))
            with writer.as_default():
                program(api)
            writer.close()
            points = sorted(written(tmp_path / name), key=lambda point: point[0])  # in order for each tag
            found.append([seen(point) for point in points])
        theirs, ours = found
        np.testing.assert_equal(ours, theirs)
        return ours

    return compare


def seen(point: Any) -> Any:
    tag, step, metadata, dtype, shape, values = point
    if metadata.plugin_data.plugin_name == "images":
        values = [*values[:2], *(tf.image.decode_png(png).numpy() for png in values[2:])]
    return tag, step, metadata.SerializeToString(), dtype, shape, values


def test_every_kind(same: Any) -> None:
    """Each function writes the values of each run, as it would outside."""
    pixels = tf.random.stateless_uniform((5, 4, 6, 3), seed=(1, 2))

    def program(api: Any) -> None:
        @tf.function
        def train(x: Any, images: Any, label: Any, step: Any) -> Any:
            api.scalar("loss", tf.reduce_mean(x), step=step, description="d")
            api.scalar("constant", 0.25, step=step)
            api.histogram("weights", x, step=step, buckets=7)
            api.image("images", images, step=step, max_outputs=tf.constant(2))
            api.audio("sound", tf.reshape(x, (1, -1, 1)), 8000, step=step)
            api.text("label", label, step=step)
            api.text("list", ["a", "b"], step=step)
            api.write("raw", tf.cast(x, tf.int32), step=step)
            return x * 2

        for step in range(3):
            step = tf.constant(step, tf.int64)
            x = tf.random.stateless_normal((10, 3), seed=(1, step))
            assert np.array_equal(train(x, pixels, tf.constant(["t", "u"]), step), x * 2)

    tags = ("constant", "images", "label", "list", "loss", "raw", "sound", "weights")
    assert [point[:2] for point in same(program)] == [(tag, step) for tag in tags for step in range(3)]


def test_steps(same: Any) -> None:
    """A variable is read at each run, given or as the default; a number is that of the time of tracing."""

    def program(api: Any) -> None:
        count = tf.Variable(0, dtype=tf.int64)

        @tf.function
        def train() -> None:
            count.assign_add(1)
            api.scalar("given", 1.0, step=count)
            api.scalar("changed", 1.0, step=count + 10)
            api.scalar("default", 1.0)
            api.scalar("number", 1.0, step=7)

        before = api.experimental.get_step()
        api.experimental.set_step(count)
        train()
        train()
        api.experimental.set_step(before)

    steps = [point[:2] for point in same(program)]
    assert [step for tag, step in steps if tag == "given"] == [1, 2]
    assert [step for _, step in steps] == [11, 12, 1, 2, 1, 2, 7, 7]


def test_conditions(same: Any) -> None:
    """A function given to `record_if` belongs to the graph and is asked at each run; a bool is fixed when traced."""

    def program(api: Any) -> None:
        count = tf.Variable(0, dtype=tf.int64)

        def even() -> Any:
            return tf.equal(count % 2, 0)

        @tf.function
        def train() -> Any:
            with api.record_if(even):
                recorded = api.scalar("even", 1.0, step=count)
                api.write("lazily", lambda: tf.cast(count, tf.float32), step=count)
                should = api.should_record_summaries()
            with api.record_if(False):
                api.scalar("never", 1.0, step=count)
            with api.record_if(tf.constant(True)):
                api.scalar("always", 1.0, step=count)
            count.assign_add(1)
            return recorded, should

        for i in range(4):
            recorded, should = train()
            assert bool(recorded) == bool(should) == (i % 2 == 0)

    assert [point[:2] for point in same(program)] == [
        ("always", 0), ("always", 1), ("always", 2), ("always", 3),
        ("even", 0), ("even", 2), ("lazily", 0), ("lazily", 2),
    ]  # fmt: skip


def test_control_flow(same: Any) -> None:
    """Within loops and branches of the graph each run of an operation writes once, in order."""

    def program(api: Any) -> None:
        @tf.function
        def train(n: Any) -> None:
            for i in tf.range(n):
                if i % 3 == 0:
                    api.scalar("third", tf.cast(i, tf.float32), step=i)
                else:
                    api.scalar("other", -tf.cast(i, tf.float32), step=i)
            api.scalar("end", 1.0, step=n)

        train(tf.constant(40, tf.int64))

    steps: dict[str, list[int]] = {}
    for point in same(program):
        steps.setdefault(point[0].rpartition("/")[2], []).append(point[1])
    thirds = list(range(0, 40, 3))
    assert steps == {"third": thirds, "other": [i for i in range(40) if i not in thirds], "end": [40]}


def test_scopes(same: Any) -> None:
    """Name scopes of the graph come before names, and are made unique as TensorFlow makes them."""

    def program(api: Any) -> None:
        @tf.function
        def train() -> None:
            with tf.name_scope("layer"):
                api.scalar("a", 1.0, step=0)
            with tf.name_scope("layer"):
                api.scalar("a", 1.0, step=0)
            api.scalar("loss", 1.0, step=0)
            with tf.name_scope("loss"):
                api.histogram("h: 1", [1.0], step=0)
            with api.experimental.summary_scope("mine") as (tag, _):
                api.write(tag, 1.0, step=0)

        train()

    assert [point[0] for point in same(program)] == ["layer/a", "layer_1/a", "loss", "loss_1/h: 1", "mine"]


def test_writer_of_the_time_of_tracing(tmp_path: Path, written: Read) -> None:
    """A function writes to what was the default writer when it was traced, and to nothing if there was none."""
    for api, name in ((tf.summary, "tf"), (summary, "ours")):
        first, second = (api.create_file_writer(str(tmp_path / f"{name}-{i}")) for i in (1, 2))

        @tf.function
        def train(x: Any, api: Any = api) -> Any:
            api.scalar("a", x, step=0)
            return x

        @tf.function
        def untold(x: Any, api: Any = api) -> Any:
            return api.scalar("a", x)

        assert not untold(tf.constant(1.0))
        with first.as_default():
            train(tf.constant(1.0))
        with second.as_default():
            train(tf.constant(2.0))
            untold(tf.constant(1.0))
        train(tf.constant(3.0))
        first.close()
        second.close()
        assert [point[5] for point in written(tmp_path / f"{name}-1")] == [1.0, 2.0, 3.0]
        assert written(tmp_path / f"{name}-2") == []


def test_writer_within(tmp_path: Path, written: Read) -> None:
    """Writers may be made the default, flushed and closed within a function."""
    writer = summary.create_file_writer(tmp_path)

    @tf.function
    def train(x: Any) -> None:
        writer.init()
        with writer.as_default(step=5):
            summary.scalar("a", x)
        writer.flush()

    train(tf.constant(1.0))
    assert [point[:2] for point in written(tmp_path)] == [("a", 5)]

    @tf.function
    def end() -> None:
        writer.close()

    end()
    with pytest.raises(RuntimeError, match="already closed"):
        writer.as_default()


def test_no_step(tmp_path: Path) -> None:
    """A missing step raises when the function is traced."""

    @tf.function
    def train() -> None:
        summary.scalar("a", 1.0)

    with summary.create_file_writer(tmp_path).as_default(), pytest.raises(ValueError, match="No step set"):
        train()


def test_wrong_ranks_raise_when_traced(tmp_path: Path) -> None:
    """Data whose shape is known to be wrong raise when the function is traced, before anything ran."""
    wrong = {
        "scalar": (lambda x: summary.scalar("a", x, step=0), "one number"),
        "image": (lambda x: summary.image("a", x, step=0), "4 axes"),
        "audio": (lambda x: summary.audio("a", x, 8000, step=0), "3 axes"),
        "step": (lambda x: summary.scalar("a", 1.0, step=x), "step"),
    }
    with summary.create_file_writer(tmp_path).as_default():
        for call, text in wrong.values():
            with pytest.raises(tb.InvalidSummary, match=text):
                tf.function(call)(tf.ones((3, 2)))


def test_failures_while_running_warn(tmp_path: Path, written: Read) -> None:
    """What turns out wrong only when the graph runs warns once, and the training goes on."""
    writer = summary.create_file_writer(tmp_path)

    @tf.function(input_signature=[tf.TensorSpec(None)])
    def train(x: Any) -> Any:
        with writer.as_default():
            summary.scalar("only sometimes a number", x, step=0)
        return x * 2

    with pytest.warns(tb.TallyboardWarning, match="one number"):
        assert np.array_equal(train(tf.ones(3)), [2, 2, 2])
    assert train(tf.ones(())) == 2
    writer.close()
    assert len(written(tmp_path)) == 1
    with pytest.warns(tb.TallyboardWarning, match="already closed"):
        train(tf.ones(()))


def test_numbers_after_close_are_dropped_with_a_warning(tmp_path: Path, written: Read) -> None:
    """A function that goes on after its writer was closed loses its numbers, and says so once."""
    writer = summary.create_file_writer(tmp_path)

    @tf.function
    def train(x: Any) -> None:
        summary.scalar("a", x, step=0)

    with writer.as_default():
        train(tf.constant(1.0))
    writer.close()

    def go_on() -> None:
        train(tf.constant(2.0))  # a thread of the writer's may be sooner than the next line
        writer._numbers.drain()  # type: ignore[attr-defined]

    with pytest.warns(tb.TallyboardWarning, match="1 numbers of a tf.function were dropped, because their writer"):
        go_on()
    assert [point[5] for point in written(tmp_path)] == [1.0]


def test_numbers_reach_the_disk_by_themselves(tmp_path: Path) -> None:
    """What a function hands over can be read a moment later, without flush or close."""
    writer = summary.create_file_writer(tmp_path)

    @tf.function
    def train(n: Any) -> None:
        for i in tf.range(n):
            summary.scalar("a", tf.cast(i, tf.float32), step=i)

    with writer.as_default():
        train(tf.constant(1000, tf.int64))
    pause, deadline = threading.Event(), time.monotonic() + 60
    while time.monotonic() < deadline:
        found = tb.read(tmp_path).scalars()
        if found and len(next(iter(found.values())).step) == 1000:
            break
        pause.wait(0.05)
    ((_, series),) = found.items()
    assert series.step.tolist() == series.value.tolist() == list(range(1000))
    assert (np.diff(series.wall_time) >= 0).all()
    writer.close()


def test_emptying_the_queue_while_a_graph_is_built(tmp_path: Path, written: Read) -> None:
    """The collector may let go of a writer in the middle of a tracing: that adds nothing to the graph."""
    writer = summary.create_file_writer(tmp_path)
    sizes: list[int] = []

    @tf.function
    def train(x: Any) -> None:
        summary.scalar("a", x, step=0)

    @tf.function(autograph=False)
    def other() -> None:
        sizes.append(len(tf.compat.v1.get_default_graph().get_operations()))
        writer._numbers.retire()  # type: ignore[attr-defined]  # as its finalizer does
        sizes.append(len(tf.compat.v1.get_default_graph().get_operations()))

    with writer.as_default():
        train(tf.constant(1.0))
    other()
    writer.writer.flush()  # type: ignore[attr-defined]
    assert sizes[0] == sizes[1]
    assert [point[5] for point in written(tmp_path)] == [1.0]


def test_what_nobody_closed_is_written(tmp_path: Path, written: Read) -> None:
    """A writer and a function that nobody holds any more leave nothing unwritten, whoever lets go of them and when."""

    def program() -> None:
        @tf.function
        def train(x: Any) -> None:
            summary.scalar("a", x, step=0)

        with summary.create_file_writer(tmp_path).as_default():
            for i in range(5):
                train(tf.constant(float(i)))

    program()
    gc.collect()
    pause, deadline = threading.Event(), time.monotonic() + 60
    while time.monotonic() < deadline and len(written(tmp_path)) < 5:
        pause.wait(0.05)
    assert [point[5] for point in written(tmp_path)] == [0.0, 1.0, 2.0, 3.0, 4.0]


def test_xla_is_refused_when_traced(tmp_path: Path) -> None:
    """A function that XLA compiles cannot call back: an error with a cure, in functions that it calls as well."""

    @tf.function
    def inner(x: Any) -> Any:
        summary.scalar("a", x, step=0)
        return x

    @tf.function(jit_compile=True)
    def direct(x: Any) -> Any:
        summary.scalar("a", x, step=0)
        return x

    @tf.function(jit_compile=True)
    def calls(x: Any) -> Any:
        return inner(x)

    for train in (direct, calls):
        with (
            summary.create_file_writer(tmp_path).as_default(),
            pytest.raises(tb.InvalidSummary, match="jit_compile=False"),
        ):
            train(tf.constant(1.0))
    assert direct(tf.constant(1.0)) == 1.0


def test_autograph_takes_it_as_it_is(tmp_path: Path, written: Read, capfd: pytest.CaptureFixture[str]) -> None:
    """AutoGraph converts the user's function and leaves ours alone, without a word."""
    writer = summary.create_file_writer(tmp_path)
    lines: list[str] = []

    @tf.function
    def train(x: Any) -> Any:
        if x > 0:
            with summary.record_if(lambda: x > 1), writer.as_default():
                lines.append(type(summary.scalar).__name__)
                summary.scalar("a", x, step=1)
        return x

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        train(tf.constant(0.5))
        train(tf.constant(2.0))
    writer.close()
    assert lines == ["function"]
    assert [point[5] for point in written(tmp_path)] == [2.0]
    assert "AutoGraph" not in capfd.readouterr().err


def test_gradients_pass(same: Any) -> None:
    """Logging within a tape, of values that are differentiated, changes no gradient."""
    gradients: list[float] = []

    def program(api: Any) -> None:
        weight = tf.Variable(3.0)

        @tf.function
        def train() -> Any:
            with tf.GradientTape() as tape:
                loss = weight * weight
                with api.record_if(lambda: loss > 0):
                    api.scalar("loss", loss, step=0)
                    api.histogram("weight", weight, step=0)
            return tape.gradient(loss, weight)

        gradients.append(float(train()))

    same(program)
    assert gradients == [6.0, 6.0]


KERAS = """
import sys
import keras
import numpy as np
import tensorflow as tf
from tallyboard.integrations import tf_summary as summary

class Model(keras.Model):
    def __init__(self):
        super().__init__()
        self.dense = keras.layers.Dense(1)

    def call(self, x):
        return self.dense(x)

    def train_step(self, data):
        logs = super().train_step(data)
        summary.scalar("loss", logs["loss"], step=self.optimizer.iterations)
        return logs

model = Model()
model.compile("sgd", "mse", jit_compile=False)
writer = summary.create_file_writer(sys.argv[1])
writer.set_as_default()
model.fit(np.ones((20, 2)), np.ones((20, 1)), batch_size=4, verbose=0)
summary.scalar("after", 1.0, step=model.optimizer.iterations)
"""


def test_keras_train_step(tmp_path: Path, written: Read) -> None:
    """A Keras model's own train_step may log, in `fit`, at the optimizer's steps; the end of the program writes it."""
    env = {
        **os.environ,
        "KERAS_BACKEND": "tensorflow",
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
    }
    command = [sys.executable, "-c", KERAS, str(tmp_path / "run")]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=400)
    assert done.returncode == 0, done.stderr
    points = [point[:2] for point in written(tmp_path / "run")]
    assert sorted(points) == [("after", 5), *(("loss", step) for step in range(1, 6))]


def test_only_the_first_replica_writes(tmp_path: Path, written: Read) -> None:
    """Under a distribution strategy, whose replicas run in threads of their own, the first one writes."""
    cpus = tf.config.list_logical_devices("CPU")
    strategy = tf.distribute.MirroredStrategy([cpu.name for cpu in cpus])
    for api, name in ((tf.summary, "tf"), (summary, "ours")):
        writer = api.create_file_writer(str(tmp_path / name))

        def replica(x: Any, api: Any = api) -> None:
            api.scalar("a", x, step=1)

        with writer.as_default():
            strategy.run(replica, (tf.constant(2.0),))
            tf.function(lambda r=replica: strategy.run(r, (tf.constant(3.0),)))()
        writer.close()
    ours, theirs = ([point[5] for point in written(tmp_path / name)] for name in ("ours", "tf"))
    assert ours == theirs == [2.0, 3.0]


# Traces -------------------------------------------------------------------------------------------------------------


def test_trace_of_graphs(tmp_path: Path, written: Read) -> None:
    """`trace_export` writes the graphs of the functions that ran, under TensorFlow's tag, plugin and step."""
    exported: dict[str, Any] = {}
    for api, name in ((tf.summary, "tf"), (summary, "ours")):

        @tf.function
        def double(x: Any) -> Any:
            return x * 2

        writer = api.create_file_writer(str(tmp_path / name))
        api.trace_on()
        double(tf.constant(1.0))
        with writer.as_default(), tf.name_scope("scope"):
            api.trace_export("trace", step=7)
        writer.close()
        (exported[name],) = written(tmp_path / name)
    ours, theirs = exported["ours"], exported["tf"]
    assert ours[:5] == theirs[:5]
    assert ours[0] == "scope/trace"
    graphs = [tf.compat.v1.RunMetadata.FromString(point[5]).function_graphs for point in (ours, theirs)]
    for found in graphs:  # beside operations that ran by themselves
        operations = [[node.op for node in graph.pre_optimization_graph.node] for graph in found]
        assert ["_Arg", "Const", "Mul", "Identity", "_Retval"] in operations


def test_trace_with_profile(tmp_path: Path, written: Read) -> None:
    """A profile is TensorFlow's, and lies in the writer's directory when no other is named."""
    writer = summary.create_file_writer(tmp_path)
    with writer.as_default(step=3):
        summary.trace_on(profiler=True)
        tf.function(lambda x: x + 1)(tf.constant(1.0))
        summary.trace_export("trace")
    writer.close()
    assert [(point[0], point[1], point[2].plugin_data.plugin_name) for point in written(tmp_path)] == [
        ("trace", 3, "graph_run_metadata")
    ]
    assert len(list(tmp_path.glob("plugins/profile/*/*.xplane.pb"))) == 1


def test_trace_off(tmp_path: Path) -> None:
    """`trace_off` ends a trace without a word; another may begin, and without one nothing can be exported."""
    summary.trace_on()
    with pytest.warns(tb.TallyboardWarning, match="already enabled"):
        summary.trace_on()
    summary.trace_off()
    summary.trace_off()
    with pytest.raises(tb.InvalidSummary, match="trace_on first"):
        summary.trace_export("a", step=0)
    summary.trace_on()
    summary.trace_export("nowhere", step=0)
    assert list(tmp_path.iterdir()) == []
