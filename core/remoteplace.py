"""A logdir in a remote store, read through fsspec: listed now and then, and of its files only what is new.

Each look is one listing, whatever its depth, where the store can do that (S3, GCS); others are asked directory by
directory, and HTTP servers, whose index pages say no sizes, also for each event file's. Bytes come by range requests,
those that are wanted next side by side.
"""

from __future__ import annotations

import importlib
import os
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO
from urllib.parse import unquote

from .places import TRASH, Entry, Listing, LocalPlace, Place, kind_of
from .remote import check_url, filesystem, is_remote, placed

if TYPE_CHECKING:
    from .watching import Stopping

__all__ = ["RemotePlace", "place_for", "whole_file"]

LOOK = 5.0  # seconds between two listings at least
LONGEST_LOOK = 60.0  # and at most
SHARE = 20  # a listing is followed by so many times its own length of rest
TIMEOUT = 60.0  # seconds that an answer may take
TOGETHER = 16  # requests under way at once
_PIECE = 8 << 20  # bytes of a whole file that one request asks for
_PIECES = 4  # and how many of them are held at once
_PROFILE = "plugins/profile/"
# What stores call that which differs whenever a file's content does; and times, which nearly do.
_TAGS = ("ETag", "etag", "generation", "Content-MD5", "content_md5", "md5Hash", "Digest")
_TIMES = ("Last-Modified", "LastModified", "last_modified", "mtime", "modified", "created")


