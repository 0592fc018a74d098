"""Real trainings, watched: Keras on each of its backends, and a jitted JAX loop, learn while the page is open."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

EPOCHS, BATCHES = 3, 7

KERAS = """
import json, sys
import keras
import numpy as np
from tallyboard.integrations.keras import TallyboardCallback

keras.utils.set_random_seed(0)
x = np.random.default_rng(0).random((70, 4), dtype="float32")
y = (x.sum(axis=1) > 2).astype("int32")
model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3), keras.layers.Dense(2, activation="softmax")])
model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
callback = TallyboardCallback(sys.argv[1], update_freq="batch")
fit = model.fit(x, y, epochs=3, batch_size=10, validation_data=(x, y), verbose=0, callbacks=[callback])
print(json.dumps({"backend": keras.backend.backend(), **fit.history}))
"""

JAX = """
import json, sys
import jax, jax.numpy as jnp
from tallyboard.integrations.jax import create_default_writer

@jax.jit
def train_step(weights, x, y):
    loss, gradient = jax.value_and_grad(lambda w: jnp.mean((x @ w - y) ** 2))(weights)
    return weights - 0.1 * gradient, {"train/loss": loss}

x = jax.random.normal(jax.random.key(0), (64, 3))
y, weights, losses = x @ jnp.array([1.0, -2.0, 0.5]), jnp.zeros(3), []
with create_default_writer(sys.argv[1]) as writer:
    for step in range(25):
        weights, metrics = train_step(weights, x, y)
        writer.write_scalars(step, metrics)
        losses.append(float(metrics["train/loss"]))
print(json.dumps({"train/loss": losses}))
"""


def train(program: str, logdir: Path, **environment: str) -> dict[str, Any]:
    """Runs a training in a process of its own; gives what it printed last."""
    command = [sys.executable, "-c", program, str(logdir)]
    done = subprocess.run(
        command, env={**os.environ, **environment}, capture_output=True, text=True, timeout=400, check=False
    )
    assert done.returncode == 0, done.stderr
    reported: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return reported


def last_values(summary: str) -> dict[str, tuple[float, int]]:
    """Value and step of each run's last point, from what a chart says of itself."""
    found = re.findall(r"([^ ;]+): (\S+) at step (\d+)", summary.partition("Last values: ")[2])
    return {run: (float(value), int(step)) for run, value, step in found}


@pytest.mark.parametrize("backend", ["jax", "tensorflow", "torch"])
def test_keras_is_seen_learning(tmp_path: Path, open_page: Callable[..., Page], chart: Any, backend: str) -> None:
    """On every backend, a `fit` that begins with the page open is seen: both runs, each chart, each point."""
    page = open_page(tmp_path)
    reported = train(KERAS, tmp_path / "net", KERAS_BACKEND=backend)
    assert reported["backend"] == backend
    loss = chart(page, "epoch_loss").wait(runs=2, points=2 * EPOCHS)
    for run, metric in (("train", "loss"), ("validation", "val_loss")):
        value, step = last_values(loss.summary)[f"net/{run}"]
        assert value == pytest.approx(reported[metric][-1], rel=1e-3)
        assert step == EPOCHS - 1
    chart(page, "epoch_accuracy").wait(runs=2, points=2 * EPOCHS)
    chart(page, "epoch_learning_rate").wait(runs=1, points=EPOCHS)
    chart(page, "batch_loss").wait(runs=1, points=EPOCHS * BATCHES)
    chart(page, "batch_accuracy").wait(runs=1, points=EPOCHS * BATCHES)
    chart(page, "evaluation_loss_vs_iterations").wait(runs=1, points=EPOCHS)
    chart(page, "evaluation_accuracy_vs_iterations").wait(runs=1, points=EPOCHS)
    expect(page.locator("aside em")).to_have_text("2 / 2")


def test_jax_is_seen_learning(tmp_path: Path, open_page: Callable[..., Page], chart: Any) -> None:
    """A jitted loop that begins with the page open is seen with each of its points."""
    page = open_page(tmp_path)
    reported = train(JAX, tmp_path / "regression")["train/loss"]
    loss = chart(page, "train/loss").wait(runs=1, points=25)
    [(value, step)] = last_values(loss.summary).values()
    assert value == pytest.approx(reported[-1], rel=1e-3)
    assert step == 24
