"""Graphs of functions, and the programs that XLA makes of them, into a run."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from tallyboard.core.errors import InvalidSummary, warn_once
from tallyboard.core.graph import Graph
from tallyboard.core.remote import is_remote
from tallyboard.core.summary import kind_of
from tallyboard.core.writer import SummaryWriter as EventWriter

from .jaxpr_graph import graph_of, graph_of_traced
from .tracing import cost_of, input_names, trace

__all__ = ["event_writer", "graph", "programs", "write_graph"]

_SHOWN = 20_000  # characters of a program that stand in the text


def graph(function: Any, /, *args: Any, **kwargs: Any) -> Graph:
    """The graph of a call, from its jaxpr: nodes by module, with shapes, lines of the source, and operations.

        writer.add_graph(graph(train_step, state, batch))

    Nothing is computed and nothing compiled; arrays may be given as `jax.ShapeDtypeStruct`. Modules of nnx and equinox
    are given scopes for so long. Operations by node are counted from shapes, XLA's own count of operations and bytes
    stands in the notes.

    Args:
        function: compiled or not; a linen module (called with its variables first), an nnx or equinox module; or what
            `jax.jit(function).trace(...)` gave.
        args, kwargs: what it is called with.

    Raises:
        InvalidSummary: it is nothing to call, or cannot be traced with these arguments; the text has its own error.
    """
    if hasattr(function, "jaxpr") and hasattr(function, "lower"):
        return graph_of_traced(function, input_names(function))
    return graph_of(function, args, kwargs)


def programs(function: Any, /, *args: Any, **kwargs: Any) -> dict[str, Any]:
    """What XLA is given for a call, and what it makes of it; compiles, and computes nothing.

    Args:
        function, args, kwargs: as of `graph`.

    Returns:
        `stablehlo` and `optimized_hlo`, texts; `cost`, operations and bytes of the optimised program; `memory`, bytes
        of arguments, outputs, what it computes with, and code, where the device's compiler says so.

    Raises:
        InvalidSummary: as `graph`.
    """
    traced, _ = trace(function, args, kwargs, "programs")
    lowered = traced.lower()
    compiled = lowered.compile()
    try:
        analysis = compiled.memory_analysis()
    except Exception:
        analysis = None
    parts = ("argument", "output", "temp", "alias", "generated_code")
    memory = {part: int(getattr(analysis, f"{part}_size_in_bytes", 0)) for part in parts if analysis is not None}
    return {
        "stablehlo": lowered.as_text(debug_info=True),
        "optimized_hlo": compiled.as_text() or "",
        "cost": cost_of(compiled),
        "memory": memory,
    }


def write_graph(writer: Any, function: Any, /, *args: Any, hlo: bool = False, step: int = 0, **kwargs: Any) -> None:
    """Writes the graph of a call, and on request the programs, into a run.

    Args:
        writer: a `tb.SummaryWriter`, or ours of this package.
        function, args, kwargs: as of `graph`.
        hlo: also compiles: the files `hlo/stablehlo.mlir` and `hlo/optimized_hlo.txt` in the run's directory, and the
            texts `hlo/stablehlo` and `hlo/optimized_hlo`, with costs and the beginning of each.
        step: the step they stand at.

    Raises:
        InvalidSummary: as `graph`; or the writer is none.
    """
    target = event_writer(writer, "write_graph")
    if target is None:
        return
    target.add_graph(graph(function, *args, **kwargs), step=step)
    if hlo:
        _write_programs(target, programs(function, *args, **kwargs), step)


def _write_programs(writer: EventWriter, made: Mapping[str, Any], step: int) -> None:
    cost = [f"- {value:,.0f} {name}" for name, value in made["cost"].items()]
    memory = [f"- {value:,} bytes of {name.replace('_', ' ')}" for name, value in made["memory"].items()]
    for name, file, about in (
        ("stablehlo", "stablehlo.mlir", []),
        ("optimized_hlo", "optimized_hlo.txt", [*cost, *memory]),
    ):
        text = made[name]
        place = _keep(writer, file, text)
        said = [f"{text.count(chr(10)):,} lines{place}", *about]
        fence = "`" * 4
        rest = "" if len(text) <= _SHOWN else "\n..."
        writer.add_text(f"hlo/{name}", "\n".join([*said, "", fence, f"{text[:_SHOWN]}{rest}", fence]), step)


def _keep(writer: EventWriter, name: str, text: str) -> str:
    """Writes a program's file into the run's directory; what is said of the place."""
    if not writer.log_dir or is_remote(writer.log_dir):
        return ""
    folder = os.path.join(writer.log_dir, "hlo")
    try:
        os.makedirs(folder, exist_ok=True)
        with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        warn_once(("hlo", folder), f"{folder}: the program cannot be written ({error}); its text has the beginning")
        return ""
    return f", whole in the file `hlo/{name}` of the run's directory"


def event_writer(writer: Any, call: str) -> EventWriter | None:
    """The `tb.SummaryWriter` behind a writer; None where this process writes nothing.

    Raises:
        InvalidSummary: there is none.
    """
    from .composed import AsyncWriter, MultiWriter
    from .writers import SummaryWriter

    if isinstance(writer, EventWriter):
        return writer
    if isinstance(writer, SummaryWriter):
        return writer.writer
    behind = list(writer.writers) if isinstance(writer, MultiWriter) else []
    if isinstance(writer, AsyncWriter):
        behind = [writer.wrapped]
    for one in behind:
        if isinstance(one, EventWriter | SummaryWriter | AsyncWriter | MultiWriter):
            try:
                return event_writer(one, call)
            except InvalidSummary:
                continue
    raise InvalidSummary(
        f"{call}: expected a tb.SummaryWriter or a writer that stands on one, got {kind_of(writer)}; "
        "pass what create_default_writer(logdir) returns"
    )
