"""`/api/histograms`: many histograms in one frame; `/api/histograms/export`: one series whole, in its own buckets."""

from __future__ import annotations

import asyncio
import json
import math
import re
import threading
from collections import OrderedDict
from hashlib import sha256
from typing import TYPE_CHECKING, Any, cast, get_args
from urllib.parse import quote
from weakref import WeakKeyDictionary

import numpy as np
from aiohttp import web

from ..context import CONTEXT
from ..histograms import MOST_CELLS, Axis, Distribution, Question, answer, distributions
from ..responses import error, is_fresh, revalidated
from ..safety import reads

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tallyboard.core.store import Blobs

    from ..context import Context

MOST_ROWS = 1_024
MOST_BINS = 1_024
MOST_SERIES = 64

KEPT = 16 << 20
"""Bytes of answers that are kept; the ones not asked for longest go first."""

_AT_ONCE = 64
"""Histograms of an export that are read at once."""

_FORMULA = re.compile(r"[=+\-@\t\r]")

Key = tuple[Any, ...]

routes = web.RouteTableDef()


class _BadRequest(Exception):
    """The request is not what the route takes; the text is for the client."""


class Answers:
    """Frames that were encoded before, for as long as their series are the same; may be asked by several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[Key, bytes] = OrderedDict()
        self.nbytes = 0

    def get(self, context: Context, question: Question, key: Key) -> bytes:
        """The answer to a question: a kept one, or a new one. Reads the disk.

        Args:
            context: what has the series.
            question: what is asked.
            key: of this question.
        """
        with self._lock:
            found = self._kept.get(key)
            if found is not None:
                self._kept.move_to_end(key)
                return found
        made = answer(context, question)
        if len(made) <= KEPT // 4:
            with self._lock:
                self.nbytes += len(made) - len(self._kept.pop(key, b""))
                self._kept[key] = made
                while self.nbytes > KEPT:
                    self.nbytes -= len(self._kept.popitem(last=False)[1])
        return made


def key_of(context: Context, question: Question) -> Key:
    """What tells whether a question has the answer that it had before."""
    return (context.boot, question, *(_state(context, question, run, tag) for run, tag in question.series))


def _state(context: Context, question: Question, run: str, tag: str) -> tuple[Any, ...] | None:
    """What tells whether a series is still the same."""
    stored = context.store.blobs("histograms", run, tag, superseded=question.superseded)
    if stored is None or not len(stored):
        return None
    return len(stored), stored.generation, float(stored.wall_time[0]), float(stored.wall_time[-1]), stored.ref[-1]


_answers = Answers()

ABREAST = 2
"""Questions that are answered at a time: a page asks for a dozen cards at once, and the first is to come first."""

_turns: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = WeakKeyDictionary()


def _turn() -> asyncio.Semaphore:
    """Those who wait hold no thread, and come in the order in which they asked."""
    return _turns.setdefault(asyncio.get_running_loop(), asyncio.Semaphore(ABREAST))


@routes.post("/api/histograms")
@reads
async def post_histograms(request: web.Request) -> web.StreamResponse:
    """Histograms of the series named in the body, in the buckets asked for, as a TLH1 frame."""
    try:
        question = parse(await request.read())
    except _BadRequest as bad:
        return error(400, str(bad))
    context = request.app[CONTEXT]
    key = key_of(context, question)
    etag = sha256(repr(key).encode("utf-8", "surrogatepass")).hexdigest()[:32]
    frame = None
    if not is_fresh(request, etag):
        async with _turn():
            frame = await asyncio.to_thread(_answers.get, context, question, key)
    return revalidated(request, etag, frame, content_type="application/octet-stream", cache_control="no-store")


def parse(body: bytes) -> Question:
    """Read the body of a request.

    Raises:
        _BadRequest: it is not `{"series": [{"run": str, "tag": str}, ...], "x": "step", "relative" or "wall", "rows":
            int, "bins": int, "first", "last", "low", "high", "trim": number, "superseded": bool}`, where all but the
            series may be left out, or asks for more than one answer holds.
    """
    try:
        asked: Any = json.loads(body)
    except (ValueError, RecursionError):
        raise _BadRequest("The request's body is not JSON.") from None
    fields = cast("dict[str, Any]", asked) if isinstance(asked, dict) else {}
    series = _series(fields.get("series"))
    x = fields.get("x", "step")
    if x not in get_args(Axis):
        raise _BadRequest('The "x" is none of "step", "relative" and "wall".')
    rows, bins = (_whole(fields, name, most) for name, most in (("rows", MOST_ROWS), ("bins", MOST_BINS)))
    if rows * (bins + 2) * len(series) > MOST_CELLS:
        raise _BadRequest(f"{len(series)} series of {rows} rows of {bins} buckets are more than one answer holds.")
    ends = {name: _number(fields, name) for name in ("first", "last", "low", "high")}
    low, high = ends["low"], ends["high"]
    if (low is None) != (high is None) or (low is not None and high is not None and not low < high):
        raise _BadRequest('"low" and "high" come together, and the first is less than the second.')
    trim = fields.get("trim", 0)
    if not isinstance(trim, int | float) or isinstance(trim, bool) or not 0 <= trim < 0.5:
        raise _BadRequest('"trim" is no number from 0 to less than 0.5.')
    superseded = fields.get("superseded", False)
    if not isinstance(superseded, bool):
        raise _BadRequest('"superseded" is neither true nor false.')
    return Question(series, x, rows, bins, ends["first"], ends["last"], low, high, float(trim), superseded)


def _series(given: Any) -> tuple[tuple[str, str], ...]:
    entries = cast("list[Any]", given) if isinstance(given, list) else []
    if not 1 <= len(entries) <= MOST_SERIES:
        raise _BadRequest(f'The request needs "series", a list of 1 to {MOST_SERIES}.')
    found: list[tuple[str, str]] = []
    for entry in entries:
        named = cast("dict[str, Any]", entry) if isinstance(entry, dict) else {}
        run, tag = named.get("run"), named.get("tag")
        if not isinstance(run, str) or not isinstance(tag, str):
            raise _BadRequest('Each of the series needs "run" and "tag", both text.')
        found.append((run, tag))
    return tuple(found)


def _whole(fields: dict[str, Any], name: str, most: int) -> int:
    given = fields.get(name, 50)
    if not isinstance(given, int) or isinstance(given, bool) or not 1 <= given <= most:
        raise _BadRequest(f'"{name}" is no whole number from 1 to {most:,}.')
    return given


def _number(fields: dict[str, Any], name: str) -> float | None:
    given = fields.get(name)
    if given is None:
        return None
    if isinstance(given, int | float) and not isinstance(given, bool) and abs(given) < 1e308:
        return float(given)
    if isinstance(given, int | float) and not isinstance(given, bool) and math.isfinite(given):
        return math.copysign(1e308, given)
    raise _BadRequest(f'"{name}" is neither null nor a finite number.')


@routes.get("/api/histograms/export")
async def get_export(request: web.Request) -> web.StreamResponse:
    """Every histogram of one series in the buckets it was written with, as CSV or JSON."""
    context = request.app[CONTEXT]
    run, tag = request.query.get("run", ""), request.query.get("tag", "")
    form = request.query.get("format", "csv")
    if form not in ("csv", "json"):
        return error(400, 'The "format" is neither "csv" nor "json".')
    stored = context.store.blobs("histograms", run, tag)
    if stored is None:
        return error(404, "There is no such histogram.")
    kind = "text/csv; charset=utf-8" if form == "csv" else "application/json"
    plain = re.sub(r"[^\w.-]+", "_", f"{run}-{tag}").strip("._") or "histogram"
    name = quote(f"{plain[:100]}.{form}", errors="replace")
    response = web.StreamResponse(
        headers={
            "Content-Type": kind,
            "Content-Disposition": f"attachment; filename*=UTF-8''{name}",
            "Cache-Control": "no-store",
        }
    )
    await response.prepare(request)
    pieces = (csv_pieces if form == "csv" else json_pieces)(context, stored, run, tag)
    while (piece := await asyncio.to_thread(next, pieces, None)) is not None:
        await response.write(piece.encode("utf-8", "replace"))
    await response.write_eof()
    return response


def _found(context: Context, stored: Blobs, tag: str) -> Iterator[list[tuple[int, Distribution | str]]]:
    for start in range(0, len(stored), _AT_ONCE):
        yield distributions(context, stored, tag, np.arange(start, min(len(stored), start + _AT_ONCE)))


def csv_pieces(context: Context, stored: Blobs, run: str, tag: str) -> Iterator[str]:
    """A line a bucket; a histogram that cannot be read has one with its problem."""
    yield "run,tag,step,wall_time,left,right,count,nan,positive_infinity,negative_infinity,problem\n"
    names = f"{_field(run)},{_field(tag)}"
    for found in _found(context, stored, tag):
        lines: list[str] = []
        for at, one in found:
            head = f"{names},{int(stored.step[at])},{float(stored.wall_time[at])!r}"
            if isinstance(one, str):
                lines.append(f"{head},,,,,,,{_field(one)}\n")
                continue
            odd = f"{one.nan},{one.positive},{one.negative},"
            edges, counts = one.edges.tolist(), one.counts.tolist()
            lines += [f"{head},{edges[i]!r},{edges[i + 1]!r},{count:g},{odd}\n" for i, count in enumerate(counts)]
            if not counts:
                lines.append(f"{head},,,0,{odd}\n")
        yield "".join(lines)


def _field(text: str) -> str:
    safe = f"'{text}" if _FORMULA.match(text) else text
    return '"' + safe.replace('"', '""') + '"' if re.search(r'[",\r\n]', safe) else safe


def json_pieces(context: Context, stored: Blobs, run: str, tag: str) -> Iterator[str]:
    """An object with a list of histograms, each with its edges and counts, or with its problem."""
    yield f'{{"run": {json.dumps(run)}, "tag": {json.dumps(tag)}, "histograms": ['
    separator = "\n"
    for found in _found(context, stored, tag):
        parts: list[str] = []
        for at, one in found:
            wall = float(stored.wall_time[at])
            entry: dict[str, Any] = {"step": int(stored.step[at]), "wall_time": wall if math.isfinite(wall) else None}
            if isinstance(one, str):
                entry["problem"] = one
            else:
                entry |= {"edges": one.edges.tolist(), "counts": one.counts.tolist()}
                entry |= {"nan": one.nan, "positive_infinity": one.positive, "negative_infinity": one.negative}
            parts.append(separator + json.dumps(entry))
            separator = ",\n"
        yield "".join(parts)
    yield "\n]}\n"
