"""Memory in XSpaces: what TensorFlow's allocators say, as a curve like torch's; also of a real recording."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tallyboard as tb
from tallyboard.core.profiles.model import Profile
from tallyboard.core.proto.xplane_pb2 import XSpace

Record = tuple[float, str, dict[str, Any]]

GPU: dict[str, Any] = {"allocator_name": "GPU_0_bfc", "bytes_reserved": 0}


def taken(time: float, size: int, used: int, address: int, **more: Any) -> Record:
    """A record of memory taken, at microseconds."""
    counts = {"allocation_bytes": size, "bytes_allocated": used, "bytes_available": 1000 - used, "addr": address}
    return time, "MemoryAllocation", {**GPU, "requested_bytes": size - 1, **counts, **more}


def freed(time: float, size: int, used: int, address: int, **more: Any) -> Record:
    return time, "MemoryDeallocation", taken(time, size, used, address, **more)[2]


def read(tmp_path: Path, records: list[Record]) -> Profile:
    """The profile of one operation, MatMul from 0 to 50 us, and records of memory on its thread."""
    space = XSpace()
    plane = space.planes.add(name="/host:CPU")
    line = plane.lines.add(id=1, name="python")
    numbers: dict[str, int] = {}

    def number(name: str) -> int:
        return numbers.setdefault(name, len(numbers) + 1)

    line.events.add(metadata_id=number("MatMul"), offset_ps=0, duration_ps=50_000_000)
    for time, name, stats in records:
        event = line.events.add(metadata_id=number(name), offset_ps=int(time * 1e6))
        for stat, value in stats.items():
            said: Any = {"str_value": value.encode()} if isinstance(value, str) else {"int64_value": value}
            event.stats.add(metadata_id=number(stat), **said)
    for name, at in numbers.items():
        plane.event_metadata[at].name = name
        plane.stat_metadata[at].name = name
    path = tmp_path / "host.xplane.pb"
    path.write_bytes(space.SerializeToString())
    return tb.read_profile(path)


def test_what_an_allocator_says_is_a_curve(tmp_path: Path) -> None:
    """In use after each record, in the order of time; the peak; who took it and for how long; no spans of them."""
    profile = read(
        tmp_path, [freed(70, 256, 512, 8), taken(10, 256, 768, 8, tf_op="dense/MatMul"), taken(80, 128, 640, 9)]
    )
    assert [profile.events.name_of(row) for row in range(len(profile.events))] == ["MatMul"]
    curve = profile.memory()
    assert (curve.time.tolist(), curve.allocated.tolist()) == ([10_000, 70_000, 80_000], [768, 512, 640])
    assert (curve.peak, curve.exact) == (768, True)
    assert profile.allocations.device.tolist() == [0, 0, 0]
    assert profile.devices[0]["totalGlobalMem"] == 1000
    assert profile.memory_by_operator().size.tolist() == [256]
    pieces = profile.lifetimes(0)
    assert (pieces.size.tolist(), pieces.operator) == ([256, 128], ["MatMul", ""])
    np.testing.assert_array_equal(pieces.freed - pieces.taken, [60_000, np.nan])


def test_allocators_of_one_device_are_added_up(tmp_path: Path) -> None:
    """Each allocator counts what it has alone; a device has what all of them have, from before the first record on."""
    host = {"allocator_name": "gpu_host_bfc"}
    other = {"allocator_name": "cpu_bfc"}
    profile = read(tmp_path, [taken(1, 10, 110, 1, **host), taken(2, 5, 25, 2, **other), freed(3, 10, 100, 1, **host)])
    assert profile.memory(-1).allocated.tolist() == [110 + 20, 110 + 25, 100 + 25]
    assert profile.devices == {}


def test_what_an_allocator_keeps_to_itself(tmp_path: Path) -> None:
    """Without what was in use the changes are added up, and the curve says so; a record without a size is counted."""
    records = [taken(1, 10, 0, 1), freed(2, 4, 0, 2), taken(3, 0, 0, 3)]
    for _, _, stats in records:
        del stats["bytes_allocated"]
    records[2][2]["requested_bytes"] = 0
    profile = read(tmp_path, records)
    assert (profile.memory().allocated.tolist(), profile.memory().exact) == ([10, 6], False)
    assert profile.skipped == {"records of memory that cannot be read": 1}


RECORD = """
import sys
import tensorflow as tf

ones = tf.ones((64, 64))
options = tf.profiler.experimental.ProfilerOptions(host_tracer_level=3)
tf.profiler.experimental.start(sys.argv[1], options=options)
held = tf.ones((512, 512))
del held
tf.matmul(ones, ones)
tf.profiler.experimental.stop()
"""


def test_a_recording_of_tensorflow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What TensorFlow itself recorded: a mebibyte is taken and given back, each change as its allocator counts."""
    pytest.importorskip("tensorflow")
    monkeypatch.setenv("TF_CPU_ALLOCATOR_USE_BFC", "1")  # read once a process
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "2")
    subprocess.run([sys.executable, "-c", RECORD, str(tmp_path)], check=True, timeout=300)
    profile = tb.read_profile(tmp_path)
    memory = profile.allocations
    assert set(memory.device.tolist()) == {-1}
    assert np.diff(memory.allocated).tolist() == memory.delta[1:].tolist()
    pieces = profile.lifetimes()
    large = np.flatnonzero(pieces.size >= 512 * 512 * 4)  # its allocator rounds up
    assert len(large) >= 1
    assert (pieces.freed[large] > pieces.taken[large]).any()
    assert profile.memory().peak >= 512 * 512 * 4 + 64 * 64 * 4
    assert not any(name.startswith("Memory") for name in profile.events.names)
