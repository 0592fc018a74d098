"""Modules and what the backward pass did for them: on traces counted by hand, as trees of spans and of scopes."""

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
from tallyboard.core.profiles.modules import ModuleTable
from tallyboard.core.proto.xplane_pb2 import XSpace

from .conftest import Write, kernel, step


def module(name: str, start: float, dur: float, thread: int = 1) -> tuple[Any, ...]:
    """A call of a module."""
    return (f"nn.Module: {name}", "python_function", start, dur, thread, {})


def operation(name: str, start: float, dur: float, number: int, forward: int = 0, thread: int = 1) -> tuple[Any, ...]:
    """An operation that autograd numbered; with the forward pass's thread, one of the backward pass."""
    return (name, "cpu_op", start, dur, thread, {"Sequence number": number, "Fwd thread id": forward})


def launching(start: float, number: int, thread: int = 1) -> tuple[Any, ...]:
    """A call that launches work, from any thread."""
    return ("cudaLaunchKernel", "cuda_runtime", start, 1, thread, {"correlation": number})


NET = [
    step(1, 0, 400),
    module("Net_0", 0, 100),
    module("Linear_0", 10, 40),
    operation("aten::linear", 12, 30, 0),
    operation("aten::addmm", 15, 20, 0),
    launching(20, 1),
    module("ReLU_0", 60, 20),
    operation("aten::relu", 62, 10, 1),
    launching(65, 2),
    kernel(30, 25, 1),
    kernel(70, 5, 2),
    operation("autograd::engine::evaluate_function: ReluBackward0", 200, 20, 1, 1, thread=2),
    operation("ReluBackward0", 205, 10, 1, 1, thread=2),
    launching(206, 3, 2),
    operation("autograd::engine::evaluate_function: AddmmBackward0", 230, 50, 0, 1, thread=2),
    operation("AddmmBackward0", 235, 40, 0, 1, thread=2),
    launching(240, 4, 2),
    kernel(220, 7, 3),
    kernel(250, 60, 4),
]


def rows(found: ModuleTable) -> dict[str, list[float]]:
    """Microseconds of each module by its path."""
    columns = ("host_self", "host_total", "device_self", "device_total", "backward_host", "backward_device")
    return {path: [getattr(found, name)[i] / 1000 for name in columns] for i, path in enumerate(found.path)}


def test_modules_of_torch(write: Write) -> None:
    """A module has the time of its calls, of the work launched inside, and of what autograd did for its operations."""
    found = tb.read_profile(write(*NET)).modules()
    assert found.name == ["Net_0", "Linear_0", "ReLU_0"]
    assert found.parent.tolist() == [-1, 0, 0]
    assert found.depth.tolist() == [0, 1, 1]
    assert found.calls.tolist() == [1, 1, 1]
    assert rows(found) == {
        "Net_0": [40, 100, 0, 30, 70, 67],
        "Net_0/Linear_0": [40, 40, 25, 25, 50, 60],
        "Net_0/ReLU_0": [20, 20, 5, 5, 20, 7],
    }


def test_flows(write: Write) -> None:
    """Calls lead to their work; operations, the last begun with a number, to the outermost span of their backward."""
    profile = tb.read_profile(write(*NET))
    names = {kind: [[profile.events.name_of(row) for row in pair] for pair in flows.tolist()] for kind, flows in
             profile.flows.items()}  # fmt: skip
    assert names["launch"] == [["cudaLaunchKernel", "gemm"]] * 4
    assert names["backward"] == [
        ["aten::relu", "autograd::engine::evaluate_function: ReluBackward0"],
        ["aten::addmm", "autograd::engine::evaluate_function: AddmmBackward0"],
    ]


def test_two_threads_of_one_forward_pass(write: Write) -> None:
    """Where two threads number their operations alike, which one a backward pass means is not guessed; where only one
    has the numbers, it is that one."""
    both = [operation("aten::mul", 0, 5, 0, thread=1), operation("aten::mul", 0, 5, 0, thread=3)]
    back = operation("MulBackward0", 50, 5, 0, 1, thread=2)
    assert len(tb.read_profile(write(*both, back)).flows["backward"]) == 0
    profile = tb.read_profile(write(both[0], operation("aten::mul", 0, 5, 9, thread=3), back))
    assert profile.flows["backward"].tolist() == [[0, 2]]


def test_a_module_called_in_two_places(write: Write) -> None:
    """A module inside two others is two rows, one in each; a second call adds to the first."""
    path = write(
        *(module("A_0", 0, 50), module("Shared_0", 10, 10), module("Shared_0", 30, 10)),
        *(module("B_0", 60, 30), module("Shared_0", 70, 10)),
    )
    found = tb.read_profile(path).modules()
    assert found.path == ["A_0", "A_0/Shared_0", "B_0", "B_0/Shared_0"]
    assert found.calls.tolist() == [1, 2, 1, 1]
    assert (found.host_total / 1000).tolist() == [50, 20, 30, 10]
    assert (found.host_self / 1000).tolist() == [30, 20, 20, 10]


