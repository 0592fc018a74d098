"""Where work comes from: the operator that launched a device's work, and the calls of Python around an operator."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ..dataframes import Columns, Labels, Table
from .model import DEVICE, HOST, Kind, Profile
from .nesting import caller, parents
from .operators import OperatorTimes, operator_times

__all__ = ["Stacks", "launching_operator", "operator_stacks", "python_parents"]

_PYTHON: Final = (Kind.PY_FUNCTION, Kind.MODULE)


def launching_operator(profile: Profile) -> NDArray[np.int64]:
    """For each event of a device the row of the host's operation whose call launched it, -1 where none is known."""
    events = profile.events
    parent = parents(profile, events.of(*HOST))
    call_of = caller(profile, parent, by_id=False)
    found = np.full(len(events), -1, np.int64)
    rows = np.flatnonzero(events.of(*DEVICE) & (profile.launcher >= 0))
    found[rows] = call_of[profile.launcher[rows]]
    return found


def python_parents(profile: Profile) -> NDArray[np.int64]:
    """For each span of the host the row of the innermost Python function on its thread that holds it, -1 for none."""
    return parents(profile, profile.events.of(*_PYTHON, *HOST))


@dataclass(frozen=True, slots=True)
class Stacks(Table):
    """From where an operator was called, the place with most time first. Times are nanoseconds.

    Attributes:
        stack: the frames of each place, the innermost first.
        calls: int64.
        host_self: float64.
        host_total: likewise.
        device_self: likewise.
        device_total: likewise.
    """

    stack: list[tuple[str, ...]]
    calls: NDArray[np.int64]
    host_self: NDArray[np.float64]
    host_total: NDArray[np.float64]
    device_self: NDArray[np.float64]
    device_total: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.stack)

    def _columns(self) -> Columns:
        columns = {name: getattr(self, name) for name in self.__dataclass_fields__ if name != "stack"}
        return {"stack": ["\n".join(frames) for frames in self.stack], **columns}


def operator_stacks(
    profile: Profile,
    which: NDArray[np.bool_],
    times: OperatorTimes | None = None,
    parent: NDArray[np.int64] | None = None,
) -> Stacks:
    """From where some events of the host were called: by the stack that the trace has of each, or by the spans of
    Python that hold it.

    Args:
        profile: the profile.
        which: the events, such as those of one operator.
        times: of `operator_times`, where it is known already.
        parent: of `python_parents`, likewise.
    """
    rows = np.flatnonzero(which)
    times = operator_times(profile) if times is None else times
    told = _told(profile, rows)
    if any(not frames for frames in told) and profile.events.of(*_PYTHON).any():
        parent = python_parents(profile) if parent is None else parent
        told = [frames or _around(profile, row, parent) for frames, row in zip(told, rows.tolist(), strict=True)]
    places: dict[tuple[str, ...], int] = {}
    at = np.array([places.setdefault(frames, len(places)) for frames in told], np.int64)
    many = len(places)
    calls = np.bincount(at, minlength=many)
    sums = [np.bincount(at, column[rows], many).astype(np.float64) for column in times[:4]]
    total, own, device, device_total = sums
    order: list[int] = np.lexsort((-total, -device_total)).tolist()
    stacks = list(places)
    return Stacks(
        [stacks[i] for i in order], calls[order], own[order], total[order], device[order], device_total[order]
    )


def _told(profile: Profile, rows: NDArray[np.int64]) -> list[tuple[str, ...]]:
    """The stacks that the trace writes at the events, as producers did up to PyTorch 1.12."""
    at, labels = profile.events.extras.sparse("stack")
    if not len(at) or not isinstance(labels, Labels):
        return [()] * len(rows)
    frames = [_frames(text) for text in labels.names]
    place = np.minimum(np.searchsorted(at, rows), len(at) - 1)
    fits = at[place] == rows
    return [
        frames[int(labels.codes[where])] if fit else ()
        for where, fit in zip(place.tolist(), fits.tolist(), strict=True)
    ]


def _frames(text: str) -> tuple[str, ...]:
    return tuple(filter(None, (frame.strip() for frame in text.split(";"))))


def _around(profile: Profile, row: int, parent: NDArray[np.int64]) -> tuple[str, ...]:
    events = profile.events
    frames: list[str] = []
    above = int(parent[row])
    while above >= 0:
        if int(events.kind[above]) in _PYTHON:
            frames.append(events.name_of(above))
        above = int(parent[above])
    return tuple(frames)
