"""Where events go. Three methods make a sink, so that wrapping one costs three lines.

`FileSink` appends to an event file, `AsyncSink` moves another sink's work to a background thread, `TeeSink`
feeds several, `MemorySink` keeps events in a list for tests. A sink that also has `write_scalars` is given
scalars as columns, which is how a million of them cost a second and not a minute; one that has `write_groups`
is given what `SummaryWriter.log` logs, many scalars for each event; one that has `mark` is told,
before it is closed, that this is all and whether it failed.
"""

from __future__ import annotations

import errno
import itertools
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Protocol, runtime_checkable

from .ending import rest, watch
from .errors import warn_once
from .filesink import FileSink
from .hparams import failing
from .pump import aside, ask, elsewhere, in_main_thread
from .pump import pump as _pump
from .summary import DataClass, Event, Summary
from .values import Group, Later, TensorTag

__all__ = [
    "AsyncSink",
    "FileSink",
    "GroupSink",
    "MemorySink",
    "NullSink",
    "ScalarSink",
    "Sink",
    "TeeSink",
    "open_sinks",
]


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


@runtime_checkable
class GroupSink(Sink, Protocol):
    """A sink that takes events of many scalars each."""

    def write_groups(self, groups: Sequence[Group], steps: Sequence[int], wall_times: Sequence[float], /) -> None:
        """Takes groups of scalars that share a step and a wall time; columns of equal length."""
        ...


def _deliver_groups(sink: Sink, groups: Sequence[Group], steps: Sequence[int], wall_times: Sequence[float]) -> None:
    """Groups to a sink of any kind; one that knows none is given the single scalars."""
    if isinstance(sink, GroupSink):
        sink.write_groups(groups, steps, wall_times)
        return
    sizes = [len(tags) for tags, _ in groups]
    repeated = [
        [x for x, size in zip(column, sizes, strict=True) for _ in range(size)] for column in (steps, wall_times)
    ]
    tags, values = ([x for group in groups for x in group[i]] for i in (0, 1))
    _deliver(sink, tags, values, *repeated)  # type: ignore[arg-type]


def _deliver(
    sink: Sink, tags: Sequence[str], values: Sequence[float], steps: Sequence[int], wall_times: Sequence[float]
) -> None:
    """Scalars to a sink of either kind."""
    if isinstance(sink, ScalarSink):
        sink.write_scalars(tags, values, steps, wall_times)
        return
    for tag, value, step, wall_time in zip(tags, values, steps, wall_times, strict=True):
        if isinstance(tag, TensorTag):
            from .scalar_tensor import scalar_tensor

            number = scalar_tensor(value, double=False)
            summary = Summary(str(tag), "scalars", DataClass.SCALAR, number, tag.description)
        else:
            summary = Summary(tag, "scalars", DataClass.SCALAR, value)
        sink.write(Event(step, wall_time, summary))


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


class NullSink:
    """Lets everything go: the sink of a writer that shall write nothing."""

    def write(self, event: Event, /) -> None:
        pass

    def write_scalars(
        self, tags: Sequence[str], values: Sequence[float], steps: Sequence[int], wall_times: Sequence[float], /
    ) -> None:
        pass

    def write_groups(self, groups: Sequence[Group], steps: Sequence[int], wall_times: Sequence[float], /) -> None:
        pass

    def flush(self) -> None:
        pass

    def close(self) -> None:
        pass


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

    def write_groups(self, groups: Sequence[Group], steps: Sequence[int], wall_times: Sequence[float], /) -> None:
        self._each(lambda sink: _deliver_groups(sink, groups, steps, wall_times))

    def flush(self) -> None:
        self._each(lambda sink: sink.flush())

    def close(self) -> None:
        self._each(lambda sink: sink.close())

    def mark(self, failed: bool) -> None:
        """Tells those that keep it how things ended."""
        self._each(lambda sink: getattr(sink, "mark", _ignore)(failed))


def _weight(part: list[Any]) -> int:
    """How many events a part holds, each scalar of a group counted."""
    return sum(len(cell[0]) if type(cell) is tuple else 1 for cell in part[1::4])  # pyright: ignore[reportUnknownArgumentType]


