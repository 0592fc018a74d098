"""What a viewer may ask: the columns of every series of every run. Knows no disk.

One reader thread offers what it found and publishes it; any other thread reads. Columns only grow, in place
while there is room, and a reader is given views up to the published length, so it needs no copy and never
sees half of a batch.
"""

from __future__ import annotations

import re
import threading
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

__all__ = ["Asset", "BlobRef", "Blobs", "Changes", "RunInfo", "Series", "State", "Store", "Warned", "natural"]

State = Literal["waiting", "loading", "ready"]
I64 = NDArray[np.int64]
F64 = NDArray[np.float64]
Floats = NDArray[np.float32] | NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Series:
    """One scalar over time, every point, in the order written.

    Attributes:
        step: int64 of shape [n].
        wall_time: seconds since 1970, float64 of shape [n].
        value: float32 of shape [n], or float64 where the file has that precision.
    """

    step: I64
    wall_time: F64
    value: Floats

    def __len__(self) -> int:
        return len(self.step)


@dataclass(frozen=True, slots=True)
class BlobRef:
    """Where an event record lies: nothing but numbers are kept in memory."""

    path: str
    offset: int
    length: int


@dataclass(frozen=True, slots=True)
class Blobs:
    """A series whose values stay on disk. `ref` has one entry for each step."""

    step: I64
    wall_time: F64
    ref: tuple[BlobRef, ...]

    def __len__(self) -> int:
        return len(self.step)


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


@dataclass(frozen=True, slots=True)
class RunInfo:
    """A run: its name relative to the logdir, `.` for the logdir itself, and its first and last second since 1970."""

    name: str
    first_wall_time: float | None
    last_wall_time: float | None
    warnings: tuple[Warned, ...]
    assets: tuple[Asset, ...] = ()


@dataclass(frozen=True, slots=True)
class Changes:
    """What happened since a version.

    Attributes:
        version: the store's version now.
        structure: runs, tags, warnings or the state changed, or a series started anew.
        series: scalar series that have new points, with their number of points now; None when there are
            too many to name or the version is too old, so that all must be taken as changed.
    """

    version: int
    structure: bool
    series: list[tuple[str, str, int]] | None


class _Columns:
    """Step, wall time and value of one series, growing in place."""

    __slots__ = ("length", "published", "step", "value", "wall_time")

    def __init__(self) -> None:
        self.length = 0
        self.published = 0
        self.step: I64 = np.empty(0, np.int64)
        self.wall_time: F64 = np.empty(0, np.float64)
        self.value: Floats = np.empty(0, np.float32)

    def extend(self, step: I64, wall_time: F64, value: F64, wide: bool) -> None:
        end = self.length + len(step)
        if wide and self.value.dtype != np.float64:
            self.value = self.value.astype(np.float64)
        if end > len(self.step):
            # exact at first, so that a loaded run wastes nothing; by half when it turns out to grow
            room = end if self.length == 0 else max(end, self.length + (self.length >> 1) + 16)
            self.step = self._grown(self.step, room)
            self.wall_time = self._grown(self.wall_time, room)
            self.value = self._grown(self.value, room)
        at = slice(self.length, end)
        self.step[at], self.wall_time[at], self.value[at] = step, wall_time, value
        self.length = end

    def _grown(self, old: NDArray[Any], room: int) -> NDArray[Any]:
        new = np.empty(room, old.dtype)
        new[: self.length] = old[: self.length]
        return new

    def view(self) -> Series:
        end = self.published
        return Series(self.step[:end], self.wall_time[:end], self.value[:end])


@dataclass(slots=True)
class _BlobList:
    step: list[int] = field(default_factory=list[int])
    wall_time: list[float] = field(default_factory=list[float])
    ref: list[BlobRef] = field(default_factory=list[BlobRef])
    published: int = 0


@dataclass(slots=True)
class _Run:
    first: float | None = None
    last: float | None = None
    warned: dict[str, Warned] = field(default_factory=dict[str, Warned])
    assets: tuple[Asset, ...] = ()


