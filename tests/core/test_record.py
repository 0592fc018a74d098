"""Framing: every whole record is found, nothing else is, whatever the bytes."""

from __future__ import annotations

import struct
import sys
import types
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tallyboard.core import record
from tallyboard.core.record import PAD, byte_table, checksums_hold, crc32c, frame, masked_crc, scan

RECORDS = st.lists(st.binary(max_size=120), max_size=60)


def padded(data: bytes) -> np.ndarray[Any, np.dtype[np.uint8]]:
    return np.frombuffer(data + bytes(PAD), np.uint8).copy()


def found(data: bytes, lane_bytes: int = 200) -> tuple[list[bytes], int, list[tuple[int, int]]]:
    """The records that hold, where the scan stopped, and the gaps."""
    buffer = padded(data)
    frames = scan(buffer, [0], [len(data)], lane_bytes)
    hold = checksums_hold(buffer, frames.offset, frames.length)
    records = [
        data[at + 12 : at + 12 + n]
        for at, n, good in zip(frames.offset.tolist(), frames.length.tolist(), hold.tolist(), strict=True)
        if good
    ]
    return records, int(frames.stop[0]), [(gap.start, gap.end) for gap in frames.gaps]


def test_crc_known_answers() -> None:
    """CRC-32C agrees with the test vectors of RFC 3720, appendix B.4."""
    assert crc32c(bytes(32)) == 0x8A9136AA
    assert crc32c(b"\xff" * 32) == 0x62A8AB43
    assert crc32c(bytes(range(32))) == 0x46DD794E
    assert crc32c(bytes(range(31, -1, -1))) == 0x113FDB5C


def test_frame_is_tensorflows() -> None:
    """A framed record has the bytes that TensorFlow's own record writer gives it."""
    tf_record = pytest.importorskip("tensorboard.summary.writer.record_writer")
    import io

    class Kept(io.BytesIO):
        def close(self) -> None:
            pass

    for data in (b"", b"x", bytes(range(256)) * 9):
        file = Kept()
        tf_record.RecordWriter(file).write(data)

        assert frame(data) == file.getvalue()


