"""Logging from within compiled functions: under every transformation, in order of steps, without compiling again."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import warnings
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tallyboard as tb
from tallyboard.core.errors import InvalidSummary, TallyboardWarning
from tallyboard.integrations import jax as tbj
from tallyboard.integrations.jax import log, log_buffer, log_to, stats
from tallyboard.integrations.jax.arrivals import Arrivals

X = jnp.arange(4.0)


def loss_of(x: jax.Array, step: Any) -> jax.Array:
    loss = jnp.sum(x**2)
    log("loss", loss, step)
    return loss


def logged(function: Any, *arguments: Any) -> list[tuple[str, int, float]]:
    """What the call logs: tag, step and value, in the order it is written."""
    sink = tb.MemorySink()
    with tb.SummaryWriter(sink=sink) as writer:
        with log_to(writer):
            jax.block_until_ready(function(*arguments))
        writer.flush()
    return [(event.summary.tag, event.step, float(event.summary.value)) for event in sink.events]  # type: ignore[arg-type]


TRANSFORMED: dict[str, tuple[Any, tuple[Any, ...], list[tuple[str, int, float]]]] = {
    "outside": (loss_of, (X, 5), [("loss", 5, 14.0)]),
    "jit": (jax.jit(loss_of), (X, 5), [("loss", 5, 14.0)]),
    "a constant": (jax.jit(lambda: log("c", True, np.int8(7))), (), [("c", 7, 1.0)]),
    "grad": (jax.jit(jax.grad(loss_of)), (X, 3), [("loss", 3, 14.0)]),
    "grad outside": (jax.grad(loss_of), (X, 3), [("loss", 3, 14.0)]),
    "remat": (jax.jit(jax.grad(jax.checkpoint(loss_of))), (X, 3), [("loss", 3, 14.0)]),
    "vmap": (jax.jit(jax.vmap(loss_of, (0, None))), (jnp.stack([X, 2 * X]), 2), [("loss", 2, 35.0)]),
    "vmap of steps": (jax.jit(jax.vmap(loss_of)), (jnp.stack([X, X]), jnp.array([8, 9])), [("loss", 8, 14.0)]),
    "vmap of grad": (jax.jit(jax.vmap(jax.grad(loss_of), (0, None))), (jnp.stack([X, 2 * X]), 2), [("loss", 2, 35.0)]),
    "vmap of vmap": (
        jax.jit(jax.vmap(jax.vmap(loss_of, (0, None)), (0, None))),
        (jnp.stack([jnp.stack([X, X]), 2 * jnp.stack([X, X])]), 1),
        [("loss", 1, 35.0)],
    ),
    "scan": (
        jax.jit(lambda x: jax.lax.scan(lambda c, i: (c / 2 + 0 * jax.grad(loss_of)(c, i), None), x, jnp.arange(3))[0]),
        (X,),
        [("loss", 0, 14.0), ("loss", 1, 3.5), ("loss", 2, 0.875)],
    ),
    "grad of scan": (
        jax.jit(jax.grad(lambda x: jax.lax.scan(lambda c, i: (c / 2, loss_of(c, i)), x, jnp.arange(2))[1].sum())),
        (X,),
        [("loss", 0, 14.0), ("loss", 1, 3.5)],
    ),
    "cond": (
        jax.jit(lambda x: jax.lax.cond(x.sum() > 0, lambda x: loss_of(x, 1), lambda x: loss_of(x, 2), x)),
        (X,),
        [("loss", 1, 14.0)],
    ),
    "while_loop": (
        jax.jit(lambda x: jax.lax.while_loop(lambda c: c[1] < 2, lambda c: (c[0] + 0 * loss_of(*c), c[1] + 1), (x, 0))),
        (X,),
        [("loss", 0, 14.0), ("loss", 1, 14.0)],
    ),
}


@pytest.mark.parametrize("name", TRANSFORMED)
def test_under(name: str) -> None:
    """The value of the forward pass, once, at its step; under vmap the mean of what is mapped, at the first step."""
    function, arguments, expected = TRANSFORMED[name]
    assert logged(function, *arguments) == expected


def test_gradients_are_as_without() -> None:
    """Logging changes no bit of values and gradients."""
    plain = jax.jit(jax.value_and_grad(lambda x: jnp.sum(x**2)))
    with tb.SummaryWriter(sink=tb.MemorySink()) as writer, log_to(writer):
        mine = jax.jit(jax.value_and_grad(loss_of))(X, 1)
    for one, other in zip(jax.tree.leaves(mine), jax.tree.leaves(plain(X)), strict=True):
        assert one.tobytes() == other.tobytes()


def test_trees_and_exact_values() -> None:
    """A tree is one callback of several tags; float32 arrives bit by bit, with NaN and infinity; bfloat16 as it is."""

    @jax.jit
    def step(x: jax.Array) -> None:
        log("m", {"a": x[0], "b": {"c": x[1].astype(jnp.bfloat16)}, "d": [x[2], 3]}, 4)

    given = jnp.array([0.1, 1.5, -jnp.inf])
    expected = [("m/a", 4, float(np.float32(0.1))), ("m/b/c", 4, 1.5), ("m/d/0", 4, -np.inf), ("m/d/1", 4, 3.0)]
    assert logged(step, given) == expected
    [(_, _, value)] = logged(jax.jit(lambda x: log("nan", x, 0)), jnp.float32(jnp.nan))
    assert np.isnan(value)


def test_steps_beyond_32_bits() -> None:
    """With 64 bits switched on, steps have them."""
    with jax.enable_x64(True):
        assert logged(jax.jit(loss_of), X, jnp.int64(2**40 + 3)) == [("loss", 2**40 + 3, 14.0)]


def test_order_is_restored() -> None:
    """Whatever the order in which callbacks come, they are written by step; those of several devices as their mean."""
    sink = tb.MemorySink()
    with tb.SummaryWriter(sink=sink) as writer:
        arrivals = Arrivals(writer)
        for step in (5, 2, 9, 2, 1):
            arrivals.add(step, ("x",), [step * 1.0 + len(arrivals._entries)])
        arrivals.settle()
        writer.flush()
    assert [(event.step, event.summary.value) for event in sink.events] == [(1, 5.0), (2, 4.0), (5, 5.0), (9, 11.0)]


def test_compiled_once() -> None:
    """Neither other writers nor other values compile a logging function again; each call goes where it is told then."""
    traced = []

    @jax.jit
    def step(x: jax.Array, number: jax.Array) -> jax.Array:
        traced.append(1)
        return loss_of(x, number)

    for number in range(3):
        assert logged(step, X, jnp.int32(number)) == [("loss", number, 14.0)]
    assert len(traced) == step._cache_size() == 1


def test_writers_of_every_kind(tmp_path: Path) -> None:
    """`log_to` takes our metric writers and CLU's interface; `writer=` goes before it; blocks lie within each other."""
    memory, inner = tbj.InMemoryWriter(), tbj.InMemoryWriter()
    with tbj.create_default_writer(tmp_path) as writer, log_to(writer), log_to(memory) as target:
        jax.jit(lambda: log("a", 1.0, 1))()
        jax.jit(lambda: log("fixed", 1.0, 1, writer=inner))()
        target.flush()
        assert memory.scalars("a") == [(1, 1.0)]
        target.close()
        target.close()
        jax.jit(lambda: log("b", 2.0, 2))()
    with tbj.SummaryWriter(tmp_path / "sub") as single, log_to(single):
        log("outside", 3.0, 3)
    found = {tag: series.value.tolist() for (_, tag), series in tb.read(tmp_path).scalars().items()}
    assert found == {"b": [2.0], "outside": [3.0]}
    jax.effects_barrier()
    tbj.log_to(inner).close()
    assert inner.scalars("fixed") == [(1, 1.0)]


