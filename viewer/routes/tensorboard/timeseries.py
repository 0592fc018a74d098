"""`/data/plugin/timeseries/`: what TensorBoard's first page asks, of scalars, histograms and images at once."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, cast

from aiohttp import web

from ...safe_html import from_markdown
from ...safety import reads
from ...values import SIZES
from .answers import Asked, answering, invalid, json_answer, plain
from .histograms import rows_of
from .media import picture
from .scalars import names_of, points
from .values import Key, head, most_blobs, steps

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ...context import Context

MOST_QUESTIONS = 10_000
"""Series that one request may ask for."""

routes = web.RouteTableDef()


@routes.get("/data/plugin/timeseries/tags")
@answering
def get_tags(asked: Asked) -> web.Response:
    """Tags by run and descriptions by tag, of each kind."""
    context = asked.context
    overview = context.store.overview()
    scalars, histograms, images = (overview.tags.get(name, {}) for name in ("scalars", "histograms", "images"))

    def described(plugin: str) -> Callable[[str, str], str]:
        return lambda run, tag: head(context, plugin, run, tag).description

    return json_answer(
        {
            "scalars": {
                "runTagInfo": _by_run(scalars),
                "tagDescriptions": _descriptions(scalars, lambda run, tag: names_of(overview, run, tag)[1]),
            },
            "histograms": {
                "runTagInfo": _by_run(histograms),
                "tagDescriptions": _descriptions(histograms, described("histograms")),
            },
            "images": {
                "tagDescriptions": _descriptions(images, described("images")),
                "tagRunSampledInfo": {
                    tag: {run: {"maxSamplesPerStep": most_blobs(context, "images", run, tag) - SIZES} for run in runs}
                    for tag, runs in images.items()
                },
            },
        }
    )


def _by_run(tags: Mapping[str, Mapping[str, int]]) -> dict[str, list[str]]:
    """Tags by run, sorted."""
    found: dict[str, list[str]] = {}
    for tag in sorted(tags):
        for run in tags[tag]:
            found.setdefault(run, []).append(tag)
    return found


def _descriptions(tags: Mapping[str, Mapping[str, int]], describe: Callable[[str, str], str]) -> dict[str, str]:
    """A tag's description as HTML; where runs describe it differently, each one with its runs."""
    found: dict[str, dict[str, set[str]]] = {}
    runs_of: dict[str, set[str]] = {}
    for tag, runs in tags.items():
        for run in runs:
            if text := describe(run, tag):
                found.setdefault(tag, {}).setdefault(text, set()).add(run)
                runs_of.setdefault(text, set()).add(run)
    return {tag: from_markdown(_together(sorted(texts), runs_of)) for tag, texts in found.items()}


def _together(texts: list[str], runs_of: Mapping[str, set[str]]) -> str:
    if len(texts) == 1:
        return texts[0]
    parts = ["# Multiple descriptions"]
    for text in texts:
        runs = sorted(runs_of[text])
        parts += [f"## For {'runs' if len(runs) > 1 else 'run'}: {', '.join(runs)}", text]
    return "\n".join(parts)


@routes.get("/data/plugin/timeseries/timeSeries")
@answering
def get_time_series(asked: Asked) -> web.Response:
    """The series of each question in the field `requests`, a JSON list."""
    return _time_series(asked)


@routes.post("/data/plugin/timeseries/timeSeries")
@reads
@answering
def post_time_series(asked: Asked) -> web.Response:
    """The same, where the questions are too long for an address."""
    return _time_series(asked)


def _time_series(asked: Asked) -> web.Response:
    text = asked.one("requests")
    if not text:
        raise invalid("the field 'requests' is missing")
    try:
        questions: Any = json.loads(text)
    except (ValueError, RecursionError):
        raise invalid("the field 'requests' is not JSON") from None
    if not isinstance(questions, list):
        raise invalid("the field 'requests' must be a list of objects")
    listed = cast("list[Any]", questions)
    if len(listed) > MOST_QUESTIONS:
        raise invalid(f"at most {MOST_QUESTIONS:,} series fit in one request; this one names {len(listed):,}")
    return json_answer([_answer(asked.context, question) for question in listed])


def _answer(context: Context, question: Any) -> dict[str, Any]:
    if not isinstance(question, dict):
        raise invalid("the field 'requests' must be a list of objects")
    fields = cast("dict[str, Any]", question)
    tag, run, plugin, sample = (fields.get(name) for name in ("tag", "run", "plugin", "sample"))
    answer: dict[str, Any] = {"plugin": plugin, "tag": tag}
    if isinstance(run, str):
        answer["run"] = run
    if isinstance(sample, int):
        answer["sample"] = sample
    if wrong := _wrong(tag, run, plugin, sample):
        return {**answer, "error": wrong}
    if plugin == "scalars":
        return {**answer, "runToSeries": _scalars(context, str(tag), run if isinstance(run, str) else None)}
    if plugin == "histograms":
        return {**answer, "runToSeries": _histograms(context, str(tag), str(run))}
    return {**answer, "runToSeries": _images(context, str(tag), str(run), int(str(sample)))}


@routes.get("/data/plugin/timeseries/imageData")
@answering
def get_image_data(asked: Asked) -> web.Response:
    """A picture by its `imageId`."""
    return picture(asked.context, asked.needed("imageId"))


def _wrong(tag: Any, run: Any, plugin: Any, sample: Any) -> str | None:
    """What is wrong with a question, in TensorBoard's words; None where nothing is."""
    if not isinstance(tag, str):
        return "Missing tag"
    if plugin not in ("scalars", "histograms", "images"):
        return "Invalid plugin"
    if plugin != "scalars" and not isinstance(run, str):
        return "Missing run"
    if plugin == "images" and not isinstance(sample, int):
        return "Missing sample"
    return None


def _scalars(context: Context, tag: str, run: str | None) -> dict[str, list[dict[str, Any]]]:
    runs = [run] if run else list(context.store.overview().tags.get("scalars", {}).get(tag, ()))
    found: dict[str, list[dict[str, Any]]] = {}
    for name in runs:
        columns = points(context, name, tag)
        if columns is not None:
            found[name] = [
                {"wallTime": wall, "step": step, "value": value} for wall, step, value in zip(*columns, strict=True)
            ]
    return found


def _histograms(context: Context, tag: str, run: str) -> dict[str, list[dict[str, Any]]]:
    found = rows_of(context, run, tag, "histograms")
    if found is None:
        return {}
    return {
        run: [
            {
                "wallTime": wall,
                "step": step,
                "bins": [{"min": left, "max": right, "count": count} for left, right, count in plain(rows.tolist())],
            }
            for wall, step, rows in found
        ]
    }


def _images(context: Context, tag: str, run: str, sample: int) -> dict[str, list[dict[str, Any]]]:
    at = sample + SIZES
    found = [
        {"step": step, "wallTime": wall, "imageId": str(Key("images", run, tag, step, at))}
        for step, wall, count in steps(context, "images", run, tag) or []
        if sample >= 0 and count > at
    ]
    return {run: found} if found else {}
