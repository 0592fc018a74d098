"""`auto_log` on PyTorch, every so many steps: gradients, weights and their moves are what a count by hand gives."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import tallyboard as tb
from tallyboard.integrations.torch.groups import MOST, cut_paths

CLOSE = 1e-6  # float32 on disk, sums in another order


def digits(samples: int = 64) -> tuple[Tensor, Tensor]:
    """Scikit-learn's pictures of digits, 8 x 8, values 0 to 1, and what they show."""
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    return torch.tensor(x[:samples] / 16, dtype=torch.float32), torch.tensor(y[:samples])


def network(seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(64, 16), nn.ReLU(), nn.Linear(16, 10))


def norm(tensors: list[Tensor]) -> float:
    return math.sqrt(sum(float((tensor.double() ** 2).sum()) for tensor in tensors))


def copies(model: nn.Module) -> dict[str, Tensor]:
    return {name: parameter.detach().clone() for name, parameter in model.named_parameters()}


class Hand:
    """The series counted by hand, step by step."""

    def __init__(self) -> None:
        self.series: dict[str, list[tuple[int, float]]] = {}

    def add(self, tag: str, step: int, value: float) -> None:
        self.series.setdefault(tag, []).append((step, pytest.approx(value, rel=CLOSE)))

    def step(self, number: int, before: dict[str, Tensor], gradients: dict[str, Tensor], model: nn.Module) -> None:
        """Adds what a step with these weights before it and these gradients did."""
        after = copies(model)
        modules = dict.fromkeys(name.rpartition(".")[0] for name in gradients)
        for end, names in [("", list(gradients))] + [
            (f"/{module}", [name for name in gradients if name.rpartition(".")[0] == module]) for module in modules
        ]:
            weights = norm([before[name] for name in names])
            self.add(f"gradients/norm{end}", number, norm([gradients[name] for name in names]))
            self.add(f"weights/norm{end}", number, weights)
            moved = norm([after[name].double() - before[name].double() for name in names])
            self.series.setdefault(f"weights/update_ratio{end}", []).append(
                (number, pytest.approx(moved / weights, rel=1e-4))  # the difference of near numbers
            )


@pytest.mark.parametrize(
    "make",
    [
        lambda model: torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9),
        lambda model: torch.optim.AdamW(model.parameters(), lr=0.01, fused=True),
        lambda model: torch.optim.Adam(model.parameters(), lr=0.01, foreach=True),
    ],
    ids=["SGD", "fused AdamW", "foreach Adam"],
)
def test_norms_and_ratios_of_digits(log: Any, make: Callable[[nn.Module], torch.optim.Optimizer]) -> None:
    """On real data, at step 1 and each third: norms of gradients and weights, and moves, in all and by module."""
    x, y = digits()
    model = network()
    optimizer = make(model)
    hand = Hand()
    with tb.auto_log(model, writer=log.writer, every=3):
        for number in range(1, 8):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(x), y).backward()
            before = copies(model)
            gradients = {name: parameter.grad.clone() for name, parameter in model.named_parameters()}  # type: ignore[union-attr]
            optimizer.step()
            if number in (1, 3, 6):
                hand.step(number, before, gradients, model)
    assert len(hand.series) == 9
    for tag, points in hand.series.items():
        assert log[tag] == points, tag
    assert log["gradients/nonfinite"] == log["weights/nonfinite"] == [(1, 0.0), (3, 0.0), (6, 0.0)]


def test_clipped_gradients_are_what_the_step_applies(log: Any) -> None:
    """Gradients count as the optimizer finds them: clipped to norm 0.01, that is their norm."""
    x, y = digits()
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with tb.auto_log(model, writer=log.writer):
        nn.functional.cross_entropy(model(x), y).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 0.01)
        optimizer.step()
    assert log["gradients/norm"] == [(1, pytest.approx(0.01, rel=1e-3))]


