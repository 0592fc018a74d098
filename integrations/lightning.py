"""Lightning: a logger for `Trainer(logger=...)` that stands where `TensorBoardLogger` stood.

    from tallyboard.integrations.lightning import TallyboardLogger

    trainer = Trainer(logger=TallyboardLogger("runs", name="first"))

Directories, versions, tags, steps and values are those of `TensorBoardLogger` (Lightning 2.6), of which this is
the scalar part; it is exported under that name too, so that changing the import is the whole migration.

`pytorch_lightning` and `lightning.pytorch` are two packages, each with a `Logger` class of its own.
`TallyboardLogger` is built on that of the one which the program has imported; where that does not decide,
`lightning.pytorch` comes first.
"""

from __future__ import annotations

import contextlib
import dataclasses
import importlib
import inspect
import os
import sys
import tempfile
import time
from argparse import Namespace
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from tallyboard.core.errors import InvalidLogdir, MissingDependency, warn_once
from tallyboard.core.remote import check_url, is_remote, joined, placed
from tallyboard.core.remote_uploads import send
from tallyboard.core.writer import SummaryWriter

try:
    from lightning_utilities.core.rank_zero import rank_zero_only
except ModuleNotFoundError as error:
    raise MissingDependency(
        "tallyboard.integrations.lightning needs Lightning: pip install 'tallyboard[lightning]'"
    ) from error

if TYPE_CHECKING:
    from pytorch_lightning.loggers.logger import Logger

__all__ = ["TallyboardLogger", "TensorBoardLogger"]  # made by __getattr__, at the end of this file

ATTACH_HINT = (
    "give its Trainer a logger instead: Trainer(logger=tallyboard.integrations.lightning.TallyboardLogger('runs'))"
)

HPARAMS_FILE = "hparams.yaml"
_GOOD_ENDS = ("success", "finished")


class _FirstCall:
    """Waits for the first call of a module or of a part of it, and has its graph written. Copies wait for nothing."""

    def __init__(self, logger: _Recorder, model: Any) -> None:
        self._logger: _Recorder | None = logger
        self._model = model
        parts = (model, *(part for part in model.children() if next(part.parameters(), None) is not None))
        self._hooks = [part.register_forward_pre_hook(self, with_kwargs=True) for part in parts]

    def __call__(self, module: Any, arguments: tuple[Any, ...], named: dict[str, Any]) -> None:
        logger = self._logger
        if logger is None:
            return
        self.forget()
        inputs: Any = arguments
        if named:
            with contextlib.suppress(TypeError):  # the call itself will say so
                inputs = dict(inspect.signature(module.forward).bind(*arguments, **named).arguments)
        logger._draw(module, inputs)

    def forget(self) -> tuple[Any, Any]:
        """Ends the waiting; gives the module, and the example that it has of its inputs."""
        for hook in self._hooks:
            hook.remove()
        self._hooks, self._logger = [], None
        return self._model, getattr(self._model, "example_input_array", None)

    def __reduce__(self) -> tuple[Any, ...]:
        return _waits_for_nothing, ()


def _waits_for_nothing() -> _FirstCall:
    made = object.__new__(_FirstCall)
    made._logger, made._model, made._hooks = None, None, []
    return made


