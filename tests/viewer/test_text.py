"""What the server says of logged texts: rendered within bounds, searched within bounds, framed without rights."""

from __future__ import annotations

import json
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import numpy as np
import pytest

import tallyboard as tb
from tallyboard.viewer.patterns import TookTooLong, spans
from tallyboard.viewer.prose import LONGEST, prose

from .boards import Board, viewer_on
from .test_safe_html import HOSTILE, is_harmless

event_file_writer = pytest.importorskip("tensorboard.summary.writer.event_file_writer")
Event = pytest.importorskip("tensorboard.compat.proto.event_pb2").Event
make_tensor_proto = pytest.importorskip("tensorboard.util.tensor_util").make_tensor_proto
text_pb = pytest.importorskip("tensorboard.plugins.text.summary_v2").text_pb
plotly = pytest.importorskip("plotly.graph_objects")

OUT = ' target="_blank" rel="noopener noreferrer nofollow"'

FORMULAS = {
    r"a $x_1 + y_2$ b": '<p>a <code class="tex">x_1 + y_2</code> b</p>',
    r"\(a*b*c\) and \[a < b\]": '<p><code class="tex">a*b*c</code> and <code class="tex display">a &lt; b</code></p>',
    "$$\nx\n- 3\n$$": '<p><code class="tex display">\nx\n- 3\n</code></p>',
    r"costs $5 and $6, or \$7": "<p>costs $5 and $6, or $7</p>",
    "`$no$` and\n\n```\n$code$\n```": "<p><code>$no$</code> and</p>\n<pre><code>$code$\n</code></pre>",
    "[$x$](http://a.b/$x$)": f'<p><a href="http://a.b/$x$"{OUT}>$x$</a></p>',
}


@pytest.mark.parametrize(("text", "html"), FORMULAS.items())
def test_formulas_are_kept_from_markdown(text: str, html: str) -> None:
    """What stands between the signs is the text of a marked element, as it was written; in code and links it is not."""
    assert prose(text).html == html


@pytest.mark.parametrize("text", [*HOSTILE, *(f"$${text}$$ ![${text}$](http://a.b)" for text in HOSTILE)])
def test_nothing_hostile_is_left(text: str) -> None:
    """Neither as markdown nor inside of a formula; and no picture, which another site would hear of."""
    html = prose(text).html
    tame = html.replace(OUT, "")
    assert is_harmless(tame.replace('<code class="tex display">', "<code>").replace('<code class="tex">', "<code>"))
    assert "<img" not in html


def test_links_lead_out_or_nowhere() -> None:
    """A link to another site opens there; one to a place in this page, or below this server, is words."""
    assert prose("[a](http://x.y) [b](#fold=1) [c](//x.y) [d](api/runs)").html == (
        f'<p><a href="http://x.y"{OUT}>a</a> b c d</p>'
    )
    assert prose("![cat](https://x.y/cat.png) ![](z.png)").html == (
        f'<p><a href="https://x.y/cat.png"{OUT}>cat</a> <em>z.png</em></p>'
    )


def test_knots_are_shown_as_they_were_written() -> None:
    """Brackets that keep the library busy for hours are given up, and the next text is rendered as ever."""
    knot = "[" * 50_000
    shown = prose(knot, patience=0.3)
    assert shown.html == f"<pre>{knot}</pre>"
    assert "too knotted" in shown.problem
    assert prose(" ".join(["*a*"] * 300)) == (f"<p>{' '.join(['<em>a</em>'] * 300)}</p>", "")


def test_long_texts_are_cut() -> None:
    """Of a text of millions of letters the first are rendered, and that is said."""
    shown = prose("a" * 3_000_000)
    assert shown.html == f"<p>{'a' * LONGEST}</p>"
    assert shown.problem.startswith(f"Only the first {LONGEST:,} of 3,000,000 characters")


def test_spans() -> None:
    """Starts and ends in each text, empty ones left out, a few of each."""
    assert spans("a+|x*", ["baa a", "", "Ab"], ignore_case=False, most=9) == [[(1, 3), (4, 5)], [], []]
    assert spans("a", ["aAaa"], ignore_case=True, most=3) == [[(0, 1), (1, 2), (2, 3)]]


