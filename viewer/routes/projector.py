"""`/api/projector`: embeddings as the page shows them.

Numbers come in TLP1 frames (viewer/projector_frame.py), laid out as a TLH1 frame of histograms is: "TLP1", the
header's length H as uint32, H bytes of JSON, then columns; `header.columns[name]` is `{"at", "type"}`, `at` counted
from the header's end. Each header has `"v": 1, "order": "little"` besides what is told below. Failures are `{"error":
sentence}`: 400 for a question that is none, 404 where there is no such embedding or no such thing of it, or it cannot
be read (the sentence says why, with run and embedding).

**Shown rows.** An embedding has `rows` rows. Of more than `most` (in every question; 1 to 1,000,000, 100,000 unless
given) `shown` stand for all: an even sample, the same in every answer to the same `rows` and `most`. Everything with
a place for each shown row has them in this order. `generation` is a token of the tensor's file: answers with the same
one belong together.

**What is new.** `/api/runs` has `series.projector["projector_config.pbtxt"]` with the runs that have a configuration
(`board.tags("projector")`, `board.has(["projector"])`), and a `change` with `structure: true` is sent when one comes,
changes or goes: the index is new then, and `/api/projector` is to be asked again, with `If-None-Match`.

- `GET /api/projector` -> JSON `{"embeddings": [{"run", "name", "rows", "columns", "metadata": bool, "sprite":
  {"width", "height", "across", "down", "pictures"} | null, "bookmarks": bool, "problems": [text]}]}`. `rows` and
  `columns` are null where only reading the file would tell. `width` and `height` are of one picture in pixels, of
  which the sprite has `across` x `down`; `pictures` of them stand for the first rows, by the row's number in the
  whole tensor, row by row. A configuration that cannot be read is an entry with `"name": ""` and its problem.
  Problems name run and embedding.
- `GET /api/projector/vectors?run=&name=&most=` -> TLP1: header `run, name, rows, shown, columns_count, nan_rows,
  generation, problems`; columns `vectors` f4 [shown, columns_count] row by row, and, only where `shown < rows`, `row`
  u4 [shown], their numbers in the whole tensor, ascending. `nan_rows` counts shown rows with a NaN or an infinity.
- `GET /api/projector/metadata?run=&name=&most=` -> JSON `{"rows", "shown", "generation", "columns": [{"name",
  "numeric", "distinct", "values": [text; one a shown row]}], "problems": [text]}`. Values are text always; of a
  `numeric` column each is a finite number or empty. Where metadata has fewer rows than the tensor, the others have
  "".
- `GET /api/projector/sprite?run=&name=` -> the picture.
- `GET /api/projector/bookmarks?run=&name=` -> JSON as the file has it, whatever it is.
- `POST /api/projector/pca {run, name, most, components: 1-10, sphereize: bool}` -> TLP1: header `rows, shown,
  components, fractions: [of the variance], nan_rows, generation`; column `points` f4 [shown, components], NaN where a
  row has no place. `components` in the header may be less than asked for, where there are fewer columns or rows.
- `POST /api/projector/neighbours {run, name, most, row, k: 1-999, metric: "cosine" | "euclidean"}` -> JSON `{"row",
  "metric", "rows": [number in the whole tensor], "distances": [number], "places": [index among the shown rows, or
  -1], "generation"}`: the nearest of all rows in the original space, the nearest first, without the row itself.
- `POST /api/projector/tsne {run, name, most: 1-20,000, dimensions: 2 | 3, perplexity: 30, learning_rate: 0 for
  automatic, iterations: 50-5,000, seed: 0, sphereize: false}` -> JSON `{"job"}`; the same question has the same job.
- `GET /api/projector/tsne?job=&since=` -> TLP1: header `job, state: "waiting" | "running" | "done" | "failed" |
  "cancelled", iteration, iterations, kl: number | null, seconds, rows, shown, dimensions, nan_rows, generation,
  problem: text | null`; column `points` f4 [shown, dimensions] (NaN where a row has no place), left out before the
  first and where `since` names the iteration that they are of. A job that nobody asks for during a minute is ended.
- `POST /api/projector/tsne/end {job}` -> JSON `{"state"}`: ends it.
"""

from __future__ import annotations

import asyncio
import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np
from aiohttp import web

from ..context import CONTEXT
from ..projector import Embeddings, Unknown, spread
from ..projector_frame import encoded
from ..responses import dump_json, error, revalidated
from .values import SANDBOXED

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..context import Context

