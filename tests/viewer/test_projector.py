"""What the server tells of embeddings is what was written, whoever wrote it, and what is wrong with them is said."""

from __future__ import annotations

import json
import struct
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tallyboard as tb
from tallyboard.core.png import encode

from .boards import Board, viewer_on

RNG = np.random.default_rng(6)
VECTORS = (RNG.standard_normal((60, 7)) * [9, 7, 5, 3, 2, 1, 1]).astype(np.float32)
LABELS = [f"word {i % 5}" for i in range(60)]
PICTURES = RNG.random((60, 3, 4, 6)).astype(np.float32)
HOLED = VECTORS.copy()
HOLED[[3, 40]] = np.nan
HOLED[50, 2] = np.inf
BAD_NAMES = ["ragged", "cut", "huge", "text", "no shape", "metadata", "sprite", "svg", "bomb", "cell", "checkpoint"]


def frame(data: bytes) -> tuple[dict[str, Any], dict[str, Any]]:
    """A TLP1 frame by its description: its header, and its columns as flat arrays."""
    assert data[:4] == b"TLP1"
    (size,) = struct.unpack("<I", data[4:8])
    assert (8 + size) % 8 == 0
    header = json.loads(data[8 : 8 + size])
    assert (header["v"], header["order"]) == (1, "little")
    starts = sorted(place["at"] for place in header["columns"].values())
    columns: dict[str, Any] = {}
    for name, place in header["columns"].items():
        later = [start for start in starts if start > place["at"]]
        part = data[8 + size :][place["at"] : later[0] if later else None]
        columns[name] = np.frombuffer(part[: len(part) // 4 * 4], f"<{place['type']}")
    return header, columns


def entry(name: str, tensor: str, **more: str) -> str:
    lines = [f'tensor_name: "{name}"', f'tensor_path: "{tensor}"', *more.values()]
    return "embeddings { " + " ".join(lines) + " }\n"


def write_bad(run: Path) -> None:
    """A configuration of everything that may be wrong, beside one embedding that is well."""
    run.mkdir(parents=True)
    (run / "good.tsv").write_text("1\t2\n3\t4\n5\t6\n")
    (run / "ragged.tsv").write_text("1\t2\n3\n5\t6\n7\tx\n9\t10\n")
    (run / "cut.bytes").write_bytes(VECTORS[:9].tobytes()[:-5])
    (run / "text.tsv").write_text("a\tb\n1\t2\n")
    (run / "labels.tsv").write_text("only\ntwo\n")
    (run / "cell.tsv").write_text("a\tb\n" + "x" * 10_000_000 + "\ty\n1\t2\n3\t4\n")
    (run / "small.png").write_bytes(encode(np.zeros((4, 8, 3), np.uint8)))
    (run / "drawing.png").write_text("<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>")
    bomb = bytearray(encode(np.zeros((4, 4, 3), np.uint8)))
    bomb[16:24] = struct.pack(">II", 60_000, 60_000)
    (run / "bomb.png").write_bytes(bomb)
    shape = "tensor_shape: {} tensor_shape: {}"
    four = "single_image_dim: 4 single_image_dim: 4"
    (run / "projector_config.pbtxt").write_text(
        entry("good", "good.tsv")
        + entry("ragged", "ragged.tsv")
        + entry("cut", "cut.bytes", shape=shape.format(9, 7))
        + entry("huge", "cut.bytes", shape=shape.format(2_500_000_000, 1))
        + entry("text", "text.tsv")
        + entry("no shape", "cut.bytes")
        + entry("metadata", "good.tsv", metadata='metadata_path: "labels.tsv"')
        + entry("sprite", "good.tsv", sprite=f'sprite {{ image_path: "small.png" {four} }}')
        + entry("svg", "good.tsv", sprite=f'sprite {{ image_path: "drawing.png" {four} }}')
        + entry("bomb", "good.tsv", sprite=f'sprite {{ image_path: "bomb.png" {four} }}')
        + entry("cell", "good.tsv", metadata='metadata_path: "cell.tsv"')
        + 'embeddings { tensor_name: "checkpoint" }\n'
    )


def write(logdir: Path) -> None:
    with tb.SummaryWriter(logdir / "ours") as writer:
        writer.add_scalar("loss", 1.0, 0)
        writer.add_embedding(VECTORS, LABELS, PICTURES, 3, "words")
        header = [[label, i, ""] for i, label in enumerate(LABELS)]
        writer.add_embedding(HOLED, header, tag="holed", metadata_header=["word", "number", "empty"])
    write_bad(logdir / "bad")
    (logdir / "broken").mkdir()
    (logdir / "broken" / "projector_config.pbtxt").write_text("embeddings { tensor_name: <<<")


@pytest.fixture(scope="module")
def logdir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("projector")
    write(folder)
    return folder


@pytest.fixture(scope="module")
def board(logdir: Path) -> Iterator[Board]:
    with viewer_on(logdir, "--cache", str(logdir.parent / "cache")) as started:
        yield started


@pytest.fixture(scope="module")
def listed(board: Board) -> dict[tuple[str, str], dict[str, Any]]:
    return {(each["run"], each["name"]): each for each in board.get("/api/projector")["embeddings"]}


def vectors(board: Board, run: str, name: str, **query: Any) -> tuple[dict[str, Any], Any, Any]:
    answer = board.ask("/api/projector/vectors", run=run, name=name, **query)
    assert answer.status == 200, answer.body
    header, columns = frame(answer.body)
    shown = columns["vectors"][: header["shown"] * header["columns_count"]].reshape(header["shown"], -1)
    return header, shown, columns["row"][: header["shown"]] if "row" in columns else None


def points(board: Board, **question: Any) -> tuple[dict[str, Any], Any]:
    asked = {"run": "ours", "name": "words:00003", **question}
    answer = board.post("/api/projector/pca", asked)
    assert answer.status == 200, answer.body
    header, columns = frame(answer.body)
    return header, columns["points"][: header["shown"] * header["components"]].reshape(header["shown"], -1)


def test_all_embeddings_are_listed(listed: dict[tuple[str, str], dict[str, Any]]) -> None:
    """What there is of each embedding is told without a question about it."""
    assert listed["ours", "words:00003"] == {
        "run": "ours",
        "name": "words:00003",
        "rows": 60,
        "columns": 7,
        "metadata": True,
        "sprite": {"width": 6, "height": 4, "across": 8, "down": 8, "pictures": 60},
        "bookmarks": False,
        "problems": [],
    }
    assert {name for run, name in listed if run == "bad"} == {"good", *BAD_NAMES}


def test_the_index_names_the_runs(board: Board) -> None:
    """The page learns of a configuration as it learns of series."""
    index = board.get("/api/runs")
    named = {index["runs"][run]["name"] for run, _ in index["series"]["projector"]["projector_config.pbtxt"]}
    assert named == {"ours", "bad", "broken"}


def test_a_list_that_is_known_is_not_sent_again(board: Board) -> None:
    """The ETag stands for the content."""
    import http.client

    host = board.url.removeprefix("http://")
    statuses: list[int] = []
    etag = ""
    for _ in range(2):
        connection = http.client.HTTPConnection(host, timeout=60)
        connection.request("GET", "/api/projector", headers={"If-None-Match": etag})
        answer = connection.getresponse()
        etag = answer.headers["ETag"]
        statuses.append(answer.status)
        connection.close()
    assert statuses == [200, 304]


def test_vectors_are_those_that_were_logged(board: Board) -> None:
    """Every number, and no row numbers where all rows are shown."""
    header, shown, row = vectors(board, "ours", "words:00003")
    assert (header["rows"], header["shown"], header["nan_rows"], row) == (60, 60, 0, None)
    assert np.array_equal(shown, VECTORS)


def test_of_more_rows_an_even_sample_is_shown(board: Board) -> None:
    """One of each tenth, the same ones in every answer, and metadata of the same rows."""
    header, shown, row = vectors(board, "ours", "words:00003", most=10)
    assert (header["rows"], header["shown"]) == (60, 10)
    assert (row // 6).tolist() == list(range(10))
    assert row.tolist() != list(range(0, 60, 6))
    assert np.array_equal(shown, VECTORS[row])
    assert vectors(board, "ours", "words:00003", most=10)[2].tolist() == row.tolist()
    told = board.get("/api/projector/metadata", run="ours", name="words:00003", most=10)
    assert told["columns"][0]["values"] == [LABELS[i] for i in row]
    asked = {"run": "ours", "name": "words:00003"}
    assert frame(board.post("/api/projector/pca", {**asked, "most": 10}).body)[1]["row"].tolist() == row.tolist()
    assert "row" not in frame(board.post("/api/projector/pca", asked).body)[1]


def test_metadata_has_a_header_only_with_several_columns(board: Board) -> None:
    """TensorBoard's rule; a column is numeric where every cell that is not empty is a number."""
    one = board.get("/api/projector/metadata", run="ours", name="words:00003")
    several = board.get("/api/projector/metadata", run="ours", name="holed:00000")
    (column,) = one["columns"]
    assert column == {"name": "label", "numeric": False, "distinct": 5, "values": LABELS}
    assert [(each["name"], each["numeric"], each["distinct"]) for each in several["columns"]] == [
        ("word", False, 5),
        ("number", True, 60),
        ("empty", False, 1),
    ]
    assert several["columns"][1]["values"] == [str(i) for i in range(60)]


def test_the_sprite_is_the_picture_that_was_written(board: Board, logdir: Path) -> None:
    """Byte by byte, with its type."""
    answer = board.ask("/api/projector/sprite", run="ours", name="words:00003")
    assert (answer.status, answer.type) == (200, "image/png")
    assert answer.body == (logdir / "ours" / "00003" / "words" / "sprite.png").read_bytes()


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("cut", None),
        ("no shape", "it holds bytes, and their tensor_shape is not rows and columns but []"),
        ("text", "its first line is text, and not numbers with tabs between them"),
        ("checkpoint", "it has no tensor_path, and no checkpoint was found with it"),
    ],
)
def test_what_cannot_be_read_is_named(board: Board, name: str, said: str | None) -> None:
    """A sentence with run and embedding, and no failure of the server."""
    answer = board.ask("/api/projector/vectors", run="bad", name=name)
    if said is None:
        header, shown, _ = vectors(board, "bad", name)
        assert np.array_equal(shown, VECTORS[:8])  # the ninth is cut
        assert header["problems"] == [
            "run 'bad', embedding 'cut': its file has 247 bytes, and 9 rows of 7 numbers take 252; 8 rows are shown"
        ]
        return
    assert (answer.status, answer.json()["error"]) == (404, f"run 'bad', embedding '{name}': {said}")


def test_ragged_rows_have_no_place_and_are_counted(board: Board) -> None:
    """The others keep their numbers, so that metadata goes on to fit."""
    header, shown, _ = vectors(board, "bad", "ragged")
    assert header["nan_rows"] == 2
    assert np.isnan(shown).all(axis=1).tolist() == [False, True, False, True, False]
    assert shown[[0, 2, 4]].tolist() == [[1, 2], [5, 6], [9, 10]]
    (problem,) = header["problems"]
    assert problem == (
        "run 'bad', embedding 'ragged': 2 lines are not 2 numbers with tabs between them, the first of them line 2"
    )


def test_a_declared_size_allocates_nothing(board: Board) -> None:
    """Ten gigabytes that the configuration declares are the 247 bytes that there are."""
    header, shown, _ = vectors(board, "bad", "huge")
    assert shown.shape == (61, 1)
    assert "2,500,000,000 rows of 1 numbers take 10,000,000,000" in header["problems"][0]


def test_metadata_that_does_not_fit_is_used_as_far_as_it_goes(board: Board) -> None:
    """Both counts are said."""
    told = board.get("/api/projector/metadata", run="bad", name="metadata")
    assert told["columns"][0]["values"] == ["only", "two", ""]
    assert told["problems"] == ["run 'bad', embedding 'metadata': 3 rows have 2 rows of metadata"]


def test_a_cell_of_megabytes_is_cut(board: Board) -> None:
    """A thousand characters of it are told, and that it was cut."""
    told = board.get("/api/projector/metadata", run="bad", name="cell")
    assert [len(value) for value in told["columns"][0]["values"]] == [1001, 1, 1]
    assert told["problems"] == ["run 'bad', embedding 'cell': cells of its metadata are cut after 1,000 characters"]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("sprite", "its sprite of 8 x 4 pixels has 2 pictures of 4 x 4, not 3"),
        ("svg", "its sprite: it is an SVG drawing, which can hold scripts, not a PNG, GIF, JPEG, WebP or BMP"),
        ("bomb", "its sprite declares 60,000 x 60,000 pixels, and is not shown"),
    ],
)
def test_a_sprite_that_does_not_fit_is_named(
    listed: dict[tuple[str, str], dict[str, Any]], board: Board, name: str, said: str
) -> None:
    """In the list; and what is no picture, or one that would fill the memory, is not sent."""
    assert listed["bad", name]["problems"] == [f"run 'bad', embedding '{name}': {said}"]
    assert board.ask("/api/projector/sprite", run="bad", name=name).status == (200 if name == "sprite" else 404)


