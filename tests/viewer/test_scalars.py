"""POST /api/scalars: the points asked for, no more, and a clear sentence for everything else."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tallyboard as tb
import tallyboard.core.smoothing
from tallyboard.core.reader import LogdirReader
from tallyboard.viewer.routes import scalars

Put = Callable[..., None]


def test_it_sends_all_points(put: Put, served: Any, decode_frame: Any) -> None:
    """Steps, wall times and values arrive as they were published, NaN and infinities too."""
    put("a", "loss", [0.25, np.nan, np.inf, -np.inf], steps=[-1, 10, 10, 2**53], walls=[1.5, 2.5, 3.5, 1.7e9])

    answer = served.scalars(("a", "loss", 0))
    (series,) = decode_frame(answer.body)

    assert (answer.status, answer.headers["content-type"]) == (200, "application/octet-stream")
    assert (series["run"], series["tag"], series["since"], series["n"], series["total"]) == ("a", "loss", 0, 4, 4)
    assert list(series["step"]) == [-1, 10, 10, 2**53]
    assert list(series["wall"]) == [1.5, 2.5, 3.5, 1.7e9]
    np.testing.assert_array_equal(series["value"], np.array([0.25, np.nan, np.inf, -np.inf], np.float32))
    assert series["value"].dtype == np.float32


def test_values_written_wide_arrive_wide(put: Put, served: Any, decode_frame: Any) -> None:
    """A float64 in the file is a float64 on the page."""
    put("a", "loss", [0.1], wide=True)

    (series,) = decode_frame(served.scalars(("a", "loss", 0)).body)
    assert (series["value"].dtype, series["value"][0]) == (np.float64, 0.1)


def test_since_asks_for_the_tail(put: Put, served: Any, decode_frame: Any) -> None:
    """A client that has k points asks from k on, and gets nothing when there is nothing new."""
    put("a", "loss", [0.0, 1.0, 2.0, 3.0])

    tail, none = decode_frame(served.scalars(("a", "loss", 3), ("a", "loss", 4)).body)
    assert (tail["since"], tail["n"], tail["total"], list(tail["value"])) == (3, 1, 4, [3.0])
    assert (none["since"], none["n"], none["total"]) == (4, 0, 4)


def test_since_beyond_the_end_starts_over(put: Put, served: Any, decode_frame: Any) -> None:
    """The client knew a longer series: a shorter one took its place, and is sent whole."""
    put("a", "loss", [0.0, 1.0])

    (series,) = decode_frame(served.scalars(("a", "loss", 3)).body)
    assert (series["since"], series["n"], series["total"], list(series["value"])) == (0, 2, 2, [0.0, 1.0])


def test_an_unknown_series_has_no_points(put: Put, served: Any, decode_frame: Any) -> None:
    """Asking for what is not there is no error, and the rest is answered in the order asked."""
    put("a", "loss", [1.0])

    read = decode_frame(served.scalars(("b", "loss", 5), ("a", "loss", 0), ("a", "x", 0), ("a", "loss", 0)).body)
    assert [(s["run"], s["tag"], s["since"], s["n"], s["total"]) for s in read] == [
        ("b", "loss", 0, 0, 0),
        ("a", "loss", 0, 1, 1),
        ("a", "x", 0, 0, 0),
        ("a", "loss", 0, 1, 1),
    ]


def test_points_not_yet_published_are_not_sent(store: Any, put: Put, served: Any, decode_frame: Any) -> None:
    """A batch half offered is not there."""
    put("a", "loss", [1.0])
    one = np.ones(1)
    store.offer_scalars("a", "loss", one.astype(np.int64), one, one)

    (series,) = decode_frame(served.scalars(("a", "loss", 0)).body)
    assert (series["n"], series["total"]) == (1, 1)


def test_a_large_answer_arrives_whole(put: Put, served: Any, decode_frame: Any) -> None:
    """An answer sent in pieces has its length announced and every value in place."""
    values = np.random.default_rng(1).normal(size=(20, 50_000)).astype(np.float32)
    for number, row in enumerate(values):
        put(f"run{number}", "loss", row, walls=np.arange(50_000) + number)

    answer = served.scalars(*((f"run{number}", "loss", 0) for number in range(20)))
    read = decode_frame(answer.body)

    assert int(answer.headers["content-length"]) == len(answer.body) > 10_000_000
    np.testing.assert_array_equal(np.array([series["value"] for series in read]), values)
    assert {series["at"]["step"] for series in read} == {0}
    assert [series["wall"][-1] for series in read] == [49_999.0 + number for number in range(20)]


def test_many_series_in_one_request(put: Put, served: Any, decode_frame: Any) -> None:
    """5,000 series are answered in one frame."""
    for number in range(50):
        put("a", f"tag{number}", [float(number)])

    read = decode_frame(served.scalars(*(("a", f"tag{n % 50}", 0) for n in range(5000))).body)
    assert [series["value"][0] for series in read] == [float(n % 50) for n in range(5000)]


def test_too_many_series_are_refused(served: Any) -> None:
    """One more than 5,000 is 413, with both numbers in the sentence."""
    answer = served.scalars(*(("a", "b", 0) for _ in range(5001)))

    assert answer.status == 413
    assert answer.json() == {"error": "At most 5,000 series fit in one request; this one names 5,001."}


def test_an_answer_has_room_for_so_many_points(
    put: Put, served: Any, decode_frame: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What does not fit is cut, says so, and is had by asking again from there."""
    monkeypatch.setattr(scalars, "MOST_POINTS", 5)
    put("a", "loss", [0.0, 1.0, 2.0])
    put("b", "loss", [10.0, 11.0, 12.0])

    first = decode_frame(served.scalars(("a", "loss", 0), ("b", "loss", 0)).body)
    assert [(s["since"], s["n"], s["total"]) for s in first] == [(0, 3, 3), (0, 2, 3)]
    (rest,) = decode_frame(served.scalars(("b", "loss", 2)).body)
    assert (rest["since"], list(rest["value"])) == (2, [12.0])


