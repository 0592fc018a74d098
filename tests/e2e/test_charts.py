"""What the charts show, and what a hand can do to them."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

import tallyboard as tb

from .waiting import becomes

RATES = ("0.003", "0.03", "1.0")
STEPS = 200
WIDTH = re.compile("width")


@pytest.fixture(scope="module")
def rates(tmp_path_factory: pytest.TempPathFactory, serve_module: Callable[..., Any]) -> Any:
    """Three runs that learn at different rates; the last one diverges. One second lies between two steps."""
    logdir = tmp_path_factory.mktemp("rates")
    for number, rate in enumerate(RATES):
        with tb.SummaryWriter(logdir / f"lr={rate}") as writer:
            for step in range(STEPS):
                learnt = 2 + step / 100 if rate == "1.0" else 2 * math.exp(-step * float(rate)) + 0.1 * number
                writer.add_scalar("train/loss", learnt, step, walltime=1.7e9 + 1000 * number + step)
                writer.add_scalar("train/accuracy", 1 - learnt / 4, step, walltime=1.7e9 + 1000 * number + step)
    return serve_module(logdir)


def colour_of(page: Page, run: str) -> str:
    """The colour of a run in the list, as "rgb(r, g, b)"."""
    box = page.get_by_role("checkbox", name=run, exact=True)
    colour: str = box.evaluate("box => getComputedStyle(box).borderColor")
    return colour


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_each_run_is_drawn_in_the_colour_of_its_name(
    rates: Any, open_page: Callable[..., Page], chart: Any, scheme: str
) -> None:
    """Three runs give three curves of 200 points, each in a colour of its own, which the list shows too."""
    page = open_page(rates, "smoothing=0", scheme=scheme)
    loss = chart(page, "train/loss").wait(runs=3, points=3 * STEPS)

    colours = [colour_of(page, f"lr={rate}") for rate in RATES]
    assert len(set(colours)) == 3
    drawn = [loss.pixels_near(colour) for colour in colours]
    assert min(drawn) > 100, drawn
    page.get_by_role("checkbox", name="lr=1.0", exact=True).uncheck()
    loss.wait(runs=2, points=2 * STEPS)
    assert loss.pixels_near(colours[2], 30) == 0


def test_it_says_in_words_what_it_shows(rates: Any, open_page: Callable[..., Page], chart: Any) -> None:
    """The chart is an image whose name tells the tag, the runs and their last values."""
    page = open_page(rates)
    chart(page, "train/loss").wait(runs=3)
    expect(page.get_by_role("img", name="train/loss, 3 runs.")).to_have_attribute(
        "aria-label",
        "train/loss, 3 runs. Last values: lr=0.003: 1.1009 at step 199; lr=0.03: 0.10511 at step 199; "
        "lr=1.0: 3.99 at step 199",
    )


def test_a_flat_drag_zooms_in_x_and_fits_y_and_a_double_click_gives_it_up(
    rates: Any, open_page: Callable[..., Page], chart: Any
) -> None:
    """Dragging over the middle half shows that half, fitted in height, in this card only; a double click undoes it."""
    page = open_page(rates, "smoothing=0")
    loss = chart(page, "train/loss").wait(runs=3)
    accuracy = chart(page, "train/accuracy").wait(runs=3)
    whole, other = loss.domain, accuracy.domain
    assert whole[:2] == (0, STEPS - 1)

    loss.drag((0.3, 0.5), (0.7, 0.53))
    x0, x1, y0, y1 = loss.wait_for_domain(lambda domain: domain != whole)
    width = 0.4 * STEPS * loss.root.evaluate("root => root.clientWidth") / plot_width(loss)
    assert x1 - x0 == pytest.approx(width, rel=0.05)
    assert 40 < x0 < 75
    highest, lowest = 2 + math.floor(x1) / 100, 2 * math.exp(-math.floor(x1) * 0.03) + 0.1
    margin = (highest - lowest) * 0.05
    assert (y0, y1) == pytest.approx((lowest - margin, highest + margin), rel=1e-4)
    assert accuracy.domain == other
    expect(page.get_by_role("button", name="Reset zoom of train/loss")).to_be_visible()

    page.mouse.dblclick(*loss.place(0.5, 0.5))
    assert loss.wait_for_domain(lambda domain: domain == whole)
    expect(page.get_by_role("button", name="Reset zoom of train/loss")).to_have_count(0)


def plot_width(chart: Any) -> float:
    """The pixels between the first and the last x, found by zooming nowhere: the canvas less its margins."""
    inside: float = chart.page.evaluate(
        """tag => {
            const canvas = document.querySelector(`.chart[data-tag="${tag}"] canvas`);
            const { width, height } = canvas;
            const { data } = canvas.getContext("2d").getImageData(0, 0, width, height);
            let longest = 0;
            for (let y = 0; y < height; y++) {
                let length = 0;
                for (let x = 0; x < width; x++) if (data[4 * (y * width + x) + 3] > 0) length++;
                longest = Math.max(longest, length);
            }
            return longest - 10;
        }""",
        chart.tag,
    )
    return inside


def test_a_tall_drag_zooms_in_both_directions(rates: Any, open_page: Callable[..., Page], chart: Any) -> None:
    """A rectangle that is high as well as wide sets both axes, and one that is only high sets y alone."""
    page = open_page(rates)
    loss = chart(page, "train/loss").wait(runs=3)
    x0, x1, y0, y1 = whole = loss.domain

    loss.drag((0.3, 0.2), (0.7, 0.6))
    zoomed = loss.wait_for_domain(lambda domain: domain != whole)
    assert x0 < zoomed[0] < zoomed[1] < x1
    assert y0 < zoomed[2] < zoomed[3] < y1
    assert zoomed[3] - zoomed[2] == pytest.approx((y1 - y0) * 0.4 / 0.85, rel=0.1)

    page.keyboard.press("r")
    loss.wait_for_domain(lambda domain: domain == whole)
    loss.drag((0.5, 0.2), (0.503, 0.6))
    steep = loss.wait_for_domain(lambda domain: domain != whole)
    assert steep[:2] == (x0, x1)
    assert y0 < steep[2] < steep[3] < y1


def test_escape_gives_up_a_drag(rates: Any, open_page: Callable[..., Page], chart: Any) -> None:
    """Escape while the button is down leaves the axes as they were."""
    page = open_page(rates)
    loss = chart(page, "train/loss").wait(runs=3)
    whole = loss.domain
    page.mouse.move(*loss.place(0.3, 0.5))
    page.mouse.down()
    page.mouse.move(*loss.place(0.6, 0.5), steps=3)
    page.keyboard.press("Escape")
    page.mouse.up()
    chart(page, "train/accuracy").drag((0.3, 0.5), (0.6, 0.5))
    chart(page, "train/accuracy").wait_for_domain(lambda domain: domain[0] > 0)
    assert loss.domain == whole


def test_the_tooltip_has_the_numbers_under_the_pointer(rates: Any, open_page: Callable[..., Page], chart: Any) -> None:
    """It lists each run, the nearest first, with smoothed value, value, step and time, as the formula gives them."""
    page = open_page(rates, "smoothing=0.5")
    loss = chart(page, "train/loss").wait(runs=3)
    loss.hover(0.9, 0.1)
    rows = page.locator(".tip tbody tr")
    expect(rows).to_have_count(3)
    nearest = [cell.strip() for cell in rows.first.locator("td").all_inner_texts()]
    step = int(nearest[3])
    values = [2 + n / 100 for n in range(step + 1)]
    last = 0.0
    for value in values:
        last = 0.5 * last + 0.5 * value
    smoothed = last / (1 - 0.5 ** len(values))
    assert nearest[0] == "lr=1.0"
    assert float(nearest[1]) == pytest.approx(smoothed, rel=1e-4)
    assert float(nearest[2]) == pytest.approx(values[-1], rel=1e-4)
    assert nearest[4] == (f"{step // 60}m {step % 60}s" if step % 60 else f"{step // 60}m")
    page.mouse.move(5, 5)
    expect(page.locator(".tip")).to_have_count(0)


def test_more_runs_than_fit_are_counted(tmp_path: Path, open_page: Callable[..., Page], chart: Any) -> None:
    """With 40 runs the tooltip shows what fits and says how many more there are."""
    for number in range(40):
        with tb.SummaryWriter(tmp_path / f"run{number}") as writer:
            writer.add_scalar("loss", number, 0)
            writer.add_scalar("loss", number, 1)
    page = open_page(tmp_path)
    chart(page, "loss").wait(runs=40)
    chart(page, "loss").hover(0.5, 0.5)
    expect(page.locator(".tip p")).to_have_text(re.compile(r"^\+\d+ more$"))
    shown = page.locator(".tip tbody tr").count()
    assert 3 <= shown < 40
    expect(page.locator(".tip p")).to_have_text(f"+{40 - shown} more")


def test_smoothing_shows_in_the_curve(rates: Any, open_page: Callable[..., Page], chart: Any) -> None:
    """The slider's value is shown, the keys [ and ] change it by 0.05, and it stops at 0 and 0.99."""
    page = open_page(rates)
    chart(page, "train/loss").wait(runs=3)
    slider = page.get_by_role("slider", name="Smoothing")
    expect(slider).to_have_value("0.6")
    page.keyboard.press("]")
    expect(slider).to_have_value("0.65")
    for _ in range(8):
        page.keyboard.press("]")
    expect(slider).to_have_value("0.99")
    for _ in range(25):
        page.keyboard.press("[")
    expect(slider).to_have_value("0")
    expect(page.locator(".smooth .value")).to_have_text("0.00")


