"""Following a logdir: everything whole is read, as it comes, whatever else happens to the files."""

from __future__ import annotations

import os
import shutil
import threading
from pathlib import Path

import numpy as np
import pytest

import tallyboard as tb
from tallyboard.core import reader as reader_module
from tallyboard.core.errors import CorruptRecord
from tallyboard.core.logdir import read
from tallyboard.core.reader import LogdirReader
from tallyboard.core.record import frame
from tallyboard.core.series import Series
from tallyboard.core.sink import FileSink
from tallyboard.core.store import BlobRef
from tallyboard.core.summary import Event, scalar, text
from tallyboard.core.wire import encode_event, encode_file_version


def records(steps: range, tag: str = "loss") -> bytes:
    return b"".join(frame(encode_event(Event(i, 1.0 + i, scalar(tag, i / 2)))) for i in steps)


def event_file(folder: Path, data: bytes, name: str = "events.out.tfevents.1.host") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_bytes(frame(encode_file_version(1.0)) + data)
    return path


def steps(reader: LogdirReader, run: str = ".", tag: str = "loss") -> list[int]:
    series = reader.store.scalars(run, tag)
    return [] if series is None else series.step.tolist()


def test_runs_are_directories_with_event_files(tmp_path: Path) -> None:
    """Every directory with an event file is a run, named relative to the logdir; nothing else is."""
    event_file(tmp_path, b"")
    event_file(tmp_path / "b" / "train", b"")
    event_file(tmp_path / "run10", b"", "old.tfevents.1")
    event_file(tmp_path / "run2", b"")
    event_file(tmp_path / "none", b"", "events.out.tfevents.1.profile-empty")
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.txt").write_text("hello")

    assert read(tmp_path).runs == [".", "b/train", "run2", "run10"]


def test_every_point_is_kept(tmp_path: Path) -> None:
    """All points come back with exact step, wall time and value, in the order written."""
    event_file(tmp_path / "a", records(range(5000)) + records(range(100), "other"))

    series = read(tmp_path).scalars()["a", "loss"]

    assert isinstance(series, Series)
    assert series.step.tolist() == list(range(5000))
    assert series.wall_time.tolist() == [1.0 + i for i in range(5000)]
    assert series.value.tolist() == [i / 2 for i in range(5000)]
    assert (series.step.dtype, series.wall_time.dtype, series.value.dtype) == (np.int64, np.float64, np.float32)


def test_files_of_a_run_are_joined_in_order(tmp_path: Path) -> None:
    """A run's files are read in the order of their names, all of them."""
    event_file(tmp_path, records(range(10, 20)), "events.out.tfevents.2.host")
    event_file(tmp_path, records(range(10)), "events.out.tfevents.1.host")

    assert read(tmp_path).scalars()[".", "loss"].step.tolist() == list(range(20))


def test_grows_byte_by_byte(tmp_path: Path) -> None:
    """A file that grows one byte at a time shows each record as soon as it is whole, and never warns."""
    data = records(range(4))
    path = event_file(tmp_path, b"")
    reader = LogdirReader(tmp_path)
    seen: list[int] = []
    with path.open("ab", buffering=0) as file:
        for byte in data:
            file.write(bytes([byte]))
            reader.poll()
            seen.append(len(steps(reader)))

    size = len(data) // 4
    assert [seen.index(n) for n in (1, 2, 3, 4)] == [
        len(records(range(1))) - 1,
        *(len(records(range(n))) - 1 for n in (2, 3, 4)),
    ]
    assert size
    assert reader.store.runs()[0].warnings == ()


def test_polling_without_news_publishes_nothing(tmp_path: Path) -> None:
    """A poll that finds nothing new keeps the version, also where a torn tail waits."""
    path = event_file(tmp_path, records(range(3)))
    with path.open("ab") as file:
        file.write(records(range(1))[:-3])
    reader = LogdirReader(tmp_path)
    assert reader.poll()
    version = reader.store.version

    assert not reader.poll()
    assert reader.store.version == version


def test_new_runs_and_files_are_found(tmp_path: Path) -> None:
    """Runs, files and tags that appear later are followed too."""
    event_file(tmp_path / "a", records(range(3)))
    reader = LogdirReader(tmp_path)
    reader.poll()
    event_file(tmp_path / "a", records(range(3, 6)), "events.out.tfevents.2.host")
    event_file(tmp_path / "b", records(range(2), "acc"))

    assert reader.poll()
    assert steps(reader, "a") == list(range(6))
    assert steps(reader, "b", "acc") == [0, 1]


def test_logdir_that_comes_later(tmp_path: Path) -> None:
    """A logdir that is not there is waited for; it is loading when found, and ready when read."""
    reader = LogdirReader(tmp_path / "later")
    reader.poll()
    assert reader.store.state == "waiting"
    states: list[str] = []
    reader.store.subscribe(lambda _: states.append(reader.store.state))
    event_file(tmp_path / "later", records(range(3)))

    assert reader.poll()
    assert states == ["loading", "ready"]
    assert steps(reader) == [0, 1, 2]


