"""Two profiles side by side: what of a step's time changed, by its parts, its operators and its kernels.

Recordings are seldom equally long, so everything is told per step: of each profile the steps count that are no warm-up,
with the operators that began in them and the kernels that those launched. A trace without steps counts as one. Whether
steps differ by more than they do among themselves is told by Welch's interval of 95 % for the difference of two means
(B. L. Welch, Biometrika 34, 1947).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ..dataframes import Columns, Table
from ..stats import student_t_975
from .model import DEVICE, Profile
from .operators import GroupBy, KernelTable, OperatorTable, kernels, operators
from .steps import CATEGORIES, breakdown
from .verdict import Verdict, verdict

__all__ = ["Changes", "Difference", "Side", "counted", "difference", "kernel_changes", "operator_changes"]

_TELLING: Final = 0.05  # of a step: a part that changed by less is not named
_MOST_NAMED: Final = 3
_SLOWING: Final = {"with_stack": "stacks", "profile_memory": "memory", "record_shapes": "shapes"}


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two.

    Attributes:
        worker: as the profile has it.
        source: likewise.
        rank: likewise.
        verdict: its own.
        counted: how many steps count.
        step: nanoseconds, the mean of those.
        marked: whether its trace marks steps; else all of it counts as one.
    """

    worker: str
    source: str
    rank: int | None
    verdict: Verdict
    counted: int
    step: float
    marked: bool


@dataclass(frozen=True, slots=True)
class Changes(Table):
    """What is in either of two profiles, the largest change first. Times are nanoseconds a step.

    Attributes:
        name: of a part, an operator or a kernel.
        shapes: of an operator's inputs where told apart by them, else "".
        status: "both", "added" of what is only there now, or "removed".
        base: by measure float64, of the one that it is compared with; 0 of what is added.
        now: likewise of this one; 0 of what is removed.
        by: the measure whose change sorts them.
    """

    name: list[str]
    shapes: list[str]
    status: list[str]
    base: Mapping[str, NDArray[np.float64]]
    now: Mapping[str, NDArray[np.float64]]
    by: str

    def __len__(self) -> int:
        return len(self.name)

    def change(self, measure: str | None = None) -> NDArray[np.float64]:
        """How much more it is now, by a measure; by that which sorts them where none is named."""
        return self.now[measure or self.by] - self.base[measure or self.by]

    def _columns(self) -> Columns:
        found: dict[str, NDArray[np.float64]] = {}
        for measure in self.base:
            found[f"base_{measure}"], found[f"now_{measure}"] = self.base[measure], self.now[measure]
            found[f"change_{measure}"] = self.change(measure)
        return {"name": self.name, "shapes": self.shapes, "status": self.status, **found}


@dataclass(frozen=True, slots=True)
class Difference:
    """What changed from one profile to another.

    Attributes:
        base: the one that it is compared with.
        now: the one that is looked at.
        parts: a row for each category of the breakdown, and "total", in that order; the measure is "time".
        interval: nanoseconds, by how much more or less a step may take with 95 %; None of fewer than two steps of
            either.
        operators: by name; measures calls, host_self, host_total, device_self, device_total.
        kernels: measures calls, total, mean.
        says: what changed, in sentences.
        notes: why the two may not be comparable, in sentences.
    """

    base: Side
    now: Side
    parts: Changes
    interval: tuple[float, float] | None
    operators: Changes
    kernels: Changes
    says: str
    notes: tuple[str, ...]

    def __str__(self) -> str:
        return " ".join((self.says, *self.notes))

    @property
    def certain(self) -> bool | None:
        """Whether steps differ by more than among themselves; None where that cannot be told."""
        return None if self.interval is None else not self.interval[0] <= 0 <= self.interval[1]


