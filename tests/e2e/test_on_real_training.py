"""What the page says of a real training: three networks that learnt to read digits, each with its validation."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

import tallyboard as tb
from tallyboard.core.smoothing import smoothed

WEIGHT = 0.8
KINDS = ("ema", "time", "mean", "gauss", "median")

# Whether the smoothed value in the tooltip, and the logged one, are these, as far as their digits go.
NEAR = """wanted => {
    const cells = [...document.querySelectorAll(".tip tbody td")].slice(1, 3).map((cell) => Number(cell.innerText));
    return cells.every((value, i) => Math.abs(value / wanted[i] - 1) < 0.001);
}"""

FAILS = """
import sys, tallyboard as tb
with tb.SummaryWriter(sys.argv[1]) as writer:
    writer.add_scalar("loss", 1.0, 1)
    raise RuntimeError("out of luck")
"""


@pytest.fixture(scope="module")
def trained(demo: Any) -> Path:
    """The logdir of the demo."""
    done = demo.finished()
    assert done.returncode == 0, done.stdout + done.stderr
    return demo.folder / "runs"


def test_every_kind_of_smoothing_is_that_of_its_formula(
    trained: Path, open_page: Callable[..., Page], chart: Any
) -> None:
    """What the tooltip says of points here and there is what each kind makes of all points of the file."""
    logs = tb.read(trained)
    name = next(run for run, tag in logs.scalars() if tag == "epoch_loss" and run.endswith("train"))
    series = logs.scalars()[name, "epoch_loss"]
    page = open_page(trained, f"runs={name}$&tags=^epoch_loss$&smoothing={WEIGHT}")
    loss = chart(page, "epoch_loss").wait(runs=1, points=len(series.step))
    kind = page.get_by_label("Kind of smoothing")
    offered = kind.locator("option").evaluate_all("options => options.map(option => option.value)")
    assert sorted(offered) == sorted(KINDS)
    for each in KINDS:
        kind.select_option(each)
        whole = smoothed(series.value, WEIGHT, each, series.step.astype(float))
        for part in (0.3, 0.5, 0.8):
            loss.hover(part, 0.5)
            cells = page.locator(".tip tbody tr").first.locator("td")
            step = int(cells.nth(3).inner_text().replace(",", ""))
            at = series.step.tolist().index(step)
            page.wait_for_function(NEAR, arg=[float(whole[at]), float(series.value[at])])


def test_runs_say_how_they_ended_and_where_they_are(
    trained: Path, tmp_path: Path, open_page: Callable[..., Page], chart: Any
) -> None:
    """Trainings that came to their end are finished, one that raised has failed, one that goes on is running; the path
    that is copied is the run's."""
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "digits").symlink_to(trained, target_is_directory=True)
    ended = subprocess.run(
        [sys.executable, "-c", FAILS, tmp_path / "runs" / "failing"], capture_output=True, check=False
    )
    assert b"out of luck" in ended.stderr
    with tb.SummaryWriter(tmp_path / "runs" / "going on") as writer:
        writer.add_scalar("loss", 1.0, 1)
        writer.flush()
        page = open_page(
            tmp_path / "runs",
            "runlist=table&runcols=status",
            width=1400,
            permissions=["clipboard-read", "clipboard-write"],
        )
        for run, status in (("failing", "failed"), ("going on", "running")):
            row = page.get_by_role("row").filter(has=page.get_by_role("checkbox", name=run, exact=True))
            expect(row.get_by_role("cell").first).to_have_text(status)
        trainings = page.get_by_role("row").filter(has=page.get_by_role("checkbox", name="train"))
        expect(trainings.get_by_role("cell")).to_have_text(["finished"] * 3)
        page.get_by_role("button", name="Menu of failing").click()
        page.get_by_role("menuitem", name="Copy the path").click()
        page.wait_for_function(
            "async wanted => (await navigator.clipboard.readText()) === wanted", arg=str(tmp_path / "runs" / "failing")
        )
