"""Runs as they are found among many: a tree, filters of several parts, queries, a table, colours, a menu."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

import tallyboard as tb

from .waiting import becomes, names

RATES = (0.1, 0.01, 0.001)


@pytest.fixture(scope="module")
def grid(tmp_path_factory: pytest.TempPathFactory, serve_module: Callable[..., Any]) -> Any:
    """Gradient descent on x², by rate and optimizer, with a run for training and one for validation."""
    logdir = tmp_path_factory.mktemp("grid")
    for rate in RATES:
        for optimizer in ("adam", "sgd"):
            name = f"{optimizer}/lr={rate}"
            with (
                tb.SummaryWriter(logdir / name / "train") as writer,
                tb.SummaryWriter(logdir / name / "val") as held_out,
            ):
                writer.add_hparams({"lr": rate, "optimizer": optimizer, "batch size": 32}, {})
                x = 1.0
                for step in range(20):
                    x -= rate * 2 * x * (0.5 if optimizer == "adam" else 1.0)
                    writer.add_scalar("loss", x * x, step)
                    held_out.add_scalar("loss", x * x * 2, step)
    return serve_module(logdir)


def listed(page: Page) -> list[str]:
    return names(page.locator("aside li input"))


def test_runs_stand_as_a_tree(grid: Any, open_page: Callable[..., Page], chart: Any) -> None:
    """A folder's box ticks all runs below, and is half ticked when some are; folders fold, and the address says so."""
    page = open_page(grid, "runlist=tree")
    loss = chart(page, "loss").wait(runs=12, points=240)
    becomes(
        lambda: listed(page)[:4],
        ["adam/: 6 runs", "adam/lr=0.001/: 2 runs", "adam/lr=0.001/train", "adam/lr=0.001/val"],
    )
    page.get_by_role("checkbox", name="adam/lr=0.001/val").uncheck()
    loss.wait(runs=11)
    expect(page.get_by_role("checkbox", name="adam/: 6 runs")).to_be_checked(indeterminate=True)
    page.get_by_role("checkbox", name="adam/: 6 runs").check()
    loss.wait(runs=12)
    page.get_by_role("checkbox", name="sgd/: 6 runs").uncheck()
    loss.wait(runs=6)
    page.get_by_role("button", name="More of the run list").click()
    page.get_by_role("menuitem", name="Fold all folders").click()
    becomes(lambda: listed(page), ["adam/: 6 runs", "sgd/: 6 runs"])

    page.get_by_role("checkbox", name="adam/: 6 runs").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("checkbox", name="adam/lr=0.001/: 2 runs")).to_be_focused()
    page.keyboard.press("Enter")
    loss.wait(runs=2)
    page.wait_for_function("() => location.hash.includes('runfold=*&runfold=adam')")
    page.reload()
    loss.wait(runs=2)
    folders = ["adam/: 6 runs", *(f"adam/lr={rate}/: 2 runs" for rate in sorted(RATES)), "sgd/: 6 runs"]
    becomes(lambda: listed(page), folders)


def test_filters_have_parts_and_exclude(grid: Any, open_page: Callable[..., Page], chart: Any) -> None:
    """`!` excludes, `&` joins, and a pattern that would hang a browser's own engine is answered like any other."""
    page = open_page(grid)
    loss = chart(page, "loss").wait(runs=12)
    field = page.get_by_label("Filter runs")
    field.fill("adam & lr=0.0 !val")
    loss.wait(runs=2)
    becomes(lambda: listed(page), ["adam/lr=0.001/train", "adam/lr=0.01/train"])
    field.fill("!(a|d|m|/|l|r|=|0|\\.|1)+!")
    loss.wait(runs=12)
    field.fill("^(([a-z]|[a-z/])+)+lr=(0|.)+val$")
    loss.wait(runs=6)
    field.fill("^(?=(.*)+train)")
    expect(page.get_by_role("alert").filter(has_text="Could take forever")).to_contain_text("Still in force")
    assert loss.runs == 6


