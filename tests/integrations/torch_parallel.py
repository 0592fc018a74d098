"""A training in two processes on the host, watched in both: `python torch_parallel.py DIRECTORY`.

Each way of spreading it is trained bare first, and then watched. What rank 0 counts by hand is printed as JSON.
"""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, distributed, multiprocessing, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.nn.parallel import DistributedDataParallel

import tallyboard as tb

STEPS = 3


def network(kind: str) -> nn.Module:
    """Two layers, the same in both processes."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1))
    if kind == "ddp":
        return DistributedDataParallel(model)
    mesh = init_device_mesh("cpu", (2,))
    for layer in (model[0], model[2]):
        fully_shard(layer, mesh=mesh)
    return fully_shard(model, mesh=mesh)


def here(tensor: Any) -> Tensor:
    """What this process has of it."""
    return (tensor.to_local() if hasattr(tensor, "to_local") else tensor).detach().clone()


def norm(tensors: list[Tensor]) -> float:
    """Of all of them."""
    return math.sqrt(sum(float(tensor.double().square().sum()) for tensor in tensors))


def train(kind: str, rank: int, folder: str | None) -> tuple[list[Tensor], dict[str, list[float]]]:
    """Trains; gives the weights of this process and its series."""
    model = network(kind)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.5)
    handle = None if folder is None else tb.auto_log(model, folder, every=2, histograms=2, system=False)
    torch.manual_seed(rank)
    found: dict[str, list[float]] = {}
    for number in range(1, STEPS + 1):
        optimizer.zero_grad()
        loss = (model(torch.randn(8, 4)) - 1).square().mean()
        loss.backward()
        found.setdefault("train/loss", []).append(loss.item())
        if number == 1 or number % 2 == 0:
            for end, of in (("", None), ("/0", "0."), ("/2", "2.")):
                named = [(name.removeprefix("module."), one) for name, one in model.named_parameters()]
                kept = [one for name, one in named if of is None or name.startswith(of)]
                found.setdefault(f"gradients/norm{end}", []).append(norm([here(one.grad) for one in kept]))
                found.setdefault(f"weights/norm{end}", []).append(norm([here(one) for one in kept]))
        optimizer.step()
    if handle is not None:
        handle.detach()
    return [here(one) for one in model.parameters()], found


def work(rank: int, folder: str) -> None:
    """What each process does."""
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2)
    series: dict[str, Any] = {}
    for kind in ("ddp", "fsdp"):
        bare, _ = train(kind, rank, None)
        watched, series[kind] = train(kind, rank, f"{folder}/{kind}-of-{rank}")
        assert all(torch.equal(a, b) for a, b in zip(bare, watched, strict=True))
    if rank == 0:
        Path(folder, "series.json").write_text(json.dumps(series), encoding="utf-8")
    distributed.destroy_process_group()


if __name__ == "__main__":
    multiprocessing.start_processes(work, (sys.argv[1],), 2, start_method="fork")
