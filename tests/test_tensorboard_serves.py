"""Real TensorBoard, started as people start it, serves every kind of summary that we write, with the values logged."""

from __future__ import annotations

import io
import json
import re
import signal
import subprocess
import sys
import wave
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tallyboard as tb

from .board import Board

pytest.importorskip("tensorboard")
torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")
pyplot = pytest.importorskip("matplotlib.pyplot")
plotly = pytest.importorskip("plotly.graph_objects")
pillow = pytest.importorskip("PIL.Image")
jax = pytest.importorskip("jax")

RNG = np.random.default_rng(11)
WALL = 1_700_000_000.0

SPREAD = RNG.standard_normal(500)
PICTURE = RNG.integers(0, 256, (3, 16, 24), np.uint8)
BATCH = RNG.integers(0, 256, (4, 3, 8, 8), np.uint8)
CLIP = (RNG.integers(0, 2, (1, 3, 3, 8, 8)) * 255).astype(np.uint8)
TONE = np.sin(np.arange(800) / 9).astype(np.float32)
STEREO = RNG.integers(-3000, 3000, (500, 2), np.int16)
LABELS = RNG.integers(0, 2, 300)
SCORES = (LABELS + RNG.random(300)) / 2
VERTICES = RNG.random((1, 6, 3)).astype(np.float32)
COLOURS = RNG.integers(0, 256, (1, 6, 3))
FACES = np.array([[[0, 1, 2], [3, 4, 5]]])
VECTORS = RNG.standard_normal((9, 5)).astype(np.float32)
THUMBS = RNG.random((9, 3, 4, 4))
NAMES = [[f"word {i}", str(i % 3)] for i in range(9)]


def write_everything(logdir: Path) -> None:
    """Every `add_*` of the writer, in run `all`, and graphs and hyperparameters in runs of their own."""
    with tb.SummaryWriter(logdir / "all") as writer:
        write_numbers(writer)
        write_arrays(writer)
        write_media(writer)
        write_texts(writer)
    with tb.SummaryWriter(logdir / "model") as writer:
        net = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(72, 2))
        writer.add_graph(net, torch.zeros(1, 1, 8, 8))
    with tb.SummaryWriter(logdir / "onnx") as writer:
        onnx.save(onnx_model(), logdir / "model.onnx")
        writer.add_onnx_graph(logdir / "model.onnx")
    with tb.SummaryWriter(logdir / "jax") as writer:
        writer.add_graph(jax.jit(layer), ({"kernel": jax.numpy.ones((3, 4))}, jax.numpy.ones((5, 3))))
    for i, rate in enumerate((0.1, 0.2)):
        try:
            with tb.SummaryWriter(logdir / f"trial{i}") as writer:
                settings = {"lr": rate, "layers": 2 + i, "bias": bool(i), "optimizer": "sgd"}
                writer.add_hparams(settings, {"score": 10 * rate})
                if i:
                    raise ValueError("diverged")
        except ValueError:
            pass
    done = subprocess.run([sys.executable, "-c", KILLED, str(logdir / "running")], timeout=300)
    assert done.returncode == -signal.SIGKILL


def layer(weights: Any, x: Any) -> Any:
    """A layer of JAX, in a scope."""
    with jax.named_scope("dense"):
        return jax.nn.relu(x @ weights["kernel"])


KILLED = """
import os, signal, sys
import tallyboard as tb

writer = tb.SummaryWriter(sys.argv[1])
writer.add_hparams({"lr": 0.3, "layers": 9, "bias": True, "optimizer": "adam"}, {"score": 0.0})
writer.flush()
os.kill(os.getpid(), signal.SIGKILL)
"""


