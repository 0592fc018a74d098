"""`/data/plugin/hparams/`: the experiment, its sessions in groups, and the points of one metric."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, cast

from aiohttp import web

from ...safety import reads
from .answers import Asked, answering, invalid, json_answer, missing, plain, text_answer
from .hparam_tables import FORMATS, table_of, written
from .questions import Question, question_of
from .scalars import points
from .session_groups import session_groups
from .sessions import Metric, experiment, joined, said_of_runs

if TYPE_CHECKING:
    from ...context import Context

routes = web.RouteTableDef()


@routes.get("/data/plugin/hparams/experiment")
@answering
def get_experiment(asked: Asked) -> web.Response:
    """Hyperparameters and metrics; the question is JSON in the field `request`."""
    return _experiment(asked.context, question_of(asked))


@routes.post("/data/plugin/hparams/experiment")
@reads
@answering
def post_experiment(asked: Asked) -> web.Response:
    """The same, the question being the body."""
    return _experiment(asked.context, question_of(asked))


def _experiment(context: Context, question: Question) -> web.Response:
    return json_answer(plain(_announced(context, question)))


def _announced(context: Context, question: Question) -> dict[str, Any]:
    found = experiment(context, said_of_runs(context), metrics=question.truth("includeMetrics", True))
    infos: list[dict[str, Any]] = sorted(found["hparamInfos"], key=lambda info: (not info["differs"], info["name"]))
    limit = question.whole("hparamsLimit")
    return {**found, "hparamInfos": infos[:limit] if limit > 0 else infos}


@routes.get("/data/plugin/hparams/session_groups")
@answering
def get_session_groups(asked: Asked) -> web.Response:
    """Sessions in groups, filtered, sorted and cut; the question is JSON in the field `request`."""
    return json_answer(plain(session_groups(asked.context, question_of(asked))))


@routes.post("/data/plugin/hparams/session_groups")
@reads
@answering
def post_session_groups(asked: Asked) -> web.Response:
    """The same, the question being the body."""
    return json_answer(plain(session_groups(asked.context, question_of(asked))))


@routes.get("/data/plugin/hparams/metric_evals")
@answering
def get_metric_evals(asked: Asked) -> web.Response:
    """Wall time, step and value of each point of a session's metric; the question is JSON in the field `request`."""
    return _metric_evals(asked)


@routes.post("/data/plugin/hparams/metric_evals")
@reads
@answering
def post_metric_evals(asked: Asked) -> web.Response:
    """The same, the question being the body."""
    return _metric_evals(asked)


def _metric_evals(asked: Asked) -> web.Response:
    question = question_of(asked)
    name = question.below("metricName")
    metric = Metric(name.text("group"), name.text("tag"))
    run = joined(question.text("sessionName"), metric.group)
    found = points(asked.context, run, metric.tag)
    if found is None:
        raise missing(f"there is no scalar of run={run!r}, tag={metric.tag!r}")
    return json_answer(list(zip(*found, strict=True)))


@routes.get("/data/plugin/hparams/download_data")
@answering
def get_download_data(asked: Asked) -> web.Response:
    """The session groups that the field `request` asks for as a table: `format` is csv, json or latex."""
    form, question = asked.needed("format"), question_of(asked)
    if form not in FORMATS:
        raise invalid(f"'format' must be one of {', '.join(FORMATS)}, not {form!r}")
    groups = session_groups(asked.context, question)["sessionGroups"]
    titles, rows = table_of(_announced(asked.context, question), groups, _visible(asked))
    return text_answer(written((titles, plain(rows) if form == "json" else rows), form), FORMATS[form])


def _visible(asked: Asked) -> list[bool]:
    try:
        given: Any = json.loads(asked.needed("columnsVisibility"))
    except (ValueError, RecursionError):
        given = None
    if not isinstance(given, list):
        raise invalid("'columnsVisibility' must be a list of true and false")
    return [bool(one) for one in cast("list[Any]", given)]
