"""XLA's operations: how often each ran, and how long, by device and program.

Which events these are: those with the statistic `hlo_op`, on the streams of a GPU and the threads of a CPU, and on a
TPU the line "XLA Ops". What was derived from them on a GPU's other lines counts nothing twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ..dataframes import Columns, Labels, Table
from .model import Kind, Profile
from .nesting import parents

__all__ = ["HloTable", "hlo"]

_PROGRAMS: Final = "XLA Modules"


@dataclass(frozen=True, slots=True)
class HloTable(Table):
    """A row for each operation of each program on each device, the one with most time first. Times are nanoseconds.

    Attributes:
        operation: its name in the program, such as "fusion.3".
        module: the program, such as "jit_step"; "" where the trace does not say.
        category: such as "loop fusion", "dot" or "convolution"; "" where the trace does not say.
        scope: the framework's name of what it came from, with its scopes; likewise.
        source: file and line that made it; likewise.
        device: int16, -1 for the threads of a CPU.
        calls: int64.
        self_time: float64, without the operations inside it (the body of a loop).
        total_time: with them.
        share: of 0 to 1, self_time by that of all rows.
        flops: float64, of all calls, as the trace has them; NaN where it does not say.
        bytes: likewise, what they read and wrote.
    """

    operation: list[str]
    module: list[str]
    category: list[str]
    scope: list[str]
    source: list[str]
    device: NDArray[np.int16]
    calls: NDArray[np.int64]
    self_time: NDArray[np.float64]
    total_time: NDArray[np.float64]
    share: NDArray[np.float64]
    flops: NDArray[np.float64]
    bytes: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.operation)

    def _columns(self) -> Columns:
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


def hlo(profile: Profile) -> HloTable:
    """A row for each operation of XLA's; none where the trace has none.

    Args:
        profile: the profile.
    """
    events = profile.events
    named, operation = _texts(profile, "hlo_op")
    rows = np.flatnonzero((operation >= 0) & ~events.of(Kind.DEVICE_ANNOTATION))
    modules, module = _modules(profile, rows)
    key = (events.device[rows].astype(np.int64) + 1) * len(modules) + module[rows]
    groups, first, which = np.unique(key * len(named) + operation[rows], return_index=True, return_inverse=True)
    counted = np.zeros(len(events), bool)
    counted[rows] = True
    holder = parents(profile, counted, counted)
    lasting = events.end - events.start
    own = lasting.copy()
    inner = rows[holder[rows] >= 0]
    np.subtract.at(own, holder[inner], lasting[inner])

    def summed(column: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.bincount(which, column[rows], len(groups)).astype(np.float64)

    self_time = summed(own)
    order = np.argsort(-self_time, kind="stable")
    some = rows[first[order]]  # an event of each
    whole = float(self_time.sum())

    def told(column: str) -> list[str]:
        texts, code = _texts(profile, column)
        return [str(texts[i]) if i >= 0 else "" for i in code[some].tolist()]

    return HloTable(
        operation=[str(named[i]) for i in operation[some].tolist()],
        module=[modules[i] for i in module[some].tolist()],
        category=told("hlo_category"),
        scope=told("scope"),
        source=told("source"),
        device=events.device[some],
        calls=np.bincount(which, minlength=len(groups))[order].astype(np.int64),
        self_time=self_time[order],
        total_time=summed(lasting)[order],
        share=self_time[order] / (whole or 1.0),
        flops=summed(events.extras.full("flops", len(events)))[order],
        bytes=summed(events.extras.full("bytes", len(events)))[order],
    )


def _texts(profile: Profile, column: str) -> tuple[Sequence[str], NDArray[np.int64]]:
    """The texts of a column, and for each event which it has, -1 for none."""
    found = np.full(len(profile.events), -1, np.int64)
    rows, labels = profile.events.extras.sparse(column)
    if not isinstance(labels, Labels):
        return [""], found
    found[rows] = labels.codes
    return labels.names, found


def _modules(profile: Profile, rows: NDArray[np.int64]) -> tuple[list[str], NDArray[np.int64]]:
    """The programs, and for each event which it is of: as it says, else that which its device ran at the time."""
    events = profile.events
    texts, code = _texts(profile, "hlo_module")
    known = {"": 0}
    code = np.array([*(known.setdefault(text, len(known)) for text in texts), 0], np.int64)[code]
    silent = rows[code[rows] == 0]
    lines = np.array([track.name == _PROGRAMS for track in events.tracks], bool)
    if len(silent) and lines.any():
        runs = np.flatnonzero(lines[events.track] & (events.device >= 0))
        for device in np.unique(events.device[silent]).tolist():
            mine, its = silent[events.device[silent] == device], runs[events.device[runs] == device]
            its = its[np.argsort(events.start[its], kind="stable")]
            if not len(its):
                continue
            at = np.searchsorted(events.start[its], events.start[mine], "right") - 1
            run = its[np.maximum(at, 0)]
            fits = (at >= 0) & (events.start[mine] < events.end[run])
            for row, of in zip(mine[fits].tolist(), run[fits].tolist(), strict=True):
                name = events.name_of(of).partition("(")[0]  # jit_step(8)
                code[row] = known.setdefault(name, len(known))
    return list(known), code
