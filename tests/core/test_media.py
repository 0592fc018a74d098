"""The pixels that add_image and its kin put on disk are torch's, as TensorBoard's reader hands them out."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tallyboard as tb
from tallyboard.core.media import image

RNG = np.random.default_rng(3)
Pixels = np.ndarray[Any, np.dtype[np.uint8]]


def pixels(data: bytes) -> Pixels:
    """A picture's pixels, as Pillow decodes them."""
    return np.array(pytest.importorskip("PIL.Image").open(io.BytesIO(data)))


def pictures(logdir: Path) -> dict[str, list[tuple[int, int, int, Pixels]]]:
    """Every image that TensorBoard's reader finds: step, width, height, pixels, by tag."""
    module = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    accumulator = module.EventAccumulator(str(logdir), size_guidance={"images": 0})
    accumulator.Reload()
    return {
        tag: [(e.step, e.width, e.height, pixels(e.encoded_image_string)) for e in accumulator.Images(tag)]
        for tag in accumulator.Tags()["images"]
    }


def torch_writer(logdir: Path) -> Any:
    return pytest.importorskip("torch.utils.tensorboard").SummaryWriter(str(logdir))


def both(tmp_path: Path, log: Callable[[Any], None]) -> tuple[dict[str, Any], dict[str, Any]]:
    """What our writer and torch's put on disk when `log` uses them."""
    with tb.SummaryWriter(tmp_path / "ours") as ours:
        log(ours)
    with torch_writer(tmp_path / "torch") as theirs:
        log(theirs)
    return pictures(tmp_path / "ours"), pictures(tmp_path / "torch")


def assert_same(ours: dict[str, Any], theirs: dict[str, Any]) -> None:
    assert ours.keys() == theirs.keys()
    assert ours
    for tag in theirs:
        assert [e[:3] for e in ours[tag]] == [e[:3] for e in theirs[tag]], tag
        for mine, other in zip(ours[tag], theirs[tag], strict=True):
            assert mine[3].shape == other[3].shape, tag
            assert np.array_equal(mine[3], other[3]), tag


FLOATS = RNG.uniform(-0.2, 1.2, (3, 20, 30))
BYTES = RNG.integers(0, 256, (3, 20, 30), np.uint8)


@pytest.mark.parametrize("layout", ["CHW", "HWC", "WHC", "chw", "CWH", "HCW"])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("dtype", ["uint8", "float16", "float32", "float64", "bool"])
def test_image_of_three_axes(layout: str, channels: int, dtype: str, tmp_path: Path) -> None:
    """Any order of C, H and W, 1 to 4 channels, every type that torch scales sensibly: torch's pixels."""
    sizes = {"C": channels, "H": 20, "W": 30}
    shape = [sizes[axis] for axis in layout.upper()]
    values = RNG.integers(0, 256, shape) if dtype == "uint8" else RNG.uniform(-0.2, 1.2, shape)
    picture = values.astype(dtype)

    assert_same(*both(tmp_path, lambda w: w.add_image("a/b", picture, 7, dataformats=layout)))


@pytest.mark.parametrize("layout", ["HW", "WH"])
def test_image_of_two_axes(layout: str, tmp_path: Path) -> None:
    """A picture without channels becomes grey RGB, as torch makes it."""

    def log(writer: Any) -> None:
        writer.add_image("float", FLOATS[0], 1, dataformats=layout)
        writer.add_image("bytes", BYTES[0], 2, dataformats=layout)

    assert_same(*both(tmp_path, log))


@pytest.mark.parametrize("number", [1, 2, 7, 8, 9, 17])
@pytest.mark.parametrize(("layout", "channels"), [("NCHW", 3), ("NHWC", 3), ("NCHW", 1), ("HWNC", 3)])
def test_batch_in_a_grid(number: int, layout: str, channels: int, tmp_path: Path) -> None:
    """A batch is tiled in 8 columns, row by row, black where there is none left."""
    sizes = {"N": number, "C": channels, "H": 5, "W": 6}
    batch = RNG.uniform(0, 1, [sizes[axis] for axis in layout]).astype(np.float32)

    def log(writer: Any) -> None:
        writer.add_images("images", batch, 1, dataformats=layout)
        writer.add_image("image", batch, 1, dataformats=layout)

    assert_same(*both(tmp_path, log))


