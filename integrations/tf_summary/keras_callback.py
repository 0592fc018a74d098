"""The Keras callback that writes hyperparameters. Imports Keras, so `hparams` imports it when it is asked for.

model.fit(x, y, callbacks=[hp.KerasCallback("logs/run-0", {"units": 16})])
"""

# ruff: noqa: ARG002  (hooks take what Keras passes)

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from tallyboard.core.errors import InvalidSummary, MissingDependency, TallyboardError
from tallyboard.core.proto import plugin_pb2 as pb
from tallyboard.core.summary import kind_of

from . import hparams as hp
from .summaries import write_raw_pb
from .writers import SummaryWriter, create_file_writer

try:
    import keras
except ModuleNotFoundError as error:
    if error.name != "keras":  # keras is there but its backend is not: its own text says which
        raise
    raise MissingDependency("hparams.KerasCallback needs Keras 3: pip install 'tallyboard[keras]'") from error

__all__ = ["KerasCallback"]


class KerasCallback(keras.callbacks.Callback):
    """Writes the hyperparameters when a `fit` begins, and that it succeeded when it ends. Good for one `fit`.

    Args:
        writer: a writer, or a directory to make one for.
        hparams: see `hparams.hparams`.
        trial_id: see `hparams.hparams`.

    Raises:
        InvalidSummary: `writer` is neither, or the hyperparameters are wrong.
    """

    def __init__(self, writer: Any, hparams: Mapping[Any, Any], trial_id: str | None = None) -> None:
        super().__init__()
        self._hparams = dict(hparams)
        self._trial_id = trial_id
        hp.hparams_pb(self._hparams, trial_id)  # so that a wrong one raises here and not when training begins
        if not isinstance(writer, str | SummaryWriter):
            raise InvalidSummary(
                f"KerasCallback: expected writer to be a writer or a directory's name, got {kind_of(writer)}; pass "
                "create_file_writer(...) or a str"
            )
        self._writer: SummaryWriter | None = create_file_writer(writer) if isinstance(writer, str) else writer

    def on_train_begin(self, logs: Any = None) -> None:
        """Writes the hyperparameters."""
        if self._writer is None:
            raise TallyboardError("KerasCallback cannot be reused across training sessions; make one for each fit")
        with self._writer.as_default():
            hp.hparams(self._hparams, trial_id=self._trial_id)

    def on_train_end(self, logs: Any = None) -> None:
        """Writes that training succeeded."""
        if self._writer is None:
            return
        end = pb.SessionEndInfo(status=pb.STATUS_SUCCESS, end_time_secs=time.time())
        with self._writer.as_default():
            write_raw_pb(hp.summary_pb(hp.END, pb.HParamsPluginData(session_end_info=end)), step=0)
        self._writer.flush()
        self._writer = None
