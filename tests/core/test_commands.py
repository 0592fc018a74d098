"""The command `tallyboard` and its subcommands: which is which, exit codes, and how little they need."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tallyboard import __main__ as command
from tallyboard.core import commands

GREET = '''"""Say hello to somebody."""

import sys

import tallyboard as tb


def add_arguments(parser):
    parser.add_argument("name")


def run(arguments):
    if arguments.name == "nobody":
        raise tb.InvalidLogdir("nobody is there")
    if arguments.name == "ctrl-c":
        raise KeyboardInterrupt
    if arguments.name == "everybody":
        for _ in range(100_000):
            sys.stdout.write("hello\\n")
    sys.stdout.write(f"hello {arguments.name}\\n")
    return 7
'''


@pytest.fixture
def greeting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the subcommand `greet-them`, which is listed beside ours."""
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "greet_them.py").write_text(GREET)
    (tmp_path / "more" / "_private.py").write_text("")
    monkeypatch.setattr(commands, "__path__", [*commands.__path__, str(tmp_path / "more")])
    return tmp_path / "more"


def started(*arguments: str, folder: Path, program: tuple[str, ...] = ("-m", "tallyboard")) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of the command as a process."""
    done = subprocess.run(
        [sys.executable, *program, *arguments], cwd=folder, capture_output=True, text=True, timeout=60
    )
    return done.returncode, done.stdout, done.stderr


def test_a_file_in_the_folder_is_a_subcommand(greeting: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No list has to be edited: the file's name is the subcommand's, and its exit code the process's."""
    assert {"greet-them", "inspect"} <= set(command.names())
    assert "-private" not in command.names()
    assert command.main(["greet-them", "you"]) == 7
    assert capsys.readouterr() == ("hello you\n", "")


def test_help_lists_the_subcommands(greeting: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`tallyboard --help` has the viewer's options, and each subcommand with the first line of its docstring."""
    with pytest.raises(SystemExit) as ended:
        command.main(["--help"])
    out = capsys.readouterr().out
    assert ended.value.code == 0
    assert "--logdir LOGDIR" in out
    assert "\n  greet-them  Say hello to somebody.\n" in out
    assert "\n  inspect     " in out


def test_a_subcommand_has_its_own_help(greeting: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`tallyboard NAME --help` names the subcommand and its arguments."""
    with pytest.raises(SystemExit):
        command.main(["greet-them", "--help"])
    assert capsys.readouterr().out.startswith("usage: tallyboard greet-them [-h] name\n\nSay hello to somebody.\n")


def test_errors_are_one_line(greeting: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An error on purpose is a line on stderr and exit code 2; Ctrl+C is 130 and silent."""
    assert command.main(["greet-them", "nobody"]) == command.EXIT_BAD_CALL == 2
    assert capsys.readouterr() == ("", "tallyboard greet-them: nobody is there\n")
    assert command.main(["greet-them", "ctrl-c"]) == command.EXIT_INTERRUPTED == 130
    assert capsys.readouterr() == ("", "")


def test_a_reader_that_leaves_is_no_error(greeting: Path) -> None:
    """`tallyboard ... | head -1` ends silently with the exit code of a closed pipe."""
    program = (
        "import sys; from tallyboard import __main__ as m; from tallyboard.core import commands; "
        "commands.__path__.append(sys.argv.pop(1)); sys.exit(m.main())"
    )
    line = [sys.executable, "-c", program, str(greeting), "greet-them", "everybody"]
    with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == "hello\n"
        process.stdout.close()
        assert process.stderr.read() == ""
        assert process.wait(60) == command.EXIT_PIPE_CLOSED == 141


@pytest.mark.parametrize(
    ("arguments", "viewed"),
    [
        (["inspect"], False),
        (["./inspect"], True),
        (["--logdir", "inspect"], True),
        (["runs"], True),
        (["--port", "0", "inspect"], True),
    ],
)
def test_a_directory_named_like_a_subcommand_can_be_shown(
    arguments: list[str], viewed: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the first argument, spelled exactly like it, is a subcommand; anything else goes to the viewer."""
    from tallyboard.viewer import __main__ as viewer

    (tmp_path / "inspect").mkdir()
    monkeypatch.chdir(tmp_path)
    shown: list[list[str]] = []
    monkeypatch.setattr(viewer, "main", lambda argv, epilog: shown.append(argv) or 0)
    if viewed:
        assert command.main(arguments) == 0
        assert shown == [arguments]
    else:
        with pytest.raises(SystemExit) as ended:  # `inspect` wants its own logdir
            command.main(arguments)
        assert (ended.value.code, shown) == (2, [])


def test_subcommands_need_neither_viewer_nor_aiohttp(tmp_path: Path) -> None:
    """Inspecting on a cluster node without the extra works, and loads no server."""
    (tmp_path / "runs").mkdir()
    program = (
        "import sys; sys.modules['aiohttp'] = None; from tallyboard.__main__ import main; code = main(); "
        "assert not [m for m in sys.modules if m.startswith('tallyboard.viewer')]; sys.exit(code)"
    )
    assert started("inspect", "runs", folder=tmp_path, program=("-c", program))[::2] == (0, "")


def test_both_modules_are_the_command(tmp_path: Path) -> None:
    """`python -m tallyboard` takes subcommands, and each way of starting names itself in its usage line."""
    code, out, err = started("--help", folder=tmp_path)
    assert (code, err) == (0, "")
    assert out.startswith("usage: python -m tallyboard [-h]")
    assert "\n  inspect " in out
    code, out, err = started("--help", folder=tmp_path, program=("-m", "tallyboard.viewer"))
    assert (code, err) == (0, "")
    assert out.startswith("usage: python -m tallyboard.viewer [-h]")
    assert "\n  inspect " not in out
