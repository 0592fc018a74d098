"""/api/histograms: histograms of every writer in the buckets that a card draws, and what is wrong with broken ones."""

from __future__ import annotations

import csv
import io
import json
import math
import struct
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tallyboard as tb
from tallyboard.core.errors import CorruptRecord
from tallyboard.core.proto import event_pb2 as pb
from tallyboard.core.rebin import SHARES
from tallyboard.viewer.context import CONTEXT
from tallyboard.viewer.histograms import distribution, picked
from tallyboard.viewer.routes.histograms import KEPT, Answers, key_of, parse

from .boards import Board, viewer_on, wait_until

CORPUS = Path(__file__).parents[1] / "conformance" / "corpus"
STEPS = 40


def values_at(step: int) -> np.ndarray:
    """Normal values that wander to the right."""
    return np.random.default_rng(step).normal(step / 10, 1, 500)


def event(step: int, value: pb.Summary.Value) -> pb.Event:
    return pb.Event(wall_time=1.7e9 + step, step=step, summary=pb.Summary(value=[value]))


def value_of(rows: Any = None, **histo: Any) -> pb.Summary.Value:
    """A message as `tf.summary` writes it, of rows, or as torch does."""
    value = pb.Summary.Value(tag="h")
    value.metadata.plugin_data.plugin_name = "histograms"
    if rows is None:
        value.histo.CopyFrom(pb.HistogramProto(**histo))
        return value
    rows = np.asarray(rows, np.float64)
    value.tensor.dtype = 2
    for size in rows.shape:
        value.tensor.tensor_shape.dim.add(size=size)
    value.tensor.tensor_content = rows.tobytes()
    return value


def broken() -> list[pb.Summary.Value]:
    """One good histogram, and many that are none."""
    return [
        value_of([[0, 1, 2], [1, 2, 3]]),
        value_of([[math.nan, 1, 0]] * 3),
        value_of([[0, 1, -2]]),
        value_of([[0, math.inf, 2]]),
        value_of([[0, 2, 1], [1, 3, 1]]),
        value_of([1, 2, 3, 4]),
        value_of(min=0, max=3, num=2, bucket_limit=[1, 2, 3], bucket=[1, 1]),
        value_of(min=0, max=3, num=3, bucket_limit=[1, 3, 2, 4], bucket=[1, 1, 1, 1]),
        value_of(np.zeros((0, 3))),
        value_of(min=1, max=1, num=5, bucket_limit=[1], bucket=[5]),
    ]


def write(logdir: Path) -> None:
    with tb.SummaryWriter(logdir / "a") as writer:
        for step in range(STEPS):
            writer.add_histogram("w", values_at(step), step, walltime=1.7e9 + 2 * step)
        writer.add_histogram("odd", [math.nan, 1.0, math.inf, 2.0, math.nan], 0)
    with tb.SummaryWriter(logdir / "b") as writer:
        for step in range(0, STEPS, 2):
            writer.add_histogram("w", values_at(step) + 10, step)
    with tb.SummaryWriter(logdir / "broken") as writer:
        for step, value in enumerate(broken()):
            writer.file_writer.add_event(event(step, value))


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Board]:
    logdir = tmp_path_factory.mktemp("logdir")
    write(logdir)
    with viewer_on(logdir) as started:
        yield started


def read(frame: bytes) -> dict[str, Any]:
    """A TLH1 frame by its description, sharing nothing with the encoder."""
    assert frame[:4] == b"TLH1"
    (size,) = struct.unpack("<I", frame[4:8])
    header = json.loads(frame[8 : 8 + size])
    body = frame[8 + size :]
    for series in header["series"]:
        wide = {"counts": header["bins"] + 2, "shares": len(SHARES)}
        for name, column in series.pop("columns").items():
            assert column["at"] % 8 == 0
            found = np.frombuffer(body, f"<{column['type']}", series["n"] * wide.get(name, 1), column["at"])
            series["place" if name == "at" else name] = found.reshape(-1, wide[name]) if name in wide else found
    return header


