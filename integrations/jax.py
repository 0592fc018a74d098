"""JAX: a writer of metrics in the manner of CLU's `metric_writers`, without TensorFlow.

    from tallyboard.integrations import jax as metric_writers

    with metric_writers.create_default_writer("runs/first") as writer:
        for step in range(steps):
            state, metrics = train_step(state, batch)
            writer.write_scalars(step, {"train/loss": metrics["loss"]})

JAX is not imported here: its arrays are known by what they can do, its processes are asked for only in a
program that has loaded it.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from tallyboard.core.errors import InvalidLogdir, InvalidSummary, warn_once
from tallyboard.core.summary import Event, Summary, as_step, scalar, text
from tallyboard.core.writer import SummaryWriter

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    from tallyboard.core.sink import Sink

__all__ = ["MetricWriter", "create_default_writer"]


class MetricWriter:
    """Writes named metrics of a step, in one process of a distributed program: that with process index 0.

    Tags are the names as given, as CLU's `SummaryWriter` has them (clu/metric_writers/summary_writer.py of
    2024). Its rule on steps is kept too: a metric is written at most once for a step. A second value is
    written all the same, and one `TallyboardWarning` for each metric says so.

    The file is opened by the first write, never by the other processes. Calls return at once: a thread of the
    writer's own writes to disk.

    Args:
        logdir: the directory of the run.
        sink: where to write instead of event files in `logdir`.

    Raises:
        InvalidLogdir: `logdir` is a file.
    """

    def __init__(self, logdir: str | os.PathLike[str], *, sink: Sink | None = None) -> None:
        self.logdir = os.fspath(logdir)
        if Path(self.logdir).exists() and not Path(self.logdir).is_dir():
            raise InvalidLogdir(f"logdir={self.logdir!r} is a file; give the name of a directory")
        self._sink = sink
        self._writer: SummaryWriter | None = None
        self._last_step: dict[tuple[str, str], int] = {}

    def write_scalars(self, step: int, scalars: Mapping[str, Any]) -> None:
        """Writes one number for each name, or nothing if one of them is wrong.

        Args:
            step: an integer of any library.
            scalars: Python, NumPy and JAX numbers of any dtype, bfloat16 included, with one element each.
                Arrays on a device are copied to the host together, in one wait.

        Raises:
            InvalidSummary: a name, a value or the step is not what it should be, or is a tracer: the call
                stands in a function that JAX transforms.
        """
        if (writer := self._open()) is None:
            return
        number = _concrete_step(step, "write_scalars")
        for name, value in scalars.items():
            _refuse_tracer(value, f"write_scalars({name!r})", "the value")
        for value in scalars.values():
            if hasattr(value, "copy_to_host_async"):
                value.copy_to_host_async()
        self._write_all(writer, number, [scalar(name, value) for name, value in scalars.items()])

    def write_texts(self, step: int, texts: Mapping[str, str]) -> None:
        """Writes one markdown text for each name, or nothing if one of them is wrong.

        Raises:
            InvalidSummary: a name, a text or the step is not what it should be.
        """
        if (writer := self._open()) is None:
            return
        number = _concrete_step(step, "write_texts")
        self._write_all(writer, number, [text(name, value) for name, value in texts.items()])

    def flush(self) -> None:
        """Returns when another process can read all that was written."""
        if self._writer is not None:
            self._writer.flush()

    def close(self) -> None:
        """Flushes and closes the file. A later write opens another one."""
        if self._writer is not None:
            self._writer.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _open(self) -> SummaryWriter | None:
        """The writer of this process; None where another process writes.

        JAX is asked at the first write and not before: the question starts its backends, which
        `jax.distributed.initialize` must precede.
        """
        if self._writer is None and _is_first_process():
            self._writer = SummaryWriter(self.logdir, sink=self._sink)
        return self._writer

    def _write_all(self, writer: SummaryWriter, step: int, summaries: list[Summary]) -> None:
        now = time.time()
        for summary in summaries:
            key = (summary.plugin, summary.tag)
            if self._last_step.get(key) == step:
                warn_once(
                    ("jax", self.logdir, *key),
                    f"{summary.tag!r} was written twice for step {step} in {self.logdir!r}; "
                    "both values are kept. Write a metric once for a step, or give the second one another name.",
                )
            self._last_step[key] = step
            writer.write(Event(step, now, summary))


def create_default_writer(logdir: str | os.PathLike[str], *, collection: str | None = None) -> MetricWriter:
    """A writer to event files, under the name and with the arguments of CLU's function.

    Args:
        logdir: the directory of the run.
        collection: a sub-directory of it, for metrics that are a run of their own, such as `"eval"`.

    Raises:
        InvalidLogdir: the directory is a file.
    """
    if collection is None:
        return MetricWriter(logdir)
    return MetricWriter(os.path.join(logdir, collection))  # a Path would break the // of a URL


def _is_first_process() -> bool:
    jax = sys.modules.get("jax")
    return jax is None or jax.process_index() == 0


def _concrete_step(step: object, call: str) -> int:
    _refuse_tracer(step, call, "the step")
    return as_step(step, call)


def _refuse_tracer(value: object, call: str, what: str) -> None:
    jax = sys.modules.get("jax")
    if jax is not None and isinstance(value, jax.core.Tracer):
        raise InvalidSummary(
            f"{call}: {what} is a JAX tracer, so the call stands inside jit, grad, vmap or scan, "
            "where there are no numbers yet; return the value from that function and write it outside"
        )