NO_OBJECT = 'The request\'s body must be an object with a list "series".'
NO_NAME = 'series[0] needs "run" and "tag", both text.'
NO_SINCE = 'series[1] has a "since" that is not an integer of 0 or more.'
GOOD = {"run": "a", "tag": "b"}


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"", "The request's body is not JSON."),
        (b"{", "The request's body is not JSON."),
        (b"\xff\xfe\x00", "The request's body is not JSON."),
        (b"[" * 100_000, "The request's body is not JSON."),
        (b'{"series": [' + b"9" * 5000 + b"]}", "The request's body is not JSON."),
        ([], NO_OBJECT),
        (None, NO_OBJECT),
        ("series", NO_OBJECT),
        ({}, NO_OBJECT),
        ({"series": {}}, NO_OBJECT),
        ({"series": "ab"}, NO_OBJECT),
        ({"series": [1]}, 'series[0] must be an object with "run", "tag" and "since".'),
        ({"series": [["a", "b", 0]]}, 'series[0] must be an object with "run", "tag" and "since".'),
        ({"series": [{}]}, NO_NAME),
        ({"series": [{"run": "a"}]}, NO_NAME),
        ({"series": [{"run": 1, "tag": "b"}]}, NO_NAME),
        ({"series": [{"run": "a", "tag": None}]}, NO_NAME),
        ({"series": [GOOD, {**GOOD, "since": -1}]}, NO_SINCE),
        ({"series": [GOOD, {**GOOD, "since": 1.0}]}, NO_SINCE),
        ({"series": [GOOD, {**GOOD, "since": "1"}]}, NO_SINCE),
        ({"series": [GOOD, {**GOOD, "since": True}]}, NO_SINCE),
        ({"series": [GOOD, {**GOOD, "since": None}]}, NO_SINCE),
        ({"series": [{**GOOD, "generation": "1"}]}, 'series[0] has a "generation" that is not an integer.'),
        ({"series": [{**GOOD, "superseded": 1}]}, 'series[0] has a "superseded" that is neither true nor false.'),
    ],
)
def test_a_malformed_body_is_400(served: Any, body: Any, sentence: str) -> None:
    """Every wrong shape is answered with what was wanted and where it was missing."""
    answer = served.post("/api/scalars", body if isinstance(body, bytes) else json.dumps(body).encode())

    assert (answer.status, answer.json()) == (400, {"error": sentence})


def test_since_may_be_left_out_and_be_huge(put: Put, served: Any, decode_frame: Any) -> None:
    """No since is 0; a since no series can reach starts over."""
    put("a", "b", [1.0])
    body = json.dumps({"series": [GOOD, {**GOOD, "since": 10**30}]}).encode()

    assert [s["n"] for s in decode_frame(served.post("/api/scalars", body).body)] == [1, 1]


