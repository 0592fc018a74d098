"""add_scalar's other forms, log, add_scalars and the rest of SummaryWriter that is about scalars."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tallyboard as tb
from tallyboard.core.groups import GroupEncoder
from tallyboard.core.record import frame
from tallyboard.core.wire import decode_event, encode_group

event_accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
tensor_util = pytest.importorskip("tensorboard.util.tensor_util")
Points = dict[str, list[tuple[int, float]]]


def judged(folder: Path | str) -> Points:
    """Step and value of every scalar of a run, as TensorBoard has it; its compat layer turns all into tensors."""
    accumulator = event_accumulator.EventAccumulator(str(folder), size_guidance={"scalars": 0, "tensors": 0})
    accumulator.Reload()
    tags = accumulator.Tags()
    out = {tag: [(p.step, p.value) for p in accumulator.Scalars(tag)] for tag in tags["scalars"]}
    for tag in tags["tensors"]:
        if accumulator.SummaryMetadata(tag).plugin_data.plugin_name == "scalars":
            points = accumulator.Tensors(tag)
            out[tag] = [(p.step, float(tensor_util.make_ndarray(p.tensor_proto).item())) for p in points]
    return out


def values_on_disk(folder: Path) -> list[Any]:
    """Every summary value of a run's files, by TensorBoard's own parser."""
    loader = pytest.importorskip("tensorboard.backend.event_processing.event_file_loader")
    events = [e for path in sorted(folder.glob("events*")) for e in loader.LegacyEventFileLoader(str(path)).Load()]
    return [value for event in events for value in event.summary.value]


@pytest.mark.parametrize("double", [False, True])
def test_new_style_equals_torch(double: bool, tmp_path: Path) -> None:
    """add_scalar(new_style=True) lands as the same value, type and metadata as torch's, in both precisions."""
    torch_writer = pytest.importorskip("torch.utils.tensorboard").SummaryWriter
    for name, make in (("ours", tb.SummaryWriter), ("torch", torch_writer)):
        with make(str(tmp_path / name)) as writer:
            for step, value in enumerate((0.1, float("inf"), -1e300)):
                writer.add_scalar("loss", value, step, 1.5, new_style=True, double_precision=double)

    (ours, theirs) = (values_on_disk(tmp_path / name) for name in ("ours", "torch"))

    assert [v.metadata for v in ours] == [v.metadata for v in theirs]
    assert [v.tensor.dtype for v in ours] == [v.tensor.dtype for v in theirs]
    for a, b in zip(ours, theirs, strict=True):
        assert tensor_util.make_ndarray(a.tensor).item() == tensor_util.make_ndarray(b.tensor).item()


def test_double_precision_needs_no_second_flag(tmp_path: Path) -> None:
    """double_precision alone keeps float64's digits, where torch's is without effect unless new_style is set too."""
    with tb.SummaryWriter(tmp_path) as writer:
        writer.add_scalar("loss", 0.1, 1, double_precision=True)

    assert judged(tmp_path) == {"loss": [(1, 0.1)]}
    series = tb.read(tmp_path).scalars()[".", "loss"]
    assert series.value.tolist() == [0.1]


@pytest.mark.parametrize("positional", [False, True])
def test_display_name_equals_tensorboardx(positional: bool, tmp_path: Path) -> None:
    """A display name and a description, also in tensorboardX's places, are what TensorBoard reads of its writer."""
    x_writer = pytest.importorskip("tensorboardX").SummaryWriter
    for name, make in (("ours", tb.SummaryWriter), ("x", x_writer)):
        with make(str(tmp_path / name)) as writer:
            if positional:
                writer.add_scalar("loss", 0.5, 3, None, "Loss", "lower is better")
            else:
                writer.add_scalar("loss", 0.5, 3, display_name="Loss", summary_description="lower is better")

    (ours,), (theirs,) = (values_on_disk(tmp_path / name) for name in ("ours", "x"))

    assert ours.metadata.display_name == theirs.metadata.display_name == "Loss"
    assert ours.metadata.summary_description == theirs.metadata.summary_description == "lower is better"
    assert ours.simple_value == theirs.simple_value == 0.5
    assert judged(tmp_path / "ours") == {"loss": [(3, 0.5)]}


