"""Events into columns, one at a time: the common half of the readers of Chrome traces."""

from __future__ import annotations

import math
import operator
from array import array
from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from ..dataframes import Labels
from .model import DEVICE, Events, Extras, Kind, Track
from .naming import device_kind, is_stream, is_work, xla_host_kind

__all__ = ["UNREADABLE", "Builder"]

UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What decoding raises of bytes that are not what they should be."""

_Number = int | float | str | None


_NAMES: Final = {
    "external": "External id",
    "external_old": "external id",
    "blocks_per_sm": "blocks per SM",
    "occupancy": "est. achieved occupancy %",
    "registers": "registers per thread",
    "shared_memory": "shared memory",
    "shapes": "Input Dims",
    "types": "Input type",
    "stack": "Call stack",
    "python_id": "Python id",
    "python_parent": "Python parent id",
    "forward_thread": "Fwd thread id",
    "bandwidth": "memory bandwidth (GB/s)",
}


class _Call(msgspec.Struct, gc=False, rename=_NAMES):
    """What of a runtime call's arguments becomes a column."""

    external: _Number = None
    external_old: _Number = None
    correlation: _Number = None


class _Work(_Call, gc=False, rename=_NAMES):
    """Likewise of a device's work."""

    device: _Number = None
    blocks_per_sm: _Number = None
    occupancy: _Number = None
    registers: _Number = None
    shared_memory: _Number = None
    bytes: _Number = None
    bandwidth: _Number = None
    grid: msgspec.Raw = msgspec.Raw()
    block: msgspec.Raw = msgspec.Raw()


class _Span(_Call, gc=False, rename=_NAMES):
    """Likewise of a span of the host."""

    step_num: _Number = None
    forward_thread: _Number = None
    python_id: _Number = None
    python_parent: _Number = None
    stack: msgspec.Raw = msgspec.Raw()
    shapes: msgspec.Raw = msgspec.Raw()
    types: msgspec.Raw = msgspec.Raw()


_ABSENT: Final = msgspec.Raw()
_CALLS: Final = (Kind.RUNTIME, Kind.DRIVER)
_DEVICE: Final = frozenset(map(int, (*DEVICE, Kind.DEVICE_ANNOTATION, Kind.DEVICE_SYNC)))


def _fields(of: type[_Call], text: bool) -> tuple[str, ...]:
    """The names of its columns of texts, or of numbers."""
    skip = (*_Call.__struct_fields__, "device")
    return tuple(
        one.name for one in msgspec.structs.fields(of) if one.name not in skip and (one.type is msgspec.Raw) == text
    )


_TEXTS: Final = (*_fields(_Work, True), *_fields(_Span, True))
_NUMBERS: Final = (*_fields(_Work, False), *_fields(_Span, False))


class _Reader:
    """Reads the arguments of one class of events."""

    def __init__(self, of: type[_Call], numbers: Any, texts: Any) -> None:
        self.decode = msgspec.json.Decoder(of).decode
        self.numbers = [(operator.attrgetter(name), *numbers[name]) for name in _fields(of, False)]
        self.texts = [(operator.attrgetter(name), *texts[name]) for name in _fields(of, True)]


