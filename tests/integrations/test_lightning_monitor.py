"""`TallyboardMonitor`, `TallyboardProfiler` and `auto_log` of a LightningModule, in real trainings."""

from __future__ import annotations

import copy
import gzip
import json
import math
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.data import DataLoader, TensorDataset

pl = pytest.importorskip("pytorch_lightning")

import tallyboard as tb  # noqa: E402
from tallyboard.core.profiles.reading import find_profiles  # noqa: E402
from tallyboard.integrations.lightning import (  # noqa: E402
    TallyboardLogger,
    TallyboardMonitor,
    TallyboardProfiler,
)

QUIET = {"accelerator": "cpu", "enable_progress_bar": False, "enable_model_summary": False}
Points = dict[str, dict[int, float]]


def loader() -> DataLoader[Any]:
    made = torch.Generator().manual_seed(1)
    images = torch.randn(48, 1, 6, 6, generator=made)
    return DataLoader(TensorDataset(images, torch.arange(48) % 3), batch_size=4)


@dataclass
class Truth:
    """What a module saw itself, by Lightning's step."""

    before: dict[int, float] = field(default_factory=dict)
    after: dict[int, float] = field(default_factory=dict)
    moved: dict[int, float] = field(default_factory=dict)


class Model(pl.LightningModule):
    """Clips its gradients, and measures in its own hooks what the monitor is to find."""

    def __init__(self) -> None:
        super().__init__()
        self.save_hyperparameters({"width": 8})
        self.net = nn.Sequential(nn.Flatten(), nn.Linear(36, 8), nn.ReLU(), nn.Linear(8, 3))
        self.truth = Truth()

    def training_step(self, batch: list[Tensor], index: int) -> Any:
        loss = nn.functional.cross_entropy(self.net(batch[0]), batch[1])
        self.log("loss", loss)
        return loss

    def validation_step(self, batch: list[Tensor], index: int) -> None:
        self.log("val_loss", nn.functional.cross_entropy(self.net(batch[0]), batch[1]))

    def _step(self) -> int:
        return self.trainer.fit_loop.epoch_loop._batches_that_stepped

    def _norm(self) -> float:
        return math.sqrt(sum(float(p.grad.double().square().sum()) for p in self.parameters() if p.grad is not None))

    def on_before_optimizer_step(self, optimizer: Any) -> None:
        self.truth.before[self._step()] = self._norm()
        self._weights = [p.detach().double().clone() for p in self.parameters()]

    def optimizer_step(self, *args: Any, **named: Any) -> None:
        super().optimizer_step(*args, **named)
        self.truth.after[self._step()] = self._norm()
        moves = [
            (p.detach().double() - w).square().sum() for p, w in zip(self.parameters(), self._weights, strict=True)
        ]
        size = sum(float(w.square().sum()) for w in self._weights)
        self.truth.moved[self._step()] = math.sqrt(float(sum(moves)) / size)

    def configure_optimizers(self) -> Any:
        optimizer = torch.optim.SGD(self.parameters(), lr=0.1, momentum=0.9)
        return [optimizer], [{"scheduler": torch.optim.lr_scheduler.StepLR(optimizer, 2), "interval": "step"}]


def points(directory: str | Path) -> Points:
    return {
        tag: dict(zip(series.step.tolist(), series.value.tolist(), strict=True))
        for (run, tag), series in tb.read(directory).scalars().items()
        if run == "."
    }


@dataclass
class Fitted:
    model: Any
    trainer: Any
    logger: Any

    @property
    def points(self) -> Points:
        return points(self.logger.log_dir)


def fit(folder: Path, model: Any, *callbacks: Any, logger: Any = None, **options: Any) -> Fitted:
    logger = TallyboardLogger(folder) if logger is None else logger
    settings = {"max_epochs": 2, "log_every_n_steps": 2, "enable_checkpointing": False, **QUIET, **options}
    pl.seed_everything(5, verbose=False)
    model = model()
    trainer = pl.Trainer(logger=logger, callbacks=list(callbacks), **settings)
    trainer.fit(model, loader(), loader())
    return Fitted(model, trainer, logger)


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Fitted:
    """Two epochs of six steps, of two batches each, with everything measured."""
    monitor = TallyboardMonitor(every=4, histograms=6, images=True, profile=2, system=60.0)
    clipped = {"gradient_clip_val": 0.25, "accumulate_grad_batches": 2}
    rates = pl.callbacks.LearningRateMonitor(log_momentum=True)
    return fit(tmp_path_factory.mktemp("watched"), Model, monitor, rates, **clipped)


