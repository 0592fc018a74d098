"""Several runs of one tag as one line with a band, over all of their points, however long; what few pixels show of it.

The definitions are those of `tallyboard.aggregate` (core/bands.py, core/stats.py) and of the page
(dash/scalars/seeds.ts): at every place that any of the runs has, each run is interpolated between its own neighbours,
and counted only between its own first and last place. Runs meet at equal steps, or at equal distances from their first
step. They may stand at the values of another tag, and then one run alone is a line too: a join of two long series
takes all points of both.
"""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, cast, get_args

import numpy as np
from numpy.typing import NDArray

from tallyboard.core.downsample import bucketed
from tallyboard.core.smoothing import smoothed
from tallyboard.core.stats import Aligned, BandKind, align, band_of, median_of

from .wishes import BadRequest, Smoothing, Span, read_smoothing, read_span

if TYPE_CHECKING:
    from tallyboard.core.store import Series, Store

MOST_GROUPS = 500
MOST_MEMBERS = 5_000
"""Runs that the groups of one request may name together."""

MOST_CELLS = 1 << 26
"""Places times runs of one group: what is worked with takes some thirty bytes for each."""

MOST_TAGS = 100
"""Tags of which one may be the axis of a group."""

BYTES_KEPT = 96 << 20
"""Of lines that were worked out; the ones not asked for longest go first."""

Place = Literal["step", "first", "relative", "wall"]
Centre = Literal["mean", "median"]

F64 = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Group:
    """Runs whose seeds are to be one line.

    Attributes:
        tag, runs: which series.
        centre, band: what the line and the band are; the band is the mean's whatever the centre.
        x: where points stand: at their step, at steps since each run's first, or at the mean of what the runs have
            there of seconds since their first point, or of wall time.
        across: tags; instead of `x`, points stand at the mean of what the runs have there of the first of these tags
            that each has, at the same step or the last before it. Where a run has none yet it does not count.
        superseded: with the points that a restart has voided.
        buckets: on the axis that `x` says; all places by default.
        smooth: how the line and the band's edges are smoothed, over all places.
    """

    tag: str
    runs: tuple[str, ...]
    centre: Centre = "mean"
    band: BandKind = "std"
    x: Place = "step"
    across: tuple[str, ...] = ()
    superseded: bool = False
    buckets: Span | None = None
    smooth: Smoothing | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """A group as one line; columns of shape [n].

    Attributes:
        step: int64; where runs meet at steps since their first, the mean of their steps.
        wall, place: float64, the mean of the runs' wall times in seconds, and where the points stand.
        centre, low, high: float64.
        count: float64, how many runs are in each.
    """

    step: NDArray[Any]
    wall: F64
    place: F64
    centre: F64
    low: F64
    high: F64
    count: F64

    @property
    def nbytes(self) -> int:
        return 7 * self.step.nbytes


class TooMuch(Exception):
    """A group has more places and runs than are worked with; the text is for the client."""


