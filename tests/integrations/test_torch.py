"""`auto_log` on PyTorch: the values that it logs are those of the training, at the steps they belong to."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import tallyboard as tb
from tallyboard.integrations.torch.late import Late


def mlp(seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Dropout(0.2), nn.Linear(8, 1))


def sgd(model: nn.Module, lr: float = 0.1, **options: Any) -> torch.optim.SGD:
    return torch.optim.SGD(model.parameters(), lr=lr, **options)


def loss_of(model: nn.Module) -> Tensor:
    return ((model(torch.randn(16, 4)) - 1) ** 2).mean()


class Clock:
    """Stands for `time.perf_counter`: moves only when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def spend(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(time, "perf_counter", clock)
    return clock


ENDS = ("", "/0", "/3")  # of the tags of norms of `mlp`: the whole, and its two modules that have parameters


def numbered(values: list[float], first: int = 1) -> list[tuple[int, float]]:
    return list(enumerate(values, first))


def test_losses_rates_and_steps_on_disk(tmp_path: Path) -> None:
    """Read back from the event file: every loss to the last bit, the rate each step used, one point a step."""
    model = mlp()
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=30)
    losses: list[float] = []
    rates: list[float] = []
    began = time.time()
    with tb.auto_log(model, tmp_path / "run", system=False):
        for _ in range(30):
            optimizer.zero_grad()
            loss = loss_of(model)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
            rates.append(optimizer.param_groups[0]["lr"])
            scheduler.step()
    ended = time.time()

    scalars = tb.read(tmp_path).scalars()
    steps = list(range(1, 31))
    assert scalars["run", "train/loss"].step.tolist() == steps
    assert scalars["run", "train/loss"].value.tolist() == losses
    assert scalars["run", "train/lr"].step.tolist() == steps
    assert scalars["run", "train/lr"].value.tolist() == np.float32(rates).tolist()
    for tag in ("time/step_ms", "time/data_wait_ms", "time/data_wait_share"):
        assert scalars["run", tag].step.tolist() == steps[1:]
    assert {tag for _, tag in scalars} == {
        "train/loss",
        "train/lr",
        "train/momentum",
        "train/weight_decay",
        "time/step_ms",
        "time/samples_per_second",
        "time/data_wait_ms",
        "time/data_wait_share",
        *(f"{what}{end}" for what in ("gradients/norm", "weights/norm", "weights/update_ratio") for end in ENDS),
        "gradients/nonfinite",
        "weights/nonfinite",
        *(f"activations/{what}/{module}" for what in ("mean", "std") for module in range(4)),
        "activations/dead/1",
    }
    wall = scalars["run", "train/loss"].wall_time
    assert began <= wall[0] <= wall[-1] <= ended
    assert (np.diff(wall) >= 0).all()


