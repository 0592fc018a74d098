"""The trash: where runs are moved to in place of being deleted, and where they can be had back from.

Each time is a directory of its own, in which the files lie as they lay in the logdir:

    LOGDIR/.tallyboard-trash/20261122T061530-9f3c/NAME-OF-THE-RUN/events.out.tfevents…

Only what makes a directory a run is moved: event files, traces, `plugins/profile/`, the projector's configuration and
the files that it names. What else lies there, such as checkpoints, stays where it is. Moving is renaming, not copying,
and leads through no link: whoever may write to the logdir must not turn this program against files elsewhere.
"""

from __future__ import annotations

import calendar
import contextlib
import os
import re
import secrets
import shutil
import stat
import threading
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from tallyboard.core.places import TRASH, LocalPlace, kind_of
from tallyboard.core.remote import is_remote

__all__ = ["Entry", "Moved", "NotMoved", "Outcome", "Trash"]

LONGEST_CONFIG: Final = 1 << 20  # bytes of a projector's configuration that are read
_ID = re.compile(r"\d{8}T\d{6}-[0-9a-f]{4}")
_PROFILE = os.path.join("plugins", "profile")
_CONFIG = "projector_config.pbtxt"


@dataclass(frozen=True, slots=True)
class Moved:
    """A run that was moved.

    Attributes:
        run: its name.
        files: how many files and profiles were moved.
        left: what else lies in its directory, and stays.
    """

    run: str
    files: int
    left: list[str]


@dataclass(frozen=True, slots=True)
class NotMoved:
    """A run that stayed, and why, for people."""

    run: str
    reason: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of all runs that were named. `id` is the time's directory; None where nothing was moved."""

    id: str | None
    moved: list[Moved] = field(default_factory=list[Moved])
    kept: list[NotMoved] = field(default_factory=list[NotMoved])

    def without(self, unknown: Sequence[str]) -> Outcome:
        """The same, with runs that there are none of."""
        return Outcome(self.id, self.moved, [*self.kept, *(NotMoved(run, "There is no such run.") for run in unknown)])


@dataclass(frozen=True, slots=True)
class Entry:
    """What was moved to the trash at one time: `when` in seconds since 1970, and `bytes` of the runs' files."""

    id: str
    when: float
    runs: list[str]
    bytes: int


class Refused(Exception):
    """Something is not as it has to be; the text says what, for people."""


