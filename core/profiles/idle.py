"""When devices were idle, and why; how communication and computation overlap.

Definitions of HolisticTraceAnalysis (HTA 0.5.0). Its times are whole microseconds, begins rounded up and ends down, and
it leaves out what the last step launched; it counts a device's waiting for an event as computation, and for a stream
as time that is not idle. `compat="hta"` does all of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from .model import DEVICE, Kind, Profile
from .naming import step_number
from .spans import common, length, union, without

__all__ = ["IDLE_CAUSES", "Gaps", "Occupation", "gaps", "kinds_at_once", "occupation"]

Compat = Literal["hta"] | None

IDLE_CAUSES: Final = ("host_wait", "kernel_wait", "other")
"""Why a stream was idle between two pieces of work: the host had not launched the next one when the last ended; the
next one was launched and only just did not follow; or it was launched and waited for something else."""

_NEXT_AT_ONCE: Final = 30_000.0  # nanoseconds; the peer compares its 30 with microseconds, as most traces have them


@dataclass(frozen=True, slots=True)
class _Work:
    """What a device ran: nanoseconds, rows of the profile's events, and their kinds as the definition has them."""

    start: NDArray[np.float64]
    end: NDArray[np.float64]
    row: NDArray[np.int64]
    kind: NDArray[np.int8]


@dataclass(frozen=True, slots=True)
class Occupation:
    """What a device did between its first work's begin and its last one's end, in nanoseconds.

    Attributes:
        idle: neither kernel nor copy ran.
        computing: a kernel ran that is no communication.
        other: only copies or communication ran.
        communicating: communication ran.
        overlap: communication and computation ran at once.
    """

    idle: float
    computing: float
    other: float
    communicating: float
    overlap: float

    @property
    def whole(self) -> float:
        """From the first begin to the last end."""
        return self.idle + self.computing + self.other

    @property
    def overlap_share(self) -> float | None:
        """The share of communication that is hidden behind computation; None without communication."""
        return self.overlap / self.communicating if self.communicating else None


@dataclass(frozen=True, slots=True)
class Gaps:
    """The idle time of each stream, by its cause.

    Attributes:
        device: int16.
        stream: int64, a track of the events.
        time: float64 (streams, causes), nanoseconds, by `IDLE_CAUSES`.
    """

    device: NDArray[np.int16]
    stream: NDArray[np.int64]
    time: NDArray[np.float64]


def _work(profile: Profile, compat: Compat, device: int | None, kinds: tuple[Kind, ...] = DEVICE) -> _Work:
    events = profile.events
    which = events.of(*kinds)
    if device is not None:
        which &= events.device == device
    rows = np.flatnonzero(which)
    start, end, kind = events.start[rows], events.end[rows], events.kind[rows]
    if compat is None:
        return _Work(start, end, rows, kind)
    marks = np.flatnonzero(events.named(lambda name: step_number(name) is not None) & (events.device < 0))
    if len(marks):
        call = profile.launcher[rows]
        kept = (call >= 0) & ((events.start[call] < events.start[marks].max()) if len(marks) > 1 else True)
        rows, start, end, kind = rows[kept], start[kept], end[kept], kind[kept]
    waits = events.named(lambda name: name == "Stream Wait Event")[rows]
    return _Work(
        _rounded(profile, start, np.ceil), _rounded(profile, end, np.floor), rows, np.where(waits, Kind.KERNEL, kind)
    )


def _rounded(profile: Profile, times: NDArray[np.float64], to: Callable[[Any], Any]) -> NDArray[np.float64]:
    """Times as whole microseconds of the file's own clock."""
    part = profile.base % 1000
    return to((times + part) / 1000) * 1000 - part


def occupation(profile: Profile, device: int | None = None, compat: Compat = None) -> Occupation:
    """What a device did between its first work's begin and its last one's end.

    Args:
        profile: the profile.
        device: its number; None for all devices as one.
        compat: "hta" for that peer's way.
    """
    work = _work(profile, compat, device, DEVICE if compat is None else (*DEVICE, Kind.DEVICE_SYNC))
    if not len(work.row):
        return Occupation(0.0, 0.0, 0.0, 0.0, 0.0)
    kind = work.kind

    def spans(*kinds: Kind) -> NDArray[np.float64]:
        which = np.isin(kind, kinds)
        return union(work.start[which], work.end[which])

    computing, talking = spans(Kind.KERNEL), spans(Kind.COMM_KERNEL)
    busy = length(union(work.start, work.end))
    whole = float(work.end.max() - work.start.min())
    return Occupation(
        idle=whole - busy,
        computing=length(computing),
        other=busy - length(computing),
        communicating=length(talking),
        overlap=length(common(computing, talking)),
    )


def kinds_at_once(profile: Profile, compat: Compat = None) -> dict[tuple[str, ...], float]:
    """How long just these kinds of work ran together: computation, communication, memory; nanoseconds."""
    work = _work(profile, compat, None, DEVICE if compat is None else (*DEVICE, Kind.DEVICE_SYNC))
    kind = work.kind
    members = {
        "computation": (Kind.KERNEL,),
        "communication": (Kind.COMM_KERNEL,),
        "memory": (Kind.MEMCPY, Kind.MEMSET),
    }
    each = {
        name: union(*(times[np.isin(kind, kinds)] for times in (work.start, work.end)))
        for name, kinds in members.items()
    }
    names = list(each)
    found: dict[tuple[str, ...], float] = {}
    for pick in range(1, 1 << len(names)):
        inside = [names[i] for i in range(len(names)) if pick >> i & 1]
        spans = each[inside[0]]
        for name in inside[1:]:
            spans = common(spans, each[name])
        for name in names:
            if name not in inside:
                spans = without(spans, each[name])
        found[tuple(inside)] = length(spans)
    return found


def gaps(profile: Profile, compat: Compat = None) -> Gaps:
    """The idle time between each stream's pieces of work, by `IDLE_CAUSES`."""
    work = _work(profile, compat, None)
    events = profile.events
    call = profile.launcher[work.row]
    launched = np.where(call >= 0, events.start[call], -np.inf)
    if compat is not None:
        launched = np.where(
            call >= 0, np.ceil((launched + profile.base % 1000) / 1000) * 1000 - profile.base % 1000, launched
        )
    track = events.track[work.row]
    order = np.lexsort((work.start, track))
    track, start, launched, row = track[order], work.start[order], launched[order], work.row[order]
    end = work.end[order]
    same = track[1:] == track[:-1]
    before = end[:-1]
    idle = np.where(same, np.clip(start[1:] - before, 0, None), 0.0)
    cause = np.where(launched[1:] > before, 0, np.where(idle < _NEXT_AT_ONCE, 1, 2))
    streams, first = np.unique(track, return_index=True)
    time = np.zeros((len(streams), len(IDLE_CAUSES)))
    np.add.at(time, (np.searchsorted(streams, track[1:]), cause), idle)
    return Gaps(events.device[row[first]], streams.astype(np.int64), time)
