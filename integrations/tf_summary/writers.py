"""The writers: one that writes to event files, and one that writes nothing."""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections.abc import Callable
from typing import Any, Self

from tallyboard.core.errors import InvalidLogdir, InvalidSummary, TallyboardError
from tallyboard.core.summary import Event, Summary, kind_of
from tallyboard.core.values import TensorTag
from tallyboard.core.writer import SummaryWriter as CoreWriter

from .defaults import building_graph, defaults, not_converted

__all__ = ["FileWriter", "SummaryWriter", "WriterClosed", "create_file_writer", "create_noop_writer", "flush"]

_making = threading.Lock()
MAX_QUEUE, FLUSH_MILLIS, SUFFIX = 10, 120_000, ".v2"  # TensorFlow's


class WriterClosed(TallyboardError, RuntimeError):
    """A closed writer was made the default one, or written to."""


class _Default:
    """What `as_default` gives: the writer is this thread's default within `with`."""

    def __init__(self, writer: SummaryWriter, step: Any) -> None:
        self._writer, self._step = writer, step
        self._before: tuple[SummaryWriter | None, Any] = (None, None)

    @not_converted
    def __enter__(self) -> SummaryWriter:
        self._before = defaults.writer, defaults.step
        defaults.choose(self._writer)
        if self._step is not None:
            defaults.step = self._step
        return self._writer

    @not_converted
    def __exit__(self, *error: object) -> None:
        defaults.choose(self._before[0])
        if self._step is not None:
            defaults.step = self._before[1]


class SummaryWriter:
    """What all writers can do. `create_file_writer` and `create_noop_writer` make them."""

    @not_converted
    def set_as_default(self, step: Any = None) -> None:
        """Makes this the default writer of the thread from now on, and `step`, if given, its default step."""
        self.as_default(step).__enter__()

    @not_converted
    def as_default(self, step: Any = None) -> Any:
        """Makes this the default writer of the thread within `with`, and `step`, if given, its default step."""
        return _Default(self, step)

    @not_converted
    def init(self) -> Any:
        """Does nothing: a writer is ready when it is made."""
        raise NotImplementedError

    @not_converted
    def flush(self) -> Any:
        """Returns when another process can read everything that was written before."""
        raise NotImplementedError

    @not_converted
    def close(self) -> Any:
        """Flushes and closes the file."""
        raise NotImplementedError


class FileWriter(SummaryWriter):
    """Writes to event files, through `tallyboard.SummaryWriter`.

    Attributes:
        writer: that one, for what else belongs to the run.
    """

    def __init__(self, writer: CoreWriter) -> None:
        self.writer = writer
        self._closed = False
        self._tags: dict[tuple[str, str], TensorTag] = {}
        self._numbers: Any = None  # what functions hand over, see handover.py

    def put(self, summary: Summary, step: int) -> None:
        """Writes a summary now.

        Raises:
            WriterClosed: this writer is closed.
        """
        self._check_open()
        self.writer.write(Event(step, time.time(), summary))

    def put_number(self, tag: str, value: float, description: str, step: int) -> None:
        """Writes a number now, as a tensor.

        Raises:
            WriterClosed: this writer is closed.
        """
        self._check_open()
        self.writer.write_scalar(self.tensor_tag(tag, description), value, step, time.time())

    def tensor_tag(self, tag: str, description: str) -> TensorTag:
        """The tag of a number; the same object each time."""
        found = self._tags.get((tag, description))
        if found is None:
            found = self._tags.setdefault((tag, description), TensorTag(tag, description))
        return found

    def _check_open(self) -> None:
        if self._closed:
            raise WriterClosed(f"{self!r} is already closed; make another with create_file_writer")

    @not_converted
    def as_default(self, step: Any = None) -> Any:
        """See `SummaryWriter.as_default`."""
        self._check_open()
        return super().as_default(step)

    @not_converted
    def init(self) -> Any:
        """See `SummaryWriter.init`."""
        self._check_open()
        tf = building_graph()
        return None if tf is None else tf.no_op()

    @not_converted
    def flush(self) -> Any:
        """See `SummaryWriter.flush`. In a `tf.function` it happens whenever that runs."""
        return self._now_or_in_graph(self._flush)

    @not_converted
    def close(self) -> Any:
        """See `SummaryWriter.close`. In a `tf.function` it happens whenever that runs."""
        return self._now_or_in_graph(self._close)

    def _now_or_in_graph(self, act: Callable[[], None]) -> Any:
        tf = building_graph()
        if tf is None:
            return act()
        from .in_graph import call_back

        return call_back(tf, act)

    def numbers(self, tf: Any) -> Any:
        """The queue by which functions hand numbers over."""
        with _making:
            if self._numbers is None:
                from .handover import Numbers

                self._numbers = Numbers(tf, self.writer)
                weakref.finalize(self, self._numbers.retire)
            return self._numbers

    def _flush(self) -> None:
        if not self._closed:
            if self._numbers is not None:
                self._numbers.drain()
            self.writer.flush()

    def _close(self) -> None:
        if not self._closed:
            if self._numbers is not None:
                self._numbers.close()
            self._closed = True
            self.writer.close()

    def __repr__(self) -> str:
        return f"<tf_summary writer to {self.writer.log_dir!r}>"


