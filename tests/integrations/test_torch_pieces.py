"""`watch`, `log_gradients`, `LearningRateLogger`: each alone, with values computed by hand, and nothing left behind."""

from __future__ import annotations

import copy
import io
import pickle
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import tallyboard as tb
from tallyboard.integrations.torch import LearningRateLogger, log_gradients
from tallyboard.integrations.torch.norms import by_module, l2_norms, together

from .conftest import Log


def mlp(seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Dropout(0.3), nn.Linear(8, 1))


def step(model: nn.Module, optimizer: torch.optim.Optimizer | None = None) -> None:
    loss = model(torch.randn(16, 4)).square().mean()
    loss.backward()
    if optimizer is not None:
        optimizer.step()


def test_norms_are_exact() -> None:
    """The norms of tensors of every kind are those of their values in double precision, in their order."""
    torch.manual_seed(0)
    sparse = torch.sparse_coo_tensor(
        torch.tensor([[1, 1, 0]]), torch.tensor([3.0, 1.0, 2.0]), (4,), check_invariants=True
    )
    tensors = [
        torch.randn(5, 3),
        torch.randn(7).double(),
        torch.full((4,), 300.0, dtype=torch.float16),  # whose squares half precision cannot hold
        torch.randn(2, dtype=torch.complex64),
        torch.zeros(0),
        sparse,  # in which two entries are of one place
        torch.randn(9).bfloat16(),
        torch.randn(5, 3),
        torch.tensor([3, 4]),
    ]
    wanted = [
        float(np.linalg.norm(np.atleast_1d(tensor.to_dense().to(torch.complex128).numpy()).ravel()))
        for tensor in tensors
    ]

    assert l2_norms(tensors).tolist() == pytest.approx(wanted, rel=1e-6)
    assert wanted[5] == pytest.approx(20**0.5)
    assert l2_norms([]).tolist() == []
    assert torch.isnan(l2_norms([torch.ones(2, device="meta"), torch.ones(4)])).tolist() == [True, False]


def test_modules_are_put_together() -> None:
    """A module's norm is that of all parameters below it; the model's own parameters stand under their names."""
    names = ["scale", "encoder.0.weight", "encoder.0.bias", "encoder.1.weight"]
    assert by_module(names, [1, 3, 4, 12], 1) == {"scale": 1, "encoder": 13}
    assert by_module(names, [1, 3, 4, 12], 2) == {"scale": 1, "encoder.0": 5, "encoder.1": 12}
    assert together([]) == 0


def test_gradients_of_a_model(log: Log) -> None:
    """The total is what `clip_grad_norm_` returns; each module's is the norm of its own; it is written at the step."""
    model = mlp()
    step(model)

    total = log_gradients(model, log.writer, 7)

    assert total == pytest.approx(float(nn.utils.clip_grad_norm_(model.parameters(), 1e9)), rel=1e-6)
    layers = {
        f"gradients/norm/{i}": torch.cat([p.grad.flatten() for p in model[i].parameters()]).norm().item()
        for i in (0, 3)
    }
    assert log.tags() == {"gradients/norm", *layers}
    assert log["gradients/norm"] == [(7, pytest.approx(total))]
    for tag, norm in layers.items():
        assert log[tag] == [(7, pytest.approx(norm, rel=1e-6))]


@pytest.mark.parametrize("form", ["optimizer", "parameters", "named", "dict", "one"])
def test_other_sources(log: Log, form: str) -> None:
    """Optimizers and parameters, with and without names, are taken, too."""
    layer = nn.Linear(3, 1, bias=form != "one")
    layer(torch.ones(1, 3)).sum().backward()
    source: Any = {
        "optimizer": torch.optim.SGD(layer.parameters(), 0.1),
        "parameters": layer.parameters(),
        "named": layer.named_parameters(),
        "dict": dict(layer.named_parameters()),
        "one": layer.weight,
    }[form]

    assert log_gradients(source, log.writer, 1, depth=0) == pytest.approx((3 if form == "one" else 4) ** 0.5)
    assert log.tags() == {"gradients/norm"}


def test_gradients_that_are_none_or_broken(log: Log) -> None:
    """Without a gradient there is 0; of those that are not finite the number of parameters is told."""
    model = mlp()
    assert log_gradients(model, log.writer, 0) == 0
    step(model)
    model[0].bias.grad[0] = torch.nan
    model[3].bias.grad[0] = torch.inf

    assert not np.isfinite(log_gradients(model, log.writer, 1))
    assert log["gradients/nonfinite"] == [(1, 2)]


