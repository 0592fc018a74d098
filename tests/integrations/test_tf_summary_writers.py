"""The writers of `tf_summary`, wrong calls, and its interface beside that of `tf.summary`."""

from __future__ import annotations

import inspect
import re
import socket
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import tallyboard as tb
from tallyboard.integrations import tf_summary as summary
from tallyboard.integrations.tf_summary.defaults import defaults

tf = pytest.importorskip("tensorflow")

Read = Callable[[Path], list[Any]]

# Writers ------------------------------------------------------------------------------------------------------------


def test_set_as_default(tmp_path: Path, written: Read) -> None:
    """`set_as_default` holds until another writer is set; `with` gives the outer one back."""
    first, second = (summary.create_file_writer(tmp_path / name) for name in ("first", "second"))
    before = summary.experimental.get_step()
    try:
        first.set_as_default(step=4)
        summary.scalar("a", 1.0)
        with second.as_default() as entered:
            assert entered is second
            summary.scalar("b", 1.0)
        summary.scalar("c", 1.0)
    finally:
        summary.experimental.set_step(before)
        defaults.choose(None)
    first.close()
    second.close()
    assert [point[0] for point in written(tmp_path / "first")] == ["a", "c"]
    assert [point[0] for point in written(tmp_path / "second")] == ["b"]


def test_files_are_tensorflows(tmp_path: Path) -> None:
    """The file is there at once, named as TensorFlow names it, with its suffix or one's own."""
    for api, name in ((tf.summary, "tf"), (summary, "ours")):
        api.create_file_writer(str(tmp_path / name), 5, 1000, None, "name").close()
        api.create_file_writer(str(tmp_path / f"{name}-own"), filename_suffix=".mine").close()
    names = [next((tmp_path / name).iterdir()).name for name in ("tf", "ours", "tf-own", "ours-own")]
    shapes = [re.sub(r"\d+", "0", name.replace(socket.gethostname(), "host")) for name in names]
    assert shapes[0] == shapes[1] == "events.out.tfevents.0.host.0.0.v0"
    assert shapes[2] == shapes[3] == "events.out.tfevents.0.host.0.0.mine"


def test_flush_is_a_barrier(tmp_path: Path, written: Read) -> None:
    """What was written before `flush()` can be read after it; so can pictures, which are encoded in the background."""
    writer = summary.create_file_writer(tmp_path)
    with writer.as_default():
        summary.image("a", np.zeros((1, 200, 200, 3)), step=0)
        summary.flush()
        assert len(written(tmp_path)) == 1
        summary.scalar("b", 1.0, step=0)
        writer.flush()
        assert len(written(tmp_path)) == 2
        summary.flush(writer)
    with pytest.raises(ValueError, match=r"Invalid argument to flush\(\)"):
        summary.flush("writer")  # type: ignore[arg-type]


def test_closed_writers(tmp_path: Path) -> None:
    """A closed writer cannot become the default one: a RuntimeError, as in TensorFlow. Closing twice is no error."""
    for api, name in ((tf.summary, "tf"), (summary, "ours")):
        writer = api.create_file_writer(str(tmp_path / name))
        writer.close()
        writer.close()
        writer.flush()
        for call in (writer.as_default, writer.set_as_default, writer.init):
            with pytest.raises(RuntimeError, match="already closed"):
                call()
    writer = summary.create_file_writer(tmp_path / "inside")
    with writer.as_default():
        writer.close()
        with pytest.raises(summary.WriterClosed, match="create_file_writer"):
            summary.scalar("a", 1.0, step=0)


def test_noop_writer(tmp_path: Path, written: Read) -> None:
    """The writer that writes nothing leaves an outer default writer in place, as TensorFlow's does."""
    for api, name in ((tf.summary, "tf"), (summary, "ours")):
        noop = api.create_noop_writer()
        assert isinstance(noop, api.SummaryWriter)
        writer = api.create_file_writer(str(tmp_path / name))
        with writer.as_default(), noop.as_default(step=3):
            noop.set_as_default()
            noop.init()
            noop.flush()
            noop.close()
            api.scalar("a", 1.0, step=0)
        writer.close()
    assert written(tmp_path / "ours")[0][:2] == written(tmp_path / "tf")[0][:2] == ("a", 0)


def test_writer_arguments(tmp_path: Path) -> None:
    """Tensors and paths are taken for arguments; a logdir that is none is a ValueError as in TensorFlow."""
    writer = summary.create_file_writer(
        tf.constant(str(tmp_path / "a")),
        tf.constant(3),
        tf.constant(100),
        tf.constant(".x"),
        experimental_trackable=True,
    )
    assert isinstance(writer, summary.SummaryWriter)
    writer.init()
    writer.close()
    assert next((tmp_path / "a").iterdir()).name.endswith(".x")
    summary.create_file_writer(tmp_path / "b").close()
    with pytest.raises(ValueError, match="logdir"):
        summary.create_file_writer(None)
    (tmp_path / "file").touch()
    with pytest.raises(tb.InvalidLogdir, match="is a file"):
        summary.create_file_writer(tmp_path / "file")


