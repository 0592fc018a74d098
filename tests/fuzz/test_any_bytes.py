"""Any bytes at all: the reader neither raises nor hangs, allocates nothing on their word, and keeps what is whole.

Each search runs once, or over and over for the seconds that TALLYBOARD_FUZZ_SECONDS names (`nox -s fuzz`).
"""

from __future__ import annotations

import os
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .claims import Change, Kind, certain_points, changed, check, whole_file

MEMORY_MAX = 48 << 20  # bytes, for files of some 30 kB
SECONDS = float(os.environ.get("TALLYBOARD_FUZZ_SECONDS", "0"))

numbers = st.one_of(st.integers(0, 2**16), st.integers(0, 2**64 - 1), st.sampled_from([2**31, 2**60, 2**63, 2**64 - 1]))
changes = st.lists(
    st.builds(Change, st.sampled_from(Kind), st.integers(0, 2**16 - 1), numbers, st.binary(max_size=64)), max_size=5
)
splits = st.floats(0, 1)
many = settings(max_examples=700, deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True)


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return whole_file(tmp_path_factory.mktemp("whole"))


def checked(data: bytes, split: float) -> None:
    with tempfile.TemporaryDirectory() as folder:
        check(data, int(split * len(data)), Path(folder))


def search(once: Callable[[], None]) -> None:
    """At least once, and again while there is time."""
    end = time.monotonic() + SECONDS
    once()
    while time.monotonic() < end:
        once()


def test_a_changed_file(original: bytes) -> None:
    """However an event file was changed, with its checksums broken or put right, the claims of `check` hold."""

    @many
    @given(changes=changes, split=splits)
    def once(changes: list[Change], split: float) -> None:
        checked(changed(original, changes), split)

    search(once)


def test_garbage() -> None:
    """The same holds of bytes that never were an event file."""

    @settings(many, max_examples=300)
    @given(data=st.binary(max_size=4096), split=splits)
    def once(data: bytes, split: float) -> None:
        checked(data, split)

    once()


def test_memory_is_bounded(original: bytes) -> None:
    """What is allocated depends on the bytes that are there, and never on a length that they declare."""

    @settings(many, max_examples=60)
    @given(changes=changes)
    def once(changes: list[Change]) -> None:
        data = changed(original, changes)
        tracemalloc.start()
        try:
            checked(data, 0.5)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert peak < MEMORY_MAX, f"{peak >> 20} MiB for {len(data)} bytes"

    once()


def test_what_is_certain(original: bytes) -> None:
    """The certain points of the whole file are its plain scalars, all of them, so that a lost one would be noticed."""
    points = certain_points(original)

    assert {tag: len(series) for tag, series in points.items() if tag in ("train/accuracy", "a")} == {
        "train/accuracy": 40,
        "a": 8,
    }
