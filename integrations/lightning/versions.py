"""Directories of versions, `version_<n>` below that of a project."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

__all__ = ["expanded", "latest_version", "take_version"]


def expanded(path: str) -> str:
    """The path with `~` and variables of the environment put in."""
    return os.path.expanduser(os.path.expandvars(path))


def take_version(root: str) -> int:
    """The number after the greatest there is; makes its directory, in which only one program succeeds."""
    folder = Path(expanded(root))
    number = 1 + max(_versions(folder), default=-1)
    while True:
        try:
            folder.joinpath(f"version_{number}").mkdir(parents=True)
        except FileExistsError:
            number += 1
        except OSError:
            return number  # the writer will say what is wrong with this directory
        else:
            return number


def latest_version(root: str) -> int:
    """The greatest number there is, or 0."""
    return max(_versions(Path(expanded(root))), default=0)


def _versions(root: Path) -> Iterator[int]:
    with contextlib.suppress(OSError):
        for entry in root.iterdir():
            number = entry.name.removeprefix("version_").partition("_")[0]
            if entry.name.startswith("version_") and number.isdigit() and entry.is_dir():
                yield int(number)
