"""Runs as rows: what dataframes and exported files are made of, in chunks of bounded size."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from .dataframes import Column, Labels
from .errors import CorruptRecord, InvalidSummary
from .kinds import Histogram, HParams, Text
from .series import Series
from .stats import by_step

__all__ = ["CHUNK_ROWS", "KINDS", "Chunk", "chunks", "height", "merged", "table_of"]

Chunk = dict[str, Column]


class Run(Protocol):
    """What rows are made of: `run.Run`, or a part of it."""

    name: str

    @property
    def tags(self) -> dict[str, list[str]]: ...
    @property
    def hparams(self) -> HParams | None: ...
    def scalar(self, tag: str) -> Series: ...
    def scalars(self) -> dict[str, Series]: ...
    def text(self, tag: str) -> Sequence[Text]: ...
    def histograms(self, tag: str) -> Sequence[Histogram]: ...


CHUNK_ROWS = 1 << 16
CHUNK_VALUES = 64  # of what is fetched from disk


def chunks(runs: Iterable[Run], kind: str = "scalars", wide: bool = False) -> Iterator[Chunk]:
    """The rows of some runs, piece by piece; every piece has the same columns.

    The first one has the types of all; it may have no rows.

    Args:
        runs: which.
        kind: "scalars" has the columns run, tag, step, wall_time, value; "text" the same with text; "histograms" one
            row for each bucket with left, right and count; "hparams" one row for each run that has any.
        wide: of scalars: one row for each run and step and one column for each tag, NaN where it has no such step.

    Raises:
        InvalidSummary: there is no such kind, or it has no wide form.
    """
    if kind not in KINDS:
        raise InvalidSummary(f"kind={kind!r} is none of {', '.join(map(repr, KINDS))}")
    if wide and kind != "scalars":
        raise InvalidSummary(f"kind={kind!r} has no wide form; leave wide out")
    return _wide(list(runs)) if wide else KINDS[kind](runs)


def table_of(runs: Iterable[Run], kind: str, wide: bool) -> Chunk:
    """All chunks as one."""
    return merged(list(chunks(runs, kind, wide)))


def merged(parts: Sequence[Chunk]) -> Chunk:
    """Chunks of the same columns, at least one, as one."""
    return {name: _joined([part[name] for part in parts]) for name in parts[0]}


def height(chunk: Chunk) -> int:
    """How many rows a chunk has."""
    return len(next(iter(chunk.values())))


def _joined(columns: Sequence[Column]) -> Column:
    if len(columns) == 1:
        return columns[0]
    first = columns[0]
    if isinstance(first, Labels):
        number: dict[str, int] = {}
        codes: list[Any] = []
        for column in columns:
            assert isinstance(column, Labels)
            here = np.array([number.setdefault(name, len(number)) for name in column.names], np.int64)
            codes.append(here[column.codes] if len(column) else column.codes)
        return Labels(np.concatenate(codes), list(number))
    if isinstance(first, list):
        return [item for column in columns for item in cast("list[Any]", column)]
    filled = [column for column in columns if len(column)] or columns[:1]  # an empty one would decide the type
    return np.concatenate(cast("list[NDArray[Any]]", filled))


def _labels(name: str, count: int) -> Labels:
    return Labels(np.zeros(count, np.int64), [name])


def _scalars(runs: Iterable[Run]) -> Iterator[Chunk]:
    runs = list(runs)
    precise = any(series.value.dtype == np.float64 for run in runs for series in run.scalars().values())
    yield _plain([], [], [], value=np.empty(0, np.float64 if precise else np.float32))
    for run in runs:
        for tag in run.tags.get("scalars", []):
            series = run.scalar(tag)
            for start in range(0, len(series), CHUNK_ROWS):
                part = series[start : start + CHUNK_ROWS]
                yield {
                    "run": _labels(run.name, len(part)),
                    "tag": _labels(tag, len(part)),
                    "step": part.step,
                    "wall_time": part.wall_time,
                    "value": part.value,
                }


def _plain(names: Sequence[tuple[str, str]], steps: Sequence[int], times: Sequence[float], **columns: Column) -> Chunk:
    codes = np.arange(len(names), dtype=np.int64)
    return {
        "run": Labels(codes, [run for run, _ in names]),
        "tag": Labels(codes, [tag for _, tag in names]),
        "step": np.array(steps, np.int64),
        "wall_time": np.array(times, np.float64),
        **columns,
    }


def _text(runs: Iterable[Run]) -> Iterator[Chunk]:
    yield _plain([], [], [], text=[])
    for run in runs:
        for tag in run.tags.get("text", []):
            values = run.text(tag)
            for start in range(0, len(values), CHUNK_VALUES):
                found = _sound(values, start)
                names = [(run.name, tag)] * len(found)
                steps, times = [value.step for value in found], [value.wall_time for value in found]
                yield _plain(names, steps, times, text=[value.value for value in found])


def _histograms(runs: Iterable[Run]) -> Iterator[Chunk]:
    none = np.empty(0, np.float64)
    yield _plain([], [], [], left=none, right=none, count=none)
    for run in runs:
        for tag in run.tags.get("histograms", []):
            values = run.histograms(tag)
            for start in range(0, len(values), CHUNK_VALUES):
                for value in _sound(values, start):
                    buckets = len(value)
                    yield {
                        "run": _labels(run.name, buckets),
                        "tag": _labels(tag, buckets),
                        "step": np.full(buckets, value.step, np.int64),
                        "wall_time": np.full(buckets, value.wall_time, np.float64),
                        "left": value.edges[:-1],
                        "right": value.edges[1:],
                        "count": value.counts,
                    }


def _sound(values: Sequence[Any], start: int) -> list[Any]:
    """Some values, without those that are damaged: the reader has counted them."""
    out: list[Any] = []
    for i in range(start, min(start + CHUNK_VALUES, len(values))):
        try:
            out.append(values[i])
        except CorruptRecord:
            continue
    return out


def _hparams(runs: Iterable[Run]) -> Iterator[Chunk]:
    found = [(run.name, hparams) for run in runs if (hparams := run.hparams) is not None]
    names = sorted({name for _, hparams in found for name in hparams.values})
    metrics = sorted({name for _, hparams in found for name in hparams.metrics})
    nan = float("nan")
    chunk: Chunk = {
        "run": Labels(np.arange(len(found), dtype=np.int64), [run for run, _ in found]),
        "status": [hparams.status for _, hparams in found],
        "start_time": np.array([hparams.start_time or nan for _, hparams in found], np.float64),
        "end_time": np.array([hparams.end_time or nan for _, hparams in found], np.float64),
    }
    for name in names:
        chunk[_free(name, chunk, "hparam")] = _values([hparams.values.get(name) for _, hparams in found])
    for name in metrics:
        column = np.array([hparams.metrics.get(name, nan) for _, hparams in found], np.float64)
        chunk[_free(name, chunk, "metric")] = column
    yield chunk


def _values(items: list[str | bool | float | None]) -> Column:
    """A column of one type: numbers as float64 and NaN, else text and None where runs disagree or lack it."""
    if all(item is None or isinstance(item, float) for item in items):
        return np.array([float("nan") if item is None else item for item in items], np.float64)
    if all(isinstance(item, bool) for item in items):
        return np.array(items, np.bool_)
    return [None if item is None else str(item) for item in items]


def _free(name: str, taken: Chunk, what: str) -> str:
    """A column's name that is not taken yet."""
    while name in taken:
        name = f"{name} ({what})"
    return name


