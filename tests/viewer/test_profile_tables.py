"""Tables, memory and differences of profiles as the page is told them: what core says, in windows that stay small."""

from __future__ import annotations

import csv
import io
import json
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tallyboard as tb
from tallyboard.core.profiles.model import Profile
from tallyboard.core.reader import LogdirReader
from tallyboard.viewer.app import make_app
from tallyboard.viewer.profile_memory import curve_told
from tallyboard.viewer.profile_sheets import BadQuestion, Field, Question, Sheet, Tree, answer, file, select
from tallyboard.viewer.profile_tables import kept, row_told, sheet

from .conftest import Answer, Served, apps

MOST = 200_000
TRACE = "worker0.1600000000000.pt.trace.json"


def span(name: str, category: str, start: float, dur: float, tid: int = 1, **args: Any) -> dict[str, Any]:
    return {"ph": "X", "name": name, "cat": category, "ts": start, "dur": dur, "pid": 1, "tid": tid, "args": args}


def memory(time: float, delta: int, address: int, total: int, device: int = 0) -> dict[str, Any]:
    args = {"Device Type": 1, "Device Id": device, "Addr": address, "Bytes": delta, "Total Allocated": total}
    return {"ph": "i", "name": "[memory]", "ts": time, "pid": 1, "tid": 1, "args": {**args, "Total Reserved": 900}}


def trace(slow: float = 1.0, more: tuple[dict[str, Any], ...] = ()) -> dict[str, Any]:
    """Two steps of 100 us: a module whose aten::mm launches gemm, and many operators of one call each, 0.1 us long."""
    events: list[dict[str, Any]] = [span("train.py(1): main", "python_function", 0, 200)]
    for i, at in enumerate((0.0, 100.0)):
        events += [
            span(f"ProfilerStep#{i}", "user_annotation", at, 100),
            span("nn.Module: Linear_0", "python_function", at + 5, 30),
            span("aten::mm", "cpu_op", at + 10, 20, **{"Input Dims": [[2, i + 2]]}),
            span("cudaLaunchKernel", "cuda_runtime", at + 12, 2, correlation=i + 1),
            span(
                "gemm<1>",
                "kernel",
                at + 40,
                30 * slow,
                7,
                device=0,
                correlation=i + 1,
                grid=[1, 1, 1],
                block=[64, 1, 1],
            ),
        ]
    events += [span(f"op{i:03}", "cpu_op", 50 + i * 0.1, 0.1) for i in range(300)]
    events += [memory(15, 100, 1, 600), memory(20, 300, 2, 900), memory(60, -100, 1, 800), memory(70, -300, 2, 500)]
    facts = {"schemaVersion": 1, "with_stack": 1, "profile_memory": 1}
    return {
        **facts,
        "deviceProperties": [{"id": 0, "name": "Card", "totalGlobalMem": 1000}],
        "traceEvents": [*events, *more],
    }


@dataclass
class Logdir:
    """A logdir that is served."""

    path: Path
    served: Served

    def get(self, path: str, **query: str) -> Answer:
        return self.served.get(f"/api/{path}?{urllib.parse.urlencode({'run': 'now', **query})}")

    def table(self, **query: str) -> dict[str, Any]:
        found = self.get("profile_tables", **query)
        assert found.status == 200, found.body
        told: dict[str, Any] = found.json()
        return told


@pytest.fixture(scope="module")
def logdir(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Logdir]:
    """Two runs, of which one has kernels that take twice as long and an operator that the other has not."""
    pytest.importorskip("msgspec")
    pytest.importorskip("ijson")
    path = tmp_path_factory.mktemp("tables") / "logdir"
    for run, told in (("now", trace()), ("base", trace(2.0, (span("aten::gone", "cpu_op", 85, 5),)))):
        (path / run).mkdir(parents=True)
        (path / run / TRACE).write_text(json.dumps(told))
    reader = LogdirReader(path)
    reader.poll()
    with apps() as start:
        yield Logdir(path, start(make_app(reader.store, logdir=str(path))))


@pytest.fixture(scope="module")
def profile(logdir: Logdir) -> Profile:
    return tb.read_profile(logdir.path / "now")


