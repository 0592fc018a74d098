"""JAX: CLU's `metric_writers` without TensorFlow, and logging from within compiled functions.

    from tallyboard.integrations import jax as metric_writers

    with metric_writers.create_default_writer("runs/first") as writer:
        for step in range(steps):
            state, metrics = train_step(state, batch)
            writer.write_scalars(step, {"train/loss": metrics["loss"]})

Within `jit`, `log(tag, value, step)` sends a number to the writer that `with log_to(writer):` names, `log_buffer` those
of a loop together, and `stats(grads, params, updates)` is a small tree to return:

    @jax.jit
    def train_step(state, batch):
        ...
        log("train/loss", loss, state.step)

`graph(function, *args)` is a function's graph for `writer.add_graph`.

`periodic_actions` and `parameter_overview`, modules of this package, are CLU's helpers of these names.

JAX is not imported by the writers: its arrays are known by what they can do, its processes are asked for only in a
program that has loaded it. What needs JAX is imported when it is first asked for.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from .composed import AsyncError, AsyncMultiWriter, AsyncWriter, MultiWriter, ensure_flushes
from .defaults import create_default_writer, write_values
from .interface import MetricWriter
from .logged import InMemoryWriter, LoggingWriter
from .writers import SummaryWriter

if TYPE_CHECKING:
    from .arrivals import log_to
    from .graphs import graph, programs, write_graph
    from .in_jit import LogBuffer, log, log_buffer
    from .statistics import Stats, stats

__all__ = [
    "AsyncError",
    "AsyncMultiWriter",
    "AsyncWriter",
    "InMemoryWriter",
    "LogBuffer",
    "LoggingWriter",
    "MetricWriter",
    "MultiWriter",
    "Stats",
    "SummaryWriter",
    "create_default_writer",
    "ensure_flushes",
    "graph",
    "log",
    "log_buffer",
    "log_to",
    "programs",
    "stats",
    "write_graph",
    "write_values",
]

_FROM = {"LogBuffer": "in_jit", "Stats": "statistics", "log": "in_jit", "log_buffer": "in_jit"}
_FROM |= {"graph": "graphs", "programs": "graphs", "write_graph": "graphs"}
_FROM |= {"log_to": "arrivals", "stats": "statistics"}


def __getattr__(name: str) -> Any:
    """What needs JAX, when it is first asked for.

    Raises:
        AttributeError: there is no such name.
        MissingDependency: JAX is not installed.
    """
    if name not in _FROM:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_FROM[name]}"), name)
    globals()[name] = value
    return value
