"""TensorBoard's flags: those that do something here do what they do there, the others are refused with a reason."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import tallyboard as tb
from tallyboard.viewer import __main__ as cli
from tallyboard.viewer import elsewhere
from tallyboard.viewer.logdirs import Logdir, from_spec, named
from tallyboard.viewer.options import options_of
from tallyboard.viewer.records import Records

Start = Callable[..., Any]


def write(logdir: Path, points: int = 1, tag: str = "loss") -> None:
    with tb.SummaryWriter(logdir) as writer:
        for step in range(points):
            writer.add_scalar(tag, step / 2, step)


def runs_of(viewer: Any) -> list[str]:
    return [run["name"] for run in viewer.served.get("/api/runs").json()["runs"]]


def ready(viewer: Any) -> bool:
    return viewer.served.get("/api/runs").json()["state"] == "ready"


@pytest.mark.parametrize(
    "arguments", [("--logdir_spec", "left:a,right side:b/deep"), ("a", "b/deep"), ("a", "--port", "0", "b/deep")]
)
def test_several_logdirs(command: Start, tmp_path: Path, until: Any, arguments: tuple[str, ...]) -> None:
    """Each stands under its name, is followed as it grows, and may come later; both are served by all routes."""
    write(tmp_path / "a" / "one")
    write(tmp_path / "a")
    viewer = command(*arguments, "--port", "0", "--cache", "off")
    viewer.wait_for_line()
    left, right = ("left", "right side") if "--logdir_spec" in arguments else ("a", "deep")
    until(lambda: ready(viewer) and runs_of(viewer) == [left, f"{left}/one"])

    write(tmp_path / "b" / "deep" / "one", 3)
    until(lambda: runs_of(viewer) == [left, f"{left}/one", f"{right}/one"])
    write(tmp_path / "a" / "two")
    until(lambda: f"{left}/two" in runs_of(viewer))
    asked = f"run={right.replace(' ', '%20')}/one&tag=loss"
    until(lambda: len(viewer.served.get(f"/data/plugin/scalars/scalars?{asked}").json()) == 3)

    shutil.rmtree(tmp_path / "a")
    until(lambda: runs_of(viewer) == [f"{right}/one"])
    shown = "left:a,right side:b/deep" if "--logdir_spec" in arguments else "a, b/deep"
    assert viewer.served.get("/data/logdir").json() == {"logdir": shown}
    viewer.process.terminate()
    assert viewer.finish() == (0, "", "")


def test_the_spec_is_tensorboards(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commas part, a colon follows a name, and absolute paths, URLs and drives have no name in front."""
    monkeypatch.setenv("HOME", "/home/someone")

    assert from_spec("a:x, b:y/z") == [Logdir("a", "x"), Logdir("b", "y/z")]
    assert from_spec("~/runs") == [Logdir("runs", "/home/someone/runs")]
    assert from_spec("a:~/runs,/data/old:1/runs") == [
        Logdir("a", "/home/someone/runs"),
        Logdir("runs", "/data/old:1/runs"),
    ]
    assert from_spec("memory://bucket/runs,m:memory://bucket/old") == [
        Logdir("runs", "memory://bucket/runs"),
        Logdir("m", "memory://bucket/old"),
    ]
    assert from_spec("group/a:x") == [Logdir("group/a", "x")]
    assert from_spec(r"C:\runs")[0].path == r"C:\runs"