def test_values_are_read_one_step_late(log: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """While a step runs, only numbers of earlier steps are read; detach reads the last."""
    read_at: list[tuple[int, float]] = []
    step = 0
    read = Late.read

    def noted(self: Late) -> float:
        value = read(self)
        read_at.append((step, value))
        return value

    monkeypatch.setattr(Late, "read", noted)
    model = mlp()
    optimizer = sgd(model)
    losses: list[float] = []
    handle = tb.auto_log(model, writer=log.writer)
    for step in range(1, 5):  # noqa: B007 - read by noted()
        optimizer.zero_grad()
        loss = loss_of(model)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    step = 5
    handle.detach()
    assert read_at == [(2, losses[0]), (3, losses[1]), (4, losses[2]), (5, losses[3])]
    assert log["train/loss"] == numbered(losses)


def test_no_waiting_for_a_device_that_is_behind(log: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Numbers that have not come yet are not waited for: later steps queue behind them, in order, until they come."""
    behind = True
    reads = 0
    read = Late.read

    def counted(self: Late) -> float:
        nonlocal reads
        reads += 1
        return read(self)

    monkeypatch.setattr(Late, "ready", lambda self: not behind)
    monkeypatch.setattr(Late, "read", counted)
    model = mlp()
    optimizer = sgd(model)
    losses: list[float] = []
    with tb.auto_log(model, writer=log.writer):
        for number in range(6):
            behind = number < 4
            loss = loss_of(model)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
            optimizer.zero_grad()
            assert reads == (0 if behind else number)
    assert log["train/loss"] == numbered(losses)


class Device:
    """Stands for a module such as torch.cuda, whose events are done when `done` says so."""

    def __init__(self) -> None:
        self.done = False
        self.calls: list[str] = []

    def current_stream(self, device: torch.device) -> str:
        return f"stream of {device}"

    def Event(self) -> Device:  # noqa: N802 - as torch.cuda has it
        return self

    def record(self, stream: str) -> None:
        self.calls.append(f"record {stream}")

    def query(self) -> bool:
        return self.done

    def synchronize(self) -> None:
        self.calls.append("synchronize")


class OnDevice:
    """Stands for a tensor that lives on it."""

    device = torch.device("xpu", 1)

    def detach(self) -> OnDevice:
        return self

    def to(self, place: str, *, non_blocking: bool) -> Tensor:
        assert (place, non_blocking) == ("cpu", True)
        return torch.tensor(0.5)


def test_copy_from_a_device(monkeypatch: pytest.MonkeyPatch) -> None:
    """From a device the copy starts without waiting, on the device's stream, and only read() waits for it."""
    device = Device()
    monkeypatch.setattr(torch, "xpu", device)
    late = Late(OnDevice())  # type: ignore[arg-type]  # all that it asks of a tensor
    assert not late.ready()
    device.done = True
    assert late.ready()
    assert device.calls == ["record stream of xpu:1"]
    assert late.read() == 0.5
    assert device.calls[1:] == ["synchronize"]


def test_loss_is_captured_when_its_backward_ends(log: Any) -> None:
    """A loss that the program overwrites after its backward pass is logged as it was."""
    model = mlp()
    optimizer = sgd(model)
    with tb.auto_log(model, writer=log.writer):
        loss = loss_of(model)
        loss.backward()
        value = loss.item()
        with torch.no_grad():
            loss.zero_()
        optimizer.step()
    assert value != 0
    assert log["train/loss"] == [(1, value)]


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16])
def test_losses_of_other_dtypes(log: Any, dtype: torch.dtype) -> None:
    """A loss of any floating dtype is logged as the number that it is."""
    model = nn.Linear(4, 1).to(dtype)
    optimizer = sgd(model)
    with tb.auto_log(model, writer=log.writer):
        loss = model(torch.ones(2, 4, dtype=dtype)).pow(2).mean()
        loss.backward()
        optimizer.step()
    assert log["train/loss"] == [(1, loss.item())]


def test_nan_loss_is_logged(log: Any) -> None:
    """A loss that diverges to NaN is there, at its step."""
    model = mlp()
    optimizer = sgd(model)
    with tb.auto_log(model, writer=log.writer, nan=None):
        for factor in (1.0, float("nan"), 1.0):
            (loss_of(model) * factor).backward()
            optimizer.step()
    assert [step for step, value in log["train/loss"] if value != value] == [2, 3]


def test_rates_of_several_groups(log: Any) -> None:
    """Each parameter group has its own rate, and a rate in a tensor is that of its own step."""
    model = mlp()
    tensor_rate = torch.tensor(0.25)
    optimizer = torch.optim.SGD(
        [{"params": model[0].parameters(), "lr": 0.5}, {"params": model[3].parameters()}], lr=1.0
    )
    optimizer.param_groups[1]["lr"] = tensor_rate
    with tb.auto_log(model, writer=log.writer):
        for _ in range(3):
            loss_of(model).backward()
            optimizer.step()
            optimizer.param_groups[0]["lr"] /= 2
            tensor_rate.mul_(2)
    assert log["train/lr/group0"] == numbered([0.5, 0.25, 0.125])
    assert log["train/lr/group1"] == numbered([0.25, 0.5, 1.0])
    assert log["train/lr"] == []


