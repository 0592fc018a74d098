"""Several real processes write at once while two readers follow: nothing is lost, nothing comes twice."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path

from tallyboard.core.follow import Follower
from tallyboard.core.reader import LogdirReader

DEADLINE = 60.0
APART = 100_000_000
"""Between the first steps of processes that write until they are killed: more than any of them writes."""

ROTATING = """
import sys, time, tallyboard as tb
step = 0
for _ in range(6):
    with tb.SummaryWriter(sys.argv[1], flush_secs=0.01) as writer:
        for _ in range(500):
            writer.add_scalar("loss", step / 2, step)
            writer.add_scalar("acc", step / 4, step)
            step += 1
            if step % 50 == 0:
                time.sleep(0.005)
"""

KILLED = """
import sys, itertools, tallyboard as tb
writer = tb.SummaryWriter(sys.argv[1])
for step in itertools.count(int(sys.argv[2])):
    writer.add_scalar("loss", step, step)
    writer.flush()
    print(step, flush=True)
"""

RAW = """
import os, sys, time
from tallyboard.core.record import frame
from tallyboard.core.summary import Event, scalar
from tallyboard.core.wire import encode_event, encode_file_version

def data(steps, tag):
    head = frame(encode_file_version(time.time()))
    return head + b"".join(frame(encode_event(Event(i, time.time(), scalar(tag, i / 2)))) for i in steps)

os.makedirs(sys.argv[1])
path = os.path.join(sys.argv[1], "events.out.tfevents.1.raw")
"""

TRUNCATING = (
    RAW
    + """
for round in range(8):
    with open(path, "wb", buffering=0) as file:
        whole = data(range(300 + round), f"tag{round % 2}")
        for at in range(0, len(whole), 1000):
            file.write(whole[at : at + 1000])
            time.sleep(0.001)
    time.sleep(0.05 * (round % 3))
"""
)

IN_PIECES = (
    RAW
    + """
whole = data(range(400), "loss")
with open(path, "wb", buffering=0) as file:
    for at in range(0, len(whole), 13):
        file.write(whole[at : at + 13])
"""
)

LATE = """
import sys, time, tallyboard as tb
for i in range(15):
    time.sleep(0.02)
    with tb.SummaryWriter(f"{sys.argv[1]}/group{i % 3}/run{i}") as writer:
        for step in range(100):
            writer.add_scalar("loss", step, step)
    with tb.SummaryWriter(f"{sys.argv[1]}/group0/run0") as late:  # a late file in a run that is there
        late.add_scalar("loss", i, 1000 + i)
"""


def start(program: str, *arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", program, *map(str, arguments)], stdout=subprocess.PIPE, text=True)


class Following:
    """A thread that follows, and looks on as it does whether a run's steps ever come twice or out of order."""

    def __init__(self, logdir: Path, *, watching: bool) -> None:
        self.reader = LogdirReader(logdir)
        self.follower = Follower(self.reader, watching=watching)
        self.stopping = threading.Event()
        self.torn: list[list[int]] = []
        self.looks = 0
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self) -> None:
        while not self.stopping.is_set():
            if self.follower.poll():
                self.looks += 1
                found = self.steps("rotating")
                if found != list(range(len(found))):
                    self.torn.append(found)
            self.follower.wait(self.stopping)

    def steps(self, run: str, tag: str = "loss") -> list[int]:
        series = self.reader.store.scalars(run, tag)
        return [] if series is None else series.step.tolist()

    def end(self) -> None:
        self.stopping.set()
        self.thread.join(DEADLINE)
        self.follower.close()


def kill_three_times(folder: Path, readers: list[Following]) -> tuple[list[int], list[int]]:
    """Processes killed at work, each when it has written a while and every reader has looked at that.

    Returns the steps that were surely written, and the first step of each process.
    """
    sure: list[int] = []
    begins = [0, APART, 2 * APART]
    for begin in begins:
        process = start(KILLED, folder, begin)
        assert process.stdout is not None
        before = [reader.looks for reader in readers]
        end = time.monotonic() + DEADLINE
        sure += [int(process.stdout.readline()) for _ in range(60)]
        while any(reader.looks < seen + 2 for reader, seen in zip(readers, before, strict=True)):
            assert time.monotonic() < end, [reader.looks for reader in readers]
            sure.append(int(process.stdout.readline()))
        process.kill()
        rest, _ = process.communicate()
        sure += [int(line) for line in rest.splitlines(keepends=True) if line.endswith("\n")]
    return sure, begins


def test_nothing_is_lost_and_nothing_doubled(tmp_path: Path) -> None:
    """Rotation, truncation, kill -9, late files, torn writes, from several processes: every reader ends with all."""
    readers = [Following(tmp_path, watching=True), Following(tmp_path, watching=False)]
    try:
        writers = [
            start(ROTATING, tmp_path / "rotating"),
            start(TRUNCATING, tmp_path / "truncating"),
            start(IN_PIECES, tmp_path / "pieces"),
            start(LATE, tmp_path / "late"),
        ]
        sure, begins = kill_three_times(tmp_path / "killed", readers)
        assert [writer.wait(DEADLINE) for writer in writers] == [0] * 4
        for writer in writers:
            writer.communicate()
        late = {f"late/group{i % 3}/run{i}": [*range(100)] for i in range(1, 15)}
        late["late/group0/run0"] = [*range(100), *range(1000, 1015)]
        wanted = {
            "rotating": [*range(3000)],
            "pieces": [*range(400)],
            **late,
        }
        end = time.monotonic() + DEADLINE
        for reader in readers:
            while any(reader.steps(run) != steps for run, steps in wanted.items()) or not (
                len(reader.steps("truncating", "tag1")) == 307
                and not reader.steps("truncating", "tag0")
                and set(sure) <= set(reader.steps("killed"))
            ):
                assert time.monotonic() < end, {run: len(reader.steps(run)) for run in wanted}
                time.sleep(0.01)
            assert reader.steps("rotating", "acc") == [*range(3000)]
            assert reader.steps("truncating", "tag1") == [*range(307)]
            killed = reader.steps("killed")
            parts = [[step for step in killed if begin <= step < begin + APART] for begin in begins]
            assert [step for part in parts for step in part] == killed
            assert parts == [[*range(begin, begin + len(part))] for begin, part in zip(begins, parts, strict=True)]
            kinds = {info.name: {warned.kind for warned in info.warnings} for info in reader.reader.store.runs()}
            assert {run for run, said in kinds.items() if said} <= {"truncating"}
            assert kinds["truncating"] <= {"file_replaced"}
    finally:
        for reader in readers:
            reader.end()
    assert [reader.torn for reader in readers] == [[], []]
