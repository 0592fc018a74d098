"""Named columns as tables of pandas, Polars and Arrow, and as Parquet files; the libraries are imported when needed."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from .errors import MissingDependency

__all__ = [
    "Column",
    "Columns",
    "Labels",
    "RunTable",
    "Table",
    "as_arrow",
    "as_pandas",
    "as_polars",
    "library",
    "write_parquet",
]


@dataclass(frozen=True, slots=True)
class Labels:
    """A column of strings of which few differ: `names[codes[i]]` in row i."""

    codes: NDArray[np.int64]
    names: Sequence[str]

    def __len__(self) -> int:
        return len(self.codes)


Column = NDArray[Any] | Labels | list[Any]
Columns = Mapping[str, Column]


def library(name: str, call: str) -> Any:
    """A library of the extra `data`.

    Raises:
        MissingDependency: it is not installed.
    """
    import importlib

    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise MissingDependency(
            f"{call} needs {name.partition('.')[0]}, which is not installed; run: pip install 'tallyboard[data]'"
        ) from error


def as_pandas(columns: Columns, call: str = "to_pandas()") -> Any:
    """A DataFrame; strings are of dtype object."""
    pd = library("pandas", call)
    plain: dict[str, Any] = {}
    for name, column in columns.items():
        if isinstance(column, Labels):
            plain[name] = np.array([*column.names, None], object)[:-1][column.codes]
        else:
            plain[name] = column
    return pd.DataFrame({name: _native(column) for name, column in plain.items()})


def as_polars(columns: Columns, call: str = "to_polars()") -> Any:
    """A DataFrame of Polars; strings are of type String."""
    pl = library("polars", call)
    plain: dict[str, Any] = {}
    for name, column in columns.items():
        if isinstance(column, Labels):
            names = pl.Series(name, list(column.names), dtype=pl.String)
            plain[name] = names.gather(column.codes)
        else:
            plain[name] = pl.Series(name, _native(column), dtype=pl.String if _of_strings(column) else None)
    return pl.DataFrame(plain)


def as_arrow(columns: Columns, call: str = "to_arrow()") -> Any:
    """A table of Arrow; strings are of type string."""
    pa = library("pyarrow", call)
    plain: dict[str, Any] = {}
    for name, column in columns.items():
        if isinstance(column, Labels):
            names = pa.array(list(column.names), pa.string())
            plain[name] = pa.DictionaryArray.from_arrays(pa.array(column.codes), names).dictionary_decode()
        else:
            plain[name] = pa.array(_native(column), pa.string() if _of_strings(column) else None)
    return pa.table(plain)


def _of_strings(column: Column) -> bool:
    return isinstance(column, list) and all(item is None or isinstance(item, str) for item in column)


def _native(column: Any) -> Any:
    return np.ascontiguousarray(cast("NDArray[Any]", column)) if isinstance(column, np.ndarray) else column


class Table:
    """Something that can be had as a table."""

    __slots__ = ()

    def _columns(self) -> Columns:
        raise NotImplementedError

    def to_pandas(self) -> Any:
        """The columns as a pandas DataFrame.

        Raises:
            MissingDependency: pandas is not installed (extra `data`).
        """
        return as_pandas(self._columns())

    def to_polars(self) -> Any:
        """The columns as a Polars DataFrame.

        Raises:
            MissingDependency: Polars is not installed (extra `data`).
        """
        return as_polars(self._columns())

    def to_arrow(self) -> Any:
        """The columns as an Arrow table.

        Raises:
            MissingDependency: pyarrow is not installed (extra `data`).
        """
        return as_arrow(self._columns())

    def to_parquet(self, path: str | os.PathLike[str]) -> None:
        """Writes the columns into a Parquet file.

        Raises:
            MissingDependency: pyarrow is not installed (extra `data`).
        """
        write_parquet(self._columns(), path)


class RunTable:
    """Runs that can be had as tables of any kind."""

    __slots__ = ()

    def _table(self, kind: str, wide: bool) -> Columns:
        raise NotImplementedError

    def to_pandas(self, kind: str = "scalars", wide: bool = False) -> Any:
        """A pandas DataFrame.

        Args:
            kind: "scalars" has the columns run, tag, step, wall_time, value, a row for each point; "text" the same with
                text; "histograms" a row for each bucket with left, right and count; "hparams" a row for each run with
                its status, times, hyperparameters and metrics. Of one run, without the column run.
            wide: of scalars: a row for each step, a column for each tag, NaN where it has no such step. Of several
                points of one step the last one counts; wall_time is the row's latest.

        Raises:
            MissingDependency: pandas is not installed (extra `data`).
            InvalidSummary: there is no such kind, or it has no wide form.
        """
        return as_pandas(self._table(kind, wide))

    def to_polars(self, kind: str = "scalars", wide: bool = False) -> Any:
        """A Polars DataFrame; see `to_pandas`.

        Raises:
            MissingDependency: Polars is not installed (extra `data`).
            InvalidSummary: there is no such kind, or it has no wide form.
        """
        return as_polars(self._table(kind, wide))

    def to_arrow(self, kind: str = "scalars", wide: bool = False) -> Any:
        """An Arrow table; see `to_pandas`.

        Raises:
            MissingDependency: pyarrow is not installed (extra `data`).
            InvalidSummary: there is no such kind, or it has no wide form.
        """
        return as_arrow(self._table(kind, wide))

    def to_parquet(self, path: str | os.PathLike[str], kind: str = "scalars", wide: bool = False) -> None:
        """Writes a Parquet file; see `to_pandas`.

        Raises:
            MissingDependency: pyarrow is not installed (extra `data`).
            InvalidSummary: there is no such kind, or it has no wide form.
        """
        write_parquet(self._table(kind, wide), path)


def write_parquet(columns: Columns, path: str | os.PathLike[str]) -> None:
    """Writes a Parquet file."""
    library("pyarrow.parquet", "to_parquet()").write_table(as_arrow(columns, "to_parquet()"), os.fspath(path))
