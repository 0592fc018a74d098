"""What stands in an event file, byte for byte: its records, who wrote it, and where it is damaged."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from io import FileIO

import numpy as np
from numpy.typing import NDArray

from .errors import CorruptRecord
from .record import HEADER, OVERHEAD, Frames, checksums_hold, scan
from .wire import decode_event

__all__ = ["Audit", "Damage", "audit"]

CHUNK = 32 << 20  # bytes read at once, unless one record is longer
ROOM = 64  # bytes behind a chunk that a scan may look at

NO_RECORD = "no_record"
BAD_CHECKSUM = "bad_checksum"
NO_EVENT = "no_event"


@dataclass(frozen=True, slots=True)
class Damage:
    """A damaged region of a file.

    Attributes:
        offset, length: in bytes.
        what: `no_record`: bytes that are no record; `bad_checksum`: a record whose data fail their checksum;
            `no_event`: a record whose data are sound and yet no event.
    """

    offset: int
    length: int
    what: str


@dataclass(slots=True)
class Audit:
    """What stands in an event file.

    Attributes:
        size: of the file, in bytes.
        records: how many whole records it has, damaged ones included.
        file_version: what its first record says of the form of the others, such as `brain.Event:2`; empty if nothing.
        writer: the name that its writer left; empty if none, as tensorboardX leaves none.
        unfinished: bytes at its end of a record that is not there yet, as in a file that is being written.
        damage: in the order of the file.
    """

    size: int = 0
    records: int = 0
    file_version: str = ""
    writer: str = ""
    unfinished: int = 0
    damage: list[Damage] = field(default_factory=list[Damage])


def audit(path: str | os.PathLike[str], *, every_byte: bool = True) -> Audit:
    """Walks through an event file.

    Args:
        path: the file.
        every_byte: also checks the data of every record, and not only where records start and end.

    Raises:
        OSError: it cannot be read.
    """
    found = Audit()
    gaps: list[Damage] = []
    with open(path, "rb", buffering=0) as file:
        found.size = os.fstat(file.fileno()).st_size
        at, wanted = 0, CHUNK
        while at < found.size:
            buffer, count = _chunk(file, at, min(wanted, found.size - at))
            if not count:
                break  # cut while it was read
            frames = scan(buffer, [0], [count])
            for gap in frames.gaps:
                _join(gaps, at + gap.start, gap.end - gap.start)
            _note(found, buffer, frames, at, every_byte)
            stop = int(frames.stop[0])
            rest = count - stop
            need = int(buffer[stop : stop + 8].view("<u8")[0]) + OVERHEAD if rest >= HEADER else HEADER
            if at + stop + need > found.size:
                at += stop
                break
            at, wanted = at + stop, max(CHUNK, need)
    found.unfinished = found.size - at
    if gaps and gaps[-1].offset + gaps[-1].length == at and found.unfinished < HEADER:
        _join(gaps, at, found.unfinished)  # too few bytes to tell, but what they follow is damage already
        found.unfinished = 0
    found.damage = sorted([*gaps, *found.damage], key=lambda damage: damage.offset)
    return found


def _chunk(file: FileIO, at: int, size: int) -> tuple[NDArray[np.uint8], int]:
    """Some bytes of a file with zeros behind them, and how many there were."""
    buffer = np.zeros(size + ROOM, np.uint8)
    view, count = buffer.data, 0
    file.seek(at)
    while count < size:
        got = file.readinto(view[count:size])
        if not got:
            break
        count += got
    return buffer, count


def _note(found: Audit, buffer: NDArray[np.uint8], frames: Frames, at: int, every_byte: bool) -> None:
    if not found.records and len(frames.offset):
        _note_producer(found, _data(buffer, int(frames.offset[0]), int(frames.length[0])))
    found.records += len(frames.offset)
    if not every_byte:
        return
    places: Iterator[tuple[int, int]] = zip(frames.offset.tolist(), frames.length.tolist(), strict=True)
    sound: list[bool] = checksums_hold(buffer, frames.offset, frames.length).tolist()
    for (offset, length), holds in zip(places, sound, strict=True):
        if not holds:
            found.damage.append(Damage(at + offset, length + OVERHEAD, BAD_CHECKSUM))
            continue
        try:
            decode_event(_data(buffer, offset, length))
        except CorruptRecord:
            found.damage.append(Damage(at + offset, length + OVERHEAD, NO_EVENT))


def _data(buffer: NDArray[np.uint8], offset: int, length: int) -> bytes:
    return buffer[offset + HEADER : offset + HEADER + length].tobytes()


def _note_producer(found: Audit, data: bytes) -> None:
    try:
        event = decode_event(data)
    except CorruptRecord:
        return
    found.file_version = event.file_version
    found.writer = event.source_metadata.writer


def _join(gaps: list[Damage], offset: int, length: int) -> None:
    """Notes a gap; one that goes on where the last one ended is the same."""
    last = gaps[-1] if gaps else None
    if last is not None and last.offset + last.length == offset:
        gaps[-1] = Damage(last.offset, last.length + length, NO_RECORD)
    else:
        gaps.append(Damage(offset, length, NO_RECORD))
