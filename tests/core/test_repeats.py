"""Records that repeat: found by their headers, decoded as blocks, and just as they would be one by one."""

from __future__ import annotations

import random
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tallyboard.core import blocks, decoder, repeats
from tallyboard.core.decoder import Decoded, ScalarDecoder
from tallyboard.core.record import PAD, frame, scan
from tallyboard.core.scalar_tensor import scalar_tensor
from tallyboard.core.summary import DataClass, Event, Summary, text
from tallyboard.core.values import TensorTag
from tallyboard.core.wire import encode_event, encode_file_version, encode_group, encode_scalar


@pytest.fixture(autouse=True)
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """Repeats are looked for where it does not pay, so that small files show what large ones do."""
    monkeypatch.setattr(repeats, "WORTH", 0)
    monkeypatch.setattr(repeats, "LARGE", 8_000)
    monkeypatch.setattr(repeats, "GAINED", 32)
    monkeypatch.setattr(repeats, "COPIES", 4)
    monkeypatch.setattr(decoder.ScalarDecoder, "AGAIN", 4)
    monkeypatch.setattr(blocks, "BYTES", 3_000)


def precise(tag: str, value: float) -> Summary:
    """A scalar as a tensor of float64."""
    return Summary(tag, "scalars", DataClass.SCALAR, scalar_tensor(value, double=True))


def points(decoder: ScalarDecoder, found: Decoded) -> list[tuple[object, ...]]:
    """Every point, by record, with its tag's name."""
    names = list(decoder.tags)
    value = found.value.view(np.int64).tolist()  # bit by bit: NaN too
    columns = (found.row, found.tag, found.step, found.wall_time.view(np.int64), found.wide, found.bare, found.label)
    rows = zip(*(column.tolist() for column in columns), value, strict=True)
    labels = list(decoder.labels)
    return sorted((row, names[tag], str(labels[label]), *others, value) for row, tag, *others, label, value in rows)


def both_ways(segments: list[bytes]) -> tuple[int, int]:
    """Decodes files with their repeats and without, asserts the same; returns records, and those that repeat."""
    data = b"".join(segments)
    buffer = np.frombuffer(data + bytes(2_048 + PAD), np.uint8)
    ends = np.cumsum([len(segment) for segment in segments]).tolist()
    starts = [0, *ends[:-1]]
    plain, bulk = ScalarDecoder(), ScalarDecoder()
    want = scan(buffer, starts, ends)
    got, found = repeats.find(buffer, starts, ends, bulk.kind)
    for name in ("offset", "length", "segment", "stop"):
        assert getattr(got, name).tolist() == getattr(want, name).tolist(), name
    assert got.gaps == want.gaps
    for repeat in found:
        rows = repeat.first[:, None] + np.arange(repeat.count)
        assert (got.length[rows] == got.length[rows[0]]).all()
        assert (np.diff(repeat.first) > 0).all()
    a = plain.decode(buffer, want.offset, want.length)
    b = bulk.decode(buffer, got.offset, got.length, found)
    assert points(bulk, b) == points(plain, a)
    assert b.rest.tolist() == a.rest.tolist()
    assert b.corrupt.tolist() == a.corrupt.tolist()
    return len(got.offset), sum(len(repeat.first) * repeat.count for repeat in found)


def loop(tags: list[str], steps: range, seed: int = 0) -> bytes:
    """What a training loop writes, a file version first."""
    generator = random.Random(seed)
    records = [encode_file_version(1.7e9)]
    for step in steps:
        records += [encode_scalar(tag, step, 1.7e9 + generator.random(), generator.random()) for tag in tags]
    return b"".join(map(frame, records))


TAGS = ["loss", "train/accuracy", "train/precision", "lr", "eval/loss"]


def test_a_loop_in_one_file_repeats() -> None:
    """A file of one loop is periods but for the first step and where the step takes another byte."""
    count, repeated = both_ways([loop(TAGS, range(600))])
    assert count == 3_001
    assert repeated == 5 * (127 + 472)


