"""The graph of a call that the program makes by itself."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import overrides
from torch.overrides import TorchFunctionMode

from tallyboard.core.graph import Graph

from .capture import Watching
from .hooks import ModuleHook

__all__ = ["Ride"]


class Ride:
    """The graph of a call that the program makes by itself, drawn without a second one.

    Neither the call's inputs nor its results, random numbers or exceptions are touched. Operations are not counted,
    because that would need a mode beneath autograd.
    """

    def __init__(
        self, model: torch.nn.Module, called: torch.nn.Module, arguments: tuple[Any, ...], named: Mapping[str, Any]
    ) -> None:
        """Begins, from within the call.

        Args:
            model: the model.
            called: what is being called: the model, or what is wrapped around it.
            arguments, named: what it is called with.
        """
        self._watching: _Riding | None = None
        watching = _Riding(model, False)
        watching.draw_inputs(arguments, named)
        try:
            watching.__enter__()
        except BaseException:
            watching.take_off()
            raise
        self._watching = watching
        self._thread = threading.get_ident()
        if called is model:  # whose hook comes too late for this call
            watching.enter_module(model, arguments, named)

    def pause(self) -> None:
        """Stops drawing. Hooks stay, because torch may be walking over them."""
        watching = self._watching
        if watching is None or watching.over:
            return
        watching.over = True
        if threading.get_ident() == self._thread:
            _leave(watching)

    def end(self, *results: Any) -> Graph | None:
        """Takes all of it away; with the call's result, gives the graph.

        Raises:
            Exception: what went wrong in here while the model ran.
        """
        self.pause()
        watching, self._watching = self._watching, None
        if watching is None:
            return None
        watching.take_off()
        if watching.error is not None:
            raise watching.error
        if not results:
            return None
        watching.result(results[0])
        return watching.graph()


def _leave(mode: TorchFunctionMode) -> None:
    """Takes a mode from torch's stack, from beneath others if an interrupted call left them there."""
    above: list[Any] = []
    stack = overrides._get_current_function_mode_stack()
    if not any(one is mode for one in stack):
        return
    while (top := overrides._pop_mode()) is not mode:
        above.append(top)
    for one in reversed(above):
        overrides._push_mode(one)


class _Stage(ModuleHook):
    """One of the hooks on each module while it is drawn."""

    def __init__(self, call: Callable[..., None]) -> None:
        self._call = call

    def __call__(self, *args: Any) -> None:
        self._call(*args)


class _Riding(Watching):
    """Watches a call that is not ours: what fails in here is kept, and the call goes on."""

    def __init__(self, model: torch.nn.Module, flops: bool) -> None:
        super().__init__(model, flops)
        self.over = False
        self.error: Exception | None = None

    def _hook(self, call: Callable[..., None]) -> Callable[..., None]:
        return _Stage(call)

    def take_off(self) -> None:
        """Removes the hooks."""
        self._stack.close()

    def enter_module(self, module: torch.nn.Module, arguments: Any, named: Any) -> None:
        """Says that a module is being called."""
        self._enter_module(module, arguments, named)

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if self.over or self.error is not None:
            return func(*args, **(kwargs or {}))
        return super().__torch_function__(func, types, args, kwargs)

    def _note(self, func: Any, args: Any, kwargs: Any, result: Any, taken: int, flops: int) -> None:
        self._guarded(super()._note, func, args, kwargs, result, taken, flops)

    def _enter_module(self, module: torch.nn.Module, arguments: Any, named: Any) -> None:
        self._guarded(super()._enter_module, module, arguments, named)

    def _leave_module(self, module: torch.nn.Module, arguments: Any, result: Any) -> None:
        self._guarded(super()._leave_module, module, arguments, result)

    def _guarded(self, work: Any, *args: Any) -> None:
        if self.over or self.error is not None:
            return
        try:
            work(*args)
        except Exception as error:
            self.error = error
