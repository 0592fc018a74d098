"""What other sites, other names and strange bytes get: a short refusal, and nothing of the machine."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from tallyboard.core.store import Store
from tallyboard.viewer.routes import found

GET_RUNS = b"GET /api/runs HTTP/1.1\r\n%bConnection: close\r\n\r\n"
HOST_SENTENCE = "This server answers only to localhost, 127.0.0.1 and [::1] in the Host header."


@pytest.fixture
def page(tmp_path: Path) -> Path:
    """A built page with a secret beside it."""
    static = tmp_path / "static"
    (static / "assets").mkdir(parents=True)
    (static / "index.html").write_text("<!doctype html><title>page</title>")
    (static / "assets" / "app-12345678.js").write_text("1")
    (tmp_path / "secret.txt").write_text("SECRET")
    (static / ".inputs-sha256").write_text("SECRET")
    return static


@pytest.mark.parametrize(
    "host",
    ["localhost", "localhost:6006", "LOCALHOST:1", "127.0.0.1", "127.0.0.1:6006", "[::1]", "[::1]:6006"],
)
def test_this_machine_by_any_of_its_names(served: Any, host: str) -> None:
    """Loopback's own names are answered, with any port, as a forwarded port has another."""
    assert served.raw(GET_RUNS % f"Host: {host}\r\n".encode()).status == 200


@pytest.mark.parametrize(
    "headers",
    [
        b"Host: evil.example\r\n",
        b"Host: evil.example:6006\r\n",
        b"Host: localhost.evil.example\r\n",
        b"Host: evil.example#localhost\r\n",
        b"Host: user@localhost\r\n",
        b"Host: localhost.\r\n",
        b"Host: 127.0.0.2\r\n",
        b"Host: 0.0.0.0:6006\r\n",
        b"Host: 127.0.0.1.\r\n",
        b"Host: 2130706433\r\n",
        b"Host: ::1\r\n",
        b"Host: localhost:6006, evil.example\r\n",
        b"Host: \r\n",
        b"Host: evil.example\r\nX-Forwarded-Host: localhost\r\n",
    ],
)
@pytest.mark.parametrize("path", [b"/", b"/api/runs", b"/assets/app-12345678.js", b"/nothing"])
def test_a_foreign_host_is_refused(serve: Any, store: Store, page: Path, headers: bytes, path: bytes) -> None:
    """A foreign name made to point at this machine (DNS rebinding) gets nothing, whatever it asks for."""
    answer = serve(store, static=page).raw(GET_RUNS.replace(b"/api/runs", path) % headers)

    assert (answer.status, answer.json()) == (403, {"error": HOST_SENTENCE})


@pytest.mark.parametrize("headers", [b"", b"Host: localhost\r\nHost: evil.example\r\n"])
def test_no_host_or_two_are_refused(served: Any, headers: bytes) -> None:
    """Which of two is meant is anybody's guess, and none at all is no browser's."""
    assert served.raw((GET_RUNS % headers).replace(b"1.1", b"1.0")).status in (400, 403)


def test_the_body_of_a_foreign_host_is_refused(served: Any) -> None:
    """POST is no way around the Host header."""
    answer = served.post("/api/scalars", b'{"series": []}', Host="evil.example")
    assert (answer.status, answer.json()) == (403, {"error": HOST_SENTENCE})


def test_the_page_itself_may_post(served: Any) -> None:
    """The server's own origin, spelled as the browser spelled the host, is let in."""
    for name in ("localhost", "127.0.0.1", "[::1]"):
        host = f"{name}:{served.port}"
        answer = served.post(
            "/api/scalars", b'{"series": []}', Host=host, Origin=f"http://{host}", Sec_Fetch_Site="same-origin"
        )
        assert answer.status == 200


def test_curl_may_post(served: Any) -> None:
    """A program that says nothing of origins is no other site's page."""
    assert served.post("/api/scalars", b'{"series": []}').status == 200


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "", "http://localhost:1", "https://localhost:{port}", "localhost:{port}"]
)
@pytest.mark.parametrize("path", ["/api/scalars", "/", "/api/nothing"])
def test_a_foreign_origin_is_refused(served: Any, origin: str, path: str) -> None:
    """Another site, another port, another scheme or a sandbox cannot send anything."""
    origin = origin.format(port=served.port)
    answer = served.post(path, b'{"series": []}', Origin=origin)

    assert answer.status == 403
    assert answer.json() == {
        "error": "The Origin header names another site; only this server's own page may send this."
    }


@pytest.mark.parametrize("site", ["cross-site", "same-site", "none"])
def test_a_post_that_hides_its_origin_is_refused(served: Any, site: str) -> None:
    """Without an Origin, the browser's own word on where the request came from decides."""
    assert served.post("/api/scalars", b'{"series": []}', Sec_Fetch_Site=site).status == 403


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_another_site_gets_no_data(served: Any, site: str) -> None:
    """Not even blindly, as a script or an image, may another site load what the API says."""
    answer = served.get("/api/runs", Sec_Fetch_Site=site)

    assert (answer.status, answer.json()) == (403, {"error": "Another site's page may not ask this server for data."})
    assert served.get("/", Sec_Fetch_Site=site).status != 403  # a link to the page is a link


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""]
)
def test_what_a_form_can_send_is_refused(served: Any, content_type: str) -> None:
    """A form on another site can post these types without asking first; JSON it cannot."""
    answer = served.request("POST", "/api/scalars", b'{"series": []}', {"Content-Type": content_type})

    assert (answer.status, answer.json()) == (415, {"error": "The request's Content-Type must be application/json."})
    assert served.request("POST", "/api/scalars", b'{"series": []}').status == 415


