"""`/data/plugin/images/` and `/data/plugin/audio/`: what pictures and sounds there are, and each of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

from aiohttp import web

from ...values import SIZES
from .answers import Asked, answering, data_answer, invalid, json_answer, missing
from .values import Key, blob, head, names, steps

if TYPE_CHECKING:
    from typing import Any

    from ...context import Context

__all__ = ["picture"]

routes = web.RouteTableDef()

_PICTURES: Final = {
    b"\x89PNG\r\n\x1a\n": "image/png",
    b"GIF8": "image/gif",
    b"\xff\xd8\xff": "image/jpeg",
    b"BM": "image/bmp",
}
_SOUNDS: Final = ("audio/wav", "application/octet-stream")
_WAV: Final = 11


def picture(context: Context, key: str) -> web.Response:
    """A picture by its key, under the type that its first bytes tell."""
    data = blob(context, key, "images")
    kind = next((name for magic, name in _PICTURES.items() if data.startswith(magic)), "application/octet-stream")
    return data_answer(data, kind)


@routes.get("/data/plugin/images/tags")
@answering
def get_image_tags(asked: Asked) -> web.Response:
    """Display name, description and pictures a step, by run and tag."""
    found = names(asked.context, "images", blobs=True)
    for tags in found.values():
        for entry in tags.values():
            entry["samples"] -= SIZES
    return json_answer(found)


@routes.get("/data/plugin/images/images")
@answering
def get_images(asked: Asked) -> web.Response:
    """Wall time, step and query for `individualImage` of each step that has the picture `sample`."""
    run, tag = asked.run_and_tag()
    at = asked.integer("sample", 0) + SIZES
    found = steps(asked.context, "images", run, tag)
    if found is None:
        raise missing(f"there is no picture of run={run!r}, tag={tag!r}")
    return json_answer(
        [
            {"wall_time": wall, "step": step, "query": urlencode({"blob_key": str(Key("images", run, tag, step, at))})}
            for step, wall, count in found
            if count > at
        ]
    )


@routes.get("/data/plugin/images/individualImage")
@answering
def get_individual_image(asked: Asked) -> web.Response:
    """A picture by its `blob_key`."""
    return picture(asked.context, asked.needed("blob_key"))


@routes.get("/data/plugin/audio/tags")
@answering
def get_audio_tags(asked: Asked) -> web.Response:
    """Display name, description and sounds a step, by run and tag."""
    return json_answer(names(asked.context, "audio", blobs=True))


@routes.get("/data/plugin/audio/audio")
@answering
def get_audio(asked: Asked) -> web.Response:
    """Wall time, step, type and query for `individualAudio` of each step that has the sound `sample`."""
    run, tag = asked.run_and_tag()
    at = asked.integer("sample", 0)
    found = steps(asked.context, "audio", run, tag)
    if found is None:
        raise missing(f"there is no sound of run={run!r}, tag={tag!r}")
    kind = _SOUNDS[0] if _is_wav(asked.context, run, tag) else _SOUNDS[1]
    entries: list[dict[str, Any]] = []
    for step, wall, count in found:
        if count > at:
            query = urlencode({"blob_key": str(Key("audio", run, tag, step, at)), "content_type": kind})
            entry = {"wall_time": wall, "label": "", "step": step, "contentType": kind, "query": query}
            entries.append(entry)
    return json_answer(entries)


def _is_wav(context: Context, run: str, tag: str) -> bool:
    """Whether the tag's first value says that its sounds are WAV; those of torch's form are, without saying so."""
    from google.protobuf.message import DecodeError

    from tallyboard.core.proto.plugin_pb2 import AudioPluginData

    about = head(context, "audio", run, tag)
    try:
        return not about.content or AudioPluginData.FromString(about.content).encoding == _WAV
    except DecodeError:
        return False


@routes.get("/data/plugin/audio/individualAudio")
@answering
def get_individual_audio(asked: Asked) -> web.Response:
    """A sound by its `blob_key`, under the `content_type` asked for."""
    kind = asked.needed("content_type")
    if kind not in _SOUNDS:
        raise invalid(f"content_type {kind!r} is none of {', '.join(_SOUNDS)}")
    return data_answer(blob(asked.context, asked.needed("blob_key"), "audio"), kind)
