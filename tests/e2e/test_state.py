"""What the page keeps: the address, the way back through it, and what stays with the browser."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

import tallyboard as tb


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, serve_module: Callable[..., Any]) -> Any:
    logdir = tmp_path_factory.mktemp("runs")
    for run in ("a", "b", "c"):
        with tb.SummaryWriter(logdir / run) as writer:
            for step in range(20):
                writer.add_scalar("train/loss", 1 / (step + 1), step)
                writer.add_scalar("accuracy", step / 20, step)
    return serve_module(logdir)


def test_back_undoes_and_forward_does_again(runs: Any, open_page: Callable[..., Page], chart: Any) -> None:
    """Each choice is one step back: a tick, a key, and all that was typed or dragged in one go."""
    page = open_page(runs)
    loss = chart(page, "train/loss").wait(runs=3, points=60)
    began = page.evaluate("() => history.length")

    page.get_by_role("checkbox", name="b", exact=True).click()
    loss.wait(runs=2)
    expect(page).to_have_url(re.compile("off=b$"))
    page.keyboard.press("l")
    expect(page).to_have_url(re.compile("y=log&off=b$"))
    page.get_by_label("Filter tags").click()
    page.keyboard.type("loss", delay=200)
    expect(page.get_by_role("group", name="accuracy")).to_have_count(0)
    expect(page).to_have_url(re.compile("tags=loss"))
    slider = page.get_by_label("Smoothing")
    slider.focus()
    for _ in range(3):
        page.keyboard.press("ArrowLeft", delay=200)
    expect(page).to_have_url(re.compile("smoothing=0.57"))
    assert page.evaluate("() => history.length") == began + 4

    page.go_back()
    expect(slider).to_have_value("0.6")
    page.go_back()
    expect(page.get_by_label("Filter tags")).to_have_value("")
    expect(page.get_by_role("group", name="accuracy")).to_have_count(1)
    page.go_back()
    expect(page).to_have_url(re.compile("#off=b$"))
    page.go_back()
    loss.wait(runs=3)
    expect(page.get_by_role("checkbox", name="b", exact=True)).to_be_checked()
    for _ in range(4):
        page.go_forward()
    loss.wait(runs=2)
    expect(slider).to_have_value("0.57")
    expect(page.get_by_label("Filter tags")).to_have_value("loss")