def test_the_axis_counts_steps_or_time(rates: Any, open_page: Callable[..., Page], chart: Any) -> None:
    """Relative begins at 0 for every run; wall spreads the runs over the times at which they ran."""
    page = open_page(rates)
    loss = chart(page, "train/loss").wait(runs=3)
    assert loss.domain[:2] == (0, STEPS - 1)
    page.get_by_label("Horizontal axis").select_option("Relative")
    loss.wait_for_domain(lambda domain: domain[:2] == (0, STEPS - 1))
    page.get_by_label("Horizontal axis").select_option("Wall")
    loss.wait_for_domain(lambda domain: domain[:2] == (1.7e9, 1.7e9 + 2000 + STEPS - 1))


def test_values_that_are_not_finite_leave_gaps(tmp_path: Path, open_page: Callable[..., Page], chart: Any) -> None:
    """NaN and infinities are held and marked, the axes are those of the finite values, a single point is a dot."""
    with tb.SummaryWriter(tmp_path) as writer:
        for step, value in enumerate([1.0, 2.0, math.nan, math.inf, -math.inf, 3.0]):
            writer.add_scalar("odd", value, step)
        writer.add_scalar("single", 0.25, 7)
        writer.add_scalar("none", math.nan, 0)
    page = open_page(tmp_path, "smoothing=0")
    odd = chart(page, "odd").wait(runs=1, points=6)
    assert odd.domain == pytest.approx((0, 5, 0.9, 3.1))
    single = chart(page, "single").wait(runs=1, points=1)
    assert single.domain == pytest.approx((6, 8, 0.225, 0.275))
    colour = colour_of(page, ".")
    assert 10 <= single.pixels_near(colour, 30) <= 60
    none = chart(page, "none").wait(runs=1, points=1)
    assert none.summary == "none, 1 run. Last values: .: NaN at step 0"
    assert 4 <= none.pixels_near(colour, 80) <= 60