def test_spans_are_found_in_bounded_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """An expression that would take for ever is given up."""
    monkeypatch.setattr("tallyboard.viewer.patterns.PATIENCE", 0.5)
    with pytest.raises(TookTooLong):
        spans("(a+)+$", ["a" * 40 + "b"], ignore_case=False, most=1)


# The routes -----------------------------------------------------------------------------------------------------------

HUGE = "<p>hello</p><script>parent.document.title = 'mine'</script>"


def write(logdir: Path) -> None:
    with tb.SummaryWriter(logdir / "a") as writer:
        for step in range(5):
            writer.add_text("note", f"step **{step}** of a <b>run</b>", step)
        writer.add_text("list", ["one", "*two*"], 3)
        writer.add_table("table", {"name": ["x|y", "*z*"], "loss": [0.25, None]}, 1)
        writer.add_table("long", [[i, i * i] for i in range(15_000)], 1, columns=["i", "square"])
        writer.add_confusion_matrix("matrix", [0, 1, 1], [0, 1, 0], 2, class_names=["cat", "dog"])
        writer.add_figure("page", HUGE, 7)
        writer.add_figure("far", f"{'<script ' * 100_000}<SCRIPT async\n src = '//cdn.example:8080/x.js'></script>", 7)
        writer.add_figure("plot", plotly.Figure(plotly.Scatter(x=[1, 2], y=[3, 4], name="</script><b>")), 7)
    with tb.SummaryWriter(logdir / "b") as writer:
        writer.add_text("note", "Step one of another RUN\nsecond line", 1)
    cube = np.array(["a", "*b*", "c", "d"] * 2).reshape(2, 2, 2)
    theirs = event_file_writer.EventFileWriter(str(logdir / "c"))
    theirs.add_event(Event(step=0, wall_time=5.0, summary=text_pb("cube", cube)))
    broken = text_pb("broken", np.array(["a", "b", "c"]))
    broken.value[0].tensor.tensor_shape.dim[0].size = 2
    theirs.add_event(Event(step=4, wall_time=6.0, summary=broken))
    numbers = text_pb("numbers", "x")
    numbers.value[0].tensor.CopyFrom(make_tensor_proto(np.arange(3.0)))
    theirs.add_event(Event(step=4, wall_time=6.0, summary=numbers))
    theirs.close()


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Board]:
    logdir = tmp_path_factory.mktemp("texts")
    write(logdir)
    with viewer_on(logdir) as started:
        yield started


def wall(board: Board, run: str, tag: str, plugin: str = "text") -> tuple[list[float], list[float]]:
    """Steps and wall times of a series."""
    (found,) = board.post("/api/values", {"plugin": plugin, "series": [{"run": run, "tag": tag}]}).json()["series"]
    return found["step"], found["wall"]


def named(board: Board, run: str, tag: str, plugin: str = "text", at: int = -1) -> dict[str, Any]:
    steps, walls = wall(board, run, tag, plugin)
    return {"plugin": plugin, "run": run, "tag": tag, "step": steps[at], "wall": walls[at]}


def told(board: Board, run: str, tag: str, plugin: str = "text", at: int = -1, start: int = 0) -> dict[str, Any]:
    (answer,) = board.post("/api/text", {"values": [{**named(board, run, tag, plugin, at), "start": start}]}).json()[
        "values"
    ]
    return answer


def test_a_text(board: Board) -> None:
    """The value of the step that was asked for, as HTML and as it was written."""
    for at in range(5):
        assert told(board, "a", "note/text_summary", at=at) == {
            "kind": "text",
            "html": f"<p>step <strong>{at}</strong> of a &lt;b&gt;run&lt;/b&gt;</p>",
            "raw": f"step **{at}** of a <b>run</b>",
        }


def test_tables(board: Board) -> None:
    """add_table's cells are texts, the first row its headings; a matrix says that it is one."""
    assert told(board, "a", "table") == {
        "kind": "table",
        "shape": [3, 2],
        "start": 0,
        "total": 3,
        "rows": [["name", "loss"], ["x|y", "0.25"], ["*z*", ""]],
    }
    matrix = told(board, "a", "matrix")
    assert (matrix["kind"], matrix["rows"]) == (
        "confusion_matrix",
        [["true \\ predicted", "cat", "dog"], ["cat", "1", "0"], ["dog", "1", "1"]],
    )


