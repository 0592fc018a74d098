"""The graph of a PyTorch model, found with `torch.jit.trace`, named as torch.utils.tensorboard names it."""

from __future__ import annotations

import contextlib
import inspect
import sys
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

import torch

from tallyboard.core.errors import InvalidSummary
from tallyboard.core.graph import Graph, Node, Shape

__all__ = ["graph"]

_MODULE = "__module"  # the tracer's name for the model itself


def graph(model: Any, input_to_model: Any = None, *, verbose: bool = False, use_strict_trace: bool = True) -> Graph:
    """The operations of one call of a model.

    Nodes are named `<class>/<class of the submodule>[<its name>]/.../<value>`, inputs `input/<value>` and outputs
    `output/output.<number>`; an operation's attributes are the text in `attr`.

    Args:
        model: a `torch.nn.Module` (traced in evaluation mode, without gradients), or one that torch.jit made.
        input_to_model: its input, a tuple of several, or a dict by argument's name.
        verbose: prints torch's own text of the graph.
        use_strict_trace: False lets the model return lists and dicts; also tried when strictness fails.

    Raises:
        InvalidSummary: the model needs inputs, and none are given.
        Exception: whatever the tracer or the model raises.
    """
    traced = _traced(model, input_to_model, use_strict_trace)
    inlined = traced.inlined_graph
    if verbose:
        sys.stdout.write(f"{inlined}\n")
    return _Reading(inlined, _class_names(model), _class_name(model)).graph()


def _traced(model: Any, given: Any, strict: bool) -> Any:
    if isinstance(model, torch.jit.ScriptFunction | torch.jit.ScriptModule):
        return model
    arguments = _arguments(model, given)
    with _as_it_was(model), warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # the tracer's: on constants, which a picture may have
        try:
            return torch.jit.trace(model, strict=strict, check_trace=False, **arguments)
        except RuntimeError:
            if not strict:
                raise
            return torch.jit.trace(model, strict=False, check_trace=False, **arguments)


def _arguments(model: Any, given: Any) -> dict[str, Any]:
    forward = getattr(model, "forward", model)
    try:
        parameters = inspect.signature(forward).parameters
    except (TypeError, ValueError):
        parameters = {}
    if given is None:
        needed = [
            name
            for name, parameter in parameters.items()
            if parameter.default is parameter.empty
            and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
        ]
        if needed:
            raise InvalidSummary(
                f"add_graph: {type(model).__name__} needs inputs ({', '.join(needed)}); "
                "pass them as input_to_model, for example one batch of your data"
            )
        return {"example_inputs": ()}
    if isinstance(given, Mapping) and given and all(name in parameters for name in given):
        return {"example_kwarg_inputs": dict(given)}
    return {"example_inputs": tuple(given) if isinstance(given, list) else given}


@contextlib.contextmanager
def _as_it_was(model: Any) -> Iterator[None]:
    """Evaluation mode for a while; then each module has its own mode again, and random numbers go on as they were."""
    modules = list(model.modules()) if isinstance(model, torch.nn.Module) else []
    modes = [module.training for module in modules]
    with torch.random.fork_rng(devices=[]):
        try:
            for module in modules:
                module.training = False
            yield
        finally:
            for module, mode in zip(modules, modes, strict=True):
                module.training = mode


def _class_name(module: Any) -> str:
    return getattr(module, "original_name", None) or type(module).__name__


def _class_names(model: Any) -> dict[str, str]:
    """What stands for each of the tracer's scopes: `Linear[fc]` for `__module.fc`."""
    if not isinstance(model, torch.nn.Module):
        return {}
    return {
        name: f"{_class_name(module)}[{name.rpartition('.')[2]}]"
        for name, module in model.named_modules(prefix=_MODULE)
    }


class _Reading:
    """One pass over a graph of torch.jit."""

    def __init__(self, inlined: Any, scopes: dict[str, str], base: str) -> None:
        self._inlined = inlined
        self._scopes = scopes
        self._base = base
        self._names: dict[str, str] = {}  # by the tracer's name of a value
        self._paths: dict[str, str] = {}  # of the values that are submodules or parameters
        self._nodes: list[Node] = []

    def graph(self) -> Graph:
        for value in self._inlined.inputs():
            if value.type().kind() != "ClassType" and value.uses():
                self._add(value, f"input/{value.debugName()}", "IO Node", (), "")
        for node in self._inlined.nodes():
            self._read(node)
        for number, value in enumerate(self._inlined.outputs(), 1):
            self._nodes.append(
                Node(f"output/output.{number}", "IO Node", self._inputs([value]), _shapes(value), {"attr": ""})
            )
        return Graph(tuple(self._nodes))

    def _read(self, node: Any) -> None:
        scope = self._scope(node.scopeName())
        if node.kind() == "prim::GetAttr":
            output = node.output()
            parent = self._paths.get(node.input().debugName(), "")
            last = parent.rpartition("/")[2]
            path = f"{parent}/{last}.{node.s('name')}" if parent else f"{_MODULE}.{node.s('name')}"
            self._paths[output.debugName()] = path
            if output.type().kind() == "ClassType":
                return
            scope = self._scope(path)
        attributes = str({key: getattr(node, node.kindOf(key))(key) for key in node.attributeNames()})
        for output in node.outputs():
            name = f"{scope}/{output.debugName()}"
            self._add(output, name, node.kind(), self._inputs(node.inputs()), attributes.replace("'", " "))

    def _scope(self, path: str) -> str:
        parts = [self._scopes.get(part, part.rpartition(".")[2]) for part in path.split("/")]
        return "/".join([self._base, *parts]) if any(parts) else self._base

    def _add(self, value: Any, name: str, op: str, inputs: tuple[str, ...], attributes: str) -> None:
        self._names[value.debugName()] = name
        self._nodes.append(Node(name, op, inputs, _shapes(value), {"attr": attributes}))

    def _inputs(self, values: Any) -> tuple[str, ...]:
        """Their nodes; a submodule has none."""
        names = (self._names.get(value.debugName()) for value in values)
        return tuple(name for name in names if name is not None)


def _shapes(value: Any) -> tuple[Shape, ...]:
    if not value.isCompleteTensor():
        return ()
    return (tuple(value.type().sizes()),)
