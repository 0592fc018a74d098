"""Beyond loopback: who is answered, by which name, and with which token; and the paths and doors in front of it."""

from __future__ import annotations

import http.client
import json
import re
import socket
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trustme
from aiohttp import web

from tallyboard.viewer import __main__ as cli
from tallyboard.viewer import options
from tallyboard.viewer.access import Access, Guesses
from tallyboard.viewer.ports import claim, is_loopback
from tallyboard.viewer.routes import live

TOKEN = "0123456789abcdef-SECRET"
LOCKED = {"error": "This server needs its token, as a cookie or in an Authorization: Bearer header."}
NAME_SENTENCE = (
    "This server does not answer to that name in the Host header; "
    "use its address, or start it with --allow_host and the name."
)


@pytest.fixture
def locked(serve: Any, store: Any, page: Path) -> Any:
    """A server that asks for a token and listens beyond loopback, by its own account."""
    return serve(store, static=page, access=Access(TOKEN, frozenset({"board.example"}), beyond=True))


@pytest.fixture
def page(tmp_path: Path) -> Path:
    static = tmp_path / "static"
    (static / "assets").mkdir(parents=True)
    (static / "index.html").write_text("<!doctype html><title>page</title>")
    (static / "assets" / "app-12345678.js").write_text("1")
    return static


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/runs"),
        ("GET", "/api/live"),
        ("POST", "/api/scalars"),
        ("GET", "/assets/app-12345678.js"),
        ("GET", "/no"),
    ],
)
@pytest.mark.parametrize(
    "said",
    [
        {},
        {"Authorization": f"Bearer {TOKEN}x"},
        {"Authorization": "Bearer "},
        {"Authorization": f"Basic {TOKEN}"},
        {"Authorization": "Bearer \u00e9"},
        {"Cookie": f"{Access(TOKEN).cookie_name}={TOKEN}"},
        {"Cookie": f"{Access(TOKEN).cookie_name}="},
        {"Cookie": f"other={Access(TOKEN).cookie_value}"},
        {"Cookie": ";;=,[ a"},
    ],
)
def test_nothing_is_told_without_the_token(locked: Any, method: str, path: str, said: dict[str, str]) -> None:
    """Without it, or with something else in its place, no route says more than that it is needed."""
    answer = locked.request(
        method, path, b"{}" if method == "POST" else None, {"Content-Type": "application/json", **said}
    )

    assert (answer.status, answer.json()) == (401, LOCKED)


def test_a_query_is_no_token_but_at_the_page(locked: Any) -> None:
    """The token in an address is taken where a person opens it, and nowhere else."""
    assert locked.get(f"/api/runs?token={TOKEN}").status == 401
    assert locked.get(f"/assets/app-12345678.js?token={TOKEN}").status == 401


def test_the_page_without_the_token_says_what_to_do(locked: Any) -> None:
    """A browser that is not known is told to open the printed address."""
    answer = locked.get("/")

    assert answer.status == 401
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert b"Open the address that it printed when it was started" in answer.body
    assert TOKEN.encode() not in answer.body


def test_the_address_with_the_token_makes_the_browser_known(locked: Any) -> None:
    """It is answered by a cookie and the same address without the token; the cookie then opens everything."""
    answer = locked.get(f"/?run=a%20b&token={TOKEN}")

    assert (answer.status, answer.headers["location"], answer.body) == (303, "/?run=a+b", b"")
    assert answer.headers["cache-control"] == "no-store"
    cookie = answer.headers["set-cookie"]
    assert re.search(r"; HttpOnly; Max-Age=2592000; Path=/; SameSite=Lax$", cookie)
    assert TOKEN not in cookie
    name_and_value = cookie.split(";")[0]
    assert locked.get("/", Cookie=f"a=b; {name_and_value}").body.startswith(b"<!doctype html>")
    assert locked.get("/api/runs", Cookie=name_and_value).status == 200
    assert locked.post("/api/scalars", b'{"series": []}', Cookie=name_and_value).status == 200


def test_a_program_shows_the_token_itself(locked: Any) -> None:
    """`Authorization: Bearer` opens every route."""
    assert locked.get("/api/runs", Authorization=f"Bearer {TOKEN}").status == 200
    assert locked.get("/", Authorization=f"bearer {TOKEN}").status == 200


