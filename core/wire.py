"""Events as protobuf bytes, and back. Knows no files.

Scalars, which are nearly all of what a training run writes, are packed by hand (here one, in scalars.py
many at once) and need no protobuf runtime; everything else goes through the generated messages, which are
imported when first needed because that takes longer than opening a writer.

Encoding rules: https://protobuf.dev/programming-guides/encoding/; fields: proto/event.proto.
"""

from __future__ import annotations

import functools
import struct
from typing import TYPE_CHECKING, Any

from .errors import CorruptRecord
from .summary import DataClass, Event, Summary
from .values import Audio, Histogram, Image, Message, Tensor, TensorTag

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from .proto import event_pb2 as pb

__all__ = [
    "FILE_VERSION",
    "decode_event",
    "encode_event",
    "encode_file_version",
    "encode_group",
    "encode_scalar",
    "encode_session_start",
    "encode_session_stop",
    "fields",
    "fixed_part",
    "varint",
]

FILE_VERSION = "brain.Event:2"
WRITER = "tallyboard.core.writer"
FAILED = "failed"  # the message of a STOP
STOP, STOP_FAILED = b"\x08\x02", b"\x08\x02\x1a\x06failed"  # a SessionLog whose status is STOP, without and with it

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5

_pack_double = struct.Struct("<d").pack
_pack_float = struct.Struct("<f").pack


def varint(number: int) -> bytes:
    """A non-negative number below 2**64 as a varint; a negative int64 as its two's complement."""
    number &= 0xFFFFFFFFFFFFFFFF
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def scalar_frame(tag: bytes) -> tuple[bytes, bytes]:
    """The fixed bytes of a scalar event: between step and value, and what of that is the tag's own value message."""
    value = b"\x0a" + varint(len(tag)) + tag + b"\x15"
    inner = b"\x0a" + varint(len(value) + 4) + value
    return b"\x2a" + varint(len(inner) + 4) + inner, value


def tensor_frame(tag: TensorTag) -> bytes:
    """The fixed bytes of a scalar that is a tensor: between step and value, which comes last here too."""
    name, said = tag.encode(), tag.description.encode()
    metadata = b"\x0a\x09\x0a\x07scalars" + (b"\x1a" + varint(len(said)) + said if said else b"")
    value = b"\x0a" + varint(len(name)) + name + b"\x4a" + varint(len(metadata)) + metadata
    value += b"\x42\x0a\x08\x01\x12\x00\x22\x04"  # a tensor: DT_FLOAT, no dimensions, four bytes of content
    inner = b"\x0a" + varint(len(value) + 4) + value
    return b"\x2a" + varint(len(inner) + 4) + inner


def fixed_part(tag: str) -> bytes:
    """The bytes of a scalar between step and value, in the form that its tag asks for."""
    return tensor_frame(tag) if isinstance(tag, TensorTag) else scalar_frame(tag.encode())[0]


def encode_scalar(tag: str, step: int, wall_time: float, value: float) -> bytes:
    """An event of one scalar, value as float32: a `simple_value`, which every TensorBoard reads, or as its tag says."""
    return b"".join(
        (
            b"\x09",
            _pack_double(wall_time),
            b"\x10" + varint(step) if step else b"",  # proto3 leaves out a zero
            fixed_part(tag),
            to_float32(value),
        )
    )


def encode_group(
    tags: Sequence[str], step: int, wall_time: float, values: bytes | memoryview
) -> tuple[bytes, list[int]]:
    """An event of several scalars, and where in it each value stands.

    Args:
        tags: at least one.
        step, wall_time: of all of them.
        values: one little-endian float32 for each.
    """
    summary = bytearray()
    places: list[int] = []
    for i, tag in enumerate(tags):
        name = tag.encode()
        value = b"\x0a" + varint(len(name)) + name + b"\x15"
        summary += b"\x0a" + varint(len(value) + 4) + value
        places.append(len(summary))
        summary += values[4 * i : 4 * i + 4]
    head = b"\x09" + _pack_double(wall_time) + (b"\x10" + varint(step) if step else b"")
    head += b"\x2a" + varint(len(summary))
    return head + bytes(summary), [len(head) + place for place in places]


