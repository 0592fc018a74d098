"""What events are, and of what tag, without parsing their payload: many at once.

All events are walked in lockstep, one field of each at a time, as protobuf's encoding has them
(https://protobuf.dev/programming-guides/encoding/): a key, then a payload whose length is known, so that a megabyte
of PNG is one step. What is not as expected is left to the caller to parse.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from .record import LENGTH_MAX
from .wire import BYTES, FIXED32, FIXED64, VARINT

__all__ = ["ODD", "SIMPLE_VALUE", "SUMMARY", "Outlines", "outline"]

U8 = NDArray[np.uint8]
I64 = NDArray[np.int64]
F64 = NDArray[np.float64]
Bools = NDArray[np.bool_]

ODD: Final = -1
SUMMARY: Final = 5
SIMPLE_VALUE: Final = 2
_FIELDS_MAX: Final = 8  # a message of more is left to the caller
_KINDS: Final = (2, 4, 5, 6, 8)  # fields of a summary's value: simple_value, image, histo, audio, tensor


@dataclass(frozen=True, slots=True)
class Outlines:
    """One entry for each event; positions are in the buffer.

    Attributes:
        wall_time: float64, seconds.
        step: int64.
        what: number of the event's field that says what it is, such as `SUMMARY`; 0 where it has none, `ODD` where
            the event has to be parsed to know.
        start, end: where that field's content stands.
        tag, tag_end: where the tag stands, of a summary; every summary here has one value.
        kind: number of the field that holds the value.
        plugin, plugin_end: where the plugin's name stands; equal where there is none.
    """

    wall_time: F64
    step: I64
    what: I64
    start: I64
    end: I64
    tag: I64
    tag_end: I64
    kind: I64
    plugin: I64
    plugin_end: I64


class _Walk:
    """Fields of many messages, one of each at a time."""

    def __init__(self, buffer: U8, good: Bools) -> None:
        self.buffer = buffer
        self.good = good  # shared by all levels: what has turned out to be odd is not walked any further

    def fields(self, at: I64, end: I64) -> Iterator[tuple[I64, I64, I64, I64, I64]]:
        """Which messages have one more field, its number and wire type, and where its payload starts and ends.

        For a varint the start is its first byte.
        """
        at = at.copy()
        rows = np.flatnonzero(self.good & (at < end))
        for _ in range(_FIELDS_MAX):
            if not len(rows):
                return
            place = at[rows]
            key = self.buffer[place].astype(np.int64)
            number, wire = key >> 3, key & 7
            start = place + 1
            value, after = self._varint(start)
            with_length = wire == BYTES
            stop = np.where(wire == VARINT, after, start + np.where(wire == FIXED64, 8, 4))
            start = np.where(with_length, after, start)
            stop = np.where(with_length, after + np.minimum(value, LENGTH_MAX), stop)
            known = (wire == VARINT) | with_length | (wire == FIXED64) | (wire == FIXED32)
            ok = (key < 0x80) & known & (stop <= end[rows]) & (value >= 0)
            if not ok.all():
                self.good[rows[~ok]] = False
                rows, number, wire, start, stop = rows[ok], number[ok], wire[ok], start[ok], stop[ok]
            yield rows, number, wire, start, stop
            at[rows] = stop
            rows = rows[self.good[rows] & (stop < end[rows])]
        self.good[rows] = False

    def _varint(self, at: I64) -> tuple[I64, I64]:
        """The numbers that start there, and where each ends; -1 for one too large to be a length. Reads nothing beyond
        ten bytes."""
        byte = self.buffer[at].astype(np.int64)
        value, after = byte & 0x7F, at + 1
        going = np.flatnonzero(byte & 0x80)
        for i in range(1, 10):
            if not len(going):
                break
            byte = self.buffer[np.minimum(after[going], len(self.buffer) - 1)].astype(np.int64)
            value[going] |= (byte & 0x7F) << (7 * i) if i < 9 else 0
            after[going] += 1
            going = going[(byte & 0x80) != 0]
        value[going] = -1
        return value, after


def outline(buffer: U8, at: I64, end: I64) -> Outlines:
    """Outlines of events.

    Args:
        buffer: the bytes, with `record.PAD` more behind the last event.
        at, end: where each event's bytes start and end.
    """
    count = len(at)
    good = np.ones(count, bool)
    walk = _Walk(buffer, good)
    wall_time = np.zeros(count)
    out = {
        name: np.zeros(count, np.int64)
        for name in ("step", "what", "start", "end", "tag", "tag_end", "kind", "plugin", "plugin_end")
    }
    words = np.ndarray((len(buffer) - 7,), "<f8", buffer, strides=(1,))
    for rows, number, wire, start, stop in walk.fields(at, end):
        is_wall, is_step = (number == 1) & (wire == FIXED64), (number == 2) & (wire == VARINT)
        is_what = (number >= 3) & (number <= 9) & (wire == BYTES) & (out["what"][rows] == 0)
        wall_time[rows[is_wall]] = words[start[is_wall]]
        out["step"][rows[is_step]] = _long_varint(buffer, start[is_step], stop[is_step])
        chosen = rows[is_what]
        out["what"][chosen], out["start"][chosen], out["end"][chosen] = number[is_what], start[is_what], stop[is_what]
        good[rows[~(is_wall | is_step | is_what | (number == 10))]] = False
    summaries = out["what"] == SUMMARY
    _summaries(walk, out, summaries)
    out["what"][~good] = ODD
    return Outlines(wall_time, **out)


def _summaries(walk: _Walk, out: dict[str, I64], summaries: Bools) -> None:
    """Looks into summaries of one value each."""
    good, zero = walk.good, np.zeros(len(summaries), np.int64)
    value, value_end, seen = zero.copy(), zero.copy(), zero.copy()
    for rows, number, wire, start, stop in walk.fields(out["start"], np.where(summaries, out["end"], 0)):
        value[rows], value_end[rows] = start, stop
        seen[rows] += 1
        good[rows[(number != 1) | (wire != BYTES) | (seen[rows] > 1)]] = False
    good[summaries & (seen == 0)] = False
    meta, meta_end = zero.copy(), zero.copy()
    for rows, number, wire, start, stop in walk.fields(value, value_end):
        for wanted, names in ((1, ("tag", "tag_end")), (9, None)):
            chosen = (number == wanted) & (wire == BYTES)
            one, other = (meta, meta_end) if names is None else (out[names[0]], out[names[1]])
            one[rows[chosen]], other[rows[chosen]] = start[chosen], stop[chosen]
        held = np.isin(number, _KINDS)
        out["kind"][rows[held]] = number[held]
        good[rows[~held & (number != 1) & (number != 9) & (number != 7)]] = False
    inner, inner_end = zero.copy(), zero.copy()
    for rows, number, wire, start, stop in walk.fields(meta, meta_end):
        chosen = (number == 1) & (wire == BYTES)
        inner[rows[chosen]], inner_end[rows[chosen]] = start[chosen], stop[chosen]
    for rows, number, wire, start, stop in walk.fields(inner, inner_end):
        chosen = (number == 1) & (wire == BYTES)
        out["plugin"][rows[chosen]], out["plugin_end"][rows[chosen]] = start[chosen], stop[chosen]


def _long_varint(buffer: U8, start: I64, stop: I64) -> I64:
    """Whole numbers of up to ten bytes: int64."""
    out = np.zeros(len(start), np.int64)
    for i in range(10):
        more = start + i < stop
        if not more.any():
            break
        out[more] |= (buffer[start[more] + i].astype(np.int64) & 0x7F) << (7 * i)
    return out
