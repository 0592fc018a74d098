"""Processes that train together: what each computed and said, who waits for whom.

Definitions of PyTorch's TensorBoard plugin (torch-tb-profiler 0.4.3), its distributed view: of each step, computation,
communication, what of it ran at once, and the rest; and of communication, the transfer and the waiting for others. An
operation that all take part in ends for all at about the same time, and moves data when the last has come. So its
transfer is what it took with that rank where it was shortest, and whatever it took longer elsewhere was waiting.

The same says who was late, without asking clocks of different machines for the same time: the rank where it was
shortest came last, and the others waited for it.

Operations belong together that are the same one, of the same process group, in the same step, and have the same number
among these. The peer goes by their order alone, and gives up where one rank has more of them than another; here what
has no counterpart is counted in `unmatched`, and is all transfer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from ..dataframes import Columns, Table
from .collectives import Collectives, bus_factor, collectives
from .model import DEVICE, Kind, Profile
from .spans import Spans, common, length, length_within, union
from .steps import as_tb_plugin, steps

__all__ = ["CollectiveTable", "CommunicationTable", "RankTable", "Ranks", "StragglerTable", "ranks", "together"]

_LATE: Final = 0.05
"""The share of the time of steps that ranks wait for one of them, from which on it is named."""


@dataclass(frozen=True, slots=True)
class _Rows(Table):
    """A table of a dataclass's fields."""

    def columns(self) -> Columns:
        """Each column by its name: arrays, or lists of strings."""
        return {one.name: getattr(self, one.name) for one in fields(self)}

    def _columns(self) -> Columns:
        return self.columns()


@dataclass(frozen=True, slots=True)
class RankTable(_Rows):
    """A row for each rank and step. Times are float64 nanoseconds; the first four add up to `duration`.

    Attributes:
        worker: the name of the file or host that recorded it, and its device where it recorded several.
        rank: int64, -1 where unknown.
        step: the step's name.
        computing: it computed, and did not communicate.
        overlap: both at once.
        communicating: it communicated, and did not compute.
        other: neither.
        duration: the step.
        transfer: of communication, data was moved.
        waiting: of communication, it waited for other ranks.
    """

    worker: list[str]
    rank: NDArray[np.int64]
    step: list[str]
    computing: NDArray[np.float64]
    overlap: NDArray[np.float64]
    communicating: NDArray[np.float64]
    other: NDArray[np.float64]
    duration: NDArray[np.float64]
    transfer: NDArray[np.float64]
    waiting: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.worker)


@dataclass(frozen=True, slots=True)
class CommunicationTable(_Rows):
    """A row for each rank and operation of communication, in the order of ranks, that with most time first.

    Attributes:
        worker: as in `RankTable`.
        rank: likewise.
        operation: such as "all_reduce".
        group: the process group, "" where the trace has none.
        calls: int64.
        bytes: float64, of all calls of which the trace says it; NaN where it says it of none.
        time: float64 nanoseconds in which any of them ran.
        transfer: likewise, of it, data was moved.
        waiting: likewise, it waited for other ranks.
        bandwidth: float64 bytes a second, bytes by the transfer of the same calls; NaN where bytes are not told.
        bus_bandwidth: likewise, as NCCL's tests count it (`tallyboard.core.profiles.collectives`).
    """

    worker: list[str]
    rank: NDArray[np.int64]
    operation: list[str]
    group: list[str]
    calls: NDArray[np.int64]
    bytes: NDArray[np.float64]
    time: NDArray[np.float64]
    transfer: NDArray[np.float64]
    waiting: NDArray[np.float64]
    bandwidth: NDArray[np.float64]
    bus_bandwidth: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.worker)


