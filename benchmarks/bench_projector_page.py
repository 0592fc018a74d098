"""What an embedding of 100,000 points costs on the page: its first drawing, drawings as it is turned; and UMAP.

    python benchmarks/bench_projector_page.py [--rounds N] [--folder PATH] [--patience SECONDS] [PART ...]

Parts are `orbit` and `umap`; without one, both. Orbit stands beside TensorBoard's projector on the same logdir in the
same Chromium, whose WebGL is the processor's; drawings are counted where WebGL is called. TensorBoard is also given
what ours is: all points (it draws the first 100,000 rows, and takes its components from fewer). Where it draws nothing
while `--patience` lasts, the output says what it did and for how long, and its column stays empty. UMAP is ours alone:
10,000 rows of 128 numbers, from its start to the last epoch, with progress counted and a stop timed.
"""

from __future__ import annotations

import argparse
import tempfile
import time
import urllib.request
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from bench_meshes_page import PLACE, chromium, sides_of
from peers import OURS
from table import Figure, Figures, Row, measure, show
from viewing import PLAIN, Server, commands, page_of, started

import tallyboard as tb

__all__ = ["measure_page", "write"]

POINTS, COLUMNS = 100_000, 50
LAID_OUT, LAID_OUT_COLUMNS = 10_000, 128
SECONDS = 5.0
"""How long the points are turned."""

COUNTED = """(() => {
    window.drawings = 0;
    window.drawn = 0;
    for (const kind of [WebGLRenderingContext, WebGL2RenderingContext]) {
        const draw = kind.prototype.drawArrays;
        kind.prototype.drawArrays = function (mode, first, count) {
            if (mode === 0 && count > 1_000 && this.getParameter(this.FRAMEBUFFER_BINDING) === null) {
                window.drawings++;
                window.drawn = count;
            }
            return draw.call(this, mode, first, count);
        };
        const elements = kind.prototype.drawElements;
        kind.prototype.drawElements = function (mode, count, ...more) {
            if (mode === 0 && count > 1_000 && this.getParameter(this.FRAMEBUFFER_BINDING) === null) {
                window.drawings++;
                window.drawn = count;
            }
            return elements.call(this, mode, count, ...more);
        };
    }
})()"""

MESSAGES = """() => {
    const found = [];
    const look = (root) => {
        for (const one of root.querySelectorAll("*")) {
            if (one.id === "notification-msg" || one.id === "notify-msgs") found.push(one.textContent);
            if (one.shadowRoot) look(one.shadowRoot);
        }
    };
    look(document);
    return found.join(" ").trim();
}"""


def write(logdir: Path, rows: int, columns: int) -> None:
    """Twenty heaps."""
    random = np.random.default_rng(0)
    heap = np.arange(rows) % 20
    vectors = 3 * random.standard_normal((20, columns))[heap] + random.standard_normal((rows, columns))
    with tb.SummaryWriter(logdir / "run") as writer:
        writer.add_scalar("loss", 1.0, 0)
        writer.add_embedding(vectors.astype(np.float32), [f"heap {each}" for each in heap], tag="heaps")


def measure_page(browser: Any, server: Server, ours: bool, patience: float) -> dict[str, float]:
    """One visit: seconds to the first drawing, and drawings a second while the points are dragged around.

    Raises:
        TimeoutError: nothing was drawn; the text says what the page did meanwhile.
    """
    with page_of(browser) as page:
        page.add_init_script(COUNTED)
        began = time.perf_counter()
        # TensorBoard's projector is a frame; opened by itself it is the same page.
        path = "#dash=projector" if ours else "data/plugin/projector/projector_binary.html"
        page.goto(server.url + path, wait_until="commit")
        told = ""
        while not page.evaluate("() => window.drawings > 0"):
            told = (not ours and page.evaluate(MESSAGES)) or told
            waited = time.perf_counter() - began
            if waited > patience:
                raise TimeoutError(f"nothing drawn in {waited:.0f} s; it last said {told!r}")
            page.wait_for_timeout(50)
        first = time.perf_counter() - began
        x, y = page.evaluate(PLACE)
        page.mouse.move(x, y)
        page.mouse.down()
        before, start, moved = page.evaluate("() => window.drawings"), time.perf_counter(), 0
        while time.perf_counter() < start + SECONDS:
            moved += 1
            page.mouse.move(x + 40 * np.sin(moved / 5), y + 20 * np.cos(moved / 7))
        drawings, drawn = page.evaluate("() => [window.drawings, window.drawn]")
        rate = (drawings - before) / (time.perf_counter() - start)
        page.mouse.up()
        return {"first": first, "rate": rate, "points": drawn, "flow": rate * drawn}


