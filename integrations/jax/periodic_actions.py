"""Things to do now and then in a training loop, by the names of `clu.periodic_actions`.

from tallyboard.integrations.jax import create_default_writer, periodic_actions

writer = create_default_writer("runs/first")
report = periodic_actions.ReportProgress(num_train_steps=1000, writer=writer)
profile = periodic_actions.Profile(logdir="runs/first", num_profile_steps=5)
for step in range(1, 1001):
    ...
    report(step)
    profile(step)
"""

from __future__ import annotations

import abc
import contextlib
import os
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from tallyboard.core.errors import InvalidSummary, warn_once

from .composed import AsyncError
from .framework import jax, jnp
from .logged import logger

__all__ = ["PeriodicAction", "PeriodicCallback", "Profile", "ProfileAllHosts", "ReportProgress"]


class PeriodicAction(abc.ABC):
    """Something done now and then; an instance is called after each step.

    Args:
        every_steps: done where the step is a multiple of it; the action must then be called at every step.
        every_secs: done when so many seconds have gone by since the last time.
        on_steps: done at these steps.
    """

    def __init__(
        self,
        *,
        every_steps: int | None = None,
        every_secs: float | None = None,
        on_steps: Iterable[int] | None = None,
    ) -> None:
        self._every_steps = every_steps
        self._every_secs = every_secs
        self._on_steps = set(on_steps or ())
        self._previous_step: int | None = None
        self._previous_time = 0.0
        self._last_step = 0

    def __call__(self, step: int, t: float | None = None) -> bool:
        """Does it, if it is due.

        Args:
            step: the step that was made.
            t: seconds; `time.monotonic()` when absent.

        Returns:
            Whether it was done.

        Raises:
            ValueError: there is an `every_steps`, and a step was left out or came twice.
        """
        return self._called(step, t)

    def _called(self, step: int, t: float | None, **more: Any) -> bool:
        now = time.monotonic() if t is None else t
        if self._previous_step is None:
            self._previous_step, self._previous_time = step, now
        elif self._every_steps is not None and step != self._last_step + 1:
            raise ValueError(
                f"{type(self).__name__}(every_steps={self._every_steps}) is called after every step, once: "
                f"expected step {self._last_step + 1}, got {step}; use every_secs or on_steps where steps are left out"
            )
        self._last_step = step
        if not self._should_trigger(step, now):
            return False
        self._apply(step, now, **more)
        self._previous_step, self._previous_time = step, now
        return True

    def _should_trigger(self, step: int, t: float) -> bool:
        """Whether it is due."""
        if self._every_steps is not None and step % self._every_steps == 0:
            return True
        if self._every_secs is not None and t - self._previous_time > self._every_secs:
            return True
        return step in self._on_steps

    @abc.abstractmethod
    def _apply(self, step: int, t: float, **more: Any) -> None:
        """Does it."""


class ReportProgress(PeriodicAction):
    """Says how far training is and how fast, in the program's log, and as `steps_per_sec` and `uptime` (seconds).

    Attributes:
        message: what was said last.

    Args:
        num_train_steps: how many there will be; the last one is reported in any case. None or below 0: not known.
        writer: gets the two metrics; ours or CLU's.
        every_steps, every_secs, on_steps: when; see `PeriodicAction`. The first call never reports.
    """

    def __init__(
        self,
        *,
        num_train_steps: int | None = None,
        writer: Any = None,
        every_steps: int | None = None,
        every_secs: float | None = 60.0,
        on_steps: Iterable[int] | None = None,
    ) -> None:
        steps = set(on_steps or ())
        if num_train_steps is not None and num_train_steps > 0:
            steps.add(num_train_steps)
        super().__init__(every_steps=every_steps, every_secs=every_secs, on_steps=steps)
        self.message = ""
        self._train_steps = num_train_steps if num_train_steps is not None and num_train_steps > 0 else None
        self._writer = writer
        self._begun = time.monotonic()
        self._spent: defaultdict[str, float] = defaultdict(float)
        self._pool: ThreadPoolExecutor | None = None

    def _should_trigger(self, step: int, t: float) -> bool:
        return step != self._previous_step and super()._should_trigger(step, t)

    def _apply(self, step: int, t: float, **more: Any) -> None:
        del more
        passed = max(t - self._previous_time, 1e-9)
        rate = (step - (self._previous_step or 0)) / passed
        said = [f"{rate:.1f} steps/s"]
        if self._train_steps is not None:
            said.append(f"{100 * step / self._train_steps:.1f}% ({step}/{self._train_steps})")
            if rate > 0:
                said.append(f"ETA: {_duration((self._train_steps - step) / rate)}")
        uptime = time.monotonic() - self._begun
        self.message = ", ".join(said)
        if self._spent:
            parts = ", ".join(f"{100 * spent / uptime:.1f}% {name}" for name, spent in sorted(self._spent.items()))
            self.message += f" ({_duration(uptime)}: {parts})"
        logger().info("[%d] %s", step, self.message)
        if self._writer is not None:
            self._writer.write_scalars(step, {"steps_per_sec": rate, "uptime": uptime})

    @contextlib.contextmanager
    def timed(self, name: str, wait_jax_async_dispatch: bool = True) -> Generator[None]:
        """Counts the time of this block as that of a part of the loop, and reports its share.

        Args:
            name: of the part.
            wait_jax_async_dispatch: count from when the device has done what was asked of it before the block, to when
                it has done what the block asked of it. A thread of its own waits for that, training does not. False
                counts the time of the Python code.
        """
        if not wait_jax_async_dispatch:
            began = time.monotonic()
            try:
                yield
            finally:
                self._spent[name] += time.monotonic() - began
            return
        if self._pool is None:
            self._pool = ThreadPoolExecutor(1, thread_name_prefix="ReportProgress")
        began_then = self._pool.submit(_when_done, _marker(jnp.zeros(())))
        try:
            yield
        finally:
            self._pool.submit(self._add, name, began_then, _marker(jnp.zeros(())))

    def _add(self, name: str, began: Future[float], marker: Any) -> None:
        self._spent[name] += _when_done(marker) - began.result()


