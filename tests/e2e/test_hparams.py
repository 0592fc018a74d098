"""The dashboard of hyperparameters in Chromium: tables, lines and points of runs by all three writers."""

from __future__ import annotations

import csv
import io
import json
import math
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect
from scipy import stats

import tallyboard as tb
from tallyboard.viewer.routes import hparams as route

from .waiting import DEADLINE, TWO_FRAMES, becomes, names

RATES = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0)
SEEDS = (0, 1, 2)


def ours(logdir: Path) -> list[dict[str, Any]]:
    """Twenty-four runs, eight rates by three seeds, with a loss that is known; and what each has."""
    made: list[dict[str, Any]] = []
    for i, rate in enumerate(RATES):
        for seed in SEEDS:
            values = {"lr": rate, "opt": "adam" if i % 2 else "sgd", "amp": i < 4, "seed": seed}
            loss = round((math.log10(rate) + 1.5) ** 2 + 0.125 * seed, 3)  # what a float32 stands for
            with tb.SummaryWriter(logdir / f"r{i}s{seed}") as writer:
                writer.add_hparams(values)
                for step in range(3):
                    writer.add_scalar("val/loss", loss + 2 - step, step)
            made.append({**values, "name": f"r{i}s{seed}", "loss": loss})
    return made


@pytest.fixture(scope="module")
def seeds(tmp_path_factory: pytest.TempPathFactory, serve_module: Callable[..., Any]) -> Any:
    """Those runs, and a server on them."""
    logdir = tmp_path_factory.mktemp("seeds")
    made = ours(logdir)
    started = serve_module(logdir)
    started.made = made
    return started


def rows(page: Page) -> Locator:
    return page.get_by_role("table", name="Hyperparameters and metrics").get_by_role("row")


TABLE = """() => [...document.querySelectorAll(
    '[role=table][aria-label="Hyperparameters and metrics"] [role=row]')].map((row) => [...row.children].map((cell) => {
        const parts = cell.querySelector("b") ? [...cell.querySelectorAll(".sort small, .sort b")] : [cell];
        return parts.map((part) => part.textContent.trim()).join(" ");
    }))"""


def table(page: Page) -> dict[str, dict[str, str]]:
    """What the table shows: by row and column, as text."""
    heads, *found = page.evaluate(TABLE) or [[]]
    return {row[0]: dict(zip(heads[1:], row[1:], strict=True)) for row in found}


def wait_for_table(page: Page, fits: Callable[[dict[str, dict[str, str]]], Any]) -> dict[str, dict[str, str]]:
    """Reads the table until it is as wanted."""
    end = time.monotonic() + DEADLINE
    while not fits(found := table(page)):
        assert time.monotonic() < end, f"the table still shows {found}"
        page.evaluate(TWO_FRAMES)
    return found


def plot(page: Page) -> Locator:
    return page.locator("canvas[data-rows]")


def wait_for_plot(page: Page, count: int, ticked: int) -> None:
    page.wait_for_function(
        """([rows, ticked]) => {
            const shown = document.querySelector("canvas[data-rows]")?.dataset;
            return shown?.rows === rows && shown?.ticked === ticked;
        }""",
        arg=[str(count), str(ticked)],
    )


def axis_x(page: Page, title: str) -> float:
    """Where in the window an axis of the parallel coordinates stands."""
    titles = [
        (name.get_attribute("aria-label") or "") for name in page.locator(".upper button[aria-label^=Axis].name").all()
    ]
    places = (plot(page).get_attribute("data-axes") or "").split(",")
    box = plot(page).bounding_box()
    assert box is not None
    return box["x"] + float(places[titles.index(f"Axis {title}")])


def between(page: Page, at: float) -> float:
    """A height in the window, from 0 at the bottom of the axes to 1 at their top, where no row misses a value."""
    box = plot(page).bounding_box()
    assert box is not None
    top, bottom = box["y"] + 46, box["y"] + box["height"] - 12
    return bottom - at * (bottom - top)