SPAN = {"count": 10}
BUCKETS = 'The "buckets" of series[0]'
SMOOTH = 'The "smooth" of series[0]'


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"buckets": 10}, f'{BUCKETS} must be an object with "count", and perhaps "lo", "hi", "x" and "log".'),
        ({"buckets": {}}, f'{BUCKETS} need a "count" from 1 to 8,192.'),
        ({"buckets": {"count": 0}}, f'{BUCKETS} need a "count" from 1 to 8,192.'),
        ({"buckets": {"count": 8193}}, f'{BUCKETS} need a "count" from 1 to 8,192.'),
        ({"buckets": {"count": True}}, f'{BUCKETS} need a "count" from 1 to 8,192.'),
        ({"buckets": {**SPAN, "lo": "0"}}, f'{BUCKETS} have a "lo" that is neither null nor a finite number.'),
        ({"buckets": {**SPAN, "hi": float("nan")}}, f'{BUCKETS} have a "hi" that is neither null nor a finite number.'),
        ({"buckets": {**SPAN, "hi": 10**400}}, f'{BUCKETS} have a "hi" that is neither null nor a finite number.'),
        ({"buckets": {**SPAN, "lo": 2, "hi": 1}}, f'{BUCKETS} have a "lo" above their "hi".'),
        ({"buckets": {**SPAN, "x": "epoch"}}, f'{BUCKETS} have an "x" that is none of "step", "relative", "wall".'),
        ({"buckets": {**SPAN, "log": 1}}, f'{BUCKETS} have a "log" that is neither true nor false.'),
        ({"smooth": 0.6}, f'{SMOOTH} must be an object with "kind" and "weight".'),
        ({"smooth": {}}, f'{SMOOTH} has a "weight" that is not a number from 0 to 0.999.'),
        ({"smooth": {"weight": 1}}, f'{SMOOTH} has a "weight" that is not a number from 0 to 0.999.'),
        ({"smooth": {"weight": float("nan")}}, f'{SMOOTH} has a "weight" that is not a number from 0 to 0.999.'),
        (
            {"smooth": {"weight": 0.5, "kind": "sma"}},
            f'{SMOOTH} has a "kind" that is none of "ema", "time", "mean", "gauss", "median".',
        ),
        ({"smooth": {"weight": 0.5, "x": 1}}, f'{SMOOTH} has an "x" that is none of "step", "relative", "wall".'),
    ],
)
def test_malformed_wishes_are_400(served: Any, fields: Any, sentence: str) -> None:
    """A range, a count, an axis, a kind or a weight that is none is answered with what it may be."""
    answer = served.post("/api/scalars", json.dumps({"series": [{**GOOD, **fields}]}).encode())

    assert (answer.status, answer.json()) == (400, {"error": sentence})


@pytest.fixture
def ask(served: Any, decode_frame: Any) -> Callable[..., Any]:
    """`ask(**fields)`: the one series "a" of tag "loss" as it is answered."""

    def one(**fields: Any) -> Any:
        answer = served.post("/api/scalars", json.dumps({"series": [{"run": "a", "tag": "loss", **fields}]}).encode())
        assert answer.status == 200
        (series,) = decode_frame(answer.body)
        return {**series, "bytes": len(answer.body)}

    return one


def noise(n: int) -> Any:
    return np.random.default_rng(5).normal(size=n).astype(np.float32)


def test_a_long_series_costs_what_its_buckets_cost(put: Put, ask: Any) -> None:
    """Of 200,000 points with one spike come at most 4 a bucket, the spike, the ends, and how many each stands for."""
    value = noise(200_000)
    value[77_777] = 99
    put("a", "loss", value)

    series = ask(buckets={"count": 500}, smooth={"kind": "ema", "weight": 0.9})

    buckets = series["buckets"]
    assert (series["since"], series["total"]) == (0, 200_000)
    assert series["n"] <= 2000
    assert series["bytes"] < 80_000
    assert (buckets["lo"], buckets["hi"], buckets["count"], buckets["exact"]) == (0, 199_999, 500, False)
    assert (series["step"][0], series["step"][-1], series["value"].max()) == (0, 199_999, 99)
    np.testing.assert_array_equal(series["value"], value[series["step"].astype(int)])
    assert buckets["points"].tolist() == [400] * 500
    np.testing.assert_allclose(buckets["mean"], value.reshape(500, 400).mean(axis=1), atol=1e-5)
    assert "odd" not in buckets
    smooth = tb.core.smoothing.smoothed(value, 0.9)
    np.testing.assert_allclose(series["line"], smooth[series["step"].astype(int)], rtol=1e-6)


