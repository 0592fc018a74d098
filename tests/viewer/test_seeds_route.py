"""POST /api/seeds: groups of long series as one line, worked out on every point and shown by few."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tallyboard.core.smoothing import smoothed
from tallyboard.core.stats import align, band_of
from tallyboard.viewer import seeds
from tallyboard.viewer.seeds import MOST_GROUPS, MOST_MEMBERS

from .test_seeds import cases

Put = Callable[..., None]
NAMES = ["centre", "low", "high", "count", "place"]


@pytest.fixture
def ask(served: Any, decode_frame: Any) -> Callable[..., list[dict[str, Any]]]:
    """Asks for groups; gives the columns of each by name."""

    def answers(*groups: dict[str, Any]) -> list[dict[str, Any]]:
        answer = served.post("/api/seeds", json.dumps({"groups": groups}).encode())
        assert answer.status == 200, answer.body
        parts = decode_frame(answer.body)
        assert [part["run"] for part in parts] == NAMES * len(groups)
        found: list[dict[str, Any]] = []
        for at in range(0, len(parts), len(NAMES)):
            first = parts[at]
            said = {part["run"]: part["value"] for part in parts[at : at + len(NAMES)]}
            said |= {key: first[key] for key in ("step", "wall", "total", "tag")}
            found.append(said | ({"line": first["line"]} if "line" in first else {}))
        return found

    return answers


@pytest.mark.parametrize("name", list(cases()))
def test_equals_aggregate(name: str, put: Put, ask: Any) -> None:
    """Without buckets the figures are those of `tb.aggregate`, to the last bit: for each band, and the median."""
    runs = cases()[name]
    for number, (step, value) in enumerate(runs):
        put(f"r{number}", "loss", value, steps=step, wide=True)
    names = [f"r{number}" for number in range(len(runs))]
    aligned = align([(np.array(step, np.int64), np.array(value)) for step, value in runs])

    for band in ("std", "sem", "ci95", "minmax"):
        (found,) = ask({"tag": "loss", "runs": names, "band": band})
        wanted = band_of(aligned, band)
        np.testing.assert_array_equal(found["step"], aligned.step)
        np.testing.assert_array_equal(found["place"], aligned.step)
        for key, column in zip(NAMES, wanted, strict=False):
            np.testing.assert_array_equal(found[key], column)

    (found,) = ask({"tag": "loss", "runs": names, "centre": "median"})
    with np.errstate(all="ignore"):
        medians = [np.median(column[there]) for column, there in zip(aligned.value.T, aligned.there.T, strict=True)]
    np.testing.assert_array_equal(found["centre"], medians)


def long_runs(put: Put, n: int = 200_000) -> dict[str, np.ndarray[Any, Any]]:
    random = np.random.default_rng(3)
    values = {f"s{i}": random.normal(size=n) for i in range(3)}
    values["s1"][123_456] = 90.0
    for name, value in values.items():
        put(name, "loss", value, wide=True)
    return values


def test_long_series_are_exact_where_they_are_shown(put: Put, ask: Any) -> None:
    """Of 200,000 places some thousands are sent, each with the mean and edges of all runs there; the extremes of the
    mean and of the band are among them, so that a spike of one point in one run is seen."""
    values = long_runs(put)
    (found,) = ask({"tag": "loss", "runs": [*values], "band": "minmax", "buckets": {"count": 500}})
    stack = np.stack([*values.values()])
    at = found["step"].astype(int)

    assert found["total"] == 200_000
    assert 500 <= len(at) <= 500 * 12
    np.testing.assert_array_equal(found["centre"], stack.sum(axis=0)[at] / 3)
    np.testing.assert_array_equal(found["low"], stack.min(axis=0)[at])
    np.testing.assert_array_equal(found["high"], stack.max(axis=0)[at])
    assert 123_456 in at
    assert (found["high"].max(), found["low"].min()) == (90.0, stack.min())
    assert set(found["count"]) == {3.0}


def test_smoothing_is_of_all_places(put: Put, ask: Any) -> None:
    """Line and edges are smoothed before any place is left out; a part in view comes with the same figures."""
    values = long_runs(put)
    smooth = {"kind": "ema", "weight": 0.99}
    asked = {"tag": "loss", "runs": [*values], "band": "std", "smooth": smooth}
    whole, part = ask(
        {**asked, "buckets": {"count": 300}}, {**asked, "buckets": {"count": 300, "lo": 100_000, "hi": 100_200}}
    )
    aligned = align([(np.arange(len(value)), value) for value in values.values()])
    mean, low, high, _ = band_of(aligned, "std")

    for found in (whole, part):
        at = found["step"].astype(int)
        np.testing.assert_array_equal(found["line"], smoothed(mean, 0.99)[at])
        np.testing.assert_array_equal(found["centre"], mean[at])
        np.testing.assert_array_equal(found["low"], smoothed(low, 0.99)[at])
        np.testing.assert_array_equal(found["high"], smoothed(high, 0.99)[at])
    assert list(part["step"]) == list(range(99_999, 100_202))


def test_places_other_than_steps(put: Put, ask: Any) -> None:
    """Steps since the first meet where runs began at different steps; times are the runs' mean at equal steps."""
    put("a", "loss", [1.0, 2.0, 3.0], steps=[100, 110, 120], walls=[1000.0, 1010.0, 1020.0], wide=True)
    put("b", "loss", [3.0, 4.0], steps=[200, 210], walls=[5000.0, 5030.0], wide=True)
    put("c", "loss", [5.0, 7.0], steps=[100, 120], walls=[2000.0, 2040.0], wide=True)
    first, relative, wall = (
        ask({"tag": "loss", "runs": runs, "x": x})[0]
        for runs, x in ((["a", "b"], "first"), (["a", "c"], "relative"), (["a", "c"], "wall"))
    )

    assert (list(first["place"]), list(first["centre"])) == ([0.0, 10.0, 20.0], [2.0, 3.0, 3.0])
    assert list(first["count"]) == [2.0, 2.0, 1.0]
    assert list(first["step"]) == [150.0, 160.0, 120.0]
    assert list(relative["step"]) == [100.0, 110.0, 120.0]
    assert list(relative["place"]) == [0.0, 15.0, 30.0]
    assert list(wall["place"]) == list(wall["wall"]) == [1500.0, 1515.0, 1530.0]
    assert list(wall["centre"]) == [3.0, 4.0, 5.0]


