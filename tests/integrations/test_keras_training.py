"""What `TallyboardCallback` does around a training: profiles, hyperparameters, evaluation, its end; and `auto_log`."""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import os
import time
import weakref
from typing import TYPE_CHECKING, Any

os.environ.setdefault("KERAS_BACKEND", "jax")

import keras
import numpy as np
import pytest

import tallyboard as tb
from tallyboard.core.errors import TallyboardWarning, UnsupportedModel
from tallyboard.integrations.keras import TallyboardCallback

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

BACKEND = keras.backend.backend()
CLASSES = 3


@functools.cache
def compiled() -> tuple[keras.Model, list[np.ndarray]]:
    """One classifier for all tests."""
    keras.utils.set_random_seed(3)
    model = keras.Sequential(
        [keras.Input((4,)), keras.layers.Dense(5, "relu", name="a"), keras.layers.Dense(CLASSES, name="b")], name="net"
    )
    model.compile(keras.optimizers.Adam(0.01), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.optimizer.build(model.trainable_variables)
    first = [np.array(variable) for variable in model.variables + model.optimizer.variables]
    model.fit(*data(), verbose=0)  # the first training of a model draws random numbers that later ones do not
    return model, first


def data() -> tuple[np.ndarray, np.ndarray]:
    x = np.random.default_rng(0).random((24, 4), dtype="float32")
    return x, np.arange(24) % CLASSES


def train(*callbacks: Any, epochs: int = 2, model: keras.Model | None = None, **arguments: Any) -> keras.Model:
    if model is None:
        model, first = compiled()
        for variable, value in zip(model.variables + model.optimizer.variables, first, strict=True):
            variable.assign(value)
    keras.utils.set_random_seed(5)
    x, y = data()
    arguments = {"validation_data": (x[:9], y[:9]), "batch_size": 4} | arguments
    model.fit(x, y, epochs=epochs, verbose=0, callbacks=list(callbacks), **arguments)
    return model


def until(done: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not done():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.02)


@pytest.mark.parametrize(
    ("given", "steps"), [(3, [3]), ((2, 4), [2, 3, 4]), ("2,3", [2, 3]), ([5, 50], list(range(5, 13)))], ids=str
)
def test_profile(tmp_path: Path, given: Any, steps: list[int]) -> None:
    """The batches asked for are the steps of a profile in the run; one past the end of training is closed properly."""
    pytest.importorskip("msgspec")
    pytest.importorskip("ijson")
    train(TallyboardCallback(tmp_path, profile_batch=given, write_graph=False))
    found = tb.read_profile(tmp_path / "train").steps
    assert found.marked
    assert found.name == [str(step) for step in steps]


def test_a_profile_that_never_begins(tmp_path: Path) -> None:
    """Batches that training never reaches leave no profile, and no warning."""
    train(TallyboardCallback(tmp_path, profile_batch=(100, 200), write_graph=False))
    assert {path.suffix for path in tmp_path.rglob("*") if path.is_file()} <= {path.suffix for path in events(tmp_path)}


def events(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("events.out.tfevents*") if path.is_file()]


@pytest.mark.parametrize("given", [-1, (3, 2), (0, 4), "a", "1,2,3", (1,2,3), 1.5, True, None])  # fmt: skip
def test_bad_profile_batch(tmp_path: Path, given: Any) -> None:
    """Batches that mean nothing are an error at the call that says what may be given."""
    with pytest.raises(ValueError, match="give the number of a batch from 1"):
        TallyboardCallback(tmp_path, profile_batch=given)


def test_hyperparameters(tmp_path: Path) -> None:
    """What model, optimizer and `fit` say, and what is given beside it, are hyperparameters of the run `train`,
    with the status that it succeeded; there is no other run than the peer's."""
    train(TallyboardCallback(tmp_path, hparams={"dropout": 0.1}))
    assert tb.read(tmp_path).runs == ["train", "validation"]
    found = tb.read(tmp_path)["train"].hparams
    assert found is not None
    values = dict(found.values)
    expected = {"optimizer": "Adam", "loss": "sparse_categorical_crossentropy", "batch_size": 4, "epochs": 2}
    expected |= {"parameters": 43, "a/units": 5, "a/activation": "relu", "b/units": 3, "dropout": 0.1, "model": "net"}
    assert (expected | {"learning_rate": 0.01, "beta_2": 0.999}).items() <= values.items()
    assert found.status == "success"


def test_no_hyperparameters(tmp_path: Path) -> None:
    """`hparams=False` writes none."""
    train(TallyboardCallback(tmp_path, hparams=False))
    assert tb.read(tmp_path)["train"].hparams is None


def status(folder: Path) -> str:
    found = tb.read(folder)["train"].hparams
    return "" if found is None else found.status


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_an_exception_leaves_whole_files_of_a_failure(tmp_path: Path, error: type[BaseException]) -> None:
    """As soon as an exception from `fit` is handled, the files are closed, and the session says that it failed."""

    def stop(epoch: int, logs: object) -> None:
        if epoch == 1:
            raise error

    with contextlib.suppress(error):
        train(TallyboardCallback(tmp_path), keras.callbacks.LambdaCallback(on_epoch_begin=stop))
    until(lambda: status(tmp_path) == "failure")
    read = tb.read(tmp_path)
    assert read["train"].scalars()["epoch_loss"].step.tolist() == [0]


def test_confusion_matrix_and_curves(tmp_path: Path) -> None:
    """`evaluation=` writes how often each class was taken for each, as counted from the model's own predictions, and a
    precision-recall curve of each class, by the names given; the training is as without it."""
    plain = [value.tobytes() for value in train().get_weights()]
    model = train(TallyboardCallback(tmp_path, evaluation=["x", "y", "z"]))
    assert [value.tobytes() for value in model.get_weights()] == plain
    x, y = data()
    taken = np.asarray(model.predict(x[:9], verbose=0)).argmax(1)
    counts = np.zeros((CLASSES, CLASSES), int)
    np.add.at(counts, (y[:9], taken), 1)
    run = tb.read(tmp_path)["validation"]
    [tag] = [tag for tag in run.tags["text"] if "confusion_matrix" in tag]
    text = str(run.text(tag)[-1].value)
    rows = [row for row in counts.tolist() if any(row)]
    assert all(all(str(number) in text for number in row) for row in rows)
    assert run.tags["pr_curves"] == [f"evaluation/pr_curve/{name}" for name in "xyz"]
    assert run.pr_curves("evaluation/pr_curve/x").step.tolist() == [0, 1]


def test_evaluation_of_what_is_no_classifier(tmp_path: Path) -> None:
    """Targets that are no classes cost a warning that says so."""
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    x, _ = data()
    with pytest.warns(TallyboardWarning, match=r"no evaluation .*targets are no classes"):
        model.fit(
            x, x[:, :1], validation_split=0.5, verbose=0, callbacks=[TallyboardCallback(tmp_path, evaluation=True)]
        )


def test_pictures_of_predictions(tmp_path: Path) -> None:
    """What `prediction_images=` returns is written each epoch; one that fails costs a warning, not the training."""

    def pictures(model: Any, epoch: int) -> dict[str, np.ndarray]:
        assert isinstance(model, keras.Model)
        if epoch:
            raise RuntimeError("no more")
        return {"shown": np.full((2, 3, 5, 1), 0.5)}

    with pytest.warns(TallyboardWarning, match=r"no pictures of predictions \(RuntimeError: no more\)"):
        train(TallyboardCallback(tmp_path, prediction_images=pictures))
    found = tb.read(tmp_path)["validation"].images("shown")
    assert found.step.tolist() == [0]


def test_resume(tmp_path: Path) -> None:
    """With `resume=True` batches are counted on from the optimizer's iterations, epochs as ever by `initial_epoch`."""
    model = train(TallyboardCallback(tmp_path, update_freq=1), epochs=1)
    x, y = data()
    again = TallyboardCallback(tmp_path, update_freq=1, resume=True)
    model.fit(x, y, batch_size=4, epochs=3, initial_epoch=1, verbose=0, callbacks=[again])
    found = tb.read(tmp_path)["train"].scalars()
    assert found["batch_loss"].step.tolist() == list(range(1, 19))
    assert found["epoch_loss"].step.tolist() == [0, 1, 2]


def test_system_metrics(tmp_path: Path) -> None:
    """`system=True` also logs the machine, at the step of a batch."""
    train(TallyboardCallback(tmp_path, system=True))
    tags = tb.read(tmp_path)["train"].tags["scalars"]
    assert any(tag.startswith("system/") for tag in tags)


def test_two_callbacks_on_one_logdir(tmp_path: Path) -> None:
    """Two callbacks of one `fit` that were given one directory cost a warning that says what to do, and lose nothing:
    each has files of its own. Directories of their own cost none."""
    with pytest.warns(TallyboardWarning, match=r"logs the same fit to the same directory.*give it another") as caught:
        train(TallyboardCallback(tmp_path), TallyboardCallback(f"{tmp_path}/"), TallyboardCallback(tmp_path / "own"))
    assert len([one for one in caught if one.category is TallyboardWarning]) == 1
    assert len(events(tmp_path / "train")) == 2


def test_the_writer_can_be_shared(tmp_path: Path) -> None:
    """What another callback says to the callback's writer stands in the same file, closed with the training."""
    callback = TallyboardCallback(tmp_path)
    mine = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: callback.writer().add_scalar("mine", 1, epoch)
    )
    train(callback, mine)
    assert tb.read(tmp_path)["train"].scalars()["mine"].step.tolist() == [0, 1]
    assert len(events(tmp_path / "train")) == 1
    assert not callback._runs.open


