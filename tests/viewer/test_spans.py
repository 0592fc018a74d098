"""The trace view's answers: nothing vanishes, spans of a lane never overlap, and sums are what can be added by hand."""

from __future__ import annotations

import json
import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tallyboard.core.dataframes import Labels
from tallyboard.core.errors import CorruptRecord
from tallyboard.core.profiles.model import Events, Extras, Kind, Memory, Profile, Track
from tallyboard.viewer import span_windows, spans
from tallyboard.viewer.span_facts import Counters, event_told, found_in, found_told, summed, tracks_told
from tallyboard.viewer.span_tree import flame, holders, tree
from tallyboard.viewer.span_windows import Asked, Windows, asked_tracks, framed
from tallyboard.viewer.spans import Timeline, laid, lanes

Row = tuple[str, Kind, int, float, float]
"""Name, kind, track, start and end."""

OP, CALL, KERNEL = Kind.CPU_OP, Kind.RUNTIME, Kind.KERNEL
HOST, STREAM = Track(1, 1, "main"), Track(0, "stream 7")


def profile_of(
    rows: list[Row],
    tracks: list[Track],
    launches: dict[int, int] | None = None,
    extras: dict[str, Any] | None = None,
    memory: list[tuple[float, int]] | None = None,
) -> Profile:
    """A profile of these rows; `launches` says for the row of a kernel that of its call."""
    names = list(dict.fromkeys(row[0] for row in rows))
    number = {name: i for i, name in enumerate(names)}
    correlation = np.full(len(rows), -1, np.int64)
    for kernel, call in (launches or {}).items():
        correlation[[kernel, call]] = call
    device = [0 if kind in (Kind.KERNEL, Kind.MEMCPY) else -1 for _, kind, *_ in rows]
    curve = memory or []
    return Profile(
        source="torch",
        base=0,
        events=Events(
            start=np.array([row[3] for row in rows], np.float64),
            end=np.array([row[4] for row in rows], np.float64),
            name=np.array([number[row[0]] for row in rows], np.int32),
            kind=np.array([row[1] for row in rows], np.int8),
            track=np.array([row[2] for row in rows], np.int32),
            device=np.array(device, np.int16),
            correlation=correlation,
            external=np.full(len(rows), -1, np.int64),
            names=names,
            tracks=tracks,
            extras=Extras(extras),
        ),
        allocations=Memory(
            time=np.array([time for time, _ in curve], np.float64),
            device=np.zeros(len(curve), np.int16),
            address=np.zeros(len(curve), np.uint64),
            delta=np.zeros(len(curve), np.int64),
            allocated=np.array([used for _, used in curve], np.int64),
            reserved=np.full(len(curve), -1, np.int64),
            track=np.zeros(len(curve), np.int32),
        ),
    )


TRAINING: list[Row] = [
    ("ProfilerStep#1", Kind.STEP, 0, 0, 100),
    ("aten::linear", OP, 0, 10, 60),
    ("aten::addmm", OP, 0, 20, 50),
    ("cudaLaunchKernel", CALL, 0, 30, 35),
    ("gemm", KERNEL, 1, 40, 70),
    ("ProfilerStep#2", Kind.STEP, 0, 100, 200),
    ("aten::relu", OP, 0, 110, 130),
    ("cudaLaunchKernel", CALL, 0, 115, 120),
    ("relu", KERNEL, 1, 130, 140),
]


@pytest.fixture(scope="module")
def training() -> Timeline:
    """Two steps, of which each launches a kernel; row 4 is launched by row 3, and row 8 by row 7."""
    memory = [(20.0, 100), (60.0, 300), (120.0, 50)]
    return laid(profile_of(TRAINING, [HOST, STREAM], {4: 3, 8: 7}, memory=memory))


SPAN = st.tuples(st.integers(0, 3), st.integers(0, 300), st.integers(0, 120))
SPANS = st.lists(SPAN, min_size=1, max_size=60)


def drawn(many: list[tuple[int, int, int]]) -> Profile:
    """A profile of spans that lie as they like: (track, start, length)."""
    kinds = (OP, CALL, Kind.ANNOTATION)
    rows = [(f"op{i % 7}", kinds[i % 3], track, start, start + dur) for i, (track, start, dur) in enumerate(many)]
    return profile_of(rows, [Track(1, one) for one in range(4)])


def every(line: Timeline) -> tuple[tuple[int, int], ...]:
    return tuple((track, 0) for track in range(len(line)))


