"""`/data/plugin/hparams/`: the experiment, its sessions in groups, and the points of one metric."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiohttp import web

from ...safety import reads
from .answers import Asked, answering, json_answer, missing, plain
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
    found = experiment(context, said_of_runs(context), metrics=question.truth("includeMetrics", True))
    infos: list[dict[str, Any]] = sorted(found["hparamInfos"], key=lambda info: (not info["differs"], info["name"]))
    limit = question.whole("hparamsLimit")
    return json_answer(plain({**found, "hparamInfos": infos[:limit] if limit > 0 else infos}))


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
