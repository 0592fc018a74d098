"""Disks that are full, forbidden, hung or taken away: training goes on, is told once what to do, and keeps what it can.

A file system is filled for real where one may be mounted, which needs Linux's namespaces or root; a limit on the size
of a file does the same everywhere on POSIX.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tallyboard as tb
from tallyboard.core import sink as sink_module
from tallyboard.core.errors import TallyboardWarning
from tallyboard.core.sink import AsyncSink

pytestmark = pytest.mark.skipif(os.name == "nt", reason="limits, mounts and permissions are POSIX's")
SRC = str(Path(tb.__file__).parents[1])
UNSHARE = ["unshare", "--map-root-user", "--mount"]


def can_mount() -> bool:
    """Whether a program may mount a file system for itself alone."""
    if shutil.which("unshare") is None:
        return False
    code = "d=$(mktemp -d) && mount -t tmpfs -o size=64k none $d && umount $d && rmdir $d"
    return subprocess.run([*UNSHARE, "sh", "-c", code], capture_output=True, check=False).returncode == 0


def run_python(code: str, *args: str, before: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*before, sys.executable, "-c", code, *args],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": SRC, "PYTHONDONTWRITEBYTECODE": "1"},
        timeout=300,
        check=False,
    )


LIMITED = """
import resource

soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)

def fill():
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))

def make_room():
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

def done():
    pass
"""

MOUNTED = """
import os, shutil, subprocess

kept, logdir = logdir, logdir + "-full"
os.makedirs(logdir)
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "none", logdir], check=True)

