"""What makes a run, and what a logdir may hold without stopping anybody."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import tallyboard as tb
from tallyboard.core.places import LocalPlace
from tallyboard.core.reader import LogdirReader

from .test_follow import NAME, event_file, records, steps, warned


def kinds(place: LocalPlace) -> set[tuple[str, str, str]]:
    return {(entry.run, entry.kind, os.path.basename(entry.path)) for entry in place.walk().entries}


def touch(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"{}")
    return path


def test_what_makes_a_run(tmp_path: Path) -> None:
    """Event files, traces, a profile folder or a projector's configuration make their directory a run."""
    event_file(tmp_path / "events", b"")
    touch(tmp_path / "traced" / "host_1.123.pt.trace.json")
    touch(tmp_path / "packed" / "deep" / "host_1.123.pt.trace.json.gz")
    for name in (
        "trace.json",
        "trace_7.json",
        "rank0-trace.json.gz",
        "traces.json",
        "trace_of.json",
        "perfetto_trace.json",
    ):
        touch(tmp_path / "by_hand" / name)
    touch(tmp_path / "xla" / "plugins" / "profile" / "2026_01_01" / "host.xplane.pb")
    (tmp_path / "bare" / "plugins" / "profile").mkdir(parents=True)
    touch(tmp_path / "words" / "projector_config.pbtxt")
    touch(tmp_path / "plugins" / "profile" / "1" / "x.json")
    touch(tmp_path / "none" / "model.ckpt")
    touch(tmp_path / "none" / "plugins" / "other" / "x.json")

    found = kinds(LocalPlace(tmp_path))
    assert found == {
        ("events", "events", NAME),
        ("traced", "trace", "host_1.123.pt.trace.json"),
        ("packed/deep", "trace", "host_1.123.pt.trace.json.gz"),
        ("by_hand", "trace", "trace.json"),
        ("by_hand", "trace", "trace_7.json"),
        ("by_hand", "trace", "rank0-trace.json.gz"),
        ("xla", "profile", "profile"),
        ("xla", "profile", "host.xplane.pb"),
        ("bare", "profile", "profile"),
        ("words", "projector", "projector_config.pbtxt"),
        (".", "profile", "profile"),
        (".", "profile", "x.json"),
    }
    assert tb.read(tmp_path).runs == [".", "bare", "by_hand", "events", "packed/deep", "traced", "words", "xla"]


def test_looking_at_one_path_finds_what_the_walk_finds(tmp_path: Path) -> None:
    """Looked at by name, every file and directory has the same run and kind as in the walk."""
    event_file(tmp_path / "a" / "b", b"")
    touch(tmp_path / "a" / "plugins" / "profile" / "1" / "host.xplane.pb")
    touch(tmp_path / "plugins" / "profile" / "1" / "x.json")
    touch(tmp_path / "a" / "projector_config.pbtxt")
    place = LocalPlace(tmp_path)
    entries = place.walk().entries

    for entry in entries:
        found = place.look(entry.path)
        assert found is not None
        assert entry in found.entries
    for folder in {os.path.dirname(entry.path) for entry in entries}:
        found = place.look(folder)
        assert found is not None
        assert sorted(found.entries) == sorted(
            e for e in entries if e.path == folder or e.path.startswith(folder + "/")
        )
    assert place.look(str(tmp_path / "gone")) is None
    assert place.look(str(touch(tmp_path / "a" / "notes.txt"))) is None


def test_assets_are_in_the_store_and_followed(tmp_path: Path) -> None:
    """A run lists its traces and the like; what grows, comes or goes is followed, and the run goes with the last."""
    trace = touch(tmp_path / "a" / "x.pt.trace.json")
    reader = LogdirReader(tmp_path)
    reader.poll()

    def assets() -> list[tuple[str, str, int]]:
        return [
            (asset.kind, os.path.basename(asset.path), asset.size)
            for run in reader.store.runs()
            for asset in run.assets
        ]

    assert assets() == [("trace", "x.pt.trace.json", 2)]
    assert not reader.poll()
    trace.write_bytes(b"{}{}")
    touch(tmp_path / "a" / "projector_config.pbtxt")
    event_file(tmp_path / "a", records(range(2)))
    assert reader.poll()
    assert assets() == [("projector", "projector_config.pbtxt", 2), ("trace", "x.pt.trace.json", 4)]
    assert steps(reader) == [0, 1]
    (tmp_path / "a" / NAME).unlink()
    reader.poll()
    assert len(assets()) == 2
    assert steps(reader) == []
    trace.unlink()
    reader.poll([str(trace)])
    (tmp_path / "a" / "projector_config.pbtxt").unlink()
    reader.poll()
    assert reader.store.runs() == []


