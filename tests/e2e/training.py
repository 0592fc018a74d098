"""A logdir that real training made, for the tests that go through what the page can do with it."""

from __future__ import annotations

import math
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Page

import tallyboard as tb

LOSS, ACCURACY = "epoch_loss", "epoch_accuracy"
MIDDLE = "digits/lr=0.003/train"


class Training:
    """The demo's runs, and a viewer of them: three networks, each with a run of training and one of validation."""

    def __init__(self, logdir: Path, viewer: Any) -> None:
        self.logdir, self.viewer = logdir, viewer
        self.read = tb.read(logdir)

    def of(self, tag: str, runs: str = "") -> dict[str, Any]:
        """The series of a tag, by run, of those runs whose names match."""
        found = {run: series for (run, one), series in self.read.scalars().items() if one == tag}
        return {run: series for run, series in found.items() if re.search(runs, run)}


@pytest.fixture(scope="module")
def training(demo: Any, tmp_path_factory: pytest.TempPathFactory, serve_module: Callable[..., Any]) -> Training:
    """A copy of what the demo logged, with what its charts are to be laid out like, and the epoch of each step."""
    done = demo.finished()
    assert done.returncode == 0, done.stdout + done.stderr
    logdir = tmp_path_factory.mktemp("training") / "runs"
    shutil.copytree(demo.folder / "runs", logdir)
    trained = [run for run, tag in tb.read(logdir).scalars() if tag == LOSS and run.endswith("/train")]
    for run in trained:
        with tb.SummaryWriter(logdir / run) as writer:
            for step in range(20):
                writer.add_scalar("epoch", step + 1, step)
            if run == MIDDLE:
                lines = ["Multiline", [f"^({LOSS}|{ACCURACY})$"]]
                room = ["Margin", [LOSS, ACCURACY, "epoch"]]
                writer.add_custom_scalars({"Laid out": {"lines": lines, "room": room}})
    return Training(logdir, serve_module(logdir))


@pytest.fixture
def own(training: Training, tmp_path: Path, serve: Callable[..., Any]) -> Training:
    """A copy of it for one test, which may change it."""
    logdir = tmp_path / "runs"
    shutil.copytree(training.logdir, logdir)
    return Training(logdir, serve(logdir, more=("--allow_delete",)))


def padded(low: float, high: float) -> Any:
    """What the axis of values shows for values between these."""
    room = (high - low) * 0.05
    return pytest.approx((low - room, high + room), rel=1e-4, abs=1e-6)


def ends(columns: Any) -> tuple[float, float]:
    joined = np.concatenate([np.asarray(column, np.float64) for column in columns])
    return float(joined.min()), float(joined.max())


def near(text: str, value: float) -> bool:
    """Whether a text is this number, as far as its digits go."""
    return math.isclose(float(text.replace(",", "")), value, rel_tol=1e-3)


def drawn(page: Page, chart: Any) -> Any:
    """The chart of losses of three runs, once what the training laid out stands above it and no card moves any more."""
    chart(page, "room").wait(runs=3)
    return chart(page, LOSS).wait(runs=3, points=60)
