"""Tensors keep type, shape and every bit; meshes are what TensorBoard's mesh plugin reads."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as nst

import tallyboard as tb
from tallyboard.core import tensors
from tallyboard.core.errors import InvalidSummary
from tallyboard.core.summary import Event
from tallyboard.core.tensors import mesh, tensor
from tallyboard.core.values import Tensor
from tallyboard.core.wire import encode_event

RNG = np.random.default_rng(2)
DTYPES = ["f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "?", "c8", "c16"]


def decoded(array: Any) -> Any:
    """What TensorBoard's `make_ndarray` makes of a tensor that was added and encoded."""
    pb = pytest.importorskip("tensorboard.compat.proto.event_pb2")
    util = pytest.importorskip("tensorboard.util.tensor_util")
    event = pb.Event.FromString(encode_event(Event(1, 2.0, tensor("t", array))))
    return util.make_ndarray(event.summary.value[0].tensor)


@pytest.mark.parametrize("dtype", DTYPES)
@given(value=st.data())
@settings(max_examples=40, deadline=None)
def test_every_type_and_shape(dtype: str, value: st.DataObject) -> None:
    """An array of any type and shape, NaN, infinity and no elements included, is what TensorBoard reads back."""
    least = 1 if dtype in ("u4", "u8") else 0  # without elements, TensorBoard decodes these two no more than torch's
    shapes = nst.array_shapes(min_dims=0, max_dims=4, min_side=least, max_side=5)
    array = value.draw(nst.arrays(dtype, shapes))

    back = decoded(array)

    assert back.dtype == array.dtype
    assert back.shape == array.shape
    assert np.array_equal(back, array, equal_nan=array.dtype.kind in "fc")


TORCH_TYPES = ["float32", "float64", "int8", "int16", "int32", "int64", "bool", "complex64", "complex128"]


@pytest.mark.parametrize("name", TORCH_TYPES)
def test_tensors_are_torchs(side_by_side: Callable[..., Any], name: str) -> None:
    """Type, shape, numbers and plugin are what torch writes."""
    torch = pytest.importorskip("torch")
    value = (torch.arange(12).reshape(3, 4) % 5 - 2).to(getattr(torch, name))

    (mine,), (theirs,) = side_by_side(lambda w: w.add_tensor("a/t", value, 4, 5.0))

    assert (mine.tag, mine.step, mine.wall_time) == (theirs.tag, theirs.step, theirs.wall_time) == ("a/t", 4, 5.0)
    assert (mine.plugin, mine.content) == (theirs.plugin, theirs.content) == ("tensor", b"")
    assert mine.written.tensor.dtype == theirs.written.tensor.dtype
    assert mine.written.tensor.tensor_shape == theirs.written.tensor.tensor_shape
    assert np.array_equal(mine.array, theirs.array)


@pytest.mark.parametrize("name", ["float16", "bfloat16", "complex32", "float8_e4m3fn"])
def test_short_types_are_right(name: str) -> None:
    """Half, bfloat16, float8 and complex32 are read back as the very numbers; torch garbles or refuses them."""
    torch = pytest.importorskip("torch")
    warnings.filterwarnings("ignore", message="ComplexHalf support is experimental")
    kind = getattr(torch, name)
    wide = torch.complex64 if name == "complex32" else torch.float32
    value = torch.randn(3, 5, dtype=wide).to(kind)

    back = decoded(value)

    assert np.array_equal(back, value.to(wide).numpy())
    assert back.dtype == (np.float16 if name == "float16" else value.to(wide).numpy().dtype)


def test_bytes_can_be_decoded(ours: Callable[..., Any]) -> None:
    """uint8 is read back; torch writes it into a field that TensorBoard's decoder does not look into."""
    value = np.arange(12, dtype=np.uint8).reshape(3, 4)

    (one,) = ours(lambda w: w.add_tensor("t", value))

    assert one.array.dtype == np.uint8
    assert np.array_equal(one.array, value)


def test_longer_floats_are_rounded() -> None:
    """Longer floats, which no reader knows, become float64 and complex128."""
    assert np.array_equal(decoded(np.array([1, 3], np.longdouble) / 7), np.array([1, 3]) / 7)
    assert decoded(np.zeros(2, np.clongdouble)).dtype == np.complex128


def test_later_changes_of_the_array_change_nothing(ours: Callable[..., Any]) -> None:
    """A tensor is what it was at the call."""
    array = np.arange(6.0)

    def log(writer: tb.SummaryWriter) -> None:
        writer.add_tensor("t", array, 1)
        array[:] = 0

    assert ours(log)[0].array.tolist() == [0, 1, 2, 3, 4, 5]


VERTICES = RNG.standard_normal((2, 6, 3)).astype(np.float32)
COLORS = RNG.integers(0, 256, (2, 6, 3))
FACES = RNG.integers(0, 6, (2, 4, 3))
CONFIG = {"material": {"cls": "PointsMaterial", "size": 0.1}, "camera": {"cls": "PerspectiveCamera", "fov": 75}}


