"""/api/trash: runs are deleted by moving them within the logdir, whole or not at all, and can be had back."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tallyboard as tb
from tallyboard.core.places import TRASH
from tallyboard.core.reader import LogdirReader
from tallyboard.core.store import Store
from tallyboard.viewer.access import Access
from tallyboard.viewer.trash import Trash

LONG_AGO = time.time() - 86_400


def write(folder: Path, step: int = 3) -> None:
    """One run of ours whose values are a day old, so that it runs no longer."""
    with tb.SummaryWriter(str(folder)) as writer:
        writer.add_scalar("loss", 1.0, step, walltime=LONG_AGO)


def runs_of(logdir: Path) -> list[str]:
    reader = LogdirReader(logdir)
    reader.poll()
    return [run.name for run in reader.store.runs()]


def tree(folder: Path) -> dict[str, bytes]:
    """Every file below a directory with its content, by its place."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def logdir(tmp_path: Path) -> Path:
    """Runs beside and below one another, and what is no run's."""
    logdir = tmp_path / "runs"
    for name in ("a", "a/b", "a/b/c", "d"):
        write(logdir / name)
    (logdir / "a" / "model.ckpt").write_bytes(b"weights")
    return logdir


@pytest.fixture
def open_to(serve: Callable[..., Any]) -> Callable[..., Any]:
    """Serve a logdir as it is now, with deletion allowed."""

    def start(logdir: Path, **options: Any) -> Any:
        reader = LogdirReader(logdir)
        reader.poll()
        for run in reader.store._runs.values():
            run.grew = 0.0
        return serve(reader.store, **{"logdir": str(logdir), "allow_delete": True, **options})

    return start


def post(served: Any, path: str, body: Any, **headers: str) -> Any:
    return served.post(path, json.dumps(body).encode(), **headers)


def test_a_run_is_moved_and_comes_back(logdir: Path, open_to: Callable[..., Any]) -> None:
    """Deleted, it is no run any more; restored, every byte is where it was."""
    before = tree(logdir)
    served = open_to(logdir)

    answer = post(served, "/api/trash", {"runs": ["d"]})

    assert answer.status == 200
    assert (answer.json()["moved"], answer.json()["kept"]) == ([{"run": "d", "files": 1, "left": []}], [])
    assert runs_of(logdir) == ["a", "a/b", "a/b/c"]
    assert not (logdir / "d").exists()
    there = served.get("/api/trash").json()
    assert (there["allowed"], there["reason"]) == (True, None)
    assert [(entry["id"], entry["runs"]) for entry in there["entries"]] == [(answer.json()["id"], ["d"])]
    assert there["entries"][0]["bytes"] == len(next(content for place, content in before.items() if place[0] == "d"))
    assert abs(there["entries"][0]["when"] - time.time()) < 60

    answer = post(served, "/api/trash/restore", {"id": answer.json()["id"]})
    assert [moved["run"] for moved in answer.json()["moved"]] == ["d"]
    assert tree(logdir) == before
    assert not (logdir / TRASH).exists()


def test_what_is_in_the_trash_is_deleted_for_good(logdir: Path, open_to: Callable[..., Any]) -> None:
    """Some runs of a time, then the rest; what is not in the trash stays, whatever the request names."""
    served = open_to(logdir)
    first = post(served, "/api/trash", {"runs": ["d", "a/b"]}).json()["id"]
    second = post(open_to(logdir), "/api/trash", {"runs": ["a/b/c"]}).json()["id"]
    alive = tree(logdir / "a")

    answer = post(served, "/api/trash/purge", {"id": first, "runs": ["d", "a", "../a"], "for_good": True}).json()
    assert (answer["id"], answer["moved"]) == (first, [{"run": "d", "files": 1, "left": []}])
    assert [one["run"] for one in answer["kept"]] == ["a", "../a"]
    left = {one["id"]: one["runs"] for one in served.get("/api/trash").json()["entries"]}
    assert left == {second: ["a/b/c"], first: ["a/b"]}
    for stamp in (first, second):
        assert post(served, "/api/trash/purge", {"id": stamp, "for_good": True}).json()["kept"] == []
    again = post(served, "/api/trash/purge", {"id": first, "for_good": True}).json()

    assert (again["id"], again["moved"]) == (None, [])
    assert not (logdir / TRASH).exists()
    assert tree(logdir / "a") == alive
    assert runs_of(logdir) == ["a"]