def test_it_follows_its_series(put: Put, ask: Any) -> None:
    """A kept answer is given only while no run has more; runs that are not there do not count."""
    put("a", "loss", [1.0, 2.0])
    asked = {"tag": "loss", "runs": ["a", "b", "nobody"]}
    seen = [list(ask(asked)[0]["centre"])]
    put("b", "loss", [3.0])
    seen.append(list(ask(asked)[0]["centre"]))
    put("b", "loss", [6.0], steps=[1])
    seen.append(list(ask(asked)[0]["centre"]))
    (none,) = ask({"tag": "other", "runs": ["a"]})

    assert seen == [[1.0, 2.0], [2.0, 2.0], [2.0, 4.0]]
    assert (none["total"], len(none["centre"])) == (0, 0)


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        (b"{", 400, "not JSON"),
        (b"[]", 400, 'a list "groups"'),
        (b'{"groups": [1]}', 400, 'groups[0] must be an object with "tag" and "runs"'),
        (b'{"groups": [{"tag": "x", "runs": []}]}', 400, 'groups[0] needs a "tag" and a list "runs"'),
        (b'{"groups": [{"tag": "x", "runs": [1]}]}', 400, "not all text"),
        (b'{"groups": [{"tag": "x", "runs": ["a"], "band": "wide"}]}', 400, 'a "band" that is none of "std", "sem"'),
        (b'{"groups": [{"tag": "x", "runs": ["a"], "centre": []}]}', 400, 'a "centre" that is none of'),
        (
            b'{"groups": [{"tag": "x", "runs": ["a"], "across": "y"}]}',
            400,
            'an "across" that is not a list of at most 100',
        ),
        (b'{"groups": [{"tag": "x", "runs": ["a"], "across": [1]}]}', 400, 'an "across" that is not text'),
        (b'{"groups": [{"tag": "x", "runs": ["a"], "across": ["y"], "x": "wall"}]}', 400, 'or an "x" besides'),
        (b'{"groups": [{"tag": "x", "runs": ["a"], "buckets": {"count": 0}}]}', 400, 'The "buckets" of groups[0]'),
        (json.dumps({"groups": [{}] * (MOST_GROUPS + 1)}).encode(), 413, "At most 500 groups"),
        (
            json.dumps({"groups": [{"tag": "x", "runs": [str(i) for i in range(MOST_MEMBERS + 1)]}]}).encode(),
            413,
            "At most 5,000 runs",
        ),
    ],
)
def test_what_it_refuses(body: bytes, status: int, says: str, served: Any) -> None:
    """A sentence says what is wrong, and where."""
    answer = served.post("/api/seeds", body)

    assert answer.status == status
    assert says in answer.json()["error"]


