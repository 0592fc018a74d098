"""What a step function gives out and is given: which of it are metrics, which the state, the weights, the rates.

This is looked for once, at the first call; what is found are places, which later calls only read.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from .framework import jax, jnp
from .statistics import Stats
from .trees import is_module, nnx, path_text

__all__ = [
    "MOST_TAGS",
    "Place",
    "batch_place",
    "follow",
    "metric_places",
    "picker",
    "rate_places",
    "tag_of",
    "weights_in",
]

MOST_TAGS = 256
_STATS = "*"  # what has tags of its own
_RATES = {"learning_rate": "train/lr"}


class Place(NamedTuple):
    """Where a value lies: keys and attributes from the whole to it, and the tag it is logged under."""

    tag: str
    path: tuple[tuple[bool, Any], ...]


def follow(thing: Any, path: tuple[tuple[bool, Any], ...]) -> Any:
    """The value at a place."""
    for is_attribute, key in path:
        thing = getattr(thing, key) if is_attribute else thing[key]
    return thing


def picker(places: list[Place]) -> Callable[[Any], Sequence[Any]]:
    """A function that gives the values at these places, in their order."""
    above = {place.path[:-1] for place in places}
    keys = [place.path[-1][1] for place in places if place.path and not place.path[-1][0]]
    if len(above) != 1 or len(keys) != len(places) or len(keys) < 2:
        return lambda thing: [follow(thing, place.path) for place in places]
    get, (holder,) = operator.itemgetter(*keys), above
    if len(holder) == 1 and not holder[0][0]:
        key = holder[0][1]
        return lambda thing: get(thing[key])
    return lambda thing: get(follow(thing, holder))


def _steps(path: Any) -> tuple[tuple[bool, Any], ...]:
    """A path of `jax.tree_util` as attributes and keys."""
    steps: list[tuple[bool, Any]] = []
    for key in path:
        if hasattr(key, "name"):
            steps.append((True, key.name))
        else:
            steps.append((False, key.key if hasattr(key, "key") else key.idx))
    return tuple(steps)


def tag_of(name: str) -> str:
    """The tag of a metric: its own name where that has a group, below `train/` where not."""
    return name if "/" in name else f"train/{name}"


def metric_places(out: Any, arguments: tuple[Any, ...]) -> tuple[list[Place], list[str]]:
    """The numbers in what a step returned that are no part of its state; and what was left out, in words."""
    several = type(out) is tuple or isinstance(out, list)
    structures = {jax.tree_util.tree_structure(one) for one in arguments if _holds_arrays(one)}
    places: list[Place] = []
    notes: list[str] = []
    for i, part in enumerate(out if several else (out,)):
        if _is_state(part, structures):
            continue
        prefix: tuple[tuple[bool, Any], ...] = ((False, i),) if several else ()
        found = list(_numbers(part, prefix, notes))
        places += found
    return _named(places, notes), notes


def _numbers(part: Any, prefix: tuple[tuple[bool, Any], ...], notes: list[str]) -> Iterator[Place]:
    pairs = jax.tree_util.tree_flatten_with_path(part, is_leaf=lambda x: isinstance(x, Stats) or hasattr(x, "compute"))[
        0
    ]
    for path, leaf in pairs:
        place = prefix + _steps(path)
        name = "/".join(str(key) for is_attribute, key in _steps(path) if is_attribute or isinstance(key, str))
        if isinstance(leaf, Stats):
            yield Place(_STATS, place)
        elif hasattr(leaf, "compute"):
            notes.append(f"{name or type(leaf).__name__} has yet to be computed, and is not logged")
        elif _is_number(leaf) and (name or jnp.issubdtype(jnp.asarray(leaf).dtype, jnp.floating)):
            yield Place(name, place)


def _named(places: list[Place], notes: list[str]) -> list[Place]:
    """The same with tags: those without a name are the loss, and outputs by their number."""
    named: list[Place] = []
    nameless = 0
    taken: set[str] = set()
    for place in places:
        if place.tag == _STATS:
            named.append(place)
            continue
        tag = tag_of(place.tag)
        if not place.tag:
            tag = "train/loss" if not nameless else f"train/output{nameless}"
            nameless += 1
        while tag in taken:
            tag += "_"
        taken.add(tag)
        named.append(Place(tag, place.path))
    if len(named) > MOST_TAGS:
        notes.append(f"{len(named) - MOST_TAGS} of {len(named)} numbers are not logged; return fewer, or give metrics=")
    return named[:MOST_TAGS]


def _is_number(leaf: Any) -> bool:
    if isinstance(leaf, bool | int | float):
        return True
    dtype = getattr(leaf, "dtype", None)
    if dtype is None or getattr(leaf, "size", 0) != 1:
        return False
    return jnp.issubdtype(dtype, jnp.number) or jnp.issubdtype(dtype, jnp.bool_)


def _holds_arrays(thing: Any) -> bool:
    """Whether it is more than one number."""
    leaves = jax.tree_util.tree_leaves(thing)
    return len(leaves) > 1 or any(getattr(leaf, "ndim", 0) for leaf in leaves)


def _is_state(part: Any, structures: set[Any]) -> bool:
    """Whether it is handed on to the next step: what was given in the same form, and optimizers' states."""
    found = nnx()
    if is_module(part) or (found is not None and isinstance(part, found.State)):
        return True
    if type(part).__module__.partition(".")[0] == "optax":
        return True
    return _holds_arrays(part) and jax.tree_util.tree_structure(part) in structures


