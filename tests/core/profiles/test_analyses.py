"""On traces small enough to count by hand, each analysis says what the hand counts."""

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
from tallyboard.core.profiles.idle import IDLE_CAUSES, gaps, occupation
from tallyboard.core.profiles.steps import CATEGORIES, breakdown
from tallyboard.core.profiles.verdict import TIMES, shares

from .conftest import Write, kernel, launch, step

OP = ("aten::mm", "cpu_op", 100.0, 40.0, 1, {"Input Dims": [[2, 3], [3, 4]]})
LOADING = "enumerate(DataLoader)#_SingleProcessDataLoaderIter.__next__"


def test_a_step_ends_with_the_work_it_launched(write: Write) -> None:
    """Its window is its host's time and the device's work after it; the next begins there, however early its host."""
    path = write(
        step(1, 0, 100), launch(10, 5), kernel(90, 60, 5), step(2, 100, 100), launch(110, 6), kernel(160, 20, 6)
    )
    found = tb.read_profile(path).steps
    assert found.name == ["1", "2"]
    assert found.host.tolist() == [[0, 100_000], [100_000, 200_000]]
    assert found.window.tolist() == [[0, 150_000], [150_000, 200_000]]
    assert found.launched.tolist() == [1, 1]
    assert found.marked


def test_steps_cut_off_at_the_end(write: Write) -> None:
    """A last step without work, or with less than 0.8 of the work before it, is no step that can be counted."""
    work = [launch(10, 1), kernel(20, 5, 1), launch(30, 2), kernel(40, 5, 2)]
    assert tb.read_profile(write(step(1, 0, 100), *work, step(2, 100, 100))).steps.name == ["1"]
    less = [*work, step(2, 100, 100), launch(110, 3), kernel(120, 5, 3)]
    assert tb.read_profile(write(step(1, 0, 100), *less)).steps.name == ["1"]
    enough = [*less, launch(130, 4), kernel(140, 5, 4)]
    assert tb.read_profile(write(step(1, 0, 100), *enough)).steps.name == ["1", "2"]


def test_no_step_is_marked(write: Write) -> None:
    """All of the host's work stands as one step, and the answer says that none is marked."""
    profile = tb.read_profile(write(OP, ("aten::add", "cpu_op", 150, 10, 1, {})))
    assert profile.steps.window.tolist() == [[0, 60_000]]
    assert not profile.steps.marked
    assert "marks no steps" in profile.verdict().says


def test_breakdown(write: Write) -> None:
    """Each category takes what none before it took, and the rest is other."""
    path = write(
        step(1, 0, 100),
        kernel(10, 20, 1),
        kernel(20, 20, 2, "ncclDevKernel_AllReduce", stream=8),
        ("Memcpy HtoD", "gpu_memcpy", 35, 15, 9, {"device": 0, "correlation": 3}),
        launch(5, 1, dur=10),
        launch(16, 2, dur=1),
        ("cudaMemcpyAsync", "cuda_runtime", 34, 1, 1, {"correlation": 3}),
        (LOADING, "user_annotation", 60, 20, 1, {}),
        ("aten::add", "cpu_op", 75, 10, 1, {}),
        ("mine", "user_annotation", 0, 95, 1, {}),
    )
    found = tb.read_profile(path).breakdown()
    named = dict(zip(CATEGORIES, (found.time[0] / 1000).tolist(), strict=True))
    assert named == {
        "kernel": 20,  # 10 to 30
        "memcpy": 15,  # 35 to 50
        "memset": 0,
        "communication": 5,  # 30 to 35: what the kernel and the copy left of 20 to 40
        "runtime": 5,  # 5 to 10
        "dataloader": 20,
        "cpu": 5,  # 80 to 85
        "other": 30,  # 0 to 5, 50 to 60, 85 to 100; a span of the user's is no work
    }
    peer = breakdown(tb.read_profile(path), "tb_plugin")
    named = dict(zip(CATEGORIES, (peer.time[0] / 1000).tolist(), strict=True))
    assert (named["cpu"], named["other"], named["communication"]) == (30, 5, 0)  # the span of the user's, as work
    assert found.mean() == {**dict(zip(CATEGORIES, (found.time[0] / 1000).tolist(), strict=True)), "total": 100.0}


