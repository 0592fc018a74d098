"""What may be logged: the numbers of any library, taken once, at the call, and exactly."""

from __future__ import annotations

import subprocess
import sys
import types
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import tallyboard as tb
from tallyboard.core.arrays import as_array
from tallyboard.core.summary import Summary

Array = np.ndarray[Any, Any]

# Multiples of 1/8 from 0 to 1: exact in bfloat16, in half and quantised to eighths.
EIGHTHS = (np.arange(2 * 3 * 8 * 4) % 9 / 8).astype(np.float32).reshape(2, 3, 8, 4)


class Foreign:
    """An array of a library that nobody knows: it speaks DLPack and nothing else."""

    def __init__(self, array: Array) -> None:
        self._array = array
        self.reads = 0

    def __dlpack__(self, **options: Any) -> Any:
        self.reads += 1
        return self._array.__dlpack__(**options)

    def __dlpack_device__(self) -> Any:
        return self._array.__dlpack_device__()


class Protocol:
    """An array of a library that speaks NumPy's protocol and nothing else."""

    def __init__(self, array: Array) -> None:
        self._array = array
        self.reads = 0

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        self.reads += 1
        return self._array.copy()


class OnDevice:
    """Stands in for an array of CuPy: its numbers come with `.get()`, and the implicit ways are shut."""

    __module__ = "cupy"

    def __init__(self, array: Array) -> None:
        self._array = array
        self.shape, self.dtype = array.shape, array.dtype
        self.reads = 0

    def get(self) -> Array:
        self.reads += 1
        return self._array.copy()

    def item(self) -> Any:
        return self.get().item()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        raise TypeError("Implicit conversion to a NumPy array is not allowed.")

    def __len__(self) -> int:
        return len(self._array)


def torch_of(change: Callable[[Any, Any], Any]) -> Callable[[Array], Any]:
    """Makes a torch tensor of an array, and changes it: `change(torch, tensor)`."""

    def make(array: Array) -> Any:
        torch = pytest.importorskip("torch")
        return change(torch, torch.from_numpy(array.copy()))

    return make


def spread(torch: Any, tensor: Any) -> Any:
    """The same numbers, every other one of a longer tensor: a view that is not contiguous."""
    if not tensor.ndim:
        return tensor
    wide = torch.full((*tensor.shape[:-1], 2 * tensor.shape[-1]), 9.0)
    wide[..., ::2] = tensor
    return wide[..., ::2]


def negated(torch: Any, tensor: Any) -> Any:
    """The same numbers as a view whose sign is flipped lazily."""
    return torch.complex(torch.zeros_like(tensor), -tensor).conj().imag


def library(module: str, make: Callable[[Any, Array], Any]) -> Callable[[Array], Any]:
    return lambda array: make(pytest.importorskip(module), array)


SOURCES: dict[str, Callable[[Array], Any]] = {
    "list": lambda array: array.tolist(),
    "float64": lambda array: array.astype(np.float64),
    "half": lambda array: array.astype(np.float16),
    "big-endian": lambda array: array.astype(">f4"),
    "fortran": np.asfortranarray,
    "read-only": lambda array: np.broadcast_to(array, array.shape),
    "ml_dtypes.bfloat16": library("ml_dtypes", lambda ml, array: array.astype(ml.bfloat16)),
    "ml_dtypes.float8": library("ml_dtypes", lambda ml, array: array.astype(ml.float8_e4m3fn)),
    "torch": torch_of(lambda torch, tensor: tensor),
    "torch.bfloat16": torch_of(lambda torch, tensor: tensor.bfloat16()),
    "torch.half": torch_of(lambda torch, tensor: tensor.half()),
    "torch.float8": torch_of(lambda torch, tensor: tensor.to(torch.float8_e4m3fn)),
    "torch requires_grad": torch_of(lambda torch, tensor: tensor.requires_grad_() * 1),
    "torch parameter": torch_of(lambda torch, tensor: torch.nn.Parameter(tensor)),
    "torch not contiguous": torch_of(spread),
    "torch neg view": torch_of(negated),
    "torch sparse": torch_of(lambda torch, tensor: tensor.to_sparse()),
    "torch quantised": torch_of(lambda torch, tensor: torch.quantize_per_tensor(tensor, 1 / 8, 0, torch.quint8)),
    "tensorflow": library("tensorflow", lambda tf, array: tf.constant(array)),
    "tensorflow.bfloat16": library("tensorflow", lambda tf, array: tf.cast(tf.constant(array), tf.bfloat16)),
    "tensorflow.Variable": library("tensorflow", lambda tf, array: tf.Variable(array)),
    "jax": library("jax.numpy", lambda jnp, array: jnp.asarray(array)),
    "jax.bfloat16": library("jax.numpy", lambda jnp, array: jnp.asarray(array, jnp.bfloat16)),
    "cupy": OnDevice,
    "dlpack": Foreign,
    "array protocol": Protocol,
}

