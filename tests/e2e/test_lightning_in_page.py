"""A Lightning training with `Trainer(logger=TallyboardLogger(...))`, seen in the page."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from playwright.sync_api import Page

from tallyboard.integrations.lightning import TallyboardLogger


class Regression(pl.LightningModule):
    """Learns to add up eight numbers, and remembers what it logged."""

    def __init__(self, lr: float) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.layer = torch.nn.Linear(8, 1)
        self.losses: list[float] = []

    def training_step(self, x: torch.Tensor) -> torch.Tensor:
        loss = torch.nn.functional.mse_loss(self.layer(x), x.sum(dim=1, keepdim=True))
        self.log("train/loss", loss)
        self.losses.append(loss.item())
        return loss

    def validation_step(self, x: torch.Tensor) -> None:
        self.log("val/loss", torch.nn.functional.mse_loss(self.layer(x), x.sum(dim=1, keepdim=True)))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.parameters(), lr=self.hparams["lr"])


def test_two_versions_are_two_curves(tmp_path: Path, open_page: Callable[..., Page], chart: Any) -> None:
    """Two trainings of a project are two versions, whose losses are all there, the last ones by value."""
    page = open_page(tmp_path, "smoothing=0")
    models = [Regression(0.01), Regression(0.1)]
    loader = torch.utils.data.DataLoader(torch.rand(320, 8), batch_size=32)
    for model in models:
        trainer = pl.Trainer(
            max_epochs=3,
            log_every_n_steps=1,
            accelerator="cpu",
            logger=TallyboardLogger(tmp_path, name="sums"),
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        trainer.fit(model, loader, loader)

    loss = chart(page, "train/loss").wait(runs=2, points=60)
    for version, model in enumerate(models):
        assert f"version_{version}: {model.losses[-1]:.5g} at step 29" in loss.summary
    chart(page, "val/loss").wait(runs=2, points=6)
    chart(page, "hp_metric").wait(runs=2, points=2)