def write_numbers(writer: tb.SummaryWriter) -> None:
    for step in range(5):
        at = {"step": step, "walltime": WALL + step}
        writer.add_scalar("scalar/plain", step / 3, **at)
        writer.add_scalar("scalar/new", step / 3, new_style=True, **at)
        writer.add_scalar("scalar/double", step / 3, double_precision=True, **at)
        writer.add_scalar("scalar/named", step / 3, display_name="Named", summary_description="*what*", **at)
        writer.log({"group/a": step / 3, "group/b": -step}, **at)
        writer.add_scalars("both", {"train": step, "val": 2 * step}, **at)
        writer.add_scalars("chart", {"x": step, "y": 3 * step}, mode="tags", **at)
    writer.add_scalar("scalar/odd", float("nan"), 0, WALL)
    writer.add_scalar("scalar/odd", float("inf"), 1, WALL)
    writer.add_custom_scalars(
        {
            "losses": {"lines": ["Multiline", ["group/.*"]]},
            "bands": {"band": ["Margin", ["scalar/plain", "group/b", "group/a"]]},
        }
    )


def write_arrays(writer: tb.SummaryWriter) -> None:
    at = {"step": 3, "walltime": WALL}
    writer.add_histogram("histogram", SPREAD, **at)
    writer.add_histogram("histogram/edges", SPREAD, bins=[-9.0, 0.0, 9.0], **at)
    writer.add_histogram_raw("histogram/raw", 0.0, 2.0, 3, 3.0, 5.0, [1.0, 2.0], [2, 1], **at)
    writer.add_tensor("tensor", SPREAD, **at)
    writer.add_pr_curve("pr", LABELS, SCORES, num_thresholds=51, **at)
    writer.add_pr_curve_raw("pr/raw", *[[8, 6, 4, 2]] * 4, *[[1.0, 0.75, 0.5, 0.25]] * 2, **at)
    writer.add_roc_curve("roc", LABELS, SCORES, num_thresholds=51, **at)
    writer.add_mesh("mesh", VERTICES, COLOURS, FACES, {"camera": {"cls": "PerspectiveCamera", "fov": 75}}, **at)
    writer.add_embedding(VECTORS, NAMES, THUMBS, tag="words", metadata_header=["word", "kind"], step=3)
    writer.add_embedding(VECTORS[:, :2], tag="plain", step=4)


def write_media(writer: tb.SummaryWriter) -> None:
    at = {"step": 3, "walltime": WALL}
    writer.add_image("image", PICTURE, **at)
    writer.add_images("images", BATCH, **at)
    writer.add_image_with_boxes("boxes", PICTURE, np.array([[2, 2, 12, 12]]), labels=["cat"], **at)
    figure, axes = pyplot.subplots(figsize=(2, 1), dpi=50)
    axes.plot([1, 2])
    writer.add_figure("figure", figure, **at)
    writer.add_video("video", CLIP, fps=5, **at)
    writer.add_audio("audio/mono", TONE, sample_rate=8000, **at)
    writer.add_audio("audio/stereo", STEREO, sample_rate=16000, **at)
    writer.add_figure("plotly", plotly.Figure(plotly.Scatter(y=[1, 3], name="a trace")), **at)
    writer.add_figure("page", "<h1>Big words</h1>", **at)


def write_texts(writer: tb.SummaryWriter) -> None:
    at = {"step": 3, "walltime": WALL}
    writer.add_text("text", "some **bold** text", **at)
    writer.add_text("texts", ["one", "two"], **at)
    writer.add_table("table", {"name": ["a", "b"], "loss": [0.25, 0.5]}, **at)
    writer.add_confusion_matrix("confusion", [0, 1, 1, 0], [0, 1, 0, 0], class_names=["cat", "dog"], **at)


def onnx_model() -> Any:
    helper = onnx.helper
    x, y = (helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1, 4]) for name in "xy")
    node = helper.make_node("Relu", ["x"], ["y"], name="/layer/relu/Relu")
    graph = helper.make_graph([node], "g", [x], [y])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])


def complete(board: Board) -> bool:
    """Whether the last things of each run are there."""
    return (
        "trial1" in board.plugin("scalars/tags")
        and "confusion" in board.plugin("text/tags").get("all", ())
        and {"jax", "model", "onnx"} <= set(board.plugin("graphs/info"))
        and len(board.plugin("scalars/scalars", run="all", tag="scalar/plain")) == 5
        and board.get("plugins_listing")["projector"]["enabled"]  # which it finds out in a thread
        and {"running", "all/both_val"} <= set(board.get("runs"))
    )


@pytest.fixture(scope="module")
def logdir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("logdir")
    write_everything(folder)
    return folder


