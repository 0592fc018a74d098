"""Histograms: every count is NumPy's, every message is torch's, and nothing is lost without a word."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as nst

import tallyboard as tb
from tallyboard.core import histogram as module
from tallyboard.core.errors import InvalidSummary
from tallyboard.core.histogram import default_bins, histogram, histogram_raw
from tallyboard.core.proto.plugin_pb2 import HistogramPluginData
from tallyboard.core.values import Histogram

RNG = np.random.default_rng(5)
EDGES = np.array(default_bins())
PEERS = ["torch.utils.tensorboard", "tensorboardX"]


@pytest.fixture(autouse=True)
def loud() -> Iterator[None]:
    """NumPy's warnings of overflow and the like would be the user's to see: none may come from here."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        yield


def made(values: Any, **options: Any) -> Histogram:
    value = histogram("h", values, **options).settled().value
    assert isinstance(value, Histogram)
    return value


def around(kind: Any) -> np.ndarray[Any, Any]:
    """All edges in a float type, and the numbers next to them on both sides."""
    edges = EDGES.astype(kind)
    both = np.nextafter(edges, kind(np.inf)), np.nextafter(edges, kind(-np.inf))
    return np.concatenate((edges, *both))


def counts_of(value: Histogram) -> np.ndarray[Any, Any]:
    """The counts in the default buckets, those that the message leaves out included."""
    full = np.zeros(len(EDGES) - 1)
    at = np.searchsorted(EDGES, value.limits) - 1
    held = value.counts > 0
    inside = held & (at >= 0) & (at < len(full)) & np.isin(value.limits, EDGES)
    full[at[inside]] = value.counts[inside]
    return full


def test_default_bins_are_torchs(tmp_path: Any) -> None:
    """`default_bins` has the very edges that torch's writer has, and is the caller's to change."""
    torch_writer = pytest.importorskip("torch.utils.tensorboard").SummaryWriter(str(tmp_path))
    torch_writer.close()
    writer = tb.SummaryWriter(sink=tb.MemorySink())

    assert writer.default_bins == torch_writer.default_bins
    writer.default_bins.clear()
    assert writer.default_bins == torch_writer.default_bins
    writer.close()


def test_other_bins_in_place_of_the_default(side_by_side: Callable[..., Any]) -> None:
    """Edges put into `default_bins` are used from then on, as in torch."""

    def log(writer: Any) -> None:
        writer.default_bins = [0.0, 1.0, 2.0, 3.0]
        writer.add_histogram("h", np.array([0.5, 1.5, 1.6, 9.0]), 1)

    mine, theirs = side_by_side(log)

    assert mine[0].written == theirs[0].written
    assert list(mine[0].written.histo.bucket) == [0, 1, 2]


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_every_edge_and_its_neighbours(kind: Any) -> None:
    """A value on an edge, or next to it on either side of it or zero, is counted where numpy.histogram counts it."""
    values = around(kind)
    inside = values[(values >= EDGES[0]) & (values <= EDGES[-1])]
    tiny = np.array([0.0, -0.0, np.finfo(kind).smallest_subnormal, np.finfo(kind).tiny], kind)

    for each in (values, inside, np.concatenate((inside, tiny, -tiny))):
        value = made(each)
        assert np.array_equal(counts_of(value), np.histogram(each.astype(float), EDGES)[0])
        assert value.counts.sum() == len(each)


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_more_than_is_counted_at_a_time(kind: Any) -> None:
    """Of a long array too every value is counted where numpy.histogram counts it, and the sums are of all of them."""
    special = np.array([0.0, -0.0, np.finfo(kind).smallest_subnormal, -np.finfo(kind).tiny, 1e30, -1e30], kind)
    parts = (around(kind), special, RNG.standard_normal(3 * module._CHUNK).astype(kind), around(kind), special)
    values = np.concatenate(parts)
    value = made(values)

    assert np.array_equal(counts_of(value), np.histogram(values.astype(float), EDGES)[0])
    assert value.counts.sum() == value.num == len(values)
    assert (value.min, value.max) == (values.min(), values.max())
    assert value.sum == pytest.approx(
        values.astype(float).sum(), rel=1e-12, abs=1e-12 * np.abs(values).sum(dtype=float)
    )
    assert value.sum_squares == pytest.approx((values.astype(float) ** 2).sum(), rel=1e-12)


