"""What log({20 scalars}, step) takes: beside 20 calls of torch's add_scalar, and 20 of ours.

    python benchmarks/bench_log.py [steps]

A burst logs as fast as Python can, so that the background thread takes its share of the interpreter too; the second
table has the end of the work in it (close), the third the bytes on disk for each scalar.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

from side_by_side import compare

import tallyboard as tb

TORCH = "torch.utils.tensorboard, 20 x add_scalar"
VALUES = {f"train/metric_{i}": i * 0.5 for i in range(20)}
Logger = Callable[[Any, int], None]


def log(writer: Any, step: int) -> None:
    """One call."""
    writer.log(VALUES, step)


def each(writer: Any, step: int) -> None:
    """Twenty calls."""
    for tag, value in VALUES.items():
        writer.add_scalar(tag, value, step)


def run(make: Callable[[str], Any], add: Logger, steps: int) -> tuple[float, float, float]:
    """Microseconds a step in the caller's thread, the same with close, and bytes a scalar."""
    folder = tempfile.mkdtemp()
    writer = make(folder)
    start = time.perf_counter()
    for step in range(steps):
        add(writer, step)
    called = time.perf_counter() - start
    writer.close()
    closed = time.perf_counter() - start
    size = sum(entry.stat().st_size for entry in os.scandir(folder))
    shutil.rmtree(folder)
    return called / steps * 1e6, closed / steps * 1e6, size / steps / len(VALUES)


def main() -> None:
    """Prints the comparisons."""
    from torch.utils.tensorboard import SummaryWriter as TorchWriter

    steps = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    ways: dict[str, tuple[Callable[[str], Any], Logger]] = {
        "tallyboard, log": (tb.SummaryWriter, log),
        "tallyboard, 20 x add_scalar": (tb.SummaryWriter, each),
        TORCH: (TorchWriter, each),
    }
    taken: dict[str, list[tuple[float, float, float]]] = {name: [] for name in ways}

    def once(name: str) -> float:
        taken[name].append(run(*ways[name], steps))
        return taken[name][-1][0]

    result = compare("20 scalars of a step, caller's thread", "us", {n: (lambda n=n: once(n)) for n in ways}, 5)
    print(result.report({TORCH: 20}))
    for title, unit, column in (("the same with close", "us", 1), ("on disk, a scalar", "bytes", 2)):
        result.title, result.unit = title, unit
        result.rounds = {name: [row[column] for row in rows[1:]] for name, rows in taken.items()}
        print(result.report({}))


if __name__ == "__main__":
    main()
