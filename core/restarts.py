"""Which events a restart voids, by the rules of TensorBoard's EventAccumulator with `purge_orphaned_data`.

Where a run's events say `brain.Event:2`, each SessionLog START says that everything from its step on is void, in all
tags. Where they say nothing, or less, a summary whose step is below the latest one voids what its own tags have from
that step on (tensorboard/backend/event_processing/event_accumulator.py).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from .store import Store
from .tracks import Run

__all__ = ["Cuts", "Happening", "Sequence", "cuts_of", "file_version"]

I64 = NDArray[np.int64]
NONE: Final[I64] = np.empty(0, np.int64)


@dataclass(frozen=True, slots=True)
class Happening:
    """A record that says something about its whole run: a file version (a number), or a START (a step)."""

    row: int
    run: int
    kind: Literal["version", "start"]
    number: float


@dataclass(frozen=True, slots=True)
class Sequence:
    """The events of one run in a batch: their records, steps, and whether each is a summary."""

    row: I64
    step: I64
    summary: NDArray[np.bool_]


@dataclass(slots=True)
class Cuts:
    """What a batch voids of one run.

    Attributes:
        rows, steps: each START: before this record, values of this step and later ones are void.
        back: records whose values void what the same tags have from the same step on.
    """

    rows: I64
    steps: I64
    back: I64


def file_version(text: bytes) -> float:
    """The number of a file version such as `brain.Event:2`; -1 where it has none."""
    try:
        return float(text.rpartition(b"brain.Event:")[2])
    except ValueError:
        return -1.0


def cuts_of(
    runs: list[str],
    store: Store,
    happenings: list[Happening],
    first: list[int],
    sequences: Callable[[], list[Sequence]],
) -> dict[int, Cuts]:
    """What the events of a batch void, by the run's index; runs of which nothing is void are left out.

    Args:
        runs: of the batch.
        store: knows each run's file version and latest step so far, and is told the new ones.
        happenings: of the batch.
        first: each run's first record in the batch.
        sequences: the events of each run; asked for only where file versions do not settle it.
    """
    by_run: dict[int, list[Happening]] = {}
    for happening in sorted(happenings, key=lambda happening: happening.row):
        by_run.setdefault(happening.run, []).append(happening)
    out: dict[int, Cuts] = {}
    known: list[Sequence] = []
    for run, name in enumerate(runs):
        kept = store.offer_run(name)
        told = by_run.get(run, [])
        if kept.file_version < 2 and told and told[0].row == first[run] and told[0].kind == "version":
            kept.file_version = told[0].number
        if kept.file_version < 2 or any(one.kind == "version" and one.number < 2 for one in told):
            known = known or sequences()
            cuts = _by_steps(kept, told, known[run])
        else:
            cuts = _cuts([one for one in told if one.kind == "start"], NONE)
        if len(cuts.rows) or len(cuts.back):
            out[run] = cuts
    return out


def _cuts(starts: list[Happening], back: I64) -> Cuts:
    rows, steps = [one.row for one in starts], [int(one.number) for one in starts]
    return Cuts(np.array(rows, np.int64), np.array(steps, np.int64), back)


def _by_steps(kept: Run, told: list[Happening], events: Sequence) -> Cuts:
    """The cuts of a run that has events without a file version of 2."""
    starts: list[Happening] = []
    back: list[I64] = []
    at = 0
    for one in [*told, None]:
        end = len(events.row) if one is None else int(np.searchsorted(events.row, one.row))
        if kept.file_version < 2:
            part = slice(at, end)
            voiding, kept.latest_step = _back(events.step[part], events.summary[part], kept.latest_step)
            back.append(events.row[part][voiding])
        at = end
        if one is not None and one.kind == "version":
            kept.file_version = one.number
        elif one is not None and kept.file_version >= 2:
            starts.append(one)
    return _cuts(starts, np.concatenate(back) if back else NONE)


def _back(step: I64, summary: NDArray[np.bool_], latest: int) -> tuple[NDArray[np.bool_], int]:
    """Which summaries have a step below the latest, and the latest step after all. Other events set it anew."""
    out = np.zeros(len(step), bool)
    others = np.flatnonzero(~summary).tolist()
    at = 0
    for end in [*others, len(step)]:
        if end > at:
            highest = np.maximum.accumulate(np.append(latest, step[at:end]))
            out[at:end] = step[at:end] < highest[:-1]
            latest = int(highest[-1])
        if end < len(step):
            latest = int(step[end])
        at = end + 1
    return out, latest
