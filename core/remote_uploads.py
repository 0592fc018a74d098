"""Whole files sent to a remote store in the background, in order, until they arrive.

One thread for each kind of store (`s3`, `gs`, ...) does it, so that nobody who logs ever waits for a network, and a
store that hangs holds up no other.
"""

from __future__ import annotations

import importlib
import math
import os
import random
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any, Protocol

from .errors import warn_once
from .remote import FLAT, filesystem, store_of

__all__ = ["BYTES_MAX", "WAIT", "Source", "Upload", "Uploads", "files_of", "send", "uploads_to", "wait_for_all"]

BYTES_MAX = 256 << 20
"""Bytes that wait for one store at most; what comes on top of that is dropped and counted."""

WAIT = 30.0
"""Seconds that `flush` and `close` wait for a store at most. One that let them wait in vain gets less."""

_WAIT_AGAIN, _FORGIVEN_AFTER = 5.0, 60.0
_TRY, _TRY_RATE = 30.0, 128 << 10  # seconds that an upload may take, and bytes that each second more is granted for
_BACK_OFF = (0.5, 60.0)  # seconds before the first and before any later try
_TOGETHER = 16  # uploads under way at once, each for another owner
_SERVANTS = ("tallyboard", "fsspecIO")  # threads that uploads depend on; garbage collection may close a writer there


@dataclass(slots=True)
class Upload:
    """A file to be sent.

    Attributes:
        url: where.
        data: its content; or what makes that of the bytes that are there now, None where there is no such file.
        events: how many events it holds.
        nbytes: about how much memory it takes meanwhile.
    """

    url: str
    data: bytes | Callable[[bytes | None], bytes]
    events: int
    nbytes: int


class Source(Protocol):
    """Something that gathers bytes for later files, and is asked from time to time for a file."""

    def due(self, now: float) -> float:
        """Seconds from `now` (monotonic) until it has a file ready; `inf` while it has nothing."""
        ...

    def seal(self) -> None:
        """Sends what was gathered."""
        ...


@dataclass(slots=True)
class _Line:
    """The uploads of one owner: they arrive one after the other, because readers go by order."""

    waiting: deque[Upload] = field(default_factory=lambda: deque[Upload]())
    sent: int = 0  # how many have arrived
    added: int = 0