@jax.jit
def _marker(x: Any) -> Any:
    """Something for the device to do, which is done when all before it is."""
    return x + 1


def _when_done(marker: Any) -> float:
    marker.block_until_ready()
    return time.monotonic()


def _duration(seconds: float) -> str:
    """Days, hours and minutes, as `1d2h3m`; below a minute the seconds."""
    whole = max(0, int(seconds))
    days, hours, minutes = whole // 86400, whole % 86400 // 3600, whole % 3600 // 60
    if whole < 60:
        return f"{whole}s"
    return (f"{days}d" if days else "") + (f"{hours}h" if hours else "") + f"{minutes}m"


class Profile(PeriodicAction):
    """Records profiles of some steps into a run's directory, where `tb.read_profile` and TensorBoard find them.

    Each step in it is marked with its number. A profiler that cannot start costs the profile and a warning.

    Args:
        logdir: the run's directory.
        num_profile_steps: how many steps each profile has; and
        profile_duration_ms: how long it takes, at least. It ends when both are reached.
        first_profile: the step at which the first one begins.
        every_steps, every_secs: when others do; see `PeriodicAction`.
        artifact_name: what the log says of each; `{step}` is where it began.

    Raises:
        ValueError: neither steps nor a duration are given.
    """

    def __init__(
        self,
        *,
        logdir: str | os.PathLike[str],
        num_profile_steps: int | None = 5,
        profile_duration_ms: int | None = 3_000,
        first_profile: int = 10,
        every_steps: int | None = None,
        every_secs: float | None = 3600.0,
        artifact_name: str = "[{step}] Profile",
    ) -> None:
        if not num_profile_steps and not profile_duration_ms:
            raise ValueError("Profile: expected num_profile_steps or profile_duration_ms, or both; got neither")
        super().__init__(every_steps=every_steps, every_secs=every_secs)
        self._logdir = os.fspath(logdir)
        self._steps = num_profile_steps or 0
        self._seconds = (profile_duration_ms or 0) / 1000
        self._first = first_profile
        self._name = artifact_name
        self._began: float | None = None
        self._span: Any = None

    def _should_trigger(self, step: int, t: float) -> bool:
        if self._began is None:
            return step == self._first or super()._should_trigger(step, t)
        self._mark(None)
        if t - self._began >= self._seconds and step >= (self._previous_step or 0) + self._steps:
            self._end()
        else:
            self._mark(step + 1)
        return False

    def _apply(self, step: int, t: float, **more: Any) -> None:
        del more
        try:
            os.makedirs(self._logdir, exist_ok=True)  # JAX goes on for ever with a profile that it cannot write
            jax.profiler.start_trace(self._logdir)
        except Exception as error:
            warn_once(("Profile", self._logdir), f"a profile of step {step} cannot be recorded ({error})")
            return
        self._began = t
        self._mark(step + 1)

    def _mark(self, step: int | None) -> None:
        """Ends the span of one step, and begins that of another."""
        if self._span is not None:
            self._span.__exit__(None, None, None)
        self._span = None if step is None else jax.profiler.StepTraceAnnotation("train", step_num=step)
        if self._span is not None:
            self._span.__enter__()

    def _end(self) -> None:
        self._began = None
        try:
            jax.profiler.stop_trace()
        except Exception as error:
            warn_once(("Profile", self._logdir), f"a profile cannot be written to {self._logdir!r} ({error})")
            return
        logger().info("%s: in %s", self._name.format(step=self._previous_step), self._logdir)


