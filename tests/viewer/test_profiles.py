"""The page is told every profile of every run, its verdict and its steps, and what is wrong with one."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import tallyboard as tb
from tallyboard.core.profiles.steps import CATEGORIES
from tallyboard.core.reader import LogdirReader
from tallyboard.viewer.app import make_app

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
