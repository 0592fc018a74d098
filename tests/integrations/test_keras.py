"""`TallyboardCallback` in real trainings, beside `keras.callbacks.TensorBoard` where TensorFlow is installed.

The backend is that of KERAS_BACKEND (jax if unset); the same tests run once for each.
"""

from __future__ import annotations

import functools
import importlib.util
import os
import subprocess
import sys
import time
import warnings
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

os.environ.setdefault("KERAS_BACKEND", "jax")

import keras
import numpy as np
import pytest
from sklearn.datasets import load_digits

import tallyboard as tb
from tallyboard.core.errors import InvalidLogdir, TallyboardWarning
from tallyboard.core.writer import SummaryWriter
from tallyboard.integrations import keras as adapter
from tallyboard.integrations.keras import TallyboardCallback

if TYPE_CHECKING:
    from pathlib import Path

BACKEND = keras.backend.backend()
HAS_PEER = all(importlib.util.find_spec(name) for name in ("tensorflow", "tensorboard"))  # it needs both
EPOCHS, BATCHES = 3, 7

Points = dict[tuple[str, str], list[tuple[int, float]]]


def make_model(optimizer: Any = "adam", **compile_arguments: Any) -> keras.Model:
    keras.utils.set_random_seed(7)
    model = keras.Sequential(
        [keras.Input((64,)), keras.layers.Dense(3, activation="relu"), keras.layers.Dense(10)], name="net"
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer, loss, **({"metrics": ["accuracy"]} | compile_arguments))
    return model


@functools.cache
def compiled() -> tuple[keras.Model, list[np.ndarray], list[np.ndarray]]:
    """One model, compiled by its framework once for all tests, with its first weights and optimizer state."""
    model = make_model()
    model.optimizer.build(model.trainable_variables)
    first = model.get_weights(), [np.array(variable) for variable in model.optimizer.variables]
    train(model=model, epochs=1)  # the first training of a model draws random numbers that later ones do not
    return model, *first


def new_model() -> keras.Model:
    """The model as it was before it was trained."""
    model, weights, state = compiled()
    model.set_weights(weights)
    for variable, value in zip(model.optimizer.variables, state, strict=True):
        variable.assign(value)
    keras.utils.set_random_seed(7)
    return model


@functools.cache
def make_data() -> tuple[np.ndarray, np.ndarray]:
    """The first 70 handwritten digits of scikit-learn, their pixels from 0 to 1."""
    x, y = load_digits(return_X_y=True)
    return (x[:70] / 16).astype("float32"), y[:70].astype("int32")


def train(*callbacks: keras.callbacks.Callback, model: keras.Model | None = None, **arguments: Any) -> keras.Model:
    """A training of 3 epochs of 7 batches with validation; the model keeps its History as `.history`."""
    model = model or new_model()
    x, y = make_data()
    arguments = {
        "epochs": EPOCHS,
        "batch_size": 10,
        "validation_data": (x[:30], y[:30]),
        "verbose": 0,
    } | arguments
    model.fit(x, y, callbacks=list(callbacks), **arguments)
    return model


def ours(logdir: Path) -> Points:
    """Every scalar below `logdir`, as our reader has it."""
    return {
        key: list(zip(series.step.tolist(), series.value.tolist(), strict=True))
        for key, series in tb.read(logdir).scalars().items()
    }


def seen_by_tensorboard(logdir: Path) -> Points:
    """Every scalar below `logdir`, as the reader behind TensorBoard's dashboards has it."""
    from tensorboard.backend.event_processing.plugin_event_accumulator import EventAccumulator
    from tensorboard.util.tensor_util import make_ndarray

    found: Points = {}
    for run in sorted(path.name for path in logdir.iterdir() if path.is_dir()):
        reader = EventAccumulator(str(logdir / run), size_guidance={"tensors": 0})
        reader.Reload()
        for tag in reader.Tags()["tensors"]:
            if reader.SummaryMetadata(tag).plugin_data.plugin_name == "scalars":
                found[run, tag] = [(e.step, make_ndarray(e.tensor_proto).item()) for e in reader.Tensors(tag)]
    return found


