"""Profiles of JAX where `tb.read_profile` and TensorBoard find them, and what lies in the memory of devices."""

from __future__ import annotations

import os
from typing import Any, Final

from tallyboard.core.errors import InvalidSummary, warn_once
from tallyboard.core.remote import is_remote

from .framework import jax
from .graphs import event_writer

__all__ = ["ONCE", "profile", "recorded_steps", "write_memory"]

ONCE: Final = (2, 3)
"""How many steps pass and are recorded where nothing else is said."""

_ROWS = 50  # of the table of arrays


class profile:  # noqa: N801 - a context manager, called as torch's is
    """Records some steps of a training loop into a run's directory, each marked with its number.

        with profile("runs/first", steps=(2, 3)) as recording:
            for batch in tb.data(loader):
                state = train_step(state, batch)
                recording.step()

    A profiler that cannot start, and a directory that cannot be written, cost the profile and a warning.

    Args:
        logdir: the run's directory.
        steps: how many to let pass, and how many to record; the first step is the one under way at the begin. The first
            calls compile, and say little of the others.
        first_step: the number of that one.
        options: a `jax.profiler.ProfileOptions`, for how much the host and Python are traced.

    Raises:
        InvalidSummary: `steps` are not two numbers, the first at least 0, the second at least 1.
    """

    def __init__(
        self,
        logdir: str | os.PathLike[str],
        *,
        steps: tuple[int, int] = ONCE,
        first_step: int = 1,
        options: Any = None,
    ) -> None:
        try:
            wait, active = steps
            wrong = wait < 0 or active < 1
        except (TypeError, ValueError):
            wrong, wait, active = True, 0, 1
        if wrong:
            raise InvalidSummary(
                f"profile(steps={steps!r}): expected how many steps to let pass and to record, such as (2, 3)"
            )
        self._logdir = os.fspath(logdir)
        self._options = options
        self._step = first_step
        self._first, self._last = first_step + wait, first_step + wait + active - 1
        self._span: Any = None
        self._recording = self._done = False

    def __enter__(self) -> profile:
        self._turn()
        return self

    @property
    def done(self) -> bool:
        """Whether the steps are recorded, or cannot be."""
        return self._done

    def step(self) -> None:
        """Ends a step; to be called once a batch, after the update."""
        self._leave()
        self._step += 1
        if self._recording and self._step > self._last:
            self._stop()
        self._turn()

    def __exit__(self, *_: object) -> None:
        self._leave()
        if self._recording:
            self._stop()
        self._done = True

    def _turn(self) -> None:
        """Begins what the step under way has to begin."""
        if self._done or self._step < self._first:
            return
        if not self._recording:
            try:
                more = {} if self._options is None else {"profiler_options": self._options}
                os.makedirs(self._logdir, exist_ok=True)  # JAX goes on for ever with a profile that it cannot write
                jax.profiler.start_trace(self._logdir, **more)
            except Exception as error:
                self._trouble("cannot be recorded", error)
                return
            self._recording = True
        self._span = jax.profiler.StepTraceAnnotation("train", step_num=self._step)
        self._span.__enter__()

    def _leave(self) -> None:
        span, self._span = self._span, None
        if span is not None:
            span.__exit__(None, None, None)

    def _stop(self) -> None:
        self._recording, self._done = False, True
        try:
            jax.block_until_ready(jax.live_arrays())  # else the profile would lack what the last step began
            jax.profiler.stop_trace()
        except Exception as error:
            self._trouble("cannot be written", error)

    def _trouble(self, what: str, error: Exception) -> None:
        self._done = True
        warn_once(
            ("jax.profile", self._logdir, what),
            f"the profile of {self._logdir!r} {what} ({error}); training goes on without it",
        )


def recorded_steps(wanted: Any) -> tuple[int, int] | None:
    """What `auto_log(profile=)` was given, as numbers of steps to let pass and to record.

    Raises:
        InvalidSummary: it is none of what it may be.
    """
    if wanted is None or wanted is False:
        return None
    if wanted == "once":
        return ONCE
    if isinstance(wanted, int) and wanted >= 1:
        return ONCE[0], int(wanted)
    several: tuple[Any, ...] = wanted if isinstance(wanted, tuple) and len(wanted) in (2, 3) else (0,)
    if all(isinstance(n, int) and n >= 0 for n in several) and several[-1] >= 1:
        return sum(several[:-1]), several[-1]
    raise InvalidSummary(
        f"auto_log(profile={wanted!r}): expected 'once', how many steps to record, or a tuple of how many pass and are "
        "recorded, such as (2, 3)"
    )


def write_memory(writer: Any, step: int = 0) -> None:
    """Writes what lies in the memory of this process' devices, now.

    - scalars, bytes: `memory/live_bytes` of all arrays, and where devices tell it `memory/<device>/in_use` and `peak`;
    - the text `memory/arrays`: how many arrays there are of each shape and dtype, the largest first;
    - the file `memory/step_<step>.pprof` in the run's directory, for pprof: which line made what.

    Args:
        writer: a `tb.SummaryWriter`, or ours of this package.
        step: the step.

    Raises:
        InvalidSummary: the writer is none.
    """
    target = event_writer(writer, "write_memory")
    if target is None:
        return
    groups: dict[tuple[str, str, str], list[int]] = {}
    for array in jax.live_arrays():
        where = ", ".join(sorted({device.platform for device in array.sharding.device_set}))
        groups.setdefault((str(array.dtype), " x ".join(map(str, array.shape)), where), []).append(array.nbytes)
    target.add_scalar("memory/live_bytes", float(sum(map(sum, groups.values()))), step)
    for device in jax.local_devices():
        told = device.memory_stats() or {}
        for key, name in (("bytes_in_use", "in_use"), ("peak_bytes_in_use", "peak")):
            if key in told:
                target.add_scalar(f"memory/{device.platform}{device.id}/{name}", float(told[key]), step)
    rows = sorted(groups.items(), key=lambda item: -sum(item[1]))[:_ROWS]
    table = {
        "arrays": [len(sizes) for _, sizes in rows],
        "dtype": [key[0] for key, _ in rows],
        "shape": [key[1] or "one number" for key, _ in rows],
        "device": [key[2] for key, _ in rows],
        "bytes": [sum(sizes) for _, sizes in rows],
    }
    target.add_table("memory/arrays", table, step)
    if target.log_dir and not is_remote(target.log_dir):
        folder = os.path.join(target.log_dir, "memory")
        try:
            os.makedirs(folder, exist_ok=True)
            jax.profiler.save_device_memory_profile(os.path.join(folder, f"step_{step}.pprof"))
        except Exception as error:
            warn_once(("memory", folder), f"{folder}: the memory profile cannot be written ({error})")
