"""The logger: what `TallyboardLogger` does, whichever Lightning package its class is built on."""

from __future__ import annotations

import inspect
import multiprocessing.context
import os
import sys
import time
from argparse import Namespace
from collections.abc import Mapping
from typing import Any, ClassVar

from lightning_utilities.core.rank_zero import rank_zero_only

from tallyboard.core.errors import InvalidLogdir, warn_once
from tallyboard.core.remote import check_url, is_remote, joined, placed
from tallyboard.core.writer import SummaryWriter

from .checkpoints import Checkpoints
from .first_call import FirstCall
from .hparams import HPARAMS_FILE, as_table, begin_session, merged, plain, write_hparams_file
from .versions import Slot, expanded, latest_version, take_version

__all__ = ["FabricRecorder", "Nothing", "Recorder"]

GOOD_ENDS = ("success", "finished")
HP_METRIC = "hp_metric"
SAFE = 1 << 53  # integers below are floats, too


class Recorder:
    """Writes what Lightning logs, on rank zero only, into `<save_dir>/<name>/version_<n>`.

    Args:
        save_dir: the directory of all projects.
        name: the directory of this project inside it; empty for none.
        version: a number, or a name that is the directory as it is. By default the next free number: the
            directory is made when the number is first asked for, so that programs started at the same moment
            get one each.
        log_graph: writes the graph of the first batch, by one more call of the model in evaluation mode: of the module
            itself or, where its steps call a part of it, of the first part called. Without any call its modules are
            drawn. Where that fails a `TallyboardWarning` says why, and training goes on.
        default_hp_metric: `log_hyperparams` without metrics writes a scalar `hp_metric` of -1.
        prefix: put before every tag, with a `-` between.
        sub_dir: a directory inside that of the version, for what is written here; checkpoints stay outside of it.
        root_dir: another name of `save_dir`, which Fabric's logger has.
        writer_options: further arguments of `SummaryWriter`, such as `filename_suffix`.

    Raises:
        InvalidLogdir: `save_dir` is a file, or a URL that nothing can be written to.
        MissingDependency: a library that the URL needs is not installed.
        TypeError: an argument that `SummaryWriter` does not have, or no directory, or two.
    """

    LOGGER_JOIN_CHAR = "-"
    NAME_HPARAMS_FILE = HPARAMS_FILE

    _package: ClassVar[str]  # the one that the class is made for

    def __init__(
        self,
        save_dir: str | os.PathLike[str] | None = None,
        name: str | None = "lightning_logs",
        version: int | str | None = None,
        log_graph: bool = False,
        default_hp_metric: bool = True,
        prefix: str = "",
        sub_dir: str | os.PathLike[str] | None = None,
        *,
        root_dir: str | os.PathLike[str] | None = None,
        **writer_options: Any,
    ) -> None:
        super().__init__()
        known = set(inspect.signature(SummaryWriter).parameters) - {"log_dir", "logdir"}
        if unknown := sorted(set(writer_options) - known):
            raise TypeError(f"TallyboardLogger has no argument {', '.join(unknown)}; beside its own, SummaryWriter's")
        if (save_dir is None) is (root_dir is None):
            raise TypeError("TallyboardLogger expected save_dir, the directory of all projects, once")
        self._log_graph = log_graph
        self._awaited: FirstCall | None = None
        self._save_dir = placed(save_dir if root_dir is None else root_dir)
        if is_remote(self._save_dir):
            check_url(self._save_dir, writing=True)
        elif os.path.exists(place := expanded(self._save_dir)) and not os.path.isdir(place):
            raise InvalidLogdir(f"save_dir={self._save_dir!r} is a file; give the name of a directory")
        self._name = name or ""
        self._version = version
        self._slot = Slot()
        self._default_hp_metric = default_hp_metric
        self._prefix = f"{prefix}{self.LOGGER_JOIN_CHAR}" if prefix else ""
        self._sub_dir = None if sub_dir is None else os.fspath(sub_dir)
        self._writer_options = writer_options
        self._experiment: SummaryWriter | None = None
        self._entry_writers: dict[str, SummaryWriter] = {}  # of metrics that are dicts, by directory
        self._hparams_written = False
        self._hp_tags: dict[str, None] = {}  # of metrics that came with hyperparameters
        self._begun: tuple[object, ...] | None = None  # what the dashboard was told of hyperparameters
        self._withheld: int | None = None  # the step of hyperparameters that wait for metrics to come with them
        self._latest: dict[str, float] = {}
        self._checkpoints = Checkpoints()
        self.hparams: Any = {}
        count_as_tensorboard_logger(type(self))

    @property
    def name(self) -> str:
        """The name of the project."""
        return self._name

    @property
    def version(self) -> int | str:
        """The version. The first question takes the next free number, if none was given.

        Other ranks than zero, which take none, are told the latest there is.
        """
        if self._version is not None:
            return self._version
        if is_remote(self._save_dir):  # a time needs no asking
            self._version = time.strftime("version_%Y%m%d_%H%M%S")
        elif rank_zero_only.rank > 0:
            return latest_version(self._projects_dir())
        else:
            told = self._slot.told()
            self._version = take_version(self._projects_dir()) if told is None else told
            self._slot.tell(self._version)
        return self._version

    @property
    def save_dir(self) -> str:
        """The directory of all projects."""
        return self._save_dir

    @property
    def root_dir(self) -> str:
        """The directory of all versions of the project."""
        return self._projects_dir()

    def _projects_dir(self) -> str:
        return joined(self._save_dir, self._name)

    @property
    def sub_dir(self) -> str | None:
        """The directory inside that of the version."""
        return self._sub_dir

    @property
    def log_dir(self) -> str:
        """The directory of the event file."""
        version = self.version if isinstance(self.version, str) else f"version_{self.version}"
        below = version if self._sub_dir is None else os.path.join(version, self._sub_dir)
        return expanded(joined(self._projects_dir(), below))

    @property
    def experiment(self) -> SummaryWriter:
        """The writer, for everything beside metrics. On other ranks than zero: an object that takes all calls."""
        if rank_zero_only.rank > 0:
            return Nothing()  # type: ignore[return-value]  # behaves as a writer of which nothing remains
        if self._experiment is None:
            self._experiment = SummaryWriter(self.log_dir, **self._writer_options)
        return self._experiment

    def logs(self, tag: str) -> bool:
        """Whether numbers of this tag came with the metrics."""
        return tag in self._latest

    def promise(self, tag: str) -> None:
        """Has the hparams dashboard look for this metric, if it was not told of the run yet."""
        self._hp_tags[tag] = None

    def _entry_writer(self, directory: str) -> SummaryWriter:
        if directory not in self._entry_writers:
            self._entry_writers[directory] = SummaryWriter(directory, **self._writer_options)
        return self._entry_writers[directory]

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        """Writes one number for each metric; for a dict of numbers, one into a run of its own for each entry.

        Args:
            metrics: tag to number. Entry `b` of a dict at `a` goes to the run `<log_dir>/a_b`, under the tag `a`.
            step: the step of all of them; 0 when absent.

        Raises:
            InvalidSummary: a metric is neither.
        """
        if self._withheld is not None:
            self._begin_session()
        add = self.experiment.add_scalar
        prefix, latest = self._prefix, self._latest
        for name, value in metrics.items():
            tag = prefix + name if prefix else name
            if type(value) is float:
                latest[tag] = value
            elif isinstance(value, dict):
                for entry, number in value.items():
                    directory = joined(self.log_dir, f"{tag.replace('/', '_')}_{entry}")
                    self._entry_writer(directory).add_scalar(tag, number, step)
                continue
            elif type(value) is int and -SAFE < value < SAFE:
                value = latest[tag] = float(value)  # numbers of this type take the writer's short way
            add(tag, value, step)

    @rank_zero_only
    def log_hyperparams(
        self,
        params: Mapping[str, Any] | Namespace | None,
        metrics: Mapping[str, Any] | float | None = None,
        step: int | None = None,
    ) -> None:
        """Keeps the hyperparameters for `hparams.yaml`, and writes them for the hparams dashboard and as a text.

        TensorBoard shows the hyperparameters that come first, with the metrics that come with them. Without metrics
        (`default_hp_metric=False`) they wait until metrics are logged, so that a call in the module's `on_train_start`
        can name some.

        Args:
            params: names and values, as deep as need be: a mapping, argparse's namespace or OmegaConf's container.
                What is no number is its text.
            metrics: metrics to log with them; by default `hp_metric` of -1, if `default_hp_metric` is set and it has no
                value of its own yet.
            step: the step of both.

        Raises:
            InvalidSummary: a metric is no number.
        """
        self.hparams = merged(self.hparams, params)
        if metrics is None and self._default_hp_metric and self._latest.get(f"{self._prefix}{HP_METRIC}", -1.0) == -1.0:
            metrics = -1.0  # not after a real one: a test that follows the fit would take it off the dashboard
        if metrics is None:
            self._withheld = step or 0
        else:
            self._withheld = None
            values = metrics if isinstance(metrics, Mapping) else {HP_METRIC: metrics}
            self.log_metrics(values, step)
            self._hp_tags |= dict.fromkeys(f"{self._prefix}{name}" for name in values)
            self._withheld = (step or 0) if values else None
            self._begin_session()
        if self.hparams:
            self.experiment.add_text("hparams", as_table(plain(self.hparams)), step)

    def _begin_session(self) -> None:
        """Tells the hparams dashboard of what is withheld, unless it knows."""
        step, self._withheld = self._withheld, None
        if step is None:
            return
        params = plain(self.hparams)
        known = (params, tuple(self._hp_tags))
        if known == self._begun:
            return
        self._begun = known
        begin_session(self.experiment, params, self._hp_tags, step)

    @rank_zero_only
    def log_graph(self, model: Any, input_array: Any = None) -> None:
        """Writes the graph of a model, if `log_graph=True` asked for it. Lightning calls this when training begins.

        Args:
            model: the module.
            input_array: what to call it with; by default the first batch that comes.
        """
        if not self._log_graph:
            return
        model = _unwrapped(model)
        if self._awaited is not None:
            self._awaited.forget()
        if input_array is not None or not isinstance(getattr(model, "_forward_pre_hooks", None), dict):
            self._draw(model, input_array)
        else:
            self._awaited = FirstCall(self._draw, model)

    def _draw(self, model: Any, inputs: Any) -> None:
        """Writes a graph; whatever fails warns once."""
        self._awaited = None
        try:
            self.experiment.add_graph(model, inputs)
        except Exception as error:  # it must not reach the training
            warn_once(("lightning graph", self._save_dir), f"TallyboardLogger: no graph was written: {error}")

    @rank_zero_only
    def save(self) -> None:
        """Writes `hparams.yaml`, once and unless it is there. Metrics need no saving: a thread is writing them.

        Lightning calls this after every step that it logs, so that it must not wait for the disk.
        """
        if self._checkpoints.changed:
            self._write_checkpoints()
        if not self._hparams_written:
            self._hparams_written = write_hparams_file(self.log_dir, self.hparams, self._package)

    @rank_zero_only
    def after_save_checkpoint(self, checkpoint_callback: Any) -> None:
        """Lists the checkpoints that there are, with the metrics logged last, as a table, `checkpoints`.

        The files are not read, and not copied.

        Args:
            checkpoint_callback: Lightning's `ModelCheckpoint`.
        """
        try:
            self._checkpoints.saved(checkpoint_callback, self._latest, self._prefix)
        except Exception as error:  # it must not reach the training
            warn_once(
                ("lightning checkpoints", self._save_dir),
                f"TallyboardLogger: a checkpoint was not listed ({type(error).__name__}: {error})",
            )

    def _write_checkpoints(self) -> None:
        table, step = self._checkpoints.table(self.log_dir)
        if table["checkpoint"]:
            self.experiment.add_table("checkpoints", table, step)

    @rank_zero_only
    def finalize(self, status: str) -> None:
        """Writes what is left and closes the files; logging afterwards opens new ones.

        Args:
            status: how the training ended: `success`, or another word for a failure. The hparams dashboard and our
                page show it.
        """
        good = status in GOOD_ENDS
        self._write_rest(good)
        for writer in (self._experiment, *self._entry_writers.values()):
            if writer is not None:
                writer.close(failed=not good)

    def _write_rest(self, good: bool) -> None:
        if self._awaited is not None:
            model, inputs = self._awaited.forget()
            self._awaited = None
            if model is not None and good:  # a copy waits for none
                self._draw(model, inputs)
        self._begin_session()
        self._checkpoints.removed()
        if self._checkpoints.changed:
            self._write_checkpoints()
        if good:
            self.save()

    def __getstate__(self) -> dict[str, Any]:
        if multiprocessing.context.get_spawning_popen() is not None and rank_zero_only.rank == 0:
            _ = self.version  # else each of the processes that are about to start would find one
        return {**self.__dict__, "_experiment": None, "_entry_writers": {}}


