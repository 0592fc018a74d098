"""Framed records to columns of scalars, by the million, checksums included.

Events of one shape have their wall time, step, tags and values at the same places. So a record that was parsed by
hand gives a template: the bytes that must be the same, verified on all rows eight at a time; the tags, told apart by a
hash and then compared; and the places of what varies, which become strided columns. An event may have many values.
The checksum is a constant of (template, tags) combined with a table entry for each varying byte (see record.py).
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from .record import HEADER, byte_table, crc32c, mask, pair_table
from .wire import BYTES, FIXED32, FIXED64, VARINT, fields, read_varint

__all__ = ["Decoded", "ScalarDecoder"]

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]
U64 = NDArray[np.uint64]
U32 = NDArray[np.uint32]
U8 = NDArray[np.uint8]
Bools = NDArray[np.bool_]
Label = tuple[str, str]  # display name and description


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
    label: NDArray[np.int32]
    rest: I64
    corrupt: I64


@dataclass(frozen=True, slots=True)
class _Value:
    """Where a value's tag and number stand; `kind` is a dtype, or `varint`; `label` is what it says of its tag."""

    tag: tuple[int, int]
    number: tuple[int, int]
    kind: str
    bare: bool
    label: Label | None

    @property
    def wide(self) -> bool:
        return self.kind not in ("<f4", "u1", "?")


@dataclass(frozen=True, slots=True)
class _Places:
    """Where the parts of an event of scalars stand in its bytes."""

    wall: int
    step: tuple[int, int] | None
    values: tuple[_Value, ...]


def _find_places(data: bytes) -> _Places | None:
    """The places of the parts of an event of scalars; None for any other event, or one that is written unusually."""
    try:
        wall, step, summary = -1, None, None
        for number, kind, start, end in fields(data, 0, len(data)):
            if number == 1 and wall < 0 and kind == FIXED64:
                wall = start
            elif number == 2 and step is None and kind == VARINT:
                step = (start, end)
            elif number == 5 and summary is None and kind == BYTES:
                summary = (start, end)
            else:
                return None
        if summary is None or wall < 0:
            return None
        values: list[_Value] = []
        for number, kind, start, end in fields(data, *summary):
            found = _find_value(data, start, end) if (number, kind) == (1, BYTES) else None
            if found is None:
                return None
            values.append(found)
        return _Places(wall, step, tuple(values)) if values else None
    except (IndexError, ValueError):
        return None


def _find_value(data: bytes, at: int, end: int) -> _Value | None:
    tag = value = label = None
    plugin = b""
    tensor = False
    for number, kind, start, stop in fields(data, at, end):
        if number == 1 and tag is None and kind == BYTES:
            tag = (start, stop)
        elif number == 2 and kind == FIXED32 and value is None:
            value = ((start, stop), "<f4")
        elif number == 8 and value is None and kind == BYTES:
            tensor, value = True, _find_number(data, start, stop)
            if value is None:
                return None
        elif number == 9 and not plugin and kind == BYTES:
            plugin = _plugin(data, start, stop)
            label = _label(data, start, stop)
        elif number != 7:
            return None
    if tag is None or value is None or plugin not in (b"", b"scalars"):
        return None
    return _Value(tag, *value, tensor and not plugin, label or ("", "") if tensor else label)


def _plugin(data: bytes, at: int, end: int) -> bytes:
    for number, _, start, stop in fields(data, at, end):
        if number == 1:
            for inner, _, a, b in fields(data, start, stop):
                if inner == 1:
                    return data[a:b]
    return b""


def _label(data: bytes, at: int, end: int) -> Label | None:
    """The display name and description in a summary's metadata; None where it has neither."""
    texts = {2: "", 3: ""}
    for number, kind, start, stop in fields(data, at, end):
        if number in texts and kind == BYTES:
            texts[number] = data[start:stop].decode("utf-8", "replace")
    return (texts[2], texts[3]) if any(texts.values()) else None