@pytest.mark.parametrize("kind", [np.float16, np.int16, np.uint16, np.int8, np.uint8, np.bool_])
@pytest.mark.parametrize("max_bins", [None, 50])
def test_every_number_of_few_bits(kind: Any, max_bins: int | None) -> None:
    """Of each type of 16 bits or fewer, a long array with all its finite numbers becomes torch's message."""
    theirs_of = pytest.importorskip("torch.utils.tensorboard.summary").make_histogram
    size = np.dtype(kind).itemsize
    every = np.arange(2 if kind is np.bool_ else 1 << (8 * size), dtype=f"u{size}").view(kind)
    every = every[np.isfinite(every)]
    values = np.concatenate((every, RNG.choice(every, 70_000)))

    for each in (values, values[: module._FEW_BITS - 1]):  # counted by their bits, and one by one
        theirs, mine = theirs_of(each.astype(float), default_bins(), max_bins), made(each, max_bins=max_bins)

        assert mine.limits.tolist() == list(theirs.bucket_limit)
        assert mine.counts.tolist() == list(theirs.bucket)
        assert (mine.min, mine.max, mine.num) == (theirs.min, theirs.max, theirs.num)
        assert mine.sum == pytest.approx(theirs.sum, rel=1e-12, abs=1e-9)
        assert mine.sum_squares == pytest.approx(theirs.sum_squares, rel=1e-12)


def test_a_long_array_of_halves_with_some_not_finite() -> None:
    """NaN and infinity are counted apart in a long float16 array too."""
    values = np.full(70_000, 2.0, np.float16)
    values[[5, 69_000]] = np.nan, -np.inf
    summary = histogram("h", values)
    value = summary.settled().value

    assert summary.description == "In no bucket: 1 NaN, 1 -Inf, of 70000 values."
    assert isinstance(value, Histogram)
    assert (value.num, value.min, value.max, value.counts.tolist()) == (69_998, 2.0, 2.0, [0.0, 69_998.0])


@given(
    nst.arrays(
        np.float32,
        st.integers(1, 200),
        elements=st.one_of(
            st.floats(width=32, allow_nan=False, allow_infinity=False),
            st.sampled_from(around(np.float32).tolist()),
            st.floats(-1, 1, width=32),
        ),
    )
)
@settings(max_examples=300, deadline=None)
def test_counts_are_numpys_for_any_float32(values: Any) -> None:
    """Whatever finite float32 come, zeros, denormals and huge ones among them, the counts are numpy.histogram's."""
    value = made(values)

    assert np.array_equal(counts_of(value), np.histogram(values.astype(float), EDGES)[0])
    assert value.counts.sum() == value.num == len(values)
    assert (value.min, value.max) == (values.min(), values.max())


@given(
    nst.arrays(
        np.float64,
        st.integers(1, 200),
        elements=st.one_of(
            st.floats(allow_nan=False, allow_infinity=False), st.sampled_from(around(np.float64).tolist())
        ),
    )
)
@settings(max_examples=300, deadline=None)
def test_counts_are_numpys_for_any_float64(values: Any) -> None:
    """Whatever finite float64 come, the counts are numpy.histogram's."""
    value = made(values)

    assert np.array_equal(counts_of(value), np.histogram(values, EDGES)[0])
    assert value.counts.sum() == len(values)


@given(
    nst.arrays(st.sampled_from([np.float32, np.float64]), st.integers(1, 100), elements=st.floats(-1e6, 1e6, width=32)),
    st.one_of(st.none(), st.integers(1, 2000)),
)
@settings(max_examples=200, deadline=None)
def test_messages_are_torchs(values: Any, max_bins: int | None) -> None:
    """Limits, counts, min, max and number are torch's to the bit, the sums to rounding, with and without max_bins."""
    theirs = pytest.importorskip("torch.utils.tensorboard.summary").make_histogram(
        values.astype(float), default_bins(), max_bins
    )
    mine = made(values, max_bins=max_bins)

    assert mine.limits.tolist() == list(theirs.bucket_limit)
    assert mine.counts.tolist() == list(theirs.bucket)
    assert (mine.min, mine.max, mine.num) == (theirs.min, theirs.max, theirs.num)
    assert mine.sum == pytest.approx(theirs.sum, rel=1e-12, abs=1e-12 * np.abs(values.astype(float)).sum())
    assert mine.sum_squares == pytest.approx(theirs.sum_squares, rel=1e-12)


