"""What a chart can do beyond drawing curves: outliers, restarts, other axes, ranges, pins and selectors."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

import tallyboard as tb

from .waiting import TWO_FRAMES, becomes

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


def test_x_can_be_steps_from_the_first_epochs_or_any_tag(
    tools: Any, open_page: Callable[..., Page], chart: Any
) -> None:
    """The menu of x: from each run's first step; epochs; another tag, found by typing and kept in the address."""
    page = open_page(tools, "smoothing=0&tags=^loss$")
    loss = chart(page, "loss").wait(runs=2, points=2 * STEPS)
    assert loss.domain[:2] == (0, 1000 + STEPS - 1)
    across = page.get_by_role("combobox", name="Horizontal axis")
    across.select_option("Relative step")
    loss.wait_for_domain(lambda domain: domain[:2] == (0, STEPS - 1))
    across.select_option("Epoch")
    loss.wait_for_domain(lambda domain: domain[:2] == (0, 4))
    # The steps before the first epoch was written have no place.
    loss.wait(points=2 * (STEPS - EPOCH + 1))
    loss.hover(0.95, 0.5)
    cells = page.locator(".tip tbody tr").first.locator("td")
    expect(cells.nth(2)).to_have_text("4")
    assert cells.nth(3).inner_text() in ("99", "1,099")
    across.select_option("Another tag…")
    page.get_by_role("searchbox", name="Find a tag").fill("TOK")
    page.get_by_role("button", name="tokens", exact=True).click()
    loss.wait_for_domain(lambda domain: domain[:2] == (64 * EPOCH, 64 * STEPS))
    expect(across).to_have_value("tag:tokens")
    expect(page).to_have_url(re.compile("by=tag%3Atokens"))
    page.reload()
    loss.wait(runs=2, points=2 * (STEPS - EPOCH + 1))
    assert loss.domain[:2] == (64 * EPOCH, 64 * STEPS)


def test_axes_end_where_they_are_told_to(tools: Any, open_page: Callable[..., Page], chart: Any) -> None:
    """Typed ends hold for one tag, outlast a zoom and a reload, say what they leave out, and are cleared again."""
    page = open_page(tools, "smoothing=0")
    loss = chart(page, "loss").wait(runs=2)
    spiky = chart(page, "spiky").wait(runs=2)
    loss.wait()
    whole, other = loss.domain, spiky.domain
    page.get_by_role("button", name="Axis ranges of loss").click()
    page.get_by_role("textbox", name="y, least").fill("0.5")
    page.get_by_role("textbox", name="y, most").fill("1e0")
    page.get_by_role("textbox", name="x, most").fill("50")
    page.keyboard.press("Enter")
    shown = loss.wait_for_domain(lambda domain: domain == (0, 50, 0.5, 1))
    page.get_by_role("textbox", name="y, least").fill("2")
    expect(page.get_by_role("alert").filter(has_text="below")).to_have_text("The least has to be below the most.")
    page.keyboard.press("Escape")
    above = sum(loss_of(0, step) > 1 for step in range(51))
    assert loss.root.get_attribute("data-outside") == f"{above},0"
    assert spiky.domain == other
    loss.drag((0.4, 0.5), (0.7, 0.53))
    loss.wait_for_domain(lambda domain: domain != shown)
    page.mouse.dblclick(*loss.place(0.5, 0.5))
    loss.wait_for_domain(lambda domain: domain == shown)
    expect(page).to_have_url(re.compile("range="))
    page.reload()
    loss.wait(runs=2)
    becomes(lambda: loss.domain, shown)
    page.get_by_role("button", name="Axis ranges of loss").click()
    page.get_by_role("button", name="Clear").click()
    loss.wait_for_domain(lambda domain: domain == whole)


def test_a_zoom_may_be_that_of_all_charts(tools: Any, open_page: Callable[..., Page], chart: Any) -> None:
    """With the switch on, zooming one chart in x zooms the others, also after a reload, and `r` gives it up in all."""
    page = open_page(tools, "smoothing=0&sync=1&tags=spiky|resumed")
    spiky = chart(page, "spiky").wait(runs=2)
    resumed = chart(page, "resumed").wait(runs=1)
    whole = spiky.domain, resumed.domain
    spiky.drag((0.3, 0.5), (0.6, 0.52))
    shown = spiky.wait_for_domain(lambda domain: domain != whole[0])
    resumed.wait_for_domain(lambda domain: domain[:2] == shown[:2])
    page.wait_for_url(re.compile("zoomx="))
    page.reload()
    assert resumed.wait(runs=1).domain[:2] == shown[:2]
    page.keyboard.press("r")
    resumed.wait_for_domain(lambda domain: domain == whole[1])
    spiky.wait_for_domain(lambda domain: domain == whole[0])


