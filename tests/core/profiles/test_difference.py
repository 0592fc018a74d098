"""Two profiles side by side, each number of the difference worked out by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("msgspec")
pytest.importorskip("ijson")

import tallyboard as tb
from tallyboard.__main__ import main
from tallyboard.core.profiles.difference import counted, operator_changes

from .conftest import Write, kernel, launch, step

LOADING = "enumerate(DataLoader)#_SingleProcessDataLoaderIter.__next__"


def op(name: str, start: float, dur: float, dims: str = "[[2, 2]]") -> tuple[Any, ...]:
    return (name, "cpu_op", start, dur, 1, {"Input Dims": json.loads(dims)})


def before(write: Write) -> Path:
    """Three steps of 1,000 us: 400 of loading, 300 of gemm that aten::mm launches, and aten::old that launches none."""
    events: list[tuple[Any, ...]] = []
    for i in range(3):
        at = 1000 * i
        events += [step(i, at, 1000), (LOADING, "user_annotation", at, 400, 1, {}), op("aten::mm", at + 500, 100)]
        events += [launch(at + 510, i + 1, 20), kernel(at + 550, 300, i + 1, "gemm"), op("aten::old", at + 900, 50)]
    return write(*events, name="before.pt.trace.json")


def after(write: Write) -> Path:
    """Two steps of 700 and 702 us: 100 of loading, 310 of gemm, two calls of aten::new."""
    events: list[tuple[Any, ...]] = []
    for i, (at, long) in enumerate(((0, 700), (700, 702))):
        events += [step(i, at, long), (LOADING, "user_annotation", at, 100, 1, {}), op("aten::mm", at + 150, 60)]
        events += [launch(at + 160, i + 1, 20), kernel(at + 200, 310, i + 1, "gemm")]
        events += [op("aten::new", at + 550, 30), op("aten::new", at + 600, 40)]
    return write(*events, name="after.pt.trace.json")


def test_parts_are_told_per_step(write: Write) -> None:
    """The mean of each part of a step on both sides, and their sum, three steps here and two there."""
    found = tb.read_profile(after(write)).compare(tb.read_profile(before(write)))
    parts = {name: (found.parts.base["time"][i], found.parts.now["time"][i]) for i, name in enumerate(found.parts.name)}
    # by priority: kernel, runtime, data loading, then what of aten:: is left, then the rest
    assert {name: (round(a), round(b)) for name, (a, b) in parts.items()} == {
        "kernel": (300_000, 310_000),
        "memcpy": (0, 0),
        "memset": (0, 0),
        "communication": (0, 0),
        "runtime": (20_000, 20_000),
        "dataloader": (400_000, 100_000),
        "cpu": (80_000, 100_000),
        "other": (200_000, 171_000),
        "total": (1_000_000, 701_000),
    }
    assert found.parts.change()[-1] == pytest.approx(-299_000)
    assert (found.base.counted, found.now.counted) == (3, 2)
    assert (found.base.step, found.now.step) == pytest.approx((1_000_000, 701_000))


def test_operators_of_both_sides(write: Write) -> None:
    """Each operator with both sides per step, the largest change first; what one side lacks is added or removed."""
    found = tb.read_profile(after(write)).compare(tb.read_profile(before(write))).operators
    rows = {name: (status, i) for i, (name, status) in enumerate(zip(found.name, found.status, strict=True))}
    assert {name: status for name, (status, _) in rows.items()} == {
        "aten::mm": "both",
        "aten::old": "removed",
        "aten::new": "added",
    }
    assert (found.by, found.name[0]) == ("device_self", "aten::mm")
    mm, old, new = (rows[name][1] for name in ("aten::mm", "aten::old", "aten::new"))
    assert (found.base["device_self"][mm], found.now["device_self"][mm]) == pytest.approx((300_000, 310_000))
    assert (found.base["host_self"][mm], found.now["host_self"][mm]) == pytest.approx((80_000, 40_000))
    assert found.change("host_total")[old] == pytest.approx(-50_000)
    assert (found.base["calls"][new], found.now["calls"][new]) == (0, 2)
    assert found.change("host_self")[new] == pytest.approx(70_000)


def test_kernels_of_both_sides(write: Write) -> None:
    """A kernel's time per step, and its mean of one call."""
    found = tb.read_profile(after(write)).compare(tb.read_profile(before(write))).kernels
    assert (found.name, found.status) == (["gemm"], ["both"])
    assert found.change()[0] == pytest.approx(10_000)
    assert (found.base["mean"][0], found.now["mean"][0]) == pytest.approx((300_000, 310_000))


def test_words(write: Write) -> None:
    """What changed, by how much and of what, and that both verdicts are named."""
    found = tb.read_profile(after(write)).compare(tb.read_profile(before(write)))
    assert found.says == (
        # idle while the host works: 50 us of aten::mm before its kernel and 70 of aten::new, of 701
        "A step takes 0.701 ms, 0.299 ms (29.9%) less than 1.000 ms. By part: dataloader 0.300 ms less. "
        "It was input-bound (40.0%) and is launch-bound (17.1%) now."
    )
    assert found.notes == ()


def test_chance_is_told(write: Write) -> None:
    """Steps that differ as much among themselves as from the others are said to; Welch's interval by hand."""

    def steps(name: str, *lengths: float) -> Path:
        starts = np.concatenate(([0.0], np.cumsum(lengths)[:-1]))
        rows = [step(i, at, long) for i, (at, long) in enumerate(zip(starts.tolist(), lengths, strict=True))]
        return write(*rows, *(op("aten::mm", at, 10) for at in starts.tolist()), name=f"{name}.pt.trace.json")

    base, now = tb.read_profile(steps("base", 100, 120)), tb.read_profile(steps("now", 104, 126))
    found = now.compare(base)
    # variances 200 and 242 us², by two each: 221, whose root is 14.866; 1.98 degrees of freedom, so 1: 12.706
    assert found.interval == pytest.approx((5_000 - 188_891.3, 5_000 + 188_891.3), rel=1e-5)
    assert found.certain is False
    assert "so that may be chance" in found.says
    assert tb.read_profile(steps("same", 200, 200)).compare(tb.read_profile(steps("less", 100, 100))).certain is True
    assert tb.read_profile(steps("one", 200)).compare(base).certain is None


