"""What traces are called, and what their names tell, for every producer's habit."""

from __future__ import annotations

from datetime import datetime

import pytest

from tallyboard.core.profiles.files import is_trace, recorded, traces, worker_of

XSPACE = "plugins/profile/2026_11_21_21_23_45/vm.xplane.pb"


@pytest.mark.parametrize(
    ("name", "is_one"),
    [
        ("worker0.1623143089861.pt.trace.json", True),
        ("worker0.1623143089861.pt.trace.json.gz", True),
        ("host.xplane.pb", True),
        ("host.trace.json.gz", True),
        ("trace_12.json", True),
        ("perfetto_trace.json.gz", False),
        ("events.out.tfevents.1", False),
        ("host.hlo_proto.pb", False),
        ("metrics.json", False),
    ],
)
def test_names_of_traces(name: str, is_one: bool) -> None:
    """torch's, XSpaces and Chrome traces are; what else lies in such directories is not."""
    assert is_trace(name) is is_one


@pytest.mark.parametrize(
    ("path", "worker", "when"),
    [
        ("worker0.1623143089861.pt.trace.json.gz", "worker0", 1623143089.861),
        ("a/host_4711.1795296185579005054.pt.trace.json", "host_4711", 1795296185.579005),
        ("rank-0.Apr_03_18_51_38.1102.pt.trace.json.gz", "rank-0.Apr_03_18_51_38.1102", None),
        (XSPACE, "vm", datetime(2026, 11, 21, 21, 23, 45).timestamp()),
        ("plugins/profile/2026_13_41_99_99_99/vm.xplane.pb", "vm", None),
    ],
)
def test_worker_and_time(path: str, worker: str, when: float | None) -> None:
    """Milliseconds or nanoseconds in torch's names, the directory above an XSpace; nothing where neither is there."""
    assert worker_of(path.rpartition("/")[2]) == worker
    assert recorded(path) == (None if when is None else pytest.approx(when, abs=1e-6))


def test_each_profile_stands_once() -> None:
    """JAX writes an XSpace and the same as a Chrome trace beside it; that of another host is one of its own."""
    twin = XSPACE.replace(".xplane.pb", ".trace.json.gz")
    alone = twin.replace("vm", "other")
    assert traces([twin, XSPACE, alone, "x/perfetto_trace.json.gz", "x/notes.txt"]) == [alone, XSPACE]