class Unsaid(keras.layers.Layer):
    """A layer that does not say how it was made."""

    def __init__(self, function: Any) -> None:
        super().__init__(name="unsaid")
        self.function = function

    def call(self, x: Any) -> Any:
        return self.function(x)


def test_a_layer_without_configuration(tmp_path: Path) -> None:
    """A layer that has no `get_config` costs one warning that says so; the other layers' settings are there."""
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, name="said"), Unsaid(keras.ops.relu)])
    model.compile("sgd", "mse")
    x, _ = data()
    with pytest.warns(TallyboardWarning, match=r"no settings of 'unsaid' \(Unsaid\).*get_config") as caught:
        model.fit(x, x[:, :3], epochs=2, verbose=0, callbacks=[TallyboardCallback(tmp_path)])
    assert len([one for one in caught if one.category is TallyboardWarning]) == 1
    run = tb.read(tmp_path)["train"]
    assert run.hparams is not None
    assert dict(run.hparams.values)["said/units"] == 3
    assert [node.op for node in run.graphs()[""].nodes] == ["InputLayer", "Dense", "Unsaid"]


if BACKEND == "tensorflow":
    import tensorflow as tf

    def test_strategy_scope(tmp_path: Path) -> None:
        """A model made in a distribution strategy's scope is logged as any other, its weights too."""
        with tf.distribute.MirroredStrategy(["CPU:0"]).scope():
            model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1, name="d")])
            model.compile("sgd", "mse")
        x = np.ones((8, 4), "float32")
        model.fit(x, x[:, :1], verbose=0, callbacks=[TallyboardCallback(tmp_path, histogram_freq=1, update_freq=1)])
        run = tb.read(tmp_path)["train"]
        assert {"batch_loss", "epoch_loss"} <= set(run.tags["scalars"])
        assert any(tag.endswith("kernel/histogram") for tag in run.tags["histograms"])


