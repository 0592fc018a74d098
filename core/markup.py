"""Figures that are pages: Plotly's as JSON, others as HTML, each with a text that TensorBoard shows.

The content is kept whole, as one string under the plugin `plotly` (the JSON of the figure's data and layout, as
plotly.js takes it) or `html`. TensorBoard has no dashboard for either, so a text under `<tag>/text_summary` says what
there is: a table of the traces, or the words of the page. It has no links, and no markup of the page's own.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from html.parser import HTMLParser
from typing import Any, cast

from .errors import InvalidSummary
from .media import made_by
from .summary import DataClass, Summary, as_tag
from .values import Later

__all__ = ["page"]

WORDS_MAX = 4000
TRACES_MAX = 50
HTML_MAX = 1_000_000  # characters searched for words


def page(tag: object, value: object) -> list[Summary] | None:
    """The summaries of a Plotly figure, of HTML, or of an object that shows itself as HTML; None for anything else.

    Args:
        tag: its name.
        value: a Plotly figure, a string of HTML, or an object with `_repr_html_`, the method by which notebooks show
            objects (Altair, Bokeh, Folium, pandas).

    Raises:
        InvalidSummary: the tag is none, or the HTML is empty or cannot be written as UTF-8.
    """
    name = as_tag(tag, "add_figure")
    if made_by(value, "plotly") and hasattr(value, "to_json"):
        source = str(cast(Any, value).to_json())
        return _both(
            name, "plotly", source, Later(lambda: (_about_plotly(source).encode(errors="replace"),), len(source))
        )
    if made_by(value, "matplotlib"):
        return None
    html = value if isinstance(value, str) else _shown(value)
    if html is None:
        return None
    if not html.strip():
        raise InvalidSummary(f"add_figure({name!r}): the HTML is empty; give a string of HTML, or a figure")
    return _both(name, "html", html, Later(lambda: (_about_html(html).encode(errors="replace"),), len(html)))


def _shown(value: object) -> str | None:
    show = getattr(value, "_repr_html_", None)
    shown = show() if callable(show) else None
    return shown if isinstance(shown, str) else None


def _both(name: str, plugin: str, source: str, about: Later) -> list[Summary]:
    try:
        data = source.encode()
    except UnicodeEncodeError as error:
        raise InvalidSummary(
            f"add_figure({name!r}): the {plugin} cannot be written as UTF-8 ({error.reason} at character "
            f"{error.start}); encode it with errors='replace' first"
        ) from None
    return [
        Summary(name, plugin, DataClass.BLOBS, (data,)),
        Summary(f"{name}/text_summary", "text", DataClass.TENSOR, about),
    ]


# HTML ---------------------------------------------------------------------------------------------------------------


class _Words(HTMLParser):
    """Collects what a browser would show as text."""

    HIDDEN = frozenset({"head", "noscript", "script", "style", "template", "title"})

    def __init__(self) -> None:
        super().__init__()
        self.words: list[str] = []
        self._hidden: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        del attrs
        if tag in self.HIDDEN:
            self._hidden.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in self._hidden:
            del self._hidden[self._hidden.index(tag) :]

    def handle_data(self, data: str) -> None:
        if not self._hidden and (text := " ".join(data.split())):
            self.words.append(text)


def _about_html(html: str) -> str:
    about = f"HTML of {len(html):,} characters. TensorBoard shows its words only; tallyboard shows the page."
    parser = _Words()
    try:
        parser.feed(html[:HTML_MAX])
        parser.close()
    except Exception:  # whatever the page is: its words are an extra
        return about
    words = "\n".join(parser.words)
    if not words:
        return about
    if len(words) > WORDS_MAX:
        words = words[:WORDS_MAX] + " ..."
    fence = "`" * (max((len(run) for run in re.findall("`+", words)), default=0) + 3)
    return f"{about}\n\n{fence}\n{words}\n{fence}"


# Plotly -------------------------------------------------------------------------------------------------------------


def _about_plotly(source: str) -> str:
    try:
        figure = json.loads(source)
        traces: list[Any] = list(figure.get("data") or [])
        layout: Mapping[str, Any] = figure.get("layout") or {}
        head = f"Plotly figure with {len(traces)} trace{'s' * (len(traces) != 1)}"
        titles = [f"{label} {_title(layout, key)}" for label, key in _TITLES if _title(layout, key)]
        lines = [", ".join([head, *titles]) + ". TensorBoard shows this table only; tallyboard shows the figure."]
        if traces:
            lines += ["", "| trace | type | values |", "| --- | --- | --- |"]
            lines += [_row(i, trace) for i, trace in enumerate(traces[:TRACES_MAX])]
        if len(traces) > TRACES_MAX:
            lines += ["", f"and {len(traces) - TRACES_MAX} more."]
        return "\n".join(lines)
    except Exception:  # an odd figure is kept all the same
        return "Plotly figure. TensorBoard cannot show it; tallyboard does."


_TITLES = (("title", "title"), ("x", "xaxis"), ("y", "yaxis"))


def _title(layout: Mapping[str, Any], key: str) -> str:
    part = layout.get(key)
    if key != "title":
        part = part.get("title") if isinstance(part, dict) else None  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    text: object = part.get("text") if isinstance(part, dict) else part  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    return _cell(text) if isinstance(text, str) else ""


def _row(number: int, trace: Mapping[str, Any]) -> str:
    counts = [
        f"{key}: {n:,}" for key in ("x", "y", "z", "values", "labels", "lat", "lon") if (n := _count(trace.get(key)))
    ]
    name = _cell(str(trace.get("name") or f"trace {number}"))
    return f"| {name} | {_cell(str(trace.get('type', 'scatter')))} | {', '.join(counts)} |"


def _count(values: Any) -> int:
    """How many values a trace's column has: a list, or Plotly's {dtype, bdata} with the bytes in base64."""
    if isinstance(values, list):
        return len(values)  # pyright: ignore[reportUnknownArgumentType]
    if isinstance(values, dict) and "bdata" in values:
        size = re.search(r"\d+", str(values.get("dtype", "f8")))  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]
        wide = int(size.group()) if size else 8
        return len(base64.b64decode(values["bdata"])) // (wide if wide <= 8 else wide // 8)  # pyright: ignore[reportUnknownArgumentType]
    return 0


def _cell(text: str) -> str:
    """A text that a markdown table shows as it is."""
    flat = " ".join(re.sub(r"<[^>]*>", " ", text).split())[:200]
    return re.sub(r"([\\`*_\[\]()<>|!#~&:@])", r"\\\1", flat)
