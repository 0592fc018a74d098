"""TensorBoard's routes about hyperparameters, compared with a TensorBoard that runs on the same logdir."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tallyboard.core.proto import event_pb2
from tallyboard.core.record import frame

from .boards import Board, tensorboard_on, viewer_on, wait_until

summary = pytest.importorskip("tensorboard.plugins.hparams.summary")
api_pb2 = pytest.importorskip("tensorboard.plugins.hparams.api_pb2")

SESSIONS: dict[str, tuple[dict[str, Any], str, dict[str, float]]] = {
    "a": (
        {"lr": 0.1, "layers": 2.0, "bias": True, "optimizer": "sgd", "mixed": 1.0},
        "group 1",
        {"loss": 0.5, "acc": 0.9},
    ),
    "b": ({"lr": 0.1, "layers": 2.0, "bias": True, "optimizer": "sgd", "mixed": 1.0}, "group 1", {"loss": 0.25}),
    "c": (
        {"lr": 0.01, "layers": 2.0, "bias": False, "optimizer": "adam", "mixed": "x"},
        "",
        {"loss": 1.5, "acc": 0.25},
    ),
    "deep/d": ({"lr": 1e-5, "bias": False, "optimizer": "adam", "mixed": True}, "", {"acc": 0.5}),
    "e": ({"lr": 3.0, "layers": 2.0, "odd": float("nan")}, "", {}),
    "f": ({"optimizer": "s.g.d"}, "", {"loss": float("nan")}),
}


def write(folder: Path, *summaries: Any, scalars: dict[str, float] | None = None) -> None:
    """An event file of TensorBoard's own messages."""
    folder.mkdir(parents=True, exist_ok=True)
    events = [event_pb2.Event(wall_time=1e9, file_version="brain.Event:2")]
    for each in summaries:
        message = event_pb2.Summary.FromString(each.SerializeToString())
        events += [event_pb2.Event(wall_time=1e9 + 1, summary=message)]
    for name, value in (scalars or {}).items():
        for step in (1, 2):
            event = event_pb2.Event(wall_time=1e9 + step, step=step)
            event.summary.value.add(tag=name, simple_value=value * step)
            events.append(event)
    data = b"".join(frame(event.SerializeToString()) for event in events)
    (folder / "events.out.tfevents.1.test").write_bytes(data)


@pytest.fixture(scope="module", params=["announced", "found out"])
def boards(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Board, Board]]:
    """TensorBoard and the viewer on sessions, whose experiment was announced or is to be put together of them."""
    logdir = tmp_path_factory.mktemp("logdir")
    for name, (hparams, group, metrics) in SESSIONS.items():
        ends = [summary.session_end_pb(api_pb2.STATUS_SUCCESS if name < "c" else api_pb2.STATUS_FAILURE, 50.0)]
        start = summary.session_start_pb(hparams, "model", "http://monitor", group, 10.0)
        write(logdir / name, start, *(ends if name != "e" else ()), scalars=metrics)
    write(logdir / "a" / "eval", scalars={"loss": 0.75})
    write(logdir / "no session", scalars={"other": 1.0})
    if request.param == "announced":
        infos = [
            api_pb2.HParamInfo(name="optimizer", type=api_pb2.DATA_TYPE_STRING, display_name="Optimizer"),
            api_pb2.HParamInfo(name="lr", type=api_pb2.DATA_TYPE_FLOAT64),
        ]
        infos[0].domain_discrete.extend(["adam", "sgd"])
        infos[1].domain_interval.min_value, infos[1].domain_interval.max_value = 0.001, 1.0
        names = [
            api_pb2.MetricName(tag="loss"),
            api_pb2.MetricName(tag="loss", group="eval"),
            api_pb2.MetricName(tag="acc"),
        ]
        metric_infos = [api_pb2.MetricInfo(name=name, display_name=name.tag.title()) for name in names]
        write(logdir, summary.experiment_pb(infos, metric_infos, "someone", "what it is", 5.0))
    with tensorboard_on(logdir) as theirs, viewer_on(logdir) as ours:
        wait_until(lambda: "no session" in theirs.get("/data/plugin/scalars/tags"))
        yield theirs, ours


def alike(answer: Any) -> Any:
    """Without the order of values that TensorBoard takes from a set."""
    for info in answer.get("hparamInfos", ()):
        if "domainDiscrete" in info:
            info["domainDiscrete"].sort()
    return answer