def wait_for_brushes(page: Page, count: int) -> dict[str, Any]:
    """The brushes of the address, once it has so many."""
    read = "() => JSON.parse(new URLSearchParams(location.hash.slice(1)).get('hpbrush') ?? '{}')"
    page.wait_for_function(f"(count) => Object.keys(({read})()).length === count", arg=count)
    found: dict[str, Any] = page.evaluate(read)
    return found


COLUMNS = "hpcols=hp:lr&hpcols=hp:opt&hpcols=hp:amp&hpcols=hp:seed&hpcols=last:val/loss"


def test_the_table_is_of_every_run_and_scalar(seeds: Any, open_page: Callable[..., Page]) -> None:
    """Hyperparameters that differ and scalars are columns without being asked for; a click sorts, Delete hides."""
    page = open_page(seeds, "dash=hparams")
    shown = wait_for_table(page, lambda found: len(found) >= 10 and found["r0s0"].get("last val/loss"))
    assert list(shown["r0s0"]) == ["amp", "lr", "opt", "seed", "last val/loss"]
    assert shown["r0s2"] == {"amp": "true", "lr": "0.001", "opt": "sgd", "seed": "2", "last val/loss": "2.5"}
    wait_for_plot(page, 24, 24)

    page.get_by_role("columnheader", name="val/loss").get_by_role("button").first.click()
    best = sorted(seeds.made, key=lambda run: run["loss"])
    wait_for_table(page, lambda found: list(found)[:4] == [run["name"] for run in best[:4]])
    page.get_by_role("columnheader", name="val/loss").get_by_role("button").first.click()
    wait_for_table(page, lambda found: list(found)[:2] == [best[-1]["name"], best[-2]["name"]])

    page.get_by_role("columnheader", name="opt").get_by_role("button").first.focus()
    page.keyboard.press("Alt+ArrowLeft")
    wait_for_table(page, lambda found: list(found["r7s2"])[:3] == ["amp", "opt", "lr"])
    page.keyboard.press("Delete")
    wait_for_table(page, lambda found: "opt" not in found["r7s2"])
    page.get_by_label("Filter runs").fill('hp.lr > 0.5 and last("val/loss") < 3')
    expect(rows(page)).to_have_count(1 + sum(run["lr"] > 0.5 and run["loss"] < 3 for run in seeds.made))


def test_a_brush_ticks_runs_everywhere_and_can_be_undone(
    seeds: Any, open_page: Callable[..., Page], chart: Any
) -> None:
    """A drag along the axis of lr ticks the runs within, in the list and in charts; Back and the button untick."""
    page = open_page(seeds, f"dash=hparams&{COLUMNS}")
    wait_for_plot(page, 24, 24)
    x = axis_x(page, "lr")
    # A logarithmic axis from 0.001 to 3: 0.1 stands at 0.58, 0.3 at 0.71.
    page.mouse.move(x, between(page, 0.65))
    page.mouse.down()
    page.mouse.move(x, between(page, 1.0) - 6, steps=4)
    page.mouse.up()
    wait_for_plot(page, 24, 9)
    expect(page.get_by_role("status").filter(has_text="9 of 24 rows ticked")).to_be_visible()
    ticked = page.locator("aside input:checked")
    becomes(
        lambda: {name for name in names(ticked) if name.startswith("r")},
        {f"r{i}s{s}" for i in (5, 6, 7) for s in SEEDS},
    )

    x = axis_x(page, "opt")
    page.mouse.move(x, between(page, 0.2))
    page.mouse.down()
    page.mouse.move(x, between(page, -0.02), steps=4)
    page.mouse.up()
    wait_for_plot(page, 24, 6)
    assert wait_for_brushes(page, 2)["hp:opt"] == {"words": ["adam"]}
    page.go_back()
    wait_for_plot(page, 24, 9)

    page.get_by_role("button", name="Scalars").click()
    chart(page, "val/loss").wait(runs=9)
    page.get_by_role("button", name="HParams").click()
    wait_for_plot(page, 24, 9)
    page.get_by_role("button", name="Clear the brush", exact=True).click()
    wait_for_plot(page, 24, 24)
    expect(page.locator("aside input[type=checkbox]:not(:checked)")).to_have_count(0)


