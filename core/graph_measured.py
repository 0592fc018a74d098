"""What was measured of a step of a graph: how long each node took, and what memory it was given.

Source of the format: step_stats.proto of TensorFlow. Of a node that is named several times the times span from the
first start to the last end, and the most memory counts, as TensorBoard 2.21 has it (graph.ts, joinStatsInfoWithGraph).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from .errors import CorruptRecord
from .graph import Graph, Node, Shape
from .graph_values import shape_of, type_name

if TYPE_CHECKING:
    from .proto import graph_pb2

__all__ = ["Measured", "measured_in", "run_metadata_message", "with_measures"]


@dataclass(frozen=True, slots=True)
class Measured:
    """One node in one step.

    Attributes:
        device: where it ran.
        start, end: nanoseconds on a clock of the record's own.
        memory: bytes that it was given.
        shapes, dtypes: of its outputs, where they were recorded.
    """

    device: str
    start: int
    end: int
    memory: int
    shapes: tuple[Shape | None, ...] = ()
    dtypes: tuple[str, ...] = ()


def run_metadata_message(data: bytes, what: str) -> graph_pb2.RunMetadata:
    """The bytes of a RunMetadata as a message.

    Args:
        data: the message.
        what: what it is, for the text of an error.

    Raises:
        CorruptRecord: they are no such message.
    """
    from google.protobuf.message import DecodeError

    from .proto.graph_pb2 import RunMetadata

    try:
        return RunMetadata.FromString(data)
    except DecodeError as error:
        raise CorruptRecord(f"{what} cannot be decoded: {error}") from None


def measured_in(metadata: graph_pb2.RunMetadata) -> dict[str, Measured]:
    """What a record says of each node, by the name that it has there."""
    found: dict[str, Measured] = {}
    for device in metadata.step_stats.dev_stats:
        for stats in device.node_stats:
            one = _measured(device.device, stats)
            before = found.get(stats.node_name)
            found[stats.node_name] = one if before is None else _joined(before, one)
    return found


def _measured(device: str, stats: graph_pb2.NodeExecStats) -> Measured:
    start = stats.all_start_nanos or 1_000 * stats.all_start_micros
    took = stats.all_end_rel_nanos or 1_000 * stats.all_end_rel_micros
    outputs = sorted(stats.output, key=lambda output: output.slot)
    return Measured(
        device,
        start,
        start + max(0, took),
        sum(max(0, one.total_bytes) for one in stats.memory),
        tuple(shape_of(output.tensor_description.shape) for output in outputs),
        tuple(type_name(output.tensor_description.dtype) for output in outputs),
    )


def _joined(one: Measured, other: Measured) -> Measured:
    timed = [each for each in (one, other) if each.end > each.start]
    return Measured(
        other.device,
        min((each.start for each in timed), default=0),
        max((each.end for each in timed), default=0),
        max(one.memory, other.memory),
        one.shapes or other.shapes,
        one.dtypes or other.dtypes,
    )


def with_measures(graph: Graph, measured: Mapping[str, Measured]) -> Graph:
    """The graph with the times and the memory of a record; nodes that it does not name stay as they are."""
    return Graph(tuple(_with(node, measured) for node in graph.nodes), graph.notes) if measured else graph


def _with(node: Node, measured: Mapping[str, Measured]) -> Node:
    found = next((measured[name] for name in _names(node.name) if name in measured), None)
    if found is None:
        return node
    return replace(
        node,
        device=found.device or node.device,
        nanoseconds=found.end - found.start,
        memory=found.memory,
        shapes=node.shapes or found.shapes,
        dtypes=node.dtypes or found.dtypes,
    )


def _names(name: str) -> Iterator[str]:
    """The names that a record may have for a node: its own, and the one before it was told from a scope."""
    yield name
    scope, _, last = name.rpartition("/")
    if last.startswith("("):
        yield scope
