"""GET and PATCH /api/sidecar: what people say of runs is kept, wherever it can be, by however many at once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tallyboard.core.reader import LogdirReader
from tallyboard.core.store import Store
from tallyboard.viewer import app as application
from tallyboard.viewer import sidecar as module
from tallyboard.viewer.access import Access
from tallyboard.viewer.sidecar import FILE, NotKept, Sidecar
from tallyboard.viewer.statements import LARGEST_CHART, BadPatch

NOTHING: dict[str, Any] = {"runs": {}, "views": {}, "charts": {}}


@pytest.fixture(autouse=True)
def data_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's data folder, for this test alone."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(module.sys, "platform", "linux")
    return tmp_path / "home" / "tallyboard"


@pytest.fixture
def logdir(tmp_path: Path) -> Path:
    (tmp_path / "runs").mkdir()
    return tmp_path / "runs"


def patch(served: Any, change: Any, **headers: str) -> Any:
    given = {"Content-Type": "application/json", **{name.replace("_", "-"): v for name, v in headers.items()}}
    return served.request("PATCH", "/api/sidecar", json.dumps(change).encode(), given)


def test_a_note_is_kept_in_the_logdir(logdir: Path, serve: Callable[..., Any], store: Store) -> None:
    """What one viewer is told, the file has, and the next viewer says."""
    served = serve(store, logdir=str(logdir))
    assert served.get("/api/sidecar").json() == {
        "place": "logdir",
        "path": str(logdir / FILE),
        "writable": True,
        "reason": None,
        "version": 1,
        "sections": NOTHING,
    }
    assert not (logdir / FILE).exists()

    said = {"title": "the good one", "note": "# why", "tags": ["x"], "colour": "#1f77b4", "pinned": True}
    answer = patch(served, {"runs": {"a/b": said}, "views": {"mine": {"hash": "#tags=loss", "saved": 5.5}}})

    assert (answer.status, answer.json()["version"]) == (200, 2)
    sections = {"runs": {"a/b": said}, "views": {"mine": {"hash": "#tags=loss", "saved": 5.5}}, "charts": {}}
    assert answer.json()["sections"] == sections
    assert json.loads((logdir / FILE).read_bytes())["sections"]["runs"] == {"a/b": said}
    assert serve(Store(), logdir=str(logdir)).get("/api/sidecar").json()["sections"] == sections


def test_a_change_is_a_merge_patch(logdir: Path) -> None:
    """RFC 7396: what is named changes, null removes, the rest stays; a run of which nothing is said is not kept."""
    sidecar = Sidecar(str(logdir))
    sidecar.patch({"runs": {"a": {"title": "A", "note": "n"}, "b": {"hidden": True}}, "charts": {"1": {"t": [1, 2]}}})

    told = sidecar.patch({"runs": {"a": {"note": None, "pinned": False}, "b": {"hidden": None}}})
    assert told.sections["runs"] == {"a": {"title": "A", "pinned": False}}
    told = sidecar.patch({"runs": {"a": None}, "charts": {"1": {"t": [3], "u": {"v": None, "w": 1}}}})
    assert told.sections == {"runs": {}, "views": {}, "charts": {"1": {"t": [3], "u": {"w": 1}}}}


@pytest.mark.parametrize(
    "change",
    [
        [],
        {"nothing": {}},
        {"runs": None},
        {"runs": []},
        {"runs": {"a": 1}},
        {"runs": {"": {"title": "x"}}},
        {"runs": {"x" * 10_001: {"title": "x"}}},
        {"runs": {"a": {"title": 1}}},
        {"runs": {"a": {"title": ""}}},
        {"runs": {"a": {"title": "x" * 501}}},
        {"runs": {"a": {"colour": "red;}"}}},
        {"runs": {"a": {"colour": "#FFFFFF"}}},
        {"runs": {"a": {"tags": "x"}}},
        {"runs": {"a": {"tags": ["x", "x"]}}},
        {"runs": {"a": {"tags": [["x"]]}}},
        {"runs": {"a": {"hidden": 1}}},
        {"runs": {"a": {"__proto__": {}}}},
        {"views": {"v": {"hash": "#"}}},
        {"views": {"v": {"hash": 1, "saved": 1}}},
        {"views": {"v": {"hash": "#", "saved": 10**400}}},
        {"views": {"v": {"hash": "#", "saved": True}}},
        {"charts": {"c": []}},
        {"charts": {"c": {"x": "y" * LARGEST_CHART}}},
    ],
)
def test_what_no_section_holds_is_refused_whole(
    logdir: Path, serve: Callable[..., Any], store: Store, change: Any
) -> None:
    """A change that is wrong anywhere changes nothing, and the answer is one sentence."""
    served = serve(store, logdir=str(logdir))
    answer = patch(served, change)
    assert (answer.status, list(answer.json())) == (400, ["error"])
    assert not (logdir / FILE).exists()


@pytest.mark.parametrize(
    "body", [b"", b"{", b'{"runs":{"a":{"title":NaN}}}', b'{"charts":{"a":{"x":1e999}}}', b"[" * 100_000, b"\xff"]
)
def test_what_is_no_json_is_refused(logdir: Path, serve: Callable[..., Any], store: Store, body: bytes) -> None:
    """NaN, numbers without end and a hundred thousand brackets are no JSON that could be kept."""
    served = serve(store, logdir=str(logdir))

    assert served.request("PATCH", "/api/sidecar", body, {"Content-Type": "application/json"}).status == 400


def test_deep_nesting_is_refused(logdir: Path) -> None:
    """A chart nested deeper than any page composes is turned away before anything recurs into it."""
    deep: Any = {}
    for _ in range(40):
        deep = {"x": deep}

    with pytest.raises(BadPatch, match="nested too deeply"):
        Sidecar(str(logdir)).patch({"charts": {"c": deep}})


def test_only_the_own_page_may_write(logdir: Path, serve: Callable[..., Any], store: Store) -> None:
    """Another site's page, a form, and a viewer that is read-only change nothing."""
    served = serve(store, logdir=str(logdir))
    change = {"runs": {"a": {"title": "x"}}}

    assert patch(served, change, Origin="http://evil.example").status == 403
    assert patch(served, change, Sec_Fetch_Site="cross-site").status == 403
    assert patch(served, change, Content_Type="text/plain").status == 415
    closed = serve(Store(), logdir=str(logdir), access=Access(writable=False))
    assert patch(closed, change).status == 403
    told = closed.get("/api/sidecar").json()
    assert (told["writable"], "--read_only" in told["reason"]) == (False, True)
    assert not (logdir / FILE).exists()
    assert patch(served, change, Origin=f"http://127.0.0.1:{served.port}").status == 200