@pytest.mark.parametrize("fused", [False, True])
def test_scaled_gradients_are_unscaled(log: Any, fused: bool) -> None:
    """Under a GradScaler the norm is that of the gradients without its scale; a skipped step is looked at next time."""
    x, y = digits()
    model = network()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01, fused=fused)
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    bare = network()
    nn.functional.cross_entropy(bare(x), y).backward()
    expected = norm([parameter.grad for parameter in bare.parameters()])  # type: ignore[misc]
    with tb.auto_log(model, writer=log.writer):
        for factor in (float("inf"), 1.0, 1.0):
            optimizer.zero_grad()
            scaler.scale(nn.functional.cross_entropy(model(x), y) * factor).backward()
            scaler.step(optimizer)
            scaler.update()
    ((step, value),) = log["gradients/norm"]
    if fused:  # that the first was skipped shows when the second is made
        assert step == 2
    else:
        assert (step, value) == (1, pytest.approx(expected, rel=1e-5))
    assert [event.summary.tag for event in log.sink.events if event.summary.tag.startswith("nonfinite")] == []


def test_gradient_of_the_first_evaluation_of_a_closure(log: Any) -> None:
    """With LBFGS the gradient is that of the closure's first evaluation, as the loss is."""
    x, y = digits()
    model, bare = network(), network()
    nn.functional.cross_entropy(bare(x), y).backward()
    optimizer = torch.optim.LBFGS(model.parameters(), lr=0.5, max_iter=3)

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()
        return loss

    with tb.auto_log(model, writer=log.writer):
        optimizer.step(closure)
    expected = norm([parameter.grad for parameter in bare.parameters()])  # type: ignore[misc]
    assert log["gradients/norm"] == [(1, pytest.approx(expected, rel=CLOSE))]


def test_accumulated_gradients(log: Any) -> None:
    """The gradient of a step of several backward passes is their sum."""
    x, y = digits()
    model, bare = network(), network()
    nn.functional.cross_entropy(bare(x), y).backward()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with tb.auto_log(model, writer=log.writer):
        for part in range(4):
            rows = slice(16 * part, 16 * part + 16)
            (nn.functional.cross_entropy(model(x[rows]), y[rows]) / 4).backward()
        optimizer.step()
    expected = norm([parameter.grad for parameter in bare.parameters()])  # type: ignore[misc]
    assert log["gradients/norm"] == [(1, pytest.approx(expected, rel=1e-5))]


