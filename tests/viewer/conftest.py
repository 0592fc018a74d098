"""A store the test fills, a server around it, and the command as a process."""

from __future__ import annotations

import asyncio
import http.client
import json
import queue
import select
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from aiohttp import web

from tallyboard.core.store import Store
from tallyboard.viewer.app import make_app

DEADLINE = 60.0
"""Seconds any wait may take: far more than any needs, on a machine however slow and busy."""


def put(
    store: Store, run: str, tag: str, values: Any, *, steps: Any = None, walls: Any = None, wide: bool = False
) -> None:
    """Offer points of one series and publish them, as the reader's thread would."""
    value = np.asarray(values, np.float64)
    step = np.arange(len(value)) if steps is None else np.asarray(steps)
    wall = np.arange(len(value)) + 0.5 if walls is None else np.asarray(walls)
    store.offer_run(run)
    store.offer_scalars(run, tag, step.astype(np.int64), wall.astype(np.float64), value, wide)
    store.publish("ready")


@dataclass
class Answer:
    """An HTTP answer, read whole."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Served:
    """A server on a port, and ways to talk to it."""

    port: int
    app: web.Application | None = None
    runner: web.AppRunner | None = None
    stop: Callable[[], Any] = lambda: None

    def request(
        self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=DEADLINE)
        try:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            return Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    def get(self, path: str, **headers: str) -> Answer:
        return self.request("GET", path, headers={name.replace("_", "-"): v for name, v in headers.items()})

    def scalars(self, *series: tuple[str, str, int]) -> Answer:
        asked = [{"run": run, "tag": tag, "since": since} for run, tag, since in series]
        return self.post("/api/scalars", json.dumps({"series": asked}).encode())

    def post(self, path: str, body: bytes, **headers: str) -> Answer:
        given = {name.replace("_", "-"): v for name, v in headers.items()}
        return self.request("POST", path, body, {"Content-Type": "application/json", **given})

    def raw(self, request: bytes) -> Answer:
        """Send bytes as they are, and read until the server closes or the answer is complete."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=DEADLINE) as peer:
            peer.sendall(request)
            answer = http.client.HTTPResponse(peer, method=request.split(b" ")[0].decode("latin-1"))
            answer.begin()
            return Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())

    def events(self, query: str = "", **headers: str) -> EventStream:
        return EventStream(self.port, query, {name.replace("_", "-"): v for name, v in headers.items()})


@dataclass
class Event:
    """One server-sent event; a comment has the name ":"."""

    name: str
    id: str = ""
    data: Any = None


class EventStream:
    """A client of /api/live, reading one event at a time."""

    def __init__(self, port: int, query: str, headers: dict[str, str]) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=DEADLINE)
        self._connection.request("GET", f"/api/live{query}", headers=headers)
        self.answer = self._connection.getresponse()

    def next(self) -> Event:
        lines: list[str] = []
        while line := self.answer.readline().decode().rstrip("\n"):
            lines.append(line)
        if not lines:
            raise EOFError("the stream ended")
        if lines[0].startswith(":"):
            return Event(":")
        fields = dict(line.split(": ", 1) for line in lines)
        return Event(fields["event"], fields["id"], json.loads(fields["data"]))

    def next_named(self, name: str) -> Event:
        while (event := self.next()).name != name:
            pass
        return event

    def close(self) -> None:
        self.answer.close()
        self._connection.close()

    def __enter__(self) -> EventStream:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture(name="put")
def _put(store: Store) -> Callable[..., None]:
    """`put(run, tag, values, *, steps, walls, wide)` into `store`."""
    return partial(put, store)


@pytest.fixture
def serve(run_app: Callable[[web.Application], Served]) -> Callable[..., Served]:
    """Start the viewer's application around a store."""
    return lambda store, **options: run_app(make_app(store, **{"logdir": "runs", **options}))


