"""The threads that write: one that looks after every open sink, and those that the main thread has its waiting done by.

Signal handlers run in the main thread, between any two steps of what it is doing: one may raise there (Ctrl-C does),
or itself log, flush and close. So the main thread holds none of the locks that writing takes, and does no part of it:
it asks another thread, and waits for that. Whatever interrupts it, interrupts the waiting only.

What both sides touch here are single operations of dict, list and lock, which nothing can interrupt in the middle.
"""

from __future__ import annotations

import _thread
import contextlib
import importlib
import sys
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

from .errors import warn_once

__all__ = ["Served", "aside", "ask", "elsewhere", "in_main_thread", "pump"]

_TURN = 0.25  # seconds between two looks at all sinks
_FORK_WAITS = 3.0  # seconds; a disk that hangs keeps nobody from forking


class Served(Protocol):
    """What a pump looks after."""

    interval: float
    rows: list[Any]
    awake: bool  # set by `resume`
    forsaken: bool  # nobody is left who could close it: the pump does

    def drain(self) -> None: ...

    def waits(self) -> bool:
        """Whether there is something to drain."""
        ...

    def resume(self) -> None: ...

    def close(self, failed: bool | None = None) -> None: ...

    def pause(self, seconds: float) -> bool:
        """Waits until nobody writes, and keeps it so until `go_on`; False when that takes too long."""
        ...

    def go_on(self) -> None: ...

    def after_fork(self) -> None: ...


def in_main_thread() -> bool:
    """Whether this is the thread in which signal handlers run."""
    return _thread.get_ident() == threading.main_thread().ident


class Pump:
    """The background thread, and the sinks that it looks after. It holds them until they are closed.

    Of a closed one it knows, without holding it: a thread that was in the midst of `add_scalar` when another closed
    the writer still appends to its rows, and they are taken up from there.
    """

    def __init__(self) -> None:
        self.stopped = False
        self._paused: dict[int, list[Served]] = {}  # by the thread that is forking
        self._calls: deque[Callable[[], object]] = deque()
        self._sinks: dict[int, Served] = {}
        self._known: dict[int, weakref.ref[Served]] = {}  # all there are, open or not
        self._bell = _thread.allocate_lock()  # free when it was rung: unlike an Event it takes no lock to ring
        self._bell.acquire()
        self._started = _thread.allocate_lock()
        self._thread = 0

    def runs_here(self) -> bool:
        """Whether this is the thread that looks after the sinks, which must not be kept waiting."""
        return _thread.get_ident() == self._thread

    def serve(self, sink: Served) -> None:
        """Looks after a sink from now on."""
        if self.stopped:
            return
        self._know(sink)
        self._sinks[id(sink)] = sink
        if self._started.acquire(False):
            try:
                _thread.start_new_thread(self._run, ())
            except RuntimeError:  # no more threads, or the program is ending: callers then write themselves
                self._started.release()
        elif sink.interval < _TURN:
            self.wake()  # its turn comes sooner than the one the thread waits for

    def dismiss(self, sink: Served) -> None:
        """Looks after it no more, unless it is given something again."""
        self._know(sink)
        self._sinks.pop(id(sink), None)

    def _know(self, sink: Served) -> None:
        key = id(sink)
        if key not in self._known:
            self._known[key] = weakref.ref(sink, lambda _: self._known.pop(key, None))

    def sinks(self) -> list[Served]:
        """Those that are open, and closed ones that were given something since."""
        served = self._sinks.copy()
        known = [reference() for key, reference in self._known.copy().items() if key not in served]
        return [*served.values(), *(sink for sink in known if sink is not None and sink.rows)]

    def at_turn(self, call: Callable[[], object]) -> None:
        """Has the thread call it, once, before it looks at anything else."""
        self._calls.append(call)
        self.wake()

    def wake(self) -> None:
        """Has the thread look at once."""
        if self._bell.locked():
            with contextlib.suppress(RuntimeError):  # another thread was faster
                self._bell.release()

    def _run(self) -> None:
        self._thread = _thread.get_ident()
        while True:
            interval = min((sink.interval for sink in self._sinks.copy().values()), default=_TURN)
            self._bell.acquire(timeout=max(0.005, min(_TURN, interval)))
            try:
                self._look()
            except Exception as error:  # of memory, say: whoever waits here waits on, and is tried again
                warn_once(("pump", type(error)), f"writing in the background failed: {type(error).__name__}: {error}")

    def _look(self) -> None:
        while self._calls:
            self._calls.popleft()()
        for sink in self.sinks():
            if id(sink) not in self._sinks:
                sink.resume()
            if sink.forsaken:
                sink.close()
            elif sink.waits():
                sink.drain()

    def before_fork(self) -> None:
        """Waits until no sink writes and no module is half imported: in the child nobody would end that, and all wait.

        Python frees its own locks in the child, except those of the modules that another thread was just importing;
        and what writes imports much of what it needs when it first needs it.
        """
        deadline = time.monotonic() + _FORK_WAITS
        self._paused[_thread.get_ident()] = paused = list[Served]()
        for sink in self.sinks():
            if sink.pause(max(0.0, deadline - time.monotonic())):
                paused.append(sink)
        while _others_import() and time.monotonic() < deadline:
            time.sleep(0.001)

    def after_fork_in_parent(self) -> None:
        for sink in self._paused.pop(_thread.get_ident(), ()):
            sink.go_on()

    def after_fork(self) -> None:
        """In a forked child, which has no other thread: nothing is looked after until it logs something."""
        sinks = [reference() for reference in self._known.values()]
        self.__init__()
        _idle.clear()
        for sink in sinks:
            if sink is not None:
                sink.after_fork()
                self.dismiss(sink)