class Uploads:
    """What is on its way to one kind of store, and the thread that brings it there.

    A failing upload is tried again, ever more slowly, until it succeeds or the process ends; it warns once for each
    kind of error.
    """

    def __init__(self, store: str) -> None:
        self.store = store
        self.nbytes = 0  # all that waits, in sources too; bounded by those who add to it
        self._changed = threading.Condition()
        self._lines: dict[Hashable, _Line] = {}
        self._sources: dict[int, Source] = {}
        self._thread: threading.Thread | None = None
        self._failures = 0
        self._next_try = 0.0
        self._next_due = 0.0  # when a source has to be asked again
        self._arrivals = 0
        self._in_vain: float | None = None  # when somebody waited in vain
        self._systems: dict[str, tuple[Any, str]] = {}
        self._news = False  # since the thread began its turn

    # -- for those who have something to send

    def watch(self, source: Source) -> None:
        """Asks a source from now on."""
        with self._changed:
            self._sources[id(source)] = source
            self._next_due = 0.0
            self._tell()

    def unwatch(self, source: Source) -> None:
        """Asks it no more."""
        with self._changed:
            self._sources.pop(id(source), None)

    def wake(self) -> None:
        """Says that a source may have a file sooner than it had said."""
        with self._changed:
            self._next_due = 0.0
            self._tell()

    def admit(self, count: int) -> bool:
        """Whether there is room for so many bytes; they are then counted as waiting."""
        with self._changed:
            if self.nbytes + count > BYTES_MAX:
                return False
            self.nbytes += count
            return True

    def add(self, owner: Hashable, upload: Upload) -> None:
        """Sends a file after all others of its owner. Its bytes have been admitted."""
        with self._changed:
            line = self._lines.setdefault(owner, _Line())
            line.waiting.append(upload)
            line.added += 1
            self._tell()

    def hurry(self) -> None:
        """Tries again now where a failure has made the next try wait."""
        with self._changed:
            self._next_try = min(self._next_try, time.monotonic() + _BACK_OFF[0])
            self._tell()

    def owners(self) -> tuple[Hashable, ...]:
        """All who have files on their way."""
        with self._changed:
            return tuple(self._lines)

    def wait(self, owners: tuple[Hashable, ...], at_least: float = 0.0) -> int:
        """Waits until all that these owners have added so far has arrived, but not for ever.

        Args:
            owners: of the files.
            at_least: seconds to wait for a store that let others wait in vain.

        Returns:
            How many of their events are still on their way.
        """
        patient = not threading.current_thread().name.startswith(_SERVANTS)
        with self._changed:
            goals = [(line, line.added) for owner in owners if (line := self._lines.get(owner)) is not None]
            began, arrivals = time.monotonic(), self._arrivals
            deadline = began + (max(self._patience(began), min(WAIT, at_least)) if patient else 0.0)
            while any(line.sent < goal for line, goal in goals) and (rest := deadline - time.monotonic()) > 0:
                self._changed.wait(rest)
            left = [upload for line, _ in goals for upload in line.waiting]
            late = any(line.sent < goal for line, goal in goals)
            if late and self._arrivals == arrivals and deadline > began:
                self._in_vain = time.monotonic()
            return sum(upload.events for upload in left) if late else 0

    def _patience(self, now: float) -> float:
        """Seconds to wait: a store that takes nothing costs a program 30 s once, then 5 s a minute at most."""
        if self._in_vain is None:
            return WAIT
        return min(WAIT, _WAIT_AGAIN) if now - self._in_vain > _FORGIVEN_AFTER else 0.0

    # -- the thread

    def _tell(self) -> None:
        self._news = True
        self._changed.notify_all()
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name=f"tallyboard-{self.store}", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        while True:
            try:
                self._turn()
            except Exception as error:  # whatever happens, the thread lives
                warn_once(("uploads", self.store, type(error)), f"{self.store}://: {type(error).__name__}: {error}")
                time.sleep(1.0)

    def _turn(self) -> None:
        with self._changed:
            self._news = False
        self._ask_sources()
        with self._changed:
            rest = self._next_due - time.monotonic()
            ready = [owner for owner, line in self._lines.items() if line.waiting]
            if ready:
                rest = min(rest, self._next_try - time.monotonic())
            if not ready or rest > 0:
                if not self._news:
                    self._changed.wait(None if rest == math.inf else max(rest, 0.001))
                return
            owners = ready[:_TOGETHER]
            batch = [self._lines[owner].waiting[0] for owner in owners]
        results = self._send(batch)
        with self._changed:
            for owner, upload, error in zip(owners, batch, results, strict=True):
                if error is None:
                    self._arrived(owner, upload)
            failed = [error for error in results if error is not None]
            self._failures = self._failures + 1 if failed else 0
            pause = min(_BACK_OFF[1], _BACK_OFF[0] * 2.0 ** min(self._failures, 16)) if failed else 0.0
            self._next_try = time.monotonic() + pause * random.uniform(0.5, 1.0)
            self._changed.notify_all()
        for upload, error in zip(batch, results, strict=True):
            if error is not None:
                self._warn(upload, error)

    def _ask_sources(self) -> None:
        """Has every source that is due send its file."""
        now = time.monotonic()
        with self._changed:
            if now < self._next_due:
                return
            sources = list(self._sources.values())
            self._next_due = math.inf
        rest = math.inf
        for source in sources:
            left = source.due(now)
            if left <= 0:
                source.seal()
            else:
                rest = min(rest, left)
        with self._changed:
            self._next_due = min(self._next_due, now + rest)

    def _arrived(self, owner: Hashable, upload: Upload) -> None:
        line = self._lines.pop(owner)
        line.waiting.popleft()
        line.sent += 1
        if line.waiting:
            self._lines[owner] = line  # to the end, so that everybody has a turn
        self.nbytes -= upload.nbytes
        self._arrivals += 1
        self._in_vain = None

    def _warn(self, upload: Upload, error: BaseException) -> None:
        said = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        warn_once(
            ("upload", *upload.url.split("/")[:3], type(error)),  # once a bucket, however many runs are in it
            f"{upload.url.rpartition('/')[0]}: uploading failed ({said}); "
            "look at the address, the network and the credentials. "
            "Training goes on, and what was logged is kept and tried again while it fits in memory.",
        )

    def _send(self, batch: list[Upload]) -> list[BaseException | None]:
        """Sends files, those of an asynchronous library together. Returns what went wrong with each."""
        results: list[BaseException | None] = [None] * len(batch)
        together: dict[int, tuple[Any, list[int]]] = {}
        paths: list[str] = [""] * len(batch)
        for i, upload in enumerate(batch):
            try:
                system, paths[i] = self._system(upload.url)
                if getattr(system, "async_impl", False) and not getattr(system, "asynchronous", False):
                    together.setdefault(id(system), (system, []))[1].append(i)
                else:
                    _put(system, paths[i], upload, self.store)
            except Exception as error:
                results[i] = error
        for system, numbers in together.values():
            try:
                sent = _put_together(system, [(paths[i], batch[i]) for i in numbers])
            except Exception as error:
                sent = [error] * len(numbers)
            for i, result in zip(numbers, sent, strict=True):
                results[i] = result
        return results

    def _system(self, url: str) -> tuple[Any, str]:
        place, _, name = url.rpartition("/")
        found = self._systems.get(place)
        if found is None:
            if len(self._systems) > 4096:
                self._systems.clear()
            found = self._systems[place] = filesystem(place)
        return found[0], f"{found[1]}/{name}"