def test_another_servers_cookie_opens_nothing(locked: Any) -> None:
    """Two viewers of one machine have cookies of different names, and neither takes the other's."""
    other = Access("another-token-of-16")

    assert other.cookie_name != Access(TOKEN).cookie_name
    assert locked.get("/api/runs", Cookie=f"{Access(TOKEN).cookie_name}={other.cookie_value}").status == 401


def test_guessing_ends_soon(locked: Any) -> None:
    """After 20 wrong tokens within a minute the address has to wait, with the right one too; a cookie still counts."""
    for _ in range(20):
        assert locked.get("/api/runs", Authorization="Bearer wrong").status == 401

    answer = locked.get("/api/runs", Authorization=f"Bearer {TOKEN}")

    assert (answer.status, answer.headers["retry-after"]) == (429, "60")
    assert answer.json() == {"error": "Too many wrong tokens came from this address; wait a minute."}
    access = Access(TOKEN)
    assert locked.get("/api/runs", Cookie=f"{access.cookie_name}={access.cookie_value}").status == 200


def test_guesses_are_forgiven_and_bounded() -> None:
    """A minute later the address may try again, others never had to wait, and a million addresses cost no memory."""
    now = 0.0
    guesses = Guesses(most=3, window=60.0, clock=lambda: now)
    for _ in range(3):
        guesses.note("a")

    assert guesses.exhausted("a")
    assert not guesses.exhausted("b")
    now = 60.0
    assert not guesses.exhausted("a")
    for i in range(Guesses.REMEMBERED):
        guesses.note(str(i))
    assert len(guesses._wrong) == Guesses.REMEMBERED


@pytest.mark.parametrize(
    "host", ["localhost:1", "board.example", "BOARD.example:443", "192.168.0.7:6006", "[fe80::1]:6006", "10.0.0.1"]
)
def test_its_names_and_any_number_are_answered(locked: Any, host: str) -> None:
    """Beyond loopback the server goes by the names it was given and by addresses, which no foreign name can be."""
    assert locked.get("/api/runs", Host=host, Authorization=f"Bearer {TOKEN}").status == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "board.example.evil.example", "1.2.3", "999.1.1.1", "[evil.example]", "[1.2.3.4]", "::1", "a b"],
)
def test_other_names_are_refused(locked: Any, host: str) -> None:
    """Whoever made a name point here gets nothing, not even with the token."""
    answer = locked.get("/api/runs", Host=host, Authorization=f"Bearer {TOKEN}")

    assert (answer.status, answer.json()) == (403, {"error": NAME_SENTENCE})


def test_a_name_may_be_allowed_on_loopback(serve: Any, store: Any) -> None:
    """Behind a reverse proxy the server may be called by the proxy's name, and by that one alone."""
    served = serve(store, access=Access(names=frozenset({"board.example"})))

    assert served.get("/api/runs", Host="board.example").status == 200
    assert served.get("/api/runs", Host="192.168.0.7").status == 403


def test_a_foreign_page_is_refused_with_the_cookie_too(locked: Any) -> None:
    """A cookie that a browser sends along opens nothing for another site."""
    access = Access(TOKEN)
    cookie = f"{access.cookie_name}={access.cookie_value}"

    assert locked.post("/api/scalars", b'{"series": []}', Cookie=cookie, Origin="http://evil.example").status == 403
    assert locked.get("/api/runs", Cookie=cookie, Sec_Fetch_Site="cross-site").status == 403


def test_everything_lies_below_the_prefix(serve: Any, store: Any, page: Path) -> None:
    """The page, what it loads and the API answer below the prefix, nothing above it, and safety holds there too."""
    served = serve(store, static=page, prefix="/a/board")

    assert served.get("/a/board/").body.startswith(b"<!doctype html>")
    assert served.get("/a/board/assets/app-12345678.js").status == 200
    assert served.get("/a/board/api/runs").json()["runs"] == []
    moved = served.get("/a/board?x=1")
    assert (moved.status, moved.headers["location"]) == (308, "/a/board/?x=1")
    for path in ("/", "/api/runs", "/a/", "/a/boardx/", "/a/board/../api/runs"):
        assert served.raw(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode()).status == 404
    assert served.get("/a/board/api/runs", Sec_Fetch_Site="cross-site").status == 403
    assert served.get("/a/board/api/runs", Host="evil.example").status == 403
    assert "default-src 'self'" in served.get("/a/board/").headers["content-security-policy"]
    stream = http.client.HTTPConnection("127.0.0.1", served.port, timeout=60)
    stream.request("GET", "/a/board/api/live")
    assert stream.getresponse().read(13) == b"event: hello\n"
    stream.close()


