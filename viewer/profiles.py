"""The profiles of runs: which there are, reading them, and what is worked out of each, kept for the next question.

Answers are worked out in threads of their own, so that who waits for a trace keeps nobody else from an answer.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import queue
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar
from urllib.parse import unquote

from tallyboard.core.errors import CorruptRecord, MissingDependency
from tallyboard.core.index import cache_folder
from tallyboard.core.profiles.files import recorded, worker_of
from tallyboard.core.profiles.remote_traces import RemoteTrace
from tallyboard.core.remote import is_remote

from .listing import traces_of
from .profile_reading import Interrupted, profile_of
from .projector_files import Asset, Unreadable, find
from .responses import error, revalidated

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from aiohttp import web

    from tallyboard.core.profiles.model import Profile
    from tallyboard.core.store import RunInfo

    from .context import Context

__all__ = ["NoProfile", "Profiles", "Which", "answered", "asked", "profiles", "refused", "worked_out"]

_KEPT: Final = 512 << 20
"""Bytes of columns that are kept for the next question; the profile that was asked for last is kept in any case."""

_DERIVED: Final = 64
"""Things that are kept of a profile beside its columns, the latest of them."""

_THREADS: Final = 6

T = TypeVar("T")


class NoProfile(Exception):
    """There is no such profile; the text is for the client."""


class Which(NamedTuple):
    """A trace of a run: its path below the run's directory, with `/` between the parts."""

    run: str
    trace: str