def test_a_query_chooses_by_hyperparameters_and_metrics(grid: Any, open_page: Callable[..., Page], chart: Any) -> None:
    """What a run was started with and where it ended decide; mistakes are told with their column."""
    page = open_page(grid)
    loss = chart(page, "loss").wait(runs=12)
    field = page.get_by_label("Filter runs")
    field.fill("hp.lr < 0.05")
    expect(page.get_by_role("button", name="query")).to_be_visible()
    loss.wait(runs=4)
    becomes(
        lambda: listed(page), ["adam/lr=0.001/train", "adam/lr=0.01/train", "sgd/lr=0.001/train", "sgd/lr=0.01/train"]
    )
    field.fill('hp["batch size"] == 32 and (last("loss") < 0.02 or hp.optimizer == "sgd" and not hp.lr > 0.005)')
    loss.wait(runs=3)
    becomes(lambda: listed(page), ["adam/lr=0.1/train", "sgd/lr=0.001/train", "sgd/lr=0.1/train"])
    field.fill("hp.lr < 0.05 and")
    alert = page.get_by_role("alert").filter(has_text="Column")
    expect(alert).to_contain_text("Column 17: the query ends where a value was expected")
    expect(alert).to_contain_text("Still in force: hp[")
    assert loss.runs == 3
    field.fill("run ~ 'val$'")
    loss.wait(runs=6)
    page.wait_for_function("() => location.hash.includes('val')")
    page.reload()
    loss.wait(runs=6)


def test_a_query_completes_itself(grid: Any, open_page: Callable[..., Page], chart: Any) -> None:
    """Names of hyperparameters and tags are offered where they fit, and keys take them."""
    page = open_page(grid)
    loss = chart(page, "loss").wait(runs=12)
    field = page.get_by_label("Filter runs")
    field.press_sequentially("hp.")
    options = page.get_by_role("listbox", name="Completions").get_by_role("option")
    expect(options).to_have_text([re.compile("^batch size"), re.compile("^lr"), re.compile("^optimizer")])
    field.press_sequentially("op")
    expect(options).to_have_count(1)
    field.press("Tab")
    field.press_sequentially(" == ")
    expect(options).to_have_text([re.compile("^adam"), re.compile("^sgd")])
    field.press("ArrowDown")
    field.press("ArrowDown")
    field.press("Enter")
    expect(field).to_have_value('hp.optimizer == "sgd"')
    loss.wait(runs=3)
    field.press_sequentially(" and last(")
    expect(options).to_have_text([re.compile("^loss")])
    field.press("Tab")
    field.press_sequentially(" < 0.1")
    expect(field).to_have_value('hp.optimizer == "sgd" and last("loss") < 0.1')
    loss.wait(runs=1)


def cells(page: Page, run: str) -> list[str]:
    row = page.get_by_role("row").filter(has=page.get_by_role("checkbox", name=run, exact=True))
    return [text.strip() for text in row.get_by_role("cell").all_inner_texts()]


def order(page: Page) -> list[str]:
    return names(page.locator("aside").get_by_role("rowheader").get_by_role("checkbox"))


