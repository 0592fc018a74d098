"""`tb.auto_log` of step functions: real trainings of linen, nnx, equinox and plain functions, told as they were."""

from __future__ import annotations

import functools
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tallyboard as tb
from tallyboard.core.errors import InvalidSummary, TallyboardError, TallyboardWarning, UnsupportedModel
from tallyboard.integrations.jax import profile, stats, watch, write_memory

linen: Any = pytest.importorskip("flax.linen")
nnx: Any = pytest.importorskip("flax.nnx")
optax: Any = pytest.importorskip("optax")
STEPS = 6
X = jax.random.normal(jax.random.key(0), (16, 4))
Y = X.sum(1, keepdims=True)


class Net(linen.Module):  # type: ignore[misc,name-defined]
    @linen.compact
    def __call__(self, x: Any) -> Any:
        return linen.Dense(1)(linen.relu(linen.Dense(8)(x)))


def linen_training(donate: bool) -> tuple[Any, Any]:
    """A state and a step: SGD whose rate falls."""
    from flax.training.train_state import TrainState

    rate = optax.linear_schedule(0.1, 0.05, 5)
    tx = optax.inject_hyperparams(optax.sgd)(learning_rate=rate)
    params = Net().init(jax.random.key(1), X)["params"]
    state = TrainState.create(apply_fn=Net().apply, params=params, tx=tx)

    @functools.partial(jax.jit, donate_argnums=(0,) if donate else ())
    def step(state: Any, batch: Any) -> Any:
        def loss_of(params: Any) -> Any:
            return ((state.apply_fn({"params": params}, batch[0]) - batch[1]) ** 2).mean()

        loss, gradient = jax.value_and_grad(loss_of)(state.params)
        metrics = {"loss": loss, "eval/size": jnp.bfloat16(1.5), "logits": batch[1], **stats(gradient)}
        return state.apply_gradients(grads=gradient), metrics

    return state, step


class Nnx(nnx.Module):  # type: ignore[misc,name-defined]
    def __init__(self, rngs: Any) -> None:
        self.first = nnx.Linear(4, 8, rngs=rngs)
        self.last = nnx.Linear(8, 1, rngs=rngs)

    def __call__(self, x: Any) -> Any:
        return self.last(nnx.relu(self.first(x)))


def nnx_training() -> tuple[Any, Any, Any]:
    """A model, its optimizer, and a step that changes both and returns the loss."""
    model = Nnx(nnx.Rngs(0))
    optimizer = nnx.Optimizer(model, optax.inject_hyperparams(optax.adam)(1e-2), wrt=nnx.Param)

    @nnx.jit
    def step(model: Any, optimizer: Any, x: Any, y: Any) -> Any:
        loss, gradient = nnx.value_and_grad(lambda m: ((m(x) - y) ** 2).mean())(model)
        optimizer.update(model, gradient)
        return loss

    return model, optimizer, step


class Rows:
    """What was written together: the steps of each time, and whether there was one."""

    def __init__(self) -> None:
        self.steps: list[list[int]] = []
        self.came = threading.Event()


def norm(tree: Any) -> float:
    return float(np.sqrt(sum((np.asarray(leaf, np.float64) ** 2).sum() for leaf in jax.tree.leaves(tree))))


