"""Logarithms on both axes, and what a chart can be downloaded as."""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from playwright.sync_api import Page, expect

import tallyboard as tb

STEPS = 100


@pytest.fixture(scope="module")
def decays(tmp_path_factory: pytest.TempPathFactory, serve_module: Callable[..., Any]) -> Any:
    """A run whose loss falls by six powers of ten, and one that is below zero for its second half."""
    logdir = tmp_path_factory.mktemp("decays")
    with tb.SummaryWriter(logdir / "a") as falls, tb.SummaryWriter(logdir / "b,=1") as signed:
        for step in range(STEPS):
            falls.add_scalar("loss", 10 ** (-6 * step / (STEPS - 1)), step, walltime=1.7e9 + step)
            signed.add_scalar("loss", 0.5 if step < STEPS / 2 else -0.5, step, walltime=1.7e9 + step)
        signed.add_scalar("loss", math.nan, STEPS, walltime=1.7e9 + STEPS)
    return serve_module(logdir)


def test_values_by_their_logarithm(decays: Any, open_page: Callable[..., Page], chart: Any) -> None:
    """Log shows the positive values alone, from the smallest on; symlog and linear all; l turns through the three."""
    page = open_page(decays, "smoothing=0")
    loss = chart(page, "loss").wait(runs=2)
    assert loss.domain[2] < -0.5

    page.get_by_label("Vertical axis").select_option("Log")
    low, high = loss.wait_for_domain(lambda domain: domain[2] > 0)[2:]
    assert 1e-7 < low < 1e-6
    assert 1 < high < 3
    expect(page).to_have_url(re.compile("y=log"))

    page.keyboard.press("l")
    expect(page.get_by_label("Vertical axis")).to_have_value("symlog")
    loss.wait_for_domain(lambda domain: domain[2] < -0.5)
    page.keyboard.press("l")
    expect(page.get_by_label("Vertical axis")).to_have_value("linear")


def test_a_drag_on_a_logarithm_takes_what_was_dragged_over(
    decays: Any, open_page: Callable[..., Page], chart: Any
) -> None:
    """The lower half of six powers of ten is dragged over: some three of them are shown."""
    page = open_page(decays, "smoothing=0&y=log&only=a")
    loss = chart(page, "loss").wait(runs=1)
    loss.wait_for_domain(lambda domain: domain[2] > 0)

    loss.drag((0.3, 0.5), (0.7, 0.88))
    low, high = loss.wait_for_domain(lambda domain: domain[3] < 0.1)[2:]
    assert 2 < math.log10(high / low) < 4


def test_steps_by_their_logarithm(decays: Any, open_page: Callable[..., Page], chart: Any) -> None:
    """With x bent the middle of the chart is an early step, and step 0 is still there."""
    page = open_page(decays, "smoothing=0&xlog=1")
    loss = chart(page, "loss").wait(runs=2)
    assert loss.domain[:2] == (0, STEPS)

    loss.hover(0.5, 0.5)
    step = page.locator(".tip tbody tr.nearest td").nth(2)
    expect(step).to_be_visible()
    assert 3 <= int(step.inner_text()) <= 15
    page.get_by_label("Horizontal axis").select_option("Wall")
    page.get_by_role("button", name="Chart settings").click()
    expect(page.get_by_role("checkbox", name="Log x")).to_be_disabled()


def downloaded(page: Page, label: str) -> tuple[str, bytes]:
    page.get_by_role("button", name="Download loss").click()
    with page.expect_download() as waiting:
        page.get_by_role("menuitem", name=label).click()
    return waiting.value.suggested_filename, Path(waiting.value.path()).read_bytes()


