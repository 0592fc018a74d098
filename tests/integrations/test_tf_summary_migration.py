"""Programs in the manner of TensorFlow's guides, run as they stand and with only their imports changed.

What both wrote is read back by TensorBoard's own code and compared, run by run.
"""

from __future__ import annotations

import runpy
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tallyboard as tb
from tallyboard.integrations.tf_summary.defaults import defaults

tf = pytest.importorskip("tensorflow")

Read = Callable[[Path], list[Any]]
IMPORTS = {
    "from tensorflow import summary": "from tallyboard.integrations import tf_summary as summary",
    "from tensorboard.plugins.hparams import api as hp": "from tallyboard.integrations.tf_summary import hparams as hp",
}

TWO_WRITERS = """
import sys
import tensorflow as tf
from tensorflow import summary

data = tf.random.stateless_normal((96, 4), seed=(1, 2))
target = tf.reduce_sum(data, axis=1, keepdims=True)
train_dataset = tf.data.Dataset.from_tensor_slices((data[:64], target[:64])).batch(16)
test_dataset = tf.data.Dataset.from_tensor_slices((data[64:], target[64:])).batch(16)


class Model(tf.Module):
    def __init__(self):
        self.weight = tf.Variable(tf.zeros((4, 1)), name="weight")

    def __call__(self, x):
        return x @ self.weight


model = Model()
iterations = tf.Variable(0, dtype=tf.int64)
train_summary_writer = summary.create_file_writer(sys.argv[1] + "/train")
test_summary_writer = summary.create_file_writer(sys.argv[1] + "/test")


@tf.function
def train_step(x, y):
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(tf.square(model(x) - y))
    gradient = tape.gradient(loss, model.weight)
    model.weight.assign_sub(0.1 * gradient)
    iterations.assign_add(1)
    with tf.name_scope("batch"), summary.record_if(lambda: tf.equal(iterations % 2, 0)):
        summary.scalar("loss", loss, step=iterations)
        summary.histogram("gradient", gradient, step=iterations)
    return loss


@tf.function
def test_step(x, y):
    return tf.reduce_mean(tf.square(model(x) - y))


for epoch in range(3):
    losses = []
    with train_summary_writer.as_default():
        for x_train, y_train in train_dataset:
            losses.append(train_step(x_train, y_train))
        summary.scalar("loss", tf.reduce_mean(losses), step=epoch)
        summary.histogram("weights/layer1", model.weight, step=epoch)
    losses = [test_step(x_test, y_test) for x_test, y_test in test_dataset]
    with test_summary_writer.as_default():
        summary.scalar("loss", tf.reduce_mean(losses), step=epoch)
        summary.text("note", tf.strings.format("epoch {}", tf.constant(epoch)), step=epoch)

train_summary_writer.close()
test_summary_writer.close()
"""

PICTURES = """
import io
import sys
import matplotlib
matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf
from tensorflow import summary

images = np.random.default_rng(0).random((25, 28, 28)).astype(np.float32)
file_writer = summary.create_file_writer(sys.argv[1])


def plot_to_image(figure):
    buffer = io.BytesIO()
    plt.savefig(buffer, format="png")
    plt.close(figure)
    buffer.seek(0)
    return tf.expand_dims(tf.image.decode_png(buffer.getvalue(), channels=4), 0)


def image_grid():
    figure = plt.figure(figsize=(3, 3))
    for i in range(4):
        plt.subplot(2, 2, i + 1, title=str(i))
        plt.imshow(images[i], cmap=plt.cm.binary)
    return figure


with file_writer.as_default():
    summary.image("Training data", np.reshape(images[0], (-1, 28, 28, 1)), step=0)
    summary.image("25 training data examples", np.reshape(images, (-1, 28, 28, 1)), max_outputs=25, step=0)
    summary.image("Grid", plot_to_image(image_grid()), step=0)

for epoch in range(2):
    matrix = np.eye(3) * (epoch + 1) / 2
    figure = plt.figure(figsize=(2, 2))
    plt.imshow(matrix)
    with file_writer.as_default(step=epoch):
        summary.image("Confusion Matrix", plot_to_image(figure), step=epoch)
        summary.audio("Tone", np.sin(np.arange(800) / 9).astype(np.float32).reshape(1, -1, 1), 8000)
        summary.text("Markdown", "| *a* | *b* |\\n|---|---|\\n| 1 | 2 |")
file_writer.flush()
"""

