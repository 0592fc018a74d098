"""One new point in a logdir that is followed: how soon it is in the store, and what it costs, among ever more runs.

    python benchmarks/bench_follow.py [points]

A point is written to a file of one run; what is measured is the time until the store has it, and the processor time of
this process from the write on, the following thread's and that of the library that hears the system. Then nothing is
written for five seconds, and the processor time of that is measured too.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path

from bench_second_start import NAME, write

from tallyboard.core.follow import Follower
from tallyboard.core.reader import LogdirReader
from tallyboard.core.record import frame
from tallyboard.core.summary import Event, scalar
from tallyboard.core.wire import encode_event

RUNS = (1, 1_000, 10_000)
IDLE = 5.0


def length(reader: LogdirReader) -> int:
    """Points of the series that grows."""
    series = reader.store.scalars("run0", "train/metric_0")
    return 0 if series is None else len(series)


def follow(folder: Path, points: int) -> tuple[float, float, float]:
    """Milliseconds until a point is there, milliseconds of processor time for it, and percent of a core at rest."""
    follower, stopping = Follower(LogdirReader(folder)), threading.Event()

    def run() -> None:
        while not stopping.is_set():
            follower.poll()
            follower.wait(stopping)

    thread = threading.Thread(target=run)
    thread.start()
    while not (follower.watched and follower.reader.store.state == "ready"):
        time.sleep(0.01)
    time.sleep(2.0)  # the look behind the watch
    waits: list[float] = []
    costs: list[float] = []
    for i in range(points):
        known, cpu, began = length(follower.reader), time.process_time(), time.perf_counter()
        with (folder / "run0" / NAME).open("ab") as file:
            file.write(frame(encode_event(Event(1_000 + i, 1.8e9 + i, scalar("train/metric_0", i)))))
        while length(follower.reader) == known:
            time.sleep(0.0005)
        waits.append((time.perf_counter() - began) * 1e3)
        costs.append((time.process_time() - cpu) * 1e3)
        time.sleep(0.05)
    cpu = time.process_time()
    time.sleep(IDLE)
    rest = (time.process_time() - cpu) / IDLE * 100
    stopping.set()
    thread.join()
    follower.close()
    return statistics.median(waits), statistics.median(costs), rest


def main(points: int) -> None:
    """Prints the table."""
    print(f"{'':<14}{'ms until there':>16}{'ms of processor':>18}{'% of a core at rest':>22}")
    for runs in RUNS:
        with tempfile.TemporaryDirectory() as logdir:
            write(Path(logdir), runs, 5, 20)
            wait, cost, rest = follow(Path(logdir), points)
        print(f"{runs:>8,} runs {wait:>16.0f}{cost:>18.1f}{rest:>22.2f}", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20)