def test_deleting_for_good_follows_no_link(logdir: Path, tmp_path: Path, open_to: Callable[..., Any]) -> None:
    """A link in the trash goes, and what it leads to stays; a trash, a time or a run that is a link is not entered."""
    elsewhere = tmp_path / "elsewhere"
    write(elsewhere / "mine")
    (elsewhere / "events.out.tfevents.1").write_bytes(b"precious")
    before = tree(elsewhere)
    served = open_to(logdir)
    stamp = post(served, "/api/trash", {"runs": ["d"]}).json()["id"]
    folder = logdir / TRASH / stamp
    (folder / "d" / "events.out.tfevents.2").symlink_to(elsewhere / "events.out.tfevents.1")
    (folder / "d" / "plugins").symlink_to(elsewhere)
    (folder / "other").symlink_to(elsewhere)
    (logdir / TRASH / "20200101T000000-0000").symlink_to(elsewhere)

    for body in (
        {"id": stamp, "runs": ["other", "other/mine", "d"]},
        {"id": "20200101T000000-0000"},
        {"id": ".."},
        {"id": f"{stamp}/../.."},
    ):
        assert post(served, "/api/trash/purge", {**body, "for_good": True}).status == 200

    assert tree(elsewhere) == before
    assert not (folder / "d" / "events.out.tfevents.2").is_symlink()
    assert sorted(runs_of(logdir)) == ["a", "a/b", "a/b/c"]


@pytest.mark.parametrize("body", [None, [], {}, {"id": "x"}, {"id": "x", "for_good": 1}, {"id": 1, "for_good": True}])
def test_deleting_for_good_has_to_be_said(body: Any, logdir: Path, open_to: Callable[..., Any]) -> None:
    """A request that does not say so in so many words is 400, and nothing happens."""
    served = open_to(logdir)
    post(served, "/api/trash", {"runs": ["d"]})
    before = tree(logdir)

    assert post(served, "/api/trash/purge", body).status == 400
    assert tree(logdir) == before


def test_deleting_for_good_needs_the_flag(logdir: Path, open_to: Callable[..., Any]) -> None:
    """Without --allow-delete, in a viewer that only reads, and from another site it is 403."""
    stamp = post(open_to(logdir), "/api/trash", {"runs": ["d"]}).json()["id"]
    before = tree(logdir)
    asked = {"id": stamp, "for_good": True}

    for options in ({"allow_delete": False}, {"access": Access(writable=False)}):
        assert post(open_to(logdir, **options), "/api/trash/purge", asked).status == 403
    assert post(open_to(logdir), "/api/trash/purge", asked, origin="http://evil.example").status == 403
    assert tree(logdir) == before


def test_a_run_loses_its_own_files_only(logdir: Path, open_to: Callable[..., Any]) -> None:
    """Runs below it stay unless they are named too, and so does what is no run's."""
    served = open_to(logdir)

    answer = post(served, "/api/trash", {"runs": ["a"]}).json()
    assert answer["moved"] == [{"run": "a", "files": 1, "left": ["b", "model.ckpt"]}]
    assert runs_of(logdir) == ["a/b", "a/b/c", "d"]
    assert (logdir / "a" / "model.ckpt").read_bytes() == b"weights"

    answer = post(open_to(logdir), "/api/trash", {"runs": ["a/b", "a/b/c"]}).json()
    assert [moved["left"] for moved in answer["moved"]] == [[], []]
    assert runs_of(logdir) == ["d"]
    assert sorted(path.name for path in (logdir / "a").iterdir()) == ["model.ckpt"]


