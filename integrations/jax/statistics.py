"""`stats`: what can be told of gradients, parameters and updates, computed where they are and as one small vector."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from tallyboard.core.errors import InvalidSummary

from .framework import jax, jnp
from .trees import named_leaves

__all__ = ["MOST_MODULES", "Stats", "module_names", "stats"]

MOST_MODULES = 64


@jax.tree_util.register_pytree_node_class
class Stats(Mapping[str, Any]):
    """Numbers by tag that are one vector on the device: a tree of JAX's, to be returned from compiled functions.

        writer.write_scalars(step, found)      # one copy to the host

    Outside of compiled functions, looking at a number waits for the device, once for all.

    Attributes:
        names: the tags.
        vector: float32, as many.
    """

    def __init__(self, names: tuple[str, ...], vector: Any) -> None:
        self.names = names
        self.vector = vector
        self._host: list[float] | None = None

    def tree_flatten(self) -> tuple[Any, Any]:
        """For JAX."""
        return (self.vector,), self.names

    @classmethod
    def tree_unflatten(cls, aux: Any, children: Any) -> Stats:
        """For JAX."""
        return cls(aux, *children)

    def copy_to_host_async(self) -> None:
        """Starts the copy to the host."""
        if hasattr(self.vector, "copy_to_host_async"):
            self.vector.copy_to_host_async()

    def __getitem__(self, name: str) -> Any:
        try:
            place = self.names.index(name)
        except ValueError:
            raise KeyError(name) from None
        return self.vector[place] if isinstance(self.vector, jax.core.Tracer) else self._row()[place]

    def _row(self) -> list[float]:
        if self._host is None:
            self._host = list(np.asarray(self.vector).tolist())
        return self._host

    def items(self) -> Any:
        """Tags and numbers."""
        values = self.vector if isinstance(self.vector, jax.core.Tracer) else self._row()
        return dict(zip(self.names, values, strict=True)).items()

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)

    def __repr__(self) -> str:
        return f"Stats({', '.join(self.names)})"


def stats(grads: Any = None, params: Any = None, updates: Any = None, *, depth: int | None = None) -> Stats:
    """Norms of trees, in all and by module: a pure function, to be called inside `jit` and returned.

    - of `grads`: `gradients/norm`, Euclidean, `gradients/norm/<module>`, and `gradients/nonfinite`, how many parameters
      have a NaN or an infinity;
    - of `params`: `weights/norm` and so on, likewise;
    - of `updates` with `params`: `weights/update_ratio`, the norm of the one by that of the other; without them
      `updates/norm`.

    A module is the path of a parameter without its last part, joined by dots, as in `encoder.layers.0`. Sums are taken
    in float32. Sharded arrays are reduced where they lie.

    Args:
        grads, params, updates: trees of arrays, of flax, haiku, equinox or your own; updates are what optax gives.
        depth: to which depth modules are told apart; by default the greatest that has at most 64 of them; 0 for none.

    Raises:
        InvalidSummary: nothing is given, or something without arrays.
    """
    numbers: dict[str, Any] = {}
    sums = {
        name: _squares(tree, depth, name) for name, tree in (("grads", grads), ("params", params)) if tree is not None
    }
    for name, tag in (("grads", "gradients"), ("params", "weights")):
        if name in sums:
            squares, nonfinite = sums[name]
            numbers |= {_joined(f"{tag}/norm", module): jnp.sqrt(total) for module, total in squares.items()}
            numbers[f"{tag}/nonfinite"] = nonfinite
    if updates is not None:
        moved, _ = _squares(updates, depth, "updates")
        whole = sums["params"][0] if "params" in sums else {}
        for module, total in moved.items():
            if not whole:
                numbers[_joined("updates/norm", module)] = jnp.sqrt(total)
            elif module in whole:
                ratio = jnp.sqrt(total) / jnp.maximum(jnp.sqrt(whole[module]), jnp.finfo(jnp.float32).tiny)
                numbers[_joined("weights/update_ratio", module)] = ratio
    if not numbers:
        raise InvalidSummary("stats: expected gradients, parameters or updates, got none of them")
    return Stats(tuple(numbers), jax.lax.stop_gradient(jnp.stack(list(numbers.values()))))


def _joined(tag: str, module: str) -> str:
    return f"{tag}/{module}" if module else tag


def _squares(tree: Any, depth: int | None, call: str) -> tuple[dict[str, Any], Any]:
    """Sums of squares, in all (under the empty name) and by module; how many leaves are not finite."""
    leaves = [
        (name, leaf) for name, leaf in named_leaves(tree, f"stats({call})") if jnp.issubdtype(leaf.dtype, jnp.inexact)
    ]
    modules = module_names([name for name, _ in leaves], depth)
    sums: dict[str, Any] = {"": jnp.zeros((), jnp.float32)}
    nonfinite = jnp.zeros((), jnp.float32)
    for (_, leaf), module in zip(leaves, modules, strict=True):
        total = jnp.sum(jnp.square(jnp.abs(leaf).astype(jnp.float32)))
        sums[""] += total
        if module:
            sums[module] = sums.get(module, 0.0) + total
        nonfinite += (~jnp.isfinite(leaf)).any().astype(jnp.float32)
    return sums, nonfinite


def module_names(paths: list[str], depth: int | None = None) -> list[str]:
    """The module of each parameter, joined by dots; empty where it belongs to none."""
    parts = [path.split("/")[:-1] for path in paths]
    if parts and all(part[:1] == ["params"] for part in parts):  # flax' collection, in which all lie
        parts = [part[1:] for part in parts]
    if depth is None:
        deepest = max(map(len, parts), default=0)
        depth = next((d for d in range(deepest, 0, -1) if len({tuple(part[:d]) for part in parts}) <= MOST_MODULES), 0)
    return [".".join(part[:depth]) for part in parts]
