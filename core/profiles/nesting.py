"""Which span holds which: the host's operations, what they call, and what that launches."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from .model import HOST, Kind, Profile

__all__ = ["caller", "parents"]

_CALLS: Final = (Kind.RUNTIME, Kind.DRIVER)


def parents(profile: Profile, which: NDArray[np.bool_], inside: NDArray[np.bool_] | None = None) -> NDArray[np.int64]:
    """For each event the row of the innermost of `which` on its own track that holds it, -1 where none does.

    Args:
        profile: the profile.
        which: the events that may hold others.
        inside: the events that are looked for in them, beside themselves; None for the runtime's calls.
    """
    events = profile.events
    rows = np.flatnonzero(which | (events.of(*_CALLS) if inside is None else inside))
    found = np.full(len(events), -1, np.int64)
    if not len(rows):
        return found
    # of two that begin at once, the longer holds the other; what holds nothing comes last
    calls = ~which[rows]
    rows = rows[np.lexsort((rows, calls, -events.end[rows], events.start[rows], events.track[rows]))]
    holds = which[rows].tolist()
    end, track = events.end[rows].tolist(), events.track[rows].tolist()
    start, order = events.start[rows].tolist(), rows.tolist()
    stack: list[int] = []
    for i, row in enumerate(order):
        while stack and (
            track[stack[-1]] != track[i] or end[stack[-1]] < end[i] or end[stack[-1]] <= start[i] < end[i]
        ):
            stack.pop()
        if stack:
            found[row] = order[stack[-1]]
        if holds[i]:
            stack.append(i)
    return found


def caller(profile: Profile, parent: NDArray[np.int64], by_id: bool) -> NDArray[np.int64]:
    """For each call of the runtime the row of the operation that made it, -1 where none is known.

    Args:
        profile: the profile.
        parent: of `parents`.
        by_id: by the ids that old producers give, as their tools have it, rather than by what holds the call.
    """
    if not by_id:
        return parent
    events = profile.events
    found = np.full(len(events), -1, np.int64)
    calls = np.flatnonzero(events.of(Kind.RUNTIME) & (events.external > 0))
    ops = np.flatnonzero(events.of(*HOST) & (events.external > 0))
    if len(calls) and len(ops):
        ids, first = np.unique(events.external[ops], return_index=True)
        at = np.minimum(np.searchsorted(ids, events.external[calls]), len(ids) - 1)
        fits = ids[at] == events.external[calls]
        found[calls[fits]] = ops[first[at[fits]]]
    return found
