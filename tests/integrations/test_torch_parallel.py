"""`auto_log` on PyTorch where a training is spread: over processes, over devices, or half of it kept on the host."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import tallyboard as tb

PROGRAM = Path(__file__).with_name("torch_parallel.py")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What two processes, trained with gloo, have left; in each the weights were the same bits with and without."""
    folder = tmp_path_factory.mktemp("parallel")
    command = [sys.executable, "-W", "ignore", str(PROGRAM), str(folder)]
    local = {"GLOO_SOCKET_IFNAME": "lo"} if sys.platform == "linux" else {}  # a host's own name may lead nowhere
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, env={**os.environ, **local})
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.parametrize("kind", ["ddp", "fsdp"])
def test_two_processes(folder: Path, kind: str) -> None:
    """Rank 0 alone writes: its losses, and norms of the gradients that its step applies and of the weights it has.

    Under DDP these are the averages of both; under FSDP its part, and a note says so. Modules have the names that they
    have without the wrapper, and the environment says whose run it is.
    """
    assert not (folder / f"{kind}-of-1").exists()
    scalars = tb.read(folder)[f"{kind}-of-0"].scalars()
    wanted = json.loads((folder / "series.json").read_text(encoding="utf-8"))[kind]
    assert len(wanted) == 7
    for tag, values in wanted.items():
        steps = [1, 2, 3] if tag == "train/loss" else [1, 2]
        assert scalars[tag].step.tolist() == steps, tag
        assert scalars[tag].value.tolist() == pytest.approx(values, rel=1e-6), tag
    assert not [tag for tag in scalars if "module" in tag]
    written = b"".join(path.read_bytes() for path in (folder / f"{kind}-of-0").iterdir())
    assert b"0 of 2; the others write nothing" in written
    assert (b"part that rank 0 of 2 has" in written) == (kind == "fsdp")


def test_data_parallel(log: Any) -> None:
    """A model within DataParallel is told of by its own modules, with the losses of the plain training."""

    def losses_of(model: nn.Module) -> list[float]:
        torch.manual_seed(1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        losses: list[float] = []
        for _ in range(3):
            optimizer.zero_grad()
            loss = (model(torch.randn(8, 4)) - 1).square().mean()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        return losses

    def network() -> nn.Sequential:
        torch.manual_seed(0)
        return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1))

    wanted = losses_of(network())
    model = nn.DataParallel(network())
    with tb.auto_log(model, writer=log.writer):
        losses_of(model)
    assert log["train/loss"] == list(enumerate(wanted, 1))
    assert {"gradients/norm/0", "weights/norm/2", "activations/dead/1", "activations/mean/2"} <= log.tags()
    assert not [tag for tag in log.tags() if "module" in tag]


def test_activations_kept_on_the_host(log: Any) -> None:
    """Where what backward needs is packed away and fetched again, the series are those of the plain training."""

    def train(watched: nn.Module, offload: bool) -> None:
        optimizer = torch.optim.SGD(watched.parameters(), lr=0.1)
        with torch.autograd.graph.save_on_cpu() if offload else torch.enable_grad():
            for _ in range(3):
                optimizer.zero_grad()
                watched(torch.ones(8, 4)).square().mean().backward()
                optimizer.step()

    series: list[dict[str, Any]] = []
    for offload in (False, True):
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1))
        sink = tb.MemorySink()
        with tb.SummaryWriter(sink=sink) as writer, tb.auto_log(model, writer=writer):
            train(model, offload)
        scalars = [event for event in sink.events if event.summary.plugin == "scalars"]
        found = {(event.summary.tag, event.step): event.summary.value for event in scalars}
        series.append({key: value for key, value in found.items() if not key[0].startswith("time/")})
    assert series[0] == series[1]
    assert ("train/loss", 3) in series[0]


def test_parameters_that_move_while_they_are_looked_at(log: Any) -> None:
    """A step that leaves a parameter elsewhere, as offloading does, costs its share of the update ratio and no more."""

    def leave(*_: Any) -> None:
        model[2].weight.data = model[2].weight.data.double()

    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    optimizer.register_step_post_hook(leave)
    with tb.auto_log(model, writer=log.writer):
        model(torch.ones(8, 4)).square().mean().backward()
        before = [one.detach().clone() for one in (*model[0].parameters(), model[2].bias)]
        optimizer.step()
    after = [one.detach() for one in (*model[0].parameters(), model[2].bias)]
    moved = sum(float((a - b).double().square().sum()) for a, b in zip(after, before, strict=True))
    base = sum(float(one.double().square().sum()) for one in before)
    assert log["weights/update_ratio"] == [(1, pytest.approx((moved / base) ** 0.5, rel=1e-4))]
    assert len(log["weights/norm"]) == 1