def test_what_nobody_knows_stays(logdir: Path) -> None:
    """A later version's sections and fields survive a change by this one, and are not shown."""
    there = {
        "format": 1,
        "later": [1],
        "sections": {"runs": {"a": {"title": "A", "mood": 3}}, "insights": {"x": 1}},
    }
    (logdir / FILE).write_text(json.dumps(there))

    told = Sidecar(str(logdir)).patch({"runs": {"a": {"note": "n"}}})

    kept = json.loads((logdir / FILE).read_bytes())
    assert kept["later"] == [1]
    assert kept["sections"] == {"runs": {"a": {"title": "A", "mood": 3, "note": "n"}}, "insights": {"x": 1}}
    assert told.sections["runs"] == {"a": {"title": "A", "note": "n"}}


@pytest.mark.parametrize("content", [b"{", b"[]", b"\x00\xff", b'{"sections": ' + b"[" * 9_000, b"1"])
def test_a_damaged_file_is_put_aside_and_said(logdir: Path, content: bytes) -> None:
    """What cannot be read is not shown, not lost, and no reason to refuse a note."""
    (logdir / FILE).write_bytes(content)
    sidecar = Sidecar(str(logdir))

    told = sidecar.told()
    assert (told.sections, told.writable) == (NOTHING, True)
    assert "damaged" in str(told.reason)
    assert (logdir / FILE).read_bytes() == content
    told = sidecar.patch({"runs": {"a": {"title": "A"}}})
    assert (told.reason, told.sections["runs"]) == (None, {"a": {"title": "A"}})
    aside = [path for path in logdir.iterdir() if ".damaged-" in path.name]
    assert [path.read_bytes() for path in aside] == [content]


def test_hostile_entries_of_a_file_are_passed_over(logdir: Path) -> None:
    """Whoever may write to the logdir may write anything into the file: only what a section holds reaches the page."""
    runs = {"a": {"title": ["<script>"], "note": "n"}, "b": 3, "c": {"colour": "expression(1)"}}
    views = {"v": {"hash": 1, "saved": 1}, "w": {"hash": "#", "saved": 1, "more": 1}}
    (logdir / FILE).write_text(json.dumps({"sections": {"runs": runs, "views": views, "charts": []}}))

    assert Sidecar(str(logdir)).told().sections == {
        "runs": {"a": {"note": "n"}},
        "views": {"w": {"hash": "#", "saved": 1}},
        "charts": {},
    }