def test_a_deep_model_has_few_series(log: Log) -> None:
    """Where modules would have more than 64 series the tree is cut one level higher."""
    model = nn.ModuleDict({"blocks": nn.ModuleList(nn.Linear(1, 1) for _ in range(65)), "head": nn.Linear(1, 1)})
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    log_gradients(model, log.writer, 0)

    assert log.tags() == {"gradients/norm", "gradients/norm/blocks", "gradients/norm/head"}


def test_histograms_of_gradients(log: Log) -> None:
    """`histograms=True` writes each parameter's gradient, by its name."""
    model = mlp()
    step(model)
    log_gradients(model, log.writer, 3, histograms=True)

    names = {f"gradients/{name}" for name, _ in model.named_parameters()}
    assert names <= log.tags()


def test_wrong_sources(log: Log) -> None:
    """What holds no parameters is refused with what to pass."""
    for wrong in ("model", 3, [1, 2]):
        with pytest.raises(TypeError, match="expected a model, an optimizer or parameters"):
            log_gradients(wrong, log.writer, 0)  # type: ignore[arg-type]


def test_rates_of_a_schedule(log: Log) -> None:
    """Each step has the rates that it was made with: of all groups, by their names, and of all optimizers."""
    model = mlp()
    first = torch.optim.SGD(
        [{"params": model[0].parameters(), "name": "body"}, {"params": model[3].parameters(), "lr": torch.tensor(0.5)}],
        lr=0.1,
        momentum=0.9,
    )
    second = torch.optim.AdamW(mlp().parameters(), lr=0.3, weight_decay=0.25)
    scheduler = torch.optim.lr_scheduler.StepLR(first, 2, 0.5)
    with LearningRateLogger([scheduler, second], log.writer, start_step=10):
        for _ in range(4):
            step(model, first)
            scheduler.step()
        second.step()
    step(model, first)

    steps = [11, 12, 13, 14]
    assert log["train/lr/body"] == [(s, pytest.approx(v)) for s, v in zip(steps, (0.1, 0.1, 0.05, 0.05), strict=True)]
    assert log["train/lr/group1"] == [(s, pytest.approx(v)) for s, v in zip(steps, (0.5, 0.5, 0.25, 0.25), strict=True)]
    assert log["train/momentum/body"] == [(s, pytest.approx(0.9)) for s in steps]
    assert log["train/lr/optimizer1"] == [(11, pytest.approx(0.3))]
    assert log["train/momentum/optimizer1"] == [(11, pytest.approx(0.9))]
    assert log["train/weight_decay/optimizer1"] == [(11, 0.25)]
    assert not first._optimizer_step_post_hooks
    assert not second._optimizer_step_post_hooks


def test_rates_now_and_then(log: Log) -> None:
    """`every=3` logs each third step."""
    model = mlp()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    rates = LearningRateLogger(optimizer, log.writer, every=3)
    for _ in range(7):
        step(model, optimizer)
    rates.close()

    assert [s for s, _ in log["train/lr"]] == [3, 6]


def test_wrong_rates(log: Log) -> None:
    """A model is no optimizer, and every zeroth step is none."""
    with pytest.raises(TypeError, match="expected optimizers or schedulers, got Sequential"):
        LearningRateLogger(mlp(), log.writer)
    with pytest.raises(ValueError, match="at least 1"):
        LearningRateLogger(torch.optim.SGD(mlp().parameters(), 0.1), log.writer, every=0)


def histograms(log: Log) -> dict[tuple[str, int], Any]:
    log.writer.flush()
    return {(event.summary.tag, event.step): event.summary.value for event in log.sink.events}


def test_watch(log: Log) -> None:
    """Every `log_freq` batches each parameter and its gradient is a histogram; calls without gradients are none."""
    model = mlp()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    wanted: dict[tuple[str, int], torch.Tensor] = {}
    tb.watch(model, nn.MSELoss(), "all", 2, writer=log.writer)
    for batch in range(1, 6):
        with torch.no_grad():
            model(torch.randn(1, 4))
        before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
        step(model, optimizer)
        if batch % 2 == 0:
            wanted |= {(f"parameters/{name}", batch): value for name, value in before.items()}
            wanted |= {(f"gradients/{name}", batch): p.grad.clone() for name, p in model.named_parameters()}
        optimizer.zero_grad()
    tb.unwatch(model)

    check = Log()
    for (tag, batch), value in wanted.items():
        check.writer.add_histogram(tag, value, batch)
    assert len(wanted) == 16
    ours, theirs = histograms(log), histograms(check)
    assert ours.keys() == theirs.keys()
    for key, value in theirs.items():
        np.testing.assert_array_equal(np.asarray(ours[key]), np.asarray(value))


