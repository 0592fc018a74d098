"""The server lays out the meshes that were written, whoever wrote them, and says what is wrong with one."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tallyboard as tb
from tallyboard.core.proto import event_pb2 as pb
from tallyboard.core.proto.plugin_pb2 import MeshPluginData
from tallyboard.core.record import frame as framed
from tallyboard.viewer import meshes

from .boards import Board, viewer_on

RNG = np.random.default_rng(8)
VERTICES = RNG.normal(size=(2, 5, 3)).astype(np.float32)
FACES = np.array([[[0, 1, 2], [2, 3, 4]], [[4, 3, 0], [1, 1, 1]]])
COLORS = RNG.integers(0, 256, (2, 5, 3)).astype(np.uint8)
CONFIG = {"camera": {"cls": "PerspectiveCamera", "fov": 50}}

Parts = dict[int, Any]


def tensor(array: Any) -> pb.TensorProto:
    made = np.asarray(array)
    kinds = {"f4": 1, "f8": 2, "i4": 3, "i8": 9, "u1": 4, "c8": 8}
    kind = kinds[made.dtype.str[1:]]
    shape = pb.TensorShapeProto(dim=[pb.TensorShapeProto.Dim(size=size) for size in made.shape])
    return pb.TensorProto(dtype=kind, tensor_shape=shape, tensor_content=made.tobytes())


def write(folder: Path, named: dict[str, tuple[Parts, str]]) -> None:
    """A run of meshes whose parts are arrays, or tensors as they are."""
    folder.mkdir()
    with open(folder / "events.out.tfevents.1.host", "wb") as file:
        file.write(framed(pb.Event(wall_time=9.0, file_version="brain.Event:2").SerializeToString()))
        for name, (parts, config) in named.items():
            for kind, part in parts.items():
                about = MeshPluginData(name=name, content_type=kind, json_config=config, shape=[1, 1, 3])
                metadata = pb.SummaryMetadata()
                metadata.plugin_data.plugin_name = "mesh"
                metadata.plugin_data.content = about.SerializeToString()
                whole = part if isinstance(part, pb.TensorProto) else tensor(part)
                tag = f"{name}_{('', 'VERTEX', 'FACE', 'COLOR', 'OTHER')[kind]}"
                value = pb.Summary.Value(tag=tag, metadata=metadata, tensor=whole)
                file.write(
                    framed(pb.Event(wall_time=10.0, step=3, summary=pb.Summary(value=[value])).SerializeToString())
                )


CUBE = np.array([[[x, y, z] for x in (0, 1) for y in (0, 1) for z in (0, 1)]], np.float32)
HOLED = CUBE.copy()
HOLED[0, 3, 1] = np.nan
HOLED[0, 5, 0] = np.inf
LYING = tensor(CUBE)
LYING.tensor_shape.dim[1].size = 1 << 40
CUT = tensor(CUBE)
CUT.tensor_content = CUT.tensor_content[:-2]
TRIANGLES = np.array([[[0, 1, 2], [2, 3, 4], [4, 5, 6]]], np.int32)

BROKEN: dict[str, tuple[Parts, str]] = {
    "range": ({1: CUBE, 2: np.array([[[0, 1, 2], [0, 1, 8], [0, -1, 2]]], np.int32)}, "{}"),
    "between": ({1: CUBE, 2: np.array([[[0, 1, 2], [0, 1.5, 2], [0, np.nan, 2]]], np.float32)}, "{}"),
    "nan": ({1: HOLED, 2: TRIANGLES}, "{}"),
    "few colours": ({1: CUBE, 3: np.zeros((1, 3, 3), np.uint8)}, "{}"),
    "odd colours": ({1: CUBE, 3: np.full((1, 8, 3), 300.0)}, "{}"),
    "shares": ({1: CUBE, 3: np.full((1, 8, 3), 0.5, np.float32)}, "{}"),
    "opacity": ({1: CUBE, 3: np.full((1, 8, 4), 7, np.uint8)}, "{}"),
    "flat": ({1: CUBE[..., :2]}, "{}"),
    "lying": ({1: LYING, 2: TRIANGLES}, "{}"),
    "cut": ({1: CUT}, "{}"),
    "complex": ({1: CUBE.astype(np.complex64)}, "{}"),
    "none": ({1: np.zeros((1, 0, 3), np.float32)}, "{}"),
    "no vertices": ({2: TRIANGLES, 3: np.zeros((1, 8, 3), np.uint8)}, "{}"),
    "fewer": ({1: np.concatenate([CUBE, CUBE]), 2: TRIANGLES}, "{}"),
    "big config": ({1: CUBE}, "[" * 10_000_000),
    "other": ({4: CUBE}, "{}"),
    "deep": ({1: CUBE}, "[" * 60_000),
    "one": ({1: CUBE[0]}, "null"),
    "rows": ({1: CUBE.reshape(1, 2, 4, 3)}, "{}"),
}


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Board]:
    logdir = tmp_path_factory.mktemp("meshes")
    with tb.SummaryWriter(logdir / "ours") as writer:
        writer.add_mesh("shape", VERTICES, COLORS, FACES, CONFIG, 4)
        writer.add_mesh("points", VERTICES[0], global_step=4)
    torch = pytest.importorskip("torch.utils.tensorboard")
    theirs = torch.SummaryWriter(str(logdir / "torch"))
    theirs.add_mesh("shape", VERTICES, COLORS, FACES, CONFIG, 4)
    theirs.close()
    x = pytest.importorskip("tensorboardX").SummaryWriter(str(logdir / "x"))
    x.add_mesh("shape", VERTICES, COLORS, FACES, CONFIG, 4)
    x.close()
    tf = pytest.importorskip("tensorflow")
    mesh_summary = pytest.importorskip("tensorboard.plugins.mesh.summary_v2")
    with tf.summary.create_file_writer(str(logdir / "tf")).as_default():
        mesh_summary.mesh("shape", VERTICES, FACES, COLORS, CONFIG, step=4)
    write(logdir / "broken", BROKEN)
    with viewer_on(logdir) as started:
        yield started


def parts_of(board: Board, run: str, name: str) -> list[list[Any]]:
    series = [{"run": run, "tag": f"{name}_{end}"} for end in ("VERTEX", "FACE", "COLOR", "1", "2", "3", "OTHER")]
    found = board.post("/api/values", {"plugin": "mesh", "series": series}).json()["series"]
    return [
        [one["tag"], values["step"][-1], values["wall"][-1]]
        for one, values in zip(series, found, strict=True)
        if values["step"]
    ]


def told(board: Board, run: str, name: str, number: int = 0) -> tuple[dict[str, Any], dict[str, Any]]:
    """What the header of a mesh says, and its arrays."""
    answer = board.ask("/api/mesh", of=json.dumps([run, number, parts_of(board, run, name)]))
    assert answer.status == 200, answer.body
    assert answer.body[:4] == b"TLM1"
    start = 8 + struct.unpack_from("<I", answer.body, 4)[0]
    assert start % 8 == 0
    head = json.loads(answer.body[8:start])
    arrays = {}
    for kind, dtype in (("vertices", "<f4"), ("faces", "<u4"), ("colors", "u1")):
        if head[kind] is not None:
            count = head[kind]["n"] * 3
            arrays[kind] = np.frombuffer(answer.body, dtype, count, start + head[kind]["at"]).reshape(-1, 3)
    return head, arrays


@pytest.mark.parametrize("run", ["ours", "torch", "x", "tf"])
@pytest.mark.parametrize("number", [0, 1])
def test_a_mesh_is_what_was_written(board: Board, run: str, number: int) -> None:
    """Vertices, faces and colours of each mesh of a batch, to the bit, whoever wrote them."""
    head, arrays = told(board, run, "shape", number)
    assert arrays["vertices"].tobytes() == VERTICES[number].tobytes()
    assert np.array_equal(arrays["faces"], FACES[number])
    assert np.array_equal(arrays["colors"], COLORS[number])
    assert (head["batch"], head["n"], head["problems"]) == (2, number, [])
    assert json.loads(head["config"]) == CONFIG


def test_points_have_no_faces(board: Board) -> None:
    """A cloud without colours is its vertices alone."""
    head, arrays = told(board, "ours", "points")
    assert list(arrays) == ["vertices"]
    assert head["vertices"] == {"at": 0, "n": 5, "total": 5, "every": 1, "odd": 0}


@pytest.mark.parametrize(
    ("name", "faces", "said"),
    [
        ("range", [[0, 1, 2]], "2 of 3 faces name vertices that are not there (8, -1; there are 0 to 7)"),
        ("between", [[0, 1, 2]], "2 of 3 faces name vertices that are not there (1.5, nan; there are 0 to 7)"),
        ("nan", [[0, 1, 2]], "2 of 8 vertices have NaN or infinity in them"),
        ("few colours", None, "there are 3 colours for 8 vertices"),
        ("odd colours", None, "8 colours are not from 0 to 255"),
        ("shares", None, "the colours are from 0 to 1, not to 255"),
        ("opacity", None, "the fourth, the opacity, is left out"),
        ("fewer", [[0, 1, 2], [2, 3, 4], [4, 5, 6]], "the faces are those of 1 of the batch's 2 meshes"),
        ("big config", None, "its configuration has 10,000,000 characters"),
    ],
)
def test_what_can_be_drawn_is_drawn(board: Board, name: str, faces: Any, said: str) -> None:
    """The vertices come with what of the rest fits them, and a sentence says what does not."""
    head, arrays = told(board, "broken", name)
    assert said in " ".join(head["problems"])
    assert len(arrays["vertices"]) == 8
    assert (arrays["faces"].tolist() if faces else arrays.get("faces")) == faces
    colours = {"odd colours": 255, "shares": 128, "opacity": 7}
    assert arrays["colors"].tolist() == [[colours[name]] * 3] * 8 if name in colours else "colors" not in arrays


def test_faces_of_vertices_that_are_not_finite_are_left_out(board: Board) -> None:
    """No face that is sent has a corner that cannot be drawn; how many were left out is said."""
    head, _ = told(board, "broken", "nan")
    assert head["vertices"]["odd"] == 2
    assert (head["faces"]["n"], head["faces"]["total"]) == (1, 3)
    assert head["problems"][1] == "2 faces have such a vertex: they are left out too"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("flat", "the vertices are of shape (1, 8, 2), not [batch, n, 3]"),
        ("lying", "the vertices are damaged: a tensor of shape (1, 1099511627776, 3) has 24 elements"),
        ("cut", "the vertices are damaged: a tensor's 94 bytes are no <f4"),
        ("complex", "the vertices are no numbers"),
        ("none", "there are no vertices: they are of shape (1, 0, 3)"),
        ("no vertices", "the step has faces and colours but no vertices"),
        ("other", "the tag 'other_OTHER' says of itself neither vertices, faces nor colours"),
    ],
)
def test_what_cannot_be_drawn_is_said(board: Board, name: str, said: str) -> None:
    """Without vertices there is a sentence."""
    head, arrays = told(board, "broken", name)
    assert head["problems"] == [said]
    assert arrays == {}


@pytest.mark.parametrize("name", ["one", "rows", "deep"])
def test_other_shapes_are_taken_as_they_are_meant(board: Board, name: str) -> None:
    """Two dimensions are a batch of one; of more than three those in the middle count the vertices."""
    head, arrays = told(board, "broken", name)
    assert arrays["vertices"].tolist() == CUBE[0].tolist()
    assert (head["batch"], head["problems"]) == (1, [])


def test_more_points_than_a_browser_holds_are_thinned(board: Board, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of more vertices than may be sent, evenly as many as may; the first faces of too many."""
    monkeypatch.setattr(meshes, "MOST_VERTICES", 3)
    mesh = meshes._Mesh(vertices=CUBE[0], total=8, colors=np.arange(24, dtype=np.uint8).reshape(8, 3))
    meshes._thin(mesh)
    assert mesh.vertices is not None
    assert mesh.colors is not None
    assert (mesh.every, mesh.vertices.tolist(), mesh.colors.tolist()) == (
        3,
        CUBE[0, ::3].tolist(),
        [[0, 1, 2], [9, 10, 11], [18, 19, 20]],
    )
    assert mesh.problems == ["of 8 vertices one in 3 is drawn"]
    monkeypatch.setattr(meshes, "MOST_FACES", 2)
    mesh = meshes._Mesh(vertices=CUBE[0], total=8)
    meshes._faces(TRIANGLES[0], mesh)
    assert mesh.faces is not None
    assert (mesh.faces.tolist(), mesh.problems) == (TRIANGLES[0, :2].tolist(), ["of 3 faces the first 2 are drawn"])


