"""Reading remote stores: what is found, how it is followed, and how little is asked for."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest

import tallyboard as tb
from tallyboard.core import remoteplace
from tallyboard.core.errors import InvalidLogdir, MissingDependency
from tallyboard.core.follow import Follower
from tallyboard.core.index import cache_folder
from tallyboard.core.reader import LogdirReader
from tallyboard.core.remoteplace import RemotePlace, place_for

from .pages import web_server
from .stores import DEADLINE, S3, system, until

fsspec: Any = pytest.importorskip("fsspec")


def event_file(folder: Path, steps: range, run: str = "run", tag: str = "loss") -> bytes:
    """The bytes of an event file with a scalar at each step."""
    with tb.SummaryWriter(folder / run) as writer:
        for step in steps:
            writer.add_scalar(tag, step / 4, step, walltime=1e9 + step)
    (path,) = (folder / run).glob("*tfevents*")
    data = path.read_bytes()
    path.unlink()
    return data


def steps(logdir: tb.Logdir | Any, run: str = "run", tag: str = "loss") -> list[int]:
    return logdir.scalars()[run, tag].step.tolist()


class TestMemory:
    """fsspec's own memory as the store."""

    def test_every_kind_of_run(self, tmp_path: Path) -> None:
        """Event files at any depth, traces, profiles and projections make runs, as in a local directory."""
        fs = fsspec.filesystem("memory")
        data = event_file(tmp_path, range(3))
        names = [
            "events.out.tfevents.1.a",
            "deep/er/events.out.tfevents.1.a",
            "traced/worker.pt.trace.json",
            "profiled/plugins/profile/2026/host.xplane.pb",
            "plugins/profile/2026/host.xplane.pb",
            "projected/projector_config.pbtxt",
            "other/readme.txt",
        ]
        for name in names:
            fs.pipe_file(f"/bucket/logs/{name}", data if "tfevents" in name else b"?")
            path = tmp_path / "logs" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(fs.cat_file(f"/bucket/logs/{name}"))
        fs.makedirs("/bucket/logs/empty")

        remote, local = tb.read("memory://bucket/logs"), tb.read(tmp_path / "logs")
        assert remote.runs == local.runs == [".", "deep/er", "profiled", "projected", "traced"]
        assert steps(remote, ".") == steps(remote, "deep/er") == [0, 1, 2]
        found = [
            {(e.path.removeprefix(place.root), e.run, e.kind, e.size) for e in place.walk().entries if e.size}
            for place in (place_for("memory://bucket/logs/"), place_for(tmp_path / "logs"))
        ]
        assert found[0] == {entry for entry in found[1] if not entry[0].endswith("/profile")}

    def test_refresh(self, tmp_path: Path) -> None:
        """What came, grew, was replaced and went away since."""
        fs = fsspec.filesystem("memory")
        data, longer = event_file(tmp_path, range(3)), event_file(tmp_path, range(10, 20))
        fs.pipe_file("/logs/run/events.out.tfevents.1", data[:-40])
        logdir = tb.read("memory://logs")
        assert (steps(logdir), logdir.refresh()) == ([0, 1], False)

        fs.pipe_file("/logs/run/events.out.tfevents.1", data)
        fs.pipe_file("/logs/second/events.out.tfevents.1", data)
        assert logdir.refresh()
        assert (steps(logdir), steps(logdir, "second"), logdir.warnings) == ([0, 1, 2], [0, 1, 2], {})

        fs.pipe_file("/logs/run/events.out.tfevents.1", longer)
        assert logdir.refresh()
        assert steps(logdir) == list(range(10, 20))
        assert [warned.kind for warned in logdir.warnings["run"]] == ["file_replaced"]

        fs.rm("/logs/run", recursive=True)
        assert logdir.refresh()
        assert logdir.runs == ["second"]

    def test_nothing_there(self) -> None:
        """An address where nothing is, is an error that says so; a follower waits there."""
        with pytest.raises(InvalidLogdir, match=r"'memory://nowhere/runs'\): it does not exist"):
            tb.read("memory://nowhere/runs")
        reader = LogdirReader("memory://nowhere/runs")
        assert not reader.poll()
        assert reader.store.state == "waiting"

    def test_what_was_written_is_read(self) -> None:
        """Writer and reader by the same URL: scalars, texts, pictures, hyperparameters."""
        with tb.SummaryWriter("memory://bucket/runs/first") as writer:
            writer.add_scalar("loss", 0.5, 1)
            writer.add_text("note", "hello", 1)
            writer.add_image("picture", [[[0, 255]]], 1)
            writer.add_scalars("both", {"a": 1.0}, 1)
            writer.export_scalars_to_json(os.devnull)
        logdir = tb.read("memory://bucket/runs/")

        assert logdir.runs == ["first", "first/both_a"]
        assert steps(logdir, "first") == [1]
        assert logdir.texts()["first", "note/text_summary"].value == ["hello"]
        (picture,) = logdir["first"].images("picture")
        assert (picture.width, logdir["first"].path) == (2, "memory://bucket/runs/first")

    def test_embedding(self) -> None:
        """An embedding that was written into a store is read from there."""
        with tb.SummaryWriter("memory://bucket/run") as writer:
            writer.add_scalar("loss", 0.5, 1)
            writer.add_embedding([[1.5, 2.0], [0.1, -1.0]], metadata=["a", "b"], tag="words")
        found = tb.read("memory://bucket")["run"].embeddings["words:00000"]

        assert found.array().tolist() == [[1.5, 2.0], [pytest.approx(0.1), -1.0]]
        assert found.metadata() == [["a"], ["b"]]

    def test_export_names_series_by_url(self, tmp_path: Path) -> None:
        """export_scalars_to_json keeps the address whole."""
        with tb.SummaryWriter("memory://bucket/run") as writer:
            writer.add_scalar("loss", 0.5, 1)
            writer.add_scalars("both", {"a": 1.0}, 1)
            writer.export_scalars_to_json(tmp_path / "all.json")

        assert list(json.loads((tmp_path / "all.json").read_text())) == [
            "memory://bucket/run/loss",
            "memory://bucket/run/both_a/both",
        ]

    def test_commands(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """`tallyboard inspect` and `export` take a URL, and say what is damaged there."""
        from tallyboard.__main__ import main

        fs = fsspec.filesystem("memory")
        data = bytearray(event_file(tmp_path, range(3)))
        fs.pipe_file("/bucket/whole/events.out.tfevents.1", bytes(data))
        data[-6] ^= 1
        fs.pipe_file("/bucket/broken/events.out.tfevents.1", bytes(data))
        assert main(["inspect", "memory://bucket"]) == 1
        said = capsys.readouterr().out
        assert "memory://bucket: 2 runs" in said
        assert "damage: events.out.tfevents.1:" in said

        assert main(["export", "memory://bucket", "--run", "whole", "-o", str(tmp_path / "out.csv")]) == 0
        assert len((tmp_path / "out.csv").read_text().splitlines()) == 4

    def test_errors_of_libraries_are_the_disks(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Whatever a library raises, a reader sees an OSError, and keeps what it has."""
        fs = fsspec.filesystem("memory")
        with tb.SummaryWriter("memory://bucket/run") as writer:
            writer.add_scalar("loss", 0.5, 1)
        reader = LogdirReader("memory://bucket")
        reader.poll()

        def find(*_: object, **__: object) -> None:
            raise ValueError("no credentials")

        monkeypatch.setattr(type(fs), "find", find)
        with pytest.raises(OSError, match="ValueError: no credentials"):
            reader.poll()
        assert reader.store.scalars("run", "loss") is not None


class TestS3:
    """A real S3 protocol over a real socket."""

    def test_only_the_growth_is_fetched(self, s3: tuple[S3, str], tmp_path: Path) -> None:
        """A refresh is one listing; then each file that is new once, and of a longer one 64 bytes and what is new."""
        server, bucket = s3
        fs = system()
        data = event_file(tmp_path, range(2000))
        cut = len(data) - 1000
        for i in range(20):
            fs.pipe_file(f"{bucket}/logs/run{i}/events.out.tfevents.1", data)
        fs.pipe_file(f"{bucket}/logs/run/events.out.tfevents.1", data[:cut])
        with server.counted() as asked:
            logdir = tb.read(f"{bucket}/logs")
        assert (len(logdir), asked.lists()) == (21, 1)
        assert asked.gets() == 21
        assert asked.sent() <= 21 * len(data)

        with server.counted() as asked:
            assert not logdir.refresh()
        assert (asked.lists(), asked.gets()) == (1, 0)

        fs.pipe_file(f"{bucket}/logs/run/events.out.tfevents.1", data)
        fs.pipe_file(f"{bucket}/logs/run/events.out.tfevents.2", event_file(tmp_path, range(2000, 2001)))
        with server.counted() as asked:
            assert logdir.refresh()
        assert (asked.lists(), asked.gets()) == (1, 2)
        assert asked.sent() < 1000 + 64 + 200 + 100
        assert steps(logdir) == list(range(2001))
        assert logdir.warnings == {}

    def test_a_second_start(self, s3: tuple[S3, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """With an index, a logdir that did not change costs one listing, and one that grew only its growth."""
        server, bucket = s3
        monkeypatch.setenv("TALLYBOARD_CACHE", str(tmp_path / "cache"))
        data = event_file(tmp_path, range(5000))
        fs = system()
        for i in range(3):
            fs.pipe_file(f"{bucket}/run{i}/events.out.tfevents.1", data[:-30])

        def start() -> LogdirReader:
            reader = LogdirReader(bucket, cache=cache_folder())
            reader.poll()
            reader.save()
            return reader

        start()
        with server.counted() as asked:
            again = start()
        assert (asked.lists(), asked.gets()) == (1, 0)
        assert again.store.scalars("run0", "loss").step.tolist() == list(range(4999))

        fs.pipe_file(f"{bucket}/run0/events.out.tfevents.1", data)
        with server.counted() as asked:
            again = start()
        assert (asked.lists(), asked.sent() < 1000) == (1, True)
        assert again.store.scalars("run0", "loss").step.tolist() == list(range(5000))

    def test_files_are_fetched_side_by_side(self, s3: tuple[S3, str], tmp_path: Path) -> None:
        """A run of many segments does not take as many round trips one after the other."""
        server, bucket = s3
        fs = system()
        fs.pipe({f"{bucket}/run/events.out.tfevents.{i:03d}": event_file(tmp_path, range(i, i + 1)) for i in range(64)})
        with server.counted(together=5) as asked:
            logdir = tb.read(bucket)

        assert asked.gets() == 64
        assert asked.together() >= 5
        assert steps(logdir) == list(range(64))

    def test_a_replaced_object(self, s3: tuple[S3, str], tmp_path: Path) -> None:
        """One of the same size with other content is read anew, with a warning."""
        _, bucket = s3
        fs = system()
        fs.pipe_file(f"{bucket}/run/events.out.tfevents.1", event_file(tmp_path, range(5)))
        logdir = tb.read(bucket)
        fs.pipe_file(f"{bucket}/run/events.out.tfevents.1", event_file(tmp_path, range(5, 10)))
        logdir.refresh()

        assert steps(logdir) == list(range(5, 10))
        assert [warned.kind for warned in logdir.warnings["run"]] == ["file_replaced"]

    def test_a_missing_bucket_and_a_refusal(self, s3: tuple[S3, str], monkeypatch: pytest.MonkeyPatch) -> None:
        """What the store says is in the error."""
        with pytest.raises(InvalidLogdir, match="does not exist"):
            tb.read("s3://nobody-has-this/runs")

    def test_following(self, s3: tuple[S3, str], monkeypatch: pytest.MonkeyPatch) -> None:
        """A follower shows what a live writer sends, by one listing each time it looks, and sits out an outage."""
        server, bucket = s3
        monkeypatch.setattr(remoteplace, "LOOK", 0.2)
        monkeypatch.setattr(remoteplace, "SHARE", 1)
        follower = Follower(LogdirReader(f"{bucket}/runs"))
        stopping = threading.Event()
        failures: list[Exception] = []

        def follow() -> None:
            while not stopping.is_set():
                try:
                    follower.poll()
                except OSError as error:
                    failures.append(error)
                    stopping.wait(0.2)
                follower.wait(stopping)

        thread = threading.Thread(target=follow)
        thread.start()

        def seen() -> list[int]:
            series = follower.reader.store.scalars("live", "loss")
            return [] if series is None else series.step.tolist()

        try:
            writer = tb.SummaryWriter(f"{bucket}/runs/live")
            for step in range(3):
                writer.add_scalar("loss", 1.0, step)
                writer.flush()
                until(lambda step=step: seen() == list(range(step + 1)))
            server.stop()
            until(lambda: follower._watch is None or follower._watch._failures)  # type: ignore[union-attr]
            assert seen() == [0, 1, 2]
            server.start()
            writer.add_scalar("loss", 1.0, 3)
            writer.close()
            until(lambda: seen() == [0, 1, 2, 3])
            with server.counted() as asked:
                until(lambda: asked.lists() >= 3)
            assert asked.gets() == 0
            assert asked.lists() == len(asked.requests)
        finally:
            stopping.set()
            thread.join()
            follower.close()

    def test_the_page(self, s3: tuple[S3, str]) -> None:
        """`tallyboard --logdir s3://…` serves what is there."""
        pytest.importorskip("aiohttp")
        _, bucket = s3
        with tb.SummaryWriter(f"{bucket}/runs/first") as writer:
            writer.add_scalar("loss", 0.5, 1)
        command = [sys.executable, "-m", "tallyboard.viewer", "--logdir", f"{bucket}/runs", "--port", "0"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as viewer:
            try:
                assert viewer.stdout is not None
                line = viewer.stdout.readline()
                (url,) = re.findall(r"http://\S+/", line)
                assert f"logdir: {bucket}/runs" in line

                def runs() -> list[str]:
                    with urllib.request.urlopen(f"{url}api/runs", timeout=DEADLINE) as answer:
                        return [run["name"] for run in json.load(answer)["runs"]]

                until(lambda: runs() == ["first"])
            finally:
                viewer.terminate()


@pytest.mark.parametrize("ranges", [True, False])
def test_http(tmp_path: Path, ranges: bool) -> None:
    """A web server's index pages are a logdir, of servers that know no ranges too; only the growth is fetched."""
    pytest.importorskip("aiohttp")
    data = event_file(tmp_path / "made", range(100))
    file = tmp_path / "logs" / "a" / "b b" / "events.out.tfevents.1"
    file.parent.mkdir(parents=True)
    file.write_bytes(data[:-30])
    (tmp_path / "logs" / "notes.txt").write_text("no run")
    with web_server(tmp_path, ranges) as server:
        url = f"http://127.0.0.1:{server.server_port}/logs"
        logdir = tb.read(url)
        assert logdir.runs == ["a/b b"]
        assert steps(logdir, "a/b b") == list(range(99))
        server.gets.clear()
        server.sent = 0
        assert not logdir.refresh()
        assert server.gets == []

        file.write_bytes(data)
        os.utime(file, (2e9, 2e9))  # their clock, which they tell content by, has whole seconds
        assert logdir.refresh()
        assert steps(logdir, "a/b b") == list(range(100))
        assert len(server.gets) == 1
        assert server.sent < 300


def test_wrong_urls(monkeypatch: pytest.MonkeyPatch) -> None:
    """URLs that cannot be read are errors at the call, with the cure."""
    with pytest.raises(InvalidLogdir, match="fsspec knows no 'nosuchscheme'://"):
        tb.read("nosuchscheme://bucket/run")
    monkeypatch.setitem(sys.modules, "gcsfs", None)
    with pytest.raises(MissingDependency, match=r"pip install 'tallyboard\[remote\]' gcsfs$"):
        tb.read("gs://bucket/run")


def test_the_command_line_refuses_wrong_urls(capsys: pytest.CaptureFixture[str]) -> None:
    """The viewer says what is wrong with a URL before it starts."""
    from tallyboard.viewer.__main__ import main

    with pytest.raises(SystemExit) as ended:
        main(["--logdir", "nosuchscheme://bucket"])
    assert ended.value.code == 2
    assert "fsspec knows no 'nosuchscheme'://" in capsys.readouterr().err


def test_pauses_between_listings() -> None:
    """5 seconds, 20 times what a listing takes, more after failures, a minute at most."""
    place = RemotePlace("memory://bucket")
    watch = place.watch()
    assert watch.pause() == 5
    place.look_seconds = 1
    assert watch.pause() == 20
    watch._failures = 3
    assert watch.pause() == 40
    watch._failures = 100
    assert watch.pause() == 60
    assert watch.news(threading.Event(), 0.01) == set()
    assert not watch.stale()
    watch.close()
    assert time.monotonic() > 0
