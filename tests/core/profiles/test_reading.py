"""Any trace can be read as far as it goes, and what could not be read is counted."""

from __future__ import annotations

import gzip
import json
import sys
from pathlib import Path

import pytest

pytest.importorskip("msgspec")
pytest.importorskip("ijson")

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import tallyboard as tb
from tallyboard.core.errors import CorruptRecord, InvalidLogdir, MissingDependency
from tallyboard.core.profiles import chrome
from tallyboard.core.profiles.model import Kind
from tallyboard.core.proto.xplane_pb2 import XSpace

from .conftest import Write, kernel, launch, step

WHOLE = [step(1, 0, 100), launch(1, 1), kernel(2, 50, 1), ("aten::mm", "cpu_op", 5, 10, 1, {"External id": 4})]


def kinds(path: Path) -> list[str]:
    return [Kind(kind).name for kind in tb.read_profile(path).events.kind]


@pytest.mark.parametrize("name", ["a.pt.trace.json", "a.pt.trace.json.gz"])
def test_packed_or_not(write: Write, name: str) -> None:
    """A trace is read packed and unpacked, and says who recorded it."""
    profile = tb.read_profile(write(*WHOLE, name=name, distributedInfo={"rank": 3, "world_size": 8}, record_shapes=1))
    assert (profile.source, profile.worker, profile.rank, profile.world) == ("torch", "a", 3, 8)
    assert profile.options == {"record_shapes": True}
    assert [Kind(kind).name for kind in profile.events.kind] == ["STEP", "RUNTIME", "KERNEL", "CPU_OP"]
    assert profile.skipped == {}


def test_times_keep_their_digits(write: Write) -> None:
    """Times of the epoch in microseconds, and large ones with a base, are exact to what a float of them holds."""
    first = tb.read_profile(
        write(("a", "cpu_op", 1623142623460016, 25, 1, {}), ("b", "cpu_op", 1623142623460121, 4, 1, {}))
    )
    assert first.events.start.tolist() == [0, 105_000]
    assert first.base == 1623142623460016_000
    based = tb.read_profile(write(("a", "cpu_op", 1000.5, 1.25, 1, {}), baseTimeNanoseconds=1790857026000000000))
    assert based.base == 1790857026001000500
    assert based.events.end.tolist() == [1250]


