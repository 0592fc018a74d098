"""What modules give out in one forward pass, by hooks that are there for that pass alone.

Of a module the first call counts, and of what it returns the first tensor: about 65,536 of its values, evenly
spaced, and those of all samples if it can be so. Compiled and scripted modules are left alone, with all in them.
"""

from __future__ import annotations

import contextlib
import math
import weakref
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch._C._functorch import is_functorch_wrapped_tensor

from .armed import Found
from .groups import cut_paths, plain_name, unwrapped
from .hooks import ModuleHook
from .leaves import leaves

__all__ = ["Looking", "eager_modules"]

SAMPLE = 65_536
LEAKY = ("leaky", "prelu", "rrelu")  # classes with "relu" in their names whose results are not 0


def eager_modules(model: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """The modules of a model that Python runs, with their paths, each once and before those in it."""
    seen: set[int] = set()
    ahead = [("", unwrapped(model))]
    while ahead:
        path, module = ahead.pop()
        compiled = getattr(module, "_compiled_call_impl", None) is not None or hasattr(module, "_orig_mod")
        if id(module) in seen or compiled or isinstance(module, torch.jit.ScriptModule):
            continue
        seen.add(id(module))
        yield plain_name(path), module
        children = [(f"{path}.{name}" if path else name, child) for name, child in module.named_children()]
        ahead.extend(reversed(children))


class _Seen(ModuleHook):
    """The hook on one module."""

    def __init__(self, looking: Looking, module: nn.Module, path: str) -> None:
        self._looking = weakref.ref(looking)
        self._module = weakref.ref(module)
        self.path = path

    def __call__(self, module: nn.Module, args: Any, result: Any) -> None:  # noqa: ARG002
        looking = self._looking()
        if looking is None or module is not self._module() or torch.compiler.is_compiling():  # or DataParallel's copy
            return
        looking.guarded(self.path, module, result)


class Looking:
    """One forward pass, looked at.

    Attributes:
        tensors: the numbers, on their devices.
        ended: whether the pass has ended.
    """

    def __init__(self, model: nn.Module, *, values: bool, finite: bool, fails: Any) -> None:
        """Puts the hooks on.

        Args:
            model: about to be called.
            values: mean, deviation and share of dead units are wanted.
            finite: the first module whose result is not finite is wanted.
            fails: called with an exception of ours.
        """
        self.tensors: list[Tensor] = []
        self.ended = False
        self.finite = finite
        self.notes = ""
        self._fails = fails
        self._stack = contextlib.ExitStack()
        self._about: list[tuple[str, str, float]] = []  # what a tensor tells, of which module, and its weight
        self._called: set[int] = set()
        self._means: dict[int, str] = {}
        self._rectifiers: dict[int, str] = {}
        modules = list(eager_modules(model))
        if values:
            self._plan(modules)
        for path, module in modules:
            if finite or id(module) in self._means or id(module) in self._rectifiers:
                self._stack.callback(module.register_forward_hook(_Seen(self, module, path)).remove)

    def _plan(self, modules: list[tuple[str, nn.Module]]) -> None:
        inner = [(path, module) for path, module in modules if next(module.children(), None) is None and path]
        cut, said = cut_paths(path for path, _ in inner)
        self.notes = f"Activations: {said}." if said else ""
        by_path = dict(modules)
        self._means = {id(by_path[path]): path for path in dict.fromkeys(cut.values()) if path in by_path}
        self._rectifiers = {id(one): cut[path] for path, one in inner if path in cut and _gives_zeros(one)}

    def until(self, hook: Any) -> None:
        """Takes off one more hook at the end."""
        self._stack.callback(hook.remove)

    def end(self) -> None:
        """Takes the hooks off."""
        self._stack.close()
        self.ended = True

    def guarded(self, path: str, module: nn.Module, result: Any) -> None:
        """Looks at what a module gave; no exception of this reaches the model."""
        try:
            with torch.no_grad(), torch._C.DisableTorchFunction():  # the program's modes, and ours, see none of it
                self._look(path, module, result)
        except Exception as error:  # whatever it is, training goes on
            self._fails(error)

    def _look(self, path: str, module: nn.Module, result: Any) -> None:
        first = True
        for tensor in _tensors(result):
            if self.finite:
                self._add("finite", f"{path}\0{type(module).__name__}", torch.linalg.vector_norm(tensor, math.inf))
            if first and id(module) not in self._called:
                self._values(id(module), tensor)
            first = False
            if not self.finite:
                break
        self._called.add(id(module))

    def _values(self, key: int, tensor: Tensor) -> None:
        mean, rectifier = self._means.get(key), self._rectifiers.get(key)
        if mean is None and rectifier is None:
            return
        sample = _sampled(tensor)
        if mean is not None:
            variance, middle = torch.var_mean(sample.float(), correction=0)
            self._add("mean", mean, middle)
            self._add("std", mean, variance)
        if rectifier is not None:
            dead = sample == 0
            dead = dead.all(0) if dead.dim() > 1 else dead
            self._add("dead", rectifier, dead.float().mean(), float(dead.numel()))

    def _add(self, what: str, path: str, tensor: Tensor, weight: float = 1.0) -> None:
        self._about.append((what, path, weight))
        self.tensors.append(tensor.float())

    # ---- what the numbers say

    def found(self, numbers: Iterator[float], into: Found) -> None:
        """Adds what the numbers of `tensors` say, when they have come."""
        dead: dict[str, list[tuple[float, float]]] = {}
        for what, path, weight in self._about:
            value = next(numbers)
            if what == "dead":
                dead.setdefault(path, []).append((value, weight))
            elif what != "finite":
                into.points[f"activations/{what}/{path}"] = math.sqrt(value) if what == "std" else value
            elif not math.isfinite(value) and into.culprit is None:
                into.culprit = path.partition("\0")[::2]
        for path, shares in dead.items():
            whole = sum(weight for _, weight in shares)
            into.points[f"activations/dead/{path}"] = sum(share * weight for share, weight in shares) / whole


def _gives_zeros(module: nn.Module) -> bool:
    name = type(module).__name__.lower()
    return "relu" in name and not name.startswith(LEAKY)


def _tensors(result: Any) -> Iterator[Tensor]:
    """The tensors in what a module gave that numbers can be counted of, as this process has them."""
    found = [result] if isinstance(result, Tensor) else (tensor for _, tensor in leaves(result))
    for tensor in found:
        tensor = tensor.detach()
        if hasattr(tensor, "to_local"):
            tensor = tensor.to_local()
        usual = tensor.layout is torch.strided and tensor.dtype.is_floating_point and tensor.numel()
        strange = tensor.is_meta or type(tensor).__name__ == "FakeTensor" or is_functorch_wrapped_tensor(tensor)
        if usual and not strange:
            yield tensor


def _sampled(tensor: Tensor) -> Tensor:
    """Evenly spaced values of a tensor, a view of it: of places first, then of samples, then of features."""
    apart = tensor.numel() // SAMPLE
    for place in (*range(tensor.dim() - 1, 1, -1), 0, 1):
        if apart <= 1:
            break
        if place < tensor.dim():
            step = min(apart, tensor.shape[place])
            tensor = tensor[(*[slice(None)] * place, slice(None, None, step))]
            apart = -(-apart // step)
    return tensor
