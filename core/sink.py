"""Where events go. Three methods make a sink, so that wrapping one costs three lines.

`FileSink` appends to an event file, `AsyncSink` moves another sink's work to a background thread, `TeeSink`
feeds several, `MemorySink` keeps events in a list for tests. A sink that also has `write_scalars` is given
scalars as columns, which is how a million of them cost a second and not a minute.
"""

from __future__ import annotations

import errno
import itertools
import os
import socket
import sys
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Protocol, runtime_checkable

from .errors import InvalidLogdir, warn_once
from .summary import DataClass, Event, Summary
from .values import Later
from .wire import encode_event, encode_file_version, encode_session_start

__all__ = ["AsyncSink", "FileSink", "MemorySink", "ScalarSink", "Sink", "TeeSink"]


class Sink(Protocol):
    """Takes events, in order."""

    def write(self, event: Event, /) -> None:
        """Takes one event."""
        ...

    def flush(self) -> None:
        """A barrier: returns when another process can read every event written before."""
        ...

    def close(self) -> None:
        """Flushes and lets go of what the sink holds. Closing twice is no error."""
        ...


@runtime_checkable
class ScalarSink(Sink, Protocol):
    """A sink that takes scalars in bulk as well."""

    def write_scalars(
        self, tags: Sequence[str], values: Sequence[float], steps: Sequence[int], wall_times: Sequence[float], /
    ) -> None:
        """Takes scalars as columns of equal length; the same as one `write` for each."""
        ...


def _deliver(
    sink: Sink, tags: Sequence[str], values: Sequence[float], steps: Sequence[int], wall_times: Sequence[float]
) -> None:
    """Scalars to a sink of either kind."""
    if isinstance(sink, ScalarSink):
        sink.write_scalars(tags, values, steps, wall_times)
        return
    for tag, value, step, wall_time in zip(tags, values, steps, wall_times, strict=True):
        sink.write(Event(step, wall_time, Summary(tag, "scalars", DataClass.SCALAR, value)))


class MemorySink:
    """Keeps events in `events`: the test double for code that logs. `closed` tells whether it was closed."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.closed = False

    def write(self, event: Event, /) -> None:
        self.events.append(event)

    def flush(self) -> None:
        pass

    def close(self) -> None:
        self.closed = True


class TeeSink:
    """Passes everything to several sinks. One that fails does not keep the others from their share."""

    def __init__(self, *sinks: Sink) -> None:
        self._sinks = sinks

    def _each(self, call: Callable[[Sink], None]) -> None:
        failure: Exception | None = None
        for sink in self._sinks:
            try:
                call(sink)
            except Exception as error:
                failure = failure or error
        if failure is not None:
            raise failure

    def write(self, event: Event, /) -> None:
        self._each(lambda sink: sink.write(event))

    def write_scalars(
        self, tags: Sequence[str], values: Sequence[float], steps: Sequence[int], wall_times: Sequence[float], /
    ) -> None:
        self._each(lambda sink: _deliver(sink, tags, values, steps, wall_times))

    def flush(self) -> None:
        self._each(lambda sink: sink.flush())

    def close(self) -> None:
        self._each(lambda sink: sink.close())


class FileSink:
    """Appends to an event file of its own, `events.out.tfevents.<secs>.<host>.<pid>.<ns><suffix>`.

    Every write is one system call and whole: when it fails halfway (a full disk), what it began is cut off
    again, so that it may be tried anew. Nothing is buffered here, so `flush` has nothing left to do: what
    was written survives the end of this process, by kill -9 too.

    Args:
        log_dir: the run's directory; made if need be.
        filename_suffix: appended to the file's name.
        purge_step: says that a restarted run goes on from this step, so that readers drop what an earlier
            file has at that step and after.

    The file is made by `open`, or else by the first write.

    Raises:
        InvalidLogdir: `log_dir` is, or lies below, something that is no directory.
    """

    def __init__(
        self, log_dir: str | os.PathLike[str], *, filename_suffix: str = "", purge_step: int | None = None
    ) -> None:
        self.log_dir = os.fspath(log_dir)
        self.path: str | None = None
        self._suffix = filename_suffix
        self._purge_step = purge_step
        self._fd: int | None = None
        self._end = 0
        self._encoder: Any = None
        _check_log_dir(self.log_dir)
        _file_sinks.add(self)

    def open(self) -> None:
        """Makes the file, unless it is open.

        Raises:
            OSError: it cannot be made.
        """
        if self._fd is None:
            self._open()

    def _open(self) -> int:
        from .record import frame

        os.makedirs(self.log_dir, exist_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
        host = socket.gethostname().replace(os.sep, "_")
        while True:
            seconds, nanoseconds = divmod(time.time_ns(), 1_000_000_000)
            name = f"events.out.tfevents.{seconds:010d}.{host}.{os.getpid()}.{nanoseconds:09d}{self._suffix}"
            path = os.path.join(self.log_dir, name)
            try:
                fd = os.open(path, flags, 0o666)
                break
            except FileExistsError:
                continue
        self._fd, self._end, self.path = fd, 0, path
        now = time.time()
        first = frame(encode_file_version(now, self._purge_step or 0))
        if self._purge_step is not None:
            first += frame(encode_session_start(now, self._purge_step))
        self._append(first)
        return fd

    def _append(self, data: bytes) -> None:
        fd = self._fd if self._fd is not None else self._open()
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[os.write(fd, rest) :]
        except OSError:
            self._cut_back(fd)
            raise
        self._end += len(data)

    def _cut_back(self, fd: int) -> None:
        try:
            os.ftruncate(fd, self._end)
            os.lseek(fd, self._end, os.SEEK_SET)
        except OSError:  # a torn record stays; readers skip it, and what follows goes into a new file
            os.close(fd)
            self._fd = None

    def write(self, event: Event, /) -> None:
        from .record import frame

        self._append(frame(encode_event(event)))

    def write_scalars(
        self, tags: Sequence[str], values: Sequence[float], steps: Sequence[int], wall_times: Sequence[float], /
    ) -> None:
        if self._encoder is None:
            from .scalars import ScalarEncoder

            self._encoder = ScalarEncoder()
        self._append(self._encoder.encode(tags, values, steps, wall_times))

    def flush(self) -> None:
        pass

    def close(self) -> None:
        fd, self._fd = self._fd, None
        if fd is not None:
            os.close(fd)

    def _after_fork(self) -> None:
        """In a forked child: the file is the parent's; the child opens its own at its first write."""
        self.close()
        self._purge_step = None


