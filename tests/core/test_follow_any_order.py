"""Whatever happens to the files, in whatever order, a reader that followed ends with what a fresh one reads."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tallyboard.core.reader import LogdirReader
from tallyboard.core.record import frame
from tallyboard.core.summary import Event, text
from tallyboard.core.wire import encode_event

from .test_follow import VERSION, records

RUNS = ("a", "a/b", ".")
steps_of = st.tuples(st.integers(0, 60), st.integers(0, 40)).map(lambda pair: range(pair[0], pair[0] + pair[1]))
changes = st.one_of(
    st.tuples(st.just("append"), st.sampled_from(RUNS), steps_of, st.sampled_from(["loss", "acc", "text"])),
    st.tuples(st.just("torn"), st.sampled_from(RUNS), st.integers(1, 70), st.booleans()),
    st.tuples(st.just("garbage"), st.sampled_from(RUNS), st.binary(min_size=1, max_size=60)),
    st.tuples(st.just("rotate"), st.sampled_from(RUNS)),
    st.tuples(st.just("cut"), st.sampled_from(RUNS), st.floats(0, 1)),
    st.tuples(st.just("rewrite"), st.sampled_from(RUNS), steps_of),
    st.tuples(st.just("copy"), st.sampled_from(RUNS)),
    st.tuples(st.just("delete"), st.sampled_from(RUNS)),
    st.tuples(st.just("poll")),
    st.tuples(st.just("look")),
    st.tuples(st.just("save")),
    st.tuples(st.just("start again")),
)


class World:
    """A logdir, its index, and a reader that follows it."""

    def __init__(self, folder: Path) -> None:
        self.logdir, self.cache = folder / "logs", folder / "cache"
        self.logdir.mkdir()
        self.wall = 1.0
        self.numbers = dict.fromkeys(RUNS, 1)
        self.touched: set[str] = set()
        self.reader = LogdirReader(self.logdir, cache=self.cache)

    def file(self, run: str) -> Path:
        path = self.logdir / run / f"events.out.tfevents.{self.numbers[run]:03}.host"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(VERSION)
        self.touched.add(str(path) if run != "." else f"{self.logdir}{os.sep}{path.name}")
        return path

    def data(self, steps: range, tag: str) -> bytes:
        self.wall += 1000.0  # as in life: no two events are of one time
        if tag == "text":
            return b"".join(frame(encode_event(Event(i, self.wall + i, text("notes", str(i))))) for i in steps)
        return records(steps, tag, self.wall)

    def do(self, change: tuple[Any, ...]) -> None:
        kind, *rest = change
        if kind == "poll":
            self.reader.poll()
        elif kind == "look":
            self.reader.poll(self.touched)
            self.touched = set()
        elif kind == "save":
            self.reader.save()
        elif kind == "start again":
            self.reader = LogdirReader(self.logdir, cache=self.cache)
            self.reader.poll()
        else:
            self.write(kind, *rest)

    def write(self, kind: str, run: str, *rest: Any) -> None:
        path = self.file(run)
        if kind == "rotate":
            self.numbers[run] += 1
            self.file(run)
        elif kind == "delete":
            path.unlink()
        elif kind == "cut":
            os.truncate(path, int(path.stat().st_size * rest[0]))
        elif kind == "rewrite":
            self.wall += 1000.0
            path.write_bytes(VERSION + self.data(rest[0], "other"))
        elif kind == "copy":
            shutil.copy(path, self.logdir / "copy")
            os.replace(self.logdir / "copy", path)
        else:
            whole = self.data(range(7, 8), "loss")
            data = {
                "append": lambda: self.data(*rest),
                "torn": lambda: whole[: rest[0]] if rest[1] else whole[-rest[0] :],
                "garbage": lambda: rest[0],
            }[kind]()
            with path.open("ab") as file:
                file.write(data)


def everything(reader: LogdirReader) -> dict[tuple[str, str, str, bool], Any]:
    out: dict[tuple[str, str, str, bool], Any] = {}
    for plugin, tags in reader.store.tags().items():
        for tag, runs in tags.items():
            for run in runs:
                for superseded in (False, True):
                    find = reader.store.scalars if plugin == "scalars" else None
                    series: Any = (
                        find(run, tag, superseded=superseded)
                        if find is not None
                        else reader.store.blobs(plugin, run, tag, superseded=superseded)
                    )
                    values = series.value.tolist() if plugin == "scalars" else list(series.ref)
                    out[plugin, tag, run, superseded] = (series.step.tolist(), series.wall_time.tolist(), values)
    return out


@settings(max_examples=100, deadline=None)
@given(st.lists(changes, max_size=25))
def test_following_ends_where_reading_does(story: list[tuple[Any, ...]]) -> None:
    """Appends, torn and foreign bytes, rotation, cuts, rewriting, copies, deletion, with polls and restarts between."""
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder))
        for change in story:
            world.do(change)
        world.reader.poll()
        fresh = LogdirReader(world.logdir)
        fresh.poll()
        again = LogdirReader(world.logdir, cache=world.cache)
        again.poll()

        assert everything(world.reader) == everything(fresh)
        assert everything(again) == everything(fresh)
        assert [run.name for run in world.reader.store.runs()] == [run.name for run in fresh.store.runs()]
