"""Which scalars share a chart: the layout that TensorBoard's Custom Scalars page reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np

from .errors import InvalidSummary
from .proto.plugin_pb2 import Chart, Layout, MarginChartContent, MultilineChartContent
from .summary import DataClass, Summary, kind_of
from .values import Tensor

__all__ = ["custom_scalars"]

_TAG = "custom_scalars__config__"
_EXAMPLE = "{'losses': {'both': ['Multiline', ['loss/train', 'loss/val']]}}"


def custom_scalars(layout: Any, call: str = "add_custom_scalars") -> Summary:
    """A summary of a layout of charts.

    Source of the format: layout.proto of TensorBoard's custom_scalar plugin, and its tag.

    Args:
        layout: category → title → [kind, tags]. Of kind "Multiline", tags are regular expressions, each scalar that one
            matches is a line; of kind "Margin" they are three tags: value, lower and upper bound, or a list of such.
        call: the method, for error texts.

    Raises:
        InvalidSummary: it is not of that form.
    """
    message = Layout()
    for category, charts in _mapping(call, "layout", layout).items():
        entry = message.category.add(title=_text(call, "a category", category))
        for title, chart in _mapping(call, f"layout[{category!r}]", charts).items():
            entry.chart.append(_chart(call, _text(call, "a chart's title", title), chart))
    value = Tensor(np.array(message.SerializeToString(), object))
    return Summary(_TAG, "custom_scalars", DataClass.TENSOR, value)


def _chart(call: str, title: str, chart: Any) -> Chart:
    if not isinstance(chart, Sequence) or isinstance(chart, str) or len(cast("Sequence[Any]", chart)) != 2:
        raise InvalidSummary(f"{call}: expected chart {title!r} to be [kind, tags], got {chart!r}; as in {_EXAMPLE}")
    kind, tags = cast("Sequence[Any]", chart)
    named = str(kind).lower()
    if named == "multiline":
        return Chart(title=title, multiline=MultilineChartContent(tag=_tags(call, title, tags)))
    if named != "margin":
        raise InvalidSummary(f"{call}: chart {title!r} is of kind {kind!r}; expected 'Multiline' or 'Margin'")
    bands = [_tags(call, title, band) for band in _bands(tags)]
    content = MarginChartContent()
    for band in bands:
        if len(band) != 3:
            raise InvalidSummary(
                f"{call}: expected 3 tags in the margin chart {title!r} (value, lower, upper), got {len(band)}"
            )
        content.series.add(value=band[0], lower=band[1], upper=band[2])
    return Chart(title=title, margin=content)


def _bands(tags: Any) -> list[Any]:
    """The bands of a margin chart: one list of tags, or a list of such."""
    if isinstance(tags, list | tuple) and tags:
        items = list(cast("Sequence[Any]", tags))
        if not any(isinstance(item, str) for item in items):
            return items
    return [tags]


def _tags(call: str, title: str, tags: Any) -> list[str]:
    if not isinstance(tags, list | tuple) or not tags:
        raise InvalidSummary(
            f"{call}: expected the tags of chart {title!r} to be a list of strings, at least one, got {tags!r}"
        )
    return [_text(call, f"a tag of chart {title!r}", tag) for tag in cast("Sequence[Any]", tags)]


def _text(call: str, what: str, value: object) -> str:
    if not isinstance(value, str):
        raise InvalidSummary(f"{call}: expected {what} to be a string, got {kind_of(value)} {value!r}")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise InvalidSummary(
            f"{call}: {what} cannot be written as UTF-8, got {value!a}; remove that character"
        ) from None
    return str(value)


def _mapping(call: str, what: str, value: Any) -> Mapping[Any, Any]:
    if not isinstance(value, Mapping):
        raise InvalidSummary(f"{call}: expected {what} to be a mapping, got {kind_of(value)}; as in {_EXAMPLE}")
    return cast("Mapping[Any, Any]", value)