def test_gradients_before_and_after_clipping(watched: Fitted) -> None:
    """At the first step and every fourth the norms are those that the module measured itself, at its own steps."""
    found, truth = watched.points, watched.model.truth
    assert list(found["gradients/norm"]) == [0, 3, 7, 11]
    for tag, wanted in (("gradients/norm", truth.before), ("gradients/norm_clipped", truth.after)):
        assert found[tag] == pytest.approx({step: wanted[step] for step in (0, 3, 7, 11)}, rel=1e-5)
    assert max(found["gradients/norm_clipped"].values()) <= 0.25001 < max(found["gradients/norm"].values())


def test_mixed_precision(tmp_path: Path) -> None:
    """In bfloat16 the norms are those that the module measured itself, before clipping and after."""
    options = {"max_epochs": 1, "precision": "bf16-mixed", "gradient_clip_val": 0.25}
    done = fit(tmp_path, Model, TallyboardMonitor(every=1, system=None), **options)
    found, truth = done.points, done.model.truth
    assert found["gradients/norm"] == pytest.approx(truth.before, rel=1e-5)
    assert found["gradients/norm_clipped"] == pytest.approx(truth.after, rel=1e-5)
    assert found["weights/update_ratio"] == pytest.approx(truth.moved, rel=1e-3)
    assert max(truth.after.values()) <= 0.25001 < max(truth.before.values())


def test_learning_rate_finder(tmp_path: Path) -> None:
    """The steps that the finder tries leave no point in the run, and the fit that follows is logged from the first."""
    monitor, model, logger = TallyboardMonitor(every=1, system=None), Model(), TallyboardLogger(tmp_path)
    trainer = pl.Trainer(
        max_epochs=1, log_every_n_steps=1, logger=logger, callbacks=[monitor], default_root_dir=tmp_path, **QUIET
    )
    pl.tuner.Tuner(trainer).lr_find(model, loader(), loader(), num_training=5, update_attr=False)
    assert trainer.loggers == [logger]
    assert not tb.read(tmp_path).scalars()
    model.truth = Truth()
    trainer.fit(model, loader(), loader())
    found = points(logger.log_dir)
    assert list(found["loss"]) == list(found["gradients/norm"]) == list(model.truth.before)
    assert found["gradients/norm"] == pytest.approx(model.truth.before, rel=1e-5)


def test_how_far_steps_move(watched: Fitted) -> None:
    """The update ratio is that of the clipped step, in all and by module."""
    found = watched.points
    wanted = {step: watched.model.truth.moved[step] for step in (0, 3, 7, 11)}
    assert found["weights/update_ratio"] == pytest.approx(wanted, rel=1e-4)
    assert set(found["weights/update_ratio/net.1"]) == set(found["gradients/norm/net.3"]) == {0, 3, 7, 11}
    assert set(found["activations/dead/net.2"]) == {0, 3, 7, 11}


def test_rates(watched: Fitted) -> None:
    """Learning rate and momentum are what each step was made with, at the steps that Lightning logs."""
    found = watched.points
    assert found["train/lr"] == pytest.approx({1: 0.1, 3: 0.01, 5: 0.001, 7: 1e-4, 9: 1e-5, 11: 1e-6}, rel=1e-5)
    assert set(found["loss"]) == set(found["train/lr"])
    assert list(found["train/momentum"].values()) == pytest.approx([0.9] * 6)
    assert "train/weight_decay" not in found
    assert found["trainer/global_step"] == {1: 2, 3: 4, 5: 6, 7: 8, 9: 10, 11: 12}


def test_times(watched: Fitted) -> None:
    """Times are told at each logged step; samples a second times the time of a step are the samples of a step."""
    found = watched.points
    for step in (1, 3, 5, 7, 9, 11):
        milliseconds = found["time/step_ms"][step]
        assert found["time/samples_per_second"][step] * milliseconds / 1000 == pytest.approx(8, rel=1e-3)
        assert 0 < found["time/data_wait_ms"][step] < milliseconds
        share = found["time/data_wait_ms"][step] / milliseconds
        assert found["time/data_wait_share"][step] == pytest.approx(share, rel=1e-4)


def test_sanity_check_is_kept_apart(watched: Fitted) -> None:
    """The sanity check leaves its duration, and no picture or value of its own."""
    found = watched.points
    assert list(found["time/sanity_check_s"]) == [0]
    run = tb.read(watched.logger.log_dir)["."]
    assert run.images("val/images").step.tolist() == [5, 11]
    assert run.images("train/images").step.tolist() == [0, 6]


