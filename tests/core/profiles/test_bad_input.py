"""Traces that are not as they should be: what can be read is, what cannot is counted, and every analysis answers."""

from __future__ import annotations

import gzip
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
from tallyboard.core.profiles import chrome
from tallyboard.core.profiles.model import Profile
from tallyboard.core.profiles.ranks import ranks
from tallyboard.core.profiles.verdict import shares

from .conftest import Write, kernel, launch, step

MANY = 12_000


def asked(profile: Profile) -> dict[str, Any]:
    """All that can be asked of a profile."""
    breakdown, seen = profile.breakdown(), shares(profile)
    np.testing.assert_allclose(breakdown.time.sum(axis=1), breakdown.steps.duration, atol=1e-3)
    np.testing.assert_allclose(seen.time.sum(axis=1), seen.steps.duration, atol=1e-3)
    assert breakdown.time.min(initial=0) >= -1e-6
    return {
        "verdict": profile.verdict(),
        "operators": profile.operators(),
        "kernels": profile.kernels(),
        "modules": profile.modules(),
        "hlo": profile.hlo(),
        "memory": profile.memory_by_operator(),
        "curve": profile.memory(),
        "lifetimes": profile.lifetimes(),
        "use": profile.device_use(),
        "pipeline": profile.input_pipeline(),
        "tensor": profile.tensor_core_use(),
        "told": profile.recommendations(),
        "flows": profile.flows,
        "ranks": ranks([profile, profile]),
    }


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A trace of some megabytes, with objects inside of its events' arguments and facts on both sides of them."""
    rows = [
        {"ph": "X", "cat": "cpu_op", "name": f"op{i % 7}", "ts": i * 10, "dur": 5, "pid": 1, "tid": i % 3,
         "args": {"External id": i, "Call stack": "x" * 100, "inner": [{"a": 1}, {"b": "}, {"}]}}
        for i in range(MANY)
    ]  # fmt: skip
    trace = {"schemaVersion": 1, "distributedInfo": {"rank": 2, "world_size": 4}, "traceEvents": rows}
    return json.dumps({**trace, "record_shapes": 1}, indent=1).encode()


