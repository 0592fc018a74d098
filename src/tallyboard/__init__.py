"""tallyboard: what happened in a training run, recorded in one line and shown live in a browser.

    import tallyboard as tb

    with tb.SummaryWriter("runs/first") as writer:
        writer.add_scalar("loss", 0.25, step=1)

Every public name is loaded on first use, and none of them imports a framework.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tallyboard.core.bands import aggregate as aggregate
    from tallyboard.core.data import data as data
    from tallyboard.core.errors import CorruptRecord as CorruptRecord
    from tallyboard.core.errors import InvalidLogdir as InvalidLogdir
    from tallyboard.core.errors import InvalidSummary as InvalidSummary
    from tallyboard.core.errors import MissingDependency as MissingDependency
    from tallyboard.core.errors import TallyboardError as TallyboardError
    from tallyboard.core.errors import TallyboardWarning as TallyboardWarning
    from tallyboard.core.errors import UnsupportedModel as UnsupportedModel
    from tallyboard.core.logdir import read as read
    from tallyboard.core.peer_writers import FileWriter as FileWriter
    from tallyboard.core.peer_writers import GlobalSummaryWriter as GlobalSummaryWriter
    from tallyboard.core.peer_writers import RecordWriter as RecordWriter
    from tallyboard.core.profiles.reading import read_profile as read_profile
    from tallyboard.core.sink import MemorySink as MemorySink
    from tallyboard.core.writer import SummaryWriter as SummaryWriter
    from tallyboard.integrations import auto_log as auto_log
    from tallyboard.integrations import system_monitor as system_monitor
    from tallyboard.integrations import unwatch as unwatch
    from tallyboard.integrations import watch as watch

__version__ = "0.1.0"

_HOME = {
    "CorruptRecord": "tallyboard.core.errors",
    "FileWriter": "tallyboard.core.peer_writers",
    "GlobalSummaryWriter": "tallyboard.core.peer_writers",
    "InvalidLogdir": "tallyboard.core.errors",
    "InvalidSummary": "tallyboard.core.errors",
    "MemorySink": "tallyboard.core.sink",
    "MissingDependency": "tallyboard.core.errors",
    "RecordWriter": "tallyboard.core.peer_writers",
    "SummaryWriter": "tallyboard.core.writer",
    "TallyboardError": "tallyboard.core.errors",
    "TallyboardWarning": "tallyboard.core.errors",
    "UnsupportedModel": "tallyboard.core.errors",
    "aggregate": "tallyboard.core.bands",
    "auto_log": "tallyboard.integrations",
    "data": "tallyboard.core.data",
    "read": "tallyboard.core.logdir",
    "read_profile": "tallyboard.core.profiles.reading",
    "system_monitor": "tallyboard.integrations",
    "unwatch": "tallyboard.integrations",
    "watch": "tallyboard.integrations",
}

__all__ = [  # pyright wants literals here; a test compares the list with _HOME
    "CorruptRecord",
    "FileWriter",
    "GlobalSummaryWriter",
    "InvalidLogdir",
    "InvalidSummary",
    "MemorySink",
    "MissingDependency",
    "RecordWriter",
    "SummaryWriter",
    "TallyboardError",
    "TallyboardWarning",
    "UnsupportedModel",
    "aggregate",
    "auto_log",
    "data",
    "read",
    "read_profile",
    "system_monitor",
    "unwatch",
    "watch",
]


def __getattr__(name: str) -> object:
    if (home := _HOME.get(name)) is None:
        raise AttributeError(f"module 'tallyboard' has no attribute {name!r}")
    value = getattr(importlib.import_module(home), name)
    globals()[name] = value
    return value


def load_ipython_extension(shell: object) -> None:
    """What `%load_ext tallyboard` calls: brings the magic `%tallyboard`."""
    from .notebook import load_ipython_extension as load

    load(shell)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})
