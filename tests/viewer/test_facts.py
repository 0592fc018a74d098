"""GET /api/facts and /api/metrics: what a table says of runs, from real files, and at the cost of what is new."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pytest

import tallyboard as tb
from tallyboard.core.errors import CorruptRecord
from tallyboard.core.extremes import Extremes
from tallyboard.core.facts import AT_ONCE, GAPS, SILENCE, Facts
from tallyboard.core.hparams import session_end, session_start
from tallyboard.core.reader import LogdirReader
from tallyboard.core.record import frame
from tallyboard.core.store import BlobRef, Store
from tallyboard.core.summary import Event
from tallyboard.core.wire import encode_event, encode_file_version, encode_scalar
from tallyboard.viewer.records import Records
from tallyboard.viewer.routes import facts as route

Put = Callable[..., None]
NOW = 1_760_000_000.0


def gathered(logdir: Path, now: float | None = None) -> dict[str, Any]:
    """The facts of a logdir that is read once."""
    reader = LogdirReader(logdir)
    reader.poll()
    return Facts(reader.store, reader.fetch, time.time if now is None else lambda: now).gather().runs


def statuses(store: Store, now: float) -> dict[str, str]:
    return {name: fact.status for name, fact in Facts(store, clock=lambda: now).gather().runs.items()}


def test_a_run_of_ours_says_all_of_itself(tmp_path: Path, serve: Callable[..., Any]) -> None:
    """Status, times, directory, hyperparameters and last step, over HTTP, from files that our writer made."""
    with tb.SummaryWriter(str(tmp_path / "a" / "b")) as writer:
        writer.add_hparams({"lr": 1e-3, "layers": 4, "bias": True, "act": "relu", "odd": float("nan")})
        for step in range(10):
            writer.add_scalar("loss", 1.0 / (step + 1), step, walltime=NOW + step)
    records = Records(str(tmp_path))
    reader = records.opened(LogdirReader(tmp_path))
    reader.poll()

    answer = serve(reader.store, logdir=str(tmp_path), fetch=records.fetch).get("/api/facts")

    assert answer.headers["content-type"] == "application/json"
    fact = answer.json()["runs"]["a/b"]
    assert fact["status"] == "finished"
    assert fact["started"] == NOW
    assert fact["path"] == str(tmp_path / "a" / "b")
    assert fact["hparams"] == {"lr": 1e-3, "layers": 4, "bias": True, "act": "relu", "odd": "nan"}
    assert fact["last_step"] == 9
    assert set(fact) == {"status", "started", "ended", "path", "hparams", "last_step"}
    assert (answer.json()["pending"], answer.json()["version"]) == (0, reader.store.version)


def test_a_session_that_failed_is_failed(tmp_path: Path) -> None:
    """An exception that ends `with` is on the table as such."""

    def train() -> None:
        with tb.SummaryWriter(str(tmp_path / "a")) as writer:
            writer.add_hparams({"lr": 1})
            writer.add_scalar("loss", 1.0, 0)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        train()

    assert gathered(tmp_path)["a"].status == "failed"


def test_an_end_is_void_when_the_run_goes_on(tmp_path: Path) -> None:
    """Values that are more than five minutes later than the recorded end start the run's life anew."""
    ended = time.time()
    summaries = (*session_start({"lr": 1.0}, [], None, ended), session_end(False, ended))
    records = [encode_file_version(ended), *(encode_event(Event(0, ended, summary)) for summary in summaries)]
    path = tmp_path / "a" / "events.out.tfevents.1"
    path.parent.mkdir()
    path.write_bytes(b"".join(map(frame, records)))  # of a writer that leaves no mark when it is closed
    for later, status in ((SILENCE - 5, "finished"), (SILENCE + 5, "running")):
        with path.open("ab") as file:
            file.write(frame(encode_scalar("loss", int(later), ended + later, 1.0)))

        assert gathered(tmp_path, ended + later + 1)["a"].status == status


