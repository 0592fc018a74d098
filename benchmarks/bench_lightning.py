"""What TallyboardLogger takes of a Lightning training, beside TensorBoardLogger: processor time of all threads.

    python benchmarks/bench_lightning.py [rounds]

A thousand steps are logged each (`log_every_n_steps=1`), with two metrics by `self.log`; Lightning adds the epoch. The
first table is what Lightning's calls of the logger take, `log_metrics` and `save` a thousand times and `finalize`; the
second the whole fit, less one whose logger does nothing; the third the fit with a TallyboardMonitor, less one without.
A round that is not counted comes first, and with it what the peer imports when it is first used (TensorFlow too, where
that is installed).
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
from pytorch_lightning.loggers.logger import DummyLogger
from side_by_side import Comparison, compare

from tallyboard.integrations.lightning import TallyboardLogger, TallyboardMonitor

STEPS = 1000
PEER = "TensorBoardLogger"
OURS = "TallyboardLogger"


class Quiet(DummyLogger):
    """Takes everything, as a class of its own: Lightning treats DummyLogger in another way."""


MAKERS: dict[str, Callable[[str], Any]] = {
    OURS: TallyboardLogger,
    PEER: pl.loggers.TensorBoardLogger,
    "none": lambda _: Quiet(),
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


def fit(name: str, *callbacks: Any) -> float:
    """Milliseconds of processor time for a fit."""
    with tempfile.TemporaryDirectory() as folder:
        loader = torch.utils.data.DataLoader(torch.zeros(STEPS, 4), batch_size=1)
        trainer = pl.Trainer(
            max_epochs=1,
            accelerator="cpu",
            logger=MAKERS[name](folder),
            callbacks=list(callbacks),
            log_every_n_steps=1,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        model = Model()
        start = time.process_time()
        trainer.fit(model, loader)
        return 1000 * (time.process_time() - start)


def less(of: Comparison, base: str) -> dict[str, float]:
    """Medians of what each side takes above the base, in milliseconds."""
    return {
        name: statistics.median(a - b for a, b in zip(values, of.rounds[base], strict=True))
        for name, values in of.rounds.items()
        if name != base
    }


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
    print(result.report({PEER: 3}))
    whole = compare(
        f"a fit of {STEPS} steps, CPU time", "ms", {name: (lambda name=name: fit(name)) for name in MAKERS}, rounds
    )
    print(whole.report({}))
    above = less(whole, "none")
    times = above[PEER] / above[OURS]
    print(f"  above no logger: ours {above[OURS]:.0f} ms, the peer {above[PEER]:.0f} ms: {times:.1f} x")
    watched = compare(
        f"a fit of {STEPS} steps with a monitor, CPU time",
        "ms",
        {"with": lambda: fit(OURS, TallyboardMonitor()), "without": lambda: fit(OURS)},
        rounds,
    )
    print(watched.report({}))
    print(f"  the monitor: {1000 * less(watched, 'without')['with'] / STEPS:.0f} us a step")


if __name__ == "__main__":
    main()
