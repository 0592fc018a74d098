"""Events of many scalars each, as `SummaryWriter.log` writes them: to framed records, columns at a time.

The same idea as in scalars.py: two events with the same tags differ only in their wall time, step and values, at
places that depend on nothing but the tags and the step's varint width. So the rows of one shape are filled and
checked together, one column for each byte that varies.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from .record import HEADER, byte_table, crc32c, frame, mask
from .scalars import varint_width
from .wire import encode_group

__all__ = ["GroupEncoder"]

FEW = 6  # below this many rows of one shape, packing one by one is sooner than preparing columns
LONG = 16_384  # bytes of an event above which the tables for all its places would take too much memory

_U8 = NDArray[np.uint8]


class _GroupTemplate:
    """A whole framed record of certain tags and one width of the step's varint."""

    def __init__(self, tags: tuple[str, ...], width: int) -> None:
        step = {0: 0, 10: -1}.get(width, (1 << (7 * (width - 1))) if width > 1 else 1)
        zeros = np.zeros(len(tags), np.float32)
        event, places = encode_group(tags, step, 0.0, zeros.tobytes())
        data = bytearray(event)
        for i in range(width):
            data[10 + i] = 0x80 if i < width - 1 else 0
        self.row: _U8 = np.frombuffer(frame(bytes(data)), np.uint8)
        self.size = len(self.row)
        self.width = width
        self.places = places
        self.constant = np.uint32(crc32c(bytes(data)))
        self.last = len(data) - 1

    def fill(self, step: NDArray[np.int64], wall_time: NDArray[np.float64], values: NDArray[np.float32]) -> _U8:
        """Framed records, one a row. `values`: shape [rows, tags]."""
        count = len(step)
        rows = np.empty((count, self.size), np.uint8)
        rows[:] = self.row
        varying = [*range(1, 9)]
        self._column(rows, 1, "<f8")[:] = wall_time
        for i, place in enumerate(self.places):
            self._column(rows, place, "<f4")[:] = values[:, i]
            varying += range(place, place + 4)
        crc = np.full(count, self.constant, np.uint32)
        for i in range(self.width):
            part = (step >> (7 * i)) & 0x7F
            if self.width == 10 and i == 9:
                part = part & 1  # the tenth byte of a negative int64 holds one bit
            crc ^= byte_table(self.last - 10 - i)[part]  # the constant already has the continuation bits
            rows[:, HEADER + 10 + i] = part | (0x80 if i < self.width - 1 else 0)
        for place in varying:
            crc ^= byte_table(self.last - place)[rows[:, HEADER + place]]
        self._column(rows, self.size - 4 - HEADER, "<u4")[:] = mask(crc)
        return rows

    def _column(self, rows: _U8, place: int, dtype: str) -> NDArray[Any]:
        return np.ndarray((len(rows),), dtype, rows, offset=HEADER + place, strides=(self.size,))


class GroupEncoder:
    """Turns groups of scalars into framed records, in order. Keeps templates of the shapes that it has seen."""

    TEMPLATES_MAX: Final = 200

    def __init__(self) -> None:
        self._templates: dict[tuple[tuple[str, ...], int], _GroupTemplate] = {}

    def encode(
        self,
        groups: Sequence[tuple[tuple[str, ...], tuple[float, ...]]],
        steps: Sequence[int],
        wall_times: Sequence[float],
    ) -> bytes:
        """Framed records of these groups, in order.

        Args:
            groups: the tags, checked, and the values, written as float32.
            steps: of each group; within int64.
            wall_times: of each group, in seconds since 1970.
        """
        out: list[Any] = [b""] * len(groups)
        step, wall_time = np.array(steps, np.int64), np.array(wall_times, np.float64)
        shapes: dict[tuple[tuple[str, ...], int], list[int]] = {}
        for i, ((tags, _), width) in enumerate(zip(groups, varint_width(step).tolist(), strict=True)):
            shapes.setdefault((tags, width), []).append(i)
        for (tags, width), rows in shapes.items():
            with np.errstate(over="ignore"):  # beyond float32 is infinity, as in every other writer
                values = np.array([groups[i][1] for i in rows], np.float64).astype("<f4")
            template = self._template(tags, width) if len(rows) >= FEW else None
            if template is None:
                for i, numbers in zip(rows, values, strict=True):
                    out[i] = frame(encode_group(tags, steps[i], wall_times[i], numbers.tobytes())[0])
            else:
                filled = template.fill(step[rows], wall_time[rows], values)
                for i, row in zip(rows, filled, strict=True):
                    out[i] = row.data
        return b"".join(out)

    def _template(self, tags: tuple[str, ...], width: int) -> _GroupTemplate | None:
        if sum(map(len, tags)) + 12 * len(tags) > LONG:
            return None
        template = self._templates.get((tags, width))
        if template is None:
            if len(self._templates) >= self.TEMPLATES_MAX:
                self._templates.clear()
            template = self._templates[tags, width] = _GroupTemplate(tags, width)
        return template
