"""What TensorBoard's routes have in common: how they are asked, and the form of what they answer.

JSON has NaN and infinities as the words "NaN", "Infinity" and "-Infinity". An error is one sentence of plain text
after its kind, with status 400 (`Invalid argument: `) or 404 (`Not found: `).
"""

from __future__ import annotations

import asyncio
import functools
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from aiohttp import web
from aiohttp.typedefs import Handler
from numpy.typing import NDArray

from tallyboard.core.errors import CorruptRecord

from ...context import CONTEXT, Context

__all__ = [
    "Asked",
    "Refused",
    "answering",
    "csv_answer",
    "data_answer",
    "invalid",
    "json_answer",
    "missing",
    "numbers",
    "plain",
    "sampled",
    "text_answer",
]

_AT_ONCE = 5_000
"""Rows that are encoded while nothing else runs: some milliseconds."""

_HEADERS = {"Cache-Control": "no-cache, must-revalidate", "Expires": "0"}


class Refused(Exception):
    """A question that has no answer; the text is for the client, `status` is the answer's."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


def invalid(sentence: str) -> Refused:
    """The question is wrong."""
    return Refused(400, f"Invalid argument: {sentence}")


def missing(sentence: str) -> Refused:
    """What is asked for is not there."""
    return Refused(404, f"Not found: {sentence}")


@dataclass(frozen=True, slots=True)
class Asked:
    """One question.

    Attributes:
        context: where answers come from.
        fields: of the query, or of the form; each may have been given again.
        body: of a POST that is no form.
    """

    context: Context
    fields: Mapping[str, list[str]]
    body: bytes = b""

    def one(self, name: str) -> str | None:
        """A field's first value."""
        given = self.fields.get(name)
        return given[0] if given else None

    def needed(self, name: str) -> str:
        """A field's first value.

        Raises:
            Refused: it was not given.
        """
        value = self.one(name)
        if value is None:
            raise invalid(f"{name!r} must be specified")
        return value

    def run_and_tag(self) -> tuple[str, str]:
        """The run and the tag asked for.

        Raises:
            Refused: one of them was not given.
        """
        run, tag = self.one("run"), self.one("tag")
        if run is None or tag is None:
            raise invalid(f"both run and tag must be specified: tag={tag!r}, run={run!r}")
        return run, tag

    def integer(self, name: str, usual: int) -> int:
        """A field that counts something.

        Raises:
            Refused: it is not a number.
        """
        text = self.one(name)
        if text is None:
            return usual
        if not (text.isascii() and text.isdecimal() and len(text) < 10):
            raise invalid(f"{name!r} must be an integer of 0 or more, not {text!r}")
        return int(text)


def answering(answer: Callable[[Asked], web.Response]) -> Handler:
    """Make a handler of a function that answers one question; it runs in a thread, and may raise `Refused`."""

    @functools.wraps(answer)
    async def handler(request: web.Request) -> web.StreamResponse:
        try:
            body = await request.read() if request.content_type == "application/json" else b""
            asked = Asked(request.app[CONTEXT], await _fields(request), body)
            return await asyncio.to_thread(answer, asked)
        except Refused as refused:
            return _plain_error(refused.status, str(refused))
        except CorruptRecord:
            return _plain_error(404, "Not found: the file no longer holds what was found in it.")

    return handler


async def _fields(request: web.Request) -> dict[str, list[str]]:
    fields: dict[str, list[str]] = {}
    if request.method != "POST":
        given: list[tuple[str, Any]] = list(request.query.items())
    else:
        try:
            given = list((await request.post()).items())
        except (ValueError, LookupError):  # no such boundary, no such charset
            raise invalid("the form cannot be read") from None
    for name, value in given:
        if isinstance(value, str):
            fields.setdefault(name, []).append(value)
    return fields


def _plain_error(status: int, sentence: str) -> web.Response:
    body = sentence.encode("utf-8", "backslashreplace")  # a run's name may have bytes that are no text
    return web.Response(status=status, body=body, content_type="text/plain", charset="utf-8", headers=_HEADERS)


def json_answer(data: Any) -> web.Response:
    """Answer with JSON. Columns of numbers have to come from `numbers`."""
    body = _encoded(data).encode("ascii")
    return web.Response(body=body, content_type="application/json", headers=_HEADERS)


def _encoded(data: Any) -> str:
    """JSON, long lists of it bit by bit: the encoder lets no other thread run, the server's neither, until it ends."""
    if isinstance(data, dict):
        items = cast("dict[str, Any]", data).items()
        return f"{{{', '.join(f'{json.dumps(str(key))}: {_encoded(value)}' for key, value in items)}}}"
    if isinstance(data, list) and len(rows := cast("list[Any]", data)) > _AT_ONCE:
        parts = (rows[at : at + _AT_ONCE] for at in range(0, len(rows), _AT_ONCE))
        return f"[{', '.join(json.dumps(part, allow_nan=False)[1:-1] for part in parts)}]"
    return json.dumps(data, allow_nan=False)


def csv_answer(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> web.Response:
    """Answer with a table; its lines end as RFC 4180 has it."""
    lines = [",".join(header), *(",".join(map(str, row)) for row in rows), ""]
    body = "\r\n".join(lines).encode()
    return web.Response(body=body, content_type="text/csv", charset="utf-8", headers=_HEADERS)


def text_answer(text: str, content_type: str) -> web.Response:
    """Answer with text of some kind."""
    body = text.encode("utf-8", "backslashreplace")
    return web.Response(body=body, content_type=content_type, charset="utf-8", headers=_HEADERS)


def data_answer(body: bytes, content_type: str) -> web.Response:
    """Answer with a picture, a sound or other bytes as they are.

    They are not ours: whatever they turn out to be, a browser that opens them alone runs nothing in them.
    """
    headers = {**_HEADERS, "Content-Type": content_type, "Content-Disposition": "inline"}
    return web.Response(body=body, headers=headers)


def numbers(column: NDArray[Any]) -> list[Any]:
    """A column of numbers for JSON, NaN and infinities as words."""
    found: list[Any] = column.tolist()
    if column.dtype.kind != "f" or bool(np.isfinite(column).all()):
        return found
    return [plain(number) for number in found]


def plain(value: Any) -> Any:
    """Nested lists and dicts of numbers for JSON, NaN and infinities as words."""
    if isinstance(value, float):
        if math.isfinite(value):
            return value
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, (list, tuple)):
        return [plain(each) for each in value]  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items()}  # pyright: ignore[reportUnknownVariableType]
    return value


def sampled(context: Context, plugin: str, count: int) -> NDArray[np.int64] | slice:
    """Which of `count` values to give: all, or where `--samples_per_plugin` bounds them, evenly many with both ends."""
    most = context.samples.get(plugin, 0)
    if not most or count <= most:
        return slice(None)
    if most == 1:
        return np.array([count - 1])
    return np.linspace(0, count - 1, most).round().astype(np.int64)
