"""What a page of 200 images costs: from its address to the first picture and to all in sight, and the server's memory.

    python benchmarks/bench_images_page.py [--rounds N] [--folder PATH]

20 tags of 10 runs, 20 steps each, 128 x 128 pixels, beside TensorBoard on the same logdir, both read before the page is
opened. Memory is what the server grew by while the page was opened, scrolled to its end and moved through its steps.
"""

from __future__ import annotations

import argparse
import tempfile
import time
import urllib.request
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from peers import OURS
from table import Figure, Row, measure, show
from viewing import PLAIN, Server, chromium, commands, page_of, started

import tallyboard as tb

__all__ = ["measure_page", "memory", "write"]

TAGS, RUNS, STEPS, SIDE = 20, 10, 20, 128
NEEDED = 1.0
"""Seconds in which the first picture has to be painted."""

# TensorBoard's pictures stand in shadow trees.
SHOWN = """(least) => {
    const found = [];
    const walk = (root) => {
        for (const one of root.querySelectorAll("*")) {
            if (one.shadowRoot) walk(one.shadowRoot);
            if (one.tagName === "IMG" && /^blob:|individualImage|imageData/.test(one.src)) found.push(one);
        }
    };
    walk(document);
    return found.filter((one) => one.complete && one.naturalWidth > 0).length >= least;
}"""


def sides_of() -> dict[str, list[str]]:
    """What starts each side."""
    return {name: command for name, command in commands().items() if name in (OURS, PLAIN)}


def write(logdir: Path) -> None:
    """Noise over a gradient: PNGs of about 40 kB, as photographs are."""
    rng = np.random.default_rng(1)
    across = np.linspace(0, 200, SIDE, dtype=np.uint8)
    for run in range(RUNS):
        with tb.SummaryWriter(logdir / f"run{run}") as writer:
            for step in range(STEPS):
                for tag in range(TAGS):
                    pixels = across + rng.integers(0, 55, (3, SIDE, SIDE), np.uint8)
                    writer.add_image(f"layer{tag:02}/output", pixels, step)


def memory(pid: int) -> float:
    """Megabytes that a process holds."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


def read_through(server: Server, path: str, least: int) -> None:
    """Waits until the server has found all tags."""
    end = time.monotonic() + 120
    while time.monotonic() < end:
        try:
            with urllib.request.urlopen(server.url + path, timeout=60) as answer:
                if answer.read().count(b"layer") >= least:
                    return
        except OSError:
            pass
        time.sleep(0.05)
    raise TimeoutError(f"{server.process.args} did not read its logdir")


def measure_page(page: Any, server: Server, ours: bool) -> dict[str, float]:
    """One visit: seconds to a picture and to six of them, and what the server's memory grew by."""
    before = memory(server.process.pid)
    began = time.perf_counter()
    page.goto(server.url + ("#dash=images" if ours else "#images"), wait_until="commit")
    page.wait_for_function(SHOWN, arg=1, polling="raf")
    first = time.perf_counter() - began
    page.wait_for_function(SHOWN, arg=6, polling="raf")
    some = time.perf_counter() - began
    if ours:
        for step in range(8):
            page.keyboard.press(",")
            page.wait_for_function(f"() => !!document.querySelector('img[data-step=\"{STEPS - 2 - step}\"]')")
        for _ in range(12):
            page.evaluate("() => document.querySelector('[data-scroller]').scrollBy(0, 600)")
            page.wait_for_function("() => !document.querySelector('figure[data-state=waiting]')")
    return {
        "first": first,
        "six": some,
        "grown": memory(server.process.pid) - before,
        "memory": memory(server.process.pid),
    }


def rows(folder: Path, rounds: int) -> list[Row]:
    """All figures: both servers are up and have read all, and give a visit each a round."""
    logdir = folder / "images"
    if not logdir.exists():
        write(logdir)
    with ExitStack() as stack:
        browser = stack.enter_context(chromium())
        servers: dict[str, Server] = {}
        for name, command in sides_of().items():
            servers[name] = stack.enter_context(started(command, logdir))
            servers[name].html()
            path, least = ("api/runs", TAGS) if name == OURS else ("data/plugin/images/tags", TAGS * RUNS)
            read_through(servers[name], path, least)

        def side(name: str) -> dict[str, float]:
            with page_of(browser) as page:
                return measure_page(page, servers[name], name == OURS)

        result = measure({name: lambda n=name: side(n) for name in servers}, rounds)
    return [
        Row(Figure("page to the first picture", "s", "first", most=NEEDED), result),
        Row(Figure("page to six pictures", "s", "six"), result),
        Row(Figure("what a visit left in the server's memory", "MB", "grown", most=4.0), {OURS: result[OURS]}),
        Row(Figure("the server's memory", "MB", "memory"), result),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="where the logdir is kept for the next time")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as room:
        folder = given.folder or Path(room)
        folder.mkdir(parents=True, exist_ok=True)
        show("Images on the page", list(sides_of()), [("images", lambda: rows(folder, given.rounds))])


if __name__ == "__main__":
    main()
