"""What auto_log adds to a training step: process CPU time, all threads, with its defaults and with nan="trace".

    python benchmarks/bench_auto_log.py [blocks] [alone]

Two trainings of the same model take turns, ten steps each: one is watched, and writes to a directory of its own with
`auto_log`'s defaults. Of its turns each ends with a flush, so that what the thread that writes has done is counted
where it belongs. Five turns of each are a block of 50 steps, one of which is looked at closely. Of the blocks' ratios
the mean is printed with its 95 % interval: at most 3 % is wanted, which is met when the interval's upper end is below
it. The median, which another program's bursts move less, is printed with its own. Beside it are hooks on each parameter
that read the norm of its gradient at once, as wandb.watch has; `alone` leaves them out. The table of memory has the
medians of the most that a training held, in processes of their own which have loaded all code before.
"""

from __future__ import annotations

import gc
import math
import random
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

import tallyboard as tb

WANTED = 3.0
MEMORY_WANTED = 2.0
STEPS = 50
TURN = 10


class Residual(nn.Module):
    """What a part adds to its input."""

    def __init__(self, *parts: nn.Module) -> None:
        super().__init__()
        self.part = nn.Sequential(*parts)

    def forward(self, x: Tensor) -> Tensor:
        """The sum."""
        return x + self.part(x)


def perceptron() -> tuple[nn.Module, Tensor]:
    """24 blocks: 146 tensors of parameters, 97 modules without others in them."""
    blocks = [Residual(nn.LayerNorm(64), nn.Linear(64, 256), nn.ReLU(), nn.Linear(256, 64)) for _ in range(24)]
    return nn.Sequential(*blocks, nn.Linear(64, 10)), torch.randn(32, 64)


def resnet() -> tuple[nn.Module, Tensor]:
    """Six residual blocks of two convolutions."""

    def block(width: int) -> nn.Module:
        convolutions = [nn.Conv2d(width, width, 3, padding=1, bias=False) for _ in range(2)]
        return Residual(convolutions[0], nn.BatchNorm2d(width), nn.ReLU(), convolutions[1], nn.BatchNorm2d(width))

    stem = [nn.Conv2d(3, 16, 3, padding=1), *(block(16) for _ in range(3)), nn.Conv2d(16, 32, 3, stride=2)]
    return nn.Sequential(
        *stem, *(block(32) for _ in range(3)), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 10)
    ), (torch.randn(16, 3, 24, 24))


class Training:
    """A model with its optimizer and one batch, for as many steps as are asked for."""

    def __init__(self, make: Callable[[], tuple[nn.Module, Tensor]]) -> None:
        torch.manual_seed(0)
        self.model, self.x = make()
        self.y = torch.randint(0, 10, (self.x.shape[0],))
        self.optimizer = torch.optim.AdamW(self.model.parameters(), 1e-4)

    def steps(self, count: int) -> None:
        """Trains."""
        for _ in range(count):
            self.optimizer.zero_grad()
            nn.functional.cross_entropy(self.model(self.x), self.y).backward()
            self.optimizer.step()


Watch = Callable[["Training"], tuple[Callable[[], None], Callable[[], None]]]
"""Begins to watch a training; gives what ends a turn, and what ends it all."""


def watched(**options: Any) -> Watch:
    """auto_log, into a directory that is then removed."""

    def attach(training: Training) -> tuple[Callable[[], None], Callable[[], None]]:
        folder = tempfile.mkdtemp()
        handle = tb.auto_log(training.model, folder, **options)

        def detach() -> None:
            handle.detach()
            shutil.rmtree(folder)

        return handle.writer.flush, detach

    return attach


def item_hooks(training: Training) -> tuple[Callable[[], None], Callable[[], None]]:
    """A hook on each parameter that waits for the norm of its gradient."""
    found: list[float] = []
    hooks = [
        p.register_hook(lambda gradient: found.append(gradient.norm().item())) for p in training.model.parameters()
    ]

    def remove() -> None:
        for hook in hooks:
            hook.remove()

    return found.clear, remove


def turn(training: Training, end: Callable[[], None]) -> float:
    """Seconds of processor time of ten steps."""
    began = time.process_time()
    training.steps(TURN)
    end()
    return time.process_time() - began