@pytest.mark.parametrize(
    "question", [{}, {"experimentName": ""}, {"includeMetrics": False}, {"hparamsLimit": 2}, {"hparams_limit": 0}]
)
def test_the_experiment(boards: tuple[Board, Board], question: dict[str, Any]) -> None:
    """Hyperparameters with types and domains, and metrics, by GET and by POST."""
    theirs, ours = boards
    path = "/data/plugin/hparams/experiment"
    expected, answer = theirs.post(path, question), ours.post(path, question)

    assert alike(answer.json()) == alike(expected.json())
    assert (answer.status, answer.type) == (expected.status, expected.type)
    assert alike(ours.get(path, request=json.dumps(question))) == alike(expected.json())


ALL = ["STATUS_UNKNOWN", "STATUS_SUCCESS", "STATUS_FAILURE", "STATUS_RUNNING"]
LOSS = {"metric": {"tag": "loss"}}
QUESTIONS: list[dict[str, Any]] = [
    {},
    {"colParams": []},
    {"allowedStatuses": ["STATUS_SUCCESS"]},
    {"allowedStatuses": [0, 2]},
    {"startIndex": 1, "sliceSize": 2},
    {"includeMetrics": False},
    {"aggregationType": "AGGREGATION_AVG", "colParams": [{"metric": {"tag": "acc"}, "order": "ORDER_DESC"}]},
    {"colParams": [{"hparam": "lr", "order": "ORDER_ASC"}]},
    {"colParams": [{"hparam": "lr", "order": "ORDER_DESC", "missingValuesFirst": True}]},
    {
        "colParams": [
            {"hparam": "layers", "order": "ORDER_ASC", "missingValuesFirst": True},
            {"hparam": "lr", "order": 2},
        ]
    },
    {"colParams": [{"hparam": "bias", "order": "ORDER_DESC"}, {"metric": {"tag": "acc"}, "order": "ORDER_ASC"}]},
    {"colParams": [{"hparam": "optimizer", "filterRegexp": "^s.*d$"}]},
    {"colParams": [{"hparam": "optimizer", "filterRegexp": "(g|d)+", "excludeMissingValues": True}]},
    {"colParams": [{"hparam": "lr", "filterInterval": {"minValue": 0.01, "maxValue": 0.1}}]},
    {
        "colParams": [
            {**LOSS, "filterInterval": {"minValue": "-Infinity", "maxValue": 1}, "exclude_missing_values": True}
        ]
    },
    {"colParams": [{"hparam": "mixed", "filterDiscrete": ["x", 1, None]}]},
    {"colParams": [{"hparam": "lr", "excludeMissingValues": True}]},
    {
        "colParams": [
            {"hparam": "lr", "includeInResult": True},
            {"hparam": "bias", "includeInResult": False},
            {"hparam": "odd"},
        ]
    },
]


@pytest.mark.parametrize("question", QUESTIONS, ids=str)
def test_sessions_in_groups(boards: tuple[Board, Board], question: dict[str, Any]) -> None:
    """Groups with their hyperparameters, metrics and sessions: filtered, sorted and cut alike."""
    theirs, ours = boards
    asked = {"experimentName": "", "allowedStatuses": ALL, "sliceSize": 100, **question}
    path = "/data/plugin/hparams/session_groups"
    expected, answer = theirs.post(path, asked), ours.post(path, asked)

    assert answer.json() == expected.json()
    assert (answer.status, answer.type) == (expected.status, expected.type)
    assert ours.get(path, request=json.dumps(asked)) == expected.json()


@pytest.mark.parametrize("kind", ["AGGREGATION_MEDIAN", "AGGREGATION_MIN", "AGGREGATION_MAX"])
def test_the_metrics_of_one_session(boards: tuple[Board, Board], kind: str) -> None:
    """A group has the metrics of the session that has the median, least or greatest value of one of them."""
    theirs, ours = boards
    asked = {"allowedStatuses": ["STATUS_SUCCESS"], "sliceSize": 9}
    asked |= {"aggregationType": kind, "aggregationMetric": {"tag": "loss"}}
    path = "/data/plugin/hparams/session_groups"
    answer = ours.post(path, asked).json()
    assert answer == theirs.post(path, asked).json()
    assert answer["totalSize"] == 1


