"""Restarts in the store: what they void is hidden, kept, and told apart from growth."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallyboard.core.snapshot import ARRAYS, Snapshot
from tallyboard.core.store import BlobRef, Series, Store


def offer(store: Store, steps: list[int], tag: str = "loss", wall: float = 0.0) -> None:
    step = np.array(steps, np.int64)
    store.offer_run("a")
    store.offer_scalars("a", tag, step, step + wall, step / 2)


def shown(store: Store, tag: str = "loss", *, superseded: bool = False) -> Series:
    series = store.scalars("a", tag, superseded=superseded)
    assert series is not None
    return series


def test_restart_hides_what_it_voids_in_every_series() -> None:
    """A restart at step 3 hides steps 3 and later of all series; asked for, everything is there as written."""
    store = Store()
    offer(store, [0, 1, 2, 3, 4, 5])
    offer(store, [0, 4], "other")
    store.offer_blob("a", "notes", "text", 5, 1.0, BlobRef("f", 1, 2))
    store.publish()
    store.restart("a", 3)
    offer(store, [3, 4], wall=100.0)
    store.publish()

    series, everything = shown(store), shown(store, superseded=True)
    assert series.step.tolist() == [0, 1, 2, 3, 4]
    assert series.wall_time.tolist() == [0, 1, 2, 103, 104]
    assert series.value.tolist() == [0, 0.5, 1, 1.5, 2]
    assert (series.generation, series.restarts.tolist(), series.segments.tolist()) == (1, [3], [0, 3])
    assert everything.step.tolist() == [0, 1, 2, 3, 4, 5, 3, 4]
    assert everything.wall_time.tolist() == [0, 1, 2, 3, 4, 5, 103, 104]
    assert (everything.restarts.tolist(), everything.segments.tolist()) == ([6], [0, 6])
    assert shown(store, "other").step.tolist() == [0]
    assert store.blobs("text", "a", "notes") is None
    blobs = store.blobs("text", "a", "notes", superseded=True)
    assert blobs is not None
    assert [*blobs.ref] == [BlobRef("f", 1, 2)]
    assert store.tags() == {"scalars": {"loss": {"a": 5}, "other": {"a": 1}}}


def test_restart_is_not_seen_before_publish() -> None:
    """Until the restart is published, the series and the overview are what they were."""
    store = Store()
    offer(store, [0, 1, 2, 3])
    store.publish()
    store.restart("a", 1)
    offer(store, [1])

    assert (shown(store).step.tolist(), shown(store).generation) == ([0, 1, 2, 3], 0)
    assert store.tags() == {"scalars": {"loss": {"a": 4}}}
    store.publish()
    assert (shown(store).step.tolist(), shown(store).generation) == ([0, 1], 1)
    assert store.overview().generations == {("a", "loss"): 1}


def test_changes_carry_the_generation() -> None:
    """A restart that leaves the number of points as it was is news all the same."""
    store = Store()
    offer(store, [0, 1, 2])
    store.publish()
    store.restart("a", 2)
    offer(store, [2])
    store.publish()

    assert store.changes(1).series == [("a", "loss", 3, 1)]


def test_restart_that_voids_nothing_keeps_the_generation() -> None:
    """Going on where the run ended hides nothing, and indexes into the series stay good."""
    store = Store()
    offer(store, [0, 1, 2])
    store.restart("a", 3)
    offer(store, [3])
    store.publish()

    assert (shown(store).step.tolist(), shown(store).generation, shown(store).restarts.tolist()) == (
        [0, 1, 2, 3],
        0,
        [3],
    )


@dataclass
class Model:
    """The same, one value at a time."""

    written: list[tuple[int, float]] = field(default_factory=list)
    stands: list[bool] = field(default_factory=list)

    def restart(self, step: int) -> None:
        self.stands = [stands and at < step for stands, (at, _) in zip(self.stands, self.written, strict=True)]


EVENTS = st.lists(
    st.one_of(st.integers(0, 9), st.tuples(st.just("restart"), st.integers(0, 9)), st.just("publish")), max_size=60
)


@given(EVENTS)
def test_restarts_equal_a_plain_list(events: list[Any]) -> None:
    """Whatever the order of points, restarts and publications, what stands and what was written come out exactly."""
    store, model = Store(), Model()
    store.offer_run("a")
    for number, event in enumerate(events):
        if event == "publish":
            store.publish()
        elif isinstance(event, tuple):
            store.restart("a", event[1])
            model.restart(event[1])
        else:
            store.offer_scalars("a", "loss", np.array([event]), np.array([float(number)]), np.array([1.0]))
            model.written.append((event, float(number)))
            model.stands.append(True)
    store.publish()
    copy = Store()
    copy.restore(store.export())
    copy.publish()

    for one in (store, copy):
        standing = one.scalars("a", "loss")
        written = one.scalars("a", "loss", superseded=True)
        rows = [] if standing is None else list(zip(standing.step.tolist(), standing.wall_time.tolist(), strict=True))
        assert rows == [row for row, stands in zip(model.written, model.stands, strict=True) if stands]
        every = [] if written is None else list(zip(written.step.tolist(), written.wall_time.tolist(), strict=True))
        assert every == model.written


def filled() -> Store:
    store = Store()
    offer(store, [0, 1, 2, 3])
    store.offer_scalars("a", "wide", np.array([7]), np.array([1.5]), np.array([0.1]), wide=True)
    store.restart("a", 2)
    offer(store, [2])
    store.offer_blob("a", "loss", "text", 5, 1.0, BlobRef("f", 1, 2))
    store.warn("a", "corrupt_record", "gone", 3)
    store.offer_run("empty")
    store.know("empty", "later", "images")
    store.publish("ready")
    return store


def test_snapshot_brings_everything_back() -> None:
    """A restored store answers as the exported one, knows its tags, and grows on without touching the arrays."""
    store = filled()
    snapshot = store.export()
    for array in snapshot.arrays.values():
        array.flags.writeable = False
    copy = Store()

    assert copy.restore(snapshot) == ["a", "empty"]
    copy.publish("ready")

    assert copy.runs() == store.runs()
    assert copy.tags() == store.tags()
    assert copy.overview().generations == store.overview().generations
    assert copy.plugin_of("empty", "later") == "images"
    for tag, superseded in (("loss", False), ("loss", True), ("wide", True)):
        one, two = (shown(each, tag, superseded=superseded) for each in (store, copy))
        for column in ("step", "wall_time", "value", "restarts", "segments"):
            np.testing.assert_array_equal(getattr(one, column), getattr(two, column))
            assert getattr(one, column).dtype == getattr(two, column).dtype
    blobs = copy.blobs("text", "a", "loss")
    assert blobs is not None
    assert [*blobs.ref] == [BlobRef("f", 1, 2)]
    restored = shown(copy).step
    assert restored.base is not None  # a view, not a copy
    offer(copy, [3, 4])
    copy.publish()
    assert shown(copy).step.tolist() == [0, 1, 2, 3, 4]


def test_snapshot_of_some_runs_replaces_only_them() -> None:
    """Runs are exported and restored one by one; the others stay."""
    store = filled()
    part = store.export(["empty", "nowhere"])
    other = filled()

    assert other.restore(part) == ["empty"]
    other.publish()

    assert [info.name for info in other.runs()] == ["a", "empty"]
    assert shown(other).step.tolist() == [0, 1, 2]


@given(st.data())
def test_damaged_snapshot_is_refused_or_harmless(data: st.DataObject) -> None:
    """A number changed anywhere in a snapshot raises ValueError, or leaves a store that answers every question."""
    snapshot = filled().export()
    arrays = {name: array.copy() for name, array in snapshot.arrays.items()}
    name = data.draw(st.sampled_from([name for name in ARRAYS if len(arrays[name])]))
    at = data.draw(st.integers(0, len(arrays[name]) - 1))
    limit = np.iinfo(arrays[name].dtype) if arrays[name].dtype.kind == "i" else None
    arrays[name][at] = data.draw(st.integers(limit.min, limit.max) if limit else st.floats(width=32))
    store = Store()
    try:
        store.restore(Snapshot(snapshot.meta, arrays))
    except ValueError:
        assert store.overview().runs == []
        return
    store.publish()

    for plugin, tags in store.tags().items():
        for tag, runs in tags.items():
            for run in runs:
                for superseded in (False, True):
                    found = store.scalars(run, tag, superseded=superseded)
                    if plugin != "scalars":
                        blobs = store.blobs(plugin, run, tag, superseded=superseded)
                        found = None
                        assert blobs is None or len([*blobs.ref]) == len(blobs)
                    assert found is None or len(found.segments) >= 1


@pytest.mark.parametrize("change", ["format", "runs", "missing", "dtype", "length", "files"])
def test_snapshot_that_does_not_fit_together_is_refused(change: str) -> None:
    """A snapshot of another format, or whose parts disagree, is refused whole with a ValueError."""
    snapshot = filled().export()
    meta, arrays = dict(snapshot.meta), dict(snapshot.arrays)
    if change == "format":
        meta["format"] = 0
    elif change == "runs":
        meta["runs"] = []
    elif change == "missing":
        del arrays["narrow_step"]
    elif change == "dtype":
        arrays["narrow_step"] = arrays["narrow_step"].astype(np.float64)
    elif change == "length":
        arrays["narrow_step"] = arrays["narrow_step"][:-1]
    else:
        meta["files"] = [[], []]
    store = Store()

    with pytest.raises(ValueError, match="snapshot"):
        store.restore(Snapshot(meta, arrays))
    assert store.export().meta["runs"] == []
