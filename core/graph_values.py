"""What stands in the nodes of a graph's message, as text of bounded length.

Source of the formats: attr_value.proto, tensor_shape.proto and types.proto of TensorFlow.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from .errors import CorruptRecord
from .graph import TEXT_MAX, Attribute, Shape

if TYPE_CHECKING:
    from .proto import event_pb2, graph_pb2

__all__ = ["SHAPES", "Attributes", "cut", "output_text", "shape_of", "shape_text", "type_name", "value_text"]

SHAPES: Final = "_output_shapes"
"""The attribute that has the shapes of a node's outputs."""

_OURS = frozenset({"module", "source", "parameters", "flops", "notes"})  # nodes have fields for them
_ITEMS = 50  # of a list
_NUMBERS = 16  # of a tensor


def shape_of(shape: event_pb2.TensorShapeProto) -> Shape | None:
    """Sizes, -1 for one that varies; None where not even their number is known."""
    if shape.unknown_rank:
        return None
    sizes = [dim.size for dim in shape.dim[:]]
    return tuple(sizes) if not sizes or min(sizes) >= -1 else tuple(max(-1, size) for size in sizes)


def type_name(number: int) -> str:
    """A type's name as NumPy has it, where it has one: `float32`."""
    from .proto.event_pb2 import DataType

    try:
        name = DataType.Name(number).removeprefix("DT_").lower()  # pyright: ignore[reportArgumentType]
    except ValueError:
        return f"type {number}"
    return {"float": "float32", "double": "float64", "half": "float16"}.get(name, name)


class Attributes(Mapping[str, Attribute]):
    """Attributes that become text only when they are looked at; those that nodes have fields for are left out."""

    __slots__ = ("_attr",)

    def __init__(self, attr: Mapping[str, graph_pb2.AttrValue]) -> None:
        self._attr = attr

    def __getitem__(self, key: str) -> Attribute:
        if key not in self._attr or self._is_field(key):
            raise KeyError(key)
        value = self._attr[key]
        kind = value.WhichOneof("value")
        if kind in ("i", "f", "b"):
            return getattr(value, kind)
        return value_text(value)

    def _is_field(self, key: str) -> bool:
        return key in _OURS or key == SHAPES or (key == "dtype" and self._attr[key].WhichOneof("value") == "s")

    def __iter__(self) -> Iterator[str]:
        return (key for key in sorted(self._attr) if not self._is_field(key))

    def __len__(self) -> int:
        return sum(1 for _ in self)


def value_text(value: graph_pb2.AttrValue) -> str:
    """An attribute as a text of bounded length."""
    kind = value.WhichOneof("value")
    if kind is None:
        return ""
    found = getattr(value, kind)
    if kind != "list":
        return cut(_plain(kind, found))
    parts: list[str] = []
    for field, items in value.list.ListFields():
        parts += [_plain(field.name, item) for item in items[:_ITEMS]]
        if len(items) > _ITEMS:
            parts.append(f"and {len(items) - _ITEMS:,} more")
    return cut(f"[{', '.join(parts)}]")


def _plain(kind: str, found: Any) -> str:
    match kind:
        case "s":
            return _readable(found)
        case "type":
            return type_name(found)
        case "shape":
            return shape_text(shape_of(found))
        case "tensor":
            return _tensor_text(found)
        case "func":
            return str(found.name)
        case "b":
            return str(found).lower()
        case "f":
            return f"{found:.7g}"
        case _:
            return str(found)


def _readable(data: bytes) -> str:
    data = data[: 4 * TEXT_MAX]
    try:
        return data.decode()
    except UnicodeDecodeError:
        return repr(data)[2:-1]


def shape_text(shape: Shape | None) -> str:
    """`[32,10]`, `?` for a size that varies; empty where nothing is known."""
    return "" if shape is None else f"[{','.join('?' if size < 0 else str(size) for size in shape)}]"


@lru_cache(4_096)  # layers are alike
def output_text(shape: Shape | None, dtype: str) -> str:
    """An output: `float32[32,10]`, or what is known of it."""
    return dtype + shape_text(shape)


def _tensor_text(tensor: event_pb2.TensorProto) -> str:
    """Type and shape, and the numbers where they are few."""
    from .unpack import array_of

    sizes = shape_of(tensor.tensor_shape)
    about = type_name(tensor.dtype) + shape_text(sizes)
    count = 1
    for size in sizes or ():
        count *= size
    if sizes is None or not 0 < count <= _NUMBERS:
        return about
    try:
        values = array_of(tensor)
    except CorruptRecord:
        return about
    items = [_readable(item) if isinstance(item, bytes) else f"{item}" for item in values.ravel().tolist()]
    return f"{about} {', '.join(items)}"


def cut(text: str) -> str:
    """A text of bounded length."""
    return text if len(text) <= TEXT_MAX else f"{text[: TEXT_MAX - 1]}…"
