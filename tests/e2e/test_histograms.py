"""Histograms as a person sees them, whoever wrote them: pictures, values, zoom, live steps, and what is wrong."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Locator, Page, expect

import tallyboard as tb
from tallyboard.core.proto import event_pb2 as pb

STEPS = 3
LONG = 400
TEN = 10.0


def values_at(step: int) -> np.ndarray:
    """A thousand values, evenly from ten times the step on, over ten."""
    return np.linspace(TEN * step, TEN * step + TEN, 1000)


def write_ours(folder: Path) -> None:
    with tb.SummaryWriter(folder) as writer:
        for step in range(STEPS):
            writer.add_histogram("even", values_at(step), step)


def write_torchs(folder: Path) -> None:
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(str(folder)) as writer:
        for step in range(STEPS):
            writer.add_histogram("even", values_at(step), step)


def write_tensorflows(folder: Path) -> None:
    tf = pytest.importorskip("tensorflow")
    writer = tf.summary.create_file_writer(str(folder))
    with writer.as_default():
        for step in range(STEPS):
            tf.summary.histogram("even", values_at(step), step=step)
    writer.close()


WRITERS = {"ours": write_ours, "tf": write_tensorflows, "torch": write_torchs}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, serve_module: Callable[..., Any]) -> Any:
    """One logdir with a run of each writer, a long run, and one with broken histograms."""
    logdir = tmp_path_factory.mktemp("logdir")
    for run, write in WRITERS.items():
        write(logdir / run)
    with tb.SummaryWriter(logdir / "long") as writer:
        for step in range(LONG):
            writer.add_histogram("many", [step, step + 1.0], step)
    with tb.SummaryWriter(logdir / "bad <b>run</b>") as writer:
        writer.add_histogram("odd/<img src=x onerror=alert(1)>", [1.0, np.nan, 2.0, np.nan, np.inf], 0)
        for step, count in enumerate((4.0, -1.0, 2.0)):
            value = pb.Summary.Value(tag="odd/broken")
            value.metadata.plugin_data.plugin_name = "histograms"
            value.histo.CopyFrom(pb.HistogramProto(min=0, max=1, num=4, bucket_limit=[0.5, 1], bucket=[1, count]))
            writer.file_writer.add_event(pb.Event(step=step, wall_time=1.7e9 + step, summary=pb.Summary(value=[value])))
    return serve_module(logdir)


def card(page: Page, name: str) -> Locator:
    return page.get_by_role("group", name=name, exact=True)


def drawn(page: Page, name: str, **wanted: str) -> Locator:
    """The picture of a card, once it shows what is wanted of its data attributes."""
    picture = card(page, name).locator(".chart")
    expect(picture).to_have_attribute("data-points", wanted.pop("points", re.compile(r"\d+")))
    for key, value in wanted.items():
        expect(picture).to_have_attribute(f"data-{key}", value)
    return picture


def opacities(picture: Locator, places: list[tuple[float, float]]) -> list[int]:
    """How opaque the picture is at some places, given in shares of where the data are drawn, from the bottom left."""
    found: list[int] = picture.evaluate(
        """(chart, places) => {
            const canvas = chart.querySelector("canvas");
            const ratio = canvas.width / chart.clientWidth;
            const [left, right, top, bottom] = [46, chart.clientWidth - 12, 8, chart.clientHeight - 20];
            const pixel = (x, y) => canvas.getContext("2d").getImageData(Math.round(x), Math.round(y), 1, 1).data[3];
            return places.map(([x, y]) =>
                pixel((left + x * (right - left)) * ratio, (bottom - y * (bottom - top)) * ratio));
        }""",
        places,
    )
    return found


@pytest.mark.parametrize("run", WRITERS)
def test_a_heat_map_shows_each_step_where_its_values_are(served: Any, open_page: Callable[..., Page], run: str) -> None:
    """Of three steps, each of which has values where the others have none: colour there, and nothing elsewhere."""
    page = open_page(served, f"dash=histograms&histview=heat&histcard=run&only={run}")
    picture = drawn(page, f"even, {run}", kind="heat", points="3")
    low, high = map(float, (picture.get_attribute("data-range") or "").split(","))
    assert (low, high) == pytest.approx((0, 30), abs=1e-6)
    places = [(x, (TEN * row + 5) / 30) for x in (0.1, 0.45, 0.9) for row in range(STEPS)]
    filled = [opacity > 60 for opacity in opacities(picture, places)]
    assert filled == np.eye(STEPS, dtype=bool).ravel().tolist()


@pytest.mark.parametrize("run", WRITERS)
def test_the_marked_step_is_told(served: Any, open_page: Callable[..., Page], run: str) -> None:
    """The arrow keys mark steps one by one; the card tells how many values it has, from where to where."""
    page = open_page(served, f"dash=histograms&histcard=run&only={run}")
    picture = drawn(page, f"even, {run}", kind="ridge", points="3")
    told = card(page, f"even, {run}").get_by_role("list", name="Marked step")
    picture.focus()
    for step in range(STEPS):
        picture.press("ArrowRight")
        expect(told).to_contain_text(f"step {step}: 1,000 values, {TEN * step:g} … {TEN * step + TEN:g}, median")
        median = float(re.search(r"median ([\d.]+)", told.inner_text())[1])  # type: ignore[index]
        assert median == pytest.approx(TEN * step + 5, abs=0.6)
    expect(page).to_have_url(re.compile("histstep=2"))
    picture.press("Escape")
    expect(told).to_have_count(0)


def test_percentiles_are_bands_in_bands(served: Any, open_page: Callable[..., Page]) -> None:
    """Between the least and the greatest value there is colour, strongest around the median, and none outside."""
    page = open_page(served, "dash=histograms&histview=bands&histcard=run&only=ours")
    picture = drawn(page, "even, ours", kind="bands", points="3")
    x = 0.49  # beside the gridline; about step 1, whose values go from 10 to 20
    beyond, edge, nearer, below = opacities(picture, [(x, at / 30) for at in (26.5, 19.5, 17.2, 4.1)])
    assert beyond == below == 0
    assert nearer > edge > 20


def test_under_the_pointer(served: Any, open_page: Callable[..., Page]) -> None:
    """The pointer tells the step, the bucket's own values and its count."""
    page = open_page(served, "dash=histograms&histview=heat&histcard=run&only=ours")
    picture = drawn(page, "even, ours", kind="heat", points="3")
    box = picture.bounding_box()
    assert box is not None
    left, right, top, bottom = 46, box["width"] - 12, 8, box["height"] - 20
    page.mouse.move(box["x"] + left + 0.98 * (right - left), box["y"] + bottom - (25 / 30) * (bottom - top))
    tip = page.locator(".tip")
    expect(tip).to_contain_text("Step 2")
    low, high = map(float, re.search(r"Values\s*([\d.]+) … ([\d.]+)", tip.inner_text()).groups())  # type: ignore[union-attr]
    assert low <= 25 <= high
    count = float(re.search(r"Count\s*([\d.]+)", tip.inner_text())[1])  # type: ignore[index]
    assert count == pytest.approx(1000 * (high - low) / TEN, rel=0.2)
    page.mouse.down()
    page.mouse.up()
    expect(card(page, "even, ours").get_by_role("list", name="Marked step")).to_contain_text("step 2: 1,000 values")