def test_histograms_and_profile(watched: Fitted) -> None:
    """Histograms come at their own steps, and the profile of two steps lies in the run."""
    histograms = tb.read(watched.logger.log_dir)["."].histograms("weights/histogram/net.1.weight")
    assert histograms.step.tolist() == [0, 5, 11]
    (trace,) = find_profiles(watched.logger.log_dir)
    assert len(tb.read_profile(trace).steps) == 2


def test_machine(watched: Fitted) -> None:
    """What the machine does is told at Lightning's steps."""
    assert any(tag.startswith("system/") for tag in watched.points)


def test_nothing_is_left_and_nothing_differs(watched: Fitted, tmp_path: Path) -> None:
    """The trained weights are those of a training without the monitor, to the bit; no hook is left."""
    alone = fit(tmp_path, Model, logger=False, gradient_clip_val=0.25, accumulate_grad_batches=2)
    for name, tensor in alone.model.state_dict().items():
        assert torch.equal(tensor, watched.model.state_dict()[name]), name
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in watched.model.modules())
    assert not any(optimizer._optimizer_step_post_hooks for optimizer in watched.trainer.optimizers)
    assert not {"start", "stop"} & set(vars(watched.trainer.profiler))


class Two(Model):
    """Two optimizers, stepped by hand."""

    def __init__(self) -> None:
        super().__init__()
        self.automatic_optimization = False

    def training_step(self, batch: list[Tensor], index: int) -> None:
        for optimizer in self.optimizers():
            optimizer.zero_grad()
            self.manual_backward(nn.functional.cross_entropy(self.net(batch[0]), batch[1]))
            optimizer.step()

    def on_before_optimizer_step(self, optimizer: Any) -> None:
        self.truth.before[len(self.truth.before)] = self._norm_of(optimizer)

    def optimizer_step(self, *args: Any, **named: Any) -> None:
        pl.LightningModule.optimizer_step(self, *args, **named)

    @staticmethod
    def _norm_of(optimizer: Any) -> float:
        return math.sqrt(sum(float(p.grad.square().sum()) for p in optimizer.param_groups[0]["params"]))

    def configure_optimizers(self) -> Any:
        one, two = self.net[1], self.net[3]
        return torch.optim.SGD(one.parameters(), lr=0.1), torch.optim.Adam(two.parameters(), lr=0.01)


def test_two_optimizers(tmp_path: Path) -> None:
    """Each of two optimizers has its own rates and norms, at the step of the batch; no norm is after clipping."""
    done = fit(tmp_path, Two, TallyboardMonitor(every=12, system=None), max_epochs=1)
    found, truth = done.points, done.model.truth.before
    assert found["gradients/norm"] == pytest.approx({0: truth[0], 11: truth[22]}, rel=1e-5)
    assert found["gradients/norm/optimizer1"] == pytest.approx({0: truth[1], 11: truth[23]}, rel=1e-5)
    assert list(found["train/lr/optimizer1"].values()) == pytest.approx([0.01] * 6)
    assert found["trainer/global_step"][11] == 24
    assert not any("clipped" in tag for tag in found)


def test_pictures_by_a_function(tmp_path: Path) -> None:
    """A function gives the pictures of a batch and of what the step returned, by name."""
    seen: list[Any] = []

    def pictures(batch: Any, outputs: Any) -> dict[str, Any] | None:
        seen.append(outputs)
        return {"darker": np.zeros((2, 1, 4, 4), np.uint8)} if isinstance(outputs, dict) else None

    done = fit(tmp_path, Model, TallyboardMonitor(images=pictures, system=None), max_epochs=1)
    assert tb.read(done.logger.log_dir)["."].tags["images"] == ["train/darker"]
    assert len(seen) == 2


# ---- wrong uses, and trainings that fail


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"every": 0}, tb.InvalidSummary, "at least 1"),
        ({"histograms": 0}, tb.InvalidSummary, "at least 1"),
        ({"images": "first"}, TypeError, "expected a function"),
        ({"profile": (1, 2)}, tb.InvalidSummary, "profile"),
        ({"system": -1}, ValueError, "above 0"),
    ],
)
def test_wrong_arguments(options: dict[str, Any], error: type[Exception], words: str) -> None:
    """A wrong argument is an error at the call."""
    with pytest.raises(error, match=words):
        TallyboardMonitor(**options)


def test_no_logger_of_ours(tmp_path: Path) -> None:
    """A trainer without our logger warns once, and is left alone; fast_dev_run is silent and writes nothing."""
    with pytest.warns(tb.TallyboardWarning, match="no TallyboardLogger"):
        fit(tmp_path, Model, TallyboardMonitor(), logger=False, max_epochs=1)
    fit(tmp_path, Model, TallyboardMonitor(), fast_dev_run=2)
    assert list(tmp_path.iterdir()) == []


