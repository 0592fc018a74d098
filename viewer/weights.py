"""Embedding layers in the weights that Keras 3 saves (`.weights.h5`), read without HDF5's library.

What Keras writes is a small part of HDF5: a superblock of version 0, groups as B-trees of names, arrays of floats in
one piece. All else is refused with a sentence. Source of the form: the HDF5 File Format Specification, version 3.0,
parts II.A, III.A, III.B, III.D, III.E, IV.A. Such files come with a training and may hold anything: no more than
`MOST_READS` pieces and `MOST_BYTES` bytes are looked at, and nothing is allocated for what is merely declared.
"""

from __future__ import annotations

import math
import re
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from .projector_files import Unreadable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["Layer", "layers", "numbers"]

MOST_READS = 20_000
MOST_BYTES = 32 << 20
DEEPEST = 8

_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_SPACE, _TYPE, _LAYOUT, _ATTRIBUTE, _MORE, _GROUP = 1, 3, 8, 12, 16, 17  # kinds of messages
_FLOAT: Final = 1
_STRING_SIZE = 16
_OF_EMBEDDINGS = re.compile(r"(.*_)?embedding(_\d+)?")


@dataclass(frozen=True, slots=True)
class Layer:
    """The array of an embedding layer.

    Attributes:
        path: of the layer in the file, such as `layers/embedding_1`.
        name: that the model gave it, or the path's last part.
        shape: rows and columns.
        order, width: of its floats: `<` or `>`, and bytes of one.
        at: where they begin in the file.
    """

    path: str
    name: str
    shape: tuple[int, ...]
    order: str
    width: int
    at: int

    @property
    def size(self) -> int:
        """Bytes of it in the file."""
        return self.width * math.prod(self.shape)


def layers(read: Callable[[int, int], bytes]) -> list[Layer]:
    """The embedding layers of a model, in the order in which Keras numbers them.

    Args:
        read: gives bytes of the file: from where, how many; fewer where there are not so many.

    Raises:
        Unreadable: it is not in the form that Keras writes, or is damaged.
    """
    try:
        file = _File(read)
        found = [layer for layer in file.arrays() if _OF_EMBEDDINGS.fullmatch(layer.path.rpartition("/")[2])]
    except (struct.error, ValueError, IndexError):
        raise Unreadable("it is not in the form in which Keras writes weights, or is damaged") from None
    return sorted(found, key=lambda layer: [int(part) if part.isdecimal() else part for part in _parts(layer.path)])


def numbers(layer: Layer, read: Callable[[int, int], bytes]) -> NDArray[np.float32]:
    """All of a layer's array, as float32.

    Raises:
        Unreadable: the file ends before it does.
    """
    data = read(layer.at, layer.size)
    if len(data) != layer.size:
        raise Unreadable(f"its file has {len(data):,} bytes where {layer.size:,} should be")
    with np.errstate(over="ignore"):
        return np.frombuffer(data, f"{layer.order}f{layer.width}").astype(np.float32).reshape(layer.shape)


def _parts(path: str) -> list[str]:
    """Text and numbers by turns, so that 10 comes after 2."""
    return re.split(r"(\d+)", path)


