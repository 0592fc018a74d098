"""Every feature of the runs and the charts on a real training: what is on the screen is what `tb.read` finds in it."""

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

import numpy as np
import pytest
from playwright.sync_api import Page, expect

import tallyboard as tb

from .training import ACCURACY, LOSS, MIDDLE, Training, drawn, ends, near, padded
from .waiting import becomes, names


def row(page: Page, run: str) -> list[str]:
    found = page.get_by_role("row").filter(has=page.get_by_role("checkbox", name=run, exact=True))
    return [text.strip() for text in found.get_by_role("cell").all_inner_texts()]


def test_the_table_of_runs(training: Training, open_page: Callable[..., Page]) -> None:
    """Hyperparameters, last, least and greatest values stand in columns, by which runs are sorted."""
    columns = ("hp:learning_rate", f"last:{LOSS}", f"min:{LOSS}", f"max:{ACCURACY}")
    page = open_page(training.viewer, "&".join(["runlist=table&runwide=1", *(f"runcols={one}" for one in columns)]))
    losses, accuracies = training.of(LOSS), training.of(ACCURACY)
    assert len(losses) == 6

    for run, series in losses.items():
        rate = re.findall(r"lr=([\d.]+)", run) if run.endswith("validation") else []  # they were told there
        figures = [series.value[-1], series.value.min(), accuracies[run].value.max()]
        wanted = [*map(float, rate), *map(float, figures)]

        def right(run: str = run, wanted: list[float] = wanted) -> bool:
            texts = [text for text in row(page, run) if text not in ("", "–", "—")]
            return len(texts) == len(wanted) and all(map(near, texts, wanted))

        becomes(right, True)
    page.get_by_role("button", name=f"last {LOSS}", exact=True).click()
    boxes = page.locator("aside").get_by_role("rowheader").get_by_role("checkbox")
    becomes(lambda: names(boxes), sorted(losses, key=lambda run: losses[run].value[-1]))


def test_runs_are_filtered_and_ticked(training: Training, open_page: Callable[..., Page], chart: Any) -> None:
    """A regex that excludes, a query over what was set and what was reached, and a folder's box choose the runs."""
    page = open_page(training.viewer, "runlist=tree&smoothing=0")
    loss = chart(page, LOSS).wait(runs=6)
    losses, accuracies = training.of(LOSS), training.of(ACCURACY)
    listed = page.locator("aside li input")

    field = page.get_by_label("Filter runs")
    field.fill("digits !lr=0.1/ & train")
    loss.wait(runs=2)
    becomes(
        lambda: [name for name in names(listed) if not name.endswith("runs") and "/:" not in name],
        [run for run in losses if run.endswith("train") and "lr=0.1/" not in run],
    )
    low, high = sorted(series.value[-1] for series in training.of(ACCURACY, "lr=0.0+3/validation$").values())
    between = float(low + high) / 2
    field.fill(f'hp.learning_rate < 0.05 and last("{ACCURACY}") > {between}')
    told = {run.name for run in training.read.values() if run.hparams}
    wanted = [run for run, series in accuracies.items() if series.value[-1] > between and run in told]
    assert 0 < len(wanted) < len(told)
    loss.wait(runs=len(wanted), points=sum(len(losses[run].step) for run in wanted))
    becomes(lambda: [name for name in names(listed) if "/:" not in name], wanted)

    field.fill("")
    loss.wait(runs=6)
    page.get_by_role("checkbox", name=MIDDLE).uncheck()
    loss.wait(runs=5)
    folder = page.get_by_role("checkbox", name="digits/lr=0.003/: 2 runs")
    expect(folder).to_be_checked(indeterminate=True)
    folder.check()
    loss.wait(runs=6)


