"""From framed records to series: scalars in bulk, everything else as a reference to where it lies.

Takes what `record.scan` found in a batch of files, and offers it to a `Store` in the order of the files. Restarts are
found on the way, by the rules of TensorBoard's EventAccumulator (see restarts.py).
"""

from __future__ import annotations

import contextlib
import re
import sys
import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from .decoder import Decoded, ScalarDecoder
from .distinct import distinct
from .errors import CorruptRecord
from .legacy import NAMELESS, PLUGINS_BY_FIELD, number_in, plugin_of
from .outline import ODD, SIMPLE_VALUE, SUMMARY, Outlines, outline
from .record import HEADER, Frames, checksums_hold, forget_tables
from .repeats import Repeat, find
from .restarts import Cuts, Happening, Sequence, cuts_of, file_version
from .store import Offer, Store
from .tracks import Columns, Label, Track
from .wire import FAILED, STOP, STOP_FAILED, decode_event

if TYPE_CHECKING:
    from .proto import event_pb2 as pb

__all__ = ["DECODING", "Batch", "Ingest"]

DECODING = 6  # goes up when the same bytes give something else than before: indexes of older numbers are read anew

I64 = NDArray[np.int64]
F64 = NDArray[np.float64]

GRAPH_TAG = "__run_graph__"  # TensorBoard's name for the graph of a run
FILE_VERSION, GRAPH, SESSION, RUN_METADATA = 3, 4, 7, 8  # fields of an event
_STOPS = {STOP: "finished", STOP_FAILED: "failed"}
_TIMES = re.compile(r"^events\.out\.tfevents\.\d+\.(.+\.\d+)\.\d{9}(.*)$")  # see RemoteSink
_WALL_KEY = 0x09  # with which every writer's events begin: field 1, eight bytes
LONG = 8  # points of a series in a row, on average, with which putting stretches in order is sooner than sorting points
LONGER = 256  # with which it is not even worth putting them in order
MUCH = 4 << 20  # bytes decoded, after which giving back memory is worth its time


@dataclass(frozen=True, slots=True)
class Batch:
    """Records of some files.

    Attributes:
        buffer: the bytes.
        frames: where the records are.
        runs, paths: of each segment.
        origins: what to add to a position in the buffer to have one in the segment's file.
        growth: for runs of which more is to come, how many times as much as is in this batch.
        repeats: what repeats among the records.
    """

    buffer: NDArray[np.uint8]
    frames: Frames
    runs: list[str]
    paths: list[str]
    origins: list[int]
    growth: dict[str, float] = field(default_factory=dict[str, float])
    repeats: list[Repeat] = field(default_factory=list[Repeat])


@dataclass(slots=True)
class _Points:
    """Scalar points with the record and series that each belongs to."""

    row: I64
    series: I64  # run << 32 | tag
    step: I64
    wall_time: F64
    value: F64
    wide: NDArray[np.bool_]
    label: NDArray[np.int32]


@dataclass(slots=True)
class _Work:
    """A batch while it is being taken. The columns have one entry for each record, filled in for those looked at.

    Attributes:
        runs: the distinct ones.
        run_of: each record's, as an index.
        step, wall_time, summary, seen: of each record, apart from those that are scalars in bulk.
        scalars: found one by one: record, series, step, wall time, value, whether it is wide, label.
        blobs: records by run, tag and plugin.
        stops: records that say that their writer was closed, and whether it "finished" or "failed".
        named: the first record that names a tag's plugin, by run and tag; those of scalars in bulk are not here.
    """

    batch: Batch
    runs: list[str]
    run_of: I64
    step: I64
    wall_time: F64
    summary: NDArray[np.bool_]
    seen: NDArray[np.bool_]
    happenings: list[Happening] = field(default_factory=list[Happening])
    scalars: list[tuple[int, int, int, float, float, bool, int]] = field(
        default_factory=list[tuple[int, int, int, float, float, bool, int]]
    )
    blobs: dict[tuple[int, str, str], list[int]] = field(default_factory=dict[tuple[int, str, str], list[int]])
    stops: dict[int, str] = field(default_factory=dict[int, str])
    named: dict[tuple[int, str], tuple[int, str]] = field(default_factory=dict[tuple[int, str], tuple[int, str]])

    def blob(self, row: int, run: int, tag: str, plugin: str) -> None:
        """Notes a record that holds a value of a tag; the plugin is empty where the value names none."""
        rows = self.blobs.get((run, tag, plugin))
        if rows is None:
            self.blobs[run, tag, plugin] = [row]
            self.name(row, run, tag, plugin)
        elif rows[-1] != row:
            rows.append(row)

    def name(self, row: int, run: int, tag: str, plugin: str) -> None:
        """Notes that a record says which plugin a tag belongs to."""
        known = self.named.get((run, tag))
        if plugin and (known is None or row < known[0]):
            self.named[run, tag] = (row, plugin)


