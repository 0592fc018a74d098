"""Themes, keys and small screens."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

import tallyboard as tb

from .waiting import becomes


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, serve_module: Callable[..., Any]) -> Any:
    """Two runs with the same curve, served."""
    logdir = tmp_path_factory.mktemp("runs")
    for run in ("a", "b"):
        with tb.SummaryWriter(logdir / run) as writer:
            for step in range(50):
                writer.add_scalar("train/loss", 1 / (step + 1), step)
    return serve_module(logdir)


def theme(page: Page) -> str:
    shade: str = page.evaluate("() => document.documentElement.dataset.theme")
    return shade


def background(page: Page) -> str:
    colour: str = page.evaluate("() => getComputedStyle(document.body).backgroundColor")
    return colour


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_the_theme_is_the_systems_until_someone_chooses(
    runs: Any, open_page: Callable[..., Page], chart: Any, scheme: str
) -> None:
    """The button goes from the system's theme to its opposite, to its like and back; a choice outlives a reload."""
    other = {"dark": "light", "light": "dark"}[scheme]
    page = open_page(runs, scheme=scheme)
    chart(page, "train/loss").wait(runs=2)
    first = background(page)
    becomes(lambda: theme(page), scheme)
    button = page.get_by_role("button", name="Theme:")
    expect(button).to_have_accessible_name(f"Theme: system ({scheme})")
    button.click()
    expect(button).to_have_accessible_name(f"Theme: {other}")
    becomes(lambda: theme(page), other)
    becomes(lambda: background(page) != first, True)
    page.reload()
    chart(page, "train/loss").wait(runs=2)
    becomes(lambda: theme(page), other)
    button.click()
    expect(button).to_have_accessible_name(f"Theme: {scheme}")
    button.click()
    expect(button).to_have_accessible_name(f"Theme: system ({scheme})")


def test_charts_change_their_colours_with_the_theme(runs: Any, open_page: Callable[..., Page], chart: Any) -> None:
    """After `t` the lines, the labels and the page wear the other theme's colours, none of the old ones stay."""
    page = open_page(runs, "smoothing=0")
    loss = chart(page, "train/loss").wait(runs=2)
    box = page.get_by_role("checkbox", name="b", exact=True)  # drawn above a, which has the same values
    dark = box.evaluate("box => getComputedStyle(box).borderColor")
    page.keyboard.press("t")
    expect(box).not_to_have_css("border-color", dark)
    light = box.evaluate("box => getComputedStyle(box).borderColor")
    becomes(lambda: (loss.pixels_near(dark, 20), loss.pixels_near(light, 40) > 20), (0, True))
    becomes(lambda: theme(page), "light")


def test_the_theme_is_there_before_the_first_paint(runs: Any, browser: Any) -> None:
    """A stored choice is in force though the page's module never comes: a blocking script of its own sets it."""
    context = browser.new_context(color_scheme="dark")
    page = context.new_page()
    url = runs.url
    page.goto(url)
    page.keyboard.press("t")
    page.wait_for_function("() => document.documentElement.dataset.theme === 'light'")
    context.route("**/assets/index-*.js", lambda route: route.abort())
    page.goto(url)
    becomes(lambda: theme(page), "light")
    assert page.locator("#app").inner_html() == ""
    context.close()