@pytest.mark.parametrize(
    "parts",
    [
        {},
        {"colors": COLORS},
        {"faces": FACES},
        {"colors": COLORS, "faces": FACES, "config_dict": CONFIG},
        {"colors": COLORS.astype(np.uint8), "faces": FACES.astype(np.int32)},
    ],
    ids=lambda parts: "+".join(parts) or "points",
)
def test_meshes_are_torchs(side_by_side: Callable[..., Any], parts: dict[str, Any]) -> None:
    """Tags, tensors and the plugin's content are what torch writes, and share one step and wall time."""
    torch = pytest.importorskip("torch")

    def log(writer: Any) -> None:
        given = {key: value if key == "config_dict" else torch.from_numpy(value) for key, value in parts.items()}
        writer.add_mesh("a/m", torch.from_numpy(VERTICES), **given, global_step=3)

    mine, theirs = side_by_side(log)

    assert [one.tag for one in mine] == [one.tag for one in theirs]
    for a, b in zip(mine, theirs, strict=True):
        assert (a.step, a.plugin, a.content, a.display_name, a.description) == (
            b.step,
            b.plugin,
            b.content,
            b.display_name,
            b.description,
        )
        assert a.array.dtype == b.array.dtype
        assert np.array_equal(a.array, b.array)
    assert len({one.wall_time for one in mine}) == 1


def test_one_mesh_without_a_batch() -> None:
    """A mesh of two dimensions is a batch of one."""
    alone, batch = mesh("m", VERTICES[0], COLORS[0], FACES[0]), mesh("m", VERTICES[:1], COLORS[:1], FACES[:1])

    assert alone == batch


def test_faces_of_very_many_vertices(monkeypatch: pytest.MonkeyPatch) -> None:
    """Numbers of vertices that float32 cannot tell apart are written as integers."""
    monkeypatch.setattr(tensors, "_EXACT_IN_FLOAT32", 5)

    face = mesh("m", VERTICES, faces=FACES)[1].value

    assert isinstance(face, Tensor)
    assert face.array.dtype == np.int32
    assert np.array_equal(face.array, FACES)


def test_nan_coordinates_are_kept() -> None:
    """A mesh that falls apart is written as it is."""
    value: Any = mesh("m", [[np.nan, 0, 1], [np.inf, 0, 0]])[0].value

    assert np.isnan(value.array[0, 0, 0])
    assert np.isinf(value.array[0, 1, 0])


def loop() -> list[Any]:
    circle: list[Any] = []
    circle.append(circle)
    return circle


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: tensor("t", "text"), ["add_tensor('t')", "tensor", "str"]),
        (lambda: tensor("t", None), ["NoneType"]),
        (lambda: tensor("t", [object()]), ["object"]),
        (lambda: tensor(5, [1]), ["tag", "int"]),
        (lambda: mesh("m", np.zeros((4, 2))), ["add_mesh('m')", "vertices of shape (batch, n, 3)", "(4, 2)"]),
        (lambda: mesh("m", np.zeros(3)), ["vertices", "(3,)"]),
        (lambda: mesh("m", np.zeros((1, 0, 3))), ["vertices", "(1, 0, 3)"]),
        (lambda: mesh("m", VERTICES, COLORS[:, :5]), ["colors of shape (2, 6, 3)", "(2, 5, 3)"]),
        (lambda: mesh("m", VERTICES, COLORS * 2.0), ["colors from 0 to 255", "scale"]),
        (lambda: mesh("m", VERTICES, COLORS * np.nan), ["colors from 0 to 255"]),
        (lambda: mesh("m", VERTICES, faces=FACES[:1]), ["faces", "batch of 2", "(1, 4, 3)"]),
        (lambda: mesh("m", VERTICES, faces=FACES + 3), ["vertices 0 to 5", "to 8"]),
        (lambda: mesh("m", VERTICES, faces=FACES + 0.5), ["vertices 0 to 5"]),
        (lambda: mesh("m", VERTICES, config_dict={"a": object()}), ["config_dict", "JSON"]),
        (lambda: mesh("m", VERTICES, config_dict={"a": loop()}), ["config_dict", "JSON"]),
    ],
)
def test_wrong_calls_say_what_is_wrong(call: Callable[[], object], words: list[str]) -> None:
    """What is no tensor or mesh raises at once, and the text names the argument, what came and what was wanted."""
    with pytest.raises(InvalidSummary) as error:
        call()
    for word in words:
        assert word in str(error.value)


def test_a_tensor_too_large_for_a_record(monkeypatch: pytest.MonkeyPatch) -> None:
    """What no protobuf message can hold is refused at the call."""
    monkeypatch.setattr(tensors, "_MAX_BYTES", 100)

    with pytest.raises(InvalidSummary, match="104 bytes do not fit one record"):
        tensor("t", np.zeros(13))


def test_a_wrong_step_writes_no_part_of_a_mesh(ours: Callable[..., Any]) -> None:
    """A mesh is written whole or not at all."""

    def log(writer: tb.SummaryWriter) -> None:
        with pytest.raises(InvalidSummary):
            writer.add_mesh("m", VERTICES, COLORS, FACES, global_step="x")  # type: ignore[arg-type]
        writer.add_mesh("n", VERTICES, step=2)

    assert [one.tag for one in ours(log)] == ["n_VERTEX"]


def test_tensorboard_reads_the_configuration(ours: Callable[..., Any]) -> None:
    """TensorBoard's own parser finds name, shape, parts and configuration of a mesh."""
    metadata = pytest.importorskip("tensorboard.plugins.mesh.metadata")

    one = ours(lambda w: w.add_mesh("m", VERTICES, COLORS, FACES, CONFIG, 1))[0]

    parsed = metadata.parse_plugin_metadata(one.content)
    assert (parsed.name, list(parsed.shape), parsed.components) == ("m", [2, 6, 3], 0b1110)
    assert json.loads(parsed.json_config) == CONFIG
