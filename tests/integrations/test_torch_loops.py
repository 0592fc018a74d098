"""`auto_log` on PyTorch in loops that are not the plain one: what counts as a step, and what as its loss."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import tallyboard as tb


def mlp(seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1))


def sgd(model: nn.Module, lr: float = 0.1, **options: Any) -> torch.optim.SGD:
    return torch.optim.SGD(model.parameters(), lr=lr, **options)


def loss_of(model: nn.Module) -> Tensor:
    return ((model(torch.randn(16, 4)) - 1) ** 2).mean()


def numbered(values: list[float]) -> list[tuple[int, float]]:
    return list(enumerate(values, 1))


# ---- several backward passes for a step


def test_accumulated_losses_are_summed(log: Any) -> None:
    """The loss of a step made of several backward passes is their sum, whose gradient the optimizer applies."""
    model = mlp()
    optimizer = sgd(model)
    sums: list[float] = []
    with tb.auto_log(model, writer=log.writer):
        for _ in range(3):
            optimizer.zero_grad()
            parts: list[float] = []
            for _ in range(4):
                loss = loss_of(model) / 4
                loss.backward()
                parts.append(loss.item())
            optimizer.step()
            sums.append(sum(parts))
    assert log["train/loss"] == numbered(sums)


@pytest.mark.parametrize("set_to_none", [True, False])
def test_loss_of_gradients_that_were_dropped(log: Any, set_to_none: bool) -> None:
    """A loss whose gradients are zeroed without a step is not part of the next step's loss."""
    model = mlp()
    optimizer = sgd(model)
    kept: list[float] = []
    with tb.auto_log(model, writer=log.writer):
        for number in range(6):
            optimizer.zero_grad(set_to_none=set_to_none)
            loss = loss_of(model)
            loss.backward()
            if number % 3 == 0:
                continue  # a batch that the loop refuses
            nn.utils.clip_grad_norm_(model.parameters(), 0.1)
            optimizer.step()
            kept.append(loss.item())
    assert log["train/loss"] == numbered(kept)


def test_two_terms_of_a_loss(log: Any) -> None:
    """Two terms with a backward pass each make one loss, also when they touch different layers."""
    model = nn.ModuleList([nn.Linear(4, 1), nn.Linear(4, 1)])
    optimizer = sgd(model)
    sums: list[float] = []
    with tb.auto_log(model, writer=log.writer):
        for _ in range(2):
            optimizer.zero_grad()
            terms = [loss_of(part) for part in model]
            for term in terms:
                term.backward()
            optimizer.step()
            sums.append(sum(term.item() for term in terms))
    assert log["train/loss"] == numbered(sums)


def test_backward_for_inputs_only(log: Any) -> None:
    """A backward pass for the gradient of the input (an adversarial example) is no training loss."""
    model = mlp()
    optimizer = sgd(model)
    losses: list[float] = []
    with tb.auto_log(model, writer=log.writer):
        for _ in range(2):
            optimizer.zero_grad()
            x = torch.randn(16, 4, requires_grad=True)
            model(x).mean().backward(inputs=[x])
            loss = model(x.detach()).pow(2).mean()
            loss.backward(inputs=list(model.parameters()))
            optimizer.step()
            losses.append(loss.item())
    assert log["train/loss"] == numbered(losses)


def test_backward_that_fails(log: Any) -> None:
    """A backward pass that raises, raises as ever, and leaves no loss behind."""
    model = mlp()
    optimizer = sgd(model)
    with tb.auto_log(model, writer=log.writer):
        loss = loss_of(model)
        loss.backward()
        optimizer.step()
        with pytest.raises(RuntimeError, match="second time"):
            loss.backward()
        optimizer.zero_grad()
        second = loss_of(model)
        second.backward()
        optimizer.step()
    assert log["train/loss"] == numbered([loss.item(), second.item()])


# ---- closures


