"""Scalar events by the million: columns to framed records, and framed records to columns, checksums included.

Two events of the same tag differ only in their wall time, step and value, at places that depend on nothing
but the tag's length and the step's varint width. So rows of one shape are handled together, whatever their tags: a
template has the bytes that stay, NumPy writes or reads the others as strided columns, and the checksum is a constant
of (template, tag) combined with one table entry for each pair of bytes that vary (see record.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from .record import HEADER, byte_table, crc32c, frame, mask, pair_table
from .wire import BYTES, FIXED32, VARINT, encode_scalar, fields, read_varint

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Decoded", "ScalarDecoder", "ScalarEncoder", "varint_width"]

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
I64 = NDArray[np.int64]
U64 = NDArray[np.uint64]
U32 = NDArray[np.uint32]
U8 = NDArray[np.uint8]

FEW = 16  # below this many rows, packing one by one is sooner than preparing columns
WALL = HEADER + 1  # where the wall time stands in a framed scalar
STEP = HEADER + 10


class _Shape:
    """Framed records of one size: tags of `length` bytes, steps whose varint has `width`. One row for each tag."""

    def __init__(self, length: int, width: int) -> None:
        step = {0: 0, 10: -1}.get(width, (1 << (7 * (width - 1))) if width > 1 else 1)
        data = bytearray(encode_scalar("?" * length, step, 0.0, 0.0))
        for i in range(width):
            data[10 + i] = 0x80 if i < width - 1 else 0
        self._data = data
        self._header = frame(bytes(data))[:HEADER]
        last = len(data) - 1
        self._tag_at = last - 4 - length
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
            for number in map(int, np.unique(ids[found < 0])):
                self._row_of[number] = self._add(names[number].encode())
            found = self._row_of[ids]
        return found

    def _add(self, tag: bytes) -> int:
        if self.count == len(self._rows):
            self._rows = np.concatenate((self._rows, np.empty_like(self._rows)))
            self._constants = np.concatenate((self._constants, np.empty_like(self._constants)))
        self._data[self._tag_at : self._tag_at + len(tag)] = tag
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
        self._lengths: I64 = np.empty(0, np.int64)  # of each tag in UTF-8
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
        for tag in tags:
            if tag not in self._tags:
                self._tags[tag] = len(self._names)
                self._names.append(tag)
        self._lengths = np.array([len(name.encode()) for name in self._names], np.int64)

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


@dataclass(slots=True)
class Decoded:
    """What `ScalarDecoder.decode` made of some records; one entry for each that is one scalar.

    Attributes:
        row: which record, ascending.
        tag: index into the decoder's `tags`.
        step, wall_time, value: the columns; float32 values are exact in float64.
        wide: whether the value was written with more than float32's precision.
        rest: the records that are not one scalar, for the caller to parse.
        corrupt: the scalar records whose data checksum fails.
    """

    row: I64
    tag: I64
    step: I64
    wall_time: F64
    value: F64
    wide: NDArray[np.bool_]
    rest: I64
    corrupt: I64


@dataclass(frozen=True, slots=True)
class _Places:
    """Where the parts of a scalar event stand in its bytes."""

    wall: int
    step: tuple[int, int] | None
    tag: tuple[int, int]
    value: int
    dtype: str


def _find_places(data: bytes) -> _Places | None:
    """The places of a scalar event's parts; None for any other event, or one that is written unusually."""
    try:
        wall, step, summary = -1, None, None
        for number, kind, start, end in fields(data, 0, len(data)):
            if number == 1 and wall < 0:
                wall = start
            elif number == 2 and step is None:
                step = (start, end)
            elif number == 5 and summary is None and kind == BYTES:
                summary = (start, end)
            else:
                return None
        if summary is None or wall < 0:
            return None
        values = list(fields(data, *summary))
        if len(values) != 1 or values[0][:2] != (1, BYTES):
            return None
        found = _find_value(data, *values[0][2:])
        return None if found is None else _Places(wall, step, *found)
    except (IndexError, ValueError):
        return None


