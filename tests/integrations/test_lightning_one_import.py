"""A whole Lightning project of which one import changes: for TensorBoard everything is where it was."""

from __future__ import annotations

import inspect
import os
import warnings
from pathlib import Path
from typing import Any, NamedTuple

import pytest

pl = pytest.importorskip("pytorch_lightning")

from tensorboard import context  # noqa: E402
from tensorboard.backend.event_processing import data_provider, plugin_event_multiplexer  # noqa: E402
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator  # noqa: E402
from tensorboard.plugins import base_plugin  # noqa: E402
from tensorboard.plugins.hparams import api_pb2 as api  # noqa: E402
from tensorboard.plugins.hparams import backend_context, list_session_groups  # noqa: E402

THEIRS = "from pytorch_lightning.loggers import TensorBoardLogger"
OURS = "from tallyboard.integrations.lightning import TensorBoardLogger"
PROJECT = f"""
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import LearningRateMonitor, ModelCheckpoint
{THEIRS}
from torch import nn


class Model(pl.LightningModule):
    def __init__(self, lr, width=6, act="relu", flag=True):
        super().__init__()
        self.save_hyperparameters()
        self.example_input_array = torch.zeros(2, 4)
        self.first = nn.Linear(4, width)
        self.last = nn.Linear(width, 3)

    def forward(self, x):
        return self.last(torch.relu(self.first(x)))

    def loss(self, x):
        return nn.functional.cross_entropy(self(x), torch.arange(len(x)) % 3)

    def training_step(self, batch, index):
        loss = self.loss(batch)
        self.log("train/loss", loss, on_step=True, on_epoch=True)
        return loss

    def validation_step(self, batch, index):
        self.log("hp_metric", self.loss(batch))

    def test_step(self, batch, index):
        self.log("test/loss", self.loss(batch))

    def on_train_epoch_end(self):
        board = self.logger.experiment
        board.add_histogram("first", self.first.weight, self.current_epoch)
        board.add_text("note", f"epoch {{self.current_epoch}}", self.current_epoch)

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=self.hparams.lr)


def main(save_dir):
    data = torch.randn(24, 4, generator=torch.Generator().manual_seed(1))
    loader = torch.utils.data.DataLoader(data, batch_size=6)
    for lr in (0.1, 0.01):
        pl.seed_everything(1, verbose=False)
        logger = TensorBoardLogger(save_dir, name="project", log_graph=True)
        trainer = pl.Trainer(
            max_epochs=2,
            logger=logger,
            callbacks=[ModelCheckpoint(monitor="hp_metric", save_top_k=1, save_last=True), LearningRateMonitor()],
            log_every_n_steps=2,
            accelerator="cpu",
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        model = Model(lr)
        trainer.fit(model, loader, loader)
        trainer.test(model, loader, verbose=False)
        with open(logger.log_dir + "/mine.txt", "w") as file:
            file.write(f"{{trainer.log_dir == logger.log_dir}} {{logger.name}} {{logger.version}}")
"""


class Project(NamedTuple):
    """Where a project wrote, and what TensorBoard reads of each of its versions."""

    folder: Path
    runs: dict[str, EventAccumulator]


@pytest.fixture(scope="module")
def projects(tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, Project]:
    """The project as it was, and with the other import."""
    found: list[Project] = []
    guidance = dict.fromkeys(("scalars", "histograms", "tensors"), 0)
    for name, line in (("theirs", THEIRS), ("ours", OURS)):
        folder = tmp_path_factory.mktemp(name)
        program: dict[str, Any] = {"__name__": "project"}
        exec(compile(PROJECT.replace(THEIRS, line), "project.py", "exec"), program)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Lightning's and torch's advice
            warnings.filterwarnings("error", category=tallyboard_warning())
            program["main"](folder)
        module = inspect.getmodule(program["TensorBoardLogger"])
        assert module is not None
        assert module.__name__.startswith("tallyboard" if name == "ours" else "pytorch_lightning")
        runs = {f"version_{i}": EventAccumulator(str(folder / f"project/version_{i}"), guidance) for i in (0, 1)}
        found.append(Project(folder, {run: accumulator.Reload() for run, accumulator in runs.items()}))
    return found[0], found[1]


def tallyboard_warning() -> type[Warning]:
    import tallyboard as tb

    return tb.TallyboardWarning


def test_versions_and_files(projects: tuple[Project, Project]) -> None:
    """Versions, checkpoints, hparams.yaml and what the project writes itself lie at the peer's paths; event files in
    the peer's directories and no others."""

    def files(folder: Path) -> set[str]:
        return {
            os.path.join(os.path.relpath(path.parent, folder), "events" if "tfevents" in path.name else path.name)
            for path in folder.rglob("*")
            if path.is_file()
        }

    theirs, ours = (files(project.folder) for project in projects)
    assert ours == theirs
    assert len(theirs) == 2 * 5
    for version in ("version_0", "version_1"):
        for name in ("hparams.yaml", "mine.txt"):
            told = {(project.folder / "project" / version / name).read_text() for project in projects}
            assert len(told) == 1, told


