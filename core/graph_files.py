"""Graphs from the forms in which files hold them.

Sources of the formats: saved_model.proto of TensorFlow 2.21; for the others see the modules that read them.
"""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any, Final

from .errors import CorruptRecord
from .graph import Graph
from .graph_keras import graph_from_keras, is_keras
from .graph_measured import run_metadata_message
from .graph_onnx import graph_from_onnx_bytes
from .graph_read import MOST_BYTES, below, distinct_names, graph_from, graph_from_bytes

__all__ = ["FORMS", "function_graph", "keras_graph", "load_graph"]

FORMS: Final = "a GraphDef (.pb, .pbtxt), a SavedModel (saved_model.pb), ONNX (.onnx), or a Keras model (.json, .keras)"
"""What `load_graph` reads."""

_MOST_TEXT: Final = 1 << 25
"""Of protobuf's text, which takes a thousand times as long to read as its bytes: 32 MB."""

_ZIP: Final = b"PK\x03\x04"
_KERAS_ENTRY: Final = "config.json"


def keras_graph(data: bytes, what: str) -> Graph:
    """The layers of a Keras model, no name of which is also a scope.

    Raises:
        CorruptRecord: it is no JSON of a Keras model.
    """
    return distinct_names(graph_from_keras(data, what))


def function_graph(data: bytes, what: str) -> Graph:
    """The graphs of the functions that TensorFlow traced, from the bytes of a RunMetadata.

    Several stand side by side below `graph_1/`, `graph_2/`, …, as TensorBoard has it.

    Raises:
        CorruptRecord: they are no such message.
    """
    message = run_metadata_message(data, what)
    return side_by_side([graph_from(one.pre_optimization_graph, what) for one in message.function_graphs])


def side_by_side(graphs: list[Graph]) -> Graph:
    """One graph of several; of one, itself."""
    if len(graphs) == 1:
        return graphs[0]
    nodes = [below(node, f"graph_{number}/") for number, graph in enumerate(graphs, 1) for node in graph.nodes]
    return Graph(tuple(nodes), tuple(dict.fromkeys(note for graph in graphs for note in graph.notes)))


def load_graph(data: bytes, name: str = "") -> Graph:
    """The graph in a file, whatever its form: see `FORMS`.

    Args:
        data: the file, whole.
        name: the file's name; its end tells the form where the bytes do not.

    Raises:
        CorruptRecord: it is none of these forms, is damaged, or is too large; the text names the file.
    """
    what, end = (f"the file {name!r}" if name else "the file"), name.lower().rpartition(".")[2]
    if len(data) > MOST_BYTES:
        raise CorruptRecord(f"{what} has {len(data):,} bytes; {MOST_BYTES:,} are the most that are read")
    if not data.strip():
        raise CorruptRecord(f"{what} is empty; {FORMS} was expected")
    if data.startswith(_ZIP):
        return keras_graph(_unpacked(data, what), what)
    if end == "onnx":
        return _onnx(data, what)
    start = data[:1_000].lstrip()
    if start.startswith(b"{") and end != "pbtxt":
        return keras_graph(_model_in(data, what), what)
    if end in ("pbtxt", "prototxt", "txt") or _is_text(start):
        return _from_text(data, what)
    return _from_bytes(data, what)


def _is_text(start: bytes) -> bool:
    return start.startswith((b"node", b"#", b"versions", b"library")) and b"{" in start


def _unpacked(data: bytes, what: str) -> bytes:
    """The configuration in a `.keras` file; its weights stay packed."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive, archive.open(_KERAS_ENTRY) as file:
            return file.read(_MOST_TEXT + 1)
    except (zipfile.BadZipFile, KeyError, OSError, RuntimeError, NotImplementedError, ValueError, EOFError) as error:
        raise CorruptRecord(f"{what} is no Keras file: {error}") from None


def _model_in(data: bytes, what: str) -> bytes:
    """JSON of a model as it is, or in the place where TensorFlow.js has it."""
    try:
        said: Any = json.loads(data) if len(data) <= _MOST_TEXT else None
    except (ValueError, RecursionError):
        return data  # whoever reads it says what is wrong
    inner: Any = said.get("modelTopology") if isinstance(said, dict) else None  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    if isinstance(inner, dict):
        inner = inner.get("model_config", inner)  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    del what
    return json.dumps(inner).encode() if is_keras(inner) else data


def _from_text(data: bytes, what: str) -> Graph:
    from google.protobuf import text_format

    from .proto.graph_pb2 import GraphDef

    if len(data) > _MOST_TEXT:
        raise CorruptRecord(f"{what} has {len(data):,} bytes of text; {_MOST_TEXT:,} are the most that are read")
    message = GraphDef()
    try:
        text_format.Parse(data.decode(), message, allow_unknown_field=True)
    except (text_format.ParseError, ValueError, RecursionError) as error:
        raise CorruptRecord(f"{what} is no GraphDef as text: {error}") from None
    return _not_empty(graph_from(message, what), what)


def _from_bytes(data: bytes, what: str) -> Graph:
    """A GraphDef, a SavedModel or ONNX: told by their first field, which is a message in the first alone."""
    if data[:1] != b"\x08":
        return _not_empty(graph_from_bytes(data, what), what)
    try:
        found = _saved_model(data, what)
    except CorruptRecord:
        found = None
    return found or _onnx(data, what)


def _onnx(data: bytes, what: str) -> Graph:
    return distinct_names(graph_from_onnx_bytes(data, what))


def _saved_model(data: bytes, what: str) -> Graph | None:
    from google.protobuf.message import DecodeError

    from .proto.graph_pb2 import SavedModel

    try:
        message = SavedModel.FromString(data)
    except DecodeError:
        return None
    graphs = [one.graph_def for one in message.meta_graphs if one.graph_def.node]
    return side_by_side([graph_from(one, what) for one in graphs]) if graphs else None


def _not_empty(graph: Graph, what: str) -> Graph:
    if not graph.nodes:
        raise CorruptRecord(f"{what} has no nodes; {FORMS} was expected")
    return graph
