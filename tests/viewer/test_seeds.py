"""The figures that the page draws of several seeds are those of `tallyboard.aggregate`."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from tallyboard.core.stats import BandKind, align, band_of

GOLDEN = Path(__file__).parents[2] / "viewer" / "web" / "tests" / "golden" / "seeds.json"
KINDS: tuple[BandKind, ...] = ("std", "sem", "ci95", "minmax")


def cases() -> dict[str, list[tuple[list[int], list[float]]]]:
    """Runs as (steps, values): equal steps, ragged ones, one run, restarts, what is not finite, and many runs."""
    random = np.random.default_rng(7)
    return {
        "equal": [([0, 1, 2, 3], random.normal(size=4).tolist()) for _ in range(3)],
        "ragged": [([0, 2, 4], [1.0, 3.0, 2.0]), ([1, 2, 7], [0.5, 0.25, 4.0]), ([3], [9.0])],
        "one": [([0, 5], [1.0, 2.0])],
        "restarted": [([0, 1, 2, 1, 2], [5.0, 6.0, 7.0, 1.0, 2.0]), ([0, 1, 2], [0.0, 0.0, 0.0])],
        "odd": [([0, 1, 2, 3], [1.0, math.nan, math.inf, 2.0]), ([0, 1, 2, 3], [2.0, 3.0, 4.0, 5.0])],
        "many": [([0, 10, 20], random.normal(size=3).tolist()) for _ in range(30)],
    }


def say(column: Any) -> list[float | str]:
    """Numbers to 13 digits, as sums may differ in the last from machine to machine; others as JavaScript reads them."""
    return [float(f"{value:.13g}") if math.isfinite(value) else word(value) for value in map(float, column)]


def word(value: float) -> str:
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def figures() -> dict[str, Any]:
    """What the golden file is to hold."""
    found: dict[str, Any] = {}
    for name, runs in cases().items():
        aligned = align([(np.array(step, np.int64), np.array(value)) for step, value in runs])
        bands = {}
        for kind in KINDS:
            mean, low, high, count = band_of(aligned, kind)
            bands[kind] = {"mean": say(mean), "lower": say(low), "upper": say(high), "count": count.tolist()}
        said = [{"step": step, "value": say(value)} for step, value in runs]
        found[name] = {"runs": said, "step": aligned.step.tolist(), "bands": bands}
    return found


def test_the_page_is_held_to_these_figures() -> None:
    """The file that the page's own tests compare with is what `align` and `band_of` give today.

    To write it anew: `python -m tests.viewer.test_seeds`.
    """
    assert json.loads(GOLDEN.read_text(encoding="utf-8")) == json.loads(json.dumps(figures()))


if __name__ == "__main__":
    GOLDEN.write_text(json.dumps(figures(), indent=1) + "\n", encoding="utf-8")
