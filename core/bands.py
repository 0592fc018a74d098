"""Several runs as one: the mean of each scalar and a band around it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray

from .dataframes import Columns, Table
from .errors import InvalidSummary
from .run import Run, pattern
from .series import Series, extent
from .stats import BandKind, Steps, align, band_of
from .summary import kind_of

__all__ = ["Band", "aggregate"]


@dataclass(frozen=True, slots=True, eq=False)
class Band(Table):
    """The mean of several runs and a band around it; see `aggregate`.

    Attributes:
        group, tag: which.
        runs: names of the runs in it.
        step: int64 of shape [n].
        mean, lower, upper: float64 of shape [n].
        count: how many runs are in each, int64 of shape [n].
    """

    group: str
    tag: str
    runs: tuple[str, ...]
    step: NDArray[np.int64]
    mean: NDArray[np.float64]
    lower: NDArray[np.float64]
    upper: NDArray[np.float64]
    count: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.step)

    def _columns(self) -> Columns:
        names = ("step", "mean", "lower", "upper", "count")
        return {name: getattr(self, name) for name in names}

    def __repr__(self) -> str:
        return f"Band(group={self.group!r}, tag={self.tag!r}: {len(self.runs)} runs, {extent(self.step)})"


def aggregate(
    runs: Mapping[str, Run] | Iterable[Run],
    by: str | Callable[[Run], object] | None = None,
    *,
    hparam: str | Sequence[str] | None = None,
    tags: str | None = None,
    band: BandKind = "std",
    steps: Steps | Sequence[int] | NDArray[np.int64] = "interpolate",
) -> dict[tuple[str, str], Band]:
    """Mean and band of runs that belong together, such as the seeds of one experiment.

        bands = tb.aggregate(tb.read("runs"), by=r"(.+)/seed\\d+", band="ci95")
        band = bands["resnet", "val/loss"]
        plt.plot(band.step, band.mean)
        plt.fill_between(band.step, band.lower, band.upper, alpha=0.2)

    At each step, over the n runs that count there, with values x:

        mean    sum(x) / n
        std     mean ± s,  s = sqrt(sum((x - mean)²) / (n - 1))
        sem     mean ± s / sqrt(n)
        ci95    mean ± t s / sqrt(n),  t the 97.5 % quantile of Student's distribution of n - 1 degrees of freedom
        minmax  min(x) to max(x)

    Of one run there is no s: the edges are NaN. A NaN or an infinity in a run makes what it touches NaN or infinite; it
    is not left out.

    Args:
        runs: a `Logdir`, or runs of one or several.
        by: the group of a run: a regular expression searched in its name, of which the groups joined by "/" (all that
            matched where there are none) name it, and runs that do not match are left out; or a function that gives a
            name, or None to leave it out. By default all runs are one group, "".
        hparam: in place of `by`, hyperparameters: runs that have the same values are a group, named `lr=0.1,depth=2`;
            runs that lack one are left out.
        tags: a regular expression; only tags in which it is found.
        band: "std", "sem", "ci95" or "minmax".
        steps: what is done when runs logged at different steps. "interpolate": at all steps of the group, each run
            interpolated between its own neighbours, and counted only between its own first and last step. "union": the
            same steps, each run counted only at steps that it has. "common": only the steps that all of them have. A
            list of steps: interpolated there.

    Returns:
        Bands by (group, tag), in the order in which groups are met.

    Raises:
        InvalidSummary: `band`, `steps` or an expression is none of these, or both `by` and `hparam` are given.
    """
    if by is not None and hparam is not None:
        raise InvalidSummary("aggregate: give by or hparam, not both")
    name_of = _by_hparam(hparam) if hparam is not None else _by(by)
    wanted = None if tags is None else pattern(tags, "aggregate: tags")
    groups: dict[tuple[str, str], list[Series]] = {}
    for run in cast("Iterable[Run]", runs.values() if isinstance(runs, Mapping) else runs):
        name = name_of(run)
        if name is None:
            continue
        for tag, series in run.scalars().items():
            if wanted is None or wanted.search(tag):
                groups.setdefault((name, tag), []).append(series)
    out: dict[tuple[str, str], Band] = {}
    for (name, tag), members in groups.items():
        aligned = align([(one.step, one.value) for one in members], steps)
        out[name, tag] = Band(name, tag, tuple(one.run for one in members), aligned.step, *band_of(aligned, band))
    return out


def _by(by: str | Callable[[Run], object] | None) -> Callable[[Run], str | None]:
    if by is None:
        return lambda _: ""
    if callable(by):

        def named(run: Run) -> str | None:
            name = by(run)
            return None if name is None else str(name)

        return named
    expression = pattern(by, "aggregate: by")

    def matched(run: Run) -> str | None:
        match = expression.search(run.name)
        if match is None:
            return None
        return "/".join(group or "" for group in match.groups()) if expression.groups else match.group()

    return matched


def _by_hparam(names: str | Sequence[str]) -> Callable[[Run], str | None]:
    wanted = [names] if isinstance(names, str) else list(names)
    if not wanted or any(not isinstance(name, str) for name in wanted):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InvalidSummary(f"aggregate: expected hparam to be a name or a list of names, got {kind_of(names)}")

    def named(run: Run) -> str | None:
        values: Mapping[str, object] = {} if run.hparams is None else run.hparams.values
        if any(name not in values for name in wanted):
            return None
        return ",".join(f"{name}={_short(values[name])}" for name in wanted)

    return named


def _short(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
