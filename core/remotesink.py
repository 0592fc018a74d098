"""`RemoteSink`: events into event files of a remote store, each sent once and whole. See sink.py for what a sink is.

Such a store cannot append to a file. So what was logged since the last time becomes a new event file, a segment; a
reader takes them for what they are, the event files of a run, in the order of their names.
"""

from __future__ import annotations

import atexit
import contextlib
import itertools
import math
import os
import socket
import sys
import threading
import time
import weakref
from collections.abc import Callable, Hashable, Sequence
from typing import Any

from . import remote_uploads
from .errors import warn_once
from .filesink import FileSink
from .hparams import failing
from .pump import pump
from .remote import check_url, is_remote, joined, placed
from .remote_uploads import Upload, files_of, send, uploads_to, wait_for_all
from .sink import AsyncSink, open_sinks
from .summary import Event
from .values import Group
from .wire import encode_event, encode_file_version, encode_session_start, encode_session_stop

__all__ = ["RemoteSink", "file_sink_for", "send_file"]

SEGMENT_BYTES = 8 << 20  # a file of this size is sent at once
EARLY = 10.0  # seconds between two files in a run's first minutes
SHARE = 60  # later, this part of its age, so that a long run makes hundreds of files and not ten thousands


class RemoteSink:
    """Sends events as a series of event files, `events.out.tfevents.<secs>.<host>.<pid>.<ns><suffix>`.

    A file is made of what came in since the last one: by `flush` and `close`, at 8 MB, and otherwise every 10 seconds,
    in a run of more than ten minutes after a sixtieth of its age. None is ever written again. Names tell the time at
    which a file was made, so they sort in that order.

    Writing here costs memory only; a thread that all sinks of a store share sends. While it cannot, files wait in
    memory, up to 256 MB for a store; what comes on top of that is dropped and counted in `lost`.

    Args:
        log_dir: the run's directory, a URL.
        filename_suffix: appended to the files' names.
        purge_step: as for `FileSink`; said in the first file.
        interval: the longest that anything waits to be sent, in seconds.

    Raises:
        InvalidLogdir: the URL cannot be written to.
        MissingDependency: a library that it needs is not installed.
    """

    def __init__(
        self, log_dir: str, *, filename_suffix: str = "", purge_step: int | None = None, interval: float = 120.0
    ) -> None:
        check_url(log_dir, writing=True)
        self.log_dir = log_dir
        self.interval = interval
        self.lost = 0
        self._suffix = filename_suffix
        self._purge_step = purge_step
        self._serial = next(_serials)
        self._uploads = uploads_to(log_dir)
        # Those of one directory go in one line: TensorBoard passes over a file that comes after one of a later name.
        self._owner: Hashable = ("events", log_dir.rstrip("/"))
        self._lock = threading.RLock()  # garbage collection, which closes writers, may come while it is held
        self._parts: list[bytes] = []
        self._size = self._events = 0
        self._opened = self._since = time.monotonic()
        self._watched = False
        self._marked = True  # what was written is known to be all
        self._encoder: Any = None
        self._group_encoder: Any = None
        self.ending: Callable[[], None] | None = None  # writes what belongs at the end of a program
        _remote_sinks.add(self)
        _flush_before_exit()

    def open(self) -> None:
        """Says from which step on the run goes on, if that was given; else there is nothing to send yet."""
        if self._purge_step is not None:
            self._append(b"", 0)

    def write(self, event: Event, /) -> None:
        from .record import frame

        self._append(frame(encode_event(event)), 1)

    def write_scalars(
        self, tags: Sequence[str], values: Sequence[float], steps: Sequence[int], wall_times: Sequence[float], /
    ) -> None:
        if self._encoder is None:
            from .scalars import ScalarEncoder

            self._encoder = ScalarEncoder()
        self._append(self._encoder.encode(tags, values, steps, wall_times), len(tags))

    def write_groups(self, groups: Sequence[Group], steps: Sequence[int], wall_times: Sequence[float], /) -> None:
        if self._group_encoder is None:
            from .groups import GroupEncoder

            self._group_encoder = GroupEncoder()
        self._append(self._group_encoder.encode(groups, steps, wall_times), sum(len(values) for _, values in groups))

    def _append(self, data: bytes, events: int) -> None:
        with self._lock:
            first = not self._parts
            if first:
                data = self._header() + data
            if not self._uploads.admit(len(data)):
                self._lose(events)
                return
            if first:
                self._since = time.monotonic()
                self._purge_step = None  # said
            self._marked = self._marked and not events
            self._parts.append(data)
            self._size += len(data)
            self._events += events
            if self._size >= SEGMENT_BYTES:
                self._seal()
            watched, self._watched = self._watched, True
        if not watched:
            self._uploads.watch(self)
        elif first:
            self._uploads.wake()

    def _header(self) -> bytes:
        from .record import frame

        now = time.time()
        first = frame(encode_file_version(now, self._purge_step or 0))
        if self._purge_step is not None:
            first += frame(encode_session_start(now, self._purge_step))
        return first

    def _lose(self, events: int) -> None:
        self.lost += events
        warn_once(
            (RemoteSink, self._serial, "lost"),
            f"{self.log_dir}: events were dropped, because {remote_uploads.BYTES_MAX >> 20} MB already wait to be "
            "uploaded; training goes on, and closing says how many",
        )

    def due(self, now: float) -> float:
        """Seconds until what was gathered is to be sent; `inf` when there is nothing."""
        with self._lock:
            if not self._parts:
                return math.inf
            return self._since + min(self.interval, max(EARLY, (now - self._opened) / SHARE)) - now

    def seal(self) -> None:
        """Sends what was gathered as a file of its own; returns at once."""
        with self._lock:
            self._seal()

    def _seal(self) -> None:
        if not self._parts:
            return
        upload = Upload(joined(self.log_dir, _name() + self._suffix), b"".join(self._parts), self._events, self._size)
        self._parts.clear()
        self._size = self._events = 0
        self._uploads.add(self._owner, upload)

    def begin_flush(self) -> None:
        """The part of `flush` that takes no time."""
        self.seal()
        self._uploads.hurry()

    def wait(self) -> None:
        """The part of `flush` that does: returns when all that was sent has arrived, or the store is too slow."""
        if pump.runs_here():  # it closes a writer that nobody has any more; what waits is sent all the same
            return
        late = self._uploads.wait((self._owner, files_of(self.log_dir)))
        if late:
            warn_once(
                (RemoteSink, self._serial, "late"),
                f"{self.log_dir}: {late} events were not uploaded within {remote_uploads.WAIT:g} s; "
                "that is tried again as long as the program runs, and they are lost if it ends before",
            )

    def flush(self) -> None:
        """Returns when another process can read everything; after 30 s also if it cannot, with a warning."""
        self.begin_flush()
        self.wait()

    def mark(self, failed: bool) -> None:
        """Says, as the last that is sent, that this is all; once, and if there was anything to send.

        Args:
            failed: whether what was logged failed.
        """
        from .record import frame

        with self._lock:
            if not self._marked:
                self._append(frame(encode_session_stop(time.time(), failed)), 0)
                self._marked = True

    def close(self) -> None:
        self.mark(failing())
        self.flush()
        with self._lock:
            self._watched = False
        self._uploads.unwatch(self)
        if self.lost:
            warn_once((RemoteSink, self._serial, "closed"), f"{self.log_dir}: closed with {self.lost} events lost")

    def _after_fork(self) -> None:
        """In a forked child: what was gathered is the parent's, who sends it."""
        self._lock = threading.RLock()
        self._parts.clear()
        self._size = self._events = 0
        self._purge_step = None
        self._watched = False
        self._marked = True
        self._opened = time.monotonic()
        self._encoder = self._group_encoder = None  # which another thread may have been using


