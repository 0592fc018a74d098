"""Runs as they are found among many: a tree, filters of several parts, queries, a table, colours, a menu."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

import tallyboard as tb

RATES = (0.1, 0.01, 0.001)


@pytest.fixture(scope="module")
def grid(tmp_path_factory: pytest.TempPathFactory, serve_module: Callable[..., Any]) -> Any:
    """Gradient descent on x², by rate and optimizer, with a run for training and one for validation."""
    logdir = tmp_path_factory.mktemp("grid")
    for rate in RATES:
        for optimizer in ("adam", "sgd"):
            name = f"{optimizer}/lr={rate}"
            with (
                tb.SummaryWriter(logdir / name / "train") as writer,
                tb.SummaryWriter(logdir / name / "val") as held_out,
            ):
                x = 1.0
                for step in range(20):
                    x -= rate * 2 * x * (0.5 if optimizer == "adam" else 1.0)
                    writer.add_scalar("loss", x * x, step)
                    held_out.add_scalar("loss", x * x * 2, step)
    return serve_module(logdir)


def listed(page: Page) -> list[str]:
    return [box.get_attribute("aria-label") or "" for box in page.locator("aside li input").all()]


def test_runs_stand_as_a_tree(grid: Any, open_page: Callable[..., Page], chart: Any) -> None:
    """A folder's box ticks all runs below, and is half ticked when some are; folders fold, and the address says so."""
    page = open_page(grid, "runlist=tree")
    loss = chart(page, "loss").wait(runs=12, points=240)
    assert listed(page)[:4] == ["adam/: 6 runs", "adam/lr=0.001/: 2 runs", "adam/lr=0.001/train", "adam/lr=0.001/val"]
    page.get_by_role("checkbox", name="adam/lr=0.001/val").uncheck()
    loss.wait(runs=11)
    assert page.get_by_role("checkbox", name="adam/: 6 runs").evaluate("box => box.indeterminate")
    page.get_by_role("checkbox", name="adam/: 6 runs").check()
    loss.wait(runs=12)
    page.get_by_role("checkbox", name="sgd/: 6 runs").uncheck()
    loss.wait(runs=6)
    page.get_by_role("button", name="Fold all folders").click()
    assert listed(page) == ["adam/: 6 runs", "sgd/: 6 runs"]

    page.get_by_role("checkbox", name="adam/: 6 runs").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("checkbox", name="adam/lr=0.001/: 2 runs")).to_be_focused()
    page.keyboard.press("Enter")
    loss.wait(runs=2)
    page.wait_for_function("() => location.hash.includes('runfold=*&runfold=adam')")
    page.reload()
    loss.wait(runs=2)
    assert listed(page) == [
        "adam/: 6 runs", "adam/lr=0.001/: 2 runs", "adam/lr=0.01/: 2 runs", "adam/lr=0.1/: 2 runs", "sgd/: 6 runs",
    ]  # fmt: skip


def test_filters_have_parts_and_exclude(grid: Any, open_page: Callable[..., Page], chart: Any) -> None:
    """`!` excludes, `&` joins, and a pattern that would hang a browser's own engine is answered like any other."""
    page = open_page(grid)
    loss = chart(page, "loss").wait(runs=12)
    field = page.get_by_label("Filter runs")
    field.fill("adam & lr=0.0 !val")
    loss.wait(runs=2)
    assert listed(page) == ["adam/lr=0.001/train", "adam/lr=0.01/train"]
    field.fill("!(a|d|m|/|l|r|=|0|\\.|1)+!")
    loss.wait(runs=12)
    field.fill("^(([a-z]|[a-z/])+)+lr=(0|.)+val$")
    loss.wait(runs=6)
    field.fill("^(?=(.*)+train)")
    expect(page.get_by_role("alert").filter(has_text="Could take forever")).to_contain_text("Still in force")
    assert loss.runs == 6
