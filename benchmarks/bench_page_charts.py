"""What one chart of 200 runs of a thousand points costs the page: drawn anew, and a move of the pointer over it.

    python benchmarks/bench_page_charts.py [rounds]

Milliseconds of processor time of the page's own thread, in Chromium, as its own metrics count them: scripts, styles,
layout and the painting that the thread does. Needs Playwright and a Chromium, as benchmarks/viewing.py does.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

from logdirs import many_runs
from peers import OURS
from viewing import chromium, commands, page_of, paint, started

__all__ = ["measure_chart"]

RUNS, POINTS, MOVES, REDRAWS = 200, 1_000, 60, 6
MOST = {"drawn anew": 120.0, "a move of the pointer": 16.0}


def busy(session: Any) -> float:
    """Milliseconds that the page's thread has worked so far."""
    metrics = session.send("Performance.getMetrics")["metrics"]
    return 1e3 * next(entry["value"] for entry in metrics if entry["name"] == "TaskDuration")


def settle(page: Any) -> None:
    """Waits until what was asked for has been drawn."""
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")


def measure_chart(page: Any) -> dict[str, float]:
    """One round: the mean of some redraws, and of many moves over the chart."""
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})
    settle(page)
    before = busy(session)
    for _ in range(REDRAWS):
        page.keyboard.press("l")
        settle(page)
    drawn = (busy(session) - before) / REDRAWS
    box = page.locator(".chart").first.bounding_box()
    page.mouse.move(box["x"] + 60, box["y"] + 60)
    settle(page)
    before = busy(session)
    for i in range(MOVES):
        page.mouse.move(box["x"] + 60 + (box["width"] - 90) * i / MOVES, box["y"] + 40 + i)
        settle(page)
    moved = (busy(session) - before) / MOVES
    session.detach()
    return {"drawn anew": drawn, "a move of the pointer": moved}


def main(rounds: int) -> None:
    with tempfile.TemporaryDirectory() as room:
        logdir = Path(room) / "runs"
        many_runs(logdir, 1, RUNS, 1, POINTS)
        with started(commands()[OURS], logdir) as server, chromium() as browser, page_of(browser) as page:
            server.html()
            page.goto(server.url)
            paint(page, True, 1, RUNS)
            found = [measure_chart(page) for _ in range(rounds + 1)][1:]
    print(f"One chart, {RUNS} runs x {POINTS:,} points (ms of the page's thread; median [least .. most])")
    for name, most in MOST.items():
        values = [figures[name] for figures in found]
        low, high = min(values), max(values)
        print(f"  {name:<24} {statistics.median(values):8.1f} [{low:.1f} .. {high:.1f}]   (wanted: under {most:g})")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
