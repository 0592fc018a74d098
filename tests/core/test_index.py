"""The index: a second start reads next to nothing, and never shows anything but what the files hold."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import tallyboard as tb
from tallyboard.core import index as index_module
from tallyboard.core import logdir as logdir_module
from tallyboard.core.errors import TallyboardWarning
from tallyboard.core.follow import SAVE_PAUSE, Follower
from tallyboard.core.index import Index, cache_folder
from tallyboard.core.reader import LogdirReader
from tallyboard.core.record import frame
from tallyboard.core.summary import Event, text
from tallyboard.core.wire import encode_event

from .test_follow import NAME, VERSION, CountingPlace, event_file, records

UNCHECKED = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]


def make_logdir(root: Path) -> Path:
    """Scalars of both widths, restarts, texts, images, several files, damage, a torn tail, assets."""
    event_file(root / "a", records(range(200)) + records(range(50, 120)) + records(range(9), "acc"))
    event_file(root / "a", records(range(300, 340)), "events.out.tfevents.2.host")
    event_file(root, records(range(3)))
    damaged = event_file(root / "deep" / "damaged", records(range(30)) + b"\x07" * 40 + records(range(30, 60)))
    data = bytearray(damaged.read_bytes())
    data[200] ^= 1
    damaged.write_bytes(data)
    event_file(root / "torn", records(range(5)) + records(range(5, 6))[:-9])
    event_file(root / "noise", os.urandom(3000))
    (root / "noise" / NAME).write_bytes(b"\x00" * 500)
    event_file(root / "empty", b"")
    texts = b"".join(frame(encode_event(Event(i, 1.0 + i, text("notes", f"text {i}")))) for i in range(20))
    event_file(root / "texts", texts + records(range(7)))
    with tb.SummaryWriter(root / "pictures") as writer:
        writer.add_image("noise", np.zeros((3, 4, 4), np.uint8), 1)
        writer.add_histogram("weights", np.arange(100.0), 1)
        writer.add_scalar("exact", 1 / 3, 1, double_precision=True)
    (root / "traced").mkdir()
    (root / "traced" / "x.pt.trace.json").write_text("{}")
    return root


def described(reader: LogdirReader) -> dict[str, Any]:
    """Everything a store says, of all series, in a form that can be compared."""
    store = reader.store
    out: dict[str, Any] = {
        "runs": [(r.name, r.first_wall_time, r.last_wall_time, r.warnings, r.assets) for r in store.runs()]
    }
    for plugin, tags in store.tags().items():
        for tag, runs in tags.items():
            for run in runs:
                for superseded in (False, True):
                    if plugin == "scalars":
                        series = store.scalars(run, tag, superseded=superseded)
                        assert series is not None
                        values: Any = (series.value.tobytes(), str(series.value.dtype))
                    else:
                        series = store.blobs(plugin, run, tag, superseded=superseded)
                        assert series is not None
                        values = list(series.ref)
                    columns = (series.step.tobytes(), series.wall_time.tobytes(), series.restarts.tolist())
                    out[f"{plugin} {tag} {run} {superseded}"] = (*columns, values)
    return out


def counting(logdir: Path, cache: Path | None) -> tuple[LogdirReader, CountingPlace]:
    place = CountingPlace(logdir)
    reader = LogdirReader(logdir, place=place, cache=cache)
    reader.poll()
    return reader, place


def save_all(reader: LogdirReader) -> bool:
    """Saves as if every run had changed."""
    reader._changed.update(reader._by_run)
    return reader.save()


@pytest.fixture
def saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """A logdir, and the folder with its index, saved so long after the last change that times prove something."""
    logdir, cache = make_logdir(tmp_path / "logs"), tmp_path / "cache"
    reader = LogdirReader(logdir, cache=cache)
    reader.poll()
    later = time.time() + 3.0
    with monkeypatch.context() as patched:
        patched.setattr(index_module.time, "time", lambda: later)
        assert reader.save()
    return logdir, cache


def test_an_unchanged_logdir_is_known_whole_and_nothing_is_read(saved: tuple[Path, Path]) -> None:
    """A second start answers everything as the first, and reads no byte of files that did not change."""
    logdir, cache = saved
    first, _ = counting(logdir, None)
    second, place = counting(logdir, cache)

    assert described(second) == described(first)
    assert place.bytes_read == {}
    assert second.store.state == "ready"


def test_where_times_prove_nothing_a_probe_does(saved: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """On a drive whose times are not to be trusted, 128 bytes a file are read, and the answer is the same."""
    logdir, cache = saved
    first, _ = counting(logdir, None)
    monkeypatch.setattr(CountingPlace, "vouches", lambda *_: False)
    second, place = counting(logdir, cache)

    assert described(second) == described(first)
    assert {path: count for path, count in place.bytes_read.items() if count > 128} == {}
    assert len(place.bytes_read) == len([*logdir.rglob("*tfevents*")])


def test_what_grew_is_read_and_nothing_else(saved: tuple[Path, Path]) -> None:
    """After growth, new files and new runs, only their bytes are read, with 192 to know what stands before a growth."""
    logdir, cache = saved
    more = records(range(340, 350))
    grown = logdir / "a" / "events.out.tfevents.2.host"
    with grown.open("ab") as file:
        file.write(more)
    late = event_file(logdir / "a", records(range(400, 405)), "events.out.tfevents.3.host")
    new = event_file(logdir / "new", records(range(5)))
    second, place = counting(logdir, cache)
    first, _ = counting(logdir, None)

    assert described(second) == described(first)
    assert place.bytes_read == {
        str(grown): 192 + len(more),
        str(late): late.stat().st_size,
        str(new): new.stat().st_size,
    }


def same_times(path: Path, change: Callable[[], object]) -> None:
    info = path.stat()
    change()
    os.utime(path, ns=(info.st_atime_ns, info.st_mtime_ns))


CHANGES: dict[str, Callable[[Path], object]] = {
    "cut": lambda logs: os.truncate(logs / "a" / NAME, 4000),
    "cut at a record": lambda logs: os.truncate(logs / "empty" / NAME, 0),
    "rewritten longer": lambda logs: event_file(logs / "a", records(range(900), "other", 5.0)),
    "rewritten in the same size, its times set back": lambda logs: same_times(
        logs / "a" / NAME,
        lambda: (logs / "a" / NAME).write_bytes(
            VERSION + records(range(200), "loss", 9.0) + records(range(50, 120)) + records(range(9), "acc", 9.0)
        ),
    ),
    "replaced by a copy": lambda logs: (
        shutil.copy(logs / "a" / NAME, logs / "copy"),
        os.replace(logs / "copy", logs / "a" / NAME),
    ),
    "one file of two deleted": lambda logs: (logs / "a" / NAME).unlink(),
    "run deleted": lambda logs: shutil.rmtree(logs / "a"),
    "run renamed": lambda logs: (logs / "a").rename(logs / "b"),
    "runs exchanged": lambda logs: (
        (logs / "a").rename(logs / "x"),
        (logs / "torn").rename(logs / "a"),
        (logs / "x").rename(logs / "torn"),
    ),
    "torn tail goes on": lambda logs: (logs / "torn" / NAME).write_bytes(VERSION + records(range(8))),
    "torn tail cut off": lambda logs: (logs / "torn" / NAME).write_bytes(VERSION + records(range(5))),
    "everything deleted": lambda logs: [shutil.rmtree(path) for path in logs.iterdir() if path.is_dir()],
    "touched": lambda logs: [path.touch() for path in logs.rglob("*tfevents*")],
    "asset grew": lambda logs: (logs / "traced" / "x.pt.trace.json").write_text("{}{}{}"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_whatever_happened_meanwhile_the_answer_is_that_of_the_files(change: str, saved: tuple[Path, Path]) -> None:
    """However the logdir changed since it was saved, a start with the index shows what one without shows."""
    logdir, cache = saved
    CHANGES[change](logdir)
    second, _ = counting(logdir, cache)
    first, _ = counting(logdir, None)

    assert described(second) == described(first)


def test_it_is_followed_on_from_the_index(saved: tuple[Path, Path]) -> None:
    """After a start from the index, growth, restarts and damage go on where they were, in copies of mapped columns."""
    logdir, cache = saved
    second, _ = counting(logdir, cache)
    for i in range(3):
        with (logdir / "a" / NAME).open("ab") as file:
            file.write(records(range(60 + i, 70 + i)))
        with (logdir / "torn" / NAME).open("ab") as file:
            file.write(records(range(5, 6))[-9:] if i == 0 else records(range(6 + i, 7 + i)))
        with (logdir / "noise" / NAME).open("ab") as file:
            file.write(b"\x00" * 10)
        second.poll()

    torn = second.store.scalars("torn", "loss")
    assert torn is not None
    assert torn.step.tolist() == [0, 1, 2, 3, 4, 5, 7, 8]
    series = second.store.scalars("a", "loss")
    assert series is not None
    assert series.step.tolist()[-10:] == [*range(62, 72)]
    assert {w.kind: w.count for info in second.store.runs() if info.name == "noise" for w in info.warnings} == {
        "corrupt_region": 1
    }


def test_few_changed_runs_are_saved_beside_the_others(tmp_path: Path) -> None:
    """Where 2 of 40 runs changed, only these are saved again, and the next start has all; until many have changed."""
    logdir, cache = tmp_path / "logs", tmp_path / "cache"
    for i in range(40):
        event_file(logdir / f"run{i}", records(range(50)))
    reader, _ = counting(logdir, cache)
    assert reader.save()
    index = Index(cache, str(logdir))
    base = index.path.stat()
    for time_ in range(3):
        for run in ("run7", "run8"):
            with (logdir / run / NAME).open("ab") as file:
                file.write(records(range(50 + time_, 51 + time_)))
        shutil.rmtree(logdir / f"run{20 + time_}")
        if time_ == 1:
            reader, place = counting(logdir, cache)
            assert len({*place.bytes_read} - {str(path) for path in logdir.glob("run[78]/*")}) <= 37
        else:
            reader.poll()
        assert reader.save()
        assert (index.path.stat().st_ino, index.path.stat().st_size) == (base.st_ino, base.st_size)
        assert 0 < index.later_path.stat().st_size < base.st_size / 5
        again, _ = counting(logdir, cache)
        plain, _ = counting(logdir, None)
        assert described(again) == described(plain)

    for i in range(5, 15):
        with (logdir / f"run{i}" / NAME).open("ab") as file:
            file.write(records(range(60, 61)))
    reader.poll()
    assert reader.save()
    assert not index.later_path.exists()
    again, _ = counting(logdir, cache)
    plain, _ = counting(logdir, None)
    assert described(again) == described(plain)


def test_what_is_later_than_another_index_is_passed_over(tmp_path: Path) -> None:
    """When another viewer saved all in between, the few runs saved later than the old index are not mixed with it."""
    logdir, cache = tmp_path / "logs", tmp_path / "cache"
    for i in range(20):
        event_file(logdir / f"run{i}", records(range(50)))
    one, _ = counting(logdir, cache)
    assert one.save()
    with (logdir / "run3" / NAME).open("ab") as file:
        file.write(records(range(50, 51)))
    one.poll()
    assert one.save()
    index = Index(cache, str(logdir))
    late = index.later_path.read_bytes()
    other = LogdirReader(logdir, cache=cache)
    other._restored = True  # as if it had been there before
    other.poll()
    assert other.save()
    index.later_path.write_bytes(late)

    found = index.load()
    assert found is not None
    assert found.later is None
    one.unsaved = 1
    assert one.save()  # sees that the first file is not its own, and saves all
    again, _ = counting(logdir, cache)
    plain, _ = counting(logdir, None)
    assert described(again) == described(plain)


def broken(reader_of: tuple[Path, Path], data: bytes) -> LogdirReader:
    logdir, cache = reader_of
    (path,) = cache.glob("*.index")
    path.write_bytes(data)
    reader = LogdirReader(logdir, cache=cache)
    reader.poll()
    return reader


@settings(max_examples=150, deadline=None, suppress_health_check=UNCHECKED)
@given(data=st.data())
def test_any_bytes_in_its_place_are_no_harm(saved: tuple[Path, Path], data: st.DataObject) -> None:
    """A flipped bit, a cut, a hole, foreign bytes: an index that is not as it was written is passed over."""
    logdir, cache = saved
    if not hasattr(test_any_bytes_in_its_place_are_no_harm, "whole"):
        (path,) = cache.glob("*.index")
        first = LogdirReader(logdir)
        first.poll()
        test_any_bytes_in_its_place_are_no_harm.whole = path.read_bytes(), described(first)  # type: ignore[attr-defined]
    whole, answer = test_any_bytes_in_its_place_are_no_harm.whole  # type: ignore[attr-defined]
    kind = data.draw(st.sampled_from(["flip", "cut", "hole", "insert", "foreign"]))
    at = data.draw(st.integers(0, len(whole) - 1))
    changed = {
        "flip": lambda: whole[:at] + bytes([whole[at] ^ data.draw(st.integers(1, 255))]) + whole[at + 1 :],
        "cut": lambda: whole[:at],
        "hole": lambda: whole[:at] + whole[at + data.draw(st.integers(1, 100)) :],
        "insert": lambda: whole[:at] + data.draw(st.binary(min_size=1)) + whole[at:],
        "foreign": lambda: data.draw(st.binary()),
    }[kind]()
    reader = broken(saved, changed)

    assert described(reader) == answer


def resigned(meta: Any, rest: bytes) -> bytes:
    head = json.dumps(meta).encode()
    body = len(head).to_bytes(8, "little") + head + rest
    return index_module.MAGIC + hashlib.sha256(body).digest() + body


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=80, deadline=None, suppress_health_check=UNCHECKED)
@given(data=st.data())
def test_a_forged_index_raises_nothing_and_leads_to_no_other_file(
    saved: tuple[Path, Path], data: st.DataObject
) -> None:
    """Whatever stands in an index whose checksum is right, it raises nothing and names no file but its runs'."""
    logdir, cache = saved
    (path,) = cache.glob("*.index")
    if not hasattr(test_a_forged_index_raises_nothing_and_leads_to_no_other_file, "whole"):
        test_a_forged_index_raises_nothing_and_leads_to_no_other_file.whole = path.read_bytes()  # type: ignore[attr-defined]
    whole = test_a_forged_index_raises_nothing_and_leads_to_no_other_file.whole  # type: ignore[attr-defined]
    size = int.from_bytes(whole[48:56], "little")
    meta, rest = json.loads(whole[56 : 56 + size]), bytearray(whole[56 + size :])
    spot, names = meta, data.draw(st.lists(st.integers(0, 50), min_size=1, max_size=4))
    for number in names:
        keys = [*spot] if isinstance(spot, dict) else [*range(len(spot))]
        key = keys[number % len(keys)] if keys else None
        if key is None or not isinstance(spot[key], dict | list) or number == names[-1]:
            break
        spot = spot[key]
    if key is not None and data.draw(st.booleans()):
        spot[key] = data.draw(json_values | st.sampled_from(["../../../etc/passwd", [0, 10**18], [-8, 8], 2**31]))
    for _ in range(data.draw(st.integers(0, 3))):
        rest[data.draw(st.integers(0, len(rest) - 1))] = data.draw(st.integers(0, 255))
    reader = broken(saved, resigned(meta, bytes(rest)))

    store = reader.store
    for plugin, tags in store.tags().items():
        for tag, runs in tags.items():
            for run in runs:
                if plugin == "scalars":
                    store.scalars(run, tag, superseded=True)
                elif (blobs := store.blobs(plugin, run, tag)) is not None:
                    try:
                        paths = {ref.path for ref in blobs.ref}
                    except IndexError:
                        continue
                    assert paths <= {str(path) for path in logdir.rglob("*tfevents*")}
    reader.poll()


