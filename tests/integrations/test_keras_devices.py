"""`TallyboardCallback` where a model is trained on several devices, or by several processes, each in one of its own.

The backend is that of KERAS_BACKEND (jax if unset).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

os.environ.setdefault("KERAS_BACKEND", "jax")

import keras
import numpy as np
import pytest

import tallyboard as tb
from tallyboard.integrations.keras import TallyboardCallback

if TYPE_CHECKING:
    from pathlib import Path

BACKEND = keras.backend.backend()

TRAINING = """
import json, sys
import keras
import numpy as np
from tallyboard.integrations.keras import TallyboardCallback

x = np.random.default_rng(0).random((16, 4), "float32")

def new_model():
    keras.utils.set_random_seed(1)
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(6, name="d"), keras.layers.Dense(1, name="e")])
    model.compile("adam", "mse")
    return model

def train(model, folder, **arguments):
    callback = TallyboardCallback(folder, histogram_freq=1, write_images=True, update_freq=1, **arguments)
    fit = model.fit(
        x, x[:, :1], batch_size=8, epochs=2, validation_data=(x[:8], x[:8, :1]), verbose=0, callbacks=[callback]
    )
    kernel = keras.ops.convert_to_numpy(model.get_layer("d").kernel)
    return {**fit.history, "kernel": kernel.tolist()}
"""


def begun(program: str, *arguments: object, **environment: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", TRAINING + program, *map(str, arguments)]
    settings = {**os.environ, "KERAS_BACKEND": BACKEND, **environment}
    return subprocess.Popen(command, env=settings, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def ended(process: subprocess.Popen[str]) -> Any:
    """What it printed last."""
    try:
        printed, errors = process.communicate(timeout=800)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise
    assert process.returncode == 0, errors
    assert "TallyboardWarning" not in errors
    return json.loads(printed.splitlines()[-1])


def check(folder: Path, told: dict[str, Any], *, gradients: bool = True) -> None:
    """Scalars are those of the History; histograms of weights have the whole kernel's count, extremes and sum, as the
    training left it; gradients and moments have as many numbers."""
    read = tb.read(folder)
    assert read.runs == ["train", "validation"]
    for run, name in (("train", "loss"), ("validation", "val_loss")):
        found = read[run].scalars()["epoch_loss"]
        assert found.value.tolist() == [float(np.float32(value)) for value in told[name]]
    train = read["train"]
    assert train.scalars()["batch_loss"].step.tolist() == [1, 2, 3, 4]
    kernel = np.array(told["kernel"], np.float32)
    [tag] = [tag for tag in train.tags["histograms"] if tag.endswith("d/kernel/histogram") and tag.count("/") <= 3]
    value = train.histograms(tag)[-1]
    assert (value.num, value.min, value.max) == (24, kernel.min(), kernel.max())
    assert value.sum == pytest.approx(kernel.astype(float).sum(), abs=1e-6)
    if gradients:
        [tag] = [tag for tag in train.tags["histograms"] if "gradients" in tag and tag.endswith("d/kernel/histogram")]
        assert train.histograms(tag)[-1].num == 24
        assert {train.histograms(tag)[-1].num for tag in train.tags["histograms"] if "d_kernel" in tag} == {24}


if BACKEND == "jax":
    LAID_OUT = """
import jax
assert len(jax.devices()) == 2
keras.distribution.set_distribution(keras.distribution.DataParallel())
told = [train(new_model(), sys.argv[1] + "/data")]
layout = keras.distribution.LayoutMap(keras.distribution.DeviceMesh((1, 2), ("batch", "model")))
layout[".*d/kernel"], layout[".*d/bias"] = (None, "model"), ("model",)
keras.distribution.set_distribution(keras.distribution.ModelParallel(layout_map=layout, batch_dim_name="batch"))
model = new_model()
told.append(train(model, sys.argv[1] + "/model", histograms="all"))
parts = model.get_layer("d").kernel.value.addressable_shards
print(json.dumps([*told, [list(part.data.shape) for part in parts]]))
"""

    def test_keras_distribution_over_two_devices(tmp_path: Path) -> None:
        """Models that `keras.distribution` trains on two devices, by their data and by their weights, which are then
        in two parts, are logged as any other."""
        by_data, by_weights, parts = ended(
            begun(LAID_OUT, tmp_path, XLA_FLAGS="--xla_force_host_platform_device_count=2")
        )
        assert parts == [[4, 3], [4, 3]]
        check(tmp_path / "data", by_data, gradients=False)
        check(tmp_path / "model", by_weights)


if BACKEND == "tensorflow":
    MIRRORED = """
import tensorflow as tf
two = [tf.config.LogicalDeviceConfiguration()] * 2
tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], two)
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
assert strategy.num_replicas_in_sync == 2
with strategy.scope():
    model = new_model()
print(json.dumps(train(model, sys.argv[1], histograms="all")))
"""

    def test_mirrored_on_two_devices(tmp_path: Path) -> None:
        """A model that `MirroredStrategy` trains on two devices, a copy on each, is logged once."""
        check(tmp_path, ended(begun(MIRRORED, tmp_path)))

    @pytest.mark.parametrize(
        ("task", "writes"),
        [(("worker", 0), True), (("worker", 1), False), (("chief", 0), True), (("evaluator", 0), False)],
    )
    def test_the_chief_writes(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch, task: tuple[str, int], writes: bool
    ) -> None:
        """Of the processes that TF_CONFIG names the chief writes, which is the first worker where none is called so.

        `MultiWorkerMirroredStrategy` itself trains no model of Keras 3.15, with a callback or without
        (github.com/keras-team/keras/issues/20585), so that each process trains alone here.
        """
        cluster = {"worker": ["127.0.0.1:1", "127.0.0.1:2"]}
        cluster |= {"chief": ["127.0.0.1:3"]} if task[0] == "chief" else {}
        told = {"cluster": cluster, "task": {"type": task[0], "index": task[1]}}
        monkeypatch.setenv("TF_CONFIG", json.dumps(told))
        model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
        model.compile("sgd", "mse", run_eagerly=True)
        x = np.ones((4, 4), "float32")
        model.fit(x, x[:, :1], verbose=0, callbacks=[TallyboardCallback(tmp_path, histogram_freq=1, update_freq=1)])
        assert bool(list(tmp_path.rglob("events*"))) == writes