def file_sink_for(
    log_dir: str, *, filename_suffix: str, purge_step: int | None, interval: float
) -> FileSink | RemoteSink:
    """The sink that writes event files into a directory, whether it is a local one or a URL.

    Args:
        log_dir: the run's directory.
        filename_suffix, purge_step: as for both.
        interval: as for `RemoteSink`.
    """
    if is_remote(log_dir):
        return RemoteSink(log_dir, filename_suffix=filename_suffix, purge_step=purge_step, interval=interval)
    return FileSink(placed(log_dir), filename_suffix=filename_suffix, purge_step=purge_step)


_name_lock = threading.RLock()
_last_name = 0
_serials = itertools.count()
_remote_sinks: weakref.WeakSet[RemoteSink] = weakref.WeakSet()
_registered = False


def send_file(folder: str, name: str, data: bytes) -> bool:
    """Sends a file that is no event file in the background; when the program ends, it is waited for.

    Args:
        folder: the run's directory, a URL.
        name: where it goes, relative to the folder.
        data: its content.

    Returns:
        Whether there was room for it among what waits to be sent.
    """
    _flush_before_exit()
    return send(folder, name, data, len(data))


def _name() -> str:
    """The name of a new event file: no two of a process are alike, and a later one sorts behind."""
    global _last_name
    with _name_lock:
        _last_name = max(time.time_ns(), _last_name + 1)
        seconds, nanoseconds = divmod(_last_name, 1_000_000_000)
    host = socket.gethostname().replace("/", "_")
    return f"events.out.tfevents.{seconds:010d}.{host}.{os.getpid()}.{nanoseconds:09d}"


def _flush_before_exit() -> None:
    """Has everything flushed when the program ends, while libraries can still start threads to look up a host's name.

    That is earlier than `atexit`: concurrent.futures takes no more work then. Its hook has to be there before this
    one, which is then called first.
    """
    global _registered
    with _name_lock:
        if _registered:
            return
        _registered = True
    import concurrent.futures.thread  # noqa: F401  # pyright: ignore[reportUnusedImport]

    register: Any = getattr(threading, "_register_atexit", None)
    if register is None:  # a private name, which may go away
        register = atexit.register
    with contextlib.suppress(RuntimeError):  # the program is ending already
        register(_flush_all)


def _flush_all() -> None:
    sinks: list[AsyncSink] = []
    for sink in open_sinks():
        if isinstance(sink.inner, RemoteSink):
            if sink.inner.ending is not None:
                sink.inner.ending()
            sink.drain()
            sink.inner.mark(failing())
            sinks.append(sink)
    for sink in sinks:
        sink.begin_flush()
    for sink in sinks:
        sink.flush()
    wait_for_all()


def _after_fork_in_child() -> None:
    global _name_lock
    _name_lock = threading.RLock()
    for sink in list(_remote_sinks):
        sink._after_fork()  # pyright: ignore[reportPrivateUsage]


if sys.platform != "win32":
    os.register_at_fork(after_in_child=_after_fork_in_child)
