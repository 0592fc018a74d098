"""An S3 server on this machine that counts what it is asked, and what the tests of remote stores share."""

from __future__ import annotations

import contextlib
import importlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

import tallyboard as tb
from tallyboard.core.wire import decode_event

from ...ports import lasting_port

DEADLINE = 60.0


def until(found: Callable[[], Any]) -> Any:
    """What `found` gives as soon as that is something."""
    end = time.monotonic() + DEADLINE
    while not (value := found()):
        assert time.monotonic() < end, "it never came"
        time.sleep(0.01)
    return value


@dataclass
class Asked:
    """Requests, as method and query; bytes of objects sent; and how many were under way at once at most."""

    requests: list[tuple[str, str]] = field(default_factory=list)
    bytes: int = 0
    most: int = 0

    def lists(self) -> int:
        return len([1 for method, query in self.requests if method == "GET" and "list-type" in query])

    def gets(self) -> int:
        return len([1 for method, query in self.requests if method == "GET" and not query])

    def sent(self) -> int:
        return self.bytes

    def together(self) -> int:
        return self.most


class S3:
    """moto's S3 behind a door that counts requests, can be shut, and can keep callers waiting."""

    def __init__(self) -> None:
        server: Any = pytest.importorskip("moto.server")
        pytest.importorskip("s3fs")
        self._application = server.DomainDispatcherApplication(server.create_backend_app)
        self.requests: list[tuple[str, str, int]] = []  # method, path, bytes of the body
        self.counts = "/"  # paths that begin otherwise are another test's, whose thread may not be at rest
        self._open = threading.Event()
        self._open.set()
        self._asked: list[Asked] = []
        self._counting = threading.Condition()
        self._under_way = 0
        self._together = 0
        self.port = lasting_port()  # it is left, and taken again
        self.start()

    def start(self) -> None:
        from werkzeug.serving import WSGIRequestHandler, make_server

        class Quiet(WSGIRequestHandler):
            def log_request(self, *_: object) -> None:
                pass

        self._server = make_server("127.0.0.1", self.port, self._answer, threaded=True, request_handler=Quiet)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._open.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def hang(self) -> None:
        self._open.clear()

    def go_on(self) -> None:
        self._open.set()

    def _answer(self, environ: dict[str, Any], start_response: Any) -> Any:
        length = int(environ.get("CONTENT_LENGTH") or 0)
        counts = environ["PATH_INFO"].startswith(self.counts)
        if counts:
            self.requests.append((environ["REQUEST_METHOD"], environ["PATH_INFO"], length))
        self._open.wait(DEADLINE)
        with self._counting:
            self._under_way += 1
            for asked in self._asked if counts else ():
                asked.requests.append((environ["REQUEST_METHOD"], environ["QUERY_STRING"]))
                asked.most = max(asked.most, self._under_way)
            self._counting.notify_all()
            if environ["REQUEST_METHOD"] == "GET" and not environ["QUERY_STRING"]:
                self._counting.wait_for(lambda: self._under_way >= self._together, DEADLINE)
                self._together = 0
        body = b"".join(self._application(environ, start_response))
        with self._counting:
            self._under_way -= 1
            for asked in self._asked if counts else ():
                asked.bytes += len(body) if environ["REQUEST_METHOD"] == "GET" and not environ["QUERY_STRING"] else 0
        return [body]

    @contextlib.contextmanager
    def counted(self, together: int = 0) -> Iterator[Asked]:
        """What is asked meanwhile; no object is sent before so many requests are under way at once."""
        asked, self._together = Asked(), together
        self._asked.append(asked)
        try:
            yield asked
        finally:
            self._asked.remove(asked)
            self._together = 0

    def put(self) -> list[str]:
        """Paths that were PUT, as often as they were."""
        return [path for method, path, _ in self.requests if method in ("PUT", "POST") and path.count("/") > 1]


def system() -> Any:
    return importlib.import_module("fsspec").filesystem("s3", skip_instance_cache=True, use_listings_cache=False)


def download(fs: Any, url: str, to: Path) -> Path:
    """All files below a URL as local ones."""
    to.mkdir(parents=True, exist_ok=True)
    root = fs._strip_protocol(url)
    for path in fs.find(url):
        local = to / path.removeprefix(root).lstrip("/")
        local.parent.mkdir(parents=True, exist_ok=True)
        local.write_bytes(fs.cat_file(path))
    return to


def points(logdir: Path, run: str = ".", tag: str = "loss") -> list[tuple[int, float]]:
    series = tb.read(logdir).scalars()[run, tag]
    return list(zip(series.step.tolist(), series.value.tolist(), strict=True))


def events(data: bytes) -> list[Any]:
    """The events of a file."""
    out: list[Any] = []
    while data:
        size = int.from_bytes(data[:8], "little")
        out.append(decode_event(data[12 : 12 + size]))
        data = data[16 + size :]
    return out


def run(code: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],  # a warning would stand in stderr, which every caller wants empty
        capture_output=True,
        text=True,
        timeout=5 * DEADLINE,
        env={**os.environ, **environment},
    )
