"""Traces on remote stores: which there are at a URL, and copies of them on this machine for as long as they are read.

Readers want a file, since they look into it at several places and, of large ones, more than once. So a trace is fetched
into a directory of the cache that is its own, some megabytes at a time, and thrown away when its columns are there.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from ..errors import InvalidLogdir
from ..remoteplace import RemotePlace
from .files import is_trace, without_twins

__all__ = ["MOST", "RemoteTrace", "fetched", "find_remote"]

MOST: Final = 8 << 30
"""Bytes of a trace that are fetched at most."""

_ABANDONED: Final = 86400.0  # seconds after which a copy is that of a program that was killed


@dataclass(frozen=True, slots=True)
class RemoteTrace:
    """A trace on a remote store.

    Attributes:
        url: of the file.
        size: in bytes, None where the store does not say.
        stamp: differs whenever the content does: an ETag, a time; empty where the store says none.
    """

    url: str
    size: int | None = None
    stamp: str = ""

    def __str__(self) -> str:
        return self.url

    @property
    def name(self) -> str:
        """The file's name."""
        last = self.url.rstrip("/").rpartition("/")[2]
        return unquote(urlsplit(self.url).path.rpartition("/")[2]) if self.url.startswith("http") else last

    @property
    def parent(self) -> str:
        """The URL of its directory."""
        return self.url.rstrip("/").rpartition("/")[0]


def find_remote(url: str, depth: int) -> list[RemoteTrace]:
    """The traces at a URL: the one that it is, or those below it, in order.

    Args:
        url: of a file, or of a directory.
        depth: how far below a directory its traces lie at most.

    Raises:
        InvalidLogdir: nothing is there, or fsspec cannot serve the URL.
        MissingDependency: a library that it needs is not installed.
        OSError: the store does not answer, or refuses.
    """
    place = RemotePlace(url)
    web = url.startswith(("http://", "https://"))
    alone = RemoteTrace(url)
    if not web or is_trace(alone.name):
        with suppress(FileNotFoundError):
            kind, size, stamp = place.about(place.root)
            if kind == "file":
                return [RemoteTrace(url, size, stamp)]

    def wanted(inside: str) -> bool:
        return inside.count("/") <= depth and is_trace(inside.rpartition("/")[2])

    found = {path: RemoteTrace(path, size, stamp) for path, size, stamp in place.all_files(wanted)}
    if found:
        return [found[path] for path in sorted(without_twins(found))]
    try:
        _, size, stamp = place.about(place.root)
    except FileNotFoundError:
        raise InvalidLogdir(f"read_profile({url!r}): nothing is there; give the URL of a trace, or of a run") from None
    # what a web server has there without a trace below it is the file that was meant, whatever its name
    return [RemoteTrace(url, size, stamp)] if web and not url.endswith("/") else []


@contextmanager
def fetched(trace: RemoteTrace, folder: Path | None) -> Generator[Path]:
    """A copy of a trace with its name, there as long as the block lasts.

    Args:
        trace: which.
        folder: the cache directory that it is put below, None for the system's temporary one.

    Raises:
        InvalidLogdir: it is larger than what is fetched, or than the room there is.
        OSError: the store does not answer or breaks off, or there is no room.
    """
    if folder is not None:
        with suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            _sweep(folder)
    where = folder if folder is not None and folder.is_dir() else None
    with tempfile.TemporaryDirectory(prefix="fetched-", dir=where) as passing:
        room = shutil.disk_usage(passing).free
        if trace.size is not None and trace.size > min(MOST, room):
            bound = f"{MOST:,} are fetched at most" if trace.size > MOST else f"there is room for {room:,}"
            raise InvalidLogdir(
                f"{trace}: it has {trace.size:,} bytes, and {bound}; copy it to a disk that has the room"
            )
        copy = Path(passing, trace.name or "trace")
        place = RemotePlace(trace.url)
        place.fetch(place.root, copy, min(MOST, room))
        yield copy


def _sweep(folder: Path) -> None:
    """Throws away what programs that were killed have left."""
    for left in folder.glob("fetched-*"):
        with suppress(OSError):
            if time.time() - left.stat().st_mtime > _ABANDONED:
                shutil.rmtree(left, ignore_errors=True)
