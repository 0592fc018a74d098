"""Whole trainings with Lightning on the handwritten digits, each logged by ours and by the peer at once."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

pl = pytest.importorskip("pytorch_lightning")

from lightning_fabric import Fabric  # noqa: E402
from lightning_fabric.loggers.tensorboard import TensorBoardLogger as FabricTensorBoardLogger  # noqa: E402
from sklearn.datasets import load_digits  # noqa: E402
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator  # noqa: E402
from tensorboard.util import tensor_util  # noqa: E402

import tallyboard as tb  # noqa: E402
from tallyboard.integrations import lightning as adapter  # noqa: E402
from tallyboard.integrations.lightning import TallyboardLogger, TallyboardMonitor  # noqa: E402

Scalars = dict[str, list[tuple[int, float]]]


def by_tensorboard(directory: str | os.PathLike[str]) -> Scalars:
    accumulator = EventAccumulator(str(directory), size_guidance={"scalars": 0})
    accumulator.Reload()
    return {tag: [(e.step, e.value) for e in accumulator.Scalars(tag)] for tag in accumulator.Tags()["scalars"]}


def digits(count: int, first: int = 0) -> DataLoader[Any]:
    data = load_digits()
    part = slice(first, first + count)
    images = torch.tensor(data.images[part], dtype=torch.float32)[:, None] / 16
    return DataLoader(TensorDataset(images, torch.tensor(data.target[part])), batch_size=16)


class Digits(pl.LightningModule):
    """A small classifier with validation."""

    def __init__(self, lr: float = 0.01) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.net = nn.Sequential(nn.Flatten(), nn.Linear(64, 16), nn.ReLU(), nn.Linear(16, 10))

    def forward(self, images: Tensor) -> Tensor:
        return self.net(images)

    def training_step(self, batch: list[Tensor], index: int) -> Tensor:
        loss = nn.functional.cross_entropy(self(batch[0]), batch[1])
        self.log("train/loss", loss, on_step=True, on_epoch=True)
        return loss

    def validation_step(self, batch: list[Tensor], index: int) -> None:
        scores = self(batch[0])
        self.log("val/accuracy", (scores.argmax(1) == batch[1]).float().mean())
        self.log("hp_metric", nn.functional.cross_entropy(scores, batch[1]))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.parameters(), lr=self.hparams["lr"])


QUIET = {"accelerator": "cpu", "enable_progress_bar": False, "enable_model_summary": False}


@dataclass
class Trained:
    ours: Any
    theirs: Any
    saver: Any


def train(folder: Path, epochs: int, *, resume: str | None = None) -> Trained:
    """Trains, or goes on with the version there is."""
    version = 0 if resume else None
    ours = TallyboardLogger(folder, name="ours", version=version)
    theirs = pl.loggers.TensorBoardLogger(folder, name="theirs", version=version)
    saver = pl.callbacks.ModelCheckpoint(monitor="val/accuracy", mode="max", save_top_k=2, save_last=True)
    trainer = pl.Trainer(
        max_epochs=epochs,
        logger=[ours, theirs],
        callbacks=[saver],
        log_every_n_steps=3,
        accumulate_grad_batches=2,
        **QUIET,
    )
    pl.seed_everything(3, verbose=False)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Checkpoint directory .* exists and is not empty")
        trainer.fit(Digits(), digits(320), digits(64, 320), ckpt_path=resume)
    return Trained(ours, theirs, saver)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Trained, Trained]:
    """Two epochs, and a second program's two epochs more from the last checkpoint, in the same version."""
    folder = tmp_path_factory.mktemp("digits")
    first = train(folder, 2)
    return first, train(folder, 4, resume=first.saver.last_model_path)


def test_digits_value_by_value(trained: tuple[Trained, Trained]) -> None:
    """Validation, accumulated gradients, checkpoints and a resumed run: TensorBoard reads the peer's values."""
    first, second = trained
    assert first.ours.log_dir == second.ours.log_dir
    wanted = by_tensorboard(second.theirs.log_dir)
    assert set(wanted) == {"epoch", "hp_metric", "train/loss_epoch", "train/loss_step", "val/accuracy"}
    assert [step for step, _ in wanted["val/accuracy"]] == [9, 19, 29, 39]
    assert by_tensorboard(second.ours.log_dir) == wanted


