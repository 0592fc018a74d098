"""Histograms for the page: read from disk, whatever wrote them, and counted anew in the buckets that a card draws.

    bytes 0-3     "TLH1"
    bytes 4-7     H, the header's length: unsigned 32 bit, little-endian; 8 + H is a multiple of 8
    H bytes       JSON, padded with spaces: {"v": 1, "order": "little", "x", "low", "high", "bins", "series": [{"run",
                  "tag", "generation", "total", "n", "first", "last", "origin", "problems": [{"at", "step", "what"}],
                  "columns": {name: {"at", "type"}}}]}
    the rest      columns; each starts at its "at", a multiple of 8 counted from the header's end

Of each series the header has how many histograms it has in all, the first and last place of them on the axis, and the
wall time that relative ones count from. Columns have a row for each of the n histograms that were picked: its place in
the series, step, wall time, number of values, the least and the greatest of them, how many are NaN, +Inf and -Inf, and
how many are in no bucket though nobody says why; `counts` has bins + 2 numbers a row, those below `low` first and those
above `high` last; `shares` has as many a row as `rebin.SHARES`.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from tallyboard.core.distinct import distinct
from tallyboard.core.errors import CorruptRecord
from tallyboard.core.rebin import SHARES, ascending, percentiles, rebinned
from tallyboard.core.unpack import Found, array_of, histogram
from tallyboard.core.wire import decode_event

from .responses import dump_json

if TYPE_CHECKING:
    from tallyboard.core.proto import event_pb2 as pb
    from tallyboard.core.store import BlobRef, Blobs

    from .context import Context

__all__ = ["Axis", "Distribution", "Question", "answer", "distribution", "distributions", "picked"]

MAGIC = b"TLH1"
MOST_CELLS = 1 << 22
"""Counts that one answer may hold."""

_MOST_PROBLEMS = 20
_GAP = 1e-9
"""Rows of a tensor may lie apart, or over each other, by so much of what they span."""

F64 = NDArray[np.float64]
Axis = Literal["step", "relative", "wall"]


class Distribution(NamedTuple):
    """One histogram, its edges never descending; of an empty one both arrays are empty.

    Attributes:
        edges: float64 of shape [k + 1].
        counts: float64 of shape [k].
        num, least, most: of the values, as the writer said or as the buckets tell.
        nan, positive, negative: values that are NaN, +Inf and -Inf, where the writer counted them.
        odd: values that are in no bucket, and of which the writer says no more.
    """

    edges: F64
    counts: F64
    num: float
    least: float
    most: float
    nan: int = 0
    positive: int = 0
    negative: int = 0
    odd: float = 0.0


@dataclass(frozen=True, slots=True)
class Question:
    """What a card asks: which series, where on the axis, how many rows, and how many buckets between which values.

    Without `low` and `high` that is all values of these rows, but for the share `trim` at each end of every row.
    """

    series: tuple[tuple[str, str], ...]
    x: Axis = "step"
    rows: int = 50
    bins: int = 100
    first: float | None = None
    last: float | None = None
    low: float | None = None
    high: float | None = None
    trim: float = 0.0
    superseded: bool = False


def distribution(value: pb.Summary.Value, step: int = 0) -> Distribution:
    """A histogram of any scheme: torch's message, or `tf.summary`'s rows of left edge, right edge and count.

    Raises:
        CorruptRecord: it is none; the text says why, without run and tag.
    """
    nan, positive, negative = _said(value.metadata.plugin_data.content)
    if value.WhichOneof("value") != "histo":
        edges, counts = _from_rows(value)
        if not counts.any():
            return Distribution(np.empty(0), np.empty(0), 0.0, math.nan, math.nan, nan, positive, negative)
        edges = ascending(edges, counts)
        return Distribution(
            edges, counts, float(counts.sum()), float(edges[0]), float(edges[-1]), nan, positive, negative
        )
    found = histogram(Found(step, 0.0, value, value.metadata))
    held = np.array(value.histo.bucket, np.float64)
    if not (held >= 0).all():  # at an end it would not be seen below: what holds nothing there is left out
        at = int(np.flatnonzero(~(held >= 0))[0])
        raise CorruptRecord(f"bucket {at} of {len(held)} holds {float(held[at]):g} values")
    edges, counts = found.edges, found.counts
    if not len(counts):  # what holds nothing says nothing, but that there was nothing else than NaN
        odd = found.num if found.num > 0 and not (nan or positive or negative) else 0.0
        return Distribution(edges[:0], counts, max(found.num, 0.0), math.nan, math.nan, nan, positive, negative, odd)
    edges = ascending(_repaired(edges, value), counts)
    missing = found.num - float(counts.sum())
    told = nan or positive or negative
    odd = missing if not told and missing > 0.5 and not (math.isfinite(found.min) and math.isfinite(found.max)) else 0.0
    least = found.min if math.isfinite(found.min) else float(edges[0])
    most = found.max if math.isfinite(found.max) else float(edges[-1])
    return Distribution(edges, counts, float(counts.sum()), least, most, nan, positive, negative, odd)


def _said(content: bytes) -> tuple[int, int, int]:
    """How many values were NaN, +Inf and -Inf, by the plugin's content."""
    if not content:
        return 0, 0, 0
    from google.protobuf.message import DecodeError

    from tallyboard.core.proto.plugin_pb2 import HistogramPluginData

    try:
        message = HistogramPluginData.FromString(content)
    except DecodeError:
        return 0, 0, 0
    return message.nan, message.positive_infinity, message.negative_infinity


