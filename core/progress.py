"""How far each event file has been read, and what it is known again by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["NUMBERS", "PROBE", "FileState", "as_columns", "from_columns"]

PROBE: Final = 64  # bytes kept of a file's head, and of what stands before the read position, to know it again by
NUMBERS: Final = ("size", "read", "gap_end", "wanted", "settled")


@dataclass(slots=True)
class FileState:
    """An event file and how far it has been read.

    Attributes:
        path, run, stamp: as its `places.Entry` has them.
        size: when last looked at.
        read: used up to here: a record boundary, or the inside of a gap.
        gap_end: where the last gap ended, to see that a later one is its continuation.
        wanted: bytes that the next record needs, when it is longer than a batch.
        settled: the size at which everything whole had been read; a torn tail is not read again before it grows.
        head: the first bytes that were read.
        tail: the last ones, up to `read`: with a record's checksum among them, they stand for all before.
    """

    path: str
    run: str
    stamp: int | str
    size: int = 0
    read: int = 0
    gap_end: int = -1
    wanted: int = 0
    settled: int = -1
    head: bytes = b""
    tail: bytes = b""

    def start_over(self) -> None:
        """Back to the file's start."""
        self.read, self.gap_end, self.wanted, self.settled = 0, -1, 0, -1
        self.head = self.tail = b""


def as_columns(files: list[FileState]) -> dict[str, NDArray[Any]]:
    """The numbers and bytes of all files, as one-dimensional arrays."""
    columns: dict[str, NDArray[Any]] = {
        f"file_{name}": np.array([getattr(file, name) for file in files], "<i8") for name in NUMBERS
    }
    for name in ("head", "tail"):
        parts = [getattr(file, name) for file in files]
        columns[f"file_{name}"] = np.frombuffer(b"".join(part.ljust(PROBE, b"\0") for part in parts), "<u1")
        columns[f"file_{name}_length"] = np.array([len(part) for part in parts], "<i8")
    return columns


def from_columns(
    paths: list[str], runs: list[str], stamps: list[int | str], columns: dict[str, NDArray[Any]]
) -> list[FileState]:
    """The files again.

    Raises:
        ValueError: the columns do not fit together.
    """
    count = len(paths)
    numbers = [columns[f"file_{name}"].tolist() for name in NUMBERS]
    probes: list[list[bytes]] = []
    for name in ("head", "tail"):
        data, lengths = columns[f"file_{name}"].tobytes(), columns[f"file_{name}_length"].tolist()
        if len(data) != PROBE * count or len(lengths) != count:
            raise ValueError(f"the {name}s of {count} files have {len(data)} bytes")
        if count and not 0 <= min(lengths) <= max(lengths) <= PROBE:
            raise ValueError(f"a file's {name} is of {max(lengths)} bytes")
        probes.append([data[i * PROBE : i * PROBE + length] for i, length in enumerate(lengths)])
    files = [FileState(*fields) for fields in zip(paths, runs, stamps, *numbers, *probes, strict=True)]
    if any(not len(file.tail) <= file.read <= file.size for file in files):
        raise ValueError("a file was read further than it goes")
    return files
