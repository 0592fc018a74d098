"""From framed records to series: scalars in bulk, everything else as a reference to where it lies.

Takes what `record.scan` found in a batch of files, and offers it to a `Store` in the order of the files.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .errors import CorruptRecord
from .legacy import number_in, plugin_of
from .record import HEADER, Frames, checksums_hold
from .scalars import Decoded, ScalarDecoder
from .store import BlobRef, Store
from .wire import decode_event

__all__ = ["DECODING", "Batch", "Ingest"]

DECODING = 1  # goes up when the same bytes give something else than before: indexes of older numbers are read anew

I64 = NDArray[np.int64]
F64 = NDArray[np.float64]

GRAPH_TAG = "__run_graph__"  # TensorBoard's name for the graph of a run


@dataclass(frozen=True, slots=True)
class Batch:
    """Records of some files.

    Attributes:
        buffer: the bytes.
        frames: where the records are.
        runs, paths: of each segment.
        origins: what to add to a position in the buffer to have one in the segment's file.
    """

    buffer: NDArray[np.uint8]
    frames: Frames
    runs: list[str]
    paths: list[str]
    origins: list[int]


@dataclass(frozen=True, slots=True)
class _Points:
    """Scalar points with the record and series that each belongs to."""

    row: I64
    series: I64
    step: I64
    wall_time: F64
    value: F64
    wide: NDArray[np.bool_]


class Ingest:
    """Decodes batches into a store. Remembers the shapes of scalar events."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._decoder = ScalarDecoder()
        self._names: list[str] = []

    def take(self, batch: Batch) -> None:
        """Offers everything in a batch to the store."""
        frames = batch.frames
        if not len(frames.offset):
            return
        decoded = self._decoder.decode(batch.buffer, frames.offset, frames.length)
        runs = {run: i for i, run in enumerate(dict.fromkeys(batch.runs))}
        run_of_segment = np.array([runs[run] for run in batch.runs], np.int64)
        points = self._bulk(decoded, frames.segment, run_of_segment)
        slow = self._parse(batch, decoded.rest, run_of_segment)
        if slow is not None:
            points = _joined(points, slow)
        self._offer(points, list(runs), ordered=slow is None)
        self._count_corrupt(batch, decoded.corrupt)

    def _bulk(self, decoded: Decoded, segment: I64, run_of_segment: I64) -> _Points:
        for tag in list(self._decoder.tags)[len(self._names) :]:
            self._names.append(tag.decode("utf-8", "replace"))
        self._numbers = {name: i for i, name in enumerate(self._names)}
        runs = run_of_segment[segment[decoded.row]] if len(run_of_segment) > 1 else np.zeros(len(decoded.row), np.int64)
        series = (runs << 32) | decoded.tag
        return _Points(decoded.row, series, decoded.step, decoded.wall_time, decoded.value, decoded.wide)

    def _offer(self, points: _Points, runs: list[str], ordered: bool) -> None:
        if not len(points.row):
            return
        order, bounds = _grouped(points.series, None if ordered else points.row)
        step, wall_time, value = points.step[order], points.wall_time[order], points.value[order]
        wide = points.wide[order] if points.wide.any() else None
        series: list[int] = points.series[order[bounds]].tolist()
        starts: list[int] = bounds.tolist()
        for key, a, b in zip(series, starts, [*starts[1:], len(order)], strict=True):
            run, tag = runs[key >> 32], self._names[key & 0xFFFFFFFF]
            self._store.offer_scalars(
                run, tag, step[a:b], wall_time[a:b], value[a:b], bool(wide is not None and wide[a:b].any())
            )

    def _number(self, tag: str) -> int:
        number = self._numbers.get(tag)
        if number is None:
            key = tag.encode("utf-8", "surrogatepass")
            self._decoder.tags.setdefault(key, len(self._decoder.tags))
            number = self._numbers[tag] = len(self._names)
            self._names.append(tag)
        return number

    def _parse(self, batch: Batch, rows: I64, run_of_segment: I64) -> _Points | None:
        """Parses the other records one by one; returns the scalars among them."""
        if not len(rows):
            return None
        frames = batch.frames
        offsets, lengths = frames.offset[rows], frames.length[rows]
        sound = checksums_hold(batch.buffer, offsets, lengths)
        self._count_corrupt(batch, rows[~sound])
        found: list[tuple[int, int, int, float, float, bool]] = []
        places: list[list[int]] = np.stack([rows, offsets, lengths, frames.segment[rows]], 1)[sound].tolist()
        for row, offset, length, segment in places:
            start = offset + HEADER
            try:
                event = decode_event(batch.buffer[start : start + length].tobytes())
            except CorruptRecord as error:
                self._store.warn(batch.runs[segment], "undecodable_event", str(error))
                continue
            ref = BlobRef(batch.paths[segment], start + batch.origins[segment], length)
            for tag, number, wide in self._one_event(event, batch.runs[segment], ref):
                series = (int(run_of_segment[segment]) << 32) | self._number(tag)
                found.append((row, series, event.step, event.wall_time, number, wide))
        if not found:
            return None
        rows_, series_, step, wall_time, value, wide = zip(*found, strict=True)
        return _Points(
            np.array(rows_, np.int64),
            np.array(series_, np.int64),
            np.array(step, np.int64),
            np.array(wall_time, np.float64),
            np.array(value, np.float64),
            np.array(wide, np.bool_),
        )

    def _one_event(self, event: object, run: str, ref: BlobRef) -> list[tuple[str, float, bool]]:
        """The scalars of an event; its other values are offered as references."""
        from .proto import event_pb2 as pb

        assert isinstance(event, pb.Event)
        if event.WhichOneof("what") == "graph_def":
            self._store.offer_blob(run, GRAPH_TAG, "graphs", event.step, event.wall_time, ref)
        scalars: list[tuple[str, float, bool]] = []
        for value in event.summary.value:
            plugin = plugin_of(value, self._store.plugin_of(run, value.tag))
            if not plugin:
                continue  # no dashboard shows a tensor that nobody names
            self._store.know(run, value.tag, plugin)
            number = number_in(value) if plugin == "scalars" else None
            if number is not None:
                scalars.append((value.tag, *number))
            elif plugin == "scalars":
                self._store.warn(
                    run, "odd_scalar", f"a value of the scalar {value.tag!r} is not one number; it was skipped"
                )
            else:
                self._store.offer_blob(run, value.tag, plugin, event.step, event.wall_time, ref)
        return scalars

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


def _joined(one: _Points, two: _Points) -> _Points:
    names = ("row", "series", "step", "wall_time", "value", "wide")
    return _Points(*(np.concatenate([getattr(one, name), getattr(two, name)]) for name in names))


def _grouped(series: I64, row: I64 | None) -> tuple[I64, I64]:
    """An order that brings each series' points together, in the order of rows, and where each group starts."""
    if row is not None:
        order = np.lexsort((row, series))
    else:
        low, high = int(series.min()), int(series.max())
        # sorting 16-bit numbers is a radix sort: linear, and ten times sooner
        narrow = (series - low).astype(np.uint16) if high - low < 1 << 16 else _ranks(series)
        order = np.argsort(narrow, kind="stable")
    ordered = series[order]
    return order, np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1]))


def _ranks(series: I64) -> NDArray[np.uint16] | I64:
    """Series as small numbers of the same order, where they are few enough."""
    run, tag = series >> 32, series & 0xFFFFFFFF
    width = int(tag.max()) + 1
    dense = run * width + tag
    return dense.astype(np.uint16) if int(dense.max()) < 1 << 16 else dense
