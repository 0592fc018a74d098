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

BACKENDS = ("jax", "tensorflow", "torch")
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


class Training:
    """A training in a process of its own."""

    def __init__(self, program: str, logdir: Path, **environment: str) -> None:
        command = [sys.executable, "-c", program, str(logdir)]
        self._process = subprocess.Popen(
            command, env={**os.environ, **environment}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def reported(self) -> dict[str, Any]:
        """What it printed last, when it is over."""
        printed, errors = self._process.communicate(timeout=800)
        assert self._process.returncode == 0, errors
        reported: dict[str, Any] = json.loads(printed.splitlines()[-1])
        return reported


def last_values(summary: str) -> dict[str, tuple[float, int]]:
    """Value and step of each run's last point, from what a chart says of itself."""
    found = re.findall(r"([^ ;]+): (\S+) at step (\d+)", summary.partition("Last values: ")[2])
    return {run: (float(value), int(step)) for run, value, step in found}


def test_keras_is_seen_learning(tmp_path: Path, open_page: Callable[..., Page], chart: Any) -> None:
    """On every backend, a `fit` that begins with the page open is seen: both runs, each chart, each point."""
    page = open_page(tmp_path, height=2400)
    trainings = {backend: Training(KERAS, tmp_path / backend, KERAS_BACKEND=backend) for backend in BACKENDS}
    reports = {backend: training.reported() for backend, training in trainings.items()}
    count = len(BACKENDS)
    for backend, reported in reports.items():
        assert reported["backend"] == backend
        page.get_by_label("Filter runs").fill("")
        all_are_seen(page, chart, count)
        expect(page.locator("aside em")).to_have_text("6 / 6")
        page.get_by_label("Filter runs").fill(f"^{backend}/")
        all_are_seen(page, chart, 1)
        lasts = last_values(chart(page, "epoch_loss").wait().summary)
        for run, metric in (("train", "loss"), ("validation", "val_loss")):
            value, step = lasts[f"{backend}/{run}"]
            assert value == pytest.approx(reported[metric][-1], rel=1e-3)
            assert step == EPOCHS - 1


def all_are_seen(page: Page, chart: Any, count: int) -> None:
    """Wait until each chart has every point of so many trainings."""
    for tag in ("epoch_loss", "epoch_accuracy"):
        chart(page, tag).wait(runs=2 * count, points=2 * count * EPOCHS)
    for tag in ("epoch_learning_rate", "evaluation_loss_vs_iterations", "evaluation_accuracy_vs_iterations"):
        chart(page, tag).wait(runs=count, points=count * EPOCHS)
    for tag in ("batch_loss", "batch_accuracy"):
        chart(page, tag).wait(runs=count, points=count * EPOCHS * BATCHES)


def test_jax_is_seen_learning(tmp_path: Path, open_page: Callable[..., Page], chart: Any) -> None:
    """A jitted loop that begins with the page open is seen with each of its points."""
    page = open_page(tmp_path)
    reported = Training(JAX, tmp_path / "regression").reported()["train/loss"]
    loss = chart(page, "train/loss").wait(runs=1, points=25)
    [(value, step)] = last_values(loss.summary).values()
    assert value == pytest.approx(reported[-1], rel=1e-3)
    assert step == 24
