"""What is wrong in a program of JAX: calls that are wrong say so where they stand, and no training breaks."""

from __future__ import annotations

import threading
import warnings
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tallyboard as tb
from tallyboard.core.errors import InvalidSummary, TallyboardWarning
from tallyboard.integrations.jax import SummaryWriter, create_default_writer, log, log_to


class Silent:
    """Has no text."""

    def __str__(self) -> str:
        raise RuntimeError("no text")

    __repr__ = __str__


@pytest.fixture(params=[True, False], ids=["asynchronous", "at once"])
def writer(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    """A default writer into `tmp_path`, with a thread and without."""
    return create_default_writer(tmp_path, asynchronous=request.param)


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (Silent(), r"write_hparams: 'bad' has no text, its .*Silent.* raises RuntimeError: no text; pass a number"),
        ("\ud800", "write_hparams: the text of 'bad' cannot be written as UTF-8"),
        (jax.ShapeDtypeStruct((2,), jnp.float32), None),
        (threading.Lock(), None),
        ((i for i in range(3)), None),
        ({"nested": [np.float32(0.5), {1, 2}]}, None),
    ],
    ids=["no text", "surrogate", "abstract", "lock", "generator", "nested"],
)
def test_hyperparameters_of_every_kind(value: Any, says: str | None, writer: Any, tmp_path: Path) -> None:
    """What has a text is written by it; what has none is an error at the call, of both writers and of `auto_log`, and
    the writer goes on."""
    if says is None:
        writer.write_hparams({"lr": 0.1, "bad": value})
    else:
        with pytest.raises(InvalidSummary, match=says):
            writer.write_hparams({"lr": 0.1, "bad": value})
        with pytest.raises(InvalidSummary, match="'bad'"):
            tb.auto_log(jax.jit(lambda x: x), writer=tb.SummaryWriter(sink=tb.MemorySink()), hparams={"bad": value})
        writer.write_hparams({"lr": 0.1})
    writer.write_scalars(0, {"loss": 1.0})
    writer.close()
    run = tb.read(tmp_path)["."]
    assert run.hparams is not None
    assert run.hparams.values["lr"] == 0.1
    assert (len(run.hparams.values) > 1) == (says is None)
    assert run.scalar("loss").value.tolist() == [1.0]


def test_steps_that_go_back(writer: Any, tmp_path: Path) -> None:
    """Steps in any order, negative ones too, are kept in the order in which they came."""
    for step in (5, 3, -1, 4):
        writer.write_scalars(step, {"x": float(step)})
    writer.close()
    series = tb.read(tmp_path)["."].scalar("x")
    assert series.step.tolist() == series.value.tolist() == [5, 3, -1, 4]


def test_writer_that_was_closed(writer: Any, tmp_path: Path) -> None:
    """What comes after `close` is in a further file of the run; from within `jit`, too; closing twice is nothing."""
    writer.write_scalars(0, {"x": 0.0})
    writer.close()
    writer.close()
    writer.write_scalars(1, {"x": 1.0})
    with log_to(writer):
        jax.jit(lambda: log("x", 2.0, 2))()
    writer.close()
    assert tb.read(tmp_path)["."].scalar("x").value.tolist() == [0.0, 1.0, 2.0]


@pytest.mark.parametrize("asynchronous", [True, False])
def test_training_into_a_directory_that_cannot_be_written(asynchronous: bool) -> None:
    """Where no directory can be made the training comes to its end, of a writer and of `auto_log`; warnings say it."""
    step = jax.jit(lambda x: {"loss": x * 2})
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with create_default_writer("/proc/no/run", asynchronous=asynchronous) as writer:
            for number in range(3):
                writer.write_scalars(number, step(float(number)))
            writer.flush()
        with tb.auto_log(step, "/proc/no/auto", system=False, graph=False) as handle:
            found = [float(handle(float(number))["loss"]) for number in range(3)]
    assert found == [0.0, 2.0, 4.0]
    ours = [str(one.message) for one in caught if issubclass(one.category, TallyboardWarning)]
    for place in ("/proc/no/run", "/proc/no/auto"):
        assert any(f"{place}: the event file cannot be made" in text for text in ours)
        assert any(text.startswith(place) and "events lost" in text for text in ours)


