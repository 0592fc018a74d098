"""Every panel, sheet and menu of the page while it is open: axe's rules and contrasts, in any width and theme."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Page, expect

import tallyboard as tb

from .readable import check_both

TITLE = "a very long title of a run that fits no column of any list"


@pytest.fixture
def everything(tmp_path: Path) -> Path:
    """Runs with hyperparameters, seeds, a restart, and values of every plugin."""
    logdir = tmp_path / "everything"
    for i in range(4):
        with tb.SummaryWriter(logdir / "digits" / f"lr={i % 2}_seed={i}") as writer:
            writer.add_hparams({"lr": 10.0 ** -(i % 2), "seed": i, "opt": "sgd"})
            for step in range(20):
                writer.add_scalar("train/loss", (i + 1) / (step + 1) if step != 7 else float("nan"), step)
                writer.add_scalar("accuracy", 1 - 1 / (step + 1), step)
            writer.add_histogram("weights", np.arange(9.0) + i, 5)
            writer.add_text("note", "# A *note*", 1)
            writer.add_roc_curve("roc", [0, 1, 1, 0], [0.1, 0.8, 0.6, 0.7], 1)
            writer.add_image("digit", np.full((3, 8, 8), 40 * i, np.uint8), 1)
            writer.add_audio("tone", np.sin(np.arange(400) / 9), 1, sample_rate=8000)
        if i == 3:
            with tb.SummaryWriter(logdir / "digits" / f"lr={i % 2}_seed={i}") as writer:
                writer.add_video("film", np.eye(8, dtype=np.uint8)[[0, 5]].repeat(24).reshape(1, 2, 3, 8, 8), 1)
                writer.add_mesh("shape", np.eye(3)[None], global_step=1)
    with tb.SummaryWriter(logdir / "digits" / "lr=0_seed=0", purge_step=10) as writer:
        writer.add_scalar("train/loss", 0.3, 10)
    for run in ("old", "older"):
        with tb.SummaryWriter(logdir / run) as writer:
            writer.add_scalar("train/loss", 1.0, 0)
    return logdir


def escape(page: Page) -> None:
    page.keyboard.press("Escape")
    expect(page.locator("dialog[open]")).to_have_count(0)  # until then, keys go to it


def go(page: Page, state: str) -> None:
    """Show another view, without loading the page again."""
    page.evaluate("(hash) => { location.hash = hash; }", state)


def run_list(page: Page) -> Iterator[str]:
    field = page.get_by_label("Filter runs")
    field.fill("hp.lr < ")
    expect(page.get_by_role("alert").filter(has_text="Column")).to_be_visible()
    yield "a broken query"
    field.fill("hp.")
    expect(page.get_by_role("listbox", name="Completions")).to_be_visible()
    page.keyboard.press("ArrowDown")
    yield "completions"
    field.fill("nothing like it")
    expect(page.locator("aside").get_by_text("No run matches.")).to_be_visible()
    yield "no run"
    field.fill("")
    go(page, "runlist=tree&runcolour=hp%3Alr")
    expect(page.locator("aside .colours b")).to_have_text("lr")
    yield "the tree and a legend"
    page.get_by_role("button", name="Colour runs by").click()
    page.get_by_label("A regex, by its first group").check()
    page.get_by_label("Regex to colour by").fill("(")
    expect(page.get_by_role("dialog").get_by_role("alert")).to_be_visible()
    yield "colours"
    escape(page)
    go(page, "runlist=table")
    page.get_by_role("button", name="Columns", exact=True).click()
    yield "the table and its columns"
    escape(page)
    go(page, "runlist=table&runwide=1")
    yield "the table over all"
    go(page, "")
    page.get_by_role("button", name="More of the run list").click()
    expect(page.get_by_role("menuitem", name="Look into the trash")).to_be_visible()
    yield "the list's menu"
    escape(page)


def choose(page: Page, run: str, what: str) -> None:
    page.get_by_role("checkbox", name=run, exact=True).click(button="right")
    page.get_by_role("menuitem", name=what).click()


def run_menu(page: Page) -> Iterator[str]:
    page.get_by_role("checkbox", name="old", exact=True).click(button="right")
    expect(page.get_by_role("menuitem", name="Move to the trash")).to_be_enabled()
    yield "a run's menu"
    for what, field in (("Rename", "Title"), ("Note", "Note"), ("Labels", "Labels")):
        page.get_by_role("menuitem", name=what).click()
        page.get_by_label(field, exact=True).fill(TITLE)
        yield what
        page.get_by_role("button", name="Keep").click()
        if what == "Labels":
            break
        page.get_by_role("checkbox", name="old", exact=True).click(button="right")
    choose(page, "old", "Colour…")
    yield "hues"
    escape(page)


def trash(page: Page) -> Iterator[str]:
    page.get_by_role("button", name="More of the run list").click()
    page.get_by_role("menuitem", name="Look into the trash").click()
    sheet = page.get_by_role("dialog", name="Trash")
    expect(sheet).to_contain_text("The trash is empty.")
    yield "an empty trash"
    escape(page)
    for run in ("old", "older"):
        choose(page, run, "Move to the trash")
        if run == "old":
            yield "a question"
        page.get_by_role("dialog").get_by_role("button", name="Move to the trash").click()
        expect(page.get_by_role("status").filter(has_text="is in the trash.")).to_contain_text(run)
    yield "a toast"
    page.keyboard.press("Control+k")
    page.get_by_label("What to do").fill("look into the trash")
    page.keyboard.press("Enter")
    sheet.get_by_role("button", name="Delete for good… older").click()
    expect(sheet.get_by_role("alert")).to_be_visible()
    yield "a full trash"
    escape(page)


def sheets(page: Page) -> Iterator[str]:
    page.get_by_role("button", name="Views").click()
    expect(page.get_by_text("No view is saved yet.")).to_be_visible()
    page.get_by_label("Name of the view").fill("mine")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="More of mine")).to_be_visible()
    yield "views"
    page.get_by_role("button", name="More of mine").click()
    yield "a view's menu"
    page.get_by_role("menuitem", name="Rename").click()
    expect(page.get_by_label("New name of mine")).to_be_focused()
    yield "a view renamed"
    page.keyboard.press("Enter")
    escape(page)
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
    yield "keys"
    escape(page)
    page.keyboard.press("Control+k")
    expect(page.locator("dialog li").first).to_be_visible()
    yield "the palette"
    page.get_by_label("What to do").fill("qqqq")
    expect(page.get_by_text("Nothing of that name.")).to_be_visible()
    yield "the palette in vain"
    escape(page)
    page.get_by_role("button", name="New chart of several tags").click()
    page.get_by_label("Find tags").fill("t(")
    expect(page.get_by_role("dialog").get_by_role("alert")).to_be_visible()
    page.get_by_role("checkbox", name="train/loss").check()
    yield "the composer, with a broken regex"
    page.get_by_label("Find tags").fill("a")
    page.get_by_role("button", name="All that match").click()
    yield "the composer, with a regex"
    page.get_by_role("button", name="Save", exact=True).click()
    page.keyboard.press("P")
    yield "a pause"
    page.keyboard.press("P")


def charts(page: Page) -> Iterator[str]:
    card = page.get_by_role("group", name="train/loss", exact=True)
    go(page, "seeds=regex&seedregex=(&select=range")
    page.get_by_role("button", name="Chart settings").click()
    expect(page.get_by_role("dialog").get_by_role("alert")).to_be_visible()
    yield "chart settings, with a broken regex"
    escape(page)
    go(page, "seeds=hparams&seedbut=seed&select=range")
    page.get_by_role("button", name="Chart settings").click()
    expect(page.get_by_label("Line of a group")).to_be_visible()
    yield "seeds"
    escape(page)
    card.get_by_role("button", name="Table of").click()
    expect(card.get_by_role("table")).to_be_visible()
    yield "a table in the chart"
    go(page, "tags=%5E(train%2Floss)%24")
    page.get_by_label("Horizontal axis").select_option("other")
    expect(page.get_by_role("dialog", name="Tag for x")).to_be_visible()
    yield "tags for x"
    escape(page)
    page.get_by_label("Filter tags").fill("(")
    expect(page.get_by_role("alert").filter(has_text="Still in force")).to_be_visible()
    yield "a broken filter of tags"
    page.get_by_label("Filter tags").fill("no such tag")
    expect(page.get_by_text("No tag matches")).to_be_visible()
    yield "no tag"
    go(page, "")
    card.get_by_role("button", name="Axis ranges").click()
    expect(page.get_by_role("dialog").get_by_role("textbox").first).to_be_visible()
    page.get_by_role("dialog").get_by_role("textbox").first.fill("x")
    yield "ranges"
    escape(page)
    card.locator(".chart").click(position={"x": 150, "y": 60})
    page.get_by_role("group", name="Pinned values of train/loss").wait_for()
    yield "pinned values"
    page.get_by_role("button", name="Close the pinned values of train/loss").click()


DASHES = {
    "histograms": ("weights", ".chart[data-points]", ("Card settings",)),
    "text": ("note", ".prose", ()),
    "curves": ("roc", "path[data-run]", ()),
    "images": ("digit", "figure[data-state=shown]", ("Image settings",)),
    "audio": ("tone", ".clip[data-state=shown] canvas", ("Audio settings",)),
    "scalars": ("accuracy", ".chart[data-domain]", ()),
}


def dashboards(page: Page) -> Iterator[str]:
    for dash, (tag, shown, panels) in DASHES.items():
        go(page, f"dash={dash}")
        card = page.get_by_role("group", name=tag, exact=True)
        card.locator(shown).first.wait_for()
        yield dash
        for panel in panels:
            page.get_by_role("button", name=panel).first.click()
            yield f"{dash}: {panel}"
            escape(page)
        card.get_by_role("button", name=f"More for {tag}").click()
        yield f"{dash}: a card's menu"
        escape(page)
        card.get_by_role("button", name=f"Full screen: {tag}").click()
        page.get_by_role("dialog", name=f"Full screen: {tag}").locator(shown).first.wait_for()
        yield f"{dash}: full screen"
        escape(page)


ROOMS = {
    "hparams": ('[role="table"] .row', ("Columns and axes", "Rows")),
    "video": (".clip[data-state=shown]", ("Video settings",)),
    "meshes": (".body[data-state=shown]", ("Mesh settings",)),
}


def rooms(page: Page) -> Iterator[str]:
    """The dashboards whose cards are no pictures of a tag."""
    for dash, (shown, panels) in ROOMS.items():
        go(page, f"dash={dash}")
        page.locator("main").locator(shown).first.wait_for()
        yield dash
        for panel in panels:
            page.locator("main").get_by_role("button", name=panel, exact=True).click()
            yield f"{dash}: {panel}"
            escape(page)


@pytest.mark.parametrize("width", [1440, 390])
def test_every_panel_is_for_everybody(
    everything: Path, serve: Callable[..., Any], open_page: Callable[..., Page], chart: Any, axe: str, width: int
) -> None:
    """Whatever is opened on the page, axe finds no serious fault and every text has 4.5:1, in both themes."""
    page = open_page(serve(everything, more=("--allow-delete",)), width=width, scheme="dark")
    chart(page, "accuracy").wait(runs=4)
    for part in (run_list, run_menu, trash, sheets, charts, dashboards, rooms):
        in_drawer = width < 800 and part in (run_list, run_menu, trash)
        if in_drawer:
            page.get_by_role("button", name="Runs", exact=True).click()
        for where in part(page):
            check_both(page, axe, where)
        if in_drawer:
            escape(page)