def ask(board: Board, *series: tuple[str, str], **more: Any) -> dict[str, Any]:
    asked = {"series": [{"run": run, "tag": tag} for run, tag in series], **more}
    answer = board.post("/api/histograms", asked)
    assert answer.status == 200, answer.body
    return read(answer.body)


def test_a_frame_holds_the_distributions(board: Board) -> None:
    """Every step's counts are numpy's of the values themselves, to within what the writer's own buckets blur."""
    frame = ask(board, ("a", "w"), rows=STEPS, bins=20)
    (series,) = frame["series"]
    assert series["step"].tolist() == list(range(STEPS))
    assert series["wall"].tolist() == [1.7e9 + 2 * step for step in range(STEPS)]
    edges = np.linspace(frame["low"], frame["high"], 21)
    everything = np.concatenate([values_at(step) for step in range(STEPS)])
    assert (frame["low"], frame["high"]) == (everything.min(), everything.max())
    for i, row in enumerate(series["counts"]):
        assert row[0] == row[-1] == 0
        assert row.sum() == pytest.approx(500, rel=1e-6)
        expected = np.histogram(values_at(i), edges)[0]
        assert np.abs(row[1:-1].cumsum() - expected.cumsum()).max() < 25
        median = series["shares"][i, SHARES.index(0.5)]
        assert median == pytest.approx(np.median(values_at(i)), abs=0.1)
        assert (series["least"][i], series["most"][i]) == (values_at(i).min(), values_at(i).max())
        assert (series["num"][i], series["nan"][i], series["odd"][i]) == (500, 0, 0)


def test_runs_of_one_card_share_their_buckets(board: Board) -> None:
    """Several series in one question have the same edges, which hold the values of all of them."""
    frame = ask(board, ("a", "w"), ("b", "w"), rows=STEPS, bins=50)
    assert [series["run"] for series in frame["series"]] == ["a", "b"]
    both = [values_at(step) for step in range(STEPS)] + [values_at(step) + 10 for step in range(0, STEPS, 2)]
    assert (frame["low"], frame["high"]) == (min(map(np.min, both)), max(map(np.max, both)))
    assert [series["counts"][:, [0, -1]].sum() for series in frame["series"]] == [0, 0]


def test_a_part_in_view(board: Board) -> None:
    """Zoomed along the axis and in values: the steps between, and what lies beyond the values counted at the ends."""
    frame = ask(board, ("a", "w"), rows=20, bins=10, first=9.5, last=14, low=0, high=1)
    (series,) = frame["series"]
    assert series["step"].tolist() == [10, 11, 12, 13, 14]
    assert (series["first"], series["last"], series["total"]) == (0, STEPS - 1, STEPS)
    assert series["counts"].sum(axis=1).tolist() == pytest.approx([500] * 5)
    below = [np.count_nonzero(values_at(step) < 0) for step in range(10, 15)]
    assert np.abs(series["counts"][:, 0] - below).max() < 15


def test_outliers_are_trimmed(board: Board) -> None:
    """Asked to, the range leaves out a share of each row's values at each end, and they are counted beyond it."""
    frame = ask(board, ("a", "w"), rows=STEPS, bins=10, trim=0.01)
    (series,) = frame["series"]
    everything = [values_at(step) for step in range(STEPS)]
    assert frame["low"] == pytest.approx(min(np.quantile(one, 0.01) for one in everything), abs=0.15)
    assert frame["high"] == pytest.approx(max(np.quantile(one, 0.99) for one in everything), abs=0.3)
    assert 0 < series["counts"][0, 0] < 50
    assert series["counts"].sum(axis=1).tolist() == pytest.approx([500] * STEPS)


