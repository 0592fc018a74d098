"""Values that stay on disk, in the one form that TensorBoard's routes know: tensors, and sequences of bytes.

What older writers put into other fields (`histo`, `image`, `audio`) is put into the tensor that TensorBoard's
data_compat.py and dataclass_compat.py make of it.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from tallyboard.core.errors import CorruptRecord
from tallyboard.core.unpack import Found, array_of, histogram

from ...safe_html import from_markdown
from ...values import blobs_in, read_value
from .answers import invalid, missing, sampled

if TYPE_CHECKING:
    from tallyboard.core.proto import event_pb2 as pb
    from tallyboard.core.store import BlobRef

    from ...context import Context

__all__ = [
    "Head",
    "Key",
    "Value",
    "blob",
    "head",
    "latest",
    "most_blobs",
    "names",
    "steps",
    "tags_of",
    "tensor_in",
    "values",
]

_LOOKED_AT = 10
"""Values of a series that are looked at to tell how many pictures or sounds its steps have."""


class Head(NamedTuple):
    """What a value says of its tag: name, description, the plugin's own content, and how many blobs it has."""

    display_name: str
    description: str
    content: bytes
    blobs: int


class Value(NamedTuple):
    """A value, read from disk."""

    step: int
    wall_time: float
    message: pb.Summary.Value


class Key(NamedTuple):
    """Names one blob. Written as TensorBoard writes it, for whoever keeps such a name."""

    plugin: str
    run: str
    tag: str
    step: int
    place: int

    def __str__(self) -> str:
        text = json.dumps(("", *self), separators=(",", ":"))
        return base64.urlsafe_b64encode(text.encode("ascii")).decode().rstrip("=")

    @classmethod
    def parsed(cls, text: str) -> Key:
        """The blob that a text names.

        Raises:
            Refused: it is no such text.
        """
        try:
            padded = text + "=" * (-len(text) % 4)
            parts: Any = json.loads(base64.urlsafe_b64decode(padded.encode("ascii")).decode("ascii"))
        except (ValueError, binascii.Error, RecursionError):
            raise invalid("that is not the key of a blob") from None
        kinds = (str, str, str, str, int, int)
        if not isinstance(parts, list) or [type(part) for part in cast("list[Any]", parts)] != list(kinds):
            raise invalid("that is not the key of a blob")
        return cls(*cast("list[Any]", parts)[1:])


def tags_of(context: Context, plugin: str) -> Iterator[tuple[str, str]]:
    """Every run and tag of a plugin."""
    for tag, runs in context.store.overview().tags.get(plugin, {}).items():
        for run in runs:
            yield run, tag


def names(context: Context, plugin: str, *, blobs: bool = False) -> dict[str, dict[str, dict[str, Any]]]:
    """Display name and description by run and tag, and how many blobs a step has at most."""
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for run, tag in tags_of(context, plugin):
        about = head(context, plugin, run, tag)
        entry: dict[str, Any] = {"displayName": about.display_name, "description": from_markdown(about.description)}
        if blobs:
            entry["samples"] = most_blobs(context, plugin, run, tag)
        found.setdefault(run, {})[tag] = entry
    return found


def head(context: Context, plugin: str, run: str, tag: str) -> Head:
    """What a series' first value says of its tag; nothing where that value cannot be read any more."""
    stored = context.store.blobs(plugin, run, tag)
    if stored is None:
        return Head("", "", b"", 0)
    try:
        return _head(context.fetch, stored.ref[0], tag, float(stored.wall_time[0]))
    except CorruptRecord:
        return Head("", "", b"", 0)


def most_blobs(context: Context, plugin: str, run: str, tag: str) -> int:
    """How many blobs a step has at most, by a look at a few of them."""
    stored = context.store.blobs(plugin, run, tag)
    most = 0
    if stored is not None:
        looked_at: list[int] = np.unique(np.linspace(0, len(stored) - 1, _LOOKED_AT).round().astype(int)).tolist()
        for at in looked_at:
            try:
                most = max(most, _head(context.fetch, stored.ref[at], tag, float(stored.wall_time[at])).blobs)
            except CorruptRecord:
                continue
    return most


