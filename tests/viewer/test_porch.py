"""The page before the server is there: its files at once, everything else later, and nothing lost between."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import tallyboard as tb
from tallyboard.viewer.access import Access
from tallyboard.viewer.listing import Listing
from tallyboard.viewer.porch import Porch
from tallyboard.viewer.ports import claim, next_free

DEADLINE = 60.0

Opened = Callable[..., Porch]


@pytest.fixture
def static(tmp_path: Path) -> Path:
    root = tmp_path / "static"
    (root / "assets").mkdir(parents=True)
    (root / "index.html").write_text("<!doctype html><title>tallyboard</title>")
    (root / "icon.svg").write_text("<svg/>")
    (root / "assets" / "index-Bx_1-Yz0.js").write_bytes(b"export {};" * 1000)
    (root / "assets" / "theme.js").write_bytes(b"1;")
    (root / "assets" / "notes.py").write_bytes(b"secret")
    (root / "assets" / "deep").mkdir()
    (root / "assets" / "deep" / "x.css").write_text("a{}")
    (tmp_path / "secret.js").write_text("secret")
    return root


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with claim(0) as listening:
        yield listening


@pytest.fixture
def porch(listener: socket.socket, static: Path) -> Iterator[Opened]:
    opened: list[Porch] = []

    def start(access: Access | None = None, prefix: str = "") -> Porch:
        opened.append(Porch(listener, access or Access(), prefix, static))
        return opened[-1].__enter__()

    yield start
    for each in opened:
        each.__exit__()


def connected(listener: socket.socket) -> socket.socket:
    peer = socket.create_connection(listener.getsockname(), timeout=DEADLINE)
    peer.settimeout(DEADLINE)
    return peer


def asked(peer: socket.socket, request: bytes) -> tuple[int, dict[str, str], bytes]:
    peer.sendall(request)
    answer = http.client.HTTPResponse(peer)
    answer.begin()
    return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()


@pytest.mark.parametrize("frames", [(), ("https://hub.example",)])
@pytest.mark.parametrize("prefix", ["", "/board"])
@pytest.mark.parametrize(
    "path", ["/", "/?runs=a%20b", "/index.html", "/icon.svg", "/assets/index-Bx_1-Yz0.js", "/assets/theme.js",
             "/assets/deep/x.css"]
)  # fmt: skip
def test_it_answers_as_the_server_does(
    porch: Opened, listener: socket.socket, serve: Any, store: Any, static: Path, path: str, prefix: str, frames: Any
) -> None:
    """Status, body, ETag, caching, type and every safety header of a file are the server's own."""
    access = Access(frames=frames)
    porch(access, prefix)
    wanted = serve(store, static=static, access=access, prefix=prefix).get(f"{prefix}{path}")

    with connected(listener) as peer:
        status, headers, body = asked(peer, b"GET %b HTTP/1.1\r\nHost: localhost\r\n\r\n" % f"{prefix}{path}".encode())

    assert (status, body) == (wanted.status, wanted.body)
    assert status == 200
    for name in ("date", "server", "vary"):
        wanted.headers.pop(name, None)
    assert {name: headers[name] for name in wanted.headers} == wanted.headers
    assert set(headers) - set(wanted.headers) == {"date", "vary"}


PAGE = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"GET /api/runs HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /data/logdir HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n",
        b"HEAD / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.0\r\nHost: localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nabc",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\n folded\r\n\r\n",
        b"GET / HTTP/1.1\nHost: localhost\n\n",
        b"GET / HTTP/1.1\r\nHost: local",
        b"GET /nothing.js HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /deep/x.css HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /assets/notes.py HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /assets/../../secret.js HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /assets/%2e%2e/theme.js HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET //secret.js HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET http://localhost/ HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nCookie: " + b"x" * 9000 + b"\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"\x00",
    ],
    ids=lambda request: repr(request[:60]),
)
def test_everything_else_is_left_whole_for_the_server(
    porch: Opened, listener: socket.socket, request_bytes: bytes
) -> None:
    """What is no plain question for a file gets no answer here, and none of its bytes is taken."""
    opened = porch()
    with connected(listener) as first, connected(listener) as second:
        first.sendall(request_bytes)
        assert asked(second, PAGE)[0] == 200  # the first had its turn before, or has it at the same one

        guests = {guest.getpeername(): guest for guest in opened.leave()}

        left = guests[first.getsockname()]
        assert left.recv(20_000) == request_bytes
        left.close()
        assert first.recv(1) == b""  # nothing had been sent
        guests[second.getsockname()].close()