def test_links_and_pipes_are_not_opened(logdir: Path, tmp_path: Path) -> None:
    """A link out of the logdir is neither read nor written through; a FIFO makes nobody wait."""
    secret = tmp_path / "secret.json"
    secret.write_text(json.dumps({"sections": {"runs": {"a": {"title": "secret"}}}}))
    before = secret.read_bytes()
    (logdir / FILE).symlink_to(secret)
    sidecar = Sidecar(str(logdir))
    assert sidecar.told().sections == NOTHING
    sidecar.patch({"runs": {"b": {"title": "B"}}})
    assert secret.read_bytes() == before
    assert not (logdir / FILE).is_symlink()

    (logdir / FILE).unlink()
    os.mkfifo(logdir / FILE)
    told = Sidecar(str(logdir)).told()
    assert told.sections == NOTHING
    assert told.reason is not None


def test_without_a_writable_logdir_the_users_folder_has_it(
    logdir: Path, data_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody else sees it there, which the page is told; it starts from what the logdir says."""
    Sidecar(str(logdir)).patch({"runs": {"a": {"title": "everybody's"}}})
    access = os.access
    monkeypatch.setattr(module.os, "access", lambda path, mode: path != str(logdir) and access(path, mode))

    sidecar = Sidecar(str(logdir))
    told = sidecar.told()
    assert (told.place, told.writable, told.sections["runs"]) == ("user", True, {"a": {"title": "everybody's"}})
    sidecar.patch({"runs": {"b": {"title": "mine"}}})

    assert list(json.loads((logdir / FILE).read_bytes())["sections"]["runs"]) == ["a"]
    assert [path.name.endswith(".json") for path in data_home.iterdir() if path.suffix != ".lock"] == [True]
    linked = logdir.parent / "linked"
    linked.symlink_to(logdir)
    assert sorted(Sidecar(str(linked), "user").told().sections["runs"]) == ["a", "b"]


def test_of_several_logdirs_none_has_the_notes(logdir: Path, tmp_path: Path, data_home: Path) -> None:
    """They are the user's, by what is shown together in whatever order; a remote logdir's are too."""
    (tmp_path / "more").mkdir()
    both = [str(logdir), str(tmp_path / "more")]
    told = Sidecar(both).patch({"runs": {"runs/a": {"title": "A"}}})

    assert (told.place, str(told.path).startswith(str(data_home))) == ("user", True)
    assert Sidecar(both[::-1]).told().sections == told.sections
    assert Sidecar(both[0]).told().sections == NOTHING
    assert [*logdir.iterdir(), *(tmp_path / "more").iterdir()] == []
    assert Sidecar("s3://bucket/runs").patch({"runs": {"a": {"title": "far"}}}).place == "user"
    assert Sidecar("s3://bucket/runs").told().sections["runs"] == {"a": {"title": "far"}}


def test_a_sidecar_that_cannot_be_is_said(logdir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A directory in its place, a file in place of the data folder, a logdir that is not there: a reason, no crash."""
    missing = Sidecar(str(tmp_path / "later"))
    assert (missing.told().writable, missing.told().reason) == (False, "The logdir is not there yet.")
    (tmp_path / "later").mkdir()
    assert missing.told().writable

    (logdir / FILE).mkdir()
    assert Sidecar(str(logdir)).told().place == "user"
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "file"))
    sidecar = Sidecar(str(logdir))
    assert (sidecar.told().writable, sidecar.told().reason) == (False, f"{tmp_path / 'file'} is no directory.")
    with pytest.raises(NotKept, match="is no directory"):
        sidecar.patch({"runs": {"a": {"title": "A"}}})


def test_off_and_a_file_of_ones_own(logdir: Path, tmp_path: Path, serve: Callable[..., Any], store: Store) -> None:
    """`--sidecar off` keeps nothing and says so; `--sidecar PATH` keeps it there."""
    served = serve(store, logdir=str(logdir), sidecar="off")
    told = served.get("/api/sidecar").json()
    assert (told["place"], told["path"], told["writable"]) == ("off", None, False)
    answer = patch(served, {"runs": {"a": {"title": "A"}}})
    assert (answer.status, "--sidecar off" in answer.json()["error"]) == (409, True)

    served = serve(Store(), logdir=str(logdir), sidecar=str(tmp_path / "new" / "mine.json"))
    assert patch(served, {"runs": {"a": {"title": "A"}}}).json()["place"] == "user"
    assert json.loads((tmp_path / "new" / "mine.json").read_bytes())["sections"]["runs"] == {"a": {"title": "A"}}
    assert list(logdir.iterdir()) == []