def test_live(tmp_path: Path) -> None:
    """What is logged is on its way to the disk without any flush, and closing the writer alone brings the rest."""
    came = threading.Event()

    class Telling(tbj.InMemoryWriter):
        def write_scalars(self, step: int, scalars: Any) -> None:
            super().write_scalars(step, scalars)
            came.set()

    memory = Telling()
    target = log_to(memory)
    jax.jit(lambda: log("a", 1.0, 1))()
    assert came.wait(60)
    target.close()
    assert memory.scalars("a") == [(1, 1.0)]
    writer = tb.SummaryWriter(tmp_path)
    jax.jit(lambda: log("last", 1.0, 1, writer=writer))()
    jax.effects_barrier()
    writer.close()
    assert tb.read(tmp_path)["."].scalar("last").value.tolist() == [1.0]


def test_nowhere_to_write() -> None:
    """Without a writer the function goes on, and one warning says what to do."""
    with pytest.warns(TallyboardWarning, match=r"log: no writer is there for 'lost'; .*with log_to\(writer\)"):  # noqa: PT031
        jax.jit(lambda: log("lost", 1.0, 1))()
        jax.effects_barrier()


def test_a_writer_that_fails_stops_nothing() -> None:
    """An error of the writer costs the values and a warning, never the compiled function."""

    class Broken(tbj.InMemoryWriter):
        def write_scalars(self, step: int, scalars: Any) -> None:
            raise OSError("no space")

    with pytest.warns(TallyboardWarning, match=r"log: values could not be written \(OSError: no space\)"):  # noqa: SIM117
        with log_to(Broken()):
            assert float(jax.jit(loss_of)(X, 1)) == 14.0