@pytest.fixture(scope="module", params=["false", "true"], ids=["python", "data server"])
def board(request: pytest.FixtureRequest, logdir: Path) -> Iterator[Board]:
    """TensorBoard on the logdir, loading with its own Python and with its data server."""
    if request.param == "true":
        pytest.importorskip("tensorboard_data_server")
    board = Board(logdir, request.param)
    try:
        board.wait_until(complete)
        yield board
    finally:
        board.end()


def test_every_dashboard_is_active(board: Board) -> None:
    """TensorBoard enables each of its dashboards for what we wrote; those left are of other producers."""
    listing = board.get("plugins_listing")
    assert {name for name, plugin in listing.items() if plugin["enabled"]} >= {
        *("scalars", "custom_scalars", "images", "audio", "graphs", "distributions", "histograms", "text"),
        *("pr_curves", "mesh", "hparams", "projector", "timeseries"),
    }
    assert set(board.get("runs")) >= {"all", "all/both_train", "all/both_val", "model", "onnx", "trial0", "trial1"}


def test_scalars(board: Board) -> None:
    """Every form of a scalar has its steps, wall times and values.

    TensorBoard's data server knows no scalars of float64, ours or anybody's; docs/writing.md says so.
    """
    expected = {
        "scalar/plain": [step / 3 for step in range(5)],
        "scalar/new": [step / 3 for step in range(5)],
        "scalar/double": [step / 3 for step in range(5)],
        "scalar/named": [step / 3 for step in range(5)],
        "group/a": [step / 3 for step in range(5)],
        "group/b": [-step for step in range(5)],
        "chart/x": list(range(5)),
        "chart/y": [3 * step for step in range(5)],
    }
    if board.fast:
        del expected["scalar/double"]
    tags = board.plugin("scalars/tags")
    assert set(tags["all"]) == {*expected, "scalar/odd"}
    assert tags["all"]["scalar/named"] == {"displayName": "Named", "description": "<p><em>what</em></p>"}
    for tag, values in expected.items():
        answer = board.plugin("scalars/scalars", run="all", tag=tag)
        kept = float if tag == "scalar/double" else np.float32
        assert answer == [[WALL + step, step, float(kept(value))] for step, value in enumerate(values)], tag
    odd = board.plugin("scalars/scalars", run="all", tag="scalar/odd")
    assert [str(value) for _, _, value in odd] == ["NaN", "Infinity"]
    for run, factor in (("all/both_train", 1), ("all/both_val", 2)):
        assert board.plugin("scalars/scalars", run=run, tag="both") == [
            [WALL + step, step, factor * step] for step in range(5)
        ]


def test_the_time_series_page(board: Board) -> None:
    """The page that TensorBoard opens first has scalars, histograms and images too."""
    tags = board.plugin("timeseries/tags")
    assert "group/a" in tags["scalars"]["runTagInfo"]["all"]
    assert "histogram" in tags["histograms"]["runTagInfo"]["all"]
    assert "images" in tags["images"]["tagRunSampledInfo"]
    request = json.dumps([{"plugin": "scalars", "tag": "group/b"}])
    (answer,) = board.plugin("timeseries/timeSeries", requests=request)
    assert answer["runToSeries"]["all"] == [
        {"wallTime": WALL + step, "step": step, "value": -step} for step in range(5)
    ]


def test_histograms_and_distributions(board: Board) -> None:
    """Buckets hold as many values as NumPy counts between their edges."""
    assert set(board.plugin("histograms/tags")["all"]) == {"histogram", "histogram/edges", "histogram/raw"}
    ((wall, step, buckets),) = board.plugin("histograms/histograms", run="all", tag="histogram")
    assert (wall, step) == (WALL, 3)
    left, right, count = np.array(buckets).T
    assert count.sum() == len(SPREAD)
    inside = [np.sum(np.logical_and(a <= SPREAD, b > SPREAD)) for a, b in zip(left, right, strict=True)]
    np.testing.assert_array_equal(count[1:-1], inside[1:-1])
    ((_, _, edges),) = board.plugin("histograms/histograms", run="all", tag="histogram/edges")
    assert [bucket[2] for bucket in edges if bucket[2]] == [(SPREAD < 0).sum(), (SPREAD >= 0).sum()]
    ((_, _, raw),) = board.plugin("histograms/histograms", run="all", tag="histogram/raw")
    assert raw == [[0.0, 1.0, 2.0], [1.0, 2.0, 1.0]]
    ((_, _, percentiles),) = board.plugin("distributions/distributions", run="all", tag="histogram")
    low, middle, high = (dict(percentiles)[at] for at in (0, 5000, 10000))
    assert (low, high) == pytest.approx((SPREAD.min(), SPREAD.max()))
    assert abs(middle - np.median(SPREAD)) < 0.1