def test_resumed_run_goes_on_counting(log: Any) -> None:
    """With start_step=100 the first step logged is 101."""
    model = mlp()
    optimizer = sgd(model)
    with tb.auto_log(model, writer=log.writer, start_step=100) as handle:
        loss_of(model).backward()
        optimizer.step()
        handle.log(accuracy=0.5)
    assert [step for step, _ in log["train/loss"]] == [101]
    assert log["train/accuracy"] == [(101, 0.5)]
    with pytest.raises(tb.InvalidSummary, match="start_step"):
        tb.auto_log(model, writer=log.writer, start_step=1.5)


# ---- time


def test_exact_data_wait(log: Any, clock: Clock) -> None:
    """Over tb.data the wait is what the iterable took, and nothing else that the loop does."""

    def batches() -> Iterator[Tensor]:
        for number in range(5):
            clock.spend(0.004 * number)
            yield torch.randn(16, 4)

    model = mlp()
    optimizer = sgd(model)
    with tb.auto_log(model, writer=log.writer):
        for x in tb.data(batches()):
            clock.spend(0.001)  # the loop's own work before the forward pass is no wait
            model(x).mean().backward()
            clock.spend(0.005)
            optimizer.step()
    steps = [2, 3, 4, 5]
    assert dict(log["time/step_ms"]) == pytest.approx({n: 6 + 4 * (n - 1) for n in steps}, rel=1e-9)
    assert dict(log["time/samples_per_second"]) == pytest.approx({n: 16e3 / (4 * n + 2) for n in steps}, rel=1e-9)
    assert dict(log["time/data_wait_ms"]) == pytest.approx({n: 4 * (n - 1) for n in steps}, rel=1e-9)
    assert dict(log["time/data_wait_share"]) == pytest.approx({n: 4 * (n - 1) / (4 * n + 2) for n in steps}, rel=1e-9)


def test_data_wait_of_the_gap(log: Any, clock: Clock) -> None:
    """Without tb.data the wait is the time between the end of a step and the next call of the model."""
    model = mlp()
    optimizer = sgd(model)
    with tb.auto_log(model, writer=log.writer):
        for number in range(1, 5):
            clock.spend(0.002 * number)
            loss = loss_of(model)
            clock.spend(0.003)
            loss.backward()
            clock.spend(0.005)
            optimizer.step()
    assert dict(log["time/step_ms"]) == pytest.approx({n: 8 + 2 * n for n in (2, 3, 4)}, rel=1e-9)
    assert dict(log["time/data_wait_ms"]) == pytest.approx({n: 2 * n for n in (2, 3, 4)}, rel=1e-9)
    assert dict(log["time/data_wait_share"]) == pytest.approx({n: n / (4 + n) for n in (2, 3, 4)}, rel=1e-9)


@pytest.mark.parametrize("measured", [True, False])
def test_data_wait_with_accumulation(log: Any, clock: Clock, measured: bool) -> None:
    """A step over several batches waited for all of them, with tb.data and without."""

    def batches() -> Iterator[Tensor]:
        for _ in range(6):
            clock.spend(0.002)
            yield torch.randn(16, 4)

    model = mlp()
    optimizer = sgd(model)
    with tb.auto_log(model, writer=log.writer):
        for number, x in enumerate(tb.data(batches()) if measured else batches(), 1):
            model(x).mean().backward()
            if number % 3 == 0:
                optimizer.step()
    assert dict(log["time/data_wait_ms"]) == pytest.approx({2: 6.0}, rel=1e-9)


