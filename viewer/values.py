"""Values that stay on disk: found by step and wall time, read, and taken apart."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tallyboard.core.errors import CorruptRecord
from tallyboard.core.wire import decode_event

if TYPE_CHECKING:
    from collections.abc import Callable

    from tallyboard.core.proto import event_pb2 as pb
    from tallyboard.core.store import BlobRef

    from .context import Context

__all__ = ["SIZES", "blobs_in", "finite", "media_type", "read_value", "value_at"]

SIZES = 2
"""Blobs in front of a step's pictures: its width and height."""

_TYPES = {
    b"\x89PNG\r\n\x1a\n": "image/png",
    b"GIF8": "image/gif",
    b"\xff\xd8\xff": "image/jpeg",
    b"BM": "image/bmp",
    b"\x1aE\xdf\xa3": "video/webm",
    b"OggS": "audio/ogg",
    b"fLaC": "audio/flac",
    b"ID3": "audio/mpeg",
}


def media_type(data: bytes) -> str:
    """The type that the first bytes of a blob tell, whatever it was said to be; never one that a browser would run."""
    for magic, name in _TYPES.items():
        if data.startswith(magic):
            return name
    if len(data) > 1 and data[0] == 0xFF and data[1] & 0xE0 == 0xE0 and data[1] & 0x06:
        return "audio/mpeg"  # the first frame of an MP3 that nothing is said in front of
    if data[:4] == b"RIFF":
        return {b"WAVE": "audio/wav", b"WEBP": "image/webp"}.get(data[8:12], "application/octet-stream")
    return "video/mp4" if data[4:8] == b"ftyp" else "application/octet-stream"


def value_at(
    context: Context, plugin: str, run: str, tag: str, step: float, wall_time: float
) -> pb.Summary.Value | None:
    """The value of a series that was logged for a step at a time, read from disk; None where there is none.

    Args:
        context: whose store.
        plugin, run, tag: which series; what a restart has voided is found too.
        step: as a browser knows it, which has no whole numbers beyond 2**53.
        wall_time: seconds, as `finite` gives them: together with the step they tell it from one in its place.

    Raises:
        CorruptRecord: it cannot be read any more.
    """
    stored = context.store.blobs(plugin, run, tag, superseded=True)
    if stored is None:
        return None
    places = np.flatnonzero((finite(stored.wall_time) == wall_time) & (stored.step.astype(np.float64) == float(step)))
    return read_value(context.fetch, stored.ref[int(places[-1])], tag) if len(places) else None


def finite(wall_time: NDArray[np.float64]) -> NDArray[np.float64]:
    """Wall times as JSON can say them: 0 where a time is NaN or infinite."""
    return np.where(np.isfinite(wall_time), wall_time, 0.0)


def read_value(fetch: Callable[[BlobRef], bytes], ref: BlobRef, tag: str) -> pb.Summary.Value:
    """Read the value of a tag from the record where it lies.

    Raises:
        CorruptRecord: it is not there any more.
    """
    for value in decode_event(fetch(ref)).summary.value:
        if value.tag == tag:
            return value
    raise CorruptRecord(f"{ref.path}: the record at {ref.offset} has no value of the tag {tag!r} any more")


def blobs_in(message: pb.Summary.Value) -> list[bytes]:
    """The blobs of a value: of pictures width and height first, as text."""
    kind = message.WhichOneof("value")
    if kind == "image":
        image = message.image
        return [str(image.width).encode(), str(image.height).encode(), image.encoded_image_string]
    if kind == "audio":
        return [message.audio.encoded_audio_string]
    strings = list(message.tensor.string_val)
    shape = [dim.size for dim in message.tensor.tensor_shape.dim]
    return strings[:: max(1, shape[1])] if len(shape) == 2 else strings  # older sounds have a label each