class Trash:
    """The trash of one logdir, or of several. May be asked by any thread; waits for the disk.

    Args:
        logdirs: paths by the name that stands before their runs' names, empty for a logdir alone; remote ones have no
            trash.
    """

    def __init__(self, logdirs: Mapping[str, str]) -> None:
        self._roots = {name: path if is_remote(path) else os.path.realpath(path) for name, path in logdirs.items()}
        self._lock = threading.Lock()

    def move(self, runs: Sequence[str], busy: Collection[str] = ()) -> Outcome:
        """Moves runs to the trash.

        Args:
            runs: names of runs that there are. Runs below them stay, unless they are named too.
            busy: runs that are not to be moved because somebody writes to them.
        """
        stamp = f"{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}-{secrets.token_hex(2)}"
        moved: list[Moved] = []
        kept: list[NotMoved] = []
        with self._lock:
            # those below first, so that a directory that held only them can go too
            for run in sorted(dict.fromkeys(runs), key=lambda name: -name.count("/")):
                try:
                    if run in busy:
                        raise Refused("It is still being written to.")
                    root, inside = self._place(run)
                    folder = _trash_of(root, make=True)
                    files = _move(root, os.path.join(folder, stamp), inside)
                    moved.append(Moved(run, files, _left(root, inside)))
                except (Refused, OSError) as error:
                    kept.append(NotMoved(run, _sentence(error)))
            self._tidy(stamp)
        return Outcome(stamp if moved else None, moved, kept)

    def restore(self, stamp: str, runs: Sequence[str] | None = None) -> Outcome:
        """Moves runs back to where they were.

        Args:
            stamp: the time's `id`.
            runs: names; None for all that were moved then.
        """
        moved: list[Moved] = []
        kept: list[NotMoved] = []
        with self._lock:
            if _ID.fullmatch(stamp) is None:
                return Outcome(None, [], [NotMoved(run, "There is no such time in the trash.") for run in runs or ()])
            there = [run for entry in self._entries() if entry.id == stamp for run in entry.runs]
            for run in there if runs is None else dict.fromkeys(runs):
                try:
                    if run not in there:
                        raise Refused("It is not in the trash of that time.")
                    root, inside = self._place(run)
                    files = _move(os.path.join(_trash_of(root), stamp), root, inside)
                    moved.append(Moved(run, files, []))
                except (Refused, OSError) as error:
                    kept.append(NotMoved(run, _sentence(error)))
            self._tidy(stamp)
        return Outcome(stamp if moved else None, moved, kept)

    def purge(self, stamp: str, runs: Sequence[str] | None = None) -> Outcome:
        """Deletes runs that are in the trash for good; `moved` of the outcome are those that are gone.

        Args:
            stamp: the time's `id`.
            runs: names; None for all that were moved then.
        """
        gone: list[Moved] = []
        kept: list[NotMoved] = []
        with self._lock:
            there = [run for entry in self._entries() if entry.id == stamp for run in entry.runs]
            for run in there if runs is None else dict.fromkeys(runs):
                try:
                    if run not in there:
                        raise Refused("It is not in the trash of that time.")
                    root, inside = self._place(run)
                    gone.append(Moved(run, _delete(os.path.join(_trash_of(root), stamp), inside), []))
                except (Refused, OSError) as error:
                    kept.append(NotMoved(run, _sentence(error)))
            if there:
                self._tidy(stamp)
        return Outcome(stamp if gone else None, gone, kept)

    def entries(self) -> list[Entry]:
        """What is in the trash, the latest first."""
        with self._lock:
            return self._entries()

    def _entries(self) -> list[Entry]:
        found: dict[str, Entry] = {}
        for name, root in self._roots.items():
            try:
                folder = _trash_of(root)
                stamps = [each for each in os.listdir(folder) if _ID.fullmatch(each) and _is_folder(folder, each)]
            except (Refused, OSError):
                continue
            for stamp in stamps:
                listing = LocalPlace(os.path.join(folder, stamp)).walk()
                runs = {_called(name, entry.run) for entry in listing.entries}
                size = sum(entry.size for entry in listing.entries)
                before = found.get(stamp, Entry(stamp, _when(stamp), [], 0))
                found[stamp] = Entry(stamp, before.when, sorted({*before.runs, *runs}), before.bytes + size)
        return sorted((entry for entry in found.values() if entry.runs), key=lambda entry: entry.id, reverse=True)

    def _place(self, run: str) -> tuple[str, str]:
        """The logdir of a run, and its directory in there; empty for the logdir itself."""
        names = [name for name in self._roots if not name or run == name or run.startswith(f"{name}/")]
        if not names:
            raise Refused("There is no such run.")
        name = max(names, key=len)
        root = self._roots[name]
        if is_remote(root):
            raise Refused("It is remote: runs there cannot be deleted from here.")
        inside = run[len(name) :].lstrip("/") if name else run
        parts = [] if inside in ("", ".") else inside.split("/")
        if any(part in ("", ".", "..", TRASH) or "\0" in part for part in parts):
            raise Refused("There is no such run.")
        return root, os.path.join(*parts) if parts else ""

    def _tidy(self, stamp: str) -> None:
        """Removes directories that hold nothing any more."""
        for root in self._roots.values():
            with contextlib.suppress(Refused, OSError):
                folder = _trash_of(root)
                for path, _, _ in os.walk(os.path.join(folder, stamp), topdown=False):
                    with contextlib.suppress(OSError):
                        os.rmdir(path)
                os.rmdir(folder)


def _called(name: str, run: str) -> str:
    if not name:
        return run
    return name if run == "." else f"{name}/{run}"


def _when(stamp: str) -> float:
    with contextlib.suppress(ValueError):
        return float(calendar.timegm(time.strptime(stamp[:15], "%Y%m%dT%H%M%S")))
    return 0.0


def _sentence(error: Exception) -> str:
    return f"{error.strerror or error}." if isinstance(error, OSError) else str(error)


def _trash_of(root: str, *, make: bool = False) -> str:
    if is_remote(root):
        raise Refused("It is remote: there is no trash.")
    folder = os.path.join(root, TRASH)
    if make:
        with contextlib.suppress(FileExistsError):
            os.mkdir(folder)
    if not _is_folder(root, TRASH):
        raise Refused(f"{folder} is no directory.")
    return folder