def through(x: jax.Array, size: int, steps: int) -> jax.Array:
    def body(carry: Any, step: Any) -> Any:
        x, buffer = carry
        loss = jnp.sum(x**2)
        return (x / 2, buffer.add(step, {"loss": loss, "twice": 2 * step})), loss

    (_, buffer), losses = jax.lax.scan(body, (x, log_buffer(["loss", "twice"], size)), jnp.arange(steps))
    emptied = buffer.emit()
    emptied.emit()
    return losses.sum()


@pytest.mark.parametrize("name", ["jit", "grad", "vmap", "outside"])
def test_buffer(name: str) -> None:
    """A loop's rows arrive together, at their own steps, under jit, grad, vmap (means) and outside; emitted once."""
    call = {
        "jit": lambda: jax.jit(lambda x: through(x, 5, 3))(X),
        "grad": lambda: jax.jit(jax.grad(lambda x: through(x, 5, 3)))(X),
        "vmap": lambda: jax.jit(jax.vmap(lambda x: through(x, 5, 3)))(jnp.stack([X, X])),
        "outside": lambda: through(X, 5, 3),
    }[name]
    values = [("loss", 14.0), ("twice", 0.0), ("loss", 3.5), ("twice", 2.0), ("loss", 0.875), ("twice", 4.0)]
    assert logged(call) == [(tag, i // 2, value) for i, (tag, value) in enumerate(values)]


def test_buffer_that_is_too_small() -> None:
    """The latest rows are kept, and a warning says how many there were and what to write."""
    with pytest.warns(TallyboardWarning, match=r"5 rows came before emit\(\), and it holds 2: the first 3 are lost"):
        found = logged(jax.jit(lambda x: through(x, 2, 5)), X)
    assert [(tag, step) for tag, step, _ in found] == [("loss", 3), ("twice", 3), ("loss", 4), ("twice", 4)]
    assert found[1][2] == 6.0


def test_stats() -> None:
    """Norms are NumPy's, in all and by module; the ratio is that of the norms; what is not finite is counted."""
    random = np.random.default_rng(0)
    params = {"params": {"a": {"w": random.normal(size=(3, 4)), "b": random.normal(size=4)}, "c": {"w": np.ones(2)}}}
    grads = jax.tree.map(lambda x: x * 0.5, params)
    grads["params"]["c"]["w"] = np.array([1.0, np.nan])
    found = jax.jit(stats)(grads, params, jax.tree.map(lambda x: x * 0.1, params))
    assert isinstance(found, tbj.Stats)
    assert len(jax.tree.leaves(found)) == 1
    a = float(np.sqrt((params["params"]["a"]["w"] ** 2).sum() + (params["params"]["a"]["b"] ** 2).sum()))
    said = dict(found)
    assert said["gradients/nonfinite"] == 1.0
    assert said["weights/nonfinite"] == 0.0
    assert np.isnan(said["gradients/norm"])
    assert said["gradients/norm/a"] == pytest.approx(a / 2, rel=1e-6)
    assert said["weights/norm/a"] == pytest.approx(a, rel=1e-6)
    assert said["weights/norm"] == pytest.approx(np.hypot(a, np.sqrt(2)), rel=1e-6)
    assert said["weights/update_ratio/c"] == pytest.approx(0.1, rel=1e-6)
    assert dict(stats(updates=params))["updates/norm"] == said["weights/norm"]
    assert list(stats(params, depth=0)) == ["gradients/norm", "gradients/nonfinite"]
    many = {f"block{i}": {f"layer{j}": {"w": np.ones(1)} for j in range(20)} for i in range(5)}
    assert len([name for name in stats(many) if name.startswith("gradients/norm/")]) == 5


def test_stats_are_metrics() -> None:
    """A writer takes them whole, in a thread or not; so does `log`."""
    memory = tbj.InMemoryWriter()
    found = jax.jit(stats)({"a": {"w": X}})
    sink = tb.MemorySink()
    with tbj.AsyncWriter(tbj.SummaryWriter("unused", sink=sink)) as writer:
        writer.write_scalars(3, found)
    tbj.MultiWriter([memory]).write_scalars(3, found)
    norm = float(np.sqrt(np.float32(14)))
    expected = {"gradients/norm": norm, "gradients/norm/a": norm, "gradients/nonfinite": 0.0}
    assert {event.summary.tag: event.summary.value for event in sink.events} == pytest.approx(expected)
    assert {tag: value for tag, _, value in logged(jax.jit(lambda: log("", stats({"a": {"w": X}}), 0)))} == (
        pytest.approx(expected)
    )
    assert [tag for tag, _, _ in logged(lambda: log("s", found, 0))] == [f"s/{tag}" for tag in expected]


MISTAKES: dict[str, tuple[Any, str]] = {
    "several numbers": (
        lambda: log("x", jnp.ones(3), 0),
        r"log\('x'\): expected one real number, got float32 of shape",
    ),
    "complex": (lambda: log("x", 1j * jnp.ones(()), 0), "expected one real number, got complex64"),
    "a text": (lambda: log("x", {"a": "b"}, 0), r"log\('x/a'\): expected one number, got str"),
    "nothing": (lambda: log("x", None, 0), r"expected one number or a tree of numbers, got NoneType"),
    "a fraction of a step": (
        lambda: log("x", 1.0, 0.5),
        r"log\('x'\): expected the step to be an integer, got float32",
    ),
    "no tag": (lambda: log("", 1.0, 0), "the tag is empty"),
    "no writer": (lambda: log("x", 1.0, 0, writer=3), "expected a tb.SummaryWriter or a metric writer, got int"),
    "log_to nothing": (lambda: log_to(None), "expected a tb.SummaryWriter or a metric writer, got NoneType"),
    "names twice": (lambda: log_buffer(["a", "a"], 3), "expected names, each once"),
    "no rows": (lambda: log_buffer(["a"], 0), "expected size to be a number of rows, at least 1, got 0"),
    "other names": (lambda: log_buffer(["a"], 3).add(0, {"b": 1.0}), "expected a value for each of a, got b"),
    "stats of nothing": (lambda: stats(), "expected gradients, parameters or updates"),
    "stats of a number": (lambda: stats(3.0), r"stats\(grads\): expected a tree of arrays"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes(name: str) -> None:
    """A wrong call is an error when the function is traced, which names what came and what was wanted."""
    call, says = MISTAKES[name]
    with warnings.catch_warnings(), pytest.raises(InvalidSummary, match=says):
        jax.jit(lambda: (call(), 0)[1])()


TWO_DEVICES = """
import json, sys
import jax, jax.numpy as jnp
from jax.sharding import NamedSharding, PartitionSpec as P
import tallyboard as tb
from tallyboard.integrations.jax import arrivals, log, log_buffer, log_to, stats

arrivals.PATIENCE = 1000.0  # of devices that a busy machine lets wait
assert jax.device_count() == 2
mesh = jax.make_mesh((2,), ("d",), axis_types=(jax.sharding.AxisType.Auto,))

def loss_of(x, step):
    loss = jnp.sum(x**2)
    log("loss", loss, step)
    return loss

def body(x):
    return jax.lax.pmean(loss_of(x, 9), "d")[None]

def train(x):  # of a mesh: gradients are averaged over devices, in a loop
    def turn(carry, step):
        x, buffer = carry
        loss, gradient = jax.value_and_grad(lambda x: loss_of(x, step))(x)
        loss = jax.lax.pmean(loss, "d")
        return (x - 0.25 * gradient, buffer.add(step, {"mean": loss})), None
    (x, buffer), _ = jax.lax.scan(turn, (x, log_buffer(["mean"], 4)), jnp.arange(3))
    buffer.emit()
    return x

x = jnp.arange(4.0)
split = jax.device_put(x, NamedSharding(mesh, P("d")))
calls = {
    "sharded": (jax.jit(loss_of), split, 1),
    "pmap": (jax.pmap(loss_of, in_axes=(0, None)), x.reshape(2, 2), 4),
    "shard_map": (jax.jit(jax.shard_map(body, mesh=mesh, in_specs=P("d"), out_specs=P("d"))), split),
    "loop": (jax.jit(jax.shard_map(train, mesh=mesh, in_specs=P("d"), out_specs=P("d"), check_vma=False)), split),
}
found = {}
for name, (function, *arguments) in calls.items():
    sink = tb.MemorySink()
    with tb.SummaryWriter(sink=sink) as writer:
        with log_to(writer):
            for _ in range(2):
                jax.block_until_ready(function(*arguments))
            writer.flush()
    found[name] = [(e.summary.tag, e.step, e.summary.value) for e in sink.events]
    if hasattr(function, "_cache_size"):
        found[name + " compiled"] = function._cache_size()
found["stats"] = jax.jit(stats)({"a": {"w": split}})["gradients/norm"] ** 2
print(json.dumps(found))
"""


def test_two_devices() -> None:
    """On two devices sharded values are whole; under pmap and shard_map the mean over devices is logged, once."""
    env = {**os.environ, "XLA_FLAGS": "--xla_force_host_platform_device_count=2", "JAX_PLATFORMS": "cpu"}
    program = [sys.executable, "-c", TWO_DEVICES]
    done = subprocess.run(program, capture_output=True, text=True, timeout=300, check=False, env=env)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found.pop("stats") == pytest.approx(14.0)
    assert {name: found.pop(name) for name in list(found) if name.endswith("compiled")} == dict.fromkeys(
        ("sharded compiled", "shard_map compiled", "loop compiled"), 1
    )
    loop = [["loss", 0, 7.0], ["mean", 0, 7.0], ["loss", 1, 1.75], ["mean", 1, 1.75], ["loss", 2, 0.4375]]
    assert found == {
        "sharded": [["loss", 1, 14.0]],
        "pmap": [["loss", 4, 7.0]],
        "shard_map": [["loss", 9, 7.0]],
        "loop": [*loop, ["mean", 2, 0.4375]],
    }