def test_a_table_shows_hyperparameters_and_metrics(grid: Any, open_page: Callable[..., Page], chart: Any) -> None:
    """Columns are chosen, sorted by, moved and hidden; the cells hold what was logged; the address keeps it all."""
    page = open_page(grid, "runs=train&runcols=status&runcols=hp:lr&runcols=hp:optimizer", width=1400)
    loss = chart(page, "loss").wait(runs=6)
    page.get_by_role("button", name="Table", exact=True).click()
    page.get_by_role("button", name="Over the whole page").click()
    last = (1 - 0.1 * 2) ** 20
    expect(page.get_by_role("columnheader")).to_have_count(4)
    page.get_by_role("button", name="Columns").click()
    page.get_by_role("button", name="last of loss").click()
    page.get_by_role("button", name="max of loss").click()
    page.get_by_role("checkbox", name="Duration").check()
    page.get_by_role("checkbox", name="Duration").uncheck()
    page.keyboard.press("Escape")
    expect(page.get_by_role("columnheader")).to_have_count(6)
    expect(page.get_by_role("cell", name=f"{last**2:.5g}")).to_have_count(1)
    becomes(lambda: cells(page, "sgd/lr=0.1/train"), ["finished", "0.1", "sgd", f"{last**2:.5g}", f"{0.8**2:.5g}"])
    becomes(lambda: cells(page, "adam/lr=0.001/train")[1:3], ["0.001", "adam"])

    page.get_by_role("button", name="last loss", exact=True).click()
    expect(page.get_by_role("columnheader", name="last loss")).to_have_attribute("aria-sort", "ascending")
    becomes(lambda: order(page)[:2], ["sgd/lr=0.1/train", "adam/lr=0.1/train"])
    ascending = order(page)
    page.get_by_role("button", name="last loss", exact=True).click()
    expect(page.get_by_role("columnheader", name="last loss")).to_have_attribute("aria-sort", "descending")
    becomes(lambda: order(page), ascending[::-1])
    page.get_by_role("button", name="last loss", exact=True).press("Alt+ArrowLeft")
    page.get_by_role("button", name="max loss", exact=True).press("Delete")
    page.get_by_role("columnheader", name="lr").hover()
    page.get_by_role("button", name="Hide the column lr").click()
    expect(page.get_by_role("columnheader")).to_have_text(["Run", "Status", re.compile("last *loss"), "optimizer"])

    page.wait_for_function("() => location.hash.includes('runsort=-last') && !location.hash.includes('lr')")
    page.reload()
    expect(page.get_by_role("columnheader")).to_have_text(["Run", "Status", re.compile("last *loss"), "optimizer"])
    expect(page.get_by_role("cell", name=f"{last**2:.5g}")).to_have_count(1)
    becomes(lambda: order(page), ascending[::-1])
    page.get_by_role("checkbox", name="sgd/lr=0.1/train", exact=True).uncheck()
    page.get_by_role("button", name="Over the whole page").click()
    loss.wait(runs=5)


def test_a_table_is_copied(grid: Any, open_page: Callable[..., Page], chart: Any) -> None:
    """What is copied has every row and unrounded numbers, as CSV or Markdown."""
    page = open_page(
        grid,
        "runlist=table&runs=sgd.*train&runcols=hp:lr&runcols=hp:batch+size&runcols=last:loss",
        permissions=["clipboard-read", "clipboard-write"],
    )
    chart(page, "loss").wait(runs=3)
    expect(page.get_by_role("cell", name="32", exact=True)).to_have_count(3)
    x = 1.0
    for _ in range(20):
        x -= 0.1 * 2 * x
    expect(page.get_by_role("cell", name=f"{x * x:.5g}")).to_have_count(1)
    page.get_by_role("button", name="Copy the table").click()
    page.get_by_role("menuitem", name="Copy as CSV").click()
    expect(page.get_by_text("3 runs copied as CSV")).to_be_visible()
    head, *lines = page.evaluate("() => navigator.clipboard.readText()").splitlines()
    assert head == "run,lr,batch size,last loss"
    run, rate, batch, value = lines[2].split(",")
    assert (run, float(rate), float(batch)) == ("sgd/lr=0.1/train", 0.1, 32.0)
    assert float(value) == pytest.approx(x * x, rel=1e-6)
    page.get_by_role("button", name="Copy the table").click()
    page.get_by_role("menuitem", name="Copy as Markdown").click()
    expect(page.get_by_text("3 runs copied as Markdown")).to_be_visible()
    lines = page.evaluate("() => navigator.clipboard.readText()").splitlines()
    assert lines[:2] == ["| run | lr | batch size | last loss |", "| --- | ---: | ---: | ---: |"]
    assert lines[4] == f"| sgd/lr=0.1/train | 0.1 | 32 | {x * x:.5g} |"


def hue(page: Page, run: str) -> str:
    label = page.locator("aside label").filter(has=page.get_by_role("checkbox", name=run, exact=True))
    return str(label.evaluate("label => getComputedStyle(label).getPropertyValue('--hue').trim()"))


def rgb(colour: str) -> str:
    return f"rgb({', '.join(str(int(colour[at : at + 2], 16)) for at in (1, 3, 5))})"


