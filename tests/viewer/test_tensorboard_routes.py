"""A script that talks to TensorBoard's HTTP API gets the same answers from the viewer: compared with a TensorBoard that
runs on the same logdir, value by value, and above its sampling limits shown to be all there is."""

from __future__ import annotations

import base64
import json
import shutil
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tallyboard as tb
from tallyboard.core.proto import event_pb2 as pb
from tallyboard.core.summary import DataClass, Event, Summary
from tallyboard.core.values import Message

from .boards import Board, tensorboard_on, viewer_on, wait_until

pytest.importorskip("tensorboard")

LONG = 1_500
"""Points of one series: more than the 1,000 that TensorBoard keeps."""

GRAPHS = Path(__file__).with_name("graphs")
"""Graphs and records as tf.summary and TensorFlow 1 write them."""

MODELS = Path(__file__).parents[1] / "core" / "keras_models"

CORPUS = Path(__file__).parents[1] / "conformance" / "corpus"
"""Files of nine real producers, among them torch, tf.summary, tensorboardX, Keras and Lightning."""


def write(logdir: Path) -> None:
    """Real producers' files, and scalars of every form and sort."""
    shutil.copytree(CORPUS, logdir, dirs_exist_ok=True, ignore=shutil.ignore_patterns("golden.json"))
    with tb.SummaryWriter(logdir / "ours") as writer:
        for step in range(LONG):
            writer.add_scalar("long", np.sin(step / 50), step)
        for step, value in enumerate([1.0, float("nan"), float("inf"), float("-inf"), 1e-30, 3.4e38, 0.1]):
            writer.add_scalar("odd, one", value, step, display_name="Odd", summary_description="|a|b|\n|-|-|\n|1|2|")
            writer.add_scalar("höhe/<b>", value, step * 10)
            writer.add_scalar("loss", value, step, new_style=True, summary_description="the **loss** & more")
            writer.add_scalar("double", step / 7, step, new_style=True, double_precision=True)
        for step in (0, 1, 2, 3, 2, 3, 4):
            writer.add_scalar("again", step, step)
    with tb.SummaryWriter(logdir / "ours" / "deep" / "run 1") as writer:
        writer.log({"loss": 0.5, "a b": 2.0}, step=-3)
        writer.add_scalar("loss", 1.5, 7, summary_description="another")
    with tb.SummaryWriter(logdir / "empty"):
        pass
    write_media(logdir / "media")
    shutil.copytree(GRAPHS, logdir / "graphs")
    write_models(logdir / "models")


def write_models(run: Path) -> None:
    """Keras models as keras.callbacks.TensorBoard writes them, those that TensorBoard draws as they are."""
    summary = pb.Summary()
    for name in ("sequential", "functional", "nested", "subclassed"):
        value = summary.value.add(tag=name)
        value.metadata.plugin_data.plugin_name, value.metadata.plugin_data.content = "graph_keras_model", b"1"
        value.tensor.dtype = pb.DT_STRING
        value.tensor.string_val.append((MODELS / f"{name}.json").read_bytes())
    with tb.SummaryWriter(run) as writer:
        message = Message("summary", summary.SerializeToString())
        writer.write(Event(0, 5.0, Summary("models", "graph_keras_model", DataClass.BLOBS, message)))