class Recorder(keras.callbacks.Callback):
    """What Keras hands to callbacks: the reference where the peer cannot run."""

    def __init__(self) -> None:
        super().__init__()
        self.batches: list[dict[str, float]] = []
        self.tests: list[dict[str, float]] = []

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        self.batches.append(dict(logs or {}))

    def on_test_end(self, logs: dict[str, float] | None = None) -> None:
        self.tests.append(dict(logs or {}))


@functools.cache
def plain() -> tuple[dict[str, list[float]], list[bytes], Recorder]:
    """History, last weights and logs of the training that nobody logs."""
    recorder = Recorder()
    model = train(recorder)
    return model.history.history, weights_of(model), recorder


def weights_of(model: keras.Model) -> list[bytes]:
    return [weight.tobytes() for weight in model.get_weights()]


def from_history(update_freq: int | None) -> Points:
    """What must be in the files after `train()`, from the logs of the same training without us."""
    history, _, recorder = plain()
    expected: Points = {("train", "epoch_learning_rate"): [(epoch, f32(0.001)) for epoch in range(EPOCHS)]}
    for metric in ("loss", "accuracy"):
        expected["train", f"epoch_{metric}"] = list(enumerate(map(f32, history[metric])))
        expected["validation", f"epoch_{metric}"] = list(enumerate(map(f32, history[f"val_{metric}"])))
        expected["validation", f"evaluation_{metric}_vs_iterations"] = [
            (BATCHES * n, f32(logs[metric])) for n, logs in enumerate(recorder.tests, start=1)
        ]
        if update_freq is not None:
            expected["train", f"batch_{metric}"] = [
                (n, f32(logs[metric])) for n, logs in enumerate(recorder.batches, start=1) if n % update_freq == 0
            ]
    return expected


def f32(value: float) -> float:
    return float(np.float32(value))


@pytest.mark.parametrize(("update_freq", "every"), [("epoch", None), ("batch", 1), (3, 3)])
def test_files_hold_what_keras_reported(tmp_path: Path, update_freq: str | int, every: int | None) -> None:
    """Runs, tags, steps and float32 values are those of the History and of the batch logs."""
    train(TallyboardCallback(tmp_path, update_freq=update_freq))
    assert ours(tmp_path) == from_history(every)


@pytest.mark.parametrize("arguments", [{}, {"update_freq": "batch"}], ids=str)
@pytest.mark.parametrize("in_fit", [{}, {"validation_data": None}, {"initial_epoch": 1}], ids=str)
def test_same_as_the_peer(tmp_path: Path, arguments: dict[str, Any], in_fit: dict[str, Any]) -> None:
    """The same training logged by `keras.callbacks.TensorBoard` gives the same runs, tags, steps and values.

    Without TensorFlow and TensorBoard the peer cannot run, and the claim is checked against the logs of the training.
    """
    train(TallyboardCallback(tmp_path / "ours", **arguments), **in_fit)
    if HAS_PEER:
        train(keras.callbacks.TensorBoard(tmp_path / "peer", **arguments), **in_fit)
        assert ours(tmp_path / "ours") == seen_by_tensorboard(tmp_path / "peer")
        assert ours(tmp_path / "ours") == seen_by_tensorboard(tmp_path / "ours")
    else:
        history = train(**in_fit).history
        values = [f32(value) for value in history.history["loss"]]
        assert ours(tmp_path / "ours")["train", "epoch_loss"] == list(zip(history.epoch, values, strict=True))


