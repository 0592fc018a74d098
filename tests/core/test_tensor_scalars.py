"""Scalars in the form of `tf.summary`, in bulk: the messages that the general way makes, and the same values back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

import tallyboard as tb
from tallyboard.core.decoder import ScalarDecoder
from tallyboard.core.record import frame, scan
from tallyboard.core.scalar_tensor import scalar_tensor
from tallyboard.core.scalars import FEW, ScalarEncoder
from tallyboard.core.summary import DataClass, Event, Summary
from tallyboard.core.values import TensorTag
from tallyboard.core.wire import decode_event, encode_event, encode_scalar

STEPS = st.one_of(st.integers(-(2**63), 2**63 - 1), st.integers(0, 300))
TEXT = st.text(st.characters(codec="utf-8"), max_size=150)


@settings(deadline=None)
@given(TEXT.filter(bool), TEXT, STEPS, st.floats(0, 4e9), st.floats(width=32, allow_nan=False))
def test_hand_packed_message(tag: str, description: str, step: int, wall_time: float, value: float) -> None:
    """The bytes packed by hand hold the message that the general way makes of the same tensor."""
    summary = Summary(tag, "scalars", DataClass.SCALAR, scalar_tensor(value, double=False), description)
    found = decode_event(encode_scalar(TensorTag(tag, description), step, wall_time, value))
    expected = decode_event(encode_event(Event(step, wall_time, summary)))
    for message in (found, expected):
        message.summary.value[0].metadata.ClearField("data_class")  # which readers know by the plugin's name
        message.summary.value[0].metadata.plugin_data.SetInParent()
    assert found == expected


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(st.integers(0, 3), st.floats(width=32), STEPS, st.floats(0, 4e9)), min_size=FEW, max_size=90))
def test_bulk(rows: list[tuple[int, float, int, float]]) -> None:
    """Packed together, mixed with numbers of the usual form, they are the records packed one by one, and come back."""
    kinds: list[str] = ["loss", TensorTag("loss"), TensorTag("loss", "described"), "other"]
    tags = [kinds[row[0]] for row in rows]
    values, steps, walls = ([row[i] for row in rows] for i in (1, 2, 3))
    raw = ScalarEncoder().encode(tags, values, steps, walls)
    assert raw == b"".join(frame(encode_scalar(*row)) for row in zip(tags, steps, walls, values, strict=True))
    buffer = np.frombuffer(raw + bytes(2048), np.uint8)
    frames = scan(buffer, [0], [len(raw)])
    decoder = ScalarDecoder()
    got = decoder.decode(buffer, frames.offset, frames.length)
    assert len(got.row) + len(got.rest) == len(rows)
    names = [name.decode() for name in decoder.tags]
    assert [names[i] for i in got.tag.tolist()] == [str(tags[i]) for i in got.row.tolist()]
    np.testing.assert_equal(got.value, np.array([values[i] for i in got.row.tolist()], np.float64))
    assert got.step.tolist() == [steps[i] for i in got.row.tolist()]


def test_sinks_that_take_events(tmp_path: Path) -> None:
    """A sink that knows no bulk is given tensors, under the tag as a plain string; a file has both forms in order."""
    memory = tb.MemorySink()
    tag = TensorTag("loss", "d")
    for writer in (tb.SummaryWriter(sink=memory), tb.SummaryWriter(tmp_path)):
        for i in range(100):
            writer.write_scalar(tag, i, i, 1.0 + i)
            writer.add_scalar("loss" if i % 2 else "other", i, i)
        writer.close()
    events = [event for event in memory.events if event.summary.description]
    assert [event.step for event in events] == list(range(100))
    assert {type(event.summary.tag) for event in events} == {str}
    expected = Summary("loss", "scalars", DataClass.SCALAR, scalar_tensor(99.0, double=False), "d")
    assert (events[-1].wall_time, events[-1].summary) == (100.0, expected)
    series = {key[1]: value.step.tolist() for key, value in tb.read(tmp_path).scalars().items()}
    assert sorted(series["loss"]) == sorted([*range(100), *range(1, 100, 2)])
    assert series["other"] == list(range(0, 100, 2))
