"""What add_histogram costs: ours beside torch's and tensorboardX's writers, in one process.

    python benchmarks/bench_histogram.py [rounds]

For one array of a million float32 and for a hundred of ten thousand, with the default buckets: the time that the caller
waits, a pause after each step as a training has it; the time of a burst of steps until `close` returns; and the
processor's time of that burst, all threads together.
"""

from __future__ import annotations

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
WANTED = {"1 x 1,000,000": 8, "100 x 10,000": 5}  # times the peers' cost
Arrays = list[np.ndarray[Any, np.dtype[np.float32]]]


def caller(make: Callable[[str], Any], arrays: Arrays, steps: int = 3) -> float:
    """Milliseconds that one step's calls take, with 100 ms of other things after each step."""
    folder = tempfile.mkdtemp()
    took = 0.0
    with make(folder) as writer:
        for step in range(steps):
            start = time.perf_counter()
            for i, array in enumerate(arrays):
                writer.add_histogram(f"layer{i}/weight", array, step)
            took += time.perf_counter() - start
            time.sleep(0.1)
    shutil.rmtree(folder)
    return took / steps * 1000


def burst(clock: Callable[[], float], make: Callable[[str], Any], arrays: Arrays, steps: int = 5) -> float:
    """Milliseconds of one step, when steps follow each other and all is on disk at the end."""
    folder = tempfile.mkdtemp()
    start = clock()
    with make(folder) as writer:
        for step in range(steps):
            for i, array in enumerate(arrays):
                writer.add_histogram(f"layer{i}/weight", array, step)
    took = clock() - start
    shutil.rmtree(folder)
    return took / steps * 1000


def main() -> None:
    """Prints the comparisons."""
    from tensorboardX import SummaryWriter as XWriter
    from torch.utils.tensorboard import SummaryWriter as TorchWriter

    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    writers: dict[str, Callable[[str], Any]] = {
        "tallyboard": tb.SummaryWriter,
        TORCH: TorchWriter,
        "tensorboardX": XWriter,
    }
    random = np.random.default_rng(0)
    for name, (count, size) in {"1 x 1,000,000": (1, 1_000_000), "100 x 10,000": (100, 10_000)}.items():
        arrays = [random.standard_normal(size).astype(np.float32) for _ in range(count)]
        measures: dict[str, Callable[[Callable[[str], Any]], float]] = {
            "the caller's time": lambda make, arrays=arrays: caller(make, arrays),
            "end to end": lambda make, arrays=arrays: burst(time.perf_counter, make, arrays),
            "processor time, all threads": lambda make, arrays=arrays: burst(time.process_time, make, arrays),
        }
        for what, measure in measures.items():
            sides = {side: (lambda make=make, measure=measure: measure(make)) for side, make in writers.items()}
            result = compare(f"add_histogram, {name} float32, {what}", "ms a step", sides, rounds)
            print(result.report({TORCH: WANTED[name]} if what == "the caller's time" else {}), flush=True)


if __name__ == "__main__":
    main()
