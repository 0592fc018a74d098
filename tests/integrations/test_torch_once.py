"""`auto_log` on PyTorch logs once: the graph of the first pass, parameters, hyperparameters, where it ran."""

from __future__ import annotations

import contextlib
import copy
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode, _get_current_function_mode_stack

import tallyboard as tb
from tallyboard.core.environment import command_line, git_commit
from tallyboard.core.proto import graph_pb2
from tallyboard.integrations.torch.capture import Watching
from tallyboard.integrations.torch.graph import graph as graph_of
from tallyboard.integrations.torch.once import Once


class Branches(nn.Module):
    """Takes inputs by name, draws random numbers, gives a dict."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.stem = nn.Sequential(nn.Linear(4, 8), nn.ReLU())
        self.drop = nn.Dropout(0.5)
        self.head = nn.Linear(8, 2)
        self.calls = 0

    def forward(self, x: Tensor, *, scale: float = 1.0) -> dict[str, Tensor]:
        self.calls += 1
        return {"y": self.head(self.drop(self.stem(x)) * scale)}


def train(model: nn.Module, steps: int = 2, optimizer: Any = None) -> None:
    optimizer = optimizer or torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(steps):
        optimizer.zero_grad()
        model(torch.randn(6, 4), scale=2.0)["y"].square().mean().backward()
        optimizer.step()


def graph_in(log: Any) -> graph_pb2.GraphDef:
    log.writer.flush()
    (event,) = [event for event in log.sink.events if event.summary.tag == "__run_graph__"]
    return graph_pb2.GraphDef.FromString(event.summary.value.data)


def table_in(log: Any, tag: str) -> list[list[str]]:
    log.writer.flush()
    (event,) = [event for event in log.sink.events if event.summary.tag == tag]
    return [[cell.decode() for cell in row] for row in event.summary.value.array]


def test_graph_is_that_of_a_call_made_for_it(log: Any) -> None:
    """The graph drawn while the program trains has the nodes and edges that a call made to draw it would have."""
    model = Branches()
    with tb.auto_log(model, writer=log.writer):
        train(model)
    drawn = {node.name: list(node.input) for node in graph_in(log).node}
    called = {
        node.name: list(node.inputs) for node in graph_of(Branches(), {"x": torch.randn(6, 4), "scale": 2.0}).nodes
    }
    assert drawn == called
    assert "stem/0/linear" in drawn
    assert model.calls == 2


def test_drawing_changes_nothing() -> None:
    """Outputs, random numbers, weights, hooks and torch's modes are the same with the first pass drawn and without."""

    def trained(watch: bool) -> tuple[list[Tensor], Tensor]:
        model = Branches()
        before = [dict(module._forward_hooks) for module in model.modules()]
        handle = tb.auto_log(model, writer=tb.SummaryWriter(sink=tb.MemorySink())) if watch else None
        train(model, 3)
        assert _get_current_function_mode_stack() == []
        assert [dict(module._forward_hooks) for module in model.modules()] == before
        if handle is not None:
            handle.detach()
        return [parameter.detach() for parameter in model.parameters()], torch.get_rng_state()

    (bare, bare_random), (ours, our_random) = trained(False), trained(True)
    assert all(a.numpy().tobytes() == b.numpy().tobytes() for a, b in zip(bare, ours, strict=True))
    assert torch.equal(bare_random, our_random)


@pytest.mark.parametrize("error", [KeyError, KeyboardInterrupt])
def test_pass_that_is_cut_off(log: Any, error: type[BaseException]) -> None:
    """A first pass that ends in an exception leaves it as it is; the next one is drawn, and nothing is left behind."""

    class Stops(Branches):
        def forward(self, x: Tensor, *, scale: float = 1.0) -> dict[str, Tensor]:
            y = super().forward(x, scale=scale)
            if self.calls == 1:
                raise error("the user's")
            return y

    model = Stops()
    handle = tb.auto_log(model, writer=log.writer)
    with pytest.raises(error, match="the user's"):
        model(torch.randn(2, 4))
    train(model)
    assert _get_current_function_mode_stack() == []
    assert not any(module._forward_hooks for module in model.modules())
    handle.detach()
    assert "head/linear" in {node.name for node in graph_in(log).node}


def test_interrupted_pass_and_then_detach() -> None:
    """Detaching after an interrupted pass takes our mode away from beneath one that the program entered since."""

    class Stops(Branches):
        def forward(self, x: Tensor, *, scale: float = 1.0) -> dict[str, Tensor]:
            raise KeyboardInterrupt

    class Mine(TorchFunctionMode):
        pass

    model = Stops()
    handle = tb.auto_log(model, writer=tb.SummaryWriter(sink=tb.MemorySink()))
    with pytest.raises(KeyboardInterrupt):
        model(torch.randn(2, 4))
    with Mine() as mine:
        handle.detach()
        assert _get_current_function_mode_stack() == [mine]
    assert _get_current_function_mode_stack() == []
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


