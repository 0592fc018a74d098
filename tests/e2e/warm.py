"""Viewers that are there at once: a process that has loaded what they need divides for each one that is asked for.

A viewer so begun is a process of its own, which runs the same `main` with the same arguments. How the command itself
starts is tested in tests/viewer.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
from contextlib import suppress
from typing import IO, Any, Self


class Sprout:
    """A process that divided from another: of `subprocess.Popen`, what the tests of the page need."""

    def __init__(self, watch: int, stdout: IO[str]) -> None:
        self._watch = watch
        self.stdout = stdout

    def terminate(self) -> None:
        """Send it SIGTERM, if it still runs."""
        if not select.select([self._watch], [], [], 0)[0]:
            signal.pidfd_send_signal(self._watch, signal.SIGTERM)

    def communicate(self, timeout: float) -> None:
        """Wait for its end, and let go of it."""
        if not select.select([self._watch], [], [], timeout)[0]:
            raise subprocess.TimeoutExpired("the viewer", timeout)
        os.close(self._watch)
        self.stdout.close()


class Nursery:
    """The process that divides. It ends with the program that began it."""

    def __init__(self) -> None:
        self._channel, theirs = socket.socketpair()
        with theirs:
            command = [sys.executable, "-P", __file__, str(theirs.fileno())]
            self._process = subprocess.Popen(command, pass_fds=[theirs.fileno()])

    def start(self, arguments: list[str], log: IO[str]) -> Sprout:
        """Begin a viewer in the directory and with the environment of now; what it complains of goes to `log`."""
        stdout, theirs = os.pipe()
        asked = {"arguments": arguments, "directory": os.getcwd(), "environment": dict(os.environ)}
        with tempfile.TemporaryFile("w+") as note:
            json.dump(asked, note)
            note.seek(0)
            socket.send_fds(self._channel, [b"."], [note.fileno(), theirs, log.fileno()])
            os.close(theirs)
            _, watches, _, _ = socket.recv_fds(self._channel, 1, 1)
        return Sprout(watches[0], os.fdopen(stdout))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Let the process end. Viewers that it began go on."""
        self._channel.close()
        self._process.wait()


def divide(channel: socket.socket) -> None:
    """Become a viewer for each one that is asked for, until nobody is left who could ask."""
    import tallyboard.viewer.reading
    import tallyboard.viewer.serving  # noqa: F401 - these two load what a viewer has loaded when it answers

    while (message := socket.recv_fds(channel, 1, 3))[0]:
        files = message[1]
        child = os.fork()
        if child == 0:
            channel.close()
            be_viewer(*files)
        for file in files:
            os.close(file)
        watch = os.pidfd_open(child)
        socket.send_fds(channel, [b"."], [watch])
        os.close(watch)
        with suppress(ChildProcessError):  # none is left
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass


def be_viewer(note: int, stdout: int, log: int) -> None:
    """Go on as the viewer that the note asks for, until its end."""
    from tallyboard.viewer import __main__ as viewer

    with os.fdopen(note) as told:
        asked: dict[str, Any] = json.load(told)
    for file, place in ((stdout, 1), (log, 2)):
        os.dup2(file, place)
        os.close(file)
    os.chdir(asked["directory"])
    os.environ.clear()
    os.environ.update(asked["environment"])
    sys.argv = [viewer.__file__, *asked["arguments"]]
    raise SystemExit(viewer.main(asked["arguments"]))


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        divide(socket.socket(fileno=int(sys.argv[1])))