def test_of_another_version_or_logdir(saved: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """An index of another format, another way of decoding or another logdir is passed over."""
    logdir, cache = saved
    index = Index(cache, str(logdir))
    assert index.load() is not None
    for name in ("FORMAT", "DECODING"):
        with monkeypatch.context() as patched:
            patched.setattr(index_module, name, 99)
            assert index.load() is None
    other = Index(cache, str(logdir) + "2")
    shutil.copy(index.path, other.path)
    assert other.load() is None


def test_a_relative_logdir_is_the_same_logdir(saved: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """However the path is written, it is one logdir with one index; and values are fetched by the path as given."""
    logdir, cache = saved
    monkeypatch.chdir(logdir.parent)
    for name in ("logs", "./logs", "logs/", str(logdir)):
        place = CountingPlace(Path(name))
        place.root = name
        reader = LogdirReader(name, place=place, cache=cache)
        reader.poll()
        assert place.bytes_read == {}, name
        blobs = reader.store.blobs("text", "texts", "notes/text_summary") or reader.store.blobs(
            "text", "texts", "notes"
        )
        assert blobs is not None
        assert b"text 19" in reader.fetch(blobs.ref[19])


def test_the_logdir_is_left_as_it_is(saved: tuple[Path, Path]) -> None:
    """The index lies in its folder, for its owner alone; nothing is written into the logdir."""
    logdir, cache = saved
    before = {path: path.stat().st_mtime_ns for path in logdir.rglob("*")}
    reader, _ = counting(logdir, cache)
    assert save_all(reader)

    assert {path: path.stat().st_mtime_ns for path in logdir.rglob("*")} == before
    (path,) = cache.iterdir()
    assert (path.stat().st_mode & 0o777, cache.stat().st_mode & 0o777) == (0o600, 0o700)


SAVES = """
import sys
from pathlib import Path
from tallyboard.core.reader import LogdirReader
reader = LogdirReader(sys.argv[1], cache=Path(sys.argv[2]))
reader.poll()
while not Path(sys.argv[3]).exists():
    reader._changed.update(reader._by_run)
    assert reader.save()
"""


def test_two_that_save_at_once(saved: tuple[Path, Path]) -> None:
    """While two processes save the same index as fast as they can, every load finds a whole one."""
    logdir, cache = saved
    enough = cache.parent / "enough"
    (path,) = cache.iterdir()
    program = [sys.executable, "-c", SAVES, str(logdir), str(cache), str(enough)]
    writers, saves = [subprocess.Popen(program) for _ in range(2)], set[tuple[int, int]]()
    end = time.monotonic() + 120
    try:
        while len(saves) < 20:
            assert Index(cache, str(logdir)).load() is not None
            saves.add(((info := path.stat()).st_ino, info.st_mtime_ns))
            assert time.monotonic() < end
    finally:
        enough.touch()
    assert [writer.wait(120) for writer in writers] == [0, 0]
    assert [path.suffix for path in cache.iterdir()] == [".index"]


def test_the_folder_is_bounded(saved: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """Saving removes what was not used for 90 days, half-written files of crashed programs, the oldest of too much."""
    logdir, cache = saved
    (mine,) = cache.iterdir()
    size, now = mine.stat().st_size, time.time()
    ages = {"old.index": 91 * 86_400, "b.index": 5000, "c.index": 6000, "x.part": 4000, "y.part": 10}
    for name, age in ages.items():
        (cache / name).write_bytes(bytes(size))
        os.utime(cache / name, (now - age, now - age))
    (cache / "notes.txt").write_text("not ours")
    monkeypatch.setattr(index_module, "TOTAL_BYTES", int(2.5 * size))
    reader, _ = counting(logdir, cache)
    assert save_all(reader)

    assert {path.name for path in cache.iterdir()} == {mine.name, "b.index", "y.part", "notes.txt"}


def test_where_nothing_can_be_saved(tmp_path: Path) -> None:
    """A cache directory that cannot be made or written is no trouble: nothing is saved, and one warning says so."""
    event_file(tmp_path / "logs", records(range(3)))
    (tmp_path / "file").write_text("x")
    folder = tmp_path / "file" / "cache"
    reader = LogdirReader(tmp_path / "logs", cache=folder)

    assert reader.poll()
    with pytest.warns(TallyboardWarning) as said:
        saved = [reader.save(), reader.save()]
    assert saved == [False, False]
    message = (
        f"{folder}: what was read cannot be kept here for the next start, which reads everything again "
        f"(NotADirectoryError: [Errno 20] Not a directory: '{folder}'). Make the directory writable, or choose another "
        "by --cache DIR or TALLYBOARD_CACHE=DIR; off keeps nothing."
    )
    assert [str(warning.message) for warning in said] == [message]


def test_runs_in_trouble_are_not_saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run with a file that could not be read is left out, so that its warning is counted once on the next start."""
    event_file(tmp_path / "logs" / "a", records(range(3)))
    event_file(tmp_path / "logs" / "b", records(range(3)))
    reader = LogdirReader(tmp_path / "logs", cache=tmp_path / "cache")
    real = reader.place.read_at

    def refuse(path: str, *arguments: Any) -> int:
        if f"{os.sep}b{os.sep}" in path:
            raise PermissionError(13, "Permission denied")
        return real(path, *arguments)

    monkeypatch.setattr(reader.place, "read_at", refuse)
    reader.poll()
    assert reader.save()

    found = Index(tmp_path / "cache", str(tmp_path / "logs")).load()
    assert found is not None
    assert found.snapshot.meta["runs"] == ["a"]


@pytest.mark.parametrize(
    ("platform", "environment", "folder"),
    [
        ("linux", {}, "HOME/.cache/tallyboard"),
        ("linux", {"XDG_CACHE_HOME": "/x/cache"}, "/x/cache/tallyboard"),
        ("linux", {"XDG_CACHE_HOME": "relative"}, "HOME/.cache/tallyboard"),
        ("darwin", {}, "HOME/Library/Caches/tallyboard"),
        ("win32", {"LOCALAPPDATA": "/c/local"}, "/c/local/tallyboard/Cache"),
        ("linux", {"TALLYBOARD_CACHE": "/mine"}, "/mine"),
        ("linux", {"TALLYBOARD_CACHE": "off"}, None),
    ],
)
def test_where_it_lies(
    platform: str, environment: dict[str, str], folder: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the user's cache directory, as each platform has it; the environment chooses another, or none."""
    for name in ("XDG_CACHE_HOME", "LOCALAPPDATA", "TALLYBOARD_CACHE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys, "platform", platform)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    wanted = None if folder is None else Path(folder.replace("HOME", str(Path.home())))
    assert cache_folder() == wanted
    assert cache_folder("/given") == Path("/given")
    assert cache_folder("off") is None


def test_the_follower_saves_when_ready_as_it_grows_and_at_the_end(tmp_path: Path) -> None:
    """Saved when the first pass is over, at most every 30 s as data comes, never without news, and on closing."""
    path = event_file(tmp_path / "logs" / "a", records(range(3)))
    now = [1000.0]
    reader = LogdirReader(tmp_path / "logs", cache=tmp_path / "cache")
    saves: list[float] = []
    real = reader.save

    def save() -> bool:
        saves.append(now[0])
        return real()

    reader.save = save  # type: ignore[method-assign]
    follower = Follower(reader, watching=False, clock=lambda: now[0])
    follower.poll()
    for second in range(1, 100):
        now[0] = 1000.0 + second
        if second in (5, 50):
            with path.open("ab") as file:
                file.write(records(range(second, second + 1)))
        follower.poll()
    with path.open("ab") as file:
        file.write(records(range(200, 201)))
    now[0] += 1.0
    follower.poll()
    follower.close()

    assert saves == [1000.0, 1000.0 + SAVE_PAUSE, 1000.0 + 2 * SAVE_PAUSE, 1100.0]
    again = LogdirReader(tmp_path / "logs", cache=tmp_path / "cache")
    again.poll()
    series = again.store.scalars("a", "loss")
    assert series is not None
    assert series.step.tolist() == [0, 1, 2, 5, 50, 200]


def test_tb_read_uses_the_viewers_index(saved: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """tb.read takes what the viewer saved, saves what was much work, and with cache=False does neither."""
    logdir, cache = saved
    monkeypatch.setenv("TALLYBOARD_CACHE", str(cache))
    read: list[str] = []
    real = logdir_module.LogdirReader

    def counted(path: str, **options: Any) -> LogdirReader:
        reader = real(path, **options)
        inner = reader.place.read_at
        reader.place.read_at = lambda name, *rest: read.append(name) or inner(name, *rest)  # type: ignore[method-assign]
        return reader

    monkeypatch.setattr(logdir_module, "LogdirReader", counted)
    one = tb.read(logdir)
    assert read == []
    other = tb.read(logdir, cache=False)
    assert read != []
    assert one.runs == other.runs

    (path,) = cache.iterdir()
    path.unlink()
    tb.read(logdir)
    assert list(cache.iterdir()) == []  # little work is not saved
    monkeypatch.setattr(logdir_module, "WORTH_SAVING", 1000)
    tb.read(logdir, cache=False)
    assert list(cache.iterdir()) == []
    tb.read(logdir)
    assert list(cache.iterdir()) == [path]
