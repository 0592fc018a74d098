"""What older and other writers put into a summary value, in today's terms. The only file that knows history.

TensorBoard's own reader does the same in its data_compat.py and dataclass_compat.py: a `simple_value` is a
scalar, `histo`, `image` and `audio` belong to the plugins of their names, a tensor belongs to the plugin
that its metadata names, and the metadata may be missing after a tag's first value in a run.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .proto import event_pb2 as pb

__all__ = ["NAMELESS", "PLUGINS_BY_FIELD", "number_in", "plugin_of", "texts_in"]

_PLUGINS = {"simple_value": "scalars", "histo": "histograms", "image": "images", "audio": "audio"}
PLUGINS_BY_FIELD = {2: "scalars", 4: "images", 5: "histograms", 6: "audio"}  # the same by number, see event.proto
NAMELESS = "tensor"  # the kind of a tensor whose tag never named a plugin: that of `add_tensor`'s


def plugin_of(value: pb.Summary.Value, first_seen: str) -> str:
    """The plugin a value belongs to; `first_seen` is that of the tag's first value in the run, or empty."""
    named = value.metadata.plugin_data.plugin_name
    return named or _PLUGINS.get(value.WhichOneof("value") or "", "") or first_seen


def number_in(value: pb.Summary.Value) -> tuple[float, bool] | None:
    """The one number of a scalar's value, and whether it has more than float32's precision."""
    from .proto import event_pb2 as pb

    if value.WhichOneof("value") == "simple_value":
        return value.simple_value, False
    if value.WhichOneof("value") != "tensor":
        return None
    tensor = value.tensor
    if any(dim.size != 1 for dim in tensor.tensor_shape.dim):
        return None
    formats = {
        pb.DT_FLOAT: ("<f", tensor.float_val, False),
        pb.DT_DOUBLE: ("<d", tensor.double_val, True),
        pb.DT_INT32: ("<i", tensor.int_val, True),
        pb.DT_INT64: ("<q", tensor.int64_val, True),
        pb.DT_UINT8: ("<B", tensor.int_val, False),
        pb.DT_BOOL: ("<?", tensor.bool_val, False),
    }
    if tensor.dtype not in formats:
        return None
    packed, listed, wide = formats[tensor.dtype]
    if tensor.tensor_content:
        if len(tensor.tensor_content) != struct.calcsize(packed):
            return None
        return float(struct.unpack(packed, tensor.tensor_content)[0]), wide
    if len(listed) != 1:
        return None
    return float(listed[0]), wide


def texts_in(value: pb.Summary.Value) -> list[str]:
    """The strings of a text value, in order of its flattened array; bytes that are no UTF-8 are marked."""
    return [item.decode("utf-8", "replace") for item in value.tensor.string_val]
