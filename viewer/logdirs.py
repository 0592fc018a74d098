"""Which logdirs are shown, and what their runs are called: one alone, or several that have a name each."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from tallyboard.core.errors import TallyboardError
from tallyboard.core.remote import check_url, is_remote, placed

__all__ = ["Logdir", "checked", "from_spec", "is_spec", "named"]


@dataclass(frozen=True, slots=True)
class Logdir:
    """A logdir.

    Attributes:
        name: stands before the names of its runs, with a `/` between; empty where it is the only one.
        path: of the directory, or its URL.
    """

    name: str
    path: str


def checked(path: str) -> str:
    """A logdir as it was given, a `file://` URL as its local path.

    Raises:
        ValueError: it can be none; the text says why.
    """
    logdir = placed(path)
    if is_remote(logdir):
        try:
            check_url(logdir, writing=False)
        except TallyboardError as wrong:
            raise ValueError(f"the logdir {wrong}") from None
        return logdir
    local = Path(logdir)
    if not logdir or "\0" in logdir or (local.exists() and not local.is_dir()):
        raise ValueError(f"the logdir {logdir!r} is not a directory; give the directory that holds it")
    return logdir


def from_spec(text: str) -> list[Logdir]:
    """The logdirs of `name1:path1,name2:path2`; one without a name is called by its path's last part.

    Raises:
        ValueError: two have one name, a name or path is empty, or a path is no directory.
    """
    given: list[tuple[str, str]] = []
    for part in text.split(","):
        name, path = _split(part.strip())
        if not path:
            raise ValueError(f"--logdir_spec has no path in {part!r}; give name1:path1,name2:path2")
        given.append((name, path if is_remote(path) else os.path.expanduser(path)))
    unnamed = iter(_tails([path for name, path in given if not name]))
    return _apart([Logdir(name or next(unnamed), checked(path)) for name, path in given])


def is_spec(path: str) -> bool:
    """Whether a path that leads nowhere names several directories, as TensorBoard 1 took `--logdir a:runs,b:old`."""
    if "," not in path or is_remote(path) or os.path.lexists(path):
        return False
    try:
        return all(os.path.isdir(logdir.path) for logdir in from_spec(path))
    except ValueError:
        return False


def named(paths: list[str]) -> list[Logdir]:
    """Several logdirs, each called by as much of its path as tells it from the others.

    Raises:
        ValueError: one is given twice, or is no directory.
    """
    return _apart([Logdir(name, checked(path)) for name, path in zip(_tails(paths), paths, strict=True)])


def _split(part: str) -> tuple[str, str]:
    """A name and a path. A URL, an absolute path and a drive's letter have no name in front, as TensorBoard has it."""
    drive = re.match(r"[A-Za-z]:[\\/]", part) is not None
    if ":" not in part or part.startswith("/") or drive or is_remote(part) or is_remote(placed(part)):
        return "", part
    name, _, path = part.partition(":")
    if not re.fullmatch(r"[^/\x00-\x1f]+(?:/[^/\x00-\x1f]+)*", name) or name in (".", ".."):
        raise ValueError(f"--logdir_spec has {name!r} for a name; give one such as baseline, without a / at its ends")
    return name, path


def _tails(paths: list[str]) -> list[str]:
    """Of each path as many of its last parts as it takes to tell it from the others."""
    parts = [
        [
            part
            for part in re.split(r"[\\/]+" if os.name == "nt" else "/+", path if is_remote(path) else _whole(path))
            if part
        ]
        for path in paths
    ]
    longest = max((len(each) for each in parts), default=1)
    for count in range(1, longest):
        names = ["/".join(each[-count:]) for each in parts]
        if len(set(names)) == len(names):
            return names
    return ["/".join(each) or "root" for each in parts]


def _whole(path: str) -> str:
    return os.path.abspath(placed(path))


def _apart(logdirs: list[Logdir]) -> list[Logdir]:
    names = [logdir.name for logdir in logdirs]
    for at, name in enumerate(names):
        if name in names[:at]:
            raise ValueError(f"two logdirs are called {name!r}; give each its own: --logdir_spec a:runs,b:old")
        for other in names:
            if other.startswith(f"{name}/"):
                raise ValueError(f"a logdir called {other!r} would lie within {name!r}; give them other names")
    return logdirs
