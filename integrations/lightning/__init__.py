"""Lightning: a logger for `Trainer(logger=...)` and `Fabric(loggers=...)` that stands where `TensorBoardLogger` stood.

    from tallyboard.integrations.lightning import TallyboardLogger

    trainer = Trainer(logger=TallyboardLogger("runs", name="first"))

Directories, versions, tags, steps, values and hyperparameters are those of `TensorBoardLogger` (Lightning 2.6); it is
exported under that name too, so that changing the import is the whole migration.

`pytorch_lightning` and `lightning.pytorch` are two packages, each with base classes of its own. The names here give
classes for the one which the program has imported; where that does not decide, `lightning.pytorch` comes first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tallyboard.core.errors import MissingDependency

try:
    import lightning_utilities as _needed  # noqa: F401  # comes with each of Lightning's packages
except ModuleNotFoundError as error:
    raise MissingDependency(
        "tallyboard.integrations.lightning needs Lightning: pip install 'tallyboard[lightning]'"
    ) from error

from .classes import class_named, in_use

if TYPE_CHECKING:
    from pytorch_lightning.loggers.logger import Logger

    from .logger import Recorder

    class TallyboardLogger(Recorder, Logger):
        """What type checkers see of the classes made in classes.py."""

    TensorBoardLogger = TallyboardLogger

__all__ = ["TallyboardLogger", "TensorBoardLogger"]  # made by __getattr__

ATTACH_HINT = (
    "give its Trainer a logger instead: Trainer(logger=tallyboard.integrations.lightning.TallyboardLogger('runs'))"
)

_PARTS = {"TallyboardLogger": "Logger", "TensorBoardLogger": "Logger"}


def __getattr__(name: str) -> Any:
    found = class_named(in_use(_PARTS[name]) if name in _PARTS else name)
    if found is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return found