CALLS: dict[str, Callable[[tb.SummaryWriter, Callable[[Array], Any]], None]] = {
    "add_scalar": lambda w, of: w.add_scalar("t", of(EIGHTHS[0, 0, 0, 3])),
    "add_scalar of one element": lambda w, of: w.add_scalar("t", of(EIGHTHS[0, 0, 0, 3:4])),
    "add_scalar new_style": lambda w, of: w.add_scalar("t", of(EIGHTHS[0, 0, 0, 3]), new_style=True),
    "add_scalars": lambda w, of: w.add_scalars("t", {"a": of(EIGHTHS[0, 0, 0, 3])}, mode="tags"),
    "log": lambda w, of: w.log({"t": of(EIGHTHS[0, 0, 0, 3]), "u": of(EIGHTHS[0, 0, 0, 2])}),
    "add_tensor": lambda w, of: w.add_tensor("t", of(EIGHTHS)),
    "add_histogram": lambda w, of: w.add_histogram("t", of(EIGHTHS)),
    "add_histogram_raw": lambda w, of: w.add_histogram_raw(
        "t", 0, 2, 3, 4, 5, of(EIGHTHS[0, 0, 0]), of(EIGHTHS[0, 0, 1])
    ),
    "add_image": lambda w, of: w.add_image("t", of(EIGHTHS[0])),
    "add_images": lambda w, of: w.add_images("t", of(EIGHTHS)),
    "add_image_with_boxes": lambda w, of: w.add_image_with_boxes("t", of(EIGHTHS[0]), of(EIGHTHS[0, 0, :2] * 8)),
    "add_video": lambda w, of: w.add_video("t", of(EIGHTHS[None])),
    "add_audio": lambda w, of: w.add_audio("t", of(EIGHTHS[0, 0])),
    "add_pr_curve": lambda w, of: w.add_pr_curve("t", of((EIGHTHS[0, 0] > 0.5) * np.float32(1)), of(EIGHTHS[0, 0])),
    "add_roc_curve": lambda w, of: w.add_roc_curve("t", of((EIGHTHS[0, 0] > 0.5) * np.float32(1)), of(EIGHTHS[0, 0])),
    "add_confusion_matrix": lambda w, of: w.add_confusion_matrix("t", matrix=of(EIGHTHS[0, 0, :4] * 8)),
    "add_mesh": lambda w, of: w.add_mesh("t", of(EIGHTHS[0, 0, :, :3]), of(EIGHTHS[0, 1, :, :3] * 8)),
    "add_table": lambda w, of: w.add_table("t", of(EIGHTHS[0, 0].astype(np.float32))),
}


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """torch warns that its quantised and its sparse tensors are on their way in or out."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        yield


def logged(call: Callable[[tb.SummaryWriter], object]) -> list[Summary]:
    """The finished summaries of some calls."""
    sink = tb.MemorySink()
    with tb.SummaryWriter(sink=sink) as writer:
        call(writer)
    return [event.summary.settled() for event in sink.events]


def scalar_of(value: Any) -> Any:
    (summary,) = logged(lambda w: w.add_scalar("t", value))
    return summary.value


def plain(summary: Summary) -> tuple[Any, ...]:
    """A summary for comparison: a tensor by its numbers, since a file keeps half as half."""
    value = summary.value
    array = getattr(value, "array", None)
    if array is not None and array.dtype.kind == "f":
        value = (array.shape, array.astype(np.float64).tolist())
    return summary.tag, summary.plugin, summary.content, summary.description, value


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("call", CALLS)
def test_every_method_takes_every_library(call: str, source: str) -> None:
    """What is logged of any library's array is what is logged of NumPy's."""
    if (call, source) == ("add_scalar of one element", "list"):
        with pytest.raises(tb.InvalidSummary, match="got list"):  # torch refuses it as well
            logged(lambda w: w.add_scalar("t", [0.5]))
        return
    expected = logged(lambda w: CALLS[call](w, np.array))
    made = logged(lambda w: CALLS[call](w, lambda array: SOURCES[source](np.array(array, order="C"))))
    assert expected
    if call == "add_table":  # a cell shows a number as its type does
        assert [summary.plugin for summary in made] == [summary.plugin for summary in expected]
        return
    assert [plain(summary) for summary in made] == [plain(summary) for summary in expected]


@pytest.mark.parametrize("kind", [Foreign, Protocol, OnDevice])
@pytest.mark.parametrize("call", [name for name in CALLS if not name.startswith(("add_scalar", "log"))])
def test_each_array_is_read_once(call: str, kind: type) -> None:
    """A device is waited for, and its memory copied, once for each argument."""
    made: list[Any] = []

    def note(array: Array) -> Any:
        made.append(kind(np.ascontiguousarray(array)))
        return made[-1]

    logged(lambda w: CALLS[call](w, note))
    assert made
    assert [one.reads for one in made] == [1] * len(made)


def test_a_number_on_a_device_is_read_once() -> None:
    """add_scalar, log and add_scalars copy the one number once."""
    for call in ("add_scalar", "add_scalar of one element", "add_scalar new_style", "add_scalars", "log"):
        made: list[OnDevice] = []

        def note(array: Array, made: list[OnDevice] = made) -> OnDevice:
            made.append(OnDevice(np.asarray(array)))
            return made[-1]

        logged(lambda w, call=call, note=note: CALLS[call](w, note))  # type: ignore[misc]
        assert [one.reads for one in made] == [1] * len(made), call


@pytest.mark.parametrize("library", ["numpy", "torch", "dlpack"])
@pytest.mark.parametrize("call", [name for name in CALLS if name != "add_histogram_raw"])
def test_what_changes_after_the_call_changes_nothing(call: str, library: str) -> None:
    """Arrays that the caller overwrites right after the call, before anything was encoded, are logged as they were."""
    kept: list[Any] = []

    def own(array: Array) -> Any:
        mine = np.array(array)
        if library == "torch":
            mine = pytest.importorskip("torch").from_numpy(mine)
        kept.append(mine)
        return Foreign(mine) if library == "dlpack" else mine

    def log(writer: tb.SummaryWriter) -> None:
        CALLS[call](writer, own)
        for array in kept:
            array[...] = 0.25

    assert list(map(plain, logged(log))) == list(map(plain, logged(lambda w: CALLS[call](w, np.array))))


NUMPY_TYPES = [
    *("bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"),
    *("float16", "float32", "float64", "longdouble", ">f2", ">f4", ">f8", ">i2", ">i8", "=u4"),
]


@pytest.mark.parametrize("name", NUMPY_TYPES)
def test_every_type_of_numpy(name: str) -> None:
    """A number of any NumPy type, in an array or by itself, is logged exactly."""
    for number in (0, 1):
        array = np.array([number]).astype(name)
        assert [scalar_of(array), scalar_of(array[0]), scalar_of(array.reshape(()))] == [number] * 3
        assert as_array(array, "call", "values").tolist() == [number]


@pytest.mark.parametrize(
    ("name", "numbers"),
    [
        ("bfloat16", [0.5, -3.0, 2.0**100, float("inf")]),
        ("float8_e4m3fn", [0.5, -3.0, 448.0]),
        ("float8_e5m2", [0.5, -3.0, float("-inf")]),
        ("float8_e8m0fnu", [0.5, 1.0, 2.0**127]),
        ("float6_e2m3fn", [0.5, -3.0]),
        ("float4_e2m1fn", [0.5, -3.0]),
        ("int4", [-8, 7]),
        ("uint4", [0, 15]),
        ("int2", [-2, 1]),
        ("uint2", [0, 3]),
    ],
)
def test_every_type_of_ml_dtypes(name: str, numbers: list[float]) -> None:
    """The short types of machine learning, which NumPy lacks, become float32 exactly."""
    array = np.array(numbers).astype(getattr(pytest.importorskip("ml_dtypes"), name))
    assert (as_array(array, "call", "values").dtype, as_array(array, "call", "values").tolist()) == (
        np.float32,
        numbers,
    )
    assert [scalar_of(one) for one in array] == numbers


@pytest.mark.parametrize("name", ["bool", "uint8", "int8", "int16", "uint16", "int32", "int64", "uint64", "float64"])
def test_every_type_of_torch(name: str) -> None:
    """A torch tensor of any type keeps its numbers and, where NumPy has it, its type."""
    torch = pytest.importorskip("torch")
    tensor = torch.tensor([1, 0, 1]).to(getattr(torch, name))
    array = as_array(tensor, "call", "values")
    assert (array.dtype.name, array.tolist()) == (name, [1, 0, 1])
    assert scalar_of(tensor[0]) == 1.0


def test_conjugated_views() -> None:
    """A lazily conjugated tensor is conjugated."""
    torch = pytest.importorskip("torch")
    tensor = torch.tensor([1 + 2j, 3 - 4j]).conj()
    assert as_array(tensor, "call", "values").tolist() == [1 - 2j, 3 + 4j]


@pytest.mark.parametrize("source", [name for name in SOURCES if "quantised" not in name and "float8" not in name])
def test_nan_and_infinity_are_kept(source: str) -> None:
    """NaN and both infinities arrive, whatever library they come from."""
    numbers = np.array([np.nan, np.inf, -np.inf, 1.0], np.float32)
    (summary,) = logged(lambda w: w.add_tensor("t", SOURCES[source](numbers)))
    np.testing.assert_array_equal(summary.value.array, numbers)  # type: ignore[union-attr]
    for number in numbers[:3]:
        np.testing.assert_equal(scalar_of(SOURCES[source](np.array(number))), float(number))


def test_masked_numbers_are_nan() -> None:
    """What a masked array hides is logged as NaN, not as what lies under the mask."""
    masked = np.ma.array([1, 2, 3], mask=[False, True, False])
    assert np.isnan(scalar_of(masked[1]))
    np.testing.assert_array_equal(as_array(masked, "call", "values"), [1, np.nan, 3])
    assert as_array(masked[:1], "call", "values").dtype == masked.dtype
    floats = np.ma.array([1.0, 2.0], mask=[True, False], dtype=np.float32)
    np.testing.assert_array_equal(as_array(floats, "call", "values"), np.array([np.nan, 2.0], np.float32))


def test_numbers_of_python() -> None:
    """Whatever Python calls a number: bool, int of any size, Fraction, Decimal."""
    from decimal import Decimal
    from fractions import Fraction

    values = [True, 3, 2**70, 0.5, Fraction(1, 4), Decimal("0.125"), np.array([7], object)]
    assert [scalar_of(value) for value in values] == [1.0, 3.0, 2.0**70, 0.5, 0.25, 0.125, 7.0]


SHARDED = """
import numpy as np
import jax, jax.numpy as jnp
import tallyboard as tb
from jax.sharding import Mesh, NamedSharding, PartitionSpec

