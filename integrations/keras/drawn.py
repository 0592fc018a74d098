"""The structure of a model, written when its training begins."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import keras

from tallyboard.core.summary import Event
from tallyboard.core.writer import SummaryWriter

__all__ = ["write_structure"]


def write_structure(model: Any, x: Any, writer: SummaryWriter, says: Callable[[str, Exception], None]) -> None:
    """Writes the graph of layers, the JSON for TensorBoard's conceptual graph, and on JAX the jaxpr.

    Args:
        model: built.
        x: what it is trained with, of which shapes and types are told; anything, or None.
        writer: of its run.
        says: told what cannot be drawn, and why.
    """
    from .graph import graph, inputs_like, known_inputs
    from .op_graph import conceptual, jax_graph

    made_with = known_inputs(model)
    inputs = inputs_like(x) if made_with is None else made_with
    try:
        writer.add_graph(graph(model, inputs if made_with is None else None))
    except Exception as error:
        says("graph", error)
    if (summary := conceptual(model)) is not None:
        writer.write(Event(0, time.time(), summary))
    if keras.backend.backend() == "jax" and inputs is not None:
        try:
            writer.write(Event(0, time.time(), jax_graph(model, inputs)))
        except Exception as error:
            says("jaxpr", error)
