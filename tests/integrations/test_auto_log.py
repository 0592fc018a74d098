"""`tb.auto_log`: which adapter it takes, what its handle does, and how it says no."""

from __future__ import annotations

import importlib.metadata
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import nn

import tallyboard as tb
import tallyboard.integrations as integrations


class Attached:
    """An adapter of a framework that does not exist, as another package would bring it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, name: str = "strangenet") -> None:
        self.calls: list[tuple[object, tb.SummaryWriter, dict[str, object]]] = []
        self.detached = 0
        self.module = ModuleType(f"{name}_adapter")
        self.module.attach = self.attach  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, self.module.__name__, self.module)
        entry = importlib.metadata.EntryPoint(name, self.module.__name__, "tallyboard.adapters")

        def entry_points(*, group: str, name: str) -> list[importlib.metadata.EntryPoint]:
            return [entry] if (group, name) == (entry.group, entry.name) else []

        monkeypatch.setattr(integrations, "entry_points", entry_points)

    def attach(self, model: object, writer: tb.SummaryWriter, *, depth: int = 1) -> Callable[[], None]:
        self.calls.append((model, writer, {"depth": depth}))

        def detach() -> None:
            self.detached += 1

        return detach


def made_in(package: str, *bases: type) -> type:
    """A class that seems to come from `package`."""
    return type("Model", bases or (object,), {"__module__": f"{package}.models"})


def test_entry_point_of_another_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """An adapter of another package is found by its entry point, and gets the model, the writer and its options."""
    adapter = Attached(monkeypatch)
    model, writer = made_in("strangenet")(), tb.SummaryWriter(sink=tb.MemorySink())
    handle = tb.auto_log(model, writer=writer, depth=3)
    assert adapter.calls == [(model, writer, {"depth": 3})]
    handle.detach()
    assert adapter.detached == 1


def test_most_specific_framework_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    """A framework built on torch is watched by its own adapter, not by torch's."""
    adapter = Attached(monkeypatch)
    model = made_in("strangenet", nn.Linear)(2, 1)
    with tb.auto_log(model, writer=tb.SummaryWriter(sink=tb.MemorySink())):
        assert [call[0] for call in adapter.calls] == [model]
        assert not model._forward_pre_hooks


def test_class_of_the_user_is_watched_by_its_framework() -> None:
    """A module class defined in the user's own package goes to the adapter of torch."""
    model = made_in("my_project", nn.Linear)(2, 1)
    with tb.auto_log(model, writer=tb.SummaryWriter(sink=tb.MemorySink())):
        assert len(model._forward_pre_hooks) == 1
    assert not model._forward_pre_hooks


@pytest.mark.parametrize(("model", "named"), [("a model", "builtins.str"), (None, "NoneType"), (3.5, "builtins.float")])
def test_no_model(model: object, named: str) -> None:
    """Something of no framework is refused, by its type, with the adapters there are and a cure."""
    with pytest.raises(tb.UnsupportedModel, match=named) as caught:
        tb.auto_log(model)
    text = str(caught.value)
    assert "it belongs to no framework" in text
    for adapter in ("jax", "keras", "lightning", "torch"):
        assert adapter in text
    assert "SummaryWriter" in text


def test_model_of_unknown_framework() -> None:
    """The error for an unknown framework names the packages that were looked for."""
    with pytest.raises(tb.UnsupportedModel, match="looked for adapters named my_project, strangenet,"):
        tb.auto_log(made_in("my_project", made_in("strangenet"))())


def test_class_instead_of_model() -> None:
    """Who gives the class is told to give an instance."""
    with pytest.raises(tb.UnsupportedModel, match=r"the class torch\.nn\.modules\.linear\.Linear; .* Pass an instance"):
        tb.auto_log(nn.Linear)