def test_what_fails_while_drawing_stays_there(log: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """If drawing fails, the pass goes on unharmed and the modules alone are the graph, with the reason."""

    def fails(*args: Any) -> Any:
        raise OSError("injected")

    model = Branches()
    monkeypatch.setattr(Watching, "_note", fails)
    with tb.auto_log(model, writer=log.writer):
        train(model)
    assert model.calls == 2
    assert {node.name for node in graph_in(log).node} == {"stem/0", "stem/1", "drop", "head"}
    assert len(log["train/loss"]) == 2


@pytest.mark.parametrize("name", ["forward_begins", "forward_ends", "step_ends", "write"])
def test_failure_of_what_is_logged_once(log: Any, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever fails of it, the losses are logged and the model is left as it was."""

    def fails(*args: Any) -> Any:
        raise OSError("injected")

    model = Branches()
    monkeypatch.setattr(Once, name, fails)

    def run() -> None:
        with tb.auto_log(model, writer=log.writer):
            train(model)

    if name == "forward_ends":  # then the modules are drawn
        run()
    else:
        with pytest.warns(tb.TallyboardWarning, match="OSError: injected"):
            run()
    assert [step for step, _ in log["train/loss"]] == [1, 2]
    assert not any(module._forward_hooks for module in model.modules())
    assert _get_current_function_mode_stack() == []


@pytest.mark.parametrize("way", ["around", "in place", "a part"])
def test_graph_of_a_compiled_model(log: Any, way: str) -> None:
    """As the model was written; nothing is compiled or called for it, no hook sees it, all stays equal."""
    compilations: list[Any] = []

    def backend(graph: Any, inputs: Any) -> Any:
        compilations.append(graph)
        return graph.forward

    def run(watched: bool) -> tuple[Branches, int, list[Any]]:
        torch.compiler.reset()
        compilations.clear()
        model, seen = Branches(), []
        model.head.register_forward_hook(lambda *_: seen.append(torch.is_grad_enabled()))
        called: Any = model
        if way == "in place":
            model.compile(backend=backend)
        elif way == "around":
            called = torch.compile(model, backend=backend)
        else:
            model.stem = torch.compile(model.stem, backend=backend)  # type: ignore[assignment]
        torch.manual_seed(1)
        before = vars(model).get("_compiled_call_impl")
        with tb.auto_log(called, writer=log.writer) if watched else contextlib.nullcontext():
            train(called)
        assert vars(model).get("_compiled_call_impl") is before
        return model, len(compilations), seen

    model, compiled, seen = run(True)
    found = graph_in(log)
    drawn = graph_of(Branches(), {"x": torch.zeros(6, 4), "scale": 2.0}, mode="capture")
    assert {(node.name, tuple(node.input)) for node in found.node} == {(one.name, one.inputs) for one in drawn.nodes}
    (linear,) = [node for node in found.node if node.name == "stem/0/linear"]
    assert [size.size for size in linear.attr["_output_shapes"].list.shape[0].dim] == [6, 8]
    other, alone, unwatched = run(False)
    assert (compiled, model.calls, seen) == (alone, other.calls, unwatched)
    for (name, mine), (_, theirs) in zip(model.state_dict().items(), other.state_dict().items(), strict=True):
        assert torch.equal(mine, theirs), name
    torch.compiler.reset()


class ByItsData(Branches):
    """Goes on with a number of its data."""

    def forward(self, x: Tensor, *, scale: float = 1.0) -> dict[str, Tensor]:
        return super().forward(x * float(x.detach().sum().item() > 0), scale=scale)


def test_graph_of_a_compiled_model_that_goes_by_its_data(log: Any) -> None:
    """Without data it cannot be called: the graph has its modules."""
    compiled = torch.compile(ByItsData(), backend="eager")
    with tb.auto_log(compiled, writer=log.writer):
        train(compiled)
    assert {node.name for node in graph_in(log).node} == {"stem/0", "stem/1", "drop", "head"}
    torch.compiler.reset()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_graph_of_a_scripted_model(log: Any) -> None:
    """It is torch.jit's own, which takes no call to read."""
    scripted = torch.jit.script(nn.Sequential(nn.Linear(4, 8), nn.ReLU()))
    optimizer = torch.optim.SGD(scripted.parameters(), lr=0.1)
    with tb.auto_log(scripted, writer=log.writer):
        scripted(torch.randn(6, 4)).square().mean().backward()
        optimizer.step()
    assert {"aten::linear", "aten::relu"} <= {node.op for node in graph_in(log).node}


def test_nothing_is_drawn_where_it_is_not_wanted(log: Any) -> None:
    """With graph=False there is none."""
    model = Branches()
    with tb.auto_log(model, writer=log.writer, graph=False):
        train(model)
    assert "__run_graph__" not in log.tags()


def test_parameters_as_a_table(log: Any) -> None:
    """Each parameter with its shape, count and type; a frozen one and a shared one are told as such."""
    model = Branches()
    model.head.weight.requires_grad_(False)
    model.again = model.stem[0]
    with tb.auto_log(model, writer=log.writer):
        train(model)
    first, *rows = table_in(log, "auto_log/parameters")
    assert first == ["parameter", "shape", "numbers", "dtype", "device", "trained"]
    assert rows[0] == ["`stem.0.weight`", "8 x 4", "32", "float32", "cpu", "yes"]
    assert rows[2] == ["`head.weight`", "2 x 8", "16", "float32", "cpu", "no"]
    assert rows[4][0] == "`again.weight`, which is `stem.0.weight`"


def test_hyperparameters_of_the_run(tmp_path: Path) -> None:
    """Optimizer, its settings before any scheduler's, where groups differ, batch size and those given."""
    model = Branches()
    optimizer = torch.optim.AdamW(
        [{"params": model.stem.parameters()}, {"params": model.head.parameters(), "weight_decay": 0.0}], lr=0.5
    )
    torch.optim.lr_scheduler.LinearLR(optimizer, start_factor=0.1)
    with tb.auto_log(model, tmp_path / "run", hparams={"dropout": 0.5}):
        train(model, 2, optimizer)
    found = tb.read(tmp_path)["run"].hparams
    assert found is not None
    hparams = found.values
    assert hparams["optimizer"] == "AdamW"
    assert hparams["lr"] == 0.5
    assert hparams["betas"] == "[0.9, 0.999]"
    assert (hparams["weight_decay"], hparams["group1/weight_decay"]) == (0.01, 0.0)
    assert list(found.metrics) == ["train/loss"]
    assert (hparams["batch_size"], hparams["dropout"], hparams["model"]) == (6, 0.5, "Branches")
    assert tb.read(tmp_path).scalars()["run", "train/loss"].step.tolist() == [1, 2]


@pytest.mark.parametrize("way", ["off", "before"])
def test_hyperparameters_of_the_programs_own(tmp_path: Path, way: str) -> None:
    """A program that logs its own, before the first step or with hparams=False, has those and no others."""
    model = Branches()
    with tb.SummaryWriter(tmp_path / "run") as writer:
        with tb.auto_log(model, writer=writer, hparams=way != "off"):
            if way == "before":
                writer.add_hparams({"mine": 1}, {})
            train(model)
        if way == "off":
            writer.add_hparams({"mine": 1}, {})
    found = tb.read(tmp_path)["run"].hparams
    assert found is not None
    assert found.values == {"mine": 1}


def test_hyperparameters_that_are_none() -> None:
    """Something that is no mapping is refused at the call."""
    with pytest.raises(tb.InvalidSummary, match="mapping"):
        tb.auto_log(Branches(), writer=tb.SummaryWriter(sink=tb.MemorySink()), hparams=[1, 2])


def test_environment_of_the_run(log: Any) -> None:
    """The versions and the command line stand in a table."""
    model = Branches()
    with tb.auto_log(model, writer=log.writer):
        train(model)
    found = dict(table_in(log, "auto_log/environment"))  # type: ignore[arg-type]  # two columns
    assert found["torch"] == f"`{torch.__version__}`"
    assert Path(sys.argv[0]).name in found["command"]


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        (["train.py", "--lr", "0.1"], "train.py --lr 0.1"),
        (["train.py", "--api-key", "abc", "--out", "x y"], "train.py --api-key *** --out 'x y'"),
        (["train.py", "--hub_token=abc", "PASSWORD=abc"], "train.py --hub_token=*** PASSWORD=***"),
        (["train.py", "s3://me:abc@host/data"], "train.py s3://***@host/data"),
        (["train.py", "hf_abcdefgh12345"], "train.py ***"),
        (["train.py", "--use-auth", "--epochs", "3"], "train.py --use-auth --epochs 3"),
    ],
)
def test_command_line_without_secrets(arguments: list[str], shown: str) -> None:
    """What stands behind names like key, token or password is hidden, as are logins and what looks like a token."""
    assert command_line(arguments) == shown


