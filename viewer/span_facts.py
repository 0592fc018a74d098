"""What is told of a timeline in words and numbers: its tracks, an event, what a search finds, what parts add up to."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tallyboard.core.dataframes import Labels
from tallyboard.core.errors import CorruptRecord
from tallyboard.core.profiles.memory import MemoryCurve, memory_curve, memory_devices
from tallyboard.core.profiles.model import DEVICE, Kind, Profile
from tallyboard.core.profiles.spans import Spans, length, length_within, union

from .patterns import TookTooLong, matching
from .span_windows import short
from .spans import Floats, Timeline, Wholes

__all__ = ["Counters", "Found", "event_told", "found_in", "found_told", "summed", "tracks_told"]

MOST_TRACKS: Final = 1_200
"""Tracks that one answer lists."""

_MOST_STEPS: Final = 1_000
_MOST_ROWS: Final = 300
_MOST_WORK: Final = 40
_MOST_NAMES: Final = 60
_STRIP: Final = 480
_CALLS: Final = (Kind.RUNTIME, Kind.DRIVER)


class Counters:
    """What goes up and down over time: how much of it devices are at work, and the memory in use."""

    def __init__(self, profile: Profile) -> None:
        events = profile.events
        work = events.of(*DEVICE)
        self.busy: dict[int, Spans] = {}
        for device in np.unique(events.device[work]).tolist():
            mine = work & (events.device == device)
            self.busy[max(device, 0)] = union(events.start[mine], events.end[mine])
        self.memory: dict[int, MemoryCurve] = {one: memory_curve(profile, one) for one in memory_devices(profile)}
        host = events.of(Kind.CPU_OP, Kind.COMM_OP, Kind.RUNTIME, Kind.COMPILE)
        self.host = union(events.start[host], events.end[host]) if not self.busy else np.empty((0, 2))

    def listed(self) -> list[dict[str, Any]]:
        """What there is: id, name, unit, the device (-1 for the host), and the most."""
        found: list[dict[str, Any]] = [
            {"id": f"busy:{device}", "name": "Busy", "unit": "share", "device": device, "most": 1}
            for device in self.busy
        ]
        for device, curve in self.memory.items():
            about = {"id": f"memory:{device}", "name": "Memory", "unit": "bytes", "device": device, "most": curve.peak}
            found.append(about)
        return found[:16]

    def of(self, name: str, low: float, high: float, many: int) -> tuple[Floats, Floats] | None:
        """The least and the most of each of `many` bins of a time; None of what there is not."""
        kind, _, number = name.partition(":")
        try:
            device = int(number)
        except ValueError:
            return None
        edges = np.linspace(low, high, many + 1)
        if kind == "busy" and device in self.busy:
            share = _share(self.busy[device], edges)
            return np.zeros(many), share
        if kind == "memory" and device in self.memory:
            return _extent(self.memory[device], edges)
        return None

    def strip(self, low: float, high: float) -> list[float]:
        """How much of each part of a time devices are at work, of all of them the mean; without any, the host."""
        edges = np.linspace(low, high, _STRIP + 1)
        each = [_share(one, edges) for one in self.busy.values()] or [_share(self.host, edges)]
        mean: Floats = np.mean(each, axis=0)
        return list(map(float, np.round(mean, 3)))


def _share(spans: Spans, edges: Floats) -> Floats:
    wide = np.maximum(np.diff(edges), 1e-9)
    return np.clip(length_within(spans, np.column_stack((edges[:-1], edges[1:]))) / wide, 0.0, 1.0)


def _extent(curve: MemoryCurve, edges: Floats) -> tuple[Floats, Floats]:
    """The least and the most in each bin, what was in use at its begin among them; NaN before the first record."""
    at = np.searchsorted(curve.time, edges)
    carried = np.concatenate(([np.nan], curve.allocated.astype(np.float64)))[at[:-1]]
    if not len(curve.time):
        return carried, carried
    used = curve.allocated.astype(np.float64)
    begin = np.minimum(at[:-1], len(used) - 1)
    some = at[1:] > at[:-1]
    padded = np.append(used, used[-1])  # reduceat wants each begin to be within
    least = np.where(some, np.minimum.reduceat(padded, begin), np.nan)
    most = np.where(some, np.maximum.reduceat(padded, begin), np.nan)
    return np.fmin(least, carried), np.fmax(most, carried)


def tracks_told(line: Timeline, counters: Counters, begin: int) -> dict[str, Any]:
    """A page of the tracks, and with the first what else a picture of them needs.

    Args:
        line: the timeline.
        counters: of the same profile.
        begin: the first track that is listed.
    """
    end = min(len(line), begin + MOST_TRACKS)
    many = np.diff(line.first)
    used, group = np.unique(line.group[begin:end], return_inverse=True)
    tracks: dict[str, Any] = {
        "total": len(line),
        "begin": begin,
        "group": group.tolist(),
        "name": [short(line.name(at), 60) for at in range(begin, end)],
        "lanes": many[begin:end].tolist(),
        "events": line.events[begin:end].tolist(),
        "groups": [
            {"name": short(one.name, 80), "kind": one.kind, "device": one.device}
            for one in (line.groups[int(at)] for at in used)
        ],
    }
    if begin:
        return {"tracks": tracks}
    steps = line.profile.steps
    shown = slice(0, _MOST_STEPS if steps.marked else 0)
    return {
        "tracks": tracks,
        "low": line.low,
        "high": line.high,
        "base": line.profile.base / 1e9 if line.profile.base else None,
        "events": len(line.row),
        "deepest": int(many.max(initial=0)),
        "steps": {
            "name": [short(one, 40) for one in steps.name[shown]],
            "start": steps.window[shown, 0].tolist(),
            "end": steps.window[shown, 1].tolist(),
            "total": len(steps) if steps.marked else 0,
        },
        "kinds": [one.name.lower() for one in Kind],
        "counters": counters.listed(),
        "strip": counters.strip(line.low, line.high) if len(line) else [],
    }


def brief(line: Timeline, row: int, named: int = 160) -> dict[str, Any]:
    """What is needed to name an event and to go there."""
    events = line.profile.events
    track, lane = line.place(row)
    return {
        "row": row,
        "name": short(events.name_of(row), named),
        "kind": Kind(int(events.kind[row])).name.lower(),
        "start": float(events.start[row]),
        "end": float(events.end[row]),
        "track": track,
        "lane": lane,
    }


def event_told(line: Timeline, holder: Wholes, row: int) -> dict[str, Any]:
    """Everything of one event.

    Args:
        line: the timeline.
        holder: of `span_tree.holders`.
        row: in the profile's events.

    Raises:
        LookupError: there is no such event.
    """
    profile, events = line.profile, line.profile.events
    if not 0 <= row < len(events):
        raise LookupError(f"the profile has no event {row}")
    at = int(np.flatnonzero(line.row == row)[0])
    told = brief(line, row, 4_000)
    same = np.flatnonzero(events.name == events.name[row])
    lasting = events.end[same] - events.start[same]
    told["where"] = f"{line.groups[int(line.group[told['track']])].name} · {line.name(told['track'])}"
    told["device"] = int(events.device[row])
    children = np.flatnonzero(holder == at)
    inside = line.end[children] - line.start[children]
    told["self"] = max(0.0, told["end"] - told["start"] - float(inside.sum()))
    told["children"] = len(children)
    told["alike"] = {"count": len(same), "mean": float(lasting.mean()), "total": float(lasting.sum())}
    told["arguments"] = _arguments(profile, row)
    path: list[dict[str, Any]] = []
    above = int(holder[at])
    while above >= 0 and len(path) < 60:
        path.append(brief(line, int(line.row[above])))
        above = int(holder[above])
    told["path"] = path[::-1]
    launcher = int(profile.launcher[row])
    told["launcher"] = brief(line, launcher) if launcher >= 0 else None
    told["launched"] = _launched(line, at)
    told["forward"] = _forward(line, [row, *(one["row"] for one in path)])
    told["backward"] = _backward(line, row)
    return told


def _arguments(profile: Profile, row: int) -> list[list[Any]]:
    """Name and value of everything else that the trace says of an event."""
    events = profile.events
    found: list[list[Any]] = []
    for name, column in (("correlation", events.correlation), ("external id", events.external)):
        if column[row] >= 0:
            found.append([name, int(column[row])])
    for name in sorted(events.extras):
        rows, values = events.extras.sparse(name)
        at = int(np.searchsorted(rows, row))
        if at < len(rows) and rows[at] == row:
            value = values.names[int(values.codes[at])] if isinstance(values, Labels) else values[at]
            value = value if isinstance(value, str) else float(value)
            found.append([name.replace("_", " "), short(value, 20_000) if isinstance(value, str) else value])
    return found


def _launched(line: Timeline, at: int) -> dict[str, Any]:
    """The work of devices that a span, or a call inside it, launched."""
    profile, events = line.profile, line.profile.events
    row = int(line.row[at])
    calls = events.of(*_CALLS) & (events.track == events.track[row])
    calls &= (events.start >= events.start[row]) & (events.end <= events.end[row])
    launched = np.flatnonzero((profile.launcher >= 0) & calls[profile.launcher])
    launched = launched[np.argsort(events.start[launched], kind="stable")]
    return {
        "count": len(launched),
        "total": float((events.end[launched] - events.start[launched]).sum()),
        "first": [brief(line, one) for one in launched[:_MOST_WORK].tolist()],
    }


def _forward(line: Timeline, rows: list[int]) -> dict[str, Any] | None:
    """The operation of the forward pass to which the first of some rows belongs that has one; `of` is that row."""
    pairs = line.profile.flows["backward"]
    for row in rows:
        ahead = pairs[pairs[:, 1] == row, 0].tolist()
        if ahead:
            return {**brief(line, ahead[0]), "of": brief(line, row)}
    return None


def _backward(line: Timeline, row: int) -> dict[str, Any]:
    """What of the backward pass belongs to an event, or to operations inside it; `of` is the operation."""
    events, pairs = line.profile.events, line.profile.flows["backward"]
    ahead = pairs[:, 0]
    mine = events.track[ahead] == events.track[row]
    mine &= (events.start[ahead] >= events.start[row]) & (events.end[ahead] <= events.end[row])
    pairs = pairs[mine]
    pairs = pairs[np.argsort(events.start[pairs[:, 1]], kind="stable")]
    back = pairs[:, 1]
    return {
        "count": len(pairs),
        "total": float((events.end[back] - events.start[back]).sum()),
        "first": [{**brief(line, back), "of": brief(line, ahead)} for ahead, back in pairs[:_MOST_WORK].tolist()],
    }


@dataclass(frozen=True, slots=True)
class Found:
    """What a search finds.

    Attributes:
        mask: bool, of each event.
        rows: int64, of those found, by their start.
        total: nanoseconds of all of them.
        names: those that fit, how often each is there and for how long, the longest first.
    """

    mask: NDArray[np.bool_]
    rows: Wholes
    total: float
    names: list[tuple[str, int, float]]


def found_in(profile: Profile, text: str, regex: bool) -> Found:
    """The events whose name has a text in it, whatever the case of letters, or fits an expression.

    Raises:
        CorruptRecord: it is no regular expression, or searching takes too long.
    """
    events = profile.events
    if regex:
        try:
            fits = set(matching(text, events.names, anywhere=True))
        except re.error as error:
            raise CorruptRecord(f"the expression cannot be read: {error}") from None
        except TookTooLong:
            raise CorruptRecord("the expression takes too long to search for") from None
    else:
        wanted = text.casefold()
        fits = {name for name in events.names if wanted in name.casefold()}
    mask = events.named(fits.__contains__)
    rows = np.flatnonzero(mask)
    rows = rows[np.argsort(events.start[rows], kind="stable")]
    lasting = events.end[rows] - events.start[rows]
    many = np.bincount(events.name[rows], minlength=len(events.names))
    total = np.bincount(events.name[rows], lasting, len(events.names))
    there = np.flatnonzero(many)
    order = there[np.argsort(-total[there], kind="stable")][:_MOST_NAMES]
    names = [(events.names[int(one)], int(many[one]), float(total[one])) for one in order]
    return Found(mask, rows, float(lasting.sum()), names)


def found_told(line: Timeline, found: Found, row: int | None, near: float, way: int) -> dict[str, Any]:
    """How much was found, and the event to look at.

    Args:
        line: the timeline.
        found: by `found_in`.
        row: the one that is looked at, for the one after or before it; None for the first that ends after `near`.
        near: nanoseconds.
        way: 1 for the next, -1 for the one before, 0 for `row` itself.
    """
    told: dict[str, Any] = {"count": len(found.rows), "total": found.total, "at": -1, "event": None}
    told["names"] = [[short(name), many, total] for name, many, total in found.names]
    if len(found.rows):
        events = line.profile.events
        held: Wholes = np.flatnonzero(found.rows == row) if row is not None else np.empty(0, np.int64)
        later = int((events.end[found.rows] > near).argmax())
        at = (int(held[0]) + way) % len(found.rows) if len(held) else later
        told["at"], told["event"] = at, brief(line, int(found.rows[at]))
    return told


def summed(line: Timeline, holder: Wholes, counters: Counters, within: tuple[float, float], tracks: Wholes) -> Any:
    """What a selection adds up: spans by name, as much of each as lies in it, and how busy devices are.

    Args:
        line: the timeline.
        holder: of `span_tree.holders`.
        counters: of the same profile.
        within: nanoseconds.
        tracks: those that are selected.
    """
    low, high = within
    events = line.profile.events
    chosen = np.zeros(len(line), bool)
    chosen[tracks] = True
    mine = np.repeat(np.repeat(chosen, np.diff(line.first)), np.diff(line.offset))
    # a mark without a length is in it where it stands in it
    mine &= (line.start < high) & ((line.end > low) | (line.start >= low))
    inside = np.where(mine, np.minimum(line.end, high) - np.maximum(line.start, low), 0.0)
    held = np.flatnonzero(mine & (holder >= 0))
    own = inside.copy()
    np.subtract.at(own, holder[held], inside[held])
    name = events.name[line.row]
    many = np.bincount(name[mine], minlength=len(events.names))
    total = np.bincount(name[mine], inside[mine], len(events.names))
    alone = np.bincount(name[mine], np.maximum(own[mine], 0.0), len(events.names))
    there = np.flatnonzero(many)
    order = there[np.lexsort((there, -total[there]))]
    kind = np.zeros(len(events.names), np.int64)
    kind[name] = events.kind[line.row]
    rest = order[_MOST_ROWS:]
    order = order[:_MOST_ROWS]
    wide = max(high - low, 1e-9)
    return {
        "from": low,
        "to": high,
        "events": int(many.sum()),
        "tracks": int(chosen.sum()),
        "names": [short(events.names[int(one)]) for one in order],
        "kind": kind[order].tolist(),
        "count": many[order].tolist(),
        "total": total[order].tolist(),
        "self": alone[order].tolist(),
        "others": {"names": len(rest), "count": int(many[rest].sum()), "total": float(total[rest].sum())},
        "busy": [
            {"device": device, "share": length(_within(spans, low, high)) / wide}
            for device, spans in counters.busy.items()
        ],
    }


def _within(spans: Spans, low: float, high: float) -> Spans:
    cut = np.clip(spans, low, high)
    return cut[cut[:, 1] > cut[:, 0]]
