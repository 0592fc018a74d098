"""Finds the runs of a logdir, follows all of their event files, and decodes what is new into a `Store`.

Files that are still being written are the normal case: `poll` takes what is there and comes back for the
rest. Bytes in any state are survivable; what cannot be read is counted, with a warning on its run.
"""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Collection, Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .errors import CorruptRecord
from .index import Index, Saved
from .ingest import Batch, Ingest
from .places import Entry, Listing, NamedPlace, Place
from .progress import PROBE, FileState
from .record import HEADER, OVERHEAD, Gap, masked_crc
from .remoteplace import place_for
from .store import Asset, BlobRef, Store

__all__ = ["LogdirReader"]

CHECKSUM = OVERHEAD - HEADER  # bytes behind a record's data
FIRST_BYTES = 2 << 20  # read at first, so that there is something to show soon; later batches are larger
BATCH_BYTES = 8 << 20  # read and decoded at once; bounds memory whatever the files' size
TAIL_ROOM = 2_048  # bytes behind a batch that bulk decoding may look at
PUBLISH_PAUSE = 0.25  # seconds between two publications while there is more to read, at least
PUBLISH_SHARE = 0.25  # and as part of the time that it has taken so far: each costs whoever looks the whole list
FEW = 8  # when at most this part of the runs changed, only these are saved
RECENT = 32  # files that are looked at more often than others, where nobody tells of changes


@dataclass(frozen=True, slots=True)
class _Part:
    """Bytes of a file in a batch's buffer: its tail once more, from `begin`, and what is new from `start` to `end`."""

    file: FileState
    begin: int
    start: int
    end: int


