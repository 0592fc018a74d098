"""What looking costs: from the command to the picture, in a real browser, beside TensorBoard on the same logdir.

    python benchmarks/viewing.py [--rounds N] [--folder PATH] [PART ...]

Without a part, everything; the parts are `start`, `runs`, `cards`, `live` and `load`. Needs Playwright and a Chromium
(the one that CHROMIUM names, else the first on the PATH). TensorBoard is started as its command does, once with
TensorFlow kept from it and, where that is installed, once with it. Its page does not tick the runs of a logdir with
more than forty; there, one click of ours ticks them all as soon as the page lets it.
"""

from __future__ import annotations

import argparse
import http.client
import importlib.util
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from following import live, load
from logdirs import many_runs
from peers import OURS
from table import Figure, Figures, Row, measure, show
from timeline import CATEGORIES, scripts_and_painting

PLAIN, WITH = "TensorBoard", "with TensorFlow"
ROUNDS = 5
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
START = "from tensorboard.main import run_main; run_main()"
PATIENCE = 300.0


def commands() -> dict[str, list[str]]:
    """What starts each side, without its logdir and port."""
    found = {OURS: [sys.executable, "-m", "tallyboard.viewer", "--cache", "off"]}
    if importlib.util.find_spec("tensorboard"):
        hidden = f"import sys; sys.modules['tensorflow'] = None; {START}"
        found[PLAIN] = [sys.executable, "-c", hidden]
        if importlib.util.find_spec("tensorflow"):
            found[WITH] = [sys.executable, "-c", START]
    return found


@dataclass
class Server:
    """A server that was just started: when, and where it will be."""

    port: int
    began: float
    process: subprocess.Popen[bytes]

    @property
    def url(self) -> str:
        """Its page."""
        return f"http://localhost:{self.port}/"

    def html(self) -> float:
        """Waits for the first page; returns the seconds since the start."""
        while time.perf_counter() - self.began < PATIENCE:
            try:
                connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
                connection.request("GET", "/")
                answer = connection.getresponse()
                if answer.status == 200 and b"<html" in answer.read().lower():
                    return time.perf_counter() - self.began
            except OSError:
                time.sleep(0.003)
        raise TimeoutError(f"{self.process.args} does not answer")


@contextmanager
def started(command: list[str], logdir: Path) -> Iterator[Server]:
    """Runs a server on a logdir, for as long as the block lasts."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    began = time.perf_counter()
    process = subprocess.Popen(
        [*command, "--logdir", str(logdir), "--port", str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        yield Server(port, began, process)
    finally:
        process.terminate()
        process.wait()


@contextmanager
def chromium() -> Iterator[Any]:
    """A browser."""
    from playwright.sync_api import sync_playwright

    path = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, BROWSERS)), None)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


@contextmanager
def page_of(browser: Any, width: int = 1440, height: int = 900) -> Iterator[Any]:
    """An empty page of a profile that knows nothing."""
    context = browser.new_context(viewport={"width": width, "height": height})
    context.set_default_timeout(PATIENCE * 1000)
    yield context.new_page()
    context.close()


# Our charts say how many lines they have; TensorBoard's axes show steps up to one only while nothing is drawn.
PAINTED = {
    True: """([cards, lines]) => {
        const drawn = [...document.querySelectorAll('.chart')].filter(
            (chart) => chart.dataset.runs == lines && chart.dataset.points > 0);
        return drawn.length >= cards;
    }""",
    False: """([cards]) => {
        const numbers = (axis) => (axis.textContent.match(/[0-9][0-9,.]*/g) || []).map((text) =>
            parseFloat(text.replace(/,/g, '')));
        const drawn = [...document.querySelectorAll('line-chart-axis')].filter((axis) =>
            numbers(axis).some((number) => number >= 20));
        return drawn.length >= cards;
    }""",
}


def paint(page: Any, ours: bool, cards: int, lines: int) -> None:
    """Waits until so many charts show so many lines each."""
    page.wait_for_function(PAINTED[ours], arg=[cards, lines], polling="raf")


def tick_all(page: Any) -> None:
    """Ticks all runs of TensorBoard's page."""
    page.locator("runs-data-table mat-checkbox input").first.click(force=True)


def start(folder: Path, rounds: int) -> list[Row]:
    """From the command to HTML, and to a chart of one run."""
    logdir = folder / "one"
    if not logdir.exists():
        many_runs(logdir, 1, 1, 10, 1_000)
    with chromium() as browser:

        def side(name: str, command: list[str]) -> Figures:
            with page_of(browser) as page, started(command, logdir) as server:
                html = server.html()
                page.goto(server.url, wait_until="commit")
                paint(page, name == OURS, 1, 1)
                return {"html": html, "usable": time.perf_counter() - server.began}

        sides = {name: lambda n=name, c=command: side(n, c) for name, command in commands().items()}
        result = measure(sides, rounds)
    times = {PLAIN: 3.0, WITH: 10.0}
    return [
        Row(Figure("start to first HTML", "s", "html", times), result),
        Row(Figure("start to a chart, 1 run", "s", "usable", times), result),
    ]