def test_long_tables_come_in_parts(board: Board) -> None:
    """Each answer says where it starts and how long the table is; together they are the table."""
    rows: list[list[str]] = []
    while len(rows) < (answer := told(board, "a", "long", start=len(rows)))["total"]:
        assert answer["start"] == len(rows)
        assert len(answer["rows"]) == min(10_000, 15_001 - len(rows))
        rows += answer["rows"]
    assert rows == [["i", "square"], *([str(i), str(i * i)] for i in range(15_000))]


def test_tensors_of_texts(board: Board) -> None:
    """One dimension is a column, two are a table, of more the first table is shown, each cell as markdown."""
    column = told(board, "a", "list/text_summary")
    assert (column["kind"], column["html"]) == ("cells", [["<p>one</p>"], ["<p><em>two</em></p>"]])
    cube = told(board, "c", "cube")
    assert cube["html"] == [["<p>a</p>", "<p><em>b</em></p>"], ["<p>c</p>", "<p>d</p>"]]
    assert cube["note"] == "This tensor of texts has the shape (2, 2, 2); its first table is shown."


def test_what_cannot_be_read_is_said(board: Board) -> None:
    """A damaged text, one of numbers, and a value that is not there have a sentence each, the others their text."""
    note = named(board, "a", "note/text_summary")
    asked = [named(board, "c", "broken"), named(board, "c", "numbers"), {**note, "wall": 1.0}, note]
    *bad, good = board.post("/api/text", {"values": asked}).json()["values"]
    assert bad == [
        {"problem": "This text is damaged: a tensor of shape (2,) has 3 elements."},
        {"problem": "This text holds numbers (float64, shape (3,)) instead of strings."},
        {"problem": "This value is not there any more."},
    ]
    assert good["raw"] == "step **4** of a <b>run</b>"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b'{"values": 3}',
        b'{"values": [{}]}',
        json.dumps({"values": [{"plugin": "images", "run": "a", "tag": "note", "step": 0, "wall": 0}]}).encode(),
        json.dumps({"values": [{"plugin": "text", "run": [], "tag": "note", "step": 0, "wall": 0}]}).encode(),
        json.dumps(
            {"values": [{"plugin": "text", "run": "a", "tag": "b", "step": 0, "wall": 0, "start": -1}]}
        ).encode(),
        json.dumps({"values": [{"plugin": "text", "run": "a", "tag": "b", "step": 0, "wall": 0}] * 101}).encode(),
    ],
)
def test_other_questions_are_refused(board: Board, body: bytes) -> None:
    """With one sentence."""
    answer = board.post("/api/text", body)
    assert answer.status == 400
    assert list(answer.json()) == ["error"]


# Figures --------------------------------------------------------------------------------------------------------------


def test_a_frame_has_no_rights(board: Board) -> None:
    """HTML is answered as it was logged, under a policy that gives it an origin of its own and no way out."""
    query = urlencode(named(board, "a", "page", "html"))
    with urllib.request.urlopen(f"{board.url}/api/text/frame?{query}", timeout=30) as answer:
        policy = [part.strip() for part in answer.headers["Content-Security-Policy"].split(";")]
        assert answer.read().decode() == HUGE
    assert policy[:2] == ["sandbox allow-scripts", "default-src 'none'"]
    assert policy[-1] == "frame-ancestors 'self'"
    assert not any("http" in part or "*" in part for part in policy)


def test_what_a_page_would_have_fetched_is_said(board: Board) -> None:
    """A card names where scripts would have come from, however a page spells it; one that holds all says nothing."""
    note = told(board, "a", "far", "html")["note"]
    assert note.startswith(
        "Scripts and styles from elsewhere (cdn.example:8080) are not fetched: write them into the page"
    )
    assert "note" not in told(board, "a", "page", "html")


def test_a_plotly_figure_is_data(board: Board) -> None:
    """In its frame's page nothing of it can be markup, and it is what was logged."""
    answer = board.ask("/api/text/frame", **named(board, "a", "plot", "plotly"))
    page = answer.body.decode()
    _, behind = page.split('type="application/json">')
    figure = behind[: behind.index("</script>")]
    assert "<" not in figure
    assert json.loads(figure)["data"][0]["name"] == "</script><b>"
    assert told(board, "a", "plot", "plotly")["kind"] == "plotly"


