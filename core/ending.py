"""What is done when a program ends: every open sink is closed, by whichever way it ends that lets us.

At the interpreter's exit, at the end of a process of multiprocessing (which has no exit of the interpreter), and on
SIGTERM. Of that signal we are a modest guest: our handler is there only while a sink is open, and only where nobody
else cares for the signal.
"""

from __future__ import annotations

import _thread
import atexit
import contextlib
import os
import signal
import sys
from types import FrameType
from typing import Any

from .pump import in_main_thread, pump

__all__ = ["close_all", "rest", "watch"]

GRACE = 8.0  # seconds that SIGTERM leaves to the disks; Docker kills after 10, Kubernetes and Slurm after 30
_COMPOSERS = ("pytorch_lightning", "lightning")  # call the handler they found, and end the training their own way


def close_all(failed: bool | None = None) -> None:
    """Closes every open sink.

    Args:
        failed: whether their sessions failed; None to find out.
    """
    for sink in pump.sinks():
        sink.close(failed)


def watch() -> None:
    """A sink is open: it is to be closed however the process ends.

    Only the main thread may say what a signal does. Called in another, it has the main thread do it, which does as soon
    as it runs any Python.
    """
    global _worker_of
    process: Any = sys.modules.get("multiprocessing.process")
    if process is not None and _worker_of != os.getpid() and process.parent_process() is not None:
        from multiprocessing import util

        _worker_of = os.getpid()
        util.Finalize(None, close_all, exitpriority=0)
    if sys.platform == "win32" or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        return
    if not in_main_thread():
        _watch_soon()
    elif not _caught():
        with contextlib.suppress(ValueError):  # an interpreter within another has no signals
            signal.signal(signal.SIGTERM, _on_sigterm)


def rest() -> None:
    """No sink may be open now: then the signal is none of our business."""
    if sys.platform != "win32" and in_main_thread() and not pump.sinks() and not _ending:
        _release()
        if pump.sinks():  # another thread has just opened one, and found us still there
            watch()


def _watch_soon() -> None:
    """Has the main thread call `watch` between two steps of what it is doing."""
    global _pending
    if sys.is_finalizing():
        return
    try:
        import ctypes

        if _pending is None:
            _pending = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.c_void_p)(_watch_open)
        ctypes.pythonapi.Py_AddPendingCall(_pending, None)
    except (ImportError, AttributeError):  # then the signal ends the program as if we were not there
        pass


def _watch_open(_nothing: object) -> int:
    if pump.sinks() and not _ending:
        watch()
    return 0


def _release() -> None:
    if signal.getsignal(signal.SIGTERM) is _on_sigterm:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _caught() -> bool:
    """Whether a library has a handler of its own, in C, of which Python's `getsignal` knows nothing."""
    with contextlib.suppress(OSError, ValueError, StopIteration):
        with open("/proc/self/status", "rb") as status:
            line = next(line for line in status if line.startswith(b"SigCgt:"))
        return bool(int(line.split()[1], 16) >> (signal.SIGTERM - 1) & 1)
    return False


def _on_sigterm(_signum: int, frame: FrameType | None) -> None:
    """Has all sinks closed, and the process die by the signal after that, as it would have done.

    It interrupts the main thread anywhere, also where that holds a lock that closing needs. So it does nothing itself
    and returns at once: the main thread goes on for the moment that it takes others.
    """
    global _ending
    caller = sys._getframe().f_back  # pyright: ignore[reportPrivateUsage]  # what was interrupted, or a handler
    if caller is not frame and caller is not None and _package(caller) in _COMPOSERS:
        return
    if _closed or not pump.sinks():
        _die_here()
    if _ending:
        return
    _ending = True
    done = _thread.allocate_lock()
    done.acquire()
    try:
        _thread.start_new_thread(_close_all_then, (done,))
        _thread.start_new_thread(_die_after, (done,))
    except RuntimeError:  # the program is ending, and the exit handler closes; but other threads may hold that up
        pump.at_turn(_close_and_die)


def _package(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", "")).partition(".")[0]


def _close_all_then(done: Any) -> None:
    pump.stopped = True  # what the main thread still logs opens no new file
    try:
        close_all(failed=True)
    finally:
        done.release()


def _close_and_die() -> None:
    pump.stopped = True
    close_all(failed=True)
    _die()


def _die_after(done: Any) -> None:
    done.acquire(timeout=GRACE)
    _die()


def _die_here() -> None:
    """In the main thread, the only one that Python lets change what a signal does."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.kill(os.getpid(), signal.SIGTERM)


def _die() -> None:
    """In any thread: the main one may sit in a call of a library for hours."""
    global _closed
    _closed = True
    try:
        import ctypes

        libc = ctypes.CDLL(None)
        libc.signal.argtypes = (ctypes.c_int, ctypes.c_void_p)
        libc.signal.restype = ctypes.c_void_p
        libc.signal(signal.SIGTERM, None)
    except (ImportError, OSError, AttributeError):  # then the handler, in the main thread, does it
        pass
    os.kill(os.getpid(), signal.SIGTERM)


def _at_exit() -> None:
    close_all(failed=_ending or None)
    if _ending:
        _die_here()


def _after_fork_in_child() -> None:
    global _ending, _closed
    _ending = _closed = False
    pump.after_fork()
    with contextlib.suppress(ValueError):
        _release()  # a child that logs nothing is as if we were not there


_ending = _closed = False
_pending: Any = None
_worker_of: int | None = None
atexit.register(_at_exit)
if sys.platform != "win32":
    os.register_at_fork(
        before=pump.before_fork, after_in_parent=pump.after_fork_in_parent, after_in_child=_after_fork_in_child
    )
