"""tensorboardX's other writers: the same calls, the same content, in threads and forked processes too."""

from __future__ import annotations

import inspect
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tallyboard as tb
from tallyboard.core import peer_writers

PEER = "tensorboardX"


def steps(logdir: Path, tag: str) -> list[int]:
    return tb.read(logdir).scalars()[".", tag].step.tolist()


def test_every_public_name_of_tensorboardx_is_ours_but_visdom() -> None:
    """`from tensorboardX import ...` works with `tallyboard` in its place, TorchVis excepted."""
    peer = pytest.importorskip(PEER)
    classes = {name for name, thing in vars(peer).items() if isinstance(thing, type)}
    assert classes == {"SummaryWriter", "FileWriter", "RecordWriter", "GlobalSummaryWriter", "TorchVis"}
    assert classes - set(tb.__all__) == {"TorchVis"}


@pytest.mark.parametrize("name", ["FileWriter", "RecordWriter", "GlobalSummaryWriter"])
def test_methods_and_arguments_are_theirs(name: str) -> None:
    """Each public method of the peer is there, and takes the same arguments in the same places."""
    theirs, ours = getattr(pytest.importorskip(PEER), name), getattr(tb, name)
    missing: list[str] = []
    for method, function in inspect.getmembers(theirs, inspect.isfunction):
        if method.startswith("_") and method != "__init__":
            continue
        wanted = [p.name for p in inspect.signature(function).parameters.values() if p.kind is not p.VAR_KEYWORD]
        mine = list(inspect.signature(getattr(ours, method)).parameters) if hasattr(ours, method) else []
        if mine[: len(wanted)] != wanted and method not in ("use_metadata", "add_graph", "add_openvino_graph"):
            missing.append(f"{method}: {wanted}, ours {mine}")
    assert missing == []


def calls(writer: Any) -> None:
    for i in range(3):
        writer.add_scalar("loss", i / 2, 100.0 + i)
        writer.add_scalar("other", -i, walltime=200.0 + i)
        writer.add_text("loss", f"text {i}", 300.0 + i)
    writer.add_image("picture", np.full((3, 4, 4), 0.5), 400.0)
    writer.add_image("picture", np.full((4, 4), 0.25), 401.0, "HW")
    writer.close()


def test_content_is_tensorboardxs(tmp_path: Path, seen_in: Callable[[Path], list[Any]]) -> None:
    """The same tags, steps, wall times and values, a counter for each method and tag."""
    peer = pytest.importorskip(PEER)
    calls(tb.GlobalSummaryWriter(str(tmp_path / "ours")))
    calls(peer.GlobalSummaryWriter(str(tmp_path / "theirs")))

    def told(folder: str) -> list[Any]:
        return [(one.tag, one.step, one.wall_time, one.plugin) for one in seen_in(tmp_path / folder)]

    def values(folder: str) -> list[Any]:
        return [one.array.tolist() for one in seen_in(tmp_path / folder) if one.plugin in ("scalars", "text")]

    assert sorted(told("ours")) == sorted(told("theirs"))
    assert [one for one in told("ours") if one[0] == "loss"] == [("loss", i, 100.0 + i, "scalars") for i in range(3)]
    assert sorted(map(str, values("ours"))) == sorted(map(str, values("theirs")))