def weights_in(arguments: tuple[Any, ...], out: Any) -> tuple[Callable[[Any], Any], Callable[[Any, Any], Any]] | None:
    """Two functions: the weights in the arguments before a step, and in arguments and output after it.

    They are those of a module of nnx among the arguments, or of the first part of the state that came back: its
    attribute or key `params`, or itself.
    """
    found = nnx()
    for i, argument in enumerate(arguments):
        if found is not None and isinstance(argument, found.Module) and not isinstance(argument, found.Optimizer):
            return (lambda given, i=i: given[i]), (lambda given, _, i=i: given[i])
    parts = out if type(out) is tuple or isinstance(out, list) else (out,)
    for i, argument in enumerate(arguments):
        if not _holds_arrays(argument) or type(argument).__module__.partition(".")[0] == "optax":
            continue
        structure = jax.tree_util.tree_structure(argument)
        for j, part in enumerate(parts):
            if jax.tree_util.tree_structure(part) == structure:
                return (
                    lambda given, i=i: _params(given[i]),
                    lambda _, given, j=j: _params(
                        given[j] if type(given) is tuple or isinstance(given, list) else given
                    ),
                )
    return None


def _params(state: Any) -> Any:
    if isinstance(state, Mapping) and "params" in state:
        return state["params"]
    return getattr(state, "params", state)


def rate_places(arguments: tuple[Any, ...], out: Any) -> list[Place]:
    """Where the learning rate of an `optax.inject_hyperparams` lies, in (arguments, output) after a step."""
    found = nnx()
    places: list[Place] = []
    for i, argument in enumerate(arguments):
        if found is not None and isinstance(argument, found.Optimizer):
            prefix = ((False, 0), (False, i), (True, "opt_state"))
            places += _rates(argument.opt_state, prefix)
    places += _rates(out, ((False, 1),))
    if len(places) > 1:
        places = [Place(f"{place.tag}/optimizer{i}" if i else place.tag, place.path) for i, place in enumerate(places)]
    return places


def _rates(tree: Any, prefix: tuple[tuple[bool, Any], ...]) -> list[Place]:
    def is_injected(thing: Any) -> bool:
        return hasattr(thing, "hyperparams") and hasattr(thing, "inner_state")

    places: list[Place] = []
    for path, leaf in jax.tree_util.tree_flatten_with_path(tree, is_leaf=is_injected)[0]:
        if is_injected(leaf):
            for name, tag in _RATES.items():
                if name in leaf.hyperparams:
                    places.append(Place(tag, (*prefix, *_steps(path), (True, "hyperparams"), (False, name))))
    return places


def batch_place(arguments: tuple[Any, ...], out: Any) -> tuple[tuple[bool, Any], ...] | None:
    """Where the first array of a batch lies in the arguments: of what is no state, and has a first axis."""
    parts = out if type(out) is tuple or isinstance(out, list) else (out,)
    structures = {jax.tree_util.tree_structure(part) for part in parts if _holds_arrays(part)}
    found = nnx()
    for i, argument in enumerate(arguments):
        if found is not None and isinstance(argument, found.Pytree):
            continue
        if jax.tree_util.tree_structure(argument) in structures or type(argument).__module__.startswith("optax"):
            continue
        for path, leaf in jax.tree_util.tree_flatten_with_path(argument)[0]:
            if getattr(leaf, "ndim", 0) >= 1 and path_text(path) is not None and not _is_key(leaf):
                return ((False, i), *_steps(path))
    return None


def _is_key(leaf: Any) -> bool:
    """Whether it is a key of random numbers, of the old kind (two uint32) or the new."""
    return jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key) or (leaf.dtype == jnp.uint32 and leaf.shape == (2,))
