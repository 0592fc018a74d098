"""The dashboard of texts: what torch, tf.summary and ours wrote, shown as it is, searched, compared, and harmless."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

import tallyboard as tb

from .conftest import Viewer, Visit
from .waiting import DEADLINE

np = pytest.importorskip("numpy")
go = pytest.importorskip("plotly.graph_objects")

CORPUS = Path(__file__).parents[1] / "conformance" / "corpus"
HOSTILE = """
<script>window.hacked = 1</script> <img src=x onerror="window.hacked = 2"> <svg onload="window.hacked = 3"></svg>
[link](javascript:window.hacked=4) [data](data:text/html,<script>window.hacked=5</script>)
<style>body { display: none }</style> <iframe srcdoc="<script>parent.hacked = 6</script>"></iframe>
<math><mtext></table><mglyph><style><img src=x onerror="window.hacked = 7"></style></mglyph></mtext></math>
<a href="java&#10;script:window.hacked=8" onclick="window.hacked = 9">a</a> <form action=//evil.invalid><input></form>
$\\href{javascript:window.hacked=10}{x}$ $</code><img src=x onerror="window.hacked = 11">$
<noscript><p title="</noscript><img src=x onerror='window.hacked = 12'>"></noscript> <base href="//evil.invalid">
"""
PAGE = """<h1>A page</h1><p id="said">no script</p><script>
  const tried = [];
  try { parent.document.title = "mine"; tried.push("parent"); } catch { }
  try { localStorage.length; tried.push("storage"); } catch { }
  try { document.cookie = "a=b"; if (document.cookie) tried.push("cookie"); } catch { }
  fetch("/api/runs").then(() => tried.push("fetch"), () => 0).then(() => {
    document.getElementById("said").textContent = `${origin} reached: ${tried.join() || "nothing"}`;
  });
