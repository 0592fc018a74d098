"""Sinks: order, barriers, and what happens when the disk does not play along."""

from __future__ import annotations

import errno
import os
import threading
import warnings
from pathlib import Path
from typing import Any

import pytest

from tallyboard.core import sink as module
from tallyboard.core.errors import InvalidLogdir, TallyboardWarning
from tallyboard.core.logdir import read
from tallyboard.core.sink import AsyncSink, FileSink, MemorySink, Sink, TeeSink
from tallyboard.core.summary import DataClass, Event, Summary, scalar, text
from tallyboard.core.values import Later

SINKS = ["file", "async", "tee", "memory"]


def event(step: int, tag: str = "loss") -> Event:
    return Event(step, 100.0 + step, scalar(tag, step / 4))


def make(kind: str, folder: Path) -> Sink:
    made: dict[str, Any] = {
        "file": lambda: FileSink(folder),
        "async": lambda: AsyncSink(FileSink(folder)),
        "tee": lambda: TeeSink(FileSink(folder), MemorySink()),
        "memory": MemorySink,
    }
    return made[kind]()


class BrokenSink:
    """Fails as long as `error` is set; keeps what it gets otherwise."""

    def __init__(self, error: OSError | None) -> None:
        self.error = error
        self.steps: list[int] = []
        self.tries = 0

    def write(self, event: Event, /) -> None:
        self.tries += 1
        if self.error is not None:
            raise self.error
        self.steps.append(event.step)

    def flush(self) -> None:
        if self.error is not None:
            raise self.error

    def close(self) -> None:
        pass


@pytest.mark.parametrize("kind", SINKS)
def test_contract(kind: str, tmp_path: Path) -> None:
    """Every sink keeps order, can be read after flush, and may be closed twice."""
    sink = make(kind, tmp_path)
    for step in range(50):
        sink.write(event(step))
    sink.flush()

    if isinstance(sink, MemorySink):
        assert sink.events == [event(step) for step in range(50)]
    else:
        series = read(tmp_path).scalars()[".", "loss"]
        assert series.step.tolist() == list(range(50))
        assert series.value.tolist() == [step / 4 for step in range(50)]
        assert series.wall_time.tolist() == [100.0 + step for step in range(50)]
    sink.close()
    sink.close()


def test_file_name_and_first_record(tmp_path: Path) -> None:
    """The file is named as TensorBoard looks for it, and says which version it has."""
    sink = FileSink(tmp_path, filename_suffix=".x")
    sink.open()
    sink.close()

    (path,) = tmp_path.iterdir()
    parts = path.name.split(".")
    assert path.name.startswith("events.out.tfevents.")
    assert path.name.endswith(f".{os.getpid()}.{parts[-2]}.x")
    assert b"brain.Event:2" in path.read_bytes()


def test_two_files_in_one_directory_never_clash(tmp_path: Path) -> None:
    """Two hundred files made at once in one directory are two hundred files."""
    sinks = [FileSink(tmp_path) for _ in range(200)]
    for sink in sinks:
        sink.open()
        sink.close()

    assert len({sink.path for sink in sinks}) == len(list(tmp_path.iterdir())) == 200


@pytest.mark.parametrize("inside", ["", "deeper/run"])
def test_log_dir_that_is_a_file(inside: str, tmp_path: Path) -> None:
    """A log_dir at or below a regular file is a clear error at once."""
    (tmp_path / "notes.txt").write_text("hello")

    with pytest.raises(InvalidLogdir, match=r"notes\.txt' is a file; give a directory"):
        FileSink(tmp_path / "notes.txt" / inside)


@pytest.mark.parametrize("log_dir", ["s3://bucket/run", "", "a\0b"])
def test_log_dir_that_is_no_local_path(log_dir: str) -> None:
    """A remote or impossible log_dir is a clear error at once."""
    with pytest.raises(InvalidLogdir, match="give a"):
        FileSink(log_dir)