def test_json_may_name_its_charset(served: Any) -> None:
    """A parameter of the type changes nothing."""
    answer = served.request(
        "POST", "/api/scalars", b'{"series": []}', {"Content-Type": "Application/JSON; charset=utf-8"}
    )
    assert answer.status == 200


def test_a_large_body_is_refused(served: Any) -> None:
    """What is below one MiB is taken, what is above it is not, announced or in chunks."""
    limit = 1 << 20
    fits = b'{"series": []}'.ljust(limit - 1)
    sentence = {"error": "The request's body is larger than 1,048,576 bytes; ask in several requests."}

    assert served.post("/api/scalars", fits).status == 200
    for headers in ({}, {"Transfer-Encoding": "chunked"}):
        body = fits + b"  " if not headers else b"%x\r\n%b\r\n0\r\n\r\n" % (limit + 1, fits + b"  ")
        answer = served.post("/api/scalars", body, **headers)
        assert (answer.status, answer.json()) == (413, sentence)


TRAVERSALS = [
    "/../../etc/passwd",
    "/../secret.txt",
    "/assets/../../secret.txt",
    "/assets/../.inputs-sha256",
    "/assets/..%2f..%2fsecret.txt",
    "/assets/%2e%2e/%2e%2e/secret.txt",
    "/assets/%2e%2e%2f%2e%2e%2fsecret.txt",
    "/assets/%252e%252e%252f%252e%252e%252fsecret.txt",
    "/assets/..%5c..%5csecret.txt",
    "/assets/..\\..\\secret.txt",
    "/assets//etc/passwd",
    "/assets/%2fetc%2fpasswd",
    "//etc/passwd",
    "/%2fetc%2fpasswd",
    "/..%2fsecret.txt",
    "/%2e%2e%2fsecret.txt",
    "/.%2e/secret.txt",
    "/.inputs-sha256",
    "/%2einputs-sha256",
    "/assets",
    "/assets/",
    "/assets/.",
    "/assets/link.txt",
    "/assets/linked/secret.txt",
    "/assets/app-12345678.js/",
    "/assets/app-12345678.js%00",
    "/assets/%00",
    "/assets/app-12345678.js%00.css",
    "/assets/" + "a" * 300,
    "/assets/%ff%fe",
    "/assets/\x01",
    "/api/../../secret.txt",
    "/api",
    "/api/",
    "/api/..%2f..%2fsecret.txt",
]


@pytest.mark.parametrize("path", TRAVERSALS)
def test_only_files_of_the_page_are_served(serve: Any, store: Store, page: Path, path: str) -> None:
    """Dots, slashes of either kind, encodings, NUL bytes and links lead nowhere."""
    (page / "assets" / "link.txt").symlink_to(page.parent / "secret.txt")
    (page / "assets" / "linked").symlink_to(page.parent)
    answer = serve(store, static=page).raw(
        b"GET %b HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n" % path.encode("latin-1")
    )

    assert answer.status in (400, 404)
    assert b"SECRET" not in answer.body
    assert b"root:" not in answer.body
    assert b"Traceback" not in answer.body


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"GET /api/runs\x00 HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /api/runs HTTP/1.1\r\nHost: localhost\r\nX: a\x00b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 100_000 + b"\r\n\r\n",
        b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET http://[ HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"POST /api/scalars HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}",
        b"POST /api/scalars HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n{}",
        b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03\r\n\r\n",
    ],
)
def test_bytes_that_are_no_request_are_refused(served: Any, request_bytes: bytes) -> None:
    """Broken HTTP is answered 400 without a word about the server, which goes on."""
    answer = served.raw(request_bytes)

    assert answer.status in (400, 431)
    assert b"Traceback" not in answer.body
    assert b"/site-packages/" not in answer.body
    assert served.get("/api/runs").status == 200


def test_every_answer_has_the_headers(serve: Any, store: Store, page: Path) -> None:
    """Pages, data, streams, errors and refusals all forbid sniffing, framing, referrers and inline script."""
    served = serve(store, static=page)
    with served.events() as events:
        stream = {name.lower(): value for name, value in events.answer.getheaders()}
    answers = [
        served.get("/"),
        served.get("/assets/app-12345678.js"),
        served.get("/api/runs"),
        served.get("/api/nothing"),
        served.get("/api/scalars"),
        served.scalars(),
        served.post("/api/scalars", b""),
        served.get("/", Host="evil.example"),
        served.get("/api/runs", If_None_Match="*"),
    ]
    assert [answer.status for answer in answers] == [200, 200, 200, 404, 405, 200, 400, 403, 304]

    for headers in (stream, *(answer.headers for answer in answers)):
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert "access-control-allow-origin" not in headers
        policy = dict(rule.split(" ", 1) for rule in headers["content-security-policy"].split("; "))
        assert policy["default-src"] == policy["script-src"] == policy["frame-ancestors"] == "'self'"
        assert policy["style-src"] == "'self' 'unsafe-inline'"


