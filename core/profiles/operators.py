"""Operators and kernels: how often each ran, and how long by itself and with what it called."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..dataframes import Columns, Table
from .device import uses_tensor_cores
from .model import DEVICE, HOST, Kind, Profile
from .nesting import caller, parents

__all__ = [
    "KernelTable",
    "OperatorTable",
    "OperatorTimes",
    "can_use_tensor_cores",
    "kernels",
    "operator_times",
    "operators",
]

GroupBy = Literal["name", "shapes"]

_TENSOR_CORE_OPERATORS: Final = frozenset(
    "aten::" + name
    for name in (
        *("_convolution", "conv1d", "conv2d", "conv3d", "conv_tbc", "conv_transpose1d", "conv_transpose2d"),
        *("conv_transpose3d", "convolution", "cudnn_convolution", "cudnn_convolution_transpose", "prelu", "addmm"),
        *("addmv", "addr", "matmul", "mm", "mv", "linear", "addbmm", "baddbmm", "bmm", "chain_matmul"),
        *("linalg_multi_dot", "_thnn_fused_lstm_cell", "_thnn_fused_gru_cell", "lstm_cell", "gru_cell"),
        *("rnn_tanh_cell", "rnn_relu_cell", "cudnn_convolution_backward", "cudnn_convolution_backward_input"),
        *("cudnn_convolution_backward_weight", "cudnn_convolution_transpose_backward"),
        *("cudnn_convolution_transpose_backward_input", "cudnn_convolution_transpose_backward_weight"),
    )
)
"""Operators that can compute on tensor cores; those of automatic mixed precision, and what they call."""


def can_use_tensor_cores(operator: str) -> bool:
    """Whether an operator can compute on tensor cores, by its name."""
    return operator in _TENSOR_CORE_OPERATORS


@dataclass(frozen=True, slots=True)
class OperatorTable(Table):
    """A row for each operator, the one with most time of devices first, then of the host. Times are nanoseconds.

    Attributes:
        name: what it is called.
        shapes: of its inputs, as JSON, where grouped by them and recorded; else "".
        calls: int64.
        host_self: float64, without what it called, neither operators nor the runtime.
        host_total: with them.
        device_self: what its own calls launched.
        device_total: with that of the operators it called.
        tensor_cores: the share of device_self on tensor cores.
        eligible: whether it could compute there.
    """

    name: list[str]
    shapes: list[str]
    calls: NDArray[np.int64]
    host_self: NDArray[np.float64]
    host_total: NDArray[np.float64]
    device_self: NDArray[np.float64]
    device_total: NDArray[np.float64]
    tensor_cores: NDArray[np.float64]
    eligible: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.name)

    def _columns(self) -> Columns:
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


@dataclass(frozen=True, slots=True)
class KernelTable(Table):
    """A row for each kernel, the one with most time first. Times are nanoseconds.

    Attributes:
        name: what it is called.
        calls: int64.
        total: float64, of all calls.
        mean: likewise of one.
        longest: likewise.
        shortest: likewise.
        blocks_per_sm: the mean over calls, weighed by their time; NaN where the trace does not say.
        occupancy: percent, likewise.
        tensor_cores: whether it computes on tensor cores.
        communication: whether it is of a communication library.
    """

    name: list[str]
    calls: NDArray[np.int64]
    total: NDArray[np.float64]
    mean: NDArray[np.float64]
    longest: NDArray[np.float64]
    shortest: NDArray[np.float64]
    blocks_per_sm: NDArray[np.float64]
    occupancy: NDArray[np.float64]
    tensor_cores: NDArray[np.bool_]
    communication: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.name)

    def _columns(self) -> Columns:
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


class OperatorTimes(NamedTuple):
    """For each event nanoseconds, nought where it is no operation of the host.

    Attributes:
        host_total: how long it lasted.
        host_self: without the operations and calls of the runtime that it made.
        device_self: what its own calls launched.
        device_total: with that of the operations it holds.
        tensor: of device_self, what ran on tensor cores.
    """

    host_total: NDArray[np.float64]
    host_self: NDArray[np.float64]
    device_self: NDArray[np.float64]
    device_total: NDArray[np.float64]
    tensor: NDArray[np.float64]


def operators(
    profile: Profile,
    by: GroupBy = "name",
    compat: Literal["tb_plugin"] | None = None,
    within: NDArray[np.bool_] | None = None,
) -> OperatorTable:
    """A row for each operator.

    Args:
        profile: the profile.
        by: "name", or "shapes" for a row for each name and shapes of inputs.
        compat: "tb_plugin" for that peer's way: work belongs to the operator whose id it has, not to the one that
            holds the call. Where ids are those of the calls, as newer traces have it, that finds no work at all; where
            a call is longer than the operator with its id, its own time goes below zero.
        within: which events are counted; None for all.
    """
    shown = _shown(profile, compat)
    shown = np.flatnonzero(shown if within is None else shown & within)
    return _grouped(profile, shown, by, operator_times(profile, compat))


def operator_times(profile: Profile, compat: Literal["tb_plugin"] | None = None) -> OperatorTimes:
    """How long each operation of the host took, and what it launched; `compat` as in `operators`."""
    events = profile.events
    named = events.of(*(HOST if compat is None else (*HOST, Kind.MODULE)))
    parent = profile.parent if compat is None else parents(profile, named)
    call_of = caller(profile, parent, by_id=compat is not None)
    lasting = events.end - events.start
    own_device, tensor = _launched(profile, call_of)
    host_self = np.where(named, lasting, 0.0)
    children = np.flatnonzero(named & (parent >= 0))
    np.subtract.at(host_self, parent[children], lasting[children])
    calls = np.flatnonzero(events.of(Kind.RUNTIME) & (call_of >= 0))
    np.subtract.at(host_self, call_of[calls], lasting[calls])
    device_total = _with_children(own_device, parent, children)
    return OperatorTimes(np.where(named, lasting, 0.0), host_self, own_device, device_total, tensor)


def _shown(profile: Profile, compat: Literal["tb_plugin"] | None) -> NDArray[np.bool_]:
    """Which events are operators; the peer does not count the spans of communication libraries."""
    events = profile.events
    shown = events.of(Kind.CPU_OP, Kind.COMM_OP, Kind.COMPILE)
    return shown if compat is None else shown & ~events.named(lambda name: name.startswith(("nccl:", "gloo:")))


def _launched(profile: Profile, call_of: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """For each operation how long the work ran that its own calls launched, and how long of that on tensor cores."""
    events = profile.events
    work = np.flatnonzero(events.of(*DEVICE) & (profile.launcher >= 0))
    owner = call_of[profile.launcher[work]]
    work, owner = work[owner >= 0], owner[owner >= 0]
    lasting = events.end[work] - events.start[work]
    device, tensor = np.zeros(len(events)), np.zeros(len(events))
    np.add.at(device, owner, lasting)
    on_tensor_cores = events.named(uses_tensor_cores)[work]
    np.add.at(tensor, owner[on_tensor_cores], lasting[on_tensor_cores])
    return device, tensor


def _with_children(
    own: NDArray[np.float64], parent: NDArray[np.int64], children: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Each one's own with that of all it holds: level by level, from the innermost."""
    total = own.copy()
    depth = np.zeros(len(own), np.int32)
    above = parent[children]
    inner = np.arange(len(children))
    while len(inner):
        depth[children[inner]] += 1
        above = parent[above]
        inner, above = inner[above >= 0], above[above >= 0]
    for level in range(int(depth.max(initial=0)), 0, -1):
        rows = children[depth[children] == level]
        np.add.at(total, parent[rows], total[rows])
    return total