def test_wheel_and_hand_move_what_is_zoomed(tools: Any, open_page: Callable[..., Page], chart: Any) -> None:
    """Ctrl and the wheel zoom around the pointer, shift drags along, zooming out ends at the whole."""
    page = open_page(tools, "smoothing=0&tags=spiky")
    spiky = chart(page, "spiky").wait(runs=2)
    whole = spiky.domain
    spiky.hover(0.5, 0.5)
    page.mouse.wheel(0, -100)
    page.keyboard.down("Control")
    page.mouse.wheel(0, -200)
    page.keyboard.up("Control")
    x0, x1, *_ = zoomed = spiky.wait_for_domain(lambda domain: domain != whole)
    assert x1 - x0 == pytest.approx((STEPS - 1) * math.exp(-0.4))
    page.keyboard.down("Shift")
    spiky.drag((0.5, 0.5), (0.7, 0.5))
    page.keyboard.up("Shift")
    moved = spiky.wait_for_domain(lambda domain: domain[:2] != zoomed[:2])
    assert moved[1] - moved[0] == pytest.approx(x1 - x0)
    assert moved[0] < x0
    page.keyboard.down("Control")
    for _ in range(3):
        page.mouse.wheel(0, 200)
    page.keyboard.up("Control")
    spiky.wait_for_domain(lambda domain: domain == whole)


def test_the_crosshair_is_one_of_all_charts_and_of_the_keys(
    tools: Any, open_page: Callable[..., Page], chart: Any
) -> None:
    """Pointing at one chart shows the others' values there; arrows walk from point to point and are read out."""
    page = open_page(tools, "smoothing=0&tags=spiky|resumed&off=run1")
    spiky = chart(page, "spiky").wait(runs=1)
    resumed = chart(page, "resumed").wait(runs=1)
    spiky.root.focus()
    page.keyboard.press("Home")
    live = spiky.card.locator("[aria-live]")
    expect(live).to_have_text("run0: 0 at step 0")
    for _ in range(30):
        page.keyboard.press("ArrowRight")
    expect(live).to_have_text("run0: 500 at step 30")
    becomes(lambda: page.locator(".tip tbody td").all_inner_texts()[1:4], ["500", "30", "1m"])
    expect(resumed.root).to_have_attribute("data-echo", "")  # run0 has no such tag
    page.keyboard.press("+")
    spiky.wait_for_domain(lambda domain: domain[0] > 0)
    page.keyboard.press("Escape")
    expect(page.locator(".tip")).to_have_count(0)

    page.get_by_role("searchbox", name="Filter tags").fill("spiky|loss")
    loss = chart(page, "loss").wait(runs=1)
    spiky.hover(0.9, 0.5)
    expect(loss.root).not_to_have_attribute("data-echo", "")
    step = int(page.locator(".tip tbody td").all_inner_texts()[2])
    assert float(loss.root.get_attribute("data-echo")) == pytest.approx(loss_of(0, step), rel=1e-4)
    page.mouse.move(5, 5)
    expect(loss.root).to_have_attribute("data-echo", "")


