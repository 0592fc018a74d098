"""Events into columns, many at a time: the half of the reader of Chrome traces that their size asks to be quick."""

from __future__ import annotations

import itertools
import math
import operator
from collections import Counter
from collections.abc import Mapping, Sequence
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
    "collective": "Collective name",
    "elements_in": "In msg nelems",
    "elements_out": "Out msg nelems",
    "element": "dtype",
    "group": "Process Group Name",
    "group_size": "Group size",
    "python_id": "Python id",
    "python_parent": "Python parent id",
    "forward_thread": "Fwd thread id",
    "sequence": "Sequence number",
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
    sequence: _Number = None
    python_id: _Number = None
    python_parent: _Number = None
    stack: msgspec.Raw = msgspec.Raw()
    shapes: msgspec.Raw = msgspec.Raw()
    types: msgspec.Raw = msgspec.Raw()


class _TalkWork(_Work, gc=False, rename=_NAMES):
    """Of a kernel of a communication library, beside what other work has."""

    collective: msgspec.Raw = msgspec.Raw()
    element: msgspec.Raw = msgspec.Raw()
    group: msgspec.Raw = msgspec.Raw()
    elements_in: _Number = None
    elements_out: _Number = None
    group_size: _Number = None


class _TalkSpan(_Span, gc=False, rename=_NAMES):  # msgspec's structs have one base
    """Likewise of an operation of one."""

    collective: msgspec.Raw = msgspec.Raw()
    element: msgspec.Raw = msgspec.Raw()
    group: msgspec.Raw = msgspec.Raw()
    elements_in: _Number = None
    elements_out: _Number = None
    group_size: _Number = None


_TYPES: Final[dict[str, Any]] = {
    "start": np.float64,
    "end": np.float64,
    "name": np.int32,
    "kind": np.int8,
    "track": np.int32,
    "device": np.int16,
    "correlation": np.int64,
    "external": np.int64,
}
_ABSENT: Final = msgspec.Raw()
_CALLS: Final = (Kind.RUNTIME, Kind.DRIVER)
_DEVICE: Final = frozenset(map(int, (*DEVICE, Kind.DEVICE_ANNOTATION, Kind.DEVICE_SYNC)))


_sort_of: Final = operator.attrgetter("cat", "name", "pid", "tid")


def _fields(of: type[_Call], text: bool) -> tuple[str, ...]:
    """The names of its columns of texts, or of numbers."""
    skip = (*_Call.__struct_fields__, "device")
    return tuple(
        one.name for one in msgspec.structs.fields(of) if one.name not in skip and (one.type is msgspec.Raw) == text
    )


_ARGUMENTS: Final = (_Call, _Work, _Span, _TalkWork, _TalkSpan)
_TEXTS: Final = tuple(dict.fromkeys(name for of in _ARGUMENTS for name in _fields(of, True)))
_NUMBERS: Final = tuple(dict.fromkeys(name for of in _ARGUMENTS for name in _fields(of, False)))


_GROUP: Final = np.array(
    [
        *({Kind.COMM_KERNEL: 3, Kind.COMM_OP: 4}.get(kind, 0 if kind in _CALLS else 1 if kind in _DEVICE else 2)
          for kind in Kind),
        2,
    ],
    np.int8,
)  # fmt: skip
"""By a kind, which of `_ARGUMENTS` it has; the last is of a kind not settled."""

_TOP: Final = 1 << 63


class _Codes(dict[Any, int]):
    """Numbers things in the order in which they are first asked for."""

    def __missing__(self, key: Any) -> int:
        code = self[key] = len(self)
        return code


class _Tracks(_Codes):
    """Numbers tracks. Old traces write a thread as 25738 here and as "25738" there."""

    def __init__(self) -> None:
        super().__init__()
        self.plain = _Codes()

    def __missing__(self, key: Any) -> int:
        process, thread = key
        plain = int(thread) if isinstance(thread, str) and thread.isdecimal() and len(thread) < 20 else thread
        code = self[key] = self.plain[process, plain]
        return code