@pytest.mark.parametrize(("session", "group", "tag"), [("a", "", "loss"), ("a", "eval", "loss"), ("deep/d", "", "acc")])
def test_the_points_of_a_metric(boards: tuple[Board, Board], session: str, group: str, tag: str) -> None:
    """The whole series of a session's metric."""
    theirs, ours = boards
    asked = {"sessionName": session, "metricName": {"group": group, "tag": tag}}
    expected = theirs.post("/data/plugin/hparams/metric_evals", asked)
    assert ours.post("/data/plugin/hparams/metric_evals", asked) == expected
    assert ours.get("/data/plugin/hparams/metric_evals", request=json.dumps(asked)) == expected.json()
    assert len(expected.json()) == 2


@pytest.mark.parametrize("form", ["csv", "json", "latex"])
@pytest.mark.parametrize("visible", [[True] * 30, [False, True, True, False, True], []], ids=["all", "some", "none"])
def test_the_table_as_a_file(boards: tuple[Board, Board], form: str, visible: list[bool]) -> None:
    """The download is TensorBoard's, byte for byte but for the order of JSON's blanks."""
    theirs, ours = boards
    asked = {"experimentName": "", "allowedStatuses": ALL, "sliceSize": 100, "colParams": [{"hparam": "lr"}]}
    query = {"request": json.dumps(asked), "format": form, "columnsVisibility": json.dumps(visible)}
    path = "/data/plugin/hparams/download_data"
    expected, answer = theirs.ask(path, **query), ours.ask(path, **query)

    assert (answer.status, answer.type.partition(";")[0]) == (expected.status, expected.type.partition(";")[0])
    if form == "json":
        assert answer.json() == expected.json()
    else:
        assert answer.body == expected.body


@pytest.mark.parametrize("query", [{"format": "xls"}, {"columnsVisibility": "["}, {"columnsVisibility": "1"}], ids=str)
def test_bad_downloads(boards: tuple[Board, Board], query: dict[str, str]) -> None:
    """A form or a list of columns that is none is refused with a sentence."""
    _, ours = boards
    asked = {"request": json.dumps({"sliceSize": 1}), "format": "csv", "columnsVisibility": "[]", **query}
    answer = ours.ask("/data/plugin/hparams/download_data", **asked)
    assert answer.status == 400
    assert answer.body.startswith(b"Invalid argument: ")


@pytest.mark.parametrize(
    "question",
    [
        *(b"", b"{", b"[]", b"1", b"\xff", b"[" * 100_000),
        *({"startIndex": "x"}, {"startIndex": 1e30}, {"startIndex": True}, {"allowedStatuses": "STATUS_UNKNOWN"}),
        *({"allowedStatuses": ["WHAT"]}, {"allowedStatuses": [9]}, {"colParams": {}}, {"colParams": [1]}),
        *({"colParams": [{}]}, {"colParams": [{"hparam": 1}]}, {"colParams": [{"metric": "x"}]}),
        {"colParams": [{"hparam": "optimizer", "filterRegexp": "("}]},
        {"colParams": [{"hparam": "lr", "filterRegexp": "x"}]},
        {"colParams": [{"hparam": "optimizer", "filterInterval": {}}]},
        {"colParams": [{"hparam": "mixed", "order": "ORDER_ASC"}]},
        {"colParams": [{"hparam": "lr", "order": "UP"}]},
        {"includeMetrics": "yes"},
        {"aggregationType": "AGGREGATION_MIN", "aggregationMetric": {"tag": "nothing"}},
    ],
    ids=lambda question: str(question)[:60],
)
def test_bad_questions(boards: tuple[Board, Board], question: Any) -> None:
    """Whatever is no such question is refused with a sentence."""
    _, ours = boards
    if isinstance(question, dict):
        question = {"allowedStatuses": ALL, "sliceSize": 9, **question}
    answer = ours.post("/data/plugin/hparams/session_groups", question)
    assert (answer.status, answer.type) == (400, "text/plain; charset=utf-8")
    assert answer.body.startswith(b"Invalid argument: ")


def test_no_such_metric(boards: tuple[Board, Board]) -> None:
    """A metric that a session has not is not found."""
    for board in boards:
        answer = board.post("/data/plugin/hparams/metric_evals", {"sessionName": "a", "metricName": {"tag": "no"}})
        assert (answer.status, answer.body[:10]) == (404, b"Not found:")
