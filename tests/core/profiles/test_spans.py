"""Sets of times are sets: what is in them is what is in the integers they cover."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tallyboard.core.profiles.spans import clip, common, length, length_within, union, without

PAIRS = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 12)), max_size=12)


def made(pairs: list[tuple[int, int]]) -> np.ndarray:
    start = np.array([start for start, _ in pairs], float)
    return union(start, start + np.array([dur for _, dur in pairs], float))


def members(spans: np.ndarray) -> set[int]:
    return {moment for low, high in spans.tolist() for moment in range(int(low), int(high))}


@given(PAIRS)
def test_union(pairs: list[tuple[int, int]]) -> None:
    """The union covers what any of them covers, in rows that are sorted and neither touch nor are empty."""
    spans = made(pairs)
    assert members(spans) == {moment for start, dur in pairs for moment in range(start, start + dur)}
    assert (spans[:, 1] > spans[:, 0]).all()
    assert (spans[1:, 0] > spans[:-1, 1]).all()


@given(PAIRS, PAIRS)
def test_common_and_without(one: list[tuple[int, int]], other: list[tuple[int, int]]) -> None:
    """What both have, and what one has alone, add up to the one."""
    a, b = made(one), made(other)
    assert members(common(a, b)) == members(a) & members(b)
    assert members(without(a, b)) == members(a) - members(b)
    assert length(common(a, b)) + length(without(a, b)) == length(a)


@given(PAIRS, st.lists(st.tuples(st.integers(0, 40), st.integers(0, 20)), min_size=1, max_size=5))
def test_length_within(pairs: list[tuple[int, int]], windows: list[tuple[int, int]]) -> None:
    """How long they are within each window is how long they are when cut to it, wherever windows overlap."""
    spans = made(pairs)
    edges = np.array([(low, low + wide) for low, wide in windows], float)
    assert length_within(spans, edges).tolist() == [length(clip(spans, low, high)) for low, high in edges.tolist()]
