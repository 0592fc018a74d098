"""`tallyboard export`: files that other programs read back to the same values."""

from __future__ import annotations

import csv
import json
import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tallyboard as tb
from tallyboard.__main__ import main
from tallyboard.core import rows as rows_module
from tallyboard.core.export import FORMATS, export
from tallyboard.core.rows import chunks

ROOT = Path(__file__).parents[2]
TAG = 'odd "tag", with\nlines'


@pytest.fixture(scope="module")
def logdir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    with tb.SummaryWriter(folder / "a") as writer:
        for step, value in enumerate([0.1, float("nan"), float("inf"), -float("inf"), 1e-30]):
            writer.add_scalar("loss", value, step, walltime=1.5 + step)
        writer.add_scalar(TAG, 3.0, 2, walltime=9.25)
        writer.add_text("t", 'a "text",\nof lines', 1, walltime=2.0)
        writer.add_histogram("h", np.array([1.0, 3.0]), 4, bins=np.array([1.0, 2.0, 3.0]), walltime=4.0)
        writer.add_hparams({"lr": 0.5, "opt": "sgd"}, {})
    with tb.SummaryWriter(folder / "b") as writer:
        writer.add_scalar("loss", 7.0, 1, walltime=5.0)
    return folder


def exported(*arguments: object) -> int:
    return main(["export", *map(str, arguments)])


def read_back(path: Path) -> list[dict[str, Any]]:
    """Rows of a file by another program's reader; numbers of CSV as floats."""
    if path.suffix == ".csv":
        with path.open(newline="") as file:
            return [dict(row) for row in csv.DictReader(file)]
    if path.suffix == ".json":
        return json.loads(path.read_text())
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in path.read_text().splitlines()]
    return pytest.importorskip("pyarrow.parquet").read_table(path).to_pylist()


POINTS = [
    ("a", "loss", 0, 1.5, 0.1),
    ("a", "loss", 1, 2.5, float("nan")),
    ("a", "loss", 2, 3.5, float("inf")),
    ("a", "loss", 3, 4.5, -float("inf")),
    ("a", "loss", 4, 5.5, 1e-30),
    ("a", TAG, 2, 9.25, 3.0),
    ("b", "loss", 1, 5.0, 7.0),
]


@pytest.fixture(params=FORMATS)
def form(request: pytest.FixtureRequest) -> str:
    """Each format; Parquet where it can be written."""
    if request.param == "parquet":
        pytest.importorskip("pyarrow")
    return request.param


def test_every_point(logdir: Path, tmp_path: Path, form: str) -> None:
    """Every format has a row for each point, read back to the same float32, NaN and infinity too."""
    path = tmp_path / f"out.{form}"
    assert exported(logdir, "-o", path) == 0
    found = read_back(path)
    assert list(found[0]) == ["run", "tag", "step", "wall_time", "value"]
    assert [(row["run"], row["tag"], int(row["step"]), float(row["wall_time"])) for row in found] == [
        point[:4] for point in POINTS
    ]
    np.testing.assert_array_equal(
        np.array([float(row["value"]) for row in found], np.float32), np.array([p[4] for p in POINTS], np.float32)
    )
    assert os.listdir(tmp_path) == [path.name]


def test_digits(logdir: Path, tmp_path: Path) -> None:
    """Text formats have the fewest digits: 0.1 as float32 is 0.1."""
    exported(logdir, "-o", tmp_path / "x.csv")
    lines = (tmp_path / "x.csv").read_text().splitlines()
    assert lines[:6] == [
        "run,tag,step,wall_time,value",
        "a,loss,0,1.5,0.1",
        "a,loss,1,2.5,nan",
        "a,loss,2,3.5,inf",
        "a,loss,3,4.5,-inf",
        "a,loss,4,5.5,1e-30",
    ]
    exported(logdir, "-o", tmp_path / "x.jsonl", "--tag", "^loss$", "--run", "a")
    lines = (tmp_path / "x.jsonl").read_text().splitlines()
    assert lines[0] == '{"run": "a", "tag": "loss", "step": 0, "wall_time": 1.5, "value": 0.1}'
    assert [json.loads(line)["value"] for line in lines[1:4]] == ["NaN", "Infinity", "-Infinity"]


def test_wide(logdir: Path, tmp_path: Path, form: str) -> None:
    """The wide form has a column for each tag, and nothing where a tag has no such step."""
    path = tmp_path / f"out.{form}"
    assert exported(logdir, "-o", path, "--wide") == 0
    found = read_back(path)
    assert list(found[0]) == ["run", "step", "wall_time", "loss", TAG]
    absent = {"csv": "", "parquet": None}.get(form)
    assert [(row["run"], int(row["step"])) for row in found] == [("a", i) for i in range(5)] + [("b", 1)]
    cells = [row[TAG] for row in found]
    assert float(cells[2]) == 3.0
    others = [cell for i, cell in enumerate(cells) if i != 2]
    assert all(cell == absent or cell != cell for cell in others)
    assert float(found[5]["loss"]) == 7.0


def test_other_kinds(logdir: Path, tmp_path: Path) -> None:
    """Texts, histograms and hyperparameters have rows of their own."""
    for kind in ("text", "histograms", "hparams"):
        assert exported(logdir, "-o", tmp_path / f"{kind}.json", "--kind", kind) == 0
    text = {"run": "a", "tag": "t/text_summary", "step": 1, "wall_time": 2.0, "text": 'a "text",\nof lines'}
    assert read_back(tmp_path / "text.json") == [text]
    bucket = {"run": "a", "tag": "h", "step": 4, "wall_time": 4.0, "left": 1.0, "right": 2.0, "count": 1.0}
    assert read_back(tmp_path / "histograms.json") == [bucket, {**bucket, "left": 2.0, "right": 3.0}]
    (row,) = read_back(tmp_path / "hparams.json")
    assert {name: row[name] for name in ("run", "status", "lr", "opt")} == {
        "run": "a",
        "status": "success",
        "lr": 0.5,
        "opt": "sgd",
    }
    exported(logdir, "-o", tmp_path / "text.csv", "--kind", "text")
    assert read_back(tmp_path / "text.csv")[0]["text"] == text["text"]


