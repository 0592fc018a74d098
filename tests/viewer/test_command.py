"""The command as people run it: a process, its one line, its exit codes, its end."""

from __future__ import annotations

import os
import re
import shlex
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import tallyboard as tb
from tallyboard.viewer import __main__ as cli
from tallyboard.viewer.ports import PortInUse, claim, next_free

Start = Callable[..., Any]

BELOW = 20_011
"""A port below those that systems give to whoever does not ask for one: what is free here stays so for a test."""


def test_it_says_where_it_is_and_answers(command: Start) -> None:
    """One line on stdout names the version, the URL and the logdir, and by then HTML is served there."""
    viewer = command("--logdir", "runs", "--port", "0")
    viewer.wait_for_line()

    assert viewer.line == (
        f"tallyboard {tb.__version__} at http://localhost:{viewer.port}/ (logdir: runs, Ctrl+C to stop)\n"
    )
    answer = viewer.served.get("/")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert b"<!doctype html>" in answer.body.lower()

    viewer.process.send_signal(signal.SIGTERM)
    assert viewer.finish() == (0, "", "")


def test_a_logdir_that_appears_is_read(command: Start, tmp_path: Path, until: Any, decode_frame: Any) -> None:
    """A missing logdir is waited for; once a writer makes it, its points are served."""
    viewer = command("later", "--port", "0")
    viewer.wait_for_line()
    until(lambda: viewer.served.get("/api/runs").json()["state"] == "waiting")

    with tb.SummaryWriter(tmp_path / "later" / "run") as writer:
        for step in range(5):
            writer.add_scalar("loss", 1.0 / (step + 1), step, walltime=1000.0 + step)

    def all_read() -> Any:
        runs = viewer.served.get("/api/runs").json()
        whole = runs["state"] == "ready" and runs["series"] == {"scalars": {"loss": [[0, 5]]}}
        return runs if whole else None

    runs = until(all_read)
    assert (runs["logdir"], [run["name"] for run in runs["runs"]]) == ("later", ["run"])
    (series,) = decode_frame(viewer.served.scalars(("run", "loss", 0)).body)
    assert list(series["step"]) == [0, 1, 2, 3, 4]
    assert list(series["wall"]) == [1000.0, 1001.0, 1002.0, 1003.0, 1004.0]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_at_once_while_pages_are_open(
    command: Start, number: signal.Signals, tmp_path: Path, until: Any
) -> None:
    """Ctrl+C and SIGTERM end it with 0: pages that listen hear a proper end, one that stopped reading is cut."""
    with tb.SummaryWriter(tmp_path / "run") as writer:
        for step in range(300_000):
            writer.add_scalar("loss", 0.0, step)
    viewer = command("--logdir", ".", "--port", "0")
    viewer.wait_for_line()
    until(lambda: viewer.served.get("/api/runs").json()["state"] == "ready")
    body = b'{"series": [{"run": "run", "tag": "loss"}]}'
    with socket.socket() as page, socket.socket() as stuck:
        stuck.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        for peer in (page, stuck):
            peer.settimeout(60)
            peer.connect(("127.0.0.1", viewer.port))
        page.sendall(b"GET /api/live HTTP/1.1\r\nHost: localhost\r\n\r\n")
        begun = b""
        while b"event: hello" not in begun:
            begun += page.recv(65536)
        stuck.sendall(
            b"POST /api/scalars HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
        )
        assert stuck.recv(12) == b"HTTP/1.1 200"
        viewer.process.send_signal(number)

        assert viewer.process.wait(45.0) == 0  # aiohttp by itself grants a minute to whoever does not read
        heard = b"".join(iter(lambda: page.recv(65536), b""))
        assert heard.endswith(b"0\r\n\r\n")
    assert viewer.finish() == (0, "", "")