def test_what_handle_log_takes(log: Any) -> None:
    """`handle.log` of several numbers, a complex one, a text or a tracer is an error at the call; logging goes on."""
    handle = tb.auto_log(jax.jit(lambda x: {"loss": x}), writer=log.writer, graph=False)
    handle(1.0)
    for value in (jnp.ones(3), jnp.ones((), jnp.complex64), "high", None):
        with pytest.raises(InvalidSummary, match=r"log\('x'\): expected one"):
            handle.log(x=value)
    with pytest.raises(InvalidSummary, match=r"log\('x'\): expected one number, got jax.*Tracer"):
        jax.jit(lambda x: (handle.log(x=x), x)[1])(1.0)
    handle.log(x=jnp.ones((1, 1)))
    handle(2.0)
    handle.detach()
    assert log["train/x"] == [(1, 1.0)]
    assert log["train/loss"] == [(1, 1.0), (2, 2.0)]


TRACED: dict[str, Any] = {
    "write_images": lambda writer, x: writer.write_images(0, {"x": x}),
    "write_videos": lambda writer, x: writer.write_videos(0, {"x": x}),
    "write_audios": lambda writer, x: writer.write_audios(0, {"x": x}, sample_rate=8000),
    "write_texts": lambda writer, x: writer.write_texts(0, {"x": x}),
    "write_histograms": lambda writer, x: writer.write_histograms(0, {"x": x}),
    "write_pointcloud": lambda writer, x: writer.write_pointcloud(0, {"x": x}),
    "write_summaries": lambda writer, x: writer.write_summaries(0, {"x": x}, {"x": b""}),
    "write_hparams": lambda writer, x: writer.write_hparams({"x": x}),
}


@pytest.mark.parametrize("name", TRACED)
def test_tracers(name: str, writer: Any, tmp_path: Path) -> None:
    """A tracer that leaks to any call of the host says where it stands, and what to use there; nothing is written."""
    says = rf"{name}\('x'\): the (value|array) is a JAX tracer, .* inside jit.* use log\("
    for one in (writer, SummaryWriter(tmp_path)):
        with pytest.raises(InvalidSummary, match=says):
            jax.jit(lambda x, one=one: (TRACED[name](one, x), x)[1])(jnp.ones(()))
        one.close()
    read = tb.read(tmp_path)
    assert [tags for run in read.runs for tags in read[run].tags.values() if tags] == []


WHOLE: dict[str, Any] = {
    "add_scalar": lambda writer, x: writer.add_scalar("x", x, 0),
    "add_scalar's step": lambda writer, x: writer.add_scalar("x", 1.0, x),
    "add_scalars": lambda writer, x: writer.add_scalars("x", {"y": x}, 0),
    "add_histogram": lambda writer, x: writer.add_histogram("x", x, 0),
    "add_image": lambda writer, x: writer.add_image("x", x, 0),
    "add_images": lambda writer, x: writer.add_images("x", x, 0),
    "add_audio": lambda writer, x: writer.add_audio("x", x, 0),
    "add_video": lambda writer, x: writer.add_video("x", x, 0),
    "add_text": lambda writer, x: writer.add_text("x", x, 0),
    "add_pr_curve": lambda writer, x: writer.add_pr_curve("x", x, x, 0),
    "add_embedding": lambda writer, x: writer.add_embedding(x),
    "add_mesh": lambda writer, x: writer.add_mesh("x", x),
    "add_tensor": lambda writer, x: writer.add_tensor("x", x, 0),
    "add_hparams": lambda writer, x: writer.add_hparams({"x": x}, {"y": 1.0}),
    "add_hparams' metric": lambda writer, x: writer.add_hparams({"x": 1}, {"y": x}),
}


@pytest.mark.parametrize("name", WHOLE)
def test_tracers_in_the_writer_of_every_framework(name: str) -> None:
    """A tracer that leaks to a call of tb.SummaryWriter says that it is inside jit, and what to use there."""
    sink = tb.MemorySink()
    writer = tb.SummaryWriter(sink=sink)
    says = r"; inside jit it has no value yet: .* tallyboard\.integrations\.jax\.log"
    with pytest.raises(InvalidSummary, match=says):
        jax.jit(lambda x: (WHOLE[name](writer, x), x)[1])(jnp.ones(()))
    writer.close()
    assert sink.events == []


def test_exception_in_a_training(tmp_path: Path) -> None:
    """A step that raises raises; what came before it is in the file, and the run has failed."""

    def step(x: float) -> dict[str, float]:
        if x == 3:
            raise ArithmeticError("diverged")
        return {"loss": x}

    def train() -> None:
        with tb.auto_log(step, tmp_path, hparams={"lr": 0.1}, system=False, graph=False) as handle:
            for number in range(5):
                handle(float(number))

    with pytest.raises(ArithmeticError, match="diverged"):
        train()
    run = tb.read(tmp_path)["."]
    assert run.scalar("train/loss").value.tolist() == [0.0, 1.0, 2.0]
    assert run.hparams is not None
    assert run.hparams.status == "failure"
