"""Processes: forked, spawned and pooled ones that log to the writer they were given, and lose nothing."""

from __future__ import annotations

import copy
import importlib.util
import os
import pickle
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import tallyboard as tb

SRC = str(Path(tb.__file__).parents[1])
posix = pytest.mark.skipif(os.name == "nt", reason="there is no fork")


def run_program(folder: Path, code: str, *args: str) -> str:
    """Runs a program from a file, as spawned processes need it, with a time in which it must end."""
    path = folder / "program.py"
    path.write_text(textwrap.dedent(code))
    environment = {**os.environ, "PYTHONPATH": SRC, "PYTHONWARNINGS": "ignore::DeprecationWarning"}
    done = subprocess.run(
        [sys.executable, str(path), str(folder / "logs"), *args],
        capture_output=True,
        text=True,
        env=environment,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def points(logdir: Path) -> dict[str, list[int]]:
    """Steps by tag, sorted, of one run whose files are all whole."""
    found = tb.read(logdir)
    assert found.warnings == {}
    return {tag: sorted(series.step.tolist()) for (_, tag), series in found.scalars().items()}


LOADER = """
import sys
import torch
import tallyboard as tb


class Items(torch.utils.data.Dataset):
    def __init__(self, writer):
        self.writer = writer
        self.epoch = 0

    def __len__(self):
        return 200

    def __getitem__(self, index):
        if self.writer is not None:
            number = 200 * self.epoch + index
            self.writer.add_scalar("item", float(index), number)
            self.writer.log({"a": 1.0, "b": 2.0}, number)
            if index % 50 == 0:
                self.writer.add_text("note", str(index), number)
        return index


def main():
    writer = tb.SummaryWriter(sys.argv[1])
    items = Items(writer)
    for epoch in range(int(sys.argv[4])):
        items.epoch = epoch
        loader = torch.utils.data.DataLoader(
            items, batch_size=8, num_workers=int(sys.argv[3]), multiprocessing_context=sys.argv[2],
        )
        for step, _ in enumerate(loader):
            writer.add_scalar("train", 0.5, 25 * epoch + step)
    writer.close()


if __name__ == "__main__":
    main()
"""


@posix
@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="torch is not installed")
@pytest.mark.parametrize(("context", "workers", "epochs"), [("fork", 4, 5), ("spawn", 2, 1)])
def test_workers_of_a_data_loader(context: str, workers: int, epochs: int, tmp_path: Path) -> None:
    """A dataset that logs to the training's writer from a DataLoader's workers: all of it arrives, once."""
    run_program(tmp_path, LOADER, context, str(workers), str(epochs))

    numbers = list(range(200 * epochs))
    steps = list(range(25 * epochs))
    assert points(tmp_path / "logs") == {"item": numbers, "a": numbers, "b": numbers, "train": steps}
    texts = tb.read(tmp_path / "logs").texts()[".", "note/text_summary"]
    assert sorted(texts.step.tolist()) == [number for number in numbers if number % 50 == 0]


POOL = """
import multiprocessing, sys
import tallyboard as tb

writer = None


def begin(given):
    global writer
    writer = given


def work(number):
    writer.add_scalar("pool", 1.0, number)
    writer.add_hparams({"lr": 0.1}, run_name=f"try{number}") if number % 100 == 0 else None
    return number


def main():
    mine = tb.SummaryWriter(sys.argv[1])
    with multiprocessing.get_context(sys.argv[2]).Pool(3, begin, (mine,)) as pool:
        for number in pool.imap_unordered(work, range(300)):
            mine.add_scalar("main", 1.0, number)
    # the pool was terminated, which is SIGTERM for its processes


if __name__ == "__main__":
    main()
"""


@posix
@pytest.mark.parametrize("context", ["fork", "spawn"])
def test_pool_that_is_terminated(context: str, tmp_path: Path) -> None:
    """What the processes of a Pool logged is there although leaving `with` kills them by SIGTERM at once."""
    run_program(tmp_path, POOL, context)

    assert points(tmp_path / "logs") == {"pool": list(range(300)), "main": list(range(300))}


EXECUTOR = """
import concurrent.futures, multiprocessing, sys
import tallyboard as tb


def work(writer, number):
    writer.add_scalar("executor", 1.0, number)
    own = tb.SummaryWriter(sys.argv[1])  # never closed
    own.add_scalar("own", 1.0, number)


def main():
    writer = tb.SummaryWriter(sys.argv[1])
    context = multiprocessing.get_context(sys.argv[2])
    with concurrent.futures.ProcessPoolExecutor(2, mp_context=context) as executor:
        list(executor.map(work, [writer] * 40, range(40)))


if __name__ == "__main__":
    main()
"""


@posix
@pytest.mark.parametrize("context", ["fork", "spawn"])
def test_executor_whose_writers_are_not_closed(context: str, tmp_path: Path) -> None:
    """Writers pickled for each task, and writers made in it, have written all when the process ends."""
    run_program(tmp_path, EXECUTOR, context)

    assert points(tmp_path / "logs") == {"executor": list(range(40)), "own": list(range(40))}


