"""Tables, written as TensorBoard's text plugin shows them: a two-dimensional tensor of strings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np

from .arrays import as_array
from .errors import InvalidSummary
from .proto.plugin_pb2 import TextPluginData
from .summary import DataClass, Summary, as_tag, kind_of
from .values import Tensor

__all__ = ["MAX_CELLS", "string_table", "table"]

MAX_CELLS = 1_000_000


def table(tag: str, rows: Any, columns: Sequence[str] | None = None) -> Summary:
    """A table: its first row are the names of the columns, and every cell is a string.

    Args:
        tag: its name.
        rows: a mapping from column name to values, a list of mappings, a list of rows, a two-dimensional array, or a
            pandas or polars DataFrame. Numbers are written as Python prints them, None as an empty cell.
        columns: the names of the columns; of a mapping's keys, these are kept, in this order.

    Raises:
        InvalidSummary: it is none of these, a row has other columns than the names, or it is too large.
    """
    name = as_tag(tag, "add_table")
    call = f"add_table({name!r})"
    if isinstance(columns, str):
        raise InvalidSummary(f"{call}: expected columns to be a list of names, got the string {columns!r}")
    names, cells = _read(call, rows, None if columns is None else list(columns))
    if not names:
        raise InvalidSummary(f"{call}: the table has no columns; give rows with at least one cell, or columns")
    for i, row in enumerate(cells):
        if len(row) != len(names):
            raise InvalidSummary(
                f"{call}: row {i} has {len(row)} cells for {len(names)} columns; fill what is missing with None"
            )
    return string_table(name, call, [names, *cells], "table")


def string_table(tag: str, call: str, rows: Sequence[Sequence[object]], kind: str) -> Summary:
    """A summary of rows that are equally long, the headings among them; `kind` is kept in the plugin's content."""
    height, width = len(rows), len(rows[0])
    if height * width > MAX_CELLS:
        raise InvalidSummary(f"{call}: {height} x {width} cells are more than {MAX_CELLS}; log a part of the table")
    array = np.empty((height, width), object)
    for i, row in enumerate(rows):
        for j, cell in enumerate(row):
            array[i, j] = _cell(call, cell)
    content = TextPluginData(kind=kind).SerializeToString()
    return Summary(tag, "text", DataClass.TENSOR, Tensor(array), content=content)


def _cell(call: str, cell: object) -> bytes:
    try:
        return b"" if cell is None else str(cell).encode()
    except UnicodeEncodeError as error:
        raise InvalidSummary(
            f"{call}: a cell cannot be written as UTF-8 ({error.reason} at character {error.start}); "
            "encode it with errors='replace' first"
        ) from None


def _read(call: str, rows: Any, columns: list[str] | None) -> tuple[list[Any], list[list[Any]]]:
    """Names of the columns and the rows of whatever was given."""
    if isinstance(rows, Mapping):
        mapping = cast("Mapping[str, Any]", rows)
        names = list(mapping) if columns is None else columns
        lists = [_list(call, _value(call, mapping, key)) for key in names]
        if len({len(each) for each in lists}) > 1:
            sizes = ", ".join(f"{len(each)} in {key!r}" for key, each in zip(names, lists, strict=True))
            raise InvalidSummary(f"{call}: the columns are not equally long: {sizes}")
        return names, [list(row) for row in zip(*lists, strict=True)]
    if hasattr(rows, "columns") and (hasattr(rows, "itertuples") or hasattr(rows, "iter_rows")):  # a DataFrame
        frame = rows if columns is None else rows[columns]
        each = frame.itertuples(index=False, name=None) if hasattr(frame, "itertuples") else frame.iter_rows()
        return list(frame.columns), [list(row) for row in each]
    items = _list(call, rows)
    if items and all(isinstance(item, Mapping) for item in items):
        names = list(dict.fromkeys(key for item in items for key in item)) if columns is None else columns
        return names, [[item.get(key) for key in names] for item in items]
    cells = [_list(call, item) for item in items]
    return (columns if columns is not None else list(range(len(cells[0]) if cells else 0))), cells


def _value(call: str, mapping: Mapping[str, Any], key: str) -> Any:
    if key not in mapping:
        raise InvalidSummary(f"{call}: there is no column {key!r}; there are {', '.join(map(repr, mapping))}")
    return mapping[key]


def _list(call: str, value: Any) -> list[Any]:
    """A list of rows or cells; arrays and tensors through their own `tolist`, which gives Python's numbers."""
    if isinstance(value, list | tuple):
        return list(cast("Sequence[Any]", value))
    listed = _listed(call, value)
    if isinstance(value, str | bytes) or not hasattr(listed, "__iter__"):
        raise InvalidSummary(
            f"{call}: expected rows of cells, got {kind_of(value)}; give a mapping from column name to values, "
            "a list of rows, or a DataFrame"
        )
    return list(listed)


def _listed(call: str, value: Any) -> Any:
    try:
        if hasattr(value, "tolist"):
            return value.tolist()
    except Exception:  # a sparse or quantised tensor's
        return as_array(value, call, "table", copy=False).tolist()
    array = any(hasattr(value, name) for name in ("__dlpack__", "__array__")) and not hasattr(value, "__iter__")
    return as_array(value, call, "table", copy=False).tolist() if array else value