def _put(system: Any, path: str, upload: Upload, store: str) -> None:
    data = upload.data
    if not isinstance(data, bytes):
        try:
            there: bytes | None = system.cat_file(path)
        except FileNotFoundError:
            there = None
        data = data(there)
    try:
        system.pipe_file(path, data)
    except FileNotFoundError:
        if store in FLAT:
            raise
        system.makedirs(path.rpartition("/")[0], exist_ok=True)
        system.pipe_file(path, data)


def _put_together(system: Any, files: list[tuple[str, Upload]]) -> list[BaseException | None]:
    """Sends files side by side, each within a time of its own."""
    import asyncio

    async def one(path: str, upload: Upload) -> None:
        data = upload.data
        if not isinstance(data, bytes):
            try:
                there: bytes | None = await system._cat_file(path)
            except FileNotFoundError:
                there = None
            data = data(there)
        await system._pipe_file(path, data)

    async def every() -> list[BaseException | None]:
        limits = [_TRY + upload.nbytes / _TRY_RATE for _, upload in files]
        tasks = [asyncio.wait_for(one(*file), limit) for file, limit in zip(files, limits, strict=True)]
        return await asyncio.gather(*tasks, return_exceptions=True)

    asyn: Any = importlib.import_module("fsspec.asyn")
    return asyn.sync(system.loop, every)


_stores: dict[str, Uploads] = {}
_lock = threading.RLock()  # garbage collection, which closes writers, may come while it is held


def uploads_to(url: str) -> Uploads:
    """Those of this process to the store of a URL."""
    store = store_of(url)
    with _lock:
        return _stores.setdefault(store, Uploads(store))


def send(folder: str, name: str, data: bytes | Callable[[bytes | None], bytes], nbytes: int) -> bool:
    """Sends a file that is no event file, after all others of this folder.

    Args:
        folder: the run's directory, whose writer's `flush` waits for the file.
        name: where it goes, relative to the folder.
        data: as `Upload` has it.
        nbytes: about how much memory it takes meanwhile.

    Returns:
        Whether there was room for it.
    """
    uploads = uploads_to(folder)
    if not uploads.admit(nbytes):
        return False
    uploads.add(files_of(folder), Upload(f"{folder.rstrip('/')}/{name}", data, 1, nbytes))
    return True


def files_of(folder: str) -> Hashable:
    """Who owns the files that `send` sends into a folder."""
    return "files", folder.rstrip("/")


def wait_for_all() -> None:
    """Waits a last time, for those too that were closed while their store did not answer."""
    for uploads in list(_stores.values()):
        uploads.hurry()
        uploads.wait(uploads.owners(), at_least=_WAIT_AGAIN)


def _after_fork_in_child() -> None:
    """What waits is the parent's, who sends it; fsspec's threads and connections are the parent's too."""
    global _lock
    _lock = threading.RLock()
    for uploads in _stores.values():
        uploads.__init__(uploads.store)
    asyn: Any = sys.modules.get("fsspec.asyn")
    if asyn is not None:
        asyn.reset_lock()


if sys.platform != "win32":
    os.register_at_fork(after_in_child=_after_fork_in_child)