def write_media(run: Path) -> None:
    """Pictures, sounds, texts, histograms and curves that the corpus has not."""
    rng = np.random.default_rng(5)
    with tb.SummaryWriter(run) as writer:
        for step in (0, 2, 1, 2):  # a step again, and one that goes back
            writer.add_image("one", rng.integers(0, 256, (3, 8, 9), np.uint8), step)
            writer.add_images("grid", rng.integers(0, 256, (4, 3, 6, 5), np.uint8), step)
            writer.add_audio("sound", rng.integers(-99, 99, (50, 2), np.int16), step, sample_rate=8000)
            writer.add_histogram("values", rng.standard_normal(300), step)
            writer.add_pr_curve("curve", rng.integers(0, 2, 99), rng.random(99), step, num_thresholds=21)
        writer.add_histogram_raw("raw", 0.0, 2.0, 3, 3.0, 5.0, [1.0, 2.0], [2, 1], 4)
        for step, values in enumerate(([1.0, np.nan, 3.0], [np.inf, -np.inf, 2.0], [np.nan, np.nan], [7.0, 7.0])):
            writer.add_histogram("stray", np.array(values), step)
        for step, walltime in ((1 << 40, 1e9), (-5, 0.0), (0, -1.5)):
            writer.add_histogram("far", [1.0, 2.0], step, walltime=walltime)
            writer.add_image("far picture", np.zeros((1, 2, 2), np.uint8), step, walltime=walltime)
        writer.add_roc_curve("roc", rng.integers(0, 2, 99), rng.random(99), num_thresholds=11)
        writer.add_video("clip", rng.integers(0, 255, (1, 3, 3, 8, 8), np.uint8), 0)
        writer.add_text("words", "some **bold** <i>text</i>\n\n* a\n* b <script>x()</script>", 0)
        writer.add_text("words", ["one", "*two*", "a|b"], 1)
        writer.add_table("table", {"name": ["a", "b"], "loss": [0.25, 0.5]}, 0)
        writer.add_figure("page", "<h1>Big words</h1>", 0)
        for step in (3, 1):
            colours, faces = rng.integers(0, 256, (2, 6, 3)), np.array([[[0, 1, 2], [3, 4, 5]]] * 2)
            writer.add_mesh("mesh", rng.random((2, 6, 3)).astype(np.float32), colours, faces, {"a": 1}, step)
        writer.add_mesh("points", rng.random((1, 6, 3)).astype(np.float32), step=0)
        writer.add_custom_scalars(
            {
                "losses": {"lines": ["Multiline", ["los.*", "acc"]], "more": ["Multiline", ["x"]]},
                "bands": {"band": ["Margin", ["loss", "low", "high"]]},
            }
        )
    with tb.SummaryWriter(run / "second") as writer:
        same = {"lines": ["Multiline", ["los.*", "acc"]], "others": ["Multiline", ["y"]]}
        writer.add_custom_scalars({"losses": same, "third": {"z": ["Multiline", ["z"]]}})


@pytest.fixture(scope="module")
def logdir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("logdir")
    write(folder)
    return folder


@pytest.fixture(scope="module")
def theirs(logdir: Path) -> Iterator[Board]:
    """TensorBoard, once it has read the logdir."""
    with tensorboard_on(logdir, "--window_title", "A title") as board:
        wait_until(lambda: "ours/deep/run 1" in board.get("/data/plugin/scalars/tags"))  # the last to be read
        yield board


@pytest.fixture(scope="module")
def ours(logdir: Path) -> Iterator[Board]:
    """The viewer, once it has read the logdir."""
    with viewer_on(logdir, "--window_title", "A title") as board:
        yield board


@pytest.mark.parametrize(
    "path",
    [
        *("runs", "logdir", "window_properties", "experiments", "experiment_runs"),
        *(f"plugin/{name}/tags" for name in ("scalars", "timeseries", "histograms", "distributions", "images")),
        *(f"plugin/{name}/tags" for name in ("audio", "pr_curves", "mesh")),
        *("plugin/custom_scalars/layout", "plugin/graphs/info"),
    ],
)
def test_what_there_is(theirs: Board, ours: Board, path: str) -> None:
    """Runs in their order, tags, names, descriptions as HTML: the same JSON under the same type."""
    expected, answer = theirs.ask(f"/data/{path}"), ours.ask(f"/data/{path}")

    assert answer.json() == expected.json()
    assert (answer.status, answer.type) == (expected.status, expected.type)


def test_the_environment(theirs: Board, ours: Board) -> None:
    """All of it but the version, which is ours, and TensorBoard's notes for its own makers."""
    expected = theirs.get("/data/environment")
    del expected["debug"]
    assert ours.get("/data/environment") == {**expected, "version": tb.__version__}