def test_an_answer_is_kept_and_never_run(board: Board) -> None:
    """The address names values for good; what is not there is not kept."""
    import urllib.parse
    import urllib.request

    parts = parts_of(board, "ours", "points")
    asked = urllib.parse.urlencode({"of": json.dumps(["ours", 0, parts])})
    with urllib.request.urlopen(f"{board.url}/api/mesh?{asked}") as answer:
        assert "immutable" in answer.headers["Cache-Control"]
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert "sandbox" in answer.headers["Content-Security-Policy"]
        assert answer.headers["Content-Type"] == "application/octet-stream"
    gone = [[tag, step, wall + 1] for tag, step, wall in parts]
    assert board.ask("/api/mesh", of=json.dumps(["ours", 0, gone])).status == 410
    assert board.ask("/api/mesh", of=json.dumps(["ours", 1, parts])).status == 404
    assert board.ask("/api/mesh", of=json.dumps(["ours", -1, parts])).status == 404


@pytest.mark.parametrize(
    "of",
    [
        "",
        "[" * 2_000,
        "{}",
        '["a", 0, []]',
        '["a", 0.5, [["b", 0, 0]]]',
        '["a", true, [["b", 0, 0]]]',
        '["a", 0, [["b", 0]]]',
        '["a", 0, [["b", NaN, 0]]]',
        '["a", 0, [["b", 1e300, 0]]]',
        '["a", 0, [[1, 0, 0]]]',
        json.dumps(["a", 0, [["b", 0, 0]] * 4]),
    ],
)
def test_other_questions_are_refused(board: Board, of: str) -> None:
    """With one sentence."""
    answer = board.ask("/api/mesh", of=of)
    assert (answer.status, list(answer.json())) == (400, ["error"])
