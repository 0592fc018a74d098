"""What stands in an event file: every damaged byte is named, and nothing sound is."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tallyboard.core import audit as auditing
from tallyboard.core.audit import Audit, Damage, audit
from tallyboard.core.record import HEADER, OVERHEAD, frame
from tallyboard.core.wire import encode_file_version, encode_scalar

SCALARS = [frame(encode_scalar("loss", step, 5.0, 0.5)) for step in range(1, 40)]
HEAD = frame(encode_file_version(5.0))
WHOLE = b"".join([HEAD, *SCALARS])
STARTS = [0, *(len(HEAD) + len(b"".join(SCALARS[:i])) for i in range(len(SCALARS) + 1))]


def audited(folder: Path, data: bytes, **options: bool) -> Audit:
    path = folder / "events.out.tfevents.1"
    path.write_bytes(data)
    return audit(path, **options)


def test_a_sound_file(tmp_path: Path) -> None:
    """Records are counted, the producer is read, nothing is damaged."""
    assert audited(tmp_path, WHOLE) == Audit(
        len(WHOLE), 1 + len(SCALARS), "brain.Event:2", "tallyboard.core.writer", 0, []
    )
    assert audited(tmp_path, b"") == Audit()


@settings(max_examples=60, deadline=None)
@given(cut=st.integers(0, len(WHOLE)))
def test_a_torn_tail_is_not_damage(cut: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Cut anywhere, the file has the records before the cut, and the bytes behind them are not there yet."""
    found = audited(tmp_path_factory.mktemp("cut"), WHOLE[:cut])
    whole = max(start for start in STARTS if start <= cut)
    assert (found.records, found.unfinished, found.damage) == (STARTS.index(whole), cut - whole, [])


@settings(max_examples=60, deadline=None)
@given(at=st.integers(0, len(WHOLE) - 1), bit=st.integers(0, 7))
def test_one_flipped_bit_is_found(at: int, bit: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    """The record of the bit, and no other, is damaged: as a record if its header holds, else as foreign bytes."""
    data = bytearray(WHOLE)
    data[at] ^= 1 << bit
    found = audited(tmp_path_factory.mktemp("flip"), bytes(data))
    start = max(start for start in STARTS if start <= at)
    end = min(end for end in STARTS if end > at)
    what = "bad_checksum" if at - start >= HEADER else "no_record"
    assert found.damage == [Damage(start, end - start, what)]
    assert found.records == len(STARTS) - 1 - (what == "no_record")


@pytest.mark.parametrize("chunk", [64, 100, 1000])
def test_chunks_change_nothing(chunk: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file larger than what is read at once, with a gap and a record longer than that, is audited the same."""
    long = frame(encode_scalar("x" * 500, 1, 5.0, 0.5))
    data = WHOLE + b"\xff" * 777 + long + WHOLE + frame(b"\xff\xff") + b"\xee" * 30
    at_once = audited(tmp_path, data)
    monkeypatch.setattr(auditing, "CHUNK", chunk)
    assert audited(tmp_path, data) == at_once
    bad = 2 * len(WHOLE) + 777 + len(long)
    assert at_once.damage == [
        Damage(len(WHOLE), 777, "no_record"),
        Damage(bad, 2 + OVERHEAD, "no_event"),
        Damage(bad + 2 + OVERHEAD, 30, "no_record"),
    ]
    assert (at_once.records, at_once.unfinished) == (2 * (len(SCALARS) + 1) + 2, 0)


def test_without_every_byte_only_the_chain_is_walked(tmp_path: Path) -> None:
    """`every_byte=False` finds foreign bytes and no failing checksum of data."""
    data = bytearray(WHOLE + b"\xff" * 50 + WHOLE)
    data[STARTS[3] + HEADER] ^= 1
    assert audited(tmp_path, bytes(data), every_byte=False).damage == [Damage(len(WHOLE), 50, "no_record")]


def test_a_file_without_a_producer(tmp_path: Path) -> None:
    """A first record that names nobody, or is no event, leaves the producer empty."""
    assert audited(tmp_path, SCALARS[0]).writer == ""
    found = audited(tmp_path, frame(b"\xff") + SCALARS[0])
    assert (found.writer, found.file_version, found.records) == ("", "", 2)
