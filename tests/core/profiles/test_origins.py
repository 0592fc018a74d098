"""Where work comes from, in traces made by hand: each stack, and each launching operator, is known."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("msgspec")
pytest.importorskip("ijson")

import tallyboard as tb
from tallyboard.core.profiles.origins import launching_operator, operator_stacks

from .conftest import Write, kernel, launch


def op(name: str, start: float, dur: float, **args: Any) -> tuple[Any, ...]:
    return (name, "cpu_op", start, dur, 1, args)


def function(name: str, start: float, dur: float) -> tuple[Any, ...]:
    return (name, "python_function", start, dur, 1, {})


def test_the_operator_that_launched(write: Write) -> None:
    """A kernel belongs to the innermost operator that holds the call which launched it, where one does."""
    path = write(
        *(op("aten::linear", 0, 100), op("aten::mm", 10, 50), launch(20, 1), launch(80, 2), launch(200, 3)),
        *(kernel(100, 10, 1), kernel(110, 10, 2), kernel(210, 10, 3), kernel(230, 10, 9)),
    )
    profile = tb.read_profile(path)
    found = launching_operator(profile)
    names = {
        float(profile.events.start[row]) / 1000: profile.events.name_of(found[row]) if found[row] >= 0 else None
        for row in range(len(profile.events))
        if profile.events.device[row] == 0
    }
    assert names == {100: "aten::mm", 110: "aten::linear", 210: None, 230: None}


def test_spans_of_python_are_the_stack(write: Write) -> None:
    """The functions around an operator, the innermost first, with operators between them left out."""
    path = write(
        *(function("train.py(1): main", 0, 1000), function("nn.Module: Linear_0", 10, 200)),
        *(op("aten::linear", 20, 100), op("aten::mm", 30, 60), launch(40, 1, 5), kernel(50, 300, 1)),
        *(function("train.py(9): step", 400, 300), op("aten::mm", 410, 20)),
    )
    profile = tb.read_profile(path)
    found = operator_stacks(profile, profile.events.named("aten::mm".__eq__))
    assert found.stack == [("nn.Module: Linear_0", "train.py(1): main"), ("train.py(9): step", "train.py(1): main")]
    assert found.calls.tolist() == [1, 1]
    assert found.host_total.tolist() == pytest.approx([60_000, 20_000])
    assert found.host_self.tolist() == pytest.approx([55_000, 20_000])
    assert found.device_self.tolist() == pytest.approx([300_000, 0])


def test_stacks_that_stand_at_operators(write: Write) -> None:
    """Older traces write each operator's stack; equal ones are one place, and who has none is called from nowhere."""
    path = write(
        op("aten::mm", 0, 10, **{"Call stack": "a.py(3): f;b.py(7): g"}),
        op("aten::mm", 20, 10, **{"Call stack": "a.py(3): f;b.py(7): g"}),
        op("aten::mm", 40, 5),
    )
    profile = tb.read_profile(path)
    found = operator_stacks(profile, profile.events.named("aten::mm".__eq__))
    assert dict(zip(found.stack, found.calls.tolist(), strict=True)) == {("a.py(3): f", "b.py(7): g"): 2, (): 1}
    assert found.host_total.tolist() == pytest.approx([20_000, 5_000])
