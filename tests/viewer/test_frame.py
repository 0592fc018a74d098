"""The TLY1 frame: bytes fixed for ever, columns shared, every float kept to the bit."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tallyboard.viewer.frame import Frame, Part, encode_frame

Decode = Callable[[bytes], list[dict[str, Any]]]

HEADER = (
    b'{"v":1,"order":"little","series":['
    b'{"run":"a","tag":"loss","since":2,"n":3,"total":5,'
    b'"step":{"at":0,"type":"f8"},"wall":{"at":24,"type":"f8"},"value":{"at":48,"type":"f4"}},'
    b'{"run":"b/\\u00e9","tag":"loss","since":0,"n":3,"total":3,'
    b'"step":{"at":0,"type":"f8"},"wall":{"at":64,"type":"f8"},"value":{"at":64,"type":"f8"}}]}'
)
GOLDEN = (
    b"TLY1\x40\x01\x00\x00"  # 320
    + HEADER.ljust(320)
    + bytes.fromhex("0000000000001440 0000000000001840 0000000000001c40")  # steps 5, 6, 7 of both series
    + bytes.fromhex("000000000000f03f 000000000000f83f 0000000000000040")  # wall times of a: 1, 1.5, 2
    + bytes.fromhex("0000003f 0000c07f 0000807f 00000000")  # values of a: 0.5, NaN, inf; padded to 8
    + bytes.fromhex("0000000000000000 0000000000000080 000000000000f0ff")  # wall times and values of b: 0, -0, -inf
)


def part(run: str, steps: Any, walls: Any, values: Any, *, since: int = 0, kind: Any = np.float32) -> Part:
    value = np.asarray(values, kind)
    return Part(
        run, "loss", since, since + len(value), np.asarray(steps, np.int64), np.asarray(walls, np.float64), value
    )


def bits(column: np.ndarray[Any, Any]) -> bytes:
    return column.tobytes()


def test_the_bytes_of_a_frame_are_fixed() -> None:
    """Page and server agree on these bytes; a change of them is a new version of the format."""
    a = part("a", [5, 6, 7], [1, 1.5, 2], [0.5, np.nan, np.inf], since=2)
    b = part("b/é", [5, 6, 7], [0.0, -0.0, -np.inf], [0.0, -0.0, -np.inf], kind=np.float64)

    assert bytes(encode_frame([a, b])) == GOLDEN


def test_an_empty_frame_is_a_header() -> None:
    """No series asked for: the frame holds an empty list, and nothing after it."""
    frame = bytes(encode_frame([]))

    assert frame == b"TLY1" + struct.pack("<I", 40) + b'{"v":1,"order":"little","series":[]}'.ljust(40)


any_float = st.floats(width=64, allow_nan=True, allow_infinity=True)


@st.composite
def parts(draw: st.DrawFn) -> list[Part]:
    made: list[Part] = []
    for number in range(draw(st.integers(0, 4))):
        n = draw(st.integers(0, 40))
        kind = draw(st.sampled_from([np.float32, np.float64]))
        # a small pool of sizes and values, so that columns do meet their equals
        step = draw(hnp.arrays(np.int64, n, elements=st.integers(-(2**53), 2**53), fill=st.just(7)))
        wall = draw(hnp.arrays(np.float64, n, elements=any_float, fill=st.just(1.0)))
        bytes_of_value = draw(st.binary(min_size=n * np.dtype(kind).itemsize, max_size=n * np.dtype(kind).itemsize))
        since = draw(st.integers(0, 9))
        made.append(
            Part(
                draw(st.text(max_size=5)) + str(number),
                draw(st.text(st.characters(exclude_categories=[]), max_size=5)),  # lone surrogates too
                since,
                since + n,
                step,
                wall,
                np.frombuffer(bytes_of_value, kind),
            )
        )
    return made


@settings(deadline=None)
@given(parts())
def test_what_goes_in_comes_out(decode_frame: Decode, given_parts: list[Part]) -> None:
    """Names, counts and every bit of every column survive, NaN payloads and lone surrogates included."""
    frame = encode_frame(given_parts)
    read = decode_frame(bytes(frame))

    assert len(bytes(frame)) == frame.size
    assert [(s["run"], s["tag"], s["since"], s["n"], s["total"]) for s in read] == [
        (p.run, p.tag, p.since, len(p.value), p.total) for p in given_parts
    ]
    for series, given_part in zip(read, given_parts, strict=True):
        assert bits(series["step"]) == bits(given_part.step.astype(np.float64))
        assert bits(series["wall"]) == bits(given_part.wall_time)
        assert bits(series["value"]) == bits(given_part.value)
        assert series["value"].dtype == given_part.value.dtype


@settings(deadline=None)
@given(parts(), st.integers(1, 64))
def test_pieces_are_the_frame(given_parts: list[Part], eighths: int) -> None:
    """However it is cut, the pieces join to the same frame, and none after the head is larger than asked."""
    frame = encode_frame(given_parts)
    size = eighths * 8
    pieces = list(frame.pieces(size))

    assert b"".join(pieces) == bytes(frame)
    assert all(len(piece) <= size for piece in pieces[1:])
    assert len(pieces[0]) <= max(size, len(frame.head))


def test_equal_columns_are_stored_once(decode_frame: Decode) -> None:
    """A thousand runs logged at the same steps and times send those columns once."""
    steps, walls = np.arange(1000), np.linspace(0, 1, 1000)
    frame = encode_frame(part(f"run{n}", steps.copy(), walls.copy(), np.full(1000, n)) for n in range(1000))

    read = decode_frame(bytes(frame))
    assert {series["at"]["step"] for series in read} == {0}
    assert {series["at"]["wall"] for series in read} == {8000}
    assert sorted(series["at"]["value"] for series in read) == [16000 + 4000 * n for n in range(1000)]
    assert frame.size == len(frame.head) + 16000 + 1000 * 4000


@pytest.mark.parametrize("at", [0, 1, 499, 998, 999])
def test_columns_that_differ_in_one_bit_are_not_one(decode_frame: Decode, at: int) -> None:
    """Columns are one only when every bit is equal, wherever the difference hides."""
    values = np.linspace(1, 2, 1000, dtype=np.float32)
    other = values.copy()
    other.view(np.uint32)[at] ^= 1

    first, second = decode_frame(bytes(encode_frame([part("a", [0] * 1000, [0] * 1000, v) for v in (values, other)])))

    assert first["at"]["value"] != second["at"]["value"]
    assert (bits(first["value"]), bits(second["value"])) == (bits(values), bits(other))


def test_nans_of_equal_bits_are_one_column(decode_frame: Decode) -> None:
    """A run of NaN losses is shared like any other column, and stays apart from a NaN of other bits."""
    quiet = np.full(4, 0x7FC00000, np.uint32).view(np.float32)
    other = np.full(4, 0x7FC00001, np.uint32).view(np.float32)
    read = decode_frame(
        bytes(encode_frame(part(r, range(4), range(4), v) for r, v in zip("abc", (quiet, quiet, other), strict=True)))
    )

    assert read[0]["at"]["value"] == read[1]["at"]["value"] != read[2]["at"]["value"]
    assert bits(read[2]["value"]) == bits(other)


def test_zero_and_minus_zero_stay_apart(decode_frame: Decode) -> None:
    """Equal in arithmetic, different in bits: each comes out as it went in."""
    read = decode_frame(bytes(encode_frame([part("a", [0], [0], [0.0]), part("b", [0], [0], [-0.0])])))

    assert [np.signbit(series["value"][0]) for series in read] == [False, True]


def test_columns_made_to_look_alike_cost_no_more_than_they_must(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many columns that agree wherever they are sampled are sent, not compared each with each."""
    compared: list[bool] = []
    equal = np.array_equal
    monkeypatch.setattr(np, "array_equal", lambda a, b: compared.append(True) or equal(a, b))
    values = np.zeros((200, 1000), np.float32)
    values[:, 1] = np.arange(200)  # no sampled place
    frame = encode_frame(part("a", [0] * 1000, [0] * 1000, row) for row in values)

    assert frame.size == len(frame.head) + 8000 + 200 * 4000
    assert len(compared) < 200 * 6


def test_a_large_frame_holds_the_arrays_themselves() -> None:
    """Values are not copied before they are sent: a frame of a gigabyte does not need a second one."""
    value = np.arange(10, dtype=np.float32)
    frame: Frame = encode_frame([part("a", range(10), np.zeros(10), value)])

    assert any(np.shares_memory(column, value) for column in frame.columns)
