"""How the viewer's process shares the machine: one heap for all threads, and short turns while logdirs are read."""

from __future__ import annotations

import sys
from contextlib import suppress

__all__ = ["TURN", "be_frugal"]

TURN = 0.001
"""Seconds after which a thread that reads or computes lets another go on. An answer goes from thread to thread and to
the disk, and waits for such a turn each time: with Python's own 5 ms the first cards came almost twice as late."""

_M_ARENA_MAX = -8


def be_frugal() -> None:
    """Call before other threads are there."""
    sys.setswitchinterval(TURN)
    if sys.platform == "linux":
        import ctypes  # NumPy needs it anyway

        # glibc gives each thread a heap of its own, and what one of them freed no other can have: a fifth of all memory
        with suppress(OSError, AttributeError):  # another C library
            ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 1)