def test_torchs_hparams_belong_to_the_run_above(tmp_path: Path) -> None:
    """`add_hparams` of torch makes a run named by the time: its values are the run's, and at the end of training it
    is evidence that this was the end."""
    torch = pytest.importorskip("torch.utils.tensorboard")
    now = time.time()
    for name, at in (("late", 99), ("early", 0)):
        writer = torch.SummaryWriter(str(tmp_path / name))
        for step in range(100):
            writer.add_scalar("loss", 1.0, step, walltime=now - 50 + step * 0.1 + (1_000 if name == "early" else 0))
            if step == at:
                writer.add_hparams({"lr": 0.1, "opt": "adam"}, {"acc": 0.9})
        writer.close()

    runs = gathered(tmp_path, now + 2_000)

    assert runs["late"].hparams == runs["early"].hparams == {"lr": 0.1, "opt": "adam"}
    assert (runs["late"].status, runs["early"].status) == ("finished", "stalled")
    below = {name: fact for name, fact in runs.items() if "/" in name}
    assert sorted((name.partition("/")[0], fact.hparams_of) for name, fact in below.items()) == [
        ("early", "early"),
        ("late", "late"),
    ]
    assert {fact.status for fact in below.values()} == {"finished"}


def test_torchs_runs_with_different_hparams_are_nobodys(tmp_path: Path) -> None:
    """Where two calls said different things, the run above has neither."""
    torch = pytest.importorskip("torch.utils.tensorboard")
    writer = torch.SummaryWriter(str(tmp_path / "a"))
    writer.add_scalar("loss", 1.0, 0)
    for rate in (0.1, 0.2):
        writer.add_hparams({"lr": rate}, {"acc": 0.9})
    writer.close()

    runs = gathered(tmp_path)

    assert runs["a"].hparams == {}
    assert [fact.hparams_of for fact in runs.values()] == [None] * 3
    assert sorted(fact.hparams["lr"] for name, fact in runs.items() if name != "a") == [0.1, 0.2]


def test_tensorflows_hparams(tmp_path: Path) -> None:
    """`tf.summary`'s hparams and the Keras callback are read: the one has no end, the other an end of its own."""
    tf = pytest.importorskip("tensorflow")
    hp = pytest.importorskip("tensorboard.plugins.hparams.api")
    with tf.summary.create_file_writer(str(tmp_path / "open")).as_default():
        hp.hparams({"units": 16, "opt": "sgd"})
    callback = hp.KerasCallback(str(tmp_path / "closed"), {"units": 32})
    callback.on_train_begin()
    callback.on_train_end()

    runs = gathered(tmp_path)

    assert {name: (fact.status, fact.hparams) for name, fact in runs.items()} == {
        "open": ("running", {"units": 16.0, "opt": "sgd"}),
        "closed": ("finished", {"units": 32.0}),
    }


def test_silence_makes_a_run_stalled(store: Store, put: Put) -> None:
    """Five minutes without news, or ten times the usual pause where that is longer; nothing is taken for a success."""
    store.publish("ready")
    for run, pause in (("quick", 1.0), ("slow", 120.0)):
        put(run, "loss", np.ones(20), walls=NOW - pause * np.arange(20)[::-1])
    for kept in store._runs.values():
        kept.grew = 0.0  # as if all of it had been there before

    assert statuses(store, NOW + SILENCE - 1) == {"quick": "running", "slow": "running"}
    assert statuses(store, NOW + SILENCE + 1) == {"quick": "stalled", "slow": "running"}
    assert statuses(store, NOW + GAPS * 120 + 1) == {"quick": "stalled", "slow": "stalled"}