def test_runs_are_coloured(training: Training, open_page: Callable[..., Page], chart: Any) -> None:
    """Runs of one learning rate get one colour, so do those of one match of a regex; the lines are drawn in it."""
    page = open_page(training.viewer, "runlist=tree&smoothing=0")
    loss = chart(page, LOSS).wait(runs=6)
    page.get_by_role("button", name="Colour runs by").click()
    page.get_by_role("radio", name="learning_rate 3 values").check()
    page.keyboard.press("Escape")
    expect(page.get_by_role("img", name="learning_rate: 0.0003 to 0.1")).to_be_visible()

    def groups(kind: str) -> list[int]:
        hues: dict[str, set[str]] = {}
        for run in training.of(LOSS, kind):
            box = page.get_by_role("checkbox", name=run, exact=True)
            hues.setdefault(run.split("/")[1], set()).add(box.evaluate("box => getComputedStyle(box).borderColor"))
        return [*map(len, hues.values()), len(set.union(*hues.values()))]

    becomes(lambda: groups("validation"), [1, 1, 1, 3])
    page.get_by_role("button", name="Colour runs by").click()
    page.get_by_role("radio", name="A regex").check()
    page.get_by_label("Regex to colour by").fill("(train|validation)$")
    page.keyboard.press("Escape")
    becomes(lambda: groups(""), [2, 2, 2, 2])
    colour = page.get_by_role("checkbox", name=MIDDLE).evaluate("box => getComputedStyle(box).borderColor")
    becomes(lambda: loss.pixels_near(colour, 30) > 50, True)


def test_every_horizontal_axis_shows_what_was_logged(
    training: Training, open_page: Callable[..., Page], chart: Any
) -> None:
    """x by steps, times, epochs and another tag: each begins and ends where the data do."""
    page = open_page(training.viewer, f"smoothing=0&runs=train$&tags=^{LOSS}$")
    losses = training.of(LOSS, "train$")
    loss = chart(page, LOSS).wait(runs=3, points=60)
    assert loss.domain[:2] == (0, 19)
    assert loss.domain[2:] == padded(*ends(series.value for series in losses.values()))
    walls = [series.wall_time for series in losses.values()]
    xs = {
        "relative": (0.0, max(wall[-1] - wall[0] for wall in walls)),
        "wall": ends(walls),
        "first": (0.0, 19.0),
        "epoch": (1.0, 20.0),
    }
    across = page.get_by_label("Horizontal axis")
    for axis, wanted in xs.items():
        across.select_option(axis)
        loss.wait_for_domain(lambda domain, wanted=wanted: domain[:2] == pytest.approx(wanted, abs=1e-3))  # type: ignore[misc]
    across.select_option("Another tag…")
    page.get_by_role("searchbox", name="Find a tag").fill(ACCURACY)
    page.get_by_role("button", name=ACCURACY, exact=True).click()
    wanted = ends(series.value for series in training.of(ACCURACY, "train$").values())
    loss.wait_for_domain(lambda domain: domain[:2] == pytest.approx(wanted, rel=1e-6))
    across.select_option("step")
    loss.wait_for_domain(lambda domain: domain[:2] == (0, 19))


def test_the_vertical_axis_and_typed_ranges(training: Training, open_page: Callable[..., Page], chart: Any) -> None:
    """y linear, by its logarithm, without outliers and typed: it ends where the data end, and what it leaves out is
    counted."""
    page = open_page(training.viewer, f"smoothing=0&runs=train$&tags=^{LOSS}$")
    losses = training.of(LOSS, "train$")
    loss = chart(page, LOSS).wait(runs=3, points=60)
    every = ends(series.value for series in losses.values())
    rise = page.get_by_label("Vertical axis")
    rise.select_option("log")
    low, high = loss.wait_for_domain(lambda domain: 0 < domain[2] < every[0] and domain[3] > every[1])[2:]
    assert math.log(high / low) == pytest.approx(math.log(every[1] / every[0]) * 1.1, rel=0.02)
    rise.select_option("symlog")
    loss.wait_for_domain(lambda domain: domain[2:] != (low, high))
    rise.select_option("linear")
    page.get_by_role("button", name="Chart settings").click()
    page.get_by_role("checkbox", name="Leave outliers out").check()
    values = sorted(float(value) for series in losses.values() for value in series.value)
    cut = math.floor((len(values) - 1) * 0.05)
    inner = values[cut], values[-1 - cut]
    room = (inner[1] - inner[0]) * 0.05
    loss.wait_for_domain(lambda domain: domain[2:] == padded(*inner))
    out = [sum(value > inner[1] + room for value in values), sum(value < inner[0] - room for value in values)]
    assert loss.root.get_attribute("data-outside") == f"{out[0]},{out[1]}"
    page.get_by_role("checkbox", name="Leave outliers out").uncheck()
    page.keyboard.press("Escape")

    page.get_by_role("button", name=f"Axis ranges of {LOSS}").click()
    page.get_by_role("textbox", name="x, most").fill("12")
    page.get_by_role("textbox", name="y, most").fill("0.5")
    page.keyboard.press("Enter")
    loss.wait_for_domain(lambda domain: domain[1] == 12 and domain[3] == 0.5)
    beyond = sum(int((series.value[series.step <= 12] > 0.5).sum()) for series in losses.values())
    expect(loss.root).to_have_attribute("data-outside", f"{beyond},0")


