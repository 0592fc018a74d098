"""What TallyboardLogger takes of a Lightning training, beside TensorBoardLogger: processor time of all threads.

    python benchmarks/bench_lightning.py [blocks]

A thousand steps are logged each (`log_every_n_steps=1`), with two metrics by `self.log`; Lightning adds the epoch.
First what the logger's methods take when they are called in a row, `log_metrics` and `save` a thousand times and
`finalize`; then what they take within a fit, with what other threads than the one that trains take meanwhile; then what
a TallyboardMonitor adds to a step of the whole fit; and how many tensors the host reads. The loggers take turns in an
order that chance gives; of the blocks' ratios the mean is told with its 95 % interval. A block that is not counted
comes first, and with it what the peer imports when it is first used (TensorFlow too, where that is installed).
"""

from __future__ import annotations

import logging
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from typing import Any

import pytorch_lightning as pl
import torch
from paired import Interval, blocks, load, verdict

from tallyboard.integrations.lightning import TallyboardLogger, TallyboardMonitor

STEPS = 1000
PEER = "TensorBoardLogger"
OURS = "TallyboardLogger"
READS = ("item", "tolist", "__float__", "__int__", "__bool__", "cpu", "numpy")


MAKERS: dict[str, Callable[[str], Any]] = {
    OURS: TallyboardLogger,
    PEER: pl.loggers.TensorBoardLogger,
}


class Model(pl.LightningModule):
    """As small as can be."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(4, 1)

    def training_step(self, batch: torch.Tensor) -> torch.Tensor:
        """Logs two metrics."""
        loss = self.layer(batch).square().mean()
        self.log("train/loss", loss)
        self.log("train/twice", 2 * loss.detach())
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """SGD."""
        return torch.optim.SGD(self.parameters(), lr=0.01)


def calls(name: str) -> float:
    """Milliseconds of processor time for the calls alone."""
    with tempfile.TemporaryDirectory() as folder:
        logger = MAKERS[name](folder)
        logger.log_hyperparams({})
        start = time.process_time()
        for step in range(STEPS):
            logger.log_metrics({"train/loss": 0.5, "train/twice": 1.0, "epoch": 0}, step)
            logger.save()
        logger.finalize("success")
        return 1000 * (time.process_time() - start)


def timed(logger: Any) -> list[float]:
    """Adds up the processor time of a logger's methods, in seconds, in what is returned."""
    spent = [0.0]
    for name in ("log_metrics", "save", "finalize"):
        method = getattr(logger, name)

        def call(*args: Any, method: Any = method, **named: Any) -> None:
            start = time.thread_time()
            method(*args, **named)
            spent[0] += time.thread_time() - start

        setattr(logger, name, call)
    return spent


def fit(name: str, *callbacks: Any) -> tuple[float, float]:
    """Milliseconds of processor time: of a logger within a fit, its threads with it, and of all of the fit."""
    with tempfile.TemporaryDirectory() as folder:
        loader = torch.utils.data.DataLoader(torch.zeros(STEPS, 4), batch_size=1)
        logger = MAKERS[name](folder)
        spent = timed(logger)
        trainer = pl.Trainer(
            max_epochs=1,
            accelerator="cpu",
            logger=logger,
            callbacks=list(callbacks),
            log_every_n_steps=1,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        model = Model()
        whole, here = time.process_time(), time.thread_time()
        trainer.fit(model, loader)
        whole, here = time.process_time() - whole, time.thread_time() - here
        return 1000 * (spent[0] + whole - here), 1000 * whole


def reads() -> dict[str, int]:
    """How many tensors a fit has the host read, by logger: each is a wait for the device, where there is one."""
    found: dict[str, int] = {}
    read = {name: getattr(torch.Tensor, name) for name in READS}
    for name in MAKERS:
        counted = [0]

        def counting(tensor: torch.Tensor, *, method: Any, counted: list[int] = counted) -> Any:
            counted[0] += 1
            return method(tensor)

        try:
            for read_name, method in read.items():
                setattr(torch.Tensor, read_name, lambda tensor, c=counting, m=method: c(tensor, method=m))
            fit(name)
        finally:
            for read_name, method in read.items():
                setattr(torch.Tensor, read_name, method)
        found[name] = counted[0]
    return found


def told(title: str, sides: dict[str, Callable[[], float]], count: int) -> None:
    """Prints what both loggers take, and whether ours takes a third."""
    taken = blocks(sides, count)
    print(f"{title}, {count} blocks of {STEPS} steps")
    for name, values in taken.items():
        print(f"  {name:<18} {Interval(values).text(' ms')}")
    ratio = Interval([b / a for a, b in zip(taken[OURS], taken[PEER], strict=True)])
    print(f"  the peer takes {ratio.text(' x')} of ours; at least 3 x wanted: {verdict(ratio, least=3)}", flush=True)


def main() -> None:
    """Prints the comparisons."""
    warnings.simplefilter("ignore")
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    torch.set_num_threads(1)
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 8
    print(f"Lightning {pl.__version__}, {load()}")
    told("the logger's calls", {name: (lambda name=name: calls(name)) for name in MAKERS}, count)
    told("the logger within a fit", {name: (lambda name=name: fit(name)[0]) for name in MAKERS}, count)
    watched = blocks({"with": lambda: fit(OURS, TallyboardMonitor())[1], "without": lambda: fit(OURS)[1]}, count)
    more = Interval([1000 / STEPS * (a - b) for a, b in zip(watched["with"], watched["without"], strict=True)])
    print(f"a TallyboardMonitor takes {more.text(' us', 0)} a step")
    counted = reads()
    same = "met" if counted[OURS] <= counted[PEER] else "NOT MET"
    print(
        f"tensors that the host reads: {counted[OURS]} with ours, {counted[PEER]} with the peer; no more wanted: {same}"
    )
    print(load())


if __name__ == "__main__":
    main()
