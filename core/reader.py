"""Finds the runs of a logdir, follows all of their event files, and decodes what is new into a `Store`.

Files that are still being written are the normal case: `poll` takes what is there and comes back for the
rest. Bytes in any state are survivable; what cannot be read is counted, with a warning on its run.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .errors import CorruptRecord
from .ingest import Batch, Ingest
from .record import HEADER, OVERHEAD, Gap, scan
from .store import BlobRef, Store

__all__ = ["LogdirReader"]

BATCH_BYTES = 32 << 20  # read and decoded at once; bounds memory whatever the files' size
TAIL_ROOM = 2_048  # bytes behind a batch that bulk decoding may look at


@dataclass(slots=True)
class _File:
    """An event file and how far it has been read."""

    path: str
    run: str
    inode: tuple[int, int]
    size: int = 0  # when last looked at
    read: int = 0  # used up to here: a record boundary, or the inside of a gap
    gap_end: int = -1  # where the last gap ended, to see that a later one is its continuation
    wanted: int = 0  # bytes that the next record needs, when it is longer than a batch
    settled: int = -1  # the size at which everything whole had been read; a torn tail is not read again before it grows


class LogdirReader:
    """Follows a logdir.

    Args:
        logdir: the directory; it may not be there yet.
        store: where data goes; a new one by default.
    """

    def __init__(self, logdir: str | os.PathLike[str], store: Store | None = None) -> None:
        self.logdir = os.fspath(logdir)
        self.store = Store() if store is None else store
        self._files: dict[str, _File] = {}
        self._ingest = Ingest(self.store)
        self._unreadable: set[str] = set()

    def poll(self) -> bool:
        """Looks for new runs, files and bytes, and publishes what it found. Returns whether anything changed.

        Data is published after every batch, so that a large logdir fills up before one's eyes.
        """
        before = self.store.version
        if not os.path.isdir(self.logdir):
            for run in {file.run for file in self._files.values()}:
                self._forget(run)
            self.store.publish("waiting")
            return self.store.version != before
        if self.store.state == "waiting":
            self.store.publish("loading")
        grown = self._discover()
        while grown:
            grown = self._read_batch(grown)
            if grown:
                self.store.publish()
        self.store.publish("ready")
        return self.store.version != before

    def close(self) -> None:
        """Forgets the files; the store keeps what was read."""
        self._files.clear()

    # -- finding

    def _discover(self) -> list[_File]:
        """All files that have bytes to read, those of a run in the order of their names."""
        seen: set[str] = set()
        grown: list[_File] = []
        renewed: set[str] = set()
        for path, run, info in sorted(_event_files(self.logdir), key=lambda found: (found[1], found[0])):
            seen.add(path)
            file = self._files.get(path)
            inode = (info.st_dev, info.st_ino)
            if file is None:
                file = self._files[path] = _File(path, run, inode)
                self.store.offer_run(run)
            elif info.st_size < file.size or inode != file.inode:
                renewed.add(run)
                file.inode = inode
            file.size = info.st_size
            if file.size > file.read and file.size != file.settled:
                grown.append(file)
        gone = [file for path, file in self._files.items() if path not in seen]
        for file in gone:
            del self._files[file.path]
        left = {file.run for file in self._files.values()}
        for run in {file.run for file in gone} - left:
            self._forget(run)
        for run in renewed:
            grown = [file for file in grown if file.run != run] + self._start_over(run)
        return grown

    def _start_over(self, run: str) -> list[_File]:
        """A file was cut or replaced: what was read of its run no longer stands on disk."""
        self._forget(run, keep_files=True)
        self.store.warn(
            run, "file_replaced", "an event file was cut or replaced while being read; the run was read anew"
        )
        files = sorted((file for file in self._files.values() if file.run == run), key=lambda file: file.path)
        for file in files:
            file.read, file.gap_end, file.wanted, file.settled = 0, -1, 0, -1
        return [file for file in files if file.size]

    def _forget(self, run: str, keep_files: bool = False) -> None:
        self.store.drop_run(run)
        self._ingest.forget(run)
        if not keep_files:
            self._files = {path: file for path, file in self._files.items() if file.run != run}

    # -- reading

    def _read_batch(self, grown: list[_File]) -> list[_File]:
        """Reads and decodes up to a batch of bytes. Returns the files that have more."""
        parts: list[tuple[_File, int]] = []
        total = 0
        for file in grown:
            size = min(file.size - file.read, max(BATCH_BYTES - total, file.wanted))
            if parts and total + size > BATCH_BYTES:
                break
            parts.append((file, size))
            total += size
            if total >= BATCH_BYTES:
                break
        buffer = np.empty(total + TAIL_ROOM, np.uint8)
        buffer[total:] = 0
        files, starts, ends, cut = self._fill(buffer, parts)
        frames = scan(buffer, starts, ends)
        self._ingest.take(
            Batch(
                buffer,
                frames,
                [file.run for file in files],
                [file.path for file in files],
                [file.read - start for file, start in zip(files, starts, strict=True)],
            )
        )
        for gap in frames.gaps:
            self._count_gap(files[gap.segment], gap, starts[gap.segment])
        more = [
            file
            for file, start, end, stop in zip(files, starts, ends, frames.stop.tolist(), strict=True)
            if _advance(file, buffer, start, end, stop) and file.path not in cut
        ]
        return more + grown[len(parts) :]

    def _fill(
        self, buffer: NDArray[np.uint8], parts: list[tuple[_File, int]]
    ) -> tuple[list[_File], list[int], list[int], set[str]]:
        """Reads the parts one behind the other. Returns the files, starts, ends, and the files cut meanwhile."""
        view = buffer.data
        files: list[_File] = []
        starts: list[int] = []
        ends: list[int] = []
        cut: set[str] = set()
        at = 0
        for file, size in parts:
            try:
                count = _read_at(file.path, file.read, view[at : at + size])
            except OSError as error:
                if file.path not in self._unreadable:
                    self._unreadable.add(file.path)
                    name = os.path.basename(file.path)
                    self.store.warn(file.run, "unreadable_file", f"{name} cannot be read: {error.strerror or error}")
                continue
            self._unreadable.discard(file.path)
            if count < size:
                cut.add(file.path)  # shorter than it was a moment ago: the next poll sees why
            files.append(file)
            starts.append(at)
            ends.append(at + count)
            at += count
        return files, starts, ends, cut

    def _count_gap(self, file: _File, gap: Gap, start: int) -> None:
        begin, end = file.read + gap.start - start, file.read + gap.end - start
        if begin != file.gap_end:
            name = os.path.basename(file.path)
            self.store.warn(
                file.run,
                "corrupt_region",
                f"{name}: damaged bytes from offset {begin} on were skipped; records around them are kept",
            )
        file.gap_end = end

    def fetch(self, ref: BlobRef) -> bytes:
        """The data of one record.

        Raises:
            CorruptRecord: its file is gone, or it no longer stands there.
        """
        data = bytearray(ref.length)
        try:
            count = _read_at(ref.path, ref.offset, memoryview(data))
        except OSError as error:
            raise CorruptRecord(f"{ref.path}: {error.strerror or error}") from error
        if count != ref.length:
            raise CorruptRecord(f"{ref.path}: {ref.length} bytes at {ref.offset} are no longer there")
        return bytes(data)


def _advance(file: _File, buffer: NDArray[np.uint8], start: int, end: int, stop: int) -> bool:
    """Notes how far a file was read. Returns whether there is another whole record to be had now."""
    torn = end - stop
    file.read += stop - start
    unread = file.size - file.read
    file.wanted = int(buffer[stop : stop + 8].view("<u8")[0]) + OVERHEAD if torn >= HEADER and unread > torn else 0
    if unread > torn and file.wanted <= unread:
        return True
    file.settled = file.size
    return False


def _read_at(path: str, offset: int, into: memoryview) -> int:
    with open(path, "rb", buffering=0) as file:
        file.seek(offset)
        count = 0
        while count < len(into):
            got = file.readinto(into[count:])
            if not got:
                break
            count += got
    return count


def _event_files(logdir: str) -> Iterator[tuple[str, str, os.stat_result]]:
    """Path, run and state of every event file: any regular file with `tfevents` in its name."""
    pending: list[tuple[str, str, frozenset[tuple[int, int]]]] = [(logdir, "", frozenset())]
    while pending:
        folder, run, above = pending.pop()
        try:
            with os.scandir(folder) as entries:
                found = list(entries)
        except OSError:
            continue  # gone, or not ours to read
        for entry in found:
            try:
                if entry.is_dir():
                    info = entry.stat()
                    inode = (info.st_dev, info.st_ino)
                    if inode not in above or not inode[1]:  # a link to a folder above would never end
                        pending.append((entry.path, f"{run}/{entry.name}" if run else entry.name, above | {inode}))
                elif "tfevents" in entry.name and not entry.name.endswith(".profile-empty"):
                    info = entry.stat()
                    if stat.S_ISREG(info.st_mode):  # a FIFO or a device would block, or never end
                        yield entry.path, run or ".", info
            except OSError:
                continue
