"""What every reader of traces makes: one neutral profile of columns, whoever recorded it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from .device import DeviceUse
    from .difference import Difference
    from .hlo import HloTable
    from .memory import Lifetimes, MemoryCurve, MemoryTable
    from .modules import ModuleTable
    from .operators import KernelTable, OperatorTable
    from .pipeline import PipelineTable
    from .recommendations import Recommendation
    from .steps import Breakdown, Steps
    from .tensor_cores import TensorCoreUse
    from .verdict import Verdict

__all__ = ["DEVICE", "HOST", "Events", "Extras", "Kind", "Memory", "Profile", "Track"]


class Kind(IntEnum):
    """What an event is: by the category its producer gave it, and by its name where that says more."""

    OTHER = 0
    KERNEL = 1
    COMM_KERNEL = 2
    """A kernel of a communication library, known by its name."""
    MEMCPY = 3
    MEMSET = 4
    DEVICE_ANNOTATION = 5
    """A span of the user's, as the device saw it."""
    DEVICE_SYNC = 6
    RUNTIME = 7
    """A call of the runtime by the host: a launch, a copy, an allocation, a wait."""
    DRIVER = 8
    CPU_OP = 9
    COMM_OP = 10
    """An operation of a communication library, seen on the host."""
    ANNOTATION = 11
    STEP = 12
    DATALOAD = 13
    """Waiting for the next batch."""
    COMPILE = 14
    PY_FUNCTION = 15
    MODULE = 16


DEVICE: Final = (Kind.KERNEL, Kind.COMM_KERNEL, Kind.MEMCPY, Kind.MEMSET)
"""Work of a device."""

HOST: Final = (Kind.CPU_OP, Kind.COMM_OP, Kind.ANNOTATION, Kind.STEP, Kind.DATALOAD, Kind.COMPILE)
"""Spans of the host that hold each other and its calls of the runtime."""


@dataclass(frozen=True, slots=True)
class Track:
    """Where events ran: a thread of a process, or a stream of a device.

    Attributes:
        process: its id as the trace has it.
        thread: the thread's, or the stream's.
        name: what the trace calls it, "" where it does not.
        process_name: likewise.
    """

    process: int | str
    thread: int | str
    name: str = ""
    process_name: str = ""


class Extras:
    """Columns that few events have: for each its rows, ascending, and their values."""

    __slots__ = ("_columns",)

    def __init__(self, columns: Mapping[str, tuple[NDArray[np.int64], Any]] | None = None) -> None:
        self._columns = dict(columns or {})

    def __iter__(self) -> Iterator[str]:
        return iter(self._columns)

    def __contains__(self, name: str) -> bool:
        return name in self._columns

    def sparse(self, name: str) -> tuple[NDArray[np.int64], Any]:
        """Rows of the events that have it, and the values: an array, or a list of strings."""
        return self._columns.get(name, (np.empty(0, np.int64), np.empty(0)))

    def full(self, name: str, many: int, default: float = np.nan) -> NDArray[np.float64]:
        """A number for each of `many` events, `default` where an event has none."""
        found = np.full(many, default)
        rows, values = self.sparse(name)
        found[rows] = values
        return found


@dataclass(frozen=True, slots=True)
class Events:
    """Spans of time, a row each, in the order of the file.

    Attributes:
        start: float64 nanoseconds after the profile's base.
        end: likewise; never before the start.
        name: int32, into `names`.
        kind: int8, a `Kind`.
        track: int32, into `tracks`.
        device: int16, the device's number, -1 on the host.
        correlation: int64, by which work of a device is found from the call that launched it; -1 for none.
        external: int64, by which old producers find a call's operation; -1 for none.
        names: each name once.
        tracks: each track once.
        extras: blocks_per_sm, occupancy, bytes, shapes, stack and whatever else few have.
    """

    start: NDArray[np.float64]
    end: NDArray[np.float64]
    name: NDArray[np.int32]
    kind: NDArray[np.int8]
    track: NDArray[np.int32]
    device: NDArray[np.int16]
    correlation: NDArray[np.int64]
    external: NDArray[np.int64]
    names: Sequence[str]
    tracks: Sequence[Track]
    extras: Extras

    def __len__(self) -> int:
        return len(self.start)

    def of(self, *kinds: Kind) -> NDArray[np.bool_]:
        """Which are of one of these kinds."""
        wanted = np.zeros(len(Kind), bool)
        wanted[list(kinds)] = True
        return wanted[self.kind]

    def named(self, says: Callable[[str], bool]) -> NDArray[np.bool_]:
        """Which have a name of which `says` says so; it is asked once for each name."""
        told = np.fromiter(map(says, self.names), bool, len(self.names))
        return told[self.name]

    def name_of(self, row: Any) -> str:
        """The name of an event."""
        return self.names[int(self.name[row])]


@dataclass(frozen=True, slots=True)
class Memory:
    """Every time that memory was taken or given back, in the order of time.

    Attributes:
        time: float64 nanoseconds after the profile's base.
        device: int16, -1 for the host.
        address: uint64, 0 where the trace has none.
        delta: int64 bytes, below zero where they were given back.
        allocated: int64 bytes in use after it, -1 where the trace does not say.
        reserved: int64 bytes kept by the allocator after it, likewise.
        track: int32, into the events' tracks.
    """

    time: NDArray[np.float64]
    device: NDArray[np.int16]
    address: NDArray[np.uint64]
    delta: NDArray[np.int64]
    allocated: NDArray[np.int64]
    reserved: NDArray[np.int64]
    track: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.time)


