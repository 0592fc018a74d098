"""A trace that was read is there at once the next time, as long as it is the same; nothing of it is ever in the way."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("msgspec")
pytest.importorskip("ijson")

import tallyboard as tb
from tallyboard.core.dataframes import Labels
from tallyboard.core.profiles import cache, chrome, reading
from tallyboard.core.profiles.model import Profile

from .conftest import Write, kernel, launch, step

FULL = {"blocks per SM": 0.5, "grid": [1, 2, 3]}
EVENTS = [
    step(1, 0, 100),
    launch(1, 1),
    kernel(2, 50, 1, **FULL),
    ("aten::mm", "cpu_op", 5, 10, 1, {"Input Dims": [[2]]}),
]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where profiles are kept, here of every size."""
    monkeypatch.setenv("TALLYBOARD_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(reading, "SMALL", 0)
    return tmp_path / "cache"


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The files that were read rather than found."""
    found: list[Path] = []
    real = chrome.read_chrome

    def read(path: Path) -> Profile:
        found.append(path)
        return real(path)

    monkeypatch.setattr(chrome, "read_chrome", read)
    return found


def told(profile: Profile) -> dict[str, Any]:
    """All that a profile has, as plain values."""
    events = profile.events
    columns = {name: getattr(events, name).tolist() for name in cache._COLUMNS}
    extras = {}
    for name in events.extras:
        rows, values = events.extras.sparse(name)
        plain = [values.names[code] for code in values.codes] if isinstance(values, Labels) else values.tolist()
        extras[name] = rows.tolist(), plain
    memory = {name: getattr(profile.allocations, name).tolist() for name in profile.allocations.__dataclass_fields__}
    facts = {name: getattr(profile, name) for name in (*cache._FACTS, "devices", "options", "skipped")}
    return {
        **columns,
        **facts,
        "extras": extras,
        "memory": memory,
        "names": [*events.names],
        "tracks": [*events.tracks],
    }


def test_the_second_time(write: Write, folder: Path, reads: list[Path]) -> None:
    """The second time nothing is read, and everything is the same, to the last argument and track."""
    path = write(*EVENTS, deviceProperties=[{"id": 0, "name": "V100"}], distributedInfo={"rank": 1, "world_size": 2})
    first, second = tb.read_profile(path), tb.read_profile(path)
    assert reads == [path]
    assert told(first) == told(second)
    assert second.events.start.dtype == np.float64
    assert str(first.verdict()) == str(second.verdict())
    assert len([*folder.iterdir()]) == 1


def test_a_trace_that_changed(write: Write, folder: Path, reads: list[Path]) -> None:
    """Of a file that has changed nothing old is shown."""
    path = write(*EVENTS)
    tb.read_profile(path)
    write(*EVENTS[:1])
    assert len(tb.read_profile(path).events) == 1
    os.utime(path, ns=(1, 1))
    tb.read_profile(path)
    assert len(reads) == 3


def test_damage_and_no_room(write: Write, folder: Path, reads: list[Path]) -> None:
    """What is kept and damaged is made anew; where nothing can be kept, the trace is read."""
    path = write(*EVENTS)
    tb.read_profile(path)
    (kept,) = folder.iterdir()
    kept.write_bytes(kept.read_bytes()[:100])
    assert len(tb.read_profile(path).events) == 4
    assert tb.read_profile(path).source == "torch"
    assert len(reads) == 2
    kept.unlink()
    folder.rmdir()
    folder.write_text("a file, where the directory should be")
    assert len(tb.read_profile(path).events) == 4


def test_switched_off(write: Write, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is kept where TALLYBOARD_CACHE says off, and nothing of small traces."""
    path = write(*EVENTS)
    monkeypatch.setenv("TALLYBOARD_CACHE", "off")
    tb.read_profile(path)
    monkeypatch.setenv("TALLYBOARD_CACHE", str(folder))
    monkeypatch.setattr(reading, "SMALL", 1 << 20)
    tb.read_profile(path)
    assert not folder.exists()


def test_bounds(write: Write, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was used last stays, within the bound of bytes."""
    monkeypatch.setattr(cache, "_UNUSED", 1e12)
    paths = [write(*EVENTS, name=f"{i}.pt.trace.json") for i in range(3)]
    for i, path in enumerate(paths):
        tb.read_profile(path)
        os.utime(cache._place(cache.key_of(path), None), (i, i) if i < 2 else None)  # type: ignore[arg-type]
    size = cache._place(cache.key_of(paths[0]), None).stat().st_size  # type: ignore[union-attr]
    monkeypatch.setattr(cache, "_MOST", 2 * size + size // 2)
    cache._tidy(folder)
    assert {path.name for path in folder.iterdir()} == {
        cache._place(cache.key_of(path), None).name for path in paths[1:]
    }  # type: ignore[union-attr]
