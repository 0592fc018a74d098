"""Processes that trained together: which traces those are, and what the page shows of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np

from tallyboard.core.errors import CorruptRecord
from tallyboard.core.profiles.model import Profile
from tallyboard.core.profiles.ranks import ranks, together

from .profile_reading import Interrupted
from .profile_sheets import BadQuestion, Field, Sheet
from .profiles import Which, profiles

if TYPE_CHECKING:
    from tallyboard.core.profiles.ranks import Ranks

    from .context import Context

__all__ = ["MOST_RANKS", "TABLES", "ranks_of", "ranks_told", "sheet"]

MOST_RANKS: Final = 256
"""Traces that are read at most to find out which belong together."""

_MOST_STEPS: Final = 1_000

_APART: Final = 600.0
"""Seconds that processes which train together are recorded apart at most, where each has a run of its own."""

Compat = Literal["tb_plugin"] | None


def siblings(context: Context, which: Which) -> list[Which]:
    """The traces among which those are that were recorded with one: all of its directory; and where a process has a run
    of its own, of the runs beside it those that have one process, too, and were recorded at about the same time."""
    listed = {Which(one["run"], one["trace"]): one for one in profiles.listed(context)}
    below = _folder(which.trace)
    workers: dict[str, set[str]] = {}
    for one, told in listed.items():
        if _folder(one.trace) == below:
            workers.setdefault(one.run, set()).add(told["worker"])
    near = [one for one in listed if one.run == which.run and _folder(one.trace) == below]
    if len(workers.get(which.run, ())) == 1:
        beside, mine = _folder(which.run), listed.get(which, {}).get("recorded")
        near = [
            one
            for one, told in listed.items()
            if one.run in workers
            and len(workers[one.run]) == 1
            and _folder(one.run) == beside
            and _folder(one.trace) == below
            and (mine is None or told["recorded"] is None or abs(told["recorded"] - mine) <= _APART)
        ]
    near.sort(key=lambda one: (one.run, one.trace))
    return near[:MOST_RANKS] if which in near[:MOST_RANKS] else [which, *near[: MOST_RANKS - 1]]


def _folder(path: str) -> str:
    return path.rpartition("/")[0]


def ranks_of(context: Context, which: Which, compat: Compat) -> tuple[Ranks, list[str]]:
    """What the processes that trained with one computed and said; worked out once for the files as they are.

    Returns:
        That, and why others of its directory cannot be read. What lies beside its run need not belong to it, and where
        it cannot be read it does not count.
    """
    near = siblings(context, which)
    stamps = tuple((one, profiles.file(context, one).stamp) for one in near)

    def make(mine: Profile) -> tuple[Ranks, list[str]]:
        read, unread = list[Profile](), list[str]()  # kept while they are compared, though the store may let go of some
        for one in near:
            try:
                read.append(mine if one == which else profiles.read(context, one))
            except Interrupted:
                raise
            except CorruptRecord as why:
                if one.run == which.run:
                    unread.append(str(why))
        groups = together([("", profile) for profile in read if profile.world == mine.world])
        found = next((group for group in groups if any(one is mine for one in group)), [mine])
        return ranks(found, compat), unread

    return profiles.derived(context, which, ("ranks", stamps, compat), make)


def ranks_told(found: Ranks, unread: list[str], step: str) -> dict[str, Any]:
    """What one step, or the mean step, was of each rank; times are nanoseconds.

    Args:
        found: of `ranks_of`.
        unread: likewise.
        step: its name, "" for the mean of all.

    Raises:
        BadQuestion: there is no such step.
    """
    time = found.time
    names = list(dict.fromkeys(time.step))
    if step and step not in names:
        raise BadQuestion(f"step={step!r} is none of the steps that were recorded")
    wanted = np.array([not step or name == step for name in time.step], bool)
    who = list(zip(time.worker, time.rank.tolist(), strict=True))
    workers = list(dict.fromkeys(who))
    place = {one: at for at, one in enumerate(workers)}
    which = np.array([place[one] for one in who], np.int64)[wanted]
    counted = np.bincount(which, minlength=len(workers))
    columns = ("computing", "overlap", "communicating", "other", "duration", "transfer", "waiting")
    sums = {name: np.bincount(which, getattr(time, name)[wanted], len(workers)) for name in columns}
    late = found.stragglers
    return {
        "says": found.says,
        "unmatched": found.unmatched,
        "unread": unread[:8],
        "met": len(found.collectives),
        "steps": names[:_MOST_STEPS],
        "step": step,
        "worker": [worker for worker, _ in workers],
        "rank": [int(rank) for _, rank in workers],
        "counted": counted.tolist(),
        "time": {name: (values / np.maximum(counted, 1)).tolist() for name, values in sums.items()},
        "late": [
            {
                "worker": late.worker[i],
                "rank": int(late.rank[i]),
                "collectives": int(late.collectives[i]),
                "last": int(late.last[i]),
                "caused": float(late.caused[i]),
                "waited": float(late.waited[i]),
            }
            for i in range(min(3, len(late)))
        ],
    }


TABLES: Final = ("operations", "collectives", "stragglers")


def sheet(found: Ranks, table: str) -> Sheet:
    """A table of what ranks said.

    Args:
        found: of `ranks_of`.
        table: one of `TABLES`.

    Raises:
        BadQuestion: it is none.
    """
    if table not in TABLES:
        raise BadQuestion(f"table={table!r} is none of {', '.join(TABLES)}")
    return {"operations": _operations, "collectives": _collectives, "stragglers": _stragglers}[table](found)


_NOTHING: Final = "No communication was recorded."


def _operations(found: Ranks) -> Sheet:
    table = found.operations
    fields = [
        Field("operation", "Operation", "text", table.operation),
        Field("rank", "Rank", "rank", table.rank),
        Field("calls", "Calls", "count", table.calls, True),
        Field("time", "Time", "time", table.time, True, "In which any of them ran"),
        Field("transfer", "Transfer", "time", table.transfer, True, "Of it, data was moved"),
        Field("waiting", "Waiting", "time", table.waiting, True, "Of it, it waited for other ranks"),
    ]
    if not np.isnan(table.bytes).all():
        fields += [
            Field("bytes", "Bytes", "bytes", table.bytes, True),
            Field("bandwidth", "Bandwidth", "rate", table.bandwidth, False, "Bytes by the transfer of the same calls"),
            Field("bus_bandwidth", "Bus bandwidth", "rate", table.bus_bandwidth, False, "As NCCL's tests count it"),
        ]
    fields += [Field("group", "Group", "text", table.group), Field("worker", "Worker", "text", table.worker)]
    return Sheet(tuple(fields), None, "-time", _NOTHING)


def _collectives(found: Ranks) -> Sheet:
    table = found.collectives
    who = list(dict.fromkeys(zip(found.time.worker, found.time.rank.tolist(), strict=True)))
    names = [f"Rank {rank}" if rank >= 0 else worker for worker, rank in who]
    names = names if len(names) == len(found.workers) else list(found.workers)  # one without a step is in no row
    last = [str(names[int(i)]) for i in table.last.tolist()]
    fields = (
        Field("operation", "Operation", "text", table.operation),
        Field("step", "Step", "text", table.step),
        Field("last", "Came last", "text", last),
        Field("late", "Later by", "time", table.late, True, "Than the one before it"),
        Field("waiting", "Waits caused", "time", table.waiting, True, "Of all others together"),
        Field("transfer", "Transfer", "time", table.transfer, True),
        Field("ranks", "Ranks", "count", table.ranks),
        Field("group", "Group", "text", table.group),
    )
    return Sheet(fields, None, "", "No operation of communication was recorded by two ranks.")


def _stragglers(found: Ranks) -> Sheet:
    table = found.stragglers
    fields = (
        Field("worker", "Worker", "text", table.worker),
        Field("rank", "Rank", "rank", table.rank),
        Field("caused", "Waits caused", "time", table.caused, True, "Of all others together"),
        Field("waited", "Waited itself", "time", table.waited, True),
        Field("last", "Came last", "count", table.last, True, "How often"),
        Field("collectives", "Met others", "count", table.collectives, False, "Operations with others"),
    )
    return Sheet(fields, None, "-caused", _NOTHING)