def picture(board: Board, tag: str) -> tuple[dict[str, Any], bytes]:
    """What the images plugin says of the one picture of a tag, and its bytes."""
    (entry,) = board.plugin("images/images", run="all", tag=tag, sample=0)
    return entry, board.raw(f"plugin/images/individualImage?{entry['query']}")


def test_images(board: Board) -> None:
    """Pictures come out pixel for pixel, a batch as a grid, a video as a GIF with its frames."""
    assert set(board.plugin("images/tags")["all"]) == {"image", "images", "boxes", "figure", "video"}
    entry, data = picture(board, "image")
    assert (entry["step"], entry["wall_time"]) == (3, WALL)
    pixels = PICTURE.transpose(1, 2, 0)
    np.testing.assert_array_equal(np.asarray(pillow.open(io.BytesIO(data))), pixels)

    grid = np.asarray(pillow.open(io.BytesIO(picture(board, "images")[1])))
    np.testing.assert_array_equal(grid, np.concatenate(list(BATCH), axis=2).transpose(1, 2, 0))

    boxes = np.asarray(pillow.open(io.BytesIO(picture(board, "boxes")[1])))
    changed = (boxes != pixels).any(axis=2)
    assert changed[2, 2:13].all()
    assert not changed[14:, 14:].any()

    figure = pillow.open(io.BytesIO(picture(board, "figure")[1]))
    assert (figure.format, figure.size) == ("PNG", (100, 50))

    gif = pillow.open(io.BytesIO(picture(board, "video")[1]))
    assert (gif.format, gif.n_frames, gif.info["duration"]) == ("GIF", 3, 200)
    for i in range(3):
        gif.seek(i)
        np.testing.assert_array_equal(np.asarray(gif.convert("RGB")), CLIP[0, i].transpose(1, 2, 0))


def test_audio(board: Board) -> None:
    """Sounds come out as WAVs with the samples, channels and rate that were given."""
    assert set(board.plugin("audio/tags")["all"]) == {"audio/mono", "audio/stereo"}
    for tag, samples, rate in (
        ("audio/mono", (TONE[:, None] * 32767).astype(np.int16), 8000),
        ("audio/stereo", STEREO, 16000),
    ):
        (entry,) = board.plugin("audio/audio", run="all", tag=tag, sample=0)
        assert (entry["step"], entry["wall_time"], entry["contentType"]) == (3, WALL, "audio/wav")
        data = board.raw(f"plugin/audio/individualAudio?{entry['query']}")
        with wave.open(io.BytesIO(data)) as sound:
            assert (sound.getframerate(), sound.getnchannels(), sound.getsampwidth()) == (rate, samples.shape[1], 2)
            frames = np.frombuffer(sound.readframes(sound.getnframes()), "<i2").reshape(-1, samples.shape[1])
        np.testing.assert_array_equal(frames, samples)


def test_texts_and_what_is_shown_as_text(board: Board) -> None:
    """Markdown is rendered, tables have their cells, and what TensorBoard has no page for says what it is."""
    tags = set(board.plugin("text/tags")["all"])
    assert tags == {f"{name}/text_summary" for name in ("text", "texts", "plotly", "page")} | {"table", "confusion"}

    def html(tag: str) -> str:
        (entry,) = board.plugin("text/text", run="all", tag=tag)
        assert (entry["step"], entry["wall_time"]) == (3, WALL)
        return entry["text"]

    def cells(tag: str) -> list[str]:
        return [re.sub(r"<[^>]+>", "", cell).strip() for cell in re.findall(r"<t[hd]>(.*?)</t[hd]>", html(tag), re.S)]

    assert "<p>some <strong>bold</strong> text</p>" in html("text/text_summary")
    assert cells("texts/text_summary") == ["one", "two"]
    assert cells("table") == ["name", "loss", "a", "0.25", "b", "0.5"]
    assert [cell for cell in cells("confusion") if cell.isdecimal()] == ["2", "0", "1", "1"]
    assert {"cat", "dog"} <= {word for cell in cells("confusion") for word in re.findall(r"\w+", cell)}
    assert "a trace" in html("plotly/text_summary")
    assert "Big words" in html("page/text_summary")


