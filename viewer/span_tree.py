"""Which span holds which on a timeline, and what that adds up to: a flame graph.

The tree of a profile is made once: each path of names from the outermost to the innermost span is a node. A graph of a
part of the time is then a sum over its nodes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from tallyboard.core.dataframes import Labels
from tallyboard.core.profiles.model import DEVICE, Kind

from .span_windows import short
from .spans import Floats, Timeline, Wholes

__all__ = ["LEAST_SHARE", "MOST_NODES", "Measure", "Tree", "flame", "holders", "tree"]

LEAST_SHARE: Final = 0.0005
"""Share of the whole below which nodes are told together."""

MOST_NODES: Final = 2_500
_MOST_TEXT: Final = 70_000
_ROOT: Final = 0
_STEP: Final = "Step"
_UNLAUNCHED: Final = "launched by nothing that was recorded"

Measure = Literal["host", "device"]


def holders(line: Timeline) -> Wholes:
    """For each span of a timeline the place of the innermost on its track that holds all of it, -1 where none does."""
    found = np.full(len(line.row), -1, np.int64)
    offset = line.offset
    for track in np.flatnonzero(np.diff(line.first) > 1).tolist():
        low, high = int(line.first[track]), int(line.first[track + 1])
        for lane in range(low + 1, high):
            left: Wholes = np.arange(int(offset[lane]), int(offset[lane + 1]), dtype=np.int64)
            for below in range(lane - 1, low - 1, -1):
                if not len(left):
                    break
                begin, end = int(offset[below]), int(offset[below + 1])
                at = begin + np.searchsorted(line.start[begin:end], line.start[left], "right") - 1
                holds = (at >= begin) & (line.end[np.maximum(at, 0)] >= line.end[left])
                found[left[holds]] = at[holds]
                left = left[~holds]
    return found


@dataclass(frozen=True, slots=True)
class Tree:
    """Paths of names. Node 0 is the root, which holds all; a node's parent comes before it.

    Attributes:
        names: of nodes.
        name: int64, of each node, into `names`.
        parent: int64, likewise a node.
        kind: int64, a `Kind`, of some span there.
        node: int64, of each span of the timeline, -1 where it is in no path.
        device: bool, whether a span is work of a device.
        frames: nodes 1 to this are frames of stacks, which have no spans of their own.
    """

    names: list[str]
    name: Wholes
    parent: Wholes
    kind: Wholes
    node: Wholes
    device: NDArray[np.bool_]
    frames: int = 0


class _Nodes:
    """Nodes as they come."""

    def __init__(self, names: list[str]) -> None:
        self.names = names
        self.name, self.parent, self.kind = [-1], [-1], [int(Kind.OTHER)]
        self._known: dict[tuple[int, int], int] = {}

    def of(self, parent: int, name: int, kind: int) -> int:
        key = parent, name
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = len(self.name)
            self.name.append(name)
            self.parent.append(parent)
            self.kind.append(kind)
        return found

    def all_of(self, parent: Wholes, name: Wholes, kind: Wholes) -> Wholes:
        """The nodes of many spans."""
        _, first, which = np.unique(parent * len(self.names) + name, return_index=True, return_inverse=True)
        columns = (parent[first].tolist(), name[first].tolist(), kind[first].tolist())
        return np.array([self.of(*one) for one in zip(*columns, strict=True)], np.int64)[which]


def tree(line: Timeline, holder: Wholes, stacks: bool = False) -> Tree:
    """The tree of a profile: spans of the host by what holds them, and work of devices below what launched it.

    Args:
        line: the timeline.
        holder: of `holders`.
        stacks: begin with the stack that was recorded with an operator; what has none is left out.
    """
    events = line.profile.events
    names = [*events.names, _STEP, _UNLAUNCHED]
    name = events.name[line.row].astype(np.int64)
    kind = events.kind[line.row].astype(np.int64)
    name[kind == Kind.STEP] = len(events.names)
    nodes = _Nodes(names)
    device = np.isin(kind, [int(one) for one in DEVICE])
    host = np.array([one.kind == "host" for one in line.groups], bool)[line.group]
    mine = np.repeat(np.repeat(host, np.diff(line.first)), np.diff(line.offset)) & ~device
    node = np.full(len(line.row), -1, np.int64)
    begun = _stacked(line, nodes) if stacks else None
    if stacks:  # their place is in the frames; what they hold has stacks of its own
        mine &= ~np.isin(kind, [int(Kind.STEP), int(Kind.ANNOTATION)])
    frames = len(nodes.name) - 1
    lane = np.repeat(np.arange(len(line.crowded)), np.diff(line.offset))
    depth = lane - line.first[np.searchsorted(line.first, lane, "right") - 1]
    order = np.argsort(depth, kind="stable")
    for part in np.split(order, np.flatnonzero(np.diff(depth[order])) + 1):
        spans = part[mine[part]]
        above = np.where(holder[spans] >= 0, node[holder[spans]], -1)
        if begun is None:
            above = np.maximum(above, _ROOT)
        else:
            above = np.where((above < 0) & (begun[spans] >= 0), begun[spans], above)
        spans, above = spans[above >= 0], above[above >= 0]
        if len(spans):
            node[spans] = nodes.all_of(above, name[spans], kind[spans])
    _launch(line, nodes, node, np.flatnonzero(device), name, kind, keep=not stacks)
    made = [np.array(column, np.int64) for column in (nodes.name, nodes.parent, nodes.kind)]
    return Tree(nodes.names, made[0], made[1], made[2], node, device, frames)


def _launch(line: Timeline, nodes: _Nodes, node: Wholes, work: Wholes, name: Wholes, kind: Wholes, keep: bool) -> None:
    """Gives work of devices its nodes, below the calls that launched it."""
    if not len(work):
        return
    launcher = line.profile.launcher[line.row[work]]
    at = np.empty(len(line.row), np.int64)
    at[line.row] = np.arange(len(line.row))
    above = np.where(launcher >= 0, node[at[launcher]], -1)
    if keep and (above < 0).any():
        above[above < 0] = nodes.of(_ROOT, len(nodes.names) - 1, int(Kind.OTHER))
    work, above = work[above >= 0], above[above >= 0]
    if len(work):
        node[work] = nodes.all_of(above, name[work], kind[work])


def _stacked(line: Timeline, nodes: _Nodes) -> Wholes:
    """For each span the node of the stack recorded with it, -1 without one. A stack begins with its innermost frame."""
    events = line.profile.events
    rows, labels = events.extras.sparse("stack")
    of_row = np.full(len(events), -1, np.int64)
    if isinstance(labels, Labels):
        known = {text: i for i, text in enumerate(nodes.names)}
        ends: list[int] = []
        for text in labels.names:
            at = _ROOT
            for frame in reversed([one.strip() for one in text.split(";") if one.strip()]):
                if frame not in known:
                    known[frame] = len(nodes.names)
                    nodes.names.append(frame)
                at = nodes.of(at, known[frame], int(Kind.PY_FUNCTION))
            ends.append(at if at != _ROOT else -1)
        of_row[rows] = np.array(ends, np.int64)[labels.codes]
    return of_row[line.row]


def flame(line: Timeline, of: Tree, measure: Measure, within: tuple[float, float] | None = None) -> dict[str, Any]:
    """What the nodes of a tree add up to.

    Args:
        line: the timeline.
        of: its tree.
        measure: "host" for the time of the host's spans, "device" for that of what they launched.
        within: nanoseconds, for as much of each span as lies between them; None for all.

    Returns:
        Columns `name` (into `names`), `parent`, `total`, `self`, `count`, `kind`, in an order in which parents come
        first and then the larger; times are nanoseconds. Nodes below `LEAST_SHARE` are left out: their parent has their
        number under `hidden`, and their time in what is left of its own beside `self` and its children.
    """
    low, high = within if within is not None else (line.low, line.high)
    counted = of.device if measure == "device" else (of.node >= 0) & ~of.device
    counted = counted & (of.node >= 0) & (line.start < high) & ((line.end > low) | (line.start >= low))
    at = of.node[counted]
    inside = np.minimum(line.end[counted], high) - np.maximum(line.start[counted], low)
    many = len(of.name)
    own, calls = np.bincount(at, inside, many).astype(np.float64), np.bincount(at, minlength=many).astype(np.int64)
    total = own.copy()
    # work of devices is part of all that holds its launch; a span of the host has its children's time in its own
    lowest = many - 1 if measure == "device" else of.frames
    outer = np.flatnonzero((of.parent <= lowest) & (np.arange(many) > lowest))
    for column in (total, calls):
        np.add.at(column, of.parent[outer], column[outer])
        summed = column.tolist()
        for node, above in zip(range(lowest, 0, -1), of.parent[lowest:0:-1].tolist(), strict=True):
            summed[above] += summed[node]
        column[:] = summed
    if measure == "host":
        inner = np.flatnonzero(of.parent > lowest)
        np.subtract.at(own, of.parent[inner], total[inner])
    return _pruned(of, total, np.maximum(own, 0.0), calls)


def _pruned(of: Tree, total: Floats, own: Floats, calls: Wholes) -> dict[str, Any]:
    parent = of.parent
    least = float(total[_ROOT]) * LEAST_SHARE
    if len(total) > MOST_NODES:
        least = max(least, float(np.partition(total, -MOST_NODES)[-MOST_NODES]))
    # a parent of what is kept is at least as large, but for rounding; it is kept as well
    kept = (total >= least) & (total > 0)
    kept[_ROOT] = True
    for node in np.flatnonzero(kept)[::-1].tolist():
        kept[max(int(parent[node]), 0)] = True
    hidden = np.zeros(len(total), np.int64)
    lost = np.flatnonzero(~kept & (total > 0))
    np.add.at(hidden, _kept_above(parent, kept, lost), 1)
    order = _left_heavy(parent, total, np.flatnonzero(kept))
    place = np.full(len(total), -1, np.int64)
    place[order] = np.arange(len(order))
    texts, name = np.unique(of.name[order[1:]], return_inverse=True)
    longest = max(16, min(200, _MOST_TEXT // max(1, len(texts))))
    return {
        "names": ["all", *(short(str(of.names[int(one)]), longest) for one in texts)],
        "name": [0, *(name + 1).tolist()],
        "parent": np.where(parent[order] >= 0, place[parent[order]], -1).tolist(),
        "total": np.round(total[order]).astype(np.int64).tolist(),
        "self": np.round(own[order]).astype(np.int64).tolist(),
        "count": calls[order].tolist(),
        "kind": of.kind[order].tolist(),
        "hidden": hidden[order].tolist(),
        "nodes": int((total > 0).sum()),
    }


def _kept_above(parent: Wholes, kept: NDArray[np.bool_], nodes: Wholes) -> Wholes:
    """For each node the innermost above it that is kept."""
    at = parent[nodes]
    while len(left := np.flatnonzero(~kept[at])):
        at[left] = parent[at[left]]
    return at


def _left_heavy(parent: Wholes, total: Floats, nodes: Wholes) -> Wholes:
    """Nodes so that parents come first, and of children the larger."""
    depth = np.zeros(len(parent), np.int64)
    for node in nodes.tolist():
        if node:
            depth[node] = depth[parent[node]] + 1
    return nodes[np.lexsort((nodes, -total[nodes], depth[nodes]))]
