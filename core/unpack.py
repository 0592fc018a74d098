"""From a summary's message to the value that a reader gets, in all forms that there are.

What TensorBoard's data_compat.py makes of the older forms (`histo`, `image`, `audio`), and what its plugins put into
tensors. An odd message raises CorruptRecord, never anything else.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from . import kinds
from .errors import CorruptRecord

if TYPE_CHECKING:
    from .proto import event_pb2 as pb

__all__ = ["Found", "array_of", "audio", "curve", "histogram", "image", "mesh_part", "tensor", "text", "video"]


class Found(NamedTuple):
    """A summary's value and where it was found; `metadata` is the tag's first in the run."""

    step: int
    wall_time: float
    value: pb.Summary.Value
    metadata: pb.SummaryMetadata


_FIELDS: dict[int, tuple[str, str]] = {  # DataType: NumPy's type, and the list that small tensors use
    1: ("<f4", "float_val"),
    2: ("<f8", "double_val"),
    3: ("<i4", "int_val"),
    4: ("u1", "int_val"),
    5: ("<i2", "int_val"),
    6: ("i1", "int_val"),
    8: ("<c8", "scomplex_val"),
    9: ("<i8", "int64_val"),
    10: ("?", "bool_val"),
    14: ("<u2", "half_val"),
    17: ("<u2", "int_val"),
    18: ("<c16", "dcomplex_val"),
    19: ("<f2", "half_val"),
    22: ("<u4", "uint32_val"),
    23: ("<u8", "uint64_val"),
}
_STRING, _BFLOAT16, _HALF = 7, 14, 19


def array_of(message: pb.TensorProto) -> NDArray[Any]:
    """A tensor as an array; strings as an object array of bytes, bfloat16 as float32.

    A list that is shorter than the shape says is filled up with its last element, as TensorFlow has it.

    Raises:
        CorruptRecord: shape and data do not fit, or the type is none that NumPy has.
    """
    shape = tuple(dim.size for dim in message.tensor_shape.dim)
    if any(size < 0 for size in shape):
        raise CorruptRecord(f"a tensor's shape {shape} is not known")
    count = math.prod(shape)
    if message.dtype == _STRING:
        flat: NDArray[Any] = np.empty(len(message.string_val), object)
        flat[:] = list(message.string_val)
        return _shaped(flat, shape, count)
    if message.dtype not in _FIELDS:
        raise CorruptRecord(f"a tensor has the type {message.dtype}, which NumPy has not")
    dtype, name = _FIELDS[message.dtype]
    if message.tensor_content:
        if len(message.tensor_content) % np.dtype(dtype).itemsize:
            raise CorruptRecord(f"a tensor's {len(message.tensor_content)} bytes are no {dtype}")
        flat = np.frombuffer(message.tensor_content, dtype)
    else:
        listed: list[Any] = list(getattr(message, name))
        if dtype.startswith("<c"):
            flat = np.array(listed[: len(listed) // 2 * 2], "<f4" if dtype == "<c8" else "<f8").view(dtype)
        elif message.dtype == _HALF:
            flat = (np.array(listed, np.int64) & 0xFFFF).astype("<u2").view("<f2")
        else:
            flat = np.array(listed, np.int64 if dtype == "<u2" else None).astype(dtype)
    if message.dtype == _BFLOAT16:
        flat = (flat.astype("<u4") << 16).view("<f4")
    return _shaped(flat, shape, count)


def _shaped(flat: NDArray[Any], shape: tuple[int, ...], count: int) -> NDArray[Any]:
    if 0 < len(flat) < count <= max(1 << 24, 4 * len(flat)):  # nothing is allocated from what a damaged file declares
        flat = np.concatenate([flat, np.repeat(flat[-1:], count - len(flat))])
    if len(flat) != count:
        raise CorruptRecord(f"a tensor of shape {shape} has {len(flat)} elements")
    return flat.reshape(shape)


def tensor(found: Found) -> kinds.Tensor:
    """A tensor as it is; another form's number or strings as an array too."""
    value = found.value
    if value.WhichOneof("value") == "simple_value":
        return kinds.Tensor(found.step, found.wall_time, np.array(value.simple_value, np.float32))
    return kinds.Tensor(found.step, found.wall_time, array_of(value.tensor))


def text(found: Found) -> kinds.Text:
    """Strings; bytes that are no UTF-8 are marked."""
    strings = tuple(item.decode("utf-8", "replace") for item in found.value.tensor.string_val)
    shape = tuple(dim.size for dim in found.value.tensor.tensor_shape.dim)
    return kinds.Text(found.step, found.wall_time, strings, shape)


def image(found: Found) -> kinds.Image:
    """torch's message, or `tf.summary`'s strings: width, height, and the pictures."""
    value = found.value
    if value.WhichOneof("value") == "image":
        message = value.image
        pictures = (message.encoded_image_string,)
        return kinds.Image(found.step, found.wall_time, message.width, message.height, pictures)
    strings = list(value.tensor.string_val)
    if len(strings) < 2 or not strings[0].isdigit() or not strings[1].isdigit() or len(strings[0] + strings[1]) > 20:
        raise CorruptRecord(f"the image {value.tag!r} at step {found.step} has no width and height")
    return kinds.Image(found.step, found.wall_time, int(strings[0]), int(strings[1]), tuple(strings[2:]))


