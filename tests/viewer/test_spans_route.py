"""The routes of the trace view and the flame graph: what they answer, and what they say to what cannot be asked."""

from __future__ import annotations

import json
import urllib.parse
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tallyboard.core.reader import LogdirReader
from tallyboard.viewer.app import make_app

from .conftest import Answer, apps

Get = Callable[..., Answer]


def trace() -> bytes:
    """Two steps of 100 us, of which each launches a kernel of 30 us."""
    rows: list[dict[str, Any]] = []
    for number in range(2):
        at, key = 100.0 * number, {"correlation": number + 1}
        for name, category, start, length, pid, args in (
            (f"ProfilerStep#{number}", "user_annotation", 0.0, 100.0, 1, {}),
            ("aten::mm", "cpu_op", 10.0, 50.0, 1, {"Input Dims": [[2, 3], [3, 4]]}),
            ("cudaLaunchKernel", "cuda_runtime", 20.0, 5.0, 1, key),
            ("gemm", "kernel", 40.0, 30.0, 0, {**key, "device": 0}),
        ):
            span = {"ph": "X", "cat": category, "name": name, "ts": at + start, "dur": length, "args": args}
            rows.append({**span, "pid": pid, "tid": 1 if pid else "stream 7"})
    return json.dumps({"schemaVersion": 1, "traceEvents": rows}).encode()


@pytest.fixture(scope="module")
def get(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Get]:
    """Asks for what is below /api/spans of the trace of run "gpu"."""
    pytest.importorskip("msgspec")
    pytest.importorskip("ijson")
    path = tmp_path_factory.mktemp("spans")
    (path / "gpu").mkdir()
    (path / "gpu" / "worker0.1.pt.trace.json").write_bytes(trace())
    reader = LogdirReader(path)
    reader.poll()
    with apps() as start:
        served = start(make_app(reader.store, logdir=str(path)))

        def get(below: str, **query: Any) -> Answer:
            return served.get(f"/api/spans{below}?{urllib.parse.urlencode({'run': 'gpu', **query})}")

        yield get


def test_tracks(get: Get) -> None:
    """The tracks come with the ends of time, the steps and the counters; times are nanoseconds."""
    told = get("/tracks").json()
    assert told["tracks"]["name"] == ["stream 7", "thread 1"]
    assert (told["low"], told["high"], told["events"]) == (0.0, 200_000.0, 8)
    assert told["steps"] == {"name": ["0", "1"], "start": [0, 100_000], "end": [100_000, 200_000], "total": 2}
    assert get("/tracks", begin=1).json() == {
        "tracks": {
            "total": 2,
            "begin": 1,
            "group": [0],
            "name": ["thread 1"],
            "lanes": [3],
            "events": [6],
            "groups": [{"name": "Process 1", "kind": "host", "device": -1}],
        }
    }


def test_windows(get: Get) -> None:
    """A window is bytes that the browser may keep: asked again, it is not sent again."""
    query = {"from": 0, "to": 200_000, "pixels": 1000, "tracks": "0,1:1", "counters": "busy:0", "q": "gemm"}
    answer = get("", **query)
    assert (answer.status, answer.headers["content-type"]) == (200, "application/octet-stream")
    head = json.loads(answer.body[8 : 8 + int.from_bytes(answer.body[4:8], "little")])
    assert (head["names"], head["lanes"]["n"]) == (["ProfilerStep#0", "ProfilerStep#1", "gemm"], 2)
    assert head["spans"]["n"] == 4
    assert [one["id"] for one in head["counters"]] == ["busy:0"]


def test_one_found_summed(get: Get) -> None:
    """An event with its arguments, the next that a search finds, what a range adds up to."""
    one = get("/one", row=1).json()
    assert (one["name"], one["self"], one["arguments"]) == ("aten::mm", 45_000.0, [["shapes", "[[2, 3], [3, 4]]"]])
    found = get("/search", q="^gemm", regex=1, row=3, way=1).json()
    assert (found["count"], found["total"], found["at"], found["event"]["row"]) == (2, 60_000.0, 1, 7)
    told = get("/sum", **{"from": 50_000, "to": 150_000, "tracks": "0"}).json()
    assert get("/sum", **{"from": 50_000, "to": 150_000, "tracks": "all"}).json()["tracks"] == 2
    assert (told["names"], told["total"], told["busy"]) == (["gemm"], [30_000.0], [{"device": 0, "share": 0.3}])


def test_flame(get: Get) -> None:
    """All of it, a step, a range; of the host or of what it launched."""
    assert get("/flame").json()["total"][0] == 200_000
    told = get("/flame", by="device", step=1).json()
    assert told["total"] == [30_000] * 5
    assert [told["names"][name] for name in told["name"]] == ["all", "Step", "aten::mm", "cudaLaunchKernel", "gemm"]
    assert get("/flame", **{"from": 0, "to": 50_000}).json()["total"][0] == 50_000
    assert get("/flame", stacks=1).json()["nodes"] == 0


@pytest.mark.parametrize(
    ("below", "query", "status", "says"),
    [
        ("", {"from": 0, "to": "x"}, 400, "to is a number, not 'x'."),
        ("", {"from": "nan", "to": 1}, 400, "from is a number, not 'nan'."),
        ("", {"from": 2, "to": 1}, 400, "from is before to, which 2 and 1 are not."),
        ("", {"from": 0, "to": 1, "tracks": "a"}, 400, "tracks are numbers with commas between them, not 'a'."),
        ("/one", {"row": 8}, 404, "the profile has no event 8."),
        ("/one", {"row": 1, "run": "none"}, 404, "run 'none' has no profile."),
        ("/search", {"q": ""}, 400, "q says what to search for."),
        ("/search", {"q": "(", "regex": 1}, 422, "the expression cannot be read"),
        ("/flame", {"by": "moon"}, 400, "by is host or device, not 'moon'."),
        ("/flame", {"step": 2}, 404, "the profile has no step 2."),
    ],
)
def test_what_cannot_be_asked(get: Get, below: str, query: dict[str, Any], status: int, says: str) -> None:
    """A wrong question gets one clear sentence."""
    answer = get(below, **query)
    assert (answer.status, answer.json()["error"][: len(says)]) == (status, says)