def _find_value(data: bytes, at: int, end: int) -> tuple[tuple[int, int], int, str] | None:
    tag = value = None
    plugin = b""
    tensor = False
    for number, kind, start, stop in fields(data, at, end):
        if number == 1 and tag is None:
            tag = (start, stop)
        elif number == 2 and kind == FIXED32 and value is None:
            value = (start, "<f4")
        elif number == 8 and value is None:
            tensor, value = True, _find_number(data, start, stop)
            if value is None:
                return None
        elif number == 9 and not plugin:
            plugin = _plugin(data, start, stop)
        elif number != 7:
            return None
    if tag is None or value is None or (plugin != b"scalars" and (tensor or plugin)):
        return None
    return tag, value[0], value[1]


def _plugin(data: bytes, at: int, end: int) -> bytes:
    for number, _, start, stop in fields(data, at, end):
        if number == 1:
            for inner, _, a, b in fields(data, start, stop):
                if inner == 1:
                    return data[a:b]
    return b""


def _find_number(data: bytes, at: int, end: int) -> tuple[int, str] | None:
    """Where the one float32 or float64 of a tensor stands."""
    dtype, place = 0, None
    for number, _kind, start, stop in fields(data, at, end):
        if number == 1:
            dtype = read_varint(data, start)[0]
        elif number == 2:
            for field, _, a, b in fields(data, start, stop):
                dims = [read_varint(data, x)[0] for n, k, x, _ in fields(data, a, b) if n == 1 and k == VARINT]
                if field != 2 or dims != [1]:
                    return None
        elif number in (4, 5, 6) and place is None:
            place = (number, start, stop - start)
        else:
            return None
    sizes = {(1, 4): 4, (1, 5): 4, (2, 4): 8, (2, 6): 8}
    if place is None or sizes.get((dtype, place[0])) != place[2]:
        return None
    return place[1], "<f4" if dtype == 1 else "<f8"


