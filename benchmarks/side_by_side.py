"""Runs two ways of doing the same work in turn, and prints what each took and how they compare.

These figures are for machines that do other work as well: rounds are interleaved, so that a slow spell hits both
sides, and what counts is the median of the ratios, not any single time.
"""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

__all__ = ["Comparison", "compare"]


@dataclass
class Comparison:
    """What each side measured, round by round; `ours` is the first."""

    title: str
    unit: str
    rounds: dict[str, list[float]] = field(default_factory=dict)

    def ratio(self, peer: str) -> float:
        """How many times as much the peer needs: the median over the rounds."""
        ours = next(iter(self.rounds.values()))
        return statistics.median(b / a for a, b in zip(ours, self.rounds[peer], strict=True))

    def report(self, wanted: Mapping[str, float]) -> str:
        """A table: median, least and most of each side, and the ratio of each peer, with the one wanted of some."""
        lines = [
            f"{self.title} ({self.unit}; median [least .. most] of {len(next(iter(self.rounds.values())))} rounds)"
        ]
        for i, (name, values) in enumerate(self.rounds.items()):
            line = f"  {name:<42} {statistics.median(values):>10.3f} [{min(values):.3f} .. {max(values):.3f}]"
            if i:
                line += f"   {self.ratio(name):6.1f} x ours"
            if name in wanted:
                line += f" (wanted: at least {wanted[name]:g} x)"
            lines.append(line)
        return "\n".join(lines)


def compare(title: str, unit: str, sides: Mapping[str, Callable[[], float]], rounds: int) -> Comparison:
    """Runs every side once a round, the order turning from round to round; each returns its own figure.

    Args:
        title, unit: for the report.
        sides: name and function; ours first.
        rounds: how often; one more is run before and not counted.
    """
    result = Comparison(title, unit, {name: [] for name in sides})
    names = list(sides)
    for turn in range(rounds + 1):
        order = names[turn % len(names) :] + names[: turn % len(names)]
        for name in order:
            gc.collect()
            figure = sides[name]()
            if turn:
                result.rounds[name].append(figure)
    return result


def seconds(work: Callable[[], object]) -> float:
    """Wall time of one call."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start
