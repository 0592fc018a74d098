"""Directories of versions, `version_<n>` below that of a project."""

from __future__ import annotations

import contextlib
import mmap
import os
from collections.abc import Iterator
from pathlib import Path

__all__ = ["Slot", "expanded", "latest_version", "take_version"]


class Slot:
    """The version that a forked child took, for the process that forked it (`strategy="ddp_fork"`).

    Children are told nothing by it: those of a sweep, forked with one logger, have versions of their own. A copy is
    empty.
    """

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, 8)  # shared with children that are forked
        self._owner = os.getpid()

    def tell(self, version: int) -> None:
        """Called where a version was taken."""
        if os.getpid() != self._owner and not any(self._memory[:]):
            self._memory[:] = (version + 1).to_bytes(8, "little")

    def told(self) -> int | None:
        """What a child told, the first one."""
        number = int.from_bytes(self._memory[:], "little")
        return number - 1 if number and os.getpid() == self._owner else None

    def __reduce__(self) -> tuple[type[Slot], tuple[()]]:
        return Slot, ()


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