def test_loops_of_links_end(tmp_path: Path) -> None:
    """Twelve directories that all link to each other and to the top are walked through at once, and each is found."""
    for i in range(12):
        event_file(tmp_path / f"d{i}", records(range(1)))
        (tmp_path / f"d{i}" / "top").symlink_to(tmp_path)
        for j in range(12):
            (tmp_path / f"d{i}" / f"to{j}").symlink_to(tmp_path / f"d{j}")
    (tmp_path / "nowhere").symlink_to(tmp_path / "missing")
    (tmp_path / "itself").symlink_to(tmp_path / "itself")

    runs = tb.read(tmp_path).runs
    assert {f"d{i}" for i in range(12)} <= set(runs)
    assert len(runs) <= 12 + 12 * 12


def test_a_directory_that_may_not_be_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is said on its run, once; what was read of it before stays; and all is well when it may be listed again."""
    event_file(tmp_path / "a", records(range(3)))
    (tmp_path / "b").mkdir()
    reader = LogdirReader(tmp_path)
    reader.poll()
    real = os.scandir

    def refuse(path: str) -> Any:
        if os.path.basename(path) in ("a", "b"):
            raise PermissionError(errno.EACCES, "Permission denied", path)
        return real(path)

    with monkeypatch.context() as patched:
        patched.setattr(os, "scandir", refuse)
        for _ in range(3):
            reader.poll()
        assert steps(reader) == [0, 1, 2]
        assert {run: warned(reader, run) for run in "ab"} == {run: [("unreadable_directory", 1)] for run in "ab"}
        assert {w.message for info in reader.store.runs() for w in info.warnings} == {
            "a cannot be listed: Permission denied",
            "b cannot be listed: Permission denied",
        }
    reader.poll()
    assert [info.name for info in reader.store.runs()] == ["a"]


def test_a_logdir_that_may_not_be_listed_keeps_what_was_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the logdir itself cannot be listed, polling raises and drops nothing."""
    event_file(tmp_path / "a", records(range(3)))
    reader = LogdirReader(tmp_path)
    reader.poll()
    with monkeypatch.context() as patched:
        patched.setattr(os, "scandir", lambda path: (_ for _ in ()).throw(OSError(errno.EIO, "Input/output error")))
        with pytest.raises(OSError, match="Input/output error"):
            reader.poll()
    assert steps(reader) == [0, 1, 2]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no FIFOs here")
def test_a_fifo_that_takes_a_files_place_is_not_waited_for(tmp_path: Path) -> None:
    """A FIFO put in the place of an event file between being looked at and being read does not block."""
    path = event_file(tmp_path / "a", records(range(3)))
    place = LocalPlace(tmp_path)
    path.unlink()
    os.mkfifo(path)

    with pytest.raises(OSError, match="Not a regular file"):
        place.read_at(str(path), 0, memoryview(bytearray(10)))


def test_names_that_are_not_utf_8(tmp_path: Path) -> None:
    """A run whose name is not UTF-8 is read like any other, under a name that survives the way to the page and back."""
    folder = os.path.join(os.fsencode(tmp_path), b"caf\xe9")
    try:
        os.mkdir(folder)
    except OSError:
        pytest.skip("this file system takes UTF-8 only")
    event_file(Path(os.fsdecode(folder)), records(range(3)))

    reader = LogdirReader(tmp_path)
    reader.poll()
    assert [info.name for info in reader.store.runs()] == ["caf\udce9"]
    assert steps(reader, "caf\udce9") == [0, 1, 2]


class Named:
    """An entry of a directory that says when more than its name is asked for."""

    def __init__(self, entry: os.DirEntry[str], asked: list[str]) -> None:
        self.name, self.path = entry.name, entry.path
        self.is_dir, self.is_symlink = entry.is_dir, entry.is_symlink  # the listing itself tells these
        self._entry, self._asked = entry, asked

    def stat(self) -> os.stat_result:
        self._asked.append(self.name)
        return self._entry.stat()


def test_ten_thousand_files_in_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Other files in a run's directory cost a look at their names: none of them is looked at itself."""
    event_file(tmp_path, records(range(3)))
    for i in range(10_000):
        (tmp_path / f"step{i}.npy").touch()
    scandir, asked = os.scandir, list[str]()

    @contextmanager
    def named(path: str) -> Iterator[Iterator[Named]]:
        with scandir(path) as entries:
            yield (Named(entry, asked) for entry in entries)

    reader = LogdirReader(tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr(os, "scandir", named)
        reader.poll()
    assert steps(reader, ".") == [0, 1, 2]
    assert asked == [NAME]
    assert [asset for info in reader.store.runs() for asset in info.assets] == []
