"""What is made of runs too long for the page to hold is the server's, from every point: seeds, and joins of tags."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Page, expect

import tallyboard as tb

POINTS = 60_000
SPIKE, PIT = 34_567, 51_234


def tokens_at(step: int) -> float:
    """A count that grows ever faster, and by something else at every step."""
    return float(step**2 // 512 + step * 8 + step % 5)


# The value of the other tag and the step that the tooltip tells, once it tells one that was not seen.
NEW_ROW = """(seen) => {
    const texts = [...document.querySelectorAll(".tip tbody td")].map((cell) => cell.innerText);
    const cells = texts.map((text) => Number(text.replace(",", "")));
    return cells.length > 4 && !seen.includes(cells[4]) && [cells[3], cells[4]];
}"""


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory, serve_module: Callable[..., Any]) -> Any:
    """Three seeds of 60,000 points around 1; one has a single spike, another a single pit, the third another tag."""
    logdir = tmp_path_factory.mktemp("long")
    random = np.random.default_rng(5)
    for seed in range(3):
        values = 1 + random.uniform(-0.1, 0.1, POINTS)
        values[SPIKE] = 90.0 if seed == 1 else 1.0
        values[PIT] = -60.0 if seed == 2 else 1.0
        with tb.SummaryWriter(logdir / f"net-seed{seed}") as writer:
            for step, value in enumerate(values.tolist()):
                writer.add_scalar("loss", value, step)
                if seed == 1:
                    writer.add_scalar("tokens", tokens_at(step), step)
    return serve_module(logdir)


def test_a_spike_of_one_point_in_one_seed_is_drawn(long: Any, open_page: Callable[..., Page], chart: Any) -> None:
    """The band from least to greatest reaches the very spike and pit, and the mean a third of them, though 60 points
    share a pixel; averages of buckets, from which the page would have to guess, come nowhere near."""
    page = open_page(long, "smoothing=0&seeds=regex&band=minmax")
    loss = chart(page, "loss").wait(runs=1)

    low, high = loss.wait_for_domain(lambda domain: domain[3] > 90 and domain[2] < -60)[2:]
    assert (high, low) == (pytest.approx(90, abs=12), pytest.approx(-60, abs=12))

    page = open_page(long, "smoothing=0&seeds=regex&band=none")
    loss = chart(page, "loss").wait(runs=1)
    low, high = loss.wait_for_domain(lambda domain: domain[3] > 30 and domain[2] < -19)[2:]
    assert (high, low) == (pytest.approx(92 / 3, abs=5), pytest.approx(-58 / 3, abs=5))


def test_a_zoom_has_every_step_of_it(long: Any, open_page: Callable[..., Page], chart: Any) -> None:
    """Of a part that is zoomed to come more places than the whole shows of it, with the spike among them."""
    page = open_page(long, "smoothing=0&seeds=regex&band=minmax")
    loss = chart(page, "loss").wait(runs=1)
    loss.wait_for_domain(lambda domain: domain[3] > 90)
    middle = SPIKE / POINTS
    with page.expect_request(lambda asked: asked.url.endswith("/api/seeds") and '"lo"' in (asked.post_data or "")):
        loss.drag((middle - 0.05, 0.5), (middle + 0.1, 0.5))
    x0, x1 = loss.wait_for_domain(lambda domain: domain[1] - domain[0] < POINTS / 4)[:2]

    assert x0 < SPIKE < x1
    assert loss.wait_for_domain(lambda domain: domain[2] > -60 and domain[3] > 90)[3] == pytest.approx(90, abs=12)


def test_over_another_tag_each_point_stands_where_it_was(long: Any, open_page: Callable[..., Page], chart: Any) -> None:
    """The ends of the axis and, zoomed to forty steps, each of them stand at what the other tag had there, and the
    spike is drawn, though of both series the page holds few points."""
    page = open_page(long, "smoothing=0.5&smoother=mean&by=tag:tokens&tags=^loss$", width=1400)
    loss = chart(page, "loss").wait(runs=1)
    expect(loss.root).to_have_attribute("data-part", "exact")
    assert loss.domain[:2] == (tokens_at(0), tokens_at(POINTS - 1))
    assert loss.domain[3] == pytest.approx(94.5, abs=0.5)

    low, high = tokens_at(SPIKE - 20), tokens_at(SPIKE + 20)
    with page.expect_response("**/api/seeds"):
        page.goto(f"{page.url}&range={json.dumps(['loss', 'tag:tokens', low, high, None, None])}")
        page.reload()
    loss.wait_for_domain(lambda domain: domain[:2] == (low, high))
    expect(loss.root).to_have_attribute("data-part", "exact")
    seen: set[int] = set()
    for part in (0.3, 0.5, 0.7):
        loss.hover(part, 0.5)
        tokens, step = page.wait_for_function(NEW_ROW, arg=[*seen]).json_value()
        assert tokens == pytest.approx(tokens_at(step), rel=2e-5)
        seen.add(step)
    assert seen < set(range(SPIKE - 20, SPIKE + 21))
    expect(page.locator(".tip")).not_to_contain_text("points here")
