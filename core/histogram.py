"""Distributions in buckets: exactly torch's counts, several times as fast.

The default buckets are TensorFlow's: edges at ±1e-12·1.1^k and 0. Nobody searches them value by value here. The top
16 bits of a float, its sign, exponent and first digits, name a *cell* of less than ten percent, in which one edge lies
at most; a table of all cells says in which bucket a cell starts and from which lower bits on the next one begins, so
that one look-up and one addition place a value exactly. Numbers of 16 bits or fewer are counted by their bits, and
only the different ones are placed. Source of the rule for values on an edge: numpy.histogram, whose buckets are
[left, right), the last one [left, right]. Source of the layout of the message: `make_histogram` of
torch.utils.tensorboard, and TensorBoard's data_compat.py, which reads it.
"""

from __future__ import annotations

import functools
import math
import operator
import threading
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
_FEW_BITS = 1 << 16  # numbers of 16 bits from which on counting them by their bits is sooner than placing each
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
    `entries[cell]` holds the code of the cell's first value in its top 16 bits, and below what makes the sum with a
    value's own bits carry over into the code from the edge on; the cell's number, which those bits have on top, is
    taken off beforehand. No NaN or infinity may come here.
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
        entries = np.concatenate((self._side(starts, positive, 0), self._side(starts, negative, self.negatives)))
        self.entries = entries - (np.arange(1 << 16, dtype=self.unsigned) << self.shift)

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

    def place(self, values: NDArray[Any], cells: NDArray[np.intp], sums: NDArray[Any]) -> NDArray[np.intp]:
        """The code of each value. It lies in `cells`, which is as long as `values`, and so is `sums`."""
        np.copyto(cells, _top(values))
        self.entries.take(cells, out=sums, mode="clip")  # no cell is clipped, but "raise" would copy
        np.add(sums, values.view(self.unsigned), out=sums)
        np.copyto(cells, _top(sums))
        return cells


_table = functools.cache(_Table)


def _top(numbers: NDArray[Any]) -> NDArray[np.uint16]:
    """The top 16 bits of each number, as a view."""
    pieces = numbers.itemsize // 2
    return numbers.view(np.uint16)[pieces - 1 :: pieces]


_own = threading.local()