def test_log_is_add_scalar_for_each(tmp_path: Path) -> None:
    """log leaves what as many add_scalar calls leave, for TensorBoard and for us, and one event a call."""
    rng = np.random.default_rng(5)
    rows = [
        {f"m{i}": float(v) for i, v in enumerate(rng.normal(size=5) * 10.0 ** rng.integers(-50, 50))} for _ in range(40)
    ]
    steps = [0, 1, 127, 128, 2**40, -1, 7, *range(1000, 1033)]
    with tb.SummaryWriter(tmp_path / "log") as log, tb.SummaryWriter(tmp_path / "each") as each:
        for step, row in zip(steps, rows, strict=True):
            log.log(row, step)
            for tag, value in row.items():
                each.add_scalar(tag, value, step)

    assert judged(tmp_path / "log") == judged(tmp_path / "each")
    ours = {key: (s.step.tolist(), s.value.tolist()) for key, s in tb.read(tmp_path / "log").scalars().items()}
    assert ours == {key: (s.step.tolist(), s.value.tolist()) for key, s in tb.read(tmp_path / "each").scalars().items()}
    assert sum(path.stat().st_size for path in (tmp_path / "log").iterdir()) < 0.5 * sum(
        path.stat().st_size for path in (tmp_path / "each").iterdir()
    )


def test_log_takes_what_add_scalar_takes(tmp_path: Path) -> None:
    """log flattens mappings with '/' and takes NumPy numbers and NaN; one event holds them all, at one wall time."""
    with tb.SummaryWriter(tmp_path) as writer:
        writer.log({"a": 1, "b": {"c": np.float32(2), "d": {"e": float("nan")}}}, step=3, walltime=5.5)

    scalars = tb.read(tmp_path).scalars()
    assert sorted(tag for _, tag in scalars) == ["a", "b/c", "b/d/e"]
    assert {(s.step.tolist()[0], s.wall_time.tolist()[0]) for s in scalars.values()} == {(3, 5.5)}
    assert np.isnan(scalars[".", "b/d/e"].value).all()


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"a": 1.0, "b": "x"}, "b"),
        ({"a": [1.0, 2.0]}, "2 elements"),
        ({"": 1.0}, "empty"),
        ({"a/b": 1.0, "a": {"b": 2.0}}, "twice"),
        ([1.0], "mapping"),
    ],
)
def test_log_refuses(values: Any, says: str) -> None:
    """A wrong value in log names itself, nothing of the call is logged, and the writer stays usable."""
    sink = tb.MemorySink()
    with tb.SummaryWriter(sink=sink) as writer:
        with pytest.raises(tb.InvalidSummary, match=says):
            writer.log(values, 1)
        writer.log({"good": 1.0}, 1)

    assert [(e.summary.tag, e.summary.value) for e in sink.events] == [("good", 1.0)]


def test_log_survives_close_and_keeps_order() -> None:
    """log and add_scalar in turns reach a plain sink in the order of the calls, after close and reopening too."""
    sink = tb.MemorySink()
    writer = tb.SummaryWriter(sink=sink)
    for step in range(3):
        writer.log({"a": 1.0, "b": 2.0}, step)
        writer.add_scalar("c", 3.0, step)
        writer.add_text("d", "x", step)
        writer.close()

    assert [(e.summary.tag, e.step) for e in sink.events] == [
        (tag, step) for step in range(3) for tag in ("a", "b", "c", "d/text_summary")
    ]


def test_group_encoder_is_the_plain_encoding() -> None:
    """The columns of many groups are byte for byte the groups one by one, for steps of every width, in order."""
    rng = np.random.default_rng(0)
    steps = [0, 1, 127, 128, 16384, 2**62, -1, -(2**63)] * 9
    walls = (1.7e9 + rng.random(len(steps))).tolist()
    shapes = [tuple(f"t/é{i}" for i in range(k)) for k in (1, 2, 20, 900)]
    groups = [(tags, tuple(rng.normal(size=len(tags)).tolist())) for tags, _ in zip(shapes * 18, steps, strict=True)]
    groups[3] = (shapes[3], (1e300,) * 900)

    got = GroupEncoder().encode(groups, steps, walls)

    with np.errstate(over="ignore"):
        events = [
            encode_group(tags, step, wall, np.array(values).astype("<f4").tobytes())[0]
            for (tags, values), step, wall in zip(groups, steps, walls, strict=True)
        ]
    assert got == b"".join(map(frame, events))
    assert [(v.tag, v.simple_value) for v in decode_event(events[1]).summary.value] == [
        (tag, float(np.float32(value))) for tag, value in zip(*groups[1], strict=True)
    ]