class _Recorder:
    """Writes the metrics that Lightning logs, on rank zero only, into `<save_dir>/<name>/version_<n>`.

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
        writer_options: further arguments of `SummaryWriter`, such as `filename_suffix`.

    Raises:
        InvalidLogdir: `save_dir` is a file, or a URL that nothing can be written to.
        MissingDependency: a library that the URL needs is not installed.
        TypeError: an argument that `SummaryWriter` does not have.
    """

    LOGGER_JOIN_CHAR = "-"
    NAME_HPARAMS_FILE = HPARAMS_FILE

    _package: ClassVar[str]  # the one that the class is made for

    def __init__(
        self,
        save_dir: str | os.PathLike[str],
        name: str | None = "lightning_logs",
        version: int | str | None = None,
        log_graph: bool = False,
        default_hp_metric: bool = True,
        prefix: str = "",
        sub_dir: str | os.PathLike[str] | None = None,
        **writer_options: Any,
    ) -> None:
        super().__init__()
        known = set(inspect.signature(SummaryWriter).parameters) - {"log_dir"}
        if unknown := sorted(set(writer_options) - known):
            raise TypeError(f"TallyboardLogger has no argument {', '.join(unknown)}; beside its own, SummaryWriter's")
        self._log_graph = log_graph
        self._awaited: _FirstCall | None = None
        self._save_dir = placed(save_dir)
        if is_remote(self._save_dir):
            check_url(self._save_dir, writing=True)
        elif os.path.exists(place := _expanded(self._save_dir)) and not os.path.isdir(place):
            raise InvalidLogdir(f"save_dir={self._save_dir!r} is a file; give the name of a directory")
        self._name = name or ""
        self._version = version
        self._default_hp_metric = default_hp_metric
        self._prefix = prefix
        self._sub_dir = None if sub_dir is None else os.fspath(sub_dir)
        self._writer_options = writer_options
        self._experiment: SummaryWriter | None = None
        self._entry_writers: dict[str, SummaryWriter] = {}  # of metrics that are dicts, by directory
        self._hparams_written = False
        self.hparams: dict[str, Any] = {}
        _count_as_tensorboard_logger(type(self))

    @property
    def name(self) -> str:
        """The name of the project."""
        return self._name

    @property
    def version(self) -> int | str:
        """The version. The first question takes the next free number, if none was given."""
        if self._version is None:
            self._version = self._next_version()
        return self._version

    @property
    def save_dir(self) -> str:
        """The directory of all projects."""
        return self._save_dir

    @property
    def root_dir(self) -> str:
        """The directory of all versions of the project."""
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
        return _expanded(joined(self.root_dir, below))

    @property
    def experiment(self) -> SummaryWriter:
        """The writer, for everything beside metrics. On other ranks than zero: an object that takes all calls."""
        if rank_zero_only.rank > 0:
            return _Nothing()  # type: ignore[return-value]  # behaves as a writer of which nothing remains
        if self._experiment is None:
            self._experiment = SummaryWriter(self.log_dir, **self._writer_options)
        return self._experiment

    def _entry_writer(self, directory: str) -> SummaryWriter:
        if directory not in self._entry_writers:
            self._entry_writers[directory] = SummaryWriter(directory, **self._writer_options)
        return self._entry_writers[directory]

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        """Writes one number for each metric; for a dict of numbers, one into a run of its own for each entry.

        Args:
            metrics: tag to number. Entry `b` of a dict at `a` goes to the run `<log_dir>/a_b`, under the tag `a`.
            step: the step of all of them.

        Raises:
            InvalidSummary: a metric is neither.
        """
        writer = self.experiment
        for name, value in metrics.items():
            tag = f"{self._prefix}{self.LOGGER_JOIN_CHAR}{name}" if self._prefix else name
            if isinstance(value, dict):
                for entry, number in value.items():
                    directory = joined(self.log_dir, f"{tag.replace('/', '_')}_{entry}")
                    self._entry_writer(directory).add_scalar(tag, number, step)
            else:
                writer.add_scalar(tag, value, step)

    @rank_zero_only
    def log_hyperparams(
        self,
        params: Mapping[str, Any] | Namespace | None,
        metrics: Mapping[str, Any] | float | None = None,
        step: int | None = None,
    ) -> None:
        """Keeps the hyperparameters for `hparams.yaml` and writes them as a text summary, `hparams`.

        Args:
            params: names and values.
            metrics: metrics to log with them; by default `hp_metric`, if `default_hp_metric` is set.
            step: the step of both.
        """
        self.hparams.update(vars(params) if isinstance(params, Namespace) else params or {})
        if metrics is None and self._default_hp_metric:
            metrics = -1
        if metrics is not None:
            self.log_metrics(metrics if isinstance(metrics, Mapping) else {"hp_metric": metrics}, step)
        if self.hparams:
            self.experiment.add_text("hparams", _table(self.hparams), step)

    @rank_zero_only
    def log_graph(self, model: Any, input_array: Any = None) -> None:
        """Writes the graph of a model, if `log_graph=True` asked for it. Lightning calls this when training begins.

        Args:
            model: the module.
            input_array: what to call it with; by default the first batch that comes.
        """
        if not self._log_graph:
            return
        if self._awaited is not None:
            self._awaited.forget()
        if input_array is not None or not isinstance(getattr(model, "_forward_pre_hooks", None), dict):
            self._draw(model, input_array)
        else:
            self._awaited = _FirstCall(self, model)

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
        if is_remote(self.log_dir):
            self._send_hparams()
        elif not self._hparams_written and os.path.isdir(self.log_dir):
            path = os.path.join(self.log_dir, HPARAMS_FILE)
            if not os.path.isfile(path):
                saving = importlib.import_module(f"{self._package}.core.saving")
                saving.save_hparams_to_yaml(path, self.hparams)
            self._hparams_written = True

    def _send_hparams(self) -> None:
        if self._hparams_written:
            return
        self._hparams_written = True
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, HPARAMS_FILE)
            importlib.import_module(f"{self._package}.core.saving").save_hparams_to_yaml(path, self.hparams)
            data = Path(path).read_bytes()
        send(self.log_dir, HPARAMS_FILE, data, len(data))

    @rank_zero_only
    def finalize(self, status: str) -> None:
        """Writes what is left and closes the files; logging afterwards opens new ones.

        Args:
            status: how the training ended: `success`, or another word for a failure.
        """
        if self._awaited is not None and rank_zero_only.rank == 0:
            model, inputs = self._awaited.forget()
            self._awaited = None
            if model is not None and status in _GOOD_ENDS:  # a copy waits for none
                self._draw(model, inputs)
        if status == "success":
            self.save()
        for writer in (self._experiment, *self._entry_writers.values()):
            if writer is not None:
                writer.close(failed=status not in _GOOD_ENDS)

    def _next_version(self) -> int | str:
        """The number after the greatest there is; rank zero makes its directory, in which only one program succeeds.

        In a remote store it is the time, which needs no asking.
        """
        if is_remote(self._save_dir):
            return time.strftime("version_%Y%m%d_%H%M%S")
        root = Path(_expanded(self.root_dir))
        number = 1 + max(_versions(root), default=-1)
        if rank_zero_only.rank > 0:
            return number
        while True:
            try:
                root.joinpath(f"version_{number}").mkdir(parents=True)
            except FileExistsError:
                number += 1
            except OSError:
                return number  # the writer will say what is wrong with this directory
            else:
                return number

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_experiment": None, "_entry_writers": {}}