def test_device_use(write: Write) -> None:
    """Utilisation, efficiency and occupancy of two kernels that overlap, by hand."""
    full = {"blocks per SM": 0.5, "est. achieved occupancy %": 50}
    more = {"blocks per SM": 0.75, "est. achieved occupancy %": 20}
    path = write(
        step(1, 0, 100),
        launch(1, 1),
        launch(2, 2),
        kernel(10, 40, 1, "hmma_gemm", **full),
        kernel(30, 40, 2, stream=8, **more),
    )
    (used,) = tb.read_profile(path).device_use()
    assert used.utilisation == pytest.approx(0.6)  # 10 to 70
    assert used.sm_efficiency == pytest.approx((20 * 0.5 + 20 * 1.0 + 20 * 0.75) / 100)
    assert used.occupancy == pytest.approx((40 * 50 + 40 * 20) / 80)
    assert used.tensor_cores == pytest.approx(0.5)


def test_idle_time_has_its_cause(write: Write) -> None:
    """The host launched late, the next work only just did not follow, or it waited for something else."""
    path = write(
        *(launch(start, number) for start, number in ((0, 1), (1, 2), (50, 3), (51, 4))),
        kernel(10, 10, 1),
        kernel(25, 10, 2),  # 5 later, and launched long before
        kernel(55, 5, 3),  # 20 later, launched when the stream was idle
        kernel(160, 5, 4),  # 100 later, launched before the last ended
        kernel(20, 5, 9, "ncclKernel", stream=8),  # nobody knows who launched it
    )
    profile = tb.read_profile(path)
    found = gaps(profile)
    assert dict(zip(IDLE_CAUSES, (found.time.sum(axis=0) / 1000).tolist(), strict=True)) == {
        "host_wait": 20.0,
        "kernel_wait": 5.0,
        "other": 100.0,
    }
    used = occupation(profile)
    assert (used.idle, used.computing, used.other) == (120_000, 30_000, 5_000)
    assert (used.communicating, used.overlap, used.overlap_share) == (5_000, 0, 0)


def test_operators(write: Write) -> None:
    """An operator's own time is without what it called; its device's time is that of the work its calls launched."""
    path = write(
        OP,
        ("aten::as_strided", "cpu_op", 105, 10, 1, {}),
        launch(120, 1, dur=5),
        kernel(200, 30, 1, "hmma_gemm"),
        ("aten::mm", "cpu_op", 300.0, 10.0, 1, {"Input Dims": [[5, 5], [5, 5]]}),
    )
    profile = tb.read_profile(path)
    found = profile.operators()
    assert (found.name, found.calls.tolist()) == (["aten::mm", "aten::as_strided"], [2, 1])
    assert (found.host_self / 1000).tolist() == [40 - 10 - 5 + 10, 10]
    assert (found.host_total / 1000).tolist() == [50, 10]
    assert (found.device_self / 1000).tolist() == [30, 0]
    assert found.tensor_cores.tolist() == [1, 0]
    assert found.eligible.tolist() == [True, False]
    shapes = profile.operators(by="shapes")
    assert list(zip(shapes.name, map(json.loads, shapes.shapes[:2]), strict=False)) == [
        ("aten::mm", [[2, 3], [3, 4]]),
        ("aten::mm", [[5, 5], [5, 5]]),
    ]


def test_kernels(write: Write) -> None:
    """Calls, times, occupancy and blocks of each kernel by its name, the one with most time first."""
    path = write(
        *(launch(number, number) for number in range(1, 5)),
        kernel(10, 30, 1, "gemm", **{"blocks per SM": 2.0, "est. achieved occupancy %": 50}),
        kernel(50, 10, 2, "gemm", **{"blocks per SM": 4.0, "est. achieved occupancy %": 10}),
        kernel(70, 5, 3, "hmma_gemm"),
        kernel(80, 90, 4, "ncclKernel", 8),
    )
    found = tb.read_profile(path).kernels()
    assert (found.name, found.calls.tolist()) == (["ncclKernel", "gemm", "hmma_gemm"], [1, 2, 1])
    assert (found.total / 1000).tolist() == [90, 40, 5]
    assert (found.mean / 1000).tolist() == [90, 20, 5]
    assert ((found.longest / 1000).tolist(), (found.shortest / 1000).tolist()) == ([90, 30, 5], [90, 10, 5])
    assert found.blocks_per_sm[1] == pytest.approx((30 * 2 + 10 * 4) / 40)
    assert found.occupancy[1] == pytest.approx((30 * 50 + 10 * 10) / 40)
    assert found.tensor_cores.tolist() == [False, False, True]


def test_communication_beside_computation(write: Write) -> None:
    """20 of 40 us of communication are hidden behind 60 of computation; 5 of a copy are neither."""
    path = write(
        *(launch(number, number) for number in range(1, 4)),
        kernel(10, 60, 1),
        kernel(50, 40, 2, "ncclKernel", 8),
        ("Memcpy HtoD", "gpu_memcpy", 95, 5, 9, {"device": 0, "correlation": 3}),
    )
    used = occupation(tb.read_profile(path))
    assert (used.computing, used.communicating, used.overlap) == (60_000, 40_000, 20_000)
    assert used.overlap_share == pytest.approx(0.5)


