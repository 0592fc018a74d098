"""The demo, run as a stranger runs it."""

from __future__ import annotations

import importlib.util
import io
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
import wave
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image, ImageSequence

import tallyboard as tb

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import ModuleType

DEMO = Path(__file__).parents[2] / "examples" / "digits.py"
MINIMAL = ("keras_minimal", "keras_digits", "jax_minimal")
RATES = ("0.0003", "0.003", "0.1")
SERIES = {
    "train": {"epoch_accuracy", "epoch_learning_rate", "epoch_loss"},
    "validation": {
        "epoch_accuracy",
        "epoch_loss",
        "evaluation_accuracy_vs_iterations",
        "evaluation_loss_vs_iterations",
        "recognised",
    },
}


def served_runs(address: str) -> set[str]:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(f"{address}api/runs", timeout=60) as answer:
        return {run["name"] for run in json.load(answer)["runs"]}


@pytest.fixture(scope="module", autouse=True)
def minimal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, tuple[Path, subprocess.Popen[str]]]]:
    """The short examples, each in a folder of its own: they load their frameworks while other tests wait."""
    environment = {**os.environ, "KERAS_BACKEND": os.environ.get("KERAS_BACKEND", "jax")}
    begun: dict[str, tuple[Path, subprocess.Popen[str]]] = {}
    for name in MINIMAL:
        folder = tmp_path_factory.mktemp(name)
        program = subprocess.Popen(
            [sys.executable, str(DEMO.with_name(f"{name}.py"))],
            cwd=folder,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        begun[name] = folder, program
    yield begun
    for _, program in begun.values():
        program.kill()
        program.communicate()


@pytest.fixture
def finished(demo: Any) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """One `--once`, started while another program holds port 6006: its folder, and what it printed."""
    return demo.folder, demo.finished()


def test_once_succeeds_and_prints_a_table(finished: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    """`--once` ends with code 0 and a line for each run, although port 6006 is taken."""
    _, done = finished
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"Watch the runs learn at http://localhost:\d+/", done.stdout)
    assert "localhost:6006" not in done.stdout
    for rate in RATES:
        for run in SERIES:
            assert re.search(rf"^digits/lr={re.escape(rate)}/{run} +\d\.\d{{4}} +\d+\.\d%$", done.stdout, re.MULTILINE)
    assert "All 426 points of 24 series arrived, equal to what the training reported." in done.stdout


def test_the_runs_tell_the_story(finished: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    """Three rates, train and validation each: the middle one learns best, the highest one not at all."""
    directory, _ = finished
    logged = tb.read(directory / "runs")
    assert set(logged.runs) == {f"digits/lr={rate}/{run}" for rate in RATES for run in SERIES}
    scalars = logged.scalars()
    assert set(scalars) == {
        (f"digits/lr={rate}/{run}", tag) for rate in RATES for run, tags in SERIES.items() for tag in tags
    }
    slow, right, high = (scalars[f"digits/lr={rate}/validation", "epoch_loss"].value for rate in RATES)
    assert right[-1] < slow[-1] < 1 < high[-1]
    assert scalars["digits/lr=0.003/validation", "epoch_accuracy"].value[-1] > 0.95
    assert scalars["digits/lr=0.1/validation", "epoch_accuracy"].value[-1] < 0.5


def test_every_dashboard_has_something(finished: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    """Weights, pictures, curves, texts, a scale, a film, a cloud, an embedding: each says what the training did."""
    directory, _ = finished
    run = tb.read(directory / "runs")["digits/lr=0.003/validation"]
    looks = [0, *range(2, 21, 2)]
    assert [image.step for image in run.images("samples")] == looks
    assert run.images("samples")[0].array().shape == (40, 64, 3)
    assert [text.step for text in run.text("hardest/text_summary")] == looks
    assert len(run.pr_curves("recognition/7")) == len(looks)
    assert run.hparams.values == {"learning_rate": 0.003, "batch_size": 64, "optimizer": "adam"}
    accuracy = run.scalar("epoch_accuracy").value[-1]
    assert run.scalar("recognised").value[-1] == pytest.approx(accuracy, abs=1e-6)
    (embedding,) = run.embeddings.values()
    assert embedding.array().shape == (360, 512)
    first, last = (
        tb.read(directory / "runs")["digits/lr=0.003/train"].histograms("first/kernel")[at] for at in (0, -1)
    )
    assert sum(first.counts) == sum(last.counts) == 3 * 3 * 16
    assert list(first.edges) != list(last.edges)
    assert [sound.step for sound in run.audio("scale")] == looks
    cloud = run.meshes("digits_in_space")[-1]
    assert (cloud.vertices.shape, cloud.colors.shape) == ((1, 360, 3), (1, 360, 3))
    clean, muddle = (hear(run.audio("scale")[at]) for at in (-1, 0))
    assert clean > 0.9 > 0.5 > muddle
    (film,) = tb.read(directory / "runs")["digits/lr=0.003/train"].images("filters_learnt")
    with Image.open(io.BytesIO(film.pictures[0])) as shown:
        assert (shown.size, shown.n_frames) == ((160, 160), 21)
        frames = [np.asarray(frame.convert("RGB")) for frame in ImageSequence.Iterator(shown)]
    assert not np.array_equal(frames[0], frames[-1])


def hear(sound: Any) -> float:
    """The share of a scale's ten notes in which the right tone is the loudest of the ten, and ten times the others."""
    with wave.open(io.BytesIO(sound.clips[0])) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(10, -1).astype(float)
    time = np.arange(samples.shape[1]) / sound.sample_rate
    waves = np.exp(2j * np.pi * np.outer(261.6256 * 2 ** (np.array([0, 2, 4, 5, 7, 9, 11, 12, 14, 16]) / 12), time))
    heard = np.abs(samples @ waves.T)
    return float(np.mean(np.diag(heard) > 0.5 * heard.sum(1)))


def test_a_second_demo_leaves_the_first_alone_and_ctrl_c_ends_it(
    finished: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    """Run again, it takes a new folder, serves while it trains, and Ctrl+C ends demo and viewer with code 0."""
    directory, _ = finished
    first = sorted((directory / "runs" / "digits").rglob("events.*"))
    environment = {name: value for name, value in os.environ.items() if name not in ("DISPLAY", "WAYLAND_DISPLAY")}
    with subprocess.Popen(
        [sys.executable, str(DEMO), "--port", "0"],
        cwd=directory,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,  # a process group of its own, to which a terminal would send Ctrl+C
    ) as demo:
        assert demo.stdout is not None
        address = re.search(r"http://\S+/", demo.stdout.readline())
        assert address is not None
        deadline = time.monotonic() + 600
        while "digits-2/lr=0.0003/validation" not in served_runs(address[0]):
            assert time.monotonic() < deadline, "the second demo's first run never came"
            time.sleep(0.1)
        os.killpg(demo.pid, signal.SIGINT)
        _, errors = demo.communicate(timeout=300)
    assert (demo.returncode, "Traceback" in errors) == (0, False), errors
    with pytest.raises(OSError, match="refused"):
        served_runs(address[0])
    assert sorted((directory / "runs" / "digits").rglob("events.*")) == first
    assert (directory / "runs" / "digits-2" / "lr=0.0003" / "train").is_dir()


@pytest.fixture(scope="module")
def checker() -> ModuleType:
    spec = importlib.util.spec_from_file_location("digits_check", DEMO.with_name("digits_check.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def served(
    tmp_path_factory: pytest.TempPathFactory, checker: ModuleType
) -> Iterator[tuple[str, dict[tuple[str, str], Any]]]:
    """A viewer of one small training, and what that training reported."""
    logdir = tmp_path_factory.mktemp("served")
    history = {name: [0.5, 0.25] for name in ("loss", "accuracy", "val_loss", "val_accuracy")}
    reported = checker.as_series("digits/lr=0.1", 0.1, history, batches=3)
    for (run, tag), (steps, values) in reported.items():
        with tb.SummaryWriter(logdir / run) as writer:
            for step, value in zip(steps, values, strict=True):
                writer.add_scalar(tag, value, step)
    command = [sys.executable, "-m", "tallyboard.viewer", "--logdir", str(logdir), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as viewer:
        assert viewer.stdout is not None
        address = re.search(r"http://\S+/", viewer.stdout.readline())
        assert address is not None
        assert checker.check(address[0], "digits", reported) == 0  # all is read: the tests have less patience
        yield address[0], reported
        viewer.terminate()


def test_the_check_passes_what_is_right(
    served: tuple[str, dict[tuple[str, str], Any]], checker: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    """What was written is found, and the last values stand in the table."""
    url, reported = served
    assert checker.check(url, "digits", reported) == 0
    assert re.search(r"^digits/lr=0.1/train +0.2500 +25.0%$", capsys.readouterr().out, re.MULTILINE)


def never_written(reported: dict[tuple[str, str], Any]) -> None:
    reported["digits/lr=0.1/train", "never_written"] = (np.arange(1), np.zeros(1, np.float32))


def one_point_more(reported: dict[tuple[str, str], Any]) -> None:
    steps, values = reported["digits/lr=0.1/train", "epoch_loss"]
    reported["digits/lr=0.1/train", "epoch_loss"] = (np.append(steps, 2), np.append(values, np.float32(0)))


def a_series_less(reported: dict[tuple[str, str], Any]) -> None:
    del reported["digits/lr=0.1/train", "epoch_loss"]


def another_value(reported: dict[tuple[str, str], Any]) -> None:
    steps, values = reported["digits/lr=0.1/train", "epoch_loss"]
    reported["digits/lr=0.1/train", "epoch_loss"] = (steps, np.nextafter(values, np.float32(1)))


def another_step(reported: dict[tuple[str, str], Any]) -> None:
    steps, values = reported["digits/lr=0.1/train", "epoch_loss"]
    reported["digits/lr=0.1/train", "epoch_loss"] = (steps + 1, values)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (never_written, r"Not all points arrived.*never_written'\): \(0, 1\)"),
        (one_point_more, r"Not all points arrived.*epoch_loss'\): \(2, 3\)"),
        (a_series_less, r"Series that nobody wrote: .*epoch_loss"),
        (another_value, r"other steps or values than the training reported: .*epoch_loss"),
        (another_step, r"other steps or values than the training reported: .*epoch_loss"),
    ],
)
def test_the_check_names_what_is_wrong(
    served: tuple[str, dict[tuple[str, str], Any]],
    checker: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    change: Callable[[dict[tuple[str, str], Any]], None],
    says: str,
) -> None:
    """A point that did not arrive, or arrived as another number, is named, and the exit code is 1."""
    url, reported = served
    expected = dict(reported)
    change(expected)
    monkeypatch.setattr(checker, "PATIENCE", 0.2)
    assert checker.check(url, "digits", expected) == 1
    assert re.search(says, capsys.readouterr().err)


@pytest.mark.parametrize("name", MINIMAL)
def test_minimal_examples(minimal: dict[str, tuple[Path, subprocess.Popen[str]]], name: str) -> None:
    """The short examples run as they stand and leave falling losses behind."""
    folder, program = minimal[name]
    _, errors = program.communicate(timeout=900)
    assert program.returncode == 0, errors
    losses = [series.value for (_, tag), series in tb.read(folder / "runs").scalars().items() if "loss" in tag]
    assert len(losses) > 0
    assert all(loss[-1] < loss[0] for loss in losses)
