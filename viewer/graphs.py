"""The graphs of runs: which there are, where they lie, and reading them."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator
from math import inf
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from tallyboard.core.errors import CorruptRecord
from tallyboard.core.graph_files import function_graph, keras_graph
from tallyboard.core.graph_measured import Measured, measured_in, run_metadata_message, with_measures
from tallyboard.core.graph_read import count_nodes, graph_from_bytes
from tallyboard.core.wire import decode_event

from .values import finite, read_value

if TYPE_CHECKING:
    from tallyboard.core.graph import Graph
    from tallyboard.core.store import BlobRef, Blobs

    from .context import Context

__all__ = ["KINDS", "RUN_GRAPH", "TAGGED", "Graphs", "NoGraph", "Which", "health", "latest", "tagged_bytes", "versions"]

RUN_GRAPH: Final = "__run_graph__"
TAGGED: Final = "graph_tagged_run_metadata"
KINDS: Final = {  # what a graph is, and the plugins whose values it is read from
    "run": ("graphs",),
    "conceptual": ("graph_keras_model",),
    "function": ("graph_run_metadata", "graph_run_metadata_graph"),
}
_RECORDS: Final = (TAGGED, "graph_run_metadata")
_COUNTED = 64
"""Graphs that one look at the list reads to tell how many nodes they have."""

_VERSIONS = 100
"""Graphs of one run and tag that the list offers, the latest of them."""

_KEPT = 400_000
"""Nodes of graphs that are kept for the next question."""

_HEALTH: Final = {
    "gradients": "gradients/norm/",
    "weights": "weights/norm/",
    "updates": "weights/update_ratio/",
    "activations": "activations/std/",
    "dead": "activations/dead/",
}
"""Series of a run that tell of its modules, by what they tell; the rest of the tag is the module's path."""


class NoGraph(Exception):
    """There is no such graph; the text is for the client."""


class Which(NamedTuple):
    """One graph: of a run its own (kind "run", no tag), or one that was logged under a tag.

    `record` is the tag of what was measured of its nodes; None for the latest there is, empty for none. `number` counts
    the graphs that were logged there from 0, the oldest; None for the latest.
    """

    run: str
    tag: str = ""
    kind: str = "run"
    record: str | None = None
    number: int | None = None


class Read(NamedTuple):
    """A graph as it was read, the record that is joined to it, and what that says of each node."""

    graph: Graph
    record: str
    measured: dict[str, Measured]


class Graphs:
    """Graphs that were read, the latest of them kept."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._read: OrderedDict[tuple[Any, ...], Read] = OrderedDict()
        self._counts: OrderedDict[tuple[Any, ...], int] = OrderedDict()

    def listed(self, context: Context) -> list[dict[str, Any]]:
        """Every graph: what the page needs to offer it."""
        found: list[dict[str, Any]] = []
        left = _COUNTED
        for which in _all(context):
            stored = latest(context, which)
            if stored is None:
                continue
            key = _key(context, stored.ref, which)
            if key not in self._counts and left:
                left -= 1
                self._count(context, which, stored.ref, key)
            found.append(
                {
                    "run": which.run,
                    "tag": which.tag,
                    "kind": which.kind,
                    "nodes": self._counts.get(key),
                    "step": stored.step,
                    "wall_time": stored.wall_time,
                    "records": records(context, which),
                    "versions": versions(context, which),
                }
            )
        return found

    def _count(self, context: Context, which: Which, ref: BlobRef, key: tuple[Any, ...]) -> None:
        try:
            data = _bytes(context, which, ref)
            count = count_nodes(data) if which.kind == "run" else len(_parsed(which, data).nodes)
        except CorruptRecord:
            count = 0
        with self._lock:
            self._counts[key] = count

    def read(self, context: Context, which: Which) -> Read:
        """A graph, with what was measured of its nodes.

        Raises:
            NoGraph: there is no such graph.
            CorruptRecord: it, or the record, cannot be read.
        """
        stored = latest(context, which)
        if stored is None:
            raise NoGraph(_missing(which))
        known = records(context, which)
        record = (known[-1] if known else "") if which.record is None else which.record
        place = _measures(context, which.run, record, stored.until) if record else None
        if record and place is None and which.record is not None:
            raise NoGraph(f"there is no record {record!r} of run {which.run!r}")
        key = (*_key(context, stored.ref, which), record, place and place[1])
        with self._lock:
            if (found := self._read.get(key)) is not None:
                self._read.move_to_end(key)
                return found
        graph = _parsed(which, _bytes(context, which, stored.ref))
        measured = _measured(context, which.run, record, place) if place else {}
        found = Read(with_measures(graph, measured), record, measured)
        self._keep(key, found)
        return found

    def _keep(self, key: tuple[Any, ...], found: Read) -> None:
        with self._lock:
            self._read[key] = found
            total = sum(len(one.graph.nodes) for one in self._read.values())
            while total > _KEPT and len(self._read) > 1:
                total -= len(self._read.popitem(last=False)[1].graph.nodes)


class Stored(NamedTuple):
    """A graph that was logged: where it lies, its step, and its time as JSON can say it.

    `until` is when the next one of its run and tag was logged, infinite of the latest.
    """

    ref: BlobRef
    step: int
    wall_time: float
    plugin: str
    until: float = inf


def latest(context: Context, which: Which) -> Stored | None:
    """Where the graph lies: the latest of its kind and tag, or the one that `which.number` tells; None for none."""
    plugin, stored = _stored(context, which)
    if stored is None or (which.number is not None and not 0 <= which.number < len(stored)):
        return None
    number = len(stored) - 1 if which.number is None else which.number
    times = finite(stored.wall_time)
    until = float(times[number + 1]) if number < len(stored) - 1 else inf
    return Stored(stored.ref[number], int(stored.step[number]), float(times[number]), plugin, until)


def versions(context: Context, which: Which) -> list[dict[str, Any]]:
    """The graphs that were logged under one tag, oldest first, where there are several."""
    _, stored = _stored(context, which)
    if stored is None or len(stored) < 2:
        return []
    times = finite(stored.wall_time)
    return [
        {"number": i, "step": int(stored.step[i]), "wall_time": float(times[i])}
        for i in range(max(0, len(stored) - _VERSIONS), len(stored))
    ]


def _stored(context: Context, which: Which) -> tuple[str, Blobs | None]:
    tag = which.tag if which.kind != "run" else RUN_GRAPH
    for plugin in KINDS.get(which.kind, ()):
        stored = context.store.blobs(plugin, which.run, tag)
        if stored is not None and len(stored):
            return plugin, stored
    return "", None


def _all(context: Context) -> Iterator[Which]:
    tags = context.store.overview().tags
    for kind, plugins in KINDS.items():
        for plugin in plugins:
            for tag, runs in tags.get(plugin, {}).items():
                if kind == "run" and tag != RUN_GRAPH:
                    continue
                for run in runs:
                    yield Which(run, "" if kind == "run" else tag, kind)


def records(context: Context, which: Which) -> list[str]:
    """Tags of what was measured of the run's steps; of a traced function its own."""
    tags = context.store.overview().tags
    if which.kind == "conceptual":
        return []
    found = [tag for plugin in _RECORDS for tag, runs in tags.get(plugin, {}).items() if which.run in runs]
    if which.kind == "function":
        return [tag for tag in found if tag == which.tag]
    return list(dict.fromkeys(found))