class Builder:
    """Columns that grow; times are those of the trace, microseconds.

    Args:
        skipped: what cannot be read is counted here.
    """

    def __init__(self, skipped: Counter[str]) -> None:
        self._skipped = skipped
        self._start, self._end = array("d"), array("d")
        self._name, self._kind, self._track = array("i"), array("b"), array("i")
        self._device, self._correlation, self._external = array("h"), array("q"), array("q")
        self._names: dict[str, int] = {}
        self._tracks: dict[tuple[Any, Any], int] = {}
        self._known: dict[tuple[Any, Any], int] = {}
        self._numbers: dict[str, tuple[array[int], array[float]]] = {n: (array("q"), array("d")) for n in _NUMBERS}
        self._texts: dict[str, tuple[array[int], array[int], dict[bytes, int]]] = {
            name: (array("q"), array("q"), {}) for name in _TEXTS
        }
        readers = [_Reader(of, self._numbers, self._texts) for of in (_Call, _Work, _Span)]
        self._readers = [readers[0 if kind in _CALLS else 1 if kind in _DEVICE else 2] for kind in range(len(Kind))]
        self._readers.append(readers[2])  # of a kind that is not settled yet: -1
        self.first = math.inf

    @property
    def tracks(self) -> list[tuple[Any, Any]]:
        """Process and thread of each track, as the trace has them."""
        return list(self._tracks)

    def track(self, where: tuple[Any, Any]) -> int:
        """The number of a track. Old traces write a thread as 25738 here and as "25738" there."""
        found = self._known.get(where)
        if found is None:
            process, thread = where
            plain = int(thread) if isinstance(thread, str) and thread.isdecimal() and len(thread) < 20 else thread
            found = self._known[where] = self._tracks.setdefault((process, plain), len(self._tracks))
        return found

    def add(self, start: float, dur: float, name: str, kind: int, where: tuple[Any, Any], args: msgspec.Raw) -> None:
        """A span.

        Args:
            start: microseconds, as the trace has them.
            dur: likewise, not below zero.
            name: what it is called.
            kind: a `Kind`; -1 for one to be found by its process, when all of them have their names.
            where: process and thread, as the trace has them.
            args: its arguments, as JSON.
        """
        self.first = min(self.first, start)
        self._start.append(start)
        self._end.append(start + dur)
        self._name.append(self._names.setdefault(name, len(self._names)))
        self._kind.append(kind)
        track = self._known.get(where)
        self._track.append(track if track is not None else self.track(where))
        correlation, external, device = -1, -1, -1
        if args != _ABSENT:
            reader = self._readers[kind]
            try:
                found = reader.decode(args)
            except UNREADABLE:
                self._skipped["arguments of events that cannot be read"] += 1
            else:
                correlation = _whole(found.correlation)
                external = _whole(found.external if found.external is not None else found.external_old)
                if reader.numbers:
                    self._arguments(found, reader)
                if kind in _DEVICE:
                    device = _whole(getattr(found, "device", None))
                    device = device if device < 1 << 15 else -1
        self._device.append(device)
        self._correlation.append(correlation)
        self._external.append(external)

    def _arguments(self, found: Any, reader: _Reader) -> None:
        row = len(self._device)
        for get, rows, numbers in reader.numbers:
            value = get(found)
            if value is not None:
                number = _number(value)
                if number is not None:
                    rows.append(row)
                    numbers.append(number)
        for get, rows, codes, texts in reader.texts:
            value = get(found)
            if value != _ABSENT:
                rows.append(row)
                codes.append(texts.setdefault(bytes(value), len(texts)))

    def events(self, origin: float, tracks: Sequence[Track]) -> Events:
        """The columns.

        Args:
            origin: the time, in the trace's microseconds, at which the profile begins.
            tracks: each track, in the order of `tracks`.
        """
        start, end = np.frombuffer(self._start), np.frombuffer(self._end)
        names = list(self._names)
        name, track = np.frombuffer(self._name, np.int32), np.frombuffer(self._track, np.int32)
        kind, device = self._settled(names, name, track, tracks)
        return Events(
            start=(start - origin) * 1000,
            end=(end - origin) * 1000,
            name=name,
            kind=kind,
            track=track,
            device=device,
            correlation=np.frombuffer(self._correlation, np.int64),
            external=np.frombuffer(self._external, np.int64),
            names=names,
            tracks=tracks,
            extras=Extras(self._extras()),
        )

    def _settled(
        self, names: list[str], name: NDArray[np.int32], track: NDArray[np.int32], tracks: Sequence[Track]
    ) -> tuple[NDArray[np.int8], NDArray[np.int16]]:
        """Kinds and devices, now that processes have their names: XLA's traces give their events no category."""
        kind, device = np.frombuffer(self._kind, np.int8).copy(), np.frombuffer(self._device, np.int16).copy()
        unsettled = np.flatnonzero(kind < 0)
        if not len(unsettled):
            return kind, device
        stepping = np.zeros(len(kind), bool)
        stepping[np.frombuffer(self._numbers["step_num"][0], np.int64)] = True
        streams = {one.process for one in tracks if is_stream(one.name)}
        known: dict[tuple[int, int, bool], tuple[int, int]] = {}
        for row in unsettled:
            key = (int(name[row]), int(track[row]), bool(stepping[row]))
            if key not in known:
                where = tracks[key[1]]
                known[key] = _xla(names[key[0]], where, where.process in streams, key[2])
            kind[row], device[row] = known[key]
        return kind, device

    def _extras(self) -> dict[str, tuple[NDArray[np.int64], Any]]:
        found: dict[str, tuple[NDArray[np.int64], Any]] = {
            name: (np.frombuffer(rows, np.int64), np.frombuffer(values))
            for name, (rows, values) in self._numbers.items()
            if rows
        }
        for name, (rows, codes, texts) in self._texts.items():
            if rows:
                labels = Labels(np.frombuffer(codes, np.int64), [_text(one) for one in texts])
                found[name] = (np.frombuffer(rows, np.int64), labels)
        return found


def _xla(name: str, track: Track, streams: bool, stepping: bool) -> tuple[int, int]:
    """Kind and device of an event of XLA's, or of a trace of another tool."""
    process = track.process_name
    if process.startswith("/device:"):
        last = process.rpartition(":")[2].split(" ")[0]
        device = int(last) if last.isdecimal() and len(last) < 5 else 0
        work = is_work(track.name, streams)
        return (int(device_kind(name)) if work else int(Kind.DEVICE_ANNOTATION)), device
    return int(Kind.STEP if stepping else xla_host_kind(name)), -1


def _text(value: bytes) -> str:
    """A string as it is, anything else as JSON."""
    return str(msgspec.json.decode(value)) if value[:1] == b'"' else value.decode("utf-8", "replace")


def _number(value: _Number) -> float | None:
    try:
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return None


def _whole(value: _Number) -> int:
    """A number of 64 bits, -1 where it is none, or below zero."""
    if value is None:
        return -1
    try:
        found = int(value, 0) if isinstance(value, str) else int(value)
    except (ValueError, OverflowError):
        return -1
    return found if 0 <= found < 1 << 63 else -1
