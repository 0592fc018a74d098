"""A writer that is closed says so at the end of its file: what that is, who takes it, and what the page concludes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import tallyboard as tb
from tallyboard.core.event_accumulator import EventAccumulator
from tallyboard.core.facts import SILENCE, Facts
from tallyboard.core.reader import LogdirReader
from tallyboard.core.record import frame
from tallyboard.core.wire import encode_scalar, encode_session_stop


def statuses(logdir: Path | str, later: float = 0.0, cache: Path | None = None) -> dict[str, str]:
    """What is said of each run by a viewer that is started now, or so many seconds later."""
    reader = LogdirReader(logdir, cache=cache)
    reader.poll()
    if cache is not None:
        assert reader.save()
    facts = Facts(reader.store, reader.fetch, lambda: time.time() + later).gather().runs
    return {run: fact.status for run, fact in facts.items()}


def files(run: Path) -> list[Path]:
    return sorted(run.glob("*tfevents*"))


def log(writer: tb.SummaryWriter, step: int = 0) -> None:
    writer.add_scalar("loss", 1.0, step)
    writer.flush()


def test_a_closed_run_is_finished(tmp_path: Path) -> None:
    """Without hyperparameters too, at once and for ever; one that was only flushed is running, then stalled."""
    closed, flushed = (tb.SummaryWriter(tmp_path / name) for name in ("closed", "flushed"))
    log(closed)
    log(flushed)
    assert statuses(tmp_path) == {"closed": "running", "flushed": "running"}
    closed.close()

    assert statuses(tmp_path) == {"closed": "finished", "flushed": "running"}
    assert statuses(tmp_path, SILENCE + 5) == {"closed": "finished", "flushed": "stalled"}


def test_the_mark_is_one_small_record(tmp_path: Path) -> None:
    """29 bytes that protobuf reads as a SessionLog of status STOP; closing twice, or flushing, writes no other."""
    pb = pytest.importorskip("tensorboard.compat.proto.event_pb2")
    assert pb.Event.FromString(encode_session_stop(1.5, False)) == pb.Event(
        wall_time=1.5, session_log=pb.SessionLog(status=pb.SessionLog.STOP)
    )
    assert pb.Event.FromString(encode_session_stop(1.5, True)) == pb.Event(
        wall_time=1.5, session_log=pb.SessionLog(status=pb.SessionLog.STOP, msg="failed")
    )
    writer = tb.SummaryWriter(tmp_path)
    log(writer)
    (path,) = files(tmp_path)
    before = path.read_bytes()
    writer.flush()
    assert path.read_bytes() == before
    writer.close()
    writer.close()

    assert files(tmp_path) == [path]
    assert path.read_bytes()[: len(before)] == before
    assert len(path.read_bytes()) == len(before) + 29


def test_who_logs_again_runs_again(tmp_path: Path) -> None:
    """A writer that is used after `close` opens another file: the run is running until that is closed too."""
    writer = tb.SummaryWriter(tmp_path / "a")
    seen: list[str] = []
    for step in range(2):
        log(writer, step)
        seen.append(statuses(tmp_path)["a"])
        writer.close()
        seen.append(statuses(tmp_path)["a"])
    log(writer, 2)

    assert seen == ["running", "finished"] * 2
    assert len(files(tmp_path / "a")) == 3
    assert statuses(tmp_path, SILENCE + 5) == {"a": "stalled"}


def test_of_several_writers_all_have_to_be_closed(tmp_path: Path) -> None:
    """While one that still had news is open the run goes on; one that was killed long before is not waited for."""
    first, second = tb.SummaryWriter(tmp_path / "a"), tb.SummaryWriter(tmp_path / "a")
    log(first)
    log(second)
    first.close()
    assert statuses(tmp_path) == {"a": "running"}
    assert statuses(tmp_path, SILENCE + 5) == {"a": "finished"}  # the other had no news after the mark
    log(second)
    assert statuses(tmp_path, SILENCE + 5) == {"a": "stalled"}
    second.close()
    assert statuses(tmp_path) == {"a": "finished"}

    killed = tmp_path / "a" / "events.out.tfevents.1000000000.elsewhere.1.0"
    killed.write_bytes(files(tmp_path / "a")[0].read_bytes()[:-29] + frame(encode_scalar("loss", 1, 1e9, 1.0)))
    assert statuses(tmp_path) == {"a": "finished"}


def test_what_follows_a_mark_voids_it(tmp_path: Path) -> None:
    """TensorFlow 1's writers went on in the same file: only a file's last record says how it ended."""
    writer = tb.SummaryWriter(tmp_path / "a")
    log(writer)
    writer.close()
    (path,) = files(tmp_path / "a")
    reader = LogdirReader(tmp_path)
    reader.poll()
    facts = Facts(reader.store, reader.fetch)
    seen = [facts.gather().runs["a"].status]
    for record in (encode_scalar("loss", 1, time.time(), 1.0), encode_session_stop(time.time(), True)):
        with path.open("ab") as file:
            file.write(frame(record))
        reader.poll()
        seen.append(facts.gather().runs["a"].status)

    assert seen == ["finished", "running", "failed"]


def test_a_second_start_knows_it_from_the_index(tmp_path: Path) -> None:
    """Of the runs that are taken from the index, and of one that is closed afterwards."""
    logdir, cache = tmp_path / "logs", tmp_path / "cache"
    good, bad, late = (tb.SummaryWriter(logdir / name) for name in ("good", "bad", "late"))
    for writer in (good, bad, late):
        log(writer)
    good.close()
    bad.close(failed=True)
    first = statuses(logdir, cache=cache)
    second = statuses(logdir, cache=cache)
    late.close()

    assert first == second == {"bad": "failed", "good": "finished", "late": "running"}
    assert statuses(logdir, cache=cache) == {"bad": "failed", "good": "finished", "late": "finished"}


PROGRAM = """
import os, signal, sys
import tallyboard as tb
writer = tb.SummaryWriter(sys.argv[1])
writer.add_scalar("loss", 1.0, 0)
writer.add_scalars("both", {"a": 1.0}, 0)
writer.flush()
if sys.argv[2] == "raises":
    raise RuntimeError("diverged")
