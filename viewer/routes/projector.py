"""`/api/projector`: embeddings as the page shows them.

Numbers come in TLP1 frames (viewer/projector_frame.py), laid out as a TLH1 frame of histograms is: "TLP1", the
header's length H as uint32, H bytes of JSON, then columns; `header.columns[name]` is `{"at", "type"}`, `at` counted
from the header's end. Each header has `"v": 1, "order": "little"` besides what is told below. Failures are `{"error":
sentence}`: 400 for a question that is none, 404 where there is no such embedding or no such thing of it, or it cannot
be read (the sentence says why, with run and embedding), 422 for a question that its numbers have no answer to, 429
where eight layouts wait already, and 501 where a library is not installed (the sentence has the line that installs it).

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
  components, fractions: [of the variance], nan_rows, generation`; columns `points` f4 [shown, components], NaN where a
  row has no place, and `row` as above. `components` in the header may be less than asked for, where there are fewer
  columns or rows.
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
import json
import math
from typing import TYPE_CHECKING, Any, TypeVar, cast

from aiohttp import web

from tallyboard.core.errors import MissingDependency

from ..context import CONTEXT
from ..projector import Unknown
from ..projector_answers import Answers, Unanswerable, Which
from ..projector_jobs import Busy
from ..projector_tsne import Settings
from ..responses import dump_json, error, revalidated
from ..safety import reads
from .values import SANDBOXED

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..context import Context
    from ..frame import Frame
    from ..projector_reduce import Metric

USUALLY_SHOWN = 100_000
MOST_SHOWN = 1_000_000
MOST_LAID_OUT = 20_000
MOST_COMPONENTS = 10
MOST_NEIGHBOURS = 999
MOST_ITERATIONS = 5_000

_T = TypeVar("_T")

_HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}

routes = web.RouteTableDef()

_answers = Answers()


class _BadQuestion(Exception):
    """The question is not what the route takes; the text is for the client."""


@routes.get("/api/projector")
async def get_projector(request: web.Request) -> web.StreamResponse:
    """Every embedding of every run, and what is wrong with it."""
    context = request.app[CONTEXT]
    body = await asyncio.to_thread(lambda: dump_json({"embeddings": _answers.embeddings.listed(context)}))
    etag = hashlib.blake2b(body, digest_size=12).hexdigest()
    return revalidated(request, etag, body, content_type="application/json")


@routes.get("/api/projector/vectors")
async def get_vectors(request: web.Request) -> web.StreamResponse:
    """The vectors of the shown rows."""
    return await _answered(request, lambda: _asked(request, _answers.vectors))


@routes.get("/api/projector/metadata")
async def get_metadata(request: web.Request) -> web.StreamResponse:
    """The metadata of the shown rows."""
    return await _answered(request, lambda: _asked(request, _answers.metadata))


@routes.get("/api/projector/sprite")
async def get_sprite(request: web.Request) -> web.StreamResponse:
    """One picture of all rows' pictures."""
    context, query = request.app[CONTEXT], request.query
    embeddings = _answers.embeddings
    try:
        data, kind = await asyncio.to_thread(
            lambda: embeddings.sprite(embeddings.entry(context, query.get("run", ""), query.get("name", "")))
        )
    except Unknown as unknown:
        return error(404, str(unknown))
    return web.Response(body=data, content_type=kind, headers={**SANDBOXED, "Cache-Control": "no-cache"})


@routes.get("/api/projector/bookmarks")
async def get_bookmarks(request: web.Request) -> web.StreamResponse:
    """Views that somebody saved."""
    embeddings = _answers.embeddings

    def bookmarks(context: Context, which: Which) -> bytes:
        return embeddings.bookmarks(embeddings.entry(context, which.run, which.name))

    return await _answered(request, lambda: _asked(request, bookmarks))


@routes.post("/api/projector/pca")
@reads
async def post_pca(request: web.Request) -> web.StreamResponse:
    """The shown rows along their principal components."""
    context, body = request.app[CONTEXT], await request.read()

    def answer() -> Frame:
        asked = _Body(body)
        count = asked.whole("components", 3, 1, MOST_COMPONENTS)
        return _answers.components(context, asked.which(), count, asked.truth("sphereize"))

    return await _answered(request, answer)


@routes.post("/api/projector/neighbours")
@reads
async def post_neighbours(request: web.Request) -> web.StreamResponse:
    """The rows nearest to one, of all."""
    context, body = request.app[CONTEXT], await request.read()

    def answer() -> bytes:
        asked = _Body(body)
        row = asked.whole("row", -1, 0, 1 << 32)
        count = asked.whole("k", 100, 1, MOST_NEIGHBOURS)
        metric = cast("Metric", asked.word("metric", ("cosine", "euclidean")))
        return _answers.neighbours(context, asked.which(), row, count, metric)

    return await _answered(request, answer)


