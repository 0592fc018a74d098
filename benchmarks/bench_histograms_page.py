"""Histograms of 100 tags x 1,000 steps on the page, beside TensorBoard on the same logdir.

    python benchmarks/bench_histograms_page.py [--rounds N] [--folder PATH]

Seconds from the command to the first histogram's picture, seconds from opening the page of a server that has read all,
and what memory the server's processes hold together when the first cards are there. A step has 30 buckets, as
`tf.summary` writes it. TensorBoard keeps a sample of the steps (a hundred of each tag, where its data server is
installed), ours has them all; so TensorBoard is run once more with all steps kept. Needs Playwright and a Chromium, as
benchmarks/viewing.py does.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
import urllib.error
import urllib.request
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from peers import OURS
from table import Figure, Figures, Row, measure, show
from viewing import PATIENCE, PLAIN, Server, chromium, commands, page_of, started

import tallyboard as tb

__all__ = ["memory_of", "write"]

TAGS, STEPS = 100, 1_000
ALL = "all steps kept"
PAINTED = {True: '.chart[data-kind="ridge"][data-points]', False: "vz-histogram-timeseries .histogram path"}


def sides_of() -> dict[str, list[str]]:
    """What starts each side."""
    found = {name: command for name, command in commands().items() if name in (OURS, PLAIN)}
    if PLAIN in found:
        found[ALL] = [*found[PLAIN], "--samples_per_plugin", "histograms=0"]
    return found


def write(logdir: Path, tags: int = TAGS, steps: int = STEPS) -> None:
    """One run of wandering normal values."""
    values = np.random.default_rng(1).normal(size=500)
    with tb.SummaryWriter(logdir / "run") as writer:
        for step in range(steps):
            for tag in range(tags):
                writer.add_histogram(f"layer{tag:03}/weights", values * (1 + tag / 50) + step / steps, step, bins=30)


def memory_of(process: int) -> float:
    """MB that a process and all below it hold, memory they share counted once."""
    children = Path(f"/proc/{process}/task").glob("*/children")
    total = sum(memory_of(int(child)) for listed in children for child in listed.read_text().split())
    rollup = Path(f"/proc/{process}/smaps_rollup").read_text()
    return total + next(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:")) / 1024


def has_all(server: Server, ours: bool) -> bool:
    """Whether the server has read the last tag's last step."""
    if ours:
        with urllib.request.urlopen(f"{server.url}api/runs") as answer:
            counted = json.load(answer)["series"].get("histograms", {})
        return len(counted) == TAGS and all(points == STEPS for ((_, points),) in counted.values())
    query = f"run=run&tag=layer{TAGS - 1:03}/weights"
    try:
        with urllib.request.urlopen(f"{server.url}data/plugin/histograms/histograms?{query}") as answer:
            return json.load(answer)[-1][1] == STEPS - 1
    except urllib.error.HTTPError:
        return False


def open_page(page: Any, server: Server, ours: bool) -> float:
    """Shows the dashboard; returns the seconds until the first picture."""
    began = time.perf_counter()
    page.goto(f"{server.url}#{'dash=' if ours else ''}histograms", wait_until="commit")
    page.locator(PAINTED[ours]).first.wait_for(state="attached")
    return time.perf_counter() - began


def side(browser: Any, command: list[str], logdir: Path, ours: bool) -> Figures:
    """One round of one side."""
    with ExitStack() as stack:
        server = stack.enter_context(started(command, logdir))
        server.html()
        with page_of(browser) as page:
            open_page(page, server, ours)
            first = time.perf_counter() - server.began
        while not has_all(server, ours):
            if time.perf_counter() - server.began > PATIENCE:
                raise TimeoutError(f"{command} does not read all of {logdir}")
            time.sleep(0.2)
        with page_of(browser) as page:
            opened = open_page(page, server, ours)
            return {"first": first, "opened": opened, "memory": memory_of(server.process.pid)}


def rows(folder: Path, rounds: int) -> list[Row]:
    """All figures."""
    logdir = folder / "histograms"
    if not logdir.exists():
        write(logdir)
    with chromium() as browser:
        sides = {
            name: lambda n=name, c=command: side(browser, c, logdir, n == OURS) for name, command in sides_of().items()
        }
        result = measure(sides, rounds, warm=False)
    peers = [name for name in result if name != OURS]
    return [
        Row(Figure("start to the first histogram", "s", "first", dict.fromkeys(peers, 3.0)), result),
        Row(Figure("page to the first histogram, all read", "s", "opened", dict.fromkeys(peers, 3.0)), result),
        Row(Figure("the server's memory", "MB", "memory", dict.fromkeys(peers, 5.0)), result),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="where the logdir is kept for the next time")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as room:
        folder = given.folder or Path(room)
        folder.mkdir(parents=True, exist_ok=True)
        parts = [("histograms", lambda: rows(folder, given.rounds))]
        show("Histograms on the page", list(sides_of()), parts)


if __name__ == "__main__":
    main()
