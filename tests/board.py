"""Real TensorBoard, started as people start it, and asked over HTTP."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

__all__ = ["Board"]


class Board:
    """A TensorBoard process and what it answers.

    Args:
        logdir: what it shows.
        fast: `"true"` for its data server, `"false"` for its own Python.
        plugins: a folder of packages that it finds beside those that are installed.
    """

    def __init__(self, logdir: Path, fast: str, plugins: str = "") -> None:
        self.fast = fast == "true"
        line = [sys.executable, "-m", "tensorboard.main", "--logdir", str(logdir), "--port", "0", "--host", "127.0.0.1"]
        line += [f"--load_fast={fast}", "--reload_interval", "1"]
        path = os.pathsep.join(filter(None, [os.environ.get("PYTHONPATH"), plugins]))
        self.process = subprocess.Popen(
            line, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env={**os.environ, "PYTHONPATH": path}
        )
        self.url = ""
        said: list[str] = []
        assert self.process.stdout is not None
        for text in self.process.stdout:
            said.append(text)
            if found := re.search(r"at (http://[^ ]+?)/? \(Press", text):
                self.url = found[1]
                break
        assert self.url, "".join(said)
        self._drain = threading.Thread(target=self.process.stdout.read, daemon=True)  # so that its pipe never fills
        self._drain.start()

    def end(self) -> None:
        self.process.terminate()
        self.process.wait(120)
        self._drain.join(30)
        if self.process.stdout is not None:
            self.process.stdout.close()

    def raw(self, path: str, post: Any = None, **query: Any) -> bytes:
        url = f"{self.url}/data/{path}"
        if query:
            url += ("&" if "?" in path else "?") + urllib.parse.urlencode(query, doseq=True)
        data = None if post is None else post if isinstance(post, bytes) else json.dumps(post).encode()
        request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=300) as answer:
            return answer.read()

    def get(self, path: str, post: Any = None, **query: Any) -> Any:
        return json.loads(self.raw(path, post, **query))

    def plugin(self, path: str, post: Any = None, **query: Any) -> Any:
        return self.get(f"plugin/{path}", post, **query)

    def wait_until(self, complete: Callable[[Board], object]) -> None:
        """Until it has loaded what a test asks for.

        Args:
            complete: whether all is there; what TensorBoard does not know yet may be an error.
        """
        end = time.monotonic() + 300
        while True:
            try:
                if complete(self):
                    return
            except (urllib.error.URLError, ConnectionError):
                pass
            assert time.monotonic() < end, "TensorBoard never showed everything"
            assert self.process.poll() is None, "TensorBoard ended"
            threading.Event().wait(0.25)