def test_a_window_of_rows_is_what_core_says(logdir: Logdir, profile: Profile) -> None:
    """The rows from an offset on, in core's order, with the sums of what is shown."""
    operators = profile.operators()
    told = logdir.table(table="operators", offset="1", limit="50", sort="-host_self")
    order = np.argsort(-operators.host_self, kind="stable")[1:51]
    assert told["rows"] == order.tolist()
    assert told["cells"]["name"] == [operators.name[i] for i in order]
    assert told["cells"]["host_self"] == pytest.approx(operators.host_self[order].tolist())
    assert (told["total"], told["matched"], told["shown"]) == (301, 301, 301)
    columns = {one["id"]: one for one in told["columns"]}
    assert columns["host_self"]["sum"] == pytest.approx(operators.host_self.sum())
    assert columns["device_self"]["most"] == pytest.approx(60_000)
    assert columns["host_total"]["sum"] is None


def test_rows_are_found_by_text_and_by_expression(logdir: Logdir) -> None:
    """Case never matters; sums are of what is found, beside those of all."""
    told = logdir.table(table="operators", q="ATEN")
    assert (told["cells"]["name"], told["matched"], told["total"]) == (["aten::mm"], 1, 301)
    calls = next(one for one in told["columns"] if one["id"] == "calls")
    assert (calls["sum"], calls["total"]) == (2, 302)
    assert logdir.table(table="operators", q="OP29\\d$", regex="1", sort="name")["cells"]["name"] == [
        f"op{i}" for i in range(290, 300)
    ]
    assert logdir.table(table="operators", q="nothing")["rows"] == []


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ({"table": "nonsense"}, "table='nonsense' is none of operators, kernels"),
        ({"table": "operators", "sort": "colour"}, "the table has no column 'colour'; it has name, calls"),
        ({"table": "operators", "by": "mood"}, "by='mood' is neither name nor shapes"),
        ({"table": "operators", "offset": "-1"}, "offset='-1' is no whole number"),
        ({"table": "operators", "limit": "ten"}, "limit='ten' is no whole number"),
        ({"table": "operators", "q": "(", "regex": "1"}, "'(' is no regular expression"),
        ({"table": "lifetimes", "at": "soon"}, "at='soon' is no time"),
        ({"table": "memory", "device": "7"}, "device='7': the trace tells of the memory of 0"),
    ],
)
def test_a_question_without_sense_is_refused(logdir: Logdir, query: dict[str, str], says: str) -> None:
    """400, and a sentence that says what was wrong."""
    answer = logdir.get("profile_tables", **query)
    assert answer.status == 400
    assert answer.json()["error"].startswith(says)


def test_what_is_not_there_is_said(logdir: Logdir) -> None:
    """404 for runs without a profile, and 400 for rows, forms and sides that are not there."""
    assert logdir.get("profile_tables", run="nobody").status == 404
    assert logdir.get("profile_tables/row", row="301").status == 400
    assert logdir.get("profile_tables/row", row="x").status == 400
    assert logdir.get("profile_tables/file", format="xls").status == 400
    assert logdir.get("profile_diff").json()["error"].startswith("base_run is missing")
    assert logdir.get("profile_diff", base_run="nobody").status == 404
    assert logdir.get("profile_diff/table", base_run="base", table="steps").status == 400
    assert logdir.get("profile_memory", lo="5", hi="2").status == 400


def test_a_row_of_an_operator_has_its_stacks_kernels_and_shapes(logdir: Logdir) -> None:
    """From where it was called, what it launched, and of what shapes its inputs were."""
    row = logdir.table(table="operators", q="aten::mm")["rows"][0]
    told = logdir.get("profile_tables/row", table="operators", row=str(row)).json()
    (stack,) = told["stacks"]
    assert stack["frames"] == ["nn.Module: Linear_0", "train.py(1): main"]
    assert (stack["calls"], stack["host_self"], stack["device_self"]) == (2, 36_000, 60_000)
    assert told["kernels"] == [{"name": "gemm<1>", "calls": 2, "total": 60_000}]
    assert [(one["name"], one["calls"]) for one in told["shapes"]] == [("[[2, 2]]", 1), ("[[2, 3]]", 1)]
    by_shapes = logdir.table(table="operators", by="shapes", q="[[2, 3]]")
    assert (by_shapes["cells"]["name"], by_shapes["cells"]["calls"]) == (["aten::mm"], [1])


def test_a_row_of_a_kernel_has_what_launched_it(logdir: Logdir) -> None:
    """The operator, in the table and with its calls in the row; and how it was launched."""
    told = logdir.table(table="kernels")
    assert (told["cells"]["name"], told["cells"]["operator"]) == (["gemm<1>"], ["aten::mm"])
    assert told["cells"]["longest"] == [30_000]
    row = logdir.get("profile_tables/row", table="kernels", row="0").json()
    assert row["operators"] == [{"name": "aten::mm", "calls": 2, "total": 60_000}]
    assert [one["name"] for one in row["launches"]] == ["grid [1, 1, 1], block [64, 1, 1]"]


