"""`trace_on`, `trace_export`, `trace_off`: what TensorFlow records of the functions that ran in between.

TensorFlow does the recording, and so is imported by `trace_on`. Its export is caught in a directory of its own and
written again by the default writer.
"""

from __future__ import annotations

import struct
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tallyboard.core.errors import InvalidSummary, MissingDependency, warn_once
from tallyboard.core.summary import DataClass, Summary
from tallyboard.core.values import Message
from tallyboard.core.wire import decode_event

from .defaults import building_graph, defaults, not_converted, recording, step_number
from .writers import FileWriter

__all__ = ["trace_export", "trace_off", "trace_on"]

_tracing = False


@not_converted
def trace_on(graph: bool = True, profiler: bool = False, profiler_outdir: str | None = None) -> None:
    """Starts to record the graphs of the functions that run, and a profile if asked.

    Args:
        graph: record graphs.
        profiler: record a profile too, with TensorFlow's profiler.
        profiler_outdir: where the profile goes; the default writer's directory when absent.

    Raises:
        MissingDependency: `graph` is asked for, and TensorFlow is not installed.
    """
    global _tracing
    if building_graph() is not None:
        warn_once("trace_on in a graph", "trace_on: Cannot enable trace inside a tf.function; call it outside")
        return
    try:
        import tensorflow as tf
    except ImportError:
        if graph:
            raise MissingDependency(
                "trace_on records graphs of TensorFlow, which is not installed: pip install 'tallyboard[tensorflow]'"
            ) from None
        if profiler:
            warn_once(
                "trace_on without TensorFlow",
                "trace_on: there is no profile without TensorFlow; pip install 'tallyboard[tensorflow]'. Training goes "
                "on without it.",
            )
        return
    if profiler and profiler_outdir is None:
        if not isinstance(defaults.writer, FileWriter):
            warn_once(
                "trace_on without a directory",
                "trace_on: No `profiler_outdir` was given and there is no default writer; no profile is recorded",
            )
            profiler = False
        else:
            profiler_outdir = defaults.writer.writer.log_dir
    if _tracing:
        warn_once("trace_on twice", "trace_on: Trace already enabled; export it, or call trace_off, before another")
        return
    tf.summary.trace_on(graph=graph, profiler=profiler, profiler_outdir=profiler_outdir)
    _tracing = True


@not_converted
def trace_export(name: str, step: Any = None, profiler_outdir: str | None = None) -> None:
    """Stops recording and writes what was recorded.

    Args:
        name: the summary's name; the name scopes in force come before it.
        step: an integer, or a tensor or variable of one; the default step when absent.
        profiler_outdir: without effect; give it to `trace_on`.

    Raises:
        InvalidSummary: nothing is being recorded, or there is no step.
    """
    global _tracing
    del profiler_outdir
    if building_graph() is not None:
        warn_once("trace_export in a graph", "trace_export: Cannot export trace inside a tf.function; call it outside")
        return
    if not _tracing:
        raise InvalidSummary("trace_export: Must enable trace before export; call trace_on first")
    writer = defaults.writer
    if not isinstance(writer, FileWriter) or not recording():
        trace_off()
        return
    number = step_number(step, "trace_export", name)
    try:
        values = _exported(name)
    except Exception as error:  # a profiler that someone else has stopped, a disk without room
        warn_once(
            ("trace_export", type(error)),
            f"trace_export({name!r}): no trace was written, because {type(error).__name__}: {error}. Training goes on.",
        )
        trace_off()
        return
    _tracing = False
    for tag, data in values:
        writer.put(Summary(tag, "graph_run_metadata", DataClass.BLOBS, Message("summary", data)), number)


def _exported(name: str) -> list[tuple[str, bytes]]:
    """Tag and `Summary` message of what TensorFlow's own function exports."""
    import tensorflow as tf

    found: list[tuple[str, bytes]] = []
    with tempfile.TemporaryDirectory() as folder:
        theirs = tf.summary.create_file_writer(folder)
        with theirs.as_default(), tf.summary.record_if(True):
            tf.summary.trace_export(name, step=0)
        theirs.close()
        for path in Path(folder).glob("*tfevents*"):
            for data in _records(path.read_bytes()):
                event = decode_event(data)
                if event.HasField("summary"):
                    found.append((event.summary.value[0].tag, event.summary.SerializeToString()))
    return found


def _records(data: bytes) -> Iterator[bytes]:
    """The records of a file that was just written whole: length, checksum, payload, checksum."""
    at = 0
    while at < len(data):
        (size,) = struct.unpack_from("<Q", data, at)
        yield data[at + 12 : at + 12 + size]
        at += size + 16


@not_converted
def trace_off() -> None:
    """Stops recording and forgets what was recorded."""
    global _tracing
    if not _tracing:
        return
    _tracing = False
    import tensorflow as tf

    tf.summary.trace_off()
