"""Shapes of scalar events: what stays the same in records of one length, and where the rest of them stands.

A record that was parsed by hand gives a template: the bytes that must be the same, the places of the tags, and the
places of what varies. See decoder.py and blocks.py, which read by them.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .record import byte_table, crc32c, mask, pair_table
from .wire import BYTES, FIXED32, FIXED64, VARINT, fields, read_varint

__all__ = ["Label", "Places", "Template", "find_places", "varints"]

I64 = NDArray[np.int64]
U64 = NDArray[np.uint64]
U32 = NDArray[np.uint32]
U8 = NDArray[np.uint8]
Bools = NDArray[np.bool_]
Label = tuple[str, str]  # display name and description


@dataclass(frozen=True, slots=True)
class _Value:
    """Where a value's tag and number stand.

    Attributes:
        kind: a dtype, or `varint`.
        label: what it says of its tag.
        simple: it is a `simple_value`, and has no metadata.
    """

    tag: tuple[int, int]
    number: tuple[int, int]
    kind: str
    bare: bool
    label: Label | None
    simple: bool

    @property
    def wide(self) -> bool:
        return self.kind not in ("<f4", "u1", "?")


@dataclass(frozen=True, slots=True)
class Places:
    """Where the parts of an event of scalars stand in its bytes."""

    wall: int
    step: tuple[int, int] | None
    values: tuple[_Value, ...]


def find_places(data: bytes) -> Places | None:
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
        return Places(wall, step, tuple(values)) if values else None
    except (IndexError, ValueError):
        return None


def _find_value(data: bytes, at: int, end: int) -> _Value | None:
    tag = value = label = None
    plugin = b""
    tensor = described = False
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
            described = True
        elif number != 7:
            return None
    if tag is None or value is None or plugin not in (b"", b"scalars"):
        return None
    return _Value(
        tag, *value, tensor and not plugin, label or ("", "") if tensor else label, not tensor and not described
    )


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


class Template:
    """Events of scalars of one length whose parts stand at the same places, whatever their tags.

    Attributes:
        length, places: as said.
        must: for each byte the bits that are the same in all events of the same tags.
        varying: the bytes that are not, tags aside.
        plain: whether all values are of a fixed width.
        wide, bare, label: of each value, as `decoder.Decoded` has them.
    """

    def __init__(self, data: bytes, places: Places, labels: list[int]) -> None:
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
        self.must = fixed | tag  # the bits that are the same in all records with these tags
        self.words = (self.length + 4 + 7) // 8
        fixed_words, tag_words = self._as_words(fixed), self._as_words(tag)
        expected = self._as_words(self.row & fixed)
        self.fixed = [(j, fixed_words[j], expected[j]) for j in range(self.words) if fixed_words[j]]
        self.tag = [(j, tag_words[j]) for j in range(self.words) if tag_words[j]]
        self.factors = _factors(len(self.tag))
        self.varying = sorted(varying)
        self.known: dict[int, tuple[list[int], int, list[int]]] = {}
        self.lookup: tuple[U64, I64, U32, list[U64]] | None = None
        self.plain = all(value.kind != "varint" for value in places.values)
        self.wide = np.array([value.wide for value in places.values])
        self.bare = np.array([value.bare for value in places.values])

    def _as_words(self, part: U8) -> U64:
        return np.append(part, np.zeros(self.words * 8 - self.length, np.uint8)).view("<u8")

    def checksum(self, column: Callable[[int, str], NDArray[Any]], crc: U32) -> U32:
        """Adds the varying bytes: two at a time where many rows pay for the larger tables and values are few."""
        pairs = len(crc) >= 2_000 and len(self.places.values) == 1
        i = 0
        while i < len(self.varying):
            place = self.varying[i]
            following = self.length - 1 - place
            if pairs and i + 1 < len(self.varying) and self.varying[i + 1] == place + 1:
                crc ^= pair_table(following - 1).take(column(place, "<u2"))
                i += 2
            else:
                crc ^= byte_table(following).take(column(place, "u1"))
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


def varints(column: Any, start: int, end: int, count: int) -> I64:
    """The numbers of varints that stand from `start` to `end` in `count` records."""
    out = np.zeros(count, np.int64)
    for i in range(end - start):
        out |= (column(start + i, "u1").astype(np.int64) & 0x7F) << (7 * i)
    return out