def test_a_configuration_that_is_none_is_named(listed: dict[tuple[str, str], dict[str, Any]]) -> None:
    """By an entry without a name."""
    (problem,) = listed["broken", ""]["problems"]
    assert problem.startswith("run 'broken': its projector_config.pbtxt is no projector configuration: ")


def test_principal_components_are_scikit_learns(board: Board) -> None:
    """Places but for the sign of an axis, and fractions of the variance."""
    decomposition = pytest.importorskip("sklearn.decomposition")
    theirs = decomposition.PCA(7, svd_solver="full").fit(VECTORS.astype(np.float64))
    header, ours = points(board, components=10)
    assert header["components"] == 7
    assert header["fractions"] == pytest.approx(theirs.explained_variance_ratio_, rel=1e-5)
    expected = theirs.transform(VECTORS.astype(np.float64))
    expected *= np.sign((expected * ours).sum(axis=0))
    assert ours == pytest.approx(expected, abs=1e-4)


def test_rows_that_are_not_finite_are_left_out(board: Board) -> None:
    """They have no place and are counted; the others lie as they do without them."""
    header, ours = points(board, name="holed:00000", components=2)
    gone = [3, 40, 50]
    assert header["nan_rows"] == 3
    assert np.flatnonzero(np.isnan(ours).all(axis=1)).tolist() == gone
    whole = np.delete(VECTORS, gone, axis=0).astype(np.float64)
    values = np.linalg.svd(whole - whole.mean(axis=0), compute_uv=False)
    assert np.linalg.norm(np.delete(ours, gone, axis=0), axis=0) == pytest.approx(values[:2], rel=1e-5)


