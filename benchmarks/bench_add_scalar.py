"""What add_scalar costs the caller: ours beside torch's SummaryWriter, in one process.

    python benchmarks/bench_add_scalar.py [calls]

A burst calls as fast as Python can, ten tags in turn; a paced loop has 5 ms of sleep after every ten calls, as a
training step would. Each call is timed by itself for the percentiles; the clock's own cost is subtracted.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from side_by_side import compare

import tallyboard as tb

TORCH = "torch.utils.tensorboard"
TAGS = [f"train/metric_{i}" for i in range(10)]


def clock_cost() -> float:
    """Microseconds between two readings of the clock."""
    clock = time.perf_counter_ns
    return float(np.median([-(clock() - clock()) for _ in range(10_000)])) / 1000


def burst(make: Callable[[str], Any], calls: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Microseconds of each of `calls` calls made at once."""
    folder = tempfile.mkdtemp()
    writer = make(folder)
    add, clock = writer.add_scalar, time.perf_counter_ns
    took = np.empty(calls)
    for i in range(calls):
        tag, value = TAGS[i % 10], i * 0.5
        start = clock()
        add(tag, value, i)
        took[i] = clock() - start
    writer.close()
    shutil.rmtree(folder)
    return took / 1000


def paced(make: Callable[[str], Any], steps: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Microseconds of each call when every ten are followed by 5 ms of other things."""
    folder = tempfile.mkdtemp()
    writer = make(folder)
    add, clock = writer.add_scalar, time.perf_counter_ns
    took: list[int] = []
    for step in range(steps):
        for tag in TAGS:
            start = clock()
            add(tag, 0.5, step)
            took.append(clock() - start)
        time.sleep(0.005)
    writer.close()
    shutil.rmtree(folder)
    return np.array(took) / 1000


def whole(make: Callable[[str], Any], calls: int) -> float:
    """Seconds of `calls` calls and close, end to end."""
    folder = tempfile.mkdtemp()
    start = time.perf_counter()
    with make(folder) as writer:
        for i in range(calls):
            writer.add_scalar(TAGS[i % 10], i * 0.5, i)
    took = time.perf_counter() - start
    shutil.rmtree(folder)
    return took


def endured(make: Callable[[str], Any], calls: int, steps: int) -> dict[str, float]:
    """Seconds, processor seconds of all threads, and bytes on disk of one of `calls` calls, close included.

    The steps go up to `steps`, however many calls there are, because larger ones take more bytes.
    """
    stride = steps // calls
    folder = tempfile.mkdtemp()
    start, busy = time.perf_counter(), time.process_time()
    with make(folder) as writer:
        for i in range(calls):
            writer.add_scalar(TAGS[i % 10], i * 0.5, i * stride)
    took, cpu = time.perf_counter() - start, time.process_time() - busy
    size = sum(entry.stat().st_size for entry in os.scandir(folder))
    shutil.rmtree(folder)
    start = time.process_time()
    for i in range(calls):
        (TAGS[i % 10], i * 0.5, i * stride)
    loop = time.process_time() - start
    return {"seconds": took / calls, "cpu": (cpu - loop) / calls, "bytes": size / calls}


def main() -> None:
    """Prints the comparisons."""
    from torch.utils.tensorboard import SummaryWriter as TorchWriter

    calls = int(sys.argv[1]) if len(sys.argv) > 1 else 50_000
    writers: dict[str, Callable[[str], Any]] = {"tallyboard": tb.SummaryWriter, TORCH: TorchWriter}
    free = clock_cost()
    taken: dict[str, dict[str, list[Any]]] = {"burst": {}, "paced": {}}

    def measured(kind: str, name: str, run: Callable[[], Any]) -> Callable[[], float]:
        def once() -> float:
            took = np.maximum(run() - free, 0.001)
            taken[kind].setdefault(name, []).append(took)
            return float(took.mean())

        return once

    for kind, rounds in (("burst", 7), ("paced", 5)):
        sides = {
            name: measured(
                kind, name, (lambda m=make: burst(m, calls)) if kind == "burst" else lambda m=make: paced(m, 150)
            )
            for name, make in writers.items()
        }
        result = compare(f"add_scalar, {kind}, mean of a call", "us", sides, rounds)
        print(result.report({TORCH: 5}))
        for q in (50, 99):
            result.rounds = {name: [float(np.percentile(t, q)) for t in rows[1:]] for name, rows in taken[kind].items()}
            result.title = f"add_scalar, {kind}, p{q} of a call"
            print(result.report({TORCH: 5}))
    sides = {name: (lambda m=make: whole(m, calls)) for name, make in writers.items()}
    print(compare(f"{calls} scalars with close, end to end", "s", sides, 5).report({TORCH: 5}))


if __name__ == "__main__":
    main()
