"""Distributions in buckets: exactly torch's counts, several times as fast.

The default buckets are TensorFlow's: edges at ±1e-12·1.1^k and 0. Nobody searches them value by value here. The top
16 bits of a float, its sign, exponent and first digits, name a *cell* of less than ten percent, in which one edge lies
at most; a table of all cells says in which bucket a cell starts and from which lower bits on the next one begins, so
that one look-up and one addition place a value exactly. Source of the rule for values on an edge: numpy.histogram,
whose buckets are [left, right), the last one [left, right]. Source of the layout of the message: `make_histogram` of
torch.utils.tensorboard, and TensorBoard's data_compat.py, which reads it.
"""

from __future__ import annotations

import functools
import math
import operator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .arrays import as_array, nbytes_of
from .errors import InvalidSummary
from .proto.plugin_pb2 import HistogramPluginData
from .summary import DataClass, Summary, as_number, as_tag, kind_of
from .values import Histogram, Later

__all__ = ["default_bins", "histogram", "histogram_raw"]

_CHUNK = 1 << 15  # values at a time, so that what is made on the way stays in the cache
_BLAS_PIECE = 1 << 13
_AT_ONCE = 64 << 20  # bytes above which values are counted during the call, because a copy would fill the memory


@functools.cache
def _positive_edges() -> NDArray[np.float64]:
    """1e-12·1.1^k below 1e20, by repeated multiplication: its rounding belongs to the definition."""
    edges: list[float] = []
    edge = 1e-12
    while edge < 1e20:
        edges.append(edge)
        edge *= 1.1
    return np.array(edges)


@functools.cache
def _edges() -> NDArray[np.float64]:
    positive = _positive_edges()
    return np.concatenate((-positive[::-1], [0.0], positive))


def default_bins() -> list[float]:
    """The edges of the default buckets, in ascending order; a new list each time."""
    return _edges().tolist()


class _Table:
    """Where the values of one float type go.

    A *code* is a value's place on its side of zero: the number of edges at or below it (positive side), or the number
    of magnitudes, zero among them, that its own exceeds (negative side, whose codes start behind the positive ones).
    `entries[cell]` holds the code of the cell's first value, shifted left, plus what makes the sum with a value's lower
    bits carry over into the code from the edge on. No NaN or infinity may come here.
    """

    def __init__(self, kind: type[np.float32 | np.float64]) -> None:
        self.unsigned = np.uint32 if kind is np.float32 else np.uint64
        low = np.dtype(self.unsigned).itemsize * 8 - 16
        self.shift, self.mask = self.unsigned(low), self.unsigned((1 << low) - 1)
        edges = _positive_edges()
        closed = np.zeros(len(edges), bool)
        closed[-1] = True
        positive = self._first(kind, edges, closed)
        negative = np.concatenate(([self.unsigned(1)], self._first(kind, edges, np.ones(len(edges), bool))))
        self.negatives = len(positive) + 1
        self.codes = self.negatives + len(negative) + 1
        starts = np.arange(1 << 15, dtype=self.unsigned) << self.shift
        self.entries = np.concatenate((self._side(starts, positive, 0), self._side(starts, negative, self.negatives)))

    def _first(self, kind: type[np.float32 | np.float64], edges: NDArray[np.float64], above: Any) -> NDArray[Any]:
        """Bits of the least number of this type that is at each edge or, where `above` says so, beyond it."""
        near = edges.astype(kind)
        short = (near.astype(np.float64) < edges) | (above & (near.astype(np.float64) == edges))
        return np.where(short, np.nextafter(near, kind(np.inf)), near).astype(kind).view(self.unsigned)

    def _side(self, starts: NDArray[Any], firsts: NDArray[Any], offset: int) -> NDArray[Any]:
        at_start = np.searchsorted(firsts, starts, side="right")
        at_end = np.searchsorted(firsts, starts + self.mask, side="right")
        split = at_end > at_start
        if (at_end - at_start).max() > 1:
            raise AssertionError("a cell of the histogram's table holds two edges")
        entries = (at_start + offset).astype(self.unsigned) << self.shift
        entries[split] += self.mask + self.unsigned(1) - (firsts[at_start[split]] & self.mask)
        return entries

    def count(self, bits: NDArray[Any]) -> NDArray[np.intp]:
        """Values of each code; `bits` are the values seen as unsigned numbers."""
        places = self.entries.take((bits >> self.shift).astype(np.intp))
        places += bits & self.mask
        places >>= self.shift
        return np.bincount(places.astype(np.intp), minlength=self.codes)