class _ReadTemplate:
    """Scalar events of one length whose parts stand at the same places, whatever their tags."""

    def __init__(self, data: bytes, places: _Places) -> None:
        self.length = len(data)
        self.places = places
        self.row = np.frombuffer(data, np.uint8)
        value_size = int(places.dtype[-1])
        varying = [*range(places.wall, places.wall + 8), *range(places.value, places.value + value_size)]
        fixed = np.full(self.length, 0xFF, np.uint8)
        fixed[varying] = 0
        if places.step:
            fixed[slice(*places.step)] = 0x80  # the continuation bits
            varying += range(*places.step)
        fixed[slice(*places.tag)] = 0
        tag = np.zeros(self.length, np.uint8)
        tag[slice(*places.tag)] = 0xFF
        self.words = (self.length + 4 + 7) // 8
        fixed_words, tag_words = self._as_words(fixed), self._as_words(tag)
        expected = self._as_words(self.row & fixed)
        self.fixed = [(j, fixed_words[j], expected[j]) for j in range(self.words) if fixed_words[j]]
        self.tag = [(j, tag_words[j]) for j in range(self.words) if tag_words[j]]
        factors = np.random.default_rng(1).integers(1, 2**63, len(self.tag), dtype=np.uint64)
        self.factors = factors | np.uint64(1)
        self.varying = sorted(varying)
        self.plan = list(self._checksum_plan())
        self.known: dict[int, tuple[int, int, list[int]]] = {}
        self.lookup: tuple[U64, I64, U32, list[U64]] | None = None

    def _as_words(self, part: U8) -> U64:
        return np.append(part, np.zeros(self.words * 8 - self.length, np.uint8)).view("<u8")

    def _checksum_plan(self) -> Any:
        """(place, table, is a pair) for the varying bytes, two at a time where two are neighbours."""
        i = 0
        while i < len(self.varying):
            place = self.varying[i]
            following = self.length - 1 - place
            if i + 1 < len(self.varying) and self.varying[i + 1] == place + 1:
                yield place, pair_table(following - 1), True
                i += 2
            else:
                yield place, byte_table(following), False
                i += 1

    def constant_crc(self, tag: bytes) -> int:
        """The checksum of a row with this tag and zeros in every varying byte."""
        row = self.row.copy()
        row[self.varying] = 0
        row[slice(*self.places.tag)] = np.frombuffer(tag, np.uint8)
        return crc32c(row.tobytes())

    def identify(self, words: U64, rows: NDArray[Any], tags: dict[bytes, int]) -> tuple[I64, U32, NDArray[np.bool_]]:
        """The tag and constant checksum of each row, and whether the tag's bytes are really the known ones."""
        parts = [words[:, j] & bits for j, bits in self.tag]
        hashed = np.zeros(len(words), np.uint64) if not parts else parts[0] * self.factors[0]
        for part, factor in zip(parts[1:], self.factors[1:], strict=True):
            hashed += part * factor
        while True:
            if self.lookup is not None:
                hashes, ids, crcs, spelled = self.lookup
                at = np.minimum(np.searchsorted(hashes, hashed), len(hashes) - 1)
                missing = np.flatnonzero(hashes[at] != hashed)
                if not len(missing):
                    break
            else:
                missing = np.arange(len(hashed))
            new, first = np.unique(hashed[missing], return_index=True)
            self._learn(new, missing[first], parts, rows, tags)
        same = np.ones(len(words), bool)
        for part, known in zip(parts, spelled, strict=True):
            same &= known[at] == part
        return ids[at], crcs[at], same

    def _learn(self, new: U64, first: I64, parts: list[U64], rows: NDArray[Any], tags: dict[bytes, int]) -> None:
        for value, row in zip(new.tolist(), first.tolist(), strict=True):
            tag = rows[row : row + 1].tobytes()[slice(*self.places.tag)]
            number = tags.setdefault(tag, len(tags))
            self.known[value] = (number, self.constant_crc(tag), [int(part[row]) for part in parts])
        hashes = sorted(self.known)
        entries = [self.known[h] for h in hashes]
        self.lookup = (
            np.array(hashes, np.uint64),
            np.array([e[0] for e in entries], np.int64),
            np.array([e[1] for e in entries], np.uint32),
            [np.array([e[2][j] for e in entries], np.uint64) for j in range(len(self.tag))],
        )