class Fails(Model):
    def training_step(self, batch: list[Tensor], index: int) -> Tensor:
        if index == 5:
            raise ArithmeticError("diverged")
        return super().training_step(batch, index)


def failing(batch: Any, outputs: Any) -> Any:
    raise RuntimeError("no pictures today")


def test_exception_in_fit(tmp_path: Path) -> None:
    """A training that raises keeps what was measured, has failed on the page, and leaves no hook; its error comes."""
    logger = TallyboardLogger(tmp_path)
    kept: list[Any] = []

    class Keep(pl.Callback):
        def on_train_start(self, trainer: Any, pl_module: Any) -> None:
            kept.append(pl_module)

    with pytest.raises(ArithmeticError, match="diverged"):
        fit(tmp_path, Fails, TallyboardMonitor(every=1, system=None), Keep(), logger=logger)
    assert list(points(logger.log_dir)["gradients/norm"]) == [0, 1, 2, 3, 4]
    run = tb.read(logger.log_dir)["."]
    assert run.hparams is not None
    assert run.hparams.status == "failure"
    assert not any(module._forward_hooks for module in kept[0].modules())


def test_failing_hook_of_the_users(tmp_path: Path) -> None:
    """A pictures function that raises costs one warning, not the training."""
    with pytest.warns(tb.TallyboardWarning, match="no pictures today") as caught:
        done = fit(tmp_path, Model, TallyboardMonitor(images=failing, system=None))
    assert len([one for one in caught if issubclass(one.category, tb.TallyboardWarning)]) == 1
    assert max(done.points["loss"]) == 23


# ---- no device is waited for


class Reads(TorchDispatchMode):
    """Counts reads of tensors by the host, and copies of tensors that are not there yet to it."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        copies = torch.ops.aten._to_copy.default
        to_host = func is copies and str((kwargs or {}).get("device")) == "cpu" and not kwargs.get("non_blocking")
        if func is torch.ops.aten._local_scalar_dense.default or to_host:
            self.count += 1
        return func(*args, **(kwargs or {}))


def reads_of(folder: Path, logger: Any, *callbacks: Any) -> int:
    with Reads() as reads:
        fit(folder, Plain, *callbacks, max_epochs=1, log_every_n_steps=1, logger=logger)
    return reads.count


class Plain(Model):
    """Reads nothing itself."""

    def on_before_optimizer_step(self, optimizer: Any) -> None:
        pass

    def optimizer_step(self, *args: Any, **named: Any) -> None:
        pl.LightningModule.optimizer_step(self, *args, **named)


def test_no_device_is_waited_for(tmp_path: Path) -> None:
    """With our logger, and with the monitor, the host reads as many tensors as with Lightning's plainest logger: those
    that Lightning itself reads."""
    nothing = reads_of(tmp_path, pl.loggers.CSVLogger(tmp_path, name="csv"))
    assert nothing > 0
    assert reads_of(tmp_path, pl.loggers.TensorBoardLogger(tmp_path, name="theirs")) == nothing
    assert reads_of(tmp_path, TallyboardLogger(tmp_path, name="ours")) == nothing
    watched = reads_of(tmp_path, TallyboardLogger(tmp_path, name="watched"), TallyboardMonitor(every=3, system=None))
    assert watched == nothing


# ---- the profiler


def test_profiler(tmp_path: Path) -> None:
    """The trace of the chosen steps is found in the run, with Lightning's actions; a table tells of all actions."""
    done = fit(tmp_path, Model, profiler=TallyboardProfiler(steps=(2, 1, 3), filename="actions"), max_epochs=1)
    (trace,) = find_profiles(done.logger.log_dir)
    profile = tb.read_profile(trace)
    assert profile.steps.name == ["3", "4", "5"]
    assert "[pl][profile]run_training_batch" in trace_names(trace)
    table = tb.read(done.logger.log_dir).texts()[".", "profiler/fit"].value[-1]
    assert "run_training_batch" in table
    (text,) = Path(done.logger.log_dir).glob("fit-actions.txt")
    assert "      12 " in next(line for line in text.read_text().splitlines() if line.endswith("run_training_batch"))


def trace_names(trace: Path) -> set[str]:
    text = gzip.decompress(trace.read_bytes()) if trace.suffix == ".gz" else trace.read_bytes()
    return {event.get("name", "") for event in json.loads(text)["traceEvents"]}


