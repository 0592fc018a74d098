"""GET /api/runs: what there is, and when the browser may keep what it has."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from typing import Any

import pytest

from tallyboard.core.store import Store
from tallyboard.viewer.routes import runs

Put = Callable[..., None]


def test_it_names_runs_series_and_points(store: Store, put: Put, served: Any) -> None:
    """Runs come in natural order; series name their run by its index, with the points it has."""
    put("run10", "loss", [3.0, 2.0, 1.0], walls=[10.0, 11.0, 12.5])
    put("run2", "loss", [1.0], walls=[5.0])
    put("run2", "accuracy/top1", [0.5, 0.6], walls=[6.0, 7.0])
    store.warn("run2", "corrupt", "1 record of events.out was damaged and skipped", 1)
    store.publish()

    answer = served.get("/api/runs")

    assert answer.status == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == {
        "version": 4,
        "logdir": "runs",
        "state": "ready",
        "title": "tallyboard",
        "writable": True,
        "runs": [
            {
                "name": "run2",
                "first_wall_time": 5.0,
                "last_wall_time": 7.0,
                "warnings": [
                    {
                        "kind": "corrupt",
                        "count": 1,
                        "message": "1 record of events.out was damaged and skipped",
                    }
                ],
            },
            {"name": "run10", "first_wall_time": 10.0, "last_wall_time": 12.5, "warnings": []},
        ],
        "series": {"scalars": {"loss": [[0, 1], [1, 3]], "accuracy/top1": [[0, 2]]}},
    }


def test_an_empty_store_is_waiting(served: Any) -> None:
    """Before the logdir exists the answer says so, in the same shape."""
    assert served.get("/api/runs").json() == {
        "version": 0,
        "logdir": "runs",
        "state": "waiting",
        "title": "tallyboard",
        "writable": True,
        "runs": [],
        "series": {},
    }


def test_a_run_without_points_has_no_times(store: Store, served: Any) -> None:
    """A run that was found and holds nothing yet is listed with null times."""
    store.offer_run("empty")
    store.publish("ready")

    assert served.get("/api/runs").json()["runs"] == [
        {"name": "empty", "first_wall_time": None, "last_wall_time": None, "warnings": []}
    ]


@pytest.mark.parametrize("wall", [float("nan"), float("inf"), float("-inf")])
def test_wall_times_json_has_no_word_for_are_null(put: Put, served: Any, wall: float) -> None:
    """A damaged wall time costs its own field, never the answer."""
    put("a", "loss", [1.0], walls=[wall])

    assert served.get("/api/runs").json()["runs"][0]["first_wall_time"] is None


def test_names_that_are_not_utf8_go_there_and_back(put: Put, served: Any, decode_frame: Any) -> None:
    """A directory named with any bytes can be listed and asked for by what was listed."""
    name = os.fsdecode(b'caf\xe9 \xf0\x9f\x92\xa5 "quoted"')
    put(name, "loss", [1.0, 2.0])

    listed = served.get("/api/runs").json()["runs"][0]["name"]
    (series,) = decode_frame(served.scalars((listed, "loss", 0)).body)

    assert listed == series["run"] == name
    assert list(series["value"]) == [1.0, 2.0]


def test_an_unchanged_answer_is_304(put: Put, served: Any) -> None:
    """The browser keeps what it has, until something is published."""
    put("a", "loss", [1.0])
    first = served.get("/api/runs")

    again = served.get("/api/runs", If_None_Match=first.headers["etag"])
    assert (again.status, again.body, again.headers["etag"]) == (304, b"", first.headers["etag"])
    assert served.get("/api/runs", If_None_Match=f'"x", W/{first.headers["etag"]}').status == 304
    assert served.get("/api/runs", If_None_Match="*").status == 304

    put("a", "loss", [2.0])
    after = served.get("/api/runs", If_None_Match=first.headers["etag"])
    assert (after.status, after.json()["series"]) == (200, {"scalars": {"loss": [[0, 2]]}})


def test_the_state_is_part_of_the_etag(store: Store, served: Any) -> None:
    """A logdir that appears empty is news too."""
    waiting = served.get("/api/runs")
    store.publish("ready")

    answer = served.get("/api/runs", If_None_Match=waiting.headers["etag"])
    assert (answer.status, answer.json()["state"]) == (200, "ready")


def test_an_etag_of_another_process_is_not_fresh(serve: Any) -> None:
    """Two viewers on the same port, one after the other, count versions alike and hold different data."""
    stores = Store(), Store()
    for store in stores:
        store.publish("ready")
    first, second = (serve(store).get("/api/runs").headers["etag"] for store in stores)

    assert first != second


def test_head_is_get_without_the_body(put: Put, served: Any) -> None:
    """HEAD tells the length and the ETag of GET."""
    put("a", "loss", [1.0])
    get, head = served.get("/api/runs"), served.request("HEAD", "/api/runs")

    assert (head.status, head.body) == (200, b"")
    assert head.headers["etag"] == get.headers["etag"]
    assert int(head.headers["content-length"]) == len(get.body)


def test_a_tags_runs_are_in_the_order_of_runs(put: Any, served: Any) -> None:
    """However the runs were found, a tag names them in natural order, which the page draws and reads them out in."""
    for run in ("lr=1.0", "run10", "lr=0.03", "run2", "lr=0.003"):
        put(run, "loss", [1.0])
    answer = served.get("/api/runs").json()

    assert [run["name"] for run in answer["runs"]] == ["lr=0.003", "lr=0.03", "lr=1.0", "run2", "run10"]
    assert answer["series"]["scalars"]["loss"] == [[0, 1], [1, 1], [2, 1], [3, 1], [4, 1]]


class Slow:
    """A store that is loading for so many looks."""

    def __init__(self, looks: int) -> None:
        self.left = looks

    @property
    def state(self) -> str:
        self.left -= 1
        return "loading" if self.left >= 0 else "ready"


@pytest.mark.parametrize("looks", [0, 1, 5])
def test_it_waits_for_the_first_pass(looks: int) -> None:
    """An answer that may wait is given once all is read, and not sooner."""
    store: Any = Slow(looks)
    asyncio.run(runs._is_read(store, 1e6))  # pyright: ignore[reportPrivateUsage]
    assert store.left == -1


def test_it_waits_no_longer_than_asked(store: Store, put: Put, served: Any) -> None:
    """What is still being read is told as it is; how long that may take is bounded."""
    put("a", "loss", [1.0])
    store.publish("loading")
    for query in ("", "?wait=0", "?wait=0.05"):
        answer = served.get(f"/api/runs{query}").json()
        assert (answer["state"], answer["series"]) == ("loading", {"scalars": {"loss": [[0, 1]]}})
    for wrong in ("2.1", "-1", "nan", "inf", "x", ""):
        answer = served.get(f"/api/runs?wait={wrong}")
        assert (answer.status, answer.json()["error"]) == (
            400,
            'The query\'s "wait" must be a number of seconds from 0 to 2.',
        )
