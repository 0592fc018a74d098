"""Time from a bare interpreter to having a SummaryWriter: ours, torch.utils.tensorboard's, and Python with NumPy.

python benchmarks/bench_import.py
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable

from side_by_side import compare

OURS = "import tallyboard as tb; tb.SummaryWriter"
TORCH = "from torch.utils.tensorboard import SummaryWriter"
NUMPY = "import numpy"
TORCH_ALONE = "import torch"


def process(code: str) -> Callable[[], float]:
    """Milliseconds of a whole process that runs some code."""

    def run() -> float:
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
        return 1000 * (time.perf_counter() - start)

    return run


def imported(code: str) -> dict[str, float]:
    """Processor seconds and peak MB of memory of a fresh interpreter that runs some code, its own start included."""
    peak = "open('/proc/self/status').read().split('VmHWM:')[1].split()[0]"  # a peak that begins with this program
    asked = f"import os; t = os.times(); print(t.user + t.system, {peak})"
    told = subprocess.run([sys.executable, "-c", f"{code}\n{asked}"], check=True, capture_output=True, text=True)
    cpu, memory = told.stdout.split()[-2:]
    return {"cpu": float(cpu), "memory": float(memory) / 1024}


def main() -> None:
    """Prints the comparison."""
    sides = {
        f"tallyboard: {OURS}": process(OURS),
        TORCH: process(TORCH),
        TORCH_ALONE: process(TORCH_ALONE),
        "Python + numpy": process(NUMPY),
    }
    result = compare("import of the writer, whole process", "ms", sides, rounds=7)
    print(result.report({TORCH: 5}))
    ours, numpy = (result.rounds[name] for name in (next(iter(sides)), "Python + numpy"))
    over = sorted(a - b for a, b in zip(ours, numpy, strict=True))[len(ours) // 2]
    print(f"  ours over bare Python + numpy: {over:.0f} ms in the median (wanted: below 150 ms)")


if __name__ == "__main__":
    main()
