"""Is the device busy, or waiting for data? One answer, with its numbers and what to change."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from .memory import memory_curve
from .model import DEVICE, Kind, Profile
from .recommendations import recommendations
from .spans import Spans, common, length_within, union, without
from .steps import Steps

__all__ = ["TIMES", "Shares", "Verdict", "shares", "verdict"]

TIMES: Final[tuple[str, ...]] = ("compute", "communication", "copy", "data", "compile", "sync", "launch", "unknown")
"""Where a step's time went, seen from its device. It computed; it only communicated; it only copied; or it was idle
while the host waited for data, compiled, waited for the device, or worked and launched; or nobody knows why."""

_HIGHLY: Final = 0.20
_MODERATELY: Final = 0.05
_LAUNCH: Final = 0.15
_COMMUNICATION: Final = 0.10
_COMPILE: Final = 0.20
_FULL: Final = 0.90
_KNOWN: Final = 0.50

_WAITS: Final = ("Synchronize", "cudaEventQuery", "WaitEvent")


@dataclass(frozen=True, slots=True)
class Shares:
    """Where the time of each step went, seen from its device.

    Attributes:
        steps: the steps.
        time: float64 (steps, times) nanoseconds, by `TIMES`; a row adds up to the step.
        device: whether there is a device; without one, "compute" is the work of the host's threads.
    """

    steps: Steps
    time: NDArray[np.float64]
    device: bool


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer.

    Attributes:
        kind: "busy", "input-bound", "launch-bound", "communication-bound", "memory-pressed", "compile-dominated", or
            "unknown".
        degree: "highly" or "moderately" of one that has degrees, else "".
        part: nanoseconds, the numerator.
        whole: nanoseconds, the denominator: all steps that were counted. Of "memory-pressed", bytes both.
        counted: how many steps were counted.
        left_out: how many were not, being a first one that compiles or warms up.
        says: what was found, in a sentence.
        advice: what to change, in sentences: in general, none of "busy" on a device, and what the profile says of it.
        times: microseconds a step by `TIMES`, the mean over the steps counted.
    """

    kind: str
    degree: str
    part: float
    whole: float
    counted: int
    left_out: int
    says: str
    advice: tuple[str, ...]
    times: dict[str, float]

    @property
    def share(self) -> float:
        """Numerator by denominator, 0 where there is none."""
        return self.part / self.whole if self.whole else 0.0

    def __str__(self) -> str:
        return " ".join((self.says, *self.advice))


def shares(profile: Profile) -> Shares:
    """Where the time of each step went, by `TIMES`."""
    found = profile.steps
    events = profile.events
    device = bool(events.of(*DEVICE).any())

    def spans(which: NDArray[np.bool_]) -> Spans:
        return union(events.start[which], events.end[which])

    waits = events.of(Kind.RUNTIME) & events.named(lambda name: any(text in name for text in _WAITS))
    calls = events.of(Kind.RUNTIME, Kind.DRIVER, Kind.CPU_OP, Kind.COMM_OP, Kind.PY_FUNCTION, Kind.MODULE)
    data, compiling = spans(events.of(Kind.DATALOAD)), spans(events.of(Kind.COMPILE))
    if device:
        working = [spans(events.of(Kind.KERNEL)), spans(events.of(Kind.COMM_KERNEL))]
        working += [spans(events.of(Kind.MEMCPY, Kind.MEMSET)), data, compiling, spans(waits), spans(calls & ~waits)]
        columns = range(len(working))
    else:  # who waits for data inside an operation waits all the same, so that comes first
        working = [data, compiling, spans(events.of(Kind.COMM_OP)), spans(events.of(Kind.CPU_OP))]
        columns = (TIMES.index(name) for name in ("data", "compile", "communication", "compute"))
    left = union(found.window[:, 0], found.window[:, 1])
    time = np.zeros((len(found), len(TIMES)))
    for column, covered in zip(columns, working, strict=True):
        time[:, column] = length_within(common(left, covered), found.window)
        left = without(left, covered)
    time[:, -1] = length_within(left, found.window)
    return Shares(found, time, device)


def verdict(profile: Profile) -> Verdict:
    """The answer, from the steps that are no warm-up."""
    found = shares(profile)
    kept = ~found.steps.warmup
    times = found.time[kept]
    whole = float(times.sum())
    spent: dict[str, float] = dict(zip(TIMES, times.sum(axis=0).tolist(), strict=True))
    mean = {name: value / 1000 / max(len(times), 1) for name, value in spent.items()}
    counted, left_out = int(kept.sum()), int((~kept).sum())
    if not whole:
        says = "No step and no work was recorded, so nothing can be said."
        advice = ("Call step() of the profiler after each batch, and record at least two steps.",)
        return Verdict("unknown", "", 0.0, 0.0, counted, left_out, says, advice, mean)
    kind, degree, name = _kind({name: value / whole for name, value in spent.items()})
    # a device that waits for a host that waits for it has nothing launched, either
    part, of = spent[name] + (spent["sync"] if name == "launch" else 0.0), whole
    full = _fullest(profile)
    if kind == "busy" and full is not None and full[0] > _FULL * full[1]:
        kind, (part, of) = "memory-pressed", full
    says, advice = _words(kind, degree, part, of, counted, left_out, found)
    advice += tuple(map(str, recommendations(profile, _ABOUT.get(kind, ()))))
    return Verdict(kind, degree, part, of, counted, left_out, says, advice, mean)


