"""What was taken and given back: the curve over time, its peak, what each operator took, and how long it was kept."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..dataframes import Columns, Table
from .model import HOST, Kind, Memory, Profile

__all__ = [
    "Lifetimes",
    "MemoryCurve",
    "MemoryTable",
    "lifetimes",
    "memory_by_operator",
    "memory_curve",
    "memory_devices",
]


@dataclass(frozen=True, slots=True)
class MemoryCurve(Table):
    """The memory of one device over time.

    Attributes:
        time: float64 nanoseconds after the profile's base.
        allocated: int64 bytes in use; where the trace does not say, summed up from nought at its begin, so that it may
            go below.
        reserved: int64 bytes that the allocator keeps, -1 where the trace does not say.
        exact: whether the trace says how many were in use.
    """

    time: NDArray[np.float64]
    allocated: NDArray[np.int64]
    reserved: NDArray[np.int64]
    exact: bool

    @property
    def peak(self) -> int:
        """The most bytes in use, 0 without any record."""
        return int(self.allocated.max(initial=0))

    def _columns(self) -> Columns:
        return {"time": self.time, "allocated": self.allocated, "reserved": self.reserved}


@dataclass(frozen=True, slots=True)
class MemoryTable(Table):
    """A row for each operator that took or gave back memory of a device, the one that took most first.

    Attributes:
        name: the operator.
        calls: int64, of those that took or gave back any.
        increase: int64 bytes taken less those given back, by it and what it called.
        self_increase: by it alone.
        count: int64, how often any were taken, by it and what it called.
        self_count: by it alone.
        size: int64 bytes taken, by it and what it called.
        self_size: by it alone.
    """

    name: list[str]
    calls: NDArray[np.int64]
    increase: NDArray[np.int64]
    self_increase: NDArray[np.int64]
    count: NDArray[np.int64]
    self_count: NDArray[np.int64]
    size: NDArray[np.int64]
    self_size: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.name)

    def _columns(self) -> Columns:
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


@dataclass(frozen=True, slots=True)
class Lifetimes(Table):
    """Every piece of memory of a device that was taken, in the order of time.

    Attributes:
        taken: float64 nanoseconds, NaN of one that was there when the recording began.
        freed: likewise, NaN of one that was there when it ended.
        size: int64 bytes.
        operator: the innermost operator that took it, "" where none is known.
    """

    taken: NDArray[np.float64]
    freed: NDArray[np.float64]
    size: NDArray[np.int64]
    operator: list[str]

    def __len__(self) -> int:
        return len(self.size)

    def _columns(self) -> Columns:
        return {"taken": self.taken, "freed": self.freed, "size": self.size, "operator": self.operator}


def memory_devices(profile: Profile) -> list[int]:
    """The devices whose memory the trace tells of; -1 is the host."""
    return np.unique(profile.allocations.device).tolist()


def memory_curve(profile: Profile, device: int) -> MemoryCurve:
    """The memory of one device over time.

    Args:
        profile: the profile.
        device: its number, -1 for the host.
    """
    memory = profile.allocations
    mine = memory.device == device
    told = mine & (memory.allocated >= 0)
    if told.any():
        return MemoryCurve(memory.time[told], memory.allocated[told], memory.reserved[told], True)
    return MemoryCurve(memory.time[mine], np.cumsum(memory.delta[mine]), memory.reserved[mine], False)


def _innermost(profile: Profile, memory: Memory) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """For each record the operator in which it happened, -1 where none is known; and each operator's parent."""
    events = profile.events
    named = events.of(*HOST)
    parent = profile.parent
    found = np.full(len(memory), -1, np.int64)
    rows = np.flatnonzero(named)
    rows = rows[np.lexsort((-events.end[rows], events.start[rows], events.track[rows]))]
    for track in np.unique(memory.track).tolist():
        mine = np.flatnonzero(memory.track == track)
        here = rows[events.track[rows] == track]
        at = np.searchsorted(events.start[here], memory.time[mine], "right") - 1
        inside = np.where(at >= 0, here[np.maximum(at, 0)], -1) if len(here) else np.full(len(mine), -1)
        while (over := (inside >= 0) & (events.end[inside] < memory.time[mine])).any():
            inside[over] = parent[inside[over]]
        found[mine] = inside
    return found, parent


def memory_by_operator(profile: Profile, device: int) -> MemoryTable:
    """What each operator took of a device's memory and gave back.

    Args:
        profile: the profile.
        device: its number, -1 for the host.
    """
    memory, events = profile.allocations, profile.events
    where, parent = _innermost(profile, memory)
    mine = np.flatnonzero((memory.device == device) & (where >= 0))
    own = np.zeros((3, len(events)), np.int64)  # increase, count, size
    taken = np.clip(memory.delta[mine], 0, None)
    for column, values in zip(own, (memory.delta[mine], (taken > 0).astype(np.int64), taken), strict=True):
        np.add.at(column, where[mine], values)
    total = own.copy()
    touched = np.unique(where[mine])
    calls = np.zeros(len(events), bool)
    calls[touched] = True
    above = parent[touched]
    while (held := above >= 0).any():
        touched, above = touched[held], above[held]
        for column, values in zip(total, own, strict=True):
            np.add.at(column, above, values[touched])
        calls[above] = True
        above = parent[above]
    rows = np.flatnonzero(calls & ~events.of(Kind.STEP))
    groups, which = np.unique(events.name[rows], return_inverse=True)
    many = len(groups)

    def grouped(values: NDArray[np.int64]) -> NDArray[np.int64]:
        found = np.zeros(many, np.int64)
        np.add.at(found, which, values[rows])
        return found

    order: list[int] = np.argsort(-grouped(own[2]), kind="stable").tolist()
    return MemoryTable(
        [events.names[int(groups[i])] for i in order],
        np.bincount(which, minlength=many)[order].astype(np.int64),
        *(grouped(values)[order] for pair in zip(total, own, strict=True) for values in pair),
    )


def lifetimes(profile: Profile, device: int) -> Lifetimes:
    """How long each piece of a device's memory was kept, by its address.

    Args:
        profile: the profile.
        device: its number, -1 for the host.
    """
    memory, events = profile.allocations, profile.events
    where, _ = _innermost(profile, memory)
    open_at: dict[int, int] = {}
    rows: list[list[float]] = []
    owners: list[str] = []
    for record in np.flatnonzero((memory.device == device) & (memory.address != 0)).tolist():
        address, delta, time = int(memory.address[record]), int(memory.delta[record]), float(memory.time[record])
        if delta > 0:
            open_at[address] = len(rows)
            rows.append([time, np.nan, delta])
            owner = int(where[record])
            owners.append(events.name_of(owner) if owner >= 0 else "")
        elif (at := open_at.pop(address, None)) is not None:
            rows[at][1] = time
        else:
            rows.append([np.nan, time, -delta])
            owners.append("")
    table = np.array(rows).reshape(-1, 3)
    return Lifetimes(table[:, 0], table[:, 1], table[:, 2].astype(np.int64), owners)
