"""Moving pictures: arrays as an animated GIF, which TensorBoard plays; files as they are.

TensorBoard has no dashboard for MP4 and WebM. Such a file is kept whole under the plugin `video`, as two strings (its
media type and its bytes), and beside it goes a text that TensorBoard shows.

GIF: https://www.w3.org/Graphics/GIF/spec-gif89a.txt. MP4 begins with an `ftyp` box (ISO/IEC 14496-12), WebM with an
EBML header (RFC 8794) whose DocType is `webm`.
"""

from __future__ import annotations

import io
import os
import struct
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from .arrays import as_array
from .errors import InvalidSummary
from .media import need_pillow, paint
from .summary import DataClass, Summary, as_tag
from .values import Image, Later

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

__all__ = ["video"]

SIDE_MAX = 65535
BYTES_MAX = 2**30
SHORTEST = 2  # hundredths of a second; browsers play what is shorter far too slowly


def video(tag: object, value: object, fps: object = 4, dataformats: object = "NTCHW") -> list[Summary]:
    """What shows a video: one summary, or for a file that TensorBoard cannot play, the file and a text about it.

    Args:
        tag: its name.
        value: an array of any library, floats from 0 to 1 or uint8, of 1, 3 or 4 channels (alpha is left out), where a
            batch is shown side by side; or an MP4, WebM or GIF as bytes or a path.
        fps: frames a second of an array; a GIF shows at most 50, so that more is played at 50.
        dataformats: what each axis is: any order of NTCHW or TCHW.

    Raises:
        InvalidSummary: rank, layout, channels or type do not fit, there is nothing to show, or a file is
            of another kind.
        MissingDependency: an array, and Pillow is not installed.
    """
    name = as_tag(tag, "add_video")
    call = f"add_video({name!r})"
    if isinstance(value, bytes | bytearray | memoryview | str | os.PathLike):
        return _file(name, value, call)
    need_pillow(call)
    seconds = 1 / _fps(fps, call)
    batch = _batch(value, dataformats, call)
    return [Summary(name, "images", DataClass.BLOBS, Later(lambda: _gif(batch, seconds), batch.nbytes))]


# Arrays -------------------------------------------------------------------------------------------------------------


def _fps(value: Any, call: str) -> float:
    try:
        fps = float(value)
    except Exception:
        fps = 0.0
    if not 0.01 <= fps < float("inf"):
        raise InvalidSummary(f"{call}: fps={value!r}; give the frames a second as a number from 0.01 on, such as 4")
    return fps


def _batch(value: object, dataformats: object, call: str) -> NDArray[Any]:
    """A view [N, T, H, W, C] of a copy of the user's frames."""
    layout = dataformats.upper() if isinstance(dataformats, str) else ""
    if "".join(sorted(layout)) not in ("CHNTW", "CHTW"):
        raise InvalidSummary(
            f"{call}: dataformats={dataformats!r} does not say what the axes are; give some order of the letters of "
            "NTCHW or TCHW (N videos, T frames, C channels, H rows, W columns), each once"
        )
    array = as_array(value, call, "vid_tensor")
    if array.ndim != len(layout):
        cure = "pass dataformats='TCHW'" if array.ndim == 4 else "a batch of one is vid_tensor[None]"
        raise InvalidSummary(
            f"{call}: dataformats={layout!r} names {len(layout)} axes, but vid_tensor has {array.ndim}, of sizes "
            f"{array.shape}; {cure}"
        )
    view = array.transpose([layout.index(axis) for axis in "NTHWC" if axis in layout])
    view = view if "N" in layout else view[np.newaxis]
    if view.size == 0:
        raise InvalidSummary(f"{call}: vid_tensor is empty: its sizes are {array.shape}; log at least one frame")
    if view.shape[-1] not in (1, 3, 4) or array.dtype.kind == "c":
        raise InvalidSummary(
            f"{call}: expected 1 (grey), 3 (RGB) or 4 (RGBA) channels of real numbers, got {view.shape[-1]} of "
            f"{array.dtype} in a vid_tensor of sizes {array.shape} with dataformats={layout!r}; say with dataformats "
            "which axis the channels are"
        )
    rows, columns = _tiles(len(view))
    if max(rows * view.shape[2], columns * view.shape[3]) > SIDE_MAX:
        raise InvalidSummary(f"{call}: a GIF has at most {SIDE_MAX} pixels a side; log fewer or smaller videos a call")
    return view


