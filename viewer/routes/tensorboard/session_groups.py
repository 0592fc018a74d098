"""Sessions of one experiment in groups, with their metrics, filtered and sorted by columns as a table of them is."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final

from ...patterns import PATIENCE, TookTooLong, matching
from .answers import Refused, invalid
from .sessions import Metric, Said, experiment, joined, said_of_runs, values_of

if TYPE_CHECKING:
    from tallyboard.core.proto.plugin_pb2 import SessionStartInfo

    from ...context import Context
    from .questions import Question

__all__ = ["session_groups"]

_STATUSES: Final = ("STATUS_UNKNOWN", "STATUS_SUCCESS", "STATUS_FAILURE", "STATUS_RUNNING")
_ORDERS: Final = ("ORDER_UNSPECIFIED", "ORDER_ASC", "ORDER_DESC")
_AGGREGATIONS: Final = (
    *("AGGREGATION_UNSET", "AGGREGATION_AVG", "AGGREGATION_MEDIAN", "AGGREGATION_MIN", "AGGREGATION_MAX"),
)

Group = dict[str, Any]
Extract = Callable[[Group], Any]


def session_groups(context: Context, question: Question) -> dict[str, Any]:
    """The groups asked for, and how many there are in all."""
    said = said_of_runs(context)
    found = experiment(context, said, metrics=question.truth("includeMetrics", True))
    metrics = [Metric(info["name"]["group"], info["name"]["tag"]) for info in found["metricInfos"]]
    allowed = question.words("allowedStatuses", _STATUSES)
    groups: dict[str, Group] = {}
    for run, each in said.items():
        if each.start is None:
            continue
        session = _session(context, run, each, each.start, metrics)
        if session["status"] in allowed:
            _add(groups, session, each.start)
    listed = sorted(groups.values(), key=lambda group: group["name"])
    for group in listed:
        group["sessions"].sort(key=itemgetter("name"))
        group["metricValues"] = _together(group["sessions"], question)
    columns = question.all_below("colParams")
    listed = _sorted(_filtered(listed, columns), columns)
    _reduce(listed, columns)
    start = question.whole("startIndex")
    return {"sessionGroups": listed[start : start + question.whole("sliceSize")], "totalSize": len(listed)}


def _session(context: Context, run: str, said: Said, start: SessionStartInfo, metrics: list[Metric]) -> dict[str, Any]:
    values: list[dict[str, Any]] = []
    for metric in metrics:
        series = context.store.scalars(joined(run, metric.group), metric.tag)
        if series is not None:
            last = {"value": float(series.value[-1]), "trainingStep": int(series.step[-1])}
            values.append({"name": metric._asdict(), **last, "wallTimeSecs": float(series.wall_time[-1])})
    return {
        "name": run,
        "startTimeSecs": start.start_time_secs,
        "endTimeSecs": 0.0 if said.end is None else said.end.end_time_secs,
        "status": _STATUSES[said.end.status if said.end is not None and 0 <= said.end.status < 4 else 0],
        "modelUri": start.model_uri,
        "metricValues": values,
        "monitorUrl": start.monitor_url,
    }


def _add(groups: dict[str, Group], session: dict[str, Any], start: SessionStartInfo) -> None:
    """Puts a session into its group; a session that names none is a group of its own."""
    name = start.group_name or session["name"]
    if name in groups:
        groups[name]["sessions"].append(session)
        return
    values = {key: value for key, value in values_of(start).items() if value == value}
    groups[name] = {"name": name, "hparams": values, "sessions": [session], "monitorUrl": start.monitor_url}


def _together(sessions: list[dict[str, Any]], question: Question) -> list[dict[str, Any]]:
    """The metrics of a group: their means, or those of the session that has the median, least or greatest of one."""
    how = question.word("aggregationType", _AGGREGATIONS)
    if how in _AGGREGATIONS[:2]:
        return _means(sessions)
    name = question.below("aggregationMetric")
    metric = Metric(name.text("group"), name.text("tag"))
    having = [(value, session) for session in sessions if (value := _value(session, metric)) is not None]
    if not having:
        raise invalid(f"no session of a group has the metric {metric.tag!r} to choose by")
    if how == "AGGREGATION_MEDIAN":
        chosen = sorted(having, key=lambda each: each[0])[(len(having) - 1) // 2]
    else:
        chosen = (min if how == "AGGREGATION_MIN" else max)(having, key=lambda each: each[0])
    return chosen[1]["metricValues"]


def _means(sessions: list[dict[str, Any]]) -> list[dict[str, Any]]:
    by_name: dict[Metric, list[dict[str, Any]]] = {}
    for session in sessions:
        for value in session["metricValues"]:
            by_name.setdefault(Metric(**value["name"]), []).append(value)
    return [
        {
            "name": metric._asdict(),
            "value": sum(each["value"] for each in values) / len(values),
            "trainingStep": sum(each["trainingStep"] for each in values) // len(values),
            "wallTimeSecs": sum(each["wallTimeSecs"] for each in values) / len(values),
        }
        for metric, values in by_name.items()
    ]


def _value(has_metrics: dict[str, Any], metric: Metric) -> float | None:
    return next(
        (value["value"] for value in has_metrics["metricValues"] if value["name"] == metric._asdict()),
        None,
    )


def _extract(column: Question) -> Extract:
    """What gives a column's value of a group; None where it has none."""
    if column.has("metric"):
        name = column.below("metric")
        metric = Metric(name.text("group"), name.text("tag"))
        return lambda group: _value(group, metric)
    if column.has("hparam"):
        hparam = column.text("hparam")
        return lambda group: group["hparams"].get(hparam)
    raise invalid("each of 'colParams' needs a 'metric' or a 'hparam'")


