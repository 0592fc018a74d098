"""What must hold of the reader for any bytes at all, and how inputs are made that reach its depths.

An input is a list of `Change`s to a whole event file with every kind of summary in it. Some changes leave checksums
wrong, as a bad disk does; others put them right again, so that what is odd gets past them, to where records are parsed.
"""

from __future__ import annotations

import contextlib
import struct
import time
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any

import numpy as np

import tallyboard as tb
from tallyboard.core.errors import CorruptRecord
from tallyboard.core.proto import event_pb2 as pb
from tallyboard.core.reader import LogdirReader
from tallyboard.core.record import frame, masked_crc
from tallyboard.core.store import Series
from tallyboard.core.wire import decode_event

SECONDS_MAX = 10.0  # of the processor, for a file of some 30 kB that takes a hundredth of a second
Points = dict[str, list[tuple[int, float, float]]]


class Kind(IntEnum):
    """Ways to change a file."""

    TRUNCATE = 0
    FLIP = 1
    REMOVE = 2
    INSERT = 3
    REPEAT = 4
    LENGTH = 5  # another declared length, under a checksum that holds
    PAYLOAD = 6  # other bytes in a record, under a checksum that holds
    RECORD = 7  # the given bytes as a record
    SWAP = 8


@dataclass(frozen=True, slots=True)
class Change:
    """One change: where is a share of the file in 65,536ths, `number` and `data` as the kind needs them."""

    kind: Kind
    where: int
    number: int
    data: bytes


def whole_file(folder: Path) -> bytes:
    """An event file with scalars of every form, many values in an event, tensors, text, a restart and blobs."""
    with tb.SummaryWriter(folder, purge_step=2) as writer:
        for step in range(40):
            writer.add_scalar("loss", 1 / (step + 1), step, walltime=1.5e9 + step)
            writer.add_scalar("train/accuracy", step / 40, step, walltime=1.5e9 + step)
        for step in range(8):
            writer.log({"a": 1.0, "b/c": float("nan"), "d" * 60: -1.0}, step)
            writer.add_scalar("new", 0.5 * step, step, new_style=True)
            writer.add_scalar("double", 0.5 * step, step, double_precision=True)
            writer.add_text("note", f"step **{step}**", step)
        writer.add_histogram("weights", np.linspace(-1, 1, 500), 1)
        writer.add_tensor("tensor", np.arange(6.0).reshape(2, 3), 1)
        writer.add_image("picture", np.zeros((3, 8, 8), np.uint8), 1)
        writer.add_pr_curve("pr", np.array([0, 1, 1]), np.array([0.1, 0.6, 0.9]), 1)
        writer.add_hparams({"lr": 0.1, "layers": 3}, {"loss": 1.0})
    (path,) = folder.glob("*tfevents*")
    return path.read_bytes()


def frames(data: bytes) -> list[tuple[int, int]]:
    """Start and end of each record's data, up to the first that is damaged or torn."""
    out: list[tuple[int, int]] = []
    at = 0
    while at + 12 <= len(data):
        length, check = struct.unpack_from("<QI", data, at)
        end = at + 12 + length
        if check != masked_crc(data[at : at + 8]) or end + 4 > len(data):
            break
        out.append((at + 12, end))
        at = end + 4
    return out


def changed(data: bytes, changes: list[Change]) -> bytes:
    """The file after the changes, one after the other."""
    for change in changes:
        data = _change(data, change)
    return data


