"""A series of a million points costs the page what its pixels cost, and hides none of them."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Page, expect

import tallyboard as tb
from tallyboard.core.smoothing import smoothed

POINTS = 1_000_000
SPIKE = 614_321


def values(n: int = POINTS) -> list[float]:
    """Noise between 0 and 1, with one point at 9."""
    value = np.random.default_rng(0).uniform(size=n).astype(np.float32)
    value[SPIKE] = 9
    return value.tolist()


@pytest.fixture(scope="module")
def million(tmp_path_factory: pytest.TempPathFactory, serve_module: Callable[..., Any]) -> Any:
    """One run of a million points; the one at `SPIKE` is nine times as high as the others."""
    logdir = tmp_path_factory.mktemp("million")
    with tb.SummaryWriter(logdir / "long") as writer:
        for step, value in enumerate(values()):
            writer.add_scalar("loss", value, step, walltime=1.7e9 + step)
    return serve_module(logdir)


class Fetched:
    """What a page asked of /api/scalars, and how much came."""

    def __init__(self, page: Page) -> None:
        self.bodies: list[dict[str, Any]] = []
        self.bytes = 0
        page.on("requestfinished", self._note)

    def _note(self, request: Any) -> None:
        if request.url.endswith("/api/scalars"):
            self.bodies.append(request.post_data_json)
            self.bytes += request.sizes()["responseBodySize"]


# Rows from the top, of those the lines are drawn on, to the highest coloured pixel within some columns.
HIGHEST = """([tag, from, to]) => {
    const canvas = document.querySelector(`.chart[data-tag="${tag}"] canvas`);
    const [a, b] = [Math.round(from * canvas.width), Math.round(to * canvas.width)];
    const { data, width, height } = canvas.getContext("2d").getImageData(a, 0, b - a, canvas.height);
    for (let y = 0; y < height; y++)
        for (let x = 0; x < width; x++) {
            const i = 4 * (y * width + x);
            const [r, g, b] = [data[i], data[i + 1], data[i + 2]];
            if (data[i + 3] > 128 && Math.max(r, g, b) - Math.min(r, g, b) > 60) return y / height;
        }
    return 1;
}"""


def test_a_spike_of_one_point_in_a_million_is_drawn(million: Any, open_page: Callable[..., Page], chart: Any) -> None:
    """Its pixels are coloured at the top of the chart and those beside it are not; a few hundred kB came."""
    page = open_page(million, "smoothing=0", width=1280)
    chart(page, "loss").wait(runs=1, points=POINTS)  # while it is being read, its growth is fetched too
    fetched = Fetched(page)
    page.reload()
    loss = chart(page, "loss").wait(runs=1, points=POINTS)

    domain = loss.wait_for_domain(lambda now: now[3] > 9)
    assert domain[:2] == (0, POINTS - 1)
    box = loss.root.bounding_box()
    assert box is not None
    # The axes' labels take the left, some pixels the right: where step 0 and the last one stand is in the scale.
    left, right = page.evaluate(PLACES, ["loss"])
    at = left + (right - left) * SPIKE / (POINTS - 1)
    assert page.evaluate(HIGHEST, ["loss", at - 0.006, at + 0.006]) < 0.2
    assert page.evaluate(HIGHEST, ["loss", at - 0.1, at - 0.02]) > 0.6
    assert page.evaluate(HIGHEST, ["loss", at + 0.02, at + 0.1]) > 0.6
    assert fetched.bytes < 300_000, fetched.bytes


# Where the drawing area begins and ends, as parts of the canvas' width: the first and last coloured column.
PLACES = """([tag]) => {
    const canvas = document.querySelector(`.chart[data-tag="${tag}"] canvas`);
    const { data, width, height } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    const coloured = [];
    for (let x = 0; x < width; x++)
        for (let y = 0; y < height; y++) {
            const i = 4 * (y * width + x);
            const [r, g, b] = [data[i], data[i + 1], data[i + 2]];
            if (data[i + 3] > 128 && Math.max(r, g, b) - Math.min(r, g, b) > 60) { coloured.push(x / width); break; }
        }
    return [coloured[0], coloured[coloured.length - 1]];
}"""


def drag_over(loss: Any, start: float, end: float) -> None:
    """Drag the chart from one step to another."""
    x0, x1, *_ = loss.domain
    left, right = loss.page.evaluate(PLACES, [loss.tag])
    first, last = (left + (right - left) * (step - x0) / (x1 - x0) for step in (start, end))
    loss.drag((first, 0.5), (last, 0.52))
    loss.wait_for_domain(lambda now: now[:2] != (x0, x1))


def test_zooming_in_fetches_what_is_in_view_down_to_each_point(
    million: Any, open_page: Callable[..., Page], chart: Any
) -> None:
    """The tooltip tells bucket from point: zoomed all the way it has the values written; the rest is not fetched."""
    page = open_page(million, "smoothing=0", width=1280)
    chart(page, "loss").wait(runs=1, points=POINTS)  # while it is being read, its growth is fetched too
    fetched = Fetched(page)
    page.reload()
    loss = chart(page, "loss").wait(runs=1, points=POINTS)
    loss.hover(0.5, 0.6)
    tip = page.locator(".tip")
    expect(tip).to_contain_text(re.compile(r"97\d points here: first 0\.\d+, last 0\.\d+"))
    expect(tip).to_contain_text(re.compile(r"min 0\.0\d*.* at 4\d\d,\d{3}, mean 0\.[45]\d*, max 0\.99\d* at"))

    for half in (40_000, 1_500, 60):
        drag_over(loss, SPIKE - half, SPIKE + half)
    x0, x1, *_ = loss.domain
    assert x1 - x0 < 200

    written = values()
    expect(loss.root).to_have_attribute("data-part", "exact")
    left, right = page.evaluate(PLACES, ["loss"])
    for away in (0, -7, 13):
        step = SPIKE + away
        loss.hover(left + (right - left) * (step - x0) / (x1 - x0), 0.5)
        row = tip.locator("tbody tr").first
        expect(row).to_contain_text(f"{step:,}")
        shown = float(row.locator("td").nth(1).inner_text())
        assert shown == pytest.approx(written[step], abs=5e-5)
        expect(tip).not_to_contain_text("points here")

    loss.root.dblclick(position={"x": 150, "y": 100})
    assert loss.wait_for_domain(lambda now: now[1] == POINTS - 1)[0] == 0
    assert len(fetched.bodies) <= 6
    assert fetched.bytes < 800_000, fetched.bytes


def test_smoothing_is_of_all_points(million: Any, open_page: Callable[..., Page], chart: Any) -> None:
    """The kinds that the toolbar offers are computed by the server, over all points: the spike lasts a moment."""
    page = open_page(million, "smoothing=0.99", width=1280)
    loss = chart(page, "loss").wait(runs=1, points=POINTS)
    whole = smoothed(np.array(values(), np.float32), 0.99, "median")

    page.get_by_label("Kind of smoothing").select_option("Median")
    expect(page).to_have_url(re.compile("smoother=median"))
    tip = page.locator(".tip")
    left, right = page.evaluate(PLACES, ["loss"])
    for part in (0.2, 0.7):
        loss.hover(left + (right - left) * part, 0.6)
        row = tip.locator("tbody tr").first
        step = int(row.locator("td").nth(3).inner_text().replace(",", ""))
        expect(row.locator("td").nth(1)).to_have_text(re.compile(re.escape(f"{whole[step]:.6f}"[:5])))


def test_a_csv_of_a_long_series_has_every_point(
    million: Any, open_page: Callable[..., Page], chart: Any, tmp_path: Path
) -> None:
    """What is held to be drawn is not what is handed out: the file has a million rows."""
    page = open_page(million, "smoothing=0", width=1280)
    chart(page, "loss").wait(runs=1, points=POINTS)
    page.get_by_role("button", name="Download loss").click()
    with page.expect_download() as download:
        page.get_by_role("menuitem", name="CSV").click()
    download.value.save_as(tmp_path / "loss.csv")
    rows = (tmp_path / "loss.csv").read_text().splitlines()
    assert (rows[0], len(rows)) == ("run,step,wall_time,value", POINTS + 1)
    assert rows[SPIKE + 1] == f"long,{SPIKE},{1_700_000_000 + SPIKE},9"


def test_a_growing_long_series_is_followed(
    tmp_path: Path, serve: Callable[..., Any], open_page: Callable[..., Page], chart: Any
) -> None:
    """New points of a series in buckets come by themselves, one by one, without the rest coming again."""
    with tb.SummaryWriter(tmp_path / "run") as writer:
        for step in range(50_000):
            writer.add_scalar("loss", step % 7, step)
        writer.flush()
        page = open_page(serve(tmp_path), "smoothing=0.5")
        loss = chart(page, "loss").wait(runs=1, points=50_000)
        fetched = Fetched(page)
        for step in range(50_000, 50_100):
            writer.add_scalar("loss", 20.0, step)
        writer.flush()
        loss.wait(runs=1, points=50_100)
    assert "20 at step 50,099" in loss.summary
    assert fetched.bytes < 20_000, fetched.bytes
