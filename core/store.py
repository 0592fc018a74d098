"""What a viewer may ask: the columns of every series of every run. Knows no disk.

One reader thread offers what it found and publishes it; any other thread reads. Columns only grow, in place
while there is room, and a reader is given views up to the published length, so it needs no copy and never
sees half of a batch. A restart that voids earlier points puts shorter columns in the place of the old ones and
raises the series' generation: an index into a series is good for one generation.
"""

from __future__ import annotations

import re
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .answers import BlobRef, Blobs, Refs, Series
from .snapshot import Snapshot, pack, unpack
from .tracks import Asset, Columns, Label, Run, RunInfo, Shown, Standing, Told, Track, Warned, standing_of

__all__ = [
    "Asset",
    "BlobRef",
    "Blobs",
    "Changes",
    "Label",
    "Offer",
    "Overview",
    "Refs",
    "RunInfo",
    "Series",
    "Standing",
    "State",
    "Store",
    "Told",
    "Warned",
    "natural",
]

State = Literal["waiting", "loading", "ready"]
I64 = NDArray[np.int64]
F64 = NDArray[np.float64]
SCALARS = "scalars"


@dataclass(frozen=True, slots=True)
class Changes:
    """What happened since a version.

    Attributes:
        version: the store's version now.
        structure: runs, tags, warnings or the state changed, or a series started anew.
        series: scalar series that changed: run, tag, number of points now, generation; None when there are too many
            to name or the version is too old, so that all must be taken as changed.
        others: whether series of other plugins changed, which are not named; where `series` is None they may have, too.
    """

    version: int
    structure: bool
    series: list[tuple[str, str, int, int]] | None
    others: bool = False


@dataclass(frozen=True, slots=True)
class Overview:
    """What was published with one version; not to be changed.

    Attributes:
        version, state: of the store.
        runs: in natural order of names.
        tags: number of values by plugin, tag and run.
        generations: of the scalar series that restarts have changed, by (run, tag).
        voided: the same number where restarts have superseded every value, so that `tags` has none.
        labels: what scalars' first values said of their tags, by (run, tag); of those that said anything, be it
            empty.
    """

    version: int
    state: State
    runs: list[RunInfo]
    tags: dict[str, dict[str, dict[str, int]]]
    generations: dict[tuple[str, str], int]
    labels: dict[tuple[str, str], Label] = field(default_factory=dict[tuple[str, str], Label])
    voided: dict[str, dict[str, dict[str, int]]] = field(default_factory=dict[str, dict[str, dict[str, int]]])


class Offer(NamedTuple):
    """Rows of one series, as `Store.offer_rows` takes them, and what else is known of them.

    Attributes:
        first, last: their first and last wall time.
        label: of a scalar, what the first of them says of the tag.
    """

    run: str
    tag: str
    columns: Columns
    start: int
    end: int
    expected: float
    first: float
    last: float
    label: Label | None = None


@dataclass(frozen=True, slots=True)
class _Publication:
    version: int
    structure: bool
    series: list[tuple[str, str, int, int]] | None
    others: bool


