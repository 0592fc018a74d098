"""What was read of a logdir, kept for the next start: one file a logdir, in the user's cache directory.

The file is data and nothing else:

    b"tallyboard index" | SHA-256 of all that follows | uint64le length of the JSON | JSON | columns

The columns, little-endian, each from a multiple of 64 on, are mapped into memory and not copied. Whatever does not fit,
be it one flipped bit or another version, makes the whole file be passed over and the logdir be read as if there were
none. A file is written beside the old one and put in its place at once, so viewers of one logdir may all save: the last
one wins, and all of them are right.

Where few of many runs changed, only these are saved, in a second file beside the first, which names the first by its
checksum and is passed over where that is not the one that is there.
"""

from __future__ import annotations

import hashlib
import json
import mmap
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from .errors import warn_once
from .ingest import DECODING
from .progress import NUMBERS, FileState, as_columns, from_columns
from .snapshot import ARRAYS, Snapshot
from .watching import is_remote_drive

__all__ = ["Index", "Saved", "cache_folder"]

MAGIC: Final = b"tallyboard index"
FORMAT: Final = 1  # goes up when this file's own form changes
TOTAL_BYTES: Final = 4 << 30  # of all indexes together; the ones not used for the longest time go
UNUSED_SECONDS: Final = 90 * 86_400
ABANDONED_SECONDS: Final = 3_600  # after which a half-written file is a crashed program's
_ALIGN: Final = 64
_START: Final = len(MAGIC) + 32
_DTYPES: Final = {
    **ARRAYS,
    **{f"file_{name}": "<i8" for name in (*NUMBERS, "head_length", "tail_length")},
    "file_head": "<u1",
    "file_tail": "<u1",
}


@dataclass(frozen=True, slots=True)
class Saved:
    """What an index holds: the files with how far they were read, what was in them, and when it was saved.

    Attributes:
        later: the same of runs that changed after it was saved.
    """

    files: list[FileState]
    snapshot: Snapshot
    saved_at: float
    later: Saved | None = None


def cache_folder(chosen: str | None = None) -> Path | None:
    """Where indexes lie, or None where there are to be none.

    Args:
        chosen: a directory, or `off`. By default the environment variable TALLYBOARD_CACHE, which takes the same, and
            without it the user's cache directory, as the platform has it.
    """
    chosen = chosen or os.environ.get("TALLYBOARD_CACHE") or None
    if chosen is not None:
        return None if chosen == "off" else Path(chosen)
    try:
        home = Path.home()
    except RuntimeError:
        return None
    if sys.platform == "darwin":
        return home / "Library" / "Caches" / "tallyboard"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local") / "tallyboard" / "Cache"
    given = os.environ.get(
        "XDG_CACHE_HOME", ""
    )  # "If an implementation encounters a relative path it should ignore it"
    return (Path(given) if os.path.isabs(given) else home / ".cache") / "tallyboard"


