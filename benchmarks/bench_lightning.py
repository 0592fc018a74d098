"""What TallyboardLogger takes of a Lightning training, beside TensorBoardLogger: processor time of all threads.

    python benchmarks/bench_lightning.py [rounds]

A thousand steps are logged each (`log_every_n_steps=1`), with two metrics by `self.log`; Lightning adds the epoch. The
first table is what the logger's methods take when they are called in a row, `log_metrics` and `save` a thousand times
and `finalize`; the second what they take within a fit, with what other threads than the one that trains take meanwhile;
the third the whole fit with a TallyboardMonitor, and without. A round that is not counted comes first, and with it what
the peer imports when it is first used (TensorFlow too, where that is installed).
"""

from __future__ import annotations

import logging
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from typing import Any

import pytorch_lightning as pl
import torch
from side_by_side import compare

from tallyboard.integrations.lightning import TallyboardLogger, TallyboardMonitor

STEPS = 1000
PEER = "TensorBoardLogger"
OURS = "TallyboardLogger"


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


def main() -> None:
    """Prints the comparisons."""
    warnings.simplefilter("ignore")
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    torch.set_num_threads(1)
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    result = compare(
        f"{STEPS} steps, the logger's calls, CPU time",
        "ms",
        {name: (lambda name=name: calls(name)) for name in (OURS, PEER)},
        rounds,
    )
    print(result.report({PEER: 3}), flush=True)
    within = compare(
        f"{STEPS} steps of a fit, the logger and its threads, CPU time",
        "ms",
        {name: (lambda name=name: fit(name)[0]) for name in MAKERS},
        rounds,
    )
    print(within.report({PEER: 3}), flush=True)
    watched = compare(
        f"a fit of {STEPS} steps, CPU time",
        "ms",
        {"with a monitor": lambda: fit(OURS, TallyboardMonitor())[1], "without": lambda: fit(OURS)[1]},
        rounds,
    )
    print(watched.report({}))
    pairs = zip(watched.rounds["with a monitor"], watched.rounds["without"], strict=True)
    print(f"  the monitor: {1000 / STEPS * statistics.median(a - b for a, b in pairs):.0f} us a step")


if __name__ == "__main__":
    main()
