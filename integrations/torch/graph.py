"""The graph of a PyTorch model, by the best way there is.

=========  ==========================================================================================================
`auto`     the first of `capture`, `fake` and `tree` that works; `jit` for what torch.jit made
`capture`  one call with the inputs given, watched in Python: any model that runs (`capture`)
`fake`     the same with tensors that have no data: nothing is computed, no memory taken
`export`   `torch.export`: operations of ATen, sizes that may vary
`jit`      `torch.jit.trace`, with torch.utils.tensorboard's names
`onnx`     what `torch.onnx.export` writes
`tree`     the modules alone, without what flows between them
=========  ==========================================================================================================
"""

from __future__ import annotations

import contextlib
import importlib
import inspect
import sys
from collections.abc import Iterator, Mapping
from typing import Any, Final

import torch

from tallyboard.core.errors import InvalidSummary, MissingDependency, warn_once
from tallyboard.core.graph import Graph, source_named

from .capture import CaptureFailed, Draft, capture, device_name, named_nodes

__all__ = ["MODES", "graph", "tree_graph"]

MODES: Final = ("auto", "capture", "fake", "export", "jit", "onnx", "tree")
_PARALLEL: Final = ("DataParallel", "DistributedDataParallel", "FullyShardedDataParallel")
_KEEP_BYTES: Final = 256 << 20
"""Buffers of more than this in all are not copied, so that the model's own changes to them stay."""


def graph(
    model: Any, input_to_model: Any = None, *, verbose: bool = False, use_strict_trace: bool = True, mode: str = "auto"
) -> Graph:
    """The graph of a model, which is called in evaluation mode without gradients, and left as it was.

    Args:
        model: a `torch.nn.Module`; compiled and wrapped ones (`torch.compile`, DataParallel, DDP) are looked into.
        input_to_model: its input, a tuple of several, or a dict by argument's name.
        verbose: prints the graph, a node a line.
        use_strict_trace: of `jit` alone.
        mode: one of `MODES`.

    Raises:
        InvalidSummary: there is no such mode, or it needs inputs and none are given.
        Exception: whatever the model raises; with `auto` that is a warning, and the modules alone are the graph.
    """
    if mode not in MODES:
        raise InvalidSummary(f"add_graph: mode is one of {', '.join(MODES)}, got {mode!r}")
    if mode == "jit" or (mode == "auto" and isinstance(model, torch.jit.ScriptFunction | torch.jit.ScriptModule)):
        from .jit_graph import graph as jit_graph

        return jit_graph(model, input_to_model, verbose=verbose, use_strict_trace=use_strict_trace)
    model = _unwrapped(model)
    found = _tree(model) if mode == "tree" else _called(model, input_to_model, mode)
    if verbose:
        sys.stdout.writelines(f"{node.name} = {node.op}({', '.join(node.inputs)})\n" for node in found.nodes)
    return found


def _unwrapped(model: Any) -> Any:
    """The model that a compiled or parallel one is made of."""
    while True:
        inner = getattr(model, "_orig_mod", None)
        if inner is None and any(cls.__name__ in _PARALLEL for cls in type(model).__mro__):
            inner = getattr(model, "module", None)
        if not isinstance(inner, torch.nn.Module):
            return model
        model = inner


def _called(model: Any, given: Any, mode: str) -> Graph:
    missing = _missing(model) if given is None else ""
    if missing and mode != "auto":
        raise InvalidSummary(
            f"add_graph: {type(model).__name__} needs inputs ({missing}); "
            "pass them as input_to_model, for example one batch of your data"
        )
    if missing:
        return _only_modules(model, f"it needs inputs ({missing}), and none were given as input_to_model")
    arguments, named = _arguments(model, given)
    with _as_it_was(model), torch.no_grad():
        if mode == "export":
            from .export_graph import graph as exported

            return exported(model, arguments, named)
        if mode == "onnx":
            return _onnx(model, arguments, named)
        if _is_meta(model):
            arguments, named = _mapped((arguments, named), lambda tensor: tensor.to("meta"))
        if mode == "capture":
            return capture(model, arguments, named)
        if mode == "fake":
            return _fake(model, arguments, named)
        return _first_that_works(model, arguments, named)


def _first_that_works(model: Any, arguments: tuple[Any, ...], named: dict[str, Any]) -> Graph:
    try:
        return capture(model, arguments, named)
    except CaptureFailed as error:
        why = str(error)
    try:
        return _fake(model, arguments, named)
    except Exception:  # the first reason is the one that tells
        return _only_modules(model, why)


