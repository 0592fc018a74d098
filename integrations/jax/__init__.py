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

`writer.add_graph(train_step, (state, batch))` draws a function; `graph(train_step, state, batch)` is what it draws.

`periodic_actions` and `parameter_overview`, modules of this package, are CLU's helpers of these names.

JAX is not imported by the writers: its arrays are known by what they can do, its processes are asked for only in a
program that has loaded it. What needs JAX is imported when it is first asked for.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from tallyboard.core.errors import InvalidSummary
from tallyboard.core.summary import as_step

from .composed import AsyncError, AsyncMultiWriter, AsyncWriter, MultiWriter, ensure_flushes
from .defaults import create_default_writer, write_values
from .interface import MetricWriter
from .logged import InMemoryWriter, LoggingWriter
from .writers import SummaryWriter

if TYPE_CHECKING:
    from tallyboard.core.writer import SummaryWriter as EventWriter

    from .added_graph import graph_source
    from .arrivals import log_to
    from .graphs import graph, programs, write_graph
    from .in_jit import LogBuffer, log, log_buffer
    from .params import add_embedding, write_params
    from .profiling import profile, write_memory
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
    "add_embedding",
    "attach",
    "create_default_writer",
    "ensure_flushes",
    "graph",
    "graph_source",
    "log",
    "log_buffer",
    "log_to",
    "profile",
    "programs",
    "rank",
    "stats",
    "write_graph",
    "write_memory",
    "write_params",
    "write_values",
]

_FROM = {"LogBuffer": "in_jit", "Stats": "statistics", "log": "in_jit", "log_buffer": "in_jit"}
_FROM |= {"graph": "graphs", "graph_source": "added_graph", "programs": "graphs", "write_graph": "graphs"}
_FROM |= {"profile": "profiling", "write_memory": "profiling"}
_FROM |= {"add_embedding": "params", "write_params": "params"}
_FROM |= {"log_to": "arrivals", "stats": "statistics"}


def attach(
    model: object,
    writer: EventWriter,
    *,
    every: int = 50,
    metrics: Callable[[Any], Mapping[str, Any]] | None = None,
    params: Callable[[Any], Any] | None = None,
    graph: bool = True,
    hparams: Mapping[str, Any] | None = None,
    profile: str | int | tuple[int, ...] | None = None,
    start_step: int = 0,
) -> Callable[[], None]:
    """Logs a training whose step is a function, by wrapping that; `tb.auto_log` calls this.

    The result has `call`, by which the handle is called in place of the function, and `log(values)`.

    Args:
        model: the step function, compiled or not; or what holds the weights (flax' `TrainState`, a module of nnx or
            equinox), where the step comes later: `train_step = handle(train_step)`.
        writer: gets the values; it is not closed.
        every: steps between two at which the weights are looked at.
        metrics: takes what the step returned and gives its metrics; by default all numbers that are no state.
        params: takes what the step returns first, or is given first, and gives the weights; by default `.params` or
            `["params"]` of the state, or the state.
        graph: draws the step at its first call.
        hparams: hyperparameters of the run.
        profile: records some of the first steps: `"once"` is step 3 to 5; a number records so many from step 3 on; a
            tuple is how many pass and are recorded.
        start_step: steps made before, by a run that is being resumed.

    Raises:
        UnsupportedModel: it is neither a function nor holds weights, as a linen module, which stays inside `jit`.
        InvalidSummary: an option is none of what it may be.
        MissingDependency: JAX is not installed.
    """
    from tallyboard.core.hparams import hparams_of

    from .profiling import recorded_steps
    from .watch import Settings, Watch

    apart, first = as_step(every, "auto_log", "every"), as_step(start_step, "auto_log", "start_step")
    if apart < 1:
        raise InvalidSummary(f"auto_log(every={every}): expected a number of steps, at least 1")
    for name, option in (("metrics", metrics), ("params", params)):
        if option is not None and not callable(option):
            raise InvalidSummary(f"auto_log({name}=...): expected a function, got {type(option).__qualname__}")
    if hparams is not None:
        hparams_of(hparams)
    settings = Settings(apart, first, metrics, params, graph, hparams, recorded_steps(profile))
    return Watch(model, writer, settings)


def rank() -> int:
    """The place of this process in a distributed program; 0 outside of one. Asking starts JAX's backends."""
    jax: Any = sys.modules.get("jax")
    return 0 if jax is None else int(jax.process_index())


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
