"""A graph as the page takes it: a column for each thing that is known of nodes and edges, in JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tallyboard.core.graph_edges import edges_of
from tallyboard.core.graph_values import output_text

from .responses import dump_json

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tallyboard.core.graph import Graph, Node

__all__ = ["columns", "encoded", "node_told"]


def columns(graph: Graph) -> dict[str, Any]:
    """Columns of a graph's nodes and edges; those of which nothing is known are None."""
    nodes, edges = graph.nodes, edges_of(graph)
    devices, device = _table(node.device for node in nodes)
    modules, module = _table(node.module for node in nodes)
    sources, source = _table(node.source for node in nodes)
    return {
        "notes": list(graph.notes),
        "name": [node.name for node in nodes],
        "op": [node.op for node in nodes],
        "from": edges.source,
        "slot": edges.slot,
        "to": edges.target,
        "port": edges.port,
        "control": [int(one) for one in edges.control],
        "dangling": edges.dangling,
        "devices": devices,
        "device": device,
        "shapes": [_outputs(node) for node in nodes],
        "parameters": _known([node.parameters for node in nodes]),
        "flops": _known([node.flops for node in nodes]),
        "nanoseconds": _known([node.nanoseconds for node in nodes]),
        "bytes": _known([node.memory for node in nodes]),
        "modules": modules,
        "module": module,
        "sources": sources,
        "source": source,
    }


def _table(texts: Iterable[str]) -> tuple[list[str], list[int]]:
    """The texts that differ, and each one's place among them; -1 for none."""
    places: dict[str, int] = {}
    column = [places.setdefault(text, len(places)) if text else -1 for text in texts]
    return list(places), column


def _known(column: list[int]) -> list[int] | None:
    return column if any(column) else None


def _outputs(node: Node) -> list[str]:
    """What is known of each output; the texts are short, whatever was written."""
    count = max(len(node.shapes), len(node.dtypes))
    return [
        output_text(
            node.shapes[i] if i < len(node.shapes) else None, node.dtypes[i][:40] if i < len(node.dtypes) else ""
        )
        for i in range(count)
    ]


def encoded(fields: dict[str, Any]) -> bytes:
    """JSON, field by field: the encoder lets no other thread run until it ends."""
    parts = [b"%s:%s" % (dump_json(key), dump_json(value)) for key, value in fields.items()]
    return b"{%s}" % b",".join(parts)


def node_told(node: Node) -> dict[str, Any]:
    """All that is known of one node."""
    return {
        "name": node.name,
        "op": node.op,
        "device": node.device,
        "attributes": [[key, _text(value)] for key, value in node.attributes.items()],
        "inputs": [one for one in node.inputs if not one.startswith("^")],
        "control": [one[1:] for one in node.inputs if one.startswith("^")],
        "outputs": [{"shape": None if shape is None else list(shape), "dtype": dtype} for shape, dtype in _pairs(node)],
        "module": node.module,
        "source": node.source,
        "parameters": node.parameters,
        "flops": node.flops,
        "nanoseconds": node.nanoseconds,
        "bytes": node.memory,
    }


def _pairs(node: Node) -> list[tuple[tuple[int, ...] | None, str]]:
    count = max(len(node.shapes), len(node.dtypes))
    shapes = (*node.shapes, *[None] * (count - len(node.shapes)))
    return list(zip(shapes, (*node.dtypes, *[""] * (count - len(node.dtypes))), strict=True))


def _text(value: object) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return str(value).lower() if isinstance(value, bool) else f"{value:.7g}" if isinstance(value, float) else str(value)