@pytest.fixture
def pieces(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many bytes were held each time that a piece was cut, where pieces are of a hundredth of what they are."""
    held: list[int] = []
    cut = chrome._cut  # pyright: ignore[reportPrivateUsage]

    def counted(data: bytes) -> Any:
        held.append(len(data))
        return cut(data)

    monkeypatch.setattr(chrome, "_LARGE", 1 << 20)
    monkeypatch.setattr(chrome, "_AT_ONCE", 1 << 18)
    monkeypatch.setattr(chrome, "_cut", counted)
    return held


@pytest.mark.parametrize("packed", [False, True])
def test_a_large_file_is_read_in_pieces(tmp_path: Path, large: bytes, pieces: list[int], packed: bool) -> None:
    """Over the bound, no more than a piece of the file is held, and the columns and facts are those of the whole."""
    path = tmp_path / "a.pt.trace.json"
    path.write_bytes(large)
    if packed:
        path.write_bytes(b"".join(gzip.compress(large[i : i + 500_000]) for i in range(0, len(large), 500_000)))
    profile = tb.read_profile(path)
    assert len(pieces) >= 2
    assert max(pieces) <= (1 << 18) + (1 << 20)
    assert profile.events.start.tolist() == [i * 10_000 for i in range(MANY)]
    assert [profile.events.name_of(row) for row in (0, MANY - 1)] == ["op0", f"op{(MANY - 1) % 7}"]
    assert profile.events.external.tolist() == list(range(MANY))
    assert (profile.rank, profile.world, profile.options, profile.skipped) == (2, 4, {"record_shapes": True}, {})


def test_a_large_file_that_is_damaged(tmp_path: Path, large: bytes, pieces: list[int]) -> None:
    """Of a large file that is cut, what is before the cut is read; of two documents in one, both; a NaN costs its own
    event."""
    path = tmp_path / "a.pt.trace.json"
    path.write_bytes(large[: len(large) * 3 // 4])
    cut = tb.read_profile(path)
    assert MANY * 0.7 < len(cut.events) < MANY * 0.8
    assert sum(cut.skipped.values()) >= 1
    path.write_bytes(large + large)
    assert len(tb.read_profile(path).events) == 2 * MANY
    path.write_bytes(large.replace(b'"dur": 5,', b'"dur": NaN,', 1).replace(b'"ts": 60000,', b'"ts": NaN,', 1))
    profile = tb.read_profile(path)
    assert (len(profile.events), profile.skipped) == (MANY - 1, {"spans without a time": 1})
    assert pieces


def test_no_steps(write: Write) -> None:
    """A trace that marks no steps stands as one, and the verdict says that it does."""
    profile = tb.read_profile(write(("aten::mm", "cpu_op", 0, 60, 1, {}), launch(10, 1), kernel(20, 80, 1)))
    assert (profile.steps.name, profile.steps.marked) == (["0"], False)
    assert "the trace marks no steps" in asked(profile)["verdict"].says


def test_steps_without_work_of_a_device(write: Write) -> None:
    """A step in the middle that launched nothing is a step that was idle; at the end they are left out."""
    work = [launch(10, 1), kernel(20, 70, 1), launch(210, 2), kernel(220, 70, 2)]
    profile = tb.read_profile(write(*(step(i, i * 100, 100) for i in range(4)), *work))
    assert profile.steps.name == ["0", "1", "2"]
    assert profile.breakdown().time[:, 0].tolist() == [70_000, 0, 70_000]
    assert asked(profile)["use"][0].utilisation == pytest.approx(140 / 300)


def test_a_clock_that_is_set_back(write: Write) -> None:
    """Where time runs backwards in the file, steps are in the order of time, none is longer than it was, and what was
    recorded before is there."""
    late = [step(2, 5000, 100), ("aten::mm", "cpu_op", 5000, 90, 1, {})]
    early = [step(3, 1000, 100), ("aten::mm", "cpu_op", 1000, 50, 1, {})]
    profile = tb.read_profile(write(*late, *early))
    assert profile.steps.name == ["3", "2"]
    assert profile.steps.duration.tolist() == [100_000, 100_000]
    assert profile.events.start.min() == 0
    assert asked(profile)["operators"].calls.tolist() == [2]


def test_categories_that_nobody_knows(write: Write) -> None:
    """Spans of unknown categories are kept and counted, and are no work."""
    profile = tb.read_profile(write(step(1, 0, 100), ("beam", "warp_drive", 10, 50, 1, {}), ("aten::mm", "cpu_op", 60,
                              40, 1, {})))  # fmt: skip
    assert profile.skipped == {"kinds of events of the unknown category 'warp_drive'": 1}
    assert "beam" in profile.events.names
    assert asked(profile)["verdict"].times["compute"] == 40


EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["cpu_op", "kernel", "gpu_memcpy", "cuda_runtime", "user_annotation", "python_function", "x"]),
        st.sampled_from(["aten::mm", "nn.Module: Net_0", "ProfilerStep#3", "ncclAllReduce", "gloo:all_reduce",
                         "tallyboard.data", "Memcpy HtoD (Pageable -> Device)", "Optimizer.step#SGD.step",
                         "cudaLaunchKernel"]),
        st.integers(-50, 300),
        st.integers(-20, 200),
        st.integers(1, 3),
        st.integers(0, 4),
    ),
    min_size=1,
    max_size=14,
)  # fmt: skip


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(EVENTS)
def test_every_analysis_answers(write: Write, events: list[tuple[Any, ...]]) -> None:
    """Whatever overlaps, ends before it begins, or is launched by what, each analysis answers, and shares add up."""
    rows = [
        (name, category, start, dur, thread, {"device": 0, "stream": thread, "correlation": number,
         "External id": number, "Sequence number": number, "Fwd thread id": number % 2})
        for category, name, start, dur, thread, number in events
    ]  # fmt: skip
    profile = tb.read_profile(write(*rows))
    assert (profile.events.end >= profile.events.start).all()
    assert asked(profile)["verdict"].says


@pytest.mark.parametrize(
    "bad",
    [{"Bytes": "many"}, {}, {"Bytes": 1 << 80}, {"Bytes": 1, "Addr": -1}, {"Bytes": 1, "Device Id": 1 << 15}, None],
)
def test_a_bad_record_of_memory_costs_itself_alone(write: Write, tmp_path: Path, bad: dict[str, Any] | None) -> None:
    """Of records of memory among which one cannot be read, or has no time, the others are as they are without it."""

    def record(time: float | None, args: dict[str, Any]) -> dict[str, Any]:
        return {"ph": "i", "name": "[memory]", "ts": time, "pid": 1, "tid": "1", "args": {"Device Id": 0, **args}}

    good = [record(5, {"Bytes": 8, "Addr": (1 << 64) - 1}), record(3, {"Bytes": -8, "Device Type": 0})]
    spoilt = record(4, bad) if bad is not None else record(None, {"Bytes": 1})
    spans = json.loads(write(step(0, 0, 10)).read_text())["traceEvents"]

    def read(rows: list[dict[str, Any]]) -> Profile:
        path = tmp_path / "memory.pt.trace.json"
        path.write_text(json.dumps({"traceEvents": [*spans, *rows]}))
        return tb.read_profile(path)

    plain, found = read(good), read([good[0], spoilt, good[1]])
    assert (plain.skipped, found.skipped) == ({}, {"records of memory that cannot be read": 1})
    assert found.allocations.delta.tolist() == [-8, 8]
    assert found.allocations.device.tolist() == [-1, 0]
    assert found.allocations.address.tolist() == [0, (1 << 64) - 1]
    for column in ("time", "device", "address", "delta", "allocated", "reserved", "track"):
        assert getattr(found.allocations, column).tolist() == getattr(plain.allocations, column).tolist()
