"""Sounds in the page: decoded sample by sample, sought to the sample, and named where a file lies about itself."""

from __future__ import annotations

import io
import re
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from playwright.sync_api import Locator, Page, expect

import tallyboard as tb
from tallyboard.core.proto import event_pb2 as pb
from tallyboard.core.record import frame as framed

from .waiting import becomes

CORPUS = Path(__file__).parents[1] / "conformance" / "corpus"
RATE = 8000
SECONDS = 2
KINDS = {
    "24 bits": ("WAV", "PCM_24", 1),
    "floats": ("WAV", "FLOAT", 2),
    "many": ("WAVEX", "PCM_16", 8),
    "flac": ("FLAC", "PCM_16", 2),
    "ogg": ("OGG", "VORBIS", 1),
    "mp3": ("MP3", "MPEG_LAYER_III", 1),
}
"""By tag: container, how samples are stored, and channels."""


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
    write(logdir / "odd", odd)
    sine = 0.5 * np.sin(2 * np.pi * 440 * time)
    write(logdir / "kinds", {tag: encoded(sine, *kind) for tag, kind in KINDS.items()})
    return serve_module(logdir)


def write(folder: Path, sounds: dict[str, bytes]) -> None:
    """An event file of sounds as they are."""
    folder.mkdir()
    with open(folder / "events.out.tfevents.1.host", "wb") as file:
        file.write(framed(pb.Event(wall_time=9.0, file_version="brain.Event:2").SerializeToString()))
        for tag, data in sounds.items():
            audio = pb.Summary.Audio(sample_rate=RATE, num_channels=1, length_frames=100, encoded_audio_string=data)
            summary = pb.Summary(value=[pb.Summary.Value(tag=tag, audio=audio)])
            file.write(framed(pb.Event(wall_time=10.0, step=3, summary=summary).SerializeToString()))


def encoded(samples: np.ndarray[Any, Any], kind: str, subtype: str, channels: int) -> bytes:
    """A sound file with the same samples in each channel."""
    file = io.BytesIO()
    soundfile.write(file, np.tile(samples[:, None], channels), RATE, subtype, format=kind)
    return file.getvalue()


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
    becomes(lambda: (wave.evaluate(inked, [0.1, 0.4]) > 5, wave.evaluate(inked, [0.6, 0.9]) <= 2), (True, True))


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


def test_sounds_of_every_kind_are_shown(board: Any, open_page: Callable[..., Page]) -> None:
    """WAV of 24 bits, floats and eight channels sample by sample; FLAC, Ogg and MP3 as the browser decodes them."""
    page = open_page(board, "dash=audio&runs=kinds&size=s", height=1600)
    for tag, (kind, _, channels) in KINDS.items():
        page.get_by_role("group", name=tag, exact=True).scroll_into_view_if_needed()
        sound = clip(page, tag, "kinds")
        expect(sound).to_have_attribute("data-state", "shown")
        expect(sound).to_contain_text({1: "mono", 2: "stereo"}.get(channels, f"{channels} channels"))
        peak = float(sound.get_attribute("data-peak") or 0)
        assert peak == pytest.approx(0.5, abs=1e-3 if "WAV" in kind or kind == "FLAC" else 0.1)
        if "WAV" in kind:
            expect(sound).to_have_attribute("data-samples", str(RATE * SECONDS))
            expect(sound).to_have_attribute("data-rate", str(RATE))


def test_waveform_and_spectrogram_are_zoomed_together(board: Any, open_page: Callable[..., Page]) -> None:
    """Ctrl and the wheel keep the place under the pointer; a click there is as exact as it looks; 0 shows all again."""
    page = open_page(board, "dash=audio&runs=ours&auview=both")
    sound = clip(page, "tone", "ours")
    expect(sound).to_have_attribute("data-part", f"0,{RATE * SECONDS}")
    track = sound.get_by_role("slider")
    pictures = "(track) => [...track.querySelectorAll('canvas')].map((canvas) => canvas.toDataURL())"
    before = track.evaluate(pictures)
    box = track.bounding_box()
    assert box is not None
    at = (box["x"] + box["width"] / 4, box["y"] + 20)
    page.mouse.move(*at)
    page.keyboard.down("Control")
    page.mouse.wheel(0, -600)
    page.keyboard.up("Control")
    expect(sound).to_have_attribute("data-part", re.compile(r"^3(4[89]|5[01])\d,5(4[89]|5[01])\d$"))  # a pixel is 35
    begin, end = map(int, (sound.get_attribute("data-part") or "").split(","))
    assert end - begin == 2000
    becomes(lambda: all(one != other for one, other in zip(before, track.evaluate(pictures), strict=True)), True)
    page.mouse.click(*at)
    becomes(lambda: int(sound.get_attribute("data-at") or 0), pytest.approx(begin + 500, abs=2000 / box["width"] + 1))
    page.mouse.wheel(box["width"] / 2, 0)
    expect(sound).not_to_have_attribute("data-part", f"{begin},{end}")
    assert int((sound.get_attribute("data-part") or "").split(",")[0]) == pytest.approx(begin + 1000, abs=20)
    page.keyboard.press("0")
    expect(sound).to_have_attribute("data-part", f"0,{RATE * SECONDS}")
    expect(sound.get_by_role("button", name="All of")).to_have_count(0)
