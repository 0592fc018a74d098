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

__all__ = ["Looking", "Planned"]

SAMPLE = 65_536
LEAKY = ("leaky", "prelu", "rrelu")  # classes with "relu" in their names whose results are not 0


def _is_eager(module: nn.Module) -> bool:
    """Whether Python runs it: neither compiled nor scripted."""
    compiled = getattr(module, "_compiled_call_impl", None) is not None or "_orig_mod" in module._modules
    return not compiled and not isinstance(module, torch.jit.ScriptModule)


def _eager_modules(model: nn.Module) -> list[nn.Module]:
    """The modules of a model that Python runs, each once and before those in it."""
    seen: set[int] = set()
    ahead: list[nn.Module | None] = [unwrapped(model)]
    found: list[nn.Module] = []
    while ahead:
        module = ahead.pop()
        if module is None or id(module) in seen or not _is_eager(module):
            continue
        seen.add(id(module))
        found.append(module)
        ahead.extend(reversed(module._modules.values()))
    return found


def _paths(modules: list[nn.Module]) -> list[str]:
    """The path of each of these modules: the first that leads to it."""
    paths = {id(modules[0]): ""} if modules else {}
    for module in modules:  # those around it came before
        above = paths[id(module)]
        for name, child in module._modules.items():
            paths.setdefault(id(child), f"{above}.{name}" if above else name)
    return [plain_name(paths[id(module)]) for module in modules]


class Planned:
    """The modules of a model, and which of them are looked at for what; found out once for as long as they stay.

    Attributes:
        paths: of each module.
        mean: for the mean and deviation of which path each module stands; None for none.
        dead: to which path's share of dead units it counts; None for none.
        said: what is said of modules that have no series of their own.
    """

    def __init__(self, modules: list[nn.Module]) -> None:
        self._modules = [weakref.ref(module) for module in modules]
        self.paths = _paths(modules)
        leaves_of = [not any(module._modules.values()) and bool(path) for path, module in self._both(modules)]
        inner = [path for path, leaf in zip(self.paths, leaves_of, strict=True) if leaf]
        cut, self.said = cut_paths(inner)
        told = set(cut.values())
        self.mean = [path if path in told else None for path in self.paths]
        self.dead = [
            cut.get(path) if leaf and _gives_zeros(module) else None
            for (path, module), leaf in zip(self._both(modules), leaves_of, strict=True)
        ]

    def _both(self, modules: list[nn.Module]) -> list[tuple[str, nn.Module]]:
        return list(zip(self.paths, modules, strict=True))

    def each(self) -> Iterator[tuple[nn.Module, str, str | None, str | None]]:
        """Each module that is still there, with its path, and those that it stands for and counts to."""
        for known, path, mean, dead in zip(self._modules, self.paths, self.mean, self.dead, strict=True):
            if (module := known()) is not None:
                yield module, path, mean, dead

    def are(self, modules: list[nn.Module]) -> bool:
        """Whether these are the modules."""
        return [known() for known in self._modules] == modules  # modules are equal to none but themselves


def _planned(model: nn.Module, known: Planned | None) -> Planned:
    modules = _eager_modules(model)
    return known if known is not None and known.are(modules) else Planned(modules)


class _Seen(ModuleHook):
    """The hook on one module."""

    def __init__(self, looking: Looking, module: nn.Module, path: str, mean: str | None, dead: str | None) -> None:
        self._looking = weakref.ref(looking)
        self._module = weakref.ref(module)
        self.path, self.mean, self.dead = path, mean, dead

    def __call__(self, module: nn.Module, args: Any, result: Any) -> None:  # noqa: ARG002
        looking = self._looking()
        if looking is None or module is not self._module() or torch.compiler.is_compiling():  # or DataParallel's copy
            return
        looking.guarded(self, module, result)


class Looking:
    """One forward pass, looked at.

    Attributes:
        tensors: the numbers, on their devices.
        ended: whether the pass has ended.
    """

    def __init__(
        self, model: nn.Module, *, values: bool, finite: bool, fails: Any, known: Planned | None = None
    ) -> None:
        """Puts the hooks on.

        Args:
            model: about to be called.
            values: mean, deviation and share of dead units are wanted.
            finite: the first module whose result is not finite is wanted.
            fails: called with an exception of ours.
            known: `planned` of an earlier pass.
        """
        self.tensors: list[Tensor] = []
        self.ended = False
        self.finite = finite
        self.notes = ""
        self._fails = fails
        self._stack = contextlib.ExitStack()
        self._about: list[tuple[str, str, float]] = []  # what a tensor tells, of which module, and its weight
        self.planned = planned = _planned(model, known)
        for module, path, mean, dead in planned.each():
            if not values:
                mean = dead = None
            if finite or mean is not None or dead is not None:
                self._stack.callback(module.register_forward_hook(_Seen(self, module, path, mean, dead)).remove)
        self.notes = f"Activations: {planned.said}." if values and planned.said else ""

    def until(self, hook: Any) -> None:
        """Takes off one more hook at the end."""
        self._stack.callback(hook.remove)

    def end(self) -> None:
        """Takes the hooks off."""
        self._stack.close()
        self.ended = True

    def guarded(self, seen: _Seen, module: nn.Module, result: Any) -> None:
        """Looks at what a module gave; no exception of this reaches the model."""
        try:
            with torch._C.DisableTorchFunction():  # the program's modes, and ours, see none of it
                self._look(seen, module, result)
        except Exception as error:  # whatever it is, training goes on
            self._fails(error)

    def _look(self, seen: _Seen, module: nn.Module, result: Any) -> None:
        mean, dead = seen.mean, seen.dead
        seen.mean = seen.dead = None  # its first call counts, and of that the first tensor
        if not self.finite and mean is None and dead is None:
            return
        for tensor in _tensors(result):
            if self.finite:
                self._add("finite", f"{seen.path}\0{type(module).__name__}", torch.linalg.vector_norm(tensor, math.inf))
            if mean is not None or dead is not None:
                self._values(mean, dead, tensor)
                mean = dead = None
            if not self.finite:
                break

    def _values(self, mean: str | None, dead: str | None, tensor: Tensor) -> None:
        sample = _sampled(tensor)
        if mean is not None:
            variance, middle = torch.var_mean(sample.float(), correction=0)
            self._add("mean", mean, middle)
            self._add("std", mean, variance)
        if dead is not None:
            alive = sample.any(0) if sample.dim() > 1 else sample != 0
            self._add("alive", dead, alive.float().mean(), float(alive.numel()))

    def _add(self, what: str, path: str, tensor: Tensor, weight: float = 1.0) -> None:
        self._about.append((what, path, weight))
        self.tensors.append(tensor.float())

    # ---- what the numbers say

    def found(self, numbers: Iterator[float], into: Found) -> None:
        """Adds what the numbers of `tensors` say, when they have come."""
        dead: dict[str, list[tuple[float, float]]] = {}
        for what, path, weight in self._about:
            value = next(numbers)
            if what == "alive":
                dead.setdefault(path, []).append((1 - value, weight))
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
