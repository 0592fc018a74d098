"""What can go wrong, and what the caller may do about it.

    Exception
    └── TallyboardError
        ├── InvalidSummary     (ValueError)   a wrong call: fix the argument the text names
        ├── InvalidLogdir      (ValueError)   the directory given cannot hold event files: give another
        ├── UnsupportedModel   (TypeError)    auto_log knows no adapter for this object
        ├── MissingDependency  (ImportError)  an extra is not installed: the text has the command
        └── CorruptRecord                     bytes that are no event record; readers skip and count them

    UserWarning
    └── TallyboardWarning      logging is in trouble, training goes on; said once for each cause

A wrong call raises at the call. Everything that happens after it (a full disk, a dead background
thread) only warns: training outlives its log.
"""

from __future__ import annotations

import sys
import warnings
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Hashable

__all__ = [
    "CorruptRecord",
    "InvalidLogdir",
    "InvalidSummary",
    "MissingDependency",
    "TallyboardError",
    "TallyboardWarning",
    "UnsupportedModel",
    "warn_once",
]


class TallyboardError(Exception):
    """Any error that tallyboard raises on purpose."""


class InvalidSummary(TallyboardError, ValueError):
    """A tag, value or step that cannot be logged. The text names it, what was wanted, and the cure."""

    __init__ = Exception.__init__  # by this TensorFlow's AutoGraph knows that it may raise the same with a longer text


class InvalidLogdir(TallyboardError, ValueError):
    """A directory that cannot hold event files, such as the path of a regular file."""


class UnsupportedModel(TallyboardError, TypeError):
    """An object that no adapter knows how to watch."""


class MissingDependency(TallyboardError, ImportError):
    """A library of an optional extra is not installed. The text has the command that installs it."""


class CorruptRecord(TallyboardError):
    """Bytes that are not the event record they should be: a checksum differs, or the message is cut."""


class TallyboardWarning(UserWarning):
    """Logging is in trouble while training goes on."""


_warned: dict[Hashable, object] = {}


def warn_once(key: Hashable, message: str) -> None:
    """Warns with `message`, the first time `key` is seen in this process.

    Never raises, not even where warnings are errors: it is called where an exception would stop a
    training run or end a background thread. The text then goes to standard error.
    """
    mine = object()
    if _warned.setdefault(key, mine) is not mine:  # one step, and no lock that a forked child might find taken
        return
    try:
        warnings.warn(message, TallyboardWarning, stacklevel=3)
    except TallyboardWarning as error:
        sys.stderr.write(f"TallyboardWarning: {error}\n")