@pytest.mark.parametrize("set_to_none", [True, False])
def test_lbfgs(log: Any, set_to_none: bool) -> None:
    """LBFGS evaluates its closure many times a step: the loss is the first, which is what step() returns."""
    model = mlp()
    optimizer = torch.optim.LBFGS(model.parameters(), lr=0.5, max_iter=4)
    evaluations = 0
    returned: list[float] = []
    with tb.auto_log(model, writer=log.writer):
        for _ in range(3):
            x = torch.randn(16, 4)

            def closure(x: Tensor = x) -> Tensor:
                nonlocal evaluations
                evaluations += 1
                optimizer.zero_grad(set_to_none=set_to_none)
                loss = ((model(x) - 1) ** 2).mean()
                loss.backward()
                return loss

            returned.append(optimizer.step(closure).item())
    assert evaluations > 6
    assert log["train/loss"] == numbered(returned)


def test_accumulation_that_ends_in_a_closure(log: Any) -> None:
    """Backward passes before the step and the one in its closure are summed, as Lightning accumulates."""
    model = mlp()
    optimizer = sgd(model)
    losses: list[float] = []

    def closure() -> Tensor:
        loss = loss_of(model)
        loss.backward()
        losses.append(loss.item())
        return loss

    with tb.auto_log(model, writer=log.writer):
        closure()
        optimizer.step(closure)
    assert log["train/loss"] == [(1, sum(losses))]


# ---- GradScaler


def test_scaled_loss_is_logged_unscaled(log: Any) -> None:
    """Under a GradScaler the logged loss is the one before scaling, bit by bit."""
    model = mlp()
    optimizer = sgd(model)
    scaler = torch.amp.GradScaler("cpu", init_scale=3.0e4)
    losses: list[float] = []
    with tb.auto_log(model, writer=log.writer):
        for _ in range(3):
            optimizer.zero_grad()
            terms = [loss_of(model), loss_of(model)]
            scaled = scaler.scale(terms)
            for term in scaled:
                term.backward()
            scaler.step(optimizer)
            scaler.update()
            losses.append(sum(term.item() for term in terms))
    assert scaled[0].item() != terms[0].item()
    assert log["train/loss"] == numbered(losses)


@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("set_to_none", [True, False])
def test_skipped_steps_are_no_steps(log: Any, fused: bool, set_to_none: bool) -> None:
    """A step that the scaler skips has no number, no point and no share in the next loss.

    A fused optimizer is called all the same and skips by itself, which only shows later.
    """
    model = mlp()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01, fused=fused)
    scaler = torch.amp.GradScaler("cpu", init_scale=8.0, growth_interval=1000)
    losses: list[float] = []
    numbers: list[float] = []
    with tb.auto_log(model, writer=log.writer) as handle:
        for number in range(7):
            optimizer.zero_grad(set_to_none=set_to_none)
            loss = loss_of(model) * (float("inf") if number in (0, 3, 4) else 1.0)
            scaler.scale(loss).backward()
            handle.log(number=number)
            if number == 3:
                handle.log(of_a_skipped_step=1.0)
            scaler.step(optimizer)
            scaler.update()
            if number not in (0, 3, 4):
                losses.append(loss.item())
                numbers.append(float(number))
    assert log["train/loss"] == numbered(losses)
    assert log["train/lr"] == [(step, pytest.approx(0.01)) for step in range(1, 5)]
    assert log["train/number"] == numbered(numbers)
    assert log["train/of_a_skipped_step"] == [(3, 1.0)]


# ---- several optimizers, several models


def test_two_optimizers_of_one_model(log: Any) -> None:
    """Two optimizers for parts of a model: one loss, the rates of both, each with steps of its own."""
    model = mlp()
    first, second = sgd(model[0], lr=0.5), sgd(model[2], lr=0.25)
    losses: list[float] = []
    with tb.auto_log(model, writer=log.writer):
        for number in range(4):
            model.zero_grad()
            loss = loss_of(model)
            loss.backward()
            first.step()
            if number % 2:
                second.step()
            losses.append(loss.item())
    assert log["train/loss"] == numbered(losses)
    assert log["train/lr"] == numbered([0.5] * 4)
    assert log["train/lr/optimizer1"] == numbered([0.25] * 2)
    assert len(log["time/step_ms"]) == 3


