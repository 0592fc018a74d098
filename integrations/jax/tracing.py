"""What JAX makes of a function before it runs: its jaxpr, and from that what XLA is given and what it makes of it."""

from __future__ import annotations

import inspect
import sys
import sysconfig
from collections.abc import Callable, Mapping
from typing import Any

from tallyboard.core.errors import InvalidSummary
from tallyboard.core.summary import brief, kind_of

from .framework import jax
from .module_scopes import module_scopes
from .trees import path_text

__all__ = ["cost_of", "input_names", "is_array", "output_names", "split_arrays", "trace"]


def trace(function: Any, arguments: tuple[Any, ...], keywords: Mapping[str, Any], call: str) -> tuple[Any, list[str]]:
    """The function traced with such arguments, and a path for each of its inputs. Nothing is computed.

    Args:
        function: anything to call: compiled or not, a linen, nnx or equinox module.
        arguments, keywords: arrays, trees of them, or their `jax.ShapeDtypeStruct`; modules of nnx and equinox.
        call: for the error text.

    Raises:
        InvalidSummary: it is nothing to call, or fails when it is traced; the text has the function's own error.
    """
    linen: Any = sys.modules.get("flax.linen")
    if linen is not None and isinstance(function, linen.Module):
        function = function.apply
    if not callable(function):
        raise InvalidSummary(
            f"{call}: expected a function or a module, and what to call it with, got {kind_of(function)}"
        )
    try:
        with module_scopes():
            if hasattr(function, "trace") and not _has_modules((arguments, keywords)) and not _is_module(function):
                traced = function.trace(*arguments, **keywords)
                return traced, input_names(traced, function)
            return _trace_leaves(function, arguments, keywords)
    except InvalidSummary:
        raise
    except Exception as error:
        raise InvalidSummary(
            f"{call}: {getattr(function, '__name__', kind_of(function))} cannot be traced with these arguments "
            f"({type(error).__name__}{_where(error)}: {brief(error)}); pass what it is called with in training"
        ) from error


def _trace_leaves(function: Any, arguments: Any, keywords: Any) -> tuple[Any, list[str]]:
    """Traces with the arrays alone as inputs; modules are put together again inside."""
    if hasattr(function, "lower"):  # compiled: it may have been traced before, without scopes
        function = getattr(function, "__wrapped__", function)
    given = (function if _is_module(function) else None, arguments, dict(keywords))
    split = _split_nnx if _nnx() is not None else split_arrays
    leaves, together, names = split(given)

    def call(leaves: Any) -> Any:
        module, arguments, keywords = together(leaves)
        found = (function if module is None else module)(*arguments, **keywords)
        return [leaf for leaf in jax.tree_util.tree_leaves(_plain(found)) if is_array(leaf)]

    return jax.jit(call).trace(leaves), _with_arguments(names, function)


def _where(error: BaseException) -> str:
    """The line of the user's program that it came from."""
    libraries = tuple(sysconfig.get_path(name) for name in ("purelib", "platlib", "stdlib"))
    found, trace = "", error.__traceback__
    while trace is not None:
        name = trace.tb_frame.f_code.co_filename
        if not name.startswith((*libraries, "<frozen")) and "tallyboard.integrations" not in str(
            trace.tb_frame.f_globals.get("__name__")
        ):
            found = f" in {name}:{trace.tb_lineno}"
        trace = trace.tb_next
    return found


def _with_arguments(paths: list[str], function: Any) -> list[str]:
    """The same, with the names of arguments in place of their numbers, where these are known."""
    try:
        parameters = inspect.signature(function).parameters.values()
        names = [one.name for one in parameters if one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD)]
    except (TypeError, ValueError):
        return paths
    named: list[str] = []
    for path in paths:
        first, slash, rest = path.partition("/")
        known = first.isdigit() and int(first) < len(names)
        named.append(f"{names[int(first)]}{slash}{rest}" if known else path)
    return named


def _nnx() -> Any:
    return sys.modules.get("flax.nnx")


