"""`/data/plugin/projector/` answers as a running TensorBoard, of what torch, tensorboardX, TensorBoard and we wrote."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tallyboard as tb

from .boards import Board, tensorboard_on, viewer_on, wait_until
from .test_projector import frame

pytest.importorskip("tensorboard")
pytest.importorskip("torch")
pytest.importorskip("tensorboardX")

THEY_WRITE = """
import sys, types
sys.modules["tensorboard.compat.notf"] = types.ModuleType("notf")  # TensorFlow takes long to load
import numpy as np, torch
from pathlib import Path
import tensorboardX
from torch.utils.tensorboard import SummaryWriter
from tensorboard.plugins import projector

logdir = Path(sys.argv[1])
data = np.load(logdir / "data.npz")
vectors, pictures = torch.tensor(data["vectors"]), torch.tensor(data["pictures"])
words = [f"word {i}" for i in range(len(vectors))]
for name, make in (("torch", SummaryWriter), ("tensorboardX", tensorboardX.SummaryWriter)):
    with make(str(logdir / name)) as writer:
        writer.add_scalar("loss", 1.0, 0)
        writer.add_embedding(vectors, words, pictures, 5, "words")
        writer.add_embedding(vectors[:7], [[w, w[::-1]] for w in words[:7]], tag="two", metadata_header=["a", "b"])

(logdir / "visualized").mkdir()
with SummaryWriter(str(logdir / "visualized")) as writer:
    writer.add_scalar("loss", 1.0, 0)
np.savetxt(logdir / "visualized" / "vectors.tsv", data["vectors"], delimiter="\\t")
lines = ["name\\tnumber", *(f"{word}\\t{i}" for i, word in enumerate(words)), ""]
(logdir / "visualized" / "labels.tsv").write_text("\\n".join(lines))
(logdir / "visualized" / "bookmarks.txt").write_text('[{"label": "view"}]')
config = projector.ProjectorConfig()
one = config.embeddings.add(tensor_name="layer/embeddings:0", tensor_path="vectors.tsv", metadata_path="labels.tsv")
one.bookmarks_path = "bookmarks.txt"
projector.visualize_embeddings(str(logdir / "visualized"), config)
"""
RNG = np.random.default_rng(3)
VECTORS = RNG.standard_normal((12, 6)).astype(np.float32)
PICTURES = RNG.random((12, 3, 5, 5)).astype(np.float32)


@pytest.fixture(scope="module")
def logdir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("projected")
    np.savez(folder / "data.npz", vectors=VECTORS, pictures=PICTURES)
    subprocess.run([sys.executable, "-W", "ignore", "-c", THEY_WRITE, str(folder)], check=True)
    with tb.SummaryWriter(folder / "ours") as writer:
        writer.add_scalar("loss", 1.0, 0)
        writer.add_embedding(VECTORS, [f"word {i}" for i in range(12)], PICTURES, 5, "words")
    with tb.SummaryWriter(folder / "none") as writer:
        writer.add_scalar("loss", 1.0, 0)
    return folder


@pytest.fixture(scope="module")
def theirs(logdir: Path) -> Iterator[Board]:
    with tensorboard_on(logdir) as board:
        yield board


@pytest.fixture(scope="module")
def ours(logdir: Path) -> Iterator[Board]:
    with viewer_on(logdir) as board:
        yield board


def named(board: Board) -> list[tuple[str, str]]:
    return [
        (run, each["tensorName"])
        for run in sorted(board.get("/data/plugin/projector/runs"))
        for each in board.get("/data/plugin/projector/info", run=run)["embeddings"]
    ]


NAMES = [
    ("ours", "words:00005"),
    ("tensorboardX", "two:00000"),
    ("tensorboardX", "words:00005"),
    ("torch", "two:00000"),
    ("torch", "words:00005"),
    ("visualized", "layer/embeddings"),
]


def test_the_same_runs_and_configurations(theirs: Board, ours: Board) -> None:
    """Every run with embeddings, and each field of its configuration."""
    expected = theirs.get("/data/plugin/projector/runs")
    assert sorted(ours.get("/data/plugin/projector/runs")) == sorted(expected)
    for run in expected:
        asked = {"path": "/data/plugin/projector/info", "run": run}
        assert ours.get(**asked) == theirs.get(**asked), run
    assert sorted(named(ours)) == NAMES


def test_the_dashboard_is_active(theirs: Board, ours: Board) -> None:
    """As TensorBoard's, once that has looked."""

    def listed(board: Board) -> Any:
        return board.get("/data/plugins_listing")["projector"]

    wait_until(lambda: listed(theirs)["enabled"])
    assert listed(ours) == listed(theirs)


@pytest.mark.parametrize(("run", "name"), NAMES)
@pytest.mark.parametrize("route", ["tensor", "metadata", "bookmarks", "sprite_image"])
@pytest.mark.parametrize("rows", [None, 1, 3, 12, 99])
def test_the_same_bytes(theirs: Board, ours: Board, route: str, run: str, name: str, rows: int | None) -> None:
    """Tensor, metadata, bookmarks and sprite with their types; 400 where there is none."""
    asked = {"run": run, "name": name, **({} if rows is None else {"num_rows": rows})}
    expected = theirs.ask(f"/data/plugin/projector/{route}", **asked)
    answer = ours.ask(f"/data/plugin/projector/{route}", **asked)
    assert (answer.status, answer.type) == (expected.status, expected.type)
    if expected.status == 200:
        assert answer.body == expected.body
    else:
        assert expected.status == 400


@pytest.mark.parametrize(
    "question",
    [
        "info",
        "info?run=nothing",
        "info?run=none",
        "tensor",
        "tensor?run=torch",
        "tensor?run=torch&name=nothing",
        "tensor?run=nothing&name=words:00005",
        "tensor?run=torch&name=words:00005&num_rows=0",
        "tensor?run=torch&name=words:00005&num_rows=x",
        "metadata?run=torch",
        "metadata?run=torch&name=words:00005&num_rows=-1",
        "bookmarks?name=words:00005",
        "sprite_image?run=torch",
    ],
)
def test_bad_questions(theirs: Board, ours: Board, question: str) -> None:
    """The same status and type; and the same words where they name no file."""
    expected = theirs.ask(f"/data/plugin/projector/{question}")
    answer = ours.ask(f"/data/plugin/projector/{question}")
    assert (answer.status, answer.type) == (expected.status, expected.type)
    if b"checkpoint" not in expected.body:
        assert answer.body == expected.body


@pytest.mark.parametrize(("run", "name"), NAMES)
def test_the_page_has_the_same_numbers(theirs: Board, ours: Board, run: str, name: str) -> None:
    """The frame's vectors are TensorBoard's tensor, and there is nothing wrong with any of these."""
    expected = theirs.ask("/data/plugin/projector/tensor", run=run, name=name).body
    header, columns = frame(ours.ask("/api/projector/vectors", run=run, name=name).body)
    numbers = np.frombuffer(expected, "<f4")
    assert header["rows"] * header["columns_count"] == len(numbers)
    assert np.array_equal(columns["vectors"][: len(numbers)], numbers)
    (listed,) = [
        each for each in ours.get("/api/projector")["embeddings"] if (each["run"], each["name"]) == (run, name)
    ]
    assert (listed["rows"], listed["columns"], listed["problems"]) == (header["rows"], header["columns_count"], [])
    told = ours.get("/api/projector/metadata", run=run, name=name)
    label = f"word {header['rows'] - 1}"
    assert (told["columns"][0]["values"][-1], told["problems"]) == (label, [])
