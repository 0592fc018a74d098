"""How often the page draws: a chart costs more than anything else that it makes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from playwright.sync_api import Page

import tallyboard as tb

from .waiting import TWO_FRAMES, becomes

TAGS = 24

COUNT = """(() => {
    const { clearRect } = CanvasRenderingContext2D.prototype;
    window.drawn = {};
    CanvasRenderingContext2D.prototype.clearRect = function (...room) {
        const { tag } = this.canvas.closest("[data-tag]").dataset;
        window.drawn[tag] = (window.drawn[tag] ?? 0) + 1;
        return clearRect.apply(this, room);
    };
})()"""


def test_a_chart_is_drawn_once_whatever_else_comes_of_its_runs(
    tmp_path: Path, open_page: Callable[..., Page], serve: Callable[..., Any], chart: Any
) -> None:
    """Cards further down, the facts of runs, and another look at the same index draw no chart anew."""
    for run in ("a", "b"):
        with tb.SummaryWriter(tmp_path / run) as writer:
            writer.add_hparams({"lr": 0.1}, {})
            for tag in range(TAGS):
                for step in range(5):
                    writer.add_scalar(f"part/{tag}", step, step)
    page = open_page(tmp_path / "nothing", height=3_000)
    page.context.add_init_script(COUNT)
    viewer = serve(tmp_path)
    becomes(lambda: page.request.get(f"{viewer.url}api/runs").json()["state"], "ready")

    with page.expect_response("**/api/facts"):
        page.goto(viewer.url)
    page.wait_for_function("tags => Object.keys(drawn).length >= tags", arg=TAGS)
    becomes(lambda: page.locator(".card").count(), TAGS)
    for _ in range(5):
        page.evaluate(TWO_FRAMES)
    assert set(page.evaluate("Object.values(drawn)")) == {1}

    # A run that comes is heard of before its point is there, which alone is worth drawing, and in its own chart alone.
    with tb.SummaryWriter(tmp_path / "c") as writer:
        writer.add_scalar("part/0", 1, 0)
    chart(page, "part/0").wait(runs=3, points=11)
    for _ in range(5):
        page.evaluate(TWO_FRAMES)
    assert page.evaluate("drawn") == {f"part/{tag}": 2 if tag == 0 else 1 for tag in range(TAGS)}