def test_few_rows_of_many(board: Board) -> None:
    """Fewer rows than steps: evenly along the axis, the first and the last among them."""
    (series,) = ask(board, ("a", "w"), rows=5, bins=4)["series"]
    assert series["step"].tolist() == [0, 10, 19, 29, 39] or series["step"].tolist() == [0, 10, 20, 29, 39]
    (series,) = ask(board, ("a", "w"), rows=3, bins=4, x="relative")["series"]
    assert series["x"].tolist() == [0, 38, 78] or series["x"].tolist() == [0, 40, 78]
    (series,) = ask(board, ("a", "w"), rows=1, bins=4, x="wall")["series"]
    assert series["x"].tolist()[-1] == 1.7e9 + 2 * (STEPS - 1)


def test_picked_rows_are_even_where_steps_are_not() -> None:
    """Ninety early steps and one late: the late one and one near each place wanted, none twice, NaN never."""
    x = np.array([*range(90), math.nan, 1000.0])
    assert picked(x, -math.inf, math.inf, 5).tolist() == [0, 89, 91]
    assert picked(x, -math.inf, math.inf, 1000).tolist() == [*range(90), 91]
    assert picked(x, 10, 20, 3).tolist() == [10, 15, 20]
    assert picked(x[::-1], 10, 20, 100).tolist() == list(range(81, 70, -1))
    assert picked(x, 200, 300, 9).tolist() == []


def test_what_was_not_finite_is_counted(board: Board) -> None:
    """NaN and Inf that our writer left out of the buckets are told, each kind by itself."""
    (series,) = ask(board, ("a", "odd"))["series"]
    found = [series[name].tolist() for name in ("num", "nan", "positive", "negative", "odd", "least", "most")]
    assert found == [[2], [2], [1], [0], [0], [1], [2]]


def test_what_other_writers_left_out() -> None:
    """torch counts NaN in `num` alone and spoils min and max: how many are missing shows, and the buckets stand."""
    torchs = value_of(min=math.nan, max=math.nan, num=5, bucket_limit=[0.5, 1.0, 2.0], bucket=[0, 1, 2])
    found = distribution(torchs)
    assert (found.edges.tolist(), found.counts.tolist()) == ([0.5, 1.0, 2.0], [1.0, 2.0])
    assert (found.num, found.odd, found.least, found.most) == (3, 2, 0.5, 2.0)
    infinite = value_of(min=-1, max=math.inf, num=3, bucket_limit=[-1, 0, 1], bucket=[0, 1, 1])
    assert (distribution(infinite).edges.tolist(), distribution(infinite).odd) == ([-1, 0, 1], 1)


def test_a_negative_count_at_an_end() -> None:
    """One in the last bucket, which may be left out where it holds nothing, is named all the same."""
    with pytest.raises(CorruptRecord, match="bucket 1 of 2 holds -1 values"):
        distribution(value_of(min=0, max=1, num=4, bucket_limit=[0.5, 1], bucket=[1, -1]))


def test_rows_with_gaps() -> None:
    """Rows of a tensor that do not touch keep the room between them empty."""
    found = distribution(value_of([[0, 1, 4], [3, 4, 6]]))
    assert (found.edges.tolist(), found.counts.tolist()) == ([0, 1, 3, 4], [4, 0, 6])


def test_what_is_wrong_is_said_of_which_step(board: Board) -> None:
    """Broken histograms are named with step and reason; the good ones of the same series, an empty one among them, and
    the other series of the same question are answered."""
    frame = ask(board, ("broken", "h"), ("a", "w"), ("a", "there is none"), bins=5)
    bad, good = frame["series"]
    said = {problem["step"]: problem["what"] for problem in bad["problems"]}
    assert bad["step"].tolist() == [0, 8, 9]
    assert bad["counts"].sum(axis=1).tolist() == [5, 0, 5]
    assert np.isnan(bad["shares"][1]).all()
    assert sorted(said) == [1, 2, 3, 4, 5, 6, 7]
    for step, part in {
        1: "NaN or Inf",
        2: "holds -2",
        3: "is inf",
        4: "over each other",
        5: "shape",
        6: "3 limits",
    }.items():
        assert part in said[step]
    assert "descend from 3 to 2" in said[7]
    assert len(good["step"]) == STEPS