FIRST = b"GET /api/runs?wait=0.4 HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.mark.parametrize("prefix", ["", "/board"])
def test_it_tells_the_runs_as_the_server_does(
    porch: Opened, listener: socket.socket, serve: Any, store: Any, put: Any, prefix: str
) -> None:
    """The page's first question is answered once all has been read, with the server's own words, tag and headers."""
    put("a", "loss", [1.0, 2.0])
    opened = porch(prefix=prefix)
    listing = Listing(lambda: store, "runs", "tallyboard", writable=True, boot="b00t")
    opened.tell(listing.when_read)
    question = FIRST.replace(b"/api", f"{prefix}/api".encode())
    with connected(listener) as peer, connected(listener) as gone, connected(listener) as other:
        peer.sendall(question)
        gone.sendall(question)
        gone.close()
        assert asked(other, b"GET %b/ HTTP/1.1\r\nHost: localhost\r\n\r\n" % prefix.encode())[0] == 200
        store.publish("ready")
        status, headers, body = asked(peer, b"")
        assert asked(peer, question)[2] == body

    wanted = serve(store, boot="b00t", prefix=prefix).get(f"{prefix}/api/runs")
    assert (status, json.loads(body)) == (wanted.status, json.loads(wanted.body))
    assert json.loads(body)["series"] == {"scalars": {"loss": [[0, 2]]}}
    for name in ("date", "server", "vary"):
        wanted.headers.pop(name, None)
    assert {name: headers[name] for name in wanted.headers} == wanted.headers


@pytest.mark.parametrize(
    ("was", "then"),
    [
        (b"?wait=0.4", b""),
        (b"?wait=0.4", b"?wait=0.4&more=1"),
        (b"?wait=0.4", b"?wait=-1"),
        (b"?wait=0.4", b"?wait=2.0"),
        (b"api/runs", b"api/facts"),
        (b"Host: localhost", b"Host: evil.example"),
        (b"\r\n\r\n", b"\r\nSec-Fetch-Site: cross-site\r\n\r\n"),
        (b"\r\n\r\n", b"\r\nSec-Fetch-Site: same-site\r\n\r\n"),
        (b"\r\n\r\n", b"\r\nOrigin: http://evil.example\r\n\r\n"),
        (b"\r\n\r\n", b"\r\nIf-None-Match: *\r\n\r\n"),
        (b"\r\n\r\n", b"\r\nX-Forwarded-For: 10.0.0.1\r\n\r\n"),
    ],
    ids=repr,
)
def test_other_questions_for_runs_are_left_to_the_server(
    porch: Opened, listener: socket.socket, store: Any, put: Any, was: bytes, then: bytes
) -> None:
    """Only what a page on this machine asks first is answered: whatever else is said is for the server to judge."""
    put("a", "loss", [1.0])
    store.publish("ready")
    opened = porch()
    opened.tell(Listing(lambda: store, "runs", "tallyboard", writable=True, boot="b00t").when_read)
    with connected(listener) as first, connected(listener) as second:
        first.sendall(FIRST.replace(was, then))
        assert asked(second, FIRST)[0] == 200

        guests = {guest.getpeername(): guest for guest in opened.leave()}

        left = guests[first.getsockname()]
        assert left.recv(20_000) == FIRST.replace(was, then)
        left.close()
        guests[second.getsockname()].close()


@pytest.mark.parametrize("fails", [False, True])
def test_a_question_for_runs_that_nobody_answered_is_given_over(
    porch: Opened, listener: socket.socket, fails: bool
) -> None:
    """Where nothing was read before the server came, or the list failed, the question waits for the server."""
    opened = porch()
    if fails:
        opened.tell(lambda: 1 / 0)  # type: ignore[arg-type, return-value]
    with connected(listener) as peer, connected(listener) as other:
        peer.sendall(FIRST)
        assert asked(other, PAGE)[0] == 200
        guests = {guest.getpeername(): guest for guest in opened.leave()}
        assert guests[peer.getsockname()].recv(1000) == FIRST
        for guest in guests.values():
            guest.close()


def test_a_connection_is_kept_and_given_over(porch: Opened, listener: socket.socket) -> None:
    """Several files come over one connection; of requests sent together, those for data stay behind the answers."""
    opened = porch()
    data = b"GET /api/runs HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with connected(listener) as peer:
        assert asked(peer, PAGE)[0] == 200
        assert asked(peer, PAGE.replace(b"/ ", b"/icon.svg "))[2] == b"<svg/>"
        assert asked(peer, PAGE + data)[0] == 200

        (guest,) = opened.leave()
        with guest:
            assert guest.recv(1000) == data