@pytest.mark.parametrize("donate", [True, False], ids=["donated", "kept"])
def test_linen(log: Any, donate: bool) -> None:
    """Loss, metrics by path, rate, weights and their moves are those of the training; it ends bit by bit as without."""
    state, step = linen_training(donate)
    losses, rates, norms, moves = [], [], [], []
    for _ in range(STEPS):
        before = jax.device_get(state.params)
        state, metrics = step(state, (X, Y))
        losses.append(float(metrics["loss"]))
        rates.append(float(state.opt_state.hyperparams["learning_rate"]))
        norms.append(norm(state.params))
        moves.append(norm(jax.tree.map(lambda a, b: np.asarray(a) - b, state.params, before)) / norm(before))
    compiled = step._cache_size()

    mine, step = linen_training(donate)
    with tb.auto_log(step, writer=log.writer, every=2, hparams={"width": 8}) as handle:
        for _ in tb.data(range(STEPS)):
            mine, _ = handle(mine, (X, Y))
        handle.log(extra=jnp.float32(0.5))
    assert step._cache_size() == compiled
    for one, other in zip(jax.tree.leaves(mine), jax.tree.leaves(state), strict=True):
        assert np.asarray(one).tobytes() == np.asarray(other).tobytes()

    numbered = list(range(1, STEPS + 1))
    assert log["train/loss"] == list(zip(numbered, losses, strict=True))
    assert log["train/lr"] == list(zip(numbered, rates, strict=True))
    assert log["eval/size"] == [(n, 1.5) for n in numbered]
    assert [n for n, _ in log["gradients/norm/Dense_0"]] == numbered
    assert log["train/extra"] == [(STEPS, 0.5)]
    assert log["weights/norm"] == [(n, pytest.approx(norms[n - 1], rel=1e-5)) for n in (2, 4, 6)]
    assert log["weights/update_ratio"] == [(n, pytest.approx(moves[n - 1], rel=1e-4)) for n in (2, 4, 6)]
    assert [n for n, _ in log["weights/update_ratio/Dense_1"]] == [2, 4, 6]
    assert [n for n, _ in log["time/step_ms"]] == numbered[1:]
    assert all(0 <= share <= 1 for _, share in log["time/data_wait_share"])
    assert log["jit/compilations"][-1][1] == compiled
    assert {"__run_graph__", "auto_log/parameters", "auto_log/environment"} <= log.tags()
    assert "train/logits" not in log.tags()


def test_nnx(log: Any) -> None:
    """A model of nnx is given first and its step later; its bare loss, rate and weights are logged, by module."""
    model, optimizer, step = nnx_training()
    losses = [float(step(model, optimizer, X, Y)) for _ in range(STEPS)]
    mine, optimizer, step = nnx_training()
    handle = tb.auto_log(mine, writer=log.writer, every=3)
    logged = handle(step)
    for _ in range(STEPS):
        logged(mine, optimizer, X, Y)
    handle.detach()
    assert log["train/loss"] == list(enumerate(losses, 1))
    assert log["train/lr"] == [(n, float(np.float32(1e-2))) for n in range(1, STEPS + 1)]
    assert log["weights/norm"][-1] == (6, pytest.approx(norm(nnx.to_pure_dict(nnx.state(model, nnx.Param))), rel=1e-6))
    assert {"weights/norm/first", "weights/update_ratio/last", "__run_graph__"} <= log.tags()
    for one, other in zip(jax.tree.leaves(nnx.state(mine)), jax.tree.leaves(nnx.state(model)), strict=True):
        assert np.asarray(one).tobytes() == np.asarray(other).tobytes()


def test_functions_of_every_kind(log: Any, tmp_path: Path) -> None:
    """A plain function around a compiled one, parameters and optimizer's state apart; equinox' filtered functions."""
    equinox = pytest.importorskip("equinox")
    tx = optax.adam(1e-2)
    params: Any = {"w": jnp.ones((4, 1))}

    @jax.jit
    def update(params: Any, opt_state: Any, key: Any, x: Any) -> Any:
        loss, gradient = jax.value_and_grad(lambda p: ((x @ p["w"]) ** 2).mean())(params)
        updates, opt_state = tx.update(gradient, opt_state)
        return optax.apply_updates(params, updates), opt_state, loss

    def step(*arguments: Any) -> Any:
        return update(*arguments)

    state, losses = tx.init(params), []
    with tb.auto_log(step, writer=log.writer, every=2) as handle:
        for _ in range(3):
            params, state, loss = handle(params, state, jax.random.key(0), X)
            losses.append(float(loss))
    assert log["train/loss"] == list(enumerate(losses, 1))
    assert [n for n, _ in log["weights/update_ratio"]] == [2]
    assert [n for n, _ in log["time/samples_per_second"]] == [2, 3]

    model: Any = equinox.nn.MLP(4, 1, 8, 1, key=jax.random.key(0))

    @equinox.filter_jit
    def filtered(model: Any, x: Any) -> Any:
        loss, gradient = equinox.filter_value_and_grad(lambda m: (jax.vmap(m)(x) ** 2).mean())(model)
        return equinox.apply_updates(model, jax.tree.map(lambda g: -0.1 * g, gradient)), loss

    with tb.auto_log(filtered, tmp_path, system=False, every=2) as handle:
        for _ in range(2):
            model, loss = handle(model, X)
    run = tb.read(tmp_path)["."]
    assert run.scalar("train/loss").value[-1] == np.float32(loss)
    assert len(run.scalar("weights/norm/layers.1")) == 1
    assert run.graph is not None


