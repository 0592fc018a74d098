"""Embeddings in checkpoints are those that TensorFlow and Keras saved, told as TensorBoard tells them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tallyboard.core.record import masked_crc
from tallyboard.viewer import checkpoints, weights
from tallyboard.viewer.projector_files import Unreadable

from .boards import Board, viewer_on
from .test_projector import frame

pytest.importorskip("tensorflow")
pytest.importorskip("keras")
pytest.importorskip("tensorboard")

THEY_WRITE = """
import json, os, sys
os.environ |= {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "", "KERAS_BACKEND": "tensorflow"}
from pathlib import Path
from types import SimpleNamespace
import keras
import numpy as np
import tensorflow as tf
from tensorboard.plugins import base_plugin, projector
from tensorboard.plugins.projector import projector_plugin
from werkzeug.test import Client

logdir = Path(sys.argv[1]) / "logs"
rng = np.random.default_rng(0)
NAME = "/.ATTRIBUTES/VARIABLE_VALUE"


def configured(run, *entries, **more):
    config = projector.ProjectorConfig(**more)
    for entry in entries:
        config.embeddings.add(**entry)
    (logdir / run).mkdir(parents=True, exist_ok=True)
    projector.visualize_embeddings(str(logdir / run), config)
    (logdir / run / "labels.tsv").write_text("".join(f"label {i}\\n" for i in range(5)))


kinds = "half bfloat16 float32 float64 int8 int16 int32 int64 uint8 uint16 uint32 uint64 bool".split()
found = {kind: tf.Variable(tf.cast(rng.standard_normal((5, 3)) * 3, getattr(tf, kind))) for kind in kinds}
for kind in ("float8_e5m2", "float8_e4m3fn"):
    found[kind] = tf.Variable(tf.cast(rng.standard_normal((5, 3)) * 3, getattr(tf.dtypes.experimental, kind)))
model = tf.train.Checkpoint(**found, words=tf.Variable([["a", "b"]]), none=tf.Variable(tf.zeros((0, 4))),
                            flat=tf.Variable([1.0, 2.0]))
configured("typed", {"tensor_name": "float32" + NAME, "metadata_path": "labels.tsv"})
model.save(str(logdir / "typed" / "embedding.ckpt"))
model.save(str(logdir / "typed" / "embedding.ckpt"))

configured("sliced", {"metadata_path": "labels.tsv"}, model_checkpoint_path=str(logdir / "sliced" / "model.ckpt-3"))
with tf.Graph().as_default(), tf.compat.v1.Session() as session:
    for name, shape, parts, axis in (("rows", (100, 7), 3, 0), ("columns", (5, 300), 4, 1), ("whole", (5, 2), 1, 0)):
        slices = tf.compat.v1.fixed_size_partitioner(parts, axis=axis)
        tf.compat.v1.get_variable(name, shape=shape, partitioner=slices)
    session.run(tf.compat.v1.global_variables_initializer())
    tf.compat.v1.train.Saver().save(session, str(logdir / "sliced" / "model.ckpt"), global_step=3)

weights = {}
inputs = keras.Input((4,), dtype="int32")
sizes = {"people": (5, 3), "places": (6, 2)}
layers = {name: keras.layers.Embedding(*size, name=name) for name, size in sizes.items()}
flat = [keras.layers.Flatten()(layer(inputs)) for layer in layers.values()]
model = keras.Model(inputs, keras.layers.Dense(1)(keras.layers.Concatenate()(flat)))
model.compile("sgd", "mse", run_eagerly=True)
(logdir / "keras").mkdir()
callback = keras.callbacks.TensorBoard(str(logdir / "keras"), embeddings_freq=1, write_graph=False,
                                       embeddings_metadata={"places": "places.tsv"})
model.fit(rng.integers(0, 5, (4, 4)), np.zeros((4, 1)), epochs=2, verbose=0, callbacks=[callback])
(logdir / "keras" / "places.tsv").write_text("".join(f"place {i}\\n" for i in range(6)))

expected = {f"keras {name}": layer.get_weights()[0] for name, layer in layers.items()}
told = {}
runs = [SimpleNamespace(run_name=run) for run in ("typed", "sliced")]
provider = SimpleNamespace(list_runs=lambda *args, **kwargs: runs)
plugin = projector_plugin.ProjectorPlugin(base_plugin.TBContext(logdir=str(logdir), data_provider=provider))
for run in ("typed", "sliced"):
    reader = tf.train.load_checkpoint(str(logdir / run))
    told[run] = Client(plugin._serve_config).get(f"/?run={run}").json
    for name, shape in reader.get_variable_to_shape_map().items():
        if len(shape) == 2 and name != "words" + NAME:
            expected[f"{run} {name}"] = reader.get_tensor(name).astype(np.float32)
            data = Client(plugin._serve_tensor).get("/", query_string={"run": run, "name": name, "num_rows": 3}).data
            told[f"{run} {name}"] = data.hex()
