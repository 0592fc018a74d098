"""What a person arranges on a real training: markers, zoom, cards, views, colours, the trash, many tabs."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from playwright.sync_api import Page, expect

import tallyboard as tb

from .streams import streams_become
from .training import ACCURACY, LOSS, MIDDLE, Training, drawn, near
from .waiting import becomes

STEPS = 20_000


@pytest.fixture(scope="module")
def descended(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A regression that descended for so many steps that the page is given them in parts."""
    logdir = tmp_path_factory.mktemp("descended")
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(STEPS, 4))
    targets = inputs @ np.array([1.0, -2.0, 0.5, 3.0]) + rng.normal(scale=0.3, size=STEPS)
    weights = np.zeros(4)
    with tb.SummaryWriter(logdir / "sgd") as writer:
        for step in range(STEPS):
            away = float(inputs[step] @ weights - targets[step])
            weights -= 0.001 * away * inputs[step]
            writer.add_scalar("squared_error", away * away, step)
    assert np.allclose(weights, [1.0, -2.0, 0.5, 3.0], atol=0.1)
    return logdir


def test_a_drag_fetches_each_step(descended: Path, open_page: Callable[..., Page], chart: Any) -> None:
    """The whole is drawn from parts of several steps; what is dragged over has each step's own value."""
    written = tb.read(descended).scalars()["sgd", "squared_error"].value
    page = open_page(descended, "smoothing=0")
    error = chart(page, "squared_error").wait(runs=1, points=STEPS)
    assert error.domain[:2] == (0, STEPS - 1)
    error.hover(0.5, 0.5)
    tip = page.locator(".tip")
    expect(tip).to_contain_text("points here")
    for _ in range(2):
        before = error.domain
        error.drag((0.5, 0.5), (0.56, 0.52))
        x0, x1, *_ = error.wait_for_domain(lambda domain, before=before: domain[:2] != before[:2])
    assert x1 - x0 < 200
    expect(error.root).to_have_attribute("data-part", "exact")
    error.hover(0.4, 0.5)
    expect(tip).not_to_contain_text("points here")
    cells = tip.locator("tbody tr").first.locator("td")
    step = int(cells.nth(2).inner_text().replace(",", ""))
    assert x0 <= step <= x1
    assert near(cells.nth(1).inner_text(), float(written[step]))


def test_a_marker_is_moved_over_all_charts(training: Training, open_page: Callable[..., Page], chart: Any) -> None:
    """The hand and the keys move the place of the tables, in each chart at once; they have the values of that step."""
    page = open_page(training.viewer, f"smoothing=0&runs=train$&tags=^({LOSS}|{ACCURACY})$&select=step")
    loss = drawn(page, chart)
    accuracy = chart(page, ACCURACY).wait(runs=3, points=60)
    marker = page.get_by_role("slider", name=f"Step of the table of {LOSS}")
    expect(marker).to_have_attribute("aria-valuenow", "19")
    box = marker.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 40)
    page.mouse.down()
    page.mouse.move(loss.place(0.5, 0)[0], box["y"] + 40, steps=4)
    page.mouse.up()
    becomes(lambda: 5 < int(marker.get_attribute("aria-valuenow") or 19) < 15, True)
    marker.focus()
    page.keyboard.press("Home")
    for _ in range(7):
        page.keyboard.press("ArrowRight")
    for card, tag in ((loss, LOSS), (accuracy, ACCURACY)):
        expect(page.get_by_role("slider", name=f"Step of the table of {tag}")).to_have_attribute("aria-valuenow", "7")
        page.get_by_role("button", name=re.compile(f"^Table of {tag}")).click()
        cells = card.card.locator("table td")
        expect(cells).to_have_count(9)
        rows = np.array(cells.all_inner_texts()).reshape(3, 3)
        assert sorted(float(text) for text in rows[:, 1]) == pytest.approx(
            sorted(float(series.value[7]) for series in training.of(tag, "train$").values()), rel=1e-3
        )
        assert set(rows[:, 2]) == {"7"}


def test_cards_are_small_or_large(training: Training, open_page: Callable[..., Page], chart: Any) -> None:
    """Small cards stand three in a row, large ones two, and each is drawn from all points."""
    page = open_page(training.viewer, "smoothing=0&runs=train$&tags=^epoch_&group=none", width=1400)
    loss = drawn(page, chart)
    page.get_by_role("button", name="Chart settings").click()
    sizes = []
    for size in "SML":
        page.get_by_role("radio", name=size, exact=True).check()
        page.wait_for_function(
            "size => document.querySelector('.card') && (location.hash.includes(`size=${size}`) || size === 'm')",
            arg=size.lower(),
        )
        loss.wait(runs=3, points=60)
        box = loss.card.bounding_box()
        assert box is not None
        sizes.append((box["width"], box["height"]))
    assert sizes == sorted(sizes)
    assert len({height for _, height in sizes}) == 3
    expect(loss.root).to_have_css("height", "316px")