@pytest.mark.parametrize(
    "values",
    [
        RNG.standard_normal(100_000).astype(np.float32),
        RNG.standard_normal((7, 11, 13)),
        RNG.standard_normal((40, 30)).astype(np.float32)[::3, ::-2],
        RNG.standard_normal(500).astype(np.float16),
        RNG.integers(-1000, 1000, 500),
        RNG.integers(-(2**62), 2**62, 501),
        RNG.integers(0, 256, 500, np.uint8),
        RNG.integers(-128, 128, 500, np.int8),
        RNG.integers(0, 2**16, 500, np.uint16),
        RNG.integers(0, 2**32, 500, np.uint32),
        RNG.random(100) > 0.5,
        np.array(3.5),
        np.zeros(10),
        np.full(3, -2.0, np.float32),
    ],
    ids=lambda values: f"{values.dtype}{values.shape}",
)
@pytest.mark.parametrize("peer", PEERS)
def test_any_dtype_and_shape(side_by_side: Callable[..., Any], peer: str, values: Any) -> None:
    """Floats of all sizes, integers, booleans, views and single numbers are on disk as the peers write them."""
    (mine,), (theirs,) = side_by_side(lambda writer: writer.add_histogram("a/h", values, 3, walltime=5.0), peer)
    a, b = mine.written.histo, theirs.written.histo

    assert (mine.tag, mine.step, mine.wall_time, mine.plugin) == ("a/h", 3, 5.0, "histograms")
    assert (list(a.bucket_limit), list(a.bucket)) == (list(b.bucket_limit), list(b.bucket))
    assert (a.min, a.max, a.num) == (b.min, b.max, b.num)
    scale = np.abs(values.astype(float)).sum()
    assert a.sum == pytest.approx(b.sum, abs=1e-12 * scale)
    assert a.sum_squares == pytest.approx(b.sum_squares, rel=1e-12)
    assert np.array_equal(mine.array, theirs.array)
    assert mine.written.HasField("metadata") == theirs.written.HasField("metadata")


def test_longer_floats_and_big_endian() -> None:
    """Longer floats are counted as float64, and bytes in the other order as the numbers they are."""
    values = RNG.standard_normal(50)

    assert made(values.astype(np.longdouble)) == made(values)
    assert made(values.astype(">f8")) == made(values)
    assert made(values.tolist()) == made(values)


@pytest.mark.parametrize("bins", ["auto", "fd", "sturges", "doane", 7, [-1.0, 0.0, 0.5, 2.0], np.linspace(-2, 2, 9)])
@pytest.mark.parametrize("max_bins", [None, 3])
def test_other_bins_are_torchs(side_by_side: Callable[..., Any], bins: Any, max_bins: int | None) -> None:
    """Rules of NumPy, a number of buckets and edges of one's own give torch's very message."""
    values = RNG.standard_normal(1000)

    (mine,), (theirs,) = side_by_side(lambda w: w.add_histogram("h", values, 1, bins=bins, max_bins=max_bins))

    assert mine.written == theirs.written


@pytest.mark.parametrize("library", ["torch", "jax.numpy", "tensorflow"])
def test_arrays_of_other_libraries(library: str) -> None:
    """Tensors of any framework, bfloat16 ones too, are counted as the numbers they hold."""
    lib = pytest.importorskip(library)
    values = RNG.standard_normal(300).astype(np.float32)
    make = {"torch": lambda: lib.from_numpy(values), "tensorflow": lambda: lib.constant(values)}.get(
        library, lambda: lib.asarray(values)
    )
    tensor = make()
    short = {
        "torch": lambda: tensor.to(lib.bfloat16),
        "tensorflow": lambda: lib.cast(tensor, lib.bfloat16),
        "jax.numpy": lambda: tensor.astype(lib.bfloat16),
    }[library]()
    exact = {
        "torch": lambda: short.float().numpy(),
        "tensorflow": lambda: lib.cast(short, lib.float32).numpy(),
        "jax.numpy": lambda: np.asarray(short.astype(lib.float32)),
    }[library]()

    assert made(tensor) == made(values)
    assert made(short) == made(exact)


