"""Following a logdir: what happens on disk is in the store soon, once, and at the cost of what happened."""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import tallyboard as tb
from tallyboard.core import watching as watching_module
from tallyboard.core.follow import LONGEST_PAUSE, LONGEST_WHOLE_LOOK, SHORTEST_PAUSE, WHOLE_LOOK, Follower
from tallyboard.core.places import Listing, LocalPlace
from tallyboard.core.reader import LogdirReader
from tallyboard.core.record import frame
from tallyboard.core.summary import Event, scalar
from tallyboard.core.wire import encode_event, encode_file_version

DEADLINE = 60.0
NAME = "events.out.tfevents.1.host"
VERSION = frame(encode_file_version(1.0))


def records(steps: range, tag: str = "loss", wall: float = 1.0) -> bytes:
    return b"".join(frame(encode_event(Event(i, wall + i, scalar(tag, i / 2)))) for i in steps)


def event_file(folder: Path, data: bytes, name: str = NAME) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_bytes(VERSION + data)
    return path


class CountingPlace(LocalPlace):
    """A local place that counts what is asked of it."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.walks = 0
        self.looked: list[str] = []
        self.bytes_read: dict[str, int] = {}

    def walk(self) -> Listing:
        listing = super().walk()
        self.walks += 1
        return listing

    def look(self, path: str) -> Listing | None:
        self.looked.append(path)
        return super().look(path)

    def read_at(self, path: str, offset: int, into: memoryview) -> int:
        count = super().read_at(path, offset, into)
        self.bytes_read[path] = self.bytes_read.get(path, 0) + count
        return count


def steps(reader: LogdirReader, run: str = "a", tag: str = "loss") -> list[int]:
    series = reader.store.scalars(run, tag)
    return [] if series is None else series.step.tolist()


def warned(reader: LogdirReader, run: str = "a") -> list[tuple[str, int]]:
    infos = {info.name: info for info in reader.store.runs()}
    return [(warning.kind, warning.count) for warning in infos[run].warnings]


@contextmanager
def following(
    reader: LogdirReader, *, watching: bool = True, clock: Callable[[], float] = time.monotonic
) -> Iterator[Follower]:
    """A thread that follows, past its first look; with a watch, if there is to be one."""
    follower = Follower(reader, watching=watching, clock=clock)
    stopping, failed = threading.Event(), list[BaseException]()

    def run() -> None:
        try:
            while not stopping.is_set():
                follower.poll()
                follower.wait(stopping)
        except BaseException as error:
            failed.append(error)
            raise

    thread = threading.Thread(target=run)
    thread.start()
    try:
        until(
            lambda: follower.watched == (watching and os.path.isdir(reader.logdir)) and reader.store.state != "loading"
        )
        yield follower
    finally:
        stopping.set()
        thread.join(DEADLINE)
        follower.close()
    assert not thread.is_alive()
    assert not failed


def until(condition: Callable[[], Any]) -> None:
    """Waits until something is true."""
    end = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.002)


both = pytest.mark.parametrize("watching", [True, False], ids=["told", "looking"])


class Patience:
    """Stands for the clock, and for the Event that ends the following: it moves by the rests that are taken, alone."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    def is_set(self) -> bool:
        return False

    def wait(self, timeout: float | None = None) -> bool:
        assert timeout is not None
        self.now += timeout
        return False


def changes(path: Path) -> Iterator[tuple[str, list[int]]]:
    """Writes one thing after the other: to an old file, a new one, and a new run. Yields what is to be seen, where."""
    folder = path.parent
    wanted = [0, 1, 2]
    for i in range(3, 6):
        with path.open("ab") as file:
            file.write(records(range(i, i + 1)))
        wanted.append(i)
        yield folder.name, wanted
    for i in range(3):
        event_file(folder, records(range(10 + i, 11 + i)), f"events.out.tfevents.{i + 2}.host")
        wanted.append(10 + i)
        yield folder.name, wanted
        event_file(folder.parent / "new" / str(i), records(range(1)))
        yield f"new/{i}", [0]


