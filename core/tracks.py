"""What a store keeps of one run: its tracks, which are the columns of one tag, and what was said about it.

A track's columns are views of a batch's arrays, or of a memory-mapped index, until it grows; then they are its
own, with some room. Values that a restart supersedes are set aside, so that the others stay plain columns.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .distinct import distinct

__all__ = [
    "Aside",
    "Asset",
    "Columns",
    "Label",
    "Run",
    "RunInfo",
    "Shown",
    "Standing",
    "Told",
    "Track",
    "Warned",
    "standing_of",
]

I64 = NDArray[np.int64]
Columns = tuple[NDArray[Any], ...]  # of one length; the first is the step, the second the wall time

NO_PLACES: Final[I64] = np.empty(0, np.int64)
NO_PLACES.flags.writeable = False


class Label(NamedTuple):
    """What the first value of a tag says of the tag, for people; empty where it says nothing."""

    display_name: str = ""
    description: str = ""


@dataclass(frozen=True, slots=True)
class Warned:
    """Something wrong with a run's files: a stable word for the kind, how often, and a sentence for people."""

    kind: str
    count: int
    message: str


@dataclass(frozen=True, slots=True)
class Asset:
    """A file of a run that is no event file.

    Attributes:
        kind: `trace` (of torch's profiler), `profile` (below `plugins/profile/`) or `projector` (its configuration).
        path: where it lies.
        size: in bytes.
        stamp: differs whenever the content may differ.
    """

    kind: Literal["trace", "profile", "projector"]
    path: str
    size: int
    stamp: int | str


class RunInfo(NamedTuple):
    """A run: its name relative to the logdir, `.` for the logdir itself, and its first and last second since 1970.

    `began` is the time of its very first event, which may be a file's version and no value.
    """

    name: str
    first_wall_time: float | None
    last_wall_time: float | None
    warnings: tuple[Warned, ...]
    assets: tuple[Asset, ...] = ()
    began: float | None = None


class Told(NamedTuple):
    """What a writer's events say of how far it is.

    Attributes:
        news: the wall time of its last event, or when that was seen to come, whichever is later; in seconds since 1970.
        ended: "finished" or "failed" where that event says that the writer was closed; else empty.
    """

    news: float
    ended: str = ""


@dataclass(frozen=True, slots=True)
class Aside:
    """What restarts did to a track. A place is an index among all of its values, superseded ones included.

    Attributes:
        places: int64 of shape [h], ascending: where the superseded values stand.
        columns: the superseded values.
        restarts: int64 of shape [r], ascending: the value before which a restart stands.
    """

    places: I64
    columns: Columns
    restarts: I64


@dataclass(frozen=True, slots=True)
class Shown:
    """A track as it was published: `count` rows of `columns` from `start` on."""

    columns: Columns
    start: int
    count: int
    generation: int
    aside: Aside | None

    def standing(self) -> tuple[Columns, I64]:
        """The columns of what is not superseded, without a copy, and where in them a restart goes on."""
        end = self.start + self.count
        columns = tuple(column[self.start : end] for column in self.columns)
        if self.aside is None:
            return columns, NO_PLACES
        restarts = self.aside.restarts - np.searchsorted(self.aside.places, self.aside.restarts)
        return columns, distinct(restarts)

    def everything(self) -> tuple[Columns, I64]:
        """The columns of all values as they were written, and where in them a restart goes on."""
        columns, restarts = self.standing()
        if self.aside is None:
            return columns, restarts
        stands = np.ones(self.count + len(self.aside.places), bool)
        stands[self.aside.places] = False
        return tuple(
            _merged(stands, one, other) for one, other in zip(columns, self.aside.columns, strict=True)
        ), self.aside.restarts


def _merged(stands: NDArray[np.bool_], one: NDArray[Any], other: NDArray[Any]) -> NDArray[Any]:
    out = np.empty(len(stands), np.promote_types(one.dtype, other.dtype))
    out[stands] = one
    out[~stands] = other
    return out