class Ingest:
    """Decodes batches into a store. Remembers the shapes of scalar events; what it has to know of a run is in the
    store, and is exported and restored with it."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._decoder = ScalarDecoder()
        self._names: list[str] = []
        self._numbers: dict[str, int] = {}
        self._taken = 0  # bytes since memory was given back

    def find(self, buffer: NDArray[np.uint8], starts: list[int], ends: list[int]) -> tuple[Frames, list[Repeat]]:
        """The records between each start and end, and what repeats among them; see `repeats.find`."""
        return find(buffer, starts, ends, self._decoder.kind)

    def settle(self) -> None:
        """All there is was read: gives back the memory that only reading much at once needs."""
        if self._taken > MUCH:
            self._taken = 0
            forget_tables()
            _return_free_memory()

    def take(self, batch: Batch) -> None:
        """Offers everything in a batch to the store."""
        frames, count = batch.frames, len(batch.frames.offset)
        if not count:
            return
        self._taken += len(batch.buffer)
        runs = {run: i for i, run in enumerate(dict.fromkeys(batch.runs))}
        of_segment = np.array([runs[run] for run in batch.runs], np.int64)
        work = _Work(
            batch,
            list(runs),
            of_segment[frames.segment],
            np.zeros(count, np.int64),
            np.zeros(count),
            np.zeros(count, bool),
            np.zeros(count, bool),
        )
        decoded = self._decoder.decode(batch.buffer, frames.offset, frames.length, batch.repeats)
        for tag in list(self._decoder.tags)[len(self._names) :]:
            self._number(tag.decode("utf-8", "replace"), new=True)
        points = _Points(decoded.row, work.run_of[decoded.row] << 32 | decoded.tag, *_columns(decoded))
        self._look(work, decoded.rest, points, decoded.bare)
        if decoded.bare.any():
            points = self._name_bare(work, points, decoded.bare)
        self._know_first(work, points)
        points = _with(points, work.scalars)
        first = _first_rows(frames.segment, of_segment)
        cuts = cuts_of(work.runs, self._store, work.happenings, first.tolist(), lambda: _sequences(work, points))
        self._note_began(work, points, first)
        self._note_news(work)
        touched: set[int] = set()
        self._offer_points(work, points, cuts, touched)
        self._offer_blobs(work, cuts, touched)
        for run, cut in cuts.items():
            if len(cut.rows):
                self._store.restart(work.runs[run], int(cut.steps.min()), but=touched)
        self._count_corrupt(batch, decoded.corrupt)

    def _number(self, name: str, *, new: bool = False) -> int:
        """The number of a tag. Two that differ only in bytes that are no text are one tag with two numbers."""
        number = self._numbers.get(name)
        if number is None or new:
            number = len(self._names)
            self._numbers.setdefault(name, number)
            self._names.append(name)
            if not new:
                self._decoder.tags.setdefault(name.encode("utf-8", "surrogatepass"), number)
        return number

    # -- what is not scalars in bulk

    def _look(self, work: _Work, rest: I64, points: _Points, bare: NDArray[np.bool_]) -> None:
        """Finds out what the other records are; those of which outlines do not tell enough are parsed."""
        if not len(rest):
            return
        batch, frames = work.batch, work.batch.frames
        sound = checksums_hold(batch.buffer, frames.offset[rest], frames.length[rest])
        if not sound.all():
            self._count_corrupt(batch, rest[~sound])
            rest = rest[sound]
        work.seen[rest] = True
        start = frames.offset[rest] + HEADER
        rest = self._take_outlines(work, rest, outline(batch.buffer, start, start + frames.length[rest]))
        for row in rest.tolist():
            self._parse(work, row)
        self._name_tensors(work, points, bare)

    def _take_outlines(self, work: _Work, rows: I64, seen: Outlines) -> I64:
        """Takes what outlines tell; returns the records that have to be parsed."""
        work.step[rows], work.wall_time[rows], work.summary[rows] = seen.step, seen.wall_time, seen.what == SUMMARY
        data, plugins, tags = work.batch.buffer.data, dict[bytes, str](), dict[bytes, str]()
        parse = (seen.what == ODD) | (seen.what == RUN_METADATA)
        parse |= (seen.what == SUMMARY) & ((seen.kind == SIMPLE_VALUE) | (seen.kind == 0))
        odd: list[int] = []
        for kind in (FILE_VERSION, GRAPH, SESSION):
            chosen = np.flatnonzero(seen.what == kind)
            for row, start, end in zip(rows[chosen].tolist(), seen.start[chosen], seen.end[chosen], strict=True):
                if kind == GRAPH:
                    work.blob(row, int(work.run_of[row]), GRAPH_TAG, "graphs")
                elif kind == SESSION:
                    if (ended := _STOPS.get(bytes(data[start:end]))) is None:
                        odd.append(row)
                    else:
                        work.stops[row] = ended
                else:
                    version = file_version(bytes(data[start:end]))
                    work.happenings.append(Happening(row, int(work.run_of[row]), "version", version))
        chosen = np.flatnonzero((seen.what == SUMMARY) & ~parse)
        lists = (seen.tag, seen.tag_end, seen.plugin, seen.plugin_end, seen.kind)
        columns: list[list[int]] = [rows[chosen].tolist(), work.run_of[rows[chosen]].tolist()]
        for row, run, a, b, c, d, kind in zip(*columns, *(each[chosen].tolist() for each in lists), strict=True):
            spelled, named = bytes(data[a:b]), bytes(data[c:d])
            tag = tags.get(spelled)
            if tag is None:
                tag = tags[spelled] = spelled.decode("utf-8", "replace")
            plugin = PLUGINS_BY_FIELD.get(kind, "")
            if named:
                plugin = plugins.get(named) or plugins.setdefault(named, named.decode("utf-8", "replace"))
            if plugin == "scalars":
                odd.append(row)
            else:
                work.blob(row, run, tag, plugin)
        return np.append(rows[parse], np.array(odd, np.int64))

    def _name_tensors(self, work: _Work, points: _Points, bare: NDArray[np.bool_]) -> None:
        """Gives tensors that name no plugin to that of their tag."""
        for run, tag, plugin in list(work.blobs):
            if plugin:
                continue
            named = self._first(work, points, bare, run, tag)
            for row in work.blobs.pop((run, tag, "")):
                if named != "scalars":
                    work.blob(row, run, tag, named)
                    continue
                for value in self._event(work, row).summary.value:
                    if value.tag == tag and not plugin_of(value, ""):
                        self._take_number(work, row, run, value)

    def _first(self, work: _Work, points: _Points, bare: NDArray[np.bool_], run: int, tag: str) -> str:
        """The plugin that a tag came with first, in all of the run; that of a tensor which names none is `NAMELESS`."""
        if known := self._store.plugin_of(work.runs[run], tag):
            return known
        found = [work.named[run, tag]] if (run, tag) in work.named else []
        found += [(min(work.blobs[run, tag, ""]), NAMELESS)] if (run, tag, "") in work.blobs else []
        if tag in self._numbers:
            mine = points.series == (run << 32 | self._numbers[tag])
            for chosen, plugin in ((mine & ~bare, "scalars"), (mine & bare, NAMELESS)):
                rows = points.row[chosen]
                found += [(int(rows.min()), plugin)] if len(rows) else []
        return min(found, default=(-1, NAMELESS))[1]

    def _know_first(self, work: _Work, points: _Points) -> None:
        """Tells the store of new tags that come with several plugins, or with no value, which plugin was first."""
        bulk: set[int] = set(distinct(points.series).tolist()) if work.named else set()
        none = np.zeros(len(points.row), bool)
        for (run, tag), (_, plugin) in work.named.items():
            series = run << 32 | self._numbers[tag] if tag in self._numbers else -1
            first = self._first(work, points, none, run, tag) if series in bulk else plugin
            self._store.know(work.runs[run], tag, first)

    def _name_bare(self, work: _Work, points: _Points, bare: NDArray[np.bool_]) -> _Points:
        """Keeps numbers of tensors that name no plugin where their tag is a scalar's; others are blobs."""
        keep = ~bare
        found: list[int] = distinct(points.series[bare]).tolist()
        named = {key: self._first(work, points, bare, key >> 32, self._names[key & 0xFFFFFFFF]) for key in found}
        for series, plugin in named.items():
            mine = bare & (points.series == series)
            if plugin == "scalars":
                keep |= mine
                continue
            rows = points.row[mine]
            work.step[rows], work.wall_time[rows] = points.step[mine], points.wall_time[mine]
            work.summary[rows] = work.seen[rows] = True
            for row in np.sort(rows).tolist():
                work.blob(row, series >> 32, self._names[series & 0xFFFFFFFF], plugin)
        return _Points(*(getattr(points, name)[keep] for name in _Points.__slots__))

    def _event(self, work: _Work, row: int) -> pb.Event:
        batch = work.batch
        start = int(batch.frames.offset[row]) + HEADER
        return decode_event(batch.buffer[start : start + int(batch.frames.length[row])].tobytes())

    def _parse(self, work: _Work, row: int) -> None:
        """Parses one record."""
        run = int(work.run_of[row])
        try:
            event = self._event(work, row)
        except CorruptRecord as error:
            self._store.warn(work.runs[run], "undecodable_event", str(error))
            return
        what = event.WhichOneof("what")
        work.step[row], work.wall_time[row], work.summary[row] = event.step, event.wall_time, what == "summary"
        if what == "file_version":
            work.happenings.append(Happening(row, run, "version", file_version(event.file_version.encode())))
        elif what == "session_log" and event.session_log.status == event.session_log.START:
            work.happenings.append(Happening(row, run, "start", event.step))
        elif what == "session_log" and event.session_log.status == event.session_log.STOP:
            work.stops[row] = "failed" if event.session_log.msg == FAILED else "finished"
        elif what == "graph_def":
            work.blob(row, run, GRAPH_TAG, "graphs")
        elif what == "tagged_run_metadata":
            work.blob(row, run, event.tagged_run_metadata.tag, "graph_tagged_run_metadata")
        for value in event.summary.value:
            plugin = plugin_of(value, "")
            work.name(row, run, value.tag, plugin)
            if plugin == "scalars":
                self._take_number(work, row, run, value)
            elif plugin or value.WhichOneof("value") == "tensor":
                work.blob(row, run, value.tag, plugin)

    def _take_number(self, work: _Work, row: int, run: int, value: pb.Summary.Value) -> None:
        number = number_in(value)
        if number is not None:
            series = run << 32 | self._number(value.tag)
            # of what later values say nothing is kept: each might say something else
            label = 0 if self._store.plugin_of(work.runs[run], value.tag) else self._label(value)
            work.scalars.append((row, series, int(work.step[row]), float(work.wall_time[row]), *number, label))
        else:
            message = f"a value of the scalar {value.tag!r} is not one number; it was skipped"
            self._store.warn(work.runs[run], "odd_scalar", message)

    def _label(self, value: pb.Summary.Value) -> int:
        about = (value.metadata.display_name, value.metadata.summary_description)
        known = about if any(about) or value.WhichOneof("value") == "tensor" else None
        return self._decoder.labels.setdefault(known, len(self._decoder.labels))

    # -- to the store

    def _note_began(self, work: _Work, points: _Points, first: I64) -> None:
        """Tells the store of runs that are new when their first event was written."""
        for name, row in zip(work.runs, first.tolist(), strict=True):
            run = self._store.offer_run(name)
            if run.began is None and row >= 0:
                wall = work.wall_time[row : row + 1] if work.seen[row] else points.wall_time[points.row == row]
                run.began = float(wall[0]) if len(wall) and np.isfinite(wall[0]) else None

    def _note_news(self, work: _Work) -> None:
        """Tells the store of each writer's last event."""
        batch, frames = work.batch, work.batch.frames
        last = np.flatnonzero(np.append(frames.segment[1:] != frames.segment[:-1], True))
        place = frames.offset[last] + HEADER
        walls = np.ndarray((len(batch.buffer) - 7,), "<f8", batch.buffer, strides=(1,))[place + 1]
        walls[(batch.buffer[place] != _WALL_KEY) | ~np.isfinite(walls)] = 0.0  # written unusually, or damaged
        segments: list[int] = frames.segment[last].tolist()
        for row, at, wall in zip(last.tolist(), segments, walls.tolist(), strict=True):
            self._store.offer_news(batch.runs[at], _writer_of(batch.paths[at]), wall, work.stops.get(row, ""))

    def _offer_points(self, work: _Work, points: _Points, cuts: dict[int, Cuts], touched: set[int]) -> None:
        if not len(points.row):
            return
        order, starts, ends = _grouped(points.series, points.row, whole=bool(cuts))
        with np.errstate(over="ignore"):
            single = points.value.astype(np.float32)
        step, wall_time, heads = points.step, points.wall_time, starts
        if order is not None:
            step, wall_time, single, heads = step.take(order), wall_time.take(order), single.take(order), order[starts]
        narrow: Columns = (step, wall_time, single)
        broad, wide = narrow, None
        if points.wide.any():
            wide = points.wide if order is None else points.wide[order]
            broad = (step, wall_time, points.value if order is None else points.value[order])
        labels = [None if one is None else Label(*one) for one in self._decoder.labels]
        growth = [work.batch.growth.get(run, 1.0) for run in work.runs]
        runs, names = work.runs, self._names
        keys: list[int] = points.series[heads].tolist()
        said: list[int] = points.label[heads].tolist()
        bounds = list(zip(starts.tolist(), ends.tolist(), strict=True))
        offers = (
            Offer(
                runs[key >> 32],
                names[key & 0xFFFFFFFF],
                narrow if wide is None or not wide[a:b].any() else broad,
                a,
                b,
                growth[key >> 32],
                first,
                last,
                labels[about],
            )
            for key, (a, b), first, last, about in zip(
                keys, bounds, wall_time[starts].tolist(), wall_time[ends - 1].tolist(), said, strict=True
            )
        )
        tracks = self._store.offer_many("scalars", offers)
        if not cuts:
            return
        row = points.row if order is None else points.row[order]
        for key, (a, b), track in zip(keys, bounds, tracks, strict=True):
            if (run := key >> 32) in cuts:
                touched.add(id(track))
                self._cut(runs[run], names[key & 0xFFFFFFFF], track, cuts[run], row[a:b], step[a:b])

    def _cut(self, run: str, tag: str, track: Track, cuts: Cuts, rows: I64, steps: I64) -> None:
        """Hides what restarts void of one track, of which these rows were just added."""
        before = track.count - len(rows)
        back = np.flatnonzero(np.isin(rows, cuts.back))
        at = np.concatenate([np.searchsorted(rows, cuts.rows), back]) + before
        if len(at):
            self._store.supersede(run, tag, track, at, np.append(cuts.steps, steps[back]), marked=len(cuts.rows) > 0)

    def _offer_blobs(self, work: _Work, cuts: dict[int, Cuts], touched: set[int]) -> None:
        if not work.blobs:
            return
        batch, frames = work.batch, work.batch.frames
        keys = sorted(work.blobs, key=lambda key: work.blobs[key][0])
        parts = [distinct(np.array(work.blobs[key], np.int64)) for key in keys]
        rows = np.concatenate(parts)
        segment = frames.segment[rows]
        file_of = np.zeros(len(batch.runs), np.int32)
        present: list[int] = distinct(segment).tolist()
        for at in present:
            files = self._store.offer_run(batch.runs[at]).files
            if batch.paths[at] not in files:
                files.append(batch.paths[at])
            file_of[at] = files.index(batch.paths[at])
        origins = np.array(batch.origins, np.int64)
        offset, length = frames.offset[rows] + HEADER + origins[segment], frames.length[rows].astype(np.int32)
        columns: Columns = (work.step[rows], work.wall_time[rows], file_of[segment], offset, length)
        b = 0
        for (run, tag, plugin), part in zip(keys, parts, strict=True):
            a, b = b, b + len(part)
            name = work.runs[run]
            track = self._store.offer_rows(name, tag, plugin, columns, a, b, batch.growth.get(name, 1.0))
            if run in cuts:
                touched.add(id(track))
                self._cut(name, tag, track, cuts[run], rows[a:b], columns[0][a:b])

    def _count_corrupt(self, batch: Batch, rows: I64) -> None:
        for row in rows.tolist():
            segment = int(batch.frames.segment[row])
            at = int(batch.frames.offset[row]) + batch.origins[segment]
            name = batch.paths[segment].replace("\\", "/").rpartition("/")[2]
            self._store.warn(
                batch.runs[segment],
                "corrupt_record",
                f"{name}: the checksum of the record at offset {at} fails; it was skipped",
            )


