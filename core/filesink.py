"""`FileSink`: events appended to an event file. See sink.py for what a sink is."""

from __future__ import annotations

import contextlib
import itertools
import os
import socket
import sys
import threading
import time
import weakref
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

from .errors import InvalidLogdir, warn_once
from .hparams import failing
from .summary import Event
from .values import Group
from .wire import encode_event, encode_file_version, encode_session_start, encode_session_stop

__all__ = ["FileSink"]


class FileSink:
    """Appends to an event file of its own, `events.out.tfevents.<secs>.<host>.<pid>.<ns><suffix>`.

    Every write is one system call and whole: when it fails halfway (a full disk), what it began is cut off
    again, so that it may be tried anew. Nothing is buffered here, so `flush` has nothing left to do: what
    was written survives the end of this process, by kill -9 too. When the file is deleted while it is open, another
    one takes what comes after that, and a warning says so.

    Args:
        log_dir: the run's directory; made if need be.
        filename_suffix: appended to the file's name.
        purge_step: says that a restarted run goes on from this step, so that readers drop what an earlier
            file has at that step and after.

    The file is made by `open`, or else by the first write; another by the first after `close`.

    Raises:
        InvalidLogdir: `log_dir` is, or lies below, something that is no directory.
    """

    def __init__(
        self, log_dir: str | os.PathLike[str], *, filename_suffix: str = "", purge_step: int | None = None
    ) -> None:
        self.log_dir = os.fspath(log_dir)
        self.path: str | None = None
        self._place = os.path.abspath(self.log_dir)  # a program may go to another directory later
        self._serial = next(_serials)
        self._suffix = filename_suffix
        self._purge_step = purge_step
        self._fd: int | None = None
        self._end = 0
        self._identity = (0, 0)
        self._parked = False  # the file is this sink's, but is not open now
        self._marked = True  # what was written is known to be all
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

        os.makedirs(self._place, exist_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
        host = socket.gethostname().replace(os.sep, "_")
        stamp, tries = time.time_ns(), 5
        while True:
            seconds, nanoseconds = divmod(stamp, 1_000_000_000)
            name = f"events.out.tfevents.{seconds:010d}.{host}.{os.getpid()}.{nanoseconds:09d}{self._suffix}"
            path = os.path.join(self._place, name)
            try:
                fd = os.open(path, flags, 0o666)
                break
            except FileExistsError:
                stamp += 1  # the clock may be coarse, or stand still
            except FileNotFoundError:  # somebody is deleting the directory just now
                tries -= 1
                if not tries:
                    raise
                os.makedirs(self._place, exist_ok=True)
        self._fd, self._end, self.path = fd, 0, path
        self._marked = False
        self._identity = _identity(os.fstat(fd))
        now = time.time()
        first = frame(encode_file_version(now, self._purge_step or 0))
        if self._purge_step is not None:
            first += frame(encode_session_start(now, self._purge_step))
        try:
            self._put(first)
        except OSError:  # without its first record it is no event file
            self._let_go()
            with contextlib.suppress(OSError):
                os.unlink(path)
            raise
        self._purge_step = None  # said; in another file of this sink it would void what is in this one

    def _reopen(self, *, quietly: bool = False) -> None:
        """Opens the file again that was parked, or another if that one is no longer as it was left."""
        self._parked = False
        assert self.path is not None
        try:
            fd = os.open(self.path, os.O_WRONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0))
        except OSError as error:
            if quietly:
                return
            if not isinstance(error, FileNotFoundError):
                raise
            self._say_deleted()
            return
        if _identity(os.fstat(fd)) == self._identity and os.lseek(fd, 0, os.SEEK_END) == self._end:
            self._fd = fd
        else:
            os.close(fd)

    def _append(self, data: bytes) -> None:
        with self._lock:
            if self._parked:
                self._reopen()
            if self._fd is None:
                self._open()
            self._marked = False
            self._put(data)
            if self._is_deleted():
                self._say_deleted()
                self._let_go()
                self._open()
                self._put(data)  # it may have gone into the one that nobody can open any more
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

    def disk(self) -> int | None:
        """The device that the directory is on, or will be; None when nobody can tell."""
        place = self._place
        while not os.path.exists(place) and os.path.dirname(place) != place:
            place = os.path.dirname(place)
        try:
            return os.stat(place).st_dev
        except OSError:
            return None

    def _is_deleted(self) -> bool:
        """Whether no directory has the file any more: the system goes on writing to such a one, for nobody to read."""
        return self._fd is not None and os.fstat(self._fd).st_nlink == 0

    def _say_deleted(self) -> None:
        warn_once(
            (FileSink, self._serial),
            f"{self.path} was deleted while it was written to, and what had been logged into it is gone. What is "
            "logged from here on goes into a new file; end a program before you delete the directory that it logs to.",
        )

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

    def mark(self, failed: bool) -> None:
        """Says at the end of the file that this is all, which whoever is killed does not; once.

        Args:
            failed: whether what was logged failed.
        """
        with self._lock:
            self._mark(failed)

    def _mark(self, failed: bool) -> None:
        from .record import frame

        if self._marked:
            return
        if self._parked:
            self._reopen(quietly=True)
        with contextlib.suppress(OSError):  # nothing that was logged is lost with it
            if self._fd is not None:
                self._put(frame(encode_session_stop(time.time(), failed)))
        self._marked = True

    def close(self) -> None:
        with self._lock:
            self._mark(failing())
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
        self._encoder = self._group_encoder = None  # which another thread may have been using


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino


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
        self._lock = threading.RLock()
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


_serials = itertools.count()
_open_files = _OpenFiles()
_file_sinks: weakref.WeakSet[FileSink] = weakref.WeakSet()


def _after_fork_in_child() -> None:
    _open_files.__init__()
    for sink in list(_file_sinks):
        sink._after_fork()  # pyright: ignore[reportPrivateUsage]


if sys.platform != "win32":
    os.register_at_fork(after_in_child=_after_fork_in_child)