def runs(folder: Path, rounds: int) -> list[Row]:
    """From the command to charts of a thousand runs."""
    logdir = folder / "thousand"
    if not logdir.exists():
        many_runs(logdir, 1)
    with chromium() as browser:

        def side(name: str, command: list[str]) -> Figures:
            with page_of(browser) as page, started(command, logdir) as server:
                server.html()
                page.goto(server.url, wait_until="commit")
                if name != OURS:
                    tick_all(page)
                paint(page, name == OURS, 1, 1_000)
                first = time.perf_counter() - server.began
                visible = 6 if name == OURS else 4
                paint(page, name == OURS, visible, 1_000)
                return {"first": first, "all": time.perf_counter() - server.began}

        sides = {name: lambda n=name, c=command: side(n, c) for name, command in commands().items() if name != WITH}
        result = measure(sides, max(1, rounds // 2), warm=False)
    return [
        Row(Figure("start to the first chart of 1,000 runs", "s", "first", {PLAIN: 5.0}), result),
        Row(Figure("start to all visible cards of 1,000 runs", "s", "all", most=2.0), result),
    ]


def renderers(session: Any) -> dict[int, float]:
    """Milliseconds that each process of pages was busy with so far, all of its threads together."""
    found = session.send("SystemInfo.getProcessInfo")["processInfo"]
    return {process["id"]: process["cpuTime"] * 1e3 for process in found if process["type"] == "renderer"}


def cards(folder: Path, rounds: int) -> list[Row]:
    """What fifty charts of twenty runs of a thousand points keep the browser busy with."""
    logdir = folder / "fifty"
    if not logdir.exists():
        many_runs(logdir, 1, 20, 50, 1_000)
    with chromium() as browser:
        servers = {name: started(command, logdir) for name, command in commands().items() if name != WITH}
        opened = {name: server.__enter__() for name, server in servers.items()}
        for server in opened.values():
            server.html()
        processes = browser.new_browser_cdp_session()

        def side(name: str) -> Figures:
            with page_of(browser, 1440, 9_000) as page:
                before = renderers(processes)
                session = page.context.new_cdp_session(page)
                session.send("Performance.enable", {"timeDomain": "threadTicks"})
                page.goto(opened[name].url, wait_until="commit")
                paint(page, name == OURS, 50 if name == OURS else 24, 20)
                found = {entry["name"]: entry["value"] for entry in session.send("Performance.getMetrics")["metrics"]}
                whole = max(busy - before.get(process, 0.0) for process, busy in renderers(processes).items())
            with page_of(browser, 1440, 9_000) as page:
                browser.start_tracing(page=page, categories=CATEGORIES)
                page.goto(opened[name].url, wait_until="commit")
                paint(page, name == OURS, 50 if name == OURS else 24, 20)
                drawn = scripts_and_painting(browser.stop_tracing())
            return {
                "drawn": drawn,
                "task": found["TaskDuration"] * 1e3,
                "script": found["ScriptDuration"] * 1e3,
                "whole": whole,
            }

        result = measure({name: lambda n=name: side(n) for name in opened}, rounds)
        for server in servers.values():
            server.__exit__(None, None, None)
    return [
        Row(Figure("50 cards x 20 runs x 1,000 points: scripts", "ms", "script"), result),
        Row(Figure("the same: scripts and painting, by the timeline", "ms", "drawn", most=400.0), result),
        Row(Figure("the same: all that the page's thread did", "ms", "task"), result),
        Row(Figure("the same: its process, workers and raster too", "ms", "whole"), result),
    ]


def watch(folder: Path, rounds: int) -> list[Row]:
    """From a point's write to its pixel, while a hundred runs grow."""
    with chromium() as browser, page_of(browser) as page:
        delays = live(folder / "growing", lambda path: started(commands()[OURS], path), page, 20 * rounds)
    figures: Figures = {"median": delays[len(delays) // 2], "p95": delays[int(len(delays) * 0.95)]}
    result = {OURS: [figures]}
    return [
        Row(Figure("a point to its pixel, 100 runs growing: median", "s", "median"), result),
        Row(Figure("the same: 95th of a hundred", "s", "p95", most=1.0), result),
    ]


def crowd(folder: Path, rounds: int) -> list[Row]:
    """A hundred clients that follow twelve charts of a thousand runs."""
    figures = load(folder / "crowd", lambda path: started(commands()[OURS], path), 4.0 * rounds)
    result = {OURS: [figures]}
    return [
        Row(Figure("100 clients x 12 cards, 1,000 runs: answers, 99th", "ms", "p99", most=250.0), result),
        Row(Figure("the same: memory of the server", "MB", "memory", most=300.0), result),
        Row(Figure("the same: points that a client missed", "", "missed", most=0.0), result),
        Row(Figure("the same: answers a second", "", "answers"), result),
    ]


PARTS: dict[str, Callable[[Path, int], list[Row]]] = {
    "start": start,
    "runs": runs,
    "cards": cards,
    "live": watch,
    "load": crowd,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--folder", type=Path, help="where logdirs are kept for the next time")
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], metavar="PART")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as room:
        folder = given.folder or Path(room)
        folder.mkdir(parents=True, exist_ok=True)
        tables = [(name, lambda n=name: PARTS[n](folder, given.rounds)) for name in given.parts or PARTS]
        show("Looking", list(commands()), tables)


if __name__ == "__main__":
    main()
