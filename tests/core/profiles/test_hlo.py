"""Tables of XLA's operations, on profiles counted by hand: of a CPU's threads, a GPU's streams and a TPU's line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import tallyboard as tb
from tallyboard.core.profiles.hlo import HloTable
from tallyboard.core.proto.hlo_pb2 import HloProto
from tallyboard.core.proto.xplane_pb2 import XPlane, XSpace

Op = tuple[str, int, int]  # name, start and length in microseconds


def stat(plane: XPlane, of: Any, name: str, **value: Any) -> None:
    """Gives something a statistic."""
    numbers = {about.name: number for number, about in plane.stat_metadata.items()}
    number = numbers.get(name, len(numbers) + 1)
    plane.stat_metadata[number].name = name
    of.stats.add(metadata_id=number, **value)


def program(space: XSpace) -> None:
    """The program jit_step(8): a loop fusion, a dot from a line of source, and a copy."""
    proto = HloProto()
    proto.hlo_module.name = "jit_step"
    made = proto.hlo_module.computations.add(name="main")
    made.instructions.add(name="fusion.1", opcode="fusion", fusion_kind="kLoop")
    dot = made.instructions.add(name="dot.2", opcode="dot")
    dot.metadata.op_name, dot.metadata.source_file, dot.metadata.source_line = "jit(step)/mlp/dot", "train.py", 12
    made.instructions.add(name="copy.3", opcode="copy")
    made.instructions.add(name="call.4", opcode="custom-call", custom_call_target="__cublas$gemm")
    plane = space.planes.add(name="/host:metadata")
    plane.event_metadata[1].name = "jit_step(8)"
    stat(plane, plane.event_metadata[1], "Hlo Proto", bytes_value=proto.SerializeToString())


def plane_of(space: XSpace, name: str, line: str, ops: list[Op], module: str | None = "jit_step") -> XPlane:
    """A plane with one line of operations."""
    plane = space.planes.add(name=name)
    made = plane.lines.add(name=line)
    for i, (op, start, dur) in enumerate(ops, 1):
        plane.event_metadata[i].name = op
        event = made.events.add(metadata_id=i, offset_ps=start * 1_000_000, duration_ps=dur * 1_000_000)
        if module is not None:
            stat(plane, event, "hlo_op", str_value=op.encode())
            stat(plane, event, "hlo_module", str_value=module.encode())
    return plane


def read(tmp_path: Path, space: XSpace) -> HloTable:
    path = tmp_path / "host.xplane.pb"
    path.write_bytes(space.SerializeToString())
    return tb.read_profile(path).hlo()


def test_threads_of_a_cpu(tmp_path: Path) -> None:
    """Each operation has its calls, its time, and what its program says of it; spans that are none are left out."""
    space = XSpace()
    program(space)
    ops = [("fusion.1", 0, 10), ("dot.2", 10, 60), ("fusion.1", 80, 20), ("copy.3", 100, 10), ("call.4", 110, 1)]
    plane = plane_of(space, "/host:CPU", "tf_XLAEigen/1", ops)
    plane.event_metadata[9].name = "ThreadpoolListener::Record"
    plane.lines[0].events.add(metadata_id=9, offset_ps=0)
    found = read(tmp_path, space)
    assert found.operation == ["dot.2", "fusion.1", "copy.3", "call.4"]
    assert found.category == ["dot", "loop fusion", "data formatting", "custom-call: __cublas$gemm"]
    assert found.calls.tolist() == [1, 2, 1, 1]
    assert (found.self_time / 1000).tolist() == [60, 30, 10, 1]
    assert found.share.tolist() == pytest.approx([60 / 101, 30 / 101, 10 / 101, 1 / 101])
    assert (found.scope[0], found.source[0], found.module[0]) == ("jit(step)/mlp/dot", "train.py:12", "jit_step")
    assert found.device.tolist() == [-1] * 4
    assert np.isnan(found.flops).all()


def test_a_loop_holds_its_body(tmp_path: Path) -> None:
    """What an operation holds is taken off its own time and not off its whole."""
    space = XSpace()
    plane_of(space, "/host:CPU", "tf_XLAEigen/1", [("while.5", 0, 100), ("dot.2", 10, 30), ("dot.2", 50, 30)])
    found = read(tmp_path, space)
    times = dict(zip(found.operation, zip(found.self_time / 1000, found.total_time / 1000, strict=True), strict=True))
    assert times == {"while.5": (40, 100), "dot.2": (60, 60)}


def test_a_tpu(tmp_path: Path) -> None:
    """A TPU's operations are those of its line of them, of the program that ran at the time; what stands beside their
    names counts for each call."""
    space = XSpace()
    plane = plane_of(space, "/device:TPU:3", "XLA Ops", [("%fusion.1 = f32[8]{0} fusion(%a)", 0, 10)], None)
    about = plane.event_metadata[1]
    about.display_name = "fusion.1"
    stat(plane, about, "hlo_category", str_value=b"convolution fusion")
    stat(plane, about, "flops", uint64_value=1000)
    stat(plane, about, "bytes_accessed", uint64_value=64)
    stat(plane, about, "tf_op", str_value=b"jit(step)/mlp/dot:")
    plane.lines[0].events.add(metadata_id=1, offset_ps=50_000_000, duration_ps=5_000_000)
    plane.event_metadata[2].name = "jit_step(8)"
    plane.lines.add(name="XLA Modules").events.add(metadata_id=2, offset_ps=0, duration_ps=100_000_000)
    found = read(tmp_path, space)
    assert (found.operation, found.module, found.category) == (["fusion.1"], ["jit_step"], ["convolution fusion"])
    assert (found.calls.tolist(), found.self_time.tolist(), found.device.tolist()) == ([2], [15_000], [3])
    assert (found.flops.tolist(), found.bytes.tolist()) == ([2000], [128])


def test_a_gpu(tmp_path: Path) -> None:
    """A GPU's operations are found by what its streams ran; the line that is derived from them is not counted again."""
    space = XSpace()
    program(space)
    plane = plane_of(space, "/device:GPU:0", "Stream #7(compute)", [("fusion.1", 0, 10), ("dot.2", 20, 30)])
    derived = plane.lines.add(name="XLA Ops").events.add(metadata_id=1, offset_ps=0, duration_ps=50_000_000)
    stat(plane, derived, "hlo_op", str_value=b"fusion.1")
    found = read(tmp_path, space)
    assert (found.operation, found.calls.tolist()) == (["dot.2", "fusion.1"], [1, 1])
    assert (found.self_time / 1000).tolist() == [30, 10]


def test_none(tmp_path: Path) -> None:
    """A profile without XLA's operations has a table without rows."""
    space = XSpace()
    plane_of(space, "/host:CPU", "python", [("train", 0, 10)], None)
    assert len(read(tmp_path, space)) == 0


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 50), st.integers(1, 30)), min_size=1, max_size=10),
    st.integers(0, 10**6),
)
def test_shares_add_up(tmp_path: Path, ops: list[Op], shift: int) -> None:
    """Shares add up to one, no operation has more time by itself than in all, and shifting times changes nothing."""
    tables: list[list[tuple[Any, ...]]] = []
    for by in (0, shift):
        space = XSpace()
        plane_of(space, "/host:CPU", "tf_XLAEigen/1", [(name, by + start, dur) for name, start, dur in ops])
        found = read(tmp_path, space)
        assert found.share.sum() == pytest.approx(1)
        assert (found.self_time <= found.total_time + 1e-6).all()
        tables.append(sorted(zip(found.operation, found.calls, found.self_time, found.total_time, strict=True)))
    assert [row[:2] for row in tables[0]] == [row[:2] for row in tables[1]]
    np.testing.assert_allclose([row[2:] for row in tables[0]], [row[2:] for row in tables[1]])