def to_float32(value: float) -> bytes:
    """Little-endian float32; what is too large for it becomes infinity, as a C cast has it."""
    try:
        return _pack_float(value)
    except OverflowError:
        return _pack_float(float("inf") if value > 0 else float("-inf"))


def encode_event(event: Event) -> bytes:
    """One event as bytes."""
    summary = event.summary.settled()
    plain = not (summary.description or summary.display_name or summary.content)
    if plain and summary.plugin == "scalars" and isinstance(summary.value, float):
        return encode_scalar(summary.tag, event.step, event.wall_time, summary.value)
    from .proto import event_pb2 as pb

    message = pb.Event(wall_time=event.wall_time, step=event.step)
    if isinstance(summary.value, Message):
        _fill_message(message, summary.tag, summary.value)
    else:
        _fill(message.summary.value.add(tag=summary.tag), summary, plain)
    return message.SerializeToString()


def _fill_message(event: pb.Event, tag: str, value: Message) -> None:
    if value.field == "graph_def":
        event.graph_def = value.data
    elif value.field == "summary":
        event.summary.MergeFromString(value.data)
    elif value.field == "event":
        wall_time, step = event.wall_time, event.step
        event.MergeFromString(value.data)
        event.wall_time, event.step = wall_time, step
    else:
        event.tagged_run_metadata.tag = tag
        event.tagged_run_metadata.run_metadata = value.data


def _fill(value: pb.Summary.Value, summary: Summary, plain: bool) -> None:
    """A value and its metadata; torch's form, in which some kinds need none, where there is nothing to say."""
    content = summary.value
    if not (plain and isinstance(content, float | Histogram | Image | Audio)):
        value.metadata.plugin_data.plugin_name = summary.plugin
        value.metadata.plugin_data.content = summary.content
        value.metadata.display_name = summary.display_name
        value.metadata.summary_description = summary.description
        if isinstance(content, float | Histogram | Image | Audio):
            # Without it TensorBoard's data server takes the metadata of these forms for none, names and all.
            value.metadata.data_class = _DATA_CLASS[summary.data_class]
    if isinstance(content, tuple):
        value.tensor.dtype = _dtypes()["S"]
        value.tensor.tensor_shape.dim.add(size=len(content))
        value.tensor.string_val.extend(content)
    elif isinstance(content, Tensor):
        _fill_tensor(value.tensor, content.array)
    elif isinstance(content, Histogram):
        histo = value.histo
        histo.min, histo.max, histo.num = content.min, content.max, content.num
        histo.sum, histo.sum_squares = content.sum, content.sum_squares
        for key, column in ((b"\x32", content.limits), (b"\x3a", content.counts)):  # a tenth of what extend() takes
            packed = column.astype("<f8", copy=False).tobytes()
            histo.MergeFromString(key + varint(len(packed)) + packed)
    elif isinstance(content, Image):
        image = value.image
        image.height, image.width, image.colorspace = content.height, content.width, content.colorspace
        image.encoded_image_string = content.encoded
    elif isinstance(content, Audio):
        audio = value.audio
        audio.sample_rate, audio.num_channels, audio.length_frames = (
            content.sample_rate,
            content.channels,
            content.frames,
        )
        audio.encoded_audio_string, audio.content_type = content.encoded, content.content_type
    elif isinstance(content, float):
        value.simple_value = struct.unpack("<f", to_float32(content))[0]


_DATA_CLASS: dict[DataClass, Any] = {DataClass.SCALAR: 1, DataClass.TENSOR: 2, DataClass.BLOBS: 3}