_CONTENT = {1: "<f4", 2: "<f8", 3: "<i4", 4: "u1", 9: "<i8", 10: "?"}  # by TensorFlow's number of the dtype
_LISTED = {1: (5, "<f4"), 2: (6, "<f8"), 3: (7, "varint"), 9: (10, "varint")}  # and the field that lists numbers


def _find_number(data: bytes, at: int, end: int) -> tuple[tuple[int, int], str] | None:
    """Where the one number of a tensor stands, and its kind."""
    dtype, place = 0, None
    for number, kind, start, stop in fields(data, at, end):
        if number == 1:
            dtype = read_varint(data, start)[0]
        elif number == 2:
            for part, _, a, b in fields(data, start, stop):
                dims = [read_varint(data, x)[0] for n, k, x, _ in fields(data, a, b) if n == 1 and k == VARINT]
                if part != 2 or dims != [1]:
                    return None
        elif number in (4, 5, 6, 7, 10) and place is None:
            place = (number, (start, stop), kind)
        else:
            return None
    if place is None:
        return None
    number, (start, stop), kind = place
    if number == 4:
        found = _CONTENT.get(dtype)
        return ((start, stop), found) if found and stop - start == np.dtype(found).itemsize else None
    listed, found = _LISTED.get(dtype, (0, ""))
    if listed != number:
        return None
    if found == "varint":
        one = start < stop and read_varint(data, start)[1] == stop
    else:
        one = stop - start == np.dtype(found).itemsize
    return ((start, stop), found) if one else None


@functools.cache
def _factors(count: int) -> U64:
    """Odd numbers to hash with, always the same."""
    return np.random.default_rng(1).integers(1, 2**63, count, dtype=np.uint64) | np.uint64(1)