class Gan(nn.Module):
    """Generator and discriminator in one module."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.generator = nn.Linear(3, 4)
        self.discriminator = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1))
        self.optimizers = [sgd(self.discriminator), sgd(self.generator)]
        self.losses: tuple[list[float], list[float]] = ([], [])

    def train_step(self) -> None:
        fake = self.generator(torch.randn(16, 3))
        self.optimizers[0].zero_grad()
        loss = self.discriminator(fake.detach()).mean() - self.discriminator(torch.randn(16, 4)).mean()
        loss.backward()
        self.optimizers[0].step()
        self.losses[0].append(loss.item())
        self.optimizers[1].zero_grad()
        loss = -self.discriminator(fake).mean()
        loss.backward()
        self.optimizers[1].step()
        self.losses[1].append(loss.item())


def test_gan_in_one_module(log: Any) -> None:
    """Each optimizer of a GAN has the losses that its steps applied."""
    gan = Gan()
    with tb.auto_log(gan, writer=log.writer):
        for _ in range(3):
            gan.train_step()
    assert log["train/loss"] == numbered(gan.losses[0])
    assert log["train/loss/optimizer1"] == numbered(gan.losses[1])


def test_gan_watched_as_two_models(log: Any) -> None:
    """Generator and discriminator watched apart each have their own loss, though one runs through both."""
    gan = Gan()
    sink = tb.MemorySink()
    other = tb.SummaryWriter(sink=sink)
    with tb.auto_log(gan.discriminator, writer=log.writer), tb.auto_log(gan.generator, writer=other):
        for _ in range(3):
            gan.train_step()
    other.flush()
    assert log["train/loss"] == numbered(gan.losses[0])
    found = [(event.step, event.summary.value) for event in sink.events if event.summary.tag == "train/loss"]
    assert found == numbered(gan.losses[1])


def test_two_models_at_once(log: Any) -> None:
    """Two models watched at once, with their passes and steps interleaved, do not see each other."""
    models = [mlp(1), mlp(2)]
    optimizers = [sgd(models[0], lr=0.5), sgd(models[1], lr=0.25)]
    other = tb.MemorySink()
    writers = [log.writer, tb.SummaryWriter(sink=other)]
    losses: list[list[float]] = [[], []]
    with tb.auto_log(models[0], writer=writers[0]), tb.auto_log(models[1], writer=writers[1]):
        for _ in range(3):
            found = [loss_of(model) for model in models]
            for which in (0, 1):
                optimizers[which].zero_grad()
                found[which].backward()
            for which in (1, 0):
                optimizers[which].step()
                losses[which].append(found[which].item())
    writers[1].flush()
    assert log["train/loss"] == numbered(losses[0])
    assert log["train/lr"] == numbered([0.5] * 3)
    seen = {(event.summary.tag, event.step): event.summary.value for event in other.events}
    assert [seen["train/loss", step] for step in (1, 2, 3)] == losses[1]
    assert [seen["train/lr", step] for step in (1, 2, 3)] == [0.25] * 3


def test_model_that_is_not_watched(log: Any) -> None:
    """Another model that trains in the same program adds no step and no loss."""
    model, stranger = mlp(1), mlp(2)
    optimizer, strange = sgd(model), sgd(stranger)
    losses: list[float] = []
    with tb.auto_log(model, writer=log.writer):
        for _ in range(3):
            optimizer.zero_grad()
            loss_of(stranger).backward()
            loss = loss_of(model)
            loss.backward()
            strange.step()
            optimizer.step()
            losses.append(loss.item())
    assert log["train/loss"] == numbered(losses)
    assert len(log["train/lr"]) == 3


def test_optimizer_that_is_given(log: Any) -> None:
    """With optimizer=, steps of other optimizers of the model do not count; a wrapper is looked through."""

    class Wrapper:
        def __init__(self, optimizer: torch.optim.Optimizer) -> None:
            self.optimizer = optimizer

    model = mlp()
    mine, other = sgd(model[0], lr=0.5), sgd(model[2], lr=0.25)
    with tb.auto_log(model, writer=log.writer, optimizer=[Wrapper(mine)]):
        for _ in range(2):
            loss_of(model).backward()
            mine.step()
            other.step()
    assert log["train/lr"] == numbered([0.5, 0.5])
    assert not any("optimizer1" in tag for tag in log.tags())


def test_optimizer_of_copied_parameters(log: Any) -> None:
    """An optimizer that holds none of the model's parameters counts when it is given."""
    model = mlp()
    master = [parameter.detach().clone().requires_grad_() for parameter in model.parameters()]
    optimizer = torch.optim.SGD(master, lr=0.1)
    losses: list[float] = []
    with tb.auto_log(model, writer=log.writer, optimizer=optimizer):
        for _ in range(3):
            model.zero_grad()
            loss = loss_of(model)
            loss.backward()
            for copied, parameter in zip(master, model.parameters(), strict=True):
                copied.grad = parameter.grad
            optimizer.step()
            losses.append(loss.item())
    assert log["train/loss"] == numbered(losses)


