"""`tf.summary` in layers and in `train_step`: what it writes lands in the runs of the callback, on TensorFlow.

TensorFlow's own writer lies beside ours in each directory. What a `tf.function` writes goes to the writer that was the
default when the function was traced; so a model that wrote something, and goes on under another directory, has its
functions traced anew. One that writes nothing is spared that, which takes longer than a short training.
"""

from __future__ import annotations

import sys
import threading
import weakref
from contextlib import ExitStack
from typing import Any

from .runs import TRAIN, VALIDATION, Runs

__all__ = ["Forwarding"]

_known: weakref.WeakKeyDictionary[Any, Forwarding] = weakref.WeakKeyDictionary()


class Forwarding:
    """The default writers of a training.

    A model's functions go on reading the step and the condition as long as they live, so this lives with the model.
    """

    def __init__(self, runs: Runs) -> None:
        tf: Any = sys.modules["tensorflow"]
        self._tf = tf
        self._folders = {run: runs.folder(run) for run in (TRAIN, VALIDATION)}
        self._writers: dict[str, Any] = {}
        self._steps = {run: tf.Variable(0, dtype=tf.int64, trainable=False) for run in self._folders}
        self._recording = {run: tf.Variable(False, trainable=False) for run in self._folders}
        self._stacks: list[tuple[str, ExitStack]] = []
        self._on: dict[str, bool] = {}
        self._now: dict[str, tuple[int, bool]] = {}
        self._asked: set[str] = set()
        self._thread = 0

    @classmethod
    def of(cls, model: Any, runs: Runs) -> Forwarding:
        """That of a model; a new one, and functions that are traced anew, where its summaries went elsewhere."""
        before = _known.get(model)
        if before is not None and before._folders == {run: runs.folder(run) for run in (TRAIN, VALIDATION)}:
            return before
        made = _known[model] = cls(runs)
        if before is not None and before._asked:
            if model.train_function is not None:
                model.make_train_function(force=True)
            if model.test_function is not None:
                model.make_test_function(force=True)
        return made

    def enter(self, run: str) -> None:
        """Makes the writer of a run the default, until `leave`."""
        if run not in self._writers:
            self._writers[run] = self._tf.summary.create_file_writer(self._folders[run])
        stack = ExitStack()
        stack.enter_context(self._writers[run].as_default(self._steps[run]))
        stack.enter_context(self._tf.summary.record_if(lambda: self._wanted(run)))
        self._stacks.append((run, stack))
        self._thread = threading.get_ident()

    def batch(self, run: str, step: int, every: int) -> None:
        """A batch begins."""
        self._now[run] = step, step % every == 0
        if run in self._asked:  # to set a variable takes as long as to write a number: only where something reads it
            self._tell(run)

    def _wanted(self, run: str) -> Any:
        """Whether to record, asked by each `tf.summary` of the model: while its function is traced, or as it runs."""
        if run not in self._asked:
            self._asked.add(run)
            with self._tf.init_scope():  # now, and not whenever the function that is being traced will run
                self._tell(run)
        return self._recording[run].read_value()

    def _tell(self, run: str) -> None:
        step, wanted = self._now.get(run, (0, False))
        self._steps[run].assign(step)
        if self._on.get(run, False) != wanted:
            self._recording[run].assign(wanted)
            self._on[run] = wanted

    def leave(self) -> None:
        """Ends what `enter` began last, and writes what was said."""
        if self._stacks and threading.get_ident() == self._thread:  # the default is one of a thread
            run, stack = self._stacks.pop()
            self._now[run] = self._now.get(run, (0, False))[0], False
            if run in self._asked:
                self._tell(run)
                self._writers[run].flush()
            stack.close()

    def leave_all(self) -> None:
        """Ends all."""
        while self._stacks and threading.get_ident() == self._thread:
            self.leave()