class LogdirReader:
    """Reads a logdir, and what comes later.

    Args:
        logdir: the directory, or the URL of one; it may not be there yet.
        store: where data goes; a new one by default.
        place: where the logdir lies, if that is not to be told by `logdir`.
        name: stands before the names of its runs, where the store has several logdirs; see `Store.expect`.
        cache: the directory of the index, which what was read is taken from and saved in; None does without.

    Raises:
        InvalidLogdir: a URL that cannot be served.
        MissingDependency: a library that the URL needs is not installed.
    """

    def __init__(
        self,
        logdir: str | os.PathLike[str],
        store: Store | None = None,
        *,
        place: Place | None = None,
        name: str = "",
        cache: Path | None = None,
    ) -> None:
        there = place_for(logdir) if place is None else place
        self.place: Place = NamedPlace(there, name) if name else there
        self._name = name
        self._waiting = True
        self.logdir = self.place.root
        self.store = Store() if store is None else store
        self.files: dict[str, FileState] = {}
        self._by_run: dict[str, dict[str, FileState]] = {}
        self._assets: dict[str, dict[str, Asset]] = {}  # by run, then path
        self._run_of_asset: dict[str, str] = {}
        self._folders: set[str] = set()  # every one that had a file somewhere below
        self._troubled: dict[str, str] = {}  # directories that could not be looked into, and their run
        self._room = FIRST_BYTES  # bytes of the next batch
        self._ingest = Ingest(self.store)
        self._unreadable: set[str] = set()
        self._index = None if cache is None else Index(cache, self.logdir, self.place.separator, name)
        self._restored = False
        self._reading = False  # until a batch is in the store and the files' states say so
        self._changed: set[str] = set()  # runs of which the index's first file is out of date
        self.unsaved = 0  # bytes that were read and that the index does not have
        self.recent: dict[str, None] = {}  # the files that grew last, the latest last
        self.new_folders: set[str] = set()  # directories that were looked at by name
        self.look_seconds = 0.0  # how long the last look took, without reading

    def poll(self, paths: Collection[str] | None = None) -> bool:
        """Looks for new runs, files and bytes, and publishes what it found. Returns whether anything changed.

        Data is published after the first batch, and ever more rarely after later ones, so that a large logdir fills up
        before one's eyes.

        Args:
            paths: where to look: files and directories that something may have happened to. All of the logdir
                by default.
        """
        before = self.store.version
        if self.place.there() is None:
            for run in [*self._by_run, *self._assets, *self._troubled.values()]:
                self._forget(run)
            self._folders.clear()
            self._troubled.clear()
            self._waiting = True
            self.store.publish("waiting", of=self._name)
            return self.store.version != before
        if self._waiting:
            self._waiting = False
            self.store.publish("loading", of=self._name)
        began = time.perf_counter()
        if self.files or paths is not None:
            grown = self._find_all() if paths is None else self._find_at(paths)
        else:
            with _no_collecting():
                grown = self._find_all()
        self.look_seconds = time.perf_counter() - began
        self._note_recent(grown)
        self._room = min(FIRST_BYTES, BATCH_BYTES)
        began, due = time.perf_counter(), 0.0
        while grown:
            self._reading = True
            grown = self._read_batch(grown)
            self._reading = False
            now = time.perf_counter()
            if grown and now >= due:
                self.store.publish()
                due = now + max(PUBLISH_PAUSE, PUBLISH_SHARE * (now - began))
        self.store.publish("ready", of=self._name)
        self._ingest.settle()
        return self.store.version != before

    def close(self) -> None:
        """Forgets the files; the store keeps what was read."""
        self.files.clear()
        self._by_run.clear()

    # -- the index

    def save(self) -> bool:
        """Saves everything read in the index, for the next start. Returns whether it did."""
        if self._index is None or self._reading:
            return False
        left_out = {self.files[path].run for path in self._unreadable} | set(self._troubled.values())
        runs = [run for run in self._by_run if run not in left_out]
        changed = [run for run in runs if run in self._changed]
        self.unsaved = 0
        few = len(changed) * FEW <= len(runs) and self._index.has_base
        if few and not changed:
            return True
        chosen = changed if few else runs
        files = [file for run in chosen for file in self._by_run[run].values()]
        snapshot = self.store.export(chosen)
        if few:
            return self._index.save_later(files, snapshot)
        self._changed.clear()
        return self._index.save(files, snapshot)

    def _adopt(self, saved: Saved, listing: Listing) -> None:
        """Takes from the index the runs whose files all have what was read of them."""
        there = {entry.path: entry for entry in listing.entries if entry.kind == "events"}
        self._adopt_runs(saved, there)
        if saved.later is not None:
            later = {file.run for file in saved.later.files}
            for run in later:
                self._forget(run)
            self._adopt_runs(saved.later, there)
            self._changed |= later

    def _adopt_runs(self, saved: Saved, there: dict[str, Entry]) -> None:
        by_run: dict[str, list[FileState]] = {}
        for file in saved.files:
            by_run.setdefault(file.run, []).append(file)
        stands = {
            run for run, files in by_run.items() if all(self._is_known(f, there.get(f.path), saved) for f in files)
        }
        if not stands:
            return
        try:
            restored = self.store.restore(saved.snapshot)
        except ValueError:
            return
        for run in restored:
            if run not in stands:
                self.store.drop_run(run)
        for run in stands.intersection(restored):
            self._by_run[run] = {file.path: file for file in by_run[run]}
            self.files.update(self._by_run[run])
            for file in by_run[run]:
                self._know_folders(file.path)

    def _is_known(self, file: FileState, entry: Entry | None, saved: Saved) -> bool:
        if entry is None or entry.run != file.run:
            return False
        same = (entry.stamp, entry.size) == (file.stamp, file.size)
        return (same and self.place.vouches(entry.stamp, saved.saved_at)) or self._stands(file, entry.size)

    # -- finding

    def _find_all(self) -> list[FileState]:
        listing = self.place.walk()
        if self._index is not None and not self._restored:
            self._restored = True  # once, and only before anything was read
            if (saved := self._index.load()) is not None:
                self._adopt(saved, listing)
        seen = {entry.path for entry in listing.entries}
        closed = tuple(trouble.path + self.place.separator for trouble in listing.troubles)
        known = [*self.files, *self._run_of_asset]
        # what lies in a directory that cannot be listed for the moment is not gone
        gone = [path for path in known if path not in seen and not path.startswith(closed)]
        healed = self._troubled.keys() - {trouble.path for trouble in listing.troubles}
        for run in {self._troubled.pop(path) for path in healed}:
            if run not in self._by_run and run not in self._assets:
                self._forget(run)
        return self._take_stock(listing, gone)

    def _find_at(self, paths: Iterable[str]) -> list[FileState]:
        self._restored = True
        listing, gone = Listing(), list[str]()
        for path in paths:
            found = self.place.look(path)
            if found is not None:
                listing.entries += found.entries
                listing.troubles += found.troubles
                if path not in self.files and path not in self._run_of_asset:
                    self.new_folders.add(path)
            elif path in self._folders:
                return self._find_all()
            else:
                gone.append(path)
        return self._take_stock(listing, gone)

    def _take_stock(self, listing: Listing, gone: Iterable[str]) -> list[FileState]:
        """Compares with what is known. Returns the files with bytes to read, those of a run in order of their names."""
        for trouble in listing.troubles:
            if trouble.path not in self._troubled:
                self._troubled[trouble.path] = trouble.run
                name = trouble.path.rpartition(self.place.separator)[2]
                self.store.warn(trouble.run, "unreadable_directory", f"{name} cannot be listed: {trouble.message}")
        grown: dict[str, FileState] = {}
        cut: set[str] = set()
        for entry in sorted(listing.entries, key=lambda entry: (entry.run, entry.path)):
            if entry.kind != "events":
                self._offer_asset(entry)
                continue
            file = self.files.get(entry.path) or self._add(entry)
            if (entry.stamp, entry.size) != (file.stamp, file.size):
                file.settled = -1
                if entry.size <= file.read and not self._stands(file, entry.size):
                    cut.add(entry.run)
                file.size, file.stamp = entry.size, entry.stamp
            if file.size > file.read and file.size != file.settled:
                grown[file.path] = file
        bereft = {run for path in gone if (run := self._drop(path))}
        again = [file for run in bereft - cut for file in self._start_over(run)]
        again += [file for run in cut for file in self._start_over(run, "file_replaced")]
        return [file for file in grown.values() if file.run not in cut | bereft and file.path in self.files] + again

    def _note_recent(self, grown: list[FileState]) -> None:
        for file in grown[-RECENT:]:
            self.recent.pop(file.path, None)
            self.recent[file.path] = None
        while len(self.recent) > RECENT:
            del self.recent[next(iter(self.recent))]

    def _add(self, entry: Entry) -> FileState:
        file = self.files[entry.path] = FileState(entry.path, entry.run, entry.stamp)
        self._by_run.setdefault(entry.run, {})[entry.path] = file
        self.store.offer_run(entry.run)
        self._know_folders(entry.path)
        return file

    def _know_folders(self, path: str) -> None:
        folder = path.rpartition(self.place.separator)[0]
        while len(folder) > len(self.logdir) and folder not in self._folders:
            self._folders.add(folder)
            folder = folder.rpartition(self.place.separator)[0]

    def _drop(self, path: str) -> str | None:
        """A file is gone. Returns its run, if there is more of it that has to be read anew without that file."""
        self.recent.pop(path, None)
        file = self.files.pop(path, None)
        if file is None:
            if run := self._run_of_asset.pop(path, None):
                del self._assets[run][path]
                self._publish_assets(run)
            return None
        self._unreadable.discard(path)
        left = self._by_run[file.run]
        del left[path]
        if left:
            return file.run if file.read else None
        del self._by_run[file.run]
        self._forget(file.run, keep_assets=True)
        return None

    def _offer_asset(self, entry: Entry) -> None:
        assert entry.kind != "events"
        asset = Asset(entry.kind, entry.path, entry.size, entry.stamp)
        if self._assets.get(entry.run, {}).get(entry.path) != asset:
            self._assets.setdefault(entry.run, {})[entry.path] = asset
            self._run_of_asset[entry.path] = entry.run
            self._know_folders(entry.path)
            self._publish_assets(entry.run)

    def _publish_assets(self, run: str) -> None:
        assets = self._assets[run]
        if assets or run in self._by_run:
            self.store.offer_assets(run, tuple(assets[path] for path in sorted(assets)))
        else:
            self.store.drop_run(run)
        if not assets:
            del self._assets[run]

    def _stands(self, file: FileState, size: int) -> bool:
        """Whether a file of that size still has what was read of it."""
        if size < file.read:
            return False
        head, tail = bytearray(len(file.head)), bytearray(len(file.tail))
        try:
            self.place.read_at(file.path, 0, memoryview(head))
            self.place.read_at(file.path, file.read - len(tail), memoryview(tail))
        except OSError:
            return True  # nobody knows; who can read it again will see
        return bytes(head) == file.head and bytes(tail) == file.tail

    def _start_over(self, run: str, warning: str | None = None) -> list[FileState]:
        """What was read of a run no longer stands on disk."""
        if run not in self._by_run:
            return []
        times = self.store.count_warned(run, "file_replaced") + (warning is not None)
        files = self._by_run[run]
        self._forget(run, keep_files=True, keep_assets=True)
        if times:
            message = "an event file was cut or replaced while being read; the run was read anew"
            self.store.warn(run, "file_replaced", message, times)
        for file in files.values():
            file.start_over()
        return [files[path] for path in sorted(files) if files[path].size]

    def _forget(self, run: str, *, keep_files: bool = False, keep_assets: bool = False) -> None:
        self.store.drop_run(run)
        if keep_files:
            self.store.offer_run(run)
        else:
            for path in self._by_run.pop(run, {}):
                self.files.pop(path, None)
                self.recent.pop(path, None)
                self._unreadable.discard(path)
        if not keep_assets:
            for path in self._assets.pop(run, {}):
                del self._run_of_asset[path]
        elif run in self._assets:
            self._publish_assets(run)

    # -- reading

    def _read_batch(self, grown: list[FileState]) -> list[FileState]:
        """Reads and decodes up to a batch of bytes. Returns the files that have more."""
        chosen: list[tuple[FileState, int]] = []
        total = 0
        for file in grown:
            unread = file.size - file.read
            size = len(file.tail) + min(unread, max(self._room - total, file.wanted))
            cut = size < unread <= self._room >> 2  # a small file is better read whole
            if chosen and (cut or total + size > self._room):
                break
            chosen.append((file, size))
            total += size
            if total >= self._room:
                break
        self._room = min(4 * self._room, BATCH_BYTES)
        buffer = np.empty(total + TAIL_ROOM, np.uint8)
        buffer[total:] = 0
        parts, replaced = self._fill(buffer, chosen)
        frames, repeats = self._ingest.find(buffer, [part.start for part in parts], [part.end for part in parts])
        self._ingest.take(
            Batch(
                buffer,
                frames,
                [part.file.run for part in parts],
                [part.file.path for part in parts],
                [part.file.read - part.start for part in parts],
                {part.file.run: _growth(part) for part in parts},
                repeats,
            )
        )
        for gap in frames.gaps:
            self._count_gap(parts[gap.segment], gap)
        more = [
            part.file for part, stop in zip(parts, frames.stop.tolist(), strict=True) if _advance(part, buffer, stop)
        ]
        again = [file for run in sorted(replaced) for file in self._start_over(run, "file_replaced")]
        return again + [file for file in more + grown[len(chosen) :] if file.run not in replaced]

    def _fill(self, buffer: NDArray[np.uint8], chosen: list[tuple[FileState, int]]) -> tuple[list[_Part], set[str]]:
        """Reads the files one behind the other. Returns what was read, and runs of which a file was replaced."""
        view = buffer.data
        parts: list[_Part] = []
        replaced: set[str] = set()
        at = 0
        self.place.expect([(file.path, file.read - len(file.tail), size) for file, size in chosen])
        for file, size in chosen:
            known = len(file.tail)
            try:
                count = self.place.read_at(file.path, file.read - known, view[at : at + size])
            except FileNotFoundError:
                continue  # gone a moment ago: the next look sees it
            except OSError as error:
                self._note_unreadable(file, error)
                continue
            self._unreadable.discard(file.path)
            if count < known or bytes(view[at : at + known]) != file.tail:
                replaced.add(file.run)
                continue
            if count < size:
                file.size = file.read + count - known  # cut a moment ago: the next look sees why
                file.stamp = -1
            parts.append(_Part(file, at, at + known, at + count))
            if self._index is not None:
                self.unsaved += count - known
                self._changed.add(file.run)
            at += count
        return [part for part in parts if part.file.run not in replaced], replaced

    def _note_unreadable(self, file: FileState, error: OSError) -> None:
        if file.path not in self._unreadable:
            self._unreadable.add(file.path)
            name = file.path.rpartition(self.place.separator)[2]
            self.store.warn(file.run, "unreadable_file", f"{name} cannot be read: {error.strerror or error}")

    def _count_gap(self, part: _Part, gap: Gap) -> None:
        file = part.file
        begin, end = file.read + gap.start - part.start, file.read + gap.end - part.start
        if begin != file.gap_end:
            name = file.path.rpartition(self.place.separator)[2]
            self.store.warn(
                file.run,
                "corrupt_region",
                f"{name}: damaged bytes from offset {begin} on were skipped; records around them are kept",
            )
        file.gap_end = end

    def fetch(self, ref: BlobRef) -> bytes:
        """The data of one record, its checksum checked again.

        Raises:
            CorruptRecord: its file is gone, or it no longer stands there.
        """
        data = bytearray(ref.length + CHECKSUM)
        try:
            count = self.place.read_at(ref.path, ref.offset, memoryview(data))
        except OSError as error:
            raise CorruptRecord(f"{ref.path}: {error.strerror or error}") from error
        if count != len(data):
            raise CorruptRecord(f"{ref.path}: {ref.length} bytes at {ref.offset} are no longer there")
        found = bytes(data[: ref.length])
        if masked_crc(found) != int.from_bytes(data[ref.length :], "little"):
            raise CorruptRecord(f"{ref.path}: the checksum of the {ref.length} bytes at {ref.offset} fails")
        return found


@contextmanager
def _no_collecting() -> Generator[None]:
    """Making a hundred thousand objects that stay must not have the garbage collector look at them again and again."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _growth(part: _Part) -> float:
    """How many times as much as was read now there is of a file from here on."""
    return max(1.0, (part.file.size - part.file.read) / max(part.end - part.start, 1))


def _advance(part: _Part, buffer: NDArray[np.uint8], stop: int) -> bool:
    """Notes how far a file was read. Returns whether there is another whole record to be had now."""
    file = part.file
    if len(file.head) < PROBE and file.read == len(file.tail):
        file.head = buffer[part.begin : min(stop, part.begin + PROBE)].tobytes()
    file.tail = buffer[max(part.begin, stop - PROBE) : stop].tobytes()
    torn = part.end - stop
    file.read += stop - part.start
    unread = file.size - file.read
    file.wanted = int(buffer[stop : stop + 8].view("<u8")[0]) + OVERHEAD if torn >= HEADER and unread > torn else 0
    if unread > torn and file.wanted <= unread:
        return True
    file.settled = file.size
    return False