def _is_folder(*parts: str) -> bool:
    """Whether a path is a directory, and no link to one."""
    try:
        return stat.S_ISDIR(os.lstat(os.path.join(*parts)).st_mode)
    except OSError:
        return False


def _walked(root: str, inside: str, *, make: bool = False) -> str:
    """A directory below another, to which no link leads; made if need be."""
    path = root
    for part in ["", *inside.split(os.sep)] if inside else [""]:
        path = os.path.join(path, part) if part else path
        if make:
            with contextlib.suppress(FileExistsError):
                os.mkdir(path)
        if not _is_folder(path):
            if os.path.lexists(path):
                raise Refused("A link leads to it, or something else that is no directory; that is not touched.")
            raise Refused("It is not there any more.")
    return path


def _move(source: str, target: str, inside: str) -> int:
    """Moves a run's own files from one root to the same place in another, all or none. Returns how many."""
    folder = _walked(source, inside)
    names = _own(folder)
    if not names:
        raise Refused("No files of its own lie there.")
    goal = _walked(target, inside, make=True)
    done: list[tuple[str, str]] = []
    try:
        for name in names:
            _walked(goal, os.path.dirname(name), make=True)
            old, new = os.path.join(folder, name), os.path.join(goal, name)
            if os.path.lexists(new):
                raise Refused(f"{name} is there already; that is not written over.")
            os.rename(old, new)
            done.append((old, new))
    except BaseException:
        for old, new in reversed(done):
            os.rename(new, old)
        raise
    for emptied in {os.path.dirname(os.path.join(folder, name)) for name in names} | {folder}:
        _prune(emptied, source)
    return len(done)


def _delete(root: str, inside: str) -> int:
    """Deletes a run's own files below a root. Returns how many."""
    stamp = os.path.basename(root)
    folder = _walked(os.path.dirname(root), os.path.join(stamp, inside) if inside else stamp)
    names = _own(folder)
    if not names:
        raise Refused("No files of its own lie there.")
    for name in names:
        _walked(folder, os.path.dirname(name))
        path = os.path.join(folder, name)
        if _is_folder(path):
            shutil.rmtree(path)  # which follows no link
        else:
            os.unlink(path)
    for emptied in {os.path.dirname(os.path.join(folder, name)) for name in names} | {folder}:
        _prune(emptied, root)
    return len(names)


def _prune(folder: str, root: str) -> None:
    """Removes directories that are empty now, upwards."""
    while folder != root and folder.startswith(root + os.sep):
        try:
            os.rmdir(folder)
        except OSError:
            return
        folder = os.path.dirname(folder)


def _own(folder: str) -> list[str]:
    """What in a directory is the run's: names of files, and of a directory of profiles; relative to it."""
    with os.scandir(folder) as entries:  # a link is moved as such, not what it leads to
        names = [each.name for each in entries if kind_of(each.name) and not each.is_dir(follow_symlinks=False)]
    if _is_folder(folder, "plugins") and _is_folder(folder, _PROFILE):
        names.append(_PROFILE)
    if _CONFIG in names:
        names += [name for name in _projected(folder) if name not in names]
    return sorted(names)


def _projected(folder: str) -> list[str]:
    """The files below a directory that its projector's configuration names."""
    from google.protobuf import text_format

    from tallyboard.core.proto import projector_pb2

    config = projector_pb2.ProjectorConfig()
    try:
        with open(os.path.join(folder, _CONFIG), "rb") as file:
            text_format.Parse(file.read(LONGEST_CONFIG).decode(), config, allow_unknown_field=True)
    except (OSError, UnicodeDecodeError, text_format.ParseError):
        return []
    names: list[str] = []
    for entry in config.embeddings:
        for path in (entry.tensor_path, entry.metadata_path, entry.sprite.image_path):
            parts = path.replace("\\", "/").split("/")
            if any(part in ("", ".", "..") or "\0" in part for part in parts):
                continue
            with contextlib.suppress(Refused, OSError):
                below = _walked(folder, os.path.join(*parts[:-1]) if parts[1:] else "")
                if stat.S_ISREG(os.lstat(os.path.join(below, parts[-1])).st_mode):
                    names.append(os.path.join(*parts))
    return list(dict.fromkeys(names))


def _left(root: str, inside: str) -> list[str]:
    """What lies in a run's directory now."""
    with contextlib.suppress(OSError):
        return sorted(name for name in os.listdir(os.path.join(root, inside)) if name != TRASH)[:50]
    return []