def test_a_comma_in_a_name_is_a_comma(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A logdir with a comma is taken as it is where it is there, or where its parts are not."""
    monkeypatch.chdir(tmp_path)
    parser = cli.make_parser()
    assert options_of(parser, ["--logdir", "a,b"], "tallyboard").logdirs == (Logdir("", "a,b"),)
    for name in ("a", "b", "a,b"):
        (tmp_path / name).mkdir()
    assert options_of(parser, ["--logdir", "a,b"], "tallyboard").logdirs == (Logdir("", "a,b"),)


def test_names_are_as_short_as_they_can_be() -> None:
    """As much of each path as tells it from the others."""
    assert [each.name for each in named(["x/a", "x/b"])] == ["a", "b"]
    assert [each.name for each in named(["x/runs", "y/runs/"])] == ["x/runs", "y/runs"]
    assert [each.name for each in named(["s3://x/runs", "runs/a"])] == ["runs", "a"] if _has_s3() else True


def _has_s3() -> bool:
    try:
        import s3fs  # noqa: F401
    except ImportError:
        return False
    return True


def test_where_runs_lie(tmp_path: Path) -> None:
    """A run's directory is found by its name, of one logdir or of many."""
    one = Records(str(tmp_path))
    assert (one.path("."), one.path("a/b")) == (str(tmp_path), str(tmp_path / "a" / "b"))
    many = Records([Logdir("x", "/r"), Logdir("x-2", "/s"), Logdir("m", "memory://c/d")])
    assert (many.path("x"), many.path("x/a"), many.path("x-2/a")) == ("/r", "/r/a", "/s/a")
    assert (many.path("m"), many.path("m/a/b")) == ("memory://c/d", "memory://c/d/a/b")


def test_the_interval(command: Start, tmp_path: Path, until: Any) -> None:
    """With an interval growth is seen when it is over; with 0 what comes later is never seen."""
    write(tmp_path / "a")
    often, once = (
        command("a", "--port", "0", "--reload_interval", "0.3"),
        command("a", "--port", "0", "--reload_interval", "0", "--cache", "off"),
    )
    for viewer in (often, once):
        viewer.wait_for_line()
        until(lambda: ready(viewer))  # noqa: B023

    write(tmp_path / "a" / "later")
    until(lambda: runs_of(often) == [".", "later"])
    assert runs_of(once) == ["."]
    often.process.terminate()
    assert often.finish() == (0, "", "")


def test_samples(command: Start, tmp_path: Path, until: Any) -> None:
    """TensorBoard's routes are bounded, evenly and with both ends; the page has everything all the same."""
    write(tmp_path / "a", 100)
    viewer = command("a", "--port", "0", "--cache", "off", "--samples_per_plugin", "scalars=10,images=0")
    viewer.wait_for_line()
    until(lambda: ready(viewer))

    points = viewer.served.get("/data/plugin/scalars/scalars?run=.&tag=loss").json()
    assert [step for _, step, _ in points] == [0, 11, 22, 33, 44, 55, 66, 77, 88, 99]
    csv = viewer.served.get("/data/plugin/scalars/scalars?run=.&tag=loss&format=csv").body
    assert csv.count(b"\r\n") == 11
    form = "requests=" + json.dumps([{"plugin": "scalars", "tag": "loss"}])
    answer = viewer.served.request(
        "POST",
        "/data/plugin/timeseries/timeSeries",
        form.encode(),
        {"Content-Type": "application/x-www-form-urlencoded"},
    )
    assert len(answer.json()[0]["runToSeries"]["."]) == 10
    assert viewer.served.get("/api/runs").json()["series"] == {"scalars": {"loss": [[0, 100]]}}


def test_inspect(command: Start, tmp_path: Path) -> None:
    """A logdir or one event file is told of, whole or one tag of it, and no server is started."""
    write(tmp_path / "a", 3)
    write(tmp_path / "a", 2, "other")
    first, second = sorted((tmp_path / "a").iterdir())

    def said(*arguments: str) -> list[str]:
        code, out, err = command("--inspect", *arguments).finish()
        assert (code, err) == (0, "")
        return [line for line in out.splitlines() if " scalars " in line or "tfevents" in line]

    assert [line.split()[0] for line in said("--logdir", "a")] == ["loss", "other", first.name, second.name]
    assert [line.split()[0] for line in said("a", "--tag", "oth")] == []
    assert [line.split()[0] for line in said("a", "--tag", "other")] == ["other", first.name, second.name]
    assert [line.split()[0] for line in said("--event_file", f"a/{second.name}") if "a/" not in line] == [
        "other",
        second.name,
    ]


@pytest.mark.parametrize("flag", sorted(elsewhere.REASONS))
@pytest.mark.parametrize("form", ["{}=true", "{} true", "-{}"])
def test_other_flags_have_a_reason(flag: str, form: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A flag that only TensorBoard has is refused with one sentence that says why."""
    if form.startswith("-"):
        form, flag = "{}", flag.replace("_", "-").replace("--", "--", 1)
    with pytest.raises(SystemExit) as ended:
        cli.main(["runs", *form.format(flag).split(" ")])

    assert ended.value.code == 2
    name = flag[:2] + flag[2:].replace("-", "_")
    assert f"error: {name} is not needed here: {elsewhere.REASONS[name]}; leave it out\n" in capsys.readouterr().err


def test_every_flag_of_tensorboard_is_known() -> None:
    """Each is one of ours, or has its reason; so a newer TensorBoard's new flag is noticed."""
    core_plugin = pytest.importorskip("tensorboard.plugins.core.core_plugin")
    import argparse

    theirs = argparse.ArgumentParser(add_help=False)
    core_plugin.CorePluginLoader().define_flags(theirs)
    flags = {flag for action in theirs._actions for flag in action.option_strings}
    ours = {flag for action in cli.make_parser()._actions for flag in action.option_strings}

    assert flags - ours == set(elsewhere.REASONS) - {"--helpfull"}
    assert not ours & set(elsewhere.REASONS)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("--logdir", "a", "--logdir_spec", "b:c"), "give the logdir once, as --logdir or by itself; several as"),
        (("a", "--logdir_spec", "b:c"), "give the logdir once"),
        (("--logdir_spec", ""), "--logdir_spec has no path in ''; give name1:path1,name2:path2"),
        (("--logdir_spec", "a:x,"), "--logdir_spec has no path in ''"),
        (("--logdir_spec", "a:"), "--logdir_spec has no path in 'a:'"),
        (("--logdir_spec", ":x"), "--logdir_spec has '' for a name"),
        (("--logdir_spec", "..:x"), "--logdir_spec has '..' for a name"),
        (("--logdir_spec", "a:x,a:y"), "two logdirs are called 'a'; give each its own"),
        (("--logdir_spec", "a:x,a/b:y"), "a logdir called 'a/b' would lie within 'a'"),
        (("--logdir_spec", "a:file"), "the logdir 'file' is not a directory"),
        (("a", "file"), "the logdir 'file' is not a directory"),
        (("a", "a"), "two logdirs are called"),
        (("--logdir", "x:one,two"), "'x:one,two' is not there, its parts are; give them as --logdir_spec x:one,two"),
        (("a", ""), "a logdir is needed"),
        (("a", "--reload_interval", "-1"), "'-1' is not a number of seconds; 0 reads once, 5 every five seconds"),
        (("a", "--reload_interval", "nan"), "'nan' is not a number of seconds"),
        (
            ("a", "--samples_per_plugin", "scalars"),
            "'scalars' has no number of values; give scalars=1000",
        ),
        (("a", "--samples_per_plugin", "scalars=-1"), "'scalars=-1' has no number of values"),
        (("a", "--samples_per_plugin", "what=1"), "'what' is none of scalars, histograms"),
        (("a", "--tag", "x"), "--tag goes with --inspect"),
        (("a", "--event_file", "x"), "--event_file goes with --inspect"),
        (("--inspect",), "--inspect needs one of --logdir and --event_file"),
        (("--inspect", "a", "--event_file", "x"), "--inspect needs one of --logdir and --event_file"),
        (("--inspect", "--logdir_spec", "a:b"), "--inspect looks into one logdir"),
    ],
)
def test_what_is_wrong_is_said(
    arguments: tuple[str, ...],
    complaint: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Each wrong call ends with 2 and one sentence on what was wrong and what would do."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("")
    for name in ("one", "two"):
        (tmp_path / name).mkdir()

    with pytest.raises(SystemExit) as ended:
        cli.main(arguments)

    assert ended.value.code == 2
    assert complaint in capsys.readouterr().err


def test_inspecting_what_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The exit code is 2, as of any bad argument."""
    assert cli.main(["--inspect", str(tmp_path / "no")]) == 2
    assert "does not exist; give the directory that holds the event files" in capsys.readouterr().err


def test_the_command_to_use_again_names_all() -> None:
    """What is printed when the port is taken starts the same viewer."""
    parser = cli.make_parser()
    assert options_of(parser, ["a b"], "tallyboard").given == ("--logdir", "a b")
    assert options_of(parser, ["a", "b"], "tallyboard").given == ("a", "b")
    assert options_of(parser, ["--logdir_spec", "x:a"], "tallyboard").given == ("--logdir_spec", "x:a")