class _Nothing:
    """Stands for the writer on other ranks than zero: any method does nothing."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # asked for by copy and pickle, which must not be told that there is something
            raise AttributeError(name)
        return self._take

    def _take(self, *_: object, **__: object) -> None:
        pass

    def __getitem__(self, index: object) -> _Nothing:
        return self

    def __setitem__(self, index: object, value: object) -> None:
        pass


def _expanded(path: str) -> str:
    return os.path.expanduser(os.path.expandvars(path))


def _versions(root: Path) -> Iterator[int]:
    with contextlib.suppress(OSError):
        for entry in root.iterdir():
            number = entry.name.removeprefix("version_").partition("_")[0]
            if entry.name.startswith("version_") and number.isdigit() and entry.is_dir():
                yield int(number)


def _table(params: Mapping[str, Any]) -> str:
    rows = [f"| {_cell(name)} | {_cell(value)} |" for name, value in _flat(params)]
    return "\n".join(["| name | value |", "| --- | --- |", *rows])


def _cell(value: object) -> str:
    return " ".join(str(value).split()).replace("|", "\\|").encode("utf-8", "replace").decode()


def _flat(params: Mapping[Any, Any], above: str = "") -> Iterator[tuple[str, object]]:
    for name, value in params.items():
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            value = dataclasses.asdict(value)
        elif isinstance(value, Namespace):
            value = vars(value)
        if isinstance(value, Mapping):
            yield from _flat(value, f"{above}{name}/")
        else:
            yield f"{above}{name}", value


# ---- the classes: one for each of Lightning's packages, made when it is asked for, found by pickle under its name

_PACKAGE_OF = {"LightningLogger": "lightning.pytorch", "PytorchLightningLogger": "pytorch_lightning"}


def _count_as_tensorboard_logger(cls: type) -> None:
    """Has `isinstance(logger, TensorBoardLogger)` say yes, on which `Trainer.log_dir` depends."""
    for package in _PACKAGE_OF.values():
        if module := sys.modules.get(f"{package}.loggers.tensorboard"):
            module.TensorBoardLogger.register(cls)


def _name_in_use() -> str:
    for name, package in _PACKAGE_OF.items():
        if package in sys.modules:
            return name
    for name, package in _PACKAGE_OF.items():
        with contextlib.suppress(ModuleNotFoundError):
            importlib.import_module(package)
            return name
    raise MissingDependency("TallyboardLogger needs Lightning: pip install 'tallyboard[lightning]'")


if TYPE_CHECKING:

    class TallyboardLogger(_Recorder, Logger):
        """What type checkers see of the classes made below."""

    TensorBoardLogger = TallyboardLogger


def __getattr__(name: str) -> Any:
    if name in ("TallyboardLogger", "TensorBoardLogger"):
        name = _name_in_use()
        if name in globals():
            return globals()[name]
    if name not in _PACKAGE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    package = _PACKAGE_OF[name]
    logger = importlib.import_module(f"{package}.loggers.logger").Logger
    body = {"__module__": __name__, "__qualname__": name, "__doc__": _Recorder.__doc__, "_package": package}
    return globals().setdefault(name, type("TallyboardLogger", (_Recorder, logger), body))