def test_add_scalars_runs_equal_torch(tmp_path: Path) -> None:
    """add_scalars makes torch's runs with torch's tags and values, slashes and all."""
    torch_writer = pytest.importorskip("torch.utils.tensorboard").SummaryWriter
    for name, make in (("ours", tb.SummaryWriter), ("torch", torch_writer)):
        with make(str(tmp_path / name)) as writer:
            for step in range(3):
                writer.add_scalars("loss/all", {"train": step * 0.5, "val/best": 1}, step)

    runs = {name: sorted(tb.read(tmp_path / name).runs) for name in ("ours", "torch")}

    assert "loss_all_train" in runs["ours"]
    assert [run for run in runs["ours"] if run != "."] == [run for run in runs["torch"] if run != "."]
    for run in runs["ours"]:
        assert judged(tmp_path / "ours" / run) == judged(tmp_path / "torch" / run)


def test_add_scalars_tags_make_no_runs(tmp_path: Path) -> None:
    """mode='tags' stays in the run, and its layout draws each chart's lines and no other tag."""
    metadata = pytest.importorskip("tensorboard.plugins.custom_scalar.layout_pb2")
    with tb.SummaryWriter(tmp_path) as writer:
        writer.add_scalars("loss", {"train": 1.0}, 0, mode="tags")
        writer.add_scalars("loss", {"train": 1.0, "v.al": 2.0}, 1, mode="tags")
        writer.add_scalar("loss/vxal", 9.0, 1)

    assert tb.read(tmp_path).runs == ["."]
    assert judged(tmp_path) == {"loss/train": [(0, 1.0), (1, 1.0)], "loss/v.al": [(1, 2.0)], "loss/vxal": [(1, 9.0)]}
    accumulator = event_accumulator.EventAccumulator(str(tmp_path))
    accumulator.Reload()
    last = accumulator.Tensors("custom_scalars__config__")[-1]
    layout = metadata.Layout.FromString(tensor_util.make_ndarray(last.tensor_proto).item())
    ((chart,),) = ([*category.chart] for category in layout.category)
    assert (chart.title, list(chart.multiline.tag)) == ("loss", ["loss/train$", r"loss/v\.al$"])


MANY = """
import sys, os, resource
import numpy  # has threads of its own
resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))
import tallyboard as tb
before = len(os.listdir("/proc/self/task"))
writer = tb.SummaryWriter(sys.argv[1])
for step in range(3):
    writer.add_scalars("loss", {f"line{i}": float(i) for i in range(600)}, step)
    writer.flush()
print(len(os.listdir("/proc/self/task")) - before, len(os.listdir("/proc/self/fd")))
writer.close()
"""


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="counts descriptors as Linux has them")
def test_add_scalars_of_many_lines(tmp_path: Path) -> None:
    """600 lines need two threads at most, and fewer open files than a process with 256 of them may have."""
    done = subprocess.run([sys.executable, "-W", "error", "-c", MANY, str(tmp_path)], capture_output=True, text=True)

    assert done.returncode == 0, done.stderr
    threads, descriptors = map(int, done.stdout.split())
    assert threads <= 2
    assert descriptors < 200
    scalars = tb.read(tmp_path).scalars()
    assert {key: (s.step.tolist(), s.value.tolist()) for key, s in scalars.items()} == {
        (f"loss_line{i}", "loss"): ([0, 1, 2], [float(i)] * 3) for i in range(600)
    }
    assert all(len(list(path.iterdir())) == 1 for path in tmp_path.iterdir() if path.is_dir())
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] >= 256


