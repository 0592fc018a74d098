"""What the command line says of the viewer, checked and put together. Needs no aiohttp, so that `--help` is quick."""

from __future__ import annotations

import argparse
import os
import re
import secrets
import socket
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tallyboard import __version__

from . import elsewhere
from .access import Access
from .logdirs import Logdir, checked, from_spec, is_spec, named
from .ports import is_loopback

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Mapping, Sequence

__all__ = ["DEFAULT_PORT", "TOKEN", "Options", "add_arguments", "options_of"]

DEFAULT_PORT = 6006

TOKEN = "TALLYBOARD_TOKEN"
"""The environment variable that chooses the token. Not a flag: every account of a machine sees others' arguments."""


@dataclass(frozen=True, slots=True)
class Options:
    """How to serve.

    Attributes:
        logdir: as the user typed it; of several, all of them.
        logdirs: what is read: one, or several with a name each.
        given: the arguments that name them.
        host: to listen on; empty for every address of this machine.
        port: to listen on; 0 for any free one.
        prefix: of every path; empty or such as `/board`.
        title: the page's.
        access: whom to answer.
        tls: for HTTPS, or None.
        shown_host: the name in the address that is printed.
        cache: the directory of the index, `off`, or None for the user's cache directory.
        sidecar: where notes are kept: `auto`, `user`, `off`, or a file.
        reload_interval: seconds between two looks at the logdir, 0 for one look alone; None to follow it at once.
        samples: how many values of a series TensorBoard's routes give at most, by plugin.
        inspect: arguments of the subcommand that is to be run in place of the viewer, or None.
        allow_delete: whether runs may be moved to the trash.
    """

    logdir: str
    logdirs: tuple[Logdir, ...]
    given: tuple[str, ...]
    host: str
    port: int
    prefix: str
    title: str
    access: Access
    tls: ssl.SSLContext | None
    shown_host: str
    cache: str | None = None
    sidecar: str = "auto"
    reload_interval: float | None = None
    samples: Mapping[str, int] = field(default_factory=dict[str, int])
    inspect: tuple[str, ...] | None = None
    allow_delete: bool = False

    def address(self, port: int) -> str:
        """The address to open in a browser, with the token where one is needed."""
        name = f"[{self.shown_host}]" if ":" in self.shown_host else self.shown_host
        query = f"?token={self.access.token}" if self.access.token is not None else ""
        return f"{'https' if self.tls else 'http'}://{name}:{port}{self.prefix}/{query}"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the viewer's arguments, by TensorBoard's names where it has them."""
    add = parser.add_argument
    add("positional", nargs="*", metavar="LOGDIR", help="the same as --logdir; several are shown side by side")
    add("--logdir", help="directory that holds the runs; it may appear later")
    add(
        "--logdir_spec",
        metavar="SPEC",
        help="several directories, each with a name that stands before its runs': baseline:old/runs,mine:runs",
    )
    add("--host", help="name or address to listen on (default: localhost); beyond this machine, a token is asked for")
    add("--bind_all", action="store_true", help="listen on every address of this machine; a token is asked for")
    add(
        "--port",
        type=_port,
        default=DEFAULT_PORT,
        help="port to listen on; 0 picks any free one (default: %(default)s)",
    )
    add("--path_prefix", type=_prefix, default="", help="path below which the viewer lives, such as /board")
    add("--window_title", default="tallyboard", help="title of the browser's window")
    add(
        "--allow_host",
        action="append",
        type=_host_name,
        metavar="NAME",
        help="answer to this name too, as when a reverse proxy passes requests on; may be given again",
    )
    add(
        "--allow_frame",
        action="append",
        type=_origin,
        metavar="ORIGIN",
        help="let this origin's pages show the viewer in a frame, such as http://localhost:8888; may be given again",
    )
    add(
        "--no_token",
        action="store_true",
        help="ask nobody for a token: whoever reaches the port sees the runs",
    )
    add("--read_only", action="store_true", help="let nothing be changed through the viewer")
    add("--certfile", help="certificate chain (PEM) to speak HTTPS with")
    add("--keyfile", help="its private key (PEM), when the chain's file does not hold it")
    _add_keeping(add)
    _add_reading(add)
    add("--version", "--version_tb", action="version", version=f"tallyboard {__version__}")


def _add_keeping(add: Callable[..., object]) -> None:
    """What is kept on disk."""
    add(
        "--cache",
        metavar="DIR",
        help="directory to keep what was read in, for a quick second start; off to keep nothing",
    )
    add(
        "--allow-delete",
        "--allow_delete",
        action="store_true",
        help="let runs be deleted on the page, by moving them to a trash folder in the logdir",
    )
    add(
        "--sidecar",
        type=_sidecar,
        default="auto",
        metavar="WHERE",
        help="where names, notes, views and charts are kept: auto (in the logdir, or in your data folder where it "
        "cannot be written), user (in your data folder), off, or a file",
    )


def _add_reading(add: Callable[..., object]) -> None:
    """What of the logdir is read, and what is done in place of showing it."""
    add(
        "--reload_interval",
        metavar="SECONDS",
        type=_seconds,
        help="look at the logdir this often, 0 once and never again (default: whatever is written is followed at once)",
    )
    add(
        "--samples_per_plugin",
        metavar="COUNTS",
        type=_samples,
        default={},
        help="values of a series that TensorBoard's routes give at most, such as scalars=1000,images=10; 0 is all",
    )
    add("--inspect", action="store_true", help="print what the logdir holds and end, as `tallyboard inspect` does")
    add("--tag", help="with --inspect: this tag alone")
    add("--event_file", metavar="FILE", help="with --inspect: this file in the place of a logdir")


def options_of(parser: argparse.ArgumentParser, argv: Sequence[str] | None, command: str) -> Options:
    """Read the arguments; what is wrong with them ends the program, as argparse does.

    Args:
        parser: that of `add_arguments`.
        argv: arguments without the program's name; None takes the process's.
        command: how the user calls the program, for advice.
    """
    given, unknown = parser.parse_known_intermixed_args(argv)
    if (sentence := elsewhere.about(unknown)) is not None:
        parser.error(sentence)
    if unknown:
        parser.error(f"unrecognized arguments: {' '.join(unknown)}")
    inspect = _inspect(parser, given)
    logdirs = () if inspect is not None else _logdirs(parser, given, command)
    naming = _naming(given)
    host, access = _listening(parser, given)
    tls = _tls(parser, given.certfile, given.keyfile)
    return Options(
        given.logdir_spec or ", ".join(logdir.path for logdir in logdirs),
        logdirs,
        naming,
        host,
        given.port,
        given.path_prefix,
        given.window_title,
        access,
        tls,
        host or socket.gethostname(),
        given.cache,
        given.sidecar,
        given.reload_interval,
        given.samples_per_plugin,
        inspect,
        given.allow_delete,
    )


def _listening(parser: argparse.ArgumentParser, given: argparse.Namespace) -> tuple[str, Access]:
    """Where to listen, and whom to answer there."""
    if given.bind_all and given.host is not None:
        parser.error("give --host or --bind_all, not both: --bind_all listens on every address")
    host: str = "" if given.bind_all else given.host or "localhost"
    try:
        beyond = not is_loopback(host)
    except OSError as refused:
        parser.error(f"--host {host!r} is not known here: {refused.strerror}")
    names = {name.lower() for name in given.allow_host or ()}
    if beyond:
        names |= {host.lower(), socket.gethostname().lower(), socket.getfqdn().lower()} - {""}
    token = _token(parser, given.no_token, beyond)
    return host, Access(token, frozenset(names), beyond, not given.read_only, tuple(given.allow_frame or ()))


def _naming(given: argparse.Namespace) -> tuple[str, ...]:
    """The arguments that name the logdirs."""
    if given.logdir_spec is not None:
        return "--logdir_spec", given.logdir_spec
    paths: list[str] = [given.logdir] if given.logdir is not None else given.positional
    return ("--logdir", *paths) if len(paths) == 1 else tuple(paths)


def _logdirs(parser: argparse.ArgumentParser, given: argparse.Namespace, command: str) -> tuple[Logdir, ...]:
    if sum((given.logdir is not None, given.logdir_spec is not None, bool(given.positional))) > 1:
        parser.error("give the logdir once, as --logdir or by itself; several as --logdir_spec name1:path1,name2:path2")
    for flag in ("tag", "event_file"):
        if getattr(given, flag) is not None:
            parser.error(f"--{flag} goes with --inspect, which prints what a logdir holds")
    try:
        if given.logdir_spec is not None:
            return tuple(from_spec(given.logdir_spec))
        paths: list[str] = [given.logdir] if given.logdir is not None else given.positional
        if not paths or not all(paths):
            parser.error(f"a logdir is needed, for example: {command} --logdir runs")
        if len(paths) == 1 and is_spec(paths[0]):
            parser.error(f"the logdir {paths[0]!r} is not there, its parts are; give them as --logdir_spec {paths[0]}")
        return tuple(named(paths)) if len(paths) > 1 else (Logdir("", checked(paths[0])),)
    except ValueError as wrong:
        parser.error(str(wrong))


def _inspect(parser: argparse.ArgumentParser, given: argparse.Namespace) -> tuple[str, ...] | None:
    """The arguments of `tallyboard inspect` that --inspect stands for; None without it."""
    if not given.inspect:
        return None
    if given.logdir_spec is not None:
        parser.error("--inspect looks into one logdir: give --logdir, and not --logdir_spec")
    paths = [path for path in (given.logdir, given.event_file, *given.positional) if path is not None]
    if len(paths) != 1:
        parser.error("--inspect needs one of --logdir and --event_file")
    tag = () if given.tag is None else ("--tag", rf"\A{re.escape(given.tag)}\Z")
    return (*tag, "--", paths[0])


def _token(parser: argparse.ArgumentParser, none_wanted: bool, beyond: bool) -> str | None:
    chosen = os.environ.get(TOKEN)
    if none_wanted:
        if chosen is not None:
            parser.error(f"--no_token was given, and {TOKEN} is set; keep one of them")
        return None
    if chosen is not None and not re.fullmatch(r"[A-Za-z0-9._~-]{16,256}", chosen):
        parser.error(f"{TOKEN} has to be 16 to 256 letters, digits and . _ ~ -")
    return chosen or (secrets.token_urlsafe(24) if beyond else None)


def _tls(parser: argparse.ArgumentParser, certificate: str | None, key: str | None) -> ssl.SSLContext | None:
    if certificate is None:
        if key is not None:
            parser.error("--keyfile needs --certfile, the certificate that the key belongs to")
        return None
    import ssl  # few need it here, and the others start sooner

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(certificate, key, password=lambda: parser.error("the private key is encrypted"))
    except (OSError, ssl.SSLError) as refused:
        parser.error(f"--certfile {certificate!r} cannot be used: {refused.strerror or refused}")
    return context


def _port(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and int(text) <= 65535):
        raise argparse.ArgumentTypeError(f"{text!r} is not a port: an integer from 0 to 65535")
    return int(text)


def _sidecar(text: str) -> str:
    if text not in ("auto", "user", "off") and (not text or "\0" in text or os.path.isdir(text)):
        raise argparse.ArgumentTypeError(f"{text!r} is no file; give auto, user, off, or the path of a file")
    return text


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = float("nan")
    if not 0 <= seconds < 1e7:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds; 0 reads once, 5 every five seconds")
    return seconds


_SAMPLED = ("scalars", "histograms", "distributions", "images", "audio", "text", "pr_curves", "mesh")


def _samples(text: str) -> dict[str, int]:
    counts: dict[str, int] = {}
    for part in text.split(","):
        plugin, _, count = part.strip().partition("=")
        if plugin not in _SAMPLED:
            raise argparse.ArgumentTypeError(
                f"{plugin!r} is none of {', '.join(_SAMPLED)}; give scalars=1000,images=10"
            )
        if not (count.isascii() and count.isdecimal() and len(count) < 10):
            raise argparse.ArgumentTypeError(f"{part!r} has no number of values; give {plugin}=1000, or 0 for all")
        counts[plugin] = int(count)
    return counts


def _prefix(text: str) -> str:
    prefix = f"/{text.strip('/')}"
    if prefix == "/":
        return ""
    if not re.fullmatch(r"(?:/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+", prefix):
        raise argparse.ArgumentTypeError(f"{text!r} is not a path of letters, digits and . _ ~ -, such as /board")
    return prefix


def _origin(text: str) -> str:
    if not re.fullmatch(r"https?://(?:\*\.)?[A-Za-z0-9_.-]+(?::(?:[0-9]{1,5}|\*))?|vscode-webview:", text):
        wanted = "http or https, a host and perhaps a port, such as http://localhost:8888 or http://localhost:*"
        raise argparse.ArgumentTypeError(f"{text!r} is not an origin: {wanted}")
    return text


def _host_name(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a host name; give it without scheme and port")
    return text