def test_looking_finds_new_points_within_300_ms(tmp_path: Path) -> None:
    """Where nobody tells, and a look takes a millisecond: from the write to the store are less than 300 ms of rest."""
    path = event_file(tmp_path / "a", records(range(3)))
    clock = Patience()
    reader = LogdirReader(tmp_path)
    follower = Follower(reader, watching=False, clock=clock)
    poll = reader.poll

    def quick_poll(*arguments: Any) -> bool:
        changed = poll(*arguments)
        reader.look_seconds = 0.001
        clock.now += 0.001
        return changed

    reader.poll = quick_poll  # type: ignore[method-assign]
    follower.poll()
    for run, wanted in changes(path):
        began = clock.now
        while steps(reader, run) != wanted:
            follower.wait(clock)
            follower.poll()
            assert clock.now - began < 0.3
    follower.close()


def test_news_are_enough_to_find_new_points(tmp_path: Path) -> None:
    """Where the system tells, what it says at once leads to each new point: nothing is looked through, no time passes.

    The news are gathered for a tenth of a second or so.
    """
    path = event_file(tmp_path / "a", records(range(3)))
    place = CountingPlace(tmp_path)
    reader = LogdirReader(tmp_path, place=place)
    follower = Follower(reader, clock=lambda: 100.0)
    follower.poll()
    follower.poll()
    assert (follower.watched, place.walks) == (True, 2)
    stopping = threading.Event()
    given_up = threading.Timer(DEADLINE, stopping.set)
    given_up.start()
    for run, wanted in changes(path):
        while steps(reader, run) != wanted:
            assert not stopping.is_set(), run
            follower.wait(stopping)
            follower.poll()
    given_up.cancel()
    follower.close()

    assert place.walks == 2
    assert watching_module.DEBOUNCE_MS + watching_module.STEP_MS < 300


def test_one_new_point_costs_the_same_among_many_runs(tmp_path: Path) -> None:
    """A new point among 500 runs makes one file be looked at, and the point and 64 bytes before it be read."""
    for i in range(500):
        event_file(tmp_path / f"run{i}", records(range(2)))
    place = CountingPlace(tmp_path)
    reader = LogdirReader(tmp_path, place=place)
    grown = tmp_path / "run77" / NAME
    with following(reader, clock=lambda: 100.0):  # however long it takes, no look at everything is due
        until(lambda: place.walks == 2)  # the second is for what came before the watch
        place.looked.clear()
        place.bytes_read.clear()
        point = records(range(2, 3))
        with grown.open("ab") as file:
            file.write(point)
        until(lambda: steps(reader, "run77") == [0, 1, 2])

        assert place.walks == 2
        assert set(place.looked) == {str(grown)}
        assert place.bytes_read == {str(grown): 64 + len(point)}


def test_at_rest_nothing_is_looked_at(tmp_path: Path) -> None:
    """Where the system tells, an idle logdir is not looked through before the safety look is due, 10 s later."""
    event_file(tmp_path / "a", records(range(3)))
    now = [100.0]
    place = CountingPlace(tmp_path)
    follower = Follower(LogdirReader(tmp_path, place=place), clock=lambda: now[0])
    follower.poll()
    follower.poll()
    assert (follower.watched, place.walks) == (True, 2)
    for second in range(1, 13):
        now[0] = 100.0 + second
        follower.poll()
        assert (place.walks, place.looked) == (2 + (second >= WHOLE_LOOK), [])
        if second >= WHOLE_LOOK:
            break
    follower.close()


@pytest.mark.parametrize(
    ("takes", "pause", "whole"),
    [(0.001, SHORTEST_PAUSE, SHORTEST_PAUSE), (0.1, 2.0, 2.0), (30.0, LONGEST_PAUSE, LONGEST_WHOLE_LOOK)],
)
def test_where_nobody_tells_a_slow_look_is_followed_by_a_long_rest(
    takes: float, pause: float, whole: float, tmp_path: Path
) -> None:
    """Looking is rested from twenty times as long as it takes: at most a twentieth of one core, never stopping."""
    event_file(tmp_path / "a", records(range(3)))
    now = [0.0]
    reader = LogdirReader(tmp_path)
    follower = Follower(reader, watching=False, clock=lambda: now[0])
    real_poll = reader.poll
    waits: list[float] = []

    def poll(*arguments: Any) -> bool:
        changed = real_poll(*arguments)
        reader.look_seconds = takes
        return changed

    class Stopping:
        def is_set(self) -> bool:
            return False

        def wait(self, timeout: float | None = None) -> bool:
            assert timeout is not None
            waits.append(timeout)
            return False

    reader.poll = poll  # type: ignore[method-assign]
    follower.poll()
    follower.poll()  # a quick look, at what grew last
    follower.wait(Stopping())

    assert waits == [pytest.approx(min(pause, whole))]
    assert follower._whole_look_due == pytest.approx(whole)


