"""Writing over a real S3 protocol: what is sent, and what happens when the server or the program fails."""

from __future__ import annotations

import os
import re
import signal
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import tallyboard as tb
from tallyboard.core import remote_uploads, remotesink
from tallyboard.core.errors import TallyboardWarning

from .stores import S3, download, events, points, run, system, until

fsspec: Any = pytest.importorskip("fsspec")


class TestS3:
    """A real S3 protocol over a real socket."""

    def test_every_object_is_put_once(
        self, s3: tuple[S3, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """However long a run and however often flushed, no object is sent twice, and the bytes sent are those kept."""
        monkeypatch.setattr(remotesink, "EARLY", 1000.0)  # nothing is sent by time
        server, bucket = s3
        with tb.SummaryWriter(f"{bucket}/runs/first") as writer:
            for step in range(50):
                writer.add_scalar("loss", step / 4, step)
                writer.add_scalars("both", {"a": step, "b": -step}, step)
                if step % 10 == 9:
                    writer.flush()
        put = server.put()
        fs = system()
        kept = {f"/{path}": fs.size(path) for path in fs.find(bucket)}

        assert len(put) == len(set(put)) == 18  # with the mark of each run's writer that it was closed
        assert set(put) == set(kept)
        sizes = [length for method, path, length in server.requests if method == "PUT"]
        assert sum(kept.values()) <= sum(sizes) < 2 * sum(kept.values()) + 18 * 500  # signed chunks have frames
        logdir = download(fs, f"{bucket}/runs", tmp_path)
        assert points(logdir, "first") == [(i, i / 4) for i in range(50)]
        assert points(logdir, "first/both_a", "both") == [(i, float(i)) for i in range(50)]

    def test_tensorboard_reads_it(self, s3: tuple[S3, str], tmp_path: Path) -> None:
        """TensorBoard's loaders find every point in the segments, in order, and the restart's purge."""
        accumulator: Any = pytest.importorskip("tensorboard.backend.event_processing.plugin_event_accumulator")
        _, bucket = s3
        for start, purge in ((0, 0), (6, 6)):
            with tb.SummaryWriter(f"{bucket}/run", purge_step=purge) as writer:
                for step in range(start, start + 10):
                    writer.add_scalar("loss", step + start / 100, step)
                    writer.flush()
        loaded = accumulator.EventAccumulator(str(download(system(), f"{bucket}/run", tmp_path)))
        loaded.Reload()
        found = [(e.step, round(loaded_value(e), 4)) for e in loaded.Tensors("loss")]

        assert found == [(i, float(i)) for i in range(6)] + [(i, i + 0.06) for i in range(6, 16)]

    def test_a_follower_that_looks_all_the_time(self, s3: tuple[S3, str], tmp_path: Path) -> None:
        """TensorBoard's watcher, which passes over files that turn up late, sees every point of a live run."""
        accumulator: Any = pytest.importorskip("tensorboard.backend.event_processing.plugin_event_accumulator")
        _, bucket = s3
        loaded = accumulator.EventAccumulator(str(tmp_path))
        fs = system()
        writers = [tb.SummaryWriter(f"{bucket}/run") for _ in range(2)]
        for step in range(6):
            for number, writer in enumerate(writers):
                writer.add_scalar(f"loss{number}", 1.0, step)
                writer.flush()
            download(fs, f"{bucket}/run", tmp_path)
            loaded.Reload()
        for writer in writers:
            writer.close()

        assert [[e.step for e in loaded.Tensors(f"loss{number}")] for number in range(2)] == [list(range(6))] * 2

    def test_a_server_that_dies_and_comes_back(
        self, s3: tuple[S3, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Training goes on with one warning; when the server is back everything arrives, each object once."""
        monkeypatch.setattr(remotesink, "EARLY", 1000.0)  # nothing is sent by time
        server, bucket = s3
        writer = tb.SummaryWriter(f"{bucket}/run")
        writer.add_scalar("loss", 0.0, 0)
        writer.flush()
        server.stop()
        monkeypatch.setattr(remote_uploads, "WAIT", 0.3)
        try:
            with pytest.warns(TallyboardWarning) as said:  # noqa: PT031
                for step in range(1, 6):
                    writer.add_scalar("loss", float(step), step)
                    writer.flush()  # returns, though the server is gone
                until(lambda: any("uploading failed" in str(one.message) for one in said))
        finally:
            server.start()
            monkeypatch.setattr(remote_uploads, "WAIT", 120.0)
        assert len([one for one in said if "uploading failed" in str(one.message)]) == 1
        fs = system()
        until(lambda: len(fs.find(bucket)) == 6)
        writer.add_scalar("loss", 6.0, 6)
        writer.close()

        put = server.put()
        assert len(put) == len(set(put)) == 7
        assert points(download(fs, f"{bucket}/run", tmp_path)) == [(i, float(i)) for i in range(7)]

    def test_a_server_that_hangs(self, s3: tuple[S3, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """flush and close return in time, later ones at once; local writers go on; afterwards everything arrives."""
        server, bucket = s3
        monkeypatch.setattr(remote_uploads, "WAIT", 3600.0)
        monkeypatch.setattr(remote_uploads, "_TRY", 1.5)
        later = 0.0
        clock = SimpleNamespace(monotonic=lambda: time.monotonic() + later, sleep=time.sleep)
        monkeypatch.setattr(remote_uploads, "time", clock)
        uploads = remote_uploads.uploads_to(bucket)
        waits, waiting = uploads._changed.wait, list[threading.Thread]()

        def wait(seconds: float | None = None) -> bool:
            waiting.append(threading.current_thread())
            return waits(seconds)

        monkeypatch.setattr(uploads._changed, "wait", wait)
        writers = [tb.SummaryWriter(f"{bucket}/run{i}") for i in range(5)]
        local = tb.SummaryWriter(tmp_path / "local")
        (file,) = (tmp_path / "local").iterdir()
        size = file.stat().st_size
        server.hang()
        for writer in writers:
            writer.add_scalar("loss", 1.0, 1)
        with pytest.warns(TallyboardWarning) as said:  # noqa: PT031
            flushing = threading.Thread(target=writers[0].flush)
            flushing.start()
            writers[0].add_scalar("loss", 2.0, 2)
            local.add_scalar("loss", 1.0, 1)
            until(lambda: file.stat().st_size > size)
            until(lambda: flushing in waiting)  # for an hour from now, not from what is now later
            assert flushing.is_alive()
            later = 3600.0
            with uploads._changed:
                uploads._changed.notify_all()
            flushing.join()
            for writer in writers:
                writer.add_scalar("loss", 3.0, 3)
                writer.flush()
                writer.close()  # these wait no hour
            until(lambda: uploads._failures)
            server.go_on()
            fs = system()
            until(lambda: len(fs.find(bucket)) >= 6)
            until(lambda: not uploads.owners())
        texts = [str(one.message) for one in said]
        assert len([text for text in texts if "uploading failed (TimeoutError)" in text]) == 1
        assert len([text for text in texts if "were not uploaded within 3600 s" in text]) == 5
        local.close()
        logdir = download(fs, bucket, tmp_path / "remote")
        assert points(logdir, "run0") == [(1, 1.0), (2, 2.0), (3, 3.0)]
        assert points(logdir, "run4") == [(1, 1.0), (3, 3.0)]

    def test_a_writer_that_nobody_has_any_more(
        self, s3: tuple[S3, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A writer that was dropped without closing is sent too, and holds up no other, even if the server hangs."""
        server, bucket = s3
        monkeypatch.setattr(remote_uploads, "WAIT", 3600.0)
        monkeypatch.setattr(remote_uploads, "_TRY", 5.0)
        server.hang()
        writer = tb.SummaryWriter(f"{bucket}/run")
        writer.add_scalar("loss", 1.0, 1)
        del writer
        with tb.SummaryWriter(tmp_path / "local") as local:
            local.add_scalar("loss", 1.0, 1)  # closing it waits no hour
        until(lambda: remote_uploads.uploads_to(bucket).owners())
        server.go_on()
        fs = system()
        until(lambda: fs.find(bucket))

    def test_a_missing_bucket(self, s3: tuple[S3, str], monkeypatch: pytest.MonkeyPatch) -> None:
        """It is not made, but named in the warning."""
        monkeypatch.setattr(remote_uploads, "WAIT", 0.5)
        writer = tb.SummaryWriter("s3://nobody-has-this/run")
        writer.add_scalar("loss", 1.0, 1)
        with pytest.warns(TallyboardWarning) as said:  # noqa: PT031
            writer.close()
            text = until(lambda: [text for one in said if "uploading failed" in (text := str(one.message))])[0]
        assert re.match(r"s3://nobody-has-this/run: uploading failed .*bucket", text)
        assert not system().exists("nobody-has-this")

    def test_a_scalar_costs_its_caller_nothing_of_the_network(
        self, s3: tuple[S3, str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """add_scalar does not talk to the store: no request is made before the first file is due."""
        monkeypatch.setattr(remotesink, "EARLY", 1000.0)
        server, bucket = s3
        writer = tb.SummaryWriter(f"{bucket}/run")
        for step in range(1000):
            writer.add_scalar("loss", 1.0, step)
        assert server.requests == []
        writer.close()
        assert len(server.put()) == 1


def loaded_value(event: Any) -> float:
    from tensorboard.util import tensor_util

    return float(tensor_util.make_ndarray(event.tensor_proto))


class TestProcesses:
    """Programs that end in every way."""

    def test_kill_after_flush(self, s3: tuple[S3, str], tmp_path: Path) -> None:
        """What flush returned from is in the store, whatever happens to the process."""
        _, bucket = s3
        done = run(
            """
import os, signal, sys
import tallyboard as tb
writer = tb.SummaryWriter(sys.argv[1])
for step in range(100):
    writer.add_scalar("loss", float(step), step)
writer.flush()
os.kill(os.getpid(), signal.SIGKILL)
""",
            f"{bucket}/run",
        )
        assert done.returncode == -signal.SIGKILL, done.stderr
        assert points(download(system(), f"{bucket}/run", tmp_path)) == [(i, float(i)) for i in range(100)]

    def test_exit_without_close(self, s3: tuple[S3, str], tmp_path: Path) -> None:
        """A program that ends by itself loses nothing, also where a host's name has to be looked up on the way."""
        server, bucket = s3
        done = run(
            """
import sys
import tallyboard as tb
writer = tb.SummaryWriter(sys.argv[1])
writer.add_hparams({"lr": 0.1}, {})
for step in range(100):
    writer.add_scalar("loss", float(step), step)
""",
            f"{bucket}/run",
            AWS_ENDPOINT_URL=f"http://localhost:{server.port}",
        )
        assert (done.returncode, done.stderr) == (0, "")
        fs = system()
        assert points(download(fs, f"{bucket}/run", tmp_path)) == [(i, float(i)) for i in range(100)]
        last = events(fs.cat_file(sorted(fs.find(bucket))[-1]))
        assert last[-2].summary.value[0].tag == "_hparams_/session_end_info"
        assert last[-1].session_log.status == last[-1].session_log.STOP

    def test_exit_with_a_server_that_hangs(self, s3: tuple[S3, str]) -> None:
        """The program ends nevertheless, and says what it lost."""
        server, bucket = s3
        server.hang()
        done = run(
            """
import sys
import tallyboard as tb
from tallyboard.core import remote_uploads, remotesink
remote_uploads.WAIT = 0.5
writers = [tb.SummaryWriter(f"{sys.argv[1]}/{i}") for i in range(20)]
for writer in writers:
    writer.add_scalar("loss", 1.0, 1)
""",
            bucket,
        )
        assert done.returncode == 0, done.stderr
        assert "1 events were not uploaded within 0.5 s" in done.stderr

    def test_exit_when_the_server_is_back(self, s3: tuple[S3, str]) -> None:
        """What a flush waited for in vain is tried a last time when the program ends."""
        server, bucket = s3
        done = run(
            """
import os, sys, urllib.request
import tallyboard as tb
from tallyboard.core import remote_uploads, remotesink
remote_uploads.WAIT = 0.5
there, os.environ["AWS_ENDPOINT_URL"] = os.environ["AWS_ENDPOINT_URL"], "http://127.0.0.1:9"
writer = tb.SummaryWriter(sys.argv[1])
writer.add_scalar("loss", 1.0, 1)
writer.close()
import s3fs
s3fs.S3FileSystem.clear_instance_cache()
remote_uploads._stores["s3"]._systems.clear()
os.environ["AWS_ENDPOINT_URL"] = there
remote_uploads.WAIT = remote_uploads._WAIT_AGAIN = 200
""",
            f"{bucket}/run",
        )
        assert done.returncode == 0, done.stderr
        assert "1 events were not uploaded within 0.5 s" in done.stderr
        assert len(server.put()) == 1

    @pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
    def test_fork(self, s3: tuple[S3, str], tmp_path: Path) -> None:
        """A forked child goes on with files and connections of its own; nothing is lost or sent twice."""
        server, bucket = s3
        done = run(
            """
import os, sys
import tallyboard as tb
from tallyboard.core import remotesink
remotesink.EARLY = 1000.0  # nothing is sent by time
writer = tb.SummaryWriter(sys.argv[1], purge_step=0)
writer.add_scalar("parent", 0.0, 0)
writer.flush()
writer.add_scalar("parent", 1.0, 1)
children = []
for number in range(3):
    child = os.fork()
    if not child:
        for step in range(10):
            writer.add_scalar(f"child{number}", float(step), step)
        writer.flush()
        writer.close()
        os._exit(0)
    children.append(child)
writer.add_scalar("parent", 2.0, 2)
writer.close()
sys.exit(max(os.waitpid(child, 0)[1] for child in children))
""",
            f"{bucket}/run",
        )
        assert (done.returncode, done.stderr) == (0, "")
        logdir = download(system(), f"{bucket}/run", tmp_path)
        assert points(logdir, tag="parent") == [(0, 0.0), (1, 1.0), (2, 2.0)]
        for number in range(3):
            assert points(logdir, tag=f"child{number}") == [(i, float(i)) for i in range(10)]
        assert (
            len(server.put()) == len(set(server.put())) == 8
        )  # each child's mark that it closed its writer comes after its flush

    def test_workers_of_multiprocessing(self, s3: tuple[S3, str], tmp_path: Path) -> None:
        """A worker that logs and returns loses nothing."""
        _, bucket = s3
        done = run(
            """
import multiprocessing, sys
import tallyboard as tb
writer = tb.SummaryWriter(sys.argv[1])
def work(number):
    writer.add_scalar(f"worker{number}", 1.0, number)
if __name__ == "__main__":
    writer.add_scalar("parent", 0.0, 0)
    workers = [multiprocessing.get_context("fork").Process(target=work, args=(i,)) for i in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    writer.close()
    sys.exit(max(worker.exitcode for worker in workers))
""",
            f"{bucket}/run",
        )
        assert (done.returncode, done.stderr) == (0, "")
        tags = {tag for _, tag in tb.read(download(system(), f"{bucket}/run", tmp_path)).scalars()}
        assert tags == {"parent", "worker0", "worker1"}
