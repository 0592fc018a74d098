"""The steps of a profile, and where each one's time went.

Two ways of counting. `compat="tb_plugin"` gives what PyTorch's deleted TensorBoard plugin (torch-tb-profiler 0.4.3)
gave, its faults with it. Ours differs in three things: a span of the user's is no work, so time inside it that nothing
else explains is "other"; communication is known by its kernels' names rather than by ids that newer traces do not have;
and a first step that compiles is told apart rather than averaged in.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from ..dataframes import Columns, Table
from .model import DEVICE, Kind, Profile
from .naming import step_number
from .spans import NONE, Spans, common, length_within, union, without

__all__ = ["CATEGORIES", "Breakdown", "Compat", "Steps", "as_tb_plugin", "breakdown", "steps"]

Compat = Literal["tb_plugin"] | None

CATEGORIES: Final = (
    "kernel",
    "memcpy",
    "memset",
    "communication",
    "runtime",
    "dataloader",
    "cpu",
    "other",
)
"""What a step's time goes to; each takes only what none before it took."""

_SLOW_START: Final = 3.0
"""A first step longer than so many medians of the others is one that compiles, or warms up."""

_PEER_COMM: Final = frozenset(
    f"{library}:{call}"
    for library in ("nccl", "gloo")
    for call in ("broadcast", "reduce", "all_reduce", "all_gather", "reduce_scatter")
)


@dataclass(frozen=True, slots=True)
class Steps(Table):
    """Steps of training, in the order of time.

    Attributes:
        name: the number of each as its producer counts, or "0" of a trace without steps.
        host: float64 (n, 2) nanoseconds, when the host began and ended it.
        window: likewise, with the device's work that it launched: where one ends the next begins.
        launched: int64, how many pieces of a device's work it launched.
        warmup: bool, whether it is a first step that took far longer than the others.
        marked: False where the trace marks no steps, so that all of it stands as one.
    """

    name: list[str]
    host: Spans
    window: Spans
    launched: NDArray[np.int64]
    warmup: NDArray[np.bool_]
    marked: bool

    def __len__(self) -> int:
        return len(self.name)

    def _columns(self) -> Columns:
        ends = {"start": self.window[:, 0], "end": self.window[:, 1], "duration": self.duration}
        return {"step": self.name, **ends, "launched": self.launched, "warmup": self.warmup}

    @property
    def duration(self) -> NDArray[np.float64]:
        """How long each took, in nanoseconds."""
        return self.window[:, 1] - self.window[:, 0]


def steps(profile: Profile, compat: Compat = None) -> Steps:
    """The steps of a profile.

    The window of a step begins where the host began it, or where the one before ended if that is later, and ends when
    the last work that its calls launched has. At the end of a recording, steps whose work is missing are left out, and
    a last one that has less than 0.8 of the work of the one before.

    Args:
        profile: the profile.
        compat: "tb_plugin" for that peer's way.
    """
    host, names, marked = _marked(profile)
    if not len(host):
        return Steps([], NONE, NONE, np.empty(0, np.int64), np.empty(0, bool), marked)
    window, launched, kept = _with_device(profile, host)
    window, launched, host, names = window[:kept], launched[:kept], host[:kept], names[:kept]
    return Steps(names, host, window, launched, _slow_start(window, compat), marked)


def _marked(profile: Profile) -> tuple[Spans, list[str], bool]:
    """The host's spans of steps, their names, and whether the trace has any."""
    events = profile.events
    rows = np.flatnonzero(events.of(Kind.STEP))
    if len(rows):
        rows = rows[np.argsort(events.start[rows], kind="stable")]
        numbers, at = events.extras.sparse("step_num")
        told = dict(zip(numbers.tolist(), np.asarray(at).tolist(), strict=True))
        names: list[str] = []
        for i, row in enumerate(rows.tolist()):
            number = step_number(events.name_of(row))
            number = number if number is not None else int(told.get(row, i))
            names.append(str(number))
        return np.column_stack((events.start[rows], events.end[rows])), names, True
    work = events.of(Kind.CPU_OP, Kind.COMM_OP, Kind.DATALOAD, Kind.COMPILE)
    if not work.any():
        work = events.kind != Kind.OTHER
    if not work.any():
        return NONE, [], False
    return np.array([[events.start[work].min(), events.end[work].max()]]), ["0"], False


def _with_device(profile: Profile, host: Spans) -> tuple[Spans, NDArray[np.int64], int]:
    """The windows with the work of devices, how much of it each launched, and how many steps are whole."""
    events = profile.events
    work = np.flatnonzero(events.of(*DEVICE))
    call = profile.launcher[work]
    known = call >= 0
    begun, ended = events.start[call], events.end[call]
    step = np.searchsorted(host[:, 0], begun, "right") - 1
    inside = known & (step >= 0) & (ended <= host[np.maximum(step, 0), 1])
    step, mine, stray = step[inside], work[inside], work[~inside]
    launched = np.bincount(step, minlength=len(host))
    if not len(mine):
        return host, launched, len(host)
    first, last = np.full(len(host), np.inf), np.full(len(host), -np.inf)
    np.minimum.at(first, step, events.start[mine])
    np.maximum.at(last, step, events.end[mine])
    before = host[0, 0]
    if np.isfinite(first[0]) and len(earlier := stray[events.end[stray] < first[0]]):
        before = max(before, float(events.end[earlier].max()))
    window = np.empty_like(host)
    for i, (start, end) in enumerate(host.tolist()):
        start = max(before, start)
        before = max(start, end, float(last[i]) if np.isfinite(last[i]) else start)
        window[i] = start, before
    return window, launched, _whole(launched)


