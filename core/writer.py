"""`SummaryWriter`: the user's handle on one run."""

from __future__ import annotations

import os
import socket
import sys
import threading
import time
import weakref
from types import TracebackType
from typing import Any

from .adds import Adds
from .errors import InvalidSummary, warn_once
from .sink import AsyncSink, FileSink, Sink
from .summary import STEP_MAX, STEP_MIN, Event, Summary, as_number, as_step, as_tag, text

__all__ = ["SummaryWriter"]

_now = time.time
_WAKE = AsyncSink.ROWS_WAKE
_INTERVAL = 0.25  # seconds after which logged values are on disk, so that a live page shows them within one


class SummaryWriter(Adds):
    """Writes summaries of one run into an event file.

    `add_*` copies the value and returns; a background thread writes. Several threads may share a writer,
    a forked child goes on in a file of its own, and writing after `close` opens another file.

    Args:
        log_dir: the run's directory. Default: `runs/<month><day>_<time>_<host><comment>`.
        comment: appended to the default directory's name; without effect when `log_dir` is given.
        purge_step: the step from which a restarted run goes on; readers then drop what an earlier file of
            the run has at this step and after.
        max_queue: this many waiting summaries other than scalars are written at once, ahead of time.
        flush_secs: the longest that anything waits to be written, in seconds. A quarter of a second is
            never exceeded, so that only smaller values change anything.
        filename_suffix: appended to the event file's name.
        sink: where events go instead of a file, for example `MemorySink()`.

    Raises:
        InvalidLogdir: `log_dir` is a file, or no local path.
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
        *,
        sink: Sink | None = None,
    ) -> None:
        if log_dir is None and sink is None:
            stamp = time.strftime("%b%d_%H-%M-%S")
            log_dir = os.path.join("runs", f"{stamp}_{socket.gethostname()}{comment}")
        self.log_dir: str = "" if log_dir is None else os.fspath(log_dir)
        self._purge_step = None if purge_step is None else as_step(purge_step, "SummaryWriter", "purge_step")
        self._max_queue = max_queue
        self._interval = min(max(float(flush_secs), 0.0), _INTERVAL)
        self._suffix = filename_suffix
        self._given = sink
        self._lock = threading.Lock()
        self._tags: set[Any] = set()  # tags known to be good, whose scalars take the short way
        self._open()
        _writers.add(self)

    def _open(self) -> None:
        inner = self._given
        if inner is None:
            inner = FileSink(self.log_dir, filename_suffix=self._suffix, purge_step=self._purge_step)
            try:
                inner.open()
            except OSError as error:
                warn_once(
                    (os.path.abspath(self.log_dir), error.errno),
                    f"{self.log_dir}: the event file cannot be made ({type(error).__name__}: {error}). "
                    "Training goes on, and what is logged is kept and tried again while it fits in memory.",
                )
        self._sink = AsyncSink(inner, interval=self._interval, wake_at=self._max_queue)
        self._rows = self._sink.rows
        self._extend = self._rows.extend
        self._pid = os.getpid()
        self._finalizer = weakref.finalize(self, self._sink.close)  # runs at interpreter exit too

    def add_scalar(
        self,
        tag: str,
        scalar_value: Any,
        global_step: int | None = None,
        walltime: float | None = None,
        *,
        step: int | None = None,
    ) -> None:
        """Logs one number.

        Args:
            tag: its name; the part before the first `/` groups it on the page.
            scalar_value: a number, or an array or tensor of one element (one on a device is copied to the
                host, once). Written as float32; NaN and infinity are kept.
            global_step: the step, an integer; 0 when absent.
            walltime: seconds since 1970; now when absent.
            step: short name for `global_step`.

        Raises:
            InvalidSummary: the value is not one number, the tag is empty or the step is no integer.
        """
        if global_step is None:
            global_step = step
        elif step is not None:
            raise InvalidSummary(f"add_scalar({tag!r}): both global_step and step were given; keep one of them")
        if (
            type(scalar_value) is float
            and walltime is None
            and type(global_step) is int
            and type(tag) is str
            and tag in self._tags
            and STEP_MIN <= global_step <= STEP_MAX
        ):
            self._extend((tag, scalar_value, global_step, _now()))
            if len(self._rows) >= _WAKE:
                self._sink.relieve()
            return
        self._add_scalar(tag, scalar_value, global_step, walltime)

    def _add_scalar(self, tag: Any, value: Any, step: Any, walltime: Any) -> None:
        """The long way: checks, converts, and makes sure that the sink is there."""
        name = as_tag(tag)
        number = as_number(name, value)
        row = (name, number, as_step(step, "add_scalar", name), _wall_time(walltime, "add_scalar", name))
        self._ready()
        self._tags.add(name)
        self._extend(row)
        if len(self._rows) >= _WAKE:
            self._sink.relieve()

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
        if step is not None:
            if global_step is not None:
                raise InvalidSummary(f"{call}({summary.tag!r}): both global_step and step were given; keep one of them")
            global_step = step
        number = as_step(global_step, call, summary.tag)
        self.write(Event(number, _wall_time(walltime, call, summary.tag), summary))

    def write(self, event: Event) -> None:
        """Logs an event as it is; for adapters whose framework has tags of its own."""
        self._ready()
        self._sink.write(event)

    def _ready(self) -> None:
        if self._finalizer.alive and self._pid == os.getpid():
            return
        with self._lock:
            if not self._finalizer.alive:
                self._open()
            elif self._pid != os.getpid():
                self._pid = os.getpid()
                self._sink.resume()
                _close_at_worker_exit(self._sink)

    def flush(self) -> None:
        """Returns when another process can read everything that was logged before, even after kill -9 of this one."""
        self._sink.flush()

    def close(self) -> None:
        """Flushes and closes the file. Logging afterwards opens another one in the same directory."""
        self._tags.clear()  # so that the next scalar takes the long way, which opens a file
        self._finalizer()

    def get_logdir(self) -> str:
        """The run's directory."""
        return self.log_dir

    def __enter__(self) -> SummaryWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"SummaryWriter({self.log_dir!r})" if self.log_dir else f"SummaryWriter(sink={self._given!r})"


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


def _close_at_worker_exit(sink: AsyncSink) -> None:
    """Workers of multiprocessing end without the interpreter's exit handlers; theirs is asked instead."""
    util = sys.modules.get("multiprocessing.util")
    if util is not None:
        util.Finalize(None, sink.close, exitpriority=0)


_writers: weakref.WeakSet[SummaryWriter] = weakref.WeakSet()


def _after_fork_in_child() -> None:
    for writer in list(_writers):
        writer._lock = threading.Lock()  # pyright: ignore[reportPrivateUsage]
        writer._tags.clear()  # pyright: ignore[reportPrivateUsage]  # its next scalar takes the long way, which starts the thread


if sys.platform != "win32":
    os.register_at_fork(after_in_child=_after_fork_in_child)
