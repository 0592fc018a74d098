"""Claiming a TCP port on loopback, or naming the next one that is free."""

from __future__ import annotations

import errno
import os
import socket

HOST = "127.0.0.1"

_BACKLOG = 128
_IN_USE = {errno.EADDRINUSE, getattr(errno, "WSAEADDRINUSE", errno.EADDRINUSE)}


class PortInUse(Exception):
    """The port is taken.

    Attributes:
        port: the one asked for.
        next_free: the lowest free one above it, or 0 when there is none.
    """

    def __init__(self, port: int, next_free: int) -> None:
        super().__init__(port, next_free)
        self.port = port
        self.next_free = next_free


def claim(port: int) -> socket.socket:
    """Return a socket that listens on `port` of loopback; 0 lets the system choose.

    Raises:
        PortInUse: another program has it.
        OSError: the system refuses it for another reason.
    """
    try:
        return _listen(port)
    except OSError as raised:
        if raised.errno not in _IN_USE:
            raise
    raise PortInUse(port, next_free(port + 1))


def next_free(port: int) -> int:
    """Return the lowest free port from `port` on, or 0 when there is none."""
    for candidate in range(port, 65536):
        try:
            _listen(candidate).close()
        except OSError:
            continue
        return candidate
    return 0


def _listen(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        if os.name == "posix":  # skips the wait after a restart; on Windows it would share the port
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((HOST, port))
        # At once: until it listens, a second process may bind the same port too, and fail later.
        listener.listen(_BACKLOG)
    except BaseException:
        listener.close()
        raise
    return listener
