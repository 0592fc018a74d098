"""Scalars in bulk: the same bytes as one at a time, and the same values back."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tallyboard.core.decoder import Decoded, ScalarDecoder
from tallyboard.core.record import frame, scan
from tallyboard.core.scalars import FEW, ScalarEncoder
from tallyboard.core.wire import decode_event, encode_scalar

STEPS = st.one_of(st.integers(-(2**63), 2**63 - 1), st.integers(0, 300), st.sampled_from([0, 127, 128, 2**56, 2**62]))
TAGS = st.sampled_from(["loss", "train/loss", "a", "σ/ü", "x" * 130, "y" * 200])
ROWS = st.lists(
    st.tuples(TAGS, st.floats(width=32), STEPS, st.floats(0, 4e9, allow_nan=False)), min_size=FEW, max_size=200
)


def decode(raw: bytes) -> tuple[ScalarDecoder, Decoded]:
    buffer = np.frombuffer(raw + bytes(2048), np.uint8)
    frames = scan(buffer, [0], [len(raw)])
    decoder = ScalarDecoder()
    return decoder, decoder.decode(buffer, frames.offset, frames.length)


@given(ROWS)
def test_bulk_encoding_equals_single(rows: list[tuple[str, float, int, float]]) -> None:
    """Columns packed together are, byte for byte, the records packed one by one, checksums included."""
    tags, values, steps, walls = zip(*rows, strict=True)

    got = ScalarEncoder().encode(tags, values, steps, walls)

    assert got == b"".join(frame(encode_scalar(tag, step, wall, value)) for tag, value, step, wall in rows)


@pytest.mark.parametrize("remembered", [50_000, 10])
def test_tags_of_one_length_share_their_columns(remembered: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hundreds of tags in batches, old and new ones, come out as packed one by one, remembered or forgotten between."""
    monkeypatch.setattr(ScalarEncoder, "TAGS_MAX", remembered)
    encoder = ScalarEncoder()
    for batch in range(6):
        tags = [f"layer{i}/σ{'x' * (i % 3)}" for i in range(40 * batch, 40 * batch + 90)] * 2
        steps = [batch * 60 + i % 70 for i in range(len(tags))]
        walls, values = [1e9 + i / 7 for i in range(len(tags))], [i / 3 for i in range(len(tags))]

        got = encoder.encode(tags, values, steps, walls)

        rows = zip(tags, steps, walls, values, strict=True)
        assert got == b"".join(frame(encode_scalar(*row)) for row in rows)


@settings(deadline=None)
@given(ROWS)
def test_bulk_decoding_inverts_encoding(rows: list[tuple[str, float, int, float]]) -> None:
    """Every row comes back with its tag, step, wall time and float32 value, in order."""
    tags, values, steps, walls = zip(*rows, strict=True)

    decoder, got = decode(ScalarEncoder().encode(tags, values, steps, walls))

    names = [name.decode() for name in decoder.tags]
    rest = len(got.rest)  # beyond six shapes of one length, the caller parses
    assert len(got.row) + rest == len(rows)
    kept = [rows[i] for i in got.row.tolist()]
    assert [names[i] for i in got.tag.tolist()] == [row[0] for row in kept]
    assert got.step.tolist() == [row[2] for row in kept]
    assert got.wall_time.tolist() == [row[3] for row in kept]
    np.testing.assert_array_equal(got.value, np.array([row[1] for row in kept], np.float32).astype(np.float64))
    assert not got.wide.any()
    assert not len(got.corrupt)


@settings(max_examples=200)
@given(st.data())
def test_flipped_bit_never_becomes_a_value(draw: st.DataObject) -> None:
    """A row with any data bit flipped is reported corrupt or left to the caller, never decoded; the others stay."""
    rows = [(f"tag{i % 3}", float(i), i, 1.0 + i) for i in range(60)]
    tags, values, steps, walls = zip(*rows, strict=True)
    raw = bytearray(ScalarEncoder().encode(tags, values, steps, walls))
    size = len(frame(encode_scalar("tag0", 5, 1.0, 1.0)))
    row = draw.draw(st.integers(1, 59))
    bit = draw.draw(st.integers(12 * 8, (size - 1) * 8 - 1))
    lengths = [len(frame(encode_scalar(tag, step, wall, value))) for tag, value, step, wall in rows]
    raw[sum(lengths[:row]) + bit // 8] ^= 1 << bit % 8

    _, got = decode(bytes(raw))

    assert row not in got.row.tolist()
    assert row in [*got.corrupt.tolist(), *got.rest.tolist()]
    assert sorted(got.row.tolist()) == [i for i in range(60) if i != row]


def test_too_large_for_float32_is_infinity() -> None:
    """A value beyond float32 is written as infinity of its sign, in bulk and alone."""
    many = ["a"] * FEW
    raw = ScalarEncoder().encode(many, [1e39, -1e39] * (FEW // 2), [1] * FEW, [2.0] * FEW)

    _, got = decode(raw)

    assert got.value.tolist() == [math.inf, -math.inf] * (FEW // 2)
    assert decode_event(encode_scalar("a", 1, 2.0, -1e39)).summary.value[0].simple_value == -math.inf


def test_many_shapes_of_one_length() -> None:
    """Records of one length whose steps have any width are all decoded in bulk."""
    rows = [("x" * (20 - width), 1 << (7 * (width - 1)) if width > 1 else 1, 3.0, 4.0) for width in range(1, 10)] * 5

    _, got = decode(b"".join(frame(encode_scalar(*row)) for row in rows))

    assert sorted(got.row.tolist()) == list(range(len(rows)))


def test_more_shapes_than_templates_go_to_the_caller() -> None:
    """Beyond the templates of a shape, rows are handed to the caller, not lost."""
    events: list[bytes] = []
    for number in range(10):  # a tag and a node name of one length together: ten places for the value's parts
        tag, node = b"t" * (number + 1), b"n" * (12 - number)
        value = b"\x0a%c%b\x3a%c%b\x15\x00\x00\x80\x3f" % (len(tag), tag, len(node), node)
        events.append(b"\x09" + bytes(8) + b"\x10\x05\x2a%c\x0a%c%b" % (len(value) + 2, len(value), value))
    assert {decode_event(event).summary.value[0].simple_value for event in events} == {1.0}

    _, got = decode(b"".join(map(frame, events * 5)))

    assert sorted([*got.row.tolist(), *got.rest.tolist()]) == list(range(50))
    assert len(got.rest) == 5 * (10 - ScalarDecoder.TEMPLATES_PER_SHAPE)
