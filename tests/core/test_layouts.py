"""Layouts of charts are torch's, and those of which nothing would be drawn are refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import tallyboard as tb
from tallyboard.core.errors import InvalidSummary
from tallyboard.core.layouts import custom_scalars

LAYOUT = {
    "Taiwan": {"twse": ["Multiline", ["twse/0050", "twse/2330"]]},
    "USA": {
        "dow": ["Margin", ["dow/aaa", "dow/bbb", "dow/ccc"]],
        "nasdaq é": ["Multiline", ["nasdaq/.*"]],
    },
    "empty": {},
}


@pytest.mark.parametrize("peer", ["torch.utils.tensorboard", "tensorboardX"])
@pytest.mark.parametrize(
    "log",
    [
        lambda w: w.add_custom_scalars(LAYOUT),
        lambda w: w.add_custom_scalars({}),
        lambda w: w.add_custom_scalars_multilinechart(["a", "b/.*"]),
        lambda w: w.add_custom_scalars_multilinechart(("a",), "category", "title"),
        lambda w: w.add_custom_scalars_marginchart(["v", "low", "high"], category="category", title="title"),
    ],
    ids=["layout", "nothing", "multiline", "titled", "margin"],
)
def test_layouts_are_the_peers(side_by_side: Callable[..., Any], peer: str, log: Callable[[Any], object]) -> None:
    """The layout on disk is, byte for byte, the one that torch and tensorboardX write."""
    (mine,), (theirs,) = side_by_side(log, peer)

    assert (mine.tag, mine.step, mine.plugin, mine.content) == (theirs.tag, theirs.step, theirs.plugin, theirs.content)
    assert mine.array.shape == theirs.array.shape == ()
    assert mine.array.item() == theirs.array.item()


def test_step_and_wall_time(ours: Callable[..., Any]) -> None:
    """Unlike torch's, these methods take a step and a wall time as all others do."""
    (one,) = ours(lambda w: w.add_custom_scalars_multilinechart(["a"], step=3, walltime=4.0))

    assert (one.step, one.wall_time) == (3, 4.0)


def test_several_bands_in_one_chart() -> None:
    """A margin chart may have several bands; kinds are taken in any case."""
    layout_pb2 = pytest.importorskip("tensorboard.plugins.custom_scalar.layout_pb2")
    value: Any = custom_scalars({"c": {"t": ["MARGIN", [["a", "b", "c"], ("d", "e", "f")]]}}).value

    layout = layout_pb2.Layout.FromString(value.array.item())

    series = layout.category[0].chart[0].margin.series
    assert [(s.value, s.lower, s.upper) for s in series] == [("a", "b", "c"), ("d", "e", "f")]


@pytest.mark.parametrize(
    ("layout", "words"),
    [
        ([1], ["layout to be a mapping", "list", "as in {"]),
        ({"a": ["Multiline", ["x"]]}, ["layout['a'] to be a mapping"]),
        ({"a": {"t": "Multiline"}}, ["chart 't'", "[kind, tags]"]),
        ({"a": {"t": ["Multiline"]}}, ["chart 't'", "[kind, tags]"]),
        ({"a": {"t": ["Multilne", ["x"]]}}, ["'Multilne'", "'Multiline' or 'Margin'"]),
        ({"a": {"t": ["Multiline", "x"]}}, ["tags of chart 't'", "list of strings", "'x'"]),
        ({"a": {"t": ["Multiline", []]}}, ["at least one"]),
        ({"a": {"t": ["Multiline", [1]]}}, ["a tag of chart 't'", "int 1"]),
        ({"a": {"t": ["Margin", ["x", "y"]]}}, ["3 tags", "'t'", "got 2"]),
        ({"a": {"t": ["Margin", []]}}, ["at least one"]),
        ({1: {"t": ["Multiline", ["x"]]}}, ["a category", "int 1"]),
        ({"a": {"t": ["Multiline", ["\ud800"]]}}, ["UTF-8", "\\ud800"]),
    ],
)
def test_wrong_layouts_say_what_is_wrong(layout: Any, words: list[str]) -> None:
    """What is no layout raises at once, and the text names the place, what came and what was wanted."""
    with pytest.raises(InvalidSummary) as error:
        custom_scalars(layout)
    for word in ("add_custom_scalars", *words):
        assert word in str(error.value)


def shown(logdir: Path) -> dict[str, dict[str, list[str]]]:
    """The layout that TensorBoard's own plugin serves: category → title → tags."""
    plugin = pytest.importorskip("tensorboard.plugins.custom_scalar.custom_scalars_plugin")
    base = pytest.importorskip("tensorboard.plugins.base_plugin")
    providers = pytest.importorskip("tensorboard.backend.event_processing.data_provider")
    multiplexers = pytest.importorskip("tensorboard.backend.event_processing.plugin_event_multiplexer")
    context = pytest.importorskip("tensorboard.context")
    multiplexer = multiplexers.EventMultiplexer()
    multiplexer.AddRunsFromDirectory(str(logdir))
    multiplexer.Reload()
    provider = providers.MultiplexerDataProvider(multiplexer, str(logdir))
    made = plugin.CustomScalarsPlugin(base.TBContext(logdir=str(logdir), data_provider=provider))
    layout = json.loads(made.layout_impl(context.RequestContext(), ""))
    return {
        category["title"]: {
            chart["title"]: chart["multiline"]["tag"] if "multiline" in chart else chart["margin"]["series"]
            for chart in category.get("chart", [])
        }
        for category in layout["category"]
    }


def test_charts_of_every_call_are_shown(tmp_path: Path) -> None:
    """TensorBoard shows the user's charts and those of add_scalars(mode="tags"), in whatever order they came."""
    with tb.SummaryWriter(tmp_path) as writer:
        writer.add_scalars("loss", {"train": 1.0}, 0, mode="tags")
        writer.add_custom_scalars({"mine": {"both": ["Multiline", ["a", "b"]]}})
        writer.add_scalars("loss", {"val": 1.0}, 1, mode="tags")
        writer.add_scalars("more/speed", {"x": 1.0}, 1, mode="tags")
        writer.add_custom_scalars_multilinechart(["c"], "mine", "third")
        writer.add_custom_scalars_marginchart(["v", "low", "high"])

    assert shown(tmp_path) == {
        "mine": {"both": ["a", "b"], "third": ["c"]},
        "default": {"untitled": [{"value": "v", "lower": "low", "upper": "high"}]},
        "loss": {"loss": ["loss/train$", "loss/val$"]},
        "more": {"more/speed": ["more/speed/x$"]},
    }


def test_the_users_chart_goes_before(tmp_path: Path) -> None:
    """Of one title, the user's latest chart is shown, and never add_scalars' own; a wrong layout changes nothing."""
    with tb.SummaryWriter(tmp_path) as writer:
        writer.add_custom_scalars({"loss": {"loss": ["Multiline", ["old"]], "other": ["Multiline", ["a"]]}})
        writer.add_scalars("loss", {"train": 1.0}, 0, mode="tags")
        writer.add_custom_scalars({"loss": {"loss": ["Multiline", ["mine"]]}})
        with pytest.raises(InvalidSummary):
            writer.add_custom_scalars({"loss": {"loss": ["Multiline", ["x"]], "bad": ["Pie", ["x"]]}})
        writer.add_scalars("loss", {"val": 1.0}, 1, mode="tags")

    assert shown(tmp_path) == {"loss": {"loss": ["mine"], "other": ["a"]}}
