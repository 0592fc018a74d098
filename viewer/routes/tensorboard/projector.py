"""`/data/plugin/projector/`: embeddings, as projector_plugin.py of TensorBoard answers.

Its errors are plain text with status 400 here, as they are there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

from ...projector import EMBEDDINGS, Unknown
from .answers import Asked, Refused, answering, data_answer, json_answer, text_answer

if TYPE_CHECKING:
    from ...projector import Config, Entry

routes = web.RouteTableDef()


@routes.get("/data/plugin/projector/runs")
@answering
def get_runs(asked: Asked) -> web.Response:
    """The runs that have embeddings."""
    context = asked.context
    return json_answer([run for run in EMBEDDINGS.runs(context) if EMBEDDINGS.config(context, run).entries])


@routes.get("/data/plugin/projector/info")
@answering
def get_info(asked: Asked) -> web.Response:
    """A run's configuration, with the shapes of tensors of which it has none."""
    from google.protobuf import json_format

    from tallyboard.core.proto.projector_pb2 import ProjectorConfig

    config = _config(asked)
    told = ProjectorConfig()
    if config.message is not None:
        told.CopyFrom(config.message)
    for info in told.embeddings:
        info.tensor_name = info.tensor_name.removesuffix(":0")
        entry = config.entries.get(info.tensor_name)
        if entry is not None and info.tensor_path and not info.tensor_shape:
            try:
                info.tensor_shape.extend(EMBEDDINGS.read(entry).vectors.array.shape)
            except Unknown:
                continue
    return json_answer(json_format.MessageToDict(told))


@routes.get("/data/plugin/projector/tensor")
@answering
def get_tensor(asked: Asked) -> web.Response:
    """The first rows of a tensor: float32, little-endian."""
    entry, most = _entry(asked), _rows(asked)
    try:
        array = EMBEDDINGS.read(entry).vectors.array
    except Unknown as unknown:
        raise Refused(400, str(unknown)) from None
    return data_answer(array[:most].astype("<f4").tobytes(), "application/octet-stream")


@routes.get("/data/plugin/projector/metadata")
@answering
def get_metadata(asked: Asked) -> web.Response:
    """The first lines of the metadata, and a header where they have one."""
    entry, most = _entry(asked), _rows(asked)
    try:
        data = EMBEDDINGS.metadata(entry)
    except Unknown as unknown:
        raise Refused(400, str(unknown)) from None
    if most is not None:
        lines = data.split(b"\n", most + 1)
        kept = most + (b"\t" in lines[0])
        data = b"\n".join([*lines[:kept], b""]) if len(lines) > kept else data
    return text_answer(data.decode("utf-8", "replace"), "text/plain")


@routes.get("/data/plugin/projector/bookmarks")
@answering
def get_bookmarks(asked: Asked) -> web.Response:
    """The bookmarks as their file has them."""
    try:
        return data_answer(EMBEDDINGS.bookmarks(_entry(asked)), "application/json")
    except Unknown as unknown:
        raise Refused(400, str(unknown)) from None


@routes.get("/data/plugin/projector/sprite_image")
@answering
def get_sprite_image(asked: Asked) -> web.Response:
    """The sprite; only where it is a picture."""
    try:
        return data_answer(*EMBEDDINGS.sprite(_entry(asked)))
    except Unknown as unknown:
        raise Refused(400, str(unknown)) from None


def _config(asked: Asked) -> Config:
    run = asked.one("run")
    if run is None:
        raise Refused(400, 'query parameter "run" is required')
    config = EMBEDDINGS.config(asked.context, run) if run in EMBEDDINGS.runs(asked.context) else None
    if config is None or not config.entries:
        raise Refused(400, f'Unknown run: "{run}"')
    return config


def _entry(asked: Asked) -> Entry:
    name = asked.one("name")
    if name is None and asked.one("run") is not None:
        raise Refused(400, 'query parameter "name" is required')
    entry = _config(asked).entries.get((name or "").removesuffix(":0"))
    if entry is None:
        raise Refused(400, f'Tensor "{name}" of run "{asked.one("run")}" not found')
    return entry


def _rows(asked: Asked) -> int | None:
    text = asked.one("num_rows")
    if not text:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) < 12 and int(text)):
        raise Refused(400, "query parameter num_rows must be integer > 0")
    return int(text)