def test_options(log: Any) -> None:
    """`metrics=` and `params=` say where things are, `start_step` counts on; after `detach` nothing is logged."""

    @jax.jit
    def step(box: Any, x: Any) -> Any:
        return {"inner": {"w": box["inner"]["w"] * 0.5}, "seen": [x.sum()]}

    box: Any = {"inner": {"w": jnp.full(4, 8.0)}, "seen": [jnp.zeros(())]}
    handle = tb.auto_log(
        step,
        writer=log.writer,
        metrics=lambda out: {"sum": out["seen"][0]},
        params=lambda state: state["inner"],
        every=1,
        start_step=10,
        graph=False,
    )
    for _ in range(3):
        box = handle(box, jnp.ones(3))
    handle.detach()
    box = handle(box, jnp.ones(3))
    assert float(box["inner"]["w"][0]) == 0.5
    assert log["train/sum"] == [(11, 3.0), (12, 3.0), (13, 3.0)]
    assert log["weights/update_ratio"] == [(12, pytest.approx(0.5)), (13, pytest.approx(0.5))]
    assert "__run_graph__" not in log.tags()
    with pytest.raises(TallyboardError, match="detached"):
        handle.log(x=1.0)


@pytest.fixture
def rows(log: Any, monkeypatch: pytest.MonkeyPatch) -> Rows:
    """The steps that auto_log writes together into the log."""
    noted, write = Rows(), log.writer.write_row

    def note(row: Any) -> None:
        write(row)
        noted.steps.append(list(dict.fromkeys(row[2::4])))
        noted.came.set()

    monkeypatch.setattr(log.writer, "write_row", note)
    return noted


def test_values_are_written_together(log: Any, rows: Rows, monkeypatch: pytest.MonkeyPatch) -> None:
    """Values of quick steps are written for 32 steps at once, of slow ones at each, and all when the writer closes."""
    monkeypatch.setattr(watch, "_APART", 1e9)
    handle = tb.auto_log(jax.jit(lambda x: {"loss": x.sum(), "n": (x + 1).sum()}), writer=log.writer, graph=False)
    for n in range(watch._TOGETHER + 5):
        handle(jnp.full(2, n, jnp.float32)).popitem()[1].block_until_ready()
    together = rows.steps.copy()
    log.writer.close()
    assert [step for row in rows.steps for step in row] == list(range(1, watch._TOGETHER + 6))
    assert len(together) == 1  # at the 32nd, whose own value may be on its way
    assert together[0] in (list(range(1, watch._TOGETHER + 1)), list(range(1, watch._TOGETHER)))
    assert log["train/loss"] == [(n + 1, 2.0 * n) for n in range(watch._TOGETHER + 5)]
    assert [value for _, value in log["train/n"]] == [2.0 * n + 2 for n in range(watch._TOGETHER + 5)]
    monkeypatch.setattr(watch, "_APART", 0.0)
    handle(jnp.ones(2))["n"].block_until_ready()
    handle(jnp.ones(2))
    assert rows.steps[-1][-1] >= watch._TOGETHER + 6
    handle.detach()
    assert log["train/n"][-1] == (watch._TOGETHER + 7, 4.0)