USUALLY_SHOWN = 100_000
MOST_SHOWN = 1_000_000

routes = web.RouteTableDef()

_embeddings = Embeddings()


class _BadQuestion(Exception):
    """The question is not what the route takes; the text is for the client."""


@routes.get("/api/projector")
async def get_projector(request: web.Request) -> web.StreamResponse:
    """Every embedding of every run, and what is wrong with it."""
    context = request.app[CONTEXT]
    body = await asyncio.to_thread(lambda: dump_json({"embeddings": _embeddings.listed(context)}))
    etag = hashlib.blake2b(body, digest_size=12).hexdigest()
    return revalidated(request, etag, body, content_type="application/json")


@routes.get("/api/projector/vectors")
async def get_vectors(request: web.Request) -> web.StreamResponse:
    """The vectors of the shown rows."""
    return await _answered(request, _vectors, "application/octet-stream")


@routes.get("/api/projector/metadata")
async def get_metadata(request: web.Request) -> web.StreamResponse:
    """The metadata of the shown rows."""
    return await _answered(request, _metadata, "application/json")


@routes.get("/api/projector/sprite")
async def get_sprite(request: web.Request) -> web.StreamResponse:
    """One picture of all rows' pictures."""
    context, query = request.app[CONTEXT], request.query
    try:
        data, kind = await asyncio.to_thread(
            lambda: _embeddings.sprite(_embeddings.entry(context, query.get("run", ""), query.get("name", "")))
        )
    except Unknown as unknown:
        return error(404, str(unknown))
    return web.Response(body=data, content_type=kind, headers={**SANDBOXED, "Cache-Control": "no-cache"})


@routes.get("/api/projector/bookmarks")
async def get_bookmarks(request: web.Request) -> web.StreamResponse:
    """Views that somebody saved."""
    return await _answered(request, _bookmarks, "application/json")


async def _answered(
    request: web.Request, answer: Callable[[Context, str, str, int], bytes], content_type: str
) -> web.StreamResponse:
    """What a function answers to the query's run, name and number of rows, in another thread."""
    query = request.query
    try:
        most = _most(query.get("most"))
        body = await asyncio.to_thread(answer, request.app[CONTEXT], query.get("run", ""), query.get("name", ""), most)
    except _BadQuestion as bad:
        return error(400, str(bad))
    except Unknown as unknown:
        return error(404, str(unknown))
    headers = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
    return web.Response(body=body, content_type=content_type, headers=headers)


def _most(text: str | None) -> int:
    if text is None:
        return USUALLY_SHOWN
    if not (text.isascii() and text.isdecimal() and len(text) < 8 and 1 <= int(text) <= MOST_SHOWN):
        raise _BadQuestion(f"most is not a number from 1 to {MOST_SHOWN:,}")
    return int(text)


def _vectors(context: Context, run: str, name: str, most: int) -> bytes:
    found = _embeddings.read(_embeddings.entry(context, run, name))
    array = found.vectors.array
    rows = spread(len(array), most)
    shown = array if len(rows) == len(array) else array[rows]
    head = {
        "run": run,
        "name": name,
        "rows": len(array),
        "shown": len(rows),
        "columns_count": array.shape[1],
        "nan_rows": int((~np.isfinite(shown).all(axis=1)).sum()),
        "generation": found.generation,
        "problems": list(found.vectors.problems),
    }
    return encoded(head, {"vectors": shown} if shown is array else {"vectors": shown, "row": rows})


def _metadata(context: Context, run: str, name: str, most: int) -> bytes:
    entry = _embeddings.entry(context, run, name)
    found = _embeddings.read(entry)
    count = len(found.vectors.array)
    rows = spread(count, most)
    columns, problems = _embeddings.labels(entry)
    there = len(columns[0].values) if columns else 0
    if columns and there != count:
        problems = [
            f"run {run!r}, embedding {name!r}: {count:,} rows have {there:,} rows of metadata",
            *problems,
        ]
    told: list[dict[str, Any]] = []
    for column in columns:
        values = [column.values[int(row)] if row < there else "" for row in rows]
        told.append(
            {"name": column.name, "numeric": column.numeric, "distinct": len(set(column.values)), "values": values}
        )
    answer = {"rows": count, "shown": len(rows), "generation": found.generation, "columns": told, "problems": problems}
    return dump_json(answer)


def _bookmarks(context: Context, run: str, name: str, _most: int) -> bytes:
    return _embeddings.bookmarks(_embeddings.entry(context, run, name))
