"""Keras: one callback that logs a `fit`, on every backend, without TensorFlow.

    from tallyboard.integrations.keras import TallyboardCallback

    model.fit(x, y, validation_data=(x_val, y_val), callbacks=[TallyboardCallback("runs/first")])

Its arguments, runs, tags, steps and values are those of `keras.callbacks.TensorBoard`; the class is also exported as
`TensorBoard`, so that changing the import is the whole migration.
"""

from __future__ import annotations

from tallyboard.core.errors import MissingDependency

try:
    import keras as keras
except ModuleNotFoundError as error:
    if error.name != "keras":  # keras is there but its backend is not: its own text says which
        raise
    raise MissingDependency("tallyboard.integrations.keras needs Keras 3: pip install 'tallyboard[keras]'") from error

from .attached import attach
from .callback import TallyboardCallback
from .ending import rank

__all__ = ["TallyboardCallback", "TensorBoard", "attach", "rank"]

TensorBoard = TallyboardCallback
