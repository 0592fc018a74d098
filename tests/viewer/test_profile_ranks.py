"""Processes that trained together, as the page is told of them: found by their files, each number as core has it."""

from __future__ import annotations

import json
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import tallyboard as tb
from tallyboard.core.profiles.ranks import ranks
from tallyboard.core.reader import LogdirReader
from tallyboard.viewer.app import make_app

from .conftest import Answer, Served, apps


def trace(rank: int, world: int = 2, late: float = 0.0) -> str:
    """Two steps of 100 us: 40 us of a kernel, `late` more of it, and an all-reduce that ends at 80 us for everybody."""
    events: list[dict[str, Any]] = []

    def add(name: str, category: str, start: float, dur: float, tid: int = 1, **args: Any) -> None:
        place = {"ts": start, "dur": dur, "pid": 1, "tid": tid}
        events.append({"ph": "X", "name": name, "cat": category, **place, "args": args})

    for i, at in enumerate((0.0, 100.0)):
        add(f"ProfilerStep#{i}", "user_annotation", at, 100)
        for number, start in ((1, 5.0), (2, 10.0)):
            add("cudaLaunchKernel", "cuda_runtime", at + start, 2, correlation=10 * i + number)
        add("gemm", "kernel", at + 10, 40 + late, 7, device=rank, correlation=10 * i + 1)
        add("ncclDevKernel_AllReduce_Sum_f32_RING_LL(x)", "kernel", at + 50 + late, 30 - late, 8, device=rank,
            correlation=10 * i + 2)  # fmt: skip
    spread = {"distributedInfo": {"backend": "nccl", "rank": rank, "world_size": world}}
    return json.dumps({"schemaVersion": 1, **spread, "traceEvents": events})


@dataclass
class Logdir:
    """A logdir that is served."""

    path: Path
    served: Served

    def get(self, path: str, **query: str) -> Answer:
        return self.served.get(f"/api/profile_ranks{path}?{urllib.parse.urlencode(query)}")


@pytest.fixture(scope="module")
def logdir(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Logdir]:
    """Two ranks in one directory that recorded twice, two that have a run each, and one that is alone."""
    pytest.importorskip("msgspec")
    pytest.importorskip("ijson")
    path = tmp_path_factory.mktemp("ranks") / "logdir"
    for rank in (0, 1):
        for turn in (1, 2):
            folder = path / "together"
            folder.mkdir(parents=True, exist_ok=True)
            name = f"worker{rank}.160000000{turn}000.pt.trace.json"
            (folder / name).write_text(trace(rank, late=10.0 * turn * rank))
        own = path / "job" / f"rank{rank}"
        own.mkdir(parents=True)
        (own / "worker.1600000001000.pt.trace.json").write_text(trace(rank))
    (path / "broken").mkdir()
    (path / "beside").mkdir()
    for rank in (0, 1):
        (path / "broken" / f"worker{rank}.1600000001000.pt.trace.json").write_text(trace(rank, 3))
    for place in ("broken/worker2", "beside/worker0"):
        (path / f"{place}.1600000001000.pt.trace.json").write_text('{"traceEvents": []}')
    (path / "alone").mkdir()
    (path / "alone" / "worker0.1600000001000.pt.trace.json").write_text(trace(0))
    reader = LogdirReader(path)
    reader.poll()
    with apps() as start:
        yield Logdir(path, start(make_app(reader.store, logdir=str(path))))


def test_ranks_of_one_recording_stand_together(logdir: Logdir) -> None:
    """Each recording of a directory by itself, with the times of core: rank 1 computes 20 us longer, rank 0 waits."""
    told = logdir.get("", run="together", trace="worker0.1600000002000.pt.trace.json").json()
    files = [logdir.path / "together" / f"worker{rank}.1600000002000.pt.trace.json" for rank in (0, 1)]
    found = ranks([tb.read_profile(file) for file in files])
    assert told["says"] == found.says
    assert told["says"].startswith("Rank 1 holds up the others: it comes last in 2 of 2 operations")
    assert (told["rank"], told["steps"], told["counted"]) == ([0, 1], ["0", "1"], [2, 2])
    assert told["time"]["computing"] == [40_000, 60_000]
    assert told["time"]["communicating"] == [30_000, 10_000]
    assert told["time"]["waiting"] == [20_000, 0]
    assert (told["late"][0]["rank"], told["late"][0]["caused"], told["late"][0]["last"]) == (1, 40_000, 2)
    first = logdir.get("", run="together", trace="worker0.1600000001000.pt.trace.json").json()
    assert first["time"]["waiting"] == [10_000, 0]


def test_a_step_is_picked(logdir: Logdir) -> None:
    """One step of each rank; one that is not there is refused."""
    told = logdir.get("", run="together", step="1").json()
    assert (told["step"], told["counted"]) == ("1", [1, 1])
    assert logdir.get("", run="together", step="9").status == 400
    assert logdir.get("", run="together", compat="hta").status == 400
    assert logdir.get("", run="nobody").status == 404


def test_ranks_with_a_run_each_stand_together(logdir: Logdir) -> None:
    """Where each process wrote into a run of its own, the runs beside it count."""
    told = logdir.get("", run="job/rank0").json()
    assert told["rank"] == [0, 1]
    assert told["met"] == 2


def test_one_that_cannot_be_read(logdir: Logdir) -> None:
    """A broken trace of the same directory is named, one of a run beside it is left out; the others are compared."""
    told = logdir.get("", run="broken").json()
    assert told["rank"] == [0, 1]
    assert len(told["unread"]) == 1
    assert "worker2.1600000001000.pt.trace.json" in told["unread"][0]
    assert logdir.get("", run="alone").json()["unread"] == []


def test_a_rank_alone_is_told_of(logdir: Logdir) -> None:
    """One trace shows its own steps, and says that nobody can be waited for."""
    told = logdir.get("", run="alone").json()
    assert (told["rank"], told["met"], told["unmatched"]) == ([0], 0, 2)
    assert told["says"].startswith("No operation of communication was recorded by two ranks")


def test_tables_of_communication(logdir: Logdir) -> None:
    """What each rank said, each time they met, and for whom was waited; as files, too."""
    asked = {"run": "together", "trace": "worker0.1600000002000.pt.trace.json"}
    said = logdir.get("/table", **asked, table="operations", sort="rank").json()["cells"]
    assert (said["operation"], said["rank"], said["calls"]) == (["all_reduce"] * 2, [0, 1], [2, 2])
    assert (said["time"], said["waiting"]) == ([60_000, 20_000], [40_000, 0])
    met = logdir.get("/table", **asked, table="collectives").json()["cells"]
    assert (met["step"], met["last"], met["late"]) == (["0", "1"], ["Rank 1"] * 2, [20_000] * 2)
    late = logdir.get("/table", **asked, table="stragglers").json()["cells"]
    assert (late["rank"], late["caused"]) == ([1, 0], [40_000, 0])
    assert len(logdir.get("/file", **asked, table="collectives").body.decode().splitlines()) == 3
    assert logdir.get("/table", **asked, table="moods").status == 400
