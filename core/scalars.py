"""Scalar events by the million: columns to framed records, checksums included.

Two events of the same tag differ only in their wall time, step and value, at places that depend on nothing but the
length of what stands between step and value (which makes the tag) and the step's varint width. So rows of one shape are
handled together, whatever their tags: a template has the bytes that stay, NumPy writes the others as strided columns,
and the checksum is a constant of (template, tag) combined with one table entry for each pair of bytes that vary (see
record.py). The way back is in decoder.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from .distinct import distinct
from .record import HEADER, byte_table, crc32c, frame, mask, pair_table
from .wire import encode_scalar, fixed_part, varint

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["ScalarEncoder", "varint_width"]

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
I64 = NDArray[np.int64]
U32 = NDArray[np.uint32]
U8 = NDArray[np.uint8]

FEW = 16  # below this many rows, packing one by one is sooner than preparing columns
WALL = HEADER + 1  # where the wall time stands in a framed scalar
STEP = HEADER + 10


class _Shape:
    """Framed records of one size: `length` fixed bytes before the value, steps whose varint has `width`.

    One row for each tag, which makes the fixed bytes, in either form (see `wire.fixed_part`).
    """

    def __init__(self, length: int, width: int) -> None:
        step = {0: 0, 10: -1}.get(width, (1 << (7 * (width - 1))) if width > 1 else 1)
        data = bytearray(b"\x09" + bytes(8) + (b"\x10" + varint(step) if step else b"") + bytes(length + 4))
        for i in range(width):
            data[10 + i] = 0x80 if i < width - 1 else 0
        self._data = data
        self._header = frame(bytes(data))[:HEADER]
        last = len(data) - 1
        self._fixed_at = last - 3 - length
        self.size = HEADER + len(data) + 4
        self.width = width
        self.count = 0
        self._rows: U8 = np.empty((8, self.size), np.uint8)
        self._constants: U32 = np.empty(8, np.uint32)
        self._row_of: I64 = np.empty(0, np.int64)  # by the tag's number; -1 for those not here
        self.value_at = HEADER + last - 3
        self.wall_tables = [pair_table(last - 2 - 2 * j) for j in range(4)]
        self.value_tables = [pair_table(2), pair_table(0)]
        self.step_tables = [byte_table(last - 10 - i) for i in range(width)]

    def rows_of(self, ids: I64, names: Sequence[str]) -> I64:
        """Which row each tag has, given their numbers; makes those that are missing."""
        if len(self._row_of) < len(names):
            missing = np.full(2 * len(names) - len(self._row_of), -1, np.int64)
            self._row_of = np.concatenate((self._row_of, missing))
        found = self._row_of[ids]
        if (found < 0).any():
            for number in map(int, distinct(ids[found < 0])):
                self._row_of[number] = self._add(fixed_part(names[number]))
            found = self._row_of[ids]
        return found

    def _add(self, fixed: bytes) -> int:
        if self.count == len(self._rows):
            self._rows = np.concatenate((self._rows, np.empty_like(self._rows)))
            self._constants = np.concatenate((self._constants, np.empty_like(self._constants)))
        self._data[self._fixed_at : self._fixed_at + len(fixed)] = fixed
        data = bytes(self._data)
        self._rows[self.count] = np.frombuffer(self._header + data + bytes(4), np.uint8)
        self._constants[self.count] = crc32c(data)
        self.count += 1
        return self.count - 1

    def fill(self, which: I64, step: I64, wall_time: F64, value: F32) -> U8:
        """Framed records, one a row; `which` says whose row each starts from."""
        count = len(step)
        rows = self._rows.take(which, axis=0)

        def column(at: int, dtype: str) -> NDArray[Any]:
            return np.ndarray((count,), dtype, rows, offset=at, strides=(self.size,))

        column(WALL, "<f8")[:] = wall_time
        column(self.value_at, "<f4")[:] = value
        crc = self._constants.take(which)
        wall_pairs = np.ascontiguousarray(wall_time, "<f8").view("<u2").reshape(count, 4)
        for j, table in enumerate(self.wall_tables):
            crc ^= table[wall_pairs[:, j]]
        value_pairs = np.ascontiguousarray(value, "<f4").view("<u2").reshape(count, 2)
        for j, table in enumerate(self.value_tables):
            crc ^= table[value_pairs[:, j]]
        for i, table in enumerate(self.step_tables):
            part = (step >> (7 * i)) & 0x7F
            if self.width == 10 and i == 9:
                part = part & 1  # the tenth byte of a negative int64 holds one bit
            crc ^= table[part]  # the constant already has the continuation bits
            rows[:, STEP + i] = part | (0x80 if i < self.width - 1 else 0)
        column(self.size - 4, "<u4")[:] = mask(crc)
        return rows


def varint_width(step: I64) -> I64:
    """Bytes of each step's varint; 0 for step 0, which is left out."""
    width = (step != 0).astype(np.int64)
    for i in range(1, 9):
        width += step >= (1 << (7 * i))
    width[step < 0] = 10
    return width


