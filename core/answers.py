"""What a store answers with: the columns of a series, or where the values of one lie."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from .tracks import NO_PLACES

__all__ = ["BlobRef", "Blobs", "Floats", "Refs", "Series"]

I64 = NDArray[np.int64]
F64 = NDArray[np.float64]
Floats = NDArray[np.float32] | NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Series:
    """One scalar over time, every point, in the order written.

    Attributes:
        step: int64 of shape [n].
        wall_time: seconds since 1970, float64 of shape [n].
        value: float32 of shape [n], or float64 where the file has that precision.
        generation: goes up when points that were there before are hidden, because a restart superseded them; the
            first points of two answers are the same only if this is.
        restarts: int64 of shape [r]: the points with which a restarted run goes on.
    """

    step: I64
    wall_time: F64
    value: Floats
    generation: int = 0
    restarts: I64 = field(default_factory=lambda: NO_PLACES)

    def __len__(self) -> int:
        return len(self.step)

    @property
    def segments(self) -> I64:
        """Where each stretch of steps that do not go back starts, restarts included: int64 of shape [s]."""
        if not len(self.step):
            return NO_PLACES
        back = np.flatnonzero(self.step[1:] < self.step[:-1]) + 1
        starts = np.union1d(np.append(0, back), self.restarts)
        return starts[starts < len(self.step)]


@dataclass(frozen=True, slots=True)
class BlobRef:
    """Where an event record lies: nothing but numbers are kept in memory."""

    path: str
    offset: int
    length: int


class Refs(Sequence[BlobRef]):
    """References to records, made when asked for: a million of them would be heavy.

    Attributes:
        files: paths.
        file: an index into `files` for each, int32 of shape [n].
        offset, length: of each record's data, int64 and int32 of shape [n].
    """

    __slots__ = ("file", "files", "length", "offset")

    def __init__(self, files: Sequence[str], file: NDArray[Any], offset: NDArray[Any], length: NDArray[Any]) -> None:
        self.files, self.file, self.offset, self.length = files, file, offset, length

    def __len__(self) -> int:
        return len(self.file)

    @overload
    def __getitem__(self, at: int) -> BlobRef: ...
    @overload
    def __getitem__(self, at: slice) -> Refs: ...
    def __getitem__(self, at: int | slice) -> BlobRef | Refs:
        """One reference, or some of them."""
        if isinstance(at, slice):
            return Refs(self.files, self.file[at], self.offset[at], self.length[at])
        return BlobRef(self.files[int(self.file[at])], int(self.offset[at]), int(self.length[at]))


@dataclass(frozen=True, slots=True)
class Blobs:
    """A series whose values stay on disk. `ref` has one entry for each step; the rest is as in `Series`."""

    step: I64
    wall_time: F64
    ref: Refs
    generation: int = 0
    restarts: I64 = field(default_factory=lambda: NO_PLACES)

    def __len__(self) -> int:
        return len(self.step)
