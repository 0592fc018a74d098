"""What a page of 200 images costs: from its address to the first picture and to all in sight, and the server's memory.

    python benchmarks/bench_images_page.py [rounds]

20 tags of 10 runs, 20 steps each, 128 x 128 pixels, beside TensorBoard on the same logdir, both read before the page is
opened. Memory is what the server grew by while the page was opened, scrolled to its end and moved through its steps.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np
from peers import OURS
from viewing import Server, chromium, commands, page_of, started

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


def main(rounds: int) -> None:
    with tempfile.TemporaryDirectory() as room:
        logdir = Path(room) / "runs"
        write(logdir)
        print(f"A page of {TAGS * RUNS} images (median [least .. most])")
        for name, command in commands().items():
            ours = name == OURS
            with started(command, logdir) as server, chromium() as browser:
                server.html()
                read_through(server, "api/runs" if ours else "data/plugin/images/tags", TAGS if ours else TAGS * RUNS)
                found: list[dict[str, float]] = []
                for _ in range(rounds + 1):
                    with page_of(browser) as page:
                        found.append(measure_page(page, server, ours))
            print(name)
            for what, label, unit in (
                ("first", "to the first picture", "s"),
                ("six", "to six pictures", "s"),
                ("grown", "memory the server grew by", "MB"),
                ("memory", "memory of the server", "MB"),
            ):
                values = [figures[what] for figures in found[1:]]
                wanted = f"   (wanted: under {NEEDED:g} s)" if ours and what == "first" else ""
                median = statistics.median(values)
                print(f"  {label:<28} {median:8.2f} {unit} [{min(values):.2f} .. {max(values):.2f}]{wanted}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