FORKS = """
import os, sys, threading
import numpy as np
import tallyboard as tb
from tallyboard.core import pump

pump._FORK_WAITS = 60.0  # a disk that hangs is another test's affair
writer = tb.SummaryWriter(sys.argv[1], flush_secs=0.005)
picture = np.zeros((3, 64, 64), np.uint8)
stop = threading.Event()
counts = [0] * 6


def work(name):
    while not stop.is_set():
        writer.add_scalar(f"thread{name}", 1.0, counts[name])
        counts[name] += 1
        if counts[name] % 50 == 0:
            writer.flush()
        if name == 0 and counts[name] % 20 == 0:
            writer.add_image("picture", picture, counts[name])  # so that the thread that writes is always busy


threads = [threading.Thread(target=work, args=(name,)) for name in range(6)]
for thread in threads:
    thread.start()
children = []
for number in range(40):
    pid = os.fork()
    if pid == 0:
        try:
            for step in range(100):
                writer.add_scalar("child", 1.0, 100 * number + step)
            if number % 4 == 0:
                writer.add_image("of a child", picture, number)
            if number % 2:
                writer.flush()
            else:
                writer.close()
            os._exit(0)
        finally:
            os._exit(1)
    children.append(pid)
    if len(children) == 4:
        assert [os.waitpid(child, 0)[1] for child in children] == [0] * 4
        children.clear()
stop.set()
for thread in threads:
    thread.join()
writer.close()
print(*counts)
"""


@posix
def test_forks_among_busy_threads(tmp_path: Path) -> None:
    """Forked at any moment of six logging threads and of the one that writes, 40 children neither hang nor lose."""
    counts = [int(count) for count in run_program(tmp_path, FORKS).split()]

    expected = {f"thread{name}": list(range(count)) for name, count in enumerate(counts)}
    assert points(tmp_path / "logs") == expected | {"child": list(range(4000))}


WORKERS = """
import multiprocessing, os, sys, time
import tallyboard as tb


def work(writer, place):
    mine = tb.SummaryWriter(place)
    mine.add_hparams({"lr": 0.1}, {"loss": 0.0})
    for step in range(100):
        writer.add_scalar("worker", 1.0, step)
        mine.add_scalar("mine", 1.0, step)
    if sys.argv[3] == "raises":
        sys.stderr = open("/dev/null", "w")
        raise ValueError
    if sys.argv[3] == "is terminated":
        open(place + ".ready", "w").close()
        time.sleep(3600)


def main():
    writer = tb.SummaryWriter(sys.argv[1])
    process = multiprocessing.get_context(sys.argv[2]).Process(target=work, args=(writer, sys.argv[1] + "/own"))
    process.start()
    if sys.argv[3] == "is terminated":
        while not os.path.exists(sys.argv[1] + "/own.ready"):
            assert process.is_alive()
            time.sleep(0.01)
        process.terminate()
    process.join()
    print(process.exitcode)


if __name__ == "__main__":
    main()
"""


@posix
@pytest.mark.parametrize("context", ["fork", "spawn"])
@pytest.mark.parametrize(("end", "code"), [("returns", 0), ("raises", 1), ("is terminated", -signal.SIGTERM)])
def test_worker_ends(context: str, end: str, code: int, tmp_path: Path) -> None:
    """However a worker of multiprocessing ends, it has written all: into its parent's run, and into one of its own."""
    out = run_program(tmp_path, WORKERS, context, end)

    assert int(out.split()[-1]) == code
    scalars = tb.read(tmp_path / "logs").scalars()
    assert scalars[".", "worker"].step.tolist() == list(range(100))
    assert scalars["own", "mine"].step.tolist() == list(range(100))


def test_pickled_writer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pickled or copied writer is one of the same directory, with a file of its own and without `purge_step`."""
    monkeypatch.chdir(tmp_path)
    with tb.SummaryWriter("run", purge_step=5, filename_suffix=".x", auto_step=True) as writer:
        writer.add_scalar("loss", 1.0, 7)
        writer.flush()
        data = pickle.dumps(writer)
        (tmp_path / "elsewhere").mkdir()
        monkeypatch.chdir(tmp_path / "elsewhere")
        with pickle.loads(data) as other, copy.deepcopy(writer) as third:
            other.add_scalar("loss", 2.0, 8)
            third.add_scalar("loss", 3.0)

    files = sorted(path.name for path in (tmp_path / "run").iterdir())
    assert len(files) == 3
    assert all(name.endswith(".x") for name in files)
    assert points(tmp_path / "run") == {"loss": [0, 7, 8]}


def test_subclass_and_sink_are_pickled(tmp_path: Path) -> None:
    """A subclass stays one, whatever its __init__ takes; a writer with a sink takes that along."""
    writer = Named("run one", tmp_path)
    again = pickle.loads(pickle.dumps(writer))
    assert type(again) is Named
    assert again.log_dir == writer.log_dir
    writer.close()
    again.close()
    with tb.SummaryWriter(sink=tb.MemorySink()) as first:
        first.add_scalar("loss", 1.0, 1)
        first.flush()
        with pickle.loads(pickle.dumps(first)) as second:
            second.add_scalar("loss", 1.0, 2)
            second.flush()
            assert [event.step for event in second._sink.inner.events] == [1, 2]


class Named(tb.SummaryWriter):
    """A writer whose class takes other arguments."""

    def __init__(self, name: str, folder: Path) -> None:
        super().__init__(folder / name)