@contextmanager
def apps() -> Iterator[Callable[[web.Application], Served]]:
    """Start applications, each on a port of its own, in a thread; all are stopped at the end."""
    running: list[tuple[Served, threading.Thread]] = []

    def start(app: web.Application) -> Served:
        up: queue.Queue[Served] = queue.Queue()
        thread = threading.Thread(target=lambda: asyncio.run(_run(app, up)))
        thread.start()
        served = up.get(timeout=DEADLINE)
        running.append((served, thread))
        return served

    yield start
    for served, thread in running:
        served.stop()
        thread.join(DEADLINE)
        assert not thread.is_alive()


@pytest.fixture
def run_app() -> Iterator[Callable[[web.Application], Served]]:
    """Start an application, see `apps`."""
    with apps() as start:
        yield start


async def _run(app: web.Application, up: queue.Queue[Served]) -> None:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.2)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    up.put(Served(runner.addresses[0][1], app, runner, lambda: loop.call_soon_threadsafe(stopping.set)))
    await stopping.wait()
    await runner.cleanup()


@pytest.fixture
def served(serve: Callable[..., Served], store: Store) -> Served:
    """The application around `store`."""
    return serve(store)


def decode_frame(frame: bytes) -> list[dict[str, Any]]:
    """Read a TLY1 frame by its description, sharing nothing with the encoder."""
    assert frame[:4] == b"TLY1"
    (size,) = struct.unpack("<I", frame[4:8])
    assert (8 + size) % 8 == 0
    header = json.loads(frame[8 : 8 + size])
    assert (header["v"], header["order"]) == (1, "little")
    columns = frame[8 + size :]
    assert len(columns) % 8 == 0
    read: list[dict[str, Any]] = []
    for series in header["series"]:
        numbers = _numbers(series, columns)
        if buckets := series.get("buckets"):
            series["buckets"] = {**buckets, **_numbers(buckets, columns)}
        read.append({**series, "at": {name: series[name]["at"] for name in numbers}, **numbers})
    return read


def _numbers(described: dict[str, Any], columns: bytes) -> dict[str, Any]:
    """The columns that `described` names, all of its own length n."""
    numbers: dict[str, Any] = {}
    for name, place in described.items():
        if isinstance(place, dict) and "type" in place:
            at, kind = place["at"], place["type"]
            assert at % 8 == 0
            numbers[name] = np.frombuffer(columns, f"<{kind}", described["n"], at)
    return numbers


@pytest.fixture(name="decode_frame", scope="session")
def _decode_frame() -> Callable[[bytes], list[dict[str, Any]]]:
    return decode_frame


@dataclass
class Command:
    """The command `tallyboard` as a process."""

    process: subprocess.Popen[str]
    line: str = ""
    port: int = 0
    served: Served = field(default_factory=lambda: Served(0))

    def wait_for_line(self) -> None:
        assert self.process.stdout is not None
        ready, _, _ = select.select([self.process.stdout], [], [], DEADLINE)
        assert ready, "no line on stdout"
        self.line = self.process.stdout.readline()
        if "http://localhost:" in self.line:
            self.port = int(self.line.split("http://localhost:")[1].split("/")[0])
            self.served = Served(self.port)

    def finish(self) -> tuple[int, str, str]:
        """Wait for the end; the exit code, and what is left of stdout and stderr."""
        out, err = self.process.communicate(timeout=DEADLINE)
        return self.process.returncode, out, err


@pytest.fixture
def command(tmp_path: Path) -> Iterator[Callable[..., Command]]:
    """Start `python -m tallyboard.viewer` with the arguments given, in `tmp_path`; killed at the end."""
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: str, program: tuple[str, ...] = ("-m", "tallyboard.viewer")) -> Command:
        process = subprocess.Popen(
            [sys.executable, *program, *arguments],
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return Command(process)

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def until() -> Callable[[Callable[[], Any]], Any]:
    """Poll until something is true, and return it; fail after the deadline."""

    def poll(condition: Callable[[], Any]) -> Any:
        end = time.monotonic() + DEADLINE
        while not (found := condition()):
            assert time.monotonic() < end, "it never came true"
            threading.Event().wait(0.01)
        return found

    return poll
