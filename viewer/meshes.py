"""A mesh as the page draws it: the vertices, faces and colours of a step, laid out as a browser reads them.

    bytes 0-3     "TLM1"
    bytes 4-7     H, the header's length: unsigned 32 bit, little-endian; 8 + H is a multiple of 8
    H bytes       JSON, padded with spaces:
                  {"v": 1, "batch", "n", "vertices": {"at", "n", "total", "every", "odd"}, "faces": {"at", "n",
                   "total"} | null, "colors": {"at", "n"} | null, "config": text, "problems": [sentence]}
    the rest      float32[n, 3], uint32[n, 3] and uint8[n, 3], little-endian; each starts at its "at", a multiple of 8
                  counted from the header's end

What is sent can be drawn as it is: every face names three vertices that are there and finite, and there are as many
colours as vertices. What was left out for that is among the problems. Nothing is allocated by what a file declares.

Source of the format on disk: TensorBoard's mesh/plugin_data.proto and mesh/summary.py.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tallyboard.core.errors import CorruptRecord
from tallyboard.core.unpack import array_of

from .frame import Frame
from .responses import dump_json
from .routes.tensorboard.values import head
from .values import value_at

if TYPE_CHECKING:
    from tallyboard.core.proto import event_pb2 as pb

    from .context import Context

__all__ = ["MOST_CONFIG", "MOST_FACES", "MOST_VERTICES", "PLUGIN", "Named", "NoMesh", "framed"]

PLUGIN: Final = "mesh"
MAGIC: Final = b"TLM1"

MOST_VERTICES = 1 << 22
"""Vertices that one answer holds; of more points, so many of them evenly."""

MOST_FACES = 1 << 23
"""Triangles that one answer holds; of more, the first."""

MOST_CONFIG = 1 << 16
"""Characters of a configuration that is sent; a longer one is none that a person wrote."""

_KINDS: Final = {1: "vertices", 2: "faces", 3: "colours"}
_SUFFIXES: Final = {"VERTEX": 1, "FACE": 2, "COLOR": 3, "1": 1, "2": 2, "3": 3}
"""What the tags of a mesh's parts end in; torch's and tensorboardX's writers have their numbers."""

Array = NDArray[Any]


class NoMesh(Exception):
    """There is no such mesh, or not any more; the message says so.

    Attributes:
        status: of HTTP, 404 or 410.
    """

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


class Named(NamedTuple):
    """Which mesh: the `number`-th of a batch, made of `parts`: tag, step and wall time as the page knows them."""

    run: str
    number: int
    parts: tuple[tuple[str, float, float], ...]


@dataclass(slots=True)
class _Mesh:
    """What was found of a mesh so far."""

    batch: int = 0
    vertices: Array | None = None  # float32[n, 3]
    faces: Array | None = None  # uint32[n, 3]
    colors: Array | None = None  # uint8[n, 3]
    total: int = 0
    total_faces: int = 0
    every: int = 1
    odd: int = 0
    config: str = ""
    problems: list[str] = field(default_factory=list[str])


class _Unfit(Exception):
    """A part cannot be drawn; the message says why."""


def framed(context: Context, named: Named) -> Frame:
    """A mesh, as this module's head lays it out.

    Args:
        context: whose store.
        named: which mesh; its parts in any order.

    Raises:
        NoMesh: a part is not where it was, or the batch has no mesh of that number.
    """
    mesh = _Mesh()
    arrays = _arrays(context, named, mesh)
    mesh.batch = max((len(array) for array in arrays.values()), default=0)
    if arrays and not 0 <= named.number < mesh.batch:
        raise NoMesh(404, f"The step has {mesh.batch} meshes, and none of number {named.number + 1}.")
    fits = {kind: one for kind, array in arrays.items() if (one := _one(array, kind, named.number, mesh)) is not None}
    if 1 in fits:
        mesh.vertices = _vertices(fits[1], mesh)
        if 2 in fits:
            _faces(fits[2], mesh)
        if 3 in fits:
            _colors(fits[3], mesh)
        _thin(mesh)
    elif not mesh.problems:
        mesh.problems.append(f"the step has {' and '.join(_KINDS[kind] for kind in sorted(arrays))} but no vertices")
    return _laid_out(mesh, named.number)


