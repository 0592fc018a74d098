"""The board of cards: its toolbar, groups, sizes, pins and charts of several tags."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

import tallyboard as tb

from .waiting import becomes


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


def groups(page: Page) -> list[list[str]]:
    """Each group as its title and the tags of its cards, from top to bottom."""
    found: list[list[str]] = page.evaluate("""() => [...document.querySelectorAll(".group")].map((group) => [
        group.querySelector("h2 span").textContent,
        ...[...group.querySelectorAll(".card")].map((card) => card.getAttribute("aria-label")),
    ])""")
    return found


def test_tags_are_grouped_as_asked(seeds: Any, open_page: Callable[..., Page], chart: Any) -> None:
    """By the last part a training loss stands beside a validation loss; groups fold all at once; the address knows."""
    page = open_page(seeds, "smoothing=0")
    chart(page, "train/loss").wait(runs=6, points=120)
    becomes(lambda: groups(page), [["train", "train/accuracy", "train/loss"], ["val", "val/accuracy", "val/loss"]])

    page.get_by_role("button", name="Chart settings").click()
    page.get_by_label("Group by").select_option("Last part of the tag")
    page.wait_for_function("() => location.hash.includes('group=last')")
    becomes(lambda: groups(page), [["accuracy", "train/accuracy", "val/accuracy"], ["loss", "train/loss", "val/loss"]])
    page.get_by_role("button", name="Fold all", exact=True).click()
    page.wait_for_function("() => location.hash.includes('foldall=1')")
    becomes(lambda: groups(page), [["accuracy"], ["loss"]])
    page.keyboard.press("Escape")
    page.get_by_role("button", name="loss 2").click()
    page.wait_for_function("() => location.hash.includes('&fold=loss') || location.hash.includes('#fold=loss')")
    chart(page, "val/loss").wait(runs=6, points=120)
    page.reload()
    chart(page, "val/loss").wait(runs=6, points=120)
    becomes(lambda: groups(page), [["accuracy"], ["loss", "train/loss", "val/loss"]])


def test_cards_come_in_sizes(seeds: Any, open_page: Callable[..., Page], chart: Any) -> None:
    """Three small or two middle-sized cards fit side by side here; a number of columns overrules that."""
    page = open_page(seeds, "smoothing=0&group=none", width=1280)
    loss = chart(page, "train/loss").wait(runs=6)

    def columns() -> int:
        tops = page.locator(".card").evaluate_all("cards => cards.map((card) => card.getBoundingClientRect().y)")
        return max(tops.count(top) for top in tops)

    becomes(columns, 2)
    page.get_by_role("button", name="Chart settings").click()
    page.get_by_role("radio", name="S", exact=True).check()
    page.wait_for_function("() => location.hash.includes('size=s')")
    becomes(columns, 3)
    page.get_by_role("slider", name="Columns").fill("1")
    page.wait_for_function("() => location.hash.includes('columns=1')")
    becomes(columns, 1)
    page.get_by_role("radio", name="L", exact=True).check()
    expect(loss.root).to_have_css("height", "316px")


def test_cards_are_walked_pinned_and_shown_alone(seeds: Any, open_page: Callable[..., Page], chart: Any) -> None:
    """j and k walk, p pins on top, f fills the window with the card, where j and k show the next; Esc comes back."""
    page = open_page(seeds, "smoothing=0&tags=train")
    chart(page, "train/loss").wait(runs=6)

    page.keyboard.press("j")
    expect(page.get_by_role("group", name="train/accuracy")).to_be_focused()
    page.keyboard.press("j")
    expect(page.get_by_role("group", name="train/loss")).to_be_focused()
    page.keyboard.press("p")
    page.wait_for_function("() => location.hash.includes('pin=train%2Floss')")
    becomes(lambda: groups(page), [["Pinned", "train/loss"], ["train", "train/accuracy"]])
    page.get_by_label("Filter tags").fill("train/acc")  # what is pinned stays
    becomes(lambda: groups(page), [["Pinned", "train/loss"], ["train", "train/accuracy"]])

    page.get_by_role("button", name="Full screen: train/loss").click()
    shown = page.get_by_role("dialog", name="Full screen: train/loss")
    expect(shown.locator(".chart")).to_have_attribute("data-points", "120")
    box = shown.locator(".chart").bounding_box()
    assert box is not None
    assert (box["width"], box["height"]) > (1200, 800)
    page.keyboard.press("j")
    expect(page.get_by_role("dialog", name="Full screen: train/accuracy")).to_be_visible()
    page.wait_for_function("() => location.hash.includes('full=train%2Faccuracy')")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    page.get_by_role("button", name="Unpin train/loss").click()
    page.wait_for_function("() => !location.hash.includes('pin=')")


def test_thousands_of_cards_cost_what_is_in_sight(tmp_path: Path, open_page: Callable[..., Page], chart: Any) -> None:
    """Of 2,000 tags the page holds some dozen cards, and has the room of all; the last is drawn when scrolled to."""
    with tb.SummaryWriter(tmp_path / "run") as writer:
        for number in range(2_000):
            writer.add_scalar(f"layer{number // 10}/norm{number % 10}", number, 1)
    page = open_page(tmp_path, "smoothing=0", width=1280)
    chart(page, "layer0/norm0").wait(runs=1, points=1)
    assert page.locator(".card").count() < 60
    height = page.evaluate("() => document.querySelector('[data-scroller]').scrollHeight")
    assert height > 200 * (38 + 5 * 260) * 0.95

    page.evaluate("() => { const all = document.querySelector('[data-scroller]'); all.scrollTop = all.scrollHeight; }")
    chart(page, "layer199/norm9").wait(runs=1, points=1)
    assert "1,999 at step 1" in chart(page, "layer199/norm9").summary.replace("1999", "1,999")
    assert page.locator(".card").count() < 60


def test_seeds_are_drawn_as_one_line(seeds: Any, open_page: Callable[..., Page], chart: Any) -> None:
    """Three seeds of each rate become two lines whose last values are the means; their runs share two colours."""
    page = open_page(seeds, "smoothing=0&tags=train/loss")
    chart(page, "train/loss").wait(runs=6, points=120)

    page.get_by_role("button", name="Chart settings").click()
    page.get_by_label("Draw together").select_option("Name, by a regex")
    page.get_by_label("Band of a group").select_option("Least to greatest")
    loss = chart(page, "train/loss").wait(runs=2, points=40)
    assert loss.summary.endswith("Last values: lr=1 (3): 20 at step 19; lr=2 (3): 39 at step 19")
    loss.wait_for_domain(lambda domain: domain[2] < 0 and 40 < domain[3] < 43)  # the greatest is 40, not 39
    page.wait_for_function("() => location.hash.includes('seeds=regex') && location.hash.includes('band=minmax')")
    boxes = [page.get_by_role("checkbox", name=f"lr={rate}-seed={seed}") for rate in (1, 2) for seed in range(3)]
    colours = [box.evaluate("box => getComputedStyle(box).borderColor") for box in boxes]
    assert [len(set(colours[:3])), len(set(colours[3:])), len(set(colours))] == [1, 1, 2]

    page.keyboard.press("Escape")
    page.get_by_role("checkbox", name="lr=2-seed=2").uncheck()
    expect(loss.root).to_have_attribute("aria-label", re.compile(r"lr=2 \(2\): 38\.5 at step 19"))
    boxes[5].press("Space")  # nothing but the run has changed then, not what is pointed at
    expect(loss.root).to_have_attribute("aria-label", re.compile(r"lr=2 \(3\): 39 at step 19"))


def test_tags_share_a_chart_that_is_kept(seeds: Any, open_page: Callable[..., Page], chart: Any) -> None:
    """Two tags, by name or by regex, share a chart: 12 lines, named by them; it stays for others, until deleted."""
    page = open_page(seeds, "smoothing=0&tags=loss")
    chart(page, "train/loss").wait(runs=6, points=120)
    page.keyboard.press("n")
    shown = page.get_by_role("dialog", name="New chart")
    shown.get_by_role("checkbox", name="val/loss").check()
    shown.get_by_role("checkbox", name="train/loss").check()
    shown.get_by_label("Name").fill("Both <b>losses</b>")
    shown.get_by_role("button", name="Save").click()

    both = chart(page, "Both <b>losses</b>").wait(runs=12, points=240)
    assert "lr=1-seed=0 · val/loss: 29 at step 19" in both.summary
    assert "lr=1-seed=0 · val/loss" in both.summary
    legend = both.card.get_by_role("list", name="Lines by tag")
    becomes(lambda: legend.inner_text().split(), ["val/loss", "train/loss"])
    strokes = legend.locator("path").evaluate_all("paths => paths.map(path => path.getAttribute('stroke-dasharray'))")
    assert strokes == ["", "6 3"]
    both.hover(0.5, 0.5)
    row = page.locator(".tip tbody tr").filter(has_text="train/loss").first
    expect(row.locator("td.run path")).to_have_attribute("stroke-dasharray", "6 3")

    page.keyboard.press("n")
    shown.get_by_label("Find tags").fill("^(val|train)/l")
    shown.get_by_role("button", name="All that match").click()
    chosen = shown.get_by_role("list", name="Tags of the chart")
    becomes(lambda: chosen.inner_text().split("\n")[0].endswith("^(val|train)/l: 2"), True)
    shown.get_by_label("Name").fill("By regex")
    shown.get_by_role("button", name="Save").click()
    chart(page, "By regex").wait(runs=12, points=240)

    other = open_page(seeds, "smoothing=0")
    chart(other, "By regex").wait(runs=12, points=240)
    again = chart(other, "Both <b>losses</b>").wait(runs=12, points=240)
    other.get_by_role("button", name="More for Both <b>losses</b>").click()
    other.get_by_role("menuitem", name="Put into the address").click()
    other.wait_for_function("() => location.hash.includes('chart=%5B%7B')")
    other.get_by_role("button", name="More for Both <b>losses</b>").click()
    other.get_by_role("menuitem", name="Delete").click()
    expect(again.card).to_be_hidden()
    expect(both.card).to_be_hidden()  # on the first page, too


def test_layouts_of_a_training_are_groups(tmp_path: Path, open_page: Callable[..., Page], chart: Any) -> None:
    """A multiline chart has a line for each tag its regex matches, a margin chart a band; a broken regex is told."""
    with tb.SummaryWriter(tmp_path / "run") as writer:
        writer.add_custom_scalars(
            {
                "Overview": {
                    "both": ["Multiline", ["loss/(train|val)"]],
                    "room": ["Margin", ["speed/mid", "speed/low", "speed/high"]],
                    "wrong": ["Multiline", ["loss/("]],
                }
            }
        )
        for step in range(10):
            for tag, value in {
                "loss/train": 1,
                "loss/val": 2,
                "speed/mid": 50,
                "speed/low": 10,
                "speed/high": 95,
            }.items():
                writer.add_scalar(tag, value, step)
    page = open_page(tmp_path, "smoothing=0")

    both = chart(page, "both").wait(runs=2, points=20)
    assert both.summary == ("both, 2 runs. Last values: run · loss/train: 1 at step 9; run · loss/val: 2 at step 9")
    room = chart(page, "room").wait(runs=1, points=10)
    room.wait_for_domain(lambda domain: domain[2] < 10 and domain[3] > 95)  # the band's edges, beyond the line
    expect(page.get_by_role("group", name="wrong", exact=True).get_by_role("note")).to_contain_text("'loss/('")
    becomes(lambda: groups(page)[0], ["Overview", "both", "room", "wrong"])
    with tb.SummaryWriter(tmp_path / "other") as writer:
        writer.add_custom_scalars({"Later": {"losses": ["Multiline", ["loss/.*"]]}})
        writer.add_scalar("loss/train", 3, 0)
    losses = chart(page, "losses").wait(runs=3, points=21)
    assert "other · loss/train: 3 at step 0" in losses.summary


def test_a_view_and_a_chart_are_files(seeds: Any, open_page: Callable[..., Page], chart: Any) -> None:
    """The view's CSV has every point of the tags shown and the runs drawn; a chart's pgfplots has what is drawn."""
    page = open_page(seeds, "smoothing=0&tags=loss&only=lr%3D1-seed%3D0&only=lr%3D2-seed%3D2")
    chart(page, "train/loss").wait(runs=2, points=40)

    page.get_by_role("button", name="Chart settings").click()
    with page.expect_download() as download:
        page.get_by_role("button", name="CSV", exact=True).click()
    lines = download.value.path().read_text().splitlines()
    assert download.value.suggested_filename.endswith("-scalars.csv")
    assert (lines[0], len(lines)) == ("run,tag,step,wall_time,value", 1 + 2 * 2 * 20)
    rows = [line.split(",") for line in lines[1:]]
    assert ["lr=2-seed=2", "val/loss", "19", "50.0"] in [[run, tag, step, value] for run, tag, step, _, value in rows]
    page.keyboard.press("Escape")

    page.get_by_role("button", name="Download train/loss").click()
    with page.expect_download() as download:
        page.get_by_role("menuitem", name="pgfplots").click()
    assert download.value.suggested_filename == "train_loss.tex"
    text = download.value.path().read_text()
    assert "(18,18) (19,19)\n  };\n  \\addlegendentry{lr=1-seed=0}" in text
    assert text.count("\\addplot[") == 2