class RemotePlace:
    """A directory of a remote store.

    Args:
        url: of it.

    Raises:
        InvalidLogdir: fsspec cannot serve it.
        MissingDependency: a library that it needs is not installed.
    """

    separator = "/"

    def __init__(self, url: str) -> None:
        check_url(url, writing=False)
        self.root = url.rstrip("/")
        self.look_seconds = 0.0
        self._system: Any = None
        self._base = ""
        self._found = False  # whether anything was there at the last look
        self._unseen = False  # whether `there` made a listing that no walk has told of
        self._listing: dict[str, Entry] = {}  # the last one, by path
        self._listed = float("-inf")
        self._watch: RemoteWatch | None = None
        self._ahead: dict[tuple[str, int, int], bytes | OSError] = {}

    def there(self) -> int | str | None:
        """A constant while there is anything. The store is asked only where there was nothing a while ago."""
        if not self._found and time.monotonic() - self._listed >= LOOK:
            self.list_anew()
            self._unseen = True
        return "there" if self._found else None

    def walk(self) -> Listing:
        """Everything that makes runs; what a watch or `there` has just listed is not asked for again."""
        if not self._unseen and (self._watch is None or time.monotonic() - self._listed > self._watch.pause()):
            self.list_anew()
        self._unseen = False
        return Listing(list(self._listing.values()))

    def look(self, path: str) -> Listing | None:
        """What the last listing says of a path."""
        entry = self._listing.get(path)
        if entry is not None:
            return Listing([entry])
        below = [entry for known, entry in self._listing.items() if known.startswith(f"{path}/")]
        return Listing(below) if below else None

    def list_anew(self) -> set[str]:
        """Asks the store for all of its files. Returns the paths that changed since it was last asked.

        Raises:
            OSError: it does not answer, or refuses.
        """
        began = time.monotonic()
        root = self._path(self.root)
        self._system.invalidate_cache()
        try:
            found: dict[str, dict[str, Any]] = self._call("find", root, detail=True)
        except FileNotFoundError:
            found = {}
        infos: list[tuple[str, str, Any]] = []
        for name, info in found.items():
            inside = name[len(root) :].lstrip("/")
            if info.get("type") == "file" and inside and not inside.endswith("/") and _kind(inside) is not None:
                infos.append((name, inside, info))
        listing = {f"{self.root}/{inside}": self._entry(inside, info) for inside, info in self._sized(infos)}
        changed = {path for path, _ in listing.items() ^ self._listing.items()}
        self._listing = listing
        self._listed = time.monotonic()
        self.look_seconds = self._listed - began
        self._found = bool(found) or bool(self._call("exists", root))
        return changed

    def _sized(self, infos: list[tuple[str, str, Any]]) -> list[tuple[str, Any]]:
        """Asks for what a listing did not say. A file of which nothing can be learnt is left out."""
        without = [name for name, _, info in infos if info.get("size") is None]
        if without:
            more = dict(zip(without, self._all("info", [((name,), {}) for name in without]), strict=True))
            known = [(inside, more.get(name, info)) for name, inside, info in infos]
        else:
            known = [(inside, info) for _, inside, info in infos]
        return [each for each in known if not isinstance(each[1], BaseException) and each[1].get("size") is not None]

    def _entry(self, inside: str, info: dict[str, Any]) -> Entry:
        path = f"{self.root}/{inside}"
        stamp = _stamp(info)
        kind = _kind(inside)
        assert kind is not None
        if self.root.startswith(("http://", "https://")):
            inside = unquote(inside)
        run = f"/{inside}".partition(f"/{_PROFILE}")[0][1:] if kind == "profile" else inside.rpartition("/")[0]
        return Entry(path, run or ".", kind, int(info["size"]), stamp)

    def expect(self, wanted: Sequence[tuple[str, int, int]]) -> None:
        """Reads ahead: fetches what `read_at` will be asked for, side by side.

        Args:
            wanted: path, offset and number of bytes of each.
        """
        self._ahead.clear()
        if len(wanted) < 2 or not self._asynchronous():
            return
        keys = [key for key in wanted if key[2]]
        results = self._all("cat_file", [((self._path(path),), {"start": at, "end": at + n}) for path, at, n in keys])
        self._ahead = {
            key: result if isinstance(result, bytes) else _as_os_error(result)
            for key, result in zip(keys, results, strict=True)
        }

    def read_at(self, path: str, offset: int, into: memoryview) -> int:
        """Bytes of a file, by one range request."""
        size = len(into)
        if not size:
            return 0
        data = self._ahead.pop((path, offset, size), None)
        if isinstance(data, OSError):
            raise data
        if data is None:
            data = self._call("cat_file", self._path(path), start=offset, end=offset + size)
        assert isinstance(data, bytes)
        if len(data) > size:  # a server that knows no ranges sends all of it
            data = data[offset : offset + size]
        into[: len(data)] = data
        return len(data)

    def whole(self) -> bytes:
        """All of the file that the URL names, if it names one."""
        data = self._call("cat_file", self._path(self.root))
        assert isinstance(data, bytes)
        return data

    def about(self, path: str) -> tuple[str, int | None, str]:
        """What the store says of one path: its type (`file`, `directory`), its bytes if it says, and its stamp or "".

        Of HTTP all is a file, index pages too.

        Raises:
            FileNotFoundError: there is nothing.
            OSError: it does not answer, or refuses.
        """
        info = self._asked_anew(path)
        size = info.get("size")
        return str(info.get("type")), None if size is None else int(size), _stamp(info)

    def all_files(self, wanted: Callable[[str], bool]) -> list[tuple[str, int, str]]:
        """The files below the URL that are wanted, whatever makes runs: path, bytes and stamp of each.

        Args:
            wanted: says so of a path below the URL.

        Raises:
            OSError: the store does not answer, or refuses.
        """
        root = self._path(self.root)
        self._system.invalidate_cache()
        try:
            found: dict[str, dict[str, Any]] = self._call("find", root, detail=True)
        except FileNotFoundError:
            return []
        each = [(name, name[len(root) :].lstrip("/"), info) for name, info in found.items()]
        of_these = [one for one in each if one[2].get("type") == "file" and wanted(one[1])]
        return [(f"{self.root}/{inside}", int(info["size"]), _stamp(info)) for inside, info in self._sized(of_these)]

    def fetch(self, path: str, to: Path, most: int) -> int:
        """Copies a file to this machine, some megabytes at a time. Returns its bytes.

        Args:
            path: of the file.
            to: a file that is made.
            most: bytes at most.

        Raises:
            OSError: the store does not answer or breaks off, there is no room, or it is more than `most`.
        """
        size = self._asked_anew(path).get("size")
        web = self.root.startswith(("http://", "https://"))
        try:
            with to.open("wb") as file:
                if size is not None and not web:
                    count = _written(self._pieces(path, int(size)), file, most)
                else:
                    try:
                        count = _written(self._read_on(path, _PIECE), file, most)
                    except ValueError:  # what fsspec says of servers that know no ranges: they send all of it at once
                        count = _written(self._read_on(path, 0), file, most)
        except Exception as error:
            raise _as_os_error(error) from error
        if size is not None and count < size:
            raise OSError(f"of {path} only {count:,} of {size:,} bytes came")
        return count

    def _asked_anew(self, path: str) -> dict[str, Any]:
        name = self._path(path)
        self._system.invalidate_cache()
        return self._call("info", name)

    def _read_on(self, path: str, block: int) -> Iterator[bytes]:
        with self._system.open(self._path(path), "rb", block_size=block, cache_type="none") as file:
            while piece := file.read(_PIECE):
                yield piece

    def _pieces(self, path: str, size: int) -> Iterator[bytes]:
        name = self._path(path)
        starts = range(0, size, _PIECE)
        for at in range(0, len(starts), _PIECES):
            asked = [((name,), {"start": n, "end": min(n + _PIECE, size)}) for n in starts[at : at + _PIECES]]
            for piece in self._all("cat_file", asked):
                if isinstance(piece, BaseException):
                    raise piece
                yield piece

    def vouches(self, stamp: int | str, when: float) -> bool:  # noqa: ARG002
        """Yes where the store has tags or checksums of contents; times may be coarse."""
        return str(stamp).startswith(_TAGS)

    def watch(self) -> RemoteWatch:
        """Listings now and then, in the place of news."""
        self._watch = RemoteWatch(self, self._unwatched)
        return self._watch

    def _unwatched(self) -> None:
        self._watch = None

    # -- asking

    def _path(self, path: str) -> str:
        """A path as the library behind it names it."""
        if self._system is None:
            try:
                self._system, self._base = filesystem(self.root)
            except Exception as error:
                raise _as_os_error(error) from error
        return self._base + path[len(self.root) :]

    def _asynchronous(self) -> bool:
        return bool(getattr(self._system, "async_impl", False)) and not getattr(self._system, "asynchronous", False)

    def _call(self, name: str, *arguments: Any, **options: Any) -> Any:
        try:
            if not self._asynchronous():
                return getattr(self._system, name)(*arguments, **options)
            asyn: Any = importlib.import_module("fsspec.asyn")
            call = getattr(self._system, f"_{name}")
            return asyn.sync(self._system.loop, call, *arguments, timeout=TIMEOUT, **options)
        except Exception as error:
            raise _as_os_error(error) from error

    def _all(self, name: str, calls: list[tuple[tuple[Any, ...], dict[str, Any]]]) -> list[Any]:
        """The results of several calls, or what each raised."""
        if not self._asynchronous():
            return [_result(getattr(self._system, name), arguments, options) for arguments, options in calls]
        import asyncio

        call = getattr(self._system, f"_{name}")

        async def every() -> list[Any]:
            some = asyncio.Semaphore(TOGETHER)

            async def one(arguments: tuple[Any, ...], options: dict[str, Any]) -> Any:
                async with some:
                    return await asyncio.wait_for(call(*arguments, **options), TIMEOUT)

            return await asyncio.gather(*(one(*each) for each in calls), return_exceptions=True)

        asyn: Any = importlib.import_module("fsspec.asyn")
        return asyn.sync(self._system.loop, every)


