"""`tallyboard inspect`: what it says of a logdir, to people and to programs."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tallyboard as tb
from tallyboard import __main__ as command

DOCS = Path(__file__).parents[2] / "docs" / "commands.md"


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A logdir of two runs: many kinds in one, and one that resumed, so that it has two files."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    with tb.SummaryWriter("runs/first") as writer:
        for step in range(5):
            writer.add_scalar("train/loss", step / 2, 10 * step, walltime=1_700_000_000.0 + step)
        writer.add_text("notes", "hello", 3, walltime=1_700_000_001.0)
        writer.add_histogram("weights", np.arange(9.0), 4, walltime=1_700_000_001.0)
        writer.add_image("picture", np.zeros((3, 4, 4)), 7, walltime=1_700_000_100.0)
    for step in (1, 2):
        with tb.SummaryWriter("runs/second/eval") as writer:
            writer.add_scalar("loss", step, step, walltime=1_700_000_000.0 + step)
    return tmp_path / "runs"


def damage(run: Path, at: int) -> Path:
    """Flips the bits of one byte of a run's first file, and returns the file."""
    path = min(run.glob("*tfevents*"))
    data = bytearray(path.read_bytes())
    data[at] ^= 0xFF
    path.write_bytes(data)
    return path


def inspected(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> str:
    assert command.main(["inspect", "runs", *arguments]) == code
    out, err = capsys.readouterr()
    assert err == ""
    return out


def as_json(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> dict[str, Any]:
    return json.loads(inspected(capsys, "--json", *arguments, code=code))


def test_a_page_for_people(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Aligned columns of tags, kinds, counts and steps, the files with sizes and writers, and no colour in a pipe."""
    first, second = (sorted(run.glob("*tfevents*")) for run in (runs / "first", runs / "second" / "eval"))
    width = len(first[0].name)
    size = sum(path.stat().st_size for path in [*first, *second])
    kb = [f"{path.stat().st_size / 1000:.1f} kB" for path in first]
    small = [f"{path.stat().st_size} bytes" for path in second]
    wide = max(len(path.name) for path in second)
    assert inspected(capsys) == "\n".join(
        [
            f"runs: 2 runs, 5 series, 10 values, 3 files of {size / 1000:.1f} kB",
            "",
            "first  2023-11-14 22:13:20 to 2023-11-14 22:15:00",
            "  tag                 kind        class          values    steps",
            "  notes/text_summary  text        tensor              1        3",
            "  picture             images      blob_sequence       1        7",
            "  train/loss          scalars     scalar              5  0 to 40",
            "  weights             histograms  tensor              1        4",
            f"  {'file':{width}}  {'size':>{len(kb[0])}}  records  writer",
            f"  {first[0].name}  {kb[0]}       10  tallyboard.core.writer",
            "",
            "second/eval  2023-11-14 22:13:21 to 2023-11-14 22:13:22",
            "  tag   kind     class   values   steps",
            "  loss  scalars  scalar       2  1 to 2",
            f"  {'file':{wide}}  {'size':>{len(small[0])}}  records  writer",
            f"  {second[0].name:{wide}}  {small[0]}        3  tallyboard.core.writer",
            f"  {second[1].name:{wide}}  {small[1]}        3  tallyboard.core.writer",
            "",
        ]
    )


def test_json_for_programs(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The same with exact numbers, in the shape that docs/commands.md gives."""
    told = as_json(capsys)
    assert {key: told[key] for key in ("format", "logdir", "damaged")} == {
        "format": 1,
        "logdir": "runs",
        "damaged": False,
    }
    first, second = told["runs"]
    assert (first["name"], first["first_wall_time"], first["last_wall_time"], first["warnings"]) == (
        "first",
        1_700_000_000.0,
        1_700_000_100.0,
        [],
    )
    assert [(one["tag"], one["plugin"], one["data_class"], one["count"]) for one in first["series"]] == [
        ("notes/text_summary", "text", "tensor", 1),
        ("picture", "images", "blob_sequence", 1),
        ("train/loss", "scalars", "scalar", 5),
        ("weights", "histograms", "tensor", 1),
    ]
    assert first["series"][2] == {
        "tag": "train/loss",
        "plugin": "scalars",
        "data_class": "scalar",
        "count": 5,
        "first_step": 0,
        "last_step": 40,
        "first_wall_time": 1_700_000_000.0,
        "last_wall_time": 1_700_000_004.0,
    }
    (path,) = (runs / "first").iterdir()
    assert first["files"] == [
        {
            "path": f"first/{path.name}",
            "error": None,
            "size": path.stat().st_size,
            "records": 10,
            "file_version": "brain.Event:2",
            "writer": "tallyboard.core.writer",
            "unfinished": 0,
            "damage": [],
        }
    ]
    assert [file["path"] for file in second["files"]] == sorted(
        f"second/eval/{path.name}" for path in (runs / "second" / "eval").iterdir()
    )


def test_every_key_of_the_json_is_documented(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The example in docs/commands.md has exactly the keys that are printed."""
    path = damage(runs / "first", 100)
    path.rename(path.with_name("events.out.tfevents.0"))
    told = as_json(capsys, code=1)
    (example,) = re.findall(r"^```json\n(.*?)^```", DOCS.read_text(), re.MULTILINE | re.DOTALL)

    def shape(value: Any) -> Any:
        if isinstance(value, list):
            return [shape(value[0])] if value else []
        return {key: shape(inner) for key, inner in value.items()} if isinstance(value, dict) else None

    assert shape(json.loads(example)) == shape(told)


def test_runs_and_tags_can_be_chosen(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """--run and --tag keep what the expression is found in; a run without such a tag is left out."""

    def names(*arguments: str) -> list[tuple[str, list[str]]]:
        told = as_json(capsys, *arguments)
        return [(run["name"], [one["tag"] for one in run["series"]]) for run in told["runs"]]

    assert names("--run", "^sec") == [("second/eval", ["loss"])]
    assert names("--tag", "loss") == [("first", ["train/loss"]), ("second/eval", ["loss"])]
    assert names("--tag", "/", "--run", "i") == [("first", ["notes/text_summary", "train/loss"])]
    assert names("--run", "nothing") == []
    with pytest.raises(SystemExit) as ended:
        command.main(["inspect", "runs", "--tag", "("])
    assert ended.value.code == 2
    assert "argument --tag: '(' is no regular expression: " in capsys.readouterr().err


def test_damage_is_named_and_the_exit_code_is_1(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The file, the place, the length and the kind of every damaged region; undamaged runs alone are fine."""
    path = damage(runs / "first", 100)
    told = as_json(capsys, code=1)
    first, second = told["runs"]
    (file,) = first["files"]
    (region,) = file["damage"]
    assert region["what"] == "bad_checksum"
    assert region["offset"] <= 100 < region["offset"] + region["length"]
    assert told["damaged"]
    assert [warned["kind"] for warned in first["warnings"]] == ["corrupt_record"]
    assert [file["damage"] for file in second["files"]] == [[], []]

    page = inspected(capsys, code=1)
    line = f"  damage: {path.name}: {region['length']} bytes at {region['offset']}: a record whose checksum fails\n"
    assert line in page
    assert inspected(capsys, "--run", "second")


def test_a_file_that_is_being_written_is_no_damage(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A torn tail is said, and the exit code stays 0."""
    path = min((runs / "second" / "eval").iterdir())
    path.write_bytes(path.read_bytes()[:-3])
    told = as_json(capsys, "--run", "second")
    assert [file["unfinished"] > 0 for file in told["runs"][0]["files"]] == [True, False]
    assert f"  unfinished: {path.name}: " in inspected(capsys)


def test_an_unreadable_file_is_1(
    runs: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that cannot be opened is named with the reason."""
    from tallyboard.core import audit

    def refused(path: str, every_byte: bool) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(audit, "audit", refused)
    (path,) = (runs / "first").iterdir()
    told = as_json(capsys, "--run", "first", code=1)
    assert told["runs"][0]["files"] == [{"path": f"first/{path.name}", "error": "Permission denied"}]
    assert f"  unreadable: {path.name}: Permission denied\n" in inspected(capsys, "--run", "first", code=1)


def test_other_writers_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What TensorBoard's and tensorboardX's writers left of themselves is reported."""
    from tallyboard.core.commands.inspect import inspect

    pytest.importorskip("tensorboardX").SummaryWriter(str(tmp_path / "x")).close()
    module = pytest.importorskip("tensorboard.summary.writer.event_file_writer")
    module.EventFileWriter(str(tmp_path / "board")).close()
    files = {report.name: report.files[0].audit for report in inspect(str(tmp_path))}
    assert {name: (one.file_version, one.writer) for name, one in files.items() if one} == {
        "board": ("brain.Event:2", "tensorboard.summary.writer.event_file_writer"),
        "x": ("brain.Event:2", ""),
    }


def test_a_wrong_logdir_is_2(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A logdir that is not there, or is a file, is one line on stderr."""
    (runs / "file").write_text("")
    for logdir, kind in ((str(runs / "none"), "does not exist"), (str(runs / "file"), "is a file")):
        assert command.main(["inspect", logdir]) == 2
        assert capsys.readouterr() == (
            "",
            f"tallyboard inspect: {logdir!r} {kind}; give the directory that holds the event files\n",
        )


def test_odd_names_stay_on_their_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A line end, an escape sequence or bytes that are not UTF-8 in a name are escaped; JSON carries them exactly."""
    with tb.SummaryWriter(tmp_path / os.fsdecode(b"a\xff\n\x1b[31m")) as writer:
        writer.add_scalar("x\ny", 1.0, walltime=float("inf"))
    assert command.main(["inspect", str(tmp_path)]) == 0
    page = capsys.readouterr().out
    assert "a\\udcff\\n\\x1b[31m" in page
    assert "\n  x\\ny " in page
    assert command.main(["inspect", "--json", str(tmp_path)]) == 0
    (run,) = json.loads(capsys.readouterr().out)["runs"]
    assert run["name"] == os.fsdecode(b"a\xff\n\x1b[31m")
    assert (run["series"][0]["tag"], run["series"][0]["first_wall_time"]) == ("x\ny", None)


@pytest.mark.parametrize(("variable", "coloured"), [("X", True), ("NO_COLOR", False)])
def test_colour_only_on_a_terminal(runs: Path, variable: str, coloured: bool) -> None:
    """On a terminal the names of runs are bold; NO_COLOR is heeded."""
    leader, follower = pty.openpty()
    env = {key: value for key, value in os.environ.items() if key != "NO_COLOR"} | {"TERM": "xterm", variable: "1"}
    line = [sys.executable, "-m", "tallyboard", "inspect", "runs", "--run", "first"]
    with subprocess.Popen(line, stdout=follower, stderr=subprocess.DEVNULL, env=env) as process:
        os.close(follower)
        page = b""
        while True:
            try:
                page += os.read(leader, 65536)
            except OSError:
                break
        assert process.wait(60) == 0
    os.close(leader)
    assert (b"\x1b[1mfirst\x1b[0m" in page) is coloured
    assert (b"\x1b" in page) is coloured
    assert b"train/loss" in page


def test_progress_goes_to_a_terminals_stderr_and_away(
    runs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """When reading takes long, a terminal's stderr shows how far it is, and is left clean."""
    from tallyboard.core.commands import inspect

    monkeypatch.setattr(inspect, "_PATIENCE", 0.0)
    monkeypatch.setattr(inspect, "_PAUSE", 0.0)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert command.main(["inspect", "runs"]) == 0
    err = capsys.readouterr().err
    assert "\r\x1b[K2 runs, 10 values read" in err
    assert "\r\x1b[Klooking at the files of second/eval" in err
    assert err.endswith("\r\x1b[K")
