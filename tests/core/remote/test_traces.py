"""Traces on remote stores are read as those on a disk: fetched once, kept by what the store says they are."""

from __future__ import annotations

import gzip
import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

import tallyboard as tb
from tallyboard.__main__ import main
from tallyboard.core import remoteplace
from tallyboard.core.errors import InvalidLogdir
from tallyboard.core.profiles import remote_traces
from tallyboard.core.profiles.reading import find_profiles

from .pages import web_server
from .stores import S3, system

pytest.importorskip("msgspec")
pytest.importorskip("ijson")
fsspec: Any = pytest.importorskip("fsspec")

NAME = "worker0.1600000000000.pt.trace.json"
PADDING = 20_000


def trace(wait: int = 60, steps: int = 3) -> bytes:
    """Steps of 100 us, which wait for data for a part of each; and some bytes to no purpose."""
    events: list[dict[str, Any]] = []
    for number in range(steps):
        for name, category, start, length in (
            (f"ProfilerStep#{number}", "user_annotation", 0, 100),
            ("enumerate(DataLoader)#_SingleProcessDataLoaderIter.__next__", "user_annotation", 0, wait),
            ("aten::mm", "cpu_op", wait, 100 - wait),
        ):
            at = 100 * number + start
            events.append({"ph": "X", "cat": category, "name": name, "ts": at, "dur": length, "pid": 1, "tid": 1})
    return json.dumps({"schemaVersion": 1, "traceEvents": events, "padding": "x" * PADDING}).encode()


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where columns are kept."""
    monkeypatch.setenv("TALLYBOARD_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def share(url: str) -> float:
    found = tb.read_profile(url).verdict()
    assert found.kind == "input-bound"
    return found.share


def test_s3(s3: tuple[S3, str], cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A trace is fetched once, in pieces of which each is asked for once, and again when its ETag is another; no copy
    of it stays, and nothing is written into the logdir."""
    server, bucket = s3
    fs, url, data = system(), f"{bucket}/runs/first/{NAME}", trace()
    fs.pipe_file(url, data)
    monkeypatch.setattr(remoteplace, "_PIECE", 3000)
    pieces = -(-len(data) // 3000)
    with server.counted() as asked:
        assert share(url) == pytest.approx(0.6)
    assert (asked.gets(), asked.sent()) == (pieces, len(data))
    assert [path.suffix for path in cache.iterdir()] == [".npz"]

    with server.counted() as asked:
        assert share(f"{bucket}/runs/first") == pytest.approx(0.6)  # the run, and with it the trace in it
    assert asked.gets() == 0

    fs.pipe_file(url, trace(wait=70))
    assert len(trace(wait=70)) == len(data)
    with server.counted() as asked:
        assert share(url) == pytest.approx(0.7)
    assert asked.gets() == pieces
    assert fs.find(f"{bucket}/runs") == [url.removeprefix("s3://")]


def test_which_there_are(tmp_path: Path) -> None:
    """At a URL the same traces are found as in a directory: by name, four levels deep, each profile once."""
    fs = fsspec.filesystem("memory")
    names = [
        NAME,
        "readme.json",
        "plugins/profile/2026_01_02_03_04_05/vm.xplane.pb",
        "plugins/profile/2026_01_02_03_04_05/vm.trace.json.gz",
        "a/b/c/d/trace.json",
        "a/b/c/d/e/trace.json",
    ]
    for name in names:
        fs.pipe_file(f"/runs/{name}", b"?")
        (tmp_path / "runs" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "runs" / name).write_bytes(b"?")
    found = find_profiles("memory://runs")
    wanted = [os.fspath(path.relative_to(tmp_path / "runs")) for path in find_profiles(tmp_path / "runs")]  # type: ignore[union-attr]
    assert [str(one).removeprefix("memory://runs/") for one in found] == wanted
    assert len(wanted) == 3
    assert find_profiles(f"file://{tmp_path}/runs/{NAME}") == [tmp_path / "runs" / NAME]
    assert [str(one) for one in find_profiles("memory://runs/readme.json")] == ["memory://runs/readme.json"]


@pytest.mark.parametrize("ranges", [True, False])
def test_http(tmp_path: Path, ranges: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of web servers that know ranges and of others: a file, and the newest below an index page; both by names with
    spaces in them. The clock that they tell content by is asked, and nothing is fetched twice."""
    pytest.importorskip("aiohttp")
    monkeypatch.setattr(remoteplace, "_PIECE", 3000)
    folder = tmp_path / "logs" / "a b"
    folder.mkdir(parents=True)
    (folder / NAME).write_bytes(trace())
    (folder / f"{NAME}.gz".replace("0000.pt", "0001.pt")).write_bytes(gzip.compress(trace(wait=80), mtime=0))
    with web_server(tmp_path, ranges) as server:
        root = f"http://127.0.0.1:{server.server_port}/logs"
        assert share(f"{root}/a%20b/{NAME}") == pytest.approx(0.6)
        asked = [part for path, part in server.gets if path.endswith(NAME)]
        assert len([part for part in asked if part]) >= (len(trace()) // 3000 if ranges else 1)
        assert (None in asked) == (not ranges)
        assert share(root) == pytest.approx(0.8)
        server.gets.clear()
        assert share(root) == pytest.approx(0.8)
        assert not server.gets
        with pytest.raises(InvalidLogdir, match="nothing is there"):
            tb.read_profile(f"{root}/nowhere/{NAME}")


def test_command(capsys: pytest.CaptureFixture[str]) -> None:
    """`tallyboard profile URL` prints what it says of a file, and compares two."""
    fs = fsspec.filesystem("memory")
    fs.pipe_file(f"/bucket/a/{NAME}", trace())
    fs.pipe_file(f"/bucket/b/{NAME}", trace(wait=10))
    assert main(["profile", "memory://bucket/a"]) == 0
    said = capsys.readouterr().out
    assert said.startswith(f"memory://bucket/a/{NAME}: torch, 9 events")
    assert "60" in said
    assert main(["profile", "memory://bucket/b", "--against", "memory://bucket/a", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["file"], told["against"]) == (f"memory://bucket/b/{NAME}", f"memory://bucket/a/{NAME}")
    assert told["breakdown_us"]["dataloader"] == {"base": 60.0, "now": 10.0}


def test_what_cannot_be_read(monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    """Nothing there, no trace there, one of more bytes than are fetched or than there is room for, one that breaks
    off, and what is none: each is said, and nothing of it stays."""
    fs = fsspec.filesystem("memory")
    url = f"memory://bucket/run/{NAME}"
    with pytest.raises(InvalidLogdir, match=r"read_profile\('memory://nowhere'\): nothing is there"):
        tb.read_profile("memory://nowhere")
    fs.pipe_file("/bucket/other/notes.txt", b"?")
    with pytest.raises(InvalidLogdir, match="no trace is in there"):
        tb.read_profile("memory://bucket/other")
    data = trace()
    fs.pipe_file(f"/bucket/run/{NAME}", data)
    with monkeypatch.context() as patch:
        patch.setattr(remote_traces, "MOST", 1000)
        with pytest.raises(InvalidLogdir, match=r"bytes, and 1,000 are fetched at most; copy it to a disk"):
            tb.read_profile(url)
    with monkeypatch.context() as patch:
        room = shutil.disk_usage(cache)._replace(free=10)
        patch.setattr(shutil, "disk_usage", lambda _: room)
        with pytest.raises(InvalidLogdir, match="there is room for 10"):
            tb.read_profile(url)
    with monkeypatch.context() as patch:
        whole = type(fs).cat_file
        patch.setattr(type(fs), "cat_file", lambda *args, **options: whole(*args, **options)[:100])
        with pytest.raises(OSError, match=f"only 100 of {len(data):,} bytes came"):
            tb.read_profile(url)
    fs.pipe_file(f"/bucket/none/{NAME}", b"no trace")
    with pytest.raises(tb.CorruptRecord):
        tb.read_profile(f"memory://bucket/none/{NAME}")
    assert list(cache.iterdir()) == []


def test_what_is_damaged_is_counted() -> None:
    """A trace that was cut when it was uploaded is read as far as it goes, and says so."""
    data = gzip.compress(trace(steps=300), mtime=0)
    fsspec.filesystem("memory").pipe_file(f"/bucket/run/{NAME}.gz", data[:-200])
    found = tb.read_profile("memory://bucket/run")
    assert len(found.events) > 0
    assert found.skipped["ends before its compression does"] == 1


def test_nothing_is_kept_of_what_cannot_be_told_apart(cache: Path) -> None:
    """Where a store says neither a tag nor a time, every read is a new one; copies that were left are thrown away."""
    url = f"memory://bucket/run/{NAME}"
    fsspec.filesystem("memory").pipe_file(f"/bucket/run/{NAME}", trace())
    left = cache / "fetched-left"
    left.mkdir(parents=True)
    (left / NAME).write_bytes(b"?")
    os.utime(left, (1e9, 1e9))
    found = remote_traces.RemoteTrace(url, len(trace()), "")
    from tallyboard.core.profiles.reading import load

    assert load(found).verdict().share == pytest.approx(0.6)
    assert list(cache.iterdir()) == []
