"""Where a logdir lies: what is in it, and bytes of its files. The only part of reading that touches a disk.

`Place` is the seam that remote stores implement too; `LocalPlace` is a directory of this machine.
"""

from __future__ import annotations

import errno
import os
import re
import stat
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

from .watching import is_remote_drive

if TYPE_CHECKING:
    from .watching import Watch

__all__ = ["TRASH", "Entry", "Kind", "Listing", "LocalPlace", "NamedPlace", "Place", "Trouble", "kind_of"]

Kind = Literal["events", "trace", "profile", "projector"]

TRASH = ".tallyboard-trash"
"""The directory in a logdir that runs are moved to when they are deleted; nothing in it is a run."""

# What torch's handler writes, and the names that its documents give to `export_chrome_trace`: trace.json, trace_7.json.
_TRACE = re.compile(r"(?:^|[._-])trace(?:[._-]?\d+)?\.json(?:\.gz)?$")
_ODD = frozenset({"profile", TRASH})  # names of directories that are no plain ones
_TICK = 2.1  # seconds: the coarsest clock that file systems tell times of change by


class Entry(NamedTuple):
    """One file that makes its directory a run.

    Attributes:
        path: what `read_at` takes.
        run: name of the run it belongs to: its directory relative to the logdir, with `/`, or `.`.
        kind: `events`, or what else it is (an asset): `trace` (of torch's profiler), `profile` (anything below
            `plugins/profile/`), `projector` (projector_config.pbtxt).
        size: in bytes.
        stamp: differs whenever the content may differ: inode and time of change, or an ETag. A number or text.
    """

    path: str
    run: str
    kind: Kind
    size: int
    stamp: int | str


class Trouble(NamedTuple):
    """A directory that cannot be looked into, the run that it would be, and the system's words."""

    path: str
    run: str
    message: str


@dataclass(slots=True)
class Listing:
    """What was found, in no order, and where looking failed."""

    entries: list[Entry] = field(default_factory=list[Entry])
    troubles: list[Trouble] = field(default_factory=list[Trouble])


class Place(Protocol):
    """A logdir, wherever it is.

    Attributes:
        root: the logdir's address, as given.
        separator: what stands between the parts of a path.
    """

    root: str
    separator: str

    def there(self) -> int | str | None:
        """Something that stays the same while the logdir is the same directory; None when there is none.

        Raises:
            OSError: it cannot be told.
        """
        ...

    def walk(self) -> Listing:
        """Everything in the logdir. Only what makes runs is asked for its size.

        Raises:
            OSError: the logdir itself cannot be listed, for the moment.
        """
        ...

    def look(self, path: str) -> Listing | None:
        """What is at one path: a file alone, or all below a directory; None when nothing that makes a run is there."""
        ...

    def expect(self, wanted: Sequence[tuple[str, int, int]]) -> None:
        """Hears what `read_at` will be asked for next (path, offset, bytes), so that a slow place can begin at once."""
        ...

    def read_at(self, path: str, offset: int, into: memoryview) -> int:
        """Reads into all of `into`, from `offset` on. Returns the number of bytes, less only at the file's end.

        Raises:
            OSError: it cannot be read.
        """
        ...

    def vouches(self, stamp: int | str, when: float) -> bool:
        """Whether a stamp that is the same now as at `when`, in seconds since 1970, proves that nothing changed."""
        ...

    def watch(self) -> Watch | None:
        """News of changes, from now on; None where nobody tells, and looking again is the way."""
        ...


def kind_of(name: str) -> Kind | None:
    """What a file is by its name, or None where it makes no run; files below `plugins/profile/` are told by place."""
    if "tfevents" in name:
        return None if name.endswith(".profile-empty") else "events"
    if name.endswith((".json", ".json.gz")) and _TRACE.search(name) and not name.startswith("perfetto_trace"):
        return "trace"
    return "projector" if name == "projector_config.pbtxt" else None


@dataclass(slots=True)
class _Folder:
    """A directory to be listed.

    Attributes:
        path: of it.
        run: its name as a run; empty for the logdir.
        profiled: the run that a `plugins/profile/` above it belongs to.
        seen: directories visited behind the link that led here; None where no link did.
    """

    path: str
    run: str
    profiled: str | None = None
    seen: set[tuple[int, int]] | None = None