@routes.post("/api/projector/tsne")
@reads
async def post_tsne(request: web.Request) -> web.StreamResponse:
    """Begins to lay the shown rows out by t-SNE."""
    context, body = request.app[CONTEXT], await request.read()

    def answer() -> bytes:
        asked = _Body(body)
        settings = Settings(
            asked.whole("dimensions", 2, 2, 3),
            asked.number("perplexity", 30.0, 1.0, 1_000.0),
            asked.number("learning_rate", 0.0, 0.0, 1e6),
            asked.whole("iterations", 750, 50, MOST_ITERATIONS),
            asked.whole("seed", 0, 0, 1 << 32),
            asked.truth("sphereize"),
        )
        return _answers.start(context, asked.which(MOST_LAID_OUT), settings)

    return await _answered(request, answer)


@routes.get("/api/projector/tsne")
async def get_tsne(request: web.Request) -> web.StreamResponse:
    """How far a layout is."""
    job, since = request.query.get("job", ""), request.query.get("since", "0")
    known = int(since) if since.isascii() and since.isdecimal() and len(since) < 10 else 0
    return await _answered(request, lambda: _answers.progress(job, known))


@routes.post("/api/projector/tsne/end")
@reads
async def post_tsne_end(request: web.Request) -> web.StreamResponse:
    """Ends a layout."""
    body = await request.read()

    def answer() -> bytes:
        job = _answers.jobs.end(_Body(body).text("job"))
        if job is None:
            raise Unknown("there is no such layout")
        return dump_json({"state": job.state})

    return await _answered(request, answer)


async def _answered(request: web.Request, answer: Callable[[], bytes | Frame]) -> web.StreamResponse:
    """What a function answers in another thread: JSON, or a frame."""
    try:
        body = await asyncio.to_thread(answer)
    except _BadQuestion as bad:
        return error(400, str(bad))
    except Unknown as unknown:
        return error(404, str(unknown))
    except Unanswerable as unanswerable:
        return error(422, str(unanswerable))
    except Busy as busy:
        return error(429, str(busy))
    except MissingDependency as missing:
        return error(501, str(missing))
    if isinstance(body, bytes):
        return web.Response(body=body, content_type="application/json", headers=_HEADERS)
    response = web.StreamResponse(headers={**_HEADERS, "Content-Type": "application/octet-stream"})
    response.content_length = body.size
    await response.prepare(request)
    for piece in body.pieces():  # waits for the client, so that a slow one holds one piece
        await response.write(piece)
    await response.write_eof()
    return response


def _asked(request: web.Request, answer: Callable[[Context, Which], _T]) -> _T:
    """What a function answers to the query's run, name and number of rows."""
    query = request.query
    text = query.get("most", str(USUALLY_SHOWN))
    if not (text.isascii() and text.isdecimal() and len(text) < 8 and 1 <= int(text) <= MOST_SHOWN):
        raise _BadQuestion(f"most is not a number from 1 to {MOST_SHOWN:,}")
    return answer(request.app[CONTEXT], Which(query.get("run", ""), query.get("name", ""), int(text)))


class _Body:
    """A question in JSON; a field that it has not has its usual value."""

    def __init__(self, body: bytes) -> None:
        try:
            said: Any = json.loads(body)
        except (ValueError, RecursionError):
            said = None
        if not isinstance(said, dict):
            raise _BadQuestion("the body is no object in JSON")
        self._said = cast("dict[str, Any]", said)

    def which(self, most: int = MOST_SHOWN) -> Which:
        """Whose points, and how many."""
        shown = self.whole("most", min(USUALLY_SHOWN, most), 1, most)
        return Which(self.text("run"), self.text("name"), shown)

    def text(self, name: str) -> str:
        """A field of text."""
        value = self._said.get(name)
        if not isinstance(value, str):
            raise _BadQuestion(f"{name} is no text")
        return value

    def word(self, name: str, words: tuple[str, ...]) -> str:
        """A field of one of some words."""
        value = self._said.get(name, words[0])
        if value not in words:
            raise _BadQuestion(f"{name} is not {' or '.join(words)}")
        return value

    def truth(self, name: str) -> bool:
        """A field of true or false."""
        value = self._said.get(name, False)
        if not isinstance(value, bool):
            raise _BadQuestion(f"{name} is not true or false")
        return value

    def whole(self, name: str, usual: int, least: int, most: int) -> int:
        """A field of a whole number."""
        value = self._said.get(name, usual)
        if type(value) is not int or not least <= value <= most:
            raise _BadQuestion(f"{name} is not a whole number from {least:,} to {most:,}")
        return value

    def number(self, name: str, usual: float, least: float, most: float) -> float:
        """A field of a number."""
        value = self._said.get(name, usual)
        if type(value) not in (int, float) or not math.isfinite(value) or not least <= value <= most:
            raise _BadQuestion(f"{name} is not a number from {least:,} to {most:,}")
        return float(value)
