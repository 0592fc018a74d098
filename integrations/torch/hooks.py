"""The hooks that stand in torch while anything is watched, and are gone after the last `leave`."""

from __future__ import annotations

import contextlib
import functools
import threading
from collections.abc import Callable
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook
from torch.utils.weak import WeakTensorKeyDictionary

__all__ = ["ModuleHook", "join", "leave", "orphans", "unscaled"]


class Watcher(Protocol):
    """What the hooks report to. Its methods do not raise."""

    def backward_begins(self, loss: Tensor, inputs: Any) -> Any:
        """Before `loss.backward(inputs=inputs)`; what it returns, if not None, is given to `backward_ends`."""

    def backward_ends(self, loss: Tensor, begun: Any) -> None:
        """After it, unless it raised."""

    def step_begins(self, optimizer: Optimizer) -> None:
        """Before a step of any optimizer."""

    def step_ends(self, optimizer: Optimizer) -> None:
        """After it, unless it raised."""


class ModuleHook:
    """A hook on a module that is of no use in a copy or a pickle of it.

    In its place these get a function of the standard library that does nothing: the copy is not watched, and loads
    where tallyboard is not installed.
    """

    def __reduce__(self) -> tuple[Any, ...]:
        return getattr, (contextlib.nullcontext(), "__exit__")


_lock = threading.RLock()
_watches: tuple[Watcher, ...] = ()
orphans: list[Watcher] = []  # watches whose model is gone, to be detached by the next attach or at exit
_installed = contextlib.ExitStack()
unscaled: WeakTensorKeyDictionary = WeakTensorKeyDictionary()  # output of GradScaler.scale -> its input
_thread = threading.local()


def join(watch: Watcher) -> None:
    """Lets the hooks report to `watch` too; installs them for the first one."""
    global _watches
    with _lock:
        if not _watches:
            _installed.callback(register_optimizer_step_pre_hook(_step_begins).remove)
            _installed.callback(register_optimizer_step_post_hook(_step_ends).remove)
            _wrap(torch.Tensor, "backward", _watched_backward)
            if scaler := getattr(torch.amp, "GradScaler", None) or getattr(torch.cuda.amp, "GradScaler", None):
                _wrap(scaler, "scale", _watched_scale)
        _watches = (*_watches, watch)


def leave(watch: Watcher) -> None:
    """No longer reports to `watch`; takes the hooks away after the last one. A second call does nothing."""
    global _watches
    with _lock:
        others = tuple(other for other in _watches if other is not watch)
        if _watches and not others:
            _installed.close()
        _watches = others


def _wrap(owner: type, name: str, wrapped: Callable[[Any], Any]) -> None:
    """Replaces a method until `_installed` is closed, or for good if somebody else wraps it in the meantime."""
    original = owner.__dict__[name]
    wrapper = functools.wraps(original)(wrapped(original))
    setattr(owner, name, wrapper)

    def restore() -> None:
        if owner.__dict__[name] is wrapper:
            setattr(owner, name, original)

    _installed.callback(restore)


def _watched_backward(original: Callable[..., Any]) -> Callable[..., Any]:
    def backward(self: Tensor, *args: Any, **kwargs: Any) -> Any:
        if not _watches or getattr(_thread, "in_backward", False):  # torch itself calls it again for subclasses
            return original(self, *args, **kwargs)
        inputs = kwargs.get("inputs", args[3] if len(args) > 3 else None)
        concerned = [(watch, watch.backward_begins(self, inputs)) for watch in _watches]
        _thread.in_backward = True
        try:
            result = original(self, *args, **kwargs)
        finally:
            _thread.in_backward = False
        for watch, reached in concerned:
            if reached is not None:
                watch.backward_ends(self, reached)
        return result

    return backward


def _watched_scale(original: Callable[..., Any]) -> Callable[..., Any]:
    def scale(self: Any, outputs: Any) -> Any:
        scaled = original(self, outputs)
        if _watches and scaled is not outputs:
            with contextlib.suppress(Exception):  # then the scaled loss is logged, which is better than nothing
                pairs = [(scaled, outputs)] if isinstance(scaled, Tensor) else zip(scaled, outputs, strict=True)
                for after, before in pairs:
                    unscaled[after] = before.detach()
        return scaled

    return scale


def _step_begins(optimizer: Optimizer, *_: object) -> None:
    for watch in _watches:
        watch.step_begins(optimizer)


def _step_ends(optimizer: Optimizer, *_: object) -> None:
    for watch in _watches:
        watch.step_ends(optimizer)