def test_no_modules(write: Write) -> None:
    """A trace without modules has a table without rows."""
    assert len(tb.read_profile(write(step(1, 0, 10), ("aten::mm", "cpu_op", 1, 5, 1, {}))).modules()) == 0


def scoped(tmp_path: Path, plane_name: str, line_name: str, operations: list[tuple[str, str, int, int]]) -> Path:
    """Writes an XSpace of operations, each (name, name that is shown, start, length), in microseconds."""
    space = XSpace()
    plane = space.planes.add(name=plane_name)
    line = plane.lines.add(name=line_name)
    plane.stat_metadata[1].name = "tf_op"
    for i, (name, shown, start, dur) in enumerate(operations, 1):
        plane.event_metadata[i].name = name
        plane.event_metadata[i].display_name = shown
        event = line.events.add(metadata_id=i, offset_ps=start * 1_000_000, duration_ps=dur * 1_000_000)
        if plane_name.startswith("/device"):
            event.stats.add(metadata_id=1, str_value=name.encode())
    path = tmp_path / "host.xplane.pb"
    path.write_bytes(space.SerializeToString())
    return path


def test_scopes_of_tensorflow(tmp_path: Path) -> None:
    """Keras' layers are scopes of operations; what stands inside an operation is its own, gradients are a layer's
    backward pass, and the ways into a graph are no scopes."""
    call = "StatefulPartitionedCall"
    path = scoped(
        tmp_path,
        "/host:CPU",
        "tf_Compute/1",
        [
            (f"{call}/net_1/dense_1/BiasAdd:BiasAdd", "BiasAdd", 0, 10),
            (f"{call}/net_1/dense_1/BiasAdd/ReadVariableOp:ReadVariableOp", "ReadVariableOp", 20, 5),
            (f"{call}/net_1/add_1/Add:AddV2", "AddV2", 30, 7),
            (f"{call}/gradient_tape/net_1/dense_1/BiasAdd/BiasAddGrad:BiasAddGrad", "BiasAddGrad", 40, 20),
            (f"{call}/Cast:Cast", "Cast", 70, 3),
            ("Iterator::Root::Map:4", "Iterator::Map", 80, 3),
        ],
    )
    found = tb.read_profile(path).modules()
    assert rows(found) == {
        "net_1": [0, 22, 0, 0, 20, 0],
        "net_1/dense_1": [15, 15, 0, 0, 20, 0],
        "net_1/add_1": [7, 7, 0, 0, 0, 0],
    }


def test_scopes_of_jax(tmp_path: Path) -> None:
    """Functions and flax's modules are scopes, transformations are not, and a transposed one is the backward pass."""
    path = scoped(
        tmp_path,
        "/device:GPU:0",
        "Stream #7(compute)",
        [
            ("jit(step)/jit(main)/jvp(MLP)/Dense_0/dot_general:", "gemm", 0, 10),
            ("jit(step)/jit(main)/transpose(jvp(MLP))/Dense_0/dot_general:", "gemm", 20, 30),
            ("jit(step)/jvp(jit(log_softmax))/sub:", "loop_fusion", 60, 5),
        ],
    )
    found = tb.read_profile(path).modules()
    assert rows(found) == {
        "step": [0, 0, 0, 15, 0, 30],
        "step/MLP": [0, 0, 0, 10, 0, 30],
        "step/MLP/Dense_0": [0, 0, 10, 10, 0, 30],
        "step/log_softmax": [0, 0, 5, 5, 0, 0],
    }
    assert found.calls.tolist() == [1, 1, 1, 1]


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(-1, 2), min_size=1, max_size=20), st.integers(0, 10**9))
def test_times_of_modules_add_up(write: Write, moves: list[int], shift: int) -> None:
    """The roots' times are those of all modules by themselves, a parent has at least its children's, and shifting a
    trace's times changes nothing."""
    calls: list[tuple[Any, ...]] = []
    begun: list[tuple[int, int]] = []
    for time, move in enumerate([*moves, *[-1] * len(moves)]):  # a module is called, or the last one returns
        if move >= 0:
            begun.append((time, move))
        elif begun:
            start, name = begun.pop()
            calls.append((f"M_{name}", start, time - start))

    def table(by: int) -> ModuleTable:
        spans = (module(name, by + start, dur) for name, start, dur in calls)
        return tb.read_profile(write(step(1, by, 1), *spans)).modules()

    found = table(0)
    roots = found.parent < 0
    assert found.host_total[roots].sum() == pytest.approx(found.host_self.sum())
    assert found.calls.sum() == len(calls)
    inside = np.zeros(len(found))
    np.add.at(inside, found.parent[~roots], found.host_total[~roots])
    np.testing.assert_allclose(found.host_self, found.host_total - inside, atol=1e-6)
    assert found.host_self.min(initial=0) >= 0
    again = table(shift)
    assert (again.path, again.calls.tolist()) == (found.path, found.calls.tolist())
    np.testing.assert_allclose(again.host_total, found.host_total)