def test_everything_that_makes_a_run_goes_with_it(tmp_path: Path) -> None:
    """Traces, profiles and embeddings are the run's: without them the directory is none any more."""
    folder = tmp_path / "runs" / "a"
    with tb.SummaryWriter(str(folder)) as writer:
        writer.add_embedding(np.eye(3), metadata=["x", "y", "z"], tag="points")
        writer.add_scalar("loss", 1.0, 0)
    (folder / "host.pt.trace.json").write_text("{}")
    (folder / "plugins" / "profile" / "now").mkdir(parents=True)
    (folder / "plugins" / "profile" / "now" / "x.xplane.pb").write_bytes(b"x")
    before = tree(tmp_path)
    trash = Trash({"": str(tmp_path / "runs")})

    outcome = trash.move(["a"])

    assert (outcome.moved[0].left, outcome.kept) == ([], [])
    assert runs_of(tmp_path / "runs") == []
    assert not folder.exists()
    assert trash.restore(str(outcome.id)).kept == []
    assert tree(tmp_path) == before


def test_the_logdir_itself_may_be_a_run(tmp_path: Path) -> None:
    """The run `.` loses its own files, and the runs in it nothing."""
    write(tmp_path)
    write(tmp_path / "a")
    trash = Trash({"": str(tmp_path)})

    outcome = trash.move(["."])

    assert [moved.run for moved in outcome.moved] == ["."]
    assert runs_of(tmp_path) == ["a"]
    assert trash.entries()[0].runs == ["."]
    trash.restore(str(outcome.id), ["."])
    assert runs_of(tmp_path) == [".", "a"]


def test_without_the_flag_nothing_is_deleted(logdir: Path, serve: Callable[..., Any]) -> None:
    """403, with the sentence how to allow it; the page can ask beforehand."""
    before = tree(logdir)
    reader = LogdirReader(logdir)
    reader.poll()
    served = serve(reader.store, logdir=str(logdir))

    for path, body in (("/api/trash", {"runs": ["d"]}), ("/api/trash/restore", {"id": "x"})):
        answer = post(served, path, body)
        assert (answer.status, "--allow-delete" in answer.json()["error"]) == (403, True)
    there = served.get("/api/trash").json()
    assert (there["allowed"], "--allow-delete" in there["reason"], there["entries"]) == (False, True, [])
    assert tree(logdir) == before


def test_a_read_only_viewer_deletes_nothing(logdir: Path, open_to: Callable[..., Any]) -> None:
    """--read_only is stronger than --allow-delete, and another site's page may not ask at all."""
    before = tree(logdir)
    closed = open_to(logdir, access=Access(writable=False))

    assert post(closed, "/api/trash", {"runs": ["d"]}).status == 403
    assert closed.get("/api/trash").json()["allowed"] is False
    assert post(open_to(logdir), "/api/trash", {"runs": ["d"]}, Origin="http://evil.example").status == 403
    assert open_to(logdir).post("/api/trash", b'{"runs":["d"]}', Content_Type="text/plain").status == 415
    assert tree(logdir) == before


@pytest.mark.parametrize(
    "body", [None, [], {}, {"runs": "d"}, {"runs": [1]}, {"runs": ["d"], "running": 1}, {"runs": ["d"] * 10_001}]
)
def test_a_malformed_request_is_refused(logdir: Path, open_to: Callable[..., Any], body: Any) -> None:
    """One sentence, and nothing moved."""
    answer = post(open_to(logdir), "/api/trash", body)

    assert (answer.status, list(answer.json())) == (400, ["error"])
    assert not (logdir / TRASH).exists()


def test_a_run_that_is_written_to_stays(logdir: Path, open_to: Callable[..., Any]) -> None:
    """Its program would go on writing into the trash; who wants that says so. One that was closed may go at once."""
    writer = tb.SummaryWriter(str(logdir / "live"))
    with tb.SummaryWriter(str(logdir / "done")) as other:
        for one in (writer, other):
            one.add_scalar("loss", 1.0, 0)
    writer.flush()
    served = open_to(logdir)

    answer = post(served, "/api/trash", {"runs": ["live", "d", "done"]}).json()
    assert answer["kept"] == [{"run": "live", "reason": "It is still being written to."}]
    assert [moved["run"] for moved in answer["moved"]] == ["d", "done"]
    answer = post(served, "/api/trash", {"runs": ["live"], "running": True}).json()
    assert [moved["run"] for moved in answer["moved"]] == ["live"]
    writer.close()


