"""Events as protobuf bytes, and back. Knows no files.

Scalars, which are nearly all of what a training run writes, are packed by hand (here one, in scalars.py
many at once) and need no protobuf runtime; everything else goes through the generated messages, which are
imported when first needed because that takes longer than opening a writer.

Encoding rules: https://protobuf.dev/programming-guides/encoding/; fields: proto/event.proto.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from .errors import CorruptRecord
from .summary import DataClass, Event, Summary

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .proto import event_pb2 as pb

__all__ = [
    "FILE_VERSION",
    "decode_event",
    "encode_event",
    "encode_file_version",
    "encode_scalar",
    "encode_session_start",
    "fields",
    "varint",
]

FILE_VERSION = "brain.Event:2"
WRITER = "tallyboard.core.writer"

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


def encode_scalar(tag: str, step: int, wall_time: float, value: float) -> bytes:
    """An event of one scalar in the form that every TensorBoard reads (`simple_value`), value as float32."""
    return b"".join(
        (
            b"\x09",
            _pack_double(wall_time),
            b"\x10" + varint(step) if step else b"",  # proto3 leaves out a zero
            scalar_frame(tag.encode())[0],
            to_float32(value),
        )
    )


def to_float32(value: float) -> bytes:
    """Little-endian float32; what is too large for it becomes infinity, as a C cast has it."""
    try:
        return _pack_float(value)
    except OverflowError:
        return _pack_float(float("inf") if value > 0 else float("-inf"))


def encode_event(event: Event) -> bytes:
    """One event as bytes."""
    summary = event.summary
    if summary.plugin == "scalars" and isinstance(summary.value, float) and not summary.description:
        return encode_scalar(summary.tag, event.step, event.wall_time, summary.value)
    from .proto import event_pb2 as pb

    message = pb.Event(wall_time=event.wall_time, step=event.step)
    value = message.summary.value.add(tag=summary.tag)
    value.metadata.plugin_data.plugin_name = summary.plugin
    if summary.description:
        value.metadata.summary_description = summary.description
    _fill(value, summary)
    return message.SerializeToString()


def _fill(value: pb.Summary.Value, summary: Summary) -> None:
    from .proto import event_pb2 as pb

    if not isinstance(summary.value, tuple):
        value.simple_value = struct.unpack("<f", to_float32(summary.value))[0]
        value.metadata.data_class = pb.DATA_CLASS_SCALAR
        return
    value.tensor.dtype = pb.DT_STRING
    value.tensor.tensor_shape.dim.add(size=len(summary.value))
    value.tensor.string_val.extend(summary.value)
    if summary.data_class is DataClass.TENSOR:
        value.metadata.data_class = pb.DATA_CLASS_TENSOR


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