def _return_free_memory() -> None:
    """Has the C library return what was freed to the system: glibc keeps tens of megabytes after large batches."""
    if sys.platform == "linux":
        import ctypes

        with contextlib.suppress(OSError, AttributeError):  # another C library
            ctypes.CDLL(None).malloc_trim(0)


def _writer_of(path: str) -> int:
    """A number that stands for the writer of an event file, the same in every process.

    In a remote store a writer makes many files, each of them whole: those of one process in one run count as one.
    """
    name = path.replace("\\", "/").rpartition("/")[2]
    if "://" in path:
        name = _TIMES.sub(r"\1\2", name)
    return zlib.crc32(name.encode("utf-8", "surrogatepass"))


def _first_rows(segment: I64, of_segment: I64) -> I64:
    """The first record of each run, -1 where it has none; `of_segment` tells each segment's run."""
    first = np.full(int(of_segment.max()) + 1, -1, np.int64)
    starts = np.flatnonzero(np.append(True, segment[1:] != segment[:-1]))
    first[of_segment[segment[starts[::-1]]]] = starts[::-1]
    return first


def _columns(decoded: Decoded) -> tuple[I64, F64, F64, NDArray[np.bool_], NDArray[np.int32]]:
    return decoded.step, decoded.wall_time, decoded.value, decoded.wide, decoded.label


