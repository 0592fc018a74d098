"""What stays on disk is found wherever it lies: in one of several logdirs, here or in a remote store."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tallyboard as tb
from tallyboard.core.reader import LogdirReader
from tallyboard.core.store import Store
from tallyboard.viewer.logdirs import Logdir
from tallyboard.viewer.records import Records


@pytest.fixture
def board(tmp_path: Path, serve: Any) -> Any:
    """A local logdir and a remote one, shown side by side; each has the same run with other values."""
    fsspec = pytest.importorskip("fsspec")
    memory = fsspec.filesystem("memory")
    for name, shade in (("here", 10), ("there", 200)):
        with tb.SummaryWriter(tmp_path / name / "run") as writer:
            writer.add_image("picture", np.full((3, 2, 2), shade, np.uint8), 1)
            writer.add_histogram("values", np.full(5, float(shade)), 1)
            writer.add_scalar("loss", shade, 1, summary_description=f"of *{name}*")
    place = f"/{tmp_path.name}/there"
    memory.put(str(tmp_path / "there"), place, recursive=True)
    logdirs = [Logdir("here", str(tmp_path / "here")), Logdir("there", f"memory:/{place}")]
    store, records = Store(), Records(logdirs)
    store.expect(["here", "there"])
    for logdir in logdirs:
        records.opened(LogdirReader(logdir.path, store, name=logdir.name)).poll()
    yield serve(store, fetch=records.fetch, locate=records.path)
    memory.rm(place, recursive=True)


def test_values_of_both(board: Any) -> None:
    """Scalars, histograms and pictures of a remote run are answered as those of a local one."""
    assert board.get("/data/runs").json() == ["here/run", "there/run"]
    for name, shade in (("here", 10), ("there", 200)):
        asked = f"run={name}%2Frun&tag="
        tags = board.get("/data/plugin/scalars/tags").json()[f"{name}/run"]
        assert tags["loss"]["description"] == f"<p>of <em>{name}</em></p>"
        assert board.get(f"/data/plugin/scalars/scalars?{asked}loss").json()[0][2] == shade
        ((_, step, buckets),) = board.get(f"/data/plugin/histograms/histograms?{asked}values").json()
        assert (step, buckets[0][0], sum(count for _, _, count in buckets)) == (1, shade, 5)
        (entry,) = board.get(f"/data/plugin/images/images?{asked}picture").json()
        picture = board.get(f"/data/plugin/images/individualImage?{entry['query']}")
        assert picture.headers["content-type"] == "image/png"
        image = pytest.importorskip("PIL.Image")
        import io

        assert image.open(io.BytesIO(picture.body)).getpixel((0, 0)) == (shade,) * 3


def test_samples_of_every_plugin(tmp_path: Path, serve: Any) -> None:
    """Each plugin that has a number of samples gives so many values, the first and the last among them."""
    rng = np.random.default_rng(1)
    with tb.SummaryWriter(tmp_path / "run") as writer:
        for step in range(9):
            writer.add_image("x", rng.integers(0, 9, (3, 2, 2), np.uint8), step)
            writer.add_histogram("x h", rng.random(9), step)
            writer.add_audio("x a", rng.integers(0, 9, (9, 1), np.int16), step)
            writer.add_text("x", "t", step)
            writer.add_pr_curve("x p", [0, 1], [0.5, 0.6], step)
            writer.add_mesh("x m", rng.random((1, 3, 3)).astype(np.float32), step=step)
    records = Records(str(tmp_path))
    reader = records.opened(LogdirReader(tmp_path))
    reader.poll()
    asked = {
        "images": ("x", "images", 2),
        "histograms": ("x%20h", "histograms", 3),
        "distributions": ("x%20h", "distributions", 5),
        "audio": ("x%20a", "audio", 4),
        "text": ("x%2Ftext_summary", "text", 1),
        "pr_curves": ("x%20p", "pr_curves", 6),
        "mesh": ("x%20m", "meshes", 7),
    }
    some = serve(reader.store, fetch=records.fetch, samples={plugin: count for plugin, (_, _, count) in asked.items()})
    all_of_them = serve(reader.store, fetch=records.fetch, samples={"images": 0, "text": 100})
    for plugin, (tag, route, count) in asked.items():
        path = f"/data/plugin/{plugin}/{route}?run=run&tag={tag}"
        for board, wanted in ((some, count), (all_of_them, 9)):
            answer = board.get(path).json()
            entries = answer["run"] if plugin == "pr_curves" else answer
            steps = [entry["step"] if isinstance(entry, dict) else entry[1] for entry in entries]
            assert len(steps) == wanted, plugin
            assert steps[-1] == 8
            assert steps[0] == 0 or wanted == 1


def test_what_is_gone_is_missing(board: Any, tmp_path: Path) -> None:
    """A picture whose file was deleted is 404, in a list the value is left out, and scalars are in memory."""
    (entry,) = board.get("/data/plugin/images/images?run=here%2Frun&tag=picture").json()
    for file in (tmp_path / "here" / "run").iterdir():
        file.unlink()

    answer = board.get(f"/data/plugin/images/individualImage?{entry['query']}")
    assert (answer.status, answer.body) == (404, b"Not found: the file no longer holds what was found in it.")
    assert board.get("/data/plugin/histograms/histograms?run=here%2Frun&tag=values").json() == []
    assert len(board.get("/data/plugin/scalars/scalars?run=here%2Frun&tag=loss").json()) == 1


def test_damage_is_left_out(board: Any, tmp_path: Path) -> None:
    """A bit that was flipped after reading is no value, and no failure."""
    (file,) = (tmp_path / "here" / "run").iterdir()
    data = bytearray(file.read_bytes())
    at = data.index(b"values") + 12
    data[at] ^= 1
    file.write_bytes(data)

    assert board.get("/data/plugin/histograms/histograms?run=here%2Frun&tag=values").json() == []
    assert json.loads(board.get("/data/plugin/histograms/tags").body)["there/run"].keys() == {"values"}
