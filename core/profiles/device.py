"""How busy each device was, and how well its kernels filled it.

Definitions of PyTorch's TensorBoard plugin (torch-tb-profiler 0.4.3), over the time from the first step's begin to the
last one's end. Utilisation: the share of that time in which any kernel ran. Estimated SM efficiency: the same, weighed
by the blocks per multiprocessor of what runs at each moment, at most 1. Estimated occupancy: that of each kernel,
weighed by how long it ran.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from .model import Kind, Profile
from .spans import clip, length, union
from .steps import Steps

__all__ = ["DeviceUse", "device_use", "uses_tensor_cores", "utilisation_curve"]

_TENSOR_CORES: Final = re.compile(
    "h884|s884|h1688|s1688|hmma|i8816|16816|dgrad_1x1_stride_2x2|first_layer_wgrad_kernel|conv1x1|conv2d_c1_k1"
    "|direct_group|xmma_implicit_gemm|xmma_sparse_conv|xmma_warp_specialized_implicit_gemm|xmma_gemm"
    "|xmma_sparse_gemm|c1688"
)
_MOST_BUCKETS: Final = 100


@dataclass(frozen=True, slots=True)
class DeviceUse:
    """What one device did from the first step's begin to the last one's end.

    Attributes:
        device: its number.
        busy: nanoseconds in which any kernel ran.
        computing: likewise any that is no communication.
        communicating: likewise any that is.
        whole: nanoseconds of that time in all.
        sm_efficiency: of 0 to 1, None where the trace does not say how many blocks kernels have.
        occupancy: percent, None where the trace does not say.
        tensor_cores: of 0 to 1, which share of the kernels' time uses them; None without kernels.
    """

    device: int
    busy: float
    computing: float
    communicating: float
    whole: float
    sm_efficiency: float | None
    occupancy: float | None
    tensor_cores: float | None

    @property
    def utilisation(self) -> float:
        """The share of the time in which any kernel ran."""
        return self.busy / self.whole if self.whole else 0.0


def uses_tensor_cores(kernel: str) -> bool:
    """Whether a kernel computes on tensor cores, by its name."""
    return _TENSOR_CORES.search(kernel) is not None


def device_use(profile: Profile, steps: Steps) -> list[DeviceUse]:
    """How busy each device was during the steps, by its number."""
    events = profile.events
    kernels = events.of(Kind.KERNEL, Kind.COMM_KERNEL)
    if not len(steps) or not kernels.any():
        return []
    low, high = float(steps.window[0, 0]), float(steps.window[-1, 1])
    blocks = events.extras.full("blocks_per_sm", len(events))
    occupancy = events.extras.full("occupancy", len(events))
    tensor = events.named(uses_tensor_cores)
    talking = events.of(Kind.COMM_KERNEL)

    def busy(which: NDArray[np.bool_]) -> float:
        return length(clip(union(events.start[which], events.end[which]), low, high))

    found: list[DeviceUse] = []
    for device in np.unique(events.device[kernels]).tolist():
        mine = kernels & (events.device == device)
        start, end = events.start[mine], events.end[mine]
        lasting = end - start
        found.append(
            DeviceUse(
                device=device,
                busy=busy(mine),
                computing=busy(mine & ~talking),
                communicating=busy(mine & talking),
                whole=high - low,
                sm_efficiency=_efficiency(start, end, blocks[mine], low, high),
                occupancy=_weighed(start, end, occupancy[mine], low, high),
                tensor_cores=float(lasting[tensor[mine]].sum() / lasting.sum()) if lasting.sum() else None,
            )
        )
    return found


def _efficiency(
    start: NDArray[np.float64], end: NDArray[np.float64], blocks: NDArray[np.float64], low: float, high: float
) -> float | None:
    """The integral over time of the sum of the running kernels' blocks, at most 1, over that time."""
    told = blocks > 0
    if not told.any() or high <= low:
        return None
    times = np.concatenate((start[told], end[told]))
    change = np.concatenate((blocks[told], -blocks[told]))
    order = np.argsort(times, kind="stable")
    times, running = np.clip(times[order], low, high), np.cumsum(change[order])
    return float((np.diff(times) * np.clip(running[:-1], 0, 1)).sum() / (high - low))


def _weighed(
    start: NDArray[np.float64], end: NDArray[np.float64], value: NDArray[np.float64], low: float, high: float
) -> float | None:
    weight = np.clip(np.minimum(end, high) - np.maximum(start, low), 0, None)
    told = value >= 0
    whole = weight[told].sum()
    return float((weight[told] * value[told]).sum() / whole) if whole else None


def utilisation_curve(
    profile: Profile, device: int, low: float, high: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The share of time in which a device's kernels ran, in buckets as long as a power of ten of microseconds.

    Args:
        profile: the profile.
        device: the device's number.
        low: nanoseconds, where the first bucket begins.
        high: nanoseconds, where the last one ends or is cut.

    Returns:
        The begin of each bucket in nanoseconds, at most 100 of them, and its share.
    """
    events = profile.events
    mine = events.of(Kind.KERNEL, Kind.COMM_KERNEL) & (events.device == device)
    width = 1000.0
    while (high - low) / width > _MOST_BUCKETS:
        width *= 10
    edges = np.append(np.arange(low, high, width), high)
    busy = clip(union(events.start[mine], events.end[mine]), low, high)
    covered = np.concatenate(([0.0], np.cumsum(busy[:, 1] - busy[:, 0])))
    at = np.searchsorted(busy[:, 0], edges, "right")
    inside = np.where(at > 0, np.minimum(edges, busy[at - 1, 1]) - busy[at - 1, 0], 0.0) if len(busy) else np.zeros(1)
    reached = covered[np.maximum(at - 1, 0)] + np.where(at > 0, inside, 0.0)
    return edges[:-1], np.diff(reached) / np.diff(edges)