@dataclass(frozen=True)
class Profile:
    """What one process recorded of its training. Times are nanoseconds, after `base`.

    Attributes:
        source: "torch", "tensorflow", "jax", or "" where the trace does not say.
        base: nanoseconds of the epoch at which the events' times begin, 0 where the trace's clock has no such begin.
        events: its spans.
        allocations: what memory it took and gave back.
        devices: what the trace says of each device, by its number.
        worker: the name of the file or the host that recorded it.
        rank: of the process among those that trained together, None where unknown.
        world: how many those were, None where unknown.
        options: how the recording was set up, as the trace says.
        skipped: what could not be read, by its reason, and how often.
    """

    source: str
    base: int
    events: Events
    allocations: Memory
    devices: Mapping[int, Mapping[str, Any]] = field(default_factory=dict[int, Mapping[str, Any]])
    worker: str = ""
    rank: int | None = None
    world: int | None = None
    options: Mapping[str, Any] = field(default_factory=dict[str, Any])
    skipped: Mapping[str, int] = field(default_factory=dict[str, int])

    @cached_property
    def steps(self) -> Steps:
        """Its steps; see `tallyboard.core.profiles.steps`."""
        from .steps import steps

        return steps(self)

    def breakdown(self, compat: Literal["tb_plugin"] | None = None) -> Breakdown:
        """Where the time of each step went: kernels, copies, communication, runtime, loading, CPU, other.

        Args:
            compat: "tb_plugin" for the figures of torch-tb-profiler 0.4.3, its faults with them.
        """
        from .steps import breakdown

        return self._breakdown if compat is None else breakdown(self, compat)

    def operators(self, by: Literal["name", "shapes"] = "name") -> OperatorTable:
        """A row for each operator, or for each operator and shapes of its inputs: calls, time by itself and in all."""
        from .operators import operators

        return operators(self, by)

    def kernels(self) -> KernelTable:
        """A row for each kernel: calls, time, occupancy, whether it uses tensor cores."""
        from .operators import kernels

        return kernels(self)

    def modules(self) -> ModuleTable:
        """A row for each module of the model, or scope of its graph: calls, time by itself and with those inside."""
        from .modules import modules

        return modules(self)

    def hlo(self) -> HloTable:
        """A row for each operation of XLA's: program, category, calls, time by itself and in all, share."""
        from .hlo import hlo

        return hlo(self)

    def memory(self, device: int | None = None) -> MemoryCurve:
        """The memory of a device over time.

        Args:
            device: its number, -1 for the host; None for the first device that the trace tells of, else the host.
        """
        from .memory import memory_curve

        return memory_curve(self, self._told(device))

    def memory_by_operator(self, device: int | None = None) -> MemoryTable:
        """What each operator took of a device's memory and gave back; `device` as in `memory`."""
        from .memory import memory_by_operator

        return memory_by_operator(self, self._told(device))

    def lifetimes(self, device: int | None = None) -> Lifetimes:
        """How long each piece of a device's memory was kept; `device` as in `memory`."""
        from .memory import lifetimes

        return lifetimes(self, self._told(device))

    def input_pipeline(self) -> PipelineTable:
        """A row for each stage through which batches came, the slowest first, and what to do about it."""
        from .pipeline import input_pipeline

        return input_pipeline(self)

    def tensor_core_use(self) -> TensorCoreUse:
        """How much of the kernels' time could be on tensor cores, and how much was."""
        from .tensor_cores import tensor_core_use

        return tensor_core_use(self)

    def recommendations(self) -> list[Recommendation]:
        """What to change, each with what in the profile says so; what costs most first."""
        from .recommendations import recommendations

        return recommendations(self)

    def device_use(self) -> list[DeviceUse]:
        """How busy each device was during the steps, and how well its kernels filled it."""
        from .device import device_use

        return device_use(self, self.steps)

    def verdict(self) -> Verdict:
        """Whether the device is busy, or what it waits for, and what to change."""
        from .verdict import verdict

        return verdict(self)

    def compare(self, base: Profile) -> Difference:
        """What changed from another profile to this one, per step: parts, operators, kernels.

        Args:
            base: the one that it is compared with.
        """
        from .difference import difference

        return difference(base, self)

    def _told(self, device: int | None) -> int:
        if device is not None:
            return device
        told = self.allocations.device
        return int(told[told >= 0].min(initial=1 << 14)) if (told >= 0).any() else -1

    @cached_property
    def parent(self) -> NDArray[np.int64]:
        """For each event the row of the innermost operation of the host that holds it, -1 where none does."""
        from .nesting import parents

        return parents(self, self.events.of(*HOST))

    @cached_property
    def _breakdown(self) -> Breakdown:
        from .steps import breakdown

        return breakdown(self)

    @cached_property
    def launcher(self) -> NDArray[np.int64]:
        """For each event of a device the row of the host's call that launched it, -1 where none is known."""
        events = self.events
        calls = np.flatnonzero(events.of(Kind.RUNTIME, Kind.DRIVER) & (events.correlation >= 0))
        found = np.full(len(events), -1, np.int64)
        rows = np.flatnonzero(events.of(*DEVICE, Kind.DEVICE_SYNC) & (events.correlation >= 0))
        if len(calls) and len(rows):
            # the runtime's own call comes after the driver's inside it, and wins where both have the number
            order = np.lexsort((events.kind[calls] == Kind.RUNTIME, events.correlation[calls]))
            numbers = events.correlation[calls][order]
            at = np.searchsorted(numbers, events.correlation[rows], "right") - 1
            fits = (at >= 0) & (numbers[np.maximum(at, 0)] == events.correlation[rows])
            found[rows[fits]] = calls[order][at[fits]]
        return found

    @cached_property
    def flows(self) -> Mapping[str, NDArray[np.int64]]:
        """What led to what: by its kind, int64 pairs of rows; see `tallyboard.core.profiles.flows`."""
        from .flows import flows

        return flows(self)