def test_the_dashboards(theirs: Board, ours: Board) -> None:
    """Those that have routes here are named as TensorBoard names them, active where there is data."""
    expected, listing = theirs.get("/data/plugins_listing"), ours.get("/data/plugins_listing")

    assert listing == {name: plugin for name, plugin in expected.items() if name in listing}
    assert listing["scalars"]["enabled"]
    left_out = {"debugger-v2", "profile_redirect", "wit_redirect"}
    assert set(expected) - set(listing) == left_out


def series(board: Board) -> list[tuple[str, str]]:
    return [(run, tag) for run, tags in board.get("/data/plugin/scalars/tags").items() for tag in tags]


@pytest.mark.parametrize("form", ["json", "csv"])
def test_the_points_of_every_series(theirs: Board, ours: Board, form: str) -> None:
    """Wall times, steps and values are equal, as JSON and as CSV; of the long one all are there."""
    compared = 0
    for run, tag in series(theirs):
        asked = {"run": run, "tag": tag, **({"format": form} if form == "csv" else {})}
        expected = theirs.ask("/data/plugin/scalars/scalars", **asked)
        answer = ours.ask("/data/plugin/scalars/scalars", **asked)
        assert (answer.status, answer.type) == (expected.status, expected.type)
        if tag == "long":
            lines = [json.dumps(point) for point in answer.json()] if form == "json" else answer.body.split(b"\r\n")
            few = [json.dumps(point) for point in expected.json()] if form == "json" else expected.body.split(b"\r\n")
            assert (len(lines), len(few)) == ((LONG, 1_000) if form == "json" else (LONG + 2, 1_002))
            assert set(few) <= set(lines)
        elif form == "json":
            assert answer.json() == expected.json(), (run, tag)
        else:
            assert answer.body == expected.body, (run, tag)
        compared += 1
    assert compared > 35


def test_an_answer_in_many_parts(serve: Any, store: Any, put: Any) -> None:
    """A long series is whole, whatever parts it is encoded in, alone and among others."""
    values = np.sin(np.arange(12_345))
    values[7_000] = np.nan
    for run in ("a", 'b "x"'):
        put(run, "long", values, wide=True)
    served = serve(store)

    answer = served.get("/data/plugin/scalars/scalars?run=a&tag=long").json()
    expected = [[at + 0.5, at, "NaN" if at == 7_000 else value] for at, value in enumerate(values.tolist())]
    assert answer == expected
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    body = urllib.parse.urlencode({"tag": "long", "runs": ["a", 'b "x"']}, doseq=True).encode()
    answer = served.request("POST", "/data/plugin/scalars/scalars_multirun", body, form).json()
    assert answer == {"a": expected, 'b "x"': expected}


def test_one_tag_of_many_runs(theirs: Board, ours: Board) -> None:
    """The form that TensorBoard's page posts is answered run by run; a run without the tag is left out."""
    form = {"tag": "loss", "runs": [*theirs.get("/data/runs"), "no such run"]}
    answer = ours.get("/data/plugin/scalars/scalars_multirun", form)

    assert answer == theirs.get("/data/plugin/scalars/scalars_multirun", form)
    assert len(answer) == 3