def test_validation_between_steps_is_no_wait_of_its_loop(log: Any, clock: Clock) -> None:
    """A measured validation loop between two training steps does not count as waiting of the training loop."""

    def batches(count: int, seconds: float) -> Iterator[Tensor]:
        for _ in range(count):
            clock.spend(seconds)
            yield torch.randn(16, 4)

    model = mlp()
    optimizer = sgd(model)
    validation = tb.data(batches(3, 0.5))
    with tb.auto_log(model, writer=log.writer):
        for number, x in enumerate(tb.data(batches(4, 0.001)), 1):
            model(x).mean().backward()
            optimizer.step()
            if number == 2:
                with torch.no_grad():
                    for y in validation:
                        model(y)
    assert dict(log["time/data_wait_ms"]) == pytest.approx({2: 1.0, 3: 1.0, 4: 1.0}, rel=1e-9)
    assert [value for _, value in log["time/step_ms"]] == pytest.approx([1.0, 1501.0, 1.0], rel=1e-9)


def test_stale_measured_loop_is_not_believed(log: Any, clock: Clock) -> None:
    """A measured loop that has ended says nothing about a later loop that is not measured."""
    measured = tb.data([1, 2, 3])
    assert list(measured) == [1, 2, 3]
    model = mlp()
    optimizer = sgd(model)
    with tb.auto_log(model, writer=log.writer):
        for _ in range(3):
            clock.spend(0.007)
            loss_of(model).backward()
            optimizer.step()
    assert dict(log["time/data_wait_ms"]) == pytest.approx({2: 7.0, 3: 7.0}, rel=1e-9)


# ---- values of the user's


def test_given_loss_wins(log: Any) -> None:
    """handle.log(loss=...) takes the place of the found loss, at its step only, before or after the step."""
    model = mlp()
    optimizer = sgd(model)
    losses: list[float] = []
    with tb.auto_log(model, writer=log.writer) as handle:
        for number in range(1, 5):
            optimizer.zero_grad()
            loss = loss_of(model)
            loss.backward()
            if number == 2:
                handle.log(loss=0.25)
            optimizer.step()
            if number == 3:
                handle.log(loss=0.125)
            losses.append(loss.item())
    assert log["train/loss"] == numbered([losses[0], 0.25, 0.125, losses[3]])


def test_given_values_land_at_their_step(log: Any) -> None:
    """After a step and through a validation, values belong to it; from the next forward pass on, to the next one."""
    model = mlp()
    optimizer = sgd(model)
    with tb.auto_log(model, writer=log.writer) as handle:
        for number in range(1, 4):
            loss = loss_of(model)
            handle.log(before=10 * number)
            loss.backward()
            optimizer.step()
            handle.log(after=10 * number)
            with torch.no_grad():
                loss_of(model)
            handle.log(**{"validation/loss": 10 * number})
    expected = numbered([10.0, 20.0, 30.0])
    assert log["train/before"] == log["train/after"] == log["validation/loss"] == expected


def test_given_tensor_is_captured_and_read_late(log: Any) -> None:
    """A tensor given to log() counts as it was at the call."""
    model = mlp()
    optimizer = sgd(model)
    value = torch.tensor([0.5], requires_grad=True)
    with tb.auto_log(model, writer=log.writer) as handle:
        loss_of(model).backward()
        optimizer.step()
        handle.log(mine=value, count=np.int64(3), flag=True)
        with torch.no_grad():
            value.zero_()
    assert (log["train/mine"], log["train/count"], log["train/flag"]) == ([(1, 0.5)], [(1, 3.0)], [(1, 1.0)])


def test_given_value_of_a_step_that_never_came(log: Any) -> None:
    """What was given for a step that is not made is written by detach, at that step."""
    model = mlp()
    optimizer = sgd(model)
    with tb.auto_log(model, writer=log.writer) as handle:
        loss_of(model).backward()
        optimizer.step()
        loss_of(model)
        handle.log(last=1.5)
    assert log["train/last"] == [(2, 1.5)]


