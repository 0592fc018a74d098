"""The command `tallyboard`, also `python -m tallyboard`: shows a logdir, or runs the subcommand named first.

Subcommands are the files of `tallyboard/core/commands`. They need neither the viewer nor aiohttp.
"""

from __future__ import annotations

import argparse
import importlib
import os
import pkgutil
import sys
from collections.abc import Callable, Sequence
from typing import Protocol, cast

from tallyboard.core import commands
from tallyboard.core.errors import TallyboardError

EXIT_BAD_CALL = 2
"""A bad argument, or a logdir that cannot be read or written; stderr says which."""
EXIT_INTERRUPTED = 130
"""Ctrl+C, as shells count it."""
EXIT_PIPE_CLOSED = 141
"""Whoever read the output (`head`) went away, as shells count it."""


class Command(Protocol):
    """What a module of `core/commands` has."""

    __doc__: str | None
    add_arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int]


def names() -> list[str]:
    """The subcommands there are."""
    found = (module.name for module in pkgutil.iter_modules(commands.__path__))
    return sorted(name.replace("_", "-") for name in found if not name.startswith("_"))


def load(name: str) -> Command:
    """The module of a subcommand."""
    return cast("Command", importlib.import_module(f"{commands.__name__}.{name.replace('-', '_')}"))


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the subcommand that the first argument names, else the viewer, and returns the exit code.

    A directory that has the name of a subcommand is shown with `--logdir NAME` or `./NAME`.

    Args:
        argv: arguments without the program's name; None takes the process's.
    """
    given = sys.argv[1:] if argv is None else list(argv)
    if given and given[0] in names():
        return run(given[0], given[1:])
    from tallyboard.viewer.__main__ import main as show

    return show(given, epilog=_listing)


def run(name: str, argv: Sequence[str]) -> int:
    """Runs a subcommand and returns its exit code.

    Args:
        name: one of `names()`.
        argv: the arguments behind the name.
    """
    command = load(name)
    parser = argparse.ArgumentParser(prog=f"tallyboard {name}", description=_purpose(command))
    command.add_arguments(parser)
    arguments = parser.parse_args(argv)
    reconfigure = getattr(sys.stdout, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="backslashreplace")  # a tag that the terminal's encoding lacks ends nothing
    try:
        code = command.run(arguments)
        sys.stdout.flush()
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # What is still buffered would fail once more when the interpreter flushes at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_PIPE_CLOSED
    except (TallyboardError, OSError) as error:
        sys.stderr.write(f"tallyboard {name}: {error}\n")
        return EXIT_BAD_CALL
    return code


def _purpose(command: Command) -> str:
    return (command.__doc__ or "").partition("\n")[0]


def _listing() -> str:
    lines = [f"  {name:<12}{_purpose(load(name))}" for name in names()]
    return "\n".join(["subcommands (tallyboard NAME --help tells more):", *lines])


if __name__ == "__main__":
    raise SystemExit(main())
