"""What a window of time shows of tracks: spans that are wide enough by themselves, the narrower ones in blocks.

    bytes 0-3     "TLS1"
    bytes 4-7     H, the header's length: unsigned 32 bit, little-endian; 8 + H is a multiple of 8
    H bytes       JSON, padded with spaces: {"v": 1, "from", "to": nanoseconds, "grid": nanoseconds, "names": [text],
                  "lanes": {"at", "n"}, "spans": {"at", "n"}, "blocks": {"at", "n"}, "counters": [{"id", "at", "n"}]}
    the rest      columns, each of which starts at a multiple of 8 after the one before:
                  lanes: uint32 track, uint32 lane, uint32 spans, uint32 blocks: how many of these follow for it
                  spans: float32 start, float32 end (both after "from"), uint32 row, uint16 name (65535: not sent),
                  uint8 kind (+ 128 where it is found)
                  blocks: float32 start, float32 end, uint32 count, uint8 kind (the one with most time; + 128 where one
                  of them is found), uint8 share of its time that is covered, of 255
                  counters: float32 least, float32 most of each bin

Spans shorter than the grid that begin within the same stretch of it are one block, unless one is alone. The grid is a
power of two, and its stretches are the same whatever is asked for, so that nothing flickers when a window moves.
"""

from __future__ import annotations

import json
import math
import struct
import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tallyboard.core.profiles.model import Kind

from .spans import Floats, Timeline, Wholes

__all__ = ["MOST_ITEMS", "MOST_LANES_ASKED", "Asked", "Cut", "Windows", "framed"]

MAGIC: Final = b"TLS1"
MOST_ITEMS: Final = 9_500
"""Spans and blocks of one answer; where there would be more, the grid is coarser."""

MOST_LANES_ASKED: Final = 800
"""Lanes of one answer: more than any screen has."""

_MOST_NAMES: Final = 24 << 10  # bytes of names in one answer
_LONGEST_NAME: Final = 160
_KEPT: Final = 6  # levels of a whole trace that are kept
_WHOLE: Final = 60_000  # spans from which on a level of all of the trace is made, rather than of the window
_FOUND: Final = 128
_KINDS: Final = len(Kind)


class Asked(NamedTuple):
    """What a window is asked for.

    Attributes:
        low, high: nanoseconds after the profile's base.
        pixels: how many the window has.
        tracks: numbers of tracks as shown, and of each how many lanes at most, 0 for all.
    """

    low: float
    high: float
    pixels: int
    tracks: tuple[tuple[int, int], ...]


class _Level(NamedTuple):
    """Spans and blocks on one grid: each begins at a span, `first`, and has `many` of them."""

    first: Wholes
    many: Wholes
    start: Floats
    end: Floats
    kind: NDArray[np.uint8]
    share: NDArray[np.uint8]

    def of(self, rows: Wholes) -> _Level:
        """Some of them."""
        sides = self.start[rows], self.end[rows]
        return _Level(self.first[rows], self.many[rows], *sides, self.kind[rows], self.share[rows])


@dataclass(frozen=True, slots=True)
class Cut:
    """What a window shows.

    Attributes:
        low, high: the window, on the grid.
        grid: nanoseconds below which spans are in blocks.
        lane: int64, the lanes that were asked for, in the timeline's count.
        bounds: int64, of each lane its first item, and how many there are.
        first: int64, of each item its first span in the timeline.
        count: int64, of how many spans it stands.
        start, end: float64 nanoseconds.
        kind: uint8, the kind with most time.
        share: uint8, how much of its time is covered, of 255.
    """

    low: float
    high: float
    grid: float
    lane: Wholes
    bounds: Wholes
    first: Wholes
    count: Wholes
    start: Floats
    end: Floats
    kind: NDArray[np.uint8]
    share: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.first)


