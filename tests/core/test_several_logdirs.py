"""Several logdirs in one store: each has its name, and none disturbs the others."""

from __future__ import annotations

import shutil
from pathlib import Path

import tallyboard as tb
from tallyboard.core.reader import LogdirReader
from tallyboard.core.store import Store


def write(logdir: Path, *runs: str) -> None:
    for run in runs:
        with tb.SummaryWriter(logdir / run) as writer:
            writer.add_scalar("loss", 1.0, 0)
            writer.add_text("note", "x", 0)


def names(store: Store) -> list[str]:
    return [run.name for run in store.runs()]


def test_runs_are_called_by_their_logdirs(tmp_path: Path) -> None:
    """The name stands before each run, and alone for a logdir that is a run itself."""
    write(tmp_path / "a", ".", "one")
    write(tmp_path / "b", "one", "two/deep")
    store = Store()
    store.expect(["left", "right side"])
    left = LogdirReader(tmp_path / "a", store, name="left")
    right = LogdirReader(tmp_path / "b", store, name="right side")

    left.poll()
    assert (names(store), store.state) == (["left", "left/one"], "loading")
    right.poll()
    assert (names(store), store.state) == (["left", "left/one", "right side/one", "right side/two/deep"], "ready")
    blobs = store.blobs("text", "right side/two/deep", "note/text_summary")
    assert blobs is not None
    assert right.fetch(blobs.ref[0])

    write(tmp_path / "b", "three")
    right.poll([str(tmp_path / "b" / "three")])
    assert "right side/three" in names(store)


def test_one_that_goes_leaves_the_others(tmp_path: Path) -> None:
    """A logdir that is deleted takes its runs along; the store waits only when all are gone."""
    write(tmp_path / "a", "one")
    write(tmp_path / "b", "one")
    store = Store()
    readers = [LogdirReader(tmp_path / name, store, name=name) for name in "ab"]
    for reader in readers:
        reader.poll()

    shutil.rmtree(tmp_path / "a")
    readers[0].poll()
    assert (names(store), store.state) == (["b/one"], "ready")
    shutil.rmtree(tmp_path / "b")
    readers[1].poll()
    assert (names(store), store.state) == ([], "waiting")
    write(tmp_path / "a", "again")
    readers[0].poll()
    assert (names(store), store.state) == (["a/again"], "ready")


def test_one_directory_twice(tmp_path: Path) -> None:
    """A directory that has two names has its runs under both."""
    write(tmp_path / "a", "one")
    store = Store()
    for name in ("x", "y"):
        LogdirReader(tmp_path / "a", store, name=name).poll()
    assert names(store) == ["x/one", "y/one"]


def test_each_name_has_its_index(tmp_path: Path) -> None:
    """What was read is kept for the next start under the same name, and under no other."""
    write(tmp_path / "a", "one", "two")
    for name, read_anew in (("x", True), ("y", True), ("", True), ("x", False), ("y", False), ("", False)):
        reader = LogdirReader(tmp_path / "a", name=name, cache=tmp_path / "cache")
        reader.poll()
        assert names(reader.store) == [f"{name}/{run}".lstrip("/") for run in ("one", "two")]
        assert bool(reader.unsaved) is read_anew, name
        assert reader.save()