def _repaired(edges: F64, value: pb.Summary.Value) -> F64:
    """The outer edges where the least or the greatest value is NaN or infinite: those of the buckets themselves."""
    if math.isfinite(edges[0]) and math.isfinite(edges[-1]):
        return edges
    held = np.flatnonzero(np.array(value.histo.bucket, np.float64) > 0)
    limits = value.histo.bucket_limit
    edges = edges.copy()
    if not math.isfinite(edges[0]):
        edges[0] = limits[max(int(held[0]) - 1, 0)]
    if not math.isfinite(edges[-1]):
        edges[-1] = limits[int(held[-1])]
    return edges


def _from_rows(value: pb.Summary.Value) -> tuple[F64, F64]:
    tensor = array_of(value.tensor)
    if tensor.dtype == object or tensor.ndim != 2 or tensor.shape[1] != 3 or tensor.dtype.kind == "c":
        raise CorruptRecord(f"a tensor of shape {tensor.shape}, not of rows of left edge, right edge and count")
    rows = tensor.astype(np.float64)
    if not len(rows):
        return np.empty(0), np.empty(0)
    counts = rows[:, 2]
    held = np.flatnonzero(counts != 0)  # NaN and negative ones too: they are to be named
    if not len(held):
        if not np.isfinite(rows[:, :2]).all():
            raise CorruptRecord("its edges are NaN or Inf: values were, and then tf.summary counts nothing")
        return rows[:0, 0], rows[:0, 2]
    rows = rows[held[0] : held[-1] + 1]
    left, right, counts = rows.T
    apart = left[1:] - right[:-1]
    slack = _GAP * max(float(right[-1] - left[0]), 0.0)
    if bool((apart < -slack).any()):
        raise CorruptRecord(f"buckets lie over each other from bucket {int(np.flatnonzero(apart < -slack)[0])} on")
    gaps = np.flatnonzero(apart > slack)
    edges = np.append(left, right[-1])
    if len(gaps):  # a bucket that holds nothing, where there was none
        edges, counts = np.insert(edges, gaps + 1, right[gaps]), np.insert(counts, gaps + 1, 0.0)
    return edges, counts


def picked(x: F64, first: float, last: float, count: int) -> NDArray[np.int64]:
    """Which of some places lie evenly between `first` and `last`: at most `count`, and the last one besides.

    Args:
        x: places on an axis, float64 of shape [n], in any order.
        first, last: the part in view.
        count: at least 1.

    Returns:
        int64, ascending by place.
    """
    inside = np.flatnonzero(np.isfinite(x) & (x >= first) & (x <= last))
    inside = inside[np.argsort(x[inside], kind="stable")]
    if len(inside) <= count:
        return inside
    there = x[inside]
    wanted = np.linspace(float(there[0]), float(there[-1]), count)
    right = np.minimum(np.maximum(np.searchsorted(there, wanted), 1), len(there) - 1)
    nearer = np.where(wanted - there[right - 1] < there[right] - wanted, right - 1, right)
    return inside[distinct(np.append(nearer, len(inside) - 1))]


def distributions(
    context: Context, stored: Blobs, tag: str, rows: NDArray[np.int64]
) -> list[tuple[int, Distribution | str]]:
    """Some histograms of a series, each with its place in it; a text says what is wrong with one. Reads the disk."""
    found: list[tuple[int, Distribution | str]] = []
    for at in cast("list[int]", rows.tolist()):
        try:
            value = _value(context, stored.ref[at], tag)
            found.append((at, distribution(value, int(stored.step[at]))))
        except CorruptRecord as error:
            found.append((at, str(error)))
    return found


def _value(context: Context, ref: BlobRef, tag: str) -> pb.Summary.Value:
    for value in decode_event(context.fetch(ref)).summary.value:
        if value.tag == tag:
            return value
    raise CorruptRecord("its record is no longer there")