def _with(points: _Points, more: list[tuple[int, int, int, float, float, bool, int]]) -> _Points:
    """The points and those found one by one."""
    if not more:
        return points
    names = _Points.__slots__
    added = [np.array(column) for column in zip(*more, strict=True)]
    columns = [
        np.concatenate([old, new.astype(old.dtype)])
        for old, new in zip((getattr(points, name) for name in names), added, strict=True)
    ]
    return _Points(*columns)


def _sequences(work: _Work, points: _Points) -> list[Sequence]:
    """The intact events of each run."""
    step, summary, seen = work.step.copy(), work.summary.copy(), work.seen.copy()
    step[points.row] = points.step
    summary[points.row] = seen[points.row] = True
    rows = np.flatnonzero(seen)
    rows = rows[np.argsort(work.run_of[rows], kind="stable")]
    bounds = np.searchsorted(work.run_of[rows], np.arange(1, len(work.runs)))
    return [Sequence(part, step[part], summary[part]) for part in np.split(rows, bounds)]


def _grouped(series: I64, row: I64, whole: bool) -> tuple[I64 | None, I64, I64]:
    """An order that brings each series' points together, in the order of records, and where each group starts and ends.

    Args:
        series, row: of each point.
        whole: a series may not be in several groups. Otherwise it may, one after the other, if that spares the order:
            which is None then.
    """
    starts = np.append(0, np.flatnonzero(series[1:] != series[:-1]) + 1)
    ends = np.append(starts[1:], len(series))
    inside = row[1:] < row[:-1]
    inside[starts[1:] - 1] = False
    long = len(starts) * LONG <= len(series) and not inside.any()
    if not long:
        return _sorted(series, row)
    keys = series[starts]
    turn = np.lexsort((row[starts], keys))
    keys, starts, ends = keys[turn], starts[turn], ends[turn]
    again = np.flatnonzero(keys[1:] == keys[:-1])
    if (row[starts[again + 1]] < row[ends[again] - 1]).any():  # several values of one record
        return _sorted(series, row)
    if not len(again) or (not whole and len(starts) * LONGER <= len(series)):
        return None, starts, ends
    sizes = ends - starts
    order = np.repeat(starts - (np.cumsum(sizes) - sizes), sizes) + np.arange(len(series))
    firsts = np.append(True, keys[1:] != keys[:-1])
    bounds = (np.cumsum(sizes) - sizes)[firsts]
    return order, bounds, np.append(bounds[1:], len(series))


def _sorted(series: I64, row: I64) -> tuple[I64, I64, I64]:
    low, high = int(series.min()), int(series.max())
    # sorting 16-bit numbers is a radix sort: linear, and ten times sooner
    narrow = (series - low).astype(np.uint16) if high - low < 1 << 16 else _ranks(series)
    order = np.argsort(narrow, kind="stable")
    ordered = series[order]
    starts = np.append(True, ordered[1:] != ordered[:-1])
    rows = row[order]
    if bool(((rows[1:] < rows[:-1]) & ~starts[1:]).any()):  # shapes came in another order than records: steps went back
        order = np.lexsort((row, series))
    bounds = np.flatnonzero(starts)
    return order, bounds, np.append(bounds[1:], len(series))


def _ranks(series: I64) -> NDArray[np.uint16] | I64:
    """Series as small numbers of the same order, where they are few enough."""
    run, tag = series >> 32, series & 0xFFFFFFFF
    width = int(tag.max()) + 1
    dense = run * width + tag
    return dense.astype(np.uint16) if int(dense.max()) < 1 << 16 else dense
