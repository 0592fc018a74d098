"""Layouts of the custom scalars dashboard for scalars that belong together."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np

from .proto import plugin_pb2
from .values import Tensor

__all__ = ["TAG", "line_charts"]

TAG = "custom_scalars__config__"  # TensorBoard's, in tensorboard/plugins/custom_scalar/metadata.py


def line_charts(charts: Mapping[str, Sequence[str]]) -> Tensor:
    """A layout of one chart for each title, as the custom scalars dashboard keeps it.

    Args:
        charts: by title, the tags whose lines the chart draws. The part of a title before its first `/` is the
            category that it stands in.

    Returns:
        The serialised `Layout` (layout.proto of TensorBoard's custom_scalar) as a string without dimensions.
    """
    layout = plugin_pb2.Layout()
    categories: dict[str, plugin_pb2.Category] = {}
    for title, tags in charts.items():
        name = title.partition("/")[0]
        if name not in categories:
            categories[name] = layout.category.add(title=name)
        chart = categories[name].chart.add(title=title)
        chart.multiline.tag.extend(f"{re.escape(tag)}$" for tag in tags)  # TensorBoard matches from the start
    return Tensor(np.array(layout.SerializeToString(), object))
