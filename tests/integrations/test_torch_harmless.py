"""`auto_log` on PyTorch does no harm: same weights, nothing left behind, nothing kept alive, no exception."""

from __future__ import annotations

import contextlib
import copy
import gc
import pickle
import random
import subprocess
import sys
import warnings
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import tallyboard as tb
from tallyboard.integrations.torch import hooks
from tallyboard.integrations.torch.activations import Looking
from tallyboard.integrations.torch.armed import Armed
from tallyboard.integrations.torch.late import Late, Numbers
from tallyboard.integrations.torch.watch import Watch


def mlp(seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.3), nn.Linear(8, 1))


def loss_of(model: nn.Module) -> Tensor:
    return ((model(torch.randn(16, 4)) - 1) ** 2).mean()


def train(model: nn.Module, steps: int = 5, each: Callable[[Tensor], None] = lambda loss: None) -> list[float]:
    """A plain loop; returns its losses."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 2)
    losses: list[float] = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = loss_of(model)
        loss.backward()
        optimizer.step()
        scheduler.step()
        each(loss)
        losses.append(loss.item())
    return losses


def in_memory() -> tb.SummaryWriter:
    return tb.SummaryWriter(sink=tb.MemorySink())


def everything(model: nn.Module) -> dict[str, Any]:
    """All that auto_log could leave behind in a model, its parameters, or torch."""
    from torch.nn.modules import module as of_modules
    from torch.optim import optimizer as of_optimizers

    found: dict[str, Any] = {
        "backward": torch.Tensor.__dict__["backward"],
        "scale": torch.amp.GradScaler.__dict__["scale"],
        "watches": hooks._watches,
        "orphans": list(hooks.orphans),
    }
    for where in (of_modules, of_optimizers):
        hook_dicts = {key: value for key, value in vars(where).items() if key.startswith("_global") and "hooks" in key}
        assert hook_dicts
        found |= {f"{where.__name__}.{key}": copy.copy(value) for key, value in hook_dicts.items()}
    for path, module in model.named_modules():
        found |= {
            f"{path}.{key}": copy.copy(value)
            for key, value in vars(module).items()
            if key not in ("_parameters", "_buffers")
        }
    for path, parameter in model.named_parameters():
        found[f"{path} itself"] = (
            dict(vars(parameter)),
            parameter._backward_hooks,
            parameter._post_accumulate_grad_hooks,
        )
    return found


def test_detach_leaves_nothing() -> None:
    """After detach every hook, every attribute of the model and torch's own functions are the very ones as before."""
    model = mlp()
    before = everything(model)
    handle = tb.auto_log(model, writer=in_memory())
    during = everything(model)
    changed = {key for key in before if before[key] != during[key]}
    assert changed == {
        "backward",
        "scale",
        "watches",
        "torch.optim.optimizer._global_optimizer_pre_hooks",
        "torch.optim.optimizer._global_optimizer_post_hooks",
        "._forward_pre_hooks",
        "._forward_pre_hooks_with_kwargs",
    }
    train(model)
    handle.detach()
    after = everything(model)
    assert after.keys() == before.keys()
    assert {key for key in before if before[key] != after[key]} == set()
    assert after["backward"] is before["backward"]


def test_functions_stay_wrapped_until_the_last_detach() -> None:
    """With two models watched, the end of the first does not end the second."""
    original = torch.Tensor.backward
    models = [mlp(), mlp()]
    first, second = (tb.auto_log(model, writer=in_memory()) for model in models)
    wrapper = torch.Tensor.backward
    assert wrapper is not original
    first.detach()
    assert torch.Tensor.backward is wrapper
    second.detach()
    assert torch.Tensor.backward is original


