"""Records that repeat, decoded as blocks: the same records of all stretches at once, without a gather or a sort.

What repeats.py found has the same lengths; that it has the same tags and the same places for what varies is verified
here, byte by byte, as decoder.py does it, and so is every checksum. A stretch that differs is left to that decoder.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from .record import HEADER, OVERHEAD, byte_table, mask, pair_table
from .templates import Template

__all__ = ["Block", "Columns", "Known", "as_columns"]

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]
U32 = NDArray[np.uint32]
U64 = NDArray[np.uint64]
U8 = NDArray[np.uint8]

BYTES: Final = 1 << 20  # of records that are decoded at once: they stay in the processor's cache
PAIRS: Final = 1 << 15  # records of one template for which it pays to make tables of two bytes
WINDOW: Final = 8
WIDE: Final = 8  # records of a template in a row that pay for loops in two dimensions; fewer are taken one by one

Column = Callable[[int, str], NDArray[Any]]
Known = tuple[Template, Sequence[int]]
"""Of a record of the first stretch: its template, and its tags."""


@dataclass(slots=True)
class Columns:
    """Columns to be filled, of one length."""

    row: I64
    tag: I64
    step: I64
    wall_time: F64
    value: F64
    wide: NDArray[np.bool_]
    bare: NDArray[np.bool_]
    label: NDArray[np.int32]


def _windows(template: Template) -> list[tuple[int, int]]:
    """Places of eight bytes, from the start of the data, that hold all that must be the same, and what of each must.

    They may begin in the header, which is the same already.
    """
    must = np.concatenate([np.full(HEADER, 0xFF, np.uint8), template.must, np.zeros(WINDOW, np.uint8)])
    last = HEADER + template.length + 4 - WINDOW
    left = must.copy()
    left[:HEADER] = 0
    out: list[tuple[int, int]] = []

    def take(at: int) -> None:
        out.append((at - HEADER, int.from_bytes(must[at : at + WINDOW].tobytes(), "little")))
        left[at : at + WINDOW] = 0

    whole = np.flatnonzero(np.lib.stride_tricks.sliding_window_view(must, WINDOW).min(1) == 0xFF)
    for at in whole[::-1].tolist():  # whole words need no mask
        if left[at + WINDOW - 1]:
            take(at)
    while len(rest := np.flatnonzero(left)):
        take(min(int(rest[0]), last))
    return out


class _Group:
    """Records of one template that follow each other in every stretch.

    Args:
        known: of each record.
        buffer, at: the bytes, and where the first record's data starts in the first stretch.
        place: the same from the stretch's start.
        copies: how many stretches there are.
    """

    def __init__(self, known: list[Known], buffer: U8, at: int, place: int, copies: int) -> None:
        template = self.template = known[0][0]
        self.width = len(known)
        self.distance = template.length + OVERHEAD
        self.place = place
        self.tags = np.array([list(tags) for _, tags in known], np.int64)
        self.slots = self.tags.size
        data = [buffer[at + i * self.distance :][: template.length].tobytes() for i in range(self.width)]
        self.constant = np.array([template.constant_crc(each) for each in data], np.uint32)
        self.windows: list[tuple[int, np.uint64 | None, U64]] = []
        for offset, bits in _windows(template):
            words = np.ndarray((self.width,), "<u8", buffer, at + offset, (self.distance,))
            self.windows.append((offset, None if bits == 2**64 - 1 else np.uint64(bits), words & np.uint64(bits)))
        places = template.places
        inside = range(*places.step) if places.step else range(0)
        self.varying = [place for place in template.varying if place not in inside]
        self.pairs = self.width * copies >= PAIRS
        self._tiled: tuple[U32, list[U64]] = (self.constant[:0, None], [])

    def _tiles(self, count: int, stride: int) -> tuple[U32, list[U64]]:
        """The constants and expected words, repeated where that makes one long row for NumPy of what is compared."""
        if self.width == 1 or stride != self.width * self.distance:
            return self.constant, [expected for _, _, expected in self.windows]
        constant, words = self._tiled
        if len(constant) < count:
            constant = np.tile(self.constant, (count, 1))
            words = [np.tile(expected, (count, 1)) for _, _, expected in self.windows]
            self._tiled = constant, words
        return constant[:count], [one[:count] for one in words]

    def fits(self, base: U8, at: int, count: int, stride: int) -> NDArray[np.bool_] | None:
        """Which stretches have what must be the same; None where all do."""
        out: NDArray[np.bool_] | None = None
        for (offset, bits, _), expected in zip(self.windows, self._tiles(count, stride)[1], strict=True):
            words = self._column(base, at, count, stride, offset, "<u8")
            same = (words if bits is None else words & bits) == expected
            if not same.all():
                good: NDArray[np.bool_] = same.all(1)
                out = good if out is None else out & good
        return out

    def _column(self, base: U8, at: int, count: int, stride: int, place: int, dtype: str) -> NDArray[Any]:
        return np.ndarray((count, self.width), dtype, base, at + self.place + place, (stride, self.distance))

    def take(self, base: U8, at: int, count: int, stride: int, out: list[NDArray[Any]]) -> NDArray[np.bool_] | None:
        """Fills step, wall time and value, of shape [slots, count]; says which stretches are sound, None for all."""

        def column(place: int, dtype: str) -> NDArray[Any]:
            return self._column(base, at, count, stride, place, dtype)

        template, (step, wall_time, value) = self.template, out
        crc = np.empty((count, self.width), np.uint32)
        crc[:] = self._tiles(count, stride)[0]
        self._add_step(column, crc, step)
        self._add(column, crc)
        sound = mask(crc) == column(template.length, "<u4")
        values = len(template.places.values)
        wall_time.reshape(self.width, values, count)[:] = column(template.places.wall, "<f8").T[:, None]
        cells = value.reshape(self.width, values, count)
        for i, one in enumerate(template.places.values):
            cells[:, i] = column(one.number[0], one.kind).T
        return None if sound.all() else sound.all(1)

    def _add_step(self, column: Column, crc: U32, out: I64) -> None:
        """The step, which mostly is the same in all records of a stretch; its bytes are added to the checksums."""
        places = self.template.places
        if places.step is None:
            out[:] = 0
            return
        start, end = places.step
        parts = [column(place, "u1") for place in range(start, end)]
        if self.width > 1 and end - start <= WINDOW:
            words = column(start, "<u8") & np.uint64((1 << (8 * (end - start))) - 1)
            if (words == words[:, :1]).all():
                parts = [part[:, :1] for part in parts]
        step = np.zeros(parts[0].shape, np.int64)
        added = np.zeros(parts[0].shape, np.uint32)
        for i, part in enumerate(parts):
            step |= (part.astype(np.int64) & 0x7F) << (7 * i)
            added ^= byte_table(self.template.length - 1 - start - i).take(part)
        crc ^= added
        out.reshape(self.width, -1, len(crc))[:] = step.T[:, None]

    def _add(self, column: Column, crc: U32) -> None:
        """Adds the other bytes that vary to the checksums."""
        varying, last = self.varying, self.template.length - 1
        i = 0
        while i < len(varying):
            place = varying[i]
            if self.pairs and i + 1 < len(varying) and varying[i + 1] == place + 1:
                cells, table = column(place, "<u2"), pair_table(last - place - 1)
                i += 2
            else:
                cells, table = column(place, "u1"), byte_table(last - place)
                i += 1
            first = cells[0, 0]
            if cells[-1, -1] == first and cells[len(cells) // 2, 0] == first and (cells == first).all():
                crc ^= table[first]
            else:
                crc ^= table.take(cells)


class Block:
    """Stretches of records to be decoded.

    Args:
        buffer: the bytes.
        place: where each stretch starts, int64 of shape [n].
        row: the index of its first record, int64 of shape [n].
        offset: where each record starts from the stretch's start.
        size: bytes of a stretch.
        known: of each record, or None for those that are not to be decoded.

    Attributes:
        taken: which records of a stretch are decoded.
        points: how many points there are at most.
    """

    def __init__(self, buffer: U8, place: I64, row: I64, offset: I64, size: int, known: Sequence[Known | None]) -> None:
        self._buffer, self._place, self._row = buffer, place, row
        self._size = size
        self._groups: list[_Group] = []
        starts: list[int] = []
        i = 0
        while i < len(known):
            j = i
            while j < len(known) and _alike(known[i], known[j]):
                j += 1
            if j - i < WIDE and j - i < len(known):
                j = min(j, i + 1)
            if j > i:
                at = int(offset[i]) + HEADER
                self._groups.append(
                    _Group([one for one in known[i:j] if one], buffer, int(place[0]) + at, at, len(place))
                )
                starts.append(i)
            i = max(j, i + 1)
        self._starts = starts
        spans = [range(start, start + group.width) for start, group in zip(starts, self._groups, strict=True)]
        self.taken = np.array([record for span in spans for record in span], np.int64)
        self.slots = sum(group.slots for group in self._groups)
        self.points = self.slots * len(place)

    def fill(self, out: Columns, at: int) -> tuple[int, I64]:
        """Fills columns from `at` on; returns how many points there are, and which stretches could not be taken.

        Those are given as indexes; none of their records was taken.
        """
        total = len(self._place)
        grids = [
            part[at : at + self.points].reshape(self.slots, total) for part in (out.step, out.wall_time, out.value)
        ]
        good = np.ones(total, bool)
        stretches = max(1, BYTES // self._size)
        distance = np.diff(self._place)
        even = int(distance[0]) if total > 1 and (distance == distance[0]).all() else 0
        cells = np.ndarray((len(self._buffer) - self._size + 1,), f"V{self._size}", self._buffer, strides=(1,))
        for low in range(0, total, stretches):
            high = min(low + stretches, total)
            if even:
                base, start, stride = self._buffer, int(self._place[low]), even
            else:
                base, start, stride = cells[self._place[low:high]].view(np.uint8), 0, self._size
            for group, part in zip(self._groups, self._cut(grids, low, high), strict=True):
                span = base, start, high - low, stride
                for fit in (group.fits(*span), group.take(*span, part)):
                    if fit is not None:
                        good[low:high] &= fit
            if low == 0 and good[:high].sum() * 4 < high:
                good[:] = False  # a wrong guess, most likely all the way
                break
        return self._finish(out, at, grids, good), np.flatnonzero(~good)

    def _cut(self, grids: list[NDArray[Any]], low: int, high: int) -> list[list[NDArray[Any]]]:
        out: list[list[NDArray[Any]]] = []
        slot = 0
        for group in self._groups:
            out.append([grid[slot : slot + group.slots, low:high] for grid in grids])
            slot += group.slots
        return out

    def _finish(self, out: Columns, at: int, grids: list[NDArray[Any]], good: NDArray[np.bool_]) -> int:
        """Closes up where stretches could not be taken, and fills in what is the same along a column."""
        row = self._row
        count = len(row)
        if not good.all():
            row = row[good]
            count = len(row)
            for grid in grids:
                kept = grid[:, good]
                grid.ravel()[: kept.size] = kept.ravel()
        slot = at
        for group, taken in zip(self._groups, self._starts, strict=True):
            values = len(group.template.places.values)
            shape = (group.width, values, count)
            part = slice(slot, slot + group.slots * count)
            out.row[part].reshape(shape)[:] = row + taken + np.arange(group.width)[:, None, None]
            out.tag[part].reshape(shape)[:] = group.tags[:, :, None]
            out.wide[part].reshape(shape)[:] = group.template.wide[None, :, None]
            out.bare[part].reshape(shape)[:] = group.template.bare[None, :, None]
            out.label[part].reshape(shape)[:] = group.template.label[None, :, None]
            slot = part.stop
        return slot - at


def _alike(one: Known | None, other: Known | None) -> bool:
    return one is not None and other is not None and one[0] is other[0]


def as_columns(count: int) -> Columns:
    """Columns of that length, with nothing in them yet."""
    row, tag, step = (np.empty(count, np.int64) for _ in range(3))
    wall_time, value = (np.empty(count, np.float64) for _ in range(2))
    wide, bare = (np.empty(count, np.bool_) for _ in range(2))
    return Columns(row, tag, step, wall_time, value, wide, bare, np.empty(count, np.int32))
