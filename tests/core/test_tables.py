"""Tables of any form become rows of strings, which TensorBoard's text page shows as a table."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tallyboard.core.errors import InvalidSummary
from tallyboard.core.proto.plugin_pb2 import TextPluginData
from tallyboard.core.tables import table
from tallyboard.core.values import Tensor


def cells(rows: Any, **options: Any) -> list[list[str]]:
    value = table("t", rows, **options).value
    assert isinstance(value, Tensor)
    return [[cell.decode() for cell in row] for row in value.array.tolist()]


EXPECTED = [["name", "loss", "ok"], ["a", "0.5", "True"], ["b", "nan", ""]]


@pytest.mark.parametrize(
    ("rows", "columns"),
    [
        ({"name": ["a", "b"], "loss": [0.5, float("nan")], "ok": [True, None]}, None),
        ({"ok": [True, None], "name": ("a", "b"), "loss": np.array([0.5, np.nan])}, ["name", "loss", "ok"]),
        ([{"name": "a", "loss": 0.5, "ok": True}, {"name": "b", "loss": np.float32("nan")}], None),
        ([["a", 0.5, True], ("b", float("nan"), None)], ["name", "loss", "ok"]),
    ],
    ids=["mapping", "chosen", "records", "rows"],
)
def test_forms_of_a_table(rows: Any, columns: list[str] | None) -> None:
    """Columns by name, records and rows all give the same table: headings first, None empty."""
    assert cells(rows, columns=columns) == EXPECTED


def test_arrays() -> None:
    """An array of two dimensions is a table, its columns numbered unless named."""
    assert cells(np.array([[1, 2], [3, 4]])) == [["0", "1"], ["1", "2"], ["3", "4"]]
    assert cells(np.array([[0.1]], np.float32), columns=["x"]) == [["x"], ["0.10000000149011612"]]


def test_a_tensor() -> None:
    """So is a tensor of torch."""
    torch = pytest.importorskip("torch")

    assert cells(torch.tensor([[1, 2]]), columns=["a", "b"]) == [["a", "b"], ["1", "2"]]


class Pandas:
    """What is used of a pandas DataFrame; the library is not among the tests' packages."""

    def __init__(self, columns: dict[str, list[Any]]) -> None:
        self.columns, self.data = list(columns), columns

    def __getitem__(self, columns: list[str]) -> Pandas:
        return Pandas({name: self.data[name] for name in columns})

    def itertuples(self, index: bool = True, name: str | None = "Pandas") -> Any:
        assert (index, name) == (False, None)
        return zip(*self.data.values(), strict=True)


class Polars(Pandas):
    """What is used of a polars DataFrame."""

    def __getattribute__(self, name: str) -> Any:
        if name == "itertuples":
            raise AttributeError(name)
        return super().__getattribute__(name)

    def __getitem__(self, columns: list[str]) -> Polars:
        return Polars({name: self.data[name] for name in columns})

    def iter_rows(self) -> Any:
        return zip(*self.data.values(), strict=True)


@pytest.mark.parametrize("library", [Pandas, Polars])
def test_a_dataframe(library: Callable[[Any], Any]) -> None:
    """A DataFrame is a table, or the chosen columns of it."""
    frame = library({"name": ["a", "b"], "n": [1, 2]})

    assert cells(frame) == [["name", "n"], ["a", "1"], ["b", "2"]]
    assert cells(frame, columns=["n"]) == [["n"], ["1"], ["2"]]


def test_no_rows() -> None:
    """A table without rows has its headings."""
    assert cells({"a": [], "b": []}) == [["a", "b"]]
    assert cells([], columns=["a"]) == [["a"]]


@given(st.integers(1, 4).flatmap(lambda n: st.lists(st.lists(st.text(), min_size=n, max_size=n), min_size=1)))
@settings(max_examples=100, deadline=None)
def test_any_text_is_kept(rows: list[list[str]]) -> None:
    """Whatever text UTF-8 can carry stands in the cells as it came."""
    assert cells(rows)[1:] == rows


def test_tensorboard_shows_it(ours: Callable[..., Any]) -> None:
    """TensorBoard's text page makes an HTML table of it, with markdown in the cells."""
    pytest.importorskip("tensorboard", minversion="2.21")  # before, one <script> swallowed the cells behind it
    html = pytest.importorskip("tensorboard.plugins.text.text_plugin").text_array_to_html
    metadata = pytest.importorskip("tensorboard.plugins.text.metadata")

    (one,) = ours(lambda w: w.add_table("a/t", {"x": [1, "**b**"], "y": ["<script>", 4]}, 5))

    assert (one.tag, one.step, one.plugin) == ("a/t", 5, "text")
    assert metadata.parse_plugin_metadata(one.content).version == 0
    assert TextPluginData.FromString(one.content).kind == "table"
    page = html(one.array, enable_markdown=True)
    assert page.count("<tr>") == 3
    assert "<strong>b</strong>" in page
    assert "<script>" not in page


@pytest.mark.parametrize(
    ("rows", "options", "words"),
    [
        ([[1, 2], [3]], {}, ["row 1 has 1 cells for 2 columns", "None"]),
        ({"a": [1, 2], "b": [1]}, {}, ["not equally long", "2 in 'a'", "1 in 'b'"]),
        ({"a": [1]}, {"columns": ["b"]}, ["no column 'b'", "'a'"]),
        ({"a": [1]}, {"columns": "a"}, ["list of names", "'a'"]),
        ({"a": 1}, {}, ["rows of cells", "int"]),
        ("text", {}, ["rows of cells", "str", "DataFrame"]),
        (5, {}, ["rows of cells", "int"]),
        ([1, 2], {}, ["rows of cells", "int"]),
        ([], {}, ["no columns"]),
        ([["\ud800"]], {}, ["UTF-8"]),
        (np.zeros((1001, 1000)), {}, ["1002 x 1000 cells", "1000000"]),
    ],
)
def test_wrong_tables_say_what_is_wrong(rows: Any, options: dict[str, Any], words: list[str]) -> None:
    """What is no table raises at once, and the text names what came and what was wanted."""
    with pytest.raises(InvalidSummary) as error:
        table("t", rows, **options)
    for word in ("add_table('t')", *words):
        assert word in str(error.value)