def test_a_short_series_is_sent_as_it_is(put: Put, ask: Any) -> None:
    """Four points a bucket are no more than the buckets would name: all are sent, and the page smooths them itself."""
    put("a", "loss", noise(40))
    series = ask(buckets=SPAN, smooth={"kind": "ema", "weight": 0.9})
    assert (series["n"], "buckets" in series, "line" in series) == (40, False, False)
    put("a", "loss", noise(1), steps=[40], walls=[40.5])
    assert ask(buckets=SPAN)["buckets"]["points"].sum() == 41


def test_the_tail_of_a_long_series_is_sent_as_it_is_with_its_line(put: Put, ask: Any) -> None:
    """What came since is few: the same line goes on, for points and for NaN; too many come in buckets again."""
    value = noise(1000)
    value[995] = np.nan
    put("a", "loss", value[:500])
    ask(buckets=SPAN, smooth={"kind": "ema", "weight": 0.9})
    put("a", "loss", value[500:], steps=range(500, 1000), walls=np.arange(500, 1000) + 0.5)

    tail = ask(since=990, buckets=SPAN, smooth={"kind": "ema", "weight": 0.9})
    assert (tail["since"], tail["n"], tail["total"], "buckets" in tail) == (990, 10, 1000, False)
    np.testing.assert_array_equal(tail["value"], value[990:])
    np.testing.assert_allclose(tail["line"], tb.core.smoothing.smoothed(value, 0.9)[990:], rtol=1e-6)
    assert ask(since=900, buckets=SPAN)["buckets"]["odd"].sum() == 1


@pytest.mark.parametrize(("x", "low", "high"), [("step", 100, 109), ("relative", 50, 54.5), ("wall", 1050, 1054.5)])
def test_a_range_is_sent_whole_where_it_is_short(put: Put, ask: Any, x: str, low: float, high: float) -> None:
    """Ten points of a range on any axis come all, with a neighbour on each side for the line to come from."""
    put("a", "loss", noise(1000), walls=1000 + np.arange(1000) / 2)

    series = ask(buckets={**SPAN, "x": x, "lo": low, "hi": high}, smooth={"kind": "median", "weight": 0.9})
    assert series["step"].tolist() == list(range(99, 111))
    assert (series["buckets"]["x"], series["buckets"]["exact"], series["buckets"]["hi"]) == (x, True, high)
    expected = tb.core.smoothing.smoothed(noise(1000), 0.9, "median")[99:111]
    np.testing.assert_allclose(series["line"], expected, rtol=1e-6)


def test_buckets_by_the_logarithm_of_steps(put: Put, ask: Any) -> None:
    """With "log" the first steps have buckets of their own, as they have pixels of their own."""
    put("a", "loss", noise(100_000))
    points = ask(buckets={"count": 100, "log": True})["buckets"]["points"]
    assert points[:5].tolist() == [1, 1, 1, 1, 1]
    assert points[-1] > 10_000


def test_a_series_that_took_anothers_place_is_smoothed_anew(put: Put, serve: Any, decode_frame: Any) -> None:
    """A line is kept only for the series it was made of."""
    from tallyboard.core.store import Store
    from tallyboard.viewer.lines import Lines
    from tallyboard.viewer.wishes import Smoothing, Wanted

    lines, wish = Lines(), Smoothing("ema", 0.5)
    for start in (0.0, 100.0):
        store = Store()
        store.offer_run("a")
        value = noise(5000) + start
        store.offer_scalars("a", "loss", np.arange(5000), np.arange(5000.0), value.astype(float), False)
        store.publish("ready")
        series = store.scalars("a", "loss")
        assert series is not None
        got = lines.at(Wanted("a", "loss", 0), wish, series, np.arange(5000))
        np.testing.assert_allclose(got, tb.core.smoothing.smoothed(series.value, 0.5), rtol=1e-6)