def test_frozen_shared_and_sparse_parameters(log: Any) -> None:
    """A shared weight counts once and under its first name, a frozen one has no gradient, a sparse gradient its own."""

    class Words(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.words = nn.Embedding(20, 4, sparse=True)
            self.inner = nn.Linear(4, 4, bias=False)
            self.same = self.inner
            self.frozen = nn.Linear(4, 4, bias=False).requires_grad_(False)

        def forward(self, ids: Tensor) -> Tensor:
            return self.frozen(self.same(self.inner(self.words(ids)))).square().sum()

    model = Words()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    before = copies(model)
    with tb.auto_log(model, writer=log.writer):
        model(torch.tensor([1, 1, 3])).backward()
        gradients = {name: p.grad.to_dense().clone() for name, p in model.named_parameters() if p.grad is not None}
        optimizer.step()
    assert set(gradients) == {"words.weight", "inner.weight"}
    assert log["gradients/norm/words"] == [(1, pytest.approx(norm([gradients["words.weight"]]), rel=CLOSE))]
    assert log["gradients/norm"] == [(1, pytest.approx(norm(list(gradients.values())), rel=CLOSE))]
    assert log["weights/norm"] == [(1, pytest.approx(norm(list(before.values())), rel=CLOSE))]
    assert log["weights/update_ratio/frozen"] == [(1, 0.0)]
    assert not any(tag.endswith("/same") or tag == "gradients/norm/frozen" for tag in log.tags())


def test_two_optimizers_measure_their_own(log: Any) -> None:
    """Each optimizer's totals are of its own parameters, at its own steps."""
    x, y = digits()
    model = network()
    first = torch.optim.SGD(model[0].parameters(), lr=0.1)
    second = torch.optim.SGD(model[2].parameters(), lr=0.1)
    with tb.auto_log(model, writer=log.writer):
        nn.functional.cross_entropy(model(x), y).backward()
        gradients = [norm([p.grad for p in part.parameters()]) for part in (model[0], model[2])]  # type: ignore[misc]
        first.step()
        second.step()
    assert log["gradients/norm"] == [(1, pytest.approx(gradients[0], rel=CLOSE))]
    assert log["gradients/norm/optimizer1"] == [(1, pytest.approx(gradients[1], rel=CLOSE))]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_parameters_of_other_dtypes(log: Any, dtype: torch.dtype) -> None:
    """Norms of 16-bit numbers are summed in 32 bits: they do not overflow where the numbers do not."""
    model = nn.Linear(2, 2, bias=False).to(dtype)
    with torch.no_grad():
        model.weight.fill_(40000.0)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    with tb.auto_log(model, writer=log.writer):
        model(torch.zeros(1, 2, dtype=dtype)).sum().backward()
        optimizer.step()
    assert log["weights/norm"] == [(1, pytest.approx(2 * model.weight[0, 0].item(), rel=1e-6))]
    assert log["weights/nonfinite"] == [(1, 0.0)]


def test_ratio_of_a_large_model_is_near(log: Any) -> None:
    """Of a model with more than 65,536 weights the move is computed from a sample, within 5 % here; norms are exact."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 512))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    before = copies(model)
    with tb.auto_log(model, writer=log.writer):
        model(torch.randn(32, 512)).square().mean().backward()
        optimizer.step()
    moved = norm([after.double() - before[name].double() for name, after in copies(model).items()])
    ((_, ratio),) = log["weights/update_ratio"]
    assert ratio == pytest.approx(moved / norm(list(before.values())), rel=0.05)
    assert log["weights/norm"] == [(1, pytest.approx(norm(list(before.values())), rel=CLOSE))]


def test_parameter_with_a_gradient_that_is_not_finite(log: Any) -> None:
    """NaN in one gradient is counted, and its parameter named, at that step."""
    x, y = digits()
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with tb.auto_log(model, writer=log.writer):
        nn.functional.cross_entropy(model(x), y).backward()
        assert model[2].bias.grad is not None
        model[2].bias.grad[3] = float("nan")
        optimizer.step()
    assert log["gradients/nonfinite"] == [(1, 1.0)]
    (text,) = [e.summary.value for e in log.sink.events if e.summary.tag == "nonfinite/gradients/text_summary"]
    assert "`2.bias`" in str(text)
    assert "`2.weight`" not in str(text)


def test_momentum_and_weight_decay_of_groups(log: Any) -> None:
    """Settings of each group are logged at every step as the step used them; those that are always 0 are not."""
    model = network()
    optimizer = torch.optim.SGD(
        [
            {"params": model[0].parameters(), "momentum": 0.5, "weight_decay": 0.25},
            {"params": model[2].parameters()},
        ],
        lr=0.1,
    )
    x, _ = digits(4)
    with tb.auto_log(model, writer=log.writer):
        for _ in range(3):
            model(x).mean().backward()
            optimizer.step()
            optimizer.param_groups[0]["momentum"] /= 2
    assert log["train/momentum/group0"] == [(1, 0.5), (2, 0.25), (3, 0.125)]
    assert log["train/weight_decay/group0"] == [(1, 0.25), (2, 0.25), (3, 0.25)]
    assert log["train/momentum/group1"] == log["train/weight_decay/group1"] == []


@pytest.mark.parametrize("every", [0, -1, 1.5, "often"])
def test_every_that_is_no_number_of_steps(every: object) -> None:
    """`every` below 1 or no integer is refused at the call."""
    with pytest.raises(tb.InvalidSummary, match="every"):
        tb.auto_log(network(), writer=tb.SummaryWriter(sink=tb.MemorySink()), every=every)


def test_paths_are_cut_to_few_enough() -> None:
    """Paths are cut to the greatest depth with at most 64; where the first parts are more, the rest is named."""
    blocks = [f"blocks.{i}.{part}" for i in range(60) for part in ("attention", "mlp")]
    cut, said = cut_paths(["stem", *blocks, "head"])
    assert cut["blocks.7.mlp"] == cut["blocks.7.attention"] == "blocks.7"
    assert (cut["stem"], cut["head"], len(set(cut.values()))) == ("stem", "head", 62)
    assert said == "122 modules are told of as 62, those 2 deep"
    cut, said = cut_paths([f"layer{i}" for i in range(MOST + 2)])
    assert len(cut) == MOST
    assert "`layer64`, `layer65`" in said
    assert cut_paths(["a", "b", "a"]) == ({"a": "a", "b": "b"}, "")