elif sys.argv[2] == "is terminated":
    os.kill(os.getpid(), signal.SIGTERM)
    signal.pause()
elif sys.argv[2] == "is killed":
    os.kill(os.getpid(), signal.SIGKILL)
elif sys.argv[2] == "raises in with":
    with writer:
        raise RuntimeError("diverged")
"""


@pytest.mark.skipif(not hasattr(signal, "pause"), reason="there is no such signal here")
@pytest.mark.parametrize(
    ("how", "status"),
    [
        ("ends", "finished"),
        ("raises", "failed"),
        ("raises in with", "failed"),
        ("is terminated", "failed"),
        ("is killed", "running"),
    ],
)
def test_the_end_of_a_program(how: str, status: str, tmp_path: Path) -> None:
    """A writer that nobody closed is closed at the end; an exception or SIGTERM is a failure; kill -9 marks nothing."""
    done = subprocess.run([sys.executable, "-c", PROGRAM, str(tmp_path / "a"), how], capture_output=True, text=True)

    assert ("RuntimeError" in done.stderr) == how.startswith("raises"), done.stderr
    assert statuses(tmp_path) == {"a": status, "a/both_a": status}


def test_a_forked_child_ends_nobodys_run(tmp_path: Path) -> None:
    """A child that closes the writer it was forked with leaves its parent's file as it is."""
    if not hasattr(os, "fork"):
        pytest.skip("there is no fork here")
    code = (
        "import os, sys; import tallyboard as tb; w = tb.SummaryWriter(sys.argv[1]); w.add_scalar('loss', 1.0, 0);"
        "w.flush(); child = os.fork()\n"
        "if child == 0:\n w.close(); os._exit(0)\n"
        "os.waitpid(child, 0); os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "a")], check=False, timeout=60)

    assert statuses(tmp_path, SILENCE + 5) == {"a": "stalled"}


def test_a_mark_that_cannot_be_written_is_no_harm(tmp_path: Path) -> None:
    """The directory is gone when the writer is closed: no new file, no exception and no word about it."""
    writer = tb.SummaryWriter(tmp_path / "a")
    log(writer)
    for path in files(tmp_path / "a"):
        path.unlink()
    (tmp_path / "a").rmdir()
    writer.close()

    assert not (tmp_path / "a").exists()


def test_remote_segments_are_one_writers(tmp_path: Path) -> None:
    """Where each flush makes a file of its own, the mark in the last of them ends the run."""
    fsspec: Any = pytest.importorskip("fsspec")
    url = f"memory://{tmp_path.name}-marks"
    writer = tb.SummaryWriter(f"{url}/a")
    for step in range(3):
        log(writer, step)
    assert statuses(url) == {"a": "running"}
    writer.close()

    assert len(fsspec.filesystem("memory").find(url)) == 4
    assert statuses(url) == {"a": "finished"}


def test_tensorboard_takes_no_notice(tmp_path: Path) -> None:
    """EventAccumulator, our own and `tensorboard --inspect` give the same with the mark and without it, but that the
    last names it."""
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    inspector = pytest.importorskip("tensorboard.backend.event_processing.event_file_inspector")
    writer = tb.SummaryWriter(tmp_path / "with", purge_step=2)
    for step in range(2, 7):
        writer.add_scalar("loss", 0.5 * step, step)
        writer.add_text("note", f"step {step}", step)
        writer.add_histogram("weights", [1.0, 2.0, step], step)
    writer.close()
    (path,) = files(tmp_path / "with")
    (tmp_path / "without").mkdir()
    (tmp_path / "without" / path.name).write_bytes(path.read_bytes()[:-29])

    answers: list[Any] = []
    for name in ("with", "without"):
        folder = str(tmp_path / name)
        told: list[Any] = []
        for one in (accumulator.EventAccumulator(folder), EventAccumulator(folder)):
            one.Reload()
            tags = one.Tags()
            told += [
                tags,
                one.Scalars("loss"),
                [one.Tensors(tag) for tag in tags["tensors"]],
                one.FirstEventTimestamp(),
            ]
        fields = inspector.get_inspection_units(folder)[0].field_to_obs
        told.append({key: value for key, value in fields.items() if key != "sessionlog:stop"})
        answers.append((told, len(fields["sessionlog:stop"])))

    assert answers[0][0] == answers[1][0]
    assert [stops for _, stops in answers] == [1, 0]
