"""XSpace, the `*.xplane.pb` of TensorFlow's, Keras' and JAX's profilers.

Format: xplane.proto of XLA; names of planes, lines and statistics as xplane_schema.cc of the same has them. A plane
`/host:CPU` holds threads, a plane `/device:GPU:0` the streams of a device with lines derived from them, a plane
`/device:TPU:0` its operations.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
from google.protobuf.message import DecodeError
from numpy.typing import NDArray

from ..dataframes import Labels
from ..errors import CorruptRecord
from ..proto.xplane_pb2 import XEvent, XLine, XPlane, XSpace, XStat
from .allocators import Allocators
from .model import Events, Extras, Kind, Profile, Track
from .naming import device_kind, is_stream, is_work, xla_host_kind
from .programs import Programs, programs

__all__ = ["read_xspace"]

_NUMBERS: Final = {"step_num": "step_num", "bytes_accessed": "bytes", "flops": "flops", "occupancy_pct": "occupancy"}
_TEXTS: Final = frozenset(
    ("hlo_op", "hlo_module", "hlo_category", "tf_op", "kernel_details", "source", "scope", "long_name")
)
_WANTED: Final = frozenset((*_NUMBERS, *_TEXTS, "correlation_id", "program_id"))
_OPERATIONS: Final = ("XLA Ops", "Async XLA Ops")
"""Lines whose events are XLA's operations, by name."""


def read_xspace(path: Path | str) -> Profile:
    """The profile in an XSpace file.

    Args:
        path: of the file.

    Raises:
        OSError: the file cannot be read.
        CorruptRecord: it is no XSpace.
    """
    file = Path(path)
    try:
        space = XSpace.FromString(file.read_bytes())
    except DecodeError as error:
        raise CorruptRecord(f"{file}: no profile of XLA's ({error}); is the file whole?") from None
    if not space.planes:
        raise CorruptRecord(f"{file}: a profile without a plane; is the file whole, and an .xplane.pb?")
    rows = _Rows(programs(space))
    facts: dict[str, Any] = {}
    for plane in space.planes:
        facts.update(_stats(plane, plane.stats, None))
        rows.take(plane)
    return rows.profile(file, space, facts)


def _stats(plane: XPlane, stats: Any, wanted: frozenset[str] | None) -> Iterator[tuple[str, Any]]:
    names = plane.stat_metadata
    for stat in stats:
        name = names[stat.metadata_id].name if stat.metadata_id in names else ""
        if wanted is None or name in wanted:
            yield name, _value(plane, stat)


def _value(plane: XPlane, stat: XStat) -> Any:
    which = stat.WhichOneof("value")
    if which is None:
        return None
    value = getattr(stat, which)
    if which == "ref_value":
        return plane.stat_metadata[value].name if value in plane.stat_metadata else ""
    return value.decode("utf-8", "replace") if which == "str_value" else value


