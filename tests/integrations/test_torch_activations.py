"""`auto_log` on PyTorch looks at modules: what they give out, which one is the first with NaN, and then it is gone."""

from __future__ import annotations

import copy
import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import tallyboard as tb
from tallyboard.integrations.torch.activations import _sampled

CLOSE = 1e-5


def network(*more: nn.Module) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), *more, nn.Linear(8, 1))


def sgd(model: nn.Module) -> torch.optim.SGD:
    return torch.optim.SGD(model.parameters(), lr=0.1)


def train(model: nn.Module, steps: int = 1, factors: tuple[float, ...] = ()) -> None:
    """A plain loop whose losses are multiplied by `factors`, as far as there are."""
    optimizer = sgd(model)
    for number in range(steps):
        optimizer.zero_grad()
        factor = factors[number] if number < len(factors) else 1.0
        ((model(torch.randn(16, 4)) - 1).square().mean() * factor).backward()
        optimizer.step()


def texts(log: Any, tag: str) -> list[tuple[int, str]]:
    log.writer.flush()
    events = [event for event in log.sink.events if event.summary.tag == f"{tag}/text_summary"]
    return [(event.step, event.summary.value[0].decode()) for event in events]


def test_hooks_are_there_for_the_armed_pass_alone(log: Any) -> None:
    """Modules have our hooks only while a pass that is looked at runs; in others, and after it, they have none."""
    counts: list[int] = []

    class Counts(nn.Identity):
        def forward(self, x: Tensor) -> Tensor:
            counts.append(sum(len(module._forward_hooks) for module in model.modules()))
            return x

    model = network(Counts())
    with tb.auto_log(model, writer=log.writer, every=3, graph=False):
        optimizer = sgd(model)
        for _ in range(4):
            model(torch.randn(2, 4)).sum().backward()
            assert not any(module._forward_hooks for module in model.modules())
            with torch.no_grad():
                model(torch.randn(2, 4))
            optimizer.step()
    assert counts == [5, 0, 0, 0, 5, 0, 0, 0]


def test_blocks_stand_for_their_modules(log: Any) -> None:
    """Of more than 64 modules the blocks are told of: their own results, and the dead units of all their rectifiers."""

    class Block(nn.Sequential):
        def __init__(self, bias: float) -> None:
            super().__init__(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4), nn.ReLU())
            nn.init.zeros_(self[0].weight)
            nn.init.zeros_(self[2].weight)
            nn.init.constant_(self[0].bias, bias)
            nn.init.constant_(self[2].bias, 100.0)

    torch.manual_seed(0)
    model = nn.Sequential(*[Block(-100.0 if number % 2 else 100.0) for number in range(17)])
    with tb.auto_log(model, writer=log.writer):
        train(model)
    assert log["activations/dead/0"] == [(1, 0.0)]
    assert log["activations/dead/1"] == [(1, 0.5)]
    assert {tag for tag in log.tags() if tag.startswith("activations/mean")} == {
        f"activations/mean/{number}" for number in range(17)
    }
    assert texts(log, "auto_log/notes")[0][1].count("68 modules are told of as 17, those 1 deep") == 1


@pytest.mark.parametrize("shape", [(300_000,), (100_000, 3), (4, 3, 200, 300), (1, 3, 400, 400), (2, 500_000)])
def test_sample_of_large_results(shape: tuple[int, ...]) -> None:
    """Of a large tensor some 65,536 values are looked at, of every feature where that can be, without a copy."""
    tensor = torch.arange(math.prod(shape), dtype=torch.float32).reshape(shape)
    sample = _sampled(tensor)
    assert 20_000 < sample.numel() < 140_000
    assert sample.untyped_storage().data_ptr() == tensor.untyped_storage().data_ptr()
    if len(shape) > 1 and shape[1] == 3:
        assert sample.shape[1] == 3


def test_compiled_parts_get_no_hooks(log: Any) -> None:
    """A part that is compiled is left alone, with all in it; the others are looked at."""
    torch.manual_seed(0)
    model = nn.ModuleDict({"fast": nn.Sequential(nn.Linear(4, 4), nn.ReLU()), "plain": nn.Linear(4, 1)})
    model["fast"].compile(backend="eager")
    model.forward = lambda x: model["plain"](model["fast"](x))  # type: ignore[method-assign]
    with tb.auto_log(model, writer=log.writer):
        train(model, 2)
    assert {tag for tag in log.tags() if tag.startswith("activations")} == {
        "activations/mean/plain",
        "activations/std/plain",
    }
    torch.compiler.reset()