@lru_cache(65_536)
def _head(fetch: Callable[[BlobRef], bytes], ref: BlobRef, tag: str, wall_time: float) -> Head:
    """Looked up by time too: another file may have taken the place of the one that was there."""
    del wall_time
    message = read_value(fetch, ref, tag)
    about = message.metadata
    older = message.WhichOneof("value") != "tensor"
    return Head(
        about.display_name or (message.tag if older else ""),
        about.summary_description,
        about.plugin_data.content,
        len(blobs_in(message)),
    )


def values(context: Context, plugin: str, run: str, tag: str, limited_as: str = "") -> list[Value] | None:
    """The values of a series, without those that cannot be read any more; None where there is no such series.

    Args:
        context, plugin, run, tag: whose.
        limited_as: the plugin whose number of samples holds; by default the series' own.
    """
    stored = context.store.blobs(plugin, run, tag)
    if stored is None:
        return None
    chosen: list[int] = np.arange(len(stored))[sampled(context, limited_as or plugin, len(stored))].tolist()
    found: list[Value] = []
    for at in chosen:
        try:
            message = read_value(context.fetch, stored.ref[at], tag)
        except CorruptRecord:
            continue
        found.append(Value(int(stored.step[at]), float(stored.wall_time[at]), message))
    return found


def latest(context: Context, plugin: str, run: str, tag: str) -> Value | None:
    """The last value of a series; None where there is none, or it cannot be read any more."""
    stored = context.store.blobs(plugin, run, tag)
    if stored is None:
        return None
    try:
        message = read_value(context.fetch, stored.ref[-1], tag)
    except CorruptRecord:
        return None
    return Value(int(stored.step[-1]), float(stored.wall_time[-1]), message)


def steps(context: Context, plugin: str, run: str, tag: str) -> list[tuple[int, float, int]] | None:
    """Step, wall time and number of blobs of each value that has blobs; None where there is no such series.

    Of several values of one step the first counts, and steps are in order: so has TensorBoard it.
    """
    stored = context.store.blobs(plugin, run, tag)
    if stored is None:
        return None
    step, first = np.unique(stored.step, return_index=True)
    chosen: list[int] = first[sampled(context, plugin, len(step))].tolist()
    found: list[tuple[int, float, int]] = []
    for at in chosen:
        try:
            about = _head(context.fetch, stored.ref[at], tag, float(stored.wall_time[at]))
        except CorruptRecord:
            continue
        found.append((int(stored.step[at]), float(stored.wall_time[at]), about.blobs))
    return found


def blob(context: Context, text: str, plugin: str) -> bytes:
    """One blob.

    Raises:
        Refused: the text names none, or none that is there.
        CorruptRecord: it cannot be read any more.
    """
    key = Key.parsed(text)
    stored = context.store.blobs(plugin, key.run, key.tag) if key.plugin == plugin else None
    at: list[int] = []
    if stored is not None and abs(key.step) < 1 << 63:
        at = np.flatnonzero(stored.step == key.step).tolist()
    if stored is None or not at:
        raise missing(f"there is no such blob in {plugin}")
    blobs = blobs_in(read_value(context.fetch, stored.ref[at[0]], key.tag))
    if not 0 <= key.place < len(blobs):
        raise missing(f"the value has {len(blobs)} blobs, and none of index {key.place}")
    return blobs[key.place]


def tensor_in(message: pb.Summary.Value) -> NDArray[Any]:
    """A value as an array; a histogram of torch's form as rows of left edge, right edge and count, float32.

    Raises:
        CorruptRecord: it does not fit together.
    """
    if message.WhichOneof("value") != "histo":
        return array_of(message.tensor)
    found = histogram(Found(0, 0.0, message, message.metadata))
    if not len(found.counts):
        return np.zeros((0, 3), np.float32)
    return np.stack([found.edges[:-1], found.edges[1:], found.counts], axis=1).astype(np.float32)