def test_streamed_is_whole(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file over the bound is read event by event, into the same columns."""
    path = write(*WHOLE, distributedInfo={"rank": 3}, baseTimeNanoseconds=5)
    whole = tb.read_profile(path)
    monkeypatch.setattr(chrome, "_LARGE", 10)
    streamed = tb.read_profile(path)
    for name in ("start", "end", "name", "kind", "track", "device", "correlation", "external"):
        assert getattr(streamed.events, name).tolist() == getattr(whole.events, name).tolist(), name
    assert (streamed.base, streamed.source, streamed.skipped) == (whole.base, "torch", {})


def test_cut_json(write: Write) -> None:
    """Of a file that ends in the middle of an event the whole events are kept, and the cut is counted."""
    path = write(*WHOLE)
    data = path.read_bytes()
    path.write_bytes(data[: data.rindex(b"aten::mm") + 4])
    assert kinds(path) == ["STEP", "RUNTIME", "KERNEL"]
    assert tb.read_profile(path).skipped == {"places from which on the file is no JSON": 1, "events cut at the end": 1}


def test_packing_that_ends_early(write: Write) -> None:
    """Of a file whose compression ends early what it holds is kept, and that is counted."""
    path = write(*WHOLE * 50, name="a.trace.json.gz")
    path.write_bytes(path.read_bytes()[:-40])
    profile = tb.read_profile(path)
    assert 0 < len(profile.events) <= 200
    assert profile.skipped["ends before its compression does"] == 1


def test_a_byte_that_is_no_text(write: Write) -> None:
    """One byte that is no UTF-8, in a name, costs its own sign and nothing else."""
    path = write(*WHOLE)
    path.write_bytes(path.read_bytes().replace(b"aten::mm", b"aten::m\xff"))
    profile = tb.read_profile(path)
    assert (profile.events.name_of(3), profile.skipped) == ("aten::m\N{REPLACEMENT CHARACTER}", {})


def test_two_documents(write: Write) -> None:
    """Two traces in one file, one behind the other, are both read; so are two members of a packed file."""
    path = write(*WHOLE)
    path.write_bytes(path.read_bytes() * 2)
    assert len(kinds(path)) == 8
    one, two = (
        gzip.compress(b'{"traceEvents": ['),
        gzip.compress(b'{"ph":"X","name":"a","cat":"cpu_op","ts":1,"dur":1}]}'),
    )
    path.write_bytes(one + two)
    assert kinds(path) == ["CPU_OP"]


def test_odd_events_are_counted(tmp_path: Path) -> None:
    """Events that are none, lengths below zero, missing times, unknown kinds: kept where that makes sense, counted."""
    path = tmp_path / "odd.json"
    good = '{"ph":"X","cat":"cpu_op","name":"ok","ts":5,"dur":2,"pid":"a","tid":"main thread"}'
    odd = [
        '{"ph":"X","cat":"cpu_op","name":"back","ts":5,"dur":-2,"pid":1,"tid":1}',
        '{"ph":"X","cat":"cpu_op","name":"when","dur":2,"pid":1,"tid":1}',
        '{"ph":"X","cat":"cpu_op","name":"nan","ts":NaN,"dur":2,"pid":1,"tid":1}',
        '{"ph":"X","cat":"warp_drive","name":"what","ts":5,"dur":2,"pid":1,"tid":1}',
        '{"ph":"Q","name":"phase","ts":5}',
        '{"ph":"i","name":"[memory]","ts":5,"args":{"Bytes":"many"}}',
        '{"ph":"B","name":"never","ts":5,"pid":1,"tid":1}',
        '{"ph":"E","ts":5,"pid":2,"tid":1}',
        '{"ph":"X","cat":"kernel","name":"k","ts":5,"dur":2,"args":{"device":[1],"stream":7}}',
    ]
    path.write_text('{"traceEvents": [' + ",".join([good, *odd]) + "]}")
    profile = tb.read_profile(path)
    assert [profile.events.name_of(row) for row in range(len(profile.events))] == ["ok", "back", "what", "k"]
    assert profile.skipped == {
        "spans that end before they begin": 1,
        "spans without a time": 2,
        "kinds of events of the unknown category 'warp_drive'": 1,
        "events of the phase 'Q'": 1,
        "records of memory that cannot be read": 1,
        "spans that begin and never end": 1,
        "ends of spans that never began": 1,
        "arguments of events that cannot be read": 1,
    }


def test_other_tools(tmp_path: Path) -> None:
    """A bare list of events of another tool, without categories, its spans as begins and ends, is read as work of the
    host; so is one whose list is never closed."""
    path = tmp_path / "tool.json"
    rows = [{"ph": "B", "name": "a", "ts": 1, "pid": 1, "tid": 1}, {"ph": "E", "ts": 4.5, "pid": 1, "tid": 1}]
    path.write_text(json.dumps(rows))
    profile = tb.read_profile(path)
    assert (kinds(path), profile.events.end.tolist(), profile.source) == (["CPU_OP"], [3500], "")
    path.write_text(json.dumps(rows)[:-1])
    assert kinds(path) == ["CPU_OP"]


def test_many_threads(tmp_path: Path) -> None:
    """A hundred thousand threads are a hundred thousand tracks."""
    path = tmp_path / "many.json"
    rows = ",".join(
        f'{{"ph":"X","cat":"cpu_op","name":"a","ts":{i},"dur":1,"pid":1,"tid":{i}}}' for i in range(100_000)
    )
    path.write_text(f'{{"traceEvents":[{rows}]}}')
    profile = tb.read_profile(path)
    assert len(profile.events.tracks) == 100_000
    assert profile.operators().calls.tolist() == [100_000]


def test_devices_of_xla(tmp_path: Path) -> None:
    """Of a GPU's plane the streams are work, and what was derived from them is not; of a TPU's its operations are."""
    space = XSpace()
    for name, lines in (("/device:GPU:1", ("Stream #7(compute)", "XLA Ops")), ("/device:TPU:0", ("XLA Ops", "Steps"))):
        plane = space.planes.add(name=name)
        for i, label in enumerate(("gemm", "all-reduce.1", "MemcpyH2D"), 1):
            plane.event_metadata[i].name = label
        for line in lines:
            made = plane.lines.add(name=line, timestamp_ns=1_000)
            for i in (1, 2, 3):
                made.events.add(metadata_id=i, offset_ps=i * 1_000_000, duration_ps=500_000)
    path = tmp_path / "host.xplane.pb"
    path.write_bytes(space.SerializeToString())
    profile = tb.read_profile(path)
    work, derived = ["KERNEL", "COMM_KERNEL", "MEMCPY"], ["DEVICE_ANNOTATION"] * 3
    assert [Kind(kind).name for kind in profile.events.kind] == [*work, *derived, *work, *derived]
    assert profile.events.device.tolist() == [1] * 6 + [0] * 6
    assert profile.events.start[:2].tolist() == [0, 1000]


def test_wrong_calls(tmp_path: Path, write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """No path, no trace in it, no trace at all and no library each get their error with the cure."""
    with pytest.raises(InvalidLogdir, match="there is no such file or directory; give a trace's path"):
        tb.read_profile(tmp_path / "none")
    with pytest.raises(InvalidLogdir, match=r"no trace is in there; wanted a file such as \*.pt.trace.json.gz"):
        tb.read_profile(tmp_path)
    (tmp_path / "text.json").write_text("{}")
    with pytest.raises(CorruptRecord, match="no event could be read; is it a trace"):
        tb.read_profile(tmp_path / "text.json")
    (tmp_path / "a.xplane.pb").write_bytes(b"\xff\xfe not a profile")
    with pytest.raises(CorruptRecord, match=r"no profile of XLA's .*; is the file whole"):
        tb.read_profile(tmp_path / "a.xplane.pb")
    path = write(*WHOLE)
    monkeypatch.setitem(sys.modules, "msgspec", None)
    monkeypatch.delitem(sys.modules, "tallyboard.core.profiles.chrome", raising=False)
    monkeypatch.delitem(sys.modules, "tallyboard.core.profiles.columns", raising=False)
    with pytest.raises(MissingDependency, match=r"pip install 'tallyboard\[profile\]'"):
        tb.read_profile(path)


def test_the_newest_of_a_run(write: Write, tmp_path: Path) -> None:
    """A directory stands for its newest trace, however deep its profiler put it."""
    folder = tmp_path / "run" / "plugins" / "profile" / "2026_11_21_10_00_00"
    folder.mkdir(parents=True)
    (folder / "host.pt.trace.json").write_bytes(write(*WHOLE).read_bytes())
    newer = folder.with_name("2026_11_21_11_00_00")
    newer.mkdir()
    (newer / "host.pt.trace.json").write_bytes(write(*WHOLE[:1]).read_bytes())
    assert len(tb.read_profile(tmp_path / "run").events) == 1


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=60), st.integers(0, 400), st.booleans())
def test_any_bytes(write: Write, junk: bytes, at: int, packed: bool) -> None:
    """Whatever stands in the middle of a file, it is read as far as it goes, or refused as no trace."""
    path = write(*WHOLE, name="a.pt.trace.json")
    data = path.read_bytes()
    data = data[:at] + junk + data[at:]
    path.write_bytes(gzip.compress(data) if packed else data)
    try:
        found = len(tb.read_profile(path).events)
    except CorruptRecord:
        found = 0
    assert found <= 4
