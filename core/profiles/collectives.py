"""Operations of communication libraries in one profile: what each moved, and when it was at work.

On a device they are its kernels of communication; of a library that works on the host (gloo, MPI, UCC) they are its
own spans. What is moved stands in the arguments of newer traces ("Collective name", "In msg nelems", "dtype", "Group
size"), of older ones in the shapes of the operation that made the call.

Bus bandwidth is NCCL's (PERFORMANCE.md of NVIDIA/nccl-tests): bytes by time, times 2(n-1)/n for an all-reduce of n
ranks, (n-1)/n for gathers, scatters and all-to-all, 1 for others; bytes are those of the larger of what goes in and
what comes out.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ..dataframes import Labels
from .model import Kind, Profile
from .nesting import parents

__all__ = ["Collectives", "bus_factor", "collectives", "operation_name"]

_NAMES: Final = (
    *("all_reduce", "all_gather", "reduce_scatter", "all_to_all", "send_recv", "broadcast", "collective_permute"),
    *("barrier", "gather", "scatter", "reduce", "send", "recv"),
)
"""What operations are called, whoever runs them; one that holds another's name stands before it."""

_ON_HOST: Final = re.compile(r"(gloo|mpi|ucc):")
_CALLED: Final = re.compile(r"(nccl|xccl|hccl|rccl):")
_SIZES: Final = {
    **dict.fromkeys(("double", "long", "longint", "int64", "float64", "complexfloat", "f64", "s64"), 8),
    **dict.fromkeys(("float", "int", "int32", "float32", "f32", "s32"), 4),
    **dict.fromkeys(("half", "bfloat16", "short", "float16", "f16", "bf16"), 2),
    **dict.fromkeys(("byte", "char", "bool", "unsignedchar", "signedchar", "float8_e4m3fn", "float8_e5m2"), 1),
}
"""Bytes of an element, by what PyTorch and its traces call its type."""


@dataclass(frozen=True, slots=True)
class Collectives:
    """A row for each time that communication ran, in the order of time.

    Attributes:
        row: int64, of the profile's events.
        start: float64 nanoseconds after the profile's base.
        end: likewise.
        name: int64, into `names`.
        group: int64, the process group, into `groups`.
        step: int64, the step whose host's time holds the call, -1 for none.
        bytes: float64, NaN where the trace does not say.
        ranks: float64, how many take part, likewise.
        names: of operations, such as "all_reduce".
        groups: of process groups, "" where the trace has none.
    """

    row: NDArray[np.int64]
    start: NDArray[np.float64]
    end: NDArray[np.float64]
    name: NDArray[np.int64]
    group: NDArray[np.int64]
    step: NDArray[np.int64]
    bytes: NDArray[np.float64]
    ranks: NDArray[np.float64]
    names: Sequence[str]
    groups: Sequence[str]

    def __len__(self) -> int:
        return len(self.row)


def operation_name(text: str) -> str:
    """What an operation is called here, by a kernel's name or a library's: "nccl:_all_gather_base" is "all_gather"."""
    plain = re.sub("[^a-z]", "", text.lower())
    return next((name for name in _NAMES if name.replace("_", "") in plain), text)


def bus_factor(name: str, ranks: float) -> float:
    """By what bytes by time are multiplied to have the bandwidth of the bus.

    Args:
        name: of the operation, such as "all_reduce".
        ranks: how many take part, NaN where unknown.

    Returns:
        The factor, NaN where it depends on the number of ranks and that is unknown.
    """
    if name == "all_reduce":
        return 2 * (ranks - 1) / ranks
    return (ranks - 1) / ranks if name in ("all_gather", "reduce_scatter", "all_to_all", "gather", "scatter") else 1.0


