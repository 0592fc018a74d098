"""The logdirs that reading is measured on, written once and kept: `make(NAME, folder)`.

Each holds what its name says, `scale` times: scale 1 is what docs/performance.md quotes.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from tallyboard.core.record import frame, masked_crc
from tallyboard.core.wire import encode_file_version, encode_group, varint

__all__ = ["LOGDIRS", "make"]

WALL = 1.7e9
FILE = "events.out.tfevents.1700000000.bench.1.0"


def masked(data: bytes) -> int:
    """A record's checksum, by the compiled library where it is installed: these files are large."""
    try:
        import google_crc32c
    except ImportError:
        return masked_crc(data)
    crc = google_crc32c.value(data)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def put(folder: Path, events: Iterator[bytes]) -> None:
    """One event file of these events."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / FILE).open("wb", buffering=1 << 20) as file:
        file.write(frame(encode_file_version(WALL)))
        for event in events:
            length = struct.pack("<Q", len(event))
            file.write(b"".join((length, struct.pack("<I", masked(length)), event, struct.pack("<I", masked(event)))))


def head(i: int) -> bytes:
    """Wall time and step of an event."""
    return b"\x09" + struct.pack("<d", WALL + i * 0.01) + (b"\x10" + varint(i) if i else b"")


def simple(tag: bytes, step: int, value: float) -> bytes:
    """An event of one `simple_value`."""
    inner = b"\x0a" + varint(len(tag)) + tag + b"\x15" + struct.pack("<f", value)
    inner = b"\x0a" + varint(len(inner)) + inner
    return head(step) + b"\x2a" + varint(len(inner)) + inner


def tensor(tag: bytes, step: int, value: float) -> bytes:
    """An event of one scalar as TensorFlow 2 writes it."""
    content = b"\x08\x01\x12\x00\x22\x04" + struct.pack("<f", value)
    inner = b"\x0a" + varint(len(tag)) + tag + b"\x42" + varint(len(content)) + content
    inner += b"\x4a\x0b\x0a\x09\x0a\x07scalars"
    inner = b"\x0a" + varint(len(inner)) + inner
    return head(step) + b"\x2a" + varint(len(inner)) + inner


def one_run(folder: Path, scale: float) -> None:
    """1 run of 1,000,000 scalars over 10 tags."""
    tags = [b"train/metric_%d" % i for i in range(10)]
    steps = range(int(100_000 * scale))
    put(folder, (simple(tag, step, step * 0.5) for step in steps for tag in tags))


def many_runs(folder: Path, scale: float, runs: int = 1_000, tags: int = 10, steps: int = 100) -> None:
    """1,000 runs of 10 tags of 100 steps."""
    names = [b"train/metric_%d" % i for i in range(tags)]
    for run in range(int(runs * scale)):
        put(folder / f"run{run:05}", (simple(tag, step, step + run) for step in range(steps) for tag in names))


def very_many_runs(folder: Path, scale: float) -> None:
    """10,000 runs of 5 tags of 20 steps."""
    many_runs(folder, scale, 10_000, 5, 20)


def uneven(folder: Path, scale: float) -> None:
    """1,000,000 scalars over 200 tags of 5 to 55 characters, in random order, some much oftener than others."""
    generator = random.Random(1)
    tags = [(f"t{i:03}/" + "abcdefghij" * 5)[: generator.randint(5, 55)].encode() for i in range(200)]
    which = np.minimum(np.random.default_rng(1).zipf(1.2, int(1_000_000 * scale)), 200) - 1
    put(folder, (simple(tags[i], step // 200, step * 0.25) for step, i in enumerate(which.tolist())))


def tensors(folder: Path, scale: float) -> None:
    """1,000,000 scalars over 10 tags, as TensorFlow 2 writes them."""
    tags = [b"train/metric_%d" % i for i in range(10)]
    put(folder, (tensor(tag, step, step * 0.5) for step in range(int(100_000 * scale)) for tag in tags))


def groups(folder: Path, scale: float) -> None:
    """1,000,000 scalars in events of 20 values."""
    tags = [f"train/metric_{i}" for i in range(20)]
    values = np.arange(20, dtype=np.float32)
    put(folder, (encode_group(tags, i, WALL + i, (values + i).tobytes())[0] for i in range(int(50_000 * scale))))


def blobs(folder: Path, scale: float) -> None:
    """20 runs of 600 histograms and 45 images each, 500 MB in all."""
    rng = np.random.default_rng(0)
    edges = np.linspace(-1, 1, 800).tobytes()
    for run in range(20):
        put(folder / f"run{run:02}", blob_events(rng, edges, int(600 * scale), int(45 * scale)))


def blob_events(rng: np.random.Generator, edges: bytes, histograms: int, images: int) -> Iterator[bytes]:
    """Histograms in the old form (`histo`, 13 kB), then images (380 kB) in both forms."""

    def value(tag: bytes, field: bytes, content: bytes, rest: bytes = b"") -> bytes:
        inner = b"\x0a" + varint(len(tag)) + tag + field + varint(len(content)) + content + rest
        inner = b"\x0a" + varint(len(inner)) + inner
        return b"\x2a" + varint(len(inner)) + inner

    counts = rng.random(800).tobytes()
    for i in range(histograms):
        histo = b"\x32" + varint(len(edges)) + edges + b"\x3a" + varint(len(counts)) + counts
        yield head(i // 10) + value(b"weights/layer_%d" % (i % 10), b"\x2a", histo)
    png = rng.integers(0, 256, 380_000, np.uint8).tobytes()
    for i in range(images):
        if i % 2:
            yield head(i) + value(b"samples", b"\x22", b"\x08\x40\x10\x40\x18\x03\x22" + varint(len(png)) + png)
        else:
            content = b"\x08\x07\x12\x04\x12\x02\x08\x03\x42\x0264\x42\x0264\x42" + varint(len(png)) + png
            yield head(i) + value(b"pictures", b"\x42", content, b"\x4a\x0a\x0a\x08\x0a\x06images")


LOGDIRS: dict[str, Callable[[Path, float], None]] = {
    "one_run": one_run,
    "many_runs": many_runs,
    "uneven": uneven,
    "tensors": tensors,
    "groups": groups,
    "blobs": blobs,
    "very_many_runs": very_many_runs,
}


def make(name: str, folder: Path, scale: float = 1.0) -> Path:
    """The logdir of that name and scale below `folder`, written if it is not there yet."""
    path = folder / f"{name}-{scale:g}"
    done = path.with_suffix(path.suffix + ".whole")
    if not done.exists():
        LOGDIRS[name](path, scale)
        done.touch()
    return path


if __name__ == "__main__":
    import sys

    for each in sys.argv[2:] or LOGDIRS:
        print(make(each, Path(sys.argv[1])))