def test_a_parameter_that_requires_gradients() -> None:
    """A torch parameter is taken as it is, and not changed."""
    torch = pytest.importorskip("torch")
    weight = torch.nn.Parameter(torch.randn(10, 10))

    assert made(weight) == made(weight.detach().numpy())


def test_later_changes_of_the_array_change_nothing() -> None:
    """The values are those at the call, though they are counted later."""
    values = np.zeros(1000, np.float32)
    summary = histogram("h", values)
    values[:] = 1

    assert summary.settled().value == made(np.zeros(1000, np.float32))


def test_an_array_too_large_to_copy(monkeypatch: pytest.MonkeyPatch) -> None:
    """An array above the limit is counted during the call, with the same result."""
    values = RNG.standard_normal(1000)
    expected = made(values)
    monkeypatch.setattr(module, "_AT_ONCE", 100)

    summary = histogram("h", values)

    assert isinstance(summary.value, Histogram)
    assert summary.value == expected


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("bins", ["tensorflow", "auto", 5, [0.0, 1.0, 10.0]])
def test_nan_and_infinity_are_counted(ours: Callable[..., Any], kind: Any, bins: Any) -> None:
    """NaN and infinity leave buckets, min, max and sums to the finite values, and are counted beside them."""
    finite = np.array([1.5, 2.5, 0.25], kind)
    values = np.array([np.nan, 1.5, np.inf, 2.5, np.nan, -np.inf, np.nan, np.inf, 0.25], kind)

    mixed, alone = ours(lambda w: [w.add_histogram("h", x, 1, bins=bins) for x in (values, finite)])

    assert mixed.written.histo == alone.written.histo
    assert mixed.written.histo.num == 3
    content = HistogramPluginData.FromString(mixed.written.metadata.plugin_data.content)
    assert (content.nan, content.positive_infinity, content.negative_infinity) == (3, 2, 1)
    assert mixed.description == "In no bucket: 3 NaN, 2 +Inf, 1 -Inf, of 9 values."
    assert not alone.written.HasField("metadata")


@pytest.mark.parametrize("values", [[np.nan], [np.nan, np.inf], np.full(100, -np.inf, np.float32)])
@pytest.mark.parametrize("bins", ["tensorflow", "auto"])
def test_nothing_finite_is_still_a_summary(ours: Callable[..., Any], values: Any, bins: str) -> None:
    """When no value is finite, TensorBoard reads a histogram without buckets, and the counts say why."""
    (one,) = ours(lambda w: w.add_histogram("h", values, 4, bins=bins))

    assert (one.plugin, one.step, one.array.shape) == ("histograms", 4, (0, 3))
    assert one.written.histo.num == 0
    content = HistogramPluginData.FromString(one.written.metadata.plugin_data.content)
    assert content.nan + content.positive_infinity + content.negative_infinity == len(values)


def test_tensorboard_parses_the_content() -> None:
    """TensorBoard's own parser takes the plugin's content, ours in it unseen."""
    metadata = pytest.importorskip("tensorboard.plugins.histogram.metadata")

    assert metadata.parse_plugin_metadata(histogram("h", [np.nan, 1.0]).content).version == 0


def test_beyond_the_outermost_edges() -> None:
    """Finite values that torch's buckets drop, or fail on when there are no others, get outer buckets."""
    value = made(np.array([1e30, 2.0, -1e25, -1e25, 3e38], np.float32))

    assert value.counts[0] == 0
    assert value.limits[1] == EDGES[0]
    assert value.counts[1] == 2
    assert value.limits[-1] == value.max == np.float32(3e38)
    assert value.counts[-1] == 2
    assert value.counts.sum() == 5
    assert made(np.full(5, 1e300)).counts.tolist() == [0, 5]
    assert made(np.full(5, -1e300)).counts.tolist() == [0, 5]


