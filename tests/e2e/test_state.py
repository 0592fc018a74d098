"""What the page keeps: the address, the way back through it, and what stays with the browser."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

import tallyboard as tb

from .waiting import standing_clock


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
    with standing_clock(page):
        page.keyboard.type("loss", delay=200)
        expect(page).to_have_url(re.compile("tags=loss"))
    expect(page.get_by_role("group", name="accuracy")).to_have_count(0)
    expect(page).to_have_url(re.compile("tags=loss"))
    slider = page.get_by_role("slider", name="Smoothing")
    slider.focus()
    with standing_clock(page):
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


def test_a_pause_has_the_picture_stand_still(tmp_path: Path, open_page: Callable[..., Page], chart: Any) -> None:
    """Points and runs that come during a pause are counted and not drawn; going on draws them all."""
    with tb.SummaryWriter(tmp_path / "a") as writer:
        writer.add_scalar("loss", 1, 0)
        writer.flush()
        page = open_page(tmp_path)
        loss = chart(page, "loss").wait(runs=1, points=1)
        page.keyboard.press("P")
        expect(page.get_by_role("button", name="Go on: 0 new")).to_be_visible()
        for step in range(1, 13):
            writer.add_scalar("loss", 1, step)
        writer.flush()
        expect(page.get_by_role("button", name="Go on: 12 new")).to_have_text("12\u00a0new")
        with tb.SummaryWriter(tmp_path / "b") as other:
            other.add_scalar("loss", 2, 0)
        expect(page.get_by_role("button", name="Go on: 13 new")).to_be_visible()
        assert (loss.runs, loss.points) == (1, 1)
        expect(page.locator(".status")).to_have_text("paused")
        page.get_by_role("button", name="Go on").click()
        loss.wait(runs=2, points=14)


def test_the_browser_keeps_how_dense_the_page_is(runs: Any, open_page: Callable[..., Page], chart: Any) -> None:
    """`d` brings rows closer together, and a reload leaves them so."""
    page = open_page(runs)
    chart(page, "accuracy").wait(runs=3)
    heights = "() => ['aside li', '.app > header'].map((at) => document.querySelector(at).offsetHeight)"
    comfortable = page.evaluate(heights)
    page.keyboard.press("d")
    page.wait_for_function("() => document.querySelector('aside li').offsetHeight === 22")
    compact = page.evaluate(heights)
    assert [less < more for less, more in zip(compact, comfortable, strict=True)] == [True, True]
    page.reload()
    chart(page, "accuracy").wait(runs=3)
    assert page.evaluate(heights) == compact


@pytest.mark.parametrize("width", [390, 320])
def test_nothing_hangs_over_the_edge_of_a_phone(
    runs: Any, open_page: Callable[..., Page], chart: Any, width: int
) -> None:
    """Header, toolbar and cards fit into a narrow window, paused or not, and the page does not scroll sideways."""
    page = open_page(runs, width=width, height=800)
    chart(page, "accuracy").wait(runs=3)
    page.keyboard.press("P")
    over = page.evaluate(
        """() => [...document.querySelectorAll('.app button, .app input, .app nav, .card')]
            .filter((one) => one.checkVisibility() && !one.closest('[inert]'))
            .filter((one) => !one.parentElement.closest('nav'))  // the tabs scroll within their bar
            .map((one) => [one.getBoundingClientRect(), one.outerHTML.slice(0, 80)])
            .filter(([box]) => box.left < 0 || box.right > innerWidth)"""
    )
    assert over == []
    assert page.evaluate("() => document.scrollingElement.scrollWidth") == width


def palette(page: Page, typed: str) -> None:
    page.keyboard.press("Control+k")
    expect(page.get_by_role("combobox", name="What to do")).to_be_focused()
    page.keyboard.type(typed)


def test_the_palette_does_everything(runs: Any, open_page: Callable[..., Page], chart: Any) -> None:
    """Ctrl-K, some letters and Enter do what there is a key for, choose settings, go to a tag, and tick runs."""
    page = open_page(runs, width=700, height=480)
    loss = chart(page, "train/loss").wait(runs=3)
    palette(page, "symlog vert")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("#y=symlog$"))
    palette(page, "untick b")
    page.keyboard.press("Enter")
    loss.wait(runs=2)
    palette(page, "go tag train/loss")
    page.keyboard.press("Enter")
    expect(page.locator('[data-card="train/loss"]')).to_be_focused()
    palette(page, "dark or")
    expect(page.locator("dialog li").first).to_have_text(re.compile(r"Dark or light.*Page.*t", re.DOTALL))
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    page.wait_for_function("() => document.documentElement.dataset.theme === 'light'")
    palette(page, "zzzz")
    expect(page.get_by_text("Nothing of that name.")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog", name="Palette")).to_have_count(0)


def test_views_are_kept_with_the_runs(tmp_path: Path, open_page: Callable[..., Page], chart: Any, serve: Any) -> None:
    """A saved view is there for the next browser, which opens with the one named default; it can be renamed and go."""
    with tb.SummaryWriter(tmp_path / "a") as writer:
        writer.add_scalar("loss", 1, 0)
    server = serve(tmp_path)
    page = open_page(server, "y=log")
    chart(page, "loss").wait(runs=1)
    page.get_by_role("button", name="Views").click()
    expect(page.get_by_text("Views are kept with the runs")).to_be_visible()
    page.get_by_label("Name of the view").fill("by log")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Saved by log.")).to_be_visible()
    page.get_by_role("button", name="More of by log").click()
    page.get_by_role("menuitem", name="Open with this view").click()
    expect(page.get_by_role("button", name="More of default")).to_be_visible()
    page.get_by_role("button", name="More of by log").click()
    page.get_by_role("menuitem", name="Rename").click()
    expect(page.get_by_label("New name of by log")).to_be_focused()
    page.keyboard.type("logarithm")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="More of logarithm")).to_be_visible()

    other = open_page(server)
    expect(other).to_have_url(re.compile("#y=log$"))
    other.keyboard.press("l")
    expect(other).to_have_url(re.compile("#y=symlog$"))
    palette(other, "logarithm")
    other.keyboard.press("Enter")
    expect(other).to_have_url(re.compile("#y=log$"))
    other.get_by_role("button", name="Views").click()
    for name in ("default", "logarithm"):
        other.get_by_role("button", name=f"More of {name}").click()
        other.get_by_role("menuitem", name="Delete").click()
    expect(other.get_by_text("No view is saved yet.")).to_be_visible()
