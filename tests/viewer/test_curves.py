"""The curves that the server tells are those that were written, and the areas are scikit-learn's."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tallyboard as tb

from .boards import Board, viewer_on

metrics = pytest.importorskip("sklearn.metrics")
event_file_writer = pytest.importorskip("tensorboard.summary.writer.event_file_writer")
Event = pytest.importorskip("tensorboard.compat.proto.event_pb2").Event
theirs = pytest.importorskip("tensorboard.plugins.pr_curve.summary")
make_tensor_proto = pytest.importorskip("tensorboard.util.tensor_util").make_tensor_proto

RNG = np.random.default_rng(4)
LABELS = RNG.integers(0, 2, 400)
SCORES = np.clip(LABELS * 0.3 + RNG.random(400) * 0.7, 0, 1)
THRESHOLDS = 51
ROUNDED = np.floor(SCORES * (THRESHOLDS - 1)) / (THRESHOLDS - 1)


def their_curve(tag: str, thresholds: int) -> Any:
    """The summary that TensorBoard's own writer makes, read as the class that its events take."""
    made = theirs.pb(tag, LABELS.astype(bool), SCORES, num_thresholds=thresholds)
    return Event(summary={}).summary.FromString(made.SerializeToString())


def write(logdir: Path) -> None:
    with tb.SummaryWriter(logdir / "ours") as writer:
        writer.add_pr_curve("pr", LABELS, SCORES, 3, num_thresholds=THRESHOLDS)
        writer.add_roc_curve("roc", LABELS, SCORES, 3, num_thresholds=THRESHOLDS)
        writer.add_pr_curve("fine", LABELS, SCORES, 3, num_thresholds=100_001)
        writer.add_pr_curve("one class", np.ones(9), np.linspace(0, 1, 9), 3)
        writer.add_roc_curve("one class, roc", np.zeros(9), np.linspace(0, 1, 9), 3)
    their_writer = event_file_writer.EventFileWriter(str(logdir / "tensorboard"))
    summary = their_curve("pr", THRESHOLDS)
    their_writer.add_event(Event(step=3, wall_time=5.0, summary=summary))
    for tag, rows in (("short", np.zeros((4, 9))), ("negative", np.full((6, 9), -1.0)), ("words", np.array([["a"]]))):
        broken = their_curve(tag, 9)
        broken.value[0].tensor.CopyFrom(make_tensor_proto(rows))
        their_writer.add_event(Event(step=3, wall_time=5.0, summary=broken))
    their_writer.close()


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Board]:
    logdir = tmp_path_factory.mktemp("curves")
    write(logdir)
    with viewer_on(logdir) as started:
        yield started


def told(board: Board, run: str, tag: str) -> dict[str, Any]:
    (found,) = board.post("/api/values", {"plugin": "pr_curves", "series": [{"run": run, "tag": tag}]}).json()["series"]
    named = {"run": run, "tag": tag, "step": found["step"][0], "wall": found["wall"][0]}
    (answer,) = board.post("/api/curves", {"values": [named]}).json()["values"]
    return answer


TAGS = [("ours", "pr"), ("ours", "roc"), ("tensorboard", "pr/pr_curves")]


@pytest.mark.parametrize(("run", "tag"), TAGS)
def test_counts_and_rates_are_scikit_learns(board: Board, run: str, tag: str) -> None:
    """At each threshold its confusion matrix, and precision, recall and false positive rate of that."""
    curve = told(board, run, tag)
    assert curve["threshold"] == pytest.approx(np.linspace(0, 1, THRESHOLDS))
    for at, threshold in enumerate(np.arange(THRESHOLDS) / (THRESHOLDS - 1)):
        judged = threshold - 1e-9 <= ROUNDED
        tn, fp, fn, tp = metrics.confusion_matrix(LABELS, judged, labels=[0, 1]).ravel()
        assert (curve["tn"][at], curve["fp"][at], curve["fn"][at], curve["tp"][at]) == (tn, fp, fn, tp)
        assert curve["recall"][at] == pytest.approx(metrics.recall_score(LABELS, judged), abs=1e-6)
        precision = metrics.precision_score(LABELS, judged, zero_division=0.0)
        assert curve["precision"][at] == pytest.approx(precision, abs=1e-6)
        assert curve["fpr"][at] == pytest.approx(fp / (fp + tn), abs=1e-6)


@pytest.mark.parametrize(("run", "tag"), TAGS)
def test_areas_are_scikit_learns(board: Board, run: str, tag: str) -> None:
    """Average precision and ROC AUC of predictions rounded down to the thresholds; a ROC curve of ours has that of the
    predictions themselves, and says so."""
    curve = told(board, run, tag)
    assert curve["ap"] == pytest.approx(metrics.average_precision_score(LABELS, ROUNDED), rel=1e-9)
    exact = tag == "roc"
    assert curve["exact"] is exact
    assert curve["auc"] == pytest.approx(metrics.roc_auc_score(LABELS, SCORES if exact else ROUNDED), rel=1e-9)
    assert curve["kind"] == ("roc" if exact else "pr")


def test_many_thresholds_are_thinned(board: Board) -> None:
    """Of 100,001 thresholds 1,001 come, evenly, and the areas are those of all."""
    curve = told(board, "ours", "fine")
    assert (curve["thresholds"], len(curve["tp"])) == (100_001, 1_001)
    assert curve["threshold"] == pytest.approx(np.linspace(0, 1, 1_001))
    assert curve["ap"] == pytest.approx(metrics.average_precision_score(LABELS, SCORES), rel=1e-3)


def test_one_class_has_no_area(board: Board) -> None:
    """Without negatives there is no ROC AUC, without positives no average precision either."""
    assert (told(board, "ours", "one class")["ap"], told(board, "ours", "one class")["auc"]) == (1.0, None)
    roc = told(board, "ours", "one class, roc")
    assert (roc["ap"], roc["auc"]) == (None, None)


@pytest.mark.parametrize(
    ("tag", "what"),
    [
        ("short", "is of shape (4, 9), not [6, n]"),
        ("negative", "its counts are negative"),
        ("words", "is of shape (1, 1)"),
    ],
)
def test_what_is_damaged_is_said(board: Board, tag: str, what: str) -> None:
    """A tensor that is no curve has a sentence in its place."""
    answer = told(board, "tensorboard", f"{tag}/pr_curves")
    assert list(answer) == ["problem"]
    assert what in answer["problem"]


def test_what_is_not_there_is_said(board: Board) -> None:
    """A value that is not there, beside one that is."""
    gone = {"run": "ours", "tag": "pr", "step": 3, "wall": 1.0}
    assert board.post("/api/curves", {"values": [gone]}).json() == {
        "values": [{"problem": "This value is not there any more."}]
    }


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b'{"values": [{"run": 1, "tag": "a", "step": 0, "wall": 0}]}',
        b'{"values": [{"run": "a", "tag": "a", "step": NaN, "wall": 0}]}',
        json.dumps({"values": [{"run": "a", "tag": "b", "step": 0, "wall": 0}] * 201}).encode(),
    ],
)
def test_other_questions_are_refused(board: Board, body: bytes) -> None:
    """With one sentence."""
    answer = board.post("/api/curves", body)
    assert answer.status == 400
    assert list(answer.json()) == ["error"]
