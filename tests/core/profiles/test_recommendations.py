"""What to change, and the stages of input: on traces counted by hand, each with the numbers that say so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("msgspec")
pytest.importorskip("ijson")

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import tallyboard as tb
from tallyboard.core.proto.xplane_pb2 import XSpace

from .conftest import Write, kernel, launch, step

SINGLE = "enumerate(DataLoader)#_SingleProcessDataLoaderIter.__next__"
SEVERAL = "enumerate(DataLoader)#_MultiProcessingDataLoaderIter.__next__"
V100 = [{"id": 0, "computeMajor": 7, "totalGlobalMem": 1000}]


def op(name: str, start: float, dur: float, thread: int = 1, **more: Any) -> tuple[Any, ...]:
    """An operator."""
    return (name, "cpu_op", start, dur, thread, more)


def wait(name: str, start: float, dur: float) -> tuple[Any, ...]:
    """A wait for data."""
    return (name, "user_annotation", start, dur, 1, {})


BUSY = [launch(1, 1), kernel(2, 98, 1)]
FEW_LAUNCHES = [op("aten::add_", 82 + i * 0.1, 0.05) for i in range(10)]
MANY_LAUNCHES = [op("aten::add_", 80.5 + i * 0.1, 0.05) for i in range(120)]
UPDATE = ("Optimizer.step#Adam.step", "user_annotation", 80, 15, 1, {})
COPY = ("Memcpy HtoD (Pageable -> Device)", "gpu_memcpy", 40, 5, 7, {"device": 0, "stream": 7, "correlation": 9})
MATRIX = [op("aten::mm", 0, 5), launch(1, 1), kernel(2, 98, 1)]

CASES: dict[str, tuple[list[tuple[Any, ...]], set[str], float]] = {
    "data": ([wait(SINGLE, 0, 40), launch(41, 1), kernel(42, 58, 1)], {"data"}, 0.40),
    "pinned memory": ([*BUSY, COPY], {"pinned memory"}, 0.05),
    "mixed precision": (MATRIX, {"mixed precision"}, 1.0),
    "used": ([*MATRIX[:2], kernel(2, 98, 1, "volta_h884gemm")], set(), 0),
    "utilisation": ([launch(1, 1), kernel(2, 30, 1)], {"utilisation"}, 0.70),
    "optimizer": ([*BUSY, UPDATE, *MANY_LAUNCHES], {"optimizer"}, 0.15),
    "few": ([*BUSY, UPDATE, *FEW_LAUNCHES], set(), 0),
    "fused": ([*BUSY, UPDATE, *MANY_LAUNCHES, op("aten::_fused_adam_", 94, 1)], set(), 0),
    "waits": ([*BUSY, op("aten::item", 50, 20)], {"waits"}, 0.20),
    "memory layout": ([launch(1, 1), kernel(2, 60, 1), launch(3, 2), kernel(70, 28, 2, "cudnn::nchwToNhwcKernel")],
                      {"memory layout"}, 0.28),
    "communication": ([*BUSY[:1], kernel(2, 78, 1), launch(3, 2), kernel(80, 20, 2, "ncclAllReduce", 8)],
                      {"communication"}, 0.20),
    "backend": ([*BUSY, wait("gloo:all_reduce", 10, 30)], {"backend"}, 0.30),
    "compiling": ([*BUSY, op("torch-compile", 20, 30)], {"compiling"}, 0.30),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_each_rule(write: Write, case: str) -> None:
    """One step of 100 us for each rule, and for each that must not speak: what it is about, its share, its words."""
    events, about, share = CASES[case]
    found = tb.read_profile(write(step(1, 0, 100), *events, deviceProperties=V100)).recommendations()
    assert {one.about for one in found} == about
    for one in found:
        assert one.share == pytest.approx(share, abs=1e-9)
        assert one.evidence.endswith(".")
        assert one.advice.endswith(".")


def test_the_verdict_says_them(write: Write) -> None:
    """The answer's advice ends with what the profile itself says of the matter."""
    found = tb.read_profile(write(step(1, 0, 100), wait(SINGLE, 0, 40), launch(41, 1), kernel(42, 58, 1))).verdict()
    assert found.kind == "input-bound"
    assert "Loading data takes 40.0% of the time" in found.advice[-1]
    assert "Set num_workers of the DataLoader" in found.advice[-1]


def test_data_parallel(write: Write) -> None:
    """One process that drives two devices through DataParallel is told of the other way."""
    two = [launch(1, 1), kernel(2, 98, 1), launch(2, 2), kernel(2, 98, 2, stream=8, device=1)]
    found = tb.read_profile(write(step(1, 0, 100), op("DataParallel.forward", 0, 50), *two)).recommendations()
    assert [one.about for one in found] == ["data parallel"]