HOSTILE = ["..", "../outside", "a/../../outside", "/etc", "a//b", "./a", "", TRASH, f"{TRASH}/x", "a\0b", "x" * 5_000]


@pytest.mark.parametrize("name", HOSTILE)
def test_no_name_leads_out_of_the_logdir(logdir: Path, open_to: Callable[..., Any], name: str) -> None:
    """Not through the API, which knows the store's runs only, and not below it."""
    write(logdir.parent / "outside")
    before = tree(logdir.parent)

    answer = post(open_to(logdir), "/api/trash", {"runs": [name]})
    assert (answer.status, answer.json()["moved"], len(answer.json()["kept"])) == (200, [], 1)
    assert Trash({"": str(logdir)}).move([name]).moved == []
    assert tree(logdir.parent) == before


def test_no_link_leads_out_of_the_logdir(logdir: Path, tmp_path: Path) -> None:
    """A run behind a link is shown, and not deleted: neither where the link leads, nor a trash that is a link."""
    write(tmp_path / "outside" / "x")
    (logdir / "linked").symlink_to(tmp_path / "outside")
    assert "linked/x" in runs_of(logdir)
    before = tree(tmp_path)
    trash = Trash({"": str(logdir)})

    outcome = trash.move(["linked/x"])
    assert (outcome.id, "link" in outcome.kept[0].reason) == (None, True)
    assert tree(tmp_path) == before

    (tmp_path / "elsewhere").mkdir()
    (logdir / TRASH).symlink_to(tmp_path / "elsewhere")
    outcome = trash.move(["d"])
    assert (outcome.id, "is no directory" in outcome.kept[0].reason) == (None, True)
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_linked_event_file_is_moved_as_a_link(tmp_path: Path) -> None:
    """The file that it leads to stays where it is, with its content."""
    write(tmp_path / "store")
    target = next((tmp_path / "store").iterdir())
    (tmp_path / "runs" / "a").mkdir(parents=True)
    (tmp_path / "runs" / "a" / target.name).symlink_to(target)

    assert [moved.run for moved in Trash({"": str(tmp_path / "runs")}).move(["a"]).moved] == ["a"]
    assert target.is_file()
    assert runs_of(tmp_path / "runs") == []


def test_a_configuration_names_no_file_elsewhere(tmp_path: Path) -> None:
    """Whoever wrote the projector's configuration cannot have other files moved by it."""
    folder = tmp_path / "runs" / "a"
    write(folder)
    (tmp_path / "secret").write_text("s")
    (folder / "real.tsv").write_text("1")
    (folder / "linked").symlink_to(tmp_path)
    paths = [str(tmp_path / "secret"), "../../secret", "linked/secret", "real.tsv"]
    (folder / "projector_config.pbtxt").write_text(
        "".join(f'embeddings {{ tensor_name: "x" tensor_path: "{path}" }}\n' for path in paths)
    )

    Trash({"": str(tmp_path / "runs")}).move(["a"])

    assert (tmp_path / "secret").read_text() == "s"
    assert sorted(path.name for path in folder.iterdir()) == ["linked"]


