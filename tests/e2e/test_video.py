"""Videos in the page: played by one clock, stepped frame by frame, and named where a browser cannot play them."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Locator, Page, expect

import tallyboard as tb
from tallyboard.core.proto import event_pb2 as pb
from tallyboard.core.record import frame as framed

from ..films import gif, greys, mp4, webm
from .waiting import DEADLINE

LEVELS = range(0, 250, 25)
"""Of grey: frame k of each video is 25 k bright."""
HARM = "<img src=x onerror=window.harm=1>"

GREY = """async (clip, [frame, level, seconds]) => {
    const pen = new OffscreenCanvas(64, 48).getContext("2d", { willReadFrequently: true });
    for (const began = performance.now(); ; await new Promise(requestAnimationFrame)) {
        const element = clip.querySelector("video, canvas");
        const stands = element && clip.dataset.frame === String(frame);
        if (stands) pen.drawImage(element, 0, 0, 64, 48);
        const grey = pen.getImageData(32, 24, 1, 1).data[0];
        const over = performance.now() - began > 1000 * seconds;
        if ((stands && Math.abs(grey - level) <= 6) || over) return [clip.dataset.frame, grey];
    }
}"""
"""Frame and grey, once they are the wanted ones: a video presents its frame after it says where it stands, and another
takes its place."""


def picture(tag: str, data: bytes, of: str) -> pb.Summary.Value:
    """A value of the plugin `images`, in the form of torch or of tf.summary."""
    if of == "torch":
        image = pb.Summary.Image(width=64, height=48, colorspace=3, encoded_image_string=data)
        return pb.Summary.Value(tag=tag, image=image)
    return strings(tag, "images", b"64", b"48", data)


def strings(tag: str, plugin: str, *blobs: bytes) -> pb.Summary.Value:
    value = pb.Summary.Value(tag=tag)
    value.metadata.plugin_data.plugin_name = plugin
    value.tensor.dtype = 7
    value.tensor.tensor_shape.dim.add(size=len(blobs))
    value.tensor.string_val.extend(blobs)
    return value


def gif_of_size(side: int) -> bytes:
    """A GIF of two frames that declares a size, and holds next to nothing."""
    image = b"," + struct.pack("<HHHHB", 0, 0, side, side, 0) + b"\x02\x02D\x01\x00"
    return b"GIF89a" + struct.pack("<HHBBB", side, side, 0x80, 0, 0) + bytes(6) + 2 * image + b";"


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory, serve_module: Callable[..., Any]) -> Any:
    """Runs of ours, one as torch and one as tf.summary write it, and one of odd files."""
    logdir = tmp_path_factory.mktemp("video")
    frames = greys(LEVELS)
    with tb.SummaryWriter(logdir / "ours") as writer:
        for step, clip in ((0, frames[::-1]), (7, frames)):
            writer.add_video("film/mp4", mp4(clip), step)
            writer.add_video("film/webm", webm(clip), step)
        writer.add_video("film/recorder", webm(frames, declared=False), 7)
        writer.add_video("gif", np.stack(frames)[None], 7, fps=10, dataformats="NTHWC")
        writer.add_image("still", frames[0], 7, dataformats="HWC")
    whole = mp4(frames)
    odd = [
        strings("html", "video", b"video/mp4", b"<!doctype html><script>window.harm=1</script>"),
        strings("cut", "video", b"video/mp4", whole[:100]),
        strings("hevc", "video", b"video/mp4", whole.replace(b"av01", b"hvc1").replace(b"av1C", b"hvcC")),
        strings(HARM, "video", b"video/mp4", whole[:-12]),
        picture("bomb", gif_of_size(65_535), "torch"),
    ]
    for run, values in {
        "torch": [picture("gif", gif(frames), "torch")],
        "tf": [picture("gif", gif(frames), "tf")],
        "odd": odd,
    }.items():
        (logdir / run).mkdir()
        with open(logdir / run / "events.out.tfevents.1.host", "wb") as file:
            file.write(framed(pb.Event(wall_time=9.0, file_version="brain.Event:2").SerializeToString()))
            event = pb.Event(wall_time=10.0, step=3, summary=pb.Summary(value=values))
            file.write(framed(event.SerializeToString()))
    return serve_module(logdir)


def clip(page: Page, tag: str, run: str) -> Locator:
    return page.locator(f'.clip[data-tag="{tag}"][data-run="{run}"]')


def shows(found: Locator, frame: int, level: int) -> None:
    """The video says that it shows a frame, and the frame's grey is what is seen."""
    shown, grey = found.evaluate(GREY, [frame, level, DEADLINE])
    assert (shown, grey) == (str(frame), pytest.approx(level, abs=6))