def test_hovering_links_lines_rows_and_points(seeds: Any, open_page: Callable[..., Page]) -> None:
    """The line under the pointer says its run and values, and its row is lit; a row lights its line."""
    page = open_page(seeds, f"dash=hparams&{COLUMNS}&hpcolour=run&runs=s0")
    wait_for_plot(page, 8, 8)
    # At the top of the first axis begins the line of the greatest rate.
    page.mouse.move(axis_x(page, "lr") + 1, between(page, 1.0))
    tip = page.locator(".tip")
    expect(tip).to_contain_text("r7s0")
    expect(tip).to_contain_text("3.909")
    expect(page.locator(".row.hovered")).to_contain_text("r7s0")
    expect(page.locator(".row.hovered")).to_contain_text("3.909")

    before = pixels(page)
    page.get_by_role("checkbox", name="Row r2s0").hover()
    expect(page.locator(".row.hovered")).to_contain_text("r2s0")
    page.wait_for_function(f"(before) => ({PIXELS})() !== before", arg=before)


PIXELS = """() => {
    const over = document.querySelectorAll("canvas")[1];
    const { data } = over.getContext("2d").getImageData(0, 0, over.width, over.height);
    let sum = 0;
    for (let i = 3; i < data.length; i += 4) if (data[i] > 0) sum += i;
    return sum;
}"""


def pixels(page: Page) -> int:
    found: int = page.evaluate(PIXELS)
    return found


def test_lines_stand_where_values_are(seeds: Any, open_page: Callable[..., Page]) -> None:
    """A line has its run's colour at the height of its value on an axis, and a hidden scale of ranks moves it."""
    page = open_page(seeds, "dash=hparams&hpcols=hp:lr&hpcols=last:val/loss&hpcolour=run&runs=r[07]s0")
    wait_for_plot(page, 2, 2)
    box = page.get_by_role("checkbox", name="Row r7s0")

    def meets() -> bool:
        hue = box.evaluate("box => getComputedStyle(box).borderColor")
        return coloured(page, hue, axis_x(page, "lr") + 3, between(page, 1.0))

    becomes(meets, True)
    hue = box.evaluate("box => getComputedStyle(box).borderColor")
    assert not coloured(page, hue, axis_x(page, "lr") + 3, between(page, 0.0))
    # 2.25 of the one is less than 3.91 of the other: both lines go level.
    assert coloured(page, hue, axis_x(page, "last val/loss") - 3, between(page, 1.0))


COLOURED = """([hue, x, y]) => {
    const canvas = document.querySelector("canvas[data-rows]");
    const box = canvas.getBoundingClientRect();
    const scale = canvas.width / box.width;
    const { data } = canvas.getContext("2d").getImageData((x - box.left) * scale - 3, (y - box.top) * scale - 3, 7, 7);
    const want = hue.match(/\\d+/g).map(Number);
    const sum = want.reduce((total, one) => total + one, 0);
    for (let i = 0; i < data.length; i += 4) {
        const got = [data[i], data[i + 1], data[i + 2]];
        if (data[i + 3] > 80 && Math.hypot(...got.map((one, k) => one - want[k])) < 40) return true;
    }
    return false;
}"""


def coloured(page: Page, hue: str, x: float, y: float) -> bool:
    found: bool = page.evaluate(COLOURED, [hue, x, y])
    return found