def test_what_fails_halfway_is_put_back(logdir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run is moved whole or not at all; another file system is an honest reason."""
    write(logdir / "d", step=4)
    before = tree(logdir)
    rename, calls = os.rename, []

    def failing(old: str, new: str) -> None:
        calls.append(old)
        if len(calls) == 2:
            raise OSError(18, "Invalid cross-device link")
        rename(old, new)

    monkeypatch.setattr("tallyboard.viewer.trash.os.rename", failing)
    outcome = Trash({"": str(logdir)}).move(["d"])

    assert [kept.reason for kept in outcome.kept] == ["Invalid cross-device link."]
    assert tree(logdir) == before
    assert not (logdir / TRASH).exists()


def test_nothing_is_written_over(logdir: Path) -> None:
    """A run that came anew under its old name is not touched by a restore; both are kept, and that is said."""
    trash = Trash({"": str(logdir)})
    outcome = trash.move(["d"])
    moved = next((logdir / TRASH).rglob("events*"))
    (logdir / "d").mkdir()
    (logdir / "d" / moved.name).write_bytes(b"new")

    again = trash.restore(str(outcome.id))

    assert (again.id, "is there already" in again.kept[0].reason) == (None, True)
    assert (logdir / "d" / moved.name).read_bytes() == b"new"
    assert trash.entries()[0].runs == ["d"]


@pytest.mark.parametrize("stamp", ["", "..", "../..", "20260101T000000-abcd", "20260101T000000-abcd/../../x"])
def test_no_id_leads_anywhere_else(logdir: Path, stamp: str) -> None:
    """A time that is none restores nothing."""
    before = tree(logdir)

    assert Trash({"": str(logdir)}).restore(stamp, ["a", ".."]).moved == []
    assert tree(logdir) == before


def test_the_trash_is_no_run_while_it_is_followed(logdir: Path) -> None:
    """Not when all is looked through, and not when news name the files that arrived there."""
    reader = LogdirReader(logdir)
    reader.poll()
    Trash({"": str(logdir)}).move(["d", "a/b"])
    arrived = [str(path) for path in (logdir / TRASH).rglob("*")]

    reader.poll([*arrived, *(str(path) for path in logdir.iterdir()), str(logdir / "a" / "b"), str(logdir / "d")])
    assert [run.name for run in reader.store.runs()] == ["a", "a/b/c"]
    reader.poll()
    assert [run.name for run in reader.store.runs()] == ["a", "a/b/c"]


def test_several_logdirs_have_each_their_trash(tmp_path: Path) -> None:
    """A run goes to the trash of its own logdir; a remote one has none."""
    for name in ("old", "new"):
        write(tmp_path / name / "a")
    trash = Trash({"base": str(tmp_path / "old"), "mine": str(tmp_path / "new"), "far": "s3://bucket/runs"})

    outcome = trash.move(["base/a", "mine/a", "far/a", "other/a"])

    assert sorted(moved.run for moved in outcome.moved) == ["base/a", "mine/a"]
    assert {kept.run: kept.reason.split(":")[0] for kept in outcome.kept} == {
        "far/a": "It is remote",
        "other/a": "There is no such run.",
    }
    assert trash.entries()[0].runs == ["base/a", "mine/a"]
    assert [moved.run for moved in trash.restore(str(outcome.id), ["mine/a"]).moved] == ["mine/a"]
    assert (runs_of(tmp_path / "old"), runs_of(tmp_path / "new")) == ([], ["a"])


def test_a_command_with_the_flag_deletes(tmp_path: Path, command: Callable[..., Any]) -> None:
    """From the command line to the disk, and the page's index follows."""
    write(tmp_path / "runs" / "a")
    write(tmp_path / "runs" / "b")
    viewer = command("--logdir", "runs", "--port", "0", "--allow-delete")
    viewer.wait_for_line()
    deadline = time.monotonic() + 60

    def names() -> list[str]:
        return [run["name"] for run in viewer.served.get("/api/runs").json()["runs"]]

    while names() != ["a", "b"]:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert post(viewer.served, "/api/trash", {"runs": ["a"], "running": True}).json()["kept"] == []
    while names() != ["b"]:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_an_unknown_run_is_said(logdir: Path, serve: Callable[..., Any]) -> None:
    """A name that the store has not is no error of the others."""
    answer = post(serve(Store(), logdir=str(logdir), allow_delete=True), "/api/trash", {"runs": ["d"]}).json()

    assert answer == {"id": None, "moved": [], "kept": [{"run": "d", "reason": "There is no such run."}]}