class Index:
    """The index of one logdir.

    Args:
        folder: where indexes lie; made when something is saved.
        root: the logdir's address, as paths of its files begin.
        separator: what stands between the parts of a path.
        name: what its runs are called by, where that is not their place in the logdir alone.
    """

    def __init__(self, folder: Path, root: str, separator: str = os.sep, name: str = "") -> None:
        self.folder = folder
        self._prefix = root if root.endswith(separator) else root + separator
        self._address = root if "://" in root else os.path.abspath(root)
        key = hashlib.sha256(os.fsencode(f"{self._address}\0{name}" if name else self._address)).hexdigest()[:32]
        self.path = folder / f"{key}.index"
        self.later_path = folder / f"{key}-later.index"
        self._base = b""  # checksum of the first file
        self._base_seen = (0, 0)

    # -- reading

    def load(self) -> Saved | None:
        """What was saved last; None where there is nothing that can be used."""
        found = self._read(self.path)
        if found is None:
            return None
        saved, self._base = found
        self._base_seen = self._seen()
        later = self._read(self.later_path, self._base)
        return saved if later is None else replace(saved, later=later[0])

    def _read(self, path: Path, base: bytes = b"") -> tuple[Saved, bytes] | None:
        try:
            with open(path, "rb") as file:
                data = _mapped(file.fileno(), path)
            saved = self._parse(data, base.hex())
            os.utime(path)
        except (OSError, ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError):
            return None
        return saved, bytes(data[len(MAGIC) : _START])

    def _parse(self, data: memoryview, base: str) -> Saved:
        if len(data) < _START + 8 or bytes(data[: len(MAGIC)]) != MAGIC:
            raise ValueError("not an index")
        if hashlib.sha256(data[_START:]).digest() != bytes(data[len(MAGIC) : _START]):
            raise ValueError("damaged")
        size = int.from_bytes(data[_START : _START + 8], "little")
        meta = json.loads(bytes(data[_START + 8 : _START + 8 + size]))
        if (meta["format"], meta["decoding"], meta["logdir"], meta["base"]) != (FORMAT, DECODING, self._address, base):
            raise ValueError("of another version, another logdir, or later than another")
        arrays: dict[str, NDArray[Any]] = {}
        for name, dtype in _DTYPES.items():
            at, count = meta["columns"][name]
            if at < _START or count < 0:
                raise ValueError("a column outside of the file")
            arrays[name] = np.frombuffer(data, dtype, count, at) if count else np.empty(0, dtype)
        runs = meta["snapshot"]["runs"]
        files = from_columns(
            [self._prefix + path for path in meta["paths"]],
            [runs[at] for at in meta["run_of_path"]],
            meta["stamps"],
            arrays,
        )
        blobs = [[self._prefix + path for path in paths] for paths in meta["snapshot"]["files"]]
        of_run: dict[str, set[str]] = {run: set() for run in runs}
        for file in files:
            of_run[file.run].add(file.path)
        if not all(of_run[run].issuperset(paths) for run, paths in zip(runs, blobs, strict=True)):
            raise ValueError("a value in a file that is none of its run's")
        snapshot = Snapshot({**meta["snapshot"], "files": blobs}, {name: arrays[name] for name in ARRAYS})
        return Saved(files, snapshot, float(meta["saved_at"]))

    # -- writing

    @property
    def has_base(self) -> bool:
        """Whether the first file is still the one that was loaded or saved here."""
        return bool(self._base) and self._seen() == self._base_seen

    def save(self, files: list[FileState], snapshot: Snapshot) -> bool:
        """Puts all of this in the place of what was saved. Returns whether it could."""
        digest = self._write(self.path, files, snapshot, "")
        if digest is not None:
            self._base, self._base_seen = digest, self._seen()
            with suppress(OSError):
                self.later_path.unlink()
        return digest is not None

    def save_later(self, files: list[FileState], snapshot: Snapshot) -> bool:
        """Saves some runs that changed since all of them were saved. Returns whether it could."""
        return self._write(self.later_path, files, snapshot, self._base.hex()) is not None

    def _seen(self) -> tuple[int, int]:
        try:
            info = self.path.stat()
        except OSError:
            return 0, 0
        return info.st_ino, info.st_size

    def _write(self, path: Path, files: list[FileState], snapshot: Snapshot, base: str) -> bytes | None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            handle, name = tempfile.mkstemp(dir=self.folder, prefix=path.stem, suffix=".part")
            try:
                with open(handle, "wb") as file:
                    file.write(bytes(_START))
                    digest = hashlib.sha256()
                    for piece in self._pieces(files, snapshot, base):
                        digest.update(piece)
                        file.write(piece)
                    file.seek(0)
                    file.write(MAGIC + digest.digest())
                os.replace(name, path)
            except BaseException:
                with suppress(OSError):
                    os.unlink(name)
                raise
        except (OSError, ValueError) as error:
            warn_once(
                ("index", str(self.folder)),
                f"{self.folder}: what was read cannot be kept here for the next start, which reads everything again "
                f"({type(error).__name__}: {error}). Make the directory writable, or choose another by --cache DIR or "
                "TALLYBOARD_CACHE=DIR; off keeps nothing.",
            )
            return None
        self._tidy()
        return digest.digest()

    def _pieces(self, files: list[FileState], snapshot: Snapshot, base: str) -> Iterator[Any]:
        arrays = {**snapshot.arrays, **as_columns(files)}
        run_at = {run: at for at, run in enumerate(snapshot.meta["runs"])}
        cut = len(self._prefix)
        meta: dict[str, Any] = {
            "format": FORMAT,
            "decoding": DECODING,
            "logdir": self._address,
            "base": base,
            "saved_at": time.time(),
            "paths": [file.path[cut:] for file in files],
            "run_of_path": [run_at[file.run] for file in files],
            "stamps": [file.stamp for file in files],
            "snapshot": {
                **snapshot.meta,
                "files": [[path[cut:] for path in paths] for paths in snapshot.meta["files"]],
            },
            "columns": {name: [10**15, len(arrays[name])] for name in _DTYPES},  # as wide as any place will be
        }
        at = end = _aligned(_START + 8 + len(json.dumps(meta)))
        for name in _DTYPES:
            meta["columns"][name] = [at, len(arrays[name])]
            at = _aligned(at + arrays[name].nbytes)
        head = json.dumps(meta).encode()
        yield len(head).to_bytes(8, "little")
        yield head
        yield bytes(end - _START - 8 - len(head))
        for name, dtype in _DTYPES.items():
            column = np.ascontiguousarray(arrays[name], dtype)
            if len(column):
                yield column.data.cast("B")
                yield bytes(_aligned(column.nbytes) - column.nbytes)

    def _tidy(self) -> None:
        """Keeps the folder within its bounds."""
        now = time.time()
        kept: list[tuple[float, int, str]] = []
        with suppress(OSError), os.scandir(self.folder) as entries:
            for entry in entries:
                if not entry.name.endswith((".index", ".part")):
                    continue
                info = entry.stat()
                limit = UNUSED_SECONDS if entry.name.endswith(".index") else ABANDONED_SECONDS
                if now - info.st_mtime > limit:
                    os.unlink(entry.path)
                elif entry.name.endswith(".index"):
                    kept.append((info.st_mtime, info.st_size, entry.path))
            total = 0
            for _, size, path in sorted(kept, reverse=True):
                total += size
                if total > TOTAL_BYTES:
                    os.unlink(path)


def _aligned(at: int) -> int:
    return -(-at // _ALIGN) * _ALIGN


def _mapped(handle: int, path: Path) -> memoryview:
    if is_remote_drive(str(path)):  # another machine may take the file away, and the pages with it
        with open(handle, "rb", closefd=False) as file:
            return memoryview(file.read())
    return memoryview(mmap.mmap(handle, 0, access=mmap.ACCESS_READ))