def _arrays(context: Context, named: Named, mesh: _Mesh) -> dict[int, Array]:
    """The parts by kind, each [batch, n, 3]; what cannot be read is among the mesh's problems."""
    found: dict[int, Array] = {}
    for tag, step, wall in named.parts:
        try:
            value = value_at(context, PLUGIN, named.run, tag, step, wall)
        except CorruptRecord:
            raise NoMesh(410, "The mesh cannot be read any more: its file is not what it was.") from None
        if value is None:
            raise NoMesh(410, "The mesh is not there any more: another has taken its place, or its run is gone.")
        kind, config = _about(context, named.run, tag)
        if kind == 1 or not mesh.config:
            mesh.config = config
        if kind not in _KINDS:
            mesh.problems.append(f"the tag {tag[:200]!r} says of itself neither vertices, faces nor colours")
            continue
        try:
            found[kind] = _shaped(value, kind, mesh)
        except _Unfit as unfit:
            mesh.problems.append(str(unfit))
    if len(mesh.config) > MOST_CONFIG:
        mesh.problems.append(f"its configuration has {len(mesh.config):,} characters; more than 65,536 are not read")
        mesh.config = ""
    return found


def _about(context: Context, run: str, tag: str) -> tuple[int, str]:
    """Which part a tag holds, and how the training wants it drawn."""
    from google.protobuf.message import DecodeError

    from tallyboard.core.proto.plugin_pb2 import MeshPluginData

    by_name = _SUFFIXES.get(tag.rpartition("_")[2], 0)
    try:
        about = MeshPluginData.FromString(head(context, PLUGIN, run, tag).content)
    except DecodeError:
        return by_name, ""
    return about.content_type or by_name, about.json_config


def _shaped(value: pb.Summary.Value, kind: int, mesh: _Mesh) -> Array:
    """A part as [batch, n, 3].

    Raises:
        _Unfit: it is no such array.
    """
    what = _KINDS[kind]
    try:
        array = array_of(value.tensor)
    except CorruptRecord as damaged:
        raise _Unfit(f"the {what} are damaged: {damaged}") from None
    if array.dtype.kind not in "fiub":
        raise _Unfit(f"the {what} are no numbers")
    last = array.shape[-1] if array.ndim else 0
    if kind == 3 and last == 4:
        mesh.problems.append("the colours are of four numbers; the fourth, the opacity, is left out")
        array, last = array[..., :3], 3
    if not array.size:
        raise _Unfit(f"there are no {what}: they are of shape {array.shape}")
    if array.ndim < 2 or last != 3:
        raise _Unfit(f"the {what} are of shape {array.shape}, not [batch, n, 3]")
    if array.ndim == 2:
        return array[np.newaxis]
    return array.reshape(len(array), math.prod(array.shape[1:-1]), 3)


def _one(array: Array, kind: int, number: int, mesh: _Mesh) -> Array | None:
    """The part of one mesh of the batch."""
    if len(array) != mesh.batch:
        mesh.problems.append(f"the {_KINDS[kind]} are those of {len(array)} of the batch's {mesh.batch} meshes")
        if len(array) != 1:
            return array[number] if number < len(array) else None
        return array[0]
    return array[number]


def _vertices(array: Array, mesh: _Mesh) -> Array:
    with np.errstate(over="ignore", invalid="ignore"):
        vertices = np.ascontiguousarray(array, "<f4")
    mesh.total = len(vertices)
    mesh.odd = mesh.total - int(_rows(np.isfinite(vertices)).sum())
    if mesh.odd:
        mesh.problems.append(f"{mesh.odd:,} of {mesh.total:,} vertices have NaN or infinity in them: they are left out")
    return vertices


