"""Pictures: arrays, batches, boxes and matplotlib's figures as PNG.

Arguments are checked and copied at the call; scaling, tiling, drawing and encoding wait for the background thread.
Layouts, scale and the grid of a batch are those of torch.utils.tensorboard, so that a changed import changes no pixel.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import png
from .arrays import as_array
from .errors import InvalidSummary, MissingDependency
from .summary import DataClass, Summary, as_tag, kind_of
from .values import Image, Later

__all__ = ["boxes", "figures", "image", "made_by", "need_pillow", "paint", "pixels_of"]

COLUMNS = 8  # of the grid that shows a batch
BYTES_MAX = 2**30  # pixels of one picture; protobuf's limit is twice that
FAR = 1e6  # a box's corner beyond this many pixels is as good as there, and fits Pillow's integers


def image(tag: object, value: object, dataformats: object = "CHW", call: str = "add_image") -> Summary:
    """A summary of one picture, or of a batch in a grid of up to 8 columns.

    Args:
        tag: its name.
        value: an array of any library or a PIL image. Floats (and bool) from 0 to 1; uint8, and other integers where
            any is above 1, from 0 to 255; what is beyond is clipped, NaN is black. uint16 from 0 to 65535 makes a PNG
            of 16 bits. 1 channel is grey, 2 grey and alpha, 3 RGB, 4 RGBA.
        dataformats: what each axis is: any order of HW, CHW or NCHW. A PIL image has its own.
        call: the method, for error texts.

    Raises:
        InvalidSummary: rank, layout, number of channels or type do not fit, or there are no pixels.
    """
    name = as_tag(tag, call)
    batch = _batch(value, dataformats, f"{call}({name!r})")
    return Summary(name, "images", DataClass.BLOBS, Later(lambda: encoded(grid(batch)), batch.nbytes))


def boxes(
    tag: object,
    value: object,
    corners: object,
    rescale: object = 1,
    dataformats: object = "CHW",
    labels: Sequence[str] | str | None = None,
) -> Summary:
    """A summary of a picture with red boxes drawn into it.

    Args:
        tag: its name.
        value, dataformats: the picture, as `image` takes it.
        corners: [N, 4], one row (xmin, ymin, xmax, ymax) in pixels for each box; N may be 0.
        rescale: the picture's size is multiplied by it after drawing.
        labels: a text for each box.

    Raises:
        InvalidSummary: as `image`; or corners or labels do not fit.
        MissingDependency: Pillow is not installed.
    """
    name = as_tag(tag, "add_image_with_boxes")
    call = f"add_image_with_boxes({name!r})"
    need_pillow(call)
    batch = _batch(value, dataformats, call)
    rows = _corners(corners, call)
    texts = _labels(labels, len(rows), call)
    factor = _factor(rescale, call)
    _, height, width, _ = batch.shape
    if min(int(height * factor), int(width * factor)) < 1:
        raise InvalidSummary(
            f"{call}: rescale={rescale!r} leaves nothing of {width} x {height} pixels; give at least 1"
        )

    def make() -> Image:
        return encoded(_with_boxes(grid(batch), rows, texts, factor))

    return Summary(name, "images", DataClass.BLOBS, Later(make, batch.nbytes))


def figures(tag: object, value: object, close: bool = True) -> Summary:
    """A summary of what a matplotlib figure looks like, or of a list of them in a grid.

    A figure is drawn at the call: it may change right after, and pyplot belongs to the caller's thread.

    Args:
        tag: its name.
        value: a `Figure`, anything with one in `.figure` (axes, seaborn's grids), or a list of these.
        close: tell pyplot to forget the figures.

    Raises:
        InvalidSummary: it is no figure.
    """
    name = as_tag(tag, "add_figure")
    several = isinstance(value, list | tuple)
    items: list[Any] = list(value) if several else [value]  # pyright: ignore[reportUnknownArgumentType]
    drawn = [_drawn(_figure_in(item, name), close) for item in items]
    if not drawn:
        raise InvalidSummary(f"add_figure({name!r}): the list of figures is empty; give at least one")
    height, width = max(one.shape[0] for one in drawn), max(one.shape[1] for one in drawn)
    batch = np.full((len(drawn), height, width, 3), 255, np.uint8)  # a smaller figure has white around it
    for cell, pixels in zip(batch, drawn, strict=True):
        cell[: pixels.shape[0], : pixels.shape[1]] = pixels
    return Summary(name, "images", DataClass.BLOBS, Later(lambda: encoded(grid(batch)), batch.nbytes))


def made_by(value: object, package: str) -> bool:
    """Whether a value's class, or one that it derives from, comes from a package; imports nothing."""
    return any(base.__module__.partition(".")[0] == package for base in type(value).__mro__)


def need_pillow(call: str) -> None:
    """Checks that Pillow is there.

    Raises:
        MissingDependency: it is not.
    """
    try:
        import PIL.Image  # noqa: F401  # pyright: ignore[reportUnusedImport]
    except ImportError:
        raise MissingDependency(
            f"{call} draws with Pillow, which is not installed: pip install 'tallyboard[media]'"
        ) from None


def encoded(pixels: NDArray[Any]) -> Image:
    """Pixels [H, W, C] as a PNG with its sizes."""
    height, width, channels = pixels.shape
    return Image(height, width, channels, png.encode(pixels))


# What the user gave, as [N, H, W, C] --------------------------------------------------------------------------------


def _batch(value: Any, dataformats: object, call: str) -> NDArray[Any]:
    """A view [N, H, W, C] of a copy of the user's pixels, of any dtype and 1 to 4 channels."""
    array, layout = pixels_of(value, dataformats, call)
    _check_layout(array, layout, call)
    order = [layout.index(axis) for axis in "NHWC" if axis in layout]
    view = array.transpose(order)
    if "C" not in layout:
        view = view[..., np.newaxis]
    if "N" not in layout:
        view = view[np.newaxis]
    _check_pixels(view, array, layout, call)
    return view


def pixels_of(value: Any, dataformats: object, call: str) -> tuple[NDArray[Any], str]:
    """A copy of the user's pixels, and what its axes are."""
    if made_by(value, "PIL"):
        array = _from_pillow(value)
        return array, "HWC"[: array.ndim]
    if not isinstance(dataformats, str):
        raise InvalidSummary(f"{call}: expected dataformats to be a string such as 'CHW', got {kind_of(dataformats)}")
    layout = dataformats.upper()
    if isinstance(value, list | tuple) and value:
        items: list[Any] = list(value)  # pyright: ignore[reportUnknownArgumentType]
        if all(made_by(item, "PIL") for item in items):
            items = [_from_pillow(item) for item in items]
            layout = "NHWC"[: items[0].ndim + 1]
        elif len(layout) == np.ndim(items[0]):
            layout = "N" + layout  # a list of pictures
        value = items
        sizes = {tuple(item.shape) for item in items if hasattr(item, "shape")}
        if len(sizes) > 1:
            raise InvalidSummary(
                f"{call}: the pictures of one list need one size, got {' and '.join(map(str, sorted(sizes)[:3]))}; "
                "resize them, or log each by itself"
            )
    return as_array(value, call, "img_tensor"), layout


def _from_pillow(picture: Any) -> NDArray[Any]:
    """Grey, RGB or RGBA of a PIL image in any mode."""
    if picture.mode in ("P", "PA"):
        picture = picture.convert("RGBA" if "transparency" in picture.info or picture.mode == "PA" else "RGB")
    elif picture.mode in ("La", "RGBa"):  # alpha multiplied in
        picture = picture.convert(picture.mode[:-1] + "A")
    elif picture.mode not in ("1", "L", "LA", "RGB", "RGBA", "F") and not picture.mode.startswith("I"):
        picture = picture.convert("RGB")  # CMYK, YCbCr, HSV, LAB
    array = np.array(picture)
    return array.astype(np.uint16) if picture.mode.startswith("I;16") else array


def _check_layout(array: NDArray[Any], layout: str, call: str) -> None:
    if "".join(sorted(layout)) not in ("HW", "CHW", "CHNW", "HNW"):
        raise InvalidSummary(
            f"{call}: dataformats={layout!r} does not say what the axes are; give some order of the letters of HW, CHW "
            "or NCHW (N pictures, C channels, H rows, W columns), each once"
        )
    if array.ndim != len(layout):
        guess = _guess(array.shape)
        cure = f"pass dataformats={guess!r}" if guess else "log one picture or one batch a call"
        raise InvalidSummary(
            f"{call}: dataformats={layout!r} names {len(layout)} axes, but img_tensor has {array.ndim}, of sizes "
            f"{array.shape}; {cure}"
        )


def _check_pixels(view: NDArray[Any], array: NDArray[Any], layout: str, call: str) -> None:
    number, height, width, channels = view.shape
    if view.size == 0:
        raise InvalidSummary(f"{call}: img_tensor has no pixels: its sizes are {array.shape}; log at least one pixel")
    if channels > 4:
        guess = _guess(array.shape)
        cure = f"pass dataformats={guess!r}" if guess not in (None, layout) else "choose 1, 3 or 4 of them"
        raise InvalidSummary(
            f"{call}: expected 1 (grey), 2 (grey and alpha), 3 (RGB) or 4 (RGBA) channels, got {channels} in an "
            f"img_tensor of sizes {array.shape} with dataformats={layout!r}; {cure}"
        )
    if array.dtype.kind == "c":
        raise InvalidSummary(f"{call}: img_tensor has complex numbers; log its real part, or its absolute value")
    if number * height * width * max(channels, 3) * 2 > BYTES_MAX:
        raise InvalidSummary(f"{call}: img_tensor of sizes {array.shape} makes more than a gigabyte; log a part of it")


def _guess(shape: tuple[int, ...]) -> str | None:
    """The layout that an array of this shape most likely has."""
    if len(shape) == 2:
        return "HW"
    last = len(shape) > 2 and shape[-1] <= 4 < shape[-3]
    return {3: "HWC" if last else "CHW", 4: "NHWC" if last else "NCHW"}.get(len(shape))


# Pixels as they are shown -------------------------------------------------------------------------------------------


def grid(batch: NDArray[Any]) -> NDArray[Any]:
    """[N, H, W, C] of anything as [rows * H, columns * W, C] of uint8 or uint16; grey becomes RGB."""
    number, height, width, channels = batch.shape
    columns = min(number, COLUMNS)
    rows = math.ceil(number / columns)
    dtype = np.uint16 if batch.dtype == np.uint16 else np.uint8
    make = np.zeros if number < rows * columns else np.empty
    out = make((rows * height, columns * width, 3 if channels == 1 else channels), dtype)
    fill = paint(batch)
    for i in range(number):
        top, left = i // columns * height, i % columns * width
        fill(out[top : top + height, left : left + width], batch[i])
    return out


def paint(array: NDArray[Any]) -> Callable[[NDArray[Any], NDArray[Any]], None]:
    """How a part [H, W, C] of `array` is put into a canvas: as it is, clipped, or scaled from 0..1."""
    if array.dtype.name in ("uint8", "uint16"):
        return _as_is
    if array.dtype.kind in "iu" and array.max() > 1:
        return _clipped
    return _scaled


def _as_is(canvas: NDArray[Any], pixels: NDArray[Any]) -> None:
    """Channel by channel where they do not lie side by side: ten times as quick as letting NumPy find its way."""
    channels = pixels.shape[2]
    if channels == canvas.shape[2] and pixels.strides[2] == pixels.itemsize:
        canvas[...] = pixels
    else:
        for c in range(canvas.shape[2]):
            canvas[:, :, c] = pixels[:, :, c if channels > 1 else 0]


def _clipped(canvas: NDArray[Any], pixels: NDArray[Any]) -> None:
    _as_is(canvas, np.clip(pixels, 0, 255))


def _scaled(canvas: NDArray[Any], pixels: NDArray[Any]) -> None:
    """In float32 and cut off, as torch does it; by some rows at a time, which stay in the processor's cache."""
    step = max(1, 65536 // (pixels.shape[1] * pixels.shape[2]))
    with np.errstate(all="ignore"):  # too large for float32 becomes infinity, and that white
        for y in range(0, pixels.shape[0], step):
            part = np.multiply(pixels[y : y + step], 255, dtype=np.float32, casting="unsafe")
            np.fmax(part, 0, out=part)  # NaN as well
            np.minimum(part, 255, out=part)
            _as_is(canvas[y : y + step], part)


# Boxes --------------------------------------------------------------------------------------------------------------


def _corners(value: object, call: str) -> NDArray[np.float64]:
    array = as_array(value, call, "box_tensor")
    if array.size == 0:
        return np.zeros((0, 4))
    if array.ndim != 2 or array.shape[1] != 4 or array.dtype.kind not in "iuf":
        raise InvalidSummary(
            f"{call}: expected box_tensor as [N, 4] numbers, a row (xmin, ymin, xmax, ymax) for each box, got "
            f"{kind_of(value)}; for a single box pass box[None]"
        )
    rows = array.astype(np.float64)
    bad = np.flatnonzero(~np.isfinite(rows).all(axis=1))
    if bad.size:
        raise InvalidSummary(f"{call}: box {bad[0]} is {rows[bad[0]].tolist()}; leave out boxes that are not finite")
    return rows


def _labels(labels: Sequence[str] | str | None, number: int, call: str) -> list[str] | None:
    if labels is None:
        return None
    texts = [labels] if isinstance(labels, str) else list(labels)
    if len(texts) != number:
        raise InvalidSummary(f"{call}: {len(texts)} labels for {number} boxes; give one for each, '' for none")
    wrong = next((text for text in texts if not isinstance(text, str)), None)  # pyright: ignore[reportUnnecessaryIsInstance]
    if wrong is not None:
        raise InvalidSummary(
            f"{call}: expected the labels to be strings, got {kind_of(wrong)}; convert them with str()"
        )
    return texts


def _factor(rescale: Any, call: str) -> float:
    try:
        factor = float(rescale)
    except Exception:
        factor = math.nan
    if not 0 < factor < math.inf:
        raise InvalidSummary(f"{call}: expected rescale to be a number above 0, got {rescale!r}; 1 keeps the size")
    return factor


def _with_boxes(
    pixels: NDArray[Any], corners: NDArray[np.float64], labels: list[str] | None, factor: float
) -> NDArray[Any]:
    """Pixels with boxes drawn into them, two pixels wide, and each label in its box's lower left corner."""
    from PIL import Image as Pictures
    from PIL import ImageDraw, ImageFont

    if pixels.dtype == np.uint16:
        pixels = (pixels >> 8).astype(np.uint8)  # Pillow draws in colours of 8 bits
    picture = Pictures.fromarray(pixels)
    pen, font = ImageDraw.Draw(picture), ImageFont.load_default()
    for i, (left, top, right, bottom) in enumerate(np.clip(corners, -FAR, FAR).tolist()):
        pen.line([(left, top), (left, bottom), (right, bottom), (right, top), (left, top)], width=2, fill="Red")
        if labels and labels[i]:
            x0, y0, x1, y1 = font.getbbox(labels[i])
            margin = math.ceil(0.05 * (y1 - y0))
            upper = bottom - (y1 - y0)
            pen.rectangle([(left, upper - 2 * margin), (left + x1 - x0, bottom)], fill="Red")
            pen.text((left + margin, upper - margin), labels[i], fill="black", font=font)
    if factor != 1:
        size = int(picture.width * factor), int(picture.height * factor)
        picture = picture.resize(size, Pictures.Resampling.LANCZOS)
    return np.asarray(picture)


# Figures ------------------------------------------------------------------------------------------------------------


def _figure_in(value: Any, name: str) -> Any:
    figure = getattr(value, "figure", value)
    if made_by(figure, "matplotlib") and hasattr(figure, "set_canvas"):
        return figure
    raise InvalidSummary(
        f"add_figure({name!r}): expected a matplotlib figure or a list of them, a Plotly figure, or HTML as a string, "
        f"got {kind_of(value)}; pixels go to add_image"
    )


def _drawn(figure: Any, close: bool) -> NDArray[np.uint8]:
    """A figure's pixels [H, W, 3]; the figure keeps its own canvas, which may be a window's."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    window = figure.canvas
    try:
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        pixels = np.array(canvas.buffer_rgba())[:, :, :3]
    finally:
        figure.set_canvas(window)
    pyplot = sys.modules.get("matplotlib.pyplot")  # without it there is nobody to forget the figure
    if close and pyplot is not None:
        pyplot.close(figure)
    return pixels
