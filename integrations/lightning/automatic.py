"""`tb.auto_log(module)`: a logger and a monitor that join whatever trainer the module meets."""

from __future__ import annotations

import multiprocessing.context
import types
import weakref
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from lightning_utilities.core.rank_zero import rank_zero_only

from tallyboard.core.hparams import hparams_of
from tallyboard.core.summary import as_number
from tallyboard.core.writer import SummaryWriter

from ..torch.late import Late, Number, read
from ..torch.once import environment_table, hyperparameters, parameter_rows
from .classes import class_for
from .logger import GOOD_ENDS, Recorder
from .monitor import Monitoring, guarded

__all__ = ["Attached", "AutoMonitoring", "AutoRecorder"]


class AutoRecorder(Recorder):
    """Logs into a writer that is there already, and leaves it open."""

    def __init__(self, writer: SummaryWriter, graph: bool) -> None:
        super().__init__(".", "", "", log_graph=graph, default_hp_metric=False)
        self._experiment = writer
        self._hparams_written = True  # hparams.yaml is for directories that Lightning lays out
        self.beside = ""  # the directory that the trainer would have without this logger

    @property
    def save_dir(self) -> str:
        """Where the trainer keeps what it writes."""
        return self.beside

    @property
    def root_dir(self) -> str:
        """The run's directory."""
        return self.log_dir

    @property
    def log_dir(self) -> str:
        """The run's directory."""
        return "" if self._experiment is None else self._experiment.log_dir

    @rank_zero_only
    def finalize(self, status: str) -> None:
        """Writes what is left. The hparams dashboard is told of a failure; the writer stays open."""
        writer = self.experiment
        good = status in GOOD_ENDS
        self._write_rest(good)
        for other in self._entry_writers.values():
            other.close(failed=not good)
        if not good:
            writer._session.end(writer.write, True)  # pyright: ignore[reportPrivateUsage]
        writer.flush()


class AutoMonitoring(Monitoring):
    """The monitor of `auto_log`: brings the logger with it, and takes it away when the trainer is done."""

    def __init__(self, recorder: AutoRecorder, hparams: bool | Mapping[str, object], **options: Any) -> None:
        super().__init__(**options)
        self._wanted = replace(self._wanted, loss=True)
        self._recorder, self._hparams = recorder, hparams
        self._told = False
        self._early: dict[str, Number] = {}  # given between trainings

    def _writer(self, trainer: Any) -> SummaryWriter | None:
        there = self._recorder in trainer.loggers and rank_zero_only.rank == 0
        return self._recorder.experiment if there else None

    def _join(self, trainer: Any) -> None:
        """Joins the trainer's loggers; not those of a trial run or of a tuner, which has put them away."""
        dummy = any(type(logger).__name__ == "DummyLogger" for logger in trainer.loggers)
        if trainer.fast_dev_run or dummy or self._recorder in trainer.loggers:
            return
        self._recorder.beside = str(trainer.default_root_dir)
        trainer.loggers = [*trainer.loggers, self._recorder]

    def _part(self, trainer: Any, status: str) -> None:
        if self._recorder in trainer.loggers:
            trainer.loggers = [logger for logger in trainer.loggers if logger is not self._recorder]
            self._recorder.finalize(status)
        trainer.callbacks = [callback for callback in trainer.callbacks if callback is not self]

    @guarded
    def on_fit_start(self, trainer: Any, pl_module: Any) -> None:  # noqa: ARG002
        """The trainer is about to tell its loggers of hyperparameters and of the model."""
        self._join(trainer)

    @guarded
    def on_validation_start(self, trainer: Any, pl_module: Any) -> None:  # noqa: ARG002
        """A validation without training begins."""
        self._join(trainer)

    @guarded
    def on_test_start(self, trainer: Any, pl_module: Any) -> None:  # noqa: ARG002
        """A test begins."""
        self._join(trainer)

    @guarded
    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Begins to measure, and tells once of parameters, optimizers and the machine."""
        super().on_train_start(trainer, pl_module)
        measuring = self._measuring
        if measuring is None:
            return
        measuring.logged = self._recorder.logs
        early, self._early = self._early, {}
        measuring.log(early)
        if self._told:
            return
        self._told = True
        rows = parameter_rows(pl_module)
        if rows["parameter"]:
            measuring.writer.add_table("auto_log/parameters", rows, measuring.step)
        measuring.writer.add_table("auto_log/environment", environment_table(), measuring.step)
        if self._hparams is not False:
            found: dict[str, object] = {"model": type(pl_module).__name__}
            for place, optimizer in enumerate(trainer.optimizers):
                told = hyperparameters(optimizer)
                found |= {f"optimizer{place}/{name}": value for name, value in told.items()} if place else told
            given = {} if self._hparams is True else self._hparams
            if pl_module.automatic_optimization:  # which tells the loss
                self._recorder.promise("train/loss")
            self._recorder.log_hyperparams({**found, **self._recorder.hparams, **given})

    @guarded
    def teardown(self, trainer: Any, pl_module: Any, stage: str) -> None:  # noqa: ARG002
        """The trainer is done."""
        self._end()
        self._part(trainer, "success")

    @guarded
    def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:  # noqa: ARG002
        """The trainer has failed."""
        self._end()
        self._part(trainer, "failed")

    def log(self, values: Mapping[str, Number]) -> None:
        """Takes numbers of the user's for the step under way; outside of a training, for the first of the next."""
        if self._measuring is not None:
            self._measuring.log(dict(values))
        else:
            self._early |= values

    def write_early(self) -> None:
        """Writes numbers for which no training came."""
        early, self._early = self._early, {}
        for tag, value in early.items():
            self._recorder.experiment.add_scalar(tag, read(value), 0)