def test_runs_are_coloured_by_hyperparameter_or_regex(grid: Any, open_page: Callable[..., Page], chart: Any) -> None:
    """Equal values get equal colours, in the list and in the chart; numbers lie on a scale whose ends are told."""
    page = open_page(grid, "runs=train&smoothing=0")
    loss = chart(page, "loss").wait(runs=6)
    page.get_by_role("button", name="Colour runs by").click()
    page.get_by_role("radio", name="lr 3 values").check()
    page.keyboard.press("Escape")
    expect(page.get_by_role("img", name="lr: 0.001 to 0.1")).to_be_visible()

    def hues(optimizer: str) -> list[str]:
        return [hue(page, f"{optimizer}/lr={rate}/train") for rate in RATES]

    becomes(lambda: (len(set(hues("sgd"))), hues("adam") == hues("sgd")), (3, True))
    colours = dict(zip(RATES, hues("sgd"), strict=True))
    page.get_by_role("checkbox", name="All runs").uncheck()
    page.get_by_role("checkbox", name="sgd/lr=0.1/train").check()
    loss.wait(runs=1)
    becomes(lambda: loss.pixels_near(rgb(colours[0.1])) > 0, True)
    assert loss.pixels_near(rgb(colours[0.001])) == 0

    page.get_by_role("button", name="Colour runs by").click()
    page.get_by_role("radio", name="A regex").check()
    page.get_by_label("Regex to colour by").fill("^(adam|sgd)")
    page.keyboard.press("Escape")
    expect(page.locator("aside").get_by_role("listitem").filter(has_text=re.compile("^(adam|sgd)$"))).to_have_count(2)
    becomes(lambda: (len(set(hues("sgd"))), len({*hues("sgd"), *hues("adam")})), (1, 2))
    by_regex = hue(page, "sgd/lr=0.1/train")
    page.wait_for_function("() => new URLSearchParams(location.hash.slice(1)).toString().includes('adam%7Csgd')")
    page.reload()
    loss.wait(runs=1)
    page.wait_for_function(
        """(colour) => [...document.querySelectorAll("aside label")].some(
            (label) => label.title === "sgd/lr=0.1/train" && label.style.getPropertyValue("--hue") === colour)""",
        arg=by_regex,
    )


@pytest.fixture
def four(tmp_path: Path) -> Path:
    """Four runs, in a logdir of their own: what people say of runs is kept in it."""
    for run in ("a", "b", "c", "d"):
        with tb.SummaryWriter(tmp_path / run) as writer:
            writer.add_scalar("loss", 1.0, 0)
            writer.add_scalar("loss", 0.5, 1)
    return tmp_path


def choose(page: Page, run: str, what: str) -> None:
    page.get_by_role("checkbox", name=run, exact=True).click(button="right")
    page.get_by_role("menuitem", name=what).click()


def test_a_menu_keeps_what_people_say_of_runs(four: Path, open_page: Callable[..., Page], chart: Any) -> None:
    """Title, note, labels, colour, pin and hiding show at once, are kept beside the runs, and last."""
    page = open_page(four)
    loss = chart(page, "loss").wait(runs=4)

    page.get_by_role("checkbox", name="c", exact=True).hover()
    page.get_by_role("button", name="Menu of c").click()
    menu = page.get_by_role("menu", name="Menu of c")
    expect(menu).to_contain_text(f"Kept in {four}")
    expect(menu.get_by_role("menuitem", name="Move to the trash")).to_be_disabled()
    page.keyboard.press("Escape")
    choose(page, "c", "Rename")
    page.get_by_label("Title").fill("the <b>best</b> one")
    page.keyboard.press("Enter")
    expect(page.locator("aside").get_by_text("the <b>best</b> one")).to_be_visible()
    expect(page.get_by_role("checkbox", name="c", exact=True)).to_be_visible()
    choose(page, "c", "Pin to the top")
    expect(page.locator("aside li input").first).to_have_attribute("aria-label", "c")
    choose(page, "c", "Labels")
    page.get_by_label("Labels").fill("good, paper 1, good")
    page.get_by_role("button", name="Keep").click()
    choose(page, "c", "Colour")
    page.get_by_role("button", name="pink").click()
    becomes(lambda: hue(page, "c"), "#f96eb1")
    choose(page, "b", "Hide")
    loss.wait(runs=3)
    expect(page.get_by_text("Hidden runs: 1")).to_be_visible()
    page.get_by_label("Filter runs").fill('tag("paper 1")')
    loss.wait(runs=1)
    page.get_by_label("Filter runs").fill("")
    loss.wait(runs=3)
    page.wait_for_function("() => !location.hash.includes('runs=')")  # it follows a moment behind the picture

    page.reload()
    loss.wait(runs=3)
    expect(page.locator("aside").get_by_text("the <b>best</b> one")).to_be_visible()
    becomes(lambda: listed(page), ["c", "a", "d"])
    becomes(lambda: hue(page, "c"), "#f96eb1")
    (kept,) = (json.loads(file.read_text()) for file in four.glob(".tallyboard.json"))
    assert kept["sections"]["runs"]["c"] == {
        "title": "the <b>best</b> one",
        "pinned": True,
        "tags": ["good", "paper 1"],
        "colour": "#f96eb1",
    }
    page.get_by_role("button", name="show", exact=True).click()
    loss.wait(runs=4)
    choose(page, "b", "Show again")
    expect(page.get_by_text("Hidden runs")).to_have_count(0)