_table = functools.cache(_Table)


def _counted(values: NDArray[Any], max_bins: int | None) -> Histogram:
    """A histogram of finite float32 or float64 values in the default buckets."""
    table = _table(values.dtype.type)
    bits = values.view(table.unsigned)
    total = np.zeros(table.codes, np.intp)
    sums = squares = 0.0
    for start in range(0, len(values), _CHUNK):
        total += table.count(bits[start : start + _CHUNK])
        part = values[start : start + _CHUNK].astype(np.float64, copy=False)
        with np.errstate(over="ignore", invalid="ignore"):
            sums += float(part.sum())
            squares += _squares(part)
    positive, negative = total[: table.negatives], total[table.negatives :]
    counts = np.concatenate((negative[-2:0:-1], positive[:-1]))
    counts[len(positive) - 1] += negative[0]  # -0.0 is 0
    limits = _edges()
    if max_bins is not None:
        counts, limits = _fewer(counts, limits, max_bins)
    least, most = float(values.min()), float(values.max())
    if negative[-1]:  # what lies beyond the outermost edges gets a bucket of its own
        counts, limits = np.concatenate((negative[-1:], counts)), np.concatenate(([least], limits))
    if positive[-1]:
        counts, limits = np.concatenate((counts, positive[-1:])), np.concatenate((limits, [most]))
    counts, limits = _trimmed(counts, limits)
    return Histogram(least, most, float(len(values)), sums, squares, limits, counts)


def _squares(values: NDArray[Any]) -> float:
    """Sum of squares, piece by piece: for longer ones BLAS wakes threads, which wait for each other and for cores."""
    total = 0.0
    for start in range(0, len(values), _BLAS_PIECE):
        part = values[start : start + _BLAS_PIECE]
        total += float(part.dot(part))
    return total