def test_a_status_changes_with_the_clock_alone(tmp_path: Path) -> None:
    """Nothing comes any more: the same gatherer finds the run stalled when its time is up, then running."""
    now = time.time()

    writer = tb.SummaryWriter(str(tmp_path / "a"))

    def write(step: int, wall: float) -> None:
        writer.add_scalar("loss", 1.0, step, walltime=wall)
        writer.flush()

    write(0, now)
    reader = LogdirReader(tmp_path)
    reader.poll()
    clock = [now + 1]
    facts = Facts(reader.store, reader.fetch, lambda: clock[0])
    seen = [facts.gather().runs["a"].status]
    for later in (SILENCE + 1, SILENCE + 2):
        clock[0] = now + later
        seen.append(facts.gather().runs["a"].status)
    write(1, clock[0])
    reader.poll()
    seen.append(facts.gather().runs["a"].status)

    assert seen == ["running", "stalled", "stalled", "running"]


def test_hparams_that_torch_writes_later_join_the_run(tmp_path: Path) -> None:
    """A run that was gathered without hyperparameters has them as soon as the run below it does."""
    torch = pytest.importorskip("torch.utils.tensorboard")
    writer = torch.SummaryWriter(str(tmp_path / "a"))
    writer.add_scalar("loss", 1.0, 0, walltime=time.time() - 1_000)
    writer.flush()
    reader = LogdirReader(tmp_path)
    reader.poll()
    facts = Facts(reader.store, reader.fetch)
    before = facts.gather().runs["a"]
    writer.add_hparams({"lr": 0.1}, {"acc": 0.9})
    writer.close()
    reader.poll()
    after = facts.gather().runs["a"]

    assert (before.status, before.hparams) == ("stalled", {})
    assert (after.status, after.hparams) == ("finished", {"lr": 0.1})


def test_growth_counts_whatever_its_wall_times(store: Store, put: Put) -> None:
    """A program may write wall times of its own; what was seen to grow runs, what was found on disk does not."""
    put("found", "loss", [1.0, 2.0], walls=[0.0, 1.0])
    put("grown", "loss", [1.0, 2.0], walls=[0.0, 1.0])
    put("future", "loss", [1.0], walls=[time.time() + 1e6])
    for kept in store._runs.values():
        kept.grew = 0.0
    put("grown", "loss", [3.0], walls=[2.0])

    assert statuses(store, time.time()) == {"found": "stalled", "grown": "running", "future": "stalled"}
    assert statuses(store, time.time() + SILENCE + 1)["grown"] == "stalled"


def test_only_what_changed_is_gathered_anew(tmp_path: Path) -> None:
    """A run that stays as it is is the same object; its hyperparameters are read from disk once."""
    for name in ("a", "b"):
        with tb.SummaryWriter(str(tmp_path / name)) as writer:
            writer.add_hparams({"lr": 1})
            writer.add_scalar("loss", 1.0, 0)
    reader = LogdirReader(tmp_path)
    reader.poll()
    asked: list[str] = []

    def fetch(ref: Any) -> bytes:
        asked.append(ref.path)
        return reader.fetch(ref)

    facts = Facts(reader.store, fetch)
    before = facts.gather()
    asked.clear()
    with tb.SummaryWriter(str(tmp_path / "a")) as writer:
        writer.add_scalar("loss", 1.0, 7)
    reader.poll()
    after = facts.gather()

    assert after.runs["b"] is before.runs["b"]
    assert (before.runs["a"].last_step, after.runs["a"].last_step) == (0, 7)
    assert asked == []
    (tmp_path / "b").rename(tmp_path / "c")
    reader.poll()
    assert sorted(facts.gather().runs) == ["a", "c"]
    assert len(asked) == 2


def test_hparams_that_time_had_no_room_for_come_later(tmp_path: Path) -> None:
    """An answer never waits long for a slow disk: what is left out is counted, and is there the next time."""
    for name in ("a", "b", "c"):
        with tb.SummaryWriter(str(tmp_path / name)) as writer:
            writer.add_hparams({"lr": 1})
    reader = LogdirReader(tmp_path)
    reader.poll()

    facts = Facts(reader.store, reader.fetch)
    first = facts.gather(patience=-1.0)

    assert (first.pending, [fact.hparams for fact in first.runs.values()]) == (3, [{}] * 3)
    second = facts.gather()
    assert (second.pending, [fact.hparams for fact in second.runs.values()]) == (0, [{"lr": 1.0}] * 3)


