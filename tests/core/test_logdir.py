"""`tb.read`: every kind of value comes back as it was logged, from every writer, and only when it is asked for."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tallyboard as tb
from tallyboard.core import reader as reader_module
from tallyboard.core.errors import CorruptRecord, InvalidSummary


def picture(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (3, 4, 5), np.uint8)


@pytest.fixture(scope="module")
def logdir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three runs, with everything that our writer can log in the first one."""
    folder = tmp_path_factory.mktemp("runs")
    with tb.SummaryWriter(folder / "a") as writer:
        writer.add_hparams({"lr": 0.5, "opt": "sgd", "aug": True}, {"acc": 0.25})
        for i in range(100):
            writer.add_scalar("loss", i / 2, i, walltime=1000.0 + i)
        for i in range(3):
            writer.add_image("samples", picture(i), i, walltime=2000.0 + i)
            writer.add_text("notes", f"text {i}", i)
        writer.add_histogram("weights", np.array([1.0, 2.0, 2.0, 3.0]), 1, bins="fd")
        writer.add_audio("sound", np.array([0.0, 0.5, -0.5, 1.0]), 2, sample_rate=8000)
        writer.add_tensor("tensor", np.arange(6, dtype=np.int64).reshape(2, 3), 3)
        writer.add_pr_curve("pr", [0, 1, 1, 0], [0.1, 0.9, 0.4, 0.6], 4, num_thresholds=5)
        writer.add_roc_curve("roc", [0, 1, 1, 0], [0.1, 0.9, 0.4, 0.6], 4, num_thresholds=5)
        triangle = np.array([[[0, 0, 0], [1, 0, 0], [0, 1, 0]]], np.float32)
        writer.add_mesh("mesh", triangle, faces=[[[0, 1, 2]]], global_step=5, config_dict={"camera": {"cls": "x"}})
        writer.add_embedding(np.eye(3), metadata=["x", "y", "z"], tag="vectors", global_step=6)
        writer.add_video("clip", b"\x00\x00\x00\x18ftypisom" + bytes(40), 7)
    for name in ("b/seed1", "b/seed2"):
        with tb.SummaryWriter(folder / name) as writer:
            writer.add_scalar("loss", 1.0, 0)
            writer.add_scalar("val/acc", 0.5, 0)
    return folder


def test_a_logdir_is_a_mapping(logdir: Path) -> None:
    """Runs are had by name, iterated in natural order, and counted; a wrong name says which there are."""
    runs = tb.read(logdir)
    assert runs.runs == list(runs) == ["a", "b/seed1", "b/seed2"]
    assert len(runs) == 3
    assert "a" in runs
    assert "c" not in runs
    assert runs["a"].name == "a"
    assert [run.name for run in runs.values()] == runs.runs
    assert runs["b/seed1"].path == str(logdir / "b" / "seed1")
    with pytest.raises(KeyError, match=re.escape("no run 'b/seed3' in ")) as caught:
        runs["b/seed3"]
    assert "there is 'b/seed2', 'b/seed1', ..." in str(caught.value)
    assert runs.get("b/seed3") is None


def test_tags_by_kind(logdir: Path) -> None:
    """Tags are listed under their kinds; the parts of a mesh are one."""
    assert tb.read(logdir)["a"].tags == {
        "audio": ["sound"],
        "histograms": ["weights"],
        "hparams": ["_hparams_/experiment", "_hparams_/session_end_info", "_hparams_/session_start_info"],
        "images": ["samples"],
        "mesh": ["mesh"],
        "pr_curves": ["pr", "roc"],
        "scalars": ["acc", "loss"],
        "tensor": ["tensor"],
        "text": ["clip/text_summary", "notes/text_summary"],
        "video": ["clip"],
    }
    assert tb.read(logdir).tags()["scalars"] == ["acc", "loss", "val/acc"]


