"""Records of memory in an XSpace: what TensorFlow's allocators took and gave back, as events of the host's threads.

Names: `MemoryAllocation` and `MemoryDeallocation` and their statistics, as xplane_schema.cc of XLA's profiler has them.
Allocators write them when the host is traced at level 3 (`ProfilerOptions(host_tracer_level=3)`). On a CPU only large
tensors come from one that does; with `TF_CPU_ALLOCATOR_USE_BFC=1` in the environment all do.
"""

from __future__ import annotations

import re
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from .model import Memory

__all__ = ["Allocators"]

_SIGNS: Final = {"MemoryAllocation": 1, "MemoryDeallocation": -1}
_DEVICE: Final = re.compile(r"^(?:GPU|TPU|XLA_GPU)_(\d{1,4})_", re.IGNORECASE)
_MOST: Final = 1 << 62


class Allocators:
    """Takes records of memory into columns."""

    STATS: Final = frozenset(
        (
            "allocator_name",
            "bytes_reserved",
            "bytes_allocated",
            "bytes_available",
            "peak_bytes_in_use",
            "requested_bytes",
            "allocation_bytes",
            "addr",
            "tf_op",
            "shape",
            "tensor_shapes",
        )
    )
    """The statistics that are looked at."""

    def __init__(self) -> None:
        self._rows: list[tuple[float, int, int, int, int, int]] = []
        self._numbers: dict[str, int] = {}
        self._limits: dict[int, int] = {}
        self.unreadable = 0

    @staticmethod
    def records(name: str) -> bool:
        """Whether an event of this name is a record of memory."""
        return name in _SIGNS

    def take(self, name: str, time: float, track: int, stats: dict[str, Any]) -> None:
        """Takes a record.

        Args:
            name: of the event.
            time: nanoseconds.
            track: into the events' tracks.
            stats: its statistics by their names.
        """
        size = _whole(stats.get("allocation_bytes")) or _whole(stats.get("requested_bytes"))
        if not size:
            self.unreadable += 1
            return
        allocator = str(stats.get("allocator_name", ""))
        number = self._numbers.setdefault(allocator, len(self._numbers))
        used, stack = _whole(stats.get("bytes_allocated")), _whole(stats.get("bytes_reserved")) or 0
        spare = _whole(stats.get("bytes_available"))
        if used is not None and spare is not None:
            self._limits[number] = max(self._limits.get(number, 0), used + stack + spare)
        total = -1 if used is None else used + stack
        address = _whole(stats.get("addr")) or 0
        self._rows.append((time, number, _SIGNS[name] * size, total, address, track))

    def memory(self, origin: float) -> Memory:
        """What was taken, in the order of time.

        Args:
            origin: nanoseconds at which the profile begins.
        """
        table = sorted(self._rows, key=lambda row: row[0])
        columns = [np.array(column) for column in zip(*table, strict=True)] or [np.empty(0)] * 6
        time, allocator, delta, total, address, track = columns
        devices = np.array([_device(name) for name in self._numbers] or [-1], np.int16)
        device = devices[allocator.astype(np.int64)] if len(table) else np.empty(0, np.int16)
        delta = delta.astype(np.int64)
        return Memory(
            time=time.astype(np.float64) - origin,
            device=device,
            address=address.astype(np.uint64),
            delta=delta,
            allocated=_together(allocator.astype(np.int64), device, delta, total.astype(np.int64)),
            reserved=np.full(len(table), -1, np.int64),
            track=track.astype(np.int32),
        )

    def devices(self) -> dict[int, dict[str, Any]]:
        """How much devices' allocators may take, of those that say so."""
        found: dict[int, dict[str, Any]] = {}
        for name, number in self._numbers.items():
            if (device := _device(name)) >= 0 and number in self._limits:
                known = found.setdefault(device, {"totalGlobalMem": 0})
                known["totalGlobalMem"] = max(known["totalGlobalMem"], self._limits[number])
        return found


def _device(allocator: str) -> int:
    found = _DEVICE.match(allocator)
    return int(found[1]) if found else -1


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and 0 <= value < _MOST else None


def _together(
    allocator: NDArray[np.int64], device: NDArray[np.int16], delta: NDArray[np.int64], total: NDArray[np.int64]
) -> NDArray[np.int64]:
    """What all allocators of a device have in use after each record: each says only what it has itself.

    -1 for all records of a device of which an allocator does not say it.
    """
    found = np.zeros(len(total), np.int64)
    for number in np.unique(allocator).tolist():
        mine = np.flatnonzero(allocator == number)
        same = device == device[mine[0]]
        if (total[mine] < 0).any():
            found[same] = -_MOST
            continue
        at = np.searchsorted(mine, np.arange(len(total)), "right") - 1
        before = max(0, int(total[mine[0]] - delta[mine[0]]))
        found[same] += np.where(at >= 0, total[mine[np.maximum(at, 0)]], before)[same]
    return np.where(found < 0, -1, found)