def test_more_than_fits_into_memory_is_refused(put: Put, served: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs that share no step have as many places as points: above a bound that is 413, below it an answer."""
    monkeypatch.setattr(seeds, "MOST_CELLS", 100)
    for number in range(2):
        put(f"even{number}", "loss", np.zeros(50))
        put(f"odd{number}", "loss", np.zeros(50), steps=np.arange(50) * 2 + number)
    asked = [{"groups": [{"tag": "loss", "runs": [f"{kind}0", f"{kind}1"]}]} for kind in ("even", "odd")]
    answers = [served.post("/api/seeds", json.dumps(one).encode()) for one in asked]

    assert [answer.status for answer in answers] == [200, 413]
    assert "2 runs of a group have 100 points of 'loss' together" in answers[1].json()["error"]


def at_or_before(step: Any, tokens: dict[int, float]) -> list[float]:
    """What the tag had at each step or the last one before it, found one by one."""
    return [next((tokens[at] for at in range(int(each), -1, -1) if at in tokens), np.nan) for each in step]


def test_a_run_stands_at_every_value_of_another_tag(put: Put, ask: Any) -> None:
    """Over another tag each point that is sent stands at what that tag has at its step or the last before it, whatever
    the length of both; where it has none yet a point is left out, and a spike of one point in a million is there."""
    random = np.random.default_rng(9)
    n = 100_000
    value = random.normal(size=n)
    value[77_777] = 90.0
    tokens = {step: float(step * 7 + random.integers(5)) for step in range(10, n, 3)}
    put("a", "loss", value, wide=True)
    put("a", "tokens", [*tokens.values()], steps=[*tokens], wide=True)
    asked = {"tag": "loss", "runs": ["a"], "across": ["epoch", "tokens"], "smooth": {"kind": "mean", "weight": 0.5}}
    whole, part = ask(
        {**asked, "buckets": {"count": 500}}, {**asked, "buckets": {"count": 500, "lo": 300_000, "hi": 301_000}}
    )
    for found in (whole, part):
        at = found["step"].astype(int)
        assert found["place"].tolist() == at_or_before(at, tokens)
        np.testing.assert_array_equal(found["centre"], value[at])
        np.testing.assert_array_equal(found["line"], smoothed(value[10:], 0.5, "mean")[at - 10])
        assert set(found["count"]) == {1.0}
    assert whole["total"] == n - 10
    assert whole["step"][0] == 10
    assert 77_777 in whole["step"]
    assert 500 <= len(whole["step"]) <= 500 * 12
    inside = [step for step, place in enumerate(at_or_before(range(45_000), tokens)) if 300_000 <= place <= 301_000]
    assert set(inside) <= set(part["step"].astype(int))


def test_a_group_stands_at_the_mean_of_another_tag(put: Put, ask: Any) -> None:
    """Runs of a group meet at equal steps and stand at the mean of the tag's values there; a run counts from where it
    has one, and one without the tag not at all."""
    put("a", "loss", [1.0, 2.0, 3.0, 4.0], wide=True)
    put("b", "loss", [5.0, 6.0, 7.0, 8.0], wide=True)
    put("c", "loss", [100.0] * 4, wide=True)
    put("a", "tokens", [10.0, 20.0], steps=[0, 2], wide=True)
    put("b", "train/tokens", [30.0, np.nan, 50.0], steps=[1, 2, 3], wide=True)
    asked = {"tag": "loss", "runs": ["a", "b", "c"], "across": ["tokens", "train/tokens"], "band": "minmax"}
    found, none = ask(asked, {**asked, "across": ["epoch"]})
    assert found["step"].tolist() == [0, 1, 2, 3]
    np.testing.assert_array_equal(found["place"], [10, 20, np.nan, 35])
    assert found["centre"].tolist() == [1, 4, 5, 6]
    assert found["low"].tolist() == [1, 2, 3, 4]
    assert found["high"].tolist() == [1, 6, 7, 8]
    assert found["count"].tolist() == [1, 2, 2, 2]
    assert none["total"] == 0


def test_a_tag_whose_steps_go_back_is_joined_by_step(put: Put, ask: Any) -> None:
    """Of several values at one step the one written last counts; steps of the line that go back keep their points."""
    put("a", "loss", [1.0, 2.0, 3.0, 2.5], steps=[0, 1, 2, 1], wide=True)
    put("a", "tokens", [10.0, 30.0, 20.0, 21.0], steps=[0, 2, 1, 1], wide=True)
    (found,) = ask({"tag": "loss", "runs": ["a"], "across": ["tokens"]})
    assert found["centre"].tolist() == [1.0, 2.0, 3.0, 2.5]
    assert found["place"].tolist() == [10, 21, 30, 21]
