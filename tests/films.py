"""Small films made on the spot, in the two containers that browsers play, with nothing but Pillow.

A lossy WebP is one key frame of VP8 in a wrapper, an AVIF picture one of AV1: they are unwrapped and wrapped anew here.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Frames = Sequence[NDArray[np.uint8]]


def greys(levels: Sequence[int], height: int = 48, width: int = 64) -> list[NDArray[np.uint8]]:
    """One plain frame for each level of grey."""
    return [np.full((height, width, 3), level, np.uint8) for level in levels]


def gif(frames: Frames, fps: float = 10) -> bytes:
    """An animation that goes on for ever."""
    first, *others = map(Image.fromarray, frames)
    file = io.BytesIO()
    first.save(file, "GIF", save_all=True, append_images=others, duration=round(1000 / fps), loop=0)
    return file.getvalue()


def mp4(frames: Frames, fps: int = 10) -> bytes:
    """AV1 in an MP4, each frame a key frame, its index in front."""
    height, width, _ = frames[0].shape
    delta = 1000 // fps
    samples, configuration = zip(*map(_av1, frames), strict=True)
    matrix = struct.pack(">9I", 1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)
    length = delta * len(frames)
    visual = struct.pack(">6xHxx2x12xHHII4xH32xHh", 1, width, height, 72 << 16, 72 << 16, 1, 24, -1)
    start = 0
    for _ in range(2):  # the second time it is known where the samples begin
        tables = (
            _box("stsd", struct.pack(">4xI", 1) + _box("av01", visual + _box("av1C", configuration[0])))
            + _box("stts", struct.pack(">4xIII", 1, len(frames), delta))
            + _box("stsc", struct.pack(">4xIIII", 1, 1, len(frames), 1))
            + _box("stsz", struct.pack(f">4xII{len(frames)}I", 0, len(frames), *map(len, samples)))
            + _box("stco", struct.pack(">4xII", 1, start))
        )
        reference = _box("dref", struct.pack(">4xI", 1) + _box("url ", struct.pack(">I", 1)))
        media = _box("vmhd", struct.pack(">I8x", 1)) + _box("dinf", reference) + _box("stbl", tables)
        track = _box(
            "tkhd", struct.pack(">I8xI4xI16x", 3, 1, length) + matrix + struct.pack(">II", width << 16, height << 16)
        )
        inside = (
            _box("mdhd", struct.pack(">12xIIHxx", 1000, length, 0x55C4))
            + _box("hdlr", struct.pack(">8x4s12xx", b"vide"))
            + _box("minf", media)
        )
        header = _box(
            "mvhd", struct.pack(">12xIIIH10x", 1000, length, 1 << 16, 1 << 8) + matrix + struct.pack(">24xI", 2)
        )
        head = _box("ftyp", b"isom\0\0\2\0isomiso6av01mp41") + _box(
            "moov", header + _box("trak", track + _box("mdia", inside))
        )
        start = len(head) + 8
    return head + _box("mdat", b"".join(samples))


def _box(name: str, content: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(content), name.encode()) + content


def _av1(frame: NDArray[Any]) -> tuple[bytes, bytes]:
    """A picture's units of AV1, and what a decoder is told in front of them."""
    file = io.BytesIO()
    Image.fromarray(frame).save(file, "AVIF", quality=90, speed=10)
    data = file.getvalue()
    at = data.index(b"av1C")
    (size,) = struct.unpack_from(">I", data, at - 4)
    return data[data.index(b"mdat") + 4 :], data[at + 4 : at - 4 + size]


def webm(frames: Frames, fps: int = 10, *, declared: bool = True) -> bytes:
    """VP8 in a WebM, each frame a key frame.

    Args:
        frames: uint8[h, w, 3] each.
        fps: whole milliseconds a frame.
        declared: whether it says how long it is; recorders that do not know it in advance leave it out.
    """
    height, width, _ = frames[0].shape
    milliseconds = 1000 // fps
    blocks = b"".join(
        _element(0xA3, struct.pack(">BhB", 0x81, at * milliseconds, 0x80) + _vp8(frame))
        for at, frame in enumerate(frames)
    )
    picture = _element(0xE0, _number(0xB0, width) + _number(0xBA, height))
    track = _number(0xD7, 1) + _number(0x73C5, 1) + _number(0x83, 1) + _element(0x86, b"V_VP8") + picture
    length = _element(0x4489, struct.pack(">d", len(frames) * milliseconds)) if declared else b""
    info = _number(0x2AD7B1, 1_000_000) + _element(0x4D80, b"films") + _element(0x5741, b"films") + length
    cues = _element(0xBB, _number(0xB3, 0) + _element(0xB7, _number(0xF7, 1) + _number(0xF1, 0)))
    body = _element(0x1549A966, info) + _element(0x1654AE6B, _element(0xAE, track))
    cluster = _element(0x1F43B675, _number(0xE7, 0) + blocks)
    where = len(body) + (len(_element(0x1C53BB6B, cues)) if declared else 0)
    cues = _element(
        0xBB, _number(0xB3, 0) + _element(0xB7, _number(0xF7, 1) + _element(0xF1, struct.pack(">B", where)))
    )
    head = (
        _number(0x4286, 1)
        + _number(0x42F7, 1)
        + _number(0x42F2, 4)
        + _number(0x42F3, 8)
        + _element(0x4282, b"webm")
        + _number(0x4287, 2)
        + _number(0x4285, 2)
    )
    body += (_element(0x1C53BB6B, cues) if declared else b"") + cluster
    segment = _element(0x18538067, body) if declared else b"\x18\x53\x80\x67\x01" + b"\xff" * 7 + body
    return _element(0x1A45DFA3, head) + segment


def _vp8(frame: NDArray[Any]) -> bytes:
    file = io.BytesIO()
    Image.fromarray(frame).save(file, "WEBP", lossless=False, quality=90)
    data = file.getvalue()
    assert data[12:16] == b"VP8 "
    (size,) = struct.unpack_from("<I", data, 16)
    return data[20 : 20 + size]


def _element(name: int, content: bytes) -> bytes:
    """An element of EBML: its name, its length in eight bytes, its content."""
    return name.to_bytes((name.bit_length() + 7) // 8) + b"\x01" + len(content).to_bytes(7) + content


def _number(name: int, value: int) -> bytes:
    return _element(name, value.to_bytes(max(1, (value.bit_length() + 7) // 8)))
