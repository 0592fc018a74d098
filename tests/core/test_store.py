"""The store: what is published is seen whole, and news can be asked for since any version."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tallyboard.core.store import BlobRef, Changes, RunInfo, Store, Warned, natural


def offer(store: Store, run: str, tag: str, values: list[float], start: int = 0, wide: bool = False) -> None:
    store.offer_run(run)
    steps = np.arange(start, start + len(values))
    store.offer_scalars(run, tag, steps, steps.astype(np.float64), np.array(values, np.float64), wide)


def test_nothing_is_seen_before_publish() -> None:
    """Offered points are invisible until they are published, then all are there."""
    store = Store()
    offer(store, "a", "loss", [1, 2, 3])
    assert store.scalars("a", "loss") is None
    assert store.tags() == {}

    assert store.publish()

    series = store.scalars("a", "loss")
    assert series is not None
    assert (series.step.tolist(), series.value.tolist(), len(series)) == ([0, 1, 2], [1, 2, 3], 3)
    assert store.tags() == {"scalars": {"loss": {"a": 3}}}


@settings(deadline=None)
@given(st.lists(st.lists(st.floats(width=32), min_size=1, max_size=50), max_size=20))
def test_columns_grow_in_place_without_loss(batches: list[list[float]]) -> None:
    """However points come in, the series is all of them, and an older view keeps what it showed."""
    store = Store()
    everything: list[float] = []
    views = []
    for batch in batches:
        offer(store, "a", "loss", batch, len(everything))
        everything += batch
        store.publish()
        views.append((store.scalars("a", "loss"), list(everything)))

    for series, expected in views:
        assert series is not None
        np.testing.assert_array_equal(series.value, np.array(expected, np.float32))
        assert series.step.tolist() == list(range(len(expected)))


def test_float32_stays_small_and_float64_stays_exact() -> None:
    """Values are float32 until a value of more precision comes; earlier ones keep their value."""
    store = Store()
    offer(store, "a", "loss", [0.5])
    store.publish()
    narrow = store.scalars("a", "loss")
    offer(store, "a", "loss", [0.1], 1, wide=True)
    store.publish()
    both = store.scalars("a", "loss")

    assert narrow is not None
    assert both is not None
    assert narrow.value.dtype == np.float32
    assert both.value.dtype == np.float64
    assert both.value.tolist() == [0.5, 0.1]


def test_publish_without_news_changes_nothing() -> None:
    """A publication without news keeps the version and tells nobody."""
    store = Store()
    store.publish("ready")
    heard: list[int] = []
    store.subscribe(heard.append)

    assert not store.publish("ready")
    assert (store.version, heard) == (1, [])


def test_subscribers_hear_each_version_until_they_leave() -> None:
    """A subscriber is told each new version; after unsubscribing, none."""
    store = Store()
    heard: list[int] = []
    leave = store.subscribe(heard.append)
    offer(store, "a", "loss", [1])
    store.publish()
    leave()
    leave()
    offer(store, "a", "loss", [2], 1)
    store.publish()

    assert heard == [1]


def test_changes_names_grown_series() -> None:
    """News since a version name each grown series once, with its present number of points."""
    store = Store()
    offer(store, "a", "loss", [1])
    offer(store, "b", "loss", [1])
    store.publish("ready")
    offer(store, "a", "loss", [2], 1)
    store.publish()
    offer(store, "a", "loss", [3], 2)
    store.publish()

    assert store.changes(1) == Changes(3, False, [("a", "loss", 3, 0)])
    assert store.changes(3) == Changes(3, False, [])
    assert store.changes(0).structure


def test_changes_too_many_or_too_old() -> None:
    """Beyond what can be named, or remembered, the news say that all may have changed."""
    store = Store()
    store.NAMED_MAX = 3
    for i in range(4):
        offer(store, "a", f"tag{i}", [1])
    store.publish()
    assert store.changes(0) == Changes(1, True, None)
    for i in range(store.REMEMBERED + 5):
        offer(store, "a", "tag0", [1], i + 1)
        store.publish()

    assert store.changes(2) == Changes(store.version, True, None)
    assert store.changes(store.version - 1).series == [("a", "tag0", store.REMEMBERED + 6, 0)]
    assert store.changes(-5) == Changes(store.version, True, None)


def test_runs_carry_span_and_warnings() -> None:
    """A run knows its first and last wall time, and counts its warnings by kind."""
    store = Store()
    offer(store, "a", "loss", [1, 2, 3])
    store.warn("a", "corrupt_record", "first")
    store.warn("a", "corrupt_record", "second", 2)
    store.offer_run("empty")
    store.publish()

    assert store.runs() == [
        RunInfo("a", 0.0, 2.0, (Warned("corrupt_record", 3, "second"),)),
        RunInfo("empty", None, None, ()),
    ]
    assert store.count_warned("a", "corrupt_record") == 3
    assert store.count_warned("none", "corrupt_record") == 0


def test_dropped_run_is_gone_and_may_come_back() -> None:
    """Dropping a run takes its series with it; coming back it starts empty."""
    store = Store()
    offer(store, "a", "loss", [1, 2])
    store.offer_blob("a", "notes", "text", 1, 2.0, BlobRef("f", 3, 4))
    store.publish()
    version = store.version
    store.drop_run("a")
    store.publish()

    assert store.runs() == []
    assert store.scalars("a", "loss") is None
    assert store.blobs("text", "a", "notes") is None
    assert store.changes(version).structure
    offer(store, "a", "loss", [9])
    store.publish()
    series = store.scalars("a", "loss")
    assert series is not None
    assert series.value.tolist() == [9]


def test_blobs_are_references() -> None:
    """Other values are kept as step, wall time and the place on disk."""
    store = Store()
    store.offer_run("a")
    store.offer_blob("a", "notes", "text", 5, 2.5, BlobRef("file", 100, 20))
    store.publish()

    blobs = store.blobs("text", "a", "notes")
    assert blobs is not None
    assert (blobs.step.tolist(), blobs.wall_time.tolist(), [*blobs.ref]) == ([5], [2.5], [BlobRef("file", 100, 20)])
    assert len(blobs) == 1
    assert store.tags() == {"text": {"notes": {"a": 1}}}


@pytest.mark.parametrize(
    "names",
    [
        ["run2", "run10"],
        ["a1b2", "a1b10", "a2"],
        ["9" * 5000, "1" + "0" * 5000],
        ["lr=0.001", "lr=0.01", "lr=0.1", "lr=1"],
        ["0", "0.0", "0.01", "0.1", "1"],
        ["a", "a1", "a1b", "a1b2", "a01c", "a2", "ab"],
        ["1", "a"],
    ],
    ids=str,
)
def test_natural_order(names: list[str]) -> None:
    """Numbers in names sort by size, however long they are."""
    backwards = names[::-1]

    assert sorted(backwards, key=natural) == names