def test_resumed_run_keeps_its_hyperparameters(trained: tuple[Trained, Trained]) -> None:
    """A resumed run has the hparams.yaml and the files of the peer, and is one run, finished."""
    _, second = trained
    ours, theirs = Path(second.ours.log_dir), Path(second.theirs.log_dir)
    assert (ours / "hparams.yaml").read_text() == (theirs / "hparams.yaml").read_text() == "lr: 0.01\n"
    run = tb.read(ours)["."]
    assert run.hparams is not None
    assert run.hparams.values == {"lr": 0.01}
    assert run.hparams.status == "success"


def test_epoch_stands_beside_every_metric(trained: tuple[Trained, Trained]) -> None:
    """The epoch is a series of its own, with a value at every step that has a metric, so that it can be the x axis."""
    scalars = by_tensorboard(trained[1].ours.log_dir)
    epochs = dict(scalars.pop("epoch"))
    scalars["hp_metric"] = [point for point in scalars["hp_metric"] if point[1] != -1]
    assert {step for points in scalars.values() for step, _ in points} == set(epochs)
    assert [epochs[step] for step, _ in scalars["val/accuracy"]] == [0, 1, 2, 3]


def test_checkpoints_are_listed(trained: tuple[Trained, Trained]) -> None:
    """A table lists the checkpoints on disk by path, with step, epoch and the metrics that were logged last."""
    _, second = trained
    directory, saver = second.ours.log_dir, second.saver
    accumulator = EventAccumulator(directory).Reload()
    table = tensor_util.make_ndarray(accumulator.Tensors("checkpoints")[-1].tensor_proto)
    names, *cells = [[cell.decode() for cell in row] for row in table]
    assert names[:5] == ["checkpoint", "is", "global step", "epoch", "val/accuracy"]
    rows = {row[0].strip("`"): dict(zip(names, row, strict=True)) for row in cells}
    there = {str(path.relative_to(directory)) for path in Path(directory).rglob("*.ckpt")}
    kept = {os.path.relpath(path, directory): score for path, score in saver.best_k_models.items()}
    assert len(kept) == 2
    assert set(kept) <= set(rows) <= there
    for path, score in kept.items():
        assert float(rows[path]["val/accuracy"]) == pytest.approx(float(score), abs=1e-6)
    (best,) = [path for path, row in rows.items() if "best" in row["is"]]
    assert best == os.path.relpath(saver.best_model_path, directory)
    (last,) = [row for row in rows.values() if "last" in row["is"]]
    assert (last["global step"], last["epoch"]) == ("40", "3")


# ---- Fabric


def fabric_loop(folder: Path, ours: Any) -> tuple[Scalars, Scalars, str]:
    theirs = FabricTensorBoardLogger(folder / "theirs", name="digits")
    fabric = Fabric(accelerator="cpu", devices=1, loggers=[ours, theirs])
    fabric.seed_everything(3, verbose=False)
    net = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
    model, optimizer = fabric.setup(net, torch.optim.SGD(net.parameters(), lr=0.1))
    for logger in fabric.loggers:
        logger.log_hyperparams({"lr": 0.1})
    ours.log_graph(model, torch.zeros(2, 1, 8, 8))
    for step, (images, labels) in enumerate(fabric.setup_dataloaders(digits(64))):
        loss = nn.functional.cross_entropy(model(images), labels)
        fabric.backward(loss)
        optimizer.step()
        optimizer.zero_grad()
        fabric.log("loss", loss, step)
        fabric.log_dict({"twice": 2 * loss.detach(), "epoch": 0}, step)
    for logger in fabric.loggers:
        logger.finalize("success")
    return by_tensorboard(ours.log_dir), by_tensorboard(theirs.log_dir), ours.log_dir


def test_fabric(tmp_path: Path) -> None:
    """A Fabric loop with the Trainer's logger, named by Fabric's argument, logs what Fabric's own logs."""
    read, wanted, _ = fabric_loop(tmp_path, TallyboardLogger(root_dir=tmp_path / "ours", name="digits"))
    assert read == wanted
    assert [step for step, _ in wanted["loss"]] == [0, 1, 2, 3]


