"""Tables of profiles as the page asks for them: filtered, sorted, a window of rows at a time, and as whole files."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, cast

import numpy as np

from tallyboard.core.dataframes import Labels
from tallyboard.core.export import Format, export

from .patterns import TookTooLong, matching
from .responses import dump_json

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tallyboard.core.dataframes import Column

__all__ = ["TYPES", "BadQuestion", "Field", "Question", "Sheet", "Tree", "answer", "file", "select"]

Kind = Literal["text", "count", "time", "moment", "bytes", "share", "percent", "number", "rank", "rate", "flag"]
"""What a column holds. Times and moments are nanoseconds, shares of 1, rates bytes a second."""

MOST_ROWS: Final = 200
MOST_BYTES: Final = 190_000
"""Of an answer: fewer rows are given where they would take more."""

_MOST_LETTERS: Final = 300
"""Of a text in a row; the whole of it is in the row's own answer."""

_FORMULA: Final = re.compile(r"[=+\-@\t\r]")

TYPES: Final[Mapping[str, str]] = {
    "csv": "text/csv; charset=utf-8",
    "json": "application/json",
    "parquet": "application/vnd.apache.parquet",
}


class BadQuestion(Exception):
    """What was asked for is not there to be asked for; the text is for the client."""


class Field(NamedTuple):
    """A column.

    Attributes:
        id: by which it is sorted, and its name in files.
        title: its heading.
        kind: what it holds.
        values: as long as the table.
        sums: whether the sum of rows says anything.
        about: what the heading means, where that is not plain.
        signed: whether it is a change, of which the sign counts.
    """

    id: str
    title: str
    kind: Kind
    values: Column
    sums: bool = False
    about: str = ""
    signed: bool = False


class Tree(NamedTuple):
    """That rows hold others: a parent stands before its children.

    Attributes:
        parent: int64, -1 of a root.
        depth: int64.
    """

    parent: NDArray[np.int64]
    depth: NDArray[np.int64]


@dataclass(frozen=True)
class Sheet:
    """A table.

    Attributes:
        fields: its columns; the first one is the rows' name.
        tree: whether rows hold others.
        sort: how it is sorted where nobody says how: a column, with "-" before it for the largest first, or "~" for the
            largest by size, whatever its sign; "" as it is.
        empty: why it has no rows, where it has none.
        notes: what to know of it, in sentences.
    """

    fields: tuple[Field, ...]
    tree: Tree | None = None
    sort: str = ""
    empty: str = ""
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.fields[0].values)

    def field(self, name: str) -> Field:
        """A column.

        Raises:
            BadQuestion: there is none of that name.
        """
        for one in self.fields:
            if one.id == name:
                return one
        raise BadQuestion(f"the table has no column {name!r}; it has {', '.join(one.id for one in self.fields)}")


class Question(NamedTuple):
    """Which rows are wanted, and how.

    Attributes:
        q: what one of their texts has to hold; case never matters.
        regex: whether that is a regular expression.
        sort: as in `Sheet`, which decides where this is None.
        offset: of the first row.
        limit: how many rows.
        levels: how many levels of a tree are open.
        turned: rows of a tree that are not as `levels` says.
    """

    q: str = ""
    regex: bool = False
    sort: str | None = None
    offset: int = 0
    limit: int = 100
    levels: int = 1
    turned: frozenset[int] = frozenset()

    @classmethod
    def of(cls, query: Mapping[str, str]) -> Question:
        """What a request's query asks.

        Raises:
            BadQuestion: a number is none, or is out of its bounds.
        """
        turned = query.get("turned", "")
        return cls(
            query.get("q", ""),
            query.get("regex") == "1",
            query.get("sort"),
            _whole(query, "offset", 0, 1 << 40),
            max(1, min(_whole(query, "limit", 100, 1 << 40), MOST_ROWS)),
            _whole(query, "levels", 1, 1 << 20),
            frozenset(_whole({"turned": one}, "turned", 0, 1 << 40) for one in turned.split(",")[:5_000] if one),
        )


def _whole(query: Mapping[str, str], name: str, usual: int, most: int) -> int:
    said = query.get(name, "")
    if not said:
        return usual
    if not (said.isascii() and said.isdecimal() and len(said) < 16 and int(said) <= most):
        raise BadQuestion(f"{name}={said!r} is no whole number from 0 to {most}")
    return int(said)