@dataclass(frozen=True, slots=True)
class _Publication:
    version: int
    structure: bool
    series: list[tuple[str, str, int]] | None


class Store:
    """All series of a logdir. `offer_*`, `drop_run`, `warn` and `publish` belong to the one reader thread."""

    NAMED_MAX = 2_000  # series a change list names before it says "all"
    REMEMBERED = 600  # publications that `changes` can look back on

    def __init__(self) -> None:
        self.version = 0
        self.state: State = "waiting"
        self._lock = threading.Lock()
        self._runs: dict[str, _Run] = {}
        self._scalars: dict[tuple[str, str], _Columns] = {}
        self._blobs: dict[tuple[str, str, str], _BlobList] = {}  # plugin, run, tag
        self._touched: dict[tuple[str, str], _Columns] = {}
        self._touched_blobs: dict[tuple[str, str, str], _BlobList] = {}
        self._structure = False
        self._history: deque[_Publication] = deque(maxlen=self.REMEMBERED)
        self._listeners: list[Callable[[int], None]] = []

    # -- the reader's side

    def offer_run(self, run: str) -> None:
        """A run was found."""
        if run not in self._runs:
            with self._lock:
                self._runs[run] = _Run()
            self._structure = True

    def offer_assets(self, run: str, assets: tuple[Asset, ...]) -> None:
        """All files of a run that are no event files, in place of those offered before."""
        self.offer_run(run)
        self._runs[run].assets = assets
        self._structure = True

    def offer_scalars(self, run: str, tag: str, step: I64, wall_time: F64, value: F64, wide: bool = False) -> None:
        """More points of a series, not to be seen before `publish`.

        Args:
            run, tag: which.
            step, wall_time, value: columns of one length; `value` is float64 and stored as float32 unless
            wide: it was written with float64's precision.
        """
        key = (run, tag)
        columns = self._scalars.get(key)
        if columns is None:
            columns = _Columns()
            with self._lock:
                self._scalars[key] = columns
            self._structure = True
        columns.extend(step, wall_time, value, wide)
        self._touched[key] = columns
        self._span(run, float(wall_time[0]), float(wall_time[-1]))

    def offer_blob(self, run: str, tag: str, plugin: str, step: int, wall_time: float, ref: BlobRef) -> None:
        """One more value that stays on disk, not to be seen before `publish`."""
        key = (plugin, run, tag)
        blobs = self._blobs.get(key)
        if blobs is None:
            blobs = _BlobList()
            with self._lock:
                self._blobs[key] = blobs
            self._structure = True
        blobs.step.append(step)
        blobs.wall_time.append(wall_time)
        blobs.ref.append(ref)
        self._touched_blobs[key] = blobs
        self._span(run, wall_time, wall_time)

    def _span(self, run: str, first: float, last: float) -> None:
        info = self._runs[run]
        info.first = first if info.first is None else min(info.first, first)
        info.last = last if info.last is None else max(info.last, last)

    def warn(self, run: str, kind: str, message: str, count: int = 1) -> None:
        """Counts something wrong with a run's files; the latest message of a kind is kept."""
        self.offer_run(run)
        warned = self._runs[run].warned
        before = warned[kind].count if kind in warned else 0
        warned[kind] = Warned(kind, before + count, message)
        self._structure = True

    def count_warned(self, run: str, kind: str) -> int:
        """How often a kind of warning was counted for a run."""
        info = self._runs.get(run)
        return info.warned[kind].count if info is not None and kind in info.warned else 0

    def drop_run(self, run: str) -> None:
        """A run is gone, or is to be read anew from its start."""
        with self._lock:
            self._runs.pop(run, None)
            for key in [key for key in self._scalars if key[0] == run]:
                del self._scalars[key]
                self._touched.pop(key, None)
            for key in [key for key in self._blobs if key[1] == run]:
                del self._blobs[key]
                self._touched_blobs.pop(key, None)
        self._structure = True

    def publish(self, state: State | None = None) -> bool:
        """Makes everything offered so far visible at once. Returns whether there was anything."""
        if state is not None and state != self.state:
            self.state = state
            self._structure = True
        if not (self._structure or self._touched or self._touched_blobs):
            return False
        with self._lock:
            series = [(run, tag, columns.length) for (run, tag), columns in self._touched.items()]
            for columns in self._touched.values():
                columns.published = columns.length
            for blobs in self._touched_blobs.values():
                blobs.published = len(blobs.step)
            self.version += 1
            named = series if len(series) <= self.NAMED_MAX else None
            self._history.append(_Publication(self.version, self._structure, named))
            self._touched.clear()
            self._touched_blobs.clear()
            self._structure = False
            listeners = list(self._listeners)
            version = self.version
        for listener in listeners:
            listener(version)
        return True

    # -- everybody's side

    def subscribe(self, listener: Callable[[int], None]) -> Callable[[], None]:
        """Has `listener(version)` called after each publication, in the reader's thread.

        Returns:
            A function that ends it.
        """
        with self._lock:
            self._listeners.append(listener)

        def unsubscribe() -> None:
            with self._lock:
                if listener in self._listeners:
                    self._listeners.remove(listener)

        return unsubscribe

    def runs(self) -> list[RunInfo]:
        """Every run, in natural order of names (run2 before run10)."""
        with self._lock:
            infos = [
                RunInfo(name, run.first, run.last, tuple(run.warned.values()), run.assets)
                for name, run in self._runs.items()
            ]
        return sorted(infos, key=lambda info: natural(info.name))

    def tags(self) -> dict[str, dict[str, dict[str, int]]]:
        """Number of values by plugin, tag and run."""
        with self._lock:
            counts: Iterable[tuple[str, str, str, int]] = [
                *(("scalars", tag, run, columns.published) for (run, tag), columns in self._scalars.items()),
                *((plugin, tag, run, blobs.published) for (plugin, run, tag), blobs in self._blobs.items()),
            ]
        out: dict[str, dict[str, dict[str, int]]] = {}
        for plugin, tag, run, count in counts:
            if count:
                out.setdefault(plugin, {}).setdefault(tag, {})[run] = count
        return out

    def scalars(self, run: str, tag: str) -> Series | None:
        """All points of a scalar series, or None where there is none."""
        with self._lock:
            columns = self._scalars.get((run, tag))
            return columns.view() if columns is not None and columns.published else None

    def blobs(self, plugin: str, run: str, tag: str) -> Blobs | None:
        """Where the values of any other series lie, or None where there is none."""
        with self._lock:
            blobs = self._blobs.get((plugin, run, tag))
            if blobs is None or not blobs.published:
                return None
            end = blobs.published
            step, wall_time = np.array(blobs.step[:end], np.int64), np.array(blobs.wall_time[:end], np.float64)
            return Blobs(step, wall_time, tuple(blobs.ref[:end]))

    def changes(self, since: int) -> Changes:
        """What was published after version `since`."""
        with self._lock:
            version = self.version
            if since >= version:
                return Changes(version, False, [])
            recent = [publication for publication in self._history if publication.version > since]
            if since < 0 or len(recent) < version - since:
                return Changes(version, True, None)
        latest: dict[tuple[str, str], int] | None = {}
        for publication in recent:
            if publication.series is None or latest is None:
                latest = None
            else:
                latest.update(((run, tag), count) for run, tag, count in publication.series)
        if latest is not None and len(latest) > self.NAMED_MAX:
            latest = None
        series = None if latest is None else [(run, tag, count) for (run, tag), count in latest.items()]
        return Changes(version, any(publication.structure for publication in recent), series)


_NUMBER = re.compile(r"(0\.\d+|\d+)")


def natural(name: str) -> list[tuple[int, int, str]]:
    """A sort key that puts run2 before run10, and lr=0.01 before lr=0.1."""
    return [_number(part) if i % 2 else (1, 0, part) for i, part in enumerate(_NUMBER.split(name))]


def _number(digits: str) -> tuple[int, int, str]:
    if digits.startswith("0."):
        return 0, 0, digits[2:]  # below one: digit by digit
    significant = digits.lstrip("0")  # by length, then digit by digit: int() refuses thousands of digits
    return 0, len(significant), significant