def _whole(launched: NDArray[np.int64]) -> int:
    """How many steps are left when those go that the recording cut off at its end."""
    if len(launched) == 1:
        return 1
    last = len(launched) - 1
    while last >= 0 and launched[last] == 0:
        last -= 1
    if last < 0:
        return len(launched)
    cut = last > 0 and launched[last - 1] * 0.8 > launched[last]
    return last if cut else last + 1


def _slow_start(window: Spans, compat: Compat) -> NDArray[np.bool_]:
    found = np.zeros(len(window), bool)
    if compat is None and len(window) > 2:
        lasting = window[:, 1] - window[:, 0]
        found[0] = lasting[0] > _SLOW_START * np.median(lasting[1:])
    return found


@dataclass(frozen=True, slots=True)
class Breakdown(Table):
    """Where the time of each step went.

    Attributes:
        steps: the steps.
        time: float64 (steps, categories) nanoseconds; a row adds up to the step.
    """

    steps: Steps
    time: NDArray[np.float64]

    def _columns(self) -> Columns:
        times = {name: self.time[:, i] for i, name in enumerate(CATEGORIES)}
        return {"step": self.steps.name, **times, "total": self.time.sum(axis=1)}

    def mean(self) -> dict[str, float]:
        """Microseconds a step, by category and in total, over the steps that are no warm-up."""
        kept = self.time[~self.steps.warmup]
        found = kept.mean(axis=0) / 1000 if len(kept) else np.zeros(len(CATEGORIES))
        return {**dict(zip(CATEGORIES, found.tolist(), strict=True)), "total": float(found.sum())}

    def median(self) -> dict[str, float]:
        """Likewise the middle one; they need not add up."""
        kept = self.time[~self.steps.warmup]
        found = np.median(kept, axis=0) / 1000 if len(kept) else np.zeros(len(CATEGORIES))
        total = float(np.median(kept.sum(axis=1))) / 1000 if len(kept) else 0.0
        return {**dict(zip(CATEGORIES, found.tolist(), strict=True)), "total": total}


def breakdown(profile: Profile, compat: Compat = None) -> Breakdown:
    """Where the time of each step went, by `CATEGORIES`.

    Args:
        profile: the profile.
        compat: "tb_plugin" for that peer's way; see the text of this module.
    """
    found = profile.steps if compat is None else steps(profile, compat)
    left = union(found.window[:, 0], found.window[:, 1])
    time = np.zeros((len(found), len(CATEGORIES)))
    for i, covered in enumerate(_covered(profile, compat)):
        time[:, i] = length_within(common(left, covered), found.window)
        left = without(left, covered)
    time[:, -1] = length_within(left, found.window)
    return Breakdown(found, time)


def _covered(profile: Profile, compat: Compat) -> list[Spans]:
    """When each category but the last was at work."""
    events = profile.events

    def spans(which: NDArray[np.bool_]) -> Spans:
        return union(events.start[which], events.end[which])

    kernel, talking = events.of(Kind.KERNEL), events.of(Kind.COMM_KERNEL)
    cpu = events.of(Kind.CPU_OP, Kind.COMPILE)
    if compat is None:
        # on the host, a process that waits for others does so inside the operation of its library
        talking |= events.of(Kind.COMM_OP) & (_alone(profile) if events.of(*DEVICE).any() else True)
        cpu |= events.of(Kind.COMM_OP)
    else:
        kernel, talking, cpu = as_tb_plugin(profile)
    waiting = events.of(Kind.DATALOAD)
    which = (kernel, events.of(Kind.MEMCPY), events.of(Kind.MEMSET), talking, events.of(Kind.RUNTIME), waiting, cpu)
    return [spans(one) for one in which]


def _alone(profile: Profile) -> NDArray[np.bool_]:
    """Which events are of a library that has no device: gloo and MPI work on the host."""
    return profile.events.named(lambda name: name.startswith(("gloo:", "mpi:", "ucc:")))


def as_tb_plugin(profile: Profile) -> tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.bool_]]:
    """Kernels, communication and work of the host as that peer tells them apart: by ids, and spans of users as work."""
    events = profile.events
    host = events.of(Kind.CPU_OP, Kind.COMM_OP, Kind.COMPILE, Kind.ANNOTATION, Kind.DEVICE_ANNOTATION)
    host &= ~events.named(lambda name: name.startswith("ProfilerStep#"))
    operations = host & events.named(lambda name: name in _PEER_COMM)
    every = events.of(Kind.KERNEL, Kind.COMM_KERNEL)
    talking = every & np.isin(events.external, events.external[operations]) & (events.external >= 0)
    return every & ~talking, talking | operations, host & ~operations
