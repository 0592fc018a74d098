"""Ranks beside each other, on traces counted by hand: what each did, who waits for whom, what communication moved."""

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
from tallyboard.__main__ import main
from tallyboard.core.profiles.collectives import bus_factor, operation_name
from tallyboard.core.profiles.model import Profile
from tallyboard.core.profiles.ranks import ranks
from tallyboard.core.proto.xplane_pb2 import XSpace

from .conftest import Write, kernel, launch, step

REDUCE = {"Collective name": "allreduce", "In msg nelems": 1000, "Out msg nelems": 1000, "dtype": "Float",
          "Group size": 2, "Process Group Name": "0"}  # fmt: skip


def rank(write: Write, number: int, *events: tuple[Any, ...], world: int = 2) -> Profile:
    """The profile of one of two ranks."""
    name = f"worker{number}.1.pt.trace.json"
    return tb.read_profile(write(*events, name=name, distributedInfo={"rank": number, "world_size": world}))


def talk(start: float, dur: float, number: int, **more: Any) -> tuple[Any, ...]:
    """An all-reduce of a device."""
    return kernel(start, dur, number, "ncclDevKernel_AllReduce_Sum_f32_RING_LL", 8, **{**REDUCE, **more})


def two(write: Write) -> list[Profile]:
    """Two ranks: the first computes 60 of 100 us and waits from 50 on, the second comes to the all-reduce at 70."""
    early = rank(write, 0, step(1, 0, 100), launch(1, 1), kernel(0, 60, 1), launch(2, 2), talk(50, 40, 2))
    # the second's clock is ahead by a second
    at = 1_000_000
    late = rank(
        write, 1, step(1, at, 100), launch(at + 1, 1), kernel(at, 70, 1), launch(at + 2, 2), talk(at + 70, 20, 2)
    )
    return [late, early]


def test_each_rank_and_step(write: Write) -> None:
    """Computation, both at once, communication and the rest add up to the step; of communication, what took longer than
    with the one that came last was waiting."""
    found = ranks(two(write))
    assert found.workers == ["worker0", "worker1"]
    time = found.time
    assert (time.rank.tolist(), time.step) == ([0, 1], ["1", "1"])
    columns = ("computing", "overlap", "communicating", "other", "duration", "transfer", "waiting")
    rows = [[getattr(time, name)[i] / 1000 for name in columns] for i in range(2)]
    assert rows == [[50, 10, 30, 10, 100, 20, 20], [70, 0, 20, 10, 100, 20, 0]]


def test_who_holds_up_the_others(write: Write) -> None:
    """The rank whose part was shortest came last, whatever its clock says, and caused the others' waiting."""
    found = ranks(two(write))
    table = found.collectives
    assert (table.operation, table.group, table.step) == (["all_reduce"], ["0"], ["1"])
    assert (table.ranks.tolist(), table.last.tolist(), found.unmatched) == ([2], [1], 0)
    assert (table.late.tolist(), table.transfer.tolist(), table.waiting.tolist()) == ([20_000], [20_000], [20_000])
    late = found.stragglers
    assert (late.rank.tolist(), late.collectives.tolist(), late.last.tolist()) == ([1, 0], [1, 1], [1, 0])
    assert (late.caused.tolist(), late.waited.tolist()) == ([20_000, 0], [0, 20_000])
    assert found.says.startswith("Rank 1 holds up the others: it comes last in 1 of 1 operations")
    assert "10.0% of all ranks' time (0.0 of 0.2 ms)" in found.says


def test_operations_of_communication(write: Write) -> None:
    """Calls, bytes, time and bandwidth: that of the bus is 2(n-1)/n of the bytes by the time of the transfer alone."""
    table = ranks(two(write)).operations
    assert (table.operation, table.rank.tolist(), table.calls.tolist()) == (["all_reduce"] * 2, [0, 1], [1, 1])
    assert table.bytes.tolist() == [4000, 4000]
    assert (table.time / 1000).tolist() == [40, 20]
    assert (table.transfer / 1000).tolist() == [20, 20]
    assert (table.waiting / 1000).tolist() == [20, 0]
    assert table.bandwidth.tolist() == pytest.approx([4000 / 20e-6] * 2)
    assert table.bus_bandwidth.tolist() == pytest.approx([4000 / 20e-6] * 2)  # of two ranks the factor is one
    assert [bus_factor(name, 4) for name in ("all_reduce", "all_gather", "broadcast")] == [1.5, 0.75, 1]


def test_bytes_of_older_traces(write: Write) -> None:
    """Where kernels do not say what they move, the operation that made the call does, by its shapes and types."""
    made = ("nccl:all_to_all", "user_annotation", 10, 20, 1, {"Input Dims": [[8, 4], [2]], "Input type": ["long int",
            "c10::Half"]})  # fmt: skip
    one = rank(write, 0, step(1, 0, 100), made, launch(15, 1), kernel(40, 10, 1, "ncclKernel_SendRecv_RING", 8))
    table = ranks([one]).operations
    assert (table.operation, table.bytes.tolist()) == (["all_to_all"], [8 * 4 * 8 + 2 * 2])
    assert table.bus_bandwidth.tolist() == pytest.approx([260 / 2 / 10e-6])


