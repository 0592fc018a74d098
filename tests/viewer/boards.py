"""TensorBoard and the viewer as processes, and ways to ask them the same."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DEADLINE = 120.0

TENSORBOARD = """
import sys, types
sys.modules["tensorboard.compat.notf"] = types.ModuleType("notf")  # start as where TensorFlow is not installed: sooner
from tensorboard.main import run_main
run_main()
"""


@dataclass
class Answer:
    """What a server said."""

    status: int
    type: str
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Board:
    """A server, ours or TensorBoard's."""

    url: str

    def ask(self, path: str, form: dict[str, Any] | None = None, **query: Any) -> Answer:
        """The answer to a question; a form is posted, as TensorBoard's page does."""
        given = "&" if "?" in path else "?"
        url = f"{self.url}{path}{given + urllib.parse.urlencode(query, doseq=True) if query else ''}"
        data = None if form is None else urllib.parse.urlencode(form, doseq=True).encode()
        return self._answer(urllib.request.Request(url, data))

    def _answer(self, request: urllib.request.Request) -> Answer:
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return Answer(answer.status, answer.headers["Content-Type"], answer.read())
        except urllib.error.HTTPError as error:
            return Answer(error.code, error.headers["Content-Type"], error.read())

    def post(self, path: str, question: Any) -> Answer:
        """The answer to a question in JSON."""
        data = question if isinstance(question, bytes) else json.dumps(question).encode()
        request = urllib.request.Request(self.url + path, data, {"Content-Type": "application/json"})
        return self._answer(request)

    def get(self, path: str, form: dict[str, Any] | None = None, **query: Any) -> Any:
        """JSON that was answered with status 200."""
        answer = self.ask(path, form, **query)
        assert answer.status == 200, (path, answer.body)
        return answer.json()


def started(line: list[str], pattern: str) -> tuple[subprocess.Popen[str], Board]:
    """A server as a process, once it says where it is."""
    process = subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert process.stdout is not None
    said: list[str] = []
    for text in process.stdout:
        said.append(text)
        if found := re.search(pattern, text):
            threading.Thread(target=process.stdout.read, daemon=True).start()  # so that its pipe never fills
            return process, Board(found[1])
    raise AssertionError("".join(said))


def ended(process: subprocess.Popen[str]) -> None:
    process.terminate()
    process.wait(DEADLINE)
    if process.stdout is not None:
        process.stdout.close()


@contextmanager
def tensorboard_on(logdir: Path, *arguments: str) -> Iterator[Board]:
    """TensorBoard, once it knows the runs of a logdir."""
    line = [sys.executable, "-c", TENSORBOARD, "--logdir", str(logdir), "--port", "0", "--host", "127.0.0.1"]
    process, board = started([*line, "--load_fast=false", *arguments], r"at (http://[^ ]+?)/? \(Press")
    runs = {file.parent.relative_to(logdir).as_posix() for file in logdir.rglob("*tfevents*")}
    try:
        wait_until(lambda: set(board.get("/data/runs")) == runs)
        yield board
    finally:
        ended(process)


@contextmanager
def viewer_on(logdir: Path, *arguments: str) -> Iterator[Board]:
    """The viewer, once it has read a logdir."""
    line = [sys.executable, "-m", "tallyboard.viewer", "--logdir", str(logdir), "--port", "0", "--cache", "off"]
    process, board = started([*line, *arguments], r"at (http://[^ ]+?)/ \(")
    try:
        wait_until(lambda: board.get("/api/runs")["state"] == "ready")
        yield board
    finally:
        ended(process)


def wait_until(condition: Any) -> None:
    """Poll until something is true."""
    end = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < end, "it never came true"
        threading.Event().wait(0.1)
