"""Variables in checkpoints of TensorFlow, read without it: which there are, and their numbers.

A checkpoint `P` is an index `P.index` and data `P.data-00000-of-0000n`. The index is a table of sorted keys as LevelDB
writes them (blocks of prefix-compressed entries, a checksum each, a footer), from names of variables to where their
bytes lie; one that was written in slices has a key of its own for each. Source of the forms: tensor_bundle.proto,
tensor_bundle.cc, ordered_code.cc and table/format.cc of TensorFlow; docs/table_format.md of LevelDB.

Checkpoints come with a training and may hold anything: nothing is allocated for what an index merely declares.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from tallyboard.core.record import masked_crc
from tallyboard.core.wire import fields, read_varint

from .projector_files import Unreadable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["LONGEST_INDEX", "Piece", "Variable", "numbers", "variables"]

LONGEST_INDEX = 16 << 20
MOST_KEYS = 50_000
LONGEST_KEY = 2_048

_FOOTER = 48
_MAGIC = 0xDB4775248B80FB57
_TRAILER = 5  # of a block: how it is compressed, and its checksum

_BFLOAT16, _E5M2, _E4M3 = 14, 24, 25
_TYPES: Final = {
    1: "f4", 2: "f8", 3: "i4", 4: "u1", 5: "i2", 6: "i1", 9: "i8", 10: "u1", 17: "u2", 19: "f2", 22: "u4", 23: "u8",
    _BFLOAT16: "u2", _E5M2: "u1", _E4M3: "u1",
}  # fmt: skip
"""Types of numbers, as types.proto counts them, and NumPy's that have their bytes."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes of a variable.

    Attributes:
        shard: the number of the data file.
        at, size: where its bytes begin there, and how many they are.
        checksum: masked CRC-32C of them.
        start, shape: which part of the variable they are.
    """

    shard: int
    at: int
    size: int
    checksum: int
    start: tuple[int, ...]
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable of numbers.

    Attributes:
        name: as the checkpoint has it.
        kind: its type, as types.proto of TensorFlow counts them.
        order: `<` or `>`, that of its bytes.
        shards: how many data files the checkpoint has.
        shape: of all of it.
        pieces: what it is put together from.
    """

    name: str
    kind: int
    order: str
    shards: int
    shape: tuple[int, ...]
    pieces: tuple[Piece, ...]

    @property
    def size(self) -> int:
        """Bytes of it as float32."""
        return 4 * math.prod(self.shape)


@dataclass(frozen=True, slots=True)
class _Stored:
    """An entry of the index."""

    kind: int
    shape: tuple[int, ...]
    shard: int
    at: int
    size: int
    checksum: int
    slices: tuple[tuple[tuple[int, int], ...], ...]  # starts and lengths; -1 for all of a dimension


def variables(index: bytes) -> dict[str, Variable]:
    """The variables of numbers in a checkpoint, by name; those of text and the like are passed over.

    Args:
        index: all of the `.index` file.

    Raises:
        Unreadable: it is none, or it is damaged.
    """
    try:
        table = dict(_entries(index))
        order, shards = _header(table.pop(b"", b""))
        stored = {key: _stored(value) for key, value in table.items()}
        found: dict[str, Variable] = {}
        for key, entry in stored.items():
            if key[:1] == b"\0" or entry.kind not in _TYPES:
                continue
            name = key.decode("utf-8", "replace")
            found[name] = Variable(name, entry.kind, order, shards, entry.shape, _pieces(key, entry, stored, shards))
    except (LookupError, ValueError, struct.error):
        raise Unreadable("its index is no index of a checkpoint, or is damaged") from None
    return found


