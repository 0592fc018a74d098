"""JAX: CLU's `metric_writers` without TensorFlow.

    from tallyboard.integrations import jax as metric_writers

    with metric_writers.create_default_writer("runs/first") as writer:
        for step in range(steps):
            state, metrics = train_step(state, batch)
            writer.write_scalars(step, {"train/loss": metrics["loss"]})

`periodic_actions` and `parameter_overview`, modules of this package, are CLU's helpers of these names.

JAX is not imported by the writers: its arrays are known by what they can do, its processes are asked for only in a
program that has loaded it. What needs JAX is imported when it is first asked for.
"""

from __future__ import annotations

from .composed import AsyncError, AsyncMultiWriter, AsyncWriter, MultiWriter, ensure_flushes
from .defaults import create_default_writer, write_values
from .interface import MetricWriter
from .logged import InMemoryWriter, LoggingWriter
from .writers import SummaryWriter

__all__ = [
    "AsyncError",
    "AsyncMultiWriter",
    "AsyncWriter",
    "InMemoryWriter",
    "LoggingWriter",
    "MetricWriter",
    "MultiWriter",
    "SummaryWriter",
    "create_default_writer",
    "ensure_flushes",
    "write_values",
]