def test_batch_with_alpha_as_tensorboardx(tmp_path: Path) -> None:
    """Four channels in a batch, which torch refuses, are tensorboardX's pixels: the empty cells are transparent."""
    pytest.importorskip("torch")  # tensorboardX asks for it when it is given a list of images
    theirs = pytest.importorskip("tensorboardX").SummaryWriter(str(tmp_path / "x"))
    batch = RNG.integers(0, 256, (9, 4, 5, 6), np.uint8)
    with theirs, tb.SummaryWriter(tmp_path / "ours") as ours:
        for writer in (ours, theirs):
            writer.add_images("rgba", batch, 1)
            writer.add_images("list", list(batch[:3, :3]), 1, dataformats="CHW")

    assert_same(pictures(tmp_path / "ours"), pictures(tmp_path / "x"))


def test_every_float_that_scales_to_a_byte(tmp_path: Path) -> None:
    """Scaling rounds as torch does, for a million floats around the edges of 0, 1 and each of the 256 levels."""
    steps = np.arange(-2, 259, dtype=np.float64) / 255
    near = steps[:, None] + np.linspace(-1e-6, 1e-6, 400)
    picture = near.astype(np.float32)

    assert_same(*both(tmp_path, lambda w: w.add_image("edges", picture, dataformats="HW")))


def test_torch_tensors(tmp_path: Path) -> None:
    """Tensors: bfloat16, half, not contiguous, requiring a gradient."""
    torch = pytest.importorskip("torch")
    base = torch.rand(3, 16, 24)

    def log(writer: Any) -> None:
        writer.add_image("bf16", base.bfloat16(), 1)
        writer.add_image("half", base.half(), 1)
        writer.add_image("strided", base[:, ::2, 1::3], 1)
        writer.add_image("grad", base.clone().requires_grad_(), 1)

    assert_same(*both(tmp_path, log))


def test_boxes(tmp_path: Path) -> None:
    """Boxes and labels are drawn where and as torch draws them, off the edge and inside out as well."""
    pytest.importorskip("PIL")
    torch = pytest.importorskip("torch")
    corners = np.array([[3.5, 4.2, 40, 30.9], [-20, -5, 500, 12], [30, 30, 10, 10], [0, 0, 0, 0]])
    grey = RNG.uniform(0, 1, (1, 60, 80))
    colour = RNG.integers(0, 256, (60, 80, 3), np.uint8)

    def log(writer: Any) -> None:
        writer.add_image_with_boxes("plain", grey, corners, 1)
        writer.add_image_with_boxes("labels", grey, corners, 1, labels=["cat", "", "Düne", "x"])
        writer.add_image_with_boxes("hwc", colour, torch.from_numpy(corners), 1, dataformats="HWC", labels=["a"] * 4)
        writer.add_image_with_boxes("one", colour, corners[:1], 1, dataformats="HWC", labels="one")
        writer.add_image_with_boxes("none", colour, np.zeros((0, 4)), 1, dataformats="HWC")
        writer.add_image_with_boxes("alpha", np.concatenate([colour, colour[..., :1]], 2), corners, 1, None, 1, "HWC")

    assert_same(*both(tmp_path, log))


def test_boxes_rescaled(tmp_path: Path) -> None:
    """rescale resizes after drawing, to torch's pixels; the summary has the size of what it holds."""
    corners, picture = np.array([[3, 4, 40, 30]]), RNG.uniform(0, 1, (3, 60, 80))

    ours, theirs = both(tmp_path, lambda w: w.add_image_with_boxes("t", picture, corners, 1, rescale=0.55))

    assert np.array_equal(ours["t"][0][3], theirs["t"][0][3])
    assert ours["t"][0][1:3] == (44, 33)
    assert theirs["t"][0][1:3] == (80, 60)


def test_boxes_in_the_order_of_tensorboardx(tmp_path: Path) -> None:
    """tensorboardX has no rescale before dataformats and labels; its order by position is understood."""
    theirs = pytest.importorskip("tensorboardX").SummaryWriter(str(tmp_path / "x"))
    picture, corners = RNG.integers(0, 256, (60, 80, 3), np.uint8), np.array([[3, 4, 40, 30]])
    with theirs, tb.SummaryWriter(tmp_path / "ours") as ours:
        for writer in (ours, theirs):
            writer.add_image_with_boxes("t", picture, corners, 1, None, "HWC", ["cat"])
            writer.add_image_with_boxes("plain", picture, corners, 1, None, "HWC")

    assert_same(pictures(tmp_path / "ours"), pictures(tmp_path / "x"))


