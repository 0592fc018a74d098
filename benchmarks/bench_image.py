"""What add_image costs: ours beside torch's and tensorboardX's SummaryWriter, in one process.

    python benchmarks/bench_image.py [rounds]

Pictures of 3x1024x1024 of four kinds. End to end is the call and a close of the writer, after which the file is whole;
the caller's share is the call alone. Ours is measured with isal, where that is installed, and with the standard
library's zlib. Sizes are those of the event files.
"""

from __future__ import annotations

import functools
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
from tallyboard.core import png

SIZE = 1024
Pixels = np.ndarray[Any, np.dtype[Any]]


def natural() -> Pixels:
    """Soft shapes with a camera's noise."""
    y, x = np.mgrid[0:SIZE, 0:SIZE] / SIZE
    planes = [np.sin(7 * x + 3 * y) + np.sin(13 * x * y + c) + np.cos(31 * x * y * (c + 1)) for c in range(3)]
    base = np.stack(planes)
    base = (base - base.min()) / np.ptp(base)
    noise = np.random.default_rng(0).normal(0, 0.02, base.shape)
    return (np.clip(base + noise, 0, 1) * 255).astype(np.uint8)


def photograph() -> Pixels:
    """Noise with the spectrum of photographs: power falls with the cube of the frequency; colours are alike."""
    rng = np.random.default_rng(1)
    frequency = np.hypot(np.fft.fftfreq(SIZE)[:, None], np.fft.fftfreq(SIZE)[None])
    frequency[0, 0] = 1
    planes = [np.fft.ifft2(np.fft.fft2(rng.normal(size=(SIZE, SIZE))) / frequency**1.5).real for _ in range(4)]
    planes = [plane / plane.std() for plane in planes]
    picture = np.stack([planes[0] + 0.3 * plane for plane in planes[1:]])
    return np.clip(picture / picture.std() * 50 + 128, 0, 255).astype(np.uint8)


def smooth() -> Pixels:
    """Slow gradients without noise."""
    y, x = np.mgrid[0:SIZE, 0:SIZE] / SIZE
    return (np.stack([(np.sin(5 * x + c) + np.cos(4 * y * x + c)) / 4 + 0.5 for c in range(3)]) * 255).astype(np.uint8)


def plot() -> Pixels:
    """Thin curves on white, as of a plot."""
    picture = np.full((3, SIZE, SIZE), 255, np.uint8)
    x = np.arange(SIZE)
    for k, colour in enumerate([(31, 119, 180), (255, 127, 14), (44, 160, 44)]):
        y = (SIZE / 2 + SIZE / 3 * np.sin(x / 80 + k)).astype(int)
        for thick in range(3):
            picture[:, y + thick, x] = np.array(colour, np.uint8)[:, None]
    picture[:, 100:102] = 0
    picture[:, :, 100:102] = 0
    return picture


def random() -> Pixels:
    """Pixels that nothing compresses."""
    return np.random.default_rng(2).integers(0, 256, (3, SIZE, SIZE), np.uint8)


def logged(make: Callable[[str], Any], picture: Pixels) -> tuple[float, float, int]:
    """Milliseconds of the call, and of the call with close; and the bytes of the file."""
    folder = tempfile.mkdtemp()
    writer = make(folder)
    writer.add_scalar("warm", 1.0, 0)
    writer.flush()
    start = time.perf_counter()
    writer.add_image("picture", picture, 1)
    called = time.perf_counter()
    writer.close()
    closed = time.perf_counter()
    size = sum(os.path.getsize(os.path.join(folder, name)) for name in os.listdir(folder))
    shutil.rmtree(folder)
    return (called - start) * 1000, (closed - start) * 1000, size


def without_isal(folder: str) -> Any:
    """Our writer where isal is not installed."""
    png._deflate = lambda: png.deflate_runs
    return tb.SummaryWriter(folder)


def with_isal(folder: str) -> Any:
    """Our writer where it is."""
    png._deflate = _with_isal
    return tb.SummaryWriter(folder)


_with_isal = png._deflate


def has_isal() -> bool:
    """Whether isal is installed."""
    return _with_isal() is not png.deflate_runs


def main() -> None:
    """Prints the comparisons."""
    from tensorboardX import SummaryWriter as XWriter
    from torch.utils.tensorboard import SummaryWriter as TorchWriter

    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    quick = has_isal()
    mains = {"tallyboard with isal": with_isal} if quick else {}
    writers = {**mains, "tallyboard with zlib": without_isal, "torch": TorchWriter, "tensorboardX": XWriter}
    wanted = {"torch": 5.0 if quick else 2.0}
    kinds = [make() for make in (natural, photograph, smooth, plot, random)]
    names = ["natural", "photograph", "smooth", "plot", "random"]
    kinds.append((kinds[1] / 255).astype(np.float32))
    names.append("photograph, float32")
    for name, picture in zip(names, kinds, strict=True):
        sizes: dict[str, int] = {}
        calls: dict[str, list[float]] = {side: [] for side in writers}

        def end_to_end(
            side: str,
            picture: Pixels = picture,
            sizes: dict[str, int] = sizes,
            calls: dict[str, list[float]] = calls,
        ) -> float:
            call, whole, sizes[side] = logged(writers[side], picture)
            calls[side].append(call)
            return whole

        sides = {side: functools.partial(end_to_end, side) for side in writers}
        result = compare(f"add_image 3x{SIZE}x{SIZE}, {name}, with close", "ms", sides, rounds)
        print(result.report(wanted))
        if quick:
            slow, torch = (np.array(result.rounds[side]) for side in ("tallyboard with zlib", "torch"))
            print(f"  torch / tallyboard with zlib: {np.median(torch / slow):.1f} (wanted: at least 2)")
        for side in writers:
            share = sizes[side] / sizes["torch"]
            call = np.median(calls[side][1:])
            print(f"  {side:<42} call {call:8.2f} ms   {sizes[side]:>9,} bytes, {share:.2f} of torch's")
        print()


if __name__ == "__main__":
    main()
