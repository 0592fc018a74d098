"""What the trace view costs with a million events: its first picture, a frame of it, and what the server answers.

    python benchmarks/bench_trace_page.py TRACE [--rounds N] [--events N] [--folder PATH]

TRACE is a `*.pt.trace.json.gz` of PyTorch; its events are repeated until there are so many lines (of the samples' about
six in ten are spans). Chromium draws in software. Each round is a new server that finds what was read of the trace in
its cache, as at any second visit, and a new page.

First picture: seconds from the visit to the first spans on the canvas, with the server's reading from its cache, lanes,
the outline and the first window. A frame: milliseconds from one to the next while a key is held, at the full extent
(where all events are in the picture), zooming in, and moving when zoomed; the middle one and the worst of twenty. A
canvas that has nothing to do takes 16.7. Answers: milliseconds and kilobytes of windows of all tracks.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

from bench_profile import repeated
from peers import OURS
from table import Figure, Figures, Row, measure, show
from viewing import Server, chromium, commands, page_of, started

FRAMES = """([key, frames]) => new Promise((resolve) => {
    const press = (type) => dispatchEvent(new KeyboardEvent(type, { key, bubbles: true, cancelable: true }));
    const canvas = document.querySelector("canvas[data-drawn]");
    const before = Number(canvas.dataset.drawn);
    const took = [], paint = [], items = [];
    let last = 0;
    press("keydown");
    const look = (now) => {
        if (last) took.push(now - last);
        paint.push(Number(canvas.dataset.paint));
        items.push(Number(canvas.dataset.items));
        last = now;
        if (took.length < frames) return requestAnimationFrame(look);
        press("keyup");
        resolve({ took, paint, items, drawn: Number(canvas.dataset.drawn) - before });
    };
    requestAnimationFrame(look);
})"""
LEVELS = "() => Number(document.querySelector('canvas[data-levels]')?.dataset.levels ?? 0) > 0"


def asked(server: Server, path: str, **query: Any) -> tuple[float, bytes]:
    """Milliseconds of an answer, and its bytes."""
    began = time.perf_counter()
    with urllib.request.urlopen(
        f"{server.url}api/spans{path}?{urllib.parse.urlencode({'run': 'run', **query})}"
    ) as told:
        body = told.read()
    return (time.perf_counter() - began) * 1e3, body


def until_read(server: Server) -> None:
    """Waits until the server lists the profile."""
    end = time.monotonic() + 120
    while time.monotonic() < end:
        with urllib.request.urlopen(f"{server.url}api/profiles") as answer:
            if json.load(answer)["profiles"]:
                return
        time.sleep(0.05)
    raise TimeoutError("the server finds no profile")


def visit(browser: Any, server: Server) -> Figures:
    """One visit of the page."""
    found: Figures = {}
    with page_of(browser) as page:
        began = time.perf_counter()
        page.goto(f"{server.url}#dash=profiles&pfview=trace", wait_until="commit")
        page.wait_for_function(LEVELS, polling="raf")
        found["first"] = time.perf_counter() - began
        page.wait_for_timeout(500)
        for name, key in (("full", "d"), ("zoom", "w"), ("pan", "a")):
            frames = page.evaluate(FRAMES, [key, 40])
            took = sorted(frames["took"])
            found[name], found[f"{name}-worst"] = statistics.median(took), took[-2]
            found[f"{name}-paint"] = statistics.median(frames["paint"])
            if name == "full":
                found["items"] = max(frames["items"])
    return found


def answers(server: Server) -> Figures:
    """What windows of all tracks cost the server."""
    outline = json.loads(asked(server, "/tracks")[1])
    low, high = outline["low"], outline["high"]
    tracks = ",".join(str(at) for at in range(outline["tracks"]["total"]))
    windows = [(low, high), *((low + (high - low) * at / 10, low + (high - low) * (at + 1) / 10) for at in range(9))]
    took: list[float] = []
    sizes: list[int] = []
    for begin, end in windows:
        each = {"from": begin, "to": end, "pixels": 1400, "tracks": tracks, "counters": "busy:0,memory:0"}
        milliseconds, body = asked(server, "", **each)
        took.append(milliseconds)
        sizes.append(len(body))
    return {"events": outline["events"], "answer": took[0], "tenths": max(took[1:]), "size": max(sizes) / 1e3}


def rows(trace: Path, folder: Path, events: int, rounds: int) -> list[Row]:
    """The table."""
    logdir = folder / "logdir"
    (logdir / "run").mkdir(parents=True, exist_ok=True)
    large = logdir / "run" / "large.pt.trace.json"
    if not large.exists():
        repeated(trace, events, large)
    os.environ["TALLYBOARD_CACHE"] = str(folder / "cache")
    command = [one for one in commands()[OURS] if one not in ("--cache", "off")]
    with started(command, logdir) as server:  # reads the trace, and keeps it in the cache
        server.html()
        until_read(server)
        outline = json.loads(asked(server, "/tracks")[1])
    print(
        f"{outline['events']:,} spans, {large.stat().st_size / 1e6:,.0f} MB, load {os.getloadavg()[0]:.1f}", flush=True
    )
    with chromium() as browser:

        def side() -> Figures:
            with started(command, logdir) as server:
                server.html()
                until_read(server)
                return {**visit(browser, server), **answers(server)}

        found = measure({OURS: side}, rounds, warm=False)
    return [
        Row(Figure("first picture, the trace in the cache", "s", "first", most=2), found),
        Row(Figure("a frame at the full extent", "ms", "full", most=60), found),
        Row(Figure("the worst but one of forty", "ms", "full-worst", most=60), found),
        Row(Figure("of it the painting", "ms", "full-paint"), found),
        Row(Figure("spans and blocks in it", "", "items"), found),
        Row(Figure("a frame while zooming", "ms", "zoom", most=60), found),
        Row(Figure("the worst but one of forty", "ms", "zoom-worst", most=60), found),
        Row(Figure("a frame while moving", "ms", "pan", most=60), found),
        Row(Figure("the worst but one of forty", "ms", "pan-worst", most=60), found),
        Row(Figure("an answer, all of the trace", "ms", "answer", most=100), found),
        Row(Figure("the slowest of nine tenths", "ms", "tenths", most=100), found),
        Row(Figure("the largest answer", "kB", "size", most=200), found),
    ]


def main() -> None:
    """Runs it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("trace", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--events", type=int, default=1_700_000)
    parser.add_argument("--folder", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        place = arguments.folder or Path(folder)
        table = lambda: rows(arguments.trace, place, arguments.events, arguments.rounds)  # noqa: E731
        show("a trace on the page", (OURS,), [("trace", table)])


if __name__ == "__main__":
    main()