def test_runs_share_a_card(served: Any, open_page: Callable[..., Page]) -> None:
    """A card for each tag has all ticked runs on one range, each in its colour; told to, each run has its own card."""
    page = open_page(served, "dash=histograms&histview=overlay")
    picture = drawn(page, "even", kind="overlay", runs="3", points="9")
    for run in WRITERS:
        expect(card(page, "even").get_by_text(run, exact=True)).to_be_visible()
    summary = picture.get_attribute("aria-label") or ""
    medians = re.findall(r"(\w+): 3 histograms, at step 2 20 to 30, median ([\d.]+)", summary)
    assert {run: float(median) for run, median in medians} == pytest.approx(dict.fromkeys(WRITERS, 25), abs=0.5)
    page.get_by_label("Runs in a card").select_option("run")
    drawn(page, "even, torch", runs="1", points="3")
    expect(card(page, "even")).to_have_count(0)


def test_many_runs_have_a_card_each(tmp_path: Path, open_page: Callable[..., Page]) -> None:
    """With five runs of a tag each has its own card, where nobody chose; told to, one card has them all."""
    for run in range(5):
        with tb.SummaryWriter(tmp_path / f"run{run}") as writer:
            writer.add_histogram("w", [float(run), run + 1.0], 0)
    page = open_page(tmp_path, "dash=histograms")
    for run in range(5):
        drawn(page, f"w, run{run}", runs="1", range=f"{run},{run + 1}")
    page.get_by_label("Runs in a card").select_option("tag")
    drawn(page, "w", runs="5", range="0,5")


