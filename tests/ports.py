"""Ports that a server can be told to take, later or once more, and that nobody else comes to have meanwhile."""

from __future__ import annotations

import itertools
import os
import socket

_next = itertools.count(os.getpid() * 13)


def lasting_port() -> int:
    """A free port below 32768, where systems begin to hand out ports to whoever wants any."""
    while True:
        port = 10_000 + next(_next) % 20_000
        try:
            with socket.create_server(("localhost", port)):
                return port
        except OSError:  # somebody has it
            continue