def test_forked_workers_share_the_count(tmp_path: Path) -> None:
    """Workers of a pool and their parent never take the same step of a tag, and skip none."""
    writer = tb.GlobalSummaryWriter(tmp_path)
    writer.add_scalar("loss", 0.0)
    context = multiprocessing.get_context("fork")

    def work() -> None:
        for _ in range(50):
            writer.add_scalar("loss", os.getpid())
        writer.add_histogram("weights", np.arange(4.0))
        writer.close()

    workers = [context.Process(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(240)
        assert worker.exitcode == 0
    writer.add_scalar("loss", 1.0)
    writer.close()
    assert sorted(steps(tmp_path, "loss")) == list(range(202))
    assert steps(tmp_path, "loss").count(201) == 1


def test_a_killed_worker_holds_up_nobody(tmp_path: Path) -> None:
    """A process that dies with the counter locked leaves it unlocked."""
    writer = tb.GlobalSummaryWriter(tmp_path)
    ready, told = os.pipe()
    child = os.fork()
    if not child:
        import fcntl

        fcntl.lockf(writer._counts._file, fcntl.LOCK_EX)
        os.write(told, b"locked")
        signal.pause()
    assert os.read(ready, 6) == b"locked"
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    writer.add_scalar("loss", 1.0)
    writer.close()
    os.close(ready)
    os.close(told)
    assert steps(tmp_path, "loss") == [0]


def test_threads_share_the_count(tmp_path: Path) -> None:
    """Threads never take the same step."""
    with tb.GlobalSummaryWriter(tmp_path) as writer:
        threads = [
            threading.Thread(target=lambda: [writer.add_scalar("loss", 0.0) for _ in range(200)]) for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(steps(tmp_path, "loss")) == list(range(800))


def test_the_global_writer_is_one(tmp_path: Path) -> None:
    """`getSummaryWriter` gives every module the same writer, in the default directory, and prints nothing."""
    program = (
        "import tallyboard as tb\n"
        "one = tb.GlobalSummaryWriter.getSummaryWriter(); one.add_scalar('x', 1.0)\n"
        "two = tb.GlobalSummaryWriter.getSummaryWriter(); two.add_scalar('x', 2.0)\n"
        "assert one is two and one.file_writer.get_logdir() == one.smw.log_dir\n"
        "one.close()"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    (series,) = tb.read(tmp_path / "runs").scalars().values()
    assert (series.step.tolist(), series.value.tolist()) == ([0, 1], [1.0, 2.0])


def test_nothing_is_written_to_disk_when_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`write_to_disk=False` writes nothing, and either name of the directory is taken."""
    monkeypatch.chdir(tmp_path)
    with tb.GlobalSummaryWriter(write_to_disk=False) as writer:
        writer.add_scalar("x", 1.0)
    assert list(tmp_path.iterdir()) == []
    with tb.GlobalSummaryWriter(log_dir="a") as writer:
        writer.add_audio("tone", np.zeros(10))
    assert list(tb.read("a").runs) == ["."]


def test_more_tags_than_the_table_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    """A full table ends no training: further tags stay at step 0."""
    monkeypatch.setattr(peer_writers, "_SLOTS", 4)
    counts = peer_writers._Counts()
    assert [counts.following(f"tag{i}") for i in range(4)] == [0] * 4
    assert [counts.following("tag0"), counts.following("new"), counts.following("new")] == [1, 0, 0]


def test_records_are_tensorboardxs_byte_for_byte(tmp_path: Path) -> None:
    """RecordWriter writes the same file."""
    data = [b"", b"one", bytes(range(256)) * 5]
    for module, name in ((pytest.importorskip(PEER), "theirs"), (tb, "ours")):
        writer = module.RecordWriter(str(tmp_path / name))
        for one in data:
            writer.write(one)
        writer.flush()
        writer.close()
    assert (tmp_path / "ours").read_bytes() == (tmp_path / "theirs").read_bytes()


def test_a_file_writer_takes_the_peers_messages(tmp_path: Path) -> None:
    """FileWriter writes a Summary and an Event of tensorboardX into a run."""
    pytest.importorskip(PEER)
    from tensorboardX.proto.event_pb2 import Event
    from tensorboardX.summary import scalar

    writer = tb.FileWriter(str(tmp_path), filename_suffix=".mine")
    writer.add_summary(scalar("loss", 0.5), 3, 100.0)
    writer.add_event(Event(summary=scalar("loss", 0.25)), 4, 101.0)
    writer.flush()
    (path,) = tmp_path.iterdir()
    assert path.name.endswith(".mine")
    assert writer.get_logdir() == str(tmp_path)
    writer.close()
    series = tb.read(tmp_path).scalars()[".", "loss"]
    assert (series.step.tolist(), series.value.tolist(), series.wall_time.tolist()) == ([3, 4], [0.5, 0.25], [100, 101])