def test_wrapper_of_somebody_else_survives(monkeypatch: pytest.MonkeyPatch, log: Any) -> None:
    """Who wraps Tensor.backward after us keeps the wrapper when we leave, and losses are counted once afterwards."""
    calls = 0
    earlier = mlp()
    handle = tb.auto_log(earlier, writer=in_memory())
    ours = torch.Tensor.backward

    def theirs(self: Tensor, *args: Any, **kwargs: Any) -> None:
        nonlocal calls
        calls += 1
        ours(self, *args, **kwargs)

    try:
        torch.Tensor.backward = theirs  # type: ignore[method-assign]
        handle.detach()
        assert torch.Tensor.backward is theirs
        model = mlp()
        with tb.auto_log(model, writer=log.writer):
            losses = train(model, steps=2)
        assert torch.Tensor.backward is theirs
        assert calls == 2
        assert log["train/loss"] == list(enumerate(losses, 1))
    finally:
        torch.Tensor.backward = ours.__wrapped__  # type: ignore[attr-defined, method-assign]


@pytest.mark.parametrize("options", [{}, {"every": 1, "nan": "trace", "histograms": 1}], ids=["as usual", "all of it"])
def test_training_is_bit_identical(options: dict[str, Any]) -> None:
    """Weights, buffers, losses, outputs and all random states after a training are the same bits with and without."""

    def trained(watch: bool) -> tuple[dict[str, Tensor], list[Any], list[float]]:
        model = mlp(3)
        random.seed(5)
        np.random.seed(5)  # the program's, of which nothing may be taken
        handle = tb.auto_log(model, writer=in_memory(), **options) if watch else contextlib.nullcontext()
        with handle:
            losses = train(model, steps=20, each=lambda loss: handle.log(own=loss) if watch else None)  # type: ignore[union-attr]
        drawn = [torch.get_rng_state().tolist(), random.getstate(), np.random.get_state()[1].tolist()]  # type: ignore[index, union-attr]
        return {**model.state_dict(), "output": model.eval()(torch.ones(3, 4)).detach()}, drawn, losses

    (bare, bare_random, bare_losses), (ours, our_random, our_losses) = trained(False), trained(True)
    assert bare.keys() == ours.keys()
    for name in bare:
        assert bare[name].numpy().tobytes() == ours[name].numpy().tobytes(), name
    assert bare_random == our_random
    assert bare_losses == our_losses


def test_copy_of_a_watched_model_is_not_watched() -> None:
    """deepcopy works while watching; training the copy logs nothing, and it holds nothing of ours."""
    model, sink = mlp(), tb.MemorySink()
    writer = tb.SummaryWriter(sink=sink)
    with tb.auto_log(model, writer=writer):
        copied = copy.deepcopy(model)
        train(copied)
    writer.flush()
    assert sink.events == []
    assert not any(type(hook).__module__.startswith("tallyboard") for hook in copied._forward_pre_hooks.values())