SWEEP = """
import sys
from tensorflow import summary
from tensorboard.plugins.hparams import api as hp

HP_NUM_UNITS = hp.HParam("num_units", hp.Discrete([16, 32]))
HP_DROPOUT = hp.HParam("dropout", hp.RealInterval(0.1, 0.2))
HP_OPTIMIZER = hp.HParam("optimizer", hp.Discrete(["adam", "sgd"]))
METRIC_ACCURACY = "accuracy"

with summary.create_file_writer(sys.argv[1]).as_default():
    hp.hparams_config(
        hparams=[HP_NUM_UNITS, HP_DROPOUT, HP_OPTIMIZER],
        metrics=[hp.Metric(METRIC_ACCURACY, display_name="Accuracy")],
        time_created_secs=5.0,
    )


def run(run_dir, hparams):
    with summary.create_file_writer(run_dir).as_default():
        hp.hparams(hparams)  # record the values used in this trial
        for step in range(3):
            summary.scalar(METRIC_ACCURACY, hparams[HP_NUM_UNITS] / 100 + step * hparams[HP_DROPOUT], step=step)


session_num = 0
for num_units in HP_NUM_UNITS.domain.values:
    for dropout_rate in (HP_DROPOUT.domain.min_value, HP_DROPOUT.domain.max_value):
        for optimizer in HP_OPTIMIZER.domain.values:
            hparams = {HP_NUM_UNITS: num_units, HP_DROPOUT: dropout_rate, HP_OPTIMIZER: optimizer}
            run(sys.argv[1] + "/run-%d" % session_num, hparams)
            session_num += 1
"""

GRAPH = """
import sys
import tensorflow as tf
from tensorflow import summary


@tf.function
def my_func(x, y):
    return tf.nn.relu(tf.matmul(x, y))


writer = summary.create_file_writer(sys.argv[1])
x, y = tf.random.uniform((3, 3)), tf.random.uniform((3, 3))
summary.trace_on(graph=True)
z = my_func(x, y)
with writer.as_default():
    summary.trace_export(name="my_func_trace", step=0)
    summary.graph(my_func.get_concrete_function(x, y).graph)
writer.close()
"""

PROGRAMS = {"two writers": TWO_WRITERS, "pictures": PICTURES, "sweep": SWEEP, "graph": GRAPH}


def run(program: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Runs a program from a file of its own, as AutoGraph wants it, and closes its writers."""
    folder.mkdir()
    path = folder / "program.py"
    path.write_text(program)
    logs = folder / "logs"
    monkeypatch.setattr(sys, "argv", [str(path), str(logs)])
    scope = runpy.run_path(str(path), run_name="__main__")
    for value in scope.values():
        if hasattr(value, "as_default") and hasattr(value, "close"):
            value.close()
    return logs


def runs(logs: Path, read: Read) -> dict[str, list[Any]]:
    """What was written, by run: pictures as pixels, messages without what is the time's or the machine's."""
    from tensorboard.plugins.hparams import plugin_data_pb2

    found: dict[str, list[Any]] = {}
    for folder in sorted({path.parent for path in logs.rglob("*tfevents*")}):
        points: list[Any] = []
        for point in read(folder):
            if point[0] == "graph_def":
                points.append((point[0], point[1], tf.compat.v1.GraphDef.FromString(point[2])))
                continue
            tag, step, metadata, dtype, shape, values = point
            plugin, content = metadata.plugin_data.plugin_name, metadata.plugin_data.content
            if plugin == "images":
                values = [*values[:2], *(tf.image.decode_png(png).numpy() for png in values[2:])]
            elif plugin == "hparams":
                content = plugin_data_pb2.HParamsPluginData.FromString(content)
                content.session_start_info.start_time_secs = 0
            elif plugin == "graph_run_metadata_graph":
                graphs = tf.compat.v1.RunMetadata.FromString(values).function_graphs
                every = [[node.op for node in graph.pre_optimization_graph.node] for graph in graphs]
                values = [ops for ops in every if "Relu" in ops]  # beside operations that ran by themselves
            points.append((tag, step, plugin, content, metadata.summary_description, dtype, shape, values))
        found[str(folder.relative_to(logs))] = sorted(points, key=lambda point: point[0])  # in order for each tag
    return found


@pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS)
def test_only_the_imports_change(program: str, tmp_path: Path, written: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same runs, tags, steps, metadata and values, whichever of the two is imported."""
    migrated = program
    for old, new in IMPORTS.items():
        migrated = migrated.replace(old, new)
    assert migrated != program
    theirs = runs(run(program, tmp_path / "theirs", monkeypatch), written)
    logs = run(migrated, tmp_path / "ours", monkeypatch)
    ours = runs(logs, written)
    assert {name: [point[:2] for point in points] for name, points in ours.items()} == {
        name: [point[:2] for point in points] for name, points in theirs.items()
    }
    for name, points in ours.items():
        np.testing.assert_equal(points, theirs[name])
    assert sum(map(len, ours.values())) >= 2
    assert defaults.writer is None


def test_tallyboard_reads_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a migrated program wrote, tallyboard reads back: runs, tags and steps."""
    migrated = TWO_WRITERS
    for old, new in IMPORTS.items():
        migrated = migrated.replace(old, new)
    scalars = tb.read(run(migrated, tmp_path / "ours", monkeypatch)).scalars()
    steps = {key: series.step.tolist() for key, series in scalars.items()}
    assert steps == {
        ("train", "batch/loss"): [2, 4, 6, 8, 10, 12],
        ("train", "loss"): [0, 1, 2],
        ("test", "loss"): [0, 1, 2],
    }