def test_clients_that_leave_or_do_not_read_hold_up_nobody(porch: Opened, listener: socket.socket, static: Path) -> None:
    """One that hangs up is forgotten; one that does not take its answer keeps the next waiting for a moment only."""
    with (static / "assets" / "large.js").open("wb") as large:
        large.truncate(40_000_000)
    opened = porch()
    connected(listener).close()
    with connected(listener) as stuck, connected(listener) as next_one:
        stuck.sendall(b"GET /assets/large.js HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert stuck.recv(12) == b"HTTP/1.1 200"
        assert asked(next_one, PAGE)[0] == 200
        (guest,) = opened.leave()
        assert guest.getpeername() == next_one.getsockname()
        guest.close()


# Loading the server waits for a file, as if the machine were slow; the page is the test's own.
SLOW = """
import importlib.machinery, os, pathlib, sys, time
from tallyboard.viewer import page
page.STATIC = pathlib.Path("static")
class Gate:
    def find_spec(self, name, path=None, target=None):
        if name != "aiohttp":
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path)
        run = spec.loader.exec_module
        def wait(module):
            while not os.path.exists("go"):
                time.sleep(0.01)
            run(module)
        spec.loader.exec_module = wait
        return spec
sys.meta_path.insert(0, Gate())
from tallyboard.viewer.__main__ import main
sys.exit(main())
"""


@pytest.fixture
def slow(command: Any, until: Any, static: Path) -> tuple[Any, Callable[[], socket.socket]]:
    """A viewer that waits for the file `go`, and what connects to it."""
    port = next_free(20_000 + os.getpid() % 10_000)

    def reached() -> socket.socket | None:
        try:
            return socket.create_connection(("127.0.0.1", port), timeout=DEADLINE)
        except ConnectionRefusedError:
            return None

    arguments = ("--logdir", "runs", "--port", str(port), "--cache", "kept")
    return command(*arguments, program=("-c", SLOW)), lambda: until(reached)


def answer_to(peer: socket.socket) -> int:
    answer = http.client.HTTPResponse(peer)
    answer.begin()
    answer.read()
    return answer.status


def test_connections_go_on_with_the_server(slow: Any, tmp_path: Path) -> None:
    """Before aiohttp is loaded the page comes; questions asked meanwhile are answered after, checks and all."""
    viewer, reach = slow
    with reach() as page, reach() as data, reach() as foreign:
        data.sendall(b"GET /api/runs HTTP/1.1\r\nHost: localhost\r\n\r\n")
        foreign.sendall(b"GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n")
        assert asked(page, PAGE)[0] == 200

        (tmp_path / "go").touch()

        viewer.wait_for_line()
        assert (answer_to(data), answer_to(foreign)) == (200, 403)
        assert asked(page, b"GET /api/runs HTTP/1.1\r\nHost: localhost\r\n\r\n")[0] == 200
    viewer.process.send_signal(signal.SIGTERM)
    assert viewer.finish() == (0, "", "")


def test_the_logdir_is_read_while_the_server_is_loading(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """What had been read before aiohttp was loaded is told before and after, as the same process says it."""
    with tb.SummaryWriter(tmp_path / "runs" / "a") as writer:
        writer.add_scalar("loss", 1.0, 1)
    viewer, reach = request.getfixturevalue("slow")
    request.getfixturevalue("until")(lambda: list(tmp_path.glob("kept/*.index")))  # saved when all has been read
    with reach() as page:
        _, before, early = asked(page, FIRST)
        page.sendall(FIRST.replace(b"?wait=0.4", b""))
        (tmp_path / "go").touch()

        answer = http.client.HTTPResponse(page)
        answer.begin()
        runs = json.load(answer)
        assert (runs["state"], runs["series"]) == ("ready", {"scalars": {"loss": [[0, 1]]}})
        assert (json.loads(early), before["etag"]) == (runs, answer.getheader("ETag"))
    viewer.process.send_signal(signal.SIGTERM)
    assert viewer.finish()[0] == 0


def test_whoever_needs_a_token_waits_for_the_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    """With a token nothing is said before the server is there, which asks for it."""
    monkeypatch.setenv("TALLYBOARD_TOKEN", "a-secret-of-the-viewer")
    viewer, reach = request.getfixturevalue("slow")
    with reach() as page:
        page.sendall(PAGE)
        (tmp_path / "go").touch()
        assert answer_to(page) == 401
    viewer.process.send_signal(signal.SIGTERM)
    assert viewer.finish()[0] == 0


def test_it_ends_at_once_while_the_server_is_loading(slow: Any) -> None:
    """SIGTERM before the server is there ends the command with 0, though a page is open."""
    viewer, reach = slow
    with reach():
        viewer.process.send_signal(signal.SIGTERM)
        assert viewer.finish() == (0, "", "")