def _rooms() -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Memory for what is made on the way, of each thread its own: fresh memory would cost a fourth of all the time."""
    if not hasattr(_own, "rooms"):
        _own.rooms = np.empty(_CHUNK, np.intp), np.empty(_CHUNK)
    return _own.rooms


def _counted(values: NDArray[Any], least: float, most: float, max_bins: int | None) -> Histogram:
    """A histogram in default buckets of finite float32 or float64 values, the least and the most of which are known."""
    table = _table(values.dtype.type)
    size = min(len(values), _CHUNK)
    cells, doubles = _rooms()
    sums = doubles.view(table.unsigned)
    total = np.zeros(table.codes, np.intp)
    numbers = squares = 0.0
    for start in range(0, len(values), size):
        part = values[start : start + size]
        total += np.bincount(table.place(part, cells[: len(part)], sums[: len(part)]), minlength=table.codes)
        wide = part  # from here on nobody asks for `sums`, so that its memory may be written again
        if part.dtype != np.float64:
            wide = doubles[: len(part)]
            np.copyto(wide, part)
        with np.errstate(over="ignore", invalid="ignore"):
            numbers += float(wide.sum())
            squares += _squares(wide)
    return _in_default_bins(total, least, most, (len(values), numbers, squares), max_bins)


def _counted_by_bits(values: NDArray[Any], max_bins: int | None) -> Histogram:
    """The same of finite numbers of 16 bits or fewer, whatever their type."""
    kind = np.dtype(f"u{values.itemsize}")
    counts = np.bincount(values.view(kind), minlength=1 << (8 * values.itemsize))
    held = np.flatnonzero(counts)
    counts = counts[held]
    distinct = held.astype(kind).view(values.dtype).astype(np.float32)
    table = _table(np.float32)
    codes = table.place(distinct, np.empty(len(distinct), np.intp), np.empty(len(distinct), table.unsigned))
    total = np.bincount(codes, counts, table.codes).astype(np.intp)
    wide = distinct.astype(np.float64)
    sums = len(values), float(wide.dot(counts)), float((wide * wide).dot(counts))
    return _in_default_bins(total, float(wide.min()), float(wide.max()), sums, max_bins)


def _in_default_bins(
    total: NDArray[np.intp], least: float, most: float, sums: tuple[int, float, float], max_bins: int | None
) -> Histogram:
    """From the values of each code, and how many there are, their sum and that of their squares."""
    table = _table(np.float32)  # the codes of all types are the same
    positive, negative = total[: table.negatives], total[table.negatives :]
    counts = np.concatenate((negative[-2:0:-1], positive[:-1]))
    counts[len(positive) - 1] += negative[0]  # -0.0 is 0
    limits = _edges()
    if max_bins is not None:
        counts, limits = _fewer(counts, limits, max_bins)
    if negative[-1]:  # what lies beyond the outermost edges gets a bucket of its own
        counts, limits = np.concatenate((negative[-1:], counts)), np.concatenate(([least], limits))
    if positive[-1]:
        counts, limits = np.concatenate((counts, positive[-1:])), np.concatenate((limits, [most]))
    counts, limits = _trimmed(counts, limits)
    return Histogram(least, most, float(sums[0]), sums[1], sums[2], limits, counts)


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
    array = _checked(call, as_array(values, call, "values", copy=not big))
    default = isinstance(bins, str) and bins == "tensorflow"
    if default and len(array) >= _FEW_BITS and _in_few_bits(array):
        value = Later(functools.partial(_counted_by_bits, array, max_bins), array.nbytes)
        return Summary(name, "histograms", DataClass.TENSOR, value.make() if big else value)
    numbers, description, content = _as_floats(array), "", b""
    least, most = float(numbers.min()), float(numbers.max())
    if not (math.isfinite(least) and math.isfinite(most)):
        numbers, description, content = _without_nan(numbers)
        if not len(numbers):
            nothing = Histogram(math.nan, math.nan, 0.0, 0.0, 0.0, np.zeros(1), np.zeros(1))
            return Summary(name, "histograms", DataClass.TENSOR, nothing, description, content=content)
        least, most = float(numbers.min()), float(numbers.max())
    if default:
        value = Later(functools.partial(_counted, numbers, least, most, max_bins), numbers.nbytes)
        if big:
            value = value.make()
    else:
        value = _in_bins(call, numbers, bins, max_bins)
    return Summary(name, "histograms", DataClass.TENSOR, value, description, content=content)


def _in_few_bits(array: NDArray[Any]) -> bool:
    """Whether these are finite numbers of 16 bits or fewer."""
    if array.dtype == np.float16:
        return bool((array.view(np.uint16) & 0x7FFF).max() < 0x7C00)  # the bits of infinity; those of NaN are above
    return array.itemsize <= 2 and array.dtype.kind in "biu"


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


def _checked(call: str, array: NDArray[Any]) -> NDArray[Any]:
    """Real numbers in one dimension, at least one of them."""
    if array.dtype.kind == "c":
        raise InvalidSummary(
            f"{call}: expected values to be real numbers, got {kind_of(array)}; log .real and .imag, or numpy.abs()"
        )
    if not array.size:
        raise InvalidSummary(
            f"{call}: expected values to hold at least one number, got {kind_of(array)}; skip the call when it is empty"
        )
    return np.ascontiguousarray(array).reshape(-1)


def _as_floats(array: NDArray[Any]) -> NDArray[Any]:
    """The same numbers as float32 where it holds all of them, and as float64 else."""
    single = array.dtype.kind in "biuf" and (array.dtype.itemsize < 4 or array.dtype == np.float32)
    return array.astype(np.float32 if single else np.float64, copy=False)


def _without_nan(numbers: NDArray[Any]) -> tuple[NDArray[Any], str, bytes]:
    """The finite ones, and what is said of the others: as markdown, and as the plugin's content."""
    finite = np.isfinite(numbers)
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

    def number(argument: str, value: Any) -> float:
        try:
            return as_number(name, value, "add_histogram_raw")
        except InvalidSummary as error:
            raise InvalidSummary(str(error).replace("expected one", f"expected {argument} to be one", 1)) from None

    limits = as_array(bucket_limits, call, "bucket_limits")
    counts = as_array(bucket_counts, call, "bucket_counts")
    if limits.ndim != 1 or limits.shape != counts.shape or "c" in (limits.dtype.kind, counts.dtype.kind):
        raise InvalidSummary(
            f"{call}: expected as many bucket_limits as bucket_counts, one dimension each, got {kind_of(limits)} and "
            f"{kind_of(counts)}; a limit is a bucket's right edge, so leave out the leftmost edge of numpy.histogram"
        )
    value = Histogram(
        number("min", least),
        number("max", most),
        number("num", num),
        number("sum", total),
        number("sum_squares", sum_squares),
        limits.astype(np.float64),
        counts.astype(np.float64),
    )
    return Summary(name, "histograms", DataClass.TENSOR, value)
