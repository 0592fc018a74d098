"""A web server of a test's own, which counts what it is asked for and what it sends."""

from __future__ import annotations

import contextlib
import http.server
import re
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

__all__ = ["web_server"]


class Pages(http.server.ThreadingHTTPServer):
    """The server, and what it was asked for.

    Args:
        folder: what it serves.
        ranges: whether it answers with parts of files.
    """

    def __init__(self, folder: Path, ranges: bool) -> None:
        super().__init__(("127.0.0.1", 0), partial(WebHandler, directory=str(folder)))
        self.ranges = ranges
        self.gets: list[tuple[str, str | None]] = []
        self.sent = 0


class WebHandler(http.server.SimpleHTTPRequestHandler):
    """Index pages and files, with ranges if the server has them."""

    server: Pages

    def do_GET(self) -> None:
        asked = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        path = Path(self.translate_path(self.path))
        if path.is_file():
            self.server.gets.append((self.path, self.headers.get("Range")))
        if asked is None or not path.is_file() or not self.server.ranges:
            super().do_GET()
            return
        data = path.read_bytes()
        part = data[int(asked[1]) : int(asked[2]) + 1]
        self.server.sent += len(part)  # before the reader has it and goes on
        self.send_response(206)
        self.send_header("Content-Range", f"bytes {asked[1]}-{asked[2]}/{len(data)}")
        self.send_header("Content-Length", str(len(part)))
        self.end_headers()
        self.wfile.write(part)

    def log_message(self, *_: object) -> None:
        pass


@contextlib.contextmanager
def web_server(folder: Path, ranges: bool) -> Iterator[Pages]:
    server = Pages(folder, ranges)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