def test_scalars(logdir: Path) -> None:
    """A series is its columns, points, slices, masks and extremes."""
    loss = tb.read(logdir)["a"].scalar("loss")
    assert (loss.run, loss.tag, len(loss)) == ("a", "loss", 100)
    assert (loss.step.dtype, loss.wall_time.dtype, loss.value.dtype) == (np.int64, np.float64, np.float32)
    assert loss.last == loss.max == loss.best("max") == loss[99] == (99, 1099.0, 49.5)
    assert loss.min == loss.best("min") == (0, 1000.0, 0.0)
    assert loss[10:12].value.tolist() == [5.0, 5.5]
    assert loss[loss.step >= 98].step.tolist() == [98, 99]
    assert loss.smooth(0.5).value[:2].tolist() == [0.0, 0.25 / 0.75]
    assert loss.resample([10, 12]).value.tolist() == [5.0, 6.0]
    assert loss.resample(2, "count").value.tolist() == [50.0, 50.0]
    with pytest.raises(InvalidSummary, match=r"best\('lowest'\): say 'min' or 'max'"):
        loss.best("lowest")  # type: ignore[arg-type]


def test_extremes_pass_over_nan(tmp_path: Path) -> None:
    """NaN is the smallest or largest only where there is nothing else; a slice without points has none."""
    with tb.SummaryWriter(tmp_path) as writer:
        for i, value in enumerate([float("nan"), 2.0, 1.0, 1.0]):
            writer.add_scalar("x", value, i)
        writer.add_scalar("none", float("nan"), 7)
    run = tb.read(tmp_path)["."]
    assert (run.scalar("x").min.step, run.scalar("x").max.step) == (2, 1)
    assert run.scalar("none").min.step == 7
    with pytest.raises(IndexError, match="has no points"):
        _ = run.scalar("x")[:0].max


def test_images(logdir: Path) -> None:
    """Pictures come back to the pixel, with step, time and size."""
    images = tb.read(logdir)["a"].images("samples")
    assert images.step.tolist() == [0, 1, 2]
    assert [image.wall_time for image in images] == [2000.0, 2001.0, 2002.0]
    assert (images[1].width, images[1].height, images[1].content_type) == (5, 4, "image/png")
    pytest.importorskip("PIL")
    for i, image in enumerate(images):
        np.testing.assert_array_equal(image.array(), picture(i).transpose(1, 2, 0))
    np.testing.assert_array_equal(images.at(2).array(), images[-1].array())
    with pytest.raises(KeyError, match="has no step 9; it has 3 points, steps 0 to 2"):
        images.at(9)


def test_audio(logdir: Path) -> None:
    """Sound comes back to 16 bits."""
    sound = tb.read(logdir)["a"].audio("sound")[0]
    samples, rate = sound.array()
    assert (sound.step, sound.sample_rate, sound.content_type, rate) == (2, 8000.0, "audio/wav", 8000)
    assert samples.shape == (4, 1)
    np.testing.assert_allclose(samples[:, 0], [0.0, 0.5, -0.5, 1.0], atol=2**-15)


def test_texts_tensors_and_videos(logdir: Path) -> None:
    """Texts, tensors and videos come back as they were."""
    run = tb.read(logdir)["a"]
    assert [text.value for text in run.text("notes/text_summary")] == ["text 0", "text 1", "text 2"]
    tensor = run.tensors("tensor")[0].array
    assert tensor.dtype == np.int64
    assert tensor.tolist() == [[0, 1, 2], [3, 4, 5]]
    video = run.videos("clip")[0]
    assert (video.content_type, len(video.encoded)) == ("video/mp4", 52)


def test_histograms(logdir: Path) -> None:
    """A histogram has the sums of its values, and edges that begin and end at the smallest and the largest."""
    found = tb.read(logdir)["a"].histograms("weights")[0]
    assert (found.min, found.max, found.num, found.sum, found.sum_squares) == (1.0, 3.0, 4.0, 8.0, 18.0)
    assert (found.edges[0], found.edges[-1], found.counts.sum()) == (1.0, 3.0, 4.0)
    assert len(found.edges) == len(found) + 1
    assert (found.quantile(0), found.quantile(1)) == (1.0, 3.0)


def test_curves_and_meshes(logdir: Path) -> None:
    """Curves know their kind and thresholds, meshes all of their parts."""
    run = tb.read(logdir)["a"]
    pr, roc = run.pr_curves("pr")[0], run.pr_curves("roc")[0]
    assert (pr.kind, roc.kind) == ("pr", "roc")
    assert pr.thresholds.tolist() == [0.0, 0.25, 0.5, 0.75, 1.0]
    assert pr.true_positives.tolist() == [2, 2, 1, 1, 0]
    assert pr.recall[0] == 1.0
    assert (roc.thresholds.tolist(), roc.area) == (pr.thresholds.tolist(), 0.75)
    assert roc.true_positives.tolist() == pr.true_positives.tolist()
    np.testing.assert_allclose(roc.precision, pr.precision)
    np.testing.assert_allclose(roc.recall, pr.recall)
    assert roc.false_positive_rate.tolist() == [1.0, 0.5, 0.5, 0.0, 0.0]
    mesh = run.meshes("mesh")[0]
    assert mesh.vertices.tolist() == [[[0, 0, 0], [1, 0, 0], [0, 1, 0]]]
    assert mesh.faces is not None
    assert mesh.faces.tolist() == [[[0, 1, 2]]]
    assert mesh.colors is None
    assert mesh.config == {"camera": {"cls": "x"}}


