"""Logdirs that grow while somebody looks: a page's delay, and what a crowd of clients costs."""

from __future__ import annotations

import asyncio
import json
import shutil
import struct
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

import tallyboard as tb

__all__ = ["live", "load"]


class Served(Protocol):
    """A server that runs."""

    url: str
    process: Any

    def html(self) -> float: ...


Serve = Callable[[Path], AbstractContextManager[Any]]

WATCH = """() => {
    const root = document.querySelector('.chart[data-tag="loss"]');
    window.seen = {};
    new MutationObserver(() => { window.seen[root.dataset.points] ??= Date.now() / 1000; })
        .observe(root, { attributes: true, attributeFilter: ["data-points"] });
}"""


def live(logdir: Path, serve: Serve, page: Any, count: int, others: int = 99) -> list[float]:
    """Seconds from each of `count` writes of one run to the picture, in order of size.

    Others grow ten times a second meanwhile. The page shows the one run; it hears of all.
    """
    shutil.rmtree(logdir, ignore_errors=True)
    writers = [tb.SummaryWriter(logdir / f"other{i:02}") for i in range(others)]
    watched = tb.SummaryWriter(logdir / "watched")
    over = threading.Event()

    def grow() -> None:
        step = 0
        while not over.wait(0.1):
            for writer in writers:
                writer.add_scalar("loss", 1.0, step)
            step += 1

    delays: list[float] = []
    watched.add_scalar("loss", 1.0, 0)
    watched.flush()
    growing = threading.Thread(target=grow, daemon=True)
    with serve(logdir) as server:
        server.html()
        growing.start()
        page.goto(f"{server.url}#only=watched")
        page.wait_for_selector('.chart[data-tag="loss"][data-points="1"]')
        page.evaluate(WATCH)
        for at in range(2, count + 2):
            written = time.time()
            watched.add_scalar("loss", 1.0, at)
            watched.flush()
            page.wait_for_selector(f'.chart[data-tag="loss"][data-points="{at}"]')
            delays.append(page.evaluate(f"() => window.seen[{at}]") - written)
        over.set()
        growing.join()
    for writer in (*writers, watched):
        writer.close()
    return sorted(delays)


RUNS, TAGS, CLIENTS, CARDS, RATE = 1_000, 12, 100, 12, 100


def load(logdir: Path, serve: Serve, seconds: float) -> dict[str, float]:
    """What a hundred clients get that each follow twelve charts of a thousand runs, 100 points a second in all."""
    shutil.rmtree(logdir, ignore_errors=True)
    writers = [tb.SummaryWriter(logdir / f"run{i:04}") for i in range(RUNS)]
    for writer in writers:
        for tag in range(TAGS):
            writer.add_scalar(f"metric_{tag}", 1.0, 0)
        writer.flush()
    over = threading.Event()
    written = [1] * TAGS  # of the first run, which all clients follow to the end

    def grow() -> None:
        at, began = 0, time.monotonic()
        while not over.is_set():
            while at < (time.monotonic() - began) * RATE:
                run, tag = at % RUNS if at % 10 else 0, at % TAGS
                writers[run].add_scalar(f"metric_{tag}", 1.0, at + 1)
                written[tag] += run == 0
                at += 1
            over.wait(0.01)

    growing = threading.Thread(target=grow, daemon=True)
    with serve(logdir) as server:
        server.html()
        growing.start()
        result = asyncio.run(_crowd(server, seconds, over, growing, written))
    for writer in writers:
        writer.close()
    return result


async def _crowd(
    server: Served, seconds: float, over: threading.Event, growing: threading.Thread, written: list[int]
) -> dict[str, float]:
    import aiohttp

    took: list[float] = []
    held = [dict[tuple[str, str], int]() for _ in range(CLIENTS)]
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(None)) as session:
        while True:
            async with session.get(f"{server.url}api/runs") as answer:
                index = await answer.json()
            if index["state"] == "ready" and len(index["runs"]) == RUNS:
                break
            await asyncio.sleep(0.2)
        clients = [asyncio.create_task(_client(session, server.url, index["version"], mine, took)) for mine in held]
        await asyncio.sleep(seconds)
        memory = _resident(server.process.pid)
        over.set()
        growing.join()
        deadline = time.monotonic() + 10
        while _missed(held, written) and time.monotonic() < deadline:
            await asyncio.sleep(0.1)
        for client in clients:
            client.cancel()
        await asyncio.gather(*clients, return_exceptions=True)
    took.sort()
    return {
        "p99": took[int(len(took) * 0.99)] * 1e3,
        "memory": memory,
        "missed": float(_missed(held, written)),
        "answers": len(took) / seconds,
    }


def _missed(held: list[dict[tuple[str, str], int]], written: list[int]) -> int:
    """Most points of the first run that any client lacks."""
    return max(
        written[tag] - mine.get(("run0000", f"metric_{tag}"), 1) for mine in held for tag in range(min(TAGS, CARDS))
    )


async def _client(session: Any, url: str, version: int, held: dict[tuple[str, str], int], took: list[float]) -> None:
    """Follows the news, and asks for what is new of twelve tags, as the page does."""
    shown = {f"metric_{tag}" for tag in range(CARDS)}
    async with session.get(f"{url}api/live?since={version}") as stream:
        async for line in stream.content:
            if not line.startswith(b"data:"):
                continue
            news = json.loads(line[5:])
            wanted = [(run, tag) for run, tag, *_ in news.get("series") or () if tag in shown]
            if not wanted:
                continue
            series = [{"run": run, "tag": tag, "since": held.get((run, tag), 1)} for run, tag in wanted]
            began = time.perf_counter()
            async with session.post(f"{url}api/scalars", json={"series": series}) as answer:
                frame = await answer.read()
            took.append(time.perf_counter() - began)
            header = json.loads(frame[8 : 8 + struct.unpack("<I", frame[4:8])[0]])
            for entry in header["series"]:
                held[entry["run"], entry["tag"]] = entry["total"]


def _resident(process: int) -> float:
    """Megabytes."""
    with open(f"/proc/{process}/statm") as file:
        return int(file.read().split()[1]) * 4096 / 1e6
