"""Where the spans of a profile are drawn: tracks in order, and in each of them lanes by what holds what.

Made once for a profile. A window of it is cut out by `span_windows`.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tallyboard.core.profiles.model import DEVICE, Kind, Profile, Track

__all__ = ["MOST_LANES", "Group", "Timeline", "laid", "lanes"]

MOST_LANES: Final = 200
"""Lanes of a track; what lies deeper shares the last of them."""

_FEW_TRACKS: Final = 2_000
"""Tracks that are looked at one by one; of more, each has so little that a plain loop is as quick."""

_ON_DEVICE: Final = (*DEVICE, Kind.DEVICE_ANNOTATION, Kind.DEVICE_SYNC)

Floats = NDArray[np.float64]
Wholes = NDArray[np.int64]


class Group(NamedTuple):
    """What tracks belong to.

    Attributes:
        name: as it is shown.
        kind: "device", "host", or "other" for what the recorder says of itself.
        device: its number, -1 where it is none.
    """

    name: str
    kind: str
    device: int


@dataclass(frozen=True, slots=True)
class Timeline:
    """Spans by track, lane and time.

    The columns of spans are ordered by lane, then by start. The lanes of track i, in the order in which tracks are
    shown, are those from `first[i]` to `first[i + 1]`; the spans of lane j those from `offset[j]` to `offset[j + 1]`.

    Attributes:
        profile: what it is of.
        groups: what tracks belong to.
        group: int64, of each track.
        track: int64, of each track its number in the profile.
        events: int64, of each track how many spans it has.
        first: int64, of each track its first lane, and how many lanes there are.
        offset: int64, of each lane its first span, and how many spans there are.
        crowded: bool, whether spans of a lane may overlap: of the last lane of a track that is too deep.
        start: float64 nanoseconds after the profile's base.
        end: likewise.
        reach: float64, the latest end of this span and of those before it in its lane.
        row: int64, of each span its row in the profile's events.
        low: when the first begins.
        high: when the last ends.
    """

    profile: Profile
    groups: list[Group]
    group: Wholes
    track: Wholes
    events: Wholes
    first: Wholes
    offset: Wholes
    crowded: NDArray[np.bool_]
    start: Floats
    end: Floats
    reach: Floats
    row: Wholes
    low: float
    high: float

    def __len__(self) -> int:
        return len(self.track)

    def name(self, at: int) -> str:
        """What a track is called."""
        return track_name(self.profile.events.tracks[int(self.track[at])])

    def place(self, row: int) -> tuple[int, int]:
        """The track and the lane of an event."""
        at = int(np.flatnonzero(self.row == row)[0])
        lane = int(np.searchsorted(self.offset, at, "right")) - 1
        track = int(np.searchsorted(self.first, lane, "right")) - 1
        return track, lane - int(self.first[track])


def laid(profile: Profile) -> Timeline:
    """The timeline of a profile."""
    events = profile.events
    groups, place, group = _ordered(profile)
    at = place[events.track]
    order = np.lexsort((-events.end, events.start, at))
    start, end, at = events.start[order], events.end[order], at[order]
    lane = lanes(at, start, end)
    shown = len(group)
    many = np.bincount(at, minlength=shown)
    deep = np.zeros(shown, np.int64)
    np.maximum.at(deep, at, lane + 1)
    first = np.concatenate(([0], np.cumsum(deep)))
    overall = first[at] + lane
    sorting = np.argsort(overall, kind="stable")
    overall, start, end = overall[sorting], start[sorting], end[sorting]
    offset = np.searchsorted(overall, np.arange(int(first[-1]) + 1))
    crowded = np.zeros(int(first[-1]), bool)
    crowded[first[1:][deep >= MOST_LANES] - 1] = True
    return Timeline(
        profile=profile,
        groups=groups,
        group=group,
        track=_inverse(place, shown),
        events=many.astype(np.int64),
        first=first.astype(np.int64),
        offset=offset.astype(np.int64),
        crowded=crowded,
        start=start,
        end=end,
        reach=_reach(end, offset, crowded),
        row=order[sorting].astype(np.int64),
        low=float(start.min(initial=np.inf)) if len(start) else 0.0,
        high=float(end.max(initial=-np.inf)) if len(end) else 0.0,
    )


def _inverse(place: Wholes, shown: int) -> Wholes:
    found = np.zeros(shown, np.int64)
    there = np.flatnonzero(place >= 0)
    found[place[there]] = there
    return found


def _reach(end: Floats, offset: Wholes, crowded: NDArray[np.bool_]) -> Floats:
    """The ends as they are where spans do not overlap, and the latest so far where they do."""
    if not crowded.any():
        return end
    found = end.copy()
    for lane in np.flatnonzero(crowded).tolist():
        part = slice(int(offset[lane]), int(offset[lane + 1]))
        found[part] = np.maximum.accumulate(end[part])
    return found


def lanes(track: Wholes, start: Floats, end: Floats) -> Wholes:
    """The lane of each span in its track: above what holds it, and nowhere over another.

    Args:
        track: of each span, ascending.
        start: within a track ascending.
        end: of those that begin at once the longest first.

    Returns:
        Numbers from 0, the outermost, to `MOST_LANES` - 1, where all meet that lie deeper.
    """
    found = np.zeros(len(track), np.int64)
    # what has no length covers nothing, and yet takes its place
    end = np.maximum(end, np.nextafter(start, np.inf))
    bounds = np.flatnonzero(np.diff(track, prepend=-1, append=-1))
    if len(bounds) > _FEW_TRACKS:
        _fitted(track, start, end, found)
        return found
    for low, high in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True):
        part = slice(low, high)
        # of spans that nest, as many are open where one begins as it lies deep
        depth: Wholes = np.arange(int(high - low), dtype=np.int64) - np.searchsorted(
            np.sort(end[part]), start[part], "right"
        )
        if _clear(depth, start[part], end[part]):
            found[part] = np.minimum(depth, MOST_LANES - 1)
        else:
            _fitted(track[part], start[part], end[part], found[part])
    return found


def _clear(lane: Wholes, start: Floats, end: Floats) -> bool:
    """Whether no two spans of a lane overlap; they are in the order of their starts."""
    order = np.argsort(lane, kind="stable")
    same = lane[order][1:] == lane[order][:-1]
    return not bool((same & (start[order][1:] < end[order][:-1])).any())


def _fitted(track: Wholes, start: Floats, end: Floats, into: Wholes) -> None:
    """Spans that need not nest: each goes into the lowest lane that is free above the innermost that holds it."""
    before, top = -1, 0
    taken: list[float] = []
    found: list[int] = []
    for at, low, high in zip(track.tolist(), start.tolist(), end.tolist(), strict=True):
        if at != before:
            before, top = at, 0
            taken = []
        while top and taken[top - 1] <= low:
            top -= 1
        lane = top
        if top and high > taken[top - 1]:
            for k in range(top - 1, -1, -1):
                if taken[k] <= low:
                    lane = k
                elif taken[k] >= high:
                    break
        if lane >= MOST_LANES - 1:
            lane = MOST_LANES - 1
        elif lane < len(taken):
            taken[lane] = high
        else:
            taken.append(high)
        top = max(top, min(lane + 1, len(taken)))
        found.append(lane)
    into[:] = found


def _ordered(profile: Profile) -> tuple[list[Group], Wholes, Wholes]:
    """The groups, the place of each track (-1 of those without spans), and the group of each place.

    Devices stand first, then the process that trains, its main thread before the others, and last what the recorder
    says of itself.
    """
    events = profile.events
    many = len(events.tracks)
    count = np.bincount(events.track, minlength=many)
    on_device = np.bincount(events.track, events.of(*_ON_DEVICE), many) * 2 > count
    steps = np.bincount(events.track, events.of(Kind.STEP, Kind.DATALOAD), many)
    device = np.full(many, -1, np.int64)
    device[events.track] = events.device
    told = [_belongs(one, bool(on_device[i]), int(device[i]), profile) for i, one in enumerate(events.tracks)]
    weight: Counter[Group] = Counter()
    for one, has, marks in zip(told, count.tolist(), steps.tolist(), strict=True):
        weight[one] += has + (1 << 40) * int(marks)
    rank = {"device": 0, "host": 1, "other": 2}
    groups = sorted(weight, key=lambda one: (rank[one.kind], one.device, -weight[one], one.name))
    number = {one: i for i, one in enumerate(groups)}
    group = np.array([number[one] for one in told], np.int64)
    main = np.array([one.process == one.thread for one in events.tracks], bool)
    shown = np.flatnonzero(count)
    keys = (shown, -count[shown], ~main[shown], -steps[shown], group[shown])
    order = shown[np.lexsort(keys)] if len(shown) else shown
    place = np.full(many, -1, np.int64)
    place[order] = np.arange(len(order))
    return groups, place, group[order]


def _belongs(track: Track, on_device: bool, device: int, profile: Profile) -> Group:
    if on_device:
        facts: Any = profile.devices.get(device) or {}
        said = track.process_name if track.process_name.startswith("/device:") else str(facts.get("name") or "")
        number = max(device, 0)
        return Group(f"Device {number}{f' · {said}' if said else ''}", "device", number)
    if isinstance(track.process, str) and track.thread == "PyTorch Profiler":
        return Group("Profiler", "other", -1)
    name, process = track.process_name, str(track.process)
    return Group(name if name == process or not process else f"{name or 'Process'} {process}", "host", -1)


def track_name(track: Track) -> str:
    """What a thread or a stream is called."""
    thread = str(track.thread)
    name = track.name.strip()
    if not name:
        return thread if thread.startswith("stream") else f"thread {thread}"
    return name