def corpus_series(board: Board) -> list[tuple[str, str]]:
    tags = board.get("/data/plugin/histograms/tags")
    return [(run, tag) for run, named in tags.items() for tag in named]


def test_histograms_of_every_producer() -> None:
    """Whoever wrote them: no value is lost, and percentiles are those of TensorBoard's page of distributions."""
    with viewer_on(CORPUS) as board:
        compared = 0
        for run, tag in corpus_series(board):
            (series,) = ask(board, (run, tag), rows=1000, bins=64)["series"]
            assert series["problems"] == []
            theirs = board.get("/data/plugin/distributions/distributions", run=run, tag=tag)
            rows = board.get("/data/plugin/histograms/histograms", run=run, tag=tag)
            assert series["step"].tolist() == sorted(step for _, step, _ in theirs)
            for (_, step, points), (_, _, buckets) in zip(theirs, rows, strict=True):
                at = series["step"].tolist().index(step)
                assert series["counts"][at].sum() == pytest.approx(sum(count for _, _, count in buckets))
                if series["num"][at]:
                    np.testing.assert_allclose(
                        series["shares"][at],
                        [value for _, value in points],
                        rtol=1e-5,
                        atol=1e-6,
                        err_msg=f"{run} {tag}",
                    )
                    compared += 1
        assert compared >= 15


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"{", "not JSON"),
        (b"[]", '"series"'),
        (b'{"series": []}', '"series"'),
        (b'{"series": [{"run": 1, "tag": "t"}]}', "both text"),
        (b'{"series": [{"run": "r", "tag": "t"}], "x": "time"}', '"x"'),
        (b'{"series": [{"run": "r", "tag": "t"}], "rows": 0}', '"rows"'),
        (b'{"series": [{"run": "r", "tag": "t"}], "bins": 1e3}', '"bins"'),
        (b'{"series": [{"run": "r", "tag": "t"}], "bins": 5000}', '"bins"'),
        (b'{"series": [{"run": "r", "tag": "t"}], "low": 1}', '"low" and "high"'),
        (b'{"series": [{"run": "r", "tag": "t"}], "low": 2, "high": 1}', '"low" and "high"'),
        (b'{"series": [{"run": "r", "tag": "t"}], "first": NaN}', '"first"'),
        (b'{"series": [{"run": "r", "tag": "t"}], "trim": 0.5}', '"trim"'),
        (b'{"series": [{"run": "r", "tag": "t"}], "superseded": 1}', '"superseded"'),
        (json.dumps({"series": [{"run": "r", "tag": "t"}] * 64, "rows": 1000, "bins": 1000}).encode(), "more than one"),
    ],
)
def test_a_question_that_is_none(board: Board, body: bytes, said: str) -> None:
    """What the route does not take is refused in one sentence that says what."""
    answer = board.post("/api/histograms", body)
    assert answer.status == 400
    assert said in answer.json()["error"]


