"""By which modules numbers are told: at most 64 of them, however large the model."""

from __future__ import annotations

from collections.abc import Iterable

from torch import nn

__all__ = ["MOST", "cut_paths", "own_name", "plain_name", "unwrapped"]

MOST = 64
"""Modules that have series of their own: more are neither looked at nor cheap."""
_WRAPPERS = frozenset(("_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"))
_PARALLEL = ("DataParallel", "DistributedDataParallel", "FullyShardedDataParallel")


def unwrapped(model: nn.Module) -> nn.Module:
    """The model that a compiled or parallel one is made of."""
    while True:
        inner = getattr(model, "_orig_mod", None)
        if inner is None and any(cls.__name__ in _PARALLEL for cls in type(model).__mro__):
            inner = getattr(model, "module", None)
        if not isinstance(inner, nn.Module):
            return model
        model = inner


def plain_name(path: str) -> str:
    """A path as it is without the wrappers that compiling, sharding and checkpointing put in."""
    if not any(wrapper in path for wrapper in _WRAPPERS):
        return path
    return ".".join(part for part in path.split(".") if part not in _WRAPPERS)


def own_name(parameter: str) -> str:
    """The path of the module that a parameter belongs to; the model's own stand under their own names."""
    return parameter.rpartition(".")[0] or parameter


def cut_paths(paths: Iterable[str]) -> tuple[dict[str, str], str]:
    """What stands for each path, so that there are at most `MOST`, and what to say of it.

    Paths are cut to the greatest depth at which there are few enough. Where even their first parts are too many,
    the first `MOST` are kept and the others have nothing that stands for them.
    """
    known = list(dict.fromkeys(paths))
    if len(known) <= MOST:
        return {path: path for path in known}, ""
    for depth in range(max(path.count(".") for path in known), 0, -1):
        cut = {path: ".".join(path.split(".")[:depth]) for path in known}
        if len(set(cut.values())) <= MOST:
            return cut, f"{len(known)} modules are told of as {len(set(cut.values()))}, those {depth} deep"
    first = {path: path.partition(".")[0] for path in known}
    kept = list(dict.fromkeys(first.values()))
    left = kept[MOST:]
    some = ", ".join(f"`{name}`" for name in left[:3])
    said = f"the first {MOST} of {len(kept)} modules are told of, and not {some}{', …' if len(left) > 3 else ''}"
    return {path: name for path, name in first.items() if name in set(kept[:MOST])}, said
