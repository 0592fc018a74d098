"""`tallyboard profile` prints the verdict first, then where the time went."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("msgspec")
pytest.importorskip("ijson")

from tallyboard.__main__ import main

from .conftest import Write, kernel, launch, step

LOADING = "enumerate(DataLoader)#_SingleProcessDataLoaderIter.__next__"
EVENTS = [step(1, 0, 1000), (LOADING, "user_annotation", 0, 300, 1, {}), launch(310, 1), kernel(320, 600, 1, "gemm")]


def test_text(write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    """The verdict with its numbers, the advice, then tables."""
    assert main(["profile", str(write(*EVENTS, ("aten::mm", "cpu_op", 305, 20, 1, {})))]) == 0
    out = capsys.readouterr().out
    assert "The device waits for data 30.0% of the time (0.3 of 1.0 ms in 1 step): highly input-bound." in out
    rows = [line.split() for line in out.splitlines()]
    assert ["kernel", "0.600", "60.0%"] in rows
    assert ["dataloader", "0.300", "30.0%"] in rows
    assert ["aten::mm", "1", "0.019", "0.020", "0.600"] in rows
    assert ["gemm", "1", "0.600", "600.0"] in rows
    assert "device 0: 60.0% busy" in out


def test_json(write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    """The same as an object a line."""
    path = write(*EVENTS)
    assert main(["profile", str(path.parent), "--json", "--top", "1"]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    found = json.loads(line)
    assert (found["verdict"]["kind"], found["verdict"]["share"]) == ("input-bound", 0.3)
    assert found["breakdown_us"]["total"] == 1000
    assert [(one["about"], one["share"]) for one in found["recommendations"]] == [("data", 0.3)]
    assert found["devices"][0]["utilisation"] == 0.6
    assert [one["name"] for one in found["kernels"]] == ["gemm"]


def test_no_trace(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A directory without a trace is a bad argument."""
    assert main(["profile", str(tmp_path)]) == 2
    assert "no trace is in there" in capsys.readouterr().err