class Track:
    """The values of one tag of one run and plugin, in the order written.

    Attributes:
        plugin: `scalars` for columns (step, wall time, value); any other for (step, wall time, file, offset, length).
        generation: goes up whenever values that were there before are superseded.
        published: how many of its values may be seen.
        label: of a scalar, what its first value said of it; None where that was a plain number without metadata.
    """

    __slots__ = ("aside", "before", "columns", "count", "generation", "label", "own", "plugin", "published", "start")

    def __init__(self, plugin: str, columns: Columns = (), start: int = 0, count: int = 0, generation: int = 0) -> None:
        self.plugin = plugin
        self.columns = columns
        self.start = start
        self.count = self.published = count  # nobody sees a track before its run was published
        self.own = False  # whether nobody else has these arrays, so that there may be room to grow in
        self.generation = generation
        self.label: Label | None = None
        self.aside: Aside | None = None
        self.before: Shown | None = None  # what may be seen meanwhile, where a restart was not published yet

    def shown(self) -> Shown:
        """What was published last."""
        return self.before or Shown(self.columns, self.start, self.published, self.generation, self.aside)

    def publish(self) -> None:
        """Makes everything visible."""
        self.published = self.count
        self.before = None

    def extend(self, columns: Columns, start: int, end: int, expected: float = 1.0) -> None:
        """Adds rows `start` to `end` of columns that nobody will write to any more.

        Args:
            columns, start, end: as said; kept as they are where nothing came before.
            expected: how many times as many rows as these are to come in all, these included.
        """
        more = end - start
        if not self.count:
            self.columns, self.start, self.count, self.own = columns, start, more, False
            return
        after = self.count + more
        dtypes = [np.promote_types(mine.dtype, new.dtype) for mine, new in zip(self.columns, columns, strict=True)]
        wider = any(mine.dtype != dtype for mine, dtype in zip(self.columns, dtypes, strict=True))
        if not self.own or wider or after > len(self.columns[0]):
            # pages of large arrays cost nothing until they are written, so room for what is to come is free
            room = max(after, self.count + (self.count >> 3) + 4, self.count + int(more * expected * 1.02))
            self._move(dtypes, room)
        for mine, theirs in zip(self.columns, columns, strict=True):
            mine[self.count : after] = theirs[start:end]
        self.count = after

    def _move(self, dtypes: list[np.dtype[Any]], room: int) -> None:
        """Into columns of its own, one after the other: an old one is let go of before the next is written."""
        made = tuple(np.empty(room, dtype) for dtype in dtypes)
        old, self.columns = list(self.columns), made
        for column in made:
            column[: self.count] = old.pop(0)[self.start : self.start + self.count]
        self.start, self.own = 0, True

    def trim(self) -> None:
        """Gives back room that is not used."""
        if self.own and len(self.columns[0]) > self.count + (self.count >> 4):
            self._move([column.dtype for column in self.columns], self.count)

    def supersede(self, at: I64, steps: I64, marked: bool) -> bool:
        """Sets aside values that restarts void, and returns whether there were any.

        Args:
            at: int64 of shape [r]: each restart stands before this index of the values not superseded so far.
            steps: int64 of shape [r]: it voids every value before it whose step is this one or more.
            marked: whether these are restarts even where they void nothing.
        """
        if not self.count:
            return False
        step = self.columns[0][self.start : self.start + self.count]
        reach = int(at.max())
        hidden = np.zeros(self.count, bool)
        if reach and int(step[:reach].max()) >= int(steps.min()):
            least = np.full(reach + 1, np.iinfo(np.int64).max)
            np.minimum.at(least, at, steps)
            # a value is void if any later restart has a step as small; those after the last restart all stand
            hidden[:reach] = step[:reach] >= np.minimum.accumulate(least[::-1])[::-1][1:]
        voided = bool(hidden.any())
        if not marked:
            at = at[at > 0]
            at = at[hidden[at - 1]]
        if voided or len(at):
            self._set_aside(hidden, at, voided)
        return voided

    def _set_aside(self, hidden: NDArray[np.bool_], at: I64, voided: bool) -> None:
        old = self.aside or Aside(NO_PLACES, tuple(column[:0] for column in self.columns), NO_PLACES)
        self.before = self.shown()
        places = np.arange(self.count + len(old.places))
        if len(old.places):
            places = np.delete(places, old.places)
        total = self.count + len(old.places)
        restarts = np.union1d(old.restarts, np.append(places, total)[at])
        if not voided:
            self.aside = Aside(old.places, old.columns, restarts)
            return
        both = np.append(old.places, places[hidden])
        order = np.argsort(both, kind="stable")
        own = [column[self.start : self.start + self.count] for column in self.columns]
        gone = tuple(np.append(was, column[hidden])[order] for was, column in zip(old.columns, own, strict=True))
        self.columns = tuple(column[~hidden] for column in own)
        self.start, self.count, self.own = 0, len(self.columns[0]), True
        self.aside = Aside(both[order], gone, restarts)
        self.generation += 1