def test_values_are_pinned_sorted_and_copied(tools: Any, open_page: Callable[..., Page], chart: Any) -> None:
    """A click pins the values of all runs there, in the order one picks; Copy and `c` give them with all digits."""
    page = open_page(tools, "smoothing=0&tags=loss&by=first&tipsort=ascending", permissions=["clipboard-read"])
    loss = chart(page, "loss").wait(runs=2)
    x, y = loss.place(0.5, 0.5)
    page.mouse.click(x, y)
    pin = page.get_by_role("group", name="Pinned values of loss")
    step = int(pin.locator("tbody tr").first.locator("td").nth(2).inner_text().replace(",", "")) % 1000
    values = [loss_of(number, step) for number in (0, 1)]
    names = [f"run{number}" for number in sorted((0, 1), key=lambda number: values[number])]
    expect(pin.locator("tbody td.run")).to_have_text(names)
    pin.get_by_label("Order of the values").select_option("Descending")
    expect(pin.locator("tbody td.run").first).to_have_text(names[1])
    pin.get_by_role("button", name="Copy").click()
    expect(pin.get_by_role("button", name="Copied")).to_be_visible()
    copied = [line.split("\t") for line in page.evaluate("navigator.clipboard.readText()").splitlines()]
    assert copied[0] == ["run", "value", "step", "relative_s", "time"]
    assert [(row[0], row[3]) for row in copied[1:]] == [(name, str(2 * step)) for name in reversed(names)]
    assert sorted(float(row[1]) for row in copied[1:]) == pytest.approx(sorted(values))
    page.locator("section.group h2 button").click()
    expect(pin).to_have_count(0)
    page.locator("section.group h2 button").click()
    expect(pin.locator("tbody td.run").first).to_have_text(names[1])  # kept while the card was away
    pin.get_by_role("button", name="Close").click()
    expect(pin).to_have_count(0)
    page.mouse.dblclick(x, y)  # however long the two clicks take
    expect(pin).to_have_count(0)
    loss.hover(0.3, 0.5)
    rows = page.locator(".tip tbody tr")
    expect(rows).to_have_count(2)
    page.keyboard.press("c")
    expect(page.locator(".tip")).to_contain_text("Copied")
    shown = [row.split("\t")[1] for row in page.evaluate("navigator.clipboard.readText()").splitlines()[1:]]
    assert [float(row.locator("td").nth(1).inner_text()) for row in rows.all()] == pytest.approx(
        [float(value) for value in shown], rel=1e-4
    )


def test_a_step_and_a_range_are_selected_for_all_charts(tools: Any, open_page: Callable[..., Page], chart: Any) -> None:
    """Markers are moved by hand or by keys, in all charts at once; the table has the exact figures, sorted, as CSV."""
    page = open_page(tools, "smoothing=0&tags=spiky|resumed&off=run1", permissions=["clipboard-read"])
    spiky = chart(page, "spiky").wait(runs=1)
    chart(page, "resumed").wait(runs=1)
    page.get_by_role("button", name="Chart settings").click()
    page.get_by_label("Values in tables").select_option("At a place")
    page.keyboard.press("Escape")
    marker = page.get_by_role("slider", name="Step of the table of spiky")
    expect(marker).to_have_attribute("aria-valuenow", "99")
    box = marker.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 40)
    page.mouse.down()
    page.mouse.move(spiky.place(0.5, 0)[0], box["y"] + 40, steps=4)
    page.mouse.up()
    expect(marker).not_to_have_attribute("aria-valuenow", "99")
    page.evaluate(TWO_FRAMES)
    moved = int(marker.get_attribute("aria-valuenow"))
    assert 30 < moved < 60
    marker.focus()
    for _ in range(abs(moved - 30)):
        page.keyboard.press("ArrowLeft")
    expect(marker).to_have_attribute("aria-valuenow", "30")
    other = page.get_by_role("slider", name="Step of the table of resumed")
    expect(other).to_have_attribute("aria-valuenow", "30")
    page.get_by_role("button", name=re.compile("^Table of spiky")).click()
    expect(spiky.card.locator("table td")).to_have_text(["run0", "500", "30"])

    page.wait_for_url(re.compile("selected=%5B30%5D"))
    steps = page.url
    page.get_by_role("button", name=re.compile("^Table of spiky")).click()
    page.get_by_label("Horizontal axis").select_option("relative")
    time = page.get_by_role("slider", name="Time of the table of spiky")
    expect(time).to_have_attribute("aria-valuetext", "3m 18s")  # what was selected of steps is nothing here
    time.focus()
    for _ in range(10):
        page.keyboard.press("Shift+ArrowLeft")
    other = page.get_by_role("slider", name="Time of the table of resumed")
    expect(other).to_have_attribute("aria-valuenow", re.compile(r"^(9[89]|100)"))
    page.get_by_role("button", name=re.compile("^Table of spiky")).click()
    expect(spiky.card.locator("table td").nth(2)).to_have_text(re.compile("^(49|50)$"))
    page.goto(steps.replace("select=step", "select=range").replace("selected=%5B30%5D", "selected=%5B25%2C65%5D"))
    page.reload()
    page.get_by_role("button", name=re.compile("^Table of spiky")).click()
    cells = spiky.card.locator("table td")
    expect(cells).to_have_text(["run0", "0", "500", "5", "5", "0"])
    page.get_by_role("button", name="Copy CSV: table of spiky").click()
    expect(page.get_by_role("button", name="Copied: table of spiky")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == "run,min,max,start,end,change\nrun0,0,500,5,5,0\n"