@both
def test_growth_through_every_kind_of_change(watching: bool, tmp_path: Path) -> None:
    """Cut, rewritten shorter, of the same size and longer, deleted, renamed: the store has what the disk has."""
    path = event_file(tmp_path / "a", records(range(10)))
    reader = LogdirReader(tmp_path)
    with following(reader, watching=watching):
        until(lambda: steps(reader) == list(range(10)))
        whole = path.read_bytes()
        os.truncate(path, len(whole) - 2 * len(records(range(1, 2))))
        until(lambda: steps(reader) == list(range(8)))
        assert warned(reader) == [("file_replaced", 1)]
        path.write_bytes(VERSION + records(range(8), "acc_", 7.0))  # the same file, the same size
        until(lambda: steps(reader, tag="acc_") == list(range(8)) and not steps(reader))
        path.write_bytes(VERSION + records(range(30), "more", 9.0))  # the same file, longer
        until(lambda: steps(reader, tag="more") == list(range(30)) and not steps(reader, tag="acc_"))
        assert warned(reader) == [("file_replaced", 3)]
        second = event_file(tmp_path / "a", records(range(30, 32), "more"), "events.out.tfevents.2.host")
        until(lambda: steps(reader, tag="more") == list(range(32)))
        path.unlink()
        until(lambda: steps(reader, tag="more") == [30, 31])
        (tmp_path / "a").rename(tmp_path / "b")
        until(lambda: steps(reader, "b", "more") == [30, 31] and [info.name for info in reader.store.runs()] == ["b"])
        with (tmp_path / "b" / second.name).open("ab") as file:
            file.write(records(range(32, 33), "more"))
        until(lambda: steps(reader, "b", "more") == [30, 31, 32])
        (tmp_path / "b" / second.name).unlink()
        until(lambda: reader.store.runs() == [])


@both
def test_a_logdir_that_comes_goes_and_comes_again(watching: bool, tmp_path: Path) -> None:
    """A logdir is waited for, dropped when it is removed, and followed again when it is back."""
    reader = LogdirReader(tmp_path / "logs")
    with following(reader, watching=watching):
        for i in range(1, 4):
            until(lambda: reader.store.state == "waiting" and reader.store.runs() == [])
            path = event_file(tmp_path / "logs" / "a", records(range(i)))
            until(lambda i=i: steps(reader) == list(range(i)))
            with path.open("ab") as file:
                file.write(records(range(i, i + 1)))
            until(lambda i=i: steps(reader) == list(range(i + 1)))
            shutil.rmtree(tmp_path / "logs")


@both
def test_a_logdir_that_is_exchanged(watching: bool, tmp_path: Path) -> None:
    """Another directory in the logdir's place is followed in its stead."""
    event_file(tmp_path / "logs" / "a", records(range(3)))
    path = event_file(tmp_path / "other" / "b", records(range(2)))
    reader = LogdirReader(tmp_path / "logs")
    with following(reader, watching=watching):
        until(lambda: steps(reader) == [0, 1, 2])
        (tmp_path / "logs").rename(tmp_path / "old")
        (tmp_path / "other").rename(tmp_path / "logs")
        until(lambda: [info.name for info in reader.store.runs()] == ["b"])
        with (tmp_path / "logs" / "b" / path.name).open("ab") as file:
            file.write(records(range(2, 3)))
        until(lambda: steps(reader, "b") == [0, 1, 2])


def test_a_copy_that_grew_goes_on(tmp_path: Path) -> None:
    """A file replaced by a longer copy of itself, as rsync does, is read on from where it was, without a warning."""
    path = event_file(tmp_path / "a", records(range(1000)))
    place = CountingPlace(tmp_path)
    reader = LogdirReader(tmp_path, place=place)
    reader.poll()
    place.bytes_read.clear()
    copy = tmp_path / ".copy"
    copy.write_bytes(path.read_bytes() + records(range(1000, 1010)))
    copy.replace(path)
    reader.poll()

    assert steps(reader) == list(range(1010))
    assert warned(reader) == []
    assert place.bytes_read == {str(path): 64 + len(records(range(1000, 1010)))}


