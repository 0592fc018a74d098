"""A web server of a test's own, which counts what it is asked for and what it sends."""

from __future__ import annotations

import contextlib
import http.server
import re
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

__all__ = ["web_server"]


class WebHandler(http.server.SimpleHTTPRequestHandler):
    """Index pages and files, with ranges if the server has them."""

    def do_GET(self) -> None:
        asked = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        path = Path(self.translate_path(self.path))
        if path.is_file():
            self.server.gets.append((self.path, self.headers.get("Range")))  # type: ignore[attr-defined]
        if asked is None or not path.is_file() or not self.server.ranges:  # type: ignore[attr-defined]
            super().do_GET()
            return
        data = path.read_bytes()
        part = data[int(asked[1]) : int(asked[2]) + 1]
        self.server.sent += len(part)  # type: ignore[attr-defined]  # before the reader has it and goes on
        self.send_response(206)
        self.send_header("Content-Range", f"bytes {asked[1]}-{asked[2]}/{len(data)}")
        self.send_header("Content-Length", str(len(part)))
        self.end_headers()
        self.wfile.write(part)

    def log_message(self, *_: object) -> None:
        pass


@contextlib.contextmanager
def web_server(folder: Path, ranges: bool) -> Iterator[Any]:
    server: Any = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(WebHandler, directory=str(folder)))
    server.ranges, server.gets, server.sent = ranges, [], 0
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
