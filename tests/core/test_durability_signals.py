"""SIGTERM and Ctrl-C: what was logged is on disk, and the program ends as it would have without us.

Most programs here are forked from one that has everything loaded, so that many of them can be killed in a few seconds.
"""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import tallyboard as tb

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals are POSIX's")
SRC = str(Path(tb.__file__).parents[1])


def run_python(code: str, *args: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": SRC}
    return subprocess.run(
        [sys.executable, "-c", code, *args],
        capture_output=True,
        text=True,
        env=environment,
        timeout=300,
        check=False,
    )


def steps(logdir: Path, tag: str = "loss") -> list[int]:
    """The steps of a scalar, and that the files they stand in are whole."""
    logdir_read = tb.read(logdir)
    assert logdir_read.warnings == {}
    series = logdir_read.scalars().get((".", tag))
    return [] if series is None else series.step.tolist()


def status(logdir: Path) -> str | None:
    """How TensorBoard sees that the session of a run ended, or None."""
    plugin = pytest.importorskip("tensorboard.plugins.hparams.plugin_data_pb2")
    api = pytest.importorskip("tensorboard.plugins.hparams.api_pb2")
    loaders = pytest.importorskip("tensorboard.backend.event_processing.event_file_loader")
    found = [
        plugin.HParamsPluginData.FromString(value.metadata.plugin_data.content).session_end_info.status
        for path in sorted(logdir.glob("*tfevents*"))
        for event in loaders.EventFileLoader(str(path)).Load()
        for value in event.summary.value
        if value.tag == "_hparams_/session_end_info"
    ]
    return api.Status.Name(found[0]) if found else None


STORM = r"""
import json, mmap, os, random, signal, sys, threading, time
import tallyboard as tb
from tallyboard.core import ending

ending.GRACE = 90.0  # a disk that takes its time is another test's affair
root, turns, most = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
random.seed(turns * most)
with tb.SummaryWriter(root + "/warm") as writer:
    writer.add_scalar("loss", 1.0, 0)
    writer.add_text("note", "x", 0)
    writer.log({"a": 1.0, "b": 2.0}, 0)


def work(place, counter):
    writer = tb.SummaryWriter(place)

    def beside():
        step = 0
        while True:
            writer.add_scalar("beside", 1.0, step)
            step += 1
            if step % 40 == 0:
                writer.flush()
            time.sleep(0)

    threading.Thread(target=beside, daemon=True).start()
    step = 0
    while True:
        writer.add_scalar("loss", step * 0.5, step)
        counter[:8] = step.to_bytes(8, "little")
        step += 1
        if step % 7 == 0:
            writer.log({"a": 1.0, "b": 2.0}, step)
        if step % 31 == 0:
            writer.add_text("note", "x", step)
        if step % 50 == 0:
            writer.flush()
        if step % 333 == 0:
            writer.close()


out = []
for turn in range(turns):
    counter = mmap.mmap(-1, 8)
    pid = os.fork()
    if pid == 0:
        try:
            work(f"{root}/{turn}", counter)
        finally:
            os._exit(99)
    while not any(counter[:8]):
        time.sleep(0.0005)
    time.sleep(random.random() * 0.03)
    logged = int.from_bytes(counter[:8], "little")
    for _ in range(random.randint(1, most)):
        os.kill(pid, signal.SIGTERM)
        time.sleep(random.random() * 0.0005)
    deadline = time.monotonic() + 60
    ended = (0, None)
    while ended[0] == 0 and time.monotonic() < deadline:
        ended = os.waitpid(pid, os.WNOHANG)
        time.sleep(0.0005)
    if ended[0] == 0:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    out.append((logged, ended[1]))
print(json.dumps(out))
"""


@pytest.mark.parametrize(("turns", "most"), [(25, 1), (25, 6)], ids=["one", "storm"])
def test_sigterm_at_random_moments_loses_nothing(turns: int, most: int, tmp_path: Path) -> None:
    """Killed by SIGTERM anywhere in its logging, once or again and again, a program has all on disk and dies by it."""
    done = run_python(STORM, str(tmp_path), str(turns), str(most))

    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    results = json.loads(done.stdout)
    assert [ended for _, ended in results] == [signal.SIGTERM] * turns  # the wait status of a death by this signal
    for turn, (logged, _) in enumerate(results):
        found = steps(tmp_path / str(turn))
        assert found == list(range(len(found)))
        assert len(found) > logged
        beside = steps(tmp_path / str(turn), "beside")
        assert beside == list(range(len(beside)))


REOPENED = """
import os, signal, sys, threading, time
import tallyboard as tb

writer = tb.SummaryWriter(sys.argv[1])
writer.add_scalar("loss", 1.0, 0)
writer.close()
step = int(sys.argv[2])
thread = threading.Thread(target=lambda: [writer.add_scalar("loss", 1.0, i) for i in range(1, step)])
thread.start()  # it opens the writer again, where Python lets nobody say what a signal does
thread.join()
for i in range(step, 200):
    writer.add_scalar("loss", 1.0, i)
os.kill(os.getpid(), signal.SIGTERM)
while True:
    time.sleep(0.01)
"""


@pytest.mark.parametrize("step", [2, 100, 200], ids=["one of it", "half of it", "all of it"])
def test_sigterm_where_another_thread_opened_the_writer(step: int, tmp_path: Path) -> None:
    """A writer that another thread opened, or opened again, is closed on SIGTERM as one of the main thread's is."""
    done = run_python(REOPENED, str(tmp_path), str(step))

    assert (done.returncode, done.stderr) == (-signal.SIGTERM, "")
    assert steps(tmp_path) == list(range(200))


ENDS = """
import os, signal, sys, threading, time
import tallyboard as tb
writer = tb.SummaryWriter(sys.argv[1])
writer.add_hparams({"lr": 0.1}, {"accuracy": 0.0})
for step in range(100):
    writer.add_scalar("loss", 1.0, step)
"""
KILL = "os.kill(os.getpid(), signal.SIGTERM)\n"
FOREVER = "while True: time.sleep(0.01)\n"


@pytest.mark.parametrize(
    ("ending", "code", "how"),
    [
        (KILL + FOREVER, -signal.SIGTERM, "STATUS_FAILURE"),
        (KILL + "print('goes on', flush=True)\n" + FOREVER, -signal.SIGTERM, "STATUS_FAILURE"),
        ("signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))\n" + KILL + FOREVER, 7, "STATUS_SUCCESS"),
        ("signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + KILL, 0, "STATUS_SUCCESS"),
        ("writer.close()\n" + KILL + FOREVER, -signal.SIGTERM, "STATUS_SUCCESS"),
        ("threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGTERM)).start()\n", -signal.SIGTERM, "STATUS_FAILURE"),
        ("import atexit; atexit.register(lambda: os.kill(os.getpid(), signal.SIGTERM))\n", None, None),
    ],
    ids=["killed", "prints", "exits", "ignores", "closed before", "waits for a thread", "as it ends"],
)
def test_sigterm_ends_the_program_its_own_way(ending: str, code: int | None, how: str | None, tmp_path: Path) -> None:
    """Exit status and session status after SIGTERM: our handler only counts where the program has none of its own."""
    done = run_python(ENDS + ending, str(tmp_path))

    assert done.stderr == ""
    assert set(range(100)) <= set(steps(tmp_path))
    if code is None:  # on its way out it may still end by itself
        assert done.returncode in (0, -signal.SIGTERM)
        return
    assert done.returncode == code
    assert status(tmp_path) == how


def test_calling_our_handler_logs_first(tmp_path: Path) -> None:
    """What a program's own handler logs before it calls ours is on disk."""
    code = (
        ENDS
        + "old = signal.getsignal(signal.SIGTERM)\n"
        + "signal.signal(signal.SIGTERM, lambda *given: (writer.add_scalar('loss', 1.0, 100), old(*given)))\n"
        + KILL
        + FOREVER
    )
    assert run_python(code, str(tmp_path)).returncode == -signal.SIGTERM
    assert steps(tmp_path) == list(range(101))


HANDLERS = """
import os, signal, sys, threading, time
import tallyboard as tb

def now():
    return signal.getsignal(signal.SIGTERM)

def mine(*_):
    raise SystemExit(3)

assert now() is signal.SIG_DFL
first = tb.SummaryWriter(sys.argv[1])
ours = now()
assert callable(ours)
second = tb.SummaryWriter(sys.argv[1])
first.close()
assert now() is ours
second.close()
assert now() is signal.SIG_DFL  # nothing is open: as if we were not there
first.add_scalar("a", 1.0, 0)
assert now() is ours
signal.signal(signal.SIGTERM, mine)  # the program's own, from here on
first.close()
assert now() is mine
with tb.SummaryWriter(sys.argv[1]):
    assert now() is mine
signal.signal(signal.SIGTERM, signal.SIG_IGN)
with tb.SummaryWriter(sys.argv[1]):
    assert now() is signal.SIG_IGN
signal.signal(signal.SIGTERM, signal.SIG_DFL)
thread = threading.Thread(target=lambda: first.add_scalar("a", 1.0, 1))
thread.start()
thread.join()
deadline = time.monotonic() + 60
while now() is signal.SIG_DFL and time.monotonic() < deadline:
    time.sleep(0.001)
assert now() is ours  # opened in a thread, where Python allows no handler: the main one has set it since
second.add_scalar("a", 1.0, 2)
assert now() is ours
if os.fork() == 0:
    assert now() is signal.SIG_DFL  # a child that logs nothing is killed at once
    second.add_scalar("a", 1.0, 3)
    assert now() is ours
    os.kill(os.getpid(), signal.SIGTERM)
    while True:
        signal.pause()
assert os.wait()[1] == signal.SIGTERM
print("done")
"""


def test_handler_is_a_guest(tmp_path: Path) -> None:
    """Our handler is there only while a writer is open, and where nobody else cares for the signal."""
    done = run_python(HANDLERS, str(tmp_path))

    assert (done.returncode, done.stdout, done.stderr) == (0, "done\n", "")
    assert sorted(steps(tmp_path, "a")) == [0, 1, 2, 3]


C_HANDLER = """
import ctypes, os, signal, sys
import tallyboard as tb
libc = ctypes.CDLL(None)
libc.signal.argtypes, libc.signal.restype = (ctypes.c_int, ctypes.c_void_p), ctypes.c_void_p
exit_now = ctypes.cast(libc._exit, ctypes.c_void_p)
libc.signal(signal.SIGTERM, exit_now)  # a library's own handler: it ends with the signal's number as its status
writer = tb.SummaryWriter(sys.argv[1])
assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
os.kill(os.getpid(), signal.SIGTERM)
signal.pause()
"""


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="asks Linux which signals are caught")
def test_handler_in_c_is_not_replaced(tmp_path: Path) -> None:
    """A handler that a library set in C, which Python does not know of, keeps its place."""
    done = run_python(C_HANDLER, str(tmp_path))

    assert (done.returncode, done.stderr) == (signal.SIGTERM, "")


HUNG = """
import os, signal, sys, threading, time
import tallyboard as tb
from tallyboard.core import ending
ending.GRACE = 0.5

class Hung(tb.MemorySink):
    def flush(self):
        threading.Event().wait()

first = tb.SummaryWriter(sink=Hung())
first.add_scalar("loss", 1.0, 1)
os.kill(os.getpid(), signal.SIGTERM)
while True:
    time.sleep(0.01)
"""


def test_disk_that_hangs_does_not_keep_it_alive(tmp_path: Path) -> None:
    """When closing takes too long, the process dies all the same."""
    assert run_python(HUNG, str(tmp_path)).returncode == -signal.SIGTERM


BUSY = """
import os, signal, sys, time
import tallyboard as tb
writer = tb.SummaryWriter(sys.argv[1])
for step in range(1000):
    writer.add_scalar("loss", 1.0, step)
os.kill(os.getpid(), signal.SIGTERM)
"""


@pytest.mark.parametrize("what", ["time.sleep(3600)", "while True: pass"])
def test_main_thread_that_goes_on(what: str, tmp_path: Path) -> None:
    """Once the signal was seen, the process ends although the main thread goes into something long."""
    assert run_python(BUSY + what, str(tmp_path)).returncode == -signal.SIGTERM
    assert steps(tmp_path) == list(range(1000))


CTRL_C = r"""
import mmap, os, random, signal, sys, threading, time
import tallyboard as tb

root, turns = sys.argv[1], int(sys.argv[2])
random.seed(turns)
with tb.SummaryWriter(root + "/warm") as writer:
    writer.add_scalar("loss", 1.0, 0)


armed = False


def interrupt(*_):
    global armed
    if armed:
        armed = False
        raise KeyboardInterrupt


def work(place, started):
    global armed
    signal.signal(signal.SIGINT, interrupt)
    writer = tb.SummaryWriter(place)
    step = 0
    while step < 20000:
        try:
            armed = True
            while step < 20000:
                writer.add_scalar("loss", 1.0, step)
                step += 1
                started[0] = 1
                if step % 20 == 0:
                    writer.flush()
            armed = False
        except KeyboardInterrupt:  # as a notebook's user has it; the call that was interrupted may have logged or not
            pass
    writer.close()


for turn in range(turns):
    started = mmap.mmap(-1, 1)
    pid = os.fork()
    if pid == 0:
        try:
            work(f"{root}/{turn}", started)
        finally:
            os._exit(0)
    while not started[0]:
        time.sleep(0.0005)
    while os.waitpid(pid, os.WNOHANG)[0] == 0:
        os.kill(pid, signal.SIGINT)
        time.sleep(random.random() * 0.002)
"""


def test_ctrl_c_anywhere_loses_and_doubles_nothing(tmp_path: Path) -> None:
    """KeyboardInterrupt out of flush or add_scalar, hundreds of times, leaves every step in its file once, in order."""
    done = run_python(CTRL_C, str(tmp_path), "6")

    assert (done.returncode, done.stderr) == (0, "")
    for turn in range(6):
        found = steps(tmp_path / str(turn))
        assert sorted(set(found)) == list(range(20000))
        assert found == sorted(found)


REENTER = r"""
import itertools, os, random, signal, sys, threading, time
import tallyboard as tb
random.seed(3)
writer = tb.SummaryWriter(sys.argv[1])
numbers = itertools.count()  # one may come while another is handled
handled = depth = 0

def handler(*_):
    global handled, depth
    if depth == 8:  # on a slow machine they come faster than they are handled
        return
    depth += 1
    number = next(numbers)
    writer.add_scalar("handler", 1.0, number)
    writer.add_text("note", "x", number)
    writer.flush() if number % 3 else writer.close()
    handled = max(handled, number)
    depth -= 1

signal.signal(signal.SIGALRM, handler)
signal.setitimer(signal.ITIMER_REAL, 0.0007, 0.0007)
step = 0
while handled < 700:
    writer.add_scalar("loss", 1.0, step)
    step += 1
    if step % 11 == 0:
        writer.flush()
    if step % 50 == 0:
        writer.add_text("note", "x", step)
    if step % 101 == 0:
        writer.close()
signal.setitimer(signal.ITIMER_REAL, 0)
writer.close()
print(step, next(numbers))
"""


def test_handlers_may_log_flush_and_close(tmp_path: Path) -> None:
    """A signal handler of the program's own that logs, flushes and closes, in the midst of the same, never hangs."""
    done = run_python(REENTER, str(tmp_path))

    assert (done.returncode, done.stderr) == (0, "")
    logged, handled = map(int, done.stdout.split())
    assert sorted(steps(tmp_path)) == list(range(logged))
    assert sorted(steps(tmp_path, "handler")) == list(range(handled))


LIGHTNING = """
import os, signal, sys, warnings
warnings.simplefilter("ignore")
import torch, pytorch_lightning as pl
import tallyboard as tb

writer = tb.SummaryWriter(sys.argv[1])
ours = signal.getsignal(signal.SIGTERM)
assert callable(ours)

class Model(pl.LightningModule):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(2, 1)
    def training_step(self, batch, index):
        writer.add_scalar("loss", 1.0, index)
        if index == 3:
            os.kill(os.getpid(), signal.SIGTERM)
        return self.layer(batch).sum()
    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)

trainer = pl.Trainer(max_epochs=1, logger=False, enable_checkpointing=False, enable_progress_bar=False,
                     enable_model_summary=False, accelerator="cpu", barebones=False)
try:
    trainer.fit(Model(), torch.utils.data.DataLoader(torch.ones(20, 2)))
except BaseException as error:
    print(type(error).__name__)
print(signal.getsignal(signal.SIGTERM) is ours)
"""


@pytest.mark.skipif(importlib.util.find_spec("pytorch_lightning") is None, reason="Lightning is not installed")
def test_lightning_ends_a_training_its_own_way(tmp_path: Path) -> None:
    """Lightning's handler calls ours, which it found: that does not cut short what Lightning does on SIGTERM."""
    done = run_python(LIGHTNING, str(tmp_path))

    assert (done.returncode, done.stdout.split()) == (0, ["SIGTERMException", "True"]), done.stderr
    assert steps(tmp_path) == [0, 1, 2, 3]
