"""Any tensor as the message that `tf.summary.write` writes."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tallyboard.core.arrays import as_array
from tallyboard.core.proto import event_pb2 as pb
from tallyboard.core.values import Later, Message

from .kinds import strings_of

if TYPE_CHECKING:
    from google.protobuf.message import Message as ProtobufMessage

__all__ = ["value_of"]


def value_of(tag: str, data: Any, metadata: ProtobufMessage) -> Later:
    """A `Summary` message of one tensor, made on the background thread; the tensor is copied now.

    Args:
        tag: of the summary.
        data: numbers or strings.
        metadata: a `SummaryMetadata` message.

    Raises:
        InvalidSummary: it holds neither.
    """
    kept = _host(data, f"write({tag!r})")
    return Later(functools.partial(_message, tag, kept, metadata), kept.nbytes)


_NUMBERS = {
    "float32": 1, "float64": 2, "int32": 3, "uint8": 4, "int16": 5, "int8": 6, "object": 7, "complex64": 8, "int64": 9,
    "bool": 10, "bfloat16": 14, "uint16": 17, "complex128": 18, "float16": 19, "uint32": 22, "uint64": 23,
    "float8_e5m2": 24, "float8_e4m3fn": 25,
}  # fmt: skip  # TensorFlow's types.proto


def _host(data: Any, call: str) -> NDArray[Any]:
    """A copy on the host, strings as bytes objects; types that NumPy borrows from elsewhere stay what they are."""
    if hasattr(data, "numpy"):
        data = data.numpy()
    if isinstance(data, np.ndarray | np.generic) and data.dtype.kind == "V" and data.dtype.name in _NUMBERS:
        return np.array(data)
    if isinstance(data, str | bytes) or (isinstance(data, np.ndarray) and data.dtype.kind in "OSU"):
        return strings_of(data, call)
    if isinstance(data, list | tuple) and np.asarray(data).dtype.kind in "OSU":
        return strings_of(list(data), call)
    array = as_array(data, call, "tensor")
    if hasattr(data, "dtype"):
        return array
    if array.dtype == np.float64:  # Python's numbers become what TensorFlow makes of them
        return array.astype(np.float32)
    small = array.dtype == np.int64 and (not array.size or (array.min() >= -(2**31) and array.max() < 2**31))
    return array.astype(np.int32) if small else array


def _message(tag: str, array: NDArray[Any], metadata: Any) -> Message:
    summary = pb.Summary()
    value = summary.value.add(tag=tag)
    if metadata.ByteSize():
        value.metadata.CopyFrom(metadata)
    value.tensor.dtype = _NUMBERS[array.dtype.name]  # type: ignore[assignment]  # open: float8 has no name here
    value.tensor.tensor_shape.SetInParent()
    for size in array.shape:
        value.tensor.tensor_shape.dim.add(size=size)
    if array.dtype == object:
        value.tensor.string_val.extend(array.ravel().tolist())
    else:
        value.tensor.tensor_content = array.tobytes()
    return Message("summary", summary.SerializeToString())