def test_commit_is_that_of_git(tmp_path: Path) -> None:
    """The commit read from a repository's files is the one git tells: on a branch, packed, detached; none outside."""

    def git(*arguments: str) -> str:
        command = ["git", "-c", "user.name=a", "-c", "user.email=a@b", "-C", str(tmp_path), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    assert git_commit(tmp_path) == ""
    git("init", "-b", "main")
    git("commit", "--allow-empty", "-m", "first")
    commit = git("rev-parse", "HEAD")
    (tmp_path / "below").mkdir()
    assert git_commit(tmp_path / "below") == f"{commit} (main)"
    git("pack-refs", "--all")
    assert git_commit(tmp_path) == f"{commit} (main)"
    git("checkout", "--detach")
    assert git_commit(tmp_path) == commit


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_copies_made_within_the_first_pass(copied: Callable[[nn.Module], nn.Module]) -> None:
    """A model that is copied in the middle of its first pass has a copy with no hooks of ours that do anything."""

    model = Branches()
    copies: list[nn.Module] = []

    class Copies(nn.Identity):
        def forward(self, x: Tensor) -> Tensor:
            copies.append(copied(model.head))
            return x

    model.drop = Copies()
    with tb.auto_log(model, writer=tb.SummaryWriter(sink=tb.MemorySink())):
        train(model, 1)
    assert copies[0](torch.ones(1, 8)).shape == (1, 2)