def test_kept_answers_are_bounded(monkeypatch: pytest.MonkeyPatch, store: Any, serve: Any) -> None:
    """Answers are kept for as long as their series is the same, and what they hold together has an end."""
    asked = 0

    def made(context: Any, question: Any) -> bytes:
        nonlocal asked
        asked += 1
        return bytes(KEPT // 5)

    monkeypatch.setattr("tallyboard.viewer.routes.histograms.answer", made)
    served = serve(store)
    context = served.app[CONTEXT]
    answers = Answers()
    first = parse(b'{"series": [{"run": "r", "tag": "t"}], "rows": 1}')
    for _ in range(2):
        answers.get(context, first, key_of(context, first))
    assert asked == 1
    for rows in range(2, 30):
        other = parse(b'{"series": [{"run": "r", "tag": "t"}], "rows": %d}' % rows)
        answers.get(context, other, key_of(context, other))
    assert (asked, answers.nbytes) == (29, KEPT // 5 * 5)
    answers.get(context, first, key_of(context, first))
    assert asked == 30


def test_the_same_answer_is_not_sent_twice(board: Board) -> None:
    """A question asked again with its answer's ETag is answered 304; another question, or another step, is not."""
    body = json.dumps({"series": [{"run": "a", "tag": "w"}]}).encode()
    headers = {"Content-Type": "application/json"}

    def asked(body: bytes, known: str) -> int:
        request = urllib.request.Request(f"{board.url}/api/histograms", body, {**headers, "If-None-Match": known})
        try:
            return urllib.request.urlopen(request).status
        except urllib.error.HTTPError as error:
            return error.code

    etag = urllib.request.urlopen(urllib.request.Request(f"{board.url}/api/histograms", body, headers)).headers["ETag"]
    assert asked(body, etag) == 304
    assert asked(body, '"other"') == 200
    assert asked(json.dumps({"series": [{"run": "b", "tag": "w"}]}).encode(), etag) == 200


def test_an_answer_is_new_when_the_series_is(tmp_path: Path) -> None:
    """A histogram written after the first answer is in the next."""
    writer = tb.SummaryWriter(tmp_path / "r")
    writer.add_histogram("w", [1.0, 2.0], 0)
    writer.flush()
    with viewer_on(tmp_path) as board:
        assert ask(board, ("r", "w"))["series"][0]["total"] == 1
        writer.add_histogram("w", [5.0, 6.0], 1)
        writer.flush()
        wait_until(lambda: ask(board, ("r", "w"))["series"][0]["step"].tolist() == [0, 1])
        assert ask(board, ("r", "w"))["high"] == 6
    writer.close()


def test_export_has_every_bucket(board: Board) -> None:
    """CSV and JSON have all steps, each in the buckets it was written with, and what is wrong where something is."""
    lines = list(csv.DictReader(io.StringIO(board.ask("/api/histograms/export?run=a&tag=w").body.decode())))
    assert {int(line["step"]) for line in lines} == set(range(STEPS))
    assert sum(float(line["count"]) for line in lines) == 500 * STEPS
    assert all(float(line["left"]) < float(line["right"]) for line in lines)
    found = board.get("/api/histograms/export?run=broken&tag=h&format=json")["histograms"]
    assert [entry["step"] for entry in found] == list(range(10))
    assert (found[0]["edges"], found[0]["counts"]) == ([0, 1, 2], [2, 3])
    assert "NaN or Inf" in found[1]["problem"]
    lines = list(csv.DictReader(io.StringIO(board.ask("/api/histograms/export?run=broken&tag=h").body.decode())))
    assert [line["problem"] != "" for line in lines[:4]] == [False, False, True, True]


@pytest.mark.parametrize(("query", "status"), [("run=a&tag=no", 404), ("run=a&tag=w&format=xml", 400), ("", 404)])
def test_an_export_of_nothing(board: Board, query: str, status: int) -> None:
    """What is not there, or in no form that is known, is refused."""
    assert board.ask(f"/api/histograms/export?{query}").status == status


def test_names_are_text_in_an_export(tmp_path: Path) -> None:
    """A tag that a spreadsheet would take for a formula is made text; commas and quotes stay inside their field."""
    with tb.SummaryWriter(tmp_path / "=r") as writer:
        writer.add_histogram('=1+1,"x"', [1.0], 0)
    with viewer_on(tmp_path) as board:
        answer = board.ask("/api/histograms/export", run="=r", tag='=1+1,"x"')
    (line,) = csv.DictReader(io.StringIO(answer.body.decode()))
    assert (line["run"], line["tag"]) == ("'=r", '\'=1+1,"x"')