if BACKEND == "tensorflow" and importlib.util.find_spec("tensorboard"):  # of which tf.summary.scalar is a part

    class Told(keras.layers.Layer):
        """Says what it sees to TensorFlow's default writer."""

        def call(self, x: Any) -> Any:
            tf.summary.scalar("seen", tf.reduce_mean(x))
            return x

    def told_model() -> keras.Model:
        model = keras.Sequential([keras.Input((4,)), Told(), keras.layers.Dense(1)])
        model.compile("sgd", "mse")
        return model

    def test_tf_summary_in_layers(tmp_path: Path) -> None:
        """What a layer says to `tf.summary` lands in the same runs at the batches that are logged, and in the next
        training of the model under that one's directory; TensorFlow's default writer is as it was."""
        model, x = told_model(), np.ones((12, 4), "float32")
        for name in ("one", "two"):
            callback = TallyboardCallback(tmp_path / name, update_freq=2)
            model.fit(x, x[:, :1], batch_size=2, validation_split=0.5, verbose=0, callbacks=[callback], epochs=2)
            assert tf.summary.experimental.get_step() is None
            assert not tf.summary.should_record_summaries()
        read = tb.read(tmp_path)
        for name in ("one", "two"):
            assert [tag for tag in read[f"{name}/train"].tags["scalars"] if "seen" in tag]
            [tag] = [tag for tag in read[f"{name}/train"].tags["scalars"] if "seen" in tag]
            assert read[f"{name}/train"].scalars()[tag].step.tolist() == [2, 4, 6]
            assert [tag for tag in read[f"{name}/validation"].tags["scalars"] if "seen" in tag]

    def test_a_model_that_says_nothing_is_not_traced_anew(tmp_path: Path) -> None:
        """Under another directory the functions of a model that writes no summary of its own stay as they are, and
        those of one that does are made again."""
        x = np.ones((4, 4), "float32")
        silent = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
        silent.compile("sgd", "mse")
        for model, same in ((silent, True), (told_model(), False)):
            functions: list[Any] = []
            for name in ("one", "two"):
                callback = TallyboardCallback(tmp_path / name, update_freq=1)
                model.fit(x, x[:, :1], verbose=0, callbacks=[callback])
                functions.append(model.train_function)
            assert (functions[0] is functions[1]) == same