def test_a_full_memory(write: Write, tmp_path: Path) -> None:
    """Over nine tenths of a device's memory is told with the share."""
    import json

    path = write(step(1, 0, 100), *BUSY, deviceProperties=V100)
    trace = json.loads(path.read_text())
    args = {"Device Type": 1, "Device Id": 0, "Bytes": 950, "Total Allocated": 950, "Total Reserved": 960}
    trace["traceEvents"].append({"ph": "i", "name": "[memory]", "ts": 5, "pid": 1, "tid": 1, "args": args})
    path.write_text(json.dumps(trace))
    found = tb.read_profile(path).recommendations()
    assert [(one.about, one.share) for one in found] == [("memory", 0.95)]


def test_tensor_cores(write: Write) -> None:
    """Work of operators that could use tensor cores, theirs or of what they call; of other types it is none."""
    profile = tb.read_profile(
        write(
            *(op("aten::linear", 0, 20), op("aten::addmm", 2, 16), launch(4, 1), kernel(10, 30, 1)),
            *(op("aten::mm", 30, 10, **{"Input type": ["double", "double"]}), launch(32, 2), kernel(50, 20, 2)),
            *(op("aten::bmm", 60, 10), launch(62, 3), kernel(80, 10, 3, "ampere_fp16_s1688gemm")),
            *(op("aten::relu", 95, 5), launch(96, 4), kernel(100, 40, 4)),
        )
    )
    use = profile.tensor_core_use()
    assert (use.kernels, use.eligible, use.used) == (100_000, 40_000, 10_000)
    assert (use.eligible_share, use.used_share) == (0.4, 0.1)


def test_stages_of_torch(write: Write) -> None:
    """The loader in this process is a stage, with what puts batches together inside it taken off; a pageable copy is
    one; the same operators elsewhere are none."""
    stages = tb.read_profile(
        write(step(1, 0, 100), wait(SINGLE, 0, 40), op("aten::stack", 10, 15), op("aten::stack", 60, 5), *BUSY, COPY)
    ).input_pipeline()
    assert stages.stage == ["DataLoader: in this process", "aten::stack", "pageable copy"]
    assert (stages.self_time / 1000).tolist() == [25, 15, 5]
    assert (stages.total_time / 1000).tolist() == [40, 15, 5]
    assert (stages.waited, stages.slowest) == (0.4, "DataLoader: in this process")
    assert "num_workers" in stages.advice
    other = tb.read_profile(write(step(1, 0, 100), wait(SEVERAL, 0, 40), wait("tallyboard.data", 50, 10)))
    assert other.input_pipeline().kind == ["wait", "wait"]
    assert "prefetch_factor" in other.input_pipeline().advice


def test_stages_of_tensorflow(tmp_path: Path) -> None:
    """Iterators are stages by their path, each without those it asked; what waits for them is not the slowest."""
    space = XSpace()
    plane = space.planes.add(name="/host:CPU")
    plane.stat_metadata[1].name = "step_num"
    line = plane.lines.add(name="python")
    spans = [("Profiled batch", "", 0, 100), ("IteratorGetNextOp::DoCompute", "", 0, 60),
             ("Iterator::Root::Map::Batch", "Iterator::Batch", 100, 0)]  # fmt: skip
    workers = [("Iterator::Root::MapV2", "Iterator::MapV2", 0, 50),
               ("Iterator::Root::MapV2::TFRecord", "Iterator::TFRecord", 5, 20)]  # fmt: skip
    for i, (name, shown, start, dur) in enumerate([*spans, *workers], 1):
        if i == len(spans) + 1:
            line = plane.lines.add(name="tf_data")
        plane.event_metadata[i].name, plane.event_metadata[i].display_name = name, shown
        event = line.events.add(metadata_id=i, offset_ps=start * 1_000_000, duration_ps=dur * 1_000_000)
        if i == 1:
            event.stats.add(metadata_id=1, int64_value=3)
    path = tmp_path / "vm.xplane.pb"
    path.write_bytes(space.SerializeToString())
    stages = tb.read_profile(path).input_pipeline()
    times = dict(zip(stages.stage, (stages.self_time / 1000).tolist(), strict=True))
    assert times == {"IteratorGetNextOp::DoCompute": 60, "Iterator::Root::MapV2": 30,
                     "Iterator::Root::MapV2::TFRecord": 20}  # fmt: skip
    assert (stages.waited, stages.slowest) == (0.6, "Iterator::Root::MapV2")
    assert "num_parallel_calls" in stages.advice


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 90), st.integers(1, 30)), max_size=6), st.integers(0, 10**9))
def test_shares_hold(write: Write, loads: list[tuple[int, int]], shift: int) -> None:
    """Shares are of 0 to 1, no stage has more time by itself than in all, and shifting times changes nothing."""

    def figures(by: int) -> tuple[Any, ...]:
        spans = [wait(SINGLE, by + start, dur) for start, dur in loads]
        profile = tb.read_profile(write(step(1, by, 100), launch(by + 1, 1), kernel(by + 2, 30, 1), *spans))
        stages, told = profile.input_pipeline(), profile.recommendations()
        assert 0 <= stages.waited <= 1
        assert (stages.self_time <= stages.total_time).all()
        assert all(0 <= one.share <= 1 for one in told)
        return [one.about for one in told], stages.stage, np.round(stages.self_time).tolist()

    assert figures(0) == figures(shift)