# Wrong calls --------------------------------------------------------------------------------------------------------

WRONG = {
    "scalar of several": (lambda: summary.scalar("a", [1.0, 2.0], step=0), "one number"),
    "scalar of text": (lambda: summary.scalar("a", "b", step=0), "one number"),
    "step": (lambda: summary.scalar("a", 1.0, step="b"), "step"),
    "histogram of text": (lambda: summary.histogram("a", ["b"], step=0), "numbers"),
    "histogram of complex": (lambda: summary.histogram("a", [1j], step=0), "real"),
    "buckets": (lambda: summary.histogram("a", [1.0], step=0, buckets=2.5), "buckets"),
    "one picture": (lambda: summary.image("a", np.zeros((2, 2, 3)), step=0), r"data\[None\]"),
    "channels": (lambda: summary.image("a", np.zeros((1, 2, 2, 5)), step=0), "channels"),
    "no pixels": (lambda: summary.image("a", np.zeros((1, 0, 2, 3)), step=0), "pixels"),
    "max_outputs": (lambda: summary.image("a", np.zeros((1, 2, 2, 3)), step=0, max_outputs=-1), "max_outputs"),
    "one clip": (lambda: summary.audio("a", np.zeros((9, 1)), 8000, step=0), r"data\[None\]"),
    "whole samples": (lambda: summary.audio("a", np.zeros((1, 9, 1), int), 8000, step=0), "floats"),
    "rate": (lambda: summary.audio("a", np.zeros((1, 9, 1)), 0, step=0), "sample_rate"),
    "encoding": (lambda: summary.audio("a", np.zeros((1, 9, 1)), 8000, step=0, encoding="mp3"), "encoding"),
    "text of numbers": (lambda: summary.text("a", 1, step=0), r"str\(\)"),
    "ragged text": (lambda: summary.text("a", [["b"], ["c", "d"]], step=0), "equal lists"),
    "metadata": (lambda: summary.write("a", 1.0, step=0, metadata=3), "metadata"),
    "tag": (lambda: summary.scalar(3, 1.0, step=0), "string"),  # type: ignore[arg-type]
    "graph": (lambda: summary.graph("graph"), "tf.Graph"),
    "export": (lambda: summary.trace_export("a", step=0), "Must enable trace before export"),
}


@pytest.mark.parametrize(("call", "text"), WRONG.values(), ids=WRONG)
def test_wrong_calls(tmp_path: Path, call: Callable[[], object], text: str) -> None:
    """A wrong call raises a ValueError that names the argument, nothing is written, and the writer goes on."""
    writer = summary.create_file_writer(tmp_path)
    with writer.as_default():
        with pytest.raises(tb.InvalidSummary, match=text) as caught:
            call()
        assert isinstance(caught.value, ValueError)
        summary.scalar("good", 1.0, step=1)
    writer.close()
    assert tb.read(tmp_path).scalars() != {}


# The interface ------------------------------------------------------------------------------------------------------


def pairs() -> dict[str, tuple[Any, Any]]:
    from tensorboard.plugins.hparams import api as hp

    found: dict[str, tuple[Any, Any]] = {}
    for prefix, theirs, ours in (
        ("", tf.summary, summary),
        ("experimental.", tf.summary.experimental, summary.experimental),
        ("hparams.", hp, summary.hparams),
    ):
        for name in dir(theirs):
            value = getattr(theirs, name)
            if not name.startswith("_") and not isinstance(value, ModuleType):
                found[prefix + name] = (value, getattr(ours, name, None))
    return found


PAIRS = pairs()


@pytest.mark.parametrize("name", PAIRS)
def test_interface(name: str) -> None:
    """Every public name, argument, default and method of `tf.summary` and of the hparams api is there."""
    theirs, ours = PAIRS[name]
    assert ours is not None
    if inspect.isclass(theirs):
        methods = [m for m in dir(theirs) if not m.startswith("_")]
        if name.endswith("KerasCallback"):
            methods = ["on_train_begin", "on_train_end"]
        assert [m for m in methods if not hasattr(ours, m)] == []
        to_compare = [(getattr(theirs, m), getattr(ours, m)) for m in methods if callable(getattr(theirs, m))]
        if name != "SummaryWriter":
            to_compare.append((theirs.__init__, ours.__init__))
    else:
        to_compare = [(theirs, ours)]
    for their, our in to_compare:
        wanted, there = (inspect.signature(f).parameters for f in (their, our))
        names = [
            p for p in wanted if wanted[p].kind not in (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
        ]
        assert list(there)[: len(names)] == names
        assert [there[p].default for p in names] == [wanted[p].default for p in names]


def test_interface_is_whole() -> None:
    """The comparison above has found something on each side."""
    assert {"scalar", "SummaryWriter", "experimental.set_step", "hparams.HParam"} <= set(PAIRS)
    assert len(PAIRS) >= 30
