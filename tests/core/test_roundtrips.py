"""Whatever a builder is given comes back: from our reader, and from TensorBoard's, out of the same file."""

from __future__ import annotations

import itertools
import json
import tempfile
import wave
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as nst

import tallyboard as tb
from tallyboard.core.graph import Graph, Node

pytest.importorskip("tensorboard")
pillow = pytest.importorskip("PIL.Image")

Log = Callable[[tb.SummaryWriter], object]
Trip = Callable[[Log], tuple[Any, list[Any]]]

few = settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
steps = st.integers(-(2**63), 2**63 - 1)
floats = st.floats(width=32)
shapes = nst.array_shapes(min_dims=0, max_dims=3, max_side=4)


@pytest.fixture(scope="module")
def trip(request: pytest.FixtureRequest) -> Trip:
    """Writes a run; returns it as our reader has it, and its summaries as TensorBoard has them."""
    from tensorboard.backend.event_processing.event_file_loader import EventFileLoader
    from tensorboard.util.tensor_util import make_ndarray

    def board(folder: Path) -> list[Any]:
        (path,) = folder.glob("*tfevents*")
        return [
            (value, event.step, make_ndarray(value.tensor) if value.HasField("tensor") else None)
            for event in EventFileLoader(str(path)).Load()
            for value in event.summary.value
        ]

    def go(log: Log) -> tuple[Any, list[Any]]:
        with tempfile.TemporaryDirectory() as name:
            with tb.SummaryWriter(name) as writer:
                log(writer)
            run = tb.read(name)["."]
            values = {
                (kind, tag): run.scalar(tag) if kind == "scalars" else read(run, kind, tag)
                for kind, tags in run.tags.items()
                for tag in tags
                if not kind.startswith("graph")  # which `run.graph` has
            }
            return Values(run.hparams, run.graph, run.embeddings, values), board(Path(name))

    def read(run: Any, kind: str, tag: str) -> list[Any]:
        simple = {"images": run.images, "audio": run.audio, "text": run.text, "histograms": run.histograms}
        more = {"pr_curves": run.pr_curves, "video": run.videos, "mesh": run.meshes}
        take = (simple | more).get(kind)
        return list(take(tag) if take else run.messages(kind, tag))

    return go


class Values:
    """Everything of a run, read while its files were there."""

    def __init__(self, hparams: Any, graph: Any, embeddings: dict[str, Any], values: dict[Any, Any]) -> None:
        self.hparams, self.graph, self.values = hparams, graph, values
        self.embeddings = {name: (one.array().tolist(), one.metadata()) for name, one in embeddings.items()}

    def one(self, kind: str, tag: str = "t") -> Any:
        (value,) = self.values[kind, tag]
        return value


def same(one: Any, two: Any) -> None:
    np.testing.assert_array_equal(np.asarray(one), np.asarray(two), strict=False)


@few
@given(number=floats, wide=st.floats(), tag=names, step=steps)
def test_scalars(trip: Trip, number: float, wide: float, tag: str, step: int) -> None:
    """Every float32 at any step under any tag, in the short form, the new one, described and grouped; any float64."""

    def log(writer: tb.SummaryWriter) -> None:
        writer.add_scalar(f"a{tag}", number, step)
        writer.add_scalar(f"b{tag}", number, step, new_style=True)
        writer.add_scalar(f"c{tag}", number, step, display_name=tag)
        writer.add_scalar(f"d{tag}", wide, step, double_precision=True)
        writer.log({f"e{tag}": number, f"f{tag}": -number}, step)

    run, board = trip(log)
    expected = dict(zip("abcdef", (number, number, number, wide, number, -number), strict=True))
    for key, value in expected.items():
        series = run.values["scalars", key + tag]
        same(series.value, [value])
        assert series.step.tolist() == [step]
    assert [(value.tag, at) for value, at, _ in board] == [(key + tag, step) for key in expected]
    same([array for _, _, array in board], list(expected.values()))
    assert board[2][0].metadata.display_name == tag