def counted(profile: Profile) -> tuple[NDArray[np.bool_], int]:
    """Which events count, and of how many steps they are.

    An event of the host counts in the step in which it began, the work of a device in that of the call which launched
    it, or, where nobody knows the call, in the window in which it began.

    Args:
        profile: the profile.
    """
    events, found = profile.events, profile.steps
    kept = ~found.warmup
    if not found.marked or not kept.any():
        return np.ones(len(events), bool), 1
    device = events.of(*DEVICE)
    launched = device & (profile.launcher >= 0)
    when = np.where(launched, events.start[profile.launcher], events.start)
    within = np.zeros(len(events), bool)
    for spans, mine in ((found.host, ~device | launched), (found.window, device & ~launched)):
        at = np.searchsorted(spans[:, 0], when, "right") - 1
        inside = (at >= 0) & (when < spans[np.maximum(at, 0), 1]) & kept[np.maximum(at, 0)]
        within |= inside & mine
    return within, int(kept.sum())


def difference(base: Profile, now: Profile) -> Difference:
    """What changed from one profile to another.

    Args:
        base: the one that it is compared with.
        now: the one that is looked at.
    """
    sides, times = zip(*map(_side, (base, now)), strict=True)
    parts = _parts(*times)
    interval = _interval(*(time.sum(axis=1) for time in times))
    by_operator = operator_changes(base, now)
    return Difference(
        base=sides[0],
        now=sides[1],
        parts=parts,
        interval=interval,
        operators=by_operator,
        kernels=kernel_changes(base, now),
        says=_says(sides[0], sides[1], parts, interval),
        notes=_notes(base, now, sides[0], sides[1]),
    )


def _side(profile: Profile) -> tuple[Side, NDArray[np.float64]]:
    found = breakdown(profile)
    time = found.time[~found.steps.warmup]
    whole = float(time.sum(axis=1).mean()) if len(time) else 0.0
    side = Side(profile.worker, profile.source, profile.rank, verdict(profile), len(time), whole, profile.steps.marked)
    return side, time


def _parts(base: NDArray[np.float64], now: NDArray[np.float64]) -> Changes:
    means = [time.mean(axis=0) if len(time) else np.zeros(len(CATEGORIES)) for time in (base, now)]
    before, after = ({"time": np.append(mean, mean.sum())} for mean in means)
    names = [*CATEGORIES, "total"]
    return Changes(names, [""] * len(names), ["both"] * len(names), before, after, "time")


def _interval(base: NDArray[np.float64], now: NDArray[np.float64]) -> tuple[float, float] | None:
    """Welch's interval for the difference of the means, with whole degrees of freedom, rounded down."""
    if min(len(base), len(now)) < 2:
        return None
    change = float(now.mean() - base.mean())
    parts = [float(one.var(ddof=1)) / len(one) for one in (base, now)]
    spread = sum(parts)
    if spread <= 0:
        return change, change
    freedom = spread**2 / sum(part**2 / (len(one) - 1) for part, one in zip(parts, (base, now), strict=True))
    half = student_t_975(max(1, math.floor(freedom))) * math.sqrt(spread)
    return change - half, change + half


def operator_changes(base: Profile, now: Profile, by: GroupBy = "name") -> Changes:
    """What changed of each operator; measures calls, host_self, host_total, device_self, device_total.

    Args:
        base: the one that it is compared with.
        now: the one that is looked at.
        by: "name", or "shapes" for a row for each name and shapes of inputs.
    """
    measures = ("calls", "host_self", "host_total", "device_self", "device_total")
    tables: list[OperatorTable] = []
    many: list[int] = []
    for profile in (base, now):
        within, steps = counted(profile)
        tables.append(operators(profile, by, within=within))
        many.append(steps)
    sort = "device_self" if any(table.device_self.any() for table in tables) else "host_self"
    keys = [list(zip(table.name, table.shapes, strict=True)) for table in tables]
    return _joined(keys, [_of(table, measures, per) for table, per in zip(tables, many, strict=True)], sort)


def kernel_changes(base: Profile, now: Profile) -> Changes:
    """What changed of each kernel; measures calls, total, and mean, which is of one call and not of a step."""
    tables: list[KernelTable] = []
    columns: list[dict[str, NDArray[np.float64]]] = []
    for profile in (base, now):
        within, steps = counted(profile)
        tables.append(kernels(profile, within))
        columns.append({**_of(tables[-1], ("calls", "total"), steps), "mean": tables[-1].mean})
    return _joined([[(name, "") for name in table.name] for table in tables], columns, "total")


