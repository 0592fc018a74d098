"""The summaries as `tf.summary` writes them: every value a tensor, under its plugin's name.

Source of the formats: summary_v2.py and metadata.py of TensorBoard's plugins scalar, histogram, image, audio and text,
and TensorFlow's `tf.image.convert_image_dtype` and `tf.audio.encode_wav`. Arguments are checked and copied at the call;
counting, scaling and encoding wait for the background thread.
"""

from __future__ import annotations

import functools
import io
import operator
import wave
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tallyboard.core import png
from tallyboard.core.arrays import as_array
from tallyboard.core.errors import InvalidSummary
from tallyboard.core.proto.plugin_pb2 import AudioPluginData, HistogramPluginData
from tallyboard.core.summary import DataClass, Summary, as_number, kind_of
from tallyboard.core.values import Later, Tensor

__all__ = ["audio_of", "histogram_of", "image_of", "number_of", "strings_of", "text_of"]

BUCKETS = 30
_CHUNK = 1 << 16  # values at a time, so that what is made on the way stays in the cache
_AT_ONCE = 64 << 20  # bytes above which values are counted during the call, because a copy would fill the memory


def number_of(tag: str, data: Any) -> float:
    """One number, of any library's kind.

    Raises:
        InvalidSummary: it is not one.
    """
    if type(data) is float:
        return data
    if type(data).__module__.startswith(("tensorflow.", "keras.")) and hasattr(data, "numpy"):
        data = data.numpy()
    return as_number(tag, data, "scalar")


# Histograms ---------------------------------------------------------------------------------------------------------


def histogram_of(tag: str, data: Any, buckets: Any, description: str | None) -> Summary:
    """Rows (left edge, right edge, count) of as many buckets, of equal width between the least and the greatest value.

    Equal values fill the last of buckets without width; no values make rows of zeros. NaN and infinity are in no
    bucket: the plugin's content counts them, and the description names them.
    """
    call = f"histogram({tag!r})"
    number = BUCKETS if buckets is None else max(0, _whole(buckets, call, "buckets"))
    big = (getattr(data, "nbytes", 0) or 0) > _AT_ONCE
    values = as_array(data, call, "data", copy=not big).reshape(-1)
    if values.dtype.kind == "c":
        raise InvalidSummary(f"{call}: expected data to be real numbers, got {kind_of(data)}; log .real and .imag")
    about, content = description or "", b""
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        values, said, content = _finite(values)
        about = f"{about}\n\n{said}" if about else said
    make = functools.partial(_counted, values, number)
    value = make() if big else Later(make, values.nbytes)
    return Summary(tag, "histograms", DataClass.TENSOR, value, about, content=content)


def _finite(values: NDArray[Any]) -> tuple[NDArray[Any], str, bytes]:
    """The finite values, and what is said of the others: as markdown, and as the plugin's content."""
    counts = {
        "NaN": int(np.isnan(values).sum()),
        "+Inf": int((values == np.inf).sum()),
        "-Inf": int((values == -np.inf).sum()),
    }
    said = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
    content = HistogramPluginData(nan=counts["NaN"], positive_infinity=counts["+Inf"], negative_infinity=counts["-Inf"])
    about = f"In no bucket: {said}, of {len(values)} values."
    return values[np.isfinite(values)], about, content.SerializeToString()


def _counted(values: NDArray[Any], buckets: int) -> Tensor:
    rows = np.zeros((buckets, 3))
    if not buckets or not values.size:
        return Tensor(rows)
    least, most = float(values.min()), float(values.max())
    spread = most - least
    if spread == 0:
        rows[:, :2] = most
        rows[-1, 2] = values.size
        return Tensor(rows)
    with np.errstate(over="ignore", invalid="ignore"):
        edges = least + np.arange(buckets + 1) * (spread / buckets)
    edges[-1] = most
    rows[:, 0], rows[:, 1] = edges[:-1], edges[1:]
    width = spread / buckets
    for start in range(0, len(values), _CHUNK):
        part = values[start : start + _CHUNK].astype(np.float64)
        with np.errstate(all="ignore"):  # a spread near the limits of float64
            places = np.nan_to_num((part - least) / width, nan=0.0, posinf=buckets - 1)
        places = np.minimum(places, buckets - 1).astype(np.intp)
        rows[:, 2] += np.bincount(places, minlength=buckets)
    return Tensor(rows)


# Pictures -----------------------------------------------------------------------------------------------------------


def image_of(tag: str, data: Any, max_outputs: Any, description: str | None) -> Summary:
    """The strings [width, height, PNG, ...] of the first pictures of a batch [k, h, w, c]."""
    call = f"image({tag!r})"
    limit = _limit(max_outputs, call)
    array = as_array(data, call, "data", copy=False)
    if array.ndim != 4:
        cure = "for one picture pass data[None]" if array.ndim == 3 else "reshape it"
        raise InvalidSummary(
            f"{call}: expected data to have 4 axes, [pictures, height, width, channels], got {kind_of(array)}; {cure}"
        )
    _, height, width, channels = array.shape
    if not 1 <= channels <= 4 or not height * width or array.dtype.kind == "c":
        raise InvalidSummary(
            f"{call}: expected pictures with pixels of 1 (grey), 2 (grey and alpha), 3 (RGB) or 4 (RGBA) channels, "
            f"the last axis, got {kind_of(array)}"
        )
    batch = array[:limit].copy()

    def make() -> Tensor:
        strings = [str(width).encode(), str(height).encode()]
        strings += [png.encode(as_uint8(picture)) for picture in batch]
        return Tensor(_objects(strings))

    return Summary(tag, "images", DataClass.BLOBS, Later(make, batch.nbytes), description or "")


