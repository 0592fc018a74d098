"""The graph in an OpenVINO model's XML file.

    writer.add_openvino_graph("model.xml")

`graph` gives the neutral form that is written; the weights in the .bin file are not needed.
"""

from __future__ import annotations

import os
from typing import Any
from xml.etree import ElementTree

from tallyboard.core.errors import InvalidSummary
from tallyboard.core.graph import Attribute, Graph, Node, Shape

__all__ = ["graph"]


def graph(path: Any) -> Graph:
    """The layers of an OpenVINO model (its intermediate representation, `<net><layers/><edges/></net>`).

    Args:
        path: the XML file.

    Raises:
        InvalidSummary: it is no such file.
    """
    try:
        root = ElementTree.parse(path).getroot()
        layers, edges = root.find("layers"), root.find("edges")
    except (ElementTree.ParseError, OSError, TypeError) as error:
        raise InvalidSummary(f"add_openvino_graph: {os.fspath(path)!r} is no XML file ({error})") from None
    if layers is None or not len(layers):
        raise InvalidSummary(f"add_openvino_graph: {os.fspath(path)!r} has no <layers>; pass the model's .xml file")
    names: dict[str, str] = {}
    for layer in layers:
        name = layer.get("name", layer.get("id", "layer")).replace(":", "_")
        names[layer.get("id", "")] = name if name not in names.values() else f"{name}_{layer.get('id')}"
    inputs: dict[str, list[tuple[int, str]]] = {}
    for edge in edges if edges is not None else ():
        source, port = names.get(edge.get("from-layer", "")), int(edge.get("to-port", 0))
        if source is not None:
            inputs.setdefault(edge.get("to-layer", ""), []).append((port, source))
    return Graph(tuple(_node(layer, names, inputs) for layer in layers))


def _node(layer: Any, names: dict[str, str], inputs: dict[str, list[tuple[int, str]]]) -> Node:
    number = layer.get("id", "")
    data = layer.find("data")
    attributes: dict[str, Attribute] = dict(data.attrib) if data is not None else {}
    shapes: list[Shape | None] = [
        tuple(int(dim.text or -1) for dim in port.findall("dim")) for port in layer.findall("output/port")
    ]
    sources = tuple(name for _, name in sorted(inputs.get(number, [])))
    return Node(names[number], layer.get("type", "op"), sources, tuple(shapes), attributes)
