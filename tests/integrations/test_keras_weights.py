"""Histograms, pictures and embeddings of `TallyboardCallback`, in real trainings on each backend."""

from __future__ import annotations

import functools
import importlib.util
import os
import re
import warnings
from typing import TYPE_CHECKING, Any

os.environ.setdefault("KERAS_BACKEND", "jax")

import keras
import numpy as np
import pytest

import tallyboard as tb
from tallyboard.core.errors import TallyboardWarning
from tallyboard.integrations.keras import TallyboardCallback
from tallyboard.integrations.keras.filters import picture

if TYPE_CHECKING:
    from pathlib import Path

HAS_PEER = all(importlib.util.find_spec(name) for name in ("tensorflow", "tensorboard"))  # it needs both


@functools.cache
def compiled() -> tuple[keras.Model, list[np.ndarray]]:
    """One model for all tests: pictures and words, joined."""
    keras.utils.set_random_seed(3)
    pictures, words = keras.Input((8, 8, 2), name="pictures"), keras.Input((5,), dtype="int32", name="words")
    x = keras.layers.Conv2D(5, 3, activation="relu", name="conv")(pictures)
    x = keras.layers.GlobalMaxPooling2D()(keras.layers.Dropout(0.5)(x))
    w = keras.layers.GlobalAveragePooling1D()(keras.layers.Embedding(7, 3, name="words_in")(words))
    outputs = keras.layers.Dense(3, name="head")(keras.layers.Concatenate()([x, w]))
    model = keras.Model([pictures, words], outputs, name="net")
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.optimizer.build(model.trainable_variables)
    x, y = data()
    model.fit(x, y, verbose=0)  # the first training of a model draws random numbers that later ones do not
    return model, [np.array(variable) for variable in model.variables + model.optimizer.variables]


def data() -> tuple[list[np.ndarray], np.ndarray]:
    random = np.random.default_rng(0)
    return [random.random((24, 8, 8, 2), dtype="float32"), random.integers(0, 7, (24, 5))], np.arange(24) % 3


def train(callback: keras.callbacks.Callback | None, epochs: int = 2, **arguments: Any) -> keras.Model:
    model, first = compiled()
    for variable, value in zip(model.variables + model.optimizer.variables, first, strict=True):
        variable.assign(value)
    keras.utils.set_random_seed(5)
    x, y = data()
    arguments = {"validation_data": ([one[:9] for one in x], y[:9])} | arguments
    model.fit(x, y, epochs=epochs, batch_size=12, verbose=0, callbacks=[callback] if callback else None, **arguments)
    return model


WEIGHTS = ("conv/kernel", "conv/bias", "words_in/embeddings", "head/kernel", "head/bias")


def histograms(folder: Path) -> dict[str, Any]:
    run = tb.read(folder)["train"]
    return {tag: run.histograms(tag) for tag in run.tags["histograms"]}


def test_histograms_of_everything(tmp_path: Path) -> None:
    """Weights under the peer's tags, with their exact counts, extremes and sums; gradients, activations and moments on
    request; and the training ends with the very weights of the one that nobody logs."""
    plain = [value.tobytes() for value in train(None).get_weights()]
    model = train(TallyboardCallback(tmp_path, histogram_freq=1, histograms="all"))
    assert [value.tobytes() for value in model.get_weights()] == plain
    found = histograms(tmp_path)
    weights = {f"{name}/histogram" for name in WEIGHTS}
    activations = {
        f"activations/{layer.path or layer.name}/histogram"
        for layer in model.layers
        if not isinstance(layer, keras.layers.InputLayer)
    }
    moments = {f"optimizer/{v.path}/histogram" for v in model.optimizer.variables if len(v.shape)}
    assert set(found) == weights | {f"gradients/{tag}" for tag in weights} | activations | moments
    assert len(moments) == 10
    for weight in model.weights:
        values = found[f"{weight.path}/histogram"]
        assert values.step.tolist() == [0, 1]
        numbers = np.array(weight, np.float64)
        value = values[-1]
        assert (value.num, value.min, value.max) == (numbers.size, numbers.min(), numbers.max())
        assert value.sum == pytest.approx(numbers.sum(), abs=1e-6)
    for moment in (one for one in model.optimizer.variables if len(one.shape)):
        value, numbers = found[f"optimizer/{moment.path}/histogram"][-1], np.array(moment)
        assert (value.num, value.min, value.max) == (numbers.size, numbers.min(), numbers.max())
    x, y = data()
    logits = np.asarray(model.predict([one[:9] for one in x], verbose=0), np.float64)
    value = found[f"activations/{model.get_layer('head').path}/histogram"][-1]
    assert (value.num, value.min, value.max) == pytest.approx((27, logits.min(), logits.max()), rel=1e-4)
    parts = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    slope = (parts - np.eye(3)[y[:9]]).mean(0)  # of the cross-entropy, by the head's bias
    value = found["gradients/head/bias/histogram"][-1]
    assert (value.num, value.min, value.max) == pytest.approx((3, slope.min(), slope.max()), rel=1e-4, abs=1e-6)


