"""The TLP1 frame: columns of numbers about the points of one embedding.

    bytes 0-3     "TLP1"
    bytes 4-7     H, the header's length: unsigned 32 bit, little-endian; 8 + H is a multiple of 8
    H bytes       JSON, padded with spaces: {"v": 1, "order": "little", ..., "columns": {name: {"at", "type"}}}
    the rest      the columns; each starts at its "at", a multiple of 8 counted from the header's end, and has numbers
                  of its "type": "f4" for float32, "u4" for uint32

What else the header says, and how many numbers a column has, is told by the route that answers with it.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import numpy as np

from .frame import Frame
from .responses import dump_json

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

__all__ = ["MAGIC", "encoded"]

MAGIC = b"TLP1"


def encoded(head: Mapping[str, Any], columns: Mapping[str, NDArray[Any]]) -> Frame:
    """Lay out a frame.

    Args:
        head: what the header says besides.
        columns: arrays of any shape, of 4 bytes a number; rows one after the other. They are not copied.
    """
    flat: list[NDArray[Any]] = []
    places: dict[str, dict[str, Any]] = {}
    size = 0
    for name, column in columns.items():
        places[name] = {"at": size, "type": f"{column.dtype.kind}{column.itemsize}"}
        flat.append(np.ascontiguousarray(column, column.dtype.newbyteorder("<")).reshape(-1))
        size += column.nbytes + -column.nbytes % 8
    header = dump_json({"v": 1, "order": "little", **head, "columns": places})
    header += b" " * (-len(header) % 8)
    start = MAGIC + struct.pack("<I", len(header)) + header
    return Frame(start, flat, len(start) + size)
