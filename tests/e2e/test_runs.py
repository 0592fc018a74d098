"""Choosing what to see: runs, tags, groups, and the address that keeps the choice."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

import tallyboard as tb

from .waiting import becomes, names

RUNS = ("lr=0.003/train", "lr=0.003/validation", "lr=0.03/train", "lr=0.03/validation", "lr=1.0/train")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, serve_module: Callable[..., Any]) -> Any:
    """Five runs, served; three of them have a tag more."""
    logdir = tmp_path_factory.mktemp("runs")
    for run in RUNS:
        with tb.SummaryWriter(logdir / run) as writer:
            for step in range(10):
                writer.add_scalar("epoch_loss", 1 / (step + 1), step)
                if run.endswith("train"):
                    writer.add_scalar("optimizer/rate", 0.1, step)
    return serve_module(logdir)


def listed(page: Page) -> list[str]:
    return names(page.locator("aside li input"))


def ticked(page: Page) -> list[str]:
    return names(page.locator("aside li input:checked"))


def test_runs_stand_in_natural_order(runs: Any, open_page: Callable[..., Page], chart: Any) -> None:
    """0.003 comes before 0.03 and 1.0, whatever the letters say; the count is that of the runs."""
    page = open_page(runs)
    chart(page, "epoch_loss").wait(runs=5)
    becomes(lambda: listed(page), list(RUNS))
    expect(page.locator("aside em")).to_have_text("5 / 5")


def test_a_regex_decides_what_is_drawn(runs: Any, open_page: Callable[..., Page], chart: Any) -> None:
    """Typing a regex leaves the runs that match, in the list and in every chart, and cards without any go."""
    page = open_page(runs)
    loss = chart(page, "epoch_loss").wait(runs=5, points=50)
    page.get_by_label("Filter runs").fill("0.03.*(train|validation)$")
    loss.wait(runs=2, points=20)
    becomes(lambda: listed(page), ["lr=0.03/train", "lr=0.03/validation"])
    page.get_by_label("Filter runs").fill("VALID")
    loss.wait(runs=2)
    expect(page.get_by_role("group", name="optimizer/rate")).to_have_count(0)
    page.get_by_label("Filter runs").fill("")
    loss.wait(runs=5)


def test_a_broken_regex_is_named_and_the_last_good_one_stays(
    runs: Any, open_page: Callable[..., Page], chart: Any
) -> None:
    """An unfinished pattern shows why it fails beside the field, and the runs stay as they were."""
    page = open_page(runs)
    loss = chart(page, "epoch_loss").wait(runs=5)
    field = page.get_by_label("Filter runs")
    field.fill("train")
    loss.wait(runs=3)
    field.fill("train(")
    expect(page.get_by_role("alert").filter(has_text="Unterminated group")).to_have_text(
        "Unterminated group. Still in force: train"
    )
    expect(field).to_have_attribute("aria-invalid", "true")
    assert loss.runs == 3
    field.fill("train(ing)?")
    expect(field).to_have_attribute("aria-invalid", "false")


def test_what_matches_nothing_says_so(runs: Any, open_page: Callable[..., Page], chart: Any) -> None:
    """Filters without a match explain themselves and offer the way back."""
    page = open_page(runs)
    chart(page, "epoch_loss").wait(runs=5)
    page.get_by_label("Filter runs").fill("resnet")
    expect(page.get_by_role("heading", name="No run matches the filter")).to_be_visible()
    page.get_by_role("button", name="Clear the filter").click()
    chart(page, "epoch_loss").wait(runs=5)
    page.get_by_label("Filter tags").fill("resnet")
    expect(page.get_by_role("heading", name="No tag matches the filter")).to_be_visible()
    page.get_by_role("button", name="Clear the filter").click()
    page.get_by_role("checkbox", name="All runs").uncheck()
    expect(page.get_by_role("heading", name="No run is ticked")).to_be_visible()
    page.get_by_role("button", name="Tick all").click()
    chart(page, "epoch_loss").wait(runs=5)


def test_a_tag_filter_leaves_the_cards_that_match(runs: Any, open_page: Callable[..., Page], chart: Any) -> None:
    """The tag filter is a regex too."""
    page = open_page(runs)
    chart(page, "epoch_loss").wait(runs=5)
    page.get_by_label("Filter tags").fill("^opt.*rate$")
    expect(page.locator(".card")).to_have_count(1)
    chart(page, "optimizer/rate").wait(runs=3)


def test_all_none_and_only_this_one(runs: Any, open_page: Callable[..., Page], chart: Any) -> None:
    """The box above ticks what the filter shows; double click and Alt-click leave one run, and once more all."""
    page = open_page(runs)
    loss = chart(page, "epoch_loss").wait(runs=5)
    page.get_by_label("Filter runs").fill("train")
    loss.wait(runs=3)
    page.get_by_role("checkbox", name="All runs").uncheck()
    expect(page.locator("aside em")).to_have_text("0 / 5")
    page.get_by_label("Filter runs").fill("")
    loss.wait(runs=2)
    becomes(lambda: ticked(page), ["lr=0.003/validation", "lr=0.03/validation"])

    page.get_by_title("lr=0.03/train").click(modifiers=["Alt"])
    loss.wait(runs=1)
    becomes(lambda: ticked(page), ["lr=0.03/train"])
    page.get_by_title("lr=0.003/train").dblclick()
    expect(page.get_by_role("checkbox", name="lr=0.003/train", exact=True)).to_be_checked()
    becomes(lambda: ticked(page), ["lr=0.003/train"])
    page.get_by_title("lr=0.003/train").dblclick()
    loss.wait(runs=5)


def test_groups_fold(runs: Any, open_page: Callable[..., Page], chart: Any) -> None:
    """Tags stand under the part before their slash with a count, and a click folds them away."""
    page = open_page(runs)
    chart(page, "epoch_loss").wait(runs=5)
    becomes(
        lambda: [text.split() for text in page.locator(".group h2").all_inner_texts()],
        [["top", "level", "1"], ["optimizer", "1"]],
    )
    fold = page.get_by_role("button", name="optimizer 1")
    fold.click()
    expect(fold).to_have_attribute("aria-expanded", "false")
    expect(page.locator(".card")).to_have_count(1)


def test_the_address_keeps_every_choice(runs: Any, open_page: Callable[..., Page], chart: Any) -> None:
    """After a reload, and in another window with the same address, everything is as it was left."""
    page = open_page(runs)
    chart(page, "epoch_loss").wait(runs=5)
    page.get_by_label("Filter runs").fill("train|valid")
    page.get_by_label("Filter tags").fill("loss")
    page.get_by_role("checkbox", name="lr=1.0/train").uncheck()
    page.get_by_label("Horizontal axis").select_option("Relative")
    page.keyboard.press("]")
    expect(page).to_have_url(
        re.compile(r"#runs=train%7Cvalid&tags=loss&smoothing=0.65&x=relative&off=lr%3D1.0%2Ftrain$")
    )
    address = page.url

    def as_left(shown: Page) -> None:
        chart(shown, "epoch_loss").wait(runs=4)
        expect(shown.get_by_label("Filter runs")).to_have_value("train|valid")
        expect(shown.get_by_label("Filter tags")).to_have_value("loss")
        expect(shown.get_by_label("Horizontal axis")).to_have_value("relative")
        expect(shown.get_by_role("slider", name="Smoothing")).to_have_value("0.65")
        expect(shown.get_by_role("checkbox", name="lr=1.0/train")).not_to_be_checked()

    page.reload()
    as_left(page)
    other = page.context.new_page()
    other.goto(address)
    as_left(other)


def test_thousands_of_runs_stay_light(tmp_path: Path, open_page: Callable[..., Page], chart: Any) -> None:
    """Of 2,000 runs the list holds some dozens of rows, yet scrolling reaches the last and filters search all."""
    for number in range(2000):
        with tb.SummaryWriter(tmp_path / f"run{number}") as writer:
            writer.add_scalar("loss", number, 0)
    page = open_page(tmp_path)
    chart(page, "loss").wait(runs=2000, points=2000)
    assert len(listed(page)) < 100
    page.locator("aside li").first.hover()
    page.mouse.wheel(0, 1_000_000)
    expect(page.get_by_role("checkbox", name="run1999", exact=True)).to_be_visible()
    page.get_by_label("Filter runs").fill("run1[0-9]{2}$")
    chart(page, "loss").wait(runs=100)
    becomes(lambda: listed(page)[0], "run100")


def test_a_run_with_damage_carries_a_warning(tmp_path: Path, open_page: Callable[..., Page], chart: Any) -> None:
    """A flipped bit costs one point; its run has a badge that tells which file and where, others have none."""
    for run in ("damaged", "whole"):
        with tb.SummaryWriter(tmp_path / run) as writer:
            for step in range(5):
                writer.add_scalar("loss", step, step)
    (file,) = (tmp_path / "damaged").iterdir()
    content = bytearray(file.read_bytes())
    content[-30] ^= 1
    file.write_bytes(content)

    page = open_page(tmp_path)
    chart(page, "loss").wait(runs=2, points=9)
    expect(page.get_by_role("button", name=re.compile("^Warnings of "))).to_have_count(1)
    badge = page.get_by_role("button", name="Warnings of damaged")
    assert file.name in (badge.get_attribute("title") or "")
    badge.click()
    bubble = page.locator(".bubble")
    expect(bubble).to_be_visible()
    expect(bubble).to_contain_text("checksum")
    page.keyboard.press("Escape")
    expect(bubble).to_be_hidden()