def test_watch_leaves_nothing(log: Log) -> None:
    """With it the weights are bit for bit those without; after `unwatch` no hook is left on model or parameters."""
    plain, watched = mlp(), mlp()
    handles = tb.watch([watched], log="all", log_freq=1, log_graph=True, writer=log.writer)
    for model in (plain, watched):
        torch.manual_seed(1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for _ in range(3):
            step(model, optimizer)
            optimizer.zero_grad()
    assert all(torch.equal(a, b) for a, b in zip(plain.parameters(), watched.parameters(), strict=True))

    other = copy.deepcopy(watched)
    torch.save(watched, io.BytesIO())
    pickle.loads(pickle.dumps(watched))
    before = len(histograms(log))
    step(other)
    assert len(histograms(log)) == before, "a copy is not watched"

    handles[0].close()
    assert not watched._forward_pre_hooks
    assert not watched._forward_pre_hooks_with_kwargs
    assert not any(parameter._backward_hooks for parameter in watched.parameters())


def test_watch_names_and_graph(log: Log) -> None:
    """Several models are numbered as wandb numbers them; `log_graph` writes the graph of the first batch."""

    class ByName(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(4, 1)

        def forward(self, x: torch.Tensor, *, scale: float = 1.0) -> torch.Tensor:
            return self.layer(x) * scale

    one, two = ByName(), nn.Linear(4, 1)
    tb.watch([one, two], log="gradients", log_freq=1, log_graph=True, writer=log.writer)
    one(torch.randn(2, 4), scale=2.0).sum().backward()
    two(torch.randn(2, 4)).sum().backward()
    tb.unwatch()

    tags = log.tags()
    assert {"gradients/graph_0layer.weight", "gradients/graph_1weight"} <= tags
    assert [event.summary.plugin for event in log.sink.events].count("graphs") == 2


def test_watch_does_no_harm(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    """A writer that fails is told of once, and the training goes on."""

    def fail(*_: object, **__: object) -> None:
        raise OSError("no room")

    monkeypatch.setattr(log.writer, "add_histogram", fail)
    model = mlp()
    tb.watch(model, log="all", log_freq=1, writer=log.writer)
    with pytest.warns(tb.TallyboardWarning, match="no room"):
        step(model)
    step(model)
    tb.unwatch(model)
    assert model[0].weight.grad is not None


def test_watch_a_compiled_model(log: Log) -> None:
    """A compiled model's gradients are those of the model, and it is not compiled anew for being watched."""
    torch._dynamo.reset()
    compilations: list[Any] = []

    def backend(graph: torch.fx.GraphModule, inputs: list[torch.Tensor]) -> Any:
        compilations.append(graph)
        return graph.forward

    model = nn.Linear(4, 1)
    compiled = torch.compile(model, backend=backend)
    tb.watch(compiled, log="gradients", log_freq=2, writer=log.writer)
    for _ in range(4):
        compiled(torch.randn(2, 4)).sum().backward()
    tb.unwatch()
    assert {tag.rpartition(".")[2] for tag in log.tags()} == {"weight", "bias"}
    assert sorted(step for _, step in histograms(log)) == [2, 2, 4, 4]
    assert len(compilations) == 1


def test_watch_wrong_calls(log: Log) -> None:
    """Wrong arguments raise at the call, and leave the model as it was."""
    model = mlp()
    with pytest.raises(tb.UnsupportedModel, match=r"expected a torch\.nn\.Module, got str"):
        tb.watch("model")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="expected 'gradients', 'parameters', 'all' or None"):
        tb.watch(model, log="weights", writer=log.writer)
    with pytest.raises(ValueError, match="at least 1"):
        tb.watch(model, log_freq=0, writer=log.writer)
    with pytest.raises(TypeError, match="keep one"):
        tb.watch(model, writer=log.writer, logdir="runs")
    assert not model._forward_pre_hooks
