"""kill -9: everything that flush() returned from is read back, by tallyboard and by TensorBoard."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import tallyboard as tb

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals are POSIX's")
SRC = str(Path(tb.__file__).parents[1])
TURNS = 50

KILLED = r"""
import json, mmap, os, random, signal, sys, time
import numpy as np
import tallyboard as tb

root, turns = sys.argv[1], int(sys.argv[2])
random.seed(turns)
values = np.random.default_rng(0).normal(size=300).astype(np.float32)
picture = np.random.default_rng(0).integers(0, 255, (3, 24, 24), np.uint8)


def log(writer, step):
    writer.add_scalar("scalar", step * 0.5, step)
    writer.log({"a": step * 1.0, "b": step * 2.0}, step)
    writer.add_histogram("histogram", values + step, step)
    writer.add_image("image", picture, step)
    writer.add_text("text", str(step), step)


with tb.SummaryWriter(root + "/warm") as writer:  # everything is loaded now, for the processes forked from this one
    log(writer, 0)


def work(place, flushed):
    writer = tb.SummaryWriter(place)
    step = 0
    while True:
        log(writer, step)
        step += 1
        if step % 3 == 0:
            writer.flush()
            flushed[:8] = step.to_bytes(8, "little")


out = []
for turn in range(turns):
    flushed = mmap.mmap(-1, 8)
    pid = os.fork()
    if pid == 0:
        try:
            work(f"{root}/{turn}", flushed)
        finally:
            os._exit(1)
    while not any(flushed[:8]):
        time.sleep(0.0002)
    time.sleep(random.random() * 0.02)
    os.kill(pid, signal.SIGKILL)
    assert os.waitpid(pid, 0)[1] == signal.SIGKILL
    out.append(int.from_bytes(flushed[:8], "little"))
print(json.dumps(out))
"""


def test_kill_at_fifty_random_moments(tmp_path: Path) -> None:
    """Killed while it logs scalars, histograms, pictures and texts, a process loses none that it had flushed."""
    accumulators = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path), str(TURNS)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": SRC},
        timeout=300,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    flushed = json.loads(done.stdout)
    assert len(flushed) == TURNS
    assert min(flushed) >= 3

    everything = dict.fromkeys(("scalars", "tensors", "histograms", "images", "compressedHistograms"), 0)
    for turn, count in enumerate(flushed):
        place = tmp_path / str(turn)
        mine = tb.read(place)
        for tag, factor in (("scalar", 0.5), ("a", 1.0), ("b", 2.0)):
            series = mine.scalars()[".", tag]
            assert series.step.tolist() == list(range(len(series)))
            assert series.value.tolist() == [factor * step for step in range(len(series))]
            assert len(series) >= count
        run = mine["."]
        for kept in (run.histograms("histogram"), run.images("image"), run.text("text/text_summary")):
            assert kept.step.tolist() == list(range(len(kept)))
            assert len(kept) >= count
        assert mine.warnings == {}

        theirs = accumulators.EventAccumulator(str(place), size_guidance=everything)
        theirs.Reload()
        for tag in ("scalar", "a", "b"):
            steps = [point.step for point in theirs.Scalars(tag)]
            assert steps == list(range(len(steps)))
            assert len(steps) >= count
        for kept in (theirs.Histograms("histogram"), theirs.Images("image"), theirs.Tensors("text/text_summary")):
            steps = [one.step for one in kept]
            assert steps == list(range(len(steps)))
            assert len(steps) >= count
