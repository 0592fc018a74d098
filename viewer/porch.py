"""The page's files, answered while the server behind them is still being loaded.

Loading the server takes longer than anything else between the command and the picture, and the browser could use that
time: it has the page to fetch, to compile and to run. So from the moment the socket listens, a thread looks at what
comes in without taking it out. A plain GET of one of the page's files is answered, and so is the page's own first
question, for the list of runs, once they have been read. Whatever else it is, any other question for data, a name that
is no file, a foreign Host, stays unread in its connection, which the server is given once it is there.
"""

from __future__ import annotations

import re
import selectors
import socket
import sys
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Self

from .page import STATIC, headers_for, kept_for, load

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from .access import Access

__all__ = ["Porch"]

_MOST = 8_190
"""Bytes of a request's head that are looked at; browsers' are a tenth of it."""

_PATIENCE = 1.0
"""Seconds that a client has to take an answer: the server waits for it."""

_TURN = 0.0005
"""Seconds after which the thread that loads the server lets this one go on, which has little to do each time."""

_HEAD = re.compile(
    rb"GET (?P<path>/[A-Za-z0-9._/-]*)(?:\?(?P<query>[!-~]*))? HTTP/1\.1\r\n"
    rb"(?P<fields>(?:[A-Za-z0-9-]+:[ \t]*[\x20-\x7e]*\r\n)*)\r\n"
)
_NOT_PLAIN = {"content-length", "transfer-encoding", "expect", "upgrade"}

_WAITS = re.compile(rb"wait=[01](?:\.[0-9]{1,3})?")
_FROM_ELSEWHERE = {"if-none-match", "forwarded", "x-forwarded-for", "origin"}
"""A question for data that says one of these is not the first of a page on this machine."""
_HERE = ("127.0.0.1", "::1", "::ffff:127.0.0.1")
_LOOK = 0.004
"""Seconds between two looks at whether the runs have been read, while a page waits for them."""