def audio(found: Found) -> kinds.Audio:
    """torch's message, or `tf.summary`'s strings: sounds, each with a label in the older ones."""
    value = found.value
    if value.WhichOneof("value") == "audio":
        message = value.audio
        return kinds.Audio(
            found.step,
            found.wall_time,
            message.content_type,
            message.sample_rate,
            (message.encoded_audio_string,),
            ("",),
        )
    strings = list(value.tensor.string_val)
    shape = [dim.size for dim in value.tensor.tensor_shape.dim]
    labelled = len(shape) == 2 and shape[1] == 2
    clips = strings[::2] if labelled else strings
    labels = [item.decode("utf-8", "replace") for item in strings[1::2]] if labelled else [""] * len(clips)
    rate = float(int.from_bytes(clips[0][24:28], "little")) if clips and clips[0][:4] == b"RIFF" else 0.0
    return kinds.Audio(found.step, found.wall_time, "audio/wav", rate, tuple(clips), tuple(labels))


def histogram(found: Found) -> kinds.Histogram:
    """torch's message, or `tf.summary`'s rows of left edge, right edge and count."""
    value = found.value
    if value.WhichOneof("value") == "histo":
        message = value.histo
        limits, counts = np.array(message.bucket_limit, np.float64), np.array(message.bucket, np.float64)
        if len(limits) != len(counts):
            raise CorruptRecord(
                f"the histogram {value.tag!r} at step {found.step} has {len(limits)} limits and {len(counts)} counts"
            )
        filled = np.flatnonzero(counts > 0)
        if not len(filled):
            edges, counts = np.empty(0, np.float64), np.empty(0, np.float64)
        else:
            first, last = int(filled[0]), int(filled[-1])
            edges = np.concatenate([[message.min], limits[first:last], [message.max]])
            counts = counts[first : last + 1]
        sums = (message.min, message.max, message.num, message.sum, message.sum_squares)
        return kinds.Histogram(found.step, found.wall_time, edges, counts, *sums)
    rows: NDArray[Any] = np.empty(0) if value.tensor.dtype == _STRING else array_of(value.tensor).astype(np.float64)
    if rows.ndim != 2 or rows.shape[1] != 3:
        raise CorruptRecord(f"the histogram {value.tag!r} at step {found.step} is of shape {rows.shape}, not [k, 3]")
    if not len(rows):
        nan = float("nan")
        return kinds.Histogram(found.step, found.wall_time, np.empty(0), np.empty(0), nan, nan, 0.0)
    edges = np.append(rows[:, 0], rows[-1, 1])
    counts = rows[:, 2]
    filled = np.flatnonzero(counts > 0)
    low, high = (int(filled[0]), int(filled[-1])) if len(filled) else (0, len(rows) - 1)
    return kinds.Histogram(
        found.step,
        found.wall_time,
        edges[low : high + 2],
        counts[low : high + 1],
        float(edges[low]),
        float(edges[high + 1]),
        float(counts.sum()),
    )


def curve(found: Found) -> kinds.Curve:
    """Six rows: true and false positives, true and false negatives, precision, recall.

    A ROC curve has in place of the last two its rates, true and false, and then the thresholds and the area.
    """
    from .proto.plugin_pb2 import PrCurvePluginData

    rows = array_of(found.value.tensor)
    kind = _content(PrCurvePluginData, found).kind or "pr"
    wanted = 8 if kind == "roc" else 6
    if rows.ndim != 2 or rows.shape[0] != wanted or rows.shape[1] == 0 or rows.dtype == object:
        raise CorruptRecord(
            f"the curve {found.value.tag!r} at step {found.step} is of shape {rows.shape}, not [{wanted}, n]"
        )
    if kind != "roc":
        return kinds.Curve(found.step, found.wall_time, kind, np.linspace(0.0, 1.0, rows.shape[1]), *rows)
    positives = np.maximum(rows[0] + rows[1], 1e-7)  # as TensorBoard's precision has it
    thresholds, area = rows[6].astype(np.float64), float(rows[7, 0])
    return kinds.Curve(
        found.step,
        found.wall_time,
        kind,
        thresholds,
        *rows[:4],
        precision=rows[0] / positives,
        recall=rows[4],
        area=area,
    )


def video(found: Found) -> kinds.Video:
    """Two strings: the type and the file."""
    strings = list(found.value.tensor.string_val)
    if len(strings) != 2:
        raise CorruptRecord(f"the video {found.value.tag!r} at step {found.step} has {len(strings)} strings, not 2")
    return kinds.Video(found.step, found.wall_time, strings[0].decode("utf-8", "replace"), strings[1])


def mesh_part(found: Found) -> tuple[NDArray[Any], dict[str, Any]]:
    """One of the arrays of a mesh, and its configuration."""
    from .proto.plugin_pb2 import MeshPluginData

    config: dict[str, Any] = {}
    try:
        parsed: Any = json.loads(_content(MeshPluginData, found).json_config or "{}")
        config = dict(parsed)
    except (ValueError, TypeError):
        pass  # a mesh is a mesh without it
    return array_of(found.value.tensor), config


def _content(kind: Callable[[], Any], found: Found) -> Any:
    """The plugin's content in the tag's metadata; an empty message where it is damaged."""
    from google.protobuf.message import DecodeError

    message = kind()
    try:
        message.ParseFromString(found.metadata.plugin_data.content)
    except DecodeError:
        return kind()
    return message
