"""The board of cards: its toolbar, groups, sizes, pins and charts of several tags."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

import tallyboard as tb


@pytest.fixture(scope="module")
def seeds(tmp_path_factory: pytest.TempPathFactory, serve_module: Callable[..., Any]) -> Any:
    """Two learning rates with three seeds each: a loss and an accuracy of training and validation."""
    logdir = tmp_path_factory.mktemp("seeds")
    for rate in (1, 2):
        for seed in range(3):
            with tb.SummaryWriter(logdir / f"lr={rate}-seed={seed}") as writer:
                for step in range(20):
                    for part, shift in (("train", 0), ("val", 10)):
                        writer.add_scalar(f"{part}/loss", shift + rate * step + seed, step)
                        writer.add_scalar(f"{part}/accuracy", shift - rate * step + seed, step)
    return serve_module(logdir)


@pytest.mark.parametrize(("width", "lines"), [(1024, 1), (1280, 1), (1440, 1), (390, 2)])
def test_the_toolbar_keeps_to_its_lines(seeds: Any, open_page: Callable[..., Page], width: int, lines: int) -> None:
    """From 1024 pixels on all controls stand in one line; on a telephone in two, none of them out of sight."""
    page = open_page(seeds, width=width)
    bar = page.get_by_role("group", name="View")
    expect(bar.get_by_role("button", name="Chart settings")).to_be_visible()

    boxes = [box.bounding_box() for box in bar.locator("input, select, button").all()]
    middles = sorted(round(box["y"] + box["height"] / 2) for box in boxes if box)
    assert len(boxes) >= 5
    assert 1 + sum(b - a > 8 for a, b in itertools.pairwise(middles)) == lines, middles
    assert all(box["x"] >= 0 and box["x"] + box["width"] <= width for box in boxes if box)