def shown(value: Any, dataformats: str = "CHW") -> Pixels:
    """The pixels that a picture is written with."""
    made: Any = image("t", value, dataformats).settled().value
    got = pixels(made.encoded)
    assert (made.height, made.width) == got.shape[:2]
    return got


def test_nan_is_black_and_infinity_is_an_end() -> None:
    """Floats that no byte can be: NaN 0, what is too large 255, what is too small 0, without a warning."""
    row = np.array([[np.nan, np.inf, -np.inf, 1e300, -1e300, 0.5]])

    assert shown(row, "HW")[0, :, 0].tolist() == [0, 255, 0, 255, 0, 127]


def test_integers_other_than_uint8() -> None:
    """Integers are levels from 0 to 255, clipped, if any is above 1; else a mask, as torch takes all of them."""
    assert shown(np.array([[0, 1, 128, 255, 300, -5]]), "HW")[0, :, 0].tolist() == [0, 1, 128, 255, 255, 0]
    assert shown(np.array([[0, 1, -1]]), "HW")[0, :, 0].tolist() == [0, 255, 0]


def test_uint16_keeps_its_bits() -> None:
    """uint16 makes a PNG of 16 bits a sample, exact, in which TensorFlow too reads every level."""
    tf = pytest.importorskip("tensorflow")
    levels = RNG.integers(0, 65536, (7, 9, 3), np.uint16)
    for value, want in [(levels, levels), (levels[:, :, :1], np.repeat(levels[:, :, :1], 3, 2))]:
        made: Any = image("t", value, "HWC").settled().value
        assert np.array_equal(tf.io.decode_png(made.encoded, dtype=tf.uint16).numpy(), want)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "HSV", "La", "RGBa"])
def test_pillow_images(mode: str) -> None:
    """PIL images of every 8-bit mode need no dataformats and keep what Pillow itself makes of them."""
    pictures_ = pytest.importorskip("PIL.Image")
    base = pictures_.fromarray(RNG.integers(0, 256, (9, 12, 4), np.uint8), "RGBA")
    picture = base.convert({"La": "LA", "RGBa": "RGBA"}.get(mode, "RGB")).convert(mode)
    shown_as = {"LA": "LA", "La": "LA", "RGBA": "RGBA", "RGBa": "RGBA"}.get(mode, "RGB")
    want = np.asarray(picture.convert(shown_as))

    assert np.array_equal(shown(picture), want)


def test_pillow_images_with_palette_transparency_and_16_bits() -> None:
    """A palette's transparent entry becomes alpha; 16-bit grey stays 16-bit; a list of images is a batch."""
    pictures_ = pytest.importorskip("PIL.Image")
    palette = pictures_.fromarray(RNG.integers(0, 4, (5, 6), np.uint8), "L").convert("P")
    palette.info["transparency"] = 0
    assert np.array_equal(shown(palette), np.asarray(palette.convert("RGBA")))

    deep = pictures_.fromarray(RNG.integers(0, 65536, (5, 6), np.uint16))
    made: Any = image("t", deep).settled().value
    assert made.encoded[24] == 16

    row = [pictures_.new("RGB", (2, 2), colour) for colour in ("red", "blue")]
    assert shown(row, "NCHW")[0].tolist() == [[255, 0, 0]] * 2 + [[0, 0, 255]] * 2


def test_a_list_of_pictures_is_a_batch() -> None:
    """A list of CHW or HWC arrays is stacked, as tensorboardX has it, and NCHW fits a list too."""
    batch = RNG.integers(0, 256, (3, 3, 4, 5), np.uint8)
    want = shown(batch, "NCHW")

    assert np.array_equal(shown(list(batch), "CHW"), want)
    assert np.array_equal(shown(list(batch), "NCHW"), want)


