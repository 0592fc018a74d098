"""Training that waits for its data is told so from a profile of it, with the share it waited; other training is not."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("msgspec")
pytest.importorskip("ijson")

import numpy as np

import tallyboard as tb
from tallyboard.core.errors import InvalidSummary, TallyboardWarning

STEPS = 6


class Waited:
    """Batches, each a while late, and how long they were waited for."""

    def __init__(self, late: float) -> None:
        self.late = late

    def __iter__(self) -> Iterator[Any]:
        batch = np.full((16, 16), 0.5, np.float32)
        for _ in range(STEPS):
            if self.late:
                time.sleep(self.late)
            yield batch


def judged(folder: Path, wait_share: float | None) -> Any:
    """The verdict on a run, which has the share that was timed, or waits for nothing."""
    found = tb.read_profile(folder).verdict()
    if wait_share is None:
        assert found.times["data"] < 0.05 * sum(found.times.values())
        assert found.kind != "input-bound"
    else:
        assert found.kind == "input-bound"
        assert found.share == pytest.approx(wait_share, abs=0.05)
    return found


@pytest.fixture(scope="module")
def torch() -> Any:
    found: Any = pytest.importorskip("torch")
    return found


@pytest.mark.parametrize("late", [0.05, 0.0])
def test_torch(tmp_path: Path, torch: Any, late: float) -> None:
    """PyTorch, over `tb.data`: the waits that the loop timed are those that the profile shows."""
    from tallyboard.integrations.torch import profile

    model = torch.nn.Linear(16, 16)
    loader, shares = tb.data(Waited(late)), []
    with profile(tmp_path / "run", steps=(1, 1, 3)) as recording:
        began = time.perf_counter()
        for x in loader:
            for _ in range(1 if late else 50):
                model(torch.from_numpy(x)).sum().backward()
            shares.append((loader.last_wait, time.perf_counter() - began))
            recording.step()
            began = time.perf_counter()
    waited, whole = np.array(shares[2:5]).sum(axis=0)
    found = judged(tmp_path / "run", waited / whole if late else None)
    assert found.counted + found.left_out == 3


def test_torch_loader(tmp_path: Path, torch: Any) -> None:
    """PyTorch's own loop over a DataLoader without workers, recorded by its own profiler through our handler."""
    from tallyboard.integrations.torch import tensorboard_trace_handler

    class Slow(torch.utils.data.Dataset):  # type: ignore[misc,name-defined]
        def __len__(self) -> int:
            return 4 * STEPS

        def __getitem__(self, i: int) -> Any:
            time.sleep(0.01)
            return torch.full((64,), float(i))

    model = torch.nn.Linear(64, 8)
    plan = torch.profiler.schedule(wait=1, warmup=1, active=3, repeat=1)
    handler = tensorboard_trace_handler(str(tmp_path), use_gzip=True)
    shares = []
    with torch.profiler.profile(schedule=plan, on_trace_ready=handler) as recording:
        asked = time.perf_counter()
        for x in torch.utils.data.DataLoader(Slow(), batch_size=4):
            came = time.perf_counter()
            model(x).sum().backward()
            shares.append((came - asked, time.perf_counter() - asked))
            recording.step()
            asked = time.perf_counter()
    waited, whole = np.array(shares[2:5]).sum(axis=0)
    judged(tmp_path, waited / whole)
    (name,) = (path.name for path in tmp_path.iterdir())
    assert name.endswith(".pt.trace.json.gz")


def test_modules_of_torch(tmp_path: Path, torch: Any) -> None:
    """A trace with stacks has the model's modules, each called once a step, and what the profiler itself says of which
    operation led to which part of the backward pass."""
    from tallyboard.integrations.torch import trace_handler

    model = torch.nn.Sequential(torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU()), torch.nn.Linear(8, 1))
    handler = trace_handler(tmp_path, use_gzip=False)
    with torch.profiler.profile(on_trace_ready=handler, with_stack=True, record_shapes=True):
        for _ in range(3):
            model(torch.rand(4, 4)).sum().backward()
    (file,) = tmp_path.iterdir()
    profile = tb.read_profile(file)
    found = profile.modules()
    kinds = ["/".join(part.rpartition("_")[0] for part in path.split("/")) for path in found.path]
    inner = "Sequential/Sequential"
    assert kinds == ["Sequential", inner, f"{inner}/Linear", f"{inner}/ReLU", "Sequential/Linear"]
    assert found.calls.tolist() == [3] * 5
    assert (found.backward_host > 0).all()
    told = [event for event in json.loads(file.read_text())["traceEvents"] if event.get("cat") == "fwdbwd"]
    begun = {event["id"]: event["ts"] for event in told if event["ph"] == "s"}
    theirs = sorted((begun[event["id"]], event["ts"]) for event in told if event["ph"] == "f")
    events, first = profile.events, json.loads(file.read_text())["baseTimeNanoseconds"] - profile.base
    pairs = profile.flows["backward"]
    pairs = pairs[np.lexsort((events.start[pairs[:, 1]], events.start[pairs[:, 0]]))]
    assert len(pairs) == len(theirs)
    for (ahead, back), (start, end) in zip(pairs.tolist(), theirs, strict=True):
        assert events.start[ahead] == pytest.approx(start * 1000 + first, abs=1)
        assert events.start[back] - 1 <= end * 1000 + first <= events.end[back] + 1