class _Sorts(_Codes):
    """Numbers what spans have of category, name, process and thread, and knows kind, name and track of each number."""

    def __init__(self, names: _Codes, tracks: _Tracks) -> None:
        super().__init__()
        self._names, self._tracks = names, tracks
        self._kinds: Mapping[tuple[str | None, str], int] = {}
        self._new: list[tuple[int, int, int]] = []
        self._table = np.empty((0, 3), np.int32)

    def __missing__(self, key: Any) -> int:
        category, name, process, thread = key
        self._new.append((self._kinds[category, name], self._names[name], self._tracks[process, thread]))
        return super().__missing__(key)

    def of(self, spans: list[Any], kinds: Mapping[tuple[str | None, str], int]) -> NDArray[np.int32]:
        """Kind, name and track of spans: int32 (3, spans); `kinds` as in `Builder.add`."""
        self._kinds = kinds
        numbers = np.array(list(map(self.__getitem__, map(_sort_of, spans))), np.int64)
        if self._new:
            self._table = np.concatenate((self._table, np.array(self._new, np.int32)))
            self._new = []
        return self._table[numbers].T


class _Sparse:
    """A column that few events have: rows and values, a piece at a time."""

    def __init__(self) -> None:
        self.rows: list[NDArray[np.int64]] = []
        self.values: list[NDArray[Any]] = []

    def add(self, rows: NDArray[np.int64], values: NDArray[Any]) -> None:
        self.rows.append(rows)
        self.values.append(values)

    def joined(self) -> tuple[NDArray[np.int64], NDArray[Any]]:
        rows = np.concatenate(self.rows)
        order = np.argsort(rows, kind="stable")
        return rows[order], np.concatenate(self.values)[order]