class _File:
    def __init__(self, read: Callable[[int, int], bytes]) -> None:
        self._given = read
        self._left, self._room = MOST_READS, MOST_BYTES
        start = self._read(0, 96)
        if start[:8] != _SIGNATURE:
            raise ValueError("no HDF5")
        if start[8] > 1 or start[13:15] != b"\x08\x08" or struct.unpack_from("<Q", start, 24)[0]:
            raise Unreadable("it is HDF5 of another form than Keras writes, and is not read")
        (self._root,) = struct.unpack_from("<Q", start, 64 + 4 * start[8])

    def _read(self, at: int, count: int) -> bytes:
        self._left, self._room = self._left - 1, self._room - count
        if self._left < 0 or self._room < 0:
            raise Unreadable("it has more parts than a model's weights have, and is not read")
        data = self._given(at, count)
        if len(data) != count:
            raise ValueError("it ends too early")
        return data

    def arrays(self) -> Iterator[Layer]:
        """The first array of every layer, where it has rows and columns of floats."""
        waiting = [("", self._root)]
        while waiting:
            path, header = waiting.pop()
            inside = self._members(header)
            if "vars" in inside and path:
                variables = self._messages(inside["vars"])
                first = self._listed(variables).get("0")
                layer = first and self._array(path, first, variables)
                if layer:
                    yield layer
            if path.count("/") < DEEPEST:
                waiting += [(f"{path}/{name}".lstrip("/"), at) for name, at in inside.items() if name != "vars"]

    def _members(self, header: int) -> dict[str, int]:
        return self._listed(self._messages(header))

    def _messages(self, header: int) -> list[tuple[int, bytes]]:
        """Kind and content of an object's messages."""
        start = self._read(header, 16)
        if start[0] != 1:
            raise Unreadable("it is HDF5 of another form than Keras writes, and is not read")
        (size,) = struct.unpack_from("<I", start, 8)
        blocks, found = [(header + 16, size)], list[tuple[int, bytes]]()
        while blocks:
            at, size = blocks.pop(0)
            block, place = self._read(at, size), 0
            while place + 8 <= size:
                kind, length = struct.unpack_from("<HH", block, place)
                content = block[place + 8 : place + 8 + length]
                place += 8 + length
                if kind == _MORE:
                    blocks.append(struct.unpack("<QQ", content[:16]))
                elif kind in (_SPACE, _TYPE, _LAYOUT, _ATTRIBUTE, _GROUP):
                    found.append((kind, content))
        return found

    def _listed(self, messages: list[tuple[int, bytes]]) -> dict[str, int]:
        """What a group holds: names, and where their objects are."""
        group = next((content for kind, content in messages if kind == _GROUP), None)
        if group is None:
            return {}
        tree, heap = struct.unpack_from("<QQ", group)
        mark, _, length, _, start = struct.unpack("<4s4sQQQ", self._read(heap, 32))
        if mark != b"HEAP":
            raise ValueError("no heap of names")
        names = self._read(start, length)
        found: dict[str, int] = {}
        nodes = [tree]
        while nodes:
            at = nodes.pop()
            mark = self._read(at, 4)
            if mark == b"TREE":
                (count,) = struct.unpack("<H", self._read(at + 6, 2))
                keys = self._read(at + 24, 16 * count)
                nodes += [struct.unpack_from("<Q", keys, 16 * i + 8)[0] for i in range(count)]
            elif mark == b"SNOD":
                (count,) = struct.unpack("<H", self._read(at + 6, 2))
                table = self._read(at + 8, 40 * count)
                for i in range(count):
                    name, place = struct.unpack_from("<QQ", table, 40 * i)
                    found[names[name : names.index(b"\0", name)].decode("utf-8", "replace")] = place
            else:
                raise ValueError("no node of a group")
        return found

    def _array(self, path: str, header: int, group: list[tuple[int, bytes]]) -> Layer | None:
        """An array of rows and columns of floats; None where it is another."""
        said = dict(self._messages(header))
        if not {_SPACE, _TYPE, _LAYOUT} <= said.keys():
            return None
        space, kind, layout = said[_SPACE], said[_TYPE], said[_LAYOUT]
        shape = struct.unpack_from(f"<{space[1]}Q", space, 8 if space[0] == 1 else 4)
        (width,) = struct.unpack_from("<I", kind, 4)
        if len(shape) != 2 or kind[0] & 15 != _FLOAT or width not in (2, 4, 8):
            return None
        if layout[0] not in (3, 4) or layout[1] != 1:
            raise Unreadable("an array in it lies in several pieces, and is not read")
        (at,) = struct.unpack_from("<Q", layout, 2)
        return Layer(path, self._name(group) or path.rpartition("/")[2], shape, "><"[kind[1] & 1 == 0], width, at)

    def _name(self, messages: list[tuple[int, bytes]]) -> str:
        """The name that a layer's variables have as an attribute: text in the global heap."""
        for kind, content in messages:
            if kind != _ATTRIBUTE or content[0] != 1:
                continue
            name, type_, space = struct.unpack_from("<HHH", content, 2)
            at = 8 + sum(-(-size // 8) * 8 for size in (name, type_, space))
            if content[8 : 8 + name].rstrip(b"\0") != b"name" or len(content) < at + _STRING_SIZE:
                continue
            length, heap, number = struct.unpack_from("<IQI", content, at)
            return self._global(heap, number)[:length].decode("utf-8", "replace")
        return ""

    def _global(self, heap: int, wanted: int) -> bytes:
        """An object of the global heap; none where it is not there."""
        mark, _, size = struct.unpack("<4s4sQ", self._read(heap, 16))
        if mark != b"GCOL":
            return b""
        objects, at = self._read(heap + 16, size - 16), 0
        while at + 16 <= len(objects):
            number, _, _, length = struct.unpack_from("<HHIQ", objects, at)
            if number == wanted:
                return objects[at + 16 : at + 16 + length]
            if number == 0:
                break
            at += 16 + -(-length // 8) * 8
        return b""
