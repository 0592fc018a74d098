"""The parameters of an optimizer: what they are called, of which modules they are, and the numbers that they hold."""

from __future__ import annotations

import math
import weakref
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.optim import Optimizer

from .groups import cut_paths, own_name, plain_name, unwrapped

__all__ = ["Named", "dense"]


def dense(tensor: Tensor | None) -> Tensor | None:
    """The numbers of a tensor, as an ordinary one; None if there are none to be had.

    Of a tensor that is spread over processes it is this process's part: asking the others would stop where one of
    them does not ask. Of a sparse one it is what is not zero.
    """
    if tensor is None:
        return None
    tensor = tensor.detach()
    if type(tensor) is not Tensor and (local := getattr(tensor, "to_local", None)) is not None:
        tensor = local()
    if tensor.is_sparse:
        tensor = tensor.coalesce().values()
    strange = tensor.is_meta or tensor.layout is not torch.strided or not tensor.dtype.is_floating_point
    return None if strange or not tensor.numel() else tensor


class Named:
    """What the parameters of an optimizer are called, looked up once.

    Attributes:
        names: of each, in the optimizer's order: its first name in the model, or else its place.
        said: what is to be said of their series: those left out, and whose numbers these are.
    """

    def __init__(self, model: nn.Module | None, optimizer: Optimizer) -> None:
        of_model = () if model is None else unwrapped(model).named_parameters()
        names = {id(one): plain_name(name) for name, one in of_model}
        self._parameters: list[weakref.ref[Tensor]] = []
        self.names: list[str] = []
        modules: list[str | None] = []
        owners: set[str] = set()
        for number, group in enumerate(optimizer.param_groups):
            for place, parameter in enumerate(group["params"]):
                name = names.get(id(parameter))
                self._parameters.append(weakref.ref(parameter))
                self.names.append(name or f"parameter {place} of group {number}")
                modules.append(None if name is None else own_name(name))
                if name is not None:
                    owners.add(name.rpartition(".")[0])
        known = [module for module in modules if module is not None]
        cut, self.said = cut_paths(known)
        if len(owners) <= 1:
            cut = {}  # of a single module the totals say it all
        if any(hasattr(parameter(), "to_local") for parameter in self._parameters):
            self.said = "; ".join(filter(None, (self.said, f"those of the part that {_rank()} has")))
        self._paths = list(dict.fromkeys(cut.values()))
        places = {path: place for place, path in enumerate(self._paths)}
        places_of = {module: places[path] for module, path in cut.items()}
        self._module = np.array([-1 if one is None else places_of.get(one, -1) for one in modules], np.intp)

    def are(self, parameters: Sequence[Tensor]) -> bool:
        """Whether these are the parameters."""
        known = self._parameters
        return len(known) == len(parameters) and all(map(_is, known, parameters))

    def by_module(self, places: list[int], squares: NDArray[np.float64]) -> Iterator[tuple[str, float]]:
        """The norm of each module, from the squares of the norms of some parameters at these places."""
        if not self._paths:
            return
        modules = self._module[places]
        told = modules >= 0
        sums = np.bincount(modules[told], squares[told], len(self._paths)).tolist()
        for module in dict.fromkeys(modules[told].tolist()):
            yield self._paths[module], math.sqrt(sums[module])


def _rank() -> str:
    distributed = torch.distributed
    if not (distributed.is_available() and distributed.is_initialized()):
        return "this process"
    return f"rank {distributed.get_rank()} of {distributed.get_world_size()}"


def _is(known: weakref.ref[Tensor], parameter: Tensor) -> bool:
    return known() is parameter
