"""Closing, reopening, dropping and ending, while others log: nothing lost, nothing doubled, no file shared."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import pytest

import tallyboard as tb
from tallyboard.core.pump import pump

SRC = str(Path(tb.__file__).parents[1])


def run_python(code: str, *args: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": SRC}
    return subprocess.run(
        [sys.executable, "-c", code, *args], capture_output=True, text=True, env=environment, timeout=300, check=False
    )


def logged(logdir: Path) -> dict[str, list[int]]:
    """Steps by tag, sorted, of one run whose files are all whole."""
    found = tb.read(logdir)
    assert found.warnings == {}
    return {tag: sorted(series.step.tolist()) for (_, tag), series in found.scalars().items()}


def test_add_scalar_against_close(tmp_path: Path) -> None:
    """Four threads log while two others close the writer all the time: every point is there once, each in order."""
    writer = tb.SummaryWriter(tmp_path, flush_secs=0.005)
    stop = threading.Event()
    switch = sys.getswitchinterval()

    def log(name: int) -> None:
        for step in range(4000):
            writer.add_scalar(f"t{name}", 1.0, step)

    def close() -> None:
        while not stop.is_set():
            writer.close()

    loggers = [threading.Thread(target=log, args=(name,)) for name in range(4)]
    closers = [threading.Thread(target=close) for _ in range(2)]
    sys.setswitchinterval(1e-5)
    try:
        for thread in loggers + closers:
            thread.start()
        for thread in loggers:
            thread.join()
        stop.set()
        for thread in closers:
            thread.join()
    finally:
        sys.setswitchinterval(switch)
    writer.close()

    assert logged(tmp_path) == {f"t{name}": list(range(4000)) for name in range(4)}
    for name in range(4):
        assert tb.read(tmp_path).scalars()[".", f"t{name}"].step.tolist() == list(range(4000))


def test_point_that_comes_behind_close(tmp_path: Path) -> None:
    """A point that a thread in the midst of add_scalar appends after the close is on disk soon, by itself."""
    writer = tb.SummaryWriter(tmp_path)
    writer.add_scalar("loss", 1.0, 0)
    late = writer._extend  # what add_scalar calls last
    writer.close()
    late(("loss", 1.0, 1, time.time()))
    deadline = time.monotonic() + 60
    while len(logged(tmp_path)["loss"]) < 2 and time.monotonic() < deadline:
        time.sleep(0.005)

    assert logged(tmp_path) == {"loss": [0, 1]}
    assert len(list(tmp_path.iterdir())) == 2
    writer.close()


@pytest.mark.parametrize("end", ["drop", "exit", "close"])
def test_point_behind_close_at_the_end(end: str, tmp_path: Path) -> None:
    """Such a point is there as well when the writer is dropped or closed, or the program ends, right then."""
    code = """
import sys, time, tallyboard as tb
writer = tb.SummaryWriter(sys.argv[1])
writer.add_scalar("loss", 1.0, 0)
late = writer._extend
writer.close()
late(("loss", 1.0, 1, time.time()))
if sys.argv[2] == "drop":
    del writer
elif sys.argv[2] == "close":
    writer.close()
if sys.argv[2] != "exit":
    assert len(tb.read(sys.argv[1]).scalars()[".", "loss"]) == 2
