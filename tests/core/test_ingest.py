"""From records to series: in bulk as one by one, restarts as TensorBoard has them, and nothing that bytes can break."""

from __future__ import annotations

import itertools
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tallyboard.core.errors import CorruptRecord
from tallyboard.core.ingest import Batch, Ingest
from tallyboard.core.legacy import NAMELESS, number_in, plugin_of
from tallyboard.core.proto import event_pb2 as pb
from tallyboard.core.reader import LogdirReader
from tallyboard.core.record import frame, masked_crc, scan
from tallyboard.core.store import Store
from tallyboard.core.wire import decode_event, encode_file_version, encode_scalar

VERSION = frame(encode_file_version(1.0))


def taken(raw: bytes, parts: int = 1) -> Store:
    """A store of one run that has these bytes, taken in some batches."""
    store = Store()
    store.offer_run("a")
    ingest = Ingest(store)
    buffer = np.frombuffer(raw + bytes(64), np.uint8)
    frames = scan(buffer, [0], [len(raw)])
    bounds = [len(frames.offset) * i // parts for i in range(parts + 1)]
    for low, high in itertools.pairwise(bounds):
        part = type(frames)(frames.offset[low:high], frames.length[low:high], frames.segment[low:high], frames.stop, [])
        ingest.take(Batch(buffer, part, ["a"], ["file"], [0]))
    store.publish("ready")
    return store


def warned(store: Store) -> dict[str, int]:
    return {one.kind: one.count for one in store.runs()[0].warnings}


NUMBERS = st.sampled_from([0.0, 0.5, -2.0, 3.0, float("inf"), 1e-40])
TAGS = st.sampled_from(["loss", "a/b", "σ", "x" * 140, "..", "<b>\x07"])
DTYPES = {1: ("<f", "float_val"), 2: ("<d", "double_val"), 3: ("<i", "int_val"), 9: ("<q", "int64_val")}


@st.composite
def values(draw: st.DrawFn) -> pb.Summary.Value:
    """A summary value: most often a scalar in one of its many forms."""
    value = pb.Summary.Value(tag=draw(TAGS))
    form = draw(st.sampled_from(["simple", "simple", "content", "listed", "histo", "image", "text", "none", "odd"]))
    if draw(st.booleans()) and form != "none":
        value.metadata.plugin_data.plugin_name = draw(st.sampled_from(["scalars", "scalars", "text", "mine"]))
    if form == "simple":
        value.simple_value = draw(NUMBERS)
    elif form in ("content", "listed"):
        dtype = draw(st.sampled_from(list(DTYPES)))
        number = draw(NUMBERS if dtype < 3 else st.sampled_from([0, 1, -1, 300, 2**31 - 1]))
        value.tensor.dtype = dtype
        if draw(st.booleans()):
            value.tensor.tensor_shape.SetInParent()
        if form == "content":
            value.tensor.tensor_content = struct.pack(DTYPES[dtype][0], number)
        else:
            getattr(value.tensor, DTYPES[dtype][1]).append(number)
    elif form == "histo":
        value.histo.bucket.extend([1.0] * draw(st.integers(0, 20)))
    elif form == "image":
        value.image.encoded_image_string = bytes(draw(st.integers(0, 300)))
    elif form == "text":
        value.tensor.dtype = pb.DT_STRING
        value.tensor.string_val.append(b"words")
    elif form == "odd":
        value.tensor.dtype = pb.DT_FLOAT
        value.tensor.float_val.extend([1.0, 2.0])
    return value


@st.composite
def events(draw: st.DrawFn) -> bytes:
    """Events of a few shapes, each many times, shuffled."""
    one = st.lists(values(), min_size=1, max_size=3, unique_by=lambda value: value.tag)
    shapes = draw(st.lists(one, min_size=1, max_size=5))
    raw: list[bytes] = []
    for at in draw(st.lists(st.integers(0, len(shapes) - 1), max_size=60)):
        event = pb.Event(wall_time=float(len(raw)), step=draw(st.sampled_from([0, 1, 200, -1, 2**62])))
        event.summary.value.extend(shapes[at])
        unknown = b"\xa2\x06\x03new" if draw(st.integers(0, 9)) == 0 else b""
        raw.append(frame(event.SerializeToString() + unknown))
    return VERSION + b"".join(raw)


def one_by_one(raw: bytes) -> dict[tuple[str, str], list[tuple[int, float, Any]]]:
    """What protobuf makes of the events: steps, wall times and numbers (None for blobs) by plugin and tag."""
    out: dict[tuple[str, str], list[tuple[int, float, Any]]] = {}
    first: dict[str, str] = {}
    at = 0
    while at < len(raw):
        length = struct.unpack_from("<Q", raw, at)[0]
        event = decode_event(raw[at + 12 : at + 12 + length])
        at += length + 16
        seen: set[tuple[str, str]] = set()
        for value in event.summary.value:
            plugin = plugin_of(value, first.get(value.tag, ""))
            if not plugin_of(value, "") and value.WhichOneof("value") != "tensor":
                continue  # holds nothing
            plugin = plugin or NAMELESS
            first.setdefault(value.tag, plugin)
            if plugin == "scalars":
                number = number_in(value)
                if number is not None:
                    out.setdefault((plugin, value.tag), []).append((event.step, event.wall_time, number[0]))
            elif (plugin, value.tag) not in seen:
                seen.add((plugin, value.tag))
                out.setdefault((plugin, value.tag), []).append((event.step, event.wall_time, None))
    return out


@settings(max_examples=80, deadline=None)
@given(events(), st.integers(1, 3))
def test_in_bulk_as_one_by_one(raw: bytes, parts: int) -> None:
    """However events are written, in whatever batches, bulk reading gives what parsing each of them gives."""
    store = taken(raw, parts)

    got: dict[tuple[str, str], list[tuple[int, float, Any]]] = {}
    for plugin, tags in store.tags().items():
        for tag in tags:
            series = store.scalars("a", tag) if plugin == "scalars" else store.blobs(plugin, "a", tag)
            assert series is not None
            numbers = series.value.tolist() if plugin == "scalars" else [None] * len(series)  # type: ignore[union-attr]
            got[plugin, tag] = list(zip(series.step.tolist(), series.wall_time.tolist(), numbers, strict=True))
    assert got == one_by_one(raw)


def test_blobs_point_at_their_records(tmp_path: Path) -> None:
    """A blob's reference gives back the event's bytes, whatever lies before it in the file."""
    event = pb.Event(wall_time=2.0, step=7)
    event.summary.value.add(tag="pictures").image.encoded_image_string = b"png" * 1000
    data = event.SerializeToString()
    (tmp_path / "events.out.tfevents.1").write_bytes(VERSION + frame(encode_scalar("loss", 1, 1.0, 1.0)) + frame(data))
    reader = LogdirReader(tmp_path)
    reader.poll()

    blobs = reader.store.blobs("images", ".", "pictures")
    assert blobs is not None
    assert [reader.fetch(ref) for ref in blobs.ref] == [data]


def test_blob_checksums_are_checked_when_read_again(tmp_path: Path) -> None:
    """A blob whose bytes changed on disk after it was indexed is refused, not shown."""
    event = pb.Event(wall_time=2.0, step=7)
    event.summary.value.add(tag="pictures").image.encoded_image_string = b"png" * 1000
    path = tmp_path / "events.out.tfevents.1"
    path.write_bytes(VERSION + frame(event.SerializeToString()))
    reader = LogdirReader(tmp_path)
    reader.poll()
    blobs = reader.store.blobs("images", ".", "pictures")
    assert blobs is not None
    with path.open("r+b") as file:
        file.seek(blobs.ref[0].offset + 1500)
        file.write(b"!")

    with pytest.raises(CorruptRecord, match="checksum"):
        reader.fetch(blobs.ref[0])


def test_blob_with_a_flipped_bit_is_not_indexed() -> None:
    """A blob whose checksum fails is counted and skipped; its neighbours are kept."""
    event = pb.Event(wall_time=2.0, step=7)
    event.summary.value.add(tag="pictures").image.encoded_image_string = b"png" * 1000
    raw = bytearray(VERSION + frame(event.SerializeToString()) * 3)
    size = (len(raw) - len(VERSION)) // 3
    raw[len(VERSION) + size + 1500] ^= 4

    store = taken(bytes(raw))

    assert store.tags() == {"images": {"pictures": {"a": 2}}}
    assert warned(store) == {"corrupt_record": 1}


@pytest.mark.parametrize("length", [2**60, 2**63, 2**31 + 1], ids=str)
def test_declared_lengths_are_not_believed(tmp_path: Path, length: int) -> None:
    """A record that claims to be enormous, with a checksum to match, allocates nothing; what follows is recovered."""
    claimed = struct.pack("<Q", length)
    claim = claimed + struct.pack("<I", masked_crc(claimed))
    one = frame(encode_scalar("loss", 1, 1.0, 0.5))
    (tmp_path / "events.out.tfevents.1").write_bytes(VERSION + one + claim + b"abc" + one)
    reader = LogdirReader(tmp_path)
    reader.poll()

    series = reader.store.scalars(".", "loss")
    assert series is not None
    assert series.value.tolist() == [0.5, 0.5]
    assert warned(reader.store) == {"corrupt_region": 1}


def test_two_kinds_of_one_tag_are_both_kept() -> None:
    """A tag that comes as a scalar and as an image is two series, and the run says so."""
    image = pb.Event(wall_time=2.0, step=7)
    image.summary.value.add(tag="loss").image.encoded_image_string = b"png"
    raw = VERSION + frame(encode_scalar("loss", 1, 1.0, 0.5)) + frame(image.SerializeToString()) * 2

    store = taken(raw)

    assert store.tags() == {"scalars": {"loss": {"a": 1}}, "images": {"loss": {"a": 2}}}
    (said,) = store.runs()[0].warnings
    assert (said.kind, said.count) == ("two_kinds", 1)
    assert said.message == "the tag 'loss' came as scalars and as images; both are kept"


def test_tags_that_are_no_text() -> None:
    """Tags with bytes that are no UTF-8 are marked, not refused; one that is spelt alike joins it."""
    good = encode_scalar("??", 1, 1.0, 0.5)
    raw = VERSION + frame(good.replace(b"??", b"a\xff")) * 30 + frame(good.replace(b"??", b"a\xfe")) * 30

    store = taken(raw)

    series = store.scalars("a", "a\ufffd")
    assert series is not None
    assert len(series) == 60


def test_nan_and_infinity_are_values() -> None:
    """NaN and both infinities come through bit by bit."""
    numbers = [float("nan"), float("inf"), float("-inf"), 1.0]
    raw = VERSION + b"".join(frame(encode_scalar("loss", i, 1.0, number)) for i, number in enumerate(numbers))

    series = taken(raw).scalars("a", "loss")

    assert series is not None
    np.testing.assert_array_equal(series.value, np.array(numbers, np.float32))


def test_texts_of_ten_megabytes_are_references() -> None:
    """Long texts are indexed, not kept."""
    event = pb.Event(wall_time=2.0, step=7)
    value = event.summary.value.add(tag="notes")
    value.metadata.plugin_data.plugin_name = "text"
    value.tensor.dtype = pb.DT_STRING
    value.tensor.string_val.append(b"x" * 10_000_000)

    store = taken(VERSION + frame(event.SerializeToString()) * 2)

    blobs = store.blobs("text", "a", "notes")
    assert blobs is not None
    assert [ref.length for ref in blobs.ref] == [event.ByteSize()] * 2


@settings(max_examples=100, deadline=None)
@given(st.lists(st.binary(max_size=80), max_size=40), st.data())
def test_records_of_any_bytes_raise_nothing(payloads: list[bytes], data: st.DataObject) -> None:
    """Sound records whose content is garbage, or an event that was cut or changed anywhere, raise nothing."""
    event = pb.Event(wall_time=2.0, step=300)
    value = event.summary.value.add(tag="notes")
    value.metadata.plugin_data.plugin_name = "text"
    value.tensor.string_val.append(b"hello")
    whole = event.SerializeToString()
    for _ in range(20):
        changed = bytearray(whole[: data.draw(st.integers(0, len(whole)))])
        if changed:
            changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
        payloads.append(bytes(changed))

    store = taken(VERSION + b"".join(map(frame, payloads)) + frame(whole))

    blobs = store.blobs("text", "a", "notes")
    assert blobs is not None
    assert 300 in blobs.step


# -- restarts


def started(step: int) -> bytes:
    event = pb.Event(wall_time=5.0, step=step)
    event.session_log.status = pb.SessionLog.START
    return frame(event.SerializeToString())


def grouped(tags: list[str], step: int, number: int) -> bytes:
    event = pb.Event(wall_time=float(number), step=step)
    for tag in tags:
        event.summary.value.add(tag=tag, simple_value=float(number))
    return frame(event.SerializeToString())


def pictured(step: int, number: int) -> bytes:
    event = pb.Event(wall_time=float(number), step=step)
    event.summary.value.add(tag="picture").image.encoded_image_string = b"png"
    return frame(event.SerializeToString())


SMALL = st.integers(0, 6)
HISTORY = st.lists(
    st.one_of(
        st.tuples(st.just("group"), st.lists(st.sampled_from("ab"), min_size=1, max_size=2, unique=True), SMALL),
        st.tuples(st.just("group"), st.just(["a"]), SMALL),
        st.tuples(st.just("picture"), SMALL),
        st.tuples(st.just("start"), SMALL),
        st.tuples(st.just("version"), st.sampled_from(["brain.Event:2", "brain.Event:1", "nonsense"])),
        st.tuples(st.just("other"), SMALL),
    ),
    max_size=40,
)


def written(history: list[Any]) -> bytes:
    out: list[bytes] = []
    for number, (kind, *rest) in enumerate(history):
        if kind == "group":
            out.append(grouped(list(rest[0]), rest[1], number))
        elif kind == "picture":
            out.append(pictured(rest[0], number))
        elif kind == "start":
            out.append(started(rest[0]))
        elif kind == "version":
            out.append(frame(pb.Event(wall_time=1.0, file_version=rest[0]).SerializeToString()))
        else:
            event = pb.Event(wall_time=1.0, step=rest[0])
            event.log_message.message = "hello"
            out.append(frame(event.SerializeToString()))
    return b"".join(out)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(HISTORY, st.booleans(), st.integers(1, 4))
def test_restarts_are_tensorboards(
    tmp_path_factory: pytest.TempPathFactory, history: list[Any], versioned: bool, parts: int
) -> None:
    """Whatever a run's history, what stands is what EventAccumulator has, and all is there if asked for."""
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    raw = (VERSION if versioned else b"") + written(history)
    folder = tmp_path_factory.mktemp("run")
    (folder / "events.out.tfevents.1").write_bytes(raw)
    theirs = accumulator.EventAccumulator(str(folder), size_guidance={"scalars": 0, "images": 0})
    theirs.Reload()

    store = taken(raw, parts)

    for tag in "ab":
        expected = [(e.step, e.wall_time, e.value) for e in theirs.scalars.Items(tag)] if tag in _keys(theirs) else []
        series = store.scalars("a", tag)
        columns = () if series is None else (series.step, series.wall_time, series.value)
        assert list(zip(*(column.tolist() for column in columns), strict=True)) == expected
        everything = store.scalars("a", tag, superseded=True)
        numbers = [i for i, event in enumerate(history) if event[0] == "group" and tag in event[1]]
        assert (everything.value.tolist() if everything is not None else []) == numbers
    pictures = [e.wall_time for e in theirs.images.Items("picture")] if "picture" in theirs.images.Keys() else []
    blobs = store.blobs("images", "a", "picture")
    assert ([] if blobs is None else blobs.wall_time.tolist()) == pictures


def _keys(theirs: Any) -> list[str]:
    return list(theirs.scalars.Keys())


def test_purge_step_of_our_writer_is_followed(tmp_path: Path) -> None:
    """A run restarted with `purge_step` while it is followed: earlier points are hidden, with a new generation."""
    import tallyboard as tb

    with tb.SummaryWriter(tmp_path) as writer:
        for step in range(10):
            writer.add_scalar("loss", step, step)
    reader = LogdirReader(tmp_path)
    reader.poll()
    before = reader.store.scalars(".", "loss")
    with tb.SummaryWriter(tmp_path, purge_step=4) as writer:
        for step in range(4, 6):
            writer.add_scalar("loss", 100 + step, step)
    version = reader.store.version
    reader.poll()

    after = reader.store.scalars(".", "loss")
    assert before is not None
    assert after is not None
    assert (before.generation, before.step.tolist()) == (0, list(range(10)))
    assert (after.generation, after.value.tolist()) == (1, [0, 1, 2, 3, 104, 105])
    assert reader.store.changes(version).series == [(".", "loss", 6, 1)]
