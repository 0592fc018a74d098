"""Files of real producers: what TensorBoard's own loaders read from them, `tb.read` reads to the same values, and more.

The corpus is made by make.py; `golden.json` beside each logdir is what TensorBoard read when it was made.
"""

from __future__ import annotations

import importlib.util
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

import tallyboard as tb
from tallyboard.core.event_files import EventFile

HERE = Path(__file__).parent
CORPUS = sorted(path for path in (HERE / "corpus").iterdir() if path.is_dir())


def load_normal() -> Any:
    spec = importlib.util.spec_from_file_location("normal", HERE / "normal.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


normal = load_normal()


def as_json(value: Any) -> Any:
    return json.loads(json.dumps(value))


def golden(folder: Path) -> dict[str, dict[str, list[Any]]]:
    return json.loads((folder / "golden.json").read_text(encoding="utf-8"))


def test_producers() -> None:
    """The corpus has files of every producer that could be installed, of two versions where that was easy."""
    assert {path.name.rpartition("-")[0] for path in CORPUS} == {
        "clu",
        "keras",
        "lightning",
        "tallyboard",
        "tensorboardX",
        "tensorflow1",
        "tf.summary",
        "torch",
    }
    assert len(CORPUS) >= 9
    assert sum(len(tags) for folder in CORPUS for tags in golden(folder).values()) > 90


@pytest.mark.parametrize("folder", CORPUS, ids=lambda path: path.name)
def test_everything_tensorboard_reads_is_read(folder: Path) -> None:
    """Every run, tag, plugin, step, wall time and value that TensorBoard reads is read, to the same value."""
    wanted, found = golden(folder), as_json(normal.by_us(folder))
    assert found.keys() == wanted.keys()
    for run, tags in wanted.items():
        assert found[run] == tags
    assert tb.read(folder).warnings == {}


@pytest.mark.parametrize("folder", CORPUS, ids=lambda path: path.name)
def test_the_golden_is_what_tensorboard_reads(folder: Path) -> None:
    """TensorBoard as it is installed reads from the files what the golden has."""
    pytest.importorskip("tensorboard")
    assert as_json(normal.by_tensorboard(folder)) == golden(folder)


def damaged(folder: Path, to: Path) -> int:
    """Copies a run with one bit flipped in the data of its fifth record; returns how many records it has."""
    shutil.copytree(folder / "run", to / "run")
    path = next((to / "run").glob("*tfevents*"))
    file = EventFile(path)
    places = [file._offset for _ in file.load()]
    data = bytearray(path.read_bytes())
    data[places[4] - 6] ^= 4
    path.write_bytes(bytes(data))
    return len(places)


@pytest.mark.parametrize("name", ["torch-2.13.0", "tf.summary-2.21.0", "tensorboardX-2.1"])
def test_what_tensorboard_loses_behind_damage(tmp_path: Path, name: str) -> None:
    """Behind one flipped bit TensorBoard reads nothing more of a file; here one record is lost, counted and named."""
    pytest.importorskip("tensorboard")
    folder = HERE / "corpus" / name
    records = damaged(folder, tmp_path)
    whole = sum(len(value[1]) for value in golden(folder)["run"].values())
    theirs = sum(len(value[1]) for value in normal.by_tensorboard(tmp_path)["run"].values())
    ours = sum(len(value[1]) for value in normal.by_us(tmp_path)["run"].values())
    assert records > 10
    assert theirs <= 4
    assert ours == whole - 1
    (warned,) = tb.read(tmp_path).warnings["run"]
    assert (warned.kind, warned.count) == ("corrupt_record", 1)


def test_what_tensorboard_samples_away(tmp_path: Path) -> None:
    """Of 1,500 points TensorBoard's accumulator keeps 500 by default; all are kept here."""
    module = pytest.importorskip("tensorboard.backend.event_processing.plugin_event_accumulator")
    with tb.SummaryWriter(tmp_path) as writer:
        for step in range(1500):
            writer.add_scalar("loss", step / 8, step)
    theirs = module.EventAccumulator(str(tmp_path)).Reload().Tensors("loss")
    series = tb.read(tmp_path)["."].scalar("loss")
    assert len(theirs) == 500
    assert series.value.tolist() == [step / 8 for step in range(1500)]
