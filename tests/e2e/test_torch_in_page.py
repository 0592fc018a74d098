"""A PyTorch loop watched by `auto_log`, seen in the page while it trains."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from playwright.sync_api import Page

import tallyboard as tb


def test_training_is_seen_as_it_goes(tmp_path: Path, open_page: Callable[..., Page], chart: Any) -> None:
    """A page that was open before the first step shows each step one step later, and all of them after detach."""
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.ReLU(), torch.nn.Linear(16, 1))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    losses: list[float] = []

    def train(steps: int) -> None:
        for x in tb.data(torch.rand(steps, 32, 8)):
            optimizer.zero_grad()
            loss = torch.nn.functional.mse_loss(model(x), x.sum(dim=1, keepdim=True))
            loss.backward()
            optimizer.step()
            losses.append(loss.item())

    page = open_page(tmp_path, "smoothing=0")
    with tb.auto_log(model, tmp_path / "mlp"):
        train(40)
        loss = chart(page, "train/loss").wait(runs=1, points=39)
        assert f"mlp: {losses[38]:.5g} at step 39" in loss.summary
        train(20)
        loss.wait(runs=1, points=59)
    loss.wait(runs=1, points=60)
    assert f"mlp: {losses[59]:.5g} at step 60" in loss.summary
    assert loss.domain[:2] == (1.0, 60.0)
    for tag in ("step_ms", "data_wait_ms", "data_wait_share"):
        chart(page, f"time/{tag}").wait(runs=1, points=59)
    assert "mlp: 0.01 at step 60" in chart(page, "train/lr").wait(runs=1, points=60).summary