def _tiles(number: int) -> tuple[int, int]:
    """Rows and columns of the grid that a batch is shown in: torch's, a power of two each."""
    rows = 2 ** ((number.bit_length() - 1) // 2)
    whole = number if number & (number - 1) == 0 else 2 ** number.bit_length()
    return rows, whole // rows


def _gif(batch: NDArray[Any], seconds: float) -> Image:
    number = batch.shape[1]
    ends = np.rint(np.arange(number + 1, dtype=np.float64) * (seconds * 100))  # rounded as a whole: frames do not drift
    durations = np.maximum(np.diff(ends), SHORTEST).astype(int) * 10
    frames = _frames(batch)
    first = next(frames)
    file = io.BytesIO()
    first.save(
        file, "GIF", save_all=True, append_images=frames, duration=durations.tolist() if number > 1 else 0, loop=0
    )
    return Image(first.height, first.width, 3, file.getvalue())


def _frames(batch: NDArray[Any]) -> Iterator[Picture]:
    """Every frame with its palette: exact up to 256 colours, the nearest ones of a palette of its own beyond."""
    from PIL import Image as Pictures

    number, length, height, width, channels = batch.shape
    rows, columns = _tiles(number)
    fill = paint(batch)
    for t in range(length):
        canvas = np.zeros(
            (rows * height, columns * width, channels), np.uint16 if batch.dtype == np.uint16 else np.uint8
        )
        for i in range(number):
            top, left = i // columns * height, i % columns * width
            fill(canvas[top : top + height, left : left + width], batch[i, t])
        if canvas.dtype == np.uint16:
            canvas = (canvas >> 8).astype(np.uint8)
        if channels == 1:
            yield Pictures.fromarray(canvas[:, :, 0])
        else:
            yield Pictures.fromarray(np.ascontiguousarray(canvas[:, :, :3])).quantize(256)


# Files --------------------------------------------------------------------------------------------------------------


def _file(name: str, value: Any, call: str) -> list[Summary]:
    data = _read(value, call)
    if data[:6] in (b"GIF87a", b"GIF89a") and len(data) > 12:
        width, height = struct.unpack("<HH", data[6:10])
        return [Summary(name, "images", DataClass.BLOBS, Image(height, width, 3, data))]
    media_type = _media_type(data)
    if media_type is None:
        raise InvalidSummary(
            f"{call}: expected vid_tensor to be an MP4, WebM or GIF, got {len(data)} bytes that begin with "
            f"{data[:12]!r}; convert it to MP4 first, or pass the frames as an array"
        )
    notice = (
        f"Video, {media_type}, {len(data):,} bytes. TensorBoard has no dashboard that plays it; the event file has it "
        "whole, and tallyboard shows it."
    )
    return [
        Summary(name, "video", DataClass.BLOBS, (media_type.encode(), data)),
        Summary(f"{name}/text_summary", "text", DataClass.TENSOR, (notice.encode(),)),
    ]


def _read(value: Any, call: str) -> bytes:
    if isinstance(value, bytes | bytearray | memoryview):
        data = bytes(cast(bytes, value))
    else:
        try:
            with open(value, "rb") as file:
                data = file.read(BYTES_MAX + 1)
        except (OSError, ValueError) as error:
            raise InvalidSummary(
                f"{call}: the video {os.fspath(value)!r} cannot be read ({error}); check the path"
            ) from None
    if len(data) > BYTES_MAX:
        raise InvalidSummary(f"{call}: the video has more than a gigabyte; log a shorter one")
    return data


def _media_type(data: bytes) -> str | None:
    if data[4:8] == b"ftyp":
        return "video/quicktime" if data[8:12] == b"qt  " else "video/mp4"
    if data[:4] == b"\x1a\x45\xdf\xa3":
        return "video/webm" if b"webm" in data[:64] else "video/x-matroska"
    return None