@pytest.mark.parametrize("value", [torch.ones(2), "0.5", [1.0, 2.0], 1j, None, torch.tensor(1j)])
def test_given_value_that_is_no_number(log: Any, value: object) -> None:
    """A value that is not one number is an error at the call, which names its tag."""
    model = mlp()
    with tb.auto_log(model, writer=log.writer) as handle, pytest.raises(tb.InvalidSummary, match="train/accuracy"):
        handle.log(accuracy=value)


# ---- training done in other ways


@pytest.mark.parametrize("inside", [False, True])
def test_compiled_models(log: Any, inside: bool) -> None:
    """torch.compile, around the watched model and inside it, changes neither losses nor steps."""
    model = mlp()
    compiled = model if inside else torch.compile(model, backend="eager")
    if inside:
        model.compile(backend="eager")
    optimizer = sgd(model)
    losses: list[float] = []
    with tb.auto_log(compiled, writer=log.writer):
        for _ in range(3):
            optimizer.zero_grad()
            loss = loss_of(compiled)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    assert log["train/loss"] == numbered(losses)
    torch.compiler.reset()


def test_watched_model_compiles_as_one_graph(log: Any) -> None:
    """The hook on the model breaks no graph: fullgraph=True still compiles it."""
    model = mlp()
    with tb.auto_log(model, writer=log.writer):
        compiled = torch.compile(model, backend="eager", fullgraph=True)
        assert compiled(torch.randn(2, 4)).shape == (2, 1)
    torch.compiler.reset()


@pytest.mark.parametrize("reentrant", [True, False])
def test_checkpointed_model(log: Any, reentrant: bool) -> None:
    """A loss whose graph hides the parameters behind checkpointing is found."""
    from torch.utils.checkpoint import checkpoint

    model = mlp()
    optimizer = sgd(model)
    with tb.auto_log(model, writer=log.writer):
        out = checkpoint(model, torch.randn(16, 4, requires_grad=True), use_reentrant=reentrant)
        loss = (out**2).mean()
        loss.backward()
        optimizer.step()
    assert log["train/loss"] == [(1, loss.item())]


def test_tensor_subclass_loss(log: Any) -> None:
    """A loss of a Tensor subclass, for which torch calls `backward` twice, is found once."""

    class MyTensor(Tensor):
        pass

    model = mlp()
    optimizer = sgd(model)
    with tb.auto_log(model, writer=log.writer):
        loss = loss_of(model).as_subclass(MyTensor)
        loss.backward()
        optimizer.step()
    assert log["train/loss"] == [(1, float(loss.detach()))]


def test_layers_added_after_attaching(log: Any) -> None:
    """A head that is replaced after auto_log, before the optimizer is made, belongs to the model."""
    model = mlp()
    with tb.auto_log(model, writer=log.writer):
        loss_of(model).backward()
        model[3] = nn.Linear(8, 1)
        for parameter in model[0].parameters():
            parameter.requires_grad_(False)
        optimizer = torch.optim.SGD(model[3].parameters(), lr=0.1)
        losses: list[float] = []
        for _ in range(3):
            optimizer.zero_grad()
            loss = loss_of(model)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    assert [step for step, _ in log["train/lr"]] == [1, 2, 3]
    assert log["train/loss"][1:] == numbered(losses)[1:]


def test_minimal_example(tmp_path: Path) -> None:
    """examples/torch_minimal.py adds one line and never detaches: at its end all 200 steps are on disk, in one file."""
    example = Path(__file__).parents[2] / "examples" / "torch_minimal.py"
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    done = subprocess.run(
        [sys.executable, str(example)], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=400
    )
    assert done.returncode == 0, done.stderr
    loss = tb.read(tmp_path / "runs").scalars()["torch", "train/loss"]
    assert loss.step.tolist() == list(range(1, 201))
    assert len(list((tmp_path / "runs" / "torch").iterdir())) == 1
    assert loss.value[-1] < 0.1 * loss.value[0]