def test_a_profile_and_itself(write: Write) -> None:
    """Nothing changes from a profile to itself, and swapping the sides turns every sign."""
    one, other = tb.read_profile(before(write)), tb.read_profile(after(write))
    same = one.compare(one)
    assert not same.parts.change().any()
    assert not same.operators.change().any()
    assert set(same.operators.status) == {"both"}
    there, back = other.compare(one), one.compare(other)
    np.testing.assert_array_equal(there.parts.change(), -back.parts.change())
    forward = dict(zip(there.operators.name, there.operators.change("host_self").tolist(), strict=True))
    backward = dict(zip(back.operators.name, back.operators.change("host_self").tolist(), strict=True))
    assert {name: -value for name, value in backward.items()} == forward


def test_warm_ups_do_not_count(write: Write) -> None:
    """What a slow first step ran is in neither side, nor what ran before the steps."""
    rows = [op("aten::early", 0, 5), step(0, 10, 1000), step(1, 1010, 100), step(2, 1110, 100)]
    rows += [op("aten::mm", at, 50) for at in (20, 1020, 1120)]
    profile = tb.read_profile(write(*rows))
    within, many = counted(profile)
    assert many == 2
    assert [profile.events.name_of(row) for row in np.flatnonzero(within)].count("aten::mm") == 2
    assert operator_changes(profile, profile).name == ["aten::mm"]


def test_shapes_tell_operators_apart(write: Write) -> None:
    """By shapes a row is an operator and the shapes of its inputs."""
    one = tb.read_profile(write(step(0, 0, 100), op("aten::mm", 10, 20), name="a.pt.trace.json"))
    rows = (step(0, 0, 100), op("aten::mm", 10, 20), op("aten::mm", 40, 20, "[[4, 4]]"))
    two = tb.read_profile(write(*rows, name="b.pt.trace.json"))
    found = operator_changes(one, two, "shapes")
    assert dict(zip(found.shapes, found.status, strict=True)) == {"[[4, 4]]": "added", "[[2, 2]]": "both"}


def test_what_cannot_be_compared_is_said(write: Write) -> None:
    """Steps on one side only, a device on one side only, other cards, other options of the recording."""
    cards = ({"deviceProperties": [{"id": 0, "name": name}]} for name in ("V100", "A100"))
    one = tb.read_profile(write(step(0, 0, 100), op("a", 0, 10), name="a.pt.trace.json", **next(cards)))
    rows = (op("a", 0, 10), launch(1, 1), kernel(20, 5, 1))
    two = tb.read_profile(write(*rows, name="b.pt.trace.json", with_stack=1, **next(cards)))
    assert two.compare(one).notes == (
        "Only one of the traces marks steps; the whole of the other counts as one step.",
        "Only one of the two has work of a device.",
        "They ran on V100 and on A100.",
        "Only one of them recorded stacks, which makes operators slower.",
    )


def test_command(write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    """`--against` prints the sentence, then parts, operators and kernels with both sides and the change."""
    base = before(write)
    now = after(write)
    assert main(["profile", str(now), "--against", str(base)]) == 0
    out = capsys.readouterr().out
    assert "A step takes 0.701 ms, 0.299 ms (29.9%) less than 1.000 ms." in out
    rows = [line.split() for line in out.splitlines()]
    assert ["dataloader", "0.400", "0.100", "-0.300", "-75.0%"] in rows
    assert ["total", "1.000", "0.701", "-0.299", "-29.9%"] in rows
    assert ["aten::new", "(added)", "0", "2", "0.000", "0.000", "+0.000"] in rows
    assert ["gemm", "1", "1", "0.300", "0.310", "+0.010"] in rows


def test_command_as_json(write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    """The same for programs, in microseconds a step."""
    base, now = before(write), after(write)
    assert main(["profile", str(now), "--against", str(base), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["file"], found["against"]) == (str(now), str(base))
    assert found["breakdown_us"]["dataloader"] == {"base": 400.0, "now": 100.0}
    assert found["operators"][0]["name"] == "aten::mm"
    assert found["operators"][0]["status"] == "both"
    assert found["operators"][0]["device_self_us"] == {"base": 300.0, "now": 310.0}
    assert found["interval_us"][1] < 0


def test_command_pairs_ranks(write: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of two directories each rank is compared with the same one; a file with the newest of a directory."""
    for folder, scale in (("base", 1), ("now", 2)):
        (tmp_path / folder).mkdir()
        for rank in (0, 1):
            rows = (step(0, 0, 100 * (rank + 1) * scale), op("a", 0, 10))
            spread = {"distributedInfo": {"rank": rank, "world_size": 2}}
            path = write(*rows, name=f"rank{rank}.pt.trace.json", **spread)
            path.rename(tmp_path / folder / path.name)
    asked = ["profile", str(tmp_path / "now"), "--against", str(tmp_path / "base"), "--json"]
    assert main(asked) == 0
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [one["breakdown_us"]["total"] for one in found] == [{"base": 100, "now": 200}, {"base": 200, "now": 400}]
    assert main(["profile", str(tmp_path / "now" / "rank0.pt.trace.json"), "--against", str(tmp_path / "nowhere")]) == 2
