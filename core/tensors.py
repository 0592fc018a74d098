"""Tensors as they are, and the three tensors that make a mesh."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .arrays import as_array
from .errors import InvalidSummary
from .proto.plugin_pb2 import MeshPluginData
from .summary import DataClass, Summary, as_tag, kind_of
from .values import Tensor

__all__ = ["mesh", "tensor"]

_MAX_BYTES = (1 << 31) - (1 << 20)  # of a protobuf message, with room for what is around the numbers
_EXACT_IN_FLOAT32 = 1 << 24


def tensor(tag: str, value: Any) -> Summary:
    """A summary that holds an array of any shape and numeric type.

    float64, float32, half, all integers, bool, complex64 and complex128 are kept as they are; what readers or NumPy
    do not know becomes the next type that holds it exactly: bfloat16 and float8 float32, complex32 complex64. Longer
    floats are rounded to 64 bits.

    Args:
        tag: its name.
        value: the array or tensor.

    Raises:
        InvalidSummary: it holds no numbers, or more than fit a record.
    """
    name = as_tag(tag, "add_tensor")
    call = f"add_tensor({name!r})"
    array = as_array(value, call, "tensor")
    if array.dtype.kind in "fc" and array.dtype.itemsize > (8 if array.dtype.kind == "f" else 16):
        array = array.astype(np.float64 if array.dtype.kind == "f" else np.complex128)
    if array.nbytes > _MAX_BYTES:
        raise InvalidSummary(
            f"{call}: {array.nbytes} bytes do not fit one record, which holds less than 2 GiB; log it in parts"
        )
    return Summary(name, "tensor", DataClass.TENSOR, Tensor(array))


def mesh(tag: str, vertices: Any, colors: Any = None, faces: Any = None, config_dict: Any = None) -> list[Summary]:
    """A 3D mesh or point cloud: the summaries `<tag>_VERTEX`, and where given `<tag>_FACE` and `<tag>_COLOR`.

    Source of the format: TensorBoard's mesh/metadata.py and mesh/summary.py.

    Args:
        tag: its name.
        vertices: coordinates, shape [batch, vertices, 3], or [vertices, 3] for one.
        colors: red, green and blue from 0 to 255 for each vertex, shaped as `vertices`.
        faces: the three vertices of each triangle, shape [batch, faces, 3].
        config_dict: names and settings of three.js classes; must be JSON.

    Raises:
        InvalidSummary: a shape, a colour or a vertex's number is wrong, or the configuration is no JSON.
    """
    name = as_tag(tag, "add_mesh")
    call = f"add_mesh({name!r})"
    points = _triples(call, "vertices", vertices)
    parts: list[tuple[MeshPluginData.ContentType, NDArray[Any]]] = [(MeshPluginData.VERTEX, points.astype(np.float32))]
    if faces is not None:
        parts.append((MeshPluginData.FACE, _faces(call, faces, points.shape)))
    if colors is not None:
        parts.append((MeshPluginData.COLOR, _colors(call, colors, points.shape)))
    config = _config(call, config_dict)
    components = sum(1 << kind for kind, _ in parts)
    out: list[Summary] = []
    for kind, array in parts:
        content = MeshPluginData(
            name=name, content_type=kind, components=components, shape=array.shape, json_config=config
        ).SerializeToString()
        suffix = MeshPluginData.ContentType.Name(kind)
        out.append(Summary(f"{name}_{suffix}", "mesh", DataClass.TENSOR, Tensor(array), content=content))
    return out


def _triples(call: str, argument: str, value: Any) -> NDArray[Any]:
    array = as_array(value, call, argument)
    if array.ndim == 2:
        array = array[np.newaxis]
    if array.ndim != 3 or array.shape[2] != 3 or not array.size or array.dtype.kind == "c":
        raise InvalidSummary(
            f"{call}: expected {argument} of shape (batch, n, 3), got {kind_of(value)}; "
            "put x, y and z in the last dimension"
        )
    return array


def _faces(call: str, faces: Any, of: tuple[int, ...]) -> NDArray[Any]:
    array = _triples(call, "faces", faces)
    if array.shape[0] != of[0]:
        raise InvalidSummary(f"{call}: expected faces for a batch of {of[0]} as the vertices are, got {kind_of(faces)}")
    if not ((array >= 0) & (array < of[1]) & (array == np.floor(array))).all():
        raise InvalidSummary(
            f"{call}: expected faces to name vertices 0 to {of[1] - 1}, got values from {array.min()} to {array.max()}"
        )
    return array.astype(np.float32 if of[1] <= _EXACT_IN_FLOAT32 else np.int32)


def _colors(call: str, colors: Any, of: tuple[int, ...]) -> NDArray[Any]:
    array = _triples(call, "colors", colors)
    if array.shape != of:
        raise InvalidSummary(f"{call}: expected colors of shape {of}, one for each vertex, got {kind_of(colors)}")
    if not ((array >= 0) & (array <= 255)).all():
        raise InvalidSummary(
            f"{call}: expected colors from 0 to 255, got values from {array.min()} to {array.max()}; scale them"
        )
    return array.astype(np.float32)


def _config(call: str, config: Any) -> str:
    try:
        return "{}" if config is None else json.dumps(config, sort_keys=True)
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidSummary(
            f"{call}: config_dict cannot be written as JSON ({error}); use strings, numbers, lists and dicts"
        ) from None