def test_seeds_are_one_row(seeds: Any, open_page: Callable[..., Page]) -> None:
    """Runs that differ in nothing but their seed are one row, with their mean, median, least or greatest, and count."""
    page = open_page(seeds, f"dash=hparams&hpseeds=1&{COLUMNS}")
    name = "amp=true, lr=0.01, opt=sgd"
    shown = wait_for_table(page, lambda found: found.get(name, {}).get("mean of last val/loss"))
    assert shown[name] == {
        "Runs": "3", "lr": "0.01", "opt": "sgd", "amp": "true", "seed": "3 values", "mean of last val/loss": "0.375",
    }  # fmt: skip
    wait_for_plot(page, 8, 8)
    page.get_by_role("button", name="Rows (changed)").click()
    page.get_by_label("Middle of a group").select_option("max")
    page.keyboard.press("Escape")
    wait_for_table(page, lambda found: found[name].get("max of last val/loss") == "0.5")
    page.get_by_role("checkbox", name=f"Row {name}").uncheck()
    expect(page.locator("aside input[type=checkbox]:not(:checked)")).to_have_count(3 + 1)  # and the one for all


def test_the_scatter_matrix_brushes_both_ways(seeds: Any, open_page: Callable[..., Page]) -> None:
    """A rectangle in a cell ticks the runs within on both of its columns."""
    page = open_page(seeds, "dash=hparams&hpview=scatter&hpcols=hp:lr&hpcols=last:val/loss")
    wait_for_plot(page, 24, 24)
    box = plot(page).bounding_box()
    assert box is not None
    # The cell of losses by rates: in the left column, the lower row. Its right half holds the rates above 0.055.
    wide, high = (box["width"] - 74) / 2, (box["height"] - 28) / 2
    left, bottom = box["x"] + 66, box["y"] + 8 + 2 * high
    page.mouse.move(left + wide * 0.5, bottom - 5)
    page.mouse.down()
    page.mouse.move(left + wide - 6, bottom - high * 0.35, steps=4)
    page.mouse.up()
    brushes = wait_for_brushes(page, 2)
    assert set(brushes) == {"hp:lr", "last:val/loss"}
    lr, loss = brushes["hp:lr"], brushes["last:val/loss"]
    inside = [r for r in seeds.made if lr["lo"] <= r["lr"] <= lr["hi"] and loss["lo"] <= r["loss"] <= loss["hi"]]
    assert 0 < len(inside) < 9
    assert all(run["lr"] > 0.05 for run in inside)
    wait_for_plot(page, 24, len(inside))


def test_importance_is_the_servers_and_says_how(seeds: Any, open_page: Callable[..., Page]) -> None:
    """The ranking and R² are those of the method on just these rows; with few rows it says that they are too few."""
    page = open_page(seeds, f"dash=hparams&hpview=importance&{COLUMNS}")
    note = page.get_by_role("note")
    expect(note).to_contain_text("from 24 ticked rows")
    columns = [
        {"name": key, "values": [run[of] for run in seeds.made]}
        for key, of in (("loss", "loss"), ("amp", "amp"), ("lr", "lr"), ("opt", "opt"), ("seed", "seed"))
    ]
    told = route._importance(json.dumps({"columns": columns, "target": "loss"}).encode())
    expect(note).to_contain_text(f"R² = {told['r2']:.2f}")
    ranked = sorted(told["columns"], key=lambda column: -column["importance"])
    shown = page.locator(".upper tbody tr")
    expect(shown.locator("th")).to_have_text([column["name"] for column in ranked])
    assert ranked[0]["name"] == "lr"
    expect(shown.first.locator("td").nth(1)).to_have_text(f"{ranked[0]['importance']:.2f}")

    page.get_by_label("Filter runs").fill("r[0-2]")
    expect(note).to_contain_text("needs at least 10 rows with a value of the target, and there are 9")


