"""Our messages and TensorBoard's: the same bytes, both ways."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallyboard.core.errors import CorruptRecord
from tallyboard.core.proto import event_pb2 as ours
from tallyboard.core.summary import DataClass, Event, Summary, text
from tallyboard.core.wire import (
    decode_event,
    encode_event,
    encode_file_version,
    encode_scalar,
    encode_session_start,
    fields,
    read_varint,
    varint,
)

theirs = pytest.importorskip("tensorboard.compat.proto.event_pb2")

STEPS = st.integers(-(2**63), 2**63 - 1)


@given(st.text(min_size=1, max_size=300), STEPS, st.floats(allow_nan=False), st.floats(width=32, allow_nan=False))
def test_hand_packed_scalar_is_protobufs(tag: str, step: int, wall_time: float, value: float) -> None:
    """A scalar packed by hand has the very bytes that TensorBoard's own message serialises to."""
    event = theirs.Event(wall_time=wall_time, step=step)
    event.summary.value.add(tag=tag, simple_value=value)

    got = encode_scalar(tag, step, wall_time, value)

    assert theirs.Event.FromString(got) == event
    if wall_time:  # we always write the wall time; proto3 leaves out a zero
        assert got == event.SerializeToString()


def test_file_version_is_tensorboards() -> None:
    """The opening event is read by TensorBoard's message as version, writer and wall time."""
    event = theirs.Event.FromString(encode_file_version(12.5))

    assert (event.wall_time, event.step, event.file_version) == (12.5, 0, "brain.Event:2")
    assert event.source_metadata.writer == "tallyboard.core.writer"


def test_session_start_is_tensorboards() -> None:
    """The restart event is a SessionLog START at the step."""
    event = theirs.Event.FromString(encode_session_start(12.5, 300))

    assert event.session_log.status == event.session_log.START
    assert event.step == 300


def test_text_event_is_read_by_tensorboard() -> None:
    """Text is a string tensor of the plugin `text`, with one dimension, as torch writes it."""
    event = theirs.Event.FromString(encode_event(Event(3, 4.0, text("notes", ["é", "b"]))))

    value = event.summary.value[0]
    assert (event.step, event.wall_time, value.tag) == (3, 4.0, "notes")
    assert value.metadata.plugin_data.plugin_name == "text"
    assert list(value.tensor.string_val) == ["é".encode(), b"b"]
    assert [dim.size for dim in value.tensor.tensor_shape.dim] == [2]


def test_description_travels() -> None:
    """A scalar with a description keeps it in the summary metadata."""
    summary = Summary("loss", "scalars", DataClass.SCALAR, 0.5, "mean over the batch")
    value = decode_event(encode_event(Event(1, 2.0, summary))).summary.value[0]

    assert value.simple_value == 0.5
    assert value.metadata.summary_description == "mean over the batch"


def full_event() -> ours.Event:
    """An event with every kind of value that a summary can hold."""
    event = ours.Event(wall_time=1.5, step=-7)
    event.source_metadata.writer = "w"
    add = event.summary.value.add
    add(tag="s", simple_value=2.5)
    histo = add(tag="h").histo
    histo.min, histo.max, histo.num, histo.sum, histo.sum_squares = 1, 2, 3, 4, 5
    histo.bucket_limit.extend([1, 2])
    histo.bucket.extend([3, 4])
    image = add(tag="i").image
    image.height, image.width, image.colorspace, image.encoded_image_string = 1, 2, 3, b"png"
    audio = add(tag="a").audio
    audio.sample_rate, audio.num_channels, audio.length_frames = 44100.0, 2, 3
    audio.encoded_audio_string, audio.content_type = b"wav", "audio/wav"
    tensor = add(tag="t")
    tensor.metadata.plugin_data.plugin_name = "scalars"
    tensor.metadata.plugin_data.content = b"\x01"
    tensor.metadata.display_name, tensor.metadata.summary_description = "d", "e"
    tensor.metadata.data_class = ours.DATA_CLASS_TENSOR
    tensor.tensor.dtype = ours.DT_INT64
    tensor.tensor.tensor_shape.dim.add(size=2, name="n")
    for name in ("half_val", "int_val", "int64_val", "uint32_val", "uint64_val"):
        getattr(tensor.tensor, name).extend([1, 2])
    for name in ("float_val", "double_val", "scomplex_val", "dcomplex_val"):
        getattr(tensor.tensor, name).extend([0.5, 1.5])
    tensor.tensor.bool_val.append(True)
    tensor.tensor.string_val.append(b"\xff")
    tensor.tensor.tensor_content = b"raw"
    return event


def test_messages_are_tensorboards_byte_for_byte() -> None:
    """Every field we declare survives a trip through TensorBoard's messages unchanged, in both directions."""
    data = full_event().SerializeToString(deterministic=True)

    back = theirs.Event.FromString(data).SerializeToString(deterministic=True)

    assert back == data
    assert ours.Event.FromString(back) == full_event()


@given(st.binary(max_size=200))
def test_garbage_is_a_typed_error(data: bytes) -> None:
    """Any bytes are an event or a CorruptRecord, nothing else."""
    told = ""
    try:
        decode_event(data)
    except CorruptRecord as error:
        told = str(error)

    assert told == "" or told.startswith(f"a record of {len(data)} bytes is no event")


@given(st.integers(0, 2**64 - 1))
def test_varint_round_trip(number: int) -> None:
    """A varint read back is the number written, and ends where it should."""
    data = varint(number) + b"\x00"

    assert read_varint(data, 0) == (number, len(data) - 1)


@given(st.binary(max_size=60))
def test_fields_end_within_the_message(data: bytes) -> None:
    """Walking any bytes as fields ends, stays inside, or raises the two errors it names."""
    try:
        for _, _, start, end in fields(data, 0, len(data)):
            assert 0 <= start <= end <= len(data)
    except (IndexError, ValueError):
        pass
