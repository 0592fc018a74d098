"""What people say of runs, with two of them at it: seen by both at once, and taken back where it cannot be kept."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, expect

import tallyboard as tb


def choose(page: Page, run: str, what: str) -> None:
    """A line of a run's menu."""
    page.get_by_role("checkbox", name=run, exact=True).click(button="right")
    page.get_by_role("menuitem", name=what).click()


def rename(page: Page, run: str, title: str) -> None:
    choose(page, run, "Rename")
    page.get_by_label("Title").fill(title)
    page.keyboard.press("Enter")


def test_two_people_share_what_they_say(
    tmp_path: Path, serve: Callable[..., Any], open_page: Callable[..., Page], chart: Any
) -> None:
    """Each sees at once what the other says, in charts too, through whatever viewer; what cannot be kept goes."""
    for run in ("a", "b"):
        with tb.SummaryWriter(tmp_path / run) as writer:
            writer.add_scalar("loss", 1.0, 0)
    ours = serve(tmp_path)
    mine, yours, elsewhere = open_page(ours), open_page(ours), open_page(serve(tmp_path))
    for page in (mine, yours, elsewhere):
        chart(page, "loss").wait(runs=2)

    rename(mine, "a", "the first")
    for page in (mine, yours, elsewhere):
        expect(page.locator("aside").get_by_text("the first")).to_be_visible()
    loss = chart(yours, "loss")
    expect(loss.root).to_have_attribute("aria-label", re.compile("the first: 1 at step 0; b: 1"))
    loss.hover(0.5, 0.5)
    expect(yours.locator(".tip td.run").filter(has_text="the first")).to_be_visible()
    rename(elsewhere, "b", "the second")
    for page in (mine, yours, elsewhere):
        expect(page.locator("aside").get_by_text("the second")).to_be_visible()
    sidecar = tmp_path / ".tallyboard.json"
    kept = json.loads(sidecar.read_text())["sections"]["runs"]
    assert kept == {"a": {"title": "the first"}, "b": {"title": "the second"}}

    lock = tmp_path / ".tallyboard.json.lock"
    lock.unlink()
    lock.mkdir()  # nobody can take it now
    rename(mine, "a", "lost")
    expect(mine.get_by_role("alert")).to_contain_text("The change was not kept.")
    expect(mine.locator("aside").get_by_text("the first")).to_be_visible()
    expect(mine.locator("aside").get_by_text("lost")).to_have_count(0)
    lock.rmdir()
    rename(mine, "a", "kept again")
    expect(yours.locator("aside").get_by_text("kept again")).to_be_visible()
    expect(mine.get_by_role("alert")).not_to_contain_text("The change was not kept.")
