"""Many tabs of one browser: all live, through one stream of news."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, expect

import tallyboard as tb

from ..ports import lasting_port
from .streams import streams_become
from .waiting import DEADLINE


def write(logdir: Path, run: str, points: int) -> None:
    with tb.SummaryWriter(logdir / run) as writer:
        for step in range(points):
            writer.add_scalar("loss", 1 / (step + 1), step)


def tabs_of(context: BrowserContext, url: str, count: int) -> list[Page]:
    pages = [context.new_page() for _ in range(count)]
    for page in pages:
        page.goto(url)
    return pages


def all_show(pages: list[Page], points: int) -> None:
    for page in pages:
        expect(page.locator(f'.chart[data-tag="loss"][data-points="{points}"]')).to_have_count(1)


LOCKS = "async () => (await navigator.locks.query()).held.length"


@pytest.mark.parametrize(("way", "tabs"), [("worker", 12), ("elected", 8)])
def test_all_tabs_are_live_through_one_stream(
    tmp_path: Path, open_page: Callable[..., Page], counting: Callable[..., Any], way: str, tabs: int
) -> None:
    """Twelve tabs follow a run with one stream between them, over a server's restart and a logdir's removal too.

    A browser without shared workers has the tabs elect one of them, which is replaced when it goes.
    """
    logdir = tmp_path / "runs"
    write(logdir, "a", 3)
    port = lasting_port()
    server = counting(logdir, port)
    first = open_page(server)
    context = first.context
    if way == "elected":
        context.add_init_script("delete window.SharedWorker")
        first.reload()
    pages = [first, *tabs_of(context, server.url, tabs - 1)]
    all_show(pages, 3)
    write(logdir, "b", 4)
    all_show(pages, 7)
    assert first.evaluate(LOCKS) == (1 if way == "elected" else 0)
    counter = iter(range(10_000))
    streams_become(tmp_path, 1, lambda: write(tmp_path / "runs", f"more/{next(counter)}", 1))

    first.close()  # the oldest: the one that was elected
    shutil.rmtree(logdir)
    write(logdir, "c", 5)
    all_show(pages[1:], 5)
    streams_become(tmp_path, 1, lambda: write(tmp_path / "runs", f"more/{next(counter)}", 1))

    server.stop()
    expect(pages[2].locator("header .status")).to_have_text("offline")
    shutil.rmtree(logdir / "more", ignore_errors=True)
    write(logdir, "d", 6)
    counting(logdir, port)
    all_show(pages[1:], 11)
    expect(pages[2].locator("header .status")).to_have_text("connected")
    streams_become(tmp_path, 1, lambda: write(tmp_path / "runs", f"again/{next(counter)}", 1))


class Notebook(BaseHTTPRequestHandler):
    """Stands for a notebook's server: a page without a policy, on a port of its own."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><link rel=icon href=data:><p>cell")

    def log_message(self, *_: object) -> None:
        """Nothing: the terminal is pytest's."""


@pytest.fixture
def notebook() -> Iterator[str]:
    with ThreadingHTTPServer(("localhost", 0), Notebook) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://localhost:{server.server_port}/"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("allowed", [True, False], ids=["allowed", "not_allowed"])
def test_a_notebook_may_show_it_in_a_frame(
    tmp_path: Path, open_page: Callable[..., Page], serve: Callable[..., Any], notebook: str, allowed: bool
) -> None:
    """A page of another port shows the viewer, live, in a frame where it is allowed, and nothing where it is not."""
    logdir = tmp_path / "runs"
    write(logdir, "a", 3)
    inner = serve(logdir, more=("--allow_frame", "http://localhost:*") if allowed else ())
    outer = open_page(inner).context.new_page()  # one whose refusals are no faults
    outer.goto(notebook)
    said: list[str] = []
    outer.on("console", lambda message: said.append(message.text))
    with outer.expect_response(inner.url):
        outer.evaluate("(url) => { document.body.appendChild(document.createElement('iframe')).src = url; }", inner.url)
    frame = outer.frame_locator("iframe")
    if allowed:
        expect(frame.locator('.chart[data-tag="loss"][data-points="3"]')).to_have_count(1)
        write(logdir, "b", 4)
        expect(frame.locator('.chart[data-tag="loss"][data-points="7"]')).to_have_count(1)
    else:
        end = time.monotonic() + DEADLINE
        while not any("violates the following Content Security Policy" in text for text in said):
            assert time.monotonic() < end, said
            outer.evaluate("() => new Promise(requestAnimationFrame)")
        expect(frame.locator("#app")).to_have_count(0)