def test_modules_are_a_tree(logdir: Logdir, profile: Profile) -> None:
    """A module of the trace, with its forward time as core has it."""
    told = logdir.table(table="modules")
    assert (told["cells"]["name"], told["depth"], told["inside"]) == (["Linear_0"], [0], [False])
    assert told["cells"]["host_total"] == profile.modules().host_total.tolist() == [60_000]


def test_operations_of_xla() -> None:
    """JAX's recorded program: every operation with its category, self time and share, which add up to one."""
    samples = Path(__file__).parents[2].parent / "shared" / "samples"
    if not samples.is_dir():
        pytest.skip("the recorded samples are not beside this checkout")
    found = tb.read_profile(samples / "jax_cpu")
    table = sheet(found, kept(found), "hlo", {})
    told = json.loads(answer(table, Question(limit=200)))
    operations = found.hlo()
    assert told["cells"]["operation"] == operations.operation
    assert told["cells"]["self_time"] == pytest.approx(operations.self_time.tolist())
    assert next(one["sum"] for one in told["columns"] if one["id"] == "share") == pytest.approx(1)
    assert "dot" in told["cells"]["category"]


def test_files_have_every_row(logdir: Logdir) -> None:
    """CSV, JSON and Parquet of all rows, or of those that a filter leaves."""
    rows = list(csv.DictReader(io.StringIO(logdir.get("profile_tables/file", table="operators").body.decode())))
    assert (len(rows), rows[0]["name"], float(rows[0]["device_self"])) == (301, "aten::mm", 60_000)
    some = json.loads(logdir.get("profile_tables/file", table="operators", format="json", q="op00", sort="name").body)
    assert [one["name"] for one in some] == [f"op00{i}" for i in range(10)]
    parquet = pytest.importorskip("pyarrow.parquet")
    body = logdir.get("profile_tables/file", table="operators", format="parquet").body
    assert parquet.read_table(io.BytesIO(body)).num_rows == 301


def test_memory_over_time(logdir: Logdir) -> None:
    """Every change where there is room, the peak and when it was, and what was there then."""
    told = logdir.get("profile_memory").json()
    assert told["devices"] == [
        {"device": 0, "name": "Card", "peak": 900, "peak_at": 20_000, "reserved": 900, "exact": True, "records": 4,
         "pieces": True, "whole": 1000}
    ]  # fmt: skip
    assert told["time"] == [15_000, 20_000, 60_000, 70_000]
    assert told["last"] == [600, 900, 800, 500]
    assert [step[0] for step in told["steps"]] == ["0", "1"]
    part = logdir.get("profile_memory", lo="18000", hi="65000").json()
    assert (part["before"], part["time"], part["high"]) == (600, [20_000, 60_000], [900, 800])
    alive = logdir.table(table="lifetimes", at="20000")
    assert (alive["cells"]["size"], alive["cells"]["operator"]) == ([300, 100], ["aten::mm", "aten::mm"])
    assert alive["cells"]["kept"] == [50_000, 45_000]
    assert logdir.table(table="lifetimes", at="65000")["cells"]["size"] == [300]
    assert logdir.table(table="memory", q="aten::mm")["cells"]["self_size"] == [400]


def test_no_peak_is_lost_where_there_is_no_room(logdir: Logdir, tmp_path: Path) -> None:
    """Of more changes than pixels each pixel has the least and the most; one record stands out of a thousand."""
    changes = tuple(memory(20 + i * 0.01, 1, i + 10, 5_000 if i == 777 else 500) for i in range(1_000))
    (tmp_path / TRACE).write_text(json.dumps(trace(more=changes)))
    large = tb.read_profile(tmp_path)
    told = curve_told(large, kept(large), {"pixels": "20", "lo": "20000", "hi": "30000"})
    assert len(told["time"]) <= 20
    assert max(told["high"]) == 5_000
    assert told["devices"][0]["peak"] == 5_000
    assert told["last"][-1] == 500


def test_a_difference_is_told(logdir: Logdir, profile: Profile) -> None:
    """Sentences, verdicts and parts as core has them, and tables with both sides."""
    base = tb.read_profile(logdir.path / "base")
    told = logdir.get("profile_diff", base_run="base").json()
    assert told["says"] == profile.compare(base).says
    parts = {one["name"]: (one["base"], one["now"]) for one in told["parts"]}
    assert parts["kernel"] == (60_000, 30_000)
    assert (told["base"]["counted"], told["now"]["counted"]) == (2, 2)
    found = logdir.get("profile_diff/table", base_run="base", table="operators", q="aten").json()
    cells = found["cells"]
    assert list(zip(cells["name"], cells["status"], strict=True)) == [("aten::mm", "both"), ("aten::gone", "removed")]
    assert cells["change_device_self"] == [-30_000, 0]
    assert cells["share_device_self"] == [-0.5, None]
    lines = logdir.get("profile_diff/file", base_run="base", table="kernels").body.decode().splitlines()
    assert lines[0].startswith("name,status,change_total,share_total,base_total,now_total")
    assert lines[1].startswith("gemm<1>,both,-30000.0,-0.5,60000.0,30000.0")