class Odd(nn.Module):
    """Gives what is no tensor, or nothing, or fails."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.kind = kind
        self.inner = nn.Linear(4, 1)
        self.result: Any = None
        self.strange = nn.Identity()

    def forward(self, x: Tensor) -> Any:
        self.result = self.inner(x).square().mean()
        self.strange(None if self.kind == "none" else {"text": "words", "number": 3})
        if self.kind == "fails":
            raise KeyError("the user's")
        return None if self.kind == "none" else object()


@pytest.mark.parametrize("kind", ["none", "object"])
def test_results_that_are_no_tensors(log: Any, kind: str) -> None:
    """A model that returns None, or no tensors, is trained and looked at like any other."""
    model = Odd(kind)
    optimizer = sgd(model)
    with tb.auto_log(model, writer=log.writer):
        model(torch.ones(2, 4))
        model.result.backward()
        optimizer.step()
    assert len(log["train/loss"]) == len(log["activations/mean/inner"]) == 1


def test_pass_that_fails_leaves_no_hooks() -> None:
    """A model that fails in the middle of a pass raises its own error; the next pass and detach find nothing left."""
    model = Odd("fails")
    before = [dict(vars(module)) for module in model.modules()]
    hooks_before = [copy.copy(module._forward_hooks) for module in model.modules()]
    handle = tb.auto_log(model, writer=tb.SummaryWriter(sink=tb.MemorySink()))
    for _ in range(2):
        with pytest.raises(KeyError, match="the user's"):
            model(torch.ones(2, 4))
    copied = copy.deepcopy(model.inner)
    handle.detach()
    assert [module._forward_hooks for module in model.modules()] == hooks_before
    assert [vars(module).keys() for module in model.modules()] == [one.keys() for one in before]
    assert copied(torch.ones(1, 4)).shape == (1, 1)


# ---- losses that are not finite


def test_module_that_makes_nan_is_named_in_the_next_step(log: Any) -> None:
    """NaN is told at its own step; the step after that is known names the module, and not one it passed through."""

    class Breaks(nn.Identity):
        broken = False

        def forward(self, x: Tensor) -> Tensor:
            return x / 0 * 0 if self.broken else x

    model = network(Breaks(), nn.Tanh())
    optimizer = torch.optim.SGD(model[0].parameters(), lr=0.0)

    def run() -> None:
        with tb.auto_log(model, writer=log.writer):
            for number in range(1, 9):
                model[2].broken = number >= 3
                optimizer.zero_grad()
                model(torch.randn(16, 4)).mean().backward()
                if number >= 3:
                    optimizer.zero_grad()  # or the weights would have NaN, too
                optimizer.step()

    with pytest.warns(tb.TallyboardWarning) as caught:
        run()
    said = [str(warning.message) for warning in caught]
    assert len(said) == 2
    assert "the loss is nan at step 3" in said[0]
    assert "at step 5 the first module whose result is not finite is `2` (Breaks)" in said[1]
    assert texts(log, "nonfinite/loss") == [(3, "The loss is nan at step 3.")]
    ((step, text),) = texts(log, "nonfinite/module")
    assert (step, "`2` (Breaks)" in text, "weights" in text) == (5, True, False)


def test_module_with_broken_weights_is_named(log: Any) -> None:
    """Where an infinite loss broke the weights, the first module that has such is named, with them; others are not."""
    model = network()
    with pytest.warns(tb.TallyboardWarning, match="step"), tb.auto_log(model, writer=log.writer):
        train(model, 6, (1.0, math.inf))
    assert texts(log, "nonfinite/loss") == [(2, "The loss is inf at step 2.")]
    ((step, text),) = texts(log, "nonfinite/module")
    assert step == 4
    assert "`0` (Linear), which has weights that are not: `0.weight`, `0.bias`" in text


def test_trace_names_the_module_at_its_own_step(log: Any) -> None:
    """With nan="trace" step and module of the first NaN are told together; a loss that made it itself is, too."""

    class Sometimes(nn.Identity):
        broken = False

        def forward(self, x: Tensor) -> Tensor:
            return x * float("nan") if self.broken else x

    model = network(Sometimes())
    optimizer = torch.optim.SGD(model[0].parameters(), lr=0.0)

    def run() -> None:
        with tb.auto_log(model, writer=log.writer, nan="trace"):
            for number in range(1, 8):
                model[2].broken = number == 3
                optimizer.zero_grad()
                (model(torch.randn(16, 4)).mean() * (math.inf if number == 6 else 1.0)).backward()
                if number in (3, 6):
                    optimizer.zero_grad()
                optimizer.step()

    with pytest.warns(tb.TallyboardWarning, match="step 3"):
        run()
    (first, second) = texts(log, "nonfinite/module")
    assert first == (3, "At step 3 the first module whose result is not finite is `2` (Sometimes).")
    assert second[0] == 6
    assert "what comes after them, such as the loss function" in second[1]


def test_nothing_is_said_where_it_is_not_wanted(log: Any) -> None:
    """With nan=None a loss that is NaN is a point like others."""
    model = network()
    with tb.auto_log(model, writer=log.writer, nan=None):
        train(model, 4, (1.0, math.nan))
    assert [step for step, value in log["train/loss"] if value != value] == [2, 3, 4]
    assert not any(tag.startswith("nonfinite/loss") for tag in log.tags())


@pytest.mark.parametrize("nan", ["always", True, 3])
def test_no_such_way_of_finding_nan(nan: object) -> None:
    """Another way is refused at the call, with those that there are."""
    with pytest.raises(ValueError, match="'next', 'trace' or None"):
        tb.auto_log(network(), writer=tb.SummaryWriter(sink=tb.MemorySink()), nan=nan)