def test_a_torn_tail_that_is_cut_off_is_no_loss(tmp_path: Path) -> None:
    """A writer that cuts the torn tail of a crash and goes on has replaced nothing that was read."""
    path = event_file(tmp_path / "a", records(range(5)))
    whole = path.stat().st_size
    with path.open("ab") as file:
        file.write(records(range(5, 6))[:-7])
    reader = LogdirReader(tmp_path)
    reader.poll()
    os.truncate(path, whole)
    reader.poll()
    with path.open("ab") as file:
        file.write(records(range(8, 9)))
    reader.poll()

    assert steps(reader) == [*range(5), 8]
    assert warned(reader) == []


def test_touching_a_file_changes_nothing(tmp_path: Path) -> None:
    """A new time of change on the same bytes costs 128 bytes of reading and no news."""
    path = event_file(tmp_path / "a", records(range(500)))
    place = CountingPlace(tmp_path)
    reader = LogdirReader(tmp_path, place=place)
    reader.poll()
    place.bytes_read.clear()
    path.touch()

    assert not reader.poll()
    assert place.bytes_read == {str(path): 128}


def test_a_file_replaced_while_it_is_read(tmp_path: Path) -> None:
    """A file that is rewritten between being looked at and being read is read anew, with nothing of the old left."""
    path = event_file(tmp_path / "a", records(range(50)))
    reader = LogdirReader(tmp_path)
    reader.poll()
    with path.open("ab") as file:
        file.write(records(range(50, 60)))
    real = reader.place.read_at

    def rewrite_first(*arguments: Any) -> int:
        reader.place.read_at = real  # type: ignore[method-assign]
        path.write_bytes(VERSION + records(range(70), "other", 5.0))
        return real(*arguments)

    reader.place.read_at = rewrite_first  # type: ignore[method-assign]
    reader.poll()
    reader.poll()

    assert (steps(reader), steps(reader, tag="other")) == ([], list(range(70)))
    assert warned(reader) == [("file_replaced", 1)]


def test_a_file_deleted_while_it_is_read(tmp_path: Path) -> None:
    """A run that is deleted between being looked at and being read is gone, and nothing is said of it."""
    event_file(tmp_path / "a", records(range(50)))
    event_file(tmp_path / "b", records(range(5)))
    reader = LogdirReader(tmp_path)
    real = reader.place.read_at
    said: list[Any] = []
    reader.store.subscribe(lambda _: said.extend(warning for run in reader.store.runs() for warning in run.warnings))

    def delete_first(*arguments: Any) -> int:
        reader.place.read_at = real  # type: ignore[method-assign]
        shutil.rmtree(tmp_path / "a")
        return real(*arguments)

    reader.place.read_at = delete_first  # type: ignore[method-assign]
    reader.poll()
    reader.poll()

    assert [info.name for info in reader.store.runs()] == ["b"]
    assert steps(reader, "b") == [0, 1, 2, 3, 4]
    assert said == []


def test_links_to_runs_are_followed_by_both_names(tmp_path: Path) -> None:
    """A file that grows is news under every name that it has in the logdir, and so is a new file beside it."""
    path = event_file(tmp_path / "logs" / "run1", records(range(3)))
    away = event_file(tmp_path / "away", records(range(3)))
    for name, target in (("latest", path.parent), ("linked", away.parent)):
        (tmp_path / "logs" / name).symlink_to(target)
    reader = LogdirReader(tmp_path / "logs")
    with following(reader) as follower:
        until(lambda: reader.place.links.keys() == {str(tmp_path / "logs" / name) for name in ("latest", "linked")})  # type: ignore[attr-defined]
        for file in (path, away):
            with file.open("ab") as opened:
                opened.write(records(range(3, 4)))
        until(lambda: all(steps(reader, run) == [0, 1, 2, 3] for run in ("run1", "latest", "linked")))
        event_file(path.parent, records(range(4, 5)), "events.out.tfevents.2.host")
        until(lambda: all(steps(reader, run) == [0, 1, 2, 3, 4] for run in ("run1", "latest")))
        event_file(tmp_path / "late", records(range(2)))
        (tmp_path / "logs" / "later").symlink_to(tmp_path / "late")
        until(lambda: steps(reader, "later") == [0, 1])
        with (tmp_path / "late" / NAME).open("ab") as opened:
            opened.write(records(range(2, 3)))
        until(lambda: steps(reader, "later") == [0, 1, 2])
        assert follower.watched