class _Rows:
    """Takes planes into columns.

    Args:
        programs: what XLA's programs say of their operations.
    """

    def __init__(self, programs: Programs) -> None:
        self._programs = programs
        self._start: list[float] = []
        self._end: list[float] = []
        self._columns: dict[str, list[int]] = {name: [] for name in ("name", "kind", "track", "device", "correlation")}
        self._names: dict[str, int] = {}
        self._tracks: list[Track] = []
        self._extras: dict[str, tuple[list[int], list[Any]]] = {}
        self._allocators = Allocators()
        self.jax = False

    def take(self, plane: XPlane) -> None:
        """Takes the events of a plane."""
        self.jax |= plane.name == "/host:metadata"
        streams = any(is_stream(line.name) for line in plane.lines)
        on_device = plane.name.startswith("/device:")
        last = plane.name.rpartition(":")[2].split(" ")[0]
        device = (int(last) if last.isdecimal() and len(last) < 5 else 0) if on_device else -1
        for line in plane.lines:
            if on_device:
                work = is_work(line.name, streams)
                self._line(plane, line, device, work)
            elif line.events:
                self._line(plane, line, -1, False)

    def _line(self, plane: XPlane, line: XLine, device: int, work: bool) -> None:
        track = len(self._tracks)
        self._tracks.append(Track(plane.name, line.id, line.display_name or line.name, plane.name))
        known: dict[int, tuple[int, Kind, dict[str, Any]]] = {}
        for event in line.events:
            which = event.metadata_id
            about = plane.event_metadata.get(which)
            if about and device < 0 and Allocators.records(about.name):
                when = line.timestamp_ns + event.offset_ps / 1000
                stats = dict(_stats(plane, event.stats, Allocators.STATS))
                self._allocators.take(about.name, when, track, stats)
                continue
            if which not in known:
                name = (about.display_name or about.name) if about else ""
                usual = device_kind(name) if work else Kind.DEVICE_ANNOTATION if device >= 0 else xla_host_kind(name)
                shared = dict(_stats(plane, about.stats, _WANTED)) if about else {}
                if work and line.name in _OPERATIONS:
                    shared.setdefault("hlo_op", name)
                if about and device < 0 and about.name != name:
                    shared["long_name"] = about.name  # the operation's path, and the iterator's
                known[which] = self._names.setdefault(name, len(self._names)), usual, shared
            name_id, kind, shared = known[which]
            stats = {**shared, **dict(_stats(plane, event.stats, _WANTED))}
            self._event(line, event, (name_id, kind, track, device), stats)

    def _event(self, line: XLine, event: XEvent, place: tuple[int, Kind, int, int], stats: dict[str, Any]) -> None:
        row = len(self._start)
        name, kind, track, device = place
        correlation = _whole(stats.pop("correlation_id", None))
        program = _whole(stats.pop("program_id", None))
        if "step_num" in stats and device < 0:
            kind = Kind.STEP
        if "hlo_op" in stats:
            stats = {**self._programs.about(program, stats), **stats}
        for stat, value in stats.items():
            at, values = self._extras.setdefault(_NUMBERS.get(stat, stat), ([], []))
            at.append(row)
            values.append(value)
        if correlation >= 0 and device < 0 and kind == Kind.CPU_OP:
            kind = Kind.RUNTIME
        start = line.timestamp_ns + event.offset_ps / 1000
        self._start.append(start)
        self._end.append(start + max(event.duration_ps, 0) / 1000)
        for column, value in zip(self._columns.values(), (name, kind, track, device, correlation), strict=True):
            column.append(int(value))

    def profile(self, file: Path, space: XSpace, facts: dict[str, Any]) -> Profile:
        """What was taken."""
        origin = int(min(self._start, default=0))
        started = facts.get("profile_start_time")
        began = int(started) if isinstance(started, int) and origin < 1 << 59 else 0  # lines may have either clock
        columns = self._columns
        events = Events(
            start=np.array(self._start, float) - origin,
            end=np.array(self._end, float) - origin,
            name=np.array(columns["name"], np.int32),
            kind=np.array(columns["kind"], np.int8),
            track=np.array(columns["track"], np.int32),
            device=np.array(columns["device"], np.int16),
            correlation=np.array(columns["correlation"], np.int64),
            external=np.full(len(self._start), -1, np.int64),
            names=list(self._names),
            tracks=self._tracks,
            extras=Extras({name: _column(name, *pair) for name, pair in self._extras.items()}),
        )
        worker = space.hostnames[0] if space.hostnames else file.name.removesuffix(".xplane.pb")
        skipped = {f"the profiler's own: {text[:200]}": 1 for text in (*space.errors, *space.warnings)}
        if self._allocators.unreadable:
            skipped["records of memory that cannot be read"] = self._allocators.unreadable
        return Profile(
            source="jax" if self.jax else "tensorflow",
            base=began + origin,
            events=events,
            allocations=self._allocators.memory(origin),
            devices=self._allocators.devices(),
            worker=worker,
            skipped=skipped,
        )


def _whole(value: Any) -> int:
    return value if isinstance(value, int) else -1


def _column(name: str, rows: list[int], values: list[Any]) -> tuple[NDArray[np.int64], Any]:
    at = np.array(rows, np.int64)
    if name in _TEXTS:
        codes: dict[str, int] = {}
        found = np.array([codes.setdefault(str(value), len(codes)) for value in values], np.int64)
        return at, Labels(found, list(codes))
    return at, np.array([float(value) if isinstance(value, (int, float)) else np.nan for value in values])
