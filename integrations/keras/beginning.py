"""What is done once, when a training begins, beside opening its runs."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from tallyboard.core.errors import warn_once
from tallyboard.core.remote import is_remote, placed

from .arguments import Settings
from .batches import Batches
from .ending import Ending
from .models import backend_of, is_keras_2
from .runs import TRAIN, Runs

if TYPE_CHECKING:
    from .forwarding import Forwarding
    from .profiling import Profiling

__all__ = ["Beginning", "warn_of_another"]


def warn_of_another(callback: Any, callbacks: Iterable[Any]) -> None:
    """Warns of a callback before this one that logs the same training to the same directory: ours, or Keras's own.

    Args:
        callback: the one whose training begins.
        callbacks: all of the `fit`, in their order.
    """
    if not callback.log_dir:
        return
    here = os.path.abspath(placed(callback.log_dir))
    for other in callbacks:
        if other is callback:
            return
        there: Any = getattr(other, "log_dir", None)
        kinds = {kind.__name__ for kind in type(other).__mro__}
        if there and kinds & {"Hooks", "TensorBoard"} and os.path.abspath(placed(there)) == here:
            warn_once(
                ("keras twice", here),
                f"TallyboardCallback({callback.log_dir!r}): {type(other).__name__}({there!r}) logs the same fit to the "
                "same directory, so that every point is there twice; leave one of them out, or give it another log_dir",
            )
            return


class Beginning:
    """The beginning of one training.

    Args:
        settings: what is wanted.
        runs: where it goes.
        says: told what cannot be had, and why.
    """

    def __init__(self, settings: Settings, runs: Runs, says: Callable[[str, Exception], None]) -> None:
        self._settings, self._runs, self._says = settings, runs, says

    def forwarding(self, model: Any, ending: Ending | None) -> Forwarding | None:
        """Has `tf.summary` write into the same runs, where batches are logged and TensorFlow computes."""
        settings, wanted = self._settings, self._settings.update_freq != "epoch"
        if not wanted or backend_of(model) != "tensorflow" or is_keras_2(model) or is_remote(self._runs.log_dir):
            return None
        if not self._runs.log_dir or self._runs.silent:
            return None
        from .forwarding import Forwarding

        try:
            made = Forwarding.of(model, self._runs)
            made.enter(TRAIN)
        except Exception as error:
            self._says(f"tf.summary of batches (update_freq={settings.update_freq})", error)
            return None
        if ending is not None:
            ending.add_here(made.leave_all)
        return made

    def profiling(self, model: Any, ending: Ending | None) -> Profiling | None:
        """Has batches profiled."""
        if self._settings.profile is None or self._runs.silent:
            return None
        from .profiling import Profiling

        folder = self._runs.folder(TRAIN)
        try:
            if is_remote(folder) or not self._runs.log_dir:
                raise ValueError(f"it needs a directory of this machine, and the run has {folder!r}")
            made = Profiling(backend_of(model), folder, *self._settings.profile)
        except Exception as error:
            self._says("profile", error)
            return None
        if ending is not None:
            ending.add(made.close)
        return made

    def tell(self, model: Any, fit: Mapping[str, Any]) -> None:
        """Writes the hyperparameters of the training; their session ends when the files are closed."""
        from .found import hyperparameters, without_settings

        wanted = self._settings.hparams
        if wanted is not False or self._settings.write_graph:
            unknown = without_settings(model)
            if unknown:
                warn_once(
                    ("keras settings", self._runs.log_dir),
                    f"TallyboardCallback({self._runs.log_dir!r}): no settings of {', '.join(unknown)} among the "
                    "hyperparameters and in graphs; give such a layer a get_config() that returns them",
                )
        if wanted is False:
            return
        try:
            found = hyperparameters(model, fit)
            self._runs.writer(self._runs.of_training).add_hparams(
                {**found, **(wanted if isinstance(wanted, Mapping) else {})}
            )
        except Exception as error:  # configurations are the user's classes'
            self._says("hyperparameters", error)

    def watch_machine(self, batches: Batches) -> None:
        """Logs what the machine does, at the step of the batch under way, until the files are closed."""
        from .. import system_monitor

        system_monitor(self._runs.writer(TRAIN), step=lambda: batches.begun)