def select(sheet: Sheet, question: Question) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """The rows that are wanted, in their order, and which rows match; of a tree those that hold matches are wanted too.

    Args:
        sheet: the table.
        question: which rows; offset and limit count for nothing.

    Raises:
        BadQuestion: there is no such column, or the regular expression is none, or takes too long.
    """
    found = _matching(sheet, question)
    order = _sorted(sheet, question.sort if question.sort is not None else sheet.sort)
    if sheet.tree is None:
        return order[found[order]], found
    return _tree_rows(sheet.tree, order, found, question), found


def _matching(sheet: Sheet, question: Question) -> NDArray[np.bool_]:
    found = np.zeros(len(sheet), bool)
    if not question.q:
        return ~found
    for field in sheet.fields:
        if field.kind == "text":
            labels = field.values if isinstance(field.values, Labels) else None
            texts = (
                list(labels.names) if labels is not None else [str(text) for text in cast("list[Any]", field.values)]
            )
            fits = _fits(texts, question)
            found |= fits[labels.codes] if labels is not None else fits
    return found


def _fits(texts: list[str], question: Question) -> NDArray[np.bool_]:
    if not question.regex:
        wanted = question.q.casefold()
        return np.fromiter((wanted in text.casefold() for text in texts), bool, len(texts))
    try:
        known = set(matching(f"(?i){question.q}", list(dict.fromkeys(texts)), anywhere=True))
    except re.error as error:
        raise BadQuestion(f"{question.q!r} is no regular expression: {error}") from None
    except TookTooLong:
        raise BadQuestion(f"searching for {question.q!r} takes too long; ask for less at once") from None
    return np.fromiter((text in known for text in texts), bool, len(texts))


def _sorted(sheet: Sheet, sort: str) -> NDArray[np.int64]:
    """The order of rows; equal ones as they are, and numbers that are none last."""
    if not sort:
        return np.arange(len(sheet))
    values = sheet.field(sort.lstrip("-~")).values
    falling = sort[0] in "-~"
    if isinstance(values, np.ndarray):
        keys = values.astype(np.float64)
        keys = np.abs(keys) if sort[0] == "~" else keys
    else:
        texts = [values.names[code] for code in values.codes.tolist()] if isinstance(values, Labels) else values
        rank = {
            text: at for at, text in enumerate(sorted(set(texts), key=lambda text: (str(text).casefold(), str(text))))
        }
        keys = np.fromiter((rank[text] for text in texts), np.float64, len(texts))
    return np.argsort(-keys if falling else keys, kind="stable")


def _tree_rows(tree: Tree, order: NDArray[np.int64], found: NDArray[np.bool_], question: Question) -> NDArray[np.int64]:
    """Open rows of a tree, children after their parents and in the order asked for among themselves."""
    parent: list[int] = tree.parent.tolist()
    held = found.copy()
    for row in range(len(parent) - 1, -1, -1):
        if held[row] and parent[row] >= 0:
            held[parent[row]] = True
    inside: dict[int, list[int]] = {}
    for row in map(int, order[held[order]]):
        inside.setdefault(parent[row], []).append(row)
    rows: list[int] = []
    waiting = inside.get(-1, [])[::-1]
    while waiting:
        row = waiting.pop()
        rows.append(row)
        if _is_open(tree, row, question):
            waiting += inside.get(row, [])[::-1]
    return np.array(rows, np.int64)


def _is_open(tree: Tree, row: int, question: Question) -> bool:
    """A filter opens everything, so that what it finds is seen."""
    return (bool(question.q) or int(tree.depth[row]) < question.levels) != (row in question.turned)


