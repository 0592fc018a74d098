"""t-SNE as jobs: one at a time in a process of its own, the others in the order in which they came.

The same question has the same job, and an answer that was found is kept in the user's cache directory. A job that
nobody has asked for during `PATIENCE` seconds is ended, as its page was closed.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import subprocess
import sys
import threading
import time
from collections import OrderedDict
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from tallyboard.core.index import cache_folder

from .projector_tsne import Settings

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = ["Busy", "Job", "Jobs", "Question"]

PATIENCE = 60.0
MOST_WAITING = 8
KEPT = 16
"""Jobs that have ended and are remembered."""

KEPT_FILES = 100

_PROGRAM = "from tallyboard.viewer.projector_tsne import main; main()"

State = Literal["waiting", "running", "done", "failed", "cancelled"]


class Busy(Exception):
    """Too many jobs wait; the text is for people."""


@dataclass(frozen=True, slots=True)
class Question:
    """What is laid out: `generation` of an embedding, so many rows of it, and how."""

    generation: str
    most: int
    settings: Settings

    @property
    def job(self) -> str:
        """A name for it."""
        return hashlib.blake2b(repr(self).encode(), digest_size=12, person=b"openTSNE").hexdigest()


@dataclass(slots=True)
class Job:
    """How far a job is.

    Attributes:
        question: what was asked.
        head: what its answers say besides.
        rows: float32, the finite rows; taken away when it ends.
        there: which of the shown rows these are, bool.
        state, problem: how it goes.
        iteration, kl, points: as of the latest picture; points of the finite rows.
        began, ended, asked: by the monotonic clock.
    """

    question: Question
    head: dict[str, Any]
    rows: NDArray[np.float32] | None
    there: NDArray[np.bool_]
    state: State = "waiting"
    problem: str | None = None
    iteration: int = 0
    kl: float | None = None
    points: NDArray[np.float32] | None = None
    began: float = 0.0
    ended: float = 0.0
    asked: float = field(default_factory=time.monotonic)
    process: subprocess.Popen[bytes] | None = None

    @property
    def over(self) -> bool:
        """Whether nothing more comes."""
        return self.state in ("done", "failed", "cancelled")

    @property
    def seconds(self) -> float:
        """How long it has been running."""
        return ((self.ended or time.monotonic()) - self.began) if self.began else 0.0


class Jobs:
    """All jobs of a process. May be asked by several threads.

    Args:
        clock: seconds that never go back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._jobs: OrderedDict[str, Job] = OrderedDict()
        self._working = False

    def start(self, job: Job, cache: str | None) -> str:
        """Has a job done, unless it is known or its answer is kept; returns its name.

        Args:
            job: new.
            cache: where answers are kept, as `cache_folder` takes it.

        Raises:
            Busy: too many wait.
        """
        name = job.question.job
        folder = _folder(cache)
        with self._lock:
            known = self._jobs.get(name)
            if known is not None and known.state not in ("failed", "cancelled"):
                known.asked = self._clock()
                return name
            if not _recall(job, folder):
                waiting = sum(each.state == "waiting" for each in self._jobs.values())
                if waiting >= MOST_WAITING:
                    raise Busy(f"{waiting} layouts wait already; end one of them, or wait")
            job.asked = self._clock()
            self._jobs[name] = job
            self._jobs.move_to_end(name)
            self._forget()
            if not job.over and not self._working:
                self._working = True
                threading.Thread(target=self._work, args=(folder,), name="tallyboard-tsne", daemon=True).start()
        return name

    def get(self, name: str) -> Job | None:
        """A job by its name; whoever asks wants it to go on."""
        with self._lock:
            found = self._jobs.get(name)
            if found is not None:
                found.asked = self._clock()
            return found

    def end(self, name: str) -> Job | None:
        """Ends a job."""
        with self._lock:
            found = self._jobs.get(name)
            if found is not None and not found.over:
                self._cancel(found)
            return found

    def _cancel(self, job: Job) -> None:
        job.state, job.rows, job.ended = "cancelled", None, self._clock()
        if job.process is not None:
            job.process.kill()

    def _forget(self) -> None:
        over = [name for name, job in self._jobs.items() if job.over]
        for name in over[:-KEPT]:
            del self._jobs[name]

    def _next(self) -> Job | None:
        with self._lock:
            for job in self._jobs.values():
                if job.state == "waiting" and self._clock() - job.asked > PATIENCE:
                    self._cancel(job)
            job = next((job for job in self._jobs.values() if job.state == "waiting"), None)
            if job is None:
                self._working = False
            else:
                job.state, job.began = "running", time.monotonic()
            return job

    def _work(self, folder: Path | None) -> None:
        while (job := self._next()) is not None:
            problem = None
            try:
                self._run(job)
            except (OSError, ValueError, MemoryError) as error:
                problem = f"its process failed: {error}"
            with self._lock:
                job.rows, job.process, job.ended = None, None, time.monotonic()
                if job.state != "running":
                    continue
                whole = job.points is not None and job.iteration == job.question.settings.iterations
                job.state = "done" if whole else "failed"
                job.problem = None if whole else problem or "its process ended before it had an answer"
            if whole:
                _keep(job, folder)

    def _run(self, job: Job) -> None:
        line = [sys.executable, "-P", "-c", _PROGRAM]
        one = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL")}  # the viewer needs the others
        environment = {**os.environ, **one, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
        told = contextlib.suppress(BrokenPipeError)  # by a process that is no more, as its pipe is closed, too
        with (
            told,
            subprocess.Popen(
                line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment
            ) as process,
        ):
            try:
                with self._lock:
                    rows, job.process = job.rows, process
                if rows is not None and job.state == "running":
                    self._talk(job, process, rows)
            finally:
                process.kill()

    def _talk(self, job: Job, process: subprocess.Popen[bytes], rows: NDArray[np.float32]) -> None:
        if process.stdin is None or process.stdout is None:
            raise OSError("no pipes")
        settings = job.question.settings
        asked = {"rows": rows.shape[0], "columns": rows.shape[1], "settings": asdict(settings)}
        process.stdin.write(json.dumps(asked).encode() + b"\n")
        process.stdin.write(np.ascontiguousarray(rows, "<f4").data)
        process.stdin.flush()
        size = 4 * len(rows) * settings.dimensions
        while line := process.stdout.readline():
            data = process.stdout.read(size)
            if len(data) < size:
                return
            told = json.loads(line)
            with self._lock:
                if job.state != "running":
                    return
                job.points = np.frombuffer(data, "<f4").reshape(len(rows), settings.dimensions)
                job.iteration, job.kl = told["iteration"], told["kl"]
                if self._clock() - job.asked > PATIENCE:
                    self._cancel(job)
                    return
            if job.iteration == settings.iterations:
                return


def _folder(cache: str | None) -> Path | None:
    found = cache_folder(cache)
    return None if found is None else found / "tsne"


def _keep(job: Job, folder: Path | None) -> None:
    """Saves an answer; where it cannot be, nothing is lost but the time to find it again."""
    if folder is None or job.points is None:
        return
    head = {"iteration": job.iteration, "kl": job.kl, "points": len(job.points), "seconds": job.seconds}
    path = folder / job.question.job
    try:
        folder.mkdir(parents=True, exist_ok=True)
        passing = path.with_suffix(f".{os.getpid()}")
        passing.write_bytes(json.dumps(head).encode() + b"\n" + job.points.astype("<f4").tobytes())
        os.replace(passing, path)
        kept = sorted(folder.iterdir(), key=lambda each: each.stat().st_mtime)
        for old in kept[:-KEPT_FILES]:
            old.unlink(missing_ok=True)
    except OSError:
        return


def _recall(job: Job, folder: Path | None) -> bool:
    """Takes a kept answer, where there is one."""
    if folder is None or job.rows is None:
        return False
    shape = (len(job.rows), job.question.settings.dimensions)
    try:
        line, _, data = (folder / job.question.job).read_bytes().partition(b"\n")
        head = json.loads(line)
        points = np.frombuffer(data, "<f4").reshape(shape)
        job.iteration, job.kl, seconds = head["iteration"], head["kl"], float(head["seconds"])
    except (OSError, ValueError, KeyError, TypeError):
        return False
    job.points, job.state, job.rows = points, "done", None
    job.ended = time.monotonic()
    job.began = job.ended - seconds
    return True