class Windows:
    """Cuts windows out of a timeline, and keeps the levels that stand for very many spans."""

    def __init__(self, timeline: Timeline) -> None:
        self.timeline = timeline
        events = timeline.profile.events
        self._kind = events.kind[timeline.row].astype(np.uint8)
        self._lane = np.repeat(np.arange(len(timeline.crowded)), np.diff(timeline.offset))
        self._crowded = timeline.crowded[self._lane] if timeline.crowded.any() else None
        self._levels: OrderedDict[float, tuple[_Level, Wholes]] = OrderedDict()
        self._lock = threading.Lock()

    def cut(self, asked: Asked) -> Cut:
        """What a window shows; no more than `MOST_ITEMS` as a rule, and never much more."""
        lanes = self._lanes(asked.tracks)
        wide = max(asked.high - asked.low, 1e-3)
        # the largest power of two that is no wider than a pixel
        grid = 2.0 ** math.floor(math.log2(wide / max(asked.pixels, 1)))
        while True:
            low, high = math.floor(asked.low / grid - 1) * grid, math.ceil(asked.high / grid) * grid
            parts = self._parts(lanes, low, high)
            found = self._found(lanes, parts, low, high, grid)
            if len(found) <= MOST_ITEMS or grid > 4 * max(wide, self.timeline.high - self.timeline.low):
                return found
            grid *= 2.0

    def _lanes(self, tracks: tuple[tuple[int, int], ...]) -> Wholes:
        first = self.timeline.first
        found: list[int] = []
        for track, most in tracks:
            if 0 <= track < len(self.timeline):
                low, high = int(first[track]), int(first[track + 1])
                found.extend(range(low, min(high, low + most) if most else high))
        return np.unique(np.array(found[:MOST_LANES_ASKED], np.int64))

    def _parts(self, lanes: Wholes, low: float, high: float) -> Wholes:
        """Of each lane the spans that are in the window: the first, and behind the last."""
        line = self.timeline
        found = np.empty((len(lanes), 2), np.int64)
        for i, (begin, end) in enumerate(
            zip(line.offset[lanes].tolist(), line.offset[lanes + 1].tolist(), strict=True)
        ):
            found[i, 0] = begin + np.searchsorted(line.reach[begin:end], low, "left")
            found[i, 1] = begin + np.searchsorted(line.start[begin:end], high, "right")
        found[:, 1] = np.maximum(found[:, 0], found[:, 1])
        return found

    def _found(self, lanes: Wholes, parts: Wholes, low: float, high: float, grid: float) -> Cut:
        if int((parts[:, 1] - parts[:, 0]).sum()) > _WHOLE:
            level, offset = self._whole(grid)
            sides = (np.searchsorted(level.first, parts[:, 0], "right") - 1, np.searchsorted(level.first, parts[:, 1]))
            begin = np.maximum(sides[0], offset[lanes])
            end = np.maximum(begin, np.minimum(sides[1], offset[lanes + 1]))
            picked = _ranges(begin, end)
            bounds = np.concatenate(([0], np.cumsum(end - begin)))
            level = level.of(picked)
        else:
            picked = _ranges(parts[:, 0], parts[:, 1])
            level = self._merged(picked, grid)
            before = np.concatenate(([0], np.cumsum(parts[:, 1] - parts[:, 0])))
            bounds = np.searchsorted(np.concatenate(([0], np.cumsum(level.many))), before)
        held = (level.first, level.many, level.start, level.end, level.kind, level.share)
        return Cut(low, high, grid, lanes, bounds.astype(np.int64), *held)

    def _whole(self, grid: float) -> tuple[_Level, Wholes]:
        """A level of all spans, and of each lane its first item."""
        with self._lock:
            found = self._levels.get(grid)
            if found is None:
                level = self._merged(None, grid)
                lanes = np.arange(len(self.timeline.crowded) + 1)
                found = level, np.searchsorted(self._lane[level.first], lanes)
                self._levels[grid] = found
                if len(self._levels) > _KEPT:
                    self._levels.popitem(last=False)
            else:
                self._levels.move_to_end(grid)
        return found

    def _merged(self, picked: Wholes | None, grid: float) -> _Level:
        """The level of these spans, or of all."""
        line = self.timeline

        def of(column: NDArray[Any]) -> NDArray[Any]:
            return column if picked is None else column[picked]

        start, end, lane = of(line.start), of(line.end), of(self._lane)
        lasting = end - start
        wide = lasting >= grid
        if self._crowded is not None:
            wide &= ~of(self._crowded)
        stretch = np.floor(start / grid)
        begins = np.ones(len(start), bool)
        begins[1:] = (stretch[1:] != stretch[:-1]) | (lane[1:] != lane[:-1]) | wide[1:] | wide[:-1]
        first = np.flatnonzero(begins)
        count = np.diff(first, append=len(start))
        kind = of(self._kind)
        if not len(first):
            none = np.empty(0, np.uint8)
            return _Level(first, count, start, end, none, none)
        last = np.maximum.reduceat(end, first)
        covered = np.add.reduceat(lasting, first)
        with np.errstate(invalid="ignore", divide="ignore"):
            share = np.where(last > start[first], np.minimum(covered / (last - start[first]), 1.0), 1.0)
        return _Level(
            first if picked is None else picked[first],
            count,
            start[first],
            last,
            _foremost(kind, lasting, first, count),
            np.ceil(share * 255).astype(np.uint8),
        )


def _ranges(begin: Wholes, end: Wholes) -> Wholes:
    """All numbers from each begin to its end."""
    many = end - begin
    total = int(many.sum())
    return np.arange(total) + np.repeat(begin - np.concatenate(([0], np.cumsum(many)[:-1])), many)


def _foremost(kind: NDArray[np.uint8], lasting: Floats, first: Wholes, count: Wholes) -> NDArray[np.uint8]:
    """Of each item the kind with most time; of marks without a length, the kind of most of them."""
    found = kind[first].copy()
    several = np.flatnonzero(count > 1)
    if len(several):
        members = _ranges(first[several], first[several] + count[several])
        item = np.repeat(np.arange(len(several)), count[several])
        # a picosecond each decides between those without a length
        time = np.bincount(item * _KINDS + kind[members], lasting[members] + 1e-3, len(several) * _KINDS)
        found[several] = time.reshape(-1, _KINDS).argmax(axis=1)
    return found