def test_profile_of_lightnings_own_profiler(tmp_path: Path) -> None:
    """What Lightning's PyTorchProfiler writes beside our logger's files is found and read."""
    profiler = pl.profilers.PyTorchProfiler(filename="own")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*Profiler clears events at the end of each cycle")
        done = fit(tmp_path, Model, profiler=profiler, max_epochs=1, limit_val_batches=0)
    (trace,) = find_profiles(done.logger.log_dir)
    assert len(tb.read_profile(trace).steps) == 3


# ---- by one line


class CSV(pl.loggers.CSVLogger):
    """A logger of the user's."""


def test_auto_log(tmp_path: Path) -> None:
    """One line logs what the module logs and what the monitor measures, beside a logger of the user's, and leaves."""
    pl.seed_everything(5, verbose=False)
    model = Model()
    before = dict(vars(model))
    csv = CSV(tmp_path / "csv")
    trainer = pl.Trainer(logger=csv, max_epochs=1, log_every_n_steps=2, enable_checkpointing=False, **QUIET)
    callbacks = list(trainer.callbacks)
    handle = tb.auto_log(model, tmp_path / "auto", every=4, hparams={"seed": 5}, system=False)
    handle.log(extra=2.0)
    trainer.fit(model, loader(), loader())
    assert trainer.loggers == [csv]
    assert trainer.callbacks == callbacks
    assert Path(csv.log_dir, "metrics.csv").is_file()
    trainer.validate(model, loader(), verbose=False)
    handle.detach()
    assert set(vars(model)) == {*before, "_weights"}
    found = points(tmp_path / "auto")
    assert found["loss"] == pytest.approx(found["train/loss"])
    assert list(found["loss"]) == [1, 3, 5, 7, 9, 11]
    assert list(found["gradients/norm"]) == [0, 3, 7, 11]
    assert list(found["val_loss"]) == [11, 12]
    assert found["train/extra"] == {0: 2.0}
    run = tb.read(tmp_path / "auto")["."]
    assert run.hparams is not None
    told = run.hparams.values
    assert {name: told[name] for name in ("model", "width", "optimizer", "lr", "seed")} == {
        "model": "Model",
        "width": 8,
        "optimizer": "SGD",
        "lr": 0.1,
        "seed": 5,
    }
    assert run.hparams.status == "success"
    assert any(node.name.endswith("/linear") for node in run.graphs()[""].nodes)


def test_auto_log_without_a_logger(tmp_path: Path) -> None:
    """Where the trainer has no logger its checkpoints lie where they would, and detaching within leaves at once."""
    model = Model()
    settings = {"logger": False, "max_epochs": 1, "log_every_n_steps": 4, **QUIET}
    trainer = pl.Trainer(default_root_dir=tmp_path / "root", **settings)
    with tb.auto_log(model, tmp_path / "auto", system=False) as handle:
        copied = copy.deepcopy(model)
        assert copied.configure_callbacks() == []
        assert len(model.configure_callbacks()) == 1
        trainer.fit(model, loader(), loader())
    assert [path.name for path in (tmp_path / "root").iterdir()] == ["checkpoints"]
    assert trainer.loggers == []
    assert len(points(tmp_path / "auto")["gradients/norm"]) == 1
    assert "configure_callbacks" not in vars(model)
    trainer = pl.Trainer(enable_checkpointing=False, **settings)
    trainer.fit(model, loader(), loader())
    assert handle.writer.log_dir == str(tmp_path / "auto")


def test_auto_log_of_a_failing_fit(tmp_path: Path) -> None:
    """A fit that raises leaves the trainer as it was, and a run that failed."""
    model = Fails()
    trainer = pl.Trainer(logger=False, max_epochs=1, enable_checkpointing=False, log_every_n_steps=2, **QUIET)
    handle = tb.auto_log(model, tmp_path, system=False)
    with pytest.raises(ArithmeticError, match="diverged"):
        trainer.fit(model, loader(), loader())
    handle.detach()
    assert trainer.loggers == []
    run = tb.read(tmp_path)["."]
    assert run.hparams is not None
    assert run.hparams.status == "failure"
    assert list(points(tmp_path)["train/loss"]) == [1, 3]


def test_auto_log_leaves_a_trial_run_alone(tmp_path: Path) -> None:
    """fast_dev_run logs nothing."""
    model = Model()
    sink = tb.MemorySink()
    handle = tb.auto_log(model, writer=tb.SummaryWriter(sink=sink), system=False)
    with warnings.catch_warnings():
        warnings.simplefilter("error", tb.TallyboardWarning)
        pl.Trainer(fast_dev_run=2, default_root_dir=tmp_path, **QUIET).fit(model, loader(), loader())
    handle.detach()
    assert sink.events == []