def answer(sheet: Sheet, question: Question) -> bytes:
    """A window of rows as JSON, below `MOST_BYTES`.

    `columns` has of each id, title, kind, about, `most`, its largest value by size over all rows, `sum`, over the rows
    that match, and `total`, over all rows, null where sums say nothing. `total` is how many rows there are, `matched`
    how many match, `shown` how many the list has; `rows` their numbers from `offset` on, and `cells` their values by
    column, texts cut where they are too long. Of a tree `depth`, `inside`, whether a row holds others, and `open`.

    Raises:
        BadQuestion: as `select`.
    """
    rows, found = select(sheet, question)
    wanted = rows[question.offset : question.offset + question.limit]
    head = {
        "total": len(sheet),
        "matched": int(found.sum()),
        "shown": len(rows),
        "offset": question.offset,
        "columns": [_told(field, found) for field in sheet.fields],
        "sort": question.sort if question.sort is not None else sheet.sort,
        "empty": sheet.empty,
        "notes": list(sheet.notes),
        "parquet": find_spec("pyarrow") is not None,
    }
    while True:
        body = dump_json({**head, **_window(sheet, wanted, question)})
        if len(body) <= MOST_BYTES or len(wanted) <= 1:
            return body
        wanted = wanted[: len(wanted) // 2]


def _told(field: Field, found: NDArray[np.bool_]) -> dict[str, Any]:
    values = field.values
    most, total, whole = None, None, None
    if isinstance(values, np.ndarray) and field.kind not in ("text", "flag"):
        sizes = np.abs(values.astype(np.float64))
        most = _number(np.nanmax(sizes, initial=0.0)) if len(sizes) else None
        if field.sums:
            total, whole = _number(np.nansum(values[found])), _number(np.nansum(values))
    return {
        "id": field.id,
        "title": field.title,
        "kind": field.kind,
        "about": field.about,
        "signed": field.signed,
        "most": most,
        "sum": total,
        "total": whole,
    }


def _window(sheet: Sheet, rows: NDArray[np.int64], question: Question) -> dict[str, Any]:
    found: dict[str, Any] = {
        "rows": rows.tolist(),
        "cells": {field.id: _cells(field.values, rows, _MOST_LETTERS) for field in sheet.fields},
    }
    if (tree := sheet.tree) is not None:
        holds = np.zeros(len(sheet), bool)
        holds[tree.parent[tree.parent >= 0]] = True
        found["depth"] = tree.depth[rows].tolist()
        found["inside"] = holds[rows].tolist()
        found["open"] = [_is_open(tree, row, question) for row in rows.tolist()]
    return found


def _cells(values: Column, rows: NDArray[np.int64], letters: int) -> list[Any]:
    if isinstance(values, Labels):
        return [_cut(str(values.names[code]), letters) for code in values.codes[rows].tolist()]
    if isinstance(values, list):
        return [_cut(str(values[row]), letters) for row in rows.tolist()]
    picked: list[Any] = values[rows].tolist()
    return [_number(value) for value in picked] if values.dtype.kind == "f" else picked


def _cut(text: str, letters: int) -> str:
    return text if len(text) <= letters else f"{text[: letters - 1]}…"


def _number(value: Any) -> float | int | None:
    """As JSON has it: none for what is no number, whole ones without a fraction."""
    found = float(value)
    if not math.isfinite(found):
        return None
    return int(found) if found.is_integer() and abs(found) < 1 << 53 else found


def row_texts(sheet: Sheet, row: int) -> dict[str, str]:
    """The whole texts of a row, by column.

    Raises:
        BadQuestion: there is no such row.
    """
    if not 0 <= row < len(sheet):
        raise BadQuestion(f"the table has {len(sheet)} rows, and none of the number {row}")
    one = np.array([row])
    return {field.id: _cells(field.values, one, 100_000)[0] for field in sheet.fields if field.kind == "text"}


def file(sheet: Sheet, question: Question, form: str) -> bytes:
    """Every row that is wanted, as a file; of a tree all that match, open or not.

    Names that a spreadsheet would take for a formula start with an apostrophe in CSV.

    Raises:
        BadQuestion: as `select`, or there is no such form.
        MissingDependency: of Parquet, pyarrow is not installed (extra `data`).
    """
    if form not in TYPES:
        raise BadQuestion(f"format={form!r} is none of {', '.join(TYPES)}")
    found = _matching(sheet, question)
    order = _sorted(sheet, question.sort if question.sort is not None else sheet.sort)
    rows = order[found[order]]
    columns = {field.id: _picked(field.values, rows, plain=form == "csv") for field in sheet.fields}
    written = io.BytesIO()
    export(iter([columns]), written, cast("Format", form))
    return written.getvalue()


def _picked(values: Column, rows: NDArray[np.int64], *, plain: bool) -> Column:
    if isinstance(values, np.ndarray):
        return values[rows]
    if isinstance(values, Labels):
        return Labels(values.codes[rows], [_plain(name) if plain else name for name in values.names])
    return [_plain(str(values[row])) if plain else str(values[row]) for row in rows.tolist()]


def _plain(name: str) -> str:
    return f"'{name}" if _FORMULA.match(name) else name
