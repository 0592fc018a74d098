"""`/data/plugin/custom_scalars/`: the charts that a training laid out, and their points."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from aiohttp import web

from tallyboard.core.errors import CorruptRecord

from ...patterns import PATIENCE, TookTooLong, matching
from .answers import Asked, answering, invalid, json_answer
from .scalars import answer_scalars, points
from .values import latest, tags_of, tensor_in

if TYPE_CHECKING:
    from tallyboard.core.proto.plugin_pb2 import Layout

    from ...context import Context

routes = web.RouteTableDef()

_TAG = "custom_scalars__config__"


@routes.get("/data/plugin/custom_scalars/layout")
@answering
def get_layout(asked: Asked) -> web.Response:
    """The layouts of all runs as one; nothing where there is none."""
    from google.protobuf import json_format

    merged = merged_layout(asked.context)
    if merged is None:
        return json_answer({})
    return json_answer(json_format.MessageToDict(merged, always_print_fields_with_no_presence=True))


def merged_layout(context: Context) -> Layout | None:
    """The latest layouts of all runs, in the order of their names, as one: no chart twice. Reads records."""
    merged: Layout | None = None
    for run in sorted(run for run, tag in tags_of(context, "custom_scalars") if tag == _TAG):
        layout = _layout(context, run)
        if layout is None:
            continue
        if merged is None:
            merged = layout
        else:
            _merge(merged, layout)
    return merged


def _layout(context: Context, run: str) -> Layout | None:
    from google.protobuf.message import DecodeError

    from tallyboard.core.proto.plugin_pb2 import Layout

    value = latest(context, "custom_scalars", run, _TAG)
    if value is None:
        return None
    try:
        content: Any = tensor_in(value.message).item()
        return Layout.FromString(content) if isinstance(content, bytes) else None
    except (CorruptRecord, DecodeError, ValueError):
        return None


def _merge(merged: Layout, layout: Layout) -> None:
    """Adds charts that are not there yet to the categories of their names."""
    known = {category.title: category for category in merged.category}
    for category in layout.category:
        mine = known.get(category.title)
        if mine is None:
            known[category.title] = mine = merged.category.add()
            mine.CopyFrom(category)
        else:
            mine.chart.extend([chart for chart in category.chart if chart not in mine.chart])


@routes.get("/data/plugin/custom_scalars/scalars")
@answering
def get_scalars(asked: Asked) -> web.Response:
    """The points of every series of a run whose tag matches the regular expression `tag`, at its start."""
    run, expression = asked.one("run") or "", asked.one("tag")
    if not expression:
        return json_answer({"regex_valid": False, "tag_to_events": {}})
    tags = [tag for tag, runs in asked.context.store.overview().tags.get("scalars", {}).items() if run in runs]
    try:
        chosen = matching(expression, tags)
    except re.error:
        return json_answer({"regex_valid": False, "tag_to_events": {}})
    except TookTooLong:
        raise invalid(f"the search with this regular expression was given up after {PATIENCE:g} seconds") from None
    found = {tag: points(asked.context, run, tag) for tag in chosen}
    events = {tag: list(zip(*columns, strict=True)) for tag, columns in found.items() if columns is not None}
    return json_answer({"regex_valid": True, "tag_to_events": events})


@routes.get("/data/plugin/custom_scalars/download_data")
@answering
def get_download_data(asked: Asked) -> web.Response:
    """The points of one series, as `/data/plugin/scalars/scalars` has them."""
    return answer_scalars(asked)
