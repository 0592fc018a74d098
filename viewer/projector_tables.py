"""Vectors and metadata as files have them: tab-separated text, or bytes of float32. Nothing is allocated for what a
file or its configuration merely declares.

Source of the forms: projector_plugin.py and the projector's page of TensorBoard.
"""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .projector_files import Unreadable

__all__ = ["Column", "Vectors", "is_text", "labels", "vectors"]

LONGEST_NUMBER = 64
"""Characters of a number; longer ones count as none."""

LONGEST_CELL = 1_000
"""Characters of a cell of metadata; the rest of a longer one is left out."""

MOST_COLUMNS = 1_000
"""Columns of metadata that are shown."""

_AT_ONCE = 1 << 17
"""Bytes of text that are parsed at once: some milliseconds, in which no other thread runs."""

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


@dataclass(frozen=True, slots=True)
class Vectors:
    """An embedding's vectors.

    Attributes:
        array: float32 of shape [rows, columns]; a row that could not be read is NaN.
        problems: what is wrong with the file, for people.
    """

    array: NDArray[np.float32]
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Column:
    """A column of metadata: its name, and its cell for each line."""

    name: str
    values: list[str]

    @property
    def numeric(self) -> bool:
        """Whether all cells are finite numbers, or empty, and one is not empty."""
        filled = [value for value in self.values if value]
        return bool(filled) and all(len(value) <= LONGEST_NUMBER and _NUMBER.fullmatch(value) for value in filled)


def is_text(start: bytes, whole: bool) -> bool:
    """Whether a file that begins so holds text, as TensorBoard finds it out: it can be decoded as UTF-8.

    Args:
        start: its first bytes.
        whole: whether these are all.
    """
    try:
        (start if whole else start[: start.rfind(b"\n") + 1] or start[:-4]).decode()
    except UnicodeDecodeError:
        return False
    return True


def vectors(data: bytes, shape: tuple[int, ...]) -> Vectors:
    """The vectors in a file.

    Args:
        data: all of it.
        shape: as the configuration declares it, or empty.

    Raises:
        Unreadable: there are none.
    """
    raw = len(shape) == 2 and shape[1] > 0 and len(data) == 4 * shape[0] * shape[1]
    if is_text(data[: 1 << 16], len(data) <= 1 << 16):
        found = _text(data, shape)
        if found is not None:
            return found
        if not raw:
            raise Unreadable("its first line is text, and not numbers with tabs between them")
    return _raw(data, shape)


def _raw(data: bytes, shape: tuple[int, ...]) -> Vectors:
    if len(shape) != 2 or 0 in shape:
        raise Unreadable(f"it holds bytes, and their tensor_shape is not rows and columns but {list(shape)}")
    rows, columns = shape
    there = min(rows, len(data) // (4 * columns))
    problems: tuple[str, ...] = ()
    if len(data) != 4 * rows * columns:
        needed = 4 * rows * columns
        wrong = f"its file has {len(data):,} bytes, and {rows:,} rows of {columns:,} numbers take {needed:,}"
        problems = (f"{wrong}; {there:,} rows are shown",)
    if not there:
        raise Unreadable(problems[0] if problems else "it has no rows")
    return Vectors(np.frombuffer(data, "<f4", there * columns).reshape(there, columns).astype(np.float32), problems)


def _text(data: bytes, shape: tuple[int, ...]) -> Vectors | None:
    """Rows of numbers; None where the first line has none."""
    start = 0
    columns = 0
    parts: list[NDArray[np.float32]] = []
    wrong: list[int] = []
    rows = 0
    while start < len(data):
        end = data.rfind(b"\n", start, start + _AT_ONCE) + 1 or data.find(b"\n", start) + 1 or len(data)
        lines = [line for line in data[start:end].replace(b"\r\n", b"\n").split(b"\n") if line]
        start = end
        if not lines:
            continue
        if not columns:
            columns = lines[0].count(b"\t") + 1
            if _numbers(lines[:1], columns) is None:
                return None
        block = _numbers(lines, columns)
        if block is None:
            block = np.full((len(lines), columns), np.nan, np.float32)
            for i, line in enumerate(lines):
                one = _numbers([line], columns)
                if one is None:
                    wrong.append(rows + i)
                else:
                    block[i] = one[0]
        parts.append(block)
        rows += len(lines)
    if not parts:
        raise Unreadable("it is empty")
    problems: list[str] = []
    if wrong:
        lost = "1 line is" if len(wrong) == 1 else f"{len(wrong):,} lines are"
        problems.append(f"{lost} not {columns:,} numbers with tabs between them, the first of them line {wrong[0] + 1}")
    if len(shape) == 2 and shape != (rows, columns):
        problems.append(
            f"its tensor_shape says {shape[0]:,} x {shape[1]:,}, its file has {rows:,} rows of {columns:,} numbers"
        )
    return Vectors(np.concatenate(parts), tuple(problems))


def _numbers(lines: list[bytes], columns: int) -> NDArray[np.float32] | None:
    """The numbers of some lines, float32 of shape [lines, columns]; None where they are not so many on each."""
    if any(line.count(b"\t") != columns - 1 for line in lines):
        return None
    cells = b"\t".join(lines).decode("utf-8", "replace").split("\t")
    if max(map(len, cells)) > LONGEST_NUMBER:
        return None
    try:
        with np.errstate(over="ignore"), warnings.catch_warnings():
            warnings.simplefilter("error")
            return np.array(list(map(float, cells)), np.float64).astype(np.float32).reshape(len(lines), columns)
    except (ValueError, RuntimeWarning):
        return None


def labels(data: bytes) -> tuple[list[Column], list[str]]:
    """The columns of a metadata file, and what is wrong with it.

    Several columns have their names on the first line, one has none. Blank lines are passed over. Both as in
    TensorBoard's page.
    """
    problems: list[str] = []
    try:
        text = data.decode()
    except UnicodeDecodeError:
        text = data.decode("utf-8", "replace")
        problems.append("its metadata is not all UTF-8; what is not is shown as \ufffd")
    lines = [line for line in text.replace("\r\n", "\n").split("\n") if line.strip()]
    if not lines:
        return [], ["its metadata is empty"]
    names = lines[0].split("\t", MOST_COLUMNS)
    if len(names) == 1:
        cells, names = [[line.split("\t", 1)[0]] for line in lines], ["label"]
    else:
        cells = [line.split("\t", MOST_COLUMNS) for line in lines[1:]]
    if len(names) > MOST_COLUMNS:
        names = names[:MOST_COLUMNS]
        problems.append(f"its metadata has more than {MOST_COLUMNS:,} columns; the first are shown")
    wrong = [i for i, row in enumerate(cells) if len(row) != len(names)] if len(names) < MOST_COLUMNS else []
    if wrong:
        line = wrong[0] + (2 if len(names) > 1 else 1)
        problems.append(
            f"{len(wrong):,} lines of its metadata have not {len(names)} cells, the first of them line {line}"
        )
    columns = [
        Column(_cut(name) or f"column {at + 1}", [_cut(row[at]) if at < len(row) else "" for row in cells])
        for at, name in enumerate(names)
    ]
    if any(len(line) > LONGEST_CELL for line in lines) and any(
        value.endswith("\u2026") and len(value) > LONGEST_CELL for column in columns for value in column.values
    ):
        problems.append(f"cells of its metadata are cut after {LONGEST_CELL:,} characters")
    return columns, problems


def _cut(cell: str) -> str:
    return cell if len(cell) <= LONGEST_CELL else cell[:LONGEST_CELL] + "\u2026"