def test_graphs(board: Board) -> None:
    """The model's operations lie in its layers and tell their weights, the ONNX file's and those of JAX are nodes, and
    each operation's time is in the record of the step."""
    info = board.plugin("graphs/info")
    assert info["model"]["run_graph"]
    assert info["onnx"]["run_graph"]
    model = board.raw("plugin/graphs/graph", run="model").decode()
    assert 'name: "0/conv2d"' in model
    assert 'op: "conv2d"' in model
    assert 's: "0.weight 0.bias"' in model
    assert 'name: "layer/relu/Relu"' in board.raw("plugin/graphs/graph", run="onnx").decode()
    function = board.raw("plugin/graphs/graph", run="jax").decode()
    assert 'name: "dense/dot_general"' in function
    assert 'input: "dense/kernel"' in function
    assert info["jax"]["run_graph"]
    (tag,) = info["model"]["tags"]
    assert b'node_name: "0/conv2d"' in board.raw("plugin/graphs/run_metadata", run="model", tag=tag)


def test_pr_and_roc_curves(board: Board) -> None:
    """Curves have the thresholds asked for, and the counts that the labels and scores give."""
    assert set(board.plugin("pr_curves/tags")["all"]) == {"pr", "pr/raw", "roc"}
    (curve,) = board.plugin("pr_curves/pr_curves", run="all", tag="pr")["all"]
    assert (curve["step"], curve["wall_time"]) == (3, WALL)
    thresholds = np.array(curve["thresholds"])
    at = np.floor(SCORES * 50) / 50
    for i, threshold in enumerate(thresholds):
        taken = at >= threshold - 1e-9
        assert curve["true_positives"][i] == (taken & (LABELS == 1)).sum()
        assert curve["false_positives"][i] == (taken & (LABELS == 0)).sum()
    assert len(thresholds) > 40
    (roc,) = board.plugin("pr_curves/pr_curves", run="all", tag="roc")["all"]
    assert max(roc["recall"]) == 1.0
    (raw,) = board.plugin("pr_curves/pr_curves", run="all", tag="pr/raw")["all"]
    assert raw["recall"] == [1.0, 0.75, 0.5, 0.25]


def test_custom_scalars(board: Board) -> None:
    """The layout given by the user is served whole, and its charts find their scalars."""
    layout = board.plugin("custom_scalars/layout")
    charts = {chart["title"]: chart for category in layout["category"] for chart in category["chart"]}
    assert charts["lines"]["multiline"]["tag"] == ["group/.*"]
    assert charts["band"]["margin"]["series"] == [{"value": "scalar/plain", "lower": "group/b", "upper": "group/a"}]
    found = board.plugin("custom_scalars/scalars", run="all", tag="group/.*")
    assert found["regex_valid"]
    assert found["tag_to_events"]["group/b"] == [[WALL + step, step, -step] for step in range(5)]


def test_meshes(board: Board) -> None:
    """Vertices, colours and faces come out as the bytes of their arrays, with the camera."""
    assert board.plugin("mesh/tags")["all"] == {"mesh": {"samples": 1}}
    entries = board.plugin("mesh/meshes", run="all", tag="mesh", sample=0)
    assert {entry["content_type"] for entry in entries} == {1, 2, 3}
    assert {entry["step"] for entry in entries} == {3}
    assert json.loads(entries[0]["config"]) == {"camera": {"cls": "PerspectiveCamera", "fov": 75}}
    for name, array, kind in (("VERTEX", VERTICES, "<f4"), ("FACE", FACES, "<i4"), ("COLOR", COLOURS, "u1")):
        data = board.raw("plugin/mesh/data", run="all", tag="mesh", content_type=name, sample=0, step=3)
        np.testing.assert_array_equal(np.frombuffer(data, kind).reshape(array.shape), array, err_msg=name)