"""
    done = run_python(code, str(tmp_path), end)

    assert (done.returncode, done.stderr) == (0, "")
    assert logged(tmp_path) == {"loss": [0, 1]}


def test_writers_dropped_anywhere(tmp_path: Path) -> None:
    """Writers in cycles, which only the garbage collector finds, in whatever thread: all is written, nothing hangs."""

    class Ring:
        def __init__(self, number: int) -> None:
            self.writer = tb.SummaryWriter(tmp_path / str(number))
            self.ring = self
            self.writer.add_scalar("loss", 1.0, number)

    def work(first: int) -> None:
        for number in range(first, first + 60):
            Ring(number)
            if number % 7 == 0:
                gc.collect()

    before = gc.get_threshold()
    gc.set_threshold(50)
    try:
        threads = [threading.Thread(target=work, args=(100 * i,)) for i in range(3)]
        for thread in threads:
            thread.start()
        work(300)
        for thread in threads:
            thread.join()
    finally:
        gc.set_threshold(*before)
    gc.collect()
    deadline = time.monotonic() + 60  # those found in another thread are closed soon
    while any(sink.forsaken for sink in pump.sinks()) and time.monotonic() < deadline:
        time.sleep(0.005)

    numbers = [100 * i + number for i in range(4) for number in range(60)]
    scalars = tb.read(tmp_path).scalars()
    assert {run: series.step.tolist() for (run, _), series in scalars.items()} == {str(n): [n] for n in numbers}


def test_files_of_a_clock_that_stands_still(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Writers made in the same nanosecond of one process have files of their own."""
    monkeypatch.setattr(time, "time_ns", lambda: 1_700_000_000_999_999_998)
    writers = [tb.SummaryWriter(tmp_path) for _ in range(30)]
    for number, writer in enumerate(writers):
        writer.add_scalar("loss", 1.0, number)
        writer.close()

    files = [path.name for path in tmp_path.iterdir()]
    assert len(set(files)) == 30
    assert logged(tmp_path) == {"loss": list(range(30))}
    assert all(tb.read(path.parent).warnings == {} for path in tmp_path.iterdir())


def test_files_of_many_processes_at_once(tmp_path: Path) -> None:
    """Processes that all believe it is the same nanosecond, with one process id between them, share no file."""
    code = """
import os, sys, time, tallyboard as tb
time.time_ns = lambda: 1_700_000_000_000_000_000
os.getpid = lambda: 7
children = []
for number in range(12):
    pid = os.fork()
    if pid == 0:
        while not os.path.exists(sys.argv[1] + "/go"):
            pass
        writers = [tb.SummaryWriter(sys.argv[1] + "/run") for _ in range(5)]
        for index, writer in enumerate(writers):
            writer.add_scalar("loss", 1.0, 5 * number + index)
            writer.close()
        os._exit(0)
    children.append(pid)
open(sys.argv[1] + "/go", "w").close()
assert [os.waitpid(pid, 0)[1] for pid in children] == [0] * 12
"""
    if not hasattr(os, "fork"):
        code = "raise SystemExit"
    done = run_python(code, str(tmp_path))

    assert (done.returncode, done.stderr) == (0, "")
    assert len(list((tmp_path / "run").iterdir())) == 60
    assert logged(tmp_path / "run") == {"loss": list(range(60))}


def test_exceptions_in_with(tmp_path: Path) -> None:
    """An exception leaves `with` as it is, after all was written."""
    error = ValueError("mine")

    def train() -> None:
        with tb.SummaryWriter(tmp_path) as writer:
            for step in range(100):
                writer.add_scalar("loss", 1.0, step)
            raise error

    with pytest.raises(ValueError, match="mine") as caught:
        train()
    assert caught.value is error
    assert logged(tmp_path) == {"loss": list(range(100))}


