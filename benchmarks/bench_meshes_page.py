"""What a mesh of 100,000 faces costs: from the address to its first drawing, and how often it is drawn as it turns.

    python benchmarks/bench_meshes_page.py [--rounds N] [--folder PATH]

One run, 50,000 vertices (TensorBoard draws no more than 65,536 right), beside TensorBoard's mesh dashboard on the same
logdir in the same Chromium, whose WebGL is the processor's. Drawings are counted where WebGL is called.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from peers import OURS
from table import Figure, Row, measure, show
from viewing import BROWSERS, PLAIN, Server, commands, page_of, started

import tallyboard as tb

__all__ = ["measure_page", "write"]

ACROSS, ALONG = 250, 200
SECONDS = 3.0
"""How long the mesh is turned."""

COUNTED = """(() => {
    window.drawings = 0;
    const draw = WebGL2RenderingContext.prototype.drawElements;
    WebGL2RenderingContext.prototype.drawElements = function (mode, count, ...more) {
        if (count > 100_000) window.drawings++;
        return draw.call(this, mode, count, ...more);
    };
})()"""

PLACE = """() => {
    const find = (root) => {
        for (const one of root.querySelectorAll("*")) {
            if (one.tagName === "CANVAS" && one.getBoundingClientRect().width > 100) return one;
            const found = one.shadowRoot && find(one.shadowRoot);
            if (found) return found;
        }
        return null;
    };
    const { left, top, width, height } = find(document).getBoundingClientRect();
    return [left + width / 2, top + height / 2];
}"""


def sides_of() -> dict[str, list[str]]:
    """What starts each side."""
    return {name: command for name, command in commands().items() if name in (OURS, PLAIN)}


@contextmanager
def chromium() -> Iterator[Any]:
    """A browser whose WebGL needs no graphics card."""
    from playwright.sync_api import sync_playwright

    path = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, BROWSERS)), None)
    flags = ["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=flags)
        yield browser
        browser.close()


def write(logdir: Path) -> None:
    """A torus with waves."""
    u, v = np.meshgrid(
        np.linspace(0, 2 * np.pi, ACROSS, endpoint=False), np.linspace(0, 2 * np.pi, ALONG, endpoint=False)
    )
    thick = 0.4 + 0.05 * np.sin(9 * u)
    vertices = np.stack(
        [(1 + thick * np.cos(v)) * np.cos(u), (1 + thick * np.cos(v)) * np.sin(u), thick * np.sin(v)], -1
    )
    row, column = (part.ravel() for part in np.mgrid[0:ALONG, 0:ACROSS])
    at = [(row + i) % ALONG * ACROSS + (column + j) % ACROSS for i in (0, 1) for j in (0, 1)]
    faces = np.concatenate([np.stack([at[0], at[1], at[2]], 1), np.stack([at[1], at[3], at[2]], 1)])
    flat = vertices.reshape(1, -1, 3).astype(np.float32)
    with tb.SummaryWriter(logdir / "run") as writer:
        writer.add_mesh("torus", flat, ((flat + 2) * 60).astype(np.uint8), faces[None], global_step=1)


def measure_page(page: Any, server: Server, ours: bool) -> dict[str, float]:
    """One visit: seconds to the first drawing, and drawings a second while the mesh is dragged around."""
    page.add_init_script(COUNTED)
    began = time.perf_counter()
    page.goto(server.url + ("#dash=meshes" if ours else "#mesh"), wait_until="commit")
    page.wait_for_function("() => window.drawings > 0", polling="raf")
    first = time.perf_counter() - began
    x, y = page.evaluate(PLACE)
    page.mouse.move(x, y)
    page.mouse.down()
    before, start, moved = page.evaluate("() => window.drawings"), time.perf_counter(), 0
    while time.perf_counter() < start + SECONDS:
        moved += 1
        page.mouse.move(x + 40 * np.sin(moved / 5), y + 20 * np.cos(moved / 7))
    drawn = page.evaluate("() => window.drawings") - before
    rate = drawn / (time.perf_counter() - start)
    page.mouse.up()
    return {"first": first, "rate": rate}


def read_through(server: Server, path: str) -> None:
    """Waits until the server has found the mesh."""
    end = time.monotonic() + 120
    while time.monotonic() < end:
        with urllib.request.urlopen(server.url + path, timeout=60) as answer:
            if b"torus" in answer.read():
                return
        time.sleep(0.05)
    raise TimeoutError(f"{server.process.args} did not read its logdir")


def rows(folder: Path, rounds: int) -> list[Row]:
    """All figures: both servers are up and have read all, and give a visit each a round."""
    logdir = folder / "meshes"
    if not logdir.exists():
        write(logdir)
    with ExitStack() as stack:
        browser = stack.enter_context(chromium())
        servers: dict[str, Server] = {}
        for name, command in sides_of().items():
            servers[name] = stack.enter_context(started(command, logdir))
            servers[name].html()
            read_through(servers[name], "api/runs" if name == OURS else "data/plugin/mesh/tags")

        def side(name: str) -> dict[str, float]:
            with page_of(browser) as page:
                return measure_page(page, servers[name], name == OURS)

        result = measure({name: lambda n=name: side(n) for name in servers}, rounds)
    return [
        Row(Figure("page to the first mesh", "s", "first"), result),
        Row(Figure("drawings while it is turned", "a second", "rate", rate=True, times={PLAIN: 1}), result),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="where the logdir is kept for the next time")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as room:
        folder = given.folder or Path(room)
        folder.mkdir(parents=True, exist_ok=True)
        show("A mesh on the page", list(sides_of()), [("mesh", lambda: rows(folder, given.rounds))])


if __name__ == "__main__":
    main()
