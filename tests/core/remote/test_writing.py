"""Writing into a remote store: fsspec's memory."""

from __future__ import annotations

import os
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tallyboard as tb
from tallyboard.core import remote_uploads
from tallyboard.core.errors import InvalidLogdir, MissingDependency, TallyboardWarning
from tallyboard.core.remote import is_remote, joined, placed
from tallyboard.core.remotesink import RemoteSink

from .stores import download, events, points, run, until

fsspec: Any = pytest.importorskip("fsspec")


class TestMemory:
    """fsspec's own memory as the store."""

    def test_everything_comes_back(self, tmp_path: Path) -> None:
        """What was logged into memory:// is read from its files, in order, after several flushes."""
        fs = fsspec.filesystem("memory")
        with tb.SummaryWriter("memory://bucket/run") as writer:
            for step in range(30):
                writer.add_scalar("loss", step / 2, step)
                if step % 10 == 9:
                    writer.flush()

        assert len(fs.find("memory://bucket/run")) == 4  # with the mark that the writer was closed
        assert points(download(fs, "memory://bucket/run", tmp_path)) == [(i, i / 2) for i in range(30)]

    def test_flush_is_a_barrier_and_a_segment(self) -> None:
        """After flush all is there in one more file, those before it are untouched, and names sort by time."""
        fs = fsspec.filesystem("memory")
        writer = tb.SummaryWriter("memory://bucket/run")
        before: dict[str, bytes] = {}
        names: list[str] = []
        for step in range(5):
            writer.add_scalar("loss", 1.0, step)
            writer.flush()
            now = {path: fs.cat_file(path) for path in fs.find("memory://bucket")}
            (new,) = now.keys() - before.keys()
            assert {path: now[path] for path in before} == before
            assert [event.step for event in events(now[new])[1:]] == [step]
            names.append(new)
            before = now
        writer.flush()
        assert sorted(fs.find("memory://bucket")) == names
        writer.close()

        assert names == sorted(names)
        assert sorted(fs.find("memory://bucket"))[:-1] == names
        (mark,) = set(fs.find("memory://bucket")) - set(names)
        assert [event.session_log.status for event in events(fs.cat_file(mark))[1:]] == [2]  # STOP

    def test_every_file_is_an_event_file(self) -> None:
        """Each begins with the version TensorBoard wants; the restart's step stands in the first one only."""
        fs = fsspec.filesystem("memory")
        writer = tb.SummaryWriter("memory://bucket/run", purge_step=7, filename_suffix=".mine")
        for step in range(7, 10):
            writer.add_scalar("loss", 1.0, step)
            writer.flush()
        writer.close()
        files = [events(fs.cat_file(path)) for path in sorted(fs.find("memory://bucket"))]

        assert [file[0].file_version for file in files] == ["brain.Event:2"] * 4
        assert [(file[1].session_log.status, file[1].step) for file in files] == [(1, 7), (0, 8), (0, 9), (2, 0)]
        assert all(path.endswith(".mine") and "/events.out.tfevents." in path for path in fs.find("memory://bucket"))

    def test_without_flush_it_is_sent_by_time(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Nothing waits longer than flush_secs."""
        monkeypatch.setattr("tallyboard.core.remotesink.EARLY", 1000.0)  # nor is it the usual pause that sends it
        fs = fsspec.filesystem("memory")
        writer = tb.SummaryWriter("memory://bucket/run", flush_secs=0.2)
        writer.add_scalar("loss", 1.0, 1)
        until(lambda: fs.find("memory://bucket"))
        writer.close()

    def test_by_size(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """What is large is sent before its time."""
        monkeypatch.setattr("tallyboard.core.remotesink.EARLY", 1000.0)  # its time is past this test's deadline
        monkeypatch.setattr("tallyboard.core.remotesink.SEGMENT_BYTES", 1000)
        fs = fsspec.filesystem("memory")
        writer = tb.SummaryWriter("memory://bucket/run")
        writer.add_text("text", "x" * 2000)
        until(lambda: fs.find("memory://bucket"))
        writer.close()

    def test_pauses_grow_with_the_run(self) -> None:
        """10 seconds at first, a sixtieth of a run's age later, never more than flush_secs."""
        sink = RemoteSink("memory://bucket/run", interval=120)
        assert sink.due(0.0) == float("inf")
        sink._append(b"", 0)
        opened = sink._opened

        def pause(age: float) -> float:
            sink._since = opened + age
            return round(sink.due(opened + age), 6)

        assert [pause(age) for age in (0, 600, 1200, 3600, 100_000)] == [10, 10, 20, 60, 120]
        sink.interval = 5
        assert pause(100_000) == 5
        sink.close()

    def test_nothing_logged_sends_nothing(self) -> None:
        """A writer without events makes no file, one that purges does."""
        fs = fsspec.filesystem("memory")
        tb.SummaryWriter("memory://bucket/idle").close()
        tb.SummaryWriter("memory://bucket/purged", purge_step=1).close()

        assert [path.split("/")[2] for path in fs.find("memory://bucket")] == ["purged"]

    def test_writing_after_close(self, tmp_path: Path) -> None:
        """Goes on in another file, which purges nothing."""
        fs = fsspec.filesystem("memory")
        writer = tb.SummaryWriter("memory://bucket/run", purge_step=0)
        for step in range(3):
            writer.add_scalar("loss", 1.0, step)
            writer.close()

        assert points(download(fs, "memory://bucket/run", tmp_path)) == [(0, 1.0), (1, 1.0), (2, 1.0)]

    def test_runs_below(self, tmp_path: Path) -> None:
        """add_scalars, hyperparameters and their sub-runs, log: the same runs as in a local directory."""
        fs = fsspec.filesystem("memory")
        for place in ("memory://bucket/run", str(tmp_path / "local")):
            with tb.SummaryWriter(place) as writer:
                writer.add_scalars("both", {"a": 1.0, "b": 2.0}, 1)
                writer.add_hparams({"lr": 0.1}, {"accuracy": 0.5})
                writer.add_hparams({"lr": 0.2}, {"accuracy": 0.6}, run_name="second")
                writer.log({"x": 1.0, "y": 2.0}, step=3)
        ours = tb.read(download(fs, "memory://bucket/run", tmp_path / "remote")).scalars()
        local = tb.read(tmp_path / "local").scalars()

        assert {key: one.value.tolist() for key, one in ours.items()} == {
            key: one.value.tolist() for key, one in local.items()
        }
        assert set(ours) >= {("both_a", "both"), ("both_b", "both"), ("second", "accuracy"), (".", "x")}

    def test_further_hyperparameters_get_a_name_of_their_own(self, tmp_path: Path) -> None:
        """A second program's sub-runs are not those of the first, without asking the store."""
        fs = fsspec.filesystem("memory")
        for _ in range(2):
            with tb.SummaryWriter("memory://bucket/run") as writer:
                for lr in (1, 2, 3):
                    writer.add_hparams({"lr": lr}, {"accuracy": 0.5})
                writer.add_hparams({"lr": 4}, {"accuracy": 0.5}, mode="subrun")
            now = round(time.time())
            until(lambda now=now: round(time.time()) > now)
        runs = tb.read(download(fs, "memory://bucket/run", tmp_path)).runs

        assert len([run for run in runs if run.startswith("hparams_")]) == 4
        assert len(runs) == 7

    def test_embedding(self, tmp_path: Path) -> None:
        """The projector's files are the same bytes as in a local directory; a later one joins the configuration."""
        fs = fsspec.filesystem("memory")
        rows = np.random.default_rng(0).random((9, 5))
        pictures = np.zeros((9, 1, 4, 4))
        for place in ("memory://bucket/run", str(tmp_path / "local")):
            with tb.SummaryWriter(place) as writer:
                writer.add_embedding(rows, metadata=list("abcdefghi"), label_img=pictures, tag="one")
                writer.add_embedding(rows, tag="two", step=3)
                writer.flush()
                if is_remote(place):
                    assert fs.exists("/bucket/run/projector_config.pbtxt")
        download(fs, "memory://bucket/run", tmp_path / "remote")
        trees = [
            {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}
            for root in (tmp_path / "remote", tmp_path / "local")
        ]
        remote, local = ({k: v for k, v in tree.items() if "tfevents" not in k} for tree in trees)

        assert remote == local
        assert len(remote) == 5

    def test_a_full_buffer(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """While the store is down, memory is bounded: what is too much is dropped, counted and said once."""
        monkeypatch.setattr(remote_uploads, "BYTES_MAX", 5_000)
        monkeypatch.setattr(remote_uploads, "WAIT", 0.1)
        up = threading.Event()
        fs = fsspec.filesystem("memory")
        real = type(fs).pipe_file

        def pipe_file(self: Any, path: str, value: bytes, **options: Any) -> None:
            if not up.is_set():
                raise ConnectionError("nobody is there")
            real(self, path, value, **options)

        monkeypatch.setattr(type(fs), "pipe_file", pipe_file)
        sink = RemoteSink("memory://bucket/run")
        writer = tb.SummaryWriter(sink=sink)
        with pytest.warns(TallyboardWarning) as said:  # noqa: PT031
            for i in range(10):
                writer.add_text("text", "x" * 1000, i)
                writer.flush()
            until(lambda: any("nobody is there" in str(one.message) for one in said))  # the thread that sends says it
        assert sink.lost == 6
        assert remote_uploads.uploads_to("memory://").nbytes <= 5_000
        texts = [str(one.message) for one in said]
        assert len([text for text in texts if "events were dropped" in text]) == 1
        assert len([text for text in texts if "ConnectionError: nobody is there" in text]) == 1
        assert len([text for text in texts if "were not uploaded within 0.1 s" in text]) == 1

        up.set()
        with pytest.warns(TallyboardWarning, match="closed with 6 events lost"):
            writer.close()
        until(lambda: len(fs.find("memory://bucket")) == 5)  # with the mark that the writer was closed

    def test_what_raises_does_not_reach_training(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Whatever the library behind a URL raises is a warning, and tried again."""
        fs = fsspec.filesystem("memory")
        tries: list[str] = []
        real = remote_uploads.filesystem

        def filesystem(url: str) -> Any:
            tries.append(url)
            if len(tries) < 3:
                raise RuntimeError("no credentials")
            return real(url)

        monkeypatch.setattr(remote_uploads, "filesystem", filesystem)
        writer = tb.SummaryWriter("memory://other/run")
        writer.add_scalar("loss", 1.0, 1)
        with pytest.warns(TallyboardWarning, match="RuntimeError: no credentials"):
            writer.close()

        assert len(tries) == 3
        assert len(fs.find("memory://other")) == 1


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("s3://", "names no place"),
        ("s3://a\0b", "names no place"),
        ("nosuchscheme://bucket/run", r"fsspec knows no 'nosuchscheme'://"),
        ("https://host/run", "can be read, not written"),
        ("runs/s3://bucket", "neither a local path nor a URL"),
    ],
)
def test_wrong_urls(url: str, words: str) -> None:
    """A URL that nothing can be written to is an error at the call that says why."""
    with pytest.raises(InvalidLogdir, match=words):
        tb.SummaryWriter(url)


def test_missing_libraries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without fsspec or the store's own library, the error has the command that installs them."""
    monkeypatch.setitem(sys.modules, "gcsfs", None)
    with pytest.raises(MissingDependency, match=r"pip install 'tallyboard\[remote\]' gcsfs$"):
        tb.SummaryWriter("gs://bucket/run")
    monkeypatch.setitem(sys.modules, "fsspec", None)
    with pytest.raises(MissingDependency, match=r"fsspec is not .*pip install 'tallyboard\[remote\]' s3fs$"):
        tb.SummaryWriter("s3://bucket/run")


def test_local_urls(tmp_path: Path) -> None:
    """file:// is the local directory it names, written as such."""
    with tb.SummaryWriter(f"file://{tmp_path}/run") as writer:
        writer.add_scalar("loss", 1.0, 1)

    assert writer.log_dir == f"{tmp_path}/run"
    assert points(tmp_path, "run") == [(1, 1.0)]


def test_which_places_are_remote() -> None:
    """What has a scheme is; paths, of Windows too, are not."""
    assert [is_remote(place) for place in ("s3://b/r", "simplecache::s3://b", "memory://x")] == [True] * 3
    assert [is_remote(place) for place in ("runs/a", "/a//b", "C:\\runs", "file:///a", "./s3://b")] == [False] * 5
    assert placed("file:///a/b") == "/a/b"
    assert joined("s3://b/r/", "a/b") == "s3://b/r/a/b"
    assert joined("runs", "a") == os.path.join("runs", "a")


def test_nothing_is_imported_for_local_writers(tmp_path: Path) -> None:
    """fsspec costs those nothing who do not use it."""
    code = "import sys, tallyboard as tb; tb.SummaryWriter(sys.argv[1]).close(); assert 'fsspec' not in sys.modules"
    assert run(code, str(tmp_path)).returncode == 0