np.savez(Path(sys.argv[1]) / "expected.npz", **expected)
(Path(sys.argv[1]) / "told.json").write_text(json.dumps(told))
"""
VALUE = "/.ATTRIBUTES/VARIABLE_VALUE"


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("saved")
    subprocess.run([sys.executable, "-W", "ignore", "-c", THEY_WRITE, str(folder)], check=True)
    moved = folder / "moved"  # whatever absolute paths are in it lead nowhere now
    (folder / "logs").rename(moved)
    (folder / "outside").mkdir()
    for file in (moved / "sliced").glob("model.ckpt*"):
        shutil.copy(file, folder / "outside")
    for run, state in {
        "above": "../../outside/model.ckpt-3",
        "absolute": str(folder / "outside" / "model.ckpt-3"),
        "gone": "nothing.ckpt",
        "odd": "model\\0.ckpt",
    }.items():
        (moved / run).mkdir()
        (moved / run / "projector_config.pbtxt").write_text('embeddings { tensor_name: "rows" }')
        (moved / run / "checkpoint").write_text(f'model_checkpoint_path: "{state}"\n')
    for run in ("named", "linked"):
        (moved / run).mkdir()
        path = folder / "outside" / "model.ckpt-3" if run == "named" else "model.ckpt-3"
        (moved / run / "projector_config.pbtxt").write_text(
            f'model_checkpoint_path: "{path}" embeddings {{ tensor_name: "rows" }}'
        )
    data = "model.ckpt-3.data-00000-of-00001"
    shutil.copy(folder / "outside" / "model.ckpt-3.index", moved / "linked")
    (moved / "linked" / data).symlink_to(folder / "outside" / data)
    return folder


@pytest.fixture(scope="module")
def expected(written: Path) -> dict[str, Any]:
    return dict(np.load(written / "expected.npz"))


@pytest.fixture(scope="module")
def board(written: Path) -> Iterator[Board]:
    with viewer_on(written / "moved") as started:
        yield started


@pytest.fixture(scope="module")
def listed(board: Board) -> dict[str, dict[str, Any]]:
    return {f"{each['run']} {each['name']}": each for each in board.get("/api/projector")["embeddings"]}


def test_every_type_and_every_slice_is_read(
    board: Board, expected: dict[str, Any], listed: dict[str, dict[str, Any]]
) -> None:
    """Floats of 8 to 64 bits, whole numbers, truth, and variables that lie in slices: what TensorFlow itself gives."""
    assert len(expected) == 15 + 1 + 3 + 2
    for which, wanted in expected.items():
        run, _, name = which.partition(" ")
        assert (listed[which]["rows"], listed[which]["columns"]) == wanted.shape
        answer = board.ask("/api/projector/vectors", run=run, name=name)
        if not wanted.size:
            assert answer.status == 404
            assert answer.json()["error"].endswith("it is empty")
            continue
        found = frame(answer.body)[1]["vectors"][: wanted.size].reshape(wanted.shape)
        np.testing.assert_array_equal(found, wanted, which)
    assert {which for which in listed if which.split()[0] in ("typed", "sliced", "keras")} == set(expected)


def test_keras_callback(board: Board, listed: dict[str, dict[str, Any]]) -> None:
    """Each layer of embeddings has its name, its latest weights and its own metadata."""
    assert [listed[f"keras {name}"]["metadata"] for name in ("people", "places")] == [False, True]
    assert not any(problem for name in ("people", "places") for problem in listed[f"keras {name}"]["problems"])
    [column] = board.get("/api/projector/metadata", run="keras", name="places")["columns"]
    assert column["values"] == [f"place {i}" for i in range(6)]


def test_metadata_without_a_name_is_for_all(board: Board, listed: dict[str, dict[str, Any]]) -> None:
    """As in TensorBoard: the first embedding without a name and a file says whose metadata all others have."""
    assert [listed[f"sliced {name}"]["metadata"] for name in ("columns", "rows", "whole")] == [True] * 3
    [column] = board.get("/api/projector/metadata", run="sliced", name="whole")["columns"]
    assert column["values"] == [f"label {i}" for i in range(5)]


def test_tensorboards_routes(board: Board, written: Path) -> None:
    """The configuration and the tensors, as TensorBoard gives them where TensorFlow is."""
    told = json.loads((written / "told.json").read_text())
    for which, said in told.items():
        run, _, name = which.partition(" ")
        if name:
            answer = board.ask("/data/plugin/projector/tensor", run=run, name=name, num_rows=3)
            assert (answer.status, answer.body.hex()) == (200 if said else 400, said or answer.body.hex()), which
            continue
        found = board.get("/data/plugin/projector/info", run=run)
        for each in (said, found):
            each["modelCheckpointPath"] = Path(each["modelCheckpointPath"]).name
            each["embeddings"].sort(key=lambda entry: entry["tensorName"])
        said["embeddings"] = [entry for entry in said["embeddings"] if not entry["tensorName"].startswith("words")]
        assert found == said


@pytest.mark.parametrize(
    ("run", "said"),
    [
        ("above", "no checkpoint was found with it"),
        ("absolute", "no checkpoint was found with it"),
        ("gone", "no checkpoint was found with it"),
        ("odd", "no checkpoint was found with it"),
        ("named", "is no checkpoint within the logdir"),
    ],
)
def test_no_checkpoint_outside_is_read(board: Board, listed: dict[str, dict[str, Any]], run: str, said: str) -> None:
    """Whatever configuration and state name: the sentence says what is missing."""
    assert said in listed[f"{run} rows"]["problems"][0]
    assert said in board.ask("/api/projector/vectors", run=run, name="rows").json()["error"]


def test_data_outside_is_not_read(board: Board) -> None:
    """Nor by a link."""
    answer = board.ask("/api/projector/vectors", run="linked", name="rows")
    assert answer.status == 404
    assert "is not read" in answer.json()["error"]


def test_an_overwritten_checkpoint_is_read_anew(board: Board, written: Path) -> None:
    """Its generation changes with its file, and damage is named."""
    run = written / "moved" / "sliced"
    before, _ = frame(board.ask("/api/projector/vectors", run="sliced", name="rows").body)
    data = run / "model.ckpt-3.data-00000-of-00001"
    whole = data.read_bytes()
    data.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    names = ("columns", "rows", "whole")
    answers = [board.ask("/api/projector/vectors", run="sliced", name=name) for name in names]
    assert sorted(answer.status for answer in answers) == [200, 200, 404]
    assert any(b"the checksum is another" in answer.body for answer in answers)
    data.write_bytes(whole)
    os.utime(data, ns=(1, 1))
    after, columns = frame(board.ask("/api/projector/vectors", run="sliced", name="rows").body)
    assert after["generation"] != before["generation"]
    assert len(columns["vectors"]) == 700


def test_no_index_breaks_it(written: Path) -> None:
    """Any change of an index, its checksum put right again, is read or named; what is allocated is what is there."""
    whole = (written / "outside" / "model.ckpt-3.index").read_bytes()
    data = (written / "outside" / "model.ckpt-3.data-00000-of-00001").read_bytes()
    end = len(whole) - 48

    @settings(max_examples=200, deadline=None)
    @given(st.lists(st.tuples(st.integers(0, len(whole) - 1), st.integers(0, 255)), max_size=4), st.booleans())
    def changed(changes: list[tuple[int, int]], right: bool) -> None:
        index = bytearray(whole)
        for at, value in changes:
            index[at] = value
        if right:  # the first block is all of the entries
            size = next(
                n for n in range(end) if masked_crc(whole[: n + 1]) == int.from_bytes(whole[n + 1 : n + 5], "little")
            )
            index[size + 1 : size + 5] = masked_crc(bytes(index[: size + 1])).to_bytes(4, "little")
        try:
            for variable in checkpoints.variables(bytes(index)).values():
                if variable.size < 1 << 20:
                    checkpoints.numbers(variable, lambda shard, at, count: data[at : at + count])
        except Unreadable:
            pass

    changed()


def test_no_weights_break_it(written: Path) -> None:
    """Any change of Keras's file is read or named, and no chain of its parts has no end."""
    [*_, path] = sorted((written / "moved" / "keras" / "train").glob("*.h5"))
    whole = path.read_bytes()

    @settings(max_examples=200, deadline=None)
    @given(st.lists(st.tuples(st.integers(0, len(whole) - 1), st.integers(0, 255)), max_size=6), st.integers(0, 9))
    def changed(changes: list[tuple[int, int]], cut: int) -> None:
        data = bytearray(whole)
        for at, value in changes:
            data[at] = value
        del data[len(data) - cut * 1_000 :]

        def read(at: int, count: int) -> bytes:
            return bytes(data[at : at + count])

        try:
            for layer in weights.layers(read):
                if layer.size < 1 << 20:
                    weights.numbers(layer, read)
        except Unreadable:
            pass

    changed()