def test_a_pause_keeps_nothing_back(log: Any, rows: Rows, monkeypatch: pytest.MonkeyPatch) -> None:
    """When no further step comes, what is kept is written after a quarter of a second, and at each flush."""
    now = [100.0]
    monkeypatch.setattr(watch, "_clock", lambda: now[0])
    handle = tb.auto_log(jax.jit(lambda x: {"loss": x}), writer=log.writer, graph=False)
    for n in range(5):
        handle(jnp.float32(n))["loss"].block_until_ready()
    assert rows.steps in ([], [[1]])  # the first is looked at when it is made
    rows.came.clear()
    now[0] += watch._APART + 0.01
    assert rows.came.wait(60)
    assert [step for row in rows.steps for step in row] == [1, 2, 3, 4, 5]
    handle(jnp.float32(5))["loss"].block_until_ready()
    handle.log(extra=0.5)
    assert log["train/loss"] == [(n + 1, float(n)) for n in range(6)]
    assert log["train/extra"] == [(6, 0.5)]
    log.writer.close()
    handle(jnp.float32(6))["loss"].block_until_ready()  # into a writer that was closed, and is open again
    assert log["train/loss"][-1] == (7, 6.0)
    handle.detach()


def test_the_last_values_of_a_program(tmp_path: Path) -> None:
    """Nothing has to be ended: what is on its way when a program ends is in the file."""
    program = (
        "import jax, tallyboard as tb\n"
        "step = tb.auto_log(jax.jit(lambda x: {'loss': x * 2}), 'run', graph=False, system=False)\n"
        "for n in range(3): step(float(n))\n"
    )
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, check=True)
    assert tb.read(tmp_path)["run"].scalar("train/loss").value.tolist() == [0.0, 2.0, 4.0]