def test_numbers_histograms_and_texts(projects: tuple[Project, Project]) -> None:
    """Scalars of fit and test, histograms and texts are the peer's, tag by tag, step by step, value by value."""
    theirs, ours = projects
    for run, wanted in theirs.runs.items():
        tags = set(wanted.Tags()["scalars"])
        assert {"hp_metric", "test/loss", "train/loss_step", "train/loss_epoch", "epoch", "lr-Adam"} == tags
        assert set(ours.runs[run].Tags()["scalars"]) == tags
        for tag in tags:
            values = [[(e.step, e.value) for e in of.Scalars(tag)] for of in (wanted, ours.runs[run])]
            if tag == "hp_metric":  # the peer writes its -1 once more, when the test begins
                assert values[0][-1] in {(0, -1.0), values[1][-1]}
                values[0] = [point for i, point in enumerate(values[0]) if i == 0 or point[1] != -1]
            assert values[0] == values[1], (run, tag)
        histograms = [[(e.step, e.histogram_value) for e in of.Histograms("first")] for of in (wanted, ours.runs[run])]
        assert histograms[0] == histograms[1]
        assert [step for step, _ in histograms[0]] == [0, 1]
        texts = [
            [(e.step, e.tensor_proto.string_val[0]) for e in of.Tensors("note/text_summary")]
            for of in (wanted, ours.runs[run])
        ]
        assert texts[0] == texts[1] == [(0, b"epoch 0"), (1, b"epoch 1")]


def test_graph(projects: tuple[Project, Project]) -> None:
    """The tab Graphs has a graph of each version, with the operations of the model by layer, as the peer's."""
    for project in projects:
        for run, accumulator in project.runs.items():
            assert accumulator.Tags()["graph"] is True, run
            linear, relu = (
                [node.name for node in accumulator.Graph().node if node.op.rpartition("::")[2] == op]
                for op in ("linear", "relu")
            )
            assert [len(linear), len(relu)] == [2, 1], run
            assert ["first" in linear[0], "last" in linear[1]] == [True, True], linear


def test_hparams_tab(projects: tuple[Project, Project]) -> None:
    """The tab HParams lists the peer's sessions: names, hyperparameters of each kind and status; hp_metric is the one
    of the last validation, also after a test, where the peer's tab then shows -1."""
    theirs, ours = (sessions(project.folder) for project in projects)
    assert [(name, given, status) for name, given, _, status in ours] == [
        (f"project/version_{i}", {"lr": lr, "width": 6.0, "act": "relu", "flag": True}, ["STATUS_SUCCESS"])
        for i, lr in enumerate((0.1, 0.01))
    ]
    assert [(name, given, status) for name, given, _, status in theirs] == [
        (name, given, status) for name, given, _, status in ours
    ]
    for name, _, metrics, _ in ours:
        accumulator = projects[0].runs[name.rpartition("/")[2]]
        *_, last = [event for event in accumulator.Scalars("hp_metric") if event.value != -1]
        assert metrics == {"hp_metric": (last.step, last.value)}


def sessions(folder: Path) -> list[tuple[str, dict[str, Any], dict[str, tuple[int, float]], list[str]]]:
    """What TensorBoard's backend answers to the tab: a row for each session."""
    multiplexer = plugin_event_multiplexer.EventMultiplexer().AddRunsFromDirectory(str(folder))
    multiplexer.Reload()
    provider = data_provider.MultiplexerDataProvider(multiplexer, str(folder))
    backend = backend_context.Context(base_plugin.TBContext(data_provider=provider))
    request = context.RequestContext()
    known = backend.hparams_metadata(request, "")
    experiment = backend.experiment_from_metadata(request, "", True, known, [])
    asked = api.ListSessionGroupsRequest(
        start_index=0, slice_size=10, allowed_statuses=list(api.Status.values()), include_metrics=True
    )
    for info in experiment.metric_infos:
        asked.col_params.add(metric=info.name)
    answer = list_session_groups.Handler(
        request_context=request, backend_context=backend, experiment_id="", request=asked
    ).run()
    rows = [
        (
            group.sessions[0].name,
            {name: getattr(value, value.WhichOneof("kind")) for name, value in group.hparams.items()},
            {value.name.tag: (value.training_step, value.value) for value in group.metric_values},
            [api.Status.Name(session.status) for session in group.sessions],
        )
        for group in answer.session_groups
    ]
    return sorted(rows, key=lambda row: row[0])
