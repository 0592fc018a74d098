"""Pixels as a PNG file, several times sooner than a general encoder.

Two choices make it quick. Rows are stored as what one filter leaves of them, for the whole picture the same and the one
of two that a sample of its rows favours: the difference to the row above, or to the mean of it and of the pixel to the
left, which suits photographs. And the deflate stream is made by isal where that is installed, else by zlib looking for
runs only, which on such differences is both quicker and smaller than its search for repeats.

Format: https://www.w3.org/TR/png-3/ (chunks: section 5; filters: section 9; deflate: section 10).
"""

from __future__ import annotations

import functools
import importlib
import struct
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["encode"]

_SAMPLE = 32  # rows by which the filter is chosen
_BLOCK = 1 << 17  # bytes filtered at a time, so that what is made on the way stays in the cache
_NEAR = 9  # bits of how far back isal looks in noise, where what it finds farther away costs more than it saves

SIGNATURE = b"\x89PNG\r\n\x1a\n"
UP, AVERAGE = 2, 3
COLOUR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}  # channels: grey, grey + alpha, RGB, RGBA


def encode(pixels: NDArray[Any]) -> bytes:
    """A PNG file.

    Args:
        pixels: [height, width, channels], uint8 or uint16 (the file has as many bits); 1 channel is grey, 2 grey and
            alpha, 3 RGB, 4 RGBA. No size is 0.
    """
    height, width, channels = pixels.shape
    bits = pixels.dtype.itemsize * 8
    header = struct.pack(">IIBBBBB", width, height, bits, COLOUR_TYPES[channels], 0, 0, 0)
    if bits == 16:
        pixels = pixels.astype(">u2")
    rows = np.ascontiguousarray(pixels).view(np.uint8).reshape(height, -1)
    step = channels * bits // 8
    average = _average_is_less(rows, step)
    data = _deflate()(_less_average(rows, step) if average else _less_above(rows), average)
    return SIGNATURE + _chunk(b"IHDR", header) + _chunk(b"IDAT", data) + _chunk(b"IEND", b"")


def _average_is_less(rows: NDArray[np.uint8], step: int) -> bool:
    """Whether the mean of left and above is nearer to the bytes than what is above, in some rows."""
    if len(rows) < 2:
        return False
    at = np.linspace(1, len(rows) - 1, min(len(rows) - 1, _SAMPLE)).astype(np.intp)
    here, above = rows[at], rows[at - 1]
    left = np.zeros_like(here)
    left[:, step:] = here[:, :-step]

    def size(residue: NDArray[np.uint8]) -> int:
        return int(np.minimum(residue, np.negative(residue)).sum(dtype=np.int64))

    return size(here - _mean(left, above)) < size(here - above)


def _mean(left: NDArray[np.uint8], above: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Of two bytes each, rounded down, without room for a ninth bit."""
    mean = left ^ above
    mean >>= 1
    mean += left & above
    return mean


def _less_above(rows: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The rows, each after its filter's number and less the row above."""
    out = np.empty((rows.shape[0], rows.shape[1] + 1), np.uint8)
    out[:, 0] = UP
    out[0, 1:] = rows[0]
    np.subtract(rows[1:], rows[:-1], out=out[1:, 1:])
    return out


def _less_average(rows: NDArray[np.uint8], step: int) -> NDArray[np.uint8]:
    """The rows, each after its filter's number and less the mean of the row above and the pixel `step` bytes left."""
    out = np.empty((rows.shape[0], rows.shape[1] + 1), np.uint8)
    out[:, 0] = AVERAGE
    count = max(1, _BLOCK // rows.shape[1])
    for y in range(0, len(rows), count):
        part = rows[y : y + count]
        above = rows[y - 1 : y - 1 + len(part)] if y else np.concatenate((np.zeros_like(rows[:1]), part[:-1]))
        np.subtract(part[:, :step], above[:, :step] >> 1, out=out[y : y + count, 1 : 1 + step])
        mean = _mean(part[:, :-step], above[:, step:])
        np.subtract(part[:, step:], mean, out=out[y : y + count, 1 + step :])
    return out


def _chunk(kind: bytes, data: bytes) -> bytes:
    return b"".join((struct.pack(">I", len(data)), kind, data, struct.pack(">I", zlib.crc32(data, zlib.crc32(kind)))))


@functools.cache
def _deflate() -> Callable[[Any, bool], bytes]:
    """What makes a zlib stream of some bytes, told whether they are noise: of the libraries at hand the quickest."""
    try:
        isal: Any = importlib.import_module("isal.igzip_lib")
    except ImportError:
        return deflate_runs

    def compress(data: Any, noise: bool) -> bytes:
        return isal.compress(data, 1, isal.COMP_ZLIB, isal.MEM_LEVEL_DEFAULT, _NEAR if noise else 0)

    return compress


def deflate_runs(data: Any, _noise: bool = False) -> bytes:
    """A zlib stream whose only repeats are runs of one byte."""
    stream = zlib.compressobj(1, zlib.DEFLATED, zlib.MAX_WBITS, zlib.DEF_MEM_LEVEL + 1, zlib.Z_RLE)
    return stream.compress(data) + stream.flush()