ENDINGS = {
    "falls off the end": "",
    "sys.exit": "sys.exit(0)",
    "os._exit after flush": "writer.flush(); os._exit(0)",
    "at exit": "import atexit; atexit.register(lambda: writer.add_scalar('loss', 1.0, 1000))",
    "a thread goes on": "threading.Timer(0.3, writer.add_scalar, ('loss', 1.0, 1000)).start()",
    "in a function": "exec('def f():\\n w = tb.SummaryWriter(sys.argv[1])\\n w.add_scalar(\"loss\", 1.0, 1000)\\nf()')",
    "as a global of a class": "class C: w = writer\ndel writer",
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_ending_without_close(ending: str, tmp_path: Path) -> None:
    """However a program ends that closes nothing, all that it logged is there, and it ends in good time."""
    code = (
        "import os, sys, threading, time, tallyboard as tb\n"
        "writer = tb.SummaryWriter(sys.argv[1])\n"
        "for step in range(1000): writer.add_scalar('loss', 1.0, step)\n" + ENDINGS[ending]
    )
    done = run_python(code, str(tmp_path))

    assert (done.returncode, done.stderr) == (0, "")
    more = "1000" in ENDINGS[ending]
    assert logged(tmp_path) == {"loss": list(range(1000 + more))}


DAEMONS = """
import sys, threading, time, tallyboard as tb
writer = tb.SummaryWriter(sys.argv[1])
counts = [0] * 4


def work(name):
    while True:
        writer.add_scalar(f"t{name}", 1.0, counts[name])
        counts[name] += 1
        time.sleep(0.0001)
        if counts[name] % 100 == 0:
            writer.add_text("note", "x", counts[name])
        if name == 3:
            writer.close()


for name in range(4):
    threading.Thread(target=work, args=(name,), daemon=True).start()
while min(counts) < 200:
    time.sleep(0.001)
print(*counts)
"""


def test_daemon_threads_at_exit(tmp_path: Path) -> None:
    """Daemon threads that log, and close, while the interpreter exits: it ends, and has what came before that."""
    done = run_python(DAEMONS, str(tmp_path))

    assert (done.returncode, done.stderr) == (0, "")
    found = logged(tmp_path)
    for name, count in enumerate(map(int, done.stdout.split())):
        steps = found[f"t{name}"]
        assert steps == list(range(len(steps)))
        assert len(steps) >= count


MANY = """
import os, sys, resource
import numpy
import tallyboard as tb

resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))
with tb.SummaryWriter(sys.argv[1] + "/warm") as writer:
    writer.add_scalar("loss", 1.0, 0)
    writer.log({"a": 1.0}, 0)


def memory():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def count(what):
    return len(os.listdir(f"/proc/self/{what}"))


threads, before = count("task"), memory()
writers = [tb.SummaryWriter(f"{sys.argv[1]}/{number}") for number in range(1000)]
for step in range(3):
    for writer in writers:
        writer.add_scalar("loss", 1.0, step)
        writer.log({"a": 1.0, "b": 2.0}, step)
    for writer in writers:
        writer.flush()
print(count("task") - threads, count("fd"), (memory() - before) // 1000)
"""


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="counts threads, files and memory as Linux has them")
def test_a_thousand_open_writers(tmp_path: Path) -> None:
    """1,000 open writers take no thread more than one, well under 1 MB each, and few open files."""
    done = run_python(MANY, str(tmp_path))

    assert (done.returncode, done.stderr) == (0, "")
    threads, files, each = map(int, done.stdout.split())
    assert threads <= 1
    assert files < 200
    assert each < 100_000
    steps = Counter(tuple(series.step.tolist()) for series in tb.read(tmp_path).scalars().values())
    assert steps == {(0, 1, 2): 3000, (0,): 2}


def test_dropped_in_a_thread_over_a_slow_network(tmp_path: Path) -> None:
    """A writer that a thread drops, whose sink takes its time to close, holds up no other writer."""

    class Network(tb.MemorySink):
        def __init__(self) -> None:
            super().__init__()
            self.arrived = threading.Event()

        def wait(self) -> None:
            self.arrived.wait(120)

    network = Network()

    def drop() -> None:
        tb.SummaryWriter(sink=network).add_scalar("loss", 1.0, 0)

    thread = threading.Thread(target=drop)
    thread.start()
    thread.join()
    other = tb.SummaryWriter(tmp_path)
    other.add_scalar("loss", 1.0, 0)
    deadline = time.monotonic() + 60
    while not logged(tmp_path) and time.monotonic() < deadline:
        time.sleep(0.005)
    assert logged(tmp_path) == {"loss": [0]}
    assert not network.closed
    network.arrived.set()
    while not network.closed and time.monotonic() < deadline:
        time.sleep(0.005)
    assert network.closed
    other.close()