class FabricRecorder(Recorder):
    """`Recorder` with the arguments of Fabric's logger, and its `root_dir`, which is the directory of all projects.

    Args:
        root_dir: the directory of all projects.
        name: the directory of this project inside it; empty for none.
        version: a number, or a name that is the directory as it is; by default the next free number.
        default_hp_metric: `log_hyperparams` without metrics writes a scalar `hp_metric` of -1.
        prefix: put before every tag, with a `-` between.
        sub_dir: a directory inside that of the version.
        writer_options: further arguments of `SummaryWriter`.

    Raises:
        InvalidLogdir: `root_dir` is a file, or a URL that nothing can be written to.
        TypeError: an argument that `SummaryWriter` does not have.
    """

    def __init__(
        self,
        root_dir: str | os.PathLike[str],
        name: str | None = "lightning_logs",
        version: int | str | None = None,
        default_hp_metric: bool = True,
        prefix: str = "",
        sub_dir: str | os.PathLike[str] | None = None,
        **writer_options: Any,
    ) -> None:
        super().__init__(root_dir, name, version, True, default_hp_metric, prefix, sub_dir, **writer_options)

    @property
    def root_dir(self) -> str:
        """The directory of all projects."""
        return self._save_dir


class Nothing:
    """Stands for the writer on other ranks than zero: any method does nothing."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # asked for by copy and pickle, which must not be told that there is something
            raise AttributeError(name)
        return self._take

    def _take(self, *_: object, **__: object) -> None:
        pass

    def __getitem__(self, index: object) -> Nothing:
        return self

    def __setitem__(self, index: object, value: object) -> None:
        pass


def count_as_tensorboard_logger(cls: type) -> None:
    """Has `isinstance(logger, TensorBoardLogger)` say yes, on which `Trainer.log_dir` depends."""
    for package in ("pytorch_lightning", "lightning.pytorch"):
        if module := sys.modules.get(f"{package}.loggers.tensorboard"):
            module.TensorBoardLogger.register(cls)


def _unwrapped(model: Any) -> Any:
    """The module itself, of what Fabric's `setup` made of it."""
    for package in ("lightning_fabric", "lightning.fabric"):
        wrappers = sys.modules.get(f"{package}.wrappers")
        if wrappers is not None and isinstance(model, wrappers._FabricModule):
            return model.module
    return model
