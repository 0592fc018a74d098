"""The graph in an ONNX file. Needs the package `onnx`.

    writer.add_onnx_graph("model.onnx")

`graph` gives the neutral form that is written; it reads the file alone, not the weights that lie beside it.
"""

from __future__ import annotations

import contextlib
import os
from typing import Any

from tallyboard.core.errors import CorruptRecord, InvalidSummary, MissingDependency
from tallyboard.core.graph import Graph
from tallyboard.core.graph_onnx import graph_from_onnx
from tallyboard.core.summary import kind_of

__all__ = ["graph"]

ATTACH_HINT = "an ONNX model does not train; log its graph with SummaryWriter.add_onnx_graph"


def graph(model: Any) -> Graph:
    """The operations, inputs and outputs of an ONNX model, in the modules that it was exported from.

    They are named as `tallyboard.core.graph_onnx.graph_from_onnx` has it; shapes are those that ONNX infers.

    Args:
        model: a path, or an `onnx.ModelProto`.

    Raises:
        InvalidSummary: it is neither, or the file holds no ONNX model.
        MissingDependency: `onnx` is not installed.
    """
    try:
        import onnx
    except ImportError as error:
        raise MissingDependency("add_onnx_graph needs onnx: pip install 'tallyboard[onnx]'") from error
    if isinstance(model, str | os.PathLike):
        try:
            model = onnx.load(model, load_external_data=False)
        except Exception as error:
            raise InvalidSummary(f"add_onnx_graph: {os.fspath(model)!r} is no ONNX model ({error})") from None
    if not isinstance(model, onnx.ModelProto):
        raise InvalidSummary(f"add_onnx_graph: expected a path or an onnx.ModelProto, got {kind_of(model)}")
    if not model.graph.node:
        raise InvalidSummary("add_onnx_graph: the model has no operations; is the file whole, and an ONNX model?")
    with contextlib.suppress(Exception):  # operators of others; the shapes that the file states remain
        model = onnx.shape_inference.infer_shapes(model, data_prop=True)
    try:
        return graph_from_onnx(model)
    except CorruptRecord as error:
        raise InvalidSummary(f"add_onnx_graph: {error}") from None
