"""The viewer in a notebook: `%load_ext tallyboard`, then `%tallyboard --logdir runs`.

The server is a process of its own, which ends with the kernel that started it; who asks for the same logdir again
gets the one that runs. A notebook keeps what it shows: no token ever stands in it. IPython is imported only to show
something.
"""

from __future__ import annotations

import atexit
import contextlib
import html
import importlib
import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import MutableSequence, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tallyboard.core.errors import MissingDependency, TallyboardError

__all__ = ["PROXY", "Server", "display", "list", "load_ipython_extension", "start", "stop"]

PROXY = "TALLYBOARD_PROXY_URL"
"""The environment variable with the address under which a browser reaches a port of this machine, such as
`https://hub.example.org/user/me/proxy/%PORT%/`."""

HEIGHT = 800
"""Of the frame, in pixels, unless asked otherwise."""

_PATIENCE = 60.0
_PORT_IN_USE = 3
# Notebooks of this machine, whatever their port, and those within Visual Studio Code.
_FRAMES = ("http://localhost:*", "http://127.0.0.1:*", "vscode-webview:")

_children: dict[int, subprocess.Popen[str]] = {}


@dataclass(frozen=True, slots=True)
class Server:
    """A running viewer.

    Attributes:
        pid: of its process.
        port: it listens on.
        path: of its page, from `/` to `/`.
        arguments: it was started with, its logdir as an absolute path.
    """

    pid: int
    port: int
    path: str
    arguments: tuple[str, ...]

    @property
    def address(self) -> str:
        """Where a browser finds it: behind the proxy that the environment names, else on this machine."""
        if template := os.environ.get(PROXY):
            return template.replace("%PORT%", str(self.port)).rstrip("/") + self.path
        if prefix := os.environ.get("JUPYTERHUB_SERVICE_PREFIX"):
            return f"{prefix.rstrip('/')}/proxy/{self.port}{self.path}"
        return f"http://localhost:{self.port}{self.path}"


class _Shown:
    """What a cell shows: a frame in a notebook, the address in a terminal."""

    def __init__(self, server: Server, height: int) -> None:
        self._server = server
        self._height = height

    def __repr__(self) -> str:
        return f"tallyboard at {self._server.address}"

    def _repr_html_(self) -> str:
        address = html.escape(self._server.address)
        return (
            f'<iframe src="{address}" width="100%" height="{self._height}" style="border:0" title="tallyboard" '
            f'allow="clipboard-write"></iframe><p><a href="{address}" target="_blank">Open in a tab of its own</a></p>'
        )


def start(arguments: str | Sequence[str], *, height: int = HEIGHT) -> Server:
    """Show a logdir in the notebook, from a server that shows it already or from a new one.

    Args:
        arguments: those of the command, such as `--logdir runs --port 6007`, as one text or one by one. Without a
            port, 6006 is taken, or any free one.
        height: of the frame, in pixels.

    Raises:
        TallyboardError: the server did not start; the text says why.
        MissingDependency: IPython is not installed.
    """
    server = _serve(shlex.split(arguments) if isinstance(arguments, str) else arguments)
    display(server.port, height=height)
    return server


def list() -> tuple[Server, ...]:  # noqa: A001 - the name that TensorBoard's has
    """The servers that notebooks of this user have running, the latest last."""
    found: dict[Path, Server] = {}
    for path in sorted(_folder().glob("*.json"), key=lambda one: one.name):
        try:
            fields = json.loads(path.read_text(encoding="utf-8"))
            arguments = tuple(map(str, fields["arguments"]))
            server = Server(int(fields["pid"]), int(fields["port"]), str(fields["path"]), arguments)
        except (OSError, ValueError, TypeError, KeyError):
            continue
        if _answers(server):
            found[path] = server
        else:
            path.unlink(missing_ok=True)
    return tuple(found.values())


def display(port: int | None = None, *, height: int = HEIGHT) -> None:
    """Show a running server in the notebook.

    Args:
        port: the server's; by default the latest one's.
        height: of the frame, in pixels.

    Raises:
        TallyboardError: no such server runs.
        MissingDependency: IPython is not installed.
    """
    server = _found(port)
    if "google.colab" in sys.modules:  # its notebooks reach the machine through a proxy that only it can open
        sys.modules["google.colab"].output.serve_kernel_port_as_iframe(
            server.port, path=server.path, height=str(height)
        )
        return
    try:
        show = importlib.import_module("IPython.display").display
    except ModuleNotFoundError:
        raise MissingDependency(
            "showing the viewer in a notebook needs IPython; install it: pip install 'tallyboard[notebook]'"
        ) from None
    show(_Shown(server, height))


def stop(port: int | None = None) -> None:
    """End a running server.

    Args:
        port: the server's; by default the latest one's.

    Raises:
        TallyboardError: no such server runs.
    """
    server = _found(port)
    child = _children.pop(server.pid, None)
    with contextlib.suppress(ProcessLookupError):
        os.kill(server.pid, signal.SIGTERM)
    if child is not None:
        child.wait(_PATIENCE)
    for path in _folder().glob(f"*-{server.pid}.json"):
        path.unlink(missing_ok=True)


def load_ipython_extension(shell: Any) -> None:
    """Give an IPython shell the magic `%tallyboard`, which takes the command's arguments and `--height PIXELS`."""
    shell.register_magic_function(_magic, "line", "tallyboard")


