"""What `SummaryWriter.add_graph` takes of JAX: a function, compiled or not, or a module, and what it is called with."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Mapping
from typing import Any, cast

from tallyboard.core.errors import InvalidSummary
from tallyboard.core.graph import Graph
from tallyboard.core.summary import brief

from .framework import jax
from .graphs import graph
from .tracing import is_array, split_arrays

__all__ = ["graph_source"]


def graph_source(
    model: Any,
    input_to_model: Any = None,
    *,
    verbose: bool = False,
    use_strict_trace: bool = True,  # noqa: ARG001  # torch's
    mode: str = "auto",
) -> Graph:
    """The graph of a call with these inputs; nothing is computed.

    Args:
        model: as `function` of `tallyboard.integrations.jax.graph`; or what haiku's `transform` gave. A linen module,
            and haiku's pair, may be given without variables, which are then those that `init` would make.
        input_to_model: its input; a tuple of several; or a dict by argument's name, where all its keys are such.
        verbose: prints the graph, a node a line.
        use_strict_trace: of torch alone.
        mode: `auto`; JAX has one way.

    Raises:
        InvalidSummary: as `graph`; or the mode is another.
    """
    if mode != "auto":
        raise InvalidSummary(f"add_graph: a graph of JAX is found in one way, mode='auto', got {mode!r}")
    found = _drawn(model, input_to_model)
    if verbose:
        sys.stdout.writelines(f"{node.name} = {node.op}({', '.join(node.inputs)})\n" for node in found.nodes)
    return found


def _drawn(model: Any, given: Any) -> Graph:
    if not (hasattr(model, "init") and hasattr(model, "apply")):
        arguments, named = _called_with(model, given)
        return graph(model, *arguments, **named)
    arguments, named = _called_with(model.apply if isinstance(model, tuple) else model, given)
    if not _has_variables(arguments):
        arguments = (*_variables(model, arguments, named), *arguments)
    return graph(model.apply, *arguments, **named)


def _called_with(function: Any, given: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Arguments by place and by name."""
    if given is None:
        return (), {}
    if type(given) is tuple:
        return cast("tuple[Any, ...]", given), {}
    if isinstance(given, Mapping):
        by_name = cast("Mapping[Any, Any]", given)
        if by_name and set(by_name) <= set(_names(function)):
            return (), dict(by_name)
    return (given,), {}


def _names(function: Any) -> list[str]:
    """The names of a function's arguments; none where they are not known."""
    try:
        return list(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        return []


def _has_variables(arguments: tuple[Any, ...]) -> bool:
    """Whether the first argument is a tree of variables, a mapping of mappings; an empty one is that, too."""
    if not arguments or not isinstance(arguments[0], Mapping):
        return False
    return not any(map(is_array, cast("Mapping[Any, Any]", arguments[0]).values()))


def _variables(model: Any, arguments: tuple[Any, ...], named: Mapping[str, Any]) -> tuple[Any, ...]:
    """The forms of what `init` would make, and what else comes before the inputs: haiku's state and key.

    Raises:
        InvalidSummary: it cannot be called with these inputs.
    """
    key = jax.random.key(0)
    leaves, together, _ = split_arrays((arguments, dict(named)))

    def init(leaves: Any) -> Any:
        arguments, named = together(leaves)
        return model.init(key, *arguments, **named)

    try:
        made = jax.eval_shape(init, leaves)
    except Exception as error:
        raise InvalidSummary(
            f"add_graph: no variables were given, and init fails with these inputs ({type(error).__name__}: "
            f"{brief(error)}); pass what apply is called with, (variables, input)"
        ) from error
    before = _names(model.apply)[:3] if isinstance(model, tuple) else []
    several = before[1:2] == ["state"]
    keys = (key,) if "rng" in before[1 + several : 2 + several] else ()
    return (*(made if several else (made,)), *keys)