def test_where_the_system_has_no_watches_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the limit of watches is reached, a warning says so and how to raise it, and following goes on."""
    import watchfiles._rust_notify as library

    def refuse(*_: object) -> None:
        raise OSError("OS file watch limit reached. (MaxFilesWatch)")

    monkeypatch.setattr(library, "RustNotify", refuse)
    event_file(tmp_path / "a", records(range(2)))
    follower = Follower(LogdirReader(tmp_path))
    with pytest.warns(tb.TallyboardWarning, match=r"OS file watch limit reached.*max_user_watches"):
        follower.poll()

    event_file(tmp_path / "b", records(range(3)))
    until(lambda: follower.poll() or steps(follower.reader, "b") == [0, 1, 2])
    assert not follower.watched


def test_where_watches_end_while_following(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When news break off again and again, a warning says so, and the logdir is looked through from then on."""
    event_file(tmp_path / "a", records(range(2)))
    follower = Follower(LogdirReader(tmp_path))

    class Broken:
        def news(self, *_: object) -> set[str] | None:
            raise RuntimeError("error in underlying watcher: MaxFilesWatch")

        def stale(self) -> bool:
            return False

        def close(self) -> None: ...

    monkeypatch.setattr(LocalPlace, "watch", lambda _: Broken())
    for _ in range(3):
        follower.poll()
        follower.poll()
        follower.wait(threading.Event())  # heard anew
        assert follower._watching
    follower.poll()
    follower.poll()
    with pytest.warns(tb.TallyboardWarning, match="MaxFilesWatch.*looked through again"):
        follower.wait(threading.Event())

    event_file(tmp_path / "b", records(range(3)))
    assert follower.poll()
    assert steps(follower.reader, "b") == [0, 1, 2]
    assert not follower.watched


def test_names_that_are_not_utf_8_are_followed(tmp_path: Path) -> None:
    """The library that hears news stumbles over a name that is not UTF-8; what happens there is found all the same."""
    folder = Path(os.fsdecode(os.path.join(os.fsencode(tmp_path), b"caf\xe9")))
    folder.mkdir()
    event_file(tmp_path / "a", records(range(2)))
    reader = LogdirReader(tmp_path)
    with following(reader):
        path = event_file(folder, records(range(3)))
        until(lambda: steps(reader, folder.name) == [0, 1, 2])
        with path.open("ab") as file:
            file.write(records(range(3, 4)))
        until(lambda: steps(reader, folder.name) == [0, 1, 2, 3])


def test_a_flood_of_news_means_a_look_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system drops news when too many wait: then everything is looked at."""
    monkeypatch.setattr(watching_module, "FLOOD", 0)
    place = CountingPlace(tmp_path)
    reader = LogdirReader(tmp_path, place=place)
    with following(reader, clock=lambda: 100.0):
        until(lambda: place.walks == 2)
        for i in range(20):
            event_file(tmp_path / f"run{i}", records(range(1)))
        until(lambda: len(reader.store.runs()) == 20)
        assert place.walks > 2


def test_without_the_library_it_is_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """watchfiles is of the extra viewer; without it the logdir is looked through, in silence."""
    monkeypatch.setitem(__import__("sys").modules, "watchfiles._rust_notify", None)
    event_file(tmp_path / "a", records(range(2)))

    assert LocalPlace(tmp_path).watch() is None


def test_network_drives_are_looked_at(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A drive that other machines write to gets no watch: its news would be half of the truth."""
    mounts = tmp_path / "mountinfo"
    mounts.write_text(
        "29 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"
        "30 29 0:40 / /data rw - nfs4 server:/export rw\n"
        "31 30 8:2 / /data/scratch\\040disk rw - xfs /dev/sdb1 rw\n"
        "32 29 0:41 / /cloud rw - fuse.s3fs s3fs rw\n"
    )
    real = open
    monkeypatch.setattr(
        "builtins.open", lambda path, *a, **k: real(mounts if "mountinfo" in str(path) else path, *a, **k)
    )

    remote = {path: watching_module.is_remote_drive(path) for path in ("/home/me", "/data/x", "/database", "/cloud/b")}
    assert remote == {"/home/me": False, "/data/x": True, "/database": False, "/cloud/b": True}
    assert not watching_module.is_remote_drive("/data/scratch disk/logs")