def test_correlation_is_scipys(seeds: Any, open_page: Callable[..., Page]) -> None:
    """Spearman and Pearson of numbers; the correlation ratio where one column has words."""
    page = open_page(seeds, f"dash=hparams&hpview=correlation&{COLUMNS}")
    cells = page.get_by_role("table", name="Correlation").get_by_role("row")
    x, y = [[run[of] for run in seeds.made] for of in ("lr", "loss")]
    ρ = stats.spearmanr(x, y).statistic
    expect(cells.nth(1).get_by_role("cell").nth(4)).to_have_text(f"{ρ:.2f}".replace("-", "−"))
    page.get_by_text("Pearson", exact=True).click()
    r = stats.pearsonr(x, y).statistic
    expect(cells.nth(5).get_by_role("cell").first).to_have_text(f"{r:.2f}".replace("-", "−"))
    expect(cells.nth(2).get_by_role("cell").nth(4)).to_have_attribute("title", re.compile("correlation ratio 0"))


def test_the_table_is_saved(seeds: Any, open_page: Callable[..., Page]) -> None:
    """CSV, JSON and LaTeX hold the rows as they stand, unrounded where a program reads them; TensorBoard's is there."""
    page = open_page(seeds, f"dash=hparams&{COLUMNS}&hpsort=-hp:lr&runs=s0")
    wait_for_table(page, lambda found: next(iter(found), "") == "r7s0" and found["r7s0"]["last val/loss"])

    def saved(name: str) -> str:
        page.get_by_role("button", name="Save the table").click()
        with page.expect_download() as download:
            page.get_by_role("menuitem", name=name).click()
        return Path(download.value.path()).read_text(encoding="utf-8")

    head, *lines = csv.reader(io.StringIO(saved("Download CSV")))
    assert head == ["run", "lr", "opt", "amp", "seed", "last val/loss"]
    assert lines[0][:5] == ["r7s0", "3", "adam", "false", "0"]
    assert [float(line[5]) for line in lines] == pytest.approx(
        [run["loss"] for run in reversed(seeds.made) if run["seed"] == 0], rel=1e-6
    )
    objects = json.loads(saved("Download JSON"))
    assert objects[1]["values"]["lr"] == 1
    assert objects[1]["values"]["amp"] is False
    latex = saved("Download LaTeX")
    assert "\\begin{tabular}{lrllrr}" in latex
    assert "r7s0 & $3$ & adam & false & $0$ & $3.909$ \\\\" in latex
    theirs = list(csv.reader(io.StringIO(saved("TensorBoard's CSV"))))
    assert theirs[0] == ["amp", "lr", "opt", "seed", "val/loss"]  # none was announced: all scalars of the runs are
    assert len(theirs) == 25


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory, serve_module: Callable[..., Any]) -> Any:
    """Torch's add_hparams, TensorBoard's hparams api with tf.summary, and hostile ones of ours, in one logdir."""
    import tensorflow as tf
    from tensorboard.plugins.hparams import api as hp
    from torch.utils.tensorboard import SummaryWriter

    logdir = tmp_path_factory.mktemp("mixed")
    for i in range(3):
        with SummaryWriter(str(logdir / f"torch{i}")) as writer:
            for step in range(4):
                writer.add_scalar("train/loss", 1 / (step + 1 + i), step)
            writer.add_hparams({"lr": 0.5**i, "bsize": i, "act": "relu"}, {"hparam/accuracy": 0.25 * i})
    for i in range(3):
        with tf.summary.create_file_writer(str(logdir / f"tf{i}")).as_default():
            hp.hparams({"lr": 0.125 * (i + 1), "units": 16 * i, "act": "tanh", "bn": i > 0}, trial_id=f"trial {i}")
        with tf.summary.create_file_writer(str(logdir / f"tf{i}" / "validation")).as_default():
            tf.summary.scalar("epoch_loss", 10.0 + i, step=0)
    hostile = "<img src=x onerror=\"document.title='owned'\">"
    with tb.SummaryWriter(logdir / "bad") as writer:
        writer.add_hparams({"lr": "fast", hostile: hostile, "act": None, "list": [1, 2], "__proto__": 1})
        writer.add_scalar(hostile, 1.0, 0)
        writer.add_scalar("train/loss", math.nan, 0)
    with tb.SummaryWriter(logdir / "without") as writer:
        writer.add_scalar("train/loss", 9.0, 0)
    return serve_module(logdir)