def test_tags_of_one_chart_are_told_apart_by_dashes(
    training: Training, open_page: Callable[..., Page], chart: Any
) -> None:
    """The second tag is dashed, in the legend and in the picture that is saved; each line has its run's colour."""
    chosen = json.dumps([{"id": "a", "title": "both", "tags": [LOSS, ACCURACY]}])
    page = open_page(training.viewer, f"smoothing=0&runs={MIDDLE}&tags=^{LOSS}$&chart={chosen}")
    both = chart(page, "both").wait(runs=2, points=40)
    legend = both.card.get_by_role("list", name="Lines by tag")
    becomes(lambda: legend.inner_text().split(), [LOSS, ACCURACY])
    strokes = legend.locator("path").evaluate_all("paths => paths.map(path => path.getAttribute('stroke-dasharray'))")
    assert strokes == ["", "6 3"]
    page.get_by_role("button", name="Download both").click()
    with page.expect_download() as waiting:
        page.get_by_role("menuitem", name="SVG").click()
    picture = ElementTree.parse(waiting.value.path())
    colour = page.get_by_role("checkbox", name=MIDDLE, exact=True).evaluate("box => getComputedStyle(box).borderColor")
    hue = "#" + "".join(f"{int(part):02x}" for part in re.findall(r"\d+", colour))
    lines = [path for path in picture.iter("{http://www.w3.org/2000/svg}path") if path.get("stroke") == hue]
    assert {path.get("stroke-dasharray") or "" for path in lines} == {"", "6 3"}


def test_a_view_comes_back_by_its_name(own: Training, open_page: Callable[..., Page], chart: Any) -> None:
    """What was saved under a name shows its runs, tags and axis again: the least of the loss is where it was."""
    page = open_page(own.viewer, f"smoothing=0&runs=train$&tags=^{LOSS}$&y=log")
    loss = chart(page, LOSS).wait(runs=3, points=60)
    saved = loss.domain
    page.get_by_role("button", name="Views").click()
    page.get_by_label("Name of the view").fill("losses")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="More of losses")).to_be_visible()

    other = open_page(own.viewer, "smoothing=0")
    accuracy = chart(other, ACCURACY).wait(runs=6, points=120)
    other.get_by_role("button", name="Views").click()
    other.get_by_role("button", name="losses", exact=True).click()
    expect(accuracy.root).to_have_count(0)
    back = chart(other, LOSS).wait(runs=3, points=60)
    expect(other.get_by_label("Vertical axis")).to_have_value("log")
    back.wait_for_domain(lambda domain: domain == saved)


def test_a_run_is_given_a_colour(own: Training, open_page: Callable[..., Page], chart: Any) -> None:
    """The colour chosen by hand is that of the box and of the line, for the next browser too."""
    page = open_page(own.viewer, f"smoothing=0&runs=train$&tags=^{LOSS}$")
    chart(page, LOSS).wait(runs=3, points=60)
    page.get_by_role("checkbox", name=MIDDLE, exact=True).click(button="right")
    page.get_by_role("menuitem", name="Colour").click()
    page.get_by_label("Any other").fill("#00ff88")
    other = open_page(own.viewer, f"smoothing=0&runs=train$&tags=^{LOSS}$")
    for shown in (page, other):
        loss = chart(shown, LOSS).wait(runs=3, points=60)
        box = shown.get_by_role("checkbox", name=MIDDLE, exact=True)
        expect(box).to_have_css("border-color", "rgb(0, 255, 136)")
        becomes(lambda loss=loss: loss.pixels_near("rgb(0, 255, 136)", 40) > 50, True)  # type: ignore[misc]


def test_a_run_comes_back_from_the_trash(own: Training, open_page: Callable[..., Page], chart: Any) -> None:
    """A run that was thrown away is gone from the chart, and after Restore it is drawn with all its points."""
    page = open_page(own.viewer, f"smoothing=0&runs=train$&tags=^{LOSS}$")
    loss = chart(page, LOSS).wait(runs=3, points=60)
    whole = loss.summary
    page.get_by_role("checkbox", name=MIDDLE, exact=True).click(button="right")
    page.get_by_role("menuitem", name="Move to the trash").click()
    page.get_by_role("dialog").get_by_role("button", name="Move to the trash").click()
    loss.wait(runs=2, points=40)
    becomes((own.logdir / MIDDLE).exists, False)
    page.get_by_role("button", name="More of the run list").click()
    page.get_by_role("menuitem", name="Look into the trash").click()
    page.get_by_role("dialog", name="Trash").get_by_role("button", name=f"Restore {MIDDLE}").click()
    loss.wait(runs=3, points=60)
    becomes(lambda: loss.summary, whole)
    again = tb.read(own.logdir).scalars()[MIDDLE, LOSS]
    assert again.value.tolist() == own.of(LOSS)[MIDDLE].value.tolist()


def test_tabs_share_a_stream(
    own: Training, tmp_path: Path, counting: Callable[..., Any], open_page: Callable[..., Page], chart: Any
) -> None:
    """Tabs of one browser all draw a run that comes later, through one stream of news."""
    server = counting(own.logdir)
    address = f"smoothing=0&tags=^{LOSS}$"
    first = open_page(server, address)
    tabs = [first, *(first.context.new_page() for _ in range(3))]
    for page in tabs[1:]:
        page.goto(f"{server.url}#{address}")
    for page in tabs:
        chart(page, LOSS).wait(runs=6, points=120)
    with tb.SummaryWriter(own.logdir / "digits" / "later") as writer:
        writer.add_scalar(LOSS, 0.5, 0)
    for page in tabs:
        assert "digits/later: 0.5 at step 0" in chart(page, LOSS).wait(runs=7, points=121).summary

    def nudge() -> None:
        with tb.SummaryWriter(own.logdir / "more") as writer:
            writer.add_scalar("nothing", 0.0, 0)

    streams_become(tmp_path, 1, nudge)