def test_keys_do_what_their_sheet_says(runs: Any, open_page: Callable[..., Page], chart: Any) -> None:
    """`?` opens the sheet, `/` goes to the filter, Escape clears and leaves it, letters typed there are only text."""
    page = open_page(runs)
    loss = chart(page, "train/loss").wait(runs=2)
    page.keyboard.press("?")
    sheet = page.get_by_role("dialog", name="Keys")
    expect(sheet).to_be_visible()
    assert {"/", "t", "r", "l", "x", "[", "]", "?"} <= set(sheet.locator("kbd").all_inner_texts())
    assert sheet.locator("h3").all_inner_texts() == ["Go to", "Runs", "Charts", "Page"]
    page.keyboard.press("t")
    becomes(lambda: theme(page), "dark")
    page.keyboard.press("Escape")
    expect(sheet).to_be_hidden()

    page.keyboard.press("/")
    field = page.get_by_label("Filter runs")
    expect(field).to_be_focused()
    page.keyboard.type("t[ab]r")
    expect(field).to_have_value("t[ab]r")
    becomes(lambda: theme(page), "dark")
    page.keyboard.press("Escape")
    expect(field).to_have_value("")
    expect(field).to_be_focused()
    page.keyboard.press("Escape")
    expect(field).not_to_be_focused()

    whole = loss.wait(runs=2).domain
    loss.drag((0.3, 0.5), (0.6, 0.5))
    loss.wait_for_domain(lambda domain: domain[0] > 0)
    page.keyboard.press("r")
    loss.wait_for_domain(lambda domain: domain == whole)


@pytest.mark.parametrize("width", [360, 390, 768])
def test_a_narrow_window_has_the_runs_in_a_drawer(
    runs: Any, open_page: Callable[..., Page], chart: Any, width: int
) -> None:
    """Nothing is wider than the window; the run list slides in when asked for and goes by Escape or a tap beside it."""
    page = open_page(runs, width=width, height=740, has_touch=True)
    loss = chart(page, "train/loss").wait(runs=2)
    assert page.evaluate("() => document.documentElement.scrollWidth") == width
    place = loss.root.bounding_box()
    assert place is not None
    assert place["x"] >= 0
    assert place["x"] + place["width"] <= width
    assert place["width"] > min(width, 340) * 0.85

    box = page.get_by_role("checkbox", name="a", exact=True)
    opener = page.get_by_role("button", name="Runs", exact=True)
    expect(box).to_be_hidden()
    opener.click()
    expect(box).to_be_visible()
    box.uncheck()
    loss.wait(runs=1)
    page.keyboard.press("Escape")
    expect(box).to_be_hidden()
    opener.click()
    expect(box).to_be_visible()
    page.mouse.click(width - 10, 400)
    expect(box).to_be_hidden()


def test_the_list_can_be_made_wider(runs: Any, open_page: Callable[..., Page], chart: Any) -> None:
    """Dragging its edge, or arrow keys on it, give long names more room, also after a reload."""
    page = open_page(runs)
    chart(page, "train/loss").wait(runs=2)
    edge = page.get_by_role("separator", name="Width of the run list")
    edge.focus()
    page.keyboard.press("ArrowRight")
    expect(edge).to_have_attribute("aria-valuenow", "288")
    page.mouse.move(288, 400)
    page.mouse.down()
    page.mouse.move(388, 400, steps=3)
    page.mouse.up()
    expect(edge).to_have_attribute("aria-valuenow", "388")
    page.reload()
    chart(page, "train/loss").wait(runs=2)
    width = page.get_by_role("complementary", name="Runs").bounding_box()
    assert width is not None
    assert width["width"] == pytest.approx(388, abs=2)


def test_the_page_is_light(runs: Any, browser: Any) -> None:
    """All that the page fetches until its charts are drawn, data aside, is less than 96 kB when compressed.

    The build holds what of it the shell and the scalars cannot do without to 80 KB.
    """
    page = browser.new_page()
    fetched: dict[str, bytes] = {}
    page.on("response", lambda answer: fetched.update({answer.url: b""}))
    page.goto(runs.url)
    page.wait_for_selector(".chart[data-domain]")
    sizes: dict[str, int] = {}
    for url in [url for url in fetched if "/api/" not in url]:
        sizes[url.rpartition("/")[2]] = len(gzip.compress(page.request.get(url).body(), 9))
    page.close()
    assert {name.rpartition(".")[2] for name in sizes} >= {"js", "css"}
    assert sum(sizes.values()) < 96_000, sizes