class _Template:
    """Events of scalars of one length whose parts stand at the same places, whatever their tags."""

    def __init__(self, data: bytes, places: _Places, labels: list[int]) -> None:
        self.label = np.array(labels, np.int32)
        self.length = len(data)
        self.places = places
        self.row = np.frombuffer(data, np.uint8)
        fixed = np.full(self.length, 0xFF, np.uint8)
        varying = [*range(places.wall, places.wall + 8)]
        fixed[varying] = 0
        tag = np.zeros(self.length, np.uint8)
        varints = [places.step] if places.step else []
        for value in places.values:
            tag[slice(*value.tag)] = 0xFF
            fixed[slice(*value.tag)] = 0
            if value.kind == "varint":
                varints.append(value.number)
            else:
                fixed[slice(*value.number)] = 0
                varying += range(*value.number)
        for start, end in varints:
            fixed[start:end] = 0x80  # the continuation bits
            varying += range(start, end)
        self.words = (self.length + 4 + 7) // 8
        fixed_words, tag_words = self._as_words(fixed), self._as_words(tag)
        expected = self._as_words(self.row & fixed)
        self.fixed = [(j, fixed_words[j], expected[j]) for j in range(self.words) if fixed_words[j]]
        self.tag = [(j, tag_words[j]) for j in range(self.words) if tag_words[j]]
        self.factors = _factors(len(self.tag))
        self.varying = sorted(varying)
        self.known: dict[int, tuple[list[int], int, list[int]]] = {}
        self.lookup: tuple[U64, I64, U32, list[U64]] | None = None
        self.wide = np.array([value.wide for value in places.values])
        self.bare = np.array([value.bare for value in places.values])

    def _as_words(self, part: U8) -> U64:
        return np.append(part, np.zeros(self.words * 8 - self.length, np.uint8)).view("<u8")

    def checksum(self, column: Any, crc: U32) -> U32:
        """Adds the varying bytes: two at a time where many rows pay for the larger tables and values are few."""
        pairs = len(crc) >= 2_000 and len(self.places.values) == 1
        i = 0
        while i < len(self.varying):
            place = self.varying[i]
            following = self.length - 1 - place
            if pairs and i + 1 < len(self.varying) and self.varying[i + 1] == place + 1:
                crc ^= pair_table(following - 1)[column(place, "<u2")]
                i += 2
            else:
                crc ^= byte_table(following)[column(place, "u1")]
                i += 1
        return mask(crc)

    def constant_crc(self, row: bytes) -> int:
        """The checksum of a row with this row's tags and zeros in every varying byte."""
        data = self.row.copy()
        data[self.varying] = 0
        for value in self.places.values:
            data[slice(*value.tag)] = np.frombuffer(row[slice(*value.tag)], np.uint8)
        return crc32c(data.tobytes())

    def identify(self, words: U64, rows: NDArray[Any], tags: dict[bytes, int]) -> tuple[I64, U32, Bools | None]:
        """The tags (shape [rows, values]) and constant checksum of each row, and whether its tags are really these;
        None where all are."""
        parts = [words[:, j] & bits for j, bits in self.tag]
        hashed = np.zeros(len(words), np.uint64) if not parts else parts[0] * self.factors[0]
        for part, factor in zip(parts[1:], self.factors[1:], strict=True):
            hashed += part * factor
        while True:
            if self.lookup is not None:
                hashes, ids, crcs, spelled = self.lookup
                at = np.searchsorted(hashes, hashed)
                at[at == len(hashes)] = 0
                missing = np.flatnonzero(hashes[at] != hashed)
                if not len(missing):
                    break
            else:
                missing = np.arange(len(hashed))
            new, first = np.unique(hashed[missing], return_index=True)
            self._learn(new, missing[first], parts, rows, tags)
        same: Bools | None = None
        for part, known in zip(parts, spelled, strict=True):
            if not (equal := known[at] == part).all():
                same = equal if same is None else same & equal
        return ids[at], crcs[at], same

    def _learn(self, new: U64, first: I64, parts: list[U64], rows: NDArray[Any], tags: dict[bytes, int]) -> None:
        for hashed, row in zip(new.tolist(), first.tolist(), strict=True):
            data = rows[row : row + 1].tobytes()
            numbers = [tags.setdefault(data[slice(*value.tag)], len(tags)) for value in self.places.values]
            self.known[hashed] = (numbers, self.constant_crc(data), [int(part[row]) for part in parts])
        hashes = sorted(self.known)
        entries = [self.known[h] for h in hashes]
        self.lookup = (
            np.array(hashes, np.uint64),
            np.array([e[0] for e in entries], np.int64),
            np.array([e[1] for e in entries], np.uint32),
            [np.array([e[2][j] for e in entries], np.uint64) for j in range(len(self.tag))],
        )


def _varints(column: Any, start: int, end: int, count: int) -> I64:
    out = np.zeros(count, np.int64)
    for i in range(end - start):
        out |= (column(start + i, "u1").astype(np.int64) & 0x7F) << (7 * i)
    return out


@dataclass(slots=True)
class _Part:
    """Rows of one template, decoded; `tag` and `value` of shape [rows, values]."""

    row: I64
    tag: I64
    step: I64
    wall_time: F64
    value: F64
    template: _Template


@dataclass(slots=True)
class _Work:
    """What comes out of one call, while it is being made."""

    parts: list[_Part] = field(default_factory=list[_Part])
    rest: list[I64] = field(default_factory=list[I64])
    corrupt: list[I64] = field(default_factory=list[I64])