@dataclass(slots=True)
class _Series:
    """What is drawn of one series."""

    run: str
    tag: str
    stored: Blobs
    x: F64
    origin: float
    good: list[tuple[int, Distribution]] = field(default_factory=list[tuple[int, Distribution]])
    problems: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])


def answer(context: Context, question: Question) -> bytes:
    """The frame that answers a question. Reads the disk, so it is no call for the event loop's thread."""
    series = [one for run, tag in question.series if (one := _read(context, question, run, tag)) is not None]
    low, high = _range(question, series)
    at: F64 = 2 * np.linspace(low / 2, high / 2, question.bins + 1)  # halved, lest their distance be infinite
    columns = _Columns()
    header = {
        "v": 1,
        "order": "little",
        "x": question.x,
        "low": low,
        "high": high,
        "bins": question.bins,
        "series": [_encoded(one, at, columns) for one in series],
    }
    head = dump_json(header)
    head += b" " * (-len(head) % 8)
    return b"".join((MAGIC, struct.pack("<I", len(head)), head, *columns.pieces))


def _read(context: Context, question: Question, run: str, tag: str) -> _Series | None:
    stored = context.store.blobs("histograms", run, tag, superseded=question.superseded)
    if stored is None or not len(stored):
        return None
    origin = float(stored.wall_time[0])
    x = stored.step.astype(np.float64) if question.x == "step" else stored.wall_time
    if question.x == "relative":
        x = x - origin
    series = _Series(run, tag, stored, x, origin)
    first = -math.inf if question.first is None else question.first
    last = math.inf if question.last is None else question.last
    for at, one in distributions(context, stored, tag, picked(x, first, last, question.rows)):
        if isinstance(one, str):
            if len(series.problems) < _MOST_PROBLEMS:
                series.problems.append({"at": at, "step": int(stored.step[at]), "what": one})
        else:
            series.good.append((at, one))
    return series


def _range(question: Question, series: list[_Series]) -> tuple[float, float]:
    """The values that the buckets lie between: those asked for, else all that any of the histograms has."""
    held = [one for each in series for _, one in each.good if len(one.counts)]
    wanted = (question.trim, 1 - question.trim)
    ends = [percentiles(one.edges, one.counts, wanted).tolist() for one in held]
    low = question.low if question.low is not None else min((own[0] for own in ends), default=0.0)
    high = question.high if question.high is not None else max((own[1] for own in ends), default=low + 1.0)
    if high / 2 - low / 2 > abs(low) * 1e-12 and high > low:
        return low, high
    around = max(abs(low) * 0.05, 0.5)  # all the same number
    return max(low - around, -1.7e308), min(low + around, 1.7e308)


def _encoded(one: _Series, at: F64, columns: _Columns) -> dict[str, Any]:
    rows = np.array([place for place, _ in one.good], np.int64)
    found = [each for _, each in one.good]
    stored, ends = one.stored, one.x[np.isfinite(one.x)]
    counts = np.array([rebinned(each.edges, each.counts, at) for each in found]).reshape(len(found), len(at) + 1)
    shares = np.array([percentiles(each.edges, each.counts) for each in found]).reshape(len(found), len(SHARES))
    numbers = {
        "at": rows.astype(np.float64),
        "step": stored.step[rows].astype(np.float64),
        "wall": stored.wall_time[rows],
        "x": one.x[rows],
        **{name: np.array([getattr(each, name) for each in found], np.float64) for name in Distribution._fields[2:]},
    }
    placed = {name: columns.place(column) for name, column in numbers.items()}
    return {
        "run": one.run,
        "tag": one.tag,
        "generation": stored.generation,
        "total": len(stored),
        "n": len(found),
        "first": float(ends.min()) if len(ends) else None,
        "last": float(ends.max()) if len(ends) else None,
        "origin": one.origin if math.isfinite(one.origin) else None,
        "problems": one.problems,
        "columns": {**placed, "counts": columns.place(_thin(counts)), "shares": columns.place(shares)},
    }


def _thin(counts: F64) -> NDArray[Any]:
    """As 32 bit floats, where these can say how many."""
    return counts if counts.size and counts.max() > 3e38 else counts.astype(np.float32)


@dataclass(slots=True)
class _Columns:
    pieces: list[bytes] = field(default_factory=list[bytes])
    size: int = 0

    def place(self, column: NDArray[Any]) -> dict[str, Any]:
        """Adds a column; returns how the header names it."""
        data = np.ascontiguousarray(column, column.dtype.newbyteorder("<")).tobytes()
        placed = {"at": self.size, "type": f"f{column.itemsize}"}
        data += bytes(-len(data) % 8)
        self.pieces.append(data)
        self.size += len(data)
        return placed
