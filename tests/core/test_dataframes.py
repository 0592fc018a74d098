"""Runs as tables of pandas, Polars and Arrow and as Parquet files: exact values, types and columns."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tallyboard as tb
from tallyboard.core.errors import InvalidSummary

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def logdir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    with tb.SummaryWriter(folder / "a") as writer:
        for i in range(3):
            writer.add_scalar("loss", 0.5 + i, i, walltime=100.0 + i)
        writer.add_scalar("acc", 0.25, 2, walltime=200.0)
        writer.add_text("notes", "one", 1, walltime=300.0)
        writer.add_histogram("h", np.array([1.0, 3.0]), 4, bins=np.array([1.0, 2.0, 3.0]), walltime=400.0)
        writer.add_hparams({"lr": 0.5, "opt": "sgd"}, {"score": 0.0})
    with tb.SummaryWriter(folder / "b") as writer:
        writer.add_scalar("loss", 9.0, 1, walltime=101.0)
        writer.add_hparams({"lr": 1.5, "aug": True}, {})
    return folder


def rows_of_pandas(frame: Any) -> list[list[Any]]:
    return frame.astype(object).where(frame.notna(), None).to_numpy().tolist()


FORMS: dict[str, tuple[str, Callable[[Any], list[list[Any]]]]] = {
    "pandas": ("to_pandas", rows_of_pandas),
    "polars": ("to_polars", lambda frame: [list(row) for row in frame.fill_nan(None).iter_rows()]),
    "pyarrow": (
        "to_arrow",
        lambda table: [
            [None if isinstance(value, float) and value != value else value for value in row.values()]
            for row in table.to_pylist()
        ],
    ),
}


@pytest.fixture(params=list(FORMS))
def table(request: pytest.FixtureRequest) -> Callable[..., tuple[list[str], list[list[Any]]]]:
    """Column names and rows of something, by one of the libraries; NaN as None."""
    pytest.importorskip(request.param)
    method, rows = FORMS[request.param]

    def made(thing: Any, *args: Any, **kwargs: Any) -> tuple[list[str], list[list[Any]]]:
        frame = getattr(thing, method)(*args, **kwargs)
        names = frame.column_names if request.param == "pyarrow" else list(frame.columns)
        return names, rows(frame)

    return made


Made = Callable[..., tuple[list[str], list[list[Any]]]]


def test_a_series(logdir: Path, table: Made) -> None:
    """A series is step, wall_time and value."""
    assert table(tb.read(logdir)["a"].scalar("loss")) == (
        ["step", "wall_time", "value"],
        [[0, 100.0, 0.5], [1, 101.0, 1.5], [2, 102.0, 2.5]],
    )


def test_long(logdir: Path, table: Made) -> None:
    """A logdir is one row for each point; a run the same without the column run."""
    runs = tb.read(logdir).filter(tags="^(loss|acc)$").filter(runs="a|b")
    names, rows = table(runs)
    assert names == ["run", "tag", "step", "wall_time", "value"]
    points = [
        ["a", "acc", 2, 200.0, 0.25],
        ["a", "loss", 0, 100.0, 0.5],
        ["a", "loss", 1, 101.0, 1.5],
        ["a", "loss", 2, 102.0, 2.5],
        ["b", "loss", 1, 101.0, 9.0],
    ]
    assert rows == points
    assert table(runs["b"]) == (["tag", "step", "wall_time", "value"], [points[-1][1:]])


def test_wide(logdir: Path, table: Made) -> None:
    """The wide form is one row for each run and step and one column for each tag, the latest wall time beside it."""
    names, rows = table(tb.read(logdir).filter(tags="^(loss|acc)$"), wide=True)
    assert names == ["run", "step", "wall_time", "acc", "loss"]
    assert rows == [
        ["a", 0, 100.0, None, 0.5],
        ["a", 1, 101.0, None, 1.5],
        ["a", 2, 200.0, 0.25, 2.5],
        ["b", 1, 101.0, None, 9.0],
    ]


def test_texts_and_histograms(logdir: Path, table: Made) -> None:
    """Texts are strings; a histogram is a row for each bucket."""
    runs = tb.read(logdir)
    assert table(runs, "text") == (
        ["run", "tag", "step", "wall_time", "text"],
        [["a", "notes/text_summary", 1, 300.0, "one"]],
    )
    assert table(runs["a"], kind="histograms") == (
        ["tag", "step", "wall_time", "left", "right", "count"],
        [["h", 4, 400.0, 1.0, 2.0, 1.0], ["h", 4, 400.0, 2.0, 3.0, 1.0]],
    )


def test_hparams(logdir: Path, table: Made) -> None:
    """A row for each run, a column for each hyperparameter of any run, empty where a run has it not."""
    names, rows = table(tb.read(logdir), "hparams")
    assert names == ["run", "status", "start_time", "end_time", "aug", "lr", "opt", "score"]
    assert [row[:2] + row[4:] for row in rows] == [
        ["a", "success", None, 0.5, "sgd", 0.0],
        ["b", "success", "True", 1.5, None, None],
    ]
    assert all(isinstance(row[2], float) and isinstance(row[3], float) for row in rows)


def test_nothing_is_a_table_too(tmp_path: Path, table: Made) -> None:
    """A logdir without runs gives tables without rows, with the columns they always have."""
    runs = tb.read(tmp_path)
    assert table(runs) == (["run", "tag", "step", "wall_time", "value"], [])
    assert table(runs, "text") == (["run", "tag", "step", "wall_time", "text"], [])
    assert table(runs, wide=True) == (["run", "step", "wall_time"], [])


def test_bands_are_tables(logdir: Path, table: Made) -> None:
    """A band is step, mean, lower, upper and count."""
    band = tb.aggregate(tb.read(logdir), band="minmax", tags="^loss$", steps="common")["", "loss"]
    assert table(band) == (["step", "mean", "lower", "upper", "count"], [[1, 5.25, 1.5, 9.0, 2]])


def test_types_and_parquet(logdir: Path, tmp_path: Path) -> None:
    """Steps are int64, times float64, values float32, names strings: in Arrow, and in a Parquet file read back."""
    pa = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    runs = tb.read(logdir)
    wanted = {"run": "string", "tag": "string", "step": "int64", "wall_time": "double", "value": "float"}
    assert {field.name: str(field.type) for field in runs.to_arrow().schema} == wanted
    for thing, name in ((runs, "runs"), (runs["a"], "run"), (runs["a"].scalar("loss"), "series")):
        thing.to_parquet(tmp_path / name)
        assert parquet.read_table(tmp_path / name).equals(thing.to_arrow())
    assert isinstance(runs.to_arrow(), pa.Table)


def test_a_tag_named_like_a_column(tmp_path: Path) -> None:
    """In the wide form a tag named `step` does not take the place of the step."""
    pytest.importorskip("pandas")
    with tb.SummaryWriter(tmp_path) as writer:
        writer.add_scalar("step", 7.0, 1)
    frame = tb.read(tmp_path).to_pandas(wide=True)
    assert list(frame.columns) == ["run", "step", "wall_time", "step (tag)"]
    assert frame["step (tag)"].tolist() == [7.0]


def test_wrong_kinds(logdir: Path) -> None:
    """A kind that is none, and one that has no wide form, are refused."""
    runs = tb.read(logdir)
    with pytest.raises(InvalidSummary, match="kind='images' is none of 'scalars', 'text', 'histograms', 'hparams'"):
        runs.to_pandas("images")
    with pytest.raises(InvalidSummary, match="kind='text' has no wide form"):
        runs.to_arrow("text", wide=True)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        ("to_pandas()", "to_pandas() needs pandas"),
        ("to_polars()", "to_polars() needs polars"),
        ("to_arrow()", "to_arrow() needs pyarrow"),
        ("to_parquet('x')", "to_parquet() needs pyarrow"),
    ],
)
def test_without_the_libraries(logdir: Path, call: str, text: str) -> None:
    """Where a library is missing, reading works and the call says what to install."""
    program = f"""
import sys
for name in ("pandas", "polars", "pyarrow"):
    sys.modules[name] = None
import tallyboard as tb
runs = tb.read({str(logdir)!r})
assert len(runs["a"].scalar("loss").smooth(0.5)) == 3
try:
    runs.{call}
except tb.MissingDependency as error:
    print(error)
"""
    env = {"PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run([sys.executable, "-c", program], env=env, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == f"{text}, which is not installed; run: pip install 'tallyboard[data]'"


def test_reading_imports_none_of_them(logdir: Path) -> None:
    """`tb.read` and its scalars import neither pandas, Polars nor pyarrow."""
    program = f"""
import sys, tallyboard as tb
tb.read({str(logdir)!r}).scalars()
print([name for name in ("pandas", "polars", "pyarrow") if name in sys.modules])
"""
    env = {"PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run([sys.executable, "-c", program], env=env, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