class ScalarEncoder:
    """Turns columns of scalars into framed records, in order. Keeps a row of each tag that it has seen."""

    TAGS_MAX: Final = 50_000  # remembered between batches

    def __init__(self) -> None:
        self._tags: dict[str, int] = {}
        self._names: list[str] = []
        self._lengths: I64 = np.empty(0, np.int64)  # of each tag's fixed bytes
        self._shapes: dict[int, _Shape] = {}

    def encode(
        self, tags: Sequence[str], values: Sequence[float], steps: Sequence[int], wall_times: Sequence[float]
    ) -> bytes:
        """Framed records of these scalars, in order.

        Args:
            tags: their tags, checked.
            values: written as float32.
            steps: within int64.
            wall_times: seconds since 1970.
        """
        if len(tags) < FEW:
            rows = zip(tags, steps, wall_times, values, strict=True)
            return b"".join(frame(encode_scalar(*row)) for row in rows)
        known = self._tags
        try:
            ids = np.fromiter(map(known.__getitem__, tags), np.int64, len(tags))
        except KeyError:
            self._learn(tags)
            ids = np.fromiter(map(known.__getitem__, tags), np.int64, len(tags))
        with np.errstate(over="ignore"):  # beyond float32 is infinity, as in every other writer
            value = np.array(values, np.float64).astype(np.float32)
        return self._columns(ids, value, np.array(steps, np.int64), np.array(wall_times, np.float64))

    def _learn(self, tags: Sequence[str]) -> None:
        if len(self._names) > self.TAGS_MAX:
            self._tags.clear()
            self._names.clear()
            self._shapes.clear()
            self._lengths = np.empty(0, np.int64)
        for tag in tags:
            if tag not in self._tags:
                self._tags[tag] = len(self._names)
                self._names.append(tag)
        new = np.array([len(fixed_part(name)) for name in self._names[len(self._lengths) :]], np.int64)
        self._lengths = np.concatenate((self._lengths, new))

    def _columns(self, ids: I64, value: F32, step: I64, wall_time: F64) -> bytes:
        key = self._lengths[ids] * 11 + varint_width(step)
        first = int(key[0])
        if (key == first).all():
            shape = self._shape(first)
            return shape.fill(shape.rows_of(ids, self._names), step, wall_time, value).tobytes()
        order = np.argsort(key, kind="stable")
        ordered = key[order]
        bounds = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1]))
        shapes = [self._shape(int(k)) for k in ordered[bounds]]
        sizes = np.empty(len(key), np.int64)
        ends = np.append(bounds[1:], len(key))
        for shape, a, b in zip(shapes, bounds, ends, strict=True):
            sizes[order[a:b]] = shape.size
        after = np.cumsum(sizes)
        out = np.empty(int(after[-1]), np.uint8)
        at = after - sizes
        for shape, a, b in zip(shapes, bounds, ends, strict=True):
            rows = order[a:b]
            which = shape.rows_of(ids[rows], self._names)
            filled = shape.fill(which, step[rows], wall_time[rows], value[rows])
            cell = f"V{shape.size}"
            slots = np.ndarray((len(out) - shape.size + 1,), cell, out, strides=(1,))
            slots[at[rows]] = filled.view(cell).ravel()
        return out.tobytes()

    def _shape(self, key: int) -> _Shape:
        shape = self._shapes.get(key)
        if shape is None:
            shape = self._shapes[key] = _Shape(*divmod(key, 11))
        return shape