def test_the_pointer_reads_values(training: Training, open_page: Callable[..., Page], chart: Any) -> None:
    """The crosshair over all cards, the tooltip and what is pinned and copied have the values that were logged."""
    page = open_page(
        training.viewer,
        f"smoothing=0&runs=train$&tags={LOSS}|{ACCURACY}&tipsort=descending",
        permissions=["clipboard-read"],
    )
    losses, accuracies = training.of(LOSS, "train$"), training.of(ACCURACY, "train$")
    loss = drawn(page, chart)
    accuracy = chart(page, ACCURACY).wait(runs=3, points=60)
    loss.hover(0.6, 0.5)
    expect(accuracy.root).not_to_have_attribute("data-echo", "")
    rows = page.locator(".tip tbody tr")
    expect(rows).to_have_count(3)
    step = int(rows.first.locator("td").nth(2).inner_text())
    at = {run: float(series.value[step]) for run, series in losses.items()}
    shown = [row.locator("td").all_inner_texts()[:2] for row in rows.all()]
    assert [near(text, value) for (_, text), value in zip(shown, sorted(at.values(), reverse=True), strict=True)] == [
        True
    ] * 3
    echoed = float(accuracy.root.get_attribute("data-echo") or "nan")
    assert min(abs(echoed - float(series.value[step])) for series in accuracies.values()) < 1e-4
    page.keyboard.press("c")
    expect(page.locator(".tip")).to_contain_text("Copied")
    copied = [line.split("\t") for line in page.evaluate("navigator.clipboard.readText()").splitlines()[1:]]
    assert [np.float32(row[1]) for row in copied] == [np.float32(value) for value in sorted(at.values(), reverse=True)]

    page.mouse.click(*loss.place(0.6, 0.5))
    pin = page.get_by_role("group", name=f"Pinned values of {LOSS}")
    expect(pin.locator("tbody tr")).to_have_count(3)
    pinned = [row.locator("td").all_inner_texts() for row in pin.locator("tbody tr").all()]
    assert [near(row[1], value) for row, value in zip(pinned, sorted(at.values(), reverse=True), strict=True)] == [
        True
    ] * 3


def test_the_hand_moves_the_axes(training: Training, open_page: Callable[..., Page], chart: Any) -> None:
    """A drag shows what lies inside it, `r` goes back, the wheel and the hand move x by as much as they say."""
    page = open_page(training.viewer, f"smoothing=0&runs=train$&tags=^{LOSS}$")
    losses = training.of(LOSS, "train$")
    loss = drawn(page, chart)
    whole = loss.domain
    loss.drag((0.3, 0.5), (0.7, 0.52))
    x0, x1, y0, y1 = loss.wait_for_domain(lambda domain: domain != whole)
    inside = [series.value[(series.step >= x0) & (series.step <= x1)] for series in losses.values()]
    low, high = ends(inside)
    assert 0 < x0 < x1 < 19
    assert y0 < low < high < y1
    page.keyboard.press("r")
    loss.wait_for_domain(lambda domain: domain == whole)
    loss.hover(0.5, 0.5)
    page.keyboard.down("Control")
    page.mouse.wheel(0, -200)
    page.keyboard.up("Control")
    near_in = loss.wait_for_domain(lambda domain: domain != whole)
    assert near_in[1] - near_in[0] == pytest.approx(19 * math.exp(-0.4))
    page.keyboard.down("Shift")
    loss.drag((0.5, 0.5), (0.6, 0.5))
    page.keyboard.up("Shift")
    moved = loss.wait_for_domain(lambda domain: domain[:2] != near_in[:2])
    assert moved[1] - moved[0] == pytest.approx(near_in[1] - near_in[0])
    assert moved[0] < near_in[0]