def test_pickle_of_a_watched_model_needs_no_tallyboard(tmp_path: Path) -> None:
    """A watched model that was saved whole loads and runs where tallyboard does not exist."""
    model = mlp()
    with tb.auto_log(model, writer=in_memory()):
        torch.save(model, tmp_path / "model.pt")
        data = pickle.dumps(model)
    assert b"tallyboard" not in data
    model.eval()
    program = (
        "import sys; sys.modules['tallyboard'] = None\n"
        "import torch; model = torch.load(sys.argv[1], weights_only=False).eval()\n"
        "print(model(torch.ones(2, 4)).tolist())"
    )
    command = [sys.executable, "-W", "ignore", "-c", program, str(tmp_path / "model.pt")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.stdout.strip() == str(model(torch.ones(2, 4)).tolist()), done.stderr


def test_state_dict_is_untouched() -> None:
    """The state dict of a watched model has the keys it has without."""
    model = mlp()
    keys = list(model.state_dict())
    with tb.auto_log(model, writer=in_memory()):
        train(model, steps=1)
        assert list(model.state_dict()) == keys


def test_model_is_not_kept_alive() -> None:
    """Neither handle nor hooks keep the model alive; torch is unwrapped when it goes, and the last loss still comes."""
    original, sink = torch.Tensor.backward, tb.MemorySink()
    writer = tb.SummaryWriter(sink=sink)
    model = mlp()
    handle = tb.auto_log(model, writer=writer)
    losses = train(model, steps=3)
    gone = weakref.ref(model)
    del model
    gc.collect()
    assert gone() is None
    assert torch.Tensor.backward is original
    handle.detach()
    writer.flush()
    assert [event.summary.value for event in sink.events if event.summary.tag == "train/loss"] == losses
    assert hooks.orphans == []


def test_detached_model_that_goes_leaves_nothing() -> None:
    """A model that is gone after its detach leaves nothing to be done by a later one."""
    model = mlp()
    tb.auto_log(model, writer=in_memory()).detach()
    del model
    gc.collect()
    assert hooks.orphans == []


def test_model_without_handle_is_finished_by_the_next(log: Any) -> None:
    """The last loss of a model that is gone, and whose handle nobody kept, is written when another is watched."""
    model = mlp()
    tb.auto_log(model, writer=log.writer)
    losses = train(model, steps=3)
    del model
    gc.collect()
    assert log["train/loss"] == list(enumerate(losses[:2], 1))
    tb.auto_log(mlp(), writer=in_memory()).detach()
    assert log["train/loss"] == list(enumerate(losses, 1))


def test_graph_is_not_retained() -> None:
    """The graph of a loss is freed as soon as the loop lets go of it, while its value still waits to be written."""
    model = mlp()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with tb.auto_log(model, writer=in_memory()):
        x = torch.randn(16, 4, requires_grad=True)
        hidden = model(x)
        loss = hidden.mean()
        loss.backward()
        optimizer.step()
        held = [weakref.ref(hidden), weakref.ref(loss)]
        del hidden, loss
        assert [ref() for ref in held] == [None, None]


# ---- exceptions


def expected_weights() -> dict[str, Tensor]:
    model = mlp(3)
    train(model)
    return model.state_dict()


@pytest.mark.parametrize(
    ("owner", "name"),
    [
        (Late, "__init__"),
        (Late, "read"),
        (Late, "ready"),
        (Watch, "_times"),
        (Watch, "_rates"),
        (Watch, "_owns"),
        (Watch, "_gradients_were_dropped"),
        (Armed, "__init__"),
        (Armed, "step_made"),
        (Armed, "found"),
        (Looking, "__init__"),
        (Looking, "_look"),
        (Looking, "found"),
        (Looking, "end"),
        (Numbers, "__init__"),
        (Numbers, "read"),
        (tb.SummaryWriter, "add_scalar"),
    ],
    ids=lambda value: value if isinstance(value, str) else value.__name__,
)
def test_failure_inside_never_reaches_training(owner: type, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever fails in us, training runs to the same weights, one warning says what failed, and detach still works."""

    def fails(*args: Any, **kwargs: Any) -> Any:
        raise OSError("injected")

    original, wanted = torch.Tensor.backward, expected_weights()
    model = mlp(3)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        handle = tb.auto_log(model, writer=in_memory())
        monkeypatch.setattr(owner, name, fails)
        train(model)
        handle.detach()
    ours = [str(warning.message) for warning in caught if issubclass(warning.category, tb.TallyboardWarning)]
    assert len(ours) == 1
    assert "OSError: injected" in ours[0]
    assert "raining goes on" in ours[0]
    assert all(torch.equal(tensor, wanted[key]) for key, tensor in model.state_dict().items())
    assert torch.Tensor.backward is original


def test_sink_that_raises_changes_nothing() -> None:
    """A sink that refuses every event costs the writer's warnings and not a bit of the weights."""

    class Broken(tb.MemorySink):
        def write(self, event: Any, /) -> None:
            raise OSError("no space in this test")

    wanted = expected_weights()
    model = mlp(3)
    writer = tb.SummaryWriter(sink=Broken())
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with tb.auto_log(model, writer=writer, every=1, nan="trace", histograms=1):
            train(model)
        writer.close()
    ours = [str(warning.message) for warning in caught if issubclass(warning.category, tb.TallyboardWarning)]
    assert "no space in this test" in ours[0]
    assert "events lost" in ours[-1]
    assert all(torch.equal(tensor, wanted[key]) for key, tensor in model.state_dict().items())


def test_directory_that_cannot_be(tmp_path: Path) -> None:
    """A logdir below a file is refused at the call, by name, and neither model nor torch is touched."""
    (tmp_path / "file").write_text("no directory")
    model = mlp()
    before = everything(model)
    with pytest.raises(tb.InvalidLogdir, match="is a file; give a directory"):
        tb.auto_log(model, tmp_path / "file" / "run")
    assert everything(model) == before


def test_logging_recovers_after_a_failure(monkeypatch: pytest.MonkeyPatch, log: Any) -> None:
    """A failure costs the values it hit; those after it are logged."""
    model = mlp()
    failures = iter([False, False, True])
    rates = Watch._rates

    def sometimes(self: Watch, *args: Any) -> Any:
        if next(failures, False):
            raise OSError("injected, once")
        return rates(self, *args)

    monkeypatch.setattr(Watch, "_rates", sometimes)
    with pytest.warns(tb.TallyboardWarning, match="injected, once"), tb.auto_log(model, writer=log.writer):
        losses = train(model, steps=5)
    assert [value for _, value in log["train/loss"]] == [losses[0], losses[1], losses[3], losses[4]]


def test_exception_of_the_user_passes_through(log: Any) -> None:
    """An exception in the user's forward or step goes on as it is, and logging works afterwards."""

    class Fails(nn.Linear):
        def forward(self, x: Tensor) -> Tensor:
            if x.shape[0] == 1:
                raise KeyError("the user's")
            return super().forward(x)

    model = Fails(4, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

    def closure_that_fails() -> float:
        raise KeyError("the user's too")

    with tb.auto_log(model, writer=log.writer):
        with pytest.raises(KeyError, match="the user's"):
            model(torch.ones(1, 4))
        with pytest.raises(KeyError, match="the user's too"):
            optimizer.step(closure_that_fails)
        losses: list[float] = []
        for _ in range(2):
            optimizer.zero_grad()
            loss = loss_of(model)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    assert log["train/loss"] == list(enumerate(losses, 1))


@pytest.mark.parametrize(
    "model",
    [nn.Identity(), nn.Linear(2, 2, device="meta"), nn.LazyLinear(3)],
    ids=["no parameters", "meta", "lazy"],
)
def test_odd_models(model: nn.Module) -> None:
    """Modules without parameters, on the meta device or not materialised can be watched and left."""
    before = dict(model._forward_pre_hooks)
    with tb.auto_log(model, writer=in_memory()):
        if isinstance(model, nn.Linear) and model.weight.is_meta:
            model(torch.ones(2, 2, device="meta")).sum().backward()
            torch.optim.SGD(model.parameters(), lr=0.1).step()
    assert dict(model._forward_pre_hooks) == before


@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
def test_scripted_model(log: Any) -> None:
    """A scripted module, which takes no hooks, is watched without them: its losses and rates are there."""
    model = torch.jit.script(nn.Linear(4, 1))
    with tb.auto_log(model, writer=log.writer):
        losses = train(model, steps=3)
    assert log["train/loss"] == list(enumerate(losses, 1))
    ends = ("train/lr", "train/momentum", "train/weight_decay", "time/step_ms")
    health = ("gradients/norm", "gradients/nonfinite", "weights/norm", "weights/nonfinite", "weights/update_ratio")
    once = ("__run_graph__", "step1", "auto_log/parameters", "auto_log/environment")
    told = ("_hparams_/session_start_info", "_hparams_/experiment")
    assert log.tags() == {"train/loss", *ends, *health, *once, *told}
