"""The graph of a compiled model: its modules are called as they were written, without data, beside the training.

The modules that are called are likenesses: of the same classes, with the same attributes, but with children, weights
and buffers of their own that hold no numbers (`FakeTensorMode`), and without hooks. So nothing is computed, nothing of
what was compiled is looked at or thrown away, and what a call writes into itself is not written into the model.
"""

from __future__ import annotations

import contextlib
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn
from torch.utils import _pytree as pytree

from tallyboard.core.graph import Graph

from .capture import capture, is_compiled

__all__ = ["Given", "written_graph"]

_HOOKS = tuple(name for name in vars(nn.Module()) if "_hooks" in name)


@dataclass(frozen=True)
class _Form:
    """A tensor without its numbers."""

    size: tuple[int, ...]
    stride: tuple[int, ...]
    dtype: torch.dtype
    device: torch.device

    def made(self) -> torch.Tensor:
        return torch.empty_strided(self.size, self.stride, dtype=self.dtype, device=self.device)


class Given:
    """What a call was given, and which autocast held; tensors by their form alone, so that none is kept alive."""

    def __init__(self, arguments: tuple[Any, ...], named: Mapping[str, Any]) -> None:
        """Takes down the arguments of a call.

        Raises:
            TypeError: one is a tensor of which more would have to be known: sparse, nested or a class of its own.
        """
        self._given = pytree.tree_map_only(torch.Tensor, _form, (arguments, dict(named)))
        types = {one.device.type for one in pytree.tree_leaves(self._given) if isinstance(one, _Form)}
        self._autocast = [(one, torch.get_autocast_dtype(one)) for one in types if torch.is_autocast_enabled(one)]

    def made(self) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The arguments again, with new tensors."""
        return pytree.tree_map_only(_Form, _Form.made, self._given)

    @contextlib.contextmanager
    def autocast(self) -> Any:
        """Computes as it was computed then."""
        with contextlib.ExitStack() as stack:
            for device, dtype in self._autocast:
                stack.enter_context(torch.autocast(device, dtype))
            yield


def _form(tensor: torch.Tensor) -> _Form:
    if tensor.layout is not torch.strided or type(tensor) not in (torch.Tensor, nn.Parameter):
        raise TypeError(f"an input is a {type(tensor).__name__} of layout {tensor.layout}")
    return _Form(tuple(tensor.shape), tensor.stride(), tensor.dtype, tensor.device)


def written_graph(model: nn.Module, given: Given) -> Graph:
    """The graph of a model as it was written before it was compiled.

    Args:
        model: the model, in which parts may be compiled.
        given: what it was called with.

    Raises:
        Exception: it cannot be called without data.
    """
    from torch._subclasses.fake_tensor import FakeTensorMode

    devices = range(torch.cuda.device_count()) if torch.cuda.is_initialized() else ()
    fake = FakeTensorMode(allow_non_fake_inputs=True)
    with torch.random.fork_rng(devices=devices), torch.no_grad(), given.autocast(), fake:
        arguments, named = given.made()
        found = capture(_Likeness(fake).of(model), arguments, named)
    return replace(found, nodes=tuple(replace(node, nanoseconds=0) for node in found.nodes))


class _Likeness:
    """Likenesses of modules, one of each."""

    def __init__(self, fake: Any) -> None:
        self._fake = fake
        self._made: dict[int, nn.Module] = {}

    def of(self, module: nn.Module) -> nn.Module:
        """What is called in place of a module."""
        found = self._made.get(id(module))
        if found is not None:
            return found
        if is_compiled(module):
            return self.of(module._orig_mod)  # pyright: ignore[reportArgumentType, reportAttributeAccessIssue]
        like: nn.Module = object.__new__(type(module))
        self._made[id(module)] = like
        held = dict(vars(module))
        held |= {name: OrderedDict() for name in _HOOKS}
        held["_compiled_call_impl"] = None
        held["_parameters"] = self._emptied(module._parameters)
        held["_buffers"] = self._emptied(module._buffers)
        held["_modules"] = {name: child and self.of(child) for name, child in module._modules.items()}
        vars(like).update(held)
        return like

    def _emptied(self, tensors: Mapping[str, Any]) -> dict[str, Any]:
        return {name: None if one is None else self._fake.from_tensor(one) for name, one in tensors.items()}