if BACKEND == "jax":

    def test_keras_distribution(tmp_path: Path) -> None:
        """A model whose weights are laid out over devices by `keras.distribution` is logged as any other."""
        import jax

        keras.distribution.set_distribution(keras.distribution.DataParallel(devices=jax.devices("cpu")[:1]))
        try:
            model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1, name="d")])
            model.compile("sgd", "mse")
            x = np.ones((8, 4), "float32")
            callback = TallyboardCallback(tmp_path, histogram_freq=1, histograms="all", update_freq=1)
            model.fit(x, x[:, :1], validation_data=(x, x[:, :1]), verbose=0, callbacks=[callback])
        finally:
            keras.distribution.set_distribution(None)
        run = tb.read(tmp_path)["train"]
        assert {"batch_loss", "epoch_loss"} <= set(run.tags["scalars"])
        assert any(tag.endswith("kernel/histogram") for tag in run.tags["histograms"])


@pytest.mark.filterwarnings("ignore:Layer InputLayer does not have a .quantize. method:UserWarning")  # Keras's own
def test_quantised_weights(tmp_path: Path) -> None:
    """Weights of 8 bits have histograms, whole numbers as they are, and the model activations and gradients."""
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, name="q")])
    model.quantize("int8")
    model.compile("sgd", "mse")
    x, _ = data()
    callback = TallyboardCallback(tmp_path, histogram_freq=1, histograms="all", write_images=True)
    model.fit(x, x[:, :3], validation_data=(x, x[:, :3]), verbose=0, callbacks=[callback])
    run = tb.read(tmp_path)["train"]
    tags = run.tags["histograms"]
    assert [tag for tag in tags if tag.startswith("activations/") and tag.endswith("q/histogram")]
    assert [tag for tag in tags if tag.startswith("gradients/") and tag.endswith("q/bias/histogram")]
    [tag] = [tag for tag in tags if tag.endswith("q/kernel/histogram") and not tag.startswith("gradients/")]
    found = run.histograms(tag)[0]
    kernel = np.array(keras.ops.convert_to_numpy(model.layers[0].kernel), int)
    assert (found.num, found.min, found.max) == (12, kernel.min(), kernel.max())