def test_videos_are_stepped_frame_by_frame(board: Any, open_page: Callable[..., Page]) -> None:
    """MP4 and WebM of ours stand at the same frame, seen by its grey; the slider of steps gives another step's."""
    page = open_page(board, "dash=video&runs=ours&tags=film/(mp4|webm)")
    films = [clip(page, "film/mp4", "ours"), clip(page, "film/webm", "ours")]
    for film in films:
        expect(film).to_have_attribute("data-frames", "10")
        expect(film).to_have_attribute("data-size", "64,48")
        shows(film, 0, 0)
    for _ in range(4):
        page.keyboard.press(".")
    page.keyboard.press(",")
    for film in films:
        shows(film, 3, 75)
    steps = page.get_by_role("group", name="Step of all videos")
    steps.get_by_role("spinbutton").fill("0")
    steps.get_by_role("spinbutton").press("Enter")
    for film in films:
        expect(film).to_have_attribute("data-step", "0")
        shows(film, 3, 225 - 75)


def test_videos_play_together(board: Any, open_page: Callable[..., Page]) -> None:
    """Played once, all end at their last frame; speed and sound are those that were chosen; Home goes back."""
    page = open_page(board, "dash=video&runs=ours&tags=film&vdloop=0&vdrate=4")
    films = [clip(page, tag, "ours") for tag in ("film/mp4", "film/webm", "film/recorder")]
    for film in films:
        expect(film).to_have_attribute("data-state", "shown")
    page.get_by_role("button", name="Play all videos").click()
    for film in films:
        shows(film, 9, 225)
        assert film.locator("video").evaluate("(video) => [video.playbackRate, video.muted]") == [4, True]
    expect(page.get_by_role("button", name="Play all videos")).to_be_visible()
    page.keyboard.press("m")
    expect(page.get_by_role("button", name="Sound on")).to_be_visible()
    assert not films[0].locator("video").evaluate("(video) => video.muted")
    films[0].get_by_role("slider").focus()
    page.keyboard.press("Home")
    for film in films:
        shows(film, 0, 0)


def test_gifs_of_any_writer_are_stepped(board: Any, open_page: Callable[..., Page]) -> None:
    """Those of torch, tf.summary and ours are found among the pictures, beside each other, each frame in its order."""
    page = open_page(board, "dash=video&tags=gif|still")
    films = [clip(page, "gif", run) for run in ("torch", "tf", "ours")]
    for film in films:
        shows(film, 0, 0)
    page.get_by_role("slider", name="Time of all videos").fill("0.75")
    for film in films:
        shows(film, 7, 175)
    expect(page.locator('.clip[data-tag="still"]')).to_have_count(0)


def test_each_may_have_a_clock_of_its_own(board: Any, open_page: Callable[..., Page]) -> None:
    """One is moved by keys and the other stays; with the steps side by side, each step of a run is a video."""
    page = open_page(board, "dash=video&runs=ours&tags=film/(mp4|webm)&vdclock=0")
    moved, stays = clip(page, "film/mp4", "ours"), clip(page, "film/webm", "ours")
    for film in (moved, stays):
        shows(film, 0, 0)
    moved.get_by_role("slider", name="Time in run ours").focus()
    page.keyboard.press("End")
    page.keyboard.press(",")
    shows(moved, 8, 200)
    shows(stays, 0, 0)
    page.get_by_label("Cards", exact=True).select_option("steps")
    along = page.locator('.clip[data-tag="film/mp4"]')
    expect(along).to_have_count(2)
    shows(along.nth(0), 0, 225)
    shows(along.nth(1), 0, 0)


def test_what_cannot_be_played_is_named(board: Any, open_page: Callable[..., Page]) -> None:
    """HTML, a file cut off, a codec that is not known and a bomb say so with run, tag and step; the rest plays on."""
    page = open_page(board, "dash=video&runs=odd|torch")
    for tag, sentence in {
        "html": "it is an HTML page, not an MP4, WebM or GIF",
        "cut": "its index is cut off",
        "hevc": "this browser cannot play MP4 of HEVC",
        "bomb": "its header declares 65535 x 65535 pixels",
    }.items():
        card = page.get_by_role("group", name=tag, exact=True)
        card.scroll_into_view_if_needed()
        note = clip(page, tag, "odd").get_by_role("note")
        expect(note).to_contain_text(f"Not shown: {sentence}")
        expect(note).to_contain_text(f"run odd, tag {tag}, step 3")
    with page.expect_download() as saved:
        clip(page, "hevc", "odd").get_by_role("link", name="Download run odd, tag hevc, step 3").click()
    assert saved.value.suggested_filename == "odd-hevc-3.mp4"
    page.get_by_role("group", name=HARM, exact=True).scroll_into_view_if_needed()
    harm = page.locator(".clip").filter(has_text="it ends in the middle")
    shows(harm, 0, 0)
    page.get_by_role("group", name="gif", exact=True).scroll_into_view_if_needed()
    shows(clip(page, "gif", "torch"), 0, 0)
    assert page.evaluate("() => window.harm") is None
