"""Which span holds which: the host's operations, what they call, and what that launches."""

from __future__ import annotations

import itertools
import math
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
    if not which.any():
        return np.full(len(events), -1, np.int64)
    rows = np.flatnonzero(which | (events.of(*_CALLS) if inside is None else inside))
    found = np.full(len(events), -1, np.int64)
    if not len(rows):
        return found
    # of two that begin at once, the longer holds the other; what holds nothing comes last
    rows = rows[np.lexsort((rows, ~which[rows], -events.end[rows], events.start[rows], events.track[rows]))]
    calls = ~which[rows]
    held = np.full(len(rows), -1, np.int64)
    tracks = events.track[rows]
    edges = np.flatnonzero(np.concatenate(([True], tracks[1:] != tracks[:-1], [True]))).tolist()
    start, end, holds = events.start[rows].tolist(), events.end[rows].tolist(), (~calls).tolist()
    for low, high in itertools.pairwise(edges):
        held[low:high] = _innermost(range(low, high), start[low:high], end[low:high], holds[low:high])
    inner = np.flatnonzero(held >= 0)
    found[rows[inner]] = rows[held[inner]]
    return found


def _innermost(numbers: range, start: list[float], end: list[float], holds: list[bool]) -> list[int]:
    """Of each span of a track, in the order of `parents`, the number of the innermost that holds it, else -1."""
    found: list[int] = []
    open_spans, ends = [-1], [math.inf]  # the last are innermost
    for number, begins, until, holding in zip(numbers, start, end, holds, strict=True):
        # what ends where this begins is over, unless this has no length
        while (last := ends[-1]) < until or last <= begins < until:
            open_spans.pop()
            ends.pop()
        found.append(open_spans[-1])
        if holding:
            open_spans.append(number)
            ends.append(until)
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