def _magic(line: str) -> None:
    arguments = shlex.split(line)
    height = HEIGHT
    for at, argument in enumerate(arguments):
        if argument == "--height" or argument.startswith("--height="):
            value = argument.partition("=")[2] or " ".join(arguments[at + 1 : at + 2])
            if not value.isdecimal():
                raise TallyboardError(f"--height takes pixels, a whole number; it was given {value!r}")
            height = int(value)
            del arguments[at : at + (1 if "=" in argument else 2)]
            break
    start(arguments, height=height)


def _found(port: int | None) -> Server:
    running = list()
    wanted = [server for server in running if port is None or server.port == port]
    if not wanted:
        which = "No viewer" if port is None else f"No viewer on port {port}"
        ports = ", ".join(str(server.port) for server in running)
        raise TallyboardError(f"{which} was started from a notebook; running: {ports or 'none'}")
    return wanted[-1]


def _serve(arguments: Sequence[str]) -> Server:
    wanted = _placed(arguments)
    for server in list():
        if server.arguments == wanted:
            return server
    child, line, errors = _launch(wanted)
    if child.poll() == _PORT_IN_USE and not any(one.startswith("--port") for one in wanted):
        child, line, errors = _launch((*wanted, "--port", "0"))
    found = re.search(r" at (https?://\S+)", line)
    if found is None:
        child.kill()
        child.wait()
        why = errors.rpartition(" error: ")[2].strip()  # without argparse's usage
        raise TallyboardError(f"the viewer did not start: {why or 'it said nothing'}")
    place = urlsplit(found.group(1))
    server = Server(child.pid, place.port or 0, place.path or "/", wanted)
    _children[child.pid] = child
    _remember(server)
    return server


def _placed(arguments: Sequence[str]) -> tuple[str, ...]:
    """The arguments with the logdir's path in full: another notebook may stand in another directory."""
    placed: MutableSequence[str] = []
    for at, argument in enumerate(arguments):
        flag, equals, value = argument.partition("=")
        before = arguments[at - 1] if at else ""
        if flag == "--logdir" and equals:
            placed.append(f"--logdir={_full(value)}")
        elif before == "--logdir" or (not argument.startswith("-") and not before.startswith("-")):
            placed.append(_full(argument))
        else:
            placed.append(argument)
    return tuple(placed)


def _full(logdir: str) -> str:
    return logdir if "://" in logdir else str(Path(logdir).expanduser().absolute())


def _launch(arguments: Sequence[str]) -> tuple[subprocess.Popen[str], str, str]:
    """Start a server and return it, the line that says where it is (empty when it ended instead), and its errors."""
    command = [sys.executable, "-m", "tallyboard.viewer", *arguments]
    for origin in _FRAMES:
        command += ["--allow_frame", origin]
    for variable in (PROXY, "JUPYTERHUB_PUBLIC_URL"):
        if name := urlsplit(os.environ.get(variable, "").replace("%PORT%", "0")).hostname:
            command += ["--allow_host", name]
    with tempfile.TemporaryFile("w+", errors="replace") as log:
        # In a session of its own: interrupting a cell shall not end it.
        child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, start_new_session=True)
        line = _line_of(child)
        if not line:
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(1.0)
        log.seek(0)
        return child, line, log.read() if not line else ""


def _line_of(child: subprocess.Popen[str]) -> str:
    """The one line that it writes to its output; empty when it ends first, or takes too long."""
    stdout = child.stdout
    assert stdout is not None
    said: dict[str, str] = {}

    def listen() -> None:
        with stdout:
            said["line"] = stdout.readline()

    listener = threading.Thread(target=listen, daemon=True)
    listener.start()
    listener.join(_PATIENCE)
    return said.get("line", "")


def _folder() -> Path:
    """Where the servers of this user are noted, for other notebooks to find; nobody else can write there."""
    user = os.getuid() if hasattr(os, "getuid") else 0
    folder = Path(tempfile.gettempdir(), f"tallyboard-{user}")
    folder.mkdir(mode=0o700, exist_ok=True)
    if hasattr(os, "getuid"):
        about = folder.lstat()
        if about.st_uid != user or about.st_mode & 0o077 or folder.is_symlink():
            raise TallyboardError(f"{folder} belongs to somebody else, or others may write there; remove it")
    return folder


def _remember(server: Server) -> None:
    path = _folder() / f"{time.time_ns()}-{server.pid}.json"
    part = path.with_suffix(".part")
    part.write_text(json.dumps(asdict(server)), encoding="utf-8")
    part.replace(path)


def _answers(server: Server) -> bool:
    """Whether it is still there: its process lives, and its port is open."""
    child = _children.get(server.pid)
    if child is not None and child.poll() is not None:
        return False
    try:
        if os.name == "posix":  # elsewhere signal 0 is a signal like any other
            os.kill(server.pid, 0)
        socket.create_connection(("localhost", server.port), timeout=5).close()
    except (OSError, OverflowError):
        return False
    return True


@atexit.register
def _end_all() -> None:
    for pid in tuple(_children):
        with contextlib.suppress(OSError, TallyboardError, subprocess.TimeoutExpired):
            child = _children.pop(pid)
            child.terminate()
            child.wait(5.0)
            for path in _folder().glob(f"*-{pid}.json"):
                path.unlink(missing_ok=True)
