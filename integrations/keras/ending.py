"""How a training ends: with a hook, or with an exception, of which no hook tells."""

from __future__ import annotations

import os
import sys
import threading
import weakref
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from .background import Background
from .runs import Runs

__all__ = ["Ending", "rank"]


class Ending:
    """What is to be closed when a training is over, once.

    Keras calls no hook when an exception (KeyboardInterrupt among them) leaves `fit`. But its list of callbacks goes
    with that call, as soon as the exception is handled; the files are then closed, as those of a failure.
    """

    def __init__(self, runs: Runs, background: Background, owner: object | None) -> None:
        """Begins to wait.

        Args:
            runs: closed at the end.
            background: whose work is waited for, before.
            owner: the object that lives as long as the `fit`; None if it is not known.
        """
        self._runs, self._background = runs, background
        self._parts: list[Callable[[], object]] = []
        self._parts_here: list[Callable[[], object]] = []
        self._lock = threading.Lock()
        self._ended = False
        self._finalizer = None if owner is None else weakref.finalize(owner, self._abandoned)
        if self._finalizer is not None:
            self._finalizer.atexit = False  # writers that are open at the end of the program close themselves

    def add(self, part: Callable[[], object]) -> None:
        """Has a function called before the files are closed; the one added last comes first."""
        self._parts.append(part)

    def add_here(self, part: Callable[[], object]) -> None:
        """Has a function called in whatever thread the training ends."""
        self._parts_here.append(part)

    def end(self, failed: bool) -> None:
        """Closes; a second call does nothing.

        Args:
            failed: whether the training did.
        """
        with self._lock:
            if self._ended:
                return
            self._ended = True
        if self._finalizer is not None:
            self._finalizer.detach()
        for part in (*reversed(self._parts_here), *reversed(self._parts)):
            with suppress(Exception):  # as little of it as there is: the files are to be closed
                part()
        self._background.wait()
        self._runs.close(failed)

    def _abandoned(self) -> None:
        """In a thread: this may be called wherever Python collects garbage, even within a writer."""
        for part in reversed(self._parts_here):
            with suppress(Exception):
                part()
        thread = threading.Thread(target=self.end, args=(True,), name="tallyboard keras end")
        with suppress(RuntimeError):  # the program is ending, and closes the files itself
            thread.start()


def rank() -> int:
    """The place of this process in a distributed training, 0 outside of one: only that writes."""
    jax: Any = sys.modules.get("jax")
    if jax is not None and hasattr(jax, "distributed") and _begun(jax):
        return int(jax.process_index())
    tf: Any = sys.modules.get("tensorflow")
    if tf is not None and "TF_CONFIG" in os.environ:
        cluster = tf.distribute.cluster_resolver.TFConfigClusterResolver()
        chief = cluster.task_type in ("chief", "master", None) or (
            cluster.task_type == "worker" and not cluster.cluster_spec().as_dict().get("chief")
        )
        return int(cluster.task_id or 0) if chief else 1 + int(cluster.task_id or 0)
    torch: Any = sys.modules.get("torch")
    distributed = getattr(torch, "distributed", None)
    if distributed is not None and distributed.is_available() and distributed.is_initialized():
        return int(distributed.get_rank())
    return 0


def _begun(jax: Any) -> bool:
    begun = getattr(jax.distributed, "is_initialized", None)
    return bool(begun()) if begun is not None else False
