"""`/api/export`: every point of many series as one file, sent while it is written."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from concurrent.futures import Future, ThreadPoolExecutor
from typing import IO, TYPE_CHECKING, Any, cast
from urllib.parse import quote

import numpy as np
from aiohttp import web

from tallyboard.core.dataframes import Labels
from tallyboard.core.errors import MissingDependency
from tallyboard.core.export import Format, export
from tallyboard.core.rows import CHUNK_ROWS

from ..context import CONTEXT
from ..responses import error
from ..safety import reads

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tallyboard.core.rows import Chunk
    from tallyboard.core.store import Store

MOST_EXPORTS = 4
"""Exports that are written at once."""

PATIENCE = 60.0
"""Seconds that a client may take nothing."""

_PIECE = 1 << 18
_TYPES: dict[str, str] = {"csv": "text/csv; charset=utf-8", "parquet": "application/vnd.apache.parquet"}
_FORMULA = re.compile(r"[=+\-@\t\r]")

_writers = ThreadPoolExecutor(MOST_EXPORTS, "tallyboard-export")
_busy: set[object] = set()

routes = web.RouteTableDef()


class _BadRequest(Exception):
    """The body is not what the route takes; the text is for the client."""


class _Gone(Exception):
    """Nobody takes the file any more."""


@routes.post("/api/export")
@reads
async def post_export(request: web.Request) -> web.StreamResponse:
    """The points of the runs and tags named in the body, as CSV or Parquet."""
    context = request.app[CONTEXT]
    try:
        form, runs, tags, superseded = parse(await request.read())
    except _BadRequest as bad:
        return error(400, str(bad))
    if len(_busy) >= MOST_EXPORTS:
        return error(503, f"{MOST_EXPORTS} exports are being written already; try again when one is done.")
    wanted = _series(context.store, runs, tags, superseded=superseded)
    chunks = rows(context.store, wanted, plain=form == "csv", superseded=superseded)
    pipe = _Pipe(asyncio.get_running_loop())
    _busy.add(pipe)
    try:
        writing = _writers.submit(_write, chunks, pipe, form)
        return await _send(request, pipe, writing, form, _name(context.logdir, form))
    finally:
        pipe.close()
        _busy.discard(pipe)


def parse(body: bytes) -> tuple[Format, list[str], list[str], bool]:
    """Read the body of a request: format, runs, tags, and whether points that a restart has voided are wanted.

    Raises:
        _BadRequest: it is not `{"format": "csv" or "parquet", "runs": [str, ...], "tags": [str, ...]}`, with
            `"superseded": bool` or without.
    """
    try:
        asked: Any = json.loads(body)
    except (ValueError, RecursionError):
        raise _BadRequest("The request's body is not JSON.") from None
    fields = cast("dict[str, Any]", asked) if isinstance(asked, dict) else {}
    form = fields.get("format")
    if form not in ("csv", "parquet"):
        raise _BadRequest('The request needs a "format", "csv" or "parquet".')
    lists: list[list[str]] = []
    for name in ("runs", "tags"):
        given: Any = fields.get(name)
        if not isinstance(given, list) or not all(isinstance(one, str) for one in cast("list[Any]", given)):
            raise _BadRequest(f'The request needs "{name}", a list of names.')
        lists.append(list(dict.fromkeys(cast("list[str]", given))))
    superseded: Any = fields.get("superseded", False)
    if not isinstance(superseded, bool):
        raise _BadRequest('"superseded" is true or false.')
    return cast("Format", form), lists[0], lists[1], superseded


def _series(store: Store, runs: list[str], tags: list[str], *, superseded: bool) -> list[tuple[str, str]]:
    """Those of the runs and tags that there are, run by run."""
    overview = store.overview()
    known = overview.tags.get("scalars", {})
    voided = overview.voided.get("scalars", {}) if superseded else {}
    return [(run, tag) for run in runs for tag in tags if run in known.get(tag, ()) or run in voided.get(tag, ())]


def rows(store: Store, wanted: list[tuple[str, str]], *, plain: bool, superseded: bool = False) -> Iterator[Chunk]:
    """The points of series, a bounded number at a time; the first chunk has no rows and tells the columns.

    Args:
        store: what has them.
        wanted: run and tag of each.
        plain: names that a spreadsheet would take for a formula start with an apostrophe.
        superseded: with the points that a restart has voided.
    """
    found = (store.scalars(run, tag, superseded=superseded) for run, tag in wanted)
    # as exact as the most exact of them: a number of 32 bits then has the digits that it was written with
    exact = np.float64 if any(one is not None and one.value.dtype == np.float64 for one in found) else np.float32
    yield _chunk("", "", np.empty(0, np.int64), np.empty(0), np.empty(0, exact))
    for run, tag in wanted:
        series = store.scalars(run, tag, superseded=superseded)
        if series is None:
            continue
        names = (_text(run), _text(tag)) if plain else (run, tag)
        for start in range(0, len(series), CHUNK_ROWS):
            cut = slice(start, start + CHUNK_ROWS)
            yield _chunk(*names, series.step[cut], series.wall_time[cut], series.value[cut].astype(exact))


def _chunk(run: str, tag: str, step: Any, wall_time: Any, value: Any) -> Chunk:
    codes = np.zeros(len(step), np.int64)
    return {
        "run": Labels(codes, [run]),
        "tag": Labels(codes, [tag]),
        "step": step,
        "wall_time": wall_time,
        "value": value,
    }


def _text(name: str) -> str:
    return f"'{name}" if _FORMULA.match(name) else name


def _write(chunks: Iterator[Chunk], pipe: _Pipe, form: Format) -> None:
    try:
        with contextlib.suppress(_Gone):
            export(chunks, cast("IO[bytes]", pipe), form)
            pipe.flush()
    finally:
        pipe.end()


async def _send(
    request: web.Request, pipe: _Pipe, writing: Future[None], form: Format, name: str
) -> web.StreamResponse:
    first = await pipe.take()
    if first is None:  # nothing came: it failed before a byte was written
        try:
            await asyncio.wrap_future(writing)
        except MissingDependency as missing:
            return error(501, f"{missing}; or take CSV.")
    headers = {"Content-Type": _TYPES[form], "Content-Disposition": name, "Cache-Control": "no-store"}
    response = web.StreamResponse(headers=headers)
    await response.prepare(request)
    piece = first
    while piece is not None:
        try:
            await asyncio.wait_for(response.write(piece), PATIENCE)
        except (ConnectionError, TimeoutError):
            if request.transport is not None:
                request.transport.abort()
            return response
        piece = await pipe.take()
    await asyncio.wrap_future(writing)  # one that failed half way breaks the answer off
    await response.write_eof()
    return response


def _name(logdir: str, form: str) -> str:
    last = re.split(r"[/\\]", logdir.rstrip("/\\"))[-1]
    plain = re.sub(r"[^\w.-]+", "_", last).strip("._") or "tallyboard"
    return f"attachment; filename*=UTF-8''{quote(f'{plain}-scalars.{form}', errors='replace')}"


class _Pipe:
    """A file for a thread to write into and the event loop to read from; one piece waits, so memory stays bounded."""

    closed = False

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._queue: asyncio.Queue[bytes | None] = asyncio.Queue(1)
        self._parts: list[bytes] = []
        self._held = 0
        self._at = 0
        self._gone = self._told = False

    def write(self, data: Any) -> int:
        """Takes bytes; waits while the client is behind.

        Raises:
            _Gone: nobody takes them any more.
        """
        piece = bytes(data)
        if self._told:  # a library that tidies up behind itself
            return len(piece)
        self._parts.append(piece)
        self._held += len(piece)
        self._at += len(piece)
        if self._held >= _PIECE:
            self.flush()
        return len(piece)

    def tell(self) -> int:
        """How many bytes were written."""
        return self._at

    def flush(self) -> None:
        """Hands on what was written so far.

        Raises:
            _Gone: as `write`.
        """
        piece = b"".join(self._parts)
        self._parts, self._held = [], 0
        if piece:
            self._put(piece)

    def end(self) -> None:
        """Nothing more comes."""
        with contextlib.suppress(_Gone):
            self._put(None)

    def _put(self, piece: bytes | None) -> None:
        if self._gone:
            self._told = True
            raise _Gone
        putting = asyncio.run_coroutine_threadsafe(self._queue.put(piece), self._loop)
        putting.result()
        if self._gone:
            self._told = True
            raise _Gone

    async def take(self) -> bytes | None:
        """The next piece; None behind the last."""
        return await self._queue.get()

    def close(self) -> None:
        """Nobody takes anything any more: a thread that waits to write goes on, and hears of it."""
        self._gone = True
        while not self._queue.empty():
            self._queue.get_nowait()