def _grouped(profile: Profile, rows: NDArray[np.int64], by: GroupBy, columns: OperatorTimes) -> OperatorTable:
    events = profile.events
    code = np.zeros(len(events), np.int64)
    texts: list[str] = [""]
    if by == "shapes" and "shapes" in events.extras:
        at, labels = events.extras.sparse("shapes")
        texts += labels.names
        code[at] = labels.codes + 1
    key = events.name[rows] * np.int64(len(texts)) + code[rows]
    groups, which = np.unique(key, return_inverse=True)
    many = len(groups)
    total, own, device, device_total, tensor = (_summed(which, column[rows], many) for column in columns)
    names: list[str] = [str(events.names[group // len(texts)]) for group in groups.tolist()]
    order: list[int] = np.lexsort((-own, -device)).tolist()
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.where(device > 0, tensor / device, 0.0)
    return OperatorTable(
        name=[names[i] for i in order],
        shapes=[texts[groups[i] % len(texts)] for i in order],
        calls=np.bincount(which, minlength=many)[order].astype(np.int64),
        host_self=own[order],
        host_total=total[order],
        device_self=device[order],
        device_total=device_total[order],
        tensor_cores=share[order],
        eligible=np.array([can_use_tensor_cores(names[i]) for i in order], bool),
    )


def _summed(which: NDArray[np.intp], values: NDArray[np.float64], many: int) -> NDArray[np.float64]:
    return np.bincount(which, values, many).astype(np.float64)


def kernels(profile: Profile, within: NDArray[np.bool_] | None = None) -> KernelTable:
    """A row for each kernel.

    Args:
        profile: the profile.
        within: which events are counted; None for all.
    """
    events = profile.events
    which = events.of(Kind.KERNEL, Kind.COMM_KERNEL)
    rows = np.flatnonzero(which if within is None else which & within)
    groups, which = np.unique(events.name[rows], return_inverse=True)
    many = len(groups)
    lasting = events.end[rows] - events.start[rows]
    total, calls = _summed(which, lasting, many), np.bincount(which, minlength=many)
    longest, shortest = np.zeros(many), np.full(many, np.inf)
    np.maximum.at(longest, which, lasting)
    np.minimum.at(shortest, which, lasting)

    def weighed(name: str) -> NDArray[np.float64]:
        values = events.extras.full(name, len(events))[rows]
        told = ~np.isnan(values)
        weight = _summed(which[told], lasting[told], many)
        weight[weight <= 0] = np.nan
        return _summed(which[told], (values * lasting)[told], many) / weight

    order: list[int] = np.argsort(-total, kind="stable").tolist()
    names = [events.names[int(groups[i])] for i in order]
    talking = np.zeros(many, bool)
    talking[which] = events.kind[rows] == Kind.COMM_KERNEL
    return KernelTable(
        name=names,
        calls=calls[order].astype(np.int64),
        total=total[order],
        mean=total[order] / calls[order],
        longest=longest[order],
        shortest=shortest[order],
        blocks_per_sm=weighed("blocks_per_sm")[order],
        occupancy=weighed("occupancy")[order],
        tensor_cores=np.array([uses_tensor_cores(name) for name in names], bool),
        communication=talking[order],
    )