def test_tables_and_charts_of_several_tags(training: Training, open_page: Callable[..., Page], chart: Any) -> None:
    """The table of a range has the figures of each run; charts that a person or the training put together have a line
    for each run and tag, a margin its band."""
    chosen = json.dumps([{"id": "a", "title": "both", "tags": [LOSS, ACCURACY]}])
    page = open_page(training.viewer, f"smoothing=0&runs={MIDDLE}&select=range&selected=[3,15]&chart={chosen}")
    series = {tag: training.of(tag)[MIDDLE] for tag in (LOSS, ACCURACY)}
    loss = chart(page, LOSS).wait(runs=1, points=20)
    page.get_by_role("button", name=re.compile(f"^Table of {LOSS}")).click()
    part = series[LOSS].value[3:16].astype(float)
    figures = [part.min(), part.max(), part[0], part[-1], part[-1] - part[0]]
    cells = loss.card.locator("table td")
    expect(cells).to_have_count(6)
    assert [
        near(text.replace("−", "-"), value) for text, value in zip(cells.all_inner_texts()[1:], figures, strict=True)
    ] == [True] * 5

    for title in ("both", "lines"):
        several = chart(page, title).wait(runs=2, points=40)
        said = dict(re.findall(r"· (\w+): ([\d.e-]+) at step 19", several.summary))
        assert said.keys() == series.keys()
        assert all(near(said[tag], float(series[tag].value[-1])) for tag in series)
    room = chart(page, "room").wait(runs=1, points=20)
    low = ends([series[ACCURACY].value, series[LOSS].value])[0]
    room.wait_for_domain(lambda domain: domain[2:] == padded(low, 20.0))


@pytest.mark.parametrize("centre", ["mean", "median"])
def test_seeds_are_those_of_aggregate(
    training: Training, open_page: Callable[..., Page], chart: Any, centre: str
) -> None:
    """Three networks as one line: each kind of band is as wide as `tb.aggregate` says, the line ends where it says."""
    page = open_page(
        training.viewer, f"smoothing=0&runs=train$&tags=^{LOSS}$&seeds=regex&seedregex=^(digits)&centre={centre}"
    )
    loss = chart(page, LOSS).wait(runs=1, points=20)
    stack = np.stack([series.value for series in training.of(LOSS, "train$").values()]).astype(float)
    middle = stack.mean(axis=0) if centre == "mean" else np.median(stack, axis=0)
    said = re.search(r"digits \(3\): ([\d.e-]+) at step 19", loss.summary)
    assert said is not None
    assert near(said[1], middle[-1])
    page.get_by_role("button", name="Chart settings").click()
    kind = page.get_by_label("Band of a group")
    for band in ("std", "sem", "ci95", "minmax", "none") if centre == "mean" else ("minmax", "none"):
        kind.select_option(band)
        edges = [middle]
        if band != "none":
            (found,) = tb.aggregate(training.read, by="^(digits).*train$", tags=f"^{LOSS}$", band=band).values()  # type: ignore[arg-type]
            edges += [found.lower, found.upper]
        loss.wait_for_domain(lambda domain, edges=edges: domain[2:] == padded(*ends(edges)))  # type: ignore[misc]


def saved(page: Page, tag: str, label: str) -> bytes:
    page.get_by_role("button", name=f"Download {tag}").click()
    with page.expect_download() as waiting:
        page.get_by_role("menuitem", name=label).click()
    return Path(waiting.value.path()).read_bytes()