@dataclass(slots=True)
class _Entry:
    """A trace of which somebody asked: what was read of it, or why it cannot be."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    profile: Profile | None = None
    failed: str | None = None
    began: float | None = None
    nbytes: int = 0
    derived: OrderedDict[Any, Any] = field(default_factory=OrderedDict[Any, Any])
    deriving: threading.RLock = field(default_factory=threading.RLock)


class Profiles:
    """The profiles of a store's runs. May be asked by several threads; waits until traces are read."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: OrderedDict[tuple[Any, ...], _Entry] = OrderedDict()

    def listed(self, context: Context) -> list[dict[str, Any]]:
        """Every trace of every run: what the page needs to offer it, the newest of a run first."""
        found: list[dict[str, Any]] = []
        for run in context.store.overview().runs:
            sizes = {asset.path: asset.size for asset in run.assets}
            for which, path in self._newest_first(context, run):
                name = which.trace.rpartition("/")[2]
                found.append(
                    {
                        "run": which.run,
                        "trace": which.trace,
                        "bytes": sizes[path],
                        "recorded": recorded(which.trace),
                        "worker": worker_of(name),
                        "format": "xspace" if name.endswith(".pb") else "chrome",
                    }
                )
        return found

    def _newest_first(self, context: Context, run: RunInfo) -> list[tuple[Which, str]]:
        paths = traces_of(run)
        if not paths:
            return []
        folder = context.locate(run.name)
        each = [(Which(run.name, _below(folder, path)), path) for path in paths]
        # workers of one recording stand together, the first of them first
        return sorted(each, key=lambda one: (-(recorded(one[0].trace) or 0.0), one[0].trace))

    def newest(self, context: Context, run: str) -> Which:
        """The trace of a run that was recorded last.

        Raises:
            NoProfile: it has none.
        """
        for info in context.store.overview().runs:
            if info.name == run and (found := self._newest_first(context, info)):
                return found[0][0]
        raise NoProfile(f"run {run!r} has no profile")

    def file(self, context: Context, which: Which, beside: bool = False) -> Asset | RemoteTrace:
        """The file of a trace, jailed in its run's directory: links that lead out of it are not followed.

        Args:
            context: of the application.
            which: the trace.
            beside: whether any file of the run may be meant, such as another form of the same trace.

        Raises:
            NoProfile: the run has no such trace.
            CorruptRecord: it may not or cannot be read.
        """
        folder = context.locate(which.run)
        listed = next((run for run in context.store.overview().runs if run.name == which.run), None)
        taken = () if listed is None else traces_of(listed)
        assets = () if listed is None else listed.assets
        there = {_below(folder, one.path): one for one in assets if beside or one.path in taken}
        if which.trace not in there:
            raise NoProfile(f"run {which.run!r} has no profile {which.trace!r}")
        if is_remote(folder):
            found = there[which.trace]
            return RemoteTrace(found.path, found.size, str(found.stamp))
        try:
            return find(folder, os.path.join(folder, *which.trace.split("/")))
        except Unreadable as why:
            raise CorruptRecord(f"run {which.run!r}: {str(why).replace('the configuration', 'its run')}") from None

    def read(self, context: Context, which: Which) -> Profile:
        """A profile. Waits until it is read, which is done once however many ask.

        Raises:
            NoProfile: the run has no such trace.
            CorruptRecord: it cannot be read.
            MissingDependency: what reads it is not installed.
        """
        return self._read(context, which)[0]

    def derived(self, context: Context, which: Which, key: object, make: Callable[[Profile], T]) -> T:
        """What `make` gives of a profile, which is kept beside it.

        Args:
            context: of the application.
            which: the trace.
            key: another one for everything else that is kept of the same profile; begin it with the module's name.
            make: pure; called once as long as the profile is kept.

        Raises:
            NoProfile, CorruptRecord, MissingDependency: as `read`.
        """
        profile, entry = self._read(context, which)
        with entry.deriving:
            if key in entry.derived:
                entry.derived.move_to_end(key)
            else:
                entry.derived[key] = make(profile)
                while len(entry.derived) > _DERIVED:
                    entry.derived.popitem(last=False)
            return entry.derived[key]

    def state(self, context: Context, which: Which) -> dict[str, Any]:
        """How far reading a trace is: `unread`, `reading` for so many seconds, `ready` or `failed`; and its bytes.

        Raises:
            NoProfile, CorruptRecord: as `file`.
        """
        asset = self.file(context, which)
        with self._lock:
            entry = self._entries.get(_key(context, which, asset))
        began = entry.began if entry is not None else None
        seconds = time.monotonic() - began if began is not None else 0.0
        done = entry is not None and (entry.profile is not None or entry.failed is not None)
        failed = entry is not None and entry.failed is not None
        state = ("failed" if failed else "ready") if done else "reading" if began is not None else "unread"
        return {"state": state, "seconds": round(seconds, 2), "bytes": asset.size}

    def _read(self, context: Context, which: Which) -> tuple[Profile, _Entry]:
        asset = self.file(context, which)
        key = _key(context, which, asset)
        with self._lock:
            entry = self._entries.setdefault(key, _Entry())
            self._entries.move_to_end(key)
        with entry.lock:
            if entry.failed is not None:
                raise CorruptRecord(entry.failed)
            if (found := entry.profile) is None:
                entry.began = time.monotonic()
                try:
                    file = asset if isinstance(asset, RemoteTrace) else Path(asset.base, *asset.parts)
                    found = profile_of(file, cache_folder(context.cache))
                except CorruptRecord as why:
                    says = _without_path(str(why), asset)
                    entry.failed = None if isinstance(why, Interrupted) else says
                    raise type(why)(says) from None
                finally:
                    entry.began = None
                entry.nbytes = sum(_sizes(found))
                entry.profile = found
                self._forget(key)
        return found, entry

    def _forget(self, key: tuple[Any, ...]) -> None:
        """Keeps what is kept within its bound; and of a trace that changed only what it is now."""
        with self._lock:
            for other in [one for one in self._entries if one[:3] == key[:3] and one != key]:
                del self._entries[other]
            total = sum(entry.nbytes for entry in self._entries.values())
            for other in list(self._entries):
                if total <= _KEPT and len(self._entries) <= 1_000:
                    break
                if other != key and self._entries[other].began is None:
                    total -= self._entries.pop(other).nbytes


