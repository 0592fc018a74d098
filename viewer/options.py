"""What the command line says of the viewer, checked and put together. Needs no aiohttp, so that `--help` is quick."""

from __future__ import annotations

import argparse
import os
import re
import secrets
import socket
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tallyboard import __version__
from tallyboard.core.errors import TallyboardError
from tallyboard.core.remote import check_url, is_remote, placed

from .access import Access
from .ports import is_loopback

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["DEFAULT_PORT", "TOKEN", "Options", "add_arguments", "options_of"]

DEFAULT_PORT = 6006

TOKEN = "TALLYBOARD_TOKEN"
"""The environment variable that chooses the token. Not a flag: every account of a machine sees others' arguments."""


@dataclass(frozen=True, slots=True)
class Options:
    """How to serve.

    Attributes:
        logdir: as the user typed it.
        host: to listen on; empty for every address of this machine.
        port: to listen on; 0 for any free one.
        prefix: of every path; empty or such as `/board`.
        title: the page's.
        access: whom to answer.
        tls: for HTTPS, or None.
        shown_host: the name in the address that is printed.
        cache: the directory of the index, `off`, or None for the user's cache directory.
        sidecar: where notes are kept: `auto`, `user`, `off`, or a file.
    """

    logdir: str
    host: str
    port: int
    prefix: str
    title: str
    access: Access
    tls: ssl.SSLContext | None
    shown_host: str
    cache: str | None = None
    sidecar: str = "auto"

    def address(self, port: int) -> str:
        """The address to open in a browser, with the token where one is needed."""
        name = f"[{self.shown_host}]" if ":" in self.shown_host else self.shown_host
        query = f"?token={self.access.token}" if self.access.token is not None else ""
        return f"{'https' if self.tls else 'http'}://{name}:{port}{self.prefix}/{query}"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the viewer's arguments, by TensorBoard's names where it has them."""
    add = parser.add_argument
    add("positional", nargs="?", metavar="LOGDIR", help="the same as --logdir")
    add("--logdir", help="directory that holds the runs; it may appear later")
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
        "--no_token",
        action="store_true",
        help="ask nobody for a token: whoever reaches the port sees the runs",
    )
    add("--read_only", action="store_true", help="let nothing be changed through the viewer")
    add("--certfile", help="certificate chain (PEM) to speak HTTPS with")
    add("--keyfile", help="its private key (PEM), when the chain's file does not hold it")
    add(
        "--cache",
        metavar="DIR",
        help="directory to keep what was read in, for a quick second start; off to keep nothing",
    )
    add(
        "--sidecar",
        type=_sidecar,
        default="auto",
        metavar="WHERE",
        help="where names, notes, views and charts are kept: auto (in the logdir, or in your data folder where it "
        "cannot be written), user (in your data folder), off, or a file",
    )
    add("--version", "--version_tb", action="version", version=f"tallyboard {__version__}")


def options_of(parser: argparse.ArgumentParser, argv: Sequence[str] | None, command: str) -> Options:
    """Read the arguments; what is wrong with them ends the program, as argparse does.

    Args:
        parser: that of `add_arguments`.
        argv: arguments without the program's name; None takes the process's.
        command: how the user calls the program, for advice.
    """
    given = parser.parse_args(argv)
    logdir = _logdir(parser, given, command)
    if given.bind_all and given.host is not None:
        parser.error("give --host or --bind_all, not both: --bind_all listens on every address")
    host = "" if given.bind_all else given.host or "localhost"
    try:
        beyond = not is_loopback(host)
    except OSError as refused:
        parser.error(f"--host {host!r} is not known here: {refused.strerror}")
    names = {name.lower() for name in given.allow_host or ()}
    if beyond:
        names |= {host.lower(), socket.gethostname().lower(), socket.getfqdn().lower()} - {""}
    access = Access(_token(parser, given.no_token, beyond), frozenset(names), beyond, not given.read_only)
    shown = host or socket.gethostname()
    tls = _tls(parser, given.certfile, given.keyfile)
    return Options(
        logdir, host, given.port, given.path_prefix, given.window_title, access, tls, shown, given.cache, given.sidecar
    )


def _logdir(parser: argparse.ArgumentParser, given: argparse.Namespace, command: str) -> str:
    if given.logdir is not None and given.positional is not None:
        parser.error("give the logdir once, as --logdir or by itself")
    logdir: str | None = given.logdir if given.logdir is not None else given.positional
    if not logdir:
        parser.error(f"a logdir is needed, for example: {command} --logdir runs")
    logdir = placed(logdir)
    if is_remote(logdir):
        try:
            check_url(logdir, writing=False)
        except TallyboardError as wrong:
            parser.error(f"the logdir {wrong}")
        return logdir
    path = Path(logdir)
    if "\0" in logdir or (path.exists() and not path.is_dir()):
        parser.error(f"the logdir {logdir!r} is not a directory; give the directory that holds it")
    return logdir


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


def _prefix(text: str) -> str:
    prefix = f"/{text.strip('/')}"
    if prefix == "/":
        return ""
    if not re.fullmatch(r"(?:/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+", prefix):
        raise argparse.ArgumentTypeError(f"{text!r} is not a path of letters, digits and . _ ~ -, such as /board")
    return prefix


def _host_name(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a host name; give it without scheme and port")
    return text