</script><img src="https://evil.invalid/x.png"><iframe src="https://evil.invalid/"></iframe>"""
EVIL = "<img src=x onerror=window.hacked=20>"


@pytest.fixture(scope="module")
def viewer(tmp_path_factory: pytest.TempPathFactory, serve_module: Callable[..., Viewer]) -> Viewer:
    logdir = tmp_path_factory.mktemp("texts")
    for writer in ("torch-2.13.0", "tf.summary-2.21.0"):
        shutil.copytree(CORPUS / writer / "run", logdir / writer.split("-")[0])
    for run in ("ours/a", "ours/b"):
        with tb.SummaryWriter(logdir / run) as writer:
            for step in range(30):
                writer.add_text("log", f"step **{step}** of run {run}\nsays $x_{{{step}}}$ and more", step)
            writer.add_table("scores", {"name": ["b", "a", "c"], "loss": [2, 10, 1]}, 4)
            writer.add_table("long", [[i, i * i] for i in range(500)], 4, columns=["i", "square"])
            writer.add_confusion_matrix("matrix", [0, 0, 0, 1], [0, 0, 1, 1], 4, class_names=["cat", "dog"])
    with tb.SummaryWriter(logdir / "ours" / "a") as writer:
        writer.add_figure("page", PAGE, 5)
        writer.add_figure("plot", go.Figure(go.Bar(y=[1, 2, 3], name="<b onmouseover=alert(1)>bar")), 5)
        writer.add_text("knot", "[" * 30_000, 5)
    with tb.SummaryWriter(logdir / EVIL.replace("/", "")) as writer:
        writer.add_text(f"hostile/{EVIL}", HOSTILE, 1)
        writer.add_table(f"hostile/table{EVIL}", {EVIL: [EVIL, HOSTILE]}, 1)
        writer.add_confusion_matrix(f"hostile/matrix{EVIL}", [0, 1], [0, 1], 1, class_names=[EVIL, "</td><script>"])
    return serve_module(logdir)


@pytest.fixture
def show(browser: Browser, viewer: Viewer) -> Iterator[Callable[..., Page]]:
    """Show the dashboard: `show(state)`; a page that raised an error or asked another host fails the test."""
    visits: list[Visit] = []

    def open_at(state: str = "") -> Page:
        context = browser.new_context(viewport={"width": 1280, "height": 900})
        context.set_default_timeout(DEADLINE * 1000)
        page = context.new_page()
        visits.append(Visit(page))
        page.on("requestfailed", lambda request: refused.append((request.url, request.failure)))
        page.goto(f"{viewer.url}#dash=text&{state}")
        return page

    refused: list[tuple[str, str | None]] = []
    yield open_at
    faults = [fault for visit in visits for fault in visit.faults]
    for visit in visits:
        visit.page.context.close()
    expected = {f"asked {url}" for url, why in refused if why == "csp"}
    assert [fault for fault in faults if "Content Security Policy" not in fault and fault not in expected] == []


def card(page: Page, name: str) -> Locator:
    return page.get_by_role("group", name=name, exact=True)


def text_of(page: Page, name: str, run: str) -> Locator:
    return card(page, name).locator(f'article[aria-label^="{run}, "]')


def test_what_torch_and_tf_wrote(show: Callable[..., Page]) -> None:
    """torch's markdown, tf.summary's table of texts and its text, at the steps that they were logged for."""
    page = show("tags=%5Etext%7Ctable")

    torch = text_of(page, "text", "torch")
    expect(torch.locator(".prose")).to_have_text("some text, äöü")
    expect(torch.locator("em")).to_have_text("text")
    expect(torch).to_have_attribute("data-step", "3")
    table = text_of(page, "table", "tf.summary")
    expect(table.locator("tr")).to_have_count(2)
    expect(table.locator("td")).to_have_text(["a", "b", "c", "d"])


def test_ours_at_each_step(show: Callable[..., Page]) -> None:
    """Markdown and formulas of both runs at the latest step, then at the step that was typed, then as written."""
    page = show("tags=%5Elog&runs=ours")

    first = text_of(page, "log", "ours/a")
    expect(first.locator("strong")).to_have_text("29")
    expect(text_of(page, "log", "ours/b").locator("p")).to_contain_text("of run ours/b")
    expect(first.locator(".katex annotation")).to_have_text("x_{29}")
    page.get_by_label("Step of log: type one").fill("7")
    page.get_by_label("Step of log: type one").press("Enter")
    expect(first.locator("strong")).to_have_text("7")
    expect(first.locator(".katex annotation")).to_have_text("x_{7}")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Raw").click()
    expect(first.locator("pre")).to_have_text("step **7** of run ours/a\nsays $x_{7}$ and more")
    page.wait_for_url(lambda url: "txat=7" in url and "txraw=1" in url)


def test_all_steps(show: Callable[..., Page]) -> None:
    """Every step of every run is there, the latest first, read as one scrolls to it."""
    page = show("tags=%5Elog&runs=ours/a&txview=all")

    steps = card(page, "log").locator("article")
    expect(steps.first).to_have_attribute("data-step", "29")
    body = page.get_by_role("region", name="Texts of log")
    page.wait_for_function(
        """(body) => {
            body.scrollTop = body.scrollHeight;
            return body.querySelector('article[data-step="0"] strong')?.textContent === "0";
        }""",
        arg=body.element_handle(),
    )
    expect(steps).to_have_count(30)


def test_changes(show: Callable[..., Page]) -> None:
    """What is other than at the step before, and than in another run, word by word."""
    page = show("tags=%5Elog&runs=ours&txview=diff&txat=7")

    log = card(page, "log")
    expect(log.get_by_text("ours/a, step 6 → ours/a, step 7")).to_be_visible()
    expect(log.locator("del")).to_have_text(["6", "6"])
    expect(log.locator("ins")).to_have_text(["7", "7"])
    log.get_by_label("Compared with, log").select_option(label="run ours/b")
    expect(log.get_by_text("ours/b, step 7 → ours/a, step 7")).to_be_visible()
    expect(log.locator("del")).to_have_text(["b"])
    expect(log.locator("ins")).to_have_text(["a"])


def test_search(show: Callable[..., Page]) -> None:
    """Finds across steps and runs, by an expression as well, and shows what was found; a bad one is said."""
    page = show("runs=ours")

    page.get_by_role("searchbox", name="Search the texts").fill("**12** of run")
    found = page.get_by_role("region", name="Found")
    expect(found.get_by_role("status")).to_contain_text("2 found")
    expect(found.locator("mark").first).to_have_text("**12** of run")
    page.get_by_role("button", name="Regular expression").click()
    page.get_by_role("searchbox", name="Search the texts").fill(r"step \*\*1[0-4]\*\*")
    expect(found.get_by_role("status")).to_contain_text("10 found")
    found.get_by_role("button", name="step 13").first.click()
    expect(text_of(page, "log", "ours/a").locator("strong")).to_have_text("13")
    page.get_by_role("searchbox", name="Search the texts").fill("(")
    expect(found.get_by_role("alert")).to_contain_text("no regular expression")


def test_tables_sort(show: Callable[..., Page]) -> None:
    """Numbers by size, and rows that had not come yet too."""
    page = show("tags=scores%7Clong&runs=ours/a")

    scores = card(page, "scores")
    scores.get_by_role("button", name="loss").click()
    expect(scores.locator("tbody tr").first).to_have_text("c1")
    expect(scores.locator("tbody td")).to_have_text(["c", "1", "b", "2", "a", "10"])
    long = card(page, "long")
    expect(long.locator("tbody tr")).to_have_count(100)
    long.get_by_role("button", name="square").click()
    long.get_by_role("button", name="square").click()
    expect(long.locator("tbody tr").first.locator("td").last).to_have_text("249001")
    long.get_by_role("button", name="Show more of 400 rows").click()
    expect(long.locator("tbody tr")).to_have_count(500)


def test_a_confusion_matrix(show: Callable[..., Page]) -> None:
    """Counts in their squares, and shares of the true class; accuracy, recall and precision."""
    page = show("tags=matrix&runs=ours/a")

    matrix = card(page, "matrix")
    expect(matrix.get_by_text("accuracy 75% of 4")).to_be_visible()
    squares = matrix.locator("td[data-count]")
    expect(squares).to_have_text(["2", "1", "0", "1"])
    matrix.get_by_label("What the squares show").select_option(label="Share of the true class (recall)")
    expect(squares).to_have_text(["67%", "33%", "0%", "100%"])
    expect(matrix.locator("td.sum")).to_have_text(["67%", "100%", "100%", "50%", ""])


def test_figures_are_framed(show: Callable[..., Page]) -> None:
    """A page runs its script in an origin of its own and reaches neither this page nor its server nor another; a
    Plotly figure is drawn with the bars that it has."""
    page = show("tags=page%7Cplot&runs=ours/a")

    framed = card(page, "page").frame_locator("iframe")
    expect(framed.locator("#said")).to_have_text("null reached: nothing")
    assert card(page, "page").locator("iframe").get_attribute("sandbox") == "allow-scripts"
    assert page.title() != "mine"
    plot = card(page, "plot").frame_locator("iframe")
    expect(plot.locator("g.points path")).to_have_count(3)


def test_nothing_hostile_runs(show: Callable[..., Page]) -> None:
    """Not in a text, a table, a matrix, a formula, nor in the names of runs, tags and classes."""
    page = show("tags=hostile")

    for state in ("step", "all", "diff"):
        page.evaluate(
            "(view) => (location.hash = location.hash.replace(/&txview=\\w+/, '') + '&txview=' + view)", state
        )
        expect(page.get_by_role("group", name="hostile/<img", exact=False).first).to_be_visible()
        if state != "diff":
            expect(card(page, f"hostile/{EVIL}").locator("article")).to_contain_text("window.hacked = 1")
            expect(card(page, f"hostile/table{EVIL}").locator("td").first).to_have_text(EVIL)
    assert page.evaluate("window.hacked") is None
    assert page.locator("main img, main svg[onload], main style, article iframe, article form").count() == 0
    assert page.locator("article a:not([download])").count() == 0


def test_what_cannot_be_rendered_is_named(show: Callable[..., Page]) -> None:
    """A text that markdown chokes on is shown as it was written, with the reason; the other cards live."""
    page = show("tags=knot%7Clog&runs=ours/a")

    expect(text_of(page, "log", "ours/a").locator("strong")).to_have_text("29")
    knot = text_of(page, "knot", "ours/a")
    expect(knot.get_by_role("note")).to_contain_text("too knotted")
    expect(knot.locator("pre")).to_have_text("[" * 30_000)


def test_a_value_that_went_is_named(show: Callable[..., Page]) -> None:
    """With run, tag and step, where the text would be."""

    def gone(route: Any) -> None:
        values = route.request.post_data_json["values"]
        route.fulfill(json={"values": [{"problem": "This value is not there any more."}] * len(values)})

    page = show("tags=nothing")
    page.route("**/api/text", gone)
    page.evaluate("() => (location.hash = 'dash=text&tags=%5Elog&runs=ours/a')")
    expect(card(page, "log").get_by_role("note")).to_have_text(
        "ours/a, log/text_summary, step 29: This value is not there any more."
    )
