"""add_embedding: what TensorBoard's projector serves of it, beside torch's files, and what it survives."""

from __future__ import annotations

import json
import os
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tallyboard as tb
from tallyboard.core.embedding import SPRITE_MAX, binary_is_safe

plugin_module = pytest.importorskip("tensorboard.plugins.projector.projector_plugin")
base_plugin = pytest.importorskip("tensorboard.plugins.base_plugin")
werkzeug_test = pytest.importorskip("werkzeug.test")
stub = pytest.importorskip("tensorboard.compat.tensorflow_stub")
RNG = np.random.default_rng(3)


class Runs:
    """As much of TensorBoard's data provider as the projector asks for."""

    def list_runs(self, *_: Any, **__: Any) -> list[Any]:
        return [type("Run", (), {"run_name": "."})()]


class Projector:
    """TensorBoard's projector plugin on a run's directory."""

    def __init__(self, folder: Path) -> None:
        context = base_plugin.TBContext(logdir=str(folder), data_provider=Runs())
        self._routes = plugin_module.ProjectorPlugin(context).get_plugin_apps()

    def get(self, route: str, **query: Any) -> Any:
        answer = werkzeug_test.Client(self._routes[route]).get("/", query_string={"run": ".", **query})
        assert answer.status_code == 200, answer.get_data(as_text=True)
        return answer.get_data()

    def config(self) -> list[dict[str, Any]]:
        return json.loads(self.get("/info"))["embeddings"]

    def tensor(self, name: str) -> np.ndarray[Any, Any]:
        return np.frombuffer(self.get("/tensor", name=name), "<f4")

    def metadata(self, name: str) -> list[list[str]]:
        return [line.split("\t") for line in self.get("/metadata", name=name).decode().split("\n")[:-1]]


