"""Ratios and differences of two sides that take turns, with the interval that the mean lies in.

On a machine that does other work a single figure says little. Here blocks of both sides follow each other in an order
that chance gives; what is told is the mean of the blocks' own ratios, or differences, with its 95 % interval, and a
bound is met, or not met, only where the whole interval lies on its side.
"""

from __future__ import annotations

import gc
import math
import os
import random
import statistics
from collections.abc import Callable, Mapping, Sequence

__all__ = ["Interval", "blocks", "load", "verdict"]

_T = {5: 2.57, 7: 2.36, 10: 2.23, 12: 2.18, 15: 2.13, 20: 2.09, 30: 2.04, 60: 2.0}


class Interval:
    """The mean of some values, `least` and `most` of its 95 % interval by Student's t, and the values' median."""

    def __init__(self, values: Sequence[float]) -> None:
        self.mean = statistics.fmean(values)
        self.median = statistics.median(values)
        degrees = len(values) - 1
        factor = next((t for most, t in _T.items() if degrees <= most), 1.96)
        around = factor * statistics.stdev(values) / math.sqrt(len(values))
        self.least, self.most = self.mean - around, self.mean + around

    def text(self, unit: str = "", digits: int = 2) -> str:
        """The mean with its interval and the median."""
        parts = (f"{value:.{digits}f}" for value in (self.mean, self.least, self.most, self.median))
        mean, least, most, median = parts
        return f"{mean}{unit} [{least} .. {most}], median {median}{unit}"


def blocks(sides: Mapping[str, Callable[[], float]], count: int) -> dict[str, list[float]]:
    """Runs each side once a block, in an order that chance gives; one block more comes first and is not counted.

    Returns:
        The figures of each side, block by block.
    """
    found: dict[str, list[float]] = {name: [] for name in sides}
    for block in range(count + 1):
        order = list(sides)
        random.shuffle(order)
        for name in order:
            gc.collect()
            figure = sides[name]()
            if block:
                found[name].append(figure)
    return found


def verdict(interval: Interval, *, most: float | None = None, least: float | None = None) -> str:
    """`met`, `NOT MET`, or `inconclusive` where the bound lies within the interval."""
    if most is not None:
        return "met" if interval.most <= most else "NOT MET" if interval.least > most else "inconclusive"
    assert least is not None
    return "met" if interval.least >= least else "NOT MET" if interval.most < least else "inconclusive"


def load() -> str:
    """How busy the machine is, to be read with the figures."""
    return f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
