"""The TLY1 frame: many series in one answer, as raw little-endian columns a browser reads without parsing.

    bytes 0-3     "TLY1"
    bytes 4-7     H, the header's length: unsigned 32 bit, little-endian; 8 + H is a multiple of 8
    H bytes       JSON, padded with spaces:
                  {"v": 1, "order": "little", "series": [{"run", "tag", "since", "n", "total",
                   "step": {"at", "type": "f8"}, "wall": {"at", "type": "f8"}, "value": {"at", "type": "f4" |
                   "f8"}}]}; a series whose points a restart has replaced has its "generation" as well, and one that
                  was asked for in buckets has "buckets" and perhaps a column "line" (see `Bucketed`)
    the rest      columns of n numbers; each starts at its "at", a multiple of 8 counted from the header's end

Steps travel as f8, the only number a page has: they are exact up to 2**53. Columns with the same bytes are
stored once and named twice, which for runs that log at the same steps is most of the frame. NaN and
infinities are bits like any other.
"""

from __future__ import annotations

import struct
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .responses import dump_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MAGIC = b"TLY1"

_PIECE = 1 << 20
_SMALL = 16 << 10
"""Bytes up to which a column is looked up by its bytes, which is one copy; of larger ones a sample is."""

_MOST_COMPARED = 4
"""Columns that look alike are compared with so many: with all, it would cost the square of their number."""

Column = NDArray[Any]  # of float32, float64 or uint32


@dataclass(frozen=True, slots=True)
class Bucketed:
    """How the points of a part stand for all in a range; in the header, `start` and the following are columns.

    Attributes:
        x: the axis the buckets are on: "step", "relative" or "wall".
        low, high: the range asked for; "lo" and "hi" in the header.
        count: of buckets asked for.
        log: whether they are of equal width by the axis' logarithm.
        exact: the part has every point of the range, and no columns of buckets.
        start: uint32[b], where among the part's points each bucket with points begins.
        points: uint32[b], points of the series in it.
        mean: float32[b] or float64[b], of its finite values.
        odd: uint32[b], those of its points that are not finite; left out where there are none in any.
    """

    x: str
    low: float
    high: float
    count: int
    log: bool
    exact: bool
    start: NDArray[np.uint32]
    points: NDArray[np.uint32]
    mean: Column
    odd: NDArray[np.uint32]


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
        line: the smoothed values at these points, shape [n].
        buckets: what the points stand for, where they are not all from `since` on.
    """

    run: str
    tag: str
    since: int
    total: int
    step: NDArray[np.int64]
    wall_time: NDArray[np.float64]
    value: Column
    generation: int = 0
    line: Column | None = None
    buckets: Bucketed | None = None


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
            "value": columns.named(part.value),
            **({"line": columns.named(part.line)} if part.line is not None else {}),
            **({"buckets": _bucketed(part.buckets, columns)} if part.buckets else {}),
        }
        for part in parts
    ]
    header = dump_json({"v": 1, "order": "little", "series": series})
    header += b" " * (-len(header) % 8)
    head = MAGIC + struct.pack("<I", len(header)) + header
    return Frame(head, columns.stored, len(head) + columns.size)


def _bucketed(buckets: Bucketed, columns: _Columns) -> dict[str, object]:
    shape: dict[str, object] = {
        "x": buckets.x,
        "lo": buckets.low,
        "hi": buckets.high,
        "count": buckets.count,
        "exact": buckets.exact,
    }
    if buckets.log:
        shape["log"] = True
    if not buckets.exact:
        shape["n"] = len(buckets.start)
        for name in ("start", "points", "mean"):
            shape[name] = columns.named(getattr(buckets, name))
        if buckets.odd.any():
            shape["odd"] = columns.named(buckets.odd)
    return shape


@dataclass(slots=True)
class _Columns:
    """The columns placed so far, and where."""

    stored: list[Column] = field(default_factory=list[Column])
    size: int = 0
    _small: dict[tuple[int, bytes], int] = field(default_factory=dict[tuple[int, bytes], int])
    _alike: dict[tuple[int, int, bytes], list[tuple[Column, int]]] = field(
        default_factory=dict[tuple[int, int, bytes], list[tuple[Column, int]]]
    )

    def named(self, column: Column) -> dict[str, object]:
        """How the header names `column`."""
        return {"at": self.place(column), "type": f"{column.dtype.kind}{column.dtype.itemsize}"}

    def place(self, column: Column) -> int:
        """Return where `column` starts, adding its bytes unless a column placed before has the same."""
        if not len(column):
            return 0
        if not column.dtype.isnative or sys.byteorder != "little":
            column = column.astype(column.dtype.newbyteorder("<"))
        column = np.ascontiguousarray(column)
        if column.nbytes <= _SMALL:
            at = self._small.setdefault((column.dtype.itemsize, column.tobytes()), self.size)
            return at if at < self.size else self._store(column)
        bits = column.view(f"u{column.dtype.itemsize}")
        # A few sampled numbers tell most columns apart; what is left is compared whole, as bits:
        # NaN equals nothing.
        sample = bits[:: len(bits) // 8 + 1].tobytes() + bits[-1:].tobytes()
        look = (column.dtype.itemsize, len(column), sample)
        alike = self._alike.setdefault(look, [])
        for known, at in alike:
            if np.array_equal(known.view(bits.dtype), bits):
                return at
        at = self._store(column)
        if len(alike) < _MOST_COMPARED:
            alike.append((column, at))
        return at

    def _store(self, column: Column) -> int:
        at = self.size
        self.stored.append(column)
        self.size += column.nbytes + -column.nbytes % 8
        return at
