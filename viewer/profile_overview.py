"""What the page says of a profile before anything else: the verdict, where the time went, the devices, the steps."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np

from tallyboard.core.profiles.model import DEVICE, Kind
from tallyboard.core.profiles.steps import CATEGORIES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from tallyboard.core.profiles.device import DeviceUse
    from tallyboard.core.profiles.model import Profile

__all__ = ["overview", "step_columns"]

_MOST_STEPS: Final = 1_000
"""Bars of the step timeline; of more steps, neighbours are added up."""

_LONGEST: Final = 300
"""Characters of an option's value that are shown."""

_FACTS: Final = {"name": "name", "totalGlobalMem": "memory", "numSms": "multiprocessors"}


def overview(profile: Profile) -> dict[str, Any]:
    """The whole of it, as JSON can say it; times are microseconds.

    Returns:
        `source, worker, rank, world, base, events, duration`; `verdict` with `kind, degree, share, part, whole, unit,
        counted, left_out, says, advice, times`; `breakdown` with `ours` and `tb_plugin`, each `mean, median, counted`;
        `steps` with `count, marked, warmup`; `devices`; `options`; `skipped`; and `has`, which tells what there is for
        views to show: `device, communication, memory, stacks, shapes, modules, annotations, launches`.
    """
    verdict, steps, events = profile.verdict(), profile.steps, profile.events
    ends = (float(events.start.min()), float(events.end.max())) if len(events) else (0.0, 0.0)
    bytes_counted = verdict.kind == "memory-pressed"
    scale = 1.0 if bytes_counted else 1000.0
    return {
        "source": profile.source,
        "worker": profile.worker,
        "rank": profile.rank,
        "world": profile.world,
        "base": profile.base / 1e9 if profile.base else None,
        "events": len(events),
        "tracks": len(events.tracks),
        "start": _micro(ends[0]),
        "duration": _micro(ends[1] - ends[0]),
        "verdict": {
            "kind": verdict.kind,
            "degree": verdict.degree,
            "share": _number(verdict.share),
            "part": _number(verdict.part / scale),
            "whole": _number(verdict.whole / scale),
            "unit": "bytes" if bytes_counted else "us",
            "counted": verdict.counted,
            "left_out": verdict.left_out,
            "says": verdict.says,
            "advice": list(verdict.advice),
            "times": {name: _number(value) for name, value in verdict.times.items()},
        },
        "breakdown": {"ours": _broken(profile, None), "tb_plugin": _broken(profile, "tb_plugin")},
        "steps": {"count": len(steps), "marked": steps.marked, "warmup": int(steps.warmup.sum())},
        "devices": _devices(profile),
        "options": {str(name): _text(value) for name, value in profile.options.items()},
        "skipped": dict(profile.skipped),
        "has": _has(profile),
    }


def step_columns(profile: Profile, compat: Literal["tb_plugin"] | None = None) -> dict[str, Any]:
    """Each step's `name, start, end, warmup, launched` and its `time` by category, in microseconds; columns.

    Of more than a thousand steps so many neighbours as `each` says stand as one: its name is the first one's.
    """
    found = profile.breakdown(compat)
    steps, many = found.steps, len(found.steps)
    each = max(1, math.ceil(many / _MOST_STEPS))
    first = np.arange(0, many, each)
    last = np.minimum(first + each, many) - 1
    time = np.add.reduceat(found.time, first, axis=0) if many else found.time
    return {
        "categories": list(CATEGORIES),
        "each": each,
        "count": many,
        "marked": steps.marked,
        "name": [steps.name[i] for i in first.tolist()],
        "start": _micros(steps.window[first, 0]),
        "end": _micros(steps.window[last, 1]),
        "warmup": steps.warmup[first].tolist(),
        "launched": np.add.reduceat(steps.launched, first).tolist() if many else [],
        "time": {name: _micros(time[:, i]) for i, name in enumerate(CATEGORIES)},
    }


def _broken(profile: Profile, compat: Literal["tb_plugin"] | None) -> dict[str, Any]:
    found = profile.breakdown(compat)
    return {
        "mean": {name: _number(value) for name, value in found.mean().items()},
        "median": {name: _number(value) for name, value in found.median().items()},
        "counted": int((~found.steps.warmup).sum()),
    }


def _devices(profile: Profile) -> list[dict[str, Any]]:
    """What is known of each device: what it is, and how busy it was."""
    used = {one.device: one for one in profile.device_use()}
    numbers = sorted({*used, *(profile.devices if not used else ())})
    return [
        {"device": number, **_facts(profile.devices.get(number, {})), **_use(used.get(number))} for number in numbers
    ]


def _facts(told: Mapping[str, Any]) -> dict[str, Any]:
    major, minor = told.get("computeMajor"), told.get("computeMinor")
    found = {ours: told[theirs] for theirs, ours in _FACTS.items() if isinstance(told.get(theirs), int | str)}
    return {**found, "capability": f"{major}.{minor}" if isinstance(major, int) and isinstance(minor, int) else None}


def _use(use: DeviceUse | None) -> dict[str, Any]:
    if use is None:
        return {}
    return {
        "utilisation": _number(use.utilisation),
        "busy": _micro(use.busy),
        "computing": _micro(use.computing),
        "communicating": _micro(use.communicating),
        "whole": _micro(use.whole),
        "sm_efficiency": _number(use.sm_efficiency),
        "occupancy": _number(use.occupancy),
        "tensor_cores": _number(use.tensor_cores),
    }


def _has(profile: Profile) -> dict[str, bool]:
    events = profile.events

    def any_of(*kinds: Kind) -> bool:
        return bool(events.of(*kinds).any())

    return {
        "device": any_of(*DEVICE),
        "communication": any_of(Kind.COMM_KERNEL, Kind.COMM_OP),
        "memory": len(profile.allocations) > 0,
        "stacks": any(name in events.extras for name in ("stack", "Call stack")),
        "shapes": "shapes" in events.extras,
        "modules": any_of(Kind.MODULE),
        "operators": any_of(Kind.CPU_OP, Kind.COMM_OP),
        "annotations": any_of(Kind.ANNOTATION),
        "launches": bool((profile.launcher >= 0).any()),
    }


def _text(value: Any) -> str:
    return (value if isinstance(value, str) else repr(value))[:_LONGEST]


def _number(value: float | None) -> float | None:
    """As precise as it is read, and nothing that JSON has no word for."""
    return None if value is None or not math.isfinite(value) else float(f"{value:.6g}")


def _micro(value: float) -> float:
    return round(value / 1000, 3)


def _micros(values: NDArray[np.float64]) -> list[float]:
    return np.round(values / 1000, 3).tolist()
