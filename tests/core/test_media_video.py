"""add_video: arrays as GIFs that Pillow plays back frame by frame; MP4, WebM and GIF files as they are."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tallyboard as tb
from tallyboard.core.video import video

Image = pytest.importorskip("PIL.Image")
RNG = np.random.default_rng(9)
MP4 = b"\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom" + bytes(500)
WEBM = b"\x1a\x45\xdf\xa3\x9fB\x86\x81\x01B\xf7\x81\x01B\xf2\x81\x04B\xf3\x81\x08B\x82\x84webm" + bytes(200)


def played(data: bytes) -> tuple[np.ndarray[Any, Any], list[int]]:
    """A GIF's frames [T, H, W, 3] as a browser shows them, and how long each lasts in milliseconds."""
    gif = Image.open(io.BytesIO(data))
    frames, durations = [], []
    for i in range(gif.n_frames):
        gif.seek(i)
        frames.append(np.asarray(gif.convert("RGB")))
        durations.append(gif.info.get("duration", 0))
    return np.stack(frames), durations


def made(value: Any, *arguments: Any) -> tuple[np.ndarray[Any, Any], list[int]]:
    (summary,) = video("t", value, *arguments)
    picture: Any = summary.settled().value
    frames, durations = played(picture.encoded)
    assert (picture.height, picture.width) == frames.shape[1:3]
    return frames, durations