@pytest.fixture(params=["as installed", "stub"])
def _file_system(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """TensorBoard reads files through TensorFlow where that is installed, else through its own replacement."""
    if request.param == "stub":
        monkeypatch.setattr(plugin_module, "tf", stub)


def pixels(path: Path | bytes) -> np.ndarray[Any, Any]:
    Image = pytest.importorskip("PIL.Image")  # noqa: N806
    return np.asarray(Image.open(BytesIO(path) if isinstance(path, bytes) else path))


SPECIAL = {
    "random": RNG.normal(size=(50, 7)).astype(np.float32),
    "zeros": np.zeros((4, 3), np.float32),
    "text": np.frombuffer(b"1.5\n2.25\nabcdefgh\x01\x02\x00", np.float32).reshape(1, -1),
    "newline first": np.frombuffer(b"\n\n\n\n" + np.float32([0.1, -0.3]).tobytes(), np.float32).reshape(1, 3),
    "short first line": np.frombuffer(b"ab\n\xff" + np.float32([-0.1]).tobytes(), np.float32).reshape(1, 2),
    "not finite": np.array([[np.nan, np.inf], [-np.inf, 1e-40]], np.float32),
    "twos": np.full((3, 2), 2.0, np.float32),
}


@pytest.mark.usefixtures("_file_system")
@pytest.mark.parametrize("kind", SPECIAL)
def test_projector_serves_the_same_floats(kind: str, tmp_path: Path) -> None:
    """Any float32 matrix comes out of TensorBoard's projector bit for bit, those that would pass for text too."""
    matrix = SPECIAL[kind]
    with tb.SummaryWriter(tmp_path) as writer:
        writer.add_embedding(matrix, tag="e", global_step=2)

    projector = Projector(tmp_path)

    (entry,) = projector.config()
    assert entry["tensorName"] == "e:00002"
    assert entry["tensorShape"] == list(matrix.shape)
    np.testing.assert_array_equal(projector.tensor("e:00002"), matrix.ravel())
    assert entry["tensorPath"].endswith("bytes" if binary_is_safe(matrix) else "tsv")
    if kind == "random":
        assert entry["tensorPath"] == "00002/e/tensors.bytes"


def test_equals_torch(tmp_path: Path) -> None:
    """Configuration, paths, metadata and sprite are torch's; the tensor is its numbers, in binary form."""
    torch = pytest.importorskip("torch")
    torch_writer = pytest.importorskip("torch.utils.tensorboard").SummaryWriter
    torch.manual_seed(0)
    matrix, labels = torch.randn(10, 5), [f"label {i}" for i in range(10)]
    images = torch.rand(10, 3, 6, 6)
    table = [[i, f"n{i}"] for i in range(10)]
    for name, make in (("ours", tb.SummaryWriter), ("torch", torch_writer)):
        with make(str(tmp_path / name)) as writer:
            writer.add_embedding(matrix, labels, images, 1, "a/b%c")
            writer.add_embedding(matrix, table, metadata_header=["number", "name"])
            writer.add_embedding(matrix.numpy(), label_img=images[:, :1])

    ours, theirs = (Projector(tmp_path / name) for name in ("ours", "torch"))
    configs = [ours.config(), theirs.config()[:1] + theirs.config()[2:]]  # torch lists the one it replaced twice

    for a, b in zip(*configs, strict=True):
        assert a["tensorPath"].replace(".bytes", ".tsv") == b["tensorPath"]
        a, b = ({k: v for k, v in entry.items() if k != "tensorPath"} for entry in (a, b))
        assert a == b
    for name in ("a/b%c:00001", "default:00000"):
        np.testing.assert_array_equal(ours.tensor(name), theirs.tensor(name))
    folder = Path("00001") / "a%2fb%25c"
    assert (tmp_path / "ours" / folder / "metadata.tsv").read_bytes() == (
        tmp_path / "torch" / folder / "metadata.tsv"
    ).read_bytes()
    assert ours.metadata("a/b%c:00001") == [[label] for label in labels]
    got, wanted = (pixels(tmp_path / name / folder / "sprite.png") for name in ("ours", "torch"))
    assert got.shape == wanted.shape == (24, 24, 3)
    np.testing.assert_array_equal(got, wanted)
    got, wanted = (pixels(tmp_path / name / "00000" / "default" / "sprite.png") for name in ("ours", "torch"))
    np.testing.assert_array_equal(got, wanted)


def test_table_of_metadata(tmp_path: Path) -> None:
    """A header and its columns come out as rows of as many cells as rows of the matrix, whatever the cells hold."""
    with tb.SummaryWriter(tmp_path) as writer:
        writer.add_embedding(
            np.eye(3, 4), [["a\tb", 1], ["c\nd", None], ["", 2.5]], metadata_header=["te\txt", "n"], tag="two"
        )
        writer.add_embedding(np.eye(2, 4), [["x"], ["y"]], metadata_header=["only"], tag="one")
        writer.add_embedding(np.eye(2, 4), np.array([7, 8]), tag="none")

    projector = Projector(tmp_path)

    assert projector.metadata("two:00000") == [["te xt", "n"], ["a b", "1"], ["c d", "None"], ["(empty)", "2.5"]]
    assert projector.metadata("one:00000") == [["only", "row"], ["x", "0"], ["y", "1"]]
    assert projector.metadata("none:00000") == [["7"], ["8"]]


def test_sprite_stays_within_the_projectors_limit(tmp_path: Path) -> None:
    """Pictures that would make too large a sprite are made smaller, in one shape of as many rows as columns."""
    images = np.zeros((290, 1, 600, 300), np.uint8)
    images[17] = 200
    images[289, :, :300] = 100
    with tb.SummaryWriter(tmp_path) as writer:
        writer.add_embedding(np.zeros((290, 3)), label_img=images)

    (entry,) = Projector(tmp_path).config()
    width, height = entry["sprite"]["singleImageDim"]
    sprite = pixels(Projector(tmp_path).get("/sprite_image", name="default:00000"))

    assert (width, height) == (227, 455)
    assert sprite.shape == (18 * height, 18 * width, 3)
    assert max(sprite.shape) <= SPRITE_MAX
    tiles = sprite.reshape(18, height, 18, width, 3)
    assert abs(tiles[0, :, 17].astype(int) - 200).max() <= 1
    last = tiles[16, :, 1].astype(int)
    assert last[0, 0, 0] in (99, 100)
    assert last[-1, -1, 0] == 0
    assert not tiles[17].any()


def test_sprites_of_all_kinds(tmp_path: Path) -> None:
    """uint8 pixels are kept as they are, grey becomes RGB, alpha stays, NaN is black, what is beyond 0..1 clipped."""
    with tb.SummaryWriter(tmp_path) as writer:
        writer.add_embedding(np.eye(2), label_img=np.full((2, 1, 2, 2), 77, np.uint8), tag="grey")
        writer.add_embedding(np.eye(2), label_img=np.full((2, 4, 2, 2), 0.5), tag="alpha")
        writer.add_embedding(np.eye(1), label_img=np.array([np.nan, 2.0, -1.0]).reshape(1, 3, 1, 1), tag="odd")

    read = {tag: pixels(tmp_path / "00000" / tag / "sprite.png") for tag in ("grey", "alpha", "odd")}
    assert (read["grey"][0, 0].tolist(), read["alpha"].shape, read["odd"].tolist()) == (
        [77, 77, 77],
        (4, 4, 4),
        [[[0, 255, 0]]],
    )


def test_many_embeddings_of_several_writers(tmp_path: Path) -> None:
    """Every tag and step is listed once, those of an earlier program too; the same one again takes its place."""
    for first in (0, 3):
        with tb.SummaryWriter(tmp_path) as writer:
            for step in range(first, first + 4):
                writer.add_embedding(np.full((2, 3), 0.1 + step), global_step=step)
    (tmp_path / "projector_config.pbtxt").read_text()

    names = [entry["tensorName"] for entry in Projector(tmp_path).config()]
    assert names == [f"default:{step:05d}" for step in (0, 1, 2, 3, 4, 5, 6)]
    assert not [name for _, _, files in os.walk(tmp_path) for name in files if "tensors.bytes." in name]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"mat": np.zeros(3)}, r"mat\[None, :\]"),
        ({"mat": np.zeros((2, 0))}, r"shape \(2, 0\)"),
        ({"mat": np.zeros((2, 2), complex)}, "real"),
        ({"mat": [["a"]]}, "mat"),
        ({"mat": np.zeros((2, 2)), "metadata": ["a"]}, "2 rows, metadata 1"),
        ({"mat": np.zeros((2, 2)), "metadata": "ab"}, "list"),
        ({"mat": np.zeros((2, 2)), "metadata": [["a"], ["b", "c"]], "metadata_header": ["x"]}, r"metadata\[1\]"),
        ({"mat": np.zeros((2, 2)), "label_img": np.zeros((3, 3, 4, 4))}, "label_img 3"),
        ({"mat": np.zeros((2, 2)), "label_img": np.zeros((2, 5, 5, 3))}, "moveaxis"),
        ({"mat": np.zeros((2, 2)), "tag": ""}, "empty"),
        ({"mat": np.zeros((2, 2)), "tag": "x" * 300}, "too long"),
        ({"mat": np.zeros((2, 2)), "global_step": 0.5}, "integer"),
    ],
)
def test_refuses(arguments: dict[str, Any], says: str, tmp_path: Path) -> None:
    """A wrong argument is named, with the cure, and no file is left."""
    with tb.SummaryWriter(tmp_path) as writer, pytest.raises(tb.InvalidSummary, match=says):
        writer.add_embedding(**arguments)

    assert [path.name for path in tmp_path.iterdir() if not path.name.startswith("events")] == []