if HAS_PEER:

    def test_tags_are_the_peers(tmp_path: Path) -> None:
        """As TensorBoard's reader has them: the peer's tags of histograms and pictures with its steps, counts and
        extremes; and pictures of convolutions besides, which the peer leaves out."""
        from tensorboard.backend.event_processing.plugin_event_accumulator import EventAccumulator
        from tensorboard.util.tensor_util import make_ndarray

        def seen(folder: Path) -> dict[str, Any]:
            reader = EventAccumulator(str(folder / "train"), size_guidance={"tensors": 0})
            reader.Reload()
            found: dict[str, Any] = {}
            for tag in reader.Tags()["tensors"]:
                plugin = reader.SummaryMetadata(tag).plugin_data.plugin_name
                for event in reader.Tensors(tag):
                    array = make_ndarray(event.tensor_proto)
                    if plugin == "histograms":
                        array = array[array[:, 2] > 0]
                        found[tag, event.step] = (array[:, 2].sum(), array[0, 0], array[-1, 1])
                    elif plugin == "images":
                        found[tag, event.step] = None
            return found

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the peer's, of HDF5 and graphs
            train(keras.callbacks.TensorBoard(tmp_path / "peer", histogram_freq=2, write_images=True), 3)
        train(TallyboardCallback(tmp_path / "ours", histogram_freq=2, write_images=True), 3)
        peer, ours = seen(tmp_path / "peer"), seen(tmp_path / "ours")
        assert set(ours) - set(peer) == {("conv/kernel/image", step) for step in (0, 2)}
        assert set(peer) <= set(ours)
        for key, value in peer.items():
            if value is not None:
                assert ours[key] == pytest.approx(value, rel=1e-6)


def test_pictures_of_weights(tmp_path: Path) -> None:
    """A kernel lies as a matrix, its least value black and its greatest white; filters stand side by side."""
    model = train(TallyboardCallback(tmp_path, histogram_freq=1, write_images=True), 1)
    run = tb.read(tmp_path)["train"]
    assert set(run.tags["images"]) == {f"{name}/image" for name in WEIGHTS}
    sizes = {tag: run.images(tag)[0].array().shape[:2] for tag in run.tags["images"]}
    assert sizes["head/kernel/image"] == (3, 8)
    assert sizes["head/bias/image"] == (1, 3)
    assert sizes["conv/kernel/image"] == (19, 7)  # a row for each of 5 filters, a column for each of 2 inputs
    kernel = np.array(model.get_layer("head").kernel)
    drawn = picture(kernel)
    assert drawn is not None
    expected = np.rint(255 * (kernel - kernel.min()) / (kernel.max() - kernel.min())).T
    assert np.abs(drawn[:, :, 0] - expected).max() <= 1


@pytest.mark.parametrize(
    ("shape", "size"),
    [
        ((), None),
        ((1, 1), None),
        ((5,), (1, 5, 1)),
        ((3, 5), (3, 5, 1)),
        ((5000, 2), (2, 1024, 1)),
        ((3, 2, 4), (7, 5, 1)),  # of a sequence: four filters of 3 places by 2 inputs
        ((3, 3, 3, 4), (7, 7, 3)),  # filters in colour
        ((3, 3, 2, 4), (15, 7, 1)),  # a row for each of 4 outputs
        ((2, 3, 3, 2, 4), (15, 15, 1)),  # in space: 2 inputs, 2 deep
        ((1, 1, 64, 100), (64, 100, 1)),
    ],
)
def test_shapes_of_pictures(shape: tuple[int, ...], size: tuple[int, int, int] | None) -> None:
    """Any weight has a picture of a size that a page can show, but a single number."""
    drawn = picture(np.random.default_rng(0).random(shape, dtype="float32"))
    assert (drawn if drawn is None else drawn.shape) == size