def as_uint8(pixels: NDArray[Any]) -> NDArray[np.uint8]:
    """Levels from 0 to 255: floats from 0 to 1, integers by their type's range, cut off; NaN is 0."""
    if pixels.dtype == np.uint8:
        return pixels
    if pixels.dtype.kind == "b":
        return pixels.astype(np.uint8) * np.uint8(255)
    if pixels.dtype.kind == "f":
        with np.errstate(all="ignore"):
            scaled = pixels * pixels.dtype.type(255.5)  # TensorFlow's factor, so that 1.0 becomes 255
        return np.nan_to_num(np.clip(scaled, 0, 255), nan=0.0).astype(np.uint8)
    most = int(np.iinfo(pixels.dtype).max)
    if most > 255:
        return np.clip(pixels // pixels.dtype.type((most + 1) // 256), 0, 255).astype(np.uint8)
    return np.maximum(pixels, 0).astype(np.uint8) * np.uint8(256 // (most + 1))


# Sound --------------------------------------------------------------------------------------------------------------


def audio_of(tag: str, data: Any, sample_rate: Any, max_outputs: Any, description: str | None) -> Summary:
    """Pairs (WAV file, empty label) of the first clips of a batch [k, frames, channels]."""
    call = f"audio({tag!r})"
    limit, rate = _limit(max_outputs, call), _whole(sample_rate, call, "sample_rate")
    if not 0 < rate < 2**32:
        raise InvalidSummary(f"{call}: sample_rate is {rate}; give the samples a second of each channel, as 44100")
    array = as_array(data, call, "data", copy=False)
    if array.ndim != 3:
        cure = "for one clip pass data[None]" if array.ndim == 2 else "reshape it"
        raise InvalidSummary(
            f"{call}: expected data to have 3 axes, [clips, frames, channels], got {kind_of(array)}; {cure}"
        )
    if array.dtype.kind != "f" or not 0 < array.shape[2] < 2**16:
        raise InvalidSummary(
            f"{call}: expected floats between -1 and 1, with at least one channel (the last axis), got {kind_of(array)}"
        )
    batch = array[:limit].astype(np.float32)
    content = AudioPluginData(encoding=AudioPluginData.WAV).SerializeToString()

    def make() -> Tensor:
        pairs = [string for clip in batch for string in (_wav(clip, rate), b"")]
        return Tensor(_objects(pairs).reshape(-1, 2))

    return Summary(tag, "audio", DataClass.BLOBS, Later(make, batch.nbytes), description or "", content=content)


def _wav(clip: NDArray[np.float32], rate: int) -> bytes:
    """A WAV file of 16 bits a sample: times 32768, rounded half away from zero, cut off."""
    levels = clip * np.float32(32768)
    levels = np.nan_to_num(levels.astype(np.float64), nan=0.0)
    rounded = np.clip(np.trunc(levels + np.copysign(0.5, levels)), -32768, 32767)
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(clip.shape[1])
        out.setsampwidth(2)
        out.setframerate(rate)
        out.writeframes(rounded.astype("<i2").tobytes())
    return file.getvalue()


# Text ---------------------------------------------------------------------------------------------------------------


def text_of(tag: str, data: Any, description: str | None) -> Summary:
    """Strings of any shape."""
    return Summary(tag, "text", DataClass.TENSOR, Tensor(strings_of(data, f"text({tag!r})")), description or "")


def strings_of(data: Any, call: str) -> NDArray[Any]:
    """Strings, lists and arrays of them, and TensorFlow's, as an array of bytes objects of the same shape.

    Raises:
        InvalidSummary: it holds something else.
    """
    if hasattr(data, "numpy"):
        data = data.numpy()
    items = [item.numpy() if hasattr(item, "numpy") else item for item in data] if isinstance(data, list) else data
    try:
        array = np.array(items, dtype=object)
        out = np.empty(array.shape, object)
        for place in np.ndindex(array.shape):
            out[place] = _utf8(array[place])
    except (TypeError, ValueError) as error:
        why = f" ({error})" if isinstance(error, UnicodeError) else ""
        raise InvalidSummary(
            f"{call}: expected data to be a string, or an array or equal lists of strings, got {kind_of(data)}{why}; "
            "convert it with str() first"
        ) from None
    return out


def _utf8(item: Any) -> bytes:
    if isinstance(item, bytes):
        return bytes(item)
    if isinstance(item, str):
        return item.encode()
    raise TypeError


def _objects(strings: list[bytes]) -> NDArray[Any]:
    out = np.empty(len(strings), object)
    out[:] = strings
    return out


# Arguments ----------------------------------------------------------------------------------------------------------


def _whole(value: Any, call: str, argument: str) -> int:
    """A whole number that may be a tensor or an array of one element."""
    try:
        return operator.index(value.numpy() if hasattr(value, "numpy") else value)
    except TypeError:
        pass
    array = np.asarray(value)
    if array.size != 1 or array.dtype.kind not in "iu":
        raise InvalidSummary(f"{call}: expected {argument} to be one integer, got {kind_of(value)}")
    return int(array.reshape(-1)[0])


def _limit(max_outputs: Any, call: str) -> int:
    limit = _whole(max_outputs, call, "max_outputs")
    if limit < 0:
        raise InvalidSummary(f"{call}: expected max_outputs to be at least 0, got {limit}")
    return limit