def test_logdir_that_goes(tmp_path: Path) -> None:
    """A logdir that is deleted leaves no runs behind, and is waited for again."""
    event_file(tmp_path / "logs" / "a", records(range(3)))
    reader = LogdirReader(tmp_path / "logs")
    reader.poll()
    shutil.rmtree(tmp_path / "logs")

    assert reader.poll()
    assert (reader.store.state, reader.store.runs()) == ("waiting", [])


def test_deleted_run_is_dropped(tmp_path: Path) -> None:
    """A run whose directory is deleted is dropped; the others stay."""
    event_file(tmp_path / "a", records(range(3)))
    event_file(tmp_path / "b", records(range(3)))
    reader = LogdirReader(tmp_path)
    reader.poll()
    shutil.rmtree(tmp_path / "a")
    reader.poll()

    assert [info.name for info in reader.store.runs()] == ["b"]
    assert steps(reader, "a") == []
    assert steps(reader, "b") == [0, 1, 2]


def test_replaced_file_is_read_anew(tmp_path: Path) -> None:
    """A file cut or replaced makes its run be read again from its start, with a warning."""
    path = event_file(tmp_path, records(range(10)))
    reader = LogdirReader(tmp_path)
    reader.poll()
    event_file(tmp_path, records(range(3), "other"))
    reader.poll()

    assert path.exists()
    assert (steps(reader), steps(reader, tag="other")) == ([], [0, 1, 2])
    assert [(w.kind, w.count) for w in reader.store.runs()[0].warnings] == [("file_replaced", 1)]


@pytest.mark.parametrize("where", ["length", "length checksum", "data", "data checksum"])
def test_flipped_bit_is_skipped_counted_and_said(where: str, tmp_path: Path) -> None:
    """A flipped bit anywhere in a record costs that record, and the run says so in words."""
    path = event_file(tmp_path, records(range(20)))
    data = bytearray(path.read_bytes())
    size = len(records(range(1, 2)))
    start = len(data) - 10 * size
    data[start + {"length": 1, "length checksum": 9, "data": 25, "data checksum": size - 2}[where]] ^= 4
    path.write_bytes(data)

    logdir = read(tmp_path)

    assert logdir.scalars()[".", "loss"].step.tolist() == [*range(10), *range(11, 20)]
    (warned,) = logdir.warnings["."]
    kind = "corrupt_region" if where.startswith("length") else "corrupt_record"
    assert (warned.kind, warned.count) == (kind, 1)
    assert path.name in warned.message
    assert f"offset {start}" in warned.message
    assert "skipped" in warned.message


def test_damage_at_the_end_is_counted_once_and_healed_over(tmp_path: Path) -> None:
    """A damaged tail is counted once, however often it is looked at, and what follows later is found."""
    path = event_file(tmp_path, records(range(5)))
    with path.open("ab") as file:
        file.write(b"\x07" * 40)
    reader = LogdirReader(tmp_path)
    for _ in range(3):
        reader.poll()
        with path.open("ab") as file:
            file.write(b"\x07" * 5)
    with path.open("ab") as file:
        file.write(records(range(5, 8)))
    reader.poll()

    assert steps(reader) == list(range(8))
    assert [(w.kind, w.count) for w in reader.store.runs()[0].warnings] == [("corrupt_region", 1)]


def test_garbage_files_are_survived(tmp_path: Path) -> None:
    """Files of zeros, noise, nothing, or an image are no runs' end: they warn, and the others are read."""
    rng = np.random.default_rng(3)
    for name, data in {
        "zero": bytes(5000),
        "noise": rng.bytes(200_000),
        "none": b"",
        "png": b"\x89PNG" + rng.bytes(999),
    }.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "events.out.tfevents.1").write_bytes(data)
    event_file(tmp_path / "good", records(range(3)))

    logdir = read(tmp_path)

    assert logdir.scalars()["good", "loss"].step.tolist() == [0, 1, 2]
    assert set(logdir.warnings) == {"zero", "noise", "png"}


def test_undecodable_event_is_counted(tmp_path: Path) -> None:
    """A record that is intact but no event is skipped and counted."""
    event_file(tmp_path, records(range(2)) + frame(b"\xff\xff\xff\xff") + records(range(2, 4)))

    logdir = read(tmp_path)

    assert logdir.scalars()[".", "loss"].step.tolist() == [0, 1, 2, 3]
    assert [(w.kind, w.count) for w in logdir.warnings["."]] == [("undecodable_event", 1)]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no FIFOs here")
