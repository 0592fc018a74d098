"""Which model a loss belongs to: the one whose parameters its backward pass reaches."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor, nn
from torch.autograd.function import BackwardCFunction

__all__ = ["Parameters"]

MAX_NODES = 10_000  # of a loss's graph that are looked at for a parameter of the model: some 10 ms


class Parameters:
    """The parameters of a model, asked for by identity; keeps none of them alive."""

    def __init__(self, model: nn.Module | None) -> None:
        found = () if model is None else model.parameters()
        self._refs = {id(parameter): weakref.ref(parameter) for parameter in found}

    def __contains__(self, tensor: object) -> bool:
        ref = self._refs.get(id(tensor))
        return ref is not None and ref() is tensor

    def reached_by(self, loss: Tensor, inputs: Any = None) -> Callable[[], Tensor | None] | None:
        """A weak reference to one parameter that `loss.backward(inputs=inputs)` gives a gradient.

        None if there is none. A reference to nothing if that cannot be known, because an autograd function
        written in Python may hide it (as checkpointing does) or the graph is very large.
        """
        if inputs is not None:
            listed = inputs.values() if isinstance(inputs, Mapping) else inputs
            listed = (listed,) if isinstance(listed, Tensor) else tuple(listed)
            return next((weakref.ref(one) for one in listed if one in self), None)
        if loss.grad_fn is None:
            return None
        nodes, seen, hidden = [loss.grad_fn], {loss.grad_fn}, False
        while nodes and len(seen) < MAX_NODES:
            node = nodes.pop()
            if type(node).__name__ == "AccumulateGrad":
                if node.variable in self:
                    return weakref.ref(node.variable)
                continue
            hidden = hidden or isinstance(node, BackwardCFunction)
            for following, _ in node.next_functions:
                if following is not None and following not in seen:
                    seen.add(following)
                    nodes.append(following)
        return _nothing if hidden or nodes else None


def _nothing() -> None:
    return None
