"""Trees of arrays by path: dicts, and what flax (linen and nnx), haiku, equinox and optax make of theirs."""

from __future__ import annotations

import sys
from typing import Any

from tallyboard.core.errors import InvalidSummary
from tallyboard.core.summary import kind_of

from .framework import jax, jnp

__all__ = ["is_module", "modules_of", "named_leaves", "path_text", "plain_tree"]

_BOXES = ("value", "raw_value")  # attributes of what wraps one array: flax' Partitioned, nnx' variables


def nnx() -> Any:
    """flax.nnx, if the program has loaded it."""
    return sys.modules.get("flax.nnx")


def is_module(thing: object) -> bool:
    """Whether it is a module of nnx, which holds its state itself."""
    found = nnx()
    return found is not None and isinstance(thing, found.Module)


def modules_of(*things: Any) -> list[Any]:
    """The modules of nnx among these."""
    return [thing for thing in things if is_module(thing)]


def plain_tree(tree: Any) -> Any:
    """The same as a tree that JAX knows: a module of nnx as its parameters."""
    found = nnx()
    if found is None:
        return tree
    if isinstance(tree, found.Module):
        tree = found.state(tree, found.Param)
    return found.to_pure_dict(tree) if isinstance(tree, found.State) else tree


def named_leaves(tree: Any, call: str = "params") -> list[tuple[str, Any]]:
    """The arrays of numbers in a tree, each with its path, joined by `/`, in the tree's order.

    What is no array (functions, names and settings that equinox keeps beside its weights) is left out, and so are keys
    of random numbers.

    Raises:
        InvalidSummary: there are none.
    """
    found: list[tuple[str, Any]] = []
    for path, leaf in jax.tree_util.tree_flatten_with_path(plain_tree(tree))[0]:
        if hasattr(leaf, "shape") and hasattr(leaf, "dtype") and _is_numbers(leaf.dtype):
            found.append((path_text(path) or "value", leaf))
    if not found:
        raise InvalidSummary(f"{call}: expected a tree of arrays, such as a model's parameters, got {kind_of(tree)}")
    return found


def _is_numbers(dtype: Any) -> bool:
    try:
        return jnp.issubdtype(dtype, jnp.number) or jnp.issubdtype(dtype, jnp.bool_)
    except TypeError:
        return False


def path_text(path: Any) -> str:
    """A path of `jax.tree_util` as names with `/` between them."""
    parts: list[str] = []
    for key in path:
        name: Any = key
        for attribute in ("key", "name", "idx"):
            if hasattr(key, attribute):
                name = getattr(key, attribute)
                break
        parts.append(str(name))
    while len(parts) > 1 and parts[-1] in _BOXES:
        parts.pop()
    return "/".join(parts)