def test_a_port_in_use_names_the_next_free_one(command: Start, tmp_path: Path) -> None:
    """The exit code is 3, and stderr has the port and a command that works as it stands."""
    (tmp_path / "my runs").mkdir()
    port = next_free(BELOW)
    with claim(port):
        viewer = command("--logdir", "my runs", "--port", str(port))
        code, out, err = viewer.finish()

    assert (code, out) == (3, "")
    said = re.fullmatch(
        rf"tallyboard: port {port} is in use\. The next free port is (\d+):\n"
        r"    (python -m tallyboard\.viewer --logdir 'my runs' --port (\d+))\n",
        err,
    )
    assert said is not None, err
    assert said[1] == said[3]
    assert int(said[1]) > port
    again = command(*shlex.split(said[2])[3:])
    again.wait_for_line()
    assert again.port == int(said[1])


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ((), "a logdir is needed, for example: "),
        (("--logdir", ""), "a logdir is needed, for example: "),
        (("--logdir",), "argument --logdir: expected one argument"),
        (("--logdir", "a", "b"), "give the logdir once, as --logdir or by itself"),
        (("a", "--port", "x"), "argument --port: 'x' is not a port: an integer from 0 to 65535"),
        (("a", "--port", "-1"), "argument --port: '-1' is not a port: an integer from 0 to 65535"),
        (("a", "--port", "65536"), "argument --port: '65536' is not a port: an integer from 0 to 65535"),
        (("a", "--port", "٣"), "argument --port: '٣' is not a port: an integer from 0 to 65535"),
        (("a", "--what"), "unrecognized arguments: --what"),
        (("file",), "the logdir 'file' is not a directory; give the directory that holds it"),
    ],
)
def test_bad_arguments_are_2(
    arguments: tuple[str, ...],
    complaint: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The exit code is 2, stdout is empty, and stderr says which argument and why."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("")

    with pytest.raises(SystemExit) as ended:
        cli.main(arguments)

    assert ended.value.code == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert complaint in err


def test_a_port_the_system_refuses_is_2(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A port that only root may take is no port in use."""

    def refuse(port: int, host: str) -> socket.socket:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(cli, "claim", refuse)
    assert cli.main(["runs", "--port", "80"]) == 2
    assert capsys.readouterr().err == "tallyboard: cannot listen on port 80: Permission denied\n"


def test_no_free_port_above_is_said(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """At the end of the range the cure is --port 0."""

    def refuse(port: int, host: str) -> socket.socket:
        raise PortInUse(port, 0)

    monkeypatch.setattr(cli, "claim", refuse)
    monkeypatch.setattr(sys, "argv", ["/usr/bin/tallyboard"])
    assert cli.main(["runs", "--port", "65535"]) == 3
    assert capsys.readouterr().err == (
        "tallyboard: port 65535 is in use, and no port above it is free; pick any other:\n"
        "    tallyboard --logdir runs --port 0\n"
    )


WITHOUT_AIOHTTP = (
    "-c",
    "import sys; sys.modules['aiohttp'] = None; from tallyboard.viewer.__main__ import main; sys.exit(main())",
)


def test_without_aiohttp_the_cure_is_named(command: Start) -> None:
    """The core installs without the server: the command says what to install, with exit code 4."""
    code, out, err = command("--logdir", "runs", "--port", "0", program=WITHOUT_AIOHTTP).finish()

    assert (code, out) == (4, "")
    assert err == "tallyboard: the viewer needs aiohttp:\n    pip install 'tallyboard[viewer]'\n"


@pytest.mark.parametrize(("flag", "start"), [("--version", f"tallyboard {tb.__version__}\n"), ("--help", "usage: ")])
def test_version_and_help_work_without_aiohttp(command: Start, flag: str, start: str) -> None:
    """Asking what is installed must not fail for what is not."""
    code, out, err = command(flag, program=WITHOUT_AIOHTTP).finish()

    assert (code, err) == (0, "")
    assert out.startswith(start)


def test_another_missing_module_is_not_called_aiohttp(command: Start) -> None:
    """Only aiohttp's absence is aiohttp's absence; anything else is a bug and shows itself."""
    program = (
        "-c",
        "import sys; sys.modules['multidict'] = None; from tallyboard.viewer.__main__ import main; sys.exit(main())",
    )
    code, _, err = command("--logdir", "runs", "--port", "0", program=program).finish()

    assert code == 1
    assert "multidict" in err


def test_odd_logdirs_stay_on_one_line(command: Start, tmp_path: Path) -> None:
    """A name with a line end or with bytes that are not UTF-8 neither breaks the line nor the start."""
    name = os.fsdecode(b"a\nb\xff")
    viewer = command("--logdir", name, "--port", "0")
    viewer.wait_for_line()

    assert viewer.line.endswith("(logdir: a\\nb\\udcff, Ctrl+C to stop)\n")
    assert viewer.served.get("/api/runs").json()["logdir"] == name


def test_only_loopback_is_listened_on() -> None:
    """The socket is bound to 127.0.0.1, not to every interface."""
    with claim(0) as listener:
        assert listener.getsockname()[0] == "127.0.0.1"


def test_a_claimed_port_is_really_claimed() -> None:
    """Two viewers never share a port, not even before the first serves."""
    port = next_free(BELOW)
    with claim(port):
        with pytest.raises(PortInUse) as taken:
            claim(port)
        assert taken.value.port == port
        assert taken.value.next_free > port
        assert next_free(port) == taken.value.next_free
    claim(port).close()


def test_there_is_no_port_after_the_last() -> None:
    """Beyond 65535 nothing is free."""
    assert next_free(65536) == 0


def test_the_command_is_named_as_it_was_called(monkeypatch: pytest.MonkeyPatch) -> None:
    """Advice repeats the way the user started it."""
    monkeypatch.setattr(sys, "argv", ["/site-packages/tallyboard/viewer/__main__.py"])
    assert cli.make_parser().prog == "python -m tallyboard.viewer"
    monkeypatch.setattr(sys, "argv", ["/usr/bin/tallyboard"])
    assert cli.make_parser().prog == "tallyboard"


def test_starting_imports_no_framework(command: Start) -> None:
    """The viewer starts fast because it loads a server and NumPy, and no training framework."""
    script = (
        "import sys, tallyboard.viewer.serving, tallyboard.core.reader\n"
        "heavy = {'torch', 'tensorflow', 'jax', 'keras', 'tensorboard', 'pytorch_lightning', 'pandas', 'matplotlib'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    assert command(program=("-c", script)).finish() == (0, "[]\n", "")
