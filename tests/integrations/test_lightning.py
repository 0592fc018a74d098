"""`TallyboardLogger` beside Lightning's own TensorBoardLogger: the same trainings, the same files' content."""

from __future__ import annotations

import copy
import math
import multiprocessing
import os
import pickle
import re
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

pl = pytest.importorskip("pytorch_lightning")

from lightning_utilities.core.rank_zero import rank_zero_only  # noqa: E402 - comes with Lightning
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator  # noqa: E402

import tallyboard as tb  # noqa: E402
from tallyboard.core.facts import Facts  # noqa: E402
from tallyboard.core.graph import Graph  # noqa: E402
from tallyboard.core.reader import LogdirReader  # noqa: E402
from tallyboard.integrations import lightning as adapter  # noqa: E402
from tallyboard.integrations.lightning import TallyboardLogger, TensorBoardLogger, classes  # noqa: E402

Scalars = dict[str, list[tuple[int, float]]]
LoggerMaker = Callable[[Path], Any]


class Classifier(pl.LightningModule):
    """A tiny model that logs in every way: per step, per epoch, in validation, grouped, a dict."""

    def __init__(self, width: int = 8, lr: float = 0.05) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.net = nn.Sequential(nn.Linear(4, width), nn.ReLU(), nn.Dropout(0.2), nn.Linear(width, 3))

    def training_step(self, batch: Tensor, index: int) -> Tensor:
        loss = nn.functional.cross_entropy(self.net(batch), torch.arange(len(batch)) % 3)
        self.log("train/loss", loss, on_step=True, on_epoch=True)
        self.log_dict({"confidence": self.net(batch).softmax(1).amax(), "zero": 0.0})
        return loss

    def validation_step(self, batch: Tensor, index: int) -> None:
        self.log("val_loss", nn.functional.cross_entropy(self.net(batch), torch.arange(len(batch)) % 3))

    def on_train_epoch_end(self) -> None:
        for logger in self.loggers:
            logger.log_metrics({"both": {"a": 1.0 + self.current_epoch, "b/c": 2.0}}, step=self.global_step)

    def configure_optimizers(self) -> Any:
        optimizer = torch.optim.Adam(self.parameters(), lr=self.hparams["lr"])
        return [optimizer], [torch.optim.lr_scheduler.StepLR(optimizer, 1, gamma=0.5)]


@dataclass
class Run:
    logger: Any
    trainer: Any
    weights: dict[str, Tensor]
    random: Tensor


def fit(logger: Any, **options: Any) -> Run:
    pl.seed_everything(7, verbose=False)
    loader = DataLoader(torch.randn(60, 4, generator=torch.Generator().manual_seed(1)), batch_size=6)
    settings = {
        "max_epochs": 3,
        "log_every_n_steps": 4,
        "accelerator": "cpu",
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "accumulate_grad_batches": 2,
        "callbacks": [pl.callbacks.LearningRateMonitor()] if logger else [],
    }
    trainer = pl.Trainer(logger=logger, **{**settings, **options})
    model = Classifier()
    trainer.fit(model, loader, loader)
    return Run(logger, trainer, model.state_dict(), torch.get_rng_state())


def by_tensorboard(directory: str | os.PathLike[str]) -> Scalars:
    accumulator = EventAccumulator(str(directory), size_guidance={"scalars": 0})
    accumulator.Reload()
    return {tag: [(e.step, e.value) for e in accumulator.Scalars(tag)] for tag in accumulator.Tags()["scalars"]}


def by_us(directory: str | os.PathLike[str], run: str = ".") -> Scalars:
    scalars = tb.read(directory).scalars()
    return {
        tag: list(zip(series.step.tolist(), series.value.tolist(), strict=True))
        for (name, tag), series in scalars.items()
        if name == run
    }


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    """The same training with Lightning's logger, with ours, and with none."""
    folder = tmp_path_factory.mktemp("runs")
    return {
        "theirs": fit(pl.loggers.TensorBoardLogger(folder / "theirs", name="project")),
        "ours": fit(TallyboardLogger(folder / "ours", name="project")),
        "none": fit(False, enable_checkpointing=False),
    }