def large(rows: int, name: str) -> Sheet:
    """A table of many rows whose names are long."""
    names = [f"{name}{i}" for i in range(rows)]
    return Sheet((Field("name", "Name", "text", names), Field("time", "Time", "time", np.arange(float(rows)), True)))


@pytest.mark.parametrize("name", ["void kernel<" + "float, " * 400, "\x00" * 1_000, "é" * 2_000])
def test_answers_stay_small(name: str) -> None:
    """However many rows there are and however long their names: no answer is larger than 200 KB, and none is empty."""
    body = answer(large(50_000, name), Question(limit=200, sort="-time"))
    assert len(body) < MOST
    told = json.loads(body)
    assert 0 < len(told["rows"]) <= 200
    assert told["rows"][0] == 49_999
    assert told["shown"] == 50_000


def test_numbers_that_are_none_come_last() -> None:
    """Rising and falling, and by size; texts without regard to case."""
    table = Sheet((
        Field("name", "Name", "text", ["b", "A", "c"]),
        Field("change", "Change", "time", np.array([1.0, np.nan, -5.0]), True, "", True),
    ))  # fmt: skip
    for sort, rows in (("change", [2, 0, 1]), ("-change", [0, 2, 1]), ("~change", [2, 0, 1]), ("name", [1, 0, 2])):
        assert select(table, Question(sort=sort))[0].tolist() == rows, sort
    assert json.loads(answer(table, Question()))["cells"]["change"] == [1, None, -5]


def test_a_tree_is_open_as_far_as_it_was_opened() -> None:
    """Levels open rows, turned ones are the other way round, and a filter shows what it finds with what holds it."""
    parent = np.array([-1, 0, 1, 0, -1])
    tree = Tree(parent, np.array([0, 1, 2, 1, 0]))
    table = Sheet(
        (Field("name", "Name", "text", ["a", "b", "c", "d", "e"]), Field("n", "N", "count", np.arange(5))), tree
    )

    def rows(**asked: Any) -> list[int]:
        return select(table, Question(**asked))[0].tolist()

    assert rows(levels=0) == [0, 4]
    assert rows(levels=1) == [0, 1, 3, 4]
    assert rows(levels=1, turned=frozenset({1})) == [0, 1, 2, 3, 4]
    assert rows(levels=1, turned=frozenset({0})) == [0, 4]
    assert rows(levels=2, sort="-n") == [4, 0, 3, 1, 2]
    assert rows(q="c", levels=0) == [0, 1, 2]
    told = json.loads(answer(table, Question(levels=1)))
    assert (told["depth"], told["inside"], told["open"]) == (
        [0, 1, 1, 0],
        [True, True, False, False],
        [True, False, False, True],
    )


def test_names_are_no_formulas_in_csv() -> None:
    """What a spreadsheet would run starts with an apostrophe; JSON has it as it is."""
    table = Sheet((Field("name", "Name", "text", ["=cmd()", "aten::mm"]),))
    assert file(table, Question(), "csv").decode().splitlines() == ["name", "'=cmd()", "aten::mm"]
    assert json.loads(file(table, Question(), "json"))[0] == {"name": "=cmd()"}


def test_a_cut_name_is_whole_in_its_row(tmp_path: Path) -> None:
    """Texts are cut in lists, and not in what is told of one row."""
    pytest.importorskip("msgspec")
    pytest.importorskip("ijson")
    name = "k" * 5_000
    (tmp_path / TRACE).write_text(json.dumps(trace(more=(span(name, "cpu_op", 190, 5),))))
    found = tb.read_profile(tmp_path)
    keep = kept(found)
    table = sheet(found, keep, "operators", {})
    row = int(select(table, Question(q="kkk"))[0][0])
    assert len(json.loads(answer(table, Question(q="kkk")))["cells"]["name"][0]) == 300
    assert row_told(found, keep, "operators", table, row)["texts"]["name"] == name
    with pytest.raises(BadQuestion, match="none of the number 999"):
        row_told(found, keep, "operators", table, 999)