class LocalPlace:
    """A directory of this machine. Links to directories are followed, each directory once behind a link."""

    separator = os.sep

    def __init__(self, root: str | os.PathLike[str]) -> None:
        self.root = os.fspath(root)
        self.links: dict[str, str] = {}
        """Links to directories that the last walk followed, and where they lead."""
        self._real_root = os.path.realpath(self.root) + os.sep
        self._far: bool | None = None

    def there(self) -> int | str | None:
        """Device and inode of the directory; None when there is no directory."""
        try:
            info = os.stat(self.root)
        except (FileNotFoundError, NotADirectoryError):
            return None
        return f"{info.st_dev}.{info.st_ino}" if stat.S_ISDIR(info.st_mode) else None

    def walk(self) -> Listing:
        """All event files and assets below the directory."""
        listing = Listing()
        self.links = {}
        self._real_root = os.path.realpath(self.root) + os.sep
        pending = [_Folder(self.root, "")]
        while pending:
            self._list(pending.pop(), listing, pending)
        return listing

    def look(self, path: str) -> Listing | None:
        """The file at `path`, or everything below it; links above it are taken as they are."""
        inside = os.path.relpath(path, self.root).replace(os.sep, "/")
        if inside == "." or inside.startswith("../"):
            return self.walk()
        if TRASH in inside.split("/"):
            return None
        try:
            info = os.stat(path)
        except OSError:
            return None
        folder, _, name = inside.rpartition("/")
        above = f"/{folder}/"
        head, mark, _ = above.partition("/plugins/profile/")
        profiled = (head[1:] or ".") if mark else None
        listing = Listing()
        if stat.S_ISDIR(info.st_mode):
            if name == "profile" and above.endswith("/plugins/"):
                profiled = profiled or _owner(folder)
            pending = [_Folder(path, inside, profiled, {(info.st_dev, info.st_ino)} if os.path.islink(path) else None)]
            if pending[0].seen is not None:
                self.links[path] = os.path.realpath(path)
            while pending:
                self._list(pending.pop(), listing, pending)
        elif (kind := "profile" if profiled else kind_of(name)) and stat.S_ISREG(info.st_mode):
            listing.entries.append(_entry(path, profiled or folder or ".", kind, info))
        else:
            return None
        return listing

    def _list(self, folder: _Folder, listing: Listing, pending: list[_Folder]) -> None:
        plain = folder.profiled is None and folder.seen is None
        try:
            with os.scandir(folder.path) as entries:
                if folder.profiled is not None and f"/{folder.run}".endswith("/plugins/profile"):
                    info = os.stat(folder.path)  # empty, it makes a run all the same
                    listing.entries.append(_entry(folder.path, folder.profiled, "profile", info))
                run = f"{folder.run}/" if folder.run else ""
                for entry in entries:
                    if plain and entry.name not in _ODD and entry.is_dir(follow_symlinks=False):
                        pending.append(_Folder(entry.path, run + entry.name))  # ten thousand times: kept short
                    else:
                        self._take(entry, folder, listing, pending)
        except (FileNotFoundError, NotADirectoryError):
            pass  # gone meanwhile
        except OSError as error:
            if folder.path == self.root:
                raise
            listing.troubles.append(Trouble(folder.path, folder.run, error.strerror or str(error)))

    def _take(self, entry: os.DirEntry[str], folder: _Folder, listing: Listing, pending: list[_Folder]) -> None:
        try:
            if entry.is_dir():
                if (below := self._below(entry, folder)) is not None:
                    pending.append(below)
                return
            kind = "profile" if folder.profiled is not None else kind_of(entry.name)
            if kind is None:
                return
            info = entry.stat()
            if stat.S_ISREG(info.st_mode):  # a FIFO or a device would block, or never end
                listing.entries.append(_entry(entry.path, folder.profiled or folder.run or ".", kind, info))
        except OSError:
            return  # gone, or a link to nowhere

    def _below(self, entry: os.DirEntry[str], folder: _Folder) -> _Folder | None:
        """A directory in a directory; None where it was already visited on this way, or is the trash."""
        if entry.name == TRASH:
            return None
        run = f"{folder.run}/{entry.name}" if folder.run else entry.name
        profiled, seen = folder.profiled, folder.seen
        if (
            profiled is None
            and entry.name == "profile"
            and (folder.run == "plugins" or folder.run.endswith("/plugins"))
        ):
            profiled = _owner(folder.run)
        if entry.is_symlink():
            target = os.path.realpath(entry.path)
            if seen is not None and f"{target}{os.sep}".startswith(self._real_root):
                return None  # behind a link, a link back into the logdir leads to what is found without it
            if seen is None:  # a link to a folder above would never end
                seen = {_identity(os.stat(above)) for above in _chain(self.root, folder.path)}
            self.links[entry.path] = target
        if seen is not None:
            identity = _identity(entry.stat())
            if identity in seen:
                return None
            seen.add(identity)
        return _Folder(entry.path, run, profiled, seen)

    def expect(self, wanted: Sequence[tuple[str, int, int]]) -> None:
        """A disk is quick enough without."""

    def read_at(self, path: str, offset: int, into: memoryview) -> int:
        """Bytes of a regular file."""
        # what was a regular file when listed may be a FIFO by now: opening it must not wait for a writer
        flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
        file = os.open(path, flags)
        try:
            if not stat.S_ISREG(os.fstat(file).st_mode):
                raise OSError(errno.EINVAL, "Not a regular file", path)
            count = 0
            while count < len(into):
                got = _read_into(file, offset + count, into[count:])
                if not got:
                    break
                count += got
        finally:
            os.close(file)
        return count

    def vouches(self, stamp: int | str, when: float) -> bool:
        """Yes on local disks, but for files that changed just before: a clock's tick has room for two changes."""
        if self._far is None:
            self._far = os.name != "posix" or is_remote_drive(self.root)
        return not self._far and int(str(stamp).rpartition(".")[2], 16) < (when - _TICK) * 1e9

    def watch(self) -> Watch | None:
        """News from the system, where it has them and a library to hear them is installed."""
        from .watching import watch_local

        return watch_local(self)

    def names_of(self, path: str) -> Iterable[str]:
        """All paths by which the walk comes to a file that news name: through links, it has more than one."""
        if not self.links:
            return (path,)
        real = os.path.realpath(path)
        root = os.path.realpath(self.root)
        names = {path}
        for link, target in (*self.links.items(), (self.root, root)):
            if real == target or real.startswith(target + os.sep):
                names.add(link + real[len(target) :])
        return names