if BACKEND != "torch":  # which runs batches one by one

    def test_same_as_the_peer_with_steps_per_execution(tmp_path: Path) -> None:
        """Batches that Keras runs two at a time are counted as the peer counts them: by calls of the hook."""
        train(TallyboardCallback(tmp_path / "ours", update_freq=1), model=make_model(steps_per_execution=2))
        steps = [step for step, _ in ours(tmp_path / "ours")["train", "batch_loss"]]
        if HAS_PEER:
            train(
                keras.callbacks.TensorBoard(tmp_path / "peer", update_freq=1),
                model=make_model(steps_per_execution=2),
            )
            assert ours(tmp_path / "ours") == seen_by_tensorboard(tmp_path / "peer")
        assert steps == list(range(1, 1 + 4 * EPOCHS))


def test_update_freq_thins_out_only_batches(tmp_path: Path) -> None:
    """The one difference: the peer loses epochs and evaluations at a batch that is no multiple of `update_freq`."""
    train(TallyboardCallback(tmp_path / "ours", update_freq=4))
    mine = ours(tmp_path / "ours")
    assert [step for step, _ in mine["train", "batch_loss"]] == [4, 8, 12, 16, 20]
    assert [step for step, _ in mine["train", "epoch_loss"]] == [0, 1, 2]
    assert [step for step, _ in mine["validation", "epoch_loss"]] == [0, 1, 2]
    assert [step for step, _ in mine["validation", "evaluation_loss_vs_iterations"]] == [7, 14, 21]
    if HAS_PEER:
        train(keras.callbacks.TensorBoard(tmp_path / "peer", update_freq=4))
        batches = {key: points for key, points in mine.items() if key[1].startswith("batch_")}
        assert seen_by_tensorboard(tmp_path / "peer") == batches


def test_same_as_the_peer_every_7_batches(tmp_path: Path) -> None:
    """An `update_freq` that divides the epochs: all that the peer writes, and the evaluations it loses."""
    train(TallyboardCallback(tmp_path / "ours", update_freq=7))
    mine = ours(tmp_path / "ours")
    evaluations = {key: mine.pop(key) for key in list(mine) if key[1].startswith("evaluation_")}
    assert {tag: [step for step, _ in points] for (_, tag), points in evaluations.items()} == {
        "evaluation_loss_vs_iterations": [7, 14, 21],
        "evaluation_accuracy_vs_iterations": [7, 14, 21],
    }
    if HAS_PEER:
        train(keras.callbacks.TensorBoard(tmp_path / "peer", update_freq=7))
        assert mine == seen_by_tensorboard(tmp_path / "peer")


@pytest.mark.parametrize(("update_freq", "batch_steps"), [("epoch", None), (1, list(range(1, 22)))])
def test_steps_per_second(tmp_path: Path, update_freq: str | int, batch_steps: list[int] | None) -> None:
    """Steps per second are logged at epochs, and at batches where batches are logged, as the peer does."""
    train(TallyboardCallback(tmp_path / "ours", update_freq=update_freq, write_steps_per_second=True))
    found = ours(tmp_path / "ours")
    speeds = {tag: points for (run, tag), points in found.items() if tag.endswith("_steps_per_second")}
    assert [step for step, _ in speeds["epoch_steps_per_second"]] == [0, 1, 2]
    batches = speeds.get("batch_steps_per_second")
    assert (batches and [step for step, _ in batches]) == batch_steps
    assert all(0 < speed < 1e7 for points in speeds.values() for _, speed in points)
    if HAS_PEER:
        peer = keras.callbacks.TensorBoard(tmp_path / "peer", update_freq=update_freq, write_steps_per_second=True)
        train(peer)
        assert set(found) == set(seen_by_tensorboard(tmp_path / "peer"))


@pytest.mark.parametrize("update_freq", ["epoch", 1])
def test_weights_are_bit_identical(tmp_path: Path, update_freq: str | int) -> None:
    """A logged training ends with the very weights and History of the same training without the callback."""
    history, weights, _ = plain()
    logged = train(TallyboardCallback(tmp_path, update_freq=update_freq, write_steps_per_second=True))
    assert logged.history.history == history
    assert weights_of(logged) == weights


