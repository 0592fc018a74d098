"""What handlers may have of the disk: records that the store refers to, and where runs lie."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from tallyboard.core.errors import CorruptRecord
from tallyboard.core.remote import is_remote, joined

from .logdirs import Logdir

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tallyboard.core.reader import LogdirReader
    from tallyboard.core.store import BlobRef

__all__ = ["Records"]


class Records:
    """Stands for the readers, which the indexing threads make when they start.

    Args:
        logdirs: the directory as the user typed it, or its URL; or several, with the names of their runs.
    """

    def __init__(self, logdirs: str | Sequence[Logdir]) -> None:
        given = [Logdir("", logdirs)] if isinstance(logdirs, str) else logdirs
        self._paths = {
            logdir.name: logdir.path if is_remote(logdir.path) else os.path.abspath(logdir.path) for logdir in given
        }
        self._readers: list[LogdirReader] = []

    def opened(self, reader: LogdirReader) -> LogdirReader:
        """A reader is there; returns it."""
        self._readers.append(reader)
        return reader

    def fetch(self, ref: BlobRef) -> bytes:
        """The bytes of a record. Waits for the disk, so it is no call for the event loop's thread.

        Raises:
            CorruptRecord: they are gone, or no longer what they were.
        """
        for reader in self._readers:
            if ref.path in reader.files:
                return reader.fetch(ref)
        raise CorruptRecord(f"{ref.path}: nobody reads this file any more")

    def path(self, run: str) -> str:
        """A run's directory: an absolute path, or a URL."""
        name = max((name for name in self._paths if run == name or run.startswith(f"{name}/")), key=len, default="")
        logdir = self._paths.get(name) or next(iter(self._paths.values()))
        inside = run[len(name) :].lstrip("/") if name else run
        if inside in ("", "."):
            return logdir
        return joined(logdir, inside) if is_remote(logdir) else os.path.normpath(f"{logdir}/{inside}")
