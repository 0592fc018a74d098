"""Event files as messages, one after the other, from where they were left."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from .errors import CorruptRecord, InvalidLogdir
from .record import HEADER, LENGTH_MAX, OVERHEAD, PAD, checksums_hold, scan
from .wire import decode_event

if TYPE_CHECKING:
    from .proto import event_pb2 as pb

__all__ = ["EventFile", "event_paths"]

READ_BYTES = 4 << 20


class EventFile:
    """One event file, read on with every `load`.

    Args:
        path: the file.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = os.fspath(path)
        self._offset = 0

    def load(self) -> Iterator[pb.Event]:
        """The events that were not given yet. What is damaged is passed over; a torn tail waits for its rest.

        Raises:
            OSError: the file cannot be read.
        """
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
            frames = scan(buffer, [0], [count])
            sound = checksums_hold(buffer, frames.offset, frames.length)
            origin, stop = self._offset, int(frames.stop[0])
            for at, length, good in zip(frames.offset.tolist(), frames.length.tolist(), sound.tolist(), strict=True):
                self._offset = origin + at + length + OVERHEAD
                if not good:
                    continue
                try:
                    event = decode_event(buffer[at + HEADER : at + HEADER + length].tobytes())
                except CorruptRecord:
                    continue
                yield event
            self._offset = origin + stop
            left = count - stop
            wanted = int(buffer[stop : stop + 8].view("<u8")[0]) + OVERHEAD if left >= HEADER else 0
            if wanted > LENGTH_MAX:
                return  # a header that is being written: nobody declares that much
            stuck = not stop and wanted <= room
            if stuck or count < room or available - stop < max(wanted, HEADER):
                return


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