def test_add_scalars_stays_in_its_directory(tmp_path: Path) -> None:
    """A line's name cannot lead out of the run's directory."""
    with tb.SummaryWriter(tmp_path / "run") as writer, pytest.raises(tb.InvalidSummary, match="outside"):
        writer.add_scalars("a", {"/../../../b": 1.0}, 0)

    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_use_metadata() -> None:
    """Within use_metadata calls take its step and wall time unless they name their own; afterwards all is as before."""
    sink = tb.MemorySink()
    with tb.SummaryWriter(sink=sink) as writer:
        writer.add_scalar("a", 1.0, 1)
        with writer.use_metadata(global_step=7, walltime=5.0) as same:
            same.add_scalar("a", 2.0)
            same.add_scalar("a", 3.0, 8)
            same.add_scalar("a", 4.0, walltime=6.0)
            same.log({"a": 5.0})
            same.add_text("t", "x")
        writer.add_scalar("a", 6.0)

    got = [(e.step, e.wall_time) for e in sink.events]
    assert got[1:6] == [(7, 5.0), (8, 5.0), (7, 6.0), (7, 5.0), (7, 5.0)]
    assert got[6][0] == 0
    assert got[6][1] > 1e9


def test_auto_step() -> None:
    """auto_step counts each method's calls for a tag, as GlobalSummaryWriter does; a given step is kept."""
    sink = tb.MemorySink()
    with tb.SummaryWriter(sink=sink, auto_step=True) as writer:
        for _ in range(3):
            writer.add_scalar("a", 1.0)
        writer.add_scalar("b", 1.0)
        writer.add_scalar("a", 1.0, 50)
        writer.add_text("a", "x")
        writer.add_scalar("a", 1.0)

    assert [(e.summary.tag, e.step) for e in sink.events] == [
        ("a", 0), ("a", 1), ("a", 2), ("b", 0), ("a", 50), ("a/text_summary", 0), ("a", 3),
    ]  # fmt: skip


def test_write_to_disk_false(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """write_to_disk=False takes every call and leaves nothing behind, not even a directory."""
    monkeypatch.chdir(tmp_path)
    with tb.SummaryWriter(write_to_disk=False) as writer, tb.SummaryWriter("given", write_to_disk=False) as given:
        for w in (writer, given):
            w.add_scalar("a", 1.0, 1)
            w.add_scalars("b", {"c": 1.0}, 1)
            w.log({"d": 1.0}, 1)
            w.add_text("e", "f", 1)
            w.flush()
        assert given.get_logdir() == "given"

    assert list(tmp_path.iterdir()) == []


def test_logdir_is_log_dir(tmp_path: Path) -> None:
    """logdir= is another name of log_dir=; two different ones are refused."""
    with tb.SummaryWriter(logdir=tmp_path / "x") as writer:
        assert writer.log_dir == writer.logdir == writer.get_logdir() == str(tmp_path / "x")
    with pytest.raises(tb.InvalidLogdir, match="both"):
        tb.SummaryWriter(tmp_path / "a", logdir=tmp_path / "b")


def test_file_writer_takes_messages(tmp_path: Path) -> None:
    """file_writer takes summaries and events of other packages as torch's does, in order with everything else."""
    summary = pytest.importorskip("torch.utils.tensorboard.summary")
    messages = pytest.importorskip("tensorboard.compat.proto.event_pb2")
    with tb.SummaryWriter(tmp_path) as writer:
        writer.file_writer.add_summary(summary.scalar("a", 0.5), 3)
        writer.file_writer.add_event(messages.Event(summary=summary.scalar("a", 0.25)), 4, 9.0)
        writer._get_file_writer().add_summary(summary.scalar("a", 1.0), np.int64(5))
        assert list(writer.all_writers) == [str(tmp_path)]
        assert writer.file_writer.get_logdir() == str(tmp_path)
        with pytest.raises(tb.InvalidSummary, match="protobuf"):
            writer.file_writer.add_summary(1)

    assert writer.file_writer is writer.all_writers is None
    assert judged(tmp_path) == {"a": [(3, 0.5), (4, 0.25), (5, 1.0)]}
    assert tb.read(tmp_path).scalars()[".", "a"].wall_time.tolist()[1] == 9.0


def test_export_scalars_to_json(tmp_path: Path) -> None:
    """The exported file has every scalar of the writer and its runs: [wall time, step, value] by directory and tag."""
    with tb.SummaryWriter(tmp_path / "run") as writer:
        writer.add_scalars("loss", {"train": 0.5}, 2, 7.0)
        writer.add_scalar("lr", 0.25, 1, 8.0)
        writer.export_scalars_to_json(tmp_path / "all.json")

    assert json.loads((tmp_path / "all.json").read_text()) == {
        f"{tmp_path}/run/lr": [[8.0, 1, 0.25]],
        f"{tmp_path}/run/loss_train/loss": [[7.0, 2, 0.5]],
    }