def test_nothing(tmp_path: Path, form: str) -> None:
    """A logdir without a point makes a file without rows that can still be read."""
    (tmp_path / "runs").mkdir()
    path = tmp_path / f"out.{form}"
    assert exported(tmp_path / "runs", "-o", path) == 0
    assert read_back(path) == []
    if form == "csv":
        assert path.read_text() == "run,tag,step,wall_time,value\n"


def test_small_and_large_chunks_are_the_same(
    logdir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    """However rows are cut into chunks, the files are the same; progress counts every row."""
    runs = tb.read(logdir)
    whole, cut = tmp_path / f"whole.{form}", tmp_path / f"cut.{form}"
    assert export(chunks(runs.values()), str(whole), form) == 7  # type: ignore[arg-type]
    monkeypatch.setattr(rows_module, "CHUNK_ROWS", 2)
    monkeypatch.setattr("tallyboard.core.export.CHUNK_ROWS", 2)
    seen: list[int] = []
    assert export(chunks(runs.values()), str(cut), form, progress=seen.append) == 7  # type: ignore[arg-type]
    assert seen[-1] == 7
    assert len(seen) >= 4
    assert str(read_back(whole)) == str(read_back(cut))
    if form != "parquet":
        assert whole.read_text() == cut.read_text()


def test_mixed_precision_in_parquet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run of float64 behind one of float32 keeps its digits, in another chunk too."""
    pytest.importorskip("pyarrow")
    monkeypatch.setattr("tallyboard.core.export.CHUNK_ROWS", 1)
    with tb.SummaryWriter(tmp_path / "runs" / "a") as writer:
        writer.add_scalar("x", 0.5, 0)
    with tb.SummaryWriter(tmp_path / "runs" / "b") as writer:
        writer.add_scalar("y", 0.1, 0, double_precision=True, new_style=True)
    assert tb.read(tmp_path / "runs")["b"].scalar("y").value.dtype == np.float64
    path = tmp_path / "x.parquet"
    export(chunks(tb.read(tmp_path / "runs").values()), str(path), "parquet")
    assert [row["value"] for row in read_back(path)] == [0.5, 0.1]


def test_standard_output(logdir: Path, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """Without a name the rows go to standard output, as CSV or in the format asked for; nothing else does."""
    assert exported(logdir, "--run", "b") == 0
    assert capfdbinary.readouterr().out == b"run,tag,step,wall_time,value\nb,loss,1,5.0,7.0\n"
    assert exported(logdir, "--run", "b", "--format", "jsonl", "-o", "-") == 0
    out, err = capfdbinary.readouterr()
    assert out == b'{"run": "b", "tag": "loss", "step": 1, "wall_time": 5.0, "value": 7.0}\n'
    assert err == b""


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("-o", "x.txt"), "the name 'x.txt' does not say what to write; let it end in .csv, .json, .jsonl, .parquet"),
        (("--run", "("), "runs='(' is no regular expression"),
        (("--kind", "text", "--wide"), "kind='text' has no wide form"),
        (("-o", "nowhere/x.csv"), "No such file or directory"),
    ],
)
def test_wrong_calls(
    logdir: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    text: str,
) -> None:
    """A wrong call exits with 2 and one line that says what is wrong, and leaves no file behind."""
    monkeypatch.chdir(tmp_path)
    assert exported(logdir, *arguments) == 2
    told = capsys.readouterr().err
    assert told.startswith("tallyboard export: ")
    assert text in told
    assert told.count("\n") == 1
    assert os.listdir(tmp_path) == []


def test_no_logdir(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A logdir that is not there exits with 2."""
    assert exported(tmp_path / "none") == 2
    assert "does not exist" in capsys.readouterr().err


def test_failure_leaves_the_old_file(logdir: Path, tmp_path: Path) -> None:
    """Where writing fails in the middle, the file that was there stays, and no other is left."""
    path = tmp_path / "x.csv"
    path.write_text("old")

    def broken() -> Any:
        yield from chunks(tb.read(logdir).values())
        raise OSError("disk")

    with pytest.raises(OSError, match="disk"):
        export(broken(), str(path), "csv")
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["x.csv"]


def test_progress_on_a_terminal(logdir: Path, tmp_path: Path) -> None:
    """On a terminal a bar shows how far it is and is taken away at the end; the rows are not touched by it."""
    program = (
        "import sys; from tallyboard.core.commands import export as e; e._PATIENCE = e._PAUSE = 0\n"
        "from tallyboard.__main__ import main; sys.exit(main(sys.argv[1:]))"
    )
    ours, theirs = pty.openpty()
    env = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    command = [sys.executable, "-c", program, "export", str(logdir), "-o", str(tmp_path / "x.csv")]
    done = subprocess.run(command, env=env, stderr=theirs, stdout=subprocess.PIPE, timeout=60)
    os.close(theirs)
    told = os.read(ours, 100_000).decode()
    os.close(ours)
    assert (done.returncode, done.stdout) == (0, b"")
    assert f"reading {logdir}"[:60] in told
    assert "[" + "#" * 30 + "] 100%  7 rows" in told
    assert told.endswith("\r\x1b[K")