def test_the_array_is_taken_at_the_call(tmp_path: Path) -> None:
    """What happens to an array after the call changes nothing that was logged."""
    picture = np.full((3, 4, 4), 7, np.uint8)
    tensor = pytest.importorskip("torch").full((1, 3, 4, 4), 0.5)
    summary, second = image("t", picture), image("t", tensor, "NCHW")

    picture[:] = 9
    tensor.zero_()

    first_made: Any = summary.settled().value
    second_made: Any = second.settled().value
    assert set(pixels(first_made.encoded).ravel().tolist()) == {7}
    assert set(pixels(second_made.encoded).ravel().tolist()) == {127}


WRONG = [
    (np.zeros((28, 28)), {}, r"add_image\('t'\): dataformats='CHW' names 3 axes.*has 2.*\(28, 28\).*'HW'"),
    (np.zeros((3, 28, 28)), {"dataformats": "HW"}, r"names 2 axes.*has 3.*pass dataformats='CHW'"),
    (np.zeros((28, 30, 3)), {}, r"got 28 in an img_tensor of sizes \(28, 30, 3\).*pass dataformats='HWC'"),
    (np.zeros((2, 3, 8, 8)), {}, r"names 3 axes.*has 4.*pass dataformats='NCHW'"),
    (np.zeros((2, 2, 3, 8, 8)), {}, "one picture or one batch a call"),
    (np.zeros((5, 8, 8)), {}, r"got 5 in.*choose 1, 3 or 4"),
    (np.zeros((3, 0, 8)), {}, r"no pixels: its sizes are \(3, 0, 8\)"),
    (np.zeros((0, 3, 8, 8)), {"dataformats": "NCHW"}, "no pixels"),
    (np.zeros((3, 8, 8)), {"dataformats": "CHH"}, "'CHH' does not say"),
    (np.zeros((3, 8, 8)), {"dataformats": "XYZ"}, "'XYZ' does not say"),
    (np.zeros((3, 8, 8)), {"dataformats": None}, "expected dataformats to be a string"),
    (np.zeros((3, 8, 8), complex), {}, "complex numbers; log its real part"),
    (np.array([["a"]]), {"dataformats": "HW"}, "elements of <U1"),
    ("picture.png", {}, "got str"),
    ([np.zeros((3, 4, 4)), np.zeros((3, 5, 4))], {}, r"need one size, got \(3, 4, 4\) and \(3, 5, 4\)"),
    (None, {}, "got NoneType"),
    (np.zeros((1, 1, 1)), {"global_step": "x"}, "expected the step to be an integer"),
    (np.zeros((1, 1, 1)), {"global_step": 1, "step": 2}, "both global_step and step"),
]


@pytest.mark.parametrize(("value", "more", "message"), WRONG)
def test_wrong_pictures_are_refused_at_the_call(value: Any, more: dict[str, Any], message: str) -> None:
    """Each wrong argument raises at the call and says what came and what to do; the writer goes on."""
    sink = tb.MemorySink()
    with tb.SummaryWriter(sink=sink) as writer:
        with pytest.raises(tb.InvalidSummary, match=message):
            writer.add_image("t", value, **more)
        writer.add_image("t", np.zeros((1, 2, 2)), step=1)

    assert [event.step for event in sink.events] == [1]


@pytest.mark.parametrize(
    ("corners", "more", "message"),
    [
        (np.zeros((2, 3)), {}, r"as \[N, 4\]"),
        (np.ones(4), {}, r"box\[None\]"),
        (np.array([[0, 0, 1, 1], [0, np.nan, 1, 1]]), {}, "box 1 is"),
        (np.zeros((2, 4)), {"labels": ["a"]}, "1 labels for 2 boxes"),
        (np.zeros((1, 4)), {"labels": [3]}, "to be strings, got int"),
        (np.zeros((1, 4)), {"rescale": 0}, "above 0"),
        (np.zeros((1, 4)), {"rescale": 0.01}, "leaves nothing"),
        (np.zeros((1, 4)), {"rescale": None}, "above 0, got None"),
    ],
)
def test_wrong_boxes_are_refused_at_the_call(corners: Any, more: dict[str, Any], message: str) -> None:
    """Boxes, labels and factors that do not fit raise at the call."""
    with tb.SummaryWriter(sink=tb.MemorySink()) as writer, pytest.raises(tb.InvalidSummary, match=message):
        writer.add_image_with_boxes("t", np.zeros((3, 9, 9)), corners, **more)