devices = jax.devices()
assert len(devices) == 4
numbers = np.arange(32.0, dtype=np.float32).reshape(8, 4)
mesh = Mesh(np.array(devices).reshape(2, 2), ("x", "y"))
whole = {
    "rows": jax.device_put(numbers, NamedSharding(mesh, PartitionSpec("x"))),
    "tiles": jax.device_put(numbers, NamedSharding(mesh, PartitionSpec("x", "y"))),
    "copies": jax.device_put(numbers, NamedSharding(mesh, PartitionSpec())),
    "committed": jax.device_put(numbers, devices[3]),
    "computed": jax.jit(lambda n: n * 1)(jax.device_put(numbers, NamedSharding(mesh, PartitionSpec("y", "x")))),
    "bfloat16": jax.device_put(jnp.asarray(numbers, jnp.bfloat16), NamedSharding(mesh, PartitionSpec("x", "y"))),
}
sink = tb.MemorySink()
with tb.SummaryWriter(sink=sink) as writer:
    for name, array in whole.items():
        writer.add_tensor(name, array)
        writer.add_scalar(f"sum of {name}", array.astype(jnp.float32).sum())
for event in sink.events:
    value = event.summary.settled().value
    if event.summary.tag.startswith("sum"):
        assert value == numbers.sum(), event.summary.tag
    else:
        assert np.array_equal(value.array, numbers), event.summary.tag