def test_no_wait_for_a_device(log: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A value that has not come is not waited for: it is written, at its own step, when it is there."""
    monkeypatch.setattr(watch, "_APART", 0.0)

    class Slow:
        """A number on a device, as far as auto_log looks."""

        ndim, size, dtype, shape = 0, 1, np.dtype(np.float32), ()
        ready, reads = False, 0

        def is_ready(self) -> bool:
            return self.ready

        def __float__(self) -> float:
            type(self).reads += 1
            return 2.5

    slow = Slow()
    handle = tb.auto_log(lambda n: n, writer=log.writer, metrics=lambda out: {"slow": slow, "n": out}, graph=False)
    for n in range(3):
        handle(float(n))
    assert not {"train/slow", "train/n"} & log.tags()  # neither for a flush
    assert Slow.reads == 0
    slow.ready = True
    handle(3.0)
    assert Slow.reads == 4
    handle.detach()
    assert log["train/slow"] == [(n, 2.5) for n in range(1, 5)]
    assert log["train/n"] == [(n + 1, float(n)) for n in range(4)]


def test_what_it_cannot_do_is_told(log: Any) -> None:
    """What is no step and holds no weights, a step without metrics, one inside jit, wrong options: each says a cure."""
    for thing in (Net(), optax.adam(1e-2)):
        with pytest.raises(UnsupportedModel, match=r"pass the step function, handle = tb.auto_log\(train_step\)"):
            tb.auto_log(thing, writer=log.writer)
    with pytest.raises(UnsupportedModel, match=r"call the handle with the step function, .*got int"):
        tb.auto_log(Nnx(nnx.Rngs(0)), writer=log.writer)(3)
    with pytest.raises(InvalidSummary, match=r"auto_log\(every=0\): expected a number of steps"):
        tb.auto_log(jax.jit(lambda x: x), writer=log.writer, every=0)
    with pytest.raises(InvalidSummary, match=r"auto_log\(metrics=...\): expected a function, got str"):
        tb.auto_log(jax.jit(lambda x: x), writer=log.writer, metrics="loss")
    with pytest.raises(InvalidSummary, match=r"auto_log\(profile='twice'\): expected 'once'"):
        tb.auto_log(jax.jit(lambda x: x), writer=log.writer, profile="twice")
    with pytest.warns(TallyboardWarning, match="the step returned no scalar metrics"):
        tb.auto_log(jax.jit(lambda x: x), writer=log.writer, graph=False)(X)
    handle = tb.auto_log(lambda x: x.sum(), writer=log.writer)
    with pytest.warns(TallyboardWarning, match="the step was called inside jit, scan or another transformation"):
        assert float(jax.jit(lambda x: handle(x))(jnp.ones(3))) == 3.0
    with pytest.warns(TallyboardWarning, match="a profile needs a directory of this machine, and the run has 'none'"):
        tb.auto_log(lambda x: x.sum(), writer=log.writer, profile=1, graph=False)(X)
    module = pytest.importorskip("torch").nn.Linear(1, 1)
    with (
        tb.auto_log(module, writer=log.writer, graph=False, hparams=False) as other,
        pytest.raises(TallyboardError, match="this handle stands for no function"),
    ):
        other(X)


def test_what_fails_stops_the_logging_alone(log: Any) -> None:
    """A failure of the logging warns once and ends it; the step's own error passes through untouched."""

    def metrics(out: Any) -> Any:
        raise RuntimeError("no such metric")

    handle = tb.auto_log(lambda x: x + 1, writer=log.writer, metrics=metrics, graph=False)
    with pytest.warns(
        TallyboardWarning, match="logging stopped at step 1, training goes on: RuntimeError: no such metric"
    ):
        assert handle(1) == 2
    with warnings.catch_warnings():
        assert handle(2) == 3

    def broken(x: Any) -> Any:
        raise ZeroDivisionError("mine")

    with pytest.raises(ZeroDivisionError, match="mine"):
        tb.auto_log(broken, writer=log.writer, graph=False)(1)


@pytest.fixture
def double() -> Callable[[Any], Any]:
    return jax.jit(lambda x: (x * 2, x.sum()))


def test_profile_of_steps(tmp_path: Path, double: Any) -> None:
    """`profile` and `auto_log(profile=)` record the steps they were asked for, by number, and the wait of `tb.data`."""
    pytest.importorskip("msgspec")
    with profile(tmp_path / "one", steps=(1, 2)) as recording:
        for _ in tb.data(range(5)):
            double(X)
            recording.step()
        assert recording.done
    assert tb.read_profile(tmp_path / "one").steps.name == ["2", "3"]
    with tb.auto_log(double, tmp_path / "two", profile="once", system=False, graph=False) as handle:
        for _ in tb.data(range(8)):
            handle(X)
    found = tb.read_profile(tmp_path / "two")
    assert found.steps.name == ["3", "4", "5"]
    assert "tallyboard.data" in found.events.names


def test_profiles_that_go_wrong(tmp_path: Path) -> None:
    """Wrong steps are an error; a second profiler, and a directory that is a file, cost the profile and a warning."""
    with pytest.raises(InvalidSummary, match=r"profile\(steps=\(1, 1, 3\)\): expected how many"):
        profile(tmp_path, steps=(1, 1, 3))  # type: ignore[arg-type]
    with profile(tmp_path / "a", steps=(0, 1)), pytest.warns(TallyboardWarning, match="cannot be recorded"):
        profile(tmp_path / "b", steps=(0, 1)).__enter__()
    (tmp_path / "file").write_text("")
    with (
        pytest.warns(TallyboardWarning, match=r"cannot be (written|recorded)"),
        profile(tmp_path / "file", steps=(0, 1)) as p,
    ):
        p.step()
    with profile(tmp_path / "c", steps=(0, 1)) as p:
        p.step()
    assert tb.read_profile(tmp_path / "c").steps.name == ["1"]  # what went wrong is in nobody's way


def test_memory(tmp_path: Path) -> None:
    """The arrays that are alive are counted by shape, and pprof's file is in the run's directory."""
    kept = [jnp.ones((37, 41)) for _ in range(3)]
    with tb.SummaryWriter(tmp_path) as writer:
        write_memory(writer, 4)
    run = tb.read(tmp_path)["."]
    assert run.scalar("memory/live_bytes").value[0] >= 3 * kept[0].nbytes
    assert (tmp_path / "memory" / "step_4.pprof").stat().st_size > 0
    assert any("memory/arrays" in tag for tags in run.tags.values() for tag in tags)
