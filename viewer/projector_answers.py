"""What the page is told of an embedding's points: the numbers behind `/api/projector/...`. They may take a while."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .projector import EMBEDDINGS, Unknown, spread
from .projector_frame import encoded
from .projector_jobs import Job, Jobs, Question
from .projector_reduce import Metric, components, nearest
from .projector_tsne import check_installed
from .responses import dump_json

if TYPE_CHECKING:
    from .context import Context
    from .frame import Frame
    from .projector import Entry, Read
    from .projector_tsne import Settings

__all__ = ["Answers", "Unanswerable", "Which"]

KEPT = 32 << 20
"""Bytes of principal components that are kept."""


class Unanswerable(Exception):
    """The embedding is there, and the question has no answer; the text is for people."""


@dataclass(frozen=True, slots=True)
class Which:
    """Whose points, and how many of them are shown at most."""

    run: str
    name: str
    most: int


@dataclass(frozen=True, slots=True)
class _Shown:
    """An embedding's shown rows: their numbers, their vectors, float32 of shape [shown, columns], and whether all of
    a row is finite."""

    entry: Entry
    found: Read
    row: NDArray[np.uint32]
    vectors: NDArray[np.float32]
    there: NDArray[np.bool_]

    @property
    def rows(self) -> int:
        return len(self.found.vectors.array)

    def head(self) -> dict[str, Any]:
        return {
            "rows": self.rows,
            "shown": len(self.row),
            "nan_rows": len(self.row) - int(self.there.sum()),
            "generation": self.found.generation,
        }


class Answers:
    """Answers to questions about the embeddings of stores, by several threads."""

    def __init__(self) -> None:
        self.embeddings = EMBEDDINGS
        self.jobs = Jobs()
        self._lock = threading.Lock()
        self._components: OrderedDict[Any, Frame] = OrderedDict()

    def vectors(self, context: Context, which: Which) -> Frame:
        """The vectors of the shown rows, as a frame."""
        shown = self._shown(context, which)
        head = {
            "run": which.run,
            "name": which.name,
            **shown.head(),
            "columns_count": shown.vectors.shape[1],
            "problems": list(self.embeddings.problems(shown.entry, shown.found)),
        }
        columns: dict[str, NDArray[Any]] = {"vectors": shown.vectors}
        if len(shown.row) < shown.rows:
            columns["row"] = shown.row
        return encoded(head, columns)

    def metadata(self, context: Context, which: Which) -> bytes:
        """The metadata of the shown rows, as JSON."""
        shown = self._shown(context, which)
        columns, problems = self.embeddings.labels(shown.entry)
        there = len(columns[0].values) if columns else 0
        if columns and there != shown.rows:
            counts = f"{shown.rows:,} rows have {there:,} rows of metadata"
            problems = [f"run {which.run!r}, embedding {which.name!r}: {counts}", *problems]
        told: list[dict[str, Any]] = []
        for column in columns:
            values = [column.values[int(row)] if row < there else "" for row in shown.row]
            distinct = len(set(column.values))
            told.append({"name": column.name, "numeric": column.numeric, "distinct": distinct, "values": values})
        return dump_json({**shown.head(), "columns": told, "problems": problems})

    def components(self, context: Context, which: Which, count: int, sphereize: bool) -> Frame:
        """The shown rows along their principal components, as a frame."""
        shown = self._shown(context, which)
        key = (shown.found.generation, which.most, count, sphereize)
        with self._lock:
            if key in self._components:
                self._components.move_to_end(key)
                return self._components[key]
        found = components(shown.vectors, count, sphereize)
        head = {**shown.head(), "components": found.points.shape[1], "fractions": found.fractions.tolist()}
        columns: dict[str, NDArray[Any]] = {"points": found.points}
        if len(shown.row) < shown.rows:
            columns["row"] = shown.row
        body = encoded(head, columns)
        with self._lock:
            self._components[key] = body
            while sum(each.size for each in self._components.values()) > KEPT and len(self._components) > 1:
                self._components.popitem(last=False)
        return body

    def neighbours(self, context: Context, which: Which, row: int, count: int, metric: Metric) -> bytes:
        """The nearest of all rows to one, as JSON."""
        shown = self._shown(context, which)
        array = shown.found.vectors.array
        if row >= len(array):
            raise Unanswerable(f"{_whose(which)}: there are {len(array):,} rows, none of number {row}")
        if not shown.found.finite[row]:
            raise Unanswerable(f"{_whose(which)}: row {row} has numbers that are not finite, and no neighbours")
        near, far = nearest(array, row, count, metric)
        place = np.searchsorted(shown.row, near)
        is_shown = shown.row[np.minimum(place, len(shown.row) - 1)] == near
        places = np.where(is_shown, place, -1)
        told = {"row": row, "metric": metric, "rows": near.tolist(), "distances": far.tolist()}
        return dump_json({**told, "places": places.tolist(), "generation": shown.found.generation})

    def start(self, context: Context, which: Which, settings: Settings) -> bytes:
        """The name of the job that lays the shown rows out, as JSON.

        Raises:
            MissingDependency: there is nothing that lays them out.
        """
        check_installed()
        shown = self._shown(context, which)
        there = shown.there
        if there.sum() < 4:
            raise Unanswerable(f"{_whose(which)}: a layout takes 4 rows with finite numbers")
        vectors = shown.vectors if there.all() else shown.vectors[there]
        question = Question(shown.found.generation, which.most, settings)
        return dump_json({"job": self.jobs.start(Job(question, shown.head(), vectors, there), context.cache)})

    def progress(self, name: str, since: int) -> Frame:
        """How far a job is, as a frame.

        Args:
            name: of the job.
            since: the iteration whose points are known.

        Raises:
            Unknown: there is no such job.
        """
        job = self.jobs.get(name)
        if job is None:
            raise Unknown("there is no such layout any more; ask for it anew")
        settings, points, iteration = job.question.settings, job.points, job.iteration
        head = {
            "job": name,
            "state": job.state,
            "iteration": iteration,
            "iterations": settings.iterations,
            "kl": job.kl,
            "seconds": round(job.seconds, 3),
            "dimensions": settings.dimensions,
            **job.head,
            "problem": job.problem,
        }
        if points is None or since == iteration:
            return encoded(head, {})
        if len(points) == len(job.there):
            return encoded(head, {"points": points})
        all_points = np.full((len(job.there), settings.dimensions), np.nan, np.float32)
        all_points[job.there] = points
        return encoded(head, {"points": all_points})

    def _shown(self, context: Context, which: Which) -> _Shown:
        entry = self.embeddings.entry(context, which.run, which.name)
        found = self.embeddings.read(entry)
        array = found.vectors.array
        row = spread(len(array), which.most)
        if len(row) == len(array):
            return _Shown(entry, found, row, array, found.finite)
        return _Shown(entry, found, row, array[row], found.finite[row])


def _whose(which: Which) -> str:
    return f"run {which.run!r}, embedding {which.name!r}"
