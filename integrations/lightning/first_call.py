"""The graph of the first batch: waits for the first call of a module or of a part of it."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable
from typing import Any

__all__ = ["FirstCall"]


class FirstCall:
    """Waits for the first call of a module or of a part of it, and tells of it. Copies wait for nothing.

    Args:
        tell: gets the module that was called, and its inputs: positional ones, or all by name.
        model: the module.
    """

    def __init__(self, tell: Callable[[Any, Any], None], model: Any) -> None:
        self._tell: Callable[[Any, Any], None] | None = tell
        self._model = model
        parts = (model, *(part for part in model.children() if next(part.parameters(), None) is not None))
        self._hooks = [part.register_forward_pre_hook(self, with_kwargs=True) for part in parts]

    def __call__(self, module: Any, arguments: tuple[Any, ...], named: dict[str, Any]) -> None:
        tell = self._tell
        if tell is None:
            return
        self.forget()
        inputs: Any = arguments
        if named:
            with contextlib.suppress(TypeError):  # the call itself will say so
                inputs = dict(inspect.signature(module.forward).bind(*arguments, **named).arguments)
        tell(module, inputs)

    def forget(self) -> tuple[Any, Any]:
        """Ends the waiting; gives the module, and the example that it has of its inputs."""
        for hook in self._hooks:
            hook.remove()
        self._hooks, self._tell = [], None
        return self._model, getattr(self._model, "example_input_array", None)

    def __reduce__(self) -> tuple[Any, ...]:
        return _waits_for_nothing, ()


def _waits_for_nothing() -> FirstCall:
    made = object.__new__(FirstCall)
    made._tell, made._model, made._hooks = None, None, []
    return made