def read_through(server: Server, path: str) -> None:
    """Waits until the server has found the embedding."""
    end = time.monotonic() + 120
    while time.monotonic() < end:
        with urllib.request.urlopen(server.url + path, timeout=120) as answer:
            if b"run" in answer.read():
                return
        time.sleep(0.05)
    raise TimeoutError(f"{server.process.args} did not read its logdir")


def orbit(folder: Path, rounds: int, patience: float) -> list[Row]:
    """Both servers are up and have read all, and give a visit each a round."""
    logdir = folder / "points"
    if not logdir.exists():
        write(logdir, POINTS, COLUMNS)
    with ExitStack() as stack:
        browser = stack.enter_context(chromium())
        servers: dict[str, Server] = {}
        for name, command in sides_of().items():
            servers[name] = stack.enter_context(started(command, logdir))
            servers[name].html()
            read_through(servers[name], "api/projector" if name == OURS else "data/plugin/projector/runs")
        sides: dict[str, Callable[[], Figures]] = {}
        for name, server in servers.items():
            side = lambda s=server, o=name == OURS: measure_page(browser, s, o, patience)  # noqa: E731
            try:
                print(f"   {name}, not counted: {side()}", flush=True)
            except TimeoutError as error:
                print(f"   {name}: {error}", flush=True)
                continue
            sides[name] = side
        result = measure(sides, rounds, warm=False)
    return [
        Row(Figure("page to the first points", "s", "first", times={PLAIN: 1}), result),
        Row(Figure("points that are drawn", "", "points", rate=True), result),
        Row(Figure("drawings while they are turned", "a second", "rate", rate=True, times={PLAIN: 1}), result),
        Row(Figure("points drawn then", "a second", "flow", rate=True, times={PLAIN: 1}), result),
    ]


def umap(folder: Path, rounds: int, patience: float) -> list[Row]:
    """Ours alone: until the last epoch, how often it was told how far it is, and until a stop has stopped it."""
    logdir = folder / "laid out"
    if not logdir.exists():
        write(logdir, LAID_OUT, LAID_OUT_COLUMNS)
    with ExitStack() as stack:
        browser = stack.enter_context(chromium())
        server = stack.enter_context(started(commands()[OURS], logdir))
        server.html()
        read_through(server, "api/projector")

        def side() -> Figures:
            with page_of(browser) as page:
                return measure_umap(page, server, patience)

        result = measure({OURS: side}, rounds, warm=False)
    return [
        Row(Figure("UMAP of 10,000 x 128 in the browser", "s", "whole", most=40), result),
        Row(Figure("the same: of one processor, the pictures' painting too", "s", "cpu"), result),
        Row(Figure("the same: pictures on the way", "", "told", least=10), result),
        Row(Figure("the same: from Stop to its end", "s", "stop", most=1), result),
    ]


def measure_umap(page: Any, server: Server, patience: float) -> dict[str, float]:
    """One layout that ends, and one that is stopped at its half."""
    page.add_init_script(
        """(() => {
            const Given = Worker;
            window.told = 0;
            window.workers = 0;
            window.Worker = class extends Given {
                constructor(...all) {
                    super(...all);
                    window.workers++;
                    this.addEventListener("message", ({ data }) => (window.told += data.epoch ? 1 : 0));
                }
                terminate() {
                    window.workers--;
                    super.terminate();
                }
            };
        })()"""
    )
    page.goto(server.url + "#dash=projector&pj=umap", wait_until="commit")
    session = page.context.browser.new_browser_cdp_session()
    stop, run = (page.get_by_role("button", name=name, exact=True) for name in ("Stop", "Run"))
    stop.wait_for(timeout=1000 * patience)
    began, before = time.perf_counter(), worked(session)
    run.wait_for(timeout=1000 * patience)
    whole, cpu = time.perf_counter() - began, worked(session) - before
    told = page.evaluate("() => window.told")
    run.click()
    page.wait_for_function(f"() => window.told > {told + 3}", timeout=1000 * patience)
    workers = page.evaluate("() => window.workers")
    began = time.perf_counter()
    stop.click()
    page.wait_for_function(f"() => window.workers < {workers}", timeout=1000 * patience)
    return {"whole": whole, "cpu": cpu, "told": told, "stop": time.perf_counter() - began}


def worked(session: Any) -> float:
    """Seconds of a processor that the browser took."""
    return sum(each["cpuTime"] for each in session.send("SystemInfo.getProcessInfo")["processInfo"])


PARTS = {"orbit": orbit, "umap": umap}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="where logdirs are kept for the next time")
    parser.add_argument("--patience", type=float, default=300.0, help="how long a page may draw nothing")
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], metavar="PART")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as room:
        folder = given.folder or Path(room)
        folder.mkdir(parents=True, exist_ok=True)
        tables = [
            (name, lambda n=name: PARTS[n](folder, given.rounds, given.patience)) for name in given.parts or PARTS
        ]
        show("The projector on the page", list(sides_of()), tables)


if __name__ == "__main__":
    main()