def test_fabric_alone(tmp_path: Path) -> None:
    """The class for programs that have Fabric only has the arguments and directories of Fabric's logger, and graphs."""
    logger = adapter.FabricLogger(tmp_path / "ours", "digits", None, True, "", None)
    theirs = FabricTensorBoardLogger(tmp_path / "ours", "digits", None, True, "", None)
    assert (logger.root_dir, logger.name) == (theirs.root_dir, theirs.name)
    read, wanted, directory = fabric_loop(tmp_path, logger)
    assert read == wanted
    names = [node.name for node in tb.read(directory)["."].graphs()[""].nodes]
    assert "1/linear" in names


# ---- two processes, with lightning.pytorch


DDP = """
import os, sys
import torch
from torch import nn
import lightning.pytorch as pl
from lightning.fabric import Fabric
from tallyboard.integrations import lightning as adapter
from tallyboard.integrations.lightning import TallyboardLogger

class Model(pl.LightningModule):
    def __init__(self):
        super().__init__()
        self.save_hyperparameters({"lr": 0.1})
        self.net = nn.Linear(4, 1)
    def training_step(self, batch, index):
        loss = self.net(batch).square().mean()
        self.log("loss", loss, sync_dist=True)
        self.log("rank", float(self.global_rank), rank_zero_only=True)
        self.logger.experiment.add_text("who", f"rank {self.global_rank}", index)
        return loss
    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)

pl.seed_everything(1, verbose=False)
ours = TallyboardLogger(sys.argv[1], name="ours")
loggers = [ours, pl.loggers.TensorBoardLogger(sys.argv[1], name="theirs")]
trainer = pl.Trainer(max_epochs=2, strategy="ddp", devices=2, accelerator="cpu", logger=loggers, log_every_n_steps=1,
                     enable_progress_bar=False, enable_model_summary=False, enable_checkpointing=True)
model = Model()
trainer.fit(model, torch.utils.data.DataLoader(torch.randn(16, 4), batch_size=2))
assert type(ours) is adapter.LightningLogger and isinstance(ours, pl.loggers.Logger)
assert ours.log_dir.endswith("version_0") and trainer.log_dir == ours.log_dir, ours.log_dir
assert "pytorch_lightning" not in sys.modules
open(f"rank{trainer.global_rank}", "w").close()
"""


def test_two_processes_of_lightning_pytorch(tmp_path: Path) -> None:
    """Under DDP one process writes, both name its directory, and the values are those of the peer; with
    `lightning.pytorch`, whose base class the logger then has."""
    pytest.importorskip("lightning")
    (tmp_path / "program.py").write_text(DDP)
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    command = [sys.executable, "-W", "ignore", "program.py", str(tmp_path / "runs")]
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=800)
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in tmp_path.glob("rank*")) == ["rank0", "rank1"]
    ours, theirs = tmp_path / "runs/ours/version_0", tmp_path / "runs/theirs/version_0"
    wanted = by_tensorboard(theirs)
    assert set(wanted) == {"epoch", "hp_metric", "loss", "rank"}
    assert [step for step, _ in wanted["loss"]] == list(range(8))
    assert by_tensorboard(ours) == wanted
    assert len(list(ours.glob("events.*"))) == 1
    assert set(tb.read(ours).texts()[".", "who/text_summary"].value) == {"rank 0"}
    assert [path.name for path in (tmp_path / "runs/ours").iterdir()] == ["version_0"]


# ---- wrong uses


def test_steps_that_go_back(tmp_path: Path) -> None:
    """Steps in any order are written in the order in which they came, as the peer does."""
    read = []
    for logger in (TallyboardLogger(tmp_path / "ours"), pl.loggers.TensorBoardLogger(tmp_path / "theirs")):
        for step in (5, 3, None, 4):
            logger.log_metrics({"loss": 1.0}, step)
        logger.finalize("success")
        read.append(by_tensorboard(logger.log_dir))
    assert read[0] == read[1] == {"loss": [(5, 1.0), (3, 1.0), (0, 1.0), (4, 1.0)]}


def test_writer_that_was_closed(tmp_path: Path) -> None:
    """Metrics that come when the user has closed the writer are in a further file of the run."""
    logger = TallyboardLogger(tmp_path)
    logger.log_metrics({"loss": 1.0}, 1)
    logger.experiment.close()
    logger.log_metrics({"loss": 2.0, "both": {"a": 1.0}}, 2)
    logger.finalize("success")
    assert by_tensorboard(logger.log_dir)["loss"] == [(1, 1.0), (2, 2.0)]


