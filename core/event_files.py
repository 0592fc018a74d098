"""Event files as messages, one after the other, from where they were left; scalars as columns where that is wanted."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from .decoder import ScalarDecoder
from .errors import CorruptRecord, InvalidLogdir
from .record import HEADER, LENGTH_MAX, OVERHEAD, PAD, Frames, checksums_hold, scan
from .repeats import Repeat, find
from .wire import decode_event

if TYPE_CHECKING:
    from .proto import event_pb2 as pb

__all__ = ["EventFile", "Scalars", "event_paths"]

READ_BYTES = 4 << 20


@dataclass(frozen=True, slots=True)
class Scalars:
    """Events that are nothing but `simple_value`s, as columns, in order.

    Attributes:
        names: tags.
        row: tells which values are of one event.
        tag: of each value, as an index into `names`.
        step, wall_time, value: of each.
    """

    names: list[str]
    row: NDArray[np.int64]
    tag: NDArray[np.int64]
    step: NDArray[np.int64]
    wall_time: NDArray[np.float64]
    value: NDArray[np.float64]

    def part(self, start: int, end: int) -> Scalars:
        """Some of them."""
        one = slice(start, end)
        return Scalars(self.names, self.row[one], self.tag[one], self.step[one], self.wall_time[one], self.value[one])


class EventFile:
    """One event file, read on with every `load`.

    Args:
        path: the file.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = os.fspath(path)
        self._offset = 0
        self._decoder = ScalarDecoder(simple=True)

    def load(self) -> Iterator[pb.Event]:
        """The events that were not given yet. What is damaged is passed over; a torn tail waits for its rest.

        Raises:
            OSError: the file cannot be read.
        """
        for piece in self._load(bulk=False):
            assert not isinstance(piece, Scalars)
            yield piece

    def load_in_bulk(self) -> Iterator[pb.Event | Scalars]:
        """The same events in the same order; those of scalars as columns, as many as follow each other.

        Raises:
            OSError: the file cannot be read.
        """
        return self._load(bulk=True)

    def _load(self, bulk: bool) -> Iterator[pb.Event | Scalars]:
        wanted = 0
        while True:
            room = max(READ_BYTES, wanted)
            with open(self.path, "rb", buffering=0) as file:
                available = os.fstat(file.fileno()).st_size - self._offset
                room = min(room, available)
                if room <= 0:
                    return
                buffer = np.zeros(room + PAD, np.uint8)
                file.seek(self._offset)
                count = file.readinto(buffer.data[:room]) or 0
            origin = self._offset
            if bulk:
                frames, repeats = find(buffer, [0], [count], self._decoder.kind)
                scalars, rows = self._scalars(buffer, frames, repeats)
            else:
                frames = scan(buffer, [0], [count])
                scalars, rows = None, np.arange(len(frames.offset))
            stop = int(frames.stop[0])
            yield from self._pieces(buffer, frames, origin, scalars, rows)
            self._offset = origin + stop
            left = count - stop
            wanted = int(buffer[stop : stop + 8].view("<u8")[0]) + OVERHEAD if left >= HEADER else 0
            if wanted > LENGTH_MAX:
                return  # a header that is being written: nobody declares that much
            stuck = not stop and wanted <= room
            if stuck or count < room or available - stop < max(wanted, HEADER):
                return

    def _scalars(
        self, buffer: NDArray[np.uint8], frames: Frames, repeats: Sequence[Repeat]
    ) -> tuple[Scalars | None, NDArray[np.int64]]:
        """The scalars among some records, and the records to be parsed."""
        found = self._decoder.decode(buffer, frames.offset, frames.length, repeats)
        if not len(found.row):
            return None, found.rest
        names = [tag.decode("utf-8", "replace") for tag in self._decoder.tags]
        odd = [i for i, tag in enumerate(self._decoder.tags) if names[i].encode() != tag]
        order = np.argsort(found.row, kind="stable")
        rest = found.rest
        if odd:  # what is no text is left to the parser
            strange = np.unique(found.row[np.isin(found.tag, odd)])
            order = order[~np.isin(found.row[order], strange)]
            rest = np.union1d(rest, strange)
        row, tag, step = found.row[order], found.tag[order], found.step[order]
        return Scalars(names, row, tag, step, found.wall_time[order], found.value[order]), rest

    def _pieces(
        self, buffer: NDArray[np.uint8], frames: Frames, origin: int, scalars: Scalars | None, rows: NDArray[np.int64]
    ) -> Iterator[pb.Event | Scalars]:
        """The events of these rows, and the scalars between them."""
        offset, length = frames.offset[rows], frames.length[rows]
        sound = checksums_hold(buffer, offset, length)
        at = 0
        before = [0] * len(rows) if scalars is None else np.searchsorted(scalars.row, rows).tolist()
        for start, size, good, until in zip(offset.tolist(), length.tolist(), sound.tolist(), before, strict=True):
            if scalars is not None and until > at:
                self._offset = origin + start
                yield scalars.part(at, until)
                at = until
            self._offset = origin + start + size + OVERHEAD
            if not good:
                continue
            try:
                event = decode_event(buffer[start + HEADER : start + HEADER + size].tobytes())
            except CorruptRecord:
                continue
            yield event
        if scalars is not None and len(scalars.row) > at:
            self._offset = origin + int(frames.stop[0])
            yield scalars.part(at, len(scalars.row))


def event_paths(path: str | os.PathLike[str]) -> list[str]:
    """The event files of one run: of a directory those in it, by name, none below it; or the file itself.

    Raises:
        InvalidLogdir: there is neither.
    """
    place = os.fspath(path)
    if os.path.isfile(place):
        return [place]
    try:
        names = sorted(os.listdir(place))
    except OSError as error:
        raise InvalidLogdir(
            f"{place!r} cannot be read ({error.strerror or error}); give a run's directory or an event file"
        ) from None
    found = [name for name in names if "tfevents" in name and not name.endswith(".profile-empty")]
    return [os.path.join(place, name) for name in found if os.path.isfile(os.path.join(place, name))]