def collectives(profile: Profile, device: int | None = None) -> Collectives:
    """Each time that communication ran.

    Args:
        profile: the profile.
        device: whose kernels count; None for all, and the libraries that work on the host.
    """
    events = profile.events
    which = events.of(Kind.COMM_KERNEL)
    if device is None:
        which |= events.of(Kind.COMM_OP) & events.named(lambda name: _ON_HOST.match(name) is not None)
    else:
        which &= events.device == device
    rows = np.flatnonzero(which)
    rows = rows[np.argsort(events.start[rows], kind="stable")]
    maker = _makers(profile, rows)
    names: dict[str, int] = {}
    groups: dict[str, int] = {}
    collective, group = _texts(profile, "collective"), _texts(profile, "group")
    name = [
        operation_name(_first(collective, one) or events.name_of(by if by >= 0 else row))
        for one, by, row in zip(_tried(rows, maker), maker.tolist(), rows.tolist(), strict=True)
    ]
    in_group = [_first(group, one) for one in _tried(rows, maker)]
    ranks = _number(profile, "group_size", rows, maker)
    call = profile.launcher[rows]
    return Collectives(
        row=rows,
        start=events.start[rows],
        end=events.end[rows],
        name=np.array([names.setdefault(one, len(names)) for one in name], np.int64),
        group=np.array([groups.setdefault(one, len(groups)) for one in in_group], np.int64),
        step=_steps(profile, np.where(call >= 0, events.start[call], events.start[rows])),
        bytes=_bytes(profile, rows, maker),
        ranks=np.where(np.isnan(ranks), float(profile.world or np.nan), ranks),
        names=list(names),
        groups=list(groups),
    )


def _tried(rows: NDArray[np.int64], maker: NDArray[np.int64]) -> list[tuple[int, int]]:
    return list(zip(rows.tolist(), maker.tolist(), strict=True))


def _makers(profile: Profile, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """For each the library's span on the host that made it: that around its launch, or itself; -1 for none."""
    events = profile.events
    asked = events.of(Kind.COMM_OP) & events.named(lambda name: _CALLED.match(name) is not None)
    call = profile.launcher[rows]
    found = np.where(call >= 0, parents(profile, asked)[call], -1)
    return np.where(events.of(Kind.COMM_OP)[rows], rows, found)


def _steps(profile: Profile, times: NDArray[np.float64]) -> NDArray[np.int64]:
    host = profile.steps.host
    if not len(host):
        return np.full(len(times), -1, np.int64)
    at = np.searchsorted(host[:, 0], times, "right") - 1
    return np.where((at >= 0) & (times < host[np.maximum(at, 0), 1]), at, -1)


def _texts(profile: Profile, column: str) -> dict[int, str]:
    rows, labels = profile.events.extras.sparse(column)
    if not isinstance(labels, Labels):
        return {}
    return {row: str(labels.names[code]) for row, code in zip(rows.tolist(), labels.codes.tolist(), strict=True)}


def _first(texts: dict[int, str], rows: tuple[int, int]) -> str:
    """The text of the first of the rows that has one, else ""."""
    return next((texts[row] for row in rows if row in texts), "")


def _number(profile: Profile, column: str, rows: NDArray[np.int64], maker: NDArray[np.int64]) -> NDArray[np.float64]:
    """The number that each has, or its maker."""
    found = profile.events.extras.full(column, len(profile.events))
    own, made = found[rows], np.where(maker >= 0, found[maker], np.nan)
    return np.where(np.isnan(own), made, own)


def _bytes(profile: Profile, rows: NDArray[np.int64], maker: NDArray[np.int64]) -> NDArray[np.float64]:
    into, out = (_number(profile, name, rows, maker) for name in ("elements_in", "elements_out"))
    element, shapes, types = (_texts(profile, name) for name in ("element", "shapes", "types"))
    found = np.full(len(rows), np.nan)
    for i, one in enumerate(_tried(rows, maker)):
        if not np.isnan(into[i]):
            found[i] = np.nanmax([into[i], out[i]]) * (_size(_first(element, one)) or np.nan)
        elif text := _first(shapes, one):
            found[i] = _of_shapes(text, _first(types, one))
    return found


def _size(kind: str) -> int:
    return _SIZES.get(kind.lower().replace("c10::", "").replace(" ", ""), 0)


def _of_shapes(shapes: str, types: str) -> float:
    """The bytes of tensors by their shapes and types, as JSON; NaN where one's type is unknown, or there are none."""
    try:
        each: list[Any] = json.loads(shapes)
        kinds: list[Any] = json.loads(types)
    except (ValueError, RecursionError):
        return math.nan
    total = 0.0
    for shape, kind in zip(each, kinds, strict=False):
        sides: list[Any] = list(shape) if isinstance(shape, list) else []  # pyright: ignore[reportUnknownArgumentType]
        if sides and all(isinstance(many, int) for many in sides):
            total += math.prod(sides) * (_size(str(kind)) or math.nan)
    return total or math.nan