@pytest.mark.parametrize("tag", ["..", ".", "../../x", "a\\b", "a\0b", "ü"])
def test_no_tag_leads_out_of_the_run(tag: str, tmp_path: Path) -> None:
    """Whatever the tag, its files lie in a directory of their own below the step's, and the projector finds them."""
    with tb.SummaryWriter(tmp_path / "run") as writer:
        writer.add_embedding(np.full((2, 2), 0.1), tag=tag)

    assert [path.name for path in tmp_path.iterdir()] == ["run"]
    assert len(list((tmp_path / "run" / "00000").iterdir())) == 1
    (entry,) = Projector(tmp_path / "run").config()
    assert Projector(tmp_path / "run").tensor(entry["tensorName"]).tolist() == [np.float32(0.1)] * 4


def test_failing_disk_warns(tmp_path: Path) -> None:
    """A file in the way of the embedding's directory warns once and raises nothing."""
    with tb.SummaryWriter(tmp_path) as writer:
        (tmp_path / "00000").write_text("in the way")
        with pytest.warns(tb.TallyboardWarning, match="embedding"):
            writer.add_embedding(np.zeros((2, 2)))


def test_damaged_configuration_is_replaced(tmp_path: Path) -> None:
    """A configuration that is none is said to be so, and does not keep the next embedding from being shown."""
    (tmp_path / "projector_config.pbtxt").write_text("embeddings { tensor_name: ")
    with tb.SummaryWriter(tmp_path) as writer, pytest.warns(tb.TallyboardWarning, match="no projector configuration"):
        writer.add_embedding(np.full((2, 2), 0.1))

    assert [entry["tensorName"] for entry in Projector(tmp_path).config()] == ["default:00000"]


def test_nothing_on_disk_without_a_directory() -> None:
    """With a sink of your own there is no place for files: the arguments are checked, and nothing is written."""
    sink = tb.MemorySink()
    with tb.SummaryWriter(sink=sink) as writer:
        writer.add_embedding(np.zeros((2, 2)))
        with pytest.raises(tb.InvalidSummary):
            writer.add_embedding(np.zeros(2))

    assert sink.events == []