def test_damaged_hparams_are_none(tmp_path: Path) -> None:
    """A record that went bad after it was found costs its run the hyperparameters, and nobody anything else."""
    with tb.SummaryWriter(str(tmp_path / "a")) as writer:
        writer.add_hparams({"lr": 1})
        writer.add_scalar("loss", 1.0, 3)
    reader = LogdirReader(tmp_path)
    reader.poll()
    path = next((tmp_path / "a").iterdir())
    path.write_bytes(bytes(len(path.read_bytes())))

    fact = Facts(reader.store, reader.fetch).gather().runs["a"]

    assert (fact.hparams, fact.last_step) == ({}, 3)


def test_facts_are_revalidated(store: Store, put: Put, served: Any) -> None:
    """Nothing new: 304. The ETag stands for the content, because a status changes without news."""
    put("a", "loss", [1.0])
    first = served.get("/api/facts")

    assert served.get("/api/facts", If_None_Match=first.headers["etag"]).status == 304
    put("a", "loss", [2.0])
    assert served.get("/api/facts", If_None_Match=first.headers["etag"]).status == 200


@pytest.mark.parametrize("name", ["<img src=x>", "‮abc", "a\udcff", "x" * 10_000, "ü/ä"])
def test_hostile_names_and_values_arrive_as_they_are(store: Store, put: Put, served: Any, name: str) -> None:
    """A name is text: its bytes come back, whatever they are."""
    put(name, "loss", [1.0])

    runs = served.get("/api/facts").json()["runs"]

    assert list(runs) == [name]
    assert runs[name]["path"].endswith(name)


