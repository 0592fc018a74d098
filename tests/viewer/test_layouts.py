"""GET /api/layouts: the charts that trainings laid out, from files that real writers made."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import tallyboard as tb
from tallyboard.core.reader import LogdirReader
from tallyboard.viewer import patterns
from tallyboard.viewer.records import Records


@pytest.fixture
def ask(serve: Callable[..., Any]) -> Callable[[Path], Any]:
    """Reads a logdir once and returns what the route says of it."""

    def layouts(logdir: Path) -> Any:
        records = Records(str(logdir))
        reader = records.opened(LogdirReader(logdir))
        reader.poll()
        answer = serve(reader.store, logdir=str(logdir), fetch=records.fetch).get("/api/layouts")
        assert answer.status == 200
        return answer.json()["categories"]

    return layouts


def test_no_layout_is_no_category(tmp_path: Path, ask: Callable[[Path], Any]) -> None:
    """A logdir in which nobody laid out anything has an empty list."""
    with tb.SummaryWriter(tmp_path) as writer:
        writer.add_scalar("loss", 1, 0)

    assert ask(tmp_path) == []


def test_layouts_of_runs_are_one(tmp_path: Path, ask: Callable[[Path], Any]) -> None:
    """Categories of one name are joined, expressions answered with the tags they match at the start, margins as are."""
    with tb.SummaryWriter(tmp_path / "a") as writer:
        for tag in ("loss/train", "loss/val", "my/loss/x", "Loss"):
            writer.add_scalar(tag, 1, 0)
        writer.add_custom_scalars({"C": {"m": ["Multiline", ["loss/.*", "loss/train"]]}})
    with tb.SummaryWriter(tmp_path / "b") as writer:
        writer.add_custom_scalars({"C": {"r": ["Margin", ["v", "lo", "hi"]]}, "D": {"x": ["Multiline", ["["]]}})

    first, second = ask(tmp_path)
    assert first == {
        "title": "C",
        "closed": False,
        "charts": [
            {"title": "m", "lines": ["loss/train", "loss/val"]},
            {"title": "r", "margins": [{"value": "v", "lower": "lo", "upper": "hi"}]},
        ],
    }
    assert second["charts"][0]["lines"] == []
    assert second["charts"][0]["problem"].startswith("'[' is no regular expression")


def test_torch_lays_out_the_same(tmp_path: Path, ask: Callable[[Path], Any]) -> None:
    """What torch's writer laid out is understood."""
    torch_writer = pytest.importorskip("torch.utils.tensorboard")
    with torch_writer.SummaryWriter(str(tmp_path)) as writer:
        writer.add_custom_scalars({"C": {"m": ["Multiline", ["loss"]], "r": ["Margin", ["v", "lo", "hi"]]}})
        writer.add_scalar("loss", 1.0, 0)

    assert ask(tmp_path)[0]["charts"] == [
        {"title": "m", "lines": ["loss"]},
        {"title": "r", "margins": [{"value": "v", "lower": "lo", "upper": "hi"}]},
    ]


def test_expressions_that_explode_end(
    tmp_path: Path, ask: Callable[[Path], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two of them are given up after their time, the others without being tried: an answer comes all the same."""
    monkeypatch.setattr(patterns, "PATIENCE", 0.5)
    with tb.SummaryWriter(tmp_path) as writer:
        writer.add_scalar("a" * 40, 1, 0)
        writer.add_custom_scalars({"C": {str(i): ["Multiline", ["(a+)+b"]] for i in range(4)}})

    problems = [chart["problem"] for chart in ask(tmp_path)[0]["charts"]]
    assert ["given up" in problem for problem in problems] == [True, True, False, False]
    assert problems[3] == "other expressions of the layouts took too long"