def _key(context: Context, ref: BlobRef, which: Which) -> tuple[Any, ...]:
    return (id(context), which.run, which.tag, which.kind, ref)


def _missing(which: Which) -> str:
    if which.kind not in KINDS:
        return f"there is no kind of graph {which.kind!r}; there are {', '.join(KINDS)}"
    of = f" under tag {which.tag!r}" if which.tag else ""
    number = "" if which.number is None else f" number {which.number}"
    return f"run {which.run!r} has no graph{number} of kind {which.kind!r}{of}"


def _bytes(context: Context, which: Which, ref: BlobRef) -> bytes:
    if which.kind == "run":
        return decode_event(context.fetch(ref)).graph_def
    return tagged_bytes(context, ref, which.tag)


def tagged_bytes(context: Context, ref: BlobRef, tag: str) -> bytes:
    """What a summary holds as one string.

    Raises:
        CorruptRecord: it holds none.
    """
    strings = read_value(context.fetch, ref, tag).tensor.string_val
    if not strings:
        raise CorruptRecord(f"the value of tag {tag!r} holds no bytes")
    return strings[0]


def _parsed(which: Which, data: bytes) -> Graph:
    what = f"the graph of run {which.run!r}" + (f", tag {which.tag!r}" if which.tag else "")
    if which.kind == "conceptual":
        return keras_graph(data, what)
    return graph_from_bytes(data, what) if which.kind == "run" else function_graph(data, what)


def _measures(context: Context, run: str, record: str, until: float) -> tuple[str, BlobRef] | None:
    """The latest record of a tag that was logged before then."""
    for plugin in _RECORDS:
        stored = context.store.blobs(plugin, run, record)
        if stored is None:
            continue
        before = [i for i, time in enumerate(finite(stored.wall_time)) if time < until]
        if before:
            return plugin, stored.ref[before[-1]]
    return None


def _measured(context: Context, run: str, record: str, place: tuple[str, BlobRef]) -> dict[str, Measured]:
    plugin, ref = place
    if plugin == TAGGED:
        data = decode_event(context.fetch(ref)).tagged_run_metadata.run_metadata
    else:
        data = tagged_bytes(context, ref, record)
    return measured_in(run_metadata_message(data, f"the record {record!r} of run {run!r}"))


def health(context: Context, run: str) -> dict[str, dict[str, str]]:
    """Series of a run that tell how its modules are: tags by the module's path."""
    found: dict[str, dict[str, str]] = {word: {} for word in _HEALTH}
    for tag, runs in context.store.overview().tags.get("scalars", {}).items():
        for word, prefix in _HEALTH.items():
            if tag.startswith(prefix) and len(tag) > len(prefix) and run in runs:
                found[word][tag[len(prefix) :]] = tag
    return found