def _wide(runs: list[Run]) -> Iterator[Chunk]:
    tags = list(dict.fromkeys(tag for run in runs for tag in run.tags.get("scalars", [])))
    head: Chunk = {
        "run": Labels(np.empty(0, np.int64), []),
        "step": np.empty(0, np.int64),
        "wall_time": np.empty(0, np.float64),
    }
    names: dict[str, str] = {}
    for tag in tags:
        names[tag] = _free(tag, head, "tag")
        head[names[tag]] = np.empty(0, np.float64)
    yield head
    for run in runs:
        series = run.scalars()
        if not series:
            continue
        steps = np.unique(np.concatenate([one.step for one in series.values()]))
        times = np.full(len(steps), -np.inf)
        chunk: Chunk = {"run": _labels(run.name, len(steps)), "step": steps, "wall_time": times}
        for tag in tags:
            column = np.full(len(steps), np.nan)
            if tag in series:
                step, wall_time, value = by_step(series[tag].step, series[tag].wall_time, series[tag].value)
                at = np.searchsorted(steps, step)
                column[at] = value
                times[at] = np.maximum(times[at], wall_time)
            chunk[names[tag]] = column
        yield chunk


KINDS: dict[str, Callable[[Iterable[Run]], Iterator[Chunk]]] = {
    "scalars": _scalars,
    "text": _text,
    "histograms": _histograms,
    "hparams": _hparams,
}