Counters = list[tuple[str, Floats, Floats]]


def framed(windows: Windows, cut: Cut, found: NDArray[np.bool_] | None, counters: Counters) -> bytes:
    """The bytes of an answer.

    Args:
        windows: what the cut is of.
        cut: what is shown.
        found: whether each of the profile's events is found by a search; None without one.
        counters: of each its id, and the least and the most of each bin.
    """
    line = windows.timeline
    alone = cut.count == 1
    row = line.row[cut.first]
    kind = cut.kind | _marks(windows, cut, found)
    names, code = _named(windows, cut, row, alone)
    lanes = len(cut.lane)
    lane = np.repeat(np.arange(lanes), np.diff(cut.bounds))
    track = np.searchsorted(line.first, cut.lane, "right") - 1
    spans, blocks = np.flatnonzero(alone), np.flatnonzero(~alone)
    start, end = (cut.start - cut.low).astype(np.float32), (cut.end - cut.low).astype(np.float32)
    body = _Body()
    head: dict[str, Any] = {"v": 1, "from": cut.low, "to": cut.high, "grid": cut.grid, "names": names}
    head["lanes"] = body.add(
        lanes,
        *(
            column.astype(np.uint32)
            for column in (
                track,
                cut.lane - line.first[track],
                np.bincount(lane[spans], minlength=lanes),
                np.bincount(lane[blocks], minlength=lanes),
            )
        ),
    )
    columns = (start[spans], end[spans], row[spans].astype(np.uint32), code[spans], kind[spans])
    head["spans"] = body.add(len(spans), *columns)
    columns = (start[blocks], end[blocks], cut.count[blocks].astype(np.uint32), kind[blocks], cut.share[blocks])
    head["blocks"] = body.add(len(blocks), *columns)
    head["counters"] = [
        {"id": name, **body.add(len(least), least.astype(np.float32), most.astype(np.float32))}
        for name, least, most in counters
    ]
    said = json.dumps(head, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
    said += b" " * (-(len(said) + 8) % 8)
    return MAGIC + struct.pack("<I", len(said)) + said + b"".join(body.pieces)


class _Body:
    """Columns one behind the other."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []
        self._size = 0

    def add(self, many: int, *columns: NDArray[Any]) -> dict[str, int]:
        """Adds columns of so many values; says where they begin."""
        begin = self._size
        for column in columns:
            data = np.ascontiguousarray(column, column.dtype.newbyteorder("<")).tobytes()
            data += b"\0" * (-len(data) % 8)
            self.pieces.append(data)
            self._size += len(data)
        return {"at": begin, "n": many}


def _marks(windows: Windows, cut: Cut, found: NDArray[np.bool_] | None) -> NDArray[np.uint8]:
    if found is None:
        return np.zeros(len(cut), np.uint8)
    before = np.concatenate(([0], np.cumsum(found[windows.timeline.row])))
    return ((before[cut.first + cut.count] > before[cut.first]) * _FOUND).astype(np.uint8)


def _named(windows: Windows, cut: Cut, row: Wholes, alone: NDArray[np.bool_]) -> tuple[list[str], NDArray[np.uint16]]:
    """The names of the widest spans, as many as there is room for, and for each item which is its own."""
    events = windows.timeline.profile.events
    name = events.name[row]
    code = np.full(len(cut), 0xFFFF, np.uint16)
    wide = np.flatnonzero(alone)
    if not len(wide):
        return [], code
    wide = wide[np.argsort(cut.start[wide] - cut.end[wide], kind="stable")]
    _, at = np.unique(name[wide], return_index=True)
    names: list[str] = []
    lookup = np.full(len(events.names), 0xFFFF, np.uint16)
    left = _MOST_NAMES
    for one in name[wide][np.sort(at)].tolist():
        text = short(events.names[int(one)])
        left -= len(text.encode("utf-8", "replace")) + 8
        if left < 0 or len(names) == 0xFFFF:
            break
        lookup[one] = len(names)
        names.append(text)
    code[wide] = lookup[name[wide]]
    return names, code


def short(name: str, most: int = _LONGEST_NAME) -> str:
    """A name that is no longer than anybody reads."""
    return name if len(name) <= most else f"{name[: most - 1]}…"


def asked_tracks(text: str, most: int = MOST_LANES_ASKED) -> tuple[tuple[int, int], ...]:
    """Tracks as a client names them: "0,3:2,7" for all lanes of 0 and 7, and the first two of 3.

    Raises:
        ValueError: it says something else.
    """
    found: list[tuple[int, int]] = []
    for one in filter(None, text.split(",")[:most]):
        track, _, lanes = one.partition(":")
        found.append((int(track), int(lanes) if lanes else 0))
    return tuple(found)