class NamedPlace:
    """A place whose runs are called by a name in front: of several logdirs that are shown together, each has one.

    Args:
        place: the logdir.
        name: stands before its runs' names, with a `/` between; the run `.` is called by it alone.
    """

    def __init__(self, place: Place, name: str) -> None:
        self.root, self.separator = place.root, place.separator
        self._place = place
        self._name = name
        self.there = place.there
        self.expect = place.expect
        self.read_at = place.read_at
        self.vouches = place.vouches
        self.watch = place.watch

    def walk(self) -> Listing:
        """Everything in the logdir, its runs named."""
        return self._named(self._place.walk())

    def look(self, path: str) -> Listing | None:
        """What is at one path, its runs named."""
        found = self._place.look(path)
        return None if found is None else self._named(found)

    def _named(self, listing: Listing) -> Listing:
        entries = [entry._replace(run=self._called(entry.run)) for entry in listing.entries]
        return Listing(entries, [trouble._replace(run=self._called(trouble.run)) for trouble in listing.troubles])

    def _called(self, run: str) -> str:
        return self._name if run in (".", "") else f"{self._name}/{run}"


def _read_into(file: int, offset: int, into: memoryview) -> int:
    if sys.platform in ("linux", "freebsd"):
        return os.preadv(file, [into], offset)
    os.lseek(file, offset, os.SEEK_SET)
    data = os.read(file, len(into))
    into[: len(data)] = data
    return len(data)


def _entry(path: str, run: str, kind: Kind, info: os.stat_result) -> Entry:
    # the time of change, unlike that of modification, is set by no program; Windows calls the birth by that name
    when = info.st_ctime_ns if os.name == "posix" else info.st_mtime_ns
    return Entry(path, run, kind, info.st_size, f"{info.st_ino:x}.{when:x}")


def _identity(info: os.stat_result) -> tuple[int, int]:
    return info.st_dev, info.st_ino


def _owner(plugins: str) -> str:
    """The run that the folder `plugins` lies in."""
    return plugins.rpartition("/")[0] or "."


def _chain(root: str, folder: str) -> list[str]:
    """The folder and all above it, up to the root."""
    chain = [folder]
    while chain[-1] != root and len(chain[-1]) > len(root):
        chain.append(os.path.dirname(chain[-1]))
    return chain