def test_a_form_in_parts(ours: Board) -> None:
    """The other encoding of forms, which browsers use for theirs, is understood too."""
    body = b"".join(
        b'--x\r\nContent-Disposition: form-data; name="%b"\r\n\r\n%b\r\n' % part
        for part in ((b"tag", b"loss"), (b"runs", b"ours"), (b"runs", b"ours/deep/run 1"))
    )
    request = urllib.request.Request(
        f"{ours.url}/data/plugin/scalars/scalars_multirun",
        body + b"--x--\r\n",
        {"Content-Type": "multipart/form-data; boundary=x"},
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        assert set(json.load(answer)) == {"ours", "ours/deep/run 1"}


QUESTIONS = [
    {"plugin": "scalars", "tag": "loss"},
    {"plugin": "scalars", "tag": "loss", "run": "ours"},
    {"plugin": "scalars", "tag": "odd, one", "run": "ours"},
    {"plugin": "scalars", "tag": "nothing"},
    {"plugin": "scalars", "tag": "nothing", "run": "ours"},
    {"plugin": "scalars"},
    {"plugin": "histograms", "tag": "x"},
    {"plugin": "images", "tag": "x", "run": "ours"},
    {"plugin": "nonsense", "tag": "loss", "sample": 3},
]


def test_time_series(theirs: Board, ours: Board) -> None:
    """Each question has its answer, or what is wrong with it, whether it is asked by GET or by POST."""
    text = json.dumps(QUESTIONS)
    expected = theirs.get("/data/plugin/timeseries/timeSeries", requests=text)

    assert ours.get("/data/plugin/timeseries/timeSeries", requests=text) == expected
    assert ours.get("/data/plugin/timeseries/timeSeries", {"requests": text}) == expected
    assert len(expected[0]["runToSeries"]) == 3


def tagged(board: Board, plugin: str) -> list[tuple[str, str]]:
    """Every run and tag of a plugin."""
    return [(run, tag) for run, tags in board.get(f"/data/plugin/{plugin}/tags").items() for tag in tags]


@pytest.mark.parametrize(
    ("plugin", "route", "at_least"),
    [
        ("histograms", "histograms", 15),
        ("distributions", "distributions", 15),
        ("images", "images", 10),
        ("audio", "audio", 4),
        ("text", "text", 10),
        ("pr_curves", "pr_curves", 4),
    ],
)
def test_the_values_of_every_series(theirs: Board, ours: Board, plugin: str, route: str, at_least: int) -> None:
    """Buckets, shares, texts as HTML, curves, and the keys of pictures and sounds: all of them are equal."""
    found = tagged(theirs, plugin)
    assert len(found) >= at_least
    for run, tag in found:
        expected = theirs.ask(f"/data/plugin/{plugin}/{route}", run=run, tag=tag)
        answer = ours.ask(f"/data/plugin/{plugin}/{route}", run=run, tag=tag)
        assert answer.json() == expected.json(), (run, tag)
        assert (answer.status, answer.type) == (expected.status, expected.type)


def test_texts_as_they_are(theirs: Board, ours: Board) -> None:
    """Markdown can be left alone."""
    for run, tag in tagged(theirs, "text"):
        asked = {"run": run, "tag": tag, "markdown": "false"}
        assert ours.get("/data/plugin/text/text", **asked) == theirs.get("/data/plugin/text/text", **asked)
    assert ours.get("/data/plugin/text/text", run="x", tag="y") == []
    assert theirs.get("/data/plugin/text/text", run="x", tag="y") == []


def test_the_tags_of_texts(theirs: Board, ours: Board) -> None:
    """A list a run, which has no order to rely on."""
    lists = [
        {run: sorted(tags) for run, tags in board.get("/data/plugin/text/tags").items()} for board in (theirs, ours)
    ]
    assert lists[0] == lists[1]


@pytest.mark.parametrize(("plugin", "route"), [("images", "individualImage"), ("audio", "individualAudio")])
def test_each_picture_and_sound(theirs: Board, ours: Board, plugin: str, route: str) -> None:
    """The queries that TensorBoard hands out are answered with the same bytes under the same type."""
    kinds: list[str] = []
    for run, tags in theirs.get(f"/data/plugin/{plugin}/tags").items():
        for tag, about in tags.items():
            for sample in range(about["samples"]):
                for entry in theirs.get(f"/data/plugin/{plugin}/{plugin}", run=run, tag=tag, sample=sample):
                    expected = theirs.ask(f"/data/plugin/{plugin}/{route}?{entry['query']}")
                    answer = ours.ask(f"/data/plugin/{plugin}/{route}?{entry['query']}")
                    assert answer == expected
                    kinds.append(answer.type)
    assert set(kinds) == ({"image/png", "image/gif"} if plugin == "images" else {"audio/wav"})
    assert len(kinds) >= 10


def test_histograms_and_pictures_as_time_series(theirs: Board, ours: Board) -> None:
    """The first page's questions about these are answered alike, and its pictures are the same."""
    asked = [{"plugin": "histograms", "run": run, "tag": tag} for run, tag in tagged(theirs, "histograms")]
    asked += [
        {"plugin": "images", "run": run, "tag": tag, "sample": sample}
        for run, tag in tagged(theirs, "images")
        for sample in (0, 1, 7)
    ]
    expected = theirs.get("/data/plugin/timeseries/timeSeries", requests=json.dumps(asked))
    assert ours.get("/data/plugin/timeseries/timeSeries", {"requests": json.dumps(asked)}) == expected

    picture = next(iter(expected[-3]["runToSeries"].values()))[0]["imageId"]
    assert ours.ask("/data/plugin/timeseries/imageData", imageId=picture) == theirs.ask(
        "/data/plugin/timeseries/imageData", imageId=picture
    )


BAD = [
    *(
        (f"/data/plugin/{name}/{name}", {"run": "no", "tag": "no"})
        for name in ("histograms", "distributions", "images")
    ),
    *(
        (f"/data/plugin/{name}/{name}", asked)
        for name in ("histograms", "distributions", "images", "audio")
        for asked in ({}, {"run": "media"}, {"tag": "one"}, {"run": "media", "tag": "words"}, {"run": "", "tag": ""})
    ),
    ("/data/plugin/images/images", {"run": "media", "tag": "one", "sample": "x"}),
    ("/data/plugin/images/images", {"run": "no", "tag": "one", "sample": "7"}),
    ("/data/plugin/audio/audio", {"run": "media", "tag": "sound", "sample": "x"}),
    ("/data/plugin/audio/audio", {"run": "media", "tag": "one"}),
    ("/data/plugin/pr_curves/pr_curves", {"run": "media", "tag": "one"}),
    ("/data/plugin/pr_curves/pr_curves", {"run": "media"}),
    ("/data/plugin/pr_curves/pr_curves", {"tag": "one"}),
    ("/data/plugin/text/text", {}),
    ("/data/plugin/mesh/data", {"run": "media", "tag": "mesh", "content_type": "X"}),
    ("/data/plugin/mesh/data", {"run": "media", "tag": "mesh", "content_type": "FACE", "step": "x"}),
    ("/data/plugin/mesh/data", {"run": "media", "tag": "mesh", "content_type": "FACE", "step": "3", "sample": "x"}),
    ("/data/plugin/custom_scalars/download_data", {"run": "a", "tag": "b"}),
    ("/data/plugin/graphs/graph", {}),
    ("/data/plugin/graphs/graph", {"run": "no"}),
    ("/data/plugin/graphs/graph", {"run": "graphs/tf.summary-2.21.0", "tag": "no"}),
    ("/data/plugin/graphs/graph", {"run": "graphs/tf.summary-2.21.0", "tag": "traced", "conceptual": "true"}),
    ("/data/plugin/graphs/run_metadata", {"run": "no"}),
    ("/data/plugin/graphs/run_metadata", {"tag": "no"}),
    ("/data/plugin/graphs/run_metadata", {"run": "a", "tag": "b"}),
    ("/data/plugin/graphs/graph", {"run": "no", "limit_attr_size": "x"}),
    ("/data/plugin/images/individualImage", {}),
    ("/data/plugin/timeseries/imageData", {}),
    ("/data/plugin/audio/individualAudio", {"blob_key": "x", "content_type": "text/html"}),
    ("/data/plugin/scalars/scalars", {}),
    ("/data/plugin/scalars/scalars", {"run": "ours"}),
    ("/data/plugin/scalars/scalars", {"tag": "loss"}),
    ("/data/plugin/scalars/scalars", {"run": "ours", "tag": "nothing"}),
    ("/data/plugin/scalars/scalars", {"run": "<b>\n", "tag": "\u202e\x00"}),
    ("/data/plugin/timeseries/timeSeries", {}),
    ("/data/plugin/timeseries/timeSeries", {"requests": "{"}),
    ("/data/nothing", {}),
    ("/data/plugin/nothing/tags", {}),
]


@pytest.mark.parametrize(("path", "query"), BAD)
def test_bad_questions(theirs: Board, ours: Board, path: str, query: dict[str, str]) -> None:
    """What cannot be answered has TensorBoard's status, and its kind of error in front of one plain sentence.

    Where TensorBoard itself fails on the question, it is refused.
    """
    expected, answer = theirs.ask(path, **query), ours.ask(path, **query)

    assert answer.status == (400 if expected.status == 500 else expected.status)
    if b": " in expected.body and expected.status < 500:
        assert answer.type == expected.type == "text/plain; charset=utf-8"
        assert answer.body.split(b":")[0] == expected.body.split(b":")[0]
    assert b"Traceback" not in answer.body


@pytest.mark.parametrize("tag", ["los.*", "(o|d).*", "", "(", "nothing", "höhe", ".*/", "again|long"])
def test_series_by_expression(theirs: Board, ours: Board, tag: str) -> None:
    """A regular expression finds the same series, and one that is none is told from one that finds nothing."""
    for run in ("ours", "ours/deep/run 1", "no such run"):
        asked = {"run": run, "tag": tag}
        expected = theirs.get("/data/plugin/custom_scalars/scalars", **asked)
        answer = ours.get("/data/plugin/custom_scalars/scalars", **asked)
        assert len(answer["tag_to_events"].pop("long", ())) in (0, LONG)
        expected["tag_to_events"].pop("long", None)
        assert answer == expected


def test_an_expression_that_explodes(ours: Board) -> None:
    """A search that would never end is given up, and the server answers others meanwhile and later."""
    answer = ours.ask("/data/plugin/custom_scalars/scalars", run="ours", tag="(((((.?)+)+)+)+)+$(?<=#)")
    assert (answer.status, answer.body[:17]) == (400, b"Invalid argument:")
    assert ours.ask("/data/runs").status == 200


def test_download_data(theirs: Board, ours: Board) -> None:
    """The points of one series, in both forms."""
    for form in ("json", "csv"):
        asked = {"run": "ours", "tag": "odd, one", "format": form}
        expected = theirs.ask("/data/plugin/custom_scalars/download_data", **asked)
        assert ours.ask("/data/plugin/custom_scalars/download_data", **asked) == expected


def test_meshes(theirs: Board, ours: Board) -> None:
    """What there is of each mesh, and its numbers, byte for byte."""
    compared = 0
    for run, tag in tagged(theirs, "mesh"):
        expected = theirs.get("/data/plugin/mesh/meshes", run=run, tag=tag, sample=0)
        assert ours.get("/data/plugin/mesh/meshes", run=run, tag=tag, sample=0) == expected
        for entry in expected:
            for sample in range(entry["data_shape"][0]):
                asked = {"run": run, "tag": tag, "step": entry["step"], "sample": sample}
                asked["content_type"] = ("", "VERTEX", "FACE", "COLOR")[entry["content_type"]]
                answer = ours.ask("/data/plugin/mesh/data", **asked)
                assert answer == theirs.ask("/data/plugin/mesh/data", **asked)
                compared += len(answer.body) > 0
        for step in ("3.0", "3.5", "nan", "inf", "-1"):
            asked = {"run": run, "tag": tag, "step": step, "content_type": "VERTEX"}
            assert ours.ask("/data/plugin/mesh/data", **asked) == theirs.ask("/data/plugin/mesh/data", **asked)
    for path in ("meshes", "data"):
        nothing = {"run": "media", "tag": "no", "step": 3, "content_type": "VERTEX"}
        assert ours.ask(f"/data/plugin/mesh/{path}", **nothing) == theirs.ask(f"/data/plugin/mesh/{path}", **nothing)
    assert compared > 10


def test_graphs(theirs: Board, ours: Board) -> None:
    """Each graph of a run, of a traced function and of a Keras model, and each record of a step, as the same text."""
    asks: list[tuple[str, dict[str, Any]]] = []
    kinds = {"op_graph": {}, "conceptual_graph": {"conceptual": "true"}}
    for run, about in theirs.get("/data/plugin/graphs/info").items():
        asks += [("graph", {"run": run})] if about["run_graph"] else []
        for tag, what in about["tags"].items():
            asks += [("graph", {"run": run, "tag": tag, **more}) for kind, more in kinds.items() if what[kind]]
            asks += [("run_metadata", {"run": run, "tag": tag})] if what["profile"] else []
    assert len(asks) >= 13
    for path, asked in asks:
        for limits in ({}, {"limit_attr_size": 40, "large_attrs_key": "_large"}):
            answer = ours.ask(f"/data/plugin/graphs/{path}", **asked, **limits)
            expected = theirs.ask(f"/data/plugin/graphs/{path}", **asked, **limits)
            assert answer.body.decode() == expected.body.decode(), asked
            assert answer == expected


def key(*parts: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("x", 400),
        ("%", 400),
        ("", 400),
        ("\u00e9", 400),
        (key(1), 400),
        (key("", "images", "media", "one", "0", 2), 400),
        (key("", "images", "media", "one", 0, True), 400),
        (key("", "images", "media", "one", 0, 99), 404),
        (key("", "images", "media", "one", 0, -1), 404),
        (key("", "images", "media", "one", 10**30, 2), 404),
        (key("", "images", "../media", "one", 0, 2), 404),
        (key("", "audio", "media", "sound", 0, 0), 404),
        (key("", "scalars", "ours", "loss", 0, 0), 404),
    ],
)
def test_keys_of_nothing(ours: Board, text: str, status: int) -> None:
    """A key that is none, or that names nothing, is refused with a sentence, whatever stands in it."""
    for path, name in (("images/individualImage", "blob_key"), ("timeseries/imageData", "imageId")):
        answer = ours.ask(f"/data/plugin/{path}", **{name: text})
        assert (answer.status, answer.type) == (status, "text/plain; charset=utf-8")