class ScalarDecoder:
    """Turns framed records into columns. Keeps templates and tags from batch to batch."""

    LENGTH_MAX: Final = 2_000  # a longer record is no scalar, or not one worth a template
    TEMPLATES_PER_LENGTH: Final = 6
    CHUNK: Final = 1 << 15  # rows at a time: their bytes stay in the processor's cache

    def __init__(self) -> None:
        self.tags: dict[bytes, int] = {}
        self._templates: dict[int, list[_ReadTemplate]] = {}

    def decode(self, buffer: U8, offset: I64, length: I64) -> Decoded:
        """Decodes the records that are one scalar each.

        Args:
            buffer: the bytes, with a template's row length more behind the last record (2 KiB is enough).
            offset, length: of the records, as `record.scan` returns them.
        """
        count = len(offset)
        self._out = Decoded(
            np.empty(0, np.int64),
            np.full(count, -1, np.int64),
            np.empty(count, np.int64),
            np.empty(count, np.float64),
            np.empty(count, np.float64),
            np.zeros(count, bool),
            np.empty(0, np.int64),
            np.empty(0, np.int64),
        )
        self._rest: list[I64] = []
        self._corrupt: list[I64] = []
        for low in range(0, count, self.CHUNK):
            part = length[low : low + self.CHUNK]
            for size in _distinct(part):
                rows = np.flatnonzero(part == size) + low
                if not 13 <= size <= self.LENGTH_MAX:
                    self._rest.append(rows)
                else:
                    self._one_length(buffer, offset, rows, int(size))
        return self._finish()

    def _finish(self) -> Decoded:
        out, none = self._out, np.empty(0, np.int64)
        out.rest = np.sort(np.concatenate(self._rest)) if self._rest else none
        out.corrupt = np.sort(np.concatenate(self._corrupt)) if self._corrupt else none
        if len(out.rest) or len(out.corrupt):
            out.row = np.flatnonzero(out.tag >= 0)
            for name in ("tag", "step", "wall_time", "value", "wide"):
                setattr(out, name, getattr(out, name)[out.row])
        else:
            out.row = np.arange(len(out.tag))
        self._rest, self._corrupt = [], []
        return out

    def _one_length(self, buffer: U8, offset: I64, rows: I64, size: int) -> None:
        templates = self._templates.setdefault(size, [])
        tried = misfits = 0
        while len(rows):
            if tried == len(templates):
                start = int(offset[rows[0]]) + HEADER
                data = buffer[start : start + size].tobytes()
                places = _find_places(data)
                if places is None or len(templates) >= self.TEMPLATES_PER_LENGTH:
                    misfits += 1
                    many = misfits > 32 or len(templates) >= self.TEMPLATES_PER_LENGTH
                    self._rest.append(rows if many else rows[:1])
                    rows = rows[:0] if many else rows[1:]
                    continue
                templates.append(_ReadTemplate(data, places))
            rows = self._apply(templates[tried], buffer, offset, rows)
            tried += 1

    def _apply(self, template: _ReadTemplate, buffer: U8, offset: I64, rows: I64) -> I64:
        """Decodes the rows that fit the template; returns those that do not."""
        size = template.words * 8
        cells = np.ndarray((len(buffer) - size + 1,), f"V{size}", buffer, strides=(1,))[offset[rows] + HEADER]
        words = cells.view("<u8").reshape(len(rows), template.words)
        fit = np.ones(len(rows), bool)
        for j, bits, expected in template.fixed:
            fit &= (words[:, j] & bits) == expected
        misfit = rows[:0]
        if not fit.all():
            misfit, rows, cells, words = rows[~fit], rows[fit], cells[fit], words[fit]
            if not len(rows):
                return misfit
        tag, crc, same = template.identify(words, cells, self.tags)
        count = len(rows)

        def column(at: int, dtype: str) -> NDArray[Any]:
            return np.ndarray((count,), dtype, cells, offset=at, strides=(size,))

        for place, table, pair in template.plan:
            crc ^= table[column(place, "<u2" if pair else "u1")]
        if not same.all():  # two tags of one hash: as rare as it sounds, and parsed one by one
            self._rest.append(rows[~same])
        intact = mask(crc) == column(template.length, "<u4")
        sound = intact & same
        places = template.places
        step = _steps(column, places.step, count)
        wall, value = column(places.wall, "<f8"), column(places.value, places.dtype)
        if not sound.all():
            self._corrupt.append(rows[~intact & same])
            rows, tag, step, wall, value = rows[sound], tag[sound], step[sound], wall[sound], value[sound]
        out = self._out
        out.tag[rows], out.step[rows], out.wall_time[rows], out.value[rows] = tag, step, wall, value
        if places.dtype == "<f8":
            out.wide[rows] = True
        return misfit


def _distinct(lengths: I64) -> I64:
    """The values that occur; sorting is needed only where some are large."""
    return np.flatnonzero(np.bincount(lengths)) if lengths.max() < 1 << 16 else np.unique(lengths)


def _steps(column: Any, place: tuple[int, int] | None, count: int) -> I64:
    step = np.zeros(count, np.int64)
    if place is None:
        return step
    at, end = place
    for i in range(end - at):
        step |= (column(at + i, "u1").astype(np.int64) & 0x7F) << (7 * i)
    return step