@few
@given(lines=st.lists(texts, max_size=4), text=texts)
def test_texts(trip: Trip, lines: list[str], text: str) -> None:
    """Any text, and any list of texts."""
    run, board = trip(lambda w: (w.add_text("one", text), w.add_text("t", lines)))
    assert run.one("text", "one/text_summary").strings == (text,)
    assert [one.strings for one in run.values["text", "t/text_summary"]] == [tuple(lines)]
    assert board[0][2].tolist() == [text.encode()]
    assert board[1][2].tolist() == [line.encode() for line in lines]


@few
@given(values=nst.arrays(np.float32, st.integers(1, 60)))
def test_histograms(trip: Trip, values: Any) -> None:
    """Minimum, maximum and number of any float32 values, and the same buckets for both readers."""
    run, board = trip(lambda w: w.add_histogram("t", values))
    finite = values[np.isfinite(values)].astype(np.float64)
    mine, array = run.one("histograms"), board[0][2]
    assert mine.num == mine.counts.sum() == len(finite)
    assert array[:, 2].sum() == len(finite) if len(array) else not len(finite)
    if len(finite):
        assert (mine.min, mine.max) == (finite.min(), finite.max())
        same(mine.edges[:-1].astype(np.float32), array[:, 0])
        same(mine.edges[1:].astype(np.float32), array[:, 1])
        same(mine.counts, array[:, 2])


@few
@given(
    buckets=st.lists(
        st.tuples(st.floats(-1e6, 1e6), st.integers(1, 99)), min_size=1, max_size=9, unique_by=lambda b: b[0]
    ),
    sums=st.tuples(st.floats(allow_nan=False), st.floats(0, allow_nan=False)),
)
def test_raw_histograms(trip: Trip, buckets: list[Any], sums: tuple[float, float]) -> None:
    """Any limits and counts."""
    limits, counts = map(list, zip(*sorted(buckets), strict=True))
    low, high = limits[0] - 1, limits[-1]
    run, board = trip(lambda w: w.add_histogram_raw("t", low, high, sum(counts), *sums, limits, counts))
    mine = run.one("histograms")
    assert (mine.min, mine.max, mine.num, mine.sum, mine.sum_squares) == (low, high, sum(counts), *sums)
    same(mine.edges, [low, *limits])
    same(mine.counts, counts)
    same(board[0][2], np.array([[low, *limits[:-1]], limits, counts], np.float32).T)


