"""tensorboardX's writers beside `SummaryWriter`: one for all processes, one of messages, one of bare records."""

from __future__ import annotations

import hashlib
import mmap
import os
import struct
import tempfile
import threading
import weakref
from types import TracebackType
from typing import Any

from . import filewriter
from .record import frame
from .writer import SummaryWriter

__all__ = ["FileWriter", "GlobalSummaryWriter", "RecordWriter"]

_SLOTS = 1 << 16
_SLOT = struct.Struct("<QQ")  # hash of what is counted, and the count


class _Counts:
    """Counters that forked processes share: a table in memory, and a lock that ends with its holder."""

    def __init__(self) -> None:
        self._table = mmap.mmap(-1, _SLOTS * _SLOT.size)  # pages come to be when touched
        with tempfile.TemporaryFile() as file:  # for its lock alone
            self._file = os.dup(file.fileno())
        weakref.finalize(self, os.close, self._file)
        self._lock = threading.Lock()
        self._pid = os.getpid()

    def following(self, name: str) -> int:
        """0 for the first call with this name in any process, then 1, 2, ..."""
        import fcntl

        if self._pid != os.getpid():  # another thread may have held it when the process was forked
            self._pid, self._lock = os.getpid(), threading.Lock()
        key = int.from_bytes(hashlib.blake2b(name.encode("utf-8", "replace"), digest_size=8).digest()) or 1
        with self._lock:
            fcntl.lockf(self._file, fcntl.LOCK_EX)
            try:
                return self._count(key)
            finally:
                fcntl.lockf(self._file, fcntl.LOCK_UN)

    def _count(self, key: int) -> int:
        place = key % _SLOTS
        for slot in range(place, place + _SLOTS):
            at = slot % _SLOTS * _SLOT.size
            there, count = _SLOT.unpack_from(self._table, at)
            if there in (0, key):
                _SLOT.pack_into(self._table, at, key, count + 1)
                return count
        return 0  # more tags than the table holds


class GlobalSummaryWriter:
    """One writer for all modules and forked processes, which counts the steps of each tag itself.

    Arguments as for `SummaryWriter`; `coalesce_process` is taken and without effect. Each process writes a file of
    its own into the same run, and no step of a tag is there twice. Pictures, texts and so on are counted apart from
    scalars, as tensorboardX does.
    """

    def __init__(
        self,
        logdir: str | os.PathLike[str] | None = None,
        comment: str = "",
        purge_step: int | None = None,
        max_queue: int = 10,
        flush_secs: float = 120,
        filename_suffix: str = "",
        write_to_disk: bool = True,
        log_dir: str | os.PathLike[str] | None = None,
        coalesce_process: bool = True,  # noqa: ARG002
    ) -> None:
        self.smw = SummaryWriter(
            log_dir, comment, purge_step, max_queue, flush_secs, filename_suffix, write_to_disk, logdir=logdir
        )
        self._counts = _Counts()

    @staticmethod
    def getSummaryWriter() -> GlobalSummaryWriter:  # noqa: N802  # tensorboardX's name
        """The writer of this process and of those forked from it; made in the default directory at the first call."""
        global _the_writer
        with _making:
            if _the_writer is None:
                _the_writer = GlobalSummaryWriter()
            return _the_writer

    def add_scalar(self, tag: str, scalar_value: Any, walltime: float | None = None) -> None:
        """As `SummaryWriter.add_scalar`, at the tag's next step."""
        self.smw.add_scalar(tag, scalar_value, self._step("scalar", tag), walltime)

    def add_image(self, tag: str, img_tensor: Any, walltime: float | None = None, dataformats: str = "CHW") -> None:
        """As `SummaryWriter.add_image`, at the tag's next step."""
        self.smw.add_image(tag, img_tensor, self._step("image", tag), walltime, dataformats)

    def add_histogram(
        self,
        tag: str,
        values: Any,
        bins: Any = "tensorflow",
        walltime: float | None = None,
        max_bins: int | None = None,
    ) -> None:
        """As `SummaryWriter.add_histogram`, at the tag's next step."""
        self.smw.add_histogram(tag, values, self._step("histogram", tag), bins, walltime, max_bins)

    def add_audio(self, tag: str, snd_tensor: Any, sample_rate: int = 44100, walltime: float | None = None) -> None:
        """As `SummaryWriter.add_audio`, at the tag's next step."""
        self.smw.add_audio(tag, snd_tensor, self._step("audio", tag), sample_rate, walltime)

    def add_text(self, tag: str, text_string: str | list[str] | tuple[str, ...], walltime: float | None = None) -> None:
        """As `SummaryWriter.add_text`, at the tag's next step."""
        self.smw.add_text(tag, text_string, self._step("text", tag), walltime)

    def _step(self, kind: str, tag: str) -> int:
        return self._counts.following(f"{kind}/{tag}")

    @property
    def file_writer(self) -> filewriter.FileWriter | None:
        """That of the `SummaryWriter` behind it."""
        return self.smw.file_writer

    def flush(self) -> None:
        """Returns when another process can read what this one logged before."""
        self.smw.flush()

    def close(self) -> None:
        """Flushes and closes this process's file; logging afterwards opens another one and goes on counting."""
        self.smw.close()

    def __enter__(self) -> GlobalSummaryWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.smw.__exit__(kind, error, trace)


_the_writer: GlobalSummaryWriter | None = None
_making = threading.Lock()


class FileWriter(filewriter.FileWriter):
    """Writes ready-made messages of TensorBoard, torch, tensorboardX or TensorFlow into an event file.

    Args:
        logdir: the run's directory.
        max_queue, flush_secs, filename_suffix: as for `SummaryWriter`.

    Raises:
        InvalidLogdir: `logdir` is a file.
    """

    def __init__(
        self,
        logdir: str | os.PathLike[str],
        max_queue: int = 10,
        flush_secs: float = 120,
        filename_suffix: str = "",
    ) -> None:
        super().__init__(SummaryWriter(logdir, "", None, max_queue, flush_secs, filename_suffix))


class RecordWriter:
    """Writes bytes as the records of a TFRecord file, checksums included.

    Args:
        path: the file, which is made anew.

    Raises:
        OSError: here and below, the file cannot be written. These are your data and no log, so nothing is swallowed.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = path
        self._file = open(path, "wb")  # noqa: SIM115

    def write(self, data: bytes) -> None:
        """Adds a record."""
        self._file.write(frame(data))

    def flush(self) -> None:
        """Returns when everything written before is on the disk."""
        self._file.flush()
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Closes the file; more than once does no harm."""
        self._file.close()

    def __enter__(self) -> RecordWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