def _others_import() -> bool:
    """Whether another thread is in the midst of importing something, as far as this Python tells."""
    locks: dict[str, Any] = getattr(importlib._bootstrap, "_module_locks", {})  # pyright: ignore
    owners = {getattr(reference(), "owner", None) for reference in locks.copy().values()}
    return not owners <= {None, _thread.get_ident()}


class _Request:
    """Something that a thread wants done by another."""

    def __init__(self, call: Callable[[], object]) -> None:
        self._call = call
        self._done = _thread.allocate_lock()
        self._done.acquire()
        self._error: BaseException | None = None

    def serve(self) -> None:
        try:
            self._call()
        except BaseException as error:
            self._error = error

    def done(self) -> None:
        self._done.release()

    def wait(self, seconds: float = -1) -> bool:
        """Waits until it is done, or so long; False when it is not done by then, and goes on."""
        if not self._done.acquire(timeout=seconds):
            return False
        if self._error is not None:
            raise self._error
        return True


class _Runner:
    """A thread that serves requests, and goes back to the idle ones after each."""

    def __init__(self, request: _Request) -> None:
        self._request: _Request | None = request
        self._bell = _thread.allocate_lock()
        _thread.start_new_thread(self._run, ())

    def give(self, request: _Request) -> None:
        self._request = request
        self._bell.release()

    def _run(self) -> None:
        while True:
            self._bell.acquire()
            request, self._request = self._request, None
            assert request is not None
            request.serve()
            _idle.append(self)  # before the main thread goes on, and might want the next
            request.done()
            del request


_idle: list[_Runner] = []
pump = Pump()


def aside(call: Callable[[], object]) -> bool:
    """Calls it in a thread of its own, and waits for nothing; False where there is none to be had."""
    try:
        _thread.start_new_thread(call, ())
    except RuntimeError:  # no more threads, or the program is ending
        return False
    return True


def elsewhere(call: Callable[[], object]) -> None:
    """Calls it, in another thread if this is the main one, and returns or raises when it has."""
    if not in_main_thread() or sys.is_finalizing():
        call()
        return
    ask(call).wait()


def ask(call: Callable[[], object]) -> _Request:
    """Has it called in another thread, which may be waited for."""
    request = _Request(call)
    try:
        _idle.pop().give(request)
    except IndexError:
        try:
            _Runner(request)
        except RuntimeError:  # no more threads, or the program is ending
            request.serve()
            request.done()
    return request
