"""Which scalars share a chart: the layout that TensorBoard's Custom Scalars page reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np

from .errors import InvalidSummary
from .proto.plugin_pb2 import Chart, Layout, MarginChartContent, MultilineChartContent
from .summary import DataClass, Summary, kind_of
from .values import Tensor

__all__ = ["Layouts", "custom_scalars"]

_TAG = "custom_scalars__config__"
_Categories = dict[str, dict[str, Chart]]
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
    return _summary(_categories(layout, call))


class Layouts:
    """All charts that a writer was told of: TensorBoard shows the latest layout of a run, so that has to have them."""

    def __init__(self) -> None:
        self._users: _Categories = {}
        self._lines: _Categories = {}

    def with_users(self, layout: Any, call: str) -> Summary:
        """The summary after a layout of the user's was added; of a category and title it has the latest chart.

        Raises:
            InvalidSummary: it is not of `custom_scalars`'s form. Nothing was added then.
        """
        return self._with(self._users, _categories(layout, call))

    def with_lines(self, layout: Any, call: str) -> Summary:
        """The summary after a chart of `add_scalars` was added, which the user's own of that title goes before."""
        return self._with(self._lines, _categories(layout, call))

    def _with(self, known: _Categories, new: _Categories) -> Summary:
        for title, charts in new.items():
            known.setdefault(title, {}).update(charts)
        every = {title: charts.copy() for title, charts in self._users.copy().items()}
        for title, charts in self._lines.copy().items():
            users = every.setdefault(title, {})
            users |= {name: chart for name, chart in charts.copy().items() if name not in users}
        return _summary(every)


def _categories(layout: Any, call: str) -> _Categories:
    return {
        _text(call, "a category", category): {
            _text(call, "a chart's title", title): _chart(call, title, chart)
            for title, chart in _mapping(call, f"layout[{category!r}]", charts).items()
        }
        for category, charts in _mapping(call, "layout", layout).items()
    }


def _summary(categories: _Categories) -> Summary:
    message = Layout()
    for category, charts in categories.items():
        message.category.add(title=category).chart.extend(charts.values())
    return Summary(_TAG, "custom_scalars", DataClass.TENSOR, Tensor(np.array(message.SerializeToString(), object)))


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