def test_hparams_and_embeddings(logdir: Path) -> None:
    """Hyperparameters keep their types and say how the run went; an embedding is its vectors and labels."""
    runs = tb.read(logdir)
    found = runs["a"].hparams
    assert found is not None
    assert found.values == {"aug": True, "lr": 0.5, "opt": "sgd"}
    assert found.status == "success"
    assert found.metrics == {"acc": 0.25}
    assert found.start_time is not None
    assert found.end_time is not None
    assert found.end_time >= found.start_time
    assert runs["b/seed1"].hparams is None
    embedding = runs["a"].embeddings["vectors:00006"]
    assert embedding.array().tolist() == np.eye(3).tolist()
    assert embedding.metadata() == [["x"], ["y"], ["z"]]
    assert runs["b/seed1"].embeddings == {}


def test_running_and_failed_sessions(tmp_path: Path) -> None:
    """A run without an end is running; one that an exception ended has failed."""
    writer = tb.SummaryWriter(tmp_path / "on")
    writer.add_hparams({"x": 1}, {})
    writer.flush()
    with pytest.raises(RuntimeError, match="no"), tb.SummaryWriter(tmp_path / "off") as failing:  # noqa: PT012
        failing.add_hparams({"x": 1}, {})
        raise RuntimeError("no")
    runs = tb.read(tmp_path)
    assert [runs[name].hparams.status for name in ("on", "off")] == ["running", "failure"]  # type: ignore[union-attr]
    writer.close()
    runs.refresh()
    assert runs["on"].hparams.status == "success"  # type: ignore[union-attr]


def test_graph(tmp_path: Path) -> None:
    """A graph is its message."""
    torch = pytest.importorskip("torch")
    with tb.SummaryWriter(tmp_path) as writer:
        writer.add_graph(torch.nn.Linear(2, 3), torch.zeros(1, 2))
    graph = tb.read(tmp_path)["."].graph
    assert graph is not None
    run = tb.read(tmp_path)["."]
    assert run["__run_graph__"][0] == graph
    assert run.run_metadata("step1")[0].step_stats.dev_stats[0].device == "/device:CPU:0"
    assert [(node.op, node.attr["weights"].s) for node in graph.node if node.attr["weights"].s] == [
        ("linear", b"weight bias")
    ]


def test_whatever_has_the_tag(logdir: Path) -> None:
    """`run[tag]` is a series or the values of the right kind; an unknown tag names what is near."""
    run = tb.read(logdir)["a"]
    assert run["loss"].step.tolist() == list(range(100))
    kinds = {tag: type(run[tag][0]).__name__ for tag in ("samples", "sound", "weights", "tensor", "pr", "mesh", "clip")}
    assert kinds == {
        "samples": "Image",
        "sound": "Audio",
        "weights": "Histogram",
        "tensor": "Tensor",
        "pr": "Curve",
        "mesh": "Mesh",
        "clip": "Video",
    }
    assert "loss" in run
    assert "los" not in run
    for call, text in (
        (lambda: run["los"], "run 'a' has no tag 'los'; there is 'loss', ..."),
        (lambda: run.scalar("sample"), "run 'a' has no scalar 'sample'; there is 'acc', 'loss'"),
        (lambda: run.images("loss"), "run 'a' has no images 'loss'; there is 'samples'"),
        (lambda: run.meshes("m"), "run 'a' has no mesh 'm'; there is 'mesh'"),
    ):
        with pytest.raises(KeyError, match=re.escape(text)):
            call()


def test_metadata(tmp_path: Path) -> None:
    """What a tag's first value says of it can be had, and the message itself."""
    with tb.SummaryWriter(tmp_path) as writer:
        writer.add_histogram("h", np.array([1.0, float("nan")]), 0)
    run = tb.read(tmp_path)["."]
    assert run.metadata("histograms", "h").plugin_data.plugin_name == "histograms"
    assert "1" in run.metadata("histograms", "h").summary_description
    assert run.messages("histograms", "h")[0].tag == "h"