def test_no_optimizer_given() -> None:
    """Something that is no optimizer is refused at the call."""
    with pytest.raises(TypeError, match=r"expected a torch\.optim\.Optimizer, got str"):
        tb.auto_log(mlp(), writer=tb.SummaryWriter(sink=tb.MemorySink()), optimizer="adam")


def test_optimizer_inside_another(log: Any) -> None:
    """A step that an optimizer has another one make (lookahead) is one step."""

    class Lookahead(torch.optim.Optimizer):
        def __init__(self, inner: torch.optim.Optimizer) -> None:
            super().__init__([p for group in inner.param_groups for p in group["params"]], {"lr": 0.75})
            self.inner = inner

        def step(self, closure: Callable[[], Any] | None = None) -> Any:
            return self.inner.step(closure)

    model = mlp()
    optimizer = Lookahead(sgd(model, lr=0.5))
    losses: list[float] = []
    with tb.auto_log(model, writer=log.writer):
        for _ in range(3):
            optimizer.zero_grad()
            loss = loss_of(model)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    assert log["train/loss"] == numbered(losses)
    assert log["train/lr"] == numbered([0.75] * 3)
    assert not any("optimizer1" in tag for tag in log.tags())


def test_new_optimizer_goes_on_counting(log: Any) -> None:
    """An optimizer made in place of one that is gone goes on where that stopped."""
    model = mlp()
    losses: list[float] = []
    with tb.auto_log(model, writer=log.writer):
        for lr in (0.5, 0.25):
            optimizer = sgd(model, lr=lr)
            for _ in range(2):
                optimizer.zero_grad()
                loss = loss_of(model)
                loss.backward()
                optimizer.step()
                losses.append(loss.item())
            del optimizer
    assert log["train/loss"] == numbered(losses)
    assert log["train/lr"] == numbered([0.5, 0.5, 0.25, 0.25])


def test_no_step_at_all() -> None:
    """Losses without any step of an optimizer leave a warning that names the cure, instead of an empty page."""
    model = mlp()
    writer = tb.SummaryWriter(sink=tb.MemorySink())
    handle = tb.auto_log(model, writer=writer, optimizer=sgd(copy.deepcopy(model)))
    loss_of(model).backward()
    with pytest.warns(tb.TallyboardWarning, match="no step of an optimizer of this model; pass optimizer="):
        handle.detach()


def test_model_watched_twice(log: Any) -> None:
    """Two handles on one model each log it, and end on their own."""
    model = mlp()
    optimizer = sgd(model)
    other = tb.MemorySink()
    losses: list[float] = []
    first = tb.auto_log(model, writer=log.writer)
    second = tb.auto_log(model, writer=tb.SummaryWriter(sink=other))
    for number in range(4):
        if number == 2:
            first.detach()
        optimizer.zero_grad()
        loss = loss_of(model)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    second.detach()
    second.writer.flush()
    assert log["train/loss"] == numbered(losses[:2])
    found = [event.summary.value for event in other.events if event.summary.tag == "train/loss"]
    assert found == losses
