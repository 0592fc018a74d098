"""Show a logdir in the browser: `tallyboard --logdir runs`, also `python -m tallyboard.viewer`."""

from __future__ import annotations

import argparse
import gc
import signal
import sys
import threading
import warnings
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from tallyboard import __version__

from .economy import be_frugal
from .options import add_arguments, options_of
from .porch import Porch
from .ports import PortInUse, claim

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Sequence

    from .options import Options

EXIT_OK = 0
"""Stopped by Ctrl+C or SIGTERM."""
EXIT_USAGE = 2
"""A bad argument; argparse uses the same."""
EXIT_PORT_IN_USE = 3
"""Another program has the port; stderr names the next free one."""
EXIT_NO_AIOHTTP = 4
"""The server's one dependency is not installed; stderr has the command."""

_SETTLING = 0.6
"""Seconds that logdirs are read for before the server is loaded: only one of the two goes on at a time, and the page
can begin with what was read, which the porch tells it."""


def make_parser(epilog: Callable[[], str] | None = None) -> argparse.ArgumentParser:
    """Build the command line's parser.

    Args:
        epilog: gives what `--help` says at its end, and is called only then.
    """
    parser = _Parser(epilog)
    add_arguments(parser)
    return parser


class _Parser(argparse.ArgumentParser):
    def __init__(self, end: Callable[[], str] | None) -> None:
        formatter = argparse.RawDescriptionHelpFormatter
        super().__init__(prog=_command(), description="Show a logdir in the browser, live.", formatter_class=formatter)
        self._end = end

    def format_help(self) -> str:
        self.epilog = self._end() if self._end is not None else None
        return super().format_help()


def main(argv: Sequence[str] | None = None, *, epilog: Callable[[], str] | None = None) -> int:
    """Run the viewer until it is stopped, and return the exit code.

    Args:
        argv: arguments without the program's name; None takes the process's.
        epilog: gives what `--help` says at its end.
    """
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, _exit_quietly)  # until the event loop takes over
    try:
        return _run(argv, epilog)
    except KeyboardInterrupt:
        return EXIT_OK


def _run(argv: Sequence[str] | None, epilog: Callable[[], str] | None) -> int:
    options = options_of(make_parser(epilog), argv, _command())
    if options.inspect is not None:
        return _inspect(options.inspect)
    try:
        listener = claim(options.port, options.host)
    except PortInUse as taken:
        return _fail(EXIT_PORT_IN_USE, _port_in_use(taken, options))
    except OSError as refused:
        return _fail(EXIT_USAGE, f"cannot listen on port {options.port}: {refused.strerror}")
    be_frugal()
    porch = Porch(listener, options.access, options.prefix) if options.tls is None else nullcontext()
    with listener, porch as answering, warnings.catch_warnings():
        warnings.showwarning = _say
        try:
            return _serve(listener, answering, options)
        finally:
            gc.enable()


def _serve(listener: socket.socket, porch: Porch | None, options: Options) -> int:
    # Loaded here, when the socket listens, the porch answers, and --help and --version have long been done without.
    gc.disable()  # what is loaded stays
    import logging

    from . import clientless
    from .listing import Listing, new_boot
    from .reading import Reading

    clientless.put_off()
    logging.basicConfig(level=logging.WARNING, format="tallyboard: %(message)s")
    with Reading(options.logdirs, cache=options.cache, interval=options.reload_interval) as reading:
        boot = new_boot()
        if porch is not None:
            listing = Listing(lambda: reading.begun, options.logdir, options.title, options.access.writable, boot)
            porch.tell(listing.when_read)
            reading.settle(_SETTLING)
        try:
            from .serving import serve
        except ModuleNotFoundError as missing:
            if missing.name != "aiohttp":
                raise
            return _fail(EXIT_NO_AIOHTTP, "the viewer needs aiohttp:\n    pip install 'tallyboard[viewer]'")
        import asyncio

        def up() -> None:
            gc.freeze()  # or every later look would go through what was loaded
            gc.enable()
            _announce(listener, options)

        serving = serve(
            listener,
            reading,
            up,
            porch=porch,
            tls=options.tls,
            logdir=options.logdir,
            title=options.title,
            access=options.access,
            prefix=options.prefix,
            sidecar=options.sidecar,
            samples=options.samples,
            allow_delete=options.allow_delete,
            cache=options.cache,
            boot=boot,
        )
        asyncio.run(serving)
    return EXIT_OK


def _say(message: Warning | str, *_: object) -> None:
    """A warning as a sentence: where in the code it arose helps nobody who started a viewer."""
    print(f"tallyboard: {message}", file=sys.stderr, flush=True)


def _inspect(arguments: tuple[str, ...]) -> int:
    """What `--inspect` stands for."""
    from tallyboard.core.commands import inspect
    from tallyboard.core.errors import TallyboardError

    parser = argparse.ArgumentParser(prog=f"{_command()} --inspect")
    inspect.add_arguments(parser)
    try:
        return inspect.run(parser.parse_args(arguments))
    except (TallyboardError, OSError) as error:
        return _fail(EXIT_USAGE, str(error))


def _port_in_use(taken: PortInUse, options: Options) -> str:
    import shlex

    where = " --bind_all" if not options.host else f" --host {options.host}" if options.host != "localhost" else ""
    again = f"{_command()} {shlex.join(options.given)}{where} --port {taken.next_free}"
    if not taken.next_free:
        return f"port {taken.port} is in use, and no port above it is free; pick any other:\n    {again}"
    return f"port {taken.port} is in use. The next free port is {taken.next_free}:\n    {again}"


def _announce(listener: socket.socket, options: Options) -> None:
    url = options.address(listener.getsockname()[1])
    print(f"tallyboard {__version__} at {url} (logdir: {_on_one_line(options.logdir)}, Ctrl+C to stop)", flush=True)


def _on_one_line(path: str) -> str:
    """Escape what a terminal or a line reader would stumble over: line ends, and bytes that are not UTF-8."""
    return "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in path)


def _fail(code: int, message: str) -> int:
    print(f"tallyboard: {message}", file=sys.stderr, flush=True)
    return code


def _command() -> str:
    program = Path(sys.argv[0])
    if program.name != "__main__.py":
        return "tallyboard"
    return "python -m tallyboard.viewer" if program.parent.name == "viewer" else "python -m tallyboard"


def _exit_quietly(*_: object) -> None:
    raise SystemExit(EXIT_OK)


if __name__ == "__main__":
    raise SystemExit(main())