class Store:
    """All series of a logdir. `offer_*`, `restart`, `drop_run`, `warn`, `restore` and `publish` belong to the one
    reader thread; what they do is seen by nobody before `publish`.
    """

    NAMED_MAX = 2_000  # series a change list names before it says "all"
    REMEMBERED = 600  # publications that `changes` can look back on
    NAMES_REMEMBERED = 60_000  # series named in them altogether

    def __init__(self) -> None:
        self.version = 0
        self.state: State = "waiting"
        self._states: dict[str, State] = {}  # of each logdir
        self._lock = threading.Lock()
        self._runs: dict[str, Run] = {}  # the reader's
        self._shown: dict[str, Run] = {}  # everybody's
        self._changed: set[str] = set()  # runs whose part in `_shown` is out of date
        self._touched: dict[tuple[str, str], Track] = {}
        self._touched_blobs: list[Track] = []
        self._loaded: list[Track] = []  # what may have room to give back when loading is over
        self._dropped = 0  # runs that are not shown any more
        self._structure = False
        self._unnamed = False  # whether series changed that `_touched` does not name
        self._history: deque[_Publication] = deque()
        self._names_remembered = 0
        self._listeners: list[Callable[[int], None]] = []
        self._overview: Overview | None = None

    # -- the reader's side

    def offer_run(self, run: str) -> Run:
        """A run was found; returns what is kept of it."""
        found = self._runs.get(run)
        if found is None:
            found = self._runs[run] = Run()
            self._changed.add(run)
            self._structure = True
        return found

    def offer_assets(self, run: str, assets: tuple[Asset, ...]) -> None:
        """All files of a run that are no event files, in place of those offered before."""
        self.offer_run(run).assets = assets
        self._changed.add(run)
        self._structure = True

    def offer_scalars(self, run: str, tag: str, step: I64, wall_time: F64, value: F64, wide: bool = False) -> None:
        """More points of a series, not to be seen before `publish`.

        Args:
            run, tag: which.
            step, wall_time, value: columns of one length; `value` is float64 and stored as float32 unless
            wide: it was written with float64's precision.
        """
        if not len(step):
            return
        with np.errstate(over="ignore"):
            kept = value.astype(np.float64 if wide else np.float32)
        self.offer_rows(run, tag, SCALARS, (step.copy(), wall_time.copy(), kept), 0, len(step))

    def offer_blob(self, run: str, tag: str, plugin: str, step: int, wall_time: float, ref: BlobRef) -> None:
        """One more value that stays on disk, not to be seen before `publish`."""
        kept = self.offer_run(run)
        if ref.path not in kept.files:
            kept.files.append(ref.path)
        place = (np.array([kept.files.index(ref.path)], np.int32), np.array([ref.offset]))
        columns = (np.array([step]), np.array([wall_time]), *place, np.array([ref.length], np.int32))
        self.offer_rows(run, tag, plugin, columns, 0, 1)

    def offer_rows(
        self, run: str, tag: str, plugin: str, columns: Columns, start: int, end: int, expected: float = 1.0
    ) -> Track:
        """Rows of columns that are handed over: nobody may write to them any more.

        Args:
            run, tag, plugin: whose values they are.
            columns: for `scalars` step int64, wall time float64 and value float32 or float64; for any other plugin
                step, wall time, file int32 (an index into the run's `files`), offset int64 and length int32.
            start, end: which rows; not empty.
            expected: how many times as many rows as these are to come in all, these included.
        """
        first, last = float(columns[1][start]), float(columns[1][end - 1])
        return self.offer_many(plugin, [Offer(run, tag, columns, start, end, expected, first, last)])[0]

    def offer_many(self, plugin: str, offers: Iterable[Offer]) -> list[Track]:
        """Rows of many series of a plugin, as `offer_rows`; of one run after the other, best of all."""
        name, kept = "", None
        out: list[Track] = []
        touched = self._touched if plugin == SCALARS else None
        with self._lock:
            for run, tag, columns, start, end, expected, first, last, label in offers:  # ten thousands: kept short
                if kept is None or run != name:
                    name, kept = run, self.offer_run(run)
                track = kept.tracks.get(tag)
                if track is None:
                    track = kept.tracks[tag] = Track(plugin)
                elif track.plugin != plugin:
                    track = self._track(name, kept, tag, plugin)
                if track.count:
                    track.extend(columns, start, end, expected)
                else:
                    self._structure = True
                    track.columns, track.start, track.count, track.own = columns, start, end - start, False
                    if track.aside is None:
                        track.label = label
                out.append(track)
                if touched is None:
                    self._touched_blobs.append(track)
                else:
                    touched[run, tag] = track
                if kept.first is None or kept.last is None or not kept.first <= first <= last <= kept.last:
                    self._span(run, kept, first, last)
        return out

    def _track(self, run: str, kept: Run, tag: str, plugin: str) -> Track:
        """The track of a tag and plugin, made if there is none."""
        track = kept.track(tag, plugin)
        if track is None:
            first = kept.tracks.get(tag)
            track = kept.add(tag, plugin)
            if first is not None:
                message = f"the tag {tag!r} came as {first.plugin} and as {plugin}; both are kept"
                self.warn(run, "two_kinds", message)
        return track

    def know(self, run: str, tag: str, plugin: str) -> None:
        """A tag belongs to a plugin, though it has no value yet."""
        kept = self.offer_run(run)
        if tag not in kept.tracks:
            with self._lock:
                kept.add(tag, plugin)
            self._changed.add(run)

    def plugin_of(self, run: str, tag: str) -> str:
        """The plugin that a tag came with first, or empty."""
        kept = self._runs.get(run)
        track = None if kept is None else kept.tracks.get(tag)
        return "" if track is None else track.plugin

    def restart(self, run: str, step: int, *, but: Collection[int] = ()) -> None:
        """A run went on from a step: what it has from there on is superseded.

        Args:
            run: which.
            step: values of this step and later ones are hidden from now on.
            but: tracks, by `id`, that know already.
        """
        for tag, track in self.offer_run(run).all():
            if id(track) not in but:
                self.supersede(run, tag, track, np.array([track.count]), np.array([step]), marked=True)

    def supersede(self, run: str, tag: str, track: Track, at: I64, steps: I64, *, marked: bool) -> None:
        """Hides values of one track before restarts; see `Track.supersede`."""
        with self._lock:
            track.supersede(at, steps, marked)
        if track.before is not None:
            self._touch(run, tag, track)

    def _touch(self, run: str, tag: str, track: Track) -> None:
        if track.plugin == SCALARS:
            self._touched[run, tag] = track
        else:
            self._touched_blobs.append(track)
            self._changed.add(run)

    def _span(self, run: str, kept: Run, first: float, last: float) -> None:
        if kept.first is None or kept.last is None:
            kept.first, kept.last = min(first, last), max(first, last)
        elif kept.first <= first and last <= kept.last:
            return
        else:
            kept.first, kept.last = min(kept.first, first), max(kept.last, last)
        self._changed.add(run)

    def warn(self, run: str, kind: str, message: str, count: int = 1) -> None:
        """Counts something wrong with a run's files; the latest message of a kind is kept."""
        warned = self.offer_run(run).warned
        before = warned[kind].count if kind in warned else 0
        warned[kind] = Warned(kind, before + count, message)
        self._changed.add(run)
        self._structure = True

    def count_warned(self, run: str, kind: str) -> int:
        """How often a kind of warning was counted for a run."""
        info = self._runs.get(run)
        return info.warned[kind].count if info is not None and kind in info.warned else 0

    def offer_news(self, run: str, writer: int, wall_time: float, ended: str) -> None:
        """The last event of a writer.

        Args:
            run: whose.
            writer: a number that stands for it.
            wall_time: of the event.
            ended: see `Told`.
        """
        news = max(wall_time, time.time()) if self.state == "ready" else wall_time
        self.offer_run(run).writers[writer] = Told(news, ended)
        self._changed.add(run)

    def drop_run(self, run: str) -> None:
        """A run is gone, or is to be read anew from its start."""
        dropped = self._runs.pop(run, None)
        if dropped is None:
            return
        for tag, track in dropped.all():
            if self._touched.get((run, tag)) is track:
                del self._touched[run, tag]
        self._changed.add(run)
        self._structure = True

    def export(self, runs: Iterable[str] | None = None) -> Snapshot:
        """What the reader thread has of these runs, or of all, in a few arrays; see snapshot.py."""
        names = list(self._runs if runs is None else runs)
        return pack([(name, self._runs[name]) for name in names if name in self._runs])

    def restore(self, snapshot: Snapshot) -> list[str]:
        """Takes runs as they were exported, in the place of what is there of them; the arrays, which may be
        memory-mapped files, are kept and not copied. Returns the names of the runs.

        Raises:
            ValueError: the snapshot does not fit together; nothing was taken.
        """
        found = unpack(snapshot)
        for name, run in found:
            if name in self._runs:
                run.assets = self._runs[name].assets
            self.drop_run(name)
            self._runs[name] = run
            self._changed.add(name)
        self._structure = self._structure or bool(found)
        self._unnamed = self._unnamed or bool(found)
        return [name for name, _ in found]

    def expect(self, names: Iterable[str]) -> None:
        """Several logdirs are going to be read into this store, one at a time: none is ready before all are known.

        Args:
            names: what each calls itself when it publishes.
        """
        self._states = dict.fromkeys(names, "loading")

    def publish(self, state: State | None = None, *, of: str = "") -> bool:
        """Makes everything offered so far visible at once. Returns whether there was anything.

        Args:
            state: how far reading is.
            of: of which logdir, where there are several; the store is ready when none is being loaded.
        """
        if state is not None:
            self._states[of] = state
            all_states = self._states.values()
            state = "loading" if "loading" in all_states else "ready" if "ready" in all_states else "waiting"
        loaded = state == "ready" != self.state
        if not (
            self._structure or self._touched or self._touched_blobs or self._changed or state not in (None, self.state)
        ):
            return False
        touched = self._changed | {run for run, _ in self._touched}
        with self._lock:
            grew = time.time() if self.state == "ready" else None
            if state is not None and state != self.state:
                self.state = state
                self._structure = True
            self._publish_tracks(loaded)
            self._date(touched, grew)
            for name in self._changed:
                self._publish_run(name)
            self._changed.clear()
            self._structure = False
            listeners = list(self._listeners)
            version = self.version
        for listener in listeners:
            listener(version)
        return True

    def _publish_tracks(self, loaded: bool) -> None:
        self.version += 1
        tracks = list(self._touched.values())
        named = None
        if len(tracks) <= self.NAMED_MAX and not self._unnamed:
            named = [(run, tag, track.count, track.generation) for (run, tag), track in self._touched.items()]
        others = bool(self._touched_blobs)
        for track in (*tracks, *self._touched_blobs):
            track.publish()
        if self.state != "ready" or loaded:
            self._loaded += [track for track in (*tracks, *self._touched_blobs) if track.own]
        if loaded:
            for track in set(self._loaded):
                track.trim()
            self._loaded = []
        self._touched.clear()
        self._touched_blobs = []
        self._unnamed = False
        self._history.append(_Publication(self.version, self._structure, named, others))
        self._names_remembered += len(named or ())
        while len(self._history) > self.REMEMBERED or self._names_remembered > self.NAMES_REMEMBERED:
            self._names_remembered -= len(self._history.popleft().series or ())

    def _date(self, names: Iterable[str], grew: float | None) -> None:
        for name in names:
            if (run := self._runs.get(name)) is not None:
                run.revision = self.version
                run.grew = run.grew if grew is None else grew

    def _publish_run(self, name: str) -> None:
        run = self._runs.get(name)
        if run is None:
            self._dropped += int(self._shown.pop(name, None) is not None)
            return
        run.info = RunInfo(name, run.first, run.last, tuple(run.warned.values()), run.assets, run.began)
        run.told = tuple(run.writers.values())
        self._shown[name] = run

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

    def overview(self) -> Overview:
        """Runs and tags of one version, together. The same object is given until the next publication."""
        with self._lock:
            if self._overview is not None and self._overview.version == self.version:
                return self._overview
            version, state = self.version, self.state
            infos = [run.info for run in self._shown.values() if run.info is not None]
            tags: dict[str, dict[str, dict[str, int]]] = {}
            voided: dict[str, dict[str, dict[str, int]]] = {}
            generations: dict[tuple[str, str], int] = {}
            labels: dict[tuple[str, str], Label] = {}
            for name, run in self._shown.items():
                for tag, track in run.all() if run.others else run.tracks.items():  # ten thousands: kept short
                    shown = track.published if track.before is None else track.before.count
                    if shown:
                        if (of_plugin := tags.get(track.plugin)) is None:
                            of_plugin = tags[track.plugin] = {}
                        if (of_tag := of_plugin.get(tag)) is None:
                            of_tag = of_plugin[tag] = {}
                        of_tag[name] = shown
                    elif (aside := track.shown().aside) is not None and len(aside.places):
                        voided.setdefault(track.plugin, {}).setdefault(tag, {})[name] = len(aside.places)
                    if track.generation and track.plugin == SCALARS:
                        generations[name, tag] = track.shown().generation
                    if track.label is not None:
                        labels[name, tag] = track.label
        found = Overview(
            version, state, sorted(infos, key=lambda info: natural(info.name)), tags, generations, labels, voided
        )
        with self._lock:
            if version == self.version:
                self._overview = found
        return found

    def runs(self) -> list[RunInfo]:
        """Every run, in natural order of names (run2 before run10)."""
        return list(self.overview().runs)

    def tags(self) -> dict[str, dict[str, dict[str, int]]]:
        """Number of values by plugin, tag and run. Superseded ones are not counted."""
        return {
            plugin: {tag: dict(runs) for tag, runs in tags.items()} for plugin, tags in self.overview().tags.items()
        }

    def _find(self, plugin: str, run: str, tag: str) -> tuple[Shown, list[str]] | None:
        with self._lock:
            kept = self._shown.get(run)
            track = None if kept is None else kept.track(tag, plugin)
            if kept is None or track is None:
                return None
            return track.shown(), kept.files

    def scalars(self, run: str, tag: str, *, superseded: bool = False) -> Series | None:
        """The points of a scalar series, or None where there is none.

        Args:
            run, tag: which.
            superseded: with the points that a restart has voided, which are hidden otherwise.
        """
        found = self._find(SCALARS, run, tag)
        if found is None or not found[0].columns:
            return None
        shown = found[0]
        (step, wall_time, value), restarts = shown.everything() if superseded else shown.standing()
        return Series(step, wall_time, value, shown.generation, restarts) if len(step) else None

    def blobs(self, plugin: str, run: str, tag: str, *, superseded: bool = False) -> Blobs | None:
        """Where the values of any other series lie, or None where there is none; otherwise as `scalars`."""
        found = self._find(plugin, run, tag)
        if found is None or not found[0].columns or plugin == SCALARS:
            return None
        shown, files = found
        columns, restarts = shown.everything() if superseded else shown.standing()
        step, wall_time, file, offset, length = columns
        refs = Refs(files, file, offset, length)
        return Blobs(step, wall_time, refs, shown.generation, restarts) if len(step) else None

    def changed_runs(self, since: int) -> tuple[int, list[str], list[Standing]]:
        """The version now, the names of all runs, and what is to be said of those that changed after a version."""
        with self._lock:
            changed = [standing_of(name, run) for name, run in self._shown.items() if run.revision > since]
            return self.version, list(self._shown), changed

    def tracks_of(self, tag: str, since: int) -> tuple[int, int, list[tuple[str, Track | None, Shown | None]]]:
        """A tag's scalar series in the runs that changed after a version.

        Returns:
            The version now; how many runs have been dropped so far; and for each of those runs its name, track and what
            of it may be seen, None where it has no such series. A track that is another object than before starts anew.
        """
        with self._lock:
            changed = [(name, run) for name, run in self._shown.items() if run.revision > since]
            found = [(name, run.track(tag, SCALARS)) for name, run in changed]
            tracks = [(name, track, None if track is None else track.shown()) for name, track in found]
            return self.version, self._dropped, tracks

    def changes(self, since: int) -> Changes:
        """What was published after version `since`."""
        with self._lock:
            version = self.version
            if since >= version:
                return Changes(version, False, [])
            recent = [publication for publication in self._history if publication.version > since]
            if since < 0 or len(recent) < version - since:
                return Changes(version, True, None)
        latest: dict[tuple[str, str], tuple[str, str, int, int]] | None = {}
        for publication in recent:
            if publication.series is None or latest is None:
                latest = None
            else:
                latest.update((change[:2], change) for change in publication.series)
        if latest is not None and len(latest) > self.NAMED_MAX:
            latest = None
        series = None if latest is None else list(latest.values())
        structure = any(publication.structure for publication in recent)
        return Changes(version, structure, series, any(publication.others for publication in recent))


_NUMBER = re.compile(r"0\.\d+|\d+")


def natural(name: str) -> str:
    """A sort key that puts run2 before run10, and lr=0.01 before lr=0.1."""
    return _NUMBER.sub(_ranked, name)


def _ranked(found: re.Match[str]) -> str:
    digits = found[0]
    if digits.startswith("0."):
        return f"\0\0{digits[2:]}\0"  # below one: digit by digit
    significant = digits.lstrip("0")  # by length, then digit by digit: int() refuses thousands of digits
    return f"\0{chr(min(len(significant), sys.maxunicode))}{significant}\0"