def _change(data: bytes, change: Change) -> bytes:
    at = change.where * len(data) >> 16
    size = change.number % 4096
    if change.kind == Kind.TRUNCATE:
        return data[:at]
    if change.kind == Kind.FLIP:
        return data[:at] + bytes([data[at] ^ (1 << change.number % 8)]) + data[at + 1 :] if data else data
    if change.kind == Kind.REMOVE:
        return data[:at] + data[at + size :]
    if change.kind == Kind.INSERT:
        return data[:at] + change.data + data[at:]
    if change.kind == Kind.REPEAT:
        return data[: at + size] + data[at:]
    if change.kind == Kind.RECORD:
        return data + frame(change.data)
    records = frames(data)
    if not records:
        return data
    start, end = records[change.where * len(records) >> 16]
    if change.kind == Kind.LENGTH:
        length = struct.pack("<Q", change.number % 2**64)
        return data[: start - 12] + length + struct.pack("<I", masked_crc(length)) + data[start:]
    if change.kind == Kind.SWAP:
        return data[: start - 12] + data[end + 4 :] + data[start - 12 : end + 4]
    spot = change.number % (end - start + 1)
    payload = data[start : start + spot] + change.data + data[start + spot + len(change.data) // 2 : end]
    return data[: start - 12] + frame(payload) + data[end + 4 :]


def certain_points(data: bytes) -> Points:
    """The scalars that nothing excuses losing: in the old form, from the records before the first damage."""
    points: Points = {}
    odd: set[str] = set()
    for start, end in frames(data):
        if masked_crc(data[start:end]) != struct.unpack_from("<I", data, end)[0]:
            continue
        try:
            event = pb.Event.FromString(data[start:end])
        except Exception:
            continue
        for value in event.summary.value:
            if value.WhichOneof("value") == "simple_value" and not value.HasField("metadata"):
                points.setdefault(value.tag, []).append((event.step, event.wall_time, value.simple_value))
            else:
                odd.add(value.tag)
    return {tag: series for tag, series in points.items() if tag not in odd}


def check(data: bytes, split: int, folder: Path) -> None:
    """Reads the file in two pieces, cut at `split`, and then anew in one.

    Nothing is raised, little time is taken, both ways give the same, and every certain point is there.
    """
    path = folder / "events.out.tfevents.1.fuzz"
    path.write_bytes(data[:split])
    began = time.process_time()
    reader = LogdirReader(folder)
    reader.poll()
    with path.open("ab") as file:
        file.write(data[split:])
    reader.poll()
    again = LogdirReader(folder)
    again.poll()
    took = time.process_time() - began
    assert took < SECONDS_MAX, f"{took:.1f} s for {len(data)} bytes"
    one, two = _everything(reader), _everything(again)
    assert one == two, "read in two pieces, the file gives something else than in one"
    for tag, points in certain_points(data).items():
        series = _all_points(again, tag)
        assert series is not None, f"the scalar {tag!r} is missing"
        got = np.array([series.step, series.wall_time, series.value], np.float64).T[: len(points)]
        wanted = np.array(points, np.float64)
        assert np.array_equal(got, wanted, equal_nan=True), f"the scalar {tag!r} came back changed"
    for plugin, tags in again.store.tags().items():
        for tag in tags:
            _fetch_all(again, plugin, tag)


def _all_points(reader: LogdirReader, tag: str) -> Series | None:
    return reader.store.scalars(".", tag, superseded=True)


def _everything(reader: LogdirReader) -> dict[str, Any]:
    """All that a reader knows but for its warnings, whose number depends on how often it looked."""
    tags = reader.store.tags()
    out: dict[str, Any] = {f"{plugin} {tag}": counts for plugin, names in tags.items() for tag, counts in names.items()}
    for tag in tags.get("scalars", {}):
        series = _all_points(reader, tag)
        assert series is not None
        out[tag] = [column.tobytes() for column in (series.step, series.wall_time, series.value.astype(np.float64))]
    return out


def _fetch_all(reader: LogdirReader, plugin: str, tag: str) -> None:
    blobs = reader.store.blobs(plugin, ".", tag)
    for ref in blobs.ref if blobs is not None else ():
        data = reader.fetch(ref)
        # Blobs are found without being parsed: one whose checksum holds may still be no event, and reading it says so.
        with contextlib.suppress(CorruptRecord):
            decode_event(data)