def test_what_has_no_counterpart(write: Write) -> None:
    """An operation that one rank alone has is all transfer, and is counted; so is one of another step."""
    one = rank(write, 0, step(1, 0, 100), launch(1, 1), talk(10, 20, 1), launch(2, 2), talk(40, 30, 2))
    other = rank(write, 1, step(1, 0, 100), launch(1, 1), talk(10, 10, 1), step(2, 100, 50), launch(101, 2),
                 talk(110, 30, 2))  # fmt: skip
    found = ranks([one, other])
    assert (len(found.collectives), found.unmatched) == (1, 2)
    assert (found.time.waiting / 1000).tolist() == [10, 0, 0]
    assert ranks([]).says.startswith("No operation of communication was recorded by two ranks")


def test_gloo(write: Write) -> None:
    """Without devices, spans of the library are communication, and operators computation; kernels' names and
    libraries' are one name."""

    def one(number: int, begins: int) -> Profile:
        reduce = ("gloo:all_reduce", "user_annotation", begins, 90 - begins, 2, {})
        return rank(write, number, step(1, 0, 100), ("aten::mm", "cpu_op", 0, 50, 1, {}), reduce)

    time = ranks([one(0, 30), one(1, 60)]).time
    assert (time.computing / 1000).tolist() == [30, 50]
    assert (time.overlap / 1000).tolist() == [20, 0]
    assert (time.waiting / 1000).tolist() == [30, 0]
    told = ["nccl:_all_gather_base", "ncclDevKernel_ReduceScatter_Sum", "all-reduce.17", "c10d::alltoall_base_", "x"]
    assert [operation_name(text) for text in told] == ["all_gather", "reduce_scatter", "all_reduce", "all_to_all", "x"]


def test_devices_of_one_process(tmp_path: Path) -> None:
    """Where one process recorded the communication of several devices, as JAX does, each of them is a rank."""
    space = XSpace()
    for number, begins in ((0, 10), (1, 25)):
        plane = space.planes.add(name=f"/device:GPU:{number}")
        plane.event_metadata[1].name = "all-reduce.1"
        line = plane.lines.add(name="Stream #7(compute)")
        line.events.add(metadata_id=1, offset_ps=begins * 1_000_000, duration_ps=(40 - begins) * 1_000_000)
    path = tmp_path / "vm.xplane.pb"
    path.write_bytes(space.SerializeToString())
    found = ranks([tb.read_profile(path)])
    assert found.workers == ["vm device 0", "vm device 1"]
    assert (found.collectives.last.tolist(), found.collectives.waiting.tolist()) == ([1], [15_000])


def test_command(write: Write, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """`tallyboard profile` of a directory with the ranks of one recording says who holds up whom, last; as JSON in a
    line of its own."""
    two(write)
    assert main(["profile", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "Rank 1 holds up the others" in out
    rows = [line.split() for line in out.splitlines()]
    assert ["0", "worker0", "0.050", "0.010", "0.030", "0.010", "0.020", "0.020"] in rows
    assert ["all_reduce", "0", "1", "4,000", "0.040", "0.020", "0.20"] in rows
    assert main(["profile", str(tmp_path), "--json"]) == 0
    *_, last = map(json.loads, capsys.readouterr().out.splitlines())
    assert [one["rank"] for one in last["stragglers"]] == [1, 0]
    assert (last["collectives"], last["unmatched"]) == (1, 0)


SPANS = st.lists(st.tuples(st.integers(0, 150), st.integers(1, 60)), min_size=1, max_size=5)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(SPANS, SPANS, st.integers(0, 10**9))
def test_times_add_up(write: Write, one: list[tuple[int, int]], other: list[tuple[int, int]], shift: int) -> None:
    """The parts add up to each step, nothing waits longer than it communicates, what ranks waited is what others
    caused, and one rank's clock may be anywhere."""

    def figures(by: int) -> list[list[float]]:
        profiles = [
            rank(write, number, step(1, at, 200), launch(at, 99), kernel(at + 20, 80, 99), *(
                event for i, (start, dur) in enumerate(spans) for event in (launch(at, i), talk(at + start, dur, i))
            ))
            for number, spans, at in ((0, one, 0), (1, other, by))
        ]  # fmt: skip
        found = ranks(profiles)
        time = found.time
        whole = time.computing + time.overlap + time.communicating + time.other
        np.testing.assert_allclose(whole, time.duration)
        assert (time.waiting <= time.communicating + time.overlap + 1e-6).all()
        assert (time.waiting >= -1e-6).all()
        assert found.stragglers.caused.sum() == pytest.approx(found.stragglers.waited.sum())
        assert len(found.collectives) == min(len(one), len(other))
        return [time.computing.tolist(), time.waiting.tolist(), time.transfer.tolist()]

    np.testing.assert_allclose(figures(0), figures(shift), atol=1e-3)
