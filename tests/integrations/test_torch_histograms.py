"""`auto_log(histograms=...)` on PyTorch: which numbers are counted, of which steps, and by whom."""

from __future__ import annotations

import threading
import warnings
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import tallyboard as tb

from .conftest import Log


def mlp() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1))


def loss_of(model: nn.Module) -> Tensor:
    return (model(torch.randn(16, 4)) - 1).square().mean()


def drawn(log: Any) -> dict[tuple[str, int], Any]:
    """The histograms that have come, by tag and step."""
    log.writer.flush()
    events = [event for event in log.sink.events if event.summary.plugin == "histograms"]
    return {(event.summary.tag, event.step): event.summary.value for event in events}


class Wanted:
    """What is expected, counted by the writer itself from copies that were made by hand."""

    def __init__(self) -> None:
        self._log = Log()

    def step(self, number: int, named: Any) -> None:
        """Adds all weights and gradients as they are."""
        for name, parameter in named:
            self._log.writer.add_histogram(f"weights/histogram/{name}", parameter.detach().clone(), number)
            self._log.writer.add_histogram(f"gradients/histogram/{name}", parameter.grad.detach().clone(), number)

    def check(self, log: Any) -> None:
        """Holds what came to it, to the last number."""
        ours, theirs = drawn(log), drawn(self._log)
        assert ours.keys() == theirs.keys()
        for key, value in theirs.items():
            np.testing.assert_array_equal(np.asarray(ours[key]), np.asarray(value))


@pytest.mark.parametrize(
    ("histograms", "steps"), [(3, [1, 3, 6]), (True, [1, 2, 4, 6]), (None, []), (False, [])], ids=str
)
def test_histograms_of_steps(log: Any, histograms: Any, steps: list[int]) -> None:
    """Of the first step and each that the number divides: weights before it, and gradients as the optimizer finds them.

    True means the steps that are looked at closely. A parameter that is not trained has none.
    """
    model = mlp()
    model[0].bias.requires_grad_(False)
    trained = [(name, one) for name, one in model.named_parameters() if one.requires_grad]
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    wanted = Wanted()
    with tb.auto_log(model, writer=log.writer, every=2, histograms=histograms):
        for number in range(1, 8):
            optimizer.zero_grad()
            loss_of(model).backward()
            if number in steps:
                wanted.step(number, trained)
            optimizer.step()
    wanted.check(log)


def test_other_gradients(log: Any) -> None:
    """Those of a closure are its first; scaled ones are unscaled, and a skipped step leaves its place to the next."""
    model = mlp()
    wanted = Wanted()
    optimizer: torch.optim.Optimizer = torch.optim.LBFGS(model.parameters(), lr=0.1, max_iter=3)
    evaluations = 0

    def closure() -> Tensor:
        nonlocal evaluations
        optimizer.zero_grad()
        loss = model(torch.ones(2, 4)).square().mean()
        loss.backward()
        evaluations += 1
        if evaluations == 1:
            wanted.step(1, model.named_parameters())
        return loss

    with tb.auto_log(model, writer=log.writer, histograms=1):
        optimizer.step(closure)
    assert evaluations > 1
    wanted.check(log)

    log, wanted = Log(), Wanted()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01, fused=True)
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0, growth_interval=1000)
    with tb.auto_log(model, writer=log.writer, histograms=1):
        for number, factor in enumerate((1.0, float("inf"), 1.0)):
            optimizer.zero_grad()
            loss = loss_of(model) * factor
            if number != 1:
                loss.backward(retain_graph=True)
                wanted.step(1 if number == 0 else 2, model.named_parameters())
                optimizer.zero_grad()
            scaler.scale(loss).backward()
            scaler.step(optimizer)
            scaler.update(1024.0)
    wanted.check(log)


def test_who_counts(log: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another thread than the one that trains hands them to the writer; when `detach` returns all are there."""
    callers: set[int] = set()
    add = tb.SummaryWriter.add_histogram

    def noted(*args: Any, **kwargs: Any) -> None:
        callers.add(threading.get_ident())
        add(*args, **kwargs)

    monkeypatch.setattr(tb.SummaryWriter, "add_histogram", noted)
    model = mlp()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with tb.auto_log(model, writer=log.writer, histograms=1):
        for _ in range(3):
            loss_of(model).backward()
            optimizer.step()
    assert len(drawn(log)) == 3 * 8
    assert callers
    assert threading.get_ident() not in callers
    assert not any(thread.name == "tallyboard histograms" for thread in threading.enumerate())


def test_what_fails_stays_there(log: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A writer that takes no histograms is told of once, and the weights are those of a training without."""

    def fails(*_: Any, **__: Any) -> None:
        raise OSError("no room")

    def trained(watched: bool) -> list[Tensor]:
        model = mlp()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        handle = tb.auto_log(model, writer=log.writer, histograms=1) if watched else None
        for _ in range(3):
            loss_of(model).backward()
            optimizer.step()
        if handle is not None:
            handle.detach()
        return list(model.parameters())

    bare = trained(watched=False)
    monkeypatch.setattr(tb.SummaryWriter, "add_histogram", fails)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        watched = trained(watched=True)
    ours = [str(warning.message) for warning in caught if issubclass(warning.category, tb.TallyboardWarning)]
    assert len(ours) == 1
    assert "no room" in ours[0]
    assert all(torch.equal(a, b) for a, b in zip(bare, watched, strict=True))


@pytest.mark.parametrize("histograms", [0, -1, 1.5, "often"])
def test_histograms_that_are_no_number_of_steps(histograms: object) -> None:
    """What is no number of steps is refused at the call."""
    with pytest.raises(tb.InvalidSummary, match="histograms"):
        tb.auto_log(mlp(), writer=tb.SummaryWriter(sink=tb.MemorySink()), histograms=histograms)
