"""What holds while summaries are written: the default writer, the default step, whether to record, the name scope.

All of it belongs to a thread, as in TensorFlow. TensorFlow itself is never imported here; where the program has loaded
it, its name scope, its mode (eager, or building a graph) and its replicas are asked for.
"""

from __future__ import annotations

import contextlib
import operator
import re
import sys
import threading
from collections.abc import Callable, Generator, Iterable
from typing import TYPE_CHECKING, Any, TypeVar

from tallyboard.core.errors import InvalidSummary
from tallyboard.core.summary import as_step, as_tag

if TYPE_CHECKING:
    from .writers import SummaryWriter

__all__ = [
    "building_graph",
    "defaults",
    "get_step",
    "name_scope",
    "not_converted",
    "record_if",
    "recording",
    "scope_name",
    "set_step",
    "step_number",
    "step_set",
    "summary_scope",
    "tag_of",
    "tensorflow",
]

_Function = TypeVar("_Function", bound=Callable[..., Any])
_NOT_IN_SCOPES = re.compile(r"[^-_/.A-Za-z0-9]")


def not_converted(function: _Function) -> _Function:
    """Marks a function that AutoGraph shall call as it is, from within a `tf.function` too.

    The mark is what `tf.autograph.experimental.do_not_convert` leaves, set without importing TensorFlow.
    """
    function.autograph_info__ = {}  # type: ignore[attr-defined]
    return function


class _Defaults(threading.local):
    """The state of one thread."""

    latest: dict[str, Any] | None = None  # of the class: that of the thread which chose a writer last

    def __init__(self) -> None:
        self.writer: SummaryWriter | None = None
        self.step: Any = None
        self.condition: Any = None
        self.scope = ""
        # MirroredStrategy runs each replica in a thread that shall know what the one that started it knows.
        if type(threading.current_thread()).__name__ == "_MirroredReplicaThread" and _Defaults.latest:
            self.__dict__.update(_Defaults.latest)

    def choose(self, writer: SummaryWriter | None) -> None:
        """Makes a writer this thread's default."""
        self.writer = writer
        if tensorflow() is not None:
            _Defaults.latest = self.__dict__


defaults = _Defaults()


def tensorflow() -> Any:
    """TensorFlow's module where the program has loaded it, else None."""
    module = sys.modules.get("tensorflow")
    return module if hasattr(module, "executing_eagerly") else None


def building_graph() -> Any:
    """TensorFlow's module while it builds a graph, as for a `tf.function`; else None."""
    tf = tensorflow()
    return None if tf is None or tf.executing_eagerly() else tf


# Steps --------------------------------------------------------------------------------------------------------------


def get_step() -> Any:
    """The default step of this thread, as it was set; None if there is none."""
    return defaults.step


def set_step(step: Any) -> None:
    """Sets the default step of this thread.

    Args:
        step: an integer, a `tf.Variable` (read whenever something is written), a function that gives one, or None
            for no default.
    """
    defaults.step = step


def step_set(step: Any, call: str) -> Any:
    """The step given, or else the default one.

    Raises:
        InvalidSummary: there is neither.
    """
    if step is None:
        step = defaults.step
        if step is not None and callable(step) and not hasattr(step, "shape"):
            step = step()
    if step is None:
        raise InvalidSummary(
            f"{call}: No step set. Give one as the `step` argument, or set one with experimental.set_step() or "
            "as_default(step)"
        )
    return step


def step_number(step: Any, call: str, tag: str) -> int:
    """The step given, or else the default one, as an integer of 64 bits.

    Raises:
        InvalidSummary: there is neither, or it is no whole number.
    """
    step = step_set(step, call)
    if type(step) is not int and hasattr(step, "numpy"):
        step = step.numpy()
    if getattr(step, "shape", ()) == (1,):
        step = operator.itemgetter(0)(step)
    return as_step(step, call, tag)


# Conditions ---------------------------------------------------------------------------------------------------------


@not_converted
@contextlib.contextmanager
def record_if(condition: Any) -> Generator[None]:
    """Writes, within `with`, only what the condition lets pass.

    Args:
        condition: a bool, a tensor of one, or a function that gives one, which is called at each write.
    """
    before = defaults.condition
    defaults.condition = condition
    try:
        yield
    finally:
        defaults.condition = before


def recording() -> Any:
    """Whether the condition lets pass what is written now: whatever it gives, not yet made a bool.

    In a distribution strategy only the first replica writes.
    """
    condition = defaults.condition
    if condition is not None and callable(condition) and not hasattr(condition, "shape"):
        condition = condition()
    if condition is None:
        condition = True
    tf = tensorflow()
    if tf is None or not tf.distribute.has_strategy():
        return condition
    context = tf.distribute.get_replica_context()
    if context is None:
        return condition
    replica = context.replica_id_in_sync_group
    static = tf.get_static_value(replica) if tf.is_tensor(replica) else replica
    if static is not None:
        return condition if int(static) == 0 else False
    return tf.logical_and(tf.equal(replica, 0), condition)


# Scopes and tags ----------------------------------------------------------------------------------------------------


def _scope() -> str:
    """The name scope in force, without a slash at its end."""
    tf = tensorflow()
    inner = tf.get_current_name_scope() if tf is not None else ""
    return inner or defaults.scope


def tag_of(name: Any, default: str) -> str:
    """A summary's tag: its name below the name scope in force.

    Raises:
        InvalidSummary: it is no string, or cannot be written as UTF-8.
    """
    name = as_tag(name or default, default)
    scope = _scope()
    return f"{scope}/{name}" if scope else name


def scope_name(name: str | None, default: str) -> str:
    """A name without what TensorFlow's scopes do not allow."""
    return _NOT_IN_SCOPES.sub("", name or default) or default


@not_converted
@contextlib.contextmanager
def name_scope(name: str) -> Generator[str]:
    """Puts `name/` before the names of the summaries within `with`: `tf.name_scope`, with or without TensorFlow.

    Args:
        name: the scope's name; `/` makes several.
    """
    tf = tensorflow()
    if tf is not None:
        with tf.name_scope(name) as scope:
            yield scope
        return
    before = defaults.scope
    defaults.scope = f"{before}/{name.rstrip('/')}" if before else name.rstrip("/")
    try:
        yield f"{defaults.scope}/"
    finally:
        defaults.scope = before


@not_converted
@contextlib.contextmanager
def summary_scope(
    name: str | None, default_name: str = "summary", values: Iterable[Any] | None = None
) -> Generator[tuple[str, str]]:
    """For summaries of your own kind: opens a name scope and gives `(tag, scope)`, the tag to pass to `write`.

    Args:
        name: the summary's name.
        default_name: in its place where there is none.
        values: accepted as TensorFlow has it; without effect.
    """
    del values
    tag = tag_of(name, default_name)
    with name_scope(scope_name(name, default_name)) as scope:
        yield tag, scope
