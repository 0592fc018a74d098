"""POST /api/export: every point of a view as one file."""

from __future__ import annotations

import csv
import io
import json
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tallyboard as tb
from tallyboard.core import dataframes
from tallyboard.core.errors import MissingDependency
from tallyboard.core.reader import LogdirReader
from tallyboard.core.store import Store
from tallyboard.viewer.routes import export

Put = Callable[..., None]


def ask(served: Any, **body: Any) -> Any:
    return served.post("/api/export", json.dumps(body).encode())


@pytest.fixture(autouse=True)
def _filled(put: Put) -> None:
    put("a", "loss", [1.5, float("nan"), float("inf")])
    put("=cmd|' /C calc'!A0", "loss", [2.0])
    put("a", "-acc", [0.25])


def test_csv_has_every_point(store: Store, serve: Callable[..., Any]) -> None:
    """Runs by tags, in the order asked for, whatever there is of it; names that a spreadsheet would run are text."""
    answer = ask(
        serve(store, logdir="/data/my runs"), format="csv", runs=["a", "=cmd|' /C calc'!A0"], tags=["loss", "-acc"]
    )

    assert (answer.status, answer.headers["content-type"]) == (200, "text/csv; charset=utf-8")
    assert answer.headers["content-disposition"] == "attachment; filename*=UTF-8''my_runs-scalars.csv"
    assert list(csv.reader(io.StringIO(answer.body.decode()))) == [
        ["run", "tag", "step", "wall_time", "value"],
        ["a", "loss", "0", "0.5", "1.5"],
        ["a", "loss", "1", "1.5", "nan"],
        ["a", "loss", "2", "2.5", "inf"],
        ["a", "'-acc", "0", "0.5", "0.25"],
        ["'=cmd|' /C calc'!A0", "loss", "0", "0.5", "2.0"],
    ]


def test_long_series_are_whole(put: Put, store: Store, serve: Callable[..., Any]) -> None:
    """100,000 points are 100,000 rows, in CSV and in Parquet, to the last bit."""
    value = np.random.default_rng(1).normal(size=100_000)
    put("long", "loss", value, wide=True)
    served = serve(store)

    text = ask(served, format="csv", runs=["long"], tags=["loss"]).body
    assert [float(row.rpartition(b",")[2]) for row in text.splitlines()[1:]] == value.tolist()
    parquet = pytest.importorskip("pyarrow.parquet")
    table = parquet.read_table(io.BytesIO(ask(served, format="parquet", runs=["long"], tags=["loss"]).body))
    assert table.column_names == ["run", "tag", "step", "wall_time", "value"]
    assert table["value"].to_numpy().tolist() == value.tolist()


def test_voided_points_are_given_when_asked_for(tmp_path: Path, serve: Callable[..., Any]) -> None:
    """What a restart has voided, be it all of a series, is left out unless "superseded" asks for it."""
    folder = tmp_path / "run"
    with tb.SummaryWriter(folder) as writer:
        for tag, step in (("loss", 5), ("loss", 6), ("gone", 6)):
            writer.add_scalar(tag, step, step)
    with tb.SummaryWriter(folder, purge_step=6) as writer:
        writer.add_scalar("loss", 6.5, 6)
    reader = LogdirReader(tmp_path)
    reader.poll()
    served = serve(reader.store)

    def values(**more: Any) -> list[str]:
        text = ask(served, format="csv", runs=["run"], tags=["loss", "gone"], **more).body.decode()
        return [f"{row['tag']} {row['value']}" for row in csv.DictReader(io.StringIO(text))]

    assert values() == values(superseded=False) == ["loss 5.0", "loss 6.5"]
    assert values(superseded=True) == ["loss 5.0", "loss 6.0", "loss 6.5", "gone 6.0"]
    answer = ask(served, format="csv", runs=[], tags=[], superseded=1)
    assert (answer.status, answer.json()["error"]) == (400, '"superseded" is true or false.')


def test_nothing_is_a_file_of_names(store: Store, serve: Callable[..., Any]) -> None:
    """Runs or tags that nobody knows give a file without rows."""
    assert ask(serve(store), format="csv", runs=["b"], tags=["loss"]).body == b"run,tag,step,wall_time,value\n"


def test_without_pyarrow_the_cure_is_said(
    store: Store, serve: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Parquet needs the extra `data`: 501, and what to install."""

    def missing(name: str, call: str) -> Any:
        raise MissingDependency(f"{call} needs pyarrow, which is not installed; run: pip install 'tallyboard[data]'")

    monkeypatch.setattr("tallyboard.core.export.library", missing)
    monkeypatch.setattr(dataframes, "library", missing)
    answer = ask(serve(store), format="parquet", runs=["a"], tags=["loss"])

    assert answer.status == 501
    assert "pip install 'tallyboard[data]'; or take CSV." in answer.json()["error"]


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ("[", "The request's body is not JSON."),
        ('{"format": "xls", "runs": [], "tags": []}', 'The request needs a "format", "csv" or "parquet".'),
        ('{"format": "csv", "runs": "a", "tags": []}', 'The request needs "runs", a list of names.'),
        ('{"format": "csv", "runs": [], "tags": [1]}', 'The request needs "tags", a list of names.'),
    ],
)
def test_a_wrong_question_is_told_so(store: Store, serve: Callable[..., Any], body: str, sentence: str) -> None:
    """400 and one sentence."""
    answer = serve(store).post("/api/export", body.encode())

    assert (answer.status, answer.json()["error"]) == (400, sentence)


def test_one_who_goes_away_ends_the_writing(put: Put, store: Store, serve: Callable[..., Any]) -> None:
    """Clients that leave in the middle hold nothing: soon as many as may can export again."""
    put("long", "loss", np.random.default_rng(1).normal(size=600_000), wide=True)
    served = serve(store)
    body = json.dumps({"format": "csv", "runs": ["long"], "tags": ["loss"]}).encode()
    for _ in range(export.MOST_EXPORTS):
        with socket.create_connection(("127.0.0.1", served.port)) as client:
            lines = (
                "POST /api/export HTTP/1.1",
                "Host: localhost",
                "Content-Type: application/json",
                f"Content-Length: {len(body)}",
            )
            head = "\r\n".join((*lines, "", ""))
            client.sendall(head.encode() + body)
            assert client.recv(15) == b"HTTP/1.1 200 OK"
    end = time.monotonic() + 60
    while (answer := ask(served, format="csv", runs=["a"], tags=["none"])).status == 503:
        assert time.monotonic() < end
        assert "exports are being written already" in answer.json()["error"]
    assert answer.status == 200
