"""SummaryWriter: what the user calls, what other processes see, and what real TensorBoard reads back."""

from __future__ import annotations

import gc
import inspect
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tallyboard as tb
from tallyboard.core.sink import MemorySink
from tallyboard.core.summary import Event, text

SRC = str(Path(tb.__file__).parents[1])


def accumulated(logdir: Path) -> Any:
    """TensorBoard's own reader over everything in a directory."""
    module = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    accumulator = module.EventAccumulator(str(logdir), size_guidance={"scalars": 0, "tensors": 0})
    accumulator.Reload()
    return accumulator


def run_python(code: str, *args: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": SRC}
    return subprocess.run(
        [sys.executable, "-c", code, *args], capture_output=True, text=True, env=environment, timeout=120, check=False
    )


def test_tensorboard_reads_back_exactly_what_was_written(tmp_path: Path) -> None:
    """EventAccumulator gives the same values, steps, wall times and order, for every kind of number and step."""
    rng = np.random.default_rng(7)
    rows = [
        (f"group/tag{int(rng.integers(5))}", float(rng.normal()) * 10.0 ** int(rng.integers(-40, 40)), int(step), wall)
        for step, wall in zip(np.sort(rng.integers(0, 2**40, 3000)), 1.7e9 + np.sort(rng.random(3000)), strict=True)
    ]
    rows += [("odd", value, step, 1.7e9) for step, value in enumerate([0.0, -0.0, 1e-45, 3.4e38])]
    with tb.SummaryWriter(tmp_path) as writer:
        for tag, value, step, wall in rows:
            writer.add_scalar(tag, value, step, wall)

    got = accumulated(tmp_path)

    for tag in {row[0] for row in rows}:
        with np.errstate(over="ignore"):
            expected = [(wall, step, float(np.float32(value))) for name, value, step, wall in rows if name == tag]
        assert [(point.wall_time, point.step, point.value) for point in got.Scalars(tag)] == expected


def test_tensorboard_reads_nan_infinity_and_negative_steps(tmp_path: Path) -> None:
    """NaN and infinity are written as they are, and so is a negative step."""
    with tb.SummaryWriter(tmp_path) as writer:
        for step, value in ((-3, float("nan")), (-2, float("inf")), (-1, float("-inf"))):
            writer.add_scalar("loss", value, step)

    points = accumulated(tmp_path).Scalars("loss")

    assert [point.step for point in points] == [-3, -2, -1]
    np.testing.assert_array_equal([point.value for point in points], [np.nan, np.inf, -np.inf])


def test_tensorboard_reads_text(tmp_path: Path) -> None:
    """Text stands under torch's tag, in TensorBoard's text plugin."""
    with tb.SummaryWriter(tmp_path) as writer:
        writer.add_text("notes", "**bold** é", 4, walltime=12.0)

    got = accumulated(tmp_path)

    (point,) = got.Tensors("notes/text_summary")
    assert (point.wall_time, point.step, list(point.tensor_proto.string_val)) == (12.0, 4, ["**bold** é".encode()])
    assert got.SummaryMetadata("notes/text_summary").plugin_data.plugin_name == "text"


def test_purge_step_is_tensorboards(tmp_path: Path) -> None:
    """A run restarted at step 5 voids what the first file has from step 5 on, in TensorBoard's eyes."""
    with tb.SummaryWriter(tmp_path) as writer:
        for step in range(10):
            writer.add_scalar("loss", step, step)
    with tb.SummaryWriter(tmp_path, purge_step=5) as writer:
        writer.add_scalar("loss", 50, 5)

    points = accumulated(tmp_path).Scalars("loss")

    assert [(point.step, point.value) for point in points] == [(0, 0), (1, 1), (2, 2), (3, 3), (4, 4), (5, 50)]


def test_constructor_is_torchs() -> None:
    """The constructor begins with torch's arguments, in torch's order, with torch's defaults."""
    theirs = pytest.importorskip("torch.utils.tensorboard").SummaryWriter
    expected = [(p.name, p.default) for p in inspect.signature(theirs).parameters.values()]

    ours = [
        (p.name, p.default)
        for p in inspect.signature(tb.SummaryWriter).parameters.values()
        if p.kind is not inspect.Parameter.KEYWORD_ONLY
    ]

    assert ours[: len(expected)] == expected


def test_default_directory_is_torchs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without log_dir a run goes to runs/<month><day>_<time>_<host><comment>."""
    monkeypatch.chdir(tmp_path)
    with tb.SummaryWriter(comment="-try") as writer:
        assert writer.get_logdir() == writer.log_dir
    (run,) = (tmp_path / "runs").iterdir()

    assert writer.log_dir == os.path.join("runs", run.name)
    assert run.name.endswith(f"_{__import__('socket').gethostname()}-try")
    time.strptime(run.name.split("_" + __import__("socket").gethostname())[0], "%b%d_%H-%M-%S")


def test_step_is_short_for_global_step() -> None:
    """`step=` and `global_step=` mean the same; both at once is an error."""
    sink = MemorySink()
    with tb.SummaryWriter(sink=sink) as writer:
        writer.add_scalar("a", 1.0, step=3)
        writer.add_scalar("a", 1.0, global_step=4)
        writer.add_text("b", "x", step=5)
        with pytest.raises(tb.InvalidSummary, match=r"add_scalar\('a'\): both global_step and step"):
            writer.add_scalar("a", 1.0, 1, step=1)
        with pytest.raises(tb.InvalidSummary, match=r"add_text\('b/text_summary'\): both global_step and step"):
            writer.add_text("b", "x", 1, step=1)

    assert [(event.summary.tag, event.step) for event in sink.events] == [("a", 3), ("a", 4), ("b/text_summary", 5)]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("loss", [1.0], 1), "expected one number, got list"),
        (("", 1.0, 1), "the tag is empty"),
        (("loss", 1.0, 1.5), "expected the step to be an integer, got 1.5"),
        (("loss", 1.0, 1, "now"), "expected walltime in seconds since 1970, got str"),
        (("loss", 1.0, 1, float("nan")), "walltime is NaN"),
    ],
)
def test_wrong_call_raises_at_once_and_writes_nothing(arguments: tuple[Any, ...], words: str) -> None:
    """A wrong call is an error at the call, known tag or not, and the writer stays usable."""
    sink = MemorySink()
    with tb.SummaryWriter(sink=sink) as writer:
        writer.add_scalar("loss", 0.5, 0)
        with pytest.raises(tb.InvalidSummary, match=words):
            writer.add_scalar(*arguments)
        writer.add_scalar("loss", 0.5, 1)

    assert [event.step for event in sink.events] == [0, 1]


def test_step_out_of_range_raises_for_a_known_tag() -> None:
    """The short way of a known tag checks the step's range too."""
    with tb.SummaryWriter(sink=MemorySink()) as writer:
        writer.add_scalar("loss", 0.5, 0)
        with pytest.raises(tb.InvalidSummary, match="64-bit"):
            writer.add_scalar("loss", 0.5, 2**63)


def test_values_are_captured_at_the_call() -> None:
    """An array changed after the call was logged as it was at the call."""
    sink = MemorySink()
    array = np.zeros(())
    with tb.SummaryWriter(sink=sink) as writer:
        for step in range(3):
            array += 1
            writer.add_scalar("a", array, step)

    assert [event.summary.value for event in sink.events] == [1.0, 2.0, 3.0]


def test_seen_by_another_process_after_flush(tmp_path: Path) -> None:
    """flush() returns when another process reads everything logged before it."""
    writer = tb.SummaryWriter(tmp_path)
    for step in range(100):
        writer.add_scalar("loss", step, step)
    writer.flush()

    code = "import sys, tallyboard as tb; print(len(tb.read(sys.argv[1]).scalars()['.', 'loss']))"
    assert run_python(code, str(tmp_path)).stdout == "100\n"
    writer.close()


def test_seen_without_flush_within_a_second(tmp_path: Path) -> None:
    """A point nobody flushed is on disk by itself, in time for a live page."""
    writer = tb.SummaryWriter(tmp_path)
    writer.add_scalar("loss", 1, 1)
    deadline = time.monotonic() + 60
    while not tb.read(tmp_path).scalars() and time.monotonic() < deadline:
        threading.Event().wait(0.01)

    assert len(tb.read(tmp_path).scalars()[".", "loss"]) == 1
    writer.close()


def test_writing_after_close_opens_another_file(tmp_path: Path) -> None:
    """close() is not the end: what is logged afterwards goes into a second file of the run."""
    writer = tb.SummaryWriter(tmp_path)
    writer.add_scalar("loss", 1, 1)
    writer.close()
    writer.close()
    writer.add_scalar("loss", 2, 2)
    writer.close()

    assert len(list(tmp_path.iterdir())) == 2
    assert tb.read(tmp_path).scalars()[".", "loss"].step.tolist() == [1, 2]


def test_forgotten_writer_loses_nothing(tmp_path: Path) -> None:
    """A writer that is dropped without close has written all when it is collected."""
    writer = tb.SummaryWriter(tmp_path)
    writer.add_scalar("loss", 1, 1)
    del writer
    gc.collect()

    assert len(tb.read(tmp_path).scalars()[".", "loss"]) == 1


@pytest.mark.parametrize(
    "ending", ["", "raise SystemExit(3)", "1/0", "import os; writer.flush(); os.kill(os.getpid(), 9)"]
)
def test_process_end_loses_nothing(ending: str, tmp_path: Path) -> None:
    """However the process ends, what it logged is there: at exit by itself, at kill -9 what was flushed."""
    code = (
        "import sys, tallyboard as tb\n"
        "writer = tb.SummaryWriter(sys.argv[1])\n"
        "for step in range(1000): writer.add_scalar('loss', step * 0.5, step)\n" + ending
    )
    done = run_python(code, str(tmp_path))

    assert done.returncode == {"": 0, "1/0": 1, "raise SystemExit(3)": 3}.get(ending, -signal.SIGKILL)
    series = tb.read(tmp_path).scalars()[".", "loss"]
    assert series.step.tolist() == list(range(1000))
    assert tb.read(tmp_path).warnings == {}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_forked_child_writes_its_own_file(tmp_path: Path) -> None:
    """A forked child neither repeats nor loses anything: its points stand in a file of its own."""
    code = """
import os, sys, tallyboard as tb
writer = tb.SummaryWriter(sys.argv[1])
for step in range(500): writer.add_scalar("parent", step * 1.0, step)
pid = os.fork()
name = "child" if pid == 0 else "parent"
for step in range(500, 1000): writer.add_scalar(name, step * 1.0, step)
if pid == 0:
    writer.flush()
    os._exit(0)
assert os.waitpid(pid, 0)[1] == 0
writer.close()
"""
    done = run_python(code, str(tmp_path))

    assert done.returncode == 0, done.stderr
    scalars = tb.read(tmp_path).scalars()
    assert scalars[".", "parent"].step.tolist() == list(range(1000))
    assert scalars[".", "child"].step.tolist() == list(range(500, 1000))
    assert len(list(tmp_path.iterdir())) == 2


def test_multiprocessing_worker_loses_nothing(tmp_path: Path) -> None:
    """A forked multiprocessing worker that never flushes has written all when it ends."""
    code = """
import multiprocessing, sys, tallyboard as tb
def work(writer):
    for step in range(300): writer.add_scalar("worker", step * 1.0, step)
if __name__ == "__main__":
    writer = tb.SummaryWriter(sys.argv[1])
    process = multiprocessing.get_context("fork").Process(target=work, args=(writer,))
    process.start()
    process.join()
    assert process.exitcode == 0
"""
    path = tmp_path / "work.py"
    path.write_text(code)
    logdir = tmp_path / "logs"
    environment = {**os.environ, "PYTHONPATH": SRC}
    done = subprocess.run(
        [sys.executable, str(path), str(logdir)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert tb.read(logdir).scalars()[".", "worker"].step.tolist() == list(range(300))


@pytest.mark.skipif(os.name == "nt", reason="needs directory permissions of POSIX")
def test_directory_that_cannot_be_made_warns_and_trains_on(tmp_path: Path) -> None:
    """A directory that cannot be made warns once; when it can be, everything logged meanwhile is in it."""
    (tmp_path / "dead").symlink_to(tmp_path / "dead")  # a loop: nothing can be made below it, not even by root
    with pytest.warns(tb.TallyboardWarning, match="the event file cannot be made.*Training goes on"):
        writer = tb.SummaryWriter(tmp_path / "dead" / "run")
    writer.add_scalar("loss", 1, 1)
    (tmp_path / "dead").unlink()
    writer.add_scalar("loss", 2, 2)
    writer.close()

    assert tb.read(tmp_path).scalars()["dead/run", "loss"].step.tolist() == [1, 2]


def test_write_takes_any_event() -> None:
    """write() passes an event on as it is, for adapters with tags of their own."""
    sink = MemorySink()
    event = Event(3, 4.0, text("as/it/is", "x"))
    with tb.SummaryWriter(sink=sink) as writer:
        writer.write(event)

    assert sink.events == [event]
    assert sink.closed


def test_threads_share_a_writer(tmp_path: Path) -> None:
    """Scalars from several threads all arrive, each thread's in its own order."""
    with tb.SummaryWriter(tmp_path) as writer:

        def work(name: int) -> None:
            for step in range(2000):
                writer.add_scalar(f"t{name}", float(step), step)

        threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    scalars = tb.read(tmp_path).scalars()
    for name in range(4):
        assert scalars[".", f"t{name}"].step.tolist() == list(range(2000))


def test_writer_says_what_it_is(tmp_path: Path) -> None:
    """repr() names the directory."""
    with tb.SummaryWriter(tmp_path) as writer:
        assert repr(writer) == f"SummaryWriter({str(tmp_path)!r})"