def test_none_in_the_users_bins(ours: Callable[..., Any]) -> None:
    """When no value lies within edges of one's own, the summary is there with nothing in its bucket; torch raises."""
    (one,) = ours(lambda w: w.add_histogram("h", [5.0, 6.0], 1, bins=[0.0, 1.0]))

    assert (list(one.written.histo.bucket_limit), list(one.written.histo.bucket)) == ([1.0], [0.0])
    assert (one.written.histo.min, one.written.histo.max, one.written.histo.num) == (5, 6, 2)


RAW = {"min": 0.5, "max": np.float32(4), "num": 3, "sum": np.float64(6), "sum_squares": 17}


@pytest.mark.parametrize("peer", PEERS)
@pytest.mark.parametrize("form", [list, np.array, tuple])
def test_raw_histograms_are_torchs(side_by_side: Callable[..., Any], peer: str, form: Any) -> None:
    """A distribution counted elsewhere is on disk as torch and tensorboardX write it."""
    counts, limits = form([0, 2, 1]), form([0.5, 2.0, 4.0])

    mine, theirs = side_by_side(
        lambda w: w.add_histogram_raw("h", **RAW, bucket_limits=limits, bucket_counts=counts, global_step=2), peer
    )

    assert mine[0].written == theirs[0].written
    assert (mine[0].step, np.array_equal(mine[0].array, theirs[0].array)) == (2, True)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: histogram("h", []), ["add_histogram('h')", "at least one number", "(0,)", "skip the call"]),
        (lambda: histogram("h", np.zeros((0, 3))), ["at least one number", "(0, 3)"]),
        (lambda: histogram("h", [1j]), ["real numbers", "complex128", ".real"]),
        (lambda: histogram("h", ["a"]), ["values", "numbers"]),
        (lambda: histogram("h", None), ["values", "numbers"]),
        (lambda: histogram("", [1.0]), ["tag is empty"]),
        (lambda: histogram("h", [1.0], bins="many"), ["bins='many'", "'auto'"]),
        (lambda: histogram("h", [1.0], bins=0), ["bins=0", "number of buckets"]),
        (lambda: histogram("h", [1.0], bins=[2.0, 1.0]), ["bins=", "ascending"]),
        (lambda: histogram("h", [1.0], bins=[1.0]), ["at least 2 edges", "got 1"]),
        (lambda: histogram("h", [1.0], bins=np.zeros((2, 2))), ["bins=numpy.ndarray of shape (2, 2)"]),
        (lambda: histogram("h", [1.0], bins={"a": 1}), ["bins"]),
        (lambda: histogram("h", [1.0], max_bins=0), ["max_bins", "at least 1", "got 0"]),
        (lambda: histogram("h", [1.0], max_bins=2.5), ["max_bins", "got 2.5"]),
        (lambda: histogram_raw("h", 0, 1, 1, 1, 1, [1, 2], [1]), ["as many bucket_limits", "(2,)", "(1,)"]),
        (lambda: histogram_raw("h", 0, 1, 1, 1, 1, [[1]], [[1]]), ["one dimension"]),
        (lambda: histogram_raw("h", "x", 1, 1, 1, 1, [1], [1]), ["add_histogram_raw('h')", "one number", "'x'"]),
    ],
)
def test_wrong_calls_say_what_is_wrong(call: Callable[[], object], words: list[str]) -> None:
    """What is no histogram raises at once, and the text names the argument, what came and what was wanted."""
    with pytest.raises(InvalidSummary) as error:
        call()
    for word in words:
        assert word in str(error.value)


def test_the_writer_stays_usable(ours: Callable[..., Any]) -> None:
    """After a wrong call the writer goes on, and the file holds what was right."""

    def log(writer: tb.SummaryWriter) -> None:
        for wrong in ([], [1j], "text"):
            with pytest.raises(InvalidSummary):
                writer.add_histogram("h", wrong)
        with pytest.raises(InvalidSummary, match="both global_step and step"):
            writer.add_histogram("h", [1.0], 1, step=2)
        writer.add_histogram("h", [1.0], step=2)

    (one,) = ours(log)

    assert (one.tag, one.step) == ("h", 2)