class Builder:
    """Columns that grow, many events at a time; times are those of the trace, microseconds.

    Args:
        skipped: what cannot be read is counted here.
    """

    def __init__(self, skipped: Counter[str]) -> None:
        self._skipped = skipped
        self._pieces: dict[str, list[NDArray[Any]]] = {name: [] for name in _TYPES}
        self._many = 0
        self._names, self._tracks = _Codes(), _Tracks()
        self._sorts = _Sorts(self._names, self._tracks)
        self._numbers = {name: _Sparse() for name in _NUMBERS}
        self._texts = {name: (_Sparse(), _Codes()) for name in _TEXTS}
        self._decoders = [(of, msgspec.json.Decoder(of).decode) for of in _ARGUMENTS]
        self.first = math.inf

    @property
    def tracks(self) -> list[tuple[Any, Any]]:
        """Process and thread of each track, as the trace has them."""
        return list(self._tracks.plain)

    def track(self, where: tuple[Any, Any]) -> int:
        """The number of a track."""
        return self._tracks[where]

    def add(self, spans: list[Any], kinds: Mapping[tuple[str | None, str], int]) -> None:
        """Adds spans.

        Args:
            spans: events with the fields of Chrome's: ts, dur, name, cat, pid, tid, and args as JSON.
            kinds: a `Kind` by category and name, -1 for one to be found by its process, when all of them are known.
        """
        start, dur = _times([span.ts for span in spans]), _times([span.dur for span in spans])
        timed = np.isfinite(start) & ~np.isinf(dur)
        if not timed.all():
            self._skipped["spans without a time"] += int((~timed).sum())
            spans = list(itertools.compress(spans, timed.tolist()))
            start, dur = start[timed], dur[timed]
        if not spans:
            return
        backward = int((dur < 0).sum())
        if backward:
            self._skipped["spans that end before they begin"] += backward
        end = start + np.maximum(np.nan_to_num(dur), 0)
        self.first = min(self.first, float(start.min()))
        kind, name, track = self._sorts.of(spans, kinds)
        columns: dict[str, NDArray[Any]] = {
            "start": start,
            "end": end,
            "name": name,
            "kind": kind.astype(np.int8),
            "track": track,
            **{name: np.full(len(spans), -1, _TYPES[name]) for name in ("device", "correlation", "external")},
        }
        group = _GROUP[kind]
        for number, (of, decode) in enumerate(self._decoders):
            rows = np.flatnonzero(group == number).tolist()
            found, read = self._decoded([spans[row].args for row in rows], rows, decode)
            if len(found):
                self._arguments(of, found, np.array(read, np.int64), columns)
        for name, column in columns.items():
            self._pieces[name].append(column)
        self._many += len(spans)

    def _decoded(self, args: list[Any], rows: list[int], decode: Any) -> tuple[list[Any], list[int]]:
        """The arguments that can be read, and their rows."""
        if _ABSENT in args:
            rows = [row for row, one in zip(rows, args, strict=True) if one != _ABSENT]
            args = [one for one in args if one != _ABSENT]
        try:
            return list(map(decode, args)), rows
        except UNREADABLE:
            found: list[Any] = []
            read: list[int] = []
            for row, one in zip(rows, args, strict=True):
                try:
                    found.append(decode(one))
                    read.append(row)
                except UNREADABLE:
                    self._skipped["arguments of events that cannot be read"] += 1
            return found, read

    def _arguments(
        self, of: type[_Call], found: list[Any], rows: NDArray[np.int64], columns: dict[str, NDArray[Any]]
    ) -> None:
        columns["correlation"][rows] = _wholes([one.correlation for one in found])
        external = [one.external for one in found]
        if None in external:
            external = [one.external if one.external is not None else one.external_old for one in found]
        columns["external"][rows] = _wholes(external)
        if issubclass(of, _Work):
            device = _wholes([one.device for one in found])
            columns["device"][rows] = np.where(device < 1 << 15, device, -1)
        for name in _fields(of, text=False):
            get = operator.attrgetter(name)
            values = list(map(get, found))
            if values.count(None) < len(values):
                numbers = _times(values)
                told = ~np.isnan(numbers)
                self._numbers[name].add(rows[told] + self._many, numbers[told])
        for name in _fields(of, text=True):
            get = operator.attrgetter(name)
            raws = list(map(bytes, map(get, found)))
            absent = raws.count(b"")
            if absent < len(raws):
                at = rows
                if absent:
                    at = rows[np.fromiter(map(bool, raws), bool, len(raws))]
                    raws = list(filter(None, raws))
                column, codes = self._texts[name]
                column.add(at + self._many, np.array(list(map(codes.__getitem__, raws)), np.int64))

    def events(self, origin: float, tracks: Sequence[Track]) -> Events:
        """The columns.

        Args:
            origin: the time, in the trace's microseconds, at which the profile begins.
            tracks: each track, in the order of `tracks`.
        """
        columns = {name: _joined(pieces, _TYPES[name]) for name, pieces in self._pieces.items()}
        names = list(self._names)
        kind, device = self._settled(names, columns, tracks)
        return Events(
            start=(columns["start"] - origin) * 1000,
            end=(columns["end"] - origin) * 1000,
            name=columns["name"],
            kind=kind,
            track=columns["track"],
            device=device,
            correlation=columns["correlation"],
            external=columns["external"],
            names=names,
            tracks=tracks,
            extras=Extras(self._extras()),
        )

    def _settled(
        self, names: list[str], columns: dict[str, NDArray[Any]], tracks: Sequence[Track]
    ) -> tuple[NDArray[np.int8], NDArray[np.int16]]:
        """Kinds and devices, now that processes have their names: XLA's traces give their events no category."""
        kind, device, name, track = (columns[column] for column in ("kind", "device", "name", "track"))
        unsettled = np.flatnonzero(kind < 0)
        if not len(unsettled):
            return kind, device
        stepping = np.zeros(len(kind), bool)
        for rows in self._numbers["step_num"].rows:
            stepping[rows] = True
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
            name: column.joined() for name, column in self._numbers.items() if column.rows
        }
        for name, (column, codes) in self._texts.items():
            if column.rows:
                rows, values = column.joined()
                found[name] = rows, Labels(values, [_text(one) for one in codes])
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


def _joined(pieces: list[NDArray[Any]], kind: Any) -> NDArray[Any]:
    return np.concatenate(pieces) if pieces else np.empty(0, kind)


def _times(values: list[Any]) -> NDArray[np.float64]:
    """Numbers, NaN for what is none."""
    try:
        return np.array(values, np.float64)
    except (TypeError, ValueError, OverflowError):
        return np.array([_number(value) for value in values])


def _number(value: _Number) -> float:
    try:
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return math.nan


def _wholes(values: list[_Number]) -> NDArray[np.int64]:
    """Numbers of 64 bits, -1 for what is none, or below zero."""
    absent = values.count(None)
    if absent == len(values):
        return np.full(len(values), -1, np.int64)
    if not absent:
        try:
            found = np.array(values)
        except (ValueError, OverflowError):
            found = np.empty(0)
        if found.dtype == np.int64:
            return np.maximum(found, -1)
    return np.array(
        [value if type(value) is int and 0 <= value < _TOP else _whole(value) for value in values], np.int64
    )


def _whole(value: _Number) -> int:
    if value is None:
        return -1
    try:
        found = int(value, 0) if isinstance(value, str) else int(value)
    except (ValueError, OverflowError):
        return -1
    return found if 0 <= found < _TOP else -1
