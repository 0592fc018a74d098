"""Framed records to columns of scalars, by the million, checksums included.

Events of one shape have their wall time, step, tags and values at the same places. So a record that was parsed by
hand gives a template: the bytes that must be the same, verified on all rows eight at a time; the tags, told apart by a
hash and then compared; and the places of what varies, which become strided columns. An event may have many values.
The checksum is a constant of (template, tags) combined with a table entry for each varying byte (see record.py).
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from .blocks import Block, Columns, Known, as_columns
from .distinct import distinct
from .record import HEADER, OVERHEAD
from .repeats import Repeat
from .templates import Label, Places, Template, find_places, varints

__all__ = ["Decoded", "ScalarDecoder"]

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]
U64 = NDArray[np.uint64]
U32 = NDArray[np.uint32]
U8 = NDArray[np.uint8]
Bools = NDArray[np.bool_]
Ints = NDArray[np.int32]


@dataclass(slots=True)
class Decoded:
    """What `ScalarDecoder.decode` made of some records; one entry for each scalar, in no order.

    Attributes:
        row: which record; values of one record are in its order.
        tag: index into the decoder's `tags`.
        step, wall_time, value: the columns; float32 values are exact in float64.
        wide: whether the value was written with more than float32's precision.
        bare: whether it is a tensor that names no plugin, which is a scalar only if its tag was one before.
        label: what its value says of its tag, as an index into the decoder's `labels`.
        rest: the records that are not scalars, for the caller to parse.
        corrupt: the scalar records whose data checksum fails.
    """

    row: I64
    tag: I64
    step: I64
    wall_time: F64
    value: F64
    wide: Bools
    bare: Bools
    label: Ints
    rest: I64
    corrupt: I64


@dataclass(slots=True)
class _Part:
    """Rows of one template, decoded; `tag` and `value` of shape [rows, values]."""

    row: I64
    tag: I64
    step: I64
    wall_time: F64
    value: F64
    template: Template

    def put(self, out: Columns, at: int) -> int:
        """Fills in columns from `at` on; returns how many points these are."""
        count, width = self.value.shape
        part = slice(at, at + count * width)
        for column, each in ((out.row, self.row), (out.step, self.step), (out.wall_time, self.wall_time)):
            column[part].reshape(count, width)[:] = each[:, None]
        out.tag[part], out.value[part] = self.tag.ravel(), self.value.ravel()
        out.wide[part].reshape(count, width)[:] = self.template.wide
        out.bare[part].reshape(count, width)[:] = self.template.bare
        out.label[part].reshape(count, width)[:] = self.template.label
        return count * width


@dataclass(slots=True)
class _Work:
    """What comes out of one call, while it is being made."""

    parts: list[_Part] = field(default_factory=list[_Part])
    rest: list[I64] = field(default_factory=list[I64])
    corrupt: list[I64] = field(default_factory=list[I64])

    def points(self) -> int:
        """How many scalars there are."""
        return sum(part.value.size for part in self.parts)


@dataclass(frozen=True, slots=True)
class _Records:
    """Where records stand in a buffer."""

    buffer: U8
    offset: I64
    length: I64


class ScalarDecoder:
    """Turns framed records into columns. Keeps templates and tags from batch to batch.

    Args:
        simple: only events of `simple_value`s without metadata are taken for scalars.
    """

    LENGTH_MAX: Final = 16_384  # a longer record is no scalars, or not worth a template
    TEMPLATES_PER_SHAPE: Final = 6
    TRIED: Final = 8  # records of one shape that are parsed in vain before the others are left alone
    CHUNK: Final = 1 << 15  # rows at a time: their bytes stay in the processor's cache
    AGAIN: Final = 16  # stretches of a repeat that are another one's; fewer are decoded record by record
    FEW_LENGTHS: Final = 12  # with more lengths than these a chunk has too few rows of each, and everything is taken

    def __init__(self, simple: bool = False) -> None:
        self._simple = simple
        self.tags: dict[bytes, int] = {}
        self.labels: dict[Label | None, int] = {None: 0}
        self._templates: dict[int, list[Template]] = {}
        self._places: dict[int, Places] = {}

    def kind(self, data: bytes) -> Hashable | None:
        """A guess at what tells records of one series from others: their shape and tags; None for no scalars."""
        width = 0
        while width < 5 and len(data) > 10 + width and data[10 + width] & 0x80:
            width += 1
        shape = len(data) << 4 | width
        places = self._places.get(shape)
        if places is None:
            places = self._find_places(data) if len(data) <= self.LENGTH_MAX else None
            if places is None:
                return None
            self._places[shape] = places
        return shape, *(data[slice(*value.tag)] for value in places.values)

    def _find_places(self, data: bytes) -> Places | None:
        places = find_places(data)
        if places is not None and self._simple and not all(value.simple for value in places.values):
            return None
        return places

    def decode(self, buffer: U8, offset: I64, length: I64, repeats: Sequence[Repeat] = ()) -> Decoded:
        """Decodes the records that are scalars.

        Args:
            buffer: the bytes, with `record.PAD` more behind the last record.
            offset, length: of the records, as `record.scan` returns them.
            repeats: what repeats among them, as `repeats.find` returns it.
        """
        with np.errstate(invalid="ignore"):  # a NaN that signals, or bytes whose checksum is still to be compared
            return self._decode(_Records(buffer, offset, length), repeats)

    def _decode(self, records: _Records, repeats: Sequence[Repeat]) -> Decoded:
        work, later = _Work(), _Work()
        blocks = [(repeat, self._block(records, repeat)) for repeat in repeats]
        self._decode_rows(work, records, _alone(len(records.offset), blocks))
        out = as_columns(sum(block.points for _, block in blocks) + work.points())
        at = 0
        while blocks:
            repeat, block = blocks.pop()
            count, left = block.fill(out, at)
            at += count
            if len(left):
                again, singly = Repeat(repeat.first[left], repeat.count), block.taken
                if count and len(left) >= self.AGAIN:
                    other = self._block(records, again, block.taken)
                    if other.slots <= block.slots:  # else there is no room for it
                        blocks.append((again, other))
                        singly = np.setdiff1d(block.taken, other.taken)
                rows = (again.first[:, None] + singly).ravel()
                self._decode_rows(later, records, np.sort(rows))
        for part in work.parts:
            at += part.put(out, at)
        return _decoded(out, at, work, later)

    def _block(self, records: _Records, repeat: Repeat, only: I64 | None = None) -> Block:
        """A repeat, ready to be decoded: what its first stretch holds tells what the others should.

        Args:
            only: the records of a stretch that are asked for; None for all.
        """
        start, count = int(repeat.first[0]), repeat.count
        trial, known = _Work(), list[Known | None]([None] * count)
        self._decode_rows(trial, records, np.arange(start, start + count))
        for part in trial.parts:
            if part.template.plain:
                for row, tags in zip((part.row - start).tolist(), part.tag.tolist(), strict=True):
                    if only is None or row in only:
                        known[row] = part.template, tags
        place = records.offset[repeat.first]
        offset = records.offset[start : start + count] - place[0]
        size = int(offset[-1] + records.length[start + count - 1]) + OVERHEAD
        return Block(records.buffer, place, repeat.first, offset, size, known)

    def _decode_rows(self, work: _Work, records: _Records, rows: I64) -> None:
        """Decodes records of any shape, in any order."""
        buffer, offset, length = records.buffer, records.offset[rows], records.length[rows]
        few = not len(rows) or len(_distinct(length)) <= self.FEW_LENGTHS
        chunk = self.CHUNK if few else 262144
        for low in range(0, len(rows), chunk):
            part = slice(low, low + chunk)
            for shape, chosen in _by_shape(buffer, offset[part] + HEADER, length[part]):
                if not 13 <= shape >> 4 <= self.LENGTH_MAX:
                    work.rest.append(rows[part][chosen])
                else:
                    self._one_shape(work, buffer, records.offset, rows[part][chosen], shape)

    def _one_shape(self, work: _Work, buffer: U8, offset: I64, rows: I64, shape: int) -> None:
        templates, size = self._templates.get(shape, []), shape >> 4
        tried = misfits = 0
        while len(rows):
            if tried == len(templates):
                start = int(offset[rows[0]]) + HEADER
                data = buffer[start : start + size].tobytes()
                full = len(templates) >= self.TEMPLATES_PER_SHAPE
                places = None if full else self._find_places(data)
                if places is None:
                    misfits += 1
                    many = full or misfits >= self.TRIED
                    work.rest.append(rows if many else rows[:1])
                    rows = rows[:0] if many else rows[1:]
                    continue
                templates = self._templates.setdefault(shape, templates)
                labels = [self.labels.setdefault(value.label, len(self.labels)) for value in places.values]
                templates.append(Template(data, places, labels))
            rows = self._apply(work, templates[tried], buffer, offset, rows)
            tried += 1

    def _apply(self, work: _Work, template: Template, buffer: U8, offset: I64, rows: I64) -> I64:
        """Decodes the rows that fit the template; returns those that do not."""
        size = template.words * 8
        cells = np.ndarray((len(buffer) - size + 1,), f"V{size}", buffer, strides=(1,))[offset[rows] + HEADER]
        words = cells.view("<u8").reshape(len(rows), template.words)
        misfit = rows[:0]
        for j, bits, expected in template.fixed:
            fit = (words[:, j] & bits) == expected
            if not fit.all():
                misfit = rows[~fit] if not len(misfit) else np.append(misfit, rows[~fit])
                rows, cells, words = rows[fit], cells[fit], words[fit]
        if len(misfit):
            misfit.sort()
            if not len(rows):
                return misfit
        tag, crc, same = template.identify(words, cells, self.tags)

        def column(at: int, dtype: str) -> NDArray[Any]:
            return np.ndarray((len(cells),), dtype, cells, offset=at, strides=(size,))

        sound = template.checksum(column, crc) == column(template.length, "<u4")
        if same is not None:  # two tags of one hash: as rare as it sounds, and parsed one by one
            work.rest.append(rows[~same])
            work.corrupt.append(rows[~sound & same])
            sound &= same
        elif not sound.all():
            work.corrupt.append(rows[~sound])
        if not sound.all():
            rows, tag, cells = rows[sound], tag[sound], cells[sound]
            if not len(rows):
                return misfit
        _read(work, template, column, rows, tag)
        return misfit


def _read(work: _Work, template: Template, column: Any, rows: I64, tag: I64) -> None:
    """Takes the columns of rows that were verified."""
    places, count = template.places, len(rows)
    step = varints(column, *places.step, count) if places.step else np.zeros(count, np.int64)
    table = np.empty((count, len(places.values)))
    for i, value in enumerate(places.values):
        number = value.number
        table[:, i] = varints(column, *number, count) if value.kind == "varint" else column(number[0], value.kind)
    work.parts.append(_Part(rows, tag, step, column(places.wall, "<f8").copy(), table, template))


def _alone(count: int, blocks: list[tuple[Repeat, Block]]) -> I64:
    """The records that no block decodes."""
    if not blocks:
        return np.arange(count)
    alone = np.ones(count, bool)
    for repeat, block in blocks:
        for record in block.taken.tolist():
            alone[repeat.first + record] = False
    return np.flatnonzero(alone)


def _decoded(out: Columns, count: int, work: _Work, later: _Work) -> Decoded:
    """What was filled in, and what had to be looked at later, because it was not what it seemed."""
    columns: list[NDArray[Any]] = [getattr(out, name)[:count] for name in Columns.__slots__]
    if later.parts:
        more, at = as_columns(later.points()), 0
        for part in later.parts:
            at += part.put(more, at)
        columns = [np.append(one, getattr(more, name)) for one, name in zip(columns, Columns.__slots__, strict=True)]
    row, tag, step, wall_time, value, wide, bare, label = columns
    rest, corrupt = (
        np.sort(np.concatenate([np.empty(0, np.int64), *parts]))
        for parts in (work.rest + later.rest, work.corrupt + later.corrupt)
    )
    return Decoded(row, tag, step, wall_time, value, wide, bare, label, rest, corrupt)


def _distinct(lengths: I64) -> I64:
    """The values that occur; sorting is needed only where some are large."""
    return np.flatnonzero(np.bincount(lengths)) if lengths.max() < 1 << 16 else distinct(lengths)


def _by_shape(buffer: U8, at: I64, lengths: I64) -> list[tuple[int, I64]]:
    """The rows of each shape: their length, times 16, and how many bytes seem to be the step's varint, up to 6.

    Events of one length that differ in the step's width have nothing at the same place: told apart here, they need
    not be tried in vain.
    """
    word = np.ndarray((len(buffer) - 7,), "<u8", buffer, strides=(1,))[at + 10]
    shapes = lengths << 4
    ones = 0
    for i in range(5):
        ones |= 0x80 << (8 * i)
        shapes += (word & np.uint64(ones)) == ones
    narrow = shapes.astype(np.uint16) if lengths.max() < 1 << 12 else shapes  # 16 bits are sorted in linear time
    order = np.argsort(narrow, kind="stable")
    ordered = shapes[order]
    bounds = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1])).tolist()
    return [(int(ordered[a]), order[a:b]) for a, b in zip(bounds, [*bounds[1:], len(order)], strict=True)]
