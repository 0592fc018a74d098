"""A table of what one piece of work costs each side, how they compare, and whether that is what was wanted.

Every side does its share of a piece of work once a round, the order turning from round to round, and gives one or more
figures for it. A figure is the median over the rounds; a ratio is the median of the rounds' ratios, so that a slow
spell of the machine, which hits neighbours in a round alike, does little to it.
"""

from __future__ import annotations

import gc
import os
import statistics
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

__all__ = ["Figure", "Rounds", "Row", "measure", "show"]

Figures = Mapping[str, float]
Rounds = dict[str, list[Figures]]
WIDTH = 17


@dataclass(frozen=True)
class Figure:
    """One line of the table.

    Attributes:
        name, unit: what it says.
        key: under which name the sides gave it.
        times: of a peer's figure, how many times ours it shall be at least.
        most, least: what ours shall be at most, or at least.
        rate: more is better, so that ratios are the other way round.
    """

    name: str
    unit: str
    key: str
    times: Mapping[str, float] = field(default_factory=dict)
    most: float | None = None
    least: float | None = None
    rate: bool = False


@dataclass(frozen=True)
class Row:
    """A figure as it was measured."""

    figure: Figure
    rounds: Rounds

    def median(self, side: str) -> float:
        """Of a side's rounds."""
        return statistics.median(figures[self.figure.key] for figures in self.rounds[side])

    def ratio(self, side: str) -> float:
        """How many times better than a peer ours is."""
        ours = next(iter(self.rounds.values()))
        pairs = [(a[self.figure.key], b[self.figure.key]) for a, b in zip(ours, self.rounds[side], strict=True)]
        return statistics.median(a / b if self.figure.rate else b / a for a, b in pairs)

    def wanted(self) -> list[tuple[str, bool]]:
        """What was asked of it, and whether it is so; of an absent peer nothing is."""
        figure, ours = self.figure, self.median(next(iter(self.rounds)))
        asked = [
            (f"{times:g}x {side}", self.ratio(side) >= times)
            for side, times in figure.times.items()
            if side in self.rounds
        ]
        if figure.most is not None:
            asked.append((f"<= {number(figure.most)} {figure.unit}", ours <= figure.most))
        if figure.least is not None:
            asked.append((f">= {number(figure.least)} {figure.unit}", ours >= figure.least))
        return asked

    def line(self, sides: Sequence[str]) -> str:
        """The line, with a cell for each of these sides."""
        ours = next(iter(self.rounds))
        cells = [f"{self.figure.name + ', ' + self.figure.unit:<52}", f"{number(self.median(ours)):>10}"]
        for side in sides[1:]:
            cell = f"{number(self.median(side))} {self.ratio(side):6.1f}x" if side in self.rounds else "-"
            cells.append(f"{cell:>{WIDTH}}")
        asked = self.wanted()
        verdict = "" if not asked else "met" if all(good for _, good in asked) else "NOT MET"
        return "  ".join((*cells, f"{', '.join(text for text, _ in asked):<28}", verdict)).rstrip()


def measure(sides: Mapping[str, Callable[[], Figures]], rounds: int, warm: bool = True) -> Rounds:
    """What each side gives, round by round; a first round is not counted, unless there is nothing to warm."""
    result: Rounds = {side: [] for side in sides}
    names = list(sides)
    for turn in range(rounds + warm):
        at = turn % len(names)
        for side in names[at:] + names[:at]:
            gc.collect()
            figures = sides[side]()
            if turn >= warm:
                result[side].append(figures)
    return result


def show(title: str, sides: Sequence[str], tables: Sequence[tuple[str, Callable[[], list[Row]]]]) -> list[Row]:
    """Measures and prints the whole table, line by line as it is known; returns its rows."""
    # Installed packages have their bytecode; a clone's processes make it in their first round, unless forbidden.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    print(f"{title}\n{machine()}; load average {load()} at the start")
    print("Medians of interleaved rounds. Beside a peer's figure stands how many times better ours is.\n")
    head = [f"{'work':<52}", f"{sides[0]:>10}", *(f"{side:>{WIDTH}}" for side in sides[1:]), f"{'wanted':<28}"]
    print("  ".join(head), flush=True)
    rows: list[Row] = []
    for name, table in tables:
        print(f"-- {name}", flush=True)
        for row in table():
            rows.append(row)
            print(row.line(sides), flush=True)
    short = [row.figure.name for row in rows if not all(good for _, good in row.wanted())]
    print(f"\nload average {load()} at the end; not met: {'; '.join(short) or 'nothing'}")
    return rows


def machine() -> str:
    """The processor, and how many of it there are."""
    name = "unknown processor"
    if os.path.exists("/proc/cpuinfo"):
        with open("/proc/cpuinfo") as file:
            name = next((line.partition(":")[2].strip() for line in file if line.startswith("model name")), name)
    return f"{os.cpu_count()} x {name}, Python {sys.version.split()[0]}"


def load() -> str:
    """How many programs wanted a processor in the last minute."""
    return f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "unknown"


def number(value: float) -> str:
    """Three digits that count."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
