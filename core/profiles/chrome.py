"""Chrome traces: PyTorch's, old and new, XLA's `trace.json.gz`, and any other.

Format: the Trace Event Format of Chromium's about:tracing, as JSON, an object with `traceEvents` or a bare list.
A damaged file is read as far as it goes, event by event.
"""

from __future__ import annotations

import importlib
import itertools
import math
import re
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Final

import ijson  # pyright: ignore[reportMissingTypeStubs]
import msgspec
import numpy as np
from numpy.typing import NDArray

from .columns import UNREADABLE, Builder
from .model import Kind, Memory, Profile, Track
from .naming import category_kind

__all__ = ["Trace", "read_chrome"]

_LARGE: Final = 600 << 20
"""Bytes of JSON above which events are read in pieces, so that only columns are kept."""

_OF_FILE: Final = 1 << 16  # bytes that are unpacked at a time: of a megabyte's, most time goes into making room
_AT_ONCE: Final = 16 << 20  # bytes of a large file's events that are decoded together
_TRIES: Final = 20  # places at which such a piece might end
_BEGIN: Final = re.compile(rb'"traceEvents"\s*:\s*\[|^\s*\[')
_WIDE: Final = 1 << 62
_PIECE: Final = 1 << 16  # events that are taken into columns at a time
_NO_MARKS: Final = frozenset(("X", "s", "t", "f", "C", ""))

_NOT_JSON: Final = re.compile(rb"(?<=[:\[, ])-?(?:Infinity|inf|NaN|nan)(?=\s*[,}\]])")
_WORKER: Final = re.compile(r"^(.*?)(\.\d+)?(\.pt)?\.trace\.json(\.gz)?$|^(.*?)\.json(\.gz)?$")


class Event(msgspec.Struct, gc=False):
    """One of `traceEvents`."""

    ph: str = ""
    name: str = ""
    cat: str | None = None
    ts: float | str | None = None
    dur: float | str | None = None
    pid: int | str | None = None
    tid: int | str | None = None
    args: msgspec.Raw = msgspec.Raw()


class Trace(msgspec.Struct, rename={"events": "traceEvents"}):
    """A whole trace; what stands beside the events is what kineto writes there."""

    events: list[Event] = []
    deviceProperties: list[dict[str, Any]] | None = None  # noqa: N815 - its name in the file
    distributedInfo: dict[str, Any] | None = None  # noqa: N815
    baseTimeNanoseconds: int | None = None  # noqa: N815
    schemaVersion: int | None = None  # noqa: N815
    metadata: dict[str, Any] | None = None
    record_shapes: int | None = None
    profile_memory: int | None = None
    with_stack: int | None = None
    with_flops: int | None = None
    with_modules: int | None = None


_OPTIONS: Final = ("record_shapes", "profile_memory", "with_stack", "with_flops", "with_modules")
_decode_any: Final = msgspec.json.Decoder()


@dataclass
class _Head:
    """What a trace says beside its events."""

    facts: dict[str, Any] = field(default_factory=dict[str, Any])

    def of(self, trace: Trace) -> _Head:
        told = {name: getattr(trace, name) for name in Trace.__struct_fields__ if name != "events"}
        self.facts |= {name: value for name, value in told.items() if value is not None}
        return self