def test_ten_thousand_runs_are_cheap(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked again after one run grew, the work is that of one run and of a look at the others' status."""
    steps, walls = np.arange(3), np.arange(3) + NOW
    for run in range(10_000):
        for tag in ("a", "b", "c"):
            store.offer_scalars(f"run{run}", tag, steps, walls, walls)
    store.publish("ready")
    changed_runs = store.changed_runs
    changed: list[list[str]] = []
    read: list[str] = []

    def counted(since: int) -> Any:
        version, names, standings = changed_runs(since)
        changed.append([standing.name for standing in standings])
        return version, names, standings

    monkeypatch.setattr(store, "changed_runs", counted)
    scalars = store.scalars
    monkeypatch.setattr(store, "scalars", lambda run, *rest: read.append(run) or scalars(run, *rest))
    facts = Facts(store, clock=lambda: NOW + 10)
    first = facts.gather().runs
    assert (len(first), len(changed[0])) == (10_000, 10_000)
    read.clear()
    store.offer_scalars("run7", "a", steps, walls + 9, walls)
    store.publish("ready")
    second = facts.gather().runs

    assert changed[1] == ["run7"]
    assert set(read) <= {"run7"}
    assert [name for name in second if second[name] is not first[name]] == ["run7"]


# -- metrics


def metrics(served: Any, *tags: str) -> Any:
    answer = served.get("/api/metrics?" + "&".join(f"tag={quote(tag)}" for tag in tags))
    assert answer.status == 200, answer.body
    return answer.json()["metrics"]


def test_metrics_are_columns(store: Store, put: Put, served: Any) -> None:
    """First, last, least and greatest with their steps, in every run that has the tag."""
    put("a", "loss", [3.0, 1.0, 1.0, 2.0], steps=[10, 20, 30, 40])
    put("b", "loss", [0.5], steps=[7])
    put("b", "acc", [0.9], steps=[7])

    found = metrics(served, "loss", "acc", "unknown")

    assert found["loss"] == {
        "run": ["a", "b"],
        "n": [4, 1],
        "non_finite": [0, 0],
        "first": [3.0, 0.5],
        "last": [2.0, 0.5],
        "min": [1.0, 0.5],
        "max": [3.0, 0.5],
        "min_step": [20, 7],
        "max_step": [10, 7],
        "last_step": [40, 7],
    }
    assert found["acc"]["run"] == ["b"]
    assert all(column == [] for column in found["unknown"].values())


def test_a_value_is_the_number_that_was_meant(store: Store, put: Put, served: Any) -> None:
    """0.9 kept as float32 is 0.8999999762: the table says 0.9, and `>= 0.9` holds. Wide values keep every digit."""
    put("a", "acc", [0.9])
    put("b", "acc", [0.1 + 0.2], wide=True)

    assert metrics(served, "acc")["acc"]["last"] == [0.9, 0.1 + 0.2]


def test_what_is_not_finite_is_counted(store: Store, put: Put, served: Any) -> None:
    """NaN and infinities are no minimum, but the last value is what it is."""
    nan, inf = float("nan"), float("inf")
    put("a", "loss", [nan, 2.0, -inf, 1.0, nan], steps=[0, 1, 2, 3, 4])
    put("b", "loss", [nan, inf])

    found = metrics(served, "loss")["loss"]

    assert found["non_finite"] == [3, 2]
    assert (found["first"], found["min"], found["max"]) == ([2.0, "NaN"], [1.0, "NaN"], [2.0, "NaN"])
    assert (found["min_step"], found["max_step"]) == ([3, None], [1, None])
    assert (found["last"], found["last_step"]) == (["NaN", "Infinity"], [4, 1])


def test_metrics_follow_growth_and_restarts(tmp_path: Path) -> None:
    """However the points come, and whatever a restart voids, the figures are those of all that stands."""
    reader = LogdirReader(tmp_path)
    extremes = Extremes(reader.store)
    rng = np.random.default_rng(5)
    for part in range(6):
        start = 10 * part - (5 if part in (2, 4) else 0)
        with tb.SummaryWriter(str(tmp_path / "a"), purge_step=start if part in (2, 4) else None) as writer:
            for step in range(start, start + 10):
                writer.add_scalar("loss", float(rng.normal()), step)
        reader.poll()
        series = reader.store.scalars("a", "loss")
        assert series is not None
        figures = extremes.of("loss")

        assert figures.n == [len(series)]
        low, high = int(series.value.argmin()), int(series.value.argmax())
        assert np.float32(figures.min[0]) == series.value[low]
        assert np.float32(figures.max[0]) == series.value[high]
        assert np.float32(figures.first[0]) == series.value[0]
        assert np.float32(figures.last[0]) == series.value[-1]
        assert (figures.min_step, figures.max_step) == ([series.step[low]], [series.step[high]])
        assert figures.last_step == [series.step[-1]]


def test_a_run_that_is_read_anew_is_looked_at_anew(store: Store, put: Put) -> None:
    """As many points under the same generation are not the same points."""
    extremes = Extremes(store)
    put("a", "loss", [5.0, 6.0])
    assert extremes.of("loss").min == [5.0]
    store.drop_run("a")
    put("a", "loss", [1.0, 2.0])

    assert (extremes.of("loss").min, extremes.of("loss").max) == ([1.0], [2.0])


def test_metrics_cost_what_is_new(store: Store, put: Put) -> None:
    """A tag of which nothing changed is the same object; a run that is gone, or lost the tag, leaves its row."""
    extremes = Extremes(store)
    for run in ("a", "b", "c"):
        put(run, "loss", [1.0])
        put(run, "acc", [0.5])
    loss, acc = extremes.of("loss"), extremes.of("acc")
    put("b", "loss", [9.0])

    assert extremes.of("acc") is acc
    assert extremes.of("loss").max == [1.0, 9.0, 1.0]
    assert loss.max == [1.0, 1.0, 1.0]
    store.drop_run("a")
    put("d", "loss", [4.0])
    assert (extremes.of("loss").run, extremes.of("loss").max) == (["b", "c", "d"], [9.0, 1.0, 4.0])
    store.drop_run("c")
    put("c", "acc", [0.7])
    assert extremes.of("loss").run == ["b", "d"]
    assert sorted(zip(extremes.of("acc").run, extremes.of("acc").last, strict=True)) == [("b", 0.5), ("c", 0.7)]
    store.drop_run("b")
    store.drop_run("d")
    store.publish()
    assert extremes.of("loss").run == []


def test_metrics_are_revalidated_and_bounded(store: Store, put: Put, served: Any) -> None:
    """Nothing published: 304. No tag: 400. Too many: 413."""
    put("a", "loss", [1.0])
    first = served.get("/api/metrics?tag=loss")

    assert served.get("/api/metrics?tag=loss", If_None_Match=first.headers["etag"]).status == 304
    put("a", "loss", [2.0])
    assert served.get("/api/metrics?tag=loss", If_None_Match=first.headers["etag"]).status == 200
    assert served.get("/api/metrics").status == 400
    many = "&".join(f"tag={at}" for at in range(route.MOST_TAGS + 1))
    assert served.get(f"/api/metrics?{many}").status == 413
    assert json.loads(first.body)["version"] == 1


def hparams_in(store: Store, place: str, count: int) -> dict[str, bytes]:
    """Offers runs that have hyperparameters; gives the records that lie below a place."""
    records: dict[str, bytes] = {}
    for number in range(count):
        start = session_start({"lr": float(number)}, [], None, NOW)[1]
        path = f"{place}/r{number}/events.out.tfevents.1"
        records[path] = encode_event(Event(0, NOW, start))
        ref = BlobRef(path, 0, len(records[path]))
        store.offer_blob(f"r{number}", start.tag, "hparams", 0, NOW, ref)
    store.publish("ready")
    return records


def test_remote_hyperparameters_are_fetched_side_by_side() -> None:
    """Sixteen at a time and never more, so that a slow store costs a sixteenth; what fails counts as not there."""
    store = Store()
    records = hparams_in(store, "s3://bucket/runs", 2 * AT_ONCE)
    together = threading.Barrier(AT_ONCE)
    lock, now, most = threading.Lock(), [0], [0]

    def fetch(ref: BlobRef) -> bytes:
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        together.wait(30)  # nobody goes on before all sixteen are here
        with lock:
            now[0] -= 1
        if ref.path.startswith("s3://bucket/runs/r3/"):
            raise CorruptRecord("gone")
        return records[ref.path]

    gathered = Facts(store, fetch).gather()

    assert (gathered.pending, most[0]) == (0, AT_ONCE)
    assert {name: fact.hparams for name, fact in gathered.runs.items()} == {
        f"r{number}": {} if number == 3 else {"lr": float(number)} for number in range(2 * AT_ONCE)
    }


def test_impatience_leaves_remote_ones_for_the_next_time() -> None:
    """When time is up, none is begun any more; the next answer has them."""
    store = Store()
    records = hparams_in(store, "s3://bucket/runs", 5)
    facts = Facts(store, lambda ref: records[ref.path])
    first, second = facts.gather(patience=-1.0), facts.gather()

    assert (first.pending, [fact.hparams for fact in first.runs.values()]) == (5, [{}] * 5)
    assert (second.pending, second.runs["r4"].hparams) == (0, {"lr": 4.0})


def test_local_hyperparameters_are_read_where_they_are_asked_for() -> None:
    """A file on this machine's disk is sooner read than handed to a thread."""
    store = Store()
    records = hparams_in(store, "/runs", 5)
    threads: set[int] = set()

    def fetch(ref: BlobRef) -> bytes:
        threads.add(threading.get_ident())
        return records[ref.path]

    assert Facts(store, fetch).gather().runs["r4"].hparams == {"lr": 4.0}
    assert threads == {threading.get_ident()}
