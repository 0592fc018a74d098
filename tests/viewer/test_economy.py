"""What the viewer's process takes of the machine: one heap, and nothing loaded that its answers do not need."""

from __future__ import annotations

import itertools
import json
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tallyboard as tb

HEAP = 64 << 20
"""Bytes of address space that glibc keeps for the heap of one more thread, at a multiple of them."""

NO_GLIBC = platform.libc_ver()[0] != "glibc"

THREADS = """
import sys, threading
if sys.argv[1:]:
    from tallyboard.viewer.economy import be_frugal
    be_frugal()
from concurrent.futures import ThreadPoolExecutor
import numpy as np
gate = threading.Barrier(4)
def work(_):
    gate.wait()
    return np.ones(1000)
with ThreadPoolExecutor(4) as pool:
    held = list(pool.map(work, range(4)))
    print(open("/proc/self/maps").read())
"""


def heaps(maps: str) -> int:
    """How many heaps of threads there are in a process, by its map of memory."""
    found = 0
    spans = [[int(end, 16) for end in line.split()[0].split("-")] for line in maps.splitlines() if line]
    for (start, middle), (after, end) in itertools.pairwise(spans):
        found += start % HEAP == 0 and middle == after and end - start == HEAP
    return found


def logdir_with_all(logdir: Path) -> None:
    """Scalars, histograms, pictures and text of one run."""
    with tb.SummaryWriter(logdir / "run") as writer:
        for step in range(40):
            writer.add_scalar("loss", 1 / (step + 1), step)
            writer.add_histogram("weights", np.arange(100.0) + step, step)
            writer.add_image("shown", np.full((3, 8, 8), step, np.uint8), step)
            writer.add_text("said", "*words*", step)


@pytest.mark.skipif(NO_GLIBC, reason="another C library has no such heaps")
def test_threads_share_one_heap() -> None:
    """However many threads of the viewer work side by side, none has a heap of its own; without this, they do."""

    def count(*frugal: str) -> int:
        return heaps(subprocess.check_output([sys.executable, "-c", THREADS, *frugal], text=True))

    assert count() >= 3
    assert count("frugal") == 0


@pytest.mark.skipif(NO_GLIBC, reason="another C library has no such heaps")
def test_the_server_has_one_heap(command: Any, tmp_path: Path, until: Any) -> None:
    """A server that has read a logdir, and answered in several threads, has the heap that it began with alone."""
    logdir_with_all(tmp_path)
    viewer = command("--logdir", ".", "--port", "0", "--cache", "off")
    viewer.wait_for_line()
    until(lambda: viewer.served.get("/api/runs").json()["state"] == "ready")
    asked = json.dumps({"series": [{"run": "run", "tag": "weights"}]}).encode()
    for _ in range(3):
        assert viewer.served.post("/api/histograms", asked, Sec_Fetch_Site="same-origin").status == 200
        assert viewer.served.get("/api/facts").status == 200

    maps = Path(f"/proc/{viewer.process.pid}/maps").read_text()

    assert heaps(maps) == 0


ANSWERS = """
import sys
from tallyboard.core.reader import LogdirReader
from tallyboard.viewer.histograms import Question, answer
reader = LogdirReader(".")
reader.poll()
class Context:
    store, fetch = reader.store, reader.fetch
assert len(answer(Context, Question((("run", "weights"),)))) > 1000
assert len(reader.store.scalars("run", "loss").step) == 40
print("numpy.ma" in sys.modules)
"""


def test_masked_arrays_are_not_loaded(command: Any, tmp_path: Path) -> None:
    """Reading a logdir and counting its histograms needs no masked arrays, which NumPy's `unique` would load."""
    logdir_with_all(tmp_path)
    assert command(program=("-c", ANSWERS)).finish() == (0, "False\n", "")
