"""Profiles of some batches: TensorFlow's profiler, JAX's or PyTorch's, whichever computes."""

from __future__ import annotations

import os
import socket
import sys
import time
from pathlib import Path
from typing import Any, Protocol

__all__ = ["Profiling"]


class _Profiler(Protocol):
    def start(self, folder: str) -> None: ...

    def begin(self, step: int) -> Any: ...

    def stop(self) -> None: ...


class _TensorFlow:
    def start(self, folder: str) -> None:
        self._tf: Any = sys.modules["tensorflow"]
        self._tf.profiler.experimental.start(folder)

    def begin(self, step: int) -> Any:
        return self._tf.profiler.experimental.Trace("train", step_num=step, _r=1)

    def stop(self) -> None:
        self._tf.profiler.experimental.stop()


class _Jax:
    def start(self, folder: str) -> None:
        self._jax: Any = sys.modules["jax"]
        os.makedirs(folder, exist_ok=True)  # JAX goes on for ever with a profile that it cannot write
        self._jax.profiler.start_trace(folder)

    def begin(self, step: int) -> Any:
        return self._jax.profiler.StepTraceAnnotation("train", step_num=step)

    def stop(self) -> None:
        self._jax.profiler.stop_trace()


class _Torch:
    def start(self, folder: str) -> None:
        self._torch: Any = sys.modules["torch"]
        self._folder = Path(folder)
        self._profile: Any = self._torch.profiler.profile(record_shapes=True, profile_memory=True)
        self._profile.start()

    def begin(self, step: int) -> Any:
        return self._torch.profiler.record_function(f"ProfilerStep#{step}")

    def stop(self) -> None:
        self._profile.stop()
        name = f"{socket.gethostname()}_{os.getpid()}.{time.time_ns()}.pt.trace.json.gz"
        self._folder.mkdir(parents=True, exist_ok=True)
        half = self._folder / f".{name}"  # torch packs by the name's end
        try:
            self._profile.export_chrome_trace(str(half))
            half.replace(self._folder / name)
        finally:
            half.unlink(missing_ok=True)


class Profiling:
    """Records batches into a run's directory. Each recorded batch is a step of the profile.

    Args:
        backend: of the model.
        folder: the run's.
        first, last: the batches, counted from 1.

    Raises:
        NotImplementedError: the backend has no profiler.
    """

    def __init__(self, backend: str, folder: str, first: int, last: int) -> None:
        kinds: dict[str, type[_Profiler]] = {"tensorflow": _TensorFlow, "jax": _Jax, "torch": _Torch}
        if backend not in kinds:
            raise NotImplementedError(f"the backend {backend!r} has no profiler")
        self._folder, self._first, self._last = folder, first, last
        self._profiler = kinds[backend]()
        self._running = False
        self._over = False
        self._step: Any = None

    def batch_begins(self, batch: int) -> None:
        """The batch of this number begins: the profile is started if it is the first."""
        if not self._over and not self._running and batch >= self._first:
            self._running = batch <= self._last
            self._over = not self._running
            if self._running:
                self._profiler.start(self._folder)
        if self._running:
            self._step = self._profiler.begin(batch)
            self._step.__enter__()

    def batch_ends(self, batch: int) -> None:
        """The batch has ended, and its results are there: the profile is written if it was the last."""
        self._leave_step()
        if self._running and batch >= self._last:
            self.close()

    def close(self) -> None:
        """Writes what was recorded, if the profile still runs: training ended before its last batch."""
        self._leave_step()
        if self._running:
            self._running, self._over = False, True
            self._profiler.stop()

    def _leave_step(self) -> None:
        step, self._step = self._step, None
        if step is not None:
            step.__exit__(None, None, None)