def test_weights_that_are_not_finite_have_a_picture() -> None:
    """NaN and infinity are black, and what is finite keeps its contrast; all the same is grey."""
    drawn = picture(np.array([[np.nan, 1.0, 2.0], [np.inf, 3.0, 2.0]], np.float32))
    assert drawn is not None
    assert drawn[:, :, 0].tolist() == [[0, 0, 128], [0, 255, 128]]
    assert np.array_equal(picture(np.full((1, 2), 3.0)), np.full((1, 2, 1), 128))


def test_embeddings_are_in_the_projector(tmp_path: Path) -> None:
    """Each Embedding layer is in the projector's configuration once for each epoch wanted: the very vectors, and labels
    of a file in the log directory."""
    (tmp_path / "words.tsv").write_text("word\tkind\n" + "".join(f"w{i}\tk{i % 2}\n" for i in range(6)))
    with pytest.warns(TallyboardWarning, match=r"describes 6 rows, and there are 7"):
        model = train(TallyboardCallback(tmp_path, embeddings_freq=2, embeddings_metadata={"words_in": "words.tsv"}), 3)
    text = (tmp_path / "train" / "projector_config.pbtxt").read_text()
    assert re.findall(r'tensor_name: "([^"]*)"', text) == ["words_in:00000", "words_in:00002"]
    folder = tmp_path / "train" / "00002" / "words_in"
    vectors = np.frombuffer((folder / "tensors.bytes").read_bytes(), "<f4").reshape(7, 3)
    assert np.array_equal(vectors, np.array(model.get_layer("words_in").embeddings))
    lines = (folder / "metadata.tsv").read_text().splitlines()
    assert lines[:3] == ["word\tkind", "w0\tk0", "w1\tk1"]
    assert lines[-1] == "(empty)\t(empty)"


def test_metadata_of_an_unknown_layer(tmp_path: Path) -> None:
    """Metadata for a layer that there is not is an error when training begins, which names those there are."""
    callback = TallyboardCallback(tmp_path, embeddings_freq=1, embeddings_metadata={"wrods": "words.tsv"})
    with pytest.raises(ValueError, match=r"no Embedding layer is called 'wrods'; there are 'words_in'"):
        train(callback)


def test_metadata_of_a_missing_file(tmp_path: Path) -> None:
    """A metadata file that is not there costs a warning, and the vectors are written without labels."""
    with pytest.warns(TallyboardWarning, match=r"there is no file 'words.tsv'"):
        train(TallyboardCallback(tmp_path, embeddings_freq=1, embeddings_metadata="words.tsv"), 1)
    assert (tmp_path / "train" / "00000" / "words_in" / "tensors.bytes").exists()


def test_activations_without_validation_data(tmp_path: Path) -> None:
    """Without validation data there are no activations: one warning that says what to give; weights are there."""
    with pytest.warns(TallyboardWarning, match="need validation data that can be read again") as caught:
        train(
            TallyboardCallback(tmp_path, histogram_freq=1, histograms=["weights", "activations"]), validation_data=None
        )
    assert len([one for one in caught if one.category is TallyboardWarning]) == 1
    assert set(histograms(tmp_path)) == {f"{name}/histogram" for name in WEIGHTS}


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"histogram_freq": -1}, ValueError, "histogram_freq=-1: give a number of epochs"),
        ({"embeddings_freq": "often"}, ValueError, "embeddings_freq='often': give a number of epochs"),
        ({"histograms": "bias"}, ValueError, "give 'all', or some of 'weights', 'gradients'"),
        ({"embeddings_metadata": 3}, TypeError, "give the name of a file"),
        ({"evaluation": "accuracy"}, ValueError, "give True, or a list with the names"),
        ({"prediction_images": "pictures"}, TypeError, "give a function of the model and the epoch"),
    ],
)
def test_bad_arguments(tmp_path: Path, arguments: dict[str, Any], error: type[Exception], text: str) -> None:
    """An argument that means nothing is an error at the call that says what may be given."""
    with pytest.raises(error, match=re.escape(text)):
        TallyboardCallback(tmp_path, **arguments)