@dataclass(frozen=True, slots=True)
class CollectiveTable(_Rows):
    """A row for each operation that at least two ranks took part in, in the order of time of the first that did.

    Attributes:
        operation: such as "all_reduce".
        group: the process group, "" where the trace has none.
        step: the step's name, "" outside of steps.
        ranks: int64, how many of the profiles have it.
        last: int64, which came last, into `Ranks.workers`.
        late: float64 nanoseconds, how much later than the one before it that one came.
        transfer: float64 nanoseconds, how long data was moved.
        waiting: float64 nanoseconds, how long the others waited, all of them together.
    """

    operation: list[str]
    group: list[str]
    step: list[str]
    ranks: NDArray[np.int64]
    last: NDArray[np.int64]
    late: NDArray[np.float64]
    transfer: NDArray[np.float64]
    waiting: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.operation)


@dataclass(frozen=True, slots=True)
class StragglerTable(_Rows):
    """A row for each rank, the one that others waited for longest first.

    Attributes:
        worker: as in `RankTable`.
        rank: likewise.
        collectives: int64, in how many operations it took part with others.
        last: int64, into how many of them it came last.
        caused: float64 nanoseconds that others waited in those, all of them together.
        waited: float64 nanoseconds that it waited itself.
    """

    worker: list[str]
    rank: NDArray[np.int64]
    collectives: NDArray[np.int64]
    last: NDArray[np.int64]
    caused: NDArray[np.float64]
    waited: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.worker)


@dataclass(frozen=True, slots=True)
class Ranks:
    """Processes that train together.

    Attributes:
        workers: who they are, in the order of their ranks; those of one rank, in the order given.
        time: a row for each rank and step.
        operations: a row for each rank and operation of communication.
        collectives: a row for each time that ranks came together.
        stragglers: a row for each rank: whom the others wait for.
        unmatched: how often an operation of a rank had no counterpart in any other.
        says: who holds up the others, in a sentence.
    """

    workers: list[str]
    time: RankTable
    operations: CommunicationTable
    collectives: CollectiveTable
    stragglers: StragglerTable
    unmatched: int
    says: str


@dataclass(slots=True)
class _Who:
    """A rank: a profile, or one of its devices."""

    profile: Profile
    device: int | None
    name: str
    rank: int
    said: Collectives
    wait: NDArray[np.float64]  # of each of its operations, how long of its begin it waited for others
    joined: NDArray[np.bool_]  # of each, whether another rank has it


def ranks(profiles: Sequence[Profile], compat: Literal["tb_plugin"] | None = None) -> Ranks:
    """What processes that train together computed and said, and who waits for whom.

    Args:
        profiles: one of each process, recorded at the same time. Where one has communication of several devices, as
            JAX's have, each device stands as a rank.
        compat: "tb_plugin" for that peer's computation and communication in `time`; see `steps`.
    """
    who = _who(profiles)
    table, unmatched = _together(who)
    stragglers = _stragglers(who, table)
    time = _times(who, compat)
    return Ranks(
        workers=[one.name for one in who],
        time=time,
        operations=_operations(who),
        collectives=table,
        stragglers=stragglers,
        unmatched=unmatched,
        says=_says(stragglers, time, len(table)),
    )


def together(profiles: Sequence[tuple[str, Profile]]) -> list[list[Profile]]:
    """Profiles that are ranks of one recording, at least two of them.

    Args:
        profiles: each with the directory it lies in, in the order of their names. Those of one directory belong
            together that are of different ranks; where ranks recorded several times, the first of each, and so on.
    """
    found: dict[tuple[str, int], list[Profile]] = {}
    seen: dict[tuple[str, int], int] = {}
    for folder, profile in profiles:
        if profile.rank is not None:
            turn = seen.get((folder, profile.rank), 0)
            seen[folder, profile.rank] = turn + 1
            found.setdefault((folder, turn), []).append(profile)
    return [each for each in found.values() if len(each) > 1]