def test_a_preflight_of_another_site_is_refused(served: Any) -> None:
    """A browser that asks whether another site may post is told no."""
    answer = served.request(
        "OPTIONS",
        "/api/scalars",
        headers={"Origin": "http://evil.example", "Access-Control-Request-Method": "POST"},
    )
    assert answer.status == 403
    assert not any(name.startswith("access-control") for name in answer.headers)


@pytest.mark.parametrize(
    ("method", "path", "status", "sentence", "allow"),
    [
        ("GET", "/api/nothing", 404, "There is no /api/nothing here.", None),
        ("GET", "/api/runs/", 404, "There is no /api/runs/ here.", None),
        ("GET", "/a/b/c", 404, "There is no /a/b/c here.", None),
        ("GET", "/api/scalars", 405, "/api/scalars does not take GET, only POST.", "POST"),
        ("POST", "/api/runs", 405, "/api/runs does not take POST, only GET, HEAD.", "GET, HEAD"),
        ("DELETE", "/api/live", 405, "/api/live does not take DELETE, only GET.", "GET"),
        ("POST", "/api/nothing", 404, "There is no /api/nothing here.", None),
    ],
)
def test_unknown_routes_and_methods_are_named(
    served: Any, method: str, path: str, status: int, sentence: str, allow: str | None
) -> None:
    """An error is JSON with one sentence, whatever was asked."""
    answer = served.request(method, path, b"{}" if method != "GET" else None, {"Content-Type": "application/json"})

    assert (answer.status, answer.json(), answer.headers.get("allow")) == (status, {"error": sentence}, allow)


class Broken(Store):
    """A store in which a bug shows."""

    def overview(self) -> Any:
        raise RuntimeError("secret detail of the failure")


def test_a_bug_is_one_sentence_to_the_client(serve: Any, caplog: pytest.LogCaptureFixture) -> None:
    """The client learns that it failed; where and how is for the log."""
    answer = serve(Broken()).get("/api/runs")

    assert (answer.status, answer.json()) == (500, {"error": "The server failed on this request; its log says why."})
    assert "secret detail of the failure" in caplog.text


class Late(Store):
    """A store in which a bug shows once a stream is under way."""

    def changes(self, since: int) -> Any:
        raise RuntimeError("too late")


def test_a_bug_in_a_stream_cuts_it(serve: Any, caplog: pytest.LogCaptureFixture) -> None:
    """An answer that broke off is cut, not continued with the text of an error."""
    store = Late()
    served = serve(store)
    received = b""
    with socket.create_connection(("127.0.0.1", served.port), timeout=60) as peer:
        peer.sendall(b"GET /api/live HTTP/1.1\r\nHost: localhost\r\n\r\n")
        while b"event: hello" not in received:
            received += peer.recv(65536)
        store.publish("ready")
        with suppress(ConnectionResetError):
            while more := peer.recv(65536):
                received += more
    assert received.count(b"HTTP/1.1") == 1
    assert b"error" not in received
    assert not received.endswith(b"0\r\n\r\n")
    assert "too late" in caplog.text


def test_every_module_with_routes_is_mounted(served: Any) -> None:
    """A new file in routes/ is served without being named anywhere."""
    from tallyboard.viewer import routes

    folder = Path(routes.__file__).parent
    files = [path for path in folder.rglob("*.py") if "\nroutes = web.RouteTableDef()" in path.read_text()]
    tables = list(found())
    mounted = {route.resource.canonical for route in served.app.router.routes()}

    assert len(tables) == len(files)
    for table in tables:
        assert isinstance(table, web.RouteTableDef)
        paths = {route.path for route in table if isinstance(route, web.RouteDef)}
        assert {re.sub(r":[^}]+", "", path) for path in paths} <= mounted  # {name:.+} is {name} to the router
    assert {"/api/runs", "/api/scalars", "/api/live"} <= mounted


def test_handlers_name_no_files() -> None:
    """Handlers ask the store: no module under routes/ imports the reader or opens anything."""
    from tallyboard.viewer import routes

    for path in Path(routes.__file__).parent.rglob("*.py"):
        source = path.read_text()
        for word in ("core.reader", "open(", "read_bytes", "read_text", "pathlib"):
            assert word not in source, (path.name, word)


Answers = Callable[..., Any]


def test_the_error_shape_is_json_everywhere(served: Any) -> None:
    """Every refusal parses, and holds one sentence that ends."""
    for answer in (served.get("/nothing"), served.post("/api/scalars", b"[]"), served.get("/", Host="x")):
        error = json.loads(answer.body)
        assert list(error) == ["error"]
        assert error["error"].endswith(".")