def test_sphereized_rows_are_as_long_as_each_other(board: Board) -> None:
    """Less their mean, each is one long before its components are taken."""
    header, ours = points(board, components=7, sphereize=True)
    rows = VECTORS - VECTORS.mean(axis=0, dtype=np.float64)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    expected = rows - rows.mean(axis=0)
    assert ours @ ours.T == pytest.approx(expected @ expected.T, abs=1e-5)
    assert sum(header["fractions"]) == pytest.approx(1)


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_neighbours_are_those_of_the_original_space(board: Board, metric: str) -> None:
    """Of all rows, the shown ones or not, the nearest first; and which of them are shown."""
    question = {"run": "ours", "name": "words:00003", "most": 10, "row": 5, "k": 12, "metric": metric}
    told = board.post("/api/projector/neighbours", question).json()
    rows, one = VECTORS.astype(np.float64), VECTORS[5].astype(np.float64)
    if metric == "cosine":
        far = 1 - rows @ one / np.linalg.norm(rows, axis=1) / np.linalg.norm(one)
    else:
        far = np.linalg.norm(rows - one, axis=1)
    order = [i for i in np.argsort(far, kind="stable").tolist() if i != 5][:12]
    assert told["rows"] == order
    assert told["distances"] == pytest.approx(far[order])
    shown = vectors(board, "ours", "words:00003", most=10)[2].tolist()
    assert told["places"] == [shown.index(i) if i in shown else -1 for i in order]