def _of(table: OperatorTable | KernelTable, measures: Sequence[str], per: int) -> dict[str, NDArray[np.float64]]:
    return {measure: np.asarray(getattr(table, measure), np.float64) / per for measure in measures}


def _joined(
    keys: Sequence[list[tuple[str, str]]], columns: Sequence[Mapping[str, NDArray[np.float64]]], by: str
) -> Changes:
    every = list(dict.fromkeys((*keys[1], *keys[0])))
    place = {key: at for at, key in enumerate(every)}
    sides: list[dict[str, NDArray[np.float64]]] = []
    there = np.zeros((2, len(every)), bool)
    for side, (mine, table) in enumerate(zip(keys, columns, strict=True)):
        rows = np.array([place[key] for key in mine], np.int64)
        there[side, rows] = True
        found: dict[str, NDArray[np.float64]] = {}
        for measure, values in table.items():
            found[measure] = np.zeros(len(every))
            found[measure][rows] = values
        sides.append(found)
    order: list[int] = np.argsort(-np.abs(sides[1][by] - sides[0][by]), kind="stable").tolist()
    status = np.where(there.all(axis=0), "both", np.where(there[1], "added", "removed"))[order]
    base, now = ({measure: values[order] for measure, values in side.items()} for side in sides)
    return Changes([every[i][0] for i in order], [every[i][1] for i in order], status.tolist(), base, now, by)


def _says(base: Side, now: Side, parts: Changes, interval: tuple[float, float] | None) -> str:
    if not base.step or not now.step:
        return "Of one of the two no step and no work was recorded, so nothing can be said."
    change = now.step - base.step
    what = "A step takes" if base.marked and now.marked else "The recording takes"
    if abs(change) < 0.0005 * base.step:
        says = f"{what} as long as it did, {now.step / 1e6:,.3f} ms."
    else:
        way = "more" if change > 0 else "less"
        says = (
            f"{what} {now.step / 1e6:,.3f} ms, {abs(change) / 1e6:,.3f} ms ({abs(change) / base.step:.1%}) {way} than "
            f"{base.step / 1e6:,.3f} ms."
        )
    if interval is not None and interval[0] <= 0 <= interval[1]:
        says += " Steps differ as much among themselves, so that may be chance."
    moved = parts.change()[:-1]
    most = np.argsort(-np.abs(moved), kind="stable")[:_MOST_NAMED].tolist()
    told = [
        f"{parts.name[i]} {abs(moved[i]) / 1e6:,.3f} ms {'more' if moved[i] > 0 else 'less'}"
        for i in most
        if abs(moved[i]) >= _TELLING * base.step
    ]
    says += f" By part: {', '.join(told)}." if told else ""
    one, other = base.verdict, now.verdict
    if one.kind == other.kind:
        return f"{says} Both are {one.kind}: {one.share:.1%} then, {other.share:.1%} now."
    return f"{says} It was {one.kind} ({one.share:.1%}) and is {other.kind} ({other.share:.1%}) now."


def _notes(base: Profile, now: Profile, before: Side, after: Side) -> tuple[str, ...]:
    found: list[str] = []
    if base.source != now.source:
        found.append(f"One is of {base.source or 'an unknown tool'}, the other of {now.source or 'an unknown tool'}.")
    if before.marked != after.marked:
        found.append("Only one of the traces marks steps; the whole of the other counts as one step.")
    working = [bool(profile.events.of(*DEVICE).any()) for profile in (base, now)]
    if working[0] != working[1]:
        found.append("Only one of the two has work of a device.")
    names = [sorted({str(facts.get("name", "")) for facts in profile.devices.values()}) for profile in (base, now)]
    if all(names) and names[0] != names[1]:
        found.append(f"They ran on {', '.join(names[0])} and on {', '.join(names[1])}.")
    for option, what in _SLOWING.items():
        if bool(base.options.get(option)) != bool(now.options.get(option)):
            found.append(f"Only one of them recorded {what}, which makes operators slower.")
    return tuple(found)
