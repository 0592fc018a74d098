"""HuggingFace Accelerate: a tracker for `Accelerator(log_with=...)`, with all that its TensorBoardTracker does.

    from tallyboard.integrations.accelerate import TallyboardTracker

    accelerator = Accelerator(log_with=TallyboardTracker("first", "runs"))
    accelerator.init_trackers("first", config={"lr": 0.1})
    accelerator.log({"train/loss": loss}, step=step)
    accelerator.end_training()

With `accelerate.tracking.register_tracker_class(TallyboardTracker)`, of newer versions, `log_with="tallyboard"` is
enough.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tallyboard.core.errors import InvalidSummary, MissingDependency, warn_once
from tallyboard.core.remote import joined
from tallyboard.core.summary import as_number
from tallyboard.core.writer import SummaryWriter

try:
    from accelerate.tracking import GeneralTracker, on_main_process
except ImportError as error:
    raise MissingDependency(
        "tallyboard.integrations.accelerate needs Accelerate: pip install 'tallyboard[accelerate]'"
    ) from error

__all__ = ["TallyboardTracker"]

ATTACH_HINT = "give the Accelerator a tracker instead: Accelerator(log_with=TallyboardTracker('run', 'runs'))"


class TallyboardTracker(GeneralTracker):
    """Writes what `Accelerator.log` is given into `<logging_dir>/<run_name>`, from the main process alone.

    Args:
        run_name: the run's directory in that of all runs.
        logging_dir: the directory of all runs, or a URL.
        writer_options: further arguments of `SummaryWriter`.

    Raises:
        InvalidLogdir: when tracking begins: the directory is a file.
    """

    name = "tallyboard"
    requires_logging_directory = True
    main_process_only = True

    def __init__(self, run_name: str = "", logging_dir: str | os.PathLike[str] = "runs", **writer_options: Any) -> None:
        super().__init__()
        self.run_name = run_name
        self.logging_dir = joined(os.fspath(logging_dir), run_name) if run_name else os.fspath(logging_dir)
        self._writer_options = writer_options
        self._writer: SummaryWriter | None = None

    @on_main_process
    def start(self) -> None:
        """Opens the file."""
        _ = self.tracker

    @property
    def tracker(self) -> SummaryWriter:
        """The writer, for everything else that belongs to the run."""
        if self._writer is None:
            self._writer = SummaryWriter(self.logging_dir, **self._writer_options)
        return self._writer

    @property
    def writer(self) -> SummaryWriter:
        """The writer, by the name that TensorBoardTracker has for it."""
        return self.tracker

    @on_main_process
    def store_init_configuration(self, values: Mapping[str, Any]) -> None:
        """Writes the hyperparameters of this run.

        Args:
            values: by name; mappings within are flattened, and what is no value is told by its text.
        """
        self.tracker.add_hparams(dict(values), {})

    @on_main_process
    def log(self, values: Mapping[str, Any], step: int | None = None, **options: Any) -> None:
        """Writes numbers as scalars, strings as texts, and mappings as charts of several lines.

        Args:
            values: by tag. Tensors and lists of one element are numbers, too; what is none of these is left out, of
                which a warning tells once.
            step: the step.
            options: further arguments of `add_scalar`, `add_text` or `add_scalars`.
        """
        for tag, value in values.items():
            if isinstance(value, str):
                self.tracker.add_text(tag, value, step, **options)
            elif isinstance(value, Mapping):
                self.tracker.add_scalars(tag, dict(value), step, **options)
            else:
                self._log_number(tag, value, step, options)

    def _log_number(self, tag: str, value: Any, step: int | None, options: Mapping[str, Any]) -> None:
        if isinstance(value, list | tuple) and len(value) == 1:
            (value,) = value
        try:
            number = as_number(tag, value)
        except InvalidSummary as error:
            warn_once(("accelerate", tag), f"TallyboardTracker: {error}; it is left out")
            return
        self.tracker.add_scalar(tag, number, step, **options)

    @on_main_process
    def log_images(self, values: Mapping[str, Any], step: int | None = None, **options: Any) -> None:
        """Writes pictures.

        Args:
            values: by tag: an array of pictures of shape [n, channels, height, width], or as `dataformats=` says; or a
                list of pictures, of Pillow or arrays of shape [height, width, channels] or [height, width].
            step: the step.
            options: further arguments of `add_images`.
        """
        for tag, pictures in values.items():
            if not isinstance(pictures, list | tuple):
                self.tracker.add_images(tag, pictures, step, **options)
                continue
            arrays = [np.asarray(picture) for picture in pictures]
            arrays = [array[..., None] if array.ndim == 2 else array for array in arrays]
            if len({array.shape for array in arrays}) == 1:
                self.tracker.add_images(tag, np.stack(arrays), step, **{"dataformats": "NHWC", **options})
            else:  # no grid holds pictures of several sizes
                forms = str(options.get("dataformats", "NHWC")).replace("N", "")
                for place, array in enumerate(arrays):
                    self.tracker.add_image(f"{tag}/{place}", array, step, dataformats=forms)

    @on_main_process
    def log_table(
        self,
        table_name: str,
        columns: Sequence[str] | None = None,
        data: Any = None,
        dataframe: Any = None,
        step: int | None = None,
        **_: Any,
    ) -> None:
        """Writes a table.

        Args:
            table_name: its tag.
            columns: names of the columns.
            data: the rows.
            dataframe: a DataFrame, in place of these two.
            step: the step.

        Raises:
            InvalidSummary: there is neither, or it is no table.
        """
        if dataframe is None and data is None:
            raise InvalidSummary(f"log_table({table_name!r}): expected data= or dataframe=, got neither")
        table = data if dataframe is None else dataframe
        self.tracker.add_table(table_name, table, step, None if columns is None else list(columns))

    @on_main_process
    def finish(self) -> None:
        """Closes the file."""
        if self._writer is not None:
            self._writer.close()
