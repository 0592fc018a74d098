"""What is shown of one logged text: prose, a table, a confusion matrix, or a figure that a frame shows."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

from google.protobuf.message import DecodeError
from numpy.typing import NDArray

from tallyboard.core.errors import CorruptRecord
from tallyboard.core.proto.plugin_pb2 import TextPluginData
from tallyboard.core.unpack import array_of

from .prose import plain, prose
from .routes.tensorboard.values import head
from .values import value_at

if TYPE_CHECKING:
    from tallyboard.core.proto import event_pb2 as pb

    from .context import Context

__all__ = ["FIGURES", "PLUGINS", "Named", "figure", "source", "strings", "told"]

FIGURES: Final = ("html", "plotly")

# No "<" within: however many begin, each character is looked at once.
_ELSEWHERE: Final = re.compile(
    r"<(?:script|link)\b[^<>]*?\s(?:src|href)\s*=\s*[\"']?(?:https?:)?//([\w.:-]{1,80})", re.IGNORECASE
)
PLUGINS: Final = ("text", *FIGURES)

_RAW: Final = 1_000_000
_CELLS: Final = 20_000
_PROSE_CELLS: Final = 1_000
_COLUMNS: Final = 1_000
_CELL: Final = 10_000


class Named(NamedTuple):
    """Which value: `step` and `wall` as the page knows them."""

    plugin: str
    run: str
    tag: str
    step: float
    wall: float


def told(context: Context, named: Named, start: int = 0) -> dict[str, Any]:
    """What the page shows of a value, or `{"problem"}`.

    Args:
        context: whose store.
        named: which value.
        start: the first row, of a table that is longer than one answer.
    """
    try:
        if named.plugin in FIGURES:
            return _about_figure(named.plugin, figure(context, named))
        array = strings(context, named)
        kind = _kind(context, named, array)
        # One string in a list of one is what torch writes for every text.
        answer = _prose(array) if array.size == 1 and array.ndim < 2 else _table(array, kind, start)
    except CorruptRecord as problem:
        return {"problem": str(problem)}
    return answer


def strings(context: Context, named: Named) -> NDArray[Any]:
    """The strings of a text, bytes in an object array of any shape.

    Raises:
        CorruptRecord: it cannot be read, or is no text; the sentence is for the card.
    """
    value = _value(context, named)
    try:
        array = array_of(value.tensor)
    except CorruptRecord as damaged:
        raise CorruptRecord(f"This text is damaged: {damaged}.") from None
    if array.dtype != object:
        raise CorruptRecord(f"This text holds numbers ({array.dtype}, shape {array.shape}) instead of strings.")
    return array


def figure(context: Context, named: Named) -> str:
    """The source of a figure: a page of HTML, or JSON.

    Raises:
        CorruptRecord: it cannot be read; the sentence is for the card.
    """
    parts = list(_value(context, named).tensor.string_val)
    if len(parts) != 1:
        raise CorruptRecord(f"This figure has {len(parts)} parts in place of one.")
    return decoded(parts[0])


def source(array: NDArray[Any]) -> str:
    """All of a text as it was written; of a table, cells with tabs between and lines of rows."""
    if array.ndim < 2:
        return "\n\n".join(map(decoded, array.reshape(-1).tolist()))
    rows = array.reshape(-1, array.shape[-1]).tolist()
    return "\n".join("\t".join(decoded(cell).replace("\t", " ").replace("\n", " ") for cell in row) for row in rows)


def decoded(text: bytes) -> str:
    """A string; bytes that are no UTF-8 are marked, and NUL is left out."""
    return text.decode("utf-8", "replace").replace("\0", "")


def _value(context: Context, named: Named) -> pb.Summary.Value:
    try:
        value = value_at(context, *named)
    except CorruptRecord:
        raise CorruptRecord("This value cannot be read any more: its file is damaged, or not what it was.") from None
    if value is None:
        raise CorruptRecord("This value is not there any more.")
    return value


def _kind(context: Context, named: Named, array: NDArray[Any]) -> str:
    """What the writer says that a table is; nothing where its shape does not fit."""
    try:
        kind = TextPluginData.FromString(head(context, named.plugin, named.run, named.tag).content).kind
    except DecodeError:
        return ""
    return kind if array.ndim == 2 and array.size and kind in ("table", "confusion_matrix") else ""


def _prose(array: NDArray[Any]) -> dict[str, Any]:
    raw = decoded(array.item())
    shown = prose(raw)
    answer: dict[str, Any] = {"kind": "text", "html": shown.html, "raw": raw[:_RAW]}
    if shown.problem:
        answer["note"] = shown.problem
    if len(raw) > _RAW:
        answer["cut"] = len(raw)
    return answer


def _table(array: NDArray[Any], kind: str, start: int) -> dict[str, Any]:
    """A table's rows from `start` on: as many as one answer holds. Of more dimensions, the first table."""
    notes: list[str] = []
    shape = array.shape
    if array.ndim > 2:
        notes.append(f"This tensor of texts has the shape {shape}; its first table is shown.")
        array = array[(0,) * (array.ndim - 2)]
    array = array.reshape(-1, 1) if array.ndim == 1 else array
    total, width = array.shape
    if width > _COLUMNS:
        notes.append(f"The first {_COLUMNS:,} of {width:,} columns are shown.")
        array = array[:, :_COLUMNS]
    room = _CELLS if kind else _PROSE_CELLS
    fit = max(1, room // max(1, array.shape[1]))
    if kind == "confusion_matrix":
        fit = max(fit, array.shape[1] + 1)
    rows = [[decoded(cell) for cell in row] for row in array[start : start + fit].tolist()]
    cut = [[cell if len(cell) <= _CELL else f"{cell[:_CELL]} …" for cell in row] for row in rows]
    answer: dict[str, Any] = {"kind": kind or "cells", "shape": shape, "start": start, "total": total, "rows": cut}
    if not kind:
        answer["html"] = _cells(rows)
    if notes:
        answer["note"] = " ".join(notes)
    return answer


def _cells(rows: list[list[str]]) -> list[list[str]]:
    """Each cell rendered, while there is patience: what comes after a knotted one is shown as it was written."""
    patient = True
    rendered: list[list[str]] = []
    for row in rows:
        line: list[str] = []
        for cell in row:
            shown = prose(cell) if patient else None
            patient = patient and shown is not None and not shown.problem
            line.append(shown.html if shown is not None else plain(cell[:_CELL]))
        rendered.append(line)
    return rendered


def _about_figure(plugin: str, text: str) -> dict[str, Any]:
    answer: dict[str, Any] = {"kind": plugin, "raw": text[:_RAW]}
    if len(text) > _RAW:
        answer["cut"] = len(text)
    if plugin == "plotly":
        try:
            said: Any = json.loads(text)
        except (ValueError, RecursionError):
            raise CorruptRecord("This figure is no JSON.") from None
        data = cast("dict[str, Any]", said).get("data") if isinstance(said, dict) else None
        if not isinstance(data, list):
            raise CorruptRecord("This figure has no list of traces.")
    elif (found := _ELSEWHERE.search(text)) is not None:
        answer["note"] = (
            f"Scripts and styles from elsewhere ({found[1]}) are not fetched: write them into the page "
            "(Plotly: include_plotlyjs=True, Bokeh: INLINE)."
        )
    return answer