def test_filters(logdir: Path) -> None:
    """Expressions choose runs and tags; a filtered logdir follows the same files."""
    runs = tb.read(logdir, runs="^b/", tags="^val/")
    assert runs.runs == ["b/seed1", "b/seed2"]
    assert list(runs.scalars()) == [("b/seed1", "val/acc"), ("b/seed2", "val/acc")]
    assert "loss" not in runs["b/seed1"]
    with pytest.raises(KeyError, match="no scalar 'loss'"):
        runs["b/seed1"].scalar("loss")
    with pytest.raises(KeyError, match="no run 'a'"):
        runs["a"]
    assert tb.read(logdir).filter(tags="^mesh$")["a"].meshes("mesh")[0].step == 5
    assert runs.filter(runs="1$").runs == ["b/seed1"]
    with pytest.raises(InvalidSummary, match=re.escape("runs='(' is no regular expression")):
        tb.read(logdir, runs="(")


def test_superseded_points(tmp_path: Path) -> None:
    """What a restart took the place of is hidden, and shown when asked for; so too with texts."""
    for purge, steps in ((None, range(6)), (3, range(3, 5))):
        with tb.SummaryWriter(tmp_path, purge_step=purge) as writer:
            for step in steps:
                writer.add_scalar("loss", step + (0 if purge is None else 100), step)
                writer.add_text("t", f"{step} {purge}", step)
    run = tb.read(tmp_path)["."]
    assert run.scalar("loss").value.tolist() == [0, 1, 2, 103, 104]
    assert run.scalar("loss").restarts.tolist() == [3]
    assert [text.value for text in run.text("t/text_summary")][2:] == ["2 None", "3 3", "4 3"]
    everything = tb.read(tmp_path, superseded=True)
    assert everything["."].scalar("loss").value.tolist() == [0, 1, 2, 3, 4, 5, 103, 104]
    assert [text.step for text in everything["."].text("t/text_summary")] == [0, 1, 2, 3, 4, 5, 3, 4]
    assert everything.filter(superseded=False)["."].scalar("loss").step.tolist() == [0, 1, 2, 3, 4]


def test_tags_of_which_nothing_stands(tmp_path: Path) -> None:
    """A tag whose every point is superseded is listed and read when those are asked for, and only then."""
    with tb.SummaryWriter(tmp_path) as writer:
        writer.add_scalar("loss", 1.0, 5)
        writer.add_scalar("gone", 2.0, 6)
        writer.add_text("gone_too", "text", 7)
    with tb.SummaryWriter(tmp_path, purge_step=6) as writer:
        writer.add_scalar("loss", 3.0, 6)
    run = tb.read(tmp_path)["."]
    assert run.tags == {"scalars": ["loss"]}
    everything = tb.read(tmp_path, superseded=True)["."]
    assert everything.tags == {"scalars": ["gone", "loss"], "text": ["gone_too/text_summary"]}
    assert everything.scalar("gone").value.tolist() == [2.0]
    assert [text.value for text in everything.text("gone_too/text_summary")] == ["text"]