class Porch:
    """Answers for a server that is not there yet, between `with` and `leave`.

    Args:
        listener: bound and listening.
        access: whom the server answers; where it asks for a token, everything is left to it.
        prefix: of every path; empty, or such as `/board`.
        static: directory of the built page.
    """

    def __init__(self, listener: socket.socket, access: Access, prefix: str = "", static: Path = STATIC) -> None:
        self._listener = listener
        self._access = access
        self._prefix = prefix
        self._root = static.resolve()
        self._headers = "".join(f"{name}: {value}\r\n" for name, value in headers_for(access).items())
        self._bell, self._ear = socket.socketpair()
        self._guests: set[socket.socket] = set()
        self._runs: Callable[[], tuple[bytes, str] | None] = _nothing
        self._waiting: list[socket.socket] = []  # for the runs
        self._selector = selectors.DefaultSelector()
        self._thread = threading.Thread(target=self._run, name="tallyboard-porch", daemon=True)
        self._interval = sys.getswitchinterval()
        self._open = False

    def __enter__(self) -> Self:
        self._listener.setblocking(False)  # a client may be gone again before it is let in
        self._selector.register(self._ear, selectors.EVENT_READ)
        self._selector.register(self._listener, selectors.EVENT_READ)
        sys.setswitchinterval(_TURN)
        self._open = True
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        for guest in self.leave():
            guest.close()

    def tell(self, runs: Callable[[], tuple[bytes, str] | None]) -> None:
        """From now on give the list of runs as well, body and ETag; until there is one, whoever asks waits."""
        self._runs = runs

    def leave(self) -> list[socket.socket]:
        """Answer no more, and give over the connections, those with an unread request among them."""
        if self._open:
            self._open = False
            self._bell.send(b".")
            self._thread.join()
            sys.setswitchinterval(self._interval)
            self._selector.close()
            self._bell.close()
            self._ear.close()
        guests, self._guests = self._guests, set()
        return list(guests)

    def _run(self) -> None:
        while True:
            for key, _ in self._selector.select(_LOOK if self._waiting else None):
                if key.fileobj is self._ear:
                    return
                if key.fileobj is self._listener:
                    self._let_in()
                elif isinstance(key.fileobj, socket.socket):
                    self._attend(key.fileobj)
            if self._waiting:
                self._tell_all()

    def _let_in(self) -> None:
        try:
            guest, _ = self._listener.accept()
        except (BlockingIOError, ConnectionError):
            return
        except OSError:  # too many files are open: the server will say so
            self._selector.unregister(self._listener)
            return
        guest.settimeout(_PATIENCE)
        with suppress(OSError):
            guest.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._guests.add(guest)
        self._selector.register(guest, selectors.EVENT_READ)

    def _attend(self, guest: socket.socket) -> None:
        """Answer the request that came, or leave it where it is."""
        try:
            seen = guest.recv(_MOST, socket.MSG_PEEK)
            head = _HEAD.match(seen)
            answer = self._answer(head) if head else None
            if head and answer:
                guest.recv(head.end())
                guest.sendall(answer)
            elif head and self._asks_for_runs(head, guest):
                self._selector.unregister(guest)
                self._waiting.append(guest)
            elif seen:
                self._selector.unregister(guest)
            else:
                self._show_out(guest)
        except OSError:
            self._show_out(guest)

    def _asks_for_runs(self, head: re.Match[bytes], guest: socket.socket) -> bool:
        """Whether it is what a page on this machine asks first."""
        if self._access.token is not None or head["path"].decode() != f"{self._prefix}/api/runs":
            return False
        if _WAITS.fullmatch(head["query"] or b"") is None or guest.getpeername()[0] not in _HERE:
            return False
        said = _fields(head)
        site = said.get("sec-fetch-site", "same-origin")
        return self._is_plain(head) and _FROM_ELSEWHERE.isdisjoint(said) and site in ("same-origin", "none")

    def _tell_all(self) -> None:
        """Answer those that wait for the runs, once they are known."""
        try:
            told = self._runs()
        except Exception:  # the server will fail on it too, and log it
            self._runs, told = _nothing, None
        if told is None:
            return
        waiting, self._waiting = self._waiting, []
        for guest in waiting:
            self._tell(guest, *told)

    def _tell(self, guest: socket.socket, body: bytes, etag: str) -> None:
        """The answer that was waited for; the connection is listened to again."""
        self._selector.register(guest, selectors.EVENT_READ)
        try:
            if (head := _HEAD.match(guest.recv(_MOST, socket.MSG_PEEK))) is not None:
                guest.recv(head.end())
                guest.sendall(self._said(body, etag, "application/json", "no-cache"))
        except OSError:
            self._show_out(guest)

    def _show_out(self, guest: socket.socket) -> None:
        self._selector.unregister(guest)
        self._guests.discard(guest)
        guest.close()

    def _answer(self, head: re.Match[bytes]) -> bytes | None:
        """What is sent for a file of the page; None where that is for the server to say."""
        path = head["path"].decode()
        if self._access.token is not None or not path.startswith(f"{self._prefix}/") or not self._is_plain(head):
            return None
        name = path[len(self._prefix) + 1 :] or "index.html"
        if "/" in name and not name.startswith("assets/"):
            return None
        if (found := load(self._root, name)) is None:
            return None
        body, etag, content_type = found
        return self._said(body, etag, content_type, kept_for(name))

    def _said(self, body: bytes, etag: str, content_type: str, kept: str) -> bytes:
        now = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime())
        said = (
            f'HTTP/1.1 200 OK\r\n{self._headers}ETag: "{etag}"\r\nCache-Control: {kept}\r\n'
            f"Content-Type: {content_type}\r\nVary: Accept-Encoding\r\nContent-Length: {len(body)}\r\n"
            f"Date: {now}\r\n\r\n"
        )
        return said.encode("latin-1") + body

    def _is_plain(self, head: re.Match[bytes]) -> bool:
        """Whether a request says nothing but what it wants, and of whom: this server, once."""
        names = [name.lower() for name, _, _ in _lines(head)]
        if names.count("host") != 1 or not _NOT_PLAIN.isdisjoint(names):
            return False
        said = _fields(head)
        return said.get("connection", "keep-alive").lower() == "keep-alive" and self._access.answers_to(said["host"])


def _lines(head: re.Match[bytes]) -> list[tuple[str, str, str]]:
    return [line.partition(":") for line in head["fields"].decode().split("\r\n")[:-1]]


def _fields(head: re.Match[bytes]) -> dict[str, str]:
    return {name.lower(): value.strip() for name, _, value in _lines(head)}


def _nothing() -> None:
    """What there is to tell of runs before they are read."""
