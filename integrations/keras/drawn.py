"""The structure of a model, written when its training begins."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from typing import Any

from tallyboard.core.summary import Event, Summary
from tallyboard.core.writer import SummaryWriter

from .models import backend_of, is_keras_2

__all__ = ["step_graph", "write_structure"]


def write_structure(model: Any, x: Any, writer: SummaryWriter, says: Callable[[str, Exception], None]) -> None:
    """Writes the graph of layers, and the JSON for TensorBoard's conceptual graph.

    Args:
        model: built.
        x: what it is trained with, of which shapes and types are told; anything, or None.
        writer: of its run.
        says: told what cannot be drawn, and why.
    """
    from .graph import graph, inputs_like, known_inputs
    from .op_graph import conceptual

    if is_keras_2(model):
        write_keras_2(model, writer, says)
        return
    made_with = known_inputs(model)
    inputs = inputs_like(x) if made_with is None else made_with
    try:
        writer.add_graph(graph(model, inputs if made_with is None else None))
    except Exception as error:
        says("graph", error)
    if (summary := conceptual(model)) is not None:
        writer.write(Event(0, time.time(), summary))


def step_graph(model: Any, x: Any) -> Callable[[], Summary | None] | None:
    """What makes the graph of what the backend runs, for another thread, once the model's functions are compiled.

    Args:
        model: built and trained for an epoch.
        x: as for `write_structure`.

    Returns:
        None where the backend has no such graph.
    """
    from .graph import inputs_like, known_inputs
    from .op_graph import jax_graph, tensorflow_graph

    backend = backend_of(model)
    if backend == "tensorflow":
        return tensorflow_graph(model)
    made_with = known_inputs(model) if backend == "jax" else None
    inputs = inputs_like(x) if backend == "jax" and made_with is None else made_with
    return None if inputs is None else functools.partial(jax_graph, model, inputs)


def write_keras_2(model: Any, writer: SummaryWriter, says: Callable[[str, Exception], None]) -> None:
    """Of a model of `tf_keras` the graph is what its JSON says."""
    from tallyboard.core.graph_files import keras_graph

    from .op_graph import conceptual

    try:
        writer.add_graph(keras_graph(model.to_json().encode(), f"the model {model.name!r}"))
    except Exception as error:  # a class of its own has no JSON
        says("graph", error)
    if (summary := conceptual(model)) is not None:
        writer.write(Event(0, time.time(), summary))
