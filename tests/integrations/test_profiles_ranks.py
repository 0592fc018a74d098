"""Two processes that train together are recorded as they are, and read as one: who talks, who waits, and for whom."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

pytest.importorskip("msgspec")
pytest.importorskip("ijson")

import tallyboard as tb
from tallyboard.__main__ import main
from tallyboard.core.profiles.ranks import Ranks, ranks
from tallyboard.core.profiles.reading import find_profiles

PROGRAM = Path(__file__).with_name("torch_ranks.py")
STEPS = 3


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What two processes under DDP with gloo left; rank 0 was recorded by `profile`, rank 1 through `trace_handler`."""
    if not torch.distributed.is_gloo_available():
        pytest.skip("this build of torch has no gloo")
    folder = tmp_path_factory.mktemp("ranks")
    local = {"GLOO_SOCKET_IFNAME": "lo"} if sys.platform == "linux" else {}
    command = [sys.executable, "-W", "ignore", str(PROGRAM)]
    running = [
        subprocess.Popen([*command, str(rank), str(folder)], stderr=subprocess.PIPE, env={**os.environ, **local})
        for rank in range(2)
    ]
    try:
        for process in running:
            _, said = process.communicate(timeout=300)
            assert process.returncode == 0, said.decode()
    finally:
        for process in running:
            process.kill()
    return folder


@pytest.fixture(scope="module")
def found(folder: Path) -> Ranks:
    return ranks([tb.read_profile(path) for path in find_profiles(folder / "runs")])


def timed(folder: Path) -> list[dict[str, Any]]:
    """What the processes timed themselves: seconds of each recorded step."""
    return [json.loads((folder / f"told{rank}.json").read_text(encoding="utf-8")) for rank in range(2)]


def test_each_file_knows_its_rank(folder: Path) -> None:
    """Both are of one directory, each with its rank, and a process alone is judged by its communication."""
    profiles = [tb.read_profile(path) for path in find_profiles(folder / "runs")]
    assert [(one.worker, one.rank, one.world, len(one.steps)) for one in profiles] == [
        ("worker0", 0, 2, STEPS),
        ("worker1", 1, 2, STEPS),
    ]
    assert profiles[0].verdict().kind == "communication-bound"
    assert tb.read(folder / "runs").runs == ["."]


def test_the_late_one_is_named(folder: Path, found: Ranks) -> None:
    """Rank 1 slept before each step: it comes last each time, rank 0 waits for as long as the two began their backward
    passes apart, and the sentence says so."""
    late = found.stragglers
    one, other = timed(folder)
    apart = np.array(other["backward"]) - np.array(one["backward"])
    assert late.rank.tolist() == [1, 0]
    assert (late.last.tolist(), late.collectives.tolist()) == ([STEPS, 0], [STEPS, STEPS])
    assert late.caused[0] / 1e9 == pytest.approx(apart.sum(), rel=0.15, abs=0.1)
    assert late.waited.tolist() == [0.0, late.caused[0]]
    assert found.says.startswith(f"Rank 1 holds up the others: it comes last in {STEPS} of {STEPS} operations")


def test_what_they_say_to_each_other(found: Ranks) -> None:
    """One bucket of gradients a step, of as many bytes as the model has parameters, without a rest."""
    table = found.operations
    assert (table.operation, table.rank.tolist(), table.calls.tolist()) == (["all_reduce"] * 2, [0, 1], [STEPS] * 2)
    assert table.bytes.tolist() == [STEPS * 4 * (32 * 64 + 64 + 64 + 1)] * 2
    assert table.transfer[0] == pytest.approx(table.transfer[1])
    assert (len(found.collectives), found.unmatched) == (STEPS, 0)
    assert found.collectives.last.tolist() == [1] * STEPS


def test_times_are_the_steps(folder: Path, found: Ranks) -> None:
    """The parts add up to each step, steps are as long as the loop timed, and rank 1's sleep is no work."""
    time = found.time
    np.testing.assert_allclose(time.computing + time.overlap + time.communicating + time.other, time.duration)
    assert (time.overlap >= 0).all()
    for rank, told in enumerate(timed(folder)):
        mine = time.rank == rank
        assert time.duration[mine].sum() / 1e9 == pytest.approx(sum(told["whole"]), rel=0.15, abs=0.1)
        assert time.other[mine].sum() / 1e9 >= sum(told["slept"]) * (rank == 1)


def test_the_command_says_it(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`tallyboard profile DIR` ends with who holds up whom."""
    assert main(["profile", str(folder / "runs"), "--top", "1"]) == 0
    assert "Rank 1 holds up the others" in capsys.readouterr().out.rpartition("2 ranks")[2]
