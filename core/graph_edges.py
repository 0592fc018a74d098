"""A graph's edges, by number."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .graph import Graph

__all__ = ["Edges", "edges_of"]

_OF_A_MODULE = "prim::GetAttr"
"""What torch.jit reads a weight by, from a module: which is no node of its graphs, and no input that is missing."""


@dataclass(frozen=True, slots=True)
class Edges:
    """Output `slot[i]` of node `source[i]` is input `port[i]` of node `target[i]`; nodes by their place in the graph.

    Attributes:
        source, slot, target, port: as above; of an edge that only orders, `slot` is 0.
        control: whether the edge only orders.
        dangling: nodes and inputs of theirs that name no node, as they are written; but for torch.jit's reading of
            weights, whose input is a module.
    """

    source: list[int] = field(default_factory=list[int])
    slot: list[int] = field(default_factory=list[int])
    target: list[int] = field(default_factory=list[int])
    port: list[int] = field(default_factory=list[int])
    control: list[bool] = field(default_factory=list[bool])
    dangling: list[tuple[int, str]] = field(default_factory=list[tuple[int, str]])


def edges_of(graph: Graph) -> Edges:
    """The edges of a graph: by the nodes that they lead to, in the order of their inputs."""
    edges, places = Edges(), {node.name: i for i, node in enumerate(graph.nodes)}
    for target, node in enumerate(graph.nodes):
        for port, reference in enumerate(node.inputs):
            control = reference.startswith("^")
            name, slot = (reference[1:] if control else reference), 0
            source = places.get(name)
            if source is None:
                base, _, number = name.rpartition(":")
                if number.isdigit() and number.isascii() and len(number) < 9:
                    source, slot = places.get(base), int(number)
            if source is None:
                if node.op != _OF_A_MODULE:
                    edges.dangling.append((target, reference))
                continue
            edges.source.append(source)
            edges.slot.append(slot)
            edges.target.append(target)
            edges.port.append(port)
            edges.control.append(control)
    return edges