def test_every_step_is_within_reach(served: Any, open_page: Callable[..., Page]) -> None:
    """A long series shows some of its steps; a drag over a part shows that part; a double click ends it.

    The address keeps the part: another page that has it shows the same, and Back shows all.
    """
    page = open_page(served, "dash=histograms&histview=ridge&only=long")
    picture = drawn(page, "many", kind="ridge")
    shown = int(picture.get_attribute("data-points") or 0)
    assert 10 < shown < 70
    picture.scroll_into_view_if_needed()
    box = picture.bounding_box()
    assert box is not None
    top, bottom = 8, box["height"] - 20
    first = top + 0.36 * (bottom - top)  # where the row at the back stands
    ends = [box["y"] + first + share * (bottom - first) for share in (0.5, 0.65)]
    page.mouse.move(box["x"] + 150, ends[0])
    page.mouse.down()
    page.mouse.move(box["x"] + 152, ends[1], steps=4)
    page.mouse.up()
    expect(picture).not_to_have_attribute("data-range", "0,400")
    low, high = map(float, (picture.get_attribute("data-range") or "").split(","))
    assert (low, high) == pytest.approx((0.5 * (LONG - 1), 0.65 * (LONG - 1) + 1), abs=8)
    part = picture.get_attribute("data-range") or ""
    page.wait_for_url("**histzoom**")
    page.reload()
    drawn(page, "many", kind="ridge", range=part)
    page.go_back()
    drawn(page, "many", kind="ridge", range="0,400")
    page.go_forward()
    drawn(page, "many", kind="ridge", range=part).dblclick()
    drawn(page, "many", kind="ridge", range="0,400")


def test_new_steps_appear(tmp_path: Path, open_page: Callable[..., Page]) -> None:
    """A page that is open shows the steps that are written meanwhile, and the wider range they need."""
    with tb.SummaryWriter(tmp_path / "run") as writer:
        writer.add_histogram("w", [0.0, 1.0], 0)
        writer.flush()
        page = open_page(tmp_path, "dash=histograms")
        drawn(page, "w", points="1", range="0,1")
        writer.add_histogram("w", [0.0, 5.0], 1)
        writer.add_histogram("other", [1.0], 1)
        writer.flush()
        drawn(page, "w", points="2", range="0,5")
        drawn(page, "other", points="1")


def test_what_is_wrong_is_said(served: Any, open_page: Callable[..., Page]) -> None:
    """A broken histogram is named with run and step, NaN and Inf with their share, hostile names as text; the rest of
    the same card is drawn."""
    page = open_page(served, "dash=histograms")
    drawn(page, "odd/broken", points="2")
    fault = card(page, "odd/broken").get_by_role("listitem").first
    expect(fault).to_have_text("bad <b>run</b>, step 1: bucket 1 of 2 holds -1 values")
    hostile = card(page, "odd/<img src=x onerror=alert(1)>")
    expect(hostile.get_by_role("listitem").first).to_have_text("step 0: 2 NaN, 1 +Inf (60 %) of the values")
    assert page.locator("img").count() == 0
    drawn(page, "even", runs="3")


def test_export(served: Any, open_page: Callable[..., Page]) -> None:
    """The menu saves the picture as SVG and PNG, and all steps in their own buckets as CSV."""
    page = open_page(served, "dash=histograms&histview=heat&only=tf")
    drawn(page, "even", points="3")

    def saved(label: str) -> Path:
        page.get_by_role("button", name="Download even").click()
        with page.expect_download() as download:
            page.get_by_role("menuitem", name=label, exact=True).click()
        return Path(download.value.path())

    svg = saved("Picture as SVG").read_text()
    assert svg.startswith("<svg ")
    assert svg.count("<svg") == svg.count("</svg>") == 1
    assert ">even</text>" in svg
    assert ">tf</text>" in svg
    assert saved("Picture as PNG").read_bytes().startswith(b"\x89PNG")
    lines = list(csv.DictReader(saved("All steps as CSV").read_text().splitlines()))
    assert len(lines) == STEPS * 30
    assert sum(float(line["count"]) for line in lines) == STEPS * 1000


def test_keys_and_the_address(served: Any, open_page: Callable[..., Page]) -> None:
    """`v` walks through the views, the address keeps the choice, and without histograms the page says what to do."""
    page = open_page(served, "dash=histograms&only=ours")
    drawn(page, "even", kind="ridge")
    for kind in ("overlay", "heat", "bands"):
        page.keyboard.press("v")
        drawn(page, "even", kind=kind)
        expect(page).to_have_url(re.compile(f"histview={kind}"))
    page.keyboard.press("v")
    expect(page).not_to_have_url(re.compile("histview"))


def test_no_histograms(tmp_path: Path, open_page: Callable[..., Page]) -> None:
    """Where no run has written any, the page shows the line that would."""
    with tb.SummaryWriter(tmp_path / "run") as writer:
        writer.add_scalar("loss", 1.0, 0)
    page = open_page(tmp_path, "dash=histograms")
    expect(page.get_by_text("No histograms yet")).to_be_visible()
    expect(page.get_by_text("writer.add_histogram(")).to_be_visible()
