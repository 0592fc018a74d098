"""`FileSink`: events appended to an event file. See sink.py for what a sink is."""

from __future__ import annotations

import os
import socket
import sys
import threading
import time
import weakref
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

from .errors import InvalidLogdir
from .summary import Event
from .values import Group
from .wire import encode_event, encode_file_version, encode_session_start

__all__ = ["FileSink"]


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
        self._parked = False  # the file is this sink's, but is not open now
        self._lock = threading.Lock()
        self._encoder: Any = None
        self._group_encoder: Any = None
        _check_log_dir(self.log_dir)
        _file_sinks.add(self)

    def open(self) -> None:
        """Makes the file, unless it is open.

        Raises:
            OSError: it cannot be made.
        """
        with self._lock:
            if self._fd is None:
                self._open()
        _open_files.used(self)

    def _open(self) -> None:
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
        self._put(first)
        self._purge_step = None  # said; in another file of this sink it would void what is in this one

    def _reopen(self) -> None:
        """Opens the file again that was parked, or another if that one is no longer as it was left."""
        self._parked = False
        assert self.path is not None
        try:
            fd = os.open(self.path, os.O_WRONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0))
        except FileNotFoundError:
            return
        if os.lseek(fd, 0, os.SEEK_END) == self._end:
            self._fd = fd
        else:
            os.close(fd)

    def _append(self, data: bytes) -> None:
        with self._lock:
            if self._parked:
                self._reopen()
            if self._fd is None:
                self._open()
            self._put(data)
        _open_files.used(self)

    def _put(self, data: bytes) -> None:
        fd = self._fd
        assert fd is not None
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

    def write_groups(self, groups: Sequence[Group], steps: Sequence[int], wall_times: Sequence[float], /) -> None:
        if self._group_encoder is None:
            from .groups import GroupEncoder

            self._group_encoder = GroupEncoder()
        self._append(self._group_encoder.encode(groups, steps, wall_times))

    def close(self) -> None:
        with self._lock:
            self._parked = False
            self._let_go()
        _open_files.forget(self)

    def _let_go(self) -> None:
        fd, self._fd = self._fd, None
        if fd is not None:
            os.close(fd)

    def park(self) -> bool:
        """Gives the descriptor back until the next write, unless a write is under way."""
        if not self._lock.acquire(blocking=False):
            return False
        try:
            self._parked = self._fd is not None
            self._let_go()
            return True
        finally:
            self._lock.release()

    def _after_fork(self) -> None:
        """In a forked child: the file is the parent's; the child opens its own at its first write."""
        self._lock = threading.Lock()
        self._parked = False
        self._let_go()
        self._purge_step = None


def _check_log_dir(log_dir: str) -> None:
    if "://" in log_dir:
        raise InvalidLogdir(
            f"log_dir={log_dir!r} is neither a local path nor a URL; give a path such as 'runs/first', or s3://bucket/run"
        )
    if "\0" in log_dir or not log_dir:
        raise InvalidLogdir(f"log_dir={log_dir!r} is no directory name; give a path such as 'runs/first'")
    place = os.path.abspath(log_dir)
    while not os.path.lexists(place) and os.path.dirname(place) != place:
        place = os.path.dirname(place)
    if os.path.exists(place) and not os.path.isdir(place):
        raise InvalidLogdir(f"log_dir={log_dir!r}: {place!r} is a file; give a directory for the run's event files")


class _OpenFiles:
    """Keeps few event files open: those written longest ago give their descriptors back until their next write.

    A program may have a thousand writers, or one that `add_scalars` gave a thousand runs; a process often may
    not have as many files open.
    """

    LIMIT = 128

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sinks: OrderedDict[int, weakref.ref[FileSink]] = OrderedDict()

    def used(self, sink: FileSink) -> None:
        with self._lock:
            key = id(sink)
            if key in self._sinks:
                self._sinks.move_to_end(key)
                return
            self._sinks[key] = weakref.ref(sink, lambda _: self._sinks.pop(key, None))
            oldest = [self._sinks.popitem(last=False) for _ in range(len(self._sinks) - self.LIMIT)]
        for key, reference in oldest:
            other = reference()
            if other is not None and not other.park():
                with self._lock:
                    self._sinks[key] = reference

    def forget(self, sink: FileSink) -> None:
        with self._lock:
            self._sinks.pop(id(sink), None)


_open_files = _OpenFiles()
_file_sinks: weakref.WeakSet[FileSink] = weakref.WeakSet()


def _after_fork_in_child() -> None:
    _open_files.__init__()
    for sink in list(_file_sinks):
        sink._after_fork()  # pyright: ignore[reportPrivateUsage]


if sys.platform != "win32":
    os.register_at_fork(after_in_child=_after_fork_in_child)