def test_work_is_found_by_the_call_and_not_by_ids_that_lie(write: Write) -> None:
    """Newer traces give a call's work an id that is no operator's: the work is the operator's that holds the call."""
    call = ("cudaLaunchKernel", "cuda_runtime", 120, 5, 1, {"correlation": 77, "External id": 77})
    path = write(
        ("aten::mm", "cpu_op", 100, 40, 1, {"External id": 3}), call, kernel(200, 30, 77, **{"External id": 77})
    )
    found = tb.read_profile(path).operators()
    assert (found.name, found.device_self.tolist()) == (["aten::mm"], [30_000])


def test_memory(tmp_path: Path) -> None:
    """The curve, its peak, what each operator took and how long it was kept."""

    def record(time: float, bytes_: int, address: int, total: int) -> dict[str, Any]:
        args = {
            "Device Type": 1,
            "Device Id": 0,
            "Bytes": bytes_,
            "Addr": address,
            "Total Allocated": total,
            "Total Reserved": 4096,
        }
        return {"ph": "i", "name": "[memory]", "ts": time, "pid": 1, "tid": 1, "args": args}

    outer = {"ph": "X", "cat": "cpu_op", "name": "aten::linear", "ts": 0, "dur": 100, "pid": 1, "tid": "1"}
    inner = {**outer, "name": "aten::empty", "ts": 5, "dur": 10}
    rows = [outer, inner, record(10, 1024, 16, 1024), record(20, 512, 32, 1536), record(30, -1024, 16, 512)]
    path = tmp_path / "a.pt.trace.json"
    path.write_text(json.dumps({"schemaVersion": 1, "traceEvents": rows}))
    profile = tb.read_profile(path)
    curve = profile.memory()
    assert (curve.allocated.tolist(), curve.peak, curve.exact) == ([1024, 1536, 512], 1536, True)
    took = profile.memory_by_operator()
    assert took.name == ["aten::empty", "aten::linear"]
    assert took.self_size.tolist() == [1024, 512]
    assert took.size.tolist() == [1024, 1536]
    assert took.self_increase.tolist() == [1024, -512]
    assert took.increase.tolist() == [1024, 512]
    assert took.count.tolist() == [1, 2]
    kept = profile.lifetimes()
    assert kept.operator == ["aten::empty", "aten::linear"]
    assert (kept.freed - kept.taken)[0] == 20_000
    assert np.isnan(kept.freed[1])