def test_same_scalars_as_the_peer(runs: dict[str, Run]) -> None:
    """The scalars of a training are the peer's: tags, steps and values, for both readers."""
    theirs, ours = runs["theirs"].logger.log_dir, runs["ours"].logger.log_dir
    wanted = by_tensorboard(theirs)
    assert set(wanted) == {
        "confidence",
        "epoch",
        "hp_metric",
        "lr-Adam",
        "train/loss_epoch",
        "train/loss_step",
        "val_loss",
        "zero",
    }
    assert sum(map(len, wanted.values())) == 28
    assert by_tensorboard(ours) == wanted
    assert by_us(ours) == by_us(theirs) == wanted


def test_dict_metric_is_a_run_for_each_entry(runs: dict[str, Run]) -> None:
    """A metric that is a dict lands in the sub-runs of the peer, under the same tag."""
    theirs, ours = (by_us_all(runs[name].logger.log_dir) for name in ("theirs", "ours"))
    assert set(ours) == set(theirs) == {".", "both_a", "both_b/c"}
    assert ours["both_a"] == theirs["both_a"] == {"both": [(5, 1.0), (10, 2.0), (15, 3.0)]}
    assert ours["both_b/c"] == theirs["both_b/c"]


def by_us_all(directory: str) -> dict[str, Scalars]:
    return {run: by_us(directory, run) for run in tb.read(directory).runs}


def test_training_is_bit_identical(runs: dict[str, Run]) -> None:
    """Weights and random state end as without a logger, and as with the peer."""
    for other in ("none", "theirs"):
        assert torch.equal(runs["ours"].random, runs[other].random)
        for name, tensor in runs["ours"].weights.items():
            assert tensor.numpy().tobytes() == runs[other].weights[name].numpy().tobytes(), (other, name)


def test_same_files_as_the_peer(runs: dict[str, Run]) -> None:
    """Checkpoints and hparams.yaml lie where the peer has them, with the same content."""

    def files(run: Run) -> set[str]:
        root = Path(run.logger.save_dir)
        return {str(path.relative_to(root)) for path in root.rglob("*") if "tfevents" not in path.name}

    assert files(runs["ours"]) == files(runs["theirs"])
    ours, theirs = (Path(runs[name].logger.log_dir, "hparams.yaml") for name in ("ours", "theirs"))
    assert ours.read_text() == theirs.read_text()
    assert sorted(ours.read_text().splitlines()) == ["lr: 0.05", "width: 8"]
    assert runs["ours"].trainer.log_dir == runs["ours"].logger.log_dir


def test_hyperparameters_are_a_text(runs: dict[str, Run]) -> None:
    """The hyperparameters can be read beside the curves, as a table."""
    texts = tb.read(runs["ours"].logger.log_dir).texts()
    (value,) = texts[".", "hparams/text_summary"].value
    assert value == "| name | value |\n| --- | --- |\n| width | 8 |\n| lr | 0.05 |"


# ---- directories and versions


PLACES: list[dict[str, Any]] = [
    {},
    {"name": "project"},
    {"name": ""},
    {"name": None},
    {"version": 7},
    {"version": "tuned"},
    {"sub_dir": "rank"},
    {"name": "project", "version": 3, "sub_dir": Path("a") / "b"},
]


@pytest.mark.parametrize("options", PLACES, ids=str)
def test_properties_of_the_peer(options: dict[str, Any], tmp_path: Path) -> None:
    """name, version, save_dir, root_dir, sub_dir and log_dir are the peer's for the same arguments."""
    theirs, ours = pl.loggers.TensorBoardLogger(tmp_path, **options), TallyboardLogger(tmp_path / "x", **options)
    for name in ("name", "save_dir", "root_dir", "sub_dir", "version", "log_dir", "group_separator"):
        assert getattr(ours, name) == _moved(getattr(theirs, name), tmp_path), name