@dataclass(slots=True)
class Run:
    """One run: its tracks, its span of wall times, its warnings, and how far its events have been understood.

    Attributes:
        tracks: by tag, those of the plugin that the tag came with first.
        others: by (plugin, tag), where a tag came with another plugin later.
        files: the paths that blobs name by index.
        file_version: what the events say of themselves; 0 where they say nothing.
        began: the wall time of the first event.
        latest_step: the step that events without a file version are compared with.
        assets: its files that are no event files.
        info: what was published.
        revision: the store's version with which it changed last.
        grew: when it changed while the logdir was being followed, in seconds since 1970; 0 where it never did.
        writers: what each of its writers told last, by a number that stands for the writer.
        told: what was published of that.
    """

    tracks: dict[str, Track] = field(default_factory=dict[str, Track])
    others: dict[tuple[str, str], Track] = field(default_factory=dict[tuple[str, str], Track])
    files: list[str] = field(default_factory=list[str])
    first: float | None = None
    last: float | None = None
    warned: dict[str, Warned] = field(default_factory=dict[str, Warned])
    file_version: float = 0.0
    began: float | None = None
    latest_step: int = -1
    assets: tuple[Asset, ...] = ()
    info: RunInfo | None = None
    revision: int = 0
    grew: float = 0.0
    writers: dict[int, Told] = field(default_factory=dict[int, Told])
    told: tuple[Told, ...] = ()

    def track(self, tag: str, plugin: str) -> Track | None:
        """The track of a tag and plugin, if there is one."""
        track = self.tracks.get(tag)
        if track is None or track.plugin == plugin:
            return track
        return self.others.get((plugin, tag))

    def add(self, tag: str, plugin: str) -> Track:
        """A new track."""
        track = Track(plugin)
        if tag in self.tracks:
            self.others[plugin, tag] = track
        else:
            self.tracks[tag] = track
        return track

    def all(self) -> list[tuple[str, Track]]:
        """Every track with its tag, first plugins first."""
        return [*self.tracks.items(), *((tag, track) for (_, tag), track in self.others.items())]


@dataclass(frozen=True, slots=True)
class Standing:
    """How far a run has come.

    Attributes:
        name, first, last: as in `RunInfo`.
        grew: see `Run`.
        last_step: the greatest of its series' last steps, None where it has none. Hyperparameters have no step.
        longest: the tag of its longest scalar series, or empty.
        sessions: differs whenever the run's hyperparameters may differ; None where it has none.
        writers: what each of its writers told last.
    """

    name: str
    first: float | None
    last: float | None
    grew: float
    last_step: int | None
    longest: str
    sessions: tuple[object, ...] | None
    writers: tuple[Told, ...] = ()


def standing_of(name: str, run: Run) -> Standing:
    """What was published of a run."""
    last_step: int | None = None
    longest, most = "", 0
    sessions: list[object] = []
    for tag, track in run.all():
        count = track.published if track.before is None else track.before.count
        if not count:
            continue
        if track.plugin == "hparams":
            sessions += (tag, count, track.generation)
            continue
        shown = track.before or track
        step = int(shown.columns[0][shown.start + count - 1])
        last_step = step if last_step is None else max(step, last_step)
        if count > most and track.plugin == "scalars":
            longest, most = tag, count
    info = run.info
    first, last = (None, None) if info is None else (info.first_wall_time, info.last_wall_time)
    # the run itself, because one that is read anew may count as much as before
    known = (id(run), *sessions) if sessions else None
    return Standing(name, first, last, run.grew, last_step, longest, known, run.told)
