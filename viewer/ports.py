"""Claiming a TCP port, on loopback unless told otherwise, or naming the next one that is free."""

from __future__ import annotations

import errno
import ipaddress
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


def claim(port: int, host: str = HOST) -> socket.socket:
    """Return a socket that listens on `port` of `host`; 0 lets the system choose.

    Args:
        port: from 0 to 65535.
        host: a name or an address; the first address of a name is taken, and every one of this machine for "".

    Raises:
        PortInUse: another program has it.
        OSError: the system refuses it for another reason, or does not know the host.
    """
    place = _place(host)
    try:
        return _listen(port, place)
    except OSError as raised:
        if raised.errno not in _IN_USE:
            raise
    raise PortInUse(port, next_free(port + 1, host))


def next_free(port: int, host: str = HOST) -> int:
    """Return the lowest free port from `port` on, or 0 when there is none."""
    place = _place(host)
    for candidate in range(port, 65536):
        try:
            _listen(candidate, place).close()
        except OSError:
            continue
        return candidate
    return 0


def is_loopback(host: str) -> bool:
    """Tell whether only this machine can reach what listens on `host`.

    Raises:
        OSError: nobody knows the name.
    """
    return host != "" and ipaddress.ip_address(_place(host)[1]).is_loopback


def _place(host: str) -> tuple[socket.AddressFamily, str]:
    """The family and the numeric address to listen on."""
    if host == "":
        return (socket.AF_INET6, "::") if socket.has_dualstack_ipv6() else (socket.AF_INET, "0.0.0.0")
    if host == "localhost":
        return socket.AF_INET, HOST  # whatever the machine's own table says
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    return found[0][0], str(found[0][4][0])


def _listen(port: int, place: tuple[socket.AddressFamily, str]) -> socket.socket:
    family, address = place
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        if os.name == "posix":  # skips the wait after a restart; on Windows it would share the port
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if address == "::":
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        listener.bind((address, port))
        # At once: until it listens, a second process may bind the same port too, and fail later.
        listener.listen(_BACKLOG)
    except BaseException:
        listener.close()
        raise
    return listener
