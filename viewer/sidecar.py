"""What people say of runs and keep: names, notes, colours, views, charts; in one JSON file, a sidecar of the logdir.

It lies in the logdir, where everybody who looks there finds it, or in the user's data folder where the logdir cannot be
written. Several viewers may have the same one: every change reads the file again under a lock and puts a whole new file
in its place at once. What is not known in it (a later version's keys) stays as it is.

    {"format": 1, "sections": {"runs": {NAME: {"title": "…"}}, "views": {NAME: {…}}, "charts": {ID: {…}}}}
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import sys
import threading
import time
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

from tallyboard.core.remote import is_remote

from .responses import dump_json
from .statements import SECTIONS, BadPatch, merged, parse_json, permitted

__all__ = ["FILE", "MOST_BYTES", "NotKept", "Sidecar", "Told"]

FILE: Final = ".tallyboard.json"
"""Its name in the logdir."""
MOST_BYTES: Final = 8 << 20
"""Bytes that the file may have."""
_FORMAT: Final = 1
_READ_ONLY: Final = "This viewer was started with --read_only: nothing can be changed through it."
_PATIENCE: Final = 5.0  # seconds for another program's change; it takes milliseconds


class NotKept(Exception):
    """A change could not be kept; the text says why, for people."""


@dataclass(frozen=True, slots=True)
class Told:
    """What there is now.

    Attributes:
        place: "logdir", "user", or "off"; a file that the user named counts as "user".
        path: of the file, whether it is there yet or not; None with "off".
        writable: whether a change can be kept.
        reason: why not, or what is wrong with the file; None where nothing is.
        version: goes up whenever `sections` changes.
        sections: what is said, by section; all sections are there.
    """

    place: str
    path: str | None
    writable: bool
    reason: str | None
    version: int
    sections: dict[str, dict[str, Any]]


class Sidecar:
    """The sidecar of a logdir, or of several together. May be asked by any thread; waits for the disk.

    Args:
        logdirs: a path, or a URL; or some.
        chosen: "auto" (the logdir where it is one and writable, else the user's data folder), "user", "off", or a file.
        writable: False where nothing may be changed at all.
    """

    def __init__(self, logdirs: str | Sequence[str], chosen: str = "auto", *, writable: bool = True) -> None:
        given = [logdirs] if isinstance(logdirs, str) else logdirs
        self._logdirs = [logdir if is_remote(logdir) else os.path.abspath(logdir) for logdir in given]
        # of several, none is the one that the others' notes belong to
        self._logdir = self._logdirs[0] if len(self._logdirs) == 1 and not is_remote(self._logdirs[0]) else None
        self._chosen = chosen
        self._may_write = writable
        self._lock = threading.Lock()
        self._version = 1
        self._seen: tuple[object, ...] | None = None
        self._content: dict[str, Any] = {}
        self._damage: str | None = None
        self._shown: dict[str, dict[str, Any]] = {name: {} for name in SECTIONS}

    def told(self) -> Told:
        """What the file says now; reads it only if it changed."""
        with self._lock:
            place, path, reason = self._find()
            if path is not None:
                self._refresh(path if os.path.lexists(path) else self._fallback(place) or path)
            if not self._may_write:
                reason = _READ_ONLY
            said = reason or self._damage
            return Told(place, path, path is not None and reason is None, said, self._version, self._shown)

    @property
    def version(self) -> int:
        """The version that was told last."""
        return self._version

    def patch(self, change: Any) -> Told:
        """Merges a change into what the file says at that moment, and returns what there is then.

        Args:
            change: a JSON merge patch (RFC 7396) of the sections.

        Raises:
            BadPatch: it is none, or what came of it is not what a section may hold. Nothing is changed then.
            NotKept: there is no place for it, or it cannot be written.
        """
        with self._lock:
            place, path, reason = self._find()
            if path is None or reason is not None or not self._may_write:
                raise NotKept(reason or _READ_ONLY)
            try:
                if place == "user":
                    os.makedirs(os.path.dirname(path), exist_ok=True)
                with _locked(path):
                    self._refresh(path if os.path.lexists(path) else self._fallback(place) or path)
                    sections = merged(self._content.get("sections"), change)
                    content = {**self._content, "format": _FORMAT, "sections": sections}
                    data = dump_json(content)
                    if len(data) > MOST_BYTES:
                        raise BadPatch(f"The sidecar would have more than {MOST_BYTES:,} bytes; remove something.")
                    if self._damage is not None and os.path.lexists(path):
                        os.replace(path, f"{path}.damaged-{time.strftime('%Y%m%d-%H%M%S')}")
                    _write(path, data)
            except OSError as error:
                raise NotKept(f"{path} cannot be written: {error.strerror or error}.") from error
            self._refresh(path)
            return Told(place, path, True, self._damage, self._version, self._shown)

    # -- where

    def _find(self) -> tuple[str, str | None, str | None]:
        """Place, file, and why nothing can be written there."""
        if self._chosen == "off":
            return "off", None, "Notes were switched off with --sidecar off."
        if self._chosen not in ("auto", "user"):
            path = os.path.realpath(self._chosen)
            return "user", path, _unwritable(path)
        if self._chosen == "auto" and self._logdir is not None:
            if not os.path.isdir(self._logdir):
                return "logdir", os.path.join(self._logdir, FILE), "The logdir is not there yet."
            path = os.path.join(self._logdir, FILE)
            if _unwritable(path) is None:
                return "logdir", path, None
        folder = _data_folder()
        if folder is None:
            return "off", None, "The logdir cannot be written, and you have no home directory to keep notes in."
        addresses = [path if is_remote(path) else os.path.realpath(path) for path in self._logdirs]
        key = hashlib.sha256(os.fsencode("\0".join(sorted(addresses)))).hexdigest()[:32]
        path = str(folder / f"{key}.json")
        return "user", path, _unwritable(path)

    def _fallback(self, place: str) -> str | None:
        """The logdir's own file, from which one in the data folder starts."""
        if place != "user" or self._chosen != "auto" or self._logdir is None:
            return None
        return os.path.join(self._logdir, FILE)

    # -- what

    def _refresh(self, path: str) -> None:
        seen, data, damage = _read(path, self._seen)
        if data is None and seen == self._seen:
            return
        self._seen = seen
        content: dict[str, Any] = {}
        if data:
            try:
                content = _parsed(data)
            except ValueError:
                damage = f"{path} is damaged; with the next change it is put aside and begun anew."
        self._damage = damage
        self._content = content
        shown = permitted(content.get("sections"))
        if shown != self._shown:
            self._shown = shown
            self._version += 1


def _parsed(data: bytes) -> dict[str, Any]:
    content: Any = parse_json(data)
    if not isinstance(content, dict):
        raise ValueError("not a sidecar")
    return cast("dict[str, Any]", content)


def _read(path: str, known: tuple[object, ...] | None) -> tuple[tuple[object, ...], bytes | None, str | None]:
    """What identifies the file as it is now, its bytes unless they are known, and what is wrong with it."""
    # neither a link out of the logdir nor a FIFO is opened: whoever may write to a logdir made them
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
    try:
        info = os.lstat(path)
        seen = (path, info.st_ino, info.st_size, info.st_mtime_ns)
        if seen == known:
            return seen, None, None
        if not stat.S_ISREG(info.st_mode):
            return seen, b"", f"{path} is no file, and is passed over."
        if info.st_size > MOST_BYTES:
            return seen, b"", f"{path} is larger than {MOST_BYTES:,} bytes; with the next change it is put aside."
        with open(os.open(path, flags | getattr(os, "O_BINARY", 0)), "rb") as file:
            return seen, file.read(MOST_BYTES + 1), None
    except (FileNotFoundError, NotADirectoryError):
        return (path,), b"", None
    except OSError as error:
        return (path, "unreadable"), b"", f"{path} cannot be read: {error.strerror or error}."


def _unwritable(path: str) -> str | None:
    """Why a file cannot be put in the place of what is at `path`, or None where it can, as far as can be told."""
    if os.path.isdir(path) and not os.path.islink(path):
        return f"{path} is a directory."
    folder = os.path.dirname(path)
    while not os.path.lexists(folder) and os.path.dirname(folder) != folder:
        folder = os.path.dirname(folder)  # to be made when something is kept
    if not os.path.isdir(folder):
        return f"{folder} is no directory."
    if not os.access(folder, os.W_OK | os.X_OK):
        return f"{folder} cannot be written."
    return None


def _data_folder() -> Path | None:
    """Where the user's sidecars lie, as the platform has it."""
    try:
        home = Path.home()
    except RuntimeError:
        return None
    if sys.platform == "darwin":
        return home / "Library" / "Application Support" / "tallyboard"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local") / "tallyboard" / "Data"
    given = os.environ.get("XDG_DATA_HOME", "")  # a relative one is to be ignored
    return (Path(given) if os.path.isabs(given) else home / ".local" / "share") / "tallyboard"


def _write(path: str, data: bytes) -> None:
    """Puts a file in the place of what is there, at once; who may read that one may read this one."""
    part = f"{path}.{os.getpid()}-{time.monotonic_ns():x}.part"
    try:
        before = os.lstat(path)
        mode = stat.S_IMODE(before.st_mode) if stat.S_ISREG(before.st_mode) else None
    except FileNotFoundError:
        mode = None
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
    try:
        with open(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if mode is not None:
            os.chmod(part, mode)
        os.replace(part, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(part)
        raise


@contextlib.contextmanager
def _locked(path: str) -> Generator[None]:
    """Holds the lock of a sidecar, which the system gives back if this process dies.

    Raises:
        TimeoutError: another program holds it, and does not let go.
    """
    lock = f"{path}.lock"
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
    handle = os.open(lock, flags, 0o666)
    try:
        until = time.monotonic() + _PATIENCE
        while not _take(handle):
            if time.monotonic() > until:
                raise TimeoutError(f"another program holds {lock}")
            time.sleep(0.01)
        yield
    finally:
        os.close(handle)


def _take(handle: int) -> bool:
    if sys.platform == "win32":
        import msvcrt

        try:
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True
    import fcntl

    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks: writing at once has to do
        return True
    return True
