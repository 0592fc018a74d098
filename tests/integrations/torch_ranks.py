"""A training in two processes on the host that is recorded in both: `python torch_ranks.py DIRECTORY`.

The second comes late to every step, by LATE seconds. What each slept and how long its steps took is written as JSON.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

from tallyboard.integrations.torch import profile, trace_handler

STEPS, LATE = 5, 0.2


def main(rank: int, folder: str) -> None:
    """Trains for some steps, of which the last three are recorded: by `profile`, or by torch's profiler."""
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2)
    model = DistributedDataParallel(nn.Sequential(nn.Linear(32, 64), nn.ReLU(), nn.Linear(64, 1)))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    runs, name = Path(folder, "runs"), f"worker{rank}"
    if rank:
        recording = torch.profiler.profile(
            schedule=torch.profiler.schedule(wait=1, warmup=1, active=3, repeat=1),
            on_trace_ready=trace_handler(runs, name, use_gzip=True),
            record_shapes=True,
        )
    else:
        recording = profile(runs, steps=(1, 1, 3), worker_name=name)
    slept, begun, whole = [], [], []
    with recording:
        for _ in range(STEPS):
            began = time.perf_counter()
            if rank:
                time.sleep(LATE)
            slept.append(time.perf_counter() - began)
            optimizer.zero_grad()
            loss = model(torch.ones(8, 32)).square().mean()
            begun.append(time.monotonic())  # one clock for both processes
            loss.backward()
            optimizer.step()
            whole.append(time.perf_counter() - began)
            recording.step()  # the last writes the trace
    distributed.barrier()
    told = {"slept": slept[2:], "backward": begun[2:], "whole": whole[2:]}
    Path(folder, f"told{rank}.json").write_text(json.dumps(told), encoding="utf-8")
    distributed.destroy_process_group()


if __name__ == "__main__":
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    main(int(sys.argv[1]), sys.argv[2])
