"""Norms of many tensors, for one read: nothing here waits for a device."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

__all__ = ["by_module", "l2_norms", "norms_of", "together"]


def l2_norms(tensors: Sequence[Tensor]) -> Tensor:
    """The Euclidean norm of each tensor, by kernels that take all of a device at once.

    Args:
        tensors: of any shapes, devices and dtypes, sparse ones too. Of a tensor that is spread over processes the
            part of this one counts; one on the meta device has NaN.

    Returns:
        float32 of shape [n], in their order, on the first device that is no host, if there is one.
    """
    return norms_of([_values(tensor.detach()) for tensor in tensors])


def norms_of(here: Sequence[Tensor]) -> Tensor:
    """The same, of dense tensors that record no gradients."""
    alike: dict[tuple[torch.device, torch.dtype], list[int]] = {}
    for place, tensor in enumerate(here):
        alike.setdefault((tensor.device, tensor.dtype), []).append(place)
    devices = [device for device, _ in alike]
    target = next((device for device in devices if device.type not in ("cpu", "meta")), torch.device("cpu"))
    parts: list[Tensor] = []
    order: list[int] = []
    for (device, dtype), places in alike.items():
        chosen = [here[place] for place in places]
        order += places
        if device.type == "meta":
            parts.append(torch.full((len(places),), math.nan, device=target))
            continue
        if dtype in (torch.float16, torch.bfloat16) or not (dtype.is_floating_point or dtype.is_complex):
            chosen = [tensor.float() for tensor in chosen]  # whose squares would overflow, or have no norm
        norms = torch.stack(torch._foreach_norm(chosen))  # pyright: ignore[reportPrivateImportUsage]
        parts.append(norms.to(torch.float32).to(target, non_blocking=True))
    if not parts:
        return torch.zeros(0)
    joined = torch.cat(parts)
    if order == list(range(len(order))):
        return joined
    back = sorted(range(len(order)), key=order.__getitem__)
    return joined[torch.tensor(back).to(target, non_blocking=True)]


def _values(tensor: Tensor) -> Tensor:
    """What a tensor holds in this process, as one dense tensor."""
    local = getattr(tensor, "to_local", None)  # a DTensor's: its norm would be a collective, and other ranks not come
    if local is not None:
        tensor = local()
    if tensor.layout == torch.sparse_coo:
        return tensor.coalesce().values()
    return tensor if tensor.layout == torch.strided else tensor.values()


def together(norms: Iterable[float]) -> float:
    """The norm of several tensors taken as one, of the norms of each."""
    return math.sqrt(math.fsum(norm * norm for norm in norms)) if (norms := list(norms)) else 0.0


def by_module(names: Sequence[str], norms: Sequence[float], depth: int = 2) -> dict[str, float]:
    """The norm of the parameters of each module, as deep in the tree as `depth`.

    Args:
        names: of parameters, as `named_parameters` has them.
        norms: of each.
        depth: how many parts of a module's path are kept; the rest of the tree counts within it.

    Returns:
        By the modules' paths, as `named_modules` has them; parameters of the model itself stand under their own name.
    """
    found: dict[str, list[float]] = {}
    for name, norm in zip(names, norms, strict=True):
        path = name.split(".")
        found.setdefault(".".join(path[:-1][:depth] or path), []).append(norm)
    return {path: together(parts) for path, parts in found.items()}
