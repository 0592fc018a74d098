"""Graphs from the forms in which files hold them."""

from __future__ import annotations

from .graph import Graph
from .graph_measured import run_metadata_message
from .graph_read import below, graph_from

__all__ = ["function_graph"]


def function_graph(data: bytes, what: str) -> Graph:
    """The graphs of the functions that TensorFlow traced, from the bytes of a RunMetadata.

    Several stand side by side below `graph_1/`, `graph_2/`, …, as TensorBoard has it.

    Raises:
        CorruptRecord: they are no such message.
    """
    message = run_metadata_message(data, what)
    graphs = [graph_from(one.pre_optimization_graph, what) for one in message.function_graphs]
    if len(graphs) == 1:
        return graphs[0]
    nodes = [below(node, f"graph_{number}/") for number, graph in enumerate(graphs, 1) for node in graph.nodes]
    return Graph(tuple(nodes), tuple(dict.fromkeys(note for graph in graphs for note in graph.notes)))
