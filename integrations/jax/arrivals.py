"""Where the values go that compiled functions send: the host's side of `log`.

Callbacks of a compiled function come in any order, on threads of the runtime. Each is kept for a quarter of a second;
then what has come is written in the order of its steps. Values of one call of `log` that come more than once for a
step, from several devices, are one value: their mean.
"""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Sequence
from typing import Any

from tallyboard.core.errors import InvalidSummary, warn_once
from tallyboard.core.summary import kind_of
from tallyboard.core.writer import SummaryWriter as EventWriter

from .framework import jax
from .interface import is_first_process
from .writers import SummaryWriter

__all__ = ["PATIENCE", "Arrivals", "arrivals_of", "current", "log_to"]

PATIENCE = 0.25  # seconds in which callbacks of one step come
_Entry = tuple[float, int, tuple[str, ...], Sequence[float]]


class Arrivals:
    """What has come for one writer, and is still to be put in order.

    Args:
        writer: a `tb.SummaryWriter`, or a metric writer, ours or CLU's.

    Raises:
        InvalidSummary: it is none.
    """

    def __init__(self, writer: Any) -> None:
        if not isinstance(writer, EventWriter) and not hasattr(writer, "write_scalars"):
            raise InvalidSummary(
                f"log: expected a tb.SummaryWriter or a metric writer, got {kind_of(writer)}; "
                "pass what create_default_writer returns"
            )
        self._writer = weakref.ref(writer)
        self._lock = threading.Lock()
        self._entries: list[_Entry] = []
        self._bound = self.scheduled = False
        self._first: bool | None = None

    def add(self, step: int, tags: tuple[str, ...], values: Sequence[float]) -> None:
        """Takes the values of one step, in any order of steps, from any thread."""
        if self._first is None:
            self._first = is_first_process()
        if self._first:
            self._entries.append((time.time(), step, tags, values))
            if not self.scheduled:
                _later(self)
            if not self._bound:
                self._bind()

    def _bind(self) -> None:
        """Has what comes written when the writer is closed."""
        self._bound = True
        writer = self._writer()
        if isinstance(writer, EventWriter):
            writer.before_close(self._closing)

    def _closing(self) -> None:
        self.settle()
        self._bound = False

    def settle(self) -> None:
        """Waits for all callbacks, and writes what they brought."""
        jax.effects_barrier()
        self.write(float("inf"))

    def write(self, until: float) -> bool:
        """Writes what came before a wall time, by step; says whether something is left."""
        with self._lock:
            entries = self._entries
            count = len(entries)
            if until != float("inf"):
                count = next((i for i, entry in enumerate(entries[:count]) if entry[0] > until), count)
            taken = entries[:count]
            del entries[:count]
            self._put(_merged(taken))
            return bool(entries)

    def _put(self, entries: list[_Entry]) -> None:
        writer = self._writer()
        if writer is None:
            return
        try:
            if isinstance(writer, SummaryWriter):
                writer = writer.writer
            if isinstance(writer, EventWriter):
                write = writer.write_scalar
                for wall_time, step, tags, values in entries:
                    for tag, value in zip(tags, values, strict=True):
                        write(tag, value, step, wall_time)
            elif writer is not None:
                for _, step, tags, values in entries:
                    writer.write_scalars(step, dict(zip(tags, values, strict=True)))
        except Exception as error:  # a thread of the runtime must not see it
            warn_once(("jax.log", type(error)), f"log: values could not be written ({type(error).__name__}: {error})")


def _merged(entries: list[_Entry]) -> list[_Entry]:
    """In the order of steps; those of the same tags and step as one, of which each value is the mean."""
    groups: dict[tuple[int, tuple[str, ...]], list[_Entry]] = {}
    for entry in entries:
        groups.setdefault((entry[1], entry[2]), []).append(entry)
    merged: list[_Entry] = []
    for key in sorted(groups, key=lambda key: key[0]):
        group = groups[key]
        if len(group) == 1:
            merged.append(group[0])
        else:
            means = [sum(values) / len(group) for values in zip(*(entry[3] for entry in group), strict=True)]
            merged.append((group[0][0], *key, means))
    return merged


# The thread that writes after a while -------------------------------------------------------------------------------

_open: set[Arrivals] = set()
_wake = threading.Event()
_thread: list[threading.Thread] = []


def _later(arrivals: Arrivals) -> None:
    arrivals.scheduled = True
    _open.add(arrivals)
    if not _thread:
        _thread.append(threading.Thread(target=_run, name="tallyboard-jax-log", daemon=True))
        _thread[0].start()
    _wake.set()


def _run() -> None:
    while True:
        _wake.wait()
        _wake.clear()
        time.sleep(PATIENCE)
        for arrivals in list(_open):
            _open.discard(arrivals)
            arrivals.scheduled = False  # first, so that what comes from now on asks for another turn
            if arrivals.write(time.time() - PATIENCE):
                _later(arrivals)


# Which writer ----------------------------------------------------------------------------------------------------

_known: weakref.WeakKeyDictionary[Any, Arrivals] = weakref.WeakKeyDictionary()
_targets: list[Arrivals] = []


def arrivals_of(writer: Any) -> Arrivals:
    """The one for this writer.

    Raises:
        InvalidSummary: it is no writer.
    """
    try:
        found = _known.get(writer)
    except TypeError:  # it has no weak references, and is no writer
        found = None
    if found is None:
        found = Arrivals(writer)
        _known[writer] = found
    return found


def current() -> Arrivals | None:
    """The one that `log_to` named last."""
    return _targets[-1] if _targets else None


class log_to:  # noqa: N801 - read as a verb: `with log_to(writer):`
    """Names the writer that `log` and `log_buffer` write to, until it is closed; compiled functions see the change.

        with log_to(writer):
            state = train_step(state, batch)

    Leaving the block, or `close()`, waits for what is on its way. Blocks may lie within each other.

    Args:
        writer: a `tb.SummaryWriter`, or a metric writer, ours or CLU's.

    Raises:
        InvalidSummary: it is none.
    """

    def __init__(self, writer: Any) -> None:
        self._arrivals = arrivals_of(writer)
        self._kept = writer
        self._closed = False
        _targets.append(self._arrivals)

    def flush(self) -> None:
        """Returns when everything that was logged before can be read by another process."""
        self._arrivals.settle()
        self._kept.flush()

    def close(self) -> None:
        """Waits for what is on its way, and names the writer before again. A second call does nothing."""
        if not self._closed:
            self._closed = True
            self._arrivals.settle()
            if self._arrivals in _targets:
                del _targets[len(_targets) - 1 - _targets[::-1].index(self._arrivals)]

    def __enter__(self) -> log_to:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