class AsyncSink:
    """Moves a sink's work to one background thread that all such sinks of the process share.

    Order is kept. `flush` returns when every earlier event has reached the inner sink and that one has
    flushed. An inner sink that fails with an OSError warns once and is tried again at every turn; meanwhile
    events wait in a bounded backlog, then the newest are dropped and counted (`lost`). Events that fail in
    any other way are dropped and counted at once. Nothing here raises into training.

    Closing is not the end: what is given to it later opens the inner sink again. A program that ends, by SIGTERM
    too, closes what is open.

    Args:
        inner: where events go.
        interval: seconds after which what waits is written, at the latest.
        wake_at: this many events other than scalars wake the thread at once.
        before_close: given `write`, and whether what was logged failed (None when it is to find out), before each
            closing: for what stands at the end.
    """

    ROWS_WAKE = 4 * 65_536  # list cells (four a row) that wake the thread ahead of time
    ROWS_MAX = 4 * 1_048_576  # cells at which the caller waits for them to be written, which bounds memory
    BACKLOG_MAX = 1_048_576  # rows kept while the inner sink fails
    BATCH = 65_536
    PATIENCE = 5.0  # seconds in which a disk that is not hung takes something
    BYTES_MAX = 256 << 20  # of values still to be made, and of groups
    BYTES_WAKE = 1 << 20  # of values still to be made, from which on the thread starts at once, beside the caller
    GROUP_BYTES = 40  # what a scalar of a group takes while it waits

    def __init__(
        self,
        inner: Sink,
        *,
        interval: float = 0.25,
        wake_at: int = 10,
        before_close: Callable[[Callable[[Event], None], bool | None], None] | None = None,
    ) -> None:
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
        self._passed, self._stuck = 0, -1  # how often the inner sink took something, and when it last hung
        self._before_close = before_close
        self._shut = False  # the inner sink is closed
        self._failed = False  # how what was logged ended
        self.awake = self.forsaken = False
        self.resume()

    def resume(self) -> None:
        """Makes sure that the background thread looks after this sink; needed after `close`, and in a forked child."""
        self.awake, self._shut = True, False
        _pump.serve(self)
        watch()

    def open(self) -> None:
        """Opens the inner sink now, where it has that, so that trouble shows before anything is logged."""
        elsewhere(self._open)

    def _open(self) -> None:
        with self._lock:
            try:
                getattr(self.inner, "open", _nothing)()
            except OSError as error:
                self._warn(error, "the event file cannot be made")

    def write(self, event: Event, /) -> None:
        if not self.awake:
            self.resume()
        self.rows.extend((None, event, 0, 0.0))
        self._waiting += 1
        if isinstance(event.summary.value, Later):
            self._waiting_bytes += event.summary.value.nbytes
            if self._waiting_bytes > self.BYTES_MAX:
                if not self._drained():  # the caller waited: memory stays bounded
                    self._drop(1)
                return
        if self._waiting >= self._wake_at or self._waiting_bytes >= self.BYTES_WAKE:
            _pump.wake()

    def write_group(self, tags: tuple[str, ...], values: tuple[float, ...], step: int, wall_time: float) -> None:
        """Takes scalars that share an event."""
        if not self.awake:
            self.resume()
        self.rows.extend((None, (tags, values), step, wall_time))
        self._waiting_bytes += self.GROUP_BYTES * len(values)
        if self._waiting_bytes > self.BYTES_MAX:
            if not self._drained():
                self._drop(1)
        elif len(self.rows) >= self.ROWS_WAKE:
            self.relieve()

    def relieve(self) -> None:
        """Called by a writer whose rows pile up: wakes the thread, and waits for them to be written far above that."""
        _pump.wake()
        if len(self.rows) >= self.ROWS_MAX and not self._drained():
            self._drop((len(self.rows) - self.ROWS_MAX) // 4)

    def _drained(self) -> bool:
        """Has what waits written, and waits as long as the inner sink takes anything.

        One that takes nothing for a while hangs. Waiting for it would hang training too: until it takes something
        again, nobody waits. It is another thread that is caught in it, the pump's or one of its own.
        """
        if self._stuck == self._passed:
            return False
        request = ask(self.drain)
        while True:
            seen = self._passed
            if request.wait(self.PATIENCE):
                return True
            if self._passed == seen:
                self._stuck = seen
                return False

    def _drop(self, rows: int) -> None:
        """Lets the newest rows go, which nothing can take."""
        if rows > 0:
            weight = _weight(self.rows[-4 * rows :])
            del self.rows[-4 * rows :]
            self._lose(weight, "its disk does not answer")

    def waits(self) -> bool:
        """Whether something waits to be written."""
        return bool(self.rows or self._backlog)

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
                self._lose(_weight(part), f"the sink raised {type(error).__name__}: {error}")
            del self._backlog[0]

    def _pass_on(self, part: list[Any]) -> None:
        """Delivers a part's rows in order, taking off what is done, so that a retry repeats nothing."""
        tags = part[0::4]
        at, count = 0, len(tags)
        try:
            while at < count:
                if tags[at] is not None:
                    try:
                        end = tags.index(None, at)
                    except ValueError:
                        end = count
                    columns = (part[4 * at + i : 4 * end : 4] for i in (1, 2, 3))
                    _deliver(self.inner, tags[at:end], *columns)
                elif type(part[4 * at + 1]) is tuple:
                    end = at + 1
                    while end < count and tags[end] is None and type(part[4 * end + 1]) is tuple:
                        end += 1
                    _deliver_groups(self.inner, *(part[4 * at + i : 4 * end : 4] for i in (1, 2, 3)))
                else:
                    self._write_event(part[4 * at + 1])
                    end = at + 1
                at = end
                self._passed += 1
        finally:
            del part[: 4 * at]

    def _write_event(self, event: Event) -> None:
        try:
            self.inner.write(replace(event, summary=event.summary.settled()))
        except OSError:
            raise
        except Exception as error:  # this event's own fault: it would fail for ever, and hold up the others
            self._lose(1, f"the sink raised {type(error).__name__}: {error}")

    def _trim(self) -> None:
        kept = sum(map(_weight, self._backlog))
        lost = 0
        while self._backlog and kept > self.BACKLOG_MAX:
            rows = _weight(self._backlog.pop())
            kept -= rows
            lost += rows
        if lost:
            self._lose(lost, "it still cannot be written")

    def _lose(self, count: int, why: str) -> None:
        self.lost += count
        warn_once(
            (self._serial, "lost"), f"{self._name()}: {count} events were dropped, because {why}; training goes on"
        )

    def _warn(self, error: Exception, what: str = "writing failed") -> None:
        number = getattr(error, "errno", None)
        disk = self.inner.disk() if isinstance(self.inner, FileSink) and number in _OF_THE_DISK else None
        warn_once(
            (self._serial if disk is None else ("disk", disk), type(error), number),
            f"{self._name()}: {what} ({type(error).__name__}: {error}); {_CURES.get(number, 'look at the directory')}. "
            "Training goes on, and what is logged is kept and tried again while it fits in memory.",
        )

    def _name(self) -> str:
        return getattr(self.inner, "log_dir", None) or type(self.inner).__name__

    def flush(self) -> None:
        elsewhere(self._flush)

    def _flush(self) -> None:
        self._begin_flush()
        wait = getattr(self.inner, "wait", None)
        if wait is not None:  # without the lock: the thread that all sinks share may want it
            wait()

    def begin_flush(self) -> None:
        """The part of `flush` that takes no time, where the inner sink has such a part; else all of it."""
        elsewhere(self._begin_flush)

    def _begin_flush(self) -> None:
        with self._lock:
            self._drain()
            try:
                getattr(self.inner, "begin_flush", self.inner.flush)()
            except Exception as error:
                self._warn(error)

    def close(self, failed: bool | None = None) -> None:
        """Flushes and closes the inner sink.

        Args:
            failed: for `before_close`, and for an inner sink that keeps it.
        """
        if self._before_close is not None:
            self._before_close(self.write, failed)
        if self.awake or self.rows or not self._shut:
            self._failed = failing() if failed is None else failed  # of this thread; another may do the closing
            elsewhere(self._close)
            rest()

    def _close(self) -> None:
        with self._lock:
            if self._shut and not self.awake and not self.rows:
                return
            self.awake = False  # what comes from here on wakes it again, or is found by the thread
            self._drain()
            try:
                getattr(self.inner, "mark", _ignore)(self._failed)
            except Exception as error:
                self._warn(error)
        self._flush()
        with self._lock:
            if self._shut:  # by another thread, meanwhile
                return
            unsaved = sum(map(_weight, self._backlog))
            self._backlog.clear()
            try:
                self.inner.close()
            except Exception as error:
                self._warn(error)
            self._shut = True
            _pump.dismiss(self)
            if self.awake:  # another thread went on logging, and knows nothing of this
                self.resume()
        if unsaved or self.lost:
            self.lost += unsaved
            warn_once(
                (self._serial, "closed"),
                f"{self._name()}: closed with {self.lost} events lost, which could not be written",
            )

    def let_go(self) -> None:
        """Its writer is gone. Closes it, but never waits where that might be waited for.

        An object can be found to be garbage anywhere, in the midst of another sink's writing too; except in the main
        thread, which takes no part in that. A remote store is waited for nowhere.
        """
        if in_main_thread() and not hasattr(self.inner, "wait"):
            self.close()
        elif (self.awake or self.rows) and not (hasattr(self.inner, "wait") and aside(self.close)):
            self.forsaken = True  # the thread that all sinks share closes it; one that takes its time has its own
            _pump.serve(self)
            _pump.wake()

    def pause(self, seconds: float) -> bool:
        """Waits until nobody writes, and keeps it so until `go_on`; False when that takes longer."""
        return self._lock.acquire(timeout=seconds)

    def go_on(self) -> None:
        """Ends a pause."""
        self._lock.release()

    def after_fork(self) -> None:
        """In a forked child: what waits is the parent's, which writes it; who held a lock may be gone."""
        self._lock = threading.RLock()
        self.rows.clear()
        self._backlog.clear()
        self._waiting = self._waiting_bytes = self.lost = 0
        self.awake, self._shut = False, True


_OF_THE_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EROFS}  # a hundred writers that suffer from it need one warning
_CURES: dict[int | None, str] = {
    errno.ENOSPC: "free some space",
    errno.EDQUOT: "free some space, or have your quota raised",
    errno.EFBIG: "have the limit on the size of a file raised (ulimit -f)",
    errno.EACCES: "make the directory writable, or log elsewhere",
    errno.EPERM: "make the directory writable, or log elsewhere",
    errno.EROFS: "make the directory writable, or log elsewhere",
    errno.EMFILE: "raise the number of open files that is allowed (ulimit -n)",
}


def _nothing() -> None:
    pass


def _ignore(_failed: bool) -> None:
    pass


_serials = itertools.count()


def open_sinks() -> list[AsyncSink]:
    """Those of this process that are not closed."""
    return [sink for sink in _pump.sinks() if isinstance(sink, AsyncSink)]