def test_evaluate_alone(tmp_path: Path) -> None:
    """`evaluate` alone logs to `validation` only, at the optimizer's iterations, and closes its file."""
    model = train()
    x, y = make_data()
    callback = TallyboardCallback(tmp_path)
    result = model.evaluate(x, y, callbacks=[callback], verbose=0, return_dict=True)
    assert ours(tmp_path) == {
        ("validation", f"evaluation_{metric}_vs_iterations"): [(EPOCHS * BATCHES, f32(value))]
        for metric, value in result.items()
    }
    assert not callback._runs.open


def test_predict_alone(tmp_path: Path) -> None:
    """`predict` alone is called with the callback and writes nothing."""
    model = new_model()
    plain = model.predict(make_data()[0], verbose=0)
    logged = model.predict(make_data()[0], verbose=0, callbacks=[TallyboardCallback(tmp_path, update_freq=1)])
    assert np.array_equal(logged, plain)
    assert not list(tmp_path.iterdir())


def test_fit_twice(tmp_path: Path) -> None:
    """A second `fit` with the same callback goes to a second file, epochs counted as Keras counts them."""
    callback = TallyboardCallback(tmp_path, update_freq=7)
    model = train(callback)
    first = ours(tmp_path)
    train(callback, model=model)
    files = [path.name for path in (tmp_path / "train").iterdir()]
    assert len([name for name in files if not name.endswith(".v2")]) == 2  # and TensorFlow's own, for its tf.summary
    second = ours(tmp_path)
    assert set(second) == set(first)
    for key, points in first.items():
        assert second[key][:EPOCHS] == points
        assert len(second[key]) == 2 * EPOCHS
    assert [step for step, _ in second["train", "epoch_loss"]] == [0, 1, 2, 0, 1, 2]
    assert [step for step, _ in second["validation", "evaluation_loss_vs_iterations"]] == [
        7,
        14,
        21,
        28,
        35,
        42,
    ]


def test_writers_are_closed_when_training_ends(tmp_path: Path) -> None:
    """After `fit` no writer is open, and everything is on disk."""
    callback = TallyboardCallback(tmp_path)
    train(callback)
    assert not callback._runs.open
    assert len(ours(tmp_path)["train", "epoch_loss"]) == EPOCHS


def test_an_exception_in_fit_loses_nothing(tmp_path: Path) -> None:
    """Epochs before an exception in the training are on disk without anybody closing the callback."""

    class StopError(Exception): ...

    def stop(epoch: int, logs: object) -> None:
        if epoch == 2:
            raise StopError

    with pytest.raises(StopError):
        train(TallyboardCallback(tmp_path), keras.callbacks.LambdaCallback(on_epoch_begin=stop))
    deadline = time.monotonic() + 60
    while len(ours(tmp_path).get(("train", "epoch_loss"), [])) < 2:
        assert time.monotonic() < deadline, "the two epochs never reached the disk"
        time.sleep(0.02)
    assert [step for step, _ in ours(tmp_path)["train", "epoch_loss"]] == [0, 1]


@pytest.mark.parametrize("wrapped", [False, True])
def test_learning_rate_of_a_schedule(tmp_path: Path, wrapped: bool) -> None:
    """The rate logged is the schedule's at the end of the epoch, also inside a LossScaleOptimizer."""
    optimizer = keras.optimizers.SGD(keras.optimizers.schedules.ExponentialDecay(0.5, BATCHES, 0.1))
    whole = keras.optimizers.LossScaleOptimizer(optimizer) if wrapped else optimizer
    train(TallyboardCallback(tmp_path), model=make_model(whole))
    assert [step for step, _ in ours(tmp_path)["train", "epoch_learning_rate"]] == [0, 1, 2]
    rates = [rate for _, rate in ours(tmp_path)["train", "epoch_learning_rate"]]
    assert rates == pytest.approx([0.05, 0.005, 0.0005], rel=1e-5)


