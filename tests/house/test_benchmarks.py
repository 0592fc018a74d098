"""The tables of benchmarks/: what they call met is met, and they say which parts there are."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def table() -> ModuleType:
    spec = importlib.util.spec_from_file_location("bench_table", BENCHMARKS / "table.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["bench_table"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


ROUNDS = {"ours": [{"us": 1.0}, {"us": 2.0}, {"us": 1.5}], "peer": [{"us": 9.0}, {"us": 20.0}, {"us": 16.5}]}


@pytest.mark.parametrize(
    ("wanted", "verdict"),
    [
        ({"times": {"peer": 10}}, "met"),
        ({"times": {"peer": 10.1}}, "NOT MET"),
        ({"times": {"absent": 1000}}, ""),
        ({"most": 1.5}, "met"),
        ({"most": 1.4}, "NOT MET"),
        ({"least": 1.6, "times": {"peer": 2}}, "NOT MET"),
        ({}, ""),
    ],
)
def test_verdicts(table: ModuleType, wanted: dict[str, object], verdict: str) -> None:
    """A line is met when everything wanted holds: ratios round by round, medians against limits."""
    row = table.Row(table.Figure("work", "us", "us", **wanted), ROUNDS)

    assert row.ratio("peer") == 10
    line = row.line(["ours", "peer", "absent"])
    assert line.split("  ")[-1].strip() == verdict or not verdict
    assert ("MET" in line, "met" in line) == (verdict == "NOT MET", verdict == "met")
    assert "-" in line


def test_rates_are_compared_the_other_way_round(table: ModuleType) -> None:
    """Of what is better when there is more of it, the ratio is ours by the peer's."""
    row = table.Row(table.Figure("work", "a second", "us", rate=True), {"ours": ROUNDS["peer"], "peer": ROUNDS["ours"]})

    assert row.ratio("peer") == 10


def test_rounds_interleave_and_the_first_is_not_counted(table: ModuleType) -> None:
    """Every side runs once a round, in an order that turns."""
    order: list[str] = []

    def side(name: str) -> dict[str, float]:
        order.append(name)
        return {"n": float(len(order))}

    rounds = table.measure({"a": lambda: side("a"), "b": lambda: side("b")}, 2)

    assert order == ["a", "b", "b", "a", "a", "b"]
    assert rounds == {"a": [{"n": 4.0}, {"n": 5.0}], "b": [{"n": 3.0}, {"n": 6.0}]}


def test_writing_names_its_parts() -> None:
    """A part that is none is refused, with the names of those that there are."""
    ran = subprocess.run([sys.executable, str(BENCHMARKS / "writing.py"), "nonsense"], capture_output=True, text=True)

    assert ran.returncode == 2
    assert "no such part: nonsense; there are scalars, log, histogram, image, embedding, import, open" in ran.stderr
