"""`auto_log` on whole trainings: every series that there is, against values counted by hand beside it."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import tallyboard as tb

EVERY = 4
WAIT, COMPUTE = 0.0625, 0.25  # seconds, on a clock that moves when it is told to


class Clock:
    """Stands for `time.perf_counter`."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


class Hand:
    """The series of a training, counted by hand.

    Attributes:
        points: by tag, as (step, value).
    """

    def __init__(self, model: nn.Module) -> None:
        self._model = model
        self.points: dict[str, list[tuple[int, Any]]] = {}
        self._given: dict[str, Tensor] = {}  # what each module gave in this step
        for path, module in model.named_modules():
            if path and not list(module.children()):
                module.register_forward_hook(self._keeping(path))

    def _keeping(self, path: str) -> Callable[..., None]:
        def keep(module: nn.Module, args: Any, result: Any) -> None:
            self._given.setdefault(path, (result[0] if isinstance(result, tuple) else result).detach().clone())

        return keep

    def add(self, tag: str, step: int, value: float, close: float = 1e-5) -> None:
        """One point."""
        self.points.setdefault(tag, []).append((step, pytest.approx(value, rel=close, abs=1e-7)))

    def rates(self, step: int, optimizer: torch.optim.Optimizer) -> None:
        """Of each group."""
        groups = optimizer.param_groups
        for index, group in enumerate(groups):
            end = f"/group{index}" if len(groups) > 1 else ""
            self.add(f"train/lr{end}", step, group["lr"])
            self.add(f"train/momentum{end}", step, group["betas"][0] if "betas" in group else group["momentum"])
            if group["weight_decay"]:
                self.add(f"train/weight_decay{end}", step, group["weight_decay"])

    def copies(self) -> dict[str, Tensor]:
        """The weights as they are."""
        return {name: one.detach().double().clone() for name, one in self._model.named_parameters()}

    def looked_at(self, step: int, before: dict[str, Tensor], gradients: dict[str, Tensor]) -> None:
        """Norms, moves and activations of a step that was made."""

        def norm(tensors: Iterable[Tensor]) -> float:
            return math.sqrt(sum(float(tensor.double().square().sum()) for tensor in tensors))

        after = self.copies()
        own = {name: name.rpartition(".")[0] or name for name in before}
        for module in ("", *dict.fromkeys(own.values())):
            end = f"/{module}" if module else ""
            names = [name for name in before if not module or own[name] == module]
            weights = norm(before[name] for name in names)
            self.add(f"weights/norm{end}", step, weights)
            moved = norm(after[name] - before[name] for name in names)
            self.add(f"weights/update_ratio{end}", step, moved / weights, 1e-3)  # the difference of near numbers
            if graded := [gradients[name] for name in names if name in gradients]:
                self.add(f"gradients/norm{end}", step, norm(graded))
        self.add("gradients/nonfinite", step, 0.0)
        self.add("weights/nonfinite", step, 0.0)
        for path, given in self._given.items():
            values = given.double()
            self.add(f"activations/mean/{path}", step, float(values.mean()), 1e-4)
            self.add(f"activations/std/{path}", step, float(values.std(correction=0)), 1e-4)
            if isinstance(self._model.get_submodule(path), nn.ReLU):
                silent = (given == 0).flatten(1) if given.dim() > 2 else given == 0
                self.add(f"activations/dead/{path}", step, float(silent.all(0).double().mean()))

    def check(self, log: Any) -> None:
        """Holds all that came to it: no value differs, and there is no other series."""
        log.writer.flush()
        scalars = {event.summary.tag for event in log.sink.events if event.summary.plugin == "scalars"}
        assert scalars == set(self.points)
        for tag, points in self.points.items():
            assert log[tag] == points, tag

    def train(
        self,
        log: Any,
        clock: Clock,
        optimizer: torch.optim.Optimizer,
        batches: list[tuple[Tensor, Tensor]],
        loss_of: Callable[[Tensor, Tensor], Tensor],
        *,
        measured: bool,
        scheduler: Any = None,
        clip: float | None = None,
    ) -> None:
        """A training that is watched, with one step a batch."""

        def loaded() -> Iterator[tuple[Tensor, Tensor]]:
            for batch in batches:
                clock.now += WAIT
                yield batch

        with tb.auto_log(self._model, writer=log.writer, every=EVERY):
            for step, (x, y) in enumerate(tb.data(loaded()) if measured else loaded(), 1):
                self._given.clear()
                optimizer.zero_grad()
                loss = loss_of(self._model(x), y)
                clock.now += COMPUTE
                loss.backward()
                if clip is not None:
                    nn.utils.clip_grad_norm_(self._model.parameters(), clip)
                before = self.copies()
                named = self._model.named_parameters()
                gradients = {name: one.grad.clone() for name, one in named if one.grad is not None}
                self.rates(step, optimizer)
                optimizer.step()
                self.add("train/loss", step, loss.item())
                if step > 1:
                    self.add("time/step_ms", step, 1000 * (WAIT + COMPUTE))
                    self.add("time/samples_per_second", step, len(x) / (WAIT + COMPUTE))
                    self.add("time/data_wait_ms", step, 1000 * WAIT)
                    self.add("time/data_wait_share", step, WAIT / (WAIT + COMPUTE))
                if step == 1 or step % EVERY == 0:
                    self.looked_at(step, before, gradients)
                if scheduler is not None:
                    scheduler.step()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The time, from now on."""
    clock = Clock()
    monkeypatch.setattr(time, "perf_counter", clock)
    return clock


def test_digits(log: Any, clock: Clock) -> None:
    """Scikit-learn's digits, two epochs with AdamW, two groups, a schedule, normalisation, dropout and a frozen layer.

    The loop runs over `tb.data`; the last batch of an epoch is smaller.
    """
    from sklearn.datasets import load_digits

    pictures, shown = load_digits(return_X_y=True)
    x, y = torch.tensor(pictures[:250] / 16, dtype=torch.float32), torch.tensor(shown[:250])
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Linear(64, 32),
        nn.BatchNorm1d(32),
        nn.ReLU(),
        nn.Dropout(0.2),
        nn.Linear(32, 16),
        nn.ReLU(),
        nn.Linear(16, 10),
    )
    model[4].requires_grad_(False)
    groups = [
        {"params": [*model[0].parameters(), *model[1].parameters()], "weight_decay": 0.1},
        {"params": [*model[4].parameters(), *model[6].parameters()], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=0.01)
    hand = Hand(model)
    batches = [(x[i : i + 64], y[i : i + 64]) for _ in range(2) for i in range(0, 250, 64)]
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, 3, 0.5)
    loss_of = nn.functional.cross_entropy
    hand.train(log, clock, optimizer, batches, loss_of, measured=True, scheduler=schedule)
    hand.check(log)
    assert len(hand.points) == 42
    assert {
        "__run_graph__",
        "auto_log/parameters",
        "auto_log/environment",
        "_hparams_/session_start_info",
    } <= log.tags()


class Characters(nn.Module):
    """Says which character comes next."""

    def __init__(self, letters: int) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.embed = nn.Embedding(letters, 8)
        self.recur = nn.GRU(8, 12, batch_first=True)
        self.mix = nn.Linear(12, 16)
        self.fire = nn.ReLU()
        self.head = nn.Linear(16, letters)
        with torch.no_grad():
            self.mix.bias[:5] = -100.0

    def forward(self, ids: Tensor) -> dict[str, Tensor]:
        """Scores of each character at each place."""
        states, _ = self.recur(self.embed(ids))
        return {"scores": self.head(self.fire(self.mix(states)))}


def test_characters_of_a_text(log: Any, clock: Clock) -> None:
    """A language model of characters, on a text that comes with Python, with SGD, momentum and clipped gradients.

    The wait is the gap before each pass. Five units never wake.
    """
    text = copy.__doc__
    assert text is not None
    letters = sorted(set(text))
    ids = torch.tensor([letters.index(letter) for letter in text[:1001]])
    x, y = ids[:-1].reshape(-1, 20), ids[1:].reshape(-1, 20)
    model = Characters(len(letters))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5, momentum=0.9)

    def loss_of(given: dict[str, Tensor], wanted: Tensor) -> Tensor:
        return nn.functional.cross_entropy(given["scores"].flatten(0, 1), wanted.flatten())

    hand = Hand(model)
    batches = [(x[i : i + 8], y[i : i + 8]) for i in range(0, len(x), 8)]
    with pytest.MonkeyPatch.context() as patch:  # without a loop over `tb.data`, whatever other tests left
        patch.setattr("tallyboard.integrations.torch.watch.current", lambda: None)
        hand.train(log, clock, optimizer, batches, loss_of, measured=False, clip=0.05)
    hand.check(log)
    losses = [value for _, value in log["train/loss"]]
    assert losses[-1] < losses[0]
    assert all(norm <= 0.0501 for _, norm in log["gradients/norm"])
    assert all(share >= 5 / 16 for _, share in log["activations/dead/fire"])
