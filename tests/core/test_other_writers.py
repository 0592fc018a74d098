"""What torch, tensorboardX and TensorFlow write, our reader reads exactly; TensorBoard's own reader is the judge."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tallyboard as tb

RNG = np.random.default_rng(11)
POINTS = [
    (f"train/tag{i % 7}", float(RNG.normal()) * 10.0 ** int(RNG.integers(-30, 30)), i // 7 * 1000, 1.7e9 + i / 3)
    for i in range(2000)
]


def expected(tag: str, dtype: Any = np.float32) -> list[tuple[int, float, float]]:
    return [(step, wall, float(dtype(value))) for name, value, step, wall in POINTS if name == tag]


def got(logdir: Path) -> dict[str, list[tuple[int, float, float]]]:
    """Every scalar series of the one run, as our reader has it."""
    out: dict[str, list[tuple[int, float, float]]] = {}
    for (_, tag), series in tb.read(logdir).scalars().items():
        columns = (series.step.tolist(), series.wall_time.tolist(), series.value.astype(np.float64).tolist())
        out[tag] = list(zip(*columns, strict=True))
    return out


def judged(logdir: Path) -> dict[str, list[tuple[int, float, float]]]:
    """The same as TensorBoard's EventAccumulator has it."""
    module = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    util = pytest.importorskip("tensorboard.util.tensor_util")
    accumulator = module.EventAccumulator(str(logdir), size_guidance={"scalars": 0, "tensors": 0})
    accumulator.Reload()
    tags = accumulator.Tags()
    out = {tag: [(p.step, p.wall_time, p.value) for p in accumulator.Scalars(tag)] for tag in tags["scalars"]}
    for tag in tags["tensors"]:
        if accumulator.SummaryMetadata(tag).plugin_data.plugin_name == "scalars":
            points = accumulator.Tensors(tag)
            out[tag] = [(p.step, p.wall_time, float(util.make_ndarray(p.tensor_proto).item())) for p in points]
    return out


@pytest.mark.parametrize("module", ["torch.utils.tensorboard", "tensorboardX"])
def test_scalars_of_torch_and_tensorboardx(module: str, tmp_path: Path) -> None:
    """Every scalar of either SummaryWriter is read with exact step, wall time, float32 value and order."""
    writer_class = pytest.importorskip(module).SummaryWriter
    with writer_class(str(tmp_path)) as writer:
        for tag, value, step, wall in POINTS:
            writer.add_scalar(tag, value, step, wall)

    ours = got(tmp_path)

    assert ours == {tag: expected(tag) for tag in {point[0] for point in POINTS}}
    assert ours == judged(tmp_path)


@pytest.mark.parametrize(("double", "dtype"), [(False, np.float32), (True, np.float64)], ids=["float", "double"])
def test_new_style_scalars_of_torch(double: bool, dtype: Any, tmp_path: Path) -> None:
    """Torch's tensor-valued scalars are read too, in double precision where it was asked for."""
    writer_class = pytest.importorskip("torch.utils.tensorboard").SummaryWriter
    with writer_class(str(tmp_path)) as writer:
        for tag, value, step, wall in POINTS:
            writer.add_scalar(tag, value, step, wall, new_style=True, double_precision=double)

    ours = got(tmp_path)

    assert ours == {tag: expected(tag, dtype) for tag in {point[0] for point in POINTS}}
    assert ours == judged(tmp_path)


@pytest.mark.parametrize("module", ["torch.utils.tensorboard", "tensorboardX"])
def test_text_of_torch_and_tensorboardx(module: str, tmp_path: Path) -> None:
    """Text of either SummaryWriter is read back as it was."""
    writer_class = pytest.importorskip(module).SummaryWriter
    with writer_class(str(tmp_path)) as writer:
        writer.add_text("notes", "**bold** é", 3, 12.5)

    series = tb.read(tmp_path).texts()[".", "notes/text_summary"]

    assert (series.step.tolist(), series.wall_time.tolist(), series.value) == ([3], [12.5], ["**bold** é"])


def test_other_kinds_of_torch_are_indexed(tmp_path: Path) -> None:
    """Histograms, images and audio of torch are listed under their plugins, and cost no scalar."""
    torch = pytest.importorskip("torch")
    writer_class = pytest.importorskip("torch.utils.tensorboard").SummaryWriter
    with writer_class(str(tmp_path)) as writer:
        writer.add_scalar("loss", 0.5, 1)
        writer.add_histogram("weights", torch.randn(100), 1)
        writer.add_image("picture", torch.zeros(3, 4, 4), 1)
        writer.add_audio("sound", torch.zeros(1, 100), 1)
        writer.add_pr_curve("curve", torch.ones(4), torch.rand(4), 1)
        writer.add_scalar("loss", 0.25, 2)

    logdir = tb.read(tmp_path)
    tags = logdir._reader.store.tags()  # pyright: ignore[reportPrivateUsage]

    assert {plugin: list(names) for plugin, names in tags.items()} == {
        "scalars": ["loss"],
        "histograms": ["weights"],
        "images": ["picture"],
        "audio": ["sound"],
        "pr_curves": ["curve"],
    }
    assert logdir.scalars()[".", "loss"].value.tolist() == [0.5, 0.25]
    assert logdir.warnings == {}


TENSORFLOW = """
import json, sys, tensorflow as tf
points, logdir = json.load(open(sys.argv[1])), sys.argv[2]
with tf.summary.create_file_writer(logdir).as_default():
    for tag, value, step, _ in points:
        tf.summary.scalar(tag, value, step=step, description="said once" if step else None)
    tf.summary.text("notes", ["a", "b"], step=4)
    tf.summary.text("plain", "é", step=5)
    tf.summary.histogram("weights", tf.random.normal([50]), step=1)
"""


def test_tf_summary(tmp_path: Path) -> None:
    """What tf.summary writes is read with exact steps, values and wall times, in order."""
    pytest.importorskip("tensorflow")
    import json

    (tmp_path / "points.json").write_text(json.dumps(POINTS))
    logdir = tmp_path / "logs"
    # in a process of its own: TensorFlow in this one would change what later tests import
    subprocess.run(
        [sys.executable, "-c", TENSORFLOW, str(tmp_path / "points.json"), str(logdir)], check=True, timeout=240
    )

    ours = got(logdir)

    steps_and_values = {tag: [(s, v) for s, _, v in rows] for tag, rows in ours.items()}
    assert steps_and_values == {tag: [(s, v) for s, _, v in expected(tag)] for tag in {point[0] for point in POINTS}}
    assert ours == judged(logdir)
    texts = tb.read(logdir).texts()
    assert texts[".", "notes"].value == ["a\n\nb"]
    assert texts[".", "plain"].value == ["é"]
    assert tb.read(logdir).warnings == {}


def test_recorded_keras_run() -> None:
    """A Keras run recorded with TensorFlow 2.21 reads as TensorBoard reads it."""
    folder = Path(__file__).parents[2].parent / "shared" / "samples" / "keras_tf" / "train"
    if not folder.is_dir():
        pytest.skip("the recorded samples are not beside this checkout")

    ours = got(folder)

    assert ours
    assert ours == judged(folder)
