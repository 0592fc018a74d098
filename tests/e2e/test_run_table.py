"""Runs as they are found among many: a tree, filters of several parts, queries, a table, colours, a menu."""

from __future__ import annotations

import re
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
                writer.add_hparams({"lr": rate, "optimizer": optimizer, "batch size": 32}, {})
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


def test_a_query_chooses_by_hyperparameters_and_metrics(grid: Any, open_page: Callable[..., Page], chart: Any) -> None:
    """What a run was started with and where it ended decide; mistakes are told with their column."""
    page = open_page(grid)
    loss = chart(page, "loss").wait(runs=12)
    field = page.get_by_label("Filter runs")
    field.fill("hp.lr < 0.05")
    expect(page.get_by_role("button", name="query")).to_be_visible()
    loss.wait(runs=4)
    assert listed(page) == ["adam/lr=0.001/train", "adam/lr=0.01/train", "sgd/lr=0.001/train", "sgd/lr=0.01/train"]
    field.fill('hp["batch size"] == 32 and (last("loss") < 0.02 or hp.optimizer == "sgd" and not hp.lr > 0.005)')
    loss.wait(runs=3)
    assert listed(page) == ["adam/lr=0.1/train", "sgd/lr=0.001/train", "sgd/lr=0.1/train"]
    field.fill("hp.lr < 0.05 and")
    alert = page.get_by_role("alert").filter(has_text="Column")
    expect(alert).to_contain_text("Column 17: the query ends where a value was expected")
    expect(alert).to_contain_text("Still in force: hp[")
    assert loss.runs == 3
    field.fill("run ~ 'val$'")
    loss.wait(runs=6)
    page.wait_for_function("() => location.hash.includes('val')")
    page.reload()
    loss.wait(runs=6)


def test_a_query_completes_itself(grid: Any, open_page: Callable[..., Page], chart: Any) -> None:
    """Names of hyperparameters and tags are offered where they fit, and keys take them."""
    page = open_page(grid)
    loss = chart(page, "loss").wait(runs=12)
    field = page.get_by_label("Filter runs")
    field.press_sequentially("hp.")
    options = page.get_by_role("listbox", name="Completions").get_by_role("option")
    expect(options).to_have_text([re.compile("^batch size"), re.compile("^lr"), re.compile("^optimizer")])
    field.press_sequentially("op")
    expect(options).to_have_count(1)
    field.press("Tab")
    field.press_sequentially(" == ")
    expect(options).to_have_text([re.compile("^adam"), re.compile("^sgd")])
    field.press("ArrowDown")
    field.press("ArrowDown")
    field.press("Enter")
    expect(field).to_have_value('hp.optimizer == "sgd"')
    loss.wait(runs=3)
    field.press_sequentially(" and last(")
    expect(options).to_have_text([re.compile("^loss")])
    field.press("Tab")
    field.press_sequentially(" < 0.1")
    expect(field).to_have_value('hp.optimizer == "sgd" and last("loss") < 0.1')
    loss.wait(runs=1)