profiles: Final = Profiles()


def asked(request: web.Request) -> Which:
    """The trace that a request names by `run` and `trace`; without `trace` the run's newest.

    Raises:
        NoProfile: the run has none; `answered` tells the client of it where this is called within its answer.
    """
    from .context import CONTEXT

    run, trace = request.query.get("run", ""), request.query.get("trace", "")
    return Which(run, trace) if trace else profiles.newest(request.app[CONTEXT], run)


async def answered(
    request: web.Request, answer: Callable[[], bytes], content_type: str = "application/json", *, waits: bool = True
) -> web.StreamResponse:
    """What `answer` gives, worked out in another thread; 404 where there is no such profile, 422 for a bad one.

    Args:
        request: read for its If-None-Match.
        answer: may take long; may raise NoProfile, CorruptRecord and MissingDependency, of which the client is told.
        content_type: of the answer.
        waits: whether it reads traces, or works something out of one.
    """
    try:
        body = await (worked_out(answer) if waits else asyncio.to_thread(answer))
    except (NoProfile, CorruptRecord, MissingDependency) as why:
        return refused(why)
    etag = hashlib.blake2b(body, digest_size=12).hexdigest()
    return revalidated(request, etag, body, content_type=content_type)


def refused(why: NoProfile | CorruptRecord | MissingDependency) -> web.Response:
    """The answer that says why there is none."""
    text = str(why)
    return error(404 if isinstance(why, NoProfile) else 422, text if text.endswith((".", "?", "!")) else f"{text}.")


_work: Final = queue.SimpleQueue["Callable[[], None]"]()
_workers: list[threading.Thread] = []


async def worked_out(answer: Callable[[], T]) -> T:
    """Its result. The threads are daemons: a server that is told to end waits for no trace."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def settle(result: Any, why: BaseException | None) -> None:
        if future.cancelled():
            return
        if why is not None:
            future.set_exception(why)
        else:
            future.set_result(result)

    def work() -> None:
        result, why = None, None
        try:
            result = answer()
        except BaseException as error:
            why = error
        if not loop.is_closed():
            loop.call_soon_threadsafe(settle, result, why)

    _work.put(work)
    if len(_workers) < _THREADS:
        _workers.append(threading.Thread(target=_run_all, name="tallyboard-profiles", daemon=True))
        _workers[-1].start()
    return await future


def _run_all() -> None:
    while True:
        _work.get()()


def _key(context: Context, which: Which, asset: Asset | RemoteTrace) -> tuple[Any, ...]:
    return (id(context), *which, asset.stamp)


def _below(folder: str, path: str) -> str:
    """The path of a run's file below the run's directory, with `/` between the parts."""
    if is_remote(folder):
        if folder.startswith(("http://", "https://")):  # whose paths are as servers want them
            folder, path = unquote(folder), unquote(path)
        return path.removeprefix(folder.rstrip("/") + "/")
    return os.path.relpath(path, folder).replace(os.sep, "/")


def _without_path(text: str, asset: Asset | RemoteTrace) -> str:
    """An error's text without the directories of this machine."""
    if isinstance(asset, RemoteTrace):
        return text  # it says nothing but its name
    return text.replace(os.path.join(asset.base, *asset.parts), asset.parts[-1])


def _sizes(profile: Profile) -> Iterator[int]:
    events, memory = profile.events, profile.allocations
    yield sum(map(len, events.names)) + 64 * len(events.names)
    for columns in (events, memory):
        for name in _fields(columns):
            yield int(getattr(getattr(columns, name), "nbytes", 0))
    for name in events.extras:
        rows, values = events.extras.sparse(name)
        yield int(rows.nbytes) + int(getattr(values, "nbytes", 8 * len(rows)))


def _fields(columns: Any) -> Iterable[str]:
    return columns.__dataclass_fields__
