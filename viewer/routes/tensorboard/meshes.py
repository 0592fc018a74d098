"""`/data/plugin/mesh/`: what meshes there are, and the numbers of each of their parts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
from aiohttp import web

from .answers import Asked, answering, data_answer, invalid, json_answer, missing
from .values import Value, head, tags_of, tensor_in, values

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tallyboard.core.proto.plugin_pb2 import MeshPluginData

    from ...context import Context

routes = web.RouteTableDef()

_ALL: Final = 0b1110
"""All parts: what older writers, who said nothing of it, are taken to have written."""

_DTYPES: Final = {"VERTEX": (1, "<f4"), "FACE": (2, "<i4"), "COLOR": (3, "<u1")}


class Part(NamedTuple):
    """One part of the meshes of a tag, such as the colours, and what the plugin says of it."""

    run: str
    series: str
    about: MeshPluginData


def _parts(context: Context) -> Iterator[Part]:
    from google.protobuf.message import DecodeError

    from tallyboard.core.proto.plugin_pb2 import MeshPluginData

    for run, series in tags_of(context, "mesh"):
        try:
            about = MeshPluginData.FromString(head(context, "mesh", run, series).content)
        except DecodeError:
            continue
        if about.name and about.shape:
            yield Part(run, series, about)


@routes.get("/data/plugin/mesh/tags")
@answering
def get_tags(asked: Asked) -> web.Response:
    """How many meshes a step has, by run and tag."""
    found: dict[str, dict[str, dict[str, int]]] = {}
    for part in _parts(asked.context):
        found.setdefault(part.run, {})[part.about.name] = {"samples": part.about.shape[0]}
    return json_answer(found)


def _asked_for(asked: Asked) -> list[tuple[Part, Value]]:
    run, tag = asked.run_and_tag()
    return [
        (part, value)
        for part in _parts(asked.context)
        if (part.run, part.about.name) == (run, tag)
        for value in values(asked.context, "mesh", run, part.series) or []
    ]


@routes.get("/data/plugin/mesh/meshes")
@answering
def get_meshes(asked: Asked) -> web.Response:
    """Wall time, step, kind, shape and configuration of each part of the meshes of one tag, by step."""
    entries: list[dict[str, Any]] = [
        {
            "wall_time": value.wall_time,
            "step": value.step,
            "content_type": part.about.content_type,
            "components": part.about.components or _ALL,
            "config": part.about.json_config,
            "data_shape": list(part.about.shape),
        }
        for part, value in sorted(_asked_for(asked), key=lambda each: each[1].step)
    ]
    return json_answer(entries)


@routes.get("/data/plugin/mesh/data")
@answering
def get_data(asked: Asked) -> web.Response:
    """The numbers of one part (`content_type`) of the mesh `sample` at `step`: little-endian, as they lie in memory."""
    kind = asked.one("content_type") or ""
    if kind not in _DTYPES:
        raise invalid(f"content_type {kind!r} is none of {', '.join(_DTYPES)}")
    number, dtype = _DTYPES[kind]
    step, sample = _step(asked), asked.integer("sample", 0)
    pieces: list[bytes] = []
    for part, value in _asked_for(asked):
        if part.about.content_type == number and value.step == step:
            array = tensor_in(value.message)
            if not array.ndim or not -len(array) <= sample < len(array) or array.dtype == object:
                raise missing(f"there is no mesh {sample} at step {step}")
            with np.errstate(invalid="ignore"):
                pieces.append(array[sample].astype(dtype).tobytes())
    return data_answer(b"".join(pieces), "arraybuffer")


def _step(asked: Asked) -> float:
    """The step that is asked for; of one that is none, such as 3.5, there is no mesh."""
    text = asked.one("step") or "0"
    for kind in (int, float):
        try:
            return kind(text[:30])
        except ValueError:
            continue
    raise invalid(f"'step' must be a number, not {text[:30]!r}")
