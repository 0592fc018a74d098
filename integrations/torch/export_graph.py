"""The graph of a PyTorch model by `torch.export`: ATen's operations, in the modules that they come from."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping
from typing import Any

import torch

from tallyboard.core.graph import Graph, Shape

from .capture import TORCH, Draft, device_name, named_nodes

__all__ = ["graph"]

_LINE = re.compile(r'\s*File "(.*)", line (\d+)')


def graph(model: Any, arguments: tuple[Any, ...], named: Mapping[str, Any]) -> Graph:
    """The graph that `torch.export` finds; weights are no nodes, as in a captured one.

    Raises:
        Exception: whatever the exporter raises.
    """
    # Without in-place operations, which write through views that no edge tells of.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's, on what a model keeps in attributes
        program = torch.export.export(model, arguments, dict(named), strict=False).run_decompositions({})
    signature = program.graph_signature
    weights = {**signature.inputs_to_parameters, **signature.inputs_to_buffers}
    sizes = {name: one.numel() for name, one in model.named_parameters(remove_duplicate=False)}
    outputs = list(signature.user_outputs)
    drafts: dict[str, Draft] = {}
    picked: dict[str, tuple[Draft, int]] = {}
    for node in program.graph.nodes:
        if node.op == "output" or node.name in weights:
            continue
        if node.op == "placeholder":
            drafts[node.name] = _draft(node, "inputs", node.name, "Input")
        elif node.op == "call_function" and getattr(node.target, "__name__", "") == "getitem":
            source = node.args[0].name
            if source in drafts:
                picked[node.name] = drafts[source], int(node.args[1])
        elif node.op == "call_function":
            drafts[node.name] = _operation(node, drafts, picked, weights, sizes)
    for name in outputs:
        if name in drafts or name in picked:
            draft = drafts[f" {name}"] = Draft("outputs", name, "Output", [picked.get(name) or (drafts[name], 0)])
            draft.shapes = draft.inputs[0][0].shapes[draft.inputs[0][1] :][:1]
    return Graph(tuple(named_nodes(list(drafts.values()))))


def _operation(
    node: Any, drafts: dict[str, Draft], picked: dict[str, tuple[Draft, int]], weights: Any, sizes: dict[str, int]
) -> Draft:
    stack: list[tuple[str, Any]] = list((node.meta.get("nn_module_stack") or {}).values())
    path, kind = stack[-1] if stack else ("", "")
    name = getattr(kind, "__name__", str(kind)).rpartition(".")[2]
    word = str(node.target).removeprefix("aten.").partition(".")[0]
    draft = _draft(node, path.replace(".", "/"), word, str(node.target))
    draft.module = f"{path}: {name}" if path else name
    read = [one.name for one in node.all_input_nodes]
    draft.inputs = [picked.get(one) or (drafts[one], 0) for one in read if one in picked or one in drafts]
    read_weights = [weights[one] for one in read if one in weights]
    buffers = [one for one in read_weights if one not in sizes]
    read_weights = [one for one in read_weights if one in sizes]
    if buffers:
        draft.attributes["buffers"] = " ".join(buffers)
    if read_weights:
        draft.attributes["weights"] = " ".join(read_weights)
        draft.parameters = sum(sizes[one] for one in read_weights)
    trace = str(node.meta.get("stack_trace") or "").strip().splitlines()
    lines = [found.groups() for line in trace if (found := _LINE.match(line))]
    own = [line for line in lines if not line[0].startswith(TORCH)]
    if own:
        draft.source = ":".join(own[-1])
    return draft


def _draft(node: Any, scope: str, word: str, op: str) -> Draft:
    value = node.meta.get("val")
    tensors = [one for one in (value if isinstance(value, list | tuple) else [value]) if isinstance(one, torch.Tensor)]
    return Draft(
        scope,
        word,
        op,
        shapes=tuple(_shape(one) for one in tensors),
        dtypes=tuple(str(one.dtype).removeprefix("torch.") for one in tensors),
        device=device_name(tensors[0].device) if tensors else "",
    )


def _shape(tensor: torch.Tensor) -> Shape:
    """Its sizes, -1 for one that may vary."""
    return tuple(size if isinstance(size, int) else -1 for size in tensor.shape)