def test_a_run_goes_to_the_trash_and_comes_back(
    four: Path, serve: Callable[..., Any], open_page: Callable[..., Page], chart: Any
) -> None:
    """Where it is allowed, a run is moved after a question, and the toast brings it back."""
    page = open_page(serve(four, more=("--allow_delete",)))
    loss = chart(page, "loss").wait(runs=4)
    choose(page, "b", "Move to the trash")
    assert (four / "b").is_dir()
    page.get_by_role("dialog").get_by_role("button", name="Move to the trash").click()
    loss.wait(runs=3)
    becomes(lambda: listed(page), ["a", "c", "d"])
    becomes((four / "b").exists, False)
    expect(page.get_by_text("b is in the trash.")).to_be_visible()
    page.get_by_role("button", name="Undo").click()
    loss.wait(runs=4)
    becomes(lambda: len(list((four / "b").iterdir())), 1)


def test_the_trash_is_looked_into_and_emptied(
    four: Path, serve: Callable[..., Any], open_page: Callable[..., Page], chart: Any
) -> None:
    """What lies there is listed: one run comes back, another goes for good, but only after a question."""
    page = open_page(serve(four, more=("--allow_delete",)))
    loss = chart(page, "loss").wait(runs=4)
    for run, left in (("b", 3), ("c", 2)):
        choose(page, run, "Move to the trash")
        page.get_by_role("dialog").get_by_role("button", name="Move to the trash").click()
        loss.wait(runs=left)
    choose(page, "a", "Look into the trash")
    trash = page.get_by_role("dialog", name="Trash")
    expect(trash.get_by_role("listitem")).to_have_count(2)

    trash.get_by_role("button", name="Restore b").click()
    loss.wait(runs=3)
    becomes((four / "b").is_dir, True)
    trash.get_by_role("button", name="Delete for good… c").click()
    expect(trash.get_by_role("alert")).to_contain_text("Delete c for good?")
    trash.get_by_role("button", name="Keep").click()
    expect(trash.get_by_role("alert")).to_have_count(0)
    assert len(list(four.glob(".tallyboard-trash/*/c"))) == 1
    trash.get_by_role("button", name="Delete for good… c").click()
    trash.get_by_role("button", name="Delete for good", exact=True).click()
    expect(trash.get_by_role("status")).to_have_text("1 run deleted for good.")
    expect(trash).to_contain_text("The trash is empty.")
    becomes((four / ".tallyboard-trash").exists, False)

    page.keyboard.press("Escape")
    page.get_by_role("button", name="More of the run list").click()
    page.get_by_role("menuitem", name="Look into the trash").click()
    expect(trash).to_contain_text("The trash is empty.")
    page.keyboard.press("Escape")
    expect(trash).to_have_count(0)
    page.keyboard.press("Control+k")
    page.get_by_label("What to do").fill("look into the trash")
    page.keyboard.press("Enter")
    expect(trash).to_contain_text("The trash is empty.")


def test_a_trash_that_is_shut_says_why(four: Path, open_page: Callable[..., Page], chart: Any) -> None:
    """Without --allow-delete the trash is found all the same, and says what would open it."""
    page = open_page(four)
    chart(page, "loss").wait(runs=4)
    page.get_by_role("button", name="More of the run list").click()
    page.get_by_role("menuitem", name="Look into the trash").click()
    expect(page.get_by_role("dialog", name="Trash")).to_contain_text("start the viewer with --allow-delete to allow it")