def by_bytes(data: bytes) -> int:
    """The checksum as the RFC defines it."""
    crc = 0xFFFFFFFF
    table = byte_table(0).tolist()
    for byte in data:
        crc = table[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    return crc ^ 0xFFFFFFFF


@pytest.fixture(params=["numpy", "google-crc32c"])
def library(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """What long checksums are made with."""
    if request.param == "numpy":
        monkeypatch.setitem(sys.modules, "google_crc32c", None)
    else:
        pytest.importorskip("google_crc32c")
    monkeypatch.setattr(record, "_native", [])
    return request.param


@given(data=st.binary(max_size=3000))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_long_and_short_crc_agree(library: str, data: bytes) -> None:
    """The checksum of rows computed together, or by the library, equals the one computed byte by byte."""
    assert crc32c(data) == by_bytes(data)
    if len(data) >= 512:
        assert (record._native[0] is None) == (library == "numpy")


@given(size=st.integers(512, 60_000), seed=st.integers(0, 2**32), zeros=st.integers(0, 3000))
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
def test_crc_of_many_bytes(library: str, size: int, seed: int, zeros: int) -> None:
    """Of bytes that are folded once or many times the checksum is that of all, whatever holds them."""
    data = bytes(zeros) + np.random.default_rng(seed).bytes(size)
    expected = by_bytes(data)

    assert crc32c(data) == crc32c(bytearray(data)) == crc32c(memoryview(data)) == expected
    assert crc32c(np.frombuffer(data, np.uint8)) == expected


def test_crc_of_megabytes(library: str) -> None:
    """Of several megabytes too, and of those less a byte or with one more."""
    data = np.random.default_rng(3).bytes(3_000_001)
    halves = crc32c(data[:1_500_000]), crc32c(data[1_500_000:])

    assert [crc32c(data[:n]) for n in (3_000_001, 3_000_000)] == [0x0DAF4748, 0xC4C44B49]
    assert halves == (0x2BEA08CB, 0x6F0D6D0F)


def test_folding_takes_multiples_of_the_polynomial() -> None:
    """x^5321 + x^3574 + x^2491 + 1, on which folding stands, is a multiple of CRC-32C's polynomial."""
    powers, power = {}, 1
    for exponent in range(5322):
        powers[exponent] = power
        power = (power << 1) ^ (0x11EDC6F41 if power >> 31 else 0)
    far = record._FOLDS[2]

    assert powers[far] ^ powers[far - record._FOLDS[0]] ^ powers[far - record._FOLDS[1]] ^ powers[0] == 0
    assert far <= record._UNFOLDED


def test_a_library_without_native_code_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """google-crc32c in pure Python would be slower than NumPy."""
    slow = types.SimpleNamespace(implementation="python", value=lambda data: 1 // 0)
    monkeypatch.setitem(sys.modules, "google_crc32c", slow)
    monkeypatch.setattr(record, "_native", [])

    assert crc32c(bytes(600)) == by_bytes(bytes(600))


@given(RECORDS, st.sampled_from([30, 200, 30_000]))
def test_round_trip(records: list[bytes], lane_bytes: int) -> None:
    """What was framed is found again, in order, however many lanes walk it."""
    data = b"".join(map(frame, records))

    assert found(data, lane_bytes) == (records, len(data), [])


@given(RECORDS.filter(bool), st.data())
def test_torn_tail_is_not_yet(records: list[bytes], draw: st.DataObject) -> None:
    """A file cut anywhere gives its whole records and no damage; the rest is not there yet."""
    data = b"".join(map(frame, records))
    cut = draw.draw(st.integers(0, len(data)))
    ends = np.cumsum([len(record) + 16 for record in records]).tolist()
    whole = sum(end <= cut for end in ends)

    got, stop, gaps = found(data[:cut])

    assert got == records[:whole]
    assert stop == ([0, *ends])[whole]
    assert gaps == []


@settings(max_examples=300)
@given(st.lists(st.binary(min_size=1, max_size=120), min_size=1, max_size=40), st.data())
def test_flipped_bit_costs_one_record(records: list[bytes], draw: st.DataObject) -> None:
    """One flipped bit loses the record it is in and no other, and is never taken for data."""
    data = bytearray(b"".join(map(frame, records)))
    bit = draw.draw(st.integers(0, 8 * len(data) - 1))
    data[bit // 8] ^= 1 << (bit % 8)
    ends = np.cumsum([len(record) + 16 for record in records]).tolist()
    hit = sum(end <= bit // 8 for end in ends)

    got, _, gaps = found(bytes(data))

    assert got == records[:hit] + records[hit + 1 :]
    in_header = bit // 8 - ([0, *ends])[hit] < 12
    assert len(gaps) == (1 if in_header else 0)


@given(st.binary(max_size=400), RECORDS)
def test_records_after_garbage_are_recovered(garbage: bytes, records: list[bytes]) -> None:
    """Bytes that are no record are skipped; every record behind them is found."""
    data = garbage + b"".join(map(frame, records))

    got, _, _ = found(data)

    assert got[-len(records) :] == records if records else True


@given(st.lists(RECORDS, min_size=1, max_size=6))
def test_segments_do_not_mix(files: list[list[bytes]]) -> None:
    """Several files in one buffer give each its own records."""
    raw = [b"".join(map(frame, records)) for records in files]
    ends = np.cumsum([len(data) for data in raw]).tolist()
    starts = [0, *ends[:-1]]
    buffer = padded(b"".join(raw))

    frames = scan(buffer, starts, ends, 100)

    for i, records in enumerate(files):
        own = frames.segment == i
        assert [
            bytes(buffer[at + 12 : at + 12 + n]) for at, n in zip(frames.offset[own], frames.length[own], strict=True)
        ] == records
    assert frames.stop.tolist() == ends


def test_absurd_length_is_damage() -> None:
    """A length beyond what protobuf allows is skipped, not waited for and not allocated."""
    length = struct.pack("<Q", 2**60)
    data = length + struct.pack("<I", masked_crc(length)) + frame(b"next")

    assert found(data) == ([b"next"], len(data), [(0, 12)])


def test_wrong_guess_inside_a_blob() -> None:
    """Records inside a record's data are not mistaken for the file's own."""
    inner = b"".join(frame(b"inner%d" % i) for i in range(50))
    records = [b"first", inner, b"last"]
    data = b"".join(map(frame, records))

    assert found(data, lane_bytes=40) == (records, len(data), [])
