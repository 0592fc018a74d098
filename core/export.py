"""Rows of runs as files: CSV, JSON, JSON lines, Parquet. Written piece by piece, whatever their number."""

from __future__ import annotations

import csv
import json
import math
import os
from collections.abc import Callable, Iterable, Iterator
from typing import IO, Any, Literal, Protocol, get_args

import numpy as np
from numpy.typing import NDArray

from .dataframes import Column, Labels, as_arrow, library
from .errors import InvalidSummary
from .rows import CHUNK_ROWS, Chunk, height, merged

__all__ = ["FORMATS", "Format", "export", "format_of"]

Format = Literal["csv", "json", "jsonl", "parquet"]
FORMATS: tuple[Format, ...] = get_args(Format)


def format_of(path: str) -> Format:
    """The format that a file's name says.

    Raises:
        InvalidSummary: it says none.
    """
    suffix = os.path.splitext(path)[1].lower().removeprefix(".")
    suffix = {"ndjson": "jsonl", "pq": "parquet"}.get(suffix, suffix)
    if suffix not in FORMATS:
        raise InvalidSummary(
            f"export: the name {path!r} does not say what to write; let it end in "
            f"{', '.join('.' + name for name in FORMATS)}, or give the format"
        )
    return suffix


def export(
    chunks: Iterable[Chunk],
    to: str | IO[bytes],
    form: Format,
    *,
    wide: bool = False,
    progress: Callable[[int], None] | None = None,
) -> int:
    """Writes chunks of rows. Memory is that of some chunks.

    A file is written beside its place and moved there when it is whole.

    CSV has a line of names, and numbers in the fewest digits that are read back the same; not-a-number is `nan`, in the
    wide form nothing. JSON is a list of objects, JSON lines one object a line; what JSON has no number for are the
    strings `NaN`, `Infinity` and `-Infinity`, in the wide form null. Parquet has the types of `to_arrow`.

    Args:
        chunks: of the same columns, at least one; the first one has their types.
        to: a path, or an open binary file.
        form: csv, json, jsonl or parquet.
        wide: the chunks are of the wide form, where NaN stands for what is not there.
        progress: called with the number of rows written so far.

    Returns:
        How many rows were written.

    Raises:
        MissingDependency: of Parquet, pyarrow is not installed (extra `data`).
        OSError: the file cannot be written.
    """
    if form == "parquet":
        library("pyarrow.parquet", "export to Parquet")  # before anything is written
    if not isinstance(to, str):
        return _write(chunks, to, form, wide, progress)
    part = f"{to}.{os.getpid()}.part"
    try:
        with open(part, "wb") as file:
            rows = _write(chunks, file, form, wide, progress)
        os.replace(part, to)
    finally:
        if os.path.exists(part):
            os.unlink(part)
    return rows


class _Writer(Protocol):
    def write(self, chunk: Chunk) -> None: ...
    def close(self) -> None: ...


def _write(
    chunks: Iterable[Chunk], file: IO[bytes], form: Format, wide: bool, progress: Callable[[int], None] | None
) -> int:
    writers: dict[str, Callable[[], _Writer]] = {
        "csv": lambda: _Csv(file, wide),
        "json": lambda: _Json(file, wide, "[\n", ",\n", "\n]\n"),
        "jsonl": lambda: _Json(file, wide, "", "\n", "\n"),
        "parquet": lambda: _Parquet(file),
    }
    writer = writers[form]()
    rows = 0
    for chunk in _gathered(chunks):
        writer.write(chunk)
        rows += height(chunk)
        if progress is not None:
            progress(rows)
    writer.close()
    return rows


def _gathered(chunks: Iterable[Chunk]) -> Iterator[Chunk]:
    """The same rows in chunks of a good size: many small series together. The first one tells columns and types."""
    pending: list[Chunk] = []
    rows = 0
    found = iter(chunks)
    yield next(found)
    for chunk in found:
        pending.append(chunk)
        rows += height(chunk)
        if rows >= CHUNK_ROWS:
            yield merged(pending)
            pending, rows = [], 0
    if pending:
        yield merged(pending)


def _floats(column: NDArray[Any]) -> list[str]:
    """Numbers in the fewest digits of their own precision."""
    if column.dtype == np.float32:
        return column.astype("U32").tolist()
    return list(map(repr, column.tolist()))


class _Csv:
    def __init__(self, file: IO[bytes], wide: bool) -> None:
        self._file = file
        self._absent = "" if wide else "nan"
        self._named = False

    def write(self, chunk: Chunk) -> None:
        rows = _Lines()
        writer = csv.writer(rows, lineterminator="\n")
        if not self._named:
            writer.writerow(chunk)
            self._named = True
        writer.writerows(zip(*map(self._cells, chunk.values()), strict=True))
        self._file.write("".join(rows.parts).encode("utf-8", "surrogatepass"))

    def _cells(self, column: Column) -> Iterable[Any]:
        if isinstance(column, Labels):
            return map(column.names.__getitem__, column.codes.tolist())
        if isinstance(column, list):
            return ["" if item is None else item for item in column]
        if column.dtype.kind != "f":
            return column.tolist()
        cells = _floats(column)
        return [self._absent if cell == "nan" else cell for cell in cells] if np.isnan(column).any() else cells

    def close(self) -> None:
        pass


class _Lines:
    """What csv.writer writes into."""

    def __init__(self) -> None:
        self.parts: list[str] = []

    def write(self, part: str) -> None:
        self.parts.append(part)


class _Json:
    def __init__(self, file: IO[bytes], wide: bool, start: str, between: str, end: str) -> None:
        self._file = file
        self._wide = wide
        self._before, self._between, self._end = start, between, end
        self._start: str | None = start

    def write(self, chunk: Chunk) -> None:
        names = [json.dumps(name) for name in chunk]
        cells = [self._cells(column) for column in chunk.values()]
        rows = [
            "{" + ", ".join([f"{name}: {cell}" for name, cell in zip(names, row, strict=True)]) + "}"
            for row in zip(*cells, strict=True)
        ]
        if rows:
            lead = self._between if self._start is None else self._start
            self._start = None
            self._file.write((lead + self._between.join(rows)).encode("utf-8", "surrogatepass"))

    def _cells(self, column: Column) -> list[str]:
        if isinstance(column, Labels):
            names = [json.dumps(name) for name in column.names]
            return [names[code] for code in column.codes.tolist()]
        if isinstance(column, list):
            return [json.dumps(item) for item in column]
        if column.dtype.kind != "f":
            return [json.dumps(item) for item in column.tolist()]
        cells = _floats(column)
        if bool(np.isfinite(column).all()):
            return cells
        return [
            cell if math.isfinite(value) else self._special(value)
            for cell, value in zip(cells, column.tolist(), strict=True)
        ]

    def _special(self, value: float) -> str:
        if math.isnan(value):
            return "null" if self._wide else '"NaN"'
        return '"Infinity"' if value > 0 else '"-Infinity"'

    def close(self) -> None:
        self._file.write(((self._start or "") + ("" if self._start == "" else self._end)).encode())


class _Parquet:
    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._writer: Any = None
        self._schema: Any = None

    def write(self, chunk: Chunk) -> None:
        table = as_arrow(chunk, "export to Parquet")
        if self._writer is None:
            self._schema = table.schema
            self._writer = library("pyarrow.parquet", "export to Parquet").ParquetWriter(self._file, self._schema)
        self._writer.write_table(table.cast(self._schema))

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