def _moved(value: object, folder: Path) -> object:
    return value.replace(str(folder), str(folder / "x")) if isinstance(value, str) else value


def test_home_and_variables(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """`~` and variables in the directory are expanded, for the next version too."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PROJECT", "digits")
    (tmp_path / "runs" / "digits" / "version_4").mkdir(parents=True)
    logger = TallyboardLogger("~/runs", name="$PROJECT")
    assert logger.log_dir == str(tmp_path / "runs" / "digits" / "version_5")


def test_next_version(tmp_path: Path) -> None:
    """The version is one more than the greatest there is, as the peer counts; other names do not count."""
    root = tmp_path / "lightning_logs"
    for name in ("version_0", "version_11", "version_3_old", "version_x", "other", "version_99x"):
        (root / name).mkdir(parents=True)
    (root / "version_40").touch()
    assert pl.loggers.TensorBoardLogger(tmp_path).version == 12
    assert TallyboardLogger(tmp_path).version == 12


def test_version_is_taken_when_asked_for(tmp_path: Path) -> None:
    """Making a logger touches no disk; asking for its version takes it, so that the next logger gets another."""
    loggers = [TallyboardLogger(tmp_path / "runs") for _ in range(3)]
    assert list(tmp_path.iterdir()) == []
    assert [logger.version for logger in loggers] == [0, 1, 2]
    assert [logger.version for logger in loggers] == [0, 1, 2]


def _take_versions(folder: str, start: Any, results: Any) -> None:
    start.wait(240)
    results.put([TallyboardLogger(folder).version for _ in range(20)])


def test_versions_of_concurrent_starts(tmp_path: Path) -> None:
    """Programs that start at the same moment never share a version."""
    context = multiprocessing.get_context("fork")
    start, results = context.Event(), context.Queue()
    workers = [context.Process(target=_take_versions, args=(str(tmp_path), start, results)) for _ in range(4)]
    for worker in workers:
        worker.start()
    start.set()
    taken = [version for _ in workers for version in results.get(timeout=240)]
    for worker in workers:
        worker.join(240)
    assert sorted(taken) == list(range(80))


def test_unwritable_directory() -> None:
    """Where no directory can be made, warnings say so and the calls of a training go through."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        logger = TallyboardLogger("/proc/no/runs")
        logger.log_metrics({"loss": 1.0}, step=1)
        logger.save()
        logger.finalize("success")
    ours = [str(warning.message) for warning in caught if issubclass(warning.category, tb.TallyboardWarning)]
    assert "/proc/no/runs/lightning_logs/version_0: the event file cannot be made" in ours[0]
    assert "1 events lost" in ours[-1]


def test_file_in_place_of_the_directory(tmp_path: Path) -> None:
    """A save_dir that is a file is an error at the call."""
    (tmp_path / "file").touch()
    with pytest.raises(tb.InvalidLogdir, match="is a file"):
        TallyboardLogger(tmp_path / "file")


# ---- metrics


@pytest.fixture
def logger(tmp_path: Path) -> Iterator[Any]:
    """A logger in a new directory."""
    logger = TallyboardLogger(tmp_path)
    yield logger
    logger.finalize("success")


METRICS: list[dict[str, Any]] = [
    {"loss": 0.5, "step/count": 3, "flag": True},
    {"tensor": torch.tensor(0.25), "one": torch.tensor([1.5]), "half": torch.tensor(1 / 3, dtype=torch.float16)},
    {"nan": float("nan"), "inf": -math.inf},
]


@pytest.mark.parametrize("metrics", METRICS, ids=["numbers", "tensors", "not finite"])
@pytest.mark.parametrize("step", [5, None])
@pytest.mark.parametrize("prefix", ["", "px"])
def test_log_metrics_as_the_peer(metrics: dict[str, Any], step: int | None, prefix: str, tmp_path: Path) -> None:
    """Numbers and tensors are logged under the peer's tags, prefix included, at its steps."""
    read = []
    for cls in (TallyboardLogger, pl.loggers.TensorBoardLogger):
        logger = cls(tmp_path / cls.__module__, prefix=prefix)
        logger.log_metrics(metrics, step=step)
        logger.finalize("success")
        read.append(repr(by_tensorboard(logger.log_dir)))
    assert read[0] == read[1]
    assert read[0].count("(") == len(metrics)


@pytest.mark.parametrize("value", ["high", torch.ones(2), None, [1.0]], ids=repr)
def test_metric_that_is_no_number(logger: Any, value: object) -> None:
    """A metric that is no number is the peer's kind of error (a ValueError), and names its tag."""
    with pytest.raises(ValueError, match="accuracy"):
        logger.log_metrics({"accuracy": value}, step=1)


def test_experiment_is_the_writer(logger: Any) -> None:
    """logger.experiment is the SummaryWriter of the run."""
    assert isinstance(logger.experiment, tb.SummaryWriter)
    assert logger.experiment is logger.experiment
    logger.experiment.add_text("note", "hello", 3)
    logger.finalize("success")
    assert tb.read(logger.log_dir).texts()[".", "note/text_summary"].value == ["hello"]


def test_logging_after_finalize(logger: Any) -> None:
    """A logger that was finalised (fit, then test) goes on in the same run."""
    logger.log_metrics({"fit": 1.0}, step=1)
    logger.finalize("success")
    logger.log_metrics({"test": 2.0}, step=2)
    logger.finalize("success")
    assert by_us(logger.log_dir) == {"fit": [(1, 1.0)], "test": [(2, 2.0)]}


class Diverges(pl.Callback):
    """Ends training by an exception."""

    def on_train_epoch_end(self, trainer: Any, module: Any) -> None:
        raise ArithmeticError("diverged")


def test_status_at_the_end(tmp_path: Path) -> None:
    """A fit that came to its end is finished on the page, also after a test that followed; one that raised failed."""
    good, bad = (TallyboardLogger(tmp_path, name=name) for name in ("good", "bad"))
    fit(good, max_epochs=1)
    with pytest.raises(ArithmeticError):
        fit(bad, max_epochs=1, callbacks=[Diverges()])
    facts: list[dict[str, str]] = []
    for _ in range(2):
        reader = LogdirReader(tmp_path)
        reader.poll()
        gathered = Facts(reader.store, reader.fetch).gather().runs
        facts.append({name: fact.status for name, fact in gathered.items() if name.endswith("version_0")})
        good.log_metrics({"test": 2.0}, step=9)
        good.finalize("success")

    assert facts == [{"good/version_0": "finished", "bad/version_0": "failed"}] * 2


# ---- the graph, and other places


class Calling(Classifier):
    """Its step calls the module itself, by keyword."""

    def forward(self, x: Tensor, scale: float = 1.0) -> Tensor:
        return self.net(x) * scale

    def training_step(self, batch: Tensor, index: int) -> Tensor:
        return self(batch, scale=2.0).sum()

    def validation_step(self, batch: Tensor, index: int) -> None:
        self(batch)


def graph_of(model: Any, folder: Path, **options: Any) -> tuple[list[str], dict[str, Tensor]]:
    """The nodes of the graph that training two steps has written, and the weights after."""
    pl.seed_everything(7, verbose=False)
    logger = TallyboardLogger(folder, **options)
    quiet = dict.fromkeys(("enable_progress_bar", "enable_model_summary", "enable_checkpointing"), False)
    trainer = pl.Trainer(max_epochs=1, log_every_n_steps=1, accelerator="cpu", logger=logger, **quiet)
    loader = DataLoader(torch.randn(12, 4, generator=torch.Generator().manual_seed(1)), batch_size=6)
    trainer.fit(model, loader, loader)
    assert not any(module._forward_pre_hooks for module in model.modules())
    return [node.name for node in tb.read(logger.log_dir)["."].graphs().get("", Graph(())).nodes], model.state_dict()


@pytest.mark.parametrize("kind", [Calling, Classifier])
def test_graph_of_the_first_batch(kind: Any, tmp_path: Path) -> None:
    """The graph is of the module or of the part that the step calls, nothing is left, and no weight differs."""
    models = [kind() for _ in range(2)]
    models[1].load_state_dict(models[0].state_dict())
    names, weights = graph_of(models[0], tmp_path / "with", log_graph=True)
    wanted = ["net/0/linear", "net/3/linear"] if kind is Calling else ["0/linear", "3/linear"]
    assert [name for name in names if name.endswith("/linear")] == wanted
    without = graph_of(models[1], tmp_path / "without")[1]
    assert all(torch.equal(weights[name], without[name]) for name in weights)


def test_graph_of_a_model_that_is_never_called(logger: Any) -> None:
    """A model that no step calls has its modules drawn at the end, and one that fails warns and does not raise."""
    logger._log_graph = True
    logger.log_graph(Classifier())
    assert copy.deepcopy(logger._awaited)(nn.Linear(1, 1), (), {}) is None
    with pytest.warns(tb.TallyboardWarning, match="no inputs|modules"):
        logger.finalize("success")
    assert "net" in {node.name.partition("/")[0] for node in tb.read(logger.log_dir)["."].graphs()[""].nodes}


def test_remote_directory() -> None:
    """A URL instead of a directory has the same files, in a version named by the time; a wrong one is an error."""
    logger = TallyboardLogger("memory://bucket/runs")
    logger.log_hyperparams({"lr": 0.5})
    logger.log_metrics({"loss": 0.25, "both": {"a": 1.0}}, 1)
    logger.finalize("success")
    read = tb.read("memory://bucket/runs/lightning_logs")

    assert re.fullmatch(r"memory://bucket/runs/lightning_logs/version_\d{8}_\d{6}", logger.log_dir)
    assert read.runs == [str(logger.version), f"{logger.version}/both_a"]
    assert read.scalars()[str(logger.version), "loss"].value.tolist() == [0.25]
    import fsspec

    assert fsspec.filesystem("memory").cat_file(f"{logger.log_dir}/hparams.yaml") == b"lr: 0.5\n"
    with pytest.raises(tb.InvalidLogdir, match="can be read, not written"):
        TallyboardLogger("https://host/runs")


def test_arguments_of_the_writer(tmp_path: Path) -> None:
    """SummaryWriter's arguments pass through, others are an error at the call."""
    logger = TallyboardLogger(tmp_path, filename_suffix=".mine", flush_secs=1)
    logger.log_metrics({"loss": 1.0}, step=1)
    logger.finalize("success")
    assert len(list(Path(logger.log_dir).glob("events.*.mine"))) == 1
    with pytest.raises(TypeError, match="no argument colour"):
        TallyboardLogger(tmp_path, colour="green")


# ---- other ranks, copies, classes


def test_other_ranks_write_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On rank 1 every call goes through, the experiment takes every method, and the disk stays empty."""
    monkeypatch.setattr(rank_zero_only, "rank", 1)
    logger = TallyboardLogger(tmp_path)
    assert logger.version == 0
    logger.log_metrics({"loss": 1.0, "both": {"a": 1.0}}, step=1)
    logger.log_hyperparams({"lr": 0.1})
    logger.log_graph(nn.Linear(1, 1))
    logger.experiment.add_scalar("x", 1.0, 1)
    experiment: Any = logger.experiment
    experiment[0].add_anything("x", 1.0, step=1)
    logger.save()
    logger.finalize("success")
    assert list(tmp_path.iterdir()) == []


def test_pickle_and_copy(tmp_path: Path) -> None:
    """A logger in use can be pickled and copied; the copy writes to the same run, in a file of its own."""
    logger = TallyboardLogger(tmp_path, name="project", prefix="p")
    logger.log_metrics({"loss": 1.0}, step=1)
    for copied in (pickle.loads(pickle.dumps(logger)), copy.deepcopy(logger)):
        assert type(copied) is type(logger)
        assert copied.log_dir == logger.log_dir
        copied.log_metrics({"loss": 2.0}, step=2)
        copied.finalize("success")
    logger.finalize("success")
    assert len(list(Path(logger.log_dir).glob("events.*"))) == 3
    pickled_unused = pickle.loads(pickle.dumps(TallyboardLogger(tmp_path, name="other")))
    assert pickled_unused.version == 0


def test_class_of_the_imported_package() -> None:
    """The logger is one for Lightning's own checks, under both of its names, and can be subclassed."""
    assert TensorBoardLogger is TallyboardLogger
    assert issubclass(TallyboardLogger, pl.loggers.Logger)

    class Mine(TallyboardLogger):
        """A user's own."""

    for cls in (TallyboardLogger, Mine):
        assert isinstance(cls("runs"), pl.loggers.TensorBoardLogger)
    with pytest.raises(AttributeError, match="no attribute 'NoSuchThing'"):
        _ = adapter.NoSuchThing


def test_other_package_gets_its_own_class(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a program that has imported lightning.pytorch the logger is built on that package's Logger.

    Stands in for it: a copy of pytorch_lightning's logger modules under that name, since one environment has one.
    """
    import types

    stand_in = types.ModuleType("lightning.pytorch.loggers.logger")

    class Logger(pl.loggers.logger.DummyLogger.__mro__[2]):  # Fabric's Logger, the base of both
        pass

    stand_in.Logger = Logger  # type: ignore[attr-defined]
    for name in ("lightning", "lightning.pytorch", "lightning.pytorch.loggers"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    monkeypatch.setitem(sys.modules, stand_in.__name__, stand_in)
    try:
        cls = adapter.TallyboardLogger
        assert issubclass(cls, Logger)
        assert cls is adapter.TallyboardLogger is adapter.LightningLogger
        assert pickle.loads(pickle.dumps(cls)) is cls
        assert adapter.PytorchLightningLogger is TallyboardLogger
    finally:
        classes._made.pop("LightningLogger", None)


def test_fast_dev_run_writes_nothing(tmp_path: Path) -> None:
    """fast_dev_run, for which Lightning takes the logger away, leaves no version behind."""
    fit(TallyboardLogger(tmp_path), fast_dev_run=True, enable_checkpointing=False)
    assert list(tmp_path.iterdir()) == []


# ---- a program of its own


PROGRAM = """
import pickle, runpy, sys
print(pickle.load(open("logger.pkl", "rb")).log_dir)
runpy.run_path(sys.argv[1])
print(sorted({"tensorflow", "tensorboard", "tensorboardX"} & set(sys.modules)))
"""


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """A program that loads a pickled logger and runs examples/lightning_minimal.py: its directory, what it printed."""
    folder = tmp_path_factory.mktemp("program")
    (folder / "logger.pkl").write_bytes(pickle.dumps(TallyboardLogger(folder / "pickled", version=5)))
    example = Path(__file__).parents[2] / "examples" / "lightning_minimal.py"
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    command = [sys.executable, "-W", "ignore", "-c", PROGRAM, str(example)]
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=400)
    assert done.returncode == 0, done.stderr
    return folder, done.stdout.splitlines()


def test_pickle_is_read_by_a_new_program(program: tuple[Path, list[str]]) -> None:
    """A pickled logger loads in a program that has imported nothing yet, as a spawned worker does."""
    folder, printed = program
    assert printed[0] == str(folder / "pickled" / "lightning_logs" / "version_5")


def test_minimal_example(program: tuple[Path, list[str]]) -> None:
    """The example logs every fifth of its 200 steps, and learns."""
    folder, _ = program
    loss = tb.read(folder / "runs").scalars()["lightning/version_0", "train/loss"]
    assert loss.step.tolist() == list(range(4, 200, 5))
    assert loss.value[-1] < 0.1 * loss.value[0]


def test_tensorflow_and_tensorboard_stay_out(program: tuple[Path, list[str]]) -> None:
    """A training with our logger imports neither TensorFlow nor TensorBoard."""
    assert program[1][-1] == "[]"