def test_files_of_charts_and_views_hold_the_values(
    training: Training, open_page: Callable[..., Page], chart: Any
) -> None:
    """CSV, JSON and pgfplots of a chart, CSV and Parquet of a view have every value as read; pictures the lines."""
    parquet = pytest.importorskip("pyarrow.parquet")
    page = open_page(training.viewer, f"smoothing=0&runs=train$&tags=^{LOSS}$")
    losses = training.of(LOSS, "train$")
    loss = chart(page, LOSS).wait(runs=3, points=60)
    wanted = [
        (run, int(step), np.float32(value))
        for run, series in losses.items()
        for step, value in zip(series.step, series.value, strict=True)
    ]
    rows = list(csv.DictReader(io.StringIO(saved(page, LOSS, "CSV").decode())))
    assert [(row["run"], int(row["step"]), np.float32(row["value"])) for row in rows] == wanted
    runs = json.loads(saved(page, LOSS, "JSON"))["runs"]
    found = [
        (run["run"], step, np.float32(x)) for run in runs for step, x in zip(run["step"], run["value"], strict=True)
    ]
    assert found == wanted
    tex = saved(page, LOSS, "pgfplots").decode()
    points = [(int(x), float(y)) for x, y in re.findall(r"\((\d+),([\d.e-]+)\)", tex)]
    assert [step for step, _ in points] == [step for _, step, _ in wanted]
    np.testing.assert_allclose([y for _, y in points], [value for *_, value in wanted], rtol=1e-3)
    picture = ElementTree.fromstring(saved(page, LOSS, "SVG"))
    strokes = {path.get("stroke") for path in picture.iter("{http://www.w3.org/2000/svg}path")}
    colours = [
        page.get_by_role("checkbox", name=run, exact=True).evaluate("box => getComputedStyle(box).borderColor")
        for run in losses
    ]
    assert {tuple(map(int, re.findall(r"\d+", colour))) for colour in colours} <= {
        tuple(int(stroke[at : at + 2], 16) for at in (1, 3, 5)) for stroke in strokes if stroke and stroke[0] == "#"
    }
    assert saved(page, LOSS, "PNG")[:8] == b"\x89PNG\r\n\x1a\n"
    becomes(lambda: min(loss.pixels_near(colour, 30) for colour in colours) > 20, True)

    page.get_by_role("button", name="Chart settings").click()
    views = []
    for kind in ("CSV", "Parquet"):
        with page.expect_download() as waiting:
            page.get_by_role("button", name=kind, exact=True).click()
        views.append(Path(waiting.value.path()).read_bytes())
    rows = list(csv.DictReader(io.StringIO(views[0].decode())))
    assert [(row["run"], int(row["step"]), np.float32(row["value"])) for row in rows] == wanted
    columns = parquet.read_table(io.BytesIO(views[1])).to_pydict()
    assert list(zip(columns["run"], columns["step"], map(np.float32, columns["value"]), strict=True)) == wanted


def cards(page: Page) -> list[str]:
    found: list[str] = page.locator(".card").evaluate_all(
        "cards => cards.map((card) => card.getAttribute('aria-label'))"
    )
    return found


def test_cards_are_arranged(training: Training, open_page: Callable[..., Page], chart: Any) -> None:
    """Tags are filtered and grouped, cards pinned, sized and filled the window with; a chart says its values in
    words."""
    page = open_page(training.viewer, "smoothing=0&runs=train$|validation$")
    chart(page, LOSS).wait(runs=6)
    tags = {tag for _, tag in training.read.scalars()}
    page.get_by_label("Filter tags").fill("^evaluation_|recognised")
    becomes(lambda: set(cards(page)), {tag for tag in tags if re.search("^evaluation_|recognised", tag)})
    page.get_by_label("Filter tags").fill("^epoch_l")
    becomes(lambda: set(cards(page)) - {"lines", "room"}, {LOSS, "epoch_learning_rate"})
    losses = training.of(LOSS)
    loss = chart(page, LOSS).wait(runs=6, points=120)
    said = dict(re.findall(r"(digits/lr=[\d.]+/\w+): ([\d.e-]+) at step 19", loss.summary))
    assert len(said) >= 3
    assert all(near(text, float(losses[run].value[-1])) for run, text in said.items())

    loss.card.focus()
    page.keyboard.press("p")
    page.wait_for_url(re.compile(f"pin={LOSS}"))
    becomes(lambda: cards(page)[0], LOSS)
    page.get_by_role("button", name=f"Full screen: {LOSS}").click()
    shown = page.get_by_role("dialog", name=f"Full screen: {LOSS}")
    expect(shown.locator(".chart")).to_have_attribute("data-points", "120")
    page.keyboard.press("Escape")
    expect(shown).to_be_hidden()
    page.get_by_role("button", name="Chart settings").click()
    page.get_by_role("slider", name="Columns").fill("1")
    page.wait_for_url(re.compile("columns=1"))
    page.get_by_label("Group by").select_option("none")
    page.wait_for_url(re.compile("group=none"))


