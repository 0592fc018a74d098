"""`SummaryWriter`: the user's handle on one run."""

from __future__ import annotations

import contextlib
import functools
import itertools
import os
import socket
import sys
import threading
import time
import weakref
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any

from .errors import InvalidLogdir, InvalidSummary
from .filewriter import FileWriter
from .hparams import Session, ended_well, passed_through
from .pump import elsewhere
from .remote import is_remote, joined, placed
from .remotesink import RemoteSink, file_sink_for
from .sink import AsyncSink, NullSink, Sink
from .summary import STEP_MAX, STEP_MIN, DataClass, Event, Summary, as_number, as_step, as_tag, text
from .writer_arrays import ArrayAdds
from .writer_embedding import EmbeddingAdds
from .writer_graph import GraphAdds
from .writer_hparams import HParamsAdds
from .writer_media import MediaAdds
from .writer_scalars import ScalarAdds

if TYPE_CHECKING:
    from .layouts import Layouts

__all__ = ["SummaryWriter"]

_now = time.time
_WAKE = AsyncSink.ROWS_WAKE
_INTERVAL = 0.25  # seconds after which logged values are on disk, so that a live page shows them within one


class SummaryWriter(ArrayAdds, MediaAdds, ScalarAdds, HParamsAdds, EmbeddingAdds, GraphAdds):
    """Writes summaries of one run into an event file.

    `add_*` copies the value and returns; a background thread writes. Several threads may share a writer,
    a forked child goes on in a file of its own, and writing after `close` opens another file.

    Args:
        log_dir: the run's directory, or the URL of one, such as `s3://bucket/runs/first`. Default:
            `runs/<month><day>_<time>_<host><comment>`.
        comment: appended to the default directory's name; without effect when `log_dir` is given.
        purge_step: the step from which a restarted run goes on; readers then drop what an earlier file of
            the run has at this step and after.
        max_queue: this many waiting summaries other than scalars are written at once, ahead of time.
        flush_secs: the longest that anything waits to be written, in seconds. In a local directory a quarter of
            a second is never exceeded, so that only smaller values change anything.
        filename_suffix: appended to the event file's name.
        write_to_disk: False to write nothing at all.
        logdir: another name of `log_dir`.
        comet_config: accepted as tensorboardX has it, as long as it says `disabled`: there is no such connection.
        sink: where events go instead of a file, for example `MemorySink()`.
        auto_step: counts the calls for each method and tag, from 0, and takes that for a step that is left out.

    Raises:
        InvalidLogdir: `log_dir` is a file, or a URL that nothing can be written to; or two different ones were given.
        MissingDependency: a library that the URL needs is not installed.
        InvalidSummary: `purge_step` is no integer.
    """

    def __init__(
        self,
        log_dir: str | os.PathLike[str] | None = None,
        comment: str = "",
        purge_step: int | None = None,
        max_queue: int = 10,
        flush_secs: float = 120,
        filename_suffix: str = "",
        write_to_disk: bool = True,
        *,
        logdir: str | os.PathLike[str] | None = None,
        comet_config: Mapping[str, Any] | None = None,
        sink: Sink | None = None,
        auto_step: bool = False,
    ) -> None:
        super().__init__()
        log_dir = _one_directory(log_dir, logdir)
        if comet_config is not None and not comet_config.get("disabled", False):
            raise InvalidLogdir(
                "SummaryWriter: comet_config cannot be served; leave it out, or set disabled=True in it"
            )
        if log_dir is None and sink is None:
            stamp = time.strftime("%b%d_%H-%M-%S")
            log_dir = os.path.join("runs", f"{stamp}_{socket.gethostname()}{comment}")
        self.log_dir: str = "" if log_dir is None else placed(log_dir)
        self._place = os.path.abspath(self.log_dir) if self.log_dir and not is_remote(self.log_dir) else self.log_dir
        self._purge_step = None if purge_step is None else as_step(purge_step, "SummaryWriter", "purge_step")
        self._max_queue = max_queue
        self._flush_secs = max(float(flush_secs), 0.0)
        self._interval = min(self._flush_secs, _INTERVAL)
        self._suffix = filename_suffix
        self._given = sink if write_to_disk else NullSink()
        self._auto_step = auto_step
        self._counts: dict[tuple[str, str], Iterator[int]] = {}
        self._defaults: tuple[int | None, float | None] | None = None
        self._sub_runs: dict[str, SummaryWriter] = {}
        self._charts_known: Layouts | None = None
        self._session = Session()
        self._session_runs: dict[str, dict[str, Any]] = {}
        self._closed = False
        self._before_close: list[Callable[[], object]] = []
        self._before_flush: list[Callable[[], object]] = []
        self._lock = threading.RLock()
        self._tags: set[Any] = set()  # tags known to be good, whose scalars take the short way
        self._sink = self._new_sink()
        self._rows = self._sink.rows
        self._extend = self._rows.extend
        self._finalizer = weakref.finalize(self, self._sink.let_go)
        self._finalizer.atexit = False  # what is open at the program's end is closed whether its writer is gone or not
        _writers.add(self)

    def _new_sink(self) -> AsyncSink:
        inner: Sink = (
            self._given
            if self._given is not None
            else file_sink_for(
                self.log_dir, filename_suffix=self._suffix, purge_step=self._purge_step, interval=self._flush_secs
            )
        )
        sink = AsyncSink(inner, interval=self._interval, wake_at=self._max_queue, before_close=self._session.end)
        if self._given is None:
            sink.open()
        if isinstance(inner, RemoteSink):
            inner.ending = functools.partial(self._session.end, sink.write)
        return sink

    def add_scalar(
        self,
        tag: str,
        scalar_value: Any,
        global_step: int | None = None,
        walltime: float | None = None,
        new_style: bool | str = False,
        double_precision: bool | str = False,
        *,
        step: int | None = None,
        display_name: str = "",
        summary_description: str = "",
    ) -> None:
        """Logs one number.

        Args:
            tag: its name; the part before the first `/` groups it on the page.
            scalar_value: a number, or an array or tensor of one element (one on a device is copied to the
                host, once). Written as float32; NaN and infinity are kept.
            global_step: the step, an integer; 0 when absent.
            walltime: seconds since 1970; now when absent.
            new_style: writes it as a tensor of the plugin `scalars`, as `tf.summary.scalar` does.
            double_precision: writes it as float64, which needs and implies `new_style`.
            step: short name for `global_step`.
            display_name: shown in place of the tag.
            summary_description: markdown shown beside it. These two may come fifth and sixth, as in tensorboardX.

        Raises:
            InvalidSummary: the value is not one number, the tag is empty or the step is no integer.
        """
        if global_step is None:
            global_step = step
        elif step is not None:
            raise InvalidSummary(f"add_scalar({tag!r}): both global_step and step were given; keep one of them")
        if new_style or double_precision or display_name or summary_description:
            row = tag, scalar_value, global_step, walltime
            return self._add_described(row, new_style, double_precision, display_name, summary_description)
        if (
            type(scalar_value) is float
            and (walltime is None or (type(walltime) is float and walltime == walltime))
            and type(global_step) is int
            and type(tag) is str
            and tag in self._tags
            and STEP_MIN <= global_step <= STEP_MAX
        ):
            self._extend((tag, scalar_value, global_step, _now() if walltime is None else walltime))
            if len(self._rows) >= _WAKE:
                self._sink.relieve()
            return None
        return self._add_scalar(tag, scalar_value, global_step, walltime)

    def _add_scalar(self, tag: Any, value: Any, step: Any, walltime: Any) -> None:
        """The long way: checks, converts, and makes sure that the sink is there."""
        name = as_tag(tag)
        number = as_number(name, value)
        row = (name, number, *self._when("add_scalar", name, step, None, walltime))
        self._ready()
        if self._defaults is None:
            self._tags.add(name)
        self._extend(row)
        if len(self._rows) >= _WAKE:
            self._sink.relieve()

    def _add_described(
        self, row: tuple[Any, Any, Any, Any], new_style: Any, double: Any, display_name: str, description: str
    ) -> None:
        """A scalar that needs metadata, or another form."""
        if isinstance(new_style, str):
            new_style, display_name = False, new_style or display_name
        if isinstance(double, str):
            double, description = False, double or description
        name = as_tag(row[0])
        value: Any = as_number(name, row[1])
        if new_style or double:
            from .scalar_tensor import scalar_tensor

            value = scalar_tensor(value, bool(double))
        summary = Summary(name, "scalars", DataClass.SCALAR, value, description, display_name)
        self._put(summary, "add_scalar", row[2], None, row[3])

    def add_text(
        self,
        tag: str,
        text_string: str | list[str] | tuple[str, ...],
        global_step: int | None = None,
        walltime: float | None = None,
        *,
        step: int | None = None,
    ) -> None:
        """Logs markdown text.

        The tag on disk is `<tag>/text_summary`, as torch.utils.tensorboard writes it.

        Args:
            tag: its name.
            text_string: a string, or a list of strings that the page shows as a table.
            global_step: the step, an integer; 0 when absent.
            walltime: seconds since 1970; now when absent.
            step: short name for `global_step`.

        Raises:
            InvalidSummary: it is no text, the tag is empty or the step is no integer.
        """
        name = as_tag(tag, "add_text")
        self._put(text(f"{name}/text_summary", text_string), "add_text", global_step, step, walltime)

    def _put(self, summary: Summary, call: str, global_step: Any, step: Any, walltime: Any) -> None:
        self.write(Event(*self._when(call, summary.tag, global_step, step, walltime), summary))

    def _when(self, call: str, tag: str, global_step: Any, step: Any, walltime: Any) -> tuple[int, float]:
        if step is not None:
            if global_step is not None:
                raise InvalidSummary(f"{call}({tag!r}): both global_step and step were given; keep one of them")
            global_step = step
        if self._defaults is not None:
            global_step = self._defaults[0] if global_step is None else global_step
            walltime = self._defaults[1] if walltime is None else walltime
        if global_step is None and self._auto_step:
            global_step = next(self._counts.setdefault((call, tag), itertools.count()))
        return as_step(global_step, call, tag), _wall_time(walltime, call, tag)

    @contextlib.contextmanager
    def use_metadata(
        self, *, global_step: int | None = None, walltime: float | None = None
    ) -> Generator[SummaryWriter]:
        """Gives what is logged within `with` this step and wall time, where a call names none of its own.

        Args:
            global_step: the step.
            walltime: seconds since 1970.

        Raises:
            InvalidSummary: neither was given, or one is no number.
        """
        if global_step is None and walltime is None:
            raise InvalidSummary("use_metadata: give global_step or walltime, or both")
        number = None if global_step is None else as_step(global_step, "use_metadata", "global_step")
        seconds = None if walltime is None else _wall_time(walltime, "use_metadata", "walltime")
        before = self._defaults
        self._defaults = (number, seconds)
        self._tags.clear()  # the short way knows no defaults
        try:
            yield self
        finally:
            self._defaults = before

    def write(self, event: Event) -> None:
        """Logs an event as it is; for adapters whose framework has tags of its own."""
        self._ready()
        self._sink.write(event)

    def write_scalar(self, tag: str, value: float, step: int, wall_time: float) -> None:
        """Logs one number as it is, a million of them as quickly as `add_scalar`; for adapters that checked it.

        Args:
            tag: its tag; a `TensorTag` has it written as a tensor.
            value: written as float32.
            step: within int64.
            wall_time: seconds since 1970.
        """
        self._ready()
        self._extend((tag, value, step, wall_time))
        if len(self._rows) >= _WAKE:
            self._sink.relieve()

    def write_row(self, row: Sequence[str | float]) -> None:
        """Logs several numbers as `write_scalar` does.

        Args:
            row: tag, value, step and wall time of each, one after the other.
        """
        self._ready()
        self._extend(row)
        if len(self._rows) >= _WAKE:
            self._sink.relieve()

    def _ready(self) -> None:
        """Makes sure that what is logged will be written: after `close`, and in a forked child."""
        self._closed = False
        if not self._sink.awake:
            self._sink.resume()

    def _layouts(self) -> Layouts:
        if self._charts_known is None:
            from .layouts import Layouts

            with self._lock:
                self._charts_known = self._charts_known or Layouts()
        return self._charts_known

    def _has_runs(self) -> bool:
        return self._given is None

    def _sub_run(self, name: str, call: str) -> SummaryWriter:
        writer = self._sub_runs.get(name)
        if writer is not None:
            return writer
        place = os.path.normpath(name)
        if place.startswith(os.pardir) or os.path.isabs(place) or "\0" in place:
            raise InvalidSummary(
                f"{call}: the run {name!r} would lie outside {self.log_dir!r}; take '..' out of its name"
            )
        with self._lock:
            writer = self._sub_runs.get(name)
            if writer is None:
                writer = self._sub_runs[name] = SummaryWriter(
                    joined(self.log_dir, name),
                    purge_step=self._purge_step,
                    max_queue=self._max_queue,
                    flush_secs=self._flush_secs,
                    filename_suffix=self._suffix,
                )
        return writer

    def before_close(self, function: Callable[[], object]) -> None:
        """Has a function called once, when the writer is closed next; for what logs from a thread of its own.

        Args:
            function: takes nothing. It may still log, and should return soon.
        """
        self._before_close.append(function)

    def before_flush(self, function: Callable[[], object]) -> None:
        """Has a function called at each flush until the writer is closed; for what keeps values for a while.

        Args:
            function: takes nothing. It may still log, and should return soon.
        """
        self._before_flush.append(function)

    def flush(self) -> None:
        """Returns when another process can read everything that was logged before, even after kill -9 of this one."""
        for function in self._before_flush.copy():
            function()  # here: the thread that flushes must not wait for a lock that this one holds
        elsewhere(self._flush)

    def _flush(self) -> None:
        self._begin_flush()
        self._sink.flush()
        for writer in list(self._sub_runs.values()):
            writer.flush()

    def _begin_flush(self) -> None:
        """Has a remote store sent all runs' files side by side, so that they take the time of one."""
        if self._sub_runs and is_remote(self.log_dir):
            for writer in [self, *self._sub_runs.values()]:
                writer._sink.begin_flush()

    def close(self, *, failed: bool | None = None) -> None:
        """Flushes and closes the file, which says so at its end. Logging afterwards opens another one in the same
        directory.

        Args:
            failed: whether what was logged failed. By default that is so if an exception is on its way through the
                function that calls this, as in a `finally`.
        """
        self._close(passed_through(sys._getframe(1)) if failed is None else failed)  # pyright: ignore[reportPrivateUsage]

    def _close(self, failed: bool) -> None:
        self._before_flush = []
        functions, self._before_close = self._before_close, []
        for function in functions:
            function()
        self._tags.clear()  # so that the next scalar takes the long way, which opens a file
        self._groups.clear()
        self._session.end(self._sink.write, failed)
        self._begin_flush()
        self._sink.close(failed)
        self._closed = True
        for writer in list(self._sub_runs.values()):
            writer.close(failed=failed)

    def get_logdir(self) -> str:
        """The run's directory."""
        return self.log_dir

    @property
    def logdir(self) -> str:
        """The run's directory, by tensorboardX's name."""
        return self.log_dir

    @property
    def file_writer(self) -> FileWriter | None:
        """Takes ready-made protobuf messages; None while the writer is closed, as torch has it."""
        return None if self._closed else FileWriter(self)

    @property
    def all_writers(self) -> dict[str, FileWriter] | None:
        """The run's directory and those of its sub-runs, each with its `file_writer`; None while closed."""
        if self._closed:
            return None
        every = [self, *self._sub_runs.values()]
        return {writer.log_dir: FileWriter(writer) for writer in every}

    def _get_file_writer(self) -> FileWriter:
        """What code written for torch's or tensorboardX's inner parts asks for."""
        return FileWriter(self)

    def __enter__(self) -> SummaryWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close(not ended_well(error))

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickled, as for a process that is spawned: a writer of the same directory, which opens a file of its own."""
        arguments = {
            "log_dir": self._place or None,
            "max_queue": self._max_queue,
            "flush_secs": self._flush_secs,
            "filename_suffix": self._suffix,
            "sink": self._given,
            "auto_step": self._auto_step,
        }
        return _unpickled, (type(self), arguments)

    def __repr__(self) -> str:
        return f"SummaryWriter({self.log_dir!r})" if self.log_dir else f"SummaryWriter(sink={self._given!r})"


def _unpickled(kind: type[SummaryWriter], arguments: dict[str, Any]) -> SummaryWriter:
    writer = kind.__new__(kind)
    SummaryWriter.__init__(writer, **arguments)
    return writer


def _one_directory(
    log_dir: str | os.PathLike[str] | None, logdir: str | os.PathLike[str] | None
) -> str | os.PathLike[str] | None:
    if log_dir is not None and logdir is not None and os.fspath(log_dir) != os.fspath(logdir):
        raise InvalidLogdir(
            f"SummaryWriter: both log_dir={log_dir!r} and logdir={logdir!r} were given; keep one of them"
        )
    return logdir if log_dir is None else log_dir


def _wall_time(walltime: Any, call: str, tag: str) -> float:
    if walltime is None:
        return _now()
    try:
        seconds = float(walltime)
    except (TypeError, ValueError):
        raise InvalidSummary(
            f"{call}({tag!r}): expected walltime in seconds since 1970, got {type(walltime).__name__}; use time.time()"
        ) from None
    if seconds != seconds:
        raise InvalidSummary(f"{call}({tag!r}): walltime is NaN; use time.time(), or leave it out")
    return seconds


_writers: weakref.WeakSet[SummaryWriter] = weakref.WeakSet()


def _after_fork_in_child() -> None:
    for writer in list(_writers):
        writer._lock = threading.RLock()  # pyright: ignore[reportPrivateUsage]
        writer._tags.clear()  # pyright: ignore[reportPrivateUsage]  # its next scalar takes the long way, which starts the thread
        writer._groups.clear()  # pyright: ignore[reportPrivateUsage]


if sys.platform != "win32":
    os.register_at_fork(after_in_child=_after_fork_in_child)
