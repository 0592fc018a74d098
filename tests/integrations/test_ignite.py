"""Ignite's logger on a real training, beside Ignite's own TensorboardLogger of the same run."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from .conftest import Log

pytest.importorskip("ignite")

from ignite.engine import Engine, Events
from ignite.handlers import tensorboard_logger as theirs

from tallyboard.integrations import ignite as ours

Told = Callable[[Path], dict[tuple[str, int], Any]]


def engine(model: torch.nn.Module, optimizer: torch.optim.Optimizer) -> Engine:
    def update(_: Engine, x: torch.Tensor) -> float:
        optimizer.zero_grad()
        loss = (model(x) - 1).square().mean()
        loss.backward()
        optimizer.step()
        return loss.item()

    return Engine(update)


def train(*loggers: tuple[Any, Any], dtype: torch.dtype = torch.float32) -> torch.nn.Module:
    """Three steps of two epochs; each logger with all handlers of its module."""
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Linear(4, 1)).to(dtype)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    trainer = engine(model, optimizer)
    for logger, handlers in loggers:
        logger.attach_output_handler(
            trainer, Events.ITERATION_COMPLETED, "train", output_transform=lambda loss: {"loss": loss, "more": [1, 2]}
        )
        logger.attach_opt_params_handler(trainer, Events.ITERATION_STARTED, optimizer)
        for kind in ("WeightsScalarHandler", "GradsScalarHandler", "WeightsHistHandler", "GradsHistHandler"):
            logger.attach(trainer, getattr(handlers, kind)(model, tag="net"), Events.EPOCH_COMPLETED)
    trainer.run([torch.full((2, 3), float(i), dtype=dtype) for i in range(3)], max_epochs=2)
    return model


def test_logs_what_ignites_logger_logs(tmp_path: Path, told: Told) -> None:
    """Every handler's tags, steps and values are those of Ignite's logger; weights are as they are without ours."""
    mine, other = ours.TallyboardLogger(tmp_path / "ours"), theirs.TensorboardLogger(str(tmp_path / "theirs"))
    with mine, other:
        model = train((mine, ours), (other, theirs))

    found = told(tmp_path / "ours")
    assert found == told(tmp_path / "theirs")
    assert {("train/loss", 6), ("train/more/1", 1), ("lr/group_0", 6), ("net/weights_norm/0/weight", 2)} <= found.keys()
    assert {("net/grads_norm/1/bias", 2), ("net/weights/0/weight", 1), ("net/grads/0/weight", 1)} <= found.keys()
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), train().parameters(), strict=True))


def test_handlers_of_ignites_module(log: Log) -> None:
    """Handlers that a program has imported from Ignite go on working when the logger alone is exchanged."""
    train((ours.TensorboardLogger(writer=log.writer), theirs))

    assert [step for step, _ in log["train/loss"]] == [1, 2, 3, 4, 5, 6]


def test_weights_of_bfloat16(log: Log) -> None:
    """Histograms of weights that NumPy has no dtype for hold their values."""
    logger = ours.TallyboardLogger(writer=log.writer)
    model = train((logger, ours), dtype=torch.bfloat16)
    logger.add_text("note", "whatever the writer can, the logger can")
    logger.close()

    log.writer.flush()
    last = {e.summary.tag: e.summary.value for e in log.sink.events if e.step == 2}
    check = Log()
    check.writer.add_histogram("x", model[0].weight, 2)
    check.writer.flush()
    np.testing.assert_array_equal(
        np.asarray(last["net/weights/0/weight"]), np.asarray(check.sink.events[0].summary.value)
    )
    assert log.writer.file_writer is not None, "a writer that was passed in stays open"


def test_wrong_calls(log: Log) -> None:
    """A writer and arguments for one are refused; a copy asks for nothing that is not there."""
    with pytest.raises(TypeError, match="keep one"):
        ours.TallyboardLogger("runs", writer=log.writer)
    bare = ours.TallyboardLogger.__new__(ours.TallyboardLogger)
    copy.copy(bare)
    with pytest.raises(AttributeError):
        _ = bare.writer