def test_sources_are_files(board: Board) -> None:
    """A text, a table and a figure whole, to be kept and not to be shown."""
    assert board.ask("/api/text/source", **named(board, "a", "note/text_summary")).body == b"step **4** of a <b>run</b>"
    assert board.ask("/api/text/source", **named(board, "a", "table")).body == b"name\tloss\nx|y\t0.25\n*z*\t"
    page = board.ask("/api/text/source", **named(board, "a", "page", "html"))
    assert (page.body.decode(), page.type) == (HUGE, "text/plain; charset=utf-8")


def test_frames_of_nothing(board: Board) -> None:
    """A text has no frame, an address without a value is refused, and so is another site's page."""
    assert board.ask("/api/text/frame", **named(board, "a", "note/text_summary")).status == 410
    assert board.ask("/api/text/frame", plugin="html", run="a").status == 400
    query = urlencode(named(board, "a", "page", "html"))
    request = urllib.request.Request(f"{board.url}/api/text/frame?{query}", headers={"Sec-Fetch-Site": "cross-site"})
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(request, timeout=30)


# Search ---------------------------------------------------------------------------------------------------------------


def hits(board: Board, pattern: str, runs: tuple[str, ...] = ("a", "b"), **how: Any) -> list[tuple[str, str, int, str]]:
    """Tag, run, step and what was found of all answers."""
    found: list[tuple[str, str, int, str]] = []
    after = None
    while True:
        asked = {"pattern": pattern, "runs": runs, **how, **({"after": after} if after else {})}
        answer = board.post("/api/text/search", asked).json()
        found += [(hit["tag"], hit["run"], hit["step"], hit["match"]) for hit in answer["hits"]]
        if (after := answer["next"]) is None:
            return found


def test_search(board: Board) -> None:
    """Across steps and runs, plain or as an expression, with or without regard to case, in cells too."""
    assert hits(board, "step") == [
        *(("note/text_summary", "a", step, "step") for step in range(5)),
        ("note/text_summary", "b", 1, "Step"),
    ]
    assert hits(board, "step", case=True, runs=("b",)) == []
    assert hits(board, r"\*\*[34]", regex=True) == [
        ("note/text_summary", "a", 3, "**3"),
        ("note/text_summary", "a", 4, "**4"),
    ]
    assert hits(board, "**3") == [("note/text_summary", "a", 3, "**3")]
    assert hits(board, "x|y") == [("table", "a", 1, "x|y")]
    assert hits(board, "9801") == [("long", "a", 1, "9801")]


def test_a_hit_has_its_line(board: Board) -> None:
    """What stands around it on its line, how often it is found, and how many texts could be read."""
    answer = board.post("/api/text/search", {"pattern": "o", "runs": ["b", "c"]}).json()
    (hit,) = answer["hits"]
    assert (hit["before"], hit["match"], hit["after"], hit["count"]) == ("Step ", "o", "ne of another RUN", 4)
    assert (answer["searched"], answer["unread"], answer["next"]) == (4, 1, None)


def test_bad_searches_are_refused(board: Board) -> None:
    """An expression that is none, and one that takes too long, have a sentence; others are served meanwhile."""
    assert (
        "no regular expression"
        in board.post("/api/text/search", {"pattern": "(", "regex": True, "runs": ["a"]}).json()["error"]
    )
    assert board.post("/api/text/search", {"pattern": "", "runs": ["a"]}).status == 400
    slow: list[Any] = []
    asked = {"pattern": "(.*)*(.*)*(.*)*(.*)*#", "regex": True, "runs": ["a"]}
    thread = threading.Thread(target=lambda: slow.append(board.post("/api/text/search", asked)))
    thread.start()
    assert told(board, "a", "note/text_summary")["kind"] == "text"
    thread.join()
    assert (slow[0].status, "takes too long" in slow[0].json()["error"]) == (400, True)


def test_a_search_goes_on_where_it_stopped(tmp_path: Path) -> None:
    """Of more hits than one answer holds, every one is found once."""
    with tb.SummaryWriter(tmp_path / "run") as writer:
        for step in range(450):
            writer.add_text("many", f"number {step}", step)
    with viewer_on(tmp_path) as board:
        found = hits(board, "number", ("run",))
    assert found == [("many/text_summary", "run", step, "number") for step in range(450)]