def numbers(variable: Variable, read: Callable[[int, int, int], bytes]) -> NDArray[np.float32]:
    """All of a variable, as float32.

    Args:
        variable: of any shape.
        read: gives bytes of the data: of which shard, from where, how many; fewer where there are not so many.

    Raises:
        Unreadable: they are not what was written.
    """
    parts: list[NDArray[np.float32]] = []
    for piece in variable.pieces:
        data = read(piece.shard, piece.at, piece.size)
        if len(data) != piece.size:
            raise Unreadable(f"its data has {len(data):,} bytes where {piece.size:,} should be")
        if masked_crc(data) != piece.checksum:
            raise Unreadable("its data is damaged: the checksum is another")
        parts.append(_decoded(data, variable.kind, variable.order).reshape(piece.shape))
    if len(parts) == 1 and parts[0].shape == variable.shape:
        return parts[0]
    whole = np.full(variable.shape, np.nan, np.float32)
    for piece, part in zip(variable.pieces, parts, strict=True):
        whole[tuple(slice(at, at + count) for at, count in zip(piece.start, piece.shape, strict=True))] = part
    return whole


def _entries(index: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Keys and values of a table, whose keys ascend and whose blocks follow each other: none is read twice."""
    if len(index) < _FOOTER or struct.unpack("<Q", index[-8:])[0] != _MAGIC:
        raise ValueError("no table")
    footer = index[-_FOOTER:]
    _, at = read_varint(footer, 0)  # the blocks of filters and the like, of which there are none
    _, at = read_varint(footer, at)
    start, at = read_varint(footer, at)
    size, _ = read_varint(footer, at)
    last, end, count = b"", 0, 0
    for _, handle in _block(index, start, size):
        start, at = read_varint(handle, 0)
        size, _ = read_varint(handle, at)
        if start < end:
            raise ValueError("blocks overlap")
        end = start + size
        for key, value in _block(index, start, size):
            count += 1
            if count > MOST_KEYS:
                raise Unreadable(f"its index has more than {MOST_KEYS:,} entries, and is not read")
            if count > 1 and key <= last:
                raise ValueError("keys do not ascend")
            last = key
            yield key, value


def _block(index: bytes, start: int, size: int) -> Iterator[tuple[bytes, bytes]]:
    """Keys and values of a block."""
    block, trailer = index[start : start + size], index[start + size : start + size + _TRAILER]
    if len(trailer) != _TRAILER or len(block) < 4:
        raise ValueError("a block runs over the end")
    if trailer[0] != 0:
        raise Unreadable("its index is compressed, which TensorFlow does not do, and is not read")
    if masked_crc(block + trailer[:1]) != struct.unpack("<I", trailer[1:])[0]:
        raise ValueError("the checksum is another")
    end = len(block) - 4 - 4 * struct.unpack("<I", block[-4:])[0]
    at, key = 0, b""
    while at < end:
        shared, at = read_varint(block, at)
        more, at = read_varint(block, at)
        length, at = read_varint(block, at)
        if shared > len(key) or shared + more > LONGEST_KEY or at + more + length > end:
            raise ValueError("an entry runs over the end")
        key = key[:shared] + block[at : at + more]
        at += more
        yield key, block[at : at + length]
        at += length


def _header(value: bytes) -> tuple[str, int]:
    """The order of bytes, and how many data files there are."""
    shards, big = 0, 0
    for number, kind, at, _ in fields(value, 0, len(value)):
        if kind == 0 and number == 1:
            shards = read_varint(value, at)[0]
        elif kind == 0 and number == 2:
            big = read_varint(value, at)[0]
    if not 0 < shards < 100_000:
        raise ValueError("no header")
    return ">" if big else "<", shards


def _stored(value: bytes) -> _Stored:
    said = [0] * 7
    shape: tuple[int, ...] = ()
    slices: list[tuple[tuple[int, int], ...]] = []
    for number, kind, at, end in fields(value, 0, len(value)):
        if number == 2 and kind == 2:
            shape = tuple(_sizes(value, at, end))
        elif number == 7 and kind == 2:
            slices.append(tuple(_extents(value, at, end)))
        elif number == 6 and kind == 5:
            said[6] = struct.unpack_from("<I", value, at)[0]
        elif number < 6 and kind == 0:
            said[number] = read_varint(value, at)[0]
    return _Stored(said[1], shape, said[3], said[4], said[5], said[6], tuple(slices))


def _sizes(data: bytes, at: int, end: int) -> Iterator[int]:
    """The dimensions of a TensorShapeProto."""
    for number, kind, start, stop in fields(data, at, end):
        if number == 2 and kind == 2:
            yield _number(data, start, stop, 1, 0)


def _extents(data: bytes, at: int, end: int) -> Iterator[tuple[int, int]]:
    """Starts and lengths of a TensorSliceProto."""
    for number, kind, start, stop in fields(data, at, end):
        if number == 1 and kind == 2:
            yield _number(data, start, stop, 1, 0), _number(data, start, stop, 2, -1)


def _number(data: bytes, at: int, end: int, wanted: int, usual: int) -> int:
    """A field of a message, an int64 that is not negative."""
    for number, kind, start, _ in fields(data, at, end):
        if number == wanted and kind == 0:
            usual = read_varint(data, start)[0]
    if usual >= 1 << 63:
        raise ValueError("a negative size")
    return usual


def _pieces(key: bytes, entry: _Stored, stored: dict[bytes, _Stored], shards: int) -> tuple[Piece, ...]:
    """Where the bytes of a variable lie; all of them, each once."""
    found: list[Piece] = []
    for extents in entry.slices or (None,):
        if extents is None:
            part, start, shape = entry, (0,) * len(entry.shape), entry.shape
        else:
            part = stored[_slice_key(key, extents)]
            whole = tuple(zip(extents, entry.shape, strict=True))
            start = tuple(at for (at, _), _ in whole)
            shape = tuple(size if count < 0 else count for (_, count), size in whole)
            if any(at + count > size for at, count, size in zip(start, shape, entry.shape, strict=True)):
                raise ValueError("a slice lies outside")
        width = np.dtype(_TYPES[entry.kind]).itemsize
        if part.kind != entry.kind or part.size != width * math.prod(shape) or part.shard >= shards:
            raise ValueError("an entry contradicts itself")
        found.append(Piece(part.shard, part.at, part.size, part.checksum, start, shape))
    if sum(math.prod(piece.shape) for piece in found) != math.prod(entry.shape):
        raise ValueError("slices are missing")
    return tuple(found)


def _slice_key(name: bytes, extents: tuple[tuple[int, int], ...]) -> bytes:
    """The key of a slice: 0, the name, the number of dimensions, and of each its start and length, in ordered code."""
    escaped = b"".join({0: b"\0\xff", 255: b"\xff\0"}.get(byte, bytes([byte])) for byte in name)
    size = len(extents).to_bytes((len(extents).bit_length() + 7) // 8, "big")
    parts = [b"\0", escaped, b"\0\x01", bytes([len(size)]), size]
    return b"".join([*parts, *(_signed(number) for extent in extents for number in extent)])


def _signed(number: int) -> bytes:
    """A number so that longer ones sort after shorter ones: as many ones in front as bytes, then the number."""
    length = (number if number >= 0 else ~number).bit_length() // 7 + 1
    data = number.to_bytes(max(10, length), "big", signed=True)[-length:]
    front = ((1 << length) - 1) << (8 * length - length)
    return (int.from_bytes(data, "big") ^ front).to_bytes(length, "big")


def _decoded(data: bytes, kind: int, order: str) -> NDArray[np.float32]:
    """Numbers of a type, as float32."""
    raw = np.frombuffer(data, order + _TYPES[kind])
    if kind == _BFLOAT16:
        return (raw.astype(np.uint32) << np.uint32(16)).view(np.float32)
    if kind == _E5M2:  # the upper half of a float16
        return (raw.astype(np.uint16) << np.uint16(8)).view(np.float16).astype(np.float32)
    if kind == _E4M3:
        return _E4M3_NUMBERS[raw]
    with np.errstate(over="ignore"):
        return raw.astype(np.float32)


def _e4m3() -> NDArray[np.float32]:
    """All numbers of 4 bits of exponent and 3 of fraction, without infinities."""
    byte = np.arange(256)
    exponent, fraction = byte >> 3 & 15, byte & 7
    size = np.where(exponent > 0, (8 + fraction) * 2.0 ** (exponent - 10.0), fraction * 2.0**-9)
    size[byte & 127 == 127] = np.nan
    return np.where(byte < 128, size, -size).astype(np.float32)


_E4M3_NUMBERS = _e4m3()
