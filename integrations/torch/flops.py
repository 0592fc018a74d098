"""Floating-point operations, counted as they are done."""

from __future__ import annotations

from typing import Any

from torch.utils._python_dispatch import TorchDispatchMode

__all__ = ["Flops"]


class Flops(TorchDispatchMode):
    """Counts while it is active, by the formulas of `torch.utils.flop_counter`: products, convolutions and attention,
    two for each multiplication that is added up.

    Attributes:
        total: so far.
    """

    def __init__(self) -> None:
        super().__init__()
        from torch.utils import flop_counter

        self.total = 0
        self._formulas: dict[Any, Any] = getattr(flop_counter, "flop_registry", {})

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # else the first operation would import the compiler, which takes seconds

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        formula = self._formulas.get(getattr(func, "_overloadpacket", None))
        if formula is None:
            return self._parts(func, args, kwargs)
        result = func(*args, **kwargs)
        self.total += int(formula(*args, **kwargs, out_val=result))
        return result

    def _parts(self, func: Any, args: Any, kwargs: Any) -> Any:
        """What the operation is made of, where it is not one of its own: in inference mode they come here whole."""
        decompose = getattr(func, "decompose", None)
        asked = getattr(func, "namespace", "") == "prim"  # of a tensor without data, for its device
        if decompose is not None and not asked:
            with self:
                result = decompose(*args, **kwargs)
            if result is not NotImplemented:
                return result
        return func(*args, **kwargs)