def _faces(array: Array, mesh: _Mesh) -> None:
    assert mesh.vertices is not None
    mesh.total_faces = len(array)
    if len(array) > MOST_FACES:
        mesh.problems.append(f"of {len(array):,} faces the first {MOST_FACES:,} are drawn")
        array = array[:MOST_FACES]
    with np.errstate(invalid="ignore"):
        there = (array >= 0) & (array < mesh.total)
    if array.dtype.kind == "f":
        there &= array == np.floor(array)
    good = _rows(there)
    if not good.all():
        strange = array[~there]
        said = ", ".join(f"{float(one):.6g}" for one in strange[:3].tolist())
        more = ", ..." if len(strange) > 3 else ""
        mesh.problems.append(
            f"{int((~good).sum()):,} of {len(array):,} faces name vertices that are not there ({said}{more}; there are "
            f"0 to {mesh.total - 1:,}): they are left out"
        )
    faces = array[good].astype("<u4")
    if mesh.odd:
        finite = _rows(np.isfinite(mesh.vertices))
        finite = _rows(finite[faces])
        if not finite.all():
            mesh.problems.append(f"{int((~finite).sum()):,} faces have such a vertex: they are left out too")
            faces = faces[finite]
    mesh.faces = np.ascontiguousarray(faces)


def _rows(true: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which rows are true throughout."""
    return np.asarray(np.all(true, axis=1))


def _colors(array: Array, mesh: _Mesh) -> None:
    if len(array) != mesh.total:
        mesh.problems.append(f"there are {len(array):,} colours for {mesh.total:,} vertices: they are left out")
        return
    if array.dtype == np.uint8:
        mesh.colors = np.ascontiguousarray(array)
        return
    with np.errstate(invalid="ignore"):
        fit = (array >= 0) & (array <= 255)
        fractions = array.dtype.kind == "f" and fit.all() and array.max() <= 1 and ((array > 0) & (array < 1)).any()
        if fractions:
            mesh.problems.append("the colours are from 0 to 1, not to 255: they are taken as shares of 255")
            array = np.rint(array * 255)
        elif not fit.all():
            wrong = int((~_rows(fit)).sum())
            mesh.problems.append(f"{wrong:,} colours are not from 0 to 255: the nearest that are stand for them")
        mesh.colors = np.ascontiguousarray(np.clip(np.nan_to_num(array), 0, 255).astype(np.uint8))


def _thin(mesh: _Mesh) -> None:
    """Leaves of more points than a browser should get as many as it may."""
    if mesh.vertices is None or mesh.total <= MOST_VERTICES:
        return
    mesh.every = -(-mesh.total // MOST_VERTICES)
    mesh.problems.append(
        f"of {mesh.total:,} vertices one in {mesh.every} is drawn"
        + (", without the faces" if mesh.faces is not None else "")
    )
    mesh.faces = None
    mesh.vertices = np.ascontiguousarray(mesh.vertices[:: mesh.every])
    if mesh.colors is not None:
        mesh.colors = np.ascontiguousarray(mesh.colors[:: mesh.every])


def _laid_out(mesh: _Mesh, number: int) -> Frame:
    columns: list[Array] = []
    size = 0

    def placed(column: Array | None, **more: int) -> dict[str, int] | None:
        nonlocal size
        if column is None:
            return None
        at = size
        flat = column.reshape(-1)
        if len(flat):
            columns.append(flat)
            size += flat.nbytes + -flat.nbytes % 8
        return {"at": at, "n": len(column), **more}

    header = dump_json(
        {
            "v": 1,
            "batch": mesh.batch,
            "n": number,
            "vertices": placed(mesh.vertices, total=mesh.total, every=mesh.every, odd=mesh.odd),
            "faces": placed(mesh.faces, total=mesh.total_faces),
            "colors": placed(mesh.colors),
            "config": mesh.config,
            "problems": mesh.problems,
        }
    )
    header += b" " * (-len(header) % 8)
    start = MAGIC + struct.pack("<I", len(header)) + header
    return Frame(start, columns, len(start) + size)
