"""Files that a projector's configuration names: read within bounds, and never from outside its directory.

The configuration came with a training and may name anything: `/etc/passwd`, `../..`, a link, a device that never ends.
TensorBoard's rule holds, that an asset lies in the directory of the configuration or below, and is kept on the way:
links are resolved first, and then none is followed, so that one that is put there meanwhile leads nowhere.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from typing import BinaryIO

__all__ = ["Asset", "Unreadable", "find"]


class Unreadable(Exception):
    """Why a file is not read, for people."""


@dataclass(frozen=True, slots=True)
class Asset:
    """A regular file in or below a directory, as it was when it was found.

    Attributes:
        name: as it was asked for, for people.
        base: the directory, without links.
        parts: the way from there.
        size: in bytes.
        stamp: differs whenever the content may differ.
    """

    name: str
    base: str
    parts: tuple[str, ...]
    size: int
    stamp: tuple[int, int, int, int]

    def read(self, most: int) -> bytes:
        """All of it.

        Args:
            most: bytes that are read at most.

        Raises:
            Unreadable: it is larger, or is not there any more.
        """
        self.check(most)
        return self.start(most + 1)

    def check(self, most: int) -> None:
        """See that it is not too large.

        Raises:
            Unreadable: it is.
        """
        if self.size > most:
            raise Unreadable(f"{self.name!r} has {self.size:,} bytes; {most:,} are the most that are read")

    def open(self) -> BinaryIO:
        """The file, to be read from its beginning and closed by whoever asks.

        Raises:
            Unreadable: it is not there any more.
        """
        try:
            return open(_opened(self.base, self.parts), "rb", buffering=0)
        except OSError as error:
            raise Unreadable(f"{self.name!r} cannot be read: {error.strerror}") from None

    def start(self, count: int) -> bytes:
        """Its first bytes.

        Raises:
            Unreadable: it is not there any more.
        """
        return self.part(0, count)

    def part(self, at: int, count: int) -> bytes:
        """Bytes from somewhere in it; fewer where there are not so many.

        Raises:
            Unreadable: it is not there any more.
        """
        if at >= self.size:
            return b""
        try:
            descriptor = _opened(self.base, self.parts)
            with open(descriptor, "rb", buffering=0) as file:
                file.seek(at)
                pieces: list[bytes] = []
                while count > 0 and (piece := file.read(min(count, 1 << 24))):
                    pieces.append(piece)
                    count -= len(piece)
            return b"".join(pieces)
        except OSError as error:
            raise Unreadable(f"{self.name!r} cannot be read: {error.strerror}") from None


def find(folder: str, name: str) -> Asset:
    """The file of a name.

    Args:
        folder: the configuration's directory.
        name: a path relative to it, or an absolute one; `~` stands for the home directory, as in TensorBoard.

    Raises:
        Unreadable: there is none, it lies elsewhere, or it is no regular file.
    """
    try:
        base = os.path.realpath(folder)
        found = os.path.realpath(os.path.join(base, os.path.expanduser(name)))
        if found == base or os.path.commonpath((base, found)) != base:
            raise Unreadable(f"{name!r} is not in the directory of the configuration, and is not read")
        parts = tuple(os.path.relpath(found, base).split(os.sep))
        descriptor = _opened(base, parts)
        try:
            status = os.fstat(descriptor)
        finally:
            os.close(descriptor)
    except ValueError:  # a zero byte
        raise Unreadable(f"{name!r} is no name of a file") from None
    except OSError as error:
        raise Unreadable(f"{name!r} cannot be read: {error.strerror}") from None
    stamp = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
    return Asset(name, base, parts, status.st_size, stamp)


def _opened(base: str, parts: tuple[str, ...]) -> int:
    """A descriptor of a regular file, to be closed by whoever asks. Waits for no pipe, and follows no link.

    Raises:
        OSError: there is none.
        Unreadable: it is something else.
    """
    at = os.open(base, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for part in parts[:-1]:
            below = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=at)
            os.close(at)
            at = below
        status = os.stat(parts[-1], dir_fd=at, follow_symlinks=False)
        if not stat.S_ISREG(status.st_mode):  # opened, a tape would rewind
            raise Unreadable(f"{os.sep.join(parts)!r} is no regular file")
        found = os.open(parts[-1], os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_NOCTTY | os.O_CLOEXEC, dir_fd=at)
    finally:
        os.close(at)
    if not stat.S_ISREG(os.fstat(found).st_mode):
        os.close(found)
        raise Unreadable(f"{os.sep.join(parts)!r} is no regular file")
    return found
