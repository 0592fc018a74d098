"""Wrong calls of every `add_*`: an error at the call that says all, and a writer and a file that stay whole."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tallyboard as tb

Log = Callable[[tb.SummaryWriter], object]
Seen = Callable[[Path], list[Any]]

LONE = "a\ud800b"  # a text that no UTF-8 can carry
PIXELS = np.zeros((3, 4, 4))

# What is called, the argument that is wrong, and words of what came and of the cure.
WRONG: dict[str, tuple[Log, str, str, str]] = {
    # wrong rank
    "add_scalar rank": (lambda w: w.add_scalar("t", np.zeros(3)), "one number", "(3,)", "mean()"),
    "add_scalars rank": (lambda w: w.add_scalars("t", {"a": [1, 2]}), "one number", "2 elements", "reduce"),
    "log rank": (lambda w: w.log({"t": np.zeros((2, 2))}), "one number", "(2, 2)", "mean()"),
    "add_image rank": (lambda w: w.add_image("t", np.zeros((2, 3, 4, 4, 4))), "img_tensor", "(2, 3, 4, 4, 4)", "log"),
    "add_images rank": (lambda w: w.add_images("t", PIXELS), "img_tensor", "(3, 4, 4)", "dataformats='CHW'"),
    "add_image_with_boxes rank": (
        lambda w: w.add_image_with_boxes("t", PIXELS, np.zeros(4)),
        "box_tensor",
        "(4,)",
        "box[None]",
    ),
    "add_video rank": (lambda w: w.add_video("t", PIXELS), "vid_tensor", "(3, 4, 4)", "dataformats"),
    "add_audio rank": (lambda w: w.add_audio("t", np.zeros((9, 9, 9))), "snd_tensor", "(9, 9, 9)", ""),
    "add_pr_curve rank": (lambda w: w.add_pr_curve_raw("t", *[np.zeros((2, 2))] * 6), "true_positive", "(2, 2)", ""),
    "add_mesh rank": (lambda w: w.add_mesh("t", np.zeros(3)), "vertices", "(3,)", "last dimension"),
    "add_embedding rank": (lambda w: w.add_embedding(np.zeros(3)), "mat", "(3,)", "mat[None, :]"),
    "add_embedding pictures' rank": (
        lambda w: w.add_embedding(np.zeros((2, 3)), label_img=np.zeros((2, 4, 4))),
        "label_img",
        "(2, 4, 4)",
        "moveaxis",
    ),
    "add_confusion_matrix rank": (lambda w: w.add_confusion_matrix("t", matrix=np.zeros(3)), "matrix", "(3,)", ""),
    "add_table rank": (lambda w: w.add_table("t", 3), "rows of cells", "int", "mapping"),
    # wrong type of elements
    "add_scalar dtype": (lambda w: w.add_scalar("t", "0.5"), "one number", "'0.5'", "float()"),
    "add_histogram dtype": (lambda w: w.add_histogram("t", ["a"]), "values", "list", "numpy.asarray"),
    "add_histogram_raw dtype": (
        lambda w: w.add_histogram_raw("t", "low", 1, 1, 1, 1, [1], [1]),
        "min",
        "str",
        "",
    ),
    "add_tensor dtype": (lambda w: w.add_tensor("t", np.array([None])), "tensor", "object", "numpy.asarray"),
    "add_image dtype": (lambda w: w.add_image("t", PIXELS.astype(complex)), "img_tensor", "complex", "real part"),
    "add_audio dtype": (lambda w: w.add_audio("t", np.zeros(9, np.uint32)), "snd_tensor", "uint32", "int16"),
    "add_pr_curve dtype": (lambda w: w.add_pr_curve("t", ["a"], [0.5]), "labels", "list", "numpy.asarray"),
    "add_roc_curve dtype": (lambda w: w.add_roc_curve("t", [1], ["b"]), "predictions", "list", "numpy.asarray"),
    "add_mesh dtype": (lambda w: w.add_mesh("t", [["a", "b", "c"]]), "vertices", "list", "numpy.asarray"),
    "add_text dtype": (lambda w: w.add_text("t", 3), "string", "int", "str()"),
    "add_figure dtype": (lambda w: w.add_figure("t", 3), "figure", "int", ""),
    "add_custom_scalars dtype": (lambda w: w.add_custom_scalars([1]), "layout", "list", ""),
    "add_hparams dtype": (lambda w: w.add_hparams([1], {}), "hparam_dict", "list", ""),
    "add_hparams metric": (lambda w: w.add_hparams({"a": 1}, {"b": "c"}), "one number", "'c'", "float()"),
    "add_graph": (lambda w: w.add_graph(3), "model", "int", "ONNX"),
    "add_onnx_graph": (lambda w: w.add_onnx_graph("/nowhere.onnx"), "add_onnx_graph", "nowhere.onnx", ""),
    "add_openvino_graph": (lambda w: w.add_openvino_graph("/nowhere.xml"), "add_openvino_graph", "nowhere.xml", ""),
    # dataformats
    "add_image dataformats": (lambda w: w.add_image("t", PIXELS, dataformats="CWX"), "dataformats", "CWX", "NCHW"),
    "add_images dataformats": (lambda w: w.add_images("t", PIXELS, dataformats=3), "dataformats", "int", "CHW"),
    "add_image_with_boxes dataformats": (
        lambda w: w.add_image_with_boxes("t", PIXELS, np.zeros((1, 4)), dataformats="HW"),
        "dataformats",
        "HW",
        "dataformats='CHW'",
    ),
    "add_video dataformats": (
        lambda w: w.add_video("t", np.zeros((1, 1, 3, 2, 2)), dataformats="XYZ"),
        "dataformats",
        "XYZ",
        "NTCHW",
    ),
    "add_audio dataformats": (lambda w: w.add_audio("t", [0.5], dataformats="XY"), "dataformats", "XY", "leave it out"),
    # mismatches
    "add_pr_curve mismatch": (lambda w: w.add_pr_curve("t", [1, 0], [0.5]), "labels", "(1,)", ""),
    "add_roc_curve mismatch": (lambda w: w.add_roc_curve("t", [1, 0], [0.5]), "labels", "(1,)", ""),
    "add_pr_curve weights": (lambda w: w.add_pr_curve("t", [1, 0], [0.5, 0.5], weights=[1, 2, 3]), "weights", "3", ""),
    "add_pr_curve_raw mismatch": (
        lambda w: w.add_pr_curve_raw("t", [1], [1], [1], [1], [1], [1, 2]),
        "recall",
        "2",
        "",
    ),
    "add_confusion_matrix mismatch": (lambda w: w.add_confusion_matrix("t", [1, 0], [1]), "labels", "1", ""),
    "add_histogram_raw mismatch": (
        lambda w: w.add_histogram_raw("t", 0, 1, 1, 1, 1, [1, 2], [1]),
        "bucket_limits",
        "2",
        "",
    ),
    "add_image_with_boxes labels": (
        lambda w: w.add_image_with_boxes("t", PIXELS, np.zeros((2, 4)), labels=["a"]),
        "labels",
        "1 labels for 2 boxes",
        "one for each",
    ),
    "add_mesh mismatch": (
        lambda w: w.add_mesh("t", np.zeros((1, 4, 3)), colors=np.zeros((1, 5, 3))),
        "colors",
        "(1, 5, 3)",
        "one for each vertex",
    ),
    "add_embedding one row too many": (
        lambda w: w.add_embedding(np.zeros((3, 2)), metadata=["a", "b", "c", "d"]),
        "metadata",
        "4",
        "one entry for each row",
    ),
    "add_embedding one picture too many": (
        lambda w: w.add_embedding(np.zeros((3, 2)), label_img=np.zeros((4, 3, 2, 2))),
        "label_img",
        "4",
        "one for each row",
    ),
    "add_table mismatch": (lambda w: w.add_table("t", {"a": [1], "b": [1, 2]}), "columns", "2 in 'b'", ""),
    "add_custom_scalars_marginchart": (
        lambda w: w.add_custom_scalars_marginchart(["a", "b"]),
        "margin",
        "got 2",
        "",
    ),
    "add_custom_scalars_multilinechart": (lambda w: w.add_custom_scalars_multilinechart("a"), "tags", "'a'", ""),
    # empty
    "add_scalar empty": (lambda w: w.add_scalar("t", np.array([])), "one number", "0 elements", ""),
    "add_histogram empty": (lambda w: w.add_histogram("t", []), "values", "(0,)", "skip the call"),
    "add_image empty": (lambda w: w.add_image("t", np.zeros((3, 0, 4))), "img_tensor", "(3, 0, 4)", "at least one"),
    "add_images empty": (lambda w: w.add_images("t", np.zeros((0, 3, 4, 4))), "img_tensor", "(0, 3, 4, 4)", ""),
    "add_video empty": (lambda w: w.add_video("t", np.zeros((1, 0, 3, 4, 4))), "vid_tensor", "(1, 0, 3, 4, 4)", ""),
    "add_video no file": (lambda w: w.add_video("t", b"nothing"), "vid_tensor", "MP4", ""),
    "add_audio empty": (lambda w: w.add_audio("t", []), "snd_tensor", "list", "at least one"),
    "add_pr_curve empty": (lambda w: w.add_pr_curve("t", [], []), "labels", "0", ""),
    "add_embedding empty": (lambda w: w.add_embedding(np.zeros((0, 3))), "mat", "(0, 3)", ""),
    "add_figure empty": (lambda w: w.add_figure("t", []), "figures", "empty", "at least one"),
    "add_table empty": (lambda w: w.add_table("t", []), "table", "no columns", "at least one"),
    # out of range
    "add_mesh colour": (
        lambda w: w.add_mesh("t", np.zeros((1, 2, 3)), colors=np.full((1, 2, 3), 256)),
        "colors",
        "256",
        "scale",
    ),
    "add_mesh faces": (
        lambda w: w.add_mesh("t", np.zeros((1, 3, 3)), faces=np.full((1, 1, 3), 3)),
        "faces",
        "3",
        "0 to 2",
    ),
    "add_pr_curve range": (lambda w: w.add_pr_curve("t", [0, 2], [0.5, 0.5]), "labels", "2", ""),
    "add_roc_curve range": (lambda w: w.add_roc_curve("t", [0, 1], [0.5, 1.5]), "predictions", "1.5", ""),
    "add_audio rate": (lambda w: w.add_audio("t", [0.5], sample_rate=0), "sample_rate", "0", "44100"),
    "add_video fps": (lambda w: w.add_video("t", np.zeros((1, 1, 3, 2, 2)), fps=-1), "fps", "-1", ""),
    "add_image_with_boxes rescale": (
        lambda w: w.add_image_with_boxes("t", PIXELS, np.zeros((1, 4)), rescale=0),
        "rescale",
        "0",
        "keeps the size",
    ),
    "add_histogram bins": (lambda w: w.add_histogram("t", [1.0], bins="none"), "bins", "none", ""),
    "add_scalar step": (lambda w: w.add_scalar("t", 1.0, 2**63), "step", str(2**63), "64-bit"),
    "add_image step": (lambda w: w.add_image("t", PIXELS, 0.5), "step", "0.5", "int()"),
    "add_text walltime": (lambda w: w.add_text("t", "a", walltime="now"), "walltime", "str", "time.time()"),
    # not UTF-8
    "add_scalar tag": (lambda w: w.add_scalar(LONE, 1.0), "tag", "\\ud800", "remove"),
    "add_text utf8": (lambda w: w.add_text("t", LONE), "text", "character 1", "errors='replace'"),
    "add_table utf8": (lambda w: w.add_table("t", [[LONE]]), "cell", "character 1", "errors='replace'"),
    "add_figure utf8": (lambda w: w.add_figure("t", f"<p>{LONE}"), "figure", "character", ""),
    "add_embedding tag": (lambda w: w.add_embedding(np.zeros((2, 2)), tag=LONE), "tag", "\\ud800", "remove"),
    "add_embedding long tag": (
        lambda w: w.add_embedding(np.zeros((2, 2)), tag="x" * 10_000),
        "tag",
        "too long",
        "shorten",
    ),
    "add_hparams utf8": (lambda w: w.add_hparams({LONE: 1}, {}), "hparam", "\\ud800", ""),
    "add_custom_scalars utf8": (
        lambda w: w.add_custom_scalars({"a": {LONE: ["Multiline", ["t"]]}}),
        "add_custom_scalars",
        "character",
        "",
    ),
}


def test_every_method_is_called_wrongly() -> None:
    """The table has a case for each public method that takes a value."""
    methods = {name for name in vars(tb.SummaryWriter) if name.startswith("add_")}
    for base in tb.SummaryWriter.__mro__:
        methods |= {name for name, thing in vars(base).items() if name.startswith("add_") and inspect.isfunction(thing)}
    assert methods - {name.split()[0] for name in WRONG} == set()


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_call_says_what_why_and_what_to_do(case: str, tmp_path: Path, seen_in: Seen) -> None:
    """The error names the method, the argument, what came and the cure; what was logged around it is whole."""
    if case.startswith("add_onnx"):
        pytest.importorskip("onnx")
    call, argument, came, cure = WRONG[case]
    with tb.SummaryWriter(tmp_path) as writer:
        writer.add_scalar("before", 1.0, 1)
        with pytest.raises(tb.UnsupportedModel if case == "add_graph" else tb.InvalidSummary) as error:
            call(writer)
        writer.add_scalar("after", 2.0, 2)
        writer.add_text("after", "still here", 2)

    said = str(error.value)
    assert said.startswith(case.split()[0]), said
    assert argument in said, said
    assert came in said, said
    assert cure in said, said
    assert said.isprintable(), "it is one line that a terminal can show"
    assert len(said) < 600, said
    assert error.value.__cause__ is None
    found = [(one.tag, one.step) for one in seen_in(tmp_path)]
    assert found == [("before", 1), ("after", 2), ("after/text_summary", 2)]
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == []


FINE: dict[str, Log] = {
    "add_scalar nan": lambda w: w.add_scalar("t", float("nan")),
    "add_histogram all NaN": lambda w: w.add_histogram("t", np.full(9, np.nan)),
    "add_tensor all NaN": lambda w: w.add_tensor("t", np.full(9, np.nan)),
    "add_tensor empty": lambda w: w.add_tensor("t", np.zeros((0, 3))),
    "add_image all NaN": lambda w: w.add_image("t", np.full((3, 4, 4), np.nan)),
    "add_image out of range": lambda w: w.add_image("t", np.linspace(-9, 9, 48).reshape(3, 4, 4)),
    "add_image_with_boxes none": lambda w: w.add_image_with_boxes("t", PIXELS, np.zeros((0, 4))),
    "add_audio all NaN": lambda w: w.add_audio("t", np.full(9, np.nan)),
    "add_audio out of range": lambda w: w.add_audio("t", np.linspace(-9, 9, 9)),
    "add_video all NaN": lambda w: w.add_video("t", np.full((1, 2, 3, 4, 4), np.nan)),
    "add_pr_curve all NaN": lambda w: w.add_pr_curve("t", [1, 0], [np.nan, np.nan]),
    "add_roc_curve all NaN": lambda w: w.add_roc_curve("t", [1, 0], [np.nan, np.nan]),
    "add_pr_curve one class": lambda w: w.add_pr_curve("t", [1, 1], [0.5, 0.25]),
    "add_mesh all NaN": lambda w: w.add_mesh("t", np.full((1, 2, 3), np.nan)),
    "add_text empty": lambda w: w.add_text("t", ""),
    "add_text no strings": lambda w: w.add_text("t", []),
    "add_text replaced": lambda w: w.add_text("t", b"caf\xe9".decode("utf-8", "replace")),
    "add_table all NaN": lambda w: w.add_table("t", np.full((2, 2), np.nan)),
    "add_confusion_matrix zeros": lambda w: w.add_confusion_matrix("t", matrix=np.zeros((2, 2), int)),
    "add_hparams all NaN": lambda w: w.add_hparams({"a": float("nan")}, {"b": float("nan")}),
    "log nothing": lambda w: (w.log({}), w.add_scalar("t", 0.0)),
    "add_custom_scalars nothing": lambda w: w.add_custom_scalars({}),
}


@pytest.mark.parametrize("case", FINE)
def test_odd_values_that_can_be_shown_are(case: str, tmp_path: Path, seen_in: Seen) -> None:
    """NaN everywhere, nothing at all, too bright or too loud: written whole, and read by TensorBoard."""
    with tb.SummaryWriter(tmp_path) as writer:
        FINE[case](writer)
        writer.add_scalar("after", 2.0, 2)
    found = seen_in(tmp_path)
    assert len(found) >= 2
    assert found[-1].tag == "after" or "hparams" in case


LONG = "long/" + "x" * 9_995


LONG_TAGS: dict[str, Log] = {
    "add_scalar": lambda w: w.add_scalar(LONG, 0.5, 1),
    "log": lambda w: w.log({LONG: 0.5}, 1),
    "add_scalar new_style": lambda w: w.add_scalar(LONG, 0.5, 1, new_style=True),
    "add_histogram": lambda w: w.add_histogram(LONG, [1.0], 1),
    "add_image": lambda w: w.add_image(LONG, PIXELS, 1),
    "add_audio": lambda w: w.add_audio(LONG, [0.5], 1),
    "add_tensor": lambda w: w.add_tensor(LONG, [1], 1),
    "add_pr_curve": lambda w: w.add_pr_curve(LONG, [1, 0], [0.5, 0.5], 1),
    "add_table": lambda w: w.add_table(LONG, [[1]], 1),
    "add_scalars": lambda w: w.add_scalars(LONG, {"a": 1.0}, 1, mode="tags"),
}


@pytest.mark.parametrize("case", LONG_TAGS)
def test_a_tag_of_ten_thousand_characters(case: str, tmp_path: Path, seen_in: Seen) -> None:
    """A long tag is a tag, for TensorBoard and for our reader."""
    with tb.SummaryWriter(tmp_path) as writer:
        LONG_TAGS[case](writer)
        writer.add_scalar("after", 2.0, 2)
    assert {one.tag for one in seen_in(tmp_path)} >= {"after"}
    assert max(len(one.tag) for one in seen_in(tmp_path)) in (10_000, 10_002)
    assert tb.read(tmp_path).scalars()[".", "after"].value.tolist() == [2.0]


def test_a_text_of_100_megabytes(tmp_path: Path) -> None:
    """A very large text is written and read whole, and so is what comes after it."""
    text = "0123456789" * 10_000_000
    with tb.SummaryWriter(tmp_path) as writer:
        writer.add_text("huge", text, 1)
        writer.add_scalar("after", 2.0, 2)
    logdir = tb.read(tmp_path)
    assert logdir.texts()[".", "huge/text_summary"].value == [text]
    assert logdir.scalars()[".", "after"].value.tolist() == [2.0]


def test_tensorboard_reads_a_large_text(tmp_path: Path, seen_in: Seen) -> None:
    """TensorBoard has a text of ten megabytes whole, and what comes after it (a hundred take it a minute)."""
    text = "0123456789" * 1_000_000
    with tb.SummaryWriter(tmp_path) as writer:
        writer.add_text("large", text, 1)
        writer.add_scalar("after", 2.0, 2)
    found = seen_in(tmp_path)
    assert [(one.tag, one.step) for one in found] == [("large/text_summary", 1), ("after", 2)]
    assert found[0].array[0] == text.encode()


def test_runs_that_cannot_be_named(tmp_path: Path) -> None:
    """A run whose name leads out of the directory is refused, and nothing is torn."""
    with tb.SummaryWriter(tmp_path) as writer:
        with pytest.raises(tb.InvalidSummary, match=r"add_scalars.*outside"):
            writer.add_scalars("t", {"/../../x": 1.0})
        with pytest.raises(tb.InvalidSummary, match=r"add_hparams.*outside"):
            writer.add_hparams({"a": 1}, {"b": 1}, run_name="../up")
        writer.add_scalar("after", 2.0, 2)
    assert tb.read(tmp_path).scalars()[".", "after"].value.tolist() == [2.0]
    assert [path for path in tmp_path.parent.iterdir() if path != tmp_path and path.name in ("x", "up")] == []