BUSY = [launch(1, 1), kernel(2, 95, 1)]
VERDICTS: dict[str, tuple[list[tuple[Any, ...]], float, str]] = {
    "busy": (BUSY, 0.95, ""),
    "input-bound": (
        [(LOADING, "user_annotation", 0, 30, 1, {}), launch(31, 1), kernel(32, 60, 1)], 0.30, "more worker processes"
    ),
    "launch-bound": (
        [("aten::mm", "cpu_op", 0, 50, 1, {}), launch(49, 1), kernel(50, 45, 1)], 0.50, "Do more work a launch"
    ),
    "communication-bound": (
        [launch(1, 1), launch(3, 2), kernel(2, 60, 1), kernel(50, 40, 2, "ncclKernel", 8)], 0.28, "buckets, no_sync"
    ),
    "compile-dominated": (
        [("torch-compile", "cpu_op", 0, 60, 1, {}), launch(61, 1), kernel(62, 30, 1)], 0.60, "Keep shapes and types"
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", VERDICTS)
def test_verdict(write: Write, kind: str) -> None:
    """Two steps of 100 us of each kind get its name, numerator, denominator and steps, words with them, and what to
    change."""
    events, share, advice = VERDICTS[kind]
    again = [
        (name, category, start + 100, dur, thread, {**args, "correlation": args["correlation"] + 50} if args else {})
        for name, category, start, dur, thread, args in events
    ]
    found = tb.read_profile(write(step(3, 0, 100), step(4, 100, 100), *events, *again)).verdict()
    assert (found.kind, found.counted, found.left_out) == (kind, 2, 0)
    assert (found.part, found.whole) == (pytest.approx(share * 200_000), 200_000)
    assert found.share == pytest.approx(share)
    assert f"{share:.1%} " in found.says
    assert f"{share * 0.2:.1f} of 0.2 ms in 2 steps" in found.says
    assert (advice in found.advice[0]) if advice else not found.advice


def test_waiting_for_the_device_counts_as_not_launching(write: Write) -> None:
    """A host that waits for a device that has nothing to do launches nothing: both are the numerator, none alone."""
    wait = ("cudaStreamSynchronize", "cuda_runtime", 70, 10, 1, {"correlation": 9})
    work = ("aten::mm", "cpu_op", 80, 8, 1, {})
    found = tb.read_profile(write(step(3, 0, 100), launch(1, 1), kernel(2, 68, 1), wait, work)).verdict()
    assert (found.times["sync"], found.times["launch"]) == (10, pytest.approx(8 + 1))
    assert (found.kind, found.part) == ("launch-bound", pytest.approx(19_000))
    assert "waits 19.0% of the time for the host" in found.says


def test_what_nothing_explains_is_not_busy(write: Write) -> None:
    """A device that has nothing to do most of the time, of which nobody knows why, is not called busy."""
    found = tb.read_profile(write(step(3, 0, 100), launch(1, 1), kernel(2, 30, 1))).verdict()
    assert (found.kind, found.part) == ("unknown", 69_000)
    assert "69.0% of the time is explained by nothing that was recorded" in found.says
    assert "tb.data()" in found.advice[0]


def test_a_full_memory_is_pressed(write: Write) -> None:
    """A busy device whose memory was over nine tenths full is told so, in bytes of bytes."""
    path = write(step(1, 0, 100), *BUSY, deviceProperties=[{"id": 0, "totalGlobalMem": 1000}])
    trace = json.loads(path.read_text())
    args = {"Device Type": 1, "Device Id": 0, "Bytes": 950, "Total Allocated": 950, "Total Reserved": 960}
    trace["traceEvents"].append({"ph": "i", "name": "[memory]", "ts": 5, "pid": 1, "tid": 1, "args": args})
    path.write_text(json.dumps(trace))
    found = tb.read_profile(path).verdict()
    assert (found.kind, found.part, found.whole, found.counted) == ("memory-pressed", 950, 1000, 1)
    assert "95.0% full" in found.says
    assert found.advice[0].startswith("Use smaller batches")


def test_the_first_step_that_compiles_is_left_out(write: Write) -> None:
    """A first step over three times as long as the others' middle is told apart, and the mean is of the others."""
    path = write(
        *(step(i, start, dur) for i, (start, dur) in enumerate([(0, 1000), (1000, 100), (1100, 100)])),
        *(("aten::mm", "cpu_op", start, 80, 1, {}) for start in (0, 1000, 1100)),
    )
    profile = tb.read_profile(path)
    assert profile.steps.warmup.tolist() == [True, False, False]
    assert profile.breakdown().mean()["total"] == 100
    assert profile.breakdown("tb_plugin").mean()["total"] == 400
    found = profile.verdict()
    assert (found.kind, found.counted, found.left_out) == ("busy", 2, 1)


def test_nothing_is_said_of_nothing(write: Write) -> None:
    """A trace without steps or work gets the verdict that nothing can be said, and how to record some."""
    found = tb.read_profile(write(("PyTorch Profiler (0)", "Trace", 0, 10, 1, {}))).verdict()
    assert (found.kind, found.share, found.counted) == ("unknown", 0.0, 0)
    assert "step()" in found.advice[0]


SPAN = st.tuples(st.integers(0, 300), st.integers(0, 60))


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(SPAN, max_size=8), st.lists(SPAN, max_size=8), st.lists(SPAN, max_size=4), st.integers(0, 10**9))
def test_shares_sum_to_the_step_wherever_it_lies(
    write: Write, work: list[tuple[int, int]], talk: list[tuple[int, int]], load: list[tuple[int, int]], shift: int
) -> None:
    """Categories and times add up to each step, communication hides no more than there is, and shifting all of a
    trace's times changes nothing."""

    def figures(by: int) -> tuple[Any, ...]:
        numbers = range(1, 1000)
        kernels = [kernel(by + start, dur, n) for n, (start, dur) in zip(numbers, work, strict=False)]
        kernels += [
            kernel(by + start, dur, 500 + n, "ncclKernel", 8) for n, (start, dur) in zip(numbers, talk, strict=False)
        ]
        loads = [(LOADING, "user_annotation", by + start, dur, 1, {}) for start, dur in load]
        profile = tb.read_profile(write(step(1, by, 200), step(2, by + 200, 100), *kernels, *loads))
        ours, seen, used = profile.breakdown(), shares(profile), occupation(profile)
        np.testing.assert_allclose(ours.time.sum(axis=1), ours.steps.duration)
        np.testing.assert_allclose(seen.time.sum(axis=1), seen.steps.duration)
        assert ours.time.min(initial=0) >= 0
        assert seen.time.shape[1] == len(TIMES)
        assert 0 <= used.overlap <= min(used.computing, used.communicating)
        return ours.time.tolist(), seen.time.tolist(), used

    assert figures(0) == figures(shift)