@pytest.mark.parametrize("late", [0.05, 0.0])
def test_jax(tmp_path: Path, late: float) -> None:
    """JAX, with its own annotations of steps, over `tb.data`; operations are the program's, in its scopes."""
    jax: Any = pytest.importorskip("jax")

    @jax.jit
    def train(x: Any) -> Any:
        with jax.named_scope("layer"):
            for _ in range(8):
                x = jax.numpy.tanh(x @ x)
        return x.sum()

    train(np.ones((16, 16), np.float32)).block_until_ready()
    loader, shares = iter(tb.data(Waited(late))), []
    with jax.profiler.trace(str(tmp_path)):
        for number in range(STEPS):
            began = time.perf_counter()
            with jax.profiler.StepTraceAnnotation("train", step_num=number):
                x = next(loader)
                came = time.perf_counter()
                for _ in range(1 if late else 200):
                    train(x).block_until_ready()
            shares.append((came - began, time.perf_counter() - began))
    waited, whole = np.array(shares).sum(axis=0)
    found = judged(tmp_path, waited / whole if late else None)
    assert found.counted + found.left_out == STEPS
    profile = tb.read_profile(tmp_path)
    operations, program = profile.hlo(), train.lower(np.ones((16, 16), np.float32)).compile().as_text()
    assert set(operations.module) == {"jit_train"}
    assert all(f"%{name} = " in program or f"{name} = " in program for name in operations.operation)
    assert max(operations.calls) == STEPS * (1 if late else 200)
    assert {"train", "train/layer"} <= set(profile.modules().path)


@pytest.mark.parametrize(("asked", "names"), [("once", ["2", "3", "4"]), (2, ["2", "3"]), ((0, 1, 1), ["1"])])
def test_auto_log(tmp_path: Path, torch: Any, asked: Any, names: list[str]) -> None:
    """`auto_log(profile=)` records the steps that were asked for, each with its step of training, into the run."""
    model = torch.nn.Linear(4, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with tb.auto_log(model, tmp_path / "run", profile=asked, graph=False, system=False):
        for x in tb.data(torch.rand(8, 16, 4)):
            model(x).square().mean().backward()
            optimizer.step()
            optimizer.zero_grad()
    (trace,) = (tmp_path / "run").glob("*.pt.trace.json.gz")
    profile = tb.read_profile(tmp_path / "run")
    assert profile.steps.name == names
    assert profile.options["profile_memory"]
    operators = profile.operators()
    assert operators.calls[operators.name.index("aten::addmm")] >= len(names)
    assert "tallyboard.data" in profile.events.names
    assert len(tb.read(tmp_path)["run"].scalar("train/loss")) == 8
    assert trace.stat().st_size > 0


def test_what_goes_wrong_is_told_once(tmp_path: Path, torch: Any) -> None:
    """A directory that cannot be made, and a second profiler, cost the profile and not the training."""
    from tallyboard.integrations.torch import profile, trace_handler

    (tmp_path / "file").write_text("")
    with (
        pytest.warns(TallyboardWarning, match="the profile cannot be written .*; training goes on without it"),
        torch.profiler.profile(on_trace_ready=trace_handler(tmp_path / "file" / "run")),
    ):
        torch.ones(1).sum()
    with pytest.raises(InvalidSummary, match=r"profile\(steps=\(1, 1\), repeat=1\): expected how many"):
        profile(tmp_path, steps=(1, 1))  # type: ignore[arg-type]
    model = torch.nn.Linear(4, 1)
    with pytest.raises(InvalidSummary, match=r"auto_log\(profile='twice'\): expected 'once', how many steps to record"):
        tb.auto_log(model, tmp_path / "none", profile="twice")
    with (
        tb.SummaryWriter(sink=tb.MemorySink()) as writer,
        pytest.warns(TallyboardWarning, match="a profile needs a directory, and the run has none; training goes on"),
    ):
        tb.auto_log(model, writer=writer, profile=1).detach()


def test_into_a_remote_store(torch: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run at a URL gets its profile there, by `auto_log` and by the handler, where it is read again; nothing is left
    on this machine. An address that cannot be written to is an error at once."""
    fsspec: Any = pytest.importorskip("fsspec")
    from tallyboard.core.remote_uploads import wait_for_all
    from tallyboard.integrations.torch import profile, trace_handler

    system = fsspec.filesystem("memory")
    monkeypatch.setattr(type(system), "store", {})
    monkeypatch.setattr(type(system), "pseudo_dirs", [""])
    model = torch.nn.Linear(4, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with tb.auto_log(model, "memory://bucket/run", profile=2, graph=False, system=False):
        for x in tb.data(torch.rand(6, 16, 4)):
            model(x).square().mean().backward()
            optimizer.step()
    with profile("memory://bucket/second", steps=(0, 1, 1), worker_name="worker0") as recording:
        for _ in range(2):
            model(torch.rand(2, 4)).sum().backward()
            recording.step()
    wait_for_all()
    assert tb.read_profile("memory://bucket/run").steps.name == ["2", "3"]
    assert tb.read_profile("memory://bucket/second").worker == "worker0"
    assert tb.read("memory://bucket").runs == ["run", "second"]
    assert not Path("memory:").exists()
    with pytest.raises(tb.InvalidLogdir, match="over HTTP a logdir can be read, not written"):
        trace_handler("http://127.0.0.1/run")