def _kind(share: dict[str, float]) -> tuple[str, str, str]:
    """Kind, degree, and the time it goes by: of all that are over their bound, the largest."""
    share = {**share, "launch": share["launch"] + share["sync"]}
    over = {
        "data": share["data"] >= _HIGHLY,
        "compile": share["compile"] >= _COMPILE,
        "communication": share["communication"] > _COMMUNICATION,
        "launch": share["launch"] >= _LAUNCH,
    }
    kinds = {"data": "input-bound", "compile": "compile-dominated", "communication": "communication-bound"}
    worst = max((name for name, is_over in over.items() if is_over), key=share.__getitem__, default=None)
    if worst is not None:
        return kinds.get(worst, "launch-bound"), "highly" if worst == "data" else "", worst
    if share["data"] >= _MODERATELY:
        return "input-bound", "moderately", "data"
    if share["unknown"] > _KNOWN:
        return "unknown", "", "unknown"
    return "busy", "", "compute"


def _fullest(profile: Profile) -> tuple[float, float] | None:
    """The most bytes in use and all there are, of the device that is fullest by share."""
    found: list[tuple[float, float]] = []
    for device, facts in profile.devices.items():
        total = facts.get("totalGlobalMem")
        if isinstance(total, int) and total > 0:
            curve = memory_curve(profile, device)
            if curve.exact:
                found.append((float(curve.peak), float(total)))
    return max(found, key=lambda one: one[0] / one[1], default=None)


def _words(
    kind: str, degree: str, part: float, whole: float, counted: int, left_out: int, found: Shares
) -> tuple[str, tuple[str, ...]]:
    percent = f"{part / whole:.1%}"
    over = f"{part / 1e6:,.1f} of {whole / 1e6:,.1f} ms in {counted} step{'s' if counted != 1 else ''}"
    if not found.steps.marked:
        over = f"{part / 1e6:,.1f} of {whole / 1e6:,.1f} ms; the trace marks no steps"
    if left_out:
        over += ", the first one left out"
    who = "The device" if found.device else "The training"
    text = _SAYS[kind].format(
        who=who, percent=percent, over=over, degree=degree, part=part / 2**30, whole=whole / 2**30
    )
    if kind == "busy":
        return text, () if found.device else ("This is a run on CPU: threads computed, not a GPU.",)
    return text, (_ADVICE[kind],)


_ABOUT: Final = {
    "input-bound": ("data", "pinned memory"),
    "launch-bound": ("optimizer", "waits"),
    "communication-bound": ("backend", "data parallel"),
    "memory-pressed": ("mixed precision",),
    "busy": ("mixed precision", "memory layout", "optimizer"),
}
"""What of the recommendations belongs to which answer."""

_SAYS: Final = {
    "input-bound": "{who} waits for data {percent} of the time ({over}): {degree} input-bound.",
    "communication-bound": "{who} only communicates {percent} of the time ({over}): communication-bound.",
    "compile-dominated": "Compiling takes {percent} of the time ({over}): compile-dominated.",
    "launch-bound": "The device waits {percent} of the time for the host to launch its work ({over}): launch-bound.",
    "memory-pressed": "The device's memory is {percent} full ({part:.1f} of {whole:.1f} GiB): memory-pressed.",
    "unknown": "{percent} of the time is explained by nothing that was recorded ({over}).",
    "busy": "{who} computes {percent} of the time ({over}): busy.",
}

_ADVICE: Final = {
    "input-bound": (
        "Load in more worker processes or threads, ahead of the step (prefetch), from pinned memory; or make a batch "
        "cheaper to load: decode, augment and tokenise once, and keep the results."
    ),
    "communication-bound": (
        "Let communication run beside the backward pass (larger or smaller buckets, no_sync while gradients are "
        "accumulated), send less (compressed or sharded gradients), or do more work a step."
    ),
    "compile-dominated": (
        "Keep shapes and types the same from step to step, so that nothing is compiled again; record after the first "
        "steps; keep compiled programs in a cache."
    ),
    "launch-bound": (
        "Do more work a launch: larger batches, fused or compiled steps, CUDA graphs; and do not wait for the device "
        "each step (.item(), prints, copies back)."
    ),
    "memory-pressed": (
        "Use smaller batches with accumulated gradients, mixed precision, checkpointed activations, or a sharded "
        "optimizer, before it runs out."
    ),
    "unknown": (
        "Mark the loading of data with tb.data() or a span of your own, so that it can be told from other waiting."
    ),
}