def test_a_disk_that_fails_loses_nothing(logdir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A write that breaks off leaves the file as it was, and no half of another."""
    sidecar = Sidecar(str(logdir))
    sidecar.patch({"runs": {"a": {"title": "A"}}})
    before = (logdir / FILE).read_bytes()

    def full(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module.os, "fsync", full)
    with pytest.raises(NotKept, match="No space left on device"):
        sidecar.patch({"runs": {"a": {"title": "B"}}})

    assert (logdir / FILE).read_bytes() == before
    assert sorted(path.name for path in logdir.iterdir()) == [FILE, f"{FILE}.lock"]
    assert sidecar.told().sections["runs"] == {"a": {"title": "A"}}


WRITE_MANY = """
import sys
from tallyboard.viewer.sidecar import Sidecar
logdir, who = sys.argv[1:]
sidecar = Sidecar(logdir)
for at in range(25):
    sidecar.patch({"runs": {f"{who}-{at}": {"title": str(at)}}})
"""


def test_many_programs_may_write(logdir: Path) -> None:
    """Four processes, a hundred changes: all of them are there, and the file was whole at every moment."""
    writers = [subprocess.Popen([sys.executable, "-c", WRITE_MANY, str(logdir), str(who)]) for who in range(4)]
    reader = Sidecar(str(logdir))
    while any(writer.poll() is None for writer in writers):
        assert reader.told().reason is None

    assert [writer.wait() for writer in writers] == [0] * 4
    assert set(reader.told().sections["runs"]) == {f"{who}-{at}" for who in range(4) for at in range(25)}


def test_a_lock_that_nobody_lets_go_is_said(logdir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another program that sits on the lock costs a clear answer, not a server that hangs."""
    fcntl = pytest.importorskip("fcntl")
    monkeypatch.setattr(module, "_PATIENCE", 0.1)
    with open(f"{logdir / FILE}.lock", "w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)

        with pytest.raises(NotKept, match="another program holds"):
            Sidecar(str(logdir)).patch({"runs": {"a": {"title": "A"}}})


def test_every_open_page_hears_of_a_change(
    logdir: Path, serve: Callable[..., Any], store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A change by one page, by another viewer, or with an editor is told to all streams, also to a new one."""
    monkeypatch.setattr(application, "SIDECAR_PAUSE", 0.05)
    served = serve(store, logdir=str(logdir))
    with served.events() as one, served.events() as other:
        for events in (one, other):
            events.next()
        patch(served, {"runs": {"a": {"title": "A"}}})
        for events in (one, other):
            assert events.next().data == {"version": 0, "structure": False, "series": [], "sidecar": 2}
        Sidecar(str(logdir)).patch({"runs": {"a": {"title": "B"}}})
        assert one.next().data["sidecar"] == 3
        with served.events() as late:
            assert late.next().name == "hello"
            assert late.next().data["sidecar"] == 3
    assert served.get("/api/sidecar").json()["sections"]["runs"] == {"a": {"title": "B"}}


def test_it_is_revalidated(logdir: Path, serve: Callable[..., Any], store: Store) -> None:
    """Nothing new: 304."""
    served = serve(store, logdir=str(logdir))
    first = served.get("/api/sidecar").headers["etag"]

    assert served.get("/api/sidecar", If_None_Match=first).status == 304
    patch(served, {"runs": {"a": {"title": "A"}}})
    assert served.get("/api/sidecar", If_None_Match=first).status == 200


def test_the_sidecar_is_no_run(logdir: Path) -> None:
    """Whatever lies beside it, the reader finds no run in the logdir."""
    sidecar = Sidecar(str(logdir))
    sidecar.patch({"runs": {"a": {"title": "A"}}})
    (logdir / FILE).write_bytes(b"x")
    sidecar.patch({"runs": {"a": {"title": "A"}}})
    reader = LogdirReader(logdir)
    reader.poll()

    assert reader.store.runs() == []
    assert len(list(logdir.iterdir())) == 3


def test_names_that_are_not_unicode_are_kept(logdir: Path) -> None:
    """A run's name may hold any bytes; they come as lone surrogates and are kept as such."""
    name = "a\udcff‮"
    Sidecar(str(logdir)).patch({"runs": {name: {"title": "<b>"}}})

    assert Sidecar(str(logdir)).told().sections["runs"] == {name: {"title": "<b>"}}