@pytest.mark.parametrize(
    ("package", "cure"), [("pytorch_lightning", "TallyboardLogger"), ("keras", "TallyboardCallback")]
)
def test_framework_with_an_object_of_its_own(
    package: str, cure: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A framework that is watched in another way gets that way named; torch, on which it stands, does not step in."""
    pytest.importorskip(package)
    monkeypatch.chdir(tmp_path)  # a run is begun in `runs` before the adapter looks at the model
    with pytest.raises(tb.UnsupportedModel, match=cure):
        tb.auto_log(made_in(package, nn.Linear)(2, 1))


def test_unknown_option_is_refused() -> None:
    """An option that the adapter does not have is an error at the call which lists the ones it has."""
    model = nn.Linear(2, 1)
    with pytest.raises(TypeError, match=r"no option frequency, spectra; it has optimizer, start_step, every"):
        tb.auto_log(model, writer=tb.SummaryWriter(sink=tb.MemorySink()), frequency=50, spectra=True)
    assert not model._forward_pre_hooks


def test_logdir_and_writer() -> None:
    """Two places to write to are one too many."""
    with pytest.raises(TypeError, match="both logdir and writer"):
        tb.auto_log(nn.Linear(2, 1), "runs", writer=tb.SummaryWriter(sink=tb.MemorySink()))


def test_refusal_makes_no_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A call that is refused leaves nothing on disk."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(tb.UnsupportedModel):
        tb.auto_log("not a model", "here")
    with pytest.raises(TypeError):
        tb.auto_log(nn.Linear(2, 1), "here", no_such_option=1)
    assert list(tmp_path.iterdir()) == []


def test_default_logdir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a directory the run is a new one below `runs`."""
    monkeypatch.chdir(tmp_path)
    with tb.auto_log(nn.Linear(2, 1)) as handle:
        assert Path(handle.writer.log_dir).parent == Path("runs")
        assert Path(handle.writer.log_dir).is_dir()


def test_detach_closes_only_its_own_writer(tmp_path: Path) -> None:
    """The writer that auto_log made is closed, the one it was given is not; a second detach does nothing."""
    sink = tb.MemorySink()
    given = tb.SummaryWriter(sink=sink)
    handle = tb.auto_log(nn.Linear(2, 1), writer=given)
    assert handle.writer is given
    handle.detach()
    handle.detach()
    assert not sink.closed

    own = tb.auto_log(nn.Linear(2, 1), tmp_path / "run")
    own.writer.add_scalar("x", 1.0, 1)
    own.detach()
    (file,) = (tmp_path / "run").iterdir()
    size = file.stat().st_size
    own.detach()
    assert tb.read(tmp_path).scalars()["run", "x"].value.tolist() == [1.0]
    assert file.stat().st_size == size


def test_machine_is_logged_until_the_end(tmp_path: Path) -> None:
    """Where auto_log makes the writer the machine is logged too, by a thread that ends with the handle."""
    before = set(threading.enumerate())
    handle = tb.auto_log(nn.Linear(2, 1), tmp_path / "run")
    (thread,) = [one for one in set(threading.enumerate()) - before if one.name == "tallyboard-system"]
    until(lambda: ("run", "system/memory") in _flushed(handle.writer, tmp_path).scalars())
    handle.detach()
    until(lambda: not thread.is_alive())


@pytest.mark.parametrize("system", [None, False, True])
def test_machine_is_logged_to_a_given_writer_if_wanted(system: bool | None) -> None:
    """Into a writer that is given the machine is logged only where that is asked for."""
    sink = tb.MemorySink()
    writer = tb.SummaryWriter(sink=sink)
    before = set(threading.enumerate())
    with tb.auto_log(nn.Linear(2, 1), writer=writer, system=system):
        threads = [one for one in set(threading.enumerate()) - before if one.name == "tallyboard-system"]
        assert len(threads) == bool(system)
    writer.flush()
    assert system or sink.events == []


def test_handle_is_a_context_manager() -> None:
    """The block's end detaches, also when it ends in an exception, which passes through."""
    model = nn.Linear(2, 1)
    handle = tb.auto_log(model, writer=tb.SummaryWriter(sink=tb.MemorySink()))

    def fails() -> None:
        with handle:
            assert len(model._forward_pre_hooks) == 1
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fails()
    assert not model._forward_pre_hooks
    assert "detached" in repr(handle)


def test_log_after_detach() -> None:
    """A value given to a detached handle is an error, not a value lost in silence."""
    handle = tb.auto_log(nn.Linear(2, 1), writer=tb.SummaryWriter(sink=tb.MemorySink()))
    handle.detach()
    with pytest.raises(tb.TallyboardError, match="detached"):
        handle.log(loss=0.5)


def test_log_where_the_adapter_takes_no_values(monkeypatch: pytest.MonkeyPatch) -> None:
    """An adapter without `log` makes handle.log an error that names the writer."""
    Attached(monkeypatch)
    handle = tb.auto_log(made_in("strangenet")(), writer=tb.SummaryWriter(sink=tb.MemorySink()))
    with pytest.raises(tb.TallyboardError, match=r"handle\.writer\.add_scalar"):
        handle.log(loss=0.5)


def test_attach_that_fails_leaves_nothing_open(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """When the adapter refuses, its error comes through and the writer that was made for it is closed."""
    adapter = Attached(monkeypatch)
    writers: list[tb.SummaryWriter] = []

    def attach(model: object, writer: tb.SummaryWriter) -> Callable[[], None]:
        writers.append(writer)
        raise tb.UnsupportedModel("no")

    adapter.module.attach = attach  # type: ignore[attr-defined]
    with pytest.raises(tb.UnsupportedModel, match=r"^no$"):
        tb.auto_log(made_in("strangenet")(), tmp_path)
    assert writers[0].file_writer is None


@pytest.mark.parametrize("rank", ["1", "7"])
def test_other_ranks_write_nothing(rank: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a distributed training only rank 0 writes; the same program runs through on the others."""
    monkeypatch.setenv("RANK", rank)
    model = nn.Linear(2, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with tb.auto_log(model, tmp_path / "run") as handle:
        model(torch.ones(1, 2)).sum().backward()
        optimizer.step()
        handle.log(accuracy=1.0)
        handle.writer.add_scalar("mine", 1.0, 1)
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_imported_before_a_match() -> None:
    """Importing auto_log and asking it about an unknown object loads no framework and no adapter."""
    program = (
        "import sys, tallyboard as tb\n"
        "try: tb.auto_log(object())\n"
        "except tb.UnsupportedModel: pass\n"
        "else: raise SystemExit('accepted an object')\n"
        "loaded = {name.partition('.')[0] for name in sys.modules}\n"
        "print(sorted(loaded & {'torch', 'keras', 'jax', 'tensorflow', 'pytorch_lightning', 'lightning'}))\n"
        "print(sorted(n for n in sys.modules if n.startswith('tallyboard.integrations.')))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=_environment(), timeout=300
    )
    assert done.stdout.split("\n")[:2] == ["[]", "[]"], done.stderr


def until(holds: Callable[[], bool]) -> None:
    """Waits for it, half a minute at most."""
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _flushed(writer: tb.SummaryWriter, logdir: Path) -> Any:
    writer.flush()
    return tb.read(logdir)


def _environment() -> Mapping[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