def _is_module(thing: Any) -> bool:
    return any(
        (kind := getattr(sys.modules.get(package), "Module", None)) is not None and isinstance(thing, kind)
        for package in ("flax.nnx", "equinox")
    )


def _has_modules(tree: Any) -> bool:
    found = jax.tree_util.tree_leaves(tree, is_leaf=_stateful)
    return any(map(_stateful, found))


def _stateful(thing: Any) -> bool:
    """Modules and what else holds its arrays itself, as nnx.Optimizer does."""
    nnx = _nnx()
    return _is_module(thing) or (nnx is not None and isinstance(thing, nnx.Pytree))


def _plain(tree: Any) -> Any:
    nnx = _nnx()
    return nnx.state(tree) if nnx is not None and isinstance(tree, nnx.Module) else tree


def split_arrays(tree: Any) -> tuple[list[Any], Callable[[Any], Any], list[str]]:
    """The arrays of a tree, what puts them back, and their paths; everything else stays where it is."""
    pairs, treedef = jax.tree_util.tree_flatten_with_path(tree)
    places = [i for i, (_, leaf) in enumerate(pairs) if is_array(leaf)]
    rest = [leaf for _, leaf in pairs]

    def together(leaves: Any) -> Any:
        whole = list(rest)
        for place, leaf in zip(places, leaves, strict=True):
            whole[place] = leaf
        return jax.tree_util.tree_unflatten(treedef, whole)

    return [rest[place] for place in places], together, [_named(path_text(pairs[place][0])) for place in places]


def _split_nnx(tree: Any) -> tuple[list[Any], Callable[[Any], Any], list[str]]:
    """The same where modules of nnx are among it, which may share their parts."""
    nnx = _nnx()
    if not _has_modules(tree):
        return split_arrays(tree)
    held = filter(_stateful, jax.tree_util.tree_leaves(tree, is_leaf=_stateful))
    if not all(isinstance(thing, nnx.Pytree) for thing in held):
        return split_arrays(tree)  # equinox', which are trees like others
    definition, state = nnx.split(tree)
    leaves, back, names = split_arrays(state)
    return leaves, lambda found: nnx.merge(definition, back(found)), names


def is_array(leaf: Any) -> bool:
    """Whether it has a shape and a dtype."""
    return hasattr(leaf, "shape") and hasattr(leaf, "dtype")


def _named(path: str) -> str:
    """The path of an input: what comes first says whether it is of the module, an argument or a keyword."""
    first, _, rest = path.partition("/")
    return f"model/{rest}" if first == "0" else rest


def input_names(traced: Any, function: Any = None) -> list[str]:
    """A path for each input of a traced function, beginning with the argument's name or number."""
    try:
        pairs, _ = jax.tree_util.tree_flatten_with_path(traced.args_info)
        names = [path_text(path).partition("/")[2] for path, _ in pairs]
    except Exception:  # a form of later versions
        names = []
    wanted = len(traced.jaxpr.in_avals)
    return _with_arguments(names, function) if len(names) == wanted else [str(i) for i in range(wanted)]


def output_names(traced: Any) -> list[str]:
    """A path for each output of a traced function: its number, where that is all it has."""
    wanted = len(traced.jaxpr.out_avals)
    try:
        pairs, _ = jax.tree_util.tree_flatten_with_path(traced.out_info)
        names = [path_text(path) or str(i) for i, (path, _) in enumerate(pairs)]
    except Exception:  # a form of other versions
        names = []
    return names if len(names) == wanted else [str(i) for i in range(wanted)]


def cost_of(stage: Any) -> dict[str, float]:
    """What XLA counts of a lowered or compiled function: `flops`, `bytes accessed`; empty where it does not say."""
    try:
        found = stage.cost_analysis()
    except Exception:
        return {}
    found = found[0] if isinstance(found, list) and found else found
    return {key: float(found[key]) for key in ("flops", "bytes accessed") if isinstance(found, dict) and key in found}