class _NoopWriter(SummaryWriter):
    """Takes the place of a writer where nothing shall be written; an outer default writer stays the default."""

    def set_as_default(self, step: Any = None) -> None:
        pass

    def as_default(self, step: Any = None) -> Self:
        del step
        return self

    def init(self) -> None:
        pass

    def flush(self) -> None:
        pass

    def close(self) -> None:
        pass

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        pass


@not_converted
def create_file_writer(
    logdir: Any,
    max_queue: Any = None,
    flush_millis: Any = None,
    filename_suffix: Any = None,
    name: str | None = None,
    experimental_trackable: bool = False,
    experimental_mesh: Any = None,
) -> SummaryWriter:
    """A writer of event files.

    Nothing waits longer than a quarter of a second to be written, by a background thread.

    Args:
        logdir: the run's directory.
        max_queue: this many waiting summaries are written at once, ahead of time; 10 when absent.
        flush_millis: the longest that anything waits, in milliseconds; above 250 it changes nothing.
        filename_suffix: ends the event file's name; `.v2` when absent.
        name, experimental_trackable, experimental_mesh: accepted as TensorFlow has them; without effect.

    Raises:
        InvalidLogdir: `logdir` is none, or a file.
    """
    del name, experimental_trackable, experimental_mesh
    place = _plain(logdir, "logdir")
    if not isinstance(place, str | bytes | os.PathLike):
        raise InvalidLogdir(
            f"create_file_writer: expected logdir to be the name of a directory, got {kind_of(logdir)}; give a path "
            "such as 'logs/train'"
        )
    queue, millis, suffix = (
        _plain(max_queue, "max_queue"),
        _plain(flush_millis, "flush_millis"),
        _plain(filename_suffix, "filename_suffix"),
    )
    return FileWriter(
        CoreWriter(
            os.fsdecode(place),
            max_queue=MAX_QUEUE if queue is None else int(queue),
            flush_secs=(FLUSH_MILLIS if millis is None else float(millis)) / 1000,
            filename_suffix=SUFFIX if suffix is None else os.fsdecode(suffix),
        )
    )


def _plain(value: Any, argument: str) -> Any:
    """What an eager tensor holds; anything else as it is."""
    if hasattr(value, "numpy"):
        try:
            return value.numpy()
        except Exception:
            raise InvalidSummary(
                f"create_file_writer: {argument} is a tensor of a graph, which has no value yet; give it as a Python "
                "value"
            ) from None
    if type(value).__module__.startswith("tensorflow.") and hasattr(value, "graph"):
        raise InvalidSummary(
            f"create_file_writer: {argument} is a tensor of a graph, which has no value yet; give it as a Python value"
        )
    return value


def create_noop_writer() -> SummaryWriter:
    """A writer that writes nothing, for code that wants one."""
    return _NoopWriter()


@not_converted
def flush(writer: SummaryWriter | None = None, name: str | None = None) -> Any:
    """Flushes a writer.

    Args:
        writer: the default one when absent.
        name: accepted as TensorFlow has it; without effect.

    Raises:
        InvalidSummary: it is no writer.
    """
    del name
    if writer is None:
        writer = defaults.writer
        if writer is None:
            return None
    if not isinstance(writer, SummaryWriter):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InvalidSummary(
            f"flush: Invalid argument to flush(): expected a writer of create_file_writer, got {kind_of(writer)}"
        )
    return writer.flush()