def _who(profiles: Sequence[Profile]) -> list[_Who]:
    found: list[_Who] = []
    for profile in sorted(profiles, key=lambda one: one.rank if one.rank is not None else 1 << 62):
        events = profile.events
        talking: list[int] = np.unique(events.device[events.of(Kind.COMM_KERNEL)]).tolist()
        devices: list[int | None] = [*talking] if len(talking) > 1 else [None]
        for device in devices:
            name = profile.worker if device is None else f"{profile.worker} device {device}"
            said = collectives(profile, device)
            rank = profile.rank if profile.rank is not None and device is None else -1
            found.append(_Who(profile, device, name, rank, said, np.zeros(len(said)), np.zeros(len(said), bool)))
    return found


def _together(who: list[_Who]) -> tuple[CollectiveTable, int]:
    """The operations that ranks came together in; sets how long each rank waited."""
    met: dict[tuple[str, str, str, int], list[tuple[int, int]]] = {}
    for i, one in enumerate(who):
        said, seen = one.said, dict[tuple[str, str, str], int]()
        for at in range(len(said)):
            step = one.profile.steps.name[int(said.step[at])] if said.step[at] >= 0 else ""
            key = (step, said.groups[int(said.group[at])], said.names[int(said.name[at])])
            met.setdefault((*key, seen.get(key, 0)), []).append((i, at))
            seen[key] = seen.get(key, 0) + 1
    names: list[tuple[str, str, str]] = []
    figures: list[tuple[float, ...]] = []
    for (step, group, name, _), places in met.items():
        if len(places) < 2:
            continue
        took = np.array([who[i].said.end[at] - who[i].said.start[at] for i, at in places])
        order: list[int] = np.argsort(took, kind="stable").tolist()
        least = float(took[order[0]])
        lasting: list[float] = took.tolist()
        for (i, at), each in zip(places, lasting, strict=True):
            who[i].wait[at] = each - least
            who[i].joined[at] = True
        names.append((name, group, step))
        figures.append(
            (len(places), places[order[0]][0], lasting[order[1]] - least, least, float((took - least).sum()))
        )
    columns = np.array(figures).reshape(-1, 5).T.copy()
    table = CollectiveTable(
        [name for name, _, _ in names],
        [group for _, group, _ in names],
        [step for _, _, step in names],
        columns[0].astype(np.int64),
        columns[1].astype(np.int64),
        *columns[2:],
    )
    return table, sum(len(places) == 1 for places in met.values())


def _times(who: list[_Who], compat: Literal["tb_plugin"] | None) -> RankTable:
    workers: list[str] = []
    rank: list[int] = []
    names: list[str] = []
    pieces: list[NDArray[np.float64]] = []
    for one in who:
        found = steps(one.profile, compat)
        window = found.window
        computing, talking = _at_work(one, compat)
        said = union(one.said.start, one.said.end)
        moved = length_within(union(one.said.start + one.wait, one.said.end), window)
        both = length_within(common(computing, talking), window)
        computed, talked = length_within(computing, window), length_within(talking, window)
        other = found.duration + both - computed - talked
        waiting = length_within(said, window) - moved
        columns = (computed - both, both, talked - both, other, found.duration, moved, waiting)
        pieces.append(np.column_stack(columns))
        workers += [one.name] * len(found)
        rank += [one.rank] * len(found)
        names += found.name
    times = np.concatenate(pieces) if pieces else np.empty((0, 7))
    return RankTable(workers, np.array(rank, np.int64), names, *times.T.copy())


def _at_work(one: _Who, compat: Literal["tb_plugin"] | None) -> tuple[Spans, Spans]:
    """When a rank computed, and when it communicated."""
    events = one.profile.events

    def spans(which: NDArray[np.bool_]) -> Spans:
        return union(events.start[which], events.end[which])

    if compat is not None:
        kernel, talking, cpu = as_tb_plugin(one.profile)
        return spans(kernel if kernel.any() else cpu), spans(talking)
    computing = events.of(Kind.KERNEL)
    if one.device is not None:
        computing &= events.device == one.device
    elif not events.of(*DEVICE).any():
        computing = events.of(Kind.CPU_OP, Kind.COMPILE)
    return spans(computing), union(one.said.start, one.said.end)


