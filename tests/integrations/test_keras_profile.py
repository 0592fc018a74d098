"""A profile that Keras recorded on TensorFlow says whether training waited for its data."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tallyboard as tb


@pytest.mark.parametrize(("late", "ahead"), [(0.06, False), (0.06, True), (0.0, True)])
def test_a_slow_generator_is_told(tmp_path: Path, late: float, ahead: bool) -> None:
    """The profile of Keras' own callback on TensorFlow (`profile_batch`) says input-bound of a slow generator, with the
    share of the steps that making batches took; of one that is as slow and works ahead of longer steps it does not, nor
    of a quick one."""
    keras: Any = pytest.importorskip("keras")
    if keras.backend.backend() != "tensorflow":
        pytest.skip("Keras runs on another backend in this process")
    tf: Any = pytest.importorskip("tensorflow")
    pytest.importorskip("tensorboard")  # which Keras' own callback writes with
    made: list[float] = []

    def batches() -> Iterator[Any]:
        for _ in range(12):
            began = time.perf_counter()
            time.sleep(late)
            made.append(time.perf_counter() - began)
            yield np.ones((256, 64), np.float32), np.zeros((256, 1), np.float32)

    signature = tf.TensorSpec((256, 64)), tf.TensorSpec((256, 1))
    hidden = [keras.layers.Dense(2500) for _ in range(2 * ahead)]
    model = keras.Sequential([keras.Input((64,)), *hidden, keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    now = tf.data.Options()
    now.experimental_optimization.inject_prefetch = False  # so that each batch is made while the step waits for it
    data = tf.data.Dataset.from_generator(batches, output_signature=signature).with_options(now)
    data = data.prefetch(4) if ahead else data
    times: list[float] = []
    begin = keras.callbacks.LambdaCallback(on_train_batch_begin=lambda batch, logs: times.append(-time.perf_counter()))
    end = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: times.append(time.perf_counter()))
    recording = keras.callbacks.TensorBoard(str(tmp_path), profile_batch=(4, 8), write_graph=False)
    model.fit(data, epochs=1, steps_per_epoch=11, verbose=0, shuffle=False, callbacks=[end, recording, begin])
    found = tb.read_profile(tmp_path).verdict()
    if ahead:
        assert found.kind != "input-bound"
        assert found.times["data"] < 0.05 * sum(found.times.values())
    else:
        steps = np.array(times).reshape(-1, 2).sum(axis=1)[3:8]
        assert found.kind == "input-bound"
        assert found.share == pytest.approx(sum(made[3:8]) / steps.sum(), abs=0.05)