def test_nothing_is_fetched_before_it_is_asked_for(logdir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Listing, counting and steps touch no file; one value reads that record and the tag's first, no other."""
    run = tb.read(logdir)["a"]
    fetched: list[int] = []
    real = reader_module.LogdirReader.fetch

    def fetch(self: Any, ref: Any) -> bytes:
        fetched.append(ref.offset)
        return real(self, ref)

    monkeypatch.setattr(reader_module.LogdirReader, "fetch", fetch)
    images = run.images("samples")
    assert (len(images), images.step.tolist()) == (3, [0, 1, 2])
    assert fetched == []
    _ = images[2]
    _ = images[2]
    assert len(set(fetched)) == 2
    assert len(fetched) == 3


def test_a_value_that_was_damaged_since(tmp_path: Path) -> None:
    """A record whose bytes changed after it was found raises when asked for; the others are there."""
    with tb.SummaryWriter(tmp_path) as writer:
        for i in range(3):
            writer.add_text("t", f"text {i} " + "x" * 100, i)
    run = tb.read(tmp_path)["."]
    path = next(tmp_path.glob("*tfevents*"))
    data = bytearray(path.read_bytes())
    data[data.index(b"text 1") + 2] ^= 1
    path.write_bytes(bytes(data))
    texts = run.text("t/text_summary")
    assert texts[0].value.startswith("text 0")
    with pytest.raises(CorruptRecord, match=r"the checksum of the .* bytes at .* fails"):
        texts[1]
    assert texts[2].value.startswith("text 2")
    assert tb.read(tmp_path)["."].text("t/text_summary").step.tolist() == [0, 2]


def test_refresh(tmp_path: Path) -> None:
    """What has come since is there after `refresh`, in runs that are already held too."""
    with tb.SummaryWriter(tmp_path / "x") as writer:
        writer.add_scalar("a", 1.0, 0)
        writer.flush()
        runs = tb.read(tmp_path)
        run = runs["x"]
        writer.add_scalar("a", 2.0, 1)
        writer.add_scalar("b", 2.0, 1)
    assert runs.refresh()
    assert run.scalar("a").value.tolist() == [1.0, 2.0]
    assert run.tags == {"scalars": ["a", "b"]}
    assert not runs.refresh()


def test_reprs(logdir: Path) -> None:
    """What a console and a notebook show names the thing and is escaped."""
    runs = tb.read(logdir)
    assert repr(runs) == f"Logdir({str(logdir)!r}: 3 runs)"
    assert repr(runs["b/seed1"]) == "Run('b/seed1': 2 scalars)"
    assert repr(runs["a"]["loss"]) == "Series(run='a', tag='loss': 100 points, steps 0 to 99, last value 49.5)"
    assert repr(runs["a"].images("samples")) == "Values(run='a', tag='samples': 3 points, steps 0 to 2)"
    assert repr(runs["a"].images("samples")[0]) == "Image(step=0, wall_time=2000.0, width=5, height=4)"
    assert "Run(&#x27;b/seed1&#x27;: 2 scalars)" in runs._repr_html_()


def test_html_is_escaped(tmp_path: Path) -> None:
    """A tag or a run with markup in its name shows as text."""
    with tb.SummaryWriter(tmp_path / "<b>run") as writer:
        writer.add_scalar("<script>x", 1.0)
    runs = tb.read(tmp_path)
    shown = runs._repr_html_() + runs["<b>run"]._repr_html_() + runs["<b>run"]["<script>x"]._repr_html_()
    assert "<script>" not in shown
    assert "<b>run" not in shown


def test_aggregate(tmp_path: Path) -> None:
    """Runs are grouped by an expression, a function or their hyperparameters, and averaged."""
    for seed, lr in ((1, 0.1), (2, 0.1), (3, 0.5)):
        with tb.SummaryWriter(tmp_path / f"net/seed{seed}") as writer:
            writer.add_hparams({"lr": lr, "seed": seed}, {})
            for step in range(3):
                writer.add_scalar("loss", seed * step, step)
    with tb.SummaryWriter(tmp_path / "other") as writer:
        writer.add_scalar("loss", 100.0, 0)
    runs = tb.read(tmp_path)

    band = tb.aggregate(runs, by=r"^(.+)/seed\d+$")["net", "loss"]
    assert (band.runs, band.step.tolist()) == (("net/seed1", "net/seed2", "net/seed3"), [0, 1, 2])
    assert band.mean.tolist() == [0.0, 2.0, 4.0]
    assert band.upper.tolist() == [0.0, 3.0, 6.0]
    assert repr(band) == "Band(group='net', tag='loss': 3 runs, 3 points, steps 0 to 2)"

    by_lr = tb.aggregate(runs, hparam="lr", band="minmax", tags="^loss$")
    assert {key: found.runs for key, found in by_lr.items()} == {
        ("lr=0.1", "loss"): ("net/seed1", "net/seed2"),
        ("lr=0.5", "loss"): ("net/seed3",),
    }
    assert list(tb.aggregate(runs, hparam=["lr", "seed"])) == [
        ("lr=0.1,seed=1", "loss"),
        ("lr=0.1,seed=2", "loss"),
        ("lr=0.5,seed=3", "loss"),
    ]
    assert tb.aggregate(runs)["", "loss"].count.tolist() == [4, 3, 3]
    assert list(tb.aggregate([runs["other"]], by=lambda run: run.name.upper())) == [("OTHER", "loss")]
    with pytest.raises(InvalidSummary, match="give by or hparam, not both"):
        tb.aggregate(runs, by="x", hparam="lr")