def _operations(who: list[_Who]) -> CommunicationTable:
    workers: list[str] = []
    rank: list[int] = []
    names: list[tuple[str, str]] = []
    rows: list[tuple[float, ...]] = []
    for one in who:
        said = one.said
        mine: list[tuple[tuple[str, str], tuple[float, ...]]] = []
        keys: list[int] = np.unique(said.name * len(said.groups) + said.group).tolist()
        for key in keys:
            name, group = said.names[key // len(said.groups)], said.groups[key % len(said.groups)]
            mine.append(((name, group), _operation(one, key, name)))
        mine.sort(key=lambda row: -row[1][2])
        workers += [one.name] * len(mine)
        rank += [one.rank] * len(mine)
        names += [row[0] for row in mine]
        rows += [row[1] for row in mine]
    columns = np.array(rows).reshape(-1, 7).T.copy()
    operation, group = [name for name, _ in names], [group for _, group in names]
    return CommunicationTable(
        workers, np.array(rank, np.int64), operation, group, columns[0].astype(np.int64), *columns[1:]
    )


def _operation(one: _Who, key: int, name: str) -> tuple[float, ...]:
    """Calls, bytes, time, transfer, waiting and both bandwidths of an operation of a rank."""
    said = one.said
    which = said.name * len(said.groups) + said.group == key
    start, end, wait = said.start[which], said.end[which], one.wait[which]
    time, moved = length(union(start, end)), length(union(start + wait, end))
    size, took = said.bytes[which], end - start - wait
    told = ~np.isnan(size) & (took > 0)
    seconds = float(took[told].sum()) / 1e9
    factors = np.array([bus_factor(name, many) for many in said.ranks[which].tolist()])
    plain = float(size[told].sum()) / seconds if seconds else np.nan
    bus = float((size * factors)[told].sum()) / seconds if seconds else np.nan
    total = float(np.nansum(size)) if (~np.isnan(size)).any() else np.nan
    return (float(which.sum()), total, time, moved, time - moved, plain, bus)


def _stragglers(who: list[_Who], table: CollectiveTable) -> StragglerTable:
    many = len(who)
    waited = np.array([one.wait.sum() for one in who])
    matched = np.array([one.joined.sum() for one in who], np.int64)
    last = np.bincount(table.last[table.waiting > 0], minlength=many).astype(np.int64)
    caused = np.bincount(table.last, table.waiting, many).astype(np.float64)
    order: list[int] = np.argsort(-caused, kind="stable").tolist()
    return StragglerTable(
        worker=[who[i].name for i in order],
        rank=np.array([who[i].rank for i in order], np.int64),
        collectives=matched[order],
        last=last[order],
        caused=caused[order],
        waited=waited[order],
    )


def _says(stragglers: StragglerTable, time: RankTable, many: int) -> str:
    if not many:
        return "No operation of communication was recorded by two ranks, so nothing can be said of who waits for whom."
    whole = float(time.duration.sum())
    share = float(stragglers.caused[0]) / whole if whole else 0.0
    total = float(stragglers.waited.sum())
    waited = f"{total / whole:.1%} of all ranks' time ({total / 1e6:,.1f} of {whole / 1e6:,.1f} ms)" if whole else "0"
    if share < _LATE:
        return f"Ranks wait for each other {waited}; none of them is late by much."
    rank = int(stragglers.rank[0])
    name = f"Rank {rank}" if rank >= 0 else stragglers.worker[0]
    return (
        f"{name} holds up the others: it comes last in {int(stragglers.last[0]):,} of {many:,} operations, for which "
        f"they wait {stragglers.caused[0] / 1e6:,.1f} ms. Ranks wait for each other {waited}."
    )