def _check_log_dir(log_dir: str) -> None:
    if "://" in log_dir:
        raise InvalidLogdir(
            f"log_dir={log_dir!r}: this version writes to local directories only; give a local path and copy it there"
        )
    if "\0" in log_dir or not log_dir:
        raise InvalidLogdir(f"log_dir={log_dir!r} is no directory name; give a path such as 'runs/first'")
    place = os.path.abspath(log_dir)
    while not os.path.lexists(place) and os.path.dirname(place) != place:
        place = os.path.dirname(place)
    if os.path.exists(place) and not os.path.isdir(place):
        raise InvalidLogdir(f"log_dir={log_dir!r}: {place!r} is a file; give a directory for the run's event files")


class AsyncSink:
    """Moves a sink's work to one background thread that all such sinks of the process share.

    Order is kept. `flush` returns when every earlier event has reached the inner sink and that one has
    flushed. An inner sink that fails with an OSError warns once and is tried again at every turn; meanwhile
    events wait in a bounded backlog, then the newest are dropped and counted (`lost`). Events that fail in
    any other way are dropped and counted at once. Nothing here raises into training.

    Args:
        inner: where events go.
        interval: seconds after which what waits is written, at the latest.
        wake_at: this many events other than scalars wake the thread at once.
    """

    ROWS_WAKE = 4 * 65_536  # list cells (four a row) that wake the thread ahead of time
    ROWS_MAX = 4 * 1_048_576  # cells at which the caller drains, which bounds memory
    BACKLOG_MAX = 1_048_576  # rows kept while the inner sink fails
    BATCH = 65_536
    BYTES_MAX = 256 << 20  # of values still to be made

    def __init__(self, inner: Sink, *, interval: float = 0.25, wake_at: int = 10) -> None:
        self.inner = inner
        self.interval = interval
        self.lost = 0
        self._serial = next(_serials)  # what its warnings are counted by; an id() comes back after its object is gone
        # One list for the sink's whole life, four cells a row: list.extend and slice deletion are atomic,
        # so callers need no lock, and no row can go to a list that nobody reads any more.
        self.rows: list[Any] = []
        self._wake_at = wake_at
        self._waiting = self._waiting_bytes = 0
        self._lock = threading.RLock()
        self._backlog: list[list[Any]] = []
        self._closed = False
        self.resume()

    def resume(self) -> None:
        """Makes sure that the background thread looks after this sink; needed again in a forked child."""
        _pump.serve(self)

    def write(self, event: Event, /) -> None:
        self.rows.extend((None, event, 0, 0.0))
        self._waiting += 1
        if isinstance(event.summary.value, Later):
            self._waiting_bytes += event.summary.value.nbytes
            if self._waiting_bytes > self.BYTES_MAX:
                self.drain()  # the caller makes them itself: memory stays bounded, and nothing is lost
                return
        if self._waiting >= self._wake_at:
            _pump.wake()

    def relieve(self) -> None:
        """Called by a writer whose rows pile up: wakes the thread, and drains in its stead far above that."""
        _pump.wake()
        if len(self.rows) < self.ROWS_MAX:
            return
        if self._lock.acquire(timeout=1.0):
            try:
                self._drain()
            finally:
                self._lock.release()
        else:  # the disk hangs; waiting for it would hang training too
            over = len(self.rows) - self.ROWS_MAX
            over -= over % 4
            if over > 0:
                del self.rows[-over:]
                self._lose(over // 4, "its disk does not answer")

    def drain(self) -> None:
        """Hands what waits to the inner sink. Never raises."""
        with self._lock:
            self._drain()

    def _drain(self) -> None:
        count = len(self.rows)
        if count:
            part = self.rows[:count]
            del self.rows[:count]
            self._waiting = self._waiting_bytes = 0
            self._backlog += [part[i : i + 4 * self.BATCH] for i in range(0, count, 4 * self.BATCH)]
        while self._backlog:
            part = self._backlog[0]
            try:
                self._pass_on(part)
            except OSError as error:
                self._warn(error)
                self._trim()
                return
            except Exception as error:
                self._lose(len(part) // 4, f"the sink raised {type(error).__name__}: {error}")
            del self._backlog[0]

    def _pass_on(self, part: list[Any]) -> None:
        """Delivers a part's rows in order, taking off what is done, so that a retry repeats nothing."""
        while part:
            tags = part[0::4]
            try:
                end = tags.index(None)
            except ValueError:
                end = len(tags)
            if end:
                _deliver(self.inner, tags[:end], part[1 : 4 * end : 4], part[2 : 4 * end : 4], part[3 : 4 * end : 4])
                del part[: 4 * end]
            else:
                try:
                    event: Event = part[1]
                    self.inner.write(replace(event, summary=event.summary.settled()))
                except OSError:
                    raise
                except Exception as error:  # this event's own fault: it would fail for ever, and hold up the others
                    self._lose(1, f"the sink raised {type(error).__name__}: {error}")
                del part[:4]

    def _trim(self) -> None:
        kept = sum(map(len, self._backlog)) // 4
        lost = 0
        while self._backlog and kept > self.BACKLOG_MAX:
            rows = len(self._backlog.pop()) // 4
            kept -= rows
            lost += rows
        if lost:
            self._lose(lost, "it still cannot be written")

    def _lose(self, count: int, why: str) -> None:
        self.lost += count
        warn_once(
            (self._serial, "lost"), f"{self._name()}: {count} events were dropped, because {why}; training goes on"
        )

    def _warn(self, error: Exception) -> None:
        advice = "free some space" if getattr(error, "errno", None) == errno.ENOSPC else "look at the directory"
        warn_once(
            (self._serial, type(error), getattr(error, "errno", None)),
            f"{self._name()}: writing failed ({type(error).__name__}: {error}); {advice}. "
            "Training goes on, and what was logged is kept and tried again while it fits in memory.",
        )

    def _name(self) -> str:
        return getattr(self.inner, "log_dir", None) or type(self.inner).__name__

    def flush(self) -> None:
        with self._lock:
            self._drain()
            try:
                self.inner.flush()
            except Exception as error:
                self._warn(error)

    def close(self) -> None:
        with self._lock:
            if self._closed:
                return
            self._closed = True
            self.flush()
            unsaved = sum(map(len, self._backlog)) // 4
            self._backlog.clear()
            try:
                self.inner.close()
            except Exception as error:
                self._warn(error)
        _pump.dismiss(self)
        if unsaved or self.lost:
            self.lost += unsaved
            warn_once(
                (self._serial, "closed"),
                f"{self._name()}: closed with {self.lost} events lost, which could not be written",
            )

    def _after_fork(self) -> None:
        """In a forked child: what waits is the parent's, which writes it; who held a lock may be gone."""
        self._lock = threading.RLock()
        self.rows.clear()
        self._backlog.clear()
        self._waiting = self._waiting_bytes = 0


class _Pump:
    """The background thread, and the sinks that it looks after. It holds them until they are closed."""

    def __init__(self) -> None:
        self._sinks: dict[int, AsyncSink] = {}
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None

    def serve(self, sink: AsyncSink) -> None:
        with self._lock:
            self._sinks[id(sink)] = sink
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="tallyboard", daemon=True)
                self._thread.start()
            elif sink.interval < 0.25:
                self._wake.set()  # its turn comes sooner than the one the thread waits for

    def dismiss(self, sink: AsyncSink) -> None:
        with self._lock:
            self._sinks.pop(id(sink), None)

    def wake(self) -> None:
        if not self._wake.is_set():
            self._wake.set()

    def _run(self) -> None:
        while True:
            with self._lock:
                sinks = list(self._sinks.values())
            interval = min((sink.interval for sink in sinks), default=0.25)
            sinks.clear()
            self._wake.wait(max(0.005, min(0.25, interval)))
            self._wake.clear()
            with self._lock:
                sinks = [sink for sink in self._sinks.values() if sink.rows or sink._backlog]  # pyright: ignore[reportPrivateUsage]
            for sink in sinks:
                sink.drain()

    def after_fork(self) -> None:
        sinks = list(self._sinks.values())
        self.__init__()
        for sink in sinks:
            sink._after_fork()  # pyright: ignore[reportPrivateUsage]


_serials = itertools.count()
_pump = _Pump()
_file_sinks: weakref.WeakSet[FileSink] = weakref.WeakSet()


def _after_fork_in_child() -> None:
    _pump.after_fork()
    for sink in list(_file_sinks):
        sink._after_fork()  # pyright: ignore[reportPrivateUsage]


if sys.platform != "win32":
    os.register_at_fork(after_in_child=_after_fork_in_child)
