"""The runs that a callback writes: `train`, which also has the hyperparameters, and `validation`."""

from __future__ import annotations

import threading
from contextlib import ExitStack
from pathlib import Path

from tallyboard.core.errors import InvalidLogdir, InvalidSummary, warn_once
from tallyboard.core.remote import check_url, is_remote, joined, placed
from tallyboard.core.writer import SummaryWriter

__all__ = ["TRAIN", "VALIDATION", "WHOLE", "Runs"]

TRAIN, VALIDATION, WHOLE = "train", "validation", ""


class Runs:
    """Writers, each made when its run has something to say.

    Raises:
        InvalidLogdir: the directory is a file, or a URL that cannot be written to.
    """

    def __init__(self, log_dir: str, *, silent: bool = False) -> None:
        """Makes no file yet.

        Args:
            log_dir: the directory above the runs; empty where `take` gives a writer that has none.
            silent: whether nothing is written at all, in this process of several.
        """
        self.log_dir = placed(log_dir) if log_dir else ""
        self.silent = silent
        self._taken: SummaryWriter | None = None
        self._writers: dict[str, SummaryWriter] = {}
        self._lock = threading.Lock()
        if not self.log_dir:
            return
        if is_remote(self.log_dir):
            check_url(self.log_dir, writing=True)
        elif Path(self.log_dir).exists() and not Path(self.log_dir).is_dir():
            raise InvalidLogdir(f"log_dir={self.log_dir!r} is a file; give the name of a directory")

    def take(self, writer: SummaryWriter) -> None:
        """Has a writer of somebody else's write the directory above the runs; it is not closed here."""
        self._taken = writer

    @property
    def of_training(self) -> str:
        """The run that has the hyperparameters: `train`, as the peer has no other; or what was taken."""
        return WHOLE if self._taken is not None else TRAIN

    def folder(self, run: str) -> str:
        """The directory of a run."""
        return joined(self.log_dir, run) if run else self.log_dir

    def writer(self, run: str) -> SummaryWriter:
        """The writer of a run; its file is there from now on."""
        if self._taken is not None and (run == WHOLE or not self.log_dir):
            return self._taken  # all of it, where there is no directory for runs
        with self._lock:
            if run not in self._writers:
                self._writers[run] = SummaryWriter(self.folder(run), write_to_disk=not self.silent)
            return self._writers[run]

    def scalar(self, run: str, tag: str, value: object, step: int, wall_time: float | None = None) -> None:
        """Writes a metric. One that is no number costs a warning that names it."""
        tag = tag if self.log_dir or not run else f"{run}/{tag}"
        try:
            self.writer(run).add_scalar(tag, value, step, wall_time)
        except InvalidSummary as error:  # this metric is no number; the others are
            warn_once(
                ("keras", self.log_dir, tag),
                f"TallyboardCallback({self.log_dir!r}) leaves out a metric: {error}",
            )

    def close(self, failed: bool = False) -> None:
        """Closes all files, the rest of them also when one fails.

        Args:
            failed: whether the training did, which the hyperparameters' session then says.
        """
        with self._lock:
            writers, self._writers = self._writers, {}
        with ExitStack() as stack:
            for writer in writers.values():
                stack.callback(writer.close, failed=failed)

    @property
    def open(self) -> bool:
        """Whether a file is."""
        return bool(self._writers)