def test_failed_write_leaves_no_torn_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A write that the disk takes only half of is undone, and the next one finds a whole file."""
    sink = FileSink(tmp_path)
    sink.write(event(1))
    real = os.write
    full = False

    def half(fd: int, data: Any) -> int:
        nonlocal full
        if full:
            raise OSError(errno.ENOSPC, "No space left on device")
        full = True
        return real(fd, bytes(data)[: len(data) // 2])

    monkeypatch.setattr(os, "write", half)
    with pytest.raises(OSError, match="No space"):
        sink.write(event(2))
    monkeypatch.undo()
    sink.write(event(3))
    sink.close()

    logdir = read(tmp_path)
    assert logdir.scalars()[".", "loss"].step.tolist() == [1, 3]
    assert logdir.warnings == {}


def test_tee_serves_the_others_when_one_fails() -> None:
    """One failing sink of a tee does not keep the others from the event; its error is still raised."""
    kept = MemorySink()
    tee = TeeSink(BrokenSink(OSError("gone")), kept)

    with pytest.raises(OSError, match="gone"):
        tee.write(event(1))

    assert kept.events == [event(1)]


def test_async_flush_is_a_barrier() -> None:
    """After flush everything written before has reached the inner sink, in order, mixed kinds too."""
    inner = MemorySink()
    sink = AsyncSink(inner, interval=3600)
    expected: list[Event] = []
    for step in range(1000):
        one = Event(step, 1.0, text("t", "x")) if step % 7 == 0 else event(step)
        expected.append(one)
        if step % 7:
            sink.rows.extend(("loss", step / 4, step, 100.0 + step))
        else:
            sink.write(one)
    sink.flush()

    assert inner.events == expected
    sink.close()


def test_async_writes_without_flush() -> None:
    """What waits is written by the background thread within its interval, nobody asking."""
    arrived = threading.Event()

    class Signalling(MemorySink):
        def write(self, event: Event, /) -> None:
            super().write(event)
            arrived.set()

    sink = AsyncSink(Signalling(), interval=0.01)
    sink.write(event(1))

    assert arrived.wait(60)
    sink.close()


def test_many_writers_one_thread(tmp_path: Path) -> None:
    """A hundred sinks share one background thread."""
    before = threading.active_count()
    sinks = [AsyncSink(MemorySink()) for _ in range(100)]

    assert threading.active_count() <= before + 1
    for sink in sinks:
        sink.close()


def test_async_failure_warns_once_keeps_and_recovers() -> None:
    """A failing sink raises nothing and warns once; when it recovers, everything arrives once and in order."""
    inner = BrokenSink(OSError(errno.ENOSPC, "No space left on device"))
    sink = AsyncSink(inner, interval=3600)
    with pytest.warns(TallyboardWarning, match="No space left on device.*free some space"):  # noqa: PT031
        sink.write(event(0))  # the thread may come to it before the flush, woken by whoever came before
        sink.flush()
    for step in range(1, 20):
        sink.write(event(step))
        sink.flush()  # a second warning would be an error here

    assert inner.steps == []
    inner.error = None
    sink.write(event(20))
    sink.flush()
    assert inner.steps == list(range(21))
    assert sink.lost == 0
    sink.close()


def test_async_drops_what_can_never_be_written() -> None:
    """An event that fails for a reason of its own is dropped and counted; the ones after it arrive."""

    class Picky(MemorySink):
        def write(self, event: Event, /) -> None:
            if event.summary.tag == "poison":
                raise RuntimeError("cannot encode this")
            super().write(event)

    inner = Picky()
    sink = AsyncSink(inner, interval=3600)
    with pytest.warns(TallyboardWarning, match="1 events were dropped.*RuntimeError: cannot encode this"):  # noqa: PT031
        sink.write(event(1, "poison"))  # the thread may come to it before the flush
        sink.write(event(2))
        sink.flush()

    assert (inner.events, sink.lost) == ([event(2)], 1)
    with pytest.warns(TallyboardWarning, match="closed with 1 events lost"):
        sink.close()


def test_async_says_how_much_was_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    """Closing a sink that never recovered says how many events went with it."""
    sink = AsyncSink(BrokenSink(OSError(errno.EROFS, "Read-only file system")), interval=3600)

    with pytest.warns(TallyboardWarning) as caught:  # noqa: PT031 - the thread may come to any of them before the end
        for step in range(7):
            sink.write(event(step))
        sink.close()

    texts = [str(warning.message) for warning in caught]
    assert any("closed with 7 events lost" in line for line in texts), texts
    assert sink.lost == 7


def test_async_backlog_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """While the disk fails only a bounded number of events is kept, and the loss is counted."""
    monkeypatch.setattr(AsyncSink, "BACKLOG_MAX", 100)
    inner = BrokenSink(OSError(errno.ENOSPC, "No space left on device"))
    sink = AsyncSink(inner, interval=3600)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TallyboardWarning)
        for turn in range(30):
            for step in range(10):
                sink.write(event(10 * turn + step))
            sink.flush()
        inner.error = None
        sink.flush()
        sink.close()

    assert inner.steps == list(range(100))
    assert sink.lost == 200


def test_rows_from_many_threads_all_arrive() -> None:
    """Threads that write while the sink is drained lose nothing and keep their own order."""
    inner = MemorySink()
    sink = AsyncSink(inner, interval=0.005)

    def work(name: int) -> None:
        for step in range(5000):
            sink.rows.extend((f"t{name}", 0.0, step, 0.0))

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sink.flush()

    for name in range(4):
        assert [e.step for e in inner.events if e.summary.tag == f"t{name}"] == list(range(5000))
    sink.close()


def test_large_values_are_made_beside_the_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    """A value that takes long to make wakes the background thread at once; a small one waits for its turn."""
    woken: list[int] = []
    sink = AsyncSink(MemorySink(), interval=60)
    monkeypatch.setattr(module._pump, "wake", lambda: woken.append(len(sink.rows)))

    def put(nbytes: int) -> None:
        sink.write(Event(0, 0.0, Summary("h", "histograms", DataClass.TENSOR, Later(lambda: (b"made",), nbytes))))

    put(1000)
    assert woken == []
    put(AsyncSink.BYTES_WAKE)
    assert len(woken) == 1
    monkeypatch.undo()
    sink.close()
    assert [event.summary.value for event in sink.inner.events] == [(b"made",)] * 2  # type: ignore[attr-defined]