QUESTIONS = [
    ("pca", {"components": 11}, 400),
    ("pca", {"components": True}, 400),
    ("pca", {"most": 0}, 400),
    ("pca", {"run": 3}, 400),
    ("pca", {"name": "other"}, 404),
    ("pca", {"run": "../ours"}, 404),
    ("neighbours", {"row": 0, "metric": "far"}, 400),
    ("neighbours", {"row": 0, "k": 1000}, 400),
    ("neighbours", {}, 400),
    ("neighbours", {"row": 60}, 422),
    ("neighbours", {"row": 3, "name": "holed:00000"}, 422),
    ("tsne", {"most": 20_001}, 400),
    ("tsne", {"dimensions": 4}, 400),
    ("tsne", {"perplexity": float("nan")}, 400),
    ("tsne", {"run": "bad", "name": "good"}, 422),
]


@pytest.mark.parametrize(("route", "question", "status"), QUESTIONS)
def test_questions_without_an_answer_get_a_sentence(
    board: Board, route: str, question: dict[str, Any], status: int
) -> None:
    """What is asked wrongly, of something that is not there, or in vain."""
    answer = board.post(f"/api/projector/{route}", {"run": "ours", "name": "words:00003", **question})
    assert (answer.status, list(answer.json())) == (status, ["error"])


def test_a_new_embedding_is_told(board: Board, logdir: Path) -> None:
    """The index has it without being asked to look, and then the list has it."""
    run = logdir / "later"
    run.mkdir()
    (run / "late.tsv").write_text("1\t2\n3\t4\n")
    (run / "projector_config.pbtxt").write_text(entry("late", "late.tsv"))
    end = time.monotonic() + 60
    while not any(each["run"] == "later" for each in board.get("/api/projector")["embeddings"]):
        assert time.monotonic() < end, "it was never told"
        threading.Event().wait(0.05)
    index = board.get("/api/runs")
    named = {index["runs"][at]["name"] for at, _ in index["series"]["projector"]["projector_config.pbtxt"]}
    assert "later" in named