def test_learning_rates_of_several_optimizers(tmp_path: Path) -> None:
    """An optimizer made of optimizers has one rate for each, by name."""
    callback = TallyboardCallback(tmp_path)
    several = [keras.optimizers.SGD(0.5, name="head"), keras.optimizers.Adam(0.25, name="body")]
    callback.set_model(SimpleNamespace(optimizer=SimpleNamespace(optimizers=several)))
    callback.on_epoch_end(4, {"loss": 1.5})
    callback.on_train_end()
    assert ours(tmp_path) == {
        ("train", "epoch_learning_rate_head"): [(4, 0.5)],
        ("train", "epoch_learning_rate_body"): [(4, 0.25)],
        ("train", "epoch_loss"): [(4, 1.5)],
    }


class PerClass(keras.metrics.Metric):
    """A metric that is a vector: one number for each of three classes."""

    def update_state(self, *arguments: object, **more: object) -> None: ...

    def result(self) -> Any:
        return keras.ops.ones((3,))


def test_a_vector_metric_is_left_out_with_a_warning(tmp_path: Path) -> None:
    """A metric that is no number is named in one warning; the others are logged."""
    model = make_model(metrics=["accuracy", PerClass(name="per_class")])
    with pytest.warns(TallyboardWarning, match=r"epoch_per_class.*3 elements") as caught:
        train(TallyboardCallback(tmp_path), model=model, validation_data=None)
    assert len([w for w in caught if w.category is TallyboardWarning]) == 1
    assert set(ours(tmp_path)) == {
        ("train", "epoch_loss"),
        ("train", "epoch_accuracy"),
        ("train", "epoch_learning_rate"),
    }


def test_nan_is_logged(tmp_path: Path) -> None:
    """A loss that is not a number reaches the file as NaN: that is what the person must see."""
    callback = TallyboardCallback(tmp_path)
    callback.set_model(SimpleNamespace(optimizer=None))
    callback.on_epoch_end(0, {"loss": float("nan")})
    callback.on_train_end()
    [(step, value)] = ours(tmp_path)["train", "epoch_loss"]
    assert step == 0
    assert np.isnan(value)


def test_an_impossible_directory_does_not_stop_training(tmp_path: Path) -> None:
    """A run directory that cannot be made is one warning; the weights are those of a plain training."""
    (tmp_path / "train").write_text("a file where the directory should be")
    with pytest.warns(TallyboardWarning, match="logging stopped in on_train_begin, training goes on") as caught:
        model = train(TallyboardCallback(tmp_path, update_freq=1))
    assert len([w for w in caught if w.category is TallyboardWarning]) == 1
    assert weights_of(model) == plain()[1]


def test_a_failing_sink_does_not_stop_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk is one warning and one count of what was lost; the training ends as without us."""

    class FullDisk:
        def write(self, event: Any, /) -> None:
            raise OSError(28, "No space left on device")

        def flush(self) -> None: ...

        def close(self) -> None: ...

    def open_writer(log_dir: str, write_to_disk: bool = True) -> SummaryWriter:
        return SummaryWriter(log_dir, sink=FullDisk())

    monkeypatch.setattr("tallyboard.integrations.keras.runs.SummaryWriter", open_writer)
    with warnings.catch_warnings(record=True, action="always") as caught:
        model = train(TallyboardCallback(tmp_path, update_freq=1, write_graph=False))
    said = [str(warning.message) for warning in caught if warning.category is TallyboardWarning]
    assert sorted(text for text in said if "No space left on device" not in text) == [  # one of each run's writer
        "FullDisk: closed with 12 events lost, which could not be written",
        "FullDisk: closed with 53 events lost, which could not be written",  # 21 * 2 of batches, 3 * 3 of epochs, 2
    ]
    assert len(said) == 4
    assert weights_of(model) == plain()[1]


def test_the_next_fit_tries_again(tmp_path: Path) -> None:
    """Logging that failed in one `fit` works in the next, once the directory is right."""
    blocker = tmp_path / "train"
    blocker.write_text("a file where the directory should be")
    callback = TallyboardCallback(tmp_path)
    with pytest.warns(TallyboardWarning):
        train(callback)
    blocker.unlink()
    train(callback)
    assert len(ours(tmp_path)["train", "epoch_loss"]) == EPOCHS


@pytest.mark.parametrize("update_freq", [0, -1, 1.5, "step", None, True])
def test_bad_update_freq(tmp_path: Path, update_freq: Any) -> None:
    """An `update_freq` that means nothing is an error at the call that says what may be given."""
    with pytest.raises(ValueError, match="give 'epoch', 'batch', or a number of batches from 1"):
        TallyboardCallback(tmp_path, update_freq=update_freq)


def test_log_dir_is_a_file(tmp_path: Path) -> None:
    """A `log_dir` that is a file is an error before training begins."""
    (tmp_path / "logs").write_text("")
    with pytest.raises(InvalidLogdir, match="is a file"):
        TallyboardCallback(tmp_path / "logs")


def test_the_import_is_the_whole_migration() -> None:
    """The class has the peer's name too, and its arguments by name and position."""
    import inspect

    mine = list(inspect.signature(adapter.TensorBoard).parameters.values())
    theirs = list(inspect.signature(keras.callbacks.TensorBoard).parameters.values())
    assert [(one.name, one.default) for one in mine[: len(theirs)]] == [(one.name, one.default) for one in theirs]
    assert all(one.kind is one.KEYWORD_ONLY for one in mine[len(theirs) :])