class ScalarDecoder:
    """Turns framed records into columns. Keeps templates and tags from batch to batch."""

    LENGTH_MAX: Final = 16_384  # a longer record is no scalars, or not worth a template
    TEMPLATES_PER_SHAPE: Final = 6
    TRIED: Final = 8  # records of one shape that are parsed in vain before the others are left alone
    CHUNK: Final = 1 << 15  # rows at a time: their bytes stay in the processor's cache
    FEW_LENGTHS: Final = 12  # with more lengths than these a chunk has too few rows of each, and everything is taken

    def __init__(self) -> None:
        self.tags: dict[bytes, int] = {}
        self.labels: dict[Label | None, int] = {None: 0}
        self._templates: dict[int, list[_Template]] = {}

    def decode(self, buffer: U8, offset: I64, length: I64) -> Decoded:
        """Decodes the records that are scalars.

        Args:
            buffer: the bytes, with `record.PAD` more behind the last record.
            offset, length: of the records, as `record.scan` returns them.
        """
        count = len(offset)
        work = _Work()
        few = not count or len(_distinct(length)) <= self.FEW_LENGTHS
        chunk = self.CHUNK if few else 262144
        for low in range(0, count, chunk):
            part = slice(low, low + chunk)
            for shape, rows in _by_shape(buffer, offset[part] + HEADER, length[part]):
                if not 13 <= shape >> 4 <= self.LENGTH_MAX:
                    work.rest.append(rows + low)
                else:
                    self._one_shape(work, buffer, offset, rows + low, shape)
        return _finish(work)

    def _one_shape(self, work: _Work, buffer: U8, offset: I64, rows: I64, shape: int) -> None:
        templates, size = self._templates.get(shape, []), shape >> 4
        tried = misfits = 0
        while len(rows):
            if tried == len(templates):
                start = int(offset[rows[0]]) + HEADER
                data = buffer[start : start + size].tobytes()
                full = len(templates) >= self.TEMPLATES_PER_SHAPE
                places = None if full else _find_places(data)
                if places is None:
                    misfits += 1
                    many = full or misfits >= self.TRIED
                    work.rest.append(rows if many else rows[:1])
                    rows = rows[:0] if many else rows[1:]
                    continue
                templates = self._templates.setdefault(shape, templates)
                labels = [self.labels.setdefault(value.label, len(self.labels)) for value in places.values]
                templates.append(_Template(data, places, labels))
            rows = self._apply(work, templates[tried], buffer, offset, rows)
            tried += 1

    def _apply(self, work: _Work, template: _Template, buffer: U8, offset: I64, rows: I64) -> I64:
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


def _read(work: _Work, template: _Template, column: Any, rows: I64, tag: I64) -> None:
    """Takes the columns of rows that were verified."""
    places, count = template.places, len(rows)
    step = _varints(column, *places.step, count) if places.step else np.zeros(count, np.int64)
    table = np.empty((count, len(places.values)))
    for i, value in enumerate(places.values):
        number = value.number
        table[:, i] = _varints(column, *number, count) if value.kind == "varint" else column(number[0], value.kind)
    work.parts.append(_Part(rows, tag, step, column(places.wall, "<f8").copy(), table, template))


def _finish(work: _Work) -> Decoded:
    none = np.empty(0, np.int64)
    rest = np.sort(np.concatenate(work.rest)) if work.rest else none
    corrupt = np.sort(np.concatenate(work.corrupt)) if work.corrupt else none
    columns: list[list[NDArray[Any]]] = [[none], [none], [none], [np.empty(0)], [np.empty(0)]]
    flags: list[list[NDArray[Any]]] = [[np.empty(0, bool)], [np.empty(0, bool)], [np.empty(0, np.int32)]]
    for part in work.parts:
        count, width = part.value.shape
        of_rows = (part.row, part.step, part.wall_time)
        row, step, wall_time = of_rows if width == 1 else [each.repeat(width) for each in of_rows]
        for column, each in zip(columns, (row, part.tag.ravel(), step, wall_time, part.value.ravel()), strict=True):
            column.append(each)
        for column, flag in zip(flags, (part.template.wide, part.template.bare, part.template.label), strict=True):
            column.append(np.tile(flag, count))
    work.parts.clear()
    return _decoded([np.concatenate(column) for column in (*columns, *flags)], rest, corrupt)


def _decoded(columns: list[NDArray[Any]], rest: I64, corrupt: I64) -> Decoded:
    row, tag, step, wall_time, value, wide, bare, label = columns
    return Decoded(row, tag, step, wall_time, value, wide, bare, label, rest, corrupt)


def _distinct(lengths: I64) -> I64:
    """The values that occur; sorting is needed only where some are large."""
    return np.flatnonzero(np.bincount(lengths)) if lengths.max() < 1 << 16 else np.unique(lengths)


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
