"""`/data/plugin/scalars/`: tags, the points of one series as JSON or CSV, and those of one tag of many runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiohttp import web

from ...safe_html import from_markdown
from ...safety import reads
from .answers import Asked, answering, csv_answer, invalid, json_answer, missing, numbers, sampled

if TYPE_CHECKING:
    from tallyboard.core.store import Overview

    from ...context import Context

__all__ = ["answer_scalars", "names_of", "points"]

routes = web.RouteTableDef()


def names_of(overview: Overview, run: str, tag: str) -> tuple[str, str]:
    """A scalar's display name and description. A plain number without metadata is called by its tag."""
    label = overview.labels.get((run, tag))
    if label is None:
        return tag, ""
    return label.display_name, label.description


def points(context: Context, run: str, tag: str) -> tuple[list[Any], list[Any], list[Any]] | None:
    """Wall times, steps and values of a series, as lists for JSON; None where there is no such series."""
    series = context.store.scalars(run, tag)
    if series is None:
        return None
    chosen = sampled(context, "scalars", len(series))
    return numbers(series.wall_time[chosen]), series.step[chosen].tolist(), numbers(series.value[chosen])


@routes.get("/data/plugin/scalars/tags")
@answering
def get_tags(asked: Asked) -> web.Response:
    """Display name and description by run and tag."""
    overview = asked.context.store.overview()
    found: dict[str, dict[str, dict[str, str]]] = {}
    for tag, runs in overview.tags.get("scalars", {}).items():
        for run in runs:
            name, description = names_of(overview, run, tag)
            entry = {"displayName": name, "description": from_markdown(description)}
            found.setdefault(run, {})[tag] = entry
    return json_answer(found)


@routes.get("/data/plugin/scalars/scalars")
@answering
def get_scalars(asked: Asked) -> web.Response:
    """Wall time, step and value of each point of one series."""
    return answer_scalars(asked)


def answer_scalars(asked: Asked) -> web.Response:
    """The points of one series, as JSON or as CSV."""
    run, tag = asked.run_and_tag()
    if asked.one("format") == "csv":
        series = asked.context.store.scalars(run, tag)
        if series is None:
            raise missing(f"there is no scalar of run={run!r}, tag={tag!r}")
        chosen = sampled(asked.context, "scalars", len(series))
        columns = (series.wall_time[chosen].tolist(), series.step[chosen].tolist(), series.value[chosen].tolist())
        return csv_answer(("Wall time", "Step", "Value"), list(zip(*columns, strict=True)))
    found = points(asked.context, run, tag)
    if found is None:
        raise missing(f"there is no scalar of run={run!r}, tag={tag!r}")
    return json_answer(list(zip(*found, strict=True)))


@routes.post("/data/plugin/scalars/scalars_multirun")
@reads
@answering
def post_scalars_multirun(asked: Asked) -> web.Response:
    """Wall time, step and value of each point, by run, of one tag of the runs named in the form."""
    tags = asked.fields.get("tag", [])
    if len(tags) != 1:
        raise invalid("tag must be specified exactly once")
    found = {run: points(asked.context, run, tags[0]) for run in asked.fields.get("runs", [])}
    return json_answer({run: list(zip(*each, strict=True)) for run, each in found.items() if each is not None})