def test_batches_need_not_wait_when_epochs_are_logged(tmp_path: Path) -> None:
    """Keras may end batches in other threads unless a subclass looks at them; on JAX also where batches are logged."""

    class Watching(TallyboardCallback):
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None: ...

    assert TallyboardCallback(tmp_path).async_safe
    assert TallyboardCallback(tmp_path, update_freq=5).async_safe == (BACKEND == "jax")
    assert not TallyboardCallback(tmp_path, update_freq=5, write_steps_per_second=True).async_safe
    assert not Watching(tmp_path).async_safe


WITHOUT_TENSORFLOW = """
import sys
sys.modules["tensorflow"] = None  # importing it raises ImportError
import numpy as np, keras
from tallyboard.integrations.keras import TallyboardCallback
model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
model.compile("sgd", "mse")
x = np.ones((8, 2), "float32")
model.fit(x, x[:, :1], validation_split=0.5, epochs=2, verbose=0,
          callbacks=[TallyboardCallback(sys.argv[1], update_freq=1, write_steps_per_second=True)])
print(keras.backend.backend(), [m for m in sys.modules if m.startswith(("tensorflow.", "tensorboard"))])
"""

if BACKEND != "tensorflow":

    def test_no_tensorflow(tmp_path: Path) -> None:
        """On a backend other than TensorFlow's, a training is logged where TensorFlow cannot be imported."""
        program = [sys.executable, "-c", WITHOUT_TENSORFLOW, str(tmp_path)]
        done = subprocess.run(program, capture_output=True, text=True, timeout=300, check=False)
        assert (done.returncode, done.stdout) == (0, f"{BACKEND} []\n"), done.stderr
        assert len(ours(tmp_path)["validation", "epoch_loss"]) == 2


@pytest.mark.parametrize(
    ("missing", "error"),
    [
        ("keras", "MissingDependency: tallyboard.integrations.keras needs Keras 3: pip install 'tallyboard[keras]'"),
        (BACKEND, BACKEND),
    ],
)
def test_what_is_missing_is_named(missing: str, error: str) -> None:
    """Without Keras the import says how to install it; without the backend it says what Keras says."""
    program = f"import sys; sys.modules[{missing!r}] = None; import tallyboard.integrations.keras"
    environment = {**os.environ, "KERAS_BACKEND": BACKEND}  # whatever a file that was collected later set there
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=300, check=False, env=environment
    )
    assert done.returncode == 1
    assert error in done.stderr.splitlines()[-1]
    assert ("tallyboard[keras]" in done.stderr) == (missing == "keras")
