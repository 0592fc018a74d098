"""Trees of arrays: distributions and norms by path for every library, sharded arrays piece by piece."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tallyboard as tb
from tallyboard.core.errors import InvalidSummary
from tallyboard.integrations.jax import SummaryWriter, add_embedding, create_default_writer, write_params

X = jnp.ones((1, 4))


def trees() -> dict[str, tuple[Any, set[str]]]:
    """A tree of each library, and the paths of its arrays."""
    linen = pytest.importorskip("flax.linen")
    nnx = pytest.importorskip("flax.nnx")
    equinox = pytest.importorskip("equinox")
    haiku = pytest.importorskip("haiku")
    key = jax.random.key(0)
    return {
        "dicts": ({"a": {"w": np.ones(3)}, "b": [jnp.zeros(2), None]}, {"a.w", "b.0"}),
        "linen": (linen.Dense(2).init(key, X), {"params.kernel", "params.bias"}),
        "nnx": (nnx.Sequential(nnx.Linear(4, 2, rngs=nnx.Rngs(0))), {"layers.0.kernel", "layers.0.bias"}),
        "equinox": (equinox.nn.MLP(4, 1, 2, 0, key=key), {"layers.0.weight", "layers.0.bias"}),
        "haiku": (haiku.transform(lambda x: haiku.Linear(2)(x)).init(key, X), {"linear.w", "linear.b"}),
    }


def test_trees_of_every_library(tmp_path: Path) -> None:
    """Each array has a histogram of its numbers under its path, each tree a norm; keys and functions are left out."""
    for name, (tree, paths) in trees().items():
        with create_default_writer(tmp_path / name) as writer:
            write_params(writer, tree, 3)
        run = tb.read(tmp_path)[name]
        assert {tag.removeprefix("weights/histogram/") for tag in run.tags["histograms"]} == paths, name
        assert run.scalar("weights/norm").step.tolist() == [3]
    run = tb.read(tmp_path)["dicts"]
    assert run.scalar("weights/norm").value[0] == np.float32(np.sqrt(3))
    assert run.scalar("weights/norm/a").value[0] == np.float32(np.sqrt(3))
    assert run.histograms("weights/histogram/a.w").at(3).counts.sum() == 3


def test_choices(tmp_path: Path) -> None:
    """Tag, norms and histograms are chosen; a bare array, integers and bfloat16 are taken."""
    with tb.SummaryWriter(tmp_path) as writer:
        write_params(
            writer, {"g": jnp.full(4, 2.0, jnp.bfloat16), "n": jnp.arange(3)}, 0, tag="grads", histograms=False
        )
        write_params(writer, jnp.arange(5), 1, norms=False)
        add_embedding(writer, jnp.eye(3), ["a", "b", "c"], tag="words", step=2)
    run = tb.read(tmp_path)["."]
    assert run.scalar("grads/norm").value[0] == 4.0
    assert run.tags["histograms"] == ["weights/histogram/value"]
    assert list(run.embeddings) == ["words:00002"] or "words" in next(iter(run.embeddings))


def test_mistakes(tmp_path: Path) -> None:
    """A tracer, no arrays, no writer, no step: each says what came and what was wanted."""
    writer = SummaryWriter(tmp_path)
    with pytest.raises(InvalidSummary, match=r"write_params\('w'\): the array is a JAX tracer.*inside jit"):
        jax.jit(lambda w: write_params(writer, {"w": w}, 0))(X)
    with pytest.raises(
        InvalidSummary, match="write_params: expected a tree of arrays, such as a model's parameters, got"
    ):
        write_params(writer, {"name": "mlp"}, 0)
    with pytest.raises(InvalidSummary, match=r"write_params: expected a tb\.SummaryWriter"):
        write_params(None, {"w": X}, 0)
    with pytest.raises(InvalidSummary, match="expected the step to be an integer"):
        write_params(writer, {"w": X}, 0.5)  # type: ignore[arg-type]
    with pytest.raises(InvalidSummary, match="add_embedding: mat is a JAX tracer"):
        jax.jit(lambda w: add_embedding(writer, w))(X)


SHARDED = """
import json
import jax, jax.numpy as jnp, numpy as np
from jax.sharding import NamedSharding, PartitionSpec as P
import tallyboard as tb
from tallyboard.integrations.jax import write_params
from tallyboard.integrations.jax.params import pieces

mesh = jax.make_mesh((2,), ("d",))
values = np.random.default_rng(0).normal(size=(8, 6)).astype(np.float32)
split = jax.device_put(values, NamedSharding(mesh, P("d")))
same = jax.device_put(values, NamedSharding(mesh, P()))
sink = tb.MemorySink()
with tb.SummaryWriter(sink=sink) as writer:
    write_params(writer, {"whole": values, "split": split, "same": same}, 0)
found = {e.summary.tag: e.summary.value for e in sink.events}
one, two, three = (found[f"weights/histogram/{name}"] for name in ("whole", "split", "same"))
print(json.dumps({
    "pieces": [sorted(part.nbytes for _, part in pieces(array)) for array in (split, same)],
    "alike": [[list(h.limits) == list(one.limits), list(h.counts) == list(one.counts), h.num == one.num,
               h.min == one.min, h.max == one.max, bool(abs(h.sum - one.sum) < 1e-4)] for h in (two, three)],
    "norm": bool(abs(found["weights/norm"] - np.sqrt(3) * np.linalg.norm(values)) < 1e-4),
}))
"""


def test_sharded_arrays() -> None:
    """What lies on two devices is copied once, half by half, and counted to the same histogram as the whole."""
    env = {**os.environ, "XLA_FLAGS": "--xla_force_host_platform_device_count=2", "JAX_PLATFORMS": "cpu"}
    program = [sys.executable, "-c", SHARDED]
    done = subprocess.run(program, capture_output=True, text=True, timeout=300, check=False, env=env)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"pieces": [[96, 96], [192]], "alike": [[True] * 6] * 2, "norm": True}