def measure(make: Callable[[], tuple[nn.Module, Tensor]], attach: Watch, blocks: int) -> tuple[list[float], float]:
    """The ratio of each block with to one without, and the median of milliseconds of a step without."""
    plain, looked_at = Training(make), Training(make)
    end, detach = attach(looked_at)
    for training in (plain, looked_at):
        training.steps(STEPS)  # what is logged once, and memory that torch keeps
    sides = [(plain, lambda: None), (looked_at, end)]
    ratios: list[float] = []
    bare: list[float] = []
    for _ in range(blocks):
        gc.collect()
        taken = {id(plain): 0.0, id(looked_at): 0.0}
        for _ in range(STEPS // TURN):
            random.shuffle(sides)
            for training, last in sides:
                taken[id(training)] += turn(training, last)
        ratios.append(taken[id(looked_at)] / taken[id(plain)])
        bare.append(1000 * taken[id(plain)] / STEPS)
    detach()
    return ratios, statistics.median(bare)


def interval(ratios: list[float]) -> tuple[float, float, float]:
    """The mean of ratios with its 95 % interval, in percent above 1, by the t distribution's 2.02 of 40 blocks."""
    middle, spread = statistics.fmean(ratios), statistics.stdev(ratios) / math.sqrt(len(ratios))
    return tuple(100 * (value - 1) for value in (middle, middle - 2.02 * spread, middle + 2.02 * spread))  # type: ignore[return-value]


def compare(title: str, make: Callable[[], tuple[nn.Module, Tensor]], blocks: int, alone: bool) -> None:
    """Prints one model's table."""
    sides: dict[str, Watch] = {"auto_log": watched()}
    if not alone:
        sides |= {'auto_log, nan="trace"': watched(nan="trace"), ".item() hooks": item_hooks}
    measure(make, watched(), 1)
    print(f"{title}, {blocks} pairs of blocks of {STEPS} steps")
    for name, attach in sides.items():
        found, milliseconds = measure(make, attach, blocks)
        middle, least, most = interval(found)
        verdict = ""
        if name == "auto_log":
            verdict = "met" if most < WANTED else "NOT MET" if least > WANTED else "inconclusive"
            verdict = f"  at most {WANTED} % wanted: {verdict}"
        print(
            f"  {name:<24} {middle:+6.2f} %  [{least:+.2f} .. {most:+.2f}], median {_median(found)}, "
            f"of {milliseconds:.2f} ms{verdict}",
            flush=True,
        )


def _median(ratios: list[float]) -> str:
    """The median with its 95 % interval, by the binomial distribution of ranks."""
    ranked = sorted(100 * (ratio - 1) for ratio in ratios)
    apart = math.ceil(0.98 * math.sqrt(len(ranked)))
    least, most = ranked[max(0, len(ranked) // 2 - apart)], ranked[min(len(ranked) - 1, (len(ranked) - 1) // 2 + apart)]
    return f"{statistics.median(ranked):+.2f} % [{least:+.2f} .. {most:+.2f}]"


def most_memory(side: str) -> None:
    """Prints the most memory that six steps of a model of 67 million weights held, bytes.

    Both sides have watched a small model before, so that what the code itself takes, once and whatever the model, is in
    both.
    """
    train_few(16, 2, watch=True)
    train_few(2048, 16, watch=side == "with")
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)


def train_few(width: int, layers: int, watch: bool) -> None:
    """Six steps of a perceptron."""
    torch.manual_seed(0)
    model = nn.Sequential(*[nn.Linear(width, width, bias=False) for _ in range(layers)])
    optimizer = torch.optim.SGD(model.parameters(), 1e-4)
    x = torch.randn(8, width)
    detach = watched(every=2)(_Model(model))[1] if watch else lambda: None
    for _ in range(6):
        optimizer.zero_grad()
        model(x).square().mean().backward()
        optimizer.step()
    detach()


class _Model(Training):
    def __init__(self, model: nn.Module) -> None:
        self.model = model


def memory() -> None:
    """Prints the table of memory."""

    def once(side: str) -> int:
        done = subprocess.run([sys.executable, __file__, "--memory", side], capture_output=True, text=True, check=True)
        return int(done.stdout)

    weights = 16 * 2048 * 2048 * 4
    held = [(once("with"), once("without")) for _ in range(7)]  # each varies by a matrix, as the allocator has it
    more = [100 * (ours - theirs) / weights for ours, theirs in held]
    middle = 100 * (statistics.median(one for one, _ in held) - statistics.median(one for _, one in held)) / weights
    verdict = "met" if middle < MEMORY_WANTED else "NOT MET"
    print(f"memory, {weights >> 20} MiB of weights: {middle:+.2f} % of them [{min(more):+.2f} .. {max(more):+.2f}]")
    print(f"  at most {MEMORY_WANTED} % wanted: {verdict}")


def main() -> None:
    """Prints the tables."""
    if sys.argv[1:2] == ["--memory"]:
        most_memory(sys.argv[2])
        return
    torch.set_num_threads(1)
    blocks = int(sys.argv[1]) if len(sys.argv) > 1 else 40
    alone = sys.argv[2:] == ["alone"]
    compare("24-block perceptron", perceptron, blocks, alone)
    compare("small ResNet", resnet, blocks, alone)
    memory()


if __name__ == "__main__":
    main()