class ProfileAllHosts(PeriodicAction):
    """Records a profile of some seconds, now and then; each process of a distributed program records its own.

    Args:
        logdir: the run's directory.
        hosts: as CLU has it, without effect: every process that calls this records.
        profile_duration_ms: how long each profile takes.
        first_profile: the step at which the first one begins.
        every_steps, every_secs: when others do; see `PeriodicAction`.
    """

    def __init__(
        self,
        *,
        logdir: str | os.PathLike[str],
        hosts: Sequence[str] | None = None,
        profile_duration_ms: int = 3_000,
        first_profile: int = 10,
        every_steps: int | None = None,
        every_secs: float | None = 3600.0,
    ) -> None:
        del hosts
        super().__init__(every_steps=every_steps, every_secs=every_secs)
        self._logdir = os.fspath(logdir)
        self._seconds = profile_duration_ms / 1000
        self._first = first_profile
        self._timer: threading.Timer | None = None

    def _should_trigger(self, step: int, t: float) -> bool:
        return step == self._first or super()._should_trigger(step, t)

    def _apply(self, step: int, t: float, **more: Any) -> None:
        del t, more
        try:
            os.makedirs(self._logdir, exist_ok=True)  # JAX goes on for ever with a profile that it cannot write
            jax.profiler.start_trace(self._logdir)
        except Exception as error:
            warn_once(("Profile", self._logdir), f"a profile of step {step} cannot be recorded ({error})")
            return
        self._timer = threading.Timer(self._seconds, self._end)
        self._timer.start()

    def _end(self) -> None:
        try:
            jax.profiler.stop_trace()
        except Exception as error:
            warn_once(("Profile", self._logdir), f"a profile cannot be written to {self._logdir!r} ({error})")

    def join(self) -> None:
        """Waits until the profile that is being recorded, if any, is on disk."""
        if self._timer is not None:
            self._timer.join()


class PeriodicCallback(PeriodicAction):
    """Calls a function now and then.

    Args:
        every_steps, every_secs, on_steps: when; see `PeriodicAction`.
        callback_fn: called with `step=` and `t=`, and with what the action was called with beside them.
        execute_async: a thread calls it. What it raises then comes as `AsyncError` at the next call.
        pass_step_and_time: False leaves out `step` and `t`.
    """

    def __init__(
        self,
        *,
        every_steps: int | None = None,
        every_secs: float | None = None,
        on_steps: Iterable[int] | None = None,
        callback_fn: Callable[..., Any],
        execute_async: bool = False,
        pass_step_and_time: bool = True,
    ) -> None:
        super().__init__(every_steps=every_steps, every_secs=every_secs, on_steps=on_steps)
        self._function = callback_fn
        self._pass = pass_step_and_time
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="PeriodicCallback") if execute_async else None
        self._results: list[Any] = []

    def __call__(self, step: int, t: float | None = None, **more: Any) -> bool:
        """Calls the function, if it is due.

        Args:
            step: the step that was made.
            t: seconds; `time.monotonic()` when absent.
            more: for the function.

        Returns:
            Whether it was called.

        Raises:
            ValueError: as `PeriodicAction`.
            AsyncError: an earlier call failed in the thread.
        """
        return self._called(step, t, **more)

    def get_last_callback_result(self) -> Any:
        """What the function returned last; with `execute_async` a future of it.

        Raises:
            InvalidSummary: it was not called yet.
        """
        if not self._results:
            raise InvalidSummary("get_last_callback_result: the function was not called yet")
        return self._results[-1]

    def _apply(self, step: int, t: float, **more: Any) -> None:
        given = {"step": step, "t": t, **more} if self._pass else more
        if self._pool is None:
            self._results = [self._function(**given)]
            return
        last = self._results[-1] if self._results else None
        self._results = [self._pool.submit(self._function, **given)]
        if last is not None and last.done() and last.exception() is not None:
            raise AsyncError(f"{last.exception()} (raised by an earlier call of the function)") from last.exception()
