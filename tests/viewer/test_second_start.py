"""The command started again: it knows at once what the first one read, and follows on from there."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import pytest

import tallyboard as tb


def runs(command: Any) -> dict[str, Any]:
    answer = json.loads(command.served.request("GET", "/api/runs").body)
    assert isinstance(answer, dict)
    return answer


@pytest.mark.parametrize("way", ["--cache", "TALLYBOARD_CACHE"])
def test_the_second_start_has_what_the_first_had(
    way: str, command: Any, until: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Saved when read and when stopped; the second start shows it all, and what was written meanwhile and since."""
    cache = tmp_path / "cache"
    arguments = ["--logdir", "runs", "--port", "0"]
    if way == "--cache":
        arguments += ["--cache", str(cache)]
    else:
        monkeypatch.setenv(way, str(cache))
    with tb.SummaryWriter(tmp_path / "runs" / "a") as writer:
        for step in range(100):
            writer.add_scalar("loss", step, step)
        writer.flush()
        first = command(*arguments)
        first.wait_for_line()
        until(lambda: runs(first)["series"].get("scalars") == {"loss": [[0, 100]]})
        until(lambda: list(cache.glob("*.index")))
        writer.add_scalar("loss", 0.5, 100)
        writer.flush()
        until(lambda: runs(first)["series"]["scalars"]["loss"] == [[0, 101]])
        first.process.send_signal(signal.SIGTERM)
        assert first.finish() == (0, "", "")
        writer.add_scalar("loss", 0.5, 101)
        writer.flush()
        second = command(*arguments)
        second.wait_for_line()
        until(lambda: runs(second)["state"] == "ready")
        assert runs(second)["series"]["scalars"]["loss"] == [[0, 102]]
        writer.add_scalar("loss", 0.5, 102)
        writer.flush()
        until(lambda: runs(second)["series"]["scalars"]["loss"] == [[0, 103]])

    (index,) = cache.glob("*.index")
    assert index.stat().st_size > 100 * 20
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["a"]


def test_nothing_is_kept_when_told_so(
    command: Any, until: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With `--cache off` no cache directory appears, whatever the environment says."""
    monkeypatch.setenv("TALLYBOARD_CACHE", str(tmp_path / "cache"))
    with tb.SummaryWriter(tmp_path / "runs") as writer:
        writer.add_scalar("loss", 1.0, 1)
    started = command("--logdir", "runs", "--port", "0", "--cache", "off")
    started.wait_for_line()
    until(lambda: runs(started)["state"] == "ready")
    started.process.send_signal(signal.SIGTERM)
    assert started.finish()[0] == 0

    assert not (tmp_path / "cache").exists()


def test_a_cache_that_cannot_be_written_is_said(command: Any, until: Any, tmp_path: Path) -> None:
    """A cache directory that cannot be made costs one sentence in the terminal; everything is shown."""
    (tmp_path / "file").write_text("x")
    with tb.SummaryWriter(tmp_path / "runs") as writer:
        writer.add_scalar("loss", 1.0, 1)
    started = command("--logdir", "runs", "--port", "0", "--cache", str(tmp_path / "file" / "cache"))
    started.wait_for_line()
    until(lambda: runs(started)["state"] == "ready")
    assert [run["name"] for run in runs(started)["runs"]] == ["."]
    started.process.send_signal(signal.SIGTERM)
    code, _, errors = started.finish()
    assert code == 0
    assert errors.startswith(f"tallyboard: {tmp_path}/file/cache: what was read cannot be kept here")
    assert errors.count("\n") == 1
