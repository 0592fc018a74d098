"""What parallel coordinates of 1,000 runs on 20 axes cost, beside TensorBoard on the same logdir.

    python benchmarks/bench_hparams_page.py [--rounds N] [--folder PATH]

Ours, with the page open and its data there: milliseconds from choosing the view to the frame in which every line
stands, and what the page's own thread worked for it; and the same for a brush that lets half of the lines through.
Both: seconds from opening the dashboard in a new page until its lines are there, of a server that has just been
started and of one that has read all: ours of all runs on all columns, TensorBoard's as it opens, the first hundred runs
on nine columns. Needs Playwright and a Chromium, as benchmarks/viewing.py does.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from peers import OURS
from table import Figure, Row, measure, show
from viewing import PLAIN, chromium, commands, page_of, started

import tallyboard as tb

__all__ = ["switch", "write_trials"]

RUNS, HPARAMS, METRICS = 1_000, 16, 4
MOST = 500.0
THEIR_RUNS = 100
LINES = f"""() => {{
    const shown = document.querySelector("canvas[data-rows]")?.dataset;
    return shown?.rows === "{RUNS}" && shown.axes.split(",").length === {HPARAMS + METRICS};
}}"""
TICKED = "(count) => Number(document.querySelector('canvas[data-rows]')?.dataset.ticked) === count"
CHOSEN = "&".join(
    [*(f"hpcols=hp:x{i:02}" for i in range(HPARAMS)), *(f"hpcols=last:metric{i}" for i in range(METRICS))]
)
# Deep in TensorBoard's page, behind shadow roots: how many lines its plot has.
THEIRS = """(runs) => {
    const all = (root) => [...root.querySelectorAll('*')].flatMap((one) =>
        one.shadowRoot ? [one, ...all(one.shadowRoot)] : [one]);
    const view = all(document).find((one) => one.localName === 'tf-hparams-parallel-coords-plot');
    return view && all(view.shadowRoot ?? view).filter((one) => one.localName === 'path').length >= runs;
}"""


def write_trials(folder: Path) -> None:
    """A thousand runs with sixteen hyperparameters and four metrics, all different."""
    random = np.random.default_rng(0)
    for run in range(RUNS):
        values = random.random(HPARAMS + METRICS)
        with tb.SummaryWriter(folder / f"run{run:04}") as writer:
            hparams = {f"x{i:02}": float(values[i]) for i in range(HPARAMS)}
            writer.add_hparams(hparams, {f"metric{i}": float(values[HPARAMS + i]) for i in range(METRICS)})


def busy(session: Any) -> float:
    """Milliseconds that the page's thread has worked so far."""
    metrics = session.send("Performance.getMetrics")["metrics"]
    return 1e3 * next(entry["value"] for entry in metrics if entry["name"] == "TaskDuration")


def painted(page: Any, session: Any, act: Any, condition: str, arg: Any = None) -> tuple[float, float]:
    """Milliseconds on the clock, and of the thread's work, from an act until the frame after its drawing."""
    before, start = busy(session), time.perf_counter()
    act()
    page.wait_for_function(condition, arg=arg, polling="raf")
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    return 1e3 * (time.perf_counter() - start), busy(session) - before


def switch(page: Any) -> dict[str, tuple[float, float]]:
    """One round of ours, on a page whose data is there."""
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})
    page.get_by_role("radio", name="Table").check(force=True)
    page.wait_for_function("() => !document.querySelector('canvas[data-rows]')")
    drawn = painted(page, session, lambda: page.get_by_role("radio", name="Parallel").check(force=True), LINES)
    page.get_by_role("button", name="Axis x00: scale, colour, brush").click()
    half = page.get_by_role("menuitem", name="Brush the upper half")
    brushed = painted(page, session, half.click, "() => Number(document.querySelector('canvas').dataset.ticked) < 600")
    page.get_by_role("button", name="Clear the brush", exact=True).click()
    page.wait_for_function(TICKED, arg=RUNS)
    session.detach()
    return {"parallel coordinates painted": drawn, "a brush of half the runs": brushed}


def opened(page: Any, url: str, ours: bool) -> float:
    """Seconds from the address to all lines."""
    start = time.perf_counter()
    page.goto(f"{url}#dash=hparams&{CHOSEN}" if ours else f"{url}#hparams", wait_until="commit")
    if ours:
        page.wait_for_function(LINES, polling="raf")
        return time.perf_counter() - start
    page.get_by_text("Parallel Coordinates View", exact=False).first.click()
    page.wait_for_function(THEIRS, arg=THEIR_RUNS, polling="raf")
    return time.perf_counter() - start


def sides_of() -> dict[str, list[str]]:
    """What starts each side."""
    return {name: command for name, command in commands().items() if name in (OURS, PLAIN)}


def rows(folder: Path, rounds: int) -> list[Row]:
    """All figures; a server is started anew for each, so that its first look is one."""
    logdir = folder / "trials"
    if not logdir.exists():
        write_trials(logdir)

    with chromium() as browser:

        def side(name: str, command: list[str]) -> dict[str, float]:
            with started(command, logdir) as server:
                server.html()
                with page_of(browser) as page:
                    first = opened(page, server.url, name == OURS)
                with page_of(browser) as page:
                    figures = {"first": first, "again": opened(page, server.url, name == OURS)}
                    return {**figures, **drawing(page)} if name == OURS else figures

        result = measure({name: lambda n=name, c=c: side(n, c) for name, c in sides_of().items()}, rounds, warm=False)
    own = {OURS: result[OURS]}
    return [
        Row(Figure("start of the server to all lines", "s", "first"), result),
        Row(Figure("page to all lines, all read", "s", "again"), result),
        Row(Figure("the view chosen to all lines painted", "ms", "drawn", most=MOST), own),
        Row(Figure("the same: work of the page's thread", "ms", "drawn work", most=MOST), own),
        Row(Figure("a brush of half the runs to all lines painted", "ms", "brushed", most=MOST), own),
        Row(Figure("the same: work of the page's thread", "ms", "brushed work", most=MOST), own),
    ]


def drawing(page: Any) -> dict[str, float]:
    """What choosing the view and brushing cost, on a page that shows it."""
    page.wait_for_function(TICKED, arg=RUNS)
    drawn, brushed = switch(page).values()
    return {"drawn": drawn[0], "drawn work": drawn[1], "brushed": brushed[0], "brushed work": brushed[1]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="where the logdir is kept for the next time")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as room:
        folder = given.folder or Path(room)
        folder.mkdir(parents=True, exist_ok=True)
        show("Hyperparameters on the page", list(sides_of()), [("hparams", lambda: rows(folder, given.rounds))])


if __name__ == "__main__":
    main()