def test_fifo_and_link_loop_do_not_hang(tmp_path: Path) -> None:
    """A FIFO named like an event file is not opened, and a link to a folder above is not followed for ever."""
    event_file(tmp_path / "a", records(range(2)))
    os.mkfifo(tmp_path / "a" / "events.out.tfevents.9")
    (tmp_path / "a" / "up").symlink_to(tmp_path)

    assert "a" in read(tmp_path).runs
    assert len(read(tmp_path).runs) <= 2


def test_linked_run_is_followed(tmp_path: Path) -> None:
    """A link to a directory elsewhere is a run."""
    event_file(tmp_path / "elsewhere", records(range(2)))
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "linked").symlink_to(tmp_path / "elsewhere")

    assert read(tmp_path / "logs").runs == ["linked"]


def test_batches_and_records_longer_than_a_batch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With small batches, and a record longer than one, everything is still read once and in order."""
    monkeypatch.setattr(reader_module, "BATCH_BYTES", 1000)
    long = frame(encode_event(Event(7, 1.0, text("notes", "x" * 5000))))
    event_file(tmp_path / "a", records(range(100)) + long + records(range(100, 200)))
    event_file(tmp_path / "b", records(range(70)))

    logdir = read(tmp_path)

    assert logdir.scalars()["a", "loss"].step.tolist() == list(range(200))
    assert logdir.scalars()["b", "loss"].step.tolist() == list(range(70))
    assert logdir.texts()["a", "notes"].value == ["x" * 5000]
    assert logdir.warnings == {}


def test_texts_are_read_from_disk_when_asked(tmp_path: Path) -> None:
    """Text series have their steps, wall times and strings."""
    with tb.SummaryWriter(tmp_path) as writer:
        writer.add_text("notes", "first", 1, 10.0)
        writer.add_text("notes", ["second", "third"], 2, 20.0)

    series = read(tmp_path).texts()[".", "notes/text_summary"]

    assert (series.step.tolist(), series.wall_time.tolist()) == ([1, 2], [10.0, 20.0])
    assert series.value == ["first", "second\n\nthird"]
    assert len(series) == 2


def test_fetch_of_what_is_gone(tmp_path: Path) -> None:
    """Fetching a value whose file is gone or cut is a typed error, not a wrong answer."""
    path = event_file(tmp_path, b"")
    reader = LogdirReader(tmp_path)

    with pytest.raises(CorruptRecord, match="are no longer there"):
        reader.fetch(BlobRef(str(path), 10, 10_000))
    with pytest.raises(CorruptRecord, match="nowhere"):
        reader.fetch(BlobRef(str(tmp_path / "nowhere"), 0, 4))


@pytest.mark.parametrize(("name", "words"), [("none", "does not exist"), ("file", "is a file")])
def test_read_of_no_directory(name: str, words: str, tmp_path: Path) -> None:
    """tb.read of something that is no directory says so."""
    (tmp_path / "file").write_text("x")

    with pytest.raises(tb.InvalidLogdir, match=f"{words}; give the directory"):
        tb.read(tmp_path / name)


def test_refresh_reads_what_has_come(tmp_path: Path) -> None:
    """A Logdir stays what it was until refreshed, then has everything."""
    sink = FileSink(tmp_path)
    sink.write(Event(1, 1.0, scalar("loss", 1)))
    logdir = read(tmp_path)
    sink.write(Event(2, 2.0, scalar("loss", 2)))
    before = len(logdir.scalars()[".", "loss"])

    assert logdir.refresh()
    assert (before, len(logdir.scalars()[".", "loss"])) == (1, 2)
    assert not logdir.refresh()
    sink.close()


def test_reading_while_writing_loses_nothing(tmp_path: Path) -> None:
    """A reader that polls all the while a writer writes ends with every point, once, in order."""
    reader = LogdirReader(tmp_path)
    done = threading.Event()
    polls = written = 0

    def write() -> None:
        nonlocal written
        with tb.SummaryWriter(tmp_path, flush_secs=0.001) as writer:
            while written < 30_000 or polls < 10:
                writer.add_scalar("loss", written * 0.5, written)
                writer.add_scalar("acc", 1.0, written)
                written += 1
        done.set()

    thread = threading.Thread(target=write, daemon=True)
    thread.start()
    while not done.is_set():
        reader.poll()
        polls += 1
    thread.join()
    reader.poll()

    for tag in ("loss", "acc"):
        assert steps(reader, tag=tag) == list(range(written))
    assert reader.store.runs()[0].warnings == ()


def test_unreadable_file_warns_once_and_heals(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that may not be read warns once, and is read when it may be."""
    event_file(tmp_path, records(range(3)))
    reader = LogdirReader(tmp_path)

    def refuse(*_: object) -> int:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patched:
        patched.setattr(reader.place, "read_at", refuse)
        reader.poll()
        reader.poll()
    reader.poll()

    assert steps(reader) == [0, 1, 2]
    (warned,) = reader.store.runs()[0].warnings
    assert (warned.kind, warned.count) == ("unreadable_file", 1)
    assert "Permission denied" in warned.message