def _fill_tensor(tensor: pb.TensorProto, array: NDArray[Any]) -> None:
    """Numbers as their little-endian bytes; strings (object arrays of bytes, of any shape) as a list."""
    tensor.dtype = _dtypes()["S" if array.dtype == object else array.dtype.str.lstrip("<>=|")]
    for size in array.shape:
        tensor.tensor_shape.dim.add(size=size)
    tensor.tensor_shape.SetInParent()  # a scalar's shape is there, and empty
    if array.dtype == object:
        tensor.string_val.extend(array.ravel().tolist())
    else:
        tensor.tensor_content = array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes()


@functools.cache
def _dtypes() -> dict[str, pb.DataType]:
    """TensorFlow's type for NumPy's, by kind and size."""
    from .proto import event_pb2 as pb

    return {
        "f4": pb.DT_FLOAT,
        "f8": pb.DT_DOUBLE,
        "f2": pb.DT_HALF,
        "i1": pb.DT_INT8,
        "i2": pb.DT_INT16,
        "i4": pb.DT_INT32,
        "i8": pb.DT_INT64,
        "u1": pb.DT_UINT8,
        "u2": pb.DT_UINT16,
        "u4": pb.DT_UINT32,
        "u8": pb.DT_UINT64,
        "b1": pb.DT_BOOL,
        "c8": pb.DT_COMPLEX64,
        "c16": pb.DT_COMPLEX128,
        "S": pb.DT_STRING,
    }


def encode_file_version(wall_time: float, step: int = 0) -> bytes:
    """The event that opens a file and says which form its events have."""
    version, writer = FILE_VERSION.encode(), WRITER.encode()
    source = b"\x0a" + varint(len(writer)) + writer
    return b"".join(
        (
            b"\x09" + _pack_double(wall_time),
            b"\x10" + varint(step) if step else b"",
            b"\x1a" + varint(len(version)) + version,
            b"\x52" + varint(len(source)) + source,
        )
    )


def encode_session_start(wall_time: float, step: int) -> bytes:
    """The event by which a restarted run says that what an earlier file has at `step` and after is void."""
    return b"".join((b"\x09" + _pack_double(wall_time), b"\x10" + varint(step) if step else b"", b"\x3a\x02\x08\x01"))


def encode_session_stop(wall_time: float, failed: bool) -> bytes:
    """The event by which a writer that is closed says that nothing more comes; TensorFlow 1's supervisor ended so too.

    Its message is empty, or `failed`.
    """
    log = STOP_FAILED if failed else STOP
    return b"".join((b"\x09" + _pack_double(wall_time), b"\x3a" + varint(len(log)), log))


def decode_event(data: bytes) -> pb.Event:
    """The message that some bytes hold.

    Raises:
        CorruptRecord: they hold none.
    """
    from google.protobuf.message import DecodeError

    from .proto import event_pb2 as pb

    try:
        return pb.Event.FromString(data)
    except DecodeError as error:
        raise CorruptRecord(f"a record of {len(data)} bytes is no event: {error}") from None


def read_varint(data: bytes, at: int) -> tuple[int, int]:
    """A varint and the position behind it.

    Raises:
        IndexError: it runs over the end.
    """
    number = shift = 0
    while True:
        byte = data[at]
        at += 1
        number |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return number, at


def fields(data: bytes, at: int, end: int) -> Iterator[tuple[int, int, int, int]]:
    """The fields of a message: number, wire type, and where the payload starts and ends.

    Raises:
        IndexError: a field runs over the end of the data.
        ValueError: a wire type that no message uses.
    """
    while at < end:
        key, at = read_varint(data, at)
        kind = key & 7
        if kind == VARINT:
            start = at
            _, at = read_varint(data, at)
        elif kind == BYTES:
            size, start = read_varint(data, at)
            at = start + size
        elif kind in (FIXED64, FIXED32):
            start = at
            at += 8 if kind == FIXED64 else 4
        else:
            raise ValueError(f"wire type {kind}")
        if at > end:
            raise IndexError(at)
        yield key >> 3, kind, start, at