def test_runs_of_torch_and_tensorflow_are_joined(mixed: Any, open_page: Callable[..., Page]) -> None:
    """Torch's run named by the time is one row with its training; a scalar of a run below is a column of its trial."""
    columns = ["hp:lr", "hp:units", "hp:bn", "last:hparam/accuracy", "last:train/loss", "last@validation:epoch_loss"]
    page = open_page(mixed, "dash=hparams&" + "&".join(f"hpcols={column}" for column in columns))
    shown = wait_for_table(page, lambda found: len(found) == 7 and found["tf2"].get("last validation: epoch_loss"))
    assert shown["torch2"] == {
        "lr": "0.25", "units": "", "bn": "", "last hparam/accuracy": "0.5", "last train/loss": "0.16667",
        "last validation: epoch_loss": "",
    }  # fmt: skip
    assert shown["tf2"] == {
        "lr": "0.375", "units": "32", "bn": "true", "last hparam/accuracy": "", "last train/loss": "",
        "last validation: epoch_loss": "12",
    }  # fmt: skip
    assert (shown["bad"]["lr"], shown["bad"]["last train/loss"]) == ("fast", "NaN")
    assert list(shown) == ["bad", "tf0", "tf1", "tf2", "torch0", "torch1", "torch2"]
    wait_for_plot(page, 7, 7)

    page.get_by_role("button", name="Rows", exact=True).click()
    page.get_by_role("checkbox", name="Runs without hyperparameters too (1)").check()
    page.keyboard.press("Escape")
    wait_for_table(page, lambda found: found.get("without", {}).get("last train/loss") == "9")


def test_all_columns_of_any_kind_are_shown(mixed: Any, open_page: Callable[..., Page]) -> None:
    """The union of keys, numbers beside words, names that are markup: text, on every view, and nothing runs."""
    page = open_page(mixed, "dash=hparams")
    wait_for_plot(page, 7, 7)
    shown = wait_for_table(page, lambda found: len(found) == 7)
    hostile = "<img src=x onerror=\"document.title='owned'\">"
    assert {"lr", "bsize", "units", "act", "bn", hostile} <= set(shown["bad"])
    assert shown["bad"][hostile] == hostile
    for view in ("Scatter", "Importance", "Correlation", "Table", "Parallel"):
        page.get_by_role("radio", name=view).check(force=True)
        expect(page.get_by_role("region", name="Table", exact=True)).to_be_visible()
    wait_for_plot(page, 7, 7)
    page.mouse.move(axis_x(page, "lr"), between(page, 0.5))
    assert page.title() != "owned"
    assert page.locator("img").count() == 0


def test_rows_come_while_runs_train(tmp_path: Path, open_page: Callable[..., Page]) -> None:
    """An empty logdir says how to begin; a run that starts is a row, and its metric goes on without a reload."""
    page = open_page(tmp_path, "dash=hparams")
    with tb.SummaryWriter(tmp_path / "first") as first:
        first.add_scalar("loss", 3.0, 0)
        first.flush()
        expect(page.get_by_role("heading", name="No hyperparameters yet")).to_be_visible()
        first.add_hparams({"lr": 0.5})
        first.flush()
        wait_for_table(page, lambda found: found.get("first", {}).get("last loss") == "3")
        first.add_scalar("loss", 0.75, 1)
        first.flush()
        wait_for_table(page, lambda found: found["first"].get("last loss") == "0.75")
        with tb.SummaryWriter(tmp_path / "second") as second:
            second.add_hparams({"lr": 0.25, "depth": 3})
            second.add_scalar("loss", 0.5, 0)
        shown = wait_for_table(page, lambda found: found.get("second", {}).get("last loss") == "0.5")
        assert shown["second"]["lr"] == "0.25"
