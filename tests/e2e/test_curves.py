"""The dashboard of curves: what torch's and our writers wrote, drawn where scikit-learn says that it belongs."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Locator, Page, expect

import tallyboard as tb

from .conftest import Viewer
from .waiting import becomes

metrics = pytest.importorskip("sklearn.metrics")

CORPUS = Path(__file__).parents[1] / "conformance" / "corpus"
RNG = np.random.default_rng(8)
LABELS = RNG.integers(0, 2, 300)
SCORES = {run: np.clip(LABELS * gain + RNG.random(300) * 0.6, 0, 1) for run, gain in (("a", 0.2), ("b", 0.35))}
THRESHOLDS = 101
EVIL = "<img src=x onerror=window.hacked=1>"


def rounded(scores: Any) -> Any:
    return np.floor(scores * (THRESHOLDS - 1)) / (THRESHOLDS - 1)


@pytest.fixture(scope="module")
def viewer(tmp_path_factory: pytest.TempPathFactory, serve_module: Callable[..., Viewer]) -> Viewer:
    logdir = tmp_path_factory.mktemp("curves")
    shutil.copytree(CORPUS / "torch-2.13.0" / "run", logdir / "torch")
    shutil.copytree(CORPUS / "tensorflow1-2.21.0" / "run", logdir / "plugin")
    for run, scores in SCORES.items():
        with tb.SummaryWriter(logdir / "ours" / run) as writer:
            writer.add_pr_curve("val/pr", 1 - LABELS, scores, 1, num_thresholds=THRESHOLDS)
            writer.add_pr_curve("val/pr", LABELS, scores, 9, num_thresholds=THRESHOLDS)
            writer.add_roc_curve("val/roc", LABELS, scores, 9, num_thresholds=THRESHOLDS)
    with tb.SummaryWriter(logdir / "ours" / "a") as writer:
        writer.add_pr_curve(EVIL, LABELS, SCORES["a"], 1)
        below = np.full(5, -1.0)
        writer.add_pr_curve_raw("broken", below, below, below, below, below, below, 5)
    return serve_module(logdir)


def card(page: Page, tag: str) -> Locator:
    return page.get_by_role("group", name=tag, exact=True)


def row(page: Page, tag: str, run: str) -> list[str]:
    """Step, AP, AUC, precision, recall and F1 of a run."""
    return card(page, tag).locator(f'tr[data-run="{run}"] td').all_inner_texts()


def expected(scores: Any, threshold: float, auc: float) -> list[str]:
    judged = threshold - 1e-9 <= rounded(scores)
    scored = (
        metrics.average_precision_score(LABELS, rounded(scores)),
        auc,
        metrics.precision_score(LABELS, judged),
        metrics.recall_score(LABELS, judged),
        metrics.f1_score(LABELS, judged),
    )
    return [f"{value:.3f}" for value in scored]


def test_values_are_scikit_learns(viewer: Viewer, open_page: Callable[..., Page]) -> None:
    """Areas, and precision, recall and F1 at the threshold of the address, of both runs; the confusion matrix of the
    first, and each point where it belongs."""
    page = open_page(viewer, "dash=curves&runs=ours&cvthreshold=0.4&tags=val")

    expect(card(page, "val/roc").locator("path[data-run]")).to_have_count(2)
    expect(card(page, "val/pr").locator("path[data-run]")).to_have_count(2)
    for run, scores in SCORES.items():
        exact, about = (metrics.roc_auc_score(LABELS, each) for each in (scores, rounded(scores)))
        becomes(lambda run=run: row(page, "val/roc", f"ours/{run}"), ["9", *expected(scores, 0.4, exact)])
        becomes(lambda run=run: row(page, "val/pr", f"ours/{run}"), ["9", *expected(scores, 0.4, about)])
        judged = rounded(scores) >= 0.4 - 1e-9
        tn, fp, fn, tp = metrics.confusion_matrix(LABELS, judged).ravel()
        mark = card(page, "val/roc").locator(f'circle[data-run="ours/{run}"]')
        assert float(mark.get_attribute("data-x") or "nan") == pytest.approx(fp / (fp + tn))
        assert float(mark.get_attribute("data-y") or "nan") == pytest.approx(tp / (tp + fn))
        if run == "a":
            matrix = card(page, "val/pr").get_by_role("table", name="Confusion matrix of ours/a at threshold 0.400")
            expect(matrix.locator("td")).to_have_text([str(each) for each in (tp, fn, fp, tn)])


def test_the_step_of_all_cards(viewer: Viewer, open_page: Callable[..., Page]) -> None:
    """At step 1 the labels were the other way round, and so is the average precision."""
    page = open_page(viewer, "dash=curves&runs=ours/b&tags=val/pr&cvat=1")

    ap = metrics.average_precision_score(1 - LABELS, rounded(SCORES["b"]))
    cell = card(page, "val/pr").locator('tr[data-run="ours/b"] td')
    expect(cell.nth(1)).to_have_text(f"{ap:.3f}")
    card(page, "val/pr").get_by_role("button", name="Next step").click()
    expect(cell.nth(1)).to_have_text(f"{metrics.average_precision_score(LABELS, rounded(SCORES['b'])):.3f}")


def test_a_curve_as_the_other(viewer: Viewer, open_page: Callable[..., Page]) -> None:
    """A ROC curve shown as precision over recall has as many points as the logged one, at the same places."""
    page = open_page(viewer, "dash=curves&runs=ours/a&tags=val&cvkind=pr")

    paths = page.locator("path[data-run]")
    expect(paths).to_have_count(2)
    points = [card(page, tag).locator("path[data-run]").get_attribute("data-points") for tag in ("val/pr", "val/roc")]
    reached = np.unique(rounded(SCORES["a"])).max()
    assert points == [str(round(reached * (THRESHOLDS - 1)) + 1)] * 2
    places = [card(page, tag).locator("circle") for tag in ("val/pr", "val/roc")]
    assert places[0].get_attribute("data-y") is not None
    assert float(places[0].get_attribute("data-y") or 0) == pytest.approx(float(places[1].get_attribute("data-y") or 1))


def test_what_torch_wrote(viewer: Viewer, open_page: Callable[..., Page]) -> None:
    """The curve of torch's writer, with the numbers that scikit-learn finds in what was logged."""
    golden = json.loads((CORPUS / "torch-2.13.0" / "golden.json").read_text(encoding="utf-8"))
    assert golden
    page = open_page(viewer, "dash=curves&runs=torch&tags=%5Epr&cvthreshold=0.7")

    labels, scores = np.array([0, 1, 1, 0]), np.array([0.1, 0.8, 0.6, 0.7])
    places = np.floor(scores * 4) / 4
    expect(card(page, "pr").locator("path[data-run]")).to_have_count(1)
    ap, auc = metrics.average_precision_score(labels, places), metrics.roc_auc_score(labels, places)
    becomes(lambda: row(page, "pr", "torch")[:3], ["4", f"{ap:.3f}", f"{auc:.3f}"])