def test_auto_log(tmp_path: Path) -> None:
    """`auto_log(model)` logs every `fit` of that model, and of no other, until it is detached, with the callback's
    values."""
    model = train()
    other = keras.models.clone_model(model)
    other.compile("sgd", "mse")
    handle = tb.auto_log(model, tmp_path / "auto", histogram_freq=1, system=False)
    train(TallyboardCallback(tmp_path / "callback", histogram_freq=1))
    x, _ = data()
    other.fit(x, x[:, :3], verbose=0)
    handle.detach()
    assert "fit" not in vars(model)
    train()
    read = tb.read(tmp_path)
    assert read.runs == ["auto", *(f"{name}/{run}" for name in ("auto", "callback") for run in ("train", "validation"))]
    for run in ("train", "validation"):
        mine, theirs = read[f"auto/{run}"].scalars(), read[f"callback/{run}"].scalars()
        assert {tag: (one.step.tolist(), one.value.tolist()) for tag, one in mine.items()} == {
            tag: (one.step.tolist(), one.value.tolist()) for tag, one in theirs.items()
        }
    assert read["auto/train"].tags["histograms"] == read["callback/train"].tags["histograms"]
    found = read["auto"].hparams
    assert found is not None
    assert found.status == "success"


def test_auto_log_of_a_training_that_fails(tmp_path: Path) -> None:
    """An exception in `fit` reaches the program; its files are closed."""

    def stop(batch: int, logs: object) -> None:
        raise RuntimeError("enough")

    with tb.auto_log(compiled()[0], tmp_path, system=False) as handle:
        with pytest.raises(RuntimeError, match="enough"):
            train(keras.callbacks.LambdaCallback(on_train_batch_begin=stop))
        train(epochs=1)
    assert tb.read(tmp_path)["train"].scalars()["epoch_loss"].step.tolist() == [0]
    assert "detached" in repr(handle)


def test_auto_log_keeps_no_model(tmp_path: Path) -> None:
    """A model that is watched can go."""
    import gc

    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    handle = tb.auto_log(model, tmp_path, system=False)
    known = weakref.ref(model)
    del model
    gc.collect()
    assert known() is None
    handle.detach()


def test_auto_log_of_a_layer(tmp_path: Path) -> None:
    """What has no `fit` is refused with what to do, and an option that there is not by its name."""
    with pytest.raises(UnsupportedModel, match="has no fit; pass the model"):
        tb.auto_log(keras.layers.Dense(1), tmp_path)
    with pytest.raises(TypeError, match="histogram_frequency"):
        tb.auto_log(compiled()[0], tmp_path, histogram_frequency=1)


if BACKEND == "tensorflow" and importlib.util.find_spec("tf_keras"):

    def test_keras_2(tmp_path: Path) -> None:
        """A model of `tf_keras` is logged by `auto_log`: scalars, weights, graph and batches."""
        import tf_keras

        model = tf_keras.Sequential([tf_keras.Input((4,)), tf_keras.layers.Dense(3, name="d")])
        model.compile("adam", "mse")
        x, _ = data()
        with tb.auto_log(model, tmp_path, update_freq=1, histogram_freq=1, write_images=True, system=False):
            history = model.fit(x, x[:, :3], validation_split=0.5, batch_size=4, epochs=2, verbose=0).history
        run = tb.read(tmp_path)["train"]
        found = run.scalars()
        assert found["epoch_loss"].value.tolist() == [float(np.float32(one)) for one in history["loss"]]
        assert found["batch_loss"].step.tolist() == [1, 2, 3, 4, 5, 6]
        assert set(run.tags["histograms"]) == {"d/kernel_0/histogram", "d/bias_0/histogram"}
        assert {"", "keras"} <= set(run.graphs())
        assert tb.read(tmp_path)["validation"].scalars()["evaluation_loss_vs_iterations"].step.tolist() == [3, 6]