def read_chrome(path: Path | str) -> Profile:
    """The profile in a Chrome trace.

    Args:
        path: of the file; one that ends in `.gz`, or begins as such a file does, is unpacked.

    Returns:
        The profile. What could not be read is counted in `skipped`.

    Raises:
        OSError: the file cannot be read.
    """
    file = Path(path)
    skipped: Counter[str] = Counter()
    head = _Head()
    builder = Builder(skipped)
    reader = _Rows(builder, skipped)
    size = file.stat().st_size
    packed = _is_packed(file)
    if size < (_LARGE // 16 if packed else _LARGE):
        data = _unpacked(file, skipped) if packed else file.read_bytes()
        if len(data) < _LARGE:
            reader.take(_whole(data, head, skipped))
            return _profile(file, reader, head, skipped)
        del data
    reader.take(_in_pieces(_chunks(file, packed, skipped), head, skipped))
    return _profile(file, reader, head, skipped)


def _is_packed(file: Path) -> bool:
    with file.open("rb") as stream:
        return stream.read(2) == b"\x1f\x8b"


def _chunks(file: Path, packed: bool, skipped: Counter[str]) -> Iterator[bytes]:
    """The bytes of a file, unpacked, as many members as there are, as far as they go."""
    fast = _isal()
    damaged: tuple[type[Exception], ...] = (zlib.error, fast.error) if fast else (zlib.error,)
    with file.open("rb") as stream:
        engine: Any = None
        while piece := stream.read(_OF_FILE):
            if not packed:
                yield piece
                continue
            while piece:
                engine = engine or (fast or zlib).decompressobj(31)
                try:
                    yield engine.decompress(piece)
                except damaged:
                    skipped["parts of the file whose compression is damaged"] += 1
                    return
                piece, ended = engine.unused_data, engine.eof
                engine = None if ended else engine
                if not ended:
                    break
        if engine is not None:
            skipped["ends before its compression does"] += 1


@cache
def _isal() -> Any:
    """isal, which unpacks twice as fast as zlib; None where it is not installed (extra `fast`)."""
    try:
        return importlib.import_module("isal.isal_zlib")
    except ImportError:
        return None


def _unpacked(file: Path, skipped: Counter[str]) -> bytes:
    return b"".join(_chunks(file, True, skipped))


def _whole(data: bytes, head: _Head, skipped: Counter[str]) -> Iterable[Event]:
    """The events of a file that is in memory, at once where it is as it should be."""
    for mended in (False, True):
        if mended:  # NaN for a number is no JSON, nor are bytes that are no UTF-8
            data = _NOT_JSON.sub(b"null", data.decode("utf-8", "replace").encode())
        try:
            if data.lstrip()[:1] == b"[":
                return msgspec.json.decode(data, type=list[Event])
            trace = msgspec.json.decode(data, type=Trace)
        except UNREADABLE:
            continue
        head.of(trace)
        return trace.events
    return _streamed(iter([data]), head, skipped)


def _in_pieces(chunks: Iterator[bytes], head: _Head, skipped: Counter[str]) -> Iterator[Event]:
    """Events, some megabytes of them at a time; from where that fails on, one after another.

    Args:
        chunks: the bytes of the file.
        head: what stands beside the events goes there.
        skipped: what cannot be read is counted here.
    """
    data, opened = b"", b""
    for chunk in chunks:
        data += chunk
        if len(data) < _AT_ONCE:
            continue
        if not opened:
            begun = _BEGIN.search(data)
            if begun is None:
                break
            opened = b"[" if begun[0].lstrip()[:1] == b"[" else b'{"traceEvents":['
            with suppress(*UNREADABLE):
                head.of(msgspec.json.decode(data[: begun.start()].rstrip().rstrip(b",") + b"}", type=Trace))
            data = data[begun.end() :]
        events, data = _cut(data)
        if not events:
            break
        yield from events
    else:
        yield from _whole(opened + data, head, skipped)
        return
    yield from _streamed(itertools.chain((opened + data,), chunks), head, skipped)


def _cut(data: bytes) -> tuple[list[Event], bytes]:
    """The whole events that some bytes begin with, and the bytes behind them; none where they are no events.

    They are cut where one object follows another. That what is before is whole events is known by its being JSON: of a
    cut inside of one, brackets would be left open.
    """
    for mended in (False, True):
        if mended:
            data = _NOT_JSON.sub(b"null", data.decode("utf-8", "replace").encode())
        at, tries = len(data), 0
        while tries < _TRIES and (at := data.rfind(b"{", 0, at)) > 0:
            before = data[max(at - 64, 0) : at].rstrip()
            if before[-1:] != b"," or before[:-1].rstrip()[-1:] != b"}":
                continue
            tries += 1
            with suppress(*UNREADABLE):
                end = data.rindex(b",", 0, at)
                return msgspec.json.decode(b"[" + data[:end] + b"]", type=list[Event]), data[at:]
    return [], data


class _Stream:
    """Chunks, as a file that is read."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._left = b""

    def read(self, many: int = -1) -> bytes:
        if many == 0:
            return b""
        while not self._left:
            piece = next(self._chunks, None)
            if piece is None:
                return b""
            self._left = piece
        found = self._left if many < 0 else self._left[:many]
        self._left = self._left[len(found) :]
        return found


def _streamed(chunks: Iterator[bytes], head: _Head, skipped: Counter[str]) -> Iterator[Event]:
    """Events one after another, up to the first place that is no JSON; of several documents those of all."""
    builder: Any = None
    depth_of_event = ""
    try:
        for prefix, kind, value in ijson.parse(_Stream(chunks), use_float=True, multiple_values=True):
            if builder is not None:
                builder.event(kind, value)
                if kind == "end_map" and prefix == depth_of_event:
                    yield from _converted(builder.value, skipped)
                    builder = None
            elif kind == "start_map" and prefix in ("traceEvents.item", "item"):
                depth_of_event = prefix
                builder = ijson.ObjectBuilder()
                builder.event(kind, value)
            elif prefix in Trace.__struct_fields__ and kind in ("number", "string"):
                head.facts[prefix] = value
    except (ijson.JSONError, UnicodeDecodeError):
        skipped["places from which on the file is no JSON"] += 1
    if builder is not None:
        skipped["events cut at the end"] += 1


def _converted(value: Any, skipped: Counter[str]) -> Iterator[Event]:
    try:
        args = value.pop("args", None)
        event = msgspec.convert(value, Event, strict=False)
        if args is not None:
            event.args = msgspec.Raw(msgspec.json.encode(args))
        yield event
    except (TypeError, *UNREADABLE):
        skipped["events that are no events"] += 1


class _Kinds(dict[tuple[str | None, str], int]):
    """The kind of spans by category and name; -1 without a category: by the process, when all of them are known."""

    def __init__(self, skipped: Counter[str]) -> None:
        super().__init__()
        self._skipped = skipped

    def __missing__(self, key: tuple[str | None, str]) -> int:
        category, name = key
        kind = -1 if category is None else category_kind(category.lower(), name)
        if kind is None:
            self._skipped[f"kinds of events of the unknown category {str(category)[:40]!r}"] += 1
            kind = Kind.OTHER
        self[key] = int(kind)
        return int(kind)


class _MemoryArgs(
    msgspec.Struct,
    gc=False,
    rename={
        "device_type": "Device Type",
        "device_id": "Device Id",
        "address": "Addr",
        "delta": "Bytes",
        "allocated": "Total Allocated",
        "reserved": "Total Reserved",
    },
):
    """The arguments of a record of memory."""

    delta: int
    device_type: int = 1
    device_id: int = -1
    address: int = 0
    allocated: int = -1
    reserved: int = -1


class _Rows:
    """Takes the events of a trace into columns."""

    def __init__(self, builder: Builder, skipped: Counter[str]) -> None:
        self.builder = builder
        self._skipped = skipped
        self._open: dict[tuple[Any, Any], list[Event]] = {}
        self._names: dict[tuple[Any, Any], str] = {}
        self._processes: dict[Any, str] = {}
        self._kinds = _Kinds(skipped)
        self._decode_memory = msgspec.json.Decoder(_MemoryArgs).decode
        self.memory: list[tuple[float, int, int, int, int, int, int]] = []

    @property
    def torch(self) -> bool:
        """Whether spans have categories, as PyTorch's have."""
        return any(kind >= 0 for kind in self._kinds.values())

    def take(self, events: Iterable[Event]) -> None:
        """Takes them, in about their order."""
        following = iter(events)
        while piece := list(itertools.islice(following, _PIECE)):
            spans = [event for event in piece if event.ph == "X"]
            if len(spans) < len(piece):
                records: list[Event] = []
                for event in piece:
                    if event.ph not in _NO_MARKS:
                        self._marked(event, spans, records)
                self._allocations(records)
            self.builder.add(spans, self._kinds)
        left = sum(map(len, self._open.values()))
        if left:
            self._skipped["spans that begin and never end"] += left

    def _marked(self, event: Event, spans: list[Event], records: list[Event]) -> None:
        """An event that is no span, or half of one; those of memory are put aside."""
        phase = event.ph
        if phase in ("i", "I"):
            if event.name == "[memory]":
                records.append(event)
        elif phase == "M":
            self._named(event)
        elif phase == "B":
            self._open.setdefault((event.pid, event.tid), []).append(event)
        elif phase == "E":
            self._ended(event, spans)
        else:
            self._skipped[f"events of the phase {phase[:8]!r}"] += 1

    def _ended(self, event: Event, spans: list[Event]) -> None:
        waiting = self._open.get((event.pid, event.tid))
        begun = waiting.pop() if waiting else None
        first, last = _number(begun.ts) if begun else None, _number(event.ts)
        if begun is None or first is None or last is None:
            self._skipped["ends of spans that never began"] += 1
        else:
            begun.dur = last - first
            spans.append(begun)

    def _allocations(self, events: list[Event]) -> None:
        """Takes records of memory, at once where all are as they should be."""
        try:
            found = list(map(self._decode_memory, [event.args for event in events]))
            times = np.array([event.ts for event in events], np.float64)
            device, sort, delta, allocated, reserved = (
                np.array([getattr(one, name) for one in found], np.int64)
                for name in ("device_id", "device_type", "delta", "allocated", "reserved")
            )
            address = np.array([one.address for one in found], np.uint64)
        except (TypeError, ValueError, OverflowError, *UNREADABLE):
            times = device = np.full(1, np.nan)
            delta = allocated = reserved = sort = address = device
        device = np.where(sort == 0, -1, device)
        sizes = np.abs(np.stack((delta, allocated, reserved)))
        if not (np.isfinite(times) & (device >= -1) & (device < 1 << 15) & (sizes < _WIDE)).all():
            for event in events:
                self._allocation(event)
            return
        tracks = [self.builder.track((event.pid, event.tid)) for event in events]
        columns = (times, device, address, delta, allocated, reserved, tracks)
        self.memory += zip(*(np.asarray(column).tolist() for column in columns), strict=True)

    def _allocation(self, event: Event) -> None:
        time, row = _number(event.ts), self._memory_row(event.args)
        if time is None or row is None:
            self._skipped["records of memory that cannot be read"] += 1
        else:
            self.memory.append((time, *row, self.builder.track((event.pid, event.tid))))

    def _memory_row(self, args: msgspec.Raw) -> tuple[int, int, int, int, int] | None:
        """Device, address, bytes, allocated and reserved of a record of memory; None if it is none."""
        try:
            found = self._decode_memory(args)
        except UNREADABLE:
            return None
        device = -1 if found.device_type == 0 else found.device_id
        fits = (
            -1 <= device < 1 << 15
            and 0 <= found.address < 1 << 64
            and -_WIDE < found.delta < _WIDE
            and -_WIDE < found.allocated < _WIDE
            and -_WIDE < found.reserved < _WIDE
        )
        return (device, found.address, found.delta, found.allocated, found.reserved) if fits else None

    def _named(self, event: Event) -> None:
        if event.name not in ("process_name", "thread_name"):
            return
        try:
            name = str(_decode_any.decode(event.args)["name"])
        except (KeyError, TypeError, *UNREADABLE):
            return
        if event.name == "process_name":
            self._processes[event.pid] = name
        else:
            thread = event.tid
            self._names[event.pid, int(thread) if isinstance(thread, str) and thread.isdecimal() else thread] = name

    def tracks(self) -> list[Track]:
        """Where the events ran, with the names that the trace gives."""
        return [
            Track(
                process if process is not None else "",
                thread if thread is not None else "",
                self._names.get((process, thread), ""),
                self._processes.get(process, ""),
            )
            for process, thread in self.builder.tracks
        ]


def _number(value: float | str | None) -> float | None:
    try:
        found = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None
    return found if math.isfinite(found) else None


def _profile(file: Path, reader: _Rows, head: _Head, skipped: Counter[str]) -> Profile:
    facts = head.facts
    builder = reader.builder
    origin = min(builder.first, min((row[0] for row in reader.memory), default=math.inf))
    origin = origin if math.isfinite(origin) else 0.0
    tracks = reader.tracks()
    events = builder.events(origin, tracks)
    spread: dict[str, Any] = facts.get("distributedInfo") or {}
    name = _WORKER.match(file.name)
    torch = facts.get("schemaVersion") is not None or reader.torch
    return Profile(
        source="torch" if torch else _source(tracks),
        base=int(facts.get("baseTimeNanoseconds") or 0) + math.floor(origin) * 1000 + round(origin % 1 * 1000),
        events=events,
        allocations=_memory(reader.memory, origin),
        devices={int(one.get("id", i)): one for i, one in enumerate(facts.get("deviceProperties") or [])},
        worker=(name[1] or name[5] or file.name) if name else file.name,
        rank=_whole_number(spread.get("rank")),
        world=_whole_number(spread.get("world_size")),
        options={key: bool(facts[key]) for key in _OPTIONS if facts.get(key) is not None},
        skipped=dict(skipped),
    )


def _source(tracks: list[Track]) -> str:
    xla = any(track.process_name.startswith(("/host:", "/device:")) for track in tracks)
    return "jax" if xla else ""


def _whole_number(value: Any) -> int | None:
    return value if isinstance(value, int) and value >= 0 else None


def _memory(rows: list[tuple[float, int, int, int, int, int, int]], origin: float) -> Memory:
    columns = list(zip(*rows, strict=True)) or [()] * 7
    order = np.argsort(np.array(columns[0], np.float64), kind="stable")

    def column(at: int, kind: Any) -> NDArray[Any]:
        return np.array(columns[at], kind)[order]

    return Memory(
        time=(column(0, np.float64) - origin) * 1000,
        device=column(1, np.int16),
        address=column(2, np.uint64),
        delta=column(3, np.int64),
        allocated=column(4, np.int64),
        reserved=column(5, np.int64),
        track=column(6, np.int32),
    )