def test_what_the_plugins_own_summary_wrote(viewer: Viewer, open_page: Callable[..., Page]) -> None:
    """The curve of TensorBoard's `pr_curve` summary, with the numbers that scikit-learn finds."""
    page = open_page(viewer, "dash=curves&runs=plugin&cvthreshold=0.5")

    labels, places = np.array([1, 0]), np.floor(np.array([0.9, 0.2]) * 3) / 3
    expect(page.locator("path[data-run]")).to_have_count(1)
    tag = page.locator("[data-card]").get_attribute("data-card") or ""
    ap, auc = metrics.average_precision_score(labels, places), metrics.roc_auc_score(labels, places)
    becomes(lambda: row(page, tag, "plugin"), ["2", f"{ap:.3f}", f"{auc:.3f}", "1.000", "1.000", "1.000"])
    matrix = card(page, tag).get_by_role("table", name="Confusion matrix of plugin at threshold 0.333")
    expect(matrix.locator("td")).to_have_text(["1", "0", "0", "1"])


def test_a_threshold_under_the_pointer_is_kept_by_a_click(viewer: Viewer, open_page: Callable[..., Page]) -> None:
    """In the lower left of a ROC curve it is the first that no prediction reaches; a click keeps it, in the address."""
    page = open_page(viewer, "dash=curves&runs=ours/a&tags=val/roc")

    plot = card(page, "val/roc").get_by_role("img", name="ROC of val/roc, 1 runs")
    expect(plot.locator("path[data-run]")).to_have_count(1)
    box = plot.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 49, box["y"] + box["height"] - 31)
    heading = card(page, "val/roc").locator("th.run").first
    unreached = rounded(SCORES["a"]).max() + 1 / (THRESHOLDS - 1)
    expect(heading).to_have_text(f"threshold {unreached:.3f}")
    page.mouse.down()
    page.mouse.up()
    page.wait_for_url(lambda url: f"cvthreshold={unreached:g}" in url)


def test_what_is_broken_is_named_and_nothing_runs(viewer: Viewer, open_page: Callable[..., Page]) -> None:
    """Negative counts are no curve: the card says so with run, tag and step; a hostile name is text."""
    page = open_page(viewer, "dash=curves&runs=ours/a")

    note = card(page, "broken").get_by_role("note")
    expect(note).to_have_text(
        "ours/a, broken, step 5: This curve is damaged: its counts are negative, NaN or infinite."
    )
    expect(card(page, EVIL).locator("path[data-run]")).to_have_count(1)
    assert page.evaluate("window.hacked") is None
    assert page.locator("main img").count() == 0