@pytest.mark.parametrize("sample", ["-1", "x", "9" * 30])
def test_samples_that_are_none(ours: Board, sample: str) -> None:
    """Which picture of a step is a number of 0 or more."""
    answer = ours.ask("/data/plugin/images/images", run="media", tag="one", sample=sample)
    assert (answer.status, answer.body[:17]) == (400, b"Invalid argument:")


@pytest.mark.parametrize(("plugin", "beyond"), [("images", (0, 7, 900_000_000)), ("audio", (1, 900_000_000))])
def test_samples_beyond(theirs: Board, ours: Board, plugin: str, beyond: tuple[int, ...]) -> None:
    """Steps that have not so many pictures or sounds are left out, until none is left, as TensorBoard does."""
    for run, tags in theirs.get(f"/data/plugin/{plugin}/tags").items():
        for tag, about in tags.items():
            for sample in (about["samples"] - 1, *(about["samples"] + more for more in beyond)):
                asked = {"run": run, "tag": tag, "sample": sample}
                expected = theirs.get(f"/data/plugin/{plugin}/{plugin}", **asked)
                assert ours.get(f"/data/plugin/{plugin}/{plugin}", **asked) == expected, asked
                assert bool(expected) == (sample < about["samples"])


def test_the_first_sample_beyond_of_sounds(ours: Board) -> None:
    """TensorBoard fails where a step has one sound less than was asked for; the viewer's list is empty."""
    assert ours.get("/data/plugin/audio/audio", run="media", tag="sound", sample="1") == []


@pytest.mark.parametrize("text", ["1", "[1]", "null", "[" * 100_000, json.dumps([{"tag": "x"}] * 10_001)])
def test_questions_that_are_none(ours: Board, text: str) -> None:
    """What TensorBoard fails on is refused with a sentence."""
    answer = ours.ask("/data/plugin/timeseries/timeSeries", {"requests": text})

    assert (answer.status, answer.type) == (400, "text/plain; charset=utf-8")
    assert answer.body.startswith(b"Invalid argument: ")


def test_two_tags_at_once(theirs: Board, ours: Board) -> None:
    """Many runs can be asked for, many tags cannot."""
    for form in ({"runs": "ours"}, {"tag": ["loss", "long"], "runs": "ours"}):
        expected = theirs.ask("/data/plugin/scalars/scalars_multirun", form)
        answer = ours.ask("/data/plugin/scalars/scalars_multirun", form)
        assert answer.status == expected.status == 400
        assert answer.body == b"Invalid argument: tag must be specified exactly once" == expected.body
    assert ours.ask("/data/plugin/scalars/scalars_multirun").status == 405