def _fewer(
    counts: NDArray[np.intp], edges: NDArray[np.float64], max_bins: int
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Neighbouring buckets put together, as torch does it: twice `max_bins` may remain."""
    group = len(counts) // max_bins
    if len(counts) <= max_bins or group < 2:
        return counts, edges
    grouped = np.add.reduceat(counts, np.arange(0, len(counts), group))
    return grouped, np.concatenate((edges[:-1:group], edges[-1:]))


def _trimmed(counts: NDArray[np.intp], edges: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Counts and right edges, from an empty bucket left of the first that holds something to the last that does."""
    held = np.flatnonzero(counts)
    if not len(held):
        return np.zeros(1), edges[-1:].astype(np.float64)
    start, end = int(held[0]), int(held[-1]) + 1
    kept = np.zeros(end - start + 1)
    kept[1:] = counts[start:end]
    return kept, edges[start : end + 1].astype(np.float64)


def _in_bins(call: str, values: NDArray[Any], bins: Any, max_bins: int | None) -> Histogram:
    """A histogram of finite values in buckets that the user chose; anything wrong with them shows now."""
    numbers = values.astype(np.float64, copy=False)
    if not isinstance(bins, str | int):
        bins = as_array(bins, call, "bins", copy=False)
        if bins.ndim == 1 and len(bins) < 2:
            raise InvalidSummary(f"{call}: expected bins to be at least 2 edges, got {len(bins)}")
    try:
        counts, limits = np.histogram(numbers, bins=bins)
    except (ValueError, TypeError, MemoryError, OverflowError) as error:
        what = repr(bins) if isinstance(bins, str | int) else kind_of(bins)
        raise InvalidSummary(
            f"{call}: bins={what} makes no buckets ({error}); give 'tensorflow', a rule of numpy.histogram such as "
            "'auto', a number of buckets, or edges in ascending order"
        ) from None
    if max_bins is not None:
        counts, limits = _fewer(counts, limits, max_bins)
    counts, limits = _trimmed(counts, limits)
    with np.errstate(over="ignore", invalid="ignore"):
        total, squares = float(numbers.sum()), _squares(numbers)
    return Histogram(float(numbers.min()), float(numbers.max()), float(len(numbers)), total, squares, limits, counts)


def histogram(tag: str, values: Any, bins: Any = "tensorflow", max_bins: int | None = None) -> Summary:
    """A summary of how numbers are distributed.

    NaN and infinity are in no bucket, nor in min, max and sums; they are counted in the plugin's content and named in
    the description.

    Args:
        tag: its name.
        values: numbers of any real type and shape; at least one.
        bins: as `numpy.histogram` takes them, or "tensorflow" for the default buckets.
        max_bins: put neighbouring buckets together until about so many are left.

    Raises:
        InvalidSummary: there are no values, they are not real numbers, or the bins are none.
    """
    name = as_tag(tag, "add_histogram")
    call = f"add_histogram({name!r})"
    if max_bins is not None:
        max_bins = _at_least_one(call, max_bins)
    big = nbytes_of(values) > _AT_ONCE
    numbers = _as_floats(call, as_array(values, call, "values", copy=not big))
    description, content = "", b""
    with np.errstate(over="ignore", invalid="ignore"):
        suspect = not math.isfinite(_squares(numbers))  # the fastest test there is, though squares may overflow
    if suspect:
        numbers, description, content = _without_nan(numbers)
    if not len(numbers):
        nothing = Histogram(math.nan, math.nan, 0.0, 0.0, 0.0, np.zeros(1), np.zeros(1))
        return Summary(name, "histograms", DataClass.TENSOR, nothing, description, content=content)
    if isinstance(bins, str) and bins == "tensorflow":
        value = Later(functools.partial(_counted, numbers, max_bins), numbers.nbytes)
        if big:
            value = value.make()
    else:
        value = _in_bins(call, numbers, bins, max_bins)
    return Summary(name, "histograms", DataClass.TENSOR, value, description, content=content)


def _at_least_one(call: str, max_bins: Any) -> int:
    try:
        number = operator.index(max_bins)
    except TypeError:
        number = 0
    if number < 1:
        raise InvalidSummary(
            f"{call}: expected max_bins to be an integer of at least 1, got {max_bins!r}; leave it out"
        )
    return number


def _as_floats(call: str, array: NDArray[Any]) -> NDArray[Any]:
    """The same numbers in one dimension, as float32 where it holds all of them and as float64 else."""
    if array.dtype.kind == "c":
        raise InvalidSummary(
            f"{call}: expected values to be real numbers, got {kind_of(array)}; log .real and .imag, or numpy.abs()"
        )
    if not array.size:
        raise InvalidSummary(
            f"{call}: expected values to hold at least one number, got {kind_of(array)}; skip the call when it is empty"
        )
    single = array.dtype.kind in "biuf" and (array.dtype.itemsize < 4 or array.dtype == np.float32)
    return np.ascontiguousarray(array, np.float32 if single else np.float64).reshape(-1)


def _without_nan(numbers: NDArray[Any]) -> tuple[NDArray[Any], str, bytes]:
    """The finite ones, and what is said of the others: as markdown, and as the plugin's content."""
    finite = np.isfinite(numbers)
    if finite.all():
        return numbers, "", b""
    counts = {
        "NaN": int(np.isnan(numbers).sum()),
        "+Inf": int((numbers == np.inf).sum()),
        "-Inf": int((numbers == -np.inf).sum()),
    }
    said = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
    content = HistogramPluginData(nan=counts["NaN"], positive_infinity=counts["+Inf"], negative_infinity=counts["-Inf"])
    return numbers[finite], f"In no bucket: {said}, of {len(numbers)} values.", content.SerializeToString()


def histogram_raw(
    tag: str,
    least: Any,
    most: Any,
    num: Any,
    total: Any,
    sum_squares: Any,
    bucket_limits: Any,
    bucket_counts: Any,
) -> Summary:
    """A summary of a distribution that was counted elsewhere.

    Args:
        tag: its name.
        least, most, num, total, sum_squares: of the values.
        bucket_limits: right edge of each bucket, shape [k].
        bucket_counts: values in each bucket, shape [k].

    Raises:
        InvalidSummary: one of them is no number, or limits and counts are not as many.
    """
    name = as_tag(tag, "add_histogram_raw")
    call = f"add_histogram_raw({name!r})"

    def number(value: Any) -> float:
        return as_number(name, value, "add_histogram_raw")

    limits = as_array(bucket_limits, call, "bucket_limits")
    counts = as_array(bucket_counts, call, "bucket_counts")
    if limits.ndim != 1 or limits.shape != counts.shape or "c" in (limits.dtype.kind, counts.dtype.kind):
        raise InvalidSummary(
            f"{call}: expected as many bucket_limits as bucket_counts, one dimension each, got {kind_of(limits)} and "
            f"{kind_of(counts)}; a limit is a bucket's right edge, so leave out the leftmost edge of numpy.histogram"
        )
    value = Histogram(
        number(least),
        number(most),
        number(num),
        number(total),
        number(sum_squares),
        limits.astype(np.float64),
        counts.astype(np.float64),
    )
    return Summary(name, "histograms", DataClass.TENSOR, value)