def _only_modules(model: Any, why: str) -> Graph:
    name = type(model).__name__
    warn_once(
        ("add_graph", name, why),
        f"add_graph: the graph of {name} has its modules alone, without what flows between them, because {why}",
    )
    return _tree(model, f"The modules alone, without what flows between them, because {why}.")


def tree_graph(model: Any, *notes: str) -> Graph:
    """The modules alone."""
    return _tree(model, *notes)


def _fake(model: Any, arguments: tuple[Any, ...], named: dict[str, Any]) -> Graph:
    from dataclasses import replace

    from torch._subclasses.fake_tensor import FakeTensorMode

    with FakeTensorMode(allow_non_fake_inputs=True) as fake:
        arguments, named = _mapped((arguments, named), fake.from_tensor)
        found = capture(model, arguments, named)
    return replace(found, nodes=tuple(replace(node, nanoseconds=0) for node in found.nodes))


def _onnx(model: Any, arguments: tuple[Any, ...], named: dict[str, Any]) -> Graph:
    import io
    import warnings

    try:
        onnx = importlib.import_module("onnx")
    except ImportError as error:
        raise MissingDependency("add_graph(mode=\"onnx\") needs onnx: pip install 'tallyboard[onnx]'") from error
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's, on itself and on constants
        torch.onnx.export(model, (*arguments, named) if named else arguments, file, dynamo=False)
    onnx_graph = source_named("onnx")
    assert onnx_graph is not None  # it is part of this package
    return onnx_graph(onnx.load_model_from_string(file.getvalue()))


def _tree(model: Any, *notes: str) -> Graph:
    """A node for each module that has no modules in it, or weights of its own."""
    drafts: list[Draft] = []
    for path, module in model.named_modules():
        own = list(module.named_parameters(recurse=False))
        leaf = next(module.children(), None) is None
        if not leaf and not own:
            continue
        parts = path.split(".") if path else []
        word = parts.pop() if parts and leaf else type(module).__name__
        draft = Draft("/".join(parts), word, type(module).__name__)
        draft.module = f"{path}: {type(module).__name__}({module.extra_repr()[:200]})".removeprefix(": ")
        draft.parameters = sum(one.numel() for _, one in own)
        if own:
            draft.attributes["weights"] = " ".join(f"{path}.{name}".removeprefix(".") for name, _ in own)
            draft.device = device_name(own[0][1].device)
        drafts.append(draft)
    return Graph(tuple(named_nodes(drafts)), notes)


def _missing(model: Any) -> str:
    """The arguments without which the model cannot be called."""
    try:
        parameters = inspect.signature(getattr(model, "forward", model)).parameters.values()
    except (TypeError, ValueError):
        return ""
    return ", ".join(
        one.name
        for one in parameters
        if one.default is one.empty and one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD)
    )


def _arguments(model: Any, given: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    if given is None:
        return (), {}
    if isinstance(given, Mapping) and given:
        try:
            parameters = inspect.signature(model.forward).parameters
        except (TypeError, ValueError):
            parameters = {}
        takes_any = any(one.kind == one.VAR_KEYWORD for one in parameters.values())
        if all(isinstance(name, str) and (name in parameters or takes_any) for name in given):
            return (), dict(given)
    return (tuple(given) if isinstance(given, tuple | list) else (given,)), {}


def _is_meta(model: Any) -> bool:
    return any(one.is_meta for one in model.parameters())


def _mapped(value: Any, change: Any) -> Any:
    from torch.utils import _pytree as pytree

    return pytree.tree_map(lambda one: change(one) if isinstance(one, torch.Tensor) else one, value)


@contextlib.contextmanager
def _as_it_was(model: Any) -> Iterator[None]:
    """Evaluation mode for a while; then modes, buffers and random numbers are what they were."""
    modules = [module for module in model.modules() if hasattr(module, "training")]  # a frozen scripted one has no mode
    modes = [module.training for module in modules]
    buffers = list(model.buffers())
    small = sum(one.numel() * one.element_size() for one in buffers if not one.is_sparse) <= _KEEP_BYTES
    kept = [(one, one._version, one.clone()) for one in buffers] if small else []
    devices = range(torch.cuda.device_count()) if torch.cuda.is_initialized() else ()
    with torch.random.fork_rng(devices=devices):
        try:
            for module in modules:
                module.training = False
            yield
        finally:
            for module, mode in zip(modules, modes, strict=True):
                module.training = mode
            with torch.no_grad():
                for one, version, copy in kept:
                    if one._version != version:
                        one.copy_(copy)
