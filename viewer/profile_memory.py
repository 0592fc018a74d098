"""The curve of a device's memory, with as many points as a screen can show and no peak lost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from tallyboard.core.profiles.memory import memory_devices

from .profile_sheets import BadQuestion
from .profile_tables import device_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from tallyboard.core.profiles.memory import MemoryCurve
    from tallyboard.core.profiles.model import Profile

    from .profile_tables import Keep

__all__ = ["MOST_PIXELS", "curve_told"]

MOST_PIXELS: Final = 2_000
_MOST_STEPS: Final = 1_000


def curve_told(profile: Profile, keep: Keep, query: Mapping[str, str]) -> dict[str, Any]:
    """The memory of a device over some time.

    `devices` has of each device that the trace tells of its number (-1 is the host), name, `peak` in bytes and when
    that was, `exact` (whether the trace says how much was in use; else the curve begins at nought), `records`,
    `pieces` (whether it says where each lies, so that its lifetime is known), and
    `whole`, the bytes there are, null where unknown. `time, low, high, last, reserved` are columns: of each piece of
    time in which anything changed when it first did, the least and most bytes in use, those at its end, and the most
    that the allocator kept (-1 for unknown). `before` is what was in use before the first of them. `steps` are name,
    begin and end of each step.

    Args:
        profile: the profile.
        keep: what keeps its parts.
        query: `device`, `lo` and `hi` in nanoseconds, all of it where they are absent, and `pixels`.

    Raises:
        BadQuestion: one of these is none.
    """
    device = device_of(profile, query)
    curves = {one: _curve(keep, one) for one in memory_devices(profile)}
    devices = [_device(profile, one, curve) for one, curve in curves.items()]
    steps = profile.steps
    names = [[name, *map(float, steps.window[i])] for i, name in enumerate(steps.name[:_MOST_STEPS])]
    told: dict[str, Any] = {"devices": devices, "device": device, "steps": names if steps.marked else []}
    if device not in curves:
        return told
    curve = curves[device]
    end = max(float(curve.time[-1]), float(profile.events.end.max(initial=0.0)))
    lo, hi = _time(query, "lo", 0.0), _time(query, "hi", end)
    if lo >= hi:
        raise BadQuestion(f"lo={lo:g} is not before hi={hi:g}")
    return {**told, "end": end, "lo": lo, "hi": hi, **_buckets(curve, lo, hi, _pixels(query))}


def _curve(keep: Keep, device: int) -> MemoryCurve:
    return keep(("memory.curve", device), lambda one: one.memory(device))


def _device(profile: Profile, device: int, curve: MemoryCurve) -> dict[str, Any]:
    at = int(np.argmax(curve.allocated))
    facts = profile.devices.get(device, {})
    whole = facts.get("totalGlobalMem")
    return {
        "device": device,
        "name": str(facts.get("name", "")),
        "peak": int(curve.allocated[at]),
        "peak_at": float(curve.time[at]),
        "reserved": int(curve.reserved.max(initial=-1)),
        "exact": curve.exact,
        "records": len(curve.time),
        "pieces": bool(profile.allocations.address[profile.allocations.device == device].any()),
        "whole": whole if isinstance(whole, int) and whole > 0 else None,
    }


def _time(query: Mapping[str, str], name: str, usual: float) -> float:
    said = query.get(name, "")
    if not said:
        return usual
    try:
        found = float(said)
    except ValueError:
        found = np.nan
    if not np.isfinite(found):
        raise BadQuestion(f"{name}={said!r} is no time in nanoseconds")
    return found


def _pixels(query: Mapping[str, str]) -> int:
    said = query.get("pixels", "1000")
    if not (said.isascii() and said.isdecimal() and len(said) < 9 and int(said)):
        raise BadQuestion(f"pixels={said!r} is no whole number above 0")
    return min(int(said), MOST_PIXELS)


def _buckets(curve: MemoryCurve, lo: float, hi: float, pixels: int) -> dict[str, Any]:
    low, high = np.searchsorted(curve.time, lo, "left"), np.searchsorted(curve.time, hi, "right")
    time, allocated, reserved = (column[low:high] for column in (curve.time, curve.allocated, curve.reserved))
    before = int(curve.allocated[low - 1]) if low else (int(curve.allocated[0]) if curve.exact else 0)
    found: dict[str, Any] = {"before": before}
    empty: NDArray[np.int64] = np.empty(0, np.int64)
    if not len(time):
        return {**found, **dict.fromkeys(("time", "low", "high", "last", "reserved"), empty.tolist())}
    if len(time) <= pixels:
        first = np.arange(len(time))
    else:
        which = np.minimum(((time - lo) / (hi - lo) * pixels).astype(np.int64), pixels - 1)
        first = np.flatnonzero(np.concatenate(([True], which[1:] != which[:-1])))
    last = np.concatenate((first[1:] - 1, [len(time) - 1]))
    return {
        **found,
        "time": time[first].tolist(),
        "low": np.minimum.reduceat(allocated, first).tolist(),
        "high": np.maximum.reduceat(allocated, first).tolist(),
        "last": allocated[last].tolist(),
        "reserved": np.maximum.reduceat(reserved, first).tolist(),
    }
