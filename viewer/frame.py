"""The TLY1 frame: many series in one answer, as raw little-endian columns a browser reads without parsing.

    bytes 0-3     "TLY1"
    bytes 4-7     H, the header's length: unsigned 32 bit, little-endian; 8 + H is a multiple of 8
    H bytes       JSON, padded with spaces:
                  {"v": 1, "order": "little", "series": [{"run", "tag", "since", "n", "total",
                   "step": {"at", "type": "f8"}, "wall": {"at", "type": "f8"}, "value": {"at", "type": "f4" |
                   "f8"}}]}; a series whose points a restart has replaced has its "generation" as well
    the rest      columns of n numbers; each starts at its "at", a multiple of 8 counted from the header's end

Steps travel as f8, the only number a page has: they are exact up to 2**53. Columns with the same bytes are
stored once and named twice, which for runs that log at the same steps is most of the frame. NaN and
infinities are bits like any other.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from .responses import dump_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MAGIC = b"TLY1"

_PIECE = 1 << 20
_MOST_COMPARED = 4
"""Columns that look alike are compared with so many: with all, it would cost the square of their number."""

Column = NDArray[np.float32] | NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Part:
    """One series' share of a frame.

    Attributes:
        run, tag: whose points these are.
        since: index of the first point in the series.
        total: points the series has.
        step: int64[n].
        wall_time: float64[n], seconds.
        value: float32[n] or float64[n].
        generation: goes up when points that were sent before no longer stand.
    """

    run: str
    tag: str
    since: int
    total: int
    step: NDArray[np.int64]
    wall_time: NDArray[np.float64]
    value: Column
    generation: int = 0


@dataclass(frozen=True, slots=True)
class Frame:
    """An encoded frame, its columns still the arrays they came from, so that a large one is never held twice.

    Attributes:
        head: everything before the columns.
        columns: what follows, in order; each is padded to a multiple of 8 bytes when sent.
        size: bytes of the whole frame.
    """

    head: bytes
    columns: list[Column]
    size: int

    def pieces(self, size: int = _PIECE) -> Iterator[bytes]:
        """Yield the frame in pieces of at most `size` bytes (a multiple of 8, at least the head's length)."""
        room: list[bytes | memoryview] = [self.head]
        held = len(self.head)
        for column in self.columns:
            data = column.view(np.uint8).data
            for start in range(0, len(data), size):
                part = data[start : start + size]
                if held + len(part) > size:
                    yield b"".join(room)
                    room, held = [], 0
                pad = -len(part) % 8
                room += (part, bytes(pad))
                held += len(part) + pad
        yield b"".join(room)

    def __bytes__(self) -> bytes:
        return b"".join(self.pieces())


def encode_frame(parts: Iterable[Part]) -> Frame:
    """Lay out `parts` as one frame, in their order.

    Args:
        parts: the series; the three columns of each have the same length n, which may be 0.
    """
    columns = _Columns()
    series = [
        {
            "run": part.run,
            "tag": part.tag,
            "since": part.since,
            "n": len(part.value),
            "total": part.total,
            **({"generation": part.generation} if part.generation else {}),
            "step": {"at": columns.place(part.step.astype("<f8")), "type": "f8"},
            "wall": {"at": columns.place(part.wall_time), "type": "f8"},
            "value": {"at": columns.place(part.value), "type": f"f{part.value.dtype.itemsize}"},
        }
        for part in parts
    ]
    header = dump_json({"v": 1, "order": "little", "series": series})
    header += b" " * (-len(header) % 8)
    head = MAGIC + struct.pack("<I", len(header)) + header
    return Frame(head, columns.stored, len(head) + columns.size)


@dataclass(slots=True)
class _Columns:
    """The columns placed so far, and where."""

    stored: list[Column] = field(default_factory=list[Column])
    size: int = 0
    _alike: dict[tuple[int, int, bytes], list[tuple[Column, int]]] = field(
        default_factory=dict[tuple[int, int, bytes], list[tuple[Column, int]]]
    )

    def place(self, column: Column) -> int:
        """Return where `column` starts, adding its bytes unless a column placed before has the same."""
        if not len(column):
            return 0
        column = np.ascontiguousarray(column, dtype=f"<f{column.dtype.itemsize}")
        bits = column.view(f"u{column.dtype.itemsize}")
        # A few sampled numbers tell most columns apart; what is left is compared whole, as bits:
        # NaN equals nothing.
        sample = bits[:: len(bits) // 8 + 1].tobytes() + bits[-1:].tobytes()
        look = (column.dtype.itemsize, len(column), sample)
        alike = self._alike.setdefault(look, [])
        for known, at in alike:
            if np.array_equal(known.view(bits.dtype), bits):
                return at
        at = self.size
        self.stored.append(column)
        self.size += column.nbytes + -column.nbytes % 8
        if len(alike) < _MOST_COMPARED:
            alike.append((column, at))
        return at