class RemoteWatch:
    """News of a remote place: it is listed again, and compared. A store that does not answer is no news."""

    def __init__(self, place: RemotePlace, closed: Callable[[], None]) -> None:
        self._place = place
        self._closed = closed
        self._failures = 0
        self._next = time.monotonic() + self.pause()

    def pause(self) -> float:
        """Seconds between two listings."""
        return min(LONGEST_LOOK, max(LOOK * 2 ** min(self._failures, 6), SHARE * self._place.look_seconds))

    def news(self, stopping: Stopping, seconds: float) -> set[str] | None:
        """Paths whose files changed, came or went; see `Watch.news`."""
        rest = self._next - time.monotonic()
        if rest > 0:
            stopping.wait(min(rest, seconds))
            return set()
        try:
            changed = self._place.list_anew()
            self._failures = 0
        except OSError:  # the next look at everything raises it, for somebody to tell
            self._failures += 1
            changed = set[str]()
        self._next = time.monotonic() + self.pause()
        return changed

    def stale(self) -> bool:
        """Never: a listing has all directories."""
        return False

    def close(self) -> None:
        """From now on every look is a listing."""
        self._closed()


def place_for(logdir: str | os.PathLike[str]) -> Place:
    """Where a logdir lies, be it a local path or a URL.

    Raises:
        InvalidLogdir: a URL that fsspec cannot serve.
        MissingDependency: a library that the URL needs is not installed.
    """
    path = placed(logdir)
    return RemotePlace(path) if is_remote(path) else LocalPlace(path)


def whole_file(path: str) -> bytes:
    """All of a file, by its local path or its URL.

    Raises:
        OSError: it cannot be read.
    """
    if not is_remote(path):
        with open(path, "rb") as file:
            return file.read()
    return RemotePlace(path).whole()


def _kind(inside: str) -> Any:
    """What a file is, by its path in the logdir; None where it makes no run."""
    if f"/{TRASH}/" in f"/{inside}":
        return None
    return "profile" if f"/{_PROFILE}" in f"/{inside}" else kind_of(inside.rpartition("/")[2])


def _written(pieces: Iterator[bytes], file: BinaryIO, most: int) -> int:
    """Writes pieces over all that is in a file. Returns their bytes."""
    file.seek(0)
    file.truncate()
    for piece in pieces:
        if file.tell() + len(piece) > most:
            raise OSError(f"there are more than the {most:,} bytes that are fetched at most")
        file.write(piece)
    return file.tell()


def _stamp(info: dict[str, Any]) -> str:
    """What differs whenever a file's content does, as far as the store says."""
    name = next((name for name in (*_TAGS, *_TIMES) if info.get(name)), None)
    if name is None:
        return ""
    value = info[name]  # of one file, a library may give a listing's time as a number and another's as a datetime
    return f"{name} {value.timestamp() if isinstance(value, datetime) else value}"


def _result(call: Callable[..., Any], arguments: tuple[Any, ...], options: dict[str, Any]) -> Any:
    try:
        return call(*arguments, **options)
    except Exception as error:
        return error


def _as_os_error(error: BaseException) -> OSError:
    """Whatever a library raises, as what a reader expects of a disk."""
    if isinstance(error, TimeoutError):
        return TimeoutError(f"no answer within {TIMEOUT:g} s")
    if isinstance(error, OSError):
        return error
    return OSError(f"{type(error).__name__}: {error}" if str(error) else type(error).__name__)
