"""add_figure: matplotlib as torch draws it; Plotly and HTML whole, with a text that real TensorBoard shows."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tallyboard as tb
from tallyboard.core.markup import page

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")


def draw(colour: str = "C0", size: tuple[float, float] = (3, 2)) -> Any:
    """A figure with a curve, which pyplot knows."""
    plt = pytest.importorskip("matplotlib.pyplot")
    figure, axes = plt.subplots(figsize=size, dpi=80)
    axes.plot(np.sin(np.arange(50) / 5), color=colour, label="sine")
    axes.legend()
    axes.set_title("a figure")
    return figure


def reader(logdir: Path) -> Any:
    module = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    accumulator = module.EventAccumulator(str(logdir), size_guidance={"images": 0, "tensors": 0})
    return accumulator.Reload()


def pixels(data: bytes) -> Any:
    return np.array(pytest.importorskip("PIL.Image").open(io.BytesIO(data)))


def texts(accumulator: Any, tag: str) -> list[str]:
    """The strings of a tag, as TensorBoard decodes them."""
    util = pytest.importorskip("tensorboard.util.tensor_util")
    return [item.decode() for p in accumulator.Tensors(tag) for item in util.make_ndarray(p.tensor_proto).ravel()]


def test_matplotlib_as_torch_draws_it(tmp_path: Path) -> None:
    """A figure and a list of figures have torch's pixels, at the step and time given."""
    theirs = pytest.importorskip("torch.utils.tensorboard").SummaryWriter(str(tmp_path / "torch"))
    with theirs, tb.SummaryWriter(tmp_path / "ours") as ours:
        for writer in (ours, theirs):
            writer.add_figure("one", draw(), 3, True, 12.5)
            writer.add_figure("list", [draw("C0"), draw("C1"), draw("C2")], 4)

    a, b = reader(tmp_path / "ours"), reader(tmp_path / "torch")

    for tag in ("one", "list"):
        (mine,), (other,) = a.Images(tag), b.Images(tag)
        assert (mine.step, mine.width, mine.height) == (other.step, other.width, other.height)
        assert np.array_equal(pixels(mine.encoded_image_string), pixels(other.encoded_image_string))
    assert a.Images("one")[0].wall_time == 12.5


def test_figures_are_closed_unless_told() -> None:
    """pyplot forgets the figures; with close=False it keeps them, and they their canvas."""
    plt = pytest.importorskip("matplotlib.pyplot")
    kept, gone, listed = draw(), draw(), [draw(), draw()]
    canvas = kept.canvas
    with tb.SummaryWriter(sink=tb.MemorySink()) as writer:
        writer.add_figure("t", kept, close=False)
        writer.add_figure("t", gone)
        writer.add_figure("t", listed)

    assert plt.get_fignums() == [kept.number]
    assert kept.canvas is canvas
    plt.close(kept)


def test_figures_are_drawn_at_the_call(tmp_path: Path) -> None:
    """A figure that is cleared after the call was logged as it was; axes stand for their figure."""
    figure = draw()
    with tb.SummaryWriter(tmp_path) as writer:
        writer.add_figure("full", figure.axes[0], close=False)
        figure.clear()
        writer.add_figure("empty", figure)

    found = reader(tmp_path)
    full, empty = (pixels(found.Images(tag)[0].encoded_image_string) for tag in ("full", "empty"))
    assert set(empty.ravel().tolist()) == {255}
    assert (full < 255).any()


def test_figures_of_several_sizes(tmp_path: Path) -> None:
    """Figures that differ in size, which torch refuses, share a grid with white around the smaller one."""
    with tb.SummaryWriter(tmp_path) as writer:
        writer.add_figure("list", [draw(size=(2, 1)), draw(size=(1, 2))])

    (event,) = reader(tmp_path).Images("list")
    assert (event.width, event.height) == (320, 160)
    got = pixels(event.encoded_image_string)
    assert (got[80:, :160] == 255).all()
    assert (got[:, 240:] == 255).all()