class Seeds:
    """Works lines out, and keeps them for as long as their series are the same; may be asked by several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[Any, ...], Line] = OrderedDict()
        self._bytes = 0

    def of(self, store: Store, group: Group, boot: str = "") -> Line | None:
        """All places of a group; None where none of its runs has a point.

        Args:
            store: has the series.
            group: which.
            boot: tells this store from others.

        Raises:
            TooMuch: there are more than `MOST_CELLS`.
        """
        members = _members(store, group)
        if not members:
            return None
        read = [series for member in members for series in member if series is not None]
        state = tuple((series.generation, len(series), float(series.wall_time[-1])) for series in read)
        key = (boot, replace(group, buckets=None, smooth=None), state)
        with self._lock:
            if (line := self._kept.get(key)) is not None:
                self._kept.move_to_end(key)
                return line
        line = line_of(members, group)
        if line is None:
            return None
        with self._lock:
            if key not in self._kept:
                self._kept[key] = line
                self._bytes += line.nbytes
            while self._bytes > BYTES_KEPT and len(self._kept) > 1:
                self._bytes -= self._kept.popitem(last=False)[1].nbytes
        return line


@dataclass(frozen=True, slots=True)
class Columns:
    """One run's points; columns of shape [n], `place` only where they stand at another tag's values."""

    step: NDArray[Any]
    wall: F64
    value: NDArray[Any]
    place: F64 | None


def _members(store: Store, group: Group) -> list[tuple[Series, Series | None]]:
    """Each run of a group that has points, and what it stands at."""
    members: list[tuple[Series, Series | None]] = []
    for run in group.runs:
        series = store.scalars(run, group.tag, superseded=group.superseded)
        if series is None:
            continue
        others = (store.scalars(run, tag, superseded=group.superseded) for tag in group.across)
        other = next((found for found in others if found is not None), None)
        if other is not None or not group.across:
            members.append((series, other))
    return members


def joined(step: NDArray[np.int64], other: Series) -> F64:
    """For each step the last value that another series has at or before it, of several at one step the one written
    last; NaN where there is none yet, and for what is not finite.

    Args:
        step: int64[n], in any order.
        other: the other series.
    """
    steps, values = other.step, other.value.astype(np.float64)
    if bool((steps[1:] < steps[:-1]).any()):
        order = np.argsort(steps, kind="stable")
        steps, values = steps[order], values[order]
    passed = np.searchsorted(steps, step, "right")
    found = np.where(passed > 0, values[np.maximum(passed, 1) - 1], np.nan)
    return np.where(np.isfinite(found), found, np.nan)


def _columns(series: Series, other: Series | None) -> Columns:
    if other is None:
        return Columns(series.step, series.wall_time, series.value, None)
    place = joined(series.step, other)
    finite = np.isfinite(place)
    since = int(finite.argmax()) if bool(finite.any()) else len(place)
    return Columns(series.step[since:], series.wall_time[since:], series.value[since:], place[since:])


def line_of(members: list[tuple[Series, Series | None]], group: Group) -> Line | None:
    """Some runs as one line, each with the series whose values it stands at; None where none has a place there.

    Raises:
        TooMuch: there are more than `MOST_CELLS` places and runs.
    """
    found = [_columns(series, other) for series, other in members]
    runs = [columns for columns in found if len(columns.step)]
    if not runs:
        return None
    if group.across and len(runs) == 1:
        return _alone(runs[0])
    _bound(runs, group)
    steps = [columns.step - columns.step[0] if group.x == "first" else columns.step for columns in runs]

    def aligned(columns: list[NDArray[Any]]) -> Aligned:
        return align(list(zip(steps, columns, strict=True)))

    def mean_of(columns: list[NDArray[Any]]) -> F64:
        return band_of(aligned(columns), "minmax")[0]

    value = aligned([columns.value for columns in runs])
    mean, low, high, count = band_of(value, group.band)
    centre = median_of(value) if group.centre == "median" else mean
    wall = mean_of([columns.wall for columns in runs])
    place = value.step.astype(np.float64) if group.x in ("step", "first") else wall
    others = [columns.place for columns in runs if columns.place is not None]
    if others:
        place = mean_of(list(others))
    elif group.x == "relative":
        place = mean_of([columns.wall - columns.wall[0] for columns in runs])
    step: NDArray[Any] = value.step
    if group.x == "first":
        step = mean_of([columns.step for columns in runs])
    return Line(step, wall, place, centre, low, high, count.astype(np.float64))


def _alone(run: Columns) -> Line:
    """A run by itself, point for point as it was written."""
    value = run.value.astype(np.float64)
    place = np.empty(0) if run.place is None else run.place
    return Line(run.step, run.wall, place, value, value, value, np.ones(len(value)))


def _bound(runs: list[Columns], group: Group) -> None:
    places = sum(len(columns.step) for columns in runs)
    if places * len(runs) <= MOST_CELLS:
        return
    first = runs[0].step
    alike = all(np.array_equal(columns.step, first) for columns in runs[1:])
    if not alike or len(first) * len(runs) > MOST_CELLS:
        raise TooMuch(
            f"The {len(runs):,} runs of a group have {places:,} points of {group.tag!r} together, more than are "
            "put together at once."
        )


def shown(line: Line, group: Group) -> tuple[Line, F64 | None]:
    """What the buckets of a group show of its line, and the smoothed line there: of each bucket the first and last
    point and the extremes of the line and of both edges."""
    smooth = None
    if group.smooth is not None and group.smooth.weight > 0:
        wish = group.smooth
        kind, weight = wish.kind, wish.weight
        x = line.place if wish.x == "step" or group.x in ("relative", "wall") else line.wall
        if group.across:
            x = (line.step if wish.x == "step" else line.wall).astype(np.float64)
        smooth, low, high = (smoothed(column, weight, kind, x) for column in (line.centre, line.low, line.high))
        line = replace(line, low=low, high=high)
    if group.buckets is None:
        return line, smooth
    row = _rows(line, group.buckets, [line.centre if smooth is None else smooth, line.low, line.high, line.centre])
    columns = (getattr(line, name)[row] for name in ("step", "wall", "place", "centre", "low", "high", "count"))
    return Line(*columns), None if smooth is None else smooth[row]


def _rows(line: Line, span: Span, columns: list[F64]) -> NDArray[np.int64]:
    place = line.place
    finite = place[np.isfinite(place)]
    if not len(finite):
        return np.arange(len(place))
    low = float(finite.min()) if span.low is None else span.low
    high = float(finite.max()) if span.high is None else span.high
    kept = [bucketed(place, column, low, max(low, high), span.count, log=span.log).row for column in columns]
    return np.unique(np.concatenate(kept))


def parse(body: bytes) -> list[Group]:
    """Read the body of a request.

    Raises:
        BadRequest: it is not `{"groups": [{"tag": str, "runs": [str, ...], "centre": str, "band": str, "x": str,
            "across": [str, ...], "superseded": bool, "buckets": {...}, "smooth": {...}}, ...]}`, where all but tag and
            runs may be left out, or is too large.
    """
    try:
        asked: Any = json.loads(body)
    except (ValueError, RecursionError):
        raise BadRequest("The request's body is not JSON.") from None
    groups: Any = cast("dict[str, Any]", asked).get("groups") if isinstance(asked, dict) else None
    if not isinstance(groups, list):
        raise BadRequest('The request\'s body must be an object with a list "groups".')
    entries = cast("list[Any]", groups)
    if len(entries) > MOST_GROUPS:
        raise BadRequest(f"At most {MOST_GROUPS:,} groups fit in one request; this one names {len(entries):,}.", 413)
    found = [_group(f"groups[{at}]", entry) for at, entry in enumerate(entries)]
    members = sum(len(group.runs) for group in found)
    if members > MOST_MEMBERS:
        raise BadRequest(f"At most {MOST_MEMBERS:,} runs fit in one request; this one names {members:,}.", 413)
    return found


def _group(name: str, entry: Any) -> Group:
    if not isinstance(entry, dict):
        raise BadRequest(f'{name} must be an object with "tag" and "runs".')
    fields = cast("dict[str, Any]", entry)
    tag, runs, superseded = fields.get("tag"), fields.get("runs"), fields.get("superseded", False)
    if not isinstance(tag, str) or not isinstance(runs, list) or not runs:
        raise BadRequest(f'{name} needs a "tag" and a list "runs".')
    names = cast("list[Any]", runs)
    if not all(isinstance(run, str) for run in names):
        raise BadRequest(f'{name} has "runs" that are not all text.')
    if not isinstance(superseded, bool):
        raise BadRequest(f'{name} has a "superseded" that is neither true nor false.')
    centre, band, x = (
        _word(name, key, fields.get(key, usual), words)
        for key, usual, words in (
            ("centre", "mean", get_args(Centre)),
            ("band", "std", get_args(BandKind)),
            ("x", "step", get_args(Place)),
        )
    )
    across: Any = fields.get("across", [])
    if not isinstance(across, list) or len(cast("list[Any]", across)) > MOST_TAGS:
        raise BadRequest(f'{name} has an "across" that is not a list of at most {MOST_TAGS} tags.')
    tags = cast("list[Any]", across)
    if not all(isinstance(one, str) for one in tags) or (tags and x != "step"):
        raise BadRequest(f'{name} has an "across" that is not text, or an "x" besides.')
    buckets, smooth = fields.get("buckets"), fields.get("smooth")
    return Group(
        tag,
        tuple(dict.fromkeys(cast("list[str]", names))),
        cast("Centre", centre),
        cast("BandKind", band),
        cast("Place", x),
        tuple(cast("list[str]", tags)),
        superseded,
        None if buckets is None else read_span(f'The "buckets" of {name}', buckets),
        None if smooth is None else read_smoothing(f'The "smooth" of {name}', smooth),
    )


def _word(name: str, key: str, given: Any, words: tuple[str, ...]) -> str:
    if given not in words:
        raise BadRequest(f'{name} has a "{key}" that is none of {", ".join(map(repr, words))}.'.replace("'", '"'))
    return cast("str", given)
