"""A thousand clients at once, and those that mean no good: everybody is answered, and nobody waits for another."""

from __future__ import annotations

import asyncio
import json
import os
import resource
import socket
from collections.abc import Callable
from typing import Any

import pytest

pytestmark = pytest.mark.skipif(os.name == "nt", reason="counts descriptors as POSIX does")

CROWD = 1_000


@pytest.fixture
def descriptors() -> None:
    """Enough for both ends of a thousand connections, in one process."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 4 * CROWD:
        pytest.skip("no process may open so many connections here")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 4 * CROWD), hard))


def resident() -> float:
    """Megabytes of this process."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


@pytest.mark.usefixtures("descriptors")
def test_a_thousand_clients_hear_of_a_point(put: Callable[..., None], served: Any) -> None:
    """Each of a thousand streams is told of one new point, for little memory, and the page is answered meanwhile."""
    put("a", "loss", [1.0])
    before = resident()

    async def client(told: list[int], ready: asyncio.Event) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        writer.write(b"GET /api/live HTTP/1.1\r\nHost: localhost\r\n\r\n")
        async for line in reader:
            if line.startswith(b"event: hello"):
                told[0] += 1
                if told[0] == CROWD:
                    ready.set()
            if line.startswith(b"data:") and b'"loss",3' in line.replace(b" ", b""):
                break
        told[1] += 1
        writer.close()

    async def play() -> tuple[list[int], float]:
        told, ready = [0, 0], asyncio.Event()
        clients = [asyncio.create_task(client(told, ready)) for _ in range(CROWD)]
        await asyncio.wait_for(ready.wait(), 240)
        grown = resident() - before
        await asyncio.to_thread(put, "a", "loss", [2.0, 3.0])
        answer = await asyncio.to_thread(served.get, "/api/runs")
        assert answer.status == 200
        await asyncio.wait_for(asyncio.gather(*clients), 240)
        return told, grown

    told, grown = asyncio.run(play())
    assert told == [CROWD, CROWD]
    assert grown < 100  # both ends of each, in this process


def test_clients_that_send_half_a_request_keep_nobody_waiting(put: Callable[..., None], served: Any) -> None:
    """Two hundred that begin a request and never end it: the next one is answered as ever."""
    put("a", "loss", [1.0])
    halves = [socket.create_connection(("127.0.0.1", served.port)) for _ in range(200)]
    for half in halves:
        half.sendall(b"POST /api/scalars HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Le")
    assert json.loads(served.get("/api/runs").body)["runs"][0]["name"] == "a"
    for half in halves:
        half.close()
