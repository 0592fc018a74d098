"""What to change in a training, each with what in its profile says so.

The bounds of data, tensor cores, utilisation, memory and communication are those of PyTorch's TensorBoard plugin
(torch-tb-profiler 0.4.3); the rest is ours: copies from memory that is not pinned, waits for the device, optimizers
that launch a kernel for each weight, changes of memory layout, compiling again.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from .device import device_use
from .memory import memory_curve
from .model import DEVICE, Kind, Profile
from .nesting import parents
from .pipeline import input_pipeline
from .spans import common, length, union
from .steps import Steps
from .tensor_cores import tensor_core_use

__all__ = ["Recommendation", "recommendations"]

_LOADING: Final = 0.05
_COMMUNICATION: Final = 0.10
_IDLE: Final = 0.50
_FULL: Final = 0.90
_WORTH: Final = 0.05  # the share of steps from which on the others are worth a word
_LITTLE: Final = 0.01  # likewise where the cure is a word
_TENSOR_CORES_FROM: Final = 7  # the compute capability of Volta
_MANY: Final = 100  # launches of an optimizer's step

_LAYOUT: Final = re.compile(r"nchwToNhwc|nhwcToNchw", re.IGNORECASE)
_FUSED: Final = re.compile(r"_fused_|_foreach_|multi_tensor_apply|fused_adam")
_WAITS: Final = re.compile(r"(Stream|Device|Event)Synchronize$|aten::_local_scalar_dense$|aten::item$")


@dataclass(frozen=True, slots=True)
class Recommendation:
    """Something to change.

    Attributes:
        about: what it is about: "data", "pinned memory", "mixed precision", "utilisation", "memory", "data parallel",
            "backend", "communication", "optimizer", "waits", "memory layout" or "compiling".
        evidence: what the profile says, in a sentence with its numbers.
        advice: what to change, in a sentence.
        share: of 0 to 1, how much of what the evidence names.
    """

    about: str
    evidence: str
    advice: str
    share: float

    def __str__(self) -> str:
        return f"{self.evidence} {self.advice}"


def recommendations(profile: Profile, about: Sequence[str] | None = None) -> list[Recommendation]:
    """What to change, what costs most first.

    Args:
        profile: the profile.
        about: of these alone, by `Recommendation.about`; None for all.
    """
    if not len(profile.steps):
        return []
    rules = _RULES.values() if about is None else [_RULES[name] for name in about]
    found = [one for rule in rules for one in rule(profile)]
    return sorted(found, key=lambda one: -one.share)


def _data(profile: Profile) -> Iterator[Recommendation]:
    mean = profile.breakdown().mean()
    share = mean["dataloader"] / mean["total"] if mean["total"] else 0.0
    if share > _LOADING:
        stages = input_pipeline(profile)
        evidence = f"Loading data takes {share:.1%} of the time of the steps, beside all other work"
        if stages.slowest:
            at = stages.stage.index(stages.slowest)
            evidence += f"; of its input, {stages.slowest} takes longest ({stages.self_time[at] / 1e6:,.1f} ms)"
        advice = stages.advice or "load in more processes or threads, and ahead of the step"
        yield Recommendation("data", evidence + ".", advice[0].upper() + advice[1:] + ".", share)


def _pinned(profile: Profile) -> Iterator[Recommendation]:
    events = profile.events
    copies = events.of(Kind.MEMCPY) & events.named(lambda name: "htod" in name.lower() and "pageable" in name.lower())
    share = _share(profile, copies)
    if share >= _LITTLE:
        yield Recommendation(
            "pinned memory",
            f"{int(copies.sum()):,} copies to the device come from memory that is not pinned, {share:.1%} of the time.",
            "Set pin_memory=True of the DataLoader and copy with non_blocking=True, so that copies run beside work.",
            share,
        )


def _mixed_precision(profile: Profile) -> Iterator[Recommendation]:
    use = tensor_core_use(profile)
    major = [facts.get("computeMajor") for facts in profile.devices.values()]
    able = [one for one in major if isinstance(one, int)]
    if use.used == 0 and use.eligible > 0 and able and max(able) >= _TENSOR_CORES_FROM:
        yield Recommendation(
            "mixed precision",
            f"{use.eligible_share:.0%} of the kernels' time is of operators that can use tensor cores, and none does.",
            "Train in mixed precision (torch.autocast), or allow TF32 (torch.set_float32_matmul_precision('high')).",
            use.eligible_share,
        )


def _utilisation(profile: Profile) -> Iterator[Recommendation]:
    for use in device_use(profile, profile.steps):
        if use.utilisation < _IDLE:
            yield Recommendation(
                "utilisation",
                f"Device {use.device} is busy {use.utilisation:.1%} of the time.",
                "Give it more at a time: larger batches, or fewer and larger launches (torch.compile, CUDA graphs).",
                1 - use.utilisation,
            )


def _memory(profile: Profile) -> Iterator[Recommendation]:
    for device, facts in profile.devices.items():
        total = facts.get("totalGlobalMem")
        if isinstance(total, int) and total > 0:
            share = memory_curve(profile, device).peak / total
            if share > _FULL:
                yield Recommendation(
                    "memory",
                    f"Device {device}'s memory was {share:.1%} full.",
                    "Checkpoint activations, train in mixed precision, or make batches smaller.",
                    share,
                )


def _parallel(profile: Profile) -> Iterator[Recommendation]:
    events = profile.events
    devices = np.unique(events.device[events.of(*DEVICE)])
    if len(devices) > 1 and "DataParallel.forward" in events.names:
        yield Recommendation(
            "data parallel",
            f"One process trains on {len(devices)} devices by DataParallel.",
            "Use DistributedDataParallel: a process a device, without a thread that holds up the others.",
            1.0,
        )


def _backend(profile: Profile) -> Iterator[Recommendation]:
    events = profile.events
    on_host = events.of(Kind.COMM_OP) & events.named(lambda name: name.startswith(("gloo:", "mpi:")))
    share = _share(profile, on_host)
    if share >= _LITTLE and events.of(*DEVICE).any() and not events.of(Kind.COMM_KERNEL).any():
        yield Recommendation(
            "backend",
            f"The devices' data goes through the host to be exchanged, {share:.1%} of the time.",
            "Use the backend nccl (init_process_group('nccl')), which sends from device to device.",
            share,
        )


def _communication(profile: Profile) -> Iterator[Recommendation]:
    mean = profile.breakdown().mean()
    share = mean["communication"] / mean["total"] if mean["total"] else 0.0
    if share > _COMMUNICATION:
        yield Recommendation(
            "communication",
            f"The steps only communicate {share:.1%} of the time.",
            "Accumulate gradients (no_sync), compress or shard them, or let larger buckets overlap the backward pass.",
            share,
        )


def _optimizer(profile: Profile) -> Iterator[Recommendation]:
    events = profile.events
    updates = events.of(Kind.ANNOTATION) & events.named(lambda name: re.match(r"Optimizer\.step#", name) is not None)
    share = _share(profile, updates)
    if share < _WORTH or events.named(lambda name: _FUSED.search(name) is not None).any():
        return
    ops = events.of(Kind.CPU_OP)
    inside = int((parents(profile, updates, ops)[ops] >= 0).sum()) / int(updates.sum())
    if inside >= _MANY:
        yield Recommendation(
            "optimizer",
            f"The optimizer takes {share:.1%} of the time, in {inside:,.0f} operations a step.",
            "Construct it with fused=True (or foreach=True), which updates all weights in a few kernels.",
            share,
        )


def _waits(profile: Profile) -> Iterator[Recommendation]:
    events = profile.events
    if not events.of(*DEVICE).any():
        return
    waits = events.of(Kind.RUNTIME, Kind.CPU_OP) & events.named(lambda name: _WAITS.search(name) is not None)
    share, reads = _share(profile, waits), int(events.named(lambda name: name == "aten::item").sum())
    if share >= _WORTH and reads:
        yield Recommendation(
            "waits",
            f"The host waits for the device {share:.1%} of the time; it asked {reads:,} times for a single number.",
            "Read losses and metrics (.item(), float(), print) every so many steps, and not in each.",
            share,
        )


def _layout(profile: Profile) -> Iterator[Recommendation]:
    events = profile.events
    share = _share(profile, events.of(Kind.KERNEL) & events.named(lambda name: _LAYOUT.search(name) is not None))
    if share >= _WORTH:
        yield Recommendation(
            "memory layout",
            f"Kernels that turn NCHW into NHWC and back take {share:.1%} of the time.",
            "Keep model and batches in channels_last (.to(memory_format=torch.channels_last)).",
            share,
        )


def _compiling(profile: Profile) -> Iterator[Recommendation]:
    share = _share(profile, profile.events.of(Kind.COMPILE))
    if share >= _WORTH:
        yield Recommendation(
            "compiling",
            f"Compiling takes {share:.1%} of the time of the steps behind the first.",
            "Keep shapes and types the same from step to step (pad, or drop_last=True), so that it happens once.",
            share,
        )


def _share(profile: Profile, which: NDArray[np.bool_]) -> float:
    """The share of the time of the steps that are no warm-up in which any of these ran."""
    events, found = profile.events, profile.steps
    window = _windows(found)
    whole = length(window)
    return length(common(union(events.start[which], events.end[which]), window)) / whole if whole else 0.0


def _windows(found: Steps) -> NDArray[np.float64]:
    window = found.window[~found.warmup]
    return union(window[:, 0], window[:, 1])


_RULES: Final[Mapping[str, Callable[[Profile], Iterator[Recommendation]]]] = {
    "data": _data,
    "pinned memory": _pinned,
    "mixed precision": _mixed_precision,
    "utilisation": _utilisation,
    "memory": _memory,
    "data parallel": _parallel,
    "backend": _backend,
    "communication": _communication,
    "optimizer": _optimizer,
    "waits": _waits,
    "memory layout": _layout,
    "compiling": _compiling,
}
