"""What a chart can do beyond drawing curves: outliers, restarts, other axes, ranges, pins and selectors."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

import tallyboard as tb

STEPS = 100
EPOCH = 20  # steps
SPIKES = {30: 500.0, 60: 400.0, 80: -300.0}


def loss_of(number: int, step: int) -> float:
    """A curve for each run that nothing needs to be read back for."""
    return round(2 * math.exp(-step * 0.01 * (number + 1)) + 0.1 * number, 6)


@pytest.fixture(scope="module")
def tools(tmp_path_factory: pytest.TempPathFactory, serve_module: Callable[..., Any]) -> Any:
    """Two runs of 100 steps, the second one from step 1000 on; spikes; a run that was restarted from step 40."""
    logdir = tmp_path_factory.mktemp("tools")
    for number, first in enumerate((0, 1000)):
        with tb.SummaryWriter(logdir / f"run{number}") as writer:
            for step in range(STEPS):
                at = {"walltime": 1.7e9 + 1000 * number + 2 * step}
                writer.add_scalar("loss", loss_of(number, step), first + step, **at)
                writer.add_scalar("spiky", SPIKES.get(step, step % 10) if number == 0 else 5, step, **at)
                if step % EPOCH == EPOCH - 1:
                    writer.add_scalar("epoch", step // EPOCH, first + step, **at)
                    writer.add_scalar("tokens", 64.0 * (step + 1), first + step, **at)
    with tb.SummaryWriter(logdir / "restarted") as writer:
        for step in range(60):
            writer.add_scalar("resumed", 1.0, step)
    with tb.SummaryWriter(logdir / "restarted", purge_step=40) as writer:
        for step in range(40, 80):
            writer.add_scalar("resumed", 3.0, step)
    return serve_module(logdir)


def test_outliers_are_left_out_and_counted(tools: Any, open_page: Callable[..., Page], chart: Any) -> None:
    """`o` fits the height to the middle nine tenths; how many lie outside is said on the chart and in its words."""
    page = open_page(tools, "smoothing=0&tags=spiky")
    spiky = chart(page, "spiky").wait(runs=2, points=2 * STEPS)
    assert spiky.domain == pytest.approx((0, 99, -340, 540))
    assert spiky.root.get_attribute("data-outside") == "0,0"
    page.keyboard.press("o")
    spiky.wait_for_domain(lambda domain: domain[3] < 20)
    values = sorted([SPIKES.get(step, step % 10) for step in range(STEPS)] + [5.0] * STEPS)
    low, high = values[math.floor(199 * 0.05)], values[199 - math.floor(199 * 0.05)]
    margin = (high - low) * 0.05
    assert spiky.domain[2:] == pytest.approx((low - margin, high + margin))
    above = sum(value > high + margin for value in values)
    below = sum(value < low - margin for value in values)
    assert spiky.root.get_attribute("data-outside") == f"{above},{below}"
    assert spiky.summary.endswith(f"Outliers not shown: {above} above, {below} below")
    expect(page).to_have_url(re.compile("trim=1"))
    page.get_by_role("button", name="Chart settings").click()
    page.get_by_role("checkbox", name="Leave outliers out").uncheck()
    spiky.wait_for_domain(lambda domain: domain == pytest.approx((0, 99, -340, 540)))


def test_what_a_restart_voided_is_faint_and_the_line_never_runs_back(
    tools: Any, open_page: Callable[..., Page], chart: Any
) -> None:
    """With Superseded on, 20 voided points come, whose pixels are faint; the line that stands is drawn as before."""
    page = open_page(tools, "smoothing=0&tags=resumed")
    resumed = chart(page, "resumed").wait(runs=1, points=80)
    colour = page.get_by_role("checkbox", name="restarted", exact=True).evaluate(
        "box => getComputedStyle(box).borderColor"
    )
    before = resumed.pixels_near(colour, 30)
    assert before > 100
    page.get_by_role("button", name="Chart settings").click()
    page.get_by_role("checkbox", name="Superseded").check()
    resumed.wait(runs=1, points=100)
    assert resumed.pixels_near(colour, 30) == before