def test_a_card_can_take_the_full_width(rates: Any, open_page: Callable[..., Page], chart: Any) -> None:
    """Its button widens a card to the whole row, its canvas with it, and back."""
    page = open_page(rates)
    loss = chart(page, "train/loss").wait(runs=3)
    before = loss.root.bounding_box()
    page.get_by_role("button", name="More for train/loss").click()
    page.get_by_role("menuitem", name=WIDTH).click()
    page.wait_for_function(
        "() => document.querySelector('.chart[data-tag=\"train/loss\"] canvas').width > 900 * devicePixelRatio"
    )
    assert loss.runs == 3
    page.get_by_role("button", name="More for train/loss").click()
    page.get_by_role("menuitem", name=WIDTH).click()
    page.wait_for_function("() => document.querySelector('.chart[data-tag=\"train/loss\"] canvas').width < 700")
    becomes(loss.root.bounding_box, before)


def test_cards_are_drawn_when_they_come_near(tmp_path: Path, open_page: Callable[..., Page], chart: Any) -> None:
    """Of 200 tags only those on the screen, or nearly, hold a chart; scrolling brings the others."""
    with tb.SummaryWriter(tmp_path) as writer:
        for number in range(200):
            writer.add_scalar(f"layer/{number}", number, 0)
    page = open_page(tmp_path)
    chart(page, "layer/0").wait(runs=1)
    expect(page.locator(".card")).to_have_count(200)
    assert page.locator(".chart").count() < 30
    chart(page, "layer/199").wait(runs=1, points=1)
    expect(page.locator('.chart[data-tag="layer/0"]')).to_have_count(0)
