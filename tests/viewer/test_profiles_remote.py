"""Traces of runs on remote stores are shown as those of a directory: fetched, read, kept, and given to be kept."""

from __future__ import annotations

import urllib.parse
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tallyboard.core.profiles import remote_traces
from tallyboard.core.reader import LogdirReader
from tallyboard.viewer import profile_reading
from tallyboard.viewer.app import make_app

from .conftest import Answer, Served, apps
from .test_profiles import NEW, OLD, torch_trace

pytest.importorskip("msgspec")
pytest.importorskip("ijson")
fsspec: Any = pytest.importorskip("fsspec")

FOLDER = "plugins/profile/2026_01_02_03_04_05"


@dataclass
class Store:
    """A logdir in memory, as a store, that is served; and how often files of it were asked for."""

    reader: LogdirReader
    served: Served
    cache: Path
    asked: list[str]
    system: Any

    def get(self, path: str, **query: str) -> Answer:
        return self.served.get(f"/api/profiles{path}?{urllib.parse.urlencode(query)}")

    def put(self, name: str, data: bytes) -> None:
        self.system.pipe_file(f"/logs/{name}", data)
        self.reader.poll()


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    system, asked = fsspec.filesystem("memory"), []
    monkeypatch.setattr(type(system), "store", {})
    monkeypatch.setattr(type(system), "pseudo_dirs", [""])
    whole: Callable[..., bytes] = type(system).cat_file

    def cat_file(self: Any, path: str, *args: Any, **options: Any) -> bytes:
        asked.append(path)
        return whole(self, path, *args, **options)

    system.pipe_file(f"/logs/first/{OLD}", torch_trace(steps=400))
    monkeypatch.setattr(type(system), "cat_file", cat_file)
    reader = LogdirReader("memory://logs")
    reader.poll()
    with apps() as start:
        served = start(make_app(reader.store, logdir="memory://logs", cache=str(tmp_path / "cache")))
        yield Store(reader, served, tmp_path / "cache", asked, system)


def test_a_trace_is_read(store: Store) -> None:
    """It is listed and read, once however often it is asked for, in another process; its columns are kept and no copy
    of it. A trace that takes its place is read anew."""
    (listed,) = store.get("").json()["profiles"]
    assert (listed["run"], listed["trace"], listed["bytes"]) == ("first", OLD, len(torch_trace(steps=400)))
    assert listed["bytes"] > profile_reading.AT_ONCE
    assert store.get("/state", run="first").json()["state"] == "unread"
    told = store.get("/overview", run="first").json()
    assert (told["steps"]["count"], told["verdict"]["kind"], told["verdict"]["share"]) == (400, "input-bound", 0.6)
    assert store.get("/state", run="first").json()["state"] == "ready"
    assert store.get("/steps", run="first").status == 200
    assert len(store.asked) == 1
    assert [path.name.split(".", 1)[1] for path in store.cache.iterdir()] == ["profile.npz"]
    store.put(f"first/{OLD}", torch_trace(wait=30.0))
    assert store.get("/overview", run="first").json()["verdict"]["share"] == pytest.approx(0.3)
    assert store.system.find("/logs") == [f"/logs/first/{OLD}"]


def test_what_was_kept_is_taken(store: Store) -> None:
    """The viewer that is started the next time asks the store for a listing alone."""
    assert store.get("/overview", run="first").status == 200
    store.asked.clear()
    found = remote_traces.find_remote(f"memory://logs/first/{OLD}", 4)
    assert len(profile_reading.profile_of(found[0], store.cache).steps) == 400
    assert not store.asked


def test_the_file_is_what_was_recorded(store: Store) -> None:
    """Every byte of it; of an XSpace, what lies beside it as a Chrome trace; no other file, and no copy stays."""
    answer = store.get("/file", run="first")
    assert answer.body == torch_trace(steps=400)
    assert answer.headers["content-disposition"] == f"attachment; filename*=UTF-8''{OLD}"
    store.put(f"jax/{FOLDER}/vm.xplane.pb", b"\xff" * 9)
    store.put(f"jax/{FOLDER}/vm.trace.json.gz", b"\xff" * 8)
    beside = store.get("/file", **{"run": "jax", "as": "chrome"})
    assert (beside.status, beside.body) == (200, b"\xff" * 8)
    store.put("first/secret.json", b"{}")
    assert store.get("/file", run="first", trace="secret.json").status == 404
    assert store.get("/file", run="first", trace=f"../jax/{FOLDER}/vm.xplane.pb").status == 404
    assert list(store.cache.iterdir()) == []


def test_what_cannot_be_read_is_said(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A damaged trace, one that is too large, and a store that breaks off; the last is tried again."""
    store.put(f"broken/{OLD}", b'{"traceEvents": [')
    answer = store.get("/overview", run="broken")
    assert (answer.status, answer.json()["error"]) == (422, f"{OLD}: no event could be read; is it a trace?")
    monkeypatch.setattr(remote_traces, "MOST", 1000)
    for path in ("/overview", "/file"):
        answer = store.get(path, run="first", trace=OLD)
        assert answer.status == 422
        assert "1,000 are fetched at most; copy it to a disk that has the room" in answer.json()["error"]
    monkeypatch.setattr(remote_traces, "MOST", 1 << 30)
    store.put(f"second/{NEW.removesuffix('.gz')}", torch_trace())
    with monkeypatch.context() as patch:
        patch.setattr(type(store.system), "cat_file", refused)
        answer = store.get("/overview", run="second")
        assert (answer.status, "cannot be fetched: no route to the store" in answer.json()["error"]) == (422, True)
        assert store.get("/file", run="second").status == 422
    assert store.get("/overview", run="second").json()["verdict"]["share"] == pytest.approx(0.6)


def refused(*_: Any, **__: Any) -> bytes:
    raise OSError("no route to the store")


def test_the_cache_may_be_off(store: Store, tmp_path: Path) -> None:
    """Then nothing of it stays anywhere."""
    (found,) = remote_traces.find_remote(f"memory://logs/first/{OLD}", 4)
    assert len(profile_reading.profile_of(found, None).steps) == 400
    assert list(tmp_path.iterdir()) == []