def _filtered(groups: list[Group], columns: list[Question]) -> list[Group]:
    for column in columns:
        extract = _extract(column)
        missing_too = not column.truth("excludeMissingValues")
        there = [value for group in groups if (value := extract(group)) is not None]
        passes = _filter(column, there)
        groups = [group for group in groups if (missing_too if (value := extract(group)) is None else passes(value))]
    return groups


def _filter(column: Question, values: list[Any]) -> Callable[[Any], bool]:
    if column.has("filterRegexp"):
        if not all(isinstance(value, str) for value in values):
            raise invalid("a regular expression filters text, and this column has other values")
        found = _found(column.text("filterRegexp"), values)
        return lambda value: value in found
    if column.has("filterInterval"):
        if not all(isinstance(value, (int, float)) for value in values):
            raise invalid("an interval filters numbers, and this column has other values")
        interval = column.below("filterInterval")
        least, most = interval.number("minValue"), interval.number("maxValue")
        return lambda value: least <= value <= most
    if column.has("filterDiscrete"):
        wanted = column.values("filterDiscrete")
        return lambda value: value in wanted
    return lambda _: True


def _found(expression: str, values: list[str]) -> set[str]:
    try:
        return set(matching(expression, sorted(set(values)), anywhere=True))
    except re.error as error:
        raise invalid(f"{expression[:100]!r} is no regular expression: {error}") from None
    except TookTooLong:
        raise invalid(f"the search with this regular expression was given up after {PATIENCE:g} seconds") from None


def _sorted(groups: list[Group], columns: list[Question]) -> list[Group]:
    """By the first column that has an order, then by the next, and so on."""
    for column in reversed(columns):
        order = column.word("order", _ORDERS)
        if order == _ORDERS[0]:
            continue
        downward = order == "ORDER_DESC"
        extract, missing_last = _extract(column), column.truth("missingValuesFirst") is downward
        try:
            groups = sorted(groups, key=_key(extract, missing_last), reverse=downward)
        except TypeError:
            raise _unsortable() from None
    return groups


def _key(extract: Extract, none_is_largest: bool) -> Callable[[Group], tuple[bool, Any]]:
    def key(group: Group) -> tuple[bool, Any]:
        value = extract(group)
        if isinstance(value, float) and math.isnan(value):
            value = -math.inf  # which has no order of its own
        return ((value is None) is none_is_largest, 0 if value is None else value)

    return key


def _unsortable() -> Refused:
    return invalid("a column of text and numbers has no order to sort by")


def _reduce(groups: list[Group], columns: list[Question]) -> None:
    """Leaves out hyperparameters, where any column says whether it is wanted."""
    if not any(column.has("includeInResult") for column in columns):
        return
    wanted = {column.text("hparam") for column in columns if column.truth("includeInResult", True)}
    for group in groups:
        group["hparams"] = {name: value for name, value in group["hparams"].items() if name in wanted}
