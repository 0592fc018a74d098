"""POST /api/hparams/importance and /correlation: a table in, what it tells out, and sentences for what is no table."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tallyboard.viewer.routes import hparams


def asked(what: str, columns: dict[str, list[Any]], **more: Any) -> dict[str, Any]:
    body = {"columns": [{"name": name, "values": values} for name, values in columns.items()], **more}
    return getattr(hparams, f"_{what}")(json.dumps(body).encode())


def table(rows: int) -> dict[str, list[Any]]:
    """Losses that a rate and an optimizer make, beside a seed and a constant."""
    random = np.random.default_rng(0)
    rate = 10 ** random.uniform(-4, 0, rows)
    adam = random.random(rows) < 0.5
    loss = (np.log10(rate) + 2) ** 2 + 2 * adam + 0.05 * random.normal(size=rows)
    return {
        "lr": rate.tolist(),
        "opt": ["adam" if flag else "sgd" for flag in adam],
        "seed": random.integers(0, 100, rows).tolist(),
        "batch": [32] * rows,
        "loss": loss.tolist(),
    }


def test_importance_over_http(served: Any) -> None:
    """What made the losses is told, what is constant is left out by name, and the answer says of how many rows."""
    body = {"columns": [{"name": n, "values": v} for n, v in table(120).items()], "target": "loss"}
    answer = served.post("/api/hparams/importance", json.dumps(body).encode())

    assert answer.status == 200
    told = answer.json()
    shares = {each["name"]: each["importance"] for each in told["columns"]}
    assert sorted(shares, key=lambda name: -shares[name])[:2] == ["lr", "opt"]
    assert abs(shares["seed"]) < 0.05 < shares["opt"] < shares["lr"]
    assert told["r2"] > 0.8
    assert (told["rows"], told["used"], told["trees"]) == (120, 120, 100)
    assert told["left_out"] == [{"name": "batch", "reason": "the same in all rows"}]
    opt = next(each for each in told["columns"] if each["name"] == "opt")
    assert (opt["pearson"], opt["v"]) == (None, None)
    assert 0.3 < opt["eta"] < 1


def test_too_little_is_said_to_be_too_little() -> None:
    """Few rows, a target that never differs, or nothing to learn from: a problem, and no figures."""
    small = {name: values[:9] for name, values in table(20).items()}
    assert asked("importance", small, target="loss")["problem"] == (
        "needs at least 10 rows with a value of the target, and there are 9"
    )
    gone = {**table(20), "loss": [None] * 15 + [1.0, 2.0, 3.0, 4.0, 5.0]}
    assert "there are 5" in asked("importance", gone, target="loss")["problem"]
    assert "same value" in asked("importance", table(20), target="batch")["problem"]
    lone = asked("importance", {"a": [1] * 12, "loss": list(range(12))}, target="loss")
    assert (lone["problem"], lone["r2"], lone["columns"]) == ("no column differs between the rows", None, [])


def test_many_rows_are_sampled_and_names_left_out() -> None:
    """Above 2,000 rows as many are used; a column of more than 100 categories is no hyperparameter."""
    big = table(2_500)
    told = asked(
        "importance", {"name": [f"r{i}" for i in range(2_500)], "lr": big["lr"], "loss": big["loss"]}, target="loss"
    )
    assert (told["rows"], told["used"]) == (2_500, 2_000)
    assert told["left_out"] == [{"name": "name", "reason": "more than 100 categories"}]


def test_correlation_of_every_kind() -> None:
    """Each pair has the measures that fit its kinds, over the rows that have both."""
    columns = {
        "a": [1, 2, 3, 4, None, 6],
        "b": [1, 4, 9, 16, 25, 36],
        "flag": [True, True, False, False, True, False],
        "word": ["x", "x", "y", "y", "x", "y"],
        "other": ["p", "p", "q", "q", "p", "q"],
    }
    told = asked("correlation", columns)
    assert [each["numeric"] for each in told["columns"]] == [True, True, True, False, False]
    pairs = {tuple(each["of"]): each for each in told["pairs"]}
    assert len(pairs) == 10
    assert pairs[0, 1]["n"] == 5
    assert pairs[0, 1]["spearman"] == pytest.approx(1)
    assert pairs[0, 1]["pearson"] == pytest.approx(np.corrcoef([1, 2, 3, 4, 6], [1, 4, 9, 16, 36])[0, 1])
    assert pairs[2, 3]["eta"] == pytest.approx(1)
    assert pairs[3, 4] == {"of": [3, 4], "n": 6, "pearson": None, "spearman": None, "eta": None, "v": pytest.approx(1)}


@pytest.mark.parametrize(
    ("body", "status"),
    [
        *((b, 400) for b in (b"", b"{", b"[]", b"1", b"[" * 100_000, b'{"columns": 1}', b'{"columns": []}')),
        *((b'{"columns": [1]}', 400), (b'{"columns": [{"name": 1, "values": []}]}', 400)),
        (b'{"columns": [{"name": "a", "values": [[]]}]}', 400),
        (b'{"columns": [{"name": "a", "values": [1]}, {"name": "b", "values": []}]}', 400),
        (b'{"columns": [{"name": "a", "values": [1]}, {"name": "a", "values": [1]}]}', 400),
        (json.dumps({"columns": [{"name": str(i), "values": []} for i in range(61)]}).encode(), 413),
        (b'{"columns": [{"name": "a", "values": [1]}], "target": "b"}', 400),
        (b'{"columns": [{"name": "a", "values": ["x"]}], "target": "a"}', 400),
    ],
    ids=map(str, range(15)),
)
def test_what_is_no_table_is_refused(served: Any, body: bytes, status: int) -> None:
    """With a sentence, never with a trace."""
    answer = served.post("/api/hparams/importance", body)
    assert answer.status == status
    assert answer.json()["error"].endswith(".")


def test_numbers_of_any_size_are_answered(served: Any) -> None:
    """Values beyond float64, NaN and infinities in Python's JSON: the answer is JSON without them."""
    values = ", ".join(["1e999", "-1e999", "NaN", "1e308", "-1e308", "1" + "0" * 400, *map(str, range(12))])
    body = (
        f'{{"columns": [{{"name": "a", "values": [{values}]}}, {{"name": "b", "values": [{values}]}}], "target": "b"}}'
    )
    for what in ("importance", "correlation"):
        answer = served.post(f"/api/hparams/{what}", body.encode())
        assert answer.status == 200
        json.loads(answer.body, parse_constant=lambda word: pytest.fail(word))


def test_the_limits_are_in_the_document() -> None:
    """docs/viewer.md says the numbers in force."""
    text = (Path(__file__).parents[2] / "docs" / "viewer.md").read_text(encoding="utf-8")
    assert f"At most {hparams.MOST_COLUMNS} columns" in text
    assert f"forest of {hparams.TREES} random trees ({hparams.FEWER_TREES} for a table" in text
    assert f"more than {hparams.MANY_CELLS:,} values" in text
    assert f"Fewer than {hparams.LEAST_ROWS} rows" in text
    assert f"Of more than {hparams.MOST_ROWS:,} rows" in text