def test_the_token_below_a_prefix(serve: Any, store: Any, page: Path) -> None:
    """The cookie belongs to the prefix alone, so that what else the host serves never sees it."""
    served = serve(store, static=page, prefix="/board", access=Access(TOKEN))

    moved = served.get(f"/board?token={TOKEN}")
    assert (moved.status, moved.headers["location"]) == (308, f"/board/?token={TOKEN}")
    answer = served.get(f"/board/?token={TOKEN}")
    assert (answer.status, answer.headers["location"]) == (303, "/board/")
    assert "; Path=/board/;" in answer.headers["set-cookie"]
    assert served.get("/board/api/runs").status == 401


def test_streams_are_bounded(serve: Any, store: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """One stream more than there may be is refused, with a time to come back."""
    monkeypatch.setattr(live, "MOST_STREAMS", 1)
    served = serve(store)
    with served.events() as stream:
        assert stream.next().name == "hello"
        answer = served.get("/api/live")

    assert (answer.status, answer.headers["retry-after"]) == (503, "30")
    assert answer.json() == {"error": "1 streams are open, which is all there are."}


# -- the command


def started(command: Callable[..., Any], *arguments: str) -> tuple[Any, str, int]:
    """The viewer as a process, with the address it prints and its port."""
    viewer = command("--logdir", "runs", "--port", "0", *arguments)
    viewer.wait_for_line()
    address = re.search(r" at (\S+) \(logdir", viewer.line)
    assert address is not None, viewer.line
    port = re.search(r":(\d+)/", address[1])
    assert port is not None
    return viewer, address[1], int(port[1])


def ask(port: int, path: str, host: str = "127.0.0.1", **headers: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(host, port, timeout=60)
    try:
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def test_bind_all_prints_a_token_that_opens(command: Callable[..., Any]) -> None:
    """--bind_all listens on more than loopback, asks for the token it prints, and answers by the machine's name."""
    _, address, port = started(command, "--bind_all")

    assert re.fullmatch(rf"http://{re.escape(socket.gethostname())}:{port}/\?token=[A-Za-z0-9_-]{{32}}", address)
    token = address.rpartition("=")[2]
    assert ask(port, "/api/runs")[0] == 401
    named = {"Authorization": f"Bearer {token}", "Host": f"{socket.gethostname()}:{port}"}
    assert ask(port, "/api/runs", **named)[0] == 200
    assert ask(port, "/api/runs", Host="evil.example", Authorization=f"Bearer {token}")[0] == 403


def test_another_loopback_address_needs_no_token(command: Callable[..., Any]) -> None:
    """--host with an address of this machine alone is as private as localhost."""
    _, address, port = started(command, "--host", "127.0.0.1")

    assert address == f"http://127.0.0.1:{port}/"
    assert ask(port, "/api/runs")[0] == 200


def test_the_token_may_be_chosen(command: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """TALLYBOARD_TOKEN is asked for on loopback too, where others with an account can reach the port."""
    monkeypatch.setenv(options.TOKEN, TOKEN)
    _, address, port = started(command)

    assert address == f"http://localhost:{port}/?token={TOKEN}"
    assert ask(port, "/api/runs")[0] == 401
    assert ask(port, "/api/runs", Authorization=f"Bearer {TOKEN}")[0] == 200


def test_no_token_has_to_be_said(command: Callable[..., Any]) -> None:
    """Only --no_token opens a server beyond loopback to everybody."""
    _, address, port = started(command, "--bind_all", "--no_token")

    assert address == f"http://{socket.gethostname()}:{port}/"
    assert ask(port, "/api/runs")[0] == 200


def test_https(command: Callable[..., Any], tmp_path: Path) -> None:
    """With a certificate it speaks HTTPS, marks its cookie as secure, and takes its own origin by that scheme."""
    authority = trustme.CA()
    authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(tmp_path / "both.pem")
    _, address, port = started(command, "--certfile", "both.pem", "--host", "localhost", "--path_prefix", "board/")
    context = ssl.create_default_context()
    authority.configure_trust(context)
    connection = http.client.HTTPSConnection("localhost", port, timeout=60, context=context)

    assert address == f"https://localhost:{port}/board/"
    headers = {"Content-Type": "application/json", "Origin": f"https://localhost:{port}"}
    connection.request("POST", "/board/api/scalars", b'{"series": []}', headers)
    answer = connection.getresponse()
    assert (answer.status, answer.read()[:4]) == (200, b"TLY1")
    connection.close()


def test_the_window_has_its_title(command: Callable[..., Any]) -> None:
    """--window_title is what the page is told to be called."""
    _, _, port = started(command, "--window_title", "Night <run>")

    assert json.loads(ask(port, "/api/runs")[1])["title"] == "Night <run>"


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("--host", "a", "--bind_all"), "give --host or --bind_all, not both"),
        (("--host", "no.such.host.invalid"), "--host 'no.such.host.invalid' is not known here: "),
        (("--path_prefix", "/a b"), "argument --path_prefix: '/a b' is not a path of letters, digits and . _ ~ -"),
        (("--path_prefix", "/../x"), "argument --path_prefix: '/../x' is not a path"),
        (("--allow_host", "http://x"), "argument --allow_host: 'http://x' is not a host name"),
        (("--keyfile", "key.pem"), "--keyfile needs --certfile"),
        (("--certfile", "missing.pem"), "--certfile 'missing.pem' cannot be used: No such file or directory"),
        (("--certfile", "text.pem"), "--certfile 'text.pem' cannot be used: "),
    ],
)
def test_bad_arguments_name_the_cure(
    arguments: tuple[str, ...],
    complaint: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The exit code is 2, and stderr says which argument and why."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.pem").write_text("hello")

    with pytest.raises(SystemExit) as ended:
        cli.main(["runs", *arguments])

    assert ended.value.code == 2
    assert complaint in capsys.readouterr().err


