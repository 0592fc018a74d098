"""`watch` and `unwatch`, with the arguments of wandb's: histograms of gradients and parameters, now and then.

watch(model, log="all", log_freq=100, writer=writer)
"""

from __future__ import annotations

import contextlib
import inspect
import os
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from tallyboard.core.errors import UnsupportedModel, warn_once
from tallyboard.core.writer import SummaryWriter

__all__ = ["Distributions", "unwatch", "watch"]

LOGS = ("gradients", "parameters", "all", None)

_watched: weakref.WeakKeyDictionary[nn.Module, list[Distributions]] = weakref.WeakKeyDictionary()


def watch(
    models: nn.Module | Sequence[nn.Module],
    criterion: object = None,  # noqa: ARG001  # wandb's
    log: str | None = "gradients",
    log_freq: int = 1000,
    idx: int | None = None,
    log_graph: bool = False,
    *,
    writer: SummaryWriter | None = None,
    logdir: str | os.PathLike[str] | None = None,
) -> tuple[Distributions, ...]:
    """Logs histograms of a model's gradients, parameters or both, as `gradients/<name>` and `parameters/<name>`.

    The step is the number of batches: of calls of the model that record gradients. Between two that are logged
    a call costs the counting.

    Args:
        models: a model, or several.
        criterion: accepted as wandb has it; nothing is logged of a loss function.
        log: `"gradients"`, `"parameters"`, `"all"`, or None for neither.
        log_freq: how many batches lie between two that are logged.
        idx: a number for the names, `gradients/graph_<idx><name>`; several models are numbered by themselves.
        log_graph: writes the model's graph, too, with the inputs of the first batch.
        writer: gets the values; by default a new one, closed by `unwatch` or at the program's end.
        logdir: the directory of that new one; by default one below `runs`, as `SummaryWriter` names it.

    Returns:
        One handle a model, each with `close()`, which leaves the model as it was.

    Raises:
        UnsupportedModel: a model is no `torch.nn.Module`.
        ValueError: `log` is none of these, or `log_freq` is below 1.
        TypeError: both `logdir` and `writer`.
    """
    listed = list(models) if isinstance(models, list | tuple) else [models]
    for model in listed:
        if not isinstance(model, nn.Module):
            raise UnsupportedModel(f"watch expected a torch.nn.Module, got {type(model).__qualname__}; pass the model")
    if log not in LOGS:
        raise ValueError(f"watch(log={log!r}): expected 'gradients', 'parameters', 'all' or None")
    if isinstance(log_freq, bool) or not isinstance(log_freq, int) or log_freq < 1:
        raise ValueError(f"watch(log_freq={log_freq!r}): expected a number of batches, at least 1")
    if writer is not None and logdir is not None:
        raise TypeError("watch: both logdir and writer were given; the writer has a directory already, keep one")
    owned = writer is None
    writer = SummaryWriter(logdir) if writer is None else writer
    handles: list[Distributions] = []
    for place, model in enumerate(listed):
        number = place if idx is None and len(listed) > 1 else None if idx is None else idx + place
        prefix = "" if number is None else f"graph_{number}"
        handle = Distributions(model, writer, log, log_freq, prefix, log_graph, owned)
        _watched.setdefault(model, []).append(handle)
        handles.append(handle)
    return tuple(handles)


def unwatch(models: nn.Module | Sequence[nn.Module] | None = None) -> None:
    """Ends what `watch` began, of these models or of all."""
    listed = list(_watched) if models is None else list(models) if isinstance(models, list | tuple) else [models]
    for model in listed:
        for handle in list(_watched.get(model, ())):
            handle.close()


class _Forward:
    """The hook on a model; a copy or a pickle of the model has one that does nothing."""

    def __init__(self, distributions: Distributions | None = None) -> None:
        self._distributions = distributions

    def __call__(self, module: nn.Module, args: Any, kwargs: Any) -> None:
        if self._distributions is not None and not torch.compiler.is_compiling():
            self._distributions.begins(module, args, kwargs)

    def __reduce__(self) -> tuple[Any, ...]:
        return getattr, (contextlib.nullcontext(), "__exit__")


def _by_name(model: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    """The arguments of a call by the names of the parameters that they are for."""
    signature = inspect.signature(model.forward)
    bound = dict(signature.bind(*args, **kwargs).arguments)
    more = [name for name, parameter in signature.parameters.items() if parameter.kind is parameter.VAR_KEYWORD]
    for name in more:
        bound |= bound.pop(name, {})
    return bound


class Distributions:
    """What `watch` attached to one model."""

    def __init__(
        self,
        model: nn.Module,
        writer: SummaryWriter,
        log: str | None,
        log_freq: int,
        prefix: str,
        log_graph: bool,
        owns_writer: bool,
    ) -> None:
        self._model = weakref.ref(model)
        self._writer = writer
        self._gradients = log in ("gradients", "all")
        self._parameters = log in ("parameters", "all")
        self._log_freq = log_freq
        self._prefix = prefix
        self._graph = log_graph
        self._owns_writer = owns_writer
        self._batches = 0
        self._hooks: list[Any] = []  # on the parameters, of a batch that is logged
        self._handle = model.register_forward_pre_hook(_Forward(self), with_kwargs=True)

    def begins(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """A forward pass begins: called by the hook."""
        model = self._model()
        if module is not model or model is None or not torch.is_grad_enabled():  # a replica of DataParallel
            return
        self._guarded(self._begins, model, args, kwargs)

    def _begins(self, model: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        while self._hooks:
            self._hooks.pop().remove()
        self._batches += 1
        if self._graph:
            self._graph = False
            self._writer.add_graph(model, _by_name(model, args, kwargs) if kwargs else args)
        if self._batches % self._log_freq:
            return
        for name, parameter in model.named_parameters():
            if self._parameters:
                self._log("parameters", name, parameter, self._batches)
            if self._gradients and parameter.requires_grad:
                self._hooks.append(parameter.register_hook(self._gradient_hook(name, self._batches)))

    def _gradient_hook(self, name: str, step: int) -> Callable[[Tensor], None]:
        def came(gradient: Tensor) -> None:
            self._guarded(self._log, "gradients", name, gradient, step)

        return came

    def _log(self, kind: str, name: str, tensor: Tensor, step: int) -> None:
        local = getattr(tensor, "to_local", None)  # a DTensor's, of which this process has a part
        tensor = tensor.detach() if local is None else local().detach()
        tensor = tensor.coalesce().values() if tensor.layout == torch.sparse_coo else tensor
        if tensor.numel() and not tensor.is_meta:
            self._writer.add_histogram(f"{kind}/{self._prefix}{name}", tensor, step)

    def _guarded(self, function: Callable[..., None], *args: Any) -> None:
        try:
            function(*args)
        except Exception as error:  # whatever it is, training goes on
            warn_once(
                ("watch", id(self)),
                f"watch: something could not be logged ({type(error).__name__}: {error}). Training goes on; further "
                "failures are not reported.",
            )

    def close(self) -> None:
        """Leaves the model as it was, and closes the writer if `watch` made it. A second call does nothing."""
        for hook in (self._handle, *self._hooks):
            hook.remove()
        self._hooks = []
        model = self._model()
        if model is not None and self in (others := _watched.get(model, [])):
            others.remove(self)
            if self._owns_writer:
                self._writer.close()

    def __enter__(self) -> Distributions:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