def test_hyperparameters(board: Board) -> None:
    """The table has every trial with its values, bool as bool, its metric and how it ended."""
    experiment = board.plugin("hparams/experiment", post={"experimentName": "", "includeMetrics": True})
    assert {info["name"]: info["type"] for info in experiment["hparamInfos"]} == {
        "lr": "DATA_TYPE_FLOAT64",
        "layers": "DATA_TYPE_FLOAT64",
        "bias": "DATA_TYPE_BOOL",
        "optimizer": "DATA_TYPE_STRING",
    }
    assert [info["name"]["tag"] for info in experiment["metricInfos"]] == ["score"]
    asked = {
        "experimentName": "",
        "allowedStatuses": ["STATUS_UNKNOWN", "STATUS_SUCCESS", "STATUS_FAILURE", "STATUS_RUNNING"],
        "colParams": [{"metric": {"tag": "score"}, "order": "ORDER_ASC"}],
        "startIndex": 0,
        "sliceSize": 10,
        "includeMetrics": True,
    }
    groups = board.plugin("hparams/session_groups", post=asked)["sessionGroups"]
    rows = {
        group["sessions"][0]["name"]: (
            group["hparams"],
            round(group["metricValues"][0]["value"], 6),
            group["sessions"][0].get("status", "STATUS_UNKNOWN"),
        )
        for group in groups
    }
    assert rows == {
        "trial0": ({"lr": 0.1, "layers": 2.0, "bias": False, "optimizer": "sgd"}, 1.0, "STATUS_SUCCESS"),
        "trial1": ({"lr": 0.2, "layers": 3.0, "bias": True, "optimizer": "sgd"}, 2.0, "STATUS_FAILURE"),
        "running": ({"lr": 0.3, "layers": 9.0, "bias": True, "optimizer": "adam"}, 0.0, "STATUS_UNKNOWN"),
    }


def test_the_projector(board: Board) -> None:
    """Vectors, their labels and their pictures come out of the files that add_embedding wrote."""
    assert "all" in board.plugin("projector/runs")
    entries = {entry["tensorName"]: entry for entry in board.plugin("projector/info", run="all")["embeddings"]}
    assert {name: entry["tensorShape"] for name, entry in entries.items()} == {
        "words:00003": [9, 5],
        "plain:00004": [9, 2],
    }
    for name, vectors in (("words:00003", VECTORS), ("plain:00004", VECTORS[:, :2])):
        data = board.raw("plugin/projector/tensor", run="all", name=name)
        np.testing.assert_array_equal(np.frombuffer(data, "<f4").reshape(vectors.shape), vectors)
    metadata = board.raw("plugin/projector/metadata", run="all", name="words:00003").decode()
    assert [line.split("\t") for line in metadata.splitlines()] == [["word", "kind"], *NAMES]
    sprite = np.asarray(
        pillow.open(io.BytesIO(board.raw("plugin/projector/sprite_image", run="all", name="words:00003")))
    )
    assert entries["words:00003"]["sprite"]["singleImageDim"] == [4, 4]
    np.testing.assert_array_equal(
        sprite[4:8, 8:12], (THUMBS[5].transpose(1, 2, 0) * 255).astype(np.float32).astype(np.uint8)
    )


def test_what_we_wrote_is_all_there_is(board: Board, logdir: Path) -> None:
    """Every tag that our own reader finds is a tag of one of TensorBoard's dashboards, but for tensors and pages."""
    ours = {
        (run, tag)
        for plugin, tags in tb.read(logdir)._reader.store.tags().items()
        if plugin in ("scalars", "histograms", "images", "audio", "text", "pr_curves")
        for tag, runs in tags.items()
        for run in runs
    }
    theirs = {
        (run, tag)
        for plugin in ("scalars", "histograms", "images", "audio", "text", "pr_curves")
        for run, tags in board.plugin(f"{plugin}/tags").items()
        for tag in tags
    }
    assert ours - theirs == ({("all", "scalar/double")} if board.fast else set())
    assert theirs <= ours
