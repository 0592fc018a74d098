"""Traces of `torch.profiler` where the profile page, `tb.read_profile` and TensorBoard find them.

with profile("runs/first", steps=(1, 1, 3)) as recording:
    for batch in loader:
        ...
        recording.step()
"""

from __future__ import annotations

import os
import socket
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import torch

from tallyboard.core.errors import InvalidSummary, warn_once
from tallyboard.core.remote import check_url, is_remote, placed
from tallyboard.core.remotesink import send_file

__all__ = ["ONCE", "Recording", "profile", "recorded_steps", "tensorboard_trace_handler", "trace_handler"]

ONCE: Final = (1, 1, 3)
"""How many steps pass, warm up and are recorded where nothing else is said."""


def trace_handler(
    dir_name: str | os.PathLike[str], worker_name: str | None = None, use_gzip: bool = False
) -> Callable[[torch.profiler.profile], None]:
    """What `torch.profiler.profile(on_trace_ready=)` takes, in place of `torch.profiler.tensorboard_trace_handler`.

    Files are called as the peer's, `<worker>.<nanoseconds>.pt.trace.json[.gz]`, and appear when they are whole. A
    directory that cannot be written costs the trace and a warning, not the training.

    Args:
        dir_name: the directory, of a run, which is made when the first trace is there; or a URL such as
            `s3://bucket/run`, to which traces are sent in the background, and by the end of the program at the latest.
        worker_name: what stands before the first dot; None takes the host's name and the process's number.
        use_gzip: whether the file is packed.

    Raises:
        InvalidLogdir: the URL cannot be written to.
        MissingDependency: a library that it needs is not installed.
    """
    worker = worker_name or f"{socket.gethostname()}_{os.getpid()}"
    where = placed(dir_name)
    if is_remote(where):
        check_url(where, writing=True)

    def handle(recorded: torch.profiler.profile) -> None:
        name = f"{worker}.{time.time_ns()}.pt.trace.json" + (".gz" if use_gzip else "")
        try:
            (_sent if is_remote(where) else _written)(recorded, where, name)
        except Exception as error:
            warn_once(
                ("trace", where),
                f"{os.path.join(where, name)}: the profile cannot be written ({error}); training goes on without it",
            )

    return handle


def _written(recorded: torch.profiler.profile, where: str, name: str) -> None:
    folder = Path(where)
    half = folder / f".{name}"  # torch packs by the name's end
    try:
        folder.mkdir(parents=True, exist_ok=True)
        recorded.export_chrome_trace(str(half))
        half.replace(folder / name)
    except BaseException:
        with suppress(OSError):
            half.unlink()
        raise


def _sent(recorded: torch.profiler.profile, where: str, name: str) -> None:
    with tempfile.TemporaryDirectory(prefix="tallyboard-") as passing:
        file = Path(passing, name)
        recorded.export_chrome_trace(str(file))
        data = file.read_bytes()
    if not send_file(where, name, data):
        raise OSError("too much already waits to be uploaded")


tensorboard_trace_handler = trace_handler


class profile:  # noqa: N801 - a context manager, called as torch.profiler.profile is
    """Records some steps of a training loop into a directory, in which they are a run's profile.

    Args:
        logdir: the run's directory, or its URL, as of `trace_handler`.
        steps: how many to let pass, to warm up, and to record; the first step is the one under way at the begin.
        repeat: how many such rounds; 0 for as many as there are.
        record_shapes: whether operators tell the shapes of their inputs.
        profile_memory: whether what is taken and given back is told.
        with_stack: whether operators tell the lines they were called from; costs most.
        worker_name: as of `trace_handler`.

    Raises:
        InvalidSummary: `steps` are not three numbers, none below zero, the last at least 1.
        InvalidLogdir: the URL cannot be written to.
        MissingDependency: a library that it needs is not installed.
    """

    def __init__(
        self,
        logdir: str | os.PathLike[str],
        *,
        steps: tuple[int, int, int] = ONCE,
        repeat: int = 1,
        record_shapes: bool = True,
        profile_memory: bool = True,
        with_stack: bool = False,
        worker_name: str | None = None,
    ) -> None:
        try:
            wait, warmup, active = steps
            wrong = min(wait, warmup, repeat) < 0 or active < 1
        except (TypeError, ValueError):
            wrong, wait, warmup, active = True, 0, 0, 1
        if wrong:
            raise InvalidSummary(
                f"profile(steps={steps!r}, repeat={repeat!r}): expected how many steps to let pass, to warm up and to "
                "record, such as (1, 1, 3)"
            )
        self._made: Any = None
        self._settings = {
            "schedule": torch.profiler.schedule(wait=wait, warmup=warmup, active=active, repeat=repeat),
            "on_trace_ready": trace_handler(logdir, worker_name, use_gzip=True),
            "record_shapes": record_shapes,
            "profile_memory": profile_memory,
            "with_stack": with_stack,
        }

    def __enter__(self) -> profile:
        try:
            made = torch.profiler.profile(**self._settings)
            made.__enter__()
        except Exception as error:
            self._trouble("cannot be recorded", error)
        else:
            self._made = made
        return self

    def step(self) -> None:
        """Ends a step; to be called once a batch, after the optimizer's."""
        self._carefully("step")

    def __exit__(self, *_: object) -> None:
        self._carefully("__exit__", None, None, None)
        self._made = None

    def _carefully(self, call: str, *arguments: object) -> None:
        if self._made is not None:
            try:
                getattr(self._made, call)(*arguments)
            except Exception as error:
                self._made = None
                self._trouble("ends early", error)

    def _trouble(self, what: str, error: Exception) -> None:
        warn_once(("profile", what), f"the profile {what} ({error}); training goes on without it")


def recorded_steps(wanted: object) -> tuple[int, int, int] | None:
    """What `auto_log(profile=)` was given, as numbers of steps to let pass, to warm up and to record.

    Args:
        wanted: "once", a number of steps to record, all three numbers, or None.

    Raises:
        InvalidSummary: it is none of these.
    """
    if wanted is None:
        return None
    if wanted == "once":
        return ONCE
    single = isinstance(wanted, int) and not isinstance(wanted, bool)
    steps: Any = (*ONCE[:2], wanted) if single else wanted
    several = isinstance(steps, tuple | list) and len(steps) == 3 and all(type(step) is int for step in steps)
    if not several or min(steps[:2]) < 0 or steps[2] < 1:
        raise InvalidSummary(
            f"auto_log(profile={wanted!r}): expected 'once', how many steps to record, or how many to let pass, to "
            "warm up and to record, such as (1, 1, 3)"
        )
    return steps[0], steps[1], steps[2]


class Recording:
    """A profile of the first steps of a training that counts its steps itself.

    Args:
        folder: the run's directory, or its URL.
        steps: how many to let pass, to warm up and to record.
    """

    def __init__(self, folder: str, steps: tuple[int, int, int]) -> None:
        self._left = sum(steps)
        self._profile: profile | None = None
        if not folder:
            warn_once(
                ("profile", "where"),
                "auto_log(profile=): a profile needs a directory, and the run has none; training goes on without it",
            )
            return
        self._profile = profile(folder, steps=steps).__enter__()

    def step(self) -> None:
        """A step was made; after the last one the profile is written."""
        if self._profile is not None:
            self._profile.step()
            self._left -= 1
            if self._left <= 0:
                self.close()

    def close(self) -> None:
        """Writes what was recorded so far, if anything was."""
        recording, self._profile = self._profile, None
        if recording is not None:
            recording.__exit__()