class Attached:
    """Stands in a module's `configure_callbacks`, which every trainer asks, and adds ours to what that gives.

    Calling the result of `attach` detaches: the module has its own method again.
    """

    def __init__(self, module: Any, writer: SummaryWriter, graph: bool, hparams: Any, options: dict[str, Any]) -> None:
        self._module = weakref.ref(module)
        self._before: Any = vars(module).get("configure_callbacks")
        self._settings = (graph, hparams, options)
        self._recorder: Any = class_for(module, "AutoLogger")(writer, graph)
        self._monitor: Any = class_for(module, "AutoMonitor")(self._recorder, hparams, **options)
        vars(module)["configure_callbacks"] = self

    def __call__(self) -> list[Any]:
        module = self._module()
        own = self._before if self._before is not None else types.MethodType(type(module).configure_callbacks, module)
        callbacks = own()
        return [
            *(callbacks if isinstance(callbacks, list | tuple) else [callbacks] if callbacks else []),
            self._monitor,
        ]

    def detach(self) -> None:
        """Leaves the module as it was, and a trainer that is under way."""
        module = self._module()
        if module is not None and vars(module).get("configure_callbacks") is self:
            del vars(module)["configure_callbacks"]
            if self._before is not None:
                vars(module)["configure_callbacks"] = self._before
        self._monitor._end()
        trainer = None if module is None else getattr(module, "_trainer", None)
        if trainer is not None:
            self._monitor._part(trainer, "success")
        if rank_zero_only.rank == 0:
            self._monitor.write_early()
            self._recorder._write_rest(True)

    def log(self, values: Mapping[str, object]) -> None:
        """Takes numbers of the user's."""
        self._monitor.log({_tag(name): _number(name, value) for name, value in values.items()})

    def __reduce__(self) -> tuple[Any, ...]:
        """A copy of the module is not watched, but for that which is sent to a process of the training."""
        module = self._module()
        if multiprocessing.context.get_spawning_popen() is None:
            return types.MethodType, (type(module).configure_callbacks, module)
        return _attached_again, (module, self._recorder.log_dir, *self._settings)


def _attached_again(module: Any, directory: str, *settings: Any) -> Any:
    return _Later(module, directory, settings)


class _Later:
    """What a process of the training gets in place of an `Attached`: it makes its writer when it has a rank."""

    def __init__(self, module: Any, directory: str, settings: Any) -> None:
        self._module, self._directory, self._settings = module, directory, settings

    def __call__(self) -> list[Any]:
        module = self._module
        vars(module).pop("configure_callbacks", None)
        if rank_zero_only.rank > 0:
            return module.configure_callbacks()
        return Attached(module, SummaryWriter(self._directory), *self._settings)()


def _tag(name: str) -> str:
    return name if "/" in name else f"train/{name}"


def _number(name: str, value: Any) -> Number:
    if type(value).__module__.partition(".")[0] == "torch" and getattr(value, "numel", lambda: 0)() == 1:
        return Late(value)
    return as_number(_tag(name), value, "handle.log")


def attached(
    module: Any, writer: SummaryWriter, graph: bool, hparams: Any, options: dict[str, Any]
) -> Callable[[], None]:
    """Attaches; gives what detaches."""
    watching = Attached(module, writer, graph, hparams if isinstance(hparams, bool) else hparams_of(hparams), options)

    def detach() -> None:
        watching.detach()

    detach.log = watching.log  # type: ignore[attr-defined]
    return detach
