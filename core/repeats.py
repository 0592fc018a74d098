"""Records that repeat: found by their headers alone, many at a time, and told to whoever decodes them.

A training loop logs the same tags over and over, so that a file is mostly one period of records again and again; and
the files of many runs have their records at the same places. A guess of either kind is proven by comparing headers,
which hold a length and its checksum: they make the chain. What repeats nowhere is left to `record.scan`.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from .record import HEADER, LENGTH_MAX, OVERHEAD, Frames, masked_crc, scan

__all__ = ["Repeat", "find"]

I64 = NDArray[np.int64]
U8 = NDArray[np.uint8]
Kind = Callable[[bytes], Hashable | None]

WORTH: Final = 1 << 16  # bytes below which looking for repeats costs more than it saves
LARGE: Final = 1 << 18  # bytes from which on a segment is looked at alone
COPIES: Final = 16  # a repeat has at least so many
GAINED: Final = 512  # and at least so many records, in a large segment
WALKED: Final = 600  # records that are looked at one by one before a segment is given up
TRIES: Final = 12  # guesses that may fail in a row
SHORT: Final = 2_000  # records; repeats that are shorter do not pay for long
SHORT_ONES: Final = 64  # so many of those, and a segment is given up


@dataclass(frozen=True, slots=True)
class Repeat:
    """Stretches of records of the same lengths, one behind the other.

    Attributes:
        first: the first record of each stretch, ascending.
        count: records in each.
    """

    first: I64
    count: int


@dataclass(slots=True)
class _Head:
    """The records at the start of a segment, as far as repeats go.

    Attributes:
        parts: offsets, in order.
        cycles: (index of the first record, records of a period, periods).
        stop: where the records end that `parts` has.
    """

    parts: list[I64]
    cycles: list[tuple[int, int, int]]
    stop: int


def find(buffer: U8, starts: list[int], ends: list[int], kind: Kind) -> tuple[Frames, list[Repeat]]:
    """Finds every whole record between each start and end, as `record.scan` does, and what repeats among them.

    Args:
        buffer, starts, ends: as `record.scan` takes them.
        kind: a hint: what tells records of one series from others, by their data; None for those that are none.
    """
    begin, end = np.array(starts, np.int64), np.array(ends, np.int64)
    size = end - begin
    if size.sum() < WORTH:
        return scan(buffer, starts, ends), []
    heads = {at: _head(buffer, starts[at], ends[at], kind) for at in np.flatnonzero(size >= LARGE).tolist()}
    heads = {at: head for at, head in heads.items() if head.cycles}
    resume = begin.copy()
    for at, head in heads.items():
        resume[at] = head.stop
    small = np.flatnonzero((size < LARGE) & (size > 0))
    alike = _Alike(buffer, begin[small], end[small], kind) if len(small) >= COPIES else None
    if alike is not None:
        resume[small] = alike.stop
    rest = scan(buffer, resume.tolist(), ends)
    counts = np.bincount(rest.segment, minlength=len(starts))
    rest_first = np.cumsum(counts) - counts
    ahead = np.zeros(len(starts), np.int64)  # records in each segment's head
    for at, head in heads.items():
        ahead[at] = sum(map(len, head.parts))
    if alike is not None:
        ahead[small] = alike.counts
    if not ahead.any():
        return rest, []
    first = np.cumsum(counts + ahead) - counts - ahead
    frames = _joined(rest, first + ahead - rest_first, first, ahead, heads, alike, small)
    repeats = [repeat for at, head in heads.items() for repeat in _cycles(head, int(first[at]))]
    if alike is not None:
        repeats += alike.repeats(first[small])
    return frames, repeats


def _joined(
    rest: Frames,
    shift: I64,
    first: I64,
    ahead: I64,
    heads: dict[int, _Head],
    alike: _Alike | None,
    small: I64,
) -> Frames:
    """The records of the heads and the others, in order; `shift` is what the index of each of the others goes up by."""
    total = len(rest.offset) + int(ahead.sum())
    offset, length = np.empty(total, np.int64), np.empty(total, np.int64)
    segment = np.empty(total, np.int64)
    to = np.arange(len(rest.offset)) + shift[rest.segment]
    offset[to], length[to], segment[to] = rest.offset, rest.length, rest.segment
    for at, head in heads.items():
        chain = np.concatenate([*head.parts, np.array([head.stop])])
        where = slice(int(first[at]), int(first[at] + ahead[at]))
        offset[where], length[where], segment[where] = chain[:-1], chain[1:] - chain[:-1] - OVERHEAD, at
    if alike is not None:
        which, within = _ragged(alike.counts)
        begins = first[small]
        ends = begins + alike.counts
        gapless = len(which) > 0 and bool((begins[1:] == ends[:-1]).all())
        to = slice(int(begins[0]), int(ends[-1])) if gapless else begins[which] + within
        offset[to], length[to], segment[to] = alike.offset, alike.length.take(within), small.take(which)
    return Frames(offset, length, segment, rest.stop, rest.gaps)


def _ragged(counts: I64) -> tuple[I64, I64]:
    """For so many of each: whose each one is, and the how manieth."""
    if len(counts) and (counts == counts[0]).all():
        one = np.arange(int(counts[0]))
        return np.repeat(np.arange(len(counts)), len(one)), np.tile(one, len(counts))
    which = np.repeat(np.arange(len(counts)), counts)
    return which, np.arange(len(which)) - (np.cumsum(counts) - counts)[which]


def _cycles(head: _Head, first: int) -> list[Repeat]:
    return [Repeat(first + at + period * np.arange(times), period) for at, period, times in head.cycles]


# -- one segment that repeats itself

_header = struct.Struct("<QI").unpack_from


def _head(buffer: U8, at: int, end: int, kind: Kind) -> _Head:
    """As much of a segment as repeats itself, with what stands before and between."""
    head = _Head([], [], at)
    count = short = 0
    while short < SHORT_ONES:
        found = _walk(buffer, head.stop, end, kind)
        if not found.offsets:
            break
        walked = np.array(found.offsets[: found.start], np.int64)
        head.parts.append(walked)
        count += len(walked)
        if not found.times:
            head.stop = found.stop
            break
        period = np.array(found.offsets[found.start :], np.int64)
        chain = period[None, :] + (found.stop - period[0]) * np.arange(found.times)[:, None]
        head.parts.append(chain.ravel())
        head.cycles.append((count, len(period), found.times))
        head.stop = int(chain[-1, 0]) + found.stop - int(period[0])
        count += chain.size
        short += chain.size < SHORT
    return head


@dataclass(slots=True)
class _Walk:
    """Records walked one by one.

    Attributes:
        offsets: of all.
        start: which of them starts a period that ends with the last; as many as there are where none does.
        times: how often the period stands there, itself included; 0 where there is none.
        stop: where the last record ends.
    """

    offsets: list[int]
    start: int
    times: int
    stop: int


def _walk(buffer: U8, at: int, end: int, kind: Kind) -> _Walk:
    """Walks from a record on until a kind comes again and a period proves to repeat."""
    view = buffer.data
    offsets: list[int] = []
    seen: dict[Hashable, int] = {}
    sums: dict[int, int] = {}
    failed: dict[int, int] = {}
    while len(offsets) < WALKED and sum(failed.values()) < TRIES and end - at >= HEADER:
        length, check = _header(view, at)
        if length not in sums:
            if length > LENGTH_MAX:
                break
            sums[length] = masked_crc(view[at : at + 8])
        if sums[length] != check or at + length + OVERHEAD > end:
            break
        alike = kind(bytes(view[at + HEADER : at + HEADER + length]))
        start = seen.get(alike, -1) if alike is not None else -1
        if start >= 0 and failed.get(len(offsets) - start, 0) < 2:
            period = len(offsets) - start
            times = _times(buffer, offsets[start:], at, end)
            if times >= COPIES and times * period >= GAINED and _same_kinds(view, offsets[start:], at, times, kind):
                return _Walk(offsets, start, times, at)
            failed[period] = failed.get(period, 0) + 1
        if alike is not None:
            seen[alike] = len(offsets)
        offsets.append(at)
        at += length + OVERHEAD
    return _Walk(offsets, len(offsets), 0, at)


def _times(buffer: U8, period: list[int], after: int, end: int) -> int:
    """How often the records from the first of `period` up to `after` follow each other, by their headers."""
    start, size = period[0], after - period[0]
    bounds = [*period, after]
    groups: list[tuple[int, int, int]] = []  # records of one length: place of the first, how many, distance
    for at, following in pairwise(bounds):
        place, count, distance = groups[-1] if groups else (0, 0, 0)
        if distance == following - at:
            groups[-1] = (place, count + 1, distance)
        else:
            groups.append((at - start, 1, following - at))
    most, done, block = (end - start) // size, 1, COPIES
    while done < most:
        rows = min(block, most - done)
        whole = np.ones(rows, bool)
        for place, count, distance in groups:
            for part, dtype in ((0, "<u8"), (8, "<u4")):
                at = start + done * size + place + part
                words = np.ndarray((rows, count), dtype, buffer, at, (size, distance))
                same = words == np.ndarray((1,), dtype, buffer, start + place + part)
                if not same.all():
                    whole &= same.all(1)
        if not whole.all():
            return done + int(np.argmin(whole))
        done += rows
        block = min(4 * block, 1 + (1 << 20) // size)  # what stays in the processor's cache
    return done


def _same_kinds(view: memoryview, period: list[int], after: int, times: int, kind: Kind) -> bool:
    """Whether a few records are of the kinds that they should be: headers alone take all tags of a length for one."""
    size = after - period[0]
    wrong = asked = 0
    for i in sorted({0, len(period) // 2, len(period) - 1}):
        at, following = period[i], [*period, after][i + 1]
        for time in sorted({1, 2, 5, times // 3, times // 2, times - 1}):
            length = following - at - OVERHEAD
            there = at + time * size + HEADER
            wrong += kind(bytes(view[there : there + length])) != kind(bytes(view[at + HEADER : at + HEADER + length]))
            asked += 1
    return wrong * 4 <= asked


# -- many segments that are like each other


class _Alike:
    """Segments that have their records where the longest of them has its own.

    Attributes:
        counts: how many records of each segment stand there.
        stop: where those of each segment end.
        offset: of all these records, segment by segment.
        length: of the records of the longest.
    """

    def __init__(self, buffer: U8, start: I64, end: I64, kind: Kind) -> None:
        longest = int(np.argmax(end - start))
        head = _head(buffer, int(start[longest]), int(end[longest]), kind)
        chain = np.concatenate([*head.parts, np.array([head.stop])]) - start[longest]
        self._start = start
        self._place, after = chain[:-1], chain[1:]
        self._cycles = head.cycles
        self.length = after - self._place - OVERHEAD
        self.counts = np.searchsorted(after, end - start, side="right")  # records that have room
        self.offset = self._offsets()
        if len(self._place) and self._compare(buffer, longest):
            self.offset = self._offsets()
        self.stop = start + np.append(0, after)[self.counts]

    def _offsets(self) -> I64:
        if (self.counts == len(self._place)).all():
            return (self._start[:, None] + self._place).ravel()
        which, within = _ragged(self.counts)
        return self._start[which] + self._place[within]

    def _compare(self, buffer: U8, longest: int) -> bool:
        """Cuts each segment's records where a header is another; returns whether there was one."""
        headers: NDArray[Any] = np.ndarray((len(buffer) - HEADER + 1,), f"V{HEADER}", buffer, strides=(1,))
        wanted = headers[self._start[longest] + self._place].view("<u4").reshape(-1, 3)
        there = headers[self.offset].view("<u4")
        if len(there) == wanted.size * len(self.counts):
            different = np.flatnonzero((there.reshape(-1, wanted.size) != wanted.ravel()).any(1))
            if not len(different):
                return False
        which, within = _ragged(self.counts)
        for i in range(3):
            different = np.flatnonzero(there[i::3] != wanted[within, i])
            np.minimum.at(self.counts, which[different], within[different])
        return True

    def repeats(self, first: I64) -> list[Repeat]:
        """What repeats, given each segment's first record: the periods in all segments, and what is between them."""
        out: list[Repeat] = []
        at = 0
        for start, period, times in [*self._cycles, (len(self._place), 1, 0)]:
            if start > at:
                out.append(Repeat(first[self.counts >= start] + at, start - at))
            which, within = _ragged(np.clip((self.counts - start) // period, 0, times))
            if len(which):
                out.append(Repeat(first[which] + start + within * period, period))
            at = start + period * times
        return [repeat for repeat in out if len(repeat.first) >= COPIES]