def test_no_directory_or_two(tmp_path: Path) -> None:
    """A logger without a directory, or with two, is an error that says what is missing."""
    with pytest.raises(TypeError, match="expected save_dir"):
        TallyboardLogger()
    with pytest.raises(TypeError, match="expected save_dir"):
        TallyboardLogger(tmp_path, root_dir=tmp_path)


def test_training_into_a_directory_that_cannot_be_written() -> None:
    """A training whose directory cannot be made comes to its end; warnings say what was lost."""
    logger = TallyboardLogger("/proc/no/runs")
    settings = {"max_epochs": 1, "log_every_n_steps": 2, "enable_checkpointing": False, **QUIET}
    trainer = pl.Trainer(logger=logger, callbacks=[TallyboardMonitor()], **settings)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        trainer.fit(Digits(), digits(64), digits(16))
    ours = [str(one.message) for one in caught if issubclass(one.category, tb.TallyboardWarning)]
    assert "the event file cannot be made" in ours[0]
    assert "events lost" in ours[-1]
    assert trainer.global_step == 4


EVERYTHING = """
import sys
import torch
import pytorch_lightning as pl
from lightning_fabric import Fabric
import tallyboard as tb
from tallyboard.integrations.lightning import TallyboardLogger, TallyboardMonitor, TallyboardProfiler

class Model(pl.LightningModule):
    def __init__(self):
        super().__init__()
        self.save_hyperparameters({"lr": 0.1})
        self.net = torch.nn.Linear(4, 1)
    def training_step(self, batch):
        loss = self.net(batch).square().mean()
        self.log("loss", loss)
        return loss
    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)

def loader():
    return torch.utils.data.DataLoader(torch.randn(16, 4), batch_size=2)

if __name__ == "__main__":
    quiet = dict(accelerator="cpu", enable_progress_bar=False, enable_model_summary=False, log_every_n_steps=1)
    forked = TallyboardLogger("forked")  # first: torch's threads and a fork do not go together
    pl.Trainer(max_epochs=1, logger=forked, strategy="ddp_fork", devices=2, **quiet).fit(Model(), loader())
    assert forked.version == 0
    logger = TallyboardLogger("runs", log_graph=True)
    pl.Trainer(max_epochs=1, logger=logger, callbacks=[TallyboardMonitor(profile=1)], profiler=TallyboardProfiler(),
               **quiet).fit(Model(), loader())
    fabric = Fabric(accelerator="cpu", devices=1, loggers=logger)
    fabric.log("fabric", 1.0, 0)
    model = Model()
    spawned = TallyboardLogger("spawned")
    with tb.auto_log(model, "auto", system=False):
        pl.Trainer(max_epochs=1, logger=spawned, strategy="ddp_spawn", devices=2, **quiet).fit(model, loader())
    assert "configure_callbacks" not in vars(model)
    assert spawned.version == 0
    print(sorted({"tensorflow", "tensorboard", "tensorboardX"} & set(sys.modules)))
"""


def test_everything_without_tensorflow_and_spawned(tmp_path: Path) -> None:
    """Logger, monitor, profiler, Fabric and auto_log load neither TensorFlow nor TensorBoard; processes that a
    training spawns or forks write into the directories that the program names, one of them each."""
    (tmp_path / "program.py").write_text(EVERYTHING)
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    command = [sys.executable, "-W", "ignore", "program.py"]
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=800)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[]"
    forked = by_tensorboard(tmp_path / "forked/lightning_logs/version_0")
    assert [step for step, _ in forked["loss"]] == [0, 1, 2, 3]
    assert [path.name for path in (tmp_path / "forked/lightning_logs").iterdir()] == ["version_0"]
    assert len(list((tmp_path / "forked/lightning_logs/version_0").glob("events.*"))) == 1
    spawned = by_tensorboard(tmp_path / "spawned/lightning_logs/version_0")
    auto = by_tensorboard(tmp_path / "auto")
    assert [step for step, _ in spawned["loss"]] == [0, 1, 2, 3]
    assert auto["loss"] == spawned["loss"] == auto["train/loss"]
    assert "gradients/norm" in auto
    assert [path.name for path in (tmp_path / "spawned/lightning_logs").iterdir()] == ["version_0"]
