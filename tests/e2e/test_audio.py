"""Sounds in the page: decoded sample by sample, sought to the sample, and named where a file lies about itself."""

from __future__ import annotations

import re
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Locator, Page, expect

import tallyboard as tb
from tallyboard.core.proto import event_pb2 as pb
from tallyboard.core.record import frame as framed

CORPUS = Path(__file__).parents[1] / "conformance" / "corpus"
RATE = 8000
SECONDS = 2


def wav(samples: np.ndarray[Any, Any], declared: int | None = None) -> bytes:
    """A WAV of 16 bits, which says that it has so many bytes of samples."""
    data = samples.astype("<i2").tobytes()
    size = len(data) if declared is None else declared
    head = struct.pack(
        "<4sI4s4sIHHIIHH4sI", b"RIFF", 36 + size, b"WAVE", b"fmt ", 16, 1, 1, RATE, 2 * RATE, 2, 16, b"data", size
    )
    return head + data


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory, serve_module: Callable[..., Any]) -> Any:
    """Runs by torch's SummaryWriter, by tf.summary and by ours, and one of odd files."""
    logdir = tmp_path_factory.mktemp("audio")
    shutil.copytree(CORPUS / "torch-2.13.0" / "run", logdir / "torch")
    shutil.copytree(CORPUS / "tf.summary-2.21.0" / "run", logdir / "tf")
    time = np.arange(RATE * SECONDS) / RATE
    with tb.SummaryWriter(logdir / "ours") as writer:
        for step in range(12):
            tone = np.sin(2 * np.pi * 1000 * time) * (step + 1) / 16
            tone[RATE:] = 0
            writer.add_audio("tone", tone, step, sample_rate=RATE)
    odd = {
        "lying": wav(np.full(100, 1000), declared=2_000_000),
        "html": b"<!doctype html><script>window.hit=1</script>",
        "cut": wav(np.zeros(10))[:30],
    }
    (logdir / "odd").mkdir()
    with open(logdir / "odd" / "events.out.tfevents.1.host", "wb") as file:
        file.write(framed(pb.Event(wall_time=9.0, file_version="brain.Event:2").SerializeToString()))
        for tag, data in odd.items():
            audio = pb.Summary.Audio(sample_rate=RATE, num_channels=1, length_frames=100, encoded_audio_string=data)
            summary = pb.Summary(value=[pb.Summary.Value(tag=tag, audio=audio)])
            file.write(framed(pb.Event(wall_time=10.0, step=3, summary=summary).SerializeToString()))
    return serve_module(logdir)


def clip(page: Page, tag: str, run: str) -> Locator:
    return page.locator(f'.clip[data-tag="{tag}"][data-run="{run}"]')


def near(value: float) -> re.Pattern[str]:
    """A share with five decimals that a file of 16 bits may have made of another, rounding as its writer likes."""
    return re.compile("|".join(f"^{value + by / 1e5:.5f}$" for by in range(-5, 6)))


def test_every_step_is_decoded(board: Any, open_page: Callable[..., Page]) -> None:
    """Length, rate and loudest sample are those that were logged at the step; the silent half is silent."""
    page = open_page(board, "dash=audio&runs=ours")
    sound = clip(page, "tone", "ours")
    steps = page.get_by_role("group", name="Step of all sounds")
    for step, loudest in ((11, "0.75"), (3, "0.25")):
        steps.get_by_role("spinbutton").fill(str(step))
        steps.get_by_role("spinbutton").press("Enter")
        expect(sound).to_have_attribute("data-step", str(step))
        expect(sound).to_have_attribute("data-peak", near(float(loudest)))
    expect(sound).to_have_attribute("data-samples", str(RATE * SECONDS))
    expect(sound).to_have_attribute("data-rate", str(RATE))
    inked = """(canvas, [from, to]) => {
        const { width, height } = canvas;
        const { data } = canvas.getContext("2d").getImageData(width * from, 0, width * (to - from), height);
        const rows = new Set();
        const inked = [...data.keys()].filter((i) => i % 4 === 3 && data[i] > 0);
        for (const i of inked) rows.add(Math.floor((i * height) / data.length));
        return rows.size;
    }"""
    wave = sound.locator("canvas")
    assert wave.evaluate(inked, [0.1, 0.4]) > 5
    assert wave.evaluate(inked, [0.6, 0.9]) <= 2


def test_sounds_of_torch_and_of_tf_summary(board: Any, open_page: Callable[..., Page]) -> None:
    """torch's 40 samples, and what `tf.summary.audio` wrote, are shown with their rate."""
    page = open_page(board, "dash=audio&runs=torch|^tf$")
    sound = clip(page, "sound", "torch")
    expect(sound).to_have_attribute("data-samples", "40")
    expect(sound).to_have_attribute("data-rate", "8000")
    expect(sound).to_have_attribute("data-peak", near(0.5 * float(np.abs(np.sin(np.arange(40) / 3)).max())))
    expect(page.locator('.clip[data-run="tf"]').first).to_have_attribute("data-state", "shown")


def test_one_seeks_to_the_sample(board: Any, open_page: Callable[..., Page]) -> None:
    """Keys move by a tenth of a second or by one sample, a click to its place; what plays goes on from there."""
    page = open_page(board, "dash=audio&runs=ours")
    sound = clip(page, "tone", "ours")
    track = sound.get_by_role("slider")
    track.focus()
    for key in ("ArrowRight", "ArrowRight", "."):
        page.keyboard.press(key)
    expect(sound).to_have_attribute("data-at", str(2 * RATE // 10 + 1))
    box = track.bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + 20)
    expect(sound).not_to_have_attribute("data-at", str(2 * RATE // 10 + 1))
    assert int(sound.get_attribute("data-at") or 0) == pytest.approx(RATE, abs=2 * RATE * SECONDS / box["width"])
    sound.get_by_role("button", name="Play").click()
    expect(sound.get_by_role("button", name="Stop")).to_be_visible()


def test_a_file_that_lies_is_named(board: Any, open_page: Callable[..., Page]) -> None:
    """A length that is not there, a page that poses as a sound and a header cut off are said with run, tag and step."""
    page = open_page(board, "dash=audio&runs=odd&auview=both")
    expect(clip(page, "lying", "odd").get_by_role("note")).to_contain_text(
        "it says that it has 1000000 samples, and has 100"
    )
    expect(clip(page, "lying", "odd")).to_have_attribute("data-samples", "100")
    for tag, sentence in {"html": "it is no WAV, Ogg, FLAC or MP3", "cut": "it ends before"}.items():
        note = clip(page, tag, "odd").get_by_role("note")
        expect(note).to_contain_text(sentence)
        expect(note).to_contain_text(f"run odd, tag {tag}, step 3")
    assert page.evaluate("() => window.hit") is None