@pytest.mark.parametrize("kind", ["ema", "time", "mean", "gauss", "median"])
def test_lines_grow_with_their_series(put: Put, ask: Any, kind: str) -> None:
    """Asked for again and again while points come, each kind is what it is of the whole series."""
    value, at = noise(9000), 0
    for end in (5000, 5001, 7000, 9000):
        put("a", "loss", value[at:end], steps=range(at, end), walls=np.arange(at, end) / 7)
        at = end
        series = ask(buckets={"count": 50}, smooth={"kind": kind, "weight": 0.9, "x": "wall"})
        whole = tb.core.smoothing.smoothed(value[:end], 0.9, kind, np.arange(end) / 7)  # type: ignore[arg-type]
        np.testing.assert_allclose(series["line"], whole[series["step"].astype(int)], rtol=1e-5, atol=1e-6)


def restarted(folder: Path) -> LogdirReader:
    """A reader of a run that wrote steps 0 to 4 and then went on from step 3."""
    for purge_step, steps in ((None, range(5)), (3, range(3, 5))):
        with tb.SummaryWriter(folder / "run", purge_step=purge_step) as writer:
            for step in steps:
                writer.add_scalar("loss", step + (0.5 if purge_step else 0.0), step, walltime=100.0 + step)
    reader = LogdirReader(folder)
    reader.poll()
    return reader


def test_voided_points_are_given_when_asked_for(serve: Any, tmp_path: Path, decode_frame: Any) -> None:
    """A restart's voided points are left out unless "superseded" asks for them; then all come, in the order written."""
    served = serve(restarted(tmp_path).store)

    def values(**fields: Any) -> list[float]:
        body = json.dumps({"series": [{"run": "run", "tag": "loss", **fields}]}).encode()
        (series,) = decode_frame(served.post("/api/scalars", body).body)
        assert series["total"] - series["since"] == series["n"] == len(series["value"])
        return series["value"].tolist()

    assert values() == [0, 1, 2, 3.5, 4.5]
    assert values(superseded=True) == [0, 1, 2, 3, 4, 3.5, 4.5]
    assert values(superseded=True, since=5, generation=0) == [3.5, 4.5]
    assert values(since=4, generation=0) == [0, 1, 2, 3.5, 4.5]  # counted before the restart
    assert values(since=4, generation=1) == [4.5]


def test_a_restart_reaches_a_page_that_follows(serve: Any, tmp_path: Path, decode_frame: Any) -> None:
    """News of a restart carry the new generation, in which the page asks anew and loses what was voided."""
    with tb.SummaryWriter(tmp_path / "run") as writer:
        for step in range(5):
            writer.add_scalar("loss", float(step), step)
    reader = LogdirReader(tmp_path)
    reader.poll()
    served = serve(reader.store)
    with served.events() as stream:
        assert stream.next_named("hello").data["state"] == "ready"
        with tb.SummaryWriter(tmp_path / "run", purge_step=2) as writer:
            writer.add_scalar("loss", 9.0, 2)
        reader.poll()
        change = stream.next_named("change").data
    assert change["series"] == [["run", "loss", 3, 1]]
    assert served.get("/api/runs").json()["series"]["scalars"]["loss"] == [[0, 3, 1]]
    body = b'{"series": [{"run": "run", "tag": "loss", "since": 4, "generation": 0}]}'
    (series,) = decode_frame(served.post("/api/scalars", body).body)
    assert (series["since"], series["generation"], series["value"].tolist()) == (0, 1, [0.0, 1.0, 9.0])


def test_tags_of_which_nothing_stands_are_told_apart(serve: Any, tmp_path: Path, decode_frame: Any) -> None:
    """A series of which a restart voided every point is in "voided" alone, and its points are given when asked for."""
    folder = tmp_path / "run"
    with tb.SummaryWriter(folder) as writer:
        writer.add_scalar("loss", 1.0, 5)
        writer.add_scalar("gone", 2.0, 6)
    with tb.SummaryWriter(folder, purge_step=6) as writer:
        writer.add_scalar("loss", 3.0, 6)
    reader = LogdirReader(tmp_path)
    reader.poll()
    served = serve(reader.store)
    answer = json.loads(served.get("/api/runs").body)
    assert list(answer["series"]["scalars"]) == ["loss"]
    assert answer["voided"] == {"scalars": {"gone": [[0, 1, 1]]}}
    body = json.dumps({"series": [{"run": "run", "tag": "gone", "superseded": True}]}).encode()
    assert decode_frame(served.post("/api/scalars", body).body)[0]["value"].tolist() == [2.0]
