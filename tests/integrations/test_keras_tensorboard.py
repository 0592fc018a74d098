"""A training that `TallyboardCallback` logged, served by real TensorBoard: every dashboard has what the training did.

The backend is that of KERAS_BACKEND (jax if unset).
"""

from __future__ import annotations

import gzip
import importlib.util
import io
import json
import os
import re
import sys
from collections.abc import Iterator
from contextlib import suppress
from importlib.machinery import PathFinder
from types import SimpleNamespace
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "jax")

import keras
import numpy as np
import pytest

from tallyboard.integrations.keras import TallyboardCallback

from ..board import Board

BACKEND = keras.backend.backend()
WORDS, WIDTH, CLASSES, EPOCHS, BATCHES = 30, 4, 3, 2, 5
PROFILED = (2, 3)
PROFILER = {"torch": "torch_tb_profiler"}.get(BACKEND, "xprof")  # the plugins of TensorBoard that show profiles
PLUGINS = os.environ.get("TALLYBOARD_TENSORBOARD_PLUGINS", "")  # a folder of them, so that no other test starts them
THERE = PathFinder.find_spec(PROFILER, [PLUGINS, *sys.path]) is not None


@pytest.fixture(scope="module")
def training(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A classifier of five words, trained and logged with all that TensorBoard can show."""
    folder = tmp_path_factory.mktemp("words")
    (folder / "words.tsv").write_text("word\tkind\n" + "".join(f"w{i}\tk{i % 3}\n" for i in range(WORDS)))
    keras.utils.set_random_seed(1)
    words = keras.Input((5,), dtype="int32", name="words")
    x = keras.layers.GlobalAveragePooling1D(name="mean")(keras.layers.Embedding(WORDS, WIDTH, name="meanings")(words))
    model = keras.Model(words, keras.layers.Dense(CLASSES, "softmax", name="head")(x), name="net")
    model.compile(keras.optimizers.Adam(0.25), "sparse_categorical_crossentropy")
    data = np.random.default_rng(0).integers(0, WORDS, (50, 5))
    callback = TallyboardCallback(
        folder,
        histogram_freq=1,
        write_images=True,
        update_freq=1,
        profile_batch=PROFILED,
        embeddings_freq=1,
        embeddings_metadata="words.tsv",
        evaluation=["x", "y", "z"],
    )
    validation = data[:20], data[:20, 0] % CLASSES
    fit = model.fit(
        data, data[:, 0] % 3, epochs=EPOCHS, batch_size=10, validation_data=validation, verbose=0, callbacks=[callback]
    )
    return SimpleNamespace(
        folder=folder,
        weights={weight.path: np.array(weight) for weight in model.weights},
        history=fit.history,
        validation=validation,
        predicted=np.asarray(model.predict(validation[0], verbose=0)),
    )


def complete(board: Board) -> bool:
    """Whether TensorBoard has read both runs to their end; it finds its dashboards out in a thread."""
    enabled = {name for name, plugin in board.get("plugins_listing").items() if plugin["enabled"]}
    return (
        {"graphs", "hparams", "projector", *showing()} <= enabled
        and "evaluation/pr_curve/z" in board.plugin("pr_curves/tags").get("validation", ())
        and len(board.plugin("scalars/scalars", run="validation", tag="epoch_loss")) == EPOCHS
        and len(board.plugin("histograms/histograms", run="train", tag="head/kernel/histogram")) == EPOCHS
        and ("pytorch_profiler" not in showing() or board.plugin("pytorch_profiler/runs")["runs"])  # read in a thread
    )


def showing() -> set[str]:
    """The dashboard of profiles, where it is installed."""
    return {{"torch": "pytorch_profiler"}.get(BACKEND, "profile")} if THERE else set()


if importlib.util.find_spec("tensorboard"):

    @pytest.fixture(scope="module")
    def board(training: Any) -> Iterator[Board]:
        """TensorBoard on the training."""
        board = Board(training.folder, "false", PLUGINS)
        try:
            board.wait_until(complete)
            yield board
        finally:
            board.end()

    def test_scalars(board: Board, training: Any) -> None:
        """Epochs are those of the History, to the bit of a float32; batches are counted from 1."""
        for run, metric in (("train", "loss"), ("validation", "val_loss")):
            points = board.plugin("scalars/scalars", run=run, tag="epoch_loss")
            values = [float(np.float32(value)) for value in training.history[metric]]
            assert [(step, value) for _, step, value in points] == list(enumerate(values))
        batches = board.plugin("scalars/scalars", run="train", tag="batch_loss")
        assert [step for _, step, _ in batches] == list(range(1, 1 + EPOCHS * BATCHES))
        rates = board.plugin("scalars/scalars", run="train", tag="epoch_learning_rate")
        assert [value for _, _, value in rates] == [0.25] * EPOCHS

    def test_histograms_and_pictures(board: Board, training: Any) -> None:
        """Each weight has a histogram of its numbers, from the least to the greatest, and a picture of them."""
        pillow = pytest.importorskip("PIL.Image")
        assert set(board.plugin("histograms/tags")["train"]) == {f"{name}/histogram" for name in training.weights}
        for name, numbers in training.weights.items():
            _, (_, step, buckets) = board.plugin("histograms/histograms", run="train", tag=f"{name}/histogram")
            left, right, counts = np.array(buckets).T
            there = counts > 0
            assert (step, counts.sum()) == (EPOCHS - 1, numbers.size)
            assert (left[there][0], right[there][-1]) == pytest.approx((numbers.min(), numbers.max()), abs=1e-6)
            inside = [((a <= numbers) & (numbers < b)).sum() for a, b in zip(left, right, strict=True)]
            assert counts[1:-1] == pytest.approx(inside[1:-1])
            _, entry = board.plugin("images/images", run="train", tag=f"{name}/image", sample=0)
            data = board.raw(f"plugin/images/individualImage?{entry['query']}")
            pixels = np.asarray(pillow.open(io.BytesIO(data)).convert("L"), float)
            lying = np.atleast_2d(numbers.T if numbers.shape[0] > numbers.shape[-1] else numbers)
            expected = 255 * (lying - lying.min()) / (lying.max() - lying.min())
            assert np.abs(pixels - expected).max() <= 1

    def test_graphs(board: Board) -> None:
        """The run's graph and TensorBoard's conceptual one have the layers, each reading what it reads in the model;
        and there is the graph of what the backend computes."""
        tags = board.plugin("graphs/info")["train"]["tags"]
        assert tags["keras"]["conceptual_graph"]
        joined = {"words": set(), "meanings": {"words"}, "mean": {"meanings"}, "head": {"mean"}}
        assert edges(board.raw("plugin/graphs/graph", run="train")) == joined
        conceptual = edges(board.raw("plugin/graphs/graph", run="train", tag="keras", conceptual="true"))
        assert {name.removeprefix("net/"): {one.removeprefix("net/") for one in given}
                for name, given in conceptual.items()} == joined  # fmt: skip
        computed = {"tensorflow": ("train_function", "MatMul"), "jax": ("jaxpr", "dot_general")}.get(BACKEND)
        if computed is not None:
            assert tags[computed[0]]["op_graph"]
            text = board.raw("plugin/graphs/graph", run="train", tag=computed[0], conceptual="false").decode()
            assert f'op: "{computed[1]}"' in text

    def edges(text: bytes) -> dict[str, set[str]]:
        """What each node of a GraphDef in text form reads."""
        return {
            re.findall(r'name: "(.*?)"', node)[0]: set(re.findall(r'\n  input: "(.*?)"', node))
            for node in re.split(r"(?m)^node ", text.decode())[1:]
        }

    def test_the_projector(board: Board, training: Any) -> None:
        """The embedding is there for each epoch; the last one's vectors are the layer's, each with its label."""
        entries = board.plugin("projector/info", run="train")["embeddings"]
        assert {one["tensorName"]: one["tensorShape"] for one in entries} == {
            f"meanings:0000{epoch}": [WORDS, WIDTH] for epoch in range(EPOCHS)
        }
        last = f"meanings:0000{EPOCHS - 1}"
        vectors = np.frombuffer(board.raw("plugin/projector/tensor", run="train", name=last), "<f4")
        assert np.array_equal(vectors.reshape(WORDS, WIDTH), training.weights["meanings/embeddings"])
        labels = board.raw("plugin/projector/metadata", run="train", name=last).decode().splitlines()
        assert labels == ["word\tkind", *(f"w{i}\tk{i % 3}" for i in range(WORDS))]

    def test_hyperparameters(board: Board, training: Any) -> None:
        """The table has the training with its settings, that it succeeded, and its metrics with their last values."""
        asked = {"experimentName": "", "includeMetrics": True}
        metrics = board.plugin("hparams/experiment", post=asked)["metricInfos"]
        names = [info["name"]["tag"] for info in metrics]
        assert {"epoch_loss", "batch_loss", "epoch_learning_rate"} <= set(names)
        asked |= {"allowedStatuses": ["STATUS_SUCCESS"], "startIndex": 0, "sliceSize": 9}
        asked |= {"colParams": [{"metric": {"tag": "epoch_loss"}}]}
        (group,) = board.plugin("hparams/session_groups", post=asked)["sessionGroups"]
        expected = {"optimizer": "Adam", "learning_rate": 0.25, "epochs": EPOCHS, "batch_size": 10, "head/units": 3}
        assert expected.items() <= group["hparams"].items()
        (value,) = [one["value"] for one in group["metricValues"] if one["name"]["tag"] == "epoch_loss"]
        assert value == pytest.approx(training.history["loss"][-1])

    def test_the_evaluation(board: Board, training: Any) -> None:
        """The confusion matrix counts what the model takes each class for, and the curve of a class goes as its
        probabilities do."""
        right, taken = training.validation[1], training.predicted.argmax(1)
        *_, entry = board.plugin("text/text", run="validation", tag="evaluation/confusion_matrix")
        cells = [re.sub(r"<[^>]+>", "", cell).strip() for cell in re.findall(r"<t[hd]>(.*?)</t[hd]>", entry["text"])]
        counts = np.zeros((CLASSES, CLASSES), int)
        np.add.at(counts, (right, taken), 1)
        assert [int(cell) for cell in cells if cell.isdecimal()] == counts.ravel().tolist()
        answer = board.plugin("pr_curves/pr_curves", run="validation", tag="evaluation/pr_curve/y")["validation"]
        found = answer[-1]
        for threshold, positives in zip(found["thresholds"], found["true_positives"], strict=True):
            at = np.floor(training.predicted[:, 1] * 126) / 126
            assert positives == ((at >= threshold - 1e-6) & (right == 1)).sum()

    if THERE:

        def test_the_profile(board: Board) -> None:
            """The plugins that TensorBoard has for profiles find the run's, and the batches asked for are its steps."""
            assert steps_shown(board) == [*range(PROFILED[0], PROFILED[1] + 1)]

    def steps_shown(board: Board) -> list[int]:
        if BACKEND == "torch":
            (run,) = board.plugin("pytorch_profiler/runs")["runs"]
            (worker,) = board.plugin("pytorch_profiler/workers", run=run, view="Overview")
            asked = {"run": run, "worker": worker, "span": "1", "view": "Overview"}
            overview = board.plugin("pytorch_profiler/overview", **asked)
            return [int(row[0]) for row in overview["steps"]["rows"]]
        (run,) = unpacked(board, "profile/runs")
        (host,) = unpacked(board, "profile/hosts", run=run, tag="trace_viewer")
        shown = unpacked(board, "profile/data", run=run, tag="trace_viewer", host=host["hostname"])
        told = {event["args"].get("step_num") for event in shown["traceEvents"] if "args" in event}
        return sorted(int(step) for step in told - {None})

    def unpacked(board: Board, path: str, **query: Any) -> Any:
        """What xprof's plugin answers, which is packed for everybody."""
        data = board.raw(f"plugin/{path}", **query)
        with suppress(gzip.BadGzipFile):
            data = gzip.decompress(data)
        return json.loads(data)