def read(frame: bytes) -> tuple[dict[str, Any], dict[str, dict[str, np.ndarray]]]:
    """A frame's header and columns, as the page reads them."""
    assert frame[:4] == b"TLS1"
    start = 8 + struct.unpack("<I", frame[4:8])[0]
    assert start % 8 == 0
    head = json.loads(frame[8:start])
    shapes = {
        "lanes": {"track": "<u4", "lane": "<u4", "spans": "<u4", "blocks": "<u4"},
        "spans": {"start": "<f4", "end": "<f4", "row": "<u4", "name": "<u2", "kind": "u1"},
        "blocks": {"start": "<f4", "end": "<f4", "count": "<u4", "kind": "u1", "share": "u1"},
    }
    found: dict[str, dict[str, np.ndarray]] = {}
    for part, columns in shapes.items():
        at, many = start + head[part]["at"], head[part]["n"]
        found[part] = {}
        for name, kind in columns.items():
            found[part][name] = np.frombuffer(frame, kind, many, at)
            at += -(-many * np.dtype(kind).itemsize // 8) * 8
    return head, found


@given(SPANS)
def test_spans_of_a_lane_never_overlap(many: list[tuple[int, int, int]]) -> None:
    """However spans lie, in each lane one has ended where the next begins; one that holds another lies below it."""
    line = laid(drawn(many))
    for lane in range(len(line.crowded)):
        part = slice(int(line.offset[lane]), int(line.offset[lane + 1]))
        assert (line.start[part][1:] >= line.end[part][:-1]).all()
    assert sorted(line.row.tolist()) == list(range(len(many)))
    for at, holder in enumerate(holders(line).tolist()):
        if holder >= 0:
            assert line.start[holder] <= line.start[at]
            assert line.end[holder] >= line.end[at]
            assert line.place(int(line.row[holder])) < line.place(int(line.row[at]))


@given(SPANS, st.floats(-20, 420), st.floats(0.1, 500), st.integers(1, 200))
def test_nothing_vanishes(many: list[tuple[int, int, int]], low: float, wide: float, pixels: int) -> None:
    """Each event in a window is in its answer once, by itself or in a block's count; what is by itself is exact."""
    profile = drawn(many)
    windows = Windows(laid(profile))
    cut = windows.cut(Asked(low, low + wide, pixels, every(windows.timeline)))
    shown = np.concatenate([np.arange(at, at + n) for at, n in zip(cut.first, cut.count, strict=True)] or [[]])
    rows = windows.timeline.row[shown.astype(int)].tolist()
    assert len(rows) == len(set(rows))
    inside = [i for i, (_, start, dur) in enumerate(many) if start <= low + wide and start + dur >= low]
    assert set(inside) <= set(rows)
    head, columns = read(framed(windows, cut, None, []))
    assert columns["spans"]["row"].size + columns["blocks"]["count"].sum() == len(rows)
    for start, end, row in zip(*(columns["spans"][name].tolist() for name in ("start", "end", "row")), strict=True):
        assert (start + head["from"], end + head["from"]) == pytest.approx((many[row][1], sum(many[row][1:])), abs=1e-3)
    assert columns["lanes"]["spans"].sum() == columns["spans"]["row"].size
    assert columns["lanes"]["blocks"].sum() == columns["blocks"]["count"].size
    assert head["grid"] <= wide / pixels
    assert (columns["blocks"]["count"] > 1).all()


@given(SPANS, st.integers(0, 300), st.integers(1, 100))
@settings(max_examples=40)
def test_a_level_is_the_same_wherever_it_is_cut_from(many: list[tuple[int, int, int]], low: int, wide: int) -> None:
    """What is cut from a level of the whole trace is what the window's own spans give."""
    windows = Windows(laid(drawn(many)))
    asked = Asked(low, low + wide, 8, every(windows.timeline))
    own = windows.cut(asked)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(span_windows, "_WHOLE", -1)
        whole = windows.cut(asked)
    inside = {(first, n) for first, n in zip(whole.first.tolist(), whole.count.tolist(), strict=True)}
    assert inside >= {(first, n) for first, n in zip(own.first.tolist(), own.count.tolist(), strict=True)}


def test_blocks_say_how_many_and_of_what_kind() -> None:
    """Two spans of one stretch of the grid are one block: the kind with most time, and how much of it is covered."""
    rows = [("a", OP, 0, 0.0, 1000.0), ("b", CALL, 0, 1000.0, 1001.0), ("c", OP, 0, 1002.0, 1004.0)]
    windows = Windows(laid(profile_of(rows, [HOST])))
    head, columns = read(framed(windows, windows.cut(Asked(0, 1024 * 64, 1024, ((0, 0),))), None, []))
    assert head["grid"] == 64
    assert columns["spans"]["row"].tolist() == [0]
    blocks = {name: column.tolist() for name, column in columns["blocks"].items()}
    assert blocks == {"start": [1064.0], "end": [1068.0], "count": [2], "kind": [int(OP)], "share": [192]}
    assert head["names"] == ["a"]


def test_a_search_marks_spans_and_blocks(training: Timeline) -> None:
    """What is found is marked, also where it is one of a block."""
    windows = Windows(training)
    found = found_in(training.profile, "RELU", False)
    assert [training.profile.events.name_of(row) for row in found.rows] == ["aten::relu", "relu"]
    assert (found.total, found.names) == (30.0, [("aten::relu", 1, 20.0), ("relu", 1, 10.0)])
    columns = read(framed(windows, windows.cut(Asked(0, 200, 1000, every(training))), found.mask, []))[1]
    assert columns["spans"]["row"][columns["spans"]["kind"] > 127].tolist() == [8, 6]
    columns = read(framed(windows, windows.cut(Asked(0, 4000, 1, every(training))), found.mask, []))[1]
    assert (columns["blocks"]["kind"] > 127).sum() == 2
    assert found_in(training.profile, "^aten::(relu|linear)$", True).mask.sum() == 2
    with pytest.raises(CorruptRecord, match="cannot be read"):
        found_in(training.profile, "(", True)


def test_from_one_match_to_the_next(training: Timeline) -> None:
    """The first match is the one at hand; next and previous go around."""
    found = found_in(training.profile, "cudaLaunch", False)
    rows = [found_told(training, found, *asked)["event"]["row"] for asked in ((None, 50.0, 0), (3, 0.0, 1), (3, 0, -1))]
    assert rows == [7, 7, 7]
    told = found_told(training, found, 7, 0, 1)
    assert (told["count"], told["at"], told["event"]["row"], told["event"]["track"]) == (2, 0, 3, 1)


def test_tracks_stand_in_the_order_in_which_they_are_looked_at(training: Timeline) -> None:
    """Devices first, then the process that trains, its main thread before busier ones; the recorder last."""
    rows: list[Row] = [
        ("PyTorch Profiler (0)", Kind.OTHER, 0, 0, 9),
        *(("work", OP, 1, i, i + 1) for i in range(5)),
        ("ProfilerStep#1", Kind.STEP, 2, 0, 9),
        ("gemm", KERNEL, 3, 0, 1),
        ("other", OP, 4, 0, 1),
    ]
    recorder = Track("Spans", "PyTorch Profiler")
    line = laid(profile_of(rows, [recorder, Track(1, 2, "worker"), Track(1, 1, "main"), STREAM, Track(9, 9), HOST]))
    assert [line.name(at) for at in range(len(line))] == [
        "stream 7",
        "main",
        "worker",
        "thread 9",
        "thread PyTorch Profiler",
    ]
    assert [line.groups[at].kind for at in line.group.tolist()] == ["device", "host", "host", "host", "other"]
    told = tracks_told(training, Counters(training.profile), 0)
    assert told["steps"]["name"] == ["1", "2"]
    assert told["tracks"]["lanes"] == [1, 4]
    assert [one["id"] for one in told["counters"]] == ["busy:0", "memory:0"]


def test_very_deep_and_very_many() -> None:
    """Ten thousand spans within each other share the last lane from a depth on; 30,000 threads are listed in pages."""
    deep = [("f", Kind.PY_FUNCTION, 0, float(i), 30_000.0 - i) for i in range(10_000)]
    windows = Windows(laid(profile_of(deep, [HOST])))
    assert windows.timeline.first.tolist() == [0, spans.MOST_LANES]
    cut = windows.cut(Asked(0, 30_000, 1000, ((0, 0),)))
    assert cut.count.sum() == 10_000
    many = [("f", OP, i, 0.0, 1.0) for i in range(30_000)]
    line = laid(profile_of(many, [Track(1, i) for i in range(30_000)]))
    told = tracks_told(line, Counters(line.profile), 0)
    assert told["tracks"]["total"] == 30_000
    assert len(told["tracks"]["name"]) == 1_200
    assert len(json.dumps(told)) < 200_000
    assert len(json.dumps(tracks_told(line, Counters(line.profile), 29_000))) < 200_000


def test_answers_are_small() -> None:
    """However many spans of however long names there are, an answer stays below 200 KB, and none is lost."""
    rng = np.random.default_rng(0)
    start = np.sort(rng.random(120_000)) * 1e9
    rows = [(f"{'x' * 300}{i % 9000}", OP, i % 60, at, at + 7e4) for i, at in enumerate(start.tolist())]
    windows = Windows(laid(profile_of(rows, [Track(1, i) for i in range(60)])))
    counters = [(f"busy:{i}", np.zeros(125), np.ones(125)) for i in range(16)]
    for wide in (1.1e9, 1e8, 1e6):
        cut = windows.cut(Asked(0, wide, 4000, every(windows.timeline)))
        assert len(framed(windows, cut, None, counters)) < 200_000
    assert windows.cut(Asked(0, 1.1e9, 4000, every(windows.timeline))).count.sum() == 120_000


def test_what_overlaps_gets_further_lanes() -> None:
    """A chain of spans, each over the end of the one before, needs two lanes and not one for each."""
    start = np.arange(50) * 9.0
    assert lanes(np.zeros(50, int), start, start + 10).tolist() == [i % 2 for i in range(50)]
    # where one lies in such a span, it lies above it
    assert lanes(np.zeros(3, int), np.array([0.0, 5, 11]), np.array([10.0, 15, 12])).tolist() == [0, 1, 2]


def test_an_event_with_all_that_is_known_of_it(training: Timeline) -> None:
    """Its own time, what holds it, what launched it and what it launched, also through calls inside it."""
    holder = holders(training)
    linear = event_told(training, holder, 1)
    assert (linear["self"], linear["children"], [one["row"] for one in linear["path"]]) == (20.0, 1, [0])
    assert (linear["launched"]["count"], linear["launched"]["total"]) == (1, 30.0)
    kernel = event_told(training, holder, 4)
    assert (kernel["launcher"]["row"], kernel["where"], kernel["device"]) == (3, "Device 0 · stream 7", 0)
    assert kernel["arguments"] == [["correlation", 3]]
    assert event_told(training, holder, 7)["alike"] == {"count": 2, "mean": 5.0, "total": 10.0}
    with pytest.raises(LookupError, match="no event 9"):
        event_told(training, holder, 9)


def test_forward_and_backward() -> None:
    """An operation tells what of the backward pass belongs to it or to what it holds; what is there, whose it is."""
    numbers = {"sequence": (np.array([2, 3]), np.array([7.0, 7.0])), "forward_thread": (np.array([3]), np.array([1.0]))}
    rows: list[Row] = [
        ("Step", Kind.STEP, 0, 0, 100),
        ("aten::linear", OP, 0, 10, 60),
        ("aten::addmm", OP, 0, 20, 50),
        ("AddmmBackward0", OP, 1, 70, 90),
        ("aten::mm", OP, 1, 75, 80),
    ]
    line = laid(profile_of(rows, [HOST, Track(1, 2)], extras=numbers))
    holder = holders(line)
    for row in (1, 2):
        back = event_told(line, holder, row)["backward"]
        assert (back["count"], back["total"]) == (1, 20.0)
        assert [(one["row"], one["of"]["row"]) for one in back["first"]] == [(3, 2)]
        assert event_told(line, holder, row)["forward"] is None
    for row in (3, 4):
        told = event_told(line, holder, row)
        assert (told["forward"]["row"], told["forward"]["of"]["row"]) == (2, 3)
    assert event_told(line, holder, 4)["backward"] == {"count": 0, "total": 0.0, "first": []}


def test_a_selection_adds_up(training: Timeline) -> None:
    """As much of each span as lies in the range, by name; what it holds is not its own; devices by their union."""
    told = summed(training, holders(training), Counters(training.profile), (40.0, 120.0), np.array([0, 1]))
    rows = {
        name: (count, total, own)
        for name, count, total, own in zip(told["names"], told["count"], told["total"], told["self"], strict=True)
    }
    assert rows == {
        "ProfilerStep#1": (1, 60.0, 40.0),
        "aten::linear": (1, 20.0, 10.0),
        "aten::addmm": (1, 10.0, 10.0),
        "ProfilerStep#2": (1, 20.0, 10.0),
        "aten::relu": (1, 10.0, 5.0),
        "cudaLaunchKernel": (1, 5.0, 5.0),
        "gemm": (1, 30.0, 30.0),
    }
    assert told["busy"] == [{"device": 0, "share": 30 / 80}]
    alone = summed(training, holders(training), Counters(training.profile), (40.0, 120.0), np.array([0]))
    assert alone["names"] == ["gemm"]


def test_counters(training: Timeline) -> None:
    """A device is busy for a share of each bin; memory has its least and its most in each, from the bin before on."""
    counters = Counters(training.profile)
    assert [column.tolist() for column in counters.of("busy:0", 0, 200, 4) or ()] == [[0] * 4, [0.2, 0.4, 0.2, 0]]
    least, most = counters.of("memory:0", 0, 200, 4) or (np.empty(0), np.empty(0))
    assert least.tolist() == [100, 100, 50, 50]
    assert most.tolist() == [100, 300, 300, 50]
    assert counters.of("busy:7", 0, 1, 1) is None
    assert counters.of("x", 0, 1, 1) is None


def graph(told: dict[str, Any]) -> dict[str, tuple[int, int, int]]:
    """By the path of each node its total, its own time and its calls."""
    found: dict[str, tuple[int, int, int]] = {}
    paths: list[str] = []
    for i, parent in enumerate(told["parent"]):
        name = told["names"][told["name"][i]]
        paths.append(name if parent <= 0 else f"{paths[parent]} > {name}")
        found[paths[i]] = (told["total"][i], told["self"][i], told["count"][i])
    return found


def test_flame_of_the_host(training: Timeline) -> None:
    """Steps are one node whatever their number; a node has its calls' time, and its own without what they hold."""
    holder = holders(training)
    assert graph(flame(training, tree(training, holder), "host")) == {
        "all": (200, 0, 2),
        "Step": (200, 130, 2),
        "Step > aten::linear": (50, 20, 1),
        "Step > aten::relu": (20, 15, 1),
        "Step > aten::linear > aten::addmm": (30, 25, 1),
        "Step > aten::relu > cudaLaunchKernel": (5, 5, 1),
        "Step > aten::linear > aten::addmm > cudaLaunchKernel": (5, 5, 1),
    }


def test_flame_of_a_part(training: Timeline) -> None:
    """Of a part of the time, as much of each span as lies in it."""
    told = graph(flame(training, tree(training, holders(training)), "host", (15.0, 25.0)))
    assert told == {
        "all": (10, 0, 1),
        "Step": (10, 0, 1),
        "Step > aten::linear": (10, 5, 1),
        "Step > aten::linear > aten::addmm": (5, 5, 1),
    }


def test_flame_of_the_device(training: Timeline) -> None:
    """Kernels are below the calls that launched them, and part of all that holds these."""
    launch = "aten::addmm > cudaLaunchKernel"
    assert graph(flame(training, tree(training, holders(training)), "device")) == {
        "all": (40, 0, 2),
        "Step": (40, 0, 2),
        "Step > aten::linear": (30, 0, 1),
        "Step > aten::relu": (10, 0, 1),
        "Step > aten::linear > aten::addmm": (30, 0, 1),
        "Step > aten::relu > cudaLaunchKernel": (10, 0, 1),
        f"Step > aten::linear > {launch}": (30, 0, 1),
        "Step > aten::relu > cudaLaunchKernel > relu": (10, 10, 1),
        f"Step > aten::linear > {launch} > gemm": (30, 30, 1),
    }
    lost = laid(profile_of([("gemm", KERNEL, 0, 0, 5)], [STREAM]))
    assert list(graph(flame(lost, tree(lost, holders(lost)), "device"))) == [
        "all",
        "launched by nothing that was recorded",
        "launched by nothing that was recorded > gemm",
    ]


def test_flame_of_stacks() -> None:
    """Operators are below the frames that were recorded with them; of two within each other the outer one counts."""
    rows = [*TRAINING[:4], ("aten::relu", OP, 0, 70, 90)]
    texts = Labels(np.array([0, 0, 1]), ["model.py(3): forward;train.py(9): <module>", "train.py(9): <module>"])
    line = laid(profile_of(rows, [HOST], extras={"stack": (np.array([1, 2, 4]), texts)}))
    assert graph(flame(line, tree(line, holders(line), stacks=True), "host")) == {
        "all": (70, 0, 2),
        "train.py(9): <module>": (70, 0, 2),
        "train.py(9): <module> > model.py(3): forward": (50, 0, 1),
        "train.py(9): <module> > aten::relu": (20, 20, 1),
        "train.py(9): <module> > model.py(3): forward > aten::linear": (50, 20, 1),
        "train.py(9): <module> > model.py(3): forward > aten::linear > aten::addmm": (30, 25, 1),
        "train.py(9): <module> > model.py(3): forward > aten::linear > aten::addmm > cudaLaunchKernel": (5, 5, 1),
    }


def test_flame_leaves_out_what_nobody_sees() -> None:
    """Nodes below 0.05 % are counted with their parent; of very many, the largest are told."""
    rows: list[Row] = [("outer", OP, 0, 0, 1e6)]
    rows += [(f"tiny{i}", OP, 0, 10 * i, 10 * i + 5) for i in range(40)]
    rows += [("large", OP, 0, 5e5, 9e5)]
    line = laid(profile_of(rows, [HOST]))
    told = flame(line, tree(line, holders(line)), "host")
    assert graph(told) == {"all": (10**6, 0, 1), "outer": (10**6, 599_800, 1), "outer > large": (400_000, 400_000, 1)}
    assert (told["hidden"], told["nodes"]) == ([0, 40, 0], 43)
    crowd = [(f"{'y' * 200}{i}", OP, 0, 10.0 * i, 10.0 * i + 5 + i / 5000) for i in range(4000)]
    line = laid(profile_of(crowd, [HOST]))
    told = flame(line, tree(line, holders(line)), "host")
    assert len(told["name"]) <= 2_500
    assert len(told["name"]) + sum(told["hidden"]) == 4_001
    assert len(json.dumps(told)) < 200_000


@given(SPANS)
@settings(max_examples=40)
def test_flames_add_up(many: list[tuple[int, int, int]]) -> None:
    """All own times together are the whole, as long as what a span holds does not overlap in it."""
    line = laid(drawn(many))
    holder = holders(line)
    inner = np.zeros(len(line.row))
    held = holder >= 0
    np.add.at(inner, holder[held], (line.end - line.start)[held])
    told = flame(line, tree(line, holder), "host")
    total = sum(told["self"])
    assert total >= told["total"][0]
    if (inner <= line.end - line.start).all() and not sum(told["hidden"]):
        assert total == told["total"][0] == float((line.end - line.start)[~held].sum())


def test_tracks_as_they_are_asked_for() -> None:
    """Tracks are numbers, of each all lanes or the first few."""
    assert asked_tracks("0,3:2,") == ((0, 0), (3, 2))
    with pytest.raises(ValueError, match="invalid literal"):
        asked_tracks("1,x")


def test_a_profile_without_events() -> None:
    """Nothing is shown of nothing."""
    line = laid(profile_of([], []))
    assert len(line) == 0
    told = tracks_told(line, Counters(line.profile), 0)
    assert told["tracks"]["total"] == 0
    windows = Windows(line)
    assert read(framed(windows, windows.cut(Asked(0, 1, 10, ())), None, []))[0]["names"] == []
    assert flame(line, tree(line, holders(line)), "host")["total"] == [0]


def test_more_tracks_than_anybody_looks_at() -> None:
    """Of a hundred thousand threads the tracks are told in pages, each of them once and no page long; a window has what
    it was asked for, of no more lanes than a screen has; the sum has all of them."""
    many = 100_000
    rows: list[Row] = [("a", OP, i, i * 10.0, i * 10.0 + 5) for i in range(many)]
    line = laid(profile_of(rows, [Track(1, i) for i in range(many)]))
    windows, counters = Windows(line), Counters(line.profile)
    pages, begin = [], 0
    while begin < many:
        told = tracks_told(line, counters, begin)
        assert len(json.dumps(told)) < 200_000
        pages.append(told["tracks"])
        begin += len(pages[-1]["name"])
    assert [name for page in pages for name in page["name"]] == [line.name(at) for at in range(many)]
    assert sum(sum(page["events"]) for page in pages) == many
    cut = windows.cut(Asked(line.low, line.high, 1_400, tuple((i, 0) for i in range(900))))
    assert len(framed(windows, cut, None, [])) < 200_000
    assert len(cut.lane) == span_windows.MOST_LANES_ASKED
    whole = summed(line, holders(line), counters, (line.low, line.high), np.arange(many))
    assert (whole["events"], whole["total"]) == (many, [5.0 * many])
