"""What led to what: calls to the work they launched, operations to their part of the backward pass.

PyTorch numbers the operations of a forward pass that autograd will come back to, thread by thread; what the backward
pass evaluates has the number and the thread of its operation ("Sequence number", "Fwd thread id"). Of several
operations with a number, one inside the other, it is the last begun that took it.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from .model import Profile
from .nesting import parents

__all__ = ["backward", "flows"]


def flows(profile: Profile) -> Mapping[str, NDArray[np.int64]]:
    """Pairs of rows of the events, int64 (n, 2), each the cause and what came of it, by kind.

    Args:
        profile: the profile.

    Returns:
        "launch": calls of the host, and the device's work that they launched. "backward": operations of the forward
        pass, and the outermost span of the backward pass that is theirs.
    """
    work = np.flatnonzero(profile.launcher >= 0)
    return {"launch": np.column_stack((profile.launcher[work], work)), "backward": backward(profile)}


def backward(profile: Profile) -> NDArray[np.int64]:
    """Operations of the forward pass and what of the backward pass is theirs: int64 (n, 2), rows of the events."""
    events = profile.events
    many = len(events)
    number = events.extras.full("sequence", many, -1.0)
    forward_thread = events.extras.full("forward_thread", many, 0.0)
    back = (number >= 0) & (forward_thread > 0)
    rows = np.flatnonzero(back)
    ahead = np.flatnonzero((number >= 0) & ~(forward_thread > 0))
    if not len(rows) or not len(ahead):
        return np.empty((0, 2), np.int64)
    rows = rows[parents(profile, back, back)[rows] < 0]  # each holds others with its number
    found = np.full(len(rows), -1, np.int64)
    threads = np.unique(forward_thread[rows])
    for thread in threads.tolist():
        mine = forward_thread[rows] == thread
        track = _forward_track(profile, number[rows[mine]], number, ahead, len(threads))
        if track is not None:
            from_ = ahead[events.track[ahead] == track]
            found[mine] = _last_before(profile, from_, rows[mine], number)
    return np.column_stack((found[found >= 0], rows[found >= 0]))


def _forward_track(
    profile: Profile, wanted: NDArray[np.float64], number: NDArray[np.float64], ahead: NDArray[np.int64], threads: int
) -> int | None:
    """The track that a backward pass's thread number means: the only one, else the only one that has its numbers."""
    tracks = profile.events.track[ahead]
    each = np.unique(tracks)
    if len(each) == 1 and threads == 1:
        return int(each[0])
    shares = [float(np.isin(wanted, number[ahead[tracks == one]]).mean()) for one in each.tolist()]
    best = max(shares)
    # threads count alike: where two have all of the numbers, which is meant cannot be known
    return int(each[shares.index(best)]) if best > 0 and shares.count(best) == 1 else None


def _last_before(
    profile: Profile, ahead: NDArray[np.int64], rows: NDArray[np.int64], number: NDArray[np.float64]
) -> NDArray[np.int64]:
    """For each of some rows that one of `ahead` with its number that began last before it, -1 where none did."""
    start = profile.events.start
    found = np.full(len(rows), -1, np.int64)
    ahead = ahead[np.lexsort((start[ahead], number[ahead]))]
    order = np.lexsort((start[rows], number[rows]))
    both = np.concatenate((ahead, rows[order]))
    place = np.lexsort((np.arange(len(both)) >= len(ahead), start[both], number[both]))
    last = np.maximum.accumulate(np.where(place < len(ahead), np.arange(len(both)), -1))
    at = np.empty(len(both), np.int64)
    at[place] = last
    before = at[len(ahead) :]
    row = np.where(before >= 0, both[place[np.maximum(before, 0)]], -1)
    same = (row >= 0) & (number[np.maximum(row, 0)] == number[rows[order]])
    found[order] = np.where(same, row, -1)
    return found
