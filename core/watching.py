"""News of what happens in a logdir, from the system: so that nobody has to look through all of it again and again.

Linux has inotify, macOS FSEvents; both are heard through watchfiles where it is installed. Network drives tell only
of what this machine did, and so are looked through like everything else that has no news.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Protocol

from .errors import warn_once

if TYPE_CHECKING:
    from .places import LocalPlace

__all__ = ["Stopping", "Watch", "is_remote_drive", "warn_unheard", "watch_local"]

STEP_MS = 40  # how often the library looks for news; it returns at the first step in which nothing more comes
DEBOUNCE_MS = 120  # or after so long, where news never cease
FLOOD = 8_000  # names at once above which the system may have dropped some: its queue holds 16,384
# Types of file systems that other machines write to, as Linux names them.
NETWORK = frozenset(
    {"9p", "afs", "beegfs", "ceph", "cifs", "davfs", "fakeowner", "fuse", "gpfs", "glusterfs", "lustre", "ncpfs"}
    | {"nfs", "nfs4", "orangefs", "panfs", "prl_fs", "pvfs2", "smb2", "smb3", "smbfs", "vboxsf", "virtiofs", "vmhgfs"}
)


class Stopping(Protocol):
    """Whether to stop; a threading.Event is one."""

    def is_set(self) -> bool: ...
    def wait(self, timeout: float | None = None) -> bool: ...


class Watch(Protocol):
    """Hears of changes in a place."""

    def news(self, stopping: Stopping, seconds: float) -> set[str] | None:
        """Waits for news, until some come, the time is up, or `stopping` is set.

        Returns:
            Paths that something happened to; None where all of the place has to be looked through.
        """
        ...

    def stale(self) -> bool:
        """Whether there are directories that it does not hear of: another watch is to take its place."""
        ...

    def close(self) -> None:
        """Ends it."""
        ...


class _LocalWatch:
    def __init__(self, place: LocalPlace) -> None:
        from watchfiles._rust_notify import RustNotify

        self._place = place
        self._links = dict(place.links)
        self._root = os.path.abspath(place.root)
        self._notify = RustNotify([self._root], False, False, 300, True, True)

    def news(self, stopping: Stopping, seconds: float) -> set[str] | None:
        found = self._notify.watch(DEBOUNCE_MS, STEP_MS, max(1, int(seconds * 1000)), stopping)
        if isinstance(found, str):
            return set()
        if len(found) > FLOOD:
            return None
        cut = len(self._root)
        paths = {self._place.root.rstrip(os.sep) + path[cut:] for _, path in found if path.startswith(self._root)}
        return {name for path in paths for name in self._place.names_of(path)}

    def stale(self) -> bool:
        return self._place.links != self._links

    def close(self) -> None:
        self._notify.close()


def watch_local(place: LocalPlace) -> Watch | None:
    """News of a local directory, or None where there are none to be had: no library, a network drive, a limit."""
    if is_remote_drive(place.root):
        return None
    try:
        return _LocalWatch(place)
    except ImportError:
        return None
    except (OSError, RuntimeError) as error:
        if not os.path.isdir(place.root):
            return None
        warn_unheard(place.root, error)
        return None


def warn_unheard(root: str, error: Exception) -> None:
    """Says that news cannot be had, and what helps."""
    warn_once(
        ("watch", root),
        f"the system tells nothing of changes in {root!r} ({error}), so it is looked through again and again, "
        "which is slower; if the limit of watches is reached, `sysctl fs.inotify.max_user_watches=1048576` raises it",
    )


def is_remote_drive(path: str) -> bool:
    """Whether a path lies on a file system that other machines write to, or whose mappings may vanish."""
    try:
        with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
            mounts = [line.split() for line in file]
    except OSError:
        return False  # not Linux
    real = os.path.realpath(path)
    longest, kind = "", ""
    for fields in mounts:
        # proc_pid_mountinfo(5): the fifth field is the mount point, the type follows the lone "-"
        point = re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), fields[4])
        inside = real == point or real.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= len(longest):
            longest, kind = point, fields[fields.index("-") + 1]
    return kind in NETWORK or kind.startswith(("fuse.", "nfs"))