tensor_types = st.sampled_from(["?", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f2", "f4", "f8", "c8", "c16"])


@few
@given(array=tensor_types.flatmap(lambda kind: nst.arrays(kind, shapes)))
def test_tensors(trip: Trip, array: Any) -> None:
    """Any array of any type and shape, bit for bit."""
    run, board = trip(lambda w: w.add_tensor("t", array))
    message = run.one("tensor")
    assert message.tensor.tensor_content == np.ascontiguousarray(array).tobytes()
    assert [dim.size for dim in message.tensor.tensor_shape.dim] == list(array.shape)
    assert (board[0][2].dtype, board[0][2].shape) == (array.dtype, array.shape)
    same(board[0][2], array)


pictures = st.tuples(st.integers(1, 9), st.integers(1, 9), st.sampled_from([3, 4])).flatmap(
    lambda shape: nst.arrays(np.uint8, shape)
)


@few
@given(picture=pictures, boxes=st.lists(st.tuples(*[st.integers(0, 8)] * 4), max_size=2))
def test_images_and_boxes(trip: Trip, picture: Any, boxes: list[Any]) -> None:
    """Any pixels; boxes leave alone what lies two pixels away from them."""
    boxes = [(min(a, c), min(b, d), max(a, c), max(b, d)) for a, b, c, d in boxes]
    corners = np.array(boxes, float).reshape(-1, 4)

    def log(writer: tb.SummaryWriter) -> None:
        writer.add_image("t", picture, dataformats="HWC")
        writer.add_images("grid", np.stack([picture] * 2), dataformats="NHWC")
        writer.add_image_with_boxes("boxes", picture, corners, dataformats="HWC")

    run, board = trip(log)
    for pixels in (run.one("images").array(), np.asarray(pillow.open(BytesIO(board[0][2][2])))):
        same(pixels, picture)
    for pixels in (run.one("images", "grid").array(), np.asarray(pillow.open(BytesIO(board[1][2][2])))):
        same(pixels, np.concatenate([picture] * 2, axis=1))
    for pixels in (run.one("images", "boxes").array(), np.asarray(pillow.open(BytesIO(board[2][2][2])))):
        far = np.ones(picture.shape[:2], bool)
        for left, top, right, bottom in boxes:
            far[max(0, top - 2) : bottom + 3, max(0, left - 2) : right + 3] = False
        same(pixels[far], picture[far])


@few
@given(
    sound=st.tuples(st.integers(33, 50), st.integers(1, 4)).flatmap(lambda shape: nst.arrays(np.int16, shape)),
    rate=st.integers(1, 192_000),
)
def test_sounds(trip: Trip, sound: Any, rate: int) -> None:
    """Any 16-bit samples of any channels at any rate."""
    run, board = trip(lambda w: w.add_audio("t", sound, sample_rate=rate))
    samples, told = run.one("audio").array()
    assert told == rate
    same(samples * 32768, sound)
    with wave.open(BytesIO(board[0][2].ravel()[0])) as file:
        same(np.frombuffer(file.readframes(99), "<i2").reshape(-1, sound.shape[1]), sound)
        assert file.getframerate() == rate


@few
@given(
    frames=nst.arrays(np.bool_, st.tuples(st.integers(1, 4), st.integers(2, 6), st.integers(2, 6))),
    tail=st.binary(max_size=50),
)
def test_videos(trip: Trip, frames: Any, tail: bytes) -> None:
    """The frames of any black-and-white clip, and any bytes behind an MP4's beginning."""
    clip = frames[None, :, None].repeat(3, axis=2)
    mp4 = b"\x00\x00\x00\x18ftypmp42" + tail
    run, board = trip(lambda w: (w.add_video("t", clip.astype(np.float32)), w.add_video("file", mp4)))
    (video,) = run.values["video", "file"]
    assert (video.content_type, video.encoded) == ("video/mp4", mp4)
    for data in (run.one("images").encoded, board[0][2][2]):
        gif = pillow.open(BytesIO(data))
        gif.seek(0)
        same(np.asarray(gif.convert("L")) > 127, frames[0])
        changes = 1 + sum(not np.array_equal(one, two) for one, two in itertools.pairwise(frames))
        assert changes <= gif.n_frames <= len(frames)  # equal frames may be one that lasts longer
        gif.seek(gif.n_frames - 1)
        same(np.asarray(gif.convert("L")) > 127, frames[-1])


@few
@given(table=nst.arrays(np.float32, st.tuples(st.just(6), st.integers(1, 9))))
def test_raw_curves(trip: Trip, table: Any) -> None:
    """Any six rows, NaN and infinity among them."""
    run, board = trip(lambda w: w.add_pr_curve_raw("t", *table))
    curve = run.one("pr_curves")
    rows = ("true_positives", "false_positives", "true_negatives", "false_negatives", "precision", "recall")
    for name, row in zip(rows, table, strict=True):
        same(getattr(curve, name), row)
    same(board[0][2], table)


@few
@given(data=st.lists(st.tuples(st.booleans(), st.floats(0, 1)), min_size=1, max_size=30), number=st.integers(2, 20))
def test_curves(trip: Trip, data: list[Any], number: int) -> None:
    """Counts at every threshold are those of counting one by one, for PR and ROC."""
    labels, scores = (np.array(column) for column in zip(*data, strict=True))

    def log(writer: tb.SummaryWriter) -> None:
        writer.add_pr_curve("t", labels, scores, num_thresholds=number)
        writer.add_roc_curve("roc", labels, scores, num_thresholds=number)

    run, board = trip(log)
    at = np.floor(scores * (number - 1))
    positive = np.array([np.sum(labels & (at >= i)) for i in range(number)])
    negative = np.array([np.sum(~labels & (at >= i)) for i in range(number)])
    for tag, array in (("t", board[0][2]), ("roc", board[1][2])):
        curve = run.one("pr_curves", tag)
        same(curve.true_positives, positive)
        same(curve.false_positives, negative)
        same(array[:2], [positive, negative])
        same(array[2:4], [(~labels).sum() - negative, labels.sum() - positive])


@few
@given(matrix=nst.arrays(np.int64, st.integers(1, 5).map(lambda n: (n, n)), elements=st.integers(0, 10**6)))
def test_confusion_matrices(trip: Trip, matrix: Any) -> None:
    """Every count is a cell of the table."""
    run, board = trip(lambda w: w.add_confusion_matrix("t", matrix=matrix))
    text = run.one("text")
    cells = np.array(text.strings, object).reshape(text.shape)
    same(cells[1:, 1 : 1 + len(matrix)].astype(int), matrix)
    same(board[0][2], np.array([one.encode() for one in text.strings], object).reshape(text.shape))


@few
@given(
    rows=st.integers(1, 3).flatmap(lambda n: st.lists(st.lists(texts, min_size=n, max_size=n), min_size=1, max_size=4))
)
def test_tables(trip: Trip, rows: list[list[str]]) -> None:
    """Every cell of any text."""
    heads = [f"column {i}" for i in range(len(rows[0]))]
    run, board = trip(lambda w: w.add_table("t", rows, columns=heads))
    text = run.one("text")
    assert text.shape == (len(rows) + 1, len(heads))
    assert text.strings == tuple(cell for row in [heads, *rows] for cell in row)
    assert board[0][2].tolist() == [[cell.encode() for cell in row] for row in [heads, *rows]]


@few
@given(
    vertices=nst.arrays(np.float32, st.tuples(st.integers(1, 2), st.integers(3, 6), st.just(3))),
    data=st.data(),
    config=st.dictionaries(texts, st.one_of(texts, st.integers(-(2**40), 2**40), st.booleans()), max_size=3),
)
def test_meshes(trip: Trip, vertices: Any, data: st.DataObject, config: dict[str, Any]) -> None:
    """Any vertices, colours and faces, and any configuration that JSON can hold."""
    from tensorboard.plugins.mesh.plugin_data_pb2 import MeshPluginData

    colors = data.draw(nst.arrays(np.uint8, vertices.shape))
    shape = (vertices.shape[0], 2, 3)
    faces = data.draw(nst.arrays(np.int64, shape, elements=st.integers(0, vertices.shape[1] - 1)))
    run, board = trip(lambda w: w.add_mesh("t", vertices, colors, faces, config))
    mesh = run.one("mesh")
    assert mesh.config == config
    expected = {"t_VERTEX": vertices, "t_FACE": faces, "t_COLOR": colors}
    for mine, name in ((mesh.vertices, "t_VERTEX"), (mesh.faces, "t_FACE"), (mesh.colors, "t_COLOR")):
        same(mine, expected[name])
    assert {value.tag for value, _, _ in board} == set(expected)
    for value, _, array in board:
        same(array, expected[value.tag])
        assert json.loads(MeshPluginData.FromString(value.metadata.plugin_data.content).json_config) == config


lines = st.tuples(st.just("Multiline"), st.lists(names, min_size=1, max_size=3)) | st.tuples(
    st.just("Margin"), st.lists(names, min_size=3, max_size=3)
)


@few
@given(layout=st.dictionaries(names, st.dictionaries(names, lines.map(list), max_size=3), max_size=3))
def test_layouts(trip: Trip, layout: dict[str, Any]) -> None:
    """Any categories, titles and tags."""
    from tensorboard.plugins.custom_scalar.layout_pb2 import Layout

    run, board = trip(lambda w: w.add_custom_scalars(layout))
    (message,) = run.values["custom_scalars", "custom_scalars__config__"]
    for data in (message.tensor.string_val[0], board[0][2].item()):
        found: dict[str, Any] = {}
        for category in Layout.FromString(data).category:
            charts = found[category.title] = {}
            for chart in category.chart:
                (series,) = chart.margin.series or (None,)
                margin = series and ["Margin", [series.value, series.lower, series.upper]]
                charts[chart.title] = margin or ["Multiline", list(chart.multiline.tag)]
        assert found == layout


settings_of_a_run = st.dictionaries(
    names, texts | st.booleans() | st.floats(allow_nan=False, allow_infinity=False), max_size=4
)


@few
@given(values=settings_of_a_run, metrics=st.dictionaries(names.map(lambda name: f"m/{name}"), floats, max_size=3))
def test_hyperparameters(trip: Trip, values: dict[str, Any], metrics: dict[str, float]) -> None:
    """Any names, with texts, booleans and numbers as such, and any metrics."""
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

    run, board = trip(lambda w: w.add_hparams(values, metrics))
    assert run.hparams.values == values
    assert {name: type(value) for name, value in run.hparams.values.items()} == {
        name: type(value) for name, value in values.items()
    }
    assert run.hparams.metrics.keys() == metrics.keys()
    same(list(run.hparams.metrics.values()), [metrics[name] for name in run.hparams.metrics])
    assert run.hparams.status == "success"
    contents = {value.tag: value.metadata.plugin_data.content for value, _, _ in board}
    start = HParamsPluginData.FromString(contents["_hparams_/session_start_info"]).session_start_info
    assert {name: getattr(value, value.WhichOneof("kind")) for name, value in start.hparams.items()} == values
    infos = HParamsPluginData.FromString(contents["_hparams_/experiment"]).experiment.metric_infos
    assert {info.name.tag for info in infos} == set(metrics)


lined = texts.filter(lambda text: text.strip() and not set(text) & set("\t\n\r"))


@few
@given(
    rows=nst.arrays(np.float32, st.tuples(st.integers(1, 6), st.integers(1, 4))),
    step=st.integers(0, 10**6),
    data=st.data(),
)
def test_embeddings(trip: Trip, rows: Any, step: int, data: st.DataObject) -> None:
    """Any float32 vectors, and any labels that are one line."""
    labels = data.draw(st.lists(lined, min_size=len(rows), max_size=len(rows)))
    run, _ = trip(lambda w: (w.add_embedding(rows, labels, tag="t", step=step), w.add_scalar("s", 1.0)))
    vectors, metadata = run.embeddings[f"t:{step:05d}"]
    same(np.array(vectors, np.float32), rows)
    assert metadata == [[label] for label in labels]


graph_names = st.text("abc/_.", min_size=1, max_size=8)
attributes = st.dictionaries(
    graph_names.map(lambda name: f"x{name}"), texts | st.booleans() | st.integers(-(2**63), 2**63 - 1), max_size=3
)


@few
@given(
    named=st.lists(st.tuples(graph_names, texts, attributes), min_size=1, max_size=6, unique_by=lambda node: node[0])
)
def test_graphs(trip: Trip, named: list[Any]) -> None:
    """Any nodes with any operations and attributes, in a chain."""
    from tensorboard.compat.proto.graph_pb2 import GraphDef

    nodes = tuple(
        Node(name, op, (named[i - 1][0],) if i else (), ((i, -1),), attributes)
        for i, (name, op, attributes) in enumerate(named)
    )
    run, board = trip(lambda w: w.add_graph(Graph(nodes)))
    for graph in (run.graph, GraphDef.FromString(board[0][2].item())):
        assert [(node.name, node.op, list(node.input)) for node in graph.node] == [
            (node.name, node.op, list(node.inputs)) for node in nodes
        ]
        for node, given_ in zip(graph.node, nodes, strict=True):
            assert [dim.size for dim in node.attr["_output_shapes"].list.shape[0].dim] == list(given_.shapes[0] or ())
            for name, value in given_.attributes.items():
                kind = {str: "s", bool: "b", int: "i"}[type(value)]
                assert getattr(node.attr[name], kind) == (value.encode() if isinstance(value, str) else value)


@few
@given(page=texts.filter(str.strip))
def test_pages(trip: Trip, page: str) -> None:
    """Any HTML, and for TensorBoard a text beside it."""
    run, board = trip(lambda w: w.add_figure("t", f"<p>{page}"))
    message = run.one("html")
    assert message.tensor.string_val[0].decode() == f"<p>{page}"
    assert [value.tag for value, _, _ in board] == ["t", "t/text_summary"]