def test_figure_without_pyplot() -> None:
    """A figure made without pyplot is drawn without importing it, as servers and threads need."""
    code = (
        "import sys, tallyboard as tb\n"
        "from matplotlib.figure import Figure\n"
        "figure = Figure(figsize=(1, 1)); figure.add_subplot().plot([1, 2])\n"
        "sink = tb.MemorySink()\n"
        "with tb.SummaryWriter(sink=sink) as writer: writer.add_figure('t', figure)\n"
        "assert len(sink.events) == 1\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


def test_plotly(tmp_path: Path) -> None:
    """The JSON is kept whole under `plotly`; TensorBoard has a table of the traces, at the same step and time."""
    go = pytest.importorskip("plotly.graph_objects")
    figure = go.Figure([go.Scatter(x=[1, 2, 3], y=[3, 1, 2], name="a|b"), go.Bar(y=np.arange(5.0))])
    figure.update_layout(title="Loss <b>of</b> both", xaxis_title="epoch")
    want = json.loads(figure.to_json())
    with tb.SummaryWriter(tmp_path) as writer:
        writer.add_figure("fig", figure, 7)
        figure.data = []

    found = reader(tmp_path)

    assert found.SummaryMetadata("fig").plugin_data.plugin_name == "plotly"
    assert json.loads(texts(found, "fig")[0]) == want
    (about,) = texts(found, "fig/text_summary")
    assert "2 traces" in about
    assert "title Loss of both" in about
    assert "x epoch" in about
    assert r"| a\|b | scatter | x: 3, y: 3 |" in about
    assert "| trace 1 | bar | y: 5 |" in about
    (a,), (b,) = found.Tensors("fig"), found.Tensors("fig/text_summary")
    assert (a.step, a.wall_time) == (b.step, b.wall_time)
    assert a.step == 7


HTML = "<html><head><title>no</title><style>b {}</style></head><body><h1>Big</h1><script>x()</script>a &lt;b&gt; ``` <a href='http://x'>y</a></body>"


def test_html(tmp_path: Path) -> None:
    """HTML is kept whole under `html`; TensorBoard's text dashboard shows its words, without its markup."""
    plugin = pytest.importorskip("tensorboard.plugins.text.text_plugin")
    with tb.SummaryWriter(tmp_path) as writer:
        writer.add_figure("page", HTML, step=2)

    found = reader(tmp_path)

    assert found.SummaryMetadata("page").plugin_data.plugin_name == "html"
    assert texts(found, "page") == [HTML]
    assert found.SummaryMetadata("page/text_summary").plugin_data.plugin_name == "text"
    shown = plugin.text_array_to_html(np.array(texts(found, "page/text_summary")), True)
    assert "Big\na &lt;b&gt; ```\ny" in shown
    assert "href" not in shown
    assert "x()" not in shown
    assert "no\n" not in shown


def test_objects_that_show_themselves_as_html() -> None:
    """What notebooks show as HTML is logged as HTML."""

    class Chart:
        def _repr_html_(self) -> str:
            return "<p>chart</p>"

    summaries = page("t", Chart())

    assert summaries is not None
    assert [(s.plugin, s.value) for s in summaries[:1]] == [("html", (b"<p>chart</p>",))]


@given(html=st.text(min_size=1).filter(str.strip))
@settings(max_examples=100, deadline=None)
def test_any_text_is_html(html: str) -> None:
    """Any text that UTF-8 can carry is kept, and what it says is made without an error."""
    try:
        html.encode()
    except UnicodeEncodeError:
        with pytest.raises(tb.InvalidSummary, match="UTF-8"):
            page("t", html)
        return
    whole, about = page("t", html) or ()

    assert whole.value == (html.encode(),)
    text: Any = about.settled().value
    assert text[0].startswith(b"HTML of ")


def test_odd_plotly_figures_are_kept() -> None:
    """A figure whose JSON is not what was expected is kept all the same, with a plain notice."""
    figure = type("Figure", (), {"__module__": "plotly.odd", "to_json": lambda self: '{"data": [7], "layout": 3}'})()
    whole, about = page("t", figure) or ()

    assert whole.value == (b'{"data": [7], "layout": 3}',)
    assert about.settled().value == (b"Plotly figure. TensorBoard cannot show it; tallyboard does.",)


@pytest.mark.parametrize(
    ("figure", "message"),
    [
        (np.zeros((3, 4, 4)), r"add_figure\('t'\): expected a matplotlib figure.*pixels go to add_image"),
        (None, "got NoneType"),
        ([], "list of figures is empty"),
        (["<p>"], "got str"),
        ("  ", "HTML is empty"),
        ("\ud800", "UTF-8"),
    ],
)
def test_wrong_figures_are_refused_at_the_call(figure: Any, message: str) -> None:
    """What is no figure raises at the call; the writer goes on."""
    sink = tb.MemorySink()
    with tb.SummaryWriter(sink=sink) as writer:
        with pytest.raises(tb.InvalidSummary, match=message):
            writer.add_figure("t", figure)
        writer.add_figure("t", "<p>fine</p>", step=1)

    assert [event.step for event in sink.events] == [1, 1]
