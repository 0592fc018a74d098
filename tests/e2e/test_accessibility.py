"""The page for people who cannot see it well, or at all: axe's rules, and the contrast of every text as shown."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Page, expect

import tallyboard as tb
from tallyboard.core.proto import event_pb2 as pb
from tallyboard.core.record import frame

from ..films import greys, webm
from .readable import check, check_both, too_pale


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, serve_module: Callable[..., Any]) -> Any:
    """Runs with a warning, a restart, groups, a tag of its own and values that are no numbers."""
    logdir = tmp_path_factory.mktemp("runs")
    for run, rate in (("digits/lr=0.1", 0.1), ("digits/lr=0.01", 0.01), ("other", 0.5)):
        with tb.SummaryWriter(logdir / run) as writer:
            for step in range(60):
                writer.add_scalar("train/loss", rate / (step + 1) if step != 7 else float("nan"), step)
                writer.add_scalar("accuracy", 1 - rate / (step + 1), step)
                if step % 20 == 0:
                    writer.add_histogram("weights", [rate, step, float("nan")], step)
    damaged = next((logdir / "other").iterdir())
    damaged.write_bytes(damaged.read_bytes()[:-40] + bytes(60))
    return serve_module(logdir)


@pytest.mark.parametrize("width", [1280, 390])
def test_nothing_is_hidden_from_anybody(
    runs: Any, open_page: Callable[..., Page], chart: Any, axe: str, width: int
) -> None:
    """axe finds no serious or critical fault, and each text has a contrast of 4.5:1, at rest and below a warning."""
    page = open_page(runs, width=width)
    chart(page, "accuracy").wait(runs=3)
    chart(page, "train/loss").wait(runs=3).hover(0.5, 0.5)
    check_both(page, axe, "at rest")
    page.get_by_role("button", name="Download train/loss").click()
    check_both(page, axe, "a card's downloads")
    page.keyboard.press("Escape")
    if width < 800:
        page.get_by_role("button", name="Runs", exact=True).click()
    page.get_by_label("Filter runs").fill("digits(")
    expect(page.get_by_role("alert").filter(has_text="Not filtering")).to_be_visible()
    check_both(page, axe, "a broken filter")
    page.get_by_label("Filter runs").fill("")
    page.get_by_role("button", name=re.compile("^Warnings of")).first.click()
    check_both(page, axe, "warnings")


@pytest.mark.parametrize(("scheme", "width"), [("dark", 1280), ("light", 390)])
def test_hyperparameters_are_hidden_from_nobody(
    tmp_path: Path, open_page: Callable[..., Page], axe: str, scheme: str, width: int
) -> None:
    """The same of every view of the hyperparameters, with a brush, a menu and a value that is no number."""
    for i in range(12):
        with tb.SummaryWriter(tmp_path / f"run{i}") as writer:
            writer.add_hparams({"lr": 10.0**-i, "opt": "adam" if i % 2 else "sgd"})
            writer.add_scalar("loss", i * i if i else float("nan"), 0)
    page = open_page(tmp_path, 'dash=hparams&hpbrush={"hp:opt":{"words":["sgd"]}}', scheme=scheme, width=width)
    page.locator("canvas[data-rows='12']").wait_for()
    for view in ("Parallel", "Scatter", "Importance", "Correlation", "Table"):
        page.get_by_role("radio", name=view).check(force=True)
        if view in ("Importance", "Correlation"):
            expect(page.locator(".upper table td").first).to_be_attached()
        check(page, axe, view)
    for opener in ("Columns and axes", "Rows", "Save the table"):
        page.get_by_role("button", name=opener).click()
        check(page, axe, f"behind {opener}")
        page.keyboard.press("Escape")


@pytest.mark.parametrize(("scheme", "width"), [("dark", 390), ("light", 1280)])
def test_histograms_are_for_all(runs: Any, open_page: Callable[..., Page], axe: str, scheme: str, width: int) -> None:
    """The same of the dashboard of histograms, with a marked step and what is told of values left out."""
    page = open_page(runs, "dash=histograms&histstep=20", scheme=scheme, width=width)
    card = page.get_by_role("group", name="weights", exact=True)
    expect(card.locator(".chart")).to_have_attribute("data-points", re.compile("."))
    expect(card.get_by_role("list", name="Marked step")).to_contain_text("2 values")
    check(page, axe, "histograms")
    page.get_by_role("button", name="Download weights").click()
    check(page, axe, "behind Download")


def test_texts_are_for_everybody(
    tmp_path: Path, open_page: Callable[..., Page], serve: Callable[..., Any], axe: str
) -> None:
    """The same of texts, tables and matrices, of a search and of what changed."""
    with tb.SummaryWriter(tmp_path / "run") as writer:
        for step in range(3):
            writer.add_text(
                "note", f"# Step {step}\n\n[link](http://a.b) `code` $x$\n\n| a | b |\n|---|---|\n| 1 | 2 |", step
            )
        writer.add_table("table", {"a": [1, 2], "b": ["x", "y"]}, 1)
        writer.add_confusion_matrix("matrix", matrix=[[9, 4, 0], [1, 6, 2], [3, 3, 5]], global_step=1)
    page = open_page(serve(tmp_path), "dash=text&txfind=step")
    expect(page.locator(".katex").first).to_be_visible()
    expect(page.get_by_role("region", name="Found").locator("mark").first).to_be_visible()
    check_both(page, axe, "texts")
    page.get_by_text("Changes", exact=True).click()
    expect(page.locator("ins").first).to_be_visible()
    check_both(page, axe, "changes")


def test_curves_are_for_everybody(
    tmp_path: Path, open_page: Callable[..., Page], serve: Callable[..., Any], axe: str
) -> None:
    """The same of curves with their tables."""
    for run in ("a", "b"):
        with tb.SummaryWriter(tmp_path / run) as writer:
            for step in range(2):
                writer.add_roc_curve("roc", [0, 1, 1, 0], [0.1, 0.8, 0.6, 0.7], step)
    page = open_page(serve(tmp_path), "dash=curves")
    expect(page.locator("path[data-run]")).to_have_count(2)
    check_both(page, axe, "curves")


def test_what_is_said_when_there_is_nothing_to_show(
    tmp_path: Path, open_page: Callable[..., Page], serve: Callable[..., Any], axe: str
) -> None:
    """The page without runs, and without its server, has no serious fault either."""
    started = serve(tmp_path / "not_yet")
    page = open_page(started)
    expect(page.get_by_role("heading", name=re.compile("^Waiting"))).to_be_visible()
    check_both(page, axe, "waiting")
    started.stop()
    expect(page.get_by_text("The server does not answer.")).to_be_visible()
    check_both(page, axe, "offline")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory, serve_module: Callable[..., Any]) -> Any:
    """Two runs of pictures, and one of bytes that are none."""
    logdir = tmp_path_factory.mktemp("pictures")
    for run, shade in (("light", 220), ("dark", 30)):
        with tb.SummaryWriter(logdir / run) as writer:
            for step in (0, 5):
                writer.add_image("samples/digit", np.full((3, 8, 8), shade + step, np.uint8), step)
    image = pb.Summary.Image(width=8, height=8, colorspace=3, encoded_image_string=b"<svg/>")
    summary = pb.Summary(value=[pb.Summary.Value(tag="samples/digit", image=image)])
    (logdir / "odd").mkdir()
    with open(logdir / "odd" / "events.out.tfevents.1.host", "wb") as file:
        file.write(frame(pb.Event(wall_time=9.0, file_version="brain.Event:2").SerializeToString()))
        file.write(frame(pb.Event(wall_time=10.0, step=3, summary=summary).SerializeToString()))
    return serve_module(logdir)


@pytest.mark.parametrize(("width", "scheme"), [(1280, "dark"), (390, "light")])
def test_pictures_are_for_everybody(
    pictures: Any, open_page: Callable[..., Page], axe: str, width: int, scheme: str
) -> None:
    """Cards of pictures, their settings, the steps along and the magnifier keep to the rules, dark and light."""
    page = open_page(pictures, "dash=images", width=width, scheme=scheme)
    expect(page.locator("figure[data-state=shown]")).to_have_count(2)
    check(page, axe, "cards of pictures")
    page.get_by_role("button", name="Image settings").click()
    check(page, axe, "settings of pictures")
    page.keyboard.press("Escape")
    page.get_by_role("button", name=re.compile("^Picture of run dark")).click()
    lens = page.get_by_role("dialog", name="Magnifier")
    for mode in ("One", "Side by side", "Difference", "Onion skin"):
        lens.get_by_text(mode, exact=True).click()
        expect(lens.locator("img, canvas").first).to_be_visible()
        check(page, axe, f"magnifier: {mode}")
    page.keyboard.press("Escape")
    page.get_by_label("Cards", exact=True).select_option("steps")
    expect(page.locator("figure[data-state=shown]").first).to_be_visible()
    check(page, axe, "steps along")


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_sounds_are_for_everybody(
    tmp_path: Path, open_page: Callable[..., Page], axe: str, width: int, scheme: str
) -> None:
    """Cards of sounds and their settings keep to the rules, dark and light."""
    with tb.SummaryWriter(tmp_path / "run") as writer:
        writer.add_audio("speech/tone", np.sin(np.arange(800) / 9), 0, sample_rate=8000)
    page = open_page(tmp_path, "dash=audio&auview=both", width=width, scheme=scheme)
    expect(page.locator(".clip[data-state=shown] canvas")).to_have_count(2)
    check(page, axe, "cards of sounds")
    page.get_by_role("button", name="Audio settings").click()
    check(page, axe, "settings of sounds")


@pytest.mark.parametrize(("width", "scheme"), [(1280, "dark"), (390, "light")])
def test_videos_are_for_everybody(
    tmp_path: Path, open_page: Callable[..., Page], axe: str, width: int, scheme: str
) -> None:
    """Cards of videos, one that cannot be played, each with its own clock, and the settings keep to the rules."""
    with tb.SummaryWriter(tmp_path / "run") as writer:
        writer.add_video("film", webm(greys([0, 100, 200])), 0)
        writer.add_video("cut", webm(greys([0, 100, 200]))[:60], 0)
    page = open_page(tmp_path, "dash=video&vdsync=0&vdclock=0", width=width, scheme=scheme)
    expect(page.locator(".clip[data-state=shown] video")).to_have_count(1)
    expect(page.locator(".clip[data-state=problem]")).to_have_count(1)
    check(page, axe, "cards of videos")
    page.get_by_role("button", name="Video settings").click()
    page.get_by_text("All run by one clock").click()
    check(page, axe, "settings of videos")


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_meshes_are_for_everybody(
    tmp_path: Path, open_page: Callable[..., Page], axe: str, width: int, scheme: str
) -> None:
    """Cards of meshes, what is wrong with one, and their settings keep to the rules, dark and light."""
    with tb.SummaryWriter(tmp_path / "run") as writer:
        vertices = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0]], np.float32)
        for step in (0, 5):
            writer.add_mesh("shape", vertices, faces=[[[0, 1, 2]]], config_dict={"material": "gold"}, global_step=step)
    page = open_page(tmp_path, "dash=meshes&mssync=0", width=width, scheme=scheme)
    expect(page.locator("[data-mesh=shape][data-state=shown]")).to_be_visible()
    expect(page.get_by_text("material is nothing known here (gold)")).to_be_visible()
    check(page, axe, "cards of meshes")
    page.get_by_role("button", name="Mesh settings").click()
    check(page, axe, "settings of meshes")


def test_the_checks_can_fail(runs: Any, open_page: Callable[..., Page], chart: Any, axe: str) -> None:
    """A button without a name and a pale text on the page are found."""
    page = open_page(runs)
    chart(page, "accuracy").wait(runs=3)
    page.evaluate("() => document.querySelector('header').append(document.createElement('button'))")
    with pytest.raises(AssertionError, match="button-name"):
        check(page, axe, "a nameless button")
    page.evaluate("() => document.querySelector('header > button:last-child').remove()")
    assert not too_pale(page)
    page.evaluate("() => { document.querySelector('.logdir').style.opacity = 0.4; }")
    assert [Path(text).name[:4] for text, _ in too_pale(page)] == ["runs"]


@pytest.mark.parametrize(("scheme", "width"), [("dark", 390), ("light", 1280)])
def test_embeddings_are_for_everybody(
    tmp_path: Path, open_page: Callable[..., Page], serve: Callable[..., Any], axe: str, scheme: str, width: int
) -> None:
    """The same of the projector, where WebGL may be missing: lists, a chosen point, a broken search, axes."""
    with tb.SummaryWriter(tmp_path / "run") as writer:
        names = [[f"word {i}", str(i % 3)] for i in range(30)]
        writer.add_embedding(np.eye(30), names, tag="words", metadata_header=["word", "group"])
    page = open_page(serve(tmp_path), "dash=projector&pjpoint=3&pjk=5", scheme=scheme, width=width)
    expect(page.get_by_role("list", name="Nearest points").locator("li")).to_have_count(5)
    check(page, axe, "embedding")
    page.get_by_role("radio", name="Axes").check(force=True)
    page.get_by_label("What lies along X").select_option("way")
    page.get_by_role("button", name="Regex").click()
    page.get_by_label("Search points").fill("word(")
    expect(page.get_by_role("alert").filter(has_text="group")).to_be_visible()
    check(page, axe, "axes and a broken search")
    page.get_by_role("button", name="Projector settings").click()
    check(page, axe, "behind the settings")
