"""What handlers may have of the disk: records that the store refers to, and where runs lie."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from tallyboard.core.errors import CorruptRecord
from tallyboard.core.remote import is_remote, joined

if TYPE_CHECKING:
    from tallyboard.core.reader import LogdirReader
    from tallyboard.core.store import BlobRef


class Records:
    """Stands for the reader, which the indexing thread makes when it starts.

    Args:
        logdir: the directory as the user typed it, or its URL.
    """

    def __init__(self, logdir: str) -> None:
        self._logdir = logdir if is_remote(logdir) else os.path.abspath(logdir)
        self._reader: LogdirReader | None = None

    def opened(self, reader: LogdirReader) -> LogdirReader:
        """The reader is there; returns it."""
        self._reader = reader
        return reader

    def fetch(self, ref: BlobRef) -> bytes:
        """The bytes of a record. Waits for the disk, so it is no call for the event loop's thread.

        Raises:
            CorruptRecord: they are gone, or no longer what they were.
        """
        if self._reader is None:
            raise CorruptRecord(f"{ref.path}: no reader of files was started")
        return self._reader.fetch(ref)

    def path(self, run: str) -> str:
        """A run's directory: an absolute path, or a URL."""
        if run == ".":
            return self._logdir
        return joined(self._logdir, run) if is_remote(self._logdir) else os.path.normpath(f"{self._logdir}/{run}")