print(len(sink.events))
"""


def test_jax_arrays_over_several_devices() -> None:
    """Sharded, replicated and committed arrays of JAX are gathered whole."""
    pytest.importorskip("jax")
    import os

    env = os.environ | {"XLA_FLAGS": "--xla_force_host_platform_device_count=4", "JAX_PLATFORMS": "cpu"}
    done = subprocess.run([sys.executable, "-c", SHARDED], env=env, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout) == (0, "12\n"), done.stderr


def test_pictures_of_pillow() -> None:
    """add_image takes a PIL image and add_images a list of them, as the pixels that they have."""
    pillow = pytest.importorskip("PIL.Image")
    pixels = (EIGHTHS * 255).astype(np.uint8).transpose(0, 2, 3, 1)
    pictures = [pillow.fromarray(one) for one in pixels]
    one, many = logged(lambda w: (w.add_image("t", pictures[0]), w.add_images("u", pictures)))
    also_one, also_many = logged(
        lambda w: (w.add_image("t", pixels[0], dataformats="HWC"), w.add_images("u", pixels, dataformats="NHWC"))
    )
    assert (one.value, many.value) == (also_one.value, also_many.value)


def test_embeddings_of_every_library(tmp_path: Any) -> None:
    """add_embedding writes the same floats for a matrix of any library."""
    matrix = EIGHTHS.reshape(16, 12)
    with tb.SummaryWriter(tmp_path) as writer:
        for name, make in SOURCES.items():
            try:
                writer.add_embedding(make(matrix), tag=name)
            except pytest.skip.Exception:
                continue
    files = sorted(tmp_path.glob("00000/*/tensors.bytes"))
    assert len(files) >= 9
    for path in files:
        np.testing.assert_array_equal(np.fromfile(path, "<f4").reshape(16, 12), matrix, err_msg=path.parent.name)


def test_a_fake_module_is_not_imported() -> None:
    """Recognising a library imports none."""
    assert "cupy" not in sys.modules or isinstance(sys.modules["cupy"], types.ModuleType)
    as_array(OnDevice(EIGHTHS), "call", "values")
    assert "cupy" not in sys.modules


def refused(value: Any) -> tuple[str, str]:
    """What add_histogram and add_scalar say of a value, which both refuse."""
    sink = tb.MemorySink()
    with tb.SummaryWriter(sink=sink) as writer:
        with pytest.raises(tb.InvalidSummary) as of_array:
            writer.add_histogram("t", value)
        with pytest.raises(tb.InvalidSummary) as of_number:
            writer.add_scalar("t", value)
        writer.add_scalar("still", 1.0)
    assert [event.summary.tag for event in sink.events] == ["still"]
    return str(of_array.value), str(of_number.value)


@pytest.mark.parametrize(
    ("make", "came"),
    [
        (lambda: None, "NoneType"),
        (lambda: {"a": 1}, "dict"),
        (lambda: (i for i in range(3)), "generator"),
        (lambda: np.array(["1"]), "numpy.ndarray of shape (1,) and dtype <U1"),
        (lambda: np.array([b"1"]), "numpy.ndarray of shape (1,) and dtype |S1"),
        (lambda: np.array(["2020-01-01"], "M8[D]"), "numpy.ndarray of shape (1,) and dtype datetime64[D]"),
        (lambda: np.array([1j]), "numpy.ndarray of shape (1,) and dtype complex128"),
        (lambda: np.array([1j], np.clongdouble), "numpy.ndarray of shape (1,) and dtype complex"),
        (lambda: np.array([None]), "numpy.ndarray of shape (1,) and dtype object"),
        (lambda: [[1], [1, 2]], "list"),
        (object, "object"),
    ],
)
def test_what_holds_no_real_number_is_named(make: Callable[[], Any], came: str) -> None:
    """Neither an array nor a number is made of texts, dates, complex numbers, holes or ragged lists."""
    for said in refused(make()):
        assert came in said


@pytest.mark.parametrize(
    ("make", "cure"),
    [
        (lambda torch: torch.empty(1, device="meta"), "on the meta device it has no numbers"),
        (lambda torch: torch.nested.nested_tensor([torch.ones(1), torch.ones(2)]), "torch.Tensor ("),
        (lambda torch: torch.tensor([1j]), "complex"),
    ],
)
def test_torch_tensors_without_real_numbers(make: Callable[[Any], Any], cure: str) -> None:
    """The meta device, nested tensors and complex numbers are an error that says so."""
    for said in refused(make(pytest.importorskip("torch"))):
        assert cure in said


def test_a_value_that_is_being_traced() -> None:
    """Inside jit or tf.function there is no number yet, and the error says what to do instead."""
    jax = pytest.importorskip("jax")
    said: list[str] = []
    jax.jit(lambda x: said.extend(refused(x)) or x)(np.ones(1, np.float32))
    cure = "a number can be logged there with tallyboard.integrations.jax.log"
    assert [text.partition("; ")[2] for text in said] == [
        f"inside jit it has no value yet: return it and log it outside; {cure}"
    ] * 2

    tf = pytest.importorskip("tensorflow")
    said.clear()

    @tf.function(autograph=False)
    def step(x: Any) -> Any:
        said.extend(refused(x))
        return x

    step(tf.constant([1.0]))
    assert [text.partition("; ")[2].partition(":")[0] for text in said] == [
        "inside tf.function it has no value yet"
    ] * 2


def test_autograph_does_not_smuggle_a_symbol_in() -> None:
    """TensorFlow rewrites `float()` in what it traces; a scalar that is none is still refused."""
    tf = pytest.importorskip("tensorflow")
    sink = tb.MemorySink()
    writer = tb.SummaryWriter(sink=sink)

    @tf.function
    def step(x: Any) -> Any:
        writer.add_scalar("t", x)
        return x

    with pytest.raises(Exception, match=r"inside tf\.function it has no value yet"):
        step(tf.constant(1.0))
    writer.close()
    assert list(sink.events) == []


def test_foreign_short_types_go_through_torch() -> None:
    """An unknown library's bfloat16, which NumPy's DLPack lacks, is read where torch is there."""
    torch = pytest.importorskip("torch")
    foreign = Foreign(torch.tensor([0.5, -3.0]).bfloat16())
    assert as_array(foreign, "call", "values").tolist() == [0.5, -3.0]