def test_files_like_each_other_repeat() -> None:
    """Files of the same loop are decoded together, however many steps each has, their heads included."""
    count, repeated = both_ways([loop(TAGS, range(20 + i % 3), i) for i in range(12)])
    assert count == 12 + 5 * 252
    assert repeated == count


def test_files_of_other_tags_of_the_same_lengths() -> None:
    """Files whose tags differ though no length does are told apart."""
    other = ["miss", "train/mistakes", "train/wrongness", "rl", "eval/miss"]
    both_ways([loop(TAGS if i % 3 else other, range(25), i) for i in range(15)])


def test_tags_in_random_order() -> None:
    """A period that headers show and tags do not is no period."""
    generator = random.Random(1)
    tags = [f"tag{i}" for i in range(9)]
    records = [frame(encode_scalar(generator.choice(tags), 1_000 + i, 1.7e9 + i, i)) for i in range(900)]
    both_ways([b"".join(records)])


def test_events_of_many_values_and_tensors_repeat() -> None:
    """Groups, and scalars written as tensors of float64, are blocks too."""
    groups = [encode_group(tuple(TAGS), i, 1.7e9 + i, np.arange(5, dtype="<f4").tobytes())[0] for i in range(300)]
    wide = [encode_event(Event(300 + i, 1.7e9 + i, precise("x", i / 3))) for i in range(200)]
    tensors = [encode_scalar(TensorTag("t", "described"), i + 500, 1.7e9 + i, i) for i in range(200)]
    count, repeated = both_ways([b"".join(map(frame, groups + wide + tensors))])
    assert count == 700
    assert repeated > 400


def test_stretches_that_differ_in_more_than_one_way() -> None:
    """Of files alike but for a tag, the first differs in another record too: nothing is lost, or had twice."""
    files = [bytearray(loop(TAGS, range(25), i)) for i in range(16)]
    for at, segment in enumerate(files):
        if at % 2:
            _change_record(segment, 66, "tag")
        if at == 1:
            _change_record(segment, 723, "swap")
        if at == 3:
            segment[723:723] = b"\0"
    both_ways([bytes(segment) for segment in files])
    _change_record(files[0], 400, "swap")
    both_ways([bytes(segment) for segment in files])


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_damage_anywhere(data: st.DataObject) -> None:
    """Whatever bytes change, are cut or come in between: the same records, points and faults as one by one."""
    files = data.draw(st.sampled_from([1, 8]))
    draw = data.draw
    segments = [bytearray(loop(TAGS, range(25 if files > 1 else 150), i)) for i in range(files)]
    for _ in range(draw(st.integers(0, 4))):
        segment = segments[draw(st.integers(0, files - 1))]
        at = draw(st.integers(0, len(segment) - 1))
        how = draw(st.sampled_from(["flip", "cut", "insert", "record", "tag", "swap"]))
        if how == "flip":
            segment[at] ^= 1 << draw(st.integers(0, 7))
        elif how == "cut":
            del segment[at:]
            segment += b"\0" * draw(st.sampled_from([0, 0, 5]))
        elif how == "insert":
            segment[at:at] = draw(st.binary(min_size=1, max_size=40))
        else:
            _change_record(segment, at, how)
        if not segment:
            segment += loop(TAGS, range(3))
    both_ways([bytes(segment) for segment in segments])


def _change_record(segment: bytearray, at: int, how: str) -> None:
    """Puts another intact record in the place of one, or between two."""
    place = length = 0
    while place <= at and place + 12 <= len(segment):
        length = struct.unpack_from("<Q", segment, place)[0]
        if length > 1_000 or place + 16 + length > at:
            break
        place += 16 + length
    if length > 1_000 or place + 16 + length > len(segment):
        return
    old = bytes(segment[place + 12 : place + 12 + length])
    if how == "record":
        segment[place:place] = frame(encode_event(Event(7, 1.7e9, text("note", "of no loop"))))
    elif how == "tag":
        segment[place : place + 16 + length] = frame(old.replace(b"a", b"\xff").replace(b"o", b"0"))
    else:
        segment[place : place + 16 + length] = frame(old[: length // 2] + bytes(length - length // 2))
