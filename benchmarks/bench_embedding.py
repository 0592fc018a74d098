"""What add_embedding takes: ours beside torch's, 10,000 vectors of 128, bare and with metadata and a sprite.

    python benchmarks/bench_embedding.py [rows] [columns]

Torch turns each number into text, one element at a time; we write the array's own bytes. What is left is the file
system, and with metadata the texts: a line for each row has to be made of Python's strings by either side.
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


def once(make: Callable[[str], Any], **arguments: Any) -> float:
    """Milliseconds of one call and flush."""
    folder = tempfile.mkdtemp()
    with make(folder) as writer:
        start = time.perf_counter()
        writer.add_embedding(**arguments)
        writer.flush()
        took = time.perf_counter() - start
    shutil.rmtree(folder)
    return took * 1000


def main() -> None:
    """Prints the comparisons."""
    import torch
    from torch.utils.tensorboard import SummaryWriter as TorchWriter

    rows, columns = (int(sys.argv[i]) if len(sys.argv) > i else default for i, default in ((1, 10_000), (2, 128)))
    matrix = torch.from_numpy(np.random.default_rng(0).normal(size=(rows, columns)).astype(np.float32))
    labels = [f"label {i}" for i in range(rows)]
    images = torch.rand(min(rows, 1000), 3, 16, 16)
    cases: dict[str, tuple[dict[str, Any], int]] = {
        f"{rows} x {columns}": ({"mat": matrix}, 30),
        f"{rows} x {columns} with metadata": ({"mat": matrix, "metadata": labels}, 30),
        f"{len(images)} x {columns} with a sprite of 16 x 16": ({"mat": matrix[: len(images)], "label_img": images}, 1),
    }
    writers: dict[str, Callable[[str], Any]] = {"tallyboard": tb.SummaryWriter, TORCH: TorchWriter}
    for title, (arguments, wanted) in cases.items():
        sides = {name: (lambda make=make, a=arguments: once(make, **a)) for name, make in writers.items()}
        print(compare(f"add_embedding, {title}", "ms", sides, 3).report({TORCH: wanted}))


if __name__ == "__main__":
    main()
