"""How much of the device's work could run on tensor cores, and how much did.

Operators that can are those of automatic mixed precision and what they call; kernels that did are known by their names.
The peer (torch-tb-profiler 0.4.3) counts the kernels that the innermost of such operators launch themselves; ours are
all that they launch, and operators on numbers that tensor cores do not take (float64, integers) are none of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from ..dataframes import Labels
from .device import uses_tensor_cores
from .model import HOST, Kind, Profile
from .nesting import caller, parents
from .operators import can_use_tensor_cores

__all__ = ["TensorCoreUse", "tensor_core_use"]

_MORE: Final = ("aten::convolution_backward", "aten::_scaled_dot_product", "aten::scaled_dot_product_attention")
_OTHER_TYPES: Final = ('"double"', '"long int"', '"long"', '"int"', "ComplexDouble")
_TAKEN: Final = ('"float"', "Half", "BFloat16", "Float8")


@dataclass(frozen=True, slots=True)
class TensorCoreUse:
    """Time of kernels, in nanoseconds, that operators launched.

    Attributes:
        kernels: of all of them.
        eligible: of those of operators that could use tensor cores.
        used: of those that did.
    """

    kernels: float
    eligible: float
    used: float

    @property
    def eligible_share(self) -> float:
        """Of 0 to 1, the share of the kernels' time that could be on tensor cores."""
        return self.eligible / self.kernels if self.kernels else 0.0

    @property
    def used_share(self) -> float:
        """Of 0 to 1, the share of the kernels' time that was."""
        return self.used / self.kernels if self.kernels else 0.0


def tensor_core_use(profile: Profile, compat: Literal["tb_plugin"] | None = None) -> TensorCoreUse:
    """How much of the kernels' time could be on tensor cores, and how much was.

    Args:
        profile: the profile.
        compat: "tb_plugin" for that peer's way.
    """
    events = profile.events
    holds = events.of(*HOST)
    parent = parents(profile, holds)
    call_of = caller(profile, parent, by_id=compat is not None)
    work = np.flatnonzero(events.of(Kind.KERNEL, Kind.COMM_KERNEL) & (profile.launcher >= 0))
    owner = call_of[profile.launcher[work]]
    work, owner = work[owner >= 0], owner[owner >= 0]
    lasting = events.end[work] - events.start[work]
    if compat is not None:
        able = events.named(can_use_tensor_cores) & holds
        counted = able & ~_holding(able, parent)
        eligible = counted[owner]
    else:
        able = events.named(lambda name: can_use_tensor_cores(name) or name.startswith(_MORE)) & holds
        able &= ~_other_types(profile)
        eligible = _inside(able, parent, owner)
    used = events.named(uses_tensor_cores)[work]
    return TensorCoreUse(float(lasting.sum()), float(lasting[eligible].sum()), float(lasting[used].sum()))


def _inside(able: NDArray[np.bool_], parent: NDArray[np.int64], rows: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which of the rows are able, or inside one that is."""
    found = able[rows]
    at = parent[rows]
    while (at >= 0).any():
        found |= (at >= 0) & able[at]
        at = np.where(at >= 0, parent[at], -1)
    return found


def _holding(able: NDArray[np.bool_], parent: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which hold one that is able."""
    found = np.zeros(len(able), bool)
    at = parent[able]
    while len(at := at[at >= 0]):
        found[at] = True
        at = np.unique(parent[at])
    return found


def _other_types(profile: Profile) -> NDArray[np.bool_]:
    """Which have inputs of types alone that tensor cores do not take."""
    rows, labels = profile.events.extras.sparse("types")
    found = np.zeros(len(profile.events), bool)
    if isinstance(labels, Labels):
        other = [
            any(kind in text for kind in _OTHER_TYPES) and not any(kind in text for kind in _TAKEN)
            for text in labels.names
        ]
        found[rows] = np.array(other, bool)[labels.codes]
    return found