def few_colours(*shape: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Random pixels of at most 8 colours, which a GIF keeps exactly."""
    return RNG.choice(np.array([0, 255], np.uint8), shape)


@pytest.mark.parametrize("number", [1, 2, 3, 4, 5, 8, 16, 17])
def test_batch_is_tiled_as_torch_does(number: int) -> None:
    """The frames are those that torch hands to its GIF library: same grid, black where there is none."""
    utils = pytest.importorskip("torch.utils.tensorboard._utils")
    clip = few_colours(number, 3, 3, 4, 6)
    want = np.rint(utils._prepare_video(clip) * 255).astype(np.uint8)

    frames, _ = made(clip)

    assert np.array_equal(frames, want)


@pytest.mark.parametrize("layout", ["NTCHW", "NTHWC", "THWC", "TCHW", "CTHW", "nthwc"])
def test_layouts(layout: str) -> None:
    """Any order of the axes, with or without N, as tensorboardX's dataformats has it."""
    clip = few_colours(1, 4, 3, 5, 6)
    want = clip[0].transpose(0, 2, 3, 1)
    letters = layout.upper()
    value = (
        clip.transpose(["NTCHW".index(axis) for axis in letters])
        if "N" in letters
        else clip[0].transpose(["TCHW".index(axis) for axis in letters])
    )

    assert np.array_equal(made(value, 4, layout)[0], want)


def test_floats_and_channels() -> None:
    """Floats scale as pictures do; grey has all 256 levels exactly; alpha is left out."""
    up = np.arange(256.0)
    levels = np.stack([up, up[::-1]]).reshape(1, 2, 1, 16, 16)
    frames, _ = made(levels / 255 + 1e-9)
    assert np.array_equal(frames[..., 0].ravel(), levels.ravel())

    rgba = few_colours(1, 2, 4, 4, 4)
    assert np.array_equal(made(rgba)[0], rgba[0, :, :3].transpose(0, 2, 3, 1))


def test_many_colours_are_near() -> None:
    """A frame of more than 256 colours is shown in the nearest of a palette of its own."""
    ramp = np.linspace(0, 1, 32)
    clip = np.stack(np.broadcast_arrays(ramp[:, None], ramp[None], 0.5), 0)[None, None].repeat(2, 1)

    frames, _ = made(clip)

    assert np.abs(frames[0].astype(int) - (clip[0, 0].transpose(1, 2, 0) * 255)).mean() < 8


@given(fps=st.floats(0.5, 100), length=st.integers(2, 30))
@settings(max_examples=40, deadline=None)
def test_frames_last_as_long_as_told(fps: float, length: int) -> None:
    """The whole lasts length / fps to within a hundredth of a second; more than 50 a second are played at 50."""
    clip = (np.arange(length) % 2 * 255).astype(np.uint8).reshape(1, length, 1, 1, 1).repeat(4, 3)

    frames, durations = made(clip, fps)

    assert len(frames) == length
    assert min(durations) >= 20
    if fps <= 33:
        assert abs(sum(durations) - 1000 * length / fps) <= 5
    elif fps >= 50:
        assert durations == [20] * length


def test_the_gif_repeats_and_tensorboard_serves_it(tmp_path: Path) -> None:
    """The GIF loops for ever and is an image to TensorBoard, which knows it for a GIF."""
    module = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    detector = pytest.importorskip("tensorboard.util.img_mime_type_detector")
    with tb.SummaryWriter(tmp_path) as writer:
        writer.add_video("clip", pytest.importorskip("torch").rand(1, 3, 3, 8, 8), 5, 10, 12.5)

    (event,) = module.EventAccumulator(str(tmp_path)).Reload().Images("clip")

    assert (event.step, event.wall_time, event.width, event.height) == (5, 12.5, 8, 8)
    assert detector.from_bytes(event.encoded_image_string) == "image/gif"
    assert Image.open(io.BytesIO(event.encoded_image_string)).info["loop"] == 0


@pytest.mark.parametrize(("data", "kind"), [(MP4, b"video/mp4"), (WEBM, b"video/webm")])
@pytest.mark.parametrize("form", [bytes, bytearray, memoryview, str, Path])
def test_files_are_kept_whole(data: bytes, kind: bytes, form: Any, tmp_path: Path) -> None:
    """MP4 and WebM, as bytes or a path: type and bytes under `video`, and a text that TensorBoard shows."""
    module = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    util = pytest.importorskip("tensorboard.util.tensor_util")
    path = tmp_path / "clip"
    path.write_bytes(data)
    with tb.SummaryWriter(tmp_path / "run") as writer:
        writer.add_video("clip", form(path) if form in (str, Path) else form(data), 5)
        path.unlink()

    found = module.EventAccumulator(str(tmp_path / "run")).Reload()

    assert found.SummaryMetadata("clip").plugin_data.plugin_name == "video"
    (event,), (notice,) = found.Tensors("clip"), found.Tensors("clip/text_summary")
    assert util.make_ndarray(event.tensor_proto).tolist() == [kind, data]
    assert kind in util.make_ndarray(notice.tensor_proto)[0]
    assert (event.step, event.wall_time) == (5, notice.wall_time)


def test_gif_files_are_images() -> None:
    """A GIF goes among the images as it is, with its size."""
    file = io.BytesIO()
    Image.new("L", (300, 7)).save(file, "GIF")

    (summary,) = video("t", file.getvalue())

    picture: Any = summary.value
    assert (summary.plugin, picture.width, picture.height, picture.encoded) == ("images", 300, 7, file.getvalue())


def test_the_clip_is_taken_at_the_call() -> None:
    """What happens to an array after the call changes nothing that was logged."""
    clip = np.zeros((1, 2, 1, 4, 4), np.uint8)
    (summary,) = video("t", clip)

    clip[:] = 255

    picture: Any = summary.settled().value
    assert played(picture.encoded)[0].max() == 0


def test_without_pillow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where Pillow is not installed the call says how to install it; files need none."""
    monkeypatch.setitem(sys.modules, "PIL", None)
    monkeypatch.setitem(sys.modules, "PIL.Image", None)
    with tb.SummaryWriter(sink=tb.MemorySink()) as writer:
        with pytest.raises(tb.MissingDependency, match=r"pip install 'tallyboard\[media\]'"):
            writer.add_video("t", np.zeros((1, 2, 3, 4, 4)))
        with pytest.raises(tb.MissingDependency, match=r"pip install 'tallyboard\[media\]'"):
            writer.add_image_with_boxes("t", np.zeros((3, 4, 4)), np.zeros((1, 4)))
        writer.add_video("t", MP4)
        writer.add_image("t", np.zeros((3, 4, 4)))


@pytest.mark.parametrize(
    ("value", "more", "message"),
    [
        (np.zeros((3, 3, 8, 8)), {}, r"add_video\('t'\): dataformats='NTCHW' names 5 axes.*has 4.*'TCHW'"),
        (np.zeros((3, 8, 8)), {}, r"has 3, of sizes \(3, 8, 8\)"),
        (np.zeros((1, 3, 8, 9, 3)), {}, "got 8 of float64.*which axis the channels are"),
        (np.zeros((1, 0, 3, 8, 8)), {}, "vid_tensor is empty"),
        (np.zeros((1, 2, 3, 8, 8)), {"dataformats": "NTCH"}, "'NTCH' does not say"),
        (np.zeros((1, 2, 3, 8, 8)), {"dataformats": None}, "None does not say"),
        (np.zeros((1, 2, 3, 8, 8)), {"fps": 0}, "fps=0; give the frames a second"),
        (np.zeros((1, 2, 3, 8, 8)), {"fps": float("nan")}, "fps=nan"),
        (np.zeros((1, 2, 3, 8, 8)), {"fps": "fast"}, "fps='fast'"),
        (np.zeros((1, 1, 1, 1, 65536), np.uint8), {}, "at most 65535 pixels a side"),
        (b"RIFFxxxxAVI ", {}, "expected vid_tensor to be an MP4, WebM or GIF, got 12 bytes"),
        (b"", {}, "got 0 bytes"),
        ("missing.mp4", {}, "'missing.mp4' cannot be read"),
        ("a\0b", {}, "cannot be read"),
        (7, {}, "vid_tensor has 0, of sizes"),
    ],
)
def test_wrong_videos_are_refused_at_the_call(value: Any, more: dict[str, Any], message: str) -> None:
    """Each wrong argument raises at the call and says what came and what to do; the writer goes on."""
    sink = tb.MemorySink()
    with tb.SummaryWriter(sink=sink) as writer:
        with pytest.raises(tb.InvalidSummary, match=message):
            writer.add_video("t", value, **more)
        writer.add_video("t", np.zeros((1, 1, 1, 2, 2)), step=1)

    assert [event.step for event in sink.events] == [1]
