"""What a profile is asked for is a table for whoever wants one, and adds up whatever was recorded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("msgspec")
pytest.importorskip("ijson")

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import tallyboard as tb
from tallyboard.core.dataframes import Table
from tallyboard.core.profiles.model import Profile
from tallyboard.core.profiles.ranks import ranks

from .conftest import Write, kernel, launch, step

EVENTS = [
    step(1, 0, 100),
    ("enumerate(DataLoader)#_SingleProcessDataLoaderIter.__next__", "user_annotation", 0, 20, 1, {}),
    ("aten::mm", "cpu_op", 20, 40, 1, {"Input Dims": [[2, 3], [3, 4]]}),
    launch(30, 1),
    kernel(40, 30, 1),
    kernel(75, 20, 2, "ncclKernel", 8),
]


def record(time: float, delta: int, address: int, total: int) -> dict[str, Any]:
    """Memory of device 0 that is taken or given back."""
    args = {"Device Type": 1, "Device Id": 0, "Bytes": delta, "Addr": address, "Total Allocated": total}
    return {"ph": "i", "name": "[memory]", "ts": time, "pid": 1, "tid": 1, "args": {**args, "Total Reserved": 1 << 20}}


def with_memory(path: Path, records: list[dict[str, Any]]) -> Profile:
    """The profile of a trace, and such records in it."""
    trace = json.loads(path.read_text())
    trace["traceEvents"] += records
    path.write_text(json.dumps(trace))
    return tb.read_profile(path)


@pytest.fixture
def tables(write: Write) -> dict[str, Table]:
    """Each thing that can be asked for, none of them empty but those of XLA and of modules."""
    profile = with_memory(write(*EVENTS), [record(25, 64, 16, 64), record(50, -64, 16, 0)])
    found = {
        "steps": profile.steps,
        "breakdown": profile.breakdown(),
        "operators": profile.operators(),
        "shapes": profile.operators(by="shapes"),
        "kernels": profile.kernels(),
        "memory": profile.memory(),
        "memory_by_operator": profile.memory_by_operator(),
        "lifetimes": profile.lifetimes(),
        "pipeline": profile.input_pipeline(),
        "time": ranks([profile]).time,
        "operations": ranks([profile]).operations,
        "stragglers": ranks([profile]).stragglers,
        "changes": profile.compare(profile).operators,
    }
    return found | {"modules": profile.modules(), "hlo": profile.hlo()}


@pytest.mark.parametrize("kind", ["pandas", "polars", "pyarrow"])
def test_of_other_libraries(tables: dict[str, Table], kind: str) -> None:
    """Every one has all its columns and rows in pandas, Polars and Arrow, with the same values."""
    pytest.importorskip(kind)
    call = {"pandas": "to_pandas", "polars": "to_polars", "pyarrow": "to_arrow"}[kind]
    for name, table in tables.items():
        frame = getattr(table, call)()
        columns = list(frame.column_names if kind == "pyarrow" else frame.columns)
        wanted = table._columns()  # pyright: ignore[reportPrivateUsage]
        assert columns == list(wanted), name
        assert {len(frame)} == {len(column) for column in wanted.values()}, name
        assert bool(len(frame)) == (name not in ("modules", "hlo")), name
    times = getattr(tables["operators"], call)()["host_self"]
    assert (times.to_pylist() if kind == "pyarrow" else times.to_list())[0] == 39_000.0


CALLS = st.lists(st.tuples(st.integers(0, 200), st.integers(1, 80), st.integers(1, 3)), min_size=1, max_size=8)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(CALLS, st.lists(st.integers(1, 30), max_size=5), st.integers(0, 10**9))
def test_times_of_operators_add_up(
    write: Write, calls: list[tuple[int, int, int]], work: list[int], shift: int
) -> None:
    """Operators' own times add up to no more than their threads were busy, to all of it where they nest; kernels' to
    what was recorded; and shifting all times changes nothing."""
    nested = [
        (f"op{thread}", "cpu_op", depth * 2, 300 - depth * 4, thread, {}) for thread in (8, 9) for depth in range(4)
    ]
    flat = [(f"aten::op{i % 3}", "cpu_op", 400 + 100 * i + start % 20, dur, 1, {})
            for i, (start, dur, _) in enumerate(calls)]  # fmt: skip

    def figures(by: int) -> list[Any]:
        moved = [(name, category, at + by, *rest) for name, category, at, *rest in (*nested, *flat)]
        launched = [event for i, dur in enumerate(work)
                    for event in (launch(by + 10 + i, i), kernel(by + 50 * i, dur, i, f"gemm{i % 2}"))]  # fmt: skip
        profile = tb.read_profile(write(step(1, by, 400), *moved, *launched))
        found, kernels = profile.operators(), profile.kernels()
        own = dict(zip(found.name, found.host_self.tolist(), strict=True))
        assert sum(own[name] for name in ("op8", "op9")) == pytest.approx(2 * 300_000)
        assert sum(own.values()) == pytest.approx(1000 * (600 + sum(dur for _, dur, _ in calls)))
        assert (found.host_total >= found.host_self - 1e-6).all()
        assert kernels.total.sum() == pytest.approx(1000 * sum(work))
        assert (kernels.shortest <= kernels.mean).all()
        assert (kernels.mean <= kernels.longest).all()
        return [own, kernels.total.tolist()]

    assert figures(0) == figures(shift)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(1, 1 << 20), st.integers(1, 6)), min_size=1, max_size=10))
def test_memory_adds_up(write: Write, pieces: list[tuple[int, int]]) -> None:
    """The peak is the most that was in use at once, what operators took is what was taken, and each piece is kept from
    when it was taken to when it was given back."""
    changes = sorted(
        [(10 * i, size, i) for i, (size, _) in enumerate(pieces)]
        + [(10 * (i + length) + 5, -size, i) for i, (size, length) in enumerate(pieces)]
    )
    total = np.cumsum([size for _, size, _ in changes])
    records = [record(at, size, 16 + i, int(now)) for (at, size, i), now in zip(changes, total, strict=True)]
    profile = with_memory(write(("aten::empty", "cpu_op", -5, 1000, 1, {})), records)
    assert profile.memory().peak == total.max()
    taken = profile.memory_by_operator()
    assert taken.size.sum() == sum(size for size, _ in pieces)
    assert taken.increase.sum() == 0
    kept = profile.lifetimes()
    lengths = sorted((kept.freed - kept.taken).tolist())
    assert lengths == sorted(1000.0 * (10 * length + 5) for _, length in pieces)