def fill():
    with open(logdir + "/ballast", "wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            pass
        file.truncate(file.tell() - 20 * 4096)  # some room is left, for half a write

def make_room():
    os.remove(logdir + "/ballast")

def done():
    shutil.copytree(logdir, kept, dirs_exist_ok=True)  # the mount goes with this process
"""

FULL = """
import sys, time, warnings
logdir, kind, ending = sys.argv[1:]
exec(DISKS[kind])
import tallyboard as tb
from tallyboard.core import sink
from tallyboard.core.sink import AsyncSink

warnings.simplefilter("always")
shown = []
warnings.showwarning = lambda message, *_: shown.append(str(message))
if ending == "is never freed":
    AsyncSink.BACKLOG_MAX = 5000
writer = tb.SummaryWriter(logdir)
writer.add_scalar("loss", 0.0, 0)
writer.flush()
fill()
asked = []
ask, sink.ask = sink.ask, lambda call: asked.append(call) or ask(call)  # asked for, it is waited for
for step in range(1, 20_001):
    writer.add_scalar("loss", step * 0.5, step)
    if step % 1000 == 0:
        writer.add_text("note", str(step), step)
        writer.flush()
assert not asked
if ending != "is never freed":
    if ending == "is freed":
        assert len(shown) == 1, shown
        make_room()
        deadline = time.monotonic() + 120
        while len(tb.read(logdir).scalars()[".", "loss"]) < 20_001:
            assert time.monotonic() < deadline, "nobody flushes: it was not tried again by itself"
            time.sleep(0.01)
    else:
        make_room()
    for step in range(20_001, 21_001):
        writer.add_scalar("loss", step * 0.5, step)
writer.close()
done()
print(*shown, sep="\\n")
"""
DISKS = {"limited": LIMITED, "mounted": MOUNTED}
CURE = {"limited": r"File too large\); have the limit", "mounted": r"No space left on device\); free some space"}


def fill_up(kind: str, ending: str, logdir: Path) -> list[str]:
    """Runs the program that fills a disk; the warnings that it gave."""
    if kind == "mounted" and not can_mount():
        pytest.skip("no file system can be mounted here")
    code = f"DISKS = {DISKS!r}\n{FULL}"
    before = tuple(UNSHARE) if kind == "mounted" else ()
    done = run_python(code, str(logdir), kind, ending, before=before)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


@pytest.mark.parametrize("kind", ["limited", "mounted"])
@pytest.mark.parametrize("ending", ["is freed", "is freed at the last moment"])
def test_full_disk_that_is_freed(kind: str, ending: str, tmp_path: Path) -> None:
    """A full disk warns once with the cure; when there is room again, every event comes to be there, once, in order."""
    shown = fill_up(kind, ending, tmp_path / "run")

    (text,) = shown
    assert re.search(CURE[kind] + ".*Training goes on, and what is logged is kept", text), text
    logdir = tb.read(tmp_path / "run")
    assert logdir.warnings == {}
    series = logdir.scalars()[".", "loss"]
    assert series.step.tolist() == list(range(21_001))
    assert series.value.tolist() == [step * 0.5 for step in range(21_001)]
    assert logdir.texts()[".", "note/text_summary"].step.tolist() == list(range(1000, 20_001, 1000))


@pytest.mark.parametrize("kind", ["limited", "mounted"])
def test_full_disk_that_is_never_freed(kind: str, tmp_path: Path) -> None:
    """A disk that stays full: the file is whole, in order up to where it ends, and closing says how much was lost."""
    shown = fill_up(kind, "is never freed", tmp_path / "run")

    first, dropped, closed = shown
    assert re.search(CURE[kind], first), first
    assert "were dropped, because it still cannot be written" in dropped
    logdir = tb.read(tmp_path / "run")
    assert logdir.warnings == {}
    steps = logdir.scalars()[".", "loss"].step.tolist()
    texts = logdir.texts()
    assert steps == sorted(set(steps))
    kept = len(steps) + (len(texts[".", "note/text_summary"]) if texts else 0)
    assert f"closed with {20_001 + 20 - kept} events lost, which could not be written" in closed


MANY = """
import sys, warnings
logdir, kind = sys.argv[1:]
exec(DISKS[kind])
import tallyboard as tb

warnings.simplefilter("always")
shown = []
warnings.showwarning = lambda message, *_: shown.append(str(message))
writer = tb.SummaryWriter(logdir)
fill()
for step in range(600):
    writer.add_scalars("loss", {f"line{number}": 1.0 for number in range(30)}, step)
writer.flush()
make_room()
writer.close()
done()
print(*shown, sep="\\n")
"""


def test_full_disk_under_many_writers_mounted(tmp_path: Path) -> None:
    """The writers of 30 lines in one chart, and their own, warn of one full disk once between them."""
    if not can_mount():
        pytest.skip("no file system can be mounted here")
    code = f"DISKS = {DISKS!r}\n{MANY}"
    done = run_python(code, str(tmp_path / "run"), "mounted", before=tuple(UNSHARE))

    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout.splitlines()) == 1
    scalars = tb.read(tmp_path / "run").scalars()
    assert {run: len(series) for (run, _), series in scalars.items()} == {f"loss_line{n}": 600 for n in range(30)}


FORBIDDEN = """
import os, sys, warnings
import tallyboard as tb
warnings.simplefilter("always")
shown = []
warnings.showwarning = lambda message, *_: shown.append(str(message))


def log(writer, steps):
    for step in steps:
        writer.add_scalar("loss", 1.0, step)
        writer.log({"a": 1.0, "b": 2.0}, step)


with tb.SummaryWriter(sys.argv[1] + "/first") as writer:
    log(writer, range(2))  # everything is loaded, should the code itself be out of reach afterwards
if os.getuid() == 0:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
place = sys.argv[1] + "/closed/run"
writer = tb.SummaryWriter(place)
log(writer, range(100))
writer.flush()
assert not os.path.exists(place)
if sys.argv[2] == "is opened":
    print("ready", flush=True)
    sys.stdin.readline()
log(writer, range(100, 200))
writer.close()
print(*shown, sep="\\n")
"""


@pytest.mark.parametrize("ending", ["is opened", "stays closed"])
def test_directory_that_may_not_be_written(ending: str, tmp_path: Path) -> None:
    """A directory that this user may not write warns once; opened later it has everything, else the loss is told."""
    os.chmod(tmp_path, 0o755)
    for folder in tmp_path.parents:  # which pytest makes for its own user alone
        if folder.name.startswith(("pytest-", "popen-")) and folder.stat().st_uid == os.getuid():
            os.chmod(folder, 0o755)
    (tmp_path / "closed").mkdir(mode=0o555)
    process = subprocess.Popen(
        [sys.executable, "-c", FORBIDDEN, str(tmp_path), ending],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": SRC},
    )
    if ending == "is opened":
        assert process.stdout is not None
        assert process.stdin is not None
        assert process.stdout.readline() == "ready\n"
        os.chmod(tmp_path / "closed", 0o777)
        process.stdin.write("\n")
        process.stdin.flush()
    out, errors = process.communicate(timeout=300)

    assert (process.returncode, errors) == (0, "")
    first, *more = out.splitlines()
    assert "the event file cannot be made (PermissionError" in first
    assert "make the directory writable, or log elsewhere. Training goes on" in first
    if ending == "is opened":
        assert more == []
        scalars = tb.read(tmp_path / "closed" / "run").scalars()
        assert {tag: series.step.tolist() for (_, tag), series in scalars.items()} == {
            tag: list(range(200)) for tag in ("loss", "a", "b")
        }
    else:
        (lost,) = more
        assert "closed with 600 events lost" in lost


def steps(logdir: Path) -> list[int]:
    found = tb.read(logdir)
    assert found.warnings == {}
    series = found.scalars().get((".", "loss"))
    return [] if series is None else series.step.tolist()


@pytest.mark.parametrize("what", ["directory", "everything", "file", "replaced"])
def test_deleted_under_an_open_writer(what: str, tmp_path: Path) -> None:
    """rm -rf, or a file put in the place of ours: all that is logged after that is kept, and one warning tells it."""
    run = tmp_path / "runs" / "one"
    writer = tb.SummaryWriter(run)
    for step in range(10):
        writer.add_scalar("loss", 1.0, step)
    writer.flush()
    (file,) = run.iterdir()
    if what == "directory":
        shutil.rmtree(run)
    elif what == "everything":
        shutil.rmtree(tmp_path / "runs")
    elif what == "file":
        file.unlink()
    else:
        (tmp_path / "other").write_bytes(b"")
        os.replace(tmp_path / "other", file)

    def go_on() -> None:
        for step in range(10, 1000):
            writer.add_scalar("loss", 1.0, step)
            if step % 50 == 0:
                writer.flush()
        writer.close()

    with pytest.warns(TallyboardWarning, match=r"was deleted while it was written to.*a new file") as caught:
        go_on()
    assert len(caught) == 1
    assert file.name in str(caught[0].message)
    assert steps(run) == list(range(10, 1000))


def test_deleted_again_and_again(tmp_path: Path) -> None:
    """A directory deleted at random moments, many times: what was logged since the last time is there."""
    run = tmp_path / "run"
    writer = tb.SummaryWriter(run, flush_secs=0.005)

    def train() -> None:
        for first in range(0, 30 * 410, 410):
            for step in range(first, first + 400):
                writer.add_scalar("loss", 1.0, step)
            shutil.rmtree(run, ignore_errors=True)
            for step in range(first + 400, first + 410):
                writer.add_scalar("loss", 1.0, step)
            writer.flush()
            assert steps(run)[-10:] == list(range(first + 400, first + 410))
        writer.close()

    with pytest.warns(TallyboardWarning, match="was deleted") as caught:
        train()
    assert len(caught) == 1


def test_deleted_while_it_was_parked(tmp_path: Path) -> None:
    """A file whose descriptor was lent to others is missed too, when deleted or replaced by one of equal size."""
    from tallyboard.core.filesink import FileSink, _OpenFiles

    for number, replaced in enumerate((False, True)):
        sink = FileSink(tmp_path / str(number))
        sink.write_scalars(["loss"], [1.0], [0], [1.0])
        assert sink.path is not None
        first, size = Path(sink.path), os.path.getsize(sink.path)
        others = [FileSink(tmp_path / "others") for _ in range(_OpenFiles.LIMIT)]
        for other in others:
            other.open()
        if replaced:
            (tmp_path / "copy").write_bytes(bytes(size))
            os.replace(tmp_path / "copy", first)
            sink.write_scalars(["loss"], [1.0], [1], [1.0])
            assert first.read_bytes() == bytes(size)
            first.unlink()
        else:
            first.unlink()
            with pytest.warns(TallyboardWarning, match="was deleted"):
                sink.write_scalars(["loss"], [1.0], [1], [1.0])
        assert steps(tmp_path / str(number)) == [1]
        for each in (sink, *others):
            each.close()


def test_renamed_directory_is_followed(tmp_path: Path) -> None:
    """A run that is renamed while it is written goes on where it is now."""
    writer = tb.SummaryWriter(tmp_path / "run")
    writer.add_scalar("loss", 1.0, 0)
    writer.flush()
    (tmp_path / "run").rename(tmp_path / "good")
    writer.add_scalar("loss", 1.0, 1)
    writer.close()

    assert steps(tmp_path / "good") == [0, 1]
    assert not (tmp_path / "run").exists()


def test_directory_change_is_none_of_its_business(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A relative directory is the one at the time, though the program goes elsewhere before a second file is opened."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "elsewhere").mkdir()
    writer = tb.SummaryWriter("run")
    writer.add_scalar("loss", 1.0, 0)
    writer.close()
    monkeypatch.chdir("elsewhere")
    writer.add_scalar("loss", 1.0, 1)
    writer.close()

    assert steps(tmp_path / "run") == [0, 1]
    assert list((tmp_path / "elsewhere").iterdir()) == []


class Hung(tb.MemorySink):
    """Takes nothing until it is released."""

    def __init__(self) -> None:
        super().__init__()
        self.release = threading.Event()

    def write_scalars(self, tags: Any, values: Any, steps: Any, wall_times: Any, /) -> None:
        self.release.wait()
        self.events += [None] * len(tags)  # type: ignore[list-item]

    def write_groups(self, groups: Any, steps: Any, wall_times: Any, /) -> None:
        raise NotImplementedError


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long each wait for a disk lasted that a caller of add_scalar and the like had to go through."""
    took: list[float] = []
    ask = sink_module.ask

    class Waited:
        def __init__(self, call: Any) -> None:
            self.request = ask(call)
            took.append(0.0)

        def wait(self, seconds: float) -> bool:
            took[-1] += seconds
            return self.request.wait(seconds)

    monkeypatch.setattr(sink_module, "ask", Waited)
    return took


def test_disk_that_hangs_holds_up_nothing(monkeypatch: pytest.MonkeyPatch, waits: list[float]) -> None:
    """While a disk takes nothing, logging waits once, for a time, and then drops, counts, and never waits again."""
    monkeypatch.setattr(AsyncSink, "ROWS_MAX", 4 * 1000)
    monkeypatch.setattr(AsyncSink, "ROWS_WAKE", 4 * 100)
    monkeypatch.setattr("tallyboard.core.writer._WAKE", 4 * 100)
    monkeypatch.setattr(AsyncSink, "PATIENCE", 0.2)
    sink = Hung()
    writer = tb.SummaryWriter(sink=sink)

    def train() -> None:
        for step in range(5000):
            writer.add_scalar("loss", 1.0, step)

    with pytest.warns(TallyboardWarning, match="its disk does not answer"):
        train()
    sink.release.set()
    with pytest.warns(TallyboardWarning, match="closed with .* events lost"):
        writer.close()

    assert waits == [0.2]
    assert len(sink.events) + writer._sink.lost == 5000
    assert len(sink.events) >= 1000


def test_disk_that_is_slow_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Threads that log faster than a disk takes it wait, however long that is, as long as it takes anything."""
    monkeypatch.setattr(AsyncSink, "ROWS_MAX", 4 * 200)
    monkeypatch.setattr(AsyncSink, "BATCH", 100)
    monkeypatch.setattr("tallyboard.core.writer._WAKE", 4 * 100)
    ask = sink_module.ask
    ends: list[int] = []

    class Impatient:
        """Whose patience is at its end as soon as the disk has taken anything, however long that was."""

        def __init__(self, call: Any) -> None:
            self.request = ask(call)

        def wait(self, _seconds: float) -> bool:
            before = writer._sink._passed
            while not self.request.wait(0.001):
                if writer._sink._passed > before:
                    ends.append(before)
                    return False
            return True

    monkeypatch.setattr(sink_module, "ask", Impatient)

    class Slow(Hung):
        def write_scalars(self, tags: Any, values: Any, steps: Any, wall_times: Any, /) -> None:
            time.sleep(0.02)
            self.release.set()
            super().write_scalars(tags, values, steps, wall_times)

    sink = Slow()
    with tb.SummaryWriter(sink=sink) as writer:

        def log() -> None:
            for step in range(1000):
                writer.add_scalar("loss", 1.0, step)

        threads = [threading.Thread(target=log) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert (len(sink.events), writer._sink.lost) == (4000, 0)
    assert ends


def test_disk_that_hangs_while_the_thread_is_elsewhere(monkeypatch: pytest.MonkeyPatch, waits: list[float]) -> None:
    """With the background thread caught in one hung disk, a second one hangs nobody either, large values included."""
    monkeypatch.setattr(AsyncSink, "ROWS_MAX", 4 * 100)
    monkeypatch.setattr("tallyboard.core.writer._WAKE", 4 * 50)
    monkeypatch.setattr(AsyncSink, "PATIENCE", 0.2)
    monkeypatch.setattr(AsyncSink, "BYTES_MAX", 1 << 20)
    first, second = Hung(), Hung()
    one, two = tb.SummaryWriter(sink=first), tb.SummaryWriter(sink=second)
    one.add_scalar("loss", 1.0, 0)
    end = time.monotonic() + 60
    while one._sink.rows:
        assert time.monotonic() < end, "the thread never took the row"

    def train() -> None:
        for step in range(1000):
            two.add_scalar("loss", 1.0, step)
        for step in range(40):
            two.add_histogram("weights", np.zeros(100_000, np.float32), step)

    with pytest.warns(TallyboardWarning, match="its disk does not answer"):
        train()
    first.release.set()
    second.release.set()
    with pytest.warns(TallyboardWarning, match="closed with .* events lost"):
        two.close()
    one.close()

    assert waits == [0.2]
    assert len(second.events) + two._sink.lost == 1040
