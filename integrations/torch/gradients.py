"""`log_gradients`: the norms of gradients, in total and by module, with one wait for the device."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from torch import Tensor, nn
from torch.optim import Optimizer

from tallyboard.core.writer import SummaryWriter

from .norms import by_module, l2_norms, together

__all__ = ["log_gradients"]

MOST = 64  # modules, so that a run of a deep model stays one that a page can show


def log_gradients(
    source: nn.Module | Optimizer | Mapping[str, Tensor] | Iterable[Tensor] | Iterable[tuple[str, Tensor]],
    writer: SummaryWriter,
    step: int | None = None,
    *,
    tag: str = "gradients",
    depth: int = 2,
    histograms: bool = False,
) -> float:
    """Logs the norms of the gradients that there are now: call it between `backward()` and `optimizer.step()`.

        loss.backward()
        log_gradients(model, writer, step)

    Writes `gradients/norm`, the norm of all gradients as one vector, and `gradients/norm/<module>`, such as
    `gradients/norm/layers.0`; and
    `gradients/nonfinite`, how many parameters have a gradient that is not finite, where any has.

    Args:
        source: a model, an optimizer, or parameters: with their names, or without, as `parameters()` has them.
        writer: gets the values.
        step: the step.
        tag: what the tags begin with.
        depth: how deep in the tree modules get a series of their own: 0 for the total alone. Deep models stop
            before they have more than 64.
        histograms: writes each parameter's gradient as a histogram, too.

    Returns:
        The norm of all; 0 where nothing has a gradient. All norms are read in one wait for the device.

    Raises:
        TypeError: `source` is none of these.
    """
    found = {name: parameter.grad for name, parameter in named(source).items()}
    gradients = {name: gradient for name, gradient in found.items() if gradient is not None}
    norms: list[float] = l2_norms(list(gradients.values())).tolist()
    total = together(norms)
    writer.add_scalar(f"{tag}/norm", total, step)
    for path, norm in _modules(list(gradients), norms, depth).items():
        writer.add_scalar(f"{tag}/norm/{path}", norm, step)
    if total - total != 0:
        broken = sum(norm - norm != 0 for norm in norms)
        writer.add_scalar(f"{tag}/nonfinite", broken, step)
    if histograms:
        for name, gradient in gradients.items():
            writer.add_histogram(f"{tag}/{name}", gradient, step)
    return total


def _modules(names: list[str], norms: list[float], depth: int) -> dict[str, float]:
    while depth > 0:
        found = by_module(names, norms, depth)
        if len(found) <= MOST:
            return found
        depth -= 1
    return {}


def named(source: Any) -> dict[str, Tensor]:
    """The parameters that `source` holds, by name; a shared one stands there once.

    Raises:
        TypeError: it holds none.
    """
    if isinstance(source, nn.Module):
        return dict(source.named_parameters())
    if isinstance(source, Optimizer):
        groups = source.param_groups
        label = "group{}.{}" if len(groups) > 1 else "{1}"
        return {label.format(i, j): one for i, group in enumerate(groups) for j, one in enumerate(group["params"])}
    if isinstance(source, Tensor):
        return {"0": source}
    pairs = source.items() if isinstance(source, Mapping) else enumerate(source) if _iterable(source) else [(0, source)]
    parameters: dict[str, Tensor] = {}
    for name, item in pairs:
        if isinstance(item, tuple) and len(item) == 2:
            name, item = item
        if not isinstance(item, Tensor):
            raise TypeError(
                f"log_gradients expected a model, an optimizer or parameters, got {type(item).__qualname__}; "
                "pass model, or model.named_parameters()"
            )
        parameters[str(name)] = item
    return parameters


def _iterable(source: Any) -> bool:
    return isinstance(source, Iterable) and not isinstance(source, str | bytes)