@pytest.mark.parametrize(
    ("token", "more", "complaint"),
    [
        ("short", [], "TALLYBOARD_TOKEN has to be 16 to 256 letters, digits and . _ ~ -"),
        ("with spaces in the middle", [], "TALLYBOARD_TOKEN has to be 16 to 256 letters, digits and . _ ~ -"),
        (TOKEN, ["--no_token"], "--no_token was given, and TALLYBOARD_TOKEN is set; keep one of them"),
    ],
)
def test_bad_tokens_are_refused(
    token: str, more: list[str], complaint: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A token that is quick to guess, or that an address cannot carry, does not start a server."""
    monkeypatch.setenv(options.TOKEN, token)

    with pytest.raises(SystemExit):
        cli.main(["runs", *more])

    assert complaint in capsys.readouterr().err


def test_what_is_loopback() -> None:
    """Only what no other machine can reach counts as loopback."""
    assert [is_loopback(host) for host in ("localhost", "127.0.0.1", "127.8.8.8", "::1")] == [True] * 4
    assert [is_loopback(host) for host in ("", "0.0.0.0", "::", "192.168.0.1")] == [False] * 4


def test_every_address_of_the_machine_is_claimed_once() -> None:
    """A port claimed everywhere is reached through loopback of either kind."""
    with claim(0, "") as listener:
        socket.create_connection(("127.0.0.1", listener.getsockname()[1]), timeout=60).close()


def test_handlers_see_no_aiohttp_guard_twice(serve: Any, store: Any) -> None:
    """The guard stands once in front of everything, with a prefix or without."""
    for prefix in ("", "/p"):
        app: web.Application = serve(store, prefix=prefix).app
        names = [middleware.__qualname__.partition(".")[0] for middleware in app.middlewares]
        assert names[0] == "guard"
        assert names.count("guard") == 1