def test_keys_back_and_the_address(training: Training, open_page: Callable[..., Page], chart: Any) -> None:
    """Keys, theme, density, palette and Back do what they say; a reload and a narrow window keep what was chosen."""
    page = open_page(training.viewer, f"smoothing=0&runs=train$|validation$&tags=^epoch_l&pin={LOSS}")
    loss = chart(page, LOSS).wait(runs=6, points=120)
    loss.card.focus()
    page.keyboard.press("l")
    expect(page.get_by_label("Vertical axis")).to_have_value("log")
    page.wait_for_url(re.compile("y=log"))
    page.go_back()
    expect(page.get_by_label("Vertical axis")).to_have_value("linear")
    before = page.evaluate("document.documentElement.dataset.theme")
    page.keyboard.press("t")
    page.wait_for_function("before => document.documentElement.dataset.theme !== before", arg=before)
    height = page.evaluate("document.querySelector('aside li').offsetHeight")
    page.keyboard.press("d")
    page.wait_for_function("height => document.querySelector('aside li').offsetHeight < height", arg=height)
    page.keyboard.press("Control+k")
    expect(page.get_by_role("combobox", name="What to do")).to_be_focused()
    page.keyboard.type(f"untick {MIDDLE}")
    page.keyboard.press("Enter")
    loss.wait(runs=5, points=100)
    page.wait_for_url(re.compile("off=digits"))
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_contain_text("leave outliers out", ignore_case=True)
    page.keyboard.press("Escape")

    page.reload()
    loss.wait(runs=5, points=100)
    becomes(lambda: cards(page)[0], LOSS)
    page.set_viewport_size({"width": 390, "height": 800})
    loss.wait(runs=5, points=100)
    becomes(lambda: page.evaluate("document.scrollingElement.scrollWidth"), 390)


def test_what_people_say_of_runs(own: Training, open_page: Callable[..., Page], chart: Any) -> None:
    """A title stands in the chart's words beside the value; notes, labels, pins and hiding work on the runs of the
    training and are kept in its folder."""
    page = open_page(own.viewer, f"smoothing=0&tags=^{LOSS}$")
    losses = own.of(LOSS)
    loss = chart(page, LOSS).wait(runs=6, points=120)

    def choose(what: str) -> None:
        page.get_by_role("checkbox", name=MIDDLE, exact=True).click(button="right")
        page.get_by_role("menuitem", name=what).click()

    choose("Rename")
    page.get_by_label("Title").fill("the middle one")
    page.keyboard.press("Enter")
    page.wait_for_function(
        "tag => document.querySelector(`.chart[data-tag=${tag}]`).ariaLabel.includes('the middle one')",
        arg=LOSS,
    )
    said = re.search(r"the middle one: ([\d.e-]+) at step 19", loss.summary)
    assert said is not None
    assert near(said[1], float(losses[MIDDLE].value[-1]))
    choose("Note")
    page.get_by_role("dialog").get_by_role("textbox").fill("learns well")
    page.get_by_role("button", name="Keep").click()
    choose("Labels")
    page.get_by_label("Labels").fill("good")
    page.get_by_role("button", name="Keep").click()
    choose("Pin to the top")
    expect(page.locator("aside li input").first).to_have_attribute("aria-label", MIDDLE)
    page.get_by_label("Filter runs").fill('tag("good")')
    loss.wait(runs=1, points=20)
    page.get_by_label("Filter runs").fill("")
    choose("Hide")
    loss.wait(runs=5, points=100)

    def kept() -> dict[str, Any]:
        said = json.loads((own.logdir / ".tallyboard.json").read_text())["sections"]["runs"][MIDDLE]
        return {key: said.get(key) for key in ("title", "note", "tags", "pinned", "hidden")}

    people = {"title": "the middle one", "note": "learns well", "tags": ["good"], "pinned": True, "hidden": True}
    becomes(kept, people)
    page.get_by_role("button", name="show", exact=True).click()
    loss.wait(runs=6)


def test_views_a_pause_and_the_trash(own: Training, open_page: Callable[..., Page], chart: Any) -> None:
    """A view is kept by its name, a pause holds back what is new and counts it, the trash takes a run away."""
    page = open_page(own.viewer, f"smoothing=0&tags=^{LOSS}$")
    loss = chart(page, LOSS).wait(runs=6, points=120)
    page.get_by_role("button", name="Views").click()
    page.get_by_label("Name of the view").fill("losses")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="More of losses")).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("P")
    expect(page.get_by_role("button", name="Go on: 0 new")).to_be_visible()
    with tb.SummaryWriter(own.logdir / "digits" / "later") as writer:
        writer.add_scalar(LOSS, 0.5, 0)
    expect(page.get_by_role("button", name="Go on: 1 new")).to_be_visible()
    assert loss.runs == 6
    page.get_by_role("button", name="Go on").click()
    loss.wait(runs=7, points=121)

    page.get_by_role("checkbox", name="digits/later", exact=True).click(button="right")
    page.get_by_role("menuitem", name="Move to the trash").click()
    page.get_by_role("dialog").get_by_role("button", name="Move to the trash").click()
    loss.wait(runs=6, points=120)
    becomes((own.logdir / "digits" / "later").exists, False)