def test_every_point_can_be_had(decays: Any, open_page: Callable[..., Page], chart: Any) -> None:
    """CSV and JSON hold each point of both runs, with names that no spreadsheet runs, and NaN as such."""
    page = open_page(decays, "smoothing=0")
    chart(page, "loss").wait(runs=2, points=2 * STEPS + 1)

    name, data = downloaded(page, "CSV")
    rows = list(csv.DictReader(io.StringIO(data.decode())))
    assert name == "loss.csv"
    assert [row["run"] for row in rows] == ["a"] * STEPS + ["b,=1"] * (STEPS + 1)
    assert [int(row["step"]) for row in rows[:STEPS]] == list(range(STEPS))
    assert float(rows[99]["value"]) == pytest.approx(1e-6, rel=1e-6)
    assert (rows[-1]["value"], float(rows[-1]["wall_time"])) == ("NaN", 1.7e9 + STEPS)

    name, data = downloaded(page, "JSON")
    assert name == "loss.json"
    runs = json.loads(data)["runs"]
    assert [(run["run"], len(run["value"])) for run in runs] == [("a", STEPS), ("b,=1", STEPS + 1)]
    assert runs[1]["value"][-1] == "NaN"


def test_the_picture_can_be_had(decays: Any, open_page: Callable[..., Page], chart: Any) -> None:
    """SVG is the chart with its lines and labels, PNG the very pixels on the screen's background."""
    page = open_page(decays, "smoothing=0&y=log")
    chart(page, "loss").wait(runs=2)

    name, data = downloaded(page, "SVG")
    root = ElementTree.fromstring(data)
    space = "{http://www.w3.org/2000/svg}"
    assert (name, root.find(f"{space}title").text) == ("loss.svg", "loss")  # type: ignore[union-attr]
    texts = [text.text for text in root.iter(f"{space}text")]
    assert {"1", "0.01", "0", "100"} <= set(texts)
    colours = {path.get("stroke") for path in root.iter(f"{space}path")} - {None}
    assert len(colours) >= 4  # grid, axis and two runs

    name, data = downloaded(page, "PNG")
    assert (name, data[:8]) == ("loss.png", b"\x89PNG\r\n\x1a\n")


def test_the_menu_goes_by_keys(decays: Any, open_page: Callable[..., Page], chart: Any) -> None:
    """Enter opens it, arrows move, Escape closes it and leaves the button with the focus."""
    page = open_page(decays)
    chart(page, "loss").wait(runs=2)
    button = page.get_by_role("button", name="Download loss")
    button.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("menuitem", name="PNG")).to_be_focused()
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("menuitem", name="SVG")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.get_by_role("menuitem", name="SVG")).to_be_hidden()
    expect(button).to_be_focused()


def test_what_a_restart_voided_can_be_seen(tmp_path: Path, open_page: Callable[..., Page], chart: Any) -> None:
    """A restarted run shows what stands; the switch, there only for such runs, adds the voided points and their end."""
    for purge_step, steps in ((None, range(50)), (30, range(30, 60))):
        with tb.SummaryWriter(tmp_path / "run", purge_step=purge_step) as writer:
            for step in steps:
                writer.add_scalar("loss", step * (2.0 if purge_step else 1.0), step)
    page = open_page(tmp_path, "smoothing=0")
    loss = chart(page, "loss").wait(runs=1, points=60)

    page.get_by_role("button", name="Chart settings").click()
    page.get_by_role("checkbox", name="Superseded").check()
    loss.wait(points=80)
    expect(page).to_have_url(re.compile("superseded=1"))
    with tb.SummaryWriter(tmp_path / "run") as writer:
        writer.add_scalar("loss", 500.0, 60)
    loss.wait(points=81)
    page.get_by_role("checkbox", name="Superseded").uncheck()
    loss.wait(points=61)


def test_runs_without_restarts_have_no_such_switch(decays: Any, open_page: Callable[..., Page], chart: Any) -> None:
    """Where nothing was voided, nothing is said of it."""
    page = open_page(decays)
    chart(page, "loss").wait(runs=2)
    page.get_by_role("button", name="Chart settings").click()
    expect(page.get_by_role("checkbox", name="Log x")).to_be_visible()
    expect(page.get_by_role("checkbox", name="Superseded")).to_be_hidden()
